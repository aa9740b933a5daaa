//! The `run` command: the life of a container, from the first blocked signal to the exit code.

mod changes;
mod closing;
pub mod control;
mod events;
mod evidence;
mod forwarding;
mod health;
mod last_resort;
mod launch;
mod leftovers;
#[cfg(feature = "goroutines")]
mod look;
mod manager;
mod memory_limit;
pub(crate) mod notify;
pub(crate) mod oom;
pub mod orders;
mod pending;
mod perform;
mod personality;
mod prepare;
mod reaping;
mod record;
mod report;
pub mod termination_log;
mod trouble;

pub use last_resort::out_of_memory;

use crate::config::{Place, Settings};
use crate::exit;
use crate::log::{self, Sink};
use crate::signal::Signal;
use crate::supervisor::{Rung, Stage, Supervisor, Time};
use crate::sys::inbox::Inbox;
use crate::sys::mask::Mask;
use crate::sys::{clock, code, process, wait};
use changes::Changes;
use closing::Closing;
use control::{Control, Socket};
use evidence::Evidence;
use forwarding::Forwarding;
use health::Health;
use launch::Launching;
use leftovers::Leftovers;
use manager::Manager;
use memory_limit::MemoryLimit;
use nix::errno::Errno;
use notify::NotifySocket;
use pending::Pending;
use personality::Note;
use prepare::{Prepared, prepare};
use reaping::Reaping;
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;
use trouble::Troubles;

/// The server, once it runs.
#[derive(Clone, Copy, Debug)]
struct Server {
    pid: i32,
    /// Its process group, where it has one of its own.
    group: Option<i32>,
}

/// A running init.
struct Init {
    settings: Settings,
    supervisor: Supervisor,
    inbox: Inbox,
    pid: i32,
    /// goward's own process group.
    own_group: i32,
    server: Server,
    started: Time,
    forwarding: Forwarding,
    reaping: Reaping,
    pending: Pending,
    launching: Launching,
    leftovers: Leftovers,
    health: Health,
    changes: Changes,
    /// Whoever started goward and wants to hear of the server.
    manager: Option<Manager>,
    control: Option<Control>,
    evidence: Evidence,
    closing: Closing,
    troubles: Troubles,
    oom: Option<oom::Counter>,
    memory_limit: Option<MemoryLimit>,
    exit_code: Option<u8>,
}

/// Runs the program to its end. `inherited` is the mask goward was started with; all signals are blocked by now. The log
/// goes to stderr, or to `log` for somebody who watches: then stderr is the server's alone.
pub fn run(mut settings: Settings, inherited: Mask, log: Option<Sink>) -> u8 {
    let personality = settings.personality;
    // In a rehearsal no container ends.
    settings.termination_log.take_if(|_| log.is_some());
    let prepared = match prepare(&mut settings, inherited, log) {
        Ok(prepared) => prepared,
        Err(error) => {
            termination_log::tell(settings.termination_log.as_deref(), &format!("goward: {error}"));
            return personality::refuse(personality, &error, exit::GOWARD_FAILED);
        }
    };

    let started = clock::now();
    let order = match settings.before.first() {
        None => prepared.launch.server(&settings),
        Some(command) => prepared.launch.order(&settings, command),
    };
    let pid = match personality::start(&settings, &order) {
        Ok(pid) => pid,
        Err(code) => return code,
    };

    // From here on nothing may fail: handle, log, go on.
    last_resort::serves(pid, if settings.before.is_empty() { Stage::Server } else { Stage::Before(0) });
    last_resort::install(settings.policy.ladder.map_or(FOR_EVER, |ladder| ladder.at(Rung::Kill)));
    let mut init = Init::new(settings, prepared, pid, started);
    init.say(Note::Spawned { pid });
    let code = init.until_the_end();
    init.say(Note::Leaving(code));
    init.farewell(code);
    if let Some(notify_socket) = &init.health.notify_socket {
        notify_socket.remove();
    }
    // The kernel takes it all at once, and somebody waits for the end.
    std::mem::forget(init);
    code
}

/// From now on neither a panic nor [`out_of_memory`] ends goward: from there it goes on forwarding to `server`, reaping, and
/// keeping the deadline, and leaves with the server's code. As [`run`] does it; public for the test that has these faults on
/// purpose.
pub fn survive_faults(server: i32, kill_after: Duration) {
    last_resort::serves(server, Stage::Server);
    last_resort::install(kill_after);
}

/// How long a slow reader of the log gets for its last lines.
const LAST_LINES: Duration = Duration::from_millis(50);

/// The personalities have no deadline.
const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 100);

/// catatonit -P: no program; only reaps, until somebody stops it.
pub fn pause() -> u8 {
    let mut inbox = Inbox::new(signals(&[]));
    if nix::unistd::getpid().as_raw() != 1 {
        let _ = process::become_subreaper();
    }
    loop {
        while let Ok(Some(_)) = wait::any_child() {}
        match inbox.wait(None, true, None) {
            Ok(Some(received)) if matches!(received.signal, Signal::INT | Signal::TERM) => return 0,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => clock::nap(Duration::from_millis(10)),
        }
    }
}

/// What goward takes from the kernel: all that it forwards, and the news of its children.
fn signals(left_alone: &[Signal]) -> impl Iterator<Item = Signal> {
    let taken = Signal::all().filter(|signal| signal.is_takeable() && !left_alone.contains(signal));
    taken.chain([Signal::CHLD])
}

