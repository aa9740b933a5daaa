//! The drop, seen from the server and from outside.

use crate::plan::{Plan, fixture, goward, root, scratch, status, word};
use crate::support::Scratch;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

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
fn groups_that_are_named() {
    if !root() {
        return;
    }
    let scratch = scratch();
    for (options, started, groups) in [
        ("--user app", "0,2000", vec![2000, 3456, 4567]),
        ("--user app --groups none", "0,2000", vec![]),
        ("--user app --groups logs,7", "0,2000", vec![7, 4567]),
        ("--user app --groups logs --groups 7", "none", vec![7, 4567]),
        ("--user app:77 --groups extra", "2000", vec![3456]),
        ("--user 65532:65532", "0,2000", vec![2000]),
        ("--user 65532:65532 --groups 0", "none", vec![0]),
    ] {
        let seen = report(&plan(&scratch, options).stage(&format!("--groups {started}")));
        assert_eq!(seen["groups"], Value::from(groups), "{options}, started with {started}");
    }
    let seen = report(&plan(&scratch, "--user app").env("GOWARD_GROUPS", "logs"));
    assert_eq!(seen["groups"], Value::from(vec![4567]));
    for (options, why) in [
        (
            "--user app --groups nobody",
            "--groups: there is no group 'nobody' in /etc/group; a number needs no entry: --groups 65532",
        ),
        ("--user app --groups none,7", "none stands alone"),
        ("--user app --groups -1", "--groups: '-1' is not an id"),
        ("--groups 7", "--groups is valid only with --user"),
    ] {
        plan(&scratch, options).fixture("exit 0").end().must(125, why);
    }
}

/// What it is, how it is made, and what is said of it.
type Odd<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);

