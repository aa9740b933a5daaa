//! Work that may hang, in a copy of this process: an exec, or a file that an image or the server can keep from being read. The
//! copy says what there is to say through a pipe of goward's own, which closes at its exec or at its end; both are announced,
//! by SIGIO and by SIGCHLD. So PID 1 waits for neither.
//!
//! fork(2), not a clone that shares the memory: the copy may allocate, open files and hang, and changes nothing here.
#![allow(unsafe_code)]

use super::{pipe_writer, process, signal_io};
use crate::signal::Signal;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The longest answer in bytes, PIPE_BUF: a pipe takes it at once and as a whole, whether anybody reads or not. Of a longer
/// one the rest is left out.
pub const ANSWER: usize = libc::PIPE_BUF;

/// Which call was refused, so that there is no helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// pipe2(2) or fcntl(2), for the answer.
    Pipe(Errno),
    /// fork(2) failed with this error.
    Fork(Errno),
}

impl std::fmt::Display for Refused {
    /// A limit on processes, most of the time.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (call, errno) = match self {
            Refused::Pipe(errno) => ("pipe", errno),
            Refused::Fork(errno) => ("fork", errno),
        };
        write!(f, "no process can be started for that ({call}: {})", errno.desc())
    }
}

/// What a helper has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing, and there will be nothing: it has exec'ed another program, or has ended.
    Silence,
    /// This, in one piece.
    Bytes(Vec<u8>),
}

/// A copy of this process, from the fork to the end of whatever it has become. Dropping this neither ends nor reaps it.
#[derive(Debug)]
pub struct Helper {
    pid: i32,
    from: OwnedFd,
    /// It has said that it begins.
    begun: bool,
    /// Everything else that it has said.
    said: Vec<u8>,
    answer: Option<Answer>,
}

/// What a helper writes before it does what may hang; no answer begins so.
static BEGINS: u8 = 1;

/// A helper's own end.
#[derive(Clone, Copy, Debug)]
pub struct Inside(RawFd);

impl Inside {
    /// Says that what comes now may hang, or never return. An async-signal-safe call.
    pub fn begins(self) {
        // SAFETY: writes a byte to an open pipe.
        unsafe { libc::write(self.0, (&raw const BEGINS).cast(), 1) };
    }

    /// Says a part of the answer, which is known at once ([`Helper::said`]): of all of them together as much as an answer may have.
    pub fn says(self, part: &[u8]) {
        // SAFETY: writes what is there to an open pipe.
        unsafe { libc::write(self.0, part.as_ptr().cast(), part.len().min(ANSWER)) };
    }
}

impl Helper {
    /// Starts one. `work` returns the exit code and the answer, or never returns because it has exec'ed. It finds all signals
    /// as they are here, blocked in PID 1. Where SIGIO is refused, the owner has to look from time to time.
    ///
    /// # Errors
    /// Which call was refused, and how.
    pub fn start(work: impl FnOnce(Inside) -> (u8, Vec<u8>)) -> Result<Helper, Refused> {
        let pipe = || {
            let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
            Ok((process::above_stdio(read)?, process::above_stdio(write)?))
        };
        let (from, to) = pipe().map_err(Refused::Pipe)?;
        let _ = signal_io::announce(&from);
        // SAFETY: goward has one thread, so everything in the child's memory is in order.
        match Errno::result(unsafe { libc::fork() }).map_err(Refused::Fork)? {
            0 => {
                pipe_writer::forget();
                let inside = Inside(to.as_raw_fd());
                let (code, answer) = work(inside);
                inside.says(&answer);
                // Nothing of the parent's is dropped.
                process::leave(code)
            }
            // Its own end of the pipe is closed here: only the child keeps it open.
            pid => Ok(Helper { pid, from, begun: false, said: Vec::new(), answer: None }),
        }
    }

    /// Starts one that ends with its owner, which nobody else would end. `orphaned` is its exit code where the owner has ended before
    /// it could be tied to it.
    ///
    /// # Errors
    /// As [`Helper::start`].
    pub fn tied(orphaned: u8, work: impl FnOnce(Inside) -> (u8, Vec<u8>)) -> Result<Helper, Refused> {
        let parent = nix::unistd::getpid();
        Helper::start(|inside| {
            let _ = process::set_parent_death_signal(Signal::KILL);
            if nix::unistd::getppid() == parent { work(inside) } else { (orphaned, Vec::new()) }
        })
    }

