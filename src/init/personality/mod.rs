//! How goward tells what happens: in its own words by tracing, or in those of the program whose name it was given.
//! The init says what happened, as a [`Note`]; each personality decides whether that is worth a line, and which.

mod catatonit;
mod dumb_init;
mod goward;
mod tini;

pub(super) use goward::{complaint, from, how, time, whence};

use super::termination_log;
use crate::config::{LogFormat, Personality, Settings};
use crate::log::{self, Sink};
use crate::platform::Source;
use crate::probe::Outcome;
use crate::signal::Signal;
use crate::spawn::{self, Failure, SpawnSpec, explain};
use crate::supervisor::{Action, Purpose, Stage, Status, Supervisor};
use crate::sys::inbox::{Received, Way};
use nix::errno::Errno;
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

/// Something that happened and may be worth telling.
pub(super) enum Note<'a> {
    /// The server runs.
    Spawned { pid: i32 },
    /// A signal came, and what it becomes; none: it is dropped.
    Received(&'a Received, Option<Signal>),
    /// How long a stop may take, and where that comes from.
    StopTimeout(&'a Supervisor, Source),
    /// It begins a stop.
    /// `refused`: the kernel has not let goward send it to the server.
    StopBegins { signal: Signal, from: &'a str, supervisor: &'a Supervisor, refused: bool },
    /// Somebody has told goward to do this, with this signal.
    Told { what: &'static str, signal: Option<Signal>, from: &'a str },
    /// This was done.
    Action(Action, &'a Supervisor),
    /// It could not be: there is nobody any more.
    Gone,
    /// A signal that is swallowed: it came from giving up the terminal.
    HandOff(&'a Received),
    /// waitpid has no more for now.
    Round { childless: bool },
    /// The kernel refused it, so often since this was last told. `pid`: whom it was for; `why`: what can be seen of the reason.
    Refused { action: Action, errno: Errno, times: u32, pid: i32, why: Option<&'a str> },
    /// An orphan was reaped; `loud`: the user wants to know.
    Reaped { pid: i32, status: Status, loud: bool },
    /// The server was reaped.
    Ended { pid: i32, status: Status },
    /// What the server left behind, and who came in from outside.
    Leftovers { processes: &'a str, visitors: &'a str },
    /// Who came in from outside as another user.
    BeyondReach(&'a str),
    /// Something else than the first runs.
    Started { stage: Stage, pid: i32, program: &'a str },
    /// A probe is over. `counts`: a failure speaks against the server; while it starts it does not.
    Probed { purpose: Purpose, outcome: &'a Outcome, counts: bool },
    /// The probes for this say so, and did not before.
    Well(Purpose),
    /// The readiness probes say so, and did not before.
    Unready,
    /// The server has said whether it takes requests.
    Ready(Option<&'a str>),
    /// Something the user should know, found before there was a log.
    Warning(&'a str),
    /// The end, with this code.
    Leaving(u8),
    /// A system call failed that does not fail, so often since this was last told.
    Trouble(&'static str, Errno, u32),
    /// Signals are taken from the kernel another way from now on: it refused the usual one.
    OtherWay(Way, Errno),
}

pub(super) fn say(personality: Personality, argv: &[CString], note: Note<'_>) {
    match personality {
        Personality::Goward { .. } => goward::say(personality.tells_all(), note),
        Personality::Tini { verbosity, .. } => tini::say(verbosity, argv, note),
        Personality::DumbInit { debug: true, setsid } => dumb_init::say(setsid, note),
        Personality::Catatonit { debug: true } => catatonit::say(argv, note),
        Personality::DumbInit { debug: false, .. } | Personality::Catatonit { debug: false } => {}
    }
}

/// What the programs do differently beside talking. Nothing outside this folder asks which one goward is.
impl Personality {
    /// Whether it is in `/` before its program runs, which may look at once: dumb-init's own suite does. The others move later.
    pub(super) fn leaves_directory(self) -> bool {
        matches!(self, Personality::DumbInit { .. })
    }

    /// Whether goward is itself: with a log, a socket for `goward status`, and a record at the end.
    pub(super) fn is_goward(self) -> bool {
        matches!(self, Personality::Goward { .. })
    }

    /// How the log is written.
    #[cfg(feature = "goroutines")]
    pub(super) fn log_format(self) -> LogFormat {
        match self {
            Personality::Goward { format, .. } => format,
            Personality::Tini { .. } | Personality::DumbInit { .. } | Personality::Catatonit { .. } => LogFormat::Text,
        }
    }

    pub(super) fn open_log(self, sink: Sink) {
        match self {
            Personality::Goward { format, verbosity } => log::open(sink, format, verbosity),
            Personality::Tini { .. } | Personality::DumbInit { .. } | Personality::Catatonit { .. } => {
                log::open_plain(sink);
            }
        }
    }

    /// Whether the server is given sockets as sd_listen_fds(3) has it: LISTEN_PID becomes its own.
    pub(super) fn hands_on_sockets(self) -> bool {
        matches!(self, Personality::Goward { .. } | Personality::Catatonit { .. })
    }

    /// tini looks for the dead after every signal, and with enough -v tells of it.
    pub(super) fn tells_of_reaping_after_signals(self) -> bool {
        matches!(self, Personality::Tini { .. })
    }

    /// dumb-init stops whenever it is told to, whatever is above it; the others only as the job of a shell.
    pub(super) fn stops_without_a_shell(self) -> bool {
        matches!(self, Personality::DumbInit { .. })
    }

    /// Whether there may be a word about a signal that was forwarded.
    pub(super) fn tells_of_signals(self) -> bool {
        match self {
            Personality::Goward { verbosity, .. } => verbosity > 0,
            Personality::Tini { verbosity, .. } => verbosity > 1,
            Personality::DumbInit { debug, .. } | Personality::Catatonit { debug } => debug,
        }
    }

    /// Whether a line has every field. Where people read the text, its message says it once.
    pub(super) fn tells_all(self) -> bool {
        matches!(self, Personality::Goward { format, verbosity } if format == LogFormat::Json || verbosity > 0)
    }

    /// Whether reaped orphans must be remembered: in silence they cost nothing.
    pub(super) fn tells_of_orphans(self, warn: bool) -> bool {
        match self {
            Personality::Goward { verbosity, .. } => warn || verbosity > 0,
            Personality::Tini { verbosity, .. } => warn || verbosity > 2,
            Personality::DumbInit { debug, .. } | Personality::Catatonit { debug } => debug,
        }
    }
}

/// It will not run at all: one sentence, and the code to leave with.
pub(super) fn refuse(personality: Personality, error: &str, code: u8) -> u8 {
    match personality {
        Personality::Goward { .. } => log::say_raw(&format!("goward: {error}\n")),
        // They have said it in their own words already.
        Personality::Tini { .. } | Personality::DumbInit { .. } | Personality::Catatonit { .. } => log::say_raw(error),
    }
    match personality {
        Personality::Goward { .. } => code,
        Personality::Tini { .. } | Personality::DumbInit { .. } | Personality::Catatonit { .. } => 1,
    }
}

pub(super) fn no_subreaper(personality: Personality, errno: Errno) -> String {
    match personality {
        Personality::Tini { .. } => tini::no_subreaper(errno),
        Personality::Goward { .. } | Personality::DumbInit { .. } | Personality::Catatonit { .. } => {
            format!("--subreaper: the kernel does not let goward adopt orphans: {}", errno.desc())
        }
    }
}

/// Whether orphans will be adopted is known.
pub(super) fn on_adoption(personality: Personality, pid: i32, asked: bool) {
    match personality {
        Personality::Tini { verbosity, .. } => tini::on_adoption(verbosity, pid, asked),
        Personality::Goward { .. } | Personality::DumbInit { .. } | Personality::Catatonit { .. } => {}
    }
}

/// Starts the program, or says why not: the code to leave with.
pub(super) fn start(settings: &Settings, order: &SpawnSpec<'_>) -> Result<i32, u8> {
    let program = order.argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    let result = spawn::spawn(order);
    match settings.personality {
        Personality::Goward { .. } => result.map_err(|failure| {
            let (code, sentence) = explain::explain(order, failure);
            let which = if settings.before.is_empty() { "" } else { "--before: " };
            let line = format!("goward: {which}{sentence}\n");
            log::say_raw(&line);
            termination_log::tell(settings.termination_log.as_deref(), &line);
            code
        }),
        Personality::Tini { .. } => {
            as_execvp(result, order).map_err(|why| tini::cannot_start(&program, why, &settings.policy.success))
        }
        Personality::DumbInit { .. } => as_execvp(result, order).map_err(|why| dumb_init::cannot_start(&program, why)),
        Personality::Catatonit { .. } => as_execvp(result, order).map_err(catatonit::cannot_start),
    }
}

/// What the other programs tell apart: there is no process, or it cannot become the program.
pub(super) enum NotStarted {
    Fork(Errno),
    Exec(Errno),
}

impl From<Failure> for NotStarted {
    fn from(failure: Failure) -> NotStarted {
        match failure {
            Failure::Exec(errno) => NotStarted::Exec(errno),
            Failure::Pipe(errno)
            | Failure::Clone(errno)
            | Failure::Stdio(errno)
            | Failure::Limit(_, errno)
            | Failure::Directory(errno) => NotStarted::Fork(errno),
        }
    }
}

/// A file that is neither ELF nor `#!` goes to /bin/sh: glibc's execvp does that, and so these programs do. goward itself
/// does not: it says what is wrong with the file.
fn as_execvp(result: Result<i32, Failure>, order: &SpawnSpec<'_>) -> Result<i32, NotStarted> {
    let path = || {
        let (program, rest) = order.argv.split_first()?;
        let path = explain::find(&program.to_string_lossy())?;
        Some((CString::new(path.into_os_string().into_vec()).ok()?, rest))
    };
    let shell = match result {
        Err(Failure::Exec(Errno::ENOEXEC)) => path(),
        Ok(_) | Err(_) => None,
    };
    let Some((path, rest)) = shell else { return result.map_err(NotStarted::from) };
    let argv: Vec<CString> = [c"/bin/sh".to_owned(), path].into_iter().chain(rest.iter().cloned()).collect();
    spawn::spawn(&SpawnSpec { argv: &argv, ..*order }).map_err(NotStarted::from)
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
