//! Requests, always some in flight, from clients as they are in the world: most keep their connection, some open one each
//! time, some are slow.
//!
//! What counts as lost. A request is *cut* when the server had taken it and the connection ended before the answer was
//! whole. It had taken it when a part of the answer has come, or when the kernel shows that all that was sent has been
//! read. A request that was never read (the connection was refused, dropped with the listener's queue, or closed while it
//! was idle) is not lost: a client asks once more, on a new connection, and so does this one.

use super::http::{self, Answer, Connection, Pace, connect};
use super::outcome::{Counts, Example, Knocks};
use crate::supervisor::Time;
use crate::sys::clock;
use crate::sys::sockets::{Sockets, Tcp};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

/// Between two requests of a client. A handler that takes longer than this always has requests in flight; for one that is
/// quicker more requests would show nothing more, and fill its log.
const THINKING: Duration = Duration::from_millis(5);
/// After a refusal before the signal.
const LATER: Duration = Duration::from_millis(50);
/// So many kinds of failures are told of.
const EXAMPLES: usize = 10;

/// Where requests go, and what they say.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) host: String,
    pub(super) path: String,
}

/// What all clients share. One thread has it.
#[derive(Debug, Default)]
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
    pub(super) knocks: Cell<Knocks>,
    /// Knocks that have had no answer yet.
    pub(super) knocking: Cell<u32>,
}

/// The request that a client has in flight.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// The ends of its connection, the server's and its own.
    ends: Cell<Option<(SocketAddr, SocketAddr)>>,
    /// The whole request has left, and the answer is not there.
    sent: Cell<bool>,
    /// The server has read it.
    taken: Cell<bool>,
    /// A first request has ended.
    pub(super) began: Cell<bool>,
    /// It has given up.
    pub(super) done: Cell<bool>,
}

impl Shared {
    pub(super) fn new(clients: u32) -> Shared {
        Shared { clients: (0..clients).map(|_| Client::default()).collect(), ..Shared::default() }
    }

    /// Milliseconds since the signal; 0 before it.
    pub(super) fn since_signal(&self) -> u64 {
        self.signal.get().map_or(0, |signal| clock::now().saturating_sub(signal).as_millis() as u64)
    }

    /// Looks which requests the server has read by now.
    pub(super) fn look(&self, sockets: &Sockets) {
        let waiting = || self.clients.iter().filter(|client| client.sent.get() && !client.taken.get());
        let ends: Vec<(SocketAddr, SocketAddr)> = waiting().filter_map(|client| client.ends.get()).collect();
        let found = sockets.connections(&ends);
        for client in waiting() {
            let is_its = |socket: &&Tcp| client.ends.get() == Some((socket.local, socket.remote));
            client.taken.set(found.iter().find(is_its).is_some_and(|socket| socket.inode != 0 && socket.unread == 0));
        }
    }

    /// Whether the server is at work for half of the clients.
    pub(super) fn is_busy(&self) -> bool {
        let taken = self.clients.iter().filter(|client| client.sent.get() && client.taken.get()).count();
        2 * taken >= self.clients.len()
    }

    /// The end: what is in flight now will never be answered.
    pub(super) fn close(&self, aims: &[Rc<Aim>]) {
        self.over.set(true);
        for (at, client) in self.clients.iter().enumerate() {
            if client.sent.take() && client.taken.get() {
                let path = aims.get(at % aims.len().max(1)).map(|aim| aim.path.as_str()).unwrap_or_default();
                self.count(|counts| counts.cut += 1);
                self.example(path, "taken, and never answered", None);
            }
        }
    }

    fn count(&self, add: impl FnOnce(&mut Counts)) {
        let cell = if self.signal.get().is_some() { &self.after } else { &self.before };
        let mut counts = cell.get();
        add(&mut counts);
        cell.set(counts);
    }

    fn example(&self, path: &str, what: &'static str, status: Option<u16>) {
        let mut examples = self.examples.borrow_mut();
        let ms = self.signal.get().map(|_| self.since_signal());
        let same = |known: &&mut Example| {
            (known.path.as_str(), known.what, known.status, known.ms.is_some()) == (path, what, status, ms.is_some())
        };
        if let Some(known) = examples.iter_mut().find(same) {
            known.count += 1;
        } else if examples.len() < EXAMPLES {
            examples.push(Example { path: path.to_owned(), what, status, count: 1, ms });
        }
    }

    fn failed(&self, path: &str, what: &'static str, status: Option<u16>) {
        self.count(|counts| counts.failed += 1);
        self.example(path, what, status);
    }

    /// The server did not take a request. Before the signal it must.
    fn not_taken(&self, path: &str, what: &'static str) {
        if self.signal.get().is_some() {
            self.turned_away.set(self.turned_away.get() + 1);
        } else {
            self.failed(path, what, None);
        }
    }
}

/// A client: asks, reads, asks again, until the server takes no more.
pub(super) async fn client(shared: Rc<Shared>, at: usize, aim: Rc<Aim>) {
    let Some(client) = shared.clients.get(at) else { return };
    let close = at % 5 == 2;
    let pace = match at % 5 {
        3 => Pace::ReadsSlowly,
        4 => Pace::SendsSlowly,
        _ => Pace::Even,
    };
    let request = http::get(&aim.host, &aim.path, close);
    let mut kept: Option<Connection> = None;
    while !shared.over.get() {
        let (mut connection, reused) = match kept.take().filter(Connection::is_idle) {
            Some(connection) => (connection, true),
            None => match connect(&aim.addresses, pace).await {
                Ok(stream) => {
                    client.ends.set(stream.peer_addr().ok().zip(stream.local_addr().ok()));
                    (Connection::new(stream, pace), false)
                }
                Err(_) => {
                    shared.not_taken(&aim.path, "the connection was refused");
                    if shared.signal.get().is_some() {
                        break;
                    }
                    sleep(LATER).await;
                    continue;
                }
            },
        };
        client.taken.set(false);
        let answer = connection.exchange(&request, || client.sent.set(true)).await;
        if shared.over.get() {
            break;
        }
        match answer {
            Answer::Whole { status, keep } => {
                // Who reads slowly has it later than it was sent.
                if pace != Pace::ReadsSlowly {
                    shared.last_response.set(Some(clock::now()));
                }
                if status >= 500 {
                    shared.failed(&aim.path, "status", Some(status));
                } else {
                    shared.count(|counts| {
                        counts.completed += 1;
                        counts.rejected += u32::from(status >= 400);
                    });
                }
                kept = (keep && !close).then_some(connection);
            }
            Answer::Bad(why) => shared.failed(&aim.path, why, None),
            Answer::Broken { begun } if begun || client.taken.get() => {
                shared.count(|counts| counts.cut += 1);
                let how = if begun { "cut in the middle of the answer" } else { "taken, and cut before the answer" };
                shared.example(&aim.path, how, None);
            }
            // Closed while it was idle, as this request was on its way: once more, on a new one.
            Answer::Broken { .. } if reused => {}
            Answer::Broken { .. } => shared.not_taken(&aim.path, "closed without an answer"),
        }
        client.sent.set(false);
        client.began.set(true);
        sleep(THINKING).await;
    }
    client.done.set(true);
}
