//! What users read, word for word: help pages, refusals, the log of a server's life, tables of goroutines, findings.
//!
//! The words are kept in tests/snapshots, so that a change of them is seen in review. `make bless` writes them anew; with CI set
//! nothing is written, and what differs fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types, reason = "these are tests")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::reviewed::is_as_reviewed;
use support::{GOWARD, LIMIT, Running, Stage, requires_namespaces, wait_until};

fn goward(words: &[&str], columns: u32) -> Output {
    let mut command = Command::new(GOWARD);
    command.args(words).env_clear().env("COLUMNS", columns.to_string()).current_dir("/");
    command.output().unwrap()
}

/// `$ goward WORDS`, what came, and the code if it is not 0.
fn conversation(words: &[&str]) -> String {
    let output = goward(words, 100);
    let mut text = format!("$ goward {}\n", words.join(" "));
    text.push_str(&String::from_utf8(output.stdout).unwrap());
    text.push_str(&String::from_utf8(output.stderr).unwrap());
    if let Some(code @ 1..) = output.status.code() {
        let _ = writeln!(text, "[{code}]");
    }
    text
}

#[test]
fn help_pages() {
    is_as_reviewed("help", &conversation(&["--help"]));
    for command in
        ["run", "status", "stop", "restart", "reload", "signal", "dump", "probe", "rehearse", "goroutines", "check"]
    {
        is_as_reviewed(&format!("help-{command}"), &conversation(&["help", command]));
    }
    is_as_reviewed("help-narrow", &String::from_utf8(goward(&["help", "probe"], 60).stdout).unwrap());
}

/// What is wrong with a command line is said before anything is done.
#[test]
fn refusals() {
    let lines: &[&[&str]] = &[
        &[],
        &["--stop-timout", "10s", "--", "/server"],
        &["--stop-timeout", "10", "--stop-signal", "TREM", "--", "/server"],
        &["--stop-timeout", "soon", "--", "/server"],
        &["--user", "nobody:nogrup", "--", "/server"],
        &["--user", "-1", "--", "/server"],
        &["--keep-cap", "net_bind", "--", "/server"],
        &["--rlimit", "nofile", "--", "/server"],
        &["--health", "8080", "--", "/server"],
        &["--health", "ftp://localhost/", "--", "/server"],
        &["--dump", "all", "--", "/server"],
        &["--no-such-option", "--", "/server"],
        &["--", "/no/such/server"],
        &["--", "/etc/passwd"],
        &["--", "/"],
        &["status", "--pid", "x"],
        &["status", "--wait", "soon"],
        &["probe"],
        &["probe", "http://localhost:99999/"],
        &["probe", "tcp://127.0.0.1:1", "-t", "0"],
        &["probe", "tcp://127.0.0.1:1"],
        &["goroutines", "/no/such/file"],
        &["goroutines", "--format", "xml", "/dev/null"],
        &["goroutines", "/dev/null"],
        &["check", "-f", "/no/such/Dockerfile"],
        &["check", "--format", "xml"],
        &["check", "--image", "/etc/passwd"],
        &["rehearse"],
        &["rehearse", "--load", "x", "--", "/server"],
        &["help", "no-such-command"],
    ];
    is_as_reviewed("refusals", &lines.iter().map(|line| conversation(line)).collect::<Vec<_>>().join("\n"));
}

/// What a server does, and what it is sent once it is there.
struct Life {
    name: &'static str,
    options: &'static [&'static str],
    script: &'static str,
    signals: &'static [&'static str],
}

/// A server that stops when it is told to.
const GOOD: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
/// One that does not.
const STUBBORN: &str = "trap '' TERM QUIT ABRT; echo ready; while :; do sleep 0.05; done";

const LIVES: &[Life] = &[
    Life { name: "a stop", options: &["-v"], script: GOOD, signals: &["TERM"] },
    Life { name: "a stop, told briefly", options: &[], script: GOOD, signals: &["TERM"] },
    Life { name: "a deadline", options: &["--stop-timeout", "3s"], script: STUBBORN, signals: &["TERM"] },
    Life {
        name: "a deadline, with a dump",
        options: &["--stop-timeout", "3s", "--dump", "raw"],
        script: STUBBORN,
        signals: &["TERM"],
    },
    Life {
        name: "a deadline without a dump",
        options: &["--stop-timeout", "3s", "--dump", "off"],
        script: STUBBORN,
        signals: &["TERM"],
    },
    Life { name: "a server that ends", options: &[], script: "echo ready; exit 0", signals: &[] },
    Life { name: "a server that fails", options: &[], script: "echo ready; exit 7", signals: &[] },
    Life { name: "a server that is killed", options: &[], script: "echo ready; kill -KILL $$", signals: &[] },
    Life { name: "a drain", options: &["--drain", "200ms"], script: GOOD, signals: &["TERM"] },
    Life {
        name: "leftovers",
        options: &[],
        script: "(trap '' HUP; exec sleep 77) & trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done",
        signals: &["TERM"],
    },
    Life {
        name: "an orphan",
        options: &["--warn-reaping"],
        script: "(sh -c 'exit 3' &) ; sleep 0.3; trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done",
        signals: &["TERM"],
    },
    Life { name: "a hook that fails", options: &["--before", "false"], script: GOOD, signals: &[] },
    Life { name: "a hook that is over", options: &["--before", "true"], script: GOOD, signals: &["TERM"] },
    Life { name: "restarts", options: &["--restart", "on-failure:1"], script: "exit 7", signals: &[] },
];

#[test]
fn lives() {
    if !requires_namespaces() {
        return;
    }
    let mut text = String::new();
    for life in LIVES {
        let _ = writeln!(text, "# {}: {}", life.name, life.options.join(" "));
        let running = Stage::new(GOWARD).args(life.options).args(["--", "sh", "-c", life.script]).start();
        if !life.signals.is_empty() {
            running.wait_for("ready");
        }
        if life.options.contains(&"--before") && !life.signals.is_empty() {
            // The server may be quicker than goward's word of its start.
            wait_until("its start is told", LIMIT, || running.stderr().contains("the server was started"));
        }
        for signal in life.signals {
            running.send(signal);
        }
        text.push_str(&log(&running));
        text.push('\n');
    }
    is_as_reviewed("lives", &text);
}

fn log(running: &Running) -> String {
    wait_until("it ends", LIMIT, || running.ending().is_some());
    running.wait().stderr
}

/// In the order of their names.
fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().unwrap().ends_with(ending));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn stem(file: &Path) -> &str {
    file.file_stem().unwrap().to_str().unwrap()
}

#[test]
fn tables_of_goroutines() {
    for file in files("tests/dumps", ".stderr") {
        let output = goward(&["goroutines", file.to_str().unwrap()], 100);
        is_as_reviewed(&format!("goroutines-{}", stem(&file)), &String::from_utf8(output.stdout).unwrap());
    }
}
