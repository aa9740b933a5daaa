//! Directories and archives: for each finding one that has it, and one that nearly has it and has not.

#[path = "archives.rs"]
mod archives;

use crate::support::{Ending, GOWARD, LIMIT, Outcome, Scratch, run, skipped};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A root directory in the making.
pub(super) struct Root {
    scratch: Scratch,
}

pub(super) const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Root {
    /// With all that a server wants, and the server.
    pub(super) fn good() -> Root {
        let root = Root { scratch: Scratch::new() };
        root.directory("/tmp", 0o1777);
        root.directory("/etc/ssl/certs", 0o755);
        root.file(CERTIFICATES, &valid_certificate(), 0o644);
        root.copy(&server(), "/server");
        root
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.scratch.path("root").join(path.trim_start_matches('/'))
    }

    pub(super) fn directory(&self, path: &str, mode: u32) {
        fs::create_dir_all(self.at(path)).unwrap();
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn file(&self, path: &str, content: &[u8], mode: u32) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), content).unwrap();
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn copy(&self, from: &Path, to: &str) {
        fs::create_dir_all(self.at(to).parent().unwrap()).unwrap();
        fs::copy(from, self.at(to)).unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        let _ = fs::remove_file(self.at(path));
        let _ = fs::remove_dir_all(self.at(path));
    }

    pub(super) fn check(&self, arguments: &[&str]) -> Report {
        let mut command = Command::new(GOWARD);
        command
            .args(["check", "--format=json", "--fail-on=never", "--rootfs"])
            .arg(self.scratch.path("root"))
            .args(arguments);
        Report::of(&run(&mut command, LIMIT))
    }

    /// With the server and its user.
    pub(super) fn server(&self) -> Report {
        self.check(&["--user=65532", "--writable=/tmp", "/server"])
    }
}

pub(super) struct Report(pub(super) serde_json::Value);

impl Report {
    pub(super) fn of(outcome: &Outcome) -> Report {
        assert_eq!(outcome.ending, Ending::Exited(0), "{}", outcome.stderr);
        Report(serde_json::from_str(&outcome.stdout).unwrap())
    }

    pub(super) fn ids(&self) -> Vec<&str> {
        self.0["findings"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.ids().contains(&id)
    }

    pub(super) fn says(&self, text: &str) -> bool {
        self.0.to_string().contains(text)
    }
}

/// A certificate of its own making, valid for a long time.
pub(super) fn valid_certificate() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/valid.pem")).unwrap()
}

/// A Go toolchain: the current one, or another version.
pub(super) fn go(version: Option<&str>) -> Option<PathBuf> {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools.sh"));
    command.arg("go").args(version);
    let found = run(&mut command, Duration::from_secs(180));
    if found.ending != Ending::Exited(0) {
        skipped(&format!("no Go {}", version.unwrap_or("toolchain")));
        return None;
    }
    Some(found.stdout.trim().into())
}

pub(super) const MAIN: &str = "package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n\t\"time\"\n)\n\nvar version string\n\nfunc main() {\n\
    \tzone, err := time.LoadLocation(\"Europe/Berlin\")\n\tfmt.Println(version, zone, err)\n\thome, err := os.UserHomeDir()\n\
    \tfmt.Println(home, err, os.Getenv(\"GOMEMLIMIT\"), os.Getenv(\"GOMAXPROCS\"), os.Getenv(\"GOTRACEBACK\"))\n\
    \tfmt.Println(http.Get(os.Getenv(\"URL\")))\n\tfmt.Println(os.CreateTemp(\"\", \"x\"))\n}\n";
pub(super) const SMALL: &str =
    "package main\n\nimport (\n\t\"time\"\n\t_ \"time/tzdata\"\n)\n\nfunc main() { println(time.Now().Year()) }\n";

/// Builds a program; what it is built with is its name, so that each is built once.
pub(super) fn build(version: Option<&str>, source: &str, env: &[(&str, &str)], arguments: &[&str]) -> Option<PathBuf> {
    let go = go(version)?;
    let length = source.len().to_string();
    let words = [&[version.unwrap_or_default(), &length], arguments].concat();
    let name: String = env.iter().map(|(_, value)| *value).chain(words).collect::<Vec<_>>().join("_");
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check");
    let module = directory.join(format!("module{name}"));
    fs::create_dir_all(&module).unwrap();
    fs::write(module.join("go.mod"), "module example.com/checked\n\ngo 1.21\n").unwrap();
    fs::write(module.join("main.go"), source).unwrap();
    let out = directory.join(&name);
    let mut command = Command::new(go);
    command.current_dir(&module).env("GOTOOLCHAIN", "local").env("GOFLAGS", "-buildvcs=false").env("CGO_ENABLED", "0");
    command.envs(env.iter().copied());
    command.args(["build", "-o"]).arg(&out).args(arguments).arg(".");
    let built = run(&mut command, Duration::from_secs(300));
    assert_eq!(built.ending, Ending::Exited(0), "{arguments:?}: {}", built.stderr);
    Some(out)
}

/// A program with nothing to say about but its needs.
pub(super) fn server() -> PathBuf {
    static SERVER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let flags = ["-trimpath", "-ldflags=-s -w -X main.version=1.2.3"];
    SERVER.get_or_init(|| build(None, MAIN, &[], &flags)).clone().unwrap_or_else(|| PathBuf::from("/nonexistent"))
}

pub(super) fn has_go() -> bool {
    server().exists()
}

