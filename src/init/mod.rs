//! The `run` command: the life of a container, from the first blocked signal to the exit code.

pub mod control;
mod events;
mod health;
mod last_resort;
mod launch;
mod leftovers;
mod notify;
mod oom;
mod perform;
mod record;
mod relay;
mod voice;

use crate::config::{Inheritance, Place, Settings, Subreaper, Voice};
use crate::exit;
use crate::goenv;
use crate::log::{self, Sink};
use crate::signal::Signal;
use crate::spawn::{self, explain};
use crate::supervisor::{Rung, Stage, Status, Supervisor, Time};
use crate::sys::inbox::Inbox;
use crate::sys::mask::Mask;
use crate::sys::{clock, mask, process, terminal, wait};
use control::Control;
use health::Health;
use launch::{Environment, Launch};
use nix::errno::Errno;
use notify::Mailbox;
use relay::{Relay, Stderr};
use std::ffi::CString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;
use voice::Note;

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
    /// The signals that need no decision, as long as the server hears.
    undecided: Mask,
    /// Those that begin a stop, and are sent before anything is decided.
    asking: Mask,
    server: Server,
    started: Time,
    pid: i32,
    /// goward's own process group.
    own_group: i32,
    /// Who asked for the stop.
    asked_by: Option<(Signal, String)>,
    /// Nothing is left to wait for: waitpid said so.
    childless: bool,
    /// Actions that the kernel refused.
    again: Vec<perform::Again>,
    /// The signal in hand came from a key at the terminal.
    by_key: bool,
    /// waitpid may have more, though no SIGCHLD will tell.
    unreaped: bool,
    /// Who is no child of goward's, in a container of its own.
    others: process::Others,
    weather: events::Weather,
    /// Signals in a row, without a pause.
    flood: u32,
    /// Look again soon: a system call failed that must not.
    soon: bool,
    /// Who the server left behind.
    leftovers: String,
    oom: Option<oom::Counter>,
    /// The server's stderr, where it passes through goward.
    relay: Option<Relay>,
    /// For what is started later.
    launch: Launch,
    health: Health,
    /// What the server says of itself (STATUS=).
    said: String,
    control: Option<Control>,
    /// Something may have happened at a descriptor.
    woken: bool,
    /// What could not be started has ended so, and the supervisor does not know yet.
    unstarted: Option<Status>,
    /// Somebody else reads the log and tells how it went: it is no container that ends here.
    watched: bool,
    leaving: Option<u8>,
}

/// Runs the program to its end. `inherited` is the mask goward was started with; all signals are blocked by now. The log
/// goes to stderr, or to `log` for somebody who watches: then stderr is the server's alone.
pub fn run(mut settings: Settings, inherited: Mask, log: Option<Sink>) -> u8 {
    let voice = settings.voice;
    let prepared = match prepare(&mut settings, inherited, log) {
        Ok(prepared) => prepared,
        Err(error) => return voice::refuse(voice, &error, exit::GOWARD_FAILED),
    };

    let started = clock::now();
    let order = match settings.before.first() {
        None => prepared.launch.server(&settings, prepared.stderr.as_ref()),
        Some(command) => prepared.launch.order(&settings, command),
    };
    let pid = match voice::start(voice, &order, &settings.policy.success) {
        Ok(pid) => pid,
        Err(code) => return code,
    };

    // From here on nothing may fail: handle, log, go on.
    survive_panics(pid, settings.policy.ladder.map_or(FOR_EVER, |ladder| ladder.at(Rung::Kill)));
    let mut init = Init::new(settings, prepared, pid, started);
    init.say(Note::Spawned { pid });
    let code = init.until_the_end();
    init.say(Note::Leaving(code));
    init.farewell(code);
    // The kernel takes it all at once, and somebody waits for the end.
    std::mem::forget(init);
    code
}

/// From now on a panic does not end goward: from inside its hook it goes on forwarding to `server`, reaping, and keeping
/// the deadline, and leaves with the server's code. Called by [`run`]; public for the test that panics on purpose.
pub fn survive_panics(server: i32, kill_after: Duration) {
    last_resort::install(server, kill_after);
}

/// The personalities have no deadline.
const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 100);

