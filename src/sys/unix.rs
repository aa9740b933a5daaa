//! Unix sockets, with the kernel's word for who is at the other end. See unix(7).
#![allow(unsafe_code)]

use super::process::above_stdio;
use super::rights::{self, Stream};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, accept4, bind, connect, getpeername, getsockopt, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Who is at the other end, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// As seen from here; 0 for a process of a PID namespace that cannot be seen.
    pub pid: i32,
    /// Its effective uid when it connected, bound, listened or sent.
    pub uid: u32,
}

/// The number of this PID namespace; 0 where /proc does not tell.
pub fn pid_namespace() -> u64 {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits = |text: &str| {
        text.bytes().filter(u8::is_ascii_digit).fold(0u64, |n, d| n.wrapping_mul(10) + u64::from(d - b'0'))
    };
    link.to_str().map_or(0, digits)
}

/// A number that nobody can have known before; none where the kernel does not give one at once.
pub fn unpredictable() -> Option<u64> {
    let mut bytes = [0u8; 8];
    fill_unpredictably(&mut bytes).then(|| u64::from_ne_bytes(bytes))
}

/// Fills it with what nobody can have known before. False: the kernel does not do so at once.
pub fn fill_unpredictably(bytes: &mut [u8]) -> bool {
    // SAFETY: the kernel writes at most that many bytes.
    let length = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    usize::try_from(length) == Ok(bytes.len())
}

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);

/// As many connections may wait as the kernel allows (net.core.somaxconn), so that a flood does not fill the queue at once.
const BACKLOG: libc::c_int = 4096;

/// A socket that takes connections under this abstract name.
///
/// # Errors
/// EADDRINUSE: somebody has that name.
pub fn listener(name: &str) -> nix::Result<OwnedFd> {
    let fd = above_stdio(socket(AddressFamily::Unix, SockType::Stream, FLAGS, None)?)?;
    bind(fd.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    // SAFETY: no memory is touched. nix's own takes no more than the C library's SOMAXCONN, which is 128 in musl.
    Errno::result(unsafe { libc::listen(fd.as_raw_fd(), BACKLOG) })?;
    Ok(fd)
}

/// A connection that waits on a listener, and who made it. It does not block.
///
/// # Errors
/// EAGAIN: there is none.
pub fn accept(listener: &OwnedFd) -> nix::Result<(Stream, Peer)> {
    let fd = accept4(listener.as_raw_fd(), FLAGS)?;
    // SAFETY: it has just been made, and is ours alone.
    let fd = Stream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    rights::keep_in_line(&fd);
    let peer = peer(&fd)?;
    Ok((fd, peer))
}

/// A connection to this abstract name, and who listens there. It blocks for `patience` where too many wait there already; what
/// is read from it later may take as long. The kernel lets those who wait for room in one after the other, so that others who
/// only try again and again do not keep them out.
///
/// `own` is the abstract name that this end has; none: it has no name.
///
/// # Errors
/// ECONNREFUSED: nobody. EAGAIN: too many wait there already, for as long as that. EADDRINUSE: somebody has that name.
pub fn connection(name: &[u8], patience: Duration, own: Option<&str>) -> nix::Result<(OwnedFd, Peer)> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // 0 would be for ever.
    let time = patience.max(Duration::from_micros(1));
    let time = TimeVal::new(time.as_secs() as _, time.subsec_micros() as _);
    setsockopt(&fd, sockopt::SendTimeout, &time)?;
    setsockopt(&fd, sockopt::ReceiveTimeout, &time)?;
    // So that rights::look() tells who has written the answer.
    setsockopt(&fd, sockopt::PassCred, &true)?;
    if let Some(own) = own {
        bind(fd.as_raw_fd(), &UnixAddr::new_abstract(own.as_bytes())?)?;
    }
    connect(fd.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
    let peer = peer(&fd)?;
    Ok((fd, peer))
}

/// The abstract name of the other end; none where it has none.
pub fn name_of_peer(fd: &impl AsFd) -> Option<String> {
    let address: UnixAddr = getpeername(fd.as_fd().as_raw_fd()).ok()?;
    address.as_abstract().and_then(|name| std::str::from_utf8(name).ok()).map(str::to_owned)
}

fn peer(fd: &impl AsFd) -> nix::Result<Peer> {
    let credentials = getsockopt(fd, sockopt::PeerCredentials)?;
    Ok(Peer { pid: credentials.pid(), uid: credentials.uid() })
}

fn datagrams() -> nix::Result<OwnedFd> {
    let fd = above_stdio(socket(AddressFamily::Unix, SockType::Datagram, FLAGS, None)?)?;
    setsockopt(&fd, sockopt::PassCred, &true)?;
    Ok(fd)
}

/// A socket for datagrams, which come with their sender, as a file.
///
/// # Errors
/// EADDRINUSE: it exists; otherwise as for making a file.
pub fn datagrams_at(path: &Path) -> nix::Result<OwnedFd> {
    let fd = datagrams()?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(fd)
}

/// Whether datagrams can be sent to this file.
///
/// # Errors
/// ENOENT: there is none. ECONNREFUSED: nobody has it open. EACCES: not by this user.
pub fn reach(path: &Path) -> nix::Result<()> {
    connected(&UnixAddr::new(path)?).map(drop)
}

/// A socket for datagrams to this address, as NOTIFY_SOCKET has it: an absolute path, or `@` and an abstract name.
///
/// # Errors
/// As [`reach`]. EAFNOSUPPORT: it is an address of another kind.
pub fn datagrams_to(address: &str) -> nix::Result<OwnedFd> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => UnixAddr::new_abstract(name)?,
        [b'/', ..] => UnixAddr::new(Path::new(address))?,
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    connected(&address)
}

