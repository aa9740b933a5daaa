//! What comes out, and with which code.

use crate::support::{Ending, GOWARD, LIMIT, Outcome, Scratch, requires, run, skipped};
use std::path::Path;
use std::process::Command;

fn check(arguments: &[&str]) -> Outcome {
    let repository = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(GOWARD);
    command.arg("check").args(arguments).current_dir(repository).env_remove("NO_COLOR").env_remove("COLUMNS");
    run(&mut command, LIMIT)
}

const BAD: &str = "examples/dockerfiles/bad/Dockerfile";

#[test]
fn exit_codes() {
    let scratch = Scratch::new();
    let warning = scratch.file("Dockerfile", "FROM alpine:3.22\nCMD [\"/server\"]\n", 0o644);
    let warning = warning.to_str().unwrap();
    for (arguments, code) in [
        (vec!["--dockerfile", BAD], 1),
        (vec!["--dockerfile", BAD, "--fail-on=never"], 0),
        (vec!["--dockerfile", warning], 0),
        (vec!["--dockerfile", warning, "--fail-on=warning"], 1),
        (vec!["--dockerfile", warning, "--fail-on=warning", "--ignore=gw307"], 0),
        (vec!["--dockerfile", "examples/dockerfiles/good/Dockerfile", "--fail-on=note"], 0),
        (vec![], 125),
        (vec!["--nonsense"], 125),
        (vec!["--dockerfile", "/no/such/Dockerfile"], 125),
        (vec!["examples"], 125),
        (vec!["examples/dockerfiles/good"], 0),
        (vec![BAD, "--target", "build", "--fail-on=error"], 0),
        (vec![BAD, "--target", "nothing"], 125),
        (vec![BAD, "--context", "Cargo.toml"], 125),
        (vec![BAD, "--config", "/no/such/file"], 125),
        (vec!["--image", "server"], 125),
        (vec!["--dockerfile", "examples"], 125),
        (vec!["--dockerfile", GOWARD], 125),
        (vec!["--image", "/no/such.tar"], 125),
        (vec!["--image", "Cargo.toml"], 125),
        (vec!["--rootfs", "Cargo.toml"], 125),
        (vec!["--ignore=GW999", "/server"], 125),
        (vec!["--explain", "GW999"], 125),
        (vec!["--explain", "GW103"], 0),
        (vec!["--list"], 0),
        (vec!["--help"], 0),
    ] {
        let outcome = check(&arguments);
        assert_eq!(outcome.ending, Ending::Exited(code), "{arguments:?}\n{}{}", outcome.stdout, outcome.stderr);
        assert_eq!(code == 125, !outcome.stderr.is_empty(), "{arguments:?}: {}", outcome.stderr);
    }
    let empty = scratch.file("empty", "", 0o644);
    assert_eq!(check(&["--dockerfile", empty.to_str().unwrap()]).ending, Ending::Exited(1));
    let outcome = check(&["--image", empty.to_str().unwrap()]);
    assert!(outcome.ending == Ending::Exited(125) && outcome.stderr.contains("empty"), "{}", outcome.stderr);
}

#[test]
fn text_for_people() {
    let plain = check(&["--dockerfile", BAD]);
    assert!(plain.stdout.contains(&format!("  at {BAD}:15\n")), "{}", plain.stdout);
    assert!(!plain.stdout.contains('\x1b') && plain.stdout.contains("  fix: "), "{}", plain.stdout);
    let coloured = check(&["--dockerfile", BAD, "--color=always"]).stdout;
    assert_eq!(coloured.matches("\x1b[0m").count() * 2, coloured.matches('\x1b').count());
    let mut command = Command::new(GOWARD);
    command.args(["check", "--dockerfile", BAD]).env("COLUMNS", "60").current_dir(env!("CARGO_MANIFEST_DIR"));
    let narrow = run(&mut command, LIMIT).stdout;
    assert!(narrow.lines().all(|line| line.chars().count() <= 60 || !line.trim().contains(' ')), "{narrow}");
}