/// catatonit -P: no program; only reaps, until somebody stops it.
pub fn pause() -> u8 {
    let inbox = Inbox::new(signals(&[]));
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

/// What goes to the server as it came. Not what goward may have sent itself, or a descriptor: that is looked at first.
fn as_they_come(becomes: impl Fn(Signal) -> Option<Signal>) -> Mask {
    let as_it_comes = |signal: &Signal| becomes(*signal) == Some(*signal);
    let looked_at = |signal: &Signal| matches!(*signal, Signal::CHLD | Signal::IO | Signal::PIPE | Signal::XFSZ);
    Signal::all().filter(|signal| as_it_comes(signal) && !looked_at(signal)).fold(Mask::empty(), Mask::with)
}

struct Prepared {
    pid: i32,
    own_group: i32,
    launch: Launch,
    /// Standard input is the controlling terminal.
    terminal: bool,
    sink: Option<Sink>,
    /// The sink is somebody's who watches.
    watched: bool,
    /// The server's stderr, where it is not goward's own.
    stderr: Option<Stderr>,
    /// Where the server says how it is.
    mailbox: Option<Mailbox>,
}

/// Everything that may fail, and that the server inherits.
fn prepare(settings: &mut Settings, inherited: Mask, log: Option<Sink>) -> Result<Prepared, String> {
    let pid = nix::unistd::getpid().as_raw();
    adopt_orphans(settings, pid)?;
    let identity = settings.privileges.identity.as_ref();
    let will_be_root = identity.map_or_else(|| nix::unistd::geteuid().is_root(), |identity| identity.uid == 0);
    if settings.require_non_root && will_be_root {
        return Err("--require-non-root: the server would run as root; add --user, like --user 65532:65532".to_owned());
    }
    let watched = log.is_some();
    let mut sink = log;
    if identity.is_some() {
        // The pipe may be root's: looked at while goward still is.
        sink = sink.or_else(|| Some(Sink::find()));
    } else if will_be_root && matches!(settings.voice, Voice::Goward { .. }) {
        let warning = "the server runs as root; --user 65532:65532 would make it, and goward, an ordinary user";
        settings.notes.push(warning.to_owned());
    }
    settings.notes.extend(settings.privileges.apply()?);
    // After the drop: the kernel forgets it when the user changes.
    if let Some(signal) = settings.parent_death {
        process::set_parent_death_signal(signal).map_err(|e| format!("--parent-death {signal}: {}", e.desc()))?;
    }
    let ignored = un_ignore_children();
    if settings.signals == Inheritance::Nothing {
        mask::reset_reserved();
    }
    let foreground = terminal::foreground();
    let own_group = nix::unistd::getpgrp().as_raw();
    let on_terminal = foreground == Some(own_group);
    if settings.place == Place::Session {
        give_up_terminal(settings);
    }
    let mailbox = if settings.policy.notify { Some(Mailbox::new(pid)?) } else { None };
    let env = environment(settings, pid, mailbox.as_ref());
    // After the drop: the server can open /dev/stderr, and the file is the user's. A command that goes before needs none.
    let stderr = if settings.before.is_empty() { settings.stderr()? } else { None };
    let launch = Launch { env, inherited, ignored, on_terminal };
    let terminal = foreground.is_some();
    Ok(Prepared { pid, own_group, launch, terminal, sink, watched, stderr, mailbox })
}

fn adopt_orphans(settings: &Settings, pid: i32) -> Result<(), String> {
    let wanted = match settings.subreaper {
        Subreaper::No => false,
        Subreaper::Automatic => pid != 1,
        Subreaper::Asked => true,
    };
    let result = if wanted { process::become_subreaper() } else { Ok(()) };
    match result {
        Err(errno) if settings.subreaper == Subreaper::Asked => return Err(voice::no_subreaper(settings.voice, errno)),
        Err(_) | Ok(()) => {}
    }
    voice::on_adoption(settings.voice, pid, wanted);
    Ok(())
}

/// With SIGCHLD ignored the kernel reaps by itself, and the server's status would be nobody's. The server still finds it
/// as goward did.
fn un_ignore_children() -> Option<Signal> {
    let ignored = mask::is_ignored(Signal::CHLD).then_some(Signal::CHLD);
    if ignored.is_some() {
        let _ = mask::dispose(Signal::CHLD, false);
    }
    ignored
}

/// dumb-init gives its terminal up, so that the server's new session can have it. A session leader that does this is
/// sent SIGHUP and SIGCONT, which are not for the server.
fn give_up_terminal(settings: &mut Settings) {
    let leader = nix::unistd::getsid(None) == Ok(nix::unistd::getpid());
    let note = match terminal::give_up() {
        Ok(()) if leader => {
            settings.ignore_once = vec![Signal::HUP, Signal::CONT];
            "Detached from controlling tty, ignoring the first SIGHUP and SIGCONT we receive.".to_owned()
        }
        Ok(()) => "Detached from controlling tty, but was not session leader.".to_owned(),
        Err(errno) => {
            let text = format!("(errno={} {})", errno as i32, voice::strerror(errno));
            format!("Unable to detach from controlling tty {text}.")
        }
    };
    settings.notes.push(note);
}

/// The server's environment, where it differs from goward's own: HOME, USER and LOGNAME follow the user, LISTEN_PID
/// follows the process (sd_listen_fds(3)), NOTIFY_SOCKET is goward's own (sd_notify(3)), and a manager above goward hears
/// nothing from the server.
fn environment(settings: &Settings, pid: i32, mailbox: Option<&Mailbox>) -> Option<Environment> {
    let identity = settings.privileges.identity.as_ref();
    let listening = matches!(settings.voice, Voice::Goward { .. } | Voice::Catatonit { .. })
        && std::env::var("LISTEN_PID").is_ok_and(|listener| listener == pid.to_string());
    let limits = if settings.go_env { go_limits(settings) } else { Vec::new() };
    if identity.is_none() && !listening && mailbox.is_none() && limits.is_empty() {
        return None;
    }
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for (name, value) in std::env::vars_os() {
        let replaced = match name.to_str() {
            Some("HOME" | "USER" | "LOGNAME") => identity.is_some(),
            Some("LISTEN_PID") => listening,
            Some("NOTIFY_SOCKET" | "WATCHDOG_USEC" | "WATCHDOG_PID") => mailbox.is_some(),
            // An empty one, which is none to Go.
            Some(name) => limits.iter().any(|(limit, _)| *limit == name),
            None => false,
        };
        if !replaced {
            entries.push([name.as_bytes(), b"=", &value.into_vec()].concat());
        }
    }
    if let Some(identity) = identity {
        entries.push(format!("HOME={}", identity.home).into_bytes());
        entries.push(format!("USER={}", identity.name).into_bytes());
        entries.push(format!("LOGNAME={}", identity.name).into_bytes());
    }
    if let Some(mailbox) = mailbox {
        entries.push(format!("NOTIFY_SOCKET={}", mailbox.address()).into_bytes());
        if let Some(time) = settings.policy.watchdog {
            entries.push(format!("WATCHDOG_USEC={}", time.as_micros()).into_bytes());
        }
    }
    entries.extend(limits.into_iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()));
    Some(Environment {
        entries: entries.into_iter().filter_map(|entry| CString::new(entry).ok()).collect(),
        listen_pid: listening,
    })
}

