//! In containers FROM scratch: names from DNS and /etc/hosts, and a server that waits for its database.

use super::support::{Image, TempDir, go_program, turn, write};
use std::path::{Path, PathBuf};

/// goward and these programs of tests/health.
fn image(programs: &[&str]) -> Image {
    let programs: Vec<(&str, PathBuf)> =
        programs.iter().map(|name| (*name, go_program("tests/health", name))).collect();
    let files: Vec<(&str, &Path)> = programs.iter().map(|(name, path)| (*name, path.as_path())).collect();
    Image::new(&files)
}

#[test]
fn names_are_looked_up() {
    let Some(_turn) = turn() else { return };
    let image = image(&["names"]);
    let files = TempDir::new();
    write(&files.0.join("hosts"), "127.0.0.1 localhost\n127.0.0.1 file.test alias\n");
    write(
        &files.0.join("resolv.conf"),
        "nameserver 127.0.0.1\nsearch internal.test\noptions ndots:1 timeout:1 attempts:1\n",
    );
    let mount = |name: &str| format!("-v{}:/etc/{name}:ro", files.0.join(name).display());
    let options =
        [&mount("hosts"), &mount("resolv.conf"), "--network=none", "--sysctl=net.ipv6.conf.all.disable_ipv6=0"];
    let target = ["--health=http://db.test:8080/", "--health-interval=300ms", "-v", "--", "/names"];
    let server = image.run(&options, &target);
    server.wait_for_log("serving");
    let probe = |arguments: &[&str]| server.exec(&[], &[&["/goward", "probe"], arguments].concat());
    for host in ["db.test", "db", "DB.Test", "db.test.", "six.test", "many.test", "file.test", "alias"] {
        let answer = probe(&[&format!("http://{host}:8080/"), &format!("--body={host}:8080")]);
        assert!(answer.code == Some(0) && answer.stdout.contains(": 200, after "), "{host}: {answer:?}");
        let answer = probe(&[&format!("tcp://{host}:8080")]);
        assert_eq!(answer.code, Some(0), "{host}: {answer:?}");
    }
    for (host, options, said) in [
        ("nobody.test", &[][..], "there is no host 'nobody.test'"),
        ("nobody", &[], "there is no host 'nobody'"),
        ("slow.test", &["--timeout=300ms"], "no answer within 300ms: no name server has answered for 'slow.test' yet"),
        ("slow.test", &["--timeout=20s"], "no name server of /etc/resolv.conf answers"),
        ("broken.test", &["--timeout=20s"], "'broken.test' cannot be looked up"),
    ] {
        let answer = probe(&[options, &[&format!("tcp://{host}:8080")]].concat());
        assert!(answer.code == Some(1) && answer.stderr.contains(said), "{host}: {answer:?}");
    }
    let refused = probe(&["tcp://db.test:9"]);
    assert!(
        refused.code == Some(1) && refused.stderr.contains("tcp://db.test:9: 127.0.0.1:9: connection refused"),
        "{refused:?}"
    );
    // The init asks by a process of its own.
    server.wait_for_log("the server is healthy");
    assert_eq!(server.exec(&[], &["/goward", "status"]).code, Some(0), "{}", server.logs());
}

#[test]
fn a_server_waits_for_its_database() {
    let Some(_turn) = turn() else { return };
    let image = image(&["server"]);
    let first = image.run(&["--network=none"], &["--", "/server", "http", "tcp", "127.0.0.1:8080"]);
    first.wait_for_log("serving");
    let network = format!("--network=container:{}", first.name);
    let before = "--before=/goward probe --wait 60s tcp://localhost:5432";
    let second = image.run(&[&network], &[before, "--", "/server", "http", "tcp", "127.0.0.1:9090"]);
    second.wait_for_log("waiting up to 60s for tcp://localhost:5432: 127.0.0.1:5432: connection refused");
    assert!(!second.logs().contains("serving"), "{}", second.logs());
    let database = image.run(&[&network], &["--", "/server", "listen", "tcp", "127.0.0.1:5432"]);
    second.wait_for_log("serving");
    let logs = second.logs();
    assert_eq!(logs.matches("waiting up to").count(), 1, "{logs}");
    assert!(logs.contains("healthy: tcp://localhost:5432: connected"), "{logs}");
    drop(database);

    let in_vain =
        image.run(&[&network], &["--before=/goward probe --wait 1s tcp://:1", "--", "/server", "http", "tcp", ":7"]);
    assert_eq!(in_vain.wait(), 1, "{}", in_vain.logs());
    assert!(in_vain.logs().contains("unhealthy: tcp://localhost:1: still after 1s: "), "{}", in_vain.logs());
}
