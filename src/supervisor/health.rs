//! The verdict on a server's health, from single probes, as Docker makes it (daemon/health.go of moby): how often, how long,
//! how many failures in a row, and the grace of the start. Pure.

use super::Time;
use std::time::Duration;

/// Docker's five numbers, with Docker's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the end of a probe to the next one, and from the start to the first.
    pub interval: Duration,
    /// A probe that takes longer has failed.
    pub timeout: Duration,
    /// So long after the start failures do not count, until there was a success.
    pub start_period: Duration,
    /// The interval during that time.
    pub start_interval: Duration,
    /// So many failures in a row are unhealthy.
    pub retries: u32,
}

impl Default for Schedule {
    fn default() -> Schedule {
        let secs = Duration::from_secs;
        Schedule { interval: secs(30), timeout: secs(30), start_period: secs(0), start_interval: secs(5), retries: 3 }
    }
}

/// What is known of the server's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No probe has succeeded yet, and not too many have failed.
    Starting,
    /// The last probes say so.
    Healthy,
    /// Too many failures in a row.
    Unhealthy,
}

impl Verdict {
    /// Docker's word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Starting => "starting",
            Verdict::Healthy => "healthy",
            Verdict::Unhealthy => "unhealthy",
        }
    }
}

/// What is to be done about probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Begin one.
    Begin,
    /// The one under way has taken too long.
    Expire,
    /// goward itself was stopped while it was under way: it says nothing.
    Forget,
}

/// The health of one life of the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    schedule: Schedule,
    started: Time,
    pub(super) verdict: Verdict,
    /// Failures in a row.
    pub(super) streak: u32,
    probing: Option<Time>,
    next: Time,
}

impl Health {
    pub(super) fn new(schedule: Schedule, now: Time) -> Health {
        let health =
            Health { schedule, started: now, verdict: Verdict::Starting, streak: 0, probing: None, next: Time::ZERO };
        Health { next: now + health.interval(now), ..health }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Time {
        self.probing.map_or(self.next, |since| since + self.schedule.timeout)
    }

    /// What is due at `now`.
    pub(super) fn step(&mut self, now: Time) -> Option<Step> {
        if now < self.due() {
            return None;
        }
        match self.probing {
            None => {
                self.probing = Some(now);
                Some(Step::Begin)
            }
            Some(_) if now >= self.due() + super::LATE => {
                self.probing = None;
                self.next = now;
                Some(Step::Forget)
            }
            Some(_) => Some(Step::Expire),
        }
    }

    /// A probe is over. True: with it the server has become unhealthy.
    pub(super) fn probed(&mut self, now: Time, well: bool) -> bool {
        let Some(since) = self.probing.take() else { return false };
        let before = self.verdict;
        if well {
            self.streak = 0;
            self.verdict = Verdict::Healthy;
        } else if before != Verdict::Starting || since.saturating_sub(self.started) >= self.schedule.start_period {
            self.streak = self.streak.saturating_add(1);
            if self.streak >= self.schedule.retries {
                self.verdict = Verdict::Unhealthy;
            }
        }
        self.next = now + self.interval(now);
        self.verdict == Verdict::Unhealthy && before != Verdict::Unhealthy
    }

    /// Nobody wants to know any more. True: there was a probe under way.
    pub(super) fn abandon(&mut self) -> bool {
        self.probing.take().is_some()
    }

    fn interval(&self, now: Time) -> Duration {
        let starts = self.verdict == Verdict::Starting && now.saturating_sub(self.started) < self.schedule.start_period;
        if starts { self.schedule.start_interval } else { self.schedule.interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Time {
        Duration::from_secs(n)
    }

    /// Probes that take no time; the moments at which they began, and the verdict after each.
    fn play(schedule: Schedule, results: &[bool]) -> Vec<(u64, Verdict)> {
        let mut health = Health::new(schedule, s(100));
        let mut seen = Vec::new();
        for well in results {
            let now = health.due();
            assert_eq!(health.step(now), Some(Step::Begin));
            let _ = health.probed(now, *well);
            seen.push((now.as_secs() - 100, health.verdict));
        }
        seen
    }

    use Verdict::{Healthy, Starting, Unhealthy};

    #[test]
    fn dockers_defaults() {
        let seen = play(Schedule::default(), &[false, false, false, true, false, false, true]);
        let wanted = [
            (30, Starting),
            (60, Starting),
            (90, Unhealthy),
            (120, Healthy),
            (150, Healthy),
            (180, Healthy),
            (210, Healthy),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn in_the_start_period_failures_do_not_count_and_probes_come_more_often() {
        let schedule = Schedule { start_period: s(12), retries: 1, ..Schedule::default() };
        assert_eq!(
            play(schedule, &[false, false, false, false]),
            [(5, Starting), (10, Starting), (15, Unhealthy), (45, Unhealthy)]
        );
        // After the first success they do.
        assert_eq!(play(schedule, &[true, false]), [(5, Healthy), (35, Unhealthy)]);
    }

    #[test]
    fn a_probe_that_takes_too_long_expires_and_none_begins_beside_it() {
        let mut health = Health::new(Schedule { timeout: s(7), ..Schedule::default() }, s(0));
        assert_eq!(health.step(s(30)), Some(Step::Begin));
        assert_eq!((health.step(s(36)), health.due()), (None, s(37)));
        assert_eq!(health.step(s(37)), Some(Step::Expire));
        // Much later: goward was frozen, and so was the time of the probe.
        let mut frozen = health;
        assert_eq!((frozen.step(s(50)), frozen.due()), (Some(Step::Forget), s(50)));
        assert!(!health.probed(s(37), false));
        assert_eq!(health.due(), s(67));
        // What comes later is nobody's.
        assert!(!health.probed(s(38), true));
        assert_eq!(health.verdict, Starting);
    }
}
