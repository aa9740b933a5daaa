//! What a release consists of (packaging/, .github/, action.yml): packed here from the binary under test, unpacked, installed and
//! run. That two folders give the same bytes is `make reproducible`; what only GitHub can do is linted, and named in
//! docs/releasing.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Ending, GOWARD, LIMIT, Outcome, Scratch, find, requires, requires_root, run, skipped};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn succeeds(command: &mut Command) -> Outcome {
    let outcome = run(command, Duration::from_secs(180));
    assert_eq!(outcome.ending, Ending::Exited(0), "{command:?}\n{}{}", outcome.stdout, outcome.stderr);
    outcome
}

/// The release of this machine's platform, made of the binary under test.
fn release(scratch: &Scratch, name: &str) -> PathBuf {
    let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let from = scratch.path("from").join(&triple);
    fs::create_dir_all(&from).unwrap();
    for binary in ["goward", "goward-init"] {
        let binary = from.join(binary);
        fs::copy(GOWARD, &binary).unwrap();
        // As it is in a release: with its symbols it would be twenty times as large.
        succeeds(Command::new("strip").arg(&binary));
    }
    let dist = scratch.path(name);
    let mut command = Command::new(Path::new(ROOT).join("packaging/dist.sh"));
    command.arg(triple).env("DIST", &dist).env("DIST_FROM", scratch.path("from")).env_remove("CI");
    succeeds(command.env("CARGO_TARGET_DIR", scratch.path("target")).env("SOURCE_DATE_EPOCH", "1700000000"));
    dist
}

fn has_tools() -> bool {
    ["python3", "tar", "gzip", "dpkg-deb", "sha256sum", "strip"].iter().all(|tool| requires(tool))
}

#[test]
fn a_release_is_whole_and_runs() {
    if !has_tools() {
        return;
    }
    let scratch = Scratch::new();
    let dist = release(&scratch, "dist");
    succeeds(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&dist));
    let name = format!("goward-{VERSION}-{}-unknown-linux-musl", std::env::consts::ARCH);
    succeeds(Command::new("tar").arg("-xzf").arg(dist.join(format!("{name}.tar.gz"))).current_dir(scratch.path("")));
    let tree = scratch.path(&name);
    let files = [
        "goward",
        "goward-init",
        "goward.1",
        "completions/goward.bash",
        "completions/_goward",
        "completions/goward.fish",
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "THIRD-PARTY.md",
        "goward.cdx.json",
    ];
    for file in files {
        assert!(tree.join(file).is_file(), "{file} is not in the tarball");
    }
    let said = succeeds(Command::new(tree.join("goward")).arg("version")).stdout;
    assert!(said.contains(VERSION), "{said}");
    let ended = run(Command::new(tree.join("goward-init")).args(["-q", "--", "sh", "-c", "exit 7"]), LIMIT);
    assert_eq!(ended.ending, Ending::Exited(7), "{}", ended.stderr);
    // Every crate of the binary is in both lists, with a licence that deny.toml allows.
    let bom: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(tree.join("goward.cdx.json")).unwrap()).unwrap();
    assert_eq!((bom["bomFormat"].as_str(), bom["specVersion"].as_str()), (Some("CycloneDX"), Some("1.6")));
    let licences = fs::read_to_string(tree.join("THIRD-PARTY.md")).unwrap();
    let components = bom["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|component| component["name"].as_str().unwrap()).collect();
    for wanted in ["libc", "nix", "object", "miniz_oxide", "tokio", "rust-std", "musl"] {
        assert!(names.contains(&wanted), "{wanted} is not in {names:?}");
    }
    assert!(!names.contains(&"proptest") && !names.contains(&"insta"), "{names:?}");
    for name in names {
        assert!(licences.contains(&format!("- {name} ")) || licences.contains(&format!("- {name}:")), "{name}");
    }
    assert!(licences.matches("```text\n").count() > 5 && licences.contains("Rich Felker"));
}

#[test]
fn packing_twice_gives_the_same_bytes() {
    if !has_tools() {
        return;
    }
    let scratch = Scratch::new();
    let sums = ["one", "two"].map(|name| fs::read_to_string(release(&scratch, name).join("SHA256SUMS")).unwrap());
    assert_eq!(sums[0], sums[1]);
    assert_eq!(sums[0].lines().count(), 3, "{}", sums[0]);
}

