//! Descriptors that come through a socket (SCM_RIGHTS in unix(7)): sockets through which somebody else may send some are read and
//! closed without ever waiting.
//!
//! To close the last descriptor of a file may take as long as its sender likes: unsent data of a socket are waited for
//! (SO_LINGER in socket(7)), and so is a file system in user space. Reading such a message without taking its descriptors
//! closes them, and so does closing a socket in which one waits. No signal that is blocked interrupts that. So PID 1 looks
//! before it reads, reads nothing that carries descriptors, and closes no socket that may hold some: another process does, and
//! is killed if that takes long, after which nothing is waited for any more.
#![allow(unsafe_code)]

use super::unix::Peer;
use super::{clock, process, uninterrupted};
use crate::signal::Signal;
use crate::supervisor::Time;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, recv, recvmsg, sendmsg, shutdown};
use std::io::{IoSlice, IoSliceMut};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the other process may take. Then it is killed.
const PATIENCE: Duration = Duration::from_millis(50);
/// So many streams are closed by one process.
const STREAMS: usize = 16;

/// What waits at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// So many bytes of it are in the buffer now.
    pub length: usize,
    /// Who has sent it, where the socket asks for that (SO_PASSCRED).
    pub sender: Option<Peer>,
    /// Descriptors come with it.
    pub carries: bool,
}

/// Keeps an out-of-band byte (MSG_OOB) in the stream, where MSG_PEEK sees it: otherwise the look passes over it, and the read that
/// follows frees it with its descriptors.
pub fn keep_in_line(socket: &impl AsFd) {
    let one: libc::c_int = 1;
    let (value, length) = ((&raw const one).cast(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: reads one int. No kernel refuses it for a Unix socket; one that has no MSG_OOB there (before Linux 5.15) need not have it.
    unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), libc::SOL_SOCKET, libc::SO_OOBINLINE, value, length) };
}

/// Looks at what is read next from a socket that tells of senders (SO_PASSCRED), and leaves it where it is. 0 bytes of a stream
/// are its end. Waits if the socket does.
///
/// # Errors
/// EAGAIN: there is nothing.
pub fn look(socket: &impl AsFd, buffer: &mut [u8]) -> nix::Result<Waiting> {
    // SAFETY: no memory is touched.
    peek(socket, buffer, unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize)
}

/// With room for the sender at most, so that no descriptor is taken, and the kernel says that something was left out (MSG_CTRUNC).
fn peek(socket: &impl AsFd, buffer: &mut [u8], space: usize) -> nix::Result<Waiting> {
    // u64, for the alignment.
    let mut room = [MaybeUninit::<u64>::uninit(); 4];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a zeroed msghdr is an empty one (musl's has padding, so it cannot be written out).
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = room.as_mut_ptr().cast();
    message.msg_controllen = space.min(size_of_val(&room)) as _;
    let flags = libc::MSG_PEEK | libc::MSG_CMSG_CLOEXEC;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the buffers live as long as the message that names them.
    let length = Errno::result(unsafe { libc::recvmsg(fd, &raw mut message, flags) })?;
    // SAFETY: the kernel says where the headers end, and there is room for one.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    let is_sender =
        |header: &&libc::cmsghdr| (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
    let sender = header.filter(is_sender).map(|header| {
        // SAFETY: it lies behind its header, which the kernel writes only if the whole of it fits.
        let ucred = unsafe { libc::CMSG_DATA(header).cast::<libc::ucred>().read_unaligned() };
        Peer { pid: ucred.pid, uid: ucred.uid }
    });
    Ok(Waiting { length: length as usize, sender, carries: message.msg_flags & libc::MSG_CTRUNC != 0 })
}

/// A stream that somebody else writes to. Dropping it waits for nothing: if anything may have been sent that was not read, it is
/// kept for a [`Disposal`].
#[derive(Debug)]
pub struct Stream(ManuallyDrop<OwnedFd>);

/// How many streams wait to be closed, also those that a [`Disposal`] closes.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Streams that may hold descriptors, and are not needed any more.
static UNCLOSED: Mutex<Vec<Unclosed>> = Mutex::new(Vec::new());

/// A stream that is still open. Its number may be given to another file once it is closed, its inode not while it is open.
#[derive(Clone, Copy, Debug)]
struct Unclosed {
    fd: RawFd,
    inode: u64,
}

impl Unclosed {
    fn is_open(&self) -> bool {
        inode(self.fd) == Some(self.inode)
    }
}

/// The inode of an open file; none: the number is not in use.
fn inode(fd: RawFd) -> Option<u64> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills it if it returns 0; a number that is not in use is an error.
    (unsafe { libc::fstat(fd, stat.as_mut_ptr()) } == 0).then(|| unsafe { stat.assume_init() }.st_ino)
}

impl From<OwnedFd> for Stream {
    fn from(fd: OwnedFd) -> Stream {
        Stream(ManuallyDrop::new(fd))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: it is not used again: this is its drop.
        let fd = unsafe { ManuallyDrop::take(&mut self.0) };
        // Nothing can be sent to it from here on.
        let _ = shutdown(fd.as_raw_fd(), Shutdown::Both);
        if may_hold(&fd)
            && let Some(inode) = inode(fd.as_raw_fd())
        {
            COUNT.fetch_add(1, Relaxed);
            let unclosed = Unclosed { fd: fd.into_raw_fd(), inode };
            UNCLOSED.lock().unwrap_or_else(PoisonError::into_inner).push(unclosed);
        }
    }
}

/// Whether a stream to which nothing can be sent any more may hold descriptors: unless the kernel says that it is empty, or shows
/// all of what is in it without any.
fn may_hold(fd: &OwnedFd) -> bool {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    let told = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD as _, &raw mut bytes) } == 0;
    let mut buffer = [0; 1024];
    // What is seen ends with the first piece that carries some.
    let mut is_all = || {
        peek(fd, &mut buffer, 0).is_ok_and(|waiting| !waiting.carries && usize::try_from(bytes) == Ok(waiting.length))
    };
    !told || bytes != 0 && !is_all()
}

