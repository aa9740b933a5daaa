//! Docker and the kubelet end a probe that takes longer than they wait with SIGKILL, after which `goward probe` can clean
//! nothing up. So a probe's command runs under a helper process, which gets SIGTERM when `goward probe` has ended, and then
//! ends and reaps what the command has started.

use super::entry::ends;
use crate::signal::Signal;
use crate::sys::inbox::Inbox;
use crate::sys::wait::{self, Change};
use crate::sys::{clock, mask, process};
use nix::errno::Errno;
use std::time::Duration;

/// Does `work` in a process that is sent SIGTERM when this one ends, however it ends; the code that comes of it. Where there can be
/// no more processes, here.
pub(super) fn run(work: &dyn Fn() -> u8) -> u8 {
    // Whoever started this may have ignored SIGCHLD; the status would then be nobody's.
    let _ = mask::dispose(Signal::CHLD, false);
    let own = nix::unistd::getpid();
    let worker = process::fork(|| {
        let _ = process::set_parent_death_signal(Signal::TERM);
        // It may have ended before that.
        if nix::unistd::getppid() != own { 0 } else { work() }
    });
    match worker {
        Ok(worker) => wait_for(worker),
        Err(_) => work(),
    }
}

/// Waits for the worker, and hands on the signals that would end this process.
fn wait_for(worker: i32) -> u8 {
    let mut inbox = Inbox::new(Signal::all().filter(|signal| signal.is_takeable()).chain([Signal::CHLD]));
    loop {
        while let Ok(Some((pid, change, _))) = wait::any_child() {
            if let (Change::Ended(status), true) = (change, pid == worker) {
                return status.code();
            }
        }
        match inbox.wait(None, true, None) {
            Ok(Some(received)) if received.signal != Signal::CHLD && ends(received.signal) => {
                let _ = process::send(worker, received.signal);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => clock::nap(Duration::from_millis(1)),
        }
    }
}
