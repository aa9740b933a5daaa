//! Health where it counts: Docker's own HEALTHCHECK, `docker exec … goward status`, restarts, notifications and hooks, in
//! containers FROM scratch with real Go servers (tests/health), as a user without rights and on a read-only root.
//! Without a Docker daemon these tests say SKIPPED, and fail where CI is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

#[path = "health/pause.rs"]
mod pause;
#[path = "support/containers.rs"]
mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::{
    AT_ONCE, Container, GOWARD, GRACE, Image, LIMIT, Output, USER, docker, done, go_is_there, go_program, run, turn,
    until, vet,
};

/// What a server of these tests is given: no rights, no network, nothing to write to.
const BARE: [&str; 4] = ["--user=65532:65532", "--read-only", "--network=none", "--cap-drop=ALL"];
const TMP: &str = "--tmpfs=/tmp:mode=1777";
const HEALTHZ: &str = "http://127.0.0.1:8080/healthz";

// ---------------------------------------------------------------------------------------------------------------------
// Docker's own HEALTHCHECK

/// HEALTHCHECK as it stands in a Dockerfile, each by its own probe; the server turns ill and well again.
#[test]
fn dockers_healthcheck_by_probe_over_tcp_and_unix() {
    let Some(_turn) = turn() else { return };
    healthchecks(&[
        (HEALTHZ, &["/server", "http", "tcp", "127.0.0.1:8080"], "503: the database is away"),
        ("tcp://localhost:8080", &["/server", "listen", "tcp", "127.0.0.1:8080"], "connection refused"),
        ("unix:/tmp/socket", &["/server", "listen", "unix", "/tmp/socket"], "/tmp/socket: no such file"),
        ("unix:@shop", &["/server", "listen", "unix", "@shop"], "@shop: connection refused"),
    ]);
}

#[test]
fn dockers_healthcheck_by_probe_over_http_on_unix_grpc_a_command_and_ipv6() {
    let Some(_turn) = turn() else { return };
    healthchecks(&[
        ("http://unix:/tmp/socket:/healthz", &["/server", "http", "unix", "/tmp/socket"], "503: the database is away"),
        ("grpc://localhost:8080/shop.v1.Orders", &["/server", "grpc", "tcp", "127.0.0.1:8080"], "NOT_SERVING"),
        ("exec:/command missing /tmp/ill", &["/server", "file", "/tmp/ill"], "exit code 1: it is ill"),
        // localhost is both; the failure that is told is that of the first.
        ("tcp://localhost:9090", &["/server", "listen", "tcp", "[::1]:9090"], "127.0.0.1:9090: connection refused"),
    ]);
}

/// Each target, the server, and what is said when it is ill.
fn healthchecks(cases: &[(&str, &[&str], &str)]) {
    let plain = image(&["server", "command"]);
    let all: Vec<_> = cases
        .iter()
        .map(|(target, server, said)| {
            let image = plain.and(&format!(
                "HEALTHCHECK --interval=1s --timeout=10s --retries=2 CMD [\"/goward\",\"probe\",\"{target}\"]\n"
            ));
            let container = bare(&image, &[TMP, "--sysctl=net.ipv6.conf.all.disable_ipv6=0"], server);
            (target, container, said, image)
        })
        .collect();
    for wanted in ["healthy", "unhealthy", "healthy"] {
        for (target, container, said, _) in &all {
            docker_says(container, wanted);
            let last = container.inspect("{{json .State.Health.Log}}");
            let last: Value = serde_json::from_str(&last).unwrap();
            let last = last.as_array().unwrap().last().unwrap();
            let (code, said) = if wanted == "healthy" { (0, "healthy: ") } else { (1, **said) };
            let output = last["Output"].as_str().unwrap();
            assert!(last["ExitCode"] == code && output.contains(said), "{target}: {last}");
            assert!(output.contains(target.trim_start_matches("exec:")), "{target}: {output}");
        }
        for (_, container, ..) in &all {
            container.send("USR1");
        }
    }
}

/// As README.md has it, and without a start period: Docker's first check comes after its interval, and finds the server healthy.
#[test]
fn a_server_that_is_ready_at_once_is_healthy_at_dockers_first_check() {
    let Some(_turn) = turn() else { return };
    let image = image(&["server"]);
    let asked = "ENV GOWARD_HEALTH=http://localhost:8080/healthz\n\
        HEALTHCHECK --interval=1s --timeout=10s --retries=1 CMD [\"/goward\",\"status\"]\n";
    let probed =
        format!("HEALTHCHECK --interval=1s --timeout=10s --retries=1 CMD [\"/goward\",\"probe\",\"{HEALTHZ}\"]\n");
    for lines in [asked, probed.as_str()] {
        let image = image.and(lines);
        let server = bare(&image, &[], &["/server", "http", "tcp", "127.0.0.1:8080"]);
        until("Docker has checked it", &server, || server.inspect("{{.State.Health.Status}}") != "starting");
        let first = server.inspect("{{json (index .State.Health.Log 0)}}");
        let first: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(
            (&first["ExitCode"], server.inspect("{{.State.Health.Status}}").as_str()),
            (&0.into(), "healthy"),
            "{first}"
        );
        let started = milliseconds(&server.inspect("{{.State.StartedAt}}"));
        let took = milliseconds(first["End"].as_str().unwrap()) - started;
        assert!(took <= 1_500, "it was healthy {took} ms after its start: {first}");
        // The init itself knows it long before.
        if lines == asked {
            let changes = status(&server)["changes"].clone();
            let ready = changes.as_array().unwrap().iter().find(|change| change["state"] == "ready");
            let ready = milliseconds(ready.unwrap_or_else(|| panic!("{changes}"))["time"].as_str().unwrap());
            assert!(ready - started <= 1_500, "{changes}");
        }
    }
}