/// How many streams wait to be closed.
pub fn unclosed() -> usize {
    COUNT.load(Relaxed)
}

/// A process that closes what may hold descriptors, or reads them away.
#[derive(Debug)]
pub struct Disposal {
    pid: i32,
    streams: Vec<Unclosed>,
    /// When it is killed.
    until: Time,
}

impl Disposal {
    /// For streams that were dropped; none: there are none.
    ///
    /// # Errors
    /// clone(2) was refused. They are kept.
    pub fn start() -> nix::Result<Option<Disposal>> {
        let mut unclosed = UNCLOSED.lock().unwrap_or_else(PoisonError::into_inner);
        if unclosed.is_empty() {
            return Ok(None);
        }
        let first = unclosed.len().saturating_sub(STREAMS);
        // It shares the descriptors (CLONE_FILES): what it closes is closed for PID 1 too, and what goes with it is its own to wait for.
        let flags = libc::CLONE_FILES | libc::SIGCHLD;
        // SAFETY: goward has one thread, so everything in the child's memory is in order; it has a stack of its own, a copy.
        match Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })? {
            0 => {
                for stream in unclosed.iter().skip(first) {
                    // SAFETY: nobody else closes it.
                    unsafe { libc::close(stream.fd) };
                }
                // SAFETY: ends the child without running anything that the parent has registered for its own end.
                unsafe { libc::_exit(0) }
            }
            pid => Ok(Some(Disposal::of(pid as i32, unclosed.split_off(first)))),
        }
    }

    /// For the next message at this socket.
    ///
    /// # Errors
    /// fork(2) was refused.
    pub fn of_message(socket: &OwnedFd) -> nix::Result<Disposal> {
        // SAFETY: goward has one thread, so everything in the child's memory is in order.
        match Errno::result(unsafe { libc::fork() })? {
            0 => {
                let _ = recv(socket.as_raw_fd(), &mut [], MsgFlags::MSG_DONTWAIT);
                // SAFETY: as above. What a process has open when it ends is closed without waiting for unsent data.
                unsafe { libc::_exit(0) }
            }
            pid => Ok(Disposal::of(pid, Vec::new())),
        }
    }

    fn of(pid: i32, streams: Vec<Unclosed>) -> Disposal {
        Disposal { pid, streams, until: clock::now() + PATIENCE }
    }

    /// Whoever calls waitpid reaps it.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// When to call [`Disposal::hurry`], from now.
    pub fn patience(&self, now: Time) -> Duration {
        self.until.saturating_sub(now)
    }

    /// Kills it if its time is up, again and again until it has been reaped: it may be in a file system in user space.
    pub fn hurry(&mut self, now: Time) {
        if self.until <= now {
            self.until = now + PATIENCE;
            let _ = process::send(self.pid, Signal::KILL);
        }
    }

    /// It has been reaped. What it did not get to is kept for the next one.
    pub fn ended(mut self) {
        let before = self.streams.len();
        self.streams.retain(Unclosed::is_open);
        COUNT.fetch_sub(before - self.streams.len(), Relaxed);
        UNCLOSED.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.streams);
    }
}

/// Sends bytes and descriptors, in one message, if there is room at once.
///
/// # Errors
/// As sendmsg(2); EAGAIN: there is no room.
pub fn send_with(stream: &impl AsFd, bytes: &[u8], descriptors: &[RawFd]) -> nix::Result<()> {
    let parts = [IoSlice::new(bytes)];
    let rights = [ControlMessage::ScmRights(descriptors)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let control = if descriptors.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(stream.as_fd().as_raw_fd(), &parts, control, flags, None).map(drop)
}

/// Receives one message of bytes and up to three descriptors, which become this process's own. Waits as the socket does. Not for
/// PID 1: see above.
///
/// # Errors
/// As recvmsg(2).
pub fn receive(stream: &impl AsFd, buffer: &mut [u8]) -> nix::Result<(usize, Vec<OwnedFd>)> {
    // The sender's identity may come with it (SO_PASSCRED).
    let mut space = nix::cmsg_space!([RawFd; 3], libc::ucred);
    let mut parts = [IoSliceMut::new(buffer)];
    let fd = stream.as_fd().as_raw_fd();
    let message = recvmsg::<()>(fd, &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            // SAFETY: the kernel has just made them for this process, and nobody else knows of them.
            descriptors.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok((message.bytes, descriptors))
}

/// Reads a piece of a stream, if no descriptors come with it.
///
/// # Errors
/// EAGAIN: there is nothing. EBADMSG: descriptors come with it, and it was not read.
pub fn read(stream: &Stream, buffer: &mut [u8]) -> nix::Result<usize> {
    let waiting = uninterrupted(|| peek(stream, buffer, 0))?;
    if waiting.carries {
        return Err(Errno::EBADMSG);
    }
    let seen = buffer.get_mut(..waiting.length).unwrap_or_default();
    uninterrupted(|| recv(stream.as_fd().as_raw_fd(), seen, MsgFlags::MSG_DONTWAIT))
}
