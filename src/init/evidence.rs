//! The server's memory, for whoever may look at its goroutines, and for goward itself when the server has missed its time. PID 1
//! opens it, which an ancestor may where others may not, and does no more: what takes time, or may hang, is done by a process of
//! its own (`look.rs`); the kernel gives up first, when memory is short, the one that reads.

use super::Init;
use super::control::Control;
#[cfg(feature = "goroutines")]
use super::look;
use super::personality::{self, Note};
use crate::config::Dump;
use crate::signal::Signal;
use crate::supervisor::{Status, Time};
use crate::sys::helper::{Answer, Helper, Refused};
use crate::sys::rights::{self, Stream};
use crate::sys::unix::Peer;
use crate::sys::{clock, file, process};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// So many at once are answered; one may hang, in a file system in user space.
const MOST: usize = 4;
/// How long a process may take to hand over memory.
const HANDING: Duration = Duration::from_secs(5);
/// What a look ends with, beside 0: it failed; there are no goroutines to be seen, and none to be printed.
pub(super) const FAILED: u8 = 1;
pub(super) const NO_GOROUTINES: u8 = 2;
/// What who asks for goroutines is told where this binary knows nothing of them.
#[cfg(not(feature = "goroutines"))]
const LEFT_OUT: &[u8] = b"-this goward was built without goroutine dumps (--no-default-features)";

/// What has to do with the server's memory.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Where `goward dump` asks.
    pub(super) control: Option<Control>,
    /// Processes that hand it over, and looks that have shown the server and go on with what that has started.
    handing: Vec<Handing>,
    /// The look under way.
    look: Option<Helper>,
    /// Looks that took too long, and are being killed: none of them is left behind by the server.
    given_up: Vec<i32>,
    /// It has ended, and the supervisor does not know yet: whether the goroutines have been shown.
    pub(super) over: Option<bool>,
    /// Keeps all goroutines.
    file: Option<File>,
    /// The server prints them too, after each look (`--dump raw`).
    prints: bool,
}

/// A process that hands over memory, or a look that goes on.
#[derive(Debug)]
struct Handing {
    helper: Helper,
    /// The connection is the process's as long as it lives: whatever comes in it, PID 1 does not close it.
    connection: Option<Stream>,
    /// When it is killed.
    until: Time,
    /// It was killed, and why has been said.
    killed: bool,
}

impl Evidence {
    /// # Errors
    /// A sentence: the file cannot be written.
    pub(super) fn new(dump: &Dump) -> Result<Evidence, String> {
        let (path, prints) = match dump {
            Dump::Live { file: Some(path) } => (path, false),
            Dump::Raw { file: Some(path) } => (path, true),
            Dump::Live { file: None } | Dump::Raw { file: None } => return Ok(Evidence::default()),
        };
        let file = file::append_or_create(path).map_err(|why| format!("--dump-file {}: {why}", path.display()))?;
        Ok(Evidence { file: Some(file), prints, ..Evidence::default() })
    }

    /// What must stay open.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.file.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// When to call [`Evidence::hurry`], from now.
    pub(super) fn patience(&self, now: Time) -> Option<Duration> {
        self.handing.iter().map(|handing| handing.until.saturating_sub(now)).min()
    }

    /// Kills the processes that take too long to hand over memory, or were stopped, so that others can ask; and looks whose time is up.
    /// Whether there was such a look.
    pub(super) fn hurry(&mut self, now: Time) -> bool {
        let mut looked = false;
        for handing in self.handing.iter_mut().filter(|handing| handing.until <= now) {
            handing.until = now + HANDING;
            handing.killed = true;
            let _ = process::send(handing.helper.pid(), Signal::KILL);
            looked |= handing.connection.is_none();
        }
        looked
    }

    /// One of the processes that hand over memory has ended, or a look that was given up. False: it is none.
    pub(super) fn ended(&mut self, pid: i32) -> bool {
        let before = self.handing.len() + self.given_up.len();
        self.handing.retain(|handing| handing.helper.pid() != pid);
        self.given_up.retain(|look| *look != pid);
        self.handing.len() + self.given_up.len() < before
    }

    /// Whether a look is under way. Asked at every wake-up, which touches no code that is cold.
    #[inline]
    pub(super) fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Whether this is the look under way, or one that has shown the server and goes on.
    pub(super) fn looks(&self, pid: i32) -> bool {
        self.look.as_ref().is_some_and(|look| look.pid() == pid) || self.goes_on(pid).is_some()
    }

    fn goes_on(&self, pid: i32) -> Option<&Handing> {
        self.handing.iter().find(|handing| handing.connection.is_none() && handing.helper.pid() == pid)
    }

    /// Their pids.
    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        let handing = self.handing.iter().map(|handing| handing.helper.pid());
        handing.chain(self.look.as_ref().map(Helper::pid)).chain(self.given_up.iter().copied())
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.handing.is_empty() || self.look.is_some()
    }

    /// Nobody waits for any of them any longer.
    pub(super) fn end(&self) {
        for helper in self.handing.iter().map(|handing| &handing.helper).chain(&self.look) {
            let _ = process::send(helper.pid(), Signal::KILL);
        }
    }
}

