//! `goward dump`, and what it shows of real Go servers: the same as the server's own profile, taken right after.
//!
//! The servers are tests/live/*, built by several versions of Go, each plain, without symbols and paths, and position-independent.
//! `make soak` has more versions. GOWARD_BLESS=1 records the memory of one anew, for the unit tests in src/live and
//! for the fuzzer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start programs")]

#[path = "live/record.rs"]
mod record;
#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{Capture, Ending, GOWARD, LIMIT, Outcome, Stage, happens_within, pause_for, run, skipped};

/// How long a toolchain may be fetched, and a server built.
const BUILD: Duration = Duration::from_secs(600);

/// How a server is built.
struct Build {
    name: &'static str,
    arguments: &'static [&'static str],
    cgo: bool,
}

const PLAIN: Build = Build { name: "plain", arguments: &[], cgo: false };
const STRIPPED: Build = Build { name: "stripped", arguments: &["-ldflags=-s -w", "-trimpath"], cgo: false };
const PIE: Build = Build { name: "pie", arguments: &["-buildmode=pie"], cgo: true };
const EXTERNAL: Build = Build { name: "external", arguments: &["-ldflags=-linkmode=external"], cgo: true };
const BUILDS: [Build; 4] = [PLAIN, STRIPPED, PIE, EXTERNAL];

/// The toolchain in use, the oldest that can be had, and one between them.
const NEWEST: &str = "newest";
const OLDEST: &str = "1.21.13";
const BETWEEN: &str = "1.24.11";

#[test]
fn the_newest_go() {
    compare_all(NEWEST);
}

#[test]
fn the_oldest_go() {
    compare_all(OLDEST);
}

#[test]
fn a_go_between_the_two() {
    compare_all(BETWEEN);
}

#[test]
#[ignore = "all the other versions that can be had, four builds each: make soak"]
fn every_go() {
    ["1.22.10", "1.23.9", "1.25.5", "1.26.6"].into_iter().for_each(compare_all);
}

