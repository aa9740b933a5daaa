//! Every kind of system call that goward makes once the server runs is made to fail by strace, with goward as PID 1: the
//! first, the middle and the last one, and from the first one on for ever, with each of five errors. It must go on
//! forwarding and reaping, keep the deadline and return the right code; what is lost where a call is refused for ever is
//! told for each call in [`LOSSES`], and nothing else may be.
//!
//! What was made to fail is found out by tracing goward first, so that a call that is new is tested by itself. `cargo test`
//! tries a part of the table, which is chosen by the names of the calls; `make faults` tries all and writes docs/faults.md.
//! GOWARD_FAULTS=WORD leaves only the calls with that in their names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types, reason = "these are tests")]
#![allow(dead_code, reason = "a part of what the tests of the init have is enough here")]

#[path = "init/plan.rs"]
mod plan;
mod support;

use plan::{FullPipe, Plan, Run, root, scratch, word};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, RwLock};
use std::time::Duration;
use support::happens_within;

const ERRORS: [&str; 5] = ["EINTR", "EAGAIN", "ENOMEM", "EPERM", "EIO"];
/// The orchestrator's number in these tests. The kill comes at nine tenths of it.
const TIMEOUT: Duration = Duration::from_secs(2);
const LANES: usize = 10;
/// How often a call is looked for, and how far from the number that it had in the run before: that differs from run to run.
const TRIES: usize = 20;
const AIMS: [isize; 10] = [0, 0, 0, 1, -1, 0, 2, -2, 0, 3];
/// On a busy machine goward may be late without any fault; a fault of its own comes back so often, also when it is alone.
const SUSPICIONS: usize = 2;
static ALONE: RwLock<()> = RwLock::new(());
/// What goward may need in a run, however often it is refused something: processor time, system calls, lines of its log.
const CPU: Duration = Duration::from_millis(500);
const CALLS: usize = 5_000;
const LINES: usize = 50;

/// Which calls of a kind fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    First,
    Middle,
    Last,
    /// The first one, and from then on every call of that name.
    ForEver,
}

impl When {
    /// The number of such a call among all of its name. `numbers`: those of its kind.
    fn of(self, numbers: &[usize]) -> Option<usize> {
        match self {
            When::First | When::ForEver => numbers.first(),
            When::Middle => numbers.get(numbers.len() / 2),
            When::Last => numbers.last(),
        }
        .copied()
    }

    /// What there is to be tried where there are so many calls of a kind.
    fn worth_trying(count: usize) -> &'static [When] {
        match count {
            ..2 => &[When::First, When::ForEver],
            2 => &[When::First, When::Last, When::ForEver],
            3.. => &[When::First, When::Middle, When::Last, When::ForEver],
        }
    }
}

/// What is looked at in every run, and may be found wanting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    Start,
    Terminal,
    Forwarding,
    Reaping,
    Deadline,
    /// What was left behind, or the server, did not get all the time it should have had.
    Time,
    Code,
    Panic,
    Cpu,
    Calls,
    Lines,
}

impl Loss {
    fn word(self) -> &'static str {
        match self {
            Loss::Start => "no start",
            Loss::Terminal => "no terminal",
            Loss::Forwarding => "not forwarded",
            Loss::Reaping => "not reaped",
            Loss::Deadline => "late",
            Loss::Time => "early",
            Loss::Code => "wrong code",
            Loss::Panic => "a panic",
            Loss::Cpu | Loss::Calls => "busy",
            Loss::Lines => "a flood of lines",
        }
    }
}

/// What may be lost where every call of a name is refused for ever, with these errors (none: all), and why nothing better is
/// possible. Everything else must be as if nothing had happened.
const LOSSES: &[(&str, &[&str], &[Loss], &str)] = &[
    (
        "clone",
        &[],
        &[Loss::Start, Loss::Forwarding, Loss::Code],
        "No process can be started: a server that has ended is not started again, and the exit code is that of the last attempt.",
    ),
    (
        "fork",
        &[],
        &[Loss::Start, Loss::Forwarding, Loss::Code],
        "As for `clone`, which starts only the first process; all others are started by `fork`, which glibc shows as clone.",
    ),
    (
        "ioctl",
        &[],
        &[Loss::Terminal],
        "No other call can give the server the terminal. When the kernel stops the server because it reads from the terminal, goward still continues it, at a limited rate.",
    ),
];

