//! On a terminal: keys, and the jobs of a shell.

use crate::plan::{Plan, goward, root, wait_until};
use crate::support::happens_within;
use std::time::{Duration, Instant};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

#[test]
fn the_first_ctrl_c_stops_the_second_dumps_the_third_kills() {
    if !root() {
        return;
    }
    for child in [false, true] {
        let plan = Plan::new("--dump raw --stop-timeout 30s").stage("--terminal");
        let plan = if child { plan.child() } else { plan };
        let run = plan.shell("trap 'echo int' INT; trap 'echo quit' QUIT; trap 'echo term' TERM; echo ready; while :; do sleep 0.02; done");
        run.line("ready");
        run.running.write(CTRL_C);
        run.line("int");
        run.line("stop requested: ");
        run.line("the terminal (Ctrl-C)");
        run.line("press Ctrl-C again for a goroutine dump (SIGQUIT), a third time to kill the server");
        // Once: not by the terminal and by goward too.
        let twice = happens_within(Duration::from_millis(150), || run.running.stdout().matches("int\r\n").count() > 1);
        assert!(!twice, "{}", run.running.stdout());
        run.running.write(CTRL_C);
        run.line("quit");
        assert_eq!(run.running.stdout().matches("int\r\n").count(), 1, "{}", run.running.stdout());
        let from = Instant::now();
        run.running.write(CTRL_C);
        let end = run.end();
        assert!(end.code == 137 && end.since(from) < Duration::from_secs(1), "{end:?}");
        // Impatience, and no deadline.
        assert!(end.out.contains("killed after repeated stop signals: exit 137, "), "{end:?}");
        assert!(!end.out.contains("deadline") && !end.out.contains("time is up"), "{end:?}");
    }
}

#[test]
fn what_the_next_ctrl_c_does_is_told_as_it_is() {
    if !root() {
        return;
    }
    for (options, more, told) in [
        ("", 2, "press Ctrl-C again to see its goroutines, a third time to kill the server"),
        ("--dump off", 1, "press Ctrl-C again to kill the server"),
        (
            "--drain 10s --dump raw",
            3,
            "press Ctrl-C again to end the drain, a third time for a goroutine dump (SIGQUIT), a fourth to kill the server",
        ),
        ("--drain 10s --dump off", 2, "press Ctrl-C again to end the drain, a third time to kill the server"),
    ] {
        let plan = Plan::new(options).options("--stop-timeout 30s").stage("--terminal");
        let run = plan.shell("trap : INT QUIT TERM; echo ready; while :; do sleep 0.02; done");
        run.line("ready");
        run.running.write(CTRL_C);
        run.line(told);
        for _ in 0..more {
            std::thread::sleep(Duration::from_millis(100));
            run.running.write(CTRL_C);
        }
        let end = run.end();
        assert!(end.code == 137 && end.out.contains("killed after repeated stop signals: exit 137"), "{end:?}");
    }
    // Not by a signal that was no key.
    let run = Plan::new("").stage("--terminal").fixture("stop-slowly 0 3");
    run.line("ready");
    run.signal(libc::SIGINT);
    assert!(!run.end().out.contains("Ctrl-C"));
}

#[test]
fn a_good_server_ends_by_ctrl_c() {
    if !root() {
        return;
    }
    let run = Plan::new("").stage("--terminal").shell("trap 'exit 3' INT; echo ready; while :; do sleep 0.02; done");
    run.line("ready");
    run.running.write(CTRL_C);
    assert_eq!(run.end().code, 3);
}

#[test]
fn a_server_that_reads_the_terminal_gets_it() {
    if !root() {
        return;
    }
    for (child, options) in [(false, ""), (true, ""), (false, "--user 65532:65532"), (true, "--user 65532:65532")] {
        let plan = Plan::new(options).stage("--terminal");
        let plan = if child { plan.child() } else { plan };
        let run = plan.shell("echo ready; read one; echo \"got $one\"; read two; echo \"and $two\"; exit 6");
        run.line("ready");
        run.running.write("hello\n");
        run.line("got hello");
        run.running.write("again\n");
        run.line("and again");
        assert_eq!(run.end().code, 6);
    }
}

#[test]
fn a_hang_up_reaches_the_server() {
    if !root() {
        return;
    }
    // Also without a terminal on stdin: a closed one is no error.
    let run = Plan::new("").stage("--terminal").setup("exec 0</dev/null").fixture("stop-slowly 0 4");
    run.line("ready");
    run.stop();
    assert_eq!(run.end().code, 4);
    // In the background of a shell nothing is taken from whoever is in front.
    let run = Plan::new("").child().stage("--terminal --background").fixture("stop-slowly 0 5");
    run.line("ready");
    run.stop();
    assert_eq!(run.end().code, 5);
}

