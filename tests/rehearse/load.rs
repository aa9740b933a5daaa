//! The load of a rehearsal: that the signal falls where requests are in the middle of their handlers, whatever these take; other
//! ports, other clients, other requests.

use super::{GOWARD, Rehearsal, server};
use std::sync::Mutex;
use std::thread;

/// What a handler takes, and whether the server calls Shutdown, for 100 ms. One that does not serves until then.
const CUTS: [(u32, bool); 9] = [
    (50, false),
    (150, true),
    (300, false),
    (300, true),
    (99, false),
    (500, true),
    (1000, true),
    (2000, false),
    (2000, true),
];

/// So many of them at once: they sleep most of the time.
const AT_ONCE: usize = 3;

fn all_fail(times: usize) {
    let Some(cuts) = server("cuts") else { return };
    let left = Mutex::new(CUTS.repeat(times));
    let passed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((ms, shutdown)) = left.lock().unwrap().pop() else { return };
                    let rehearsal = Rehearsal::of(&cuts).arguments(if shutdown { &["-shutdown"] } else { &[] });
                    let seen = rehearsal.json(&["--load", &format!("/slow?ms={ms}")]);
                    let run = seen.run();
                    // Clients that had no processor had no requests in flight either: once more.
                    if seen.code == 0 && run["requests"]["stalled_ms"].as_u64() >= Some(30) {
                        left.lock().unwrap().push((ms, shutdown));
                    } else if seen.code != 1 || run["requests"]["after"]["cut"].as_u64() == Some(0) {
                        passed.lock().unwrap().push(format!("{ms} ms, Shutdown {shutdown}: {run}"));
                    }
                }
            });
        }
    });
    let passed = passed.into_inner().unwrap();
    assert!(passed.is_empty(), "{} of {}: {}", passed.len(), times * CUTS.len(), passed.join("\n"));
}

#[test]
fn a_stop_of_100_ms_fails_whatever_the_handlers_take() {
    all_fail(1);
}

#[test]
#[ignore = "minutes: make soak"]
fn a_stop_of_100_ms_fails_20_times_of_20() {
    all_fail(20);
}

#[test]
fn most_requests_are_in_the_middle_at_the_signal() {
    let Some(good) = server("good") else { return };
    let seen = Rehearsal::of(&good).json(&["--load", "/slow?ms=400"]);
    let at = seen.run()["requests"]["at_signal"].clone();
    assert!(at["in_the_middle"].as_u64() >= Some(5) && at["in_flight"].as_u64() <= Some(10), "{at}");
    assert!(at["handler_ms"].as_u64().is_some_and(|ms| (400..800).contains(&ms)), "{at}");

    let quick = Rehearsal::of(&good).run(&["--load", "/"]).outcome.stdout;
    assert!(quick.contains("no request was in the middle of its handler at the signal"), "{quick}");
}

#[test]
fn the_port_that_answers_the_path_is_taken_and_named() {
    let Some(ports) = server("ports") else { return };
    let rehearsal = Rehearsal::of(&ports);
    let seen = rehearsal.json(&["--load", "/api"]);
    let run = seen.run();
    assert_eq!((seen.code, run["listeners"].as_array().unwrap().len()), (0, 3), "{run}");
    let told = run["requests"]["ports"][0].as_str().unwrap();
    let (first, others) = told.split_once("; ").unwrap();
    let others: Vec<&str> = others.split("; ").collect();
    assert_eq!(first, format!("the port for /api: localhost:{} answered 200", rehearsal.port));
    assert!(others[0].ends_with("answered 404") && others[1].ends_with("did not answer in HTTP"), "{told}");
    assert!(run["requests"]["after"]["completed"].as_u64() > Some(0), "{run}");

    // None of them has it: that is said of each.
    let seen = rehearsal.run(&["--load", "/nonesuch"]);
    let told = &seen.outcome.stdout;
    assert_eq!(seen.code, 1, "{told}");
    assert_eq!(told.matches("answered 404").count(), 2, "{told}");
    assert!(told.contains("is the path right?"), "{told}");
}

#[test]
fn a_request_can_have_a_body_and_header_fields() {
    let Some(ports) = server("ports") else { return };
    let rehearsal = Rehearsal::of(&ports);
    let headers = ["--header", "Authorization: Bearer x", "--header", "Host: shop.example", "--load", "/orders"];
    let scratch = super::Scratch::new();
    let file = scratch.path("order.json");
    std::fs::write(&file, "{\"item\":1}").unwrap();
    for data in ["{\"item\":1}", &format!("@{}", file.display())] {
        let seen = rehearsal.json(&[&headers[..], &["--data", data]].concat());
        assert_eq!((seen.code, &seen.run()["requests"]["before"]["rejected"]), (0, &0.into()), "{seen:?}");
    }
    let wrong = rehearsal.json(&[&headers[..], &["--data", "{}"]].concat());
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.run()["requests"]["before"]["failed"].as_u64() > Some(0), "{wrong:?}");
    let missing = rehearsal.run(&[&headers[..], &["--data", "@/nonesuch"]].concat());
    assert_eq!(missing.code, 125);
    assert!(missing.outcome.stderr.contains("--data /nonesuch: No such file"), "{missing:?}");
}

