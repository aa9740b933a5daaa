//! What goward says, and the record at the end.

use crate::plan::{End, Plan, goward, root, scratch, wait_until, word};
use crate::support::requires;
use serde_json::Value;
use std::time::Duration;

/// Every line, as an object. (An empty one ends what a killed server may have left unfinished.)
fn objects(end: &End) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    end.err.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

fn killed(options: &str) -> End {
    let run = Plan::new(options).fixture("ignore-all");
    run.line("ready");
    run.stop();
    run.end()
}

/// Whoever has the pipe that is stderr can hold its lock for as long as he likes: by a splice(2) from a socket that says nothing.
/// A write to it sleeps then, and not even SIGKILL ends that.
#[test]
fn a_server_that_holds_the_lock_of_stderr_is_stopped_in_time() {
    if !root() || !requires("python3") {
        return;
    }
    let text = r#"
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
idle, other = socket.socketpair()
if os.fork() == 0:
    os.splice(idle.fileno(), 2, 1000)
    os._exit(0)
time.sleep(0.3)
print("held", flush=True)
while True:
    time.sleep(1)
"#;
    let scratch = scratch();
    let script = scratch.file("splice.py", text, 0o644);
    for (options, code) in
        [("--stop-timeout 2s --dump off", 137), ("-v --stop-timeout 2s --dump off --user 65532:65532", 137)]
    {
        let run = Plan::new(options).run(&["/usr/bin/env", "python3", word(&script)]);
        run.line("held");
        let from = run.stop();
        let end = run.end();
        let took = end.since(from);
        assert!(end.code == code && took < Duration::from_millis(2_500), "{options}: {took:?} {end:?}");
        // What was held back is written once the holder has been killed.
        assert!(end.err.contains("stop requested: SIGTERM"), "{options}: {}", end.err);
    }
}

/// To open a pipe takes that lock too.
#[test]
fn stderr_is_opened_before_there_is_a_server() {
    if !root() || !requires("strace") {
        return;
    }
    for options in [&[][..], &["--user", "65532:65532"], &["--restart", "on-failure:1"]] {
        let scratch = scratch();
        let traced = scratch.path("trace");
        let mut strace = std::process::Command::new("strace");
        strace.args(["-o", word(&traced), "-e", "trace=open,openat,clone,vfork", goward()]).args(options);
        strace.args(["--", "/bin/sh", "-c", "exit 3"]).stderr(std::process::Stdio::piped());
        assert_eq!(strace.output().unwrap().status.code(), Some(3));
        let text = std::fs::read_to_string(&traced).unwrap();
        let at = |what: &str| text.match_indices(what).map(|(at, _)| at).collect::<Vec<_>>();
        let (opened, started) = (at("/proc/self/fd/2"), at("CLONE_VFORK"));
        assert!(opened.len() == 1 && started.len() == 1 && opened < started, "{options:?}: {text}");
    }
}

/// A signal to everybody stops the process that writes the log, too.
#[test]
fn whoever_stops_everybody_does_not_stop_the_log() {
    if !root() {
        return;
    }
    let script = "n=0; while [ $n -lt 400 ]; do kill -s STOP -- -1; n=$((n + 1)); done; echo done; \
        trap 'exit 4' TERM; while :; do sleep 0.05; done";
    let plan =
        Plan::new("-v --stop-timeout 5s --health tcp://127.0.0.1:1 --health-interval 5ms --health-start-interval 5ms");
    let run = plan.shell(script);
    run.line("done");
    let lines = || run.running.stderr().lines().count();
    for _ in 0..3 {
        let before = lines();
        wait_until("more lines", || (lines() > before + 5).then_some(()));
    }
    run.stop();
    assert_eq!(run.end().code, 4);
}

/// The same with the pipe of a probe that is a command, by a process that stays behind.
#[test]
fn a_probe_that_holds_the_lock_of_its_pipe_holds_up_nobody() {
    if !root() || !requires("python3") {
        return;
    }
    let text = r#"
import os, socket, time
idle, other = socket.socketpair()
if os.fork() == 0:
    os.setsid()
    print("it is held", flush=True)
    time.sleep(0.5)
    os.splice(idle.fileno(), 1, 1000)
    os._exit(0)
time.sleep(60)
"#;
    let scratch = scratch();
    let script = scratch.file("splice.py", text, 0o644);
    let plan = Plan::new("-v --stop-timeout 3s --health-timeout 4s --health-interval 100ms --health-retries 1");
    let run = plan.option(&format!("--health=exec:/usr/bin/env python3 {}", word(&script))).fixture("stop-slowly 0 5");
    run.log("no answer within 4s: it is held");
    let from = run.stop();
    run.log("received signal=SIGTERM");
    let heard = from.elapsed();
    let end = run.end();
    let took = end.since(from);
    assert!(heard < Duration::from_millis(300) && end.code == 5, "{heard:?} {end:?}");
    assert!(took < Duration::from_millis(3_200), "{took:?} {end:?}");
}