#[test]
fn a_terminal_that_is_held_up_is_not_waited_for() {
    if !root() {
        return;
    }
    // Ctrl-S: whoever writes to the terminal now waits for Ctrl-Q.
    let run = Plan::new("-vv --stop-timeout 2s").stage("--terminal").fixture("ignore-all");
    run.line("ready");
    run.running.write("\x13");
    for _ in 0..100 {
        run.signal(libc::SIGHUP);
        run.signal(libc::SIGUSR1);
    }
    let from = run.stop();
    let ended = happens_within(Duration::from_secs(3), || run.running.ending().is_some());
    assert!(ended && from.elapsed() < Duration::from_secs(2), "{:?}", from.elapsed());
}

#[test]
fn a_job_of_a_shell_stops_and_goes_on() {
    if !root() || !crate::support::requires("bash") {
        return;
    }
    let run =
        Plan::new("").stage("--terminal").env("PS1", "prompt> ").start(&["/bin/bash", "--norc", "--noprofile", "-i"]);
    wait_until("a prompt", || run.running.stdout().contains("prompt> ").then_some(()));
    // The server counts; what it shows is what it does.
    let counting = "n=0; while :; do n=$((n+1)); echo tick-$n-; sleep 0.05; done";
    run.running.write(&format!("{} --user 65532:65532 -- sh -c '{counting}'\n", goward()));
    run.line("tick-3-");
    run.running.write(CTRL_Z);
    run.line("Stopped");
    let ticks = |text: &str| text.matches("tick-").count();
    let before = ticks(&run.running.stdout());
    let more = happens_within(Duration::from_millis(300), || ticks(&run.running.stdout()) > before + 1);
    assert!(!more, "the server goes on though its job is stopped: {}", run.running.stdout());
    run.running.write("echo shell-is-$((40+2))\n");
    run.line("shell-is-42");
    let before = ticks(&run.running.stdout());
    run.running.write("fg\n");
    wait_until("it goes on", || (ticks(&run.running.stdout()) > before + 3).then_some(()));
    // In front again: a key ends it, and the shell has its terminal back.
    run.running.write(CTRL_C);
    wait_until("the stop", || run.running.stdout().contains("stop requested: ").then_some(()));
    run.running.write("echo code-is-$((1000+$?))\n");
    run.line("code-is-1130");
    run.running.write("exit\n");
    run.end();
}

/// Kernels since 6.2 may refuse TIOCSTI by themselves; then nothing could be seen here.
struct TypingAllowed(Option<String>);

impl TypingAllowed {
    const SWITCH: &str = "/proc/sys/dev/tty/legacy_tiocsti";

    fn new() -> TypingAllowed {
        let before = std::fs::read_to_string(Self::SWITCH).ok();
        let changed = before.filter(|before| before.trim() != "1" && std::fs::write(Self::SWITCH, "1").is_ok());
        TypingAllowed(changed)
    }
}

impl Drop for TypingAllowed {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            _ = std::fs::write(Self::SWITCH, before);
        }
    }
}

/// Every way to push a character into a terminal, and the errno of each.
fn typing(plan: &Plan) -> Vec<(&'static str, i32)> {
    let mut ways = vec!["stdin", "tty", "high", "session", "console"];
    if cfg!(target_arch = "x86_64") {
        ways.extend(["i386", "x32"]);
    }
    let tried: Vec<String> = ways.iter().map(|way| format!("$FIXTURE type {way}; echo {way}-is-$?.")).collect();
    let end = plan.shell(&tried.join("\n")).end();
    let code = |way: &str| {
        let (_, rest) = end.out.split_once(&format!("{way}-is-")).unwrap_or_else(|| panic!("{way}: {end:?}"));
        rest.split('.').next().unwrap().parse().unwrap()
    };
    ways.into_iter().map(|way| (way, code(way))).collect()
}

const WITHOUT_SYS_ADMIN: &str = "--drop-cap 21";

#[test]
fn nobody_with_fewer_privileges_types_into_a_terminal() {
    if !root() {
        return;
    }
    let _allowed = TypingAllowed::new();
    let plan = |options: &str, stage: &str| Plan::new(options).child().stage(&format!("--terminal {stage}"));
    // A filter; also as PID 1, as a user that goward already is, and where only the controlling terminal is left.
    for plan in [
        plan("--user 65532:65532", ""),
        plan("--user 65532:65532", WITHOUT_SYS_ADMIN),
        plan("--user 65532:65532", "--uid 65532"),
        plan("--user 65532:65532 --allow-new-privs", ""),
        plan("--user 65532:65532 --keep-cap sys_admin", ""),
        Plan::new("--user 65532:65532").stage("--terminal"),
    ] {
        for (way, errno) in typing(&plan) {
            assert_eq!(errno, libc::EPERM, "{way}");
        }
    }
    // A session of its own. What is refused there is TIOCSTI; TIOCLINUX is no request of this kind of terminal.
    for (way, errno) in typing(&plan("--user 65532:65532 --allow-new-privs", WITHOUT_SYS_ADMIN)) {
        match way {
            "tty" => assert_eq!(errno, libc::ENXIO, "there is none"),
            "console" | "x32" => assert_ne!(errno, 0, "{way}"),
            _ => assert_eq!(errno, libc::EPERM, "{way}"),
        }
    }
    // Near misses: without --user nothing is refused, nor to root.
    for options in ["", "--user 0:0"] {
        for (way, errno) in typing(&plan(options, "")) {
            match way {
                "stdin" | "tty" | "high" | "session" => assert_eq!(errno, 0, "{options}: {way}"),
                "i386" => assert_eq!(errno, libc::EFAULT, "{options}: it has come as far as the character"),
                _ => {}
            }
        }
    }
}

