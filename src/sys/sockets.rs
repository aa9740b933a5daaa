//! TCP and Unix sockets as the kernel shows them: who listens, which connections there are, and what lies unread in them.
//!
//! By sock_diag(7), which answers for one connection in microseconds. /proc/net/tcp has the same and is used where that is
//! missing, but each reading of it walks the whole table of connections: 12 ms on a machine with 32 GB, however few
//! there are.
#![allow(unsafe_code)]

use super::directory;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Whether both ends of a TCP connection are this socket: where nobody listens at a port of ip_local_port_range (ip(7)) the kernel
/// may choose that port for the socket that connects to it, and then TCP opens from both sides at once.
pub fn is_own_end(fd: &OwnedFd) -> bool {
    type Ask = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;
    let address = |ask: Ask| {
        let (mut bytes, mut length) = ([0u8; 128], 128);
        // SAFETY: the kernel writes no more than `length` bytes; they are bytes whatever they mean.
        let returned = unsafe { ask(fd.as_raw_fd(), bytes.as_mut_ptr().cast(), &raw mut length) };
        (returned == 0).then_some(bytes)
    };
    let Some(here) = address(libc::getsockname) else { return false };
    // A Unix socket that has connected has no name, and neither may the other one.
    let [first, second, ..] = here;
    let family = libc::c_int::from(u16::from_ne_bytes([first, second]));
    matches!(family, libc::AF_INET | libc::AF_INET6) && address(libc::getpeername) == Some(here)
}

/// A TCP socket of this network namespace, seen from its own side. An IPv4 address that came in through an IPv6 socket is
/// shown as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// The socket's own address.
    pub local: SocketAddr,
    /// The other end; port 0 for one that listens.
    pub remote: SocketAddr,
    /// Whether it listens, is connected, or is on its way out.
    pub state: State,
    /// Bytes that have come in and have not been read.
    pub unread: u32,
    /// Which socket it is: `socket:[N]` in /proc/PID/fd. 0 for a connection that nobody has accepted yet.
    pub inode: u64,
}

/// What a TCP socket is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for connections.
    Listening,
    /// The connection is established.
    Established,
    /// Anything else: opening, closing.
    Other,
}

impl State {
    /// The kernel's numbers, include/net/tcp_states.h.
    fn of(number: u8) -> State {
        match number {
            1 => State::Established,
            10 => State::Listening,
            _ => State::Other,
        }
    }

    fn bit(self) -> u32 {
        match self {
            State::Established => 1 << 1,
            State::Listening => 1 << 10,
            State::Other => !(1 << 1 | 1 << 10),
        }
    }
}

/// Asks the kernel about the sockets of this network namespace.
#[derive(Debug)]
pub struct Sockets {
    /// None: /proc must do.
    netlink: Option<OwnedFd>,
}

impl Sockets {
    /// By netlink, where that works.
    pub fn open() -> Sockets {
        let flags = SockFlag::SOCK_CLOEXEC;
        let netlink = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkSockDiag).ok();
        let sockets = Sockets { netlink };
        match sockets.dump(State::Listening) {
            Some(_) => sockets,
            None => Sockets { netlink: None },
        }
    }

    /// All sockets in this state.
    pub fn all(&self, state: State) -> Vec<Tcp> {
        self.dump(state).unwrap_or_else(|| from_proc().filter(|socket| socket.state == state).collect())
    }

    /// Those of these connections (own address, other end) that are there.
    pub fn connections(&self, wanted: &[(SocketAddr, SocketAddr)]) -> Vec<Tcp> {
        match &self.netlink {
            _ if wanted.is_empty() => Vec::new(),
            Some(netlink) => wanted.iter().filter_map(|(local, remote)| find(netlink, *local, *remote)).collect(),
            None => from_proc().filter(|socket| wanted.contains(&(socket.local, socket.remote))).collect(),
        }
    }

    fn dump(&self, state: State) -> Option<Vec<Tcp>> {
        let netlink = self.netlink.as_ref()?;
        let mut found = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
            let anything = [0; SOCKET_ID];
            ask(netlink, &question(family as u8, state.bit(), &anything, flags), &mut |socket| found.push(socket))?;
        }
        Some(found)
    }
}

/// From linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// struct nlmsghdr, and struct inet_diag_sockid in linux/inet_diag.h.
const HEADER: usize = 16;
const SOCKET_ID: usize = 48;

