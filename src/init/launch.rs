//! Starting: the first time in [`super::run`], and whenever the supervisor wants something started after that.

use super::memory_limit::MemoryLimit;
use super::personality::{self, Note};
use super::record::Record;
use super::{Init, last_resort, oom};
use crate::config::{Inheritance, Place, Settings};
use crate::signal::Signal;
use crate::spawn::{self, SpawnSpec};
use crate::supervisor::{Event, Stage, Status};
use crate::sys::mask::Mask;
use crate::sys::{clock, process, terminal};
use nix::sys::resource::Resource;
use std::ffi::CString;
use std::time::Duration;

/// An environment for the server that is not goward's own.
pub(super) struct Environment {
    pub(super) entries: Vec<CString>,
    /// LISTEN_PID belongs to it too, with the server's pid.
    pub(super) listen_pid: bool,
    /// GOMEMLIMIT, where goward has set it.
    pub(super) memory_limit: Option<u64>,
}

impl Environment {
    /// Sets GOMEMLIMIT anew, where goward has set it.
    fn limit_memory(&mut self, limit: u64) {
        let name = format!("{MEMORY_LIMIT}=");
        let entry = self.entries.iter_mut().find(|entry| entry.as_bytes().starts_with(name.as_bytes()));
        if let (Some(entry), Ok(fresh)) = (entry, CString::new(format!("{name}{limit}"))) {
            *entry = fresh;
        }
    }
}

/// Go's memory limit, see `--go-env`.
pub(super) const MEMORY_LIMIT: &str = "GOMEMLIMIT";

/// What everything that goward starts finds.
pub(super) struct Launch {
    pub(super) env: Option<Environment>,
    /// The mask goward was started with.
    pub(super) inherited: Mask,
    /// What must be found ignored, though goward itself must not ignore it.
    pub(super) ignored: Option<Signal>,
    /// goward is in the foreground of its terminal.
    pub(super) on_terminal: bool,
    /// Where goward was started, and has left since; none: there it still is.
    pub(super) directory: Option<CString>,
}

impl Launch {
    /// To start this. The server is what LISTEN_PID is for; commands beside it get no such thing.
    pub(super) fn order<'a>(&'a self, settings: &'a Settings, argv: &'a [CString]) -> SpawnSpec<'a> {
        let clean = settings.signals == Inheritance::Nothing;
        let mask = if settings.signals == Inheritance::Exact { self.inherited } else { Mask::empty() };
        SpawnSpec {
            env: self.env.as_ref().map(|env| env.entries.as_slice()),
            place: settings.place,
            reset: clean,
            ignored: if clean { &[] } else { self.ignored.as_slice() },
            on_terminal: self.on_terminal,
            directory: self.directory.as_deref(),
            limits: &settings.privileges.limits,
            leaves_directory: settings.personality.leaves_directory(),
            ..SpawnSpec::new(argv, mask)
        }
    }

    /// The environment of what is started, with these variables.
    pub(super) fn environment_with(&self, variables: &[(&str, &str)]) -> Vec<CString> {
        let mut entries = match &self.env {
            Some(env) => env.entries.clone(),
            None => process::environment().into_iter().map(CString::from).collect(),
        };
        for (name, value) in variables {
            let begins = format!("{name}=");
            entries.retain(|entry| !entry.as_bytes().starts_with(begins.as_bytes()));
            entries.extend(CString::new(begins + value));
        }
        entries
    }

    /// To start the server.
    pub(super) fn server<'a>(&'a self, settings: &'a Settings) -> SpawnSpec<'a> {
        SpawnSpec {
            listen_pid: self.env.as_ref().is_some_and(|env| env.listen_pid),
            ..self.order(settings, &settings.argv)
        }
    }
}

impl Settings {
    /// The command of a stage.
    pub(super) fn command(&self, stage: Stage) -> &[CString] {
        let command = match stage {
            Stage::Before(number) => self.before.get(number),
            Stage::Server => Some(&self.argv),
            Stage::After(number) => self.after.get(number),
        };
        command.map_or(&[], Vec::as_slice)
    }
}

/// A program that a limit of its memory keeps from running ends so soon.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How things are started, and what is being started.
pub(super) struct Launching {
    pub(super) launch: Launch,
    /// What was started last, as long as it is not known to have exec'ed.
    pub(super) starting: Option<Starting>,
    /// What could not be started has ended so, and the supervisor does not know yet.
    pub(super) unstarted: Option<Status>,
}

impl Launching {
    pub(super) fn new(launch: Launch) -> Launching {
        Launching { launch, starting: None, unstarted: None }
    }

    /// Whether the kernel has refused the last start: then the pid that is remembered is that of who ran before, and may be
    /// anybody's by now.
    pub(super) fn is_refused(&self) -> bool {
        self.unstarted.is_some()
    }
}

/// What was started last, as long as it is not known to have exec'ed.
pub(super) struct Starting {
    child: spawn::Starting,
    stage: Stage,
}

