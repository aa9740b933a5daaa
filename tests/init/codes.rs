//! Exit codes, and the one sentence that comes with each of goward's own.

use crate::plan::{Plan, goward, root, scratch, word};
use crate::support::skipped;

fn ends(options: &str, fixture: &str, code: i32) {
    let end = Plan::new(options).fixture(fixture).end();
    assert_eq!(end.code, code, "{options} -- {fixture}: {}", end.err);
}

#[test]
fn the_servers_own_code_is_gowards() {
    if !root() {
        return;
    }
    for code in [0, 1, 2, 7, 125, 126, 127, 143, 255] {
        ends("", &format!("exit {code}"), code);
    }
    // As an ordinary process too.
    assert_eq!(Plan::new("").child().fixture("exit 9").end().code, 9);
}

#[test]
fn a_signal_is_128_and_its_number() {
    if !root() {
        return;
    }
    for (name, number) in
        [("TERM", 15), ("KILL", 9), ("SEGV", 11), ("ABRT", 6), ("HUP", 1), ("RTMIN+3", 37), ("64", 64)]
    {
        ends("", &format!("die {name}"), 128 + number);
    }
    // Of these the server was not asked through goward.
    Plan::new("").fixture("die KILL").end().must(137, "ended by SIGKILL: exit 137");
}

#[test]
fn codes_that_count_as_success() {
    if !root() {
        return;
    }
    ends("-e 143", "die TERM", 0);
    ends("-e 1,2", "exit 2", 0);
    ends("--success-exit=3", "exit 3", 0);
    ends("-e 143", "exit 4", 4);
    ends("-e 0", "exit 0", 0);
    // A kill at the deadline may be meant too.
    let run = Plan::new("-e 137 --stop-timeout 400ms").fixture("ignore-all");
    run.line("ready");
    run.stop();
    assert_eq!(run.end().code, 0);
}

#[test]
fn what_cannot_be_started_is_explained() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let file = |name: &str, content: &str, mode| word(&scratch.file(name, content, mode)).to_owned();
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let text = file("text", "hello\n", 0o755);
    let empty = file("empty", "", 0o755);
    let crlf = file("crlf", "#!/bin/sh\r\nexit 0\r\n", 0o755);
    let lost = file("lost", "#!/no/such/interpreter\n", 0o755);
    let link = word(&scratch.path("link")).to_owned();
    std::os::unix::fs::symlink("/no/such/target", &link).unwrap();
    for (program, code, sentence) in [
        ("/no/such/program", 127, "/no/such/program: no such file"),
        ("no-such-program", 127, "not found in PATH"),
        ("/tmp", 126, "a directory, not a program"),
        ("/etc/passwd/x", 126, "is a file, not a directory"),
        (&plain, 126, "not executable (mode 0644)"),
        (&text, 126, "text"),
        (&empty, 126, "empty"),
        (&crlf, 127, "Windows line ends"),
        (&lost, 127, "/no/such/interpreter"),
        (&link, 127, "a symbolic link to /no/such/target, which does not exist"),
        ("", 127, "name is empty"),
        ("sh -c 'exit 3'", 127, "a program and its arguments are separate words"),
        ("/bin/sh -c true", 127, "/bin/sh -c true: no such file: a program and its arguments are separate words"),
    ] {
        let end = Plan::new("").run(&[program]).end();
        end.must(code, sentence);
        assert_eq!(end.err.lines().count(), 1, "one sentence: {}", end.err);
    }
    // Near miss: a name may have a blank in it.
    let end = Plan::new("").run(&["/no such/program"]).end();
    assert!(end.err.contains("/no such/program: no such file\n"), "{}", end.err);
}

