//! The options of `goward run`. Each but `--no-environment` has a variable.

use super::values;
use crate::cli::http::{self, HttpWords, TlsWords};
use crate::cli::table::{NO_ENVIRONMENT, Opt, Options, Take, add, set};
use crate::cli::values::{absolute_path, count, exit_code, one_of, path, positive};
use crate::config::{LogFormat, parse_duration};
use crate::privilege::{Limit, accounts};
use crate::signal::Signal;
use crate::supervisor::{Restart, StopSignal, UnhealthyAction};
use crate::sys::capability::Capability;
use crate::target::{Target, command_line};
use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

/// What the command line and the environment said, each for itself; whether it fits together is checked afterwards.
#[derive(Debug, Default)]
pub struct RunWords {
    pub(super) stop_timeout: Option<Duration>,
    pub(super) stop_on: Option<Vec<Signal>>,
    pub(super) stop_signal: Option<StopSignal>,
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
    pub(super) groups: Vec<String>,
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
    pub(super) termination_log: Option<PathBuf>,
    pub(super) log_format: LogFormat,
    pub(super) health: ProbeWords,
    pub(super) ready: ProbeWords,
    pub(super) tls: TlsWords,
    pub(super) restart: Option<Restart>,
    pub(super) before: Vec<Vec<CString>>,
    pub(super) before_timeout: Option<Duration>,
    pub(super) after: Vec<Vec<CString>>,
    pub(super) notify: bool,
    pub(super) start_timeout: Option<Duration>,
    pub(super) watchdog: Option<Duration>,
    pub(super) reload_signal: Option<Signal>,
    pub(super) on_change: Option<Vec<CString>>,
    pub(super) on_unhealthy: Option<UnhealthyAction>,
}

/// What was said about the probes of the server: those of its health, or of its readiness.
#[derive(Debug, Default)]
pub(super) struct ProbeWords {
    pub(super) target: Option<Target>,
    pub(super) interval: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) start_period: Option<Duration>,
    pub(super) start_interval: Option<Duration>,
    pub(super) retries: Option<u32>,
    pub(super) successes: Option<u32>,
    pub(super) http: HttpWords,
}

/// The values of `--dump`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DumpMode {
    Live,
    Raw,
    Off,
}

impl DumpMode {
    /// What is done without the option.
    pub(super) const DEFAULT: DumpMode = if cfg!(feature = "goroutines") { DumpMode::Live } else { DumpMode::Raw };
}

const STOP: &str = "Stopping";
const SIGNALS: &str = "Signals and processes";
const PRIVILEGES: &str = "Privileges";
const HEALTH: &str = "Health";
const LIFE: &str = "Restarts and hooks";
const OUTPUT: &str = "Output";
const ENVIRONMENT: &str = "Environment";

const ON_UNHEALTHY: [(&str, UnhealthyAction); 3] =
    [("log", UnhealthyAction::Log), ("stop", UnhealthyAction::Stop), ("restart", UnhealthyAction::Restart)];