#[test]
fn a_command_can_be_the_client() {
    let (Some(good), Some(cuts)) = (server("good"), server("cuts")) else { return };
    let run = |rehearsal: &Rehearsal, path: &str| {
        let client = format!("{GOWARD} probe --timeout 5s http://localhost:{}{path}", rehearsal.port);
        rehearsal.json(&["--load-command", &client, "--in-flight", "4"])
    };
    let seen = run(&Rehearsal::of(&good), "/slow?ms=400");
    let good = seen.run();
    assert_eq!(seen.code, 0, "{good}");
    assert!(good["requests"]["after"]["completed"].as_u64() > Some(0), "{good}");
    let seen = run(&Rehearsal::of(&cuts).arguments(&["-shutdown"]), "/slow?ms=400");
    let lost = seen.run();
    assert_eq!(seen.code, 1, "{lost}");
    assert!(lost["requests"]["examples"][0].as_str().unwrap().contains(": exit code 1, "), "{lost}");

    // Not started at all, and one that does not end.
    let never = Rehearsal::of(&cuts).json(&["--load-command", "/nonesuch"]);
    assert_eq!(never.code, 1, "{never:?}");
    assert!(never.run()["requests"]["examples"][0].as_str().unwrap().contains("/nonesuch"), "{never:?}");
    let endless = Rehearsal::of(&cuts).json(&["--load-command", "sleep 1000", "--in-flight", "2"]);
    assert_eq!((endless.code, &endless.run()["requests"]["unjudged"]), (0, &2.into()), "{endless:?}");
}

/// A stream that stays open has no end that could be learned: one that the server ends is an answer, one that it cuts is lost.
#[test]
fn server_sent_events_are_judged_by_how_they_end() {
    let Some(events) = server("events") else { return };
    let run = |flags: &[&str]| {
        let seen = Rehearsal::of(&events).arguments(flags).json(&["--load", "/events", "--stop-timeout", "4s"]);
        let run = seen.run();
        (seen.code, run["requests"]["after"]["completed"].clone(), run["requests"]["after"]["cut"].clone())
    };
    assert_eq!(run(&[]), (0, 10.into(), 0.into()));
    assert_eq!(run(&["-cut"]), (1, 0.into(), 10.into()));
    assert_eq!(
        run(&["-forget"]),
        (1, 0.into(), 10.into()),
        "nobody ends them, so that Shutdown waits until the deadline"
    );
}

#[test]
fn a_server_that_raises_its_signal_again_is_told_what_to_expect() {
    let Some(reraises) = server("reraises") else { return };
    let rehearsal = Rehearsal::of(&reraises);
    let seen = rehearsal.run(&["--load", "/slow"]);
    assert_eq!(seen.code, 1, "{seen:?}");
    assert!(seen.outcome.stdout.contains("then use --expect 143"), "{seen:?}");
    assert_eq!(rehearsal.run(&["--load", "/slow", "--expect", "143"]).code, 0);
}

#[test]
fn a_drain_comes_before_the_zero() {
    let Some(good) = server("good") else { return };
    let seen = Rehearsal::of(&good).run(&["--load", "/slow?ms=300", "--drain", "1s"]);
    let told = &seen.outcome.stdout;
    assert_eq!(seen.code, 0, "{told}");
    assert!(
        told.contains("\n   -1.0 s  the stop begins") && told.contains("\n     0 ms  SIGTERM to the server\n"),
        "{told}"
    );
    assert!(told.contains("after 1.0 s of --drain"), "{told}");
    let run = Rehearsal::of(&good).json(&["--load", "/slow?ms=300", "--drain", "1s"]).run();
    assert!(run["asked_ms"].as_u64().is_some_and(|ms| (1000..1200).contains(&ms)), "{run}");
    assert!(run["stop_ms"].as_u64().is_some_and(|ms| ms < 1000), "{run}");
    // The load goes on meanwhile.
    assert!(run["requests"]["before"]["completed"].as_u64() > Some(30), "{run}");
}

#[test]
fn the_report_is_alone_on_standard_output() {
    let Some(cuts) = server("cuts") else { return };
    let shell = format!("echo from the server; exec {}", cuts.display());
    let seen = Rehearsal::of("/bin/sh".as_ref()).arguments(&["-c", &shell]).run(&["--load", "/slow?ms=1"]);
    assert!(seen.outcome.stdout.starts_with("\n/bin/sh -c ") && !seen.outcome.stdout.contains("\nfrom the server"));
    assert!(seen.outcome.stderr.contains("from the server\n"), "{seen:?}");
}
