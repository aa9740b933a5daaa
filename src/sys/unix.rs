//! Unix sockets without a file: abstract ones, with the kernel's word for who is at the other end. See unix(7).
#![allow(unsafe_code)]

use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind, connect,
    getsockopt, listen, recvmsg, setsockopt, socket, sockopt,
};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Who is at the other end, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// As seen from here; 0 for a process of a PID namespace that cannot be seen.
    pub pid: i32,
    /// Its effective uid when it connected, bound or sent.
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

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);

/// A socket that takes connections under this abstract name.
///
/// # Errors
/// EADDRINUSE: somebody has that name.
pub fn listener(name: &str) -> nix::Result<OwnedFd> {
    let fd = super::process::above_stdio(socket(AddressFamily::Unix, SockType::Stream, FLAGS, None)?)?;
    bind(fd.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    listen(&fd, Backlog::new(64)?)?;
    Ok(fd)
}

/// A connection that waits on a listener, and who made it. It does not block.
///
/// # Errors
/// EAGAIN: there is none.
pub fn accept(listener: &OwnedFd) -> nix::Result<(OwnedFd, Peer)> {
    let fd = accept4(listener.as_raw_fd(), FLAGS)?;
    // SAFETY: it has just been made, and is ours alone.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let peer = peer(&fd)?;
    Ok((fd, peer))
}

/// A connection to this abstract name, and who listens there.
///
/// # Errors
/// ECONNREFUSED: nobody. EAGAIN: too many wait there already.
pub fn connection(name: &str) -> nix::Result<(OwnedFd, Peer)> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, FLAGS, None)?;
    connect(fd.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    let peer = peer(&fd)?;
    Ok((fd, peer))
}

fn peer(fd: &OwnedFd) -> nix::Result<Peer> {
    let credentials = getsockopt(fd, sockopt::PeerCredentials)?;
    Ok(Peer { pid: credentials.pid(), uid: credentials.uid() })
}

/// A socket for datagrams under this abstract name, which come with their sender.
///
/// # Errors
/// EADDRINUSE: somebody has that name.
pub fn mailbox(name: &str) -> nix::Result<OwnedFd> {
    let fd = super::process::above_stdio(socket(AddressFamily::Unix, SockType::Datagram, FLAGS, None)?)?;
    setsockopt(&fd, sockopt::PassCred, &true)?;
    bind(fd.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    Ok(fd)
}

/// A datagram, as far as it fits, and its sender. Descriptors that come with it are closed.
///
/// # Errors
/// EAGAIN: there is none.
pub fn receive(mailbox: &OwnedFd, buffer: &mut [u8]) -> nix::Result<(usize, Option<Peer>)> {
    // As many descriptors as a message may carry (SCM_MAX_FD): where there is no room for them the sender is lost too.
    let mut room = nix::cmsg_space!(nix::sys::socket::UnixCredentials, [RawFd; 253]);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(mailbox.as_raw_fd(), &mut parts, Some(&mut room), flags)?;
    let mut sender = None;
    for part in message.cmsgs().into_iter().flatten() {
        match part {
            ControlMessageOwned::ScmCredentials(credentials) => {
                sender = Some(Peer { pid: credentials.pid(), uid: credentials.uid() });
            }
            ControlMessageOwned::ScmRights(fds) => {
                for fd in fds {
                    // SAFETY: the kernel has just made it for this process, and nobody else knows it.
                    drop(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
            _ => {}
        }
    }
    Ok((message.bytes, sender))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn the_kernel_says_who_it_is() {
        let name = format!("goward-test/{}/stream", std::process::id());
        let listener = listener(&name).unwrap();
        assert_eq!(super::listener(&name).unwrap_err(), Errno::EADDRINUSE);
        assert_eq!(accept(&listener).unwrap_err(), Errno::EAGAIN);
        let me = Peer { pid: std::process::id() as i32, uid: nix::unistd::geteuid().as_raw() };
        let (_connection, peer) = connection(&name).unwrap();
        assert_eq!(peer, me);
        assert_eq!(accept(&listener).unwrap().1, me);
        drop(listener);
        assert_eq!(connection(&name).unwrap_err(), Errno::ECONNREFUSED);
    }

    #[test]
    fn a_datagram_has_its_sender() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("goward-test/{}/datagram", std::process::id());
        let mailbox = mailbox(&name).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        sender.send_to_addr(b"READY=1", &address).unwrap();
        let mut buffer = [0; 4];
        let (length, peer) = receive(&mailbox, &mut buffer).unwrap();
        assert_eq!((&buffer[..length], peer.unwrap().pid), (b"READ".as_slice(), std::process::id() as i32));
        assert_eq!(receive(&mailbox, &mut buffer).unwrap_err(), Errno::EAGAIN);
    }

    #[test]
    fn a_namespace_has_a_number() {
        assert!(pid_namespace() > 0);
    }
}
