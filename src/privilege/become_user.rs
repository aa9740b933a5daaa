//! The drop: an ordered list of steps, and the proof from the kernel that it held. There is one way through it, whether
//! goward has to become the user or is it already. What is different is how it ends: who becomes a user and keeps a privilege
//! does not start, and who was started as that user cannot always give back what the container gave. goward logs that.

use super::accounts::Identity;
use super::id_map::{self, Kind, Map, OVERFLOW};
use crate::sys::capability::{self, Capability, Sets};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, geteuid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};

/// The user, groups and capabilities that a process is to end with.
pub(super) struct Wanted<'a> {
    pub(super) identity: &'a Identity,
    /// The capabilities that stay, as a bit set.
    pub(super) keep: u64,
    /// no_new_privs is not set.
    pub(super) allow_new_privs: bool,
}

/// What became of it, where it held.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is not as one may think, and gives nobody a privilege.
    pub(super) notes: Vec<String>,
    /// What could not be dropped, or not be proven.
    pub(super) doubts: Vec<String>,
}

/// Becomes the user, for good.
///
/// # Errors
/// A sentence that names the step and the reason. Nothing has been started yet, so the container ends.
pub(super) fn become_user(wanted: &Wanted<'_>) -> Result<Outcome, String> {
    let already = wanted.identity.is_current();
    let mut steps = Steps { wanted, already, keep: wanted.keep, outcome: Outcome::default() };
    // The bounding set first: as soon as the uid is gone, so is the right to shrink it.
    if !already {
        take_permitted_into_use();
    }
    let bounding = steps.shrink_bounding_set();
    steps.look_for_kept_capabilities()?;
    let locked = steps.keep_capabilities_across_setuid();
    let groups = steps.set_groups()?;
    steps.set_ids()?;
    steps.lower_capabilities(locked)?;
    if !wanted.allow_new_privs {
        step("no_new_privs", capability::set_no_new_privs())?;
    }
    // Whatever was answered until now: a sandbox that pretends, a kernel that differs, or a fault of ours must not go unseen.
    steps.verify_ids()?;
    steps.verify_groups(groups)?;
    steps.verify_no_new_privs()?;
    steps.verify_capabilities()?;
    steps.verify_bounding_set(bounding)?;
    steps.verify_no_way_back()?;
    Ok(steps.outcome)
}

/// Whether the server would be root: a process whose real user is root becomes root again without any privilege. (The saved
/// one does not outlive an exec.)
pub(super) fn is_root() -> bool {
    getresuid().map_or(geteuid().is_root(), |ids| ids.real.is_root() || ids.effective.is_root())
}

/// Whether the user that is shown may be another one, which is not mapped in this user namespace: the host's root, say.
pub(super) fn unproven_user() -> Option<String> {
    let ids = getresuid().ok()?;
    let refused = setresuid(ids.real, ids.effective, ids.saved).err()?;
    unproven(Kind::User, ids.effective.as_raw(), refused)
}

struct Steps<'a> {
    wanted: &'a Wanted<'a>,
    /// Real, effective and saved ids are the user's, and were before.
    already: bool,
    /// Capabilities that stay. Fewer than wanted, where goward was started as the user and without some.
    keep: u64,
    outcome: Outcome,
}

