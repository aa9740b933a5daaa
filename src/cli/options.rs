//! The one table of `run`'s options. The parser, the environment, `--help`, the README's table and the tests come from it.

use super::{PREFIX, check, goroutines, health, rehearse, status};
use crate::config::{LogFormat, parse_duration};
use crate::privilege::Limit;
use crate::signal::Signal;
use crate::supervisor::{Cure, Restart};
use crate::sys::capability::Capability;
use crate::target::{Target, command_line};
use nix::sys::resource::Resource;
use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

/// What the words said, each for itself; whether they fit together is checked afterwards.
#[derive(Debug, Default)]
pub struct Raw {
    pub(super) stop_timeout: Option<Duration>,
    pub(super) stop_on: Option<Vec<Signal>>,
    pub(super) stop_signal: Option<Signal>,
    pub(super) drain: Option<Duration>,
    pub(super) dump: Option<DumpMode>,
    pub(super) dump_file: Option<PathBuf>,
    pub(super) dump_lead: Option<Duration>,
    pub(super) rewrite: Vec<(Signal, Option<Signal>)>,
    pub(super) group: bool,
    pub(super) reset_signals: bool,
    pub(super) parent_death: Option<Signal>,
    pub(super) subreaper: bool,
    pub(super) warn_reaping: bool,
    pub(super) success: Vec<u8>,
    pub(super) user: Option<String>,
    pub(super) own: Vec<PathBuf>,
    pub(super) own_stdio: bool,
    pub(super) limits: Vec<Limit>,
    pub(super) oom_score_adj: Option<i32>,
    pub(super) keep: Vec<Capability>,
    pub(super) allow_new_privs: bool,
    pub(super) require_non_root: bool,
    pub(super) go_env: bool,
    pub(super) verbose: i8,
    pub(super) quiet: bool,
    pub(super) log_format: LogFormat,
    pub(super) health: health::Raw,
    pub(super) restart: Option<Restart>,
    pub(super) before: Vec<Vec<CString>>,
    pub(super) before_timeout: Option<Duration>,
    pub(super) after: Vec<Vec<CString>>,
    pub(super) notify: bool,
    pub(super) watchdog: Option<Duration>,
    pub(super) cure: Option<Cure>,
    pub(super) asking: status::Raw,
    pub(super) rehearsal: rehearse::Raw,
    pub(super) goroutines: goroutines::Raw,
    pub(super) check: check::Raw,
}

/// `--dump`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DumpMode {
    Raw,
    Summary,
    Off,
}

