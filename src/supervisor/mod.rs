//! The supervisor: what the init does about what happens. Pure: events and the time go in, actions come out;
//! no system call, no clock, no allocation. Everything that matters about a stop can be tested here in simulated time.
//!
//! The life of a container is small: what must be done before is done; the server runs; perhaps a stop begins and climbs the
//! [`Ladder`]; the server ends; what it left behind is asked and killed; perhaps the server is started again, after a while;
//! what must be done after it is done; goward leaves.

mod health;
mod ladder;
mod restart;
#[cfg(test)]
mod tests;

pub use health::{Schedule, Verdict};
pub use ladder::{Ladder, Rung};
pub use restart::Restart;

use health::{Health, Step};
use restart::Attempts;

use crate::exit;
use crate::signal::Signal;
use std::time::Duration;

/// Monotonic time since some fixed moment.
pub type Time = Duration;

/// How the server ended, from waitid(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It called exit.
    Code(u8),
    /// A signal ended it.
    Signal(Signal),
}

impl Status {
    /// The exit code that shells and docker show for it.
    pub fn code(self) -> u8 {
        match self {
            Status::Code(code) => code,
            Status::Signal(signal) => exit::by_signal(signal.number() as u8),
        }
    }
}

/// What happened in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// goward was sent a signal; as it was received, before rewriting.
    Signal(Signal),
    /// The server, or the hook in its place, was reaped; or it could not even be started.
    Ended(Status),
    /// The server was stopped (not ended) by a signal.
    Stopped(Signal),
    /// It runs again.
    Continued,
    /// After the server's end: other processes are still there.
    OthersRemain,
    /// After the server's end: nobody is there any more.
    NobodyRemains,
    /// The probe under way is over: whether it was well.
    Probed(bool),
    /// The server said something about itself.
    Notified(Notice),
    /// Only time has passed.
    Tick,
}

/// What a server says of itself, see sd_notify(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// READY=1
    Ready,
    /// RELOADING=1, until the next READY=1.
    Reloading,
    /// STOPPING=1
    Stopping,
    /// WATCHDOG=1: it lives.
    Alive,
    /// WATCHDOG=trigger: it has found out by itself that it does not.
    Trigger,
    /// EXTEND_TIMEOUT_USEC=…: it is busy stopping.
    Extend(Duration),
}

/// What goward waits for with waitpid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A command before the server, by number.
    Before(usize),
    /// The server.
    Server,
    /// A command after the server, by number.
    After(usize),
}

/// Why a server is stopped without being asked by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sickness {
    /// Too many probes in a row have failed.
    Unhealthy,
    /// It has not said WATCHDOG=1 in time.
    Watchdog,
    /// A command before the server took too long.
    Slow,
}

/// What is done about a server that is not well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cure {
    /// It is told, no more.
    #[default]
    Log,
    /// It has to show its goroutines, and the container ends.
    Stop,
    /// It has to show its goroutines, and is started again.
    Restart,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This signal to the server (to its group with -g).
    Send(Signal),
    /// SIGCONT to the server's group: a stopped process cannot stop.
    Continue,
    /// This signal to the server's process alone: several dumps would run into each other.
    Dump(Signal),
    /// SIGTERM to whatever the server left behind.
    AskLeftovers,
    /// SIGKILL to the server's group and to all leftovers.
    KillAll,
    /// The same once more, for what was born while the others died.
    KillAgain,
    /// The server wants the terminal: make its group the foreground and continue it.
    GiveTerminal,
    /// Stop as a job under a shell stops.
    Suspend,
    /// Start this.
    Start(Stage),
    /// Begin a probe.
    Probe,
    /// The probe under way has taken too long: give it up, and count it as a failure.
    ExpireProbe,
    /// Nobody wants to know the outcome of the probe under way.
    EndProbe,
    /// The server is not well.
    Sick(Sickness),
    /// The server will be started again after this.
    Await(Duration),
    /// The end, with this exit code.
    Leave(u8),
}

/// At most this many actions follow from one event.
const MOST: usize = 12;

/// The actions that follow from one event, in order.
#[must_use = "an action that is not performed is a signal lost"]
#[derive(Clone, Copy, Debug, Default)]
pub struct Actions {
    list: [Option<Action>; MOST],
    length: usize,
}

