//! `--leaks`: the load in rounds, and looks at the server's goroutines before them, while they run, and when each has settled.
//! What it means is in `leaks.rs`.

use super::aim::Aim;
use super::begin;
use super::init_process::InitProcess;
use super::leaks::{self, Leaks, Round, Sightings};
use super::load::{self, Shared, TICK};
use super::looker::Looker;
use crate::goroutines::Summary;
use crate::supervisor::Time;
use crate::sys::clock;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// So many requests in a round for each that may be in flight: with ten, a hundred. What one request in twenty leaves behind is found.
const REQUESTS: u32 = 10;
/// A round of slow requests ends after this, if each client has had two answers, and after that in any case.
const LONG: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(30);
/// Between two looks: while requests are in flight, and until it has settled.
const SAMPLING: Duration = Duration::from_millis(5);
const SETTLING: Duration = Duration::from_millis(50);
/// So many looks must show as many goroutines.
const SAME: u32 = 3;
/// No look takes this long.
const TOO_LONG: Duration = Duration::from_secs(20);

/// Why there is nothing more to be seen.
enum Stopped {
    /// The server has ended, or somebody wants to leave.
    Ended,
    Failed(String),
}

/// What is needed for it.
pub(super) struct Rounds<'a> {
    pub(super) init: &'a mut InitProcess,
    pub(super) looker: &'a mut Looker,
    pub(super) aims: &'a [Rc<Aim>],
    pub(super) in_flight: u32,
    /// How long what a round has started may take to end.
    pub(super) settle: Duration,
}

impl Rounds<'_> {
    /// Looks for leaks. What becomes of the requests is added to `all`.
    pub(super) async fn run(mut self, all: &Shared) -> Leaks {
        let mut leaks = Leaks::default();
        match self.find(&mut leaks, all).await {
            Ok(()) => {}
            Err(Stopped::Ended) => leaks.failed = Some("the server ended before".to_owned()),
            Err(Stopped::Failed(why)) => leaks.failed = Some(why),
        }
        leaks
    }

    async fn find(&mut self, leaks: &mut Leaks, all: &Shared) -> Result<(), Stopped> {
        let mut seen = Sightings::default();
        let mut looks = vec![self.settled().await?];
        leaks.before = looks.first().map_or(0, |first| first.user);
        // What is started once is started in the first. What does not grow in the second is no leak.
        for last in [false, false, true] {
            if last && !leaks::may_leak(&looks, self.in_flight) {
                return Ok(());
            }
            let requests = self.round(&mut seen, all).await?;
            let look = if last { self.late().await? } else { self.settled().await? };
            leaks.rounds.push(Round { requests, goroutines: look.user });
            looks.push(look);
        }
        self.pause(self.settle / 4).await?;
        looks.push(self.look().await?);
        leaks.found = leaks::find(&looks, &leaks.rounds, self.in_flight, &seen);
        Ok(())
    }

    /// As many requests as belong to a round. Then all connections are closed.
    async fn round(&mut self, seen: &mut Sightings, all: &Shared) -> Result<u32, Stopped> {
        let shared = Rc::new(all.round(self.in_flight, REQUESTS * self.in_flight, self.aims));
        let mut clients = Vec::new();
        for at in 0..shared.clients.len() {
            clients.push(begin(load::client(Rc::clone(&shared), at)));
        }
        let began = clock::now();
        let mut look_at = Time::ZERO;
        while shared.clients.iter().any(|client| !client.done.get()) {
            self.attend()?;
            let now = clock::now();
            let enough = shared.ended.get() >= 2 * self.in_flight;
            if now > began + LONGEST || enough && now > began + LONG {
                // Those that hang have had their time; their connections are closed.
                shared.over.set(true);
                clients.iter().for_each(JoinHandle::abort);
                break;
            }
            if let Some(look) = self.looker.answer() {
                look_at = now + SAMPLING.max(look.took);
                let (summary, _) = look.seen.map_err(Stopped::Failed)?;
                seen.add(&summary);
            }
            if now >= look_at {
                self.looker.ask();
            }
            sleep(TICK).await;
        }
        all.add(&shared);
        match shared.ended.get() {
            few if few < 2 * self.in_flight => {
                Err(Stopped::Failed(format!("only {few} requests of a round had an answer within {LONGEST:?}")))
            }
            requests => Ok(requests),
        }
    }

    /// When there are as many goroutines as before for a while.
    async fn settled(&mut self) -> Result<Summary, Stopped> {
        let until = clock::now() + self.settle;
        let (mut count, mut same) = (None, 0);
        loop {
            self.pause(SETTLING).await?;
            let summary = self.look().await?;
            same = if count == Some(summary.user) { same + 1 } else { 1 };
            if same >= SAME || clock::now() > until {
                return Ok(summary);
            }
            count = Some(summary.user);
        }
    }

    /// When all that takes its time must have ended.
    async fn late(&mut self) -> Result<Summary, Stopped> {
        self.pause(self.settle).await?;
        self.look().await
    }

    async fn look(&mut self) -> Result<Summary, Stopped> {
        // One that was asked for before is of before.
        let asked = clock::now();
        loop {
            self.attend()?;
            self.looker.ask();
            match self.looker.answer() {
                Some(look) if look.seen.is_err() || look.at >= asked => {
                    return look.seen.map(|(summary, _)| summary).map_err(Stopped::Failed);
                }
                _ if clock::now() > asked + TOO_LONG => {
                    return Err(Stopped::Failed("a look at its goroutines takes too long".to_owned()));
                }
                _ => sleep(TICK / 5).await,
            }
        }
    }

    async fn pause(&mut self, time: Duration) -> Result<(), Stopped> {
        let until = clock::now() + time;
        while clock::now() < until {
            self.attend()?;
            sleep(TICK).await;
        }
        Ok(())
    }

    fn attend(&mut self) -> Result<(), Stopped> {
        self.init.attend();
        let ended = self.init.code.is_some() || self.init.interrupted.is_some() || !self.init.server_lives();
        if ended { Err(Stopped::Ended) } else { Ok(()) }
    }
}
