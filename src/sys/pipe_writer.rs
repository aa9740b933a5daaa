//! Writes to a pipe or a file that others have open too, by a process of its own.
//!
//! Whoever has a pipe open can hold its lock indefinitely: splice(2) into it waits for the other side's data under that lock; a
//! file's lock is held by whoever writes a gigabyte to it at once. A write then sleeps, whatever O_NONBLOCK and poll(2) say,
//! and no signal ends the sleep: not even SIGKILL. stderr is such a pipe, and the server has it too. So the write is another
//! process's, which is waited for only for a moment. When PID 1 ends, the kernel kills everybody who may hold the lock.
//!
//! The process shares the memory (clone(2), CLONE_VM): it costs some 50 µs, a copy would cost 200. It runs in registers alone,
//! without errno or a stack, and touches nothing but the fields of [`WRITER`].
#![allow(unsafe_code)]

use crate::signal::Signal;
use nix::errno::Errno;
use std::cell::UnsafeCell;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicIsize, AtomicUsize, Ordering};
use std::time::Duration;

/// As much is written whole or not at all, pipe(7).
const PIECE: usize = libc::PIPE_BUF;
/// So many may be on their way out at once.
const PIDS: usize = 4;
/// The result of a write that has not ended.
const UNKNOWN: isize = isize::MIN;

struct Writer {
    bytes: UnsafeCell<[u8; PIECE]>,
    fd: AtomicI32,
    length: AtomicUsize,
    result: AtomicIsize,
    /// Its pid; the kernel writes 0 when it has ended (CLONE_CHILD_CLEARTID).
    running: AtomicI32,
    /// Its pid, and those of processes that have written and are not reaped yet; 0: free.
    pids: [AtomicI32; PIDS],
}

// SAFETY: goward has one thread; of the process only one is there at a time, and while it is there nobody else writes to the bytes.
unsafe impl Sync for Writer {}

static WRITER: Writer = Writer {
    bytes: UnsafeCell::new([0; PIECE]),
    fd: AtomicI32::new(-1),
    length: AtomicUsize::new(0),
    result: AtomicIsize::new(UNKNOWN),
    running: AtomicI32::new(0),
    pids: [const { AtomicI32::new(0) }; PIDS],
};

/// What has become of a write that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many of the bytes were written.
    Written(usize),
    /// The error of write(2); ECANCELED where the process was killed.
    Failed(Errno),
}

/// Has up to PIPE_BUF bytes written, without waiting for it, and returns how many. EAGAIN where the last write has not ended.
/// None: there can be no other process.
pub fn hand_over(fd: RawFd, bytes: &[u8]) -> Option<nix::Result<usize>> {
    let free = WRITER.pids.iter().find(|pid| pid.load(Ordering::Relaxed) == 0);
    let Some(free) = free.filter(|_| !is_running()) else { return Some(Err(Errno::EAGAIN)) };
    let length = bytes.len().min(PIECE);
    // SAFETY: there is no process that reads them; both have room for `length`.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), WRITER.bytes.get().cast::<u8>(), length) };
    WRITER.fd.store(fd, Ordering::Relaxed);
    WRITER.length.store(length, Ordering::Relaxed);
    WRITER.result.store(UNKNOWN, Ordering::Relaxed);
    start(free).ok()?;
    Some(Ok(length))
}

/// What has become of the last write, as soon as it has ended. None: not within the time.
pub fn outcome(patience: Duration) -> Option<Outcome> {
    let end = super::clock::now() + patience;
    while is_running() {
        let left = end.saturating_sub(super::clock::now());
        if left.is_zero() {
            return None;
        }
        wait(left);
    }
    reap();
    Some(match WRITER.result.load(Ordering::Acquire) {
        // By the OOM killer, or by somebody with kill(-1).
        UNKNOWN => Outcome::Failed(Errno::ECANCELED),
        written @ 0.. => Outcome::Written(written as usize),
        errno => Outcome::Failed(Errno::from_raw(-errno as i32)),
    })
}

/// What the last write did not write of its bytes, if it wrote so many. Empty while it has not ended.
pub fn rest(written: usize) -> Vec<u8> {
    if is_running() {
        return Vec::new();
    }
    // SAFETY: there is no process that reads them, and nobody writes to them before this has returned.
    let bytes = unsafe { &*WRITER.bytes.get() };
    bytes.get(written..WRITER.length.load(Ordering::Relaxed)).unwrap_or_default().to_vec()
}

/// Ends a write that has not ended, as far as the kernel lets it: before goward itself ends.
pub fn give_up() {
    if is_running() {
        for pid in pids() {
            let _ = super::process::send(pid, Signal::KILL);
        }
    }
}

