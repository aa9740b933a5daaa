//! From the command line of `goward rehearse` to its settings.

use super::COMMAND;
use super::options::{OPTIONS, RehearseWords};
use crate::cli::environment::Environment;
use crate::cli::{Answer, parser};
use crate::commands::run;
use crate::config::{Dump, Leaks, Load, LoadRequest, Personality, Ready, Rehearsal, Settings};
use crate::supervisor::Ladder;
use crate::target::{Endpoint, Target};
use std::ffi::CString;
use std::time::Duration;

/// Reads the command line and the environment.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString], environment: &Environment<'_>) -> Result<Rehearsal, Answer> {
    let given = parser::read(&COMMAND, arguments)?;
    let (mut words, mut errors) = (RehearseWords::default(), Vec::new());
    parser::apply(&OPTIONS, &given, &Environment::EMPTY, &mut words, &mut errors);
    if given.has("dump") {
        errors.push(
            "--dump cannot be used in a rehearsal, which reads the goroutines itself, and sends SIGQUIT at the deadline".to_owned(),
        );
    }
    // An image sets them for its init. Those of options that a rehearsal refuses, or has of its own, change nothing here.
    let is_useless = |name: &&String| {
        let is_of_init = |option: &str| COMMAND.refused.contains(&option) || option.starts_with("ready");
        COMMAND.options().any(|option| is_of_init(option.name) && option.is_variable(name))
    };
    let ours: Vec<String> = environment.ours.iter().filter(|name| !is_useless(name)).cloned().collect();
    let environment = Environment { ours: &ours, ..*environment };
    let mut settings = run::settings(&COMMAND, given.without(&OPTIONS), &environment, errors)?;
    let ready = words.ready.take().unwrap_or(Ready::Port);
    let errors = conflicts(&words, &ready, &settings);
    if !errors.is_empty() {
        return Err(COMMAND.refuse(&errors));
    }
    // The report is the summary; the dump comes to it as it is.
    settings.dump = Dump::Raw { file: None };
    settings.policy.ladder = settings.policy.ladder.map(Ladder::without_look);
    Ok(Rehearsal {
        quiet: matches!(settings.personality, Personality::Goward { verbosity: ..0, .. }),
        settings,
        ready,
        ready_timeout: words.ready_timeout.unwrap_or(Duration::from_secs(30)),
        request: LoadRequest {
            method: words.method.unwrap_or_else(|| if words.body.is_some() { "POST" } else { "GET" }.to_owned()),
            headers: words.headers,
            body: words.body.unwrap_or_default(),
        },
        load: words.load,
        in_flight: words.in_flight.unwrap_or(IN_FLIGHT),
        after: words.after,
        expect: words.expect.unwrap_or(0),
        repeat: words.repeat.unwrap_or(1),
        leaks: words
            .leaks
            .then(|| Leaks { settle: words.settle.unwrap_or(Duration::from_secs(1)), then_stop: !words.no_stop }),
        json: words.json,
        report: words.report,
        junit: words.junit,
    })
}

/// So many requests are in flight if nothing else is said.
const IN_FLIGHT: u32 = 10;

