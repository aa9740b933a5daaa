//! The one clock: monotonic, so that a wall clock that jumps changes nothing. Not std's, which panics where the kernel
//! refuses the time (a seccomp profile, on a machine whose vDSO has to ask the kernel).
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Time since boot, without suspended time (CLOCK_MONOTONIC). Served by the vDSO: no system call.
pub fn now() -> Duration {
    match read(libc::CLOCK_MONOTONIC) {
        Some(time) => {
            LAST.store(time.as_nanos() as u64, Relaxed);
            time
        }
        None => by_ticks(),
    }
}

/// The time of day, since 1970; none where the kernel does not tell.
pub fn of_day() -> Option<Duration> {
    read(libc::CLOCK_REALTIME)
}

/// Sleeps, or returns early for a signal.
pub fn nap(time: Duration) {
    let wish = libc::timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ };
    // SAFETY: reads one timespec; the remaining time is not asked for.
    if unsafe { libc::nanosleep(&wish, std::ptr::null_mut()) } == -1 {
        // Interrupted, or refused: whoever sleeps between two tries must not come to spin.
        let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1);
        // SAFETY: no descriptor, no memory.
        unsafe { libc::poll(std::ptr::null_mut(), 0, millis) };
    }
}

fn read(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec into the place it is given.
    let returned = unsafe { libc::clock_gettime(clock, &mut time) };
    (returned == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// The last time that was told, in nanoseconds. When the kernel first did not: the time before, and how many ticks
/// times(2) had counted (0: that has not happened).
static LAST: AtomicU64 = AtomicU64::new(0);
static BASE: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Without clock_gettime(2): times(2) counts hundredths of a second, from no particular moment. So a deadline is still kept.
#[cold]
fn by_ticks() -> Duration {
    // SAFETY: no memory is touched; -1 is a number of ticks like any other.
    let ticks = (unsafe { libc::times(std::ptr::null_mut()) } as u64).max(1);
    let last = LAST.load(Relaxed);
    if TICKS.compare_exchange(0, ticks, Relaxed, Relaxed).is_ok() {
        BASE.store(last, Relaxed);
    }
    // USER_HZ is 100 on every architecture that goward is built for.
    let passed = ticks.saturating_sub(TICKS.load(Relaxed)).saturating_mul(10_000_000);
    Duration::from_nanos(BASE.load(Relaxed).saturating_add(passed).max(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_by_ticks_too() {
        assert!(read(-1000).is_none());
        let from = now();
        let first = by_ticks();
        assert!(first >= from && first < now() + Duration::from_millis(20), "{from:?} {first:?}");
        let napped = Duration::from_millis(50);
        nap(napped);
        let passed = by_ticks().saturating_sub(first);
        assert!(passed >= Duration::from_millis(30), "{passed:?}");
        // One that is told in between does not count twice.
        let between = now();
        let then = by_ticks();
        assert!(then >= between && then <= now() + Duration::from_millis(20), "{between:?} {then:?}");
    }
}
