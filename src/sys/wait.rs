//! waitpid(2), whole. nix's loses a child that a real-time signal ended (EINVAL after it has been reaped).
#![allow(unsafe_code)]

use crate::signal::Signal;
use crate::supervisor::Status;
use nix::errno::Errno;

/// What happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended and has been reaped: its pid is free.
    Ended(Status),
    /// A signal stopped it.
    Stopped(Signal),
    /// It was continued (SIGCONT).
    Continued,
}

/// A child, what happened to it, and whether it left a core dump.
pub type Child = (i32, Change, bool);

/// One change of any child; none if nothing has changed. Children of other threads' making and clones without SIGCHLD
/// count too: an init has them all.
///
/// # Errors
/// ECHILD: there is no child at all. Others are a sandbox's doing: both waitpid(2) and waitid(2) were refused.
pub fn any_child() -> nix::Result<Option<Child>> {
    let mut status = 0;
    let flags = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED | libc::__WALL;
    // SAFETY: writes one int.
    match super::check(unsafe { libc::waitpid(-1, &mut status, flags) }.into()) {
        Ok(0) => Ok(None),
        Ok(pid) => Ok(Some((pid as i32, change(status), libc::WIFSIGNALED(status) && libc::WCOREDUMP(status)))),
        Err(Errno::ECHILD) => Err(Errno::ECHILD),
        Err(_) => by_waitid(),
    }
}

/// The same by waitid(2), where the kernel refuses the other.
#[cold]
fn by_waitid() -> nix::Result<Option<Child>> {
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG | libc::__WALL;
    // SAFETY: a zeroed siginfo is a valid one, and the kernel fills it; pid 0 says that there was nothing.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        Errno::result(libc::waitid(libc::P_ALL, 0, &mut info, flags))?;
        let (pid, status) = (info.si_pid(), info.si_status());
        Ok((pid > 0).then(|| (pid, told(info.si_code, status), info.si_code == libc::CLD_DUMPED)))
    }
}

/// `si_code` and `si_status` of a SIGCHLD, see sigaction(2).
fn told(code: i32, status: i32) -> Change {
    match code {
        libc::CLD_EXITED => Change::Ended(Status::Code(status as u8)),
        libc::CLD_STOPPED | libc::CLD_TRAPPED => Change::Stopped(signal(status)),
        libc::CLD_CONTINUED => Change::Continued,
        // CLD_KILLED, CLD_DUMPED.
        _ => Change::Ended(Status::Signal(signal(status))),
    }
}

fn signal(number: i32) -> Signal {
    Signal::new(number).unwrap_or(Signal::KILL)
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

    #[test]
    fn both_calls_tell_the_same() {
        for code in 0..=255 {
            assert_eq!(told(libc::CLD_EXITED, code), change(code << 8));
        }
        for signal in Signal::all().map(Signal::number) {
            assert_eq!(told(libc::CLD_KILLED, signal), change(signal));
            assert_eq!(told(libc::CLD_DUMPED, signal), change(signal | 0x80));
            assert_eq!(told(libc::CLD_STOPPED, signal), change(signal << 8 | 0x7f));
        }
        assert_eq!(told(libc::CLD_CONTINUED, libc::SIGCONT), change(0xffff));
    }
}
