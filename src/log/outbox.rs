//! Lines on their way to stderr. A line that cannot be written now waits in a small store; what does not fit there is
//! counted and said to be lost. What the server wrote, where it passes through goward, is never lost: it waits, and no
//! more of it is read.
//!
//! stderr is shared with the server, so O_NONBLOCK must not be set on it: it would be set for the server too. A pipe is
//! opened a second time instead (through /proc), which gives a description of goward's own.
#![allow(unsafe_code)]

use crate::sys::{clock, terminal};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For goward's own lines. Enough for a stop's whole story.
const ROOM: usize = 16 * 1024;

/// How to write to stderr without ever waiting for it.
#[derive(Debug)]
pub enum Sink {
    /// It is closed.
    Nowhere,
    /// A file or the like: writing does not wait for a reader.
    File,
    /// A socket has a flag for it.
    Socket,
    /// A pipe or a terminal, opened a second time for goward alone.
    Own(OwnedFd),
    /// A pipe that cannot be opened a second time (no /proc): RWF_NOWAIT, or asked first.
    SharedPipe,
    /// Such a terminal. That it has room says only that a byte fits.
    SharedTerminal,
}

impl Sink {
    /// Looks at stderr. Before the privileges are dropped: the pipe may belong to root.
    pub fn find() -> Sink {
        let Ok(stat) = nix::sys::stat::fstat(std::io::stderr()) else { return Sink::Nowhere };
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFIFO => Sink::open_again().map_or(Sink::SharedPipe, Sink::Own),
            libc::S_IFCHR if terminal::is_terminal(2) => Sink::open_again().map_or(Sink::SharedTerminal, Sink::Own),
            libc::S_IFSOCK => Sink::Socket,
            _ => Sink::File,
        }
    }

    fn open_again() -> Option<OwnedFd> {
        let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: a C string; a descriptor that is returned is ours alone.
        match unsafe { libc::open(c"/proc/self/fd/2".as_ptr(), flags) } {
            -1 => None,
            // SAFETY: as above.
            fd => Some(unsafe { OwnedFd::from_raw_fd(fd) }),
        }
    }

    /// The descriptor that must stay open.
    pub fn descriptor(&self) -> Option<RawFd> {
        match self {
            Sink::Own(fd) => Some(fd.as_raw_fd()),
            Sink::Nowhere | Sink::File | Sink::Socket | Sink::SharedPipe | Sink::SharedTerminal => None,
        }
    }

    /// Writes what can be written at once. EAGAIN: nothing.
    fn write(&self, bytes: &[u8]) -> nix::Result<usize> {
        let (data, length) = (bytes.as_ptr().cast::<libc::c_void>(), bytes.len());
        // SAFETY: every call reads `length` bytes from `data`, or an iovec that says the same.
        let written = unsafe {
            match self {
                Sink::Nowhere => return Ok(length),
                Sink::File => libc::write(2, data, length),
                Sink::Own(fd) => libc::write(fd.as_raw_fd(), data, length),
                Sink::Socket => libc::send(2, data, length, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL),
                Sink::SharedTerminal if ready(2, Duration::ZERO) => libc::write(2, data, length.min(1)),
                Sink::SharedPipe if ready(2, Duration::ZERO) => {
                    // Up to PIPE_BUF fit if poll says so, unless the server writes in between: then RWF_NOWAIT saves us.
                    let part = libc::iovec { iov_base: data.cast_mut(), iov_len: length.min(libc::PIPE_BUF) };
                    match libc::pwritev2(2, &part, 1, -1, libc::RWF_NOWAIT) {
                        -1 if matches!(Errno::last(), Errno::EOPNOTSUPP | Errno::ENOSYS) => {
                            libc::write(2, data, part.iov_len)
                        }
                        written => written,
                    }
                }
                Sink::SharedTerminal | Sink::SharedPipe => return Err(Errno::EAGAIN),
            }
        };
        Errno::result(written).map(|count| count as usize)
    }
}

/// A reader that has gone is no room, but the write says so at once; waiting for room would have no end.
const SETTLED: libc::c_short = libc::POLLOUT | libc::POLLERR | libc::POLLHUP;

/// Whether a write would find room, or nobody, within the time.
fn ready(fd: RawFd, time: Duration) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd.
    unsafe { libc::poll(&mut poll, 1, time.as_millis() as libc::c_int) == 1 && poll.revents & SETTLED != 0 }
}

struct Outbox {
    sink: Sink,
    waiting: Vec<u8>,
    /// How much of it is goward's own.
    own: usize,
    /// The last write found no room: poll tells when there is some.
    no_room: bool,
    lost: u64,
}

/// One thread has it; the mutex is what makes a static of it. Never held across anything that can wait.
static OUTBOX: Mutex<Outbox> =
    Mutex::new(Outbox { sink: Sink::Nowhere, waiting: Vec::new(), own: 0, no_room: false, lost: 0 });

fn outbox() -> MutexGuard<'static, Outbox> {
    OUTBOX.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn open(sink: Sink) {
    outbox().sink = sink;
}

pub(super) fn push(line: &[u8]) {
    outbox().push(line);
}

/// What the server wrote. It is written or kept, whatever its size: the caller asks [`backlog`] before it takes more.
pub fn relay(bytes: &[u8]) {
    outbox().relay(bytes);
}

