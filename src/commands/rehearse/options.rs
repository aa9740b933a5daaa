//! The options that `goward rehearse` has and `run` has not. They have no variables: a rehearsal is a command that somebody
//! types, and the image must not change what it means.

use crate::cli::http;
use crate::cli::table::{Opt, Options, Take, add, set};
use crate::cli::values::{count, exit_code, path, positive};
use crate::config::{Load, LoadBody, Ready, parse_duration};
use crate::target::{self, Endpoint, Target, Url, check_path};
use std::path::PathBuf;
use std::time::Duration;

/// What the command line said, apart from the options of run.
#[derive(Debug, Default)]
pub struct RehearseWords {
    pub(super) ready: Option<Ready>,
    pub(super) ready_timeout: Option<Duration>,
    pub(super) load: Vec<Load>,
    pub(super) method: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<LoadBody>,
    pub(super) in_flight: Option<u32>,
    pub(super) after: Option<Duration>,
    pub(super) expect: Option<u8>,
    pub(super) repeat: Option<u32>,
    pub(super) leaks: bool,
    pub(super) no_stop: bool,
    pub(super) settle: Option<Duration>,
    pub(super) json: bool,
    pub(super) report: Option<PathBuf>,
    pub(super) junit: Option<PathBuf>,
}

const REHEARSAL: &str = "The rehearsal";
const VERDICT: &str = "The verdict";
const LEAKS: &str = "Leaks";

/// Every option that run has not.
pub const OPTIONS: Options<RehearseWords> = Options {
    variables: false,
    all: &[
        Opt {
            name: "ready",
            short: None,
            take: Take::Value("TARGET", set!(ready, ready)),
            default: Some("when it listens on a TCP port, which is found"),
            help: "the server is ready when this answers: http://HOST:PORT/PATH, grpc://HOST:PORT, tcp://HOST:PORT, unix:/PATH; none for a program that is not a server",
            group: REHEARSAL,
        },
        Opt {
            name: "ready-timeout",
            short: None,
            take: Take::Value("TIME", set!(ready_timeout, parse_duration)),
            default: Some("30s"),
            help: "how long the server may take to become ready",
            group: REHEARSAL,
        },
        Opt {
            name: "load",
            short: None,
            take: Take::Repeated("URL", add!(load, load)),
            default: None,
            help: "keep requests in flight: a URL, or a path like '/slow?ms=500' on the port that answers it; may be repeated",
            group: REHEARSAL,
        },
        Opt {
            name: "load-command",
            short: None,
            take: Take::Repeated("COMMAND", add!(load, load_command)),
            default: None,
            help: "a client for anything but plain HTTP/1.1 (TLS, h2c, WebSockets, gRPC): each run is a request, which is lost if it fails; may be repeated",
            group: REHEARSAL,
        },
        Opt {
            name: "method",
            short: None,
            take: Take::Value("METHOD", set!(method, http::method)),
            default: Some("GET, with --data POST"),
            help: "the method of the requests of --load",
            group: REHEARSAL,
        },
        Opt {
            name: "header",
            short: None,
            take: Take::Repeated("NAME:VALUE", add!(headers, http::header)),
            default: None,
            help: "a header field of the requests of --load; may be repeated",
            group: REHEARSAL,
        },
        Opt {
            name: "data",
            short: None,
            take: Take::Value("TEXT", set!(body, data)),
            default: None,
            help: "the body of the requests of --load; @FILE takes what is in a file",
            group: REHEARSAL,
        },
        Opt {
            name: "in-flight",
            short: None,
            take: Take::Value("N", set!(in_flight, |text| count(text, 1000))),
            default: Some("10"),
            help: "how many requests at once, over all URLs; of every five clients one reconnects each time, one reads slowly, one sends slowly",
            group: REHEARSAL,
        },
        Opt {
            name: "signal-after",
            short: None,
            take: Take::Value("TIME", set!(after, parse_duration)),
            default: Some("250ms, under load up to 3s for the first answers; 1s with --ready none"),
            help: "how long after the server is ready the stop signal is sent; under load at the next moment when most requests are in the middle of their handlers",
            group: REHEARSAL,
        },
        Opt {
            name: "repeat",
            short: None,
            take: Take::Value("N", set!(repeat, |text| count(text, 10_000))),
            default: Some("1"),
            help: "how many rehearsals to run, one after the other",
            group: REHEARSAL,
        },
        Opt {
            name: "leaks",
            short: None,
            take: Take::Switch(|words| words.leaks = true),
            default: None,
            help: "first look for goroutines that the requests of --load leave behind: a group that grows with every round of requests fails the rehearsal, with its place",
            group: LEAKS,
        },
        Opt {
            name: "settle",
            short: None,
            take: Take::Value("TIME", set!(settle, positive)),
            default: Some("1s"),
            help: "how long goroutines may run on after the request that started them",
            group: LEAKS,
        },
        Opt {
            name: "no-stop",
            short: None,
            take: Take::Switch(|words| words.no_stop = true),
            default: None,
            help: "with --leaks: only look for leaks; then stop the server without rehearsing it",
            group: LEAKS,
        },
        Opt {
            name: "expect",
            short: None,
            take: Take::Value("CODE", set!(expect, exit_code)),
            default: Some("0"),
            help: "the expected exit code, after --success-exit",
            group: VERDICT,
        },
        Opt {
            name: "json",
            short: None,
            take: Take::Switch(|words| words.json = true),
            default: None,
            help: "one JSON object on stdout instead of the report",
            group: VERDICT,
        },
        Opt {
            name: "report",
            short: None,
            take: Take::Value("FILE", set!(report, path)),
            default: None,
            help: "also write one self-contained HTML page",
            group: VERDICT,
        },
        Opt {
            name: "junit",
            short: None,
            take: Take::Value("FILE", set!(junit, path)),
            default: None,
            help: "also write the verdicts as JUnit XML, for a CI server",
            group: VERDICT,
        },
    ],
};

const LOCAL: &str = "a rehearsal needs a server on this machine, without TLS: localhost or an IP address; --load-command runs another client";

fn ready(text: &str) -> Result<Ready, String> {
    match text {
        "none" => Ok(Ready::AtOnce),
        _ => match Target::parse(text)? {
            Target::Command(_) => {
                Err(format!("'{text}': a rehearsal runs no commands; http, tcp, unix and grpc are understood"))
            }
            target if target.needs_process() => Err(format!("'{text}': {LOCAL}")),
            target => Ok(Ready::Target(target)),
        },
    }
}

fn load(text: &str) -> Result<Load, String> {
    if text.starts_with('/') {
        check_path(text).map_err(|why| format!("'{text}': {why}"))?;
        return Ok(Load::Path(text.to_owned()));
    }
    if !text.starts_with("http") {
        return Err(format!("'{text}': a URL begins with http://, a path with /; --load-command takes another client"));
    }
    let url = Url::parse(text)?;
    if url.tls || matches!(url.at, Endpoint::Name(..)) {
        return Err(format!("'{text}': {LOCAL}"));
    }
    if url.addresses().is_empty() { Err(format!("'{text}': load goes over TCP")) } else { Ok(Load::Url(url)) }
}

fn load_command(text: &str) -> Result<Load, String> {
    target::command_line(text).map(Load::Command)
}

/// As curl takes it.
fn data(text: &str) -> Result<LoadBody, String> {
    match text.strip_prefix('@') {
        Some(file) => path(file).map(LoadBody::File),
        None if text.is_empty() => Err("a text is needed, or @FILE".to_owned()),
        None => Ok(LoadBody::Text(text.to_owned())),
    }
}
