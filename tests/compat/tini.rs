//! The cases of tini's own test suite (krallin/tini 0.19: `test/run_inner_tests.py`, `test/run_outer_tests.py`, and what
//! `ci/run_build.sh` tries), written anew: as a child, as its inner tests have it, or as PID 1, as its outer ones do in a container.
//! Where goward differs the case says why. Left out: builds with MINIMAL, which Debian's is not; how tini itself was compiled
//! (hardening-check, valgrind); and that packages install.

use super::{NOT_A_REAPER, Place, Subject, Text, Tini, TiniStatic, case, check, in_parallel};
use crate::support::{Ending, Running, Scratch, Stage, fixture, happens_within, requires_namespaces, signal};
use std::fs;
use std::time::Duration;

/// What happens does so within this time, whatever else the machine does.
const SOON: Duration = Duration::from_secs(10);

/// How tini becomes one that reaps: what `tests` in run_inner_tests.py has.
#[derive(Clone, Copy, Debug)]
enum Reaper {
    /// `subreaper-proxy.py`: whoever starts it is one, and that is inherited over the exec.
    Proxy,
    Option,
    Variable,
    /// run_outer_tests.py: in a container.
    First,
    /// None at all: the near miss.
    None,
}

const REAPERS: [Reaper; 4] = [Reaper::Proxy, Reaper::Option, Reaper::Variable, Reaper::First];

impl Reaper {
    fn stage(self, subject: Subject) -> Stage {
        match self {
            Reaper::Proxy => subject.stage(Tini, Place::Child).option(&["--subreaper"]),
            Reaper::Option => subject.stage(Tini, Place::Child).arg("-s"),
            Reaper::Variable => subject.stage(Tini, Place::Child).env("TINI_SUBREAPER", ""),
            Reaper::First => subject.stage(Tini, Place::First),
            Reaper::None => subject.stage(Tini, Place::Child).env("TINI_VERBOSITY", "1"),
        }
    }
}

/// Holds the original and goward to all of them.
fn hold<T: Sync + std::fmt::Debug>(cases: &[T], run: impl Fn(Subject, &T) -> Result<(), String> + Sync) {
    if !requires_namespaces() {
        return;
    }
    let jobs: Vec<_> =
        Subject::all(Tini).into_iter().flat_map(|subject| cases.iter().map(move |c| (subject, c))).collect();
    in_parallel(&jobs, |&(subject, case)| run(subject, case).map_err(|wrong| format!("{subject:?} {case:?}: {wrong}")));
}

fn holds(right: bool, what: &str, running: &Running) -> Result<(), String> {
    let seen = || format!("not so: {what}\n{}{}{:?}", running.stdout(), running.stderr(), running.processes());
    right.then_some(()).ok_or_else(seen)
}

// ---------------------------------------------------------------------------------------------------------------------
// run_build.sh

