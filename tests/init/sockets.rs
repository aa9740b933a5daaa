//! The socket of `goward status` and NOTIFY_SOCKET, among strangers: other users of the same network namespace who take their
//! names, connect and send without end, and hand over descriptors. See SECURITY.md.

use crate::health::{ask, descriptors, tools};
use crate::plan::{Plan, Run, scratch, status, wait_until, word};
use crate::support::{happens_within, pause_for};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A server that says STATUS= on every USR1, never waiting for room, and counts how often there was none.
const SPEAKER: &str = r#"
import os, signal, socket, sys, time
address = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
said, lost = 0, 0
def speak(*_):
    global said, lost
    said += 1
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.setblocking(False)
    try:
        s.sendto(b"STATUS=word %d" % said, address)
    except OSError:
        lost += 1
    s.close()
    # Not print: the signal may come while that is at work.
    os.write(1, b"said %d lost %d\n" % (said, lost))
signal.signal(signal.SIGUSR1, speak)
signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
print("ready", address, flush=True)
while True:
    time.sleep(0.02)
"#;

/// Takes every name that goward had or could be thought to have, as uid 4242, and says so: with a queue that is full, so that
/// whoever connects waits.
const SQUATTER: &str = r#"
import os, socket, time
os.setgid(4242); os.setuid(4242)
own = int(os.readlink("/proc/self/ns/pid")[5:-1])
names = [b"goward/%d/%d" % (own, pid) for pid in range(1, 20)]
names += [name + b"/notify" for name in names] + [b"goward/%d/1/%016x" % (own, n) for n in range(20)] + [b"\xff\xfe\n\xfd"]
kept = []
for name in names:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if name.endswith(b"/notify") else socket.SOCK_STREAM)
    s.bind(b"\0" + name)
    if s.type == socket.SOCK_STREAM:
        s.listen(0)
        waiting = socket.socket(socket.AF_UNIX)
        waiting.setblocking(False)
        waiting.connect(b"\0" + name)
        kept.append(waiting)
    kept.append(s)
print("squatting", flush=True)
time.sleep(600)
"#;

/// As uid 4242: connects to every stream socket of goward's, and sends to every other one, as fast as it can.
const FLOOD: &str = r#"
import glob, os, socket, sys, time
os.setgid(4242); os.setuid(4242)
own = os.readlink("/proc/self/ns/pid")[5:-1]
def names():
    for line in open("/proc/net/unix", errors="surrogateescape"):
        fields = line.split()
        if len(fields) > 7 and (fields[7].startswith("@goward/" + own) or fields[7].startswith("/dev/shm/goward-")):
            yield fields[7].replace("@", "\0", 1), socket.SOCK_STREAM if fields[4] == "0001" else socket.SOCK_DGRAM
    for path in glob.glob("/dev/shm/goward*/*"):
        yield path, socket.SOCK_DGRAM
targets = list(names())
print("flooding", len(targets), flush=True)
end = time.monotonic() + 300
while time.monotonic() < end:
    for name, kind in targets:
        s = socket.socket(socket.AF_UNIX, kind)
        s.setblocking(False)
        try:
            s.connect(name)
            if kind == socket.SOCK_DGRAM:
                for n in range(50):
                    s.send(b"STATUS=stranger")
        except OSError:
            pass
        s.close()
"#;

fn inside(run: &Run, program: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &run.pid().to_string(), "--pid", "--mount"]).args(program);
    command
}

/// USR1 so many times; what the server said of its words, and the last one that goward has taken.
fn speak(run: &Run, words: usize) -> (String, String) {
    let before = run.running.stdout().matches("said ").count();
    for word in before + 1..=before + words {
        run.signal(libc::SIGUSR1);
        let told = || run.running.stdout().matches("said ").count() >= word;
        assert!(
            happens_within(Duration::from_secs(20), told),
            "word {word}; goward {:?}, {:?}; server {:?} {:?}\n{}\n{}",
            ["SigPnd", "ShdPnd", "SigBlk", "State"].map(|name| status(run.pid(), name)),
            std::fs::read_to_string(format!("/proc/{}/stack", run.pid())),
            run.children(),
            run.children()
                .first()
                .map(|(pid, _)| ["SigPnd", "ShdPnd", "SigCgt", "State"].map(|name| status(*pid, name))),
            run.running.stdout(),
            run.running.stderr()
        );
    }
    let last = format!("word {}", before + words);
    let said = || -> String {
        let json: Value = serde_json::from_str(&ask(run, 0, &["--json", "-t", "5s"]).1).unwrap_or_default();
        json["status"].as_str().unwrap_or_default().to_owned()
    };
    _ = happens_within(Duration::from_secs(5), || said() == last);
    (run.running.stdout().lines().last().unwrap_or_default().to_owned(), said())
}

