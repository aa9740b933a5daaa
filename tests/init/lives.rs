//! A server's life as others see it: when it is found healthy, what is left of it before it is started again, readiness apart from
//! health, and who is told of changes.

use crate::health::{ask, tools};
use crate::plan::{Plan, Run, root, scratch, state, status, wait_until, word};
use crate::support::{Scratch, happens_within, pause_for};
use std::time::{Duration, Instant};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A server that stops when it is asked.
const SERVER: &str = "trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done";

fn json(run: &Run) -> serde_json::Value {
    let (_, said) = ask(run, 0, &["--json"]);
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
}

/// The interval is half a minute, and nobody waits for it: neither at the first start nor at the next ones.
#[test]
fn a_server_that_answers_at_once_is_healthy_at_once() {
    if !tools() {
        return;
    }
    let run = Plan::new("--restart always --health exec:true --health-retries 1").shell(SERVER);
    for life in 1..=2 {
        let healthy = || run.running.stderr().matches("the server is healthy").count() == life;
        assert!(happens_within(Duration::from_secs(10), healthy), "{}", run.running.stderr());
        let (code, said) = ask(&run, 0, &[]);
        assert!(code == 0 && said.contains("\nhealthy; last, ") && said.contains(" ago: exit code 0"), "{said}");
        crate::support::send(run.server(), libc::SIGKILL);
    }
}

/// With one retry, and failing from the first moment on: it is starting, and says so.
#[test]
fn a_server_that_is_slow_to_start_is_not_unhealthy() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let mark = word(&scratch.path("mark")).to_owned();
    let plan = Plan::new("--health-retries 1 --on-unhealthy stop").option(&format!("--health=exec:test -e {mark}"));
    let run = plan.shell(SERVER);
    run.line("ready");
    let starting = || {
        let (code, said) = ask(&run, 0, &[]);
        let why = "running, not ready (no health probe has succeeded yet); pid ";
        (code == 1 && said.starts_with(why) && said.contains("\nstarting; last, ")).then_some(said)
    };
    wait_until("a probe has failed", starting);
    pause_for(ms(2500)); // More probes, which fail, and do not count.
    assert!(starting().unwrap().contains(" ago: exit code 1"));
    assert!(!run.running.stderr().contains("probe failed"), "{}", run.running.stderr());
    std::fs::write(&mark, "").unwrap();
    run.log("the server is healthy");
    // From then on one failure is enough.
    assert!(!run.running.stderr().contains("the server is unhealthy"));
}

/// What it left behind ignores SIGTERM, and has a second, not --stop-timeout.
#[test]
fn leftovers_do_not_hold_up_a_restart() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let mark = word(&scratch.path("mark")).to_owned();
    let script = format!(
        "[ -e {mark} ] && {{ echo again; exit 0; }}; touch {mark}; (trap '' TERM; sleep 300) & sleep 0.3; exit 3"
    );
    let from = Instant::now();
    let end = Plan::new("--restart on-failure --stop-timeout 60s").shell(&script).end();
    assert!(end.code == 0 && end.out == "again\n", "{end:?}");
    assert!(end.since(from) > ms(900) && end.since(from) < Duration::from_secs(15), "{end:?}");
    assert!(end.err.contains("sending SIGKILL to the processes left behind"), "{end:?}");
}

#[test]
fn after_the_server_commands_know_how_it_ended() {
    if !root() {
        return;
    }
    let after = "--after=sh -c 'echo \"$GOWARD_CAUSE $GOWARD_EXIT_CODE <$GOWARD_SIGNAL> $KEPT\"'";
    for (script, stops, said) in [
        ("exit 3", false, "failed 3 <> yes\n"),
        ("kill -KILL $$", false, "signalled 137 <SIGKILL> yes\n"),
        ("trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done", true, "ready\nstopped 0 <> yes\n"),
    ] {
        let run = Plan::new("-q").option(after).env("KEPT", "yes").env("GOWARD_CAUSE", "none").shell(script);
        if stops {
            run.line("ready");
            run.stop();
        }
        assert_eq!(run.end().out, said, "{script}");
    }
}

