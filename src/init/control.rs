//! Where `goward status` and `goward dump` ask: two abstract sockets, named after the PID namespace and the init's pid, so that
//! two containers of a pod never meet. Nothing is read from them: whoever connects, and is root or the same user, of this PID
//! namespace, is told all at once (`report.rs`), or is handed the server's memory (`evidence.rs`), and that is all. Who has an
//! order to give (`orders.rs`) has it in the name of the socket that he connects from.
//!
//! Anybody in the network namespace can take a name before goward does, and can connect. So the client (`client.rs`) looks for
//! every name that begins like this one, believes the kernel's word for who listens there, and waits for its turn.

use super::Init;
use super::orders::Instruction;
use crate::sys::rights::Stream;
use crate::sys::unix::Peer;
use crate::sys::{process, rights, signal_io, uninterrupted, unix};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// So many at once; then signals come first.
const BATCH: usize = 16;

/// So many may wait until they can be closed; then no more are taken.
const UNCLOSED: usize = 8;

/// What an init is asked for, by which of its sockets one connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// How the server is.
    Status,
    /// The server's memory.
    Memory,
}

impl Socket {
    /// How the names of all inits' sockets begin, without the NUL before it. The number of the PID namespace follows, a slash and
    /// the pid; and where somebody has taken that name already, another slash and a number that nobody can have known before.
    pub fn prefix(self) -> &'static str {
        match self {
            Socket::Status => "goward/",
            Socket::Memory => "goward-memory/",
        }
    }

    /// The name that the init with this pid has first.
    pub fn name(self, pid: i32) -> String {
        format!("{}{}/{pid}", self.prefix(), unix::pid_namespace())
    }
}

/// One of the sockets.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Control {
    pub(super) fn new(socket: Socket, pid: i32) -> nix::Result<Control> {
        let name = socket.name(pid);
        let fd = match (unix::listener(&name), unix::unpredictable()) {
            (Err(Errno::EADDRINUSE), Some(number)) => unix::listener(&format!("{name}/{number:016x}")),
            (result, _) => result,
        }?;
        signal_io::announce(&fd)?;
        Ok(Control(fd))
    }

    /// Answers who waits. True: there may be more.
    ///
    /// # Errors
    /// accept(2) was refused: who waits still does.
    pub(super) fn answer(&self, answer: &mut dyn FnMut(Stream, Peer)) -> nix::Result<bool> {
        let own = nix::unistd::geteuid().as_raw();
        for _ in 0..BATCH {
            if rights::unclosed() >= UNCLOSED {
                return Ok(false);
            }
            match uninterrupted(|| unix::accept(&self.0)) {
                Ok((connection, peer))
                    if (peer.uid == own || peer.uid == 0) && process::is_of_this_namespace(peer.pid) =>
                {
                    answer(connection, peer);
                }
                Ok(_) | Err(Errno::ECONNABORTED) => {}
                Err(Errno::EAGAIN) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
        Ok(true)
    }
}

impl Init {
    /// Answers whoever asks. True: there may be more who do.
    ///
    /// # Errors
    /// As accept(2).
    pub(super) fn answer(&mut self) -> nix::Result<bool> {
        // It fits into the socket's buffer; who does not read it has lost it.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let mut orders = Vec::new();
        let mut tell = |connection: Stream, peer| match unix::name_of_peer(&connection).and_then(Instruction::of_name) {
            Some(instruction) => orders.push((connection, peer, instruction)),
            None => drop(send(connection.as_fd().as_raw_fd(), self.report().as_bytes(), flags)),
        };
        let more = self.control.as_ref().map_or(Ok(false), |control| control.answer(&mut tell))?;
        for (connection, peer, instruction) in orders {
            let answer = match self.obey(instruction, peer) {
                Ok(done) => format!("+{done}"),
                Err(why) => format!("-{why}"),
            };
            let _ = send(connection.as_fd().as_raw_fd(), answer.as_bytes(), flags);
        }
        let mut waiting = Vec::new();
        let memory = self.evidence.control.as_ref();
        let others = memory
            .map_or(Ok(false), |control| control.answer(&mut |connection, peer| waiting.push((connection, peer))));
        waiting.into_iter().for_each(|(connection, peer)| self.hand_over(connection, peer));
        Ok(more | others?)
    }
}
