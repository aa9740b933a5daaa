//! Decides when the next step of a stop is really due, and with which actions it is taken: what puts it off or brings it
//! forward (a freeze, a server that is busy stopping, a look at its goroutines, a key). The schedule that the options give is
//! in `ladder.rs`.

use super::{Action, Actions, Life, Milestones, Rung, Stop, Supervisor, Time};
use crate::signal::Signal;

impl Supervisor {
    /// Takes every rung whose time has come.
    pub(super) fn climb(&mut self, now: Time, todo: &mut Actions) {
        while let Some(stop) = self.stop.filter(|_| self.life != Life::Left) {
            let Some(next) = self.next_rung(stop).filter(|next| next.at <= now) else { return };
            let rung = next.rung;
            match rung {
                Rung::Drain => {}
                Rung::Ask => self.ask(now, todo),
                Rung::Look => {
                    self.milestones.looked = Some(now);
                    self.looked = None;
                    todo.push(Action::Look);
                }
                // They have been shown already.
                Rung::Dump | Rung::Abort if matches!(self.looked, Some((true, _))) => {}
                // It has been asked for them, when its health was what began the stop.
                Rung::Dump if self.milestones.dumped.is_some() => {}
                Rung::Dump => {
                    self.milestones.dumped = Some(now);
                    todo.push(Action::Dump(Signal::QUIT));
                    self.resume(todo);
                }
                Rung::Abort => {
                    self.milestones.aborted = Some(now);
                    todo.push(Action::Dump(Signal::ABRT));
                    self.resume(todo);
                }
                Rung::Kill => {
                    self.milestones.killed = Some(now);
                    if self.accepts_signals() {
                        (self.server_killed, self.kill_refused) = (true, false);
                    }
                    self.after_killed |= self.life == Life::Running && !self.accepts_signals();
                    todo.push(Action::KillAll);
                }
                // What even SIGKILL does not end does not keep a server from being started again.
                Rung::GiveUp if self.restart_pending && self.life == Life::Clearing => {
                    self.finish(now, todo);
                    return;
                }
                // Nobody but goward wanted this stop, so nobody's deadline has passed: it is started again when it has ended.
                Rung::GiveUp if self.life == Life::Running && !self.is_final() => todo.push(Action::Outlived),
                Rung::GiveUp => self.leave(todo),
            }
            let late = (now > next.at.max(stop.hurried)).then_some(Late { planned: next.planned, taken: now });
            self.stop = self.stop.map(|stop| Stop { rung, late: late.or(stop.late), ..stop });
        }
    }

    /// Which rung comes next, and when.
    pub(super) fn due(&self, stop: Stop) -> Option<(Rung, Time)> {
        self.next_rung(stop).map(|next| (next.rung, next.at))
    }

    fn next_rung(&self, stop: Stop) -> Option<Next> {
        let ladder = self.policy.ladder?;
        let rung = match ladder.next(stop.rung, self.accepts_signals())? {
            // Nobody has been seen who could be killed.
            Rung::Kill if self.life == Life::Clearing && !self.leftovers_asked => Rung::GiveUp,
            next => next,
        };
        let at = |rung| (stop.began + ladder.at(rung)).saturating_sub(stop.skipped);
        let gap = ladder.at(Rung::Abort) - ladder.at(Rung::Dump);
        let earliest = match (rung, self.milestones) {
            // However late the kill was (goward itself may have been stopped), the kernel gets time to carry it out.
            (Rung::GiveUp, Milestones { killed: Some(killed), .. }) => {
                killed + (ladder.at(Rung::GiveUp) - ladder.at(Rung::Kill))
            }
            // What comes after the look has a part of what is left, if that was put off.
            (Rung::Dump, Milestones { looked: Some(looked), .. }) if ladder.looks() => {
                let left = at(Rung::Kill).saturating_sub(looked);
                if stop.busy > at(Rung::Look) { looked + left / 2 } else { Time::ZERO }
            }
            // A server that says it is busy stopping is left alone a little longer. The kill is never put off.
            (Rung::Look | Rung::Dump, _) => stop.busy.min(at(Rung::Kill).saturating_sub(gap)),
            (Rung::Abort, Milestones { dumped: Some(dumped), .. }) if stop.busy > at(Rung::Dump) => {
                dumped + (at(Rung::Kill).saturating_sub(dumped) / 2).min(gap)
            }
            _ => Time::ZERO,
        };
        let planned = match (rung, self.looked) {
            (Rung::Dump, Some((false, failed))) => at(rung).max(earliest).min(failed),
            (Rung::Ask, _) => stop.asked_by.unwrap_or(at(rung)).max(earliest),
            _ => at(rung).max(earliest),
        };
        let squeezed = match stop.late {
            Some(late) if rung < Rung::GiveUp => {
                let end = (stop.began + ladder.timeout()).saturating_sub(stop.skipped);
                late.put_off(planned, if late.taken < at(Rung::GiveUp) { at(Rung::GiveUp) } else { end })
            }
            Some(_) | None => planned,
        };
        Some(Next { rung, planned, at: planned.max(squeezed) })
    }

