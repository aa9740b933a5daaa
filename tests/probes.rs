//! `goward probe` and what it meets: TLS of Go's servers and gRPC's, names, servers that are not there yet, and answers that are
//! none, beside the clients that everybody knows (curl, grpcio, openssl s_client).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

#[path = "support/containers.rs"]
mod support;

#[path = "probes/containers.rs"]
mod containers;
#[path = "probes/grpc.rs"]
mod grpc;
#[path = "probes/malformed.rs"]
mod malformed;
#[cfg(feature = "tls")]
#[path = "probes/tls.rs"]
mod tls;
#[path = "probes/waiting.rs"]
mod waiting;

use std::process::Command;
use support::{GOWARD, LIMIT, Output, run};

/// `goward probe` with these arguments.
fn probe(arguments: &[&str]) -> Output {
    run(Command::new(GOWARD).arg("probe").args(arguments), LIMIT)
}

/// The exit code, and what is said.
#[track_caller]
fn says(arguments: &[&str], code: i32, said: &str) {
    let output = probe(arguments);
    assert!(
        output.code == Some(code) && output.all().contains(said),
        "{arguments:?}: not {code} and '{said}' but {output:?}"
    );
}
