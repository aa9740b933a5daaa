//! Safe wrappers for what the crates lack. No policy here: nothing decides, nothing logs.
//!
//! These files, `spawn::child`, `log::outbox` and `main` are the only ones that may hold unsafe code.

pub mod capability;
pub mod clock;
pub mod file;
pub mod inbox;
pub mod mask;
pub mod process;
pub mod reserve;
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
