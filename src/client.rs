//! Finding the init of this container, from a command, and talking to it: its sockets are abstract, and anybody may have taken
//! such names.

use crate::init::control::Socket;
use crate::init::orders::Instruction;
use crate::json::Value;
use crate::sys::file::described;
use crate::sys::unix::{self, Peer};
use crate::sys::{clock, process, rights};
use memchr::memchr;
use nix::errno::Errno;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// So many names are tried in any case; there are more only where somebody makes them.
const FEW: usize = 16;
/// How long to wait at a socket where too many wait already, before the next one is tried; shorter where there are many.
const AT_ONE: Duration = Duration::from_millis(200);
/// An answer that is longer is none.
const MOST: usize = 64 * 1024;

/// A socket under a name of an init's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Whose the name says it is.
    pid: i32,
    name: Vec<u8>,
}

/// A connection to an init that is what it says.
pub struct Init {
    /// Its pid, as seen from here.
    pub pid: i32,
    /// Whose it is.
    pub uid: u32,
    /// Where it listens.
    name: Vec<u8>,
    /// To it.
    pub connection: UnixStream,
}

/// What an init says of itself and its server.
pub struct Report {
    /// Requests may be sent to the server.
    pub ready: bool,
    /// Nothing speaks against the server's health.
    pub healthy: bool,
    /// For people.
    pub text: String,
    /// For machines: an object.
    pub json: String,
}

impl Report {
    /// Reads an answer.
    pub(crate) fn read(answer: &[u8]) -> Option<Report> {
        let mut parts = std::str::from_utf8(answer).ok()?.split('\0');
        let (bits, text, json) = (parts.next()?, parts.next()?, parts.next()?);
        let mut bits = bits.chars().map(|bit| bit == '1');
        let (ready, healthy) = (bits.next()?, bits.next()?);
        Some(Report { ready, healthy, text: text.to_owned(), json: json.to_owned() })
    }

    /// One of its numbers.
    pub fn number(&self, name: &str) -> Option<u64> {
        Value::read(self.json.trim())?.get(name)?.number()
    }
}

/// Asks the init that is meant how it is.
///
/// # Errors
/// A sentence: there is none, or it does not answer.
pub fn ask(wanted: Option<i32>, end: Duration) -> Result<Report, String> {
    let init = find(Socket::Status, wanted, end)?;
    Report::read(&init.read(&init.connection, end)?).ok_or_else(|| init.silence())
}

impl Init {
    /// Tells it to do something; what it says to that.
    ///
    /// # Errors
    /// A sentence: it does not, or does not answer.
    pub fn tell(&self, instruction: Instruction, end: Duration) -> Result<String, String> {
        let pid = self.pid;
        let cannot = |errno: Errno| format!("goward (pid {pid}) cannot be reached: {}", errno.desc());
        let number = unix::unpredictable().unwrap_or_else(|| std::process::id().into());
        let left = end.saturating_sub(clock::now());
        let (connection, peer) = unix::connection(&self.name, left, Some(&instruction.name(number))).map_err(cannot)?;
        // Whoever has that name now was told too; but the one that is meant was not.
        if peer.uid != self.uid {
            return Err(format!("the socket of goward (pid {pid}) now belongs to another process"));
        }
        let answer = self.read(&connection.into(), end)?;
        let text = String::from_utf8_lossy(&answer);
        match text.split_at_checked(1) {
            Some(("+", done)) => Ok(done.to_owned()),
            Some(("-", why)) => Err(format!("goward (pid {pid}) refused: {why}")),
            None => Err(self.silence()),
            Some(_) => Err(format!("goward (pid {pid}) is another version and does not know this command")),
        }
    }

    /// All that comes until the end, by then: also from one who says a little now and then.
    fn read(&self, connection: &UnixStream, end: Duration) -> Result<Vec<u8>, String> {
        let pid = self.pid;
        read(connection, end).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => format!("goward (pid {pid}) did not answer in time; is it stopped?"),
            _ => format!("goward (pid {pid}) does not answer: {}", described(&error)),
        })
    }

    /// It has closed the connection and said nothing.
    pub fn silence(&self) -> String {
        let uid = nix::unistd::geteuid();
        let (pid, own) = (self.pid, self.uid);
        if uid.is_root() || uid.as_raw() == own {
            return format!(
                "goward (pid {pid}) closed the connection without an answer: it answers its own PID namespace only, and has to \
                 have a descriptor left"
            );
        }
        format!(
            "goward (pid {pid}) does not answer uid {uid}: it answers its own user (uid {own}) and root, of its own PID \
             namespace"
        )
    }
}

