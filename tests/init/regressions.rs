//! Faults that were there once, found by a review. Each of these failed before it was mended.

use crate::plan::{Plan, fixture, goward, root, scratch, status, wait_until, word};
use crate::support::happens_within;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_full_terminal_is_not_waited_for() {
    if !root() || !crate::support::requires("python3") {
        return;
    }
    // Not stopped, only full: there is room for a byte, and none for a line. goward fills it itself, and nobody reads.
    let scratch = scratch();
    let unread = "import os,pty,sys\nm,s=pty.openpty()\nos.dup2(s,2)\nos.execv(sys.argv[1],sys.argv[1:])";
    let unread = scratch.file("unread.py", unread, 0o644);
    let server = [fixture(), "ignore-all"];
    let run = Plan::new("").start(
        &[&["/usr/bin/env", "python3", word(&unread), goward(), "-v", "--stop-timeout", "2s", "--"], server.as_slice()]
            .concat(),
    );
    run.line("ready");
    for _ in 0..1_500 {
        run.signal(libc::SIGWINCH);
        std::thread::sleep(Duration::from_micros(500));
    }
    let from = run.stop();
    assert!(happens_within(Duration::from_secs(3), || run.running.ending().is_some()), "it waits for its terminal");
    assert!(from.elapsed() < Duration::from_secs(2), "{:?}", from.elapsed());
}

#[test]
fn a_full_disk_costs_no_processor_time() {
    if !root() {
        return;
    }
    let run = Plan::new("-v").setup("exec 2>/dev/full").fixture("ignore-all");
    run.line("ready");
    run.signal(libc::SIGHUP);
    run.signal(libc::SIGUSR1);
    let ticks = || -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", run.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    let busy = happens_within(Duration::from_millis(700), || ticks() > before + 20);
    assert!(!busy, "goward spins");
}

#[test]
fn a_stopping_server_may_put_the_terminal_in_order() {
    if !root() {
        return;
    }
    let script = "trap 'stty sane; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("--stop-timeout 8s").stage("--terminal").shell(script);
    run.line("ready");
    let from = run.stop();
    let end = run.end();
    assert!(end.code == 0 && end.since(from) < Duration::from_secs(2), "{end:?}");
}

#[test]
fn a_key_is_for_everybody_in_the_foreground() {
    if !root() {
        return;
    }
    // The shell waits for its child, and acts on the key only when the child has died of it.
    let run = Plan::new("--stop-timeout 20s").stage("--terminal").shell("echo ready; sleep 60; exit 5");
    run.line("ready");
    wait_until("the child", || (run.running.processes().len() >= 3).then_some(()));
    let from = Instant::now();
    run.running.write("\x03");
    let end = run.end();
    assert!(end.since(from) < Duration::from_secs(5), "{end:?}");
}

#[test]
fn a_tracer_that_comes_and_goes_does_not_move_the_deadline() {
    if !root() || !crate::support::requires("strace") {
        return;
    }
    let run = Plan::new("--stop-timeout 2s").fixture("ignore-all");
    run.line("ready");
    let from = run.stop();
    // Attaching and detaching interrupts the wait; it must not begin anew.
    while from.elapsed() < Duration::from_millis(1_200) {
        let mut strace =
            Command::new("strace").args(["-qq", "-o", "/dev/null", "-p", &run.pid().to_string()]).spawn().unwrap();
        happens_within(Duration::from_millis(200), || false);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(strace.id() as i32), nix::sys::signal::SIGINT).unwrap();
        strace.wait().unwrap();
    }
    let end = run.end();
    assert!(end.code == 137 && end.since(from) < Duration::from_secs(2), "{end:?}");
}

#[test]
fn the_parents_death_is_news_for_another_user_too() {
    if !root() {
        return;
    }
    let script = "\"$1\" -p USR2 --user 65532:65532 -- \"$FIXTURE\" echo-signals & sleep 1000";
    let run = Plan::new("").child().start(&["/bin/sh", "-c", script, "sh", goward()]);
    run.line("ready");
    run.signal(libc::SIGKILL);
    let heard = happens_within(Duration::from_secs(5), || run.running.stdout().contains("USR2 from"));
    assert!(heard, "{}", run.running.stderr());
}

#[test]
fn without_proc_the_servers_group_is_still_asked() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let file = scratch.path("asked");
    let script =
        format!("(trap 'echo yes > {0}; exit' TERM; while :; do sleep 0.02; done) & sleep 0.2; exit 4", word(&file));
    let run = Plan::new("--stop-timeout 5s").child().setup("mount -t tmpfs none /proc").shell(&script);
    assert_eq!(run.end().code, 4);
    assert_eq!(fs::read_to_string(&file).unwrap(), "yes\n");
}