/// A server whose readiness is a file, and whose changes are told to a command that keeps a list.
fn told(scratch: &Scratch, options: &str) -> Run {
    let (db, list) = (scratch.path("db"), scratch.path("list"));
    let plan = Plan::new(&format!("{options} --health exec:true --health-interval 100ms --ready-interval 50ms"));
    let plan = plan.options("--ready-retries 1 --ready-timeout 5s --on-unhealthy restart");
    let plan = plan.option(&format!("--ready=exec:test -e {}", word(&db)));
    let plan = plan.option(&format!("--on-change=sh -c 'echo $GOWARD_STATE >>{}'", word(&list)));
    plan.shell(SERVER)
}

fn told_states(scratch: &Scratch) -> Vec<String> {
    let text = std::fs::read_to_string(scratch.path("list")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A lost database makes it unready, and nobody restarts it for that.
#[test]
fn readiness_is_not_health() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let run = told(&scratch, "");
    run.log("the server is healthy");
    let (ready, healthy) = (ask(&run, 0, &["--ready"]), ask(&run, 0, &[]).0);
    assert!(ready.0 == 1 && healthy == 0 && ready.1.contains("running, not ready ("), "{ready:?}");
    for round in 1..=2 {
        std::fs::write(scratch.path("db"), "").unwrap();
        wait_until("it is ready", || (ask(&run, 0, &["--ready"]).0 == 0).then_some(()));
        wait_until("that is told", || (told_states(&scratch).len() == 2 * round - 1).then_some(()));
        std::fs::remove_file(scratch.path("db")).unwrap();
        wait_until("it is not", || (ask(&run, 0, &["--ready"]).0 == 1).then_some(()));
        wait_until("that is told", || (told_states(&scratch).len() == 2 * round).then_some(()));
    }
    let (code, said) = ask(&run, 0, &[]);
    assert!(
        code == 0 && said.contains("(its readiness probes fail)") && said.contains("\nreadiness: unhealthy, "),
        "{said}"
    );
    assert!(!said.contains("restarts"), "{said}");
    let now = json(&run);
    let states: Vec<_> = now["changes"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["starting", "ready", "unready", "ready", "unready"], "{now}");
    assert!(now["changes"][0]["time"].as_str().unwrap().ends_with('Z'), "{now}");
    assert_eq!((&now["not_ready_because"], &now["healthy"]), (&"its readiness probes fail".into(), &true.into()));
    assert!(now["health"]["last_age_ms"].as_u64() < Some(60_000), "{now}");
    run.stop();
    assert_eq!(run.end().code, 4);
    assert_eq!(told_states(&scratch)[..4], ["ready", "unready", "ready", "unready"]);
}

/// In the pause before a restart nothing wakes goward, whose log is read by nobody: the command is called before it.
#[test]
fn a_crash_is_told_in_the_pause_before_the_restart() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let list = scratch.path("list");
    let plan = Plan::new("--restart always").setup("exec 2>/dev/null");
    let plan = plan.option(&format!("--on-change=sh -c 'echo $GOWARD_STATE >>{}'", word(&list)));
    let run = plan.shell("sleep 0.3; exit 1");
    wait_until("that is told", || (told_states(&scratch).len() >= 6).then_some(()));
    drop(run);
    assert_eq!(told_states(&scratch)[..6], ["ready", "unready", "ready", "unready", "ready", "unready"]);
}

