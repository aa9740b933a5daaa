//! goward where it is meant to be: PID 1 of real containers, with real Go servers, stopped by a real `docker stop`.
//!
//! Everything is made here: a static goward, the servers of examples/servers, images FROM scratch. No registry is asked.
//! `tests/tools.sh all` gets what is needed. Without a Docker daemon these tests say SKIPPED, and fail where CI is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

#[path = "containers/rolling.rs"]
mod rolling;
#[path = "support/containers.rs"]
mod support;
#[path = "containers/visitors.rs"]
mod visitors;

use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use support::{
    AT_ONCE, GATE, GOWARD, GRACE, Image, LIMIT, TempDir, USER, docker, docker_is_there, done, get, go, go_command,
    go_is_there, go_server, go_temp, requires, run, skipped, turn, unique, until, vet, write,
};

// ---------------------------------------------------------------------------------------------------------------------
// Stopping

#[test]
fn a_hanging_server_is_dumped_and_gone_before_docker_kills() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["hang"]);
    let hang =
        image.run(&["--network=none"], &["--user", USER, "--dump=raw", "--log-format=json", "--", "/hang", "-now"]);
    hang.wait_for_log("stuck");

    let took = hang.stop(GRACE);

    let logs = hang.logs();
    assert!(took > Duration::from_secs(7), "gave the server less than its time: {took:?}\n{logs}");
    assert!(took < GRACE, "left only after {took:?}\n{logs}");
    assert_eq!(hang.exit_code(), 137, "{logs}");
    for part in
        ["SIGQUIT: quit", "goroutine 1 ", "net/http.(*Server).Shutdown", "main.hang", "net/http.(*conn).serve", "rip "]
    {
        assert!(logs.contains(part), "no {part:?} in\n{logs}");
    }
    let record = hang.record();
    assert_eq!(record["cause"], "deadline", "{record}");
    assert_eq!(record["code"], 137, "{record}");
    assert_eq!(record["signal"], "SIGTERM", "{record}");
    assert!(record["dump_after_ms"].as_u64().is_some_and(|ms| (8000..8500).contains(&ms)), "{record}");
}

#[test]
fn the_environment_sets_the_deadline() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["leak"]);
    let leak = image.run(
        &["--network=none", "-eGOWARD_STOP_TIMEOUT=4", "-eGOWARD_USER=65532:65532", "-eGOWARD_DUMP=raw", "-eLEAK=200"],
        &["/leak"],
    );
    leak.wait_for_log("leaked");

    let took = leak.stop(GRACE);

    let logs = leak.logs();
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(5), "{took:?}\n{logs}");
    assert_eq!(leak.exit_code(), 137, "{logs}");
    let leaked = logs.lines().filter(|line| line.starts_with("main.work(")).count();
    assert_eq!(leaked, 200, "goroutines of main.work in the dump");
}

// ---------------------------------------------------------------------------------------------------------------------
// goward dump

/// As little as a container can have: what is asked is answered, by reading memory that nothing else can show.
const BARE: [&str; 5] =
    ["--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=65532:65532"];

#[test]
fn the_goroutines_of_a_bare_container_are_shown() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["leak"]);
    let leak = image.run(&[&BARE[..], &["-eLEAK=300"]].concat(), &["--", "/leak"]);
    leak.wait_for_log("leaked");
    let shown = leak.exec(&[], &["/goward", "dump"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let text = shown.stdout;
    assert!(text.contains("300 × chan receive") && text.contains("main.work"), "{text}");
    assert!(text.starts_with("pid "), "{text}");
    // The server goes on as if nothing had been.
    assert_eq!(leak.processes().len(), 2, "{:?}", leak.logs());
}

/// Neither another user of the container, nor a process of a PID namespace below, nor a neighbour on the same network with the
/// same uid is given the memory, or a word.
#[test]
fn nobody_else_is_given_the_memory() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["leak"]);
    let leak = image.run(&["--network=host", "-eLEAK=3", "-ePORT=0"], &["--user", USER, "--", "/leak"]);
    leak.wait_for_log("leaked");
    let other = leak.exec(&["--user=1000:1000"], &["/goward", "dump"]);
    let said = &other.stderr;
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(said.contains("does not answer uid 1000") && other.stdout.is_empty(), "{said}");
    let own = leak.exec(&[&format!("--user={USER}")], &["/goward", "dump"]);
    assert_eq!(own.code, Some(0), "{own:?}");
    // The neighbour sees the socket, since that is one of the network, and has the same uid.
    let pid: i32 = leak.inspect("{{.State.Pid}}").parse().unwrap();
    let name = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
    let name = name.lines().rev().find_map(|line| {
        line.split_once('@')?.1.starts_with("goward-memory/").then(|| line.split_once('@').unwrap().1.to_owned())
    });
    let name = name.expect("the socket is to be seen on the host");
    let script = format!(
        "import socket,os,sys\nos.setgid(65532);os.setuid(65532)\ns=socket.socket(socket.AF_UNIX)\ns.connect(b'\\0'+{name:?}.encode())\n\
         data,fds,_,_=socket.recv_fds(s,4096,3)\nprint(len(data),len(fds))"
    );
    for words in [&["python3", "-c", &script][..], &["unshare", "--pid", "--fork", "python3", "-c", &script][..]] {
        let told = Command::new(words[0]).args(&words[1..]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), "0 0", "{told:?}");
    }
}