fn may_be_lost(name: &str, error: &str) -> Vec<Loss> {
    let of_call =
        LOSSES.iter().filter(|(call, errors, ..)| *call == name && (errors.is_empty() || errors.contains(&error)));
    of_call.flat_map(|(.., losses, _)| losses.iter().copied()).collect()
}

/// What is played. In each of them USR1 is forwarded and, but for `Limited`, an orphan is left to goward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// The server stops when asked, with its own code, and leaves behind a process that ignores SIGTERM.
    Leftover,
    /// The server ignores everything: the ladder is climbed to its end.
    Ladder,
    /// The same, and standard error is a full pipe that nobody reads.
    FullStderr,
    /// The server reads from the terminal, which it must be given, and stops when asked.
    Terminal,
    /// As `Leftover`, but goward is not PID 1.
    Child,
    /// The server is probed by a command, and may speak for itself; somebody asks how it is.
    Command,
    /// The server is probed over a socket.
    Socket,
    /// A command goes before, the server's first life is short, and a command comes after.
    Restart,
    /// Orphans come by the hundred, and somebody has come in from outside (docker exec).
    Storm,
    /// There can be no process beside the server: no probe can be started.
    Limited,
}

const SCENARIOS: [Scenario; 10] = [
    Scenario::Leftover,
    Scenario::Ladder,
    Scenario::FullStderr,
    Scenario::Terminal,
    Scenario::Child,
    Scenario::Command,
    Scenario::Socket,
    Scenario::Restart,
    Scenario::Storm,
    Scenario::Limited,
];

impl Scenario {
    fn plan(self, full: &FullPipe) -> Plan {
        // Limits of processes count for all that a user has.
        static USER: AtomicU32 = AtomicU32::new(100_000);
        let user = if self == Scenario::Limited { USER.fetch_add(1, Ordering::Relaxed) } else { 65532 };
        let plan = Plan::new(&format!("--stop-timeout {}ms --user {user}:{user}", TIMEOUT.as_millis()));
        // It waits for a line before it becomes goward. With a network of its own: who asks for the status of one goward knocks at
        // all that there are.
        let wait = "echo waiting; read line; exec unshare --net \"$0\" \"$@\"";
        match self {
            Scenario::Leftover | Scenario::Ladder | Scenario::Storm => plan.stage("--stdin pipe").setup(wait),
            Scenario::Restart => {
                let plan = plan.option("--restart=on-failure").option("--before=true").option("--after=echo after");
                plan.stage("--stdin pipe").setup(&format!("mount -t tmpfs -o mode=777 none /mnt; {wait}"))
            }
            Scenario::Limited => {
                let plan = plan.option("--rlimit=nproc=2").option("--health=exec:echo fine");
                plan.option("--health-interval=200ms").stage("--stdin pipe").setup(wait)
            }
            Scenario::FullStderr => plan.stage("--stdin pipe").setup(&full.as_stderr()).setup(wait),
            Scenario::Terminal => plan.stage("--terminal").setup(wait),
            Scenario::Child => plan.child().stage("--stdin pipe").setup(wait),
            Scenario::Command => {
                let plan = plan.option("--notify").option("--health=exec:echo fine").option("--health-interval=200ms");
                plan.stage("--stdin pipe").setup(wait)
            }
            Scenario::Socket => {
                let plan =
                    plan.option(&format!("--health=http://unix:{}:/", healthy())).option("--health-interval=200ms");
                plan.stage("--stdin pipe").setup(wait)
            }
        }
    }

