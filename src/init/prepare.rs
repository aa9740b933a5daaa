//! Before the server starts: everything that may fail, and all that it inherits. The less there is to do here, the sooner it
//! runs.

use super::evidence::Evidence;
use super::launch::{Environment, Launch, MEMORY_LIMIT};
use super::manager::Manager;
use super::notify::NotifySocket;
use super::personality;
use crate::config::{Inheritance, Place, Settings, Subreaper};
use crate::goenv;
use crate::log::Sink;
use crate::privilege::Guard;
use crate::signal::Signal;
use crate::spawn::{self, explain};
use crate::sys::mask::Mask;
use crate::sys::{mask, process, terminal};
use std::ffi::CString;
use std::time::Duration;

/// What has been prepared for the server's start.
pub(super) struct Prepared {
    pub(super) pid: i32,
    pub(super) own_group: i32,
    pub(super) launch: Launch,
    /// Standard input is the controlling terminal.
    pub(super) terminal: bool,
    pub(super) sink: Sink,
    /// Where goroutines are kept that are read out of memory.
    pub(super) evidence: Evidence,
    /// Where the server says how it is.
    pub(super) notify_socket: Option<NotifySocket>,
    /// Whoever started goward and wants to hear of the server.
    pub(super) manager: Option<Manager>,
}

/// Everything that may fail, and that the server inherits.
pub(super) fn prepare(settings: &mut Settings, inherited: Mask, log: Option<Sink>) -> Result<Prepared, String> {
    let pid = nix::unistd::getpid().as_raw();
    adopt_orphans(settings, pid)?;
    let identity = settings.privileges.identity.as_ref();
    let will_be_root = settings.privileges.server_is_root();
    if settings.require_non_root && will_be_root {
        return Err("--require-non-root: the server would run as root; add --user, like --user 65532:65532".to_owned());
    }
    // Before there is a server: to open a pipe again takes its lock, which somebody may hold. And it may be root's: looked at while
    // goward still is.
    let sink = log.unwrap_or_else(Sink::find);
    if identity.is_none() && will_be_root && settings.personality.is_goward() {
        let warning = "the server runs as root, and so does goward; --user 65532:65532 drops privileges";
        settings.notes.push(warning.to_owned());
    }
    guard_terminal(settings);
    let manager = manager(settings);
    let before = (nix::unistd::geteuid(), nix::unistd::getegid());
    settings.notes.extend(settings.privileges.apply(settings.require_non_root)?);
    if settings.privileges.own_stdio {
        process::open_to_own_user();
    } else if (nix::unistd::geteuid(), nix::unistd::getegid()) != before {
        process::close_to_own_user();
    }
    settings.privileges.room_for_processes()?;
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
    let notify_socket = if settings.policy.notify { Some(NotifySocket::new()?) } else { None };
    let env = environment(settings, pid, notify_socket.as_ref());
    let launch = Launch { env, inherited, ignored, on_terminal, directory: None };
    let terminal = foreground.is_some();
    // After the drop: the file is the user's.
    let evidence = Evidence::new(&settings.dump)?;
    Ok(Prepared { pid, own_group, launch, terminal, sink, evidence, notify_socket, manager })
}

/// Where goward has something to say to whoever started it: the server's words, or what its probes tell.
fn manager(settings: &mut Settings) -> Option<Manager> {
    if !settings.personality.is_goward() || !settings.policy.notify && !settings.policy.probes() {
        return None;
    }
    let address = std::env::var("NOTIFY_SOCKET").ok().filter(|address| !address.is_empty())?;
    Manager::reach(address).map_err(|why| settings.notes.push(why)).ok()
}

/// How often the server must say that it lives: to goward, to whoever started goward and waits for it, or to both.
fn watchdog(settings: &Settings, pid: i32) -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|wanted| i32::try_from(wanted) == Ok(pid));
    let above = number("WATCHDOG_USEC").filter(|_| is_ours).map(Duration::from_micros);
    settings.policy.watchdog.into_iter().chain(above).min()
}

