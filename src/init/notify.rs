//! What a server says of itself by sd_notify(3): a socket for datagrams, of which only the server's own count.

use crate::supervisor::Notice;
use crate::sys::{signal_io, unix};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// A datagram that is longer is cut; systemd takes no more either.
const DATAGRAM: usize = 4096;
/// So many at once; signals must not wait for a server that talks without end.
const BATCH: usize = 32;

/// The socket.
#[derive(Debug)]
pub(super) struct Mailbox {
    fd: OwnedFd,
    name: String,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// For the supervisor.
    Notice(Notice),
    /// For people.
    Status(String),
    /// It wants another process to be the server.
    MainPid,
    /// Somebody else said something: this pid.
    Stranger(i32),
}

impl Mailbox {
    /// An abstract socket, so that it works where nothing is writable; named after the PID namespace and the init.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn new(pid: i32) -> Result<Mailbox, String> {
        let name = format!("{}/notify", super::control::name(pid));
        let fd = unix::mailbox(&name).map_err(|errno| format!("--notify: no socket: {}", errno.desc()))?;
        Ok(Mailbox { fd, name })
    }

    /// What NOTIFY_SOCKET is.
    pub(super) fn address(&self) -> String {
        format!("@{}", self.name)
    }

    /// From now on it announces itself.
    pub(super) fn announce(&self) -> nix::Result<()> {
        signal_io::announce(&self.fd)
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// What has come, in order. True: there is more.
    pub(super) fn take(&self, server: i32, said: &mut Vec<Said>) -> bool {
        let mut buffer = [0; DATAGRAM];
        for _ in 0..BATCH {
            match unix::receive(&self.fd, &mut buffer) {
                Ok((length, Some(sender))) if sender.pid == server => {
                    said.extend(parse(buffer.get(..length).unwrap_or_default()));
                }
                Ok((_, sender)) => said.push(Said::Stranger(sender.map_or(0, |sender| sender.pid))),
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// A datagram: an assignment a line. What goward does not know is for others.
fn parse(datagram: &[u8]) -> Vec<Said> {
    let text = String::from_utf8_lossy(datagram);
    let understand = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let notice = match (name, value) {
            ("READY", "1") => Notice::Ready,
            ("RELOADING", "1") => Notice::Reloading,
            ("STOPPING", "1") => Notice::Stopping,
            ("WATCHDOG", "1") => Notice::Alive,
            ("WATCHDOG", "trigger") => Notice::Trigger,
            ("EXTEND_TIMEOUT_USEC", micros) => Notice::Extend(Duration::from_micros(micros.parse().ok()?)),
            ("STATUS", text) => {
                let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
                return Some(Said::Status(clean.take(200).collect()));
            }
            ("MAINPID", _) => return Some(Said::MainPid),
            _ => return None,
        };
        Some(Said::Notice(notice))
    };
    text.lines().filter_map(understand).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_systemd() {
        assert_eq!(
            parse(b"READY=1\nSTATUS=up \x1b[31m\nMAINPID=7\nFDSTORE=1\nWATCHDOG=1\nEXTEND_TIMEOUT_USEC=1500000\n"),
            [
                Said::Notice(Notice::Ready),
                Said::Status("up  [31m".to_owned()),
                Said::MainPid,
                Said::Notice(Notice::Alive),
                Said::Notice(Notice::Extend(Duration::from_millis(1500))),
            ]
        );
        for text in ["", "READY", "READY=0", "READY=1 ", "EXTEND_TIMEOUT_USEC=-1", "EXTEND_TIMEOUT_USEC=soon", "=1"] {
            assert_eq!(parse(text.as_bytes()), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_datagram_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