#[test]
fn names_that_others_have_taken_are_no_matter() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let (squatter, speaker) =
        (scratch.file("squatter.py", SQUATTER, 0o644), scratch.file("speaker.py", SPEAKER, 0o644));
    let setup = format!("python3 {} & while ! grep -q /1/notify /proc/net/unix; do sleep 0.05; done", word(&squatter));
    for plan in [Plan::new("--notify --user 65532:65532"), Plan::new("--notify --user 65532:65532").child()] {
        let run = plan.setup(&setup).run(&["/usr/bin/env", "python3", word(&speaker)]);
        run.line("ready");
        let from = Instant::now();
        for uid in [0, 65532] {
            let (code, said) = ask(&run, uid, &["-t", "5s"]);
            // READY=1 was not said: what counts is that the right one answers.
            assert!(code == 1 || code == 0, "{said}");
            assert!(said.contains("running") || said.contains("starting"), "uid {uid}: {said}");
        }
        assert!(from.elapsed() < Duration::from_secs(9), "{:?}", from.elapsed());
        assert_eq!(speak(&run, 3), ("said 3 lost 0".to_owned(), "word 3".to_owned()));
        run.stop();
        assert_eq!(run.end().code, 4);
    }
}

#[test]
fn floods_of_strangers_keep_nobody_out() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let (flood, speaker) = (scratch.file("flood.py", FLOOD, 0o644), scratch.file("speaker.py", SPEAKER, 0o644));
    let run = Plan::new("--notify --user 65532:65532 -q").run(&["/usr/bin/env", "python3", word(&speaker)]);
    run.line("ready");
    let mut floods: Vec<_> = (0..3)
        .map(|_| inside(&run, &["python3", word(&flood)]).process_group(0).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    pause_for(Duration::from_millis(500)); // All three have filled the queues by then.
    for round in 0..30 {
        let from = Instant::now();
        let (_, said) = ask(&run, if round % 2 == 0 { 0 } else { 65532 }, &["-t", "5s"]);
        assert!(said.contains("pid 2, up"), "{round}, after {:?}: {said}", from.elapsed());
    }
    assert_eq!(speak(&run, 60), ("said 60 lost 0".to_owned(), "word 60".to_owned()));
    // They were at it all the time.
    for flood in &mut floods {
        assert!(flood.try_wait().unwrap().is_none(), "a flood has ended early");
        crate::support::send(-(flood.id() as i32), libc::SIGKILL);
        flood.wait().unwrap();
    }
    let from = run.stop();
    let end = run.end();
    assert!(end.code == 4 && end.since(from) < Duration::from_secs(2), "{end:?}");
}

/// As many descriptors as a datagram can carry, more than goward may have open.
#[test]
fn descriptors_that_come_along_are_closed() {
    if !tools() {
        return;
    }
    let hand_over = r#"
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
address = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
fds = array.array("i", [os.open("/dev/null", 0)] * int(sys.argv[1]))
for n in range(40):
    s.sendmsg([b"STATUS=x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)], 0, address)
print("sent", flush=True)
"#;
    let scratch = scratch();
    let script = scratch.file("fds.py", hand_over, 0o644);
    for count in [1, 3, 8, 253] {
        let server = format!("trap 'exit 4' TERM; python3 {} {count}; while :; do sleep 0.02; done", word(&script));
        let run = Plan::new("--notify --restart always").setup("ulimit -n 16").shell(&server);
        run.line("sent");
        let (code, said) = ask(&run, 0, &["-t", "5s"]);
        assert!(said.contains("not ready"), "{count}: {code} {said}");
        // One of them is a signalfd, if there was anything to poll for.
        assert!(descriptors(run.pid()) <= 10, "{count}: {} descriptors", descriptors(run.pid()));
        // There is still room for what a restart needs.
        crate::support::send(run.server(), libc::SIGKILL);
        wait_until("the second run", || (run.running.stdout().matches("sent").count() == 2).then_some(()));
        run.stop();
        assert_eq!(run.end().code, 4, "{count}");
    }
}

/// Sends goward a socket whose last close takes a minute: its peer takes nothing, and what was written to it is waited for
/// (SO_LINGER). The sender ends before goward reads on, so that goward's close is the last.
const LINGERING: &str = r#"
import array, os, signal, socket, struct, sys, time
way = sys.argv[1]
signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
door = socket.socket()
door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
door.bind(("127.0.0.1", 0))
door.listen(1000)
if way.startswith("probe"):
    probed = socket.socket(socket.AF_UNIX)
    probed.bind(sys.argv[2])
    probed.listen(5)
    print("ready", flush=True)
    through = probed.accept()[0]
elif way == "notify":
    through = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    through.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
print("now", flush=True)
time.sleep(0.5)
if way == "control" or way == "many":
    os.setgid(4242); os.setuid(4242)
    own = os.readlink("/proc/self/ns/pid")[5:-1]
    names = [line.split()[7] for line in open("/proc/net/unix", errors="replace") if "@goward/" + own in line]
    def connect():
        through = socket.socket(socket.AF_UNIX)
        through.connect(names[0].replace("@", "\0", 1))
        return through
    through = connect()
def lingering():
    here = socket.socket()
    here.connect(door.getsockname())
    here.setblocking(False)
    try:
        while True:
            here.send(b"x" * 65536)
    except BlockingIOError:
        pass
    here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    return here
def rights_of(sockets):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [here.fileno() for here in sockets]))]
if os.fork() == 0:
    if way == "many":
        all = [(connect(), [lingering() for _ in range(15)]) for _ in range(30)]
        for through, sockets in all:
            through.sendmsg([b"x"], rights_of(sockets))
        os._exit(0)
    here = lingering()
    rights = rights_of([here])
    if way == "probe-oob":
        through.sendmsg([b"H"], rights, socket.MSG_OOB)
        here.close()
        through.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    else:
        through.sendmsg([b"READY=1\nHTTP/1.1 200 OK\r\n\r\n"], rights)
    os._exit(0)
