//! What a rehearsal has shown, whether that is good, and the advice where it is not. How it is printed is in `show/`. Pure: no
//! socket, no clock; times are milliseconds after the stop signal, where nothing else is said.

use super::leaks::{Leak, Leaks};
use super::phase;
use super::waits::{Wait, Waits};
use crate::config::Rehearsal;
use crate::exit;
use crate::goroutines::{Finding, Frame, Summary};
use crate::signal::Signal;
use crate::supervisor::limit;
use std::net::SocketAddr;

/// One rehearsal, from the start to the last process.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    /// From the start until it was ready.
    pub(super) ready_ms: u64,
    /// From then to the stop signal; none: it was never sent.
    pub(super) signal_after_ms: Option<u64>,
    /// What the requests had come to as the signal was sent.
    pub(super) at_signal: Option<AtSignal>,
    /// The addresses it listened on.
    pub(super) listeners: Vec<Listener>,
    /// What there was to choose between its ports, a line for each path.
    pub(super) ports_told: Vec<String>,
    /// Commands of the load that went on when the server had gone, so that their exit code says nothing.
    pub(super) unjudged: u32,
    /// The longest time after the signal in which the rehearsal itself did nothing.
    pub(super) stalled_ms: u64,
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
    pub(super) trials: ConnectionTrials,
    /// Connections that the server had accepted and not closed, as last seen before its end; none: it was too quick.
    pub(super) open: Option<u32>,
    /// What the init told at the end; none: it told nothing.
    pub(super) end: Option<End>,
    /// Processes that had to be killed even after that.
    pub(super) remained: Vec<String>,
    /// What it printed of its goroutines.
    pub(super) dumps: Vec<GoroutineDump>,
    /// Where its goroutines were after the signal.
    pub(super) waits: Waits,
    /// What the load has left behind; none: that was not looked for.
    pub(super) leaks: Option<Leaks>,
    /// Somebody did not want to see the end of it.
    pub(super) interrupted: Option<Signal>,
}

/// An address that the server listened on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) inode: u64,
    /// When it was closed; none: not before the server's end.
    pub(super) closed_ms: Option<u64>,
}

/// The number of requests by how they ended.
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

/// The requests in flight at the stop signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AtSignal {
    /// Those that the server had taken and not answered.
    pub(super) in_flight: u32,
    /// Of those: not about to be answered, as far as is known of their handlers.
    pub(super) in_the_middle: u32,
    /// How long the slowest kind of handler takes; none: none has answered so far.
    pub(super) handler_ms: Option<u64>,
}

/// Requests that went wrong in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    /// `GET /slow`, or the command.
    pub(super) request: String,
    pub(super) what: String,
    /// Where there was one.
    pub(super) status: Option<u16>,
    pub(super) count: u32,
    /// The first of them; none: before the signal.
    pub(super) ms: Option<u64>,
}

impl Example {
    /// Whether another one is of the same kind.
    pub(super) fn is_as(&self, other: &Example) -> bool {
        self.request == other.request
            && self.what == other.what
            && (self.status, self.ms.is_some()) == (other.status, other.ms.is_some())
    }

    pub(super) fn sentence(&self) -> String {
        let Example { request, what, count, .. } = self;
        let status = self.status.map_or(String::new(), |status| format!(" {status}"));
        let when = self.ms.map_or("before the signal".to_owned(), |ms| format!("{ms} ms after the signal"));
        let first = if *count > 1 { "the first " } else { "" };
        format!("{count} × {request}: {what}{status}, {first}{when}")
    }
}

/// What became of connections that were tried again and again after the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ConnectionTrials {
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

impl End {
    /// The same with all times counted from the signal to the server, which --drain has held back.
    pub(super) fn since_signal(self) -> End {
        let asked = self.asked_ms.unwrap_or(0);
        let since = |ms: Option<u64>| ms.map(|ms| ms.saturating_sub(asked));
        End {
            stop_ms: since(self.stop_ms),
            dump_ms: since(self.dump_ms),
            abort_ms: since(self.abort_ms),
            kill_ms: since(self.kill_ms),
            ..self
        }
    }
}

/// A goroutine dump, and what it means.
#[derive(Clone, Debug)]
pub(super) struct GoroutineDump {
    pub(super) summary: Summary,
    pub(super) findings: Vec<Finding>,
    /// The lines of source that the findings name, where they can be read here.
    pub(super) lines: Vec<Option<String>>,
}

/// Something that happened in a stop: before the signal to the server, with --drain, in negative time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) ms: i64,
    pub(super) what: String,
}

impl Run {
    /// Whether the clients did nothing for so much of a handler's time that what was lost meanwhile may not have been seen.
    pub(super) fn stood_still(&self) -> bool {
        let handler = self.at_signal.and_then(|at| at.handler_ms).filter(|ms| *ms >= QUICK);
        handler.is_some_and(|ms| self.stalled_ms >= QUICK.max(ms / 4))
    }

