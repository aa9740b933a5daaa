//! The one record at the end: how it went, and why. Its fields, as text and as JSON, are made here.

use super::personality;
use super::{Init, oom, termination_log};
use crate::signal::Signal;
use crate::supervisor::{Milestones, Stage, Status, StopReason, Time, limit};
use crate::sys::clock;
use std::fmt::{Display, from_fn};
use std::path::Path;
use tracing::{info, warn};

/// Why the container ended. docs/record.md has a row for each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Asked to stop, and did.
    Stopped,
    /// Asked to stop, and had to be killed.
    Deadline,
    /// Asked to stop, and somebody at the terminal did not want to wait.
    Interrupted,
    /// The kernel's OOM killer.
    OutOfMemory,
    /// By itself, with 0.
    Finished,
    /// By itself, with another code.
    Failed,
    /// A signal, and nobody had asked for a stop.
    Signalled,
    /// Nobody asked: its probes failed, or it did not say that it lives.
    Unwell(StopReason),
    /// What had to be done before it was not done.
    Before,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::Stopped => "stopped",
            Cause::Deadline => "deadline",
            Cause::Interrupted => "interrupted",
            Cause::OutOfMemory => "out-of-memory",
            Cause::Finished => "finished",
            Cause::Failed => "failed",
            Cause::Signalled => "signalled",
            Cause::Unwell(StopReason::Unhealthy) => "unhealthy",
            Cause::Unwell(StopReason::Watchdog) => "watchdog",
            Cause::Unwell(StopReason::StartTimeout) => "start-timeout",
            Cause::Before | Cause::Unwell(StopReason::HookTimeout) => "before",
        }
    }
}

/// Everything that is known at the end.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Record<'a> {
    cause: Cause,
    code: u8,
    status: Option<Status>,
    stage: Stage,
    /// How many commands there are before the server, and after it.
    hooks: usize,
    hooks_after: usize,
    asked: Option<(Signal, &'a str)>,
    server_killed: bool,
    /// It was to, and the kernel has not let goward send SIGKILL.
    kill_refused: bool,
    milestones: Milestones,
    /// --stop-timeout.
    timeout: Option<Time>,
    started: Time,
    left: Time,
    leftovers: &'a str,
    visitors: &'a str,
    /// The signal that ended it had come through goward.
    forwarded: bool,
    /// A stop was requested after its end, in the pause before it would have been started again.
    stopped_later: bool,
    /// SIGKILL had to end this command after the server.
    after_killed: Option<usize>,
    oom_kills: Option<u64>,
    restarts: Option<u32>,
    detailed: bool,
}