/// Nobody had asked for the end when the server ended, and the restart that was to come has not been.
#[test]
fn a_stop_in_the_pause_before_a_restart_is_not_why_it_ended() {
    if !tools() {
        return;
    }
    let stop_in_pause = |options: &str, server: &str| {
        let plan = Plan::new("--restart always --log-format json --stop-timeout 5s").options(options);
        let run = plan.option("--after=sh -c 'echo $GOWARD_CAUSE'").shell(server);
        // The fourth pause is long enough to be hit.
        run.log("restarting it in 800ms");
        run.stop();
        let end = run.end();
        let record = end.err.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let record: serde_json::Value = record.unwrap_or_else(|| panic!("{end:?}"));
        (end.code, end.out, record)
    };
    let probes = "--health exec:false --health-interval 50ms --health-start-interval 50ms --health-retries 1";
    let (code, out, record) = stop_in_pause(&format!("{probes} --on-unhealthy restart --dump off"), "exec sleep 100");
    assert!(code == 137 && out.ends_with("unhealthy\n"), "{code} {out}");
    let message = record["message"].as_str().unwrap();
    assert!(message.starts_with("stopped as unhealthy: exit 137 (SIGTERM), "), "{record}");
    assert_eq!((&record["cause"], &record["restarts"]), (&"unhealthy".into(), &3.into()), "{record}");
    // Near miss: it ended by itself.
    let (code, out, record) = stop_in_pause("", "kill -9 $$");
    assert!(code == 137 && out.ends_with("signalled\n"), "{code} {out}");
    let message = record["message"].as_str().unwrap();
    assert!(message.starts_with("ended by SIGKILL: exit 137, before a stop was requested"), "{record}");
    assert_eq!((&record["cause"], &record["restarts"]), (&"signalled".into(), &3.into()), "{record}");
}

/// One runs at a time, the last state wins, and nothing waits for it.
#[test]
fn a_command_that_hangs_holds_nothing_up() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let (db, list) = (word(&scratch.path("db")).to_owned(), word(&scratch.path("list")).to_owned());
    std::fs::write(&db, "").unwrap();
    let plan = Plan::new("--ready-interval 30ms --ready-retries 1 --ready-timeout 5s --stop-timeout 20s");
    let plan = plan.option(&format!("--ready=exec:test -e {db}"));
    let plan = plan.option(&format!("--on-change=sh -c 'echo $GOWARD_STATE >>{list}; trap \"\" TERM; sleep 300'"));
    let run = plan.shell(SERVER);
    wait_until("it is told", || (told_states(&scratch) == ["ready"]).then_some(()));
    for _ in 0..3 {
        std::fs::remove_file(&db).unwrap();
        wait_until("unready", || (ask(&run, 0, &["--ready"]).0 == 1).then_some(()));
        std::fs::write(&db, "").unwrap();
        wait_until("ready", || (ask(&run, 0, &["--ready"]).0 == 0).then_some(()));
    }
    assert_eq!(told_states(&scratch), ["ready"], "one at a time");
    let from = run.stop();
    let end = run.end();
    assert!(end.code == 4 && end.since(from) < Duration::from_secs(5), "{end:?}");
    // One that cannot be started, and one that fails, are told.
    for (command, said) in [
        ("/nowhere", "--on-change: /nowhere: no such file"),
        ("sh -c 'exit 7'", "the --on-change command for ready exited with code 7"),
    ] {
        let run = Plan::new("").option(&format!("--on-change={command}")).shell(SERVER);
        run.log(said);
    }
}

#[test]
fn a_server_that_never_says_that_it_is_ready_is_stopped_in_time() {
    if !tools() {
        return;
    }
    let from = Instant::now();
    let end = Plan::new("--start-timeout 500ms --on-unhealthy stop --log-format json").shell(SERVER).end();
    assert!(end.code == 4 && end.since(from) > ms(450), "{end:?}");
    assert!(end.err.contains("did not send READY=1 in time (--start-timeout)"), "{end:?}");
    assert!(end.err.contains("\"cause\":\"start-timeout\""), "{end:?}");
    // Near miss: one that says it.
    let scratch = scratch();
    let ready = r#"
import os, signal, socket, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
mail = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
mail.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
print("ready", flush=True)
time.sleep(300)
"#;
    let ready = word(&scratch.file("ready.py", ready, 0o644)).to_owned();
    let run = Plan::new("--start-timeout 15s --on-unhealthy stop").run(&["/usr/bin/env", "python3", &ready]);
    run.log("the server is ready (READY=1)");
    assert!(ask(&run, 0, &["--ready"]).0 == 0);
}

