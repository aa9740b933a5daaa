//! `goward rehearse [OPTIONS] [OPTIONS OF RUN] [--] PROGRAM [ARGS…]`: the rehearsal of a shutdown, which is in `src/rehearse/`.

pub mod options;
mod settings;

pub use crate::rehearse::run;
pub use settings::parse;

use crate::cli::help::Command;
use crate::commands::run::options::OPTIONS as RUN_OPTIONS;

/// The options of run that `settings.rs` refuses, and those that are valid only with them.
const REFUSED: &[&str] = &[
    "dump",
    "dump-file",
    "health",
    "health-interval",
    "health-timeout",
    "health-start-period",
    "health-start-interval",
    "health-retries",
    "health-method",
    "health-header",
    "health-status",
    "health-body",
    "health-tls-ca",
    "health-tls-cert",
    "health-tls-key",
    "health-tls-server-name",
    "on-unhealthy",
    "notify",
    "start-timeout",
    "watchdog",
    "restart",
    "on-change",
    "before",
    "before-timeout",
    "after",
];

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "rehearse",
    summary: "rehearse a shutdown under load: goward rehearse --help",
    about: &[
        "goward rehearse: starts a server as goward would, keeps requests in flight, sends the stop signal, and reports \
              what became of the requests and what took the time. For the laptop and for CI.",
    ],
    usage: &[("rehearse [OPTIONS] [OPTIONS OF RUN] [--] PROGRAM [ARGS…]", "")],
    tables: &[&options::OPTIONS],
    described_elsewhere: &[&RUN_OPTIONS],
    refused: REFUSED,
    notes: &[
        "The options and variables of goward run apply too, see goward --help: --stop-timeout, --user, --stop-signal, … \
         Not those about dumps, health, notifications, restarts and hooks: a rehearsal reads the goroutines itself, and tests \
         one stop.",
        "Exit code: 0 if the server stopped in time, with the right code, lost no request and left no process behind; 1 if \
         not; 125 wrong usage, or the server was never ready; 126 cannot be executed; 127 not found.",
    ],
    starts_program: true,
    ..Command::EMPTY
};