/// In a PID namespace that is a child of the container's, by root of the container, which would be answered outside it.
#[test]
fn a_namespace_below_is_given_nothing() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["leak"]);
    let leak = image.run(&["--network=none", "--cap-add=SYS_ADMIN", "-eLEAK=3"], &["--", "/leak"]);
    leak.wait_for_log("leaked");
    let pid = leak.inspect("{{.State.Pid}}");
    let inside = |words: &[&str]| {
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "--net", "--pid"]).args(words).output().unwrap()
    };
    let script = format!("exec {GOWARD} dump --init 1");
    let below = inside(&["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", &script]);
    assert_eq!(below.status.code(), Some(1), "{below:?}");
    assert!(below.stdout.is_empty(), "{below:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Large dumps

/// 10 MB in the second and a half that the dump has before the kill: as they come, and more of it where the time is given.
#[test]
fn the_dump_of_ten_thousand_goroutines_arrives_whole() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["leak"]);
    let options = ["--user", USER, "--dump=raw", "--stop-timeout=20s", "--dump-lead=15s", "--", "/leak"];
    let leak = image.run(&["--network=none", "-eLEAK=10000"], &options);
    leak.wait_for_log("leaked");

    let took = leak.stop(Duration::from_secs(20));

    let logs = leak.logs();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let leaked = logs.lines().filter(|line| line.starts_with("main.work(")).count();
    assert_eq!(leaked, 10_000, "goroutines of main.work in the dump");
    assert!(logs.contains("rip ") || logs.contains("pc "), "the registers at the end are missing");
}

/// What an operator sees of a thousand leaked goroutines: some twenty lines, in time; the dump itself in a file.
#[test]
fn groups_instead_of_a_thousand_goroutines() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["leak"]);
    let options = ["--user", USER, "--stop-timeout=8s", "--dump-file=/tmp/dump", "--", "/leak"];
    let leak = image.run(&["--network=none", "--tmpfs=/tmp:mode=1777", "-eLEAK=1000"], &options);
    leak.wait_for_log("leaked");

    let took = leak.stop(GRACE);

    let logs = leak.logs();
    assert_eq!(leak.exit_code(), 137, "{logs}");
    assert!(took > Duration::from_secs(5) && took < Duration::from_secs(8), "{took:?}\n{logs}");
    let lines = logs.lines().count();
    assert!((8..=30).contains(&lines), "{lines} lines\n{logs}");
    for part in ["1000", "main.work", "leak/main.go:25", "WaitGroup", "main.main", "leak/main.go:67"] {
        assert!(logs.contains(part), "no {part:?} in\n{logs}");
    }
    assert!(!logs.contains("goroutine 1 [") && !logs.contains("rip "), "the dump is in the log too\n{logs}");
}

#[test]
fn a_server_that_ignores_everything_is_gone_before_docker_kills() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["ignore"]);
    let ignore = image.run(&["--network=none"], &["--user", USER, "--dump=raw", "--log-format=json", "--", "/ignore"]);
    ignore.wait_for_log("serving");

    let took = ignore.stop(GRACE);

    let logs = ignore.logs();
    assert_eq!(ignore.exit_code(), 137, "{logs}");
    // Half a second before Docker's SIGKILL, which would leave no record. Docker itself may take a moment longer to say so.
    assert!(took > Duration::from_secs(9) && took < GRACE + Duration::from_secs(1), "{took:?}\n{logs}");
    let record = ignore.record();
    assert_eq!(record["cause"], "deadline", "{record}");
    assert!(record["kill_after_ms"].as_u64().is_some_and(|ms| (9500..10_000).contains(&ms)), "{record}");
    for signal in ["signal=terminated", "signal=quit", "signal=aborted"] {
        assert!(logs.contains(signal), "the server saw no {signal}\n{logs}");
    }
}

#[test]
fn a_good_server_finishes_its_request_and_stops_at_once() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["good"]);
    let good = image.run(&["-p127.0.0.1::8080"], &["--user", USER, "--", "/good"]);
    let address = good.address();
    assert_eq!(get(&address, "/"), "good test");

    let slow = thread::spawn(move || get(&address, "/slow?ms=1000"));
    sleep(Duration::from_millis(300)); // The request is under way; the server logs nothing that tells.
    let took = good.stop(GRACE);

    let logs = good.logs();
    assert_eq!(slow.join().unwrap(), "done after 1000 ms", "{logs}");
    assert!(took < AT_ONCE, "{took:?}\n{logs}");
    assert_eq!(good.exit_code(), 0, "{logs}");
    assert!(logs.contains("stopped"), "{logs}");
    assert!(!logs.contains("SIGQUIT"), "{logs}");
}

#[test]
fn a_stop_right_after_the_start_is_not_lost() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["good"]);
    for _ in 0..5 {
        // docker run -d comes back when the container was started, before goward or the server did anything.
        let good = image.run(&["--network=none"], &["--user", USER, "--", "/good"]);
        let took = good.stop(GRACE);
        assert!(took < AT_ONCE, "{took:?}\n{}", good.logs());
        // Go catches TERM only when main runs; before that it dies of it. Both are an answer to the signal.
        assert!([0, 143].contains(&good.exit_code()), "{}\n{}", good.exit_code(), good.logs());
    }
}

