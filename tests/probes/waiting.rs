//! `--wait`, `--connect-timeout` and targets as they are written.

use super::support::{GOWARD, LIMIT, TempDir, requires, run, skipped};
use super::{probe, says};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrIn};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// 127.0.0.1, which goward takes for a name, and asks by a process of its own; the C library needs no name server for it.
const BY_NAME: &str = "0x7f000001";

/// A port at which nobody listens, and which nobody else can take.
struct Port(OwnedFd);

impl Port {
    fn new() -> Port {
        let socket =
            socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None::<SockProtocol>)
                .unwrap();
        socket::bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        Port(socket)
    }

    fn number(&self) -> u16 {
        socket::getsockname::<SockaddrIn>(self.0.as_raw_fd()).unwrap().port()
    }

    fn listen(self) -> TcpListener {
        socket::listen(&self.0, Backlog::new(16).unwrap()).unwrap();
        self.0.into()
    }
}

#[test]
fn a_server_that_comes_later_is_waited_for() {
    let free = Port::new();
    let port = free.number();
    let target = format!("tcp://127.0.0.1:{port}");
    let server = thread::spawn(move || {
        thread::sleep(Duration::from_millis(700));
        free.listen()
    });
    let output = probe(&["--wait=30s", &target]);
    let _listener = server.join().unwrap();
    assert_eq!(output.code, Some(0), "{output:?}");
    let waiting =
        format!("waiting up to 30s for {target}: 127.0.0.1:{port}: connection refused (nothing listens there)\n");
    assert_eq!(output.stderr, waiting, "one line, and no more");
    assert!(output.stdout.starts_with(&format!("healthy: {target}: connected, after ")), "{output:?}");
}

#[test]
fn waiting_has_an_end() {
    let port = Port::new();
    let target = format!("http://127.0.0.1:{}/", port.number());
    let began = Instant::now();
    let output = probe(&["--wait=1s", &target]);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(output.code, Some(1));
    assert_eq!(output.stderr.lines().count(), 2, "{output:?}");
    assert!(output.stderr.contains(&format!("unhealthy: {target}: still after 1s: ")), "{output:?}");
    assert_eq!(probe(&["--wait=300ms", "-q", &target]).all(), "");
    // A server that takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}/", silent.local_addr().unwrap());
    let began = Instant::now();
    says(&["--wait=500ms", "--timeout=20s", &target], 1, "no answer within 500ms\n");
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// A server that answers each request by the next of these statuses, and then by the last; and how many it was asked.
fn statuses(script: &'static [u16]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}/", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let at = counted.fetch_add(1, Ordering::SeqCst);
            let status = script[at.min(script.len() - 1)];
            let _ = stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes());
        }
    });
    (target, count)
}

#[test]
fn it_must_be_well_as_often_as_was_said() {
    for (script, options, code, asked, said) in [
        (&[200][..], &["--success-threshold=3"][..], 0, 3..=3, "healthy: "),
        (&[200], &[], 0, 1..=1, "healthy: "),
        // One failure ends it, or begins it again.
        (&[200, 200, 503, 200], &["--success-threshold=3"], 1, 3..=3, "503"),
        (&[200, 200, 503, 200], &["--success-threshold=3", "--wait=30s"], 0, 6..=6, "healthy: "),
        (&[200], &["--success-threshold=100", "--wait=500ms"], 1, 2..=6, "in a row instead of 100"),
        (&[200, 503], &["--success-threshold=2", "--wait=500ms"], 1, 2..=6, "503"),
    ] {
        let (target, count) = statuses(script);
        says(&[options, &[target.as_str()]].concat(), code, said);
        let count = count.load(Ordering::SeqCst);
        assert!(asked.contains(&count), "{script:?} {options:?}: asked {count} times");
    }
}

#[test]
fn a_wait_is_ended_by_a_signal() {
    let port = Port::new();
    let target = format!("tcp://127.0.0.1:{}", port.number());
    let mut waiting = Command::new(GOWARD).args(["probe", "--wait=60s", "-q", &target]).spawn().unwrap();
    thread::sleep(Duration::from_millis(300));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(waiting.id() as i32), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(128 + 15));
}