/// How an option takes its value, and where it puts it.
pub enum Take {
    /// No value: a switch.
    Switch(fn(&mut Raw)),
    /// One value.
    Value(&'static str, fn(&mut Raw, &str) -> Result<(), String>),
    /// Values that add up; one word may hold several, with commas between.
    List(&'static str, fn(&mut Raw, &str) -> Result<(), String>),
}

/// One option of `run`.
pub struct Opt {
    /// `stop-timeout` for `--stop-timeout` and `GOWARD_STOP_TIMEOUT`.
    pub name: &'static str,
    /// tini's letter, where tini has one.
    pub short: Option<char>,
    /// Its value.
    pub take: Take,
    /// For `--help`.
    pub help: &'static str,
    /// The heading it stands under.
    pub group: &'static str,
}

impl Opt {
    /// `GOWARD_STOP_TIMEOUT`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Whether a variable is this option's. Asked for every option at every start: nothing is made for it.
    pub fn has_variable(&self, name: &str) -> bool {
        let alike =
            |(ours, theirs): (u8, u8)| if ours == b'-' { theirs == b'_' } else { ours.to_ascii_uppercase() == theirs };
        name.strip_prefix(PREFIX)
            .is_some_and(|rest| rest.len() == self.name.len() && self.name.bytes().zip(rest.bytes()).all(alike))
    }

    /// What stands for the value in `--help`.
    pub fn placeholder(&self) -> Option<&'static str> {
        match self.take {
            Take::Switch(_) => None,
            Take::Value(name, _) | Take::List(name, _) => Some(name),
        }
    }
}

macro_rules! set {
    ($field:ident, $parse:expr) => {
        |raw, text| {
            raw.$field = Some($parse(text)?);
            Ok(())
        }
    };
}

macro_rules! add {
    ($field:ident, $parse:expr) => {
        |raw, text| {
            raw.$field.push($parse(text)?);
            Ok(())
        }
    };
}

macro_rules! health {
    ($field:ident, $parse:expr) => {
        |raw, text| {
            raw.health.$field = Some($parse(text)?);
            Ok(())
        }
    };
}

const STOP: &str = "Stopping";
const SIGNALS: &str = "Signals and processes";
const PRIVILEGES: &str = "Privileges";
const HEALTH: &str = "Health";
const LIFE: &str = "Before, after and again";
const OUTPUT: &str = "Output";

/// Every option.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "stop-timeout",
        short: None,
        take: Take::Value("TIME", set!(stop_timeout, parse_duration)),
        help: "the orchestrator's own number: docker stop -t, terminationGracePeriodSeconds; goward is done before it [10s; 30s on Kubernetes]",
        group: STOP,
    },
    Opt {
        name: "drain",
        short: None,
        take: Take::Value("TIME", set!(drain, parse_duration)),
        help: "hold the stop signal back this long, so that load balancers can look elsewhere [0]",
        group: STOP,
    },
    Opt {
        name: "stop-on",
        short: None,
        take: Take::List("SIGNAL", |raw, text| {
            raw.stop_on.get_or_insert_default().push(Signal::parse(text)?);
            Ok(())
        }),
        help: "what starts a stop [TERM,INT]",
        group: STOP,
    },
    Opt {
        name: "stop-signal",
        short: None,
        take: Take::Value("SIGNAL", set!(stop_signal, stop_signal)),
        help: "what the server is asked with [the signal that came]",
        group: STOP,
    },
    Opt {
        name: "dump",
        short: None,
        take: Take::Value("raw|summary|off", set!(dump, dump)),
        help: "a server that misses its time prints its goroutines before the kill (SIGQUIT, then SIGABRT); summary: stderr passes through goward, which prints what they wait for instead [raw]",
        group: STOP,
    },
    Opt {
        name: "dump-file",
        short: None,
        take: Take::Value("PATH", set!(dump_file, path)),
        help: "with --dump summary: keep the whole dump there; the next one replaces it",
        group: STOP,
    },
    Opt {
        name: "dump-lead",
        short: None,
        take: Take::Value("TIME", set!(dump_lead, parse_duration)),
        help: "how long before the end the dump is taken [2s, or a quarter of --stop-timeout]",
        group: STOP,
    },
    Opt {
        name: "success-exit",
        short: Some('e'),
        take: Take::List("CODE", add!(success, exit_code)),
        help: "exit codes that count as success and become 0, like 143",
        group: STOP,
    },
    Opt {
        name: "rewrite",
        short: None,
        take: Take::List("FROM:TO", add!(rewrite, rewrite)),
        help: "hand a signal on as another, like TERM:INT or RTMIN+3:TERM; 0 drops it, like HUP:0",
        group: SIGNALS,
    },
    Opt {
        name: "group",
        short: Some('g'),
        take: Take::Switch(|raw| raw.group = true),
        help: "send signals to the server's whole process group",
        group: SIGNALS,
    },
    Opt {
        name: "reset-signals",
        short: None,
        take: Take::Switch(|raw| raw.reset_signals = true),
        help: "start the server with no signal blocked or ignored, whatever goward was started with",
        group: SIGNALS,
    },
    Opt {
        name: "parent-death",
        short: Some('p'),
        take: Take::Value("SIGNAL", set!(parent_death, Signal::parse)),
        help: "the signal that goward gets when its own parent dies",
        group: SIGNALS,
    },
    Opt {
        name: "subreaper",
        short: Some('s'),
        take: Take::Switch(|raw| raw.subreaper = true),
        help: "adopt orphans; where goward is not PID 1 it does so by itself, with this it insists",
        group: SIGNALS,
    },
    Opt {
        name: "warn-reaping",
        short: Some('w'),
        take: Take::Switch(|raw| raw.warn_reaping = true),
        help: "name every orphan that is reaped",
        group: SIGNALS,
    },
    Opt {
        name: "user",
        short: None,
        take: Take::Value("USER[:GROUP]", |raw, text| {
            raw.user = Some(text.to_owned());
            Ok(())
        }),
        help: "become this user for good, goward too, before the server starts: a name, or numbers like 65532:65532",
        group: PRIVILEGES,
    },
    Opt {
        name: "require-non-root",
        short: None,
        take: Take::Switch(|raw| raw.require_non_root = true),
        help: "refuse to run a server as root",
        group: PRIVILEGES,
    },
    Opt {
        name: "own",
        short: None,
        take: Take::List("DIR", |raw, text| {
            raw.own.push(PathBuf::from(text));
            Ok(())
        }),
        help: "a directory for that user, made if it is missing",
        group: PRIVILEGES,
    },
    Opt {
        name: "own-stdio",
        short: None,
        take: Take::Switch(|raw| raw.own_stdio = true),
        help: "hand stdin, stdout and stderr over too, so that the server can open /dev/stdout",
        group: PRIVILEGES,
    },
    Opt {
        name: "keep-cap",
        short: None,
        take: Take::List("CAP", add!(keep, Capability::parse)),
        help: "a capability that the server keeps, like net_bind_service for port 80; all others are gone",
        group: PRIVILEGES,
    },
    Opt {
        name: "allow-new-privs",
        short: None,
        take: Take::Switch(|raw| raw.allow_new_privs = true),
        help: "do not set no_new_privs with --user: set-uid programs and file capabilities work",
        group: PRIVILEGES,
    },
    Opt {
        name: "rlimit",
        short: None,
        take: Take::List("NAME=SOFT[:HARD]", add!(limits, limit)),
        help: "a resource limit, as docker's --ulimit: nofile=65536, core=0, nproc=unlimited",
        group: PRIVILEGES,
    },
    Opt {
        name: "oom-score-adj",
        short: None,
        take: Take::Value("N", set!(oom_score_adj, oom_score)),
        help: "for the kernel's OOM killer: -1000 never, 1000 first",
        group: PRIVILEGES,
    },
    Opt {
        name: "go-env",
        short: None,
        take: Take::Switch(|raw| raw.go_env = true),
        help: "tell Go's runtime of the container's limits: GOMEMLIMIT at 90 % of its memory, GOMAXPROCS for Go before 1.25, GOTRACEBACK=all; never over what is set already",
        group: PRIVILEGES,
    },
    Opt {
        name: "health",
        short: None,
        take: Take::Value("TARGET", |raw, text| {
            raw.health.target = Some(Target::parse(text)?);
            Ok(())
        }),
        help: "probe the server: http://HOST:PORT/PATH, tcp://HOST:PORT, unix:/PATH, grpc://HOST:PORT[/SERVICE] or 'exec:COMMAND'; goward status tells the outcome",
        group: HEALTH,
    },
    Opt {
        name: "health-interval",
        short: None,
        take: Take::Value("TIME", health!(interval, positive)),
        help: "from one probe to the next [30s]",
        group: HEALTH,
    },
    Opt {
        name: "health-timeout",
        short: None,
        take: Take::Value("TIME", health!(timeout, positive)),
        help: "a probe that takes longer has failed [30s]",
        group: HEALTH,
    },
    Opt {
        name: "health-start-period",
        short: None,
        take: Take::Value("TIME", health!(start_period, parse_duration)),
        help: "so long failures do not count, until a probe has succeeded [0s]",
        group: HEALTH,
    },
    Opt {
        name: "health-start-interval",
        short: None,
        take: Take::Value("TIME", health!(start_interval, positive)),
        help: "from one probe to the next during the start period [5s]",
        group: HEALTH,
    },
    Opt {
        name: "health-retries",
        short: None,
        take: Take::Value("N", health!(retries, |text| count(text, 1000))),
        help: "so many failures in a row are unhealthy [3]",
        group: HEALTH,
    },
    Opt {
        name: "health-method",
        short: None,
        take: Take::Value("METHOD", health!(method, health::method)),
        help: "of an http probe [GET]",
        group: HEALTH,
    },
    Opt {
        name: "health-header",
        short: None,
        take: Take::Value("NAME:VALUE", |raw, text| {
            raw.health.headers.push(health::header(text)?);
            Ok(())
        }),
        help: "a header field of an http probe; may be repeated",
        group: HEALTH,
    },
    Opt {
        name: "health-status",
        short: None,
        take: Take::Value("FROM[-TO]", health!(status, health::status)),
        help: "the status of an http probe that is right [200-399]",
        group: HEALTH,
    },
    Opt {
        name: "health-body",
        short: None,
        take: Take::Value("TEXT", health!(body, health::body)),
        help: "what must be in the first MiB of the body",
        group: HEALTH,
    },
    Opt {
        name: "on-unhealthy",
        short: None,
        take: Take::Value("log|stop|restart", |raw, text| {
            raw.cure = Some(match text {
                "log" => Cure::Log,
                "stop" => Cure::Stop,
                "restart" => Cure::Restart,
                _ => return Err(format!("'{text}' is none of log, stop, restart")),
            });
            Ok(())
        }),
        help: "what is done about an unhealthy server; stop and restart have it print its goroutines first [log]",
        group: HEALTH,
    },
    Opt {
        name: "notify",
        short: None,
        take: Take::Switch(|raw| raw.notify = true),
        help: "the server says when it is ready: sd_notify(3), NOTIFY_SOCKET",
        group: HEALTH,
    },
    Opt {
        name: "watchdog",
        short: None,
        take: Take::Value("TIME", set!(watchdog, positive)),
        help: "after READY=1 the server must say WATCHDOG=1 this often, or it is unhealthy; implies --notify",
        group: HEALTH,
    },
    Opt {
        name: "restart",
        short: None,
        take: Take::Value("no|on-failure[:N]|always", set!(restart, Restart::parse)),
        help: "start a server that has ended again, after 100ms, 200ms, … 1m; never once a stop was asked for [no]",
        group: LIFE,
    },
    Opt {
        name: "before",
        short: None,
        take: Take::Value("COMMAND", add!(before, command_line)),
        help: "run this before the server, as the same user; the server starts only if it succeeds; may be repeated",
        group: LIFE,
    },
    Opt {
        name: "before-timeout",
        short: None,
        take: Take::Value("TIME", set!(before_timeout, positive)),
        help: "how long each of them may take [90s]",
        group: LIFE,
    },
    Opt {
        name: "after",
        short: None,
        take: Take::Value("COMMAND", add!(after, command_line)),
        help: "run this after the server has ended for good, inside --stop-timeout; may be repeated",
        group: LIFE,
    },
    Opt {
        name: "log-format",
        short: None,
        take: Take::Value("text|json", |raw, text| {
            raw.log_format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err(format!("'{text}' is no format: text or json")),
            };
            Ok(())
        }),
        help: "how goward's own lines on stderr look [text]",
        group: OUTPUT,
    },
    Opt {
        name: "verbose",
        short: Some('v'),
        take: Take::Switch(|raw| raw.verbose = raw.verbose.saturating_add(1)),
        help: "tell more: every signal and every step",
        group: OUTPUT,
    },
    Opt {
        name: "quiet",
        short: Some('q'),
        take: Take::Switch(|raw| raw.quiet = true),
        help: "tell only what is wrong",
        group: OUTPUT,
    },
];

