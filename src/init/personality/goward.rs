//! goward's own words, and who sent a signal (`from`). A line is read by somebody who was woken by it: it names the signal, the
//! option and the number of seconds, and says nothing that was not seen.

use super::Note;
use crate::log;
use crate::platform::Source;
use crate::probe::Outcome;
use crate::signal::Signal;
use crate::supervisor::{Action, Purpose, Rung, Stage, Status, StopReason, Supervisor, Time, UnhealthyAction, limit};
use crate::sys::inbox::{Received, Sender, Way};
use crate::sys::process;
use std::fmt::{Display, from_fn};
use tracing::{debug, info, warn};

const TARGET: &str = "goward";

/// `detailed`: with the fields of a line whose text says the same, as the JSON log has them, and -v.
pub(super) fn say(detailed: bool, note: Note<'_>) {
    match note {
        Note::Gone | Note::HandOff(_) | Note::Round { .. } => {}
        Note::Received(received, _) if received.signal == Signal::CHLD => {}
        Note::Leaving(code) => debug!(target: TARGET, code, "exiting"),
        Note::Spawned { pid } => debug!(target: TARGET, pid, "the process was started"),
        Note::Received(received, _) => {
            debug!(target: TARGET, signal = %received.signal, from = from(received), "received");
        }
        Note::StopTimeout(supervisor, source) => stop_timeout(supervisor, source),
        Note::StopBegins { signal, from, supervisor, refused } => {
            stop_begins(detailed, signal, from, supervisor, refused);
            tell_keys(from, supervisor);
        }
        Note::Told { what, signal, from } => {
            let signal = from_fn(|f| signal.map_or(Ok(()), |signal| write!(f, " {signal}")));
            if detailed {
                info!(target: TARGET, from, "{what}{signal} requested by {}", whence(from));
            } else {
                info!(target: TARGET, "{what}{signal} requested by {}", whence(from));
            }
        }
        Note::Action(action, supervisor) => did(action, supervisor),
        Note::Refused { action, errno, times, why, .. } => {
            let times = (times > 1).then_some(times);
            let why = from_fn(|f| why.map_or(Ok(()), |why| write!(f, ": {why}")));
            warn!(target: TARGET, error = errno.desc(), times, "cannot {}{why}", what(action));
        }
        Note::Reaped { pid, status, loud: true } => {
            warn!(target: TARGET, pid, "reaped an orphan, which {}", how(status))
        }
        Note::Reaped { pid, status, loud: false } => {
            debug!(target: TARGET, pid, "reaped an orphan, which {}", how(status))
        }
        Note::Ended { pid, status } => debug!(target: TARGET, pid, "the process {}", how(status)),
        Note::Started { stage: Stage::Server, pid, .. } => info!(target: TARGET, pid, "the server was started"),
        Note::Started { stage, pid, program } => info!(target: TARGET, pid, program, "{} was started", name(stage)),
        Note::Probed { purpose, outcome, counts } => probed(purpose, outcome, counts),
        Note::Well(Purpose::Health) => info!(target: TARGET, "the server is healthy"),
        Note::Well(Purpose::Ready) => info!(target: TARGET, "the server is ready"),
        Note::Unready => warn!(target: TARGET, "the server is not ready: its readiness probes fail"),
        Note::Ready(None) => info!(target: TARGET, "the server is ready (READY=1)"),
        Note::Ready(Some(why)) => info!(target: TARGET, "the server is not ready: {why}"),
        Note::Leftovers { processes, visitors } => {
            if !visitors.is_empty() {
                info!(target: TARGET, visitors, "sending SIGHUP and SIGTERM to processes that joined the container (docker exec)");
            }
            if !processes.is_empty() || visitors.is_empty() {
                let processes = (!processes.is_empty()).then_some(processes);
                info!(target: TARGET, processes, "sending SIGTERM to the processes left behind");
            }
        }
        Note::BeyondReach(visitors) => {
            info!(target: TARGET, visitors, "processes of other users that joined the container (docker exec) end with it");
        }
        Note::Warning(text) => warn!(target: TARGET, "{text}"),
        Note::Trouble(call, errno, times) => {
            let times = (times > 1).then_some(times);
            warn!(target: TARGET, call, error = errno.desc(), times, "a system call failed; goward continues");
        }
        Note::OtherWay(way, errno) => {
            let error = errno.desc();
            let how = match way {
                Way::Wait => "with sigtimedwait again",
                Way::Descriptor => "through a signalfd",
                Way::Pending => "by polling 100 times a second, without their senders",
            };
            warn!(target: TARGET, error, "cannot wait for signals with sigtimedwait; receiving them {how}");
        }
    }
}

