//! The supervisor: what the init does about what happens. Pure: events and the time go in, actions come out;
//! no system call, no clock, no allocation. Everything that matters about a stop can be tested here in simulated time.
//!
//! The life of a container is small: what must be done before is done; the server runs; perhaps a stop begins and climbs the
//! [`Ladder`]; the server ends; what it left behind is asked and killed; perhaps the server is started again, after a while;
//! what must be done after it is done; goward leaves.

mod clearing;
mod climb;
mod freeze;
mod health;
mod ladder;
mod policy;
mod restart;
mod state;
#[cfg(test)]
mod tests;
mod types;
mod watch;

pub use health::{Schedule, Verdict};
pub use ladder::{Ladder, Rung};
pub use policy::{Leftovers, Policy, StopSignal};
pub use restart::Restart;
pub use types::{
    Action, Actions, Event, Milestones, Notice, Order, Phase, Purpose, Stage, State, Status, StopReason, Time,
    UnhealthyAction, limit,
};

use climb::Late;
use freeze::Period;
use health::Health;
use restart::Attempts;

use crate::signal::Signal;
use std::time::Duration;

/// A stop in progress.
#[derive(Clone, Copy, Debug)]
struct Stop {
    began: Time,
    /// How much of the waiting somebody at the terminal has cut short.
    skipped: Duration,
    rung: Rung,
    /// A rung came late.
    late: Option<Late>,
    /// When somebody at the terminal cut the waiting short last.
    hurried: Time,
    /// What the server is asked with; none: it has been told.
    signal: Option<Signal>,
    /// It was not asked for.
    stop_reason: Option<StopReason>,
    /// It was asked for with a restart to follow.
    restarts: bool,
    /// Until then the server is busy stopping, as it says.
    busy: Time,
    /// It is asked when its goroutines have been seen, and then at the latest.
    asked_by: Option<Time>,
}

impl Stop {
    fn new(began: Time, rung: Rung, signal: Option<Signal>) -> Stop {
        let (skipped, busy, hurried) = (Duration::ZERO, Time::ZERO, Time::ZERO);
        Stop {
            began,
            skipped,
            rung,
            late: None,
            hurried,
            signal,
            stop_reason: None,
            restarts: false,
            busy,
            asked_by: None,
        }
    }
}

/// A server that was started again gets so long to install its handlers before it is handed the signals that came when it
/// was not there.
const SETTLES: Duration = Duration::from_secs(1);

/// The pause between repeated SIGKILLs to the processes that are still there: one may have been born while the others died. The
/// first repeat follows in the next turn of the loop.
const KILL_AGAIN: Duration = Duration::from_millis(50);

/// So long may who came in from outside (docker exec) stay after the server has ended.
const VISITORS_STAY: Duration = Duration::from_secs(1);

/// So long may what a server has left behind take before it is killed, where the server is to be started again.
const LEFTOVERS_STAY: Duration = Duration::from_secs(1);

/// Where in its life the container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Something runs: the server, or a command in its place.
    Running,
    /// It has ended; what it left behind is seen off.
    Clearing,
    /// Nobody is there; at this time the server is started again.
    Waiting(Time),
    /// goward itself is leaving.
    Left,
}

