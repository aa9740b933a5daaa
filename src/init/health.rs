//! The probes of a running server, and what the server says of itself. The verdict is the supervisor's.

use super::Init;
use super::events::POLL_INTERVAL;
use super::notify::{Notification, NotifySocket};
use super::personality::Note;
use crate::probe::{Attempt, Notice, Outcome, Progress};
use crate::supervisor::{Event, Purpose, Status, Time, Verdict};
use crate::sys::rights::Disposal;
use crate::sys::{clock, code, signal_io};
use std::time::Duration;

/// How often the log tells at most that the server is ready, or no longer.
const TOLD: (u32, Duration) = (10, Duration::from_secs(10));

/// The probes for one purpose.
#[derive(Debug, Default)]
struct Probing {
    attempt: Option<Attempt>,
    /// A command is to be begun when the last one has gone.
    postponed: bool,
    /// An outcome that the supervisor does not know yet.
    fresh: Option<Outcome>,
    /// The last outcome, and when it was known.
    last: Option<(Time, Outcome)>,
}

impl Probing {
    fn child(&self) -> Option<i32> {
        self.attempt.as_ref().and_then(Attempt::child)
    }

    fn advance(&mut self) -> bool {
        match self.attempt.as_mut().map(Attempt::advance) {
            Some(Progress::Over(outcome)) => {
                self.attempt = None;
                self.fresh = Some(outcome);
                false
            }
            Some(Progress::More) => true,
            Some(Progress::Waiting) | None => false,
        }
    }
}

/// What is under way, and what was.
#[derive(Debug, Default)]
pub(super) struct Health {
    health: Probing,
    ready: Probing,
    /// Whether the kernel tells when something happens on a connection; none: that was not tried yet.
    announced: Option<bool>,
    /// What the server says of itself (STATUS=).
    pub(super) status_text: String,
    pub(super) notify_socket: Option<NotifySocket>,
    /// Commands that were killed.
    dying: Vec<i32>,
    /// The last of them that have ended. What ran in their process groups may end a moment later.
    ended: [i32; 2],
    /// A stranger's word was refused, and that was said; and a MAINPID=.
    refused: bool,
    refused_main_pid: bool,
    /// Whether the server is ready, as it says, as the log has it, and since when.
    told_ready: bool,
    /// How often that was told since when.
    told: (u32, Time),
}

impl Health {
    pub(super) fn new(notify_socket: Option<NotifySocket>) -> Health {
        Health { notify_socket, ..Health::default() }
    }

    fn probing(&mut self, purpose: Purpose) -> &mut Probing {
        match purpose {
            Purpose::Health => &mut self.health,
            Purpose::Ready => &mut self.ready,
        }
    }

    /// The last outcome, and when it was known.
    pub(super) fn last(&self, purpose: Purpose) -> Option<&(Time, Outcome)> {
        let probing = match purpose {
            Purpose::Health => &self.health,
            Purpose::Ready => &self.ready,
        };
        probing.last.as_ref()
    }

    /// Another life of the server begins, of which nothing is known.
    pub(super) fn forget(&mut self) {
        self.status_text.clear();
        (self.health.last, self.ready.last) = (None, None);
        self.told_ready = false;
    }

    /// How long to wait at most while a probe is under way of which the kernel may not tell. The end of a command is announced,
    /// by SIGCHLD.
    pub(super) fn patience(&self) -> Option<Duration> {
        let mut attempts = self.health.attempt.iter().chain(&self.ready.attempt);
        let trusted = self.announced == Some(true);
        let looked_at = attempts.any(|attempt| attempt.child().is_none() && !(trusted && attempt.is_announced()));
        looked_at.then_some(POLL_INTERVAL)
    }

    /// A command that was killed has ended. False: it was none.
    pub(super) fn buried(&mut self, pid: i32) -> bool {
        let before = self.dying.len();
        self.dying.retain(|dying| *dying != pid);
        let was_dying = self.dying.len() < before;
        if was_dying {
            self.ended = [pid, self.ended[0]];
        }
        was_dying
    }

