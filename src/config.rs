//! Checked settings: what exists here makes sense. Raw words are turned into these by `cli`.

use crate::privilege::Privileges;
use crate::signal::Signal;
use crate::supervisor::Policy;
use crate::target::{Target, Url};
use std::ffi::CString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// How the init speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// An object a line, for machines.
    Json,
}

/// Whom goward is, and so how it talks: its own log, or the messages of the program it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// goward's own.
    Goward {
        /// Text or JSON.
        format: LogFormat,
        /// -1 quiet (warnings only), 0 what happens, 1 and more: every signal, every orphan.
        verbosity: i8,
    },
    /// tini 0.19; 0 fatal, 1 warnings, 2 info, 3 debug, 4 trace.
    Tini {
        /// TINI_VERBOSITY and -v.
        verbosity: u8,
        /// -w
        warn_reaping: bool,
    },
    /// dumb-init 1.2.5.
    DumbInit {
        /// -v
        debug: bool,
        /// Not with -c.
        setsid: bool,
    },
    /// catatonit.
    Catatonit {
        /// CATATONIT_DEBUG
        debug: bool,
    },
}

/// Where the server lives among processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A process group of its own; it gets the terminal when it asks for it, see docs/design.md.
    Group,
    /// A process group of its own, in the foreground of the terminal from the start (tini, catatonit).
    Foreground,
    /// A session of its own, with the terminal if goward had it (dumb-init).
    Session,
    /// goward's own group and session (dumb-init -c).
    Shared,
}

/// What becomes of the goroutine dump; whether there is one is the ladder's matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dump {
    /// It goes to the server's own stderr, with nothing in between.
    Raw,
    /// stderr passes through goward, and the dump is replaced by its groups.
    Summary {
        /// Keeps the dump as it was.
        file: Option<PathBuf>,
    },
}

/// Everything `goward run` needs to know. Also the personalities are only such settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program and its arguments.
    pub argv: Vec<CString>,
    /// What decides.
    pub policy: Policy,
    /// How it is told.
    pub voice: Voice,
    /// Where the server lives.
    pub place: Place,
    /// Signals go to the server's whole group.
    pub to_group: bool,
    /// What the server finds of goward's own signal mask and dispositions.
    pub signals: Inheritance,
    /// Signals that are neither blocked nor forwarded: they do to goward what they do by default.
    pub left_alone: Vec<Signal>,
    /// Signals of which the first is swallowed: they come from giving up the terminal (dumb-init).
    pub ignore_once: Vec<Signal>,
    /// Whether to adopt orphans where goward is not PID 1.
    pub subreaper: Subreaper,
    /// Reaped orphans are named.
    pub warn_reaping: bool,
    /// What goward gets when its parent dies.
    pub parent_death: Option<Signal>,
    /// Who the server is.
    pub privileges: Privileges,
    /// What becomes of the goroutine dump.
    pub dump: Dump,
    /// Refuse to run a server as root.
    pub require_non_root: bool,
    /// Commands before the server, as many as the policy says.
    pub before: Vec<Vec<CString>>,
    /// Commands after it.
    pub after: Vec<Vec<CString>>,
    /// How its health is found out, when the policy says that it is.
    pub probe: Option<Probe>,
    /// Tell Go's runtime of the container's limits.
    pub go_env: bool,
    /// To be logged when there is a log.
    pub notes: Vec<String>,
}

impl Settings {
    /// Whether goward starts anything after the server: that needs its working directory.
    pub fn starts_more(&self) -> bool {
        let command = self.probe.as_ref().is_some_and(|probe| matches!(probe.target, Target::Command(_)));
        self.policy.starts_again() || command
    }
}

/// One probe: what is asked, and what is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where.
    pub target: Target,
    /// Of HTTP: the method.
    pub method: String,
    /// Of HTTP: header fields, names and values.
    pub headers: Vec<(String, String)>,
    /// Of HTTP: the status that is right.
    pub status: RangeInclusive<u16>,
    /// Of HTTP: what must be in the body.
    pub body: Option<String>,
}

impl Probe {
    /// A probe of this target, with everything else as it is by default: GET, and a status below 400, as Kubernetes has it.
    pub fn of(target: Target) -> Probe {
        Probe { target, method: "GET".to_owned(), headers: Vec::new(), status: 200..=399, body: None }
    }
}

/// Everything `goward rehearse` needs to know.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// The program, and the init that it gets.
    pub settings: Settings,
    /// When it is ready.
    pub ready: Ready,
    /// How long it may take until then.
    pub ready_timeout: Duration,
    /// What is asked of it all the time; nothing: no requests.
    pub load: Vec<Load>,
    /// How many requests at once.
    pub in_flight: u32,
    /// How long after that the stop signal comes; none: as soon as there is something to see.
    pub after: Option<Duration>,
    /// The exit code that is right.
    pub expect: u8,
    /// How often.
    pub repeat: u32,
    /// One JSON object on stdout instead of the report for people.
    pub json: bool,
    /// A page for a browser.
    pub report: Option<PathBuf>,
    /// Of the report for people only the verdict.
    pub quiet: bool,
}

