//! What goward says, and the record at the end.

use crate::plan::{End, Plan, root, scratch, word};
use serde_json::Value;

/// Every line, as an object. (An empty one ends what a killed server may have left unfinished.)
fn objects(end: &End) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    end.err.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

fn killed(options: &str) -> End {
    let run = Plan::new(options).fixture("ignore-all");
    run.line("ready");
    run.stop();
    run.end()
}

#[test]
fn json_is_an_object_a_line() {
    if !root() {
        return;
    }
    let script = "trap 'echo got; (sh -c \"exit 3\" &)' USR1; \"$FIXTURE\" leftover ignores \"a \\\" b\"; echo ready; while :; do sleep 0.02; done";
    let run = Plan::new("--log-format json -vvw --stop-timeout 600ms").shell(script);
    run.line("ready");
    run.signal(libc::SIGUSR1);
    run.line("got");
    run.stop();
    let end = run.end();
    let lines = objects(&end);
    assert!(lines.len() > 6, "{}", end.err);
    for line in &lines {
        for key in ["timestamp", "level", "message", "target"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
}

#[test]
fn the_record_tells_how_it_went() {
    if !root() {
        return;
    }
    let end = killed("--log-format json --stop-timeout 2s");
    let lines = objects(&end);
    let record = lines.last().unwrap();
    let number = |key: &str| record[key].as_u64().unwrap_or_else(|| panic!("{key}: {record}"));
    assert_eq!((&record["cause"], number("code")), (&Value::from("deadline"), 137));
    assert_eq!(record["server"], "was ended by SIGKILL");
    assert_eq!((&record["signal"], &record["from"]), (&"SIGTERM".into(), &"outside the container, uid 0".into()));
    assert!(number("asked_after_ms") < 50 && (1490..1600).contains(&number("dump_after_ms")), "{record}");
    assert!((1790..1980).contains(&number("kill_after_ms")) && (1790..2000).contains(&number("stop_ms")), "{record}");
    assert!(number("ran_ms") >= number("stop_ms"), "{record}");
    assert_eq!(record["level"], "WARN");
    assert!(record["message"].as_str().unwrap().contains("did not stop in time and was killed"), "{record}");

    let end = Plan::new("--log-format json").fixture("exit 0").end();
    let lines = objects(&end);
    let record = lines.last().unwrap();
    assert_eq!((&record["cause"], &record["code"], &record["level"]), (&"finished".into(), &0.into(), &"INFO".into()));
    assert!(record.get("signal").is_none() && record.get("stop_ms").is_none(), "{record}");

    let end = Plan::new("--log-format json").fixture("exit 3").end();
    let lines = objects(&end);
    assert_eq!((&lines.last().unwrap()["cause"], &lines.last().unwrap()["level"]), (&"failed".into(), &"WARN".into()));
}

#[test]
fn how_much_is_said() {
    if !root() {
        return;
    }
    let lines = |options: &str| {
        let run = Plan::new(options).fixture("stop-slowly 0");
        run.line("ready");
        run.stop();
        let end = run.end();
        assert_eq!(end.code, 0);
        end.err.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let user = "--user 65532:65532";
    assert_eq!(lines(&format!("-q {user}")), [""; 0], "a clean stop is nothing to warn of");
    let plain = lines(user);
    assert!(plain.len() == 2 && plain.iter().all(|line| line.contains(" INFO goward: ")), "{plain:?}");
    assert!(lines(&format!("-v {user}")).len() > plain.len());
    // As root there is one warning, and no more.
    let warnings = lines("-q");
    assert!(warnings.len() == 1 && warnings[0].contains("--user 65532:65532"), "{warnings:?}");
    assert!(!killed("-q --stop-timeout 300ms").err.is_empty());
}

#[test]
fn kubernetes_is_told_when_it_was_not_clean() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let log = scratch.file("log", "before", 0o666);
    let setup =
        format!("mount -t tmpfs none /dev; : > /dev/termination-log; mount --bind {} /dev/termination-log", word(&log));
    let read = || std::fs::read_to_string(&log).unwrap();
    assert_eq!(Plan::new("").setup(&setup).fixture("exit 0").end().code, 0);
    assert_eq!(read(), "before", "a clean end");
    assert_eq!(Plan::new("--user 65532:65532").setup(&setup).fixture("exit 3").end().code, 3);
    // The server's own last words stay.
    assert_eq!(read(), "before\ngoward: the server exited with code 3 by itself (cause failed, code 3)\n");
    let run = Plan::new("--stop-timeout 400ms").setup(&setup).fixture("ignore-all");
    run.line("ready");
    run.stop();
    run.end();
    assert!(read().contains("did not stop in time") && read().contains("cause deadline, code 137"), "{}", read());
}

#[test]
fn help_version_licence() {
    let say = |option: &str| {
        let output = std::process::Command::new(crate::plan::goward()).arg(option).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    let help = say("--help");
    for option in goward::cli::options::OPTIONS {
        assert!(help.contains(&format!("--{}", option.name)), "{}", option.name);
    }
    assert_eq!(help, say("-h"));
    assert!(say("--version").starts_with("goward "), "{}", say("--version"));
    assert!(say("-l").contains("MIT"));
}