    fn server(self) -> &'static str {
        match self {
            Scenario::Leftover | Scenario::Child => {
                "trap 'echo usr1; (echo orphan &)' USR1; trap 'exit 7' TERM
                 \"$FIXTURE\" leftover ignores nothing; echo ready; while :; do sleep 0.02; done"
            }
            Scenario::Ladder | Scenario::FullStderr => {
                "trap 'echo usr1; (echo orphan &)' USR1; trap '' TERM QUIT ABRT
                 echo ready; while :; do sleep 0.02; done"
            }
            Scenario::Command | Scenario::Socket => {
                "trap 'echo usr1; (echo orphan &)' USR1; trap 'exit 7' TERM
                 sleep 0.5; echo ready; while :; do sleep 0.02; done"
            }
            Scenario::Restart => {
                "mkdir /mnt/lived || { trap 'echo usr1; (echo orphan &)' USR1; trap 'exit 7' TERM
                 echo ready; while :; do sleep 0.02; done; }; exit 1"
            }
            Scenario::Storm => {
                "trap 'echo usr1; \"$FIXTURE\" orphans 60; (echo orphan &)' USR1; trap 'exit 7' TERM
                 echo ready; while :; do sleep 0.02; done"
            }
            Scenario::Limited => "exec \"$FIXTURE\" echo-signals",
            Scenario::Terminal => {
                "trap 'echo usr1; (echo orphan &)' USR1; trap 'exit 7' TERM
                 echo ready; read word; echo \"read $word\"; while :; do sleep 0.02; done"
            }
        }
    }

    fn code(self) -> i32 {
        match self {
            Scenario::Leftover | Scenario::Terminal | Scenario::Child | Scenario::Command | Scenario::Socket => 7,
            Scenario::Restart | Scenario::Storm => 7,
            Scenario::Limited => 0,
            Scenario::Ladder | Scenario::FullStderr => 137,
        }
    }

    /// Whether somebody must be killed at the end of the time.
    fn takes_all_the_time(self) -> bool {
        match self {
            Scenario::Leftover | Scenario::Child => true,
            Scenario::Ladder | Scenario::FullStderr => true,
            Scenario::Terminal | Scenario::Command | Scenario::Socket => false,
            Scenario::Restart | Scenario::Storm | Scenario::Limited => false,
        }
    }
}

/// A server that is well, on a socket that every user may connect to; it lives as long as the tests.
fn healthy() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let scratch = Box::leak(Box::new(scratch()));
        let path = word(&scratch.path("healthy")).to_owned();
        let listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let _ = connection.read(&mut [0; 1000]);
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        path
    })
}

/// A kind of call, and how to meet it: in which scenario, and as the how manieth calls of that name.
#[derive(Clone, Debug)]
struct Target {
    kind: String,
    name: String,
    scenario: Scenario,
    numbers: Vec<usize>,
}

/// goward under strace, from before its own exec.
struct Traced {
    run: Run,
    strace: Child,
    log: String,
    _full: FullPipe,
    _scratch: support::Scratch,
}

impl Traced {
    fn start(scenario: Scenario, inject: Option<String>) -> Traced {
        let scratch = scratch();
        let log = word(&scratch.path("trace")).to_owned();
        let full = FullPipe::new(&scratch);
        let run = scenario.plan(&full).shell(scenario.server());
        run.line("waiting");
        let mut command = Command::new("strace");
        command.args(["-y", "-s", "200", "-e", "signal=none", "-o", &log, "-p", &run.pid().to_string()]);
        command.args(inject.iter().flat_map(|inject| ["-e", inject.as_str()]));
        let mut strace = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut attached = String::new();
        BufReader::new(strace.stderr.take().unwrap()).read_line(&mut attached).unwrap();
        assert!(attached.contains("attached"), "strace: {attached}");
        run.running.write("go\n");
        Traced { run, strace, log, _full: full, _scratch: scratch }
    }

