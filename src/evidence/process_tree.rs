//! A process and what it has started: the Go program among them that is meant, where the first is a script, and the Go programs
//! that this one has started and waits for: a monitor, or a supervisor in Go, knows nothing of why its server hangs.

use super::{Access, Unreadable, refusal};
use crate::goroutines::Child;
use crate::sys::directory;
use crate::sys::process::{self, Process};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// So many are looked at.
const MEMBERS: usize = 16;
/// So many Go programs are shown beside the first.
const STARTED: usize = 3;
/// So many of a process's own children are named.
const NAMED: usize = 3;
/// So many descriptors of a process are looked at.
const DESCRIPTORS: usize = 4096;

/// A process, and then what it has started, the nearest first. Nothing is opened before it is needed: whoever opens a process's memory
/// waits for an exec of it.
#[derive(Debug)]
pub struct ProcessTree {
    root: i32,
    descendants: Vec<Process>,
    /// There are more than are looked at.
    has_more: bool,
    /// The memory of some, where somebody has opened it before, or why that was refused.
    memory: Vec<(i32, nix::Result<OwnedFd>)>,
    /// Whole, from somebody who had the right to open it.
    given: Vec<Access>,
}

impl ProcessTree {
    /// Of this process. Opens nothing.
    pub fn of(root: i32) -> ProcessTree {
        let mut tree =
            ProcessTree { root, descendants: Vec::new(), has_more: false, memory: Vec::new(), given: Vec::new() };
        tree.renew();
        tree
    }

    /// Opens the memory of all, as only an ancestor may where Yama says so.
    pub fn open(mut self) -> ProcessTree {
        self.memory = self.pids().into_iter().map(|pid| (pid, Access::memory_of(pid))).collect();
        self
    }

    /// Sees anew what the process has started. What has been opened and has ended since is closed.
    pub fn renew(&mut self) {
        self.descendants = process::descendants(self.root, process::all());
        self.has_more = self.descendants.len() >= MEMBERS;
        self.descendants.truncate(MEMBERS - 1);
        self.given.retain(Access::is_there);
    }

    /// Takes what somebody else has opened.
    pub fn give(&mut self, access: Access) {
        self.given.push(access);
    }

    fn pids(&self) -> Vec<i32> {
        std::iter::once(self.root).chain(self.descendants.iter().map(|process| process.pid)).collect()
    }

    /// The first one that is a Go program. The first of all is the one that is meant.
    ///
    /// # Errors
    /// What is to be said of the first one.
    pub fn choose(&mut self) -> Result<Access, Unreadable> {
        let mut refused = None;
        for pid in self.pids() {
            match self.access(pid) {
                Ok(access) if access.is_go() => return Ok(access),
                Ok(_) => {}
                // What a script has started and has ended meanwhile was not refused.
                Err(why) if pid == self.root || is_alive(pid) => refused = refused.or(Some(why)),
                Err(_) => {}
            }
        }
        // What may not be read may be a Go program.
        Err(refused.map_or_else(|| Unreadable::NotGo(self.no_go_program()), Unreadable::Refused))
    }

    fn no_go_program(&self) -> String {
        let (root, seen) = (self.root, self.descendants.len());
        match self.has_more {
            false => format!("neither pid {root} nor a process that it started is a Go program"),
            true => format!(
                "neither pid {root} nor one of the first {seen} processes that it started is a Go program; it has started more"
            ),
        }
    }

    /// What a process has started itself and is still there, and whether it reads what that writes.
    fn children(&self, pid: i32) -> Vec<Child> {
        let children = self.descendants.iter().filter(|process| process.parent == pid && !process.forked_only);
        let child = |child: &Process| Child { name: named(child), is_read: reads_output(pid, child.pid) };
        children.take(NAMED).map(child).collect()
    }

    /// The Go programs that a process has started: of each child the nearest to it. Also what may not be read is left out.
    pub fn started_by(&mut self, pid: i32) -> Vec<Access> {
        let (mut parents, mut found) = (vec![pid], Vec::new());
        let mut at = 0;
        while let Some(&Process { pid, parent, forked_only, .. }) = self.descendants.get(at) {
            at += 1;
            if !parents.contains(&parent) {
                continue;
            }
            // Until its exec a child is a copy of its parent, whose goroutines those are.
            let access = if forked_only { None } else { self.access(pid).ok() };
            match access.filter(Access::is_go) {
                Some(access) => found.push(access),
                None => parents.push(pid),
            }
        }
        found
    }

    /// Looks at a program, and where that turns out to wait for what it has started, at the Go programs among these, and so on. `look`
    /// gets whose goroutines they are and what the process has started, and says whether it waits.
    pub fn follow(&mut self, first: &Access, look: &mut dyn FnMut(&Access, String, Vec<Child>) -> bool) {
        let mut started: Vec<(i32, Access)> = Vec::new();
        let mut waits = look(first, format!("pid {}", first.pid), self.children(first.pid));
        let (mut pid, mut at) = (first.pid, 0);
        loop {
            if waits {
                started.extend(self.started_by(pid).into_iter().map(|access| (pid, access)));
                started.truncate(STARTED);
            }
            let Some((parent, access)) = started.get(at) else { break };
            (pid, at) = (access.pid, at + 1);
            waits = look(access, format!("{}, started by pid {parent}", self.name(pid)), self.children(pid));
        }
        self.given.extend(started.into_iter().map(|(_, access)| access));
    }