/// One connection, by its two ends.
fn find(netlink: &OwnedFd, local: SocketAddr, remote: SocketAddr) -> Option<Tcp> {
    let mut id = [0; SOCKET_ID];
    let mut put = |at: usize, bytes: &[u8]| id.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    put(0, &local.port().to_be_bytes());
    put(2, &remote.port().to_be_bytes());
    for (at, ip) in [(4, local.ip()), (20, remote.ip())] {
        match ip {
            IpAddr::V4(ip) => put(at, &ip.octets()),
            IpAddr::V6(ip) => put(at, &ip.octets()),
        }
    }
    // INET_DIAG_NOCOOKIE
    put(40, &[0xff; 8]);
    let family = if local.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut found = None;
    ask(netlink, &question(family as u8, !0, &id, libc::NLM_F_REQUEST as u16), &mut |socket| found = Some(socket));
    // Where there is no such connection the kernel may answer with the listener.
    found.filter(|found| found.remote == remote)
}

/// A struct nlmsghdr and a struct inet_diag_req_v2.
fn question(family: u8, states: u32, id: &[u8; SOCKET_ID], flags: u16) -> Vec<u8> {
    let mut question = Vec::with_capacity(HEADER + 8 + SOCKET_ID);
    question.extend(((HEADER + 8 + SOCKET_ID) as u32).to_ne_bytes());
    question.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    question.extend(flags.to_ne_bytes());
    question.extend([0; 8]);
    question.extend([family, libc::IPPROTO_TCP as u8, 0, 0]);
    question.extend(states.to_ne_bytes());
    question.extend(id);
    question
}

/// Asks, and takes the answer to its end. None: there is no such thing, or no sock_diag.
fn ask(netlink: &OwnedFd, question: &[u8], found: &mut dyn FnMut(Tcp)) -> Option<()> {
    let dump = question.get(6..8)? != (libc::NLM_F_REQUEST as u16).to_ne_bytes();
    send(netlink.as_raw_fd(), question, MsgFlags::empty()).ok()?;
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let length = recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty()).ok()?;
        let mut rest = buffer.get(..length)?;
        while let Some(size) = word(rest, 0).map(|size| size as usize).filter(|size| *size >= HEADER) {
            match u16::from_ne_bytes(rest.get(4..6)?.try_into().ok()?) {
                SOCK_DIAG_BY_FAMILY => found(parse_diag(rest.get(HEADER..size)?)?),
                kind if i32::from(kind) == libc::NLMSG_DONE => return Some(()),
                _ => return None,
            }
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
        }
        if !dump {
            return Some(());
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// struct inet_diag_msg: family, state, timer, retransmissions; the id; expires, rqueue, wqueue, uid, inode.
pub(crate) fn parse_diag(bytes: &[u8]) -> Option<Tcp> {
    let address = |port: usize, ip: usize| {
        let port = u16::from_be_bytes(bytes.get(port..port + 2)?.try_into().ok()?);
        let ip = if i32::from(*bytes.first()?) == libc::AF_INET {
            IpAddr::from(<[u8; 4]>::try_from(bytes.get(ip..ip + 4)?).ok()?)
        } else {
            Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(ip..ip + 16)?).ok()?).to_canonical()
        };
        Some(SocketAddr::new(ip, port))
    };
    Some(Tcp {
        local: address(4, 8)?,
        remote: address(6, 24)?,
        state: State::of(*bytes.get(1)?),
        unread: word(bytes, 4 + SOCKET_ID + 4)?,
        inode: word(bytes, 4 + SOCKET_ID + 16)?.into(),
    })
}

/// Every TCP socket; none without /proc.
fn from_proc() -> impl Iterator<Item = Tcp> {
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().flat_map(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().skip(1).filter_map(parse_tcp).collect::<Vec<_>>()
    })
}

/// The inode of the socket that listens at this path.
pub fn unix_listener(path: &Path) -> Option<u64> {
    let wanted = path.to_str()?;
    // Somebody's name may hold any bytes.
    let listed = fs::read("/proc/net/unix").unwrap_or_default();
    String::from_utf8_lossy(&listed).lines().skip(1).find_map(|line| parse_unix(line, wanted))
}

/// Inodes of the sockets that a process has open; none where it may not be looked at.
pub fn of_process(pid: i32) -> Option<Vec<u64>> {
    let descriptors = format!("/proc/{pid}/fd");
    let inode = |name: &str| -> Option<u64> {
        let target = fs::read_link(format!("{descriptors}/{name}")).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    let mut inodes = Vec::new();
    directory::each_name(&descriptors, |name| inodes.extend(name.to_str().ok().and_then(inode))).ok()?;
    Some(inodes)
}

/// `sl local remote st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …`, see proc_net_tcp in the kernel's
/// documentation.
pub(crate) fn parse_tcp(line: &str) -> Option<Tcp> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    let state = State::of(u8::from_str_radix(fields.next()?, 16).ok()?);
    let unread = u32::from_str_radix(fields.next()?.split_once(':')?.1, 16).ok()?;
    // tr:when, retrnsmt, uid and timeout lie between.
    let inode = fields.nth(4)?.parse().ok()?;
    Some(Tcp { local, remote, state, unread, inode })
}

