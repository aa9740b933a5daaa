//! The stop ladder, against the clock.

use crate::plan::{Plan, Run, root, scratch, wait_until, word};
use crate::support::{Scratch, happens_within};
use std::time::{Duration, Instant};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Stops it, and expects the end between these moments.
fn stops(run: Run, code: i32, least: u64, most: u64) -> String {
    let from = run.stop();
    let end = run.end();
    let took = end.since(from);
    assert_eq!(end.code, code, "{}", end.err);
    assert!(took >= ms(least) && took < ms(most), "{took:?}, not from {least} to {most} ms\n{}", end.err);
    end.out + &end.err
}

#[test]
fn a_good_server_ends_at_once_with_its_own_code() {
    if !root() {
        return;
    }
    let run = Plan::new("").fixture("stop-slowly 0 7");
    run.line("ready");
    let said = stops(run, 7, 0, 500);
    assert!(said.contains("cause=\"stopped\" code=7"), "{said}");
}

#[test]
fn a_server_that_ignores_everything_is_killed_in_time() {
    if !root() {
        return;
    }
    for (options, least, most) in [
        ("--stop-timeout 2s", 1780, 2000),
        ("--stop-timeout 6", 5480, 6000),
        ("--stop-timeout 2s --dump off", 1780, 2000),
        // Nobody waits: at once.
        ("--stop-timeout 0", 0, 500),
    ] {
        for plan in [Plan::new(options), Plan::new(options).child()] {
            if options.contains('6') && plan.is_child() {
                continue;
            }
            let run = plan.fixture("ignore-all");
            run.line("ready");
            let said = stops(run, 137, least, most);
            assert!(said.contains("cause=\"deadline\" code=137"), "{options}: {said}");
            let dumps = said.contains("SIGQUIT, so that it prints its goroutines");
            assert_eq!(dumps, !options.contains("off") && !options.ends_with(" 0"), "{options}: {said}");
        }
    }
}

#[test]
fn the_environment_of_kubernetes_sets_thirty_seconds() {
    if !root() {
        return;
    }
    for (plan, within) in [
        (Plan::new(""), "within=\"10s\""),
        (Plan::new("").env("KUBERNETES_SERVICE_HOST", "10.0.0.1"), "within=\"30s\""),
        (Plan::new("").env("GOWARD_STOP_TIMEOUT", "25"), "within=\"25s\""),
    ] {
        let run = plan.fixture("stop-slowly 0");
        run.line("ready");
        let said = stops(run, 0, 0, 500);
        assert!(said.contains(within), "{said}");
    }
}

#[test]
fn the_dump_is_asked_of_the_main_process_alone() {
    if !root() {
        return;
    }
    // Two processes in the server's group; both would tell.
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; trap \"echo other-quit\" QUIT; echo ready; while :; do sleep 0.02; done' & \
        trap 'echo main-quit' QUIT; trap 'echo main-abrt; exit 2' ABRT; while :; do sleep 0.02; done";
    for options in ["--stop-timeout 2s", "--stop-timeout 2s -g"] {
        let run = Plan::new(options).shell(script);
        run.line("ready");
        let said = stops(run, 137, 1500, 2000);
        assert!(said.contains("main-quit\n") && !said.contains("other-quit\n"), "{options}: {said}");
        // It caught QUIT, so ABRT followed. Its 2 is that of a dump.
        assert!(said.contains("main-abrt"), "{options}: {said}");
        assert!(said.contains("it exited with code 2 after its goroutine dump"), "{said}");
    }
}

#[test]
fn a_server_that_ends_by_the_dump_is_not_killed() {
    if !root() {
        return;
    }
    let script = "trap '' TERM; trap 'echo goroutine 1; exit 2' QUIT; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("--stop-timeout 2s --dump-lead 1s").shell(script);
    run.line("ready");
    let said = stops(run, 137, 980, 1500);
    assert!(said.contains("dump_after_ms=10") && !said.contains("kill_after_ms"), "{said}");
    // A server that happens to make it in that moment has stopped in time for its own code.
    let script = "trap '' TERM; trap 'exit 0' QUIT; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("--stop-timeout 1600ms").shell(script);
    run.line("ready");
    stops(run, 0, 1180, 1430);
}