#[test]
fn the_good_root_has_only_what_the_program_itself_lacks() {
    if !has_go() {
        return;
    }
    let root = Root::good();
    root.file("/usr/share/zoneinfo/UTC", b"TZif2", 0o644);
    root.file("/etc/passwd", b"app:x:65532:65532::/:/\n", 0o644);
    let report = root.server();
    // Its go line is 1.21: it does not look at the quota.
    assert_eq!(report.ids(), ["GW113"], "{}", report.0);
    assert!(report.says("static, stripped") && report.says("GOMEMLIMIT"), "{}", report.0);
    assert!(report.says("/etc/ssl/certs/ca-certificates.crt: 1 certificate\""), "{}", report.0);
    // Of a user who does not exist nothing more is said, and root is not asked for instead.
    let report = root.check(&["--user=nobody", "/server"]);
    assert_eq!(report.ids(), ["GW202", "GW113"], "{}", report.0);
}

type Change = fn(&Root);
type Ask = &'static [&'static str];
const ASK: Ask = &["--user=65532", "/server"];

/// id, what makes it, what is asked, what nearly makes it.
const CORPUS: &[(&str, Change, Ask, Change)] = &[
    (
        "GW101",
        |root| root.remove("/server"),
        ASK,
        |root| {
            root.remove("/server");
            root.copy(&server(), "/bin/server");
            symlink("/bin/server", root.at("/server")).unwrap();
        },
    ),
    (
        "GW102",
        |root| root.file("/server", b"#!/bin/sh\n", 0o755),
        ASK,
        |root| {
            root.file("/server", b"#!/bin/sh\n", 0o755);
            root.file("/bin/sh", b"\x7fELF", 0o755);
        },
    ),
    ("GW102", |root| root.file("/server", &fs::read(server()).unwrap(), 0o644), ASK, |_| {}),
    (
        "GW102",
        |root| {
            root.file("/server", b"#!/usr/bin/env -S A=1 bash\n", 0o755);
            root.file("/usr/bin/env", b"\x7fELF", 0o755);
        },
        ASK,
        |root| {
            root.file("/server", b"#!/usr/bin/env -S A=1 bash\n", 0o755);
            root.file("/usr/bin/env", b"\x7fELF", 0o755);
            root.file("/bin/bash", b"\x7fELF", 0o755);
        },
    ),
    (
        "GW103",
        |root| root.copy(&pie(), "/server"),
        ASK,
        |root| {
            root.copy(&pie(), "/server");
            root.file("/lib64/ld-linux-x86-64.so.2", b"\x7fELF", 0o755);
        },
    ),
    ("GW106", |root| root.file("/server", &fs::read(server()).unwrap()[..1_000_000], 0o755), ASK, |_| {}),
    ("GW107", |root| root.copy(Path::new(GOWARD), "/server"), ASK, |_| {}),
    ("GW109", |root| root.copy(&build(None, SMALL, &[], &["-trimpath"]).unwrap(), "/server"), ASK, |_| {}),
    (
        "GW110",
        |root| root.copy(&build(None, SMALL, &[], &["-ldflags=-s"]).unwrap(), "/server"),
        ASK,
        |root| root.copy(&build(None, MAIN, &[], &["-trimpath", "-ldflags=-X main.version=7"]).unwrap(), "/server"),
    ),
    ("GW111", |root| root.copy(&build(None, SMALL, &[], &["-ldflags=-s"]).unwrap(), "/server"), ASK, |_| {}),
    ("GW114", |root| root.copy(&build(None, SMALL, &[], &["-gcflags=-N -l"]).unwrap(), "/server"), ASK, |_| {}),
    (
        "GW116",
        |root| root.copy(&build(None, SMALL, &[("GOAMD64", "v3")], &[]).unwrap(), "/server"),
        ASK,
        |root| root.copy(&build(None, SMALL, &[("GOAMD64", "v1")], &[]).unwrap(), "/server"),
    ),
    ("GW202", |_| {}, &["--user=app", "/server"], |root| root.file("/etc/passwd", b"app:x:7:7::/:/\n", 0o644)),
    (
        "GW203",
        |root| {
            root.directory("/app", 0o700);
            root.copy(&server(), "/app/server");
        },
        &["--user=65532", "/app/server"],
        |root| {
            root.directory("/app", 0o711);
            root.copy(&server(), "/app/server");
        },
    ),
    (
        "GW204",
        |root| root.directory("/data", 0o755),
        &["--user=65532", "--writable=/data", "/server"],
        |root| {
            root.directory("/data", 0o755);
            chown(root.at("/data"), Some(65532), Some(65532)).unwrap();
        },
    ),
    (
        "GW205",
        |root| root.remove(CERTIFICATES),
        ASK,
        |root| {
            root.remove(CERTIFICATES);
            root.file("/etc/pki/tls/certs/any.pem", &valid_certificate(), 0o644);
        },
    ),
    (
        "GW205",
        |root| root.file(CERTIFICATES, &valid_certificate(), 0o600),
        ASK,
        |root| {
            root.remove(CERTIFICATES);
            root.copy(&build(None, SMALL, &[], &[]).unwrap(), "/server");
        },
    ),
    ("GW206", |root| root.file(CERTIFICATES, b"# none on this machine\n", 0o644), ASK, |_| {}),
    (
        "GW206",
        |root| root.file(CERTIFICATES, include_bytes!("expired.pem"), 0o644),
        ASK,
        |root| {
            root.file(CERTIFICATES, &[include_bytes!("expired.pem").as_slice(), &valid_certificate()].concat(), 0o644)
        },
    ),
    (
        "GW205",
        |root| root.remove("/etc/ssl"),
        ASK,
        |root| {
            root.remove("/etc/ssl");
            root.file("/opt/ssl/certs/any.pem", &valid_certificate(), 0o644);
            symlink("/opt/ssl", root.at("/etc/ssl")).unwrap();
        },
    ),
    (
        "GW207",
        |root| root.directory("/usr/share/zoneinfo/Europe", 0o755),
        ASK,
        |root| root.file("/usr/share/zoneinfo/Europe/Berlin", b"TZif2", 0o644),
    ),
    ("GW209", |root| root.remove("/tmp"), ASK, |_| {}),
    (
        "GW209",
        |root| root.directory("/tmp", 0o755),
        ASK,
        |root| {
            root.directory("/tmp", 0o755);
            chown(root.at("/tmp"), Some(65532), None).unwrap();
        },
    ),
    ("GW210", |_| {}, ASK, |root| root.file("/etc/passwd", b"app:x:65532:65532::/:/\n", 0o644)),
    (
        "GW211",
        |root| root.file("/etc/nsswitch.conf", b"hosts: dns\n", 0o644),
        ASK,
        |root| root.file("/etc/nsswitch.conf", b"hosts: files dns\n", 0o644),
    ),
    (
        "GW224",
        |root| root.file("/etc/resolv.conf", b"# made by hand\nnameserver dns.example.com\n", 0o644),
        ASK,
        |root| root.file("/etc/resolv.conf", b"search example.com\n nameserver fe80::1%eth0\n", 0o644),
    ),
    (
        "GW224",
        |root| root.file("/etc/resolv.conf", b"search example.com\n", 0o644),
        ASK,
        |root| root.file("/etc/resolv.conf", b"# the runtime's\n\n", 0o644),
    ),
    ("GW213", |root| root.file("/bin/su", b"x", 0o4755), ASK, |root| root.file("/bin/su", b"x", 0o755)),
    ("GW214", |root| root.file("/bin/x", b"x", 0o666), ASK, |root| root.directory("/var/shared", 0o1777)),
    (
        "GW215",
        |root| root.file("/app/tls.key", b"-----BEGIN EC PRIVATE KEY-----\n", 0o600),
        ASK,
        |root| root.file("/app/tls.key", b"-----BEGIN PUBLIC KEY-----\n", 0o600),
    ),
    (
        "GW216",
        |root| root.file("/root/.aws/credentials", b"[default]\naws_secret_access_key=x\n", 0o600),
        ASK,
        |root| root.file("/root/.npmrc", b"//registry.example.com/:_authToken=${NPM_TOKEN}\n", 0o600),
    ),
    (
        "GW217",
        |root| root.file("/app/.env", b"A=1\n", 0o600),
        ASK,
        |root| root.file("/app/.env.example", b"A=\n", 0o600),
    ),
    ("GW218", |root| root.directory("/app/.git", 0o755), ASK, |root| root.file("/app/.gitignore", b"", 0o600)),
    ("GW219", |root| root.file("/app/main.go", b"", 0o600), ASK, |root| root.file("/app/main.go.html", b"", 0o600)),
    (
        "GW220",
        |root| root.file("/usr/local/go/bin/go", b"x", 0o755),
        ASK,
        |root| root.file("/usr/local/bin/gofer", b"x", 0o755),
    ),
    (
        "GW221",
        |root| root.file("/var/lib/apt/lists/deb_Packages", b"x", 0o644),
        ASK,
        |root| root.file("/var/lib/apt/lists/lock", b"x", 0o644),
    ),
    (
        "GW222",
        |root| root.file("/bin/busybox", &[0; 2_000_000], 0o755),
        ASK,
        |root| root.file("/usr/share/zoneinfo/all", &[0; 2_000_000], 0o644),
    ),
    ("GW223", |root| chown(root.at("/server"), Some(65532), None).unwrap(), ASK, |_| {}),
];