/// Whatever the path looks like, the directory is named, and not the file that nobody can see in it.
#[test]
fn a_directory_that_the_user_may_not_enter_is_named() {
    if !root() {
        return;
    }
    let scratch = scratch();
    let shut = scratch.path("shut");
    std::fs::create_dir(&shut).unwrap();
    std::fs::copy("/bin/true", shut.join("server")).unwrap();
    std::fs::set_permissions(&shut, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let shut = word(&shut);
    let told = format!("uid 65532 may not enter {shut}");
    let plan = Plan::new("--user 65532:65532");
    plan.run(&[&format!("{shut}/server")]).end().must(126, &told);
    let there = Plan::new("--user 65532:65532").setup(&format!("cd {shut}"));
    there.run(&["./server"]).end().must(126, &told);
    let in_path = Plan::new("--user 65532:65532").env("PATH", &format!("{shut}:/usr/bin:/bin"));
    in_path.run(&["server"]).end().must(126, &told);
    let below = Plan::new("--user 65532:65532").env("PATH", &format!("{shut}/bin:{shut}/sbin:/usr/bin"));
    below.run(&["server"]).end().must(126, &format!("{told}\n"));
    // Near misses: what is found elsewhere, and root, who may.
    assert_eq!(in_path.run(&["true"]).end().code, 0);
    assert_eq!(Plan::new("").setup(&format!("cd {shut}")).run(&["./server"]).end().code, 0);
}

#[test]
fn a_command_before_that_cannot_be_started_is_named() {
    if !root() {
        return;
    }
    Plan::new("--before nosuch").run(&["true"]).end().must(127, "goward: --before: nosuch: not found in PATH");
    Plan::new("--before true").run(&["nosuch"]).end().must(127, "goward: nosuch: not found in PATH");
}

#[test]
fn what_cannot_be_started_after_a_fork_is_explained_too() {
    if !root() {
        return;
    }
    // LISTEN_PID needs the child's own pid, so there is a fork.
    let plan = Plan::new("").env("LISTEN_PID", "1");
    plan.run(&["/no/such/program"]).end().must(127, "/no/such/program: no such file");
    plan.run(&["/tmp"]).end().must(126, "a directory, not a program");
    assert_eq!(plan.fixture("exit 6").end().code, 6);
}

#[test]
fn a_program_that_no_loader_can_start() {
    if !root() {
        return;
    }
    // A dynamic binary whose loader is not there is the classic of scratch images.
    let scratch = scratch();
    let mut bytes = std::fs::read("/bin/true").unwrap();
    let loader = b"/lib64/ld-linux-x86-64.so.2";
    let Some(place) = bytes.windows(loader.len()).position(|window| window == loader) else {
        skipped("/bin/true has another loader");
        return;
    };
    bytes[place..place + loader.len()].copy_from_slice(b"/lib64/ld-linux-x86-64.no.2");
    let path = scratch.path("server");
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let end = Plan::new("").run(&[word(&path)]).end();
    end.must(127, "/lib64/ld-linux-x86-64.no.2");
    assert!(end.err.contains("CGO_ENABLED=0") || end.err.contains("static"), "what would help: {}", end.err);
}

#[test]
fn no_program_and_no_such_option() {
    if !root() {
        return;
    }
    Plan::new("").run(&[]).end().must(125, "no program was given: goward [OPTIONS] [--] PROGRAM");
    Plan::new("-g").run(&[]).end().must(125, "no program was given");
    Plan::new("--stop-timout 5").fixture("exit 0").end().must(125, "did you mean --stop-timeout?");
    Plan::new("--nonsense").fixture("exit 0").end().must(125, "there is no option --nonsense");
    Plan::new("-z").fixture("exit 0").end().must(125, "there is no option -z");
    Plan::new("--stop-timeout").run(&[]).end().must(125, "--stop-timeout");
}

/// Every option that takes a value, with values that are wrong, and a part of the sentence that says what would be right.
const WRONG: &[(&str, &str, &[&str])] = &[
    ("stop-timeout", "500ms", &["", "soon", "-1", "1e3", "10x"]),
    ("stop-timeout", "more than a year", &["99999999999999", "9999999999s", "8785h"]),
    ("drain", "500ms", &["", "later", "-1s"]),
    ("dump-lead", "500ms", &["", "x"]),
    ("stop-on", "TERM", &["", "TERMM", "0", "65", "-3", "RTMIN+99"]),
    ("stop-signal", "TERM", &["", "NOPE", "0", "65"]),
    ("parent-death", "TERM", &["", "DEATH", "99"]),
    ("dump", "raw", &["", "on", "summary!", "RAW "]),
    ("success-exit", "0 to 255", &["", "256", "-1", "+1", "abc", "1.5"]),
    ("rewrite", "TERM", &["", "TERM", "TERM:", ":INT", "FOO:INT", "TERM:BAR"]),
    ("rewrite", "never reaches", &["CHLD:TERM", "KILL:TERM", "33:TERM"]),
    ("user", "GROUP", &["", ":", "nobody:", ":0"]),
    ("user", "65532", &["no-such-user", "nobody:no-such-group"]),
    ("user", "must be named: --user 3999999999:3999999999", &["3999999999"]),
    (
        "user",
        "0 to 4294967294",
        &["4294967295:1", "4294967296:1", "1:4294967296", "-1:0", "+1:1", "1x:1", "18446744073709551616:0"],
    ),
    ("keep-cap", "net_bind_service", &["", "net_bind", "cap_", "40"]),
    ("rlimit", "nofile", &["", "nofile", "nofile=", "nofile=x", "files=3", "nofile=9:3", "nofile=-2"]),
    ("oom-score-adj", "-1000 to 1000", &["", "1001", "-1001", "+5", "x"]),
    ("log-format", "text or json", &["", "xml", "JSON!"]),
];

#[test]
fn every_wrong_value_is_refused_with_what_would_be_right() {
    // Without a namespace: nothing is started.
    let mut complaints = Vec::new();
    for (name, right, values) in WRONG {
        for value in *values {
            let option = format!("--{name}={value}");
            let mut goward = std::process::Command::new(goward());
            if *name != "user" {
                goward.arg("--user=65532:65532");
            }
            let output = goward.args([&option, "/bin/true"]).output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            let good = output.status.code() == Some(125)
                && text.starts_with("goward: ")
                && text.contains(&format!("--{name}"))
                && text.contains(right)
                && text.lines().count() == 1;
            if !good {
                complaints.push(format!("{option} ({}, wanted {right:?}): {text}", output.status));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.concat());
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    for (options, sentence) in [
        ("--drain 9s", "leaves the server no time to stop"),
        ("--stop-timeout 1s --dump-lead 2s", "must be shorter than --stop-timeout"),
        ("--dump-lead 100ms", "leaves the dump no time"),
        ("--own /tmp/x", "--own is valid only with --user"),
        ("--own-stdio", "--own-stdio is valid only with --user"),
        ("--keep-cap net_bind_service", "--keep-cap is valid only with --user"),
        ("--allow-new-privs", "--allow-new-privs is valid only with --user"),
        ("--stop-on CHLD", "SIGCHLD never reaches goward"),
    ] {
        let words: Vec<_> = options.split(' ').chain(["/bin/true"]).collect();
        let output = std::process::Command::new(goward()).args(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(125) && text.contains(sentence), "{options}: {text}");
    }
}

/// The same path would name another file.
#[test]
fn a_variable_that_is_not_utf_8_is_refused_as_a_flag_is() {
    let variable = "GOWARD_DUMP_FILE=$(printf '/nowhere/\\377'); export GOWARD_DUMP_FILE";
    let end = Plan::new("").setup(variable).fixture("exit 3").end();
    end.must(125, "goward: GOWARD_DUMP_FILE: the value is not UTF-8");
    // Near miss: one that is no option's is for the server, whatever it is.
    let end = Plan::new("").setup(&variable.replace("GOWARD_", "SERVER_")).fixture("exit 3").end();
    assert_eq!(end.code, 3);
}

#[test]
fn the_environment_is_read_too_and_a_flag_wins() {
    let run = |name: &str, value: &str, flags: &[&str]| {
        let mut command = std::process::Command::new(goward());
        let output = command.env(name, value).args(flags).args(["/bin/sh", "-c", "exit 3"]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run("GOWARD_SUCCESS_EXIT", "3", &[]).0, Some(0));
    assert_eq!(run("GOWARD_SUCCESS_EXIT", "3", &["-e", "4"]).0, Some(3));
    let (code, text) = run("GOWARD_STOP_TIMEOUT", "soon", &[]);
    assert!(code == Some(125) && text.contains("GOWARD_STOP_TIMEOUT: 'soon' is not a duration"), "{text}");
    assert_eq!(run("GOWARD_STOP_TIMEOUT", "soon", &["--stop-timeout", "5"]).0, Some(3));
    let (code, text) = run("GOWARD_GROUP", "maybe", &[]);
    assert!(code == Some(125) && text.contains("neither true nor false"), "{text}");
}
