//! `goward rehearse [OPTIONS] [OPTIONS OF RUN] [--] PROGRAM [ARGS…]`: its own options. They have no variables: a rehearsal
//! is a command that somebody types, and the image must not change what it means.

use super::options::{Opt, Take, count, exit_code};
use super::run::{self, Command};
use super::{Env, Invocation, help};
use crate::config::{Dump, Load, Ready, Rehearsal, Voice, parse_duration};
use crate::target::{Endpoint, Target, Url, check_path};
use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

/// What the words said.
#[derive(Debug, Default)]
pub struct Raw {
    ready: Option<Ready>,
    ready_timeout: Option<Duration>,
    load: Vec<Load>,
    in_flight: Option<u32>,
    after: Option<Duration>,
    expect: Option<u8>,
    repeat: Option<u32>,
    json: bool,
    report: Option<PathBuf>,
}

const COMMAND: Command = Command {
    own: OPTIONS,
    usage: "goward rehearse [OPTIONS] [OPTIONS OF RUN] [--] PROGRAM [ARGS…]",
    help: help::rehearse,
};

macro_rules! set {
    ($field:ident, $parse:expr) => {
        |raw, text| {
            raw.rehearsal.$field = Some($parse(text)?);
            Ok(())
        }
    };
}

const REHEARSAL: &str = "The rehearsal";
const VERDICT: &str = "The verdict";

/// Every option that `run` has not.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "ready",
        short: None,
        take: Take::Value("TARGET", set!(ready, ready)),
        help: "the server is ready when this answers: http://HOST:PORT/PATH, tcp://HOST:PORT, unix:/PATH; none for a program that is no server [when it listens on a TCP port, which is found]",
        group: REHEARSAL,
    },
    Opt {
        name: "ready-timeout",
        short: None,
        take: Take::Value("TIME", set!(ready_timeout, parse_duration)),
        help: "how long that may take [30s]",
        group: REHEARSAL,
    },
    Opt {
        name: "load",
        short: None,
        take: Take::Value("URL", |raw, text| {
            raw.rehearsal.load.push(load(text)?);
            Ok(())
        }),
        help: "keep GET requests in flight: a URL, or a path like '/slow?ms=500' on the port that was found; may be repeated",
        group: REHEARSAL,
    },
    Opt {
        name: "in-flight",
        short: None,
        take: Take::Value("N", set!(in_flight, |text| count(text, 1000))),
        help: "how many at once, over all URLs; of five, one opens a connection each time, one reads slowly, one sends slowly [10]",
        group: REHEARSAL,
    },
    Opt {
        name: "signal-after",
        short: None,
        take: Take::Value("TIME", set!(after, parse_duration)),
        help: "how long after it was ready the stop signal comes [250ms, under load up to 1s for the first answers; 1s with --ready none]",
        group: REHEARSAL,
    },
    Opt {
        name: "repeat",
        short: None,
        take: Take::Value("N", set!(repeat, |text| count(text, 10_000))),
        help: "so many rehearsals, one after the other [1]",
        group: REHEARSAL,
    },
    Opt {
        name: "expect",
        short: None,
        take: Take::Value("CODE", set!(expect, exit_code)),
        help: "the exit code that is right, after --success-exit [0]",
        group: VERDICT,
    },
    Opt {
        name: "json",
        short: None,
        take: Take::Switch(|raw| raw.rehearsal.json = true),
        help: "one JSON object on stdout instead of the report; the server's own stdout goes to stderr",
        group: VERDICT,
    },
    Opt {
        name: "report",
        short: None,
        take: Take::Value("FILE", |raw, text| {
            if text.is_empty() {
                return Err("'' is no file".to_owned());
            }
            raw.rehearsal.report = Some(PathBuf::from(text));
            Ok(())
        }),
        help: "also write one self-contained HTML page",
        group: VERDICT,
    },
];

fn ready(text: &str) -> Result<Ready, String> {
    match text {
        "none" => Ok(Ready::AtOnce),
        _ => match Target::parse(text)? {
            Target::Command(_) => {
                Err(format!("'{text}': a rehearsal runs no commands; http, tcp, unix and grpc are understood"))
            }
            target => Ok(Ready::Target(target)),
        },
    }
}

