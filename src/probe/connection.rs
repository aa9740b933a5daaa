//! A connection to the first of several addresses that takes one, without ever waiting.

use super::Notice;
use crate::sys::signal_io;
use crate::target::Endpoint;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, UnixAddr, connect, getsockopt,
    recv, send, socket, sockopt,
};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// What is read at a time; then something else may go before.
const PIECE: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    /// What is still to be tried.
    addresses: Vec<Address>,
    stage: Stage,
    notice: Notice,
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
enum Stage {
    Nothing,
    Connecting(OwnedFd),
    Connected(OwnedFd),
}

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard<'a> {
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
        };
        Connection { addresses, stage: Stage::Nothing, notice, buffer: Vec::new(), failure: None }
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.stage, Stage::Connected(_))
    }

    /// Sends what is in `out`, and takes it out. Whether all of it has left, on a connection that stands.
    ///
    /// # Errors
    /// No address takes a connection: a sentence.
    pub(super) fn send(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        if !self.connect()? {
            return Ok(false);
        }
        let Stage::Connected(fd) = &self.stage else { return Ok(false) };
        while !out.is_empty() {
            match send(fd.as_raw_fd(), out, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
                Ok(count) => drop(out.drain(..count)),
                Err(Errno::EINTR) => {}
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
    pub(super) fn receive(&mut self) -> Result<Heard<'_>, String> {
        let Stage::Connected(fd) = &self.stage else { return Ok(Heard::Nothing) };
        self.buffer.resize(PIECE, 0);
        loop {
            return match recv(fd.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => Ok(Heard::End),
                Ok(count) => Ok(Heard::Bytes(self.buffer.get(..count).unwrap_or_default())),
                Err(Errno::EAGAIN) => Ok(Heard::Nothing),
                Err(Errno::EINTR) => continue,
                Err(errno) => Err(words(errno)),
            };
        }
    }

    /// Whether there is a connection now.
    fn connect(&mut self) -> Result<bool, String> {
        loop {
            match &self.stage {
                Stage::Connected(_) => return Ok(true),
                Stage::Connecting(fd) => match settled(fd) {
                    None => return Ok(false),
                    Some(Ok(())) => {
                        if let Stage::Connecting(fd) = std::mem::replace(&mut self.stage, Stage::Nothing) {
                            self.stage = Stage::Connected(fd);
                        }
                    }
                    Some(Err(errno)) => self.failed(errno),
                },
                Stage::Nothing => {
                    let Some(address) = self.addresses.last() else {
                        return Err(self.failure.take().unwrap_or_else(|| "no address".to_owned()));
                    };
                    match address.open(self.notice) {
                        Ok((fd, true)) => self.stage = Stage::Connected(fd),
                        Ok((fd, false)) => self.stage = Stage::Connecting(fd),
                        // A Unix socket whose queue is full; nobody tells when it no longer is.
                        Err(Errno::EAGAIN) => return Ok(false),
                        Err(Errno::EINTR) => {}
                        Err(errno) => self.failed(errno),
                    }
                }
            }
        }
    }

    /// The next address, if there is one. The first failure is told: localhost is 127.0.0.1 for most.
    fn failed(&mut self, errno: Errno) {
        self.stage = Stage::Nothing;
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

    /// A connection, or one that is under way.
    fn open(&self, notice: Notice) -> nix::Result<(OwnedFd, bool)> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        match self {
            Address::Tcp(SocketAddr::V4(address)) => {
                let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
                begin(fd, &SockaddrIn::from(*address), notice)
            }
            Address::Tcp(SocketAddr::V6(address)) => {
                let fd = socket(AddressFamily::Inet6, SockType::Stream, flags, None)?;
                begin(fd, &SockaddrIn6::from(*address), notice)
            }
            Address::Unix(path) => {
                let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
                let address = match path.as_os_str().as_bytes() {
                    [b'@', name @ ..] => UnixAddr::new_abstract(name)?,
                    path => UnixAddr::new(path)?,
                };
                begin(fd, &address, notice)
            }
        }
    }
}

fn begin(fd: OwnedFd, address: &dyn SockaddrLike, notice: Notice) -> nix::Result<(OwnedFd, bool)> {
    if notice == Notice::Signal {
        // Without, the owner looks from time to time.
        let _ = signal_io::announce(&fd);
    }
    match connect(fd.as_raw_fd(), address) {
        Ok(()) => Ok((fd, true)),
        Err(Errno::EINPROGRESS) => Ok((fd, false)),
        Err(errno) => Err(errno),
    }
}

/// How a connection under way has ended; none: it has not.
fn settled(fd: &OwnedFd) -> Option<nix::Result<()>> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
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

fn words(errno: Errno) -> String {
    match errno {
        Errno::ECONNREFUSED => "connection refused (nobody listens there)".to_owned(),
        Errno::ECONNRESET | Errno::EPIPE => "the connection was reset".to_owned(),
        errno => errno.desc().to_lowercase(),
    }
}
