//! What the tests with containers share: images FROM scratch made here, containers that go away with their test, a Go
//! toolchain. No registry is asked.

#![allow(dead_code, reason = "every test root uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

mod skip;

#[allow(unused_imports, reason = "every test root uses a part of it")]
pub(crate) use skip::{requires, skipped};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, RwLock, RwLockReadGuard};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

pub(crate) const GOWARD: &str = env!("CARGO_BIN_EXE_goward");
pub(crate) const USER: &str = "65532:65532";
/// What `docker stop` waits before it kills, and goward's default.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// "At once", with all that Docker does around it.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(3);
/// No single call to a tool takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

// ---------------------------------------------------------------------------------------------------------------------
// Containers and images

/// An image that goes away with its tests.
pub(crate) struct Image {
    pub(crate) tag: String,
}

impl Image {
    /// goward and these servers of examples/servers, and nothing else.
    pub(crate) fn with(servers: &[&str]) -> Self {
        let servers: Vec<(&str, PathBuf)> = servers.iter().map(|name| (*name, go_server(name))).collect();
        let files: Vec<(&str, &Path)> = servers.iter().map(|(name, path)| (*name, path.as_path())).collect();
        Self::new(&files)
    }

    pub(crate) fn new(files: &[(&str, &Path)]) -> Self {
        Self::described(files, "ENTRYPOINT [\"/goward\"]\n")
    }

    /// goward, these files, and what the Dockerfile says about them.
    pub(crate) fn described(files: &[(&str, &Path)], lines: &str) -> Self {
        let context = TempDir::new();
        for (name, path) in [&[("goward", Path::new(GOWARD))], files].concat() {
            let to = context.0.join("root").join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(path, to).unwrap();
        }
        write(&context.0.join("Dockerfile"), &format!("FROM scratch\nCOPY root/ /\n{lines}"));
        Self::build(&context)
    }

    /// This image with something more said about it.
    pub(crate) fn and(&self, lines: &str) -> Self {
        let context = TempDir::new();
        write(&context.0.join("Dockerfile"), &format!("FROM {}\n{lines}", self.tag));
        Self::build(&context)
    }

    fn build(context: &TempDir) -> Self {
        let image = Self { tag: unique() };
        // Without a cache: it would be another test's image, which goes away with that test.
        done(docker(&["build", "--force-rm", "--no-cache", "-q", "-t", &image.tag]).arg(&context.0));
        image
    }

    /// Starts a container in the background.
    pub(crate) fn run(&self, docker_args: &[&str], args: &[&str]) -> Container {
        let container = Container { name: unique() };
        let labelled = ["run", "-d", "--label=goward-test", "--name", &container.name];
        done(&mut docker(&[&labelled, docker_args, &[&self.tag], args].concat()));
        container
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        run(&mut docker(&["rmi", "-f", &self.tag]), LIMIT);
    }
}

/// A container that goes away with its test, whatever became of it.
pub(crate) struct Container {
    pub(crate) name: String,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: String,
    pub(crate) state: String,
}

impl Container {
    pub(crate) fn logs(&self) -> String {
        run(&mut docker(&["logs", &self.name]), LIMIT).all()
    }

    pub(crate) fn wait_for_log(&self, part: &str) {
        let began = Instant::now();
        loop {
            let logs = self.logs();
            if logs.contains(part) {
                return;
            }
            let running = self.inspect("{{.State.Running}}");
            assert!(running == "true" && began.elapsed() < LIMIT, "no {part:?} in the log:\n{logs}");
            sleep(Duration::from_millis(100));
        }
    }

    /// goward's last word, with --log-format=json.
    pub(crate) fn record(&self) -> serde_json::Value {
        let logs = self.logs();
        let mut json = logs.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        json.find(|event| event.get("cause").is_some()).unwrap_or_else(|| panic!("no record in\n{logs}"))
    }

    /// `docker stop`, and how long it took.
    pub(crate) fn stop(&self, grace: Duration) -> Duration {
        let began = Instant::now();
        done(&mut docker(&["stop", "-t", &grace.as_secs().to_string(), &self.name]));
        began.elapsed()
    }

    /// Waits for the end; the exit code.
    pub(crate) fn wait(&self) -> i64 {
        done(&mut docker(&["wait", &self.name])).trim().parse().unwrap()
    }

    /// A signal, which goward hands on.
    pub(crate) fn send(&self, signal: &str) {
        done(&mut docker(&["kill", "-s", signal, &self.name]));
    }

    /// A command inside, as the user of the container or with what `docker exec` is told.
    pub(crate) fn exec(&self, docker_args: &[&str], words: &[&str]) -> Output {
        run(&mut docker(&[&["exec"], docker_args, &[&self.name], words].concat()), LIMIT)
    }

    pub(crate) fn exit_code(&self) -> i64 {
        self.inspect("{{.State.ExitCode}}").parse().unwrap()
    }

    pub(crate) fn inspect(&self, format: &str) -> String {
        done(&mut docker(&["inspect", "-f", format, &self.name])).trim().to_owned()
    }

    /// Where its port 8080 is on this machine, once the server answers there.
    pub(crate) fn address(&self) -> String {
        let address = done(&mut docker(&["port", &self.name, "8080/tcp"])).lines().next().unwrap().to_owned();
        let began = Instant::now();
        while try_get(&address, "/healthz").is_none() {
            assert!(began.elapsed() < LIMIT, "nobody answers at {address}\n{}", self.logs());
            sleep(Duration::from_millis(50));
        }
        address
    }