/// The state of one container's life.
#[derive(Debug)]
pub struct Supervisor {
    policy: Policy,
    life: Life,
    stage: Stage,
    /// When what runs was started.
    started: Time,
    stop: Option<Stop>,
    ended: Option<Status>,
    /// The server is stopped (SIGSTOP and the like), as far as the kernel told.
    suspended: bool,
    /// The rung on which it was continued last.
    continued_on: Option<Rung>,
    leftovers_asked: bool,
    /// Until when who came in from outside may stay.
    visitors_until: Option<Time>,
    /// When those that are still there are killed once more.
    kill_again_at: Option<Time>,
    /// Whether the look at the server's memory has shown its goroutines, and when that was known.
    looked: Option<(bool, Time)>,
    /// SIGKILL had to end the server.
    server_killed: bool,
    /// It was to, and the kernel has not let goward send it.
    kill_refused: bool,
    /// SIGKILL had to end a command after the server.
    after_killed: bool,
    /// A signal has asked for the end: nothing is started again.
    stop_requested: bool,
    /// It is started again when everybody has gone.
    restart_pending: bool,
    /// Somebody has asked for that, and it does not wait.
    restart_requested: bool,
    /// Why the server that is to be started again was stopped, if nobody asked for that.
    stopped_because: Option<StopReason>,
    attempts: Attempts,
    /// Signals for a server that is not there, by number.
    held: u64,
    health: Option<Health>,
    ready: Option<Health>,
    /// READY=1 was said, and nothing against it.
    notified: bool,
    /// It has said RELOADING=1, and not READY=1 since.
    reloading: bool,
    /// How often it has said READY=1 after that.
    reloads: u32,
    /// READY=1 was said once, and no STOPPING=1 since.
    began: bool,
    /// STOPPING=1 was said, and no READY=1 since.
    is_stopping: bool,
    /// When READY=1 was said first.
    ready_at: Option<Time>,
    /// Requests could be sent to it at some time.
    was_ready: bool,
    /// Since its start, or since it said last that it lives; none where nobody waits for a word.
    silence: Option<Period>,
    /// What it was to say, and has not.
    missed: Option<StopReason>,
    /// When each step of the server's life happened.
    pub milestones: Milestones,
}

impl Supervisor {
    /// A supervisor for what has just been started: the first command before the server, or the server.
    pub fn new(policy: Policy, now: Time) -> Supervisor {
        let mut supervisor = Supervisor {
            life: Life::Running,
            stage: policy.first(),
            policy,
            started: now,
            stop: None,
            ended: None,
            suspended: false,
            continued_on: None,
            leftovers_asked: false,
            visitors_until: None,
            kill_again_at: None,
            looked: None,
            server_killed: false,
            kill_refused: false,
            after_killed: false,
            stop_requested: false,
            restart_pending: false,
            restart_requested: false,
            stopped_because: None,
            attempts: Attempts::default(),
            held: 0,
            health: None,
            ready: None,
            notified: false,
            reloading: false,
            reloads: 0,
            began: false,
            is_stopping: false,
            ready_at: None,
            was_ready: false,
            silence: None,
            missed: None,
            milestones: Milestones::default(),
        };
        supervisor.run(now, supervisor.stage);
        supervisor
    }

    /// The whole of it: something happened at `now`; what is to be done?
    pub fn handle(&mut self, now: Time, event: Event) -> Actions {
        let mut todo = Actions::default();
        if self.life == Life::Left {
            return todo;
        }
        match event {
            Event::Signal(signal) => self.on_signal(now, signal, false, &mut todo),
            Event::Key(signal) => self.on_signal(now, signal, true, &mut todo),
            Event::Ended(status) => self.on_end(now, status, &mut todo),
            Event::Stopped(by) => self.on_server_stopped(by, &mut todo),
            Event::Continued => self.suspended = false,
            Event::OthersRemain => self.on_others(now, &mut todo),
            Event::VisitorsRemain { told, in_reach } => self.on_visitors(now, told, in_reach, &mut todo),
            Event::NobodyRemains => self.on_nobody(now, &mut todo),
            Event::Looked(shown) => self.on_look(now, shown),
            Event::KillRefused(refused) => self.on_kill(refused),
            Event::Probed(purpose, well) => self.on_probe(now, purpose, well, &mut todo),
            Event::Notified(notice) => self.on_notice(now, notice, &mut todo),
            Event::Ordered(order) => self.on_order(now, order, &mut todo),
            Event::Tick => self.kill_again_at = self.kill_again_at.filter(|at| *at > now),
        }
        self.hand_out(now, &mut todo);
        self.see_visitors_off(now, &mut todo);
        self.look_after(now, &mut todo);
        self.climb(now, &mut todo);
        for purpose in Purpose::ALL {
            if !self.is_looked_after() && self.probes_for(purpose).is_some_and(Health::abandon) {
                todo.push(Action::EndProbe(purpose));
            }
        }
        self.was_ready |= self.is_ready();
        todo
    }

    /// What a signal that needs no decision is forwarded as. It changes no state and needs no clock: the loop sends it
    /// before anything else. [`Supervisor::handle`] would answer the same.
    pub fn forward_as(&self, signal: Signal) -> Option<Signal> {
        let out = self.policy.rewritten(signal)?;
        let decided = !self.accepts_signals() || self.is_stop(signal, out);
        (!decided && !self.policy.suspend_on.contains(&signal)).then_some(out)
    }