impl Actions {
    fn push(&mut self, action: Action) {
        debug_assert!(self.length < MOST);
        if let Some(place) = self.list.get_mut(self.length) {
            *place = Some(action);
            self.length += 1;
        }
    }

    /// In the order they must be performed.
    pub fn iter(&self) -> impl Iterator<Item = Action> + '_ {
        self.list.iter().flatten().copied()
    }
}

/// What happens to processes that outlive the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftovers {
    /// They are asked, given the rest of the time, killed. goward's own way.
    #[default]
    Stop,
    /// They are left to the kernel (tini, catatonit).
    Abandon,
    /// Their group is sent SIGTERM and left (dumb-init).
    TermGroup,
}

/// Signals by number: which start a stop, what each becomes.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The stop ladder; none: no deadline at all (the personalities).
    pub ladder: Option<Ladder>,
    /// What starts a stop.
    pub stop_on: Vec<Signal>,
    /// What the server is asked with, if not with the signal that came.
    pub stop_signal: Option<Signal>,
    /// What a signal becomes before it is handed on; `None` drops it.
    pub rewrite: Vec<(Signal, Option<Signal>)>,
    /// Signals on which goward stops itself, whatever the server does (dumb-init).
    pub suspend_on: Vec<Signal>,
    /// A person sits at a terminal: the second stop signal asks for the dump, the third kills.
    pub interactive: bool,
    /// As a job of a shell: when the server stops, goward stops.
    pub job_control: bool,
    /// Exit codes that count as success.
    pub success: Vec<u8>,
    /// What outlives the server.
    pub leftovers: Leftovers,
    /// How many commands run before the server.
    pub before: usize,
    /// How long each of them may take.
    pub before_timeout: Duration,
    /// How many run after it.
    pub after: usize,
    /// Whether a server that has ended is started again.
    pub restart: Restart,
    /// When it is probed; none: never.
    pub health: Option<Schedule>,
    /// What is done when it is not well.
    pub cure: Cure,
    /// It says by itself when it is ready.
    pub notify: bool,
    /// How often it must say that it lives.
    pub watchdog: Option<Duration>,
}

impl Policy {
    /// Whether more than the server is ever started.
    pub fn starts_again(&self) -> bool {
        self.before > 0 || self.after > 0 || self.restart != Restart::No || self.cure == Cure::Restart
    }

    fn first(&self) -> Stage {
        if self.before > 0 { Stage::Before(0) } else { Stage::Server }
    }
}

/// When things happened, for the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    /// The first stop signal came.
    pub stop: Option<Time>,
    /// The server was asked to stop.
    pub asked: Option<Time>,
    /// SIGQUIT was sent for the dump.
    pub dumped: Option<Time>,
    /// SIGABRT was sent for the dump.
    pub aborted: Option<Time>,
    /// SIGKILL was sent; `server` tells whether the server was still there.
    pub killed: Option<Time>,
    /// The server was reaped.
    pub ended: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Stop {
    began: Time,
    /// How much of the waiting somebody at the terminal has cut short.
    skipped: Duration,
    rung: Rung,
    /// What the server is asked with.
    signal: Signal,
    /// It was not asked for.
    sickness: Option<Sickness>,
    /// Until then the server is busy stopping, as it says.
    busy: Time,
}

impl Stop {
    fn new(began: Time, rung: Rung, signal: Signal) -> Stop {
        Stop { began, skipped: Duration::ZERO, rung, signal, sickness: None, busy: Time::ZERO }
    }
}

/// goward wakes when something is due. If it is so much later, it was stopped itself (docker pause, a laptop's lid), and the
/// time that has passed was nobody's.
const LATE: Duration = Duration::from_millis(500);

/// A server that was started again gets so long to install its handlers before it is handed the signals that came when it
/// was not there.
const SETTLES: Duration = Duration::from_secs(1);

/// How often what is still there after SIGKILL gets it again: it may have been born while the others died.
const KILL_AGAIN: Duration = Duration::from_millis(50);

/// Where in its life the container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Something runs: the server, or a command in its place.
    Running,
    /// It has ended; what it left behind is seen off.
    Clearing,
    /// Nobody is there; at this time the server is started again.
    Waiting(Time),
    /// goward leaves.
    Left,
}

