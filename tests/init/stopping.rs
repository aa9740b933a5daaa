//! The stop ladder, against the clock.

use crate::plan::{Plan, Run, number, root, scratch, wait_until, word};
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
    assert!(said.contains("goward: stopped: exit 7, "), "{said}");
}

#[test]
fn a_server_that_ignores_everything_is_killed_in_time() {
    if !root() {
        return;
    }
    for (options, least, most) in [
        ("--stop-timeout 2s --dump raw", 1780, 2000),
        ("--dump raw --stop-timeout 6", 5480, 6000),
        ("--stop-timeout 2s --dump off", 1780, 2000),
        // Nobody waits: at once.
        ("--dump raw --stop-timeout 0", 0, 500),
    ] {
        for plan in [Plan::new(options), Plan::new(options).child()] {
            if options.contains('6') && plan.is_child() {
                continue;
            }
            let run = plan.fixture("ignore-all");
            run.line("ready");
            let said = stops(run, 137, least, most);
            assert!(said.contains("killed at the deadline: exit 137; SIG"), "{options}: {said}");
            let dumps = said.contains("sending SIGQUIT for a goroutine dump");
            assert_eq!(dumps, !options.contains("off") && !options.ends_with(" 0"), "{options}: {said}");
        }
    }
}

#[test]
fn the_platform_sets_the_time() {
    if !root() {
        return;
    }
    for (plan, within) in [
        (Plan::new(""), ", which has 10s\n"),
        (Plan::new("").env("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ", which has 30s\n"),
        (Plan::new("").env("FLY_APP_NAME", "x"), ", which has 5s\n"),
        (Plan::new("").env("FLY_APP_NAME", "x").env("GOWARD_STOP_TIMEOUT", "25"), ", which has 25s\n"),
    ] {
        let run = plan.fixture("stop-slowly 0");
        run.line("ready");
        let said = stops(run, 0, 0, 500);
        assert!(said.contains(within), "{said}");
        // Where it comes from is told at the start; Docker's number is what everybody expects.
        let told = said.lines().find(|line| line.contains("--stop-timeout is "));
        let expected = match within {
            ", which has 30s\n" => Some("30s: the default of Kubernetes (KUBERNETES_SERVICE_HOST is set)"),
            ", which has 5s\n" => Some("5s: the default of Fly.io (FLY_APP_NAME is set)"),
            _ => None,
        };
        assert!(told.is_some() == expected.is_some(), "{said}");
        assert!(told.is_none_or(|told| told.ends_with(expected.unwrap())), "{said}");
    }
    let end = Plan::new("-v").fixture("exit 0").end();
    assert!(end.err.contains("--stop-timeout is 10s: Docker's default"), "{end:?}");
    // What fits elsewhere may not fit here, and it is said why.
    let end = Plan::new("--drain 5s").env("NOMAD_ALLOC_ID", "x").fixture("exit 0").end();
    end.must(125, "(5s is the default of Nomad (NOMAD_ALLOC_ID is set))");
}

#[test]
fn a_stop_without_a_signal() {
    if !root() {
        return;
    }
    // Heroku has told the server itself, and a second TERM would end a Go server that has called stop().
    let run = Plan::new("--stop-signal none --stop-timeout 4s").fixture("echo-signals --until INT");
    run.line("ready");
    run.stop();
    run.log("not forwarded to the server (--stop-signal none), which has 4s");
    run.signal(libc::SIGTERM);
    run.signal(libc::SIGHUP);
    run.line("HUP from");
    send_to(run.server(), libc::SIGINT);
    let end = run.end();
    assert!(end.code == 0 && !end.out.contains("TERM from"), "{end:?}");
    // The deadline holds.
    let run = Plan::new("--stop-signal none --stop-timeout 1s").shell("echo ready; exec sleep 100");
    run.line("ready");
    stops(run, 137, 700, 1000);
}

fn send_to(pid: i32, signal: i32) {
    crate::support::send(pid, signal);
}

#[test]
fn a_frozen_stop_skips_nothing_while_there_is_time() {
    if !root() {
        return;
    }
    // As docker pause does it: all of the container stands still, and time passes.
    let script = "trap '' TERM; trap 'echo quit' QUIT; trap 'echo abrt' ABRT; echo ready; while :; do sleep 0.01; done";
    let run = Plan::new("-v --dump raw --stop-timeout 4s").shell(script);
    run.line("ready");
    let (goward, server) = (run.pid(), run.server());
    let from = run.stop();
    run.log("stop requested");
    for pid in [goward, server] {
        send_to(pid, libc::SIGSTOP);
    }
    std::thread::sleep(ms(3500).saturating_sub(from.elapsed()));
    for pid in [goward, server] {
        send_to(pid, libc::SIGCONT);
    }
    let end = run.end();
    assert!(end.since(from) < ms(4000), "{:?}", end.since(from));
    let at = |name: &str| number(&end.err, name).unwrap_or_else(|| panic!("no {name}: {end:?}"));
    let (dump, abort, kill) = (at("dump_after_ms"), at("abort_after_ms"), at("kill_after_ms"));
    assert!(dump >= 3400 && abort > dump + 10 && kill > abort + 10 && kill >= 3600, "{dump} {abort} {kill}");
    assert!(end.out.contains("quit") && end.out.contains("abrt"), "{end:?}");
}

#[test]
fn the_dump_is_asked_of_the_main_process_alone() {
    if !root() {
        return;
    }
    // Two processes in the server's group; both would tell.
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; trap \"echo other-quit\" QUIT; echo ready; while :; do sleep 0.02; done' & \
        trap 'echo main-quit' QUIT; trap 'echo main-abrt; exit 2' ABRT; while :; do sleep 0.02; done";
    for options in ["--dump raw --stop-timeout 2s", "--dump raw --stop-timeout 2s -g"] {
        let run = Plan::new(options).shell(script);
        run.line("ready");
        let said = stops(run, 137, 1500, 2000);
        assert!(said.contains("main-quit\n") && !said.contains("other-quit\n"), "{options}: {said}");
        // It caught QUIT, so ABRT followed. Its 2 is that of a dump.
        assert!(said.contains("main-abrt"), "{options}: {said}");
        assert!(
            said.contains("missed the deadline: exit 137; SIGQUIT at 1.5s of 2s, SIGTERM from outside the container"),
            "{said}"
        );
    }
}

#[test]
fn a_server_that_ends_by_the_dump_is_not_killed() {
    if !root() {
        return;
    }
    let script = "trap '' TERM; trap 'echo goroutine 1; exit 2' QUIT; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("-v --dump raw --stop-timeout 2s --dump-lead 1s").shell(script);
    run.line("ready");
    let said = stops(run, 137, 980, 1500);
    assert!(
        number(&said, "dump_after_ms").is_some_and(|ms| (1000..1100).contains(&ms)) && !said.contains("kill_after_ms"),
        "{said}"
    );
    // A server that happens to make it in that moment has stopped in time for its own code.
    let script = "trap '' TERM; trap 'exit 0' QUIT; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("--dump raw --stop-timeout 1600ms").shell(script);
    run.line("ready");
    stops(run, 0, 1180, 1430);
}

#[test]
fn the_signal_is_held_back_while_draining() {
    if !root() {
        return;
    }
    let run = Plan::new("-v --drain 500ms --stop-timeout 3s").fixture("stop-slowly 0 3");
    run.line("ready");
    let said = stops(run, 3, 490, 800);
    let asked = number(&said, "asked_after_ms");
    assert!(said.contains("draining for ") && asked.is_some_and(|ms| (500..600).contains(&ms)), "{said}");
    // A second one neither cuts the drain short nor gets lost: Heroku sends several, and the kubelet another one after preStop.
    let run = Plan::new("-v --drain 1s --stop-timeout 5s").fixture("stop-slowly 0 4");
    run.line("ready");
    let from = run.stop();
    run.log("draining for ");
    run.signal(libc::SIGTERM);
    run.signal(libc::SIGINT);
    let end = run.end();
    assert!(end.code == 4 && (990..1400).contains(&end.since(from).as_millis()), "{:?}: {end:?}", end.since(from));
    // The server's own end ends it early.
    let run = Plan::new("--drain 10s --stop-timeout 30s").shell("echo ready; sleep 0.3; exit 5");
    run.line("ready");
    stops(run, 5, 0, 600);
    // Other signals pass.
    let run = Plan::new("--drain 300ms --stop-timeout 3s").fixture("echo-signals");
    run.line("ready");
    run.stop();
    run.log("draining for ");
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

/// A program that is no Go program has no goroutines to show: SIGQUIT and SIGABRT would only cost it its end, and a volume a core file.
#[test]
fn a_core_file_is_told_or_not_written() {
    if !root() {
        return;
    }
    let stubborn = "trap '' TERM; trap 'echo quit' QUIT; echo ready; while :; do sleep 0.02; done";
    let play = |options: &str| {
        let scratch = scratch();
        let setup = format!("cd {}; ulimit -c unlimited", word(&scratch.path(".")));
        let run = Plan::new("--stop-timeout 2s").options(options).setup(&setup).shell(stubborn);
        run.line("ready");
        run.stop();
        let end = run.end();
        assert_eq!(end.code, 137, "{end:?}");
        // Not even on a busy machine, where the look at its goroutines has to be given up: that process is not the server's.
        assert!(!end.err.contains("\"goward ("), "{end:?}");
        let cores = std::fs::read_dir(scratch.path(".")).unwrap().count();
        (end, cores)
    };
    let (end, cores) = play("");
    assert!(!end.out.contains("quit") && cores == 0 && !end.err.contains("core dump"), "{end:?}");
    let (end, cores) = play("--dump raw");
    assert!(end.out.contains("quit"), "{end:?}");
    let piped = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().starts_with(['|', '/']);
    assert!(piped || cores == 1, "{cores} files");
    assert_eq!(end.err.contains("the server left a core dump (kernel.core_pattern: "), cores == 1, "{end:?}");
    let (end, cores) = play("--dump raw --rlimit core=0");
    assert!(end.out.contains("quit") && cores == 0 && !end.err.contains("core dump"), "{end:?}");
}
