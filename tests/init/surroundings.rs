//! Surroundings that are broken: streams that nobody reads or that are closed, no /proc, nothing writable, no processes
//! to be had.

use crate::plan::{FullPipe, Plan, Run, children, fixture, goward, root, scratch, state, status, wait_until, word};
use crate::support::{happens_within, send, skipped};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Everything an init does, and within the time: forwards, reaps, kills. On a busy machine anybody may be late; goward is
/// not late three times in a row.
fn does_its_work(start: impl Fn() -> Run, what: &str) {
    let mut took = Vec::new();
    while took.len() < 3 && took.last().is_none_or(|took| *took >= ms(2000)) {
        let run = start();
        run.line("ready");
        run.signal(libc::SIGUSR1);
        run.line("usr1");
        for _ in 0..500 {
            run.signal(libc::SIGUSR2);
            run.signal(libc::SIGWINCH);
        }
        let reaped = happens_within(Duration::from_secs(2), || run.zombies() == 0);
        assert!(reaped, "{what}: zombies");
        let from = run.stop();
        let end = run.end();
        took.push(end.since(from));
        assert_eq!(end.code, 137, "{what}");
    }
    assert!(took.iter().all(|took| *took > ms(1780)) && took.iter().any(|took| *took < ms(2000)), "{what}: {took:?}");
}

const SERVER: &str = "trap 'echo usr1; (sh -c \"exit 3\" &)' USR1; trap '' TERM QUIT ABRT USR2; echo ready; while :; do sleep 0.02; done";

#[test]
fn a_full_stderr_is_never_waited_for() {
    if !root() {
        return;
    }
    for options in ["--stop-timeout 2s -vv", "--stop-timeout 2s --user 65532:65532 --log-format json -vv"] {
        for plan in [Plan::new(options), Plan::new(options).child()] {
            let scratch = scratch();
            let pipe = FullPipe::new(&scratch);
            let plan = plan.setup(&pipe.as_stderr());
            does_its_work(|| plan.shell(SERVER), options);
        }
    }
    // Where the pipe cannot be opened a second time.
    let scratch = scratch();
    let pipe = FullPipe::new(&scratch);
    let plan = Plan::new("--stop-timeout 2s -vv").setup("umount -l /proc").setup(&pipe.as_stderr());
    does_its_work(|| plan.shell(SERVER), "without /proc");
}

#[test]
fn the_last_words_do_not_make_it_late() {
    if !root() {
        return;
    }
    // There is little room between the kill and the end here; one of three is enough to see that there is any.
    let took: Vec<_> = (0..3)
        .map(|_| {
            let scratch = scratch();
            let pipe = FullPipe::new(&scratch);
            let run = Plan::new("--stop-timeout 400ms").setup(&pipe.as_stderr()).fixture("ignore-all");
            run.line("ready");
            let from = run.stop();
            run.end().since(from)
        })
        .collect();
    assert!(took.iter().any(|took| *took < ms(400)), "{took:?}");
}

#[test]
fn a_full_stderr_at_the_start_is_not_waited_for_either() {
    if !root() {
        return;
    }
    for options in ["--nonsense", "--user no-such-user"] {
        let scratch = scratch();
        let pipe = FullPipe::new(&scratch);
        let run = Plan::new(options).setup(&pipe.as_stderr()).fixture("exit 0");
        assert!(
            happens_within(Duration::from_secs(3), || run.running.ending().is_some()),
            "{options} waits for stderr"
        );
        assert_eq!(run.end().code, 125);
    }
}

#[test]
fn a_socket_that_nobody_reads_and_a_file() {
    if !root() {
        return;
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    while (&theirs).write(&[0; 4096]).is_ok() {}
    while (&theirs).write(&[0]).is_ok() {}
    theirs.set_nonblocking(false).unwrap();
    let mut goward = Command::new(goward());
    goward.args(["-vv", "--stop-timeout", "2s", "--", fixture(), "ignore-all"]).stdout(Stdio::piped());
    let mut goward = goward.stderr(OwnedFd::from(theirs)).spawn().unwrap();
    goward.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    let from = Instant::now();
    send(goward.id() as i32, libc::SIGTERM);
    assert_eq!(goward.wait().unwrap().code(), Some(137));
    assert!(from.elapsed() < ms(2000), "{:?}", from.elapsed());
    drop(ours);

    let scratch = scratch();
    let file = scratch.path("log");
    let run = Plan::new("").setup(&format!("exec 2>{}", word(&file))).fixture("exit 3");
    assert_eq!(run.end().code, 3);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.ends_with('\n') && text.contains("exited by itself: exit 3, ran "), "{text}");
}

