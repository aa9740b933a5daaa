//! What is printed under catatonit's name while it runs, as by catatonit 0.1.7 (docs/compat.md). Errors of the command line are
//! in `src/personality/catatonit.rs`. On stderr; all but errors only with CATATONIT_DEBUG.

use super::{NotStarted, Note, strerror};
use crate::log;
use crate::signal::Signal;
use crate::supervisor::{Action, Status};
use std::ffi::CString;

fn line(level: &str, text: &str) -> String {
    format!("{level} (catatonit:{}): {text}\n", std::process::id())
}

pub(super) fn say(argv: &[CString], note: Note<'_>) {
    let tell = |text: &str| log::plain(&line("DEBUG", text));
    match note {
        Note::Spawned { pid } => {
            let program = argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            tell(&format!("pid1 ({pid}) spawned: {program}"));
        }
        Note::Reaped { pid, status: Status::Code(code) | Status::Unstarted(code), .. } => {
            tell(&format!("child process {pid} exited with code {code}"));
        }
        Note::Reaped { pid, status: Status::Signal(signal), .. } => {
            tell(&format!("child process {pid} exited due to signal {}", signal.number()));
        }
        Note::Received(received, _) if matches!(received.signal, Signal::TSTP | Signal::TTIN | Signal::TTOU) => {
            tell("ignoring kernel attempting to stop us: tty has TOSTOP set");
        }
        Note::Round { childless: true } => tell("got ECHILD: no children left to monitor"),
        Note::Refused { action: Action::Send(signal), errno, pid, .. } => {
            let (number, why) = (signal.number(), strerror(errno));
            log::plain(&line("WARN", &format!("forwarding of signal {number} to pid1 ({pid}) failed: {why}")));
        }
        Note::Round { childless: false }
        | Note::Refused { .. }
        | Note::Received(..)
        | Note::Leaving(_)
        | Note::Ended { .. }
        | Note::Action(..) => {}
        Note::Warning(_)
        | Note::Leftovers { .. }
        | Note::BeyondReach(_)
        | Note::StopTimeout(..)
        | Note::Trouble(..)
        | Note::OtherWay(..)
        | Note::Gone
        | Note::HandOff(_) => {}
        Note::Started { .. }
        | Note::Probed { .. }
        | Note::Well(_)
        | Note::Unready
        | Note::Told { .. }
        | Note::Ready(_) => {}
        Note::StopBegins { .. } => {}
    }
}

pub(super) fn cannot_start(why: NotStarted) -> u8 {
    let (what, errno): (&[&str], _) = match why {
        NotStarted::Exec(errno) => (&["exec pid1"], errno),
        NotStarted::Fork(errno) => (&["fork child", "spawn pid1"], errno),
    };
    for what in what {
        log::say_raw(&line("ERROR", &format!("failed to {what}: {}", strerror(errno))));
    }
    1
}
