//! What remains of goward after a fault of its own. PID 1 that dies takes the container with it, so a panic does not end
//! goward: from inside the panic hook it goes on forwarding and reaping, with a deadline, until the server has ended.
//!
//! This uses nothing of the state that the panic may have left half-changed: only the server's pid, three numbers, and the kernel.

use crate::exit;
use crate::log;
use crate::signal::Signal;
use crate::sys::inbox::Inbox;
use crate::sys::wait::{self, Change};
use crate::sys::{clock, process};
use nix::errno::Errno;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What goward knew before the panic, in milliseconds of the clock; 0: nothing.
static KILL_AFTER: AtomicU64 = AtomicU64::new(0);
static KILL_AT: AtomicU64 = AtomicU64::new(0);
/// The server's code and 256, once it has ended.
static ENDED: AtomicU64 = AtomicU64::new(0);

/// What runs.
static SERVER: AtomicI32 = AtomicI32::new(0);
/// The descriptor of the server's stderr, where it passes through goward; else -1.
static RELAY: AtomicI32 = AtomicI32::new(-1);

/// The server's stderr comes from here: it would be held up if nobody read it.
pub(super) fn relays(fd: i32) {
    RELAY.store(fd, Relaxed);
}

/// A stop has begun.
pub(super) fn stop_began(now: Duration) {
    KILL_AT.store(now.as_millis() as u64 + KILL_AFTER.load(Relaxed), Relaxed);
}

/// Something else runs now; `anew`: the deadline of the last one is no more.
pub(super) fn serves(pid: i32, anew: bool) {
    SERVER.store(pid, Relaxed);
    ENDED.store(0, Relaxed);
    if anew {
        KILL_AT.store(0, Relaxed);
    }
}

/// The server has ended.
pub(super) fn ended(code: u8) {
    ENDED.store(u64::from(code) | 256, Relaxed);
}

/// From now on a panic is survived. `kill_after`: how long a server has after the first stop signal.
pub(super) fn install(server: i32, kill_after: Duration) {
    KILL_AFTER.store(kill_after.as_millis() as u64, Relaxed);
    SERVER.store(server, Relaxed);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log::say_raw(&format!(
            "goward: a fault in goward itself ({place}); it goes on forwarding signals and reaping. Please report it.\n"
        ));
        leave(serve(SERVER.load(Relaxed)))
    }));
}

/// Without states: every signal is forwarded as it is, and the first stop signal starts the clock.
fn serve(server: i32) -> u8 {
    let ended = ENDED.load(Relaxed);
    if ended != 0 {
        return ended as u8;
    }
    let inbox = Inbox::new(super::signals(&[]));
    loop {
        loop {
            match wait::any_child() {
                Ok(Some((pid, Change::Ended(status)))) if pid == server => return status.code(),
                Ok(Some(_)) | Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return exit::GOWARD_FAILED,
                Ok(None) | Err(_) => break,
            }
        }
        process::copy(RELAY.load(Relaxed), log::say_raw_bytes);
        let kill_at = KILL_AT.load(Relaxed);
        if kill_at != 0 && kill_at <= clock::now().as_millis() as u64 {
            let _ = process::send(server, Signal::KILL);
        }
        match inbox.wait(Some(Duration::from_millis(100)), true, None) {
            Ok(Some(received)) if received.signal != Signal::CHLD => {
                let _ = process::send(server, received.signal);
                if kill_at == 0 && matches!(received.signal, Signal::TERM | Signal::INT) {
                    stop_began(clock::now());
                }
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => clock::nap(Duration::from_millis(10)),
        }
    }
}

/// The one exit outside main: a panic hook must not return, or the process is aborted.
#[allow(clippy::disallowed_methods)]
fn leave(code: u8) -> ! {
    std::process::exit(code.into())
}
