//! `goward restart [OPTIONS]`: tells the init of this container to start its server again.

use super::order::{self, Settings};
use crate::cli::Answer;
use crate::cli::help::Command;
use crate::supervisor::Order;
use std::ffi::CString;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "restart",
    summary: "stop the server and start it again: goward restart --help",
    about: &[
        "goward restart: stops the server of this container and starts it again, whatever --restart says. The container keeps running; --drain and --stop-timeout apply as in a stop.",
    ],
    usage: &[("restart [OPTIONS]", "")],
    tables: &[&order::options::RESTART],
    ..order::WAITING_COMMAND
};

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString]) -> Result<Settings, Answer> {
    order::parse(&COMMAND, &order::options::RESTART, Order::Restart, arguments)
}
