//! The allocator: the C library's, and a small reserve for when the kernel gives no more memory. An allocation that fails
//! ends a Rust program, and PID 1 must not end. The reserve is untouched until then, so it costs no memory.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Far more than goward allocates from its start to its end.
const SIZE: usize = 256 * 1024;

#[repr(align(4096))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: every byte is handed out at most once, by an atomic counter.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));
static USED: AtomicUsize = AtomicUsize::new(0);

/// The C library's allocator with the reserve behind it. What comes from the reserve is never given back: it is for the
/// moment, not for good.
pub struct Reserve;

// SAFETY: memory comes from the system's allocator, or is a part of the reserve that nobody else has; the layout is kept.
unsafe impl GlobalAlloc for Reserve {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the same.
        let block = unsafe { System.alloc(layout) };
        if block.is_null() { from_reserve(layout) } else { block }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !is_of_reserve(block) {
            // SAFETY: it came from there.
            unsafe { System.dealloc(block, layout) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_of_reserve(block) {
            // SAFETY: it came from there.
            let moved = unsafe { System.realloc(block, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else { return std::ptr::null_mut() };
        // SAFETY: the new block is another one, and both hold what is copied. The old one, if it is the system's, is freed.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

fn from_reserve(layout: Layout) -> *mut u8 {
    let base = MEMORY.0.get().cast::<u8>();
    if layout.align() > 4096 {
        return std::ptr::null_mut();
    }
    let place = USED.fetch_update(Relaxed, Relaxed, |used| {
        let end = used.next_multiple_of(layout.align()).checked_add(layout.size())?;
        (end <= SIZE).then_some(end)
    });
    match place {
        // SAFETY: the end was checked; the base is aligned for every alignment that gets here.
        Ok(used) => unsafe { base.add(used.next_multiple_of(layout.align())) },
        Err(_) => std::ptr::null_mut(),
    }
}

fn is_of_reserve(block: *const u8) -> bool {
    let base = MEMORY.0.get().cast::<u8>() as usize;
    (base..base + SIZE).contains(&(block as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test: the reserve is one.
    #[test]
    fn the_reserve_is_handed_out_once_and_moves_into_the_system_when_it_can() {
        let layout = Layout::from_size_align(24, 8).unwrap();
        let one = from_reserve(layout);
        let other = from_reserve(Layout::from_size_align(10, 64).unwrap());
        assert!(
            is_of_reserve(one)
                && is_of_reserve(other)
                && (other as usize).is_multiple_of(64)
                && other as usize >= one as usize + 24
        );
        // SAFETY: 24 bytes of ours; grown and given back through the allocator that knows them.
        unsafe {
            one.write_bytes(7, 24);
            let grown = Reserve.realloc(one, layout, 4000);
            assert!(!is_of_reserve(grown));
            assert_eq!(std::slice::from_raw_parts(grown, 24), [7; 24]);
            Reserve.dealloc(grown, Layout::from_size_align(4000, 8).unwrap());
            Reserve.dealloc(other, Layout::from_size_align(10, 64).unwrap());
        }
        assert!(from_reserve(Layout::from_size_align(SIZE, 1).unwrap()).is_null(), "what is not there is refused");
    }
}
