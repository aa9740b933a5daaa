//! Compose files and what bake prints: each image that is built is checked as it is built.

use crate::support::{Ending, GOWARD, LIMIT, Outcome, Scratch, run};
use std::fs;
use std::process::{Command, Stdio};

const DOCKERFILE: &str = "ARG BASE=alpine:3.22\nFROM ${BASE} AS debug\nUSER 1:1\nENTRYPOINT /debug | tee\nFROM ${BASE} AS prod\nUSER 1:1\n\
    COPY --from=debug /etc/passwd /etc/passwd\nCOPY --from=assets /server /server\nENTRYPOINT [\"/server\"]\n";

fn check(scratch: &Scratch, arguments: &[&str], stdin: &str) -> Outcome {
    let mut command = Command::new(GOWARD);
    let input = scratch.file("stdin", stdin, 0o644);
    command.arg("check").args(arguments).current_dir(scratch.path("")).env("NO_COLOR", "1");
    run(command.stdin(Stdio::from(fs::File::open(input).unwrap())), LIMIT)
}

/// The ids that are found, each with its file; and what else is said.
fn found(outcome: &Outcome) -> (Vec<String>, String) {
    assert_eq!(outcome.ending, Ending::Exited(0), "{}{}", outcome.stdout, outcome.stderr);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let text = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let found = findings.map(|one| format!("{} {}", text(one, "id"), text(one, "file"))).collect();
    (found, format!("{} {}", report["subject"], report["facts"]))
}

const JSON: [&str; 2] = ["--format=json", "--fail-on=never"];

#[test]
fn each_service_as_it_is_built() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("deploy/api")).unwrap();
    scratch.file("deploy/api/app.Dockerfile", DOCKERFILE, 0o644);
    scratch.file("deploy/.env", "OLD=alpine:3.16\n", 0o644);
    let service = |name: &str, rest: &str| {
        format!("  {name}:\n    build:\n      context: ./api\n      dockerfile: app.Dockerfile\n{rest}")
    };
    let with_assets = "      additional_contexts: {assets: ../assets}\n";
    let compose = |services: &str| {
        scratch.file("deploy/compose.yaml", &format!("services:\n  db: {{image: postgres}}\n{services}"), 0o644);
        found(&check(&scratch, &[JSON[0], JSON[1], "deploy/compose.yaml"], ""))
    };
    let file = "deploy/api/app.Dockerfile";
    // The last stage; the context that it copies from is given.
    let (ids, facts) = compose(&service("api", with_assets));
    assert_eq!(ids, [] as [&str; 0], "{facts}");
    assert!(
        facts.contains("deploy/api/app.Dockerfile (service api)") && facts.contains("without a build: db"),
        "{facts}"
    );
    assert!(facts.contains("context: deploy/api (as the build file has it)"), "{facts}");
    // Without it nobody knows what that is.
    assert_eq!(compose(&service("api", "")).0, [format!("GW355 {file}")]);
    // Another stage, and an argument by a variable of .env.
    assert_eq!(compose(&service("api", "      target: debug\n")).0, [format!("GW301 {file}")]);
    let old = format!("{with_assets}      args: [\"BASE=${{OLD}}\"]\n");
    assert_eq!(compose(&service("api", &old)).0, vec![format!("GW323 {file}"); 2]);
    // What nobody knows here is not guessed.
    let unknown = format!("{with_assets}      args: {{BASE: $UNKNOWN}}\n");
    assert_eq!(compose(&service("api", &unknown)).0, [] as [&str; 0]);
    // Several of one file: each finding once.
    let two =
        service("a", "      target: debug\n") + &service("b", "      target: debug\n") + &service("c", with_assets);
    let (ids, facts) = compose(&two);
    assert_eq!(ids, [format!("GW301 {file}")]);
    assert!(facts.contains("(service a)") && facts.contains("(service c)"), "{facts}");
    // One that is written in the file itself, and none at all.
    let inline = "  x:\n    build:\n      dockerfile_inline: |\n        FROM alpine:3.22\n        USER 1:1\n        CMD /server | tee\n";
    assert_eq!(compose(inline).0, ["GW302 service x in deploy/compose.yaml"]);
    assert_eq!(compose(""), (vec![], "\"deploy/compose.yaml\" [\"without a build: db\"]".to_owned()));
}

