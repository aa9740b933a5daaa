//! What is compared: the inits that are installed, and goward as it is released.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// tino is another tini in Rust, from crates.io; tests/tools.sh builds it where it is not installed.
const PEERS: [&str; 5] = ["tini", "tini-static", "dumb-init", "catatonit", "tino"];

/// An init, or what stands in its place.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    /// What comes before the server's command.
    pub(crate) command: Vec<OsString>,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Peer,
    Goward,
    /// goward that drops privileges first.
    GowardAsUser,
    /// Shown beside the others; never the measure and never measured against a target.
    Reference,
}

impl Subject {
    fn new(name: &str, path: &Path, role: Role) -> Self {
        Self { name: name.to_owned(), command: vec![path.into(), "--".into()], role }
    }

    /// The server as PID 1, without any init: what no init can beat.
    pub(crate) fn none() -> Self {
        Self { name: "none".to_owned(), command: Vec::new(), role: Role::Reference }
    }

    /// The init and its server as an ordinary user: goward drops by itself, the peers with setpriv in between.
    pub(crate) fn unprivileged(&self) -> Option<Self> {
        let (flags, name, role): (&[&str], _, _) = match self.role {
            Role::Goward => (&["--user", "65532:65532", "--"], "goward --user".to_owned(), Role::GowardAsUser),
            _ => (
                &["--", "setpriv", "--reuid=65532", "--regid=65532", "--clear-groups"],
                self.name.clone() + " + setpriv",
                Role::Reference,
            ),
        };
        let mut command = vec![self.command.first()?.clone()];
        command.extend(flags.iter().map(OsString::from));
        Some(Self { name, command, role })
    }

    /// Its file.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        self.command.first().map(PathBuf::from)
    }

    pub(crate) fn is_peer(&self) -> bool {
        self.role == Role::Peer
    }

    pub(crate) fn is_goward(&self) -> bool {
        self.role == Role::Goward
    }

    pub(crate) fn is_goward_as_user(&self) -> bool {
        self.role == Role::GowardAsUser
    }

    /// The size of its file.
    pub(crate) fn size(&self) -> io::Result<u64> {
        let path = self.command.first().ok_or(io::ErrorKind::NotFound)?;
        Ok(fs::metadata(path)?.len())
    }
}

/// The peers on PATH. A missing one is said.
pub(crate) fn peers() -> Vec<Subject> {
    let mut found = Vec::new();
    for name in PEERS {
        match on_path(name).or_else(|| (name == "tino").then(tino).flatten()) {
            Some(path) => found.push(Subject::new(name, &path, Role::Peer)),
            None => eprintln!("{name}: left out: not on PATH"),
        }
    }
    found
}

fn tino() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools.sh");
    let said = Command::new(script).arg("tino").stderr(std::process::Stdio::inherit()).output().ok()?;
    let path = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    path.is_file().then_some(path)
}

/// Other builds of goward, which `BESIDE` names as PATH names directories: to see what a change is worth.
pub(crate) fn beside() -> Vec<Subject> {
    let files = env::var_os("BESIDE").unwrap_or_default();
    let files = env::split_paths(&files).filter(|file| !file.as_os_str().is_empty());
    files.map(|file| Subject::new(&file.display().to_string(), &file, Role::Reference)).collect()
}

/// The file that `GOWARD` names, or else the release binary, built now so that it is never an old one.
pub(crate) fn goward() -> io::Result<Subject> {
    let path = match env::var_os("GOWARD") {
        Some(path) => {
            fs::canonicalize(&path).map_err(|error| io::Error::other(format!("GOWARD={}: {error}", path.display())))?
        }
        None => {
            let musl = format!("{}-unknown-linux-musl", env::consts::ARCH);
            build(Some(&musl)).or_else(|error| {
                eprintln!("goward: {error}; taking the one of the host's own target");
                build(None)
            })?
        }
    };
    println!("goward: {}", path.display());
    Ok(Subject::new("goward", &path, Role::Goward))
}

fn build(target: Option<&str>) -> io::Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directory = env::var_os("CARGO_TARGET_DIR").map_or_else(|| package.join("target"), PathBuf::from);
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(package).args(["build", "--quiet", "--release", "--bin", "goward"]);
    cargo.arg("--target-dir").arg(&directory);
    if let Some(target) = target {
        cargo.args(["--target", target]);
        directory.push(target);
    }
    if !cargo.status()?.success() {
        return Err(io::Error::other(format!("no release build for {}", target.unwrap_or("the host"))));
    }
    fs::canonicalize(package.join(directory).join("release/goward"))
}

/// The file a shell would run.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(|path| path.is_file())
}