fn read(mut connection: &UnixStream, end: Duration) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let left = end.saturating_sub(clock::now()).max(Duration::from_millis(1));
        connection.set_read_timeout(Some(left))?;
        match connection.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(_) if answer.len() > MOST || clock::now() >= end => return Err(ErrorKind::WouldBlock.into()),
            Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Connects to the init that is meant. Anybody may have taken such names, and may fill the queues of such sockets. That costs
/// time only: a name is believed when the kernel says that it is that process that listens, and a full queue is waited for.
///
/// # Errors
/// A sentence: there is none, or it cannot be told which is meant.
pub fn find(socket: Socket, wanted: Option<i32>, end: Duration) -> Result<Init, String> {
    let mut waiting = places(socket, wanted);
    let mut found: Vec<Init> = Vec::new();
    let mut other = None;
    // Where one has answered, the others have half of the time: a queue that stays full may be nobody's.
    let half = clock::now() + end.saturating_sub(clock::now()) / 2;
    loop {
        let mut tried = 0;
        let share = AT_ONE / (1 + waiting.len() as u32 / 4);
        waiting.retain(|place| {
            // Of many names for one pid the others are somebody else's.
            if found.iter().any(|init| init.pid == place.pid) {
                return false;
            }
            let left = end.saturating_sub(clock::now());
            tried += 1;
            if left.is_zero() && tried > FEW {
                return true;
            }
            let connection = unix::connection(&place.name, share.min(left), None);
            match connection.map(|connection| identify(connection, place)) {
                Ok(init) if init.pid == place.pid => found.push(init),
                Ok(init) => other = Some((place.pid, init.pid)),
                Err(errno) => return errno == Errno::EAGAIN,
            }
            false
        });
        let now = clock::now();
        if waiting.is_empty() || now >= end || !found.is_empty() && now >= half {
            break;
        }
    }
    found.sort_unstable_by_key(|init| init.pid);
    found.dedup_by_key(|init| init.pid);
    let own = nix::unistd::geteuid().as_raw();
    // A goward answers its own user and root. Another user's would not answer, or is none.
    if own != 0 && found.iter().any(|init| init.uid == own) {
        found.retain(|init| init.uid == own);
    }
    if found.is_empty() {
        return Err(why_none(waiting.first(), other, wanted));
    }
    let ids: Vec<(i32, u32)> = found.iter().map(|init| (init.pid, init.uid)).collect();
    let own = cgroup("self");
    let is_near = |pid: i32| Some(encloses(&cgroup(&pid.to_string())?, own.as_ref()?));
    let chosen = match wanted {
        Some(pid) => pid,
        None => choose(&ids, is_near, |pid| process::look_at(pid).map(|process| process.parent))?,
    };
    let gone = || format!("no goward with pid {chosen} answers");
    found.into_iter().find(|init| init.pid == chosen).ok_or_else(gone)
}

/// Why no init was found. `other` has the pid in the name of a socket, and that of whose it is.
fn why_none(waiting: Option<&Place>, other: Option<(i32, i32)>, wanted: Option<i32>) -> String {
    match (waiting, other, wanted) {
        (Some(place), ..) => {
            format!("goward (pid {}) does not answer: too many others wait at its socket", place.pid)
        }
        (None, Some((pid, other)), _) => format!(
            "pid {pid} is no goward that answers: {} has taken the name of its socket; --pid names the goward to ask",
            whom(other)
        ),
        (None, None, Some(pid)) => format!("no goward with pid {pid} answers in this PID and network namespace"),
        (None, None, None) => {
            "no goward answers in this PID and network namespace (ask in the server's container: docker exec)"
                .to_owned()
        }
    }
}

/// Who is at the other end. gVisor takes whoever asks for it; there the answer tells who has written it.
fn identify((connection, mut peer): (OwnedFd, Peer), place: &Place) -> Init {
    if peer.pid == nix::unistd::getpid().as_raw() {
        let writer = rights::look(&connection, &mut [0; 64]).ok().and_then(|waiting| waiting.sender);
        peer = writer.unwrap_or(Peer { pid: 0, uid: peer.uid });
    }
    // A pid may be another process's by now. Of the one that listens the kernel has kept the uid.
    if process::uid_of(peer.pid).is_some_and(|uid| uid != peer.uid) {
        peer.pid = 0;
    }
    Init { pid: peer.pid, uid: peer.uid, name: place.name.clone(), connection: connection.into() }
}