#[test]
fn what_bake_prints_and_compose_config() {
    let scratch = Scratch::new();
    scratch.file("Dockerfile", DOCKERFILE, 0o644);
    let bake = r#"{"group": {"default": {"targets": ["app"]}}, "target": {"app": {"context": ".", "dockerfile": "Dockerfile", "target": "debug"}}}"#;
    let (ids, facts) = found(&check(&scratch, &[JSON[0], JSON[1], "-"], bake));
    assert_eq!(ids, ["GW301 Dockerfile"], "{facts}");
    scratch.file("docker-bake.json", bake, 0o644);
    assert_eq!(found(&check(&scratch, &[JSON[0], JSON[1], "docker-bake.json"], "")).0, ["GW301 Dockerfile"]);
    // As docker compose config has it: whole paths.
    let here = scratch.path("");
    let config =
        format!("name: x\nservices:\n  app:\n    build:\n      context: {}\n      target: debug\n", here.display());
    assert_eq!(found(&check(&scratch, &[JSON[0], JSON[1], "-"], &config)).0, ["GW301 Dockerfile"]);
}

#[test]
fn what_is_wrong_with_them_is_said() {
    let scratch = Scratch::new();
    scratch.file("Dockerfile", DOCKERFILE, 0o644);
    for (file, arguments, said) in [
        ("services:\n  a:\n\tbuild: .\n", &[][..], "compose.yaml: line 3: it is indented"),
        ("services:\n  a:\n    build: ./none\n", &[], "compose.yaml: service a: --dockerfile none/Dockerfile"),
        ("services:\n  a:\n    build: {target: none}\n", &[], "--target none: the file has no such stage"),
        ("a: b\n", &[], "compose.yaml: it has neither services"),
        ("services:\n  a:\n    build: .\n", &["--target", "prod"], "compose.yaml says itself what is built"),
        ("services:\n  a:\n    build: .\n", &["--build-arg", "A=b"], "compose.yaml says itself what is built"),
    ] {
        scratch.file("compose.yaml", file, 0o644);
        let outcome = check(&scratch, &[&["compose.yaml"], arguments].concat(), "");
        assert_eq!(outcome.ending, Ending::Exited(125), "{file}{}", outcome.stdout);
        assert!(outcome.stderr.contains(said), "{file}{}", outcome.stderr);
    }
    scratch.file("compose.yaml", "services:\n  a:\n    extends: {service: b}\n    build: .\n", 0o644);
    let outcome = check(&scratch, &["compose.yaml"], "");
    assert!(outcome.stdout.contains("service a: extends is not followed; docker compose config"), "{}", outcome.stdout);
}

/// Two services of one file: both mends are written; a Dockerfile inside the compose file is left as it is.
#[test]
fn they_are_mended() {
    let scratch = Scratch::new();
    let dockerfile = "FROM alpine:3.22 AS a\nUSER 1:1\nCMD /a -x\nFROM alpine:3.22 AS b\nUSER 1:1\nCMD /b -x\n";
    scratch.file("Dockerfile", dockerfile, 0o644);
    let compose = "services:\n  a:\n    build: {target: a}\n  b:\n    build: {target: b}\n  c:\n    build:\n      \
        dockerfile_inline: |\n        FROM alpine:3.22\n        USER 1:1\n        CMD /c -x\n";
    scratch.file("compose.yaml", compose, 0o644);
    let shown = check(&scratch, &["--fix", "compose.yaml"], "");
    assert!(shown.stdout.contains("+CMD [\"/c\", \"-x\"]"), "{}", shown.stdout);
    let written = check(&scratch, &["--fix", "--write", "compose.yaml"], "");
    assert!(
        written.stdout.contains("service c in compose.yaml: GW302 not written there"),
        "{}{}",
        written.stdout,
        written.stderr
    );
    let read = |name: &str| fs::read_to_string(scratch.path(name)).unwrap();
    assert_eq!(
        read("Dockerfile"),
        dockerfile.replace("/a -x", "[\"/a\", \"-x\"]").replace("/b -x", "[\"/b\", \"-x\"]")
    );
    assert_eq!(read("compose.yaml"), compose);
}