/// A probe that would wait for a minute, and Docker for a second: nothing stays of any of them.
#[test]
fn probes_that_docker_kills_leave_nothing_behind() {
    let Some(_turn) = turn() else { return };
    let image = image(&["command"]).and(
        "HEALTHCHECK --interval=1s --timeout=1s --retries=1 CMD [\"/goward\",\"probe\",\"-t\",\"60s\",\"exec:/command tree 2\"]\n",
    );
    let server = bare(&image, &["--pids-limit=200"], &["--", "/command", "wait"]);
    server.wait_for_log("serving");
    docker_says(&server, "unhealthy");
    for _ in 0..4 {
        // Between two checks there are goward and its server.
        let checks = || server.inspect("{{range .State.Health.Log}}{{.Start}}{{end}}");
        let before = checks();
        until("there is one check more", &server, || checks() != before);
        until("nothing is left of it", &server, || server.processes().len() == 2);
        let zombies: Vec<_> = server.processes().into_iter().filter(|process| process.state == "Z").collect();
        assert!(zombies.is_empty(), "{zombies:?}");
    }
    assert!(server.stop(GRACE) < AT_ONCE, "{}", server.logs());
}

/// The init probes, and Docker only asks it: with one failure fewer than the init needs, nothing is said.
#[test]
fn dockers_healthcheck_by_status() {
    let Some(_turn) = turn() else { return };
    let image = image(&["server"]).and(
        "ENV GOWARD_HEALTH=http://localhost:8080/healthz GOWARD_HEALTH_INTERVAL=500ms GOWARD_HEALTH_RETRIES=2\n\
         HEALTHCHECK --interval=1s --timeout=10s --retries=2 CMD [\"/goward\",\"status\"]\n",
    );
    let server = bare(&image, &[], &["/server", "http", "tcp", "127.0.0.1:8080"]);
    docker_says(&server, "healthy");
    server.send("USR1");
    docker_says(&server, "unhealthy");
    let log = server.inspect("{{json .State.Health.Log}}");
    assert!(log.contains("unhealthy, ") && log.contains(" ago: 503: the database is away"), "{log}");
    let logs = server.logs();
    assert!(logs.contains("the server is unhealthy; no action is taken"), "{logs}");
    server.send("USR1");
    docker_says(&server, "healthy");
    assert!(server.stop(GRACE) < AT_ONCE, "{}", server.logs());
    assert_eq!(server.exit_code(), 0, "{}", server.logs());
}

/// Every kind of target, probed by the init itself, which Docker only asks.
#[test]
fn the_init_probes_every_kind_of_target() {
    let Some(_turn) = turn() else { return };
    let image = image(&["server", "command"])
        .and("HEALTHCHECK --interval=1s --timeout=10s --retries=1 CMD [\"/goward\",\"status\"]\n");
    let cases: [(&str, &[&str], &str); 5] = [
        ("tcp://localhost:8080", &["/server", "listen", "tcp", "127.0.0.1:8080"], "connection refused"),
        ("unix:/tmp/socket", &["/server", "listen", "unix", "/tmp/socket"], "no such file"),
        ("http://unix:/tmp/socket:/healthz", &["/server", "http", "unix", "/tmp/socket"], "503: the database is away"),
        ("grpc://localhost:8080", &["/server", "grpc", "tcp", "127.0.0.1:8080"], "NOT_SERVING"),
        ("exec:/command missing /tmp/ill", &["/server", "file", "/tmp/ill"], "exit code 1: it is ill"),
    ];
    let options = ["--health-interval=300ms", "--health-retries=2", "--health"];
    let start = |target, server: &[&str]| bare(&image, &[TMP], &[&options, &[target, "--"][..], server].concat());
    let all = cases.map(|(target, server, said)| (start(target, server), said));
    for (container, _) in &all {
        docker_says(container, "healthy");
        container.send("USR1");
    }
    for (container, said) in &all {
        becomes_ill(container);
        docker_says(container, "unhealthy");
        let now = status(container);
        assert!(now["health"]["last"].as_str().unwrap().contains(said) && now["ready"] == false, "{now}");
    }
}

/// An image's own health check can be switched off with one variable.
#[test]
fn an_empty_variable_switches_health_off() {
    let Some(_turn) = turn() else { return };
    let image = image(&["command"])
        .and("ENV GOWARD_HEALTH=tcp://localhost:1 GOWARD_HEALTH_RETRIES=1 GOWARD_ON_UNHEALTHY=stop\n");
    let off = bare(&image, &["-eGOWARD_HEALTH="], &["--", "/command", "wait"]);
    off.wait_for_log("serving");
    let now = status(&off);
    assert!(now["healthy"] == true && now["health"].is_null(), "{now}");
}

// ---------------------------------------------------------------------------------------------------------------------
// A server that hangs

const PROBED: [&str; 8] = [
    "--health",
    HEALTHZ,
    "--health-timeout=1s",
    "--health-interval=500ms",
    "--health-retries=2",
    "--log-format=json",
    "--stop-timeout=10s",
    "--on-unhealthy",
];