    /// What a signal that begins a stop is forwarded as, where that is the first thing to be done: the loop sends it before
    /// it asks for the rest. [`Supervisor::handle`] would begin with it.
    pub fn begin_stop_with(&self, signal: Signal) -> Option<Signal> {
        let out = self.policy.rewritten(signal)?;
        let begins = self.accepts_signals() && self.stop.is_none() && self.is_stop(signal, out);
        let drains = self.policy.ladder.is_some_and(|ladder| ladder.drains());
        if begins && !drains { self.policy.stop_signal.replaces(out) } else { None }
    }

    /// When the next thing is due, if nothing happens before. The loop sleeps until then.
    pub fn next_deadline(&self) -> Option<Time> {
        let waiting = match self.life {
            Life::Left => return None,
            Life::Waiting(until) => Some(until),
            Life::Clearing => self.kill_again_at.into_iter().chain(self.visitors_until).min(),
            Life::Running => None,
        };
        let rung = self.stop.and_then(|stop| self.due(stop)).map(|(_, at)| at);
        let held = (self.held != 0 && self.accepts_signals()).then_some(self.started + SETTLES);
        let looked_after = self.is_looked_after();
        let due = |probes: Option<Health>| probes.filter(|_| looked_after).map(|probes| probes.due());
        let word = self.silence_due().filter(|_| looked_after);
        let all = [waiting, rung, held, due(self.health), due(self.ready), word, self.hook_timeout_at()];
        all.into_iter().flatten().min()
    }

    /// When goward must have gone, once a stop has begun or the server has ended.
    pub fn end(&self) -> Option<Time> {
        let (stop, ladder) = (self.stop?, self.policy.ladder?);
        Some((stop.began + ladder.at(Rung::GiveUp)).saturating_sub(stop.skipped))
    }

    /// Whether signals are for what runs. A command after the server has its time, and nothing to be told.
    pub fn accepts_signals(&self) -> bool {
        self.life == Life::Running && !matches!(self.stage, Stage::After(_))
    }

    fn on_signal(&mut self, now: Time, signal: Signal, by_key: bool, todo: &mut Actions) {
        let suspends = self.policy.suspend_on.contains(&signal);
        let Some(out) = self.policy.rewritten(signal) else {
            if suspends {
                todo.push(Action::Suspend);
            }
            return;
        };
        if !self.accepts_signals() {
            return self.on_signal_for_nobody(now, signal, out, by_key, todo);
        }
        if !self.is_stop(signal, out) {
            todo.push(Action::Send(out));
            if suspends {
                todo.push(Action::Suspend);
            }
            return;
        }
        self.begin_stop(now, self.policy.stop_signal.replaces(out), by_key, todo);
    }

    /// A stop is asked for, of what runs.
    fn begin_stop(&mut self, now: Time, ask_with: Option<Signal>, by_key: bool, todo: &mut Actions) {
        let first = !std::mem::replace(&mut self.stop_requested, true);
        match self.stop {
            None => self.begin_to_stop(now, ask_with, todo),
            // A restart has asked the server to stop. Who asks for the end now gives it all of the time.
            Some(Stop { restarts: true, rung: Rung::Drain | Rung::Ask | Rung::Look, .. }) => {
                self.begin_to_stop(now, ask_with, todo);
            }
            // The server has outlived SIGKILL in a stop of goward's own. From now on there is a deadline.
            Some(Stop { rung: Rung::GiveUp, stop_reason, .. }) => {
                self.milestones.stop = Some(now);
                self.stop = Some(Stop { stop_reason, ..Stop::new(now, Rung::Kill, ask_with) });
                todo.extend(ask_with.map(Action::Send));
            }
            // Who presses a key twice does not want to wait for the drain. Platforms that tell twice (Heroku, the kubelet after
            // a preStop hook) want just that, and the server will be told at its end.
            Some(Stop { rung: Rung::Drain, .. }) if by_key => self.ask(now, todo),
            Some(Stop { rung: Rung::Drain, .. }) => {}
            Some(_) if by_key && !first => {
                self.milestones.interrupted.get_or_insert(now);
                self.hurry(now);
            }
            Some(_) => todo.extend(ask_with.map(Action::Send)),
        }
    }

