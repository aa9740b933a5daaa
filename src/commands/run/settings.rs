//! From what the command line and the environment said to the settings of the init, in three steps: what does not fit
//! together is refused; the user and the groups are looked up; what was not said is filled in.

use super::options::{DumpMode, OPTIONS, ProbeWords, RunWords};
use crate::cli::environment::Environment;
use crate::cli::help::Command;
use crate::cli::http::TlsWords;
use crate::cli::parser::{self, Given};
use crate::cli::table::NO_ENVIRONMENT;
use crate::cli::{Answer, Env, PREFIX};
use crate::config::{Dump, Inheritance, Personality, Place, Probe, Settings, Subreaper};
use crate::init::termination_log::DEFAULT;
use crate::platform::{self, Source};
use crate::privilege::{self, Groups, Identity, Limit, Privileges, Refusal};
use crate::signal::Signal;
use crate::supervisor::{Ladder, Leftovers, Policy, Schedule};
use crate::target::Target;
use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

/// Checked settings, for a command that starts a program. `errors` are what was wrong with the options of its own.
///
/// # Errors
/// All that is wrong.
pub(crate) fn settings(
    command: &'static Command,
    given: Given,
    environment: &Environment<'_>,
    mut errors: Vec<String>,
) -> Result<Settings, Answer> {
    // To goward it is as if there were none of these variables. The server finds them as they are.
    let closed = |name: &str| (environment.env)(name).filter(|_| !name.starts_with(PREFIX));
    let environment = match given.has(NO_ENVIRONMENT) {
        true => Environment { env: &closed, ours: &[] },
        false => *environment,
    };
    let mut words = RunWords::default();
    parser::apply(&OPTIONS, &given, &environment, &mut words, &mut errors);
    if given.rest.is_empty() {
        let usage = command.usage.first().map_or("", |(line, _)| *line);
        errors.push(format!("no program was given: goward {usage}"));
    }
    // An empty GOWARD_HEALTH switches off what an image has switched on, with all that belongs to it; so does GOWARD_READY.
    let is_off = |name: &str| (environment.env)(name).is_some_and(|target| target.is_empty());
    if words.health.target.is_none() && is_off("GOWARD_HEALTH") {
        words.health = ProbeWords::default();
        words.on_unhealthy = words.on_unhealthy.filter(|_| words.watchdog.or(words.start_timeout).is_some());
    }
    if words.ready.target.is_none() && is_off("GOWARD_READY") {
        words.ready = ProbeWords::default();
    }
    if (is_off("GOWARD_HEALTH") || is_off("GOWARD_READY")) && !words.speaks_tls() {
        words.tls = TlsWords::default();
    }
    conflicts(&words, &mut errors);
    let named_by = |option: &str| {
        if given.has(option) { format!("--{option}") } else { format!("{PREFIX}{}", option.to_ascii_uppercase()) }
    };
    let who = lookup(&mut words, [named_by("user"), named_by("groups")], &mut errors);
    let settings = fill_in(words, given.rest, who, environment.env, &mut errors);
    match settings {
        Some(mut settings) if errors.is_empty() => {
            settings.notes.extend(environment.strange(&super::COMMAND));
            Ok(settings)
        }
        Some(_) | None => Err(command.refuse(&errors)),
    }
}

/// The first step: what does not fit together.
fn conflicts(words: &RunWords, errors: &mut Vec<String>) {
    if let Some(odd) = words.stop_on.iter().flatten().find(|signal| !signal.is_forwardable()) {
        errors.push(format!("--stop-on: {odd} never reaches goward"));
    }
    let watched = words.health.target.is_some() || words.watchdog.or(words.start_timeout).is_some();
    let dumps = words.dump != Some(DumpMode::Off);
    let keeps_dump = looks(words);
    let said = |words: &ProbeWords| (words.has_times() || words.http.is_given(), words.target.is_some());
    let (health, ready) = (said(&words.health), said(&words.ready));
    for (name, given, has_meaning, with) in [
        ("--groups", !words.groups.is_empty(), words.user.is_some(), "--user"),
        ("--own", !words.own.is_empty(), words.user.is_some(), "--user"),
        ("--own-stdio", words.own_stdio, words.user.is_some(), "--user"),
        ("--keep-cap", !words.keep.is_empty(), words.user.is_some(), "--user"),
        ("--allow-new-privs", words.allow_new_privs, words.user.is_some(), "--user"),
        ("--dump-file", words.dump_file.is_some(), keeps_dump, "--dump live and --dump raw"),
        ("--on-unhealthy", words.on_unhealthy.is_some(), watched, "--health, --watchdog or --start-timeout"),
        ("--before-timeout", words.before_timeout.is_some(), !words.before.is_empty(), "--before"),
        ("--health-…", health.0, health.1, "--health"),
        ("--ready-…", ready.0, ready.1, "--ready"),
        ("--health-tls-…", words.tls.is_given(), words.speaks_tls(), "an https or grpcs target of --health or --ready"),
    ] {
        if given && !has_meaning {
            errors.push(format!("{name} is valid only with {with}"));
        }
    }
    if words.dump_lead.is_some() && !dumps {
        errors.push("--dump-lead is not valid with --dump off".to_owned());
    }
}