#[test]
fn orphans_are_reaped_and_stopped() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["children"]);
    let children = image.run(&["--network=none"], &["--user", USER, "--log-format=json", "--", "/children"]);
    children.wait_for_log("started");

    // Brief orphans end five times a second: over two seconds, no zombie is seen twice.
    let mut zombies_before = Vec::new();
    let mut most = 0;
    for _ in 0..8 {
        let processes = children.processes();
        most = most.max(processes.len());
        let zombies: Vec<String> = processes.iter().filter(|p| p.state == "Z").map(|p| p.pid.clone()).collect();
        assert!(!zombies.iter().any(|pid| zombies_before.contains(pid)), "zombies stay: {zombies:?}");
        zombies_before = zombies;
        sleep(Duration::from_millis(250));
    }
    assert!(most >= 6, "goward, the server, a worker and three daemons, but {most} processes");

    let took = children.stop(GRACE);

    let logs = children.logs();
    assert!(took < AT_ONCE, "{took:?}\n{logs}");
    assert_eq!(children.exit_code(), 0, "{logs}");
    let record = children.record();
    assert_eq!(record["cause"], "stopped", "{record}");
    let daemons = record["leftovers"].as_str().unwrap_or_default().matches("children").count();
    assert!(daemons >= 3, "the leftovers are not named: {record}");
}

#[test]
fn an_oom_kill_is_told_apart() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["leak"]);
    let leak = image.run(
        &["--network=none", "--memory=32m", "--memory-swap=32m", "-eLEAK=5000000"],
        &["--user", USER, "--log-format=json", "--", "/leak"],
    );

    assert_eq!(leak.wait(), 137);
    let record = leak.record();
    assert_eq!(record["cause"], "out-of-memory", "{record}");
    assert!(record["oom_kills"].as_u64().is_some_and(|kills| kills >= 1), "{record}");
}

#[test]
fn a_pids_limit_is_said_and_waited_for() {
    const NONE_TO_BE_HAD: &str = "cannot start a process: Resource temporarily unavailable (a pids or memory limit?)";
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["good"]);
    // At the start it is the end.
    let one = ["run", "--rm", "--label=goward-test", "--network=none", "--pids-limit=1", &image.tag];
    let one = [&one[..], &["--user", USER, "--", "/good"]].concat();
    // runc itself may want a thread more than it gets: then goward was never started.
    let said = (0..5).map(|_| run(&mut docker(&one), LIMIT)).find(|out| out.stderr.starts_with("goward: "));
    let said = said.expect("goward was started");
    assert_eq!((said.code, said.stderr), (Some(125), format!("goward: {NONE_TO_BE_HAD}\n")));

    // Later neither a probe nor a server that cannot be started is goward's end.
    let probe = ["--health", "exec:/goward probe http://127.0.0.1:8080/healthz", "--health-interval=500ms"];
    let words = [&["--user", USER, "--restart=always"], &probe[..], &["--log-format=json", "--", "/good"]].concat();
    let good = image.run(&["--network=none"], &words);
    good.wait_for_log("the server is healthy");
    let init = good.inspect("{{.State.Pid}}");
    let server = good.processes().into_iter().find(|process| process.pid != init).expect("the server");
    let limit = |processes| done(&mut docker(&["update", "--pids-limit", processes, &good.name]));
    limit("1");
    good.wait_for_log(&format!("health probe failed: {NONE_TO_BE_HAD}"));
    // Unless it has ended because it got no thread.
    run(Command::new("kill").args(["-KILL", &server.pid]), LIMIT);
    good.wait_for_log("restarting it in 400ms");
    limit("100");
    until("it serves again", &good, || good.logs().matches("INFO starting").count() == 2);

    let took = good.stop(GRACE);

    assert!(took < AT_ONCE, "{took:?}\n{}", good.logs());
    assert_eq!(good.exit_code(), 0, "{}", good.logs());
    assert!(good.record()["restarts"].as_u64().is_some_and(|restarts| restarts >= 3), "{}", good.record());
}

// ---------------------------------------------------------------------------------------------------------------------
// Privileges

#[test]
fn nothing_in_the_container_keeps_a_privilege() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["children"]);
    let children = image.run(&["--network=none"], &["--user", USER, "--", "/children"]);
    children.wait_for_log("started");

    let init = children.inspect("{{.State.Pid}}");
    let processes = children.processes();
    assert!(processes.iter().any(|p| p.pid == init), "PID 1 is not among {processes:?}");
    assert!(processes.len() >= 6, "{processes:?}");
    let mut seen = 0;
    for process in &processes {
        // The brief ones may be gone by now, and a zombie has no more to say.
        let Ok(status) = fs::read_to_string(format!("/proc/{}/status", process.pid)) else { continue };
        if field(&status, "State").starts_with('Z') {
            continue;
        }
        seen += 1;
        for ids in ["Uid", "Gid"] {
            assert_eq!(field(&status, ids), "65532\t65532\t65532\t65532", "{ids} of {process:?}");
        }
        assert!(["", "65532"].contains(&field(&status, "Groups")), "{process:?}:\n{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(&status, set), "0000000000000000", "{set} of {process:?}");
        }
        assert_eq!(field(&status, "NoNewPrivs"), "1", "{process:?}");
    }
    assert!(seen >= 6, "only {seen} processes could be looked at");
    children.stop(GRACE);
    assert_eq!(children.exit_code(), 0, "{}", children.logs());
}

