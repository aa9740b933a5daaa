//! A probe that is a command: in a process group of its own, its output kept, its whole tree killed when it takes too long.

use super::{Notice, OUTPUT, Outcome, with_output};
use crate::config::Place;
use crate::exit;
use crate::signal::Signal;
use crate::spawn::{Order, explain, spawn};
use crate::supervisor::Status;
use crate::sys::{process, signal_io, wait};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

/// So much is read at once; a flood must not hold up signals.
const READS: usize = 16;

#[derive(Debug)]
pub(super) struct Command {
    pid: i32,
    from: Option<OwnedFd>,
    output: Vec<u8>,
}

impl Command {
    pub(super) fn start(words: &[CString], order: &Order<'_>, notice: Notice) -> Result<Command, Outcome> {
        let failed = |errno: Errno| Outcome::ill(format!("cannot be started: {}", errno.desc()));
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
        let (read, write) = (process::above_stdio(read).map_err(failed)?, process::above_stdio(write).map_err(failed)?);
        if notice == Notice::None || signal_io::announce(&read).is_err() {
            fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
        }
        // A scratch image may have no /dev; the probe then finds goward's own standard input.
        let null =
            open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).and_then(process::above_stdio).ok();
        let output = Some(write.as_raw_fd());
        let order = Order {
            argv: words,
            place: Place::Group,
            listen_pid: false,
            on_terminal: false,
            stdio: [null.as_ref().map(AsRawFd::as_raw_fd), output, output],
            ..*order
        };
        let pid = spawn(&order).map_err(|errno| {
            let program = words.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            Outcome::ill(explain::explain(&program, errno).1)
        })?;
        Ok(Command { pid, from: Some(read), output: Vec::new() })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Takes what it has put out. What does not fit is thrown away, so that it never waits for a reader.
    pub(super) fn read(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..READS {
            let Some(from) = &self.from else { return };
            match nix::unistd::read(from, &mut buffer) {
                Ok(0) => self.from = None,
                Ok(count) => {
                    let room = OUTPUT.saturating_sub(self.output.len()).min(count);
                    self.output.extend_from_slice(buffer.get(..room).unwrap_or_default());
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    pub(super) fn ended(mut self, status: Status) -> Outcome {
        self.read();
        // What it left behind in its group: it is goward's by now, or nobody is there.
        if wait::has_child_in(self.pid) {
            let _ = process::send(-self.pid, Signal::KILL);
        }
        match status {
            Status::Code(0) => Outcome::well("exit code 0"),
            Status::Code(code) => Outcome::ill(with_output(&format!("exit code {code}"), &self.output)),
            Status::Signal(signal) => {
                let code = exit::by_signal(signal.number() as u8);
                Outcome::ill(with_output(&format!("ended by {signal} ({code})"), &self.output))
            }
        }
    }

    pub(super) fn give_up(mut self, text: String) -> Outcome {
        self.read();
        // It has not been reaped, so the number is still its own.
        let _ = process::send(-self.pid, Signal::KILL);
        let _ = process::send(self.pid, Signal::KILL);
        Outcome::ill(with_output(&text, &self.output))
    }
}
