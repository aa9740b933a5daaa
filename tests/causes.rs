//! What goward says of real programs that hang: those of tests/causes, each in one way, and those of examples/servers.
//!
//! A comment in their sources marks the line that must be named, and the cause: `// goward: Mutex`. `after SIGUSR1` says what
//! it is stopped by, if not SIGTERM; `// goward: never` marks lines that must not be blamed. What each prints is read as
//! a log would be. Without a Go toolchain these tests say SKIPPED, and fail where CI is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests start programs and show what was said")]

#[path = "support/mod.rs"]
mod support;

use goward::goroutines::{Cause, Finding, Output, Program, Reader, Summary, Wanted, diagnose};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;
use support::{Capture, Ending, LIMIT, happens_within, run, send, signal, skipped};

/// From the moment a program says that it is ready until it is where it hangs, and from the signal until it hangs in that.
const SETTLED: Duration = Duration::from_millis(300);

macro_rules! programs {
    ($($name:ident)*) => {
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
        $(#[test]
        fn $name() {
            Source::cause(stringify!($name)).examine();
        })*
    };
}

programs! {
    blocked_child blocked_flock blocked_peer blocked_stdin
    busy
    cond
    connection_silent
    deadlock
    deaf deaf_other
    errgroup_loop
    handler_body handler_channel handler_database handler_goroutine handler_hijacked handler_http2 handler_mixed
    handler_mutex handler_timeout handler_upstream handler_waitgroup handler_write
    idle_worker
    loop_main loop_sleep loop_ticker
    main_gone
    mutex_brief mutex_holder mutex_order mutex_serving mutex_shutdown mutex_twice
    panicking
    receive_main receive_nil
    rwmutex_recursive
    select_nothing
    send_main send_worker
    serving
    signal_goroutine
    unheeded_context unheeded_errgroup unheeded_notify
    waitgroup_beside waitgroup_missed waitgroup_workers
}

#[test]
fn example_hang() {
    Source::example("hang", &["-now"], "Handlers", "<-answer").examine();
}

#[test]
fn example_leak() {
    Source::example("leak", &[], "WaitGroup", "range jobs").examine();
}

#[test]
fn example_mutex() {
    Source::example("mutex", &["-now"], "Mutex", "The fault").examine();
}

/// The same programs, built by Go 1.22: a WaitGroup is `semacquire` there, HTTP/2 is in another package.
#[test]
fn dumps_of_go_1_22() {
    let dumps = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dumps/causes-go122");
    let mut read = 0;
    for entry in fs::read_dir(dumps).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_stem().unwrap().to_str().unwrap();
        let name = PROGRAMS.iter().find(|known| **known == name).unwrap_or_else(|| panic!("no program {name}"));
        Source::cause(name).check(&fs::read_to_string(&entry).unwrap());
        read += 1;
    }
    assert!(read > 0);
}

/// google.golang.org/grpc 1.33.3, a server in GracefulStop while a stream's handler waits. No module can be fetched in these
/// tests, so this dump was kept; only its paths were made those of a module cache.
#[test]
fn a_dump_of_grpc() {
    let printed = include_str!("dumps/causes/grpc_graceful_stop.stderr");
    for module in [None, Some("example.com/stream".to_owned())] {
        let (_, findings) = read(printed, Program { module, signal: Some("SIGTERM".to_owned()) });
        let [finding] = &findings[..] else { panic!("{findings:#?}") };
        assert_eq!(finding.cause, Cause::Handlers);
        assert_eq!(
            finding.place.as_ref().map(|place| (&place.function[..], place.line)),
            Some(("main.(*events).follow", 20))
        );
        assert!(finding.evidence.contains("GracefulStop (main.go:52)"), "{}", finding.evidence);
    }
}

#[test]
fn every_program_is_tested() {
    let entries = fs::read_dir(causes()).unwrap().map(|entry| entry.unwrap().path());
    let there: BTreeSet<_> = entries.filter(|path| path.join("main.go").exists()).collect();
    let tested: BTreeSet<_> = PROGRAMS.iter().map(|name| causes().join(name)).collect();
    assert_eq!(there, tested);
}

#[test]
fn the_programs_are_formatted_and_vetted() {
    let Some(go) = go() else { return };
    let goroot = output(Command::new(go).args(["env", "GOROOT"]));
    let gofmt = Path::new(goroot.trim()).join("bin/gofmt");
    assert_eq!(output(Command::new(gofmt).arg("-l").arg(causes())), "", "these are not as gofmt would have them");
    output(go_command(go, &causes()).args(["vet", "./..."]));
}

// ---------------------------------------------------------------------------------------------------------------------
// A program, and what must be said of it

struct Source {
    name: &'static str,
    directory: PathBuf,
    arguments: &'static [&'static str],
    cause: String,
    /// What it is stopped by.
    signal: Option<String>,
    /// The lines one of which must be named.
    blamed: Vec<u32>,
    never: Vec<u32>,
}

impl Source {
    fn cause(name: &'static str) -> Source {
        let text = fs::read_to_string(causes().join(name).join("main.go")).unwrap();
        let mut source = Source {
            name,
            directory: causes(),
            arguments: &[],
            cause: String::new(),
            signal: None,
            blamed: vec![],
            never: vec![],
        };
        for (line, text) in (1..).zip(text.lines()) {
            let Some((_, mark)) = text.split_once("// goward: ") else { continue };
            if mark == "never" {
                source.never.push(line);
                continue;
            }
            let (cause, signal) = mark.split_once(" after ").unwrap_or((mark, "SIGTERM"));
            source.cause = cause.to_owned();
            source.signal = Some(signal.to_owned()).filter(|signal| signal != "nothing");
            source.blamed.push(line);
        }
        assert!(!source.blamed.is_empty(), "{name} marks no line");
        source
    }

