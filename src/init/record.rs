//! The one record at the end: how it went, and why.

use super::voice;
use super::{Init, oom};
use crate::signal::Signal;
use crate::supervisor::{Milestones, Sickness, Stage, Status, Time};
use crate::sys::clock;
use std::fmt::{Display, from_fn};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use tracing::{info, warn};

/// Kubernetes shows what is written here as the container's last message. The server may have written its own: this comes
/// after it.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Why the container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Asked to stop, and did.
    Stopped,
    /// Asked to stop, and had to be killed.
    Deadline,
    /// The kernel's OOM killer.
    OutOfMemory,
    /// By itself, with 0.
    Finished,
    /// By itself, with another code.
    Failed,
    /// A signal that did not come through goward.
    Signalled,
    /// Nobody asked: its probes failed, or it did not say that it lives.
    Sick(Sickness),
    /// What had to be done before it was not done.
    Before,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::Stopped => "stopped",
            Cause::Deadline => "deadline",
            Cause::OutOfMemory => "out-of-memory",
            Cause::Finished => "finished",
            Cause::Failed => "failed",
            Cause::Signalled => "signalled",
            Cause::Sick(Sickness::Unhealthy) => "unhealthy",
            Cause::Sick(Sickness::Watchdog) => "watchdog",
            Cause::Before | Cause::Sick(Sickness::Slow) => "before",
        }
    }
}

/// Everything that is known at the end.
pub(super) struct Record<'a> {
    cause: Cause,
    code: u8,
    status: Option<Status>,
    asked: Option<(Signal, &'a str)>,
    server_killed: bool,
    milestones: Milestones,
    started: Time,
    left: Time,
    leftovers: &'a str,
    oom_kills: Option<u64>,
    restarts: Option<u32>,
}

