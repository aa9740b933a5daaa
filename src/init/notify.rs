//! What a server says of itself by sd_notify(3): a socket for datagrams, of which only the server's own count.
//!
//! The queue of such a socket is short (net.unix.max_dgram_qlen), and whoever can send to it can fill it, so that the server's
//! own word finds no room. So strangers must not be able to send to it.

use super::manager::Manager;
use crate::encoded::printable;
use crate::supervisor::Notice;
use crate::sys::rights::{self, Disposal};
use crate::sys::{signal_io, uninterrupted, unix};
use nix::sys::socket::{MsgFlags, recv};
use nix::sys::stat::{Mode, umask};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A datagram that is longer is cut; systemd takes no more either.
const DATAGRAM: usize = 4096;
/// So many at once; signals must not wait for a server that talks without end.
const BATCH: usize = 32;

/// Where the socket may be: what is writable for everybody first, in memory, and away with the container.
const DIRECTORIES: [&str; 3] = ["/dev/shm", "/run", "/tmp"];

/// The socket.
#[derive(Debug)]
pub(super) struct NotifySocket {
    fd: OwnedFd,
    place: Place,
    /// Reads a message that carries descriptors, so that it is out of the way.
    reader: Option<Disposal>,
}

/// Where it is.
#[derive(Debug)]
enum Place {
    /// A file that strangers cannot find: in a directory that they cannot list, under a name that they cannot know.
    File { directory: PathBuf, path: PathBuf },
    /// Where nothing is writable, an abstract name. Strangers find it in /proc/net/unix, and can fill its queue.
    Abstract(String),
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notification {
    /// For the supervisor.
    Notice(Notice),
    /// For people.
    Status(String),
    /// It wants another process to be the server.
    MainPid,
    /// Somebody else said something: this pid.
    Stranger(i32),
}

impl NotifySocket {
    /// # Errors
    /// A sentence.
    pub(super) fn new() -> Result<NotifySocket, String> {
        if let Some(notify_socket) =
            DIRECTORIES.iter().find_map(|directory| NotifySocket::within(Path::new(directory)).ok())
        {
            return Ok(notify_socket);
        }
        let (fd, name) = unix::datagrams_anywhere()
            .map_err(|errno| format!("--notify: cannot create a socket: {}", errno.desc()))?;
        Ok(NotifySocket { fd, place: Place::Abstract(name), reader: None })
    }

    /// A server may give up its user itself, so the socket's own mode lets everybody in; that nobody else finds it keeps
    /// strangers out. Of its path /proc/net/unix knows only the name that it was made under.
    fn within(directory: &Path) -> io::Result<NotifySocket> {
        let number = || unix::unpredictable().map(|number| format!("{number:016x}")).ok_or(io::ErrorKind::Unsupported);
        let directory = directory.join(format!("goward-{}", number()?));
        let (made, path) = (directory.join("new"), directory.join(number()?));
        let mask = umask(Mode::empty());
        let created = DirBuilder::new().mode(0o711).create(&directory);
        // Nobody may connect to it under the name that can be known: a connection outlives that.
        umask(Mode::all());
        let socket = created.and_then(|()| Ok(unix::datagrams_at(&made)?));
        umask(mask);
        let open = || fs::set_permissions(&path, fs::Permissions::from_mode(0o777));
        // In a sandbox (gVisor) a socket may not be found again under another name.
        let found = socket.and_then(|fd| {
            fs::rename(&made, &path).and_then(|()| open()).and_then(|()| Ok(unix::reach(&path).map(|()| fd)?))
        });
        if found.is_err() {
            let _ = fs::remove_file(&made).or_else(|_| fs::remove_file(&path));
            let _ = fs::remove_dir(&directory);
        }
        found.map(|fd| NotifySocket { fd, place: Place::File { directory, path }, reader: None })
    }

    /// What NOTIFY_SOCKET is.
    pub(super) fn address(&self) -> String {
        match &self.place {
            Place::File { path, .. } => path.display().to_string(),
            Place::Abstract(name) => format!("@{name}"),
        }
    }

