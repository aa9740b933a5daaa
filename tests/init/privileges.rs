//! The drop, seen from the server and from outside.

use crate::plan::{Plan, fixture, goward, root, scratch, status, word};
use crate::support::Scratch;
use serde_json::Value;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\napp:x:1234:2345:App:/home/app:/bin/sh\nhomeless:x:1235:2345:::\n";
const GROUP: &str = "root:x:0:\napp:x:2345:\nextra:x:3456:other,app\nlogs:x:4567:app\n";

/// With users and groups of the test's own.
fn plan(scratch: &Scratch, options: &str) -> Plan {
    let (passwd, group) = (scratch.file("passwd", PASSWD, 0o644), scratch.file("group", GROUP, 0o644));
    let mounts = format!("mount --bind {} /etc/passwd; mount --bind {} /etc/group", word(&passwd), word(&group));
    Plan::new(options).setup(&mounts)
}

fn report(plan: &Plan) -> Value {
    let end = plan.fixture("report").end();
    assert_eq!(end.code, 0, "{}", end.err);
    serde_json::from_str(&end.out).unwrap_or_else(|error| panic!("{error}: {}", end.out))
}

const NONE: &str = "0000000000000000";
const SETS: [&str; 5] = ["cap_effective", "cap_permitted", "cap_inheritable", "cap_bounding", "cap_ambient"];

#[test]
fn who_the_server_is() {
    if !root() {
        return;
    }
    let scratch = scratch();
    for (user, uid, gid, groups, name, home) in [
        ("app", 1234, 2345, vec![3456, 4567], "app", "/home/app"),
        ("1234", 1234, 2345, vec![3456, 4567], "app", "/home/app"),
        ("app:logs", 1234, 4567, vec![], "app", "/home/app"),
        ("app:77", 1234, 77, vec![], "app", "/home/app"),
        ("homeless", 1235, 2345, vec![], "homeless", "/"),
        ("65532:65532", 65532, 65532, vec![], "65532", "/"),
        ("4294967294:4294967294", 4_294_967_294_u32, 4_294_967_294_u32, vec![], "4294967294", "/"),
    ] {
        let seen = report(&plan(&scratch, &format!("--user {user}")).env("HOME", "/root").env("USER", "root"));
        assert_eq!(seen["uid"], Value::from(vec![uid; 3]), "{user}");
        assert_eq!(seen["gid"], Value::from(vec![gid; 3]), "{user}");
        assert_eq!(seen["groups"], Value::from(groups), "{user}");
        let env = |name: &str| seen["env"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!((env("HOME").as_str(), env("USER"), env("LOGNAME")), (home, name.to_owned(), name.to_owned()));
        for set in SETS {
            assert_eq!(seen[set], NONE, "{user}: {set}");
        }
        assert_eq!(seen["no_new_privs"], true, "{user}");
    }
    // Without --user nothing changes.
    let seen = report(&plan(&scratch, "").env("HOME", "/root"));
    assert_eq!((&seen["uid"], &seen["env"]["HOME"]), (&vec![0; 3].into(), &"/root".into()));
    assert_eq!(seen["no_new_privs"], false);
}

#[test]
fn goward_itself_drops_too() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let run = plan(&scratch, "--user app").fixture("stop-slowly 0");
    run.line("ready");
    let pid = run.pid();
    assert_eq!(status(pid, "Uid").split_whitespace().collect::<Vec<_>>(), ["1234"; 4]);
    assert_eq!(status(pid, "Gid").split_whitespace().collect::<Vec<_>>(), ["2345"; 4]);
    assert_eq!(status(pid, "Groups"), "3456 4567");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(pid, set), NONE, "{set}");
    }
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    run.stop();
    assert_eq!(run.end().code, 0);
}

#[test]
fn a_container_without_some_capabilities() {
    if !root() {
        return;
    }
    // No CAP_KILL: tini then never delivers a TERM.
    let run = Plan::new("--user 65532:65532").stage("--drop-cap 5").fixture("stop-slowly 0 3");
    run.line("ready");
    run.stop();
    assert_eq!(run.end().code, 3);
    // No CAP_SETPCAP: the bounding set stays, which is said; the rest holds.
    let run = Plan::new("--user 65532:65532").stage("--drop-cap 8").fixture("report");
    let end = run.end();
    end.must(0, "without CAP_SETPCAP");
    // No CAP_SETUID: it must not run as root instead.
    let end = Plan::new("--user 65532:65532").stage("--drop-cap 7").fixture("exit 0").end();
    end.must(125, "uid");
    let end = Plan::new("--user 65532:65532").stage("--drop-cap 6").fixture("exit 0").end();
    end.must(125, "groups");
}

#[test]
fn a_set_uid_program_gains_nothing() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let program = scratch.path("suid");
    std::fs::copy(fixture(), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let seen = |options: &str| {
        let end = Plan::new(options).run(&[word(&program), "report"]).end();
        let report: Value = serde_json::from_str(&end.out).unwrap_or_else(|e| panic!("{e}: {}", end.err));
        report["uid"].clone()
    };
    assert_eq!(seen("--user 65532:65532"), Value::from(vec![65532; 3]));
    // With new privileges allowed it does, or the place is mounted nosuid.
    let allowed = seen("--user 65532:65532 --allow-new-privs");
    assert!(allowed == Value::from(vec![65532, 0, 0]) || allowed == Value::from(vec![65532; 3]), "{allowed}");
}

/// A server, run by the next test: the fixture opens no ports.
#[test]
#[ignore = "a server for another test"]
fn binds_port_80() {
    match std::net::TcpListener::bind("0.0.0.0:80") {
        Ok(_) => println!("bound"),
        Err(error) => println!("refused: {error}"),
    }
}