/// The worst bug is the one that never logs: here it says where it hangs, and then serves again.
#[test]
fn a_deadlocked_server_is_dumped_and_started_again() {
    let Some(_turn) = turn() else { return };
    let image = image(&["stuck"]);
    let stuck = bare(&image, &[], &[&PROBED[..], &["restart", "--", "/stuck"]].concat());
    becomes(&stuck, "healthy");
    let before = status(&stuck);
    assert_eq!((&before["restarts"], &before["health"]["status"]), (&0.into(), &"healthy".into()), "{before}");

    deadlock(&stuck);
    stuck.wait_for_log("restarting it in");
    becomes(&stuck, "healthy");

    let (logs, after) = (stuck.logs(), status(&stuck));
    assert_eq!((&after["restarts"], &after["phase"]), (&1.into(), &"running".into()), "{after}\n{logs}");
    assert_ne!(before["pid"], after["pid"], "{after}");
    assert_eq!(stuck.inspect("{{.RestartCount}}"), "0", "Docker had nothing to do with it");
    for part in [
        "no answer within 1s",
        "the server is unhealthy; restarting it",
        "reading the goroutines of the server",
        "main.(*orders).transfer",
        "main.(*orders).healthz",
        "sync.Mutex.Lock",
    ] {
        assert!(logs.contains(part), "no {part:?} in\n{logs}");
    }
    assert!(stuck.stop(GRACE) < AT_ONCE, "{}", stuck.logs());
    // It handles no SIGTERM.
    assert_eq!(stuck.exit_code(), 143, "{}", stuck.logs());
    assert_eq!(stuck.record()["restarts"], 1);
}

#[test]
fn a_deadlocked_server_ends_the_container_and_docker_starts_it_again() {
    let Some(_turn) = turn() else { return };
    let image = image(&["stuck"]);
    let stuck = bare(&image, &["--restart=on-failure"], &[&PROBED[..], &["stop", "--", "/stuck"]].concat());
    becomes(&stuck, "healthy");
    deadlock(&stuck);

    until("Docker starts it again", &stuck, || stuck.inspect("{{.RestartCount}} {{.State.Status}}") == "1 running");
    becomes(&stuck, "healthy");
    let logs = stuck.logs();
    // transfer has locked it twice, and its stack shows the second time alone: those that wait for the mutex see nobody who holds it.
    for part in ["\"kind\":\"live\"", "main.(*orders).transfer", "goroutines wait for this mutex"] {
        assert!(logs.contains(part), "no {part} in\n{logs}");
    }
    let record = stuck.record();
    assert_eq!((&record["cause"], &record["code"]), (&"unhealthy".into(), &137.into()), "{record}\n{logs}");
    assert_eq!(status(&stuck)["restarts"], 0, "it is another goward");
    let filters = ["--filter", &format!("container={}", stuck.name), "--filter", "event=die"];
    let now = done(Command::new("date").arg("+%s"));
    let died = done(docker(&["events", "--since=10m", "--until", now.trim()]).args(filters));
    assert!(died.contains("exitCode=137"), "{died}");
}

// ---------------------------------------------------------------------------------------------------------------------
// goward status

#[test]
fn status_answers_its_own_user_and_root_and_nobody_else() {
    let Some(_turn) = turn() else { return };
    let image = image(&["server"]);
    let server = bare(
        &image,
        &[],
        &["--health", HEALTHZ, "--health-interval=1s", "--", "/server", "http", "tcp", "127.0.0.1:8080"],
    );

    let waited = server.exec(&[], &["/goward", "status", "--wait", "ready", "--timeout", "30s"]);
    assert_eq!(waited.code, Some(0), "{waited:?}\n{}", server.logs());
    assert!(
        waited.stdout.starts_with("running, ready; pid ")
            && waited.stdout.contains("\nhealthy; last, ")
            && waited.stdout.contains(" ago: 200\n")
    );
    for (docker, words) in [
        (&[][..], &["/goward", "status"][..]),
        (&["-u", "0"], &["/goward", "status", "--json"]),
        (&["-u", "65532:1"], &["/goward", "status", "--ready", "--pid", "1"]),
    ] {
        let answer = server.exec(docker, words);
        assert!(answer.code == Some(0) && answer.stdout.contains("running"), "{docker:?}: {answer:?}");
    }
    let json = status(&server);
    for (field, value) in [("phase", Value::from("running")), ("ready", true.into()), ("init", 1.into())] {
        assert_eq!(json[field], value, "{json}");
    }
    assert_eq!(server.exec(&[], &["/goward", "status", "-q"]).all(), "");

    let refused = server.exec(&["-u", "1234"], &["/goward", "status"]);
    let said = "goward: goward (pid 1) does not answer uid 1234: it answers its own user (uid 65532) and root, of its own \
        PID namespace\n";
    assert_eq!((refused.code, refused.all().as_str()), (Some(1), said));
    let nobody = server.exec(&[], &["/goward", "status", "--pid", "77"]);
    assert!(nobody.code == Some(1) && nobody.stderr.contains("no goward with pid 77"), "{nobody:?}");
    let wrong = server.exec(&[], &["/goward", "status", "--jsn"]);
    assert!(wrong.code == Some(125) && wrong.stderr.contains("no option --jsn"), "{wrong:?}");

    // Ill: at once where the state is wanted, and when the time is up where it is waited for.
    server.send("USR1");
    becomes_ill(&server);
    let began = Instant::now();
    let waited = server.exec(&[], &["/goward", "status", "--wait", "healthy", "--timeout", "1s"]);
    assert_eq!(waited.code, Some(1), "{waited:?}");
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(20));
    assert!(waited.stdout.contains("unhealthy, ") && waited.stdout.contains("503: the database is away"), "{waited:?}");
}