/// `0100007F:1F90`: words of 32 bits as the machine has them in memory, and a port.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(words.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match words.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (part, at) in bytes.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
                part.copy_from_slice(&word(at)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// `Num RefCount Protocol Flags Type St Inode Path`; the flag is `__SO_ACCEPTCON`. A path may hold blanks.
pub(crate) fn parse_unix(line: &str, wanted: &str) -> Option<u64> {
    let before = line.strip_suffix(wanted)?.strip_suffix(' ')?;
    let mut fields = before.split_ascii_whitespace();
    let listens = fields.nth(3)? == "00010000";
    let inode = fields.nth(2)?.parse().ok()?;
    (listens && fields.next().is_none()).then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    fn own_inode(fd: i32) -> u64 {
        let link = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
        link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').parse().unwrap()
    }

    /// Both ways of asking.
    fn ways() -> [Sockets; 2] {
        let netlink = Sockets::open();
        assert!(netlink.netlink.is_some(), "there is no sock_diag here");
        [netlink, Sockets { netlink: None }]
    }

    #[test]
    fn lines_of_the_kernel() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 \
                    0000000000000000 100 0 0 10 0";
        let socket = parse_tcp(line).unwrap();
        assert_eq!(socket.local, "127.0.0.1:8080".parse().unwrap());
        assert_eq!((socket.state, socket.remote.port(), socket.inode), (State::Listening, 0, 12345));
        let line = "   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C350 01 \
                    00000000:0000001A 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1";
        let socket = parse_tcp(line).unwrap();
        assert_eq!(socket.local, "127.0.0.1:8080".parse().unwrap());
        assert_eq!((socket.state, socket.remote.port(), socket.unread), (State::Established, 50000, 26));
        let line =
            "   2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 7";
        assert_eq!(parse_tcp(line).unwrap().local, "[::1]:8080".parse().unwrap());
    }

    #[test]
    fn a_listener_of_our_own_is_found() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let inode = own_inode(listener.as_raw_fd());
            assert!(of_process(std::process::id() as i32).unwrap().contains(&inode));
            for sockets in ways() {
                let found = sockets.all(State::Listening).into_iter().find(|socket| socket.inode == inode).unwrap();
                assert_eq!((found.local, found.state), (listener.local_addr().unwrap(), State::Listening));
            }
        }
    }

    #[test]
    fn what_was_not_accepted_has_no_inode_and_shows_what_is_unread() {
        for (sockets, address) in ways().iter().flat_map(|way| ["127.0.0.1:0", "[::1]:0", "[::]:0"].map(|a| (way, a))) {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            // Through the socket for both families too.
            let ip = if address == "[::1]:0" { "::1" } else { "127.0.0.1" };
            let mut client = std::net::TcpStream::connect((ip, port)).unwrap();
            client.write_all(b"hello").unwrap();
            let ends = (client.peer_addr().unwrap(), client.local_addr().unwrap());
            let seen = || sockets.connections(&[ends]).into_iter().next().unwrap();
            assert_eq!((seen().inode, seen().unread, seen().state), (0, 5, State::Established));
            let (mut accepted, _) = listener.accept().unwrap();
            assert_eq!((seen().inode, seen().unread), (own_inode(accepted.as_raw_fd()), 5));
            assert!(sockets.all(State::Established).contains(&seen()));
            accepted.read_exact(&mut [0; 5]).unwrap();
            assert_eq!(seen().unread, 0);
            drop(accepted);
            let gone = sockets.connections(&[ends]);
            assert!(gone.iter().all(|socket| socket.inode == 0), "{gone:?}");
            // The listener is not taken for it.
            let nobody = (ends.0, SocketAddr::new(ends.1.ip(), 1));
            assert_eq!(sockets.connections(&[nobody]), []);
        }
    }

    #[test]
    fn a_unix_listener_is_found_by_its_whole_path() {
        let path = std::env::temp_dir().join(format!("goward-sockets-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(unix_listener(&path), Some(own_inode(listener.as_raw_fd())));
        assert_eq!(unix_listener(Path::new(path.file_name().unwrap())), None);
        drop(listener);
        assert_eq!(unix_listener(&path), None);
        fs::remove_file(path).unwrap();
    }

    proptest! {
        #[test]
        fn no_line_is_a_panic(line in ".{0,80}", fields in proptest::collection::vec("[0-9A-F:é]{0,40}", 0..12)) {
            for line in [line, fields.join(" ")] {
                let _ = parse_tcp(&line);
                let _ = parse_unix(&line, "/x");
                let _ = parse_diag(line.as_bytes());
            }
        }
    }
}
