//! The controlling terminal: who is in its foreground.
#![allow(unsafe_code)]

use nix::errno::Errno;

/// The process group in the foreground of the terminal on standard input; none if that is no terminal of ours.
pub fn foreground() -> Option<i32> {
    // SAFETY: no memory is touched.
    let group = unsafe { libc::tcgetpgrp(0) };
    // 0: a group outside this PID namespace. It may be goward's own, which is 0 then too.
    (group >= 0).then_some(group)
}

/// Gives up the controlling terminal, if standard input is it.
///
/// # Errors
/// ENOTTY or EBADF: it is not.
pub fn give_up() -> nix::Result<()> {
    // SAFETY: no memory is touched.
    Errno::result(unsafe { libc::ioctl(0, libc::TIOCNOTTY) }).map(drop)
}

/// Whether a descriptor is a terminal.
pub fn is_terminal(fd: i32) -> bool {
    // SAFETY: no memory is touched that outlives the call.
    unsafe { libc::isatty(fd) == 1 }
}

/// Whether programs that are started here could reach a terminal's input: there is a controlling terminal, whatever standard
/// input is, or one of the standard descriptors is a terminal, which a new session could make its own.
pub fn within_reach() -> bool {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: the path is a C string.
    let fd = unsafe { libc::open(c"/dev/tty".as_ptr(), flags) };
    if fd >= 0 {
        // SAFETY: it has just been opened.
        unsafe { libc::close(fd) };
        return true;
    }
    // ENXIO: there is none. ENOENT: a container without such a device, where nobody could open it.
    !matches!(Errno::last(), Errno::ENXIO | Errno::ENOENT) || (0..3).any(is_terminal)
}

/// How many columns a terminal has; none if it is none, or does not know.
pub fn width(fd: i32) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one winsize.
    let known = unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size) } == 0;
    (known && size.ws_col > 0).then(|| size.ws_col.into())
}

/// Makes a process group the foreground of the terminal on standard input. The caller has SIGTTOU blocked, as goward has
/// all its life: a background process that does this would be stopped otherwise.
///
/// # Errors
/// ENOTTY, EBADF, EPERM: there is no terminal, or it is not ours. Never a reason not to run.
pub fn set_foreground(group: i32) -> nix::Result<()> {
    // SAFETY: no memory is touched.
    Errno::result(unsafe { libc::tcsetpgrp(0, group) }).map(drop)
}
