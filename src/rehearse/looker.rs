//! Looks at the goroutines of the server, in a thread of its own: a look at a hundred thousand of them takes half a second, and
//! the clients must not wait for it. The program is understood once; then each look is a few reads of memory.
//!
//! The rehearsal is the server's ancestor, so it may read its memory where others may not. The thread is started after the init was
//! forked, and has ended before the next one is.

use crate::evidence::{self, Access, Unreadable};
use crate::goroutines::{Finding, Program, Summary, diagnose};
use crate::live;
use crate::supervisor::Time;
use crate::sys::clock;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The thread may hang in a file system that does not answer; it is not waited for any longer than this.
const PATIENCE: Duration = Duration::from_secs(1);
const NAP: Duration = Duration::from_millis(1);

/// What was seen in a look.
#[derive(Debug)]
pub(super) struct Look {
    /// When it began.
    pub(super) at: Time,
    /// How long it took.
    pub(super) took: Duration,
    /// The goroutines, and what they are held up by; or why they cannot be seen.
    pub(super) seen: Result<(Summary, Vec<Finding>), String>,
}

/// Asks for looks, one at a time.
#[derive(Debug)]
pub(super) struct Looker {
    exchange: Arc<Exchange>,
    thread: Option<JoinHandle<()>>,
    /// One is under way.
    asked: bool,
}

#[derive(Debug, Default)]
struct Exchange {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: bool,
    over: bool,
    look: Option<Look>,
}

impl Looker {
    /// For the server with this pid, or what it has started if it is a script.
    #[allow(clippy::disallowed_methods, reason = "a rehearsal is no init; see above")]
    pub(super) fn start(server: i32, about: Program) -> Looker {
        let exchange: Arc<Exchange> = Arc::default();
        let its = Arc::clone(&exchange);
        let started = thread::Builder::new().spawn(move || its.work(server, &about));
        if let Err(error) = &started {
            exchange.tell(clock::now(), Err(format!("no thread can be started for that: {error}")));
        }
        Looker { exchange, thread: started.ok(), asked: false }
    }

    /// Asks for a look, unless one is under way.
    pub(super) fn ask(&mut self) {
        if !self.asked {
            self.asked = true;
            self.exchange.with(|state| state.wanted = true);
        }
    }

    /// What was seen, once.
    pub(super) fn answer(&mut self) -> Option<Look> {
        let look = self.exchange.with(|state| state.look.take())?;
        self.asked = false;
        Some(look)
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        self.exchange.with(|state| state.over = true);
        let until = clock::now() + PATIENCE;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && clock::now() < until {
            clock::nap(NAP);
        }
    }
}

impl Exchange {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
        changed
    }

    fn tell(&self, at: Time, seen: Result<(Summary, Vec<Finding>), String>) {
        let look = Look { at, took: clock::now().saturating_sub(at), seen };
        self.with(|state| state.look = Some(look));
    }

    /// Waits until a look is wanted. False: there will be no more.
    fn is_wanted(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.wanted && !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.wanted = false;
        !state.over
    }

    /// The thread: opens the server when the first look is wanted, and again after a look that has failed.
    fn work(&self, server: i32, about: &Program) {
        while self.is_wanted() {
            let at = clock::now();
            let opened = Access::choose(evidence::candidates(server)).map_err(|why| match why {
                Unreadable::Refused(why) | Unreadable::NotGo(why) => why,
            });
            let looked = opened.and_then(|access| {
                let kept = access.keeps(about.signal.as_deref());
                let about = Program { kept, ..about.clone() };
                access.look(|program| self.look(program, &about, at))
            });
            if let Err(why) = looked {
                self.tell(at, Err(why));
            }
        }
    }

    /// As many looks as are wanted, until one fails.
    fn look(&self, program: &live::Program<'_>, about: &Program, mut at: Time) -> Result<(), String> {
        loop {
            let summary = live::collect(program, String::new(), about, None)?.summary;
            let findings = diagnose(&summary, about);
            self.tell(at, Ok((summary, findings)));
            if !self.is_wanted() {
                return Ok(());
            }
            at = clock::now();
        }
    }
}
