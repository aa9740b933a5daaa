//! Every kind of system call that goward makes once the server runs is made to fail once, with each of five errors, by
//! strace, with goward as PID 1: it must go on forwarding and reaping, keep the deadline and return the right code.
//!
//! What was made to fail is found out by tracing goward first, so that a call that is new is tested by itself. The table
//! is docs/faults.md; `GOWARD_BLESS=1 cargo test --test faults` writes it.
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
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use support::happens_within;

const ERRORS: [&str; 5] = ["EINTR", "EAGAIN", "ENOMEM", "EPERM", "EIO"];
/// The orchestrator's number in these tests. The kill comes at nine tenths of it.
const TIMEOUT: Duration = Duration::from_secs(2);
const LANES: usize = 10;
/// How often a call is looked for.
const TRIES: usize = 12;

/// What is played. In each of them USR1 is forwarded and an orphan is left to goward.
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
    /// As `Ladder`, with stderr through goward, and a dump that is replaced by its summary.
    Summary,
    /// The server is probed by a command, and may speak for itself; somebody asks how it is.
    Command,
    /// The server is probed over a socket.
    Socket,
}

const SCENARIOS: [Scenario; 8] = [
    Scenario::Leftover,
    Scenario::Ladder,
    Scenario::FullStderr,
    Scenario::Terminal,
    Scenario::Child,
    Scenario::Summary,
    Scenario::Command,
    Scenario::Socket,
];
const DUMP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dumps/hung_http_shutdown.stderr");

