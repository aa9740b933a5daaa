//! goward on the platforms of docs/platforms.md that can be had here, as they are: gVisor, Podman, crun with a user namespace and
//! with hidepid, an unprivileged user namespace, and Docker with its own seccomp profile and with others. On each the same life:
//! the exit code is passed on, an orphan is reaped, privileges are dropped, `goward status` and `goward dump` are answered (or say
//! why not), and SIGTERM reaches a Go server, which stops, and the record says so.
//!
//! `tests/tools.sh` installs the tools. How a stop goes in Docker is in containers.rs, single refused calls are in faults.rs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

#[path = "support/containers.rs"]
mod support;

use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{
    GOWARD, Image, LIMIT, Output, TempDir, USER, docker, docker_is_there, go_is_there, go_server, requires, run,
    skipped, unique, write,
};

// ---------------------------------------------------------------------------------------------------------------------
// What a platform is asked for

/// A way to run a container: goward is its first process.
trait Platform {
    /// The command that runs it, to its end and with its exit code. The words are goward's own.
    fn run(&self, name: &str, words: &[&str]) -> Command;
    /// A command in it, by the platform's own means.
    fn exec(&self, name: &str, words: &[&str]) -> Command;
    /// A signal for its first process.
    fn kill(&self, name: &str, signal: &str) -> Command;
    /// Whatever has become of it.
    fn remove(&self, name: &str) -> Option<Command>;
}

/// A container that runs. What it writes goes into a file; it goes away with its test.
struct Life<'a> {
    platform: &'a dyn Platform,
    name: String,
    log: PathBuf,
    _directory: TempDir,
    process: Child,
}

impl<'a> Life<'a> {
    fn begin(platform: &'a dyn Platform, words: &[&str]) -> Life<'a> {
        let (name, directory) = (unique(), TempDir::short());
        let log = directory.0.join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = platform.run(&name, words);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Life { platform, name, log, _directory: directory, process }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn wait_for(&mut self, text: &str) {
        let began = Instant::now();
        while !self.said().contains(text) {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < LIMIT, "no {text:?}, {ended:?}\n{}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    /// Its exit code and what it has written.
    fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.code(), self.said());
            }
            assert!(began.elapsed() < LIMIT, "it does not end\n{}", self.said());
            sleep(Duration::from_millis(10));
        }
    }

    fn exec(&self, words: &[&str]) -> Output {
        run(&mut self.platform.exec(&self.name, words), LIMIT)
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        if let Some(mut remove) = self.platform.remove(&self.name) {
            run(&mut remove, LIMIT);
        }
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// What a platform lets goward do.
struct Allows {
    /// `--user`: None, or the sentence with which it is refused.
    no_user: Option<&'static str>,
    /// `goward dump`: None, or what it says instead.
    no_dump: Option<&'static str>,
}

const EVERYTHING: Allows = Allows { no_user: None, no_dump: None };

/// The whole life of a container.
fn lives(platform: &dyn Platform, allows: &Allows) {
    passes_the_exit_code_on(platform);
    reaps_an_orphan(platform);
    drops_privileges(platform, allows);
    is_asked_and_stopped(platform, allows);
}

fn passes_the_exit_code_on(platform: &dyn Platform) {
    for (script, expected) in [("exit 7", 7), ("kill -TERM $$", 143)] {
        let (code, said) = Life::begin(platform, &["-q", "--", "/bin/busybox", "sh", "-c", script]).end();
        assert_eq!(code, Some(expected), "{script}\n{said}");
    }
}

fn reaps_an_orphan(platform: &dyn Platform) {
    // The near miss: what its own parent has not waited for is nobody else's.
    let script = "cd /bin; ./busybox sh -c './busybox sleep 0.1 & echo orphan $!'
        i=0; while [ $i -lt 100 ]; do ./busybox grep -sq 'State:.Z' /proc/[0-9]*/status || break; i=$((i + 1)); ./busybox sleep 0.05; done
        ./busybox sleep 0.3; echo \"zombies: $(./busybox grep -sl 'State:.Z' /proc/[0-9]*/status | ./busybox wc -l)\"";
    let (code, said) = Life::begin(platform, &["-w", "--", "/bin/busybox", "sh", "-c", script]).end();
    assert_eq!(code, Some(0), "{said}");
    let orphan = said.lines().find_map(|line| line.strip_prefix("orphan ")).expect("the orphan's pid");
    assert!(said.contains("zombies: 0"), "{said}");
    let reaped = |line: &str| line.contains("reaped") && line.contains(orphan);
    assert!(said.lines().any(reaped), "{orphan} was not reaped by goward\n{said}");
}

fn drops_privileges(platform: &dyn Platform, allows: &Allows) {
    let script =
        "./bin/busybox id -u; ./bin/busybox id -g; ./bin/busybox grep -E '^(NoNewPrivs|CapEff):' /proc/self/status";
    let words = ["-q", "--user", USER, "--", "/bin/busybox", "sh", "-c", script];
    let (code, said) = Life::begin(platform, &words).end();
    match allows.no_user {
        Some(why) => assert!(code == Some(125) && said.contains(why), "{code:?}\n{said}"),
        None => {
            assert_eq!(code, Some(0), "{said}");
            let words: Vec<&str> = said.split_whitespace().collect();
            assert_eq!(words[..2], ["65532", "65532"], "{said}");
            let value =
                |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1).copied());
            assert_eq!(value("CapEff:"), Some("0000000000000000"), "{said}");
            // gVisor has no such line.
            assert!(value("NoNewPrivs:").is_none_or(|set| set == "1"), "{said}");
        }
    }
}

