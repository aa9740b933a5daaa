//! The one clock: monotonic, so that a wall clock that jumps changes nothing.
#![allow(unsafe_code)]

use std::time::Duration;

/// Time since boot, without suspended time (CLOCK_MONOTONIC). Served by the vDSO: no system call.
pub fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec into the place it is given. It cannot fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Sleeps, or returns early for a signal.
pub fn nap(time: Duration) {
    let wish = libc::timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    // SAFETY: reads one timespec; the remaining time is not asked for.
    unsafe { libc::nanosleep(&wish, std::ptr::null_mut()) };
}