/// `--go-env`: a few small files are read before the server starts, for those who ask for it.
fn go_limits(settings: &Settings) -> Vec<(&'static str, String)> {
    let program = settings.argv.first().and_then(|program| explain::find(&program.to_string_lossy()));
    let build = program.and_then(|program| spawn::build_of(&program));
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    goenv::variables(build.as_ref(), &is_set, &|path| std::fs::read_to_string(path).ok())
}

impl Init {
    /// The server runs; now there is time for the rest. Until a stop goward holds on to nothing: not to descriptors, not to a
    /// directory that somebody wants to unmount, unless something is to be started there later.
    fn new(settings: Settings, prepared: Prepared, pid: i32, started: Time) -> Init {
        let group = (settings.place != Place::Shared).then_some(pid);
        let mut policy = settings.policy.clone();
        // The server does not begin in the foreground: Ctrl-C is goward's, and starts the stop. See docs/design.md.
        policy.interactive = prepared.launch.on_terminal && settings.place == Place::Group;
        policy.job_control = prepared.terminal && settings.place == Place::Group;
        if !settings.left_alone.is_empty() {
            let blocked = settings.left_alone.iter().fold(Mask::full(), |mask, signal| mask.without(*signal));
            let _ = blocked.install();
        }
        let sink = prepared.sink.unwrap_or_else(Sink::find);
        let relay = prepared.stderr.map(|stderr| Relay::new(stderr, pid, &settings));
        if !settings.policy.starts_again() {
            let relay = relay.as_ref().map_or([None; 2], Relay::descriptors);
            let mailbox = prepared.mailbox.as_ref().map(Mailbox::descriptor);
            let kept: Vec<i32> =
                sink.descriptor().into_iter().chain(relay.into_iter().flatten()).chain(mailbox).collect();
            process::close_inherited(&kept);
        }
        if !settings.starts_more() {
            let _ = nix::unistd::chdir("/");
        }
        let supervisor = Supervisor::new(policy, started);
        let mut init = Init {
            undecided: as_they_come(|signal| supervisor.plain(signal)),
            asking: as_they_come(|signal| supervisor.asks(signal)),
            supervisor,
            inbox: Inbox::new(signals(&settings.left_alone)),
            server: Server { pid, group },
            started,
            pid: prepared.pid,
            own_group: prepared.own_group,
            asked_by: None,
            childless: false,
            again: Vec::new(),
            by_key: false,
            unreaped: false,
            others: process::Others::default(),
            weather: events::Weather::default(),
            flood: 0,
            soon: false,
            leftovers: String::new(),
            oom: None,
            relay,
            launch: prepared.launch,
            health: Health::new(prepared.mailbox),
            said: String::new(),
            control: None,
            woken: false,
            unstarted: None,
            watched: prepared.watched,
            leaving: None,
            settings,
        };
        match init.settings.voice {
            Voice::Goward { format, verbosity } => {
                log::open(sink, format, verbosity);
                init.oom = oom::Counter::find();
                init.open_doors();
                process::proc_is_ours();
            }
            Voice::Tini { .. } | Voice::DumbInit { .. } | Voice::Catatonit { .. } => log::open_plain(sink),
        }
        for note in std::mem::take(&mut init.settings.notes) {
            init.say(Note::Warning(&note));
        }
        process::forget_code();
        init
    }

