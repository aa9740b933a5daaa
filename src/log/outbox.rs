//! Lines on their way to stderr. A line that cannot be written now waits in a small store; what does not fit there is
//! counted and said to be lost.
//!
//! stderr is shared with the server, so O_NONBLOCK must not be set on it: it would be set for the server too. A pipe is
//! opened a second time instead (through /proc), which gives a description of goward's own.
#![allow(unsafe_code)]

use crate::sys::pipe_writer::{self, Outcome};
use crate::sys::{clock, process, terminal, uninterrupted};
use nix::errno::Errno;
use std::fmt::Arguments;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For goward's own lines. Enough for a stop's whole story.
const ROOM: usize = 16 * 1024;
/// So long the process that writes is waited for, once a line and only where the next one comes or all is over: on a busy machine
/// it may have to wait for a processor.
const PATIENCE: Duration = Duration::from_millis(20);
/// So long a line that is held waits for another. A server that has nothing to do when it stops has ended by then.
const HELD: Duration = Duration::from_millis(10);

/// How to write to stderr without ever waiting for it.
#[derive(Debug)]
pub enum Sink {
    /// The log is closed: what is written is lost.
    Nowhere,
    /// A device, such as /dev/null: writing does not wait for a reader.
    Device,
    /// A file. Others write to it, too, and whoever writes a gigabyte at once holds its lock until that is done: another process
    /// writes to it.
    File,
    /// A socket has a flag for it.
    Socket,
    /// A terminal, opened a second time for goward alone; or a pipe that nobody else has.
    Own(OwnedFd),
    /// A pipe that others have open too, opened a second time for goward alone. Another process writes to it.
    Pipe(OwnedFd),
    /// Such a pipe that cannot be opened a second time (no /proc): RWF_NOWAIT, or asked first, where there is no other process.
    SharedPipe,
    /// Such a terminal. That it has room says only that a byte fits.
    SharedTerminal,
}

