//! Starting a program: an exec that hangs keeps goward from nothing, what cannot be started is told as what it is, and limits
//! are the server's.

use crate::plan::{self, Plan, Run, children, fixture, goward, is_of_glibc, root, scratch, word};
use crate::support::{self, Capture, LIMIT, Scratch, requires, skipped, wait_until};
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Somebody who holds every exec of a file (fanotify), as NFS and FUSE do by accident. When it ends, all go on.
struct Holder {
    process: Child,
    said: Capture,
}

impl Holder {
    /// So many are let through at once; the others are held for so long, or for good. None: the kernel refuses.
    fn new(file: &str, free: u32, delay: Option<Duration>) -> Option<Holder> {
        let mut command = Command::new(fixture());
        command.args(["hold-exec", file, &free.to_string()]).args(delay.map(|delay| delay.as_millis().to_string()));
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = Capture::of(process.stdout.take().unwrap());
        wait_until("an answer of fanotify", LIMIT, || said.text().ends_with('\n'));
        let holder = Holder { process, said };
        let refused = holder.said.text().contains("refused");
        if refused {
            skipped(&format!("fanotify: {}", holder.said.text().trim()));
        }
        (!refused).then_some(holder)
    }

    fn holds(&self) -> bool {
        self.said.text().contains("held")
    }

    fn wait(&self) {
        wait_until("an exec that is held", LIMIT, || self.holds());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The fixture under a name of its own, so that its execs alone are held.
fn copy(scratch: &Scratch) -> String {
    let path = scratch.path("held");
    fs::copy(fixture(), &path).unwrap();
    word(&path).to_owned()
}

/// Where an exec hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Restart,
    Before,
    After,
    Probe,
}

const PLACES: [Place; 4] = [Place::Restart, Place::Before, Place::After, Place::Probe];

impl Place {
    /// Started with TERM blocked, or not. The program of the exec in question ends with 3 where it is the server, else with 0.
    fn start(self, held: &str, blocked: bool) -> Run {
        let plan = Plan::new("-v --stop-timeout 2s");
        let plan = if blocked { plan.stage("--block TERM") } else { plan };
        let command = format!("{held} exit 0");
        match self {
            Place::Restart => plan.option("--restart=on-failure:1").run(&[held, "exit", "3"]),
            Place::Before => {
                let plan =
                    plan.option(&format!("--before={} exit 0", fixture())).option(&format!("--before={command}"));
                plan.fixture("stop-slowly 0 5")
            }
            Place::After => plan.option(&format!("--after={command}")).fixture("exit 0"),
            Place::Probe => {
                let plan = plan.option(&format!("--health=exec:{command}")).option("--health-interval=100ms");
                plan.option("--health-timeout=5s").fixture("stop-slowly 0 5")
            }
        }
    }

