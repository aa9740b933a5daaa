//! `goward rehearse [OPTIONS] [OPTIONS OF RUN] [--] PROGRAM [ARGS…]`: the rehearsal of a shutdown, which is in `src/rehearse/`.

pub mod options;
mod settings;

pub use crate::rehearse::run;
pub use settings::parse;

use crate::cli::help::Command;
use crate::commands::run::options::OPTIONS as RUN_OPTIONS;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "rehearse",
    operands: "",
    summary: "rehearse a shutdown under load: goward rehearse --help",
    about: &[
        "goward rehearse: starts a server as goward would, keeps requests in flight, sends the stop signal, and reports \
              what became of the requests and what took the time. For the laptop and for CI.",
    ],
    usage: &[("rehearse [OPTIONS] [OPTIONS OF RUN] [--] PROGRAM [ARGS…]", "")],
    operand_kinds: None,
    before_options: &[],
    tables: &[&options::OPTIONS],
    described_elsewhere: &[&RUN_OPTIONS],
    notes: &[
        "All options and variables of goward run apply too, see goward --help: --stop-timeout, --user, --stop-signal, …",
        "Exit code: 0 if the server stopped in time, with the right code, lost no request and left no process behind; 1 if \
         not; 125 wrong usage, or the server was never ready; 126 cannot be executed; 127 not found.",
    ],
    starts_program: true,
};