/// As in a pod whose containers share their processes: two inits, which must not be taken for each other.
#[test]
fn two_inits_in_one_pid_and_network_namespace() {
    let Some(_turn) = turn() else { return };
    let image = image(&["command"]);
    let first = bare(&image, &[], &["--", "/command", "wait"]);
    first.wait_for_log("serving");
    let shared = [format!("--pid=container:{}", first.name), format!("--network=container:{}", first.name)];
    let second = image.run(&[&shared[0], &shared[1], "--user", USER, "--read-only"], &["--notify", "/command", "wait"]);
    second.wait_for_log("serving");

    let (one, two) = (status(&first), status(&second));
    assert_eq!((&one["init"], &one["ready"]), (&1.into(), &true.into()), "{one}");
    let pid = two["init"].as_i64().unwrap();
    assert!(pid > 1 && two["ready"] == false, "{two}");
    for (container, other) in [(&first, pid), (&second, 1)] {
        let chosen = container.exec(&[], &["/goward", "status", "--json", "--pid", &other.to_string()]);
        let chosen: Value = serde_json::from_str(&chosen.stdout).unwrap_or_else(|_| panic!("{chosen:?}"));
        assert_eq!(chosen["init"], other, "{chosen}");
    }
    // As the HEALTHCHECK of each: one is ready, the other waits for READY=1.
    assert_eq!(first.exec(&[], &["/goward", "status", "-q"]).code, Some(0));
    assert_eq!(second.exec(&[], &["/goward", "status", "-q"]).code, Some(1));
    assert!(second.stop(GRACE) < AT_ONCE, "{}", second.logs());
}