    /// The process that reads a message out of the way has ended. False: it is another.
    pub(super) fn has_read(&mut self, pid: i32) -> bool {
        self.notify_socket.as_mut().is_some_and(|notify_socket| notify_socket.ended(pid))
    }

    /// The pids of probes, killed ones too, and of the process that reads a message of NOTIFY_SOCKET away.
    pub(super) fn processes(&self) -> impl Iterator<Item = i32> {
        let reader = self.notify_socket.as_ref().and_then(NotifySocket::reader).map(Disposal::pid);
        let under_way = self.health.child().into_iter().chain(self.ready.child());
        let ended = self.ended.iter().copied().filter(|pid| *pid > 0);
        self.dying.iter().copied().chain(ended).chain(under_way).chain(reader)
    }

    /// The process itself.
    pub(super) fn reader_mut(&mut self) -> Option<&mut Disposal> {
        self.notify_socket.as_mut().and_then(NotifySocket::reader_mut)
    }

    /// A probe that was postponed can be begun.
    pub(super) fn is_due(&self) -> bool {
        (self.health.postponed || self.ready.postponed) && !self.is_dying()
    }

    /// Commands that were killed and have not ended yet, or goward's own reader: they are no leftovers of the server's.
    pub(super) fn is_dying(&self) -> bool {
        !self.dying.is_empty() || self.notify_socket.as_ref().is_some_and(NotifySocket::is_read)
    }

    /// A process has ended. False: no probe is that process.
    pub(super) fn ended(&mut self, pid: i32, status: Status) -> bool {
        let mut all = [&mut self.health, &mut self.ready].into_iter();
        let Some(probing) = all.find(|probing| probing.child() == Some(pid)) else { return false };
        probing.fresh = probing.attempt.take().map(|attempt| attempt.ended(status));
        true
    }
}

impl Init {
    /// Begins a probe. A command waits until the one before it has gone: what even SIGKILL does not end (a file system that
    /// hangs) would otherwise become more and more processes. Meanwhile the time of the probe runs.
    pub(super) fn probe(&mut self, purpose: Purpose) {
        let Some(probe) = self.settings.probe_for(purpose) else { return };
        let is_process = probe.target.needs_process();
        let postponed = is_process && self.health.is_dying();
        if !is_process && self.health.announced.is_none() {
            self.health.announced = Some(signal_io::works());
        }
        let probing = self.health.probing(purpose);
        probing.postponed = postponed;
        if postponed {
            return;
        }
        match Attempt::start(probe, Some(&self.launching.launch.order(&self.settings, &[])), Notice::Signal) {
            Ok(attempt) => probing.attempt = Some(attempt),
            Err(outcome) => probing.fresh = Some(outcome),
        }
        self.pending.descriptors_ready = true;
    }

    /// The supervisor has counted it as a failure.
    pub(super) fn expire_probe(&mut self, purpose: Purpose) {
        let timeout = self.settings.policy.schedule(purpose).map(|schedule| schedule.timeout).unwrap_or_default();
        let probing = self.health.probing(purpose);
        let postponed = std::mem::take(&mut probing.postponed);
        let outcome = match probing.attempt.take() {
            Some(attempt) => {
                self.health.dying.extend(attempt.child());
                attempt.give_up(format!("no answer within {timeout:?}"))
            }
            None if postponed => Outcome::ill("the command of the last probe is still there, even after SIGKILL"),
            None => return,
        };
        self.probed(purpose, outcome);
    }

    pub(super) fn end_probe(&mut self, purpose: Purpose) {
        let probing = self.health.probing(purpose);
        probing.postponed = false;
        if let Some(attempt) = probing.attempt.take() {
            self.health.dying.extend(attempt.child());
            let _ = attempt.give_up(String::new());
        }
    }