fn pie() -> PathBuf {
    build(None, SMALL, &[], &["-buildmode=pie"]).unwrap()
}

#[test]
fn each_finding_has_one_that_has_it_and_one_that_has_not() {
    if !has_go() {
        return;
    }
    for (id, bad, ask, near) in CORPUS {
        // These give files to others.
        if matches!(*id, "GW204" | "GW209" | "GW223") && !crate::support::requires_root() {
            continue;
        }
        let (has, has_not) = (Root::good(), Root::good());
        bad(&has);
        near(&has_not);
        let (has, has_not) = (has.check(ask), has_not.check(ask));
        assert!(has.has(id), "{id} is not found: {}", has.0);
        assert!(!has_not.has(id), "{id} is found: {}", has_not.0);
    }
}

#[test]
fn versions_of_go() {
    for (version, supported, needs) in
        [(Some("1.21.13"), false, true), (Some("1.24.11"), false, true), (None, true, true)]
    {
        let Some(program) = build(version, MAIN, &[], &["-ldflags=-s -w -X main.version=4.5.6"]) else { return };
        let root = Root::good();
        root.copy(&program, "/server");
        let report = root.server();
        assert_eq!(!report.has("GW108"), supported, "{}", report.0);
        assert_eq!(report.has("GW113"), needs, "{}", report.0);
        assert!(report.says("version 4.5.6") && report.says(&format!("go{}", version.unwrap_or("1."))), "{}", report.0);
    }
}

