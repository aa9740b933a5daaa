//! What is printed under dumb-init's name while it runs, as by dumb-init 1.2.5 (docs/compat.md). Errors of the command line are
//! in `src/personality/dumb_init.rs`. All on stderr; all but one only with debugging.

use super::{NotStarted, Note, strerror};
use crate::log;
use crate::signal::Signal;
use crate::supervisor::{Action, Status};

fn tell(text: &str) {
    log::plain(&format!("[dumb-init] {text}\n"));
}

pub(super) fn say(setsid: bool, note: Note<'_>) {
    match note {
        Note::Warning(text) => tell(text),
        Note::Spawned { pid } => {
            tell(&format!("Child spawned with PID {pid}."));
            if setsid {
                tell("setsid complete.");
            }
        }
        Note::Received(received, out) => {
            let (came, becomes) = (received.signal, out.map_or(0, Signal::number));
            tell(&format!("Received signal {}.", came.number()));
            if came == Signal::CHLD {
                return;
            }
            if becomes != came.number() {
                tell(&format!("Translating signal {} to {becomes}.", came.number()));
            }
            if becomes == 0 {
                tell("Not forwarding signal 0 to children (ignored).");
            }
        }
        Note::HandOff(received) => {
            tell(&format!("Received signal {}.", received.signal.number()));
            tell(&format!("Ignoring tty hand-off signal {}.", received.signal.number()));
        }
        Note::Action(Action::Send(signal), supervisor) => {
            // The SIGTERM at the end, to what is left of the group, is rewritten too.
            if supervisor.ended().is_some() && signal != Signal::TERM {
                tell(&format!("Translating signal {} to {}.", Signal::TERM.number(), signal.number()));
            }
            tell(&format!("Forwarded signal {} to children.", signal.number()));
        }
        Note::Action(Action::Suspend, _) => tell("Suspending self due to TTY signal."),
        Note::Leaving(code) => tell(&format!("Child exited with status {code}. Goodbye.")),
        Note::Reaped { pid, status, .. } | Note::Ended { pid, status } => match status {
            Status::Code(code) | Status::Unstarted(code) => {
                tell(&format!("A child with PID {pid} exited with exit status {code}."))
            }
            Status::Signal(signal) => {
                tell(&format!("A child with PID {pid} was terminated by signal {}.", signal.number()));
            }
        },
        Note::Refused { .. }
        | Note::Leftovers { .. }
        | Note::BeyondReach(_)
        | Note::StopTimeout(..)
        | Note::Trouble(..)
        | Note::OtherWay(..)
        | Note::Gone
        | Note::Round { .. } => {}
        Note::Started { .. }
        | Note::Probed { .. }
        | Note::Well(_)
        | Note::Unready
        | Note::Told { .. }
        | Note::Ready(_) => {}
        Note::StopBegins { .. } | Note::Action(..) => {}
    }
}

pub(super) fn cannot_start(program: &str, why: NotStarted) -> u8 {
    match why {
        NotStarted::Exec(errno) => {
            log::say_raw(&format!("[dumb-init] {program}: {}\n", strerror(errno)));
            2
        }
        NotStarted::Fork(_) => {
            log::say_raw("[dumb-init] Unable to fork. Exiting.\n");
            1
        }
    }
}
