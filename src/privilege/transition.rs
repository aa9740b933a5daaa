//! What happens to goward's own credentials, in its order: what needs root first, then the drop.

use super::accounts::Identity;
use super::become_user::{self, Outcome, Wanted, become_user};
use super::id_map::ids_are_the_hosts;
use super::own;
use crate::sys::capability::{self, Capability};
use crate::sys::process;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::PathBuf;

/// A resource limit that `--rlimit` sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The resource that is limited.
    pub resource: Resource,
    /// Its name, for messages.
    pub name: &'static str,
    /// Soft limit; none: what the hard limit is.
    pub soft: Option<u64>,
    /// Hard limit; none: it stays.
    pub hard: Option<u64>,
}

/// Everything that happens to goward's own credentials before the server starts. The server inherits all of it.
#[derive(Clone, Debug, Default)]
pub struct Privileges {
    /// Who to become; none: stay.
    pub identity: Option<Identity>,
    /// Directories for that user.
    pub own: Vec<PathBuf>,
    /// Whether stdio is handed over too.
    pub own_stdio: bool,
    /// The resource limits that are set.
    pub limits: Vec<Limit>,
    /// For the kernel's OOM killer: -1000 never to 1000 first.
    pub oom_score_adj: Option<i32>,
    /// Capabilities that the server keeps.
    pub keep: Vec<Capability>,
    /// Whether an exec may still gain privileges.
    pub allow_new_privs: bool,
}

impl Privileges {
    /// Whether the server would run as root.
    pub fn server_is_root(&self) -> bool {
        self.identity.as_ref().map_or_else(become_user::is_root, |identity| identity.uid == 0)
    }

    /// Takes every step and proves it. Returns what should be logged later. `strict`: what could not be dropped or not be
    /// proven is an error (`--require-non-root`).
    ///
    /// # Errors
    /// A sentence that names the step. Nothing has been started yet, so the container ends.
    pub fn apply(&self, strict: bool) -> Result<Vec<String>, String> {
        let mut notes = Vec::new();
        if let Some(identity) = &self.identity {
            for path in &self.own {
                own::own_directory(path, identity.uid, identity.gid)?;
            }
            if self.own_stdio {
                notes.extend(own::own_stdio(identity.uid)?);
            }
        }
        for limit in &self.limits {
            limit.make_room()?;
        }
        if let Some(score) = self.oom_score_adj {
            std::fs::write(OOM_SCORE_ADJ, score.to_string()).map_err(|error| refused_score(score, &error))?;
        }
        let outcome = match &self.identity {
            Some(identity) => become_user(&Wanted {
                identity,
                keep: self.keep.iter().fold(0, |bits, capability| bits | capability.bit()),
                allow_new_privs: self.allow_new_privs,
            })?,
            // Nothing was asked for but that it is not root.
            None if strict => {
                Outcome { doubts: become_user::unproven_user().into_iter().collect(), ..Outcome::default() }
            }
            None => Outcome::default(),
        };
        match outcome.doubts.as_slice() {
            [_, ..] if strict => Err(format!("--require-non-root: {}", outcome.doubts.join("; "))),
            _ => Ok([notes, outcome.doubts, outcome.notes].concat()),
        }
    }
}

impl Privileges {
    /// Whether the server's user has room for another process below a limit of `--rlimit nproc`. The kernel counts all processes of
    /// the uid on the host, and 65532 is in many images; it refuses them to the server one by one, which Go's runtime does not survive.
    ///
    /// # Errors
    /// There is no room.
    pub fn room_for_processes(&self) -> Result<(), String> {
        let limit = self.limits.iter().find(|limit| limit.resource == Resource::RLIMIT_NPROC);
        let Some((limit, wanted)) = limit.and_then(|limit| Some((limit, limit.soft?))) else { return Ok(()) };
        let (soft, hard) = getrlimit(limit.resource).map_err(|errno| limit.refusal(errno))?;
        // The kernel's own count is known to nobody else: a process more than the limit, and goward itself is one of them.
        let tried = wanted.max(1).saturating_add(1);
        if tried >= soft || setrlimit(limit.resource, tried, hard).is_err() {
            return Ok(());
        }
        let forked = process::fork(|| 0);
        let _ = setrlimit(limit.resource, soft, hard);
        match forked {
            Ok(pid) => {
                let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
                Ok(())
            }
            Err(Errno::EAGAIN) => Err(format!(
                "--rlimit nproc={wanted}: uid {} has as many processes as that already{} (RLIMIT_NPROC counts them by uid)",
                nix::unistd::getuid(),
                // A user namespace has a count of its own since Linux 5.14.
                if ids_are_the_hosts() { ", in all containers of this host together" } else { "" }
            )),
            // It will be seen when the server is started.
            Err(_) => Ok(()),
        }
    }
}

