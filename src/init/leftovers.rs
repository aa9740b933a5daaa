//! Processes that outlive the server: everybody for a true PID 1 that ends, otherwise goward's own descendants, found in /proc
//! and verified one by one, never a stranger (the host's PID namespace, a shared one in a pod).
//!
//! Who they are and how they are signalled is here; when, and how long they may stay, the supervisor decides (`VISITORS_STAY`
//! and `KILL_AGAIN` in `supervisor/mod.rs`).
//!
//! Visitors are no leftovers: who came in from outside (`docker exec`, `kubectl exec`, an agent of the platform) has no parent
//! in the PID namespace, and the container does not stay for them. They are told apart once, because their orphans become PID
//! 1's children like everybody's.
//!
//! PID 1 itself sends them SIGKILL. Another process looks at them and asks them to end: what /proc shows of a process may lie
//! in a file that hangs (its command line), or take as long as the kernel needs to free a memory of gigabytes.

use super::Init;
use super::personality::Note;
use crate::signal::Signal;
use crate::supervisor::{Action, Status, Time};
use crate::sys::helper::Helper;
use crate::sys::process::{self, Identity, Process};
use crate::sys::{clock, wait};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) asked: Asked,
    /// Who is no child of goward's, in a container of its own.
    pub(super) others: process::Others,
    /// Who looks at them now.
    look: Option<Look>,
    /// Looks that were given up and have not ended.
    given_up: Vec<i32>,
}

/// A process that looks for them and signals them.
#[derive(Debug)]
struct Look {
    helper: Helper,
    action: Action,
    /// It is not waited for any longer.
    until: Time,
}

/// So long a look may take. Ten thousand processes take half of it.
const LOOK: Duration = Duration::from_millis(500);

/// The parent of who has none in this PID namespace.
const OUTSIDE: i32 = 0;

/// In the place of names.
const UNKNOWN: &str = "unknown: looking at them took too long";

/// So many are named; the rest is counted. In so many bytes at most: the names of three kinds go through a pipe as a whole.
const NAMED: usize = 10;
const NAMES: usize = 600;

/// So many visitors are remembered, which is what a helper can say. Of the others, those whose parent is still there are known by it.
const REMEMBERED: usize = 64;

/// Whom to ask to end.
struct Whom {
    own: i32,
    /// Everybody in the PID namespace.
    all: bool,
    /// The server's group, if it has one.
    group: Option<i32>,
    /// Nobody but visitors is there.
    childless: bool,
    /// goward's own processes, which nobody left behind, and what runs in a process group of theirs: the commands of probes.
    helpers: Vec<i32>,
}

/// Who was asked to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Who stayed behind, for the record.
    pub(super) names: String,
    /// Who came in from outside, for the record.
    pub(super) visitor_names: String,
    /// Who came in from outside and cannot be asked: another user's.
    beyond_reach: String,
    /// Who came in from outside, with their descendants, when that was found out.
    visitors: Vec<Identity>,
    /// The visitors know that it is over.
    pub(super) visitors_told: bool,
}

