//! Started under another's name, goward is that program: tini 0.19, dumb-init 1.2.5, catatonit 0.1.7. Their options,
//! variables and messages; docs/compat.md says what was measured, and where we differ.

use super::getopt::{self, Grammar, Options};
use super::{Env, Invocation};
use crate::config::{Dump, Inheritance, Place, Settings, Subreaper, Voice};
use crate::privilege::Privileges;
use crate::signal::Signal;
use crate::supervisor::{Leftovers, Policy};
use std::ffi::CString;

/// What all of them do: no deadline, nothing of ours.
fn settings(argv: Vec<CString>, voice: Voice) -> Settings {
    Settings {
        argv,
        policy: Policy { leftovers: Leftovers::Abandon, ..Policy::default() },
        voice,
        place: Place::Foreground,
        to_group: false,
        signals: Inheritance::Exact,
        left_alone: Vec::new(),
        ignore_once: Vec::new(),
        subreaper: Subreaper::No,
        warn_reaping: false,
        parent_death: None,
        privileges: Privileges::default(),
        dump: Dump::Raw,
        require_non_root: false,
        before: Vec::new(),
        after: Vec::new(),
        probe: None,
        go_env: false,
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

fn base(zero: &str) -> &str {
    zero.rsplit('/').next().unwrap_or_default()
}

// tini

const TINI_VERSION: &str = "tini version 0.19.0";

pub(super) const TINI: Options = Options { short: "hvsgle:p:w", long: &[] };

fn tini_usage(zero: &str) -> String {
    let name = base(zero);
    format!(
        "{name} ({TINI_VERSION})\n\
         Usage: {name} [OPTIONS] PROGRAM -- [ARGS] | --version\n\n\
         Execute a program under the supervision of a valid init process ({name})\n\n\
         Command line options:\n\n\
         \x20 --version: Show version and exit.\n\
         \x20 -h: Show this help message and exit.\n\
         \x20 -s: Register as a process subreaper (requires Linux >= 3.4).\n\
         \x20 -p SIGNAL: Trigger SIGNAL when parent dies, e.g. \"-p SIGKILL\".\n\
         \x20 -v: Generate more verbose output. Repeat up to 3 times.\n\
         \x20 -w: Print a warning when processes are getting reaped.\n\
         \x20 -g: Send signals to the child's process group.\n\
         \x20 -e EXIT_CODE: Remap EXIT_CODE (from 0 to 255) to 0.\n\
         \x20 -l: Show license and exit.\n\n\
         Environment variables:\n\n\
         \x20 TINI_SUBREAPER: Register as a process subreaper (requires Linux >= 3.4).\n\
         \x20 TINI_VERBOSITY: Set the verbosity level (default: 1).\n\
         \x20 TINI_KILL_PROCESS_GROUP: Send signals to the child's process group.\n\n\
         This is goward, standing in for tini.\n"
    )
}

fn tini_fatal(text: &str) -> Invocation {
    Invocation::err(format!("[FATAL tini ({})] {text}\n", std::process::id()), 1)
}

pub(super) fn tini(zero: &str, arguments: &[CString], env: Env<'_>) -> Invocation {
    let words = words(arguments);
    if words.len() == 1 && words[0] == "--version" {
        return Invocation::out(format!("{TINI_VERSION}\n"));
    }
    let grammar = Grammar { zero, options: TINI };
    let (mut verbosity, mut warn_reaping, mut subreaper, mut to_group) = (1, false, false, false);
    let (mut parent_death, mut success) = (None, Vec::new());
    let taken = getopt::read(&grammar, &words, |found| {
        match found {
            Err(error) => return Some(Invocation::err(format!("{error}{}", tini_usage(zero)), 1)),
            Ok(option) => match option.letter {
                'h' => return Some(Invocation::out(tini_usage(zero))),
                'l' => return Some(Invocation::out(super::help::license())),
                'v' => verbosity += 1,
                's' => subreaper = true,
                'g' => to_group = true,
                'w' => warn_reaping = true,
                'e' => match strtol(&option.value) {
                    Some(code) => success.push(code),
                    None => return Some(tini_fatal(&format!("Not a valid option for -e: {}", option.value))),
                },
                _ => match tini_signal(&option.value) {
                    Some(signal) => parent_death = Some(signal),
                    None => return Some(tini_fatal(&format!("Not a valid option for -p: {}", option.value))),
                },
            },
        }
        None
    });
    let taken = match taken {
        Ok(taken) => taken,
        Err(answer) => return answer,
    };
    let argv = program(arguments, taken, true);
    if argv.is_empty() {
        return Invocation::err(tini_usage(zero), 1);
    }
    if let Some(text) = env("TINI_VERBOSITY") {
        verbosity = atoi(&text);
    }
    let verbosity = if verbosity < 0 { u8::MAX } else { u8::try_from(verbosity).unwrap_or(u8::MAX) };
    let mut settings = settings(argv, Voice::Tini { verbosity, warn_reaping });
    settings.warn_reaping = warn_reaping;
    settings.to_group = to_group || env("TINI_KILL_PROCESS_GROUP").is_some();
    settings.subreaper = if subreaper || env("TINI_SUBREAPER").is_some() { Subreaper::Asked } else { Subreaper::No };
    settings.parent_death = parent_death;
    settings.policy.success = success;
    settings.left_alone = faults();
    settings.policy.rewrite = vec![(Signal::TTIN, None), (Signal::TTOU, None)];
    Invocation::Run(Box::new(settings))
}

/// tini's own list: exact names only, of standard signals.
fn tini_signal(text: &str) -> Option<Signal> {
    const MISSING: [&str; 5] = ["SIGIO", "SIGPWR", "SIGSTKFLT", "SIGPOLL", "SIGIOT"];
    let signal = Signal::parse(text.strip_prefix("SIG")?).ok()?;
    (signal.to_string() == text && signal.number() < 32 && !MISSING.contains(&text)).then_some(signal)
}

/// strtol(3), base 10, the whole string; an empty one is 0.
fn strtol(text: &str) -> Option<u8> {
    let digits = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = digits.strip_prefix('+').filter(|rest| !rest.is_empty()).unwrap_or(digits);
    if digits.is_empty() {
        return text.is_empty().then_some(0);
    }
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten()?.try_into().ok()
}

/// atoi(3): what is no number is 0.
fn atoi(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number = digits[..end].parse().unwrap_or(0);
    if negative { -number } else { number }
}

// dumb-init

pub(super) const DUMB_INIT: Options = Options {
    short: "hvVcr:",
    long: &[
        ("help", 'h', false),
        ("single-child", 'c', false),
        ("rewrite", 'r', true),
        ("verbose", 'v', false),
        ("version", 'V', false),
    ],
};

fn dumb_init_help(zero: &str) -> String {
    format!(
        "dumb-init v1.2.5\n\
         Usage: {zero} [option] command [[arg] ...]\n\n\
         dumb-init is a simple process supervisor that forwards signals to children.\n\
         It is designed to run as PID1 in minimal container environments.\n\n\
         Optional arguments:\n\
         \x20  -c, --single-child   Run in single-child mode.\n\
         \x20                       In this mode, signals are only proxied to the\n\
         \x20                       direct child and not any of its descendants.\n\
         \x20  -r, --rewrite s:r    Rewrite received signal s to new signal r before proxying.\n\
         \x20                       To ignore (not proxy) a signal, rewrite it to 0.\n\
         \x20                       This option can be specified multiple times.\n\
         \x20  -v, --verbose        Print debugging information to stderr.\n\
         \x20  -h, --help           Print this help message and exit.\n\
         \x20  -V, --version        Print the current version and exit.\n\n\
         Variables: DUMB_INIT_DEBUG=1, DUMB_INIT_SETSID=0. This is goward, standing in for dumb-init.\n"
    )
}

pub(super) fn dumb_init(zero: &str, arguments: &[CString], env: Env<'_>) -> Invocation {
    let words = words(arguments);
    let grammar = Grammar { zero, options: DUMB_INIT };
    let (mut debug, mut single, mut rewrite) = (false, false, Vec::new());
    let taken = getopt::read(&grammar, &words, |found| {
        match found {
            Err(error) => return Some(Invocation::err(error, 1)),
            Ok(option) => match option.letter {
                'h' => return Some(Invocation::err(dumb_init_help(zero), 0)),
                'V' => return Some(Invocation::err("dumb-init v1.2.5\n", 0)),
                'v' => debug = true,
                'c' => single = true,
                _ => match dumb_init_rewrite(&option.value) {
                    // The last one for a signal wins; the policy takes the first it finds.
                    Some(pair) => rewrite.insert(0, pair),
                    None => {
                        return Some(Invocation::err(
                            "Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.\n\
                             This option can be specified multiple times.\nUse --help for full usage.\n",
                            1,
                        ));
                    }
                },
            },
        }
        None
    });
    let taken = match taken {
        Ok(taken) => taken,
        Err(answer) => return answer,
    };
    let argv = program(arguments, taken, false);
    if argv.is_empty() {
        return Invocation::err(
            format!("Usage: {zero} [option] program [args]\nTry {zero} --help for full usage.\n"),
            1,
        );
    }
    let mut notes = Vec::new();
    if env("DUMB_INIT_DEBUG").is_some_and(|value| value == "1") {
        debug = true;
        notes.push("Running in debug mode.".to_owned());
    }
    if env("DUMB_INIT_SETSID").is_some_and(|value| value == "0") {
        single = true;
        notes.push("Not running in setsid mode.".to_owned());
    }
    let mut settings = settings(argv, Voice::DumbInit { debug, setsid: !single });
    settings.notes = notes;
    settings.policy.suspend_on = vec![Signal::TSTP, Signal::TTIN, Signal::TTOU];
    if !single {
        // Its own stop signals cannot reach a session without a terminal: it is stopped outright.
        rewrite.extend(settings.policy.suspend_on.iter().map(|signal| (*signal, Some(Signal::STOP))));
    }
    settings.policy.rewrite = rewrite;
    settings.policy.leftovers = Leftovers::TermGroup;
    settings.place = if single { Place::Shared } else { Place::Session };
    settings.to_group = !single;
    settings.signals = Inheritance::EmptyMask;
    Invocation::Run(Box::new(settings))
}

/// sscanf(3) with `%d:%d`: blanks before a number and anything after the second pass.
fn dumb_init_rewrite(text: &str) -> Option<(Signal, Option<Signal>)> {
    let number = |text: &str| {
        let text = text.trim_start();
        let digits = text.strip_prefix('+').unwrap_or(text);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        Some((digits.get(..end)?.parse::<i32>().ok()?, digits[end..].to_owned()))
    };
    let (from, rest) = number(text)?;
    let (to, _) = number(rest.strip_prefix(':')?)?;
    if !(1..=31).contains(&from) || to > 31 {
        return None;
    }
    Some((Signal::new(from)?, Signal::new(to)))
}

// catatonit

pub(super) const CATATONIT: Options = Options { short: "ghLPV", long: &[("version", 'V', false)] };

const CATATONIT_USAGE: &str = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n";

fn catatonit_error(text: &str) -> Invocation {
    Invocation::err(format!("ERROR (catatonit:{}): {text}\n", std::process::id()), 1)
}

pub(super) fn catatonit(zero: &str, arguments: &[CString], env: Env<'_>) -> Invocation {
    if env("CATATONIT_LOG").is_some() {
        return catatonit_error("CATATONIT_LOG is reserved for future use");
    }
    let words = words(arguments);
    let grammar = Grammar { zero, options: CATATONIT };
    let (mut to_group, mut pause) = (false, false);
    let taken = getopt::read(&grammar, &words, |found| {
        match found {
            Err(error) => return Some(Invocation::err(format!("{error}{CATATONIT_USAGE}"), 1)),
            Ok(option) => match option.letter {
                'h' => return Some(Invocation::err(catatonit_help(), 0)),
                'L' => return Some(Invocation::out(super::help::license())),
                'V' => return Some(Invocation::out("tini version 0.1.7_catatonit\n")),
                'P' => pause = true,
                _ => to_group = true,
            },
        }
        None
    });
    let taken = match taken {
        Ok(taken) => taken,
        Err(answer) => return answer,
    };
    if pause {
        return Invocation::Pause;
    }
    let argv = program(arguments, taken, true);
    if argv.is_empty() {
        let error = format!("ERROR (catatonit:{}): missing program name\n", std::process::id());
        return Invocation::err(format!("{error}{CATATONIT_USAGE}"), 1);
    }
    let mut settings = settings(argv, Voice::Catatonit { debug: env("CATATONIT_DEBUG").is_some() });
    settings.to_group = to_group;
    settings.subreaper = Subreaper::Automatic;
    settings.left_alone = faults();
    settings.policy.rewrite = [Signal::TSTP, Signal::TTIN, Signal::TTOU].map(|signal| (signal, None)).to_vec();
    Invocation::Run(Box::new(settings))
}

fn catatonit_help() -> String {
    format!(
        "{CATATONIT_USAGE}\noptions:\n\
         \x20 -g              Forward signals to pid1's process group.\n\
         \x20 -h              Print this help page.\n\
         \x20 -L              Print license information.\n\
         \x20 -P              Run in pause mode (no program is run and quit on SIGINT).\n\
         \x20 -V, --version   Print version information.\n\n\
         Variables: CATATONIT_DEBUG. This is goward, standing in for catatonit.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_c_reads_them() {
        for (text, code) in [(" 5", Some(5)), ("+5", Some(5)), ("007", Some(7)), ("", Some(0)), ("255", Some(255))] {
            assert_eq!(strtol(text), code, "{text:?}");
        }
        for text in ["-1", "256", "0x1", "5 ", "x", "99999999999999999999999", "+", " "] {
            assert_eq!(strtol(text), None, "{text:?}");
        }
        assert_eq!([atoi(""), atoi("abc"), atoi("2x"), atoi("-3"), atoi(" 4")], [0, 0, 2, -3, 4]);
    }

    #[test]
    fn rewrites_as_sscanf_reads_them() {
        assert_eq!(dumb_init_rewrite("15:2"), Some((Signal::TERM, Some(Signal::INT))));
        assert_eq!(dumb_init_rewrite(" +15: 2x"), Some((Signal::TERM, Some(Signal::INT))));
        assert_eq!(dumb_init_rewrite("1:0"), Some((Signal::HUP, None)));
        for text in ["", "15", "15:", "TERM:INT", "0:1", "32:1", "1:32", "15 :2", "-1:2", "1:-1"] {
            assert_eq!(dumb_init_rewrite(text), None, "{text:?}");
        }
    }

    #[test]
    fn tinis_signals_have_their_full_names() {
        assert_eq!(tini_signal("SIGKILL"), Some(Signal::KILL));
        for text in ["KILL", "9", "sigkill", "SIGRTMIN", "SIG9", "SIGIO", ""] {
            assert_eq!(tini_signal(text), None, "{text}");
        }
    }
}