#[test]
fn json_is_an_object_a_line() {
    if !root() {
        return;
    }
    let script = "trap 'echo got; (sh -c \"exit 3\" &)' USR1; \"$FIXTURE\" leftover ignores \"a \\\" b\"; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("--log-format json -vvw --stop-timeout 600ms").shell(script);
    run.line("ready");
    run.signal(libc::SIGUSR1);
    run.line("got");
    run.stop();
    let end = run.end();
    let lines = objects(&end);
    assert!(lines.len() > 6, "{}", end.err);
    for line in &lines {
        for key in ["timestamp", "level", "message", "target"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
}

#[test]
fn the_record_tells_how_it_went() {
    if !root() {
        return;
    }
    let end = killed("--log-format json --dump raw --stop-timeout 2s");
    let lines = objects(&end);
    let record = lines.last().unwrap();
    let number = |key: &str| record[key].as_u64().unwrap_or_else(|| panic!("{key}: {record}"));
    assert_eq!((&record["cause"], number("code")), (&Value::from("deadline"), 137));
    assert_eq!(record["server"], "was ended by SIGKILL");
    assert_eq!((&record["signal"], &record["from"]), (&"SIGTERM".into(), &"outside the container, uid 0".into()));
    assert!(number("asked_after_ms") < 50 && (1490..1600).contains(&number("dump_after_ms")), "{record}");
    assert!((1790..1980).contains(&number("kill_after_ms")) && (1790..2000).contains(&number("stop_ms")), "{record}");
    assert!(number("ran_ms") >= number("stop_ms"), "{record}");
    assert_eq!(record["level"], "WARN");
    assert!(
        record["message"]
            .as_str()
            .unwrap()
            .contains("killed at the deadline: exit 137; SIGQUIT at 1.5s of 2s, SIGTERM from outside the container"),
        "{record}"
    );

    let end = Plan::new("--log-format json").fixture("exit 0").end();
    let lines = objects(&end);
    let record = lines.last().unwrap();
    assert_eq!((&record["cause"], &record["code"], &record["level"]), (&"finished".into(), &0.into(), &"INFO".into()));
    assert!(record.get("signal").is_none() && record.get("stop_ms").is_none(), "{record}");

    let end = Plan::new("--log-format json").fixture("exit 3").end();
    let lines = objects(&end);
    assert_eq!((&lines.last().unwrap()["cause"], &lines.last().unwrap()["level"]), (&"failed".into(), &"WARN".into()));
}

#[test]
fn a_hook_is_not_called_the_server() {
    if !root() {
        return;
    }
    let hook = |command: &str| Plan::new("--user 65532:65532 --stop-timeout 2s").option("--before").option(command);
    // What is said of it, without what is said of the server that was never there.
    let clean = |end: &End| !end.err.replace("the server was not started", "").contains("the server");
    let end = hook("sh -c 'exit 3'").fixture("exit 0").end();
    end.must(3, " WARN goward: --before command failed: exit 3; the server was not started\n");
    assert!(clean(&end), "{end:?}");
    let run = hook("sh -c 'echo ready; exec sleep 60'").fixture("exit 0");
    run.line("ready");
    run.stop();
    let end = run.end();
    end.must(143, "stopped in --before: exit 143 (SIGTERM), ");
    end.must(143, "SIGTERM from outside the container; forwarded to the --before command, which has 2s\n");
    assert!(clean(&end), "{end:?}");
    let command = "sh -c 'trap : TERM QUIT ABRT; echo ready; while :; do sleep 0.02; done'";
    let run = hook(command).options("--dump raw").fixture("exit 0");
    run.line("ready");
    run.stop();
    let end = run.end();
    end.must(137, "the --before command is still running after 1.5s of 2s: sending SIGQUIT for a goroutine dump");
    end.must(137, "the --before command is still running after 1.8s of 2s: sending SIGKILL");
    end.must(
        137,
        "killed at the deadline in --before: exit 137; SIGQUIT at 1.5s of 2s, SIGTERM from outside the container",
    );
    assert!(clean(&end), "{end:?}");
}

#[test]
fn as_text_the_record_is_one_short_line() {
    if !root() {
        return;
    }
    let record = |options: &str| {
        let run = Plan::new(options).options("--user 65532:65532").fixture("stop-slowly 0");
        run.line("ready");
        run.stop();
        let end = run.end();
        let (stamp, message) = end.err.lines().last().unwrap().split_once(" INFO goward: ").unwrap();
        assert!(stamp.starts_with("20"), "{stamp}");
        message.to_owned()
    };
    let text = record("");
    assert!(text.starts_with("stopped: exit 0, ") && text.contains(" after SIGTERM, ran "), "{text}");
    assert!(!text.contains('=') && text.len() <= 120, "{text}");
    // With -v every field.
    let text = record("-v");
    assert!(text.starts_with("stopped: exit 0, ") && text.contains(" cause=\"stopped\" code=0 "), "{text}");
}

#[test]
fn how_much_is_said() {
    if !root() {
        return;
    }
    let lines = |options: &str| {
        let run = Plan::new(options).fixture("stop-slowly 0");
        run.line("ready");
        run.stop();
        let end = run.end();
        assert_eq!(end.code, 0);
        end.err.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let user = "--user 65532:65532";
    assert_eq!(lines(&format!("-q {user}")), [""; 0], "a clean stop is nothing to warn of");
    let plain = lines(user);
    assert!(plain.len() == 2 && plain.iter().all(|line| line.contains(" INFO goward: ")), "{plain:?}");
    assert!(lines(&format!("-v {user}")).len() > plain.len());
    // As root there is one warning, and no more.
    let warnings = lines("-q");
    assert!(warnings.len() == 1 && warnings[0].contains("--user 65532:65532"), "{warnings:?}");
    assert!(!killed("-q --stop-timeout 300ms").err.is_empty());
}

#[test]
fn kubernetes_is_told_what_the_log_does_not_show() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let log = scratch.file("log", "before", 0o666);
    let setup =
        format!("mount -t tmpfs none /dev; : > /dev/termination-log; mount --bind {} /dev/termination-log", word(&log));
    let read = || std::fs::read_to_string(&log).unwrap();
    assert_eq!(Plan::new("").setup(&setup).fixture("exit 0").end().code, 0);
    assert_eq!(read(), "before", "a clean end");
    // A server that crashed by itself said why, and FallbackToLogsOnError shows that only if nothing is written here.
    assert_eq!(Plan::new("--user 65532:65532").setup(&setup).fixture("exit 3").end().code, 3);
    assert_eq!(Plan::new("").setup(&setup).shell("kill -SEGV $$").end().code, 139);
    let run = Plan::new("").setup(&setup).fixture("stop-slowly 0 4");
    run.line("ready");
    run.stop();
    assert_eq!((run.end().code, read().as_str()), (4, "before"), "it ended by itself");
    let missed = |options: &str| {
        let run = Plan::new(options).options("--stop-timeout 400ms").setup(&setup).fixture("ignore-all");
        run.line("ready");
        run.stop();
        run.end();
    };
    missed("--termination-log off");
    assert_eq!(read(), "before", "it was switched off");
    missed("");
    // The server's own last words stay.
    let said = read();
    let (begin, end) = ("before\ngoward: killed at the deadline: exit 137; SIG", "(cause: deadline)\n");
    assert!(said.starts_with(begin) && said.ends_with(end), "{said}");
    let end = Plan::new("--on-unhealthy stop --health-interval 100ms --health-retries 1 --health tcp://127.0.0.1:1")
        .setup(&setup)
        .fixture("stop-slowly 0")
        .end();
    assert!(end.code == 137 && read().ends_with("(cause: unhealthy)\n"), "{}", read());
}

/// Nothing runs, and that is the container's last message: 125, 126, 127.
#[test]
fn kubernetes_is_told_why_nothing_runs() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let log = scratch.file("log", "", 0o666);
    let read = || std::mem::take(&mut std::fs::read_to_string(&log).unwrap());
    let told = |plan: Plan, program: &str, code: i32| {
        std::fs::write(&log, "").unwrap();
        let end = plan.option(&format!("--termination-log={}", word(&log))).run(&[program]).end();
        assert_eq!(end.code, code, "{end:?}");
        assert!(read().is_empty() || end.err.contains(read().trim()), "{} {end:?}", read());
        read()
    };
    assert!(told(Plan::new(""), "/nothere", 127).starts_with("goward: /nothere"), "{}", read());
    assert!(told(Plan::new("--user 65532:65532"), "/etc/passwd", 126).contains("/etc/passwd"));
    assert!(told(Plan::new("--user nosuch"), "/bin/true", 125).contains("no user 'nosuch'"));
    assert!(told(Plan::new("--require-non-root"), "/bin/true", 125).contains("--require-non-root"));
    // Who is not PID 1 and mistypes something ends no container.
    assert_eq!(told(Plan::new("--user nosuch").child(), "/bin/true", 125), "");
    std::fs::write(&log, "").unwrap();
    let plan = Plan::new("--stop-timout 5").env("GOWARD_TERMINATION_LOG", word(&log));
    plan.run(&["/bin/true"]).end().must(125, "did you mean --stop-timeout?");
    assert!(read().contains("did you mean --stop-timeout?"), "{}", read());
    std::fs::write(&log, "").unwrap();
    plan.env("GOWARD_TERMINATION_LOG", "off").run(&["/bin/true"]).end().must(125, "did you mean");
    assert_eq!(read(), "");
    // It is never made.
    let missing = scratch.path("missing");
    Plan::new("--termination-log").option(word(&missing)).run(&["/nothere"]).end().must(127, "/nothere");
    assert!(!missing.exists());
}

#[test]
fn help_version_licence() {
    let say = |option: &str| {
        let output = std::process::Command::new(crate::plan::goward()).arg(option).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    let help = say("--help");
    for option in goward::commands::run::options::OPTIONS.all {
        assert!(help.contains(&format!("--{}", option.name)), "{}", option.name);
    }
    assert_eq!(help, say("-h"));
    assert!(say("--version").starts_with("goward "), "{}", say("--version"));
    assert!(say("-l").contains("MIT"));
}