fn probed(purpose: Purpose, outcome: &Outcome, counts: bool) {
    let kind = match purpose {
        Purpose::Health => "health",
        Purpose::Ready => "readiness",
    };
    let how = if outcome.well { "succeeded" } else { "failed" };
    let text = from_fn(|f| write!(f, "{kind} probe {how}: {}", outcome.text.replace('\n', " | ")));
    if counts && !outcome.well {
        info!(target: TARGET, "{text}");
    } else {
        debug!(target: TARGET, "{text}");
    }
}

/// Where a platform gives the number somebody may have to set another one there. Docker's is what everybody expects.
fn stop_timeout(supervisor: &Supervisor, source: Source) {
    let Some(timeout) = supervisor.policy().ladder.map(|ladder| limit(ladder.timeout())) else { return };
    match (source, source.reason()) {
        (Source::Docker, Some(why)) => debug!(target: TARGET, "--stop-timeout is {timeout}: {why}"),
        (_, Some(why)) => info!(target: TARGET, "--stop-timeout is {timeout}: {why}"),
        (_, None) => {}
    }
}

fn stop_begins(detailed: bool, signal: Signal, from: &str, supervisor: &Supervisor, refused: bool) {
    let Some(ladder) = supervisor.policy().ladder else { return };
    let (timeout, drain) = (limit(ladder.timeout()), limit(ladder.at(Rung::Ask)));
    let who = name(supervisor.stage());
    let policy = supervisor.policy();
    let sent = policy.stop_signal.replaces(policy.rewritten(signal).unwrap_or(signal));
    // Of an order the platform has told the server nothing.
    let sent = sent.or(supervisor.milestones.stop_sent.map(|_| signal));
    let sent = from_fn(|f| match sent {
        // Why has been said.
        Some(sent) if refused => write!(f, "{sent} could not be sent to {who}"),
        Some(sent) if sent == signal => write!(f, "forwarded to {who}"),
        Some(sent) => write!(f, "{sent} sent to {who}"),
        None => write!(f, "not forwarded to {who} (--stop-signal none)"),
    });
    let draining = supervisor.rung() == Some(Rung::Drain);
    let then = from_fn(|f| {
        if !supervisor.accepts_signals() {
            f.write_str("the server is not running and will not be restarted")
        } else if supervisor.was_stopping_already() {
            write!(f, "{sent}, which was already being stopped")
        } else if draining {
            write!(f, "draining for {drain} of {timeout} before {who} is asked to stop")
        } else {
            write!(f, "{sent}, which has {timeout}")
        }
    });
    // The record follows at once where the server ends at once.
    log::hold();
    if detailed {
        let drain = draining.then(|| drain.to_string());
        let within = timeout.to_string();
        info!(target: TARGET, %signal, from, drain, within, "stop requested: {signal} from {}; {then}", whence(from));
    } else {
        info!(target: TARGET, "stop requested: {signal} from {}; {then}", whence(from));
    }
}

/// After the first Ctrl-C that reaches goward: what the next ones do. Once the server has taken the terminal they are the server's.
fn tell_keys(from: &str, supervisor: &Supervisor) {
    let policy = supervisor.policy();
    if !policy.interactive || from != CTRL_C || !supervisor.accepts_signals() {
        return;
    }
    let who = name(supervisor.stage());
    let dump = match policy.ladder.and_then(|ladder| ladder.next(Rung::Ask, true)) {
        Some(Rung::Look) => "to see its goroutines",
        Some(Rung::Dump) => "for a goroutine dump (SIGQUIT)",
        _ => "",
    };
    let next = match (supervisor.rung() == Some(Rung::Drain), dump.is_empty()) {
        (false, false) => format!("{dump}, a third time"),
        (false, true) => String::new(),
        (true, false) => format!("to end the drain, a third time {dump}, a fourth"),
        (true, true) => "to end the drain, a third time".to_owned(),
    };
    let gap = if next.is_empty() { "" } else { " " };
    info!(target: TARGET, "press Ctrl-C again {next}{gap}to kill {who}");
}

