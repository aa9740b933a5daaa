//! What others may ask the supervisor: where in its life the container is, how it stands, and which orders (`goward stop`,
//! `restart`, `reload`, `signal`) it refuses at this moment, and why. Nothing here changes anything.

use super::health::Health;
use super::{
    Life, Order, Phase, Policy, Purpose, Rung, Stage, State, Status, StopReason, Supervisor, Time, UnhealthyAction,
    Verdict,
};
use crate::exit;
use crate::signal::Signal;

impl Supervisor {
    /// The rung of the stop in progress.
    pub fn rung(&self) -> Option<Rung> {
        self.stop.map(|stop| stop.rung)
    }

    /// When the time of the look at the server's memory is up, if it is one of a stop.
    pub fn look_ends(&self) -> Option<Time> {
        let stop = self.stop.filter(|stop| stop.rung == Rung::Look)?;
        self.due(stop).map(|(_, at)| at)
    }

    /// Why the stop in progress, or the last one, began, if nobody asked for it.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop.map_or(self.stopped_because, |stop| stop.stop_reason)
    }

    /// Whether the stop in progress began before anybody asked for the end, and goes on as it began.
    pub fn was_stopping_already(&self) -> bool {
        self.stop.is_some_and(|stop| stop.stop_reason.is_some() || stop.restarts)
    }

    /// What the server was asked with in the stop in progress, and when. Nothing while a drain holds that back.
    pub fn asked(&self) -> Option<(Signal, Time)> {
        self.stop?.signal.zip(self.milestones.stop_sent)
    }

    /// Whether a signal has asked for the end.
    pub fn was_stop_requested(&self) -> bool {
        self.stop_requested
    }

    /// How the server ended, once it has; or the command before it that failed.
    pub fn ended(&self) -> Option<Status> {
        self.ended
    }

    /// When what runs, or ran last, was started.
    pub fn started(&self) -> Time {
        self.started
    }

    /// What runs, or ran last.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether something runs that waitpid will tell of: the server, or a command in its place.
    pub fn is_running(&self) -> bool {
        self.life == Life::Running
    }

    /// Whether it has ended, and what it left behind is seen off.
    pub fn is_clearing(&self) -> bool {
        self.life == Life::Clearing
    }

    /// Whether goward ends when everybody has gone.
    pub fn is_final(&self) -> bool {
        !(self.restart_pending || self.life == Life::Running && self.stop_leads_to_restart())
    }

    /// Whether the stop in progress ends with another start of the server.
    pub fn stop_leads_to_restart(&self) -> bool {
        let leads = |stop: super::Stop| stop.restarts || stop.stop_reason.is_some_and(|why| self.restarts_for(why));
        !self.stop_requested && self.stop.is_some_and(leads)
    }

    /// Whether a server that was stopped for this is started again.
    pub(super) fn restarts_for(&self, stop_reason: StopReason) -> bool {
        stop_reason != StopReason::HookTimeout
            && self.policy.on_unhealthy == UnhealthyAction::Restart
            && self.policy.restart.allows(self.attempts)
    }

    /// Whether this signal would be for anybody: for the server, for the next one, or for goward, which stops.
    pub fn hears_of(&self, signal: Signal) -> bool {
        // The next server would be stopped or killed as soon as it has started.
        let can_wait = !matches!(signal, Signal::STOP | Signal::KILL);
        let is_kept = self.accepts_signals() || self.restart_pending && can_wait;
        self.policy.rewritten(signal).is_some_and(|out| is_kept || self.is_stop(signal, out))
    }

    /// Why this cannot be done; none: it can.
    pub fn refuses(&self, order: Order) -> Option<&'static str> {
        match (order, self.life, self.stage) {
            (Order::Stop, ..) => None,
            (Order::Reload, Life::Running, Stage::Server) if self.stop.is_none() => None,
            (_, _, Stage::Before(_)) => Some("the --before commands have not ended yet"),
            (Order::Restart, ..) if self.restart_pending => None,
            (Order::Restart, Life::Running, Stage::Server) if self.stop.is_none() || self.stop_leads_to_restart() => {
                None
            }
            (_, Life::Running, Stage::Server) => Some("the server is being stopped"),
            (..) => Some("the server is not running"),
        }
    }

    /// Where in its life the container is.
    pub fn phase(&self) -> Phase {
        match (self.life, self.stage, self.rung()) {
            (Life::Waiting(_), ..) => Phase::Waiting,
            (Life::Clearing | Life::Left, ..) => Phase::Clearing,
            (Life::Running, Stage::After(_), _) => Phase::After,
            (Life::Running, _, Some(Rung::Drain)) => Phase::Draining,
            (Life::Running, _, Some(_)) => Phase::Stopping,
            (Life::Running, Stage::Before(_), None) => Phase::Before,
            (Life::Running, Stage::Server, None) => Phase::Running,
        }
    }

    /// What the probes say of its health; none where there are none.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict_for(Purpose::Health)
    }

    /// What the probes for this say; none where there are none.
    pub fn verdict_for(&self, purpose: Purpose) -> Option<Verdict> {
        self.probes(purpose).map(|probes| probes.verdict)
    }

    /// Failed probes for this in a row, as far as they count.
    pub fn failures(&self, purpose: Purpose) -> u32 {
        self.probes(purpose).map_or(0, |probes| probes.streak)
    }

    /// Whether the last probe was a failure that counts: while the server starts most do not.
    pub fn last_failure_counts(&self, purpose: Purpose) -> bool {
        self.probes(purpose).is_some_and(|probes| probes.counted)
    }

    fn probes(&self, purpose: Purpose) -> Option<&Health> {
        match purpose {
            Purpose::Health => self.health.as_ref(),
            Purpose::Ready => self.ready.as_ref(),
        }
    }

    /// What it was to say, and has not.
    pub fn missed(&self) -> Option<StopReason> {
        self.missed
    }

    /// Whether the server has said that it is ready, and nothing else since (sd_notify(3)).
    pub fn says_ready(&self) -> bool {
        self.policy.notify && self.notified
    }

    /// How often the server has reloaded: said RELOADING=1, and then READY=1. None: it is not listened to.
    pub fn reloads(&self) -> Option<u32> {
        self.policy.notify.then_some(self.reloads)
    }

    /// Whether requests may be sent to the server: it runs, no stop has begun, it has said so itself if it does that, and
    /// neither the probes nor its own silence say anything else.
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Running && self.why_unready().is_none()
    }

    /// Why no requests may be sent to a server that runs; none: they may.
    pub fn why_unready(&self) -> Option<&'static str> {
        let verdicts = (self.verdict_for(Purpose::Ready), self.verdict());
        match (self.missed, verdicts) {
            (Some(StopReason::StartTimeout), _) => Some("it has not sent READY=1 in time"),
            (Some(_), _) => Some("it missed its watchdog"),
            _ if self.policy.notify && !self.notified => Some(match self.ready_at {
                _ if self.is_stopping => "it has sent STOPPING=1",
                None => "it has not sent READY=1 yet",
                Some(_) => "it has sent RELOADING=1",
            }),
            (None, (_, Some(Verdict::Unhealthy))) => Some("its health probes fail"),
            (None, (Some(Verdict::Unhealthy), _)) => Some("its readiness probes fail"),
            (None, (Some(Verdict::Starting), _)) => Some("no readiness probe has succeeded yet"),
            (None, (None, Some(Verdict::Starting))) => Some("no health probe has succeeded yet"),
            (None, (Some(Verdict::Healthy), _) | (None, Some(Verdict::Healthy) | None)) => None,
        }
    }

    /// Whether the server runs and nothing speaks against its health: what a HEALTHCHECK wants to know. One that reloads
    /// is not ready, and nothing is wrong with it; nor is with one that waits for its database.
    pub fn is_healthy(&self) -> bool {
        let well = match self.verdict() {
            Some(verdict) => verdict == Verdict::Healthy,
            None => !self.policy.notify || self.began,
        };
        self.phase() == Phase::Running && well && self.missed.is_none() && !self.is_stopping
    }

    /// How the server is, in the word that is told of it.
    pub fn state(&self) -> State {
        let unwell = self.missed.is_some() || self.verdict() == Some(Verdict::Unhealthy);
        match self.phase() {
            Phase::Draining | Phase::Stopping | Phase::After => State::Stopping,
            Phase::Clearing if !self.restart_pending => State::Stopping,
            Phase::Clearing | Phase::Waiting => State::Unready,
            Phase::Running if unwell => State::Unhealthy,
            Phase::Running if self.is_ready() => State::Ready,
            Phase::Running if self.was_ready => State::Unready,
            Phase::Before | Phase::Running => State::Starting,
        }
    }

    /// How often the server was started again.
    pub fn restarts(&self) -> u32 {
        self.attempts.all
    }

    /// SIGKILL had to end the server.
    pub fn server_killed(&self) -> bool {
        self.server_killed
    }

    /// It was to, and the kernel has not let goward send it.
    pub fn kill_refused(&self) -> bool {
        self.kill_refused
    }

    /// Whether the server has missed its deadline: it was sent SIGQUIT or SIGKILL, or the latter was due and refused.
    pub fn was_forced(&self) -> bool {
        self.server_killed || self.kill_refused || self.milestones.dumped.is_some()
    }

    /// SIGKILL had to end a command after the server.
    pub fn after_killed(&self) -> bool {
        self.after_killed
    }

    /// What the policy was made of.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The exit code as it stands: the server's own, 137 if it had to be killed, 0 where the user said so. A server that was
    /// stopped for its health has not succeeded, whatever it says.
    pub fn code(&self) -> u8 {
        let by_signal = matches!(self.ended, Some(Status::Signal(_)));
        let is_unwell =
            matches!(self.stop_reason(), Some(StopReason::Unhealthy | StopReason::Watchdog | StopReason::StartTimeout));
        let forced = self.server_killed
            || is_unwell && by_signal
            || self.milestones.dumped.is_some() && matches!(self.ended, Some(Status::Code(2) | Status::Signal(_)));
        let code = match self.ended {
            Some(status) if !forced => status.code(),
            Some(_) | None => exit::KILLED,
        };
        // What had to be done before the server has its own code, and that is no success of the server's.
        let maps = !matches!(self.stage, Stage::Before(_)) && self.stop_reason().is_none();
        let code = if maps && self.policy.success.contains(&code) { 0 } else { code };
        if code == 0 && self.stop_reason().is_some() { exit::KILLED } else { code }
    }
}
