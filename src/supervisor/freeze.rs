//! Freezes: docker pause, a suspended host, a throttled control group. goward stops with the server and the clock goes on, so
//! time that somebody had may not have been theirs. How late is a freeze, says `late`; the steps of a stop do not ask it: there
//! any lateness counts (`climb.rs`). Pure.

use super::Time;
use std::time::Duration;

/// goward wakes when something is due. If it is so much later, it could not run itself, and the time that has passed was
/// nobody's. Of a short period a quarter is enough to tell, unless that is no more than a busy machine takes.
pub(super) fn late(period: Duration) -> Duration {
    (period / 4).clamp(Duration::from_millis(50), Duration::from_millis(500))
}

/// A period that somebody has to do something. goward looks at it four times: if one of the looks comes late, both were frozen, and
/// the time does not count. A freeze that none of them shows is shorter than half of the period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) since: Time,
    /// How often goward has looked since then, at most three times.
    looks: u8,
    /// What has passed before looks that came late.
    pub(super) lost: Duration,
}

/// What has become of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// It is not over.
    Not,
    /// It is over, and part of it was a freeze.
    Frozen,
    /// It is over.
    Whole,
}

impl Period {
    pub(super) fn new(since: Time) -> Period {
        Period { since, looks: 0, lost: Duration::ZERO }
    }

    /// When to look next at a period of this length.
    pub(super) fn next_look(self, length: Duration) -> Time {
        self.since + length * (u32::from(self.looks) + 1) / 4
    }

    /// For how long goward could not run. When a freeze began is known as far as the look before it.
    pub(super) fn lost_by(self, now: Time, length: Duration) -> Duration {
        match now.checked_sub(self.next_look(length)) {
            Some(behind) if behind >= late(length) => self.lost + behind + length / 4,
            Some(_) | None => self.lost,
        }
    }

    /// Looks at it.
    pub(super) fn look(&mut self, now: Time, length: Duration) -> Passed {
        let look = self.next_look(length);
        if now < look {
            return Passed::Not;
        }
        self.lost = self.lost_by(now, length);
        if now < self.since + length {
            let quarters = (now - self.since).as_nanos() / (length / 4).as_nanos().max(1);
            self.looks = quarters.min(3) as u8;
            Passed::Not
        } else if !self.lost.is_zero() {
            Passed::Frozen
        } else {
            Passed::Whole
        }
    }
}