/// A container without a goward, beside one that has one: it is not told the other's state as its own.
#[test]
fn a_neighbour_is_not_answered_for() {
    let Some(_turn) = turn() else { return };
    let image = image(&["command"]);
    let first = bare(&image, &[], &["--", "/command", "wait"]);
    first.wait_for_log("serving");
    let shared = [format!("--pid=container:{}", first.name), format!("--network=container:{}", first.name)];
    let bare = image.run(&[&shared[0], &shared[1], "--user", USER, "--entrypoint=/command"], &["wait"]);
    bare.wait_for_log("serving");
    let asked = bare.exec(&[], &["/goward", "status"]);
    assert!(asked.code == Some(1) && asked.stderr.contains("belongs to another container"), "{asked:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// What the server says of itself

#[test]
fn a_server_says_when_it_is_ready() {
    let Some(_turn) = turn() else { return };
    let image = image(&["notify"]);
    let server = bare(&image, &[], &["--notify", "--reload-signal=USR2", "--", "/notify"]);
    server.wait_for_log("started 0");
    let ready = || server.exec(&[], &["/goward", "status", "--ready"]);
    let tell = |signal: &str, name: &str| {
        server.send(signal);
        server.wait_for_log(&format!("done: {name}"));
    };
    let before = ready();
    assert!(
        before.code == Some(1) && before.stdout.starts_with("running, not ready (it has not sent READY=1 yet); pid "),
        "{before:?}"
    );

    // Only its own word counts, not that of whatever it starts.
    tell("WINCH", "window changed");
    server.wait_for_log("a notification from pid");
    let after = ready();
    assert!(after.code == Some(1) && !after.stdout.contains("the child says so"), "{after:?}");

    tell("USR1", "user defined signal 1");
    let waited = server.exec(&[], &["/goward", "status", "--wait", "ready", "--timeout=20s"]);
    assert_eq!(waited.code, Some(0), "{waited:?}\n{}", server.logs());
    assert!(waited.stdout.contains("the server says: 7 orders open\n"), "{waited:?}");
    assert_eq!(status(&server)["status"], "7 orders open");

    tell("USR2", "user defined signal 2");
    until("it is no longer ready", &server, || ready().code == Some(1));
    assert!(ready().stdout.contains("the server says: reading the configuration"), "{:?}", ready());

    // A reload is over when it says so, and not before.
    let reload = |time: &str| server.exec(&[], &["/goward", "reload", "--wait", "--timeout", time]);
    let early = reload("300ms");
    assert!(
        early.code == Some(1) && early.stderr.contains("did not send RELOADING=1 and then READY=1 in time"),
        "{early:?}"
    );
    thread::scope(|scope| {
        let waits = scope.spawn(|| reload("20s"));
        until("it reloads once more", &server, || server.logs().matches("done: user defined signal 2").count() == 3);
        server.send("USR1");
        let waited = waits.join().unwrap();
        assert_eq!(
            (waited.code, waited.stdout.as_str()),
            (Some(0), "the server has reloaded and is ready\n"),
            "{waited:?}"
        );
    });

    let logs = server.logs();
    assert_eq!(logs.matches("a notification from pid").count(), 1, "{logs}");
    assert!(
        logs.contains("the server is ready (READY=1)")
            && logs.contains("the server is not ready: it has sent RELOADING=1"),
        "{logs}"
    );
    assert!(server.stop(GRACE) < AT_ONCE, "{}", server.logs());
    assert_eq!(server.exit_code(), 0, "{}", server.logs());
}

#[test]
fn a_server_that_no_longer_says_that_it_lives_is_dumped_and_started_again() {
    let Some(_turn) = turn() else { return };
    let image = image(&["notify"]);
    let server = bare(&image, &[], &["--watchdog=2s", "--on-unhealthy=restart", "--", "/notify"]);
    // And another, about which nothing is done: but it is not healthy.
    let silent = bare(&image, &[], &["--watchdog=1s", "--", "/notify"]);
    for container in [&server, &silent] {
        container.wait_for_log("started ");
    }
    silent.send("USR1");
    becomes(&silent, "healthy");
    silent.send("HUP");
    until("it is missed", &silent, || silent.exec(&[], &["/goward", "status", "-q"]).code == Some(1));
    let said = silent.exec(&[], &["/goward", "status"]).stdout;
    assert!(
        said.contains("not ready") && said.contains("the server missed its watchdog (no WATCHDOG=1 in time"),
        "{said}"
    );
    silent.send("USR1");
    becomes(&silent, "healthy");

    // Before READY=1 nothing is asked of it, and then nothing is done as long as it speaks: twice the time each.
    let up = |seconds: u64| until("it goes on", &server, || status(&server)["uptime_s"].as_u64() >= Some(seconds));
    up(4);
    server.send("USR1");
    let ready = server.exec(&[], &["/goward", "status", "--wait", "ready", "--timeout=20s"]);
    assert_eq!(ready.code, Some(0), "{ready:?}");
    up(status(&server)["uptime_s"].as_u64().unwrap() + 4);
    assert_eq!(status(&server)["restarts"], 0, "{}", server.logs());

    server.send("HUP");
    server.wait_for_log("restarting it in");
    until("it is there again", &server, || server.logs().matches("started 2000000").count() == 2);
    let (logs, json) = (server.logs(), status(&server));
    assert_eq!((&json["restarts"], &json["ready"]), (&1.into(), &false.into()), "{json}");
    assert!(logs.contains("missed its watchdog (no WATCHDOG=1 in time"), "{logs}");
    assert!(logs.contains("reading the goroutines of the server") && logs.contains("main.main  "), "{logs}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Restarts and hooks

#[test]
fn the_server_starts_only_after_what_must_be_done_before() {
    let Some(_turn) = turn() else { return };
    let image = image(&["command"]);
    let failed = bare(&image, &[], &["--before=/command fail 7", "--after=/command say after", "/command", "wait"]);
    // From root, as an entrypoint that owns a volume first.
    let good = image.run(
        &["--read-only", "--network=none"],
        &[
            "--user",
            USER,
            "--before=/command say 'the tables are there'",
            "--before=/command say second",
            "--after=/command say 'cleaned up'",
            "--",
            "/command",
            "wait",
        ],
    );

    assert_eq!(failed.wait(), 7);
    let logs = failed.logs();
    assert!(logs.contains("the table is locked, says uid 65532") && !logs.contains("serving"), "{logs}");
    assert!(!logs.contains("after as uid"), "there was no server that it could come after\n{logs}");

    good.wait_for_log("serving as uid 65532");
    // docker exec comes as root here, as the container's HEALTHCHECK would; goward is root no longer.
    let answer = good.exec(&[], &["/goward", "status", "--ready"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(good.stop(GRACE) < AT_ONCE, "{}", good.logs());
    assert_eq!(good.exit_code(), 0);
    let logs = good.logs();
    let order: Vec<&str> = logs.lines().filter(|line| line.contains(" as uid 65532")).collect();
    let said = |at: usize| order.get(at).copied().unwrap_or_default();
    assert_eq!(order.len(), 4, "{logs}");
    assert!(said(0).starts_with("the tables are there") && said(1).starts_with("second"), "{logs}");
    assert!(said(2).starts_with("serving") && said(3).starts_with("cleaned up"), "{logs}");
}

#[test]
fn a_server_that_crashes_is_started_again_as_often_as_it_was_said() {
    let Some(_turn) = turn() else { return };
    let image = image(&["command"]);
    let twice = bare(&image, &[], &["--restart=on-failure:2", "--log-format=json", "--", "/command", "crash", "3"]);
    let always = bare(&image, &[], &["--restart=always", "--", "/command", "crash", "4"]);
    let kept = bare(&image, &[], &["--restart=always", "--", "/command", "wait"]);

    assert_eq!(twice.wait(), 3);
    let logs = twice.logs();
    assert_eq!(logs.lines().filter(|line| *line == "crashing").count(), 3, "{logs}");
    assert_eq!(twice.record()["restarts"], 2, "{logs}");

    // In a pause of several seconds: the stop does not wait for its end.
    always.wait_for_log("restarting it in 6.4s");
    assert_eq!(status(&always)["phase"], "waiting", "{}", always.logs());
    let crashes = |logs: &str| logs.lines().filter(|line| *line == "crashing").count();
    let before = crashes(&always.logs());
    let took = always.stop(GRACE);
    let logs = always.logs();
    assert!(took < AT_ONCE, "{took:?}\n{logs}");
    assert_eq!((always.exit_code(), crashes(&logs)), (4, before), "{logs}");

    kept.wait_for_log("serving");
    assert!(kept.stop(GRACE) < AT_ONCE, "{}", kept.logs());
    assert_eq!(kept.exit_code(), 0);
    assert_eq!(kept.logs().matches("serving").count(), 1, "it was started again after docker stop\n{}", kept.logs());
}

#[test]
fn while_it_drains_it_is_not_ready_and_answers_all_the_same() {
    let Some(_turn) = turn() else { return };
    let image = image(&["server"]);
    let options = ["--drain=5s", "--health", HEALTHZ, "--health-interval=200ms", "--log-format=json"];
    let server = bare(&image, &[], &[&options[..], &["/server", "http", "tcp", "127.0.0.1:8080"]].concat());
    becomes(&server, "ready");

    let took = thread::scope(|scope| {
        let stop = scope.spawn(|| server.stop(Duration::from_secs(20)));
        server.wait_for_log("draining for ");
        let (json, answer) = (status(&server), server.exec(&[], &["/goward", "probe", HEALTHZ]));
        let ready = server.exec(&[], &["/goward", "status", "--ready"]);
        assert!(!server.logs().contains("told to stop"), "too slow to have been tested\n{}", server.logs());
        assert_eq!((&json["phase"], &json["ready"]), (&"draining".into(), &false.into()), "{json}");
        assert_eq!(json["stop"]["signal"], "SIGTERM", "{json}");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(ready.code == Some(1) && ready.stdout.starts_with("draining, not ready"), "{ready:?}");
        stop.join().unwrap()
    });

    assert!(took >= Duration::from_secs(5), "{took:?}");
    assert!(server.logs().contains("told to stop"), "{}", server.logs());
    assert_eq!(server.exit_code(), 0, "{}", server.logs());
    assert!(server.record()["asked_after_ms"].as_u64() >= Some(5000), "{}", server.record());
}

// ---------------------------------------------------------------------------------------------------------------------
// A hand on the init

/// By `docker exec` in an image without a shell, as `kubectl exec` does it.
#[test]
fn an_init_in_a_scratch_image_is_told_what_to_do() {
    let Some(_turn) = turn() else { return };
    let image = image(&["server"]);
    let options = [
        "--health",
        HEALTHZ,
        "--reload-signal=USR1",
        "--log-format=json",
        "--",
        "/server",
        "http",
        "tcp",
        "127.0.0.1:8080",
    ];
    let server = bare(&image, &[], &options);
    becomes(&server, "ready");
    let tell = |words: &[&str]| server.exec(&[], &[&["/goward"], words].concat());
    let before = status(&server);
    let waited = tell(&["restart", "--wait", "--timeout=30s"]);
    assert_eq!(waited.code, Some(0), "{waited:?}\n{}", server.logs());
    let after = status(&server);
    assert_eq!((&after["restarts"], &after["ready"]), (&1.into(), &true.into()), "{after}");
    assert!(after["pid"] != before["pid"] && server.inspect("{{.RestartCount}}") == "0", "{after}");
    // It turns ill by the signal of a reload, and well again by another.
    assert_eq!(tell(&["reload"]).code, Some(0));
    let nobody_tells = tell(&["reload", "--wait"]);
    assert!(
        nobody_tells.code == Some(1) && nobody_tells.stderr.contains("--wait needs goward --notify"),
        "{nobody_tells:?}"
    );
    until("it fails", &server, || tell(&["probe", HEALTHZ]).code == Some(1));
    assert_eq!(tell(&["signal", "USR1"]).code, Some(0));
    until("it is well", &server, || tell(&["probe", HEALTHZ]).code == Some(0));
    let stranger = server.exec(&["-u", "1234"], &["/goward", "stop"]);
    assert!(stranger.code == Some(1) && stranger.stderr.contains("does not answer uid 1234"), "{stranger:?}");
    let _ = tell(&["stop"]);
    assert_eq!(server.wait(), 0, "{}", server.logs());
    let record = server.record();
    assert_eq!((&record["cause"], &record["signal"]), (&"stopped".into(), &"SIGTERM".into()), "{record}");
    assert!(record["from"].as_str().unwrap().ends_with("(goward), uid 65532"), "{record}");
}

// ---------------------------------------------------------------------------------------------------------------------
// docker pause

/// So often a container is paused, for so long each time, at another moment of its probes and words each time.
fn paused(times: u64) {
    let image = image(&["server", "notify"]);
    let probes = ["--health", HEALTHZ, "--health-interval=300ms", "--health-timeout=1s", "--health-retries=1"];
    let ready = ["--ready", HEALTHZ, "--ready-interval=200ms", "--ready-retries=1", "--on-unhealthy=restart"];
    let probed =
        bare(&image, &[], &[&probes[..], &ready, &["--", "/server", "http", "tcp", "127.0.0.1:8080"]].concat());
    let watched =
        bare(&image, &[], &["--watchdog=2s", "--start-timeout=60s", "--on-unhealthy=restart", "--", "/notify"]);
    watched.wait_for_log("started ");
    watched.send("USR1");
    for round in 0..times {
        // Also in the start of the first one. Every phase of 300 ms, and freezes shorter and longer than each of the times.
        thread::sleep(Duration::from_millis(round * 137 % 700));
        for container in [&probed, &watched] {
            done(&mut docker(&["pause", &container.name]));
        }
        thread::sleep(Duration::from_millis([400, 1_100, 2_600, 900, 1_900][round as usize % 5]));
        for container in [&probed, &watched] {
            done(&mut docker(&["unpause", &container.name]));
        }
    }
    becomes(&probed, "ready");
    becomes(&watched, "ready");
    for container in [&probed, &watched] {
        let (now, logs) = (status(container), container.logs());
        assert!(now["restarts"] == 0 && now["healthy"] == true, "{now}\n{logs}");
        assert!(!logs.contains("unhealthy") && !logs.contains("watchdog"), "{logs}");
    }
    // Near miss: one that hangs is found all the same.
    watched.send("HUP");
    watched.wait_for_log("missed its watchdog");
}

#[test]
fn a_paused_container_is_nobodys_fault() {
    let Some(_turn) = turn() else { return };
    paused(6);
}

#[test]
#[ignore = "two minutes and more: make soak"]
fn a_container_that_is_paused_fifty_times_is_nobodys_fault() {
    let Some(_turn) = turn() else { return };
    paused(50);
}

// ---------------------------------------------------------------------------------------------------------------------
// Probes and servers that misbehave

/// Thirty of each: nobody is left, no zombie stays, and docker stop is as prompt as ever.
#[test]
fn probes_that_misbehave_leave_nothing_behind() {
    let Some(_turn) = turn() else { return };
    let image = image(&["command"]);
    let cases = ["hang", "tree 2", "flood", "orphans"];
    let probed = |command: &str| {
        let health = format!("--health=exec:/command {command}");
        let options = [&health, "--health-interval=50ms", "--health-timeout=150ms", "--", "/command", "wait"];
        bare(&image, &["--pids-limit=200"], &options)
    };
    // Two at a time: they are busy.
    for pair in cases.chunks(2) {
        let containers: Vec<_> = pair.iter().map(|command| (command, probed(command))).collect();
        for (command, container) in &containers {
            container.wait_for_log("serving");
            let failed = || status(container)["health"]["failing_streak"].as_u64() >= Some(30);
            until("thirty probes fail", container, failed);
            // Between two probes there are goward and the server, and never somebody who is not reaped.
            let mut zombies = Vec::new();
            until(&format!("{command}: all are gone"), container, || {
                let processes = container.processes();
                let dead: Vec<_> = processes.iter().filter(|p| p.state == "Z").map(|p| p.pid.clone()).collect();
                assert!(!dead.iter().any(|pid| zombies.contains(pid)), "{command}: zombies stay: {processes:?}");
                zombies = dead;
                assert!(processes.len() <= 2 + 15, "{command}: they pile up: {processes:?}");
                processes.len() == 2
            });
            let answer = container.exec(&[], &["/goward", "status"]);
            assert!(answer.code == Some(1) && answer.stdout.len() < 6000, "{command}: {answer:?}");
            let took = container.stop(GRACE);
            assert!(took < AT_ONCE, "{command}: {took:?}\n{}", container.logs());
            assert_eq!(container.exit_code(), 0, "{command}\n{}", container.logs());
        }
    }
}

#[test]
fn a_server_that_answers_nonsense_is_never_healthy() {
    let Some(_turn) = turn() else { return };
    let image = image(&["answers"]);
    let at = |path: &str| format!("http://localhost:8080/{path}");
    let probed = |path: &str, more: &[&str]| {
        let health = format!("--health={}", at(path));
        let options = [&health, "--health-interval=100ms", "--health-timeout=500ms", "--health-retries=3"];
        bare(&image, &[], &[&options[..], more, &["--", "/answers"]].concat())
    };
    let inits = [
        (probed("garbage", &[]), "not HTTP/1"),
        (probed("silent", &[]), "no answer within 500ms"),
        (probed("drip", &[]), "no answer within 500ms"),
        (probed("redirect", &["--health-status=200-299"]), "302 (redirects are not followed)"),
        (probed("redirect", &[]), "503 (redirected to /login): no logins"),
        (probed("endless", &["--health-body=all is well"]), "without 'all is well' in the body: still not ready"),
    ];
    let elsewhere = probed("away", &[]);
    let seen = probed("redirect", &["--health-status=200-399"]);
    for (container, said) in &inits {
        let healthy = || status(container)["health"]["status"].clone();
        until("it is unhealthy", container, || healthy() == "unhealthy");
        let last = status(container)["health"]["last"].clone();
        assert!(last.as_str().unwrap().contains(said), "{last}");
        let logs = container.logs();
        assert!(!logs.contains("the server is healthy"), "{logs}");
    }
    becomes(&elsewhere, "healthy");
    becomes(&seen, "healthy");

    // The same by goward probe, in one of them.
    let (server, _) = &inits[0];
    for (path, options, said) in [
        ("garbage", &[][..], "not HTTP/1"),
        ("half", &[], "200, but the connection was closed in the middle of the response"),
        ("head", &[], "the connection was closed in the middle of the response"),
        ("closed", &[], "the connection was closed without a response"),
        ("silent", &["--timeout=300ms"], "no answer within 300ms"),
        ("drip", &["--timeout=300ms"], "no answer within 300ms"),
        ("endless", &["--body=ready now"], "without 'ready now' in the body"),
        ("redirect", &["--status=200-299"], "302 (redirects are not followed)"),
        ("redirect", &[], "503 (redirected to /login): no logins"),
    ] {
        let answer = server.exec(&[], &[&["/goward", "probe"], options, &[&at(path)]].concat());
        assert_eq!(answer.code, Some(1), "{path}: {answer:?}");
        assert!(answer.stdout.is_empty() && answer.stderr.contains(said), "{path}: {answer:?}");
        assert!(answer.stderr.starts_with("unhealthy: http://localhost:8080/"), "{path}: {answer:?}");
    }
    let away = server.exec(&[], &["/goward", "probe", &at("away")]);
    let said = ": 302, which leads to https://sso.example.com/, and was not followed, after ";
    assert!(away.code == Some(0) && away.stdout.contains(said), "{away:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// gRPC as others speak it

#[test]
fn googles_own_grpc_health_service_is_understood() {
    let Some(mut peer) = Peer::start() else { return };
    peer.set("shop.v1.Orders", "SERVING");
    peer.set("shop.v1.Stock", "NOT_SERVING");
    let whole = format!("grpc://127.0.0.1:{}", peer.port);
    let probe = |service: &str| run(Command::new(GOWARD).args(["probe", &format!("{whole}{service}")]), LIMIT);
    for (service, code, said) in [
        ("", 0, "SERVING"),
        ("/", 0, "SERVING"),
        ("/shop.v1.Orders", 0, "SERVING"),
        ("/shop.v1.Stock", 1, "NOT_SERVING"),
        ("/shop.v1.Nobody", 1, "NOT_FOUND"),
    ] {
        let answer = probe(service);
        assert!(answer.code == Some(code) && answer.all().contains(said), "{service}: {answer:?}");
    }
    for (status, code) in [("NOT_SERVING", 1), ("SERVICE_UNKNOWN", 1), ("UNKNOWN", 1), ("SERVING", 0)] {
        peer.set("-", status);
        let answer = probe("");
        assert_eq!(answer.code, Some(code), "{status}: {answer:?}");
    }
}

/// Python's grpcio-health-checking on this machine's loopback. It ends when its input does.
struct Peer {
    process: Child,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: u16,
}

impl Peer {
    fn start() -> Option<Peer> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let library = run(Command::new(tests.join("tools.sh")).arg("grpc"), Duration::from_secs(180));
        if library.code != Some(0) {
            support::skipped(&format!("no grpcio-health-checking: {}", library.stderr));
            return None;
        }
        let mut process = Command::new("python3")
            .arg(tests.join("health/grpc_peer.py"))
            .env("PYTHONPATH", library.stdout.trim())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = answers.next().expect("it starts").unwrap().parse().unwrap();
        Some(Peer { process, answers, port })
    }

    fn set(&mut self, service: &str, status: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{service} {status}").unwrap();
        assert_eq!(self.answers.next().unwrap().unwrap(), "done");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Tools

#[test]
fn the_servers_of_these_tests_are_formatted_and_vetted() {
    if go_is_there() {
        vet(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/health"));
    }
}

/// docs/health.md knows every option of these groups, and of the two commands.
#[test]
fn the_page_names_every_option() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/health.md")).unwrap();
    let help = |words: &[&str]| done(Command::new(GOWARD).args(words));
    let run = help(&["--help"]);
    let groups =
        run.split("\n\n").filter(|group| ["Health:", "Restarts and hooks:"].iter().any(|name| group.starts_with(name)));
    let mut options = 0;
    for line in groups.chain([help(&["status", "--help"]).as_str()]).flat_map(str::lines) {
        let Some((_, name)) = line.split_once("--") else { continue };
        let indented = line.starts_with("  -") || line.starts_with("      --");
        let name: String = name.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        if indented && !matches!(name.as_str(), "help" | "quiet") {
            assert!(page.contains(&format!("--{name}")), "docs/health.md does not tell of --{name}");
            options += 1;
        }
    }
    assert!(options >= 20, "only {options} options were found in the help");
}

/// goward and these programs of tests/health.
fn image(programs: &[&str]) -> Image {
    let programs: Vec<(&str, PathBuf)> =
        programs.iter().map(|name| (*name, go_program("tests/health", name))).collect();
    let files: Vec<(&str, &Path)> = programs.iter().map(|(name, path)| (*name, path.as_path())).collect();
    Image::new(&files)
}

/// A container with nothing.
fn bare(image: &Image, docker: &[&str], args: &[&str]) -> Container {
    image.run(&[&BARE[..], docker].concat(), args)
}

/// `goward status --json`, whatever it says.
/// A time as Docker and goward write it, in milliseconds.
fn milliseconds(time: &str) -> i64 {
    let output = run(Command::new("date").args(["--date", time, "+%s%3N"]), LIMIT);
    output.stdout.trim().parse().unwrap_or_else(|_| panic!("{time}: {output:?}"))
}

fn status(container: &Container) -> Value {
    let answer: Output = container.exec(&[], &["/goward", "status", "--json", "--timeout=10s"]);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}\n{}", container.logs()))
}

/// Waits as a script would.
fn becomes(container: &Container, what: &str) {
    let waited = container.exec(&[], &["/goward", "status", "--wait", what, "--timeout=40s"]);
    assert_eq!(waited.code, Some(0), "not {what}: {waited:?}\n{}", container.logs());
}

/// By a request: after `docker kill`, with whatever signal, Docker starts no container again.
fn deadlock(stuck: &Container) {
    let request = stuck.exec(&[], &["/goward", "probe", "--timeout=200ms", "http://localhost:8080/transfer"]);
    assert_eq!(request.code, Some(1), "it was answered: {request:?}");
}

fn becomes_ill(container: &Container) {
    until("it is unhealthy", container, || status(container)["health"]["status"] == "unhealthy");
}

fn docker_says(container: &Container, wanted: &str) {
    until(&format!("docker inspect says {wanted}"), container, || {
        container.inspect("{{.State.Health.Status}}") == wanted
    });
}