    /// `syncthing (pid 23)`
    fn name(&self, pid: i32) -> String {
        self.descendants.iter().find(|process| process.pid == pid).map_or_else(|| format!("pid {pid}"), named)
    }

    fn access(&mut self, pid: i32) -> Result<Access, String> {
        if let Some(at) = self.given.iter().position(|access| access.pid == pid) {
            return Ok(self.given.swap_remove(at));
        }
        let at = self.memory.iter().position(|(of, _)| *of == pid);
        let memory = at.map_or_else(|| Access::memory_of(pid), |at| self.memory.swap_remove(at).1);
        Access::with_memory(pid, memory.map_err(|errno| refusal(pid, errno))?)
    }
}

fn is_alive(pid: i32) -> bool {
    process::look_at(pid).is_some_and(|process| !process.zombie)
}

fn named(process: &Process) -> String {
    format!("{} (pid {})", process.name, process.pid)
}

/// Whether what a child writes to stdout or stderr comes to its parent, by a pipe.
fn reads_output(parent: i32, child: i32) -> bool {
    let pipe = |path: String| {
        std::fs::read_link(path).ok().filter(|to| to.as_os_str().as_encoded_bytes().starts_with(b"pipe:"))
    };
    let outputs: Vec<PathBuf> = [1, 2].into_iter().filter_map(|fd| pipe(format!("/proc/{child}/fd/{fd}"))).collect();
    if outputs.is_empty() {
        return false;
    }
    let (mut reads, mut left) = (false, DESCRIPTORS);
    let _ = directory::each_name(&format!("/proc/{parent}/fd"), |fd| {
        // What is the parent's own output, or its input, comes from elsewhere.
        let fd = fd.to_str().ok().filter(|fd| !reads && left > 0 && !["0", "1", "2"].contains(fd));
        left = left.saturating_sub(1);
        let path = fd.map(|fd| format!("/proc/{parent}/fd/{fd}")).filter(|path| is_readable(path));
        reads |= path.and_then(pipe).is_some_and(|to| outputs.contains(&to));
    });
    reads
}

/// Whether its process can read from this descriptor: one that it only writes to may be the child's output as well as its own.
fn is_readable(path: &str) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|about| about.mode() & 0o400 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::pipe;
    use std::process::{Child, Command, Stdio};

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a test is no init")]
    fn sleeper(stdout: impl Into<Stdio>) -> Ended {
        let mut command = Command::new("sleep");
        Ended(command.arg("60").stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).spawn().unwrap())
    }

    #[test]
    fn whoever_only_writes_to_a_pipe_does_not_read_it() {
        let own = std::process::id() as i32;
        let (reader, writer) = pipe().unwrap();
        let child = sleeper(writer.try_clone().unwrap());
        assert!(reads_output(own, child.0.id() as i32));
        drop(reader);
        assert!(!reads_output(own, child.0.id() as i32));
        drop(writer);
    }

    /// Of a shell that has started another program.
    fn with(has_more: bool, memory: nix::Result<OwnedFd>) -> (ProcessTree, Ended, Ended) {
        let [first, second] = [sleeper(Stdio::null()), sleeper(Stdio::null())];
        let [root, pid] = [&first, &second].map(|child| child.0.id() as i32);
        let descendants = vec![process::look_at(pid).unwrap()];
        (ProcessTree { root, descendants, has_more, memory: vec![(pid, memory)], given: Vec::new() }, first, second)
    }

    #[test]
    fn what_may_not_be_read_may_be_a_go_program() {
        let (mut tree, _first, second) = with(false, Err(nix::errno::Errno::EACCES));
        let refused = tree.choose().unwrap_err();
        let whose = format!("the memory of pid {} may not be read", second.0.id());
        assert!(matches!(&refused, Unreadable::Refused(why) if why.starts_with(&whose)), "{refused:?}");
    }

    #[test]
    fn what_has_ended_was_not_refused() {
        let (mut tree, _first, second) = with(false, Err(nix::errno::Errno::ENOENT));
        drop(second);
        let root = tree.root;
        let why = format!("neither pid {root} nor a process that it started is a Go program");
        assert_eq!(tree.choose().unwrap_err(), Unreadable::NotGo(why));
    }

    #[test]
    fn nothing_is_said_of_processes_that_were_not_looked_at() {
        let (mut tree, _first, second) = with(true, Access::memory_of(1).or(Err(nix::errno::Errno::ENOENT)));
        drop(second);
        let refused = tree.choose().unwrap_err();
        assert!(matches!(&refused, Unreadable::NotGo(why) if why.ends_with("; it has started more")), "{refused:?}");
    }

    #[test]
    fn what_is_started_later_is_seen_and_what_has_ended_is_dropped() {
        let own = std::process::id() as i32;
        let mut tree = ProcessTree::of(own);
        let child = sleeper(Stdio::null());
        let pid = child.0.id() as i32;
        let is_seen = |tree: &ProcessTree| tree.descendants.iter().any(|process| process.pid == pid);
        assert!(!is_seen(&tree));
        tree.renew();
        tree.give(Access::open(pid).unwrap());
        assert!(is_seen(&tree) && tree.given.len() == 1);
        tree.renew();
        assert!(is_seen(&tree) && tree.given.len() == 1);
        drop(child);
        tree.renew();
        assert!(!is_seen(&tree) && tree.given.is_empty());
    }
}
