//! For each finding in a Dockerfile one that has it, and one that nearly has it and has not.

use crate::support::{Ending, GOWARD, LIMIT, Scratch, run};
use std::fs;
use std::process::Command;

/// The ids that `goward check --dockerfile` finds in a text, with other files beside it.
pub(super) fn found(dockerfile: &str, beside: &[(&str, &str)]) -> Vec<(String, String, u64)> {
    let report: serde_json::Value = serde_json::from_str(&said(dockerfile, beside, "json")).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    findings.map(|one| (text(&one["id"]), text(&one["severity"]), one["line"].as_u64().unwrap_or_default())).collect()
}

/// What is said of it in a format.
fn said(dockerfile: &str, beside: &[(&str, &str)], format: &str) -> String {
    let scratch = Scratch::new();
    scratch.file("Dockerfile", dockerfile, 0o644);
    for (name, content) in beside {
        let file = scratch.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    let mut command = Command::new(GOWARD);
    command.args(["check", "--fail-on=never", "Dockerfile", "--format", format]).current_dir(scratch.path(""));
    let outcome = run(command.env("COLUMNS", "100").env("NO_COLOR", "1"), LIMIT);
    assert_eq!(outcome.ending, Ending::Exited(0), "{dockerfile}\n{}", outcome.stderr);
    outcome.stdout
}

/// The beginning of most: a build stage with nothing wrong.
const BUILD: &str = "FROM golang:1.27-alpine AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\n\
    ARG VERSION=dev\nRUN CGO_ENABLED=0 go build -trimpath -ldflags=\"-s -w -X main.version=${VERSION}\" -o /server .\n";
/// The end of most: a final stage with nothing wrong.
const END: &str = "FROM scratch\nCOPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\n\
    COPY --from=build /server /server\nUSER 65532:65532\nENTRYPOINT [\"/server\"]\n";

/// A line `@BUILD` or `@END` stands for those, `@ALPINE` or `@DEBIAN` for a final stage that lacks only the start, `@GO COMMAND`
/// for a stage with only this build command.
pub(super) fn whole(text: &str) -> String {
    let text = text.replace("@BUILD\n", BUILD).replace("@END\n", END);
    let text = text.replace("@ALPINE\n", SH_END).replace("@DEBIAN\n", DEBIAN_END);
    let go = "FROM golang:1.27 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN ";
    text.replace("@GO ", go)
}

const FLAGS: &str = "-trimpath -ldflags=\"-s -w -X main.version=1\" -o /server .";
const SH_END: &str = "FROM alpine:3.22\nCOPY --from=build /server /server\nUSER 65532:65532\n";
const DEBIAN_END: &str = "FROM debian:12-slim\nCOPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\n\
    COPY --from=build /server /server\nUSER 65532:65532\n";

/// What a Dockerfile of the corpus has of a finding.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Has {
    It,
    Nothing,
    /// Less than its usual severity, as what was seen allows for a reason.
    Note,
}

/// The corpus: a file for each id, with the Dockerfiles that have it and those that nearly have it. Each begins behind a line
/// `=== has it`, `=== has it not` or `=== has it as a note`; an empty line before the next does not count. Its first lines may be `!ignore` (there is no
/// .dockerignore) and `!NAME=LINE\nLINE` (a file of that name, and what is in it).
fn corpus() -> Vec<(String, Has, String)> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/corpus");
    let mut cases = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = format!("\n{}", fs::read_to_string(&path).unwrap());
        for case in text.split("\n=== ").skip(1) {
            let (head, dockerfile) = case.split_once('\n').unwrap();
            let has = match head {
                "has it" => Has::It,
                "has it not" => Has::Nothing,
                "has it as a note" => Has::Note,
                other => panic!("{}: === {other}", path.display()),
            };
            cases.push((id.clone(), has, format!("{}\n", dockerfile.trim_end_matches('\n'))));
        }
    }
    cases
}

fn case(text: &str) -> Vec<(String, String, u64)> {
    with_its_context(text, &|text, beside| found(text, beside))
}

/// The same, in a format.
pub(super) fn case_in(text: &str, format: &str) -> String {
    with_its_context(text, &|text, beside| said(text, beside, format))
}

/// What is asked of a Dockerfile and the files beside it.
type Ask<'a, T> = &'a dyn Fn(&str, &[(&str, &str)]) -> T;

