//! The times of a stop that depend on options: how long after its beginning each step is due, and the default of `--dump-lead`.
//! What puts a step off while a stop is under way is in `climb.rs`.
//! Pauses that no option sets are constants in `mod.rs`. Pure.

use std::time::Duration;

/// The steps of a stop, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Readiness is gone, the signal is held back: load balancers look elsewhere first.
    Drain,
    /// The server has been asked to stop.
    Ask,
    /// It missed its time: its goroutines are read out of its memory.
    Look,
    /// That was not to be, or has failed: SIGQUIT, so that Go prints every goroutine.
    Dump,
    /// It caught or ignored SIGQUIT: SIGABRT dumps too.
    Abort,
    /// SIGKILL to the server's group and to all leftovers.
    Kill,
    /// A process that even SIGKILL does not end (in an uninterruptible system call) is left to the kernel.
    GiveUp,
}

impl Rung {
    const ORDER: [Rung; 7] = [Rung::Drain, Rung::Ask, Rung::Look, Rung::Dump, Rung::Abort, Rung::Kill, Rung::GiveUp];

    fn after(self) -> impl Iterator<Item = Rung> {
        Rung::ORDER.into_iter().filter(move |rung| *rung > self)
    }
}

/// Checked times of a stop, all counted from its beginning, all inside the orchestrator's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    timeout: Duration,
    drain: Duration,
    /// How long before the end the dump is taken; none: no dump.
    lead: Option<Duration>,
    /// Memory is looked at first, and the server is signalled for a dump only if that fails.
    looks: bool,
}

impl Ladder {
    /// A ladder for `timeout`, the number that `docker stop -t` or terminationGracePeriodSeconds has.
    /// `lead` is how long before its end the dump begins; by default 2 s or a quarter.
    ///
    /// # Errors
    /// A sentence for the user, where drain and lead leave the server no time to stop.
    pub fn new(timeout: Duration, drain: Duration, dump: bool, lead: Option<Duration>) -> Result<Ladder, String> {
        let bare = Ladder { timeout, drain: Duration::ZERO, lead: None, looks: false };
        let kill = bare.at(Rung::Kill);
        let lead = match lead {
            // docker stop -t 0 means now: there is no time to take a dump in.
            _ if !dump || timeout.is_zero() => None,
            None => Some(Ladder::default_lead(timeout)),
            Some(lead) if lead >= timeout => {
                return Err(format!("--dump-lead {lead:?} must be shorter than --stop-timeout {timeout:?}"));
            }
            Some(lead) if lead <= timeout - kill => {
                return Err(format!(
                    "--dump-lead {lead:?} leaves the dump no time: the kill comes {:?} before the end",
                    timeout - kill
                ));
            }
            Some(lead) => Some(lead),
        };
        let ladder = Ladder { timeout, drain, lead, looks: false };
        let next = ladder.at(if lead.is_some() { Rung::Dump } else { Rung::Kill });
        if timeout.is_zero() && !drain.is_zero() {
            return Err(format!("--drain {drain:?} has no time with --stop-timeout 0"));
        }
        if drain >= next && !drain.is_zero() {
            return Err(format!(
                "--drain {drain:?} leaves the server no time to stop: with --stop-timeout {timeout:?} it must be shorter than {next:?}"
            ));
        }
        Ok(ladder)
    }

    /// The same, where the server's memory is looked at before it is signalled for a dump: that has the first half of the time
    /// until the kill.
    pub fn looking(self) -> Ladder {
        Ladder { looks: self.lead.is_some(), ..self }
    }

    /// The same without that look.
    pub fn without_look(self) -> Ladder {
        Ladder { looks: false, ..self }
    }

    /// Whether the server's memory is looked at.
    pub fn looks(&self) -> bool {
        self.looks
    }

    /// Two seconds, or a quarter of a short timeout.
    pub fn default_lead(timeout: Duration) -> Duration {
        (timeout / 4).min(Duration::from_secs(2))
    }

    /// The whole time for a stop, from --stop-timeout.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether the signal is held back at first.
    pub fn drains(&self) -> bool {
        !self.drain.is_zero()
    }