/// Into an empty root, over itself, and out again.
#[test]
fn the_debian_package_comes_and_goes() {
    if !has_tools() || !requires("dpkg") || !requires_root() {
        return;
    }
    let scratch = Scratch::new();
    let dist = release(&scratch, "dist");
    let package = fs::read_dir(&dist).unwrap().map(|entry| entry.unwrap().path());
    let package = package.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb")).unwrap();
    let root = scratch.path("root");
    fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
    fs::create_dir_all(root.join("var/lib/dpkg/updates")).unwrap();
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let dpkg = || {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", root.display())).arg("--force-not-root");
        dpkg
    };
    let there = || root.join("usr/bin/goward").exists();
    succeeds(dpkg().arg("-i").arg(&package));
    assert!(there() && root.join("usr/share/man/man1/goward.1.gz").exists());
    succeeds(dpkg().arg("-i").arg(&package));
    let status = succeeds(dpkg().args(["-s", "goward"])).stdout;
    assert!(
        status.contains("Status: install ok installed") && status.contains(&format!("Version: {VERSION}")),
        "{status}"
    );
    succeeds(dpkg().args(["--verify", "goward"]));
    succeeds(dpkg().args(["-P", "goward"]));
    assert!(!there());
    let left =
        succeeds(Command::new("find").arg(&root).args(["-type", "f", "-not", "-path", "*/var/lib/dpkg/*"])).stdout;
    assert_eq!(left, "");
}

/// Its steps, with a release in a directory: fetched, verified, and a Dockerfile checked. One that was tampered with is refused.
#[test]
fn the_action_takes_a_release_and_checks() {
    if !has_tools() || !requires("curl") || std::env::consts::ARCH != "x86_64" {
        return;
    }
    let scratch = Scratch::new();
    let dist = release(&scratch, "dist");
    let releases = scratch.path("releases");
    fs::create_dir(&releases).unwrap();
    fs::rename(&dist, releases.join(format!("v{VERSION}"))).unwrap();
    fs::create_dir(scratch.path("runner")).unwrap();
    scratch.file("Dockerfile", "FROM alpine:3.22\nUSER 1:1\nENTRYPOINT /server\n", 0o644);
    let step = |step: &str, fail_on: &str, version: &str| {
        let mut action = Command::new(Path::new(ROOT).join("packaging/action.sh"));
        action.arg(step).current_dir(scratch.path("")).env("RUNNER_TEMP", scratch.path("runner"));
        action.env("GOWARD_VERSION", version).env("GOWARD_RELEASES", format!("file://{}", releases.display()));
        action.env("GOWARD_BINARY", "").env("GOWARD_FILES", "Dockerfile").env("GOWARD_ARGUMENTS", "--ignore GW321");
        run(action.env("GOWARD_FAIL_ON", fail_on).env("GOWARD_SARIF", "true"), LIMIT)
    };
    let version = format!("v{VERSION}");
    let got = step("get", "", &version);
    assert_eq!(got.ending, Ending::Exited(0), "{}{}", got.stdout, got.stderr);
    let checked = step("check", "error", "");
    assert_eq!(checked.ending, Ending::Exited(0), "{}", checked.stderr);
    assert!(checked.stdout.contains("::") && checked.stdout.contains("GW301"), "{}", checked.stdout);
    assert_eq!(step("check", "note", "").ending, Ending::Exited(1));
    let sarif = fs::read_to_string(scratch.path("runner/goward.sarif")).unwrap();
    assert!(sarif.contains("GW301"), "{sarif}");
    let refused = step("get", "", "main");
    assert!(refused.ending == Ending::Exited(1) && refused.stderr.contains("no release"), "{}", refused.stderr);
    let binary = releases.join(&version).join(format!("goward-{VERSION}-linux-amd64"));
    fs::write(&binary, [fs::read(&binary).unwrap(), b"x".to_vec()].concat()).unwrap();
    assert_ne!(step("get", "", &version).ending, Ending::Exited(0), "what was changed is taken");
}

