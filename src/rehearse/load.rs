//! Requests, always some in flight, from clients as they are in the world: most keep their connection, some open one each
//! time, some are slow.
//!
//! What counts as lost. A request is *cut* when the server had taken it and the connection ended before the answer was whole. It
//! had taken it when a part of the answer has come, when the kernel shows that all that was sent has been read, or when the
//! connection ends without a reset. A request that was never read (the connection was refused, dropped with the listener's
//! queue, or closed while it was idle) is not lost: a client asks once more, on a new connection, and so does this one.

use super::aim::{Aim, What};
use super::http::{Answer, Connection, Pace, Request, connect};
use super::load_command::{self, Commands};
use super::outcome::{AtSignal, ConnectionTrials, Counts, Example};
use super::phase::{self, Phase};
use crate::supervisor::Time;
use crate::sys::clock;
use crate::sys::sockets::{Sockets, Tcp};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often everything is looked at. What is told has this grain.
pub(super) const TICK: Duration = Duration::from_millis(5);
/// After a refusal before the signal.
pub(super) const LATER: Duration = Duration::from_millis(50);
/// In a round of `--leaks` a client does not wait longer than this, and one of five hangs up after that: what its handler has started
/// must end all the same.
const PATIENCE: Duration = Duration::from_secs(10);
const IMPATIENCE: Duration = Duration::from_millis(20);
/// So many kinds of failures are told of.
const EXAMPLES: usize = 10;

/// What all clients share. One thread has it.
#[derive(Debug)]
pub(super) struct Shared {
    /// When the stop signal was sent.
    pub(super) signal: Cell<Option<Time>>,
    /// It is over: nobody asks anything more.
    pub(super) over: Cell<bool>,
    pub(super) clients: Vec<Client>,
    pub(super) before: Cell<Counts>,
    pub(super) after: Cell<Counts>,
    pub(super) turned_away: Cell<u32>,
    pub(super) examples: RefCell<Vec<Example>>,
    pub(super) last_response: Cell<Option<Time>>,
    pub(super) trials: Cell<ConnectionTrials>,
    /// Trial connections that have had no answer yet.
    pub(super) open_trials: Cell<u32>,
    /// How many requests may still begin; none: any number, until the server takes no more.
    left: Cell<Option<u32>>,
    /// How many have ended, in whatever way.
    pub(super) ended: Cell<u32>,
    /// The clients that are commands.
    pub(super) commands: Rc<Commands>,
    /// The ports of the server: a connection of a command to one of them is a request.
    pub(super) ports: RefCell<Vec<u16>>,
    /// Commands that went on when the server had gone.
    pub(super) unjudged: Cell<u32>,
    /// When everything was looked at last.
    looked_at: Cell<Option<Time>>,
    /// The longest time after the signal in which nothing was done here: the machine was busy with something else.
    pub(super) stalled: Cell<Duration>,
}

/// A client, and the request that it has in flight.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) aim: Rc<Aim>,
    /// Of five that go to the same place, one is slow to read and one to send, and one opens a connection each time.
    kind: usize,
    /// The ends of its connection, the server's and its own.
    ends: Cell<Option<(SocketAddr, SocketAddr)>>,
    /// Since when the whole request has left, and the answer is not there.
    sent: Cell<Option<Time>>,
    /// The server has read it.
    taken: Cell<bool>,
    /// The command that is the request.
    pid: Cell<Option<i32>>,
    /// A first request has ended.
    pub(super) began: Cell<bool>,
    /// It has given up.
    pub(super) done: Cell<bool>,
}

impl Client {
    fn new(at: usize, aims: &[Rc<Aim>]) -> Option<Client> {
        Some(Client {
            aim: Rc::clone(aims.get(at % aims.len())?),
            kind: at / aims.len() % 5,
            ends: Cell::default(),
            sent: Cell::default(),
            taken: Cell::default(),
            pid: Cell::default(),
            began: Cell::default(),
            done: Cell::default(),
        })
    }

    async fn connect(&self, addresses: &[SocketAddr], pace: Pace) -> Option<Connection> {
        let stream = connect(addresses, pace).await.ok()?;
        self.ends.set(stream.peer_addr().ok().zip(stream.local_addr().ok()));
        Some(Connection::new(stream, pace))
    }

    /// A request is on its way; `pid`: as a run of this command.
    pub(super) fn begin(&self, pid: Option<i32>) {
        if pid.is_some() {
            self.ends.set(None);
        }
        self.pid.set(pid);
        self.taken.set(false);
        self.sent.set(pid.map(|_| clock::now()));
    }

    pub(super) fn end(&self) {
        self.sent.set(None);
        self.pid.set(None);
        self.began.set(true);
    }