    fn begin_to_stop(&mut self, now: Time, ask_with: Option<Signal>, todo: &mut Actions) {
        self.milestones.stop = Some(now);
        self.stop = Some(Stop::new(now, Rung::Drain, ask_with));
        if !self.policy.ladder.is_some_and(|ladder| ladder.drains()) || self.stage != Stage::Server {
            self.ask(now, todo);
        }
    }

    /// The server is not there: it has ended, or is yet to be started again.
    fn on_signal_for_nobody(&mut self, now: Time, signal: Signal, out: Signal, by_key: bool, todo: &mut Actions) {
        if !self.is_stop(signal, out) {
            if self.restart_pending {
                self.held |= 1 << (out.number() - 1);
            }
            return;
        }
        self.begin_stop_of_nobody(now, out, by_key, todo);
    }

    /// A stop is asked for while there is no server. Why the last one was stopped, and when that began, stays as it was, if that was
    /// goward's own doing. Who had ordered a restart had not asked for the end: for the record the stop begins now.
    fn begin_stop_of_nobody(&mut self, now: Time, out: Signal, by_key: bool, todo: &mut Actions) {
        if self.restart_pending {
            let stop_reason = self.stop_reason();
            self.stop_requested = true;
            self.restart_pending = false;
            if stop_reason.is_none() || self.milestones.stop.is_none() {
                self.milestones.stop = Some(now);
            }
            self.stop = Some(Stop { stop_reason, ..Stop::new(now, Rung::Ask, Some(out)) });
            // Otherwise what is left of the last one gets the time that the signal gives.
            if matches!(self.life, Life::Waiting(_)) {
                self.attempts.call_off();
                self.finish(now, todo);
            }
        } else if by_key {
            self.milestones.interrupted.get_or_insert(now);
            self.hurry(now);
        }
    }

    /// What [`Supervisor::refuses`] is not done.
    fn on_order(&mut self, now: Time, order: Order, todo: &mut Actions) {
        if self.refuses(order).is_some() {
            return;
        }
        let signal = self.policy.own_stop_signal();
        match order {
            Order::Stop if self.accepts_signals() => self.begin_stop(now, Some(signal), false, todo),
            Order::Stop => self.begin_stop_of_nobody(now, signal, false, todo),
            Order::Reload => todo.push(Action::Send(self.policy.reload_signal.unwrap_or(Signal::HUP))),
            Order::Restart if self.is_looked_after() => {
                self.begin_to_stop(now, Some(signal), todo);
                self.stop = self.stop.map(|stop| Stop { restarts: true, ..stop });
            }
            // One is under way already: nothing waits any longer than it must.
            Order::Restart => {
                self.restart_requested = true;
                if let Life::Waiting(until) = &mut self.life {
                    *until = now;
                }
            }
        }
    }

    fn on_end(&mut self, now: Time, status: Status, todo: &mut Actions) {
        if self.life != Life::Running {
            return;
        }
        self.suspended = false;
        self.life = Life::Clearing;
        match self.stage {
            Stage::Before(number) if status == Status::Code(0) && self.stop.is_none() => {
                let next = number + 1;
                let next = if next < self.policy.before { Stage::Before(next) } else { Stage::Server };
                return self.start(now, next, todo);
            }
            Stage::After(_) => return,
            Stage::Before(_) | Stage::Server => {}
        }
        self.ended = Some(status);
        self.milestones.ended = Some(now);
        self.restart_pending = self.stage == Stage::Server && self.wants_restart(now, status);
        // What it left behind was killed with it, and has had its time.
        if let Some(stop) = self.stop.as_mut().filter(|stop| stop.rung == Rung::GiveUp) {
            stop.rung = Rung::Kill;
        }
        match self.policy.leftovers {
            Leftovers::Stop => {}
            Leftovers::Abandon => self.leave(todo),
            Leftovers::TermGroup => {
                // Rewritten like any other: dumb-init sends it to itself, so to say.
                if let Some(out) = self.policy.rewritten(Signal::TERM) {
                    todo.push(Action::Send(out));
                }
                self.leave(todo);
            }
        }
        // A server that ended by itself: what it left behind has the same time as in a stop.
        if self.stop.is_none() && self.policy.ladder.is_some() {
            self.stop = Some(Stop::new(now, Rung::Ask, Some(Signal::TERM)));
        }
        if self.restart_pending {
            self.clear_by(now + LEFTOVERS_STAY);
        }
    }