impl Init {
    /// Gives who has asked the server's memory, or a sentence.
    pub(super) fn hand_over(&mut self, connection: Stream, peer: Peer) {
        // gVisor names the listener itself in the place of whoever has connected: that may be another user.
        if peer.pid == self.pid {
            let why = b"-the kernel does not say who is asking; goward dump --pid PID asks the kernel";
            let _ = rights::send_with(&connection, why, &[]);
            return;
        }
        if !self.supervisor.is_running() || self.launching.starting.is_some() {
            let _ = rights::send_with(&connection, b"-the server is not running", &[]);
            return;
        }
        if self.evidence.handing.len() >= MOST {
            let _ = rights::send_with(&connection, b"-too many ask at once", &[]);
            return;
        }
        match self.giver(&connection) {
            Ok(helper) => {
                let until = clock::now() + HANDING;
                self.evidence.handing.push(Handing { helper, connection: Some(connection), until, killed: false });
            }
            Err(refused) => {
                let why = format!("-{refused}");
                let _ = rights::send_with(&connection, why.as_bytes(), &[]);
            }
        }
    }

    /// Begins to read the server's goroutines. What comes of it, the loop hears.
    pub(super) fn look(&mut self) {
        if self.evidence.look.is_some() {
            return;
        }
        match self.reader() {
            Ok(helper) => self.evidence.look = Some(helper),
            Err(refused) => self.look_failed(&refused.to_string()),
        }
    }

    #[cfg(feature = "goroutines")]
    fn giver(&self, connection: &Stream) -> Result<Helper, Refused> {
        let server = self.server.pid;
        let opened = look::opened_by_ancestor(server);
        Helper::start(|_| (0, look::give(connection, server, opened)))
    }

    #[cfg(feature = "goroutines")]
    fn reader(&self) -> Result<Helper, Refused> {
        let wanted = look::Wanted {
            format: self.settings.personality.log_format(),
            signal: self.asked_to_stop().map(|(signal, _)| signal.to_string()),
            file: self.evidence.file.as_ref(),
            group: self.server.group.filter(|_| self.settings.to_group),
            only_file: self.evidence.prints,
        };
        let server = self.server.pid;
        let opened = look::opened_by_ancestor(server);
        Helper::start(|inside| look::show(inside, server, opened, &wanted))
    }

    #[cfg(not(feature = "goroutines"))]
    fn giver(&self, connection: &Stream) -> Result<Helper, Refused> {
        Helper::start(|_| {
            let _ = rights::send_with(connection, LEFT_OUT, &[]);
            (0, Vec::new())
        })
    }

    /// Nobody can ask for it.
    #[cfg(not(feature = "goroutines"))]
    fn reader(&self) -> Result<Helper, Refused> {
        Helper::start(|_| (FAILED, LEFT_OUT.to_vec()))
    }

    /// Hears that the look under way has shown the server. It may go on as long as a look may in all; the server is asked for nothing
    /// any more.
    pub(super) fn hear_look(&mut self) {
        let Some(helper) = self.evidence.look.take_if(|look| look.says_that_it_begins()) else { return };
        // The whole look has the time that the supervisor gives it, however late it began.
        let end = self.supervisor.look_ends().unwrap_or(Time::MAX);
        self.evidence.over = Some(true);
        let until = end.min(clock::now() + HANDING);
        self.evidence.handing.push(Handing { helper, connection: None, until, killed: false });
    }

    /// The process that looked has ended so.
    pub(super) fn looked(&mut self, pid: i32, status: Status) {
        self.hear_look();
        if let Some(handing) = self.evidence.goes_on(pid) {
            if let Some(why) = rest_failed(status).filter(|_| !handing.killed && self.supervisor.is_running()) {
                self.say(Note::Warning(&why));
            }
            self.evidence.ended(pid);
            self.pending.descriptors_ready = true;
            return;
        }
        let Some(mut look) = self.evidence.look.take() else { return };
        let why = match look.answer() {
            Some(Answer::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Some(Answer::Silence) | None => String::new(),
        };
        match status {
            Status::Code(0) => self.evidence.over = Some(!self.evidence.prints),
            Status::Code(NO_GOROUTINES) if !self.evidence.prints => {
                self.say(Note::Warning(&format!("there are no goroutines to show: {why}")));
                self.evidence.over = Some(true);
            }
            Status::Code(_) | Status::Unstarted(_) => self.look_failed(&why),
            Status::Signal(signal) => self.look_failed(&format!("the process that read them was ended by {signal}")),
        }
    }

    fn look_failed(&mut self, why: &str) {
        // A server that has ended has nothing to show any more.
        if !self.supervisor.is_running() {
            return;
        }
        let what = if self.evidence.prints { ", for --dump-file" } else { "" };
        self.say(Note::Warning(&format!("its goroutines cannot be read from its memory{what}: {why}")));
        self.evidence.over = Some(false);
    }

    /// The time of a look is up. What it has not shown by now the server has to print.
    pub(super) fn give_up_look(&mut self) {
        if let Some(look) = self.evidence.look.take() {
            let _ = process::send(look.pid(), Signal::KILL);
            self.evidence.given_up.push(look.pid());
            self.say(Note::Warning("reading its goroutines from its memory took too long"));
        }
    }
}

/// What is to be said of a look that had shown the server, and ended so before it had shown all that this has started.
fn rest_failed(status: Status) -> Option<String> {
    let what = "the process that read the goroutines of what the server has started";
    (status != Status::Code(0)).then(|| format!("{what} {}", personality::how(status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_ends_before_its_end_is_told() {
        let what = "the process that read the goroutines of what the server has started";
        assert_eq!(rest_failed(Status::Signal(Signal::KILL)), Some(format!("{what} was ended by SIGKILL")));
        assert_eq!(rest_failed(Status::Code(70)), Some(format!("{what} exited with code 70")));
        assert_eq!(rest_failed(Status::Code(0)), None);
    }
}
