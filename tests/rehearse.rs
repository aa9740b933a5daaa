//! `goward rehearse` with real Go servers: those of examples/servers, and those of tests/rehearse, which lose requests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

#[path = "rehearse/leaks.rs"]
mod leaks;
#[path = "rehearse/load.rs"]
mod load;
mod support;

use serde_json::Value;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use support::{Ending, GOWARD, LIMIT, Outcome, Scratch, Stage, happens_within, run, send, signal, skipped, wait_until};

/// Long enough for a Go compiler that has to compile its library first.
const BUILD: Duration = Duration::from_secs(300);

// ---------------------------------------------------------------------------------------------------------------------
// Good ones

#[test]
fn a_good_server_passes_with_requests_in_flight() {
    let Some(good) = server("good") else { return };
    let seen = Rehearsal::of(&good).json(&["--load", "/slow?ms=400", "--load", "/", "--in-flight", "10"]);
    assert_eq!(seen.code, 0, "{seen:?}");
    let run = seen.run();
    assert_eq!(run["verdict"], "pass", "{run}");
    assert_eq!(run["server"], "exited with code 0", "{run}");
    assert!(run["requests"]["before"]["completed"].as_u64() > Some(0), "{run}");
    assert!(run["requests"]["after"]["completed"].as_u64() > Some(0), "nothing was in flight at the signal: {run}");
    for when in ["before", "after"] {
        assert_eq!((&run["requests"][when]["failed"], &run["requests"][when]["cut"]), (&0.into(), &0.into()), "{run}");
    }
    // It waited for what it had in flight, with its door closed.
    assert!(run["stop_ms"].as_u64() > Some(50), "{run}");
    assert!(run["listeners"][0]["closed_ms"].as_u64() < run["stop_ms"].as_u64(), "{run}");
    assert!(run["new_connections"]["refused"].as_u64() > Some(0), "{run}");
    assert!(seen.outcome.stderr.contains("stopped"), "the server's own stderr is passed on: {seen:?}");
}

#[test]
fn a_server_that_closes_its_door_late_serves_until_then() {
    let Some(late) = server("late") else { return };
    let seen = Rehearsal::of(&late).json(&["--load", "/", "--load", "/stream", "--signal-after", "300ms"]);
    let run = seen.run();
    assert_eq!((seen.code, &run["verdict"]), (0, &"pass".into()), "{run}");
    let closed = run["listeners"][0]["closed_ms"].as_u64().unwrap_or(run["stop_ms"].as_u64().unwrap());
    assert!((450..2000).contains(&closed), "{run}");
    let knocks = &run["new_connections"];
    assert!(knocks["answered"].as_u64() >= Some(5), "{run}");
    assert!((300..2000).contains(&knocks["last_served_ms"].as_u64().unwrap()), "{run}");
    assert!(run["last_response_ms"].as_u64() >= Some(300), "{run}");
}

#[test]
fn a_program_that_is_no_server_needs_ready_none() {
    let Some(worker) = server("worker") else { return };
    let never = Rehearsal::of(&worker).run(&["--ready-timeout", "300ms"]);
    assert_eq!(never.code, 125, "{never:?}");
    assert!(never.outcome.stderr.contains("--ready none"), "{never:?}");

    let none = ["--ready", "none", "--signal-after", "200ms"];
    assert_eq!(Rehearsal::of(&worker).run(&none).code, 0);
    let three = Rehearsal::of(&worker).env("CODE", "3");
    let failed = three.run(&none);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.outcome.stdout.contains("FAIL  it exited with code 3, not with 0"), "{failed:?}");
    assert_eq!(three.run(&[&none[..], &["--expect", "3"]].concat()).code, 0);
    assert_eq!(three.run(&[&none[..], &["-e", "3"]].concat()).code, 0);
}

