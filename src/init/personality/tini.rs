//! What is printed under tini's name while it runs, as by tini 0.19 (docs/compat.md). Errors of the command line are in
//! `src/personality/tini.rs`.

use super::{NotStarted, Note, description, strerror};
use crate::log;
use crate::signal::Signal;
use crate::supervisor::Status;
use crate::sys::process;
use nix::errno::Errno;
use std::ffi::CString;
use std::io::Write;

const WARN: u8 = 1;
const INFO: u8 = 2;
const DEBUG: u8 = 3;
const TRACE: u8 = 4;

fn line(level: u8, text: &str) -> String {
    let name = match level {
        0 => "FATAL",
        WARN => "WARN ",
        INFO => "INFO ",
        DEBUG => "DEBUG",
        _ => "TRACE",
    };
    format!("[{name} tini ({})] {text}\n", std::process::id())
}

/// Warnings go to stderr, what is less to stdout, as far as the verbosity goes.
fn tell(verbosity: u8, level: u8, text: &str) {
    if verbosity < level {
        return;
    }
    let line = line(level, text);
    if level <= WARN {
        log::plain(&line);
    } else {
        // The user asked for it there; a reader that has gone is no reason to end.
        let _ = std::io::stdout().write_all(line.as_bytes());
        let _ = std::io::stdout().flush();
    }
}

pub(super) fn say(verbosity: u8, argv: &[CString], note: Note<'_>) {
    let tell = |level, text: &str| tell(verbosity, level, text);
    match note {
        Note::Spawned { pid } => {
            let program = argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            tell(INFO, &format!("Spawned child process '{program}' with pid '{pid}'"));
        }
        Note::Received(received, _) if received.signal == Signal::CHLD => tell(DEBUG, "Received SIGCHLD"),
        Note::Received(received, _) if matches!(received.signal, Signal::TTIN | Signal::TTOU) => {}
        Note::Received(received, _) => {
            tell(DEBUG, &format!("Passing signal: '{}'", description(received.signal)));
        }
        Note::Gone => tell(WARN, "Child was dead when forwarding signal"),
        Note::Reaped { pid, loud, .. } => {
            tell(DEBUG, &format!("Reaped child with pid: '{pid}'"));
            if loud {
                tell(WARN, &format!("Reaped zombie process with pid={pid}"));
            }
        }
        Note::Ended { pid, status } => {
            tell(DEBUG, &format!("Reaped child with pid: '{pid}'"));
            match status {
                Status::Code(code) | Status::Unstarted(code) => {
                    tell(INFO, &format!("Main child exited normally (with status '{code}')"))
                }
                Status::Signal(signal) => {
                    let words = description(signal);
                    tell(INFO, &format!("Main child exited with signal (with signal '{words}')"));
                }
            }
        }
        Note::Round { childless: true } => tell(TRACE, "No child to wait"),
        Note::Round { childless: false } => tell(TRACE, "No child to reap"),
        Note::Leaving(_) => tell(TRACE, "Exiting: child has exited"),
        Note::Warning(_)
        | Note::Refused { .. }
        | Note::Leftovers { .. }
        | Note::BeyondReach(_)
        | Note::StopTimeout(..)
        | Note::Trouble(..)
        | Note::OtherWay(..)
        | Note::HandOff(_) => {}
        Note::Started { .. }
        | Note::Probed { .. }
        | Note::Well(_)
        | Note::Unready
        | Note::Told { .. }
        | Note::Ready(_) => {}
        Note::StopBegins { .. } | Note::Action(..) => {}
    }
}

pub(super) fn on_adoption(verbosity: u8, pid: i32, asked: bool) {
    if asked {
        tell(verbosity, TRACE, "Registered as child subreaper");
    }
    if pid != 1 && !process::is_subreaper() && verbosity >= WARN {
        log::say_raw(&line(
            WARN,
            "Tini is not running as PID 1 and isn't registered as a child subreaper.\n\
             Zombie processes will not be re-parented to Tini, so zombie reaping won't work.\n\
             To fix the problem, use the -s option or set the environment variable TINI_SUBREAPER to register Tini as a child subreaper, or run Tini as PID 1.",
        ));
    }
}

pub(super) fn no_subreaper(errno: Errno) -> String {
    line(0, &format!("Failed to register as child subreaper: {}", strerror(errno)))
}

/// To tini it is the code of a child that ended: -e counts.
pub(super) fn cannot_start(program: &str, why: NotStarted, success: &[u8]) -> u8 {
    let errno = match why {
        NotStarted::Exec(errno) => errno,
        NotStarted::Fork(errno) => {
            log::say_raw(&line(0, &format!("fork failed: {}", strerror(errno))));
            return 1;
        }
    };
    log::say_raw(&line(0, &format!("exec {program} failed: {}", strerror(errno))));
    let code = match errno {
        Errno::ENOENT => 127,
        Errno::EACCES => 126,
        _ => 1,
    };
    if success.contains(&code) { 0 } else { code }
}