impl Scenario {
    fn plan(self, full: &FullPipe) -> Plan {
        let plan = Plan::new(&format!("--stop-timeout {}ms --user 65532:65532", TIMEOUT.as_millis()));
        // It waits for a line before it becomes goward.
        let wait = "echo waiting; read line";
        match self {
            Scenario::Leftover | Scenario::Ladder => plan.stage("--stdin pipe").setup(wait),
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
            Scenario::Summary => {
                let setup = format!("mount -t tmpfs none /mnt; cp {DUMP} /mnt/in; chmod 644 /mnt/in; {wait}");
                let plan = plan.option("--dump=summary").option("--dump-file=/mnt/dump");
                plan.stage("--stdin pipe").setup(&setup)
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
            Scenario::Summary => {
                "trap 'echo usr1; echo usr1 >&2; (echo orphan &)' USR1; trap '' TERM ABRT; trap 'cat /mnt/in >&2' QUIT
                 echo begin >&2; sleep 0.1; echo ready; while :; do sleep 0.02; done"
            }
            Scenario::Command | Scenario::Socket => {
                "trap 'echo usr1; (echo orphan &)' USR1; trap 'exit 7' TERM
                 sleep 0.5; echo ready; while :; do sleep 0.02; done"
            }
            Scenario::Terminal => {
                "trap 'echo usr1; (echo orphan &)' USR1; trap 'exit 7' TERM
                 echo ready; read word; echo \"read $word\"; while :; do sleep 0.02; done"
            }
        }
    }

    fn code(self) -> i32 {
        match self {
            Scenario::Leftover | Scenario::Terminal | Scenario::Child | Scenario::Command | Scenario::Socket => 7,
            Scenario::Ladder | Scenario::FullStderr | Scenario::Summary => 137,
        }
    }

    /// Whether somebody must be killed at the end of the time.
    fn takes_all_the_time(self) -> bool {
        !matches!(self, Scenario::Terminal | Scenario::Command | Scenario::Socket)
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

/// A kind of call, and how to meet its first one: in which scenario, and as the how manieth call of that name.
#[derive(Clone, Debug)]
struct Target {
    kind: String,
    name: String,
    scenario: Scenario,
    number: usize,
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
    fn play(mut self, scenario: Scenario) -> (Vec<String>, String) {
        let mut wrong = Vec::new();
        let mut holds = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        let hears = |what: &str| happens_within(Duration::from_secs(3), || self.run.running.stdout().contains(what));
        holds(hears("ready"), "the server does not start".to_owned());
        if scenario == Scenario::Terminal {
            self.run.running.write("word\n");
            holds(hears("read word"), "the server did not get the terminal".to_owned());
        }
        if scenario == Scenario::Command {
            // Whether it is answered is not asked: the answer may be what fails.
            let pid = self.run.pid().to_string();
            let mut ask = Command::new("nsenter");
            ask.args(["--target", &pid, "--pid", "--mount", plan::goward(), "status", "-q"]);
            let _ = ask.stderr(Stdio::null()).status();
        }
        self.run.signal(libc::SIGUSR1);
        holds(hears("usr1"), "USR1 was not forwarded".to_owned());
        holds(hears("orphan"), "no orphan".to_owned());
        holds(happens_within(Duration::from_secs(2), || self.run.zombies() == 0), "a zombie is left".to_owned());
        let from = self.run.stop();
        let ended = happens_within(TIMEOUT * 2, || self.run.running.ending().is_some());
        let took = from.elapsed();
        holds(ended && took < TIMEOUT, format!("the deadline was missed: {took:?}"));
        holds(took > TIMEOUT * 8 / 10 || !scenario.takes_all_the_time(), format!("too early: {took:?}"));
        let code = self.run.running.ending();
        let right = support::Ending::Exited(scenario.code());
        holds(code == Some(right), format!("ended with {code:?} instead of {right:?}"));
        let said = self.run.running.stderr();
        holds(!said.contains("fault in goward"), format!("a panic: {said}"));
        drop(self.run);
        self.strace.wait().unwrap();
        (wrong, std::fs::read_to_string(&self.log).unwrap())
    }
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

/// The calls in a trace: name, kind, the how manieth of that name, and whether it was made to fail; from the moment on
/// that the server runs.
fn calls(trace: &str) -> Vec<(String, String, usize, bool)> {
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
            calls.push((name, whole, *number, line.ends_with("(INJECTED)")));
        }
    }
    calls
}

/// The number of the middle one of the calls of a kind, and how many there are. Its neighbours are likely of the same kind.
fn middle(calls: &[(String, String, usize, bool)], kind: &str) -> Option<(usize, usize)> {
    let numbers: Vec<usize> =
        calls.iter().filter(|(_, other, ..)| other == kind).map(|(_, _, number, _)| *number).collect();
    Some((*numbers.get(numbers.len() / 2)?, numbers.len()))
}

/// Everything goward asks for once the server has been started.
fn targets() -> Vec<Target> {
    let traces = SCENARIOS.map(|scenario| {
        std::thread::spawn(move || {
            let (wrong, trace) = Traced::start(scenario, None).play(scenario);
            assert!(wrong.is_empty(), "{scenario:?} without any fault: {wrong:?}\n{trace}");
            (scenario, trace)
        })
    });
    // Where a kind is seen most often it is met most easily.
    let mut found: BTreeMap<String, (usize, Target)> = BTreeMap::new();
    for (scenario, trace) in traces.map(|thread| thread.join().unwrap()) {
        let calls = calls(&trace);
        assert!(!calls.is_empty(), "{trace}");
        for (name, kind, ..) in &calls {
            let Some((number, often)) = middle(&calls, kind) else { continue };
            if found.get(kind).is_none_or(|(most, _)| *most < often) {
                let target = Target { kind: kind.clone(), name: name.clone(), scenario, number };
                found.insert(kind.clone(), (often, target));
            }
        }
    }
    found.into_values().map(|(_, target)| target).collect()
}

/// Makes the call fail. What was wrong then; none if this kind of call could not be met.
fn fail(target: &Target, error: &str) -> Option<Vec<String>> {
    let mut suspected = false;
    let mut number = target.number;
    for _ in 0..TRIES {
        let inject = format!("inject={}:error={error}:when={number}", target.name);
        let (wrong, trace) = Traced::start(target.scenario, Some(inject)).play(target.scenario);
        let calls = calls(&trace);
        // Which call has which number may differ by one from run to run, to either side: the last run tells.
        number = middle(&calls, &target.kind).map_or(target.number, |(number, _)| number);
        let met = calls.into_iter().find(|(.., injected)| *injected).map(|(_, kind, ..)| kind);
        // Before the server runs an error may end goward: that was another call.
        if met.is_none() && trace.contains("(INJECTED)") {
            continue;
        }
        // On a busy machine goward may be late without any fault; a fault of its own comes back.
        if !wrong.is_empty() && !suspected {
            suspected = true;
            continue;
        }
        if met.as_ref() == Some(&target.kind) || !wrong.is_empty() {
            let met = met.unwrap_or("nothing".to_owned());
            return Some(wrong.into_iter().map(|what| format!("{what} [{met} failed]")).collect());
        }
    }
    None
}

#[test]
fn no_system_call_is_fatal() {
    if !root() || !support::requires("strace") || !support::requires("nsenter") {
        return;
    }
    let targets = targets();
    println!("{} kinds of calls", targets.len());
    let queue = Mutex::new(targets.iter().flat_map(|target| ERRORS.map(|error| (target, error))).collect::<Vec<_>>());
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some((target, error)) = { queue.lock().unwrap().pop() } {
                    let cell = match fail(target, error) {
                        Some(wrong) if wrong.is_empty() => "ok".to_owned(),
                        Some(wrong) => wrong.join("; "),
                        None => "never met".to_owned(),
                    };
                    results.lock().unwrap().insert((target.kind.clone(), error), cell);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let table = table(&targets, &results);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
    let bad: String =
        results.iter().filter(|(_, cell)| *cell != "ok").map(|(at, cell)| format!("{at:?}: {cell}\n")).collect();
    assert!(bad.is_empty(), "{bad}");
    if std::env::var_os("GOWARD_BLESS").is_some() {
        std::fs::write(path, table).unwrap();
    } else {
        let known = std::fs::read_to_string(path).unwrap_or_default();
        let rows =
            |text: &str| text.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect::<Vec<_>>();
        let (known, seen) = (rows(&known), rows(&table));
        // What is read depends on the machine: there may be no cgroup.
        let read = |row: &str| row.starts_with("| `open") || row.starts_with("| `read");
        let new: Vec<_> = seen.iter().filter(|row| !known.contains(row)).collect();
        let gone: Vec<_> = known.iter().filter(|row| !seen.contains(row) && !read(row)).collect();
        let fresh = new.is_empty() && gone.is_empty();
        assert!(fresh, "GOWARD_BLESS=1 cargo test --test faults, for docs/faults.md: new {new:#?}, gone {gone:#?}");
    }
}

fn table(targets: &[Target], results: &BTreeMap<(String, &str), String>) -> String {
    let mut text = String::from(
        "# What happens when a system call fails\n\n\
         Made by `GOWARD_BLESS=1 cargo test --test faults`; the test fails when this page is not what it finds.\n\n\
         goward is PID 1 (and once an ordinary process, with what only that does). Each kind of system call that it makes once the server runs is made to fail once, by strace. `ok` \
         means that goward still\nforwarded SIGUSR1, reaped an orphan, kept the deadline to a tenth of it, ended what was \
         left behind, and returned the right code.\n\n",
    );
    let _ = writeln!(text, "| call | {} |\n|---|{}", ERRORS.join(" | "), "---|".repeat(ERRORS.len()));
    for target in targets {
        let cells = ERRORS.map(|error| results[&(target.kind.clone(), error)].as_str());
        let _ = writeln!(text, "| `{}` | {} |", target.kind, cells.join(" | "));
    }
    text
}