/// The output that is shown in examples/ is what comes out.
#[test]
fn the_examples_show_what_is_found() {
    for (name, file) in [("bad", BAD), ("good", "examples/dockerfiles/good/Dockerfile")] {
        let outcome = check(&["--dockerfile", file]);
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/dockerfiles/{name}/output.txt"));
        if std::env::var_os("GOWARD_BLESS").is_some() {
            std::fs::write(&shown, &outcome.stdout).unwrap();
        }
        let expected = std::fs::read_to_string(&shown).unwrap_or_default();
        assert_eq!(outcome.stdout, expected, "{}: GOWARD_BLESS=1 writes it anew", shown.display());
    }
}

#[test]
fn json_and_annotations() {
    let json = check(&["--dockerfile", BAD, "--format=json"]).stdout;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(
        findings.len() as u64,
        ["errors", "warnings", "notes"].iter().map(|key| report[key].as_u64().unwrap()).sum::<u64>()
    );
    assert!(
        findings.iter().all(|one| one["file"] == BAD && one["mend"].is_string() && one["id"].is_string()),
        "{json}"
    );
    let github = check(&["--dockerfile", BAD, "--format=github"]).stdout;
    assert_eq!(github.lines().count(), findings.len());
    assert!(github.lines().all(|line| line.starts_with("::")), "{github}");
    assert!(github.contains(&format!("::error file={BAD},line=15,title=GW304%3A ")), "{github}");
}

/// Names and texts of an image are no commands to a terminal, in no form.
#[test]
fn hostile_names() {
    let scratch = Scratch::new();
    let name = "a\x1b[2J\u{9b}\u{202e}\u{2066}\u{200f}b";
    std::fs::create_dir_all(scratch.path("root/etc")).unwrap();
    scratch.file(&format!("root/{name}.key"), "-----BEGIN PRIVATE KEY-----", 0o600);
    scratch.file("root/etc/nsswitch.conf", &format!("hosts: {name}\n"), 0o644);
    let dockerfile = scratch.file(
        "Dockerfile",
        &format!("FROM alpine:3.22\nRUN \u{202e}x\nCMD [\"/{name}\"]\nUSER {name}\n"),
        0o644,
    );
    let (root, dockerfile) = (scratch.path("root"), dockerfile.to_str().unwrap());
    let hostile = |c: char| {
        c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c) || "\u{2066}\u{200f}".contains(c)
    };
    for format in ["text", "json", "sarif", "github"].map(|format| format!("--format={format}")) {
        for subject in [["--rootfs", root.to_str().unwrap()], ["--dockerfile", dockerfile]] {
            let outcome = check(&[format.as_str(), subject[0], subject[1]]);
            assert!(outcome.stdout.len() > 100, "{}", outcome.stderr);
            assert!(!outcome.stdout.contains(hostile), "{format} {subject:?} {:?}", outcome.stdout);
            for escaped in ["\\u001b", "\\u009b", "%1B", "%E2%80%AE"] {
                assert!(!outcome.stdout.contains(escaped), "{format} {subject:?} {:?}", outcome.stdout);
            }
        }
    }
    for subject in ["--image", "--rootfs", "--dockerfile"] {
        let outcome = check(&[subject, name]);
        assert_eq!(outcome.ending, Ending::Exited(125));
        assert!(!outcome.stderr.contains(hostile), "{subject} {:?}", outcome.stderr);
    }
}

/// Of one kind five are shown to people, and all to machines.
#[test]
fn many_of_a_kind() {
    let scratch = Scratch::new();
    let stages: String = (0..9).map(|_| "FROM alpine\n").collect();
    let file = scratch.file("Dockerfile", &(stages + "USER 7\n"), 0o644);
    let file = file.to_str().unwrap();
    let (text, json) = (check(&["--dockerfile", file]).stdout, check(&["--dockerfile", file, "--format=json"]).stdout);
    assert!(text.contains("and 4 more of GW321 (--format json has all)\n"), "{text}");
    assert_eq!((text.matches(" GW321: ").count(), json.matches("\"GW321\"").count()), (5, 9), "{text}");
}

