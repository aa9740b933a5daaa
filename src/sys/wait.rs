//! waitpid(2), whole. nix's loses a child that a real-time signal ended (EINVAL after it has been reaped).
#![allow(unsafe_code)]

use crate::signal::Signal;
use crate::supervisor::Status;

/// What happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended and has been reaped: its pid is free.
    Ended(Status),
    /// A signal stopped it.
    Stopped(Signal),
    /// It runs again.
    Continued,
}

/// One change of any child; none if nothing has changed. Children of other threads' making and clones without SIGCHLD
/// count too: an init has them all.
///
/// # Errors
/// ECHILD: there is no child at all.
pub fn any_child() -> nix::Result<Option<(i32, Change)>> {
    let mut status = 0;
    let flags = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED | libc::__WALL;
    // SAFETY: writes one int.
    let pid = unsafe { libc::waitpid(-1, &mut status, flags) };
    super::check(pid.into())?;
    Ok((pid > 0).then(|| (pid, change(status))))
}

/// Whether a process group has a child of ours in it, dead or alive.
pub fn has_child_in(group: i32) -> bool {
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: a zeroed siginfo is a valid one, and the kernel fills it; WNOWAIT leaves everything as it is.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PGID, group as libc::id_t, &mut info, flags) == 0
    }
}

fn change(status: i32) -> Change {
    let signal = |number| Signal::new(number).unwrap_or(Signal::KILL);
    if libc::WIFSTOPPED(status) {
        Change::Stopped(signal(libc::WSTOPSIG(status)))
    } else if libc::WIFCONTINUED(status) {
        Change::Continued
    } else if libc::WIFSIGNALED(status) {
        Change::Ended(Status::Signal(signal(libc::WTERMSIG(status))))
    } else {
        Change::Ended(Status::Code(libc::WEXITSTATUS(status) as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_word() {
        for code in 0..=255 {
            assert_eq!(change(code << 8), Change::Ended(Status::Code(code as u8)));
        }
        for signal in Signal::all() {
            assert_eq!(change(signal.number()), Change::Ended(Status::Signal(signal)));
            assert_eq!(change(signal.number() | 0x80), Change::Ended(Status::Signal(signal)), "core dumped");
            assert_eq!(change(signal.number() << 8 | 0x7f), Change::Stopped(signal));
        }
        assert_eq!(change(0xffff), Change::Continued);
    }
}
