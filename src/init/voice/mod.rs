//! How goward tells what happens: in its own words by tracing, or in those of the program whose name it was given.
//! The init says what happened, as a [`Note`]; each voice decides whether that is worth a line, and which.

mod catatonit;
mod dumb_init;
mod goward;
mod tini;

pub(super) use goward::{complaint, from, how};

use crate::config::Voice;
use crate::log;
use crate::probe::Outcome;
use crate::signal::Signal;
use crate::spawn::{self, Order, explain};
use crate::supervisor::{Action, Stage, Status, Supervisor};
use crate::sys::inbox::Received;
use nix::errno::Errno;
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

/// Something that happened and may be worth telling.
pub(super) enum Note<'a> {
    /// The server runs.
    Spawned { pid: i32 },
    /// A signal came, and what it becomes; none: it is dropped.
    Received(&'a Received, Option<Signal>),
    /// It begins a stop.
    StopBegins { signal: Signal, from: &'a str, supervisor: &'a Supervisor },
    /// This was done.
    Action(Action, &'a Supervisor),
    /// It could not be: there is nobody any more.
    Gone,
    /// A signal that is swallowed: it came from giving up the terminal.
    HandOff(&'a Received),
    /// waitpid has no more for now.
    Round { childless: bool },
    /// The kernel refused it.
    Refused(Action, Errno),
    /// An orphan was reaped; `loud`: the user wants to know.
    Reaped { pid: i32, status: Status, loud: bool },
    /// The server was reaped.
    Ended { pid: i32, status: Status },
    /// What the server left behind.
    Leftovers(&'a str),
    /// Something else than the first runs.
    Started { stage: Stage, pid: i32, program: &'a str },
    /// A probe is over.
    Probed(&'a Outcome),
    /// The probes say so, and did not before.
    Healthy,
    /// The server has said whether it takes requests.
    Ready(bool),
    /// Something the user should know, found before there was a log.
    Warning(&'a str),
    /// The end, with this code.
    Leaving(u8),
    /// A system call failed that does not fail.
    Trouble(&'static str, Errno),
}

pub(super) fn say(voice: Voice, argv: &[CString], note: Note<'_>) {
    match voice {
        Voice::Goward { .. } => goward::say(note),
        Voice::Tini { verbosity, .. } => tini::say(verbosity, argv, note),
        Voice::DumbInit { debug: true, setsid } => dumb_init::say(setsid, note),
        Voice::Catatonit { debug: true } => catatonit::say(argv, note),
        Voice::DumbInit { debug: false, .. } | Voice::Catatonit { debug: false } => {}
    }
}

impl Voice {
    /// Whether there may be a word about a signal that was forwarded.
    pub(super) fn tells_of_signals(self) -> bool {
        match self {
            Voice::Goward { verbosity, .. } => verbosity > 0,
            Voice::Tini { verbosity, .. } => verbosity > 1,
            Voice::DumbInit { debug, .. } | Voice::Catatonit { debug } => debug,
        }
    }

    /// Whether reaped orphans must be remembered: in silence they cost nothing.
    pub(super) fn tells_of_orphans(self, warn: bool) -> bool {
        match self {
            Voice::Goward { verbosity, .. } => warn || verbosity > 0,
            Voice::Tini { verbosity, .. } => warn || verbosity > 2,
            Voice::DumbInit { debug, .. } | Voice::Catatonit { debug } => debug,
        }
    }
}

/// It will not run at all: one sentence, and the code to leave with.
pub(super) fn refuse(voice: Voice, error: &str, code: u8) -> u8 {
    match voice {
        Voice::Goward { .. } => log::say_raw(&format!("goward: {error}\n")),
        // They have said it in their own words already.
        Voice::Tini { .. } | Voice::DumbInit { .. } | Voice::Catatonit { .. } => log::say_raw(error),
    }
    match voice {
        Voice::Goward { .. } => code,
        Voice::Tini { .. } | Voice::DumbInit { .. } | Voice::Catatonit { .. } => 1,
    }
}

pub(super) fn no_subreaper(voice: Voice, errno: Errno) -> String {
    match voice {
        Voice::Tini { .. } => tini::no_subreaper(errno),
        Voice::Goward { .. } | Voice::DumbInit { .. } | Voice::Catatonit { .. } => {
            format!("--subreaper: the kernel does not let goward adopt orphans: {}", errno.desc())
        }
    }
}

/// Whether orphans will be adopted is known.
pub(super) fn on_adoption(voice: Voice, pid: i32, asked: bool) {
    match voice {
        Voice::Tini { verbosity, .. } => tini::on_adoption(verbosity, pid, asked),
        Voice::Goward { .. } | Voice::DumbInit { .. } | Voice::Catatonit { .. } => {}
    }
}

/// Starts the program, or says why not: the code to leave with.
pub(super) fn start(voice: Voice, order: &Order<'_>, success: &[u8]) -> Result<i32, u8> {
    let program = order.argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    let result = spawn::spawn(order);
    match voice {
        Voice::Goward { .. } => result.map_err(|errno| {
            let (code, sentence) = explain::explain(&program, errno);
            log::say_raw(&format!("goward: {sentence}\n"));
            code
        }),
        Voice::Tini { .. } => as_execvp(result, order).map_err(|errno| tini::cannot_start(&program, errno, success)),
        Voice::DumbInit { .. } => as_execvp(result, order).map_err(|errno| dumb_init::cannot_start(&program, errno)),
        Voice::Catatonit { .. } => as_execvp(result, order).map_err(|errno| catatonit::cannot_start(&program, errno)),
    }
}

/// A file that is neither ELF nor `#!` goes to /bin/sh: glibc's execvp does that, and so these programs do. goward itself
/// does not: it says what is wrong with the file.
fn as_execvp(result: nix::Result<i32>, order: &Order<'_>) -> nix::Result<i32> {
    let (Err(Errno::ENOEXEC), Some((program, rest))) = (&result, order.argv.split_first()) else { return result };
    let Some(path) = explain::find(&program.to_string_lossy()) else { return result };
    let Ok(path) = CString::new(path.into_os_string().into_vec()) else { return result };
    let argv: Vec<CString> = [c"/bin/sh".to_owned(), path].into_iter().chain(rest.iter().cloned()).collect();
    spawn::spawn(&Order { argv: &argv, ..*order })
}

/// glibc's words for an error, which scripts match; nix's own differ for some.
pub(super) fn strerror(errno: Errno) -> &'static str {
    match errno {
        Errno::ELOOP => "Too many levels of symbolic links",
        Errno::ENOTTY => "Inappropriate ioctl for device",
        Errno::EBADF => "Bad file descriptor",
        Errno::EAGAIN => "Resource temporarily unavailable",
        Errno::ENOMEM => "Cannot allocate memory",
        Errno::E2BIG => "Argument list too long",
        Errno::ELIBBAD => "Accessing a corrupted shared library",
        Errno::EIO => "Input/output error",
        _ => errno.desc(),
    }
}

/// The C library's words for a signal: what psignal(3) prints. musl's and glibc's differ; these are glibc's.
fn description(signal: Signal) -> String {
    const WORDS: [&str; 31] = [
        "Hangup",
        "Interrupt",
        "Quit",
        "Illegal instruction",
        "Trace/breakpoint trap",
        "Aborted",
        "Bus error",
        "Floating point exception",
        "Killed",
        "User defined signal 1",
        "Segmentation fault",
        "User defined signal 2",
        "Broken pipe",
        "Alarm clock",
        "Terminated",
        "Stack fault",
        "Child exited",
        "Continued",
        "Stopped (signal)",
        "Stopped",
        "Stopped (tty input)",
        "Stopped (tty output)",
        "Urgent I/O condition",
        "CPU time limit exceeded",
        "File size limit exceeded",
        "Virtual timer expired",
        "Profiling timer expired",
        "Window changed",
        "I/O possible",
        "Power failure",
        "Bad system call",
    ];
    let number = signal.number();
    match WORDS.get(number as usize - 1) {
        Some(words) => (*words).to_owned(),
        None if number >= 34 => format!("Real-time signal {}", number - 34),
        None => format!("Unknown signal {number}"),
    }
}
