//! Orphans, leftovers and strangers.

use crate::plan::{Plan, Run, children, fixture, root, scratch, state, status, wait_until, word};
use crate::support::{LIMIT, happens_within, send};
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn ten_thousand_orphans_and_no_zombie() {
    if !root() {
        return;
    }
    for plan in [Plan::new(""), Plan::new("").child()] {
        // After the storm the server tells what it sees: itself, and nobody else of its own.
        let run = plan.shell("\"$FIXTURE\" orphans 10000; exec \"$FIXTURE\" echo-signals");
        run.line("orphans 10000");
        run.line("ready");
        wait_until("every orphan is reaped", || (run.children().len() == 1).then_some(()));
        assert_eq!(run.zombies(), 0);
        run.signal(libc::SIGUSR1);
        run.line("USR1 from");
        run.stop();
        assert_eq!(run.end().code, 0);
    }
}

#[test]
fn asked_to_be_a_subreaper() {
    if !root() {
        return;
    }
    for plan in [Plan::new("-s"), Plan::new("--subreaper").child()] {
        assert_eq!(plan.shell("\"$FIXTURE\" orphans 20; exit 3").end().code, 3);
    }
}

#[test]
fn reaping_is_told_where_it_is_asked_for() {
    if !root() {
        return;
    }
    let run = Plan::new("-w").shell("(sh -c 'exit 3' &) ; (sh -c 'kill -9 $$' &) ; exec \"$FIXTURE\" stop-slowly 0");
    run.line("ready");
    run.log("reaped an orphan, which exited with code 3");
    run.log("reaped an orphan, which was ended by SIGKILL");
    run.stop();
    assert_eq!(run.end().code, 0);
}

#[test]
fn orphans_that_live_longer_than_the_server() {
    if !root() {
        return;
    }
    // Each of them lives half a second; nobody needs to be killed, and goward leaves with the last.
    let from = Instant::now();
    let end = Plan::new("").fixture("orphans 200 500").end();
    assert_eq!(end.code, 0);
    assert!(end.err.contains("sending SIGTERM to the processes left behind"), "{}", end.err);
    assert!(end.since(from) < Duration::from_secs(3), "{:?}", end.since(from));
}

#[test]
fn a_leftover_is_asked_and_given_its_time() {
    if !root() {
        return;
    }
    for (plan, mode) in [
        (Plan::new(""), "obeys"),
        (Plan::new("").child(), "obeys"),
        (Plan::new(""), "escapes"),
        (Plan::new("").child(), "escapes"),
    ] {
        let scratch = scratch();
        let file = scratch.path("done");
        let from = Instant::now();
        let end = plan.fixture(&format!("leftover {mode} {} 1000", word(&file))).end();
        assert_eq!(end.code, 0, "{}", end.err);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "cleaned up", "{mode}: {}", end.err);
        let took = end.since(from);
        assert!(took >= Duration::from_millis(1000), "{mode}: {took:?}");
        // goward leaves with the last of them, not at the end of the time.
        assert!(took < Duration::from_millis(1600), "{mode}: {took:?}");
        let pid = end.out.trim().strip_prefix("leftover ").unwrap();
        let named = |line: &str| line.contains("fixture") && line.contains(&format!("({pid})"));
        let told = |what: &str| end.err.lines().any(|line| line.contains(what) && named(line));
        assert!(told("sending SIGTERM to the processes left behind"), "{mode}: {}", end.err);
        assert!(end.err.contains("; leftovers took 1."), "{mode}: {}", end.err);
    }
}

/// Another process looks at them, and is not waited for.
#[test]
fn a_leftover_that_cannot_be_looked_at_is_asked_all_the_same() {
    if !root() || !crate::support::requires("strace") {
        return;
    }
    let scratch = scratch();
    let file = scratch.path("done");
    let run = Plan::new("--stop-timeout 8s")
        .shell(&format!("\"$FIXTURE\" leftover obeys {} 100; exec \"$FIXTURE\" stop-slowly 0 4", word(&file)));
    run.line("ready");
    // The command line of each takes four seconds.
    let mut strace = std::process::Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=open,openat:delay_enter=4000000"]);
    for pid in 2..20 {
        strace.args(["-P", &format!("/proc/{pid}/cmdline")]);
    }
    let mut strace = strace.args(["-p", &run.pid().to_string()]).spawn().unwrap();
    wait_until("strace", || (status(run.pid(), "TracerPid") != "0").then_some(()));
    let from = run.stop();
    run.log("sending SIGTERM to the processes left behind");
    wait_until("cleaned up", || std::fs::read_to_string(&file).ok().filter(|text| text == "cleaned up"));
    let took = from.elapsed();
    assert!(took > Duration::from_millis(450) && took < Duration::from_millis(2500), "{took:?}");
    strace.kill().unwrap();
    strace.wait().unwrap();
    let end = run.end();
    assert!(end.code == 4 && end.since(from) < Duration::from_secs(8), "{}", end.err);
}

