//! `--dump summary`: the server's stderr passes through goward, and its dump is replaced by what it means.

use crate::plan::{End, FullPipe, Plan, root, scratch, wait_until, word};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const USER: &str = "--user 65532:65532";

/// A real dump: a server that hangs in http.Server.Shutdown, with lines of its log before.
fn dump() -> (String, String) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dumps/hung_http_shutdown.stderr");
    let text = fs::read_to_string(path).unwrap();
    let (log, dump) = text.split_once("SIGQUIT: quit").unwrap();
    (log.to_owned(), format!("SIGQUIT: quit{dump}"))
}

/// A server that does nothing for TERM, prints a dump for QUIT, and ends as Go does.
fn server(dump: &str) -> String {
    format!(
        "trap 'echo usr1; (echo orphan &)' USR1; trap '' TERM
         trap 'echo before >&2; cat {dump} >&2; echo after >&2; exit 2' QUIT
         echo ready; while :; do sleep 0.02; done"
    )
}

/// Stopped when it was ready; how it ended, and how long that took.
fn stopped(plan: &Plan, script: &str) -> (End, Duration) {
    let run = plan.shell(script);
    run.line("ready");
    let asked = run.stop();
    let end = run.end();
    let took = end.since(asked);
    (end, took)
}

#[test]
fn every_byte_arrives_in_order() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let out = scratch.path("err");
    // All byte values, lines of every length, and what looks like a dump and is none.
    let mut bytes: Vec<u8> = (0..2_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    bytes.extend(b"\ngoroutine 1 [running]\nSIGQUIT: quitter\npanic\ngoroutine ");
    let file = scratch.path("bytes");
    fs::write(&file, &bytes).unwrap();
    for block in ["1M", "7777", "100"] {
        let count = if block == "100" { "count=3000" } else { "" };
        let setup = format!("exec 2>{}", word(&out));
        let script = format!("dd if={} bs={block} {count} status=none 1>&2", word(&file));
        let end = Plan::new(&format!("-q --dump summary {USER}")).setup(&setup).shell(&script).end();
        assert_eq!(end.code, 0);
        let want = if block == "100" { &bytes[..300_000] } else { &bytes[..] };
        assert!(fs::read(&out).unwrap() == want, "blocks of {block}");
    }
    // Through a pipe.
    let text: String = (0..300_000u32).map(|n| format!("{n} {}\n", "x".repeat(n as usize % 90))).collect();
    fs::write(&file, &text).unwrap();
    let setup = format!("exec 2>&1; exec 1>{}", word(&scratch.path("out")));
    let script = format!("cat {} >&2", word(&file));
    let end = Plan::new(&format!("-q --dump summary {USER}")).setup(&setup).shell(&script).end();
    assert!(end.code == 0 && end.out == text, "{} of {} bytes", end.out.len(), text.len());
}

#[test]
fn a_dump_is_replaced_by_its_table() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let (_, dump) = dump();
    let (file, kept) = (scratch.file("dump", &dump, 0o644), scratch.path("kept"));
    fs::write(&kept, "an older dump, longer than nothing").unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o666)).unwrap();
    let plan = Plan::new(&format!("--dump summary --stop-timeout 2s {USER} --dump-file")).option(word(&kept));
    let (end, took) = stopped(&plan, &server(word(&file)));
    assert_eq!(end.code, 137, "{}", end.err);
    assert!(took < Duration::from_secs(2), "{took:?}");
    for (part, there) in [
        ("before\n", true),
        ("after\n", true),
        ("main.slowQuery", true),
        ("main.lockHandler", true),
        ("Shutdown", true),
        ("26", true),
        ("\ngoroutine 1 ", false),
        ("rip ", false),
        ("fp=0x", false),
    ] {
        assert_eq!(end.err.contains(part), there, "{part:?} in\n{}", end.err);
    }
    let position = |part: &str| end.err.find(part).unwrap();
    assert!(position("before\n") < position("main.slowQuery"));
    let lines = end.err.lines().count();
    assert!(lines < 45, "{lines} lines\n{}", end.err);
    assert_eq!(fs::read_to_string(&kept).unwrap(), dump, "the file has the dump, and only the last");
}

#[test]
fn as_json_it_is_one_event() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let file = scratch.file("dump", &dump().1, 0o644);
    let plan = Plan::new(&format!("--dump summary --log-format json --stop-timeout 2s {USER}"));
    let (end, _) = stopped(&plan, &server(word(&file)));
    let objects: Vec<Value> = end.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let events: Vec<_> = objects.iter().filter(|object| object.get("dump").is_some()).collect();
    let [event] = events.as_slice() else { panic!("{} events in\n{}", events.len(), end.err) };
    for key in ["timestamp", "level", "message", "target"] {
        assert!(event[key].is_string(), "{key}: {event}");
    }
    assert_eq!(event["dump"]["goroutines"], 26, "{event}");
    assert!(event["dump"]["groups"].as_array().is_some_and(|groups| groups.len() > 5), "{event}");
    assert!(event["dump"]["findings"][0]["cause"].is_string(), "{event}");
    // Docker cuts a line of more than 16 KiB in two.
    assert!(event.to_string().len() < 16 * 1024, "{}", event.to_string().len());
    assert_eq!(objects.last().unwrap()["cause"], "deadline");
}

