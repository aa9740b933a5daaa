//! Signals, taken from the kernel one by one with sigtimedwait(2). There is no handler: every signal stays blocked for
//! the whole life of goward, waits in the kernel until it is taken, and comes with its sender. So none is lost, none
//! interrupts anything, and nothing has to be async-signal-safe.
//!
//! Forwarding from a handler was tried first. It was slower: the kernel's signal frame (with the vector registers) costs
//! more than the return from sigtimedwait, and the loop is never busy for longer than a few microseconds anyway.
#![allow(unsafe_code)]

use super::mask::Mask;
use super::process;
use crate::signal::Signal;
use nix::errno::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A process. Pid 0: one outside this PID namespace, as with `docker stop`.
    Process {
        /// Its pid as seen from here.
        pid: i32,
        /// Its real uid.
        uid: u32,
    },
    /// The kernel: a key at the terminal, a hang-up, a timer.
    Kernel,
    /// The kernel, because something happened at a descriptor that announces itself: no signal of anybody's.
    Descriptor,
}

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// As it came, before rewriting.
    pub signal: Signal,
    /// Who sent it.
    pub sender: Sender,
    /// It went [`Straight`] on, and this is what the kernel said.
    pub sent: Option<nix::Result<()>>,
    /// How many came since the wait began. All but this one went straight on.
    pub in_a_row: u32,
}

/// Signals that need no decision, or none before they are sent. [`Inbox::wait`] sends them on from one system call to the
/// next: what has slept is cold, and every page and cache line that is touched in between costs as much as the rest of the way.
#[derive(Clone, Copy, Debug)]
pub struct Straight {
    /// Those that go on as they came, when a process sends them.
    pub signals: Mask,
    /// These too, but the caller must hear of each at once: it has more to do.
    pub heard: Mask,
    /// To whom, as [`process::send`] takes it.
    pub to: i32,
    /// So many in a row, before the caller looks after other things; fewer where the kernel refuses one.
    pub at_once: u32,
}

/// What happened at a descriptor, `si_code` of its SIGIO: include/uapi/asm-generic/siginfo.h.
const POLL_IN: i32 = 1;
const POLL_HUP: i32 = 6;

/// The signals that are taken.
pub struct Inbox {
    all: Mask,
    without_children: Mask,
    /// Readable when a signal waits: only for poll, never read. Made when there is first something else to wait for.
    bell: Option<OwnedFd>,
    own: i32,
}

impl Inbox {
    /// An inbox for these signals, which the caller has blocked.
    pub fn new(signals: impl Iterator<Item = Signal>) -> Inbox {
        let without_children = signals.filter(|signal| *signal != Signal::CHLD).fold(Mask::empty(), Mask::with);
        let all = without_children.with(Signal::CHLD);
        Inbox { all, without_children, bell: None, own: nix::unistd::getpid().as_raw() }
    }

    /// Waits for a signal, until the time has passed (none: for ever). With `children` false, SIGCHLD stays where it is.
    /// What may go straight on has been sent when this returns.
    ///
    /// # Errors
    /// EINTR where something else woke the process; anything else is a sandbox's doing. The caller must not spin on it.
    pub fn wait(
        &self,
        time: Option<Duration>,
        children: bool,
        straight: Option<Straight>,
    ) -> nix::Result<Option<Received>> {
        let set = if children { self.all } else { self.without_children };
        let mut in_a_row = 0;
        loop {
            in_a_row += 1;
            let Some((signal, info)) = take(set, time)? else { return Ok(None) };
            let sent = straight
                .filter(|straight| info.si_code <= 0 && straight.signals.or(straight.heard).contains(signal))
                .map(|straight| process::send(straight.to, signal));
            let more = |straight: Straight| straight.signals.contains(signal) && in_a_row < straight.at_once;
            if sent == Some(Ok(())) && straight.is_some_and(more) {
                continue;
            }
            let received = Received { signal, sender: sender(signal, &info), sent, in_a_row };
            return Ok((!self.is_own(&received)).then_some(received));
        }
    }

    /// What goward did to itself, by a write: SIGPIPE where nobody reads the log any more, SIGXFSZ where the file has the size
    /// that it may have (`--rlimit fsize=…`). The kernel sends these in goward's own name.
    fn is_own(&self, received: &Received) -> bool {
        matches!(received.sender, Sender::Process { pid, .. } if pid == self.own)
            && matches!(received.signal, Signal::PIPE | Signal::XFSZ)
    }

    /// Waits for a signal, or for one of the `others`, as poll(2) does; which signal, [`Inbox::wait`] tells.
    ///
    /// # Errors
    /// As [`Inbox::wait`].
    pub fn wait_with<const N: usize>(
        &mut self,
        time: Option<Duration>,
        children: bool,
        others: [libc::pollfd; N],
    ) -> nix::Result<[libc::pollfd; N]> {
        let set = if children { &self.all } else { &self.without_children };
        let old = self.bell.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: makes a descriptor, or changes the set of the one that is there.
        let bell =
            Errno::result(unsafe { libc::signalfd(old, &set.to_sigset(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
        if old == -1 {
            // SAFETY: it has just been made, and is ours alone.
            self.bell = Some(unsafe { OwnedFd::from_raw_fd(bell) });
        }
        let mut fds = Fds { bell: libc::pollfd { fd: bell, events: libc::POLLIN, revents: 0 }, others };
        let millis = time.map_or(-1, |time| i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        // SAFETY: one pollfd and N more right after it, as repr(C) lays them out.
        Errno::result(unsafe { libc::poll((&raw mut fds).cast(), 1 + N as libc::nfds_t, millis) })?;
        Ok(fds.others)
    }
}

/// What poll(2) is given.
#[repr(C)]
struct Fds<const N: usize> {
    bell: libc::pollfd,
    others: [libc::pollfd; N],
}

/// One signal from the kernel; none in that time.
fn take(set: Mask, time: Option<Duration>) -> nix::Result<Option<(Signal, libc::siginfo_t)>> {
    let time =
        time.map(|time| libc::timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // Directly: musl's sigtimedwait does not return for EINTR, it waits the whole time once more.
    // SAFETY: the set (8 bytes) and the time are read; the kernel writes one siginfo.
    let number =
        unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, info.as_mut_ptr(), time, size_of::<Mask>()) };
    match crate::sys::check(number) {
        // SAFETY: it was zeroed, and the kernel has filled it.
        Ok(number) => Ok(Signal::new(number as i32).map(|signal| (signal, unsafe { info.assume_init() }))),
        Err(Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn sender(signal: Signal, info: &libc::siginfo_t) -> Sender {
    match info.si_code {
        POLL_IN..=POLL_HUP if signal == Signal::IO => Sender::Descriptor,
        1.. => Sender::Kernel,
        // SAFETY: pid and uid are there for codes up to 0.
        _ => unsafe { Sender::Process { pid: info.si_pid(), uid: info.si_uid() } },
    }
}
