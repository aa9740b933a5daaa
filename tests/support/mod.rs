//! What the integration tests share: starting a program in a known state (as PID 1 of a namespace of its own, as a child
//! in one, on a terminal), watching it, and leaving nothing behind.
//!
//! Everything that needs unsafe or a fork is in the fixture (`fixture stage`); here is only its remote control.

#![allow(dead_code, reason = "every test root uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

pub(crate) mod reviewed;
mod skip;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

#[allow(unused_imports, reason = "every test root uses a part of it")]
pub(crate) use skip::{find, requires, skipped};

/// The program under test.
pub(crate) const GOWARD: &str = env!("CARGO_BIN_EXE_goward");
/// No test waits longer for one thing.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// How long it may take until what a program wrote before its end is here.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// What programs find, if a test says nothing else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program with many behaviours; `cargo test` builds it beside goward.
pub(crate) fn fixture() -> &'static str {
    static FIXTURE: OnceLock<String> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let path = Path::new(GOWARD).with_file_name("examples").join("fixture");
        assert!(path.exists(), "{} is missing: cargo build --example fixture", path.display());
        path.to_str().expect("a path in UTF-8").to_owned()
    })
}

// ---------------------------------------------------------------------------------------------------------------------
// What the machine has

/// Whether namespaces can be made here.
pub(crate) fn requires_namespaces() -> bool {
    static WORK: OnceLock<bool> = OnceLock::new();
    let work = WORK.get_or_init(|| {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let status = Command::new(fixture())
            .args(["stage", "--", fixture(), "exit", "0"])
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        drop(ours);
        status.is_ok_and(|status| status.success())
    });
    *work || skipped("PID namespaces cannot be made here")
}

/// Whether we are root out here: a user namespace knows one user only.
pub(crate) fn requires_root() -> bool {
    nix::unistd::geteuid().is_root() || skipped("this needs root")
}

/// Compares how many of something the original and goward lose in a race with the machine, where so many more of ours are
/// allowed. What else the machine does may fall on one of them, so it is done again before it fails. None: no original.
pub(crate) fn loses_no_more(slack: usize, mut lost: impl FnMut() -> Option<[usize; 2]>) {
    let told: Vec<_> = (0..3).map_while(|_| lost().filter(|[original, ours]| *ours > original + slack)).collect();
    assert!(told.len() < 3, "more are lost than by the original, three times: {told:?}");
}

/// Asks until the answer is yes.
pub(crate) fn wait_until(what: &str, limit: Duration, mut happened: impl FnMut() -> bool) {
    assert!(happens_within(limit, &mut happened), "waited {limit:?} in vain: {what}");
}