impl<'a> Record<'a> {
    pub(super) fn of(init: &'a Init, code: u8) -> Record<'a> {
        let supervisor = &init.supervisor;
        let mut milestones = supervisor.milestones;
        // A stop while there was no server, between two lives: it had ended before, and not because of that.
        let later = milestones.stop.take_if(|stop| milestones.ended.is_some_and(|ended| *stop > ended));
        let status = supervisor.ended();
        // Not asked where nobody was killed in a stop, whose exit waits for this.
        let killed = status == Some(Status::Signal(Signal::KILL));
        let by_itself = milestones.stop.is_none() && status != Some(Status::Code(0));
        let counter = init.oom.as_ref().filter(|_| killed || by_itself);
        let oom_kills = counter.and_then(oom::Counter::kills);
        // That it missed the deadline of an earlier restart is no news of a stop that came when it had ended.
        let forced = later.is_none() && supervisor.was_forced();
        // Who had missed the deadline before had missed it.
        let first = milestones.dumped.or(milestones.killed);
        let interrupted = milestones.interrupted.is_some_and(|at| first.is_some_and(|first| at <= first));
        let before = matches!(supervisor.stage(), Stage::Before(_)) && milestones.stop.is_none();
        let cause = match (supervisor.stop_reason(), status) {
            // A signal that came while it was stopped for its health does not change why it was.
            (Some(stop_reason), _) => Cause::Unwell(stop_reason),
            _ if before => Cause::Before,
            _ if forced && interrupted => Cause::Interrupted,
            _ if forced => Cause::Deadline,
            (_, Some(Status::Signal(Signal::KILL))) if oom_kills.is_some() => Cause::OutOfMemory,
            _ if milestones.stop.is_some() => Cause::Stopped,
            (_, Some(Status::Code(0))) => Cause::Finished,
            (_, Some(Status::Code(_) | Status::Unstarted(_)) | None) => Cause::Failed,
            (_, Some(Status::Signal(_))) => Cause::Signalled,
        };
        Record {
            cause,
            code,
            status,
            stage: supervisor.stage(),
            hooks: supervisor.policy().before,
            hooks_after: supervisor.policy().after,
            asked: init.forwarding.stop_from.as_ref().map(|(signal, from)| (*signal, from.as_str())),
            server_killed: supervisor.server_killed(),
            kill_refused: supervisor.kill_refused(),
            milestones,
            timeout: supervisor.policy().ladder.map(|ladder| ladder.timeout()),
            started: init.started,
            left: clock::now(),
            leftovers: &init.leftovers.asked.names,
            visitors: &init.leftovers.asked.visitor_names,
            forwarded: match status {
                Some(Status::Signal(signal)) => init.forwarding.sent.or(init.inbox.forwarded()).contains(signal),
                Some(Status::Code(_) | Status::Unstarted(_)) | None => false,
            },
            stopped_later: later.is_some(),
            after_killed: match supervisor.stage() {
                Stage::After(number) if supervisor.after_killed() => Some(number),
                Stage::Before(_) | Stage::Server | Stage::After(_) => None,
            },
            oom_kills,
            restarts: Some(supervisor.restarts()).filter(|restarts| *restarts > 0),
            detailed: init.settings.personality.tells_all(),
        }
    }

    /// The name of the cause.
    pub(super) fn cause(&self) -> &'static str {
        self.cause.name()
    }

    /// In the log; in Kubernetes' termination log too, where goward knows more than the end of the log would show.
    pub(super) fn tell(&self, termination_log: Option<&Path>) {
        let sentence = self.sentence();
        let clean = matches!(self.cause, Cause::Stopped | Cause::Finished) && self.code == 0;
        match (clean, self.detailed) {
            (_, true) => self.tell_all(clean, &sentence),
            (true, false) => info!(target: "goward", "{sentence}"),
            (false, false) => warn!(target: "goward", "{sentence}"),
        }
        if self.is_news() {
            termination_log::tell(termination_log, &format!("goward: {sentence} (cause: {})", self.cause.name()));
        }
    }

    /// Whether it was goward, or the kernel for it, that knows why it ended; the server itself did not say.
    fn is_news(&self) -> bool {
        match self.cause {
            Cause::Deadline | Cause::OutOfMemory | Cause::Unwell(_) => true,
            Cause::Failed | Cause::Before => matches!(self.status, Some(Status::Unstarted(_))),
            Cause::Stopped | Cause::Interrupted | Cause::Finished | Cause::Signalled => false,
        }
    }

