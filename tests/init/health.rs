//! Probes, notifications and the socket of `goward status`: what they must never cost. What they are for is shown in
//! containers, with real servers.

use crate::plan::{Plan, Run, goward, root, scratch, state, status, wait_until, word};
use crate::support::{Scratch, happens_within, pause_for, requires};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A server that forwards what it hears: how long a signal takes is how long goward is busy.
const SERVER: &str = "trap 'echo usr1' USR1; trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done";

/// A server on a Unix socket, in Python: it counts its connections, and answers as BEHAVIOUR says.
fn server(scratch: &Scratch) -> String {
    let text = r#"
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
os.chmod(sys.argv[1], 0o777)
print("ready", flush=True)
count, kept = 0, []
while True:
    try:
        connection, _ = listener.accept()
    except InterruptedError:
        continue
    count += 1
    if count % 100 == 0:
        print("probes", count, flush=True)
    if sys.argv[2] == "silent":
        kept = [connection]
    elif sys.argv[2] == "http":
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
"#;
    word(&scratch.file("server.py", text, 0o644)).to_owned()
}

/// Asked from inside, as `docker exec` does, by this user.
pub(crate) fn ask(run: &Run, uid: u32, options: &[&str]) -> (i32, String) {
    let pid = run.pid().to_string();
    let uid = uid.to_string();
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid, "--pid", "--mount", "setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
    let output = command.args([goward(), "status"]).args(options).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn kilobytes(pid: i32, what: &str) -> u64 {
    status(pid, what).split(' ').next().unwrap().parse().unwrap()
}

fn rss(pid: i32) -> u64 {
    kilobytes(pid, "RssAnon")
}

pub(crate) fn tools() -> bool {
    root() && requires("python3") && requires("nsenter") && requires("setpriv")
}

/// Waits until the server has counted so many probes.
fn probes(run: &Run, count: usize) {
    let line = format!("probes {count}\n");
    let counted = happens_within(Duration::from_secs(120), || run.running.stdout().contains(&line));
    assert!(counted, "{} {}", run.running.stdout(), run.running.stderr());
}

#[test]
fn probes_leave_nothing_behind() {
    if !tools() {
        return;
    }
    let last = if std::env::var_os("GOWARD_SOAK").is_some() { 10_000 } else { 2_000 };
    for (kind, behaviour) in [("http://unix:{}:/", "http"), ("unix:{}", "quiet")] {
        let scratch = scratch();
        let socket = scratch.path("s");
        let target = kind.replace("{}", word(&socket));
        let plan = Plan::new("--health-interval 1ms --health-start-period 1h --health-start-interval 1ms");
        let run = plan.option(&format!("--health={target}")).run(&[
            "/usr/bin/env",
            "python3",
            &server(&scratch),
            word(&socket),
            behaviour,
        ]);
        probes(&run, 500);
        let (memory, files) = (rss(run.pid()), descriptors(run.pid()));
        probes(&run, last);
        assert!(rss(run.pid()) <= memory + 64, "{kind}: {memory} KiB grew to {}", rss(run.pid()));
        assert!(descriptors(run.pid()) <= files + 1, "{kind}: descriptors");
        assert_eq!((run.zombies(), ask(&run, 0, &[]).0), (0, 0), "{kind}");
        run.stop();
        assert_eq!(run.end().code, 4, "{kind}");
    }
}

#[test]
fn code_that_only_a_change_of_health_needs_does_not_stay() {
    if !root() {
        return;
    }
    let server = ["sh", "-c", SERVER];
    let idle = Plan::new("").run(&server);
    let probed = Plan::new("--health=exec:true --health-interval 1h --health-start-interval 1s").run(&server);
    wait_until("health", || probed.running.stderr().contains("the server is healthy").then_some(()));
    let [most, code] = [&idle, &probed].map(|run| kilobytes(run.pid(), "RssFile"));
    let is_given_back = happens_within(Duration::from_secs(5), || kilobytes(probed.pid(), "RssFile") <= most + 256);
    assert!(is_given_back, "{most} KiB without probes, {code} KiB with them");
    for run in [idle, probed] {
        run.stop();
        assert_eq!(run.end().code, 4);
    }
}

pub(crate) fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn commands_that_misbehave_leave_nothing_behind() {
    if !root() {
        return;
    }
    for (probe, what) in [
        ("trap '' TERM; sleep 60 & sleep 60", "hangs and forks"),
        ("(sleep 0.01 &) ; (sleep 0.02 &) ; exit 1", "leaves orphans"),
        ("sleep 60 & exit 0", "leaves one that stays"),
        ("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", "floods"),
        ("exit 0", "is good"),
    ] {
        let plan = Plan::new("--health-interval 2ms --health-timeout 30ms --stop-timeout 5s -q");
        let plan = plan.option(&format!("--health=exec:sh -c \"{probe}\""));
        let run = plan.shell(SERVER);
        run.line("ready");
        pause_for(ms(1500)); // Some fifty probes, so that what they need once has been allocated.
        let (memory, from) = (rss(run.pid()), Instant::now());
        run.signal(libc::SIGUSR1);
        run.line("usr1");
        assert!(from.elapsed() < ms(500), "{what}: a signal took {:?}", from.elapsed());
        pause_for(ms(500)); // More of them, which must need nothing more.
        assert!(rss(run.pid()) <= memory + 64, "{what}: {memory} KiB grew to {}", rss(run.pid()));
        // One probe may be under way, with a child or two; nothing else is left.
        assert!(run.running.processes().len() <= 8, "{what}: {:?}", run.running.processes());
        assert!(happens_within(ms(2000), || run.zombies() == 0), "{what}: zombies");
        let from = run.stop();
        let end = run.end();
        assert!(end.code == 4 && end.since(from) < Duration::from_secs(3), "{what}: {end:?}");
    }
}

#[test]
fn a_probe_costs_its_own_wake_ups_and_no_more() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let socket = scratch.path("s");
    let plan = Plan::new("--health-interval 500ms").option(&format!("--health=http://unix:{}:/", word(&socket)));
    let run = plan.run(&["/usr/bin/env", "python3", &server(&scratch), word(&socket), "http"]);
    run.line("ready");
    wait_until("healthy", || (ask(&run, 0, &["-q"]).0 == 0).then_some(()));
    wait_until("it sleeps", || (state(run.pid())? == 'S').then_some(()));
    let wakes = || status(run.pid(), "voluntary_ctxt_switches").parse::<u64>().unwrap();
    // What waits for the machine (a page, a lock) counts as a wake-up too, so one quiet window of three is enough; a timer
    // too many would be in each.
    let windows = (0..3).map(|_| {
        let before = wakes();
        pause_for(ms(5000)); // The time of ten probes: due, the answer, and perhaps its end by itself.
        wakes() - before
    });
    let mut seen = Vec::new();
    assert!(
        windows.inspect(|&woken| seen.push(woken)).any(|woken| (5..=45).contains(&woken)),
        "{seen:?} wake-ups for ten probes each"
    );
}