#[test]
fn readiness_is_what_was_asked_for() {
    let Some(good) = server("good") else { return };
    let rehearsal = Rehearsal::of(&good);
    for target in ["http://localhost:PORT/healthz", "tcp://127.0.0.1:PORT"] {
        let target = target.replace("PORT", &rehearsal.port.to_string());
        let seen = rehearsal.run(&["--ready", &target, "--load", "/"]);
        assert_eq!(seen.code, 0, "{seen:?}");
    }
    let wrong = format!("http://localhost:{}/nonesuch", rehearsal.port);
    let seen = rehearsal.run(&["--ready", &wrong, "--ready-timeout", "500ms"]);
    assert_eq!(seen.code, 125, "{seen:?}");
    assert!(seen.outcome.stderr.contains("--ready had no answer"), "{seen:?}");
    assert!(seen.outcome.stderr.contains("stopped"), "the server is stopped properly: {seen:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// What it waits for

/// Main waits for a worker that flushes for a second and a half; a goroutine that sleeps all the time is nothing that it waits for.
#[test]
fn what_the_stop_waited_for_is_told_with_function_file_and_line() {
    let Some(flush) = server("flush") else { return };
    let scratch = Scratch::new();
    let page = scratch.path("report.html");
    let options = ["--load", "/slow", "--report", word(&page)];
    let seen = Rehearsal::of(&flush).json(&options);
    let run = seen.run();
    assert_eq!((seen.code, &run["look_failed"]), (0, &Value::Null), "{run}");
    let waits = run["waits"].as_array().unwrap();
    let of = |function: &str, line: &str| {
        let line = marked("flush", line);
        let is_it = |wait: &&Value| wait["place"]["function"] == function && wait["place"]["line"] == line;
        waits.iter().find(is_it).unwrap_or_else(|| panic!("no {function}:{line} in {run}"))
    };
    let flushes = of("main.(*worker).flush", "flushes");
    assert!(waits[0] == *flushes && flushes["held_up"] == true && flushes["state"] == "sleep", "{run}");
    let lasted = flushes["to_ms"].as_u64().unwrap() - flushes["from_ms"].as_u64().unwrap();
    assert!((800..=1500).contains(&lasted), "{run}");
    assert_eq!(of("main.main", "waits")["state"], "sync.WaitGroup.Wait", "{run}");
    // That it never moved is seen from before the signal on.
    assert_eq!(
        (&of("main.sweep", "sweeps")["held_up"], &of("main.sweep", "sweeps")["from_ms"]),
        (&false.into(), &0.into()),
        "{run}"
    );

    let told = Rehearsal::of(&flush).run(&options).outcome.stdout;
    let part = format!(" s: main.(*worker).flush main.go:{}, sleep", marked("flush", "flushes"));
    assert!(told.contains("\nwhat the stop waited for (") && told.contains(&part), "{told}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("What the stop waited for") && page.matches("main.(*worker).flush").count() > 1, "{page}");
}

#[test]
fn where_goroutines_cannot_be_seen_that_is_said_once() {
    let Some(drops) = server("drops") else { return };
    // What is no Go program has none.
    let shell = Rehearsal::of(Path::new("/bin/sh"))
        .arguments(&["-c", "trap 'sleep 0.5; exit' TERM; while :; do sleep 0.1; done"]);
    let told = shell.run(&["--ready", "none"]).outcome.stdout;
    assert_eq!(told.matches("what the stop waited for was not seen: neither pid ").count(), 1, "{told}");
    // What a script has started is looked at; this one stops too quickly for that.
    let script = format!("{} & wait", drops.display());
    let told =
        Rehearsal::of(Path::new("/bin/sh")).arguments(&["-c", &script]).run(&["--success-exit", "143"]).outcome.stdout;
    assert!(!told.contains("was not seen"), "{told}");
}

/// The number of the line of a server's source that ends with this comment.
fn marked(server: &str, mark: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rehearse").join(server).join("main.go");
    let source = fs::read_to_string(path).unwrap();
    1 + source.lines().position(|line| line.ends_with(&format!("// {mark}"))).unwrap_or_else(|| panic!("no {mark}"))
}

// ---------------------------------------------------------------------------------------------------------------------
// Bad ones

#[test]
fn a_server_that_exits_with_requests_in_flight_loses_them() {
    for name in ["drops", "returns"] {
        let Some(server) = server(name) else { return };
        let seen = Rehearsal::of(&server).json(&["--load", "/slow", "--signal-after", "700ms"]);
        let run = seen.run();
        assert_eq!((seen.code, &run["verdict"]), (1, &"fail".into()), "{name}: {run}");
        assert_eq!(run["server"], "exited with code 0", "{name}: {run}");
        let cut = run["requests"]["after"]["cut"].as_u64().unwrap();
        assert!((1..=10).contains(&cut), "{name}: {run}");
        assert_eq!(run["why"][0], format!("{cut} request{} cut off after the signal", if cut == 1 { "" } else { "s" }));
        assert!(run["requests"]["examples"][0].as_str().unwrap().contains("GET /slow: taken, and cut"), "{run}");
    }
}

#[test]
fn a_server_that_answers_503_fails() {
    let Some(fails) = server("fails") else { return };
    let seen = Rehearsal::of(&fails).json(&["--load", "/"]);
    let run = seen.run();
    assert_eq!(seen.code, 1, "{run}");
    assert_eq!(run["requests"]["before"]["failed"], 0, "{run}");
    assert!(run["requests"]["after"]["failed"].as_u64() > Some(0), "{run}");
    assert!(run["requests"]["examples"][0].as_str().unwrap().contains("status 503"), "{run}");
}

#[test]
fn a_server_that_hangs_is_explained_with_file_and_line() {
    let cases: [(&str, &[&str], &str, &str, &str); 3] = [
        ("hang", &["-now"], "handlers", "w.Write([]byte(<-answer))", "hang/main.go"),
        ("leak", &[], "wait_group", "for job := range jobs {", "leak/main.go"),
        ("mutex", &["-now"], "mutex", "c.save() // The fault", "mutex/main.go"),
    ];
    for (name, arguments, cause, source, file) in cases {
        let Some(server) = server(name) else { return };
        let rehearsal = Rehearsal::of(&server).env("LEAK", "200").arguments(arguments);
        let seen = rehearsal.json(&["--stop-timeout", "2s"]);
        let run = seen.run();
        assert_eq!((seen.code, &run["cause"]), (1, &"deadline".into()), "{name}: {run}");
        assert!(run["dump_ms"].as_u64().is_some_and(|ms| (1500..1900).contains(&ms)), "{name}: {run}");
        let finding = &run["dumps"][0]["findings"][0];
        assert_eq!(finding["cause"], cause, "{name}: {finding}");
        assert!(finding["place"]["file"].as_str().unwrap().ends_with(file), "{name}: {finding}");
        assert!(!seen.outcome.stderr.contains("goroutine "), "{name}: the dump is told of, not printed: {seen:?}");

        let told = rehearsal.run(&["--stop-timeout", "2s"]).outcome.stdout;
        assert!(told.contains("FAIL  it did not stop in time"), "{told}");
        assert!(told.contains(source), "{name}: the line of source is missing\n{told}");
    }
}

#[test]
fn a_server_that_ignores_everything_is_killed() {
    let Some(ignore) = server("ignore") else { return };
    let seen = Rehearsal::of(&ignore).json(&["--stop-timeout", "1s"]);
    let run = seen.run();
    assert_eq!((seen.code, &run["server"]), (1, &"was ended by SIGKILL".into()), "{run}");
    assert!(run["kill_ms"].as_u64().is_some_and(|ms| (800..1000).contains(&ms)), "{run}");
    assert_eq!(run["dumps"], Value::Array(vec![]), "{run}");
    assert!(run["new_connections"]["accepted"].as_u64() > Some(0), "it goes on listening: {run}");
}

#[test]
fn what_is_left_behind_is_a_fault() {
    let Some(children) = server("children") else { return };
    let seen = Rehearsal::of(&children).json(&["--ready", "none"]);
    let run = seen.run();
    assert_eq!((seen.code, &run["code"]), (1, &0.into()), "{run}");
    assert!(run["why"][0].as_str().unwrap().starts_with("it left processes behind: "), "{run}");
    assert!(run["leftovers"].as_str().unwrap().matches("daemon").count() >= 3, "{run}");
}

#[test]
fn a_program_that_ends_by_itself() {
    let Some(dies) = server("dies") else { return };
    let early = Rehearsal::of(&dies).run(&[]);
    assert_eq!(early.code, 125, "{early:?}");
    assert!(early.outcome.stderr.contains("no database"), "{early:?}");
    assert!(early.outcome.stderr.contains("the server exited with code 3 before it was ready"), "{early:?}");

    let late = Rehearsal::of(&dies).env("LATE", "1").run(&["--signal-after", "10s"]);
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.outcome.stdout.contains("exited with code 2 by itself, before the signal"), "{late:?}");
    // A panic belongs to the server's log, and is told of too.
    assert!(late.outcome.stderr.contains("main.main()\n"), "{late:?}");
    assert!(late.outcome.stdout.contains("assignment to entry in nil map"), "{late:?}");
}

#[test]
fn what_cannot_be_started_has_the_codes_of_run() {
    let rehearse = |words: &[&str]| run(Command::new(GOWARD).arg("rehearse").args(words), LIMIT);
    for (words, code, told) in [
        (&["/nonesuch"][..], 127, "/nonesuch"),
        (&["/etc"][..], 126, "/etc"),
        (&["--report", "/nonesuch/report.html", "true"][..], 125, "--report /nonesuch/report.html"),
        (&["--load", "ftp://x", "true"][..], 125, "--load: 'ftp://x'"),
        (&["--ready", "8080", "true"][..], 125, "not a target"),
        (&["--repeat", "0", "true"][..], 125, "--repeat"),
        (&["--lod", "/", "true"][..], 125, "did you mean --load?"),
        (&[][..], 125, "no program was given"),
    ] {
        let outcome = rehearse(words);
        assert_eq!(outcome.ending, Ending::Exited(code), "{words:?}: {outcome:?}");
        assert!(outcome.stderr.contains(told), "{words:?}: {outcome:?}");
    }
    let help = rehearse(&["--help"]);
    assert_eq!(help.ending, Ending::Exited(0));
    for option in goward::commands::rehearse::options::OPTIONS.all {
        assert!(help.stdout.contains(&format!("--{}", option.name)), "{}", option.name);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Several, and reports

#[test]
fn several_rehearsals_have_a_line_each_and_a_summary() {
    let Some(good) = server("good") else { return };
    let rehearsal = Rehearsal::of(&good);
    let seen = rehearsal.json(&["--repeat", "3", "--signal-after", "100ms"]);
    assert_eq!(seen.code, 0, "{seen:?}");
    let whole = seen.value();
    assert_eq!(whole["runs"].as_array().unwrap().len(), 3, "{whole}");
    assert!(whole["stop_ms"]["min"].as_u64() <= whole["stop_ms"]["median"].as_u64(), "{whole}");
    assert!(whole["stop_ms"]["median"].as_u64() <= whole["stop_ms"]["max"].as_u64(), "{whole}");

    let told = rehearsal.run(&["--repeat", "2", "--signal-after", "100ms"]).outcome.stdout;
    assert!(told.contains("   1 of 2  PASS") && told.contains("   2 of 2  PASS"), "{told}");
    assert!(told.ends_with("PASS  2 rehearsals\n"), "{told}");

    let Some(drops) = server("drops") else { return };
    let seen = Rehearsal::of(&drops).run(&["--repeat", "2", "--load", "/slow", "--signal-after", "500ms"]);
    assert_eq!(seen.code, 1, "{seen:?}");
    assert!(seen.outcome.stdout.contains("FAIL  2 of 2 rehearsals"), "{seen:?}");
}

#[test]
fn a_load_that_meets_only_4xx_has_tried_nothing() {
    let Some(good) = server("good") else { return };
    let seen = Rehearsal::of(&good).json(&["--load", "/no/such/path"]);
    let run = seen.run();
    assert_eq!(seen.code, 1, "{run}");
    assert!(run["why"][0].as_str().unwrap().contains("4xx, so nothing was tried"), "{run}");
    assert_eq!(run["requests"]["before"]["rejected"], run["requests"]["before"]["completed"], "{run}");
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let Some(hang) = server("hang") else { return };
    let scratch = Scratch::new();
    let path = scratch.path("report.html");
    let markup = "<script>alert(1)</script>&\"'";
    let rehearsal = Rehearsal::of(&hang).arguments(&["-now", markup]);
    let junit = scratch.path("report.xml");
    let options = ["--stop-timeout", "1s", "--repeat", "5", "--load", "/healthz"];
    let files = ["--report", word(&path), "--junit", word(&junit)];
    let seen = rehearsal.run(&[&options[..], &files].concat());
    assert_eq!(seen.code, 1, "{seen:?}");
    for written in [
        format!("--report was written to {}\n", path.display()),
        format!("--junit was written to {}\n", junit.display()),
    ] {
        assert!(seen.outcome.stderr.contains(&written), "{seen:?}");
    }
    assert!(seen.outcome.stdout.lines().any(|line| line.contains(" ms to ") && line.ends_with('#')), "{seen:?}");
    junit_is_sound(&fs::read_to_string(junit).unwrap());
    let page = fs::read_to_string(&path).unwrap();
    for foreign in ["<script", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for part in [
        "&lt;script&gt;",
        "prefers-color-scheme:dark",
        "<svg",
        "main.hang",
        "5 rehearsals",
        "stop time: ",
        "aria-label=\"the server runs: from 0 ms",
        "<dt>load</dt><dd>GET /healthz, 10 in flight</dd>",
        "dump 750 ms",
        "end 1.0 s",
        "w.Write([]byte(&lt;-answer))",
    ] {
        assert!(page.contains(part), "no {part:?} in\n{page}");
    }
    assert!(page.matches("<details>").count() > 3, "{page}");

    if !support::requires("chromium") {
        return;
    }
    // What a browser made of it: had it mended anything, it would have other elements, or others inside each other.
    let profile = format!("--user-data-dir={}", scratch.path("profile").display());
    let dom = run(
        Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", &profile, "--dump-dom"])
            .arg(&path),
        Duration::from_secs(60),
    );
    assert_eq!(dom.ending, Ending::Exited(0), "{dom:?}");
    assert_eq!(tags(&dom.stdout), tags(&page));
}

/// As much of the format as every reader takes: five cases, each with its failure, and no markup in what others wrote.
fn junit_is_sound(xml: &str) {
    assert!(
        xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"5\" failures=\"5\">"),
        "{xml}"
    );
    assert_eq!(xml.matches("<testcase classname=\"").count(), 5, "{xml}");
    assert_eq!(xml.matches("<failure message=\"it did not stop in time").count(), 5, "{xml}");
    assert!(xml.contains("&lt;script&gt;") && !xml.contains("<script"), "{xml}");
    let python = "import sys, xml.dom.minidom as m; m.parse(sys.stdin)";
    if support::requires("python3") {
        let mut reader = Command::new("python3").args(["-c", python]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut reader.stdin.take().unwrap(), xml.as_bytes()).unwrap();
        assert!(reader.wait().unwrap().success(), "{xml}");
    }
}

/// The names of all tags, in order. A browser adds `tbody`, and writes the end of what ends in itself.
fn tags(html: &str) -> Vec<String> {
    let without_style = html
        .split("<style>")
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { &part[part.find("</style>").unwrap()..] });
    let all: String = without_style.collect();
    let tags = all.split('<').skip(1).map(|tag| tag[..tag.find('>').unwrap()].to_owned());
    let name = |tag: &str| tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default().to_lowercase();
    let names = tags.flat_map(|tag| {
        let ends = tag.ends_with('/').then(|| format!("/{}", name(&tag)));
        [Some(name(&tag)), ends].into_iter().flatten()
    });
    names.filter(|name| !matches!(name.as_str(), "tbody" | "/tbody" | "!doctype")).collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// Interrupted

#[test]
fn an_interrupted_rehearsal_stops_the_server_properly() {
    let Some(good) = server("good") else { return };
    for name in ["INT", "TERM"] {
        let rehearsal = Rehearsal::of(&good);
        let mut child = rehearsal.start(&["--signal-after", "60s"]);
        rehearsal.wait_for_the_server();
        send(child.id().cast_signed(), signal(name));
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(128 + signal(name)));
        assert!(!rehearsal.serves());
    }
}

#[test]
fn the_second_interrupt_kills() {
    let Some(ignore) = server("ignore") else { return };
    let rehearsal = Rehearsal::of(&ignore);
    let mut child = rehearsal.start(&["--signal-after", "60s", "--stop-timeout", "60s"]);
    rehearsal.wait_for_the_server();
    let pid = child.id().cast_signed();
    send(pid, signal("TERM"));
    let stays = !happens_within(Duration::from_millis(300), || child.try_wait().unwrap().is_some());
    assert!(stays && rehearsal.serves(), "one is no reason to kill");
    send(pid, signal("TERM"));
    wait_until("it ends", Duration::from_secs(3), || child.try_wait().unwrap().is_some());
    assert!(!rehearsal.serves());
}

#[test]
fn nothing_outlives_a_rehearsal_that_is_killed() {
    let Some(good) = server("good") else { return };
    let rehearsal = Rehearsal::of(&good);
    let mut child = rehearsal.start(&["--signal-after", "60s"]);
    rehearsal.wait_for_the_server();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the server has gone", Duration::from_secs(5), || !rehearsal.serves());
}

#[test]
fn the_keys_of_a_terminal() {
    let Some(ignore) = server("ignore") else { return };
    if !support::requires_namespaces() {
        return;
    }
    let port = free_port();
    for child in [false, true] {
        let stage = Stage::new(GOWARD).terminal().env("PORT", port.to_string());
        let stage = if child { stage.child() } else { stage };
        let words = ["rehearse", "--signal-after", "60s", "--stop-timeout", "60s", "--"];
        let running = stage.args(words).arg(&ignore).start();
        running.wait_for("serving");
        running.write("\x1a");
        running.write("\x03");
        running.wait_for("interrupt");
        assert!(!running.ends_within(Duration::from_millis(300)), "{}", running.stdout());
        running.write("\x03");
        assert!(running.ends_within(Duration::from_secs(3)), "{}", running.stdout());
        assert_eq!(running.wait().ending, Ending::Exited(130));
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Tools

/// A server, and the port that it gets.
struct Rehearsal {
    program: PathBuf,
    arguments: Vec<String>,
    env: Vec<(String, String)>,
    port: u16,
}

#[derive(Debug)]
struct Seen {
    code: i32,
    outcome: Outcome,
}

impl Seen {
    fn value(&self) -> Value {
        serde_json::from_str(&self.outcome.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn run(&self) -> Value {
        self.value()["runs"][0].clone()
    }
}

impl Rehearsal {
    fn of(program: &Path) -> Rehearsal {
        Rehearsal { program: program.to_owned(), arguments: Vec::new(), env: Vec::new(), port: free_port() }
    }

    fn env(mut self, name: &str, value: &str) -> Rehearsal {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn arguments(mut self, arguments: &[&str]) -> Rehearsal {
        self.arguments.extend(arguments.iter().map(|word| (*word).to_owned()));
        self
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(GOWARD);
        command.arg("rehearse").args(options).arg("--").arg(&self.program).args(&self.arguments);
        command.env("PORT", self.port.to_string()).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, options: &[&str]) -> Seen {
        let outcome = run(&mut self.command(options), Duration::from_secs(60));
        match outcome.ending {
            Ending::Exited(code) => Seen { code, outcome },
            Ending::Killed(_) => panic!("{outcome:?}"),
        }
    }

    fn json(&self, options: &[&str]) -> Seen {
        self.run(&[&["--json"], options].concat())
    }

    fn start(&self, options: &[&str]) -> Child {
        self.command(options).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn serves(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    fn wait_for_the_server(&self) {
        wait_until("the server listens", LIMIT, || self.serves());
        // Its handler is installed by then, and goward has seen it.
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server of examples/servers or tests/rehearse, compiled. None without Go, which has been said then.
fn server(name: &str) -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let bin = BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let found = run(Command::new(root.join("tests/tools.sh")).arg("go"), BUILD);
        if found.ending != Ending::Exited(0) {
            return None;
        }
        let temp = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rehearse");
        let bin = temp.join("bin");
        fs::create_dir_all(&bin).unwrap();
        for module in ["examples/servers", "tests/rehearse"] {
            let built = run(
                Command::new(found.stdout.trim())
                    .current_dir(root.join(module))
                    .env("CGO_ENABLED", "0")
                    .env("GOTOOLCHAIN", "local")
                    .args(["build", "-o"])
                    .args([&bin, Path::new("./...")]),
                BUILD,
            );
            assert_eq!(built.ending, Ending::Exited(0), "{built:?}");
        }
        Some(bin)
    });
    if bin.is_none() {
        skipped("no Go toolchain: tests/tools.sh go");
    }
    bin.as_ref().map(|bin| bin.join(name))
}
