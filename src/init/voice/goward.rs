//! goward's own words.

use super::Note;
use crate::signal::Signal;
use crate::supervisor::{Action, Cure, Rung, Sickness, Stage, Status, Supervisor};
use crate::sys::inbox::{Received, Sender};
use crate::sys::process;
use std::fmt::{Display, from_fn};
use tracing::{debug, info, warn};

const TARGET: &str = "goward";

pub(super) fn say(note: Note<'_>) {
    match note {
        Note::Gone | Note::HandOff(_) | Note::Round { .. } => {}
        Note::Received(received, _) if received.signal == Signal::CHLD => {}
        Note::Leaving(code) => debug!(target: TARGET, code, "leaving"),
        Note::Spawned { pid } => debug!(target: TARGET, pid, "the server runs"),
        Note::Received(received, _) => {
            debug!(target: TARGET, signal = %received.signal, from = from(received), "received");
        }
        Note::StopBegins { signal, from, supervisor } => stop_begins(signal, from, supervisor),
        Note::Action(action, supervisor) => did(action, supervisor),
        Note::Refused(action, errno) => {
            warn!(target: TARGET, error = errno.desc(), "the kernel refused: {}", what(action));
        }
        Note::Reaped { pid, status, loud: true } => warn!(target: TARGET, pid, "reaped an orphan, {}", how(status)),
        Note::Reaped { pid, status, loud: false } => debug!(target: TARGET, pid, "reaped an orphan, {}", how(status)),
        Note::Ended { pid, status } => debug!(target: TARGET, pid, "the server {}", how(status)),
        Note::Started { stage: Stage::Server, pid, .. } => info!(target: TARGET, pid, "the server runs"),
        Note::Started { stage, pid, program } => info!(target: TARGET, pid, program, "{} runs", name(stage)),
        Note::Probed(outcome) if outcome.well => debug!(target: TARGET, "a probe: {}", outcome.text),
        Note::Probed(outcome) => info!(target: TARGET, "a probe failed: {}", outcome.text.replace('\n', " | ")),
        Note::Healthy => info!(target: TARGET, "the server is healthy"),
        Note::Ready(true) => info!(target: TARGET, "the server says that it is ready"),
        Note::Ready(false) => info!(target: TARGET, "the server says that it is not ready"),
        Note::Leftovers(processes) => {
            let processes = (!processes.is_empty()).then_some(processes);
            info!(target: TARGET, processes, "the server left processes behind; SIGTERM to them");
        }
        Note::Warning(text) => warn!(target: TARGET, "{text}"),
        Note::Trouble(call, errno) => {
            warn!(target: TARGET, call, error = errno.desc(), "a system call failed; going on")
        }
    }
}

fn stop_begins(signal: Signal, from: &str, supervisor: &Supervisor) {
    let Some(ladder) = supervisor.policy().ladder else { return };
    let within = format!("{:?}", ladder.timeout());
    if supervisor.rung() == Some(Rung::Drain) {
        let drain = format!("{:?}", ladder.at(Rung::Ask));
        info!(target: TARGET, %signal, from, drain, within, "a stop was asked for; draining first");
    } else {
        info!(target: TARGET, %signal, from, within, "a stop was asked for; the server has been told");
    }
}

