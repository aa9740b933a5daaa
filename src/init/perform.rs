//! Performing what the supervisor decided.

use super::personality::Note;
use super::trouble::why_refused;
use super::{Init, last_resort, leftovers};
use crate::log;
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
pub(super) struct Retry {
    action: Action,
    tries: u8,
    pub(super) at: Time,
}

impl Retry {
    /// A signal could not be sent to the server.
    pub(super) fn is_of_signal(&self) -> bool {
        matches!(self.action, Action::Send(_))
    }
}

impl Init {
    /// Tells the supervisor, and does what it wants.
    pub(super) fn happened(&mut self, event: Event) {
        let actions = self.supervisor.handle(clock::now(), event);
        self.carry_out(&mut actions.iter(), None);
    }

    /// The same for a signal, or an order that is as good: it may begin the stop. `sent`: the signal that comes first has been sent
    /// already, and this is what the kernel said.
    pub(super) fn requested(
        &mut self,
        event: Event,
        sent: Option<nix::Result<()>>,
        signal: Signal,
        from: &dyn Fn() -> String,
    ) {
        let before = self.supervisor.was_stop_requested();
        let actions = self.supervisor.handle(clock::now(), event);
        if before || !self.supervisor.was_stop_requested() {
            return self.carry_out(&mut actions.iter(), sent);
        }
        // Where the stop has no time at all, all of it is due at once; that it was requested is said first.
        let is_first = |action: &Action| matches!(action, Action::Send(_));
        self.carry_out(&mut actions.iter().take_while(is_first), sent);
        self.stop_begins(signal, from());
        self.carry_out(&mut actions.iter().skip_while(is_first), None);
    }

    /// What the supervisor has decided, in its order.
    pub(super) fn carry_out(&mut self, actions: &mut dyn Iterator<Item = Action>, mut sent: Option<nix::Result<()>>) {
        for action in actions {
            match (action, sent.take()) {
                (Action::Send(_), Some(result)) => self.performed(action, 0, result),
                _ => self.attempt(action, 0),
            }
        }
    }

    pub(super) fn try_again(&mut self) {
        if self.pending.retries.is_empty() {
            return;
        }
        let due = self.pending.due(clock::now());
        // What was for the server is for nobody once it has ended.
        let ended = !self.supervisor.is_running();
        let server = |action| matches!(action, Action::Send(_) | Action::Continue | Action::Dump(_));
        for retry in due.into_iter().filter(|retry| !(ended && server(retry.action))) {
            self.attempt(retry.action, retry.tries);
        }
    }

    pub(super) fn attempt(&mut self, action: Action, tries: u8) {
        let result = self.perform(action);
        self.performed(action, tries, result);
    }

    pub(super) fn performed(&mut self, action: Action, tries: u8, result: nix::Result<()>) {
        let result = match (action, result) {
            // It has left its group, in which nobody is any more.
            (Action::Send(signal), Err(Errno::ESRCH)) if self.settings.to_group && self.supervisor.is_running() => {
                process::send(self.server.pid, signal)
            }
            (_, result) => result,
        };
        // What is tried again has been told.
        if !matches!(action, Action::Suspend | Action::Look | Action::KillVisitors) && tries == 0 {
            self.say(Note::Action(action, &self.supervisor));
        }
        match result {
            Ok(()) => {
                if let Action::Send(signal) = action {
                    self.forwarding.sent = self.forwarding.sent.with(signal);
                }
            }
            // It has gone: what should have been done is done.
            Err(Errno::ESRCH) => self.say(Note::Gone),
            Err(errno) => {
                if let Some(times) = self.troubles.happened(clock::now(), &format!("{action:?}"), errno) {
                    let pid = self.server.pid;
                    let runs = self.supervisor.is_running();
                    let why = runs.then(|| why_refused(action, errno, pid)).flatten();
                    self.say(Note::Refused { action, errno, times, pid, why: why.as_deref() });
                }
                match (action, self.server.group) {
                    _ if tries < TRIES => {
                        self.pending.retries.push(Retry { action, tries: tries + 1, at: clock::now() + LATER });
                    }
                    // It may have other things to do than to wait for a terminal that cannot be had.
                    (Action::GiveTerminal, Some(group)) => drop(process::send(-group, Signal::CONT)),
                    _ => {}
                }
            }
        }
    }

    /// The processes that goward has started for itself.
    pub(super) fn helpers(&self) -> Vec<i32> {
        let readers = self.closing.pids().chain(self.evidence.pids()).chain(self.health.processes());
        readers.chain(log::writers()).chain(self.changes.pid()).chain(self.leftovers.lookers()).collect()
    }

    fn suspended(&mut self, action: Action) -> nix::Result<()> {
        // Told before: afterwards it is over.
        self.say(Note::Action(action, &self.supervisor));
        self.suspend();
        Ok(())
    }

    pub(super) fn perform(&mut self, action: Action) -> nix::Result<()> {
        let running = self.supervisor.is_running() && !self.launching.is_refused();
        let alive = |to: i32| if running { Ok(to) } else { Err(Errno::ESRCH) };
        let whole = self.server.group.map_or(self.server.pid, |group| -group);
        match action {
            Action::Send(signal) => match (running, self.server.group) {
                (true, _) => process::send(self.target(self.forwarding.by_key), signal),
                // dumb-init: the group outlives its leader.
                (false, Some(group)) => process::send(-group, signal),
                (false, None) => Ok(()),
            },
            Action::Continue => process::send(alive(whole)?, Signal::CONT),
            Action::Look => {
                // Said before: what comes of it may be known at once.
                self.say(Note::Action(action, &self.supervisor));
                self.look();
                Ok(())
            }
            Action::Dump(signal) => {
                self.give_up_look();
                process::send(alive(self.server.pid)?, signal)
            }
            Action::AskLeftovers | Action::AskVisitors => self.ask_leftovers(action),
            Action::KillVisitors => self.kill_visitors(action),
            Action::KillAll | Action::KillAgain => {
                // It would end who writes the line that says so.
                log::settle();
                let server = if running { process::send(whole, Signal::KILL) } else { Ok(()) };
                let refused = server == Err(Errno::EPERM);
                if running && refused != self.supervisor.kill_refused() {
                    self.happened(Event::KillRefused(refused));
                }
                server.and(leftovers::kill(self.pid, self.all(), self.server.group))
            }
            Action::GiveTerminal => self.give_terminal(),
            Action::Suspend => self.suspended(action),
            Action::Leave(code) => {
                self.exit_code = Some(code);
                Ok(())
            }
            Action::Start(stage) => {
                self.start(stage);
                Ok(())
            }
            Action::Probe(purpose) => {
                self.probe(purpose);
                Ok(())
            }
            Action::ExpireProbe(purpose) => {
                self.expire_probe(purpose);
                Ok(())
            }
            Action::EndProbe(purpose) => {
                self.end_probe(purpose);
                Ok(())
            }
            Action::Unwell(_) => {
                if self.supervisor.rung().is_some() {
                    last_resort::stop_began(clock::now());
                }
                Ok(())
            }
            // Only to be said.
            Action::Outlived | Action::Await(_) => Ok(()),
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
        terminal::set_foreground(group)?;
        process::send(-group, Signal::CONT)
    }

    fn suspend(&self) {
        if self.settings.personality.stops_without_a_shell() {
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
