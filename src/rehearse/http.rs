//! As much of HTTP/1.1 as a client needs that reads answers to their end and throws them away.

use crate::http::Response;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

/// What a slow client takes at a time, how long it waits between, and how often: it is slow for a second, not for ever.
const SIP: usize = 512;
const BREATH: Duration = Duration::from_millis(100);
const BREATHS: u32 = 10;

/// How a client goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as it can.
    Even,
    /// The request leaves in pieces.
    SendsSlowly,
    /// The answer is read in sips, through a small window.
    ReadsSlowly,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A whole answer; `keep`: the connection can be used again.
    Whole { status: u16, keep: bool },
    /// What came is no HTTP, and why.
    Bad(&'static str),
    /// The connection ended before; `begun`: after a part of the answer; `read`: the server had read the whole request. If it had
    /// not, or had closed before the request came, the kernel would have answered with a reset.
    Broken { begun: bool, read: bool },
}

/// A connection to the server.
pub(super) struct Connection {
    stream: TcpStream,
    pace: Pace,
    breaths: u32,
    /// What came and was not looked at.
    unread: Vec<u8>,
    /// Something came in answer to the request in hand.
    begun: bool,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// `GET /slow`
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// As it is sent; with `close` the last on its connection. A field that the user has named is not named twice.
    pub(super) fn bytes(&self, close: bool) -> Vec<u8> {
        let Request { method, path, host, headers, body } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        let mut field = |name: &str, value: &str| head.extend([name, ": ", value, "\r\n"]);
        for (name, value) in [("Host", host.as_str()), ("User-Agent", "goward-rehearse")] {
            if headers.iter().all(|(other, _)| !other.eq_ignore_ascii_case(name)) {
                field(name, value);
            }
        }
        headers.iter().for_each(|(name, value)| field(name, value));
        if !body.is_empty() {
            field("Content-Length", &body.len().to_string());
        }
        if close {
            field("Connection", "close");
        }
        head.push_str("\r\n");
        [head.as_bytes(), body].concat()
    }
}

/// Connects to the first of the addresses that answers.
pub(super) async fn connect(addresses: &[SocketAddr], pace: Pace) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if pace == Pace::ReadsSlowly {
            // So that what it does not read fills the server's side soon.
            socket.set_recv_buffer_size(4096)?;
        }
        match socket.connect(*address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Connection {
    pub(super) fn new(stream: TcpStream, pace: Pace) -> Connection {
        Connection { stream, pace, breaths: 0, unread: Vec::new(), begun: false }
    }

    /// Whether the server has not closed it in the meantime, or sent what nobody asked for.
    pub(super) fn is_idle(&self) -> bool {
        let nothing = self.stream.try_read(&mut [0]);
        matches!(nothing, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// One request and its answer. `sent` is called when the whole request has left.
    pub(super) async fn exchange(&mut self, method: &str, request: &[u8], sent: impl FnOnce()) -> Answer {
        self.begun = false;
        self.breaths = 0;
        // Where it cannot be sent there may be an answer all the same: 408, 413.
        let whole = self.send(request).await.is_ok();
        if whole {
            sent();
        }
        self.receive(method, whole).await
    }

    async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        if self.pace != Pace::SendsSlowly {
            return self.stream.write_all(request).await;
        }
        for (at, piece) in request.chunks(request.len().div_ceil(4).max(1)).enumerate() {
            if at > 0 {
                sleep(2 * BREATH).await;
            }
            self.stream.write_all(piece).await?;
        }
        Ok(())
    }

    async fn receive(&mut self, method: &str, whole: bool) -> Answer {
        let mut response = Response::to(method);
        loop {
            match response.feed(&self.unread, &mut |_| {}) {
                Ok(used) => drop(self.unread.drain(..used)),
                Err(why) => return Answer::Bad(why),
            }
            let status = response.status().unwrap_or_default();
            if response.is_whole() {
                return Answer::Whole { status, keep: response.keeps() && self.unread.is_empty() };
            }
            match self.more().await {
                Ok(1..) => {}
                // A close is the end of some; a reset is of none.
                Ok(0) if response.closed() => return Answer::Whole { status, keep: false },
                Ok(0) => {
                    let read = whole && matches!(self.stream.take_error(), Ok(None));
                    return Answer::Broken { begun: self.begun, read };
                }
                Err(_) => return Answer::Broken { begun: self.begun, read: false },
            }
        }
    }

    async fn more(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 8192];
        let room = if self.pace == Pace::ReadsSlowly && self.breaths < BREATHS {
            self.breaths += 1;
            sleep(BREATH).await;
            SIP
        } else {
            bytes.len()
        };
        let count = self.stream.read(bytes.get_mut(..room).unwrap_or_default()).await?;
        self.begun |= count > 0;
        self.unread.extend_from_slice(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }
}