/// cgo needs a C compiler on this machine.
#[test]
fn programs_with_cgo() {
    if !crate::support::requires("gcc") || !has_go() {
        return;
    }
    let source = MAIN.replace("package main\n", "package main\n\nimport \"C\"\n");
    let dynamic = build(None, &source, &[("CGO_ENABLED", "1")], &[]).unwrap();
    let whole = ["-ldflags=-linkmode external -extldflags -static"];
    let fixed = build(None, &source, &[("CGO_ENABLED", "1"), ("GOARCH", "amd64")], &whole).unwrap();
    let root = Root::good();
    root.copy(&fixed, "/server");
    assert!(!root.server().has("GW103") && root.server().says(", static, "), "{}", root.server().0);
    root.copy(&dynamic, "/server");
    let report = root.server();
    assert!(report.has("GW103") && report.says("/lib64/ld-linux-x86-64.so.2"), "{}", report.0);
    // With the loader, but without the library.
    root.copy(Path::new("/lib64/ld-linux-x86-64.so.2"), "/lib64/ld-linux-x86-64.so.2");
    let report = root.server();
    assert!(report.has("GW104") && report.says("libc.so.6") && !report.has("GW103"), "{}", report.0);
    root.copy(Path::new("/lib/x86_64-linux-gnu/libc.so.6"), "/opt/lib/libc.so.6");
    root.file("/etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n", 0o644);
    root.file("/etc/ld.so.conf.d/opt.conf", b"/opt/lib\n", 0o644);
    for library in ["libresolv.so.2", "libpthread.so.0"] {
        root.copy(&Path::new("/lib/x86_64-linux-gnu").join(library), &format!("/opt/lib/{library}"));
    }
    assert!(!root.server().has("GW104") && !root.server().has("GW115"), "{}", root.server().0);
    // The libc of an older distribution.
    let mut libc = fs::read("/lib/x86_64-linux-gnu/libc.so.6").unwrap();
    older(&mut libc);
    root.file("/opt/lib/libc.so.6", &libc, 0o644);
    let report = root.server();
    assert!(
        report.has("GW115") && report.says("/server wants GLIBC_2.3") && report.says("than GLIBC_2.9"),
        "{}",
        report.0
    );
}

/// Every version of glibc's symbols with two digits becomes the second.
pub(super) fn older(bytes: &mut [u8]) {
    const VERSION: &[u8] = b"GLIBC_2.";
    for at in 0..bytes.len().saturating_sub(VERSION.len() + 2) {
        let (begin, digits) = bytes[at..].split_at_mut(VERSION.len());
        if begin == VERSION && digits[..2].iter().all(u8::is_ascii_digit) {
            digits[..2].copy_from_slice(b"02");
        }
    }
}

/// Sections removed, cut at any place, bytes changed: an answer, and never a crash.
#[test]
fn damaged_programs() {
    if !has_go() {
        return;
    }
    let whole = fs::read(build(None, SMALL, &[], &["-ldflags=-s -w"]).unwrap()).unwrap();
    let root = Root::good();
    let mut bare = whole.clone();
    bare[40..48].fill(0); // e_shoff
    bare[58..64].fill(0); // e_shentsize, e_shnum, e_shstrndx
    root.file("/server", &bare, 0o755);
    let report = root.server();
    assert!(report.says("/server: go1.") && !report.has("GW107"), "{}", report.0);
    let mut state = 0x2545_f491_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..60 {
        let mut bytes = whole.clone();
        let head = if round % 2 == 0 { 0x1000 } else { bytes.len() };
        for _ in 0..8 {
            let at = random(head);
            bytes[at] = random(256) as u8;
        }
        if round % 5 == 0 {
            let length = random(bytes.len());
            bytes.truncate(length);
        }
        root.file("/server", &bytes, 0o755);
        let _ = root.server();
    }
}

/// Committed, then changed: GW112, and the revision.
#[test]
fn a_modified_source_tree() {
    if !has_go() || !crate::support::requires("git") {
        return;
    }
    let scratch = Scratch::new();
    scratch.file("go.mod", "module example.com/vcs\n\ngo 1.25\n", 0o644);
    scratch.file("main.go", "package main\n\nfunc main() {}\n", 0o644);
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@example.com", "-C"]).arg(scratch.path("")).args(arguments);
        assert_eq!(run(&mut git, LIMIT).ending, Ending::Exited(0), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "x"]);
    let root = Root::good();
    for modified in [false, true] {
        if modified {
            scratch.file("main.go", "package main\n\nfunc main() { println(1) }\n", 0o644);
        }
        let mut command = Command::new(go(None).unwrap());
        command.current_dir(scratch.path("")).env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
        let outcome = run(command.args(["build", "-buildvcs=true", "-o"]).arg(root.at("/server")), LIMIT * 3);
        assert_eq!(outcome.ending, Ending::Exited(0), "{}", outcome.stderr);
        let report = root.server();
        assert_eq!(report.has("GW112"), modified, "{}", report.0);
        assert!(report.says("vcs.revision="), "{}", report.0);
    }
}

/// Where it runs here and now, what the runtime should have put in is missed: GW212; and who runs it is who is meant: GW201.
#[test]
fn inside_the_image() {
    if !has_go() || !crate::support::requires_root() {
        return;
    }
    let Some(chroot) = crate::support::find("chroot") else {
        skipped("no chroot");
        return;
    };
    let root = Root::good();
    root.copy(Path::new(GOWARD), "/goward");
    let inside = |arguments: &[&str]| {
        let mut command = Command::new(&chroot);
        command
            .arg(root.scratch.path("root"))
            .args(["/goward", "check", "--format=json", "--fail-on=never"])
            .args(arguments);
        Report::of(&run(command.env_clear().env("PATH", "/bin"), LIMIT))
    };
    let report = inside(&["/server"]);
    assert!(report.has("GW212") && report.has("GW201"), "{}", report.0);
    root.file("/etc/hosts", b"127.0.0.1 localhost\n", 0o644);
    let report = inside(&["--user=65532", "/server"]);
    assert!(!report.has("GW212") && !report.has("GW201"), "{}", report.0);
    assert!(!root.server().has("GW212"), "a directory has no /etc/hosts yet");
    let Some(busybox) = crate::support::find("busybox") else {
        skipped("no busybox");
        return;
    };
    root.copy(&busybox, "/busybox");
    root.copy(&server(), "/app/other");
    let mut command = Command::new(&chroot);
    command.arg(root.scratch.path("root")).args(["/busybox", "sh", "-c"]);
    command.arg("cd /app && exec /goward check --format=json --fail-on=never ./other");
    let report = Report::of(&run(&mut command, LIMIT));
    assert!(!report.has("GW101") && report.says("/app/other: go1."), "{}", report.0);
}

