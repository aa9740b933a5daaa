//! What a command line asks for, and doing it. Each command has a folder: `options.rs` is its table of options, `settings.rs`
//! goes from the command line to its typed settings, `mod.rs` has its help, and `entry.rs` is what it does, where that is not a
//! part of goward of its own.

#[cfg(feature = "check")]
pub mod check;
#[cfg(feature = "goroutines")]
pub mod dump;
#[cfg(feature = "goroutines")]
pub mod goroutines;
pub mod order;
pub mod probe;
#[cfg(feature = "rehearse")]
pub mod rehearse;
pub mod reload;
pub mod restart;
pub mod run;
pub mod signal;
pub mod status;
pub mod stop;

use crate::cli::display::help_width;
use crate::cli::environment::Environment;
use crate::cli::help::{self, Command};
use crate::cli::{Answer, Env, parser};
#[cfg(feature = "rehearse")]
use crate::config::Rehearsal;
use crate::config::{Personality, Probing, Settings};
use crate::personality::{self, Personified, Printed};
use crate::spawn::explain;
use crate::sys::mask::Mask;
use crate::{exit, init, log};
use std::ffi::{CStr, CString};
use std::io::Write;
use std::path::PathBuf;

/// What was asked for.
#[derive(Debug)]
pub enum Invocation {
    /// Supervise a server, as PID 1 or below it.
    Run(Box<Settings>),
    /// Start, load, stop and report.
    #[cfg(feature = "rehearse")]
    Rehearse(Box<Rehearsal>),
    /// Ask a server once.
    Probe(Box<Probing>),
    /// Ask a running init.
    Status(status::Settings),
    /// Tell a running init to do something.
    Order(order::Settings),
    /// Show the goroutines of a running program.
    #[cfg(feature = "goroutines")]
    Dump(Box<dump::Settings>),
    /// Show the dumps in a file.
    #[cfg(feature = "goroutines")]
    Goroutines(goroutines::Settings),
    /// Look for faults of an image or a Dockerfile.
    #[cfg(feature = "check")]
    Check(Box<check::Settings>),
    /// catatonit -P: no program, only reap until somebody stops it.
    Pause,
    /// Print this and leave with this code.
    Say {
        /// What is printed on standard output.
        stdout: String,
        /// What is printed on standard error.
        stderr: String,
        /// The exit code to leave with.
        code: u8,
        /// Kubernetes' termination log, where it is an init that was to be started.
        termination_log: Option<PathBuf>,
    },
}

/// The commands that `goward help` lists, besides run.
const OTHERS: &[&Command] = &[
    &probe::COMMAND,
    &status::COMMAND,
    &stop::COMMAND,
    &restart::COMMAND,
    &reload::COMMAND,
    &signal::COMMAND,
    #[cfg(feature = "goroutines")]
    &dump::COMMAND,
    #[cfg(feature = "check")]
    &check::COMMAND,
    #[cfg(feature = "rehearse")]
    &rehearse::COMMAND,
    #[cfg(feature = "goroutines")]
    &goroutines::COMMAND,
    &HELP,
    &VERSION,
];

/// Every command, with the words that only print something.
pub fn all() -> impl Iterator<Item = &'static Command> {
    std::iter::once(&run::COMMAND).chain(OTHERS.iter().copied())
}

/// A command that only prints something.
const fn word(name: &'static str, operands: &'static str, summary: &'static str) -> Command {
    Command { name, operands, summary, ..Command::EMPTY }
}

const HELP: Command = word("help", "[COMMAND]", "this help, or that of a command");
const VERSION: Command = word("version", "", "the version");

