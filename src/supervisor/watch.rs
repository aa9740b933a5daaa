//! Looking after a server that runs: probes, what it says of itself, and what is done when it is not well.

use super::freeze::{Passed, Period, late};
use super::health::{Health, Step};
use super::{Action, Actions, Life, Notice, Purpose, Rung, Stage, Stop, StopReason, Supervisor, Time, UnhealthyAction};
use crate::signal::Signal;
use std::time::Duration;

impl Supervisor {
    /// The server runs and no stop has begun: its health is watched.
    pub(super) fn is_looked_after(&self) -> bool {
        self.life == Life::Running && self.stage == Stage::Server && self.stop.is_none()
    }

    pub(super) fn look_after(&mut self, now: Time, todo: &mut Actions) {
        if let Life::Waiting(until) = self.life
            && until <= now
        {
            self.start(now, Stage::Server, todo);
        }
        if self.hook_timeout_at().is_some_and(|at| at + late(self.policy.before_timeout) <= now) {
            self.started = now;
        } else if self.hook_timeout_at().is_some_and(|at| at <= now) {
            self.stop_because(now, StopReason::HookTimeout, todo);
        }
        if !self.is_looked_after() {
            return;
        }
        for purpose in Purpose::ALL {
            match self.probes_for(purpose).and_then(|probes| probes.step(now)) {
                Some(Step::Begin) => todo.push(Action::Probe(purpose)),
                Some(Step::Expire) => {
                    todo.push(Action::ExpireProbe(purpose));
                    self.on_probe(now, purpose, false, todo);
                }
                Some(Step::Forget) => todo.push(Action::EndProbe(purpose)),
                None => {}
            }
            if !self.is_looked_after() {
                return;
            }
        }
        self.watch(now, todo);
    }

    /// What the probes for this have found, if there are any.
    pub(super) fn probes_for(&mut self, purpose: Purpose) -> Option<&mut Health> {
        match purpose {
            Purpose::Health => self.health.as_mut(),
            Purpose::Ready => self.ready.as_mut(),
        }
    }

    /// A server that is frozen with goward (docker pause, a suspended host) cannot say that it is ready, or that it lives. So goward
    /// looks four times a period: if one of the looks comes late, the server has one period more after that. A freeze that none of
    /// them shows is shorter than half a period, and so often a server has to say it (sd_watchdog_enabled(3)).
    fn watch(&mut self, now: Time, todo: &mut Actions) {
        let length = self.silence_length();
        let Some((silence, length)) = self.silence.as_mut().zip(length) else { return };
        match silence.look(now, length) {
            Passed::Not => {}
            Passed::Frozen => *silence = Period::new(now),
            Passed::Whole => {
                let why = if self.ready_at.is_some() { StopReason::Watchdog } else { StopReason::StartTimeout };
                self.is_missed(now, why, todo);
            }
        }
    }

    /// It has not said what it had to say. Told once, until it says it.
    fn is_missed(&mut self, now: Time, why: StopReason, todo: &mut Actions) {
        self.silence = None;
        // Said again and again it is no news, until the server has said that it lives.
        if self.missed.replace(why).is_none() {
            self.stop_because(now, why, todo);
        }
    }

    /// How long the server may be silent: until READY=1, and then from one WATCHDOG=1 to the next.
    fn silence_length(&self) -> Option<Duration> {
        if self.ready_at.is_some() { self.policy.watchdog } else { self.policy.start_timeout }
    }

    /// When a command before the server has taken too long.
    pub(super) fn hook_timeout_at(&self) -> Option<Time> {
        let before = self.life == Life::Running && matches!(self.stage, Stage::Before(_)) && self.stop.is_none();
        before.then(|| self.started + self.policy.before_timeout)
    }

    /// Whether what the server has said of itself must be heard before time is told to pass.
    pub fn is_judged_at(&self, now: Time) -> bool {
        self.is_looked_after() && self.silence_due().is_some_and(|due| due <= now)
    }

    /// When is looked next whether it has said what it has to say.
    pub(super) fn silence_due(&self) -> Option<Time> {
        Some(self.silence?.next_look(self.silence_length()?))
    }

    pub(super) fn on_probe(&mut self, now: Time, purpose: Purpose, well: bool, todo: &mut Actions) {
        let turned = self.probes_for(purpose).is_some_and(|probes| probes.probed(now, well));
        if turned && purpose == Purpose::Health {
            self.stop_because(now, StopReason::Unhealthy, todo);
        }
    }