    /// So many execs of the program go before the one in question.
    fn before(self) -> u32 {
        u32::from(self == Place::Restart)
    }
}

/// Sends TERM and returns how long it took until the log told of it.
fn heard(run: &Run) -> Duration {
    let from = run.stop();
    run.log("received signal=SIGTERM");
    from.elapsed()
}

#[test]
fn while_an_exec_hangs_goward_hears_answers_and_reaps() {
    if !root() || !requires("nsenter") {
        return;
    }
    for place in PLACES {
        // What else the machine does may make one of them late, but not all.
        let times: Vec<Duration> = (0..3)
            .map_while(|_| {
                let scratch = scratch();
                let held = copy(&scratch);
                let holder = Holder::new(&held, place.before(), None)?;
                let run = place.start(&held, true);
                holder.wait();
                let pid = run.pid().to_string();
                let inside = |words: &[&str]| {
                    let mut command = Command::new("nsenter");
                    command.args(["--target", &pid, "--pid", "--mount"]).args(words).output().unwrap()
                };
                // Others connect to many sockets at the same time, in other tests.
                let status = inside(&[goward(), "status", "-t", "10s"]);
                let text = String::from_utf8_lossy(&status.stdout).into_owned();
                assert!(
                    text.contains("pid ") || place == Place::Probe && text.contains("running"),
                    "{place:?}: {status:?}"
                );
                // Nothing runs yet that could be ready.
                let waits = text.contains("starting, not ready") && status.status.code() == Some(1);
                assert!(place != Place::Restart || waits, "{status:?}");
                let before = children(run.pid()).len();
                inside(&["sh", "-c", "sleep 0.3 >/dev/null 2>&1 &"]);
                wait_until("an orphan", LIMIT, || children(run.pid()).len() == before + 1);
                wait_until("its end", LIMIT, || children(run.pid()).len() == before);
                Some(heard(&run))
            })
            .take_while(|time| *time > ms(50))
            .collect();
        assert!(times.len() < 3, "{place:?}: TERM was heard after {times:?}");
    }
}

#[test]
fn a_stop_ends_within_its_bound_though_an_exec_hangs() {
    if !root() {
        return;
    }
    for place in PLACES {
        let scratch = scratch();
        let held = copy(&scratch);
        let Some(holder) = Holder::new(&held, place.before(), None) else { return };
        let run = place.start(&held, true);
        holder.wait();
        let from = run.stop();
        let end = run.end();
        let took = end.since(from);
        assert!(took < ms(2_000), "{place:?}: {took:?} {end:?}");
        match place {
            // What hangs blocks TERM, as goward was started; only SIGKILL ends it.
            Place::Restart | Place::Before => {
                let hook = if matches!(place, Place::Before) { " in --before command 2" } else { "" };
                end.must(137, &format!("killed at the deadline{hook}: exit 137; "));
                assert!(took > ms(1_700), "{place:?}: {took:?} {end:?}");
            }
            // The server had its own code, and what comes after it the rest of the time.
            Place::After => end.must(0, "goward: "),
            Place::Probe => {
                end.must(5, "goward: stopped: exit 5");
                assert!(took < ms(1_000), "{place:?}: {took:?} {end:?}");
            }
        }
        assert!(holder.holds() && !end.err.contains("INFO goward: the server was started pid="), "{end:?}");
    }
}

/// A signal that comes before the exec is over does what it does right after it, before any handler is installed.
#[test]
fn a_stop_signal_ends_what_hangs_in_its_exec() {
    if !root() {
        return;
    }
    for place in [Place::Restart, Place::Before] {
        let scratch = scratch();
        let held = copy(&scratch);
        let Some(holder) = Holder::new(&held, place.before(), None) else { return };
        let run = place.start(&held, false);
        holder.wait();
        let from = run.stop();
        let end = run.end();
        end.must(143, "SIGTERM");
        assert!(end.since(from) < ms(1_000), "{place:?}: {end:?}");
    }
}

#[test]
fn a_probe_whose_exec_hangs_is_given_up_and_none_begins_beside_it() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let held = copy(&scratch);
    let Some(holder) = Holder::new(&held, 0, None) else { return };
    let options = "--health-interval 50ms --health-timeout 200ms --health-retries 2 --on-unhealthy stop";
    let plan = Plan::new(options).option(&format!("--health=exec:{held} exit 0"));
    let end = plan.fixture("stop-slowly 0 5").end();
    end.must(5, "no answer within 200ms: the kernel has not started the command yet");
    assert!(end.err.contains("the server is unhealthy") && holder.holds(), "{end:?}");
}

/// Without any privilege: the server has a lease on a file of its own, which the probe is to run.
#[test]
fn a_lease_of_the_servers_holds_its_probe_and_nothing_else() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let held = copy(&scratch);
    std::os::unix::fs::chown(&held, Some(65532), Some(65532)).unwrap();
    let plan = Plan::new("-v --user 65532:65532 --health-interval 100ms --health-timeout 400ms --stop-timeout 2s");
    let run = plan.option(&format!("--health=exec:{held} exit 0")).fixture(&format!("lease {held}"));
    if !run.line("").starts_with("ready") {
        skipped("leases are refused here");
        return;
    }
    run.log("no answer within 400ms: the kernel has not started the command yet");
    wait_until("the next probe", LIMIT, || run.children().len() == 2);
    let time = heard(&run);
    assert!(time < ms(1_000), "{time:?}");
    run.end().must(0, "goward: stopped: exit 0");
}