/// That the server still runs, and how much of its time is over, where it is that which is the reason.
fn how_late(supervisor: &Supervisor, at: Option<Time>) -> Option<String> {
    let m = &supervisor.milestones;
    let late = at?.saturating_sub(m.stop?);
    let timeout = limit(supervisor.policy().ladder?.timeout());
    let on_time = supervisor.stop_reason().is_none() && m.interrupted.is_none();
    on_time.then(|| format!("{} is still running after {} of {timeout}", name(supervisor.stage()), time(late)))
}

fn killed_all(supervisor: &Supervisor) {
    let why = if supervisor.milestones.interrupted.is_some() { "" } else { "time is up: " };
    if supervisor.after_killed() {
        warn!(target: TARGET, "{why}sending SIGKILL to the --after command");
        return;
    }
    if supervisor.ended().is_some() {
        warn!(target: TARGET, "{why}sending SIGKILL to the processes left behind");
        return;
    }
    if supervisor.milestones.dumped.is_some() {
        // A dump that was cut may end in the middle of a line.
        crate::log::newline();
    }
    match how_late(supervisor, supervisor.milestones.killed) {
        Some(late) => warn!(target: TARGET, "{late}: sending SIGKILL"),
        None => warn!(target: TARGET, "{why}sending SIGKILL to {}", name(supervisor.stage())),
    }
}

fn did(action: Action, supervisor: &Supervisor) {
    match action {
        Action::Send(signal) if supervisor.rung() == Some(Rung::Ask) => {
            debug!(target: TARGET, %signal, "asking {} to stop", name(supervisor.stage()));
        }
        Action::Send(signal) => debug!(target: TARGET, %signal, "forwarding"),
        Action::Continue => {
            let who = name(supervisor.stage());
            info!(target: TARGET, "{who} is suspended (SIGSTOP or similar): sending SIGCONT, so that it can stop");
        }
        Action::Look => match how_late(supervisor, supervisor.milestones.looked) {
            Some(late) => warn!(target: TARGET, "{late}: reading its goroutines"),
            None => warn!(target: TARGET, "reading the goroutines of {}", name(supervisor.stage())),
        },
        Action::Dump(Signal::QUIT) => match how_late(supervisor, supervisor.milestones.dumped) {
            Some(late) => warn!(target: TARGET, "{late}: sending SIGQUIT for a goroutine dump"),
            None => warn!(target: TARGET, "sending SIGQUIT to {} for a goroutine dump", name(supervisor.stage())),
        },
        // Not a line in the middle of a dump: that it was sent, the record tells.
        Action::Dump(_) | Action::AskLeftovers | Action::AskVisitors => {}
        Action::KillVisitors => {
            debug!(target: TARGET, "sending SIGKILL to processes that joined the container and are still there")
        }
        Action::KillAll => killed_all(supervisor),
        Action::KillAgain => debug!(target: TARGET, "sending SIGKILL again to the processes that are still there"),
        Action::Outlived => {
            warn!(target: TARGET, "the server has still not ended; it will be restarted when it has");
        }
        Action::GiveTerminal => debug!(target: TARGET, "giving the terminal to {}", name(supervisor.stage())),
        Action::Suspend => debug!(target: TARGET, "suspending, as a job of the shell"),
        Action::Unwell(stop_reason) => {
            let on_unhealthy = match (stop_reason, supervisor.policy().on_unhealthy) {
                (StopReason::HookTimeout, _) => "stopping it (--before-timeout)",
                (_, UnhealthyAction::Log) => "no action is taken (--on-unhealthy log)",
                (_, UnhealthyAction::Stop) => "stopping it (--on-unhealthy stop)",
                (_, UnhealthyAction::Restart) if supervisor.is_final() => {
                    "stopping it: it was restarted as often as --restart allows"
                }
                (_, UnhealthyAction::Restart) => "restarting it (--on-unhealthy restart)",
            };
            let failures = Some(supervisor.failures(Purpose::Health)).filter(|failures| *failures > 0);
            warn!(target: TARGET, failures, "{}; {on_unhealthy}", complaint(stop_reason));
        }
        Action::Await(time) => {
            let restarts = supervisor.restarts();
            let how = supervisor.ended().map(|status| how(status).to_string()).unwrap_or_default();
            warn!(target: TARGET, restarts, "the server {how}; restarting it in {time:?}");
        }
        Action::Leave(_) | Action::Start(_) => {}
        Action::Probe(_) | Action::ExpireProbe(_) | Action::EndProbe(_) => {}
    }
}

