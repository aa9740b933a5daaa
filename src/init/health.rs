//! The probes of a running server, and what the server says of itself. The verdict is the supervisor's.

use super::Init;
use super::notify::{Mailbox, Said};
use super::voice::Note;
use crate::probe::{Attempt, Notice, Outcome, Progress};
use crate::supervisor::{Event, Status};
use std::time::Duration;

/// A probe that waits for something the kernel does not announce (a full queue, a sandbox without SIGIO) is looked at this
/// often.
const NET: Duration = Duration::from_millis(250);

/// What is under way, and what was.
#[derive(Debug, Default)]
pub(super) struct Health {
    attempt: Option<Attempt>,
    /// An outcome that the supervisor does not know yet.
    fresh: Option<Outcome>,
    /// The last outcome.
    pub(super) last: Option<Outcome>,
    pub(super) mailbox: Option<Mailbox>,
    /// Commands that were killed.
    dying: Vec<i32>,
    /// A stranger's word was refused, and that was said.
    refused: bool,
}

impl Health {
    pub(super) fn new(mailbox: Option<Mailbox>) -> Health {
        Health { mailbox, ..Health::default() }
    }

    /// How long to wait at most while a probe is under way. The end of a command is announced, by SIGCHLD.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.attempt.as_ref().filter(|attempt| attempt.child().is_none()).map(|_| NET)
    }

    /// A command that was killed has ended. False: it was none.
    pub(super) fn buried(&mut self, pid: i32) -> bool {
        let before = self.dying.len();
        self.dying.retain(|dying| *dying != pid);
        self.dying.len() < before
    }

    /// Commands that were killed and have not ended yet: they are no leftovers of the server's.
    pub(super) fn is_dying(&self) -> bool {
        !self.dying.is_empty()
    }

    /// The process that the probe under way is.
    pub(super) fn child(&self) -> Option<i32> {
        self.attempt.as_ref().and_then(Attempt::child)
    }

    /// It has ended.
    pub(super) fn ended(&mut self, status: Status) {
        if let Some(attempt) = self.attempt.take() {
            self.fresh = Some(attempt.ended(status));
        }
    }

    fn advance(&mut self) -> bool {
        match self.attempt.as_mut().map(Attempt::advance) {
            Some(Progress::Over(outcome)) => {
                self.attempt = None;
                self.fresh = Some(outcome);
                false
            }
            Some(Progress::More) => true,
            Some(Progress::Waiting) | None => false,
        }
    }
}

impl Init {
    /// Begins a probe.
    pub(super) fn probe(&mut self) {
        let Some(probe) = &self.settings.probe else { return };
        match Attempt::start(probe, Some(&self.launch.order(&self.settings, &[])), Notice::Signal) {
            Ok(attempt) => self.health.attempt = Some(attempt),
            Err(outcome) => self.health.fresh = Some(outcome),
        }
        self.woken = true;
    }

    /// The supervisor has counted it as a failure.
    pub(super) fn expire_probe(&mut self) {
        let Some(attempt) = self.health.attempt.take() else { return };
        self.health.dying.extend(attempt.child());
        let timeout = self.settings.policy.health.map(|schedule| schedule.timeout).unwrap_or_default();
        let outcome = attempt.give_up(format!("no answer within {timeout:?}"));
        self.say(Note::Probed(&outcome));
        self.health.last = Some(outcome);
    }

    pub(super) fn end_probe(&mut self) {
        if let Some(attempt) = self.health.attempt.take() {
            self.health.dying.extend(attempt.child());
            let _ = attempt.give_up(String::new());
        }
    }

    /// Something may have happened at a descriptor. Everything is asked; each is bounded.
    pub(super) fn attend(&mut self) {
        let mut more = self.health.advance();
        if let Some(outcome) = self.health.fresh.take() {
            let before = self.supervisor.verdict();
            let well = outcome.well;
            self.say(Note::Probed(&outcome));
            self.health.last = Some(outcome);
            self.happened(Event::Probed(well));
            if before != self.supervisor.verdict() && well {
                self.say(Note::Healthy);
            }
        }
        let mut said = Vec::new();
        if let Some(mailbox) = &self.health.mailbox {
            more |= mailbox.take(self.server.pid, &mut said);
        }
        for said in said {
            self.heard(said);
        }
        more |= self.answer();
        self.woken |= more;
    }

    fn heard(&mut self, said: Said) {
        match said {
            Said::Notice(notice) => {
                let before = self.supervisor.is_ready();
                self.happened(Event::Notified(notice));
                let after = self.supervisor.is_ready();
                if before != after {
                    self.say(Note::Ready(after));
                }
            }
            Said::Status(text) => self.said = text,
            Said::MainPid => self.say(Note::Warning("MAINPID= is refused: the server is what goward started")),
            Said::Stranger(pid) => {
                if !std::mem::replace(&mut self.health.refused, true) {
                    let why = format!("a notification from pid {pid} is refused: only the server's own counts");
                    self.say(Note::Warning(&why));
                }
            }
        }
    }
}
