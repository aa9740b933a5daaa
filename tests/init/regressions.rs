//! Faults that were there once, found by a review. Each of these failed before it was mended.

use crate::plan::{Plan, fixture, goward, root, scratch, status, wait_until, word};
use crate::support::{happens_within, pause_for, skipped};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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
    // Forked is not enough: until its exec it runs the shell's code, handlers included.
    let is_sleep = |(_, _, name): &(i32, char, String)| name == "sleep";
    wait_until("the child", || run.running.processes().iter().any(is_sleep).then_some(()));
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
        wait_until("it is traced", || (status(run.pid(), "TracerPid") != "0").then_some(()));
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
    if !root() || !crate::support::requires("prlimit") {
        return;
    }
    // The kernel sends SIGXFSZ to who writes beyond the limit: to goward itself, again and again if it logs that.
    let scratch = scratch();
    let log = scratch.path("log");
    // From whoever started goward; a --rlimit is for the server alone.
    let setup = format!("echo 'as long as it may be' >{0}; exec 2>>{0}; prlimit --pid $$ --fsize=10", word(&log));
    let server = "trap 'echo xfsz; exit 9' XFSZ; trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("-v --stop-timeout 5s").setup(&setup).shell(server);
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

/// To an ordinary process the PID 1 of its namespace has no parent either, as who comes into a container from outside. It was taken
/// for one of those, and everybody for its descendants.
#[test]
fn an_ordinary_process_kills_nobody_elses_when_a_leftover_stays() {
    if !root() {
        return;
    }
    // In a namespace of its own: what a fault kills here is there, and nowhere else.
    let script = r#"
        sleep 600 & stranger=$!
        "$0" --stop-timeout 3s -- sh -c '(trap "" TERM; exec sleep 600) & sleep 0.2; exit 3'; echo "code $?"
        "$0" --restart on-failure:1 --stop-timeout 3s -- sh -c '(trap "" TERM; exec sleep 600) & sleep 0.2; exit 3'; echo "code $?"
        kill -0 $stranger && echo "the stranger lives"
        pgrep -x sleep | wc -l
        exit 0"#;
    let end = Plan::new("").start(&["/bin/sh", "-c", script, goward()]).end();
    assert_eq!(end.out, "code 3\ncode 3\nthe stranger lives\n1\n", "{end:?}");
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

/// The kernel hands out low numbers first, and each datagram brings SIGIO.
#[test]
fn signals_above_sigio_are_heard_in_a_flood_of_notifications() {
    if !root() {
        return;
    }
    for (options, signal) in
        [("--rewrite RTMIN+3:TERM", 37), ("--stop-on PWR --stop-signal TERM", libc::SIGPWR), ("", libc::SIGTERM)]
    {
        for text in ["MAINPID=", "RELOADING=1\\nREADY=1", "WATCHDOG=1"] {
            let run = Plan::new(&format!("--notify --stop-timeout 20s {options}")).fixture(&format!("notify {text}"));
            run.line("ready");
            pause_for(Duration::from_millis(100)); // The flood has filled the socket by then.
            let from = Instant::now();
            run.signal(signal);
            let end = run.end();
            let time = end.since(from);
            assert!(end.code == 143 && time < Duration::from_secs(2), "{options}, {text}: {time:?}, {end:?}");
            // Whatever is said again and again is told now and then.
            assert!(end.err.lines().count() < 20, "{options}, {text}: {end:?}");
        }
    }
}

#[test]
fn a_daemon_without_its_first_thread_is_asked_like_others() {
    if !root() {
        return;
    }
    for plan in [Plan::new("--stop-timeout 8s"), Plan::new("--stop-timeout 8s").child()] {
        let scratch = scratch();
        let file = scratch.path("obeyed");
        let end = plan.fixture(&format!("headless {}", word(&file))).end();
        end.must(0, "sending SIGTERM to the processes left behind processes=");
        assert!(end.err.contains("fixture (3)") || end.err.contains("processes=\"fixture ("), "{end:?}");
        assert!(happens_within(Duration::from_secs(2), || file.exists()), "{end:?}");
        assert!(!end.err.contains("SIGKILL"), "{end:?}");
    }
}

/// The kernel vouches for the sender of kill(2) alone.
#[test]
fn who_queues_a_signal_may_lie_about_itself() {
    if !root() {
        return;
    }
    let script = |code: i32| format!("trap 'exit 4' TERM; $FIXTURE queue 1 TERM {code}; while :; do sleep 0.02; done");
    for code in [-1, -2] {
        let end = Plan::new("").shell(&script(code)).end();
        end.must(4, "SIGTERM from a process that says it is pid 4242; forwarded");
    }
}

#[test]
fn the_environment_is_handed_on_byte_for_byte() {
    if !root() {
        return;
    }
    for (options, own) in [
        (&[][..], &["HOME"][..]),
        (&["--user", "65532:65532"][..], &["HOME", "HOME=/", "USER=65532", "LOGNAME=65532"][..]),
    ] {
        let mut command = Command::new(fixture());
        command.args(["raw-environment", goward()]).args(options).args(["--", "/bin/cat", "/proc/self/environ"]);
        let said = command.output().unwrap().stdout;
        let entries: Vec<&[u8]> = said.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).collect();
        let mut wanted: Vec<&[u8]> =
            vec![b"PATH=/usr/bin:/bin", b"MALFORMED", b"=x", own[0].as_bytes(), b"A=1", b"A=2", b"B=\xff"];
        wanted.extend(own[1..].iter().map(|entry| entry.as_bytes()));
        assert_eq!(entries, wanted, "{options:?}: {}", String::from_utf8_lossy(&said));
    }
}