    /// How long after the beginning of the stop a rung is due.
    pub fn at(&self, rung: Rung) -> Duration {
        let n = self.timeout;
        match rung {
            Rung::Drain => Duration::ZERO,
            Rung::Ask => self.drain,
            Rung::Look => n - self.lead.unwrap_or_default(),
            Rung::Dump if self.looks => self.before_kill(2),
            Rung::Dump => n - self.lead.unwrap_or_default(),
            Rung::Abort if self.looks => self.before_kill(4),
            // "A moment": long enough for a Go runtime to begin its dump, short enough to leave time for a second try.
            // An ABRT that meets a dump in progress waits behind it (runtime/panic.go, startpanic_m: paniclk).
            Rung::Abort => {
                let lead = self.lead.unwrap_or_default();
                n - lead + (lead / 4).min(Duration::from_millis(500))
            }
            Rung::Kill => n - (n / 10).min(Duration::from_millis(500)),
            // Somebody who gives no time at all will not wait for goward either: it may as well see the processes off.
            Rung::GiveUp if n.is_zero() => Duration::from_secs(1),
            Rung::GiveUp => n - (n / 50).min(Duration::from_millis(100)),
        }
    }

    /// This part of the time from the dump to the kill before that.
    fn before_kill(&self, part: u32) -> Duration {
        let kill = self.at(Rung::Kill);
        kill - kill.saturating_sub(self.at(Rung::Look)) / part
    }

    /// The rung that follows, for a server that still runs or for leftovers only.
    pub fn next(&self, rung: Rung, server_runs: bool) -> Option<Rung> {
        rung.after().find(|next| match next {
            Rung::Drain => false,
            Rung::Ask => server_runs,
            Rung::Look => server_runs && self.looks,
            Rung::Dump | Rung::Abort => server_runs && self.lead.is_some(),
            Rung::Kill | Rung::GiveUp => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn ladder(timeout: u64, drain: u64, dump: bool, lead: Option<u64>) -> Result<Ladder, String> {
        Ladder::new(ms(timeout), ms(drain), dump, lead.map(ms))
    }

    #[test]
    fn dockers_ten_seconds() {
        let ladder = ladder(10_000, 0, true, None).unwrap();
        assert_eq!(ladder.at(Rung::Dump), ms(8_000));
        assert_eq!(ladder.at(Rung::Abort), ms(8_500));
        assert_eq!(ladder.at(Rung::Kill), ms(9_500));
        assert_eq!(ladder.at(Rung::GiveUp), ms(9_900));
    }

    #[test]
    fn memory_has_half_of_the_time() {
        let ladder = ladder(10_000, 0, true, None).unwrap().looking();
        let rungs = [Rung::Look, Rung::Dump, Rung::Abort, Rung::Kill].map(|rung| ladder.at(rung));
        assert_eq!(rungs, [8_000, 8_750, 9_125, 9_500].map(ms));
        assert_eq!(ladder.next(Rung::Ask, true), Some(Rung::Look));
        assert!(!self::ladder(10_000, 0, false, None).unwrap().looking().looks(), "no dump, no look");
    }

    #[test]
    fn short_timeouts_shrink_everything() {
        let ladder = ladder(1_000, 0, true, None).unwrap();
        assert_eq!(ladder.at(Rung::Dump), ms(750));
        assert_eq!(ladder.at(Rung::Kill), ms(900));
        assert_eq!(ladder.at(Rung::GiveUp), ms(980));
    }

    #[test]
    fn the_rungs_are_in_order_for_every_timeout() {
        for timeout in (0..2_000).step_by(7).chain([10_000, 30_000, 3_600_000]) {
            let ladder = ladder(timeout, 0, true, None).unwrap();
            for ladder in [ladder, ladder.looking()] {
                let mut rung = Rung::Drain;
                while let Some(next) = ladder.next(rung, true) {
                    assert!(ladder.at(next) >= ladder.at(rung), "{timeout} ms: {next:?} before {rung:?}");
                    rung = next;
                }
                assert!(ladder.at(Rung::GiveUp) < ms(timeout) || timeout == 0);
            }
        }
    }

    #[test]
    fn what_leaves_no_time_is_refused() {
        assert!(ladder(10_000, 8_000, true, None).unwrap_err().contains("shorter than 8s"));
        assert!(ladder(10_000, 9_000, false, None).is_ok());
        assert!(ladder(10_000, 9_500, false, None).is_err());
        assert!(ladder(10_000, 0, true, Some(10_000)).is_err());
        assert!(ladder(10_000, 0, true, Some(500)).unwrap_err().contains("no time"));
        assert!(ladder(10_000, 0, true, Some(9_999)).is_ok());
    }

    #[test]
    fn no_dump_goes_from_ask_to_kill() {
        let ladder = ladder(10_000, 0, false, None).unwrap();
        assert_eq!(ladder.next(Rung::Ask, true), Some(Rung::Kill));
    }
}