/// The same for people and for `goward status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A command before the server runs.
    Before,
    /// The server runs.
    Running,
    /// A stop was asked for, and the signal is held back.
    Draining,
    /// A stop is under way.
    Stopping,
    /// The server has ended, and others are still there; or it could not end.
    Clearing,
    /// It is started again after a while.
    Waiting,
    /// A command after the server runs.
    After,
}

impl Phase {
    /// A word.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Before => "before",
            Phase::Running => "running",
            Phase::Draining => "draining",
            Phase::Stopping => "stopping",
            Phase::Clearing => "leftovers",
            Phase::Waiting => "waiting",
            Phase::After => "after",
        }
    }
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
    /// When those that are still there are killed once more.
    kill_again_at: Option<Time>,
    /// SIGKILL had to end the server.
    server_killed: bool,
    /// A signal has asked for the end: nothing is started again.
    asked: bool,
    /// It is started again when everybody has gone.
    again: bool,
    attempts: Attempts,
    /// Signals for a server that is not there, by number.
    held: u64,
    health: Option<Health>,
    /// READY=1 was said, and nothing against it.
    notified: bool,
    /// READY=1 was said once.
    began: bool,
    /// When it said last that it lives.
    alive: Option<Time>,
    /// It was to say so, and has not.
    silent: bool,
    /// When what happened.
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
            kill_again_at: None,
            server_killed: false,
            asked: false,
            again: false,
            attempts: Attempts::default(),
            held: 0,
            health: None,
            notified: false,
            began: false,
            alive: None,
            silent: false,
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
            Event::Signal(signal) => self.on_signal(now, signal, &mut todo),
            Event::Ended(status) => self.on_end(now, status, &mut todo),
            Event::Stopped(by) => self.on_server_stopped(by, &mut todo),
            Event::Continued => self.suspended = false,
            Event::OthersRemain => self.on_others(now, &mut todo),
            Event::NobodyRemains => self.on_nobody(now, &mut todo),
            Event::Probed(well) => self.on_probe(now, well, &mut todo),
            Event::Notified(notice) => self.on_notice(now, notice, &mut todo),
            Event::Tick => self.kill_again_at = self.kill_again_at.filter(|at| *at > now),
        }
        self.hand_out(now, &mut todo);
        self.look_after(now, &mut todo);
        self.climb(now, &mut todo);
        if !self.is_looked_after() && self.health.as_mut().is_some_and(Health::abandon) {
            todo.push(Action::EndProbe);
        }
        todo
    }

    /// What a signal that needs no decision is forwarded as. It changes no state and needs no clock: the loop sends it
    /// before anything else. [`Supervisor::handle`] would answer the same.
    pub fn plain(&self, signal: Signal) -> Option<Signal> {
        let out = self.rewritten(signal)?;
        let decided = !self.hears() || self.is_stop(signal, out);
        (!decided && !self.policy.suspend_on.contains(&signal)).then_some(out)
    }

    /// What a signal that begins a stop is forwarded as, where that is the first thing to be done: the loop sends it before
    /// it asks for the rest. [`Supervisor::handle`] would begin with it.
    pub fn asks(&self, signal: Signal) -> Option<Signal> {
        let out = self.rewritten(signal)?;
        let begins = self.hears() && self.stop.is_none() && self.is_stop(signal, out);
        let drains = self.policy.ladder.is_some_and(|ladder| ladder.drains());
        (begins && !drains).then(|| self.policy.stop_signal.unwrap_or(out))
    }

    /// When the next thing is due, if nothing happens before. The loop sleeps until then.
    pub fn next_deadline(&self) -> Option<Time> {
        let waiting = match self.life {
            Life::Left => return None,
            Life::Waiting(until) => Some(until),
            Life::Clearing => self.kill_again_at,
            Life::Running => None,
        };
        let rung = self.stop.and_then(|stop| self.due(stop)).map(|(_, at)| at);
        let held = (self.held != 0 && self.hears()).then_some(self.started + SETTLES);
        let looked_after = self.is_looked_after();
        let probe = self.health.filter(|_| looked_after).map(|health| health.due());
        let watchdog = self.watchdog_due().filter(|_| looked_after);
        [waiting, rung, held, probe, watchdog, self.slow_at()].into_iter().flatten().min()
    }

    /// When goward must have gone, once a stop has begun or the server has ended.
    pub fn end(&self) -> Option<Time> {
        let (stop, ladder) = (self.stop?, self.policy.ladder?);
        Some((stop.began + ladder.at(Rung::GiveUp)).saturating_sub(stop.skipped))
    }

    /// The rung of the stop in progress.
    pub fn rung(&self) -> Option<Rung> {
        self.stop.map(|stop| stop.rung)
    }

    /// Why the stop in progress, or the last one, began, if nobody asked for it.
    pub fn sickness(&self) -> Option<Sickness> {
        self.stop.and_then(|stop| stop.sickness)
    }

    /// Whether a signal has asked for the end.
    pub fn was_asked(&self) -> bool {
        self.asked
    }

    /// How the server ended, once it has; or the command before it that failed.
    pub fn ended(&self) -> Option<Status> {
        self.ended
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
        let cured = self.policy.cure == Cure::Restart && self.sickness().is_some_and(|why| why != Sickness::Slow);
        !(self.again || self.life == Life::Running && cured && !self.asked)
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

    /// What the probes say; none where there are none.
    pub fn verdict(&self) -> Option<Verdict> {
        self.health.map(|health| health.verdict)
    }

    /// Failed probes in a row.
    pub fn failures(&self) -> u32 {
        self.health.map_or(0, |health| health.streak)
    }

    /// Whether it was to say that it lives, and has not.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether requests may be sent to the server: it runs, no stop has begun, it has said so itself if it does that, and
    /// neither the probes nor its own silence say anything else.
    pub fn is_ready(&self) -> bool {
        let healthy = self.verdict().is_none_or(|verdict| verdict == Verdict::Healthy) && !self.is_silent();
        self.phase() == Phase::Running && (!self.policy.notify || self.notified) && healthy
    }

    /// Whether the server runs and nothing speaks against its health: what a HEALTHCHECK wants to know. One that reloads
    /// is not ready, and nothing is wrong with it.
    pub fn is_healthy(&self) -> bool {
        let well = match self.verdict() {
            Some(verdict) => verdict == Verdict::Healthy,
            None => !self.policy.notify || self.began,
        };
        self.phase() == Phase::Running && well && !self.is_silent()
    }

    /// How often the server was started again.
    pub fn restarts(&self) -> u32 {
        self.attempts.all
    }

    /// SIGKILL had to end the server.
    pub fn server_killed(&self) -> bool {
        self.server_killed
    }

    /// What the policy was made of.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The exit code as it stands: the server's own, 137 if it had to be killed, 0 where the user said so. A server that was
    /// stopped for its health has not succeeded, whatever it says.
    pub fn code(&self) -> u8 {
        let forced = self.server_killed
            || self.milestones.dumped.is_some() && matches!(self.ended, Some(Status::Code(2) | Status::Signal(_)));
        let code = match self.ended {
            Some(status) if !forced => status.code(),
            Some(_) | None => exit::KILLED,
        };
        // What had to be done before the server has its own code, and that is no success of the server's.
        let maps = !matches!(self.stage, Stage::Before(_)) && self.sickness().is_none();
        let code = if maps && self.policy.success.contains(&code) { 0 } else { code };
        if code == 0 && self.sickness().is_some() { exit::KILLED } else { code }
    }

    /// Whether signals are for what runs. A command after the server has its time, and nothing to be told.
    pub fn hears(&self) -> bool {
        self.life == Life::Running && !matches!(self.stage, Stage::After(_))
    }

    fn on_signal(&mut self, now: Time, signal: Signal, todo: &mut Actions) {
        let suspends = self.policy.suspend_on.contains(&signal);
        let Some(out) = self.rewritten(signal) else {
            if suspends {
                todo.push(Action::Suspend);
            }
            return;
        };
        if !self.hears() {
            return self.on_signal_for_nobody(now, signal, out, todo);
        }
        if !self.is_stop(signal, out) {
            todo.push(Action::Send(out));
            if suspends {
                todo.push(Action::Suspend);
            }
            return;
        }
        let ask_with = self.policy.stop_signal.unwrap_or(out);
        let first = !std::mem::replace(&mut self.asked, true);
        match self.stop {
            None => {
                self.milestones.stop = Some(now);
                self.stop = Some(Stop::new(now, Rung::Drain, ask_with));
                if !self.policy.ladder.is_some_and(|ladder| ladder.drains()) || self.stage != Stage::Server {
                    self.ask(now, todo);
                }
            }
            // Whoever asks twice does not want to wait for the drain.
            Some(Stop { rung: Rung::Drain, .. }) => self.ask(now, todo),
            Some(_) if self.policy.interactive && !first => self.hurry(now),
            Some(_) => todo.push(Action::Send(ask_with)),
        }
    }

    /// The server is not there: it has ended, or is yet to be started again.
    fn on_signal_for_nobody(&mut self, now: Time, signal: Signal, out: Signal, todo: &mut Actions) {
        if !self.is_stop(signal, out) {
            if self.again {
                self.held |= 1 << (out.number() - 1);
            }
            return;
        }
        if self.again {
            self.asked = true;
            self.again = false;
            self.milestones.stop = Some(now);
            match self.life {
                Life::Waiting(_) => {
                    self.stop = Some(Stop::new(now, Rung::Ask, out));
                    self.finish(now, todo);
                }
                // What is left of the last one gets the time that the signal gives.
                Life::Running | Life::Clearing | Life::Left => self.stop = Some(Stop::new(now, Rung::Ask, out)),
            }
        } else if self.policy.interactive {
            self.hurry(now);
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
        self.again = self.stage == Stage::Server && self.wants_restart(now, status);
        match self.policy.leftovers {
            Leftovers::Stop => {}
            Leftovers::Abandon => self.leave(todo),
            Leftovers::TermGroup => {
                // Rewritten like any other: dumb-init sends it to itself, so to say.
                if let Some(out) = self.rewritten(Signal::TERM) {
                    todo.push(Action::Send(out));
                }
                self.leave(todo);
            }
        }
        // A server that ended by itself: what it left behind has the same time as in a stop.
        if self.stop.is_none() && self.policy.ladder.is_some() {
            self.stop = Some(Stop::new(now, Rung::Ask, Signal::TERM));
        }
    }

    fn wants_restart(&mut self, now: Time, status: Status) -> bool {
        if self.asked {
            return false;
        }
        self.attempts.ran(now.saturating_sub(self.started));
        match self.sickness() {
            Some(Sickness::Unhealthy | Sickness::Watchdog) => self.policy.cure == Cure::Restart,
            Some(Sickness::Slow) => false,
            None => {
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

    fn on_others(&mut self, now: Time, todo: &mut Actions) {
        if self.life != Life::Clearing {
            return;
        }
        if self.rung() >= Some(Rung::Kill) {
            // Not at every turn of the loop: thousands may be dying, and each takes a look.
            if self.kill_again_at.is_none_or(|at| at <= now) {
                self.kill_again_at = Some(now + KILL_AGAIN);
                todo.push(Action::KillAgain);
            }
        } else if !self.leftovers_asked {
            self.leftovers_asked = true;
            todo.push(Action::AskLeftovers);
        }
    }

    fn on_nobody(&mut self, now: Time, todo: &mut Actions) {
        if self.life == Life::Clearing {
            self.finish(now, todo);
        }
    }

    /// Nobody is left: again, or what comes after, or the end.
    fn finish(&mut self, now: Time, todo: &mut Actions) {
        if self.again {
            let delay = self.attempts.next();
            todo.push(Action::Await(delay));
            self.life = Life::Waiting(now + delay);
            self.stop = None;
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
        self.kill_again_at = None;
        if stage == Stage::Server {
            self.continued_on = None;
            self.again = false;
            self.ended = None;
            self.server_killed = false;
            self.milestones = Milestones::default();
            self.notified = false;
            self.began = false;
            self.alive = None;
            self.silent = false;
            self.health = self.policy.health.map(|schedule| Health::new(schedule, now));
        }
    }

    /// Signals that came while there was no server, a few at a time.
    fn hand_out(&mut self, now: Time, todo: &mut Actions) {
        for _ in 0..4 {
            if self.held == 0 || !self.hears() || now < self.started + SETTLES {
                return;
            }
            let lowest = self.held.trailing_zeros();
            self.held &= self.held - 1;
            if let Some(signal) = Signal::new(lowest as i32 + 1) {
                todo.push(Action::Send(signal));
            }
        }
    }

    /// The server runs and no stop has begun: its health is watched.
    fn is_looked_after(&self) -> bool {
        self.life == Life::Running && self.stage == Stage::Server && self.stop.is_none()
    }

    fn look_after(&mut self, now: Time, todo: &mut Actions) {
        if let Life::Waiting(until) = self.life
            && until <= now
        {
            self.start(now, Stage::Server, todo);
        }
        if self.slow_at().is_some_and(|at| at + LATE <= now) {
            self.started = now;
        } else if self.slow_at().is_some_and(|at| at <= now) {
            self.sick(now, Sickness::Slow, todo);
        }
        if !self.is_looked_after() {
            return;
        }
        match self.health.as_mut().and_then(|health| health.step(now)) {
            Some(Step::Begin) => todo.push(Action::Probe),
            Some(Step::Expire) => {
                todo.push(Action::ExpireProbe);
                self.on_probe(now, false, todo);
            }
            Some(Step::Forget) => todo.push(Action::EndProbe),
            None => {}
        }
        if self.watchdog_due().is_some_and(|due| due + LATE <= now) {
            self.alive = Some(now);
        } else if self.watchdog_due().is_some_and(|due| due <= now) {
            // Once, until it says again that it lives.
            self.alive = None;
            self.silent = true;
            self.sick(now, Sickness::Watchdog, todo);
        }
    }

    /// When a command before the server has taken too long.
    fn slow_at(&self) -> Option<Time> {
        let before = self.life == Life::Running && matches!(self.stage, Stage::Before(_)) && self.stop.is_none();
        before.then(|| self.started + self.policy.before_timeout)
    }

    /// Whether what the server has said of itself must be heard before time is told to pass.
    pub fn is_judged_at(&self, now: Time) -> bool {
        self.is_looked_after() && self.watchdog_due().is_some_and(|due| due <= now)
    }

    fn watchdog_due(&self) -> Option<Time> {
        Some(self.alive? + self.policy.watchdog?)
    }

    fn on_probe(&mut self, now: Time, well: bool, todo: &mut Actions) {
        if self.health.as_mut().is_some_and(|health| health.probed(now, well)) {
            self.sick(now, Sickness::Unhealthy, todo);
        }
    }

    fn on_notice(&mut self, now: Time, notice: Notice, todo: &mut Actions) {
        if self.life != Life::Running || self.stage != Stage::Server {
            return;
        }
        match notice {
            Notice::Ready => {
                self.notified = true;
                self.began = true;
                // From now on it must say that it lives.
                self.alive = self.alive.or(Some(now));
                self.silent = false;
            }
            Notice::Reloading => self.notified = false,
            Notice::Stopping => (self.notified, self.began) = (false, false),
            Notice::Alive => {
                self.alive = Some(now);
                self.silent = false;
            }
            Notice::Trigger => {
                self.alive = None;
                self.silent = true;
                self.sick(now, Sickness::Watchdog, todo);
            }
            Notice::Extend(time) => {
                if let Some(stop) = &mut self.stop {
                    stop.busy = now.saturating_add(time);
                }
            }
        }
    }

    /// The server is not well. Where something is done about it, it has to show its goroutines first.
    fn sick(&mut self, now: Time, sickness: Sickness, todo: &mut Actions) {
        if self.stop.is_some() {
            return;
        }
        todo.push(Action::Sick(sickness));
        let cure = if sickness == Sickness::Slow { Cure::Stop } else { self.policy.cure };
        let (Cure::Stop | Cure::Restart, Some(ladder)) = (cure, self.policy.ladder) else { return };
        let signal = self.policy.stop_signal.unwrap_or(Signal::TERM);
        self.milestones.stop = Some(now);
        self.stop = Some(Stop { sickness: Some(sickness), ..Stop::new(now, Rung::Ask, signal) });
        match ladder.next(Rung::Ask, true) {
            Some(Rung::Dump) if sickness != Sickness::Slow => self.hurry(now),
            _ => self.ask(now, todo),
        }
    }

    /// Takes every rung whose time has come.
    fn climb(&mut self, now: Time, todo: &mut Actions) {
        while let Some(stop) = self.stop.filter(|_| self.life != Life::Left) {
            let Some((rung, _)) = self.due(stop).filter(|(_, at)| *at <= now) else { return };
            match rung {
                Rung::Drain => {}
                Rung::Ask => self.ask(now, todo),
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
                    self.server_killed |= self.hears();
                    todo.push(Action::KillAll);
                }
                // What even SIGKILL does not end does not keep a server from being started again.
                Rung::GiveUp if self.again && self.life == Life::Clearing => {
                    self.finish(now, todo);
                    return;
                }
                Rung::GiveUp => self.leave(todo),
            }
            self.stop = self.stop.map(|stop| Stop { rung, ..stop });
        }
    }

    fn due(&self, stop: Stop) -> Option<(Rung, Time)> {
        let ladder = self.policy.ladder?;
        let next = match ladder.next(stop.rung, self.hears())? {
            // Nobody has been seen who could be killed.
            Rung::Kill if self.life == Life::Clearing && !self.leftovers_asked => Rung::GiveUp,
            next => next,
        };
        let at = |rung| (stop.began + ladder.at(rung)).saturating_sub(stop.skipped);
        let earliest = match (next, self.milestones) {
            // However late the kill was (goward itself may have been stopped), the kernel gets time to carry it out.
            (Rung::GiveUp, Milestones { killed: Some(killed), .. }) => {
                killed + (ladder.at(Rung::GiveUp) - ladder.at(Rung::Kill))
            }
            // A server that says it is busy stopping is left alone a little longer. The kill is never put off.
            (Rung::Dump, _) => {
                stop.busy.min(at(Rung::Kill).saturating_sub(ladder.at(Rung::Abort) - ladder.at(Rung::Dump)))
            }
            (Rung::Abort, Milestones { dumped: Some(dumped), .. }) if stop.busy > at(Rung::Dump) => {
                (dumped + (ladder.at(Rung::Abort) - ladder.at(Rung::Dump))).min(at(Rung::Kill))
            }
            _ => Time::ZERO,
        };
        Some((next, at(next).max(earliest)))
    }

    fn ask(&mut self, now: Time, todo: &mut Actions) {
        let Some(stop) = &mut self.stop else { return };
        stop.rung = Rung::Ask;
        self.milestones.asked = Some(now);
        todo.push(Action::Send(stop.signal));
        self.resume(todo);
    }

    /// Nobody wants to wait: the next rung that does something is due now.
    fn hurry(&mut self, now: Time) {
        let (Some(stop), Some(ladder)) = (self.stop, self.policy.ladder) else { return };
        let target = match ladder.next(Rung::Ask, self.hears()) {
            Some(Rung::Dump) if stop.rung < Rung::Dump => Rung::Dump,
            _ => Rung::Kill,
        };
        let skipped = ladder.at(target).saturating_sub(now.saturating_sub(stop.began)).max(stop.skipped);
        self.stop = Some(Stop { skipped, busy: Time::ZERO, ..stop });
    }

    fn resume(&mut self, todo: &mut Actions) {
        if std::mem::take(&mut self.suspended) {
            todo.push(Action::Continue);
        }
    }

    fn leave(&mut self, todo: &mut Actions) {
        self.life = Life::Left;
        todo.push(Action::Leave(self.code()));
    }

    /// What a signal becomes before it is handed on; none: it is dropped.
    pub fn rewritten(&self, signal: Signal) -> Option<Signal> {
        match self.policy.rewrite.iter().find(|(from, _)| *from == signal) {
            Some((_, to)) => *to,
            None => Some(signal),
        }
    }

    /// A signal that was renamed still starts the deadline, whichever of its two names is a stop.
    /// Without a ladder (the personalities) there is no such thing: every signal is handed on alike.
    fn is_stop(&self, signal: Signal, out: Signal) -> bool {
        self.policy.ladder.is_some() && (self.policy.stop_on.contains(&signal) || self.policy.stop_on.contains(&out))
    }
}
