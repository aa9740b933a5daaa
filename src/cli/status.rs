//! `goward status [OPTIONS]`. Its options have no variables.

use super::options::{Opt, Take, count, positive};
use super::{Invocation, help, words};
use crate::config::{Asking, Shown, Wanted};
use crate::exit;
use std::ffi::CString;
use std::time::Duration;

/// What the words said.
#[derive(Debug, Default)]
pub struct Raw {
    json: bool,
    wait: Option<Wanted>,
    timeout: Option<Duration>,
    pid: Option<u32>,
}

const GROUP: &str = "Options";

/// Who waits gives up after this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Every option.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "json",
        short: None,
        take: Take::Switch(|raw| raw.asking.json = true),
        help: "one JSON object",
        group: GROUP,
    },
    Opt {
        name: "ready",
        short: Some('r'),
        take: Take::Switch(|raw| raw.asking.wait = raw.asking.wait.or(Some(Wanted::Ready))),
        help: "exit with 0 when the server is ready, as a readiness probe; without, when it is healthy",
        group: GROUP,
    },
    Opt {
        name: "wait",
        short: None,
        take: Take::Value("ready|healthy", |raw, text| {
            raw.asking.wait = Some(match text {
                "ready" => Wanted::Ready,
                "healthy" => Wanted::Healthy,
                _ => return Err(format!("'{text}' is neither ready nor healthy")),
            });
            raw.asking.timeout.get_or_insert(TIMEOUT);
            Ok(())
        }),
        help: "wait until it is",
        group: GROUP,
    },
    Opt {
        name: "timeout",
        short: Some('t'),
        take: Take::Value("TIME", |raw, text| {
            raw.asking.timeout = Some(positive(text)?);
            Ok(())
        }),
        help: "how long to wait [60s]",
        group: GROUP,
    },
    Opt {
        name: "pid",
        short: None,
        take: Take::Value("PID", |raw, text| {
            raw.asking.pid = Some(count(text, i32::MAX as u32)?);
            Ok(())
        }),
        help: "which goward [the one of this container]",
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
    match words::read(OPTIONS, arguments) {
        Ok(Some((raw, others))) if others.is_empty() => {
            let asking = raw.asking;
            let waits = arguments.iter().any(|word| word.to_bytes().starts_with(b"--wait"));
            if asking.timeout.is_some() && !waits {
                return refuse("--timeout has a meaning only with --wait");
            }
            Invocation::Status(Asking {
                shown: if asking.json { Shown::Json } else { Shown::Table },
                quiet: raw.quiet,
                pid: asking.pid.and_then(|pid| i32::try_from(pid).ok()),
                wanted: asking.wait.unwrap_or(Wanted::Healthy),
                patience: asking.timeout,
            })
        }
        Ok(Some(_)) => refuse("status takes options only"),
        Ok(None) => Invocation::out(help::status()),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &str) -> Invocation {
    Invocation::err(format!("goward: {error} (goward status --help tells more)\n"), exit::GOWARD_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Invocation {
        let words: Vec<_> = line.split_whitespace().map(|word| CString::new(word).unwrap()).collect();
        parse(&words)
    }

    fn good(line: &str) -> Asking {
        match parse_line(line) {
            Invocation::Status(asking) => asking,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn words() {
        assert_eq!(
            good(""),
            Asking { shown: Shown::Table, quiet: false, pid: None, wanted: Wanted::Healthy, patience: None }
        );
        let asking = good("--json -q --pid 7 --wait ready --timeout 3s");
        assert_eq!((asking.shown, asking.pid, asking.patience), (Shown::Json, Some(7), Some(Duration::from_secs(3))));
        assert_eq!(good("--timeout 3s --wait healthy").patience, Some(Duration::from_secs(3)));
        assert_eq!((good("--wait ready").patience, good("--ready").wanted), (Some(TIMEOUT), Wanted::Ready));
        assert_eq!(good("-r").patience, None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("x", "options only"),
            ("--wait soon", "neither ready nor healthy"),
            ("--timeout 3s", "only with --wait"),
            ("--pid 0", "no number"),
            ("--jsn", "no option --jsn"),
        ] {
            match parse_line(line) {
                Invocation::Say { stderr, code: exit::GOWARD_FAILED, .. } => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