#[test]
fn a_command_before_the_server_that_hangs_in_its_exec_has_taken_too_long() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let held = copy(&scratch);
    let Some(_holder) = Holder::new(&held, 0, None) else { return };
    let plan = Plan::new("--before-timeout 300ms --stop-timeout 2s").option("--before=true");
    let end = plan.option(&format!("--before={held} exit 0")).fixture("exit 0").end();
    end.must(143, "the --before command takes too long; stopping it");
}

// Near misses

#[test]
fn an_exec_that_is_only_slow_succeeds() {
    if !root() {
        return;
    }
    for place in PLACES {
        let scratch = scratch();
        let held = copy(&scratch);
        let Some(holder) = Holder::new(&held, place.before(), Some(ms(300))) else { return };
        let run = place.start(&held, false);
        holder.wait();
        match place {
            Place::Restart => {
                run.log("the server was started");
                run.end().must(3, "restarts=1");
            }
            Place::Before => {
                run.line("ready");
                assert!(run.log("the --before command was started").contains("held"));
                run.stop();
                run.end().must(5, "goward: stopped: exit 5");
            }
            Place::After => {
                run.log("the --after command was started");
                run.end().must(0, "goward: finished: exit 0");
            }
            Place::Probe => {
                run.log("the server is healthy");
                run.stop();
                run.end().must(5, "goward: stopped: exit 5");
            }
        }
    }
}

#[test]
fn an_exec_that_fails_late_is_explained_as_one_that_fails_at_once() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let interpreter = word(&scratch.file("interpreter", "", 0o644)).to_owned();
    let busy = scratch.file("busy", "#!/bin/sh\n", 0o755);
    let _open = File::options().write(true).open(&busy).unwrap();
    let file = |name: &str, content: &str| word(&scratch.file(name, content, 0o755)).to_owned();
    for (file, code, sentence) in [
        (file("lost", "#!/no/such/interpreter\n"), 127, "its interpreter /no/such/interpreter does not exist"),
        (file("closed", &format!("#!{interpreter}\n")), 126, "is not executable"),
        (file("text", "hello\n"), 126, "neither an ELF program"),
        (word(&busy).to_owned(), 126, "still open for writing"),
    ] {
        let told = |delay: Option<Duration>| {
            let _holder = match delay {
                Some(_) => Some(Holder::new(&file, 0, delay)?),
                None => None,
            };
            let end = Plan::new("").option("--before=true").option(&format!("--before={file}")).fixture("exit 0").end();
            end.must(code, sentence);
            let line = end.err.lines().find_map(|line| line.split_once("--before: ")).unwrap().1.to_owned();
            Some((end.code, line))
        };
        let (at_once, Some(late)) = (told(None).unwrap(), told(Some(ms(150)))) else { return };
        assert_eq!(at_once, late);
    }
}

#[test]
fn a_server_that_goes_missing_is_explained_at_its_restart() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let server = word(&scratch.file("server", "#!/bin/sh\nrm \"$0\"\nexit 3\n", 0o755)).to_owned();
    let end = Plan::new("--restart on-failure:2").run(&[&server]).end();
    end.must(127, &format!("{server}: no such file"));
    assert!(!end.err.contains("the server was started pid=") && end.err.contains("restarts: 2"), "{end:?}");
}

#[test]
fn the_last_words_of_servers_that_end_at_once_are_heard() {
    if !root() {
        return;
    }
    let end = Plan::new("--restart on-failure:2").shell("echo last words >&2; exit 3").end();
    end.must(3, "restarts: 2");
    let count = |what: &str| end.err.matches(what).count();
    assert_eq!((count("last words\n"), count("INFO goward: the server was started pid=")), (3, 2), "{end:?}");
}

// What the kernel refuses

/// Newer machines have no fork(2) of their own, only clone(2), and glibc never uses it.
fn forks() -> bool {
    cfg!(target_arch = "x86_64") && !is_of_glibc()
}

/// goward with the so manieth call of a kind refused, by strace: its code, and what it said.
fn refused(call: &str, errno: &str, when: u32, words: &[&str]) -> (i32, String) {
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null", "-e", &format!("inject={call}:error={errno}:when={when}")]);
    let outcome = support::run(command.args(words), LIMIT);
    let support::Ending::Exited(code) = outcome.ending else { panic!("{outcome:?}") };
    (code, outcome.stderr)
}

