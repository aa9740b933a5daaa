//! The options of `goward status`. They have no variables.

use super::settings::{Form, Wanted};
use crate::cli::table::{Opt, Options, Take, set};
use crate::cli::values::{count, positive};
use std::time::Duration;

/// What the command line said.
#[derive(Debug, Default)]
pub struct StatusWords {
    pub(super) forms: Vec<Form>,
    pub(super) wait: Option<Wanted>,
    pub(super) waits: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) pid: Option<u32>,
    pub(super) quiet: bool,
}

const GROUP: &str = "Options";

/// The table of all options of `goward status`.
pub const OPTIONS: Options<StatusWords> = Options {
    variables: false,
    all: &[
        Opt {
            name: "json",
            short: None,
            take: Take::Switch(|words| words.forms.push(Form::Json)),
            default: None,
            help: "one JSON object",
            group: GROUP,
        },
        Opt {
            name: "metrics",
            short: None,
            take: Take::Switch(|words| words.forms.push(Form::Metrics)),
            default: None,
            help: "restarts, health, uptime and reaped orphans in Prometheus' text format",
            group: GROUP,
        },
        Opt {
            name: "ready",
            short: Some('r'),
            take: Take::Switch(|words| words.wait = words.wait.or(Some(Wanted::Ready))),
            default: None,
            help: "exit with 0 if the server is ready, for a readiness probe; without this option, if it is healthy",
            group: GROUP,
        },
        Opt {
            name: "wait",
            short: None,
            take: Take::Value("ready|healthy", |words, text| {
                words.wait = Some(match text {
                    "ready" => Wanted::Ready,
                    "healthy" => Wanted::Healthy,
                    _ => return Err(format!("'{text}' is neither ready nor healthy")),
                });
                words.waits = true;
                Ok(())
            }),
            default: None,
            help: "wait until the server is ready or healthy",
            group: GROUP,
        },
        Opt {
            name: "timeout",
            short: Some('t'),
            take: Take::Value("TIME", set!(timeout, positive)),
            default: Some("800ms, with --wait 60s"),
            help: "how long goward has to answer, or how long --wait waits",
            group: GROUP,
        },
        Opt {
            name: "pid",
            short: None,
            take: Take::Value("PID", set!(pid, |text| count(text, i32::MAX as u32))),
            default: Some("the one of this container"),
            help: "the goward to ask",
            group: GROUP,
        },
        Opt {
            name: "quiet",
            short: Some('q'),
            take: Take::Switch(|words| words.quiet = true),
            default: None,
            help: "print nothing, only set the exit code",
            group: GROUP,
        },
    ],
};