/// Reads the command line. argv[0] decides whose it is. `ours` are the names of all variables with our prefix: one that is no
/// option is a typing error that must not pass in silence.
pub fn parse(argv: &[CString], env: Env<'_>, ours: &[String]) -> Invocation {
    let answer = match personality::parse(argv, env) {
        Some(Ok(Personified::Run(settings))) => return Invocation::Run(settings),
        Some(Ok(Personified::Probe(probing))) => return Invocation::Probe(probing),
        Some(Ok(Personified::Pause)) => return Invocation::Pause,
        Some(Err(said)) => {
            let Printed { stdout, stderr, code } = said;
            return Invocation::Say { stdout, stderr, code, termination_log: None };
        }
        None => match own(argv.get(1..).unwrap_or_default(), &Environment { env, ours }) {
            Ok(invocation) => return invocation,
            Err(answer) => answer,
        },
    };
    let termination_log = match answer {
        Answer::Refused(_) => termination_log(argv.get(1..).unwrap_or_default(), &Environment { env, ours }),
        Answer::Help(_) | Answer::Version | Answer::License => None,
    };
    let (stdout, stderr, code) = match answer {
        Answer::Help(command) => {
            let others = if command.name == run::COMMAND.name { OTHERS } else { &[] };
            (help::page(command, others, help_width(env)), String::new(), 0)
        }
        Answer::Version => (help::version(), String::new(), 0),
        Answer::License => (help::license(), String::new(), 0),
        Answer::Refused(error) => (String::new(), error, exit::GOWARD_FAILED),
    };
    Invocation::Say { stdout, stderr, code, termination_log }
}

/// Where it is to be told that an init cannot be started. Another command ends no container.
fn termination_log(arguments: &[CString], environment: &Environment<'_>) -> Option<PathBuf> {
    let first = arguments.first().map(|first| first.as_bytes()).unwrap_or_default();
    match all().find(|command| command.name.as_bytes() == first) {
        Some(command) if command.name == run::COMMAND.name => {
            run::termination_log(arguments.get(1..).unwrap_or_default(), environment)
        }
        Some(_) => None,
        None => run::termination_log(arguments, environment),
    }
}

/// A command line of goward's own. A first word that is no command is the program.
fn own(arguments: &[CString], environment: &Environment<'_>) -> Result<Invocation, Answer> {
    let first = arguments.first().map(|first| first.as_bytes()).unwrap_or_default();
    let rest = arguments.get(1..).unwrap_or_default();
    match first {
        b"run" => run::parse(rest, environment).map(|settings| Invocation::Run(Box::new(settings))),
        #[cfg(feature = "check")]
        b"check" => check::parse(rest, environment.env).map(|settings| Invocation::Check(Box::new(settings))),
        #[cfg(feature = "rehearse")]
        b"rehearse" => rehearse::parse(rest, environment).map(|settings| Invocation::Rehearse(Box::new(settings))),
        #[cfg(feature = "goroutines")]
        b"goroutines" => goroutines::parse(rest, environment.env).map(Invocation::Goroutines),
        b"probe" => probe::parse(rest, environment.env).map(|settings| Invocation::Probe(Box::new(settings))),
        #[cfg(feature = "goroutines")]
        b"dump" => dump::parse(rest, environment.env).map(|settings| Invocation::Dump(Box::new(settings))),
        b"status" => status::parse(rest).map(Invocation::Status),
        b"stop" => stop::parse(rest).map(Invocation::Order),
        b"restart" => restart::parse(rest).map(Invocation::Order),
        b"reload" => reload::parse(rest).map(Invocation::Order),
        b"signal" => signal::parse(rest).map(Invocation::Order),
        b"help" => Err(help_of(rest)),
        b"version" => Err(version(rest)),
        word if is_left_out(word) => Err(left_out(word)),
        _ => run::parse(arguments, environment).map(|settings| Invocation::Run(Box::new(settings))),
    }
}

/// Answers `goward help [COMMAND]`.
fn help_of(operands: &[CString]) -> Answer {
    let found = match operands {
        [] => Some(&run::COMMAND),
        [name] => all().find(|command| command.name.as_bytes() == name.as_bytes()),
        _ => return listed("help takes one command at a time"),
    };
    match (found, operands) {
        // The words that only print something are explained where they are listed.
        (Some(command), _) if command.usage.is_empty() => Answer::Help(&run::COMMAND),
        (Some(command), _) => Answer::Help(command),
        (None, words) => {
            let word = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
            match word.as_ref() {
                "-h" | "--help" => Answer::Help(&run::COMMAND),
                word if is_left_out(word.as_bytes()) => left_out(word.as_bytes()),
                _ => listed(&format!("there is no command '{word}'")),
            }
        }
    }
}