/// What stands in the place of passwd and group must neither hold up the start nor fill the memory, and a number needs
/// neither.
#[test]
fn odd_files_in_the_place_of_passwd_and_group() {
    if !root() {
        return;
    }
    let sparse = |path: &Path, size: u64| File::create(path).unwrap().set_len(size).unwrap();
    let kinds: [Odd<'_>; 8] = [
        ("a pipe", &|path| mkfifo(path, Mode::from_bits_truncate(0o666)).unwrap(), "not a regular file"),
        (
            "a link to a pipe",
            &|path| {
                mkfifo(&path.with_extension("pipe"), Mode::from_bits_truncate(0o666)).unwrap();
                symlink(path.with_extension("pipe"), path).unwrap();
            },
            "not a regular file",
        ),
        ("a device without an end", &|path| symlink("/dev/zero", path).unwrap(), "not a regular file"),
        ("a terminal", &|path| symlink("/dev/tty", path).unwrap(), "not a regular file"),
        ("a directory", &|path| std::fs::create_dir(path).unwrap(), "not a regular file"),
        ("a loop of links", &|path| symlink(path, path).unwrap(), "Too many symbolic links"),
        ("10 GiB", &|path| sparse(path, 10 << 30), "larger than 1048576 bytes"),
        ("a byte too much", &|path| sparse(path, (1 << 20) + 1), "larger than 1048576 bytes"),
    ];
    for (what, make, why) in kinds {
        for (file, needs_it) in [("passwd", ["app", "app:77"]), ("group", ["app", "7:app"])] {
            let scratch = scratch();
            scratch.file("passwd", PASSWD, 0o644);
            scratch.file("group", GROUP, 0o644);
            let odd = scratch.path(file);
            std::fs::remove_file(&odd).unwrap();
            make(&odd);
            let run = |options: &str| {
                let etc = format!("--mount {}:/etc --groups 0,2000", word(&scratch.path(".")));
                Plan::new(options).stage(&etc).fixture("report").end()
            };
            for number in ["65532:65532", "1234:2345"] {
                let end = run(&format!("--user {number}"));
                end.must(0, &format!("/etc/{file}: "));
                assert!(end.err.contains(why), "{what}: {}", end.err);
            }
            // Where the groups are named, group(5) is not needed.
            let end = run("--user 65532:65532 --groups none");
            assert!(end.code == 0 && (file == "passwd" || !end.err.contains("/etc/")), "{what}: {end:?}");
            for name in needs_it {
                run(&format!("--user {name}")).must(125, &format!("/etc/{file}: "));
                run(&format!("--user {name}")).must(125, why);
            }
        }
    }
    // As large as may be; and not there at all, as in a scratch image.
    let scratch = scratch();
    let etc = format!("--mount {}:/etc", word(&scratch.path(".")));
    let filled = format!("{PASSWD}#{}", " ".repeat((1 << 20) - PASSWD.len() - 1));
    scratch.file("passwd", &filled, 0o644);
    let end = Plan::new("--user app:77").stage(&etc).fixture("report").end();
    assert!(end.code == 0 && end.out.contains("/home/app"), "{end:?}");
    std::fs::remove_file(scratch.path("passwd")).unwrap();
    let end = Plan::new("-q --user 65532:65532").stage(&etc).fixture("report").end();
    assert!(end.code == 0 && end.err.is_empty(), "{end:?}");
    // What only root may read, for who is not root.
    scratch.file("passwd", PASSWD, 0o600);
    let end = Plan::new("--user 65532:65532").stage(&etc).stage("--bounding 0 --uid 65532").fixture("report").end();
    end.must(0, "/etc/passwd: Permission denied");
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
    let end = Plan::new("--user 65532:65532").stage("--drop-cap 6 --groups 0").fixture("exit 0").end();
    end.must(125, "supplementary groups: goward is root, but without CAP_SETGID");
    let end = Plan::new("--user 65532:65532").stage("--drop-cap 6 --groups none").fixture("exit 0").end();
    end.must(125, "gid: goward is root, but without CAP_SETGID");
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

/// Root in a container may be without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
const WITHOUT_DAC: &str = "--drop-cap 1 --drop-cap 2";

#[test]
fn a_closed_directory_of_somebody_elses_is_handed_over() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let closed = |path: &str, mode: u32| {
        let path = scratch.path(path);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, Some(1234), Some(1234)).unwrap();
        path
    };
    let own = |path: &std::path::Path| {
        Plan::new("--user 65532:65532 --own").stage(WITHOUT_DAC).option(word(path)).fixture("exit 0").end()
    };
    let owner = |path: &std::path::Path| {
        let meta = std::fs::metadata(path).unwrap();
        (meta.uid(), meta.gid())
    };
    // Nothing can be read in it, nor searched, and it need not be.
    for mode in [0o700, 0o000] {
        let path = closed(&format!("closed-{mode}"), mode);
        assert_eq!(own(&path).code, 0);
        assert_eq!(owner(&path), (65532, 65532));
    }
    // What lies behind can be reached only through what can be searched.
    closed("passage", 0o711);
    let behind = closed("passage/behind", 0o700);
    assert_eq!(own(&behind).code, 0);
    assert_eq!(owner(&behind), (65532, 65532));
    closed("wall", 0o700);
    let behind = closed("wall/behind", 0o700);
    own(&behind).must(125, "Permission denied");
    own(&scratch.path("wall/made")).must(125, "Permission denied");
    assert_eq!(owner(&behind), (1234, 1234));
    // It is no directory.
    let file = scratch.file("file", "", 0o600);
    own(&file).must(125, "not a directory");
    assert_eq!(owner(&file), (0, 0));
    symlink(scratch.path("wall"), scratch.path("link")).unwrap();
    own(&scratch.path("link")).must(125, "symbolic link");
    assert_eq!(owner(&scratch.path("wall")), (1234, 1234));
    // A mount point on the way is as good as a directory.
    std::fs::create_dir(scratch.path("mount")).unwrap();
    let mounted = scratch.path("mount/data");
    let plan = Plan::new("--user 65532:65532 --own").stage(WITHOUT_DAC).option(word(&mounted));
    let plan = plan.setup(&format!("mount -t tmpfs none {}", word(&scratch.path("mount"))));
    let end = plan.shell(&format!("stat -c %u {}", word(&mounted))).end();
    assert_eq!((end.code, end.out.trim()), (0, "65532"), "{end:?}");
}

