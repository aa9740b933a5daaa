//! The program, how it is started, and what it wants around it: what is wrong there, and what only looks so.

use super::images::{Report, Root, build, check_layer, config, has_go};
use crate::support::{GOWARD, LIMIT, find, run, skipped};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

/// An image of that root, started so.
fn image(root: &Root, fields: &str) -> Report {
    check_layer(root, &config(fields))
}

/// In images: who is started, behind what stands before it, and as whom.
#[test]
fn command_lines() {
    if !has_go() {
        return;
    }
    let dashes = "#!/bin/sh\nif [ \"${1#-}\" != \"$1\" ]; then\n set -- /server \"$@\"\nfi\nexec \"$@\"\n";
    for (fields, id, wanted) in [
        ("\"User\":\"7\",\"Entrypoint\":[\"/start\"],\"Cmd\":[\"--listen=:8080\"]", "GW101", false),
        ("\"User\":\"7\",\"Entrypoint\":[\"/start\"],\"Cmd\":[\"serve\"]", "GW101", false),
        ("\"User\":\"7\",\"Entrypoint\":[\"/goward\",\"-sge\",\"143\",\"--\",\"/server\"]", "GW101", false),
        ("\"User\":\"7\",\"Entrypoint\":[\"/goward\",\"-gp\",\"SIGTERM\",\"/gone\"]", "GW101", true),
        ("\"User\":\"7\",\"Entrypoint\":[\"/usr/bin/env\",\"-u\",\"X\",\"/server\"]", "GW101", false),
        ("\"User\":\"65532:\",\"Entrypoint\":[\"/server\"]", "GW202", false),
        ("\"User\":\"65532\",\"Entrypoint\":[\"/server\"]", "GW202", false),
        ("\"Entrypoint\":[\"/goward\",\"--user\",\"65532\",\"--\",\"/server\"]", "GW202", true),
        ("\"Entrypoint\":[\"/goward\",\"/server\"],\"Env\":[\"GOWARD_USER=65532\"]", "GW202", true),
        ("\"Entrypoint\":[\"/goward\",\"--user\",\"65532:1\",\"--\",\"/server\"]", "GW202", false),
        ("\"Entrypoint\":[\"/goward\",\"--\",\"/server\"]", "GW113", true),
        ("\"Entrypoint\":[\"/goward\",\"--go-env\",\"--\",\"/server\"]", "GW113", false),
        ("\"Entrypoint\":[\"/goward\",\"--\",\"/server\"],\"Env\":[\"GOWARD_GO_ENV=1\"]", "GW113", false),
        ("\"Entrypoint\":[\"/server\"],\"Env\":[\"GOMAXPROCS=2\"]", "GW113", false),
        ("\"Env\":[\"USE_TOKEN=true\",\"ENABLE_SECRET=false\",\"NO_PASSWORD=1\"]", "GW408", false),
        ("\"Entrypoint\":[\"/sbin/tini\",\"--\",\"/bin/ash\",\"-c\",\"/server\"]", "GW401", false),
        ("\"Entrypoint\":[\"/sbin/tini\",\"--\",\"/bin/sh\",\"-c\",\"/server\"]", "GW401", true),
        ("\"Healthcheck\":{\"Test\":[\"CMD\",\"/plain\"]}", "GW404", true),
        ("\"Healthcheck\":{\"Test\":[\"CMD\",\"/start\"]}", "GW404", true),
        ("\"Healthcheck\":{\"Test\":[\"CMD\",\"/server\"]}", "GW404", false),
    ] {
        let root = Root::good();
        root.file("/start", dashes.as_bytes(), 0o755);
        root.file("/plain", &fs::read(root.at("/server")).unwrap(), 0o644);
        for there in ["/goward", "/sbin/tini", "/bin/busybox"] {
            root.file(there, b"\x7fELF", 0o755);
        }
        symlink("busybox", root.at("/bin/ash")).unwrap();
        symlink("dash", root.at("/bin/sh")).unwrap();
        let report = image(&root, fields);
        assert_eq!(report.has(id), wanted, "{id} {fields}: {}", report.0);
    }
}

#[test]
fn what_go_env_sets_is_not_set_already() {
    if !has_go() {
        return;
    }
    let start = "\"Entrypoint\":[\"/goward\",\"--go-env\",\"--\",\"/server\"]";
    let report = image(&Root::good(), start);
    assert!(report.says("goward --go-env sets GOMAXPROCS from the CPU quota, GOMEMLIMIT"), "{}", report.0);
    let report = image(&Root::good(), &format!("{start},\"Env\":[\"GOMAXPROCS=2\",\"GOMEMLIMIT=1GiB\"]"));
    assert!(report.says("goward --go-env sets GOTRACEBACK=all"), "{}", report.0);
}

/// RUN after USER: what the groups of that user may write to, it may.
#[test]
fn supplementary_groups() {
    let (Some(chroot), true) = (find("chroot"), crate::support::requires_root() && has_go()) else { return };
    let root = Root::good();
    root.copy(Path::new(GOWARD), "/goward");
    root.directory("/data", 0o775);
    chown(root.at("/data"), Some(0), Some(2000)).unwrap();
    for (groups, wanted) in [("--groups=2000", false), ("--groups=3000", true)] {
        let mut command = Command::new(&chroot);
        command.args(["--userspec=1000:1000", groups]).arg(root.at("/")).args(["/goward", "check", "--format=json"]);
        let report = Report::of(&run(command.args(["--fail-on=never", "--writable=/data", "/server"]), LIMIT));
        assert_eq!(report.has("GW204"), wanted, "{groups}: {}", report.0);
    }
}