/// What is wrong with the use of a word that has no help page of its own.
fn listed(error: &str) -> Answer {
    Answer::Refused(format!("goward: {error} (goward help lists the commands)\n"))
}

/// Answers `goward version`.
fn version(operands: &[CString]) -> Answer {
    match operands {
        [] => Answer::Version,
        [word] if matches!(word.as_bytes(), b"-h" | b"--help") => Answer::Help(&run::COMMAND),
        [..] => listed("version takes no arguments"),
    }
}

/// Whether this binary was built without the command.
fn is_left_out(word: &[u8]) -> bool {
    match word {
        b"check" => cfg!(not(feature = "check")),
        b"rehearse" => cfg!(not(feature = "rehearse")),
        b"dump" | b"goroutines" => cfg!(not(feature = "goroutines")),
        _ => false,
    }
}

fn left_out(word: &[u8]) -> Answer {
    let word = String::from_utf8_lossy(word);
    Answer::Refused(format!(
        "goward: '{word}' is not in this binary: it was built with --no-default-features; to run a program of that name: goward -- {word}\n"
    ))
}

/// The command that was meant, where there is no program of that name.
fn meant(program: &CStr) -> Option<&'static str> {
    let word = program.to_str().ok().filter(|word| word.len() > 2 && explain::find(word).is_none())?;
    all().map(|command| command.name).find(|name| parser::is_near(&word.to_ascii_lowercase(), name))
}

