//! What a rehearsal has shown, and whether that is good. Pure: no socket, no clock; times are milliseconds after the stop
//! signal, where nothing else is said.

use crate::config::Rehearsal;
use crate::goroutines::{Finding, Summary};
use crate::signal::Signal;
use std::net::SocketAddr;

/// One rehearsal, from the start to the last process.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    /// From the start until it was ready.
    pub(super) ready_ms: u64,
    /// From then to the stop signal; none: it was never sent.
    pub(super) signal_after_ms: Option<u64>,
    /// The addresses it listened on.
    pub(super) doors: Vec<Door>,
    /// Requests that ended before the signal.
    pub(super) before: Counts,
    /// Requests that ended after it, also those that had begun before.
    pub(super) after: Counts,
    /// Requests that the server never took: refused, or dropped with the listener's queue. Nothing is lost with them: a
    /// client, or the load balancer before it, asks elsewhere.
    pub(super) turned_away: u32,
    /// Those that failed or were cut, as far as they differ.
    pub(super) examples: Vec<Example>,
    /// The last whole answer.
    pub(super) last_response_ms: Option<u64>,
    /// What became of new connections after the signal.
    pub(super) knocks: Knocks,
    /// Connections that the server had accepted and not closed, as last seen before its end; none: it was too quick.
    pub(super) open: Option<u32>,
    /// What the init told at the end; none: it told nothing.
    pub(super) end: Option<End>,
    /// Processes that had to be killed even after that.
    pub(super) remained: Vec<String>,
    /// What it printed of its goroutines.
    pub(super) dumps: Vec<Dump>,
    /// Somebody did not want to see the end of it.
    pub(super) interrupted: Option<Signal>,
}

/// An address that the server listened on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    pub(super) inode: u64,
    /// When it was closed; none: not before the server's end.
    pub(super) closed_ms: Option<u64>,
}

/// How requests ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// A whole answer, with a status below 500.
    pub(super) completed: u32,
    /// Of those: with a status from 400 up.
    pub(super) rejected: u32,
    /// A status of 500 and more, or no HTTP.
    pub(super) failed: u32,
    /// The server had taken the request, and closed the connection before the answer was whole.
    pub(super) cut: u32,
}

/// Requests that went wrong in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) path: String,
    pub(super) what: &'static str,
    /// Where there was one.
    pub(super) status: Option<u16>,
    pub(super) count: u32,
    /// The first of them; none: before the signal.
    pub(super) ms: Option<u64>,
}

impl Example {
    pub(super) fn sentence(&self) -> String {
        let Example { path, what, count, .. } = self;
        let status = self.status.map_or(String::new(), |status| format!(" {status}"));
        let when = self.ms.map_or("before the signal".to_owned(), |ms| format!("{ms} ms after the signal"));
        let first = if *count > 1 { "the first " } else { "" };
        format!("{count} × GET {path}: {what}{status}, {first}{when}")
    }
}

/// What became of connections that were tried again and again after the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Knocks {
    /// A request on it was answered.
    pub(super) answered: u32,
    /// It was opened, and closed again at once: no HTTP was known to be spoken there.
    pub(super) accepted: u32,
    /// It was refused, or dropped unanswered.
    pub(super) refused: u32,
    /// It was opened, and nothing came for a second.
    pub(super) hanging: u32,
    /// The last that was answered or accepted.
    pub(super) last_served_ms: Option<u64>,
    /// The first that was refused.
    pub(super) first_refused_ms: Option<u64>,
}

/// The record of the init.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    pub(super) cause: String,
    pub(super) code: u8,
    /// `exited with code 0`
    pub(super) server: String,
    pub(super) stop_ms: Option<u64>,
    pub(super) asked_ms: Option<u64>,
    pub(super) dump_ms: Option<u64>,
    pub(super) abort_ms: Option<u64>,
    pub(super) kill_ms: Option<u64>,
    /// How long the leftovers took after the server's end.
    pub(super) leftovers_ms: Option<u64>,
    pub(super) leftovers: Option<String>,
}

/// A goroutine dump, and what it means.
#[derive(Clone, Debug)]
pub(super) struct Dump {
    pub(super) summary: Summary,
    pub(super) findings: Vec<Finding>,
    /// The lines of source that the findings name, where they can be read here.
    pub(super) lines: Vec<Option<String>>,
}

/// Something that happened in a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) ms: u64,
    pub(super) what: String,
}

impl Run {
    /// Why this is no good shutdown, the worst first; nothing: it is one.
    pub(super) fn faults(&self, plan: &Rehearsal) -> Vec<String> {
        let mut faults = Vec::new();
        let Some(end) = &self.end else {
            return vec!["goward's own part was ended from outside".to_owned()];
        };
        if self.signal_after_ms.is_none() && self.interrupted.is_none() {
            faults.push(format!("the server {} by itself, before the signal", end.server));
        } else if end.cause == "deadline" {
            let timeout = plan.settings.policy.ladder.map(|ladder| ladder.timeout()).unwrap_or_default();
            let after = if end.kill_ms.is_none() { " after its goroutine dump" } else { "" };
            faults.push(format!("it did not stop in time (--stop-timeout {timeout:?}): it {}{after}", end.server));
        } else if end.code != plan.expect {
            faults.push(format!("it {}, not with {}", end.server, plan.expect));
        }
        if end.cause == "out-of-memory" {
            faults.push("the kernel's OOM killer struck".to_owned());
        }
        for (counts, when) in [(self.after, "after the signal"), (self.before, "before the signal")] {
            let parts = [(counts.cut, "cut off"), (counts.failed, "failed")];
            for (count, how) in parts.into_iter().filter(|(count, _)| *count > 0) {
                faults.push(format!("{count} request{} {how} {when}", plural(count)));
            }
        }
        let (answers, rejected) =
            (self.before.completed + self.after.completed, self.before.rejected + self.after.rejected);
        if answers > 0 && answers == rejected {
            faults.push(format!("all {answers} answers were 4xx, so nothing was tried: is the path right?"));
        }
        if let Some(leftovers) = &end.leftovers {
            faults.push(format!("it left processes behind: {leftovers}"));
        }
        if !self.remained.is_empty() {
            faults.push(format!("processes had to be killed at the very end: {}", self.remained.join(", ")));
        }
        faults
    }

