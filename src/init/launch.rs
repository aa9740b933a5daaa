//! Starting: the first time in [`super::run`], and whenever the supervisor wants something started after that.

use super::relay::{Relay, Stderr};
use super::voice::Note;
use super::{Init, last_resort, oom};
use crate::config::{Dump, Inheritance, Place, Settings};
use crate::signal::Signal;
use crate::spawn::{self, Order, explain};
use crate::supervisor::{Stage, Status};
use crate::sys::mask::Mask;
use crate::sys::{clock, terminal};
use std::ffi::CString;

/// An environment for the server that is not goward's own.
pub(super) struct Environment {
    pub(super) entries: Vec<CString>,
    /// LISTEN_PID belongs to it too, with the server's pid.
    pub(super) listen_pid: bool,
}

/// What everything that goward starts finds.
pub(super) struct Launch {
    pub(super) env: Option<Environment>,
    /// The mask goward was started with.
    pub(super) inherited: Mask,
    /// What must be found ignored, though goward itself must not ignore it.
    pub(super) ignored: Option<Signal>,
    /// goward is in the foreground of its terminal.
    pub(super) on_terminal: bool,
}

impl Launch {
    /// To start this. The server is what LISTEN_PID is for; commands beside it get no such thing.
    pub(super) fn order<'a>(&'a self, settings: &'a Settings, argv: &'a [CString]) -> Order<'a> {
        let clean = settings.signals == Inheritance::Nothing;
        let mask = if settings.signals == Inheritance::Exact { self.inherited } else { Mask::empty() };
        Order {
            env: self.env.as_ref().map(|env| env.entries.as_slice()),
            place: settings.place,
            reset: clean,
            ignored: if clean { &[] } else { self.ignored.as_slice() },
            on_terminal: self.on_terminal,
            ..Order::new(argv, mask)
        }
    }

    /// To start the server.
    pub(super) fn server<'a>(&'a self, settings: &'a Settings, stderr: Option<&Stderr>) -> Order<'a> {
        Order {
            listen_pid: self.env.as_ref().is_some_and(|env| env.listen_pid),
            stdio: [None, None, stderr.map(Stderr::for_server)],
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

    /// A pipe for the server's stderr, where that passes through goward.
    pub(super) fn stderr(&self) -> Result<Option<Stderr>, String> {
        match &self.dump {
            Dump::Raw => Ok(None),
            Dump::Summary { file } => Stderr::new(file.as_deref()).map(Some),
        }
    }
}

impl Init {
    /// Starts a stage. If that does not work, it has ended: the loop tells the supervisor.
    pub(super) fn start(&mut self, stage: Stage) {
        let stderr = match stage {
            Stage::Server => self.settings.stderr().unwrap_or_else(|why| {
                // The dump then goes where everything else does.
                self.say(Note::Warning(&why));
                None
            }),
            Stage::Before(_) | Stage::After(_) => None,
        };
        // The last one may have had the terminal; then nobody has it now.
        if self.supervisor.policy().job_control && terminal::foreground() == self.server.group {
            let _ = terminal::set_foreground(self.own_group);
        }
        let order = match stage {
            Stage::Server => self.launch.server(&self.settings, stderr.as_ref()),
            Stage::Before(_) | Stage::After(_) => self.launch.order(&self.settings, self.settings.command(stage)),
        };
        let result = spawn::spawn(&order);
        let program = order.argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
        match result {
            Ok(pid) => {
                last_resort::serves(pid, stage == Stage::Server);
                self.server = super::Server { pid, group: (self.settings.place != Place::Shared).then_some(pid) };
                self.childless = false;
                self.by_key = false;
                if stage == Stage::Server {
                    self.started = clock::now();
                    self.said.clear();
                    self.leftovers.clear();
                    self.oom = oom::Counter::find();
                    self.health.last = None;
                    self.relay = stderr.map(|stderr| Relay::new(stderr, pid, &self.settings));
                }
                self.say(Note::Started { stage, pid, program: &program });
            }
            Err(errno) => {
                let (code, why) = explain::explain(&program, errno);
                let what = match stage {
                    Stage::Before(_) => "--before: ",
                    Stage::After(_) => "--after: ",
                    Stage::Server => "",
                };
                self.say(Note::Warning(&format!("{what}{why}")));
                self.unstarted = Some(Status::Code(code));
            }
        }
    }
}
