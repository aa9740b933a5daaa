//! The allocator: the C library's, and memory of goward's own, before it and behind it.
//!
//! Before it: a start allocates a few kilobytes, for which the C library would ask the kernel ten times (a mapping for each size
//! of blocks, and some back). That memory is there already, and the exit has less to take down. Once it did not suffice it is
//! not asked again: commands that allocate much have no use for it.
//!
//! Behind it: a reserve for when the kernel gives no more memory (`--rlimit data=0`, a limit that its children have used up).
//! The reserve is untouched until then, so it costs no memory.
//!
//! It may be all that there is for months, so what is given back to it is used again. What it cannot give either ends the
//! program, as in every program of Rust's, but not by SIGABRT: the one that made the allocator says what is done.
//!
//! That goes for allocations too whose caller would take a no for an answer (`try_reserve`): an allocator cannot tell. In
//! goward only std does this, when it reads a file to its end, and what goward reads so is small.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, TryLockError};

/// Several times what goward has allocated at any moment.
const SIZE: usize = 256 * 1024;
/// What is given out is a multiple of this.
const GRAIN: usize = 32;
/// So much of it is for the first allocations, if they are not larger than this. What grows may come to be.
const FIRST: usize = 32 * 1024;
const SMALL: usize = 4 * 1024;

#[repr(align(4096))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: whoever has been given a part of it has it alone.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));
/// Which parts of it are taken. One thread has it; the mutex is what makes a static of it.
static GRAINS: Mutex<Grains<{ SIZE / GRAIN / 64 }>> = Mutex::new(Grains::new());

/// What is for the first allocations has sufficed so far.
static SUFFICES: AtomicBool = AtomicBool::new(true);

/// What comes now allocates much: the memory for the first allocations is given out no more.
pub fn end_first() {
    SUFFICES.store(false, Relaxed);
}

/// The C library's allocator with the memory before it and behind it.
pub struct Reserve {
    exhausted: fn(usize) -> !,
}

impl Reserve {
    /// `exhausted` is called where there is no memory at all, with the number of bytes that were wanted. It must not allocate.
    pub const fn new(exhausted: fn(usize) -> !) -> Reserve {
        Reserve { exhausted }
    }

    /// A block for this, of the C library or what is before it; null if there is none.
    ///
    /// # Safety
    /// As [`GlobalAlloc::alloc`].
    unsafe fn usual(&self, layout: Layout) -> *mut u8 {
        match first(layout) {
            Some(block) => block,
            // SAFETY: the caller's promises are the same.
            None => unsafe { System.alloc(layout) },
        }
    }

    /// A block for this, out of the reserve.
    fn spare(&self, layout: Layout) -> *mut u8 {
        match take(layout) {
            Some(block) => block,
            None => (self.exhausted)(layout.size()),
        }
    }
}

// SAFETY: memory comes from the system's allocator, or is a part of the reserve that nobody else has; the layout is kept.
unsafe impl GlobalAlloc for Reserve {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the same.
        let block = unsafe { self.usual(layout) };
        if block.is_null() { self.spare(layout) } else { block }
    }

    /// What the kernel has just given is zero already, and is not touched.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let first = first(layout);
        // SAFETY: the caller's promises are the same.
        let block = if first.is_some() { ptr::null_mut() } else { unsafe { System.alloc_zeroed(layout) } };
        if !block.is_null() {
            return block;
        }
        let block = first.unwrap_or_else(|| self.spare(layout));
        // SAFETY: it holds that many bytes, and is the caller's alone.
        unsafe { block.write_bytes(0, layout.size()) };
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match place(block) {
            Some(at) => give_back(at, count(layout.size())),
            // SAFETY: it came from there.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises: a size that is not 0, and with which this is a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let moved = match place(block) {
            // SAFETY: it came from there.
            None => unsafe { System.realloc(block, layout, size) },
            Some(at) => {
                let (old, new) = (count(layout.size()), count(size));
                let is_first = at + new <= FIRST / GRAIN;
                if (is_first || new <= old) && resize(at, old, new) || size <= layout.size() {
                    return block;
                }
                // Back to the C library, where that has memory again.
                // SAFETY: the layout is as the caller promises.
                let moved = unsafe { self.usual(wanted) };
                if moved.is_null() && resize(at, old, new) {
                    return block;
                }
                if !moved.is_null() {
                    // SAFETY: another block; both hold what is copied. The old one is given back, by its own layout.
                    unsafe { self.move_to(moved, block, layout) };
                }
                moved
            }
        };
        if !moved.is_null() {
            return moved;
        }
        if size <= layout.size() {
            // Too large is no reason to fail.
            return block;
        }
        let moved = self.spare(wanted);
        // SAFETY: as above.
        unsafe { self.move_to(moved, block, layout) };
        moved
    }
}