#[test]
fn the_filter_is_there_only_for_a_terminal_within_reach() {
    if !root() {
        return;
    }
    let filters = |plan: &Plan| {
        let end = plan.shell("grep Seccomp_filters /proc/self/status").end();
        let (_, count) = end.out.split_once("Seccomp_filters:").unwrap_or_else(|| panic!("{end:?}"));
        count.split_whitespace().next().unwrap().parse::<u32>().unwrap()
    };
    let user = "--user 65532:65532";
    let none = filters(&Plan::new(""));
    assert_eq!(filters(&Plan::new(user)), none);
    assert_eq!(filters(&Plan::new("").stage("--terminal")), none);
    assert_eq!(filters(&Plan::new("--user 0:0").stage("--terminal")), none);
    assert_eq!(filters(&Plan::new(user).stage("--terminal")), none + 1);
    // Nothing on it, but it can be opened by its other name.
    let away = Plan::new("-q --user 65532:65532").stage("--terminal").setup("exec 3>&1 0</dev/null >/dev/null 2>&1");
    let end = away.shell("$FIXTURE type tty; echo tty-is-$?. >&3; grep Seccomp_filters /proc/self/status >&3").end();
    assert!(end.out.contains("tty-is-1.") && end.out.contains(&format!("\t{}", none + 1)), "{end:?}");
}

#[test]
fn a_root_shell_runs_no_command_of_the_servers() {
    if !root() || !crate::support::requires("bash") {
        return;
    }
    let _allowed = TypingAllowed::new();
    let run =
        Plan::new("").stage("--terminal").env("PS1", "prompt> ").start(&["/bin/bash", "--norc", "--noprofile", "-i"]);
    wait_until("a prompt", || run.running.stdout().contains("prompt> ").then_some(()));
    // A comment for the shell: it shows that it could have been anything.
    run.running.write(&format!("{} -q --user 65532:65532 -- $FIXTURE type stdin; echo code-is-$?\n", goward()));
    run.line("code-is-1");
    run.running.write("$FIXTURE type stdin; echo code-is-$((100+$?))\n");
    run.line("code-is-100");
    wait_until("the character", || run.running.stdout().ends_with("prompt> #").then_some(()));
    run.running.write("\nexit\n");
    run.end();
}

/// Where a filter cannot be had, keys and input go on as they did; only Ctrl-Z does nothing.
#[test]
fn a_session_of_its_own_has_keys_and_input() {
    if !root() {
        return;
    }
    let detached = || {
        let options = "--user 65532:65532 --allow-new-privs --dump raw --stop-timeout 30s";
        Plan::new(options).child().stage("--terminal").stage(WITHOUT_SYS_ADMIN)
    };
    let run = detached().shell("trap 'echo int' INT; trap 'echo quit' QUIT; echo ready; read one; echo \"got $one\"; while :; do sleep 0.02; done");
    run.line("session of its own");
    run.line("ready");
    run.running.write("hello\n");
    run.line("got hello");
    run.running.write(CTRL_Z);
    run.running.write(CTRL_C);
    run.line("stop requested: ");
    run.running.write(CTRL_C);
    run.line("quit");
    run.running.write(CTRL_C);
    assert_eq!(run.end().code, 137);
    // Commands that goward starts beside the server are kept away from the terminal too.
    let health = format!("exec:{} type tty", crate::plan::fixture());
    let run = detached()
        .options("-v")
        .option("--health")
        .option(&health)
        .option("--health-interval=20ms")
        .fixture("stop-slowly 0");
    run.line("ready");
    let refused = format!("health probe failed: exit code {}", libc::ENXIO);
    wait_until("fifty probes", || (run.running.stdout().matches(&refused).count() >= 50).then_some(()));
    run.stop();
    let end = run.end();
    assert_eq!(end.code, 0);
    assert!(!end.out.contains("probe succeeded"), "one of them had the terminal: {end:?}");
}
