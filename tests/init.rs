//! goward as an init, with real processes in real PID namespaces: everything that a user sees, and everything that can go
//! wrong around it. What happens when a system call fails is in faults.rs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types, reason = "these are tests")]

#[path = "init/plan.rs"]
mod plan;
mod support;

#[path = "init/codes.rs"]
mod codes;
#[path = "init/control.rs"]
mod control;
#[path = "init/drop.rs"]
mod drop;
#[path = "init/health.rs"]
mod health;
#[path = "init/lives.rs"]
mod lives;
#[path = "init/log.rs"]
mod log;
#[path = "init/memory.rs"]
mod memory;
#[path = "init/privileges.rs"]
mod privileges;
#[path = "init/reaping.rs"]
mod reaping;
#[path = "init/regressions.rs"]
mod regressions;
#[path = "init/signals.rs"]
mod signals;
#[path = "init/sockets.rs"]
mod sockets;
#[path = "init/starting.rs"]
mod starting;
#[path = "init/stopping.rs"]
mod stopping;
#[path = "init/surroundings.rs"]
mod surroundings;
#[path = "init/terminal.rs"]
mod terminal;