impl Reserve {
    /// # Safety
    /// `to` is another block, at least as large, and `block` is one of this allocator's with this layout.
    unsafe fn move_to(&self, to: *mut u8, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises.
        unsafe {
            ptr::copy_nonoverlapping(block, to, layout.size());
            self.dealloc(block, layout);
        }
    }
}

fn base() -> *mut u8 {
    MEMORY.0.get().cast()
}

type All = Grains<{ SIZE / GRAIN / 64 }>;

fn grains<T>(act: impl FnOnce(&mut All) -> T) -> T {
    act(&mut GRAINS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The same if nobody else is at it: another thread, or one that the process that forked had, and that will never be done.
fn grains_at_once<T>(act: impl FnOnce(&mut All) -> T) -> Option<T> {
    match GRAINS.try_lock() {
        Ok(mut grains) => Some(act(&mut grains)),
        Err(TryLockError::Poisoned(grains)) => Some(act(&mut grains.into_inner())),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// What cannot be given back at once is not worth waiting for.
fn give_back(at: usize, count: usize) {
    grains_at_once(|grains| grains.give_back(at, count));
}

fn resize(at: usize, old: usize, new: usize) -> bool {
    grains_at_once(|grains| grains.resize(at, old, new)).unwrap_or(false)
}

/// So many hold that many bytes.
fn count(size: usize) -> usize {
    size.div_ceil(GRAIN)
}

/// A part of the reserve, if there is one that fits.
fn take(layout: Layout) -> Option<*mut u8> {
    if layout.align() > align_of::<Memory>() {
        return None;
    }
    let at = grains(|grains| grains.take(count(layout.size()), layout.align().div_ceil(GRAIN), All::COUNT))?;
    // SAFETY: it is inside; the base is aligned for every alignment that gets here.
    Some(unsafe { base().add(at * GRAIN) })
}

/// A part of what is for the first allocations, as long as it suffices.
fn first(layout: Layout) -> Option<*mut u8> {
    if layout.size() > SMALL || layout.align() > GRAIN || !SUFFICES.load(Relaxed) {
        return None;
    }
    match grains_at_once(|grains| grains.take(count(layout.size()), 1, FIRST / GRAIN))? {
        // SAFETY: it is inside; the base is aligned for every alignment that gets here.
        Some(at) => Some(unsafe { base().add(at * GRAIN) }),
        None => {
            SUFFICES.store(false, Relaxed);
            None
        }
    }
}

/// Where in the reserve it is, in grains; none: it is the C library's.
fn place(block: *const u8) -> Option<usize> {
    let at = (block as usize).checked_sub(base() as usize)?;
    (at < SIZE).then_some(at / GRAIN)
}

/// What of a piece of memory is taken: a bit for each grain. There is no list of free blocks that could be cut up for good:
/// neighbours that are free are one block. Pure.
struct Grains<const WORDS: usize> {
    taken: [u64; WORDS],
}

impl<const WORDS: usize> Grains<WORDS> {
    const COUNT: usize = WORDS * 64;

    const fn new() -> Self {
        Self { taken: [0; WORDS] }
    }

    fn is_taken(&self, grain: usize) -> bool {
        self.taken.get(grain / 64).is_none_or(|word| word & (1 << (grain % 64)) != 0)
    }

    fn mark(&mut self, from: usize, to: usize, taken: bool) {
        for grain in from..to {
            if let Some(word) = self.taken.get_mut(grain / 64) {
                let bit = 1 << (grain % 64);
                *word = if taken { *word | bit } else { *word & !bit };
            }
        }
    }

    /// The last grain in this range that is taken.
    fn last_taken(&self, from: usize, to: usize) -> Option<usize> {
        (from..to).rev().find(|grain| self.is_taken(*grain))
    }

    /// The first so many that are free in a row, begin at a multiple of `align`, and end before `end`.
    fn take(&mut self, count: usize, align: usize, end: usize) -> Option<usize> {
        let mut from = 0usize;
        loop {
            let to = from.checked_add(count).filter(|to| *to <= end.min(Self::COUNT))?;
            match self.last_taken(from, to) {
                Some(taken) => from = (taken + 1).next_multiple_of(align),
                None => {
                    self.mark(from, to, true);
                    return Some(from);
                }
            }
        }
    }

    fn give_back(&mut self, from: usize, count: usize) {
        self.mark(from, from + count, false);
    }

    /// Where it is. False: what lies behind is not free.
    fn resize(&mut self, from: usize, old: usize, new: usize) -> bool {
        let (old, Some(new)) = (from + old, from.checked_add(new)) else { return false };
        if new > Self::COUNT || self.last_taken(old, new).is_some() {
            return false;
        }
        self.mark(old, new, true);
        self.mark(new, old, false);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One test: the reserve is one.
    #[test]
    fn the_reserve_is_handed_out_and_moves_into_the_system_when_it_can() {
        let reserve = Reserve::new(|size| panic!("no {size} bytes"));
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        // SAFETY: blocks of the allocator's, used within their size, and given back by their layout.
        unsafe {
            let (small, large) = (layout(1000, 8), layout(SMALL + 1, 8));
            let own = reserve.alloc(large);
            assert_eq!(place(own), None, "while there is memory the reserve is untouched");
            reserve.dealloc(own, large);
            // What is for the first allocations is used again, but for nothing once it did not suffice.
            let own = reserve.alloc(small);
            assert_eq!(place(own), Some(0));
            own.write_bytes(7, 1000);
            assert_eq!(reserve.realloc(own, small, 2000), own, "there is room behind it");
            let next = reserve.alloc(small);
            assert_eq!(place(next), Some(count(2000)));
            let moved = reserve.realloc(own, layout(2000, 8), 3000);
            assert_eq!(
                (place(moved), std::slice::from_raw_parts(moved, 1000)),
                (Some(count(2000) + count(1000)), &[7; 1000][..])
            );
            let again = reserve.alloc_zeroed(small);
            assert_eq!((place(again), std::slice::from_raw_parts(again, 1000)), (Some(0), &[0; 1000][..]));
            let large = reserve.realloc(moved, layout(3000, 8), FIRST);
            assert_eq!((place(large), std::slice::from_raw_parts(large, 1000)), (None, &[7; 1000][..]));
            reserve.dealloc(large, layout(FIRST, 8));
            let mut blocks = vec![next, again];
            while SUFFICES.load(Relaxed) {
                blocks.push(reserve.alloc(small));
            }
            let last = blocks.pop().unwrap();
            // There is a hole that none of them fits in.
            assert_eq!((place(last), blocks.len()), (None, FIRST / count(1000) / GRAIN - 1));
            reserve.dealloc(last, small);
            assert!(blocks.iter().all(|block| place(*block).is_some_and(|at| at < FIRST / GRAIN)));
            blocks.iter().for_each(|block| reserve.dealloc(*block, small));
            assert!(GRAINS.lock().unwrap().taken.iter().all(|word| *word == 0));
            let own = reserve.alloc(small);
            assert_eq!(place(own), None);
            reserve.dealloc(own, small);
            // Another thread that is at it is not waited for.
            let busy = GRAINS.lock().unwrap();
            SUFFICES.store(true, Relaxed);
            let own = reserve.alloc(small);
            assert_eq!((place(own), SUFFICES.swap(false, Relaxed)), (None, true));
            reserve.dealloc(own, small);
            drop(busy);

            let before = take(layout(FIRST, 8)).unwrap();
            let one = take(layout(24, 8)).unwrap();
            let other = take(layout(10, 4096)).unwrap();
            assert!((other as usize).is_multiple_of(4096) && other as usize >= one as usize + 24);
            one.write_bytes(7, 24);
            assert_eq!(reserve.realloc(one, layout(24, 8), 20), one, "less is there already");
            let grown = reserve.realloc(one, layout(20, 8), 4000);
            assert_eq!(place(grown), None);
            assert_eq!(std::slice::from_raw_parts(grown, 20), [7; 20]);
            reserve.dealloc(grown, layout(4000, 8));
            reserve.dealloc(other, layout(10, 4096));
            reserve.dealloc(before, layout(FIRST, 8));
        }
        let all = take(layout(SIZE, 4096)).unwrap();
        assert_eq!(all, base(), "everything came back");
        assert!(take(layout(1, 1)).is_none() && take(layout(1, 8192)).is_none(), "what is not there is refused");
        // SAFETY: as above.
        unsafe { reserve.dealloc(all, layout(SIZE, 4096)) };
    }

    #[test]
    fn neighbours_that_are_free_are_one() {
        assert_eq!(Grains::<1>::new().take(33, 1, 32), None, "no further than it may");
        let mut grains = Grains::<1>::new();
        let blocks: Vec<usize> = (0..32).map(|_| grains.take(2, 1, 64).unwrap()).collect();
        assert_eq!(grains.take(1, 1, 64), None);
        blocks.iter().step_by(2).for_each(|at| grains.give_back(*at, 2));
        assert_eq!(grains.take(3, 1, 64), None, "there is room, but not in one piece");
        assert!(!grains.resize(2, 2, 5) && grains.resize(2, 2, 4), "up to the next that is taken");
        blocks.iter().skip(1).step_by(2).for_each(|at| grains.give_back(*at, 2));
        grains.give_back(4, 2);
        assert_eq!(grains.take(64, 64, 64), Some(0));
        assert_eq!(grains.take(usize::MAX, 1, 64), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Take { count: usize, align: u32 },
        GiveBack(prop::sample::Index),
        Resize(prop::sample::Index, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (1usize..40, 0u32..6).prop_map(|(count, align)| Step::Take { count, align }),
            2 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
            1 => (any::<prop::sample::Index>(), 1usize..60).prop_map(|(block, count)| Step::Resize(block, count)),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn nothing_is_given_out_twice_and_everything_comes_back(steps in steps()) {
            let mut grains = Grains::<4>::new();
            let mut blocks: Vec<(usize, usize)> = Vec::new();
            for step in steps {
                let before = blocks.clone();
                match step {
                    Step::Take { count, align } => {
                        let align = 1 << align;
                        if let Some(at) = grains.take(count, align, 256) {
                            prop_assert!(at.is_multiple_of(align));
                            blocks.push((at, count));
                        } else {
                            let fits = |at: usize| before.iter().all(|(from, count_of)| at + count <= *from || from + count_of <= at);
                            prop_assert!(!(0..=256 - count.min(256)).any(|at| at.is_multiple_of(align) && at + count <= 256 && fits(at)));
                        }
                    }
                    Step::GiveBack(block) if !blocks.is_empty() => {
                        let (at, count) = blocks.swap_remove(block.index(before.len()));
                        grains.give_back(at, count);
                    }
                    Step::Resize(block, count) if !blocks.is_empty() => {
                        let (at, old) = &mut blocks[block.index(before.len())];
                        if grains.resize(*at, *old, count) {
                            *old = count;
                        } else {
                            prop_assert!(count > *old);
                        }
                    }
                    Step::GiveBack(_) | Step::Resize(..) => {}
                }
                // Each grain is taken once, or free.
                let mut owners = [0u8; 256];
                for (at, count) in &blocks {
                    owners[*at..at + count].iter_mut().for_each(|owners| *owners += 1);
                }
                for (grain, owners) in owners.iter().enumerate() {
                    prop_assert!(*owners <= 1 && (*owners == 1) == grains.is_taken(grain), "grain {grain}");
                }
            }
            blocks.iter().for_each(|(at, count)| grains.give_back(*at, *count));
            prop_assert_eq!(grains.take(256, 1, 256), Some(0));
        }
    }
}