    /// How long it waits before each of its requests.
    pub(super) fn pause(&self, at: usize) -> impl FnMut() -> Duration {
        let aim = Rc::clone(&self.aim);
        let (mut asked, mut is_spread) = (0, false);
        move || {
            let usual = aim.usual.get();
            let pause = phase::pause(at, asked, usual, is_spread);
            asked += 1;
            is_spread |= usual.is_some();
            pause
        }
    }

    fn phase(&self, now: Time) -> Phase {
        let since = self.sent.get().filter(|_| self.taken.get()).map(|sent| now.saturating_sub(sent));
        Phase { since, usual: self.aim.usual.get() }
    }
}

impl Shared {
    pub(super) fn new(clients: u32, aims: &[Rc<Aim>], commands: &Rc<Commands>) -> Shared {
        let clients = if aims.is_empty() { 0 } else { clients as usize };
        Shared {
            signal: Cell::default(),
            over: Cell::default(),
            clients: (0..clients).filter_map(|at| Client::new(at, aims)).collect(),
            before: Cell::default(),
            after: Cell::default(),
            turned_away: Cell::default(),
            examples: RefCell::default(),
            last_response: Cell::default(),
            trials: Cell::default(),
            open_trials: Cell::default(),
            left: Cell::default(),
            ended: Cell::default(),
            commands: Rc::clone(commands),
            ports: RefCell::default(),
            unjudged: Cell::default(),
            looked_at: Cell::default(),
            stalled: Cell::default(),
        }
    }

    /// For a round of so many requests.
    pub(super) fn round(&self, clients: u32, requests: u32, aims: &[Rc<Aim>]) -> Shared {
        let ports = self.ports.clone();
        Shared { left: Cell::new(Some(requests)), ports, ..Shared::new(clients, aims, &self.commands) }
    }

    /// Whether a client may begin one more.
    pub(super) fn takes_turn(&self) -> bool {
        match self.left.get() {
            Some(0) => false,
            Some(left) => {
                self.left.set(Some(left - 1));
                true
            }
            None => true,
        }
    }

    /// Adds what has become of the requests of a round.
    pub(super) fn add(&self, round: &Shared) {
        let (one, other) = (self.before.get(), round.before.get());
        self.before.set(Counts {
            completed: one.completed + other.completed,
            rejected: one.rejected + other.rejected,
            failed: one.failed + other.failed,
            cut: one.cut + other.cut,
        });
        round.examples.take().into_iter().for_each(|example| self.add_example(example));
    }

    /// Milliseconds since the signal; 0 before it.
    pub(super) fn since_signal(&self) -> u64 {
        self.signal.get().map_or(0, |signal| clock::now().saturating_sub(signal).as_millis() as u64)
    }

    /// How long nothing was done here since the signal, at most.
    pub(super) fn stalled(&self) -> Duration {
        let Some((signal, last)) = self.signal.get().zip(self.looked_at.get()) else { return Duration::ZERO };
        self.stalled.get().max(clock::now().saturating_sub(last.max(signal)))
    }

    /// It is done again.
    pub(super) fn looks(&self) {
        self.stalled.set(self.stalled());
        self.looked_at.set(Some(clock::now()));
    }

    /// Looks which requests the server has read by now.
    pub(super) fn look(&self, sockets: &Sockets) {
        let waiting = || self.clients.iter().filter(|client| client.sent.get().is_some() && !client.taken.get());
        let commands = || waiting().filter_map(|client| client.pid.get());
        for (pid, socket) in Commands::connections(&commands().collect::<Vec<_>>(), &self.ports.borrow(), sockets) {
            let its = self.clients.iter().filter(|client| client.pid.get() == Some(pid));
            its.for_each(|client| client.ends.set(Some((socket.remote, socket.local))));
        }
        let ends: Vec<(SocketAddr, SocketAddr)> = waiting().filter_map(|client| client.ends.get()).collect();
        let found = sockets.connections(&ends);
        for client in waiting() {
            let is_its = |socket: &&Tcp| client.ends.get() == Some((socket.local, socket.remote));
            client.taken.set(found.iter().find(is_its).is_some_and(|socket| socket.inode != 0 && socket.unread == 0));
        }
    }

    fn phases(&self) -> Vec<Phase> {
        let now = clock::now();
        self.clients.iter().map(|client| client.phase(now)).collect()
    }

    /// Whether the signal is to be sent now, for which it waits since a while.
    pub(super) fn is_the_moment(&self, waited: Duration) -> bool {
        phase::is_the_moment_after(waited, &self.phases())
    }

