//! The terminal that goward was started on is often somebody else's: of a root shell. Whoever can push input into it
//! (TIOCSTI) types commands into that shell, so a program with fewer privileges must not be able to.

use super::Privileges;
use crate::sys::{capability, seccomp, terminal};
use nix::errno::Errno;

/// What keeps the server, and everything else that goward starts, from typing into a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nothing is needed: there is no terminal, or no privilege is dropped.
    Unneeded,
    /// A seccomp filter, which goward and all that it starts have from now on.
    Filter,
    /// There can be no filter, for this reason. Everything must be started in a session of its own: TIOCSTI is for the
    /// controlling terminal alone, and another session's cannot be taken.
    Session(String),
}

impl Privileges {
    /// Guards the terminal. Before the drop, as CAP_SYS_ADMIN may still be there, which allows a filter without no_new_privs.
    ///
    /// Root keeps all its ways into a terminal (CAP_SYS_ADMIN), and a user that goward already is may have them too, but with
    /// `--user` nobody should have to know who goward was before.
    pub fn guard_terminal(&self) -> Guard {
        if self.identity.as_ref().is_none_or(|identity| identity.uid == 0) || !terminal::within_reach() {
            return Guard::Unneeded;
        }
        if !self.allow_new_privs {
            // If this fails, so does the drop; the filter may be allowed even so.
            let _ = capability::set_no_new_privs();
        }
        match seccomp::refuse_typing() {
            Ok(()) => Guard::Filter,
            Err(Errno::EACCES) if self.allow_new_privs => Guard::Session(
                "with --allow-new-privs the seccomp filter against it needs CAP_SYS_ADMIN, which goward does not have"
                    .to_owned(),
            ),
            Err(errno) => Guard::Session(format!("no seccomp filter can be installed against it: {}", errno.desc())),
        }
    }
}
