//! Descriptors that announce themselves by SIGIO: goward waits for signals, and so it need not wait for anything else.
//! A poll set would cost every forwarded signal a system call more.
#![allow(unsafe_code)]

use super::mask;
use crate::signal::Signal;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::os::fd::{AsRawFd, RawFd};

/// From now on the kernel sends this process SIGIO whenever something happens at the descriptor; it never blocks. See
/// O_ASYNC in open(2), and F_SETSIG in fcntl(2) for the siginfo by which these signals are told from others.
///
/// # Errors
/// As fcntl(2).
pub fn announce(fd: &impl AsRawFd) -> nix::Result<()> {
    /// Linux' own; the libc crate has it for some targets only.
    const F_SETSIG: libc::c_int = 10;
    let fd = fd.as_raw_fd();
    set(fd, libc::F_SETOWN, nix::unistd::getpid().as_raw())?;
    set(fd, F_SETSIG, libc::SIGIO)?;
    set(fd, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)
}

/// Whether what announces itself is heard of: a sandbox may take the calls and send nothing. SIGIO is blocked; the one that this
/// sends is taken by whoever takes it next.
pub fn works() -> bool {
    let sent = || {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        announce(&read)?;
        nix::unistd::write(&write, &[0])?;
        mask::pending()
    };
    sent().is_ok_and(|pending| pending.contains(Signal::IO))
}

fn set(fd: RawFd, command: libc::c_int, value: libc::c_int) -> nix::Result<()> {
    // SAFETY: these commands take an int and touch no memory.
    Errno::result(unsafe { libc::fcntl(fd, command, value) }).map(drop)
}