fn whom(pid: i32) -> String {
    if pid == 0 { "a process of another PID namespace".to_owned() } else { format!("pid {pid}") }
}

/// The one in this container's cgroup: containers may share a PID namespace, whose PID 1 is then another's, and goward may
/// run under goward, which is then PID 1.
///
/// `found` has pids and uids; `is_near` says whether a pid is of this container, None where that cannot be told; `parent` is
/// that of a pid.
fn choose(
    found: &[(i32, u32)],
    is_near: impl Fn(i32) -> Option<bool>,
    parent: impl Fn(i32) -> Option<i32>,
) -> Result<i32, String> {
    let near: Vec<_> = found.iter().copied().filter(|(pid, _)| is_near(*pid) == Some(true)).collect();
    let unknown: Vec<_> = found.iter().copied().filter(|(pid, _)| is_near(*pid).is_none()).collect();
    let possible = if near.is_empty() { unknown } else { near };
    if possible.iter().any(|(pid, _)| *pid == 1) {
        return Ok(1);
    }
    // Another user's that one of them has started may be anything: what a server starts can take such a name for itself.
    let starts = |(above, uid): (i32, u32), (pid, other): (i32, u32)| {
        let ancestors = std::iter::successors(parent(pid), |pid| parent(*pid)).take_while(|pid| *pid > 0).take(1000);
        uid != other && ancestors.into_iter().any(|pid| pid == above)
    };
    let own = possible.iter().filter(|one| !possible.iter().any(|above| starts(*above, **one)));
    let own: Vec<i32> = own.map(|(pid, _)| *pid).collect();
    match (own.as_slice(), found) {
        ([one], _) => Ok(*one),
        ([], [(one, _), ..]) => {
            Err(format!("the goward that runs here (pid {one}) belongs to another container; ask it with --pid"))
        }
        (several, _) => {
            let list: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(format!("several goward processes run here, pids {}; choose one with --pid", list.join(", ")))
        }
    }
}

/// Whether the process with the second /proc/PID/cgroup is in the control groups of the first, or below them.
pub(crate) fn encloses(theirs: &str, ours: &str) -> bool {
    theirs.lines().count() == ours.lines().count()
        && theirs.lines().zip(ours.lines()).all(|(theirs, ours)| {
            ours.strip_prefix(theirs)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || theirs.ends_with('/'))
        })
}

/// Where inits take connections, as /proc/net/unix lists it; whether they are of this PID namespace, the kernel tells when one
/// is connected. (The number in the name does not: gVisor shows each process another one.) Without /proc, where the one that is
/// wanted, or PID 1, has its socket unless somebody had that name before.
fn places(socket: Socket, wanted: Option<i32>) -> Vec<Place> {
    let mut places = match fs::read("/proc/net/unix") {
        Ok(text) => listed(socket, &text),
        Err(_) => {
            let pid = wanted.unwrap_or(1);
            vec![Place { pid, name: socket.name(pid).into_bytes() }]
        }
    };
    places.retain(|place| wanted.is_none_or(|wanted| wanted == place.pid));
    places
}

/// The names of inits in a /proc/net/unix, each once. Names may hold any bytes: somebody else's must not hide ours.
fn listed(socket: Socket, text: &[u8]) -> Vec<Place> {
    let listed = |line: &[u8]| {
        // Seven fields, which may be padded; then a blank and the name, if there is one.
        let seventh = (0..6).try_fold(line, |rest, _| Some(rest.get(memchr(b' ', rest)?..)?.trim_ascii_start()))?;
        let name = seventh.get(memchr(b' ', seventh)?..)?.strip_prefix(b" @")?;
        let mut parts = name.strip_prefix(socket.prefix().as_bytes())?.split(|b| *b == b'/').map(std::str::from_utf8);
        let _namespace: u64 = parts.next()?.ok()?.parse().ok()?;
        let pid = parts.next()?.ok()?.parse().ok().filter(|pid| *pid > 0)?;
        Some(Place { pid, name: name.to_owned() })
    };
    let mut places: Vec<Place> = text.split(|b| *b == b'\n').filter_map(listed).collect();
    // The names that inits have where nobody has taken them come first.
    places.sort_unstable_by(|a, b| (a.name.len(), a).cmp(&(b.name.len(), b)));
    places.dedup();
    places
}