/// Asks until the answer is yes or the time is up.
#[must_use]
pub(crate) fn happens_within(limit: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    loop {
        if happened() {
            return true;
        }
        if since.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets time pass where there is no event to wait for: something has to go on for a while, or must not happen meanwhile. The
/// caller says which in a comment.
pub(crate) fn pause_for(time: Duration) {
    thread::sleep(time);
}

/// A directory that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("goward-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a scratch directory");
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with these permissions.
    pub(crate) fn file(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        fs::write(&path, content).expect("a scratch file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its permissions");
        path
    }

    /// goward under another's name.
    pub(crate) fn goward_as(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        _ = std::os::unix::fs::symlink(GOWARD, &path);
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Signals

/// A name without SIG, `RTMIN+n` as glibc counts, or a number.
pub(crate) fn signal(name: &str) -> i32 {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    if let Some(place) = NAMES.iter().position(|known| *known == name) {
        return i32::try_from(place + 1).expect("a small number");
    }
    let (base, number) = name.strip_prefix("RTMIN+").map_or((0, name), |number| (34, number));
    base + number.parse::<i32>().unwrap_or_else(|_| panic!("no signal {name:?}"))
}

/// Sends a signal to a process of ours; one that has gone is no error.
pub(crate) fn send(pid: i32, signal: i32) {
    #[allow(unsafe_code, reason = "nix knows no real-time signals")]
    // SAFETY: numbers only.
    unsafe {
        libc::kill(pid, signal)
    };
}

// ---------------------------------------------------------------------------------------------------------------------
// A program on the stage

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Exited(i32),
    Killed(i32),
}

/// What is left of a program.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program and the state it shall start in: PID 1 of a PID namespace and leader of a session, with stdin /dev/null,
/// nothing blocked, nothing ignored, and no environment but PATH.
#[derive(Clone)]
pub(crate) struct Stage {
    options: Vec<OsString>,
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    child: bool,
}

impl Stage {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Stage {
        Stage {
            options: Vec::new(),
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: vec![("PATH".into(), PATH.into())],
            directory: None,
            child: false,
        }
    }

    /// An option of `fixture stage`.
    pub(crate) fn option(mut self, words: &[&str]) -> Stage {
        self.options.extend(words.iter().map(OsString::from));
        self
    }

    /// PID 2, the child of a PID 1 that reaps, instead of PID 1.
    pub(crate) fn child(mut self) -> Stage {
        self.child = true;
        self.option(&["--child"])
    }

    pub(crate) fn argv0(self, name: &str) -> Stage {
        self.option(&["--argv0", name])
    }

    /// In the foreground of a terminal; its output is in stdout.
    pub(crate) fn terminal(self) -> Stage {
        self.option(&["--terminal"])
    }

    /// Standard input from `Running::write`.
    pub(crate) fn fed(self) -> Stage {
        self.option(&["--stdin", "pipe"])
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, arguments: I) -> Stage {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn arg(self, argument: impl AsRef<OsStr>) -> Stage {
        self.args([argument])
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Stage {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Without even PATH.
    pub(crate) fn no_env(mut self) -> Stage {
        self.environment.clear();
        self
    }

    pub(crate) fn directory(mut self, path: impl Into<PathBuf>) -> Stage {
        self.directory = Some(path.into());
        self
    }

    /// Starts it, and returns once it has been exec'd.
    pub(crate) fn start(&self) -> Running {
        let (control, theirs) = UnixStream::pair().expect("a socket pair");
        let mut command = Command::new(fixture());
        command.arg("stage").args(&self.options).arg("--").arg(&self.program).args(&self.arguments);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let mut wrapper = command.spawn().expect("the fixture starts");
        drop(command);
        let stdout = Capture::of(wrapper.stdout.take().expect("piped"));
        let stderr = Capture::of(wrapper.stderr.take().expect("piped"));
        let events = Capture::of(control.try_clone().expect("a copy"));
        let mut running = Running { wrapper, control, stdout, stderr, events, pid: 0, namespace: None };
        wait_until(&format!("{:?} starts", self.program), LIMIT, || running.events.ended() || running.is_started());
        running.pid = running.event("started").unwrap_or_else(|| {
            let (events, stderr) = (running.events.text(), running.stderr.text());
            panic!("{:?} does not start: {events}{stderr}", self.program)
        });
        running.namespace = running.event("namespace");
        running
    }

    /// Starts it and waits for its end.
    pub(crate) fn run(&self) -> Outcome {
        self.start().wait()
    }

    /// The pid of the program inside the namespace.
    pub(crate) fn inner_pid(&self) -> i32 {
        if self.child { 2 } else { 1 }
    }
}

/// A program that was started. Dropping it kills everything in its namespace.
pub(crate) struct Running {
    wrapper: Child,
    control: UnixStream,
    stdout: Capture,
    stderr: Capture,
    events: Capture,
    pid: i32,
    namespace: Option<PathBuf>,
}

impl Running {
    /// Its pid out here.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends it a signal from outside the namespace.
    pub(crate) fn send(&self, name: &str) {
        send(self.pid, signal(name));
    }

    /// Types, or writes to its standard input.
    pub(crate) fn write(&self, text: &str) {
        (&self.control).write_all(text.as_bytes()).expect("the fixture listens");
    }

    /// Standard input ends.
    pub(crate) fn end_input(&self) {
        _ = self.control.shutdown(Shutdown::Write);
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it has written this, to stdout or stderr.
    pub(crate) fn wait_for(&self, text: &str) {
        assert!(self.says_within(LIMIT, text), "no {text:?} in\n{}\n{}", self.stdout(), self.stderr());
    }

    /// Whether it writes this in time.
    #[must_use]
    pub(crate) fn says_within(&self, limit: Duration, text: &str) -> bool {
        happens_within(limit, || self.stdout().contains(text) || self.stderr().contains(text))
    }

    /// Whether it is stopped by a signal in time (only seen with `Stage::child`).
    #[must_use]
    pub(crate) fn stops_within(&self, limit: Duration) -> bool {
        happens_within(limit, || self.event::<i32>("stopped").is_some())
    }

    /// How it ended, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        let killed = || self.event("killed").map(Ending::Killed);
        self.event("exited").map(Ending::Exited).or_else(killed)
    }

    /// Whether it ends in time.
    #[must_use]
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        happens_within(limit, || self.ending().is_some())
    }

    /// Waits for its end, and for what it wrote until then.
    pub(crate) fn wait(&self) -> Outcome {
        let said = || format!("it ends; so far\n{}\n{}", self.stdout(), self.stderr());
        assert!(self.ends_within(LIMIT), "waited {LIMIT:?} in vain: {}", said());
        // Something that was left behind may hold its output open.
        _ = happens_within(LAST_WORDS, || self.stdout.ended() && self.stderr.ended());
        Outcome { ending: self.ending().expect("it ended"), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// All that lives in its namespace: pid inside, state letter, name.
    pub(crate) fn processes(&self) -> Vec<(i32, char, String)> {
        let Some(namespace) = &self.namespace else { return Vec::new() };
        let all = fs::read_dir("/proc").expect("/proc").flatten();
        let mut inside: Vec<_> = all
            .filter(|entry| fs::read_link(entry.path().join("ns/pid")).is_ok_and(|link| link == *namespace))
            .filter_map(|entry| status(&entry.path()))
            .collect();
        inside.sort();
        inside
    }

    /// The pid out here of a process that has this one inside.
    pub(crate) fn pid_out_here(&self, inside: i32) -> Option<i32> {
        let namespace = self.namespace.as_ref()?;
        let mut all = fs::read_dir("/proc").expect("/proc").flatten();
        let found = all.find(|entry| {
            fs::read_link(entry.path().join("ns/pid")).is_ok_and(|link| link == *namespace)
                && status(&entry.path()).is_some_and(|(pid, ..)| pid == inside)
        });
        found?.file_name().to_str()?.parse().ok()
    }

    fn is_started(&self) -> bool {
        self.event::<i32>("started").is_some()
    }

    /// What came with the latest event of this name.
    fn event<T: FromStr>(&self, name: &str) -> Option<T> {
        let text = self.events.text();
        let complete = text.rsplit_once('\n')?.0;
        complete.lines().rev().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The wrapper takes it as the order to kill its namespace; should it be gone, the first process is ours to kill.
        _ = self.control.shutdown(Shutdown::Both);
        let gone = happens_within(LIMIT, || matches!(self.wrapper.try_wait(), Ok(Some(_)) | Err(_)));
        if !gone {
            send(self.pid, libc::SIGKILL);
            _ = self.wrapper.kill();
            _ = self.wrapper.wait();
        }
    }
}

/// pid in the innermost namespace, state, name.
fn status(process: &Path) -> Option<(i32, char, String)> {
    let text = fs::read_to_string(process.join("status")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let pid = field("NSpid:")?.split_whitespace().last()?.parse().ok()?;
    Some((pid, field("State:")?.chars().next()?, field("Name:")?.to_owned()))
}

/// A stream that is read as it comes, so that nobody blocks on it.
pub(crate) struct Capture(Arc<Mutex<(String, bool)>>);

impl Capture {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Capture {
        let shared = Arc::new(Mutex::new((String::new(), false)));
        let filled = Arc::clone(&shared);
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            while let Some(bytes) = reader.fill_buf().ok().filter(|bytes| !bytes.is_empty()) {
                let count = bytes.len();
                filled.lock().expect("not poisoned").0.push_str(&String::from_utf8_lossy(bytes));
                reader.consume(count);
            }
            filled.lock().expect("not poisoned").1 = true;
        });
        Capture(shared)
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().expect("not poisoned").0.clone()
    }

    pub(crate) fn ended(&self) -> bool {
        self.0.lock().expect("not poisoned").1
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// A program as it is

/// Runs a command to its end, or kills it.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Outcome {
    use std::os::unix::process::ExitStatusExt;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let stdout = Capture::of(child.stdout.take().expect("piped"));
    let stderr = Capture::of(child.stderr.take().expect("piped"));
    let mut status = None;
    let ended = happens_within(limit, || {
        status = child.try_wait().expect("our child");
        status.is_some()
    });
    if !ended {
        _ = child.kill();
        _ = child.wait();
    }
    let status = status.unwrap_or_else(|| panic!("{command:?} takes longer than {limit:?}"));
    _ = happens_within(LAST_WORDS, || stdout.ended() && stderr.ended());
    let killed = || Ending::Killed(status.signal().unwrap_or_default());
    Outcome { ending: status.code().map_or_else(killed, Ending::Exited), stdout: stdout.text(), stderr: stderr.text() }
}