    /// What runs in it, with the numbers of this machine's PID namespace.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let top = done(&mut docker(&["top", &self.name, "-eo", "pid,stat"]));
        let process = |line: &str| {
            let (pid, state) = line.trim().split_once(char::is_whitespace)?;
            Some(Process { pid: pid.to_owned(), state: state.trim().chars().take(1).collect() })
        };
        top.lines().skip(1).filter_map(process).collect()
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let context = TempDir::new();
        let tar = context.0.join("tar");
        done(docker(&["export", &self.name, "-o"]).arg(&tar));
        done(Command::new("tar").arg("-tf").arg(tar)).lines().map(str::to_owned).collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        run(&mut docker(&["rm", "-f", "-v", &self.name]), LIMIT);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Tools

/// Tests whose time counts share it; a build that takes the whole machine has it alone.
pub(crate) static GATE: RwLock<()> = RwLock::new(());

/// Waits until the machine is free for a test. None without Docker or Go, which has been said then.
pub(crate) fn turn() -> Option<RwLockReadGuard<'static, ()>> {
    (docker_is_there() && go_is_there()).then(|| {
        go_server("good"); // compiled before anybody's time counts
        GATE.read().unwrap_or_else(|e| e.into_inner())
    })
}

pub(crate) fn docker_is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    let answers = || Command::new("docker").arg("info").output().is_ok_and(|out| out.status.success());
    *THERE.get_or_init(answers) || skipped("no Docker daemon answers")
}

/// Where the Go toolchain is, or why there is none.
fn find_go() -> &'static Result<PathBuf, String> {
    static GO: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    GO.get_or_init(|| {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools.sh");
        let path = run(Command::new(tools).arg("go"), Duration::from_secs(180));
        if path.code == Some(0) { Ok(path.stdout.trim().into()) } else { Err(path.stderr) }
    })
}

pub(crate) fn go_is_there() -> bool {
    find_go().is_ok() || skipped("no Go toolchain: tests/tools.sh go")
}

/// The Go toolchain, in a test that has its turn.
pub(crate) fn go() -> &'static Path {
    find_go().as_ref().unwrap_or_else(|why| panic!("tests/tools.sh go: {why}"))
}

pub(crate) fn go_temp() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("containers")
}

pub(crate) fn go_command(module: &Path) -> Command {
    let mut command = Command::new(go());
    command.current_dir(module).env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local");
    command
}

/// Asks until the answer is yes.
pub(crate) fn until(what: &str, container: &Container, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(
            began.elapsed() < LIMIT,
            "waited in vain: {what}\n{}\n{}",
            container.inspect("{{json .State}}"),
            container.logs()
        );
        sleep(Duration::from_millis(100));
    }
}

/// Whether gofmt and go vet have nothing to say about a module.
pub(crate) fn vet(module: &Path) {
    let goroot = done(Command::new(go()).args(["env", "GOROOT"]));
    let gofmt = Path::new(goroot.trim()).join("bin/gofmt");
    assert_eq!(done(Command::new(gofmt).arg("-l").arg(module)), "", "these are not as gofmt would have them");
    done(go_command(module).args(["vet", "./..."]));
}

/// A server of examples/servers as it would be shipped.
pub(crate) fn go_server(name: &str) -> PathBuf {
    go_program("examples/servers", name)
}

/// A program of a module of this repository, compiled once with all others of that module.
pub(crate) fn go_program(module: &str, name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(|e| e.into_inner());
    let bin = built.entry(module.to_owned()).or_insert_with(|| {
        let bin = go_temp().join("bin").join(module);
        fs::create_dir_all(&bin).unwrap();
        let build = run(
            go_command(&Path::new(env!("CARGO_MANIFEST_DIR")).join(module))
                .args(["build", "-trimpath", "-ldflags=-s -w -X main.version=test", "-o"])
                .args([&bin, Path::new("./...")]),
            Duration::from_secs(180),
        );
        assert_eq!(build.code, Some(0), "{}", build.stderr);
        bin
    });
    bin.join(name)
}

/// The body of an answer with status 200.
pub(crate) fn get(address: &str, path: &str) -> String {
    try_get(address, path).unwrap_or_else(|| panic!("no answer to {path} from {address}"))
}

pub(crate) fn try_get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.trim().to_owned())
}

pub(crate) fn docker(args: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(args);
    command
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a command to its end, which must come in time.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Output {
    fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = from.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (stdout, stderr) = (reader(child.stdout.take().unwrap()), reader(child.stderr.take().unwrap()));
    let began = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if began.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        sleep(Duration::from_millis(5));
    };
    Output { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Runs a command that must succeed; its output.
pub(crate) fn done(command: &mut Command) -> String {
    let out = run(command, LIMIT * 2);
    assert_eq!(out.code, Some(0), "{command:?}\n{}", out.all());
    out.stdout
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A name for images and containers that nobody else has.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("goward-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    /// Where the binaries are, so that they can be linked.
    pub(crate) fn new() -> Self {
        Self::within(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    pub(crate) fn short() -> Self {
        Self::within(&std::env::temp_dir())
    }

    pub(crate) fn within(parent: &Path) -> Self {
        let path = parent.join(unique());
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
