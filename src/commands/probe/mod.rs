//! `goward probe [OPTIONS] TARGET`, or `goward probe [OPTIONS] -- COMMAND`: one health probe.

mod entry;
mod grpc_health_probe;
pub mod options;
mod settings;
mod tied;

pub use entry::run;
pub use settings::parse;

use crate::cli::help::Command;

/// What the command says about itself.
pub const COMMAND: Command = Command {
    name: "probe",
    operands: "TARGET",
    summary: "one health probe, exit code 0 or 1: goward probe --help",
    about: &[
        "goward probe: probes a server once, for a HEALTHCHECK or a Kubernetes exec probe in an image without a shell.",
    ],
    usage: &[("probe [OPTIONS] TARGET", ""), ("probe [OPTIONS] -- COMMAND [ARGS…]", "")],
    operand_kinds: Some((
        "TARGET is one of",
        &[
            ("http[s]://HOST:PORT/PATH", "a status below 400; http://unix:/SOCKET:/PATH over a Unix socket"),
            ("tcp://HOST:PORT", "a connection"),
            ("unix:/PATH", "a connection; unix:@NAME for an abstract socket"),
            ("grpc[s]://HOST:PORT[/SERVICE]", "grpc.health.v1 says SERVING"),
            ("exec:COMMAND", "exit code 0; quoted as for a shell, but run without one"),
        ],
    )),
    before_options: &[
        "HOST is a name (/etc/hosts, DNS) or an IP address, [::1] for IPv6, or nothing for localhost. $PORT, ${PORT} and \
         ${PORT:-8080} are replaced. TLS is version 1.3.",
    ],
    tables: &[&options::OPTIONS],
    notes: &["Exit code: 0 healthy; 1 not, and one line says why; 125 wrong usage."],
    ..Command::EMPTY
};
