//! The drop, as an ordered list of named steps, and the proof from the kernel that it held.

use super::accounts::Identity;
use super::own;
use crate::sys::capability::{self, Capability};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, getgroups, setgroups, setresgid, setresuid};
use std::path::PathBuf;

/// A `--rlimit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Which.
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
    /// Resource limits.
    pub limits: Vec<Limit>,
    /// For the kernel's OOM killer: -1000 never to 1000 first.
    pub oom_score_adj: Option<i32>,
    /// Capabilities that the server keeps.
    pub keep: Vec<Capability>,
    /// Whether an exec may still gain privileges.
    pub allow_new_privs: bool,
}

impl Privileges {
    /// Takes every step and proves it. Returns what should be logged later.
    ///
    /// # Errors
    /// A sentence that names the step. Nothing has been started yet, so the container ends.
    pub fn apply(&self) -> Result<Option<String>, String> {
        if let Some(identity) = &self.identity {
            for path in &self.own {
                own::own_directory(path, identity.uid, identity.gid)?;
            }
            if self.own_stdio {
                own::own_stdio(identity.uid, identity.gid)?;
            }
        }
        for limit in &self.limits {
            limit.apply()?;
        }
        if let Some(score) = self.oom_score_adj {
            std::fs::write("/proc/self/oom_score_adj", score.to_string())
                .map_err(|error| format!("--oom-score-adj {score}: {error}"))?;
        }
        let Some(identity) = &self.identity else { return Ok(None) };
        let already = identity.is_current();
        let note = if already { None } else { self.become_identity(identity)? };
        if !self.allow_new_privs {
            step("no_new_privs", capability::set_no_new_privs())?;
        }
        // Who was that user from the start keeps what the container gave (groups, ambient capabilities).
        if already { Ok(self.missing_capabilities()) } else { self.verify(identity, note.is_none()).map(|()| note) }
    }

    fn keep_bits(&self) -> u64 {
        self.keep.iter().fold(0, |bits, capability| bits | capability.bit())
    }

    /// A user that goward already is was given its capabilities by the container, or not.
    fn missing_capabilities(&self) -> Option<String> {
        let keep = self.keep_bits();
        let held = keep == 0 || nix::unistd::geteuid().is_root() || capability::ambient(keep) == keep;
        let raised = || capability::raise_ambient(keep).is_ok();
        (!held && !raised()).then(|| {
            format!("--keep-cap {:?}: goward was started as that user and without them; start it as root", self.keep)
        })
    }

    fn become_identity(&self, identity: &Identity) -> Result<Option<String>, String> {
        let me = nix::unistd::geteuid();
        if !me.is_root() {
            return Err(format!(
                "--user {}: goward runs as uid {me}, and only root can become another user; drop --user, or start the container as root",
                identity.name
            ));
        }
        let keep = self.keep_bits();
        // The bounding set first: as soon as the uid is gone, so is the right to shrink it. Another group for root is no drop.
        let note = match capability::shrink_bounding(if identity.uid == 0 { u64::MAX } else { keep }) {
            // A container without CAP_SETPCAP: no_new_privs and empty sets hold without it.
            Err(Errno::EPERM) if !self.allow_new_privs => {
                Some("the capability bounding set stays as it is: goward was started without CAP_SETPCAP".to_owned())
            }
            result => step("the capability bounding set", result).map(|()| None)?,
        };
        if keep != 0 {
            step("keeping capabilities", capability::keep_across_setuid(true))?;
        }
        let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
        let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
        identity_step("supplementary groups", setgroups(&groups), "CAP_SETGID")?;
        identity_step("gid", setresgid(gid, gid, gid), "CAP_SETGID")?;
        identity_step("uid", setresuid(uid, uid, uid), "CAP_SETUID")?;
        if !uid.is_root() {
            let sets = capability::Sets { effective: keep, permitted: keep, inheritable: keep };
            capability::set(sets).map_err(|errno| {
                format!("cannot keep {:?}: {}; has the container these capabilities?", self.keep, errno.desc())
            })?;
            step("ambient capabilities", capability::raise_ambient(keep))?;
        }
        Ok(note)
    }

    /// Reads everything back: a sandbox that pretends, a kernel that differs, or a fault of ours must not go unseen.
    fn verify(&self, identity: &Identity, shrunk: bool) -> Result<(), String> {
        let held = |what: &str, holds: bool| {
            if holds { Ok(()) } else { Err(format!("the privilege drop did not hold: {what}")) }
        };
        held("uid and gid", identity.is_current())?;
        let mut groups: Vec<u32> = step("getgroups", getgroups())?.into_iter().map(Gid::as_raw).collect();
        let mut wanted = identity.groups.clone();
        groups.sort_unstable();
        wanted.sort_unstable();
        held("supplementary groups", groups == wanted)?;
        held("no_new_privs", self.allow_new_privs || capability::no_new_privs())?;
        if identity.uid == 0 {
            return Ok(());
        }
        let keep = self.keep_bits();
        let bounding = step("the capability bounding set", capability::bounding())?;
        held("the capability bounding set", !shrunk || bounding & !keep == 0)?;
        let sets = step("capget", capability::get())?;
        // What is ambient is permitted and inheritable too: the kernel sees to that.
        held("capabilities", (sets.permitted | sets.effective | sets.inheritable) & !keep == 0)?;
        held("kept capabilities", sets.effective & keep == keep && capability::ambient(keep) == keep)?;
        let root = Uid::from_raw(0);
        let may_setuid = Capability::parse("setuid").is_ok_and(|setuid| keep & setuid.bit() != 0);
        held("becoming root again succeeds", may_setuid || setresuid(root, root, root).is_err())
    }
}

impl Identity {
    /// Whether the process is that user already: real, effective and saved.
    pub fn is_current(&self) -> bool {
        let uids = nix::unistd::getresuid().map(|r| [r.real, r.effective, r.saved].map(Uid::as_raw));
        let gids = nix::unistd::getresgid().map(|r| [r.real, r.effective, r.saved].map(Gid::as_raw));
        uids == Ok([self.uid; 3]) && gids == Ok([self.gid; 3])
    }
}

impl Limit {
    fn apply(&self) -> Result<(), String> {
        let fail = |errno: Errno| format!("--rlimit {}: {}", self.name, errno.desc());
        let (_, present) = getrlimit(self.resource).map_err(fail)?;
        let hard = self.hard.unwrap_or(present);
        setrlimit(self.resource, self.soft.unwrap_or(hard), hard).map_err(|errno| match errno {
            Errno::EPERM => format!("--rlimit {}: only root may raise the hard limit, which is {present}", self.name),
            errno => fail(errno),
        })
    }
}

/// Root without the capability to change users: a container that drops them all.
fn identity_step(name: &str, result: nix::Result<()>, needs: &str) -> Result<(), String> {
    match result {
        Err(Errno::EPERM) => Err(format!(
            "dropping privileges failed at {name}: goward is root, but without {needs}; let the container start as that \
             user (docker run --user, runAsUser) and leave --user out here, or give goward SETUID, SETGID and SETPCAP"
        )),
        result => step(name, result),
    }
}

fn step<T>(name: &str, result: nix::Result<T>) -> Result<T, String> {
    result.map_err(|errno| format!("dropping privileges failed at {name}: {}", errno.desc()))
}