    /// Where others ask, and where the server speaks. Neither is worth an end.
    fn open_doors(&mut self) {
        match Control::new(self.pid) {
            Ok(control) => self.control = Some(control),
            Err(errno) => self.say(Note::Trouble("the socket of goward status", errno)),
        }
        if let Some(Err(errno)) = self.health.mailbox.as_ref().map(Mailbox::announce) {
            self.say(Note::Trouble("NOTIFY_SOCKET", errno));
        }
        // What the server may have said already.
        self.woken = true;
    }

    /// Where signals go; those of a key go to everybody in the foreground.
    fn target(&self, by_key: bool) -> i32 {
        match self.server.group {
            Some(group) if self.settings.to_group || by_key => -group,
            _ => self.server.pid,
        }
    }

    fn say(&self, note: Note<'_>) {
        voice::say(self.settings.voice, &self.settings.argv, note);
    }

    /// How it went: for the log, and for Kubernetes if it did not go well.
    fn farewell(&mut self, code: u8) {
        let Voice::Goward { .. } = self.settings.voice else { return };
        if let Some(relay) = self.relay.as_mut() {
            relay.drain();
        }
        if !self.settings.after.is_empty() && self.supervisor.stage() == Stage::Server {
            self.say(Note::Warning("there was no time left for --after"));
        }
        let record = record::Record::of(self, code);
        record.tell(!self.watched);
        // Nobody waits for a log, but a reader that is only slow gets its last lines; the last words of a server
        // that ended by itself are worth more.
        let crashed = self.relay.is_some() && self.supervisor.milestones.stop.is_none();
        let patience = Duration::from_millis(if crashed { 2_000 } else { 50 });
        let left = self.supervisor.end().map_or(Duration::MAX, |end| end.saturating_sub(clock::now()));
        log::linger(left.min(patience));
    }
}