/// Each sentence about a signal or a hook is true of that signal and that hook.
#[test]
fn what_came_through_goward_is_never_called_foreign() {
    if !root() {
        return;
    }
    // As docker kill -s HUP. No program catches it here, so it ends the server.
    for (options, signal, name) in [("", libc::SIGHUP, "SIGHUP"), ("-v", libc::SIGUSR1, "SIGUSR1")] {
        let run = Plan::new(options).shell("echo ready; exec sleep 100");
        run.line("ready");
        wait_until("sleep", || (status(run.server(), "Name") == "sleep").then_some(()));
        run.signal(signal);
        let end = run.end();
        end.must(128 + signal, &format!("ended by {name}, which goward forwarded: exit {}, ran ", 128 + signal));
        assert!(!end.err.contains("no stop was requested"), "{end:?}");
    }
    // Near misses: it was sent to the server itself, or to the server before.
    let run = Plan::new("").shell("echo ready; exec sleep 100");
    run.line("ready");
    crate::support::send(run.server(), libc::SIGHUP);
    run.end().must(129, "ended by SIGHUP: exit 129, no stop was requested");
    let script = "[ -e \"$MARK\" ] && kill -HUP $$; : > \"$MARK\"; echo ready; exec sleep 100";
    let scratch = scratch();
    let run = Plan::new("--restart on-failure:1").env("MARK", word(&scratch.path("mark"))).shell(script);
    run.line("ready");
    wait_until("sleep", || (status(run.server(), "Name") == "sleep").then_some(()));
    run.signal(libc::SIGHUP);
    run.end().must(129, "ended by SIGHUP: exit 129, no stop was requested");
}

#[test]
fn a_hook_that_hangs_is_recorded_as_that_hook() {
    if !root() {
        return;
    }
    let hooks = |options: &str| {
        let plan = Plan::new("--stop-timeout 1s").options(options);
        ["--before=true", "--before=sh -c 'trap \"\" TERM QUIT ABRT; echo hangs; while :; do sleep 0.02; done'"]
            .into_iter()
            .fold(plan, Plan::option)
    };
    let run = hooks("--before-timeout 300ms").fixture("exit 0");
    run.end().must(137, "--before command 2 took too long and was killed: exit 137");
    let run = hooks("").fixture("exit 0");
    run.line("hangs");
    run.stop();
    run.end().must(137, "killed at the deadline in --before command 2: exit 137");
    // After the server: the stop was its, and its code stays.
    let run = Plan::new("--stop-timeout 1s").option("--after=sleep 100").fixture("stop-slowly 0 3");
    run.line("ready");
    run.stop();
    let end = run.end();
    end.must(3, "time is up: sending SIGKILL to the --after command\n");
    end.must(3, "stopped: exit 3, ");
    end.must(3, "; --after command: SIGKILL after ");
    assert!(!end.err.contains("left behind"), "{end:?}");
}

