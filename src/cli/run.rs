//! `goward [run] [OPTIONS] [--] PROGRAM [ARGS…]`: words and environment to checked settings.

use super::options::{DumpMode, OPTIONS, Opt, Raw, Take, boolean};
use super::{Env, Invocation, PREFIX, check, goroutines, health, help, probe, rehearse, status};
use crate::config::{Dump, Inheritance, Place, Probe, Settings, Subreaper, Voice};
use crate::exit;
use crate::privilege::{Privileges, accounts};
use crate::signal::Signal;
use crate::supervisor::{Ladder, Leftovers, Policy, Schedule};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

/// A command that starts a program: all have the options of `run`, some have more.
pub(super) struct Command {
    /// Options of its own, which have no variables.
    pub(super) own: &'static [Opt],
    pub(super) usage: &'static str,
    pub(super) help: fn() -> String,
}

const RUN: Command = Command { own: &[], usage: "goward [OPTIONS] [--] PROGRAM [ARGS…]", help: help::run };

pub(super) fn parse(arguments: &[CString], env: Env<'_>, ours: &[String]) -> Invocation {
    let first = arguments.first().map(|first| first.as_bytes());
    let arguments = match first {
        Some(b"run") => &arguments[1..],
        Some(b"check") if cfg!(feature = "check") => return check::parse(&arguments[1..], env),
        Some(b"rehearse") if cfg!(feature = "rehearse") => return rehearse::parse(&arguments[1..], env, ours),
        Some(word @ (b"check" | b"rehearse")) => return left_out(word),
        Some(b"goroutines") => return goroutines::parse(&arguments[1..], env),
        Some(b"probe") => return probe::parse(&arguments[1..]),
        Some(b"status") => return status::parse(&arguments[1..]),
        _ => arguments,
    };
    match read(&RUN, arguments, env, ours) {
        Ok((settings, _)) => Invocation::Run(Box::new(settings)),
        Err(said) => said,
    }
}

/// A command that this binary was built without.
fn left_out(word: &[u8]) -> Invocation {
    let word = String::from_utf8_lossy(word);
    Invocation::err(
        format!(
            "goward: '{word}' is not in this binary: it was built with --no-default-features; to run a program of that name: goward -- {word}\n"
        ),
        exit::GOWARD_FAILED,
    )
}

/// Reads the words of a command: the checked settings, and what its own options said. Otherwise what there is to say.
pub(super) fn read(
    command: &Command,
    arguments: &[CString],
    env: Env<'_>,
    ours: &[String],
) -> Result<(Settings, rehearse::Raw), Invocation> {
    let given = match read_words(command, arguments) {
        Ok(Words::Run(given)) => given,
        Ok(Words::Say(text)) => return Err(Invocation::out(text)),
        Err(error) => return Err(refuse(&[error])),
    };
    let (mut settings, own) = settings(command, given, env, ours).map_err(|errors| refuse(&errors))?;
    settings.notes.extend(ours.iter().filter_map(|name| strange_variable(name)));
    Ok((settings, own))
}

/// Not an error: an older goward must start under a newer manifest. But it must be said.
fn strange_variable(name: &str) -> Option<String> {
    // Kubernetes sets such variables for a Service of that name.
    let service = name.contains("_SERVICE_") || name.starts_with("GOWARD_PORT");
    if service || OPTIONS.iter().any(|option| option.has_variable(name)) {
        return None;
    }
    let meant = OPTIONS.iter().map(Opt::variable).find(|known| distance(name, known) <= 2);
    let hint = meant.map_or(String::new(), |known| format!("; did you mean {known}?"));
    Some(format!("the variable {name} is no option of goward{hint}"))
}

pub(super) fn refuse(errors: &[String]) -> Invocation {
    let text: String = errors.iter().map(|error| format!("goward: {error}\n")).collect();
    Invocation::err(text, exit::GOWARD_FAILED)
}

enum Words {
    Run(Given),
    Say(String),
}

