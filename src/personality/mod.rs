//! Started under another's name, goward is that program: tini 0.19, dumb-init 1.2.5, catatonit 0.1.7, grpc_health_probe. Here
//! are their command lines: options, variables, help and what they refuse; docs/compat.md says what was measured, and where
//! goward differs. What they log while they run is in `init/personality/`.

mod catatonit;
mod dumb_init;
mod getopt;
mod grpc_health_probe;
mod tini;

use crate::cli::Env;
use crate::config::{Dump, Inheritance, Personality, Place, Probing, Settings, Subreaper};
use crate::platform::Source;
use crate::privilege::Privileges;
use crate::signal::Signal;
use crate::supervisor::{Leftovers, Policy};
use std::ffi::CString;

/// What a program under another's name was asked for.
#[derive(Debug)]
pub enum Personified {
    /// Supervise a server as that program does.
    Run(Box<Settings>),
    /// Ask a gRPC server once.
    Probe(Box<Probing>),
    /// catatonit -P: no program, only reap until somebody stops it.
    Pause,
}

/// What is printed instead, and the exit code.
#[derive(Debug)]
pub struct Printed {
    /// What is printed on standard output.
    pub stdout: String,
    /// What is printed on standard error.
    pub stderr: String,
    /// The exit code to leave with.
    pub code: u8,
}

type Answered = Result<Personified, Printed>;

fn out(text: impl Into<String>) -> Answered {
    Err(Printed { stdout: text.into(), stderr: String::new(), code: 0 })
}

fn err(text: impl Into<String>, code: u8) -> Answered {
    Err(Printed { stdout: String::new(), stderr: text.into(), code })
}

/// A program whose name goward takes.
struct Program {
    options: getopt::Options,
    parse: fn(&str, &[CString], Env<'_>) -> Answered,
}

/// By the last part of argv[0].
fn find(name: &str) -> Option<Program> {
    match name {
        "tini" | "tini-static" | "docker-init" => Some(Program { options: tini::OPTIONS, parse: tini::parse }),
        "dumb-init" => Some(Program { options: dumb_init::OPTIONS, parse: dumb_init::parse }),
        "catatonit" | "podman-init" => Some(Program { options: catatonit::OPTIONS, parse: catatonit::parse }),
        _ => None,
    }
}

/// The name that a program was started under. Podman's and CRI-O's default init is catatonit; they mount what they find at their
/// init's path as /run/podman-init, and as /dev/init before Podman 4.4. An `init` elsewhere may be anything.
fn name_of(zero: &str) -> &str {
    let mounted = ["/dev/init", "/run/init"].contains(&zero);
    if mounted { "catatonit" } else { base(zero) }
}

/// Reads the command line of the program that argv[0] names; none if that is goward itself.
pub fn parse(argv: &[CString], env: Env<'_>) -> Option<Result<Personified, Printed>> {
    let zero = argv.first().map(|zero| zero.to_string_lossy()).unwrap_or_default();
    let rest = argv.get(1..).unwrap_or_default();
    if base(&zero) == grpc_health_probe::NAME {
        return Some(grpc_health_probe::parse(rest));
    }
    let program = find(name_of(&zero))?;
    Some((program.parse)(&zero, rest, env))
}

/// Whether an option of one of these programs has a value. A letter, or a long name.
pub fn takes_value(program: &str, option: &str) -> bool {
    let mut letters = option.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    find(program).is_some_and(|program| {
        letter.and_then(|letter| program.options.letter_takes(letter)) == Some(true)
            || program.options.long_takes(option)
    })
}

/// The last part of a path.
fn base(zero: &str) -> &str {
    zero.rsplit('/').next().unwrap_or_default()
}

/// What all of them do: no deadline, nothing of ours.
fn settings(argv: Vec<CString>, personality: Personality) -> Settings {
    Settings {
        argv,
        policy: Policy { leftovers: Leftovers::Abandon, ..Policy::default() },
        personality,
        place: Place::Foreground,
        to_group: false,
        signals: Inheritance::Exact,
        left_alone: Vec::new(),
        ignore_once: Vec::new(),
        subreaper: Subreaper::No,
        warn_reaping: false,
        parent_death: None,
        privileges: Privileges::default(),
        dump: Dump::Raw { file: None },
        require_non_root: false,
        before: Vec::new(),
        after: Vec::new(),
        on_change: Vec::new(),
        probe: None,
        ready_probe: None,
        go_env: false,
        stop_timeout_source: Source::Option,
        termination_log: None,
        notes: Vec::new(),
    }
}

/// What a program gets when it does something wrong by itself: tini and catatonit do not block these.
fn faults() -> Vec<Signal> {
    Signal::all().filter(|signal| signal.is_fault() || *signal == Signal::ABRT).collect()
}

fn words(arguments: &[CString]) -> Vec<String> {
    arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The program and its arguments, as bytes. A `--` that directly follows the program is dropped, as in the documented
/// form `tini PROGRAM -- ARGS`.
fn program(arguments: &[CString], taken: usize, drop_dashes: bool) -> Vec<CString> {
    let mut argv = arguments.get(taken..).unwrap_or_default().to_vec();
    if drop_dashes && argv.get(1).is_some_and(|word| word.as_bytes() == b"--") {
        argv.remove(1);
    }
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let is = |zero: &str| match find(name_of(zero)).map(|program| program.options.short) {
            Some(short) if short == tini::OPTIONS.short => "tini",
            Some(short) if short == dumb_init::OPTIONS.short => "dumb-init",
            Some(short) if short == catatonit::OPTIONS.short => "catatonit",
            Some(_) => "another",
            None => "goward",
        };
        for (zero, wanted) in [
            ("tini", "tini"),
            ("/usr/bin/tini-static", "tini"),
            ("/sbin/docker-init", "tini"),
            ("/usr/local/bin/dumb-init", "dumb-init"),
            ("/usr/libexec/podman/catatonit", "catatonit"),
            ("/run/podman-init", "catatonit"),
            ("podman-init", "catatonit"),
            ("/dev/init", "catatonit"),
            ("/run/init", "catatonit"),
            // Near misses: an init elsewhere is a name that people give to anything.
            ("/sbin/init", "goward"),
            ("init", "goward"),
            ("/srv/dev/init", "goward"),
            ("/dev/initctl", "goward"),
            ("podman-init2", "goward"),
            ("/tini/goward", "goward"),
            ("", "goward"),
        ] {
            assert_eq!(is(zero), wanted, "{zero}");
        }
    }
}
