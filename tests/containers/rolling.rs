//! examples/rolling, as it stands there: a new server is started beside the old one, and the old one stopped, under load.

use super::support::{GOWARD, LIMIT, Output, go, run, turn};
use std::path::Path;
use std::process::Command;
use std::thread;

/// The update with these options of goward. docs/jobs/rolling-update.md has what 10,000 requests show.
fn update(options: &[&str]) -> Output {
    let path = format!("{}:{}", go().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rolling/update.sh");
    let mut command = Command::new(script);
    command.arg(GOWARD).args(options).env("PATH", path).env("REQUESTS", "2000");
    run(command.env("GOTOOLCHAIN", "local"), 3 * LIMIT)
}

/// What is counted in a line: so many of them.
fn count(output: &Output, what: &str) -> u32 {
    let line = output.stdout.lines().find(|line| line.ends_with(what));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_rolling_update_loses_requests_without_a_drain_and_none_with_it() {
    let Some(_turn) = turn() else { return };
    // Both at once: each has its own network, and mostly waits.
    let (with, without) = thread::scope(|scope| {
        let with = scope.spawn(|| update(&["--drain", "5s"]));
        let without = update(&[]);
        (with.join().unwrap(), without)
    });
    for (seen, loses) in [(with, false), (without, true)] {
        let (old, new) = (count(&seen, "answered by localhost:8081"), count(&seen, "answered by localhost:8082"));
        let refused = count(&seen, "connection refused");
        assert!(old > 100 && new > 100, "both have served: {seen:?}");
        assert_eq!((seen.code, refused > 0), (Some(i32::from(loses)), loses), "{seen:?}");
        assert_eq!(seen.stdout.contains(", 0 lost\n"), !loses, "{seen:?}");
        assert!(seen.stdout.contains("stopped: exit 0"), "the record of the old one: {seen:?}");
    }
}
