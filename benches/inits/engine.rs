//! Real containers: every init in one of this machine's docker engine, from an image made here, with a cgroup of its own, docker's
//! seccomp profile, and docker's json-file behind its standard error.
//!
//! The engine cannot tell when it executes the init, so this program comes first in the container (`--enter`): it connects to the
//! channel, stamps the time, and executes the init in its own place.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, process};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Pid;

use crate::sys;

/// The hidden mode of this program: `--enter SOCKET COMMAND…`.
pub(crate) const ENTER: &str = "--enter";
/// Where a container finds the channel's socket.
const INSIDE: &str = "/bench";

/// The engine with the image.
pub(crate) struct Engine {
    image: String,
    /// What holds the socket.
    directory: PathBuf,
    socket: UnixListener,
    count: Cell<u32>,
}

/// A container of the engine's.
pub(crate) struct Contained {
    pub(crate) name: String,
    pub(crate) pid: Pid,
    pub(crate) channel: UnixStream,
}

impl Engine {
    /// Makes an image of everything in this directory, of this program, and of what both need, each under its own path.
    pub(crate) fn new(directory: &Path, programs: &[PathBuf]) -> io::Result<Self> {
        let mut files: BTreeSet<PathBuf> = programs.iter().filter(|path| path.is_file()).cloned().collect();
        files.insert(env::current_exe()?);
        let libraries: Vec<_> = files.iter().flat_map(|file| libraries(file)).collect();
        files.extend(libraries);
        let image = format!("goward-bench-{}", process::id());
        let mut tar = Command::new("tar");
        // What a link points to, under the name of the link.
        tar.args(["--create", "--dereference", "--directory=/", "--file=-"]);
        let beside = files.iter().map(PathBuf::as_path).filter(|path| !path.starts_with(directory));
        for path in [directory].into_iter().chain(beside) {
            tar.arg(path.strip_prefix("/").unwrap_or(path));
        }
        let mut tar = tar.stdout(Stdio::piped()).spawn()?;
        let from = tar.stdout.take().map_or(Stdio::null(), Stdio::from);
        let import = Command::new("docker").args(["import", "-", &image]).stdin(from).output()?;
        if !tar.wait()?.success() {
            return Err(io::Error::other("tar failed"));
        }
        checked(&import)?;

        let directory = directory.join("channel");
        fs::create_dir(&directory)?;
        let socket = UnixListener::bind(directory.join("socket"))?;
        Ok(Self { image, directory, socket, count: Cell::new(0) })
    }

    /// Starts a command as the first process of a container, and returns once it is about to be executed.
    pub(crate) fn start(&self, command: Vec<OsString>, patience: u16) -> io::Result<Contained> {
        self.count.set(self.count.get() + 1);
        let name = format!("{}-{}", self.image, self.count.get());
        let volume = format!("{}:{INSIDE}:ro", self.directory.display());
        let mut run = Command::new("docker");
        run.args(["run", "--detach", "--network=none", "--log-driver=json-file", "--name", &name, "--volume", &volume]);
        run.arg(&self.image).arg(env::current_exe()?).arg(ENTER).arg(format!("{INSIDE}/socket")).args(command);
        let accepted = run.output().and_then(|output| checked(&output)).and_then(|()| self.accept(patience));
        if accepted.is_err() {
            remove(&name);
        }
        let channel = accepted?;
        // The kernel has translated it to a pid of this namespace.
        let pid = Pid::from_raw(getsockopt(&channel, PeerCredentials)?.pid());
        Ok(Contained { name, pid, channel })
    }

    fn accept(&self, patience: u16) -> io::Result<UnixStream> {
        if poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], patience)? == 0 {
            return Err(io::Error::other("nobody connects from within the container"));
        }
        Ok(self.socket.accept()?.0)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.image]).output();
    }
}

/// The exit code of a container that ends.
pub(crate) fn exit_code(name: &str) -> io::Result<String> {
    let output = Command::new("docker").args(["wait", name]).output()?;
    checked(&output)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Removes a container, whatever it is doing.
pub(crate) fn remove(name: &str) {
    let _ = Command::new("docker").args(["rm", "--force", "--volumes", name]).output();
}

/// The hidden mode: becomes the command, once it has stamped the time.
pub(crate) fn enter(socket: &str, command: &[String]) -> io::Result<()> {
    let channel = UnixStream::connect(socket)?;
    let command: Result<Vec<_>, _> = command.iter().map(|word| CString::new(OsString::from(word).into_vec())).collect();
    Err(sys::become_stamped(channel.as_fd(), &command?))
}

fn checked(output: &Output) -> io::Result<()> {
    let said = || io::Error::other(format!("docker: {}", String::from_utf8_lossy(&output.stderr).trim()));
    output.status.success().then_some(()).ok_or_else(said)
}

/// What a program loads, with the loader: the paths in what ldd(1) says. A static one loads nothing.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let Ok(said) = Command::new("ldd").arg(program).output() else { return Vec::new() };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .collect()
}