fn did(action: Action, supervisor: &Supervisor) {
    match action {
        Action::Send(signal) if supervisor.rung() == Some(Rung::Ask) => {
            debug!(target: TARGET, %signal, "telling the server");
        }
        Action::Send(signal) => debug!(target: TARGET, %signal, "forwarding"),
        Action::Continue => {
            info!(target: TARGET, "the server is stopped (SIGSTOP or the like); continuing it, so that it can stop")
        }
        Action::Dump(Signal::QUIT) if supervisor.sickness().is_some() => {
            warn!(target: TARGET, "SIGQUIT to the server, so that it prints its goroutines");
        }
        Action::Dump(Signal::QUIT) => {
            warn!(target: TARGET, "the server has missed its deadline; SIGQUIT, so that it prints its goroutines");
        }
        // Not a line in the middle of a dump: that it was sent, the record tells.
        Action::Dump(_) | Action::AskLeftovers => {}
        Action::KillAll if supervisor.ended().is_some() => {
            warn!(target: TARGET, "time is up; SIGKILL to what was left behind")
        }
        Action::KillAll => {
            if supervisor.milestones.dumped.is_some() {
                // A dump that was cut may end in the middle of a line.
                crate::log::newline();
            }
            warn!(target: TARGET, "time is up; SIGKILL");
        }
        Action::KillAgain => debug!(target: TARGET, "SIGKILL to what is still there"),
        Action::GiveTerminal => debug!(target: TARGET, "the server wants the terminal"),
        Action::Suspend => debug!(target: TARGET, "stopping as a job"),
        Action::Sick(sickness) => {
            let cure = match (sickness, supervisor.policy().cure) {
                (Sickness::Slow, _) => "it is stopped",
                (_, Cure::Log) => "nothing is done about it",
                (_, Cure::Stop) => "it is stopped",
                (_, Cure::Restart) => "it is started again",
            };
            let failures = Some(supervisor.failures()).filter(|failures| *failures > 0);
            warn!(target: TARGET, failures, "{}; {cure}", complaint(sickness));
        }
        Action::Await(time) => {
            let restarts = supervisor.restarts();
            let how = supervisor.ended().map(|status| how(status).to_string()).unwrap_or_default();
            warn!(target: TARGET, restarts, "the server {how}; it is started again in {time:?}");
        }
        Action::Leave(_) | Action::Start(_) | Action::Probe | Action::ExpireProbe | Action::EndProbe => {}
    }
}

fn what(action: Action) -> String {
    match action {
        Action::Send(signal) => format!("{signal} to the server"),
        Action::Continue => "SIGCONT to the server".to_owned(),
        Action::Dump(signal) => format!("{signal} for the dump"),
        Action::AskLeftovers => "SIGTERM to what was left behind".to_owned(),
        Action::KillAll | Action::KillAgain => "SIGKILL".to_owned(),
        Action::GiveTerminal => "giving the terminal to the server".to_owned(),
        Action::Suspend => "stopping".to_owned(),
        Action::Leave(_) => "leaving".to_owned(),
        Action::Start(stage) => format!("starting {}", name(stage)),
        Action::Probe | Action::ExpireProbe | Action::EndProbe => "a probe".to_owned(),
        Action::Sick(_) | Action::Await(_) => "waiting".to_owned(),
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Before(_) => "the command before the server",
        Stage::Server => "the server",
        Stage::After(_) => "the command after the server",
    }
}

/// What is wrong with a server that nobody has asked to stop.
pub(in crate::init) fn complaint(sickness: Sickness) -> &'static str {
    match sickness {
        Sickness::Unhealthy => "the server is unhealthy",
        Sickness::Watchdog => "the server has not said WATCHDOG=1 in time",
        Sickness::Slow => "the command before the server takes too long",
    }
}

/// `exited with code 2`, `was ended by SIGKILL`.
pub(in crate::init) fn how(status: Status) -> impl Display {
    from_fn(move |f| match status {
        Status::Code(code) => write!(f, "exited with code {code}"),
        Status::Signal(signal) => write!(f, "was ended by {signal}"),
    })
}

/// Who sent a signal, as far as can be known: `pid 17 (sh), uid 0`.
pub(in crate::init) fn from(received: &Received) -> String {
    match received.sender {
        Sender::Kernel => "the kernel (a key, a hang-up)".to_owned(),
        Sender::Descriptor => "a descriptor".to_owned(),
        // The pid namespace hides it: docker stop, the kubelet, a shell on the host.
        Sender::Process { pid: 0, uid } => format!("outside the container, uid {uid}"),
        Sender::Process { pid, uid } => match process::look_at(pid) {
            Some(process) => format!("pid {pid} ({}), uid {uid}", process.name),
            None => format!("pid {pid}, uid {uid}"),
        },
    }
}