/// Does it, to the exit code. `inherited` is the signal mask goward was started with; all signals are blocked by now.
pub fn perform(invocation: Invocation, inherited: Mask) -> u8 {
    match invocation {
        Invocation::Run(settings) => {
            let is_own = matches!(settings.personality, Personality::Goward { .. });
            let program = settings.argv.first().filter(|_| is_own).cloned();
            let code = run::run(*settings, inherited);
            if let Some(name) = program.filter(|_| code == exit::NOT_FOUND).and_then(|program| meant(&program)) {
                log::say_raw(&format!("goward: did you mean the command {name}? (goward help lists the commands)\n"));
            }
            code
        }
        #[cfg(feature = "rehearse")]
        Invocation::Rehearse(rehearsal) => rehearse::run(*rehearsal, inherited),
        Invocation::Probe(settings) => probe::run(&settings, inherited),
        Invocation::Status(settings) => status::run(&settings, inherited),
        Invocation::Order(settings) => order::run(&settings, inherited),
        #[cfg(feature = "goroutines")]
        Invocation::Dump(settings) => dump::run(&settings, inherited),
        #[cfg(feature = "check")]
        Invocation::Check(settings) => check::run(&settings, inherited),
        #[cfg(feature = "goroutines")]
        Invocation::Goroutines(settings) => goroutines::run(&settings, inherited),
        Invocation::Pause => init::pause(),
        Invocation::Say { stdout, stderr, code, termination_log } => {
            // Nobody may be listening, and a full stderr must not hold up the end; the code says it too.
            let _ = std::io::stdout().write_all(stdout.as_bytes());
            log::say_raw(&stderr);
            // Whoever came in by docker exec and mistyped something ends no container.
            if std::process::id() == 1 {
                init::termination_log::tell(termination_log.as_deref(), &stderr);
            }
            code
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::described;

    fn words(line: &str) -> Vec<CString> {
        std::iter::once("goward").chain(line.split_whitespace()).map(|word| CString::new(word).unwrap()).collect()
    }

    fn said(line: &str, columns: &str) -> (String, String, u8) {
        let env = |name: &str| (name == "COLUMNS").then(|| columns.to_owned());
        match parse(&words(line), &env, &[]) {
            Invocation::Say { stdout, stderr, code, .. } => (stdout, stderr, code),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_first_word_chooses_the_command() {
        let argv = |line: &str| match parse(&words(line), &|_| None, &[]) {
            Invocation::Run(settings) => {
                settings.argv.iter().map(|a| a.to_str().unwrap().to_owned()).collect::<Vec<_>>()
            }
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(argv("run srv"), ["srv"]);
        assert_eq!(argv("run run"), ["run"]);
        assert_eq!(argv("-v run"), ["run"]);
        assert_eq!(argv("srv help"), ["srv", "help"]);
        for command in all().map(|command| command.name) {
            assert_eq!(argv(&format!("-- {command}")), [command]);
            assert_eq!(argv(&format!("run {command}")), [command]);
        }
    }

    #[test]
    fn help_pages_name_every_option_and_fit_the_terminal() {
        for columns in ["1", "80", "93", "120", "400"] {
            let width = columns.parse::<usize>().unwrap().clamp(80, 120);
            for command in all().filter(|command| !command.usage.is_empty()) {
                let (page, stderr, code) = said(&format!("{} --help", command.name), columns);
                assert_eq!((stderr.as_str(), code), ("", 0));
                assert_eq!(said(&format!("help {}", command.name), columns).0, page);
                let long = page.lines().find(|line| line.chars().count() > width);
                assert_eq!(long, None, "{} with {columns} columns", command.name);
                assert_eq!(page.lines().find(|line| line.ends_with(' ')), None);
                for option in command.tables.iter().flat_map(|table| described(*table)) {
                    assert!(page.contains(&format!("--{}", option.name)), "{}", option.name);
                    assert_eq!(page.matches(&format!("\n{}:\n", option.group)).count(), 1, "{}", option.group);
                    let variable = option.variable();
                    assert!(variable.is_none_or(|name| page.contains(&format!("[env: {name}]"))), "{}", option.name);
                }
            }
        }
        assert_eq!(said("--help", "80").0, said("help", "80").0);
        assert_eq!(said("--help", "80").0, said("help help", "80").0);
    }

    #[test]
    fn the_version_names_a_commit_only_if_there_is_one() {
        let (version, _, code) = said("version", "80");
        assert_eq!((version.as_str(), code), (said("--version", "80").0.as_str(), 0));
        let number = format!("goward {}", env!("CARGO_PKG_VERSION"));
        let rest = version.strip_prefix(&number).unwrap().trim_end();
        let commit = option_env!("GOWARD_COMMIT").unwrap_or_default();
        assert_eq!(rest, if commit.is_empty() { String::new() } else { format!(" - git.{commit}") });
    }

    #[test]
    fn what_is_no_command_has_no_help() {
        for (line, wanted) in [
            ("help srv", "there is no command 'srv'"),
            ("help run probe", "one command at a time"),
            ("version please", "takes no arguments"),
        ] {
            let (stdout, stderr, code) = said(line, "80");
            assert_eq!((stdout.as_str(), code), ("", exit::GOWARD_FAILED), "{line}");
            assert!(stderr.contains(wanted), "{stderr}");
        }
    }

    /// The programs that goward stands in for know no variable of goward's.
    #[test]
    fn no_personality_reads_a_variable_of_gowards() {
        let ours: Vec<String> = described(&run::options::OPTIONS).filter_map(|option| option.variable()).collect();
        for name in ["tini", "/sbin/tini-static", "/sbin/docker-init", "dumb-init", "/usr/libexec/catatonit"] {
            for arguments in [&["srv", "-x"][..], &["-g", "--", "srv"], &[], &["-P"]] {
                let words: Vec<CString> =
                    [&[name][..], arguments].concat().into_iter().map(|word| CString::new(word).unwrap()).collect();
                let with = |value: &'static str, ours: &[String]| {
                    let env = move |name: &str| name.starts_with("GOWARD_").then(|| value.to_owned());
                    format!("{:?}", parse(&words, &env, ours))
                };
                let without = format!("{:?}", parse(&words, &|_| None, &[]));
                for value in ["1:1", "true", "/evil", ""] {
                    assert_eq!(with(value, &ours), without, "{words:?} and {value:?}");
                }
            }
        }
    }
}