#[test]
fn every_id_for_images_is_tested_here() {
    let tests = include_str!("images.rs");
    for rule in goward::check::table::ALL.iter().filter(|rule| !rule.id.starts_with("GW3")) {
        assert!(tests.contains(rule.id), "{} ({})", rule.id, rule.title);
    }
}

#[test]
fn links_do_not_lead_out_of_the_root() {
    let root = Root { scratch: Scratch::new() };
    root.directory("/", 0o755);
    symlink("/etc/passwd", root.at("/server")).unwrap();
    let report = root.check(&["/server"]);
    assert!(report.has("GW101") && report.says("is a link to /etc"), "{}", report.0);
}

// ---------------------------------------------------------------------------------------------------------------------
// Archives

/// A layer: what tar makes of a directory.
fn layer(root: &Path, to: &Path, gzip: bool) {
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0", "--numeric-owner", "-C"])
        .arg(root)
        .arg(if gzip { "-czf" } else { "-cf" })
        .arg(to)
        .arg(".");
    assert_eq!(run(&mut tar, LIMIT * 3).ending, Ending::Exited(0));
}

/// docker's archive, or OCI's, of these layers.
fn archive(scratch: &Scratch, layers: &[PathBuf], config: &str, oci: bool) -> PathBuf {
    let directory = scratch.path("archive");
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob =
        |name: &str| if oci { format!("{{\"digest\":\"sha256:{name}\"}}") } else { format!("\"blobs/sha256/{name}\"") };
    fs::write(blobs.join("config"), config).unwrap();
    let mut names = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        fs::rename(layer, blobs.join(format!("layer{at}"))).unwrap();
        names.push(blob(&format!("layer{at}")));
    }
    let names = names.join(",");
    if oci {
        fs::write(blobs.join("manifest"), format!("{{\"config\":{},\"layers\":[{names}]}}", blob("config"))).unwrap();
        fs::write(directory.join("index.json"), format!("{{\"manifests\":[{}]}}", blob("manifest"))).unwrap();
    } else {
        let config = blob("config");
        fs::write(directory.join("manifest.json"), format!("[{{\"Config\":{config},\"Layers\":[{names}]}}]")).unwrap();
    }
    let to = scratch.path("image.tar");
    layer(&directory, &to, false);
    to
}

fn check_archive(archive: &Path, arguments: &[&str]) -> Report {
    let mut command = Command::new(GOWARD);
    command.args(["check", "--format=json", "--fail-on=never", "--image"]).arg(archive).args(arguments);
    Report::of(&run(&mut command, LIMIT * 3))
}

pub(super) fn config(fields: &str) -> String {
    format!("{{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{{{fields}}}}}")
}

/// Three layers: the server and secrets; whiteouts; a directory made anew.
#[test]
fn layers_with_whiteouts() {
    if !has_go() {
        return;
    }
    for (oci, gzip) in [(false, false), (true, true)] {
        let (first, second, third) = (Root::good(), Root { scratch: Scratch::new() }, Root { scratch: Scratch::new() });
        first.file("/app/tls.key", b"-----BEGIN PRIVATE KEY-----\n", 0o600);
        first.file("/old/.env", b"A=1\n", 0o600);
        first.file("/old/big", &[7; 3_000_000], 0o644);
        first.file("/old/deep/x.go", b"", 0o644);
        let long = format!("/{}/main.go", "long-name/".repeat(20));
        first.file(&long, b"", 0o644);
        second.file("/app/.wh.tls.key", b"", 0o600);
        second.file(&long.replace("main.go", ".wh.main.go"), b"", 0o600);
        third.file("/old/.wh..wh..opq", b"", 0o644);
        third.file("/old/new", b"new", 0o644);
        let scratch = Scratch::new();
        let layers: Vec<PathBuf> = [&first, &second, &third]
            .iter()
            .enumerate()
            .map(|(at, root)| {
                let to = scratch.path(&format!("{at}.tar"));
                layer(&root.scratch.path("root"), &to, gzip);
                to
            })
            .collect();
        let fields = "\"User\":\"65532\",\"Entrypoint\":[\"/server\"],\"Env\":[\"TZ=Europe/Berlin\"]";
        let report = check_archive(&archive(&scratch, &layers, &config(fields), oci), &[]);
        assert_eq!(report.ids().iter().filter(|id| **id == "GW406").count(), 2, "{}", report.0);
        assert!(report.has("GW407") && report.says("largest /old/big") && report.says("\"layer\":1"), "{}", report.0);
        assert!(report.has("GW208") && report.says("/server: go1."), "{}", report.0);
        for gone in ["GW215", "GW217", "GW219", "GW205", "GW101", "GW409", "GW201", "GW202"] {
            assert!(!report.has(gone), "{gone}: {}", report.0);
        }
    }
}