/// Who the server will be, and what there is to say about the lookup.
#[derive(Default)]
struct Who {
    identity: Option<Identity>,
    note: Option<String>,
}

/// The second step: the user and the groups, in the image's passwd and group. `named_by` is what named them.
fn lookup(words: &mut RunWords, named_by: [String; 2], errors: &mut Vec<String>) -> Who {
    let groups = groups(std::mem::take(&mut words.groups)).unwrap_or_else(|error| {
        errors.push(error);
        Groups::Usual
    });
    let Some(user) = words.user.take() else { return Who::default() };
    match privilege::lookup(&user, &groups) {
        Ok((identity, note)) => {
            if identity.uid == 0 && !words.keep.is_empty() {
                errors.push("--keep-cap is for another user than root, who keeps everything".to_owned());
            }
            Who { identity: Some(identity), note }
        }
        Err(refusal) => {
            let [user, groups] = named_by;
            errors.push(match refusal {
                Refusal::User(why) => format!("{user}: {why}"),
                Refusal::Groups(why) => format!("{groups}: {why}"),
            });
            Who::default()
        }
    }
}

/// `--groups`: `none` is a word of its own.
fn groups(named: Vec<String>) -> Result<Groups, String> {
    match named.iter().any(|name| name == "none") {
        _ if named.is_empty() => Ok(Groups::Usual),
        true if named.len() > 1 => Err("--groups none means no group at all: none stands alone".to_owned()),
        true => Ok(Groups::Named(Vec::new())),
        false => Ok(Groups::Named(named)),
    }
}

/// What is probed, and how.
fn probe_of(option: &str, mut words: ProbeWords, tls: &TlsWords, errors: &mut Vec<String>) -> Option<Probe> {
    if words.speaks_tls() {
        words.http.tls = tls.clone();
    }
    let probe = words.target.map(|target| words.http.probe(target)).transpose();
    probe.unwrap_or_else(|error| {
        errors.push(format!("{option}: {error}"));
        None
    })
}

/// The third step: the settings, with a default for all that was not said.
fn fill_in(
    mut words: RunWords,
    argv: Vec<CString>,
    who: Who,
    env: Env<'_>,
    errors: &mut Vec<String>,
) -> Option<Settings> {
    let (timeout, stop_timeout_source) = match words.stop_timeout {
        Some(timeout) => (timeout, Source::Option),
        None => platform::default_timeout(env),
    };
    let named = words.stop_on.is_some();
    let policy = policy(&mut words, timeout).map_err(|error| {
        let why = stop_timeout_source.reason().map_or(String::new(), |why| format!(" ({timeout:?} is {why})"));
        errors.push(format!("{error}{why}"));
    });
    let dropped = policy.as_ref().ok().and_then(|policy| dropped(policy, named));
    let notes = who.note.into_iter().chain(dropped).collect();
    let probe = probe_of("--health", words.health, &words.tls, errors);
    let ready_probe = probe_of("--ready", words.ready, &words.tls, errors);
    let verbosity = if words.quiet { -1 } else { words.verbose };
    Some(Settings {
        argv,
        policy: policy.ok()?,
        personality: Personality::Goward { format: words.log_format, verbosity },
        place: Place::Group,
        to_group: words.group,
        signals: if words.reset_signals { Inheritance::Nothing } else { Inheritance::Exact },
        // The Go runtime's own, for preemption: it would be sent by the thousand.
        left_alone: vec![Signal::URG],
        ignore_once: Vec::new(),
        subreaper: if words.subreaper { Subreaper::Asked } else { Subreaper::Automatic },
        warn_reaping: words.warn_reaping,
        parent_death: words.parent_death,
        privileges: Privileges {
            identity: who.identity,
            own: words.own,
            own_stdio: words.own_stdio,
            limits: last_of_each(words.limits),
            oom_score_adj: words.oom_score_adj,
            keep: words.keep,
            allow_new_privs: words.allow_new_privs,
        },
        dump: match words.dump.unwrap_or(DumpMode::DEFAULT) {
            DumpMode::Live => Dump::Live { file: words.dump_file },
            DumpMode::Raw | DumpMode::Off => Dump::Raw { file: words.dump_file },
        },
        require_non_root: words.require_non_root,
        before: words.before,
        after: words.after,
        on_change: words.on_change.unwrap_or_default(),
        probe,
        ready_probe,
        go_env: words.go_env,
        stop_timeout_source,
        termination_log: termination_log_of(words.termination_log),
        notes,
    })
}

