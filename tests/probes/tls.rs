//! https:// and grpcs:// against Go's own servers (tests/health/tls).

use super::probe;
use super::support::{GOWARD, LIMIT, TempDir, go_is_there, go_program};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Servers with all kinds of certificates, by their names.
pub(super) struct Servers {
    process: Child,
    ports: BTreeMap<String, u16>,
    directory: TempDir,
}

impl Servers {
    pub(super) fn start() -> Option<Servers> {
        if !go_is_there() {
            return None;
        }
        let directory = TempDir::new();
        let errors = std::fs::File::create(directory.0.join("errors")).unwrap();
        let mut process = Command::new(go_program("tests/health", "tls"))
            .arg(&directory.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let words = |line: String| line.split_once(' ').map(|(name, port)| (name.to_owned(), port.parse().unwrap()));
        let ports = lines.take_while(|line| line != "serving").filter_map(words).collect();
        Some(Servers { process, ports, directory })
    }

    fn url(&self, name: &str, path: &str) -> String {
        format!("https://localhost:{}{path}", self.ports[name])
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.directory.0.join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn port(&self, name: &str) -> u16 {
        self.ports[name]
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.directory.0.join("errors")).unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// With time enough: the arithmetic of a debug build is slow, and the machine may be busy.
#[track_caller]
pub(super) fn says(arguments: &[&str], code: i32, said: &str) {
    super::says(&[&["--timeout=20s"][..], arguments].concat(), code, said);
}

#[test]
fn any_certificate_will_do() {
    let Some(servers) = Servers::start() else { return };
    for name in [
        "p256",
        "rsa",
        "rsa-pss",
        "rsa-by-rsa",
        "ed25519",
        "p384",
        "p521",
        "chain",
        "expired",
        "other-name",
        "by-a-server",
        "optional",
        "http/1.1",
    ] {
        says(&[&servers.url(name, "/healthz")], 0, ": 200, after ");
        says(&[&servers.url(name, "/")], 1, ": 503: the database is away");
    }
    for (arguments, code, said) in [
        (&["--body=the end"][..], 0, ": 200, after "),
        (&["--body=the beginning"], 1, "without 'the beginning'"),
        (&["-X", "HEAD"], 0, ": 200, after "),
    ] {
        says(&[arguments, &[&servers.url("rsa", "/large")]].concat(), code, said);
    }
    says(&[&servers.url("p256", "/moved")], 0, "200 (redirected to /healthz)");
    says(&[&servers.url("p256", "/moved/far")], 0, "200 (redirected to /healthz)");
    assert!(!servers.errors().contains("handshake error"), "{}", servers.errors());
    // By its address, and the connection alone: that is what a server complains about.
    let port = servers.ports["p256"];
    says(&[&format!("https://127.0.0.1:{port}/healthz")], 0, ": 200, after ");
    says(&[&format!("tcp://localhost:{port}")], 0, "connected");
    let began = Instant::now();
    while !servers.errors().contains("p256: http: TLS handshake error") {
        assert!(began.elapsed() < LIMIT, "the server has not logged the connection without TLS");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_cannot_be_spoken_is_said() {
    let Some(servers) = Servers::start() else { return };
    let clear = |scheme: &str, name: &str| format!("{scheme}://localhost:{}", servers.ports[name]);
    for (target, said) in [
        (servers.url("tls-1.2", "/healthz"), "the server speaks TLS 1.2 at most, and goward TLS 1.3 alone"),
        (servers.url("p384-alone", "/healthz"), "the server accepts nothing that goward offers"),
        (servers.url("mutual", "/healthz"), "the server wants a client certificate (--tls-cert and --tls-key)"),
        (servers.url("plain", "/healthz"), "not TLS but HTTP/1: use http, not https"),
        (clear("grpcs", "plain"), "not TLS but HTTP/1"),
        (clear("grpcs", "http/1.1"), "the server does not speak h2 over TLS"),
        (clear("grpcs", "tls-1.2"), "TLS 1.2 at most"),
        (
            clear("grpc", "p256"),
            "the connection was closed without a response: does the server want TLS there (grpcs://)?",
        ),
        (clear("http", "p256"), "400: Client sent an HTTP request to an HTTPS server."),
        (
            clear("http", "h2c"),
            "the connection was reset without a response: does the server want HTTP/2 there (grpc://)?",
        ),
        (clear("grpc", "plain"), "not HTTP/2 but HTTP/1: is this the gRPC port?"),
    ] {
        says(&[&target], 1, said);
    }
}

#[test]
fn a_certificate_is_verified_where_that_is_wanted() {
    let Some(servers) = Servers::start() else { return };
    let trusting = |name: &str, ca: &str, more: &[&str], code: i32, said: &str| {
        let ca = servers.file(ca);
        says(&[&["--tls-ca", &ca][..], more, &[&servers.url(name, "/healthz")]].concat(), code, said);
    };
    for name in ["p256", "rsa", "ed25519", "p384", "x25519", "chain", "http/1.1", "optional"] {
        trusting(name, "ca.pem", &[], 0, ": 200, after ");
    }
    trusting("rsa-by-rsa", "rsa-ca.pem", &[], 0, ": 200, after ");
    trusting("rsa-pss", "rsa-ca.pem", &[], 0, ": 200, after ");
    trusting("by-p384", "p384-ca.pem", &[], 0, ": 200, after ");
    trusting("by-ed25519", "ed25519-ca.pem", &[], 0, ": 200, after ");
    trusting("self-signed", "self-signed.pem", &[], 0, ": 200, after ");
    for (name, ca, said) in [
        ("p256", "stranger.pem", "it leads to no CA of --tls-ca"),
        ("self-signed", "ca.pem", "it is that of a CA, which is none of --tls-ca"),
        ("self-signed", "self-signed-other.pem", "it is that of a CA, which is none of --tls-ca"),
        ("self-signed-expired", "self-signed-expired.pem", "it has expired"),
        ("self-signed-other", "self-signed-other.pem", "is not made out to 'localhost'"),
        ("rsa-by-rsa", "ca.pem", "it leads to no CA of --tls-ca"),
        ("expired", "ca.pem", "it has expired"),
        ("other-name", "ca.pem", "the server's certificate is not made out to 'localhost' (--tls-server-name)"),
        ("by-a-server", "ca.pem", "the server's certificate is not trusted"),
        ("p521", "ca.pem", "with --tls-ca certificates by RSA, on P-256 or P-384, or Ed25519"),
        ("by-p384", "ed25519-ca.pem", "it leads to no CA of --tls-ca"),
    ] {
        trusting(name, ca, &[], 1, said);
    }
    trusting("other-name", "ca.pem", &["--tls-server-name=example.com"], 0, ": 200, after ");
    trusting("p256", "ca.pem", &["--tls-server-name=127.0.0.1"], 0, ": 200, after ");
    trusting("p256", "ca.pem", &["--tls-server-name=127.0.0.2"], 1, "not made out to '127.0.0.2'");
    let by_address = format!("https://127.0.0.1:{}/healthz", servers.ports["p256"]);
    says(&["--tls-ca", &servers.file("ca.pem"), &by_address], 0, ": 200, after ");
    let bundle = servers.file("bundle.pem");
    let both = ["stranger.pem", "ca.pem"].map(|name| std::fs::read_to_string(servers.file(name)).unwrap());
    std::fs::write(&bundle, both.concat()).unwrap();
    trusting("p256", "bundle.pem", &[], 0, ": 200, after ");
    says(&["--tls-ca", "/none", &by_address], 1, "--tls-ca /none: ");
    says(&["--tls-ca", &servers.file("client.key"), &by_address], 1, "there is no certificate in it");
}

/// Go and curl refuse the same.
#[test]
fn a_ca_must_be_one_now() {
    let Some(servers) = Servers::start() else { return };
    for (name, ca, said) in [
        ("by-expired-ca", "expired-ca.pem", "the certificate of --tls-ca has expired"),
        ("by-between-expired", "between-expired.pem", "it has expired"),
        ("by-early-ca", "early-ca.pem", "the certificate of --tls-ca is not valid yet"),
        ("by-a-server", "server.pem", "it is signed by one that is not that of a CA"),
        ("by-no-ca", "no-ca.pem", "the certificate of --tls-ca is not that of a CA"),
        ("by-mute-ca", "mute-ca.pem", "the certificate of --tls-ca may not sign certificates (keyUsage)"),
        ("by-client-ca", "client-ca.pem", "the certificate of --tls-ca is not for servers (extendedKeyUsage)"),
        ("self-signed-client", "self-signed-client.pem", "it is not for servers"),
        ("p256", "expired-ca.pem", "it leads to no CA of --tls-ca"),
    ] {
        let wanted = format!("the server's certificate is not trusted: {said}\n");
        says(&["--tls-ca", &servers.file(ca), &servers.url(name, "/healthz")], 1, &wanted);
    }
    for (name, ca) in [
        ("by-server-ca", "server-ca.pem"),
        ("by-silent-ca", "silent-ca.pem"),
        ("self-signed-plain", "self-signed-plain.pem"),
        ("self-signed", "self-signed.pem"),
    ] {
        says(&["--tls-ca", &servers.file(ca), &servers.url(name, "/healthz")], 0, ": 200, after ");
    }
    // An old one beside the one that has followed it takes nothing away.
    let both = ["expired-ca.pem", "ca.pem"].map(|name| std::fs::read_to_string(servers.file(name)).unwrap());
    std::fs::write(servers.file("both.pem"), both.concat()).unwrap();
    says(&["--tls-ca", &servers.file("both.pem"), &servers.url("p256", "/healthz")], 0, ": 200, after ");
}

#[test]
fn an_rsa_key_may_have_any_length_in_bits() {
    let Some(servers) = Servers::start() else { return };
    let verified = |name: &str, ca: &str, code: i32, said: &str| {
        says(&["--tls-ca", &servers.file(ca), &servers.url(name, "/healthz")], code, said);
    };
    for bits in [2049, 2056, 2060, 3000] {
        says(&[&servers.url(&format!("rsa-{bits}"), "/healthz")], 0, ": 200, after ");
        verified(&format!("rsa-{bits}"), "ca.pem", 0, ": 200, after ");
        verified(&format!("by-rsa-{bits}"), &format!("rsa-{bits}-ca.pem"), 0, ": 200, after ");
    }
    // What is too short is not verified; where that is not wanted it need not be.
    for name in ["rsa-1024", "by-rsa-1024"] {
        says(&[&servers.url(name, "/healthz")], 0, ": 200, after ");
    }
    const WHY: &str = "an RSA key of 1024 bits, where goward verifies by 2048 to 8192\n";
    verified("rsa-1024", "ca.pem", 1, &format!("the server's certificate is not trusted: it has {WHY}"));
    let signed = format!("the server's certificate is not trusted: it is signed by {WHY}");
    verified("by-rsa-1024", "rsa-1024-ca.pem", 1, &signed);
}

#[test]
fn a_client_certificate_is_shown() {
    let Some(servers) = Servers::start() else { return };
    let by = |name: &str, certificate: &str, key: &str, code: i32, said: &str| {
        let (certificate, key) = (servers.file(certificate), servers.file(key));
        let url = servers.url(name, "/who");
        says(&["--tls-cert", &certificate, "--tls-key", &key, "--body=client", &url], code, said);
    };
    by("mutual", "client.pem", "client.key", 0, ": 200, after ");
    by("mutual", "client.pem", "client.sec1", 0, ": 200, after ");
    by("optional", "client.pem", "client.key", 0, ": 200, after ");
    // A server that does not ask is not told.
    by("p256", "client.pem", "client.key", 1, "without 'client' in the body: nobody");
    by(
        "mutual",
        "stranger-client.pem",
        "stranger-client.key",
        1,
        "the server refuses the client certificate (--tls-cert)",
    );
    by("mutual", "client.pem", "stranger-client.key", 1, "the server refuses the client certificate (--tls-cert)");
    by("mutual", "rsa-client.pem", "rsa-client.key", 1, "--tls-key: only a key on P-256");
    by("mutual", "client.key", "client.key", 1, "--tls-cert: there is no certificate in it");
    by("mutual", "client.pem", "none", 1, "--tls-key ");
    let alone = probe(&["--tls-cert=/a", &servers.url("mutual", "/")]);
    assert!(alone.code == Some(125) && alone.stderr.contains("are needed together"), "{alone:?}");
}

#[test]
fn grpc_over_tls_of_gos_server() {
    let Some(servers) = Servers::start() else { return };
    let at = |name: &str| format!("grpcs://localhost:{}", servers.ports[name]);
    for name in ["p256", "rsa", "ed25519", "expired", "optional"] {
        says(&[&at(name)], 0, "SERVING");
    }
    says(&["--tls-ca", &servers.file("ca.pem"), &at("rsa")], 0, "SERVING");
    says(&["--tls-ca", &servers.file("ca.pem"), &at("expired")], 1, "it has expired");
    says(&[&at("mutual")], 1, "the server wants a client certificate");
    let identity = ["--tls-cert", &servers.file("client.pem"), "--tls-key", &servers.file("client.key")];
    says(&[&identity[..], &[&at("mutual")]].concat(), 0, "SERVING");
}

/// In the init each attempt is a process of its own, and is reaped as that.
#[test]
fn the_init_probes_over_tls() {
    let Some(servers) = Servers::start() else { return };
    let file = |option: &str, name: &str| format!("--health-tls-{option}={}", servers.file(name));
    let identity = [file("cert", "client.pem"), file("key", "client.key")];
    for (name, path, options, said) in [
        ("p256", "/healthz", vec![], "the server is healthy"),
        ("p256", "/", vec![], "503: the database is away"),
        ("p256", "/healthz", vec![file("ca", "ca.pem")], "the server is healthy"),
        ("p256", "/healthz", vec![file("ca", "stranger.pem")], "it leads to no CA of --tls-ca"),
        ("p256", "/healthz", vec![file("ca", "none.pem")], "none.pem: No such file or directory"),
        ("other-name", "/healthz", vec![file("ca", "ca.pem")], "not made out to 'localhost'"),
        (
            "other-name",
            "/healthz",
            vec![file("ca", "ca.pem"), "--health-tls-server-name=example.com".to_owned()],
            "the server is healthy",
        ),
        ("mutual", "/healthz", vec![], "the server wants a client certificate"),
        ("mutual", "/healthz", identity.to_vec(), "the server is healthy"),
        ("tls-1.2", "/healthz", vec![], "the server speaks TLS 1.2 at most"),
    ] {
        let url = servers.url(name, path);
        let mut init = Command::new(GOWARD)
            .args(["--health", &url, "--health-interval=100ms", "-v"])
            .args(&options)
            .args(["--", "sleep", "60"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(init.stderr.take().unwrap()).lines().map_while(Result::ok);
        let seen: Vec<String> = lines
            .take(40)
            .scan(false, |found, line| {
                let go_on = !*found;
                *found |= line.contains(said);
                go_on.then_some(line)
            })
            .collect();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(init.id() as i32), nix::sys::signal::Signal::SIGTERM)
            .unwrap();
        init.wait().unwrap();
        assert!(seen.last().is_some_and(|line| line.contains(said)), "{name}{path} {options:?}: {seen:?}");
        assert!(!seen.iter().any(|line| line.contains("reaped")), "a probe's process is no orphan: {seen:?}");
    }
}
