//! The verdict of probes, from each of them, as Docker makes it (daemon/health.go of moby): how often, how long, how many
//! failures in a row, and the start period. What is not Docker's: until the first success it is probed more often. Pure.

use super::Time;
use super::freeze::{Passed, Period};
use std::time::Duration;

/// Docker's five numbers, with Docker's defaults, and the kubelet's successes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the end of a probe to the next one.
    pub interval: Duration,
    /// A probe that takes longer has failed.
    pub timeout: Duration,
    /// So long after the start failures do not count, until there was a success.
    pub start_period: Duration,
    /// From the start to the first probe, and from one probe to the next until one has succeeded; none: [`FIRST`], then twice as
    /// long each time, up to [`SOON`].
    pub start_interval: Option<Duration>,
    /// So many failures in a row are unhealthy.
    pub retries: u32,
    /// So many successes in a row are healthy.
    pub successes: u32,
}

impl Default for Schedule {
    fn default() -> Schedule {
        let secs = Duration::from_secs;
        Schedule {
            interval: secs(30),
            timeout: secs(30),
            start_period: secs(0),
            start_interval: None,
            retries: 3,
            successes: 1,
        }
    }
}

/// When a server is probed first that has just been started. Docker's own check, once a second, finds it healthy.
const FIRST: Duration = Duration::from_millis(100);
/// How often at least until it has answered once.
const SOON: Duration = Duration::from_secs(1);

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
    /// The state's name, in Docker's words.
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
    /// A probe is to begin.
    Begin,
    /// The one under way has taken too long.
    Expire,
    /// goward itself was stopped while it was under way: it says nothing.
    Forget,
}

/// What the probes of one life of the server have found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    schedule: Schedule,
    pub(super) verdict: Verdict,
    /// Failures in a row that count.
    pub(super) streak: u32,
    /// The last probe was a failure that counts.
    pub(super) counted: bool,
    /// Successes in a row.
    successes: u32,
    /// The first success, and the last moment before a failure was seen.
    pub(super) well: Option<(Time, Time)>,
    /// The end of the start period.
    started: Time,
    /// From then on a failure counts, as long as there was no success.
    counts_from: Time,
    probing: Option<Period>,
    next: Time,
    /// The pause before the probe after the next, until there was a success.
    pause: Duration,
}

impl Health {
    pub(super) fn new(schedule: Schedule, now: Time) -> Health {
        // Probes that only come sooner than Docker's would must not make it unhealthy sooner.
        let grace = if schedule.start_period.is_zero() { schedule.interval } else { schedule.start_period };
        let mut health = Health {
            schedule,
            verdict: Verdict::Starting,
            streak: 0,
            counted: false,
            successes: 0,
            well: None,
            started: now + schedule.start_period,
            counts_from: now + grace,
            probing: None,
            next: Time::ZERO,
            pause: FIRST,
        };
        health.next = now + health.interval(now);
        health
    }

    /// When something is due.
    pub(super) fn due(&self) -> Time {
        self.probing.map_or(self.next, |since| since.next_look(self.schedule.timeout))
    }

    /// What is due at `now`.
    pub(super) fn step(&mut self, now: Time) -> Option<Step> {
        let Some(probing) = &mut self.probing else {
            if now < self.next {
                return None;
            }
            self.pass_over(now - self.next);
            self.probing = Some(Period::new(now));
            return Some(Step::Begin);
        };
        match probing.look(now, self.schedule.timeout) {
            Passed::Not => None,
            Passed::Whole => Some(Step::Expire),
            Passed::Frozen => {
                let lost = probing.lost;
                self.probing = None;
                self.pass_over(lost);
                self.next = now;
                Some(Step::Forget)
            }
        }
    }

    /// For so long goward could not run, and the server that was to start could not either.
    fn pass_over(&mut self, lost: Duration) {
        self.started += lost;
        self.counts_from += lost;
    }

    /// A probe is over. True: with it the server has become unhealthy.
    pub(super) fn probed(&mut self, now: Time, well: bool) -> bool {
        let Some(probing) = self.probing.take() else { return false };
        let since = probing.since;
        self.pass_over(probing.lost_by(now, self.schedule.timeout));
        let before = self.verdict;
        self.counted = !well && (self.well.is_some() || since >= self.counts_from);
        if well {
            self.streak = 0;
            self.successes = self.successes.saturating_add(1);
            self.well = Some((self.well.map_or(now, |(first, _)| first), now));
            if self.successes >= self.schedule.successes {
                self.verdict = Verdict::Healthy;
            }
        } else {
            self.successes = 0;
            // Until now nothing else was seen.
            if self.streak == 0
                && let Some((_, last)) = &mut self.well
            {
                *last = now;
            }
            if self.counted {
                self.counts_from = since + self.schedule.interval;
                self.streak = self.streak.saturating_add(1);
                if self.streak >= self.schedule.retries {
                    self.verdict = Verdict::Unhealthy;
                }
            }
        }
        self.next = now + self.interval(now);
        self.verdict == Verdict::Unhealthy && before != Verdict::Unhealthy
    }