/// Closes what goward was started with, but for what it has opened since.
fn close_inherited(sink: &Sink, prepared: &Prepared) {
    let notify_socket = prepared.notify_socket.as_ref().map(NotifySocket::descriptor);
    let manager = prepared.manager.as_ref().map(Manager::descriptor);
    let kept: Vec<i32> = sink
        .descriptor()
        .into_iter()
        .chain(notify_socket)
        .chain(manager)
        .chain(prepared.evidence.descriptor())
        .collect();
    process::close_inherited(&kept);
}

impl Init {
    /// The server runs; now there is time for the rest. Until a stop goward holds on to nothing: not to descriptors, not to a
    /// directory that somebody wants to unmount, unless something is to be started there later.
    fn new(settings: Settings, mut prepared: Prepared, pid: i32, started: Time) -> Init {
        // First: whoever looks sees where its init is. As dumb-init it has been there since before the exec.
        if !settings.starts_more() {
            // For a server that is started again because somebody asks for that.
            let directory = std::env::current_dir().ok().filter(|_| settings.personality.is_goward());
            prepared.launch.directory = directory.and_then(|path| CString::new(path.into_os_string().into_vec()).ok());
            let _ = nix::unistd::chdir("/");
        }
        let group = (settings.place != Place::Shared).then_some(pid);
        let mut policy = settings.policy.clone();
        // The server does not begin in the foreground: Ctrl-C is goward's, and starts the stop. See docs/design.md.
        policy.interactive = prepared.launch.on_terminal && matches!(settings.place, Place::Group | Place::Detached);
        policy.job_control = prepared.terminal && settings.place == Place::Group;
        if !settings.left_alone.is_empty() {
            let blocked = settings.left_alone.iter().fold(Mask::full(), |mask, signal| mask.without(*signal));
            let _ = blocked.install();
        }
        let sink = std::mem::replace(&mut prepared.sink, Sink::Nowhere);
        if !settings.policy.starts_again() {
            close_inherited(&sink, &prepared);
        }
        let supervisor = Supervisor::new(policy, started);
        let mut init = Init {
            forwarding: Forwarding::new(&supervisor),
            supervisor,
            inbox: Inbox::new(signals(&settings.left_alone)),
            pid: prepared.pid,
            own_group: prepared.own_group,
            server: Server { pid, group },
            started,
            reaping: Reaping::default(),
            pending: Pending::default(),
            launching: Launching::new(prepared.launch),
            leftovers: Leftovers::default(),
            health: Health::new(prepared.notify_socket),
            changes: Changes::default(),
            manager: prepared.manager,
            control: None,
            evidence: prepared.evidence,
            closing: Closing::default(),
            troubles: Troubles::default(),
            oom: None,
            memory_limit: None,
            exit_code: None,
            settings,
        };
        init.settings.personality.open_log(sink);
        if init.settings.personality.is_goward() {
            init.oom = oom::Counter::find();
            init.memory_limit =
                init.launching.launch.env.as_ref().and_then(|env| env.memory_limit).map(MemoryLimit::new);
            init.open_sockets();
            process::proc_is_ours();
        }
        init.tell_what_was_found();
        code::release_processors();
        code::forget();
        init
    }

    /// What was found out before there was a log.
    fn tell_what_was_found(&mut self) {
        self.say(Note::StopTimeout(&self.supervisor, self.settings.stop_timeout_source));
        for note in std::mem::take(&mut self.settings.notes) {
            self.say(Note::Warning(&note));
        }
    }

    /// Where others ask, and where the server speaks. Neither is worth an end.
    fn open_sockets(&mut self) {
        match Control::new(Socket::Status, self.pid) {
            Ok(control) => self.control = Some(control),
            Err(errno) => self.trouble("control socket of goward status", errno),
        }
        match Control::new(Socket::Memory, self.pid) {
            Ok(control) => self.evidence.control = Some(control),
            Err(errno) => self.trouble("control socket of goward dump", errno),
        }
        if let Some(Err(errno)) = self.health.notify_socket.as_ref().map(NotifySocket::announce) {
            self.trouble("NOTIFY_SOCKET", errno);
        }
        // What the server may have said already.
        self.pending.descriptors_ready = true;
    }

    fn say(&self, note: Note<'_>) {
        personality::say(self.settings.personality, &self.settings.argv, note);
    }

    /// A system call failed that does not fail. What fails again and again is told now and then.
    fn trouble(&mut self, call: &'static str, errno: Errno) {
        if let Some(times) = self.troubles.happened(clock::now(), call, errno) {
            self.say(Note::Trouble(call, errno, times));
        }
    }

    /// How it went: for the log, and for Kubernetes if it did not go well.
    fn farewell(&mut self, code: u8) {
        if self.settings.personality.is_goward() {
            self.tell_record(code);
        }
        // Nobody waits for a log, but a reader that is only slow gets its last lines.
        let left = self.supervisor.end().map_or(Duration::MAX, |end| end.saturating_sub(clock::now()));
        log::linger(left.min(LAST_LINES));
    }

    fn tell_record(&self, code: u8) {
        if !self.settings.after.is_empty() && self.supervisor.stage() == Stage::Server {
            self.say(Note::Warning("the --after commands were not run: no time was left"));
        }
        let record = record::Record::of(self, code);
        record.tell(self.settings.termination_log.as_deref());
    }
}
