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
    assert!(!plain.stdout.contains('\x1b') && plain.stdout.contains("  mend: "), "{}", plain.stdout);
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
        assert!(page.contains("\n## Mend\n"), "docs/findings/{}.md does not say what to do", rule.id);
        assert!(list.contains(&format!("{}  {:<7}  {}", rule.id, rule.severity.name(), rule.title)), "{list}");
    }
    let pages = std::fs::read_dir(directory).unwrap().count();
    assert_eq!(pages, rules.len(), "a page too many in docs/findings");
}
