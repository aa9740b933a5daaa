//! Signals, taken from the kernel one by one with sigtimedwait(2). There is no handler: every signal stays blocked for
//! the whole life of goward, waits in the kernel until it is taken, and comes with its sender. So none is lost, none
//! interrupts anything, and nothing has to be async-signal-safe.
//!
//! Forwarding from a handler was tried first. It was slower: the kernel's signal frame (with the vector registers) costs
//! more than the return from sigtimedwait, and the loop is never busy for longer than a few microseconds anyway.
//!
//! Where the kernel refuses sigtimedwait for good (a seccomp profile, an emulator), signals are taken another way: see [`Way`].
#![allow(unsafe_code)]

use super::mask::{self, Mask};
use super::{clock, process};
use crate::signal::Signal;
use nix::errno::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A process. Pid 0: one outside this PID namespace, as with `docker stop`.
    Process {
        /// Its pid as seen from here.
        pid: i32,
        /// The sender's real uid.
        uid: u32,
    },
    /// A process that has written this itself, and may have written anything: sigqueue(3), a timer of its own.
    Queued {
        /// The pid that it says it has.
        pid: i32,
        /// The uid that the sender gave.
        uid: u32,
    },
    /// The kernel: a key at the terminal, a hang-up, a timer.
    Kernel,
    /// The kernel, because something happened at a descriptor that announces itself: no signal of anybody's.
    Descriptor,
    /// Somebody: [`Way::Pending`] does not tell.
    Unknown,
}

/// How signals are taken from the kernel. Each is for where the one before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By rt_sigtimedwait(2): one system call for each.
    Wait,
    /// From a signalfd(2), with poll(2) before it.
    Descriptor,
    /// By rt_sigpending(2) a hundred times a second, and by ignoring for a moment what waits. Who sent a signal is not told,
    /// nor how many of a real-time signal came. That a child has ended may always be.
    Pending,
}

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// As it came, before rewriting.
    pub signal: Signal,
    /// Who sent it, as far as the kernel says.
    pub sender: Sender,
    /// It went on, see [`FastForward`], and this is what the kernel said.
    pub sent: Option<nix::Result<()>>,
    /// How many came since the wait began. All but this one went straight on.
    pub in_a_row: u32,
}

/// Signals that need no decision, or none before they are sent. [`Inbox::wait`] sends them on from one system call to the
/// next: what has slept is cold, and every page and cache line that is touched in between costs as much as the rest of the way.
#[derive(Clone, Copy, Debug)]
pub struct FastForward {
    /// Those that go on as they came, when a process sends them.
    pub signals: Mask,
    /// These too, but the caller must hear of each at once: it has more to do.
    pub forward_and_report: Mask,
    /// To whom, as [`process::send`] takes it.
    pub to: i32,
    /// So many in a row, before the caller looks after other things; fewer where the kernel refuses one.
    pub at_once: u32,
}

/// How often [`Way::Pending`] looks, and how soon to look again after a refusal.
const TICK: Duration = Duration::from_millis(10);
/// So many refusals in a row are no accident.
const REFUSALS: u8 = 3;

/// The signals that are taken.
pub struct Inbox {
    all: Mask,
    without_children: Mask,
    /// Readable when one of these signals waits. Made when there is first something else to wait for.
    signalfd: Option<(OwnedFd, Mask)>,
    own: i32,
    /// The last signal was a descriptor's. The kernel hands out low numbers first, and SIGIO may come again and again: those
    /// above it are looked for first.
    after_descriptor: bool,
    way: Way,
    refusals: u8,
    /// Another way was taken, because of this.
    news: Option<(Way, Errno)>,
    /// What has gone straight on.
    forwarded: Mask,
    /// See [`Inbox::stay_awake`].
    awake_until: Duration,
}

impl Inbox {
    /// An inbox for these signals, which the caller has blocked.
    pub fn new(signals: impl Iterator<Item = Signal>) -> Inbox {
        let without_children = signals.filter(|signal| *signal != Signal::CHLD).fold(Mask::empty(), Mask::with);
        let all = without_children.with(Signal::CHLD);
        let own = nix::unistd::getpid().as_raw();
        Inbox {
            all,
            without_children,
            signalfd: None,
            own,
            after_descriptor: false,
            way: Way::Wait,
            refusals: 0,
            news: None,
            forwarded: Mask::empty(),
            awake_until: Duration::ZERO,
        }
    }