#[test]
fn smoke() {
    const HELP: &[&str] = &["supervision of a valid init process", "more verbose"];
    let run = |args: &[&'static str]| case(Tini, args).in_house().out_like(Text::Any).err_like(Text::Any);
    let mut cases = vec![
        run(&[]).exits(1).err_like(Text::Has(HELP)),
        run(&["-h"]),
        run(&["-l"])
            .out_like(Text::Has(&["The MIT License"]))
            .but_ours("its own licence")
            .out_like(Text::Has(&["MIT"])),
        run(&["-vvv", "true"]),
        run(&["-vvv", "false"]).exits(1),
        run(&["-vvv", "--", "true"]),
        run(&["-vvv", "--", "--", "true"]).exits(127),
        run(&["true"]).env("TINI_VERBOSITY", "3").out_like(Text::Has(&["Received SIGCHLD"])),
        run(&["foobar123"]).exits(127),
        run(&["/etc"]).exits(126),
        // run_outer_tests.py, as PID 1.
        case(Tini, &["-z"]).exits(1).err_like(Text::Has(HELP)),
        case(Tini, &["-h"]).out_like(Text::Has(HELP)),
        case(Tini, &["zzzz"]).exits(127).err_like(Text::Has(&["exec zzzz failed: No such file or directory"])),
        // The suite expects 0 of this one; the original says 1, and so do we.
        case(Tini, &["-w"]).exits(1).err_like(Text::Has(HELP)),
    ];
    for program in [Tini, TiniStatic] {
        let version = case(program, &["--version"]).in_house().out_like(Text::Starts("tini version"));
        cases.push(version.err(""));
    }
    check(&cases);
}

#[test]
fn pipes_are_not_broken() {
    hold(&["exit 0\n", "exit 3\n"], |subject, script| {
        let running = Reaper::Option.stage(subject).fed().arg("sh").start();
        running.write(script);
        running.end_input();
        let code = if script.contains('3') { 3 } else { 0 };
        holds(running.wait().ending == Ending::Exited(code), "the shell reads it", &running)
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// run_inner_tests.py

/// Every code is made 0 by `-e` for it, and by `-e` for the 255 others it is not. The loop is a shell's, beside tini in its namespace.
#[test]
fn exit_codes_inclusive_and_exclusive() {
    const INCLUSIVE: &str = "i=0; while [ $i -lt 256 ]; do
        \"$0\" -e $i -- sh -c \"exit $i\" 2>/dev/null || echo \"$i is not made 0: $?\"; i=$((i + 1)); done; echo done";
    const EXCLUSIVE: &str = "i=0; while [ $i -lt 256 ]; do
        all=; j=0; while [ $j -lt 256 ]; do [ $j = $i ] || all=\"$all -e $j\"; j=$((j + 1)); done
        POSIXLY_CORRECT=1 \"$0\" $all sh -c \"exit $i\" 2>/dev/null; code=$?
        [ $code = $i ] || echo \"$i is made $code\"; i=$((i + 1)); done; echo done";
    hold(&[INCLUSIVE, EXCLUSIVE], |subject, script| {
        let scratch = Scratch::new();
        let tini = scratch.path("tini");
        std::os::unix::fs::symlink(subject.path(Tini), &tini).unwrap();
        let running = Stage::new("/bin/sh").args(["-c", script]).arg(&tini).start();
        holds(running.ends_within(Duration::from_secs(120)), "all 256 codes are tried", &running)?;
        holds(running.wait().stdout == "done\n", "each is right", &running)
    });
}

/// `reaping/stage_1.py`: a hundred orphans that live for a second or two. Ends with 0 once its own process is the init's only
/// child and there is no zombie and nobody else; with 1 where the init does not reap.
const ORPHANS: &str = "
    init=$PPID
    (i=0; while [ $i -lt 50 ]; do sleep 1 & sleep 2 & i=$((i + 1)); done)
    while [ \"$(cat /proc/$init/task/$init/children)\" != \"$$ \" ]; do sleep 0.1; done
    for stat in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <$stat || continue
        case $line in \"$$ \"*) ;; *\"(sleep) \"*) echo \"not reaped: $line\"; exit 1 ;; esac
    done; exit 0";

#[test]
fn reaping() {
    let cases: Vec<_> = REAPERS.iter().flat_map(|reaper| [(*reaper, false), (*reaper, true)]).collect();
    hold(&cases, |subject, &(reaper, names_them)| {
        let stage = reaper.stage(subject);
        let stage = if names_them { stage.arg("-w") } else { stage };
        let running = stage.args(["--", "sh", "-c", ORPHANS]).start();
        let outcome = running.wait();
        holds(outcome.ending == Ending::Exited(0), &format!("it ends with 0, not {:?}", outcome.ending), &running)?;
        holds(!outcome.stderr.contains("zombie reaping won't work"), "no warning", &running)?;
        let named = outcome.stderr.matches("Reaped zombie process with pid=").count();
        holds(if names_them { named >= 50 } else { named == 0 }, &format!("{named} are named"), &running)
    });
}

/// The same without a subreaper: tini says so, and the orphans are not its own.
#[test]
fn reaping_fails_without_a_subreaper() {
    hold(&[Reaper::None], |subject, reaper| {
        let running = reaper.stage(subject).args(["--", "sh", "-c", ORPHANS]).start();
        let outcome = running.wait();
        holds(outcome.ending == Ending::Exited(1), &format!("it ends with 1, not {:?}", outcome.ending), &running)?;
        holds(outcome.stderr == NOT_A_REAPER, "the warning and nothing else", &running)
    });
}

/// `signals/test.py`: a process with a child that waits.
#[test]
fn signals() {
    let cases: Vec<_> =
        REAPERS.iter().flat_map(|reaper| ["TERM", "USR1", "USR2"].map(|name| (*reaper, name))).collect();
    hold(&cases, |subject, &(reaper, name)| {
        let running = reaper.stage(subject).args(["--", "sh", "-c", "sleep 100; exit 0"]).start();
        // Not before the shell has one: it must not end by itself.
        let waits = || running.processes().iter().any(|process| process.2 == "sleep");
        holds(happens_within(SOON, waits), "its child has a child", &running)?;
        running.send(name);
        holds(running.wait().ending == Ending::Exited(128 + signal(name)), "128 and the signal", &running)
    });
}

/// `pgroup/stage_1.py`: a child that ignores USR1 and waits for one that does not.
#[test]
fn process_group() {
    const SCRIPT: &str = "\"$0\" sleep 100000 & trap '' USR1; echo ready; wait; wait";
    hold(&[(true, false), (false, true), (false, false)], |subject, &(option, variable)| {
        let mut stage = Reaper::Option.stage(subject);
        if option {
            stage = stage.arg("-g");
        }
        if variable {
            stage = stage.env("TINI_KILL_PROCESS_GROUP", "1");
        }
        let running = stage.args(["--", "sh", "-c", SCRIPT, fixture()]).start();
        let all_there =
            || running.stdout() == "ready\n" && running.processes().iter().filter(|p| p.2 == "fixture").count() == 2;
        // The stage's own PID 1 has that name too.
        holds(happens_within(SOON, all_there), "the child and its child are there", &running)?;
        running.send("USR1");
        if option || variable {
            return holds(running.ends_within(SOON), "the whole group has it", &running);
        }
        // Without, it is the child's alone, which ignores it. Nothing happens, and that is waited for.
        holds(!running.ends_within(Duration::from_millis(500)), "the child alone has it", &running)
    });
}

/// `sigconf-test.c`: what was ignored and blocked when tini was started is so for the child.
#[test]
fn signal_configuration() {
    hold(&[Place::Child, Place::First], |subject, &place| {
        let state = ["--ignore", "TTOU,SEGV,INT", "--block", "TTIN,ILL,TERM"];
        let running = subject.stage(Tini, place).option(&state).args(["cat", "/proc/self/status"]).start();
        let outcome = running.wait();
        let set = |name: &str| {
            let line = outcome.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            u64::from_str_radix(line.unwrap_or_default().trim(), 16).unwrap_or(0)
        };
        let mask = |names: [&str; 3]| names.iter().fold(0, |mask, name| mask | 1_u64 << (signal(name) - 1));
        let right = set("SigIgn") == mask(["TTOU", "SEGV", "INT"]) && set("SigBlk") == mask(["TTIN", "ILL", "TERM"]);
        holds(right, "these are ignored and blocked, and no others", &running)
    });
}

/// `pdeathsignal/`: the parent is killed, and the child is sent what `-p` names.
#[test]
fn parent_death_signal() {
    hold(&[true, false], |subject, &asked| {
        let scratch = Scratch::new();
        let (tini, file) = (scratch.path("tini"), scratch.path("told"));
        std::os::unix::fs::symlink(subject.path(Tini), &tini).unwrap();
        let second = "trap 'echo ok >\"$0\"; exit' USR1; kill -KILL $1; i=0; while [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done";
        let first = "\"$@\" $$; true";
        let options: &[&str] = if asked { &["-vvv", "-p", "SIGUSR1"] } else { &["-vvv"] };
        let stage = Stage::new("/bin/sh").child().args(["-c", first, "sh"]).arg(&tini).args(options);
        let running = stage.args(["--", "sh", "-c", second]).arg(&file).start();
        holds(running.ends_within(SOON), "the parent is killed", &running)?;
        let told = || fs::read_to_string(&file).is_ok_and(|text| text == "ok\n");
        if asked {
            return holds(happens_within(SOON, told), "the child is told", &running);
        }
        holds(!happens_within(Duration::from_millis(500), told), "nobody is told", &running)
    });
}

// ---------------------------------------------------------------------------------------------------------------------
// run_outer_tests.py: the terminal of a container

#[test]
fn tty_handling() {
    hold(&["exit 0\n", "\x03"], |subject, keys| {
        let stage = subject.stage(Tini, Place::First).terminal();
        let stage = match *keys {
            "\x03" => stage.args(["--", "dash", "-c", "while true; do echo \\#; sleep 0.1; done"]),
            _ => stage.env("PS1", "# ").args(["--", "dash"]),
        };
        let running = stage.start();
        holds(running.says_within(SOON, "#"), "the shell has the terminal", &running)?;
        running.write(keys);
        let code = if *keys == "\x03" { 128 + signal("INT") } else { 0 };
        let outcome = running.wait();
        holds(
            outcome.ending == Ending::Exited(code),
            &format!("it ends with {code}, not {:?}", outcome.ending),
            &running,
        )
    });
}
