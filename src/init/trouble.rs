//! What goes wrong again and again, so that it does not flood the log: each kind is told at once, and then once a minute
//! with how often it happened since. And why a signal was refused, as far as that can be seen.

use crate::supervisor::{Action, Time};
use crate::sys::capability::{self, Capability};
use crate::sys::process;
use nix::errno::Errno;
use std::time::Duration;

const AGAIN: Duration = Duration::from_secs(60);
/// So many kinds are told apart, more than there are signals; what is beyond is not told.
const KINDS: usize = 100;

/// What went wrong, and when that was last told.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<Kind>);

#[derive(Debug)]
struct Kind {
    what: String,
    errno: Errno,
    told: Time,
    since: u32,
}

impl Troubles {
    /// It has happened. How often since it was last told, this time included; none: it is not to be told now.
    pub(super) fn happened(&mut self, now: Time, what: &str, errno: Errno) -> Option<u32> {
        let Some(at) = self.0.iter().position(|kind| kind.errno == errno && kind.what == what) else {
            let room = self.0.len() < KINDS;
            if room {
                self.0.push(Kind { what: what.to_owned(), errno, told: now, since: 0 });
            }
            return room.then_some(1);
        };
        let kind = self.0.get_mut(at)?;
        kind.since = kind.since.saturating_add(1);
        if now.saturating_sub(kind.told) < AGAIN {
            return None;
        }
        kind.told = now;
        Some(std::mem::take(&mut kind.since))
    }
}

/// Why the kernel does not let goward send the server, which still runs, a signal, where it is this: the server has become another
/// user by itself (su-exec, gosu), and the container has no CAP_KILL. Of other actions, and other processes, that says nothing.
pub(super) fn why_refused(action: Action, errno: Errno, server: i32) -> Option<String> {
    if errno != Errno::EPERM || !is_signal_to_server(action) {
        return None;
    }
    let needed = Capability::parse("kill").map_or(0, Capability::bit);
    let held = capability::get().is_ok_and(|sets| sets.effective & needed != 0);
    out_of_reach(nix::unistd::geteuid().as_raw(), process::uid_of(server)?, held)
}

fn is_signal_to_server(action: Action) -> bool {
    matches!(action, Action::Send(_) | Action::Continue | Action::Dump(_) | Action::KillAll)
}

fn out_of_reach(own: u32, server: u32, has_capability: bool) -> Option<String> {
    (own != server && !has_capability).then(|| {
        format!(
            "the server runs as uid {server}, and goward, as uid {own}, has no CAP_KILL; change the user with --user, or add that \
             capability"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_at_once_then_once_a_minute() {
        let mut troubles = Troubles::default();
        let at = Duration::from_millis;
        assert_eq!(troubles.happened(at(0), "waitpid", Errno::EPERM), Some(1));
        for millis in 1..6000 {
            assert_eq!(troubles.happened(at(millis * 10), "waitpid", Errno::EPERM), None, "{millis}");
        }
        assert_eq!(troubles.happened(at(60_000), "waitpid", Errno::EPERM), Some(6000));
        assert_eq!(troubles.happened(at(60_010), "waitpid", Errno::EPERM), None);
        // Another errno and another call are others.
        assert_eq!(troubles.happened(at(60_010), "waitpid", Errno::EIO), Some(1));
        assert_eq!(troubles.happened(at(60_010), "poll", Errno::EPERM), Some(1));
        assert_eq!(troubles.happened(at(120_000), "waitpid", Errno::EPERM), Some(2));
    }

    #[test]
    fn another_user_is_a_reason_for_signals_to_the_server_alone() {
        use crate::signal::Signal;
        let why = out_of_reach(0, 1000, false).unwrap();
        assert!(why.starts_with("the server runs as uid 1000, and goward, as uid 0, has no CAP_KILL; "), "{why}");
        assert_eq!((out_of_reach(1000, 1000, false), out_of_reach(0, 1000, true)), (None, None));
        for action in [Action::Send(Signal::TERM), Action::Continue, Action::Dump(Signal::QUIT), Action::KillAll] {
            assert!(is_signal_to_server(action), "{action:?}");
        }
        // The server has ended, or it is about something else.
        for action in [Action::GiveTerminal, Action::KillAgain, Action::KillVisitors, Action::AskLeftovers] {
            assert!(!is_signal_to_server(action), "{action:?}");
        }
    }

    #[test]
    fn many_kinds_are_no_flood_either() {
        let mut troubles = Troubles::default();
        for round in 0..3 {
            let told =
                (0..1000).filter_map(|kind| troubles.happened(Duration::ZERO, &format!("call {kind}"), Errno::EPERM));
            assert_eq!(told.count(), if round == 0 { KINDS } else { 0 });
        }
    }
}