    /// Why this is no good shutdown, the worst first; nothing: it is one.
    pub(super) fn faults(&self, plan: &Rehearsal) -> Vec<String> {
        let mut faults = Vec::new();
        let Some(end) = &self.end else {
            return vec!["the rehearsal's init was ended from outside".to_owned()];
        };
        if !plan.judges_stop() {
            // How it was ended says nothing of it.
        } else if self.signal_after_ms.is_none() && self.interrupted.is_none() {
            faults.push(format!("the server {} by itself, before the signal", end.server));
        } else if end.cause == "deadline" {
            let timeout = limit(plan.settings.policy.ladder.map(|ladder| ladder.timeout()).unwrap_or_default());
            let after = if end.kill_ms.is_none() { " after its goroutine dump" } else { "" };
            faults.push(format!("it did not stop in time (--stop-timeout {timeout}): it {}{after}", end.server));
        } else if end.code != plan.expect {
            faults.push(format!("it {}, not with {}{}", end.server, plan.expect, reraised(end.code, plan)));
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
        if let Some(fault) = self.leaks.as_ref().filter(|_| self.interrupted.is_none()).and_then(Leaks::fault) {
            faults.push(fault);
        }
        if !plan.judges_stop() {
            return faults;
        }
        if let Some(leftovers) = &end.leftovers {
            faults.push(format!("it left processes behind: {leftovers}"));
        }
        if !self.remained.is_empty() {
            faults.push(format!("processes had to be killed at the very end: {}", self.remained.join(", ")));
        }
        faults
    }

    /// What to do about requests that were lost after the signal. What it rests on is said.
    pub(super) fn advice(&self, plan: &Rehearsal) -> Vec<String> {
        let mut advice = Vec::new();
        let Some(end) = self.end.as_ref().filter(|_| self.signal_after_ms.is_some()) else { return advice };
        if self.after.cut > 0 && end.cause != "deadline" {
            let shutdown = self.waits.ordered();
            let shutdown = shutdown.iter().find(|(wait, _)| wait.called.as_deref() == Some(SHUTDOWN));
            let signal = signal(plan);
            advice.push(match shutdown {
                _ if end.code == exit::by_signal(signal.number() as u8) => format!(
                    "The server was ended by {signal}: call signal.NotifyContext for it, and Shutdown when it has come."
                ),
                Some((wait, _)) if wait.is_main => format!(
                    "main was in Shutdown ({}:{}) and went on while requests were in flight: the context that it is given ends too \
                     early. Give it as long as the slowest handler takes.",
                    file_name(&wait.place.file), wait.place.line
                ),
                Some((wait, _)) => format!(
                    "main returned before Shutdown did ({}:{}, in another goroutine): ListenAndServe returns as soon as Shutdown \
                     is called. Wait in main until Shutdown has returned.",
                    file_name(&wait.place.file), wait.place.line
                ),
                None => "The program ended while its handlers were at work, and was not seen in Shutdown: main returned before \
                         Shutdown did, or it calls os.Exit or log.Fatal. Call Shutdown when the signal has come, and wait in main \
                         until it has returned."
                    .to_owned(),
            });
        }
        if self.after.failed > 0 && self.examples.iter().any(|example| example.ms.is_some() && example.what == "status")
        {
            advice.push(
                "Requests that the server had taken were answered with 5xx after the signal: finish them before what they need \
                 (a database, a queue, a context) is closed."
                    .to_owned(),
            );
        }
        advice
    }

    /// From the signal to the server's end.
    pub(super) fn stop_ms(&self) -> Option<u64> {
        self.end.as_ref()?.stop_ms.filter(|_| self.signal_after_ms.is_some())
    }

    /// How long --drain held the signal back.
    pub(super) fn drain_ms(&self) -> Option<u64> {
        self.end.as_ref()?.asked_ms.filter(|ms| *ms > 0)
    }

    /// How it began: `ready after 12 ms on 127.0.0.1:8080; the signal 250 ms later`
    pub(super) fn beginning(&self) -> String {
        let mut text = format!("ready after {} ms", self.ready_ms);
        for (at, listener) in self.listeners.iter().enumerate() {
            text.push_str(if at == 0 { " on " } else { ", " });
            text.push_str(&listener.address.to_string());
        }
        if let Some(ms) = self.signal_after_ms {
            text.push_str(&format!("; the signal {} later", time(ms)));
        }
        if let Some(at) = self.at_signal.filter(|at| at.in_flight > 0) {
            let take = at
                .handler_ms
                .map_or("some of which have never answered".to_owned(), |ms| format!("which take {}", time(ms)));
            let handler = format!("{} of them in the middle of their handlers, {take}", at.in_the_middle);
            text.push_str(&format!(", with {} request{} in flight, {handler}", at.in_flight, plural(at.in_flight)));
        }
        text
    }

    /// What became of connections, a line each.
    pub(super) fn told(&self, plan: &Rehearsal) -> Vec<String> {
        let mut told = Vec::new();
        let k = &self.trials;
        told.extend(self.ports_told.iter().cloned());
        let nothing = |at: &AtSignal| at.in_the_middle == 0;
        if !plan.load.is_empty() && self.at_signal.as_ref().is_some_and(nothing) {
            let takes = self.at_signal.and_then(|at| at.handler_ms);
            let takes = takes.map_or(String::new(), |ms| format!(" (it takes {})", time(ms)));
            told.push(format!(
                "no request was in the middle of its handler at the signal{takes}: a path that takes longer shows more"
            ));
        }
        if !plan.load.is_empty() && self.stalled_ms >= STALLED {
            let stalled = time(self.stalled_ms);
            told.push(format!(
                "the clients waited {stalled} for CPU time after the signal: they may have seen too little"
            ));
        }
        if self.unjudged > 0 {
            let (runs, were) = (self.unjudged, if self.unjudged == 1 { "was" } else { "were" });
            told.push(format!(
                "{runs} run{} of --load-command went on when the server had gone, and {were} ended: not judged",
                plural(runs)
            ));
        }
        let rejected = self.before.rejected + self.after.rejected;
        if rejected > 0 {
            told.push(format!("answers with a status of 4xx, which count as answers: {rejected}"));
        }
        if self.turned_away > 0 {
            let (count, s) = (self.turned_away, plural(self.turned_away));
            told.push(format!("{count} request{s} that the server never accepted: not lost"));
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
            if let Some(ms) = ms.and_then(|ms| i64::try_from(ms).ok()) {
                let at = moments.iter().position(|moment: &Moment| moment.ms > ms).unwrap_or(moments.len());
                moments.insert(at, Moment { ms, what });
            }
        };
        let signal = signal(plan);
        add(Some(0), format!("{signal} to the server"));
        for listener in &self.listeners {
            add(listener.closed_ms, format!("it no longer listens on {}", listener.address));
        }
        let trials = &self.trials;
        let served = if trials.answered > 0 { "answered" } else { "accepted" };
        add(trials.last_served_ms, format!("the last new connection that was {served}"));
        add(trials.first_refused_ms, "new connections are refused".to_owned());
        add(self.last_response_ms, "the last response".to_owned());
        add(end.dump_ms, "it has missed its deadline: SIGQUIT, for the goroutine dump".to_owned());
        add(end.abort_ms, "SIGABRT, for it caught SIGQUIT or still prints".to_owned());
        add(end.kill_ms, "SIGKILL".to_owned());
        add(end.stop_ms, format!("the server {}", end.server));
        if end.leftovers.is_some() {
            add(end.stop_ms.map(|ms| ms + end.leftovers_ms.unwrap_or(0)), "its leftovers are gone".to_owned());
        }
        if let Some(held) = self.drain_ms() {
            let what = "the stop begins: goward is not ready, and holds the signal back (--drain)".to_owned();
            moments.insert(0, Moment { ms: -(held as i64), what });
        }
        moments
    }

    /// What was seen of its goroutines while it stopped: each place with how long they were there, first what held it up.
    pub(super) fn waited(&self) -> Vec<Waited<'_>> {
        let whole = self.stop_ms().unwrap_or(0);
        let sentence = |wait: &Wait| {
            let place = &wait.place;
            let file = file_name(&place.file);
            let (function, line, state) = (&place.function, place.line, wait.state());
            let mut text = format!("{}: {function} {file}:{line}, {state}", part(wait.lasted_ms(), whole));
            if let Some(called) = &wait.called {
                text.push_str(&format!(" in {called}"));
            }
            if wait.most > 1 {
                text.push_str(&format!(", {} goroutines at most", wait.most));
            }
            if wait.from_ms > LATE {
                text.push_str(&format!(", first seen after {}", time(wait.from_ms)));
            }
            text
        };
        let mut ordered = self.waits.ordered();
        // What was seen once may have been passing by.
        ordered.retain(|(wait, _)| wait.lasted_ms() > 0 || self.waits.looks < 3);
        ordered.into_iter().map(|(wait, held_up)| Waited { wait, held_up, sentence: sentence(wait) }).collect()
    }
}