    /// For this time, [`Inbox::wait`] asks again and again and does not sleep: something is expected that may come sooner than a
    /// processor that has halted wakes up. Not where there is one processor only, which others need for it to come.
    pub fn stay_awake(&mut self, time: Duration, processors: usize) {
        if processors > 1 {
            self.awake_until = clock::now() + time;
        }
    }

    /// Waits for a signal, until the time has passed (none: for ever). With `children` false, SIGCHLD stays where it is.
    /// What may go straight on has been sent when this returns.
    ///
    /// # Errors
    /// EINTR where something else woke the process; anything else is a sandbox's doing. The caller must not spin on it.
    pub fn wait(
        &mut self,
        time: Option<Duration>,
        children: bool,
        fast_forward: Option<FastForward>,
    ) -> nix::Result<Option<Received>> {
        self.receive(time, children, fast_forward, false)
    }

    /// Waits for a signal, or until `writable` can be written to, as poll(2) says; signals are taken first. True also where it
    /// cannot be asked.
    ///
    /// # Errors
    /// As [`Inbox::wait`].
    pub fn wait_with(
        &mut self,
        time: Option<Duration>,
        children: bool,
        fast_forward: Option<FastForward>,
        writable: RawFd,
    ) -> (bool, nix::Result<Option<Received>>) {
        match self.poll(self.set(children), time, writable) {
            Ok((signal_waits, ready)) => {
                (ready, self.receive(Some(Duration::ZERO), children, fast_forward, signal_waits))
            }
            Err(_) => {
                let time = time.map_or(TICK, |time| time.min(TICK));
                (true, self.receive(Some(time), children, fast_forward, false))
            }
        }
    }

    /// Whether another way had to be taken since this was last asked, and what the kernel said to the one before.
    pub fn news(&mut self) -> Option<(Way, Errno)> {
        self.news.take()
    }

    /// Which signals have gone straight on, see [`FastForward`].
    pub fn forwarded(&self) -> Mask {
        self.forwarded
    }

    /// They went to somebody who is no longer there.
    pub fn forget_forwarded(&mut self) {
        self.forwarded = Mask::empty();
    }

    fn set(&self, children: bool) -> Mask {
        if children { self.all } else { self.without_children }
    }

    /// `signal_waits`: a signal waits, poll(2) says.
    fn receive(
        &mut self,
        time: Option<Duration>,
        children: bool,
        fast_forward: Option<FastForward>,
        signal_waits: bool,
    ) -> nix::Result<Option<Received>> {
        let set = self.set(children);
        let mut in_a_row = 0;
        loop {
            in_a_row += 1;
            let Some(taken) = self.next(set, time, signal_waits && in_a_row == 1)? else { return Ok(None) };
            let signal = taken.signal;
            let by_process = matches!(taken.sender, Sender::Process { .. } | Sender::Queued { .. } | Sender::Unknown);
            let sent = fast_forward
                .filter(|fast_forward| {
                    by_process && fast_forward.signals.or(fast_forward.forward_and_report).contains(signal)
                })
                .map(|fast_forward| process::send(fast_forward.to, signal));
            let more =
                |fast_forward: FastForward| fast_forward.signals.contains(signal) && in_a_row < fast_forward.at_once;
            if sent == Some(Ok(())) {
                self.forwarded = self.forwarded.with(signal);
                if fast_forward.is_some_and(more) {
                    continue;
                }
            }
            let received = Received { signal, sender: taken.sender, sent, in_a_row };
            return Ok((!self.is_own(&received)).then_some(received));
        }
    }

    /// One signal; of all that wait not always a descriptor's.
    fn next(&mut self, set: Mask, time: Option<Duration>, signal_waits: bool) -> nix::Result<Option<Taken>> {
        let others = if std::mem::take(&mut self.after_descriptor) && self.way == Way::Wait {
            self.take(set.without(Signal::IO), Some(Duration::ZERO), false)?
        } else {
            None
        };
        let taken = match others {
            Some(taken) => Some(taken),
            None => self.take(set, time, signal_waits)?,
        };
        self.after_descriptor = taken.as_ref().is_some_and(|taken| taken.signal == Signal::IO);
        Ok(taken)
    }