/// RLIMIT_NPROC counts all processes of a uid on the host. 65532 is in many images.
#[test]
fn a_uid_that_has_too_many_processes_is_named() {
    if !root() || !crate::support::requires("setpriv") {
        return;
    }
    let user = ["--reuid", "64998", "--regid", "64998", "--clear-groups"];
    let mut others: Vec<_> =
        (0..6).map(|_| Command::new("setpriv").args(user).args(["sleep", "100"]).spawn().unwrap()).collect();
    for other in &others {
        let pid = other.id() as i32;
        wait_until("it is that user", || status(pid, "Uid").starts_with("64998").then_some(()));
    }
    let plan = |limit: &str| Plan::new("--user 64998:64998 --rlimit").options(limit).fixture("exit 4").end();
    let end = plan("nproc=5:5");
    end.must(125, "--rlimit nproc=5: uid 64998 has as many processes as that already, in all containers of this host");
    // The server itself makes seven; goward is not counted against it.
    assert_eq!(plan("nproc=7").code, 4);
    assert_eq!(plan("nproc=1000").code, 4);
    for other in &mut others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
    // Whoever must not start anything at all can be had too, where the uid is nobody else's.
    assert_eq!(plan("nproc=1:1").code, 4);
    assert_eq!(plan("nproc=0").code, 4);
}

/// One that has changed its user by itself (su-exec, gosu), in a container without CAP_KILL: nothing reaches it, and nothing else is
/// said. tini ends with the first signal.
#[test]
fn a_server_that_may_not_be_signalled_is_told_as_that() {
    if !root() || !crate::support::requires("setpriv") {
        return;
    }
    let user = ["setpriv", "--reuid=64997", "--regid=64997", "--clear-groups", fixture(), "ignore-all"];
    let stopped = |stage: &str, options: &str| {
        let run = Plan::new("--stop-timeout 1s --dump off").options(options).stage(stage).run(&user);
        run.line("ready");
        run.stop();
        run.end()
    };
    let end = stopped("--drop-cap 5", "");
    end.must(
        137,
        " WARN goward: cannot send SIGTERM: the server runs as uid 64997, and goward, as uid 0, has no CAP_KILL; ",
    );
    end.must(137, "SIGTERM could not be sent to the server, which has 1s");
    end.must(137, "could not be killed: exit 137; refused at ");
    assert!(!end.err.contains("forwarded to") && !end.err.contains("survived"), "{}", end.err);
    let end = stopped("--drop-cap 5", "--log-format json");
    end.must(137, "\"server\":\"still there: SIGKILL was refused\"");
    // A /proc that is another's says nothing about this server.
    let strange = "mount -t tmpfs none /proc; for n in $(seq 2 40); do mkdir /proc/$n; echo 'Uid: 7 7 7 7' > /proc/$n/status; done";
    let plan = Plan::new("--stop-timeout 1s --dump off").stage("--drop-cap 5").setup(strange);
    let run = plan.run(&user);
    run.line("ready");
    run.stop();
    let end = run.end();
    end.must(137, "cannot send SIGTERM");
    assert!(!end.err.contains("uid 7"), "{}", end.err);
    // Under another's name in its words.
    let plan = Plan::new("").stage("--drop-cap 5 --argv0 catatonit").env("CATATONIT_DEBUG", "1");
    let run = plan.run(&user);
    run.line("ready");
    run.signal(libc::SIGUSR1);
    let line = run.log("forwarding of signal 10 to pid1 (");
    assert!(line.starts_with("WARN (catatonit:1): ") && line.ends_with(") failed: Operation not permitted"), "{line}");
    // Near miss: it may be.
    let end = stopped("", "");
    end.must(137, "forwarded to the server, which has 1s");
    end.must(137, "killed at the deadline: exit 137; SIGKILL at ");
    assert!(!end.err.contains("cannot send") && !end.err.contains("refused"), "{}", end.err);
}

