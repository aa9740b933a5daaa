//! What remains of goward after a fault of its own, or without memory. PID 1 that dies takes the container with it, so neither
//! ends goward: from inside the panic hook, or the allocator, it goes on forwarding and reaping, with a deadline, until the
//! server has ended.
//!
//! This uses nothing of the state that may have been left half-changed: only the server's pid, a few numbers, and the kernel.
//! It does not allocate.

use crate::exit;
use crate::log;
use crate::signal::Signal;
use crate::supervisor::Stage;
use crate::sys::inbox::{Inbox, Sender};
use crate::sys::wait::{self, Change};
use crate::sys::{clock, process};
use nix::errno::Errno;
use std::fmt::{Arguments, Display};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What goward knew before the panic, in milliseconds of the clock; 0: nothing.
static KILL_AFTER: AtomicU64 = AtomicU64::new(0);
static KILL_AT: AtomicU64 = AtomicU64::new(0);
/// The code of what ran, and 256, once that has ended.
static ENDED: AtomicU64 = AtomicU64::new(0);
/// The code to leave with, and 256, where it is not that of what runs.
static CODE: AtomicU64 = AtomicU64::new(0);

/// goward's own pid, once there is a server.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// What runs.
static SERVER: AtomicI32 = AtomicI32::new(0);

/// A stop has begun.
pub(super) fn stop_began(now: Duration) {
    KILL_AT.store(now.as_millis() as u64 + KILL_AFTER.load(Relaxed), Relaxed);
}

/// This runs now.
pub(super) fn serves(pid: i32, stage: Stage) {
    SERVER.store(pid, Relaxed);
    let ended = ENDED.swap(0, Relaxed);
    match stage {
        // Without a server nothing has gone well.
        Stage::Before(_) => CODE.store(known(exit::GOWARD_FAILED), Relaxed),
        Stage::Server => {
            CODE.store(0, Relaxed);
            // That of the last one is no more.
            KILL_AT.store(0, Relaxed);
        }
        Stage::After(0) => CODE.store(ended, Relaxed),
        Stage::After(_) => {}
    }
}

/// It has ended.
pub(super) fn ended(code: u8) {
    ENDED.store(known(code), Relaxed);
}

fn known(code: u8) -> u64 {
    u64::from(code) | 256
}

/// From now on a panic is survived, and running out of memory. `kill_after`: how long a server has after the first stop
/// signal.
pub(super) fn install(kill_after: Duration) {
    KILL_AFTER.store(kill_after.as_millis() as u64, Relaxed);
    OWNER.store(own_pid(), Relaxed);
    std::panic::set_hook(Box::new(|panic| {
        let place: &dyn Display = match panic.location() {
            Some(place) => place,
            None => &"",
        };
        resort(format_args!("a fault in goward itself ({place}): please report it"))
    }));
}

/// What the allocator does where there is no memory for `size` bytes. PID 1 stays, commands and whatever else has been
/// forked end.
pub fn out_of_memory(size: usize) -> ! {
    resort(format_args!("out of memory: cannot allocate {size} bytes (a limit, such as ulimit -d or --rlimit data?)"))
}

/// Says what happened, and goes on if there is a server to go on for. Else the end: a panic hook that returned, or an
/// allocator, would be an abort.
fn resort(what: Arguments<'_>) -> ! {
    // A copy of the init (fork) has no server.
    if OWNER.load(Relaxed) == own_pid() {
        let then = match ENDED.load(Relaxed) {
            0 => "goward keeps forwarding signals and reaping orphans",
            _ => "the process has ended, and goward exits",
        };
        log::say_formatted(format_args!("goward: {what}; {then}\n"));
        process::leave(serve(SERVER.load(Relaxed)))
    }
    log::say_formatted(format_args!("goward: {what}\n"));
    process::leave(exit::GOWARD_FAILED)
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// Without states: every signal is forwarded as it is, and the first stop signal starts the clock.
fn serve(server: i32) -> u8 {
    let code = |own: u8| match CODE.load(Relaxed) {
        0 => own,
        other => other as u8,
    };
    let ended = ENDED.load(Relaxed);
    if ended != 0 {
        return code(ended as u8);
    }
    let mut inbox = Inbox::new(super::signals(&[]));
    loop {
        loop {
            match wait::any_child() {
                Ok(Some((pid, Change::Ended(status), _))) if pid == server => return code(status.code()),
                Ok(Some(_)) => {}
                Err(Errno::ECHILD) => return exit::GOWARD_FAILED,
                Ok(None) | Err(_) => break,
            }
        }
        let kill_at = KILL_AT.load(Relaxed);
        if kill_at != 0 && kill_at <= clock::now().as_millis() as u64 {
            let _ = process::send(server, Signal::KILL);
        }
        match inbox.wait(Some(Duration::from_millis(100)), true, None) {
            // Nobody sent what a descriptor announces: it is not the server's, and could end it.
            Ok(Some(received)) if received.signal != Signal::CHLD && received.sender != Sender::Descriptor => {
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
