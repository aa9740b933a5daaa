//! A panic in goward: PID 1 must not die of it, nor forget the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types, reason = "these are tests")]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{Ending, Stage};

fn panicking() -> PathBuf {
    Path::new(support::GOWARD).with_file_name("examples").join("panicking")
}

#[test]
fn after_a_panic_goward_goes_on_forwarding_and_reaping() {
    if !support::requires_namespaces() {
        return;
    }
    let server = Stage::new(panicking()).args([support::fixture(), "echo-signals", "--until", "USR2"]).start();
    server.wait_for("a fault in goward itself (");
    server.wait_for("ready");
    server.send("USR1");
    server.wait_for("USR1");
    server.send("RTMIN+3");
    server.wait_for("RTMIN+3");
    server.send("USR2");
    let outcome = server.wait();
    assert_eq!(outcome.ending, Ending::Exited(0), "{outcome:?}");
    assert!(outcome.stderr.contains("Please report it"), "{outcome:?}");
}

#[test]
fn after_a_panic_orphans_are_reaped_and_the_code_is_the_servers() {
    if !support::requires_namespaces() {
        return;
    }
    let script = format!("{} orphans 50 10; sleep 0.5; ls /proc | grep -c '^[0-9]'; exit 7", support::fixture());
    let outcome = Stage::new(panicking()).args(["/bin/sh", "-c", &script]).run();
    assert_eq!(outcome.ending, Ending::Exited(7), "{outcome:?}");
    // PID 1, the shell, ls, grep: nobody else is left.
    let left: u32 = outcome.stdout.lines().last().unwrap().trim().parse().unwrap();
    assert!(left <= 4, "{left} processes are left");
}

#[test]
fn after_a_panic_the_deadline_is_kept() {
    if !support::requires_namespaces() {
        return;
    }
    let server = Stage::new(panicking()).args([support::fixture(), "ignore-all"]).start();
    server.wait_for("a fault in goward itself (");
    server.wait_for("ready");
    let since = Instant::now();
    server.send("TERM");
    assert!(server.ends_within(Duration::from_secs(5)), "it must be killed in time");
    assert!(since.elapsed() > Duration::from_secs(2) && since.elapsed() < Duration::from_secs(3));
    assert_eq!(server.wait().ending, Ending::Exited(137));
}