impl Asked {
    /// As a helper says it. What does not fit into its answer is cut from the names.
    fn to_bytes(&self) -> Vec<u8> {
        let visitors: Vec<_> = self.visitors.iter().take(REMEMBERED).map(Identity::to_string).collect();
        let told = if self.visitors_told { "told" } else { "" };
        [told, &visitors.join(" "), &self.names, &self.visitor_names, &self.beyond_reach].join("\0").into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Asked {
        let text = String::from_utf8_lossy(bytes);
        let mut fields = text.split('\0');
        let mut next = || fields.next().unwrap_or_default();
        Asked {
            visitors_told: next() == "told",
            visitors: next().split(' ').filter_map(|identity| identity.parse().ok()).collect(),
            names: next().to_owned(),
            visitor_names: next().to_owned(),
            beyond_reach: next().to_owned(),
        }
    }
}

/// Asks all of them to end, SIGTERM and SIGCONT, and names them; visitors get SIGHUP before, which every interactive shell obeys.
/// /proc is read once: who has thousands of children makes it long.
fn ask(whom: &Whom) -> (Asked, nix::Result<()>) {
    let &Whom { own, all, group, childless, .. } = whom;
    let mut found = if all { others(own) } else { descendants(own) };
    // Itself too, where it is one of the helpers.
    let itself = nix::unistd::getpid().as_raw();
    let helps = |process: &Process| whom.helpers.contains(&process.pid) || whom.helpers.contains(&process.group);
    found.retain(|process| process.pid != itself && !helps(process));
    let (mut visitors, rest) = match (all, childless) {
        (false, _) => (Vec::new(), found.clone()),
        (true, true) => (found.clone(), Vec::new()),
        (true, false) => tell_apart(&found),
    };
    let has_visitors = !found.is_empty();
    let mut beyond = Vec::new();
    visitors.retain(|visitor| {
        let in_reach = process::may_signal(visitor.pid);
        if !in_reach {
            found.retain(|process| process.pid != visitor.pid);
            beyond.push(visitor.clone());
        }
        in_reach
    });
    // Named first: who obeys at once is gone before it could be.
    let asked = Asked {
        names: named(&rest),
        visitor_names: named(&visitors),
        beyond_reach: named(&beyond),
        visitors: visitors.iter().map(Process::identity).collect(),
        // Without /proc nobody could be told apart.
        visitors_told: all && (childless || has_visitors),
    };
    let hung_up = if all && childless { everybody(Signal::HUP, || &found) } else { one_by_one(&visitors, Signal::HUP) };
    let termed = signal(&found, all, group, Signal::TERM);
    (asked, hung_up.and(termed).and(signal(&found, all, group, Signal::CONT)))
}

/// SIGKILL to visitors and to what they have started since; twice, for what was born meanwhile. (Not SIGSTOP before: nsenter(1)
/// stops with its child, and would never reap it, which the end of the namespace waits for.)
fn kill_visitors(own: i32, visitors: &[Identity]) -> nix::Result<()> {
    let found = || {
        // By now an orphan of theirs is a child of PID 1.
        let known = |process: &&mut Process| visitors.contains(&process.identity());
        let mut processes = others(own);
        processes.iter_mut().filter(known).for_each(|process| process.parent = OUTSIDE);
        process::descendants(OUTSIDE, processes)
    };
    let _ = one_by_one(&found(), Signal::KILL);
    one_by_one(&found(), Signal::KILL)
}

impl Leftovers {
    /// Those that the last server left behind are nobody's any more.
    pub(super) fn forget(&mut self) {
        self.asked = Asked::default();
    }

    /// Whether there may be a visitor for whom to wait.
    pub(super) fn has_visitors_in_reach(&self) -> bool {
        self.asked.beyond_reach.is_empty() || !self.asked.visitor_names.is_empty()
    }

    /// Somebody looks at them now.
    pub(super) fn is_looked_at(&self) -> bool {
        self.look.is_some()
    }

    /// Who does, and who did.
    pub(super) fn lookers(&self) -> impl Iterator<Item = i32> {
        self.look.as_ref().map(|look| look.helper.pid()).into_iter().chain(self.given_up.iter().copied())
    }

    /// When to call [`Init::hurry_look_at_leftovers`], from now.
    pub(super) fn patience(&self, now: Time) -> Option<Duration> {
        self.look.as_ref().map(|look| look.until.saturating_sub(now))
    }
}

impl Init {
    pub(super) fn ask_leftovers(&mut self, action: Action) -> nix::Result<()> {
        let (all, childless) = (self.all(), self.reaping.childless);
        let whom = Whom { own: self.pid, all, group: self.server.group, childless, helpers: self.helpers() };
        let work = || {
            let (asked, result) = ask(&whom);
            (code(result), asked.to_bytes())
        };
        if self.look_at_leftovers(action, work)? {
            return Ok(());
        }
        let (asked, result) = ask(&whom);
        self.asked(asked);
        result
    }

