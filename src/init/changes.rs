//! Changes of the server's state: the last ones for `goward status`, and the command that is called at each (`--on-change`).
//!
//! The command is told of what is so, not of all that was: one runs at a time, and while it does only the last state waits for
//! the next. Nothing waits for it, neither a signal nor a restart nor the end: when the server has ended, it is ended too.

use super::Init;
use super::personality::{self, Note};
use crate::log;
use crate::signal::Signal;
use crate::spawn::{self, SpawnSpec, Starting};
use crate::supervisor::{Phase, State, Status, Time};
use crate::sys::{clock, process};
use std::collections::VecDeque;
use std::time::Duration;

/// So many changes are kept.
const KEPT: usize = 10;
/// How long a command may take. What comes next waits for it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is known of the server's states.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The last states, each with the time of day at which it began.
    pub(super) last: VecDeque<(String, State)>,
    /// The command under way.
    command: Option<Command>,
    /// What is to be told when it has ended.
    waiting: Option<State>,
}

/// A command that is told of a state.
#[derive(Debug)]
struct Command {
    start: Starting,
    state: State,
    /// When it is ended; none: it was.
    until: Option<Time>,
}

impl Changes {
    /// Its pid.
    pub(super) fn pid(&self) -> Option<i32> {
        self.command.as_ref().map(|command| command.start.pid())
    }

    /// When the time of the command is up.
    pub(super) fn due(&self) -> Option<Time> {
        self.command.as_ref()?.until
    }

    /// Ends the command, with all that it has started in its group. True: it was not done before.
    pub(super) fn end(&mut self) -> bool {
        let Some(command) = self.command.as_mut().filter(|command| command.until.is_some()) else { return false };
        command.until = None;
        let pid = command.start.pid();
        let _ = process::send(-pid, Signal::KILL).or_else(|_| process::send(pid, Signal::KILL));
        true
    }
}

impl Init {
    /// Looks whether the server's state has changed. In every turn of the loop.
    pub(super) fn note_change(&mut self) {
        if !self.settings.personality.is_goward() {
            return;
        }
        // Until its exec is over nothing runs that could be ready.
        let starts = self.launching.starting.is_some() && self.supervisor.phase() == Phase::Running;
        let state = if starts { State::Starting } else { self.supervisor.state() };
        if self.changes.last.back().is_none_or(|(_, last)| *last != state) {
            if self.changes.last.len() >= KEPT {
                self.changes.last.pop_front();
            }
            self.changes.last.push_back((log::time_of_day(), state));
            let told = state != State::Starting && !self.settings.on_change.is_empty();
            self.changes.waiting = Some(state).filter(|_| told);
        }
        if self.changes.due().is_some_and(|due| due <= clock::now()) && self.changes.end() {
            self.say(Note::Warning(&format!("the --on-change command took longer than {TIMEOUT:?} and was killed")));
        }
        self.tell_of_change();
    }

    /// Calls the command, unless one runs, or the server has ended: what comes then has no time.
    fn tell_of_change(&mut self) {
        if self.changes.command.is_some() || self.supervisor.is_clearing() {
            return;
        }
        let Some(state) = self.changes.waiting.take() else { return };
        let env = self.launching.launch.environment_with(&[("GOWARD_STATE", state.name())]);
        let order = self.launching.launch.order(&self.settings, &self.settings.on_change);
        match spawn::begin(&SpawnSpec { env: Some(&env), ..order.beside() }) {
            Ok(start) => {
                let until = Some(clock::now() + TIMEOUT);
                self.changes.command = Some(Command { start, state, until });
            }
            Err(unstarted) => self.say(Note::Warning(&format!("--on-change: {}", unstarted.why))),
        }
    }

    /// A process has ended. False: it was not the command.
    pub(super) fn change_was_told(&mut self, pid: i32, status: Status) -> bool {
        let Some(mut command) = self.changes.command.take_if(|command| command.start.pid() == pid) else {
            return false;
        };
        if let Some(Err(why)) = command.start.outcome() {
            self.say(Note::Warning(&format!("--on-change: {why}")));
        } else if status != Status::Code(0) && command.until.is_some() {
            let (state, how) = (command.state.name(), personality::how(status));
            self.say(Note::Warning(&format!("the --on-change command for {state} {how}")));
        }
        true
    }
}