/// Go's mux answers /healthz with a redirect where /healthz/ is registered. Whoever stops there takes a server that is down for
/// well.
#[test]
fn a_redirect_is_followed_and_said() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let socket = scratch.path("s");
    let text = r#"
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
print("ready", flush=True)
TO = {"/healthz": "/healthz/", "/loop": "loop", "/other": "https://example.com/", "/good": "http://localhost/well"}
while True:
    connection, _ = listener.accept()
    path = connection.recv(1000).split()[1].decode()
    if path in TO:
        answer = f"302 Found\r\nLocation: {TO[path]}\r\nContent-Length: 0\r\n\r\n"
    elif path == "/well":
        answer = "200 OK\r\nContent-Length: 2\r\n\r\nok"
    else:
        answer = "503 No\r\nContent-Length: 7\r\n\r\ndb away"
    connection.sendall(b"HTTP/1.1 " + answer.encode())
    connection.close()
"#;
    let server = word(&scratch.file("redirects.py", text, 0o644)).to_owned();
    let run = Plan::new("").run(&["/usr/bin/env", "python3", &server, word(&socket)]);
    run.line("ready");
    let probe = |path: &str, more: &[&str]| {
        let target = format!("http://unix:{}:{path}", word(&socket));
        let output = Command::new(goward()).arg("probe").args(more).arg(&target).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said.replace(&target, "TARGET"))
    };
    for (path, more, code, wanted) in [
        ("/well", &[] as &[&str], 0, "healthy: TARGET: 200, after"),
        ("/good", &[], 0, "healthy: TARGET: 200 (redirected to /well), after"),
        ("/healthz", &[], 1, "unhealthy: TARGET: 503 (redirected to /healthz/): db away"),
        ("/healthz", &["--status", "302"], 0, "healthy: TARGET: 302, after"),
        ("/healthz", &["--status", "200-299"], 1, "unhealthy: TARGET: 302 (redirects are not followed)"),
        ("/loop", &[], 1, "unhealthy: TARGET: 302 (redirected to /loop): the tenth redirect, which is not followed"),
        ("/other", &[], 0, "healthy: TARGET: 302, which leads to https://example.com/, and was not followed, after"),
    ] {
        let (found, said) = probe(path, more);
        assert!(found == Some(code) && said.starts_with(wanted), "{path} {more:?}: {found:?} {said}");
    }
    run.stop();
    assert_eq!(run.end().code, 4);
}

