//! `goward reload [OPTIONS]`: has the server of this container read its configuration again.

use super::order::{self, Settings};
use crate::cli::Answer;
use crate::cli::help::Command;
use crate::supervisor::Order;
use std::ffi::CString;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "reload",
    summary: "make the server reload: goward reload --help",
    about: &[
        "goward reload: sends SIGHUP, or the --reload-signal, to the server of this container. SIGHUP ends a Go server that does not catch it.",
    ],
    usage: &[("reload [OPTIONS]", "")],
    tables: &[&order::options::RELOAD],
    ..order::WAITING_COMMAND
};

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString]) -> Result<Settings, Answer> {
    order::parse(&COMMAND, &order::options::RELOAD, Order::Reload, arguments)
}