#[test]
fn the_last_rewrite_wins() {
    if !root() {
        return;
    }
    let run = Plan::new("--rewrite USR1:0 --rewrite USR1:USR2").fixture("echo-signals");
    run.line("ready");
    run.signal(libc::SIGUSR1);
    run.line("USR2");
}

#[test]
fn what_belongs_to_the_user_already_is_not_changed() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let dir = scratch.path("data");
    let setup =
        format!("mkdir {0}; chown 65532:65532 {0}; mount --bind {0} {0}; mount -o remount,bind,ro {0}", word(&dir));
    let end = Plan::new(&format!("--user 65532:65532 --own {}", word(&dir))).setup(&setup).fixture("exit 6").end();
    assert_eq!(end.code, 6, "{end:?}");
}

#[test]
fn many_leftovers_are_asked_at_once_and_not_all_named() {
    if !root() {
        return;
    }
    let script = "i=0; while [ $i -lt 300 ]; do sleep 100 & i=$((i+1)); done; exit 3";
    let from = Instant::now();
    let end = Plan::new("--stop-timeout 20s").shell(script).end();
    assert!(end.code == 3 && end.since(from) < Duration::from_secs(8), "{end:?}");
    assert!(end.err.contains("and 290 more") && end.err.len() < 4_000, "{end:?}");
}

#[test]
fn a_log_file_that_may_not_grow_is_no_signal_for_the_server() {
    if !root() {
        return;
    }
    // The kernel sends SIGXFSZ to who writes beyond the limit: to goward itself, again and again if it logs that.
    let scratch = scratch();
    let log = scratch.path("log");
    let setup = format!("echo 'as long as it may be' >{0}; exec 2>>{0}", word(&log));
    let server = "trap 'echo xfsz; exit 9' XFSZ; trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("--rlimit fsize=10 -v --stop-timeout 5s").setup(&setup).shell(server);
    run.line("ready");
    run.signal(libc::SIGWINCH);
    let from = run.stop();
    let end = run.end();
    assert!(end.code == 4 && !end.out.contains("xfsz") && end.since(from) < Duration::from_secs(2), "{end:?}");
}

#[test]
fn the_proc_of_another_namespace_is_no_proc() {
    if !root() || !crate::support::requires("unshare") {
        return;
    }
    // goward is pid 2 in a namespace of its own, and /proc that of the one above, where pid 2 has children.
    let script = r#"
        sh -c 'for i in 1 2 3; do sleep 600 & done; wait' & echo "above $!"
        while [ "$(cat /proc/$!/task/$!/children | wc -w)" != 3 ]; do sleep 0.02; done
        unshare --pid --fork --kill-child sh -c '"$0" --stop-timeout 2s -- sh -c "echo inside $$ >&2; sleep 600 & exit 3" & echo "pid $!"; wait $!; echo "code $?"' "$0"
        sleep 0.2
        echo "alive $(cat /proc/$!/task/$!/children | wc -w)"
        exit 0"#;
    let end = Plan::new("").start(&["/bin/sh", "-c", script, goward()]).end();
    for part in ["above 2\n", "pid 2\n", "code 3\n", "alive 3\n"] {
        assert!(end.out.contains(part), "no {part:?} in {end:?}");
    }
}

#[test]
fn with_no_time_at_all_nobody_is_killed_who_is_not_there() {
    if !root() {
        return;
    }
    let end = Plan::new("--stop-timeout 0").fixture("exit 6").end();
    assert!(end.code == 6 && !end.err.contains("SIGKILL"), "{end:?}");
}

/// Raising SIGSTOP does not stop a PID 1, but takes back a SIGCONT that already waits.
#[test]
fn under_dumb_inits_name_a_sigcont_right_after_a_sigtstp_arrives() {
    if !root() || !crate::support::requires("strace") {
        return;
    }
    let scratch = scratch();
    let dumb_init = scratch.path("dumb-init");
    std::os::unix::fs::symlink(goward(), &dumb_init).unwrap();
    let run = Plan::new("").start(&[word(&dumb_init), "-c", "--", fixture(), "echo-signals"]);
    run.line("ready");
    // Between forwarding the one and whatever else it does, it is slow: the other waits.
    let slow = ["-qq", "-o", "/dev/null", "-e", "inject=kill:delay_exit=300000", "-p", &run.pid().to_string()];
    let mut strace = Command::new("strace").args(slow).spawn().unwrap();
    wait_until("the tracer", || (status(run.pid(), "TracerPid") != "0").then_some(()));
    run.signal(libc::SIGTSTP);
    run.line("TSTP from");
    run.signal(libc::SIGCONT);
    run.line("CONT from");
    strace.kill().unwrap();
    strace.wait().unwrap();
    run.stop();
    assert_eq!(run.end().code, 0);
}