/// What an image's configuration says.
#[test]
fn configurations() {
    if !has_go() {
        return;
    }
    let cases = [
        ("GW201", "\"Entrypoint\":[\"/server\"]", "\"Entrypoint\":[\"/goward\",\"--user\",\"1:1\",\"--\",\"/server\"]"),
        ("GW202", "\"User\":\"app\",\"Entrypoint\":[\"/server\"]", "\"User\":\"7\",\"Entrypoint\":[\"/server\"]"),
        (
            "GW208",
            "\"Entrypoint\":[\"/server\"],\"Env\":[\"TZ=Mars/Base\"]",
            "\"Entrypoint\":[\"/server\"],\"Env\":[\"TZ=Etc/UTC\"]",
        ),
        (
            "GW401",
            "\"Entrypoint\":[\"/bin/sh\",\"-c\",\"/server\"]",
            "\"Entrypoint\":[\"/bin/sh\",\"-c\",\"exec /server\"]",
        ),
        (
            "GW403",
            "\"Entrypoint\":[\"/server\"],\"StopSignal\":\"SIGKILL\"",
            "\"Entrypoint\":[\"/server\"],\"StopSignal\":\"SIGINT\"",
        ),
        (
            "GW404",
            "\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"]}",
            "\"Healthcheck\":{\"Test\":[\"CMD\",\"/server\"]}",
        ),
        ("GW405", "\"User\":\"7\",\"ExposedPorts\":{\"80/tcp\":{}}", "\"User\":\"0\",\"ExposedPorts\":{\"80/tcp\":{}}"),
        (
            "GW408",
            "\"Env\":[\"API_TOKEN=x\"]",
            "\"Env\":[\"API_TOKEN=\",\"TOKEN_URL=x\",\"USE_TOKEN=true\",\"NO_PASSWORD=1\"]",
        ),
        ("GW410", "\"Cmd\":[\"/children\"]", "\"Cmd\":[\"/tini\",\"--\",\"/children\"]"),
        ("GW411", "\"User\":\"7\"", "\"Cmd\":[\"/server\"]"),
    ];
    let source =
        "package main\n\nimport \"os/exec\"\n\nfunc main() { println(exec.Command(\"true\").Start() != nil) }\n";
    let children = build(None, source, &[], &[]).unwrap();
    for (id, bad, good) in cases {
        for (fields, wanted) in [(bad, true), (good, false)] {
            let root = Root::good();
            root.copy(&children, "/children");
            let scratch = Scratch::new();
            let to = scratch.path("0.tar");
            layer(&root.scratch.path("root"), &to, false);
            let report = check_archive(&archive(&scratch, &[to], &config(fields), false), &[]);
            assert_eq!(report.has(id), wanted, "{id} {fields}: {}", report.0);
        }
    }
}

/// A layer that cannot be read is said, and nothing of what it may hold is missed.
#[test]
fn layers_that_cannot_be_read() {
    let scratch = Scratch::new();
    for (name, content) in [
        ("zstd", [0x28, 0xb5, 0x2f, 0xfd].repeat(200)),
        ("garbage", vec![b'x'; 2000]),
        ("cut", [0x1f, 0x8b, 8, 0].to_vec()),
    ] {
        let inner = Scratch::new();
        let to = scratch.path(name);
        fs::write(&to, content).unwrap();
        let fields = config("\"User\":\"app\",\"Entrypoint\":[\"/server\"]");
        let report = check_archive(&archive(&inner, &[to], &fields, true), &[]);
        assert!(report.has("GW409") && !report.has("GW101") && !report.has("GW202"), "{name}: {}", report.0);
        assert_eq!(
            report.says("compressed by zstd") && report.says("compression=gzip"),
            name == "zstd",
            "{}",
            report.0
        );
    }
}

/// Cut and changed at any place: an answer or a refusal, and never a crash.
#[test]
fn damaged_archives() {
    let root = Root { scratch: Scratch::new() };
    root.file("/etc/passwd", b"app:x:7:7::/:/\n", 0o644);
    root.file(&format!("/{}/tls.key", "long-name/".repeat(15)), b"-----BEGIN PRIVATE KEY-----\n", 0o600);
    root.file("/server", b"#!/bin/sh\n", 0o755);
    let scratch = Scratch::new();
    let layers: Vec<PathBuf> = [false, true]
        .iter()
        .map(|gzip| {
            let to = scratch.path(&gzip.to_string());
            layer(&root.scratch.path("root"), &to, *gzip);
            to
        })
        .collect();
    let whole = fs::read(archive(&scratch, &layers, &config("\"Entrypoint\":[\"/server\"]"), true)).unwrap();
    let mut state = 0x9e37_79b9_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..120 {
        let mut bytes = whole.clone();
        for _ in 0..1 + round % 6 {
            let at = random(bytes.len());
            bytes[at] = random(256) as u8;
        }
        if round % 4 == 0 {
            bytes.truncate(random(whole.len()));
        }
        let to = scratch.path("damaged.tar");
        fs::write(&to, bytes).unwrap();
        let outcome = run(Command::new(GOWARD).args(["check", "--image"]).arg(to), LIMIT);
        let answers = [0, 1, 125].map(Ending::Exited);
        assert!(answers.contains(&outcome.ending), "{:?} {}{}", outcome.ending, outcome.stdout, outcome.stderr);
    }
}

