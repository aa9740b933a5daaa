//! The very init, in a process of its own, with the server below it: started, watched, and never left behind.

use super::World;
use super::load_command::Commands;
use super::outcome::{self, End, Listener};
use crate::config::{LogFormat, Personality, Rehearsal};
use crate::init;
use crate::json::Value;
use crate::log::Sink;
use crate::signal::Signal;
use crate::supervisor::Time;
use crate::sys::inbox::{Inbox, Sender};
use crate::sys::mask::Mask;
use crate::sys::sockets::{self, Sockets, State, Tcp};
use crate::sys::wait::{self, Change};
use crate::sys::{clock, process};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

/// The init of a rehearsal in progress, seen from outside.
pub(super) struct InitProcess {
    init: i32,
    /// What the init logs, a JSON object a line.
    log: OwnedFd,
    unread: Vec<u8>,
    inbox: Inbox,
    stop: Signal,
    /// The server, once it runs.
    pub(super) server: Option<i32>,
    /// The init's last word.
    pub(super) end: Option<End>,
    /// The init's exit code, once it has ended.
    pub(super) code: Option<u8>,
    /// Somebody wants to leave.
    pub(super) interrupted: Option<Signal>,
    /// The clients that are commands: whoever reaps tells them.
    pub(super) commands: Rc<Commands>,
    /// Since when everything is being killed.
    killing: Option<Time>,
}

impl InitProcess {
    /// Starts the init, and with it the server; also returns the server's stderr. There must be one thread.
    ///
    /// # Errors
    /// No more processes or descriptors.
    pub(super) fn start(plan: &Rehearsal, inherited: Mask) -> nix::Result<(InitProcess, OwnedFd)> {
        let mut settings = plan.settings.clone();
        let stop = outcome::sent(plan);
        // All that happens, for the rehearsal to read.
        settings.personality = Personality::Goward { format: LogFormat::Json, verbosity: 1 };
        // The server must not outlive the rehearsal, whatever ends it.
        settings.parent_death = Some(stop);
        // A rehearsal is no job to be suspended in its middle. At the front: what --rewrite says of TSTP comes later, and wins.
        settings.policy.rewrite.insert(0, (Signal::TSTP, None));
        // Orphans of the init, should it be killed, come to us.
        let _ = process::become_subreaper();
        let (stderr, servers) = unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (log, inits) = unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let init = process::fork(move || {
            // The report is alone on standard output.
            let _ = unistd::dup2_stdout(std::io::stderr());
            match unistd::dup2_stderr(servers) {
                Ok(()) => init::run(settings, inherited, Some(Sink::Own(inits))),
                Err(_) => crate::exit::GOWARD_FAILED,
            }
        })?;
        let inbox = Inbox::new([Signal::INT, Signal::TERM].into_iter());
        let process = InitProcess {
            init,
            log,
            unread: Vec::new(),
            inbox,
            stop,
            server: None,
            end: None,
            code: None,
            interrupted: None,
            commands: Rc::new(Commands::new(inherited)),
            killing: None,
        };
        Ok((process, stderr))
    }

    /// What has happened since: signals for us, children, news from the init. Waits for nothing.
    pub(super) fn attend(&mut self) {
        while let Ok(Some(received)) = self.inbox.wait(Some(Duration::ZERO), true, None) {
            if received.signal != Signal::CHLD {
                self.interrupt(received.signal, received.sender);
            }
        }
        while let Ok(Some((pid, change, _))) = wait::any_child() {
            match change {
                Change::Ended(status) if pid == self.init => self.code = Some(status.code()),
                Change::Ended(status) => self.commands.ended(pid, status.code()),
                Change::Stopped(_) | Change::Continued => {}
            }
        }
        self.read_log();
        if let Some(since) = self.killing.filter(|_| self.code.is_none()) {
            self.kill_all();
            // It reaps what was killed and leaves by itself; if not, it is ended too.
            if clock::now().saturating_sub(since) > Duration::from_secs(2) {
                let _ = process::send(self.init, Signal::KILL);
            }
        }
    }

    /// Asks the init to stop the server.
    pub(super) fn stop(&self) {
        if self.code.is_none() {
            let _ = process::send(self.init, self.stop);
        }
    }