/// In a copy of goward (fork): the process is the original's.
pub fn forget() {
    WRITER.running.store(0, Ordering::Relaxed);
    WRITER.pids.iter().for_each(|pid| pid.store(0, Ordering::Relaxed));
}

/// The pids of the processes that have not been reaped.
pub fn pids() -> impl Iterator<Item = i32> {
    WRITER.pids.iter().map(|pid| pid.load(Ordering::Relaxed)).filter(|pid| *pid > 0)
}

/// Reaps those that have ended. Whether none is left; where one is about to end, so long it is waited for.
pub fn are_reaped(patience: Duration) -> bool {
    let end = super::clock::now() + patience;
    loop {
        reap();
        if pids().next().is_none() {
            return true;
        }
        if is_running() || super::clock::now() >= end {
            return false;
        }
        super::clock::nap(Duration::from_micros(50));
    }
}

/// Somebody who waited for any child has reaped this one: whether it was the writer.
pub fn ended(pid: i32) -> bool {
    WRITER.pids.iter().any(|known| known.compare_exchange(pid, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok())
}

fn is_running() -> bool {
    WRITER.running.load(Ordering::Acquire) != 0
}

/// Never waits: that the memory is no longer used is said a moment before the end, and on a busy machine the moment is long.
fn reap() {
    for known in &WRITER.pids {
        let pid = known.load(Ordering::Relaxed);
        // SAFETY: asks for a child of goward's own. An error: somebody else has reaped it.
        if pid > 0 && unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL | libc::WNOHANG) } != 0 {
            known.store(0, Ordering::Relaxed);
        }
    }
}

fn start(known: &AtomicI32) -> nix::Result<()> {
    // No SIGCHLD: its end is nobody else's business.
    let flags =
        libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_CLEARTID;
    let write = Write {
        fd: WRITER.fd.load(Ordering::Relaxed) as isize,
        bytes: WRITER.bytes.get().cast(),
        length: WRITER.length.load(Ordering::Relaxed),
        result: WRITER.result.as_ptr(),
    };
    // SAFETY: the bytes and the words live for ever, and nobody changes them until the kernel has said that the process has ended.
    match unsafe { clone_and_write(flags as usize, WRITER.running.as_ptr(), &write) } {
        pid @ 0.. => {
            known.store(pid as i32, Ordering::Relaxed);
            Ok(())
        }
        errno => {
            WRITER.running.store(0, Ordering::Relaxed);
            Err(Errno::from_raw(-errno as i32))
        }
    }
}

/// What the process writes, and where it leaves the result.
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, reason = "there is no such process on other machines")
)]
struct Write {
    fd: isize,
    bytes: *const u8,
    length: usize,
    result: *mut isize,
}

/// clone(2), and in the new process write(2) and _exit(2), in registers alone: it has no stack of its own, and must not touch the
/// one that it shares. musl's clone refuses CLONE_VM without CLONE_VFORK for want of that care. Returns the pid, or minus the error.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_write(flags: usize, running: *mut i32, write: &Write) -> isize {
    let mut pid = libc::SYS_clone as isize;
    // SAFETY: the caller's; system calls change rax, rcx and r11 alone.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov eax, {write}",
            "mov rdi, r12",
            "mov rsi, r13",
            "mov rdx, r14",
            "syscall",
            "mov [r15], rax",
            "mov eax, {exit}",
            "xor edi, edi",
            "syscall",
            "ud2",
            "2:",
            write = const libc::SYS_write,
            exit = const libc::SYS_exit,
            inlateout("rax") pid,
            in("rdi") flags, in("rsi") 0, in("rdx") running, in("r10") running, in("r8") 0,
            in("r12") write.fd, in("r13") write.bytes, in("r14") write.length, in("r15") write.result,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    pid
}

/// The same on arm64.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_and_write(flags: usize, running: *mut i32, write: &Write) -> isize {
    let mut pid = flags as isize;
    // SAFETY: the caller's; system calls change x0 alone.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, x9",
            "mov x1, x10",
            "mov x2, x11",
            "mov x8, {write}",
            "svc 0",
            "str x0, [x12]",
            "mov x0, 0",
            "mov x8, {exit}",
            "svc 0",
            "brk 1",
            "2:",
            write = const libc::SYS_write,
            exit = const libc::SYS_exit,
            inlateout("x0") pid,
            in("x1") 0, in("x2") running, in("x3") 0, in("x4") running,
            inlateout("x8") libc::SYS_clone => _,
            in("x9") write.fd, in("x10") write.bytes, in("x11") write.length, in("x12") write.result,
        );
    }
    pid
}