#[test]
fn the_signal_is_held_back_while_draining() {
    if !root() {
        return;
    }
    let run = Plan::new("--drain 500ms --stop-timeout 3s").fixture("stop-slowly 0 3");
    run.line("ready");
    let said = stops(run, 3, 490, 800);
    assert!(said.contains("draining first") && said.contains("asked_after_ms=5"), "{said}");
    // Whoever asks twice does not want to wait.
    let run = Plan::new("--drain 10s --stop-timeout 30s").fixture("stop-slowly 0 4");
    run.line("ready");
    run.stop();
    run.log("draining first");
    stops(run, 4, 0, 300);
    // The server's own end ends it early.
    let run = Plan::new("--drain 10s --stop-timeout 30s").shell("echo ready; sleep 0.3; exit 5");
    run.line("ready");
    stops(run, 5, 0, 600);
    // Other signals pass.
    let run = Plan::new("--drain 300ms --stop-timeout 3s").fixture("echo-signals");
    run.line("ready");
    run.stop();
    run.log("draining first");
    run.signal(libc::SIGHUP);
    run.line("HUP from");
    assert!(!run.running.stdout().contains("TERM"));
    assert_eq!(run.end().code, 0);
}

#[test]
fn the_time_of_the_drain_is_part_of_the_whole() {
    if !root() {
        return;
    }
    let run = Plan::new("--drain 300ms --stop-timeout 2s").fixture("ignore-all");
    run.line("ready");
    stops(run, 137, 1780, 2000);
}

#[test]
fn what_stops_and_what_the_server_is_asked_with() {
    if !root() {
        return;
    }
    let run = Plan::new("--stop-signal INT").fixture("echo-signals --until INT");
    run.line("ready");
    let said = stops(run, 0, 0, 500);
    assert!(said.contains("INT from pid 1") && !said.contains("\nTERM from"), "{said}");
    // TERM is no stop here and has no deadline; HUP is one.
    let run = Plan::new("--stop-on HUP,QUIT --stop-timeout 1500ms")
        .shell("trap '' TERM HUP QUIT ABRT; echo ready; while :; do sleep 0.05; done");
    run.line("ready");
    run.stop();
    assert!(!happens_within(ms(1600), || run.running.ending().is_some()), "TERM had a deadline");
    let from = Instant::now();
    run.signal(libc::SIGHUP);
    let end = run.end();
    assert!(end.code == 137 && end.since(from) < ms(1500), "{:?} {}", end.since(from), end.err);
    // Later stop signals are forwarded as they come.
    let run = Plan::new("")
        .shell("trap 'echo term' TERM; trap 'echo int; exit 9' INT; echo ready; while :; do sleep 0.02; done");
    run.line("ready");
    run.stop();
    run.line("term");
    run.signal(libc::SIGINT);
    assert_eq!(run.end().code, 9);
}

#[test]
fn no_clock_but_the_monotonic_one() {
    if !root() || !crate::support::requires("strace") {
        return;
    }
    // A wall clock that jumps must change nothing. This machine's own is not ours to set, so it is shown what is asked
    // for: no timer, no sleep and no wait that names another clock. Times that are waited for are lengths, not dates.
    let run = traced(&scratch(), "--stop-timeout 600ms");
    for line in run.lines() {
        let call = line.split('(').next().unwrap_or_default();
        let timed = ["timer_settime", "timerfd_settime", "setitimer", "alarm", "timer_create", "timerfd_create"];
        assert!(!timed.contains(&call), "{line}");
        assert!(!line.contains("TIMER_ABSTIME"), "{line}");
    }
    let waits = run.lines().filter(|line| line.starts_with("rt_sigtimedwait")).count();
    assert!(waits >= 3, "{run}");
}

/// What goward asks of the kernel during a stop that ends in a kill.
fn traced(scratch: &Scratch, options: &str) -> String {
    let log = scratch.path("trace");
    let mut words = vec!["strace", "-o", word(&log), "-e", "signal=none", "--", crate::plan::goward()];
    words.extend(options.split(' '));
    words.extend([crate::plan::fixture(), "ignore-all"]);
    let run = Plan::new("").child().start(&["/usr/bin/env"].into_iter().chain(words).collect::<Vec<_>>());
    run.line("ready");
    let goward = wait_until("goward under strace", || {
        let all = crate::plan::children(run.pid()).into_iter().map(|(pid, _)| pid);
        all.into_iter().find(|pid| crate::plan::status(*pid, "Name") == "goward")
    });
    crate::support::send(goward, libc::SIGTERM);
    run.end();
    std::fs::read_to_string(log).unwrap()
}