#[test]
fn groups_that_a_container_is_given_stay_and_those_of_root_do_not() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["good"]);
    let as_user = ["--user", USER];
    let groups = |docker: &[&str], goward: &[&str]| {
        let good = image.run(&[&["--network=none"], docker].concat(), &[goward, &["--", "/good"]].concat());
        good.wait_for_log("starting");
        let status = fs::read_to_string(format!("/proc/{}/status", good.inspect("{{.State.Pid}}"))).unwrap();
        good.stop(GRACE);
        let mut groups: Vec<String> = field(&status, "Groups").split_whitespace().map(str::to_owned).collect();
        // Docker has the primary group among them.
        groups.retain(|group| group != "65532");
        (groups.join(" "), good.logs())
    };
    // What docker itself gives that user is right.
    let (right, _) = groups(&["--user=65532:65532", "--group-add=2000", "--group-add=3000"], &[]);
    let (seen, _) = groups(&["--group-add=2000", "--group-add=3000"], &as_user);
    assert_eq!((seen.as_str(), right.as_str()), ("2000 3000", "2000 3000"));
    assert_eq!(groups(&["--group-add=0", "--group-add=2000"], &as_user).0, "2000");
    assert_eq!(groups(&["--group-add=2000"], &[&as_user[..], &["--groups", "none"]].concat()).0, "");
    assert_eq!(groups(&["--group-add=2000"], &[&as_user[..], &["--groups", "7,8"]].concat()).0, "7 8");
    // Already that user.
    let user = ["--user=65532:65532", "--cap-drop=ALL"];
    let strict = [&as_user[..], &["--require-non-root"]].concat();
    let (seen, logs) = groups(&[&user[..], &["--group-add=2000"]].concat(), &strict);
    assert!(seen == "2000" && !logs.contains("WARN"), "{seen} {logs}");
    let with_root = [&user[..], &["--group-add=0"]].concat();
    let (seen, logs) = groups(&with_root, &as_user);
    assert!(seen == "0" && logs.contains("the server has the supplementary groups 0"), "{seen} {logs}");
    let refused = image.run(&with_root, &[&strict[..], &["--", "/good"]].concat());
    assert_eq!(refused.wait(), 125);
    assert!(refused.logs().contains("--require-non-root: the server has the supplementary groups 0"));
}

#[test]
fn a_read_only_root_and_a_user_without_an_entry_are_enough() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["good"]);
    let cases: [(&[&str], &[&str]); 3] = [
        (&["--read-only"], &["--user", "12345:23456", "--", "/good"]),
        (&["--read-only", "--cap-drop=ALL", "--user=12345:23456"], &["/good"]),
        // As OpenShift does it: any uid, and the group of root. What --user asks for is there already.
        (
            &["--read-only", "--cap-drop=ALL", "--user=65532:65532", "--security-opt=no-new-privileges"],
            &["--user", USER, "--require-non-root", "--", "/good"],
        ),
    ];
    for (docker, goward) in cases {
        let good = image.run(&[docker, &["--network=none"]].concat(), goward);
        good.wait_for_log("starting");
        let took = good.stop(GRACE);
        let logs = good.logs();
        assert!(took < AT_ONCE, "{took:?}\n{logs}");
        assert!([0, 143].contains(&good.exit_code()), "{docker:?} {goward:?}\n{logs}");
        assert!(!logs.contains("WARN"), "{docker:?} {goward:?}\n{logs}");
    }
}

/// The same files can be opened as with `docker run --user`, and belong to the same user and group.
#[test]
fn own_stdio_is_what_docker_does_for_its_own_user() {
    let Some(_turn) = turn().filter(|_| requires("busybox")) else { return };
    let image = Image::new(&[("bin/busybox", Path::new("/bin/busybox"))]);
    let script =
        "cd /proc/self/fd; (echo said > /proc/1/fd/1) 2>/dev/null; echo init-$?; (echo said > /dev/stdout) 2>/dev/null
        echo dev-$?; /bin/busybox stat -L -c owner-%u:%g 1 2; (: < /proc/1/mem) 2>/dev/null; echo mem-$?";
    let seen = |docker: &[&str], goward: &[&str]| {
        let words = [goward, &["-q", "--", "/bin/busybox", "sh", "-c", script]].concat();
        let container = image.run(&[&["--network=none"], docker].concat(), &words);
        assert_eq!(container.wait(), 0, "{}", container.logs());
        container.logs().replace('\r', "")
    };
    for terminal in [&[][..], &["-t"]] {
        let docker = seen(&[terminal, &["--user", USER]].concat(), &[]);
        assert!(docker.contains("said") && docker.contains("init-0") && docker.contains("owner-65532:"), "{docker}");
        assert_eq!(seen(terminal, &["--user", USER, "--own-stdio"]), docker);
        let closed = seen(terminal, &["--user", USER]);
        for part in ["init-1", "dev-1", "owner-0:", "mem-1"] {
            assert!(closed.contains(part), "no {part} in {closed}");
        }
    }
}

