//! What `goward stop`, `restart`, `reload` and `signal` have in common: they tell the init of this container to do something.

mod entry;
pub mod options;
mod settings;

pub use entry::run;
pub use settings::{Settings, parse, parse_signal};

use crate::cli::help::Command;

/// What `stop`, `restart` and `reload` say of themselves alike; each adds its name, summary, about, usage and options.
pub const WAITING_COMMAND: Command = Command {
    notes: &[
        "Exit code: 0 goward accepted it, and with --wait it is done; 1 it did not, or was not done in time; 125 wrong usage. goward answers its own user and root; see docs/control.md.",
    ],
    ..Command::EMPTY
};

/// What the help of those that are done at once ends with.
pub const AT_ONCE_NOTES: &[&str] = &[
    "Exit code: 0 goward accepted it; 1 it did not; 125 wrong usage. goward answers its own user and root; see docs/control.md.",
];