/// The command line, taken apart but not understood.
#[derive(Default)]
struct Given {
    flags: Vec<(&'static Opt, Option<String>)>,
    argv: Vec<CString>,
}

fn read_words(command: &Command, arguments: &[CString]) -> Result<Words, String> {
    use lexopt::Arg;
    let options = || OPTIONS.iter().chain(command.own);
    let mut parser = lexopt::Parser::from_args(arguments.iter().map(|word| OsStr::from_bytes(word.as_bytes())));
    let mut given = Given::default();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let option = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Words::Say((command.help)())),
            Arg::Short('V') | Arg::Long("version") => return Ok(Words::Say(help::version())),
            Arg::Short('l') | Arg::Long("license") => return Ok(Words::Say(help::license())),
            Arg::Short(letter) => {
                options().find(|o| o.short == Some(letter)).ok_or_else(|| unknown(command, &format!("-{letter}")))?
            }
            Arg::Long(name) => {
                options().find(|o| o.name == name).ok_or_else(|| unknown(command, &format!("--{name}")))?
            }
            Arg::Value(program) => {
                let rest = parser.raw_args().map_err(|error| error.to_string())?;
                let words = std::iter::once(program).chain(rest);
                given.argv = words.filter_map(|word| CString::new(word.into_vec()).ok()).collect();
                break;
            }
        };
        let value = match option.take {
            Take::Switch(_) => None,
            Take::Value(..) | Take::List(..) => {
                let value = parser.value().map_err(|_| {
                    format!("--{} needs a value: {}", option.name, option.placeholder().unwrap_or_default())
                })?;
                Some(value.into_string().map_err(|_| format!("--{}: the value is not UTF-8", option.name))?)
            }
        };
        given.flags.push((option, value));
    }
    Ok(Words::Run(given))
}