impl Init {
    /// Starts a stage, and does not wait for its exec. If there is no process at all, it has ended: the loop tells the supervisor.
    pub(super) fn start(&mut self, stage: Stage) {
        // The last one may have had the terminal; then nobody has it now.
        if self.supervisor.policy().job_control && terminal::foreground() == self.server.group {
            let _ = terminal::set_foreground(self.own_group);
        }
        if let (Stage::Server, Some(limit)) = (stage, self.memory_limit.as_mut().and_then(MemoryLimit::tell)) {
            self.launching.launch.env.iter_mut().for_each(|env| env.limit_memory(limit));
        }
        let env = match stage {
            Stage::After(_) => Some(self.environment_after()),
            Stage::Before(_) | Stage::Server => None,
        };
        let order = match stage {
            Stage::Server => self.launching.launch.server(&self.settings),
            Stage::Before(_) | Stage::After(_) => {
                let order = self.launching.launch.order(&self.settings, self.settings.command(stage));
                SpawnSpec { env: env.as_deref().or(order.env), ..order }
            }
        };
        match spawn::begin(&order) {
            Ok(child) => {
                let pid = child.pid();
                last_resort::serves(pid, stage);
                self.server = super::Server { pid, group: (self.settings.place != Place::Shared).then_some(pid) };
                self.reaping.childless = false;
                self.forwarding.by_key = false;
                if stage == Stage::Server {
                    self.started = clock::now();
                    self.health.forget();
                    self.leftovers.forget();
                    self.forwarding.sent = Mask::empty();
                    self.inbox.forget_forwarded();
                    self.oom = oom::Counter::find();
                }
                self.launching.starting = Some(Starting { child, stage });
            }
            Err(unstarted) => {
                self.could_not_start(stage, &unstarted.why);
                self.launching.unstarted = Some(Status::Unstarted(unstarted.code));
            }
        }
    }

    /// The environment of a command after the server: with how it ended, as systemd has it for ExecStopPost.
    fn environment_after(&self) -> Vec<CString> {
        let code = self.supervisor.code();
        let cause = Record::of(self, code).cause();
        let signal = match self.supervisor.ended() {
            Some(Status::Signal(signal)) => signal.to_string(),
            Some(Status::Code(_) | Status::Unstarted(_)) | None => String::new(),
        };
        let code = code.to_string();
        let variables = [("GOWARD_CAUSE", cause), ("GOWARD_EXIT_CODE", &code), ("GOWARD_SIGNAL", &signal)];
        self.launching.launch.environment_with(&variables)
    }

    /// Looks whether the exec is over: SIGIO said that it may be, or it is so new that nobody has said anything yet.
    pub(super) fn look_at_start(&mut self) {
        let Some(starting) = self.launching.starting.as_mut() else { return };
        // Where the exec has failed the child is about to end, and that is waited for.
        if starting.child.outcome() == Some(Ok(())) {
            let certain = starting.child.has_execed();
            self.has_started(certain);
        }
    }

    /// What was started has ended before it was known to have exec'ed. True: it never did, and all has been said about it.
    pub(super) fn ended_at_start(&mut self, status: Status) -> bool {
        let Some(starting) = self.launching.starting.as_mut() else { return false };
        if let Some(Err(why)) = starting.child.outcome() {
            let stage = starting.stage;
            self.launching.starting = None;
            self.could_not_start(stage, &why);
            self.happened(Event::Ended(Status::Unstarted(status.code())));
            return true;
        }
        // An exec that hung may have ended by the signal, and so may a program: what is not known is not said.
        let certain = matches!(status, Status::Code(_)) && starting.child.has_begun();
        self.has_started(certain);
        false
    }

    fn has_started(&mut self, certain: bool) {
        let Some(Starting { stage, .. }) = self.launching.starting.take() else { return };
        let pid = self.server.pid;
        if certain {
            let program = self.settings.command(stage).first();
            let program = program.map(|program| program.to_string_lossy()).unwrap_or_default();
            self.say(Note::Started { stage, pid, program: &program });
        }
    }

    /// Where a limit leaves no memory for the program, the kernel ends it in the middle of the exec, or its loader does; where
    /// its processor time is over, too. The signal is all that is seen of that.
    pub(super) fn may_be_a_limit(&self, status: Status) -> Option<String> {
        let Status::Signal(signal) = status else { return None };
        let at_once = clock::now().saturating_sub(self.supervisor.started()) < AT_ONCE;
        let may_be = |resource| match resource {
            Resource::RLIMIT_AS | Resource::RLIMIT_DATA | Resource::RLIMIT_STACK => {
                at_once && matches!(signal, Signal::SEGV | Signal::BUS | Signal::KILL)
            }
            Resource::RLIMIT_CPU => matches!(signal, Signal::XCPU | Signal::KILL),
            _ => false,
        };
        let limits = self.settings.privileges.limits.iter().filter(|limit| may_be(limit.resource));
        let limits: Vec<_> = limits.map(|limit| limit.name).collect();
        let by_goward = self.supervisor.milestones.killed.is_some();
        (!by_goward && !limits.is_empty()).then(|| {
            format!("the process {}, perhaps because of --rlimit {}", personality::how(status), limits.join(", "))
        })
    }

    fn could_not_start(&self, stage: Stage, why: &str) {
        let what = match stage {
            Stage::Before(_) => "--before: ",
            Stage::After(_) => "--after: ",
            Stage::Server => "",
        };
        self.say(Note::Warning(&format!("{what}{why}")));
    }
}
