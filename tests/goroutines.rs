//! Real dumps, to the exact counts; then the command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "these are tests")]

#[path = "goroutines/forms.rs"]
mod forms;

use goward::goroutines::{Group, Kind, Output, Program, Reader, Summary};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Finished, Stdio};

#[derive(Default)]
struct Seen {
    passed: Vec<u8>,
    dumped: Vec<u8>,
    summaries: Vec<Summary>,
}

impl Output for Seen {
    fn pass(&mut self, bytes: &[u8]) {
        self.passed.extend_from_slice(bytes);
    }
    fn dump(&mut self, bytes: &[u8]) {
        self.dumped.extend_from_slice(bytes);
    }
    fn ended(&mut self, summary: Summary) {
        self.summaries.push(summary);
    }
}

fn read(bytes: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let mut reader = Reader::new(Program::default());
    reader.feed(bytes, &mut seen);
    reader.finish(&mut seen);
    seen
}

fn dumps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dumps")
}

/// What the expectations tell of a group.
fn described(group: &Group) -> Value {
    json!({
        "state": group.state,
        "top_frame": group.frames.first().map(|f| &f.function),
        "top_function": group.top().map(|f| &f.function),
        "app_function": group.own().map(|f| &f.function),
        "created_by": group.creator.as_ref().map(|c| &c.function),
        "locked_to_thread": group.locked,
        "leaked": group.leaked,
        "system": group.system,
        "count": group.count,
        "minutes_min": group.minutes.0,
        "minutes_max": group.minutes.1,
    })
}

fn sorted(groups: impl Iterator<Item = Value>) -> Vec<String> {
    let mut lines: Vec<String> = groups.map(|group| group.to_string()).collect();
    lines.sort();
    lines
}

#[test]
fn every_real_dump_to_the_exact_counts() {
    let mut names: Vec<PathBuf> = fs::read_dir(dumps()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|e| e == "stderr"));
    // Several dumps in one: has a test of its own.
    names.retain(|path| path.file_stem().is_some_and(|name| name != "logged_stacks"));
    assert!(names.len() >= 23);
    for path in names {
        let expected: Value = serde_json::from_slice(&fs::read(path.with_extension("expected.json")).unwrap()).unwrap();
        let seen = read(&fs::read(&path).unwrap());
        let [summary] = seen.summaries.as_slice() else { panic!("{}: {} dumps", path.display(), seen.summaries.len()) };
        let name = path.display();
        let kind = match summary.kind {
            Kind::Signal => "signal",
            Kind::Panic => "panic",
            Kind::Fatal => "fatal",
            Kind::Unknown => "unknown",
            Kind::Profile => "profile",
            Kind::Live => "live",
        };
        assert_eq!(expected["kind"], kind, "{name}");
        assert_eq!(expected["reason"], *summary.reason, "{name}");
        assert_eq!(expected["user_goroutines"], summary.user, "{name}");
        assert_eq!(expected["system_goroutines"], summary.system, "{name}");
        assert_eq!(expected["goroutines"], summary.user + summary.system, "{name}");
        assert!(!summary.cut, "{name}");
        assert_eq!(summary.ungrouped, 0, "{name}");
        let groups = expected["groups"].as_array().unwrap().iter().cloned();
        let (found, wanted) = (sorted(summary.groups.iter().map(described)), sorted(groups));
        let only = |a: &[String], b: &[String]| a.iter().filter(|x| !b.contains(x)).cloned().collect::<Vec<_>>();
        assert!(found == wanted, "{name}\nfound {:#?}\nnot {:#?}", only(&found, &wanted), only(&wanted, &found));
    }
}

#[test]
fn log_lines_inside_tokens_come_out_whole() {
    let text = fs::read(dumps().join("json_interleaved.stderr")).unwrap();
    let seen = read(&text);
    let passed = String::from_utf8(seen.passed).unwrap();
    for line in passed.lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(record["msg"].as_str().unwrap().ends_with("tick"));
    }
    // Every line that began with a brace anywhere is there, and the dump without them is a clean one.
    assert_eq!(passed.lines().count(), text.windows(9).filter(|w| w == b"{\"time\":\"").count());
    let again = read(&seen.dumped);
    assert!(again.passed.is_empty());
    assert_eq!(again.dumped, seen.dumped);
}