kept = [door.accept()[0] for _ in range(450 if way == "many" else 1)]
os.wait()
print("sent", flush=True)
while True:
    time.sleep(0.02)
"#;

#[test]
fn a_descriptor_whose_close_takes_long_holds_nothing_up() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let (script, socket) = (scratch.file("lingering.py", LINGERING, 0o644), scratch.path("s"));
    for (way, options) in [
        ("notify", "--notify".to_owned()),
        ("probe", format!("--health=http://unix:{}:/", word(&socket))),
        ("probe-oob", format!("--health=http://unix:{}:/", word(&socket))),
        ("control", String::new()),
        ("many", String::new()),
    ] {
        let plan = Plan::new("--user 65532:65532");
        let plan = match way {
            "probe" | "probe-oob" => plan.option(&options).option("--health-interval=50ms"),
            "notify" => plan.option(&options),
            _ => plan,
        };
        let _ = std::fs::remove_file(&socket);
        std::fs::set_permissions(socket.parent().unwrap(), PermissionsExt::from_mode(0o777)).unwrap();
        let (run, mut stranger) = if matches!(way, "control" | "many") {
            let run = plan.shell("trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done");
            run.line("ready");
            wait_until("an answer", || (ask(&run, 0, &["-q"]).0 == 0).then_some(()));
            let mut stranger = inside(&run, &["python3", word(&script), way]);
            let stranger = stranger.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
            (run, Some(stranger))
        } else {
            (plan.run(&["/usr/bin/env", "python3", word(&script), way, word(&socket)]), None)
        };
        match stranger.as_mut().and_then(|stranger| stranger.stdout.take()) {
            Some(said) => {
                let mut lines = BufReader::new(said).lines();
                assert_eq!(lines.next().unwrap().unwrap(), "now");
                crate::support::send(run.pid(), libc::SIGSTOP);
                assert_eq!(lines.next().unwrap().unwrap(), "sent");
            }
            None => {
                run.line("now");
                crate::support::send(run.pid(), libc::SIGSTOP);
                run.line("sent");
            }
        }
        crate::support::send(run.pid(), libc::SIGCONT);
        // It is past the message when it answers, and nothing stays open.
        let from = Instant::now();
        let said = ask(&run, 0, &["-t", "5s"]).1;
        assert!(said.contains("pid 2, up"), "{way}: {said}");
        // Half of its patience, where other tests have taken names.
        assert!(from.elapsed() < Duration::from_secs(4), "{way}: {:?}", from.elapsed());
        match way {
            "notify" => wait_until("the word of a stranger", || {
                run.running.stderr().contains("is ignored: only the server's own count").then_some(())
            }),
            "probe" | "probe-oob" => wait_until("the answer of the probe", || {
                run.running.stderr().contains("the response came with file descriptors").then_some(())
            }),
            _ => {}
        }
        let few = || descriptors(run.pid()) <= 8 && run.children().len() == 1;
        assert!(happens_within(Duration::from_secs(5), few), "{way}: {} open", descriptors(run.pid()));
        if let Some(mut stranger) = stranger {
            crate::support::send(-(stranger.id() as i32), libc::SIGKILL);
            let _ = stranger.wait();
        }
        let from = run.stop();
        let end = run.end();
        // The namespace ends when somebody out here has reaped the stranger.
        assert!(end.code == 4 && end.since(from) < Duration::from_secs(5), "{way}: {end:?}");
    }
}