fn connected(address: &UnixAddr) -> nix::Result<OwnedFd> {
    let fd = above_stdio(socket(AddressFamily::Unix, SockType::Datagram, FLAGS, None)?)?;
    connect(fd.as_raw_fd(), address)?;
    Ok(fd)
}

/// The same under an abstract name of the kernel's choice, which nobody can have taken before; and that name.
///
/// # Errors
/// Those of socket(2) and bind(2).
pub fn datagrams_anywhere() -> nix::Result<(OwnedFd, String)> {
    let fd = datagrams()?;
    // Autobind: an address that is nothing but its family.
    let family = libc::AF_UNIX as libc::sa_family_t;
    // SAFETY: the kernel reads the two bytes of the family.
    let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const family).cast(), size_of_val(&family) as u32) };
    Errno::result(bound)?;
    let address: UnixAddr = nix::sys::socket::getsockname(fd.as_raw_fd())?;
    let name = address.as_abstract().and_then(|name| std::str::from_utf8(name).ok()).ok_or(Errno::EADDRNOTAVAIL)?;
    let name = name.to_owned();
    Ok((fd, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::rights::{Waiting, look};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    const SHORT: Duration = Duration::from_millis(50);

    fn me() -> Peer {
        Peer { pid: std::process::id() as i32, uid: nix::unistd::geteuid().as_raw() }
    }

    #[test]
    fn the_kernel_says_who_it_is() {
        let name = format!("goward-test/{}/stream", std::process::id());
        let listener = listener(&name).unwrap();
        assert_eq!(super::listener(&name).unwrap_err(), Errno::EADDRINUSE);
        assert_eq!(accept(&listener).unwrap_err(), Errno::EAGAIN);
        let (_connection, peer) = connection(name.as_bytes(), SHORT, None).unwrap();
        assert_eq!(peer, me());
        // One that asks for senders (SO_PASSCRED) has a name of the kernel's choice.
        let (accepted, peer) = accept(&listener).unwrap();
        assert!(peer == me() && name_of_peer(&accepted).is_none_or(|name| name.len() == 5));
        let own = format!("goward-test/{}/client", std::process::id());
        let (_named, _) = connection(name.as_bytes(), SHORT, Some(&own)).unwrap();
        assert_eq!(name_of_peer(&accept(&listener).unwrap().0), Some(own.clone()));
        assert_eq!(connection(name.as_bytes(), SHORT, Some(&own)).unwrap_err(), Errno::EADDRINUSE);
        drop(listener);
        assert_eq!(connection(name.as_bytes(), SHORT, None).unwrap_err(), Errno::ECONNREFUSED);
    }

    #[test]
    fn a_full_queue_is_waited_for_and_no_longer_than_that() {
        let name = format!("goward-test/{}/full", std::process::id());
        let listener = listener(&name).unwrap();
        // SAFETY: no memory is touched. A queue of one.
        unsafe { libc::listen(listener.as_raw_fd(), 0) };
        let _first = connection(name.as_bytes(), SHORT, None).unwrap();
        assert_eq!(connection(name.as_bytes(), SHORT, None).unwrap_err(), Errno::EAGAIN);
        let (patient, room) = std::thread::scope(|scope| {
            let patient =
                scope.spawn(|| connection(name.as_bytes(), Duration::from_secs(30), None).map(|(_, peer)| peer));
            crate::sys::clock::nap(SHORT);
            let room = accept(&listener).map(|(_, peer)| peer);
            (patient.join().unwrap(), room)
        });
        assert_eq!((patient, room), (Ok(me()), Ok(me())));
    }

    #[test]
    fn a_datagram_has_its_sender() {
        let path = std::env::temp_dir().join(format!("goward-datagram-{}", std::process::id()));
        let at = datagrams_at(&path).unwrap();
        assert_eq!(datagrams_at(&path).unwrap_err(), Errno::EADDRINUSE);
        let (anywhere, name) = datagrams_anywhere().unwrap();
        assert_eq!(reach(&path), Ok(()));
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"READY=1", &path).unwrap();
        sender.send_to_addr(b"READY=1", &SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(reach(&path), Err(Errno::ENOENT));
        for socket in [at, anywhere] {
            let mut buffer = [0; 4];
            let waiting = Waiting { length: 4, sender: Some(me()), carries: false };
            assert_eq!(look(&socket, &mut buffer), Ok(waiting));
            assert_eq!(&buffer, b"READ");
            nix::unistd::read(&socket, &mut buffer).unwrap();
            assert_eq!(look(&socket, &mut buffer), Err(Errno::EAGAIN));
        }
    }

    #[test]
    fn no_two_numbers_are_the_same() {
        assert_ne!(unpredictable().unwrap(), unpredictable().unwrap());
    }

    #[test]
    fn a_namespace_has_a_number() {
        assert!(pid_namespace() > 0);
    }
}