#[test]
fn with_nothing_to_do_it_sleeps() {
    if !root() {
        return;
    }
    let run = Plan::new("").fixture("stop-slowly 0");
    run.line("ready");
    let wakes = || status(run.pid(), "voluntary_ctxt_switches");
    wait_until("it sleeps", || (state(run.pid())? == 'S').then_some(()));
    // On a busy machine the start may not be over yet.
    let sleeps_on = || {
        let before = wakes();
        !happens_within(ms(1500), || wakes() != before)
    };
    assert!((0..3).any(|_| sleeps_on()), "it wakes up again and again");
    assert_eq!(status(run.pid(), "Threads"), "1");
}

#[test]
fn a_stderr_that_is_gone() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let pipe = scratch.path("pipe");
    let pipe = word(&pipe);
    // Its only reader has closed it.
    let broken = format!("mkfifo {pipe}; exec 9<>{pipe}; exec 2>{pipe}; exec 9<&-");
    for (setup, what) in [(broken.as_str(), "broken"), ("exec 2>&-", "closed"), ("exec 2>/dev/full", "full disk")] {
        let run = Plan::new("-vv").setup(setup).fixture("echo-signals");
        run.line("ready");
        run.signal(libc::SIGHUP);
        run.line("HUP from");
        run.stop();
        let end = run.end();
        assert_eq!(end.code, 0, "{what}");
        // SIGPIPE of goward's own writing is no news for the server.
        assert_eq!(end.out.lines().skip(1).collect::<Vec<_>>(), ["HUP from pid 1", "TERM from pid 1"], "{what}");
    }
    let plan = Plan::new("--stop-timeout 2s -vv").setup(&broken.replace("mkfifo", ": mkfifo"));
    does_its_work(|| plan.shell(SERVER), "broken");
}

#[test]
fn closed_stdio_is_no_error_and_stays_closed() {
    if !root() {
        return;
    }
    for (setup, open) in [
        ("exec 0<&-", vec!["1", "2"]),
        ("exec 1>&-", vec!["0", "2"]),
        ("exec 2>&-", vec!["0", "1"]),
        ("exec 0<&- 1>&- 2>&-", vec![]),
    ] {
        for options in ["-vv", "-vv --user 65532:65532", "-vv --user 65532:65532 --own-stdio"] {
            let scratch = scratch();
            let file = scratch.path("report");
            let run = Plan::new(options).setup(setup).fixture(&format!("report {}", word(&file)));
            let end = run.end();
            assert_eq!(end.code, 0, "{options} with {setup}: {}", end.err);
            let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            let fds: Vec<_> = report["fds"].as_object().unwrap().keys().filter(|fd| fd.len() == 1).collect();
            assert_eq!(fds, open, "{options} with {setup}: {}", report["fds"]);
        }
        let scratch = scratch();
        let ready = scratch.path("ready");
        let run = Plan::new("").setup(setup).fixture(&format!("echo-signals --ready {}", word(&ready)));
        wait_until("it is ready", || ready.exists().then_some(()));
        let from = run.stop();
        let end = run.end();
        assert!(end.code == 0 && end.since(from) < ms(1000), "{setup}");
    }
    // A closed stdin is tini's end.
    assert_eq!(Plan::new("").stage("--stdin closed").fixture("exit 4").end().code, 4);
}

#[test]
fn without_proc() {
    if !root() {
        return;
    }
    for setup in ["umount -l /proc", "mount -t tmpfs none /proc"] {
        let run = Plan::new("--stop-timeout 2s")
            .setup(setup)
            .shell("\"$FIXTURE\" orphans 50; \"$FIXTURE\" leftover ignores x; exec \"$FIXTURE\" stop-slowly 0 6");
        run.line("ready");
        wait_until("orphans are reaped", || (run.zombies() == 0).then_some(()));
        let from = run.stop();
        let end = run.end();
        let took = end.since(from);
        assert!(end.code == 6 && took > ms(1780) && took < ms(2000), "{setup}: {took:?} {}", end.err);
        assert!(end.err.contains("sending SIGTERM to the processes left behind"), "{}", end.err);
        // As an ordinary process goward cannot know whose they are: it leaves, in time, and kills no stranger.
        let run = Plan::new("--stop-timeout 2s")
            .child()
            .setup(setup)
            .shell("\"$FIXTURE\" leftover ignores x; exec \"$FIXTURE\" stop-slowly 0 6");
        run.line("ready");
        let from = run.stop();
        let end = run.end();
        assert!(end.code == 6 && end.since(from) < ms(2000), "{:?} {}", end.since(from), end.err);
    }
}