    /// Plays the scenario; what was wrong, and the trace.
    fn play(mut self, scenario: Scenario) -> (Vec<(Loss, String)>, String) {
        let mut wrong = Vec::new();
        let mut holds = |holds: bool, loss: Loss, what: String| {
            if !holds {
                wrong.push((loss, what));
            }
        };
        let hears = |what: &str| {
            happens_within(Duration::from_secs(3), || self.run.running.stdout().to_lowercase().contains(what))
        };
        let pid = self.run.pid().to_string();
        let enter = |words: &[&str]| {
            let mut command = Command::new("nsenter");
            // As docker exec does in an image with USER.
            command.args(["--target", &pid, "--pid", "--mount", "--net", "--setuid", "65532", "--setgid", "65532"]);
            command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        holds(hears("ready"), Loss::Start, "the server does not start".to_owned());
        if scenario == Scenario::Terminal {
            self.run.running.write("word\n");
            holds(hears("read word"), Loss::Terminal, "the server did not get the terminal".to_owned());
        }
        if scenario == Scenario::Command {
            // Whether it is answered is not asked: the answer may be what fails.
            for _ in 0..3 {
                let _ = enter(&["timeout", "1", plan::goward(), "status", "-q"]).status();
            }
        }
        let visitor = (scenario == Scenario::Storm).then(|| enter(&["sleep", "30"]).spawn().unwrap());
        self.run.signal(libc::SIGUSR1);
        holds(hears("usr1"), Loss::Forwarding, "USR1 was not forwarded".to_owned());
        if scenario != Scenario::Limited {
            holds(hears("orphan"), Loss::Forwarding, "no orphan".to_owned());
        }
        let reaped = happens_within(Duration::from_secs(2), || self.run.zombies() == 0);
        holds(reaped, Loss::Reaping, "a zombie is left".to_owned());
        let from = self.run.stop();
        let mut cpu = Duration::ZERO;
        let ended = happens_within(TIMEOUT * 2, || {
            cpu = cpu_of(self.run.pid()).unwrap_or(cpu);
            self.run.running.ending().is_some()
        });
        let took = from.elapsed();
        holds(ended && took < TIMEOUT, Loss::Deadline, format!("the deadline was missed: {took:?}"));
        holds(took > TIMEOUT * 8 / 10 || !scenario.takes_all_the_time(), Loss::Time, format!("too early: {took:?}"));
        let code = self.run.running.ending();
        let right = support::Ending::Exited(scenario.code());
        holds(code == Some(right), Loss::Code, format!("ended with {code:?} instead of {right:?}"));
        let said = self.run.running.stderr();
        holds(!said.contains("fault in goward"), Loss::Panic, format!("a panic: {said}"));
        holds(cpu < CPU, Loss::Cpu, format!("{cpu:?} of processor time"));
        let lines = said.lines().filter(|line| line.contains(" goward: ")).count();
        holds(lines <= LINES, Loss::Lines, format!("{lines} lines: {}", said.chars().take(2_000).collect::<String>()));
        drop(self.run);
        self.strace.wait().unwrap();
        if let Some(mut visitor) = visitor {
            visitor.wait().unwrap();
        }
        let trace = std::fs::read_to_string(&self.log).unwrap();
        let calls = trace.lines().count();
        if calls > CALLS {
            wrong.push((Loss::Calls, format!("{calls} system calls")));
        }
        (wrong, trace)
    }
}

/// Plays the scenario, beside others or alone.
fn play(scenario: Scenario, inject: Option<String>, alone: bool) -> (Vec<(Loss, String)>, String) {
    let _alone = alone.then(|| ALONE.write().unwrap());
    let _beside = (!alone).then(|| ALONE.read().unwrap());
    Traced::start(scenario, inject).play(scenario)
}

/// The processor time that a process has used.
fn cpu_of(pid: i32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // utime and stime, fields 14 and 15, in hundredths of a second.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    Some(Duration::from_millis(10 * fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>()))
}

/// Where in its life goward is, as its calls tell.
#[derive(Clone, Copy, Default)]
struct Life {
    cloned: bool,
    /// The server runs: its exec has succeeded, as a pipe says that closes then.
    runs: bool,
    stopping: bool,
    leftovers: bool,
}

impl Life {
    fn goes_on(&mut self, name: &str, kind: &str) {
        self.runs |= self.cloned && name == "read";
        self.cloned |= matches!(name, "clone" | "clone3" | "fork" | "vfork");
        self.stopping |= kind == "kill(PID, SIGTERM)";
        self.leftovers |= kind == "kill(-1, SIGTERM)";
    }

    /// The calls of the loop are tried in each part of it.
    fn phase(self, name: &str) -> &'static str {
        match name {
            "rt_sigtimedwait" | "wait4" | "write" if self.leftovers => ", leftovers",
            "rt_sigtimedwait" | "wait4" | "write" if self.stopping => ", stopping",
            _ => "",
        }
    }
}