impl<'a> Record<'a> {
    pub(super) fn of(init: &'a Init, code: u8) -> Record<'a> {
        let mut milestones = init.supervisor.milestones;
        // A stop while there was no server, between two lives: it had ended before, and not because of that.
        milestones.stop = milestones.stop.filter(|stop| milestones.ended.is_none_or(|ended| *stop <= ended));
        let status = init.supervisor.ended();
        // Not asked after a clean end, whose exit waits for this.
        let counter = init.oom.as_ref().filter(|_| status != Some(Status::Code(0)));
        let oom_kills = counter.and_then(oom::Counter::kills);
        let forced = init.supervisor.server_killed() || milestones.dumped.is_some();
        let before = matches!(init.supervisor.stage(), Stage::Before(_)) && milestones.stop.is_none();
        let cause = match (init.supervisor.sickness(), status) {
            // A signal that came while it was stopped for its health does not change why it was.
            (Some(sickness), _) => Cause::Sick(sickness),
            _ if before => Cause::Before,
            _ if forced => Cause::Deadline,
            (_, Some(Status::Signal(Signal::KILL))) if oom_kills.is_some() => Cause::OutOfMemory,
            _ if milestones.stop.is_some() => Cause::Stopped,
            (_, Some(Status::Code(0))) => Cause::Finished,
            (_, Some(Status::Code(_)) | None) => Cause::Failed,
            (_, Some(Status::Signal(_))) => Cause::Signalled,
        };
        Record {
            cause,
            code,
            status,
            asked: init.asked_by.as_ref().map(|(signal, from)| (*signal, from.as_str())),
            server_killed: init.supervisor.server_killed(),
            milestones,
            started: init.started,
            left: clock::now(),
            leftovers: &init.leftovers,
            oom_kills,
            restarts: Some(init.supervisor.restarts()).filter(|restarts| *restarts > 0),
        }
    }

    /// In the log; in Kubernetes' termination log too, if that is `wanted` and the end was not clean.
    pub(super) fn tell(&self, wanted: bool) {
        let sentence = self.sentence();
        let clean = matches!(self.cause, Cause::Stopped | Cause::Finished) && self.code == 0;
        let server = self.status.map(|status| voice::how(status).to_string());
        let server = server.as_deref().unwrap_or("still there, even after SIGKILL");
        let signal = self.asked.map(|(signal, _)| signal.to_string());
        let from = self.asked.map(|(_, from)| from);
        let leftovers = (!self.leftovers.is_empty()).then_some(self.leftovers);
        let at = |time: Option<Time>| time.map(|time| millis(time.saturating_sub(self.started)));
        let m = &self.milestones;
        macro_rules! record {
            ($level:ident) => {
                $level!(
                    target: "goward",
                    cause = self.cause.name(),
                    code = self.code,
                    server,
                    signal,
                    from,
                    ran_ms = at(m.ended),
                    stop_ms = m.stop.map(|stop| millis(m.ended.unwrap_or(self.left).saturating_sub(stop))),
                    asked_after_ms = m.stop.and_then(|stop| Some(millis(m.asked?.saturating_sub(stop)))),
                    dump_after_ms = m.stop.and_then(|stop| Some(millis(m.dumped?.saturating_sub(stop)))),
                    abort_after_ms = m.stop.and_then(|stop| Some(millis(m.aborted?.saturating_sub(stop)))),
                    kill_after_ms = m.stop.and_then(|stop| Some(millis(m.killed?.saturating_sub(stop)))),
                    leftovers_ms = m.ended.map(|ended| millis(self.left.saturating_sub(ended))).filter(|ms| *ms > 0),
                    leftovers,
                    oom_kills = self.oom_kills,
                    restarts = self.restarts,
                    "{sentence}"
                )
            };
        }
        if clean {
            record!(info);
        } else {
            record!(warn);
            if wanted {
                self.tell_kubernetes(&sentence);
            }
        }
    }

    /// What happened. Written where it belongs, not made before: the exit waits for it.
    fn sentence(&self) -> impl Display {
        let end = from_fn(|f| match self.status {
            Some(status) => voice::how(status).fmt(f),
            None => f.write_str("could not even be killed"),
        });
        let asked = from_fn(|f| {
            let to = self.milestones.ended.unwrap_or(self.left);
            let tenths = millis(to.saturating_sub(self.milestones.stop.unwrap_or(to))) / 100;
            write!(f, "{}.{} s", tenths / 10, tenths % 10)
        });
        let signal = from_fn(|f| match self.asked {
            Some((signal, _)) => signal.fmt(f),
            None => f.write_str("a stop signal"),
        });
        from_fn(move |f| match self.cause {
            Cause::Stopped => write!(f, "the server {end}, {asked} after {signal}"),
            Cause::Deadline if self.server_killed => {
                write!(f, "the server did not stop in time and was killed, {asked} after {signal}")
            }
            Cause::Deadline => {
                write!(f, "the server did not stop in time; it {end} after its goroutine dump, {asked} after {signal}")
            }
            Cause::Sick(sickness) if self.server_killed => {
                write!(f, "{} and was killed, {asked} later", voice::complaint(sickness))
            }
            Cause::Sick(sickness) => write!(f, "{} and {end}, {asked} later", voice::complaint(sickness)),
            Cause::Before => write!(f, "the command before the server {end}"),
            Cause::OutOfMemory => f.write_str("the kernel killed the server: out of memory in this cgroup"),
            Cause::Finished | Cause::Failed => write!(f, "the server {end} by itself"),
            Cause::Signalled => write!(f, "the server {end}, which did not come through goward"),
        })
    }

    fn tell_kubernetes(&self, sentence: &dyn Display) {
        let file = OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(TERMINATION_LOG);
        if let Ok(mut file) = file {
            // Not glued to the server's last words.
            let gap = if file.metadata().is_ok_and(|meta| meta.len() > 0) { "\n" } else { "" };
            let oom = self.oom_kills.map_or(String::new(), |kills| format!("; OOM kills: {kills}"));
            let line = format!("{gap}goward: {sentence} (cause {}, code {}{oom})\n", self.cause.name(), self.code);
            // At once: it may be a pipe, and others may write too.
            let _ = file.write_all(line.as_bytes());
        }
    }
}

fn millis(time: Time) -> u64 {
    time.as_millis() as u64
}
