//! The cases of dumb-init's own test suite (`tests/*_test.py` of Yelp/dumb-init 1.2.5), written anew: a test for each function
//! there, with the modes that it has there (`DUMB_INIT_DEBUG`, `DUMB_INIT_SETSID`), 182 cases in all. The original passes them,
//! and so does goward under its name. As there, the init is a child; where a terminal is needed, the leader of its session.
//!
//! `test-zombies`, the one script that wants to be PID 1, is `zombies_are_reaped_at_once`.

use super::{DumbInit, Place, Subject, in_parallel};
use crate::support::{Ending, Running, Stage, fixture, happens_within, requires_namespaces, send, signal};
use std::fmt::Debug;
use std::fs;
use std::time::Duration;

/// What happens does so within this time, whatever else the machine does.
const SOON: Duration = Duration::from_secs(5);

/// The two variables, as a case of the suite sets them. Its default is that both are empty.
#[derive(Clone, Copy, Debug)]
struct Mode {
    debug: &'static str,
    setsid: &'static str,
}

/// `both_debug_modes`, `both_setsid_modes`.
const BOTH: &[&str] = &["1", "0"];
/// `setsid_enabled`.
const SETSID: &[&str] = &["1"];
/// `setsid_disabled`.
const NO_SETSID: &[&str] = &["0"];
/// Where a test asks for no mode.
const EMPTY: &[&str] = &[""];

/// Each item in each of these modes.
fn cases<T: Clone>(debug: &[&'static str], setsid: &[&'static str], items: &[T]) -> Vec<(Mode, T)> {
    let modes = debug.iter().flat_map(|&debug| setsid.iter().map(move |&setsid| Mode { debug, setsid }));
    modes.flat_map(|mode| items.iter().map(move |item| (mode, item.clone()))).collect()
}

/// Holds the original and goward to all of them. `count`: as many as the suite has.
fn hold<T: Sync + Debug>(
    count: usize,
    cases: &[(Mode, T)],
    run: impl Fn(&dyn Fn(Place) -> Stage, &T) -> Result<(), String> + Sync,
) {
    assert_eq!(cases.len(), count, "the suite has so many");
    if !requires_namespaces() {
        return;
    }
    let subjects = Subject::all(DumbInit);
    let jobs: Vec<_> = subjects.iter().flat_map(|&subject| cases.iter().map(move |case| (subject, case))).collect();
    in_parallel(&jobs, |&(subject, (mode, item))| {
        let stage = |place| {
            let stage = subject.stage(DumbInit, place);
            stage.env("DUMB_INIT_DEBUG", mode.debug).env("DUMB_INIT_SETSID", mode.setsid)
        };
        run(&stage, item).map_err(|wrong| format!("{subject:?} {item:?} {mode:?}: {wrong}"))
    });
}

/// An error with all that was seen, unless it is so.
fn holds(right: bool, what: &str, running: &Running) -> Result<(), String> {
    let seen = || format!("not so: {what}\n{}{}{:?}", running.stdout(), running.stderr(), running.processes());
    right.then_some(()).ok_or_else(seen)
}

/// Waits until standard output is this, to the letter.
fn shows(running: &Running, text: &str) -> Result<(), String> {
    holds(happens_within(SOON, || running.stdout() == text), &format!("it says {text:?}"), running)
}

/// The letter of a process's state; out here.
fn state(pid: i32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('X')
}

fn becomes(running: &Running, pid: i32, wanted: &str) -> Result<(), String> {
    holds(happens_within(SOON, || wanted.contains(state(pid))), &format!("{pid} is in state {wanted}"), running)
}

/// The program that tells which signals it gets, `testing.print_signals`, under dumb-init as PID 2, and what it says first.
fn print_signals(stage: &dyn Fn(Place) -> Stage, options: &[String]) -> Result<(Running, String), String> {
    let running = stage(Place::Child).args(options).args([fixture(), "echo-signals", "--stay"]).start();
    shows(&running, "ready 3\n")?;
    Ok((running, "ready 3\n".to_owned()))
}