impl Steps<'_> {
    /// Another group for root is no drop of capabilities.
    fn stays_root(&self) -> bool {
        self.wanted.identity.uid == 0
    }

    /// Whether this stands in the way of the start depends on how much it proves.
    fn cannot(&mut self, what: String) -> Result<(), String> {
        if self.already {
            self.outcome.doubts.push(what);
            Ok(())
        } else {
            Err(format!("the privilege drop cannot be verified: {what}"))
        }
    }

    /// Why it stayed, where it stays, is told once the kernel has been asked.
    fn shrink_bounding_set(&self) -> Result<(), String> {
        if self.stays_root() {
            return Ok(());
        }
        capability::shrink_bounding(self.wanted.keep).map_err(|errno| match (errno, may("setpcap")) {
            (Errno::EPERM, Some(false)) => "goward was started without CAP_SETPCAP".to_owned(),
            (errno, _) => errno.desc().to_owned(),
        })
    }

    fn look_for_kept_capabilities(&mut self) -> Result<(), String> {
        if self.keep == 0 {
            return Ok(());
        }
        let permitted = match capability::get() {
            Ok(sets) => sets.permitted,
            // Seen later.
            Err(_) => return Ok(()),
        };
        let lacking = self.keep & !permitted;
        if lacking != 0 && !self.already {
            let names = capability::names(lacking);
            return Err(format!("--keep-cap: the container does not have {names} (docker run --cap-add)"));
        }
        self.keep_less(lacking, "goward was started as that user and without them; start it as root");
        Ok(())
    }

    fn keep_less(&mut self, lacking: u64, why: &str) {
        if lacking != 0 {
            self.outcome.notes.push(format!("--keep-cap {}: {why}", capability::names(lacking)));
            self.keep &= !lacking;
        }
    }

    /// Whether it failed counts only where capabilities are missing afterwards: other securebits may keep them.
    fn keep_capabilities_across_setuid(&self) -> bool {
        self.keep != 0 && !self.already && capability::keep_across_setuid(true).is_err()
    }

    /// Where goward is that user already a refusal is no end, and its reason is told once it is seen what stays.
    fn set_groups(&self) -> Result<Result<(), String>, String> {
        let wanted: Vec<Gid> = self.wanted.identity.groups.iter().copied().map(Gid::from_raw).collect();
        let none = Ok((Vec::new(), Vec::new()));
        if self.already && self.other_groups() == none {
            return Ok(Ok(()));
        }
        match setgroups(&wanted).map_err(|errno| self.why_not_groups(errno)) {
            // Where the user namespace forbids it nothing is believed: whoever makes it has to map the groups.
            Err(why) if !self.already && (self.other_groups() != none || Self::namespace_denies_groups()) => {
                Err(failed("supplementary groups", &why))
            }
            result => Ok(result),
        }
    }

    /// The groups that the server would have and should not, and those that it should have and would not.
    fn other_groups(&self) -> nix::Result<(Vec<u32>, Vec<u32>)> {
        let identity = self.wanted.identity;
        // Its own group says nothing new; docker has it there twice, others do not.
        let own = |gid: &u32| self.already && *gid == identity.gid;
        let mut present: Vec<u32> = getgroups()?.into_iter().map(Gid::as_raw).collect();
        present.sort_unstable();
        present.dedup();
        let missing = identity.groups.iter().filter(|gid| !present.contains(gid) && !own(gid)).copied().collect();
        present.retain(|gid| !identity.groups.contains(gid) && !own(gid));
        Ok((present, missing))
    }

    /// Who is that user already tries it all the same: the kernel then says whether the ids that it shows are the real ones.
    fn set_ids(&mut self) -> Result<(), String> {
        let identity = self.wanted.identity;
        for kind in [Kind::Group, Kind::User] {
            let (id, result) = match kind {
                Kind::Group => (identity.gid, setresgid(identity.gid.into(), identity.gid.into(), identity.gid.into())),
                Kind::User => (identity.uid, setresuid(identity.uid.into(), identity.uid.into(), identity.uid.into())),
            };
            match result {
                Ok(()) => {}
                Err(errno) if self.already => self.outcome.doubts.extend(unproven(kind, id, errno)),
                Err(errno) => return Err(failed(kind.id(), &self.why_not_id(kind, id, errno))),
            }
        }
        Ok(())
    }

    fn lower_capabilities(&mut self, locked: bool) -> Result<(), String> {
        if self.stays_root() {
            return Ok(());
        }
        let Err((what, errno)) = hold(self.keep) else { return Ok(()) };
        if self.keep == 0 {
            // Taking away needs no privilege. What is left is seen when it is read back.
            return Ok(());
        }
        let why = match (what, errno) {
            ("capset", Errno::EPERM) if locked => "the securebits forbid it (keep_caps_locked)",
            ("capset", Errno::EPERM) => "they are not in the bounding set, or not permitted",
            ("ambient", Errno::EPERM) => "the securebits forbid it (no_cap_ambient_raise)",
            ("ambient", Errno::EINVAL) => "the kernel has no ambient capabilities before Linux 4.3",
            (_, errno) => errno.desc(),
        };
        if !self.already {
            return Err(format!("--keep-cap: {} cannot be kept: {why}", capability::names(self.keep)));
        }
        self.keep_less(self.keep, why);
        let _ = hold(self.keep);
        Ok(())
    }

    fn verify_ids(&self) -> Result<(), String> {
        held("uid and gid", self.wanted.identity.is_current())
    }

    fn verify_groups(&mut self, set: Result<(), String>) -> Result<(), String> {
        let (foreign, missing) = match self.other_groups() {
            Ok(groups) => groups,
            Err(errno) => return self.cannot(format!("the supplementary groups cannot be read: {}", errno.desc())),
        };
        // What was set is as it was set, or the kernel is not one.
        let refused = set.err().filter(|_| self.already);
        let Some(why) = refused else {
            held("supplementary groups", foreign.is_empty() && missing.is_empty())?;
            self.verify_shown_groups(&foreign);
            return Ok(());
        };
        if !foreign.is_empty() {
            let shown = if foreign.contains(&OVERFLOW) && !is_whole(Kind::Group) { UNMAPPED } else { "" };
            let groups = list(&foreign);
            self.outcome.doubts.push(format!("the server has the supplementary groups {groups}{shown}: {why}"));
        }
        if !missing.is_empty() {
            self.outcome.notes.push(format!("the server lacks the supplementary groups {}: {why}", list(&missing)));
        }
        self.verify_shown_groups(&foreign);
        Ok(())
    }

    /// A group that the user shall have, but that was there from the start under the number for those that have none. Mostly
    /// it is what it seems (nobody's own group, in docker's userns-remap): not a reason not to start.
    fn verify_shown_groups(&mut self, foreign: &[u32]) {
        let shown = self.already && getgroups().is_ok_and(|groups| groups.contains(&Gid::from_raw(OVERFLOW)));
        if shown && !foreign.contains(&OVERFLOW) && !is_whole(Kind::Group) {
            self.outcome.notes.push(format!("the server has the supplementary group {OVERFLOW}{UNMAPPED}"));
        }
    }

    fn verify_no_new_privs(&mut self) -> Result<(), String> {
        match capability::no_new_privs() {
            _ if self.wanted.allow_new_privs => Ok(()),
            Ok(set) => held("no_new_privs", set),
            Err(errno) => self.cannot(format!("no_new_privs cannot be read: {}", errno.desc())),
        }
    }

    fn verify_capabilities(&mut self) -> Result<(), String> {
        if self.stays_root() {
            return Ok(());
        }
        let keep = self.keep;
        match capability::get() {
            // What is ambient is permitted and inheritable too: the kernel sees to that.
            Ok(Sets { effective, permitted, inheritable }) => {
                let more = (effective | permitted | inheritable) & !keep;
                if more != 0 {
                    return held(&format!("capabilities ({})", capability::names(more)), false);
                }
                held("kept capabilities", effective & keep == keep && capability::ambient(keep) == keep)
            }
            Err(errno) => self.cannot(format!("the capabilities cannot be read: {}", errno.desc())),
        }
    }

    /// Nothing comes out of the bounding set but by the exec of a file with capabilities or of a set-uid one, and
    /// no_new_privs makes both ordinary files.
    fn verify_bounding_set(&mut self, shrunk: Result<(), String>) -> Result<(), String> {
        if self.stays_root() {
            return Ok(());
        }
        let what = match (capability::bounding(), shrunk) {
            (Ok(set), _) if set & !self.wanted.keep == 0 => return Ok(()),
            (Ok(_), Ok(())) => return held("the capability bounding set", false),
            (Ok(_), Err(why)) => format!("the capability bounding set stays as it is: {why}"),
            (Err(errno), _) => format!("the capability bounding set cannot be read: {}", errno.desc()),
        };
        if self.wanted.allow_new_privs {
            return self.cannot(format!("{what}; leave --allow-new-privs out, or give goward SETPCAP"));
        }
        self.outcome.notes.push(what);
        Ok(())
    }

    fn verify_no_way_back(&self) -> Result<(), String> {
        if self.stays_root() || self.keep & bit("setuid") != 0 {
            return Ok(());
        }
        let root = Uid::from_raw(0);
        // A sandbox may say yes and do nothing.
        held("becoming root again succeeds", setresuid(root, root, root).is_err() || self.wanted.identity.is_current())
    }

    fn namespace_denies_groups() -> bool {
        may("setgid") == Some(true) && id_map::setgroups_denied()
    }

    /// setgroups(2), user_namespaces(7)
    fn why_not_groups(&self, errno: Errno) -> String {
        let groups = &self.wanted.identity.groups;
        match errno {
            Errno::EPERM if may("setgid") == Some(true) => {
                let map = Map::read(Kind::Group);
                if id_map::setgroups_denied() {
                    "the user namespace forbids it (/proc/self/setgroups is deny): whoever makes it must map the groups \
                     with newgidmap"
                        .to_owned()
                } else if map.is_some_and(|map| map.is_empty()) {
                    "no group is mapped in this user namespace (/proc/self/gid_map is empty)".to_owned()
                } else {
                    forbidden("CAP_SETGID")
                }
            }
            Errno::EPERM => self.not_permitted("CAP_SETGID"),
            // NGROUPS_MAX
            Errno::EINVAL if groups.len() > 65536 => "there are more than 65536".to_owned(),
            Errno::EINVAL => {
                match Map::read(Kind::Group).and_then(|map| groups.iter().find(|gid| !map.has(**gid)).copied()) {
                    Some(gid) => not_mapped(Kind::Group, gid),
                    None => errno.desc().to_owned(),
                }
            }
            errno => errno.desc().to_owned(),
        }
    }

    /// setresuid(2)
    fn why_not_id(&self, kind: Kind, id: u32, errno: Errno) -> String {
        let (capability, name) = match kind {
            Kind::User => ("setuid", "CAP_SETUID"),
            Kind::Group => ("setgid", "CAP_SETGID"),
        };
        match errno {
            Errno::EPERM if may(capability) == Some(true) => forbidden(name),
            Errno::EPERM => self.not_permitted(name),
            Errno::EINVAL => not_mapped(kind, id),
            Errno::EAGAIN => format!("uid {id} has as many processes as its limit allows (RLIMIT_NPROC)"),
            errno => errno.desc().to_owned(),
        }
    }

    fn not_permitted(&self, needs: &str) -> String {
        let me = geteuid();
        match (self.already, me.is_root()) {
            (true, _) => format!("goward was started as that user and without {needs}, so it cannot change them"),
            (false, true) => format!(
                "goward is root, but without {needs}; let the container start as that user (docker run --user, \
                 runAsUser) and leave --user out here, or give goward SETUID, SETGID and SETPCAP"
            ),
            (false, false) if me.as_raw() == self.wanted.identity.uid => {
                let Identity { uid, gid, .. } = self.wanted.identity;
                format!(
                    "goward runs as uid {me} with gid {}, and only root can change that; start the container as {uid}:{gid} \
                     (docker run --user, runAsGroup)",
                    nix::unistd::getegid()
                )
            }
            (false, false) => {
                let other = me.as_raw() == OVERFLOW && !is_whole(Kind::User);
                let shown = if other { UNMAPPED } else { "" };
                format!(
                    "goward runs as uid {me}{shown}, and only root can become another user; remove --user {}, or start \
                     the container as root",
                    self.wanted.identity.name
                )
            }
        }
    }
}