    pub(super) fn on_notice(&mut self, now: Time, notice: Notice, todo: &mut Actions) {
        if self.life != Life::Running || self.stage != Stage::Server {
            return;
        }
        match notice {
            Notice::Ready => {
                self.reloads += u32::from(std::mem::take(&mut self.reloading));
                self.notified = true;
                (self.began, self.is_stopping) = (true, false);
                // From now on it must say that it lives.
                let watched = self.silence.filter(|_| self.ready_at.is_some());
                self.silence = watched.or(Some(Period::new(now)));
                self.ready_at.get_or_insert(now);
                self.missed = None;
            }
            Notice::Reloading => (self.notified, self.reloading) = (false, true),
            Notice::Stopping => {
                (self.notified, self.began, self.reloading) = (false, false, false);
                self.is_stopping = true;
            }
            Notice::Alive if self.ready_at.is_some() => {
                self.silence = Some(Period::new(now));
                self.missed = None;
            }
            Notice::Alive => {}
            Notice::Trigger => self.is_missed(now, StopReason::Watchdog, todo),
            Notice::Extend(time) => self.extend(now, time),
        }
    }

    /// EXTEND_TIMEOUT_USEC: so long it is busy starting, or stopping.
    fn extend(&mut self, now: Time, time: Duration) {
        let until = now.saturating_add(time);
        match (&mut self.stop, self.ready_at, self.policy.start_timeout) {
            (Some(stop), ..) => stop.busy = until,
            (None, None, Some(length)) => {
                let since = until.saturating_sub(length);
                self.silence = self.silence.map(|silence| Period::new(since.max(silence.since)));
            }
            (None, ..) => {}
        }
    }

    /// For how long the server was well, as far as that was seen, before what is wrong now.
    fn was_well(&self, now: Time, stop_reason: StopReason) -> Duration {
        match stop_reason {
            StopReason::Unhealthy => {
                let well = self.health.and_then(|health| health.well);
                well.map_or(Duration::ZERO, |(first, last)| last - first)
            }
            StopReason::Watchdog => self.ready_at.map_or(Duration::ZERO, |ready| now.saturating_sub(ready)),
            StopReason::StartTimeout | StopReason::HookTimeout => Duration::ZERO,
        }
    }

    /// The server is not well. Where something is done about it, it has to show its goroutines first; then it is asked to stop, as
    /// by anybody.
    pub(super) fn stop_because(&mut self, now: Time, stop_reason: StopReason, todo: &mut Actions) {
        if self.stop.is_some() {
            return;
        }
        // One that was well for long has not failed to start, whatever number of restarts there were.
        self.attempts.ran(self.was_well(now, stop_reason));
        let is_hook = stop_reason == StopReason::HookTimeout;
        let on_unhealthy = if is_hook { UnhealthyAction::Stop } else { self.policy.on_unhealthy };
        let ladder = self.policy.ladder.filter(|_| on_unhealthy != UnhealthyAction::Log);
        if let Some(ladder) = ladder {
            self.milestones.stop = Some(now);
            let (first, second) = if ladder.looks() { (Rung::Look, Rung::Dump) } else { (Rung::Dump, Rung::Abort) };
            // Many a server ends at once when it is asked, and has nothing to show then.
            let asked_by = now + (ladder.at(second) - ladder.at(first));
            let stop = Stop::new(now, Rung::Drain, Some(self.policy.own_stop_signal()));
            self.stop = Some(Stop { stop_reason: Some(stop_reason), asked_by: Some(asked_by), ..stop });
        }
        todo.push(Action::Unwell(stop_reason));
        if is_hook {
            return self.ask(now, todo);
        }
        match self.policy.ladder.and_then(|ladder| ladder.next(Rung::Ask, true)) {
            // Whatever is done about it: this harms nobody.
            Some(Rung::Look) => todo.push(Action::Look),
            // This ends most servers.
            Some(Rung::Dump) if ladder.is_some() => {
                self.milestones.dumped = Some(now);
                todo.push(Action::Dump(Signal::QUIT));
                self.resume(todo);
            }
            // There is no evidence to wait for.
            _ if ladder.is_some() => self.ask(now, todo),
            _ => {}
        }
    }
}
