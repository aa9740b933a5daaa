//! In real builds FROM scratch, as a user has it in a Dockerfile; and `--go-env` in a real container with limits.

use super::images::{MAIN, build};
use crate::support::{Ending, GOWARD, LIMIT, Outcome, Scratch, run, skipped};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}

fn docker_is_there() -> bool {
    let there = docker(&["info"]).output().is_ok_and(|out| out.status.success());
    there || skipped("no Docker daemon answers")
}

/// A name that nobody else has.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("goward-check-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A build context with goward, the server and certificates.
fn context(server: &Path) -> Scratch {
    let context = Scratch::new();
    std::fs::copy(GOWARD, context.path("goward")).unwrap();
    std::fs::copy(server, context.path("server")).unwrap();
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/valid.pem");
    std::fs::copy(certificates, context.path("ca-certificates.crt")).unwrap();
    std::fs::create_dir(context.path("tmp")).unwrap();
    context
}

/// Builds it without a cache, and takes it away again.
fn built(context: &Scratch, dockerfile: &str) -> Outcome {
    let tag = unique();
    let dockerfile = dockerfile.replacen("FROM scratch\n", &format!("FROM scratch\nLABEL goward-check={tag}\n"), 1);
    let file = context.file("Dockerfile", &dockerfile, 0o644);
    let mut command = docker(&["build", "--no-cache", "--force-rm", "-t", &tag, "-f"]);
    let outcome = run(command.arg(file).arg(context.path("")), LIMIT * 6);
    let _ = run(&mut docker(&["rmi", "-f", &tag]), LIMIT * 3);
    // A build that failed leaves what it had got to, without a name.
    let label = format!("label=goward-check={tag}");
    let _ = run(&mut docker(&["image", "prune", "-f", "--filter", &label]), LIMIT * 3);
    outcome
}

const CHECK: &str = "RUN [\"/goward\", \"check\", \"--user\", \"65532\", \"--writable\", \"/data\", \"/server\"]\n";
const GOOD: &str = "FROM scratch\nCOPY goward server /\nCOPY ca-certificates.crt /etc/ssl/certs/\n\
    COPY --chown=65532:65532 tmp /data/\nUSER 0\n";

#[test]
fn a_build_fails_where_something_is_missing() {
    if !docker_is_there() {
        return;
    }
    let flags = ["-trimpath", "-ldflags=-s -w -X main.version=1.2.3"];
    let Some(server) = build(None, MAIN, &[], &flags) else { return };
    let context = context(&server);
    let good = built(&context, &format!("{GOOD}{CHECK}"));
    assert_eq!(good.ending, Ending::Exited(0), "{}{}", good.stdout, good.stderr);

    let without = GOOD.replace("COPY ca-certificates.crt /etc/ssl/certs/\n", "");
    let closed = GOOD.replace("--chown=65532:65532 ", "");
    let cases = [
        (without.as_str(), CHECK, ["GW205", "/etc/ssl/certs/ca-certificates.crt", "fix: COPY"]),
        (&closed, CHECK, ["GW204", "/data", "fix: COPY --chown=65532"]),
        (GOOD, &CHECK.replace("/server\"", "/sever\""), ["GW101", "/sever does not exist", "fix: COPY"]),
    ];
    for (dockerfile, check, said) in cases {
        let failed = built(&context, &format!("{dockerfile}{check}"));
        let text = [failed.stdout.as_str(), &failed.stderr].concat();
        assert!(failed.ending != Ending::Exited(0), "{text}");
        assert!(said.iter().all(|part| text.contains(part)), "{said:?} in\n{text}");
    }
}