#[test]
fn a_silent_server_is_unhealthy_and_signals_pass() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let socket = scratch.path("s");
    let plan = Plan::new("--health-interval 50ms --health-timeout 300ms --health-retries 2");
    let plan = plan.option(&format!("--health=http://unix:{}:/", word(&socket)));
    let run = plan.run(&["/usr/bin/env", "python3", &server(&scratch), word(&socket), "silent"]);
    run.log("the server is unhealthy");
    // Its socket may not have been there for the first probes.
    wait_until("it is silent", || {
        let (code, said) = ask(&run, 0, &[]);
        (code == 1 && said.contains("unhealthy") && said.contains("no answer within 300ms")).then_some(())
    });
    let from = run.stop();
    let end = run.end();
    assert!(end.code == 4 && end.since(from) < Duration::from_secs(2), "{end:?}");
}

#[test]
fn only_the_same_user_and_root_are_answered() {
    if !tools() {
        return;
    }
    let run = Plan::new("--user 65532:65532").shell(SERVER);
    run.line("ready");
    wait_until("an answer", || (ask(&run, 65532, &[]).0 == 0).then_some(()));
    assert_eq!(ask(&run, 0, &[]).0, 0);
    let (code, said) = ask(&run, 4242, &[]);
    assert!(code == 1 && said.contains("does not answer uid 4242"), "{said}");
    let (code, said) = ask(&run, 0, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, json["phase"].as_str(), json["init"].as_u64()), (0, Some("running"), Some(1)), "{said}");
    let (code, said) = ask(&run, 0, &["--pid", "77"]);
    assert!(code == 1 && said.contains("no goward with pid 77"), "{said}");
}

/// Connections that are opened and left, thousands of them, and datagrams of every kind: signals come first.
#[test]
fn floods_at_its_sockets_are_no_trouble() {
    if !tools() {
        return;
    }
    let flood = r#"
import array, os, random, socket, sys
random.seed(1)
name = "\0goward/%s/1" % os.readlink("/proc/self/ns/pid")[5:-1]
kept = []
for n in range(5000):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(name)
        s.send(os.urandom(50))
    except OSError:
        pass
    kept = (kept + [s])[-50:]
mail = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
mail.setblocking(False)
for n in range(20000):
    words = [b"READY=1", b"WATCHDOG=trigger", b"EXTEND_TIMEOUT_USEC=99999999999999999999", b"=", b"STATUS=\xff" * 90]
    data = random.choice([os.urandom(random.randrange(0, 3000)), b"\n".join(random.sample(words, 3))])
    try:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1]))] if n % 3 == 0 else []
        mail.sendmsg([data], rights, 0, os.environ["NOTIFY_SOCKET"])
    except OSError:
        pass