/// A place in the server's code where goroutines were during the stop.
pub(super) struct Waited<'a> {
    pub(super) wait: &'a Wait,
    /// As the diagnosis has it.
    pub(super) held_up: bool,
    pub(super) sentence: String,
}

/// In milliseconds: a handler that takes less has no middle.
const QUICK: u64 = phase::QUICK.as_millis() as u64;
/// In milliseconds: clients that do nothing for so long miss requests.
const STALLED: u64 = 50;

const SHUTDOWN: &str = "net/http.(*Server).Shutdown";

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// What was seen for the first time later than this is new since the signal.
const LATE: u64 = 150;

impl Rehearsal {
    /// Whether the stop is rehearsed, or only leaks are looked for.
    pub(super) fn judges_stop(&self) -> bool {
        self.leaks.is_none_or(|leaks| leaks.then_stop)
    }
}

impl Leaks {
    fn fault(&self) -> Option<String> {
        if let Some(why) = &self.failed {
            return Some(format!("leaks could not be looked for: {why}"));
        }
        let first = self.found.first()?;
        let place = first.place().map_or("(no stack)".to_owned(), |place| {
            format!("{} {}:{}", place.function, file_name(&place.file), place.line)
        });
        let others = match self.found.len() - 1 {
            0 => String::new(),
            1 => ", and in another place".to_owned(),
            others => format!(", and in {others} other places"),
        };
        let (grown, requests) = (first.grown(), self.requests());
        Some(format!("it leaks goroutines: {grown} more after {requests} requests in {place}{others}"))
    }