#[test]
fn a_leftover_that_ignores_term_is_killed_in_time() {
    if !root() {
        return;
    }
    for plan in [Plan::new("--stop-timeout 2s"), Plan::new("--stop-timeout 2s").child()] {
        let run = plan.fixture("leftover ignores /nonexistent");
        let line = run.line("leftover ");
        let from = Instant::now();
        let end = run.end();
        let took = end.since(from);
        assert_eq!(end.code, 0, "the server's own code: {}", end.err);
        assert!(took > Duration::from_millis(1750) && took < Duration::from_millis(2000), "{took:?}");
        assert!(
            end.err.contains("sending SIGKILL to the processes left behind")
                && end.err.contains(&line.replace("leftover ", "(")),
            "{line} {}",
            end.err
        );
    }
}

#[test]
fn a_stop_covers_the_leftovers_too() {
    if !root() {
        return;
    }
    // Most of the time is used by the server, the rest is for the leftover.
    let run = Plan::new("--stop-timeout 1500ms")
        .shell("\"$FIXTURE\" leftover ignores /x; exec \"$FIXTURE\" stop-slowly 800 4");
    run.line("ready");
    let from = run.stop();
    let end = run.end();
    assert_eq!(end.code, 4);
    let took = end.since(from);
    assert!(took > Duration::from_millis(1300) && took < Duration::from_millis(1500), "{took:?}: {}", end.err);
}