#[test]
fn a_dump_by_hand_and_one_that_is_cut() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let (_, dump) = dump();
    let half = scratch.file("half", &dump[..dump.len() / 2], 0o644);
    // docker kill -s QUIT: the server ends by itself.
    let run = Plan::new(&format!("--dump summary {USER}")).shell(&server(word(&half)));
    run.line("ready");
    run.signal(libc::SIGQUIT);
    let end = run.end();
    assert_eq!(end.code, 2, "{}", end.err);
    assert!(end.err.contains("main.slowQuery") && end.err.contains("THE DUMP WAS CUT"), "{}", end.err);
    assert!(!end.err.contains("\ngoroutine 1 "), "{}", end.err);
    // It hangs in the middle of its dump.
    let script =
        format!("trap '' TERM; trap 'cat {} >&2; sleep 9' QUIT; echo ready; while :; do sleep 0.02; done", word(&half));
    let (end, took) = stopped(&Plan::new(&format!("--dump summary --stop-timeout 2s {USER}")), &script);
    assert_eq!(end.code, 137, "{}", end.err);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(end.err.contains("main.slowQuery") && end.err.contains("THE DUMP WAS CUT"), "{}", end.err);
}

/// With stderr a full pipe that nobody reads: everything else goes on, and the dump is taken all the same.
#[test]
fn nobody_reads_and_nothing_waits() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let (_, dump) = dump();
    let (file, kept) = (scratch.file("dump", &dump.repeat(5), 0o644), scratch.path("kept"));
    let full = FullPipe::new(&scratch);
    let plan = Plan::new(&format!("--dump summary --stop-timeout 3s {USER} --dump-file")).option(word(&kept));
    fs::write(&kept, "").unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o666)).unwrap();
    let run = plan.setup(&full.as_stderr()).shell(&server(word(&file)));
    run.line("ready");
    run.signal(libc::SIGUSR1);
    run.line("orphan");
    wait_until("the orphan's end", || (run.zombies() == 0).then_some(()));
    let asked = run.stop();
    let end = run.end();
    let took = end.since(asked);
    assert_eq!(end.code, 137);
    // QUIT at 2.25 s. A dump that hangs would be killed at 2.7 s.
    assert!((2_200..2_690).contains(&took.as_millis()), "{took:?}");
    assert!(fs::read_to_string(&kept).unwrap().ends_with(&dump[dump.len() - 100..]), "the dump is whole");
}

/// A server that floods a stderr that nobody reads is held up, as without goward; signals and the deadline are not.
#[test]
fn a_flood_that_nobody_reads() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let full = FullPipe::new(&scratch);
    let script = "trap 'echo usr1' USR1; trap '' TERM; (while :; do cat /proc/self/stat >&2; done) & echo ready; while :; do sleep 0.02; done";
    let run = Plan::new(&format!("--dump summary --stop-timeout 1s {USER}")).setup(&full.as_stderr()).shell(script);
    run.line("ready");
    std::thread::sleep(Duration::from_millis(300)); // The flood has filled every store there is.
    // Not the program's own pages, of which a debug build has many.
    let memory = crate::plan::status(run.pid(), "RssAnon");
    let asked = Instant::now();
    run.signal(libc::SIGUSR1);
    run.line("usr1");
    assert!(asked.elapsed() < Duration::from_millis(200), "{:?}", asked.elapsed());
    let asked = run.stop();
    let end = run.end();
    assert_eq!(end.code, 137);
    assert!(end.since(asked) < Duration::from_secs(1), "{:?}", end.since(asked));
    let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 2 * 1024, "{memory}");
}

#[test]
fn any_of_stdio_may_be_closed() {
    if !root() {
        return;
    }
    for closed in ["exec 0<&-", "exec 1>&-", "exec 2>&-", "exec 0<&- 2>&-", "exec 0<&- 1>&- 2>&-"] {
        let plan = Plan::new(&format!("--dump summary {USER}")).setup(closed);
        let end = plan.shell("echo to stderr >&2 || exit 9; exit 7").end();
        assert_eq!(end.code, 7, "{closed}: {}", end.err);
        assert_eq!(end.err.contains("to stderr\n"), !closed.contains('2'), "{closed}: {}", end.err);
    }
}

/// What still holds stderr when the server has gone does not hold goward.
#[test]
fn a_leftover_that_writes_on() {
    if !root() {
        return;
    }
    let script = "trap '' TERM; (trap '' TERM; while :; do echo still here >&2; sleep 0.01; done) & sleep 0.2; exit 5";
    let started = Instant::now();
    let end = Plan::new(&format!("--dump summary --stop-timeout 600ms {USER}")).shell(script).end();
    assert_eq!(end.code, 5, "{}", end.err);
    assert!(end.since(started) < Duration::from_secs(3), "{:?}", end.since(started));
    assert!(end.err.matches("still here\n").count() > 10, "{}", end.err);
}

#[test]
fn the_dump_file_is_looked_at_first() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let plain = scratch.file("plain", "", 0o600);
    let plan = |path: &str| Plan::new(&format!("--dump summary {USER} --dump-file {path}")).fixture("exit 0").end();
    plan("/nonexistent/dump").must(125, "--dump-file /nonexistent/dump: No such file or directory");
    plan("/").must(125, "--dump-file /: Is a directory");
    plan(word(&plain)).must(125, "Permission denied");
    Plan::new("--dump-file /tmp/x").fixture("exit 0").end().must(125, "only with --dump summary");
    let fresh = scratch.path("fresh");
    assert_eq!(plan(word(&fresh)).code, 0);
    assert_eq!(fs::metadata(&fresh).unwrap().permissions().mode() & 0o777, 0o600, "a dump may hold secrets");
}