/// Root of a namespace below, and root of one beside it, reach the socket, and are not answered.
#[test]
fn only_its_own_pid_namespace_is_answered() {
    if !tools() || !crate::support::requires("unshare") {
        return;
    }
    let connect = r#"
import os, re, socket, sys
own = sys.argv[1]
for line in open("/proc/net/unix", errors="replace"):
    if re.search("@goward/%s/[0-9]+$" % own, line):
        s = socket.socket(socket.AF_UNIX)
        s.connect("\0" + line.split("@")[1].strip())
        print("answer", len(s.recv(10000)))
"#;
    let scratch = scratch();
    let connect = scratch.file("connect.py", connect, 0o644);
    let run = Plan::new("").fixture("echo-signals");
    run.line("ready");
    let link = std::fs::read_link(format!("/proc/{}/ns/pid", run.pid())).unwrap();
    let number: String = link.to_str().unwrap().chars().filter(char::is_ascii_digit).collect();
    let script = ["python3", word(&connect), number.as_str()];
    let said = |mut command: Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    wait_until("an answer", || (ask(&run, 0, &["-q"]).0 == 0).then_some(()));
    let own = said(inside(&run, &script));
    assert!(own.starts_with("answer ") && own != "answer 0\n", "{own:?}");
    let below = ["unshare", "--pid", "--fork"];
    assert_eq!(said(inside(&run, &[&below[..], &script].concat())), "answer 0\n", "a namespace below");
    let mut beside = Command::new(script[0]);
    beside.args(&script[1..]);
    assert_eq!(said(beside), "answer 0\n", "a namespace above");
}

/// A file is left in no directory, whichever way it ends; and where nothing is writable there is none.
#[test]
fn the_socket_for_notifications_leaves_nothing_behind() {
    if !tools() {
        return;
    }
    let scratch = scratch();
    let speaker = scratch.file("speaker.py", SPEAKER, 0o644);
    let own = "mount -t tmpfs -o mode=1777 none /dev/shm; ls -A /dev/shm";
    let run = Plan::new("--notify --user 65532:65532").setup(own).run(&["/usr/bin/env", "python3", word(&speaker)]);
    let ready = run.line("ready");
    assert!(ready.contains("/dev/shm/goward-"), "{ready}");
    let files = |run: &Run| std::fs::read_dir(format!("/proc/{}/root/dev/shm", run.pid())).unwrap().count();
    assert_eq!(files(&run), 1);
    assert_eq!(speak(&run, 1).1, "word 1");
    // The mount namespace stays for as long as somebody is in it.
    let pid = run.pid().to_string();
    let mut witness = Command::new("nsenter").args(["--target", &pid, "--mount", "sleep", "60"]).spawn().unwrap();
    wait_until("a witness", || (status(witness.id() as i32, "Name") == "sleep").then_some(()));
    let shm = format!("/proc/{}/root/dev/shm", witness.id());
    run.stop();
    _ = happens_within(Duration::from_secs(1), || std::fs::read_dir(&shm).is_ok_and(|files| files.count() == 0));
    let left = std::fs::read_dir(&shm).map(|files| files.count());
    let _ = witness.kill();
    let _ = witness.wait();
    assert!(left.as_ref().is_ok_and(|left| *left == 0), "{left:?}");
    assert_eq!(run.end().code, 4);
    let closed = "for d in /dev/shm /run /tmp; do mount --bind $d $d; mount -o remount,bind,ro $d; done";
    let speaker = format!("exec python3 -c '{}'", SPEAKER.replace('\'', "\""));
    let run = Plan::new("--notify --user 65532:65532").setup(closed).shell(&speaker);
    run.line("ready \0");
    assert_eq!(speak(&run, 1).1, "word 1");
    run.stop();
    assert_eq!(run.end().code, 4);
}

/// Where signals cannot be queued, the kernel says less of one: it is still no signal for the server, which would die of it.
#[test]
fn a_connection_is_no_signal_for_the_server() {
    if !tools() || !crate::support::requires("prlimit") {
        return;
    }
    let plan = Plan::new("--user 65532:65532").setup("prlimit --sigpending=0:0 --pid $$");
    let run = plan.shell("trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done");
    run.line("ready");
    for _ in 0..20 {
        assert_eq!(wait_until("an answer", || Some(ask(&run, 65532, &["-q"]).0)), 0);
    }
    // One of somebody's is.
    run.signal(libc::SIGIO);
    assert_eq!(run.end().code, 128 + libc::SIGIO);
}