fn is_asked_and_stopped(platform: &dyn Platform, allows: &Allows) {
    let user: &[&str] = if allows.no_user.is_none() { &["--user", USER] } else { &[] };
    let words = [user, &["--log-format=json", "--stop-timeout=9s", "--", "/good"]].concat();
    let mut life = Life::begin(platform, &words);
    life.wait_for("starting");
    // PID 1 makes its sockets after the server has started.
    let began = Instant::now();
    let status = loop {
        let status = life.exec(&["/goward", "status"]);
        if status.code == Some(0) || began.elapsed() > Duration::from_secs(10) {
            break status;
        }
        sleep(Duration::from_millis(100));
    };
    assert_eq!(status.code, Some(0), "{status:?}\n{}", life.said());
    let dump = life.exec(&["/goward", "dump"]);
    match allows.no_dump {
        None => assert!(dump.code == Some(0) && dump.stdout.contains("main.run"), "{dump:?}\n{}", life.said()),
        Some(why) => assert!(dump.code == Some(1) && dump.all().contains(why), "{dump:?}\n{}", life.said()),
    }
    let kill = run(&mut platform.kill(&life.name, "TERM"), LIMIT);
    assert_eq!(kill.code, Some(0), "{kill:?}");
    let (code, said) = life.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("INFO stopped"), "the server did not hear SIGTERM\n{said}");
    let record = said.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let record = record.into_iter().find(|event| event.get("cause").is_some()).expect("a record");
    assert_eq!((&record["cause"], &record["code"]), (&json!("stopped"), &json!(0)), "{said}");
    assert_eq!(record["signal"], "SIGTERM", "{said}");
}

// ---------------------------------------------------------------------------------------------------------------------
// What all of them run

/// A root directory: goward, a shell, a server.
struct Root(TempDir);

impl Root {
    fn new() -> Root {
        // Where a user of a user namespace gets to as well.
        let root = TempDir::short();
        for directory in ["bin", "dev", "etc", "proc", "sys", "tmp", "run"] {
            fs::create_dir_all(root.0.join("root").join(directory)).unwrap();
        }
        for (from, to) in Self::files() {
            let to = root.0.join("root").join(to);
            fs::copy(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Root(root)
    }

    fn files() -> [(PathBuf, &'static str); 3] {
        [(GOWARD.into(), "goward"), ("/bin/busybox".into(), "bin/busybox"), (go_server("good"), "good")]
    }

    fn path(&self) -> PathBuf {
        self.0.0.join("root")
    }
}

/// Whether these tools are there, and what every test needs. Root alone may do most of it.
fn are_there(tools: &[&str]) -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    (root || skipped("this needs root")) && ["busybox"].iter().chain(tools).all(|tool| requires(tool)) && go_is_there()
}

// ---------------------------------------------------------------------------------------------------------------------
// Runtimes that take a bundle of the OCI

/// runsc or crun.
struct Runtime {
    program: &'static str,
    options: &'static [&'static str],
    root: Root,
    /// What this container has beyond the others.
    change: fn(&mut Value),
}

/// A program that finds no second hierarchy of control groups: crun refuses to run beside one, whether it is to use any or not.
fn without_hybrid_cgroups(program: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$0\" \"$@\"";
    command.args(["--mount", "sh", "-c", script, program]);
    command
}

impl Runtime {
    fn command(&self) -> Command {
        let mut command = match self.program {
            "crun" => without_hybrid_cgroups("crun"),
            other => Command::new(other),
        };
        command.arg("--root").arg(self.root.0.0.join("state")).args(self.options);
        command
    }
}

/// What docker leaves to root in a container.
const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
];