    fn wants_restart(&mut self, now: Time, status: Status) -> bool {
        if self.stop_requested {
            return false;
        }
        self.restart_requested |= self.stop.is_some_and(|stop| stop.restarts);
        match self.stop_reason() {
            Some(why) => self.restarts_for(why),
            None if self.restart_requested => true,
            None => {
                self.attempts.ran(now.saturating_sub(self.started));
                let code = status.code();
                let failed = code != 0 && !self.policy.success.contains(&code);
                self.policy.restart.wants(failed, self.attempts)
            }
        }
    }

    fn on_server_stopped(&mut self, by: Signal, todo: &mut Actions) {
        self.suspended = true;
        if self.policy.job_control && matches!(by, Signal::TTIN | Signal::TTOU) {
            // Also while it stops: many a program puts the terminal in order at its end.
            todo.push(Action::GiveTerminal);
        } else if let Some(rung) = self.rung().filter(|rung| *rung >= Rung::Ask) {
            // Once a rung: a server that stops itself again and again must not make goward spin.
            if self.continued_on.replace(rung) != Some(rung) {
                self.resume(todo);
            }
        } else if self.policy.job_control && by == Signal::TSTP {
            todo.push(Action::Suspend);
        }
    }

    /// Nobody is left: again, or what comes after, or the end.
    fn finish(&mut self, now: Time, todo: &mut Actions) {
        if self.restart_pending {
            self.stopped_because = self.stop_reason();
            self.stop = None;
            self.life = if self.restart_requested {
                self.attempts.on_request();
                Life::Waiting(now)
            } else {
                let delay = self.attempts.next();
                todo.push(Action::Await(delay));
                Life::Waiting(now + delay)
            };
            return;
        }
        let next = match self.stage {
            // There was no server.
            Stage::Before(_) => usize::MAX,
            Stage::Server => 0,
            Stage::After(number) => number + 1,
        };
        if next < self.policy.after && self.rung() < Some(Rung::Kill) {
            self.start(now, Stage::After(next), todo);
        } else {
            self.leave(todo);
        }
    }

    fn start(&mut self, now: Time, stage: Stage, todo: &mut Actions) {
        self.run(now, stage);
        todo.push(Action::Start(stage));
    }

    /// This runs from now on.
    fn run(&mut self, now: Time, stage: Stage) {
        self.life = Life::Running;
        self.stage = stage;
        self.started = now;
        self.suspended = false;
        self.leftovers_asked = false;
        self.visitors_until = None;
        self.kill_again_at = None;
        if stage == Stage::Server {
            self.continued_on = None;
            self.restart_pending = false;
            self.restart_requested = false;
            self.stopped_because = None;
            self.ended = None;
            (self.server_killed, self.kill_refused) = (false, false);
            self.milestones = Milestones::default();
            (self.notified, self.reloading) = (false, false);
            (self.began, self.is_stopping) = (false, false);
            self.ready_at = None;
            self.was_ready = false;
            self.silence = self.policy.start_timeout.map(|_| Period::new(now));
            self.missed = None;
            self.health = self.policy.health.map(|schedule| Health::new(schedule, now));
            self.ready = self.policy.ready.map(|schedule| Health::new(schedule, now));
        }
    }

    /// Signals that came while there was no server, a few at a time.
    fn hand_out(&mut self, now: Time, todo: &mut Actions) {
        for _ in 0..4 {
            if self.held == 0 || !self.accepts_signals() || now < self.started + SETTLES {
                return;
            }
            let lowest = self.held.trailing_zeros();
            self.held &= self.held - 1;
            if let Some(signal) = Signal::new(lowest as i32 + 1) {
                todo.push(Action::Send(signal));
            }
        }
    }

    fn leave(&mut self, todo: &mut Actions) {
        self.life = Life::Left;
        todo.push(Action::Leave(self.code()));
    }

    /// A signal that was renamed still starts the deadline, whichever of its two names is a stop.
    /// Without a ladder (the personalities) there is no such thing: every signal is handed on alike.
    fn is_stop(&self, signal: Signal, out: Signal) -> bool {
        self.policy.ladder.is_some() && (self.policy.stop_on.contains(&signal) || self.policy.stop_on.contains(&out))
    }
}
