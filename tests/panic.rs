//! A panic in goward, and no memory: PID 1 must not die of it, nor forget the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types, reason = "these are tests")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use support::{Ending, Stage};

/// What each fault says.
const FAULTS: [(&[&str], &str); 2] = [
    (&[], "a fault in goward itself (tests/fixture/panicking.rs:"),
    (&["--memory"], "out of memory: cannot allocate 263168 bytes ("),
];

fn panicking(fault: &[&str], words: &[&str]) -> Stage {
    let program = Path::new(support::GOWARD).with_file_name("examples").join("panicking");
    Stage::new(program).args(fault.iter().chain(words))
}

#[test]
fn after_a_fault_goward_goes_on_forwarding_and_reaping() {
    if !support::requires_namespaces() {
        return;
    }
    for (fault, says) in FAULTS {
        let server = panicking(fault, &[support::fixture(), "echo-signals", "--until", "USR2"]).start();
        server.wait_for(says);
        server.wait_for("ready");
        server.send("USR1");
        server.wait_for("USR1");
        server.send("RTMIN+3");
        server.wait_for("RTMIN+3");
        server.send("USR2");
        let outcome = server.wait();
        assert_eq!(outcome.ending, Ending::Exited(0), "{outcome:?}");
        assert!(outcome.stderr.contains("goward keeps forwarding signals and reaping"), "{outcome:?}");
    }
}

#[test]
fn after_a_fault_orphans_are_reaped_and_the_code_is_the_servers() {
    if !support::requires_namespaces() {
        return;
    }
    let script = format!("{} orphans 50 10; sleep 0.5; ls /proc | grep -c '^[0-9]'; exit 7", support::fixture());
    for (fault, _) in FAULTS {
        let outcome = panicking(fault, &["/bin/sh", "-c", &script]).run();
        assert_eq!(outcome.ending, Ending::Exited(7), "{outcome:?}");
        // PID 1, the shell, ls, grep: nobody else is left.
        let left: u32 = outcome.stdout.lines().last().unwrap().trim().parse().unwrap();
        assert!(left <= 4, "{left} processes are left");
    }
}

#[test]
fn after_a_fault_the_deadline_is_kept() {
    if !support::requires_namespaces() {
        return;
    }
    for (fault, says) in FAULTS {
        let server = panicking(fault, &[support::fixture(), "ignore-all"]).start();
        server.wait_for(says);
        server.wait_for("ready");
        let since = Instant::now();
        server.send("TERM");
        assert!(server.ends_within(Duration::from_secs(5)), "it must be killed in time");
        assert!(since.elapsed() > Duration::from_secs(2) && since.elapsed() < Duration::from_secs(3));
        assert_eq!(server.wait().ending, Ending::Exited(137));
    }
}

/// A command, before there is a server, and a copy of the init, which has none: they say it, and end.
#[test]
fn without_a_server_there_is_nothing_to_go_on_for() {
    if !support::requires_namespaces() {
        return;
    }
    let alone = panicking(&["--memory-alone"], &["/bin/true"]).run();
    assert_eq!(alone.ending, Ending::Exited(125), "{alone:?}");
    assert!(
        alone.stderr.starts_with("goward: out of memory: cannot allocate 263168 bytes (")
            && !alone.stderr.contains("keeps forwarding")
    );
    // The copy ends at once; the init itself panics, and has its server's code.
    let copied = panicking(&["--memory-in-a-copy"], &["/bin/sh", "-c", "sleep 0.5; exit 7"]).run();
    assert_eq!(copied.ending, Ending::Exited(7), "{copied:?}");
    let goes_on = copied.stderr.matches("goward keeps forwarding").count();
    assert!(copied.stderr.contains("out of memory: cannot allocate 263168 bytes") && goes_on == 1, "{copied:?}");
}
