//! The event loop: one place turns the world into events, and only this place calls waitpid.

use super::relay::Relay;
use super::voice::{self, Note};
use super::{Init, last_resort};
use crate::config::Voice;
use crate::log;
use crate::signal::Signal;
use crate::supervisor::{Action, Event, Stage, Status};
use crate::sys::clock;
use crate::sys::inbox::{Received, Sender, Straight};
use crate::sys::mask::Mask;
use crate::sys::wait::{self, Change};
use nix::errno::Errno;
use std::time::Duration;

/// How soon to look again after a system call failed that must not fail.
const SOON: Duration = Duration::from_millis(10);
/// How often to ask for processes that are not goward's children (docker exec), once the server has gone. waitpid
/// tells nothing of them.
const STRANGERS: Duration = Duration::from_millis(50);
/// Orphans are reaped one by one as they come, until they come this often in a row...
const STORM: u32 = 4;
/// ...within this time. Then they are left lying for as long, and reaped together: a wake-up for each would cost more.
const LULL: Duration = Duration::from_millis(1);
/// How long a probe that was killed as the server ended may take to end itself, before it counts as left behind.
const DYING: Duration = Duration::from_millis(100);
/// A flood of signals must not keep goward from its children: which of several waiting signals comes first is the
/// kernel's choice, and SIGCHLD has a high number.
const FLOOD: u32 = 64;
/// At most this many at once: signals must not wait for a thousand dead.
const BATCH: usize = 128;

/// Whether orphans come as a storm.
#[derive(Debug, Default)]
pub(super) struct Weather {
    last: Duration,
    in_a_row: u32,
}

impl Weather {
    fn orphans(&mut self, now: Duration) {
        let close = now.saturating_sub(self.last) <= 2 * LULL;
        self.in_a_row = if close { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = now;
    }

    fn none(&mut self) {
        self.in_a_row = 0;
    }

    /// How long SIGCHLD is to be left alone; none in calm weather.
    fn lull(&self, now: Duration) -> Option<Duration> {
        (self.in_a_row >= STORM).then(|| (self.last + LULL).saturating_sub(now))
    }
}

impl Init {
    /// Waits, and does what is to be done, until there is nothing left to wait for.
    pub(super) fn until_the_end(&mut self) -> u8 {
        loop {
            match self.wait() {
                Some(received) => {
                    self.flood += received.in_a_row;
                    self.received(received);
                }
                None => self.flood = 0,
            }
            if self.flood >= FLOOD {
                self.flood = 0;
                self.reap();
            }
            self.try_again();
            if std::mem::take(&mut self.woken) || self.supervisor.is_judged_at(clock::now()) {
                self.attend();
            }
            if let Some(status) = self.unstarted.take() {
                self.happened(Event::Ended(status));
            }
            self.happened(Event::Tick);
            if self.supervisor.is_clearing() && self.leaving.is_none() {
                if !self.childless {
                    self.reap();
                }
                let ended = self.supervisor.milestones.ended.unwrap_or_default();
                let now = clock::now();
                if self.health.is_dying() && now < ended + DYING {
                    self.soon = true;
                    continue;
                }
                // Who came in by docker exec does not keep a server from being started again.
                let others = !self.childless || self.all() && self.others.are_there();
                self.happened(if others { Event::OthersRemain } else { Event::NobodyRemains });
            }
            if let Some(code) = self.leaving {
                return code;
            }
        }
    }

