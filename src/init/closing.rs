//! Sockets of others that cannot simply be closed: [`rights`] says why. A process of its own closes them, or reads away what may
//! hold PID 1 up.

use super::Init;
use crate::supervisor::Time;
use crate::sys::rights::{self, Disposal};
use std::time::Duration;

/// So many such processes at once. One may hang for good, in a file system in user space.
const MOST: usize = 4;

/// The processes.
#[derive(Debug, Default)]
pub(super) struct Closing(Vec<Disposal>);

impl Closing {
    pub(super) fn is_busy(&self) -> bool {
        !self.0.is_empty()
    }

    /// Their pids.
    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        self.0.iter().map(Disposal::pid)
    }

    /// One of them has been reaped. False: it is none of them.
    pub(super) fn ended(&mut self, pid: i32) -> bool {
        let Some(at) = self.0.iter().position(|disposal| disposal.pid() == pid) else { return false };
        self.0.swap_remove(at).ended();
        true
    }
}

impl Init {
    fn disposals(&mut self) -> impl Iterator<Item = &mut Disposal> {
        self.closing.0.iter_mut().chain(self.health.reader_mut())
    }

    /// When to call [`Init::hurry_disposals`], from now.
    pub(super) fn disposals_patience(&mut self, now: Time) -> Option<Duration> {
        self.disposals().map(|disposal| disposal.patience(now)).min()
    }

    /// Kills those that take too long.
    pub(super) fn hurry_disposals(&mut self, now: Time) {
        self.disposals().for_each(|disposal| disposal.hurry(now));
    }

    /// Begins to close what has been dropped. At goward's own end the kernel does that, and waits for nothing.
    pub(super) fn close(&mut self) {
        let at_the_end = self.supervisor.is_clearing() && self.supervisor.is_final();
        if at_the_end || self.closing.0.len() >= MOST || rights::unclosed() == 0 {
            return;
        }
        match Disposal::start() {
            Ok(disposal) => self.closing.0.extend(disposal),
            Err(errno) => self.trouble("fork", errno),
        }
    }
}