/// The table of all options of `goward run`.
pub const OPTIONS: Options<RunWords> = Options {
    variables: true,
    all: &[
        Opt {
            name: "stop-timeout",
            short: None,
            take: Take::Value("TIME", set!(stop_timeout, parse_duration)),
            default: Some("that of the platform: 30s on Kubernetes, ECS and Heroku, 5s on Fly.io and Nomad, else 10s"),
            help: "how long the orchestrator waits: docker stop -t, terminationGracePeriodSeconds; goward finishes before that; 0: SIGKILL at once",
            group: STOP,
        },
        Opt {
            name: "drain",
            short: None,
            take: Take::Value("TIME", set!(drain, parse_duration)),
            default: Some("0"),
            help: "hold the stop signal back this long, so that load balancers can move their traffic elsewhere",
            group: STOP,
        },
        Opt {
            name: "stop-on",
            short: None,
            take: Take::List("SIGNAL", |words, text| {
                words.stop_on.get_or_insert_default().push(Signal::parse(text)?);
                Ok(())
            }),
            default: Some("TERM,INT"),
            help: "the signals that begin a stop",
            group: STOP,
        },
        Opt {
            name: "stop-signal",
            short: None,
            take: Take::Value("SIGNAL", set!(stop_signal, values::stop_signal)),
            default: Some("the signal that came"),
            help: "the signal that asks the server to stop; none: no signal, where the platform sends it one itself",
            group: STOP,
        },
        Opt {
            name: "dump",
            short: None,
            take: Take::Value("live|raw|summary|off", set!(dump, values::dump)),
            default: Some(if cfg!(feature = "goroutines") { "live" } else { "raw" }),
            help: "how to show the goroutines of a server that missed its deadline: live reads them from its memory and groups them, and the server may still finish; raw makes it print them (SIGQUIT); summary is an old name of live",
            group: STOP,
        },
        Opt {
            name: "dump-file",
            short: None,
            take: Take::Value("PATH", set!(dump_file, path)),
            default: None,
            help: "with --dump live or raw: write all goroutines to this file, as Go prints them; the next dump replaces it",
            group: STOP,
        },
        Opt {
            name: "dump-lead",
            short: None,
            take: Take::Value("TIME", set!(dump_lead, parse_duration)),
            default: Some("2s, or a quarter of --stop-timeout"),
            help: "how long before --stop-timeout the dump is taken",
            group: STOP,
        },
        Opt {
            name: "success-exit",
            short: Some('e'),
            take: Take::List("CODE", add!(success, exit_code)),
            default: None,
            help: "an exit code that counts as success and becomes 0, like 143",
            group: STOP,
        },
        Opt {
            name: "rewrite",
            short: None,
            take: Take::List("FROM:TO", add!(rewrite, values::rewrite)),
            default: None,
            help: "forward a signal as another, like TERM:INT or RTMIN+3:TERM; 0 drops it, like HUP:0, and it begins no stop",
            group: SIGNALS,
        },
        Opt {
            name: "group",
            short: Some('g'),
            take: Take::Switch(|words| words.group = true),
            default: None,
            help: "send signals to the server's whole process group",
            group: SIGNALS,
        },
        Opt {
            name: "reset-signals",
            short: None,
            take: Take::Switch(|words| words.reset_signals = true),
            default: None,
            help: "start the server with no signal blocked or ignored, whatever goward was started with",
            group: SIGNALS,
        },
        Opt {
            name: "parent-death",
            short: Some('p'),
            take: Take::Value("SIGNAL", set!(parent_death, Signal::parse)),
            default: None,
            help: "the signal that goward gets when its own parent dies",
            group: SIGNALS,
        },
        Opt {
            name: "subreaper",
            short: Some('s'),
            take: Take::Switch(|words| words.subreaper = true),
            default: None,
            help: "adopt orphans, or refuse to start; goward also tries to by default where it is not PID 1",
            group: SIGNALS,
        },
        Opt {
            name: "warn-reaping",
            short: Some('w'),
            take: Take::Switch(|words| words.warn_reaping = true),
            default: None,
            help: "name every orphan that is reaped",
            group: SIGNALS,
        },
        Opt {
            name: "user",
            short: None,
            take: Take::Value("USER[:GROUP]", |words, text| {
                words.user = Some(text.to_owned());
                Ok(())
            }),
            default: None,
            help: "switch to this user for good before the server starts, goward included: a name, or numbers like 65532:65532",
            group: PRIVILEGES,
        },
        Opt {
            name: "groups",
            short: None,
            take: Take::List("GROUP", |words, text| {
                accounts::check_group(text)?;
                words.groups.push(text.to_owned());
                Ok(())
            }),
            default: Some(
                "those of the user in /etc/group, if no group was named with it, and those given to the container; never root's",
            ),
            help: "with --user: the supplementary groups, by name or number, or none",
            group: PRIVILEGES,
        },
        Opt {
            name: "require-non-root",
            short: None,
            take: Take::Switch(|words| words.require_non_root = true),
            default: None,
            help: "refuse to run a server as root, or with --user as one that may have kept a privilege",
            group: PRIVILEGES,
        },
        Opt {
            name: "own",
            short: None,
            take: Take::List("DIR", |words, text| {
                words.own.push(PathBuf::from(text));
                Ok(())
            }),
            default: None,
            help: "with --user: make that user the owner of this directory, and create it if it is missing",
            group: PRIVILEGES,
        },
        Opt {
            name: "own-stdio",
            short: None,
            take: Take::Switch(|words| words.own_stdio = true),
            default: None,
            help: "make that user the owner of stdin, stdout and stderr too, so that the server can open /dev/stdout",
            group: PRIVILEGES,
        },
        Opt {
            name: "keep-cap",
            short: None,
            take: Take::List("CAP", add!(keep, Capability::parse)),
            default: None,
            help: "with --user: a capability that the server keeps, like net_bind_service for port 80; it keeps no others",
            group: PRIVILEGES,
        },
        Opt {
            name: "allow-new-privs",
            short: None,
            take: Take::Switch(|words| words.allow_new_privs = true),
            default: None,
            help: "do not set no_new_privs with --user: set-uid programs and file capabilities work",
            group: PRIVILEGES,
        },
        Opt {
            name: "rlimit",
            short: None,
            take: Take::List("NAME=SOFT[:HARD]", add!(limits, values::limit)),
            default: None,
            help: "a resource limit of the server, as docker's --ulimit: nofile=65536, core=0, nproc=unlimited",
            group: PRIVILEGES,
        },
        Opt {
            name: "oom-score-adj",
            short: None,
            take: Take::Value("N", set!(oom_score_adj, values::oom_score)),
            default: None,
            help: "for the kernel's OOM killer: -1000 never, 1000 first",
            group: PRIVILEGES,
        },
        Opt {
            name: "go-env",
            short: None,
            take: Take::Switch(|words| words.go_env = true),
            default: None,
            help: "set what is not set yet: GOMEMLIMIT to 90 % of the container's memory, GOMAXPROCS where Go does not see the CPU limit itself, GOTRACEBACK=all",
            group: PRIVILEGES,
        },
        Opt {
            name: "health",
            short: None,
            take: Take::Expanded("TARGET", set!(health.target, Target::parse)),
            default: None,
            help: "probe the server: http://HOST:PORT/PATH, tcp://HOST:PORT, unix:/PATH, grpc://HOST:PORT[/SERVICE], https:// and grpcs:// for TLS, or 'exec:COMMAND'; goward status reports the outcome; without --ready it decides readiness too",
            group: HEALTH,
        },
        Opt {
            name: "health-interval",
            short: None,
            take: Take::Value("TIME", set!(health.interval, positive)),
            default: Some("30s"),
            help: "from one probe to the next, once one has succeeded",
            group: HEALTH,
        },
        Opt {
            name: "health-timeout",
            short: None,
            take: Take::Value("TIME", set!(health.timeout, positive)),
            default: Some("30s"),
            help: "a probe that takes longer has failed",
            group: HEALTH,
        },
        Opt {
            name: "health-start-period",
            short: None,
            take: Take::Value("TIME", set!(health.start_period, parse_duration)),
            default: Some("0s"),
            help: "failures do not count for this long after the start, until a probe has succeeded",
            group: HEALTH,
        },
        Opt {
            name: "health-start-interval",
            short: None,
            take: Take::Value("TIME", set!(health.start_interval, positive)),
            default: Some("100ms, 200ms, … 1s"),
            help: "from the start to the first probe, and from one to the next until one has succeeded",
            group: HEALTH,
        },
        Opt {
            name: "health-retries",
            short: None,
            take: Take::Value("N", set!(health.retries, |text| count(text, 1000))),
            default: Some("3"),
            help: "this many failures in a row make the server unhealthy",
            group: HEALTH,
        },
        Opt {
            name: "health-method",
            short: None,
            take: Take::Value("METHOD", set!(health.http.method, http::method)),
            default: Some("GET"),
            help: "the method of an http probe",
            group: HEALTH,
        },
        Opt {
            name: "health-header",
            short: None,
            take: Take::Repeated("NAME:VALUE", add!(health.http.headers, http::header)),
            default: None,
            help: "a header field of an http probe; may be repeated",
            group: HEALTH,
        },
        Opt {
            name: "health-status",
            short: None,
            take: Take::List("FROM[-TO][,…]", add!(health.http.status, http::status)),
            default: Some("200-399"),
            help: "the statuses of an http probe that count as success",
            group: HEALTH,
        },
        Opt {
            name: "health-body",
            short: None,
            take: Take::Value("TEXT", set!(health.http.body, http::body)),
            default: None,
            help: "text that must be in the first MiB of the body",
            group: HEALTH,
        },
        Opt {
            name: "ready",
            short: None,
            take: Take::Expanded("TARGET", set!(ready.target, Target::parse)),
            default: None,
            help: "probe whether the server takes requests, apart from its health: goward status --ready reports it, and failures have no other effect; targets as for --health",
            group: HEALTH,
        },
        Opt {
            name: "ready-interval",
            short: None,
            take: Take::Value("TIME", set!(ready.interval, positive)),
            default: Some("10s"),
            help: "from one readiness probe to the next, once one has succeeded",
            group: HEALTH,
        },
        Opt {
            name: "ready-timeout",
            short: None,
            take: Take::Value("TIME", set!(ready.timeout, positive)),
            default: Some("1s"),
            help: "a readiness probe that takes longer has failed",
            group: HEALTH,
        },
        Opt {
            name: "ready-start-interval",
            short: None,
            take: Take::Value("TIME", set!(ready.start_interval, positive)),
            default: Some("100ms, 200ms, … 1s"),
            help: "as --health-start-interval",
            group: HEALTH,
        },
        Opt {
            name: "ready-retries",
            short: None,
            take: Take::Value("N", set!(ready.retries, |text| count(text, 1000))),
            default: Some("3"),
            help: "this many failures in a row make the server not ready",
            group: HEALTH,
        },
        Opt {
            name: "ready-successes",
            short: None,
            take: Take::Value("N", set!(ready.successes, |text| count(text, 1000))),
            default: Some("1"),
            help: "this many successes in a row make the server ready",
            group: HEALTH,
        },
        Opt {
            name: "ready-method",
            short: None,
            take: Take::Value("METHOD", set!(ready.http.method, http::method)),
            default: Some("GET"),
            help: "as --health-method",
            group: HEALTH,
        },
        Opt {
            name: "ready-header",
            short: None,
            take: Take::Repeated("NAME:VALUE", add!(ready.http.headers, http::header)),
            default: None,
            help: "as --health-header; may be repeated",
            group: HEALTH,
        },
        Opt {
            name: "ready-status",
            short: None,
            take: Take::List("FROM[-TO][,…]", add!(ready.http.status, http::status)),
            default: Some("200-399"),
            help: "as --health-status",
            group: HEALTH,
        },
        Opt {
            name: "ready-body",
            short: None,
            take: Take::Value("TEXT", set!(ready.http.body, http::body)),
            default: None,
            help: "as --health-body",
            group: HEALTH,
        },
        Opt {
            name: "health-tls-ca",
            short: None,
            take: Take::Value("FILE", set!(tls.ca, absolute_path)),
            default: None,
            help: "for https and grpcs, of --ready too: verify the server's certificate against the CAs in this file, and its host; without it, nothing is verified",
            group: HEALTH,
        },
        Opt {
            name: "health-tls-cert",
            short: None,
            take: Take::Value("FILE", set!(tls.cert, absolute_path)),
            default: None,
            help: "a client certificate, for a server that asks for one; with --health-tls-key",
            group: HEALTH,
        },
        Opt {
            name: "health-tls-key",
            short: None,
            take: Take::Value("FILE", set!(tls.key, absolute_path)),
            default: None,
            help: "the key of that certificate, on P-256; the server's user must be able to read it",
            group: HEALTH,
        },
        Opt {
            name: "health-tls-server-name",
            short: None,
            take: Take::Value("NAME", set!(tls.server_name, http::server_name)),
            default: None,
            help: "the name for SNI, which the certificate must have, instead of the host's",
            group: HEALTH,
        },
        Opt {
            name: "on-unhealthy",
            short: None,
            take: Take::Value("log|stop|restart", set!(on_unhealthy, |text| one_of(text, &ON_UNHEALTHY))),
            default: Some("log"),
            help: "what to do about an unhealthy server: its goroutines are shown in any case; stop and restart then ask it to stop",
            group: HEALTH,
        },
        Opt {
            name: "notify",
            short: None,
            take: Take::Switch(|words| words.notify = true),
            default: None,
            help: "the server reports that it is ready by sd_notify(3), NOTIFY_SOCKET",
            group: HEALTH,
        },
        Opt {
            name: "start-timeout",
            short: None,
            take: Take::Value("TIME", set!(start_timeout, positive)),
            default: None,
            help: "the server must send READY=1 within this time after its start, or it is unhealthy; implies --notify",
            group: HEALTH,
        },
        Opt {
            name: "watchdog",
            short: None,
            take: Take::Value("TIME", set!(watchdog, positive)),
            default: None,
            help: "after READY=1 the server must send WATCHDOG=1 at least this often, or it is unhealthy; implies --notify",
            group: HEALTH,
        },
        Opt {
            name: "restart",
            short: None,
            take: Take::Value("no|on-failure[:N]|always", set!(restart, Restart::parse)),
            default: Some("no"),
            help: "restart a server that has ended, after 100ms, 200ms, … 1m; never once a stop was requested",
            group: LIFE,
        },
        Opt {
            name: "reload-signal",
            short: None,
            take: Take::Value("SIGNAL", set!(reload_signal, values::server_signal)),
            default: Some("HUP"),
            help: "the signal that goward reload sends to the server",
            group: LIFE,
        },
        Opt {
            name: "on-change",
            short: None,
            take: Take::Value("COMMAND", set!(on_change, command_line)),
            default: None,
            help: "run this, with GOWARD_STATE, whenever the server becomes ready, unready, unhealthy or stopping; goward does not wait for it",
            group: LIFE,
        },
        Opt {
            name: "before",
            short: None,
            take: Take::Repeated("COMMAND", add!(before, command_line)),
            default: None,
            help: "run this before the server, as the same user; the server starts only if it succeeds; may be repeated",
            group: LIFE,
        },
        Opt {
            name: "before-timeout",
            short: None,
            take: Take::Value("TIME", set!(before_timeout, positive)),
            default: Some("90s"),
            help: "how long each --before command may take",
            group: LIFE,
        },
        Opt {
            name: "after",
            short: None,
            take: Take::Repeated("COMMAND", add!(after, command_line)),
            default: None,
            help: "run this after the server has ended for good, inside --stop-timeout, with GOWARD_CAUSE, GOWARD_EXIT_CODE and GOWARD_SIGNAL; may be repeated",
            group: LIFE,
        },
        Opt {
            name: "termination-log",
            short: None,
            take: Take::Value("PATH|off", set!(termination_log, path)),
            default: Some("/dev/termination-log, if it is there"),
            help: "where to write one sentence for Kubernetes about a missed deadline, an OOM kill, failed health checks, or a server that cannot be started",
            group: OUTPUT,
        },
        Opt {
            name: "log-format",
            short: None,
            take: Take::Value("text|json", |words, text| {
                words.log_format = match text {
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    _ => return Err(format!("'{text}' is not a format: text or json")),
                };
                Ok(())
            }),
            default: Some("text"),
            help: "the format of goward's own lines on stderr",
            group: OUTPUT,
        },
        Opt {
            name: "verbose",
            short: Some('v'),
            take: Take::Switch(|words| words.verbose = words.verbose.saturating_add(1)),
            default: None,
            help: "log more: every signal and every step",
            group: OUTPUT,
        },
        Opt {
            name: "quiet",
            short: Some('q'),
            take: Take::Switch(|words| words.quiet = true),
            default: None,
            help: "log only warnings and errors",
            group: OUTPUT,
        },
        Opt {
            name: NO_ENVIRONMENT,
            short: None,
            // Known before any other option is understood.
            take: Take::Switch(|_| {}),
            default: None,
            help: "take no option from a GOWARD_ variable, for an entrypoint that is trusted more than its environment",
            group: ENVIRONMENT,
        },
    ],
};