fn with_its_context<T>(text: &str, ask: Ask<'_, T>) -> T {
    let mut text = text;
    let mut own: Vec<(&str, String)> = Vec::new();
    let mut ignores = true;
    while let Some((line, rest)) = text.strip_prefix('!').and_then(|rest| rest.split_once('\n')) {
        match line.split_once('=') {
            Some((name, content)) => own.push((name, content.replace("\\n", "\n"))),
            None => assert_eq!(line, "ignore"),
        }
        ignores &= line != "ignore" && !line.starts_with(".dockerignore=");
        text = rest;
    }
    let text = text.replace("$FLAGS", FLAGS).replace("@NBSP", "\u{a0}");
    let mut beside = vec![
        ("go.mod", "module x\nrequire y v1.0.0\n"),
        ("go.sum", "y v1.0.0 h1:x=\n"),
        ("backend/go.mod", "module x\nrequire y v1.0.0\n"),
        ("docker/start.sh", "#!/bin/sh\nmigrate\n/server\n"),
        ("docker/drops.sh", "#!/bin/sh\nchown app /data\nexec su-exec app \"$@\"\n"),
        ("docker/exec.sh", "#!/bin/sh\nmigrate\nexec \"$@\"\n"),
        ("docker/crlf.sh", "#!/bin/sh\r\nexec /server\r\n"),
        ("docker/bare.sh", "exec /server\n"),
        ("new/go.mod", "module x\n\ngo 1.26.3\n"),
        ("best/go.mod", "module x\n\ngo 1.20 // as before\n\ntoolchain go1.26.3\n"),
        ("plain/go.mod", "module x\n\ngo 1.26\n"),
        (
            "web/web.go",
            "package web\n\n//go:embed page.html\nvar page string\n\n//go:embed all:static/*.css\nvar files embed.FS\n",
        ),
        ("main.go", "package main\n\nimport _ \"example.com/y\"\n\nconst upstream = \"https://example.com\"\n"),
        ("web/page.html", "<p>\n"),
        ("web/static/a.css", "p {}\n"),
    ];
    beside.extend(ignores.then_some((".dockerignore", ".git\n")));
    beside.extend(own.iter().map(|(name, content)| (*name, content.as_str())));
    ask(&whole(&text), &beside)
}