print("flooded", flush=True)
"#;
    let scratch = scratch();
    let flood = scratch.file("flood.py", flood, 0o644);
    let script = format!("python3 {} & {SERVER}", word(&flood));
    let run = Plan::new("--notify --watchdog 10s --on-unhealthy stop -q").shell(&script);
    run.line("ready");
    let (memory, mut slowest) = (rss(run.pid()), Duration::ZERO);
    let since = Instant::now();
    while !run.running.stdout().contains("flooded") && since.elapsed() < Duration::from_secs(60) {
        let heard = run.running.stdout().matches("usr1").count();
        let from = Instant::now();
        run.signal(libc::SIGUSR1);
        assert!(happens_within(Duration::from_secs(5), || run.running.stdout().matches("usr1").count() > heard));
        slowest = slowest.max(from.elapsed());
    }
    run.line("flooded");
    assert!(slowest < Duration::from_secs(2), "a signal took {slowest:?}");
    assert!(rss(run.pid()) <= memory + 512, "{memory} KiB grew to {}", rss(run.pid()));
    // None of it came from the server itself: it is not ready, and not sick.
    assert_eq!(ask(&run, 0, &["--ready"]).0, 1);
    // What cannot be closed at once is closed soon, and there is never much of it.
    assert!(descriptors(run.pid()) < 20, "{} descriptors", descriptors(run.pid()));
    assert!(happens_within(Duration::from_secs(5), || descriptors(run.pid()) < 10), "{}", descriptors(run.pid()));
    run.stop();
    assert_eq!(run.end().code, 4);
}

#[test]
fn sigio_of_somebody_is_for_the_server() {
    if !root() {
        return;
    }
    let run = Plan::new("--health tcp://127.0.0.1:1 --health-interval 20ms -q").fixture("echo-signals");
    run.line("ready");
    run.signal(libc::SIGIO);
    run.line("IO from");
    run.signal(libc::SIGTERM);
    let end = run.end();
    assert_eq!(end.out.matches("IO from").count(), 1, "those of its own descriptors are not: {end:?}");
}

#[test]
fn what_is_started_again_finds_what_the_first_one_found() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let count = word(&scratch.path("count")).to_owned();
    let script = format!(
        "echo x >>{count}; echo \"$(pwd) $(readlink /proc/self/fd/7) $(ulimit -n)\"; [ \"$(wc -l <{count})\" = 3 ]"
    );
    let dir = word(Path::new("/var/tmp"));
    let setup = format!("cd {dir}; exec 7</etc/passwd");
    let end = Plan::new("--restart on-failure:5").setup(&setup).shell(&script).end();
    assert_eq!(end.code, 0, "{end:?}");
    let lines: Vec<&str> = end.out.lines().collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| *line == lines[0]), "{end:?}");
    assert!(lines[0].starts_with("/var/tmp /etc/passwd "), "{end:?}");
    assert!(end.err.contains("restarting it in 100ms") && end.err.contains("restarting it in 200ms"), "{end:?}");
    assert!(end.err.contains("restarts=2"), "{end:?}");
}

#[test]
fn a_program_that_is_gone_when_it_is_to_be_started_again() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let program = scratch.file("server", "#!/bin/sh\nrm \"$0\"\nexit 1\n", 0o755);
    let end = Plan::new("--restart on-failure:2").run(&[word(&program)]).end();
    end.must(127, "no such file");
}