/// Elsewhere there is no such process, and the caller writes himself.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone_and_write(_: usize, _: *mut i32, _: &Write) -> isize {
    -(libc::ENOSYS as isize)
}

/// Until the kernel says that it has ended, or the time is up.
fn wait(time: Duration) {
    let value = WRITER.running.load(Ordering::Acquire);
    if value == 0 {
        return;
    }
    let time = libc::timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) as _ };
    // SAFETY: the word and the time live longer than the call.
    let result =
        unsafe { libc::syscall(libc::SYS_futex, WRITER.running.as_ptr(), libc::FUTEX_WAIT, value, &raw const time) };
    // A sandbox without futex: it is looked at from time to time.
    if result == -1 && !matches!(Errno::last(), Errno::EAGAIN | Errno::ETIMEDOUT | Errno::EINTR) {
        super::clock::nap(Duration::from_micros(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::sync::Mutex;

    /// There is one writer.
    static ONE: Mutex<()> = Mutex::new(());
    const SOON: Duration = Duration::from_millis(20);

    fn write(fd: RawFd, bytes: &[u8]) -> Outcome {
        assert_eq!(hand_over(fd, bytes), Some(Ok(bytes.len().min(PIECE))));
        outcome(Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn what_has_room_is_written_and_nothing_is_left() {
        let _one = ONE.lock();
        let (read, write_end) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        for _ in 0..100 {
            assert_eq!(write(write_end.as_raw_fd(), b"line\n"), Outcome::Written(5));
        }
        assert_eq!(write(write_end.as_raw_fd(), &[b'x'; 3 * PIECE]), Outcome::Written(PIECE));
        let mut text = Vec::new();
        let _ = std::fs::File::from(read).read_to_end(&mut text);
        assert_eq!(text, ["line\n".repeat(100).as_bytes(), &[b'x'; PIECE]].concat());
        assert!(!is_running() && are_reaped(Duration::from_secs(10)));
    }

    #[test]
    fn errors_are_those_of_write() {
        let _one = ONE.lock();
        // PID 1 has it blocked; here another test may have changed what it does.
        crate::sys::mask::dispose(Signal::PIPE, true).unwrap();
        let (read, write_end) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        while write(write_end.as_raw_fd(), &[b'x'; PIECE]) == Outcome::Written(PIECE) {}
        assert_eq!(write(write_end.as_raw_fd(), b"xyz"), Outcome::Failed(Errno::EAGAIN));
        assert_eq!((rest(0), rest(1)), (b"xyz".to_vec(), b"yz".to_vec()));
        drop(read);
        assert_eq!(write(write_end.as_raw_fd(), b"x"), Outcome::Failed(Errno::EPIPE));
        assert_eq!(write(-1, b"x"), Outcome::Failed(Errno::EBADF));
    }

    /// The lock of a pipe is held by a splice(2) from a socket that says nothing.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "in goward it is another process that holds the lock")]
    fn a_held_lock_keeps_nobody_but_the_writer() {
        let _one = ONE.lock();
        let (read, theirs) = nix::unistd::pipe().unwrap();
        let again = format!("/proc/self/fd/{}", theirs.as_raw_fd());
        let flags = nix::fcntl::OFlag::O_WRONLY | nix::fcntl::OFlag::O_NONBLOCK;
        let ours = nix::fcntl::open(again.as_str(), flags, nix::sys::stat::Mode::empty()).unwrap();
        let (idle, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let (from, splice_to, to) = (idle.as_raw_fd(), theirs.as_raw_fd(), ours.as_raw_fd());
        let splicer = std::thread::spawn(move || {
            // SAFETY: no memory is touched.
            unsafe { libc::splice(from, std::ptr::null_mut(), splice_to, std::ptr::null_mut(), 100, 0) }
        });
        // Until it holds it.
        super::super::clock::nap(Duration::from_millis(100));
        let began = super::super::clock::now();
        assert_eq!((hand_over(to, b"line\n"), outcome(SOON)), (Some(Ok(5)), None));
        assert_eq!((hand_over(to, b"more\n"), rest(0)), (Some(Err(Errno::EAGAIN)), Vec::new()));
        assert!(super::super::clock::now() - began < Duration::from_secs(1) && is_running());
        drop(other);
        splicer.join().unwrap();
        while is_running() {
            super::super::clock::nap(Duration::from_millis(1));
        }
        assert_eq!(outcome(Duration::ZERO), Some(Outcome::Written(5)));
        assert_eq!(write(to, b"more\n"), Outcome::Written(5));
        drop((theirs, ours, idle));
        let mut text = Vec::new();
        let _ = std::fs::File::from(read).read_to_end(&mut text);
        assert_eq!(text, b"line\nmore\n");
    }
}