/// A server can be asked with anything but SIGSTOP, even with SIGKILL.
fn stop_signal(text: &str) -> Result<Signal, String> {
    let signal = Signal::parse(text)?;
    if signal == Signal::STOP {
        Err("SIGSTOP stops nothing for good: TERM, INT, QUIT, or KILL".into())
    } else {
        Ok(signal)
    }
}

fn dump(text: &str) -> Result<DumpMode, String> {
    match text {
        "raw" => Ok(DumpMode::Raw),
        "summary" => Ok(DumpMode::Summary),
        "off" => Ok(DumpMode::Off),
        _ => Err(format!("'{text}' is no kind of dump: raw (to the server's own stderr), summary (its groups) or off")),
    }
}

/// A time in which something can happen.
pub(super) fn positive(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_millis(1) { Err(format!("'{text}' is too short: 1ms at least")) } else { Ok(time) }
}

pub(super) fn count(text: &str, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n| (1..=most).contains(n) && text.bytes().all(|b| b.is_ascii_digit()));
    number.ok_or_else(|| format!("'{text}' is no number from 1 to {most}"))
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("a path is needed".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn exit_code(text: &str) -> Result<u8, String> {
    text.parse()
        .ok()
        .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| format!("'{text}' is no exit code: 0 to 255"))
}