    /// What goward did to itself, by a write: SIGPIPE where nobody reads the log any more, SIGXFSZ where the file has the size
    /// that it may have (`--rlimit fsize=…`). The kernel sends these in goward's own name.
    fn is_own(&self, received: &Received) -> bool {
        let own = match received.sender {
            Sender::Process { pid, .. } => pid == self.own,
            // It may be: better that nobody gets it than that the server dies of goward's.
            Sender::Unknown => true,
            Sender::Kernel | Sender::Descriptor | Sender::Queued { .. } => false,
        };
        own && matches!(received.signal, Signal::PIPE | Signal::XFSZ)
    }

    /// One signal from the kernel; none in that time.
    fn take(&mut self, set: Mask, time: Option<Duration>, signal_waits: bool) -> nix::Result<Option<Taken>> {
        let result = match self.way {
            Way::Wait => {
                let time = match self.take_awake(set, time) {
                    Ok(taken) => return Ok(Some(taken)),
                    Err(left) => left,
                };
                let began = time.map(|time| (time, clock::now()));
                match wait_for(set, time) {
                    // Some kernels refuse by saying at once that the time has passed.
                    Ok(None)
                        if signal_waits
                            || began.is_none_or(|(time, began)| clock::now().saturating_sub(began) < time / 2) =>
                    {
                        Err(Errno::EAGAIN)
                    }
                    Err(errno) if still_works() => return Err(errno),
                    result => result,
                }
            }
            Way::Descriptor => self.take_from_descriptor(set, time),
            Way::Pending => return Ok(from_pending(set, time)),
        };
        match result {
            Ok(taken) => {
                self.refusals = 0;
                Ok(taken)
            }
            Err(errno) => self.refused(errno),
        }
    }

    /// One signal, as long as goward stays awake; or how much of the time is left for sleeping.
    fn take_awake(&mut self, set: Mask, time: Option<Duration>) -> Result<Taken, Option<Duration>> {
        if self.awake_until == Duration::ZERO {
            return Err(time);
        }
        let end = time.map(|time| clock::now() + time);
        loop {
            let now = clock::now();
            if now >= self.awake_until {
                self.awake_until = Duration::ZERO;
            }
            if now >= end.unwrap_or(Duration::MAX).min(self.awake_until) {
                return Err(end.map(|end| end.saturating_sub(now)));
            }
            match wait_for(set, Some(Duration::ZERO)) {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => std::hint::spin_loop(),
                // It is refused again where it is dealt with.
                Err(_) => self.awake_until = Duration::ZERO,
            }
        }
    }

    #[cold]
    fn refused(&mut self, errno: Errno) -> nix::Result<Option<Taken>> {
        self.refusals += 1;
        if self.refusals < REFUSALS {
            return Err(errno);
        }
        self.refusals = 0;
        let descriptor = self.way == Way::Wait && self.signalfd_for(self.all).is_ok();
        self.way = if descriptor { Way::Descriptor } else { Way::Pending };
        self.news = Some((self.way, errno));
        Ok(None)
    }

    /// The descriptor that is readable when one of the set waits.
    fn signalfd_for(&mut self, set: Mask) -> nix::Result<RawFd> {
        if let Some((signalfd, current)) = &self.signalfd
            && *current == set
        {
            return Ok(signalfd.as_raw_fd());
        }
        let old = self.signalfd.as_ref().map_or(-1, |(signalfd, _)| signalfd.as_raw_fd());
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: makes a descriptor, or changes the set of the one that is there.
        let fd = Errno::result(unsafe { libc::signalfd(old, &set.to_sigset(), flags) })?;
        match &mut self.signalfd {
            Some((_, current)) => *current = set,
            None => {
                // SAFETY: it has just been made, and is ours alone.
                let fd = process::above_stdio(unsafe { OwnedFd::from_raw_fd(fd) })?;
                self.signalfd = Some((fd, set));
            }
        }
        Ok(self.signalfd.as_ref().map_or(fd, |(signalfd, _)| signalfd.as_raw_fd()))
    }