impl Platform for Runtime {
    fn run(&self, name: &str, words: &[&str]) -> Command {
        let namespaces = ["pid", "mount", "ipc", "uts", "network"].map(|kind| json!({ "type": kind }));
        let args: Vec<&str> = ["/goward"].iter().chain(words).copied().collect();
        let mut config = json!({
            "ociVersion": "1.0.2",
            "hostname": "test",
            "root": { "path": self.root.path() },
            "process": {
                "user": { "uid": 0, "gid": 0 },
                "args": args,
                "env": ["PATH=/bin"],
                "cwd": "/",
                "capabilities": { "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES },
                "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
            ],
            "linux": { "namespaces": namespaces },
        });
        (self.change)(&mut config);
        let bundle = self.root.0.0.join(name);
        write(&bundle.join("config.json"), &config.to_string());
        let mut command = self.command();
        command.args(["run", "--bundle"]).arg(bundle).arg(name);
        command
    }

    fn exec(&self, name: &str, words: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["exec", name]).args(words);
        command
    }

    fn kill(&self, name: &str, signal: &str) -> Command {
        let mut command = self.command();
        command.args(["kill", name, signal]);
        command
    }

    fn remove(&self, name: &str) -> Option<Command> {
        let mut command = self.command();
        command.args(["delete", "--force", name]);
        Some(command)
    }
}

fn crun(change: fn(&mut Value)) -> Runtime {
    Runtime { program: "crun", options: &["--cgroup-manager=disabled"], root: Root::new(), change }
}

/// gVisor, as GKE Sandbox has it: a kernel in user space.
#[test]
fn gvisor() {
    if !are_there(&["runsc"]) {
        return;
    }
    let options = &["--network=none", "--ignore-cgroups", "--platform=ptrace"];
    let gvisor = Runtime { program: "runsc", options, root: Root::new(), change: |_| {} };
    lives(&gvisor, &Allows { no_dump: Some("the kernel does not say who is asking"), ..EVERYTHING });
}

#[test]
fn crun_as_it_is() {
    if are_there(&["crun"]) {
        lives(&crun(|_| {}), &EVERYTHING);
    }
}

/// As Podman's and Docker's userns-remap: root is nobody out here, and 65,536 ids are mapped.
#[test]
fn crun_in_a_user_namespace() {
    if !are_there(&["crun"]) {
        return;
    }
    let mapped = crun(|config| {
        let linux = &mut config["linux"];
        linux["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
        for map in ["uidMappings", "gidMappings"] {
            linux[map] = json!([{ "containerID": 0, "hostID": 200_000, "size": 65_536 }]);
        }
    });
    lives(&mapped, &EVERYTHING);
}

/// The same with too few ids for the user that is asked for.
#[test]
fn crun_in_a_user_namespace_without_that_user() {
    if !are_there(&["crun"]) {
        return;
    }
    let mapped = crun(|config| {
        let linux = &mut config["linux"];
        linux["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
        for map in ["uidMappings", "gidMappings"] {
            linux[map] = json!([{ "containerID": 0, "hostID": 200_000, "size": 1000 }]);
        }
    });
    let unmapped = "gid 65532 is not mapped in this user namespace (/proc/self/gid_map)";
    lives(&mapped, &Allows { no_user: Some(unmapped), ..EVERYTHING });
}

/// A hardened host: nobody sees the processes of others in /proc.
#[test]
fn crun_with_hidepid() {
    if !are_there(&["crun"]) {
        return;
    }
    let hidden = crun(|config| config["mounts"][0]["options"].as_array_mut().unwrap().push("hidepid=2".into()));
    let (_, mounts) = Life::begin(&hidden, &["-q", "--", "/bin/busybox", "grep", " /proc ", "/proc/mounts"]).end();
    assert!(mounts.contains("hidepid=invisible") || mounts.contains("hidepid=2"), "{mounts}");
    lives(&hidden, &EVERYTHING);
}

// ---------------------------------------------------------------------------------------------------------------------
// Podman

struct Podman {
    root: Root,
    runtime: &'static str,
}

impl Podman {
    fn command(&self) -> Command {
        let crun = self.runtime == "crun";
        let mut command = if crun { without_hybrid_cgroups("podman") } else { Command::new("podman") };
        let storage = self.root.0.0.join("storage");
        // Nothing of the machine's own: neither its storage nor its journal.
        command.arg("--root").arg(storage.join("root")).arg("--runroot").arg(storage.join("run"));
        command.args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"]);
        command.arg(format!("--runtime={}", self.runtime));
        command
    }

    fn run_with(&self, name: &str, options: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["run", "--rm", "--name", name, "--network=none", "--log-driver=none"]);
        // More than this machine's own is refused without CAP_SYS_RESOURCE.
        command.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]);
        if self.runtime == "crun" {
            command.arg("--cgroups=disabled");
        }
        command.args(options).arg("--rootfs").arg(self.root.path());
        command
    }
}