/// `name` and what kind of call it is: with the path of what it works on, the signal it sends, the option it sets.
fn kind(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.split_once('(')?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let path = || {
        let start = rest.find(['"', '<'])? + 1;
        let length = rest[start..].find(['"', '>'])?;
        Some(general(&rest[start..start + length]))
    };
    let detail = match name {
        "kill" | "prctl" => {
            let words: Vec<_> = rest.split([',', ')']).map(str::trim).collect();
            let to = match words.first()?.parse::<i32>() {
                Ok(-1) => "-1".to_owned(),
                Ok(..0) => "-GROUP".to_owned(),
                Ok(_) => "PID".to_owned(),
                Err(_) => words.first()?.to_string(),
            };
            if name == "kill" { format!("{to}, {}", words.get(1)?) } else { to }
        }
        // As much as a pipe holds is read of nothing else.
        "read" if rest.contains(", 65536)") => "the server's stderr".to_owned(),
        "ioctl" | "fcntl" => rest.split([',', ')']).nth(1)?.trim().to_owned(),
        "open" | "openat" | "stat" | "newfstatat" | "read" | "pread64" | "write" | "writev" | "getdents64" => {
            path().unwrap_or_default()
        }
        _ => String::new(),
    };
    let shown = if detail.is_empty() { name.to_owned() } else { format!("{name}({detail})") };
    Some((name.to_owned(), shown))
}

/// The same on every machine.
fn general(path: &str) -> String {
    if path.starts_with("pipe:") {
        return "a pipe".to_owned();
    }
    if path.starts_with("/dev/pts/") {
        return "a terminal".to_owned();
    }
    if path.ends_with("/pipe") {
        return "a full pipe".to_owned();
    }
    if path.starts_with("/usr/bin/") || path.starts_with("/bin/") {
        return "the program".to_owned();
    }
    if path.starts_with("/sys/fs/cgroup") {
        return "/sys/fs/cgroup/…".to_owned();
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        parts.push(if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && parts.len() == 2 {
            "PID"
        } else {
            part
        });
    }
    parts.join("/")
}

/// A call in a trace.
struct Call {
    name: String,
    kind: String,
    /// The how manieth of its name.
    number: usize,
    injected: bool,
}

/// The calls in a trace from the moment on that the server runs.
fn calls(trace: &str) -> Vec<Call> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut life = Life::default();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((name, kind)) = kind(line) else { continue };
        let number = counts.entry(name.clone()).or_default();
        *number += 1;
        let whole = format!("{kind}{}", life.phase(&name));
        life.goes_on(&name, &kind);
        if life.runs {
            calls.push(Call { name, kind: whole, number: *number, injected: line.ends_with("(INJECTED)") });
        }
    }
    calls
}

/// The numbers of the calls of a kind.
fn numbers(calls: &[Call], kind: &str) -> Vec<usize> {
    calls.iter().filter(|call| call.kind == kind).map(|call| call.number).collect()
}

/// Everything goward asks for once the server has been started.
fn targets() -> Vec<Target> {
    let traces = SCENARIOS.map(|scenario| {
        std::thread::spawn(move || {
            let mut again = 0;
            loop {
                let (wrong, trace) = play(scenario, None, again > 0);
                if wrong.is_empty() {
                    return (scenario, trace);
                }
                again += 1;
                assert!(again <= SUSPICIONS, "{scenario:?} without any fault: {wrong:?}\n{trace}");
            }
        })
    });
    // Where a kind is seen most often it is met most easily.
    let mut found: BTreeMap<String, Target> = BTreeMap::new();
    for (scenario, trace) in traces.map(|thread| thread.join().unwrap()) {
        let calls = calls(&trace);
        assert!(!calls.is_empty(), "{trace}");
        for call in &calls {
            let numbers = numbers(&calls, &call.kind);
            if found.get(&call.kind).is_none_or(|known| known.numbers.len() < numbers.len()) {
                let target = Target { kind: call.kind.clone(), name: call.name.clone(), scenario, numbers };
                found.insert(call.kind.clone(), target);
            }
        }
    }
    found.into_values().collect()
}

/// What came of it.
#[derive(Clone, Debug)]
struct Outcome {
    wrong: Vec<(Loss, String)>,
    /// How often the kernel refused.
    refused: usize,
}