    /// Whether a signal of the set waits, and whether `writable` is, when one of them does or the time has passed. poll(2)
    /// passes over -1.
    fn poll(&mut self, set: Mask, time: Option<Duration>, writable: RawFd) -> nix::Result<(bool, bool)> {
        if self.way == Way::Pending {
            return Err(Errno::ENOSYS);
        }
        let mut fds = [
            libc::pollfd { fd: self.signalfd_for(set)?, events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: writable, events: libc::POLLOUT, revents: 0 },
        ];
        let millis = time.map_or(-1, |time| i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        // SAFETY: two pollfds.
        Errno::result(unsafe { libc::poll(fds.as_mut_ptr(), 2, millis) })?;
        Ok((fds[0].revents != 0, fds[1].revents != 0))
    }

    fn take_from_descriptor(&mut self, set: Mask, time: Option<Duration>) -> nix::Result<Option<Taken>> {
        if time != Some(Duration::ZERO) {
            self.poll(set, time, -1)?;
        }
        let signalfd = self.signalfd_for(set)?;
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the kernel writes one signalfd_siginfo at most.
        match Errno::result(unsafe { libc::read(signalfd, info.as_mut_ptr().cast(), size) }) {
            Ok(length) if length as usize == size => {
                // SAFETY: it was zeroed, and the kernel has filled it.
                let info = unsafe { info.assume_init() };
                let sender = Sender::of(info.ssi_signo as i32, info.ssi_code, || (info.ssi_pid as i32, info.ssi_uid));
                Ok(Signal::new(info.ssi_signo as i32).map(|signal| Taken { signal, sender }))
            }
            Ok(_) => Err(Errno::EIO),
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// A signal that the kernel has given.
struct Taken {
    signal: Signal,
    sender: Sender,
}

/// One signal by sigtimedwait; none in that time.
fn wait_for(set: Mask, time: Option<Duration>) -> nix::Result<Option<Taken>> {
    let time = time.map(|time| libc::timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // Directly: musl's sigtimedwait does not return for EINTR, it waits the whole time once more.
    // SAFETY: the set (8 bytes) and the time are read; the kernel writes one siginfo.
    let number =
        unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, info.as_mut_ptr(), time, size_of::<Mask>()) };
    match super::check(number) {
        Ok(number) => {
            // SAFETY: it was zeroed, and the kernel has filled it; pid and uid are there for codes up to 0.
            let (info, who) = unsafe {
                let info = info.assume_init();
                (info, move || (info.si_pid(), info.si_uid()))
            };
            let sender = Sender::of(number as i32, info.si_code, who);
            Ok(Signal::new(number as i32).map(|signal| Taken { signal, sender }))
        }
        Err(Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Whether sigtimedwait only failed by the way. Without time to wait nothing can interrupt it: what it says is its last
/// word. No signal is taken by this: the set is empty.
#[cold]
fn still_works() -> bool {
    (0..REFUSALS).any(|_| wait_for(Mask::empty(), Some(Duration::ZERO)).is_ok())
}

/// One of the signals that wait, or the news that a child may have ended; none if there is nothing after that time.
fn from_pending(set: Mask, time: Option<Duration>) -> Option<Taken> {
    let one = |signal: &Signal| {
        // The kernel drops a signal that is ignored, also one that waits. Not SIGCHLD: the dead would go with it.
        let waits = set.contains(*signal) && *signal != Signal::CHLD;
        waits && mask::dispose(*signal, true).is_ok() && mask::dispose(*signal, false).is_ok()
    };
    let look = || {
        let waiting = mask::pending().unwrap_or(Mask::empty());
        Signal::all().filter(|signal| waiting.contains(*signal)).find(one)
    };
    let found = look().or_else(|| {
        clock::nap(time.map_or(TICK, |time| time.min(TICK)));
        look()
    });
    match found {
        Some(signal) if signal == Signal::IO => Some(Taken { signal, sender: Sender::Descriptor }),
        Some(signal) => Some(Taken { signal, sender: Sender::Unknown }),
        None if set.contains(Signal::CHLD) => Some(Taken { signal: Signal::CHLD, sender: Sender::Kernel }),
        None => None,
    }
}

/// A key, a hang-up, a timer: sigaction(2).
const SI_KERNEL: i32 = 0x80;

impl Sender {
    /// As `si_code` tells; `who` is there for codes up to 0.
    fn of(signal: i32, code: i32, who: impl FnOnce() -> (i32, u32)) -> Sender {
        match code {
            // POLL_IN to POLL_HUP; SI_KERNEL where there was no room for the queued signal (RLIMIT_SIGPENDING, see send_sigio
            // in fs/fcntl.c), and always in gVisor.
            1.. if signal == libc::SIGIO => Sender::Descriptor,
            SI_KERNEL => Sender::Kernel,
            1.. if signal == libc::SIGCHLD => Sender::Kernel,
            // A process has a file send this signal (F_SETSIG in fcntl(2)), and nobody tells which.
            1.. => Sender::Unknown,
            libc::SI_USER | libc::SI_TKILL => {
                let (pid, uid) = who();
                Sender::Process { pid, uid }
            }
            _ => {
                let (pid, uid) = who();
                Sender::Queued { pid, uid }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signal to this thread alone: the test's other threads do not block it.
    fn raise(signal: Signal) {
        // SAFETY: numbers only; the signal is blocked in this thread.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal.number()) };
    }

    const USED: [Signal; 3] = [Signal::USR1, Signal::WINCH, Signal::PIPE];

    /// An inbox that takes signals this way, in a thread that has blocked them.
    fn inbox(way: Way) -> Inbox {
        USED.into_iter().fold(Mask::empty(), Mask::with).with(Signal::CHLD).install().unwrap();
        Inbox { way, ..Inbox::new(USED.into_iter()) }
    }

    const BRIEF: Option<Duration> = Some(Duration::from_millis(30));

    #[test]
    fn every_way_brings_every_signal() {
        for way in [Way::Wait, Way::Descriptor] {
            let mut inbox = inbox(way);
            assert_eq!(inbox.wait(BRIEF, true, None).unwrap(), None, "{way:?}");
            raise(Signal::USR1);
            raise(Signal::WINCH);
            let mut came: Vec<_> = (0..2).map(|_| inbox.wait(None, true, None).unwrap().unwrap()).collect();
            came.sort_by_key(|received| received.signal);
            assert_eq!(came.iter().map(|received| received.signal).collect::<Vec<_>>(), [Signal::USR1, Signal::WINCH]);
            let sender = Sender::Process { pid: inbox.own, uid: nix::unistd::getuid().as_raw() };
            assert!(came.iter().all(|received| received.sender == sender), "{way:?}: {came:?}");
            // What a write of goward's own did, and SIGCHLD where it is not wanted.
            raise(Signal::PIPE);
            raise(Signal::CHLD);
            assert_eq!(inbox.wait(BRIEF, false, None).unwrap(), None, "{way:?}");
            assert_eq!(inbox.wait(BRIEF, false, None).unwrap(), None, "{way:?}");
            assert_eq!(inbox.wait(BRIEF, true, None).unwrap().unwrap().signal, Signal::CHLD, "{way:?}");
            assert_eq!((inbox.way, inbox.news()), (way, None));
        }
    }

    #[test]
    fn the_last_way_tells_no_sender_and_always_of_children() {
        let mut inbox = inbox(Way::Pending);
        raise(Signal::USR1);
        let received = inbox.wait(None, false, None).unwrap().unwrap();
        assert_eq!((received.signal, received.sender), (Signal::USR1, Sender::Unknown));
        // It came once.
        assert_eq!(inbox.wait(BRIEF, false, None).unwrap(), None);
        raise(Signal::PIPE);
        assert_eq!(inbox.wait(BRIEF, false, None).unwrap(), None);
        let began = clock::now();
        assert_eq!(inbox.wait(None, true, None).unwrap().unwrap().signal, Signal::CHLD);
        assert!(clock::now() - began >= TICK / 2, "it does not spin");
    }

    #[test]
    fn who_stays_awake_does_not_sleep_and_who_does_not_does() {
        let sleeps = || {
            let mut usage = MaybeUninit::<libc::rusage>::zeroed();
            // SAFETY: the kernel writes one rusage, which was zeroed.
            unsafe {
                libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
                usage.assume_init().ru_nvcsw
            }
        };
        let mut inbox = inbox(Way::Wait);
        let long = Duration::from_secs(60);
        inbox.awake_until = clock::now() + long;
        let before = sleeps();
        let began = clock::now();
        assert_eq!(inbox.wait(BRIEF, true, None).unwrap(), None);
        assert!(clock::now() - began >= Duration::from_millis(30));
        raise(Signal::USR1);
        assert_eq!(inbox.wait(None, true, None).unwrap().unwrap().signal, Signal::USR1);
        assert_eq!(sleeps(), before);
        // When that time is over the rest is slept, and no more than the rest.
        inbox.awake_until = clock::now() + Duration::from_millis(10);
        let began = clock::now();
        assert_eq!(inbox.wait(BRIEF, true, None).unwrap(), None);
        assert!(sleeps() > before && clock::now() - began >= Duration::from_millis(30));
        assert_eq!(inbox.awake_until, Duration::ZERO);
        // Who has one processor only does not stay awake: what is expected needs it.
        inbox.stay_awake(long, 1);
        assert_eq!(inbox.awake_until, Duration::ZERO);
        inbox.stay_awake(long, 2);
        assert!(inbox.awake_until > clock::now());
    }

    #[test]
    fn a_signal_goes_straight_on_whatever_the_way() {
        for way in [Way::Wait, Way::Descriptor, Way::Pending] {
            let mut inbox = inbox(way);
            raise(Signal::USR1);
            // Nobody has this pid.
            let fast_forward = FastForward {
                signals: Mask::empty().with(Signal::USR1),
                forward_and_report: Mask::empty(),
                to: i32::MAX,
                at_once: 64,
            };
            let received = inbox.wait(None, false, Some(fast_forward)).unwrap().unwrap();
            assert_eq!((received.signal, received.sent), (Signal::USR1, Some(Err(Errno::ESRCH))), "{way:?}");
        }
    }

    #[test]
    fn refused_for_good_is_another_way_and_refused_once_is_not() {
        let mut inbox = inbox(Way::Wait);
        assert!(still_works());
        for _ in 0..10 {
            assert_eq!(inbox.refused(Errno::EPERM).err(), Some(Errno::EPERM));
            // A time that passes is an answer.
            assert!(inbox.wait(BRIEF, false, None).unwrap().is_none());
        }
        assert_eq!((inbox.way, inbox.news()), (Way::Wait, None));
        for way in [Way::Descriptor, Way::Pending] {
            for _ in 1..REFUSALS {
                assert_eq!(inbox.refused(Errno::EPERM).err(), Some(Errno::EPERM));
            }
            assert!(inbox.refused(Errno::EPERM).unwrap().is_none());
            assert_eq!((inbox.way, inbox.news()), (way, Some((way, Errno::EPERM))));
        }
        assert_eq!(inbox.news(), None);
    }

    #[test]
    fn what_the_kernel_sends_for_a_descriptor_is_for_nobody_else() {
        for code in (1..=6).chain([SI_KERNEL]) {
            assert_eq!(Sender::of(libc::SIGIO, code, || (7, 8)), Sender::Descriptor, "{code}");
            assert_eq!(Sender::of(libc::SIGCHLD, code, || (7, 8)), Sender::Kernel, "{code}");
        }
        // A key; and a process's own file that sends what a key would (F_SETSIG).
        assert_eq!(Sender::of(libc::SIGINT, SI_KERNEL, || (7, 8)), Sender::Kernel);
        for code in 1..=6 {
            assert_eq!(Sender::of(libc::SIGINT, code, || (7, 8)), Sender::Unknown, "{code}");
        }
        for code in [libc::SI_USER, libc::SI_TKILL] {
            assert_eq!(Sender::of(libc::SIGIO, code, || (7, 8)), Sender::Process { pid: 7, uid: 8 }, "{code}");
        }
        for code in [-1, -2, -3, -4, -5, -7, -60] {
            assert_eq!(Sender::of(libc::SIGIO, code, || (7, 8)), Sender::Queued { pid: 7, uid: 8 }, "{code}");
        }
    }
}