/// A stop signal that goward is told to drop: it begins no stop. `named`: the user has named them. An INT that nobody asked
/// for may be dropped in silence.
fn dropped(policy: &Policy, named: bool) -> Option<String> {
    let stop_on = if named { policy.stop_on.as_slice() } else { &[Signal::TERM] };
    let signal = stop_on.iter().find(|signal| policy.rewritten(**signal).is_none())?;
    Some(format!("{signal} begins no stop: --rewrite {signal}:0 drops it"))
}

/// Kubernetes' termination log, where it is a container's entrypoint that cannot start: as far as the options that were
/// understood tell.
pub(crate) fn termination_log(arguments: &[CString], environment: &Environment<'_>) -> Option<PathBuf> {
    let given = parser::read(&super::COMMAND, arguments).unwrap_or_default();
    let mut words = RunWords::default();
    parser::apply(&OPTIONS, &given, environment, &mut words, &mut Vec::new());
    termination_log_of(words.termination_log)
}

/// `off` is a word of its own: a file of that name is `./off`.
fn termination_log_of(named: Option<PathBuf>) -> Option<PathBuf> {
    Some(named.unwrap_or_else(|| PathBuf::from(DEFAULT))).filter(|path| path.as_os_str() != "off")
}

/// Whether the goroutines are read out of the server's memory.
fn looks(words: &RunWords) -> bool {
    match words.dump.unwrap_or(DumpMode::DEFAULT) {
        DumpMode::Live => true,
        // For the file alone.
        DumpMode::Raw => words.dump_file.is_some() && cfg!(feature = "goroutines"),
        DumpMode::Off => false,
    }
}

/// What decides about the server's life.
fn policy(words: &mut RunWords, timeout: Duration) -> Result<Policy, String> {
    let dumps = words.dump != Some(DumpMode::Off);
    let ladder = Ladder::new(timeout, words.drain.unwrap_or_default(), dumps, words.dump_lead)?;
    let looks = looks(words);
    Ok(Policy {
        ladder: Some(if looks { ladder.looking() } else { ladder }),
        stop_on: words.stop_on.take().unwrap_or_else(|| vec![Signal::TERM, Signal::INT]),
        stop_signal: words.stop_signal.unwrap_or_default(),
        rewrite: std::mem::take(&mut words.rewrite),
        success: std::mem::take(&mut words.success),
        leftovers: Leftovers::Stop,
        before: words.before.len(),
        // systemd's for what must be done before a service runs.
        before_timeout: words.before_timeout.unwrap_or(Duration::from_secs(90)),
        after: words.after.len(),
        restart: words.restart.unwrap_or_default(),
        health: words.health.target.is_some().then(|| words.health.schedule(Schedule::default())),
        ready: words.ready.target.is_some().then(|| words.ready.schedule(READINESS)),
        on_unhealthy: words.on_unhealthy.unwrap_or_default(),
        notify: words.notify || words.watchdog.or(words.start_timeout).is_some(),
        watchdog: words.watchdog,
        start_timeout: words.start_timeout,
        reload_signal: words.reload_signal,
        // What the world is like is found out later, by the init.
        ..Policy::default()
    })
}

/// Of several limits for the same resource the last one wins.
fn last_of_each(limits: Vec<Limit>) -> Vec<Limit> {
    let mut last: Vec<Limit> = Vec::new();
    for limit in limits {
        last.retain(|other| other.resource != limit.resource);
        last.push(limit);
    }
    last
}

/// The kubelet's defaults for a readiness probe; failures at the start never count.
const READINESS: Schedule = Schedule {
    interval: Duration::from_secs(10),
    timeout: Duration::from_secs(1),
    start_period: Duration::ZERO,
    start_interval: None,
    retries: 3,
    successes: 1,
};

impl RunWords {
    /// Whether a probe speaks TLS.
    fn speaks_tls(&self) -> bool {
        self.health.speaks_tls() || self.ready.speaks_tls()
    }
}

impl ProbeWords {
    /// When the server is probed.
    fn schedule(&self, default: Schedule) -> Schedule {
        Schedule {
            interval: self.interval.unwrap_or(default.interval),
            timeout: self.timeout.unwrap_or(default.timeout),
            start_period: self.start_period.unwrap_or(default.start_period),
            start_interval: self.start_interval,
            retries: self.retries.unwrap_or(default.retries),
            successes: self.successes.unwrap_or(default.successes),
        }
    }

    fn speaks_tls(&self) -> bool {
        self.target.as_ref().is_some_and(Target::is_tls)
    }

    /// Whether anything was said about the times.
    fn has_times(&self) -> bool {
        let times = [self.interval, self.timeout, self.start_period, self.start_interval];
        times.iter().any(Option::is_some) || self.retries.or(self.successes).is_some()
    }
}