/// Against the schema itself, with all kinds of places.
#[test]
fn sarif_is_valid() {
    if !requires("python3") {
        return;
    }
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("root")).unwrap();
    scratch.file("root/a b%é.key", "-----BEGIN PRIVATE KEY-----", 0o666);
    let root = scratch.path("root");
    let outputs = [
        check(&["--dockerfile", BAD, "--format=sarif"]),
        check(&["--dockerfile", "examples/dockerfiles/good/Dockerfile", "--format=sarif"]),
        check(&["--rootfs", root.to_str().unwrap(), "--format=sarif", "/server"]),
    ];
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools.sh");
    let found = run(Command::new(tools).arg("jsonschema"), LIMIT * 6);
    if found.ending != Ending::Exited(0) {
        skipped("no validator of JSON schemas");
        return;
    }
    for (at, output) in outputs.iter().enumerate() {
        let file = scratch.file(&format!("{at}.sarif"), &output.stdout, 0o644);
        let script = "import json, sys, jsonschema\nschema, report = (json.load(open(file)) for file in sys.argv[1:])\n\
            jsonschema.Draft7Validator(schema).validate(report)\nprint(len(report['runs'][0]['results']))";
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/sarif-schema-2.1.0.json");
        let mut python = Command::new("python3");
        python.args(["-c", script]).arg(schema).arg(file).env("PYTHONPATH", found.stdout.trim());
        let outcome = run(&mut python, LIMIT);
        assert_eq!(outcome.ending, Ending::Exited(0), "{}\n{}", outcome.stderr, output.stdout);
        assert_eq!(outcome.stdout.trim() == "0", at == 1, "{}", output.stdout);
    }
}

/// The table in the code, `--list`, `--explain` and the pages are one.
#[test]
fn every_finding_has_its_page() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings");
    let list = check(&["--list"]).stdout;
    let rules = goward::check::table::ALL;
    assert_eq!(list.lines().count(), rules.len());
    for rule in rules {
        let page = std::fs::read_to_string(directory.join(format!("{}.md", rule.id))).unwrap_or_default();
        let head = format!("# {}: {}\n\n{}: {}\n", rule.id, rule.title, rule.severity.name(), rule.help);
        assert!(page.starts_with(&head), "docs/findings/{}.md should begin with\n{head}", rule.id);
        assert!(page.contains("\n## Fix\n"), "docs/findings/{}.md does not say what to do", rule.id);
        assert!(list.contains(&format!("{}  {:<7}  {}", rule.id, rule.severity.name(), rule.title)), "{list}");
    }
    let pages = std::fs::read_dir(directory).unwrap().count();
    assert_eq!(pages, rules.len(), "a page too many in docs/findings");
}

fn scratch_check(scratch: &Scratch, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(GOWARD);
    command.arg("check").args(arguments).current_dir(scratch.path("")).env("NO_COLOR", "1");
    run(&mut command, LIMIT)
}

/// The line of the source, the place below it, and the line that would be right.
#[test]
fn findings_show_their_line() {
    let scratch = Scratch::new();
    scratch.file(
        "Dockerfile",
        "FROM alpine:3.22\nUSER 1:1\nRUN true \\\n  && apk add curl\nCMD [\"/server\"]\n",
        0o644,
    );
    let shown = scratch_check(&scratch, &["Dockerfile"]).stdout;
    let excerpt = "  4 |   && apk add curl\n    |      ^^^^^^^\n";
    assert!(shown.contains(excerpt) && shown.contains("\n    +   && apk add --no-cache curl\n"), "{shown}");
    assert!(shown.contains("  context: . (the current directory)\n"), "{shown}");
}

/// `--fix` prints a diff that patch takes, and `--write` does the same.
#[test]
fn what_is_certain_is_mended() {
    if !requires("patch") {
        return;
    }
    let bad = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(BAD)).unwrap();
    // Without a line feed at the end, too.
    for bad in [bad.as_str(), bad.trim_end()] {
        let scratch = Scratch::new();
        for name in ["Dockerfile", "Dockerfile.written"] {
            scratch.file(name, bad, 0o644);
        }
        let diff = scratch_check(&scratch, &["--fix", "Dockerfile"]);
        assert_eq!(diff.ending, Ending::Exited(0), "{}", diff.stderr);
        assert_eq!(std::fs::read_to_string(scratch.path("Dockerfile")).unwrap(), bad, "--fix alone writes nothing");
        let file = scratch.file("diff", &diff.stdout, 0o644);
        let mut patch = Command::new("patch");
        patch.args(["-p0", "-i"]).arg(file).current_dir(scratch.path(""));
        let patched = run(&mut patch, LIMIT);
        assert_eq!(patched.ending, Ending::Exited(0), "{}{}{}", patched.stdout, patched.stderr, diff.stdout);
        let written = scratch_check(&scratch, &["--fix", "--write", "Dockerfile.written"]);
        assert!(written.stdout.contains("fixed"), "{}{}", written.stdout, written.stderr);
        let read = |name: &str| std::fs::read_to_string(scratch.path(name)).unwrap();
        assert_eq!(read("Dockerfile"), read("Dockerfile.written"));
        assert!(
            read("Dockerfile").contains("ENTRYPOINT [\"/server\"]")
                && read("Dockerfile").contains("RUN CGO_ENABLED=0 go build")
        );
        // Once mended there is nothing left that is certain.
        assert_eq!(scratch_check(&scratch, &["--fix", "Dockerfile"]).stdout, "");
    }
}