#[test]
fn with_a_read_only_root() {
    if !root() {
        return;
    }
    let run = Plan::new("--user 65532:65532")
        .setup("mount -o remount,bind,ro / && ! touch /x 2>/dev/null")
        .fixture("stop-slowly 0 3");
    run.line("ready");
    run.stop();
    run.end().must(3, "goward: stopped: exit ");
}

#[test]
fn in_a_scratch_image() {
    if !root() {
        return;
    }
    // Nothing there but two static programs: no /proc, /dev, /etc, /tmp, no shell.
    let scratch = scratch();
    for (program, name) in [(goward(), "goward"), (fixture(), "server")] {
        std::fs::copy(program, scratch.path(name)).unwrap();
    }
    let place = word(&scratch.path("")).to_owned();
    let chroot = |options: &[&str]| {
        let words = ["/usr/sbin/chroot", &place, "/goward"].into_iter().chain(options.iter().copied());
        Plan::new("").start(&words.collect::<Vec<_>>())
    };
    let run = chroot(&["--user", "65532:65532", "/server", "stop-slowly", "0", "8"]);
    run.line("ready");
    run.stop();
    run.end().must(8, "goward: stopped: exit ");
    chroot(&["server"]).end().must(127, "server: not found in PATH");
    chroot(&["--user", "app", "/server"]).end().must(125, "there is no user 'app' in /etc/passwd");
    chroot(&["/srv/app"]).end().must(127, "/srv/app: no such file");
}

#[test]
fn no_more_processes_to_be_had() {
    if !root() {
        return;
    }
    // One process is all that this user may have: goward itself.
    let end = Plan::new("").stage("--uid 1234567 --nproc 1").fixture("exit 0").end();
    end.must(125, "(a pids limit, or RLIMIT_NPROC? It is 1 for uid 1234567, whose processes in all containers of this host count)");
    // The root of a user namespace is limited too, and has a count of its own.
    let end = Plan::new("")
        .stage("--user-namespace allow:0_100000_65536:0_100000_65536 --uid 0 --nproc 1")
        .fixture("exit 0")
        .end();
    end.must(125, "(a pids limit, or RLIMIT_NPROC? It is 1 for uid 0)");
    // For a whole container, root or not.
    let Some(group) = Cgroup::new("pids") else { return };
    let join = format!("echo $$ > {}/cgroup.procs", group.0);
    group.set("pids.max", "1");
    for user in ["", "--user 1234567:1234567"] {
        // A limit that nobody has set (half of all threads, or none) is not named.
        Plan::new(user).setup(&join).fixture("exit 0").end().must(125, "(a pids or memory limit?)");
    }
    // Later, while it runs.
    group.set("pids.max", "20");
    let run = Plan::new("--stop-timeout 2s").setup(&join).fixture("ignore-all");
    run.line("ready");
    // Not while a line is being written, by a process of its own.
    wait_until("one child", || (children(run.pid()).len() == 1).then_some(()));
    group.set("pids.max", "2");
    let from = run.stop();
    let end = run.end();
    assert!(end.code == 137 && end.since(from) < ms(2000), "{}", end.err);
}

#[test]
fn no_more_memory_to_be_had() {
    if !root() || !crate::support::requires("tail") {
        return;
    }
    let Some(group) = Cgroup::new("memory") else { return };
    let limit = if group.has("memory.max") { "memory.max" } else { "memory.limit_in_bytes" };
    group.set(limit, "33554432");
    let join = format!("echo $$ > {}/cgroup.procs", group.0);
    // A server that wants it all. That it was not somebody's SIGKILL is in the record.
    let end = Plan::new("").setup(&join).run(&["tail", "/dev/zero"]).end();
    end.must(137, "killed by the OOM killer: exit 137, ran ");
    assert!(end.err.contains("; OOM kills in this cgroup: 1\n"), "{}", end.err);
    // The same end without it is told apart.
    let end = Plan::new("").setup(&join).fixture("die KILL").end();
    end.must(137, "ended by SIGKILL: exit 137, no stop was requested");
}

/// A cgroup of the test's own, version 1 or 2.
struct Cgroup(String);

