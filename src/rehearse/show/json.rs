//! For machines: one object. What is not known is not there.

use super::{program, verdict};
use crate::config::Rehearsal;
use crate::goroutines::{self, Frame};
use crate::json::Json;
use crate::rehearse::leaks::Leaks;
use crate::rehearse::outcome::{self, Counts, Run, Waited, spread};

/// Everything, with a line feed.
pub(in crate::rehearse) fn all(runs: &[Run], plan: &Rehearsal) -> String {
    let failed = runs.iter().filter(|run| !run.faults(plan).is_empty()).count();
    let mut json = Json::default();
    json.object(|json| {
        json.string("verdict", if failed == 0 { "pass" } else { "fail" });
        json.string("program", &program(plan));
        json.string("signal", &outcome::signal(plan).to_string());
        let timeout = plan.settings.policy.ladder.map(|ladder| ladder.timeout().as_millis() as u64);
        json.numbers(&[("stop_timeout_ms", timeout), ("failed", Some(failed as u64))]);
        if let Some([min, median, max]) = spread(runs) {
            json.key("stop_ms");
            json.object(|json| json.numbers(&[("min", Some(min)), ("median", Some(median)), ("max", Some(max))]));
        }
        json.list("runs", runs, |json, run| json.object(|json| one(json, run, plan)));
    });
    json.into_text() + "\n"
}

/// Where the server's own code was after the signal.
fn waits(json: &mut Json, run: &Run) {
    json.number("looks", run.waits.looks.into());
    if let Some(why) = &run.waits.failed {
        json.string("look_failed", why);
    }
    json.list("waits", run.waited(), |json, Waited { wait, held_up, .. }| {
        json.object(|json| {
            json.bool("held_up", held_up);
            place(json, "place", Some(&wait.place));
            json.string("state", wait.state());
            if let Some(called) = &wait.called {
                json.string("in", called);
            }
            json.numbers(&[
                ("from_ms", Some(wait.from_ms)),
                ("to_ms", Some(wait.to_ms)),
                ("looks", Some(wait.looks.into())),
                ("goroutines", Some(wait.most)),
            ]);
        });
    });
}

fn leaks(json: &mut Json, leaks: &Leaks) {
    if let Some(why) = &leaks.failed {
        json.string("failed", why);
    }
    json.number("before", leaks.before);
    json.list("rounds", &leaks.rounds, |json, round| {
        json.object(|json| {
            json.numbers(&[("requests", Some(round.requests.into())), ("goroutines", Some(round.goroutines))]);
        });
    });
    json.list("found", &leaks.found, |json, leak| {
        json.object(|json| {
            json.number("grown", leak.grown());
            json.string("state", &leak.group.state);
            place(json, "place", leak.place());
            place(json, "creator", leak.group.creator.as_ref());
            place(json, "origin", leak.origin.as_ref());
            json.list("counts", &leak.counts, |json, count| json.raw(&count.to_string()));
            if let Some(explanation) = leak.explanation() {
                json.string("explanation", explanation);
            }
        });
    });
}

fn place(json: &mut Json, name: &str, frame: Option<&Frame>) {
    let Some(Frame { function, file, line }) = frame else { return };
    json.key(name);
    json.object(|json| {
        json.string("function", function);
        json.string("file", file);
        json.number("line", (*line).into());
    });
}

fn one(json: &mut Json, run: &Run, plan: &Rehearsal) {
    let (good, _) = verdict(run, plan);
    json.string("verdict", if good { "pass" } else { "fail" });
    json.list("why", &run.faults(plan), |json, fault| json.value(fault));
    json.list("advice", &run.advice(plan), |json, advice| json.value(advice));
    json.numbers(&[("ready_ms", Some(run.ready_ms)), ("signal_after_ms", run.signal_after_ms)]);
    end(json, run);
    json.list("listeners", &run.listeners, |json, listener| {
        json.object(|json| {
            json.string("address", &listener.address.to_string());
            json.numbers(&[("closed_ms", listener.closed_ms)]);
        });
    });
    json.key("requests");
    json.object(|json| requests(json, run));
    let k = &run.trials;
    json.numbers(&[("last_response_ms", run.last_response_ms), ("left_open", run.open.map(u64::from))]);
    json.key("new_connections");
    json.object(|json| {
        json.numbers(&[
            ("answered", Some(k.answered.into())),
            ("accepted", Some(k.accepted.into())),
            ("refused", Some(k.refused.into())),
            ("hanging", Some(k.hanging.into())),
            ("last_served_ms", k.last_served_ms),
            ("first_refused_ms", k.first_refused_ms),
        ]);
    });
    waits(json, run);
    if let Some(leaks) = &run.leaks {
        json.key("leaks");
        json.object(|json| self::leaks(json, leaks));
    }
    json.list("remained", &run.remained, |json, name| json.value(name));
    json.list("dumps", &run.dumps, |json, dump| json.raw(&goroutines::json(&dump.summary, &dump.findings, true)));
}

/// How the server ended, as the init tells it.
fn end(json: &mut Json, run: &Run) {
    let Some(end) = &run.end else { return };
    json.string("cause", &end.cause);
    json.string("server", &end.server);
    json.numbers(&[
        ("code", Some(end.code.into())),
        ("stop_ms", run.stop_ms()),
        ("asked_ms", end.asked_ms),
        ("dump_ms", end.dump_ms),
        ("abort_ms", end.abort_ms),
        ("kill_ms", end.kill_ms),
        ("leftovers_ms", end.leftovers_ms),
    ]);
    if let Some(leftovers) = &end.leftovers {
        json.string("leftovers", leftovers);
    }
}

/// What became of the requests, before the signal and after it.
fn requests(json: &mut Json, run: &Run) {
    for (when, counts) in [("before", run.before), ("after", run.after)] {
        json.key(when);
        let Counts { completed, rejected, failed, cut } = counts;
        json.object(|json| {
            json.numbers(&[
                ("completed", Some(completed.into())),
                ("rejected", Some(rejected.into())),
                ("failed", Some(failed.into())),
                ("cut", Some(cut.into())),
            ]);
        });
    }
    if let Some(at) = run.at_signal {
        json.key("at_signal");
        json.object(|json| {
            json.numbers(&[
                ("in_flight", Some(at.in_flight.into())),
                ("in_the_middle", Some(at.in_the_middle.into())),
                ("handler_ms", at.handler_ms),
            ]);
        });
    }
    json.number("turned_away", run.turned_away.into());
    json.number("unjudged", run.unjudged.into());
    json.number("stalled_ms", run.stalled_ms);
    json.list("ports", &run.ports_told, |json, told| json.value(told));
    json.list("examples", &run.examples, |json, example| json.value(&example.sentence()));
}