fn load(text: &str) -> Result<Load, String> {
    if text.starts_with('/') {
        check_path(text).map_err(|why| format!("'{text}': {why}"))?;
        return Ok(Load::Path(text.to_owned()));
    }
    let url = Url::parse(text).map_err(|error| format!("{error}; or a path like /slow"))?;
    if url.addresses().is_empty() { Err(format!("'{text}': load goes over TCP")) } else { Ok(Load::Url(url)) }
}

pub(super) fn parse(arguments: &[CString], env: Env<'_>, ours: &[String]) -> Invocation {
    let (mut settings, raw) = match run::read(&COMMAND, arguments, env, ours) {
        Ok(read) => read,
        Err(said) => return said,
    };
    let ready = raw.ready.unwrap_or(Ready::Port);
    let mut errors = Vec::new();
    let needs_port = raw.load.iter().any(|load| matches!(load, Load::Path(_)));
    let portless = match &ready {
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
    if raw.in_flight.is_some() && raw.load.is_empty() {
        errors.push("--in-flight has a meaning only with --load".to_owned());
    }
    // The report is the summary; the dump comes to it as it is.
    if let Dump::Summary { file: Some(_) } = std::mem::replace(&mut settings.dump, Dump::Raw) {
        errors.push("--dump-file is not for a rehearsal, whose report has the dump's summary".to_owned());
    }
    if settings.policy.starts_again() || settings.probe.is_some() || settings.policy.notify {
        errors.push(
            "--health, --notify, --restart, --before and --after are not for a rehearsal, which is of one stop"
                .to_owned(),
        );
    }
    if !errors.is_empty() {
        return run::refuse(&errors);
    }
    Invocation::Rehearse(Box::new(Rehearsal {
        quiet: matches!(settings.voice, Voice::Goward { verbosity: ..0, .. }),
        settings,
        ready,
        ready_timeout: raw.ready_timeout.unwrap_or(Duration::from_secs(30)),
        load: raw.load,
        in_flight: raw.in_flight.unwrap_or(10),
        after: raw.after,
        expect: raw.expect.unwrap_or(0),
        repeat: raw.repeat.unwrap_or(1),
        json: raw.json,
        report: raw.report,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    fn parse_line(line: &str) -> Invocation {
        let words: Vec<_> = line.split_whitespace().map(|word| CString::new(word).unwrap()).collect();
        parse(&words, &|_| None, &[])
    }

    fn good(line: &str) -> Rehearsal {
        match parse_line(line) {
            Invocation::Rehearse(rehearsal) => *rehearsal,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn bad(line: &str) -> String {
        match parse_line(line) {
            Invocation::Say { stderr, code: exit::GOWARD_FAILED, .. } => stderr,
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
        for option in OPTIONS.iter().filter(|option| option.placeholder().is_some() && option.name != "report") {
            for nonsense in ["", "%", "-7x", "99999999999999999999"] {
                let text = format!("--{}={nonsense} srv", option.name);
                assert!(bad(&text).contains(option.name), "{text}");
            }
        }
        assert!(bad("--report= srv").contains("--report"));
        assert!(bad("--repeat 0 srv").contains("from 1 to"));
        assert!(bad("--in-flight +5 --load / srv").contains("from 1 to"));
    }

    #[test]
    fn combinations_that_make_no_sense() {
        assert!(bad("--in-flight 5 srv").contains("only with --load"));
        assert!(bad("--dump summary --dump-file /x srv").contains("not for a rehearsal"));
        assert_eq!(good("--dump summary srv").settings.dump, Dump::Raw);
        assert!(bad("--ready none --load /x srv").contains("needs a TCP port"));
        assert!(bad("--ready unix:/x --load /x srv").contains("needs a TCP port"));
        assert_eq!(good("--ready none --load http://localhost:80/ srv").ready, Ready::AtOnce);
        assert!(bad("").contains("goward rehearse [OPTIONS]"));
        assert!(bad("--lod / srv").contains("did you mean --load?"));
    }

    #[test]
    fn no_option_stands_in_both_tables() {
        for option in OPTIONS {
            assert!(super::super::options::OPTIONS.iter().all(|other| other.name != option.name), "{}", option.name);
        }
    }
}