/// What does not fit together, or not into a rehearsal.
fn conflicts(words: &RehearseWords, ready: &Ready, settings: &Settings) -> Vec<String> {
    let mut errors = Vec::new();
    let needs_port = words.load.iter().any(|load| matches!(load, Load::Path(_)));
    let portless = match ready {
        Ready::Port => false,
        Ready::AtOnce | Ready::Target(Target::Command(_)) => true,
        Ready::Target(Target::Http(url) | Target::Grpc(url)) => url.addresses().is_empty(),
        Ready::Target(Target::Connect(at)) => matches!(at, Endpoint::Unix(_)),
    };
    if needs_port && portless {
        errors.push(
            "--load with a path alone needs a TCP port; with this --ready give it as http://HOST:PORT/PATH".to_owned(),
        );
    }
    if words.leaks && words.load.is_empty() {
        errors.push("--leaks needs --load: a leak is what grows with the requests".to_owned());
    }
    for (given, option) in [(words.no_stop, "--no-stop"), (words.settle.is_some(), "--settle")] {
        if given && !words.leaks {
            errors.push(format!("{option} is valid only with --leaks"));
        }
    }
    if words.in_flight.is_some() && words.load.is_empty() {
        errors.push("--in-flight is valid only with --load".to_owned());
    }
    let in_flight = words.in_flight.unwrap_or(IN_FLIGHT);
    if (in_flight as usize) < words.load.len() {
        let loads = words.load.len();
        errors.push(format!("--in-flight {in_flight} is too few for {loads} loads: each needs a client of its own"));
    }
    let requests = words.load.iter().any(|load| matches!(load, Load::Path(_) | Load::Url(_)));
    let of_requests = [
        (words.method.is_some(), "--method"),
        (!words.headers.is_empty(), "--header"),
        (words.body.is_some(), "--data"),
    ];
    for (_, option) in of_requests.iter().filter(|(given, _)| *given && !requests) {
        errors.push(format!("{option} is valid only with --load"));
    }
    if let Dump::Live { file: Some(_) } | Dump::Raw { file: Some(_) } = settings.dump {
        errors.push("--dump-file cannot be used in a rehearsal, whose report has the dump's summary".to_owned());
    }
    if settings.starts_more() || settings.policy.probes() || settings.policy.notify {
        errors.push(
            "--health, --notify, --restart, --before, --after and --on-change cannot be used in a rehearsal, which tests one stop"
                .to_owned(),
        );
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;
    use crate::commands::run::options::OPTIONS as RUN_OPTIONS;
    use crate::config::LoadBody;

    fn parse_line(line: &str) -> Result<Rehearsal, Answer> {
        parse(&testing::words(line), &Environment::EMPTY)
    }

    fn good(line: &str) -> Rehearsal {
        testing::accepted(line, parse_line(line))
    }

    fn bad(line: &str) -> String {
        match parse_line(line) {
            Err(Answer::Refused(stderr)) => stderr,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_options_of_run_are_understood_too() {
        let rehearsal =
            good("--stop-timeout 4s --load /slow?ms=5,6 -e 143 --load http://localhost:1/ -- srv --ready x");
        assert_eq!(rehearsal.settings.policy.ladder.unwrap().timeout(), Duration::from_secs(4));
        assert_eq!(rehearsal.settings.policy.success, [143]);
        assert_eq!(rehearsal.settings.argv.len(), 3);
        assert_eq!(rehearsal.load[0], Load::Path("/slow?ms=5,6".to_owned()));
        assert_eq!((rehearsal.load.len(), rehearsal.in_flight, rehearsal.repeat), (2, 10, 1));
    }

    #[test]
    fn every_option_refuses_nonsense_with_its_name() {
        for option in OPTIONS.all.iter().filter(|option| {
            option.placeholder().is_some() && !["report", "junit", "data", "load-command"].contains(&option.name)
        }) {
            for nonsense in ["", "%", "-7x", "99999999999999999999"] {
                let text = format!("--{}={nonsense} srv", option.name);
                assert!(bad(&text).contains(option.name), "{text}");
            }
        }
        for text in
            ["--report= srv", "--junit= srv", "--data= --load / srv", "--data=@ --load / srv", "--load-command= srv"]
        {
            assert!(bad(text).contains(text.split('=').next().unwrap()), "{text}");
        }
        assert!(bad("--load https://localhost/ srv").contains("--load-command"));
        assert!(bad("--repeat 0 srv").contains("from 1 to"));
        assert!(bad("--in-flight +5 --load / srv").contains("from 1 to"));
    }

    #[test]
    fn combinations_that_make_no_sense() {
        assert!(bad("--in-flight 5 srv").contains("only with --load"));
        assert!(bad("--leaks srv").contains("--leaks needs --load"));
        assert!(bad("--in-flight 1 --load / --load /x srv").contains("too few for 2 loads"));
        for line in ["--method PUT srv", "--header A:b srv", "--data x --load-command curl srv"] {
            assert!(bad(line).contains("is valid only with --load"), "{line}");
        }
        assert_eq!(good("--load / srv").request.method, "GET");
        assert_eq!(good("--load / --data x srv").request.method, "POST");
        let put = good("--load / --data @x --method PUT --header A:b srv").request;
        assert_eq!((put.method.as_str(), put.body), ("PUT", LoadBody::File("x".into())));
        assert!(bad("--load / --no-stop srv").contains("--no-stop is valid only with --leaks"));
        assert!(bad("--load / --settle 2s srv").contains("--settle is valid only with --leaks"));
        assert_eq!(good("--load / srv").leaks, None);
        let leaks = |line: &str| good(line).leaks.unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(leaks("--leaks --load / srv"), Leaks { settle: second, then_stop: true });
        assert_eq!(leaks("--leaks --load / --no-stop --settle 2s srv"), Leaks { settle: 2 * second, then_stop: false });
        assert!(bad("--dump summary --dump-file /x srv").contains("cannot be used in a rehearsal"));
        for line in ["--dump summary srv", "--dump live srv", "--dump off srv"] {
            assert!(bad(line).contains("--dump cannot be used in a rehearsal"), "{line}");
        }
        let settings = good("srv").settings;
        assert_eq!(settings.dump, Dump::Raw { file: None });
        assert!(settings.policy.ladder.is_some_and(|ladder| !ladder.looks()));
        assert!(bad("--ready none --load /x srv").contains("needs a TCP port"));
        assert!(bad("--ready unix:/x --load /x srv").contains("needs a TCP port"));
        assert_eq!(good("--ready none --load http://localhost:80/ srv").ready, Ready::AtOnce);
        assert!(bad("").contains("goward rehearse [OPTIONS]"));
        assert!(bad("--lod / srv").contains("did you mean --load?"));
    }

    #[test]
    fn what_is_refused_is_an_option_of_run() {
        for name in COMMAND.refused {
            let option = RUN_OPTIONS.all.iter().find(|option| option.name == *name).expect(name);
            assert!(COMMAND.useful_options().all(|useful| useful.name != option.name), "{name}");
        }
        for line in [
            "--health tcp://localhost:80 srv",
            "--notify srv",
            "--restart always srv",
            "--before true srv",
            "--after true srv",
        ] {
            assert!(bad(line).contains("cannot be used in a rehearsal"), "{line}");
        }
    }

    #[test]
    fn what_an_image_sets_for_its_init_changes_nothing() {
        let rehearse = |variables: &[(&str, &str)]| {
            let ours: Vec<String> = variables.iter().map(|(name, _)| (*name).to_owned()).collect();
            let env =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            parse(&testing::words("srv"), &Environment { env: &env, ours: &ours })
        };
        for variables in [
            [("GOWARD_HEALTH", "tcp://localhost:1"), ("GOWARD_HEALTH_INTERVAL", "1s")],
            [("GOWARD_READY", "http://localhost:1/"), ("GOWARD_READY_RETRIES", "2")],
            [("GOWARD_NOTIFY", "1"), ("GOWARD_WATCHDOG", "2s")],
            [("GOWARD_DUMP", "raw"), ("GOWARD_DUMP_FILE", "/tmp/x")],
            [("GOWARD_RESTART", "always"), ("GOWARD_BEFORE", "true")],
        ] {
            let rehearsal = testing::accepted(&format!("{variables:?}"), rehearse(&variables));
            assert!(!rehearsal.settings.policy.probes() && !rehearsal.settings.starts_more(), "{variables:?}");
        }
        // Near misses: what a rehearsal has a use for counts, and is judged.
        let rehearsal = testing::accepted("drain", rehearse(&[("GOWARD_STOP_TIMEOUT", "4s"), ("GOWARD_DRAIN", "1s")]));
        assert!(rehearsal.settings.policy.ladder.is_some_and(|ladder| ladder.timeout() == Duration::from_secs(4)));
    }

    #[test]
    fn a_variable_that_counts_is_judged() {
        let ours = ["GOWARD_STOP_TIMEOUT".to_owned()];
        let env = |_: &str| Some("soon".to_owned());
        assert!(matches!(
            parse(&testing::words("srv"), &Environment { env: &env, ours: &ours }),
            Err(Answer::Refused(_))
        ));
    }

    /// But --ready and --ready-timeout: a rehearsal waits for what an init would keep asking.
    #[test]
    fn no_option_stands_in_both_tables() {
        let given = good("--ready tcp://localhost:1 srv");
        assert!(matches!(given.ready, Ready::Target(_)) && given.settings.policy.ready.is_none());
        for option in OPTIONS.all.iter().filter(|option| !option.name.starts_with("ready")) {
            assert!(RUN_OPTIONS.all.iter().all(|other| other.name != option.name), "{}", option.name);
        }
    }
}
