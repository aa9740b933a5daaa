//! What the server inherits, and what reaches it.

use crate::plan::{Plan, Run, children, fixture, goward, root, scratch, state, status, wait_until, word};
use crate::support::{Ending, LIMIT, Running, Stage, happens_within, requires, send, signal};
use serde_json::Value;
use std::time::{Duration, Instant};

fn report(plan: &Plan) -> Value {
    let end = plan.fixture("report").end();
    assert_eq!(end.code, 0, "{}", end.err);
    serde_json::from_str(&end.out).unwrap_or_else(|error| panic!("{error}: {}", end.out))
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn mask_and_dispositions_are_inherited_to_the_bit() {
    if !root() {
        return;
    }
    let everything: Vec<_> = (1..=64).filter(|n| ![9, 19].contains(n)).map(|n: i32| n.to_string()).collect();
    let everything = everything.join(",");
    let mut complaints = Vec::new();
    for (blocked, ignored) in [
        ("", ""),
        ("QUIT", "PIPE"),
        ("TSTP,TTIN,TTOU,CHLD", "HUP,INT,CHLD"),
        ("TERM,RTMIN+3,64", "RTMIN+1,33,URG"),
        ("32,33,34", "SEGV,TTOU"),
        (everything.as_str(), ""),
        ("", everything.as_str()),
        (everything.as_str(), everything.as_str()),
    ] {
        let mut options = String::new();
        for (option, signals) in [("--block", blocked), ("--ignore", ignored)] {
            if !signals.is_empty() {
                options.push_str(&format!("{option} {signals} "));
            }
        }
        let mut differs = |what: &str, wanted: &Value, seen: &Value| {
            if names(wanted) != names(seen) {
                complaints.push(format!("{what} with {options}: {wanted} became {seen}\n"));
            }
        };
        // What the fixture sees without goward is what it must see with it.
        let words: Vec<_> = options.split_whitespace().collect();
        let bare = Stage::new(fixture()).args(["report"]).option(&words).run();
        let bare: Value = serde_json::from_str(&bare.stdout).unwrap();
        let ours = report(&Plan::new("").stage(&options));
        for key in ["blocked", "ignored"] {
            differs(key, &bare[key], &ours[key]);
        }
        // LISTEN_PID changes the way the server is started, not what it gets.
        let ours = report(&Plan::new("").stage(&options).env("LISTEN_PID", "1"));
        for key in ["blocked", "ignored"] {
            differs(&format!("{key}, by fork,"), &bare[key], &ours[key]);
        }
        let clean = report(&Plan::new("--reset-signals").stage(&options));
        for key in ["blocked", "ignored"] {
            differs(&format!("reset: {key}"), &Value::Array(Vec::new()), &clean[key]);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.concat());
}

#[test]
fn other_things_the_server_inherits() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let run = |plan: Plan| {
        let run = plan
            .setup(&format!("cd {}; exec 7</etc/passwd", word(&scratch.path("."))))
            .shell("\"$FIXTURE\" report; echo; echo end; while :; do sleep 0.05; done");
        run.line("end");
        run
    };
    let run = run(Plan::new("").env("LISTEN_PID", "1").env("LISTEN_FDS", "1"));
    let seen: Value = serde_json::from_str(run.running.stdout().lines().next().unwrap()).unwrap();
    // The server keeps its directory and its descriptors; goward lets go of them.
    assert_eq!(seen["fds"]["7"], "/etc/passwd");
    assert!(seen["cwd"].as_str().unwrap().starts_with(word(&scratch.path("")).trim_end_matches('/')), "{seen}");
    let goward = format!("/proc/{}", run.pid());
    assert_eq!(std::fs::read_link(format!("{goward}/cwd")).unwrap().to_str(), Some("/"));
    let open: Vec<_> = std::fs::read_dir(format!("{goward}/fd")).unwrap().flatten().collect();
    for entry in open {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        assert!(!target.ends_with("passwd"), "goward holds {target:?}");
    }
    // In a group of its own, with its own pid where systemd's protocol wants it.
    assert_eq!(seen["env"]["LISTEN_PID"], seen["ppid"].to_string(), "the shell is the server: {seen}");
    assert_eq!(seen["pgid"], seen["ppid"]);
    assert_eq!(seen["subreaper"], false);
    run.stop();
    assert_eq!(run.end().code, 143);
    // LISTEN_PID of somebody else is left as it is.
    assert_eq!(report(&Plan::new("").env("LISTEN_PID", "77"))["env"]["LISTEN_PID"], "77");
    assert_eq!(report(&Plan::new(""))["env"].as_object().unwrap().keys().collect::<Vec<_>>(), ["FIXTURE", "PATH"]);
}

/// Those that reach a server.
fn forwardable() -> impl Iterator<Item = i32> {
    (1..=64).filter(|n| ![9, 17, 19, 23, 32, 33, 34].contains(n))
}

fn shown(number: i32) -> String {
    const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP \
        TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
    let name = NAMES.split_whitespace().nth(number as usize - 1).map(str::to_owned);
    name.unwrap_or_else(|| if number < 34 { number.to_string() } else { format!("RTMIN+{}", number - 34) })
}

#[test]
fn every_signal_that_can_be_forwarded_is() {
    if !root() {
        return;
    }
    // INT and TERM would start a stop; they come last.
    let run = Plan::new("-v --stop-on USR1").fixture("echo-signals");
    run.line("ready");
    let order = forwardable().filter(|n| ![2, 10, 15].contains(n)).chain([2, 10, 15]);
    for number in order {
        run.signal(number);
        let line = run.line(&format!("{} from", shown(number)));
        assert!(line.starts_with(&shown(number)) && line.ends_with("from pid 1"), "{line}");
    }
    let end = run.end();
    assert_eq!(end.code, 0);
    // Who sent it is in the log: somebody outside.
    assert!(end.err.contains("SIGUSR2") && end.err.contains("outside the container, uid 0"), "{}", end.err);
    assert!(end.err.contains("SIGRTMIN+3"), "{}", end.err);
}

#[test]
fn some_are_gowards_own() {
    if !root() {
        return;
    }
    let run = Plan::new("").fixture("echo-signals");
    run.line("ready");
    for number in [17, 23, 32, 33, 34, 18] {
        run.signal(number);
    }
    run.line("CONT from");
    run.stop();
    let end = run.end();
    assert_eq!(end.code, 0);
    let heard: Vec<_> = end.out.lines().skip(1).collect();
    assert_eq!(heard, ["CONT from pid 1", "TERM from pid 1"]);
}

#[test]
fn signals_are_renamed_and_dropped() {
    if !root() {
        return;
    }
    let run =
        Plan::new("--rewrite RTMIN+3:TERM,HUP:0 --rewrite USR1:64,WINCH:URG,RTMAX:HUP -v").fixture("echo-signals");
    run.line("ready");
    for (sent, heard) in [("HUP", None), ("USR1", Some("RTMIN+30")), ("WINCH", Some("URG")), ("64", Some("HUP"))] {
        run.signal(signal(sent));
        heard.map(|heard| run.line(&format!("{heard} from pid 1")));
    }
    // systemd's way to stop a container; the deadline begins with it.
    let from = Instant::now();
    run.signal(signal("RTMIN+3"));
    let end = run.end();
    assert!(end.since(from) < Duration::from_secs(2));
    assert!(end.err.contains("goward: stopped: exit ") && end.err.contains("SIGRTMIN+3"), "{}", end.err);
    let heard: Vec<_> = end.out.lines().skip(1).collect();
    assert_eq!(heard, ["RTMIN+30 from pid 1", "URG from pid 1", "HUP from pid 1", "TERM from pid 1"]);
}

#[test]
fn a_renamed_stop_signal_still_has_a_deadline() {
    if !root() {
        return;
    }
    let run = Plan::new("--rewrite TERM:USR1 --stop-timeout 2s").fixture("ignore-all");
    run.line("ready");
    let from = run.stop();
    let end = run.end();
    assert_eq!(end.code, 137);
    assert!(end.since(from) < Duration::from_secs(2), "{:?}", end.since(from));
}

#[test]
fn the_server_alone_or_its_group() {
    if !root() {
        return;
    }
    // The trap of a child that the server waits for, and one in a group of its own.
    let script = "trap 'echo main' USR1; sh -c 'trap \"echo member\" USR1; echo ready; while :; do sleep 0.02; done' & \
        while :; do wait; done";
    let run = Plan::new("").shell(script);
    run.line("ready");
    run.signal(libc::SIGUSR1);
    run.line("main");
    assert!(!happens_within(Duration::from_millis(100), || run.running.stdout().contains("member")));
    drop(run);
    let run = Plan::new("-g").shell(script);
    run.line("ready");
    run.signal(libc::SIGUSR1);
    run.line("main");
    run.line("member");
}

/// With -g too a server hears of signals that has gone to the group of a process that has ended meanwhile.
#[test]
fn a_server_that_has_left_its_group_is_reached() {
    if !(root() && requires("python3")) {
        return;
    }
    let server = "import os, signal, sys, time\n\
        signal.signal(signal.SIGTERM, lambda *_: os._exit(5))\n\
        child = os.fork()\n\
        if child == 0: time.sleep(60)\n\
        os.setpgid(child, child); os.setpgid(0, child); os.kill(child, 9); os.wait()\n\
        print('ready', flush=True)\n\
        while True: time.sleep(1)\n";
    for options in ["", "-g"] {
        let run = Plan::new(options).run(&["/usr/bin/env", "python3", "-c", server]);
        run.line("ready");
        run.stop();
        assert_eq!(run.end().code, 5, "{options}");
    }
}

#[test]
fn the_sender_is_known() {
    if !root() {
        return;
    }
    // From inside: the server itself, by name.
    let run = Plan::new("-v").shell("trap 'echo got' USR2; kill -USR2 1; while :; do sleep 0.02; done");
    run.line("got");
    let line = run.log("SIGUSR2 from=");
    assert!(line.contains("(sh), uid 0"), "{line}");
    run.stop();
    let line = run.log("stop requested: ");
    assert!(line.contains("outside the container") && line.contains("within=\"10s\""), "{line}");
}

/// An init whose server ends with a TERM, wherever that meets it.
fn early(init: &str, arguments: &[&str]) -> Stage {
    Stage::new(init).args(arguments).args([fixture(), "stop-slowly", "0"])
}

/// Whether the TERM was lost that has been sent.
fn is_lost(running: &Running) -> bool {
    if !running.ends_within(Duration::from_millis(500)) {
        return true;
    }
    assert!(matches!(running.ending(), Some(Ending::Exited(0 | 143))), "{:?}", running.ending());
    false
}

fn tries(few: u64) -> u64 {
    if std::env::var_os("GOWARD_SOAK").is_some() { 1000 } else { few }
}

#[test]
fn a_stop_is_never_lost_from_the_first_instruction_on() {
    if !root() {
        return;
    }
    let tries = tries(100);
    for n in 0..tries {
        let running = early(goward(), &["-vv"]).start();
        // goward blocks everything before it does anything else. What comes before that, the kernel drops for any PID 1.
        let pid = running.pid();
        // (While it waits for signals none shows as blocked.)
        let begun = || status(pid, "SigBlk") != "0000000000000000" || !children(pid).is_empty();
        wait_until("it blocks signals", || begun().then_some(()));
        let (from, delay) = (Instant::now(), Duration::from_micros(2000 * n / tries));
        while from.elapsed() < delay {
            std::hint::spin_loop();
        }
        send(pid, libc::SIGTERM);
        assert!(!is_lost(&running), "lost after {delay:?}:\n{}", running.stderr());
    }
}

#[test]
fn a_stop_in_the_first_two_milliseconds_compared_with_catatonit() {
    if !root() || !crate::support::requires("catatonit") {
        return;
    }
    let tries = tries(50);
    crate::support::loses_no_more((tries / 10) as usize, || {
        let (mut ours, mut theirs) = (0, 0);
        for n in 0..tries {
            let at = format!("TERM:{}", 2000 * n / tries);
            let start = |stage: Stage| stage.option(&["--signal-after", &at]).start();
            let pair = [start(early(goward(), &[])), start(early("/usr/bin/catatonit", &["--"]))];
            ours += usize::from(is_lost(&pair[0]));
            theirs += usize::from(is_lost(&pair[1]));
        }
        println!("TERM within 2 ms of the exec, lost of {tries}: goward {ours}, catatonit {theirs}");
        Some([theirs, ours])
    });
}

#[test]
fn a_flood_of_signals() {
    if !root() {
        return;
    }
    let run = Plan::new("").fixture("echo-signals");
    run.line("ready");
    let (usr1, queued) = (libc::SIGUSR1, signal("RTMIN+5"));
    let from = Instant::now();
    for n in 0..50_000 {
        send(run.pid(), usr1);
        send(run.pid(), if n % 2 == 0 { queued } else { libc::SIGHUP });
    }
    let took = from.elapsed();
    // Real-time signals queue, as far as RLIMIT_SIGPENDING goes: none of them is lost on the way. They come last.
    let queued = || run.running.stdout().lines().filter(|line| line.starts_with("RTMIN+5")).count();
    let all = happens_within(LIMIT, || {
        std::thread::sleep(Duration::from_millis(20));
        queued() == 25_000
    });
    assert!(all, "{} of 25,000 real-time signals came through", queued());
    // It is still all there: one more of another kind comes through, and a stop is a stop.
    run.signal(libc::SIGUSR2);
    let since = Instant::now();
    run.line("USR2 from");
    println!("100,000 signals sent in {took:?}, the next came through in {:?}", since.elapsed());
    assert_eq!(run.children().len(), 1);
    let from = run.stop();
    let end = run.end();
    assert_eq!(end.code, 0);
    assert!(end.since(from) < Duration::from_secs(2), "{:?}", end.since(from));
    for name in ["USR1", "HUP", "RTMIN+5"] {
        assert!(end.out.lines().any(|line| line == format!("{name} from pid 1")), "{name}");
    }
    assert!(!end.err.contains("refused") && !end.err.contains("fail"), "{}", end.err);
}

#[test]
fn a_stopped_server_is_continued_when_it_must_stop() {
    if !root() {
        return;
    }
    let stop = |run: &Run| {
        let server = run.server();
        send(server, libc::SIGSTOP);
        wait_until("it is stopped", || (state(server)? == 'T').then_some(()));
    };
    for plan in [Plan::new(""), Plan::new("").child()] {
        let run = plan.fixture("stop-slowly 0 5");
        run.line("ready");
        stop(&run);
        let from = run.stop();
        let end = run.end();
        end.must(5, "sending SIGCONT, so that it can stop");
        assert!(end.since(from) < Duration::from_secs(2), "{:?}", end.since(from));
        // Stopped only after it was asked; that may be over too soon to be seen.
        let run = plan.fixture("stop-slowly 300 6");
        run.line("ready");
        run.stop();
        run.line("stopping");
        send(run.server(), libc::SIGSTOP);
        assert_eq!(run.end().code, 6);
    }
    // As long as nobody asks for a stop, a stopped server is left as it is.
    let run = Plan::new("").fixture("stop-slowly 0");
    run.line("ready");
    stop(&run);
    run.signal(libc::SIGUSR1);
    assert!(!happens_within(Duration::from_millis(200), || state(run.server()) != Some('T')));
    run.signal(libc::SIGCONT);
    wait_until("it goes on", || (state(run.server())? != 'T').then_some(()));
}

#[test]
fn the_death_of_the_parent_is_news_where_that_was_asked_for() {
    if !root() {
        return;
    }
    let script = "\"$1\" -p USR2 -- \"$FIXTURE\" echo-signals & sleep 1000";
    let run = Plan::new("").child().start(&["/bin/sh", "-c", script, "sh", goward()]);
    run.line("ready");
    run.signal(libc::SIGKILL);
    let heard = happens_within(Duration::from_secs(5), || run.running.stdout().contains("USR2 from"));
    assert!(heard, "{}", run.running.stderr());
}