    /// What the requests have come to as the signal is sent.
    pub(super) fn at_signal(&self) -> AtSignal {
        let phases = self.phases();
        let middle: Vec<&Phase> = phases.iter().filter(|phase| phase.is_in_the_middle()).collect();
        // Where some have never answered, nobody knows what these take.
        let usual = match middle.is_empty() {
            true => phases.iter().filter_map(|phase| phase.usual).max(),
            false => {
                middle.iter().map(|phase| phase.usual).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max())
            }
        };
        AtSignal {
            in_flight: phases.iter().filter(|phase| phase.since.is_some()).count() as u32,
            in_the_middle: middle.len() as u32,
            handler_ms: usual.map(|usual| usual.as_millis() as u64),
        }
    }

    /// The end: what is in flight now will never be answered.
    pub(super) fn close(&self) {
        self.over.set(true);
        for client in &self.clients {
            if client.sent.take().is_none() {
                continue;
            }
            if client.pid.get().is_some() {
                self.unjudged.set(self.unjudged.get() + 1);
            } else if client.taken.get() {
                self.count(|counts| counts.cut += 1);
                self.example(client, "taken, and never answered", None);
            }
        }
    }

    fn count(&self, add: impl FnOnce(&mut Counts)) {
        let cell = if self.signal.get().is_some() { &self.after } else { &self.before };
        let mut counts = cell.get();
        add(&mut counts);
        cell.set(counts);
    }

    fn example(&self, client: &Client, what: &str, status: Option<u16>) {
        let ms = self.signal.get().map(|_| self.since_signal());
        self.add_example(Example { request: client.aim.name.clone(), what: what.to_owned(), status, count: 1, ms });
    }

    fn add_example(&self, example: Example) {
        let mut examples = self.examples.borrow_mut();
        if let Some(known) = examples.iter_mut().find(|known| known.is_as(&example)) {
            known.count += example.count;
        } else if examples.len() < EXAMPLES {
            examples.push(example);
        }
    }

    /// Counts what has become of a request. `reused`: on a connection that had been idle.
    fn account(&self, client: &Client, answer: Answer, reused: bool) {
        // A request that has just come: Go's server may have read it, and close the connection as an idle one, or end before it knows
        // of the connection, all the same. A client asks again.
        let now = clock::now();
        let since = client.sent.get().map(|sent| now.saturating_sub(sent)).unwrap_or_default();
        // Where the machine was busy with something else, that time is in it too.
        let is_fresh = since < client.phase(now).arriving() + self.stalled().saturating_sub(TICK);
        match answer {
            Answer::Whole { status, .. } if status >= 500 => self.failed(client, "status", Some(status)),
            Answer::Whole { status, .. } => self.count(|counts| {
                counts.completed += 1;
                counts.rejected += u32::from(status >= 400);
            }),
            Answer::Bad(why) => self.failed(client, why, None),
            Answer::Broken { begun, read } if begun || !is_fresh && (read && !reused || client.taken.get()) => {
                self.count(|counts| counts.cut += 1);
                let how = if begun { "cut in the middle of the answer" } else { "taken, and cut before the answer" };
                self.example(client, how, None);
            }
            // Closed while it was idle, as this request was on its way: once more, on a new one.
            Answer::Broken { .. } if reused => {}
            Answer::Broken { .. } => self.not_taken(client, "closed without an answer"),
        }
    }

    /// Counts what has become of a run of a command. Where no port is known its connections cannot be told from others.
    pub(super) fn account_run(&self, client: &Client, code: u8) {
        self.ended.set(self.ended.get() + 1);
        let is_lost = client.taken.get() || self.signal.get().is_none() || self.began_before_signal(client);
        match code {
            0 => {
                if let Some(sent) = client.sent.get() {
                    client.aim.learn(clock::now().saturating_sub(sent));
                }
                self.last_response.set(Some(clock::now()));
                self.count(|counts| counts.completed += 1);
            }
            _ if is_lost => self.failed(client, "exit code", Some(code.into())),
            _ => self.turned_away.set(self.turned_away.get() + 1),
        }
    }

    fn began_before_signal(&self, client: &Client) -> bool {
        self.ports.borrow().is_empty() && client.sent.get() < self.signal.get()
    }

    pub(super) fn failed(&self, client: &Client, what: &str, status: Option<u16>) {
        self.count(|counts| counts.failed += 1);
        self.example(client, what, status);
    }

    /// The server did not take a request. Before the signal it must.
    fn not_taken(&self, client: &Client, what: &str) {
        if self.signal.get().is_some() {
            self.turned_away.set(self.turned_away.get() + 1);
        } else {
            self.failed(client, what, None);
        }
    }
}

/// A client: asks, reads, asks again, until the server takes no more.
pub(super) async fn client(shared: Rc<Shared>, at: usize) {
    let Some(client) = shared.clients.get(at) else { return };
    let aim = Rc::clone(&client.aim);
    match &aim.what {
        What::Requests { addresses, request } => requests(&shared, at, client, (addresses, request)).await,
        What::Command(words) => load_command::client(&shared, at, words).await,
    }
}

