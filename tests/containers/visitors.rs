//! Somebody is in the container by `docker exec` when it is stopped. How long the container stays is measured from the server's
//! own end to the init's, on this machine's /proc: the end of a PID namespace waits for everybody in it, and what Docker takes to
//! say so is not goward's.

use super::support::{Container, GRACE, Image, LIMIT, docker, done, go_server, requires, turn, until};
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Who comes in.
struct Visitor {
    kind: &'static str,
    words: &'static [&'static str],
    /// By `docker exec -it`, and what is typed there.
    typed: Option<&'static str>,
    /// When this is in the list of processes he is there.
    shown: &'static str,
    /// So many milliseconds after the server's end the container is gone.
    gone_after: Range<u128>,
}

const SHELL: &str = "/bin/busybox";
/// Nothing but KILL ends it.
const DEAF: &[&str] = &[SHELL, "sh", "-c", "trap '' TERM HUP INT; while :; do /bin/busybox sleep 0.1; done"];
/// He went by himself, without the second that he had.
const AT_ONCE: Range<u128> = 0..900;
/// He was killed at the end of his second.
const A_SECOND: Range<u128> = 900..1500;

const KINDS: [Visitor; 5] = [
    Visitor {
        kind: "an interactive shell",
        words: &[SHELL, "sh"],
        typed: Some(""),
        shown: "busybox sh",
        gone_after: AT_ONCE,
    },
    Visitor {
        kind: "a program that obeys",
        words: &[SHELL, "sleep", "1000"],
        typed: None,
        shown: "sleep 1000",
        gone_after: AT_ONCE,
    },
    Visitor {
        kind: "one that ignores TERM and HUP",
        words: DEAF,
        typed: None,
        shown: "trap '' TERM HUP INT",
        gone_after: A_SECOND,
    },
    Visitor {
        kind: "an interactive shell with a background job",
        words: &[SHELL, "sh"],
        typed: Some("/bin/busybox sleep 1001 &\n"),
        shown: "sleep 1001",
        gone_after: AT_ONCE,
    },
    Visitor {
        kind: "a goward of its own",
        words: &["/goward", "--stop-timeout=9s", "--", SHELL, "sleep", "1002"],
        typed: None,
        shown: "/bin/busybox sleep 1002",
        gone_after: AT_ONCE,
    },
];

/// A `docker exec` that runs. Its terminal, if it has one, is open as long as this is.
struct Exec {
    client: Child,
    _input: Option<ChildStdin>,
}

impl Visitor {
    fn come_in(&self, container: &Container) -> Exec {
        let mut command = match self.typed {
            None => docker(&[&["exec", &container.name], self.words].concat()),
            // docker wants a terminal for -t; script(1) has one.
            Some(_) => {
                let mut script = Command::new("script");
                let words = self.words.join(" ");
                script.args(["-qfc", &format!("docker exec -it {} {words}", container.name), "/dev/null"]);
                script
            }
        };
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut input = client.stdin.take();
        if let (Some(input), Some(typed)) = (&mut input, self.typed) {
            input.write_all(typed.as_bytes()).unwrap();
        }
        let visitor = Exec { client, _input: input };
        let list = || done(&mut docker(&["top", &container.name, "-eo", "pid,args"]));
        until(&format!("{} is there", self.kind), container, || list().contains(self.shown));
        // Its traps may not be set yet, and nothing tells when they are.
        sleep(Duration::from_millis(300));
        visitor
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        _ = self.client.kill();
        _ = self.client.wait();
    }
}

/// A process that has ended, or is a zombie at most. /proc/PID/stat, whose name may hold anything.
fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Looks when the server and the init end, from now on.
fn watch(container: &Container) -> JoinHandle<[Instant; 2]> {
    let init = container.inspect("{{.State.Pid}}");
    let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
    let server = children.split_whitespace().next().expect("the server runs").to_owned();
    thread::spawn(move || {
        let began = Instant::now();
        [server, init].map(|pid| {
            while !has_ended(&pid) && began.elapsed() < LIMIT {
                sleep(Duration::from_millis(1));
            }
            Instant::now()
        })
    })
}

/// `docker stop`, and how long the init stayed after the server.
fn stayed(container: &Container, grace: Duration) -> Duration {
    let watch = watch(container);
    container.stop(grace);
    let [server, init] = watch.join().unwrap();
    init.saturating_duration_since(server)
}

#[test]
fn a_docker_exec_does_not_keep_the_container() {
    let Some(_turn) = turn().filter(|_| requires("busybox") && requires("script")) else { return };
    let image = Image::new(&[("good", &go_server("good")), ("bin/busybox", Path::new("/bin/busybox"))]);
    for visitor in &KINDS {
        let good = image.run(&["--network=none"], &["--", "/good"]);
        good.wait_for_log("starting");
        let _there = visitor.come_in(&good);
        let took = stayed(&good, GRACE).as_millis();
        let logs = good.logs();
        assert_eq!(good.exit_code(), 0, "{}\n{logs}", visitor.kind);
        assert!(logs.contains("INFO stopped"), "{}: the server had no time to stop\n{logs}", visitor.kind);
        assert!(visitor.gone_after.contains(&took), "{}: {took} ms\n{logs}", visitor.kind);
        assert!(
            logs.contains("sending SIGHUP and SIGTERM to processes that joined the container"),
            "{}\n{logs}",
            visitor.kind
        );
    }
}

/// What the server itself has started has the rest of the time, also beside a visitor, who has not.
#[test]
fn what_the_server_started_keeps_its_time_beside_a_docker_exec() {
    let Some(_turn) = turn().filter(|_| requires("busybox")) else { return };
    let image = Image::new(&[("bin/busybox", Path::new("/bin/busybox"))]);
    let server = |child: &str| {
        format!(
            "cd /bin; (trap \"{child}\" TERM; while :; do ./busybox sleep 0.1; done) & trap 'exit 3' TERM; echo ready
            while :; do ./busybox sleep 0.05; done"
        )
    };
    // One that needs two seconds, and one that would stay for ever: it is killed half a second before the end of 5.
    for (child, said, stays) in
        [("./busybox sleep 2; echo cleaned up; exit", true, 2000..3500), ("", false, 3500..5000)]
    {
        let words = ["--stop-timeout=5s", "--", SHELL, "sh", "-c", &server(child)];
        let run = image.run(&["--network=none"], &words);
        run.wait_for_log("ready");
        let _there = KINDS.iter().find(|visitor| visitor.words == DEAF).unwrap().come_in(&run);
        let took = stayed(&run, Duration::from_secs(5)).as_millis();
        let logs = run.logs();
        assert_eq!(run.exit_code(), 3, "{logs}");
        assert!(stays.contains(&took), "{took} ms\n{logs}");
        assert_eq!(logs.contains("cleaned up"), said, "{logs}");
    }
}
