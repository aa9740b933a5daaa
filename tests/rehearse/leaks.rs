//! `goward rehearse --leaks` with the twenty servers of tests/rehearse/leaks: ten that leak, each named with the line that is marked
//! there, and ten that do not.

use super::{Rehearsal, server};
use serde_json::Value;
use std::path::Path;
use std::sync::Mutex;

const LEAKING: [&str; 10] = [
    "forgotten_receiver",
    "forgotten_sender",
    "ticker",
    "after_in_loop",
    "body_not_closed",
    "context_not_cancelled",
    "worker_per_request",
    "subscription",
    "errgroup",
    "blocked_log",
];

const GOOD: [&str; 10] = [
    "keep_alive",
    "client_pool",
    "connection_pool",
    "started_once",
    "grown_workers",
    "cache",
    "late_cleanup",
    "idle_batcher",
    "fan_out",
    "cancelled_timely",
];

/// Most of the time of one is waiting.
const AT_ONCE: usize = 4;

#[test]
fn leaks_are_named_with_their_line() {
    each(&LEAKING, 2, leaks);
}

#[test]
fn pools_workers_and_caches_are_no_leaks() {
    each(&GOOD, 2, passes);
}

#[test]
#[ignore = "each of the twenty servers twenty times: make soak"]
fn leaks_every_time() {
    each(&LEAKING, 20, leaks);
    each(&GOOD, 20, passes);
}

/// Without a stop the server is ended when the leaks have been looked for; with one the stop is told of too.
#[test]
fn with_and_without_a_stop() {
    let Some(program) = server("leaks") else { return };
    let good = Rehearsal::of(&program).arguments(&["started_once"]);
    let run = good.json(&["--leaks", "--load", "/"]).run();
    assert_eq!((&run["verdict"], &run["server"]), (&"pass".into(), &"exited with code 0".into()), "{run}");
    assert!(run["stop_ms"].is_u64() && run["leaks"]["rounds"][1]["requests"] == 100, "{run}");
    let told = good.run(&["--leaks", "--no-stop", "--load", "/"]).outcome.stdout;
    assert!(told.contains("goroutines before the load; after 2 rounds of 100 requests: "), "{told}");
    assert!(told.contains("PASS  no goroutine leaked in 200 requests"), "{told}");
    assert!(!told.contains("SIGTERM"), "{told}");

    let bad = Rehearsal::of(&program).arguments(&["subscription"]);
    let told = bad.run(&["--leaks", "--load", "/"]).outcome.stdout;
    for part in [
        "SIGTERM to the server",
        "main.(*hub).forward  ",
        "started by main.subscription.func1 ",
        "FAIL  it leaks goroutines: 300 more after 300 requests in main.(*hub).forward leaking.go:",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

/// What cannot be seen is no pass.
#[test]
fn where_nothing_can_be_seen_nothing_passes() {
    if !super::support::requires("python3") {
        return;
    }
    let rehearsal =
        Rehearsal::of(Path::new("/usr/bin/env")).arguments(&["sh", "-c", "exec python3 -m http.server $PORT"]);
    let seen = rehearsal.json(&["--leaks", "--no-stop", "--load", "/"]);
    assert_eq!(seen.code, 1, "{seen:?}");
    let why = seen.run()["why"][0].as_str().unwrap().to_owned();
    assert!(why.starts_with("leaks could not be looked for: neither pid "), "{why}");
}

fn each(names: &[&str], times: u32, check: fn(&str, &Rehearsal)) {
    let Some(program) = server("leaks") else { return };
    let waiting: Mutex<Vec<&str>> = Mutex::new(names.iter().flat_map(|name| (0..times).map(move |_| *name)).collect());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(name) = waiting.lock().unwrap().pop() else { break };
                    check(name, &Rehearsal::of(&program).arguments(&[name]));
                }
            });
        }
    });
}

fn of(name: &str, rehearsal: &Rehearsal) -> (i32, Value) {
    let seen = rehearsal.json(&["--leaks", "--no-stop", "--load", "/"]);
    let run = seen.run();
    assert_eq!(run["leaks"]["failed"], Value::Null, "{name}: {run}");
    (seen.code, run)
}

fn leaks(name: &str, rehearsal: &Rehearsal) {
    let (code, run) = of(name, rehearsal);
    let found = run["leaks"]["found"].as_array().unwrap();
    assert_eq!((code, found.len()), (1, 1), "{name}: {run}");
    let place = &found[0]["place"];
    assert_eq!(place["line"], marked(name), "{name}: {run}");
    assert!(place["file"].as_str().unwrap().ends_with("leaking.go"), "{name}: {run}");
    assert!(run["why"][0].as_str().unwrap().starts_with("it leaks goroutines: "), "{name}: {run}");
}

fn passes(name: &str, rehearsal: &Rehearsal) {
    let (code, run) = of(name, rehearsal);
    assert_eq!((code, &run["verdict"]), (0, &"pass".into()), "{name}: {run}");
}

/// The line that is to be named.
fn marked(name: &str) -> usize {
    let mark = format!("// leak: {name}");
    let source = include_str!("leaks/leaking.go");
    1 + source.lines().position(|line| line.ends_with(&mark)).unwrap_or_else(|| panic!("no {mark}"))
}