impl Sink {
    /// Looks at stderr. Before the privileges are dropped: the pipe may belong to root.
    pub fn find() -> Sink {
        let Ok(stat) = nix::sys::stat::fstat(std::io::stderr()) else { return Sink::Nowhere };
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFIFO => Sink::open_again().map_or(Sink::SharedPipe, Sink::Pipe),
            libc::S_IFCHR if terminal::is_terminal(2) => Sink::open_again().map_or(Sink::SharedTerminal, Sink::Own),
            libc::S_IFSOCK => Sink::Socket,
            libc::S_IFREG => Sink::File,
            _ => Sink::Device,
        }
    }

    fn open_again() -> Option<OwnedFd> {
        let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: a C string; a descriptor that is returned is ours alone.
        match unsafe { libc::open(c"/proc/self/fd/2".as_ptr(), flags) } {
            -1 => None,
            // SAFETY: as above. Not in the place of a standard input that is closed: the server would have it.
            fd => process::above_stdio(unsafe { OwnedFd::from_raw_fd(fd) }).ok(),
        }
    }

    /// The descriptor that must stay open.
    pub fn descriptor(&self) -> Option<RawFd> {
        match self {
            Sink::Own(fd) | Sink::Pipe(fd) => Some(fd.as_raw_fd()),
            Sink::Nowhere | Sink::Device | Sink::File | Sink::Socket | Sink::SharedPipe | Sink::SharedTerminal => None,
        }
    }

    /// Where another process writes: the descriptor.
    fn shared(&self) -> Option<RawFd> {
        match self {
            Sink::Pipe(fd) => Some(fd.as_raw_fd()),
            Sink::SharedPipe | Sink::File => Some(2),
            Sink::Nowhere | Sink::Device | Sink::Socket | Sink::Own(_) | Sink::SharedTerminal => None,
        }
    }

    /// What can be written at once. EAGAIN: nothing.
    fn write_itself(&self, bytes: &[u8]) -> nix::Result<usize> {
        let (data, length) = (bytes.as_ptr().cast::<libc::c_void>(), bytes.len());
        // SAFETY: every call reads `length` bytes from `data`, or an iovec that says the same.
        let written = unsafe {
            match self {
                Sink::Nowhere => return Ok(length),
                Sink::Device | Sink::File => libc::write(2, data, length),
                Sink::Own(fd) | Sink::Pipe(fd) => libc::write(fd.as_raw_fd(), data, length),
                Sink::Socket => libc::send(2, data, length, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL),
                Sink::SharedTerminal if ready(2, Duration::ZERO) => libc::write(2, data, length.min(1)),
                Sink::SharedPipe if ready(2, Duration::ZERO) => {
                    // Up to PIPE_BUF fit if poll says so, unless the server writes in between: then RWF_NOWAIT saves us.
                    let part = libc::iovec { iov_base: data.cast_mut(), iov_len: length.min(libc::PIPE_BUF) };
                    // musl has the call since 1.2.5. The offset is in two halves; -1: where the file is.
                    let (here, nowait) = (-1 as libc::c_long, libc::RWF_NOWAIT);
                    match libc::syscall(libc::SYS_pwritev2, 2, &raw const part, 1, here, here, nowait) as libc::ssize_t
                    {
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

/// A line that the process which writes was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandedOver {
    /// None, or it has been written.
    Nothing,
    /// It was not waited for yet.
    JustNow,
    /// It was waited for in vain.
    Late,
}

struct Outbox {
    sink: Sink,
    waiting: Vec<u8>,
    /// Until when lines wait for others to be written with them.
    held_until: Option<Duration>,
    /// The last write found no room: poll tells when there is some.
    no_room: bool,
    /// Nobody else in the container has the pipe: all have ended.
    alone: bool,
    handed_over: HandedOver,
    lost: Lost,
}

/// Why a line was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// There is no room for it, neither in the pipe nor here.
    Unread,
    Error(Errno),
    /// Who wrote it was killed. It may have been written before.
    Killed,
}

/// Lines that were lost.
#[derive(Debug)]
struct Lost {
    lines: u64,
    /// Of the last of them.
    why: Why,
    /// So many were told in a line that may be lost too.
    told: u64,
}

impl Lost {
    const NONE: Lost = Lost { lines: 0, why: Why::Unread, told: 0 };

    fn add(&mut self, bytes: &[u8], why: Why) {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count().max(1) as u64;
        // The line that told of them is none of the log's.
        self.lines += match std::mem::take(&mut self.told) {
            0 => lines,
            told => told + lines - 1,
        };
        self.why = why;
    }

    /// A line that tells of them.
    fn note(&mut self) -> Option<String> {
        let lines = std::mem::take(&mut self.lines);
        self.told += lines;
        let what = match self.why {
            Why::Unread => "were dropped: stderr was not read".to_owned(),
            Why::Error(errno) => format!("were dropped: stderr: {}", errno.desc()),
            Why::Killed => "may be missing: the process that writes them was killed".to_owned(),
        };
        (lines > 0).then(|| format!("goward: {lines} log lines {what}\n"))
    }
}

/// One thread has it; the mutex is what makes a static of it. Never held across anything that can wait.
static OUTBOX: Mutex<Outbox> = Mutex::new(Outbox::to(Sink::Nowhere));

fn outbox() -> MutexGuard<'static, Outbox> {
    OUTBOX.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn open(sink: Sink) {
    outbox().sink = sink;
}

pub(super) fn push(line: &[u8]) {
    outbox().push(line);
}

/// The next lines may wait for a moment for others, to be written with them: where another process writes, each costs one.
pub fn hold() {
    outbox().held_until = Some(clock::now() + HELD);
}

/// All other processes of the container have ended: nobody can hold the lock of a pipe any more, and no other process is needed.
pub fn nobody_else_writes() {
    outbox().alone = true;
}

/// What is still waiting for room, and on which descriptor: to be polled for POLLOUT.
pub fn pending() -> Option<RawFd> {
    let outbox = outbox();
    outbox.no_room.then(|| outbox.polled()).flatten()
}

/// When to call [`flush`] because a line is being written, and nothing tells when it has been. Nearly always that is a moment later;
/// whoever holds the lock of the pipe may do so for good.
pub fn until_written() -> Option<Duration> {
    let mut outbox = outbox();
    if let Some(end) = outbox.held_until.filter(|_| !outbox.waiting.is_empty()) {
        match end.saturating_sub(clock::now()) {
            Duration::ZERO => outbox.flush(),
            left => return Some(left),
        }
    }
    outbox.settle(Duration::ZERO);
    let is_reaped = pipe_writer::are_reaped(Duration::ZERO);
    match outbox.handed_over {
        HandedOver::Nothing if is_reaped => None,
        HandedOver::Nothing | HandedOver::JustNow => Some(Duration::from_millis(10)),
        HandedOver::Late => Some(Duration::from_millis(250)),
    }
}

/// Writes what was waiting, as far as there is room. False where nothing could be written: though poll(2) may say that
/// there is room, it must not be asked again at once.
pub fn flush() -> bool {
    let mut outbox = outbox();
    let before = outbox.waiting.len();
    outbox.flush();
    !outbox.is_pending() || outbox.waiting.len() < before
}

/// Gives the process that writes a moment to end, before SIGKILL comes to everybody and where it must not count as a child. True: it
/// has been reaped.
pub fn settle() -> bool {
    let was_there = pipe_writer::pids().next().is_some();
    outbox().settle_once();
    was_there && pipe_writer::are_reaped(PATIENCE)
}

/// At the very end: gives a slow reader a moment for what is still waiting.
pub fn linger(time: Duration) {
    let end = clock::now() + time;
    loop {
        let left = end.saturating_sub(clock::now());
        let mut outbox = outbox();
        outbox.settle(left);
        let before = outbox.waiting.len();
        outbox.flush();
        if left.is_zero() || !outbox.is_pending() {
            break;
        }
        let is_stuck = outbox.waiting.len() == before;
        let polled = outbox.polled();
        drop(outbox);
        if polled.is_some_and(|fd| !ready(fd, left)) {
            break;
        }
        if is_stuck {
            clock::nap(Duration::from_millis(1));
        }
    }
    pipe_writer::give_up();
}

/// Ends the line that a killed server may have left unfinished.
pub fn newline() {
    push(b"\n");
}

/// For the moments without tracing: as much as can be written at once.
pub fn say_raw(text: &str) {
    say_raw_bytes(text.as_bytes());
}

/// The same for what may not be text. Itself: this is for before the log is open, when nobody else has the pipe.
fn say_raw_bytes(bytes: &[u8]) {
    let sink = Sink::find();
    let mut rest = bytes;
    while !rest.is_empty() {
        match sink.write_itself(rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(_) => return,
        }
    }
}

/// For what must not allocate, in the middle of a life. What is longer than a line is cut. To stderr as it is: to open a pipe again
/// takes its lock, which somebody may hold.
pub fn say_formatted(text: Arguments<'_>) {
    let mut line = [0; 256];
    let mut rest = line.as_mut_slice();
    // What does not fit is an error, and the beginning is there.
    let _ = rest.write_fmt(text);
    let left = rest.len();
    let line = line.get(..line.len() - left).unwrap_or_default();
    // What was begun before comes first; nothing more can be done for what does not end.
    let _ = pipe_writer::outcome(PATIENCE);
    if pipe_writer::hand_over(2, line).is_some() {
        let _ = pipe_writer::outcome(PATIENCE);
    } else if ready(2, Duration::ZERO) {
        // SAFETY: writes what is there.
        unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
    }
}

impl Outbox {
    const fn to(sink: Sink) -> Outbox {
        Outbox {
            sink,
            waiting: Vec::new(),
            held_until: None,
            no_room: false,
            alone: false,
            handed_over: HandedOver::Nothing,
            lost: Lost::NONE,
        }
    }

    fn push(&mut self, line: &[u8]) {
        if self.is_held(line) {
            return self.waiting.extend_from_slice(line);
        }
        self.flush();
        if self.waiting.is_empty()
            && let Some(note) = self.lost.note()
        {
            self.add(note.as_bytes());
        }
        self.add(line);
    }

    /// Whether a line waits for others. Not behind one that finds no room, and no more than can be written at once.
    fn is_held(&self, line: &[u8]) -> bool {
        let is_time = self.held_until.is_some_and(|end| clock::now() < end);
        let is_late = self.is_pending() || self.lost.lines > 0 || self.waiting.len() + line.len() > libc::PIPE_BUF;
        is_time && !is_late && !self.alone && self.sink.shared().is_some()
    }

    /// Writes a line, or keeps it, or counts it.
    fn add(&mut self, line: &[u8]) {
        let (written, why) = if self.waiting.is_empty() { self.write(line) } else { (0, Why::Unread) };
        let rest = line.get(written..).unwrap_or_default();
        // What has been begun must be ended, or the next line would be glued to it.
        let begun = written > 0;
        if rest.is_empty() || matches!(self.sink, Sink::Nowhere) {
        } else if self.no_room && (begun || self.waiting.len() + rest.len() <= ROOM) {
            self.waiting.extend_from_slice(rest);
        } else {
            self.lost.add(rest, why);
        }
    }

    fn flush(&mut self) {
        self.held_until = None;
        self.settle_once();
        let waiting = std::mem::take(&mut self.waiting);
        let (written, why) = self.write(&waiting);
        let rest = waiting.get(written..).unwrap_or_default();
        if self.is_pending() {
            // Behind what comes back from the process.
            self.waiting.extend_from_slice(rest);
        } else if !rest.is_empty() {
            // Not for want of room: it will not be better later.
            self.lost.add(rest, why);
        }
    }

    /// Something is still to be written, or not known to have been.
    fn is_pending(&self) -> bool {
        self.no_room || self.handed_over != HandedOver::Nothing
    }

    /// What poll(2) tells of room on. None while a line is being written: it says nothing of when that ends.
    fn polled(&self) -> Option<RawFd> {
        (self.handed_over == HandedOver::Nothing).then(|| self.sink.descriptor().unwrap_or(2))
    }

    /// Waits for the process that writes, but once for each line.
    fn settle_once(&mut self) {
        self.settle(if self.handed_over == HandedOver::JustNow { PATIENCE } else { Duration::ZERO });
    }

    /// Takes in what has become of what was handed over, if that is known within the time.
    fn settle(&mut self, patience: Duration) {
        if self.handed_over == HandedOver::Nothing {
            return;
        }
        let Some(outcome) = pipe_writer::outcome(patience) else {
            if !patience.is_zero() {
                self.handed_over = HandedOver::Late;
            }
            return;
        };
        self.handed_over = HandedOver::Nothing;
        let written = match outcome {
            Outcome::Written(count) => count,
            Outcome::Failed(Errno::EAGAIN) => 0,
            Outcome::Failed(error) if nobody_reads(error) => return self.sink = Sink::Nowhere,
            Outcome::Failed(Errno::ECANCELED) => return self.lost.add(&pipe_writer::rest(0), Why::Killed),
            Outcome::Failed(error) => return self.lost.add(&pipe_writer::rest(0), Why::Error(error)),
        };
        let rest = pipe_writer::rest(written);
        if rest.is_empty() {
            self.lost.told = 0;
        } else {
            self.no_room = true;
            self.waiting.splice(0..0, rest);
        }
    }

    /// Writes or hands over as much as can be now, and returns how much that was, and why not more.
    fn write(&mut self, bytes: &[u8]) -> (usize, Why) {
        let mut written = 0;
        self.no_room = false;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match uninterrupted(|| self.write_some(rest)) {
                Ok(count) => written += count.min(rest.len()),
                Err(Errno::EAGAIN) => {
                    self.no_room = true;
                    break;
                }
                Err(error) => {
                    // A full disk, and the like: once more at the next line.
                    if nobody_reads(error) {
                        self.sink = Sink::Nowhere;
                    }
                    return (written, Why::Error(error));
                }
            }
        }
        (written, Why::Unread)
    }

    fn write_some(&mut self, bytes: &[u8]) -> nix::Result<usize> {
        self.settle_once();
        if self.is_pending() || !self.waiting.is_empty() {
            return Err(Errno::EAGAIN);
        }
        // Where there can be no more processes, what is to be said is worth the risk.
        let shared = self.sink.shared().filter(|_| !self.alone);
        match shared.and_then(|fd| pipe_writer::hand_over(fd, whole_lines(bytes))) {
            None => self.sink.write_itself(bytes),
            Some(result) => result.inspect(|_| self.handed_over = HandedOver::JustNow),
        }
    }
}

/// As much of it as is written at once, and ends with a line if one ends there: if it is lost, no half of a line is left.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let piece = bytes.get(..libc::PIPE_BUF).unwrap_or(bytes);
    let end = piece.iter().rposition(|byte| *byte == b'\n').map_or(piece.len(), |at| at + 1);
    if piece.len() == bytes.len() { bytes } else { piece.get(..end).unwrap_or(piece) }
}

/// Nobody will ever read it: a reader that has gone, a descriptor that is closed, a terminal hung up.
fn nobody_reads(error: Errno) -> bool {
    matches!(error, Errno::EPIPE | Errno::EBADF | Errno::EIO | Errno::ENXIO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn pipe() -> (std::fs::File, Outbox) {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        (read.into(), Outbox::to(Sink::Own(write)))
    }

    #[test]
    fn a_full_pipe_costs_lines_and_says_so() {
        let (mut reader, mut outbox) = pipe();
        let line = [b"x".repeat(999).as_slice(), b"\n"].concat();
        for _ in 0..200 {
            outbox.push(&line);
        }
        assert!(outbox.lost.lines > 0 && outbox.waiting.len() <= ROOM);
        let lost = outbox.lost.lines;
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
        assert!(text.ends_with(&format!("goward: {lost} log lines were dropped: stderr was not read\nand on\n")));
    }

    #[test]
    fn a_full_disk_is_not_waited_for() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut outbox = Outbox::to(Sink::Own(full.into()));
        for _ in 0..3 {
            outbox.push(b"line\n");
            assert!(!outbox.no_room && outbox.waiting.is_empty(), "there is nothing to poll for");
        }
        // Whatever becomes of the notes, each line counts once.
        assert_eq!((outbox.lost.lines + outbox.lost.told, outbox.lost.why), (3, Why::Error(Errno::ENOSPC)));
    }

    #[test]
    fn a_line_that_is_held_is_written_with_the_next() {
        let (mut reader, mut outbox) = pipe();
        let mut read = || {
            let mut text = String::new();
            let _ = reader.read_to_string(&mut text);
            text
        };
        let held = Some(clock::now() + Duration::from_secs(60));
        outbox.held_until = held;
        outbox.push(b"a pipe of goward's own\n");
        assert_eq!(read(), "a pipe of goward's own\n");
        let Sink::Own(fd) = std::mem::replace(&mut outbox.sink, Sink::Nowhere) else { unreachable!() };
        outbox.sink = Sink::Pipe(fd);
        outbox.held_until = held;
        outbox.push(b"stop requested\n");
        outbox.push(b"and more\n");
        assert_eq!((read().as_str(), outbox.waiting.len()), ("", 24));
        outbox.alone = true;
        outbox.push(b"stopped\n");
        assert_eq!((read().as_str(), outbox.waiting.len()), ("stop requested\nand more\nstopped\n", 0));
    }

    #[test]
    fn lines_are_not_torn() {
        let line = [b"x".repeat(1500).as_slice(), b"\n"].concat();
        assert_eq!(whole_lines(&line), line);
        assert_eq!(whole_lines(&line.repeat(3)), line.repeat(2));
        let long = b"x".repeat(5000);
        assert_eq!(whole_lines(&long).len(), libc::PIPE_BUF);
    }

    #[test]
    fn what_was_lost_is_counted_by_lines_and_told_once() {
        let mut lost = Lost::NONE;
        assert_eq!(lost.note(), None);
        lost.add(b"a\nb\nc\n", Why::Killed);
        lost.add(b"half a line", Why::Killed);
        let text = "goward: 4 log lines may be missing: the process that writes them was killed\n";
        assert_eq!(lost.note().as_deref(), Some(text));
        // What told of them is lost, with a line behind it.
        lost.add(format!("{text}d\n").as_bytes(), Why::Unread);
        assert_eq!(lost.note().as_deref(), Some("goward: 5 log lines were dropped: stderr was not read\n"));
        lost.told = 0;
        assert_eq!(lost.note(), None);
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