#[test]
fn each_finding_has_one_that_has_it_and_one_that_has_not() {
    let mut wrong = Vec::new();
    for (id, wanted, text) in corpus() {
        let found = case(&text);
        let mut severities =
            found.iter().filter(|(found, ..)| *found == id).map(|(_, severity, _)| severity).peekable();
        let is_right = match wanted {
            Has::It => severities.peek().is_some(),
            Has::Nothing => severities.peek().is_none(),
            Has::Note => severities.peek().is_some() && severities.all(|severity| severity == "note"),
        };
        if !is_right {
            wrong.push(format!("{id} should be found: {wanted:?}\n{text}{found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_id_for_dockerfiles_is_in_the_corpus() {
    let corpus = corpus();
    for rule in goward::check::table::ALL.iter().filter(|rule| rule.id.starts_with("GW3")) {
        for wanted in [Has::It, Has::Nothing] {
            let there = corpus.iter().any(|(id, has, _)| id == rule.id && *has == wanted);
            assert!(there, "{} ({}) lacks one that has it: {wanted:?}", rule.id, rule.title);
        }
    }
}

#[test]
fn good_dockerfiles_have_nothing() {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "Dockerfile.example",
        "examples/dockerfiles/good/Dockerfile",
        "examples/dockerfiles/three-ways/Dockerfile",
        "packaging/Dockerfile",
        "examples/compose.yaml",
    ] {
        let mut command = Command::new(GOWARD);
        command.args(["check", "--fail-on=note", "--dockerfile"]).arg(repository.join(file)).current_dir(repository);
        let outcome = run(&mut command, LIMIT);
        assert_eq!(outcome.ending, Ending::Exited(0), "{file}\n{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stdout.contains("nothing found"), "{}", outcome.stdout);
    }
    assert_eq!(case("@BUILD\n@END\n"), []);
}

/// The shell of the base decides how much the shell form matters.
#[test]
fn the_shell_form_by_shell() {
    let severity = |text: &str| case(text).into_iter().find(|(id, ..)| id == "GW301").map(|(_, severity, _)| severity);
    assert_eq!(severity("@BUILD\n@DEBIAN\nENTRYPOINT /server\n").as_deref(), Some("warning"));
    assert_eq!(severity("@BUILD\n@ALPINE\nENTRYPOINT /server\n").as_deref(), Some("note"));
    assert_eq!(severity("@BUILD\n@ALPINE\nENTRYPOINT /server | cat\n").as_deref(), Some("warning"));
    assert_eq!(
        severity("@BUILD\n@DEBIAN\nSHELL [\"/bin/bash\", \"-c\"]\nENTRYPOINT /server\n").as_deref(),
        Some("note")
    );
    assert_eq!(severity("FROM example.com/unknown:1\nENTRYPOINT /server\n").as_deref(), Some("warning"));
}

#[test]
fn what_cannot_be_known_is_not_guessed() {
    for quiet in [
        // A base that nobody knows may have a user, certificates, a shell.
        "@BUILD\nFROM example.com/base:1\nCOPY --from=build /server /server\nHEALTHCHECK CMD curl -f localhost\nENTRYPOINT [\"/server\"]\n",
        // Known only when it is built.
        "ARG BASE\n@BUILD\nFROM ${BASE}\nCOPY --from=build /server /server\nENTRYPOINT [\"/server\"]\n",
        // Whatever is in it.
        "@BUILD\nFROM scratch\nADD rootfs.tar.gz /\nUSER app:app\nENTRYPOINT [\"/bin/sh\", \"-c\", \"exec /server\"]\n",
        // The script changes the user.
        "@BUILD\nFROM alpine:3.22\nCOPY docker/drops.sh /start.sh\nENTRYPOINT [\"/start.sh\"]\n",
        // The modules came in the stage before.
        "FROM golang:1.27-alpine AS base\nCOPY go.mod go.sum ./\nRUN go mod download\nFROM base AS build\nCOPY . .\nRUN go build $FLAGS\n@END\n",
        // Inherited from an earlier stage.
        "@BUILD\nFROM alpine:3.22 AS base\nUSER 65532:65532\nENTRYPOINT [\"/goward\", \"--\"]\nFROM base\nCOPY --from=build /server /server\nCMD [\"/server\"]\n",
    ] {
        let found: Vec<_> =
            case(quiet).into_iter().filter(|(id, severity, _)| severity != "note" && id != "GW309").collect();
        assert_eq!(found, [], "{quiet}");
    }
}

/// The Dockerfiles of a usual guide to Go in production: the first try, and what it arrives at with an init.
#[test]
fn the_guides_dockerfiles() {
    let naive = "FROM golang:1.22\nWORKDIR /app\nCOPY . .\nRUN go mod download\nRUN go build -o server ./cmd/server\nEXPOSE 8080\nCMD ./server\n";
    let ids: Vec<String> = case(&format!("!ignore\n{naive}")).into_iter().map(|(id, ..)| id).collect();
    for wanted in ["GW302", "GW307", "GW311", "GW314", "GW318", "GW319", "GW322", "GW330"] {
        assert!(ids.iter().any(|id| id == wanted), "{wanted} is missing in {ids:?}");
    }
    let last = "FROM golang:1.22-alpine AS builder\nRUN apk add --no-cache git ca-certificates tzdata\nWORKDIR /app\n\
        COPY go.mod go.sum ./\nRUN go mod download && go mod verify\nCOPY . .\nARG VERSION=dev\n\
        RUN CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath \\\n    -ldflags=\"-w -s -X main.version=${VERSION} -X main.buildTime=$(date -u +%Y)\" \\\n    -o /app/server ./cmd/server\n\n\
        FROM alpine:3.19\nRUN apk --no-cache add ca-certificates tzdata tini && \\\n    addgroup -g 1001 -S app && adduser -u 1001 -S app -G app\n\
        WORKDIR /app\nCOPY --from=builder --chown=app:app /app/server .\nUSER app\nEXPOSE 8080\n\
        HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \\\n    CMD wget --no-verbose --tries=1 --spider http://localhost:8080/health || exit 1\n\
        ENTRYPOINT [\"/sbin/tini\", \"--\"]\nCMD [\"/app/server\"]\n";
    let found = case(last);
    assert!(found.iter().all(|(_, severity, _)| severity == "note"), "{found:?}");
    assert!(found.iter().any(|(id, ..)| id == "GW322") && found.iter().any(|(id, ..)| id == "GW323"), "{found:?}");
}

/// Every option of goward's own, with its value or without, before the program: a script that does not exec is found behind.
#[test]
fn behind_every_option_of_goward() {
    use goward::cli::table::Take;
    use goward::commands::run::options::OPTIONS;
    for option in OPTIONS.all.iter().filter(|option| option.name != "group") {
        let value = match option.take {
            Take::Switch(_) => "",
            Take::Value(..) | Take::Expanded(..) | Take::Repeated(..) | Take::List(..) => "\"1:1\", ",
        };
        let start = format!("ENTRYPOINT [\"/goward\", \"--{}\", {value}\"/start.sh\"]\n", option.name);
        let found = case(&format!("@BUILD\n@DEBIAN\nCOPY docker/start.sh /start.sh\n{start}"));
        assert!(found.iter().any(|(id, ..)| id == "GW305"), "check/launch.rs does not know {start}{found:?}");
    }
}

#[test]
fn comments_keep_findings_out() {
    let bad = "FROM alpine:3.22\nUSER 1:1\n# goward: ignore=GW302 ash becomes the server\nCMD /server\n";
    assert_eq!(case(bad), []);
    let elsewhere = bad
        .replace("# goward: ignore=GW302 ash becomes the server\n", "")
        .replace("USER", "# goward: ignore=GW302 no\nUSER");
    // And that it ignores nothing is said.
    let told = [("GW337".to_owned(), "note".to_owned(), 2), ("GW302".to_owned(), "note".to_owned(), 4)];
    assert_eq!(case(&elsewhere), told);
}

/// What only may be is no error.
#[test]
fn cgo_by_how_sure_it_is() {
    let severity = |text: &str| case(text).into_iter().find(|(id, ..)| id == "GW316").map(|(_, severity, _)| severity);
    assert_eq!(severity("@GO go build $FLAGS\n@END\n").as_deref(), Some("error"));
    assert_eq!(severity("@GO GOOS=linux GOARCH=amd64 go build $FLAGS\n@END\n").as_deref(), Some("warning"));
    assert_eq!(severity("@GO go build -tags=netgo $FLAGS\n@END\n").as_deref(), Some("note"));
}

/// Before there were modules, what was needed stood in vendor.
#[test]
fn vendored_without_modules() {
    let has = |beside: &[(&str, &str)]| {
        let text = "FROM golang:1.27 AS build\nCOPY . .\nRUN go build -o /server .\n@END\n";
        found(&whole(text), beside).iter().any(|(id, ..)| id == "GW314")
    };
    let (package, module) = (("vendor/example.com/y/y.go", "package y\n"), ("go.mod", "module x\nrequire y v1.0.0\n"));
    assert!(!has(&[package]));
    assert!(has(&[]) && has(&[module]) && has(&[module, package]));
}

/// What a file may have its reasons for weighs less.
#[test]
fn severities_by_what_was_seen() {
    let module = ("go.mod", "module x\nrequire y v1.0.0\n");
    let severity = |id: &str, text: &str, beside: &[(&str, &str)]| {
        let found = found(&whole(text), &[&[module], beside].concat());
        found.into_iter().find(|(found, ..)| found == id).map(|(_, severity, _)| severity).unwrap_or_default()
    };
    // Root, where something is there that only root may do.
    let root =
        "@BUILD\nFROM alpine:3.22\nRUN apk add --no-cache PACKAGE\nCOPY --from=build /server /\nCMD [\"/server\"]\n";
    assert_eq!(severity("GW307", &root.replace("PACKAGE", "iptables"), &[]), "note");
    assert_eq!(severity("GW307", &root.replace("PACKAGE", "curl"), &[]), "warning");
    assert_eq!(severity("GW308", &root.replace("PACKAGE", "iptables\nUSER root"), &[]), "note");
    let copied = root.replace("apk add --no-cache PACKAGE", "true\nCOPY --from=alpine:3.22 /usr/bin/nsenter /usr/bin/");
    assert_eq!(severity("GW307", &copied, &[]), "note");
    let script = "FROM alpine:3.22\nCOPY plugin install.sh /\nCMD [\"/install.sh\"]\n";
    let beside = |text: &'static str| [("install.sh", text)];
    assert_eq!(severity("GW307", script, &beside("#!/bin/sh\ncp /plugin /host/opt/cni/bin/\n")), "note");
    assert_eq!(severity("GW307", script, &beside("#!/bin/sh\ncp /plugin /opt/cni/bin/\n")), "warning");
    // Above the context: a pattern matches something of it.
    assert_eq!(severity("GW352", "FROM scratch\nCOPY ../* /\n", &[]), "warning");
    assert_eq!(severity("GW352", "FROM scratch\nCOPY ../x /\n", &[]), "error");
    let requires = |line: &'static str| [("go.mod", line)];
    let plain = "FROM alpine:3.22\nCOPY server /\nCMD [\"/server\"]\n";
    assert_eq!(severity("GW307", plain, &requires("module x\nrequire github.com/docker/docker v28.0.0\n")), "note");
    let indirect = "module x\nrequire github.com/docker/docker v28.0.0 // indirect\n";
    assert_eq!(severity("GW307", plain, &requires(indirect)), "warning");
    // The toolchain, where the program comes from another stage, or nothing is started.
    let chosen = "@BUILD\nFROM golang:1.27\nCOPY --from=build /server /server\nCMD [\"/server\"]\n";
    assert_eq!(severity("GW311", chosen, &[]), "note");
    assert_eq!(severity("GW311", &chosen.replace("CMD", "COPY . .\nRUN go build .\nCMD"), &[]), "warning");
    let single = "FROM golang:1.27\nCOPY . .\nRUN go build .\n";
    assert_eq!(severity("GW311", single, &[]), "note");
    assert_eq!(severity("GW311", &format!("{single}CMD [\"/server\"]\n"), &[]), "warning");
    // Certificates, where the sources connect, or may.
    let scratch = "@BUILD\nFROM scratch\nCOPY --from=build /server /server\nCMD [\"/server\"]\n";
    assert_eq!(severity("GW320", scratch, &[]), "warning");
    assert_eq!(severity("GW320", scratch, &[("main.go", "http.ListenAndServe(\":80\", nil)\n")]), "note");
    assert_eq!(severity("GW320", scratch, &[("main.go", "http.Get(\"https://example.com\")\n")]), "warning");
    assert_eq!(severity("GW320", scratch, &[("main.go", ""), ("hack/a.go", "tls.Dial(x)\n")]), "note");
    assert_eq!(severity("GW320", "FROM scratch\nCOPY server /server\nCMD [\"/server\"]\n", &[]), "note");
    // A program that nothing brings, where others may be made of this image.
    let lacks = "FROM alpine:3.22\nCOPY a b /tools/\nENTRYPOINT [\"/server\"]\n";
    assert_eq!(severity("GW347", lacks, &[]), "warning");
    assert_eq!(severity("GW347", &lacks.replace("a b", "a server"), &[]), "error");
    // An interpreter, where a package that is installed may depend on it.
    let bash = "FROM alpine:3.22\nRUN apk add --no-cache PACKAGE\nCOPY start.sh /\nCMD [\"/start.sh\"]\n";
    let beside = [("start.sh", "#!/bin/bash\nexec /server\n")];
    assert_eq!(severity("GW349", &bash.replace("PACKAGE", "tini"), &beside), "error");
    assert_eq!(severity("GW349", &bash.replace("PACKAGE", "some-tool"), &beside), "warning");
    assert_eq!(severity("GW349", &bash.replace("PACKAGE", "wireguard-tools"), &beside), "");
}

/// In a repository the path of a Dockerfile says what its image is for, wherever the check is started.
#[test]
fn the_path_says_what_it_is_for() {
    let scratch = Scratch::new();
    scratch.file("x", "", 0o644);
    fs::create_dir_all(scratch.path(".git")).unwrap();
    for (path, severity) in [("test/e2e/Dockerfile", "note"), ("cmd/e2e-server/Dockerfile", "warning")] {
        let file = scratch.path(path);
        let directory = file.parent().unwrap();
        fs::create_dir_all(directory).unwrap();
        fs::write(&file, "FROM alpine:3.22\nCOPY server /\nCMD [\"/server\"]\n").unwrap();
        for (from, name) in [(scratch.path(""), path), (directory.to_owned(), "Dockerfile")] {
            let mut command = Command::new(GOWARD);
            command.args(["check", "--fail-on=never", "--format=json", name]).current_dir(&from);
            let outcome = run(&mut command, LIMIT);
            let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
            let root = report["findings"].as_array().unwrap().iter().find(|one| one["id"] == "GW307").unwrap();
            assert_eq!(root["severity"], severity, "{name} from {}", from.display());
        }
    }
}

/// make rather than a script before it, which may install something only.
#[test]
fn who_builds_it() {
    let line = |text: &str| case(text).into_iter().find(|(id, ..)| id == "GW333").map(|(.., line)| line);
    assert_eq!(line("@GO ./install.sh helm\nRUN make all\n@END\n"), Some(7));
    assert_eq!(line("@GO ./install.sh helm\nRUN ./hack/build.sh\n@END\n"), Some(7));
}

/// And rather when all sources are there: before that make builds what was downloaded.
#[test]
fn make_of_what_is_downloaded() {
    let line = |text: &str| case(text).into_iter().find(|(id, ..)| id == "GW333").map(|(.., line)| line);
    let build = "FROM golang:1.27 AS build\nRUN wget -q https://example.com/re2.tar.gz && tar -xf re2.tar.gz && make\n";
    assert_eq!(line(&format!("{build}COPY . .\nRUN make release\nRUN make clean\n@END\n")), Some(4));
    assert_eq!(line(&format!("{build}@END\n")), Some(2));
    let several =
        "FROM golang:1.27 AS build\nCOPY . .\nRUN make generate\nRUN make build\nCOPY bpf .\nRUN make\n@END\n";
    assert_eq!(line(several), Some(4));
}

/// go build finds the version in a repository, where git is there and the repository too.
#[test]
fn stamped_by_the_repository() {
    let has = |text: &str, beside: &[(&str, &str)]| found(&whole(text), beside).iter().any(|(id, ..)| id == "GW319");
    let (git, module) = ((".git/HEAD", "ref: refs/heads/main\n"), ("go.mod", "module x\n"));
    let build = |image: &str, command: &str| format!("FROM {image} AS build\nCOPY . .\nRUN {command}\n@END\n");
    let plain = build("golang:1.27", "CGO_ENABLED=0 go build -ldflags=-s -o /server .");
    assert!(!has(&plain, &[git, module]));
    // No repository, or one that is not sent; no git; no package; told not to; before Go 1.24.
    assert!(has(&plain, &[module]));
    assert!(has(&plain, &[git, module, (".dockerignore", ".git\n")]));
    assert!(has(&plain.replace("COPY . .", "COPY cmd cmd"), &[git, module]));
    // The whole context is mounted, or a directory of it.
    let mounted = |mount: &str| plain.replace("COPY . .\nRUN ", &format!("WORKDIR /src\nRUN --mount={mount} "));
    assert!(!has(&mounted("target=."), &[git, module]));
    assert!(!has(&mounted("type=bind,target=."), &[git, module]));
    assert!(has(&mounted("type=bind,source=cmd,target=cmd"), &[git, module]));
    assert!(has(&mounted("type=cache,target=/root/.cache"), &[git, module]));
    assert!(has(&build("golang:1.27-alpine", "go build -ldflags=-s -o /server ."), &[git, module]));
    assert!(!has(
        &build("golang:1.27-alpine", "apk add --no-cache git && go build -ldflags=-s -o /server ."),
        &[git, module]
    ));
    assert!(has(&build("golang:1.27", "CGO_ENABLED=0 go build -ldflags=-s -o /server main.go"), &[git, module]));
    assert!(has(
        &build("golang:1.27", "CGO_ENABLED=0 go build -buildvcs=false -ldflags=-s -o /server ."),
        &[git, module]
    ));
    assert!(has(&build("golang:1.23", "CGO_ENABLED=0 go build -ldflags=-s -o /server ."), &[git, module]));
    let clone = "FROM golang:1.27 AS build\nRUN git clone https://example.com/x /src\nWORKDIR /src\n\
        RUN CGO_ENABLED=0 go build -ldflags=-s -o /server .\n@END\n";
    assert!(!has(clone, &[]));
    assert!(has(&clone.replace("git clone", "cp -r"), &[]));
}

/// What the sources beside a Dockerfile say of themselves.
#[test]
fn the_sources_are_read() {
    let has = |id: &str, text: &str, beside: &[(&str, &str)]| {
        found(&whole(text), &[beside, &[("go.mod", "module x\n")]].concat()).iter().any(|(found, ..)| *found == id)
    };
    let build = "@GO CGO_ENABLED=0 go build -ldflags=-s -o /server .\n@END\n";
    for line in [
        "const Version string = \"1.2.3\"",
        "var version = \"v1.2.3-dev\"",
        "\tVERSION     = \"2.7\" // this one",
        "//go:embed version.txt",
        "\tversion, err := os.ReadFile(\"./VERSION\")",
    ] {
        assert!(!has("GW319", build, &[("main.go", line)]), "{line}");
    }
    for line in ["const minimalVersion = \"1.2.3\"", "version := \"unknown\"", "Version: \"1.2\",", "//go:embed web"] {
        assert!(has("GW319", build, &[("main.go", line)]), "{line}");
    }
    assert!(!has("GW319", build, &[("internal/version/version.go", "const Value = \"v1.2.3\"")]));

    let roots = ("go.mod", "module x\nrequire github.com/breml/rootcerts v0.3.7\n");
    let bare = "@BUILD\nFROM scratch\nCOPY --from=build /server /server\nUSER 1:1\nENTRYPOINT [\"/server\"]\n";
    assert!(has("GW320", bare, &[]) && !found(&whole(bare), &[roots]).iter().any(|(id, ..)| id == "GW320"));

    let make = "FROM golang:1.27 AS build\nCOPY . .\nRUN make server\n@END\n";
    let told = |makefile: &str| has("GW331", make, &[(".dockerignore", "bin\n"), ("Makefile", makefile)]);
    assert!(told("server:\n\tgo build -o /server .\n"));
    assert!(!told("VERSION := $(shell git describe)\nserver:\n\tgo build -o /server .\n"));
    assert!(!told("include common.mk\n"));
}

/// A directory of a repository has no .git of its own.
#[test]
fn a_context_inside_of_a_repository() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path(".git")).unwrap();
    fs::create_dir_all(scratch.path("svc")).unwrap();
    for directory in ["", "svc/"] {
        scratch.file(&format!("{directory}Dockerfile"), "FROM alpine:3.23\nCOPY . /app\n", 0o644);
        scratch.file(&format!("{directory}.dockerignore"), "bin\n", 0o644);
    }
    let has = |file: &str, context: &str| {
        let mut command = Command::new(GOWARD);
        command.args(["check", "--fail-on=never", "--context", context, file]).current_dir(scratch.path(""));
        run(&mut command, LIMIT).stdout.contains("GW331")
    };
    assert!(has("Dockerfile", "."));
    assert!(!has("svc/Dockerfile", "svc"));
    // Nor where it is one of the two that may be it.
    let mut command = Command::new(GOWARD);
    command.args(["check", "--fail-on=never", "svc/Dockerfile"]).current_dir(scratch.path(""));
    let either = run(&mut command, LIMIT).stdout;
    assert!(either.contains("perhaps svc") && !either.contains("GW331"), "{either}");
}

/// From the Dockerfile's own directory the context may be one above it, of the same repository.
#[test]
fn a_context_above_the_current_directory() {
    let text = "FROM golang:1.26 AS build\nCOPY ../go.mod ../go.sum ./\nCOPY . .\nRUN go build -o /server .\n";
    let found = |git: bool, own: bool| {
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.path("a/deploy")).unwrap();
        if git {
            fs::create_dir_all(scratch.path("a/.git")).unwrap();
        }
        scratch.file("a/go.mod", "module x\n\ngo 1.27\n", 0o644);
        scratch.file("a/go.sum", "", 0o644);
        scratch.file("a/.dockerignore", ".git\n", 0o644);
        scratch.file("a/deploy/Dockerfile", text, 0o644);
        if own {
            scratch.file("a/deploy/go.mod", "module y\n\ngo 1.26\n", 0o644);
            scratch.file("a/deploy/go.sum", "", 0o644);
        }
        let mut command = Command::new(GOWARD);
        command.args(["check", "--fail-on=never", "Dockerfile"]).current_dir(scratch.path("a/deploy"));
        run(&mut command, LIMIT).stdout
    };
    let above = found(true, false);
    assert!(above.contains("context: .. (a directory above the Dockerfile"), "{above}");
    assert!(!above.contains("error GW352") && !above.contains("GW330") && above.contains("GW354"), "{above}");
    // A module of its own is built where it is, and outside of a repository nothing is known of what is above.
    for text in [found(true, true), found(false, true), found(false, false)] {
        assert!(text.contains("context: . (the current directory)") && text.contains("GW330"), "{text}");
    }
}

/// A script is made executable by the name that it has in the image, too.
#[test]
fn a_script_that_is_copied_to_another_name() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path(".git")).unwrap();
    scratch.file("lite.sh", "#!/bin/sh\nexec /server\n", 0o644);
    let has = |changed: &str| {
        let text = format!(
            "FROM alpine:3.23\nCOPY lite.sh /entrypoint.sh\nRUN chmod +x {changed}\nCMD [\"/entrypoint.sh\"]\n"
        );
        scratch.file("Dockerfile", &text, 0o644);
        let mut command = Command::new(GOWARD);
        command.args(["check", "--fail-on=never", "Dockerfile"]).current_dir(scratch.path(""));
        run(&mut command, LIMIT).stdout.contains("GW349")
    };
    assert!(!has("/entrypoint.sh"));
    assert!(has("/other"));
}

