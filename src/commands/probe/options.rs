//! The options of `goward probe`. They have no variables.

use crate::cli::http::{self, HttpWords};
use crate::cli::table::{Opt, Options, Take, add, set};
use crate::cli::values::{count, path, positive};
use std::time::Duration;

/// What the command line said.
#[derive(Debug, Default)]
pub struct ProbeWords {
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) wait: Option<Duration>,
    pub(super) successes: Option<u32>,
    pub(super) http: HttpWords,
    pub(super) quiet: bool,
}

const GROUP: &str = "Options";

/// The table of all options of `goward probe`.
pub const OPTIONS: Options<ProbeWords> = Options {
    variables: false,
    all: &[
        Opt {
            name: "timeout",
            short: Some('t'),
            take: Take::Value("TIME", set!(timeout, positive)),
            default: Some("800ms"),
            help: "the probe fails if it takes longer; keep it below the caller's own limit: a second for the kubelet",
            group: GROUP,
        },
        Opt {
            name: "connect-timeout",
            short: None,
            take: Take::Value("TIME", set!(connect_timeout, positive)),
            default: None,
            help: "the probe fails if it takes longer to look up the name, connect, and finish the TLS handshake",
            group: GROUP,
        },
        Opt {
            name: "wait",
            short: None,
            take: Take::Value("TIME", set!(wait, positive)),
            default: None,
            help: "try again for this long, until a probe succeeds; for --before and scripts",
            group: GROUP,
        },
        Opt {
            name: "success-threshold",
            short: None,
            take: Take::Value("N", set!(successes, |text| count(text, 1000))),
            default: Some("1"),
            help: "this many successes in a row count as healthy, 100ms apart; a failure ends the probe, or with --wait restarts the count",
            group: GROUP,
        },
        Opt {
            name: "method",
            short: Some('X'),
            take: Take::Value("METHOD", set!(http.method, http::method)),
            default: Some("GET"),
            help: "the method of an http probe",
            group: GROUP,
        },
        Opt {
            name: "header",
            short: Some('H'),
            take: Take::Repeated("NAME:VALUE", add!(http.headers, http::header)),
            default: None,
            help: "a header field of an http probe, metadata of a grpc probe; may be repeated",
            group: GROUP,
        },
        Opt {
            name: "user-agent",
            short: Some('A'),
            take: Take::Value("TEXT", set!(http.user_agent, http::field_value)),
            default: Some("goward/VERSION"),
            help: "the user agent of an http or grpc probe",
            group: GROUP,
        },
        Opt {
            name: "status",
            short: None,
            take: Take::List("FROM[-TO][,…]", add!(http.status, http::status)),
            default: Some("200-399"),
            help: "the statuses of an http probe that count as success; without this option, redirects to the same host are followed",
            group: GROUP,
        },
        Opt {
            name: "body",
            short: None,
            take: Take::Value("TEXT", set!(http.body, http::body)),
            default: None,
            help: "text that must be in the first MiB of the body",
            group: GROUP,
        },
        Opt {
            name: "tls-ca",
            short: None,
            take: Take::Value("FILE", set!(http.tls.ca, path)),
            default: None,
            help: "for https and grpcs: verify the server's certificate against the CAs in this file, and its host; without it, nothing is verified",
            group: GROUP,
        },
        Opt {
            name: "tls-cert",
            short: None,
            take: Take::Value("FILE", set!(http.tls.cert, path)),
            default: None,
            help: "a client certificate, for a server that asks for one; with --tls-key",
            group: GROUP,
        },
        Opt {
            name: "tls-key",
            short: None,
            take: Take::Value("FILE", set!(http.tls.key, path)),
            default: None,
            help: "the key of that certificate, on P-256",
            group: GROUP,
        },
        Opt {
            name: "tls-server-name",
            short: None,
            take: Take::Value("NAME", set!(http.tls.server_name, http::server_name)),
            default: None,
            help: "the name for SNI, which the certificate must have, instead of the host's",
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