#[test]
fn leftovers_are_gone_before_the_server_is_started_again() {
    if !root() {
        return;
    }
    // Each life holds a lock; the next one must find it free.
    let scratch = scratch();
    let (lock, count) = (scratch.path("lock"), scratch.path("count"));
    let script = format!(
        "echo x >>{1}; (flock -n {0} sleep 100; [ $? != 1 ] || echo held) & sleep 0.2; [ \"$(wc -l <{1})\" -ge 3 ]",
        word(&lock),
        word(&count)
    );
    let end = Plan::new("--restart on-failure --stop-timeout 5s").shell(&script).end();
    assert_eq!((end.code, end.out.as_str()), (0, ""), "{end:?}");
    assert!(end.err.contains("sending SIGTERM to the processes left behind"), "{end:?}");
}

/// A server that says every 50 ms that it lives, and sends READY=1 with a descriptor, as sd_pid_notify_with_fds(3) does.
const ALIVE: &str = r#"
import array, os, signal, socket, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
mail = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1]))
mail.sendmsg([b"READY=1\nFDSTORE=1"], [rights], 0, name)
print("ready", flush=True)
while True:
    mail.sendto(b"WATCHDOG=1", name)
    time.sleep(0.05)
"#;

#[test]
fn a_goward_that_was_frozen_does_not_blame_the_server() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let alive = scratch.file("alive.py", ALIVE, 0o644);
    let plan = Plan::new("--watchdog 400ms --on-unhealthy restart --stop-timeout 4s");
    let run = plan.run(&["/usr/bin/env", "python3", word(&alive)]);
    run.line("ready");
    wait_until("READY=1, though descriptors came with it", || (ask(&run, 0, &["--ready", "-q"]).0 == 0).then_some(()));
    let before = descriptors(run.pid());
    for _ in 0..2 {
        run.signal(libc::SIGSTOP);
        pause_for(ms(1500)); // Frozen for longer than the watchdog allows.
        run.signal(libc::SIGCONT);
        pause_for(ms(700)); // Long enough for a wrong verdict.
    }
    assert!(descriptors(run.pid()) <= before);
    let (code, said) = ask(&run, 0, &[]);
    assert!(code == 0 && !said.contains("restarts"), "{said} {}", run.running.stderr());
    run.stop();
    assert_eq!(run.end().code, 4);
}

