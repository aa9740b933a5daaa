//! The signal mask and the dispositions goward was started with. The server gets them back to the bit.
#![allow(unsafe_code)]

use crate::signal::Signal;
use std::mem::MaybeUninit;

/// A set of signals, a bit for each, as the kernel takes it. The C library's own calls leave out the signals that it keeps
/// for itself (32 to 34), and the server is to find every bit as goward did.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Mask(u64);

impl Mask {
    /// The mask that has no signal in it.
    pub fn empty() -> Mask {
        Mask(0)
    }

    /// Every signal. (The kernel never blocks KILL and STOP.)
    pub fn full() -> Mask {
        Mask(!0)
    }

    /// This set and one signal more.
    pub fn with(self, signal: Signal) -> Mask {
        Mask(self.0 | Mask::bit(signal))
    }

    /// This set and one signal less.
    pub fn without(self, signal: Signal) -> Mask {
        Mask(self.0 & !Mask::bit(signal))
    }

    /// All that are in either.
    pub fn or(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }

    /// Whether the signal is in it.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & Mask::bit(signal) != 0
    }

    fn bit(signal: Signal) -> u64 {
        1 << (signal.number() - 1)
    }

    /// For calls of the C library, which take a larger type. Its first 64 bits are the signals, in glibc and in musl.
    pub fn to_sigset(self) -> libc::sigset_t {
        let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: a zeroed set is the empty one; it is at least 8 bytes, and aligned for them.
        unsafe {
            set.as_mut_ptr().cast::<u64>().write(self.0);
            set.assume_init()
        }
    }

    /// Makes this the mask of the calling thread, and returns the one before. Async-signal-safe.
    ///
    /// # Errors
    /// None that a kernel gives by itself; a sandbox may.
    pub fn install(self) -> nix::Result<Mask> {
        let mut old = 0u64;
        // SAFETY: the kernel reads 8 bytes and writes 8.
        let returned = unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const self.0,
                &raw mut old,
                size_of::<u64>(),
            )
        };
        super::check(returned)?;
        Ok(Mask(old))
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(Signal::all().filter(|signal| self.contains(*signal))).finish()
    }
}

const _: () = assert!(size_of::<libc::sigset_t>() >= 8 && align_of::<libc::sigset_t>() >= align_of::<u64>());

/// The signals that wait because they are blocked.
///
/// # Errors
/// None that a kernel gives by itself; a sandbox may.
pub fn pending() -> nix::Result<Mask> {
    let mut set = 0u64;
    // SAFETY: the kernel writes 8 bytes.
    super::check(unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, size_of::<u64>()) })?;
    Ok(Mask(set))
}

/// Sets the signals that the C library keeps for itself (32 to 34) back to their default: its own sigaction refuses them,
/// and whoever started goward may have ignored them.
pub fn reset_reserved() {
    // A kernel sigaction is at most handler, flags, restorer and an 8-byte mask; all zero is SIG_DFL.
    let default = [0u64; 4];
    for signal in Signal::all().filter(|signal| signal.is_reserved()) {
        // SAFETY: the kernel reads one sigaction; goward uses none of these signals, it has one thread.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal.number(),
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                8usize,
            )
        };
    }
}

/// Whether a signal is ignored.
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: a zeroed sigaction is a valid one, and the kernel fills it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal.number(), std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Sets a signal to be ignored, or back to its default.
///
/// # Errors
/// EINVAL for a signal that cannot be caught, or that the C library keeps for itself.
pub fn dispose(signal: Signal, ignore: bool) -> nix::Result<()> {
    let handler = if ignore { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: a zeroed sigaction is a valid one (default, no flags, empty mask).
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: reads the action; the former one is not asked for.
    super::check(unsafe { libc::sigaction(signal.number(), &action, std::ptr::null_mut()) }.into()).map(drop)
}