    /// Only where goward is PID 1 does a process without a parent come from outside: elsewhere it is the PID 1, and its descendants
    /// are everybody.
    pub(super) fn kill_visitors(&mut self, action: Action) -> nix::Result<()> {
        if !self.all() || self.leftovers.asked.visitors.is_empty() {
            return Ok(());
        }
        self.say(Note::Action(action, &self.supervisor));
        let (own, visitors) = (self.pid, self.leftovers.asked.visitors.clone());
        if self.look_at_leftovers(action, || (code(kill_visitors(own, &visitors)), Vec::new()))? {
            return Ok(());
        }
        kill_visitors(own, &visitors)
    }

    /// Has another process do it. False: there can be none, or there is nothing to look at, and only PID 1 knows who its children are.
    fn look_at_leftovers(&mut self, action: Action, work: impl FnOnce() -> (u8, Vec<u8>)) -> nix::Result<bool> {
        if self.leftovers.look.is_some() {
            return Err(Errno::EBUSY);
        }
        if !process::proc_is_ours() {
            return Ok(false);
        }
        let Ok(helper) = Helper::start(|_| work()) else { return Ok(false) };
        self.leftovers.look = Some(Look { helper, action, until: clock::now() + LOOK });
        Ok(true)
    }

    /// A process has been reaped. False: it is not the one that looks at them.
    pub(super) fn looked_at_leftovers(&mut self, pid: i32, status: Status) -> bool {
        let given_up = self.leftovers.given_up.len();
        self.leftovers.given_up.retain(|other| *other != pid);
        if self.leftovers.given_up.len() < given_up {
            return true;
        }
        let Some(mut look) = self.leftovers.look.take_if(|look| look.helper.pid() == pid) else { return false };
        match (status, look.action) {
            (Status::Code(code), action) => {
                if let Action::AskLeftovers | Action::AskVisitors = action {
                    self.asked(Asked::from_bytes(look.helper.said()));
                }
                if code > 0 {
                    self.performed(action, 1, Err(Errno::from_raw(code.into())));
                }
            }
            (Status::Signal(_) | Status::Unstarted(_), action) => self.ask_without_a_look(action),
        }
        true
    }

    fn asked(&mut self, asked: Asked) {
        self.leftovers.asked = asked;
        let Asked { names, visitor_names, beyond_reach, .. } = &self.leftovers.asked;
        if !beyond_reach.is_empty() {
            self.say(Note::BeyondReach(beyond_reach));
        }
        // Whoever it was has gone.
        if names.is_empty() && visitor_names.is_empty() && (process::proc_is_ours() || !beyond_reach.is_empty()) {
            return;
        }
        self.say(Note::Leftovers { processes: names, visitors: visitor_names });
    }

    /// Gives up a look that takes too long. It may hang in the kernel, so that it is not reaped for a while.
    pub(super) fn hurry_look_at_leftovers(&mut self, now: Time) {
        let Some(look) = self.leftovers.look.take_if(|look| look.until <= now) else { return };
        let _ = process::send(look.helper.pid(), Signal::KILL);
        self.leftovers.given_up.push(look.helper.pid());
        self.ask_without_a_look(look.action);
    }