    /// What the load has done to the number of goroutines.
    pub(super) fn heading(&self) -> String {
        let after: Vec<String> = self.rounds.iter().map(|round| round.goroutines.to_string()).collect();
        format!(
            "{} goroutines before the load; after {} round{} of {} requests: {}",
            self.before,
            after.len(),
            plural(after.len() as u32),
            self.rounds.iter().map(|round| round.requests).max().unwrap_or(0),
            after.join(", ")
        )
    }
}

impl Leak {
    /// What is to be said of it beside its place.
    pub(super) fn more(&self) -> Vec<String> {
        let mut more = Vec::new();
        let described = |frame: &Frame| format!("{} {}:{}", frame.function, frame.file, frame.line);
        if let Some(creator) = &self.group.creator {
            more.push(format!("started by {}", described(creator)));
        }
        more.extend(self.explanation().map(str::to_owned));
        if let Some(top) = self.group.top().filter(|_| self.group.own.is_none() && self.origin.is_some()) {
            more.push(format!("they are in {}", described(top)));
        }
        if self.group.own.is_none() && self.origin.is_none() {
            more.push("which code of the program they come from was not seen".to_owned());
        }
        let counts: Vec<String> = self.counts.iter().map(u64::to_string).collect();
        more.push(format!("before the load and after each round: {}", counts.join(", ")));
        more
    }
}

/// `12 ms`, `9.5 s`
pub(super) fn time(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{} s", seconds(ms)) }
}

/// The same of a moment, which may lie before the signal to the server.
pub(super) fn moment_time(ms: i64) -> String {
    format!("{}{}", if ms < 0 { "-" } else { "" }, time(ms.unsigned_abs()))
}

/// `3.1 of 3.2 s`
fn part(ms: u64, whole: u64) -> String {
    if whole < 1000 { format!("{ms} of {whole} ms") } else { format!("{} of {} s", seconds(ms), seconds(whole)) }
}

fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1000, ms % 1000 / 100)
}

/// What else may be right where the exit code is that of the stop signal itself.
fn reraised(code: u8, plan: &Rehearsal) -> String {
    if code != exit::by_signal(signal(plan).number() as u8) {
        return String::new();
    }
    format!(
        ": it does not handle {}; or it does, and raises it again when it is done: then use --expect {code}",
        signal(plan)
    )
}

/// What the server is asked to stop with.
pub(super) fn signal(plan: &Rehearsal) -> Signal {
    plan.settings.policy.asked_with(sent(plan))
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

/// A column of the distribution of stop times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) count: u64,
}

/// So many rehearsals have a distribution that is worth a picture.
const DISTRIBUTION: usize = 5;
const COLUMNS: u64 = 8;

/// How the stop times are distributed; nothing for a few.
pub(super) fn histogram(runs: &[Run]) -> Vec<Column> {
    let times: Vec<u64> = runs.iter().filter_map(Run::stop_ms).collect();
    let Some([least, _, most]) = spread(runs).filter(|_| times.len() >= DISTRIBUTION) else { return Vec::new() };
    let width = (most - least) / COLUMNS + 1;
    let column = |number: u64| {
        let (from, to) = (least + number * width, least + (number + 1) * width);
        Column { from, to, count: times.iter().filter(|time| (from..to).contains(*time)).count() as u64 }
    };
    (0..COLUMNS).map(column).take_while(|column| column.from <= most).collect()
}

/// The one to look at: a failed one before a good one, the slower before the quicker.
pub(super) fn worst<'a>(runs: &'a [Run], plan: &Rehearsal) -> Option<&'a Run> {
    runs.iter().max_by_key(|run| (!run.faults(plan).is_empty(), run.stop_ms()))
}
