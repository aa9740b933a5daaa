//! Looks at the goroutines of the server, in a thread of its own: a look at a hundred thousand of them takes half a second, and
//! the clients must not wait for it. The program is understood once; then each look is a few reads of memory.
//!
//! The rehearsal is the server's ancestor, so it may read its memory where others may not. The thread is started after the init
//! was forked, and has ended before the next one is.

use crate::evidence::{self, Access, ProcessTree, Unreadable};
use crate::goroutines::{Finding, Program, Summary};
use crate::live;
use crate::supervisor::Time;
use crate::sys::clock;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The thread may hang in a file system that does not answer; it is not waited for any longer than this.
const PATIENCE: Duration = Duration::from_secs(1);
const NAP: Duration = Duration::from_millis(1);

/// The goroutines of a program, and what they are held up by.
pub(super) type Seen = (Summary, Vec<Finding>);

/// What was seen in a look.
#[derive(Debug)]
pub(super) struct Look {
    /// When it began.
    pub(super) at: Time,
    /// How long it took.
    pub(super) took: Duration,
    /// The server; or why it cannot be seen.
    pub(super) seen: Result<Seen, String>,
    /// The Go programs that it has started and waits for.
    pub(super) started: Vec<Seen>,
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
            exchange.tell(clock::now(), Err(format!("no thread can be started for that: {error}")), Vec::new());
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

    fn tell(&self, at: Time, seen: Result<Seen, String>, started: Vec<Seen>) {
        let look = Look { at, took: clock::now().saturating_sub(at), seen, started };
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
            let opened = ProcessTree::of(server).choose().map_err(|why| match why {
                Unreadable::Refused(why) | Unreadable::NotGo(why) => why,
            });
            let looked =
                opened.and_then(|access| access.look(|program| self.look(program, &access, server, about, at)));
            if let Err(why) = looked {
                self.tell(at, Err(why), Vec::new());
            }
        }
    }

    /// As many looks as are wanted, until one fails.
    fn look(
        &self,
        program: &live::Program<'_>,
        access: &Access,
        server: i32,
        about: &Program,
        mut at: Time,
    ) -> Result<(), String> {
        loop {
            let (mut first, mut started) = (None, Vec::new());
            ProcessTree::of(access.pid).follow(access, &mut |access, _, children| {
                // The server alone is sent the signal, also where it is a script.
                let is_relayed = access.pid != server;
                let about = Program { children, is_relayed, ..access.about(about.signal.clone()) };
                let see = |program: &live::Program<'_>| evidence::gather(program, String::new(), about, None);
                let seen = if first.is_none() { see(program) } else { access.look(see) };
                let waits = seen.as_ref().is_ok_and(|seen| seen.waits);
                let seen = seen.map(|seen| (seen.summary, seen.findings));
                match (&first, seen) {
                    (None, seen) => first = Some(seen),
                    (Some(_), Ok(seen)) => started.push(seen),
                    // One that has just ended is not missed.
                    (Some(_), Err(_)) => {}
                }
                waits
            });
            self.tell(at, Ok(first.ok_or("it was not looked at")??), started);
            if !self.is_wanted() {
                return Ok(());
            }
            at = clock::now();
        }
    }
}