    /// A probe has come to this. The supervisor knows.
    fn probed(&mut self, purpose: Purpose, outcome: Outcome) {
        let counts = self.supervisor.last_failure_counts(purpose);
        self.say(Note::Probed { purpose, outcome: &outcome, counts });
        self.health.probing(purpose).last = Some((clock::now(), outcome));
    }

    /// What has come of a probe by itself.
    fn deliver(&mut self, purpose: Purpose) {
        let Some(outcome) = self.health.probing(purpose).fresh.take() else { return };
        let (before, well) = (self.supervisor.verdict_for(purpose), outcome.well);
        let was_ready = self.supervisor.is_ready();
        // The log has the failure that decides first, and then what was decided.
        let actions = self.supervisor.handle(clock::now(), Event::Probed(purpose, well));
        self.probed(purpose, outcome);
        self.carry_out(&mut actions.iter(), None);
        let after = self.supervisor.verdict_for(purpose);
        if before != after && after == Some(Verdict::Healthy) {
            self.say(Note::Well(purpose));
        } else if before != after && purpose == Purpose::Ready {
            self.say(Note::Unready);
        }
        if !was_ready && self.supervisor.is_ready() && !self.settings.policy.notify {
            self.tell_manager("READY=1\nSTATUS=ready");
        }
        if before != after {
            // What a change alone needs goes, as what the start alone needed did: the next probes hardly ever bring one.
            code::forget();
        }
    }

    /// Something may have happened at a descriptor. Everything is asked; each is bounded.
    pub(super) fn attend(&mut self) {
        self.look_at_start();
        self.look_at_memory_limit();
        let mut more = false;
        for purpose in Purpose::ALL {
            if self.health.probing(purpose).postponed && !self.health.is_dying() {
                self.probe(purpose);
            }
            more |= self.health.probing(purpose).advance();
            self.deliver(purpose);
        }
        let mut said = Vec::new();
        let manager = self.manager.as_mut();
        let notify_socket = self.health.notify_socket.as_mut();
        let taken = notify_socket.map(|socket| socket.take(self.server.pid, &mut said, manager));
        let answered = self.answer();
        self.pending.overlooked = false;
        for (call, result) in [("fork", taken.unwrap_or(Ok(false))), ("accept", answered)] {
            match result {
                Ok(some) => more |= some,
                Err(errno) => {
                    self.trouble(call, errno);
                    self.pending.overlooked = true;
                }
            }
        }
        self.flush_manager();
        for said in said {
            self.heard(said);
        }
        self.tell_ready();
        self.close();
        self.pending.descriptors_ready |= more;
    }

    /// Tells what has become of READY=1 and RELOADING=1; of a server that says both again and again not each time.
    fn tell_ready(&mut self) {
        let (ready, now) = (self.supervisor.says_ready(), clock::now());
        if ready == self.health.told_ready {
            return;
        }
        if now >= self.health.told.1 + TOLD.1 {
            self.health.told = (0, now);
        }
        if self.health.told.0 >= TOLD.0 {
            self.pending.overlooked = true;
            return;
        }
        self.health.told.0 += 1;
        self.health.told_ready = ready;
        let why = if ready { None } else { self.supervisor.why_unready() };
        self.say(Note::Ready(why));
    }

    fn heard(&mut self, said: Notification) {
        match said {
            Notification::Notice(notice) => self.happened(Event::Notified(notice)),
            Notification::Status(text) => self.health.status_text = text,
            Notification::MainPid => {
                if !std::mem::replace(&mut self.health.refused_main_pid, true) {
                    self.say(Note::Warning("MAINPID= is ignored: the server is the process that goward started"));
                }
            }
            Notification::Stranger(pid) => {
                if !std::mem::replace(&mut self.health.refused, true) {
                    let why = format!("a notification from pid {pid} is ignored: only the server's own count");
                    self.say(Note::Warning(&why));
                }
            }
        }
    }
}