    /// No more patience: the server and all its processes, but not the init, which tells how it ended.
    pub(super) fn kill(&mut self) {
        self.killing.get_or_insert(clock::now());
        self.kill_all();
    }

    fn kill_all(&self) {
        for found in self.family().into_iter().filter(|process| process.pid != self.init) {
            let _ = found.send(Signal::KILL);
        }
    }

    fn interrupt(&mut self, signal: Signal, sender: Sender) {
        if self.interrupted.replace(signal).is_some() {
            self.kill();
        } else if sender != Sender::Kernel {
            // A key at the terminal has reached the init too.
            self.stop();
        }
    }

    fn family(&self) -> Vec<process::Process> {
        process::descendants(unistd::getpid().as_raw(), process::all())
    }

    /// The TCP sockets on which a process of the server's listens; `known`: those that need not be looked at.
    pub(super) fn listeners(&self, sockets: &Sockets, known: &dyn Fn(u64) -> bool) -> Vec<Tcp> {
        let mut listening = sockets.all(State::Listening);
        listening.retain(|socket| !known(socket.inode));
        if listening.is_empty() {
            return listening;
        }
        // Those below the init: commands that are clients may listen too.
        let family = process::descendants(self.init, process::all());
        let family = family.into_iter().filter(|process| process.pid != self.init);
        let open: Vec<Option<Vec<u64>>> = family.map(|process| sockets::of_process(process.pid)).collect();
        // A server under another user may hide its descriptors, even from a root without CAP_SYS_PTRACE; then what is new
        // since the start must do.
        if open.iter().any(Option::is_some) {
            listening.retain(|socket| open.iter().flatten().any(|open| open.contains(&socket.inode)));
        }
        listening
    }

    /// Adds the listeners that came since: a server opens them one by one.
    pub(super) fn find_listeners(&self, world: &World, listeners: &mut Vec<Listener>) {
        let known = |inode| world.others.contains(&inode) || listeners.iter().any(|listener| listener.inode == inode);
        let more = self.listeners(&world.sockets, &known);
        listeners.extend(more.iter().map(Listener::of));
    }

    /// Whether the server has not ended yet.
    pub(super) fn server_lives(&self) -> bool {
        self.server.and_then(process::look_at).is_some_and(|process| !process.zombie)
    }

    /// After the init's end: kills what it had to leave, and names it.
    pub(super) fn sweep(&mut self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for _ in 0..100 {
            while let Ok(Some(_)) = wait::any_child() {}
            let family = self.family();
            if family.is_empty() {
                break;
            }
            for found in family {
                let name = format!("{} ({})", found.command(), found.pid);
                if found.send(Signal::KILL).is_ok() && !names.contains(&name) {
                    names.push(name);
                }
            }
            clock::nap(Duration::from_millis(10));
        }
        names
    }

    fn read_log(&mut self) {
        let mut bytes = [0; 4096];
        loop {
            match unistd::read(&self.log, &mut bytes) {
                Ok(0) | Err(Errno::EAGAIN) => break,
                Ok(count) => self.unread.extend_from_slice(bytes.get(..count).unwrap_or_default()),
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            if let Some(event) = str::from_utf8(&line).ok().and_then(Value::read) {
                self.take(&event);
            }
        }
    }

    /// An event of the init's log. docs/record.md promises the names.
    fn take(&mut self, event: &Value) {
        let number = |name: &str| event.get(name)?.number();
        let text = |name: &str| event.get(name)?.text().map(str::to_owned);
        if let (None, Some(pid)) = (self.server, number("pid")) {
            self.server = i32::try_from(pid).ok();
        }
        if let Some(cause) = text("cause") {
            self.end = Some(End {
                cause,
                code: number("code").and_then(|code| code.try_into().ok()).unwrap_or_default(),
                server: text("server").unwrap_or_default(),
                stop_ms: number("stop_ms"),
                asked_ms: number("asked_after_ms"),
                dump_ms: number("dump_after_ms"),
                abort_ms: number("abort_after_ms"),
                kill_ms: number("kill_after_ms"),
                leftovers_ms: number("leftovers_ms"),
                leftovers: text("leftovers"),
            });
        }
    }
}
