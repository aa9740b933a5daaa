//! For machines: one object. What is not known is not there.

use super::{program, verdict};
use crate::config::Rehearsal;
use crate::goroutines;
use crate::json::Json;
use crate::rehearse::outcome::{self, Counts, Run, spread};

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

fn one(json: &mut Json, run: &Run, plan: &Rehearsal) {
    let (good, _) = verdict(run, plan);
    json.string("verdict", if good { "pass" } else { "fail" });
    json.list("why", &run.faults(plan), |json, fault| json.value(fault));
    json.numbers(&[("ready_ms", Some(run.ready_ms)), ("signal_after_ms", run.signal_after_ms)]);
    if let Some(end) = &run.end {
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
    json.list("listeners", &run.doors, |json, door| {
        json.object(|json| {
            json.string("address", &door.address.to_string());
            json.numbers(&[("closed_ms", door.closed_ms)]);
        });
    });
    json.key("requests");
    json.object(|json| {
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
        json.number("turned_away", run.turned_away.into());
        json.list("examples", &run.examples, |json, example| json.value(&example.sentence()));
    });
    let k = &run.knocks;
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
    json.list("remained", &run.remained, |json, name| json.value(name));
    json.list("dumps", &run.dumps, |json, dump| json.raw(&goroutines::json(&dump.summary, &dump.findings, true)));
}