/// In which cgroup a process is; everybody may read that.
fn cgroup(pid: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pids of one user, of which `near` are of this container, `far` are not, and the others nobody knows.
    fn chosen(pids: &[i32], near: &[i32], far: &[i32]) -> Option<i32> {
        let found: Vec<_> = pids.iter().map(|pid| (*pid, 65532)).collect();
        let is_near = |pid| (near.contains(&pid) || far.contains(&pid)).then(|| near.contains(&pid));
        choose(&found, is_near, |_| None).ok()
    }

    #[test]
    fn an_answer_that_is_none() {
        for answer in ["", "11", "1\0a\0b", "11\0a"] {
            assert!(Report::read(answer.as_bytes()).is_none(), "{answer:?}");
        }
        let report = Report::read(b"10\0text\n\0{\"restarts\":3}\n").unwrap();
        assert!(report.ready && !report.healthy);
        assert_eq!((report.text.as_str(), report.number("restarts"), report.number("x")), ("text\n", Some(3), None));
    }

    #[test]
    fn the_nearest_is_asked() {
        // Alone, under goward, beside another container's, where no cgroup tells, on a laptop.
        assert_eq!(chosen(&[7], &[], &[]), Some(7));
        assert_eq!(chosen(&[1, 7], &[1, 7], &[]), Some(1));
        assert_eq!(chosen(&[1, 7], &[7], &[1]), Some(7));
        assert_eq!(chosen(&[1, 7], &[], &[]), Some(1));
        assert_eq!(chosen(&[7, 9, 11], &[9, 11], &[7]), None);
        assert_eq!(chosen(&[7, 9], &[], &[]), None);
        // A neighbour's is no answer.
        assert_eq!(chosen(&[1], &[], &[1]), None);
        assert_eq!(chosen(&[1, 7], &[], &[1, 7]), None);
        assert!(encloses("0::/a\n", "0::/a/b\n") && encloses("0::/\n", "0::/x\n") && encloses("0::/a\n", "0::/a\n"));
        assert!(!encloses("0::/a\n", "0::/ab\n") && !encloses("0::/../b\n", "0::/\n") && !encloses("", "0::/\n"));
    }

    #[test]
    fn what_a_server_starts_does_not_speak_for_its_init() {
        // 7 is goward, 8 its server, 9 started by that, 20 by docker exec.
        let parent = |pid| match pid {
            9 => Some(8),
            8 => Some(7),
            7 => Some(1),
            1 | 20 => Some(0),
            _ => None,
        };
        let choose = |found: &[(i32, u32)]| choose(found, |_| Some(true), parent).ok();
        assert_eq!(choose(&[(7, 65532), (9, 33)]), Some(7));
        assert_eq!(choose(&[(7, 65532), (8, 33), (9, 33)]), Some(7));
        // The same user can be a goward under goward, and who came from outside nobody has started: say which.
        assert_eq!(choose(&[(7, 65532), (9, 65532)]), None);
        assert_eq!(choose(&[(7, 65532), (20, 33)]), None);
    }

    #[test]
    fn names_of_others_hide_nothing() {
        let line = |name: &[u8]| [b"0000000000000000: 00000002 00000000 00010000 0001 01 12345", name, b"\n"].concat();
        let lines = [
            line(b" @goward/40265/1"),
            line(b""),
            line(b" @\xff\xfe"),
            line(b" @goward/40265/7/00ff"),
            line(b" @goward/x/9"),
            line(b" @gowardx/40265/9"),
            line(b" @goward/40266/9"),
            line(b" @goward/40265/x"),
            line(b" @goward/40265/-1"),
            line(b" @goward/40265/1"),
            line(b" /run/@goward/40265/3"),
            line(b" @goward/40265/12/a b"),
            b"0000000000000000: 00000002 00000000 00010000 0001 01    17 @goward/40265/2\n".to_vec(),
        ];
        let found = listed(Socket::Status, &lines.concat());
        let found: Vec<_> = found.iter().map(|place| (place.pid, place.name.as_slice())).collect();
        // The shorter ones first: they are those that nobody else had taken.
        let wanted: [(i32, &[u8]); 5] = [
            (1, b"goward/40265/1"),
            (2, b"goward/40265/2"),
            (9, b"goward/40266/9"),
            (7, b"goward/40265/7/00ff"),
            (12, b"goward/40265/12/a b"),
        ];
        assert_eq!(found, wanted);
    }
}