/// The classic: no such file or directory, though it is there.
#[test]
fn a_build_fails_for_a_server_with_cgo() {
    if !docker_is_there() {
        return;
    }
    if !crate::support::requires("gcc") {
        return;
    }
    let source = MAIN.replace("package main\n", "package main\n\nimport \"C\"\n");
    let Some(server) = build(None, &source, &[("CGO_ENABLED", "1")], &["-ldflags=-s"]) else { return };
    let failed = built(&context(&server), &format!("{GOOD}{CHECK}"));
    let text = [failed.stdout.as_str(), &failed.stderr].concat();
    assert!(failed.ending != Ending::Exited(0), "{text}");
    for part in ["GW103", "/lib64/ld-linux-x86-64.so.2", "fix: CGO_ENABLED=0 go build"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

/// What the server finds in its environment.
#[test]
fn go_env_in_a_container_with_limits() {
    if !docker_is_there() {
        return;
    }
    let source = "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"runtime\"\n)\n\nfunc main() {\n\tfor _, name := range []string{\"GOMEMLIMIT\", \"GOMAXPROCS\", \"GOTRACEBACK\"} {\n\
        \t\tvalue, set := os.LookupEnv(name)\n\t\tfmt.Println(name, value, set)\n\t}\n\tfmt.Println(\"PROCS\", runtime.GOMAXPROCS(0))\n}\n";
    let (Some(new), Some(old)) = (build(None, source, &[], &[]), build(Some("1.24.11"), source, &[], &[])) else {
        return;
    };
    let scratch = Scratch::new();
    std::fs::copy(GOWARD, scratch.path("goward")).unwrap();
    std::fs::copy(new, scratch.path("new")).unwrap();
    std::fs::copy(old, scratch.path("old")).unwrap();
    let file =
        scratch.file("Dockerfile", "FROM scratch\nCOPY goward new old /\nENTRYPOINT [\"/goward\", \"-q\"]\n", 0o644);
    let tag = unique();
    let mut build = docker(&["build", "-q", "-t", &tag, "-f"]);
    let outcome = run(build.arg(file).arg(scratch.path("")), LIMIT * 3);
    assert_eq!(outcome.ending, Ending::Exited(0), "{}", outcome.stderr);
    let start = |limits: &[&str], goward: &[&str]| {
        let name = unique();
        let common = ["run", "--rm", "--network=none", "--name", &name];
        let outcome = run(&mut docker(&[common.as_slice(), limits, &[&tag], goward].concat()), LIMIT * 2);
        assert_eq!(outcome.ending, Ending::Exited(0), "{limits:?} {goward:?} {}{}", outcome.stdout, outcome.stderr);
        outcome.stdout
    };
    let limits = ["--memory=200m", "--cpus=1.5"];
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    // 90 % of 200 MiB; of 1.5 CPUs two, where there are more.
    let said = start(&limits, &["--go-env", "--", "/old"]);
    assert!(said.contains("GOMEMLIMIT 188743680 true\n") && said.contains("GOTRACEBACK all true\n"), "{said}");
    assert!(said.contains(if cpus > 2 { "GOMAXPROCS 2 true\n" } else { "GOMAXPROCS  false\n" }), "{said}");
    assert!(said.contains(&format!("PROCS {}\n", cpus.min(2))), "{said}");
    let said = start(&limits, &["--go-env", "--user=65532:65532", "--", "/new"]);
    assert!(said.contains("GOMEMLIMIT 188743680 true\n"), "{said}");
    let said = start(&["--memory=200m", "-eGOMEMLIMIT=off", "-eGOTRACEBACK=", "-eGOWARD_GO_ENV=1"], &["--", "/new"]);
    assert!(said.contains("GOMEMLIMIT off true\n") && said.contains("GOTRACEBACK all true\n"), "{said}");
    let said = start(&limits, &["--", "/new"]);
    assert!(said.contains("GOMEMLIMIT  false\n") && said.contains("GOTRACEBACK  false\n"), "{said}");
    let said = start(&[], &["--go-env", "--", "/old"]);
    assert!(said.contains("GOMAXPROCS  false\n"), "{said}");
    let _ = run(&mut docker(&["rmi", "-f", &tag]), LIMIT * 3);
}