fn compare_all(version: &str) {
    let Some(go) = toolchain(version) else { return };
    for build in BUILDS {
        if build.cgo && !support::requires("cc") {
            continue;
        }
        let server = Server::start(&build_server(&go, version, &build, "states"), &[]);
        server.compare(&format!("{version} {}", build.name));
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// What is shown

#[test]
fn groups_and_a_diagnosis() {
    let Some(server) = states() else { return };
    let shown = server.dump(&["--color=never"]);
    assert_eq!(shown.ending, Ending::Exited(0), "{}", shown.stderr);
    let heading = shown.stdout.lines().next().unwrap_or_default();
    assert!(heading.starts_with(&format!("pid {}, go1.", server.pid())), "{heading}");
    assert!(shown.stdout.contains("main.main"), "{}", shown.stdout);
    let json = server.dump(&["--json", "--all"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["kind"], "live");
    let groups = json["groups"].as_array().unwrap();
    let of = |state: &str| {
        groups.iter().filter(|group| group["state"] == state).map(|group| group["count"].as_u64().unwrap()).sum::<u64>()
    };
    // main.go starts two that wait for one mutex; both are seen to wait for the same.
    let mutex = groups.iter().find(|group| group["state"] == "sync.Mutex.Lock" && group["count"] == 1).unwrap();
    assert!(mutex["objects"][0]["address"].as_str().unwrap().starts_with("0x"), "{mutex}");
    // What it is like in memory.
    let objects = |state: &str| -> Vec<&serde_json::Value> {
        let of = groups.iter().filter(|group| group["state"] == state && group["system"] == false);
        of.flat_map(|group| group["objects"].as_array().unwrap()).collect()
    };
    let has = |state: &str, of: &[(&str, serde_json::Value)]| {
        objects(state).iter().any(|object| of.iter().all(|(field, value)| object[field] == *value))
    };
    assert!(has("sync.Mutex.Lock", &[("locked", true.into()), ("waiters", 2.into())]), "{json}");
    assert!(has("chan send", &[("length", 2.into()), ("capacity", 2.into()), ("closed", false.into())]), "{json}");
    assert!(has("chan receive", &[("length", 0.into()), ("capacity", 0.into()), ("closed", false.into())]), "{json}");
    assert!(has("sync.WaitGroup.Wait", &[("counter", 1.into())]), "{json}");
    // A nil channel has no address, and nothing is known of it.
    assert!(objects("chan send (nil chan)").iter().all(|object| object["capacity"].is_null()), "{json}");
    // The third one waits for a writer of the RWMutex.
    assert_eq!((of("sync.Mutex.Lock"), of("sync.RWMutex.RLock"), of("chan send (nil chan)")), (3, 1, 1));
}

#[test]
fn raw_is_read_again_by_goward_goroutines() {
    let Some(server) = states() else { return };
    let scratch = support::Scratch::new();
    let raw = server.dump(&["--raw"]);
    let file = scratch.file("dump.txt", &raw.stdout, 0o600);
    let counted = |outcome: &Outcome| -> serde_json::Value { serde_json::from_str(&outcome.stdout).unwrap() };
    let again = counted(&run(Command::new(GOWARD).args(["goroutines", "--json", "--all"]).arg(file), LIMIT));
    let direct = counted(&server.dump(&["--json", "--all"]));
    let groups = |of: &serde_json::Value| -> Vec<(String, u64)> {
        let groups = of["groups"].as_array().unwrap().iter();
        groups.map(|group| (group["state"].as_str().unwrap().to_owned(), group["count"].as_u64().unwrap())).collect()
    };
    assert_eq!(groups(&again), groups(&direct));
    assert_eq!((&again["user"], &again["system"]), (&direct["user"], &direct["system"]));
}

/// The server that has no handler for signals, with 30 workers, and one of its variables set.
fn unhandled(go: &Path, name: &str, value: &str) -> Running {
    let mut command = Command::new(build_server(go, NEWEST, &STRIPPED, "unhandled"));
    command.arg("30").env(name, value).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Running(command.spawn().unwrap());
    let printed = Capture::of(child.0.stdout.take().unwrap());
    assert!(happens_within(LIMIT, || printed.text().contains("ready")));
    child
}

/// While the collector marks there is a copy of the list of goroutines, which is none that could be meant instead.
#[test]
fn a_server_that_collects_garbage_is_read() {
    let Some(go) = toolchain(NEWEST) else { return };
    let collecting = unhandled(&go, "COLLECT", "1");
    let pid = collecting.0.id().to_string();
    for _ in 0..20 {
        let shown = run(Command::new(GOWARD).args(["dump", "--pid", &pid, "--color=never"]), LIMIT);
        assert_eq!(shown.ending, Ending::Exited(0), "{}", shown.stderr);
        assert!(shown.stdout.contains("30 × chan receive"), "{}", shown.stdout);
    }
}

/// A leak in production: what grew between two looks, with its place and who started it, and nothing else.
#[test]
fn what_grows_is_told() {
    let Some(go) = toolchain(NEWEST) else { return };
    let start = |grows: &str| unhandled(&go, "GROW", grows);
    let growth = |child: &Running, form: &[&str]| {
        let pid = child.0.id().to_string();
        run(Command::new(GOWARD).args(["dump", "--pid", &pid, "--growth", "500ms"]).args(form), LIMIT)
    };
    let leaking = start("1");
    let told = growth(&leaking, &[]);
    assert_eq!(told.ending, Ending::Exited(0), "{}", told.stderr);
    assert!(told.stdout.contains("main.leaked") && !told.stdout.contains("main.worker"), "{}", told.stdout);
    assert!(told.stdout.contains("started by main.main.func1"), "{}", told.stdout);
    let json: serde_json::Value = serde_json::from_str(&growth(&leaking, &["--json"]).stdout).unwrap();
    let changes = json["changes"].as_array().unwrap();
    let change = &changes[0];
    assert!(change["after"].as_u64() > change["before"].as_u64(), "{json}");
    // One that has just been started is in another state, and so another group.
    assert!(changes.iter().all(|change| change["group"]["own"]["function"] == "main.leaked"), "{json}");
    let told = growth(&start(""), &[]);
    assert!(!told.stdout.contains("main."), "{}", told.stdout);
}

#[test]
fn watch_is_for_a_terminal() {
    let Some(server) = states() else { return };
    let refused = server.dump(&["--watch"]);
    assert_eq!(refused.ending, Ending::Exited(1));
    assert!(refused.stderr.contains("--watch needs a terminal"), "{}", refused.stderr);
    if !support::requires("script") {
        return;
    }
    let command = format!("exec {GOWARD} dump --watch --color=never --pid {}", server.pid());
    let watched = run(Command::new("timeout").args(["5", "script", "-qec", &command, "/dev/null"]), LIMIT);
    let looks = watched.stdout.matches("goroutines and").count();
    assert!((2..=3).contains(&looks), "{looks}: {}", watched.stdout);
}

/// Whether the stack of a goroutine goes to its beginning, or says that it does not.
fn is_whole(block: &str) -> bool {
    let calls: Vec<&str> = block.lines().skip(1).filter(|line| !line.starts_with(['\t', 'c'])).collect();
    let roots = ["runtime.goexit(", "runtime.mstart", "runtime.rt0_go(", "...additional frames elided..."];
    calls.last().is_none_or(|last| roots.iter().any(|root| last.starts_with(root)))
}

/// Goroutines of a server that is busy are read while they move; not one stack is cut short.
#[test]
fn stacks_are_whole_while_the_server_works() {
    let Some(server) = states() else { return };
    let stop = std::sync::atomic::AtomicBool::new(false);
    let is_over = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over() {
                    let Ok(mut stream) = TcpStream::connect(&server.address) else { continue };
                    let _ = stream.write_all(b"GET /debug/pprof/cmdline HTTP/1.0\r\n\r\n");
                    let _ = stream.read_to_end(&mut Vec::new());
                }
            });
        }
        let looks: Vec<Outcome> = (0..100).map(|_| server.dump(&["--raw"])).collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        // The one that accepts connections may run in any of them, and not in all.
        assert!(looks.iter().any(|look| look.stdout.contains("\nmain.main(")));
        for look in looks {
            assert_eq!(look.ending, Ending::Exited(0), "{}", look.stderr);
            let blocks: Vec<&str> = look.stdout.split("\n\n").filter(|block| !block.is_empty()).collect();
            assert!(blocks.len() > 25 && look.stdout.starts_with("goroutine 1 ["), "{}", look.stdout);
            for block in blocks {
                assert!(is_whole(block) && !block.contains("[copystack"), "{block}");
            }
        }
    });
}