impl Cgroup {
    fn new(controller: &str) -> Option<Cgroup> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("goward-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        for root in [&format!("/sys/fs/cgroup/{controller}"), "/sys/fs/cgroup"] {
            let path = format!("{root}/{name}");
            if std::fs::create_dir(&path).is_ok() {
                let group = Cgroup(path);
                if group.has("cgroup.procs")
                    && (group.has(&format!("{controller}.max")) || group.has("memory.oom_control"))
                {
                    return Some(group);
                }
            }
        }
        skipped(&format!("there is no {controller} controller"));
        None
    }

    fn has(&self, file: &str) -> bool {
        std::fs::exists(format!("{}/{file}", self.0)).unwrap_or(false)
    }

    fn set(&self, file: &str, value: &str) {
        std::fs::write(format!("{}/{file}", self.0), value).unwrap();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Empty by now, or soon: what was in it has been killed.
        _ = happens_within(Duration::from_secs(2), || std::fs::remove_dir(&self.0).is_ok());
    }
}

/// Kubernetes' in-place resize, docker update: Go never asks again, so goward says it, and polls nothing for that.
#[test]
fn a_memory_limit_that_changes_is_said() {
    if !root() || !crate::support::requires("nsenter") {
        return;
    }
    let Some(group) = Cgroup::new("memory") else { return };
    let limit = if group.has("memory.max") { "memory.max" } else { "memory.limit_in_bytes" };
    group.set(limit, "1000000000");
    let join = format!("echo $$ > {}/cgroup.procs", group.0);
    let script = "echo limit $GOMEMLIMIT; trap 'exit 3' HUP; trap 'exit 0' TERM; while :; do sleep 0.02; done";
    let plan = Plan::new("--go-env --restart on-failure:1").setup(&join);
    let run = plan.shell(script);
    // The kernel counts in pages.
    let told: u64 = run.line("limit ").trim_start_matches("limit ").parse().unwrap();
    assert!((899_990_000..=900_000_000).contains(&told), "{told}");
    let status = || crate::health::ask(&run, 0, &["--pid", "1"]).1; // Its control group is another one.
    assert!(!status().contains("GOMEMLIMIT"), "{}", status());
    // Nothing but the kernel's word wakes it: nobody asks anything.
    group.set(limit, "500000000");
    let said = run.log("the memory limit has changed");
    let figures = [&format!("GOMEMLIMIT is {} MiB ({told})", told >> 20), "90 % of the new one is 429 MiB (44999"];
    assert!(figures.iter().all(|part| said.contains(*part)), "{said}");
    assert!(status().contains("the memory limit has changed"), "{}", status());
    // Back to what it was, nothing is stale, and it is not said again.
    group.set(limit, "1000000000");
    wait_until("it is right again", || (!status().contains("GOMEMLIMIT")).then_some(()));
    group.set(limit, "600000000");
    run.log("90 % of the new one is 514 MiB");
    // A restart takes it up.
    run.signal(libc::SIGHUP);
    run.line("limit 53999");
    assert!(!status().contains("GOMEMLIMIT"), "{}", status());
    run.stop();
    let end = run.end();
    assert_eq!((end.code, end.err.matches("the memory limit has changed").count()), (0, 2), "{}", end.err);
    // Near miss: what the user has set is the user's.
    let run = Plan::new("--go-env").env("GOMEMLIMIT", "1").setup(&join).shell(script);
    run.line("limit 1");
    group.set(limit, "700000000");
    run.stop();
    assert!(!run.end().err.contains("the memory limit"));
}

/// An entrypoint that fixes everything: what the environment says is the server's business.
#[test]
fn no_environment_leaves_the_variables_to_the_server() {
    if !root() {
        return;
    }
    let evil = [("GOWARD_BEFORE", "/nonexistent"), ("GOWARD_STOP_TIMEOUT", "soon"), ("GOWARD_STRANGE", "yes")];
    let with = |options: &str| evil.iter().fold(Plan::new(options), |plan, (name, value)| plan.env(name, value));
    with("").fixture("report").end().must(125, "GOWARD_STOP_TIMEOUT: 'soon' is not a duration");
    let end = with("--user 65532:65532 --no-environment").fixture("report").end();
    assert!(end.code == 0 && !end.err.contains("WARN"), "{end:?}");
    let report: serde_json::Value = serde_json::from_str(&end.out).unwrap();
    for (name, value) in evil {
        assert_eq!(report["env"][name], value, "{name}");
    }
}
