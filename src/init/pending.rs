//! What the loop must not sleep over: actions to try again, descriptors that are ready, a stderr that takes nothing.

use super::perform::Retry;
use crate::supervisor::Time;
use std::time::Duration;

/// How soon to look again after a system call failed that must not fail.
pub(super) const SOON: Duration = Duration::from_millis(10);

/// Work that nothing will announce.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Actions that the kernel refused.
    pub(super) retries: Vec<Retry>,
    /// Look again soon: a system call failed that must not.
    pub(super) soon: bool,
    /// Something may have happened at a descriptor.
    pub(super) descriptors_ready: bool,
    /// Something has, and could not be seen to.
    pub(super) overlooked: bool,
    /// stderr had room, and took nothing. It is not asked again at once.
    pub(super) stderr_refuses: bool,
}

impl Pending {
    /// When the first retry is due, from now.
    pub(super) fn next_retry(&self, now: Time) -> Option<Duration> {
        self.retries.iter().map(|retry| retry.at.saturating_sub(now)).min()
    }

    /// The retries whose time has come; the others stay.
    pub(super) fn due(&mut self, now: Time) -> Vec<Retry> {
        let (due, later) = self.retries.drain(..).partition(|retry| retry.at <= now);
        self.retries = later;
        due
    }
}
