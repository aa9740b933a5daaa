//! What a new connection meets: before the signal, to see whether the server is ready; after it, to see how it turns
//! people away.

use super::http::{Answer, Connection, Pace, connect};
use super::load::Shared;
use crate::config::Probe;
use crate::probe::{Attempt, Notice, Progress};
use crate::target::Target;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longer than this is hanging.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a probe under way is looked at.
const GRAIN: Duration = Duration::from_millis(1);

/// A request that disturbs nobody: Go's server answers it by itself, without a handler; others say 4xx.
const QUESTION: &[u8] =
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nUser-Agent: goward-rehearse\r\nConnection: close\r\n\r\n";

/// Whether the target answers now: a status below 400, a connection, SERVING.
pub(super) async fn answers(target: &Target) -> bool {
    let Ok(mut attempt) = Attempt::start(&Probe::of(target.clone()), None, Notice::None) else { return false };
    let attempt = async move {
        loop {
            match attempt.advance() {
                Progress::Over(outcome) => return outcome.well,
                Progress::More => {}
                Progress::Waiting => sleep(GRAIN).await,
            }
        }
    };
    timeout(PATIENCE, attempt).await.unwrap_or(false)
}

/// One connection after the signal. Where HTTP is spoken a request goes with it; otherwise it is closed at once, for a
/// silent one would hold up the very shutdown that is watched.
pub(super) async fn run(shared: Rc<Shared>, addresses: Vec<SocketAddr>, http: bool) {
    shared.open_trials.set(shared.open_trials.get() + 1);
    let at = shared.since_signal();
    let attempt = async {
        let stream = connect(&addresses, Pace::Even).await.ok()?;
        if !http {
            return Some(None);
        }
        let answer = Connection::new(stream, Pace::Even).exchange("OPTIONS", QUESTION, || {}).await;
        Some(Some(answer))
    };
    let outcome = timeout(PATIENCE, attempt).await;
    shared.open_trials.set(shared.open_trials.get() - 1);
    if shared.over.get() {
        return;
    }
    let mut trials = shared.trials.get();
    match outcome {
        Err(_) => trials.hanging += 1,
        Ok(None | Some(Some(Answer::Broken { begun: false, .. }))) => {
            trials.refused += 1;
            trials.first_refused_ms = trials.first_refused_ms.or(Some(at));
        }
        Ok(Some(None)) => {
            trials.accepted += 1;
            trials.last_served_ms = trials.last_served_ms.max(Some(at));
        }
        Ok(Some(Some(Answer::Whole { .. } | Answer::Bad(_) | Answer::Broken { begun: true, .. }))) => {
            trials.answered += 1;
            trials.last_served_ms = trials.last_served_ms.max(Some(at));
        }
    }
    shared.trials.set(trials);
}
