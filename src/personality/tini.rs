//! tini 0.19: its options and variables, its help and its error messages. What it prints while it runs is in
//! `init/personality/`. Also under the names tini-static and docker-init.

use super::getopt::{self, Grammar, Options};
use super::{Answered, Personified, base, err, faults, out, program, settings, words};
use crate::cli::Env;
use crate::cli::help::license;
use crate::config::{Personality, Subreaper};
use crate::signal::Signal;
use std::ffi::CString;

const TINI_VERSION: &str = "tini version 0.19.0";

pub(super) const OPTIONS: Options = Options { short: "hvsgle:p:w", long: &[] };

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
         \x20 TINI_KILL_PROCESS_GROUP: Send signals to the child's process group.\n\n"
    )
}

fn tini_fatal(text: &str) -> Answered {
    err(format!("[FATAL tini ({})] {text}\n", std::process::id()), 1)
}

pub(super) fn parse(zero: &str, arguments: &[CString], env: Env<'_>) -> Answered {
    let words = words(arguments);
    if words.len() == 1 && words[0] == "--version" {
        return out(format!("{TINI_VERSION}\n"));
    }
    let grammar = Grammar { zero, options: OPTIONS };
    let (mut verbosity, mut warn_reaping, mut subreaper, mut to_group) = (1, false, false, false);
    let (mut parent_death, mut success) = (None, Vec::new());
    let taken = getopt::read(&grammar, &words, |found| {
        match found {
            Err(error) => return Some(err(format!("{error}{}", tini_usage(zero)), 1)),
            Ok(option) => match option.letter {
                'h' => return Some(out(tini_usage(zero))),
                'l' => return Some(out(license())),
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
        return err(tini_usage(zero), 1);
    }
    if let Some(text) = env("TINI_VERBOSITY") {
        verbosity = atoi(&text);
    }
    let verbosity = if verbosity < 0 { u8::MAX } else { u8::try_from(verbosity).unwrap_or(u8::MAX) };
    let mut settings = settings(argv, Personality::Tini { verbosity, warn_reaping });
    settings.warn_reaping = warn_reaping;
    settings.to_group = to_group || env("TINI_KILL_PROCESS_GROUP").is_some();
    settings.subreaper = if subreaper || env("TINI_SUBREAPER").is_some() { Subreaper::Asked } else { Subreaper::No };
    settings.parent_death = parent_death;
    settings.policy.success = success;
    settings.left_alone = faults();
    settings.policy.rewrite = vec![(Signal::TTIN, None), (Signal::TTOU, None)];
    Ok(Personified::Run(Box::new(settings)))
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
    fn tinis_signals_have_their_full_names() {
        assert_eq!(tini_signal("SIGKILL"), Some(Signal::KILL));
        for text in ["KILL", "9", "sigkill", "SIGRTMIN", "SIG9", "SIGIO", ""] {
            assert_eq!(tini_signal(text), None, "{text}");
        }
    }
}
