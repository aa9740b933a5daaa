//! Whoever started goward with a NOTIFY_SOCKET (systemd with Type=notify, Podman with --sdnotify=container) waits for the
//! server to be ready, and believes goward alone, its main process. With `--notify` the server speaks to goward, which passes
//! its words on; with `--health` goward says by itself that the server is ready. Without either the server finds that socket as
//! it is.

use super::Init;
use crate::sys::{uninterrupted, unix};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// So many words wait where the manager is slow; the oldest go first.
const WAITING: usize = 32;

/// What is passed on. MAINPID, FDSTORE and BARRIER are not: the main process is goward, and it hands on no descriptors.
const NAMES: [&[u8]; 9] = [
    b"READY",
    b"RELOADING",
    b"MONOTONIC_USEC",
    b"STOPPING",
    b"STATUS",
    b"ERRNO",
    b"BUSERROR",
    b"EXTEND_TIMEOUT_USEC",
    b"WATCHDOG",
];

/// The socket of whoever started goward.
#[derive(Debug)]
pub(super) struct Manager {
    address: String,
    fd: OwnedFd,
    /// What it had no room for.
    waiting: VecDeque<Vec<u8>>,
}

impl Manager {
    /// Before the drop: later goward may not be allowed to.
    ///
    /// # Errors
    /// A sentence: it cannot be reached.
    pub(super) fn reach(address: String) -> Result<Manager, String> {
        match unix::datagrams_to(&address) {
            Ok(fd) => Ok(Manager { address, fd, waiting: VecDeque::new() }),
            Err(errno) => {
                Err(format!("NOTIFY_SOCKET {address} cannot be reached, and nothing is sent to it: {}", errno.desc()))
            }
        }
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// What the server has said, as far as it is for the manager.
    pub(super) fn pass_on(&mut self, datagram: &[u8]) {
        let words = for_manager(datagram);
        if !words.is_empty() {
            self.say(&words);
        }
    }

    fn say(&mut self, words: &[u8]) {
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(words.to_vec());
    }

    /// Sends what there is room for. True: something waits.
    ///
    /// # Errors
    /// It cannot be told, and will not be.
    fn flush(&mut self) -> nix::Result<bool> {
        while let Some(words) = self.waiting.front() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            let mut sent = uninterrupted(|| send(self.fd.as_raw_fd(), words, flags));
            if matches!(sent, Err(Errno::ECONNREFUSED | Errno::ENOTCONN | Errno::ECONNRESET)) {
                // It was started anew, and listens under the same name.
                self.fd = unix::datagrams_to(&self.address)?;
                sent = uninterrupted(|| send(self.fd.as_raw_fd(), words, flags));
            }
            match sent {
                Err(Errno::EAGAIN | Errno::ENOBUFS) => return Ok(true),
                result => {
                    self.waiting.pop_front();
                    result?;
                }
            }
        }
        Ok(false)
    }
}

/// The assignments that the manager is told, each on a line as they came.
fn for_manager(datagram: &[u8]) -> Vec<u8> {
    let is_known = |line: &&[u8]| {
        let name = line.iter().position(|byte| *byte == b'=').and_then(|end| line.get(..end));
        name.is_some_and(|name| NAMES.contains(&name))
    };
    datagram.split(|byte| *byte == b'\n').filter(is_known).collect::<Vec<_>>().join(&b'\n')
}

impl Init {
    /// goward's own word for the server, where nothing but its probes tells.
    pub(super) fn tell_manager(&mut self, words: &str) {
        if let Some(manager) = &mut self.manager {
            manager.say(words.as_bytes());
        }
        self.flush_manager();
    }

    pub(super) fn flush_manager(&mut self) {
        match self.manager.as_mut().map(Manager::flush) {
            Some(Ok(waits)) => self.pending.overlooked |= waits,
            Some(Err(errno)) => self.trouble("NOTIFY_SOCKET of whoever started goward", errno),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_manager_is_told() {
        let told = |text: &str| String::from_utf8(for_manager(text.as_bytes())).unwrap();
        assert_eq!(told("READY=1\nSTATUS=up"), "READY=1\nSTATUS=up");
        assert_eq!(told("MAINPID=7\nREADY=1\nFDSTORE=1\nBARRIER=1\nX_READY=1\n"), "READY=1");
        assert_eq!(told("RELOADING=1\nMONOTONIC_USEC=77\n"), "RELOADING=1\nMONOTONIC_USEC=77");
        for text in ["", "READY", "MAINPID=1", "=1", "\n\n", " READY=1"] {
            assert_eq!(told(text), "", "{text:?}");
        }
    }
}