/// What holds for both directories that may be the context is said.
#[test]
fn a_go_mod_that_is_newer_in_both() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("svc")).unwrap();
    scratch.file("svc/Dockerfile", "FROM golang:1.26 AS build\nCOPY . .\nRUN go build -o /server .\n", 0o644);
    scratch.file("svc/go.mod", "module y\n\ngo 1.27\n", 0o644);
    let has = |root: &str| {
        scratch.file("go.mod", root, 0o644);
        let mut command = Command::new(GOWARD);
        command.args(["check", "--fail-on=never", "svc/Dockerfile"]).current_dir(scratch.path(""));
        let outcome = run(&mut command, LIMIT).stdout;
        assert!(outcome.contains("perhaps"), "{outcome}");
        outcome.contains("GW354")
    };
    assert!(has("module x\n\ngo 1.27.1\n"));
    assert!(!has("module x\n\ngo 1.26\n"));
}

/// The mend keeps what else the tag says.
#[test]
fn another_golang_of_the_same_kind() {
    for (image, mend) in [
        ("golang", "golang:1.27"),
        ("golang:1", "golang:1.27"),
        ("golang:alpine", "golang:1.27-alpine"),
        ("golang:1-bookworm", "golang:1.27-bookworm"),
        ("golang:latest", "golang:1.27"),
        ("golang:alpine3.23", "golang:1.27-alpine3.23"),
        ("golang:alpine3.18", "golang:1.27-alpine"),
        ("golang:1-buster", "golang:1.27"),
    ] {
        let said = said(&format!("FROM {image} AS build\n"), &[], "json");
        assert!(said.contains(&format!("name {mend}\"")), "{image}\n{said}");
    }
}