#[test]
fn a_probe_by_hand_leaves_nobody_behind() {
    if !tools() || !requires("pgrep") {
        return;
    }
    let alive = |seconds: &str| {
        let found = Command::new("pgrep").args(["-fx", &format!("sleep {seconds}")]).output().unwrap();
        !found.stdout.is_empty()
    };
    let probe = |options: &[&str], script: &str| {
        Command::new(goward()).arg("probe").args(options).args(["-q", "--", "sh", "-c", script]).spawn().unwrap()
    };
    assert_eq!(probe(&[], "sleep 17001 & exit 0").wait().unwrap().code(), Some(0));
    assert_eq!(probe(&["--timeout=200ms"], "setsid sleep 17002 & sleep 17003").wait().unwrap().code(), Some(1));
    let mut killed = probe(&[], "exec sleep 17004");
    wait_until("the command", || alive("17004").then_some(()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    for seconds in ["17001", "17002", "17003", "17004"] {
        assert!(happens_within(ms(2000), || !alive(seconds)), "sleep {seconds} lives");
    }
}

#[test]
fn a_signal_that_came_between_two_lives_is_for_the_second() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let mark = word(&scratch.path("mark")).to_owned();
    let script = format!(
        "[ -e {mark} ] || {{ touch {mark}; echo first; exit 1; }}; sleep 0.3; trap 'echo heard; exit 0' HUP; echo second; \
         while :; do sleep 0.02; done"
    );
    let run = Plan::new("--restart on-failure").shell(&script);
    run.log("restarting it in 100ms");
    run.signal(libc::SIGHUP);
    let end = run.end();
    assert!(end.code == 0 && end.out == "first\nsecond\nheard\n", "{end:?}");
}

/// systemd with Type=notify, or Podman with --sdnotify=container: it starts goward with a NOTIFY_SOCKET, and believes its main process.
#[test]
fn whoever_started_goward_hears_of_the_server() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    // It listens, becomes another user's who may not reach the socket, and shows who said what.
    let manager = r#"
import os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
pid = os.fork()
if pid == 0:
    s.close()
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    data, control, _, _ = s.recvmsg(4096, 100)
    sender = struct.unpack("3i", control[0][2])[0]
    who = "goward" if sender == pid else "the server"
    print(who + ": " + data.decode().replace("\n", " "), flush=True)
"#;
    let manager = word(&scratch.file("manager.py", manager, 0o644)).to_owned();
    let server = r#"
import os, signal, socket, sys, time
def say(text):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
print("usec " + os.environ.get("WATCHDOG_USEC", "none") + " pid " + os.environ.get("WATCHDOG_PID", "none"), flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if len(sys.argv) > 1:
    say("READY=1\nSTATUS=up\nMAINPID=1\nFDSTORE=1")
    say("RELOADING=1\nMONOTONIC_USEC=7")
    say("READY=1")
    say("WATCHDOG=1")
    say("X=1")
while True: time.sleep(0.05)
"#;
    let server = word(&scratch.file("server.py", server, 0o644)).to_owned();
    let start = |options: &str, address: &str, words: &str| {
        let mut line = vec!["/usr/bin/env", "WATCHDOG_USEC=5000000", "python3", &manager, goward()];
        line.extend(options.split_whitespace());
        line.extend(["--", "/usr/bin/env", "python3", &server]);
        line.extend(words.split_whitespace());
        Plan::new("").child().env("NOTIFY_SOCKET", address).start(&line)
    };
    let file = word(&scratch.path("manager")).to_owned();
    let closed = scratch.path("closed");
    DirBuilder::new().mode(0o700).create(&closed).unwrap();
    let closed = format!("{}/manager", word(&closed));
    for (options, address) in [
        ("--notify", file.as_str()),
        ("--notify --user 65532:65532", "@goward-test-manager"),
        // Reached before the drop, and never again.
        ("--notify --user 65532:65532", closed.as_str()),
    ] {
        let run = start(options, address, "speaks");
        run.line("usec 5000000 pid none");
        run.line("goward: WATCHDOG=1");
        let said = run.running.stdout();
        let said: Vec<_> =
            said.lines().filter(|line| line.starts_with("goward: ") || line.starts_with("the server: ")).collect();
        let wanted = [
            "goward: READY=1 STATUS=up",
            "goward: RELOADING=1 MONOTONIC_USEC=7",
            "goward: READY=1",
            "goward: WATCHDOG=1",
        ];
        assert_eq!(said, wanted, "{options}");
        let goward = run.server();
        crate::support::send(goward, libc::SIGTERM);
        run.line("goward: STOPPING=1");
    }
    // The shorter of both times; who is to be told is not goward's pid.
    let run = start("--watchdog 2s", &format!("{file}2"), "");
    run.line("usec 2000000 pid none");
    // By its probes, for a server that says nothing.
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = format!("--health-interval 100ms --health tcp://{}", listening.local_addr().unwrap());
    let run = start(&probe, &format!("{file}3"), "");
    run.line("goward: READY=1 STATUS=ready");
    run.line("usec 5000000 pid none");
    // Near miss: without either option the server has the socket itself, with all that it says.
    let run = start("", &format!("{file}4"), "speaks");
    run.line("the server: X=1");
    assert!(!run.running.stdout().contains("goward: READY"), "{}", run.running.stdout());
    // Nobody is there, and nothing is the worse for it.
    let plan = Plan::new("--notify").env("NOTIFY_SOCKET", "/nonexistent").fixture("exit 3");
    plan.end()
        .must(3, "NOTIFY_SOCKET /nonexistent cannot be reached, and nothing is sent to it: No such file or directory");
    let plan = Plan::new("--notify").env("NOTIFY_SOCKET", "vsock:2:7").fixture("exit 3");
    plan.end().must(3, "NOTIFY_SOCKET vsock:2:7 cannot be reached");
}
