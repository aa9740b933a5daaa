//! `goward goroutines [OPTIONS] [FILE…]`: shows the goroutine dumps in a log.

mod entry;
pub mod options;
mod settings;

pub use entry::run;
pub use settings::{Settings, parse};

use crate::cli::help::Command;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "goroutines",
    operands: "[FILE…]",
    summary: "show the goroutine dumps in a log: goward goroutines --help",
    about: &[
        "goward goroutines: finds what the Go runtime printed (SIGQUIT, panics, fatal errors) in a log with other lines, \
              and shows the goroutines in groups, first those that hold up a shutdown.",
    ],
    usage: &[
        ("goroutines [OPTIONS] [FILE…]", ""),
        ("goroutines [OPTIONS] OLD NEW", "the groups that came, went and grew"),
    ],
    before_options: &[
        "Without FILE, or with -, it reads standard input: docker logs server 2>&1 | goward goroutines. What collectors, \
                       CI systems, editors and exports put around each line is removed; JSON, gzip and UTF-16 are read. \
                       Each process in a log is read separately.",
    ],
    tables: &[&options::OPTIONS],
    notes: &["Exit code: 0 a dump was shown; 1 there is none; 125 wrong usage, or the file cannot be read."],
    ..Command::EMPTY
};