/// Makes the calls fail. None if this kind of call could not be met.
fn fail(target: &Target, when: When, error: &str) -> Option<Outcome> {
    let may_be_lost = if when == When::ForEver { may_be_lost(&target.name, error) } else { Vec::new() };
    let mut suspicions = 0;
    let mut number = when.of(&target.numbers)?;
    for attempt in 0..TRIES {
        let on = if when == When::ForEver { "+" } else { "" };
        let aim = number.saturating_add_signed(AIMS[attempt % AIMS.len()]).max(1);
        let inject = format!("inject={}:error={error}:when={aim}{on}", target.name);
        let (wrong, trace) = play(target.scenario, Some(inject), suspicions > 0);
        let calls = calls(&trace);
        // Which call has which number may differ by one from run to run, to either side: the last run tells.
        number = when.of(&numbers(&calls, &target.kind)).unwrap_or(when.of(&target.numbers)?);
        let met = calls.iter().find(|call| call.injected).map(|call| call.kind.as_str());
        // Before the server runs an error may end goward: that was another call.
        if met.is_none() && trace.contains("(INJECTED)") {
            continue;
        }
        if wrong.iter().any(|(loss, _)| !may_be_lost.contains(loss)) && suspicions < SUSPICIONS {
            suspicions += 1;
            continue;
        }
        if met == Some(&target.kind) || !wrong.is_empty() {
            let met = met.unwrap_or("nothing");
            let wrong = wrong.into_iter().map(|(loss, what)| (loss, format!("{what} [{met} failed]"))).collect();
            return Some(Outcome { wrong, refused: trace.matches("(INJECTED)").count() });
        }
    }
    None
}

/// What is tried: all of the table, or of each row one call that fails once and one for ever.
fn trials(targets: &[Target], all: bool) -> Vec<(&Target, When, &'static str)> {
    let mut trials = Vec::new();
    for target in targets {
        let whens = When::worth_trying(target.numbers.len());
        if all {
            trials.extend(whens.iter().flat_map(|when| ERRORS.map(|error| (target, *when, error))));
            continue;
        }
        // Always the same, and no other row's business.
        let hash = target.kind.bytes().fold(5381_usize, |hash, byte| hash.wrapping_mul(33) ^ usize::from(byte)) >> 3;
        let once = &whens[..whens.len() - 1];
        trials.push((target, once[hash % once.len()], ERRORS[hash % ERRORS.len()]));
        trials.push((target, When::ForEver, ERRORS[(hash / ERRORS.len()) % ERRORS.len()]));
    }
    trials
}

#[test]
fn where_signals_cannot_be_blocked_goward_does_not_start() {
    if !root() || !support::requires("strace") {
        return;
    }
    let mut traced = Traced::start(Scenario::Leftover, Some("inject=rt_sigprocmask:error=EPERM:when=1+".to_owned()));
    // What it wrote last may come after the news of its end.
    let end = traced.run.running.wait();
    assert_eq!(end.ending, support::Ending::Exited(125), "{end:?}");
    let why = "goward: signals cannot be blocked (rt_sigprocmask): Operation not permitted";
    assert!(end.stderr.contains(why), "{end:?}");
    drop(traced.run);
    traced.strace.wait().unwrap();
}

type Results<'a> = BTreeMap<(&'a str, When, &'static str), Option<Outcome>>;