impl Identity {
    /// Whether the process is that user already: real, effective and saved.
    fn is_current(&self) -> bool {
        let uids = getresuid().map(|r| [r.real, r.effective, r.saved].map(Uid::as_raw));
        let gids = getresgid().map(|r| [r.real, r.effective, r.saved].map(Gid::as_raw));
        uids == Ok([self.uid; 3]) && gids == Ok([self.gid; 3])
    }
}

/// An effective user other than root has none of the capabilities that a real user root gave it, until it takes them.
fn take_permitted_into_use() {
    if !geteuid().is_root()
        && let Ok(sets) = capability::get()
    {
        let _ = capability::set(Sets { effective: sets.permitted, ..sets });
    }
}

/// Keeps these, over an exec too, and nothing else.
fn hold(keep: u64) -> Result<(), (&'static str, Errno)> {
    let sets = Sets::only(keep);
    // Mostly the change of the user has taken everything: reading is cheaper than setting.
    if capability::get() != Ok(sets) {
        capability::set(sets).map_err(|errno| ("capset", errno))?;
    }
    // What is there already is left alone: securebits may forbid to raise it again.
    capability::raise_ambient(keep & !capability::ambient(keep)).map_err(|errno| ("ambient", errno))
}

/// Ids that are shown and cannot be set may stand for others.
fn unproven(kind: Kind, id: u32, refused: Errno) -> Option<String> {
    // EINVAL is the kernel's word for an id that is not mapped. Anything else may be a sandbox's, where every id is what
    // it seems if all are mapped.
    (refused == Errno::EINVAL || !is_whole(kind)).then(|| format!("the server runs as {} {id}{UNMAPPED}", kind.id()))
}

/// Whether every id that is shown is the real one.
fn is_whole(kind: Kind) -> bool {
    Map::read(kind).is_some_and(|map| map.is_whole())
}

/// After an id.
const UNMAPPED: &str = ", which may be any id of the host that is not mapped in this user namespace, root's too";

fn not_mapped(kind: Kind, id: u32) -> String {
    format!("{} {id} is not mapped in this user namespace ({})", kind.id(), kind.path())
}

fn forbidden(capability: &str) -> String {
    format!("forbidden although goward has {capability}: by a seccomp profile or a security module")
}

fn bit(name: &str) -> u64 {
    Capability::parse(name).map_or(0, Capability::bit)
}

/// Whether this capability is in effect; none where that cannot be read.
fn may(name: &str) -> Option<bool> {
    capability::get().ok().map(|sets| sets.effective & bit(name) != 0)
}

fn list(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn held(what: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("the privilege drop failed verification: {what}")) }
}

fn failed(step: &str, why: &str) -> String {
    format!("dropping privileges failed at {step}: {why}")
}

fn step<T>(name: &str, result: nix::Result<T>) -> Result<T, String> {
    result.map_err(|errno| failed(name, errno.desc()))
}