const OOM_SCORE_ADJ: &str = "/proc/self/oom_score_adj";

/// Why the kernel does not allow this score.
fn refused_score(score: i32, error: &std::io::Error) -> String {
    let errno = error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
    let present = std::fs::read_to_string(OOM_SCORE_ADJ).ok().and_then(|text| text.trim().parse::<i32>().ok());
    match present {
        Some(present) if errno == Errno::EACCES && score < present => {
            // The kernel asks for it in the initial user namespace: one that was given in another does not count.
            let whose = if has_sys_resource() {
                "the host's CAP_SYS_RESOURCE, not that of a user namespace,"
            } else {
                "CAP_SYS_RESOURCE"
            };
            format!("--oom-score-adj {score}: the score is {present}, and goward needs {whose} to lower it")
        }
        Some(_) | None => format!("--oom-score-adj {score}: {OOM_SCORE_ADJ}: {}", errno.desc()),
    }
}

fn has_sys_resource() -> bool {
    let resource = Capability::parse("sys_resource").map_or(0, Capability::bit);
    capability::get().is_ok_and(|sets| sets.effective & resource != 0)
}

impl Limit {
    /// Raises goward's own hard limit where the server is to have a higher one: after the drop nobody can. Everything else about
    /// a limit is for the server alone ([`Limit::impose`]), and would only hinder goward: descriptors, memory, the size of its log.
    fn make_room(&self) -> Result<(), String> {
        let (soft, present) = getrlimit(self.resource).map_err(|errno| self.refusal(errno))?;
        match self.hard {
            Some(hard) if hard > present => setrlimit(self.resource, soft, hard).map_err(|errno| self.refusal(errno)),
            Some(_) | None => Ok(()),
        }
    }

    /// Sets it, in the child that becomes the server. Async-signal-safe.
    ///
    /// # Errors
    /// As setrlimit(2); [`Limit::refusal`] says it.
    pub fn impose(&self) -> nix::Result<()> {
        let (_, present) = getrlimit(self.resource)?;
        let hard = self.hard.unwrap_or(present);
        setrlimit(self.resource, self.soft.unwrap_or(hard), hard)
    }

    /// Why the kernel does not allow it: EPERM is all that it says of a hard limit that must not be raised, and of more
    /// descriptors than `fs.nr_open`.
    pub fn refusal(&self, errno: Errno) -> String {
        let name = self.name;
        let most = std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
        let wanted = self.hard.or(self.soft).unwrap_or_default();
        if let (Errno::EPERM, Resource::RLIMIT_NOFILE, Some(most)) = (errno, self.resource, most)
            && wanted > most
        {
            return format!("--rlimit {name}: the kernel allows {most} at most (sysctl fs.nr_open)");
        }
        let present = getrlimit(self.resource).map_or_else(|_| "lower".to_owned(), |(_, hard)| hard.to_string());
        match errno {
            Errno::EPERM if has_sys_resource() => format!(
                "--rlimit {name}: the hard limit is {present} and cannot be raised although goward has CAP_SYS_RESOURCE \
                 (a user namespace, or a seccomp profile?)"
            ),
            Errno::EPERM if nix::unistd::geteuid().is_root() => format!(
                "--rlimit {name}: the hard limit is {present}, and goward is root, but without CAP_SYS_RESOURCE, \
                 which it needs to raise it"
            ),
            Errno::EPERM => format!("--rlimit {name}: only root may raise the hard limit, which is {present}"),
            errno => format!("--rlimit {name}: {}", errno.desc()),
        }
    }
}