/// The sources are in it only where they were copied.
#[test]
fn what_a_single_stage_ships() {
    let server = "FROM golang:1.27\nCOPY server /server\nCMD [\"/server\"]\n";
    let text = |dockerfile: &str| said(dockerfile, &[], "text");
    assert!(text(server).contains("with the toolchain\n"), "{}", text(server));
    let built = server.replace("COPY server /server", "COPY . .\nRUN go build -o /server .");
    assert!(text(&built).contains("the toolchain and the sources"), "{}", text(&built));
}

/// What downloads the modules is named.
#[test]
fn who_downloads_the_modules() {
    let text = |command: &str| {
        let dockerfile = format!("FROM golang:1.27-alpine\nCOPY . .\nRUN {command}\nRUN go build -o /server .\n");
        said(&dockerfile, &[("go.mod", "module x\nrequire y v1.0.0\n")], "text")
    };
    assert!(text("go mod tidy").contains("COPY . stands before go mod tidy: "), "{}", text("go mod tidy"));
    assert!(text("go vet").contains("before go build: every edit"), "{}", text("go vet"));
}

/// Neither thousands of variables nor stages that begin with each other take long, or much memory.
#[test]
fn long_ones_are_read_at_once() {
    let mut variables = "FROM alpine:3.22\n".to_owned();
    (0..6000).for_each(|at| variables.push_str(&format!("ENV A{at}=$A{}\n", at / 2)));
    let mut stages = "FROM alpine:3.22 AS s0\n".to_owned();
    (1..3000).for_each(|at| stages.push_str(&format!("FROM s{} AS s{at}\nCOPY a{at} /a{at}\n", at - 1)));
    // What doubles with each line, and what is long in many places.
    let doubled = format!("FROM alpine:3.22\nENV A=aaaaaaaaaa\n{}", "ENV A=$A$A\n".repeat(40));
    let long = format!("FROM alpine:3.22\nENV A={}\nCOPY {}/\n", "a".repeat(15_000), "$A ".repeat(300_000));
    // Names that nothing sets, beside many that are; and copies from a stage with many commands.
    let mut misspelt = "FROM alpine:3.22\n".to_owned();
    (0..200).for_each(|at| {
        misspelt.push_str(&format!("ARG A_RATHER_LONG_NAME_OF_AN_ARGUMENT_{}\n", "X".repeat(at % 20 + 1)))
    });
    (0..3000).for_each(|at| {
        misspelt.push_str(&format!("RUN echo $A_RATHER_LONG_NAME_OF_AN_{at}_ARGUMENT_XX $B{at}ABCDEFGH\n"))
    });
    let mut copies = "FROM golang:1.27 AS a\n".to_owned();
    (0..3000).for_each(|at| copies.push_str(&format!("RUN go build -o /out/s{at} .\n")));
    copies.push_str("FROM alpine:3.22\n");
    (0..3000).for_each(|at| copies.push_str(&format!("COPY --from=a /s{at} /s{at}\n")));
    for text in [variables, stages, doubled, long, misspelt, copies] {
        let begin = std::time::Instant::now();
        found(&text, &[]);
        assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

/// BuildKit reads NAME.dockerignore first.
#[test]
fn the_dockerignore_of_the_dockerfile_itself() {
    let text = whole("@BUILD\n@END\n");
    let go = ("go.mod", "module x\nrequire y v1.0.0\n");
    assert_eq!(found(&text, &[go, ("Dockerfile.dockerignore", "*\n!go.mod\n")]), []);
    let ids: Vec<_> = found(&text, &[go, ("Dockerfile.dockerignore", "bin\n"), (".dockerignore", ".git\n")]);
    assert_eq!(ids, [("GW331".to_owned(), "note".to_owned(), 5)]);
}