/// What a user may have meant is the nearest name, if it is near.
fn unknown(command: &Command, word: &str) -> String {
    let wanted = word.trim_start_matches('-');
    let nearest = OPTIONS.iter().chain(command.own).map(|o| (distance(wanted, o.name), o.name)).min();
    match nearest {
        Some((near, name)) if near <= 2 && wanted.len() > 2 => {
            format!("there is no option {word}; did you mean --{name}? (goward --help lists them all)")
        }
        _ => format!("there is no option {word} (goward --help lists them all; a program's own options go after --)"),
    }
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Understands every word, from flags or, where there is none, from the environment; reports all that is wrong.
fn settings(
    command: &Command,
    given: Given,
    env: Env<'_>,
    ours: &[String],
) -> Result<(Settings, rehearse::Raw), Vec<String>> {
    let mut raw = Raw::default();
    let mut errors = Vec::new();
    for option in OPTIONS.iter().chain(command.own) {
        let mut flags = given.flags.iter().filter(|(o, _)| o.name == option.name).peekable();
        if flags.peek().is_some() {
            let name = format!("--{}", option.name);
            for (_, value) in flags {
                take(option, &name, value.as_deref(), &mut raw, &mut errors);
            }
        } else if let Some(name) = ours.iter().find(|name| option.has_variable(name))
            && let Some(value) = env(name).filter(|_| !command.own.iter().any(|o| o.name == option.name))
        {
            match (&option.take, boolean(&value)) {
                (Take::Switch(set), Ok(true)) => set(&mut raw),
                (Take::Switch(_), Ok(false)) => {}
                // TINI_VERBOSITY has taught people to write a number.
                (Take::Switch(set), Err(_)) if option.name == "verbose" && value.parse::<u8>().is_ok_and(|n| n < 9) => {
                    (0..value.parse::<u8>().unwrap_or(1)).for_each(|_| set(&mut raw));
                }
                (Take::Switch(_), Err(error)) => errors.push(format!("{name}: {error}")),
                // An empty variable is how a manifest switches one off.
                (Take::Value(..) | Take::List(..), _) if value.is_empty() => {}
                (Take::Value(..) | Take::List(..), _) => take(option, name, Some(&value), &mut raw, &mut errors),
            }
        }
    }
    if given.argv.is_empty() {
        errors.push(format!("no program was given: {}", command.usage));
    }
    let own = std::mem::take(&mut raw.rehearsal);
    let flagged = given.flags.iter().any(|(option, _)| option.name == "user");
    let user = if flagged { "--user".to_owned() } else { format!("{PREFIX}USER") };
    let checked = fit(raw, given.argv, env, &user, &mut errors);
    match checked {
        Some(settings) if errors.is_empty() => Ok((settings, own)),
        _ => Err(errors),
    }
}

fn take(option: &Opt, name: &str, value: Option<&str>, raw: &mut Raw, errors: &mut Vec<String>) {
    let results = match (&option.take, value) {
        (Take::Switch(set), _) => {
            set(raw);
            return;
        }
        (Take::Value(_, set), Some(value)) => vec![set(raw, value)],
        (Take::List(_, add), Some(value)) => value.split(',').map(|item| add(raw, item.trim())).collect(),
        (Take::Value(..) | Take::List(..), None) => return,
    };
    errors.extend(results.into_iter().filter_map(Result::err).map(|error| format!("{name}: {error}")));
}

/// Whether the settings fit together. `user` is where the user was named.
fn fit(mut raw: Raw, argv: Vec<CString>, env: Env<'_>, user: &str, errors: &mut Vec<String>) -> Option<Settings> {
    let on_kubernetes = env("KUBERNETES_SERVICE_HOST").is_some_and(|host| !host.is_empty());
    let timeout = raw.stop_timeout.unwrap_or(Duration::from_secs(if on_kubernetes { 30 } else { 10 }));
    let mode = raw.dump.unwrap_or(DumpMode::Raw);
    let dumps = mode != DumpMode::Off;
    let ladder = match Ladder::new(timeout, raw.drain.unwrap_or_default(), dumps, raw.dump_lead) {
        Ok(ladder) => Some(ladder),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let stop_on = raw.stop_on.unwrap_or_else(|| vec![Signal::TERM, Signal::INT]);
    if let Some(odd) = stop_on.iter().find(|signal| !signal.is_forwardable()) {
        errors.push(format!("--stop-on: {odd} never reaches goward"));
    }
    if raw.user.is_none() {
        let needs_user = [
            ("--own", !raw.own.is_empty()),
            ("--own-stdio", raw.own_stdio),
            ("--keep-cap", !raw.keep.is_empty()),
            ("--allow-new-privs", raw.allow_new_privs),
        ];
        let without = needs_user.into_iter().filter(|(_, given)| *given);
        errors.extend(without.map(|(name, _)| format!("{name} has a meaning only with --user")));
    }
    let identity = match raw.user.map(|user| lookup(&user)).transpose() {
        Ok(identity) => identity,
        Err(error) => {
            errors.push(format!("{user}: {error}"));
            None
        }
    };
    if identity.as_ref().is_some_and(|identity| identity.uid == 0) && !raw.keep.is_empty() {
        errors.push("--keep-cap is for another user than root, who keeps everything".to_owned());
    }
    if raw.dump_lead.is_some() && !dumps {
        errors.push("--dump-lead has no meaning with --dump off".to_owned());
    }
    if raw.dump_file.is_some() && mode != DumpMode::Summary {
        errors.push("--dump-file has a meaning only with --dump summary".to_owned());
    }
    let watched = raw.health.target.is_some() || raw.watchdog.is_some();
    // An empty GOWARD_HEALTH switches off what an image has switched on, with all that belongs to it.
    let off = raw.health.target.is_none() && env("GOWARD_HEALTH").is_some_and(|target| target.is_empty());
    if off {
        raw.health = health::Raw::default();
    }
    if raw.cure.is_some() && !watched && !off {
        errors.push("--on-unhealthy has a meaning only with --health or --watchdog".to_owned());
    }
    if raw.before_timeout.is_some() && raw.before.is_empty() {
        errors.push("--before-timeout has a meaning only with --before".to_owned());
    }
    let (health, probe) = match probe_settings(raw.health) {
        Ok(found) => found.unzip(),
        Err(error) => {
            errors.push(error);
            (None, None)
        }
    };
    let verbosity = if raw.quiet { -1 } else { raw.verbose };
    Some(Settings {
        argv,
        policy: Policy {
            ladder,
            stop_on,
            stop_signal: raw.stop_signal,
            // The last one for a signal wins; the policy takes the first it finds.
            rewrite: raw.rewrite.into_iter().rev().collect(),
            success: raw.success,
            leftovers: Leftovers::Stop,
            before: raw.before.len(),
            // systemd's for what must be done before a service runs.
            before_timeout: raw.before_timeout.unwrap_or(Duration::from_secs(90)),
            after: raw.after.len(),
            restart: raw.restart.unwrap_or_default(),
            health,
            cure: raw.cure.unwrap_or_default(),
            notify: raw.notify || raw.watchdog.is_some(),
            watchdog: raw.watchdog,
            // What the world is like is found out later, by the init.
            ..Policy::default()
        },
        voice: Voice::Goward { format: raw.log_format, verbosity },
        place: Place::Group,
        to_group: raw.group,
        signals: if raw.reset_signals { Inheritance::Nothing } else { Inheritance::Exact },
        // The Go runtime's own, for preemption: it would be sent by the thousand.
        left_alone: vec![Signal::URG],
        ignore_once: Vec::new(),
        subreaper: if raw.subreaper { Subreaper::Asked } else { Subreaper::Automatic },
        warn_reaping: raw.warn_reaping,
        parent_death: raw.parent_death,
        privileges: Privileges {
            identity,
            own: raw.own,
            own_stdio: raw.own_stdio,
            limits: raw.limits,
            oom_score_adj: raw.oom_score_adj,
            keep: raw.keep,
            allow_new_privs: raw.allow_new_privs,
        },
        dump: match mode {
            DumpMode::Summary => Dump::Summary { file: raw.dump_file },
            DumpMode::Raw | DumpMode::Off => Dump::Raw,
        },
        require_non_root: raw.require_non_root,
        before: raw.before,
        after: raw.after,
        probe,
        go_env: raw.go_env,
        notes: Vec::new(),
    })
}

/// When the server is probed, and how; none: never.
fn probe_settings(mut raw: health::Raw) -> Result<Option<(Schedule, Probe)>, String> {
    let Some(target) = raw.target.take() else {
        let idle = raw.has_times() || raw.has_http();
        return if idle { Err("--health-… has a meaning only with --health".to_owned()) } else { Ok(None) };
    };
    let schedule = raw.schedule();
    raw.probe(target).map(|probe| Some((schedule, probe))).map_err(|error| format!("--health: {error}"))
}

/// Files that are missing are empty: a scratch image has neither.
fn lookup(user: &str) -> Result<accounts::Identity, String> {
    let read = |path: &str| match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("{path}: {error}")),
    };
    // A group that is a number needs no entry: one file less to read before the server starts.
    let number = user.split_once(':').is_some_and(|(_, group)| group.bytes().all(|b| b.is_ascii_digit()));
    let group = if number { String::new() } else { read("/etc/group")? };
    accounts::resolve(user, &read("/etc/passwd")?, &group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str, env: &[(&str, &str)]) -> Invocation {
        let words: Vec<_> = line.split_whitespace().map(|w| CString::new(w).unwrap()).collect();
        let env: Vec<(String, String)> = env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let ours: Vec<String> = env.iter().map(|(name, _)| name.clone()).filter(|n| n.starts_with("GOWARD_")).collect();
        parse(&words, &move |name: &str| env.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()), &ours)
    }

    fn good(line: &str, env: &[(&str, &str)]) -> Settings {
        match parse_line(line, env) {
            Invocation::Run(settings) => *settings,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn bad(line: &str, env: &[(&str, &str)]) -> String {
        match parse_line(line, env) {
            Invocation::Say { stderr, code: exit::GOWARD_FAILED, .. } => stderr,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn timeout(settings: &Settings) -> Duration {
        settings.policy.ladder.unwrap().timeout()
    }

    #[test]
    fn defaults() {
        assert_eq!(timeout(&good("srv", &[])), Duration::from_secs(10));
        assert_eq!(timeout(&good("srv", &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")])), Duration::from_secs(30));
    }

    #[test]
    fn the_rest_is_the_programs() {
        let argv = |line| good(line, &[]).argv.iter().map(|a| a.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(argv("srv -v --user x -- y"), ["srv", "-v", "--user", "x", "--", "y"]);
        assert_eq!(argv("-- -srv --help"), ["-srv", "--help"]);
        assert_eq!(argv("run srv"), ["srv"]);
        assert_eq!(argv("run run"), ["run"]);
        assert_eq!(argv("-- probe"), ["probe"]);
        assert_eq!(argv("run status"), ["status"]);
        assert_eq!(argv("run check"), ["check"]);
        assert_eq!(argv("-v run"), ["run"]);
    }

    #[test]
    fn a_flag_wins_over_the_environment() {
        assert_eq!(timeout(&good("srv", &[("GOWARD_STOP_TIMEOUT", "25")])), Duration::from_secs(25));
        assert_eq!(timeout(&good("--stop-timeout=5s srv", &[("GOWARD_STOP_TIMEOUT", "25")])), Duration::from_secs(5));
        let rewritten = good("--rewrite TERM:INT srv", &[("GOWARD_REWRITE", "HUP:0,USR1:USR2")]).policy.rewrite;
        assert_eq!(rewritten, [(Signal::TERM, Some(Signal::INT))]);
        let rewritten = good("srv", &[("GOWARD_REWRITE", "HUP:0, USR1:USR2")]).policy.rewrite;
        assert_eq!(rewritten.len(), 2);
        // A wrong variable that a flag overrides is not looked at.
        let _ = good("--stop-timeout 5 srv", &[("GOWARD_STOP_TIMEOUT", "soon")]);
    }

    #[test]
    fn tinis_letters() {
        let settings = good("-sgwvv -e 143 -e0 -p SIGKILL srv", &[]);
        assert!(settings.to_group && settings.warn_reaping);
        assert_eq!(settings.policy.success, [143, 0]);
        assert_eq!(settings.parent_death, Some(Signal::KILL));
        assert_eq!(settings.voice, Voice::Goward { format: Default::default(), verbosity: 2 });
    }

    #[test]
    fn switches_in_the_environment() {
        assert!(good("srv", &[("GOWARD_GROUP", "true")]).to_group);
        assert!(!good("srv", &[("GOWARD_GROUP", "0")]).to_group);
        assert!(bad("srv", &[("GOWARD_GROUP", "maybe")]).contains("GOWARD_GROUP: 'maybe' is neither true nor false"));
    }

    /// Options that take nearly every text.
    const ANYTHING: [&str; 4] = ["own", "before", "after", "health-body"];

    #[test]
    fn every_option_refuses_nonsense_with_its_name() {
        for option in OPTIONS.iter().filter(|o| o.placeholder().is_some() && !ANYTHING.contains(&o.name)) {
            for nonsense in ["", "%", "-7x", "99999999999999999999"] {
                let words = ["--".to_owned() + option.name + "=" + nonsense, "srv".to_owned()];
                let words: Vec<_> = words.into_iter().map(|w| CString::new(w).unwrap()).collect();
                match parse(&words, &|_| None, &[]) {
                    Invocation::Say { stderr, code, .. } => {
                        assert_eq!(code, exit::GOWARD_FAILED);
                        assert!(stderr.contains(option.name), "{}={nonsense}: {stderr}", option.name);
                    }
                    other => panic!("{}={nonsense}: {other:?}", option.name),
                }
            }
            let words = [CString::new("--".to_owned() + option.name).unwrap()];
            assert!(matches!(parse(&words, &|_| None, &[]), Invocation::Say { code: exit::GOWARD_FAILED, .. }));
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let text = bad("--stop-timeout soon --drain later --rewrite TERM srv", &[("GOWARD_DUMP", "maybe")]);
        assert_eq!(text.lines().count(), 4, "{text}");
    }

    #[test]
    fn typing_errors_are_guessed() {
        assert!(bad("--stop-timout 5 srv", &[]).contains("did you mean --stop-timeout?"));
        assert!(bad("-x srv", &[]).contains("no option -x"));
        assert!(bad("", &[]).contains("no program"));
        assert!(bad("--user", &[]).contains("needs a value"));
    }

    #[test]
    fn combinations_that_make_no_sense() {
        assert!(bad("--drain 9s srv", &[]).contains("leaves the server no time"));
        assert!(bad("--own /data srv", &[]).contains("--own has a meaning only with --user"));
        assert!(bad("--stop-on KILL srv", &[]).contains("SIGKILL never reaches goward"));
        assert!(bad("--rewrite KILL:TERM srv", &[]).contains("cannot be rewritten"));
        assert!(bad("--rlimit nofile=9:5 srv", &[]).contains("must not be above"));
        assert!(bad("--dump-file /tmp/x srv", &[]).contains("only with --dump summary"));
        assert!(bad("--user nobody-there srv", &[]).contains("--user: there is no user"));
        assert!(bad("--health-interval 5s srv", &[]).contains("only with --health"));
        assert!(bad("--health tcp://localhost:1 --health-body x srv", &[]).contains("http targets only"));
        assert!(bad("--on-unhealthy stop srv", &[]).contains("only with --health or --watchdog"));
        assert!(bad("--before-timeout 5s srv", &[]).contains("only with --before"));
        assert!(bad("--before= srv", &[]).contains("--before: a command is needed"));
    }

    #[test]
    fn health_and_life() {
        let settings =
            good("srv", &[("GOWARD_HEALTH", "http://localhost:8080/healthz"), ("GOWARD_HEALTH_RETRIES", "5")]);
        let schedule = settings.policy.health.unwrap();
        assert_eq!((schedule.retries, schedule.interval), (5, Duration::from_secs(30)));
        assert_eq!(settings.probe.unwrap().to_owned().status, 200..=399);
        let settings =
            good("--before=/migrate --before=/warm --after=/bye --restart on-failure:3 --watchdog 10s srv", &[]);
        assert_eq!((settings.policy.before, settings.policy.after, settings.before.len()), (2, 1, 2));
        assert!(settings.policy.notify && settings.policy.starts_again());
        let off = [("GOWARD_HEALTH", ""), ("GOWARD_HEALTH_INTERVAL", "5s"), ("GOWARD_ON_UNHEALTHY", "stop")];
        assert_eq!(good("srv", &off).policy.health, None);
        assert!(!good("srv", &[]).starts_more());
        assert!(good("--health exec:/check srv", &[]).starts_more());
    }

    #[test]
    fn a_variable_that_is_no_option_is_said_to_be_none() {
        assert!(good("srv", &[("GOWARD_STOP_TIMEOUT", "5")]).notes.is_empty());
        let notes = good("srv", &[("GOWARD_STOP_TIMOUT", "5")]).notes;
        assert!(notes[0].contains("did you mean GOWARD_STOP_TIMEOUT?"), "{notes:?}");
    }

    #[test]
    fn help_names_every_option_under_its_heading() {
        let Invocation::Say { stdout, code: 0, .. } = parse_line("--help", &[]) else { panic!("no help") };
        for option in OPTIONS {
            assert!(stdout.contains(&format!("--{}", option.name)), "{}", option.name);
            assert_eq!(stdout.matches(&format!("\n{}:\n", option.group)).count(), 1, "{}", option.group);
        }
    }

    #[test]
    fn variables_are_named_after_flags() {
        let names: Vec<_> = OPTIONS.iter().map(Opt::variable).collect();
        assert!(names.contains(&"GOWARD_STOP_TIMEOUT".to_owned()));
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
    }
}