#[test]
fn a_process_that_is_refused_is_nobodys_fault() {
    if !requires("strace") {
        return;
    }
    // The first start, and a restart.
    let first = [goward(), "-q", "--", fixture(), "exit", "3"];
    let again = [goward(), "-q", "--restart=on-failure:1", "--", fixture(), "exit", "3"];
    for (call, errno, said) in [
        ("clone", "EPERM", "Operation not permitted (a seccomp profile?)"),
        ("clone", "EACCES", "Permission denied (a seccomp profile?)"),
        ("clone", "ENOSYS", "Function not implemented (a seccomp profile?)"),
        ("clone", "EAGAIN", "Resource temporarily unavailable (a pids or memory limit?)"),
        ("clone", "ENOMEM", "(a pids or memory limit?)"),
        ("clone", "EIO", "error"),
        ("pipe2", "EMFILE", "(a nofile limit?)"),
        ("pipe2", "EPERM", "Operation not permitted (a seccomp profile?)"),
        ("pipe2", "EIO", "error"),
    ] {
        let (code, text) = refused(call, errno, 1, &first);
        let right = code == 125 && text.contains("goward: cannot start a process: ") && text.contains(said);
        assert!(right && !text.contains(fixture()), "{call} {errno}: {code} {text}");
        // The first one of each was for the first start, but that was no fork(2). Who writes the log is started by clone(2), too.
        let (call, when) = match call {
            "clone" if forks() => ("fork", 1),
            "clone" => continue,
            _ => (call, 2),
        };
        let (code, text) = refused(call, errno, when, &again);
        let right = code == 125 && text.contains("cannot start a process: ") && text.contains(said);
        assert!(right && !text.contains(fixture()), "restart, {call} {errno}: {code} {text}");
    }
}

#[test]
fn a_process_that_is_refused_once_is_started_the_next_time() {
    if !requires("strace") || !forks() {
        return;
    }
    let (code, text) =
        refused("fork", "EAGAIN", 1, &[goward(), "--restart=on-failure:2", "--", fixture(), "exit", "3"]);
    assert!(code == 3 && text.contains("restarts: 2"), "{code} {text}");
    assert!(text.contains("the server could not be started (code 125); restarting it"), "{text}");
    // A probe is no more than unhealthy.
    let words = [goward(), "--health=exec:true", "--health-interval=50ms", "--", fixture(), "sleep", "300"];
    let (code, text) = refused("fork", "EAGAIN", 1, &words);
    let said = "health probe failed: cannot start a process: Resource temporarily unavailable";
    assert!(code == 0 && text.contains(said) && text.contains("the server is healthy"), "{code} {text}");
}

#[test]
fn under_other_names_a_refused_fork_is_told_in_their_words() {
    if !requires("strace") {
        return;
    }
    let scratch = scratch();
    for (name, words) in [
        ("tini", "fork failed: Resource temporarily unavailable\n"),
        ("dumb-init", "[dumb-init] Unable to fork. Exiting.\n"),
        ("catatonit", "failed to fork child: Resource temporarily unavailable\n"),
    ] {
        let path = scratch.goward_as(name);
        for call in ["clone", "pipe2"] {
            let (code, text) = refused(call, "EAGAIN", 1, &[word(&path), "--", fixture(), "exit", "3"]);
            assert!(code == 1 && text.contains(words) && !text.contains(fixture()), "{name}: {code} {text}");
        }
        // Near miss: what cannot be executed is theirs as ever.
        let program = Command::new(&path).args(["--", "/no/such/program"]).output().unwrap();
        let text = String::from_utf8_lossy(&program.stderr).into_owned();
        assert!(!text.contains("fork"), "{name}: {text}");
    }
}

// Limits

/// The limits that the server has, and those of goward.
#[test]
fn limits_are_the_servers_alone() {
    if !root() {
        return;
    }
    let plan =
        Plan::new("--rlimit nofile=7:9 --rlimit data=64000000 --rlimit fsize=10 --rlimit core=0 --user 65532:65532");
    let run = plan.fixture("stop-slowly 0 5");
    run.line("ready");
    let limits = |pid: i32, name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let server = run.server();
    assert_eq!(limits(server, "Max open files"), ["7", "9"]);
    assert_eq!(limits(server, "Max data size"), ["64000000"; 2]);
    assert_eq!(limits(server, "Max file size"), ["10"; 2]);
    for name in ["Max open files", "Max data size", "Max file size"] {
        assert_ne!(limits(run.pid(), name)[0], limits(server, name)[0], "{name}");
    }
    run.stop();
    assert_eq!(run.end().code, 5);
}