    fn received(&mut self, received: Received) {
        if received.signal == Signal::CHLD {
            self.say(Note::Received(&received, None));
            return self.reap();
        }
        if received.signal == Signal::IO {
            // Somebody's own SIGIO may have come in the place of a descriptor's: one waits at a time.
            self.woken = true;
            if received.sender == Sender::Descriptor {
                return;
            }
        }
        if let Some(at) = self.settings.ignore_once.iter().position(|signal| *signal == received.signal) {
            self.settings.ignore_once.remove(at);
            return self.say(Note::HandOff(&received));
        }
        // A key at the terminal is for everybody in the foreground, as under a shell; a signal by kill is for the server.
        self.by_key = received.sender == Sender::Kernel && self.supervisor.policy().interactive;
        if let Some(out) = self.supervisor.plain(received.signal) {
            let result = received.sent.unwrap_or_else(|| self.perform(Action::Send(out)));
            return self.passed_on(&received, out, result);
        }
        let before = self.supervisor.was_asked();
        self.say(Note::Received(&received, self.supervisor.rewritten(received.signal)));
        self.happened_after(Event::Signal(received.signal), received.sent);
        self.after_signal();
        if !before && self.supervisor.was_asked() {
            last_resort::stop_began(clock::now());
            let (signal, from) = (received.signal, voice::from(&received));
            self.say(Note::StopBegins { signal, from: &from, supervisor: &self.supervisor });
            if let Some(relay) = self.relay.as_mut() {
                relay.asked(self.supervisor.policy().stop_signal.unwrap_or(signal).to_string());
            }
            self.asked_by = Some((signal, from));
            if self.pid == 1 {
                // While the server stops there is time for this; at its end the exit would wait for it.
                self.others.prepare();
            }
        }
    }

    /// A signal that needed no decision. What it asked for has been done first; now to what is to be said about it.
    fn passed_on(&mut self, received: &Received, out: Signal, result: nix::Result<()>) {
        self.say(Note::Received(received, Some(out)));
        self.performed(Action::Send(out), 0, result);
        self.after_signal();
    }

    /// The signals that need no decision, or only after they were sent, and whose they are; none where every signal must be
    /// looked at. Where nobody is told of them and nothing else is due, they need not even be counted one by one.
    fn straight(&self, nothing_is_due: bool) -> Option<Straight> {
        let all_alike = self.supervisor.hears() && self.settings.ignore_once.is_empty();
        let at_once = if nothing_is_due && !self.settings.voice.tells_of_signals() { FLOOD } else { 1 };
        let heard = if self.supervisor.rung().is_none() { self.asking } else { Mask::empty() };
        all_alike.then(|| Straight { signals: self.undecided, heard, to: self.target(false), at_once })
    }

    /// tini looks for the dead after every signal, and with enough -v tells of it. goward knows that SIGCHLD has not come.
    fn after_signal(&mut self) {
        if let Voice::Tini { .. } = self.settings.voice {
            self.say(Note::Round { childless: false });
        }
    }

    /// Takes what waitpid has. Only the server's status counts; every other child is reaped in silence.
    fn reap(&mut self) {
        let loud = self.settings.warn_reaping;
        let told = self.settings.voice.tells_of_orphans(loud);
        let mut orphans = false;
        for _ in 0..BATCH {
            match wait::any_child() {
                Ok(Some((pid, change))) if pid == self.server.pid && self.supervisor.is_running() => {
                    self.server_changed(change);
                }
                Ok(Some((pid, Change::Ended(status)))) if self.health.child() == Some(pid) => {
                    self.health.ended(status);
                    self.woken = true;
                }
                Ok(Some((pid, Change::Ended(_)))) if self.health.buried(pid) => {}
                Ok(Some((pid, Change::Ended(status)))) => {
                    orphans = true;
                    if told {
                        self.say(Note::Reaped { pid, status, loud });
                    }
                }
                Ok(Some(_)) | Err(Errno::EINTR) => {}
                Ok(None) => return self.reaped(orphans, false),
                Err(Errno::ECHILD) => return self.reaped(orphans, true),
                Err(errno) => {
                    self.say(Note::Trouble("waitpid", errno));
                    self.soon = true;
                    return;
                }
            }
        }
        // A full batch: there may be more, and SIGCHLD has been taken.
        self.unreaped = true;
    }

    fn reaped(&mut self, orphans: bool, childless: bool) {
        self.childless = childless;
        self.say(Note::Round { childless });
        if orphans {
            self.weather.orphans(clock::now());
        } else {
            self.weather.none();
        }
        if childless && self.supervisor.is_running() && self.unstarted.is_none() {
            // There was a server, and now there is no child: somebody else took its status. It cannot be waited for.
            self.happened(Event::Ended(Status::Code(crate::exit::GOWARD_FAILED)));
        }
    }

