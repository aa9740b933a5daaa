//! Becoming the server's user, for good. goward does it itself, before the server starts: afterwards nothing in the
//! container is root, and goward can signal what it started.

pub mod accounts;
mod own;
mod transition;

pub use accounts::Identity;
pub use transition::{Limit, Privileges};
