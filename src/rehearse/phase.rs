//! When the stop signal comes: at a moment at which most requests are in the middle of their handlers. Clients that ask in step
//! would hide what a stop loses: all of them would be at the same point, and the signal could fall between two handlers. Pure.

use std::time::Duration;

/// Between two requests of a client. A handler that takes longer than this always has requests in flight; for one that is
/// quicker more requests would show nothing more, and fill its log.
pub(super) const THINKING: Duration = Duration::from_millis(5);
/// The first requests are spread over this, as long as nobody knows how long a handler takes.
const FIRST: Duration = Duration::from_millis(50);
/// A handler that is quicker than this has no middle in which a signal could be sent.
pub(super) const QUICK: Duration = Duration::from_millis(20);
/// A request that the server has had for no longer than this, or for an eighth of its time, has just begun.
pub(super) const FRESH: Duration = Duration::from_millis(10);
/// The signal does not wait longer than this for the moment.
const PATIENCE: Duration = Duration::from_secs(5);
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// A client, as far as the signal is concerned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Phase {
    /// How long the server has had its request; none: it has none now.
    pub(super) since: Option<Duration>,
    /// How long its handler takes; none: it has never answered.
    pub(super) usual: Option<Duration>,
}

impl Phase {
    /// Whether the server is at work for it, and not about to answer.
    pub(super) fn is_in_the_middle(&self) -> bool {
        self.has_middle() && self.since.is_some_and(|since| self.usual.is_none_or(|usual| since <= usual - usual / 4))
    }

    fn has_middle(&self) -> bool {
        self.usual.is_none_or(|usual| usual >= QUICK)
    }

    /// For how long a request may not have reached the server's own code, though the server has read it.
    pub(super) fn arriving(&self) -> Duration {
        if self.has_middle() { FRESH } else { QUICK }
    }

    fn is_fresh(&self) -> bool {
        self.is_in_the_middle() && self.since.zip(self.usual).is_none_or(|(since, usual)| since <= FRESH.max(usual / 8))
    }
}

/// Whether this is the moment: most of the requests that have a middle are in it, and one has just begun, which a server that
/// waits for a part of a handler's time loses.
fn is_the_moment(clients: &[Phase]) -> bool {
    let slow = clients.iter().filter(|client| client.has_middle()).count();
    let middle = clients.iter().filter(|client| client.is_in_the_middle()).count();
    slow == 0 || 2 * middle >= slow && clients.iter().any(Phase::is_fresh)
}

/// The same where the signal has been waiting: in the end one request in its middle will do, and then none.
pub(super) fn is_the_moment_after(waited: Duration, clients: &[Phase]) -> bool {
    let patience = patience(clients);
    is_the_moment(clients) || waited > patience && clients.iter().any(Phase::is_in_the_middle) || waited > 2 * patience
}

/// How long the signal waits for such a moment. On a busy machine the clients are in step for a while.
fn patience(clients: &[Phase]) -> Duration {
    let slowest = clients.iter().filter_map(|client| client.usual).max().unwrap_or_default();
    (5 * slowest).clamp(LEAST_PATIENCE, PATIENCE)
}

/// How long a client waits before its next request: `asked` were before. Once it is known how long the handler takes, the
/// clients are spread over that time; after that each drifts a little, so that no server brings them into step.
pub(super) fn pause(client: usize, asked: u32, usual: Option<Duration>, is_spread: bool) -> Duration {
    let drift = client + asked as usize;
    THINKING
        + match usual {
            None => fraction(FIRST, client),
            Some(usual) if !is_spread => fraction(usual.min(PATIENCE), client),
            Some(usual) => fraction(usual.min(PATIENCE) / 8, drift),
        }
}

/// A part of a time, another one for each number: multiples of the golden ratio lie as far apart as possible.
fn fraction(time: Duration, number: usize) -> Duration {
    const GOLDEN: u32 = 2_654_435_769;
    let part = (number as u32).wrapping_mul(GOLDEN) >> 22;
    time * part / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn clients(usual: u64, since: &[u64]) -> Vec<Phase> {
        since.iter().map(|since| Phase { since: Some(ms(*since)), usual: Some(ms(usual)) }).collect()
    }

    #[test]
    fn the_moment() {
        assert!(is_the_moment(&clients(300, &[5, 100, 150, 200, 290])));
        assert!(!is_the_moment(&clients(300, &[5, 230, 240, 290])), "most are about to end");
        assert!(!is_the_moment(&clients(300, &[100, 110, 120])), "none has just begun");
        let idle = Phase { since: None, usual: Some(ms(300)) };
        assert!(!is_the_moment(&[idle; 3]) && !is_the_moment(&[&clients(300, &[1])[..], &[idle; 2]].concat()));
        // Quick handlers are not waited for, alone or beside slow ones.
        assert!(is_the_moment(&clients(2, &[1, 1])) && is_the_moment(&[]));
        assert!(is_the_moment(&[clients(300, &[1]), clients(2, &[1, 1, 1])].concat()));
        // What has never answered is in its middle whenever the server has it.
        assert!(is_the_moment(&[Phase { since: Some(ms(900)), usual: None }; 2]));
    }

    /// With clients as they are spread here a moment comes soon, whatever a handler takes.
    #[test]
    fn spread_clients_have_a_moment_in_every_handlers_time() {
        for usual in [20, 50, 101, 150, 300, 1000, 2000] {
            let starts: Vec<Duration> = (0..8).map(|at| pause(at, 1, Some(ms(usual)), false)).collect();
            let at = |now: Duration| -> Vec<Phase> {
                let since = |start: &Duration| {
                    Duration::from_micros((now - *start).as_micros() as u64 % (ms(usual) + THINKING).as_micros() as u64)
                };
                starts.iter().map(|start| Phase { since: Some(since(start)), usual: Some(ms(usual)) }).collect()
            };
            let from = 2 * usual + 20;
            let moments = (from..from + usual + 5).filter(|now| is_the_moment(&at(ms(*now)))).count();
            assert!(moments > 0, "{usual} ms");
        }
    }

    #[test]
    fn the_signal_waits_for_five_handlers_and_not_for_ever() {
        assert_eq!([50, 200, 2000].map(|usual| patience(&clients(usual, &[1, 1]))), [ms(250), ms(1000), PATIENCE]);
        assert_eq!(patience(&[]), LEAST_PATIENCE);
        let (one, none) = (clients(200, &[100, 190, 190]), clients(200, &[190, 190]));
        let after = |waited, clients: &[Phase]| is_the_moment_after(ms(waited), clients);
        assert!(!after(1000, &one) && after(1001, &one), "one in its middle");
        assert!(!after(1001, &none) && !after(2000, &none) && after(2001, &none), "none in its middle");
    }

    #[test]
    fn nobody_asks_in_step() {
        let mut parts: Vec<Duration> = (0..10).map(|at| fraction(ms(1000), at)).collect();
        parts.sort();
        assert!(parts.windows(2).all(|two| two[1] - two[0] > ms(40)), "{parts:?}");
        assert!(pause(3, 7, Some(ms(800)), true) <= ms(105));
        assert!(pause(3, 7, Some(ms(60_000)), false) <= PATIENCE + THINKING);
    }
}
