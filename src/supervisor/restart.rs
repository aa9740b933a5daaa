//! Whether a server that has ended is started again, and when: Docker's policies, with a pause that doubles from `FIRST`
//! to `LAST`. Pure.

use std::time::Duration;

/// Docker's restart policies; `unless-stopped` is the same here as `always`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// The server is never restarted.
    #[default]
    No,
    /// When it has failed; so many times in a row at most, if there is a number.
    OnFailure(Option<u32>),
    /// The server is restarted however it ended.
    Always,
}

impl Restart {
    /// Reads `no`, `on-failure`, `on-failure:5`, `always`.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Restart, String> {
        match text {
            "no" => Ok(Restart::No),
            "always" => Ok(Restart::Always),
            "on-failure" => Ok(Restart::OnFailure(None)),
            _ => {
                let number = text.strip_prefix("on-failure:").filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
                number
                    .and_then(|number| number.parse().ok().filter(|number| *number > 0))
                    .map(|number| Restart::OnFailure(Some(number)))
                    .ok_or_else(|| format!("'{text}' is not a restart policy: no, on-failure, on-failure:N or always"))
            }
        }
    }

    pub(super) fn wants(self, failed: bool, attempts: Attempts) -> bool {
        match self {
            Restart::No => false,
            Restart::OnFailure(_) => failed && self.allows(attempts),
            Restart::Always => true,
        }
    }

    /// Whether one more restart is within the number, where there is one.
    pub(super) fn allows(self, attempts: Attempts) -> bool {
        match self {
            Restart::OnFailure(Some(most)) => attempts.in_a_row < most,
            Restart::OnFailure(None) | Restart::No | Restart::Always => true,
        }
    }
}

/// How often it was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) all: u32,
    /// Since it last ran for long enough.
    pub(super) in_a_row: u32,
}

/// A server that ran for so long has not failed to start.
const LONG: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(60);

impl Attempts {
    /// It ran for so long.
    pub(super) fn ran(&mut self, time: Duration) {
        if time >= LONG {
            self.in_a_row = 0;
        }
    }

    /// One that somebody asked for: it says nothing against the server.
    pub(super) fn on_request(&mut self) {
        self.all = self.all.saturating_add(1);
        self.in_a_row = 0;
    }

    /// One more, after this pause.
    pub(super) fn next(&mut self) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.in_a_row.min(20)).min(LAST);
        self.all = self.all.saturating_add(1);
        self.in_a_row = self.in_a_row.saturating_add(1);
        pause
    }

    /// The one that was to come does not.
    pub(super) fn call_off(&mut self) {
        self.all = self.all.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_words() {
        assert_eq!(Restart::parse("on-failure:5"), Ok(Restart::OnFailure(Some(5))));
        assert_eq!(Restart::parse("on-failure"), Ok(Restart::OnFailure(None)));
        for text in
            ["", "yes", "on-failure:", "on-failure:0", "on-failure:-1", "on-failure:+1", "on-failure:99999999999"]
        {
            assert!(Restart::parse(text).unwrap_err().contains("on-failure:N"), "{text}");
        }
    }

    #[test]
    fn the_pause_doubles_up_to_a_minute_and_is_forgotten() {
        let mut attempts = Attempts::default();
        let pauses: Vec<_> = (0..12).map(|_| attempts.next().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
        attempts.ran(Duration::from_millis(9_999));
        assert_eq!(attempts.next(), LAST);
        attempts.ran(LONG);
        assert_eq!((attempts.next(), attempts.all), (FIRST, 14));
        assert!((0..100).all(|_| attempts.next() <= LAST));
    }
}
