//! What goward says of real programs that hang: those of tests/causes, each in one way, and those of examples/servers.
//!
//! A comment in their sources marks the line that must be named, and the cause: `// goward: Mutex`. `after SIGUSR1` says what
//! it is stopped by, if not SIGTERM; `// goward: never` marks lines that must not be blamed. What each prints is read as
//! a log would be. Without a Go toolchain these tests say SKIPPED, and fail where CI is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests start programs and show what was said")]

#[path = "support/mod.rs"]
mod support;

use goward::evidence::{Access, Evidence};
use goward::goroutines::{Cause, Finding, Kind, Output, Program, Reader, Summary, diagnose};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
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
    blocked_child blocked_flock blocked_output blocked_peer blocked_stdin
    busy
    cond
    connection_silent
    deadlock
    unhandled unhandled_ignored unhandled_other
    errgroup_loop
    handler_body handler_channel handler_database handler_goroutine handler_hijacked handler_http2 handler_mixed
    handler_mutex handler_shutdown handler_timeout handler_upstream handler_waitgroup handler_write
    idle_worker
    loop_accept loop_dropped loop_main loop_sleep loop_ticker
    main_gone
    mutex_brief mutex_holder mutex_order mutex_order_types mutex_serving mutex_shutdown mutex_twice
    panicking
    once_twice
    pipe_write
    receive_main receive_nil
    rwmutex_recursive
    select_nothing
    send_main send_worker
    serving
    signal_goroutine
    still_serving_context still_serving_dropped still_serving_errgroup still_serving_notify still_serving_unread
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

/// What only the kernel knows is told where it can be asked.
#[test]
fn a_signal_that_is_ignored_is_told_as_that() {
    for (name, said) in [
        ("unhandled_ignored", "SIGTERM had no effect: the program ignores it, by signal.Ignore. "),
        ("unhandled", "SIGUSR1 had no effect: the program has no handler for signals"),
    ] {
        let source = Source::cause(name);
        let Some(binary) = source.build() else { return };
        let (_, live) = source.dump(&binary);
        let evidence = &live.unwrap().findings[0].evidence;
        assert!(evidence.starts_with(said), "{name}: {evidence}");
    }
}

/// What became of a signal that nobody received is told where nobody else could have, and nowhere else.
#[test]
fn a_signal_that_nobody_received_is_told_as_that() {
    const UNREAD: &str = "nobody reads the channel that signal.Notify was given";
    const DROPPED: &str = "If it waits for SIGTERM there, that came while nobody received it";
    for (name, said, not) in [
        ("still_serving_unread", UNREAD, DROPPED),
        ("still_serving_dropped", DROPPED, UNREAD),
        ("loop_dropped", DROPPED, UNREAD),
        // The reader is there, and waits for the next one; the reader hangs; the reader did what it had to.
        ("still_serving_notify", "still accepts connections", UNREAD),
        ("loop_accept", "The stop has begun (main.(*app).Stop (main.go:39)", DROPPED),
        ("signal_goroutine", "", UNREAD),
        ("select_nothing", "", UNREAD),
        // It is still in its loop, and signal.NotifyContext has no room to lack.
        ("unhandled_other", "signal.NotifyContext still waits", DROPPED),
    ] {
        let source = Source::cause(name);
        let Some(binary) = source.build() else { return };
        let (_, live) = source.dump(&binary);
        let evidence: String = live.unwrap().findings.into_iter().map(|finding| finding.evidence).collect();
        assert!(evidence.contains(said) && !evidence.contains(not), "{name}: {evidence}");
    }
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
        let (_, findings) = read(printed, Program { module, signal: Some("SIGTERM".to_owned()), ..Program::default() });
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
    // One has no cause.
    let has_cause = |path: &PathBuf| path.join("main.go").exists() && !path.ends_with("at_work");
    let there: BTreeSet<_> = entries.filter(has_cause).collect();
    let tested: BTreeSet<_> = PROGRAMS.iter().map(|name| causes().join(name)).collect();
    assert_eq!(there, tested);
}

/// A server that stops well, under load, looked at again and again: there is nothing to find in it.
#[test]
fn the_good_example_is_never_blamed() {
    let source = Source::example("good", &[], "Unknown", "ListenAndServe()");
    let Some(binary) = source.build() else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(binary);
    command.env_clear().env("PORT", port.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(command.spawn().unwrap());
    let request = move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok().filter(|read| *read > 0)
    };
    assert!(happens_within(LIMIT, || request().is_some()), "it does not answer");
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let over = Arc::clone(&over);
            thread::spawn(move || (0..).take_while(|_| !over.load(Ordering::Relaxed) && request().is_some()).count())
        })
        .collect();
    let pid = running.0.id().try_into().unwrap();
    for look in 0..20 {
        // While goroutines come and go a look may fail; what is tested here is what is said of one that does not.
        let look_again = || Access::open(pid).and_then(|access| access.evidence(None));
        let evidence = (0..10).find_map(|_| look_again().ok()).unwrap_or_else(|| look_again().unwrap());
        let blamed: Vec<_> = evidence.findings.iter().filter(|finding| finding.cause != Cause::Unknown).collect();
        assert!(blamed.is_empty(), "look {look}: {blamed:#?}");
        // So that requests are elsewhere at each look.
        thread::sleep(Duration::from_millis(10));
    }
    over.store(true, Ordering::Relaxed);
    let served: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(served > 20, "it was hardly under load: {served} requests");
}