#[test]
fn what_is_no_archive() {
    let scratch = Scratch::new();
    let other = Scratch::new();
    fs::create_dir(other.path("x")).unwrap();
    layer(&other.path("x"), &scratch.path("other.tar"), false);
    fs::write(scratch.path("noise"), vec![0xa5; 4096]).unwrap();
    fs::write(scratch.path("zipped"), [0x1f, 0x8b, 8, 0, 0, 0]).unwrap();
    for (name, said) in
        [("other.tar", "not an image"), ("noise", "not a tar archive"), ("zipped", "gunzip"), ("none", "No such file")]
    {
        let mut command = Command::new(GOWARD);
        let outcome = run(command.args(["check", "--image"]).arg(scratch.path(name)), LIMIT);
        assert_eq!(outcome.ending, Ending::Exited(125), "{name}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(said), "{name}: {}", outcome.stderr);
    }
}

/// 200 MB here, 1 GB with GOWARD_SOAK: seconds, and memory that does not grow with it.
#[test]
fn a_large_archive_is_read_in_seconds_and_little_memory() {
    let megabytes = if std::env::var_os("GOWARD_SOAK").is_some() { 1000 } else { 200 };
    let root = Root { scratch: Scratch::new() };
    let noise: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for at in 0..megabytes {
        root.file(&format!("/data/{}/{at}", at % 10), &noise, 0o644);
    }
    let scratch = Scratch::new();
    let (plain, zipped) = (scratch.path("plain"), scratch.path("zipped"));
    layer(&root.scratch.path("root"), &plain, false);
    let mut gzip = Command::new("sh");
    gzip.args(["-c", "gzip -1 -c \"$0\" > \"$1\""]).arg(&plain).arg(&zipped);
    assert_eq!(run(&mut gzip, LIMIT * 6).ending, Ending::Exited(0));
    let archive = archive(&scratch, &[plain, zipped], &config("\"Cmd\":[\"/server\"]"), true);
    let began = Instant::now();
    let mut command = Command::new("sh");
    // The peak of what it had in memory, from the kernel, when it is done.
    command.args(["-c", "ulimit -v 65536; exec \"$0\" check --fail-on=never --image \"$1\""]).arg(GOWARD).arg(&archive);
    let outcome = run(&mut command, Duration::from_secs(120));
    assert_eq!(outcome.ending, Ending::Exited(0), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains(&format!("layer 2: {megabytes}.0 MB")), "{}", outcome.stdout);
    // A debug build inflates slowly; the release one is measured in docs/check.md.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

// ---------------------------------------------------------------------------------------------------------------------
// What others may have put there

/// A command of goward's that must not wait for anybody: its code and what it says.
fn answers(arguments: &[&str]) -> (Ending, String) {
    let outcome = run(Command::new(GOWARD).args(arguments), LIMIT);
    (outcome.ending, outcome.stdout + &outcome.stderr)
}

#[test]
fn pipes_and_devices_hold_nothing_up() {
    let root = Root::good();
    root.directory("/lib", 0o755);
    let fifo = root.at("/lib/fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o777)).unwrap();
    let fifo = fifo.to_str().unwrap();
    for (arguments, code, said) in [
        (["--go-env", "--", fifo].as_slice(), 126, "not a regular file"),
        (&["check", "--image", fifo], 125, "not a regular file; docker save"),
        (&["check", "-f", fifo], 125, "nothing comes out of it"),
        (&["check", "-f", "/dev/zero"], 125, "larger than 1 MiB"),
        (&["check", "--rootfs", root.scratch.path("root").to_str().unwrap(), "/lib/fifo"], 1, "not a regular file"),
    ] {
        let (ending, text) = answers(arguments);
        assert!(ending == Ending::Exited(code) && text.contains(said), "{arguments:?} {ending:?} {text}");
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "printf 'FROM scratch\\nCMD /server\\n' | \"$0\" check -f /dev/stdin"]).arg(GOWARD);
    assert!(run(&mut shell, LIMIT).stdout.contains("GW3"), "a pipe with a Dockerfile in it is read");
    if !crate::support::requires("gcc") || !has_go() {
        return;
    }
    // A library that is a pipe.
    let source = MAIN.replace("package main\n", "package main\n\nimport \"C\"\n");
    root.copy(&build(None, &source, &[("CGO_ENABLED", "1")], &[]).unwrap(), "/server");
    root.copy(Path::new("/lib64/ld-linux-x86-64.so.2"), "/lib64/ld-linux-x86-64.so.2");
    fs::rename(fifo, root.at("/lib/libc.so.6")).unwrap();
    let _ = root.server();
}

#[test]
fn a_sparse_program_is_not_read_to_its_end() {
    if !has_go() {
        return;
    }
    let root = Root::good();
    fs::OpenOptions::new().write(true).open(root.at("/server")).unwrap().set_len(1 << 40).unwrap();
    assert!(root.server().has("GW207"), "{}", root.server().0);
}

/// One layer, and its configuration.
pub(super) fn check_layer(root: &Root, config: &str) -> Report {
    let scratch = Scratch::new();
    let to = scratch.path("0.tar");
    layer(&root.scratch.path("root"), &to, false);
    check_archive(&archive(&scratch, &[to], config, false), &[])
}

#[test]
fn architectures() {
    if !has_go() {
        return;
    }
    let unknown = config("\"Entrypoint\":[\"/server\"]").replace("amd64", "mips64le");
    let report = check_layer(&Root::good(), &unknown);
    assert!(!report.has("GW105") && report.says("static, stripped"), "{}", report.0);
    let config = config("\"Entrypoint\":[\"/server\"]");
    // Kernels of amd64 run programs of 386 as well.
    for (arch, other) in [("riscv64", true), ("arm64", true), ("386", false)] {
        let root = Root::good();
        root.copy(&build(None, SMALL, &[("GOARCH", arch)], &[]).unwrap(), "/server");
        let report = check_layer(&root, &config);
        assert_eq!(report.has("GW105"), other, "{arch}: {}", report.0);
        // Nobody said for which machine the directory is.
        assert!(!root.server().has("GW105") && root.server().says(arch), "{}", root.server().0);
    }
}

#[test]
fn programs_where_the_working_directory_is() {
    if !has_go() {
        return;
    }
    let start = "\"User\":\"7\",\"Entrypoint\":[\"./server\"],\"Healthcheck\":{\"Test\":[\"CMD\",\"bin/probe\"]}";
    for (directory, found) in [("", false), ("/app", true), ("/app/", true), ("/other", false)] {
        let root = Root::good();
        root.remove("/server");
        root.copy(&server(), "/app/server");
        root.copy(&server(), "/app/bin/probe");
        let report = check_layer(&root, &config(&format!("{start},\"WorkingDir\":\"{directory}\"")));
        assert_eq!(!report.has("GW101") && !report.has("GW404"), found, "{directory}: {}", report.0);
        assert_eq!(report.says("/app/server: go1."), found, "{directory}: {}", report.0);
    }
}

/// A layer with these members alone, in this order.
fn members(root: &Root, to: &Path, members: &[&str]) {
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0", "--no-recursion", "-C"]).arg(root.scratch.path("root")).arg("-cf").arg(to);
    assert_eq!(run(tar.args(members), LIMIT).ending, Ending::Exited(0));
}

/// Without entries for directories; with whiteouts before and behind what the layer itself brings.
#[test]
fn layers_in_any_order() {
    if !has_go() {
        return;
    }
    let whiteouts = ["app/.wh..wh..opq", ".wh.app"];
    for whiteout in whiteouts {
        for first in [true, false] {
            let (lower, upper, scratch) = (Root::good(), Root { scratch: Scratch::new() }, Scratch::new());
            lower.file("/app/deep/tls.key", b"-----BEGIN PRIVATE KEY-----\n", 0o600);
            upper.copy(&server(), "/app/deep/server");
            upper.file(&format!("/{whiteout}"), b"", 0o600);
            let layers = [scratch.path("0.tar"), scratch.path("1.tar")];
            members(&lower, &layers[0], &["tmp", "etc/ssl/certs/ca-certificates.crt", "app/deep/tls.key"]);
            let own = "app/deep/server";
            members(&upper, &layers[1], &if first { [whiteout, own] } else { [own, whiteout] });
            let fields = config("\"User\":\"7\",\"Entrypoint\":[\"/app/deep/server\"]");
            let report = check_archive(&archive(&scratch, &layers, &fields, true), &[]);
            assert!(report.says("/app/deep/server: go1.") && report.has("GW406"), "{}", report.0);
            for gone in ["GW101", "GW205", "GW203", "GW215", "GW407"] {
                assert!(!report.has(gone), "{whiteout} {first} {gone}: {}", report.0);
            }
        }
    }
}

/// What is kept of an archive has a limit, whatever is in it.
#[test]
fn a_hostile_archive_does_not_fill_the_memory() {
    let scratch = Scratch::new();
    let header = |name: &str, kind: u8, size: usize| {
        let mut block = vec![0u8; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000755\0");
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[148..156].fill(b' ');
        block[156] = kind;
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    };
    let named = |name: String| {
        let mut bytes = header("long", b'L', name.len());
        bytes.extend_from_slice(name.as_bytes());
        bytes.resize(bytes.len().div_ceil(512) * 512, 0);
        bytes.extend(header("x", b'0', 0));
        bytes
    };
    let many: Vec<u8> = (0..60_000).flat_map(|at| named(format!("{at}{}", "n".repeat(4000)))).collect();
    let long = named("n".repeat(100_000));
    // Nor does it take a time that grows with the square of what is in it.
    let whiteouts = (0..30_000).flat_map(|_| header("a/.wh..wh..opq", b'0', 0));
    let slow: Vec<u8> = (0..30_000).flat_map(|at| header(&format!("a/{at}"), b'0', 0)).chain(whiteouts).collect();
    for (content, said) in [(many, "more files than are kept"), (long, "longer than 4096 bytes"), (slow, "GW101")] {
        let inner = Scratch::new();
        let to = scratch.path("layer");
        fs::write(&to, content).unwrap();
        let image = archive(&inner, &[to], &config("\"User\":\"7\",\"Cmd\":[\"/server\"]"), false);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 400000; exec \"$0\" check --format=json --fail-on=never --image \"$1\""]);
        let report = Report::of(&run(command.arg(GOWARD).arg(image), LIMIT * 3));
        assert!(report.has("GW409") == (said != "GW101") && report.says(said), "{said}: {}", report.0);
    }
}

/// A script in between: the server behind it is looked at, where it is plainly named.
#[test]
fn servers_behind_scripts() {
    if !has_go() {
        return;
    }
    for (fields, script, found) in [
        ("\"Cmd\":[\"/bin/sh\",\"-c\",\"exec /server $ARGS\"]", "", true),
        ("\"Cmd\":[\"/bin/sh\",\"-c\",\"$SERVER\"]", "", false),
        ("\"Entrypoint\":[\"/start\"],\"Cmd\":[\"/server\"]", "#!/bin/sh\nset -e\nexec \"$@\"\n", true),
        ("\"Entrypoint\":[\"/start\"]", "#!/bin/sh\nset -e\nexec /server \"$@\"\n", true),
        ("\"Entrypoint\":[\"/start\"]", "#!/bin/sh\n/server\n/other\n", false),
    ] {
        let root = Root::good();
        root.file("/start", script.as_bytes(), 0o755);
        let report = check_layer(&root, &config(&format!("\"User\":\"7\",{fields}")));
        assert_eq!(report.says("/server: go1.") && report.has("GW207"), found, "{fields}: {}", report.0);
        // And what is wrong with the script is still said.
        assert_eq!(report.has("GW102"), !script.is_empty(), "{fields}: {}", report.0);
    }
}
