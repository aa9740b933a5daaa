//! Performing what the supervisor decided.

use super::voice::Note;
use super::{Init, last_resort, leftovers};
use crate::config::Voice;
use crate::signal::Signal;
use crate::supervisor::{Action, Event, Time};
use crate::sys::{clock, process, terminal};
use nix::errno::Errno;
use std::time::Duration;

/// How often an action that the kernel refused is tried again, and how much later.
const TRIES: u8 = 5;
const LATER: Duration = Duration::from_millis(10);

/// An action that the kernel refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    action: Action,
    tries: u8,
    pub(super) at: Time,
}

impl Init {
    /// Tells the supervisor, and does what it wants.
    pub(super) fn happened(&mut self, event: Event) {
        self.happened_after(event, None);
    }

    /// The same, where the signal that comes first has been sent already, and this is what the kernel said.
    pub(super) fn happened_after(&mut self, event: Event, mut sent: Option<nix::Result<()>>) {
        let actions = self.supervisor.handle(clock::now(), event);
        for action in actions.iter() {
            match (action, sent.take()) {
                (Action::Send(_), Some(result)) => self.performed(action, 0, result),
                _ => self.attempt(action, 0),
            }
        }
    }

    pub(super) fn try_again(&mut self) {
        if self.again.is_empty() {
            return;
        }
        let now = clock::now();
        let (due, later): (Vec<Again>, Vec<Again>) = self.again.drain(..).partition(|again| again.at <= now);
        self.again = later;
        // What was for the server is for nobody once it has ended.
        let ended = !self.supervisor.is_running();
        let server = |action| matches!(action, Action::Send(_) | Action::Continue | Action::Dump(_));
        for again in due.into_iter().filter(|again| !(ended && server(again.action))) {
            self.attempt(again.action, again.tries);
        }
    }

    pub(super) fn attempt(&mut self, action: Action, tries: u8) {
        let result = self.perform(action);
        self.performed(action, tries, result);
    }

    pub(super) fn performed(&mut self, action: Action, tries: u8, result: nix::Result<()>) {
        if action != Action::Suspend {
            self.say(Note::Action(action, &self.supervisor));
        }
        match result {
            Ok(()) => {}
            // It has gone: what should have been done is done.
            Err(Errno::ESRCH) => self.say(Note::Gone),
            Err(errno) => {
                self.say(Note::Refused(action, errno));
                if tries < TRIES {
                    self.again.push(Again { action, tries: tries + 1, at: clock::now() + LATER });
                }
            }
        }
    }

    pub(super) fn perform(&mut self, action: Action) -> nix::Result<()> {
        let running = self.supervisor.is_running();
        let alive = |to: i32| if running { Ok(to) } else { Err(Errno::ESRCH) };
        let whole = self.server.group.map_or(self.server.pid, |group| -group);
        match action {
            Action::Send(signal) => match (running, self.server.group) {
                (true, _) => process::send(self.target(self.by_key), signal),
                // dumb-init: the group outlives its leader.
                (false, Some(group)) => process::send(-group, signal),
                (false, None) => Ok(()),
            },
            Action::Continue => process::send(alive(whole)?, Signal::CONT),
            Action::Dump(signal) => {
                if let Some(relay) = self.relay.as_mut() {
                    relay.expect_dump();
                }
                process::send(alive(self.server.pid)?, signal)
            }
            Action::AskLeftovers => {
                // Named first: who obeys at once is gone before it could be.
                let names = leftovers::names(self.pid, self.all());
                let sent = leftovers::send(self.pid, self.all(), self.server.group, Signal::TERM);
                let continued = leftovers::send(self.pid, self.all(), self.server.group, Signal::CONT);
                self.say(Note::Leftovers(&names));
                self.leftovers = names;
                sent.and(continued)
            }
            Action::KillAll | Action::KillAgain => {
                let server = if running { process::send(whole, Signal::KILL) } else { Ok(()) };
                server.and(leftovers::send(self.pid, self.all(), self.server.group, Signal::KILL))
            }
            Action::GiveTerminal => self.give_terminal(),
            Action::Suspend => {
                // Said before: afterwards it is over.
                self.say(Note::Action(action, &self.supervisor));
                self.suspend();
                Ok(())
            }
            Action::Leave(code) => {
                self.leaving = Some(code);
                Ok(())
            }
            Action::Start(stage) => {
                self.start(stage);
                Ok(())
            }
            Action::Probe => {
                self.probe();
                Ok(())
            }
            Action::ExpireProbe => {
                self.expire_probe();
                Ok(())
            }
            Action::EndProbe => {
                self.end_probe();
                Ok(())
            }
            Action::Sick(_) => {
                if self.supervisor.rung().is_some() {
                    last_resort::stop_began(clock::now());
                }
                Ok(())
            }
            // Only to be said.
            Action::Await(_) => Ok(()),
        }
    }

    /// Whether leftovers are all processes of the container. When the server is started again they are its own only:
    /// somebody may look at the container by docker exec.
    pub(super) fn all(&self) -> bool {
        self.pid == 1 && self.supervisor.is_final()
    }

    /// The server wants the terminal. It gets it if that is goward's to give; a background job stops, as under a shell.
    fn give_terminal(&self) -> nix::Result<()> {
        let Some(group) = self.server.group else { return Ok(()) };
        // Only somebody else's terminal is not given: that it cannot be told is no reason to leave the server stopped.
        if terminal::foreground().is_some_and(|holder| holder != self.own_group && holder != group) {
            self.suspend_as_job(true);
            return Ok(());
        }
        let _ = terminal::set_foreground(group);
        process::send(-group, Signal::CONT)
    }

    fn suspend(&self) {
        if let Voice::DumbInit { .. } = self.settings.voice {
            // Whatever is above it. The kernel never stops a PID 1, but would take back the SIGCONT that already waits there.
            if self.pid != 1 {
                let _ = signal_hook::low_level::emulate_default_handler(Signal::STOP.number());
            }
            return;
        }
        self.suspend_as_job(self.server.group.is_some() && terminal::foreground() == self.server.group);
    }

    /// Stops as the job of a shell does, and goes on when the shell says so. PID 1 has no shell above it, and neither
    /// has a process whose parent is of another session: nobody would ever continue it.
    fn suspend_as_job(&self, server_wants_terminal: bool) {
        use nix::unistd::{Pid, getpgid, getppid, getsid};
        let parent = Some(getppid());
        let own = Ok(Pid::from_raw(self.own_group));
        let has_shell = self.pid != 1 && getsid(parent) == getsid(None) && getpgid(parent) != own;
        let Some(group) = self.server.group.filter(|_| has_shell) else { return };
        let _ = signal_hook::low_level::emulate_default_handler(Signal::TSTP.number());
        // Continued: in the foreground (fg), or in the background (bg), where the terminal is the shell's.
        if server_wants_terminal && terminal::foreground() == Some(self.own_group) {
            let _ = terminal::set_foreground(group);
        }
        let _ = process::send(-group, Signal::CONT);
    }
}
