//! Checked settings: what exists here makes sense. The command lines are turned into these by `commands` and `personality`. How a
//! duration is read (`10`, `1m30s`) is here too: [`parse_duration`].

use crate::platform::Source;
use crate::privilege::Privileges;
use crate::signal::Signal;
use crate::supervisor::{Policy, Purpose};
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
pub enum Personality {
    /// goward as itself.
    Goward {
        /// How its log is written: text or JSON.
        format: LogFormat,
        /// -1 quiet (warnings only), 0 what happens, 1 and more: every signal, every orphan.
        verbosity: i8,
    },
    /// tini 0.19; 0 fatal, 1 warnings, 2 info, 3 debug, 4 trace.
    Tini {
        /// How much it says, from TINI_VERBOSITY and `-v`.
        verbosity: u8,
        /// `-w`: a warning for every orphan that is reaped.
        warn_reaping: bool,
    },
    /// dumb-init, as version 1.2.5 behaves.
    DumbInit {
        /// `-v`: it prints what it does.
        debug: bool,
        /// The server leads a session of its own; `-c` switches that off.
        setsid: bool,
    },
    /// catatonit, as `docker run --init` and Podman use it.
    Catatonit {
        /// CATATONIT_DEBUG is set: it prints what it does.
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
    /// A session of its own, and goward keeps the terminal: no job control, but nothing can be typed into the terminal.
    Detached,
    /// goward's own group and session (dumb-init -c).
    Shared,
}

/// What becomes of the goroutine dump; whether there is one is the ladder's matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dump {
    /// The goroutines are read out of the server's memory, and shown in groups. Where that fails, as [`Dump::Raw`].
    Live {
        /// Has all of them, as Go prints them.
        file: Option<PathBuf>,
    },
    /// It goes to the server's own stderr, with nothing in between.
    Raw {
        /// Has all goroutines too, read out of the server's memory before it prints them.
        file: Option<PathBuf>,
    },
}

/// Everything `goward run` needs to know. Also the personalities are only such settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program and its arguments.
    pub argv: Vec<CString>,
    /// The rules by which the supervisor decides.
    pub policy: Policy,
    /// How it is told.
    pub personality: Personality,
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
    /// The commands that run after the server, in their order.
    pub after: Vec<Vec<CString>>,
    /// The command that is told of changes of its state; empty: none is.
    pub on_change: Vec<CString>,
    /// How its health is found out, when the policy says that it is.
    pub probe: Option<Probe>,
    /// How it is found out whether it is ready, when the policy says that this is another question.
    pub ready_probe: Option<Probe>,
    /// Tell Go's runtime of the container's limits.
    pub go_env: bool,
    /// Where the time of a stop comes from.
    pub stop_timeout_source: Source,
    /// Kubernetes' termination log; none: nothing is written there.
    pub termination_log: Option<PathBuf>,
    /// To be logged when there is a log.
    pub notes: Vec<String>,
}

impl Settings {
    /// Whether goward starts anything after the server: that needs its working directory.
    pub fn starts_more(&self) -> bool {
        let is_command = |purpose| self.probe_for(purpose).is_some_and(Probe::is_command);
        self.policy.starts_again() || !self.on_change.is_empty() || Purpose::ALL.into_iter().any(is_command)
    }

    /// What is asked for this.
    pub fn probe_for(&self, purpose: Purpose) -> Option<&Probe> {
        match purpose {
            Purpose::Health => self.probe.as_ref(),
            Purpose::Ready => self.ready_probe.as_ref(),
        }
    }
}

/// One probe: what is asked, and what is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The address that a probe asks.
    pub target: Target,
    /// Of HTTP: the method.
    pub method: String,
    /// Of HTTP and gRPC: header fields, names and values.
    pub headers: Vec<(String, String)>,
    /// Of HTTP: each status that is right.
    pub status: Vec<RangeInclusive<u16>>,
    /// Of HTTP: a redirect to the same host is followed.
    pub follows_redirects: bool,
    /// Of HTTP: what must be in the body.
    pub body: Option<String>,
    /// Of TLS.
    pub tls: Tls,
    /// Of gRPC: there is a connection once the server has sent its SETTINGS, as grpc_health_probe has it.
    pub awaits_settings: bool,
}