    /// Its pid: whoever calls waitpid reaps it.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it has said that it begins, as far as was read.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether it has, as far as can be read now.
    pub fn says_that_it_begins(&mut self) -> bool {
        self.read();
        self.begun
    }

    /// What it has said until now.
    pub fn said(&mut self) -> &[u8] {
        self.read();
        match &self.answer {
            Some(Answer::Bytes(bytes)) => bytes,
            Some(Answer::Silence) => &[],
            None => &self.said,
        }
    }

    /// What it has said, whole; none: that is not known yet. Once it has been reaped that means that it can no longer be found out.
    pub fn answer(&mut self) -> Option<&Answer> {
        self.read();
        self.answer.as_ref()
    }

    fn read(&mut self) {
        while self.answer.is_none() {
            let mut buffer = [0; ANSWER + 1];
            let Ok(length) = nix::unistd::read(&self.from, &mut buffer) else { return };
            let mut bytes = buffer.get(..length).unwrap_or_default();
            if let [first, rest @ ..] = bytes
                && *first == BEGINS
                && !self.begun
                && self.said.is_empty()
            {
                self.begun = true;
                bytes = rest;
            }
            let room = ANSWER.saturating_sub(self.said.len());
            self.said.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            if length == 0 {
                let said = std::mem::take(&mut self.said);
                self.answer = Some(if said.is_empty() { Answer::Silence } else { Answer::Bytes(said) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(work: impl FnOnce(Inside) -> (u8, Vec<u8>)) -> Helper {
        // Nobody takes the signals of this process: SIGIO would end it.
        crate::sys::mask::dispose(Signal::IO, true).unwrap();
        Helper::start(work).unwrap()
    }

    /// Its exit code; minus the signal that ended it.
    fn reap(helper: &Helper) -> i32 {
        let mut status = 0;
        // SAFETY: waits for a child of the test's own, and writes one int.
        assert_eq!(unsafe { libc::waitpid(helper.pid(), &mut status, 0) }, helper.pid());
        if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
    }

    #[test]
    fn an_answer_comes_whole_and_is_kept() {
        let mut helper = start(|_| (9, b"why not".to_vec()));
        assert_eq!(reap(&helper), 9);
        for _ in 0..2 {
            assert_eq!(helper.answer(), Some(&Answer::Bytes(b"why not".to_vec())));
        }
        let mut helper = start(|_| (0, vec![b'x'; 3 * ANSWER]));
        assert_eq!(reap(&helper), 0);
        assert_eq!(helper.answer(), Some(&Answer::Bytes(vec![b'x'; ANSWER])), "it does not wait for a reader");
        let mut helper = start(|_| (0, Vec::new()));
        assert_eq!((reap(&helper), helper.answer()), (0, Some(&Answer::Silence)));
        assert!(!helper.has_begun());
        let mut helper = start(|inside| {
            inside.begins();
            inside.says(&[BEGINS]);
            (9, b"why not".to_vec())
        });
        assert_eq!(reap(&helper), 9);
        assert_eq!(helper.answer(), Some(&Answer::Bytes(b"\x01why not".to_vec())), "it begins once");
        assert!(helper.has_begun());
    }

    #[test]
    fn one_that_hangs_is_not_waited_for() {
        let mut helper = start(|inside| {
            inside.begins();
            inside.says(b"so far");
            loop {
                // SAFETY: waits for a signal.
                unsafe { libc::pause() };
            }
        });
        while helper.said().is_empty() {
            assert_eq!(helper.answer(), None);
        }
        assert!(helper.has_begun());
        process::send(helper.pid(), Signal::KILL).unwrap();
        assert_eq!((reap(&helper), helper.said()), (-9, b"so far".as_slice()));
        assert_eq!(helper.answer(), Some(&Answer::Bytes(b"so far".to_vec())));
    }
}
