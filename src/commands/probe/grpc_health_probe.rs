//! What grpc_health_probe says, and its exit codes.

use super::entry::Attempted;
use crate::config::{Manner, Probing};
use crate::exit;
use crate::probe::Stage;
use std::time::Duration;

/// With -v: what it was asked for.
pub(super) fn options(probing: &Probing) -> String {
    let Manner::GrpcHealthProbe { address, .. } = &probing.manner else { return String::new() };
    let connect = probing.connect_timeout.unwrap_or_default();
    let is_tls = probing.probe.target.is_tls();
    let mut text = format!(
        "parsed options:\n> addr={address} conn_timeout={connect:?} rpc_timeout={:?}\n> tls={is_tls}\n",
        probing.timeout
    );
    if is_tls {
        let tls = &probing.probe.tls;
        let path = |path: Option<&std::path::PathBuf>| path.map_or(String::new(), |path| path.display().to_string());
        let (certificate, key) = tls.identity.as_ref().map(|(certificate, key)| (certificate, key)).unzip();
        text.push_str(&format!(
            "  > no-verify={}\n  > ca-cert={}\n  > client-cert={}\n  > client-key={}\n  > server-name={}\n",
            tls.ca.is_none(),
            path(tls.ca.as_ref()),
            path(certificate),
            path(key),
            tls.server_name.as_deref().unwrap_or_default()
        ));
    }
    text + "establishing connection\n"
}

/// What is said of the outcome, and the exit code.
pub(super) fn said(
    probing: &Probing,
    attempted: &Attempted,
    address: &str,
    verbose: bool,
    took: Duration,
) -> (String, u8) {
    let Attempted { outcome, is_late, connecting } = attempted;
    let (text, rpc) = (&outcome.text, probing.timeout);
    let before = match (verbose, outcome.stage) {
        (true, Stage::Response | Stage::Verdict) => format!("connection established (took {connecting:?})\n"),
        _ => String::new(),
    };
    let (line, code) = match (outcome.well, outcome.stage) {
        (true, _) => {
            let times = format!("time elapsed: connect={connecting:?} rpc={:?}\n", took.saturating_sub(*connecting));
            (format!("{}status: SERVING\n", if verbose { &times } else { "" }), 0)
        }
        (false, Stage::Connection) => {
            let within = probing.connect_timeout.unwrap_or_default();
            (
                format!("timeout: failed to connect service \"{address}\" within {within:?}: {text}\n"),
                exit::GRPC_UNCONNECTED,
            )
        }
        (false, Stage::Response) if *is_late => {
            (format!("timeout: health rpc did not complete within {rpc:?}\n"), exit::GRPC_FAILED)
        }
        (false, Stage::Response) if text.starts_with("grpc-status 12 ") => {
            let why = "this server does not implement the grpc health protocol (grpc.health.v1.Health)";
            (format!("error: {why}: {text}\n"), exit::GRPC_FAILED)
        }
        (false, Stage::Response) => (format!("error: health rpc failed: {text}\n"), exit::GRPC_FAILED),
        (false, Stage::Verdict) => (format!("service unhealthy (responded with \"{text}\")\n"), exit::GRPC_UNHEALTHY),
    };
    (before + &line, code)
}