/// How many bytes wait for room.
pub fn backlog() -> usize {
    outbox().waiting.len()
}

/// What is still waiting for room, and on which descriptor: to be polled for POLLOUT.
pub fn pending() -> Option<RawFd> {
    let outbox = outbox();
    outbox.no_room.then(|| outbox.sink.descriptor().unwrap_or(2))
}

/// Writes what was waiting, as far as there is room.
pub fn flush() {
    outbox().flush();
}

/// At the very end: gives a slow reader a moment for what is still waiting.
pub fn linger(time: Duration) {
    let end = clock::now() + time;
    while let Some(fd) = pending() {
        let left = end.saturating_sub(clock::now());
        if !ready(fd, left) {
            return;
        }
        flush();
    }
}

/// Ends the line that a killed server may have left unfinished.
pub fn newline() {
    push(b"\n");
}

/// For the moments without tracing (before the log is open, in a panic): as much as can be written at once.
pub fn say_raw(text: &str) {
    say_raw_bytes(text.as_bytes());
}

/// The same for what may not be text.
pub fn say_raw_bytes(bytes: &[u8]) {
    let sink = Sink::find();
    let mut rest = bytes;
    while !rest.is_empty() {
        match sink.write(rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(_) => return,
        }
    }
}

impl Outbox {
    fn push(&mut self, line: &[u8]) {
        self.flush();
        if self.lost > 0 && self.waiting.is_empty() {
            let lost = std::mem::take(&mut self.lost);
            self.add(format!("goward: {lost} lines were lost: nobody read stderr\n").as_bytes());
            if self.lost > 0 {
                // The note about them was lost too.
                self.lost = lost;
            }
        }
        self.add(line);
    }

    /// Writes a line, or keeps it, or counts it.
    fn add(&mut self, line: &[u8]) {
        let mut rest = line;
        if self.waiting.is_empty() {
            rest = rest.get(self.write(rest)..).unwrap_or_default();
        }
        // What has been begun must be ended, or the next line would be glued to it.
        let begun = rest.len() < line.len();
        if rest.is_empty() || matches!(self.sink, Sink::Nowhere) {
        } else if self.no_room && (begun || self.own + rest.len() <= ROOM) {
            self.own += rest.len();
            self.waiting.extend_from_slice(rest);
        } else {
            self.lost += 1;
        }
    }

    fn relay(&mut self, bytes: &[u8]) {
        if !self.waiting.is_empty() {
            self.flush();
        }
        let written = if self.waiting.is_empty() { self.write(bytes) } else { 0 };
        if self.no_room {
            self.waiting.extend_from_slice(bytes.get(written..).unwrap_or_default());
        }
    }

    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let written = self.write(&waiting);
        if self.no_room {
            self.waiting = waiting;
            self.waiting.drain(..written);
        } else if written < waiting.len() {
            // Not for want of room: it will not be better later.
            self.lost += 1;
        }
        if self.waiting.is_empty() {
            self.own = 0;
        }
    }

    /// Writes as much as can be written now, and returns how much that was.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        self.no_room = false;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.sink.write(rest) {
                Ok(count) => written += count.min(rest.len()),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    self.no_room = true;
                    break;
                }
                // Nobody will ever read it: a reader that has gone, a descriptor that is closed, a terminal hung up.
                Err(Errno::EPIPE | Errno::EBADF | Errno::EIO | Errno::ENXIO) => {
                    self.sink = Sink::Nowhere;
                    break;
                }
                // A full disk, and the like: once more at the next line.
                Err(_) => break,
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn pipe() -> (std::fs::File, Outbox) {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        (read.into(), Outbox { sink: Sink::Own(write), waiting: Vec::new(), own: 0, no_room: false, lost: 0 })
    }

    #[test]
    fn a_full_pipe_costs_lines_and_says_so() {
        let (mut reader, mut outbox) = pipe();
        let line = [b"x".repeat(999).as_slice(), b"\n"].concat();
        for _ in 0..200 {
            outbox.push(&line);
        }
        assert!(outbox.lost > 0 && outbox.waiting.len() <= ROOM);
        let lost = outbox.lost;
        let mut text = Vec::new();
        for _ in 0..10 {
            let _ = reader.read_to_end(&mut text);
            outbox.flush();
        }
        outbox.push(b"and on\n");
        let _ = reader.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let whole = text.lines().filter(|l| l.len() == 999).count() as u64;
        assert_eq!(whole + lost, 200);
        assert!(text.ends_with(&format!("goward: {lost} lines were lost: nobody read stderr\nand on\n")));
    }

    #[test]
    fn a_full_disk_is_not_waited_for() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut outbox = Outbox { sink: Sink::Own(full.into()), waiting: Vec::new(), own: 0, no_room: false, lost: 0 };
        for _ in 0..3 {
            outbox.push(b"line\n");
            assert!(!outbox.no_room && outbox.waiting.is_empty(), "there is nothing to poll for");
        }
        assert!(outbox.lost >= 3);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_trouble() {
        let (reader, mut outbox) = pipe();
        drop(reader);
        // The test's own disposition of SIGPIPE is std's: ignored.
        outbox.push(b"line\n");
        assert!(matches!(outbox.sink, Sink::Nowhere));
    }
}
