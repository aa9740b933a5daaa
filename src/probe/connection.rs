//! A connection to the first of several addresses that takes one, without ever waiting.

use super::Notice;
use crate::sys::rights::{self, Stream};
use crate::sys::{clock, signal_io, sockets, uninterrupted};
use crate::target::Endpoint;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, UnixAddr, connect, getsockopt,
    recv, send, setsockopt, socket, sockopt,
};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// What is read at a time; then something else may go before.
const PIECE: usize = 16 * 1024;

/// How long to wait where nobody tells.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Connection {
    /// What is still to be tried.
    addresses: Vec<Address>,
    stage: State,
    notice: Notice,
    /// The kernel tells of what happens next.
    announced: bool,
    buffer: Vec<u8>,
    /// Why the last address did not work.
    failure: Option<String>,
}

#[derive(Debug)]
enum Address {
    Tcp(SocketAddr),
    Unix(std::path::PathBuf),
}

#[derive(Debug)]
enum State {
    Nothing,
    Connecting(OwnedFd),
    Connected(Socket),
}

/// What is connected. Over a Unix socket the other side could send descriptors along.
#[derive(Debug)]
enum Socket {
    Tcp(OwnedFd),
    Unix(Stream),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(fd) => fd.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
        }
    }
}

/// What came on the connection.
#[derive(Debug)]
pub(super) enum Received<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// The other side will say no more.
    End,
}

impl Connection {
    pub(super) fn new(at: &Endpoint, notice: Notice) -> Connection {
        let addresses = match at {
            Endpoint::Tcp(addresses) => addresses.iter().rev().map(|address| Address::Tcp(*address)).collect(),
            Endpoint::Unix(path) => vec![Address::Unix(path.clone())],
            // It has been looked up before.
            Endpoint::Name(..) => Vec::new(),
        };
        Connection { addresses, stage: State::Nothing, notice, announced: false, buffer: Vec::new(), failure: None }
    }

    /// Begins again, at another endpoint.
    pub(super) fn restart(&mut self, at: &Endpoint) {
        *self = Connection::new(at, self.notice);
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.stage, State::Connected(_))
    }

    /// Sends what is in `out`, and takes it out. Whether all of it has left, on a connection that stands.
    ///
    /// # Errors
    /// No address takes a connection: a sentence.
    pub(super) fn send(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        if !self.connect()? {
            return Ok(false);
        }
        let State::Connected(fd) = &self.stage else { return Ok(false) };
        while !out.is_empty() {
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            match uninterrupted(|| send(fd.as_fd().as_raw_fd(), out, flags)) {
                Ok(count) => drop(out.drain(..count)),
                Err(Errno::EAGAIN) => return Ok(false),
                // The answer may lie there already.
                Err(_) => out.clear(),
            }
        }
        Ok(true)
    }

    /// What has come, or a piece of it.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn receive(&mut self) -> Result<Received<'_>, String> {
        let State::Connected(socket) = &self.stage else { return Ok(Received::Nothing) };
        self.buffer.resize(PIECE, 0);
        let read = match socket {
            Socket::Tcp(fd) => uninterrupted(|| recv(fd.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT)),
            Socket::Unix(stream) => rights::read(stream, &mut self.buffer),
        };
        match read {
            Ok(0) => Ok(Received::End),
            Ok(count) => Ok(Received::Bytes(self.buffer.get(..count).unwrap_or_default())),
            Err(Errno::EAGAIN) => Ok(Received::Nothing),
            Err(Errno::EBADMSG) => Err("the response came with file descriptors".to_owned()),
            Err(errno) => Err(words(errno)),
        }
    }

    /// Waits until something may have happened; `sends` says that there is still something to be sent.
    pub(super) fn wait(&self, sends: bool) {
        let (fd, events) = match &self.stage {
            State::Connecting(fd) => (fd.as_fd(), PollFlags::POLLOUT),
            State::Connected(socket) if sends => (socket.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT),
            State::Connected(socket) => (socket.as_fd(), PollFlags::POLLIN),
            // The queue of a Unix socket is full.
            State::Nothing => return clock::nap(PAUSE),
        };
        if poll(&mut [PollFd::new(fd, events)], PollTimeout::NONE).is_err() {
            clock::nap(PAUSE);
        }
    }

    /// Whether there is a connection now.
    fn connect(&mut self) -> Result<bool, String> {
        loop {
            match &self.stage {
                State::Connected(_) => return Ok(true),
                State::Connecting(fd) => match settled(fd) {
                    None => return Ok(false),
                    Some(Ok(())) if is_own_end(fd) => self.failed(Errno::ECONNREFUSED),
                    Some(Ok(())) => {
                        if let State::Connecting(fd) = std::mem::replace(&mut self.stage, State::Nothing) {
                            // Only TCP's take time.
                            self.stage = State::Connected(Socket::Tcp(fd));
                        }
                    }
                    Some(Err(errno)) => self.failed(errno),
                },
                State::Nothing => {
                    let Some(address) = self.addresses.last() else {
                        return Err(self.failure.take().unwrap_or_else(|| "no address".to_owned()));
                    };
                    match uninterrupted(|| address.open(self.notice, &mut self.announced)) {
                        Ok((fd, true)) if is_own_end(&fd) => self.failed(Errno::ECONNREFUSED),
                        Ok((fd, true)) => self.stage = State::Connected(address.socket(fd)),
                        Ok((fd, false)) => self.stage = State::Connecting(fd),
                        // A Unix socket whose queue is full; nobody tells when it no longer is.
                        Err(Errno::EAGAIN) => {
                            self.announced = false;
                            return Ok(false);
                        }
                        Err(errno) => self.failed(errno),
                    }
                }
            }
        }
    }

    /// The next address, if there is one. The first failure is told: localhost is 127.0.0.1 for most.
    fn failed(&mut self, errno: Errno) {
        self.stage = State::Nothing;
        if let Some(address) = self.addresses.pop() {
            self.failure.get_or_insert_with(|| format!("{}: {}", address.shown(), words(errno)));
        }
    }
}