/// `TERM:INT`, or `HUP:0`.
pub(super) fn rewrite(text: &str) -> Result<(Signal, Option<Signal>), String> {
    let (from, to) =
        text.split_once(':').ok_or_else(|| format!("'{text}' has no colon: FROM:TO, like TERM:INT, or HUP:0"))?;
    let from = Signal::parse(from)?;
    if !from.is_forwardable() {
        return Err(format!("{from} cannot be rewritten: it never reaches the server through goward"));
    }
    Ok((from, if to == "0" { None } else { Some(Signal::parse(to)?) }))
}

const LIMITS: [(&str, Resource); 15] = [
    ("as", Resource::RLIMIT_AS),
    ("core", Resource::RLIMIT_CORE),
    ("cpu", Resource::RLIMIT_CPU),
    ("data", Resource::RLIMIT_DATA),
    ("fsize", Resource::RLIMIT_FSIZE),
    ("locks", Resource::RLIMIT_LOCKS),
    ("memlock", Resource::RLIMIT_MEMLOCK),
    ("msgqueue", Resource::RLIMIT_MSGQUEUE),
    ("nice", Resource::RLIMIT_NICE),
    ("nofile", Resource::RLIMIT_NOFILE),
    ("nproc", Resource::RLIMIT_NPROC),
    ("rss", Resource::RLIMIT_RSS),
    ("rtprio", Resource::RLIMIT_RTPRIO),
    ("sigpending", Resource::RLIMIT_SIGPENDING),
    ("stack", Resource::RLIMIT_STACK),
];