impl Platform for Podman {
    fn run(&self, name: &str, words: &[&str]) -> Command {
        let mut command = self.run_with(name, &[]);
        command.arg("/goward").args(words);
        command
    }

    fn exec(&self, name: &str, words: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["exec", name]).args(words);
        command
    }

    fn kill(&self, name: &str, signal: &str) -> Command {
        let mut command = self.command();
        command.args(["kill", "--signal", signal, name]);
        command
    }

    fn remove(&self, name: &str) -> Option<Command> {
        let mut command = self.command();
        command.args(["rm", "--force", "--ignore", "--time=0", name]);
        Some(command)
    }
}

/// Without control groups.
#[test]
fn podman_with_crun() {
    if are_there(&["podman", "crun", "conmon"]) {
        lives(&Podman { root: Root::new(), runtime: "crun" }, &EVERYTHING);
    }
}

/// With control groups of its own.
#[test]
fn podman_with_runc() {
    if are_there(&["podman", "runc", "conmon"]) {
        lives(&Podman { root: Root::new(), runtime: "runc" }, &EVERYTHING);
    }
}

/// `--init` with goward in catatonit's place: it runs as /run/podman-init, as catatonit does, and says nothing of its own.
#[test]
fn podman_takes_it_as_its_init() {
    if !are_there(&["podman", "crun", "conmon"]) {
        return;
    }
    /// The words are those of the program, and goward comes from outside.
    struct Init(Podman);
    impl Platform for Init {
        fn run(&self, name: &str, words: &[&str]) -> Command {
            let mut command = self.0.run_with(name, &["--init", "--init-path", GOWARD]);
            command.args(words);
            command
        }
        fn exec(&self, name: &str, words: &[&str]) -> Command {
            self.0.exec(name, words)
        }
        fn kill(&self, name: &str, signal: &str) -> Command {
            self.0.kill(name, signal)
        }
        fn remove(&self, name: &str) -> Option<Command> {
            self.0.remove(name)
        }
    }
    let podman = Init(Podman { root: Root::new(), runtime: "crun" });
    let (code, said) = Life::begin(&podman, &["/bin/busybox", "sh", "-c", "exit 7"]).end();
    assert_eq!((code, said.as_str()), (Some(7), ""));
    let mut good = Life::begin(&podman, &["/good"]);
    good.wait_for("starting");
    let first = good.exec(&["/bin/busybox", "cat", "/proc/1/cmdline"]);
    assert!(first.stdout.starts_with("/run/podman-init\0"), "{first:?}");
    let kill = run(&mut podman.kill(&good.name, "TERM"), LIMIT);
    assert_eq!(kill.code, Some(0), "{kill:?}");
    let (code, said) = good.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("INFO stopped") && !said.contains("goward"), "{said}");
}

// ---------------------------------------------------------------------------------------------------------------------
// unshare(1)

/// A user namespace as anybody may make one: root is the only user.
struct Unshare(Root);

impl Unshare {
    /// The first process in the namespace: the only child of unshare, which has the name in its environment.
    fn first(name: &str) -> Option<String> {
        let named = format!("TEST_CONTAINER={name}");
        fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).find_map(|process| {
            let environment = fs::read(process.join("environ")).ok()?;
            environment.split(|byte| *byte == 0).any(|entry| entry == named.as_bytes()).then_some(())?;
            let status = fs::read_to_string(process.join("status")).ok()?;
            let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().nth(1)? == "1";
            inside.then(|| process.file_name().unwrap().to_str().unwrap().to_owned())
        })
    }
}

