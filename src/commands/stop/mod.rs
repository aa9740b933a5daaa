//! `goward stop [OPTIONS]`: tells the init of this container to stop.

use super::order::{self, Settings};
use crate::cli::Answer;
use crate::cli::help::Command;
use crate::supervisor::Order;
use std::ffi::CString;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "stop",
    summary: "stop the container, as SIGTERM does: goward stop --help",
    about: &[
        "goward stop: stops this container, as docker stop does: after --drain the server gets the stop signal, and has --stop-timeout to end.",
    ],
    usage: &[("stop [OPTIONS]", "")],
    tables: &[&order::options::STOP],
    ..order::WAITING_COMMAND
};

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString]) -> Result<Settings, Answer> {
    order::parse(&COMMAND, &order::options::STOP, Order::Stop, arguments)
}
