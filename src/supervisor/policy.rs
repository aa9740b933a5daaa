//! The settings of the supervisor: they come from the options of `run`, and never change.

use super::{Ladder, Purpose, Restart, Schedule, Stage, UnhealthyAction};
use crate::signal::Signal;
use std::time::Duration;

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

/// What the server is asked with when a stop has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopSignal {
    /// The signal that came.
    #[default]
    AsItCame,
    /// This one, whichever came.
    This(Signal),
    /// None: the platform has told the server already.
    Nothing,
}

impl StopSignal {
    /// What is sent where `came` has begun the stop.
    pub fn replaces(self, came: Signal) -> Option<Signal> {
        match self {
            StopSignal::AsItCame => Some(came),
            StopSignal::This(signal) => Some(signal),
            StopSignal::Nothing => None,
        }
    }
}

/// Signals by number: which start a stop, what each becomes.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The stop ladder; none: no deadline at all (the personalities).
    pub ladder: Option<Ladder>,
    /// What starts a stop.
    pub stop_on: Vec<Signal>,
    /// What the server is asked with.
    pub stop_signal: StopSignal,
    /// What a signal becomes before it is handed on; `None` drops it. See [`Policy::rewritten`].
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
    /// When it is probed for its health; none: never.
    pub health: Option<Schedule>,
    /// When it is probed for its readiness alone; none: never.
    pub ready: Option<Schedule>,
    /// What is done when it is not well.
    pub on_unhealthy: UnhealthyAction,
    /// It says by itself when it is ready.
    pub notify: bool,
    /// How often it must say that it lives.
    pub watchdog: Option<Duration>,
    /// How long after its start it must have said that it is ready.
    pub start_timeout: Option<Duration>,
    /// By what it reads its configuration again; none: SIGHUP.
    pub reload_signal: Option<Signal>,
}

impl Policy {
    /// Whether more than the server is ever started.
    pub fn starts_again(&self) -> bool {
        self.before > 0
            || self.after > 0
            || self.restart != Restart::No
            || self.on_unhealthy == UnhealthyAction::Restart
    }

    /// When it is probed for this.
    pub fn schedule(&self, purpose: Purpose) -> Option<Schedule> {
        match purpose {
            Purpose::Health => self.health,
            Purpose::Ready => self.ready,
        }
    }

    /// Whether it is probed at all.
    pub fn probes(&self) -> bool {
        self.health.is_some() || self.ready.is_some()
    }

    /// What a signal becomes before it is handed on. The last one for a signal wins; none: it is dropped.
    pub fn rewritten(&self, signal: Signal) -> Option<Signal> {
        self.rewrite.iter().rev().find(|(from, _)| *from == signal).map_or(Some(signal), |(_, to)| *to)
    }

    /// What the server is asked with where `came` has begun the stop, even if that is dropped, or the platform has told the
    /// server already.
    pub fn asked_with(&self, came: Signal) -> Signal {
        let out = self.rewritten(came).unwrap_or(came);
        self.stop_signal.replaces(out).unwrap_or(out)
    }

    /// What the server is asked with where goward itself has begun the stop: what SIGTERM would have become, since nobody has
    /// told the server of this one.
    pub fn own_stop_signal(&self) -> Signal {
        self.asked_with(Signal::TERM)
    }

    pub(super) fn first(&self) -> Stage {
        if self.before > 0 { Stage::Before(0) } else { Stage::Server }
    }
}