#[test]
fn code_quality_and_checkstyle() {
    let all = |format: &str| check(&["--dockerfile", BAD, format]).stdout;
    let json: serde_json::Value = serde_json::from_str(&all("--format=json")).unwrap();
    let count = json["findings"].as_array().unwrap().len();
    let gitlab: serde_json::Value = serde_json::from_str(&all("--format=gitlab")).unwrap();
    let found = gitlab.as_array().unwrap();
    assert_eq!(found.len(), count);
    let prints: std::collections::BTreeSet<&str> =
        found.iter().map(|one| one["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(prints.len(), count, "each has a fingerprint of its own");
    assert!(
        found
            .iter()
            .all(|one| one["location"]["path"] == BAD && one["location"]["lines"]["begin"].as_u64().unwrap() > 0)
    );
    let xml = all("--format=checkstyle");
    assert_eq!(xml.matches("<error line=").count(), count, "{xml}");
    let script = "import sys, xml.dom.minidom as m; print(len(m.parse(sys.argv[1]).getElementsByTagName('error')))";
    let scratch = Scratch::new();
    let file = scratch.file("report.xml", &xml, 0o644);
    let mut python = Command::new("python3");
    let outcome = run(python.args(["-c", script]).arg(file), LIMIT);
    assert_eq!(outcome.stdout.trim(), count.to_string(), "{}", outcome.stderr);
}

/// Names that mean Dockerfiles, the stage, the context, and the arguments of the build.
#[test]
fn what_is_checked() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.path("svc/bin")).unwrap();
    scratch.file("go.mod", "module x\nrequire y v1.0.0\n", 0o644);
    scratch.file(".dockerignore", ".git\n", 0o644);
    let copies = "FROM alpine:3.22\nCOPY . /app\nUSER 1:1\nCMD [\"/app/x\"]\n";
    scratch.file("svc/Dockerfile", copies, 0o644);
    scratch.file("svc/bin/tool", "", 0o755);
    let stages = "ARG BASE\nFROM ${BASE} AS prod\nCMD /server\nFROM alpine:3.22 AS test\nUSER 1:1\nCMD [\"/test\"]\n";
    scratch.file("Stages.Dockerfile", stages, 0o644);
    // One by its beginning, and one that only speaks of it.
    scratch.file("server1", "# a comment\n\nfrom alpine:latest\nUSER 1:1\n", 0o644);
    scratch.file("notes", "# FROM alpine:latest\nFROMAGE\n", 0o644);
    let ids = |arguments: &[&str]| {
        let outcome = scratch_check(&scratch, &[&["--format=json", "--fail-on=never"], arguments].concat());
        let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
        let found = json["findings"].as_array().unwrap_or_else(|| panic!("{arguments:?} {}", outcome.stderr)).clone();
        found.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["svc/Dockerfile", "--context", "."]), ["GW338"]);
    // It may be built from either: nothing is said that holds for one of them alone.
    assert_eq!(ids(&["svc/Dockerfile"]), [""; 0]);
    let outcome = scratch_check(&scratch, &["svc/Dockerfile"]);
    assert!(
        outcome.stdout.contains("(the current directory), perhaps svc: --context says which"),
        "{}",
        outcome.stdout
    );
    assert_eq!(ids(&["svc", "--context", "svc"]), ["GW330"]);
    assert_eq!(ids(&["server1"]), ["GW321"]);
    let both = scratch_check(&scratch, &["server1", "notes"]);
    assert!(both.ending == Ending::Exited(125) && both.stderr.contains("one at a time"), "{}", both.stderr);
    assert_eq!(ids(&["Stages.Dockerfile", "--target", "test"]), [""; 0]);
    assert_eq!(ids(&["Stages.Dockerfile", "--target=prod", "--build-arg=BASE=debian:13"]), ["GW307", "GW302"]);
    // Both of them.
    assert!(ids(&["-f", "svc/Dockerfile", "-f", "Stages.Dockerfile", "--context=."]).contains(&"GW338".to_owned()));
    let outcome = scratch_check(&scratch, &["svc/Dockerfile", "Stages.Dockerfile"]);
    assert!(outcome.stdout.starts_with("svc/Dockerfile, Stages.Dockerfile\n"), "{}", outcome.stdout);
    scratch.file(".goward", "ignore GW338 it is so\n", 0o644);
    assert_eq!(ids(&["svc/Dockerfile", "--context=."]), [""; 0]);
    scratch.file(".goward", "ignore GW338\n", 0o644);
    let outcome = scratch_check(&scratch, &["svc/Dockerfile"]);
    assert!(outcome.ending == Ending::Exited(125) && outcome.stderr.contains("needs a reason"), "{}", outcome.stderr);
}