#[test]
fn versions_in_any_package() {
    if !has_go() {
        return;
    }
    for (flags, said) in [
        ("-X main.releaseVersion=1.2.3", "version 1.2.3"),
        ("-X main.gitCommit=abc", "version abc"),
        ("-X main.buildTime=2026", "no version"),
    ] {
        let source = "package main\n\nvar releaseVersion, gitCommit, buildTime string\n\nfunc main() { println(releaseVersion, gitCommit, buildTime) }\n";
        let root = Root::good();
        root.copy(&build(None, source, &[], &["-trimpath", &format!("-ldflags={flags}")]).unwrap(), "/server");
        let report = root.server();
        assert!(report.says(said) && report.has("GW110") == (said == "no version"), "{flags}: {}", report.0);
    }
}

#[test]
fn mends_that_fit() {
    let root = Root::good();
    for (content, said) in [
        ("#!/bin/none\n", "start the server itself"),
        ("#!/bin/sh\r\n", "dos2unix"),
        ("", "build or copy it again"),
        ("MZ", "GOOS=linux"),
    ] {
        root.file("/server", content.as_bytes(), 0o755);
        let report = root.server();
        let mend = |one: &serde_json::Value| one["mend"].as_str().unwrap().contains(said);
        let found = report.0["findings"].as_array().unwrap().iter().find(|one| one["id"] == "GW102").unwrap();
        assert!(mend(found), "{content:?}: {}", report.0);
    }
    root.remove("/server");
    symlink("/opt/server", root.at("/server")).unwrap();
    assert!(root.server().says("/server is a link to /opt/server, and /opt does not exist"), "{}", root.server().0);
}

/// Compiles C, into the root.
fn cc(root: &Root, to: &str, source: &str, arguments: &[&str]) {
    fs::write(root.at("/x.c"), source).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.current_dir(root.at("/")).arg("-o").arg(root.at(to)).arg("x.c").args(arguments);
    let outcome = run(&mut gcc, LIMIT);
    assert_eq!(outcome.ending, crate::support::Ending::Exited(0), "{arguments:?}: {}", outcome.stderr);
    fs::remove_file(root.at("/x.c")).unwrap();
}

/// Where a library is looked for: each file's own places, and the loader, which is a library itself.
#[test]
fn libraries_and_loaders() {
    if find("gcc").is_none() || !cfg!(target_arch = "x86_64") {
        skipped("no gcc");
        return;
    }
    let root = Root::good();
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    root.copy(loader, "/lib64/ld-linux-x86-64.so.2");
    root.copy(Path::new("/lib/x86_64-linux-gnu/libc.so.6"), "/lib/libc.so.6");
    for path in ["/opt/app/bin", "/opt/app/lib", "/opt/app/priv", "/usr/bin"] {
        root.directory(path, 0o755);
    }
    cc(&root, "/opt/app/priv/libinner.so", "int inner(void) { return 1; }", &["-shared", "-fPIC"]);
    let outer = ["-shared", "-fPIC", "-Lopt/app/priv", "-linner", "-Wl,-rpath,$ORIGIN/../priv"];
    cc(&root, "/opt/app/lib/libouter.so", "int inner(void); int outer(void) { return inner(); }", &outer);
    let main = "int outer(void); int main(void) { return outer(); }";
    let flags = ["-Lopt/app/lib", "-louter", "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--unresolved-symbols=ignore-all"];
    cc(&root, "/opt/app/bin/server", main, &flags);
    // Through a link: $ORIGIN is where the program is.
    symlink("/opt/app/bin/server", root.at("/usr/bin/server")).unwrap();
    let look = || root.check(&["--user=65532", "/usr/bin/server"]);
    assert!(!look().has("GW104") && !look().has("GW103"), "{}", look().0);
    root.file("/lib/libc.so.6", &fs::read(root.at("/lib/libc.so.6")).unwrap(), 0o600);
    chown(root.at("/lib/libc.so.6"), Some(0), Some(0)).unwrap();
    assert!(look().has("GW104") && look().says("may not read it"), "{}", look().0);
    root.remove("/opt/app/priv");
    assert!(look().says("libinner.so is in none of"), "{}", look().0);
    // A loader for another machine: like none.
    let mut other = fs::read(loader).unwrap();
    other[18..20].copy_from_slice(&183u16.to_le_bytes());
    root.file("/lib64/ld-linux-x86-64.so.2", &other, 0o755);
    assert!(look().has("GW103") && look().says("is built for arm64"), "{}", look().0);

    // musl's loader is its libc, and glibc's may be wanted by name.
    let root = Root::good();
    root.file("/lib/ld-musl-x86_64.so.1", b"\x7fELF", 0o755);
    root.file("/opt/ld-linux-x86-64.so.2", b"\x7fELF", 0o755);
    cc(&root, "/libc.so", "int x;", &["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so"]);
    cc(&root, "/libld.so", "int y;", &["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,ld-linux-x86-64.so.2"]);
    let main = "extern int x, y; void _start(void) { x = y = 0; }";
    for (loader, library) in [("/lib/ld-musl-x86_64.so.1", "libc.so"), ("/opt/ld-linux-x86-64.so.2", "libld.so")] {
        let interpreter = format!("-Wl,--dynamic-linker={loader}");
        cc(&root, "/server", main, &["-nostdlib", library, &interpreter, "-Wl,--unresolved-symbols=ignore-all"]);
        assert!(!root.server().has("GW104") && !root.server().has("GW103"), "{loader}: {}", root.server().0);
    }
}