#[test]
fn a_terminal_of_a_container_is_not_typed_into() {
    let Some(_turn) = turn().filter(|_| requires("busybox")) else { return };
    let image = Image::new(&[("bin/busybox", Path::new("/bin/busybox"))]);
    let filters = |docker: &[&str]| {
        let words = ["-q", "--user", USER, "--", "/bin/busybox", "grep", "Seccomp_filters", "/proc/self/status"];
        let container = image.run(&[&["--network=none"], docker].concat(), &words);
        assert_eq!(container.wait(), 0, "{}", container.logs());
        field(&container.logs(), "Seccomp_filters").parse::<u32>().unwrap()
    };
    // Docker's own filter alone where there is no terminal.
    let docker = filters(&[]);
    assert_eq!(filters(&["-i"]), docker);
    assert_eq!(filters(&["-t"]), docker + 1);
    assert_eq!(filters(&["-t", "--cap-drop=ALL", "--user=65532:65532"]), docker + 1);
}

#[test]
fn running_as_root_is_said_once_or_refused() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["good"]);

    let root = image.run(&["--network=none"], &["/good"]);
    root.wait_for_log("starting");
    root.stop(GRACE);
    let logs = root.logs();
    let warnings: Vec<&str> = logs.lines().filter(|line| line.contains("WARN")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("root"), "{warnings:?}\n{logs}");

    let refused = image.run(&["--network=none"], &["--require-non-root", "--", "/good"]);
    assert_eq!(refused.wait(), 125);
    assert!(refused.logs().contains("root"), "{}", refused.logs());
    assert!(!refused.logs().contains("starting"), "{}", refused.logs());
}