#[test]
fn metrics_are_prometheus_own() {
    if !tools() {
        return;
    }
    let run = Plan::new("--health exec:true --restart always").shell(&format!("(sh -c '(sleep 0.05 &)'); {SERVER}"));
    run.log("the server is healthy");
    let orphan = || ask(&run, 0, &["--metrics"]).1.contains("\ngoward_orphans_reaped_total 1\n");
    assert!(happens_within(Duration::from_secs(10), orphan), "{}", ask(&run, 0, &["--metrics"]).1);
    let (code, text) = ask(&run, 0, &["--metrics"]);
    assert_eq!(code, 0);
    for line in [
        "goward_ready 1",
        "goward_healthy 1",
        "goward_up 1",
        "goward_restarts_total 0",
        "goward_health_probes_failing 0",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in {text}");
    }
    assert!(text.starts_with("# HELP goward_ready "), "{text}");
}

/// A server that says nothing on the connection: the kernel would tell, so nobody looks four times a second.
#[test]
fn a_probe_that_hangs_wakes_nobody() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let socket = scratch.path("s");
    let silent = r#"
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
print("ready", flush=True)
kept = []
while True:
    kept.append(listener.accept())
    print("asked", flush=True)
"#;
    let silent = word(&scratch.file("silent.py", silent, 0o644)).to_owned();
    let plan = Plan::new("--health-timeout 120s").option(&format!("--health=http://unix:{}:/", word(&socket)));
    let run = plan.run(&["/usr/bin/env", "python3", &silent, word(&socket)]);
    run.line("asked");
    wait_until("it sleeps", || (state(run.pid())? == 'S').then_some(()));
    let wakes = || status(run.pid(), "voluntary_ctxt_switches").parse::<u64>().unwrap();
    // What waits for the machine counts as a wake-up too, so one quiet window of three is enough.
    let windows = (0..3).map(|_| {
        let before = wakes();
        pause_for(ms(4000)); // Sixteen looks, if there were any.
        wakes() - before
    });
    let mut seen = Vec::new();
    assert!(windows.inspect(|&woken| seen.push(woken)).any(|woken| woken <= 3), "{seen:?} wake-ups in 4 s each");
    run.stop();
    assert_eq!(run.end().code, 4);
}

/// Docker and the kubelet end a probe that takes too long with SIGKILL; or go away, and leave it to itself.
#[test]
fn nothing_is_left_of_a_probe_that_was_killed() {
    if !tools() || !crate::support::requires("pgrep") {
        return;
    }
    use std::process::{Command, Stdio};
    let alive = |seconds: &str| {
        let found = Command::new("pgrep").args(["-fx", &format!("sleep {seconds}")]).output().unwrap();
        !found.stdout.is_empty()
    };
    let script = "setsid sleep 18001 & sleep 18002 & (trap '' TERM HUP; sleep 18003) & sleep 18004";
    let all = ["18001", "18002", "18003", "18004"];
    for by_signal in [Some(libc::SIGKILL), Some(libc::SIGTERM), None] {
        let mut probe = Command::new(crate::plan::goward())
            .args(["probe", "-t", "60s", "--", "sh", "-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the commands", || all.iter().all(|seconds| alive(seconds)).then_some(()));
        match by_signal {
            Some(signal) => crate::support::send(probe.id() as i32, signal),
            None => drop(probe.stdout.take()),
        }
        let gone = || all.iter().all(|seconds| !alive(seconds));
        assert!(happens_within(Duration::from_secs(5), gone), "{by_signal:?}");
        probe.wait().unwrap();
    }
}