/// Sends a signal and waits for what the child says of it.
fn arrives(running: &Running, said: &mut String, sent: &str, received: &str) -> Result<(), String> {
    running.send(sent);
    said.push_str(&format!("{received} from pid 2\n"));
    shows(running, said)
}

fn rewrites(map: &[(&str, &str)]) -> Vec<String> {
    let number = |name: &str| if name == "0" { 0 } else { signal(name) };
    map.iter().flat_map(|(from, to)| ["-r".to_owned(), format!("{}:{}", number(from), number(to))]).collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// child_processes_test

/// Two pipelines: with the shell and dumb-init six processes. TERM once they are there; what still lives then.
fn pipelines(stage: &dyn Fn(Place) -> Stage, left: usize) -> Result<(), String> {
    let script = "sleep 1000 | cat & sleep 1000 | cat >&2";
    let running = stage(Place::Child).args(["sh", "-c", script]).start();
    let living = || running.processes().iter().filter(|(pid, state, _)| *pid != 1 && *state != 'Z').count();
    let named = |name: &str| running.processes().iter().filter(|process| process.2 == name).count();
    holds(happens_within(SOON, || living() == 6 && named("sleep") == 2 && named("cat") == 2), "six live", &running)?;
    running.send("TERM");
    holds(running.ends_within(SOON), "dumb-init ends", &running)?;
    holds(happens_within(SOON, || living() == left), &format!("{left} live on"), &running)
}

#[test]
fn setsid_signals_entire_group() {
    hold(2, &cases(BOTH, SETSID, &[0]), |stage, left| pipelines(stage, *left));
}

#[test]
fn no_setsid_doesnt_signal_entire_group() {
    hold(2, &cases(BOTH, NO_SETSID, &[4]), |stage, left| pipelines(stage, *left));
}

/// A shell that leaves a process behind, and is over.
fn dies_with_children(stage: &dyn Fn(Place) -> Stage) -> Result<Running, String> {
    let script = "\"$0\" echo-signals --stay & sleep 1";
    let running = stage(Place::Child).args(["sh", "-c", script, fixture()]).start();
    holds(running.ends_within(SOON), "dumb-init ends", &running)?;
    holds(running.ending() == Some(Ending::Exited(0)), "with 0", &running)?;
    Ok(running)
}

#[test]
fn all_processes_receive_term_on_exit_if_setsid() {
    hold(2, &cases(BOTH, SETSID, &["TERM"]), |stage, told| {
        let running = dies_with_children(stage)?;
        holds(happens_within(SOON, || running.stdout().contains(&format!("\n{told} from pid 2\n"))), told, &running)
    });
}

#[test]
fn processes_dont_receive_term_on_exit_if_no_setsid() {
    hold(2, &cases(BOTH, NO_SETSID, &[["HUP", "INT", "QUIT"]]), |stage, signals| {
        let running = dies_with_children(stage)?;
        let (ready, _) =
            running.stdout().split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap_or_default();
        let pid = ready.strip_prefix("ready ").and_then(|pid| pid.parse().ok()).ok_or("it says no pid")?;
        let pid = running.pid_out_here(pid).ok_or("it has gone")?;
        let mut said = ready + "\n";
        for name in signals {
            send(pid, signal(name));
            said.push_str(&format!("{name} from pid 0\n"));
            shows(&running, &said)?;
        }
        Ok(())
    });
}

#[test]
fn fails_nonzero_with_bad_exec() {
    const NO: &str = "/doesnotexist";
    let ways: [&[&str]; 4] = [&[NO], &["--", NO], &["-c", NO], &["--single-child", "--", NO]];
    hold(16, &cases(BOTH, BOTH, &ways), |stage, words| {
        let running = stage(Place::Child).args(*words).start();
        let outcome = running.wait();
        let told = outcome.stderr.contains("[dumb-init] /doesnotexist: No such file or directory\n");
        holds(outcome.ending != Ending::Exited(0) && told, "it fails and says why", &running)
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// cli_test

/// What a command line ends with, and writes to standard error, to the letter.
fn says(stage: &dyn Fn(Place) -> Stage, words: &[&str], code: i32, stderr: &str) -> Result<(), String> {
    let running = stage(Place::Child).args(words).start();
    let outcome = running.wait();
    holds(outcome.ending == Ending::Exited(code), &format!("it ends with {code}, not {:?}", outcome.ending), &running)?;
    holds(outcome.stderr == stderr, &format!("it says {stderr:?}"), &running)
}

#[test]
fn no_arguments_prints_usage() {
    const USAGE: &str = "Usage: dumb-init [option] program [args]\nTry dumb-init --help for full usage.\n";
    hold(4, &cases(BOTH, BOTH, &[USAGE]), |stage, usage| says(stage, &[], 1, usage));
}

#[test]
fn exits_invalid_with_invalid_args() {
    const UNKNOWN: &str = "dumb-init: unrecognized option '--yolo'\n";
    hold(4, &cases(BOTH, BOTH, &[UNKNOWN]), |stage, said| says(stage, &["--yolo", "/bin/true"], 1, said));
}

#[test]
fn help_message() {
    const HELP: &str = "dumb-init v1.2.5\n\
        Usage: dumb-init [option] command [[arg] ...]\n\
        \n\
        dumb-init is a simple process supervisor that forwards signals to children.\n\
        It is designed to run as PID1 in minimal container environments.\n\
        \n\
        Optional arguments:\n\
        \x20  -c, --single-child   Run in single-child mode.\n\
        \x20                       In this mode, signals are only proxied to the\n\
        \x20                       direct child and not any of its descendants.\n\
        \x20  -r, --rewrite s:r    Rewrite received signal s to new signal r before proxying.\n\
        \x20                       To ignore (not proxy) a signal, rewrite it to 0.\n\
        \x20                       This option can be specified multiple times.\n\
        \x20  -v, --verbose        Print debugging information to stderr.\n\
        \x20  -h, --help           Print this help message and exit.\n\
        \x20  -V, --version        Print the current version and exit.\n\
        \n\
        Full help is available online at https://github.com/Yelp/dumb-init\n";
    hold(8, &cases(BOTH, BOTH, &["-h", "--help"]), |stage, flag| says(stage, &[flag], 0, HELP));
}

#[test]
fn version_message() {
    hold(8, &cases(BOTH, BOTH, &["-V", "--version"]), |stage, flag| says(stage, &[flag], 0, "dumb-init v1.2.5\n"));
}

/// What debugging says of a child with pid 3 that ends with 0.
const GOODBYE: &str = "[dumb-init] Received signal 17.\n\
    [dumb-init] A child with PID 3 exited with exit status 0.\n\
    [dumb-init] Forwarded signal 15 to children.\n\
    [dumb-init] Child exited with status 0. Goodbye.\n";
const SPAWNED: &str = "[dumb-init] Child spawned with PID 3.\n";

#[test]
fn verbose() {
    hold(2, &cases(EMPTY, EMPTY, &["-v", "--verbose"]), |stage, flag| {
        let running = stage(Place::Child).args([flag, "echo", "oh,", "hi"]).start();
        let outcome = running.wait();
        holds(outcome.ending == Ending::Exited(0) && outcome.stdout == "oh, hi\n", "it runs", &running)?;
        // Parent and child write at the same time.
        let parts = [SPAWNED, "[dumb-init] setsid complete.\n", GOODBYE];
        let there = parts.iter().all(|part| outcome.stderr.contains(part)) && outcome.stderr.ends_with(GOODBYE);
        holds(there, "all of it is told", &running)
    });
}

#[test]
fn verbose_and_single_child() {
    let ways = [["-v", "-c"], ["-v", "--single-child"], ["--verbose", "-c"], ["--verbose", "--single-child"]];
    hold(4, &cases(EMPTY, EMPTY, &ways), |stage, flags| {
        let running = stage(Place::Child).args(flags).args(["echo", "oh,", "hi"]).start();
        let outcome = running.wait();
        holds(outcome.ending == Ending::Exited(0) && outcome.stdout == "oh, hi\n", "it runs", &running)?;
        holds(outcome.stderr == format!("{SPAWNED}{GOODBYE}"), "that and nothing else is told", &running)
    });
}

#[test]
fn rewrite_errors() {
    const USAGE: &str = "Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.\n\
        This option can be specified multiple times.\n\
        Use --help for full usage.\n";
    let wrong: [&[&str]; 10] = [
        &["-r"],
        &["-r", ""],
        &["-r", "herp"],
        &["-r", "herp:derp"],
        &["-r", "15"],
        &["-r", "15::12"],
        &["-r", "15:derp"],
        &["-r", "15:12", "-r"],
        &["-r", "15:12", "-r", "0"],
        &["-r", "15:12", "-r", "1:32"],
    ];
    hold(40, &cases(BOTH, BOTH, &wrong), |stage, words| {
        says(stage, &[words, &["echo", "oh,", "hi"][..]].concat(), 1, USAGE)
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// cwd_test

#[test]
fn working_directories() {
    // The original goes to / when it has started the child already.
    const SCRIPT: &str = "sleep 0.1; readlink /proc/$PPID/cwd && readlink /proc/$$/cwd";
    hold(4, &cases(BOTH, BOTH, &["/\n/tmp\n"]), |stage, said| {
        let running = stage(Place::Child).directory("/tmp").args(["sh", "-c", SCRIPT]).start();
        let outcome = running.wait();
        holds(outcome.ending == Ending::Exited(0) && outcome.stdout == *said, &format!("it says {said:?}"), &running)
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// exit_status_test

#[test]
fn exit_status_regular_exit() {
    hold(32, &cases(BOTH, BOTH, &[0, 1, 2, 32, 64, 127, 254, 255]), |stage, code| {
        let running = stage(Place::Child).args(["sh", "-c", &format!("exit {code}")]).start();
        holds(running.wait().ending == Ending::Exited(*code), "with its code", &running)
    });
}

#[test]
fn exit_status_terminated_by_signal() {
    hold(16, &cases(BOTH, BOTH, &["TERM", "HUP", "QUIT", "KILL"]), |stage, name| {
        let running = stage(Place::Child).args([fixture(), "die", name]).start();
        holds(running.wait().ending == Ending::Exited(128 + signal(name)), "with 128 and the signal", &running)
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// proxies_signals_test

/// All from 1 to 31 but KILL, STOP and CHLD, and but those that suspend.
const NORMAL: [&str; 25] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CONT", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const SUSPENDING: [&str; 3] = ["TSTP", "TTIN", "TTOU"];

#[test]
fn proxies_signals() {
    hold(4, &cases(BOTH, BOTH, &[NORMAL]), |stage, signals| {
        let (running, mut said) = print_signals(stage, &[])?;
        signals.iter().try_for_each(|name| arrives(&running, &mut said, name, name))
    });
}

/// Each signal to what it is rewritten to; those that are sent; what arrives.
type Rewriting = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str]);

#[test]
fn proxies_signals_with_rewrite() {
    const SENT: &[&str] = &["TERM", "QUIT", "CONT", "INT"];
    const REWRITINGS: [Rewriting; 4] = [
        (&[], SENT, SENT),
        (&[("TERM", "INT")], SENT, &["INT", "QUIT", "CONT", "INT"]),
        (&[("TERM", "INT"), ("INT", "TERM"), ("QUIT", "QUIT")], SENT, &["INT", "QUIT", "CONT", "TERM"]),
        // The lowest and the highest that there are.
        (&[("HUP", "SYS"), ("SYS", "HUP")], &["HUP", "SYS"], &["SYS", "HUP"]),
    ];
    hold(16, &cases(BOTH, BOTH, &REWRITINGS), |stage, (map, sent, received)| {
        let (running, mut said) = print_signals(stage, &rewrites(map))?;
        sent.iter().zip(*received).try_for_each(|(sent, received)| arrives(&running, &mut said, sent, received))
    });
}

#[test]
fn default_rewrites_can_be_overridden_with_setsid_enabled() {
    let map = [("TTIN", "TERM"), ("TTOU", "INT"), ("TSTP", "HUP")];
    hold(2, &cases(BOTH, SETSID, &[map]), |stage, map| {
        let (running, mut said) = print_signals(stage, &rewrites(map))?;
        for (sent, received) in map {
            becomes(&running, running.pid(), "RSD")?;
            arrives(&running, &mut said, sent, received)?;
            becomes(&running, running.pid(), "T")?;
            arrives(&running, &mut said, "CONT", "CONT")?;
            becomes(&running, running.pid(), "RSD")?;
        }
        Ok(())
    });
}

#[test]
fn ignored_signals_are_not_proxied() {
    let map = [("TERM", "QUIT"), ("INT", "0"), ("WINCH", "0")];
    hold(4, &cases(BOTH, BOTH, &[map]), |stage, map| {
        let (running, mut said) = print_signals(stage, &rewrites(map))?;
        arrives(&running, &mut said, "TERM", "QUIT")?;
        running.send("INT");
        running.send("WINCH");
        arrives(&running, &mut said, "HUP", "HUP")
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// shell_background_test

#[test]
fn shell_background_support_setsid() {
    hold(2, &cases(BOTH, SETSID, &[SUSPENDING]), |stage, signals| {
        let (running, mut said) = print_signals(stage, &[])?;
        let child = running.pid_out_here(3).ok_or("no child")?;
        for name in signals {
            for pid in [child, running.pid()] {
                becomes(&running, pid, "RSD")?;
            }
            running.send(name);
            for pid in [child, running.pid()] {
                becomes(&running, pid, "T")?;
            }
            arrives(&running, &mut said, "CONT", "CONT")?;
        }
        for pid in [child, running.pid()] {
            becomes(&running, pid, "RSD")?;
        }
        Ok(())
    });
}

#[test]
fn shell_background_support_without_setsid() {
    hold(2, &cases(BOTH, NO_SETSID, &[SUSPENDING]), |stage, signals| {
        let (running, mut said) = print_signals(stage, &[])?;
        for name in signals {
            becomes(&running, running.pid(), "RSD")?;
            arrives(&running, &mut said, name, name)?;
            becomes(&running, running.pid(), "T")?;
            arrives(&running, &mut said, "CONT", "CONT")?;
        }
        becomes(&running, running.pid(), "RSD")
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// tty_test

#[test]
fn tty() {
    hold(1, &cases(&["0"], EMPTY, &["\r\n3\r\n2\r\n1\r\n"]), |stage, shown| {
        let running = stage(Place::First).terminal().args(["tac"]).start();
        running.write("1\n2\n3\n\x04\x04");
        let outcome = running.wait();
        let right = outcome.ending == Ending::Exited(0) && outcome.stdout.ends_with(shown);
        holds(right, "the lines are turned round", &running)
    });
}

#[test]
fn child_gets_controlling_tty_if_we_had_one() {
    hold(4, &cases(BOTH, BOTH, &['m']), |stage, job_control| {
        let running = stage(Place::First).terminal().args(["bash", "-m"]).start();
        running.write("echo \"flags are: [[$-]]\"\nexit 0\n");
        let outcome = running.wait();
        holds(outcome.ending == Ending::Exited(0), "it ends with 0", &running)?;
        // The keys are shown too: what stands behind the dollar is what bash made of it.
        let flags = outcome.stdout.rsplit_once("flags are: [[").and_then(|(_, rest)| rest.split_once("]]"));
        holds(flags.is_some_and(|(flags, _)| flags.contains(*job_control)), "the shell has job control", &running)
    });
}

#[test]
fn sighup_sigcont_ignored_if_was_session_leader() {
    hold(1, &cases(EMPTY, EMPTY, &["-v"]), |stage, flag| {
        let running = stage(Place::First).terminal().args([flag, "sleep", "20"]).start();
        // Until the child has its session, a signal for it goes nowhere; the original's too.
        holds(running.says_within(SOON, "setsid complete."), "the child has a session", &running)?;
        for name in ["HUP", "CONT"] {
            let text = format!("Ignoring tty hand-off signal {}.", signal(name));
            holds(running.says_within(SOON, &text), &text, &running)?;
        }
        running.send("HUP");
        let outcome = running.wait();
        let forwarded = |name| format!("[dumb-init] Forwarded signal {} to children.", signal(name));
        holds(outcome.stdout.contains(&forwarded("HUP")), "the second SIGHUP is forwarded", &running)?;
        holds(!outcome.stdout.contains(&forwarded("CONT")), "no SIGCONT is", &running)
    });
}
