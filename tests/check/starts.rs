//! The program, how it is started, and what it wants around it: what is wrong there, and what only looks so.

use super::images::{CERTIFICATES, Report, Root, build, check_layer, config, has_go};
use crate::support::{GOWARD, LIMIT, requires, requires_root, run, skipped};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of these imports and statements.
fn program(imports: &[&str], body: &str, env: &[(&str, &str)], arguments: &[&str]) -> PathBuf {
    let imports: String = imports.iter().map(|name| format!("import \"{name}\"\n")).collect();
    let source = format!("package main\n\n{imports}\nfunc main() {{\n\t{body}\n}}\n");
    build(None, &source, env, arguments).unwrap()
}

/// An image of that root, started so.
fn image(root: &Root, fields: &str) -> Report {
    check_layer(root, &config(fields))
}

/// The severity of a finding.
fn severity<'a>(report: &'a Report, id: &str) -> Option<&'a str> {
    report.0["findings"].as_array().unwrap().iter().find(|one| one["id"] == id)?["severity"].as_str()
}

/// Certificates are missed by what makes connections. That crypto/x509 is in the program proves nothing: it is in every server.
#[test]
fn who_needs_certificates() {
    if !has_go() {
        return;
    }
    let fallback = "x509.SetFallbackRoots(x509.NewCertPool())\n\thttp.Get(\"https://example.com\")";
    for (imports, body, wanted) in [
        (["net/http"].as_slice(), "http.ListenAndServe(\":1\", nil)", Some("warning")),
        (&["net/http"], "http.Get(\"https://example.com\")", Some("error")),
        (&["crypto/tls"], "tls.Dial(\"tcp\", \"a:1\", nil)", Some("error")),
        (&["crypto/x509"], "x509.SystemCertPool()", Some("error")),
        (&["net/http", "crypto/x509"], fallback, None),
    ] {
        let root = Root::good();
        root.remove(CERTIFICATES);
        root.copy(&program(imports, body, &[], &["-trimpath", "-ldflags=-s -w"]), "/server");
        let report = root.server();
        assert_eq!(severity(&report, "GW205"), wanted, "{body}: {}", report.0);
    }
    // Expired ones are taken before those in the program.
    let root = Root::good();
    root.file(CERTIFICATES, include_bytes!("expired.pem"), 0o644);
    root.copy(&program(&["net/http", "crypto/x509"], fallback, &[], &["-trimpath", "-ldflags=-s -w"]), "/server");
    assert!(root.server().has("GW206"), "{}", root.server().0);
}

#[test]
fn certificates_in_a_closed_directory() {
    if !has_go() {
        return;
    }
    let root = Root::good();
    root.directory("/etc/ssl", 0o700);
    let report = root.server();
    assert!(report.has("GW205") && report.says("may not enter /etc/ssl (") && report.says("0755"), "{}", report.0);
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
    if !requires_root() || !requires("chroot") || !has_go() {
        return;
    }
    let root = Root::good();
    root.copy(Path::new(GOWARD), "/goward");
    root.directory("/data", 0o775);
    chown(root.at("/data"), Some(0), Some(2000)).unwrap();
    for (groups, wanted) in [("--groups=2000", false), ("--groups=3000", true)] {
        let mut command = Command::new("chroot");
        command.args(["--userspec=1000:1000", groups]).arg(root.at("/")).args(["/goward", "check", "--format=json"]);
        let report = Report::of(&run(command.args(["--fail-on=never", "--writable=/data", "/server"]), LIMIT));
        assert_eq!(report.has("GW204"), wanted, "{groups}: {}", report.0);
    }
}

/// os.CreateTemp wants one directory that the server may write to, wherever it is.
#[test]
fn temporary_files() {
    if !has_go() {
        return;
    }
    let ours = |root: &Root, path: &str, mode: u32| {
        root.directory(path, mode);
        fs::set_permissions(root.at(path), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    let start = "\"Entrypoint\":[\"/server\"]";
    for (fields, data, tmp, wanted) in [
        ("\"User\":\"7\",\"Env\":[\"TMPDIR=/data\"]", Some(0o777), None, true),
        ("\"User\":\"7\",\"Env\":[\"TMPDIR=/data\"]", Some(0o1777), None, false),
        ("\"User\":\"7\",\"Env\":[\"TMPDIR=/data\"]", Some(0o755), Some(0o1777), true),
        ("\"User\":\"7\"", None, Some(0o755), true),
        ("\"User\":\"0\"", None, Some(0o755), false),
    ] {
        let root = Root::good();
        root.remove("/tmp");
        [("/data", data), ("/tmp", tmp)]
            .iter()
            .for_each(|(path, mode)| mode.iter().for_each(|mode| ours(&root, path, *mode)));
        let report = image(&root, &format!("{start},{fields}"));
        assert_eq!(report.has("GW209"), wanted, "{fields} {data:?} {tmp:?}: {}", report.0);
    }
}

#[test]
fn zones_of_a_toolchain_and_of_a_variable() {
    if !has_go() {
        return;
    }
    let load = "println(time.LoadLocation(\"Europe/Berlin\"))";
    let root = Root::good();
    root.file("/usr/local/go/lib/time/zoneinfo.zip", b"PK", 0o644);
    root.file("/zi/Europe/Berlin", b"TZif2", 0o644);
    for (flag, fields, id, wanted) in [
        ("-ldflags=-s", "", "GW207", false),
        ("-trimpath", "", "GW207", true),
        ("-trimpath", ",\"Env\":[\"GOROOT=/usr/local/go\"]", "GW207", false),
        ("-trimpath", ",\"Env\":[\"ZONEINFO=/zi\",\"TZ=Europe/Berlin\"]", "GW207", false),
        // For TZ Go does not look there.
        ("-trimpath", ",\"Env\":[\"ZONEINFO=/zi\",\"TZ=Europe/Berlin\"]", "GW208", true),
    ] {
        root.copy(&program(&["time"], load, &[], &[flag]), "/server");
        let report = image(&root, &format!("\"Entrypoint\":[\"/server\"]{fields}"));
        assert_eq!(report.has(id), wanted, "{id} {flag} {fields}: {}", report.0);
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
    if !requires("gcc") || !(cfg!(target_arch = "x86_64") || skipped("this knows the loader of x86_64 only")) {
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
    if !requires_root() {
        return;
    }
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
