//! `goward signal SIGNAL [OPTIONS]`: a signal for the server of this container.

use super::order::{self, Settings};
use crate::cli::Answer;
use crate::cli::help::Command;
use std::ffi::CString;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "signal",
    operands: "SIGNAL",
    summary: "act as if goward had received this signal: goward signal --help",
    about: &[
        "goward signal: makes goward act as if it had received this signal, as by docker kill --signal: it forwards the signal to \
              the server, or begins a stop if the signal is one of --stop-on.",
    ],
    usage: &[("signal SIGNAL [OPTIONS]", "")],
    before_options: &["SIGNAL is a name like HUP or SIGHUP, RTMIN+3, or a number."],
    tables: &[&order::options::AT_ONCE],
    notes: order::AT_ONCE_NOTES,
    ..Command::EMPTY
};

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString]) -> Result<Settings, Answer> {
    order::parse_signal(&COMMAND, arguments)
}