/// Nor is a program that nobody has asked to stop, in a moment in which it works: neither out of its memory, nor as the text of
/// `--raw`, which has less.
#[test]
fn programs_at_work_are_not_blamed_for_one_moment() {
    let source = Source::example("good", &[], "Unknown", "ListenAndServe()");
    let Some(good) = source.build() else { return };
    for work in ["reads", "syncs", "naps", "cache", "rates", "pipeline"] {
        let mut command = Command::new(good.with_file_name("at_work"));
        command.arg(work).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = Running(command.spawn().unwrap());
        let printed = Capture::of(running.0.stderr.take().unwrap());
        assert!(happens_within(LIMIT, || printed.text().contains("ready")), "{work}: {}", printed.text());
        thread::sleep(SETTLED);
        let pid = running.0.id().try_into().unwrap();
        for look in 0..20 {
            let look_again = || Access::open(pid).and_then(|access| access.evidence(None));
            let evidence = (0..10).find_map(|_| look_again().ok()).unwrap_or_else(|| look_again().unwrap());
            let mut text = Summary { kind: Kind::Unknown, reason: String::new(), ..evidence.summary };
            text.groups.iter_mut().for_each(|group| group.known.clear());
            let said = [evidence.findings, diagnose(&text, &Program::default())].concat();
            let blamed: Vec<_> = said.iter().filter(|finding| finding.cause != Cause::Unknown).collect();
            assert!(blamed.is_empty(), "{work}, look {look}: {blamed:#?}");
            thread::sleep(Duration::from_millis(7));
        }
    }
}

/// The table of docs/causes.md has a row for each cause, and names the programs that have it.
#[test]
fn the_page_names_every_program_under_its_cause() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/causes.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let mut empty: BTreeSet<&str> = rows.iter().skip(1).map(|row| row[1]).collect();
    for name in PROGRAMS {
        let cause = Source::cause(name).cause;
        let row =
            rows.iter().find(|row| row[1] == cause).unwrap_or_else(|| panic!("docs/causes.md has no row {cause}"));
        let named = row[row.len() - 2].replace('\\', "");
        let is_named =
            |word: &str| word == *name || word.strip_suffix('*').is_some_and(|start| name.starts_with(start));
        assert!(named.split(", ").any(is_named), "docs/causes.md does not name {name} under {cause}: {named}");
        empty.remove(cause.as_str());
    }
    assert!(empty.is_empty(), "no program has {empty:?}");
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
        let (printed, live) = self.dump(&binary);
        self.check(&printed);
        // The same out of its memory, but for what has ended by itself.
        if self.cause != "Crash" && !printed.contains("fatal error: ") {
            let live = live.unwrap_or_else(|why| panic!("{}: {why}", self.name));
            self.judge(&live.summary, &live.findings, "out of its memory");
        }
    }

    /// What is said of what it printed.
    fn check(&self, printed: &str) {
        // Whether the module is known makes no difference.
        for module in [None, Some("example.com/causes".to_owned())] {
            let (summary, findings) =
                read(printed, Program { module, signal: self.signal.clone(), ..Program::default() });
            self.judge(&summary, &findings, printed);
        }
    }

    fn judge(&self, summary: &Summary, findings: &[Finding], printed: &str) {
        let said = || format!("{}\n{}\n{findings:#?}", self.name, printed);
        let first = &findings[0];
        eprintln!("{}: {:?}\n{}\n{}", self.name, first.cause, first.evidence, first.advice);
        assert_eq!(format!("{:?}", first.cause), self.cause, "{}", said());
        let place = first.place.as_ref().unwrap_or_else(|| panic!("no place: {}", said()));
        assert!(place.file.ends_with(&format!("{}/main.go", self.name)), "{}", said());
        assert!(self.blamed.contains(&place.line), "{:?} and not {}: {}", self.blamed, place.line, said());
        for finding in findings {
            assert!(!finding.evidence.is_empty() && !finding.advice.is_empty(), "{}", said());
            assert!(!finding.advice.contains('\n') && finding.advice.len() <= 120, "{}", said());
            assert!(!finding.evidence.contains('\n'), "{}", said());
            assert!(finding.groups.iter().all(|&group| group < summary.groups.len()), "{}", said());
            let blamed = finding.place.as_ref().is_some_and(|place| self.never.contains(&place.line));
            assert!(!blamed, "not to be blamed: {}", said());
        }
    }

    fn build(&self) -> Option<PathBuf> {
        static BUILT: OnceLock<()> = OnceLock::new();
        let go = go()?;
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("causes");
        BUILT.get_or_init(|| {
            fs::create_dir_all(&target).unwrap();
            for directory in [causes(), Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers")] {
                let to = format!("{}/", target.display());
                output(go_command(go, &directory).args(["build", "-o", &to, "./..."]));
            }
        });
        assert!(self.directory.is_dir());
        Some(target.join(self.name))
    }

    /// What it prints until its end, and what is in its memory before.
    fn dump(&self, binary: &Path) -> (String, Result<Evidence, String>) {
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
        let pid = running.0.id().try_into().unwrap();
        let live = Access::open(pid).and_then(|access| access.evidence(self.signal.clone()));
        running.send("QUIT");
        assert!(happens_within(LIMIT, || printed.ended()), "{} goes on: {}", self.name, printed.text());
        (printed.text(), live)
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
    let mut reader = Reader::new(program.clone());
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
