//! dumb-init 1.2.5: its options and variables, its help and its error messages. What it prints while it runs is in
//! `init/personality/`.

use super::getopt::{self, Grammar, Options};
use super::{Answered, Personified, err, program, settings, words};
use crate::cli::Env;
use crate::config::{Inheritance, Personality, Place};
use crate::signal::Signal;
use crate::supervisor::Leftovers;
use std::ffi::CString;

pub(super) const OPTIONS: Options = Options {
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
         Full help is available online at https://github.com/Yelp/dumb-init\n"
    )
}

pub(super) fn parse(zero: &str, arguments: &[CString], env: Env<'_>) -> Answered {
    let words = words(arguments);
    let grammar = Grammar { zero, options: OPTIONS };
    let (mut debug, mut single, mut rewrite) = (false, false, Vec::new());
    let taken = getopt::read(&grammar, &words, |found| {
        match found {
            Err(error) => return Some(err(error, 1)),
            Ok(option) => match option.letter {
                'h' => return Some(err(dumb_init_help(zero), 0)),
                'V' => return Some(err("dumb-init v1.2.5\n", 0)),
                'v' => debug = true,
                'c' => single = true,
                _ => match dumb_init_rewrite(&option.value) {
                    Some(pair) => rewrite.push(pair),
                    None => {
                        return Some(err(
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
        return err(format!("Usage: {zero} [option] program [args]\nTry {zero} --help for full usage.\n"), 1);
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
    let mut settings = settings(argv, Personality::DumbInit { debug, setsid: !single });
    settings.notes = notes;
    settings.policy.suspend_on = vec![Signal::TSTP, Signal::TTIN, Signal::TTOU];
    // Its own stop signals cannot reach a session without a terminal: it is stopped outright. What -r says comes later, and wins.
    let stopped = settings.policy.suspend_on.iter().filter(|_| !single).map(|signal| (*signal, Some(Signal::STOP)));
    settings.policy.rewrite = stopped.chain(rewrite).collect();
    settings.policy.leftovers = Leftovers::TermGroup;
    settings.place = if single { Place::Shared } else { Place::Session };
    settings.to_group = !single;
    settings.signals = Inheritance::EmptyMask;
    Ok(Personified::Run(Box::new(settings)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;

    #[test]
    fn the_last_rewrite_wins_and_any_is_stronger_than_the_default() {
        let becomes = |line: &str, signal| match parse("dumb-init", &testing::words(line), &|_| None) {
            Ok(Personified::Run(settings)) => settings.policy.rewritten(signal),
            _ => panic!("{line}"),
        };
        let (stop, term) = (Some(Signal::STOP), Some(Signal::TERM));
        assert_eq!(becomes("srv", Signal::TSTP), stop);
        assert_eq!(becomes("-r 20:15 srv", Signal::TSTP), term);
        assert_eq!(becomes("-r 20:0 -r 20:15 srv", Signal::TSTP), term);
        assert_eq!(becomes("-r 20:15 -r 20:0 srv", Signal::TSTP), None);
        // Near misses: another signal, and without a session.
        assert_eq!(becomes("-r 20:15 srv", Signal::TTIN), stop);
        assert_eq!(becomes("-c srv", Signal::TSTP), Some(Signal::TSTP));
        assert_eq!(becomes("-r 20:15 -c srv", Signal::TSTP), term);
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
}