/// When a server under rehearsal is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// One of its processes listens on a TCP port.
    Port,
    /// This answers.
    Target(Target),
    /// At once: it is no server.
    AtOnce,
}

/// What is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// This path, on the port that was found.
    Path(String),
    /// This, wherever it is.
    Url(Url),
}

/// What the server finds of the signal mask and the dispositions that goward was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inheritance {
    /// All of it, to the bit.
    Exact,
    /// The dispositions, and an empty mask (dumb-init).
    EmptyMask,
    /// Nothing: an empty mask, every signal at its default.
    Nothing,
}

/// Whether goward adopts orphans where it is not PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subreaper {
    /// By itself, in silence: goward's own way.
    Automatic,
    /// Where asked (tini -s): failing is fatal.
    Asked,
    /// Not at all.
    No,
}

/// Reads `10`, `10s`, `1.5s`, `500ms`, `1m30s`, `2h`: docker's and Kubernetes' seconds, and Go's durations.
///
/// # Errors
/// A sentence for the user.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no duration: seconds like 10, or 500ms, 1.5s, 1m30s, 2h");
    let mut rest = text;
    let mut total = Duration::ZERO;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit_length = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_length);
        let micros = match unit {
            "" if rest.len() == text.len() => 1_000_000,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            _ => return Err(wrong()),
        };
        total += decimal(number, micros).ok_or_else(wrong)?;
        // More than a year is a typing error, and sums of times must not overflow.
        if total > Duration::from_secs(366 * 24 * 3600) {
            return Err(format!("'{text}' is more than a year"));
        }
        if next.is_empty() {
            return Ok(total);
        }
        rest = next;
    }
}

/// `1.5` of a unit. In whole numbers: parsing floats would cost more bytes than the whole command line.
fn decimal(number: &str, unit_in_micros: u64) -> Option<Duration> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, fraction)) if fraction.is_empty() || fraction.len() > 6 => return None,
        Some(parts) => parts,
        None => (number, "0"),
    };
    if whole.is_empty() || whole.len() > 10 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit_in_micros)?;
    let part = fraction.parse::<u64>().ok()? * unit_in_micros / 10u64.pow(fraction.len() as u32);
    Some(Duration::from_micros(whole.checked_add(part)?))
}

/// What `goward probe` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probing {
    /// What is asked.
    pub probe: Probe,
    /// How long it may take.
    pub timeout: Duration,
    /// Nothing is said, the code tells.
    pub quiet: bool,
}

/// What `goward status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// For whom.
    pub shown: Shown,
    /// Nothing is said, the code tells.
    pub quiet: bool,
    /// Which init; none: the one of this container.
    pub pid: Option<i32>,
    /// What makes the exit code 0.
    pub wanted: Wanted,
    /// How long to wait for it; none: not at all.
    pub patience: Option<Duration>,
}

/// What is wanted of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It runs, and nothing speaks against its health.
    Healthy,
    /// It takes requests.
    Ready,
}

/// What `goward goroutines` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// None for standard input.
    pub file: Option<std::path::PathBuf>,
    /// How.
    pub shown: Shown,
    /// Every group, with its whole stack.
    pub all: bool,
    /// Colours; None where the terminal decides.
    pub colour: Option<bool>,
    /// The width that was asked for.
    pub columns: Option<usize>,
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// People.
    Table,
    /// Machines.
    Json,
}

/// What `goward check` looks at, and how it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checking {
    /// At what.
    pub subject: Subject,
    /// Who the server will be.
    pub user: Option<String>,
    /// Where it must be able to write.
    pub writable: Vec<String>,
    /// From which severity on the exit code is 1.
    pub fail_on: FailOn,
    /// How.
    pub form: Form,
    /// Ids that are not to be told.
    pub ignore: Vec<String>,
    /// Colours; None where the terminal decides.
    pub colour: Option<bool>,
    /// The width that was asked for.
    pub columns: Option<usize>,
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A Dockerfile.
    Dockerfile(PathBuf),
    /// An archive of docker save, or of OCI.
    Image {
        /// Where it is.
        archive: PathBuf,
        /// None: what the image says.
        program: Option<String>,
    },
    /// A directory as the root, or what is here.
    Root {
        /// None for `/`.
        directory: Option<PathBuf>,
        /// None: the files alone.
        program: Option<String>,
    },
    /// Nothing: the table of findings is printed.
    List,
    /// Nothing: one finding is explained.
    Explain(String),
}

/// From which severity on a check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Errors.
    Error,
    /// Warnings too.
    Warning,
    /// Any finding.
    Note,
    /// None.
    Never,
}

/// How a check tells what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For code scanning.
    Sarif,
    /// For a log of GitHub Actions.
    Github,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("10", 10_000),
            ("0", 0),
            ("10s", 10_000),
            ("1.5s", 1_500),
            ("1.5", 1_500),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("0.1", 100),
            ("1h0m1s", 3_601_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1",
            "+1",
            "10x",
            "1e3",
            "ten",
            "1m30",
            ".5s",
            "1.s",
            "10 s",
            " 10",
            "1..2",
            "99999999999",
            "inf",
            "١",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("10x").unwrap_err().contains("500ms"));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,30}") {
            let _ = parse_duration(&text);
        }
    }
}