/// Answers one request, and returns it.
fn asked(target: impl Fn(u16) -> String, options: &[&str], env: &[(&str, &str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut stream: TcpStream = listener.accept().unwrap().0;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(request).unwrap()
    });
    let target = target(port);
    let mut command = Command::new(GOWARD);
    command.arg("probe").args(options).arg(&target).envs(env.iter().copied()).env("PORT", port.to_string());
    let output = run(&mut command, LIMIT);
    assert!(output.all().contains(": 401"), "{target}: {output:?}");
    let wanted = i32::from(!options.iter().any(|option| option.contains("40")));
    assert_eq!(output.code, Some(wanted), "{options:?}: {output:?}");
    server.join().unwrap()
}

#[test]
fn what_is_asked_is_what_was_written() {
    let version = env!("CARGO_PKG_VERSION");
    let plain = |port: u16| format!("http://127.0.0.1:{port}/healthz?a");
    let request = asked(plain, &[], &[]);
    assert!(request.starts_with("GET /healthz?a HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
    assert!(request.contains(&format!("\r\nUser-Agent: goward/{version}\r\n")), "{request}");
    let request = asked(plain, &["--user-agent", "kube-probe/1.31", "--status=200-299,401"], &[]);
    assert!(request.contains("\r\nUser-Agent: kube-probe/1.31\r\n") && !request.contains("goward"), "{request}");
    asked(plain, &["--status", "204", "--status", "400-403"], &[]);
    // An empty host, and variables.
    for target in ["http://:$PORT/", "http://:${PORT}/", "http://${HOST:-localhost}:${PORT:-1}/", "http://$NAME:$PORT"]
    {
        let request = asked(|_| target.to_owned(), &["--status=401"], &[("NAME", "localhost")]);
        assert!(request.contains("\r\nHost: localhost:"), "{target}: {request}");
    }
    let unset = run(Command::new(GOWARD).args(["probe", "tcp://:$NO_SUCH_PORT"]).env_remove("NO_SUCH_PORT"), LIMIT);
    assert!(unset.code == Some(125) && unset.stderr.contains("the variable NO_SUCH_PORT is not set"), "{unset:?}");
}

/// Nothing answers at an address of documentation, where packets get lost; where they are refused there is nothing to see.
#[test]
fn a_connection_has_a_limit_of_its_own() {
    // A queue that is full: the kernel drops what comes then.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _full: Vec<_> =
        (0..3).map(|_| thread::spawn(move || TcpStream::connect_timeout(&address, Duration::from_secs(20)))).collect();
    thread::sleep(Duration::from_millis(300));
    let target = format!("tcp://{address}");
    let began = Instant::now();
    says(&["--connect-timeout=300ms", "--timeout=20s", &target], 1, "no answer within 300ms, without a connection");
    assert!(began.elapsed() < Duration::from_secs(8));
    let target = format!("tcp://{BY_NAME}:{}", address.port());
    says(&["--timeout=300ms", &target], 1, "no answer within 300ms, without a connection\n");
    // A connection that stands has all of the time.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}/", silent.local_addr().unwrap());
    let began = Instant::now();
    says(&["--connect-timeout=100ms", "--timeout=900ms", &target], 1, "no answer within 900ms\n");
    assert!(began.elapsed() >= Duration::from_millis(900));
}

/// Where the kernel may choose the port that is connected to for the socket that connects, TCP opens from both sides at once.
#[test]
fn a_socket_that_meets_itself_is_no_server() {
    if !(nix::unistd::geteuid().is_root() || skipped("this needs root")) || !requires("unshare") || !requires("python3")
    {
        return;
    }
    let script = r#"
        ip link set lo up && echo "40000 40003" >/proc/sys/net/ipv4/ip_local_port_range || exit 9
        for i in 1 2 3 4 5 6 7 8; do
            for target in tcp://127.0.0.1:40000 tcp://localhost:40001 tcp://0x7f000001:40002 http://[::1]:40003/; do
                "$0" probe $target
            done
        done 2>&1 | sort | uniq -c
        python3 -c 'import http.server as s; s.HTTPServer(("127.0.0.1", 40000), s.SimpleHTTPRequestHandler).serve_forever()' 2>/dev/null &
        "$0" probe --wait 20s -q tcp://127.0.0.1:40000 && "$0" probe http://127.0.0.1:40000/
        kill $!
    "#;
    let output = run(Command::new("unshare").args(["-n", "sh", "-c", script, GOWARD]), LIMIT);
    for target in ["tcp://127.0.0.1:40000", "tcp://localhost:40001", "tcp://0x7f000001:40002", "http://[::1]:40003/"] {
        let wanted = format!("8 unhealthy: {target}: ");
        let line = output.stdout.lines().find(|line| line.contains(&wanted)).unwrap_or_else(|| panic!("{output:?}"));
        assert!(line.ends_with(": connection refused (nothing listens there)"), "{output:?}");
    }
    assert!(output.code == Some(0) && output.stdout.contains("\nhealthy: http://127.0.0.1:40000/: 200"), "{output:?}");
}

/// A server that speaks and does not read is waited for, and costs no processor time.
#[cfg(feature = "tls")]
#[test]
fn a_server_that_does_not_read_is_waited_for_asleep() {
    if !requires("python3") || !requires("openssl") {
        return;
    }
    let directory = TempDir::short();
    let server = r#"
import socket, ssl, subprocess, sys
make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj /CN=x"
subprocess.run(make.split(), check=True, stderr=subprocess.DEVNULL)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("c", "k")
context.set_alpn_protocols(["h2"])
listener = socket.socket(socket.AF_UNIX)
listener.bind("s")
listener.listen(5)
print("ready", flush=True)
connection = context.wrap_socket(listener.accept()[0], server_side=True)
# SETTINGS, and PINGs that are all to be answered.
connection.sendall(b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\6\0\0\0\0\0abcdefgh" * 15000)
sys.stdin.read()
"#;
    let mut server = Command::new("python3")
        .args(["-c", server])
        .current_dir(&directory.0)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    server.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    let target = format!("grpcs://unix:{}/s:", directory.0.display());
    // The shell's own words for the time that its children took.
    let script = r#""$0" probe --timeout 6s "$1"; times"#;
    let output = run(Command::new("sh").args(["-c", script, GOWARD, &target]), LIMIT);
    let _ = server.kill();
    let _ = server.wait();
    assert!(output.stderr.contains("no answer within 6s"), "{output:?}");
    let times = output.stdout.lines().last().unwrap_or_default().replace(['m', 's'], " ");
    let times: Vec<f64> = times.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [0.0, user, 0.0, system] = times[..] else { panic!("{output:?}") };
    // The arithmetic of a debug build takes its time, but never half of what there is.
    assert!(user + system < 3.0, "{user} s and {system} s: {output:?}");
}

/// What a gRPC server sends first is its answer, not its connection.
#[test]
fn the_limit_of_a_connection_ends_before_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::sleep(Duration::from_millis(500));
            // SETTINGS; `:status` 200 and the type; SERVING; grpc-status 0.
            let _ = stream.write_all(b"\0\0\0\x04\0\0\0\0\0\0\0\x14\x01\x04\0\0\0\x01\x88\x0f\x10\x10application/grpc");
            let _ = stream.write_all(b"\0\0\x07\0\0\0\0\0\x01\0\0\0\0\x02\x08\x01");
            let _ = stream.write_all(b"\0\0\x0f\x01\x05\0\0\0\x01\0\x0bgrpc-status\x010");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    for host in ["127.0.0.1", BY_NAME] {
        let target = format!("grpc://{host}:{port}");
        says(&["--connect-timeout=300ms", "--timeout=9s", &target], 0, "SERVING");
        says(&["--connect-timeout=300ms", "--timeout=400ms", &target], 1, "no answer within 400ms\n");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_tls_that_is_said() {
    for target in ["https://localhost/", "grpcs://localhost:1"] {
        let output = probe(&[target]);
        assert!(output.code == Some(125) && output.stderr.contains("there is no TLS in this goward"), "{output:?}");
    }
}
