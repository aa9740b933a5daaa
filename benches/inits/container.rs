//! One init with one server, in namespaces of their own or in a container of docker's, and the channel to the server.

use std::ffi::CString;
use std::fmt::Display;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, process};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::engine::{self, Contained, Engine};
use crate::server;
use crate::subjects::{self, Subject};
use crate::sys::{self, Launch};

/// An init that takes so many milliseconds for anything does not work: an error, not a slow result.
const PATIENCE: u16 = 20_000;

/// What all containers of one run share: the server's file, /dev/null, and the place for the time of exec.
pub(crate) struct Launcher {
    directory: PathBuf,
    log: File,
    exec_at: &'static AtomicU64,
    /// Where the containers are real ones.
    engine: Option<Engine>,
}

/// What runs under the init.
#[derive(Clone, Copy)]
pub(crate) enum Server {
    /// Stamps when it starts and on SIGUSR1, exits on SIGTERM.
    Stamper,
    /// Leaves so many orphans.
    Storm(usize),
}

/// A running init and its server. Dropped, both are killed.
pub(crate) struct Container {
    name: String,
    pid: Pid,
    /// Its name with docker, whose child it is then.
    contained: Option<String>,
    /// Reaped: its number may be another's by now.
    gone: bool,
    channel: UnixStream,
    /// When the init was executed.
    pub(crate) exec_at: u64,
    /// When the server ran its first instruction.
    pub(crate) started_at: u64,
}

impl Launcher {
    pub(crate) fn new() -> io::Result<Self> {
        let directory = env::temp_dir().join(format!("goward-bench-{}", process::id()));
        fs::create_dir(&directory)?;
        let log = File::options().write(true).open("/dev/null")?;
        let launcher = Self { directory, log, exec_at: sys::shared_number()?, engine: None };
        // The server is started as another user too.
        fs::set_permissions(&launcher.directory, Permissions::from_mode(0o755))?;
        server::write_stamper(&launcher.stamper())?;
        Ok(launcher)
    }

    /// Takes a copy of the init's file, which is then read from the disk as an image's is. How the pages of a file lie in the
    /// page cache is worth 30 µs of a stop, and what a linker has just written lies badly.
    pub(crate) fn install(&self, number: usize, subject: &mut Subject) -> io::Result<()> {
        let Some(program) = subject.command.first_mut() else { return Ok(()) };
        let directory = self.directory.join(number.to_string());
        fs::create_dir(&directory)?;
        let copy = directory.join(Path::new(program).file_name().unwrap_or_default());
        fs::copy(&*program, &copy).map_err(|error| io::Error::other(format!("{}: {error}", subject.name)))?;
        let file = File::open(&copy)?;
        file.sync_all()?;
        sys::forget_pages(&file)?;
        *program = copy.into();
        Ok(())
    }

    /// From now on in real containers. `subjects` have been installed.
    pub(crate) fn use_engine(&mut self, subjects: &[Subject]) -> io::Result<()> {
        let mut programs: Vec<PathBuf> = subjects.iter().filter_map(Subject::program).collect();
        programs.extend(subjects::on_path("setpriv"));
        self.engine = Some(Engine::new(&self.directory, &programs)?);
        Ok(())
    }

    /// Until an init has done what it puts off at its start, and sleeps; and until the engine does.
    pub(crate) fn settled(&self) -> Duration {
        Duration::from_millis(if self.engine.is_some() { 200 } else { 20 })
    }

    /// Starts the server under the init, or by itself where the subject has none, and returns once it runs.
    pub(crate) fn start(&self, subject: &Subject, server: Server) -> io::Result<Container> {
        let mut command = subject.command.clone();
        match server {
            Server::Stamper => command.push(self.stamper().into()),
            Server::Storm(count) => {
                command.extend([env::current_exe()?.into(), server::STORM.into(), count.to_string().into()]);
            }
        }
        let patience = Duration::from_millis(PATIENCE.into());
        if let Some(engine) = &self.engine {
            let failed = |error| io::Error::other(format!("{}: {error}", subject.name));
            let Contained { name, pid, channel } = engine.start(command, PATIENCE).map_err(failed)?;
            channel.set_read_timeout(Some(patience))?;
            let mut container = Container::new(subject, pid, Some(name), channel);
            container.exec_at = container.stamp()?;
            container.started_at = container.stamp()?;
            return Ok(container);
        }
        let command = command.into_iter().map(|word| CString::new(word.into_vec()));
        let command = command.collect::<Result<Vec<_>, _>>()?;

        let (channel, theirs) = UnixStream::pair()?;
        channel.set_read_timeout(Some(patience))?;
        let (log, exec_at) = (self.log.as_fd(), self.exec_at);
        let launch = Launch { command: &command, channel: theirs.as_fd(), log, exec_at };
        let pid = sys::launch(&launch).map_err(|error| io::Error::other(format!("{}: {error}", subject.name)))?;
        // So that an end of the server is an end of the channel.
        drop(theirs);

        let mut container = Container::new(subject, pid, None, channel);
        container.started_at = container.stamp()?;
        container.exec_at = exec_at.load(Ordering::Acquire);
        Ok(container)
    }

    fn stamper(&self) -> PathBuf {
        self.directory.join("stamper")
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // Some small files in /tmp are all that could stay.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Container {
    fn new(subject: &Subject, pid: Pid, contained: Option<String>, channel: UnixStream) -> Self {
        Self { name: subject.name.clone(), pid, contained, gone: false, channel, exec_at: 0, started_at: 0 }
    }

    /// The init, as seen from here.
    pub(crate) fn init(&self) -> Pid {
        self.pid
    }

    /// Sends a signal to the init.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(self.pid, signal)?)
    }

    /// Tells the storm to begin.
    pub(crate) fn go(&mut self) -> io::Result<()> {
        self.channel.write_all(b"!")
    }

    /// Waits for the next stamp of the server.
    pub(crate) fn stamp(&mut self) -> io::Result<u64> {
        let mut timespec = [[0; 8]; 2];
        self.channel.read_exact(timespec.as_flattened_mut()).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.error("its server ended or never began"),
            io::ErrorKind::WouldBlock => self.error(format!("its server was silent for {PATIENCE} ms")),
            _ => self.error(error),
        })?;
        let [seconds, nanoseconds] = timespec.map(u64::from_ne_bytes);
        Ok(seconds * 1_000_000_000 + nanoseconds)
    }

    /// Asks the init to stop and waits until it is gone; when that was.
    pub(crate) fn stop(mut self) -> io::Result<u64> {
        let pidfd = sys::pidfd(self.pid)?;
        self.signal(Signal::SIGTERM)?;
        if poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PATIENCE)? == 0 {
            return Err(self.error(format!("it had not stopped after {PATIENCE} ms")));
        }
        let gone_at = sys::now();
        self.gone = true;
        if let Some(name) = &self.contained {
            return match engine::exit_code(name)?.as_str() {
                "0" => Ok(gone_at),
                code => Err(self.error(format!("it ended with {code}, its server with 0"))),
            };
        }
        match waitpid(self.pid, None)? {
            WaitStatus::Exited(_, 0) => Ok(gone_at),
            other => Err(self.error(format!("it ended with {other:?}, its server with 0"))),
        }
    }

    fn error(&self, what: impl Display) -> io::Error {
        io::Error::other(format!("{}: {what}", self.name))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(name) = &self.contained {
            engine::remove(name);
        } else if !self.gone {
            // The kernel kills the whole namespace with its init. Neither can fail for a child that was not waited for.
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = waitpid(self.pid, None);
        }
    }
}
