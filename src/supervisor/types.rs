//! The words of the supervisor: what happens, what is to be done, and how far a stop has come.

use crate::exit;
use crate::signal::Signal;
use std::fmt::{Display, from_fn};
use std::time::Duration;

/// Monotonic time since some fixed moment.
pub type Time = Duration;

/// A time that somebody set, as they would write it: `10s`, `1.5s`. Of zero `{:?}` would make `0ns`.
pub fn limit(time: Time) -> impl Display {
    from_fn(move |f| if time.is_zero() { f.write_str("0s") } else { write!(f, "{time:?}") })
}

/// How the server ended, from waitid(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It called exit(2) with this code.
    Code(u8),
    /// A signal ended it.
    Signal(Signal),
    /// There was none: it could not be started. 125, 126 or 127.
    Unstarted(u8),
}

impl Status {
    /// The exit code that shells and docker show for it.
    pub fn code(self) -> u8 {
        match self {
            Status::Code(code) | Status::Unstarted(code) => code,
            Status::Signal(signal) => exit::by_signal(signal.number() as u8),
        }
    }
}

/// What happened in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// goward was sent a signal; as it was received, before rewriting.
    Signal(Signal),
    /// The same, by a key at the terminal: somebody sits there and does not want to wait.
    Key(Signal),
    /// The server, or the hook in its place, was reaped; or it could not even be started.
    Ended(Status),
    /// The server was stopped (not ended) by a signal.
    Stopped(Signal),
    /// The server runs again after a suspension.
    Continued,
    /// After the server's end: processes are still there that it left behind.
    OthersRemain,
    /// After the server's end: all that are still there came in from outside (docker exec). `told`: they know that it is over.
    VisitorsRemain {
        /// They have been sent SIGHUP and SIGTERM.
        told: bool,
        /// Some of them could be: not all are another user's.
        in_reach: bool,
    },
    /// After the server's end: nobody is there any more.
    NobodyRemains,
    /// The look at the server's memory is over. False: it failed, and the server has to print its goroutines itself.
    Looked(bool),
    /// Whether the kernel has refused SIGKILL to the server. False: it was sent after all, when that was tried again.
    KillRefused(bool),
    /// The probe under way for this is over: whether it was well.
    Probed(Purpose, bool),
    /// The server said something about itself.
    Notified(Notice),
    /// Somebody who may has told goward to do this.
    Ordered(Order),
    /// Only time has passed.
    Tick,
}

/// What a server says of itself, see sd_notify(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// READY=1: it takes requests.
    Ready,
    /// RELOADING=1, until the next READY=1.
    Reloading,
    /// STOPPING=1: it has begun to stop.
    Stopping,
    /// WATCHDOG=1: it says that it is alive.
    Alive,
    /// WATCHDOG=trigger: it has found out by itself that it does not.
    Trigger,
    /// EXTEND_TIMEOUT_USEC=…: it is busy stopping.
    Extend(Duration),
}

/// What a server is probed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whether it is well (`--health`).
    Health,
    /// Whether requests may be sent to it (`--ready`).
    Ready,
}

impl Purpose {
    /// Both.
    pub const ALL: [Purpose; 2] = [Purpose::Health, Purpose::Ready];
}

/// What goward can be told to do, beside being sent signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Stop, as by SIGTERM.
    Stop,
    /// Stop the server in the same way, and start it again.
    Restart,
    /// Send the server the signal by which it reads its configuration again.
    Reload,
}

/// How the server is, for whoever is told of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It was not ready yet.
    #[default]
    Starting,
    /// Requests may be sent to it.
    Ready,
    /// It was ready, and is not.
    Unready,
    /// It is not well.
    Unhealthy,
    /// A stop has begun.
    Stopping,
}

impl State {
    /// The name by which others are told of it.
    pub fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Unready => "unready",
            State::Unhealthy => "unhealthy",
            State::Stopping => "stopping",
        }
    }
}