    /// With every field. Scripts read them: their names and values are a promise, docs/record.md.
    fn tell_all(&self, clean: bool, sentence: &dyn Display) {
        let server = self.status.map(|status| personality::how(status).to_string());
        let still_there =
            if self.kill_refused { "still there: SIGKILL was refused" } else { "still there, even after SIGKILL" };
        let server = server.as_deref().unwrap_or(still_there);
        let signal = self.asked.map(|(signal, _)| signal.to_string());
        let from = self.asked.map(|(_, from)| from);
        let leftovers = (!self.leftovers.is_empty()).then_some(self.leftovers);
        let visitors = (!self.visitors.is_empty()).then_some(self.visitors);
        let m = &self.milestones;
        let after = |time: Option<Time>| m.stop.and_then(|stop| Some(millis(time?.saturating_sub(stop))));
        macro_rules! record {
            ($level:ident) => {
                $level!(
                    target: "goward",
                    cause = self.cause.name(),
                    code = self.code,
                    server,
                    signal,
                    from,
                    ran_ms = self.ran().map(millis),
                    stop_ms = after(Some(m.ended.unwrap_or(self.left))),
                    asked_after_ms = after(m.stop_sent),
                    interrupted_after_ms = after(m.interrupted),
                    dump_after_ms = after(m.looked.or(m.dumped)),
                    abort_after_ms = after(m.aborted),
                    kill_after_ms = after(m.killed),
                    leftovers_ms = self.after_end().map(millis).filter(|ms| *ms > 0 && self.had_to_clear()),
                    leftovers,
                    visitors,
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
        }
    }

    fn ran(&self) -> Option<Time> {
        self.milestones.ended.map(|ended| ended.saturating_sub(self.started))
    }

    /// What the leftovers took.
    fn after_end(&self) -> Option<Time> {
        self.milestones.ended.map(|ended| self.left.saturating_sub(ended))
    }

    /// One line, `stopped: exit 0, 35 ms after SIGTERM, ran 1.0s`: outcome, exit code, and each time once. At most [`COLUMNS`]
    /// columns. Written where it belongs, not made before: the exit waits for it.
    fn sentence(&self) -> impl Display {
        from_fn(|f| {
            self.outcome().fmt(f)?;
            write!(f, ": exit {}{}", self.code, self.own_end())?;
            self.details().fmt(f)?;
            let has_run = self.cause != Cause::Deadline && !matches!(self.status, Some(Status::Unstarted(_)));
            if let Some(ran) = self.ran().filter(|_| has_run && self.stage == Stage::Server) {
                write!(f, ", ran {}", personality::time(ran))?;
            }
            // Where there is room for it in the line.
            if let Some(kills) = self.oom_kills.filter(|_| self.cause != Cause::Deadline) {
                write!(f, "; OOM kills in this cgroup: {kills}")?;
            }
            if let Some(restarts) = self.restarts {
                write!(f, "; restarts: {restarts}")?;
            }
            self.clearing().fmt(f)
        })
    }

    fn outcome(&self) -> impl Display {
        let hook = from_fn(|f| match self.stage {
            Stage::Before(number) if self.hooks > 1 => write!(f, "--before command {}", number + 1),
            Stage::Before(_) => f.write_str("--before command"),
            Stage::Server | Stage::After(_) => f.write_str("server"),
        });
        let (stage, hooks) = (self.stage, self.hooks);
        let place = from_fn(move |f| match stage {
            Stage::Before(number) if hooks > 1 => write!(f, " in --before command {}", number + 1),
            Stage::Before(_) => f.write_str(" in --before"),
            Stage::Server | Stage::After(_) => Ok(()),
        });
        from_fn(move |f| match self.cause {
            _ if self.status.is_none() && self.kill_refused => write!(f, "could not be killed{place}"),
            _ if self.status.is_none() && self.server_killed => write!(f, "survived SIGKILL{place}"),
            Cause::Stopped => write!(f, "stopped{place}"),
            Cause::Deadline if self.server_killed => write!(f, "killed at the deadline{place}"),
            Cause::Deadline if self.kill_refused => write!(f, "ended too late{place}"),
            Cause::Deadline => write!(f, "missed the deadline{place}"),
            Cause::Interrupted if self.server_killed => write!(f, "killed after repeated stop signals{place}"),
            Cause::Interrupted => write!(f, "interrupted by a second stop signal{place}"),
            Cause::OutOfMemory => f.write_str("killed by the OOM killer"),
            Cause::Finished => f.write_str("finished"),
            Cause::Failed if matches!(self.status, Some(Status::Unstarted(_))) => f.write_str("could not be started"),
            Cause::Failed => f.write_str("exited by itself"),
            Cause::Signalled => match self.status {
                Some(Status::Signal(signal)) if self.forwarded => {
                    write!(f, "ended by {signal}, which goward forwarded")
                }
                Some(Status::Signal(signal)) => write!(f, "ended by {signal}"),
                Some(Status::Code(_) | Status::Unstarted(_)) | None => f.write_str("ended by a signal"),
            },
            Cause::Unwell(why) => {
                let end = if self.server_killed { "killed" } else { "stopped" };
                match why {
                    StopReason::Unhealthy => write!(f, "{end} as unhealthy"),
                    StopReason::Watchdog => write!(f, "{end} by the watchdog"),
                    StopReason::StartTimeout => write!(f, "{end} as not ready"),
                    StopReason::HookTimeout => write!(f, "{hook} took too long and was {end}"),
                }
            }
            Cause::Before => write!(f, "{hook} failed"),
        })
    }

    /// How it ended, where the exit code does not say so.
    fn own_end(&self) -> impl Display {
        let told = match self.cause {
            // What goward did says more: a Go server's own code after a dump is 2.
            Cause::Deadline | Cause::Interrupted | Cause::OutOfMemory | Cause::Signalled => true,
            Cause::Unwell(_) => self.server_killed,
            Cause::Stopped | Cause::Finished | Cause::Failed | Cause::Before => false,
        };
        from_fn(move |f| match self.status {
            _ if told => Ok(()),
            Some(Status::Signal(signal)) => write!(f, " ({signal})"),
            Some(Status::Code(code) | Status::Unstarted(code)) if code != self.code => {
                write!(f, " (its own was {code})")
            }
            Some(_) | None => Ok(()),
        })
    }

    fn details(&self) -> impl Display {
        let m = &self.milestones;
        let (signal, from) = match self.asked {
            Some((signal, from)) => (signal, personality::whence(from)),
            None => (Signal::TERM, "an unknown sender"),
        };
        let after = |time: Option<Time>| {
            personality::time(time.unwrap_or(self.left).saturating_sub(m.stop.unwrap_or(self.started)))
        };
        let took = after(m.ended);
        from_fn(move |f| match self.cause {
            Cause::Stopped | Cause::Interrupted => write!(f, ", {took} after {signal}"),
            Cause::Deadline => {
                let (what, at) = match m.dumped {
                    _ if self.kill_refused && self.status.is_none() => ("refused", m.killed),
                    None if self.kill_refused => ("SIGKILL refused", m.killed),
                    Some(_) => ("SIGQUIT", m.dumped),
                    None => ("SIGKILL", m.killed),
                };
                let timeout = limit(self.timeout.unwrap_or_default());
                write!(f, "; {what} at {} of {timeout}, {signal} from {from}", after(at))
            }
            Cause::Signalled if self.forwarded => Ok(()),
            Cause::Signalled if self.stopped_later => f.write_str(", before a stop was requested"),
            Cause::Signalled => f.write_str(", no stop was requested"),
            Cause::Unwell(_) => write!(f, ", {took} after that"),
            Cause::Before => f.write_str("; the server was not started"),
            Cause::OutOfMemory | Cause::Finished | Cause::Failed => Ok(()),
        })
    }

    /// Somebody was left, or there were commands to run: the end itself takes a moment on a busy machine, too.
    fn had_to_clear(&self) -> bool {
        !self.leftovers.is_empty() || !self.visitors.is_empty() || matches!(self.stage, Stage::After(_))
    }

    /// What came after the end, where that was worth a word.
    fn clearing(&self) -> impl Display {
        let end = self.milestones.ended.filter(|_| !self.leftovers.is_empty() && self.cause != Cause::Deadline);
        let killed = end.and_then(|end| self.milestones.killed?.checked_sub(end));
        let took = self.after_end();
        let hook = self.after_killed;
        from_fn(move |f| match (end, killed, took) {
            _ if hook.is_some() => {
                let number = hook.filter(|_| self.hooks_after > 1).map_or(String::new(), |n| format!(" {}", n + 1));
                let after = self.milestones.killed.zip(self.milestones.ended);
                let after = after.map_or(Time::ZERO, |(killed, ended)| killed.saturating_sub(ended));
                write!(f, "; --after command{number}: SIGKILL after {}", personality::time(after))
            }
            (Some(_), Some(after), _) => write!(f, "; leftovers: SIGKILL after {}", personality::time(after)),
            (Some(_), None, Some(took)) => write!(f, "; leftovers took {}", personality::time(took)),
            _ => Ok(()),
        })
    }
}

fn millis(time: Time) -> u64 {
    time.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record as Values};
    use tracing::{Event, Metadata, Subscriber};

    const PAGE: &str = include_str!("../../docs/record.md");
    /// Of a line, without the time stamp and the level.
    const COLUMNS: usize = 120;

    const fn ms(n: u64) -> Time {
        Duration::from_millis(n)
    }

    /// One after the other: a cause that is new must be named here, and get a sample and a row.
    fn next(cause: Option<Cause>) -> Option<Cause> {
        Some(match cause {
            None => Cause::Stopped,
            Some(Cause::Stopped) => Cause::Deadline,
            Some(Cause::Deadline) => Cause::Interrupted,
            Some(Cause::Interrupted) => Cause::OutOfMemory,
            Some(Cause::OutOfMemory) => Cause::Finished,
            Some(Cause::Finished) => Cause::Failed,
            Some(Cause::Failed) => Cause::Signalled,
            Some(Cause::Signalled) => Cause::Unwell(StopReason::Unhealthy),
            Some(Cause::Unwell(StopReason::Unhealthy)) => Cause::Unwell(StopReason::Watchdog),
            Some(Cause::Unwell(StopReason::Watchdog)) => Cause::Unwell(StopReason::StartTimeout),
            Some(Cause::Unwell(StopReason::StartTimeout)) => Cause::Unwell(StopReason::HookTimeout),
            Some(Cause::Unwell(StopReason::HookTimeout)) => Cause::Before,
            Some(Cause::Before) => return None,
        })
    }

    fn causes() -> Vec<Cause> {
        std::iter::successors(next(None), |cause| next(Some(*cause))).collect()
    }

    /// A server that ran from 0 on and ended with its own code; nobody asked.
    fn ended(cause: Cause, status: Status, at: Time) -> Record<'static> {
        Record {
            cause,
            code: status.code(),
            status: Some(status),
            stage: Stage::Server,
            hooks: 0,
            hooks_after: 0,
            asked: None,
            server_killed: false,
            kill_refused: false,
            milestones: Milestones { ended: Some(at), ..Milestones::default() },
            timeout: Some(ms(10_000)),
            started: ms(0),
            left: at,
            leftovers: "",
            visitors: "",
            forwarded: false,
            stopped_later: false,
            after_killed: None,
            oom_kills: None,
            restarts: None,
            detailed: true,
        }
    }