/// It ends by itself after that, and was not killed.
#[test]
fn a_server_that_ends_after_a_refused_kill_has_its_own_code() {
    if !root() || !crate::support::requires("setpriv") {
        return;
    }
    let ends = || {
        let scratch = scratch();
        let refused = scratch.path("refused");
        let script = "trap '' TERM; echo ready; until [ -e \"$0\" ]; do sleep 0.01; done; exit 3";
        let user =
            ["setpriv", "--reuid=64997", "--regid=64997", "--clear-groups", "/bin/sh", "-c", script, word(&refused)];
        let run = Plan::new("--stop-timeout 5s --dump off").stage("--drop-cap 5").run(&user);
        run.line("ready");
        run.stop();
        run.log("cannot send SIGKILL");
        fs::write(&refused, "").unwrap();
        run.end()
    };
    // goward waits 0.4 s for it, which a busy machine may need for the test's own part.
    let end = (0..5).map(|_| ends()).find(|end| !end.err.contains("could not be killed: exit 137; refused at "));
    end.expect("it ends in time").must(3, "ended too late: exit 3; SIGKILL refused at ");
}

/// The kernel refuses a program whose file has capabilities that it cannot get (EPERM), whatever its mode says.
#[test]
fn a_program_with_file_capabilities_is_not_called_closed() {
    if !root() || !crate::support::requires("setcap") {
        return;
    }
    let scratch = scratch();
    let program = scratch.path("program");
    fs::copy(fixture(), &program).unwrap();
    let setcap =
        |what: &str| Command::new("setcap").arg(what).arg(&program).status().is_ok_and(|status| status.success());
    if !setcap("cap_sys_admin,cap_net_raw+ep") {
        skipped("no file capabilities on this file system");
        return;
    }
    let run = |options: &str| Plan::new(options).run(&[word(&program), "exit", "3"]).end();
    let end = run("--user 65532:65532 --keep-cap net_raw");
    end.must(
        126,
        "it has file capabilities that this container does not have, or --user has dropped: sys_admin; keep them ",
    );
    // Near miss: it gets them, or can do without.
    assert_eq!(run("--user 65532:65532 --keep-cap net_raw,sys_admin").code, 3);
    assert!(setcap("cap_sys_admin+p"));
    assert_eq!(run("--user 65532:65532").code, 3);
}

/// Root is checked by the kernel as everybody else is, where it has no CAP_DAC_OVERRIDE (`--cap-drop ALL`).
#[test]
fn root_without_capabilities_may_not_execute_what_is_closed_to_it() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let owned = |name: &str, text: &str| {
        let path = scratch.file(name, text, 0o744);
        std::os::unix::fs::chown(&path, Some(1000), Some(1000)).unwrap();
        path
    };
    let shell = scratch.path("shell");
    fs::copy("/bin/sh", &shell).unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o744)).unwrap();
    std::os::unix::fs::chown(&shell, Some(1000), Some(1000)).unwrap();
    let program = owned("program", "#!/bin/sh\nexit 3\n");
    let script = scratch.file("script", &format!("#!{}\nexit 4\n", shell.display()), 0o755);
    let run = |stage: &str, program: &Path| Plan::new("").stage(stage).run(&[word(program)]).end();
    let end = run("--drop-cap 1", &program);
    end.must(126, "uid 0, gid 0 without CAP_DAC_OVERRIDE may not execute it (owner 1000:1000, mode 0744)");
    let end = run("--drop-cap 1", &script);
    end.must(126, "/shell is not executable for uid 0 without CAP_DAC_OVERRIDE (owner 1000:1000, mode 0744)");
    // Near miss: with it, it may.
    assert_eq!((run("", &program).code, run("", &script).code), (3, 4));
    // In a user namespace it has no power over whose owner is not mapped there.
    let unmapped = scratch.file("unmapped", "#!/bin/sh\nexit 5\n", 0o744);
    let end = run("--user-namespace allow:0_100000_65536:0_100000_65536 --uid 0", &unmapped);
    end.must(
        126,
        "its owner or group may not be mapped in this user namespace, and CAP_DAC_OVERRIDE would then not reach it",
    );
    // Nor does anybody else miss a capability.
    let end = Plan::new("--user 65532:65532").run(&[word(&program)]).end();
    end.must(126, "uid 65532, gid 65532 may not execute it (owner 1000:1000, mode 0744)");
}