#[test]
fn stacks_that_a_program_logs_are_dumps_of_their_own() {
    let seen = read(&fs::read(dumps().join("logged_stacks.stderr")).unwrap());
    let counts: Vec<_> = seen.summaries.iter().map(|s| (s.kind, s.user, s.system, s.cut)).collect();
    assert_eq!(counts, [(Kind::Unknown, 1, 0, false); 2]);
    let passed = String::from_utf8(seen.passed).unwrap();
    assert_eq!(passed.lines().count(), 4);
    assert!(passed.lines().all(|line| line.starts_with("2026/11/23 ")));
}

/// The command, with a file's text on standard input.
fn command(arguments: &[&str], input: &[u8]) -> Finished {
    let mut child = Command::new(env!("CARGO_BIN_EXE_goward"))
        .arg("goroutines")
        .args(arguments)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let finished = child.wait_with_output().unwrap();
    // It may have ended before it read everything.
    let _ = writer.join().unwrap();
    finished
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_table_of_about_twenty_lines() {
    let dump = dumps().join("leak_chan_recv_1000.stderr");
    let from_file = command(&[dump.to_str().unwrap()], b"");
    assert_eq!(from_file.status.code(), Some(0));
    let table = text(&from_file.stdout);
    assert!(table.lines().count() <= 20 && table.lines().count() >= 4, "{table}");
    assert!(table.starts_with("SIGQUIT: quit — 1001 goroutines and 5 of the runtime\n"), "{table}");
    assert!(table.contains("1000 × chan receive  main.worker  /src/leak1000/main.go:7\n"), "{table}");
    assert!(!table.contains('\x1b'));
    let input = fs::read(dump).unwrap();
    for arguments in [&[][..], &["-"][..]] {
        assert_eq!(text(&command(arguments, &input).stdout), table);
    }
    assert!(text(&command(&["--color=always"], &input).stdout).contains("\x1b[1mSIGQUIT"));
}

#[test]
fn one_json_object_for_each_dump() {
    let input: Vec<u8> = ["mutex_deadlock", "json_interleaved", "logged_stacks"]
        .iter()
        .flat_map(|name| fs::read(dumps().join(format!("{name}.stderr"))).unwrap())
        .collect();
    let finished = command(&["--json", "--all"], &input);
    let objects: Vec<Value> = text(&finished.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.iter().map(|o| o["user"].as_u64().unwrap()).collect::<Vec<_>>(), [24, 305, 1, 1]);
    assert_eq!(objects[0]["findings"][0]["cause"], "lock_order");
    assert!(objects[0]["groups"][0]["frames"].as_array().unwrap().len() > 5);
}

#[test]
fn logs_of_docker_kubernetes_and_journald() {
    let dump = fs::read_to_string(dumps().join("hung_http_shutdown.stderr")).unwrap();
    let plain = command(&[], dump.as_bytes()).stdout;
    let each = |prefix: &str| dump.lines().map(|line| format!("{prefix}{line}\n")).collect::<String>();
    let json: String = dump
        .split_inclusive('\n')
        .map(|line| format!("{}\n", json!({"log": line, "stream": "stderr", "time": "2026-11-23T05:55:22.1Z"})))
        .collect();
    for log in [
        each("2026-11-23T05:55:22.297480536Z "),
        each("[pod/web-1/app] "),
        each("2026-11-23T05:55:22.297480536Z stderr F "),
        each("web-1  | "),
        each("Nov 23 05:55:22 host web[71]: "),
        // journald keeps no empty lines.
        each("2026-11-23T05:55:22+0000 host web[71]: ").replace("2026-11-23T05:55:22+0000 host web[71]: \n", ""),
        json,
    ] {
        let shown = command(&[], log.as_bytes());
        assert_eq!(text(&shown.stdout), text(&plain), "{}", log.lines().next().unwrap());
    }
}

#[cfg(feature = "check")]
#[test]
fn what_gzip_packed() {
    let dump = fs::read(dumps().join("mutex_deadlock.stderr")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&dump).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(text(&command(&[], &packed).stdout), text(&command(&[], &dump).stdout));
    // What is damaged is an error, and what came before it is shown.
    let cut = command(&[], &packed[..packed.len() / 2]);
    assert_eq!(cut.status.code(), Some(125));
    // Two files in one, as logrotate's zcat takes them.
    assert_eq!(text(&command(&["--json"], &[&packed[..], &packed].concat()).stdout).lines().count(), 2);
}

#[test]
fn what_is_no_dump_is_told_with_what_to_fetch() {
    let race = command(&[], b"WARNING: DATA RACE\nRead at 0x00c0000140a8 by goroutine 7:\n  main.main.func1()\n");
    assert_eq!(race.status.code(), Some(1));
    assert!(text(&race.stderr).contains("race detector"), "{}", text(&race.stderr));
}

#[test]
fn what_is_shown_can_be_chosen() {
    let dump = dumps().join("all_states.stderr");
    let shown = |arguments: &[&str]| {
        let finished = command(&[arguments, &[dump.to_str().unwrap()]].concat(), b"");
        assert_eq!(finished.status.code(), Some(0));
        text(&finished.stdout).to_owned()
    };
    let states = shown(&[]).lines().nth(1).unwrap().to_owned();
    assert!(states.starts_with("   8 chan receive, 3 sync.Mutex.Lock, "), "{states}");
    let groups = |text: &str| text.lines().filter(|line| line.contains(" × ")).map(str::to_owned).collect::<Vec<_>>();
    let receive = groups(&shown(&["--all", "--state", "chan receive"]));
    assert!(receive.len() > 2 && receive.iter().all(|line| line.contains("× chan receive")), "{receive:?}");
    let matching = groups(&shown(&["--match", "main.rlock"]));
    assert!(matching.len() == 1 && matching[0].contains("main.rlock"), "{matching:?}");
    assert!(shown(&["--min-minutes", "100000"]).contains("none of them fits"));
}

#[test]
fn several_files_and_what_differs_between_two() {
    let [less, more] = ["waitgroup_wait", "leak_chan_recv_1000"].map(|name| dumps().join(format!("{name}.stderr")));
    let (less, more) = (less.to_str().unwrap(), more.to_str().unwrap());
    let several = command(&[less, more, less], b"");
    assert_eq!(text(&several.stdout).lines().filter(|line| line.ends_with(".stderr:")).count(), 3);
    let grown = command(&[less, more], b"");
    assert!(text(&grown.stdout).contains("+1000  new: 1000 × chan receive  main.worker"), "{}", text(&grown.stdout));
    assert!(text(&command(&[more, less], b"").stdout).contains("-1000  gone: 1000 × "));
    let same = command(&["--json", more, more], b"");
    let value: Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!((&value["after"], value["changes"].as_array().unwrap().len()), (&1001.into(), 0));
    let half = command(&[more, "-"], b"no dump\n");
    assert_eq!((half.status.code(), half.stdout.len()), (Some(1), 0));
}

/// A signal that goward's own line names is evidence, and one that is said by hand counts more.
#[test]
fn the_signal_that_was_sent() {
    let dump = "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\ngoroutine 1 [sleep]:\ntime.Sleep(0x1)\n\t/go/src/time/sleep.go:1 +0x1\nmain.main()\n\t/src/main.go:3 +0x1\n\nrax    0x0\ngs     0x0\n";
    let log = format!("2026-11-23T05:55:22Z  INFO goward: stop requested: SIGUSR1 from outside the container\n{dump}");
    let cause = |arguments: &[&str], log: &str| {
        let shown = command(&[arguments, &["--json"]].concat(), log.as_bytes());
        let value: Value = serde_json::from_slice(&shown.stdout).unwrap();
        (value["findings"][0]["cause"].clone(), value["findings"][0]["evidence"].as_str().unwrap().contains("SIGUSR1"))
    };
    assert_eq!(cause(&[], dump), ("loop".into(), false));
    assert_eq!(cause(&[], &log), ("unhandled".into(), true));
    assert_eq!(cause(&["--signal", "term"], &log), ("unhandled".into(), false));
}

#[test]
fn exit_codes() {
    let nothing = command(&[], b"all is well\n");
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("no goroutine dump"));
    assert_eq!(command(&[], b"").status.code(), Some(1));
    let missing = command(&["/no/such/file"], b"");
    assert_eq!(missing.status.code(), Some(125));
    assert!(text(&missing.stderr).contains("/no/such/file"));
    assert_eq!(command(&["/"], b"").status.code(), Some(125));
    assert_eq!(command(&["--jsn"], b"").status.code(), Some(125));
    assert_eq!(command(&["--help"], b"").status.code(), Some(0));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let dump = dumps().join("leaked.stderr");
    let mut child = Command::new(env!("CARGO_BIN_EXE_goward"))
        .args(["goroutines", "--all", dump.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let finished = child.wait_with_output().unwrap();
    use std::os::unix::process::ExitStatusExt;
    // As any filter: SIGPIPE, or 0 where whoever started it ignores that.
    assert!(finished.status.signal() == Some(13) || finished.status.code() == Some(0), "{:?}", finished.status);
    assert!(finished.stderr.is_empty());
}