/// Where there is a terminal and privileges are dropped, what is started must not be able to type into it.
fn guard_terminal(settings: &mut Settings) {
    match settings.privileges.guard_terminal() {
        Guard::Unneeded | Guard::Filter => {}
        Guard::Session(why) => {
            settings.place = Place::Detached;
            settings.notes.push(format!(
                "the server runs in a session of its own, without job control (Ctrl-Z), so that it cannot push input \
                 into this terminal (TIOCSTI): {why}"
            ));
        }
    }
}

fn adopt_orphans(settings: &Settings, pid: i32) -> Result<(), String> {
    let wanted = match settings.subreaper {
        Subreaper::No => false,
        Subreaper::Automatic => pid != 1,
        Subreaper::Asked => true,
    };
    let result = if wanted { process::become_subreaper() } else { Ok(()) };
    match result {
        Err(errno) if settings.subreaper == Subreaper::Asked => {
            return Err(personality::no_subreaper(settings.personality, errno));
        }
        Err(_) | Ok(()) => {}
    }
    personality::on_adoption(settings.personality, pid, wanted);
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
            let text = format!("(errno={} {})", errno as i32, personality::strerror(errno));
            format!("Unable to detach from controlling tty {text}.")
        }
    };
    settings.notes.push(note);
}

/// The server's environment, where it differs from goward's own: HOME, USER and LOGNAME follow the user, LISTEN_PID
/// follows the process (sd_listen_fds(3)), NOTIFY_SOCKET is goward's own (sd_notify(3)), and a manager above goward hears
/// nothing from the server.
fn environment(settings: &Settings, pid: i32, notify_socket: Option<&NotifySocket>) -> Option<Environment> {
    let identity = settings.privileges.identity.as_ref();
    let listening = settings.personality.hands_on_sockets()
        && std::env::var("LISTEN_PID").is_ok_and(|listener| listener == pid.to_string());
    let limits = if settings.go_env { go_limits(settings) } else { Vec::new() };
    if identity.is_none() && !listening && notify_socket.is_none() && limits.is_empty() {
        return None;
    }
    let mut entries: Vec<CString> = Vec::new();
    for entry in process::environment() {
        let name = entry.to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
        let is_assignment = name.len() < entry.to_bytes().len();
        let replaced = match name {
            b"HOME" | b"USER" | b"LOGNAME" => identity.is_some(),
            b"LISTEN_PID" => listening,
            b"NOTIFY_SOCKET" | b"WATCHDOG_USEC" | b"WATCHDOG_PID" => notify_socket.is_some(),
            // An empty one, which is none to Go.
            name => limits.iter().any(|(limit, _)| limit.as_bytes() == name),
        };
        if !(replaced && is_assignment) {
            entries.push(entry.to_owned());
        }
    }
    let mut set = |name: &str, value: &str| entries.extend(CString::new(format!("{name}={value}")));
    if let Some(identity) = identity {
        set("HOME", &identity.home);
        set("USER", &identity.name);
        set("LOGNAME", &identity.name);
    }
    if let Some(notify_socket) = notify_socket {
        set("NOTIFY_SOCKET", &notify_socket.address());
        if let Some(time) = watchdog(settings, pid) {
            set("WATCHDOG_USEC", &time.as_micros().to_string());
        }
    }
    limits.iter().for_each(|(name, value)| set(name, value));
    let memory_limit = limits.iter().find(|(name, _)| *name == MEMORY_LIMIT).and_then(|(_, value)| value.parse().ok());
    Some(Environment { entries, listen_pid: listening, memory_limit })
}

/// `--go-env`: a few small files are read before the server starts, for those who ask for it.
fn go_limits(settings: &Settings) -> Vec<(&'static str, String)> {
    let program = settings.argv.first().and_then(|program| explain::find(&program.to_string_lossy()));
    let build = program.and_then(|program| spawn::build_of(&program));
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    goenv::variables(build.as_ref(), &is_set, &|path| std::fs::read_to_string(path).ok())
}