#[test]
fn port_80_with_the_one_capability_for_it() {
    if !root() || !crate::support::requires("unshare") {
        return;
    }
    let scratch = scratch();
    let server = scratch.path("server");
    std::fs::copy(std::env::current_exe().unwrap(), &server).unwrap();
    let bind = |options: &str| {
        // A network of its own: port 80 of this machine is not ours.
        let mut words = vec!["/usr/bin/unshare", "-n", "--", goward()];
        words.extend(options.split_whitespace());
        words.extend([word(&server), "--ignored", "--exact", "--nocapture", "privileges::binds_port_80"]);
        Plan::new("").start(&words).end().out
    };
    assert!(bind("--user 65532:65532 --keep-cap net_bind_service").contains("bound"));
    assert!(bind("--user 65532:65532").contains("refused: Permission denied"));
    let seen = report(&Plan::new("--user 65532:65532 --keep-cap CAP_NET_BIND_SERVICE"));
    for set in SETS {
        assert_eq!(seen[set], "0000000000000400", "{set}");
    }
    assert_eq!(seen["no_new_privs"], true);
    // A capability that the container does not have.
    let end =
        Plan::new("--user 65532:65532 --keep-cap net_bind_service").stage("--drop-cap 10").fixture("exit 0").end();
    end.must(125, "net_bind_service");
}

#[test]
fn directories_of_its_own() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let (made, there, link) = (scratch.path("a/b"), scratch.path("there"), scratch.path("link"));
    std::fs::create_dir(&there).unwrap();
    chown(&there, Some(0), Some(0)).unwrap();
    symlink(&there, &link).unwrap();
    let own = |path: &std::path::Path| Plan::new("--user 65532:65532 --own").option(word(path)).fixture("exit 0").end();
    assert_eq!(own(&made).code, 0);
    let meta = std::fs::metadata(&made).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (65532, 65532));
    // A link is not followed: whoever can write to a volume must not choose what root hands over.
    own(&link).must(125, "symbolic link");
    own(&link.join("c")).must(125, "symbolic link");
    assert_eq!(std::fs::metadata(&there).unwrap().uid(), 0);
    own(&scratch.path("there/../there")).must(125, "..");
    assert_eq!(own(&there).code, 0);
    assert_eq!(std::fs::metadata(&there).unwrap().uid(), 65532);
}

#[test]
fn stdio_of_its_own() {
    if !root() {
        return;
    }
    let script = "echo direct > /dev/stdout && echo direct > /dev/stderr";
    let end = Plan::new("--user 65532:65532").shell(script).end();
    assert!(end.code != 0 && !end.out.contains("direct"), "the pipe is root's: {end:?}");
    let end = Plan::new("--user 65532:65532 --own-stdio").shell(script).end();
    assert_eq!(end.code, 0, "{}", end.err);
    assert!(end.out.contains("direct") && end.err.contains("direct"));
}

#[test]
fn limits_and_the_oom_score() {
    if !root() {
        return;
    }
    let seen = report(&Plan::new("--rlimit nofile=100:200 --oom-score-adj 500 --user 65532:65532"));
    assert_eq!(seen["nofile"], Value::from(vec![100, 200]));
    assert_eq!(seen["oom_score_adj"], 500);
    assert_eq!(report(&Plan::new("--rlimit nofile=150"))["nofile"], Value::from(vec![150, 150]));
    // Up to the hard limit, whatever that is.
    let bare = report(&Plan::new(""))["nofile"][1].clone();
    let most = report(&Plan::new("--rlimit nofile=max"))["nofile"].clone();
    assert_eq!(most, Value::from(vec![bare.clone(), bare]));
    let end = Plan::new("--rlimit nofile=1000000:1000000").stage("--uid 65532").fixture("exit 0").end();
    end.must(125, "--rlimit nofile: only root may raise the hard limit");
    let end = Plan::new("--oom-score-adj -500").stage("--uid 65532").fixture("exit 0").end();
    end.must(125, "--oom-score-adj -500");
}

#[test]
fn who_it_already_is() {
    if !root() {
        return;
    }
    // Nothing to do, no warning, no entry in passwd needed; also for an arbitrary uid.
    for (uid, options) in [
        (65532, "--user 65532:65532 -v"),
        (65532, "--require-non-root -v"),
        (1_000_650_000, "-v"),
        (1_000_650_000, "--user 1000650000:1000650000 -v"),
    ] {
        let run = Plan::new(options).stage(&format!("--uid {uid}")).fixture("stop-slowly 0 3");
        run.line("ready");
        assert_eq!(status(run.server(), "Uid").split_whitespace().next(), Some(uid.to_string().as_str()));
        run.stop();
        let end = run.end();
        assert!(end.code == 3 && !end.err.contains("WARN goward: the server runs"), "{options}: {}", end.err);
    }
    let end = Plan::new("--user 65531:65531").stage("--uid 65532").fixture("exit 0").end();
    end.must(125, "goward runs as uid 65532, and only root can become another user");
}

#[test]
fn root_is_warned_of_or_refused() {
    if !root() {
        return;
    }
    let end = Plan::new("").fixture("exit 0").end();
    assert!(end.code == 0 && end.err.matches("WARN").count() == 1 && end.err.contains("runs as root"), "{}", end.err);
    Plan::new("--require-non-root")
        .fixture("exit 0")
        .end()
        .must(125, "--require-non-root: the server would run as root");
    Plan::new("--require-non-root --user 0:0").fixture("exit 0").end().must(125, "--require-non-root");
    assert_eq!(Plan::new("--require-non-root --user 65532:65532").fixture("exit 0").end().code, 0);
}
