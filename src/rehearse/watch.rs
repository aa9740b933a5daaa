//! A rehearsal from ready to the end: the load, the moment of the stop signal, and everything that is looked at after it.

use super::aim::{self, Aim, Requests};
use super::connection_trial;
use super::init_process::InitProcess;
use super::leaks::Leaks;
use super::load::{self, Shared, TICK};
use super::load_command::{self, Commands};
use super::looker::{Looker, Seen};
use super::outcome::{AtSignal, End, Listener, Run};
use super::rounds::Rounds;
use super::waits::Waits;
use super::{MEANWHILE, SECOND, SETTLE, SHARE, TRIAL_INTERVAL, World, begin, port};
use crate::config::{Load, Ready, Rehearsal};
use crate::supervisor::{Rung, Time};
use crate::sys::clock;
use crate::sys::sockets::{State, Tcp};
use crate::target::Target;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// So many trial connections may be out at once: each costs the server a connection.
const MOST_TRIALS: u32 = 20;
/// How often the server's goroutines are looked at after the signal.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The init leaves inside --stop-timeout; one that does not, however long after, is ended.
const GRACE: Duration = Duration::from_secs(3);
/// At most this long for the first answers, from which the duration of the handlers is learned.
const LEARNING: Duration = Duration::from_secs(3);

/// From ready to the end.
pub(super) struct Watch {
    started: Time,
    ready: Time,
    /// When the load began that the signal meets.
    begun: Time,
    listeners: Vec<Listener>,
    /// What there was to choose between the ports.
    ports_told: Vec<String>,
    /// Where new connections are tried.
    addresses: Vec<SocketAddr>,
    http: bool,
    aims: Vec<Rc<Aim>>,
    shared: Rc<Shared>,
    looker: Looker,
    waits: Waits,
    /// The goroutines as they were before the signal.
    before: Option<Vec<Seen>>,
    /// When they are looked at again.
    goroutines_at: Time,
    /// When a new connection is tried again.
    trial_at: Time,
    leaks: Option<Leaks>,
    /// Since when the signal is due.
    due: Option<Time>,
    /// When the init was asked to stop the server. With --drain the server hears of it later.
    stop_begun: Option<Time>,
    /// What the requests had come to as the signal was sent.
    at_signal: Option<AtSignal>,
    /// Connections that the server had accepted and not closed, as last seen.
    open: Option<u32>,
}

impl Watch {
    /// Finds out where the load goes.
    pub(super) async fn new(
        (init, plan, world): (&mut InitProcess, &Rehearsal, &World),
        mut listeners: Vec<Listener>,
        (started, ready): (Time, Time),
    ) -> Watch {
        let requests = Requests { request: &plan.request, body: &world.body };
        let (places, ports_told) = if port::is_wanted(plan) {
            port::for_each_path(&requests, (init, plan, world), &mut listeners).await
        } else {
            (vec![(Vec::new(), String::new()); plan.load.len()], Vec::new())
        };
        let aims: Vec<Rc<Aim>> = plan.load.iter().zip(&places).map(|(load, at)| requests.aim(load, at)).collect();
        let path_at = plan.load.iter().zip(places).find(|(load, _)| matches!(load, Load::Path(_)));
        let (addresses, _) = path_at.map_or_else(|| aim::main_address(&plan.ready, &listeners), |(_, at)| at);
        let http =
            matches!(plan.ready, Ready::Target(Target::Http(_))) || aims.iter().any(|aim| aim.goes_to(&addresses));
        let shared = Rc::new(Shared::new(plan.in_flight, &aims, &init.commands));
        let looker = Looker::start(init.server.unwrap_or_default(), super::stderr_capture::program(plan));
        Watch {
            started,
            ready,
            begun: clock::now(),
            listeners,
            ports_told,
            addresses,
            http,
            aims,
            shared,
            looker,
            waits: Waits::default(),
            before: None,
            goroutines_at: Time::ZERO,
            trial_at: Time::ZERO,
            leaks: None,
            due: None,
            stop_begun: None,
            at_signal: None,
            open: None,
        }
    }