    fn example(name: &'static str, arguments: &'static [&'static str], cause: &str, blamed: &str) -> Source {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers");
        let text = fs::read_to_string(directory.join(name).join("main.go")).unwrap();
        let code = |text: &str| !text.starts_with("//") && text.contains(blamed);
        let blamed: Vec<u32> = (1..).zip(text.lines()).filter(|(_, text)| code(text)).map(|(line, _)| line).collect();
        let signal = Some("SIGTERM".to_owned());
        Source { name, directory, arguments, cause: cause.to_owned(), signal, blamed, never: vec![] }
    }

    fn examine(&self) {
        let Some(binary) = self.build() else { return };
        let printed = self.dump(&binary);
        self.check(&printed);
    }

    /// What is said of what it printed.
    fn check(&self, printed: &str) {
        // Whether the module is known makes no difference.
        for module in [None, Some("example.com/causes".to_owned())] {
            let (summary, findings) = read(printed, Program { module, signal: self.signal.clone() });
            let said = || format!("{}\n{}\n{findings:#?}", self.name, printed);
            let first = &findings[0];
            eprintln!("{}: {:?}\n{}\n{}", self.name, first.cause, first.evidence, first.advice);
            assert_eq!(format!("{:?}", first.cause), self.cause, "{}", said());
            let place = first.place.as_ref().unwrap_or_else(|| panic!("no place: {}", said()));
            assert!(place.file.ends_with(&format!("{}/main.go", self.name)), "{}", said());
            assert!(self.blamed.contains(&place.line), "{:?} and not {}: {}", self.blamed, place.line, said());
            for finding in &findings {
                assert!(!finding.evidence.is_empty() && !finding.advice.is_empty(), "{}", said());
                assert!(!finding.advice.contains('\n') && finding.advice.len() <= 120, "{}", said());
                assert!(!finding.evidence.contains('\n'), "{}", said());
                assert!(finding.groups.iter().all(|&group| group < summary.groups.len()), "{}", said());
                let blamed = finding.place.as_ref().is_some_and(|place| self.never.contains(&place.line));
                assert!(!blamed, "not to be blamed: {}", said());
            }
        }
    }

    fn build(&self) -> Option<PathBuf> {
        static BUILT: OnceLock<Option<()>> = OnceLock::new();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("causes");
        BUILT
            .get_or_init(|| {
                let go = go()?;
                fs::create_dir_all(&target).unwrap();
                for directory in [causes(), Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers")] {
                    output(
                        go_command(go, &directory)
                            .arg("build")
                            .arg("-o")
                            .arg(format!("{}/", target.display()))
                            .arg("./..."),
                    );
                }
                Some(())
            })
            .as_ref()?;
        assert!(self.directory.is_dir());
        Some(target.join(self.name))
    }

    /// What it prints until its end.
    fn dump(&self, binary: &Path) -> String {
        let mut command = Command::new(binary);
        command.args(self.arguments).env_clear().env("PORT", "0").env("LEAK", "30");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut running = Running(child);
        let printed = Capture::of(running.0.stderr.take().unwrap());
        let ready = ["ready", "stuck", "adding", "leaked"];
        let is_ready = || ready.iter().any(|word| printed.text().contains(word));
        assert!(happens_within(LIMIT, is_ready), "{}: {}", self.name, printed.text());
        thread::sleep(SETTLED);
        if let Some(name) = &self.signal {
            running.send(name.trim_start_matches("SIG"));
            thread::sleep(SETTLED);
        }
        running.send("QUIT");
        assert!(happens_within(LIMIT, || printed.ended()), "{} goes on: {}", self.name, printed.text());
        printed.text()
    }
}

/// A process of ours, which goes with the test. Its standard input stays open.
struct Running(Child);

impl Running {
    fn send(&mut self, name: &str) {
        // One that has ended is still ours until it is waited for, so that its number is nobody else's.
        send(self.0.id().try_into().unwrap(), signal(name));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn read(printed: &str, program: Program) -> (Summary, Vec<Finding>) {
    struct Last(Option<Summary>);
    impl Output for Last {
        fn pass(&mut self, _: &[u8]) {}
        fn dump(&mut self, _: &[u8]) {}
        fn ended(&mut self, summary: Summary) {
            self.0 = Some(summary);
        }
    }
    let mut last = Last(None);
    let mut reader = Reader::new(Wanted::All, program.clone());
    reader.feed(printed.as_bytes(), &mut last);
    reader.finish(&mut last);
    let summary = last.0.unwrap_or_else(|| panic!("no dump in {printed}"));
    let findings = diagnose(&summary, &program);
    (summary, findings)
}

fn causes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/causes")
}

/// The Go toolchain, if there is one.
fn go() -> Option<&'static Path> {
    static GO: OnceLock<Option<PathBuf>> = OnceLock::new();
    let go = GO.get_or_init(|| {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools.sh");
        let path = run(Command::new(tools).arg("go"), Duration::from_secs(180));
        (path.ending == Ending::Exited(0)).then(|| path.stdout.trim().into())
    });
    go.as_deref().or_else(|| {
        skipped("no Go toolchain: tests/tools.sh go");
        None
    })
}

/// Without the network: the programs need nothing but the standard library.
fn go_command(go: &Path, directory: &Path) -> Command {
    let mut command = Command::new(go);
    command.current_dir(directory).env("GOPROXY", "off").env("GOTOOLCHAIN", "local").env_remove("GOFLAGS");
    command
}

fn output(command: &mut Command) -> String {
    let outcome = run(command, Duration::from_secs(300));
    assert_eq!(outcome.ending, Ending::Exited(0), "{command:?}: {}{}", outcome.stdout, outcome.stderr);
    outcome.stdout
}