impl Address {
    fn shown(&self) -> String {
        match self {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => path.display().to_string(),
        }
    }

    fn socket(&self, fd: OwnedFd) -> Socket {
        match self {
            Address::Tcp(_) => Socket::Tcp(fd),
            Address::Unix(_) => Socket::Unix(fd.into()),
        }
    }

    /// A connection, or one that is under way.
    fn open(&self, notice: Notice, announced: &mut bool) -> nix::Result<(OwnedFd, bool)> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        match self {
            Address::Tcp(SocketAddr::V4(address)) => {
                let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
                begin(fd, &SockaddrIn::from(*address), notice, announced)
            }
            Address::Tcp(SocketAddr::V6(address)) => {
                let fd = socket(AddressFamily::Inet6, SockType::Stream, flags, None)?;
                begin(fd, &SockaddrIn6::from(*address), notice, announced)
            }
            Address::Unix(path) => {
                let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
                rights::keep_in_line(&fd);
                let address = match path.as_os_str().as_bytes() {
                    [b'@', name @ ..] => UnixAddr::new_abstract(name)?,
                    path => UnixAddr::new(path)?,
                };
                begin(fd, &address, notice, announced)
            }
        }
    }
}

fn begin(
    fd: OwnedFd,
    address: &dyn SockaddrLike,
    notice: Notice,
    announced: &mut bool,
) -> nix::Result<(OwnedFd, bool)> {
    *announced = notice == Notice::Signal && signal_io::announce(&fd).is_ok();
    match connect(fd.as_raw_fd(), address) {
        Ok(()) => Ok((fd, true)),
        Err(Errno::EINPROGRESS) => Ok((fd, false)),
        Err(errno) => Err(errno),
    }
}

/// How a connection under way has ended; none: it has not.
fn settled(fd: &OwnedFd) -> Option<nix::Result<()>> {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(match getsockopt(fd, sockopt::SocketError) {
            Ok(0) => Ok(()),
            Ok(code) => Err(Errno::from_raw(code)),
            Err(errno) => Err(errno),
        }),
    }
}

/// Whether a connection is one of the socket with itself. What is closed now leaves the port free at once, for the server that is to
/// come.
fn is_own_end(fd: &OwnedFd) -> bool {
    let is_own = sockets::is_own_end(fd);
    if is_own {
        let _ = setsockopt(fd, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
    }
    is_own
}

fn words(errno: Errno) -> String {
    match errno {
        Errno::ECONNREFUSED => "connection refused (nothing listens there)".to_owned(),
        Errno::ECONNRESET | Errno::EPIPE => "the connection was reset".to_owned(),
        errno => errno.desc().to_ascii_lowercase(),
    }
}
