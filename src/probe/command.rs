//! A probe that is a command. A process of goward's own starts it, reads what it puts out, and ends as it ends: whoever has that
//! pipe open can keep a reader waiting for ever (splice(2) into it holds its lock, and not even SIGKILL ends the sleep), so it is
//! not PID 1 that reads it. Both are in one process group, which is killed when the command takes too long.

use super::{OUTPUT, Outcome, with_output};
use crate::config::Place;
use crate::exit;
use crate::signal::Signal;
use crate::spawn::{self, Failure, SpawnSpec, explain};
use crate::supervisor::Status;
use crate::sys::helper::{Helper, Inside};
use crate::sys::wait::Change;
use crate::sys::{process, wait};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// How often the command is looked at where the kernel has no pidfds, in milliseconds.
const LOOK: u8 = 20;

#[derive(Debug)]
pub(super) struct Command {
    helper: Helper,
}

impl Command {
    pub(super) fn start(words: &[CString], spec: &SpawnSpec<'_>) -> Result<Command, Outcome> {
        let spec = SpawnSpec { argv: words, ..spec.beside() };
        let helper = Helper::tied(exit::GOWARD_FAILED, |inside| {
            if let Err(errno) = take_place(spec.place) {
                // With the terminal it must not run.
                return (exit::GOWARD_FAILED, format!("no session of its own: setsid: {}", errno.desc()).into_bytes());
            }
            match run(&SpawnSpec { place: Place::Shared, dies_with_parent: true, ..spec }, inside) {
                Ok(Status::Code(code) | Status::Unstarted(code)) => (code, Vec::new()),
                Ok(Status::Signal(signal)) => process::end_by(signal),
                Err(failure) => {
                    let (code, why) = explain::explain(&spec, failure);
                    (code, why.into_bytes())
                }
            }
        });
        let helper = helper.map_err(|refused| Outcome::ill(explain::explain(&spec, refused.into()).1))?;
        // It does the same: whoever comes first, the group is there for whoever knows its pid. Not where it makes a session of its
        // own, which is refused to whoever leads a group already.
        if spec.place != Place::Detached {
            let _ = process::lead_group(helper.pid());
        }
        Ok(Command { helper })
    }

    pub(super) fn pid(&self) -> i32 {
        self.helper.pid()
    }

    pub(super) fn ended(mut self, status: Status) -> Outcome {
        // What it left behind in its group: it is goward's by now, or nobody is there.
        if wait::has_child_in(self.pid()) {
            let _ = process::send(-self.pid(), Signal::KILL);
        }
        let said = self.helper.said().to_vec();
        if !self.helper.has_begun() && !said.is_empty() {
            return Outcome::ill(String::from_utf8_lossy(&said));
        }
        match status {
            Status::Code(0) => Outcome::well("exit code 0"),
            Status::Code(code) | Status::Unstarted(code) => {
                Outcome::ill(with_output(&format!("exit code {code}"), &said))
            }
            Status::Signal(signal) => {
                let code = exit::by_signal(signal.number() as u8);
                Outcome::ill(with_output(&format!("ended by {signal} ({code})"), &said))
            }
        }
    }

    pub(super) fn give_up(mut self, text: String) -> Outcome {
        let said = self.helper.said().to_vec();
        let hangs = !self.helper.has_begun();
        // It has not been reaped, so the number is still its own.
        let _ = process::send(-self.pid(), Signal::KILL);
        let _ = process::send(self.pid(), Signal::KILL);
        if hangs && !text.is_empty() {
            return Outcome::ill(format!("{text}: the kernel has not started the command yet"));
        }
        Outcome::ill(with_output(&text, &said))
    }
}

fn take_place(place: Place) -> nix::Result<()> {
    if place == Place::Detached {
        return nix::unistd::setsid().map(drop);
    }
    let _ = process::lead_group(0);
    Ok(())
}

/// In the process: from the start of the command to its end. What does not fit is read all the same, so that it never waits for
/// a reader.
fn run(spec: &SpawnSpec<'_>, inside: Inside) -> Result<Status, Failure> {
    let pipe = || {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (read, write) = (process::above_stdio(read)?, process::above_stdio(write)?);
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((read, write))
    };
    let (read, write) = pipe().map_err(Failure::Pipe)?;
    let output = Some(write.as_raw_fd());
    let pid = spawn::spawn(&SpawnSpec { stdio: [None, output, output], ..*spec })?;
    drop(write);
    inside.begins();
    let mut output = Output { from: Some(read), room: OUTPUT, inside };
    let pidfd = process::pidfd(pid).ok();
    loop {
        let status = match wait::any_child() {
            Ok(Some((child, Change::Ended(status), _))) if child == pid => Some(status),
            Ok(_) => None,
            // Somebody else has reaped it: that cannot be, and must not be waited for.
            Err(_) => Some(Status::Signal(Signal::KILL)),
        };
        let more = output.pass_on();
        if let Some(status) = status {
            while output.room > 0 && output.pass_on() {}
            return Ok(status);
        }
        if more {
            continue;
        }
        let what = [output.from.as_ref(), pidfd.as_ref()];
        let mut fds: Vec<_> = what.into_iter().flatten().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
        let _ = poll(&mut fds, if pidfd.is_some() { PollTimeout::NONE } else { LOOK.into() });
    }
}

/// What the command puts out.
struct Output {
    from: Option<OwnedFd>,
    /// So much of it is still kept.
    room: usize,
    inside: Inside,
}

impl Output {
    /// Takes some of what is there, and hands on what is kept. False: nothing was there.
    fn pass_on(&mut self) -> bool {
        let Some(from) = &self.from else { return false };
        let mut buffer = [0; OUTPUT];
        match nix::unistd::read(from, &mut buffer) {
            Ok(0) => self.from = None,
            Ok(count) => {
                let kept = buffer.get(..count.min(self.room)).unwrap_or_default();
                self.inside.says(kept);
                self.room -= kept.len();
                return true;
            }
            Err(Errno::EINTR) => return true,
            Err(_) => {}
        }
        false
    }
}