    fn server_changed(&mut self, change: Change) {
        match change {
            Change::Ended(status) => {
                last_resort::ended(status.code());
                if let Some(relay) = self.relay.as_mut() {
                    relay.drain();
                }
                self.say(Note::Ended { pid: self.server.pid, status });
                if matches!(self.supervisor.stage(), Stage::After(_)) && status != Status::Code(0) {
                    self.say(Note::Warning(&format!("the command after the server {}", voice::how(status))));
                }
                self.happened(Event::Ended(status));
            }
            Change::Stopped(by) => self.happened(Event::Stopped(by)),
            Change::Continued => self.happened(Event::Continued),
        }
    }

    /// Until a signal, a deadline, or room on stderr for what is still to be written.
    fn wait(&mut self) -> Option<Received> {
        let now = clock::now();
        let soon = std::mem::take(&mut self.soon).then_some(SOON);
        let unreaped = std::mem::take(&mut self.unreaped).then_some(Duration::ZERO);
        let woken = (self.woken || self.unstarted.is_some()).then_some(Duration::ZERO);
        let probe = self.health.patience();
        let again = self.again.iter().map(|again| again.at.saturating_sub(now)).min();
        let ended = self.supervisor.is_clearing();
        let deadline = self.supervisor.next_deadline().map(|at| at.saturating_sub(now));
        let strangers = (ended && self.childless).then_some(STRANGERS);
        // In a storm of orphans SIGCHLD waits a moment; the end of the server then does too.
        let lull = if ended { None } else { self.weather.lull(now) };
        let quiet = self.relay.as_ref().and_then(Relay::patience);
        let time = [deadline, strangers, soon, unreaped, woken, probe, again, lull, quiet].into_iter().flatten().min();
        let straight = self.straight(time.is_none());
        let (stderr, relay) = (log::pending(), self.relay.as_ref().and_then(Relay::descriptor));
        let result = match (stderr, relay) {
            (None, None) => self.inbox.wait(time, lull.is_none(), straight),
            _ => self.wait_with(stderr, relay, time, lull.is_none(), straight),
        };
        if soon.is_some()
            || unreaped.is_some()
            || lull.is_some() && self.weather.lull(clock::now()) == Some(Duration::ZERO)
        {
            // A signal that has been sent belongs to the server as it is: what became of it comes after.
            match &result {
                Ok(Some(received)) if received.sent.is_some() => self.unreaped = true,
                _ => self.reap(),
            }
        }
        // A probe under way may wait for what is not announced.
        self.woken |= probe.is_some() && matches!(result, Ok(None));
        match result {
            Ok(received) => received,
            Err(Errno::EINTR) => None,
            Err(errno) => {
                // Without it there is still time that passes, and signals that wait.
                self.say(Note::Trouble("sigtimedwait", errno));
                self.soon = true;
                clock::nap(SOON);
                None
            }
        }
    }

    /// For a signal, for room on stderr, or for what the server writes there.
    fn wait_with(
        &mut self,
        stderr: Option<i32>,
        relay: Option<i32>,
        time: Option<Duration>,
        children: bool,
        straight: Option<Straight>,
    ) -> nix::Result<Option<Received>> {
        // poll(2) passes over -1.
        let poll = |fd: Option<i32>, events| libc::pollfd { fd: fd.unwrap_or(-1), events, revents: 0 };
        let fds = [poll(stderr, libc::POLLOUT), poll(relay, libc::POLLIN)];
        let (fds, received) = match self.inbox.wait_with(time, children, fds) {
            Ok(fds) => (fds.map(|fd| fd.revents != 0), self.inbox.wait(Some(Duration::ZERO), children, straight)),
            // No descriptor to be had, or none allowed: signals first, and the others are asked again and again.
            Err(_) => {
                let time = time.map_or(SOON, |time| time.min(SOON));
                ([true, true], self.inbox.wait(Some(time), children, straight))
            }
        };
        let [room, more] = fds;
        if room {
            log::flush();
        }
        // Signals first: what the server writes is still there the next time.
        if let Some(relay) = self.relay.as_mut().filter(|_| matches!(received, Ok(None))) {
            relay.turn(more);
        }
        received
    }
}
