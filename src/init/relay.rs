//! The server's stderr, where it passes through goward (`--dump summary`): what is no goroutine dump goes on unchanged, a
//! dump is replaced by its groups.
//!
//! goward never waits here. While nobody reads goward's stderr nothing is taken from the server's, which then fills and
//! holds the server up, as it would without goward; signals, reaping and the deadline go on. Only a dump is taken in any
//! case: it is not written out, and a full pipe would hang it for good.

use super::last_resort;
use crate::config::{LogFormat, Settings, Voice};
use crate::goroutines::{self, Output, Program, Reader, Summary, Wanted};
use crate::log;
use crate::spawn;
use crate::sys::process;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// As much as a pipe holds.
const BUFFER: usize = 64 * 1024;
/// What other goroutines log during a dump waits for room, this much of it; then the dump has to wait too.
const MOST: usize = 1024 * 1024;
/// A pipe holds one or sixteen buffers. Who writes on as fast as they are read must not hold up signals.
const DRAIN: usize = 32;
/// How long the beginning of a line is kept that may be a dump's.
const PATIENCE: Duration = Duration::from_millis(20);

/// The pipe that is to be the server's stderr, and the file for the dump.
#[derive(Debug)]
pub(super) struct Stderr {
    read: OwnedFd,
    write: OwnedFd,
    file: Option<File>,
}

impl Stderr {
    /// # Errors
    /// A sentence: no pipe, or the file cannot be written.
    pub(super) fn new(file: Option<&Path>) -> Result<Stderr, String> {
        let pipe = || {
            let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
            // Not for the server's end: Go cuts what it prints when the pipe is full and must not block.
            fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            Ok((process::above_stdio(read)?, process::above_stdio(write)?))
        };
        let (read, write) = pipe().map_err(|e: Errno| format!("--dump summary: no pipe for stderr: {}", e.desc()))?;
        let file = file.map(|path| {
            // Not emptied before the next dump: the last one may be all that is known of the last run.
            let mut options = File::options();
            options.append(true).create(true).mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            options.open(path).map_err(|e| format!("--dump-file {}: {}", path.display(), reason(&e)))
        });
        Ok(Stderr { read, write, file: file.transpose()? })
    }

    pub(super) fn for_server(&self) -> RawFd {
        self.write.as_raw_fd()
    }
}

fn reason(error: &std::io::Error) -> &'static str {
    error.raw_os_error().map_or("cannot be opened", |code| Errno::from_raw(code).desc())
}

/// What passes, and what is made of it.
pub(super) struct Relay {
    /// None once every writer has gone.
    from: Option<OwnedFd>,
    reader: Reader,
    paper: Paper,
    buffer: Vec<u8>,
    /// Something has come since the reader was last told that nothing comes.
    unsettled: bool,
    /// A dump was asked for.
    dumping: bool,
}

/// Where it goes.
struct Paper {
    program: Program,
    /// What passes, until all that was read has been looked at: one write for many lines.
    passed: Vec<u8>,
    file: Option<File>,
    /// The file holds an older dump.
    stale: bool,
    format: LogFormat,
}

impl Relay {
    /// For the server that has just been started.
    pub(super) fn new(stderr: Stderr, server: i32, settings: &Settings) -> Relay {
        let Stderr { read, write, file } = stderr;
        // The server has it now; the end is seen only when nobody else has.
        drop(write);
        let program = Program { module: spawn::module_of(Path::new(&format!("/proc/{server}/exe"))), signal: None };
        let format = match settings.voice {
            Voice::Goward { format, .. } => format,
            Voice::Tini { .. } | Voice::DumbInit { .. } | Voice::Catatonit { .. } => LogFormat::Text,
        };
        last_resort::relays(read.as_raw_fd());
        Relay {
            from: Some(read),
            reader: Reader::new(Wanted::Signals, program.clone()),
            paper: Paper { program, passed: Vec::with_capacity(BUFFER), file, stale: true, format },
            buffer: vec![0; BUFFER],
            unsettled: false,
            dumping: false,
        }
    }

    /// What must stay open.
    pub(super) fn descriptors(&self) -> [Option<RawFd>; 2] {
        [self.from.as_ref().map(AsRawFd::as_raw_fd), self.paper.file.as_ref().map(AsRawFd::as_raw_fd)]
    }

    /// What is to be polled: nothing while there is no room for it.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        let room = if self.dumping || self.reader.in_dump() { log::backlog() < MOST } else { log::pending().is_none() };
        self.from.as_ref().filter(|_| room).map(AsRawFd::as_raw_fd)
    }

    /// When to come back though nothing comes.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.unsettled.then_some(PATIENCE)
    }

    /// The stop signal that the server has been sent: a diagnosis needs it.
    pub(super) fn asked(&mut self, signal: String) {
        self.paper.program.signal = Some(signal);
    }

    /// The wait is over; `more` may have come.
    pub(super) fn turn(&mut self, more: bool) {
        if more {
            self.take();
        } else if self.unsettled {
            self.unsettled = false;
            self.reader.quiet(&mut self.paper);
            self.paper.hand_on();
        }
    }

    /// The server was told to dump: it must be able to, whatever lies in the pipe before it.
    pub(super) fn expect_dump(&mut self) {
        self.dumping = true;
    }

    /// The server has gone, or goward goes: what is still in the pipe, as far as there is room, and the end of the dump.
    pub(super) fn drain(&mut self) {
        for _ in 0..DRAIN {
            if log::backlog() >= MOST || !self.take() {
                break;
            }
        }
        self.finish();
    }

    fn finish(&mut self) {
        self.reader.finish(&mut self.paper);
        self.paper.hand_on();
        self.unsettled = false;
    }

    /// Takes what there is, once. False: nothing.
    fn take(&mut self) -> bool {
        let Some(from) = self.from.as_ref() else { return false };
        match nix::unistd::read(from, &mut self.buffer) {
            Ok(0) => {
                self.from = None;
                last_resort::relays(-1);
                self.finish();
                false
            }
            Ok(length) => {
                self.unsettled = true;
                self.reader.feed(self.buffer.get(..length).unwrap_or_default(), &mut self.paper);
                self.paper.hand_on();
                true
            }
            Err(Errno::EINTR) => true,
            Err(_) => false,
        }
    }
}

impl Paper {
    fn hand_on(&mut self) {
        log::relay(&self.passed);
        self.passed.clear();
    }
}

impl Output for Paper {
    fn pass(&mut self, bytes: &[u8]) {
        self.passed.extend_from_slice(bytes);
    }

    fn dump(&mut self, bytes: &[u8]) {
        let Some(file) = self.file.as_mut() else { return };
        let emptied = if std::mem::take(&mut self.stale) { file.set_len(0) } else { Ok(()) };
        if let Err(error) = emptied.and_then(|()| file.write_all(bytes)) {
            self.file = None;
            tracing::warn!(target: "goward", error = reason(&error), "the dump file cannot be written");
        }
    }

    fn ended(&mut self, summary: Summary) {
        self.stale = true;
        self.hand_on();
        let findings = goroutines::diagnose(&summary, &self.program);
        match self.format {
            LogFormat::Text => {
                log::relay(goroutines::table(&summary, &findings, &goroutines::Style::default()).as_bytes())
            }
            LogFormat::Json => {
                log::event("the server's goroutines", "dump", &goroutines::json(&summary, &findings, false))
            }
        }
    }
}