/// How TLS is spoken. Without anything here any certificate will do, as for the kubelet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The CAs that the server's certificate must lead to.
    pub ca: Option<PathBuf>,
    /// The client's certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name of the server, where it is not the host.
    pub server_name: Option<String>,
}

/// What `goward probe` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probing {
    /// The target, and what a right answer is.
    pub probe: Probe,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How long it may take until there is a connection.
    pub connect_timeout: Option<Duration>,
    /// How long to try again; none: one attempt.
    pub wait: Option<Duration>,
    /// So many successes in a row are well.
    pub successes: u32,
    /// Nothing is said, the code tells.
    pub quiet: bool,
    /// Whose words and exit codes these are.
    pub manner: Manner,
}

/// Whom `goward probe` speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// For itself.
    Goward,
    /// For grpc_health_probe.
    GrpcHealthProbe {
        /// The address as it was given.
        address: String,
        /// It says what it does.
        verbose: bool,
    },
}

impl Probe {
    /// Whether this status is right.
    pub fn accepts(&self, status: u16) -> bool {
        self.status.iter().any(|range| range.contains(&status))
    }

    /// Whether it starts a command.
    pub fn is_command(&self) -> bool {
        matches!(self.target, Target::Command(_))
    }

    /// A probe of this target, with everything else as it is by default: GET, a status below 400, and redirects to the
    /// same host followed, as Kubernetes has it.
    pub fn of(target: Target) -> Probe {
        Probe {
            target,
            method: "GET".to_owned(),
            headers: Vec::new(),
            status: vec![200..=399],
            follows_redirects: true,
            body: None,
            tls: Tls::default(),
            awaits_settings: false,
        }
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
    /// What the requests are, beside where they go.
    pub request: LoadRequest,
    /// How many requests at once.
    pub in_flight: u32,
    /// How long after that the stop signal comes; none: as soon as there is something to see.
    pub after: Option<Duration>,
    /// The exit code that is right.
    pub expect: u8,
    /// How many times the rehearsal runs.
    pub repeat: u32,
    /// Whether, and how, goroutines are looked for that the load leaves behind.
    pub leaks: Option<Leaks>,
    /// One JSON object on stdout instead of the report for people.
    pub json: bool,
    /// A page for a browser.
    pub report: Option<PathBuf>,
    /// The verdicts as test results, for a CI server.
    pub junit: Option<PathBuf>,
    /// Of the report for people only the verdict.
    pub quiet: bool,
}

/// How goroutines are looked for that a load leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaks {
    /// How long what the load has started may take to end.
    pub settle: Duration,
    /// Whether the stop is rehearsed too. If not, the server is ended when the leaks have been looked for.
    pub then_stop: bool,
}

/// When a server under rehearsal is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// One of its processes listens on a TCP port.
    Port,
    /// The server is ready when this target answers a probe.
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
    /// A command that is a client: each run of it is a request.
    Command(Vec<CString>),
}

/// What a request of the load is, beside where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// `GET`, or `POST` where there is a body.
    pub method: String,
    /// Header fields of its own.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: LoadBody,
}

/// What a request of the load brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoadBody {
    /// Nothing.
    #[default]
    None,
    /// This text.
    Text(String),
    /// What is in this file.
    File(PathBuf),
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
    /// It is not restarted.
    No,
}

/// Reads `10`, `10s`, `1.5s`, `500ms`, `1m30s`, `2h`: docker's and Kubernetes' seconds, and Go's durations.
///
/// # Errors
/// A sentence for the user.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a duration: seconds like 10, or 500ms, 1.5s, 1m30s, 2h");
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
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    // What overflows is too long, not wrong.
    let whole = whole.parse().unwrap_or(u64::MAX).saturating_mul(unit_in_micros);
    let part = fraction.parse::<u64>().ok()? * unit_in_micros / 10u64.pow(fraction.len() as u32);
    Some(Duration::from_micros(whole.saturating_add(part)))
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