    /// Everybody, for a true PID 1, whoever they are. Visitors whose time is up are ended by the end of the namespace.
    fn ask_without_a_look(&mut self, action: Action) {
        let unknown = || UNKNOWN.to_owned();
        let asked = match action {
            Action::AskLeftovers => Asked { names: unknown(), ..Asked::default() },
            Action::AskVisitors => Asked { visitor_names: unknown(), ..Asked::default() },
            _ => return,
        };
        self.asked(Asked { visitors_told: self.all(), ..asked });
        let (group, nobody) = (self.server.group, [].as_slice());
        let _ = signal(nobody, self.all(), group, Signal::TERM);
        let _ = signal(nobody, self.all(), group, Signal::CONT);
    }
}

/// As the exit code of a helper.
fn code(result: nix::Result<()>) -> u8 {
    result.err().map_or(0, |errno| errno as i32 as u8)
}

/// For the log: `command (pid), command (pid), and 7 more`.
fn named(found: &[Process]) -> String {
    let mut names = String::new();
    for (number, process) in found.iter().enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        let name = format!("{comma}{} ({})", process.command(), process.pid);
        if number == NAMED || names.len() + name.len() > NAMES {
            return format!("{names}{comma}and {} more", found.len() - number);
        }
        names.push_str(&name);
    }
    names
}

/// Who came in from outside with all descendants, and the rest.
fn tell_apart(found: &[Process]) -> (Vec<Process>, Vec<Process>) {
    let visitors = process::descendants(OUTSIDE, found.to_vec());
    // One after the other: collect() sorts, which is code for each type.
    let mut pids = BTreeSet::new();
    pids.extend(visitors.iter().map(|visitor| visitor.pid));
    let rest = found.iter().filter(|process| !pids.contains(&process.pid)).cloned().collect();
    (visitors, rest)
}

fn others(own: i32) -> Vec<Process> {
    process::all().into_iter().filter(|process| process.pid != own).collect()
}

fn descendants(own: i32) -> Vec<Process> {
    process::descendants(own, process::all())
}

/// SIGKILL to all of them, or to goward's descendants alone. `group` is the server's, if it has one.
pub(super) fn kill(own: i32, all: bool, group: Option<i32>) -> nix::Result<()> {
    if all {
        return everybody(Signal::KILL, || others(own));
    }
    signal(&descendants(own), all, group, Signal::KILL)
}

fn everybody<T: AsRef<[Process]>>(signal: Signal, found: impl FnOnce() -> T) -> nix::Result<()> {
    match process::send(-1, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        // Nobody that this uid may signal; or a kernel that refuses kill(2), but perhaps not pidfds.
        Err(Errno::EPERM) => one_by_one(found().as_ref(), signal).or(Ok(())),
        Err(errno) => one_by_one(found().as_ref(), signal).and(Err(errno)),
    }
}

fn signal(found: &[Process], all: bool, group: Option<i32>, signal: Signal) -> nix::Result<()> {
    if all {
        return everybody(signal, || found);
    }
    if found.is_empty() {
        // Without /proc. As long as a child of goward's is in the group, its number cannot have gone to strangers.
        return match group.filter(|group| wait::has_child_in(*group)) {
            Some(group) => process::send(-group, signal),
            None => Ok(()),
        };
    }
    one_by_one(found, signal)
}

fn one_by_one(processes: &[Process], signal: Signal) -> nix::Result<()> {
    let mut result = Ok(());
    for process in processes {
        match process.send(signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => result = Err(errno),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let itself = process::look_at(nix::unistd::getpid().as_raw()).unwrap().identity();
        let mut asked = Asked {
            names: "sleep 10 (7), and 3 more".to_owned(),
            visitor_names: "sh -i (9)".to_owned(),
            beyond_reach: "goward stop (11)".to_owned(),
            visitors: vec![itself; 2],
            visitors_told: true,
        };
        assert_eq!(Asked::from_bytes(&asked.to_bytes()), asked);
        assert_eq!(Asked::from_bytes(b""), Asked::default());
        asked.visitors = vec![itself; 1000];
        assert_eq!(Asked::from_bytes(&asked.to_bytes()).visitors.len(), REMEMBERED);
        // It fits into an answer, with the longest pids and times, and the longest names.
        let longest = REMEMBERED * "4194304:18446744073709551615 ".len() + 3 * (NAMES + ", and 4194304 more".len());
        assert!(longest + "told".len() + 4 < crate::sys::helper::ANSWER);
    }
}