#[test]
fn a_user_that_cannot_be_had_is_refused() {
    let Some(_turn) = turn() else { return };
    let image = Image::with(&["good"]);
    let cases: [(&[&str], &str, &str); 5] = [
        (&[], "nosuchuser", "nosuchuser"),
        (&[], "12345", "12345"), // no group given, and no entry to tell it
        (&[], "12345:nosuchgroup", "nosuchgroup"),
        (&[], "4294967296:1", "4294967296"),
        (&["--cap-drop=ALL"], USER, "privileges"), // root, but without the right to become another
    ];
    for (docker, user, named) in cases {
        let refused = image.run(&[docker, &["--network=none"]].concat(), &["--user", user, "--", "/good"]);
        assert_eq!(refused.wait(), 125, "--user {user}\n{}", refused.logs());
        assert!(refused.logs().contains(named), "--user {user}\n{}", refused.logs());
        assert!(!refused.logs().contains("starting"), "--user {user}\n{}", refused.logs());
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Programs that cannot be started

#[test]
fn a_program_that_cannot_be_started_is_explained() {
    let Some(_turn) = turn() else { return };
    let (dynamic, loader) = dynamic_program();
    let image = Image::new(&[("good", &go_server("good")), ("dynamic", &dynamic), ("etc/text", Path::new(file!()))]);
    let cases: [(&str, i64, &str); 4] = [
        ("/missing", 127, "/missing"),
        ("/dynamic", 127, &loader),
        ("/etc/text", 126, "/etc/text"), // not executable
        ("/etc", 126, "/etc"),
    ];
    for (program, code, named) in cases {
        let failed = image.run(&["--network=none"], &["--user", USER, "--", program]);
        let (exit, logs) = (failed.wait(), failed.logs());
        assert_eq!(exit, code, "{program}\n{logs}");
        assert!(logs.contains(named), "{program}: nothing says {named}\n{logs}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The files that users copy

#[test]
fn dockerfile_example_builds_and_stops_well_on_every_base() {
    if !docker_is_there() || !go_is_there() || !requires("busybox") {
        return;
    }
    let id = unique();
    let go = StandIn::golang(&id);
    let alpine = StandIn::new(&format!("{id}-alpine"), &id, &["PATH=/bin"], busybox);
    let distroless =
        StandIn::new(&format!("{id}-distroless"), &id, &["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"], |root| {
            write(
                &root.join("etc/passwd"),
                "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
            );
            write(&root.join("etc/group"), "root:x:0:\nnonroot:x:65532:\n");
            certificates(root);
            fs::create_dir_all(root.join("home/nonroot")).unwrap();
            fs::create_dir_all(root.join("tmp")).unwrap();
        });

    // The context is the repository as Dockerfile.example and .dockerignore see it, with some things that must stay out.
    let repo = Path::new(env!("CARGO_MANIFEST_DIR"));
    let context = TempDir::new();
    let at = |path: &str| context.0.join(path);
    for file in ["Dockerfile.example", ".dockerignore"] {
        fs::copy(repo.join(file), at(file)).unwrap();
    }
    fs::create_dir_all(at("examples")).unwrap();
    done(Command::new("cp").arg("-R").arg(repo.join("examples/servers")).arg(at("examples/")));
    let release = at("target/x86_64-unknown-linux-musl/release/goward");
    fs::create_dir_all(release.parent().unwrap()).unwrap();
    fs::copy(GOWARD, &release).unwrap();
    fs::set_permissions(&release, fs::Permissions::from_mode(0o644)).unwrap(); // as a download leaves it
    write(&at(".env"), "SECRET=1\n");
    write(&at("target/junk"), "junk\n");

    let build = |target: &str| {
        let image = Image { tag: format!("{id}-{target}-image") };
        done(
            docker(&[
                "build",
                "--force-rm",
                "-q",
                "-t",
                &image.tag,
                "--target",
                target,
                "--build-arg",
                "VERSION=9.8.7",
            ])
            .args(["--build-arg", &format!("GO_IMAGE={}", go.tag)])
            .args(["--build-arg", &format!("ALPINE_IMAGE={}", alpine.tag)])
            .args(["--build-arg", &format!("DISTROLESS_IMAGE={}", distroless.tag)])
            .args(["-f", at("Dockerfile.example").to_str().unwrap(), context.0.to_str().unwrap()]),
        );
        image
    };
    // The compiler takes both processors; nobody's time is measured meanwhile.
    let (scratch, alpine, distroless) = {
        let _alone = GATE.write().unwrap_or_else(|e| e.into_inner());
        (build("scratch"), build("alpine"), build("distroless"))
    };

    let _turn = turn();
    for image in [&scratch, &alpine, &distroless] {
        let config = done(&mut docker(&["inspect", "-f", "{{.Config.User}} {{json .Config.Entrypoint}}", &image.tag]));
        assert_eq!(config.trim(), r#"65532:65532 ["/goward","--","/server"]"#, "{}", image.tag);

        let check = done(&mut docker(&["inspect", "-f", "{{json .Config.Healthcheck.Test}}", &image.tag]));
        assert_eq!(check.trim(), r#"["CMD","/goward","status"]"#, "{}", image.tag);

        // Docker's interval is shortened, and it is still goward that says so.
        let confined = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--health-interval=500ms"];
        let server = image.run(&[&["-p127.0.0.1::8080"], &confined[..]].concat(), &[]);
        assert_eq!(get(&server.address(), "/"), "good 9.8.7", "{}", image.tag);
        until("docker inspect says healthy", &server, || server.inspect("{{.State.Health.Status}}") == "healthy");
        assert!(server.logs().contains("the server is healthy"), "{}", server.logs());
        let took = server.stop(GRACE);
        assert!(took < AT_ONCE, "{}: {took:?}\n{}", image.tag, server.logs());
        assert_eq!(server.exit_code(), 0, "{}\n{}", image.tag, server.logs());

        let files = server.files();
        let has = |name: &str| files.iter().any(|file| file.trim_end_matches('/') == name);
        assert!(has("goward") && has("server") && has("etc/ssl/certs/ca-certificates.crt"), "{}: {files:?}", image.tag);
        assert!(!has("src") && !has("usr/local/go") && !has(".env"), "{}: {files:?}", image.tag);
    }
    let files = scratch.run(&["--network=none"], &[]).files();
    assert!(files.iter().any(|file| file == "tmp/") && !files.iter().any(|file| file == "bin/sh"), "{files:?}");
}

#[test]
fn the_example_servers_are_formatted_and_vetted() {
    if go_is_there() {
        vet(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers"));
        vet(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rolling"));
    }
}

#[test]
fn the_examples_tell_goward_the_number_of_the_orchestrator() {
    let seconds = |text: &Value| text.as_str().unwrap().trim_end_matches('s').parse::<u64>().unwrap();
    if !yaml_is_there() {
        return;
    }
    let [compose] = yaml("compose.yaml").try_into().unwrap();
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        let environment = &service["environment"];
        assert_eq!(seconds(&environment["GOWARD_STOP_TIMEOUT"]), seconds(&service["stop_grace_period"]), "{name}");
        understood(environment.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value)));
    }
    // Its image has a HEALTHCHECK, which is the condition for this one.
    assert_eq!(services["worker"]["depends_on"]["server"]["condition"], "service_healthy", "{compose}");
    assert_eq!(services["worker"]["image"], services["server"]["image"], "{compose}");

    if !yaml_is_there() {
        return;
    }
    let [deployment, service] = yaml("kubernetes.yaml").try_into().unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let variables: Vec<_> = container["env"].as_array().unwrap().iter().collect();
    let set = |name: &str| &variables.iter().find(|variable| variable["name"] == name).expect("it is set")["value"];
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert_eq!(seconds(set("GOWARD_STOP_TIMEOUT")), grace);
    assert!(seconds(set("GOWARD_DRAIN")) < grace);
    understood(variables.iter().map(|variable| (variable["name"].as_str().unwrap(), &variable["value"])));
    for (probe, command) in
        [("startupProbe", &["/goward", "status"][..]), ("readinessProbe", &["/goward", "status", "--ready"])]
    {
        assert_eq!(container[probe]["exec"]["command"], serde_json::json!(command), "{probe}");
        let missing = run(Command::new(GOWARD).args(&command[1..]).args(["--pid", "2147483647"]), LIMIT);
        assert_eq!(missing.code, Some(1), "goward does not understand the {probe}: {missing:?}");
    }
    assert_eq!(container["livenessProbe"]["httpGet"]["port"], container["ports"][0]["name"]);
    assert_eq!(service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]);
}

/// The documents of an example, as a real YAML parser sees them.
fn yaml(name: &str) -> Vec<Value> {
    let program = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let json = run(Command::new("python3").args(["-c", program]).arg(path), LIMIT);
    assert_eq!(json.code, Some(0), "{name} (python3-yaml: tests/tools.sh all): {}", json.stderr);
    serde_json::from_str(&json.stdout).unwrap()
}

fn yaml_is_there() -> bool {
    let there = Command::new("python3").args(["-c", "import yaml"]).output();
    there.is_ok_and(|out| out.status.success()) || skipped("python3-yaml is missing")
}

/// Whether goward takes these variables for what they are meant to be.
fn understood<'a>(variables: impl Iterator<Item = (&'a str, &'a Value)>) {
    let ours =
        variables.filter(|(name, _)| name.starts_with("GOWARD_")).map(|(name, value)| (name, value.as_str().unwrap()));
    let ours: Vec<_> = ours.collect();
    let out = run(Command::new(GOWARD).args(["--", "/bin/true"]).envs(ours.iter().copied()), LIMIT);
    assert!(out.code == Some(0) && !out.all().contains("not an option"), "{ours:?}: {out:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// As the init that Docker itself puts in

#[test]
fn dockerd_takes_it_as_its_init() {
    let Some(_turn) = turn() else { return };
    let daemon = Daemon::start();
    let docker = |args: &[&str]| daemon.docker(args);

    let info = done(&mut docker(&["info", "--format", "{{.InitBinary}} {{.InitCommit.ID}}"]));
    assert!(info.starts_with(daemon.init().to_str().unwrap()), "{info}");
    assert!(!info.contains("N/A"), "dockerd could not read the version: {info}");

    let context = TempDir::new();
    fs::copy(go_server("good"), context.0.join("good")).unwrap();
    fs::copy(go_server("ignore"), context.0.join("ignore")).unwrap();
    write(&context.0.join("Dockerfile"), "FROM scratch\nCOPY good ignore /\n");
    done(docker(&["build", "-q", "-t", "servers"]).arg(&context.0));

    done(&mut docker(&["run", "-d", "--init", "--network=none", "--name=good", "servers", "/good"]));
    let started = Instant::now();
    while !run(&mut docker(&["logs", "good"]), LIMIT).all().contains("starting") {
        assert!(started.elapsed() < LIMIT, "the server does not start");
        sleep(Duration::from_millis(100));
    }
    sleep(Duration::from_millis(300)); // It says so a moment before it listens.
    let top = done(&mut docker(&["top", "good", "-eo", "pid,args"]));
    assert!(top.contains("/sbin/docker-init"), "{top}");
    let began = Instant::now();
    done(&mut docker(&["stop", "-t", "10", "good"]));
    assert!(began.elapsed() < AT_ONCE, "TERM was not forwarded");
    assert_eq!(done(&mut docker(&["inspect", "-f", "{{.State.ExitCode}}", "good"])).trim(), "0");
    assert!(run(&mut docker(&["logs", "good"]), LIMIT).all().contains("stopped"));

    // The exit code is the program's own, and its messages stay alone.
    let failed = run(&mut docker(&["run", "--init", "--network=none", "-ePORT=none", "servers", "/good"]), LIMIT);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let lines = failed.all();
    assert!(
        lines.lines().all(|line| line.contains(" INFO starting ") || line.contains(" ERROR server failed ")),
        "{lines}"
    );
    let missing = run(&mut docker(&["run", "--init", "--network=none", "servers", "/missing"]), LIMIT);
    assert_eq!(missing.code, Some(127), "{missing:?}");

    // As tini it has no deadline of its own: Docker's ends the container.
    done(&mut docker(&["run", "-d", "--init", "--network=none", "--name=ignore", "servers", "/ignore"]));
    sleep(Duration::from_millis(500));
    let began = Instant::now();
    done(&mut docker(&["stop", "-t", "4", "ignore"]));
    assert!(began.elapsed() > Duration::from_millis(3900), "it ended before Docker's time: {:?}", began.elapsed());
}

/// A second dockerd that knows nothing of the first and whose `--init` is goward.
struct Daemon {
    root: TempDir,
    process: std::process::Child,
}

impl Daemon {
    fn start() -> Self {
        let root = TempDir::short(); // it holds sockets, whose paths must not be long
        let at = |name: &str| root.0.join(name).to_str().unwrap().to_owned();
        fs::copy(GOWARD, at("docker-init")).unwrap();
        write(Path::new(&at("daemon.json")), "{}"); // not the machine's own, whose settings contradict these
        let log = fs::File::create(at("log")).unwrap();
        // In a network of its own: a dockerd without a bridge removes docker0, and the machine's daemon needs it.
        let process = as_root("unshare")
            .args(["--net", "--", "dockerd"])
            .args(["--config-file", &at("daemon.json"), "--init-path", &at("docker-init")])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["-H", &format!("unix://{}", at("socket")), "--storage-driver=vfs"])
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
            .args(["--containerd-namespace", &unique(), "--containerd-plugins-namespace", &unique()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("dockerd starts");
        let mut daemon = Self { root, process };
        let began = Instant::now();
        while run(&mut daemon.docker(&["version"]), LIMIT).code != Some(0) {
            let log = || fs::read_to_string(daemon.root.0.join("log")).unwrap_or_default();
            let gone = daemon.process.try_wait().unwrap();
            assert!(gone.is_none(), "dockerd ended: {gone:?}\n{}", log());
            assert!(began.elapsed() < LIMIT, "dockerd does not answer\n{}", log());
            sleep(Duration::from_millis(200));
        }
        daemon
    }

    fn init(&self) -> PathBuf {
        self.root.0.join("docker-init")
    }

    fn docker(&self, args: &[&str]) -> Command {
        let mut command = docker(&["-H", &format!("unix://{}", self.root.0.join("socket").display())]);
        command.args(args);
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for id in run(&mut self.docker(&["ps", "-aq"]), LIMIT).stdout.lines() {
            run(&mut self.docker(&["rm", "-f", id]), LIMIT);
        }
        // TERM, so that it unmounts and ends its own helpers; by the number in its file, as sudo may be in between.
        let pid = fs::read_to_string(self.root.0.join("pid")).unwrap_or_else(|_| self.process.id().to_string());
        run(as_root("kill").args(["-TERM", pid.trim()]), LIMIT);
        let began = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && began.elapsed() < LIMIT {
            sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        for mounted in ["data", "exec"] {
            run(as_root("rm").args(["-rf", "--one-file-system"]).arg(self.root.0.join(mounted)), LIMIT);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Bases, and what is on this machine

/// A base image made here in place of one that would have to be pulled.
struct StandIn {
    tag: String,
    label: String,
}

impl StandIn {
    fn new(tag: &str, label: &str, env: &[&str], fill: impl FnOnce(&Path)) -> Self {
        let temp = TempDir::new();
        let (root, tar) = (temp.0.join("root"), temp.0.join("tar"));
        fs::create_dir(&root).unwrap();
        fill(&root);
        // What a compiler needs, and not its own source and tests: 12,000 files fewer.
        let out = ["./usr/local/go/src/cmd", "./usr/local/go/test", "./usr/local/go/misc", "*_test.go", "testdata"];
        done(
            Command::new("tar")
                .args(out.map(|pattern| format!("--exclude={pattern}")))
                .args(["--owner=0", "--group=0", "-C"])
                .args([&root, Path::new("-cf"), &tar, Path::new(".")]),
        );
        let mut import = docker(&["import", "--change", &format!("LABEL goward-test={label}")]);
        for variable in env {
            import.args(["--change", &format!("ENV {variable}")]);
        }
        done(import.arg(&tar).arg(tag));
        Self { tag: tag.to_owned(), label: label.to_owned() }
    }

    /// In place of golang:…-alpine: busybox, the toolchain of these tests with what it has compiled, certificates.
    fn golang(id: &str) -> Self {
        let env = ["PATH=/usr/local/go/bin:/bin", "GOTOOLCHAIN=local", "GOPROXY=off", "GOCACHE=/go-cache"];
        Self::new(&format!("{id}-golang"), id, &env, |root| {
            busybox(root);
            certificates(root);
            fs::create_dir_all(root.join("usr/local")).unwrap();
            fs::create_dir_all(root.join("tmp")).unwrap();
            // A cache of its own, which has no more than the builds need.
            let cache = go_temp().join("golang-cache");
            let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers");
            let mut build = go_command(&servers);
            done(build.env("GOCACHE", &cache).args(["build", "-trimpath", "-o", "/dev/null", "./good"]));
            let goroot = done(Command::new(go()).args(["env", "GOROOT"]));
            for (from, to) in [(Path::new(goroot.trim()), "usr/local/go"), (&cache, "go-cache")] {
                let to = root.join(to);
                // Linked, not copied, where the file system is the same.
                if run(Command::new("cp").arg("-RLl").args([from, &to]), LIMIT).code != Some(0) {
                    let _ = fs::remove_dir_all(&to);
                    done(Command::new("cp").arg("-RL").args([from, &to]));
                }
            }
        })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        run(&mut docker(&["rmi", "-f", &self.tag]), LIMIT);
        // The build stages, which have no name but inherit the label.
        run(&mut docker(&["image", "prune", "-f", "--filter", &format!("label=goward-test={}", self.label)]), LIMIT);
    }
}

fn busybox(root: &Path) {
    let bin = root.join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox-static: tests/tools.sh all");
    for applet in ["sh", "mkdir", "chmod", "echo"] {
        symlink("busybox", bin.join(applet)).unwrap();
    }
}

fn certificates(root: &Path) {
    let to = root.join("etc/ssl/certs/ca-certificates.crt");
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if fs::copy("/etc/ssl/certs/ca-certificates.crt", &to).is_err() {
        write(&to, "# none on this machine\n");
    }
}

/// A program of this machine that needs a loader, and the loader.
fn dynamic_program() -> (PathBuf, String) {
    for program in ["/bin/ls", "/bin/sh", "/usr/bin/docker"] {
        let Ok(bytes) = fs::read(program) else { continue };
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned();
        let loader = text.split('\0').find_map(|part| part.find("/lib").map(|at| part[at..].to_owned()));
        if let Some(loader) = loader.filter(|loader| loader.contains("/ld-")) {
            return (program.into(), loader);
        }
    }
    panic!("no dynamically linked program found on this machine");
}

/// A value of /proc/PID/status.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':').map(str::trim);
    status.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in\n{status}"))
}

fn as_root(program: &str) -> Command {
    if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}