    /// What the kernel says of SIGKILL to the server. Of one that has ended meanwhile it stays as it was.
    pub(super) fn on_kill(&mut self, refused: bool) {
        if self.accepts_signals() && (self.server_killed || self.kill_refused) {
            (self.server_killed, self.kill_refused) = (!refused, refused);
        }
    }

    pub(super) fn ask(&mut self, now: Time, todo: &mut Actions) {
        let Some(stop) = &mut self.stop else { return };
        stop.rung = Rung::Ask;
        if let Some(signal) = stop.signal {
            self.milestones.stop_sent = Some(now);
            todo.push(Action::Send(signal));
        }
        self.resume(todo);
    }

    /// Nobody wants to wait: the next rung that does something is due now.
    pub(super) fn hurry(&mut self, now: Time) {
        let (Some(stop), Some(ladder)) = (self.stop, self.policy.ladder) else { return };
        let target = match ladder.next(Rung::Ask, self.accepts_signals()) {
            Some(first @ (Rung::Look | Rung::Dump)) if stop.rung < first => first,
            _ => Rung::Kill,
        };
        let skipped = ladder.at(target).saturating_sub(now.saturating_sub(stop.began)).max(stop.skipped);
        self.stop = Some(Stop { skipped, late: None, hurried: now, busy: Time::ZERO, ..stop });
    }

    /// What came of the look at the server's memory. One for its health says nothing about the dump at the end of a stop.
    pub(super) fn on_look(&mut self, now: Time, shown: bool) {
        match &mut self.stop {
            Some(stop) if stop.rung == Rung::Look => self.looked = Some((shown, now)),
            Some(stop) if stop.rung == Rung::Drain => stop.asked_by = stop.asked_by.map(|by| by.min(now)),
            Some(_) | None => {}
        }
    }

    /// A server that is to be started again does not wait longer than this for what the last one has left behind.
    pub(super) fn clear_by(&mut self, until: Time) {
        let (Some(stop), Some(ladder)) = (&mut self.stop, self.policy.ladder) else { return };
        let kill = (stop.began + ladder.at(Rung::Kill)).saturating_sub(stop.skipped);
        stop.skipped += kill.saturating_sub(until);
        stop.late = None;
    }

    pub(super) fn resume(&mut self, todo: &mut Actions) {
        if std::mem::take(&mut self.suspended) {
            todo.push(Action::Continue);
        }
    }
}

/// The rung that comes next.
struct Next {
    rung: Rung,
    /// When it is due where nothing came late.
    planned: Time,
    /// When it is due.
    at: Time,
}

/// A rung that was taken late, because goward was frozen, with the server (docker pause, a suspended host, a throttled cgroup).
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    planned: Time,
    taken: Time,
}

impl Late {
    /// What is left of the time is shared out as the whole was, so that no rung is slept through and SIGQUIT, SIGABRT and SIGKILL
    /// do not come at once. Where nothing is left they do.
    fn put_off(self, planned: Time, end: Time) -> Time {
        let left = end.saturating_sub(self.taken).as_nanos();
        let (wanted, whole) = (planned.saturating_sub(self.planned), end.saturating_sub(self.planned));
        // Products of times below a year fit.
        let share = left * wanted.as_nanos() / whole.as_nanos().max(1);
        self.taken + Time::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }
}