/// The image that others copy from, by the engine that is here: it runs by itself, and `COPY --from` takes goward out of it.
#[test]
fn the_image_is_there_to_be_copied_from() {
    let docker = |arguments: &[&str]| {
        let mut docker = Command::new("docker");
        docker.args(arguments).env("DOCKER_BUILDKIT", "0");
        docker
    };
    if !has_tools() || !docker(&["info"]).output().is_ok_and(|out| out.status.success()) {
        skipped("no Docker daemon answers");
        return;
    }
    let scratch = Scratch::new();
    let dist = release(&scratch, "dist");
    let context = scratch.path("context");
    fs::create_dir_all(context.join("target")).unwrap();
    fs::rename(dist, context.join("target/dist")).unwrap();
    for file in ["packaging/Dockerfile", ".dockerignore"] {
        fs::create_dir_all(context.join(file).parent().unwrap()).unwrap();
        fs::write(context.join(file), text(file)).unwrap();
    }
    let architecture = if std::env::consts::ARCH == "x86_64" { "amd64" } else { "arm64" };
    let (own, other) =
        (format!("goward-release-{}", std::process::id()), format!("goward-copied-{}", std::process::id()));
    let build = |tag: &str, dockerfile: &Path| {
        let argument = format!("TARGETARCH={architecture}");
        let mut build =
            docker(&["build", "-q", "--force-rm", "-t", tag, "--build-arg", &argument, "--build-arg", "VERSION=v1"]);
        succeeds(build.arg("-f").arg(dockerfile).arg(&context));
    };
    build(&own, &context.join("packaging/Dockerfile"));
    let copied = context.join("packaging/copied");
    fs::write(
        &copied,
        format!("FROM scratch\nCOPY --from={own} /goward /goward\nUSER 65532:65532\nENTRYPOINT [\"/goward\"]\n"),
    )
    .unwrap();
    build(&other, &copied);
    let said = [&own, &other].map(|tag| run(&mut docker(&["run", "--rm", "--network=none", tag, "version"]), LIMIT));
    let labels = succeeds(&mut docker(&["inspect", "-f", "{{json .Config.Labels}}", &own])).stdout;
    succeeds(&mut docker(&["rmi", "-f", &other, &own]));
    for said in said {
        assert!(said.ending == Ending::Exited(0) && said.stdout.contains(VERSION), "{}{}", said.stdout, said.stderr);
    }
    assert!(labels.contains("\"org.opencontainers.image.version\":\"v1\""), "{labels}");
}

/// What crates.io gets: all that a build needs, and nothing of the tests.
#[test]
fn the_crate_is_whole_and_small() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--list", "--allow-dirty", "--offline"]).current_dir(ROOT);
    let list = succeeds(&mut cargo).stdout;
    let files: Vec<&str> = list.lines().collect();
    for wanted in
        ["src/main.rs", "build.rs", "build.ld", "order.ld", "LICENSE-MIT", "LICENSE-APACHE", "README.md", "Cargo.lock"]
    {
        assert!(files.contains(&wanted), "{wanted} is not in the crate");
    }
    let foreign = |file: &&&str| {
        ["tests/", "benches/", "fuzz/", ".ci/", ".github/", "packaging/"].iter().any(|begin| file.starts_with(begin))
    };
    assert_eq!(files.iter().find(foreign), None);
    let size: u64 =
        files.iter().filter_map(|file| fs::metadata(Path::new(ROOT).join(file)).ok()).map(|meta| meta.len()).sum();
    // A quarter of that is downloaded.
    assert!(size < 14 << 18, "{size} bytes");
}

/// Every file that names the repository names the one of Cargo.toml.
#[test]
fn there_is_one_repository() {
    let manifest = text("Cargo.toml");
    let own = manifest.lines().find_map(|line| line.strip_prefix("repository = \"")).unwrap().trim_end_matches('"');
    let (_, name) = own.rsplit_once("github.com/").unwrap();
    for file in [
        "README.md",
        "Dockerfile.example",
        "packaging/Dockerfile",
        "examples/dockerfiles/three-ways/Dockerfile",
        "docs/releasing.md",
        ".github/ISSUE_TEMPLATE/config.yml",
    ] {
        let text = text(file);
        for (at, _) in text.match_indices("/goward/").chain(text.match_indices("/goward:")) {
            let host = text[..at].rsplit(['"', ' ', '=', '(', '\n']).next().unwrap();
            let named = host.rsplit_once("github.com/").or_else(|| host.rsplit_once("ghcr.io/"));
            if let Some((_, owner)) = named.filter(|(_, owner)| !owner.contains('/')) {
                assert_eq!(format!("{owner}/goward"), name, "{file}");
            }
        }
    }
}