impl Platform for Unshare {
    fn run(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount"]);
        let script = "mount -t proc proc \"$0/proc\" && : >\"$0/dev/null\" && mount --bind /dev/null \"$0/dev/null\" &&
            exec chroot \"$0\" /goward \"$@\"";
        command.args(["sh", "-c", script]).arg(self.0.path()).args(words).env("TEST_CONTAINER", name);
        command
    }

    fn exec(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        let pid = Self::first(name).unwrap_or_default();
        command.args(["--target", &pid, "--user", "--pid", "--mount", "--root", "--wd", "--preserve-credentials"]);
        command.arg("--").args(words);
        command
    }

    fn kill(&self, name: &str, signal: &str) -> Command {
        let mut command = Command::new("kill");
        command.arg(format!("-{signal}")).arg(Self::first(name).unwrap_or_default());
        command
    }

    fn remove(&self, _: &str) -> Option<Command> {
        None // unshare takes it along.
    }
}

#[test]
fn unshare_with_root_alone() {
    if are_there(&["unshare", "nsenter"]) {
        let refused = "the user namespace forbids it (/proc/self/setgroups is deny)";
        lives(&Unshare(Root::new()), &Allows { no_user: Some(refused), ..EVERYTHING });
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Docker and its seccomp profiles

struct Docker {
    image: Image,
    options: Vec<String>,
    _directory: TempDir,
}

impl Docker {
    /// With a profile that refuses these calls with this errno and allows all others; none: with Docker's own.
    fn refusing(calls: Option<(&[&str], i32)>, more: &[&str]) -> Docker {
        let directory = TempDir::new();
        let profile = calls.map(|(names, errno)| {
            let rule = json!({ "names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno });
            let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] });
            let path = directory.0.join("profile.json");
            write(&path, &profile.to_string());
            format!("--security-opt=seccomp={}", path.display())
        });
        let files = Root::files();
        let files: Vec<(&str, &Path)> = files[1..].iter().map(|(from, to)| (*to, from.as_path())).collect();
        let options = profile.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect();
        Docker { image: Image::new(&files), options, _directory: directory }
    }
}

impl Platform for Docker {
    fn run(&self, name: &str, words: &[&str]) -> Command {
        let mut command = docker(&["run", "--rm", "--label=goward-test", "--network=none", "--name", name]);
        command.args(&self.options).arg(&self.image.tag).args(words);
        command
    }

    fn exec(&self, name: &str, words: &[&str]) -> Command {
        docker(&[&["exec", name], words].concat())
    }

    fn kill(&self, name: &str, signal: &str) -> Command {
        docker(&["kill", "--signal", signal, name])
    }

    fn remove(&self, name: &str) -> Option<Command> {
        Some(docker(&["rm", "--force", "--volumes", name]))
    }
}

fn under_seccomp(calls: Option<(&[&str], i32)>, more: &[&str], allows: &Allows) {
    if docker_is_there() && are_there(&[]) {
        lives(&Docker::refusing(calls, more), allows);
    }
}

#[test]
fn dockers_own_seccomp_profile() {
    under_seccomp(None, &[], &EVERYTHING);
}

/// As old profiles have it, which do not know the call.
#[test]
fn a_seccomp_profile_without_close_range() {
    under_seccomp(Some((&["close_range"], libc::EPERM)), &[], &EVERYTHING);
}

/// As old kernels have it.
#[test]
fn a_seccomp_profile_without_what_is_new() {
    let calls = &["close_range", "clone3", "pidfd_open", "pidfd_send_signal", "openat2", "statx", "faccessat2", "rseq"];
    under_seccomp(Some((calls, libc::ENOSYS)), &[], &EVERYTHING);
}

/// No no_new_privs and no bounding set: a drop that cannot be made whole is refused. The engine itself sets no_new_privs, because
/// it could not start the container otherwise.
#[test]
fn a_seccomp_profile_without_prctl() {
    let refused = "dropping privileges failed at no_new_privs: Operation not permitted";
    let calls = Some((&["prctl"][..], libc::EPERM));
    under_seccomp(calls, &["--security-opt=no-new-privileges"], &Allows { no_user: Some(refused), ..EVERYTHING });
}

/// What reads the memory of others but /proc.
#[test]
fn a_seccomp_profile_without_ptrace() {
    let calls = &["ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp"];
    under_seccomp(Some((calls, libc::EPERM)), &[], &EVERYTHING);
}