#[test]
fn every_limit_ends_in_a_server_or_in_one_sentence() {
    if !root() {
        return;
    }
    let limits = ["nofile", "nproc", "fsize", "cpu", "core", "memlock", "sigpending", "as", "data", "stack"];
    let limits = limits.iter().flat_map(|name| [0, 1, 2, 3, 5, 20_000].map(|value| format!("{name}={value}")));
    for limit in limits {
        let first = Plan::new(&format!("--rlimit {limit}"));
        let later = first.clone().option("--restart=on-failure:1").option(&format!("--before={} exit 0", fixture()));
        // A uid that is nobody else's: RLIMIT_NPROC counts all of the host's.
        for plan in [first, later.option("--user=64997:64997")] {
            let end = plan.fixture("exit 3").end();
            // The kernel or the loader ends it; no time at all is over at the first tick.
            let named = end.err.contains(", perhaps because of --rlimit ")
                && (limit.starts_with(['a', 'd', 's']) || limit == "cpu=0");
            assert!(end.code == 3 || named && matches!(end.code, 137 | 139), "{limit}: {end:?}");
        }
    }
    // A hook and a probe have the same limits.
    let command = format!("{} exit 0", fixture());
    let plan = Plan::new("--rlimit nofile=3 --health-interval=50ms").option(&format!("--before={command}"));
    plan.option(&format!("--health=exec:{command}")).fixture("sleep 300").end().must(0, "the server is healthy");
}

#[test]
fn what_a_limit_needs_is_said() {
    if !root() {
        return;
    }
    let hard = fs::read_to_string("/proc/self/limits").unwrap();
    let hard = hard.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let hard: u64 = hard.split_whitespace().nth(4).unwrap().parse().unwrap();
    let more = format!("--rlimit nofile={}", hard + 1);
    let nr_open: u64 = fs::read_to_string("/proc/sys/fs/nr_open").unwrap().trim().parse().unwrap();
    if hard < nr_open {
        // CAP_SYS_RESOURCE is number 24. goward uses it before it drops it; what is set is set in the child, after that.
        let held = u64::from_str_radix(&plan::status(std::process::id() as i32, "CapEff"), 16).unwrap();
        if held >> 24 & 1 == 1 {
            for options in ["", "--user 65532:65532", "--restart on-failure:1"] {
                let script = format!("test $(ulimit -Hn) = {} && exit 3", hard + 1);
                Plan::new(&format!("{more} {options}")).shell(&script).end().must(3, "");
            }
        } else {
            // Root of many CI machines: what it then says is all there is to see.
            let end = Plan::new(&more).fixture("exit 3").end();
            end.must(125, "goward is root, but without CAP_SYS_RESOURCE");
        }
        let end = Plan::new(&more).stage("--drop-cap 24").fixture("exit 3").end();
        end.must(125, "goward is root, but without CAP_SYS_RESOURCE");
        let end = Plan::new(&more).stage("--uid 65532").fixture("exit 3").end();
        end.must(125, &format!("only root may raise the hard limit, which is {hard}"));
        // Lowering it needs nothing.
        Plan::new("--rlimit nofile=64").stage("--drop-cap 24").fixture("exit 3").end().must(3, "");
    }
    for value in [format!("{}", nr_open + 1), "unlimited".to_owned()] {
        let end = Plan::new(&format!("--rlimit nofile={value}")).fixture("exit 3").end();
        end.must(125, &format!("the kernel allows {nr_open} at most (sysctl fs.nr_open)"));
        assert_eq!(end.err.lines().count(), 1, "{end:?}");
    }
    // The last one wins.
    let script = "exit $(ulimit -n)";
    assert_eq!(Plan::new("--rlimit nofile=0 --rlimit nofile=64").shell(script).end().code, 64);
}