#[test]
fn a_stopped_leftover_is_continued() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let file = scratch.path("done");
    let script = format!("\"$FIXTURE\" leftover obeys {}; exec \"$FIXTURE\" stop-slowly 0", word(&file));
    for plan in [Plan::new(""), Plan::new("").child()] {
        let run = plan.shell(&script);
        run.line("ready");
        let server = run.server();
        let leftover = wait_until("the leftover", || {
            // Not the process that writes a line.
            let is_fixture = |pid: i32| status(pid, "Name") == "fixture";
            let mut pids = run.children().into_iter().chain(children(server)).map(|(pid, _)| pid);
            pids.find(|pid| *pid != server && is_fixture(*pid))
        });
        send(leftover, libc::SIGSTOP);
        wait_until("it is stopped", || (state(leftover)? == 'T').then_some(()));
        let from = run.stop();
        let end = run.end();
        assert_eq!(end.code, 0);
        assert!(file.exists() && end.since(from) < Duration::from_secs(2), "{:?}: {}", end.since(from), end.err);
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_whole_tree_goes() {
    if !root() {
        return;
    }
    for plan in [Plan::new(""), Plan::new("").child()] {
        let run = plan.fixture("tree 4 2");
        wait_until("31 processes", || (run.running.stdout().lines().count() == 31).then_some(()));
        let from = run.stop();
        let end = run.end();
        assert_eq!(end.code, 0, "{}", end.err);
        assert!(end.since(from) < Duration::from_secs(2), "{:?}", end.since(from));
    }
}

#[test]
fn a_stranger_is_never_touched() {
    if !root() {
        return;
    }
    // In this test's own PID namespace, with the same uid: neither a brother of goward's nor the test itself.
    let scratch = scratch();
    let mut brother =
        Command::new(fixture()).args(["echo-signals"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let file = scratch.path("escaped");
    let mut goward = Command::new(crate::plan::goward());
    goward.args(["--stop-timeout", "600ms", "--", "/bin/sh", "-c"]);
    let script = "\"$1\" leftover escapes \"$2\"; \"$1\" leftover ignores x; exec \"$1\" stop-slowly 0";
    goward.args([script, "sh", fixture(), word(&file)]).stdout(std::process::Stdio::null());
    let mut goward = goward.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let pid = goward.id() as i32;
    // The escaped one and the stubborn one have been adopted by goward, both are sessions or groups away from it.
    wait_until("three children", || (children(pid).len() >= 3).then_some(()));
    let mine: Vec<_> = children(pid).into_iter().map(|(pid, _)| pid).collect();
    send(pid, libc::SIGTERM);
    let ended = happens_within(LIMIT, || goward.try_wait().unwrap().is_some());
    assert!(ended);
    assert!(file.exists(), "the escapee was asked");
    for pid in mine {
        assert!(state(pid).is_none_or(|state| state == 'Z'), "{pid} is still there");
    }
    assert!(brother.try_wait().unwrap().is_none(), "a stranger was stopped");
    brother.kill().unwrap();
    brother.wait().unwrap();
}

/// A process that came in from outside, as by docker exec: not goward's child, but in its namespace. It needs 300 ms to stop.
fn visitor(run: &Run) -> std::process::Child {
    visit(run, &format!("trap '' HUP; exec {} stop-slowly 300", fixture()))
}

/// A shell script that came in from outside, and has said `ready`. Its standard input stays open.
fn visit(run: &Run, script: &str) -> std::process::Child {
    let mut visitor = Command::new("nsenter");
    let target = run.pid().to_string();
    // Whoever runs the tests may ignore SIGHUP (nohup), and a shell that finds it ignored cannot change that.
    visitor.args(["-t", &target, "-p", "-m", "env", "--default-signal=HUP", "sh", "-c", script]);
    let piped = std::process::Stdio::piped;
    let mut visitor = visitor.stdin(piped()).stdout(piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut ready = [0; 5];
    std::io::Read::read_exact(visitor.stdout.as_mut().unwrap(), &mut ready).unwrap();
    visitor
}

/// Five kinds of them. tini, which looks after nobody, leaves at once; goward gave them the whole grace period.
#[test]
fn a_visitor_does_not_keep_the_container() {
    if !root() || !crate::support::requires("nsenter") {
        return;
    }
    let deaf = "trap '' TERM HUP INT; echo ready; while :; do sleep 0.05; done";
    let goward = format!("exec {} -- sh -c '{}'", crate::plan::goward(), deaf.replace('\'', "\""));
    let cases = [
        ("an interactive shell", "echo ready; exec sh -i", 0, 500),
        ("one that obeys", "echo ready; exec sleep 100", 0, 500),
        ("one that ignores everything", deaf, 990, 1500),
        ("a background job that ignores everything", &format!("({deaf}) & sleep 100"), 990, 1500),
        ("a goward with a server that ignores everything", &goward, 990, 1500),
    ];
    for (kind, script, least, most) in cases {
        for options in ["--stop-timeout 8s", "--stop-timeout 8s --user 0:0"] {
            let run = Plan::new(options).fixture("stop-slowly 0 3");
            run.line("ready");
            let mut visitor = visit(&run, script);
            let from = run.stop();
            let end = run.end();
            let took = end.since(from).as_millis();
            assert_eq!(end.code, 3, "{kind}: {}", end.err);
            assert!((least..most).contains(&took), "{kind}: {took} ms\n{}", end.err);
            assert!(
                end.err.contains("sending SIGHUP and SIGTERM to processes that joined the container (docker exec)"),
                "{}",
                end.err
            );
            assert!(!end.err.contains("left behind"), "{kind}: it was no leftover\n{}", end.err);
            visitor.wait().unwrap();
        }
    }
}

/// `docker exec` is root where the server is not: goward cannot tell it anything, and does not wait for it.
#[test]
fn a_visitor_of_another_user_is_not_waited_for() {
    if !root() || !crate::support::requires("nsenter") {
        return;
    }
    for script in ["echo ready; exec sleep 100", "trap '' TERM HUP; echo ready; while :; do sleep 0.05; done"] {
        let run = Plan::new("--stop-timeout 8s --user 65532:65532").fixture("stop-slowly 0 3");
        run.line("ready");
        let mut visitor = visit(&run, script);
        let from = run.stop();
        let end = run.end();
        assert!(end.code == 3 && end.since(from).as_millis() < 500, "{:?}\n{}", end.since(from), end.err);
        let told = "processes of other users that joined the container (docker exec) end with it";
        assert!(end.err.contains(told), "{}", end.err);
        assert!(!end.err.contains("sending") && !end.err.contains("cannot"), "{}", end.err);
        visitor.wait().unwrap();
    }
    // Near miss: one of the same user beside it is told, and waited for.
    let run = Plan::new("--stop-timeout 8s --user 65532:65532").fixture("stop-slowly 0 3");
    run.line("ready");
    let mut other = visit(&run, "echo ready; exec sleep 100");
    let own = "exec setpriv --reuid 65532 --regid 65532 --clear-groups sh -c \"trap '' TERM HUP; echo ready; while :; do sleep 0.05; done\"";
    let mut own = visit(&run, own);
    let from = run.stop();
    let end = run.end();
    assert!((990..1500).contains(&end.since(from).as_millis()), "{:?}\n{}", end.since(from), end.err);
    assert!(end.err.contains("sending SIGHUP and SIGTERM to processes that joined"), "{}", end.err);
    other.wait().unwrap();
    own.wait().unwrap();
}

/// What the server itself started keeps its time, also beside a visitor, and is never hung up on.
#[test]
fn a_leftover_keeps_its_time_beside_a_visitor() {
    if !root() || !crate::support::requires("nsenter") {
        return;
    }
    let script = "(trap '' HUP; trap 'sleep 2; echo cleaned up; exit' TERM; while :; do sleep 0.05; done) & \
        (trap 'echo hung up' HUP; trap '' TERM; while :; do sleep 0.05; done) & exec \"$FIXTURE\" stop-slowly 0 3";
    let run = Plan::new("--stop-timeout 4s").shell(script);
    run.line("ready");
    let mut visitor = visit(&run, "trap '' TERM HUP; echo ready; while :; do sleep 0.05; done");
    let from = run.stop();
    let gone = happens_within(Duration::from_millis(1500), || visitor.try_wait().unwrap().is_some());
    assert!(gone && from.elapsed() >= Duration::from_millis(990), "the visitor went after {:?}", from.elapsed());
    let end = run.end();
    assert!(end.out.contains("cleaned up") && !end.out.contains("hung up"), "{end:?}");
    assert!((3400..4000).contains(&end.since(from).as_millis()), "{:?}", end.since(from));
    assert!(end.err.contains("sending SIGTERM to the processes left behind"), "{}", end.err);
}

/// Without /proc nobody can be told apart, until waitpid says that goward has no child any more.
#[test]
fn a_visitor_is_seen_off_without_proc() {
    if !root() || !crate::support::requires("nsenter") {
        return;
    }
    let run = Plan::new("--stop-timeout 8s").setup("mount -t tmpfs none /proc").fixture("stop-slowly 0 3");
    run.line("ready");
    let mut visitor = visit(&run, "trap '' TERM HUP; echo ready; while :; do sleep 0.05; done");
    let from = run.stop();
    let end = run.end();
    assert!(end.code == 3 && (990..1500).contains(&end.since(from).as_millis()), "{:?}: {end:?}", end.since(from));
    visitor.wait().unwrap();
}

#[test]
fn who_comes_in_during_the_command_after_is_looked_for_again() {
    if !root() {
        return;
    }
    let run = Plan::new("").option("--after=/bin/sleep 1").fixture("exit 0");
    run.log("the --after command was started");
    let mut visitor = visitor(&run);
    run.end().must(0, "sending SIGHUP and SIGTERM to processes that joined the container");
    assert!(visitor.wait().unwrap().success(), "it was given its time");
}

/// While orphans are reaped by the hundred, the server may end between the signal and what is decided about it.
#[test]
fn a_stop_in_a_storm_is_a_stop() {
    if !root() {
        return;
    }
    for round in 0..150 {
        let run = Plan::new("").shell("\"$FIXTURE\" orphans 100000 & exec sleep 100");
        wait_until("a storm", || (run.zombies() > 0).then_some(()));
        std::thread::sleep(Duration::from_millis(5 + round % 30));
        run.stop();
        run.end().must(143, "goward: stopped: exit 143 (SIGTERM)");
    }
}

#[test]
fn somebody_elses_exec_does_not_hold_goward_up() {
    if !root() {
        return;
    }
    let run = Plan::new("--stop-timeout 3s").fixture("stop-slowly 0 3");
    run.line("ready");
    let mut visitor = visitor(&run);
    let from = run.stop();
    let end = run.end();
    assert_eq!(end.code, 3, "{}", end.err);
    let took = end.since(from);
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(900), "{took:?}");
    assert!(visitor.wait().unwrap().success(), "it was given its time");
}