    /// The same, asked to stop, which took so long.
    fn stopped(cause: Cause, status: Status, at: Time, took: Time) -> Record<'static> {
        let mut record = ended(cause, status, at);
        let stop = Some(at - took);
        record.asked = Some((Signal::TERM, "outside the container, uid 0"));
        record.milestones = Milestones { stop, stop_sent: stop, ..record.milestones };
        record
    }

    fn in_hook(record: Record<'static>) -> Record<'static> {
        Record { stage: Stage::Before(0), hooks: 1, ..record }
    }

    /// What docs/record.md shows.
    fn samples(cause: Cause) -> Vec<Record<'static>> {
        let killed = Status::Signal(Signal::KILL);
        match cause {
            Cause::Stopped => {
                let by_signal = stopped(cause, Status::Signal(Signal::TERM), ms(1_003), ms(3));
                let mut left = stopped(cause, Status::Code(0), ms(61_000), ms(120));
                left.leftovers = "sh -c worker (17)";
                left.milestones.killed = Some(ms(70_380));
                left.left = ms(70_390);
                left.visitors = "sh -i (31)";
                let mut after = stopped(cause, Status::Code(0), ms(61_000), ms(120));
                after.milestones.killed = Some(ms(70_380));
                (after.after_killed, after.hooks_after) = (Some(0), 1);
                let after_second = Record { after_killed: Some(1), hooks_after: 2, ..after.clone() };
                vec![
                    stopped(cause, Status::Code(0), ms(1_020), ms(35)),
                    by_signal.clone(),
                    Record { code: 0, ..by_signal.clone() },
                    left,
                    after,
                    after_second,
                    in_hook(by_signal.clone()),
                    Record { hooks: 2, stage: Stage::Before(1), ..by_signal },
                ]
            }
            Cause::Deadline => {
                let mut all = stopped(cause, killed, ms(69_502), ms(9_502));
                all.server_killed = true;
                all.milestones.killed = Some(ms(69_500));
                let without = all.clone();
                all.milestones.dumped = Some(ms(68_000));
                all.milestones.aborted = Some(ms(68_500));
                let mut dumped = stopped(cause, Status::Code(2), ms(68_090), ms(8_090));
                dumped.code = 137;
                dumped.milestones.dumped = Some(ms(68_000));
                let mut stuck = Record { status: None, ..all.clone() };
                stuck.milestones.ended = None;
                let refused = Record { kill_refused: true, server_killed: false, ..stuck.clone() };
                let mut by_itself = stopped(cause, Status::Code(0), ms(69_700), ms(9_700));
                by_itself.kill_refused = true;
                by_itself.milestones.killed = Some(ms(69_500));
                vec![all.clone(), without, dumped, stuck, refused, by_itself, in_hook(all)]
            }
            Cause::Interrupted => {
                let mut all = stopped(cause, killed, ms(5_901), ms(901));
                all.asked = Some((Signal::INT, "the terminal (Ctrl-C)"));
                all.server_killed = true;
                all.milestones.interrupted = Some(ms(5_600));
                all.milestones.dumped = Some(ms(5_600));
                all.milestones.aborted = Some(ms(5_900));
                all.milestones.killed = Some(ms(5_900));
                let mut dumped = stopped(cause, Status::Code(2), ms(5_690), ms(690));
                dumped.asked = all.asked;
                dumped.code = 137;
                dumped.milestones.interrupted = Some(ms(5_600));
                dumped.milestones.dumped = Some(ms(5_600));
                vec![dumped, all]
            }
            Cause::OutOfMemory => vec![Record { oom_kills: Some(1), ..ended(cause, killed, ms(125_000)) }],
            Cause::Finished => vec![ended(cause, Status::Code(0), ms(1_020))],
            Cause::Failed => vec![
                ended(cause, Status::Code(3), ms(1_020)),
                Record { restarts: Some(3), ..ended(cause, Status::Code(3), ms(12)) },
                Record { code: 0, ..ended(cause, Status::Code(3), ms(1_020)) },
                Record { oom_kills: Some(1), ..ended(cause, Status::Code(137), ms(53)) },
                Record { restarts: Some(1), ..ended(cause, Status::Unstarted(125), ms(1)) },
            ],
            Cause::Signalled => {
                let forwarded = Record { forwarded: true, ..ended(cause, Status::Signal(Signal::HUP), ms(1_020)) };
                let by_itself = ended(cause, Status::Signal(Signal::SEGV), ms(1_020));
                let later = Record { stopped_later: true, restarts: Some(3), ..by_itself.clone() };
                vec![by_itself, later, forwarded]
            }
            Cause::Unwell(StopReason::Unhealthy | StopReason::Watchdog | StopReason::StartTimeout) => {
                let mut record = stopped(cause, Status::Code(2), ms(90_112), ms(112));
                record.asked = None;
                record.code = 137;
                record.milestones.stop_sent = None;
                record.milestones.dumped = record.milestones.stop;
                let mut by_force = Record { status: Some(killed), server_killed: true, ..record.clone() };
                by_force.milestones.killed = Some(ms(91_500));
                by_force.milestones.ended = Some(ms(91_502));
                vec![record, by_force]
            }
            Cause::Unwell(StopReason::HookTimeout) => {
                let record = stopped(cause, Status::Signal(Signal::TERM), ms(90_003), ms(3));
                vec![in_hook(Record { asked: None, ..record })]
            }
            Cause::Before => {
                let record = in_hook(ended(cause, Status::Code(3), ms(20)));
                vec![record.clone(), Record { stage: Stage::Before(1), hooks: 2, ..record }]
            }
        }
    }

    /// The cells of the rows of a table, by the heading above it.
    fn rows(heading: &str) -> Vec<Vec<&'static str>> {
        let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
    }

    #[test]
    fn the_page_has_every_cause_with_what_is_said() {
        let names: BTreeSet<_> = causes().into_iter().map(|cause| format!("`{}`", cause.name())).collect();
        let told = rows("Causes");
        assert_eq!(told.iter().map(|row| row[0].to_owned()).collect::<BTreeSet<_>>(), names);
        let mut shown = BTreeSet::new();
        for cause in causes() {
            let row = told.iter().find(|row| row[0] == format!("`{}`", cause.name())).unwrap();
            for record in samples(cause) {
                let sentence = format!("`{}`", record.sentence());
                assert!(row[2].contains(&sentence), "{sentence} is not in {row:?}");
                shown.insert(sentence);
            }
        }
        let examples: usize = told.iter().map(|row| row[2].split("` · `").count()).sum();
        assert_eq!(examples, shown.len(), "the page shows more than there is");
    }

    /// The names of all fields, and those that have a value, as JSON.
    #[derive(Default)]
    struct Seen {
        names: BTreeSet<&'static str>,
        values: BTreeSet<String>,
    }

    impl Visit for Seen {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.values.insert(format!("\"{}\":\"{value:?}\"", field.name()));
        }

        fn record_u64(&mut self, field: &Field, value: u64) {
            self.values.insert(format!("\"{}\":{value}", field.name()));
        }

        fn record_str(&mut self, field: &Field, value: &str) {
            self.values.insert(format!("\"{}\":\"{value}\"", field.name()));
        }
    }

    #[derive(Default)]
    struct Reader(std::sync::Arc<std::sync::Mutex<Seen>>);

    impl Subscriber for Reader {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Values<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut seen = self.0.lock().unwrap();
            seen.names.extend(event.metadata().fields().iter().map(|field| field.name()));
            event.record(&mut *seen);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    /// What the log is given for these records.
    fn seen(records: &[Record<'_>]) -> Seen {
        let reader = Reader::default();
        let seen = reader.0.clone();
        tracing::subscriber::with_default(reader, || records.iter().for_each(|record| record.tell(None)));
        std::mem::take(&mut seen.lock().unwrap())
    }

    #[test]
    fn the_page_has_every_field_with_an_example() {
        let records: Vec<_> = causes().into_iter().flat_map(samples).collect();
        let seen = seen(&records);
        let told = rows("Fields");
        let told_names: BTreeSet<_> = told.iter().map(|row| row[0].trim_matches('`')).collect();
        // What every line of the log has.
        let everywhere = ["timestamp", "level", "target"];
        assert_eq!(told_names, seen.names.iter().copied().chain(everywhere).collect());
        for row in told.iter().filter(|row| !everywhere.contains(&row[0].trim_matches('`'))) {
            assert!(seen.values.contains(row[2].trim_matches('`')), "{row:?} is in none of {:#?}", seen.values);
        }
    }

    #[test]
    fn as_text_it_is_the_sentence_alone() {
        let record = Record { detailed: false, ..samples(Cause::Deadline).remove(0) };
        let seen = seen(&[record]);
        assert_eq!(seen.names.into_iter().collect::<Vec<_>>(), ["message"]);
    }

    #[test]
    fn it_is_one_line_that_fits() {
        for record in causes().into_iter().flat_map(samples) {
            let text = record.sentence().to_string();
            assert!(text.len() <= COLUMNS && !text.contains('\n'), "{} columns: {text}", text.len());
            // As long as things can become: who asked, and how long it all took.
            let asked = Some((Signal::new(64).unwrap(), "pid 4194304 (kubernetes-agen), uid 4294967294"));
            let long = Record {
                asked: record.asked.and(asked),
                left: ms(200_000_000),
                timeout: Some(ms(3_600_000)),
                restarts: (record.stage == Stage::Server).then_some(99),
                leftovers: "sh (17)",
                ..record
            };
            let text = long.sentence().to_string();
            assert!(text.len() <= COLUMNS, "{} columns: {text}", text.len());
        }
    }

    #[test]
    fn each_time_is_told_once() {
        for record in causes().into_iter().flat_map(samples) {
            let text = record.sentence().to_string();
            for word in ["ran ", "exit ", " after SIG", "leftovers"] {
                assert!(text.matches(word).count() <= 1, "{word}: {text}");
            }
            assert!(!matches!(record.stage, Stage::Before(_)) || !text.contains("ran "), "{text}");
        }
    }
}
