//! `goward probe [OPTIONS] TARGET`, or `goward probe [OPTIONS] -- COMMAND`. Its options have no variables.

use super::options::{Opt, Take, positive};
use super::{Invocation, health, help, words};
use crate::config::Probing;
use crate::exit;
use crate::target::Target;
use std::ffi::CString;
use std::time::Duration;

const GROUP: &str = "Options";

/// As long as somebody waits for a local answer.
const TIMEOUT: Duration = Duration::from_secs(5);

macro_rules! set {
    ($field:ident, $parse:expr) => {
        |raw, text| {
            raw.health.$field = Some($parse(text)?);
            Ok(())
        }
    };
}

/// Every option.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "timeout",
        short: Some('t'),
        take: Take::Value("TIME", set!(timeout, positive)),
        help: "the probe fails if it takes longer [5s]",
        group: GROUP,
    },
    Opt {
        name: "method",
        short: Some('X'),
        take: Take::Value("METHOD", set!(method, health::method)),
        help: "of an http probe [GET]",
        group: GROUP,
    },
    Opt {
        name: "header",
        short: Some('H'),
        take: Take::Value("NAME:VALUE", |raw, text| {
            raw.health.headers.push(health::header(text)?);
            Ok(())
        }),
        help: "a header field of an http probe; may be repeated",
        group: GROUP,
    },
    Opt {
        name: "status",
        short: None,
        take: Take::Value("FROM[-TO]", set!(status, health::status)),
        help: "the status of an http probe that is right [200-399]; redirects are not followed",
        group: GROUP,
    },
    Opt {
        name: "body",
        short: None,
        take: Take::Value("TEXT", set!(body, health::body)),
        help: "what must be in the first MiB of the body",
        group: GROUP,
    },
    Opt {
        name: "quiet",
        short: Some('q'),
        take: Take::Switch(|raw| raw.quiet = true),
        help: "say nothing, the exit code tells",
        group: GROUP,
    },
];

pub(super) fn parse(arguments: &[CString]) -> Invocation {
    match read(arguments) {
        Ok(Some(probing)) => Invocation::Probe(Box::new(probing)),
        Ok(None) => Invocation::out(help::probe()),
        Err(error) => {
            Invocation::err(format!("goward: {error} (goward probe --help tells more)\n"), exit::GOWARD_FAILED)
        }
    }
}

/// None: help was asked for.
fn read(arguments: &[CString]) -> Result<Option<Probing>, String> {
    let dashes = arguments.iter().position(|word| word.as_bytes() == b"--");
    let (ours, command) = arguments.split_at(dashes.unwrap_or(arguments.len()));
    let Some((raw, others)) = words::read(OPTIONS, ours)? else { return Ok(None) };
    let target = match (others.as_slice(), command) {
        ([], [_, program, ..]) if !program.is_empty() => Target::Command(command.get(1..).unwrap_or_default().to_vec()),
        ([one], []) => Target::parse(&one.to_string_lossy())?,
        ([], _) => return Err("a target is needed, like http://localhost:8080/healthz, or -- and a command".to_owned()),
        _ => return Err("one target at a time; a command goes after --".to_owned()),
    };
    let timeout = raw.health.timeout.unwrap_or(TIMEOUT);
    Ok(Some(Probing { quiet: raw.quiet, timeout, probe: raw.health.probe(target)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Invocation {
        let words: Vec<_> = line.split_whitespace().map(|word| CString::new(word).unwrap()).collect();
        parse(&words)
    }

    fn good(line: &str) -> Probing {
        match parse_line(line) {
            Invocation::Probe(probing) => *probing,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn targets_and_commands() {
        let probing = good("-q --timeout 2s -XHEAD -H a:b --status 204 --body ok http://localhost:8080/healthz");
        assert_eq!((probing.quiet, probing.timeout), (true, Duration::from_secs(2)));
        assert_eq!((probing.probe.method.as_str(), probing.probe.status), ("HEAD", 204..=204));
        assert_eq!(probing.probe.body.as_deref(), Some("ok"));
        let words = vec![c"/check".to_owned(), c"-q".to_owned(), c"--".to_owned(), c"x".to_owned()];
        assert_eq!(good("-- /check -q -- x").probe.target, Target::Command(words));
        assert_eq!(good("tcp://localhost:1").timeout, TIMEOUT);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("", "a target is needed"),
            ("--", "a target is needed"),
            ("localhost:80", "is no target"),
            ("https://localhost/", "no TLS"),
            ("tcp://localhost:1 tcp://localhost:2", "one target"),
            ("tcp://localhost:1 -- x", "one target"),
            ("--timeout 0 tcp://localhost:1", "too short"),
            ("--status 999 http://localhost/", "no status"),
            ("--body x tcp://localhost:1", "http targets only"),
            ("--bdy x http://localhost/", "no option --bdy"),
        ] {
            match parse_line(line) {
                Invocation::Say { stderr, code: exit::GOWARD_FAILED, .. } => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn help_names_every_option() {
        let Invocation::Say { stdout, code: 0, .. } = parse_line("--help") else { panic!("no help") };
        assert!(OPTIONS.iter().all(|option| stdout.contains(&format!("--{}", option.name))));
    }
}
