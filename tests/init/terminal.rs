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
        let plan = Plan::new("--stop-timeout 30s").stage("--terminal");
        let plan = if child { plan.child() } else { plan };
        let run = plan.shell("trap 'echo int' INT; trap 'echo quit' QUIT; trap 'echo term' TERM; echo ready; while :; do sleep 0.02; done");
        run.line("ready");
        run.running.write(CTRL_C);
        run.line("int");
        run.line("a stop was asked for");
        run.line("the kernel (a key, a hang-up)");
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
    }
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
    for child in [false, true] {
        let plan = Plan::new("").stage("--terminal");
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
    wait_until("the stop", || run.running.stdout().contains("a stop was asked for").then_some(()));
    run.running.write("echo code-is-$((1000+$?))\n");
    run.line("code-is-1130");
    run.running.write("exit\n");
    run.end();
}