#[test]
fn stdio_of_somebody_elses_stays() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let fifo = scratch.path("fifo");
    let owner = |path: &std::path::Path| std::fs::metadata(path).unwrap().uid();
    let plan = || Plan::new("--user 65532:65532 --own-stdio").setup(&format!("exec 0<>{}", word(&fifo)));
    for (uid, why) in
        [(0, "stdin not handed over: a named pipe"), (1234, "stdin not handed over: it belongs to uid 1234")]
    {
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        chown(&fifo, Some(uid), None).unwrap();
        plan().fixture("exit 0").end().must(0, why);
        assert_eq!(owner(&fifo), uid);
        std::fs::remove_file(&fifo).unwrap();
    }
    // Nothing is said of what is the user's already, nor of what nobody would open.
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    chown(&fifo, Some(65532), None).unwrap();
    let end = plan().fixture("exit 0").end();
    assert!(end.code == 0 && !end.err.contains("--own-stdio"), "{end:?}");
    let end = Plan::new("--user 65532:65532 --own-stdio").setup("exec 0</dev/null").fixture("exit 0").end();
    assert!(end.code == 0 && !end.err.contains("--own-stdio"), "{end:?}");
    // The terminal of this container, and the device that is everybody's.
    let tty = "$FIXTURE report >/dev/null; stat -L -c owner-is-%u. /proc/self/fd/0 /dev/tty";
    let end = Plan::new("-q --user 65532:65532 --own-stdio").stage("--terminal").shell(tty).end();
    assert!(end.out.starts_with("owner-is-65532.") && end.out.contains("owner-is-0."), "{end:?}");
    let end =
        Plan::new("-q --user 65532:65532 --own-stdio").stage("--terminal").setup("exec 0</dev/tty").shell(tty).end();
    assert!(end.out.contains("stdin not handed over: a terminal of the machine"), "{end:?}");
    assert_eq!(owner(std::path::Path::new("/dev/tty")), 0);
}

/// What the server can do to PID 1, as the user that both are.
#[test]
fn pid_1_is_closed_to_the_server_but_with_own_stdio() {
    if !root() {
        return;
    }
    let script = "(: < /proc/1/mem) 2>/dev/null; echo mem-is-$?; (: > /proc/1/fd/1) 2>/dev/null; echo fd-is-$?
        $FIXTURE trace $PPID; echo trace-is-$?; (ls /proc/1/fd) >/dev/null 2>&1; echo list-is-$?";
    let seen = |options: &str| {
        let end = Plan::new(options).shell(script).end();
        assert_eq!(end.code, 0, "{end:?}");
        end.out
            .lines()
            .map(|line| line.split_once("-is-").unwrap())
            .map(|(what, code)| (what.to_owned(), code == "0"))
            .collect::<Vec<_>>()
    };
    let all = |may: bool| ["mem", "fd", "trace", "list"].map(|what| (what.to_owned(), may));
    assert_eq!(seen("--user 65532:65532"), all(false));
    assert_eq!(seen("--user 65532:65532 --own-stdio"), all(true));
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
    end.must(125, "--oom-score-adj -500: the score is ");
    end.must(125, ", and goward needs CAP_SYS_RESOURCE to lower it");
    // That of a user namespace is not enough.
    let stage = "--user-namespace allow:0_100000_65536:0_100000_65536 --uid 0";
    let end = Plan::new("--oom-score-adj -500").stage(stage).fixture("exit 0").end();
    end.must(125, ", and goward needs the host's CAP_SYS_RESOURCE, not that of a user namespace, to lower it");
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
