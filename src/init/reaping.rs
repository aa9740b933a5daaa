//! Reaping: the only place that calls waitpid, and what follows from each child that has ended.

use super::personality::{self, Note};
use super::{Init, last_resort};
use crate::log;
use crate::signal::Signal;
use crate::supervisor::{Event, Stage, Status};
use crate::sys::wait::{self, Change};
use crate::sys::{clock, file, process};
use nix::errno::Errno;
use std::time::Duration;

/// Orphans are reaped one by one as they come, until they come this often in a row...
const BURST: u32 = 4;
/// ...within this time. Then they are left lying for as long, and reaped together: a wake-up for each would cost more.
const PAUSE: Duration = Duration::from_millis(1);
/// A flood of signals must not keep goward from its children: which of several waiting signals comes first is the
/// kernel's choice, and SIGCHLD has a high number.
pub(super) const FLOOD: u32 = 64;
/// At most this many at once: signals must not wait for a thousand dead.
const BATCH: usize = 128;

/// What is known of goward's children.
#[derive(Debug, Default)]
pub(super) struct Reaping {
    /// Nothing is left to wait for: waitpid said so.
    pub(super) childless: bool,
    /// So many children that are none of goward's own making.
    pub(super) orphans: u64,
    /// waitpid may have more, though no SIGCHLD will tell.
    pub(super) unreaped: bool,
    pub(super) throttle: ReapThrottle,
}

/// Reaps orphans in batches while many come at once.
#[derive(Debug, Default)]
pub(super) struct ReapThrottle {
    last: Duration,
    in_a_row: u32,
}

impl ReapThrottle {
    fn orphans(&mut self, now: Duration) {
        let close = now.saturating_sub(self.last) <= 2 * PAUSE;
        self.in_a_row = if close { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = now;
    }

    fn none(&mut self) {
        self.in_a_row = 0;
    }

    /// How long SIGCHLD is to be left alone; none where orphans come one by one.
    pub(super) fn pause(&self, now: Duration) -> Option<Duration> {
        (self.in_a_row >= BURST).then(|| (self.last + PAUSE).saturating_sub(now))
    }
}

impl Init {
    /// Takes what waitpid has. Only the server's status counts; every other child is reaped in silence.
    pub(super) fn reap(&mut self) {
        let loud = self.settings.warn_reaping;
        let told = self.settings.personality.tells_of_orphans(loud);
        let mut orphans = false;
        for _ in 0..BATCH {
            match wait::any_child() {
                Ok(Some((pid, change, core))) if pid == self.server.pid && self.supervisor.is_running() => {
                    self.server_changed(change, core);
                }
                Ok(Some((pid, Change::Ended(status), _))) if self.health.ended(pid, status) => {
                    self.pending.descriptors_ready = true;
                }
                Ok(Some((pid, Change::Ended(_), _))) if self.health.buried(pid) => {
                    self.pending.descriptors_ready |= self.health.is_due();
                }
                Ok(Some((pid, Change::Ended(status), _))) if self.evidence.looks(pid) => self.looked(pid, status),
                Ok(Some((pid, Change::Ended(status), _)))
                    if self.change_was_told(pid, status) || self.looked_at_leftovers(pid, status) => {}
                Ok(Some((pid, Change::Ended(_), _)))
                    if self.closing.ended(pid)
                        || self.health.has_read(pid)
                        || self.evidence.ended(pid)
                        || log::writer_ended(pid) =>
                {
                    self.pending.descriptors_ready = true;
                }
                Ok(Some((pid, Change::Ended(status), _))) => {
                    orphans = true;
                    self.reaping.orphans += 1;
                    if told {
                        self.say(Note::Reaped { pid, status, loud });
                    }
                }
                // By a signal to everybody. Nobody else would continue it.
                Ok(Some((pid, Change::Stopped(_), _))) if self.helpers().contains(&pid) => {
                    let _ = process::send(pid, Signal::CONT);
                }
                Ok(Some(_)) => {}
                // Who writes a line is a child too, and nobody's leftover.
                Ok(None) if !self.supervisor.is_running() && log::settle() => {}
                Ok(None) => return self.reaped(orphans, false),
                Err(Errno::ECHILD) => return self.reaped(orphans, true),
                Err(errno) => {
                    self.trouble("waitpid", errno);
                    self.pending.soon = true;
                    return;
                }
            }
        }
        // A full batch: there may be more, and SIGCHLD has been taken.
        self.reaping.unreaped = true;
    }

    fn reaped(&mut self, orphans: bool, childless: bool) {
        self.reaping.childless = childless;
        self.say(Note::Round { childless });
        if orphans {
            self.reaping.throttle.orphans(clock::now());
        } else {
            self.reaping.throttle.none();
        }
        if childless && self.supervisor.is_running() && self.launching.unstarted.is_none() {
            // There was a server, and now there is no child: somebody else took its status. It cannot be waited for.
            self.happened(Event::Ended(Status::Code(crate::exit::GOWARD_FAILED)));
        }
    }

    /// A volume may be full of them, of the server's size each.
    fn tell_of_core(&self) {
        let pattern = file::read("/proc/sys/kernel/core_pattern", 4096).unwrap_or_default();
        let pattern = String::from_utf8_lossy(&pattern);
        let text = format!(
            "the server left a core dump (kernel.core_pattern: {}); --rlimit core=0 forbids it",
            pattern.trim()
        );
        self.say(Note::Warning(&text));
    }

    fn server_changed(&mut self, change: Change, core: bool) {
        match change {
            Change::Ended(status) => {
                last_resort::ended(status.code());
                if self.ended_at_start(status) {
                    return;
                }
                self.say(Note::Ended { pid: self.server.pid, status });
                if core {
                    self.tell_of_core();
                }
                if let Some(why) = self.may_be_a_limit(status) {
                    self.say(Note::Warning(&why));
                }
                if matches!(self.supervisor.stage(), Stage::After(_)) && status != Status::Code(0) {
                    self.say(Note::Warning(&format!("the --after command {}", personality::how(status))));
                }
                self.happened(Event::Ended(status));
            }
            Change::Stopped(by) => self.happened(Event::Stopped(by)),
            Change::Continued => self.happened(Event::Continued),
        }
    }
}