/// What the kernel did not let goward do.
fn what(action: Action) -> String {
    match action {
        Action::Send(signal) => format!("send {signal}"),
        Action::Continue => "send SIGCONT".to_owned(),
        Action::Look => "read its goroutines".to_owned(),
        Action::Dump(signal) => format!("send {signal} for the goroutine dump"),
        Action::AskLeftovers => "send SIGTERM to the processes left behind".to_owned(),
        Action::AskVisitors => "send SIGHUP and SIGTERM to processes that joined the container".to_owned(),
        Action::KillAll | Action::KillAgain | Action::KillVisitors => "send SIGKILL".to_owned(),
        Action::GiveTerminal => "give the terminal away".to_owned(),
        Action::Suspend => "suspend".to_owned(),
        Action::Leave(_) => "exit".to_owned(),
        Action::Start(stage) => format!("start {}", name(stage)),
        Action::Probe(_) | Action::ExpireProbe(_) | Action::EndProbe(_) => "probe the server".to_owned(),
        Action::Outlived | Action::Unwell(_) | Action::Await(_) => "wait".to_owned(),
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Before(_) => "the --before command",
        Stage::Server => "the server",
        Stage::After(_) => "the --after command",
    }
}

/// What is wrong with a server that nobody has asked to stop.
pub(in crate::init) fn complaint(stop_reason: StopReason) -> &'static str {
    match stop_reason {
        StopReason::Unhealthy => "the server is unhealthy",
        StopReason::Watchdog => "the server missed its watchdog (no WATCHDOG=1 in time, or WATCHDOG=trigger)",
        StopReason::StartTimeout => "the server did not send READY=1 in time (--start-timeout)",
        StopReason::HookTimeout => "the --before command takes too long",
    }
}

/// `exited with code 2`, `was ended by SIGKILL`.
pub(in crate::init) fn how(status: Status) -> impl Display {
    from_fn(move |f| match status {
        Status::Code(code) => write!(f, "exited with code {code}"),
        Status::Signal(signal) => write!(f, "was ended by {signal}"),
        Status::Unstarted(code) => write!(f, "could not be started (code {code})"),
    })
}

/// `35 ms`, `8.0s`, `4m10s`, `26h3m`.
pub(in crate::init) fn time(time: Time) -> impl Display {
    from_fn(move |f| match time.as_secs() {
        0 => write!(f, "{} ms", time.as_millis()),
        seconds @ 1..60 => write!(f, "{seconds}.{}s", time.subsec_millis() / 100),
        seconds @ 60..3600 => write!(f, "{}m{}s", seconds / 60, seconds % 60),
        seconds => write!(f, "{}h{}m", seconds / 3600, seconds / 60 % 60),
    })
}

/// What Ctrl-C at the terminal looks like.
const CTRL_C: &str = "the terminal (Ctrl-C)";

/// [`from`] without the uid, for people.
pub(in crate::init) fn whence(from: &str) -> &str {
    from.split_once(", uid ").map_or(from, |(who, _)| who)
}

/// Who sent a signal, as far as can be known: `pid 17 (sh), uid 0`.
pub(in crate::init) fn from(received: &Received) -> String {
    match received.sender {
        Sender::Kernel => match received.signal {
            Signal::INT => CTRL_C.to_owned(),
            Signal::QUIT => "the terminal (Ctrl-\\)".to_owned(),
            Signal::HUP => "the terminal (a hang-up)".to_owned(),
            _ => "the kernel".to_owned(),
        },
        Sender::Descriptor => "a descriptor".to_owned(),
        Sender::Unknown => "an unknown sender".to_owned(),
        Sender::Queued { pid, uid } => format!("a process that says it is pid {pid}, uid {uid} (sigqueue)"),
        // The pid namespace hides it: docker stop, the kubelet, a shell on the host.
        Sender::Process { pid: 0, uid } => format!("outside the container, uid {uid}"),
        Sender::Process { pid, uid } => match process::look_at(pid) {
            Some(process) => format!("pid {pid} ({}), uid {uid}", process.name),
            None => format!("pid {pid}, uid {uid}"),
        },
    }
}