    /// Nobody wants to know any more. True: there was a probe under way.
    pub(super) fn abandon(&mut self) -> bool {
        self.probing.take().is_some()
    }

    /// The pause before the next probe.
    fn interval(&mut self, now: Time) -> Duration {
        let interval = self.schedule.interval;
        match self.schedule.start_interval {
            _ if self.well.is_some() => interval,
            Some(start) if now < self.started => start,
            Some(start) => start.min(interval),
            None => {
                let pause = self.pause;
                self.pause = (pause * 2).min(SOON);
                pause.min(interval)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Time {
        Duration::from_secs(n)
    }

    const fn ms(n: u64) -> Time {
        Duration::from_millis(n)
    }

    /// Probes that take no time; the moments at which they began, and the verdict after each.
    fn play(schedule: Schedule, results: &[bool]) -> Vec<(u64, Verdict)> {
        let mut health = Health::new(schedule, s(100));
        let mut seen = Vec::new();
        for well in results {
            let now = health.due();
            assert_eq!(health.step(now), Some(Step::Begin));
            let _ = health.probed(now, *well);
            seen.push(((now - s(100)).as_millis() as u64, health.verdict));
        }
        seen
    }

    use Verdict::{Healthy, Starting, Unhealthy};

    /// As long as `goward status` would have said so, until the first failure.
    #[test]
    fn it_was_well_until_something_else_was_seen() {
        let well = |results: &[bool]| {
            let schedule = Schedule { interval: s(11), ..Schedule::default() };
            let mut health = Health::new(schedule, s(100));
            for well in results {
                let now = health.due();
                assert_eq!(health.step(now), Some(Step::Begin));
                let _ = health.probed(now, *well);
            }
            health.well.map(|(first, last)| last - first)
        };
        assert_eq!(well(&[true, false]), Some(s(11)));
        assert_eq!(well(&[true, false, false, false]), Some(s(11)));
        assert_eq!(well(&[true, false, true, false]), Some(s(33)));
        assert_eq!((well(&[true]), well(&[false, false])), (Some(s(0)), None));
    }

    #[test]
    fn a_server_that_answers_at_once_is_healthy_at_once_and_then_as_docker_has_it() {
        let seen = play(Schedule::default(), &[false, true, false, false, true, false, false, false]);
        let wanted = [
            (100, Starting),
            (300, Healthy),
            (30_300, Healthy),
            (60_300, Healthy),
            (90_300, Healthy),
            (120_300, Healthy),
            (150_300, Healthy),
            (180_300, Unhealthy),
        ];
        assert_eq!(seen, wanted);
    }

    /// Whatever is probed before, a server that never answers is unhealthy when Docker would say so, and not sooner.
    #[test]
    fn probes_that_come_sooner_than_dockers_make_nobody_unhealthy_sooner() {
        for (period, interval, retries, at) in
            [(0, 30, 3, 90), (0, 30, 1, 30), (0, 5, 1, 5), (60, 5, 1, 60), (60, 5, 3, 70), (12, 30, 1, 12)]
        {
            let schedule = Schedule { start_period: s(period), interval: s(interval), retries, ..Schedule::default() };
            let seen = play(schedule, &[false; 100]);
            let (sick, _) = seen.iter().find(|(_, verdict)| *verdict == Unhealthy).unwrap();
            assert!(
                (at * 1000..at * 1000 + 1000 + u64::from(retries) * 1000).contains(sick),
                "{schedule:?}: {sick} ms"
            );
            // Also then it is asked every second, until it answers.
            assert!(seen.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 1000), "{seen:?}");
        }
        // A slow one that answers in the end never was unhealthy, with whatever retries.
        let slow = play(
            Schedule { start_period: s(30), retries: 1, ..Schedule::default() },
            &[[false; 20].as_slice(), &[true]].concat(),
        );
        assert!(slow.iter().all(|(_, verdict)| *verdict != Unhealthy) && slow.last().unwrap().1 == Healthy, "{slow:?}");
    }

    #[test]
    fn a_start_interval_that_was_set_is_dockers() {
        let schedule = Schedule { start_period: s(12), start_interval: Some(s(5)), retries: 1, ..Schedule::default() };
        let seen = [(5_000, Starting), (10_000, Starting), (15_000, Unhealthy), (20_000, Unhealthy)];
        assert_eq!(play(schedule, &[false; 4]), seen);
        // After the first success failures count, and the interval is the usual one.
        assert_eq!(play(schedule, &[true, false]), [(5_000, Healthy), (35_000, Unhealthy)]);
        // Longer than the interval it is for the start period alone.
        let schedule = Schedule { interval: s(2), ..schedule };
        let begun: Vec<_> = play(schedule, &[false; 5]).into_iter().map(|(at, _)| at).collect();
        assert_eq!(begun, [5_000, 10_000, 15_000, 17_000, 19_000]);
    }

    #[test]
    fn several_successes_are_needed_where_that_was_said() {
        let schedule = Schedule { interval: ms(100), successes: 2, retries: 1, ..Schedule::default() };
        let verdicts: Vec<_> =
            play(schedule, &[true, false, true, true, false]).into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts, [Starting, Unhealthy, Unhealthy, Healthy, Unhealthy]);
    }

    #[test]
    fn a_probe_that_takes_too_long_expires_and_none_begins_beside_it() {
        let mut health =
            Health::new(Schedule { timeout: s(8), start_interval: Some(s(30)), ..Schedule::default() }, s(0));
        assert_eq!(health.step(s(30)), Some(Step::Begin));
        for look in [32, 34, 36] {
            assert_eq!((health.due(), health.step(s(look))), (s(look), None));
        }
        assert_eq!((health.step(s(37)), health.due()), (None, s(38)));
        let mut expired = health;
        assert_eq!(expired.step(s(38)), Some(Step::Expire));
        assert!(!expired.probed(s(38), false));
        assert_eq!(expired.due(), s(68));
        // What comes later is nobody's.
        assert!(!expired.probed(s(39), true));
        assert_eq!(expired.verdict, Starting);
        // Much later: goward was frozen, and so was the time of the probe.
        assert_eq!((health.step(s(50)), health.due()), (Some(Step::Forget), s(50)));
    }

    /// A freeze that ends right before the time is up leaves the server no time, and only the looks before show it.
    #[test]
    fn a_probe_during_a_freeze_says_nothing_whenever_that_ends() {
        for thaw in [500, 700, 900, 999, 1_000, 1_100, 5_000] {
            let mut health = Health::new(Schedule { timeout: s(1), ..Schedule::default() }, s(0));
            assert_eq!(health.step(ms(100)), Some(Step::Begin));
            let thawed = ms(100 + thaw);
            let mut seen = health.step(thawed);
            while seen.is_none() {
                let now = health.due().max(thawed);
                seen = health.step(now);
            }
            assert_eq!(seen, Some(Step::Forget), "frozen for {thaw} ms");
        }
    }

    #[test]
    fn a_freeze_is_no_part_of_the_start() {
        let schedule = Schedule { start_period: s(5), retries: 1, ..Schedule::default() };
        let mut health = Health::new(schedule, s(0));
        // Frozen from the start on, for a minute: it has its five seconds all the same.
        for now in [s(60), s(62), s(64)] {
            let now = now.max(health.due());
            assert_eq!(health.step(now), Some(Step::Begin));
            assert!(!health.probed(now, false), "{now:?}");
        }
        while health.verdict == Starting {
            let now = health.due();
            assert_eq!(health.step(now), Some(Step::Begin));
            let _ = health.probed(now, false);
            assert!(now <= s(70));
        }
    }

    /// Half a second before the end of its start a probe begins, and then all stands still: it has that half a second all the same,
    /// whether the probe has had an answer meanwhile or not.
    #[test]
    fn a_freeze_during_a_probe_is_no_part_of_the_start() {
        let schedule = Schedule {
            start_period: s(5),
            timeout: s(1),
            start_interval: Some(ms(100)),
            retries: 1,
            ..Schedule::default()
        };
        let begun = || {
            let mut health = Health::new(schedule, s(0));
            loop {
                let now = health.due();
                assert_eq!(health.step(now), Some(Step::Begin));
                if now >= ms(4_500) {
                    return (health, now);
                }
                assert!(!health.probed(now, false), "{now:?}");
            }
        };
        let fails = |health: &mut Health, now| {
            assert_eq!(health.step(now), Some(Step::Begin));
            health.probed(now, false)
        };
        for thaw in [800, 3_000, 60_000].map(ms) {
            for (answered, looked) in [(true, false), (true, true), (false, true)] {
                let (mut health, began) = begun();
                let thawed = began + thaw;
                let seen = if looked { health.step(thawed) } else { None };
                assert!(!answered || !health.probed(thawed, false), "{thaw:?}");
                if seen == Some(Step::Forget) || answered {
                    let next = health.due().max(thawed);
                    assert!(!fails(&mut health, next), "{thaw:?}");
                    let late = health.due() + s(2);
                    assert!(!fails(&mut health, late), "and a freeze before a probe is none either");
                }
            }
        }
        // Near miss: all looks came in time. The probe took long, and its time is over.
        let (mut health, began) = begun();
        for look in [250, 500, 750] {
            assert_eq!(health.step(began + ms(look)), None);
        }
        assert!(!health.probed(began + ms(900), false));
        let next = health.due();
        assert!(fails(&mut health, next), "it had its five seconds");
    }
}
