//! Safe wrappers for what the crates lack. No policy here: nothing decides, nothing logs.
//!
//! These files, `spawn::child`, `log::outbox` and `main` are the only ones that may hold unsafe code.

pub mod capability;
pub mod clock;
pub mod code;
pub mod directory;
pub mod file;
pub mod helper;
pub mod inbox;
pub mod mask;
pub mod names;
pub mod pipe_writer;
pub mod process;
pub mod reserve;
pub mod rights;
pub mod seccomp;
pub mod signal_io;
pub mod sockets;
pub mod terminal;
pub mod unix;
pub mod wait;

use nix::errno::Errno;

/// What a raw system call returned, as a result.
pub(crate) fn check(returned: libc::c_long) -> nix::Result<libc::c_long> {
    if returned == -1 { Err(Errno::last()) } else { Ok(returned) }
}

/// An interruption comes once or twice; goward blocks all signals, so that hardly anything interrupts it. EINTR so often
/// in a row is a refusal.
const INTERRUPTIONS: u32 = 8;

/// Makes the call again when it was interrupted; not for ever.
///
/// # Errors
/// The call's own; EINTR where that is all it says.
pub fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    for _ in 1..INTERRUPTIONS {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
    call()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_is_no_end_and_no_end_of_them_is_one() {
        let mut calls = 0;
        let twice = uninterrupted(|| {
            calls += 1;
            if calls < 3 { Err(Errno::EINTR) } else { Ok(calls) }
        });
        assert_eq!(twice, Ok(3));
        let mut calls = 0;
        let always: nix::Result<()> = uninterrupted(|| {
            calls += 1;
            Err(Errno::EINTR)
        });
        assert_eq!((always, calls), (Err(Errno::EINTR), INTERRUPTIONS));
        let mut calls = 0;
        let other: nix::Result<()> = uninterrupted(|| {
            calls += 1;
            Err(Errno::EIO)
        });
        assert_eq!((other, calls), (Err(Errno::EIO), 1));
    }
}
