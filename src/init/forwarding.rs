//! How a signal leaves. A container's life hangs on few of them, and most of them need no decision; so there are four paths, and
//! docs/stop-path.md follows the most important one.
//!
//! 1. **Fast-forwarded** ([`FastForward`], `sys/inbox.rs`): what the server gets as it came, whatever else is going on (USR1, HUP,
//!    WINCH, real-time signals). It is sent from one system call to the next, before any of goward's own code is touched: after a
//!    sleep every page of that is cold, and costs as much as the rest of the way. Several in a row do not even return here.
//! 2. **Fast-forwarded and reported**: the first stop signal where no drain holds it back. The server has it before anything is
//!    decided; then the supervisor is told, and the stop begins.
//! 3. **Forwarded as** another ([`Supervisor::forward_as`]): no decision either, but it is rewritten (`--rewrite`), ignored
//!    once, told one by one (-v), or came while something else was due.
//! 4. **Decided**: everything else, which is every signal once a stop has begun or the server has ended. The supervisor returns
//!    actions, `perform.rs` carries them out.
//!
//! The first two are there for speed alone, and for signals of processes alone: a key at the terminal, a timer and a descriptor
//! are looked at first. What they do is what the fourth would do; the supervisor's tests hold that for each signal.
//!
//! [`Supervisor::forward_as`]: crate::supervisor::Supervisor::forward_as

use super::perform::Retry;
use super::personality::{self, Note};
use super::reaping::FLOOD;
use super::{Init, last_resort};
use crate::signal::Signal;
use crate::supervisor::{Action, Event, Rung, Supervisor};
use crate::sys::clock;
use crate::sys::inbox::{FastForward, Received, Sender};
use crate::sys::mask::Mask;
use crate::sys::process;
use std::time::Duration;

/// How long goward does not sleep once the server was asked to stop: one that ends at once does so in less, and to wake a
/// processor that has halted takes as long as all that goward has to do then.
const AT_ONCE: Duration = Duration::from_micros(300);

/// Which signals take which road, and what is known of the last ones.
#[derive(Debug)]
pub(super) struct Forwarding {
    /// The signals that need no decision, as long as the server accepts signals.
    undecided: Mask,
    /// Those that begin a stop, and are sent before anything is decided.
    stopping: Mask,
    /// The signal in hand came from a key at the terminal.
    pub(super) by_key: bool,
    /// Signals in a row, without a pause.
    pub(super) flood: u32,
    /// What has been sent to the server; [`Inbox::forwarded`] has what went straight on.
    ///
    /// [`Inbox::forwarded`]: crate::sys::inbox::Inbox::forwarded
    pub(super) sent: Mask,
    /// Which signal asked for the stop, and who sent it.
    pub(super) stop_from: Option<(Signal, String)>,
}

impl Forwarding {
    pub(super) fn new(supervisor: &Supervisor) -> Forwarding {
        Forwarding {
            undecided: as_they_come(|signal| supervisor.forward_as(signal)),
            stopping: as_they_come(|signal| supervisor.begin_stop_with(signal)),
            by_key: false,
            flood: 0,
            sent: Mask::empty(),
            stop_from: None,
        }
    }
}

/// What goes to the server as it came. Not what goward may have sent itself, or a descriptor: that is looked at first.
fn as_they_come(becomes: impl Fn(Signal) -> Option<Signal>) -> Mask {
    let as_it_comes = |signal: &Signal| becomes(*signal) == Some(*signal);
    let looked_at = |signal: &Signal| matches!(*signal, Signal::CHLD | Signal::IO | Signal::PIPE | Signal::XFSZ);
    Signal::all().filter(|signal| as_it_comes(signal) && !looked_at(signal)).fold(Mask::empty(), Mask::with)
}

impl Init {
    pub(super) fn received(&mut self, received: Received) {
        if received.signal == Signal::CHLD {
            self.say(Note::Received(&received, None));
            return self.reap();
        }
        if received.signal == Signal::IO {
            // Somebody's own SIGIO may have come in the place of a descriptor's: one waits at a time.
            self.pending.descriptors_ready = true;
            if received.sender == Sender::Descriptor {
                return;
            }
        }
        if let Some(at) = self.settings.ignore_once.iter().position(|signal| *signal == received.signal) {
            self.settings.ignore_once.remove(at);
            return self.say(Note::HandOff(&received));
        }
        // A key at the terminal is for everybody in the foreground, as under a shell; a signal by kill is for the server.
        self.forwarding.by_key = received.sender == Sender::Kernel && self.supervisor.policy().interactive;
        if let Some(out) = self.supervisor.forward_as(received.signal) {
            let result = received.sent.unwrap_or_else(|| self.perform(Action::Send(out)));
            return self.passed_on(&received, out, result);
        }
        self.say(Note::Received(&received, self.supervisor.policy().rewritten(received.signal)));
        let event = if self.forwarding.by_key { Event::Key } else { Event::Signal };
        self.requested(event(received.signal), received.sent, received.signal, &|| personality::from(&received));
        self.after_signal();
    }

    /// This signal, or an order that is as good, has begun the stop.
    pub(super) fn stop_begins(&mut self, signal: Signal, from: String) {
        last_resort::stop_began(clock::now());
        let refused = self.pending.retries.iter().any(Retry::is_of_signal);
        self.say(Note::StopBegins { signal, from: &from, supervisor: &self.supervisor, refused });
        self.forwarding.stop_from = Some((signal, from));
        self.tell_manager("STOPPING=1");
        if self.pid == 1 {
            // While the server stops there is time for this; at its end the exit would wait for it.
            self.leftovers.others.prepare();
        }
        if self.supervisor.rung() == Some(Rung::Ask) {
            self.inbox.stay_awake(AT_ONCE, process::processors());
        }
    }

    /// A signal that needed no decision. What it asked for has been done first; now to what is to be said about it.
    fn passed_on(&mut self, received: &Received, out: Signal, result: nix::Result<()>) {
        self.say(Note::Received(received, Some(out)));
        self.performed(Action::Send(out), 0, result);
        self.after_signal();
    }

    /// The signals that need no decision, or only after they were sent, and whose they are; none where every signal must be
    /// looked at. Where nobody is told of them and nothing else is due, they need not even be counted one by one.
    pub(super) fn fast_forward(&self, nothing_is_due: bool) -> Option<FastForward> {
        // What could not be started has no pid.
        let all_alike = self.supervisor.accepts_signals()
            && self.launching.unstarted.is_none()
            && self.settings.ignore_once.is_empty();
        let at_once = if nothing_is_due && !self.settings.personality.tells_of_signals() { FLOOD } else { 1 };
        let forward_and_report =
            if self.supervisor.rung().is_none() { self.forwarding.stopping } else { Mask::empty() };
        all_alike.then(|| FastForward {
            signals: self.forwarding.undecided,
            forward_and_report,
            to: self.target(false),
            at_once,
        })
    }

    /// tini looks for the dead after every signal, and with enough -v tells of it. goward knows that SIGCHLD has not come.
    fn after_signal(&mut self) {
        if self.settings.personality.tells_of_reaping_after_signals() {
            self.say(Note::Round { childless: false });
        }
    }

    /// Where signals go; those of a key go to everybody in the foreground.
    pub(super) fn target(&self, by_key: bool) -> i32 {
        match self.server.group {
            Some(group) if self.settings.to_group || by_key => -group,
            _ => self.server.pid,
        }
    }
}
