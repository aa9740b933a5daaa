//! The event loop: one place turns the world into events. `forwarding.rs` takes what signals it brings, `reaping.rs` the dead.

use super::Init;
use super::pending::SOON;
use super::personality::Note;
use super::reaping::FLOOD;
use crate::log;
use crate::supervisor::Event;
use crate::sys::clock;
use crate::sys::inbox::Received;
use crate::sys::rights;
use nix::errno::Errno;
use std::time::Duration;

/// How often to ask for processes that are not goward's children (docker exec), once the server has gone. waitpid
/// tells nothing of them.
const STRANGERS: Duration = Duration::from_millis(50);
/// How often to look at what the kernel may not announce: a probe under way (a full queue, a sandbox without SIGIO), an exec.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long a probe that was killed as the server ended may take to end itself, before it counts as left behind.
const DYING: Duration = Duration::from_millis(100);

impl Init {
    /// Waits, and does what is to be done, until there is nothing left to wait for.
    pub(super) fn until_the_end(&mut self) -> u8 {
        loop {
            match self.wait() {
                Some(received) => {
                    self.forwarding.flood += received.in_a_row;
                    self.received(received);
                }
                None => self.forwarding.flood = 0,
            }
            if self.forwarding.flood >= FLOOD {
                self.forwarding.flood = 0;
                self.reap();
            }
            self.try_again();
            let now = clock::now();
            self.hurry_disposals(now);
            if self.evidence.hurry(now) {
                self.say(Note::Warning("reading the goroutines of what the server has started took too long"));
            }
            self.hurry_look_at_leftovers(now);
            if std::mem::take(&mut self.pending.descriptors_ready) || self.supervisor.is_judged_at(clock::now()) {
                self.attend();
            }
            if self.evidence.is_looking() {
                self.hear_look();
            }
            if let Some(shown) = self.evidence.over.take() {
                self.happened(Event::Looked(shown));
            }
            if let Some(status) = self.launching.unstarted.take() {
                self.happened(Event::Ended(status));
            }
            self.happened(Event::Tick);
            if self.supervisor.is_clearing() && self.exit_code.is_none() {
                self.clear();
            }
            // Last: nothing may wake goward again before the server is restarted.
            self.note_change();
            if let Some(code) = self.exit_code {
                return code;
            }
        }
    }

    /// The server has ended: tells the supervisor who is still there, once that is known.
    fn clear(&mut self) {
        if !self.reaping.childless {
            self.reap();
        }
        // Who they are, and whether there is anybody, is known after it.
        if self.leftovers.is_looked_at() {
            return;
        }
        let ended = self.supervisor.milestones.ended.unwrap_or_default();
        let busy = self.health.is_dying() || self.closing.is_busy() || self.evidence.is_busy();
        if (busy || self.changes.pid().is_some()) && clock::now() < ended + DYING {
            self.pending.soon = true;
            return;
        }
        self.evidence.end();
        if self.changes.end() {
            // It is reaped next, and nobody need be asked.
            self.pending.soon = true;
            return;
        }
        // Who came in by docker exec does not keep a server from being started again.
        let event = if !self.reaping.childless {
            Event::OthersRemain
        } else if self.all() && self.leftovers.others.are_there() {
            let in_reach = self.leftovers.has_visitors_in_reach();
            Event::VisitorsRemain { told: self.leftovers.asked.visitors_told, in_reach }
        } else {
            if self.all() {
                log::nobody_else_writes();
            }
            Event::NobodyRemains
        };
        self.happened(event);
    }

    /// Until a signal, a deadline, or room on stderr for what is still to be written.
    fn wait(&mut self) -> Option<Received> {
        let now = clock::now();
        let soon = std::mem::take(&mut self.pending.soon).then_some(SOON);
        let unreaped = std::mem::take(&mut self.reaping.unreaped).then_some(Duration::ZERO);
        let undelivered = self.launching.unstarted.is_some() || self.evidence.over.is_some();
        let ready_now = (self.pending.descriptors_ready || undelivered).then_some(Duration::ZERO);
        // Both are announced, where the sandbox lets them be.
        let unfinished = self.pending.overlooked || rights::unclosed() > 0;
        let looked_at =
            (unfinished || self.launching.starting.is_some()).then_some(POLL_INTERVAL).or(self.health.patience());
        let again = self.pending.next_retry(now);
        let ended = self.supervisor.is_clearing();
        let deadline = self.supervisor.next_deadline().into_iter().chain(self.changes.due()).min();
        let deadline = deadline.map(|at| at.saturating_sub(now));
        // Nor does a signal tell when who writes a line has ended, which may have been the last child.
        let strangers = (ended && (self.reaping.childless || log::writers().next().is_some())).then_some(STRANGERS);
        // In a storm of orphans SIGCHLD waits a moment; the end of the server then does too.
        let pause = if ended { None } else { self.reaping.throttle.pause(now) };
        let refuses = std::mem::take(&mut self.pending.stderr_refuses);
        let refused = refuses.then_some(SOON);
        let disposals = self.disposals_patience(now);
        let handing = self.evidence.patience(now);
        let looking = self.leftovers.patience(now);
        let line = log::until_written();
        let times = [
            disposals, handing, looking, line, deadline, strangers, soon, unreaped, ready_now, looked_at, again, pause,
            refused,
        ];
        let time = times.into_iter().flatten().min();
        let fast_forward = self.fast_forward(time.is_none());
        let stderr = log::pending().filter(|_| !refuses);
        let result = match stderr {
            None => self.inbox.wait(time, pause.is_none(), fast_forward),
            Some(stderr) => {
                let (room, received) = self.inbox.wait_with(time, pause.is_none(), fast_forward, stderr);
                self.pending.stderr_refuses = room && !log::flush();
                received
            }
        };
        if line.is_some() && matches!(result, Ok(None)) {
            log::flush();
        }
        if let Some((way, errno)) = self.inbox.news() {
            self.say(Note::OtherWay(way, errno));
        }
        if soon.is_some()
            || unreaped.is_some()
            || pause.is_some() && self.reaping.throttle.pause(clock::now()) == Some(Duration::ZERO)
        {
            // A signal that has been sent belongs to the server as it is: what became of it comes after.
            match &result {
                Ok(Some(received)) if received.sent.is_some() => self.reaping.unreaped = true,
                _ => self.reap(),
            }
        }
        self.pending.descriptors_ready |= looked_at.is_some() && matches!(result, Ok(None));
        result.unwrap_or_else(|errno| self.waited_in_vain(errno))
    }

    /// The kernel would not let goward wait: there is still time that passes, and there are signals that wait.
    fn waited_in_vain(&mut self, errno: Errno) -> Option<Received> {
        if errno != Errno::EINTR {
            self.trouble("sigtimedwait", errno);
            self.pending.soon = true;
            clock::nap(SOON);
        }
        None
    }
}
