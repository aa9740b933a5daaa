//! Processes that outlive the server: everybody for a true PID 1 that ends, otherwise goward's own descendants, found in /proc and
//! verified one by one, never a stranger (the host's PID namespace, a shared one in a pod).

use crate::signal::Signal;
use crate::sys::process::{self, Process};
use crate::sys::wait;
use nix::errno::Errno;

/// So many are named; the rest is counted.
const NAMED: usize = 10;

/// Who is left, for the log: `command (pid), command (pid), and 7 more`.
pub(super) fn names(own: i32, all: bool) -> String {
    let pids = if all {
        process::pids().into_iter().filter(|pid| *pid != 1).collect()
    } else {
        descendants(own).into_iter().map(|process| process.pid).collect::<Vec<_>>()
    };
    let mut names: Vec<String> = pids
        .iter()
        .filter_map(|pid| process::look_at(*pid))
        .filter(|process| !process.zombie)
        .map(|process| format!("{} ({})", process.command(), process.pid))
        .take(NAMED)
        .collect();
    if pids.len() > NAMED {
        names.push(format!("and {} more", pids.len() - NAMED));
    }
    names.join(", ")
}

fn descendants(own: i32) -> Vec<Process> {
    process::descendants(own, process::all())
}

/// A signal to all of them, or to goward's descendants alone. `group` is the server's, if it has one.
pub(super) fn send(own: i32, all: bool, group: Option<i32>, signal: Signal) -> nix::Result<()> {
    if all {
        return match process::send(-1, signal) {
            // Nobody, or nobody that this uid may signal.
            Err(Errno::ESRCH | Errno::EPERM) => Ok(()),
            result => result,
        };
    }
    let found = descendants(own);
    if found.is_empty() {
        // Without /proc. As long as a child of goward's is in the group, its number cannot have gone to strangers.
        return match group.filter(|group| wait::has_child_in(*group)) {
            Some(group) => process::send(-group, signal),
            None => Ok(()),
        };
    }
    let mut result = Ok(());
    for process in found {
        match process.send(signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => result = Err(errno),
        }
    }
    result
}
