//! Becoming the server's user, for good. goward does it itself, before the server starts: afterwards nothing in the
//! container is root, and goward can signal what it started.

pub mod accounts;
mod become_user;
mod id_map;
mod lookup;
mod own;
mod terminal;
mod transition;

pub use accounts::{Groups, Identity, Refusal};
pub use id_map::{ids_are_the_hosts, may_be_unmapped};
pub use lookup::lookup;
pub use terminal::Guard;
pub use transition::{Limit, Privileges};