/// What goward waits for with waitpid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A command before the server, by number.
    Before(usize),
    /// The server itself.
    Server,
    /// A command after the server, by number.
    After(usize),
}

/// Why a server is stopped without being asked by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Too many probes in a row have failed.
    Unhealthy,
    /// It has not said WATCHDOG=1 in time.
    Watchdog,
    /// It has not said READY=1 in time.
    StartTimeout,
    /// A command before the server took too long.
    HookTimeout,
}

/// What is done about a server that is not well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnhealthyAction {
    /// It is told, no more.
    #[default]
    Log,
    /// It has to show its goroutines, is asked to stop, and the container ends.
    Stop,
    /// It has to show its goroutines, is asked to stop, and is started again.
    Restart,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This signal to the server (to its group with -g).
    Send(Signal),
    /// SIGCONT to the server's group: a stopped process cannot stop.
    Continue,
    /// Read the server's goroutines out of its memory, and show them.
    Look,
    /// This signal to the server's process alone: several dumps would run into each other.
    Dump(Signal),
    /// SIGTERM to whatever the server left behind; SIGHUP too to who came in from outside.
    AskLeftovers,
    /// SIGHUP and SIGTERM to all that are there: they came in from outside.
    AskVisitors,
    /// SIGKILL to who came in from outside.
    KillVisitors,
    /// SIGKILL to the server's group and to all leftovers.
    KillAll,
    /// The same once more, for what was born while the others died.
    KillAgain,
    /// SIGKILL has not ended the server yet, and it is waited for.
    Outlived,
    /// The server wants the terminal: make its group the foreground and continue it.
    GiveTerminal,
    /// Stop as a job under a shell stops.
    Suspend,
    /// Start this process.
    Start(Stage),
    /// Begin a probe for this.
    Probe(Purpose),
    /// The probe under way for this has taken too long: give it up, and count it as a failure.
    ExpireProbe(Purpose),
    /// Nobody wants to know the outcome of the probe under way for this.
    EndProbe(Purpose),
    /// The server is not well.
    Unwell(StopReason),
    /// The server will be started again after this.
    Await(Duration),
    /// The end, with this exit code.
    Leave(u8),
}

/// At most this many actions follow from one event.
const MOST: usize = 16;

/// The actions that follow from one event, in order.
#[must_use = "an action that is not performed is a signal lost"]
#[derive(Clone, Copy, Debug, Default)]
pub struct Actions {
    list: [Option<Action>; MOST],
    length: usize,
}

impl Actions {
    pub(super) fn push(&mut self, action: Action) {
        debug_assert!(self.length < MOST);
        if let Some(place) = self.list.get_mut(self.length) {
            *place = Some(action);
            self.length += 1;
        }
    }

    pub(super) fn extend(&mut self, action: Option<Action>) {
        action.into_iter().for_each(|action| self.push(action));
    }

    /// In the order they must be performed.
    pub fn iter(&self) -> impl Iterator<Item = Action> + '_ {
        self.list.iter().flatten().copied()
    }
}

/// When things happened, for the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    /// The first stop signal came.
    pub stop: Option<Time>,
    /// The server was asked to stop.
    pub stop_sent: Option<Time>,
    /// Somebody at the terminal sent a second stop signal, and would not wait.
    pub interrupted: Option<Time>,
    /// The look at the server's memory began.
    pub looked: Option<Time>,
    /// SIGQUIT was sent for the dump.
    pub dumped: Option<Time>,
    /// SIGABRT was sent for the dump.
    pub aborted: Option<Time>,
    /// SIGKILL was due. [`Supervisor::server_killed`](super::Supervisor::server_killed) tells whether the server got it.
    pub killed: Option<Time>,
    /// The server was reaped.
    pub ended: Option<Time>,
}

/// The same for people and for `goward status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A command before the server runs.
    Before,
    /// The server runs, and no stop was requested.
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
    /// The phase's name, as `goward status` prints it.
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