/// A select has no argument that would be one of its channels: the runtime's own list has them.
#[test]
fn the_channels_of_a_select_are_told() {
    let Some(server) = states() else { return };
    let json: serde_json::Value = serde_json::from_str(&server.dump(&["--json", "--all"]).stdout).unwrap();
    let is_it =
        |group: &&serde_json::Value| group["state"] == "select" && group["own"]["function"] == "main.main.func6";
    let group = json["groups"].as_array().unwrap().iter().find(is_it).unwrap_or_else(|| panic!("{json}"));
    let objects = group["objects"].as_array().unwrap();
    let capacities: Vec<u64> = objects.iter().filter_map(|object| object["capacity"].as_u64()).collect();
    assert!(capacities.len() == 2 && capacities.contains(&0) && capacities.contains(&2), "{group}");
    let shown = server.dump(&["--all", "--color=never"]).stdout;
    assert!(shown.contains("an unbuffered channel), 0x") || shown.contains("2 of 2), 0x"), "{shown}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Who is leaked for certain

/// Those that nothing can wake are found, all of them; of those that something can wake, none, whatever else runs.
fn prove(go: &Path, version: &str, busy: &str) {
    let binary = build_server(go, version, &STRIPPED, "leaks");
    let mut command = Command::new(binary);
    command.env("BUSY", busy).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Running(command.spawn().unwrap());
    let printed = Capture::of(child.0.stdout.take().unwrap());
    assert!(happens_within(LIMIT, || printed.text().contains("ready")));
    let pid = child.0.id().to_string();
    for _ in 0..if busy.is_empty() { 1 } else { 10 } {
        let seen = run(Command::new(GOWARD).args(["dump", "--prove", "--raw", "--pid", &pid]), LIMIT);
        assert_eq!(seen.ending, Ending::Exited(0), "{version}: {}", seen.stderr);
        let mut proven = 0;
        for block in seen.stdout.split("\n\n").filter(|block| block.contains("\nmain.")) {
            let is_leaked = block.lines().next().unwrap_or_default().contains("(leaked)");
            let should_be = block.contains("\nmain.leaked");
            assert!(should_be || !is_leaked, "{version}: nobody can wake it, it says: {block}");
            proven += u32::from(is_leaked);
        }
        // A word that is left somewhere may hide one, and more while others run.
        assert!(proven >= if busy.is_empty() { 12 } else { 1 }, "{version}: {proven} of 14 in {}", seen.stdout);
    }
    if !busy.is_empty() {
        return;
    }
    let told = run(Command::new(GOWARD).args(["dump", "--prove", "--color=never", "--pid", &pid]), LIMIT);
    assert!(
        told.stdout.contains("3 goroutines are leaked: nothing that can go on refers to what they wait"),
        "{told:?}"
    );
    assert!(told.stderr.contains("goroutines are leaked, by a search of "), "{}", told.stderr);
    assert!(!told.stdout.contains("leaked  main.kept"), "{}", told.stdout);
}

#[test]
fn what_nothing_can_wake_is_proven() {
    for version in [NEWEST, BETWEEN, OLDEST] {
        let Some(go) = toolchain(version) else { continue };
        prove(&go, version, "");
    }
}

#[test]
fn what_can_be_woken_is_never_called_leaked() {
    let Some(go) = toolchain(NEWEST) else { return };
    prove(&go, NEWEST, "1");
}

// ---------------------------------------------------------------------------------------------------------------------
// What cannot be shown

#[test]
fn what_cannot_be_read_is_refused_with_a_reason() {
    let dump = |pid: u32| run(Command::new(GOWARD).args(["dump", "--pid", &pid.to_string()]), LIMIT);
    let mut sleeper = Running(Command::new("sleep").arg("60").spawn().unwrap());
    let refused = dump(sleeper.0.id());
    assert_eq!(refused.ending, Ending::Exited(1));
    assert!(refused.stderr.contains("it is not a Go program"), "{}", refused.stderr);
    sleeper.0.kill().unwrap();
    sleeper.0.wait().unwrap();
    let gone = dump(sleeper.0.id());
    assert!(gone.stderr.contains("there is no process"), "{}", gone.stderr);
    assert_eq!(gone.stderr.lines().count(), 1, "{}", gone.stderr);
}

#[test]
fn another_user_is_told_whose_it_is() {
    if !support::requires_root() {
        return;
    }
    let Some(server) = states() else { return };
    let pid = server.pid().to_string();
    let goward = [GOWARD, "-q", "--user", "65532:65532", "--", GOWARD, "dump", "--pid", &pid];
    let refused = run(Command::new(goward[0]).args(&goward[1..]), LIMIT);
    assert_eq!(refused.ending, Ending::Exited(1), "{refused:?}");
    assert!(refused.stderr.contains("runs as uid 0, and this is uid 65532"), "{}", refused.stderr);
}

/// A process that is stopped or traced is read as any other.
#[test]
fn a_stopped_server_is_read() {
    let Some(server) = states() else { return };
    support::send(server.pid() as i32, support::signal("STOP"));
    let shown = server.dump(&["--all"]);
    assert_eq!(shown.ending, Ending::Exited(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("main.recurse"), "{}", shown.stdout);
}

// ---------------------------------------------------------------------------------------------------------------------
// Core dumps

/// Of an arm64 program under qemu, which writes a core of that architecture; the program prints its goroutines before.
#[test]
fn a_core_dump_of_arm64_has_the_same_goroutines() {
    if !support::requires("qemu-aarch64-static") {
        return;
    }
    let Some(go) = toolchain(NEWEST) else { return };
    let scratch = support::Scratch::new();
    let program = scratch.path("small");
    let mut command = Command::new(go);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live"));
    command.env("GOPROXY", "off").env("GOTOOLCHAIN", "local").env("GOARCH", "arm64").env("CGO_ENABLED", "0");
    command.args(["build", "-trimpath", "-ldflags=-s -w", "-o"]).arg(&program).arg("./small");
    assert_eq!(run(&mut command, BUILD).ending, Ending::Exited(0));
    let mut emulated = Command::new("sh");
    emulated.args(["-c", "ulimit -c unlimited; exec qemu-aarch64-static ./small"]).current_dir(scratch.path(""));
    emulated.env("GOTRACEBACK", "crash").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(emulated.spawn().unwrap());
    let printed = Capture::of(running.0.stdout.take().unwrap());
    let told = Capture::of(running.0.stderr.take().unwrap());
    assert!(happens_within(LIMIT, || printed.text().contains("ready")));
    // What it prints and what is in the core dump are two moments: nothing may run between them.
    assert!(happens_within(LIMIT, || rests(running.0.id())));
    support::send(running.0.id() as i32, support::signal("ABRT"));
    running.0.wait().unwrap();
    assert!(happens_within(LIMIT, || told.ended()));
    let files = fs::read_dir(scratch.path("")).unwrap().map(|entry| entry.unwrap().path());
    let core = files.into_iter().find(|path| path.to_string_lossy().ends_with(".core")).expect("qemu writes a core");
    let mut dump = Command::new(GOWARD);
    dump.args(["dump", "--raw", "--core"]).arg(core).arg("--program").arg(&program);
    let seen = run(&mut dump, LIMIT);
    assert_eq!(seen.ending, Ending::Exited(0), "{}", seen.stderr);
    let (seen, mut told) = (blocks(&seen.stdout), blocks(&told.text()));
    // The scheduler's own stack is no goroutine.
    told.remove(&0);
    assert_eq!(seen.keys().collect::<Vec<_>>(), told.keys().collect::<Vec<_>>());
    for (id, block) in &told {
        assert!(seen[id].is_as(block), "goroutine {id}: seen {:#?}, told {block:#?}", seen[id]);
    }
}

/// Whether a process has used no time for a while.
fn rests(pid: u32) -> bool {
    let used = || -> u64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        fields[12] + fields[13]
    };
    // Between two looks a thread that wants to run has had its turn.
    let before = used();
    (0..5).all(|_| {
        pause_for(Duration::from_millis(100));
        used() == before
    })
}

#[test]
fn what_is_no_core_dump_is_refused() {
    let refused = run(Command::new(GOWARD).args(["dump", "--core", GOWARD]), LIMIT);
    assert_eq!(refused.ending, Ending::Exited(1));
    assert!(refused.stderr.contains("it is not a core dump"), "{}", refused.stderr);
}

// ---------------------------------------------------------------------------------------------------------------------
// Recorded memory

#[test]
fn the_recordings_can_be_made() {
    let Some(go) = toolchain(NEWEST) else { return };
    let server = Server::start(&build_server(&go, NEWEST, &STRIPPED, "small"), &[]);
    let (recording, printed) = record::record(server.pid());
    assert!(printed.contains("main.wait("), "{printed}");
    assert!(recording.len() < 1 << 20, "{} bytes", recording.len());
    if std::env::var_os("GOWARD_BLESS").is_some() {
        let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/recorded");
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("amd64.recording"), recording).unwrap();
        fs::write(to.join("amd64.txt"), printed).unwrap();
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Servers

fn states() -> Option<Server> {
    let go = toolchain(NEWEST)?;
    Some(Server::start(&build_server(&go, NEWEST, &PLAIN, "states"), &[]))
}

fn toolchain(version: &str) -> Option<PathBuf> {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools.sh"));
    command.arg("go").args(Some(version).filter(|version| *version != NEWEST));
    let told = run(&mut command, BUILD);
    if told.ending == Ending::Exited(0) {
        return Some(told.stdout.trim().into());
    }
    skipped("no Go toolchain: tests/tools.sh go");
    None
}

fn build_server(go: &Path, version: &str, build: &Build, program: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live");
    fs::create_dir_all(&target).unwrap();
    let binary = target.join(format!("{program}-{version}-{}", build.name));
    let mut command = Command::new(go);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live"));
    command.env("GOPROXY", "off").env("GOTOOLCHAIN", "local").env_remove("GOFLAGS");
    command.env("CGO_ENABLED", if build.cgo { "1" } else { "0" });
    command.arg("build").args(build.arguments).arg("-o").arg(&binary).arg(format!("./{program}"));
    let built = run(&mut command, BUILD);
    assert_eq!(built.ending, Ending::Exited(0), "{command:?}: {}{}", built.stdout, built.stderr);
    binary
}

/// A process that goes with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

struct Server {
    child: Running,
    address: String,
}

impl Server {
    /// Starts it, and waits for the line with its address.
    fn start(binary: &Path, arguments: &[&str]) -> Server {
        let mut command = Command::new(binary);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Running(command.spawn().unwrap());
        let printed = Capture::of(child.0.stdout.take().unwrap());
        assert!(happens_within(LIMIT, || printed.text().contains('\n')), "{binary:?} says nothing");
        let address = printed.text().lines().next().unwrap_or_default().to_owned();
        Server { child, address }
    }

    fn pid(&self) -> u32 {
        self.child.0.id()
    }

    fn dump(&self, arguments: &[&str]) -> Outcome {
        run(Command::new(GOWARD).args(["dump", "--pid", &self.pid().to_string()]).args(arguments), LIMIT)
    }

    /// Its own profile, with debug=2.
    fn profile(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(b"GET /debug/pprof/goroutine?debug=2 HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// What goward sees is what the server tells of itself. What moved between the two is looked at again.
    fn compare(&self, name: &str) {
        let mut differences = Vec::new();
        for _ in 0..5 {
            differences = self.differences(name);
            if differences.is_empty() {
                return;
            }
        }
        panic!("{name}: {}", differences.join("\n"));
    }

    fn differences(&self, name: &str) -> Vec<String> {
        let seen = self.dump(&["--raw"]);
        assert_eq!(seen.ending, Ending::Exited(0), "{name}: {}", seen.stderr);
        let (seen, told) = (blocks(&seen.stdout), blocks(&self.profile()));
        // The two of the request for the profile come and go; what serves it has a connection that goward did not see.
        let transient = |block: &&Block| {
            let mut frames = block.frames.iter().map(|(function, _)| function.trim_start_matches("created by "));
            frames.any(|function| function.starts_with("net/http.(*conn") || function.contains("runtime/pprof"))
        };
        let told: BTreeMap<u64, Block> = told.into_iter().filter(|(_, block)| !transient(&block)).collect();
        assert!(told.len() > 25, "{name}: only {} goroutines", told.len());
        let mut differences = Vec::new();
        for (id, block) in &told {
            match seen.get(id) {
                Some(here) if here.is_as(block) => {}
                here => differences.push(format!("goroutine {id}: seen {here:#?}, told {block:#?}")),
            }
        }
        // Beyond those there are only the runtime's own, which a profile leaves out.
        for (id, block) in seen.iter().filter(|(id, _)| !told.contains_key(id)) {
            let is_runtime = block.frames.iter().all(|(function, _)| function.starts_with("created by "));
            if !is_runtime && !transient(&block) {
                differences.push(format!("goroutine {id} is invented: {block:#?}"));
            }
        }
        differences
    }
}

/// A goroutine as it is printed. Frames have their place, without arguments; the creator is the last.
#[derive(Debug)]
struct Block {
    state: String,
    frames: Vec<(String, String)>,
    is_elided: bool,
}

impl Block {
    /// Of what is elided each has another part, since goward shows the runtime's own frames too.
    fn is_as(&self, other: &Block) -> bool {
        let (ours, theirs) = (&self.frames, &other.frames);
        let depth = ours.len().min(theirs.len()).min(40);
        let both = self.is_elided && other.is_elided;
        let ends = || ours[..depth] == theirs[..depth] && ours[ours.len() - depth..] == theirs[theirs.len() - depth..];
        self.state == other.state && if both { ends() } else { ours == theirs }
    }
}

/// The goroutines of a text, without what a profile hides: frames of the runtime that nobody calls by name.
fn blocks(text: &str) -> BTreeMap<u64, Block> {
    let mut blocks = BTreeMap::new();
    for block in text.split("\n\n").filter(|block| block.starts_with("goroutine ")) {
        let mut lines = block.lines();
        let head = lines.next().unwrap().strip_prefix("goroutine ").unwrap_or_else(|| panic!("{block}"));
        let id = head.split(' ').next().unwrap();
        let state = &head[head.find('[').unwrap()..];
        let mut frames = Vec::new();
        let mut is_elided = false;
        while let Some(line) = lines.next() {
            if line.starts_with("...") || line.starts_with('\t') {
                is_elided |= line.starts_with("...");
                continue;
            }
            let place = lines.next().unwrap().trim().split(" fp=").next().unwrap().to_owned();
            let function = match line.strip_prefix("created by ") {
                Some(_) => line.to_owned(),
                None => without_arguments(line),
            };
            if !function.contains(".gowrap") && !is_hidden(function.strip_prefix("created by ").unwrap_or(&function)) {
                frames.push((function, place));
            }
        }
        blocks.insert(id.parse().unwrap(), Block { state: state.to_owned(), frames, is_elided });
    }
    blocks
}

/// `net/http.(*Server).Serve` of `net/http.(*Server).Serve(0xc000, {0x1, 0x2})`
fn without_arguments(line: &str) -> String {
    let mut depth = 0;
    let open = line.char_indices().rev().find(|(_, c)| {
        match c {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    line[..open.unwrap().0].to_owned()
}

/// showfuncinfo in runtime/traceback.go
fn is_hidden(function: &str) -> bool {
    let name = function.split(" in goroutine ").next().unwrap();
    let Some(name) = name.strip_prefix("runtime.") else { return false };
    let name = name.rsplit('.').next().unwrap();
    !name.starts_with(|c: char| c.is_ascii_uppercase())
}

// ---------------------------------------------------------------------------------------------------------------------
// At the deadline: --dump live, which is what goward does

/// Where the machine is busy with other tests a look takes long: it is due after two seconds, and has eight.
const SLOW: &str = "--stop-timeout 19s --dump-lead 17s";

/// goward as PID 1 over the server that catches every signal, and stops for none.
struct Deadline {
    stage: Stage,
}

impl Deadline {
    fn new(options: &str, server: &str) -> Option<Deadline> {
        if !support::requires_namespaces() {
            return None;
        }
        let go = toolchain(NEWEST)?;
        let binary = build_server(&go, NEWEST, &STRIPPED, "unhandled");
        let mut server = server.replace("SERVER", binary.to_str().unwrap());
        for (word, program) in [("PARENT", "parent"), ("SMALL", "small")] {
            if server.contains(word) {
                server = server.replace(word, build_server(&go, NEWEST, &STRIPPED, program).to_str().unwrap());
            }
        }
        let words = options.split_whitespace().chain(["--", "sh", "-c"]);
        Some(Deadline { stage: Stage::new(GOWARD).args(words).arg(server) })
    }

    fn env(self, name: &str, value: &str) -> Deadline {
        Deadline { stage: self.stage.env(name, value) }
    }

    /// Its end, after a SIGTERM once the server is ready.
    fn end(&self) -> Outcome {
        let running = self.stage.start();
        running.wait_for("ready");
        running.send("TERM");
        running.wait()
    }

    /// The server was killed without having been signalled for a dump, and what 30 of its goroutines waited for is in the log.
    fn is_shown(&self) -> Outcome {
        let end = self.end();
        assert_eq!(end.ending, Ending::Exited(137), "{}", end.stderr);
        assert!(end.stderr.contains("30 × chan receive") && end.stderr.contains("main.worker"), "{}", end.stderr);
        assert!(!end.stderr.contains("SIGQUIT"), "{}", end.stderr);
        end
    }
}

#[test]
fn a_server_that_catches_every_signal_is_seen() {
    let Some(plan) = Deadline::new(SLOW, "exec SERVER 30") else { return };
    let end = plan.is_shown();
    assert!(end.stderr.contains("reading its goroutines"), "{}", end.stderr);
    assert!(end.stderr.contains("SIGKILL at "), "{}", end.stderr);
}

#[test]
fn neither_gotraceback_nor_a_full_pipe_hides_anything() {
    for (name, value) in [("GOTRACEBACK", "none"), ("FULL", "1")] {
        let Some(plan) = Deadline::new(SLOW, "exec SERVER 30") else { return };
        plan.env(name, value).is_shown();
    }
}

#[test]
fn the_go_program_that_a_script_has_started_is_meant() {
    let Some(plan) = Deadline::new(SLOW, "trap '' TERM; SERVER 30; true") else { return };
    plan.is_shown();
}

/// The script was sent the signal, and has not passed it on.
#[test]
fn what_a_script_has_started_may_not_have_been_told() {
    let Some(plan) = Deadline::new(SLOW, "trap : TERM; SMALL; true") else { return };
    let end = plan.end();
    let words = end.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("SIGTERM had no effect: the program has no handler for signals"), "{}", end.stderr);
    assert!(words.contains(" Its parent may not have passed SIGTERM on."), "{}", end.stderr);
}

/// A monitor in Go knows nothing of why its server hangs. Both are shown, and the heading of each says which it is.
#[test]
fn the_go_program_that_a_server_waits_for_is_shown_too() {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/parent/main.go")).unwrap();
    let line = |of: &str| source.lines().position(|line| line.trim() == of).unwrap() + 1;
    for server in ["exec PARENT SERVER 30", "trap '' TERM; PARENT SERVER 30; true"] {
        for (how, line) in [("wait", line("_ = child.Wait()")), ("pipe", line("<-exit"))] {
            let Some(plan) = Deadline::new(SLOW, server) else { return };
            let end = plan.env("HOW", how).is_shown();
            let (parent, child) = end.stderr.split_once(", started by pid ").expect(&end.stderr);
            assert!(child.contains("30 × chan receive") && !parent.contains("30 × chan receive"), "{}", end.stderr);
            assert!(parent.contains(&format!("=> Goroutine 1: main.main (main.go:{line})")), "{how}: {parent}");
            let words = parent.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("Its child still runs: unhandled-newes (pid "), "{how}: {parent}");
            assert!(!end.stderr.contains("cannot be read"), "{}", end.stderr);
        }
    }
}

#[test]
fn what_a_server_has_started_and_does_not_wait_for_is_not_shown() {
    let Some(plan) = Deadline::new(SLOW, "exec PARENT SERVER 30") else { return };
    let end = plan.env("HOW", "beside").end();
    assert!(end.stderr.contains("waiting for a mutex") && !end.stderr.contains("SIGQUIT"), "{}", end.stderr);
    assert!(!end.stderr.contains("started by pid") && !end.stderr.contains("Its child"), "{}", end.stderr);
    // One that is not Go has no goroutines, but is named.
    let script = "exec PARENT sh -c 'trap \"\" TERM INT; echo ready; while :; do sleep 0.1; done'";
    let Some(plan) = Deadline::new(SLOW, script) else { return };
    let end = plan.end();
    let words = end.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Its child still runs: sh (pid ") && !words.contains("SIGQUIT"), "{}", end.stderr);
    assert!(!end.stderr.contains("started by pid") && !end.stderr.contains("cannot be read"), "{}", end.stderr);
}

/// In a file of Go's own format two programs would be taken for one: it has the server. Each event of a log is still a line.
#[test]
fn the_file_has_the_server_alone() {
    let scratch = support::Scratch::new();
    let file = scratch.path("dump");
    let options = format!("{SLOW} --log-format json --dump-file {}", file.display());
    let Some(plan) = Deadline::new(&options, "exec PARENT SERVER 30") else { return };
    let end = plan.env("HOW", "pipe").end();
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.contains("main.copyLines(") && !kept.contains("main.worker("), "{kept}");
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    let events: Vec<serde_json::Value> = end.stderr.lines().filter_map(json).collect();
    let reason = |event: &serde_json::Value| Some(event["goroutines"]["reason"].as_str()?.to_owned());
    let whose: Vec<String> = events.iter().filter_map(reason).collect();
    assert!(matches!(&whose[..], [_, child] if child.contains(", started by pid ")), "{whose:?}");
    assert!(events.iter().any(|event| event["group"]["count"] == 30), "{}", end.stderr);
}

#[test]
fn a_command_shows_the_go_program_that_is_waited_for() {
    let Some(go) = toolchain(NEWEST) else { return };
    let [parent, child] = ["parent", "unhandled"].map(|program| build_server(&go, NEWEST, &STRIPPED, program));
    for (how, shown) in [("wait", 2), ("pipe", 2), ("beside", 1)] {
        let mut command = Command::new(&parent);
        command.arg(&child).arg("30").env("HOW", how).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = Running(command.spawn().unwrap());
        let printed = Capture::of(running.0.stdout.take().unwrap());
        assert!(happens_within(LIMIT, || printed.text().contains("ready")), "{}", printed.text());
        let pid = running.0.id().to_string();
        let dump = |more: &[&str]| run(Command::new(GOWARD).args(["dump", "--pid", &pid]).args(more), LIMIT);
        let json = dump(&["--json"]);
        let whose = json.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let whose: Vec<String> = whose.map(|dump| dump["reason"].as_str().unwrap().to_owned()).collect();
        assert_eq!(whose.len(), shown, "{how}: {whose:?}");
        assert_eq!(
            whose.iter().filter(|whose| whose.contains(&format!(", started by pid {pid}, go1."))).count(),
            shown - 1
        );
        // In Go's own format two programs would be taken for one.
        let raw = dump(&["--raw"]);
        assert!(raw.stderr.contains("it has started another Go program: goward dump --pid "), "{}", raw.stderr);
        assert!(!raw.stdout.contains("main.worker"), "{}", raw.stdout);
        let found = blocks(&raw.stdout);
        assert!(found.len() > 3, "{}", raw.stdout);
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        drop(running);
        children.split_whitespace().for_each(|child| support::send(child.parse().unwrap(), libc::SIGKILL));
    }
}

/// `goward dump` of the server of a goward, as by docker exec.
fn dump_inside(running: &support::Running, words: &[&str]) -> Outcome {
    let pid = running.pid().to_string();
    let inside = ["--target", &pid, "--pid", "--mount", GOWARD, "dump", "--color=never"];
    run(Command::new("nsenter").args(inside).args(words), LIMIT)
}

/// What holds up a stop can be said only by who knows that one is in progress: the init does.
#[test]
fn a_command_knows_of_a_stop_in_progress() {
    if !support::requires_root() || !support::requires("nsenter") {
        return;
    }
    let findings = |text: &str| -> Vec<String> {
        let finding = text.lines().skip_while(|line| !line.starts_with("=> "));
        finding.take_while(|line| line.starts_with("=> ") || line.starts_with("   ")).map(str::to_owned).collect()
    };
    for (options, signal) in [
        ("", "SIGTERM"),
        ("--stop-signal INT", "SIGINT"),
        ("--stop-signal none", "SIGTERM"),
        ("--rewrite TERM:HUP --stop-on TERM,HUP", "SIGHUP"),
    ] {
        let Some(plan) = Deadline::new(&format!("{SLOW} {options}"), "exec SERVER 30") else { return };
        let running = plan.stage.start();
        running.wait_for("ready");
        assert!(
            happens_within(LIMIT, || dump_inside(&running, &[]).ending == Ending::Exited(0)),
            "{}",
            running.stderr()
        );
        let before = dump_inside(&running, &[]);
        assert!(before.stdout.contains("Nothing in the dump is known to hold up a shutdown"), "{}", before.stdout);
        assert!(!before.stderr.contains("asked to stop"), "{}", before.stderr);
        running.send("TERM");
        running.wait_for("stop requested");
        let during = dump_inside(&running, &[]);
        assert!(during.stderr.contains(&format!("was asked to stop by {signal}, ")), "{}", during.stderr);
        // Without an init nobody knows.
        let alone = dump_inside(&running, &["--pid", "2"]);
        assert_eq!(findings(&alone.stdout), findings(&before.stdout), "{}", alone.stdout);
        let end = running.wait();
        assert_eq!(findings(&during.stdout), findings(&end.stderr), "{}\n{}", during.stdout, end.stderr);
        assert!(during.stdout.contains("=> Goroutine 1: main.main (main.go:"), "{}", during.stdout);
    }
}

/// A script is sent the signal, and not what it has started.
#[test]
fn a_command_names_the_process_that_was_asked_to_stop() {
    if !support::requires_root() || !support::requires("nsenter") {
        return;
    }
    let script = "trap '' TERM; SERVER 30; true";
    for (options, script, who) in [
        ("", "exec SERVER 30", "goward: pid 2"),
        ("", script, "goward: pid 2"),
        ("--group", script, "goward: the process group of pid 2"),
    ] {
        let Some(plan) = Deadline::new(&format!("{SLOW} {options}"), script) else { return };
        let running = plan.stage.start();
        running.wait_for("ready");
        running.send("TERM");
        running.wait_for("stop requested");
        let during = dump_inside(&running, &[]);
        let shown = during.stdout.strip_prefix("pid ").unwrap().split(',').next().unwrap();
        assert_eq!(shown == "2", script.starts_with("exec"), "{}", during.stdout);
        let started = if shown == "2" { String::new() } else { format!("; pid {shown} was started by it") };
        assert!(during.stderr.contains(&format!("{who} was asked to stop by SIGTERM, ")), "{}", during.stderr);
        assert!(during.stderr.contains(&format!(" ms ago{started}\n")), "{}", during.stderr);
    }
}

/// While a drain holds the signal back, the server knows of no stop, and nothing holds one up.
#[test]
fn a_drain_is_no_stop_of_the_server() {
    if !support::requires_root() || !support::requires("nsenter") {
        return;
    }
    let Some(plan) = Deadline::new("--stop-timeout 30s --drain 20s", "exec SERVER 30") else { return };
    let running = plan.stage.start();
    running.wait_for("ready");
    running.send("TERM");
    running.wait_for("draining");
    let shown = dump_inside(&running, &[]);
    assert!(shown.stdout.contains("Nothing in the dump is known to hold up"), "{}{}", shown.stdout, shown.stderr);
    assert!(!shown.stderr.contains("asked to stop"), "{}", shown.stderr);
}

/// It is not signalled, and so it may still finish.
#[test]
fn a_server_that_finishes_after_the_look_has_its_own_code() {
    let Some(plan) = Deadline::new(SLOW, "exec SERVER 30 14s") else { return };
    let end = plan.end();
    assert_eq!(end.ending, Ending::Exited(7), "{}", end.stderr);
    assert!(end.stderr.contains("30 × chan receive") && end.stderr.contains("stopped: exit 7"), "{}", end.stderr);
}

#[test]
fn what_is_no_go_program_is_neither_asked_nor_hurt() {
    if !support::requires_namespaces() {
        return;
    }
    let script = "trap 'echo asked >&2' QUIT ABRT; trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let running = Stage::new(GOWARD).args(["--stop-timeout", "2s", "--", "sh", "-c", script]).start();
    running.wait_for("ready");
    running.send("TERM");
    let end = running.wait();
    assert_eq!(end.ending, Ending::Exited(137));
    assert!(end.stderr.contains("there are no goroutines to show"), "{}", end.stderr);
    assert!(!end.stderr.contains("asked") && !end.stderr.contains("SIGQUIT"), "{}", end.stderr);
}

/// Where nothing may be read, the signals follow, and the log says why. A server that catches them shows nothing then.
#[test]
fn a_look_that_is_refused_is_followed_by_the_signals() {
    if !support::requires_namespaces() || !support::requires_root() {
        return;
    }
    let Some(go) = toolchain(NEWEST) else { return };
    // Its file can be executed and not be read: such a process is not dumpable.
    let scratch = support::Scratch::new();
    let hidden = scratch.path("unhandled");
    fs::copy(build_server(&go, NEWEST, &STRIPPED, "unhandled"), &hidden).unwrap();
    fs::set_permissions(&hidden, PermissionsExt::from_mode(0o711)).unwrap();
    fs::set_permissions(hidden.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    let options = ["--user", "65532:65532", "--", hidden.to_str().unwrap(), "30"];
    let running = Stage::new(GOWARD).args(SLOW.split(' ')).args(options).start();
    running.wait_for("ready");
    running.send("TERM");
    let end = running.wait();
    assert_eq!(end.ending, Ending::Exited(137), "{}", end.stderr);
    for part in ["cannot be read from its memory", "it is not dumpable", "sending SIGQUIT"] {
        assert!(end.stderr.contains(part), "no {part:?} in {}", end.stderr);
    }
}

#[test]
fn the_file_has_every_goroutine_as_go_prints_it() {
    let scratch = support::Scratch::new();
    let file = scratch.path("dump");
    let options = format!("{SLOW} --log-format json --dump-file {}", file.display());
    let Some(plan) = Deadline::new(&options, "exec SERVER 30") else { return };
    let end = plan.end();
    let kept = fs::read_to_string(&file).unwrap();
    assert_eq!(
        blocks(&kept).values().filter(|block| block.frames.iter().any(|(name, _)| name == "main.worker")).count(),
        30
    );
    // Each event is a line that no other writer tears.
    let events: Vec<serde_json::Value> = end.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(end.stderr.lines().all(|line| line.len() <= 4096));
    let has = |name: &str| events.iter().filter(|event| event.get(name).is_some()).count();
    assert_eq!(has("goroutines"), 1, "{}", end.stderr);
    assert!(has("finding") >= 1 && has("group") >= 2, "{}", end.stderr);
    let worker = events.iter().find(|event| event["group"]["count"] == 30).unwrap();
    assert_eq!(worker["group"]["own"]["function"], "main.worker", "{worker}");
}

/// With `--dump raw` too: it is read before the server is asked to print, which this one does not.
#[test]
fn the_file_is_written_before_the_server_prints() {
    let scratch = support::Scratch::new();
    let file = scratch.path("dump");
    let options = format!("{SLOW} --dump raw --dump-file {}", file.display());
    let Some(plan) = Deadline::new(&options, "exec SERVER 30") else { return };
    let end = plan.end();
    let kept = fs::read_to_string(&file).unwrap();
    let workers =
        blocks(&kept).values().filter(|block| block.frames.iter().any(|(name, _)| name == "main.worker")).count();
    assert_eq!((workers, &end.ending), (30, &Ending::Exited(137)), "{}", end.stderr);
    assert!(end.stderr.contains("sending SIGQUIT") && !end.stderr.contains("30 × chan receive"), "{}", end.stderr);
    assert!(!end.stderr.contains("cannot be read"), "{}", end.stderr);
}

/// Go's own dump of 100,000 takes 17.7 s.
#[test]
fn any_number_of_goroutines_is_seen() {
    // What is not optimized takes ten times as long.
    let count = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let Some(plan) = Deadline::new(SLOW, &format!("exec SERVER {count}")) else { return };
    let end = plan.end();
    assert!(end.stderr.contains(&format!("{count} × chan receive")), "{}", end.stderr);
}

/// `--on-unhealthy log` shows what it waits for, and does no more.
#[test]
fn an_unhealthy_server_is_looked_at_and_left_alone() {
    let options = "--health tcp://127.0.0.1:1 --health-interval 200ms --health-retries 2 --health-start-period 1ms";
    let Some(plan) = Deadline::new(options, "exec SERVER 30") else { return };
    let running = plan.stage.start();
    running.wait_for("ready");
    running.wait_for("30 × chan receive");
    assert!(running.ending().is_none(), "{}", running.stderr());
    assert!(running.stderr().contains("no action is taken (--on-unhealthy log)"), "{}", running.stderr());
}