    /// From the signal to the server's end.
    pub(super) fn stop_ms(&self) -> Option<u64> {
        self.end.as_ref()?.stop_ms.filter(|_| self.signal_after_ms.is_some())
    }

    /// How it began: `ready after 12 ms on 127.0.0.1:8080; the signal 250 ms later`
    pub(super) fn beginning(&self) -> String {
        let mut text = format!("ready after {} ms", self.ready_ms);
        for (at, door) in self.doors.iter().enumerate() {
            text.push_str(if at == 0 { " on " } else { ", " });
            text.push_str(&door.address.to_string());
        }
        if let Some(ms) = self.signal_after_ms {
            text.push_str(&format!("; the signal {ms} ms later"));
        }
        text
    }

    /// What became of connections, a line each.
    pub(super) fn told(&self, plan: &Rehearsal) -> Vec<String> {
        let mut told = Vec::new();
        let k = &self.knocks;
        let rejected = self.before.rejected + self.after.rejected;
        if rejected > 0 {
            told.push(format!("answers with a status of 4xx, which count as answers: {rejected}"));
        }
        if self.turned_away > 0 {
            told.push(format!("{} requests turned away before the server took them: not lost", self.turned_away));
        }
        if k.answered + k.accepted + k.refused + k.hanging > 0 {
            let (served, how) = if k.accepted > 0 { (k.accepted, "accepted") } else { (k.answered, "answered") };
            let (signal, refused, hanging) = (signal(plan), k.refused, k.hanging);
            told.push(format!(
                "new connections after {signal}: {served} {how}, {refused} refused, {hanging} left hanging"
            ));
        }
        if let Some(open) = self.open.filter(|open| *open > 0) {
            told.push(format!("connections left open at the end: {open}"));
        }
        told
    }

    /// What happened after the signal, in order.
    pub(super) fn moments(&self, plan: &Rehearsal) -> Vec<Moment> {
        let mut moments = Vec::new();
        let Some(end) = self.end.as_ref().filter(|_| self.signal_after_ms.is_some()) else { return moments };
        // What happened in the same millisecond stays in the order of its causes.
        let mut add = |ms: Option<u64>, what: String| {
            if let Some(ms) = ms {
                let at = moments.iter().position(|moment: &Moment| moment.ms > ms).unwrap_or(moments.len());
                moments.insert(at, Moment { ms, what });
            }
        };
        let signal = signal(plan);
        if end.asked_ms.is_some_and(|ms| ms > 0) {
            add(Some(0), "the stop begins; the signal is held back (--drain)".to_owned());
        }
        add(end.asked_ms.or(Some(0)), format!("{signal} to the server"));
        for door in &self.doors {
            add(door.closed_ms, format!("it listens no longer on {}", door.address));
        }
        let knocks = &self.knocks;
        let served = if knocks.answered > 0 { "answered" } else { "accepted" };
        add(knocks.last_served_ms, format!("the last new connection that was {served}"));
        add(knocks.first_refused_ms, "new connections are refused".to_owned());
        add(self.last_response_ms, "the last response".to_owned());
        add(end.dump_ms, "it has missed its time: SIGQUIT, for the goroutine dump".to_owned());
        add(end.abort_ms, "SIGABRT, for it caught SIGQUIT or still prints".to_owned());
        add(end.kill_ms, "SIGKILL".to_owned());
        add(end.stop_ms, format!("the server {}", end.server));
        if end.leftovers.is_some() {
            add(end.stop_ms.map(|ms| ms + end.leftovers_ms.unwrap_or(0)), "its leftovers are gone".to_owned());
        }
        moments
    }
}

/// What the server is asked to stop with.
pub(super) fn signal(plan: &Rehearsal) -> Signal {
    let policy = &plan.settings.policy;
    let came = sent(plan);
    let rewritten = policy.rewrite.iter().find(|(from, _)| *from == came).and_then(|(_, to)| *to);
    policy.stop_signal.or(rewritten).unwrap_or(came)
}

/// What the init is asked with.
pub(super) fn sent(plan: &Rehearsal) -> Signal {
    plan.settings.policy.stop_on.first().copied().unwrap_or(Signal::TERM)
}

pub(super) fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The shortest, the middle and the longest of the stop times.
pub(super) fn spread(runs: &[Run]) -> Option<[u64; 3]> {
    let mut times: Vec<u64> = Vec::new();
    for time in runs.iter().filter_map(Run::stop_ms) {
        times.insert(times.partition_point(|other| *other <= time), time);
    }
    Some([*times.first()?, *times.get(times.len() / 2)?, *times.last()?])
}

/// The one to look at: a failed one before a good one, the slower before the quicker.
pub(super) fn worst<'a>(runs: &'a [Run], plan: &Rehearsal) -> Option<&'a Run> {
    runs.iter().max_by_key(|run| (!run.faults(plan).is_empty(), run.stop_ms()))
}