    /// Looks for what a load leaves behind, if that is wanted. Whether that was all.
    pub(super) async fn look_for_leaks(&mut self, init: &mut InitProcess, plan: &Rehearsal) -> bool {
        let Some(wanted) = plan.leaks else { return false };
        self.tell_ports();
        let (aims, in_flight) = (&self.aims, plan.in_flight);
        let rounds = Rounds { init, looker: &mut self.looker, aims, in_flight, settle: wanted.settle };
        self.leaks = Some(rounds.run(&self.shared).await);
        self.begun = clock::now();
        !wanted.then_stop
    }

    fn tell_ports(&self) {
        self.shared.ports.replace(self.listeners.iter().map(|listener| listener.address.port()).collect());
    }

    /// From now on requests are in flight.
    pub(super) fn begin_load(&self) {
        self.tell_ports();
        for at in 0..self.shared.clients.len() {
            begin(load::client(Rc::clone(&self.shared), at));
        }
    }

    /// Waits, and does what is due, until the init has ended.
    pub(super) async fn until_the_end(&mut self, init: &mut InitProcess, plan: &Rehearsal, world: &World) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_at = Time::ZERO;
        let ladder = plan.settings.policy.ladder;
        let longest = ladder.map(|ladder| ladder.timeout()).unwrap_or_default() + GRACE;
        let drain = ladder.map(|ladder| ladder.at(Rung::Ask)).unwrap_or_default();
        loop {
            ticks.tick().await;
            self.shared.looks();
            init.attend();
            if init.code.is_some() {
                return;
            }
            let now = clock::now();
            if now >= look_at {
                self.look(init, world);
                look_at = now + SHARE * clock::now().saturating_sub(now);
            }
            let begins = self.stop_begun.is_none() && init.interrupted.is_none() && self.is_time(plan, now);
            match self.stop_begun {
                None if begins => {
                    init.find_listeners(world, &mut self.listeners);
                    if drain.is_zero() {
                        self.signal_is_sent(world);
                    }
                    self.stop_begun = Some(clock::now());
                    init.stop();
                }
                None => {}
                Some(begun) if now > begun + longest => init.kill(),
                // A little early, so that nothing that the signal does counts as before it.
                Some(begun) if self.at_signal.is_none() && now + TICK >= begun + drain && init.server_lives() => {
                    self.signal_is_sent(world);
                }
                Some(_) if self.at_signal.is_some() => self.try_connection(now),
                Some(_) => {}
            }
            self.look_at_goroutines(init, now);
        }
    }

    /// A new connection, from time to time.
    fn try_connection(&mut self, now: Time) {
        if now >= self.trial_at && self.shared.open_trials.get() < MOST_TRIALS && !self.addresses.is_empty() {
            self.trial_at = now + TRIAL_INTERVAL;
            begin(connection_trial::run(Rc::clone(&self.shared), self.addresses.clone(), self.http));
        }
    }

    /// The zero of all times that are told of.
    fn signal_is_sent(&mut self, world: &World) {
        self.shared.look(&world.sockets);
        self.at_signal = Some(self.shared.at_signal());
        self.shared.signal.set(Some(clock::now()));
        self.goroutines_at = clock::now();
    }

    /// Where the server's own code is: as it was last seen before the signal, and from then on.
    fn look_at_goroutines(&mut self, init: &InitProcess, now: Time) {
        let signal = self.shared.signal.get();
        if let Some(look) = self.looker.answer() {
            self.goroutines_at = (look.at + LOOK_INTERVAL).max(now + SHARE * look.took);
            let mut all = look.started;
            match (look.seen.map(|server| all.insert(0, server)), signal.and_then(|signal| look.at.checked_sub(signal)))
            {
                (Ok(()), Some(since)) => {
                    if let Some(mut before) = self.before.take() {
                        // What holds up a stop that has not begun is not asked.
                        before.iter_mut().for_each(|(_, findings)| findings.clear());
                        self.waits.add(0, &before);
                    }
                    self.waits.add(since.as_millis() as u64, &all);
                }
                (Ok(()), None) => self.before = Some(all),
                (Err(why), since) => {
                    self.goroutines_at = now + SECOND;
                    // One that has ended has nothing to show.
                    if since.is_some() && init.server_lives() {
                        self.waits.failed.get_or_insert(why);
                    }
                }
            }
        }
        if now >= self.goroutines_at {
            self.looker.ask();
        }
    }

    /// Whether the signal is due. Where there are clients, they are given a moment to have requests in flight.
    fn is_time(&mut self, plan: &Rehearsal, now: Time) -> bool {
        let passed = now.saturating_sub(self.begun);
        let due = match plan.after {
            Some(after) => passed >= after,
            None if plan.ready == Ready::AtOnce || passed < SETTLE => passed >= SECOND,
            None => {
                let clients = &self.shared.clients;
                let each_began = passed >= SECOND || clients.iter().all(|client| client.began.get());
                let learned = clients.iter().all(|client| client.aim.usual.get().is_some());
                each_began && (learned || passed >= LEARNING)
            }
        };
        if !due {
            return false;
        }
        let since = *self.due.get_or_insert(now);
        self.shared.is_the_moment(now.saturating_sub(since))
    }

    /// What the requests in flight have come to; after the signal, which listeners are closed and who is still inside.
    fn look(&mut self, init: &InitProcess, world: &World) {
        self.shared.look(&world.sockets);
        let since = self.shared.since_signal();
        if self.shared.signal.get().is_none() || self.listeners.is_empty() {
            return;
        }
        let listening = world.sockets.all(State::Listening);
        let inside = |socket: &&Tcp| {
            socket.inode != 0 && self.listeners.iter().any(|listener| listener.address.port() == socket.local.port())
        };
        let open = world.sockets.all(State::Established).iter().filter(inside).count() as u32;
        // What has ended with the server it did not close.
        if init.server_lives() {
            if since >= MEANWHILE {
                self.open = Some(open);
            }
            let closed = |listener: &&mut Listener| listening.iter().all(|socket| socket.inode != listener.inode);
            for listener in self.listeners.iter_mut().filter(closed) {
                listener.closed_ms.get_or_insert(since);
            }
        }
    }

    /// Everybody has gone; the clients need a moment to see it.
    pub(super) async fn settle(&self, init: &mut InitProcess) {
        let commands: &Commands = &self.shared.commands;
        let patience = if commands.any_runs() { load_command::LONGER } else { 4 * TRIAL_INTERVAL };
        let until = clock::now() + patience;
        while clock::now() < until
            && (self.shared.open_trials.get() > 0 || self.shared.clients.iter().any(|client| !client.done.get()))
        {
            init.attend();
            self.shared.looks();
            sleep(TICK).await;
        }
        self.shared.close();
        load_command::finish(commands, &mut || init.attend()).await;
    }

    pub(super) fn run(self, init: &mut InitProcess) -> Run {
        let shared = &self.shared;
        let signal = shared.signal.get();
        let since = |from: Time, to: Time| to.saturating_sub(from).as_millis() as u64;
        Run {
            ready_ms: since(self.started, self.ready),
            signal_after_ms: signal.map(|signal| since(self.ready, signal)),
            at_signal: self.at_signal,
            listeners: self.listeners,
            ports_told: self.ports_told,
            stalled_ms: shared.stalled.get().as_millis() as u64,
            unjudged: shared.unjudged.get(),
            before: shared.before.get(),
            after: shared.after.get(),
            turned_away: shared.turned_away.get(),
            examples: shared.examples.take(),
            last_response_ms: signal
                .zip(shared.last_response.get())
                .filter(|(signal, last)| last >= signal)
                .map(|(signal, last)| since(signal, last)),
            trials: shared.trials.get(),
            open: self.open,
            end: init.end.take().map(End::since_signal),
            waits: self.waits,
            leaks: self.leaks,
            ..Run::default()
        }
    }
}
