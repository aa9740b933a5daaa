//! `goward status [OPTIONS]`: asks the init of this container.

mod entry;
mod metrics;
pub mod options;
mod settings;

pub use entry::run;
pub use settings::{Form, Settings, Wanted, parse};

use crate::cli::help::Command;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "status",
    summary: "ask the running goward: ready, healthy, restarts: goward status --help",
    about: &["goward status: asks the goward of this container for the state of its server. It makes no probe."],
    usage: &[("status [OPTIONS]", "")],
    tables: &[&options::OPTIONS],
    notes: &[
        "Exit code: 0 healthy (with --health: by its probes; with --notify: it has sent READY=1; otherwise: it runs), or \
              ready with --ready; 1 not, or no goward answers; 125 wrong usage. With --metrics, 0 whenever goward answers.",
    ],
    ..Command::EMPTY
};