    /// From now on it announces itself.
    pub(super) fn announce(&self) -> nix::Result<()> {
        signal_io::announce(&self.fd)
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// What has come, in order; the manager is told too. True: there is more.
    ///
    /// # Errors
    /// A message is in the way that carries descriptors, and no process can be had to read it: fork(2).
    pub(super) fn take(
        &mut self,
        server: i32,
        said: &mut Vec<Notification>,
        mut manager: Option<&mut Manager>,
    ) -> nix::Result<bool> {
        let mut buffer = [0; DATAGRAM];
        for _ in 0..BATCH {
            if self.reader.is_some() {
                return Ok(false);
            }
            let Ok(waiting) = uninterrupted(|| rights::look(&self.fd, &mut buffer)) else { return Ok(false) };
            if waiting.carries {
                self.reader = Some(Disposal::of_message(&self.fd)?);
            } else {
                let _ = recv(self.fd.as_raw_fd(), &mut [], MsgFlags::MSG_DONTWAIT);
            }
            match waiting.sender {
                Some(sender) if sender.pid == server => {
                    let datagram = buffer.get(..waiting.length).unwrap_or_default();
                    said.extend(parse(datagram));
                    if let Some(manager) = manager.as_mut() {
                        manager.pass_on(datagram);
                    }
                }
                sender => said.push(Notification::Stranger(sender.map_or(0, |sender| sender.pid))),
            }
        }
        Ok(true)
    }

    /// Whether a process reads a message out of the way.
    pub(super) fn is_read(&self) -> bool {
        self.reader.is_some()
    }

    /// The process that reads a message away.
    pub(super) fn reader(&self) -> Option<&Disposal> {
        self.reader.as_ref()
    }

    /// The process that reads a message away.
    pub(super) fn reader_mut(&mut self) -> Option<&mut Disposal> {
        self.reader.as_mut()
    }

    /// A process has been reaped. False: it was not the reader.
    pub(super) fn ended(&mut self, pid: i32) -> bool {
        self.reader.take_if(|reader| reader.pid() == pid).is_some()
    }

    /// Takes the file away. The socket is closed by goward's end: what still waits in it may carry descriptors.
    pub(super) fn remove(&self) {
        if let Place::File { directory, path } = &self.place {
            let _ = fs::remove_file(path);
            let _ = fs::remove_dir(directory);
        }
    }
}

/// A datagram: an assignment a line. What goward does not know is for others. What is said twice counts once, as it does for
/// systemd: a datagram of a thousand READY=1 is no work for a thousand.
pub(crate) fn parse(datagram: &[u8]) -> Vec<Notification> {
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
                return Some(Notification::Status(text.chars().take(200).map(printable).collect()));
            }
            ("MAINPID", _) => return Some(Notification::MainPid),
            _ => return None,
        };
        Some(Notification::Notice(notice))
    };
    let mut said = Vec::new();
    for word in text.lines().filter_map(understand) {
        let kind = |word: &Notification| match word {
            Notification::Notice(notice) => (1, Some(std::mem::discriminant(notice))),
            Notification::Status(_) => (2, None),
            Notification::MainPid => (3, None),
            Notification::Stranger(_) => (4, None),
        };
        if !said.iter().any(|known| kind(known) == kind(&word)) {
            said.push(word);
        }
    }
    said
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
                Notification::Notice(Notice::Ready),
                Notification::Status("up \u{fffd}[31m".to_owned()),
                Notification::MainPid,
                Notification::Notice(Notice::Alive),
                Notification::Notice(Notice::Extend(Duration::from_millis(1500))),
            ]
        );
        let many = "READY=1\nWATCHDOG=1\nSTATUS=a\nSTATUS=b\n".repeat(100);
        let once = [
            Notification::Notice(Notice::Ready),
            Notification::Notice(Notice::Alive),
            Notification::Status("a".to_owned()),
        ];
        assert_eq!(parse(many.as_bytes()), once);
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
