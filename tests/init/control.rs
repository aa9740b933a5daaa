//! `goward stop`, `restart`, `reload` and `signal`: what an init is told through its socket, by whom, and what becomes of it.

use crate::health::tools;
use crate::plan::{Plan, Run, goward, root, scratch, wait_until, word};
use crate::support::{happens_within, pause_for, requires};
use std::process::Command;
use std::time::{Duration, Instant};

/// A server that tells what it hears, and where it lives.
const SERVER: &str = "trap 'echo hup' HUP; trap 'echo usr1' USR1; trap 'echo term; exit 4' TERM; echo \"here $(pwd) $PPID\"; \
    while :; do sleep 0.02; done";

/// From inside, as `kubectl exec` does, by this user.
fn tell(run: &Run, uid: u32, words: &[&str]) -> (i32, String) {
    let (pid, uid) = (run.pid().to_string(), uid.to_string());
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid, "--pid", "--mount", "setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
    let output = command.arg(goward()).args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

/// Waits until the server runs and goward answers: its socket comes after the server's start.
fn is_up(run: &Run) {
    run.line("here");
    wait_until("goward answers", || (tell(run, 0, &["status", "-q"]).0 == 0).then_some(()));
}

fn times(run: &Run, word: &str) -> usize {
    run.running.stdout().lines().filter(|line| line.starts_with(word)).count()
}

#[test]
fn a_server_hears_what_goward_is_told() {
    if !tools() {
        return;
    }
    let run = Plan::new("--user 65532:65532").shell(SERVER);
    is_up(&run);
    for (uid, words, heard) in [
        (0, &["reload"][..], "hup"),
        (65532, &["reload"], "hup"),
        (0, &["signal", "USR1"], "usr1"),
        (0, &["signal", "1"], "hup"),
    ] {
        let before = times(&run, heard);
        let (code, said) = tell(&run, uid, words);
        assert!(code == 0 && said.contains("accepted by goward (pid 1)"), "{words:?}: {code} {said}");
        assert!(happens_within(Duration::from_secs(5), || times(&run, heard) > before), "{words:?}");
    }
    run.log("reload requested by pid ");
    run.log("signal SIGUSR1 requested by pid ");
    // Nobody else's word counts.
    let before = run.running.stdout();
    for words in [&["reload"][..], &["stop"], &["restart"], &["signal", "TERM"]] {
        let (code, said) = tell(&run, 4242, words);
        assert!(code == 1 && said.contains("does not answer uid 4242"), "{words:?}: {code} {said}");
    }
    let (code, said) = tell(&run, 0, &["reload", "--pid", "77"]);
    assert!(code == 1 && said.contains("no goward with pid 77"), "{said}");
    pause_for(Duration::from_millis(300)); // Long enough for a signal that must not come.
    assert_eq!(run.running.stdout(), before);
    run.stop();
    assert_eq!(run.end().code, 4);
    let run = Plan::new("--reload-signal USR1").shell(SERVER);
    is_up(&run);
    assert_eq!(tell(&run, 0, &["reload", "-q"]), (0, String::new()));
    run.line("usr1");
    assert_eq!(times(&run, "hup"), 0);
}

#[test]
fn a_stop_that_was_told_is_a_stop_like_any_other() {
    if !tools() {
        return;
    }
    for (options, words) in [("", &["stop"][..]), ("--restart always", &["stop"]), ("", &["signal", "TERM"])] {
        let run = Plan::new(&format!("{options} --log-format json")).shell(SERVER);
        is_up(&run);
        // Who is in the container may end with it before there is an answer.
        let _ = tell(&run, 0, words);
        run.line("term");
        let end = run.end();
        assert_eq!((end.code, end.out.matches("here").count()), (4, 1), "{end:?}");
        let record = end.err.lines().find(|line| line.contains("\"cause\":\"stopped\"")).expect("a record");
        assert!(record.contains("\"signal\":\"SIGTERM\"") && record.contains("(goward), uid 0\""), "{record}");
        assert!(record.contains("\"from\":\"pid "), "{record}");
    }
    // It climbs the ladder.
    let run = Plan::new("--stop-timeout 2s --dump off").shell("trap '' TERM; echo here; while :; do sleep 0.1; done");
    is_up(&run);
    let from = Instant::now();
    let _ = tell(&run, 0, &["stop"]);
    let end = run.end();
    assert!(end.code == 137 && end.since(from) > Duration::from_millis(1500), "{end:?}");
    end.must(137, "killed at the deadline");
    // From outside, where one does not end with it, the end can be waited for.
    let run = Plan::new("").child().shell(SERVER);
    is_up(&run);
    let (code, said) = tell(&run, 0, &["stop", "--wait", "--timeout", "20s"]);
    assert!(code == 0 && said.contains("has ended") || code == -1, "{code} {said}");
    assert_eq!(run.end().code, 4);
}

/// Also where the init does not answer, and where what is asked for is a list of numbers.
#[test]
fn who_waits_waits_so_long_and_no_longer() {
    if !tools() {
        return;
    }
    let run = Plan::new("--notify").shell(SERVER);
    wait_until("goward answers", || tell(&run, 0, &["status"]).1.contains("running, not ready").then_some(()));
    let took = |words: &[&str]| {
        let from = Instant::now();
        (tell(&run, 0, words), from.elapsed())
    };
    let ((code, said), time) = took(&["status", "--wait", "ready", "--metrics", "-t", "1s"]);
    assert!(code == 1 && said.contains("goward_ready 0") && time >= Duration::from_secs(1), "{code} {time:?} {said}");
    let (now, _) = took(&["status", "--metrics"]);
    assert!(now.0 == 0 && now.1.contains("goward_ready 0"), "who does not wait is told how it is: {now:?}");
    run.signal(libc::SIGSTOP);
    for words in [&["restart", "--wait", "-t", "1s"][..], &["stop", "--wait", "-t", "1s"]] {
        let ((code, said), time) = took(words);
        assert!(code == 1 && said.contains("did not answer in time"), "{words:?}: {code} {said}");
        assert!(time >= Duration::from_secs(1) && time < Duration::from_secs(4), "{words:?}: {time:?}");
    }
    run.signal(libc::SIGCONT);
}

#[test]
fn a_server_is_started_again_whatever_the_policy() {
    if !tools() {
        return;
    }
    let dir = word(std::path::Path::new("/var/tmp"));
    for options in ["", "--restart on-failure:1"] {
        let run = Plan::new(options).setup(&format!("cd {dir}")).shell(SERVER);
        is_up(&run);
        for round in 1..=3 {
            let (code, said) = tell(&run, 0, &["restart", "--wait", "--timeout", "20s"]);
            assert!(code == 0 && said.contains("restarted and is ready"), "{options}: {code} {said}");
            assert!(happens_within(Duration::from_secs(5), || times(&run, "here") == round + 1), "{options}");
        }
        let (code, said) = tell(&run, 0, &["status"]);
        assert!(code == 0 && said.contains("restarts: 3"), "{said}");
        run.stop();
        let end = run.end();
        let lives: Vec<_> = end.out.lines().filter(|line| line.starts_with("here")).collect();
        assert!(end.code == 4 && lives.iter().all(|life| *life == format!("here {dir} 1")), "{options}: {end:?}");
        assert!(end.err.contains("restart requested by pid") && !end.err.contains("restarting it in"), "{end:?}");
        assert_eq!(end.out.matches("term").count(), 4, "each was asked to stop: {end:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said_and_not_done() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let go = word(&scratch.path("go")).to_owned();
    let plan =
        Plan::new("--stop-timeout 20s").option(&format!("--before=sh -c 'until [ -e {go} ]; do sleep 0.02; done'"));
    let run = plan.shell("trap '' TERM; echo here; until [ -e \"$0.end\" ]; do sleep 0.02; done");
    let answers = || tell(&run, 0, &["status"]).1.starts_with("before");
    wait_until("the command before runs", || answers().then_some(()));
    for words in [["restart"], ["reload"]] {
        let (code, said) = tell(&run, 0, &words);
        assert!(code == 1 && said.contains("the --before commands have not ended yet"), "{said}");
    }
    std::fs::write(&go, "").unwrap();
    is_up(&run);
    run.stop();
    run.log("stop requested");
    for words in [["restart"], ["reload"]] {
        let (code, said) = tell(&run, 0, &words);
        assert!(code == 1 && said.contains("the server is being stopped"), "{said}");
    }
    // In the pause before a restart there is nobody to reload, and a restart does not wait.
    let mark = word(&scratch.path("mark")).to_owned();
    let script = format!("echo here; [ -e {mark} ] && exec sleep 100; exit 1");
    let run = Plan::new("--restart always").shell(&script);
    run.log("restarting it in 6.4s");
    let (code, said) = tell(&run, 0, &["reload"]);
    assert!(code == 1 && said.contains("the server is not running"), "{said}");
    std::fs::write(&mark, "").unwrap();
    let (lives, from) = (times(&run, "here"), Instant::now());
    assert_eq!(tell(&run, 0, &["restart"]).0, 0);
    assert!(happens_within(Duration::from_secs(5), || times(&run, "here") > lives), "{:?}", from.elapsed());
}

/// Whoever is not of goward's own PID namespace could reach its socket in a shared network namespace, and is root out there.
#[test]
fn orders_come_from_its_own_pid_namespace() {
    if !root() || !requires("python3") || !requires("nsenter") || !requires("unshare") {
        return;
    }
    let scratch = scratch();
    let client = r#"
import os, socket, sys
name = "\0goward/%s/1" % sys.argv[1]
s = socket.socket(socket.AF_UNIX)
s.bind("\0goward-order/%d%s/%s" % (os.getpid(), sys.argv[3], sys.argv[2]))
s.settimeout(5)
s.connect(name)
print("answer:", s.recv(1000).decode())
"#;
    let client = word(&scratch.file("client.py", client, 0o644)).to_owned();
    let run = Plan::new("").shell(SERVER);
    is_up(&run);
    let link = std::fs::read_link(format!("/proc/{}/ns/pid", run.pid())).unwrap();
    let namespace: String = word(&link).chars().filter(char::is_ascii_digit).collect();
    let pid = run.pid().to_string();
    let inside = ["nsenter", "--target", &pid, "--pid", "--mount"];
    let below = [&inside[..], &["unshare", "--pid", "--fork"]].concat();
    for (at, by, answered) in [(1, &[][..], false), (2, &below, false), (3, &inside, true)] {
        let at = at.to_string();
        let words = [by, &["python3", &client, &namespace, "1", &at]].concat();
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(said.contains("answer: +"), answered, "{by:?}: {said}");
        assert_eq!(happens_within(Duration::from_millis(500), || times(&run, "hup") > 0), answered, "{by:?}: {said}");
    }
}

/// Who asks for the end while a restart is under way and the server has ended, has not ended it.
#[test]
fn a_stop_behind_a_restart_has_not_ended_the_server() {
    if !tools() {
        return;
    }
    let stopped = |server: &str| {
        let run =
            Plan::new("--stop-timeout 4s --dump raw").shell(&format!("(trap '' TERM; exec sleep 300) & {server}"));
        is_up(&run);
        let _ = tell(&run, 0, &["restart"]);
        wait_until("the server ends", || tell(&run, 0, &["status"]).1.starts_with("leftovers").then_some(()));
        run.stop();
        run.end()
    };
    stopped("trap 'exit 0' TERM; echo here; while :; do sleep 0.02; done").must(0, "goward: finished: exit 0, ran ");
    // Nor has it missed the deadline of that stop.
    let end = stopped("trap '' TERM; echo here; exec sleep 300");
    end.must(137, "goward: ended by SIGQUIT: exit 137, before a stop was requested, ran ");
}
