//! goward's own memory: where its code lies, and what it does where there is none to be had.

use crate::plan::{Plan, fixture, goward, is_position_independent, root, scratch, word};
use crate::support::{find, happens_within, requires, skipped};
use std::process::Command;
use std::time::Duration;

/// A program that starts another as a packer's stub does; none where there is no C compiler.
fn packed(scratch: &crate::support::Scratch) -> Option<String> {
    if find("gcc").is_none() || !cfg!(target_arch = "x86_64") {
        skipped("a packed program needs gcc and amd64");
        return None;
    }
    if is_position_independent() {
        skipped("tests/fixture/packed.c starts a program at a fixed address");
        return None;
    }
    let program = word(&scratch.path("packed")).to_owned();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixture/packed.c");
    let built = Command::new("gcc").args(["-O1", "-Wall", "-Werror", "-static-pie", "-o", &program, source]).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{built:?}");
    Some(program)
}

/// Under UPX goward's code is in memory that is in no file: whatever it gives back there would be gone. What a start does
/// not run is run here: an end that is not well, a restart, the ladder up to the kill, `goward status`.
#[test]
fn a_packed_goward_keeps_its_code() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let Some(packed) = packed(&scratch) else { return };
    let cases = [
        ("-q", vec!["/bin/sh", "-c", "exit 1"], 1),
        ("--restart on-failure:1", vec!["/bin/sh", "-c", "exit 3"], 3),
        ("--stop-timeout 1s --dump live", vec![fixture(), "ignore-all"], 137),
        ("--health exec:true --notify", vec!["/bin/sh", "-c", "sleep 0.3; kill -s KILL $$"], 137),
    ];
    for how in [vec![], vec!["--over-file"]] {
        for (options, server, code) in &cases {
            let words: Vec<&str> = [packed.as_str()].into_iter().chain(how.iter().copied()).chain([goward()]).collect();
            let words = [words, options.split(' ').collect(), vec!["--"], server.clone()].concat();
            let run = Plan::new("").start(&words);
            if server[1] == "ignore-all" {
                run.line("ready");
                run.stop();
            }
            let end = run.end();
            assert_eq!(end.code, *code, "{how:?} {options}: {end:?}");
        }
    }
}

/// The near miss: as it is, in its file, goward gives it back; also as a user, when it may no longer be looked at.
#[test]
fn what_only_the_start_needed_is_given_back() {
    if !(root() && requires("strace")) {
        return;
    }
    let scratch = scratch();
    let log = scratch.path("log");
    for options in ["-q", "-q --user 65532:65532"] {
        let mut strace = Command::new("strace");
        strace.args(["-o", word(&log), "-e", "trace=madvise", goward()]).args(options.split(' '));
        assert!(strace.args(["--", fixture(), "exit", "0"]).output().unwrap().status.success());
        let calls = std::fs::read_to_string(&log).unwrap();
        let given = calls.lines().filter(|call| call.ends_with("MADV_DONTNEED) = 0") && call.contains("madvise(0x"));
        assert_eq!(given.count(), 1, "{options}: {calls}");
    }
}

/// All that goward does again and again, where the kernel gives it no page more; for its servers that is enough.
#[test]
fn without_memory_goward_lives_on_its_reserve() {
    if !(root() && requires("nsenter") && requires("prlimit")) {
        return;
    }
    for format in ["text", "json"] {
        let options = format!("--log-format {format} --restart always --notify -v");
        let plan = Plan::new(&format!("{options} --watchdog 5s --health-interval 20ms --stop-timeout 5s"));
        let run = plan.option(&format!("--health=exec:{} exit 0", fixture())).fixture("talk 400 1");
        let limited = Command::new("prlimit").args(["--pid", &run.pid().to_string(), "--data=300000"]).status();
        assert!(limited.unwrap().success());
        let (mut answered, mut lives) = (0, 0);
        while lives < 5 {
            let mut status = Command::new("nsenter");
            status.args(["--target", &run.pid().to_string(), "--pid", "--mount", goward(), "status"]);
            let answer = run_to_its_end(&mut status);
            let still_there = run.running.ending().is_none();
            assert!(still_there, "{format}: {}", run.running.stderr().lines().rev().take(9).collect::<String>());
            answered += usize::from(answer.contains("since"));
            lives = run.running.stderr().matches("restarting it in").count();
        }
        assert!(answered > 10, "{format}: goward status was answered {answered} times");
        // In the next life.
        let lines = run.running.stderr().lines().count();
        assert!(happens_within(Duration::from_secs(10), || run.running.stderr().lines().count() > lines + 100));
        run.stop();
        let end = run.end();
        assert_eq!(end.code, 143, "{format}: {end:?}");
        let record = end.err.lines().last().unwrap();
        assert!(
            record.contains("stopped") && record.contains("restarts") && !end.err.contains("no memory"),
            "{record}"
        );
    }
}

fn run_to_its_end(command: &mut Command) -> String {
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}