/// How a client goes about it, and how long it waits for an answer.
fn habits(kind: usize, in_round: bool) -> (Pace, Duration) {
    match kind {
        4 if in_round => (Pace::Even, IMPATIENCE),
        // Whoever is slow only makes a round longer.
        _ if in_round => (Pace::Even, PATIENCE),
        3 => (Pace::ReadsSlowly, Duration::MAX),
        4 => (Pace::SendsSlowly, Duration::MAX),
        _ => (Pace::Even, Duration::MAX),
    }
}

async fn requests(shared: &Shared, at: usize, client: &Client, (addresses, request): (&[SocketAddr], &Request)) {
    let close = client.kind == 2;
    let in_round = shared.left.get().is_some();
    let (pace, patience) = habits(client.kind, in_round);
    let bytes = request.bytes(close);
    let mut kept: Option<Connection> = None;
    let mut pause = client.pause(at);
    while !shared.over.get() && shared.takes_turn() {
        sleep(if in_round { phase::THINKING } else { pause() }).await;
        let (mut connection, reused) = match kept.take().filter(Connection::is_idle) {
            Some(connection) => (connection, true),
            None => match client.connect(addresses, pace).await {
                Some(connection) => (connection, false),
                None => {
                    shared.not_taken(client, "the connection was refused");
                    if shared.signal.get().is_some() {
                        break;
                    }
                    sleep(LATER).await;
                    continue;
                }
            },
        };
        client.begin(None);
        let exchange = connection.exchange(&request.method, &bytes, || client.sent.set(Some(clock::now())));
        let answer = timeout(patience, exchange).await;
        shared.ended.set(shared.ended.get() + 1);
        if shared.over.get() {
            break;
        }
        let Ok(answer) = answer else {
            if patience > IMPATIENCE {
                shared.failed(client, "no answer within 10 s", None);
            }
            client.sent.set(None);
            continue;
        };
        let keep = matches!(answer, Answer::Whole { keep: true, .. });
        // Who reads slowly has it later than it was sent.
        if let (Answer::Whole { .. }, false, Some(sent)) = (answer, pace == Pace::ReadsSlowly, client.sent.get()) {
            client.aim.learn(clock::now().saturating_sub(sent));
            shared.last_response.set(Some(clock::now()));
        }
        shared.account(client, answer, reused);
        kept = (keep && !close).then_some(connection);
        client.end();
    }
    client.done.set(true);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::outcome::Run;
    use super::*;
    use crate::sys::mask::Mask;

    /// A request that was sent so long ago, which the server has read, and whose connection it has ended without an answer.
    fn cut(sent: Duration, looked: Duration) -> u32 {
        let request = Request {
            method: "GET".to_owned(),
            host: String::new(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let aims = [Aim::of_request(Vec::new(), request)];
        let shared = Shared::new(1, &aims, &Rc::new(Commands::new(Mask::empty())));
        let now = clock::now();
        shared.signal.set(Some(now.saturating_sub(Duration::from_secs(1))));
        shared.looked_at.set(Some(now.saturating_sub(looked)));
        let client = shared.clients.first().unwrap();
        client.sent.set(Some(now.saturating_sub(sent)));
        client.taken.set(true);
        shared.account(client, Answer::Broken { begun: false, read: true }, false);
        shared.after.get().cut
    }

    #[test]
    fn a_request_that_had_just_come_is_not_cut_though_the_clients_had_no_processor() {
        let ms = Duration::from_millis;
        assert_eq!((cut(ms(1), ms(1)), cut(ms(15), ms(1)), cut(ms(200), ms(1))), (0, 1, 1));
        assert_eq!((cut(ms(70), ms(1)), cut(ms(70), ms(80)), cut(ms(200), ms(80))), (1, 0, 1));
    }

    #[test]
    fn what_stood_still_is_known_until_the_end() {
        let shared = Shared::new(0, &[], &Rc::new(Commands::new(Mask::empty())));
        let before = |ms| Some(clock::now().saturating_sub(Duration::from_millis(ms)));
        shared.looked_at.set(before(500));
        assert_eq!(shared.stalled(), Duration::ZERO, "before the signal");
        shared.signal.set(before(400));
        shared.looks();
        assert!(shared.stalled() >= Duration::from_millis(400) && shared.stalled() < Duration::from_millis(490));
    }

    #[test]
    fn a_quarter_of_the_handlers_time_is_too_long_to_stand_still() {
        let stood_still = |handler_ms, stalled_ms| {
            let at_signal = Some(AtSignal { handler_ms, ..AtSignal::default() });
            Run { at_signal, stalled_ms, ..Run::default() }.stood_still()
        };
        assert!(stood_still(Some(200), 50) && !stood_still(Some(200), 49));
        assert!(stood_still(Some(50), 20) && !stood_still(Some(50), 19));
        assert!(!stood_still(Some(5), 500) && !stood_still(None, 500), "no handler has a middle that is known");
    }
}