/// Files of YAML as GitHub and pre-commit read them.
const YAML: [&str; 10] = [
    ".github/workflows/ci.yml",
    ".github/workflows/release.yml",
    ".github/dependabot.yml",
    ".github/ISSUE_TEMPLATE/config.yml",
    ".github/ISSUE_TEMPLATE/bug.yml",
    ".github/ISSUE_TEMPLATE/false-alarm.yml",
    ".github/ISSUE_TEMPLATE/feature.yml",
    ".pre-commit-hooks.yaml",
    "action.yml",
    "examples/compose.yaml",
];

fn yaml(path: &str) -> serde_json::Value {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1])), default=str))";
    let said = succeeds(Command::new("python3").args(["-c", script]).arg(Path::new(ROOT).join(path)));
    serde_json::from_str(&said.stdout).unwrap()
}

fn has_yaml() -> bool {
    let there = requires("python3")
        && run(Command::new("python3").args(["-c", "import yaml"]), LIMIT).ending == Ending::Exited(0);
    there || skipped("python3-yaml is missing")
}

/// Each job says what it may do, how long, and which version of an action it takes; and runs what there is.
#[test]
fn workflows_are_sound() {
    if !has_yaml() {
        return;
    }
    YAML.iter().for_each(|path| assert!(!yaml(path).is_null(), "{path}"));
    let makefile = text("Makefile");
    for path in &YAML[..2] {
        let workflow = yaml(path);
        assert!(workflow["permissions"].is_object(), "{path} does not say what it may do");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            assert!(job["timeout-minutes"].is_number(), "{path}: {name} has no end");
            for step in job["steps"].as_array().unwrap() {
                let uses = step["uses"].as_str().unwrap_or("./");
                assert!(uses == "./" || uses.contains("@v"), "{path}: {uses} has no version");
                for line in step["run"].as_str().unwrap_or_default().lines() {
                    if let Some(target) = line.strip_prefix("make ") {
                        assert!(makefile.contains(&format!("\n{target}: ")), "{path}: there is no make {target}");
                    }
                }
            }
        }
    }
    let tools = Path::new(ROOT).join("tests/tools.sh");
    let found = run(Command::new(tools).arg("schemas"), LIMIT * 6);
    if found.ending != Ending::Exited(0) {
        skipped("no check-jsonschema");
        return;
    }
    for (schema, files) in [
        ("vendor.github-workflows", &YAML[..2]),
        ("vendor.dependabot", &YAML[2..3]),
        ("vendor.github-actions", &["action.yml"]),
        ("vendor.compose-spec", &["examples/compose.yaml"]),
    ] {
        let mut python = Command::new("python3");
        python.args(["-m", "check_jsonschema", "--builtin-schema", schema]).args(files).current_dir(ROOT);
        succeeds(python.env("PYTHONPATH", found.stdout.trim()));
    }
    if let Some(actionlint) = find("actionlint") {
        succeeds(Command::new(actionlint).arg("-no-color").args(&YAML[..2]).current_dir(ROOT));
    }
}

/// The files that the hook is given are those that goward takes for Dockerfiles.
#[test]
fn the_hook_takes_dockerfiles() {
    if !has_yaml() {
        return;
    }
    let names = [
        ("Dockerfile", true),
        ("Dockerfile.prod", true),
        ("build/api.Dockerfile", true),
        ("Containerfile", true),
        ("dockerfile", true),
        ("Dockerfile-alpine", true),
        ("server", false),
        ("Dockerfile.dockerignore", false),
        ("Dockerfile.tmpl", false),
        ("Dockerfiles", false),
        ("README.md", false),
    ];
    for hook in yaml(".pre-commit-hooks.yaml").as_array().unwrap() {
        for (name, taken) in names {
            let script = "import re, sys; sys.exit(not (re.search(sys.argv[1], sys.argv[3]) and not re.search(sys.argv[2], sys.argv[3])))";
            let mut python = Command::new("python3");
            python.args(["-c", script, hook["files"].as_str().unwrap(), hook["exclude"].as_str().unwrap(), name]);
            assert_eq!(run(&mut python, LIMIT).ending == Ending::Exited(0), taken, "{name}");
            assert_eq!(goward::check::recipe::is_dockerfile(Path::new(name)), taken, "{name}");
        }
    }
}

#[test]
fn scripts_are_shell() {
    for script in ["packaging/dist.sh", "packaging/reproducible.sh", "packaging/action.sh"] {
        succeeds(Command::new("sh").arg("-n").arg(Path::new(ROOT).join(script)));
        if let Some(shellcheck) = find("shellcheck") {
            succeeds(Command::new(shellcheck).arg(Path::new(ROOT).join(script)));
        }
    }
}
