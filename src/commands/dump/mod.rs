//! `goward dump [OPTIONS]`: the goroutines of a running Go program.

mod entry;
pub mod options;
mod settings;

pub use entry::run;
pub use settings::{Again, Form, Settings, Subject, parse};

use crate::cli::help::Command;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "dump",
    summary: "show the goroutines of the running server, without disturbing it: goward dump --help",
    about: &[
        "goward dump: shows what the goroutines of a running Go program wait for, in groups, with function, file and line. It \
              reads them from the program's memory: no signal is sent, nothing is stopped, and the program needs neither \
              an endpoint nor debug information.",
    ],
    usage: &[("dump [OPTIONS]", "")],
    before_options: &[
        "Without --pid and --core, it shows the server of this container: docker exec server /goward dump. goward answers its \
                       own user and root. docs/live.md explains how it works, and what is not possible.",
    ],
    tables: &[&options::OPTIONS],
    notes: &["Exit code: 0 goroutines were shown; 1 they cannot be read; 125 wrong usage."],
    ..Command::EMPTY
};
