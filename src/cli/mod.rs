//! From argv, the environment and argv[0] to what was asked for. No I/O but reading the environment and, for names of
//! users, the image's passwd and group.

pub mod check;
mod getopt;
pub mod goroutines;
mod health;
mod help;
pub mod options;
mod personality;
pub mod probe;
pub mod rehearse;
mod run;
pub mod status;
mod words;

use crate::config::{Asking, Checking, Probing, Reading, Rehearsal, Settings};
use std::ffi::{CStr, CString};

/// What was asked for.
#[derive(Debug)]
pub enum Invocation {
    /// Be the init.
    Run(Box<Settings>),
    /// Start, load, stop and report.
    Rehearse(Box<Rehearsal>),
    /// One probe.
    Probe(Box<Probing>),
    /// Ask a running init.
    Status(Asking),
    /// Show the dumps in a file.
    Goroutines(Reading),
    /// Look for faults of an image or a Dockerfile.
    Check(Box<Checking>),
    /// catatonit -P: no program, only reap until somebody stops it.
    Pause,
    /// Print this and leave with this code.
    Say {
        /// For standard output.
        stdout: String,
        /// For standard error.
        stderr: String,
        /// The exit code.
        code: u8,
    },
}

impl Invocation {
    fn out(text: impl Into<String>) -> Invocation {
        Invocation::Say { stdout: text.into(), stderr: String::new(), code: 0 }
    }

    fn err(text: impl Into<String>, code: u8) -> Invocation {
        Invocation::Say { stdout: String::new(), stderr: text.into(), code }
    }
}

/// The environment, as a function: tests bring their own.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What every variable of goward begins with.
pub const PREFIX: &str = "GOWARD_";

/// Reads the command line. argv[0] decides whose. `ours` are the names of all variables with our prefix: one that is no
/// option is a typing error that must not pass in silence.
pub fn parse(argv: &[CString], env: Env<'_>, ours: &[String]) -> Invocation {
    let name = argv.first().map(|zero| program_name(zero)).unwrap_or_default();
    let arguments = argv.get(1..).unwrap_or_default();
    match name.as_ref() {
        "tini" | "tini-static" | "docker-init" => personality::tini(&argv_zero(argv), arguments, env),
        "dumb-init" => personality::dumb_init(&argv_zero(argv), arguments, env),
        "catatonit" => personality::catatonit(&argv_zero(argv), arguments, env),
        _ => run::parse(arguments, env, ours),
    }
}

/// Whether an option of `goward run`, or of a program whose name it takes, has a value. A letter, or a long name.
pub fn takes_value(program: &str, option: &str) -> bool {
    let mut letters = option.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    let options = match program {
        "tini" | "tini-static" | "docker-init" => personality::TINI,
        "dumb-init" => personality::DUMB_INIT,
        "catatonit" => personality::CATATONIT,
        _ => {
            let is_it = |opt: &&options::Opt| opt.name == option || (letter.is_some() && opt.short == letter);
            return options::OPTIONS.iter().filter(is_it).any(|opt| opt.placeholder().is_some());
        }
    };
    letter.and_then(|letter| options.letter_takes(letter)) == Some(true) || options.long_takes(option)
}

fn argv_zero(argv: &[CString]) -> String {
    argv.first().map(|zero| zero.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The last part of a path.
fn program_name(path: &CStr) -> String {
    let path = path.to_string_lossy();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}