#[test]
fn no_system_call_is_fatal() {
    if !root() || !support::requires("strace") || !support::requires("nsenter") {
        return;
    }
    let bless = std::env::var_os("GOWARD_BLESS").is_some();
    let all = bless || std::env::var_os("GOWARD_SOAK").is_some();
    let targets = targets();
    let mut trials = trials(&targets, all);
    if let Ok(part) = std::env::var("GOWARD_FAULTS") {
        trials.retain(|(target, ..)| target.kind.contains(&part));
    }
    println!("{} kinds of calls, {} runs", targets.len(), trials.len());
    let queue = Mutex::new(trials);
    let results: Mutex<Results<'_>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some((target, when, error)) = { queue.lock().unwrap().pop() } {
                    let outcome = fail(target, when, error);
                    results.lock().unwrap().insert((&target.kind, when, error), outcome);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let mut bad = String::new();
    for target in &targets {
        for ((_, when, error), outcome) in results.iter().filter(|((kind, ..), _)| *kind == target.kind) {
            let may_be_lost = if *when == When::ForEver { may_be_lost(&target.name, error) } else { Vec::new() };
            let why = match outcome {
                // It is waited for only where the process that writes the log is not done yet.
                None if target.name == "futex" => continue,
                None => "never met".to_owned(),
                Some(outcome) => {
                    let wrong = outcome.wrong.iter().filter(|(loss, _)| !may_be_lost.contains(loss));
                    wrong.map(|(_, what)| what.as_str()).collect::<Vec<_>>().join("; ")
                }
            };
            if !why.is_empty() {
                let _ = writeln!(bad, "{} {when:?} {error} ({:?}): {why}", target.kind, target.scenario);
            }
        }
    }
    assert!(bad.is_empty(), "{bad}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
    if bless {
        std::fs::write(path, table(&targets, &results)).unwrap();
        return;
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    let has_row = |kind: &str| known.lines().any(|line| line.starts_with(&format!("| `{kind}` |")));
    // std asks this of every descriptor that it closes, in debug builds.
    let debug = |kind: &str| cfg!(debug_assertions) && kind == "fcntl(F_GETFD)";
    let new: Vec<_> = targets.iter().map(|target| target.kind.as_str()).filter(|k| !has_row(k) && !debug(k)).collect();
    assert!(new.is_empty(), "make faults, for docs/faults.md: it has no row for {new:#?}");
}

fn table(targets: &[Target], results: &Results<'_>) -> String {
    let mut text = String::from(
        "# What happens when a system call fails\n\n\
         Made by `make faults`. `cargo test` tries a part of it and fails when a call has no row.\n\n\
         goward runs as PID 1 (and once as an ordinary process, for the calls that it makes only there). strace makes each kind of system call\n\
         that goward makes once the server runs fail in two ways: the first, the middle and the last call of its kind, one at a time; and every\n\
         call of that name from the first one on, for ever. In each cell, the result for the single calls comes first; after the slash come the\n\
         result for \"for ever\" and the number of calls that failed.\n\n\
         `ok` means that goward still forwarded SIGUSR1, reaped an orphan, kept the deadline to a tenth of it, ended the processes that were\n\
         left behind, and returned the right exit code; and that it neither used half a second of processor time nor wrote more than 50 lines.\n\
         Other words say what was lost; the second table says why.\n\n",
    );
    let _ = writeln!(text, "| call | calls | {} |\n|---|---|{}", ERRORS.join(" | "), "---|".repeat(ERRORS.len()));
    for target in targets {
        let whens = When::worth_trying(target.numbers.len());
        let cells = ERRORS.map(|error| {
            let of = |when: When| results.get(&(target.kind.as_str(), when, error)).and_then(Option::as_ref);
            let once = whens.iter().filter(|when| **when != When::ForEver).filter_map(|when| of(*when));
            let once = words(once.flat_map(|outcome| &outcome.wrong));
            match of(When::ForEver) {
                Some(outcome) => format!("{once} / {} {}", words(&outcome.wrong), outcome.refused),
                None => once,
            }
        });
        let _ = writeln!(text, "| `{}` | {} | {} |", target.kind, target.numbers.len(), cells.join(" | "));
    }
    text.push_str(
        "\n## What is lost when a call fails for ever\n\n| call | errors | what | why |\n|---|---|---|---|\n",
    );
    for (name, errors, losses, why) in LOSSES {
        let errors = if errors.is_empty() { "all".to_owned() } else { errors.join(", ") };
        let losses: Vec<_> = losses.iter().map(|loss| loss.word()).collect();
        let _ = writeln!(text, "| `{name}` | {errors} | {} | {why} |", losses.join(", "));
    }
    text
}

fn words<'a>(wrong: impl IntoIterator<Item = &'a (Loss, String)>) -> String {
    let mut words: Vec<_> = wrong.into_iter().map(|(loss, _)| loss.word()).collect();
    words.sort_unstable();
    words.dedup();
    if words.is_empty() { "ok".to_owned() } else { words.join(", ") }
}
