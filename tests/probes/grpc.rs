//! gRPC's own server (grpcio) over TLS, and goward in the place of grpc_health_probe.

use super::support::{LIMIT, Output, TempDir, run, skipped};
#[cfg(feature = "tls")]
use super::tls::Servers;
use super::{GOWARD, says};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where Python finds grpcio-health-checking.
pub(super) fn library() -> Option<String> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools.sh");
    let library = run(Command::new(tools).arg("grpc"), Duration::from_secs(180));
    if library.code != Some(0) {
        skipped(&format!("no grpcio-health-checking: {}", library.stderr));
        return None;
    }
    Some(library.stdout.trim().to_owned())
}

/// Python's grpcio-health-checking on the loopback. It ends when its input does.
struct Peer {
    process: Child,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: u16,
}

impl Peer {
    /// In the clear, or with the certificate, the key and the CA of these files.
    fn start(library: &str, files: &[String]) -> Peer {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/health/grpc_peer.py");
        let mut process = Command::new("python3")
            .arg(script)
            .args(files)
            .env("PYTHONPATH", library)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = answers.next().expect("it starts").unwrap().parse().unwrap();
        Peer { process, answers, port }
    }

    fn set(&mut self, service: &str, status: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{service} {status}").unwrap();
        assert_eq!(self.answers.next().unwrap().unwrap(), "done");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(feature = "tls")]
#[test]
fn grpcs_own_server_is_understood_over_tls() {
    let (Some(library), Some(servers)) = (library(), Servers::start()) else { return };
    let ca = servers.file("ca.pem");
    let identity = [servers.file("server.pem"), servers.file("server.key")];
    let mut peer = Peer::start(&library, &identity);
    let mut mutual = Peer::start(&library, &[&identity[..], std::slice::from_ref(&ca)].concat());
    for peer in [&mut peer, &mut mutual] {
        peer.set("shop.v1.Orders", "SERVING");
        peer.set("shop.v1.Stock", "NOT_SERVING");
    }
    let at = |peer: &Peer, service: &str| format!("grpcs://localhost:{}{service}", peer.port);
    super::tls::says(&[&at(&peer, "/shop.v1.Orders")], 0, "SERVING");
    super::tls::says(&["--tls-ca", &ca, &at(&peer, "/shop.v1.Orders")], 0, "SERVING");
    super::tls::says(&["--tls-ca", &servers.file("stranger.pem"), &at(&peer, "")], 1, "it leads to no CA of --tls-ca");
    super::tls::says(&[&at(&peer, "/shop.v1.Stock")], 1, "NOT_SERVING");
    super::tls::says(&[&at(&peer, "/shop.v1.Nobody")], 1, "NOT_FOUND");
    let (certificate, key) = (servers.file("client.pem"), servers.file("client.key"));
    super::tls::says(&["--tls-cert", &certificate, "--tls-key", &key, &at(&mutual, "/shop.v1.Orders")], 0, "SERVING");
    super::tls::says(&[&at(&mutual, "/shop.v1.Orders")], 1, "the server wants a client certificate");
}

#[test]
fn metadata_arrives() {
    let Some(library) = library() else { return };
    let peer = Peer::start(&library, &[]);
    let target = format!("grpc://localhost:{}", peer.port);
    // The server of these tests says UNAUTHENTICATED to whoever shows a wrong token.
    says(&["-H", "Token: right", &target], 0, "SERVING");
    says(&["-H", "Token: wrong", &target], 1, "grpc-status 16 (UNAUTHENTICATED): the token is wrong");
    says(&["-H", "Token: who", "-A", "me/1", &target], 1, "me/1");
}

// ---------------------------------------------------------------------------------------------------------------------
// As grpc_health_probe

struct Probe(TempDir);

impl Probe {
    fn new() -> Probe {
        let directory = TempDir::new();
        std::os::unix::fs::symlink(GOWARD, directory.0.join("grpc_health_probe")).unwrap();
        Probe(directory)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(Command::new(self.0.0.join("grpc_health_probe")).args(arguments), LIMIT)
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], code: i32, said: &str) {
        let output = self.run(arguments);
        assert!(
            output.code == Some(code) && output.stderr.contains(said),
            "{arguments:?}: not {code} and '{said}': {output:?}"
        );
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn the_exit_codes_are_those_of_grpc_health_probe() {
    let (Some(library), probe) = (library(), Probe::new()) else { return };
    let mut peer = Peer::start(&library, &[]);
    peer.set("shop.v1.Orders", "SERVING");
    peer.set("shop.v1.Stock", "NOT_SERVING");
    let at = format!("-addr=localhost:{}", peer.port);
    probe.says(&[&at], 0, "status: SERVING\n");
    probe.says(&[&at, "-service", "shop.v1.Orders"], 0, "status: SERVING\n");
    probe.says(&[&at, "-service=shop.v1.Stock"], 4, "service unhealthy (responded with \"NOT_SERVING\")\n");
    probe.says(&[&at, "-service=shop.v1.Nobody"], 3, "error: health rpc failed: grpc-status 5 (NOT_FOUND");
    probe.says(&[&at, "-rpc-header=token: wrong"], 3, "error: health rpc failed: grpc-status 16 (UNAUTHENTICATED)");
    probe.says(&[&at, "-rpc-header=token: who", "-user-agent=me/1"], 3, "me/1");
    probe.says(&[&at, "-rpc-header=token: who"], 3, "grpc_health_probe");
    let verbose = probe.run(&[&at, "-v"]);
    let parts = [
        "parsed options:\n> addr=localhost:",
        "establishing connection\n",
        "connection established (took ",
        "time elapsed: connect=",
    ];
    assert!(verbose.code == Some(0) && parts.iter().all(|part| verbose.stderr.contains(part)), "{verbose:?}");
    assert!(verbose.stderr.ends_with("status: SERVING\n"), "{verbose:?}");
    probe.says(&["-adr=x"], 1, "flag provided but not defined: -adr\n");
    probe.says(&[], 1, "error: -addr not specified\n");
    probe.says(&[&at, "-alts"], 1, "-alts is not in goward's grpc_health_probe");
    assert_eq!(probe.run(&["-version"]).code, Some(0));
}

#[test]
fn grpc_health_probe_has_two_times() {
    let probe = Probe::new();
    // Nobody there: tried again until the time for the connection is up.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let began = Instant::now();
    probe.says(
        &[&format!("-addr=127.0.0.1:{port}"), "-connect-timeout=700ms"],
        2,
        "timeout: failed to connect service \"127.0.0.1:",
    );
    assert!(began.elapsed() >= Duration::from_millis(700) && began.elapsed() < Duration::from_secs(10));
    // Somebody who says nothing: no HTTP/2 connection either.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("-addr={}", silent.local_addr().unwrap());
    probe.says(&[&at, "-connect-timeout=300ms", "-rpc-timeout=20s"], 2, "within 300ms");
    // Somebody who has begun, and does not answer.
    let begun = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("-addr={}", begun.local_addr().unwrap());
    std::thread::spawn(move || {
        let streams: Vec<_> = begun
            .incoming()
            .map_while(Result::ok)
            .inspect(|mut stream| {
                stream.write_all(b"\0\0\0\x04\0\0\0\0\0").unwrap();
            })
            .collect();
        drop(streams);
    });
    probe.says(
        &[&at, "-connect-timeout=20s", "-rpc-timeout=400ms"],
        3,
        "timeout: health rpc did not complete within 400ms\n",
    );
}

#[cfg(feature = "tls")]
#[test]
fn grpc_health_probe_over_tls() {
    let (Some(servers), probe) = (Servers::start(), Probe::new()) else { return };
    let at = |name: &str| format!("-addr=localhost:{}", servers.port(name));
    let (ca, certificate, key) = (servers.file("ca.pem"), servers.file("client.pem"), servers.file("client.key"));
    probe.says(&[&at("p256"), "-tls", "-tls-no-verify"], 0, "status: SERVING\n");
    probe.says(&[&at("p256"), "-tls", "-tls-ca-cert", &ca], 0, "status: SERVING\n");
    // Not trusted by the system, whatever CAs that has.
    probe.says(&[&at("p256"), "-tls", "-connect-timeout=300ms"], 2, "timeout: failed to connect service");
    probe.says(
        &[&at("other-name"), "-tls", "-tls-ca-cert", &ca, "-connect-timeout=300ms"],
        2,
        "not made out to 'localhost'",
    );
    probe.says(
        &[&at("other-name"), "-tls", "-tls-ca-cert", &ca, "-tls-server-name=example.com"],
        0,
        "status: SERVING\n",
    );
    probe.says(
        &[&at("mutual"), "-tls", "-tls-no-verify", "-tls-client-cert", &certificate, "-tls-client-key", &key],
        0,
        "SERVING",
    );
    probe.says(&[&at("p256")], 2, "does the server want TLS there");
}
