//! `goward [run] [OPTIONS] [--] PROGRAM [ARGS…]`: be the init. What an init does is in `src/init/`.

pub mod options;
mod settings;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use settings::{settings, termination_log};

use crate::cli::environment::Environment;
use crate::cli::help::Command;
use crate::cli::table::Table;
use crate::cli::{Answer, parser};
use crate::config::Settings;
use crate::init;
use crate::sys::mask::Mask;
use std::ffi::CString;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "run",
    operands: "PROGRAM [ARGS…]",
    summary: "run as the init; the word run may be left out",
    about: &[
        "goward: PID 1 for Go servers in containers. Starts the server (with --user as a non-root user), forwards signals, reaps \
              orphans, and shows the goroutines of a server that misses its deadline before killing it.",
    ],
    usage: &[("[OPTIONS] [--] PROGRAM [ARGS…]", "")],
    tables: &[&options::OPTIONS],
    notes: &[
        "Every option but --no-environment has an environment variable, named after it. A flag replaces its variable, even \
         where it may be repeated. Options that take a list accept commas or may be repeated. TIME is seconds (10) or \
         500ms, 1.5s, 1m30s.",
        "Exit code: the server's own; 128+n if signal n ended it; 137 if goward killed it, or stopped it as unhealthy; 125 goward's own failure; 126 \
         cannot be executed; 127 not found.",
        "Started under the name tini, tini-static, docker-init, dumb-init, catatonit, podman-init or grpc_health_probe, goward behaves as that program.",
    ],
    starts_program: true,
    ..Command::EMPTY
};

/// Reads the command line and the environment.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString], environment: &Environment<'_>) -> Result<Settings, Answer> {
    let given = parser::read(&COMMAND, arguments)?;
    settings(&COMMAND, given, environment, Vec::new())
}

/// The command, to its exit code.
pub fn run(settings: Settings, inherited: Mask) -> u8 {
    init::run(settings, inherited, None)
}

/// Whether an option has a value. A letter, or a long name.
pub fn takes_value(option: &str) -> bool {
    let mut letters = option.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    options::OPTIONS.find(option, letter).is_some_and(|known| known.placeholder.is_some())
}