#[test]
fn from_standard_input() {
    let scratch = Scratch::new();
    let file = scratch.file("x", "FROM alpine:latest\n", 0o644);
    let mut command = Command::new(GOWARD);
    command.args(["check", "--format=json", "-"]).stdin(std::fs::File::open(file).unwrap());
    let outcome = run(&mut command, LIMIT);
    assert!(outcome.stdout.contains("GW321"), "{}{}", outcome.stdout, outcome.stderr);
    let named = check(&["--image", "server"]).stderr;
    assert!(named.contains("docker save server | goward check --image -"), "{named}");
}

/// Dockerfiles in the documentation are such as BuildKit takes, and in exec form there is nothing behind the list.
#[test]
fn dockerfiles_in_the_documentation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    for directory in ["docs", "docs/findings", "examples"] {
        let files = std::fs::read_dir(root.join(directory)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let mut count = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```dockerfile\n").skip(1) {
            let block = block.split("```").next().unwrap();
            // A part of one has no FROM.
            let whole = if block.contains("FROM ") { block.to_owned() } else { format!("FROM alpine:3.22\n{block}") };
            let scratch = Scratch::new();
            let file = scratch.file("Dockerfile", &whole, 0o644);
            let outcome = check(&["--format=json", "--fail-on=never", file.to_str().unwrap()]);
            let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
            let refused = json["findings"]
                .as_array()
                .unwrap()
                .iter()
                // The page of a finding shows what has it.
                .filter(|one| page.file_stem().is_none_or(|stem| one["id"] != *stem.to_string_lossy()))
                .find(|one| one["id"] == "GW304" || (one["id"] == "GW300" && one["severity"] == "error"));
            assert!(refused.is_none(), "{}: {refused:?}\n{block}", page.display());
            count += 1;
        }
        let bare = text.lines().find(|line| line.trim_start().starts_with("RUN [") && !line.trim_end().ends_with(']'));
        assert!(bare.is_none(), "{}: {bare:?}", page.display());
    }
    assert!(count > 40, "{count} Dockerfiles were found");
}

/// Thousands of lines take no time: the fastest of several runs, in a build without optimization ten times the bound.
#[test]
fn a_long_dockerfile_is_read_at_once() {
    let mut text = "FROM golang:1.27 AS build\nARG VERSION=1\n".to_owned();
    (0..1660).for_each(|at| {
        text.push_str(&format!("COPY a{at} /a{at}\nENV E{at}=$VERSION\nRUN echo $E{at} > /f{at} && cat /f{at}\n"))
    });
    text.push_str("FROM scratch\nCOPY --from=build /a1 /a1\nUSER 1:1\nCMD [\"/a1\"]\n");
    assert!(text.lines().count() > 4980);
    let scratch = Scratch::new();
    let file = scratch.file("Dockerfile", &text, 0o644);
    let fastest = (0..3).map(|_| {
        let begin = std::time::Instant::now();
        assert_ne!(check(&["--fail-on=never", file.to_str().unwrap()]).ending, Ending::Exited(125));
        begin.elapsed()
    });
    let bound = if cfg!(debug_assertions) { 2000 } else { 50 };
    let fastest = fastest.min().unwrap();
    assert!(fastest < std::time::Duration::from_millis(bound), "{fastest:?}");
}