/// `nofile=1024`, `nofile=1024:4096`, `core=unlimited`, `nofile=max` (as much as the hard limit allows).
fn limit(text: &str) -> Result<Limit, String> {
    let wrong = || format!("'{text}' is no limit: NAME=SOFT[:HARD], like nofile=65536 or core=0:unlimited");
    let (name, values) = text.split_once('=').ok_or_else(wrong)?;
    let (name, resource) = LIMITS.iter().find(|(known, _)| *known == name).copied().ok_or_else(|| {
        let names: Vec<_> = LIMITS.iter().map(|(name, _)| *name).collect();
        format!("'{name}' is no limit's name: one of {}", names.join(", "))
    })?;
    let value = |text: &str| match text {
        "unlimited" | "infinity" | "-1" => Ok(libc::RLIM_INFINITY),
        _ if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let (soft, hard) = match values.split_once(':') {
        _ if values == "max" => (None, None),
        // As with docker: one number sets both.
        None => (Some(value(values)?), Some(value(values)?)),
        Some((soft, hard)) => (Some(value(soft)?), Some(value(hard)?)),
    };
    if let (Some(soft), Some(hard)) = (soft, hard)
        && soft > hard
    {
        return Err(format!("'{text}': the soft limit must not be above the hard one"));
    }
    Ok(Limit { resource, name, soft, hard })
}

fn oom_score(text: &str) -> Result<i32, String> {
    text.parse()
        .ok()
        .filter(|score| (-1000..=1000).contains(score) && !text.starts_with('+'))
        .ok_or_else(|| format!("'{text}' is no OOM score: -1000 to 1000"))
}

/// A switch in the environment.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}
