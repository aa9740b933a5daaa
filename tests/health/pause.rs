//! docker pause in every phase of a life: the time in which nothing of the container ran is nobody's fault.

use super::support::{Container, Image, LIMIT, docker, done, run, turn, until};
use super::{HEALTHZ, bare, becomes, becomes_ill, image, status};
use std::thread::{self, sleep};
use std::time::Duration;

const SERVER: [&str; 5] = ["--", "/server", "http", "tcp", "127.0.0.1:8080"];
const PROBES: [&str; 4] = ["--health-interval=300ms", "--health-timeout=1s", "--health-retries=1", "--stop-timeout=30"];
const COMMAND: &str = "exec:/goward probe http://127.0.0.1:8080/healthz";

fn pause(container: &Container, milliseconds: u64) {
    // A kernel with cgroup v1 may be unable to freeze a container in which a probe is just being started.
    until("it is paused", container, || run(&mut docker(&["pause", &container.name]), LIMIT).code == Some(0));
    sleep(Duration::from_millis(milliseconds));
    done(&mut docker(&["unpause", &container.name]));
}

/// A server of /server, in a container with these variables.
fn server(image: &Image, variables: &[&str], options: &[&str]) -> Container {
    let variables: Vec<&str> = variables.iter().flat_map(|variable| ["-e", variable]).collect();
    bare(image, &variables, &[&PROBES[..], options, &SERVER].concat())
}

/// So many servers have been started anew, and the last one is well.
fn restarts(container: &Container, wanted: u64) {
    becomes(container, "healthy");
    let (now, logs) = (status(container), container.logs());
    assert_eq!(now["restarts"], wanted, "{now}\n{logs}");
    assert!(!logs.contains("SIGKILL") && !logs.contains("SIGQUIT"), "{logs}");
}

/// It ends by itself, in its own time, and well.
fn ends_well(container: &Container) {
    assert_eq!(container.wait(), 0, "{}", container.logs());
    let logs = container.logs();
    assert!(logs.contains(" stopped: exit 0, ") && !logs.contains("SIGQUIT"), "{logs}");
}

/// A second of work in a start period of four, and six of pause.
fn in_the_start(image: &Image, health: &str, late: u64) {
    let options = ["--health", health, "--health-start-period=4s", "--on-unhealthy=restart"];
    let starting = server(image, &["START=1000"], &options);
    sleep(Duration::from_millis(late));
    (0..2).for_each(|_| pause(&starting, 3000));
    restarts(&starting, 0);
}

/// The same, for one that says READY=1.
fn before_it_says_ready(image: &Image, late: u64) {
    let options = ["--watchdog=2s", "--start-timeout=5s", "--on-unhealthy=restart", "--", "/notify"];
    let starting = bare(image, &[], &options);
    starting.wait_for_log("started ");
    sleep(Duration::from_millis(late));
    (0..2).for_each(|_| pause(&starting, 3000));
    starting.send("USR1");
    restarts(&starting, 0);
}

/// It is ill, and stays so until it is well by itself.
fn while_it_is_ill(image: &Image, late: u64) {
    let ill = server(image, &[], &["--health", HEALTHZ]);
    becomes(&ill, "healthy");
    ill.send("USR1");
    becomes_ill(&ill);
    sleep(Duration::from_millis(late));
    pause(&ill, 2000);
    sleep(Duration::from_millis(500));
    assert_eq!(status(&ill)["health"]["status"], "unhealthy", "{}", ill.logs());
    ill.send("USR1");
    restarts(&ill, 0);
}

/// One restart was deserved. The pause comes while the old server stops.
fn while_it_restarts(image: &Image, late: u64) {
    let restarting =
        server(image, &["STOP=1000"], &["--health", HEALTHZ, "--on-unhealthy=restart", "--health-start-period=4s"]);
    becomes(&restarting, "healthy");
    restarting.send("USR1");
    restarting.wait_for_log("told to stop");
    sleep(Duration::from_millis(late));
    pause(&restarting, 2000);
    restarting.wait_for_log("the server was started");
    restarts(&restarting, 1);
}

/// Readiness has turned false, the signal is held back.
fn in_the_drain(image: &Image, late: u64) {
    let draining = server(image, &[], &["--health", HEALTHZ, "--drain=1s", "--on-unhealthy=restart"]);
    becomes(&draining, "healthy");
    draining.send("TERM");
    sleep(Duration::from_millis(late));
    pause(&draining, 2000);
    ends_well(&draining);
}

/// It has a second of work to do, and much more until it is dumped.
fn while_it_stops(image: &Image, late: u64) {
    let stopping = server(image, &["STOP=1000"], &["--health", HEALTHZ, "--on-unhealthy=restart"]);
    becomes(&stopping, "healthy");
    stopping.send("TERM");
    stopping.wait_for_log("told to stop");
    sleep(Duration::from_millis(late));
    pause(&stopping, 2000);
    ends_well(&stopping);
}

/// Near miss: a server that takes too long is started anew, though it was paused, too.
fn one_that_never_starts(image: &Image) {
    let options = ["--health", HEALTHZ, "--health-start-period=1s", "--on-unhealthy=restart"];
    let never = server(image, &["START=60000"], &options);
    sleep(Duration::from_millis(300));
    pause(&never, 500);
    never.wait_for_log("the server was started");
}

/// Nine pauses a round, in each phase at another moment.
fn in_every_phase(rounds: u64) {
    let image = &image(&["server", "notify"]);
    for round in 0..rounds {
        let late = round * 137 % 500;
        // Half of them at a time: they count on having a processor.
        thread::scope(|scope| {
            scope.spawn(move || in_the_start(image, HEALTHZ, late));
            scope.spawn(move || in_the_start(image, COMMAND, late));
            scope.spawn(move || before_it_says_ready(image, late));
        });
        thread::scope(|scope| {
            scope.spawn(move || while_it_is_ill(image, late));
            scope.spawn(move || while_it_restarts(image, late));
            scope.spawn(move || in_the_drain(image, late));
            scope.spawn(move || while_it_stops(image, late));
            scope.spawn(move || one_that_never_starts(image));
        });
    }
}

#[test]
fn a_pause_is_nobodys_fault_in_any_phase() {
    let Some(_turn) = turn() else { return };
    in_every_phase(1);
}

#[test]
#[ignore = "minutes: make soak"]
fn fifty_pauses_are_nobodys_fault_in_any_phase() {
    let Some(_turn) = turn() else { return };
    in_every_phase(6);
}
