//! Command lines of `run`, and the settings that come of them.

use super::options::{OPTIONS, RunWords};
use super::parse;
use crate::cli::environment::Environment;
use crate::cli::table::{NO_ENVIRONMENT, Opt, Take, described};
use crate::cli::testing;
use crate::cli::{Answer, PREFIX};
use crate::config::{Dump, Personality, Settings, Tls};
use crate::signal::Signal;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

fn parse_line(line: &str, env: &[(&str, &str)]) -> Result<Settings, Answer> {
    let ours: Vec<String> = env.iter().map(|(k, _)| k.to_string()).filter(|name| name.starts_with(PREFIX)).collect();
    let env = |name: &str| testing::variable(env, name);
    parse(&testing::words(line), &Environment { env: &env, ours: &ours })
}

fn good(line: &str, env: &[(&str, &str)]) -> Settings {
    match parse_line(line, env) {
        Ok(settings) => settings,
        other => panic!("{line}: {other:?}"),
    }
}

fn bad(line: &str, env: &[(&str, &str)]) -> String {
    match parse_line(line, env) {
        Err(Answer::Refused(stderr)) => stderr,
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
    let twice = good("--rewrite HUP:INT --rewrite HUP:0 srv", &[]).policy;
    assert_eq!(twice.rewritten(Signal::HUP), None);
    // A wrong variable that a flag overrides is not looked at.
    let _ = good("--stop-timeout 5 srv", &[("GOWARD_STOP_TIMEOUT", "soon")]);
}

/// Two values of an option that takes one, and what it has no meaning without.
fn samples(option: &Opt<RunWords>) -> (&'static str, &'static str, &'static str) {
    match option.name {
        "stop-on" | "stop-signal" | "parent-death" | "reload-signal" => ("HUP", "USR1", ""),
        "termination-log" => ("/a", "off", ""),
        "dump" => ("off", "raw", ""),
        "dump-file" => ("/a", "/b", "--dump=live"),
        "success-exit" | "oom-score-adj" | "health-retries" => ("4", "5", "--health=tcp://localhost:1"),
        "rewrite" => ("HUP:0", "USR1:USR2", ""),
        "user" => ("1:1", "2:2", ""),
        "own" => ("/a", "/b", "--user=1:1"),
        "keep-cap" => ("kill", "sys_admin", "--user=1:1"),
        "groups" => ("4", "5", "--user=1:1"),
        "rlimit" => ("core=0", "nofile=5", ""),
        "health" | "ready" => ("tcp://localhost:1", "tcp://localhost:2", ""),
        "ready-retries" | "ready-successes" => ("4", "5", "--ready=tcp://localhost:1"),
        "ready-method" => ("HEAD", "POST", "--ready=http://localhost:1/"),
        "ready-header" => ("a:b", "c:d", "--ready=http://localhost:1/"),
        "ready-status" => ("200", "204", "--ready=http://localhost:1/"),
        "ready-body" => ("a", "b", "--ready=http://localhost:1/"),
        "ready-interval" | "ready-timeout" | "ready-start-interval" => ("4s", "6s", "--ready=tcp://localhost:1"),
        "health-tls-ca" => ("/a", "/b", "--health=https://localhost:1/"),
        "health-tls-cert" => ("/a", "/b", "--health=https://localhost:1/ --health-tls-key=/c"),
        "health-tls-key" => ("/a", "/b", "--ready=grpcs://localhost:1 --health-tls-cert=/c"),
        "health-tls-server-name" => ("a", "b", "--ready=grpcs://localhost:1"),
        "health-method" => ("HEAD", "POST", "--health=http://localhost:1/"),
        "health-header" => ("a:b", "c:d", "--health=http://localhost:1/"),
        "health-status" => ("200", "204", "--health=http://localhost:1/"),
        "health-body" => ("a", "b", "--health=http://localhost:1/"),
        "health-interval" | "health-timeout" | "health-start-period" | "health-start-interval" => {
            ("4s", "6s", "--health=tcp://localhost:1")
        }
        "on-unhealthy" => ("stop", "restart", "--health=tcp://localhost:1"),
        "restart" => ("always", "on-failure", ""),
        "before" | "after" | "on-change" => ("/a", "/b", ""),
        "before-timeout" => ("4s", "5s", "--before=/a"),
        "log-format" => ("json", "text", ""),
        "stop-timeout" => ("20s", "30s", ""),
        "drain" | "dump-lead" => ("1s", "3s", ""),
        "watchdog" | "start-timeout" => ("4s", "5s", ""),
        name => panic!("no values for --{name}: add two"),
    }
}

/// Whoever writes a flag fixes what it names, also where it could be repeated.
#[test]
fn every_flag_replaces_its_variable() {
    let told = |line: &str, env: &[(&str, &str)]| format!("{:?}", good(line, env));
    // Neither of a certificate and its key can be given alone.
    let pair = ["health-tls-cert", "health-tls-key"];
    for option in OPTIONS.all.iter().filter(|o| o.name != NO_ENVIRONMENT && !pair.contains(&o.name)) {
        let variable = format!("{PREFIX}{}", option.name.to_ascii_uppercase().replace('-', "_"));
        let (one, other, with) = match option.take {
            Take::Switch(_) => ("", "false", if option.group == "Privileges" { "--user=1:1" } else { "" }),
            Take::Value(..) | Take::Expanded(..) | Take::Repeated(..) | Take::List(..) => samples(option),
        };
        let flag = match option.placeholder() {
            Some(_) => format!("{with} --{}={one} srv", option.name),
            None => format!("{with} --{} srv", option.name),
        };
        let flagged = told(&flag, &[]);
        assert_eq!(told(&flag, &[(&variable, other)]), flagged, "{variable}={other} besides the flag");
        // Nor is it looked at: a wrong one is nobody's.
        assert_eq!(told(&flag, &[(&variable, "\u{1}")]), flagged, "a wrong {variable} besides the flag");
        // The variable alone does something, unless it says what is so anyway.
        let effective = if option.placeholder().is_some() { other } else { "true" };
        let (without, alone) = (told(&format!("{with} srv"), &[]), format!("{with} srv"));
        assert_eq!(told(&alone, &[(&variable, effective)]) == without, option.name == "log-format", "{variable}");
        // But not where no variable counts.
        let closed = format!("--no-environment {with} srv");
        assert_eq!(told(&closed, &[(&variable, effective)]), without, "{variable} and --no-environment");
    }
}

/// One of two would count for nothing, and nobody would notice.
#[test]
fn an_option_of_one_value_is_given_once() {
    for option in OPTIONS.all {
        if matches!(option.take, Take::Switch(_)) {
            continue;
        }
        let (one, other, with) = samples(option);
        let line = |first: &str, second: &str| format!("{with} --{0}={first} --{0}={second} srv", option.name);
        if matches!(option.take, Take::Value(..) | Take::Expanded(..)) {
            let said = bad(&line(one, other), &[]);
            let wanted = format!("--{} takes one value, but was given '{one}' and '{other}'", option.name);
            assert!(said.contains(&wanted), "{said}");
            assert!(bad(&line(one, one), &[]).contains("takes one value"), "--{}", option.name);
        } else {
            good(&line(one, other), &[]);
        }
    }
    // By its letter, or three times.
    assert!(bad("-p 1 --parent-death 2 --parent-death 3 srv", &[]).contains("'1' and '2' and '3'"));
}

#[test]
fn no_environment_is_for_flags_alone() {
    // Nothing can switch it off or on from outside, and nothing is said of strange names.
    let env = [("GOWARD_NO_ENVIRONMENT", "false"), ("GOWARD_BEFORE", "/evil"), ("GOWARD_STOP_TIMOUT", "5")];
    let settings = good("--no-environment srv", &env);
    assert!(settings.before.is_empty() && settings.notes.is_empty(), "{settings:?}");
    let notes = good("srv", &[("GOWARD_NO_ENVIRONMENT", "true"), ("GOWARD_BEFORE", "/kept")]).notes;
    assert!(notes[0].contains("GOWARD_NO_ENVIRONMENT is not an option"), "{notes:?}");
    // What the platform says of itself still counts, and an empty variable switches nothing off.
    let platform = [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("GOWARD_HEALTH", "")];
    assert_eq!(timeout(&good("--no-environment srv", &platform)), Duration::from_secs(30));
    let wrong = bad("--no-environment --on-unhealthy stop srv", &platform);
    assert!(wrong.contains("only with --health"), "{wrong}");
    // It may stand anywhere before the program, and is the program's behind it.
    assert!(good("--stop-timeout 5 --no-environment -- srv", &env).before.is_empty());
    assert_eq!(good("srv --no-environment", &env[1..2]).before.len(), 1);
}

#[test]
fn tinis_letters() {
    let settings = good("-sgwvv -e 143 -e0 -p SIGKILL srv", &[]);
    assert!(settings.to_group && settings.warn_reaping);
    assert_eq!(settings.policy.success, [143, 0]);
    assert_eq!(settings.parent_death, Some(Signal::KILL));
    assert_eq!(settings.personality, Personality::Goward { format: Default::default(), verbosity: 2 });
}

#[test]
fn groups_from_the_command_line_and_from_the_environment() {
    let groups = |line: &str, env: &[(&str, &str)]| good(line, env).privileges.identity.unwrap().groups;
    assert_eq!(groups("--user 7:7 --groups 8,9 --groups 10 srv", &[]), [8, 9, 10]);
    assert_eq!(groups("--user 7:7 --groups none srv", &[("GOWARD_GROUPS", "8")]), [] as [u32; 0]);
    assert_eq!(groups("--user 7:7 srv", &[("GOWARD_GROUPS", "8,9")]), [8, 9]);
    // --group is another option.
    assert!(good("--user 7:7 srv", &[("GOWARD_GROUP", "true")]).to_group);
}

#[test]
fn switches_in_the_environment() {
    assert!(good("srv", &[("GOWARD_GROUP", "true")]).to_group);
    assert!(!good("srv", &[("GOWARD_GROUP", "0")]).to_group);
    assert!(bad("srv", &[("GOWARD_GROUP", "maybe")]).contains("GOWARD_GROUP: 'maybe' is neither true nor false"));
}

/// Options that take nearly every text.
const ANYTHING: [&str; 9] = [
    "dump-file",
    "termination-log",
    "own",
    "before",
    "after",
    "on-change",
    "health-body",
    "ready-body",
    "health-tls-server-name",
];

#[test]
fn every_option_refuses_nonsense_with_its_name() {
    for option in OPTIONS.all.iter().filter(|o| o.placeholder().is_some() && !ANYTHING.contains(&o.name)) {
        for nonsense in ["", "%", "-7x", "99999999999999999999"] {
            let words = ["--".to_owned() + option.name + "=" + nonsense, "srv".to_owned()];
            let words: Vec<_> = words.into_iter().map(|w| CString::new(w).unwrap()).collect();
            match parse(&words, &Environment::EMPTY) {
                Err(Answer::Refused(stderr)) => {
                    assert!(stderr.contains(option.name), "{}={nonsense}: {stderr}", option.name);
                }
                other => panic!("{}={nonsense}: {other:?}", option.name),
            }
        }
        let words = [CString::new("--".to_owned() + option.name).unwrap()];
        assert!(matches!(parse(&words, &Environment::EMPTY), Err(Answer::Refused(_))));
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
    assert!(bad("-drain 5 srv", &[]).contains("no option -drain; did you mean --drain?"));
    // Near misses: a word that has not the letter, a program's own, and what stands behind --.
    assert!(bad("-x srv -drain 5", &[]).contains("no option -x"));
    assert!(bad("-x --user 7 -drain", &[]).contains("no option -x"));
    assert!(bad("-d -- srv -drain 5", &[]).contains("no option -d "));
    assert!(bad("", &[]).contains("no program"));
    assert!(bad("--user", &[]).contains("needs a value"));
}

#[test]
fn combinations_that_make_no_sense() {
    assert!(bad("--drain 9s srv", &[]).contains("leaves the server no time"));
    assert!(bad("--own /data srv", &[]).contains("--own is valid only with --user"));
    assert!(bad("--groups 7 srv", &[]).contains("--groups is valid only with --user"));
    assert!(bad("--user 7:7 --groups none,8 srv", &[]).contains("none stands alone"));
    assert!(bad("--user 7:7 --groups nobody-there srv", &[]).contains("--groups: there is no group 'nobody-there'"));
    let by_variable = [("GOWARD_GROUPS", "nobody-there")];
    assert!(bad("--user 7:7 srv", &by_variable).contains("GOWARD_GROUPS: there is no group 'nobody-there'"));
    let odd = OsString::from_vec(b"/dump\xff".to_vec());
    let odd = bad("srv", &[("GOWARD_DUMP_FILE", &crate::cli::text_of(odd))]);
    assert!(odd.contains("GOWARD_DUMP_FILE: the value is not UTF-8"), "{odd}");
    // Near miss: whatever is UTF-8 is taken as it is.
    assert_eq!(
        good("srv", &[("GOWARD_DUMP_FILE", "/dump\u{fffd}")]).dump,
        Dump::Live { file: Some("/dump\u{fffd}".into()) }
    );
    assert!(bad("--stop-on KILL srv", &[]).contains("SIGKILL never reaches goward"));
    assert!(bad("--rewrite KILL:TERM srv", &[]).contains("cannot be rewritten"));
    assert!(bad("--rlimit nofile=9:5 srv", &[]).contains("must not be above"));
    assert!(bad("--dump off --dump-file /tmp/x srv", &[]).contains("only with --dump live and --dump raw"));
    let kept = good("--dump raw --dump-file /tmp/x srv", &[]);
    assert_eq!(kept.dump, Dump::Raw { file: Some("/tmp/x".into()) });
    assert!(kept.policy.ladder.is_some_and(|ladder| ladder.looks()));
    assert!(bad("--user nobody-there srv", &[]).contains("--user: there is no user"));
    assert!(bad("--health-interval 5s srv", &[]).contains("only with --health"));
    assert!(bad("--health tcp://localhost:1 --health-body x srv", &[]).contains("valid only with an http target"));
    assert!(bad("--health-tls-ca /a --health http://localhost:1/ srv", &[]).contains("only with an https or grpcs"));
    assert!(bad("--health-tls-ca a --health https://localhost:1/ srv", &[]).contains("not an absolute path"));
    assert!(bad("--health-tls-cert /a --health https://localhost:1/ srv", &[]).contains("are needed together"));
    assert!(bad("--ready-interval 5s --health tcp://localhost:1 srv", &[]).contains("only with --ready"));
    assert!(
        bad("--ready tcp://localhost:1 --ready-body x srv", &[]).contains("--ready: a method, a status and a body")
    );
    assert!(bad("--on-unhealthy stop --ready tcp://localhost:1 srv", &[]).contains("only with --health,"));
    assert!(bad("--reload-signal KILL srv", &[]).contains("--reload-signal: SIGKILL"));
    assert!(bad("--on-unhealthy stop srv", &[]).contains("only with --health, --watchdog or --start-timeout"));
    assert!(bad("--before-timeout 5s srv", &[]).contains("only with --before"));
    assert!(bad("--before= srv", &[]).contains("--before: a command is needed"));
}

#[test]
fn health_and_life() {
    let settings = good("srv", &[("GOWARD_HEALTH", "http://localhost:8080/healthz"), ("GOWARD_HEALTH_RETRIES", "5")]);
    let schedule = settings.policy.health.unwrap();
    assert_eq!((schedule.retries, schedule.interval), (5, Duration::from_secs(30)));
    assert_eq!(settings.probe.unwrap().to_owned().status, [200..=399]);
    let settings = good("--before=/migrate --before=/warm --after=/bye --restart on-failure:3 --watchdog 10s srv", &[]);
    assert_eq!((settings.policy.before, settings.policy.after, settings.before.len()), (2, 1, 2));
    assert!(settings.policy.notify && settings.policy.starts_again());
    let off = [("GOWARD_HEALTH", ""), ("GOWARD_HEALTH_INTERVAL", "5s"), ("GOWARD_ON_UNHEALTHY", "stop")];
    assert_eq!(good("srv", &off).policy.health, None);
    let off = [("GOWARD_READY", ""), ("GOWARD_READY_INTERVAL", "5s"), ("GOWARD_HEALTH", "tcp://localhost:1")];
    let settings = good("srv", &off);
    assert!(settings.policy.ready.is_none() && settings.policy.health.is_some());
    let settings = good("--ready http://localhost:1/ready --ready-successes 2 --ready-status 200 srv", &[]);
    let ready = settings.policy.ready.unwrap();
    assert_eq!((ready.interval, ready.timeout, ready.successes), (Duration::from_secs(10), Duration::from_secs(1), 2));
    assert_eq!((settings.ready_probe.unwrap().status, settings.probe), (vec![200..=200], None));
    let tls = [("GOWARD_HEALTH_TLS_CERT", "/cert"), ("GOWARD_HEALTH_TLS_KEY", "/key"), ("GOWARD_HEALTH_TLS_CA", "/ca")];
    let settings = good("--health tcp://localhost:1 --ready grpcs://localhost:1 srv", &tls);
    let of_ready = settings.ready_probe.unwrap().tls;
    assert_eq!((of_ready.ca, of_ready.identity), (Some("/ca".into()), Some(("/cert".into(), "/key".into()))));
    assert_eq!(settings.probe.unwrap().tls, Tls::default());
    let off = [("GOWARD_HEALTH", ""), ("GOWARD_HEALTH_TLS_CA", "/ca")];
    assert_eq!(good("srv", &off).policy.health, None);
    let settings = good("--start-timeout 60s --on-unhealthy restart srv", &[]);
    assert!(settings.policy.notify && settings.policy.start_timeout == Some(Duration::from_secs(60)));
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
fn variables_are_named_after_flags() {
    let names: Vec<_> = described(&OPTIONS).filter_map(|option| option.variable()).collect();
    assert_eq!(names.len() + 1, OPTIONS.all.len(), "but one");
    assert!(names.contains(&"GOWARD_STOP_TIMEOUT".to_owned()));
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
}

/// Kubernetes names a Service in the variables of every container beside it.
#[test]
fn the_variables_of_a_service_are_nobodys_mistake() {
    let service = [
        ("GOWARD_WEB_SERVICE_HOST", "10.0.0.1"),
        ("GOWARD_WEB_SERVICE_PORT_HTTP", "80"),
        ("GOWARD_WEB_PORT", "tcp://10.0.0.1:80"),
        ("GOWARD_WEB_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("GOWARD_PORT_80_TCP_PROTO", "tcp"),
    ];
    assert_eq!(good("srv", &service).notes, Vec::<String>::new());
    let odd = good("srv", &[("GOWARD_WEB_HOST", "10.0.0.1"), ("GOWARD_STOP_TIMOUT", "3")]).notes;
    assert!(odd.len() == 2 && odd.iter().any(|note| note.ends_with("did you mean GOWARD_STOP_TIMEOUT?")), "{odd:?}");
}
