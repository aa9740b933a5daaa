//! Opening what a process's goroutines are read from, and saying why that is refused.

use crate::buildinfo;
use crate::goroutines::Kept;
use crate::signal::Signal;
use crate::sys::file;
use crate::sys::process::{self, KeptSignals};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

/// The open memory of a process, with what is needed to understand it. The kernel looks at permissions when it is opened; whoever
/// has the descriptors may use them. Once the process has started another program they read nothing.
#[derive(Debug)]
pub struct Access {
    /// Whose, as its numbers are seen where it was opened.
    pub pid: i32,
    pub(super) memory: OwnedFd,
    pub(super) maps: OwnedFd,
    pub(super) file: OwnedFd,
    kept: KeptSignals,
}

/// Why no process can be read, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It was not to be opened.
    Refused(String),
    /// It has no goroutines.
    NotGo(String),
}

impl Access {
    /// Opens a process.
    ///
    /// # Errors
    /// A sentence: there is no such process, or why it may not be read.
    pub fn open(pid: i32) -> Result<Access, String> {
        let memory = Access::memory_of(pid).map_err(|errno| refusal(pid, errno))?;
        Access::with_memory(pid, memory)
    }

    /// Only its memory: what an ancestor may open, and others may not where Yama says so.
    ///
    /// # Errors
    /// As open(2).
    pub fn memory_of(pid: i32) -> nix::Result<OwnedFd> {
        process::above_stdio(file::open(format!("/proc/{pid}/mem").as_str(), OFlag::O_RDONLY)?)
    }

    /// The rest, where the memory is open.
    ///
    /// # Errors
    /// A sentence, as [`Access::open`].
    pub fn with_memory(pid: i32, memory: OwnedFd) -> Result<Access, String> {
        let open = |name: &str| file::open(format!("/proc/{pid}/{name}").as_str(), OFlag::O_RDONLY);
        let maps = open("maps").map_err(|errno| refusal(pid, errno))?;
        let file = open("exe").map_err(|errno| refusal(pid, errno))?;
        Ok(Access { pid, memory, maps, file, kept: process::kept_signals(pid) })
    }

    pub(super) fn is_go(&self) -> bool {
        let mut read = |offset: u64, buffer: &mut [u8]| file::read_exact_at(&self.file, buffer, offset).is_ok();
        buildinfo::read(&mut read).is_some()
    }

    /// From descriptors that somebody else has opened.
    pub fn from_parts(pid: i32, memory: OwnedFd, maps: OwnedFd, file: OwnedFd) -> Access {
        // In another PID namespace the number is another process's.
        let there = nix::sys::stat::stat(format!("/proc/{pid}/exe").as_str());
        let is_same = there.is_ok_and(|there| {
            nix::sys::stat::fstat(&file).is_ok_and(|file| (file.st_dev, file.st_ino) == (there.st_dev, there.st_ino))
        });
        let kept = if is_same { process::kept_signals(pid) } else { KeptSignals::default() };
        Access { pid, memory, maps, file, kept }
    }

    /// What keeps a signal of this name from the process, if there is one.
    pub fn keeps(&self, signal: Option<&str>) -> Option<Kept> {
        let bit = 1 << (Signal::parse(signal?).ok()?.number() - 1);
        if self.kept.ignored & bit != 0 {
            Some(Kept::Ignored)
        } else {
            (self.kept.blocked & bit != 0).then_some(Kept::Blocked)
        }
    }

    /// What is to be said of the usual stop signals, though nobody may have sent one.
    pub fn kept_signals(&self) -> Vec<String> {
        let told = |signal: &str| {
            let what = match self.keeps(Some(signal))? {
                Kept::Ignored => "is ignored",
                Kept::Blocked => "was sent and waits, because it is blocked",
            };
            Some(format!("{signal} {what} by pid {}, as /proc/{}/status says", self.pid, self.pid))
        };
        ["SIGTERM", "SIGINT"].into_iter().filter_map(told).collect()
    }

    /// Memory, mappings, file: for somebody else.
    pub fn parts(&self) -> [&OwnedFd; 3] {
        [&self.memory, &self.maps, &self.file]
    }
}

/// Why a process may not be read, from what can be seen of it. See ptrace(2), "Ptrace access mode checking".
pub(super) fn refusal(pid: i32, errno: Errno) -> String {
    if !matches!(errno, Errno::EACCES | Errno::EPERM) {
        return match errno {
            Errno::ENOENT | Errno::ESRCH if std::fs::metadata("/proc/self").is_err() => {
                format!("the memory of pid {pid} cannot be opened: there is no /proc here")
            }
            Errno::ENOENT | Errno::ESRCH => format!("there is no process {pid}, or it has just ended"),
            errno => format!("the memory of pid {pid} cannot be opened: {}", errno.desc()),
        };
    }
    let own = nix::unistd::geteuid().as_raw();
    let uid = process::uid_of(pid);
    // What is in the directory is root's where the process is not dumpable; the directory itself is not.
    let owner = std::fs::metadata(format!("/proc/{pid}/mem")).ok().map(|about| about.uid());
    let yama = file::read("/proc/sys/kernel/yama/ptrace_scope", 8).ok();
    let yama = yama.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok()).unwrap_or(0u8);
    let why = match (uid, owner) {
        (Some(uid), _) if uid != own && own != 0 => {
            format!("it runs as uid {uid}, and this is uid {own}: only its own user may, or root with CAP_SYS_PTRACE")
        }
        (Some(uid), _) if uid != own => format!("it runs as uid {uid}, and root needs CAP_SYS_PTRACE for that"),
        (Some(uid), Some(owner)) if uid != owner => {
            "it is not dumpable: its program may be executed but not read by its user, or it has said so itself (prctl)"
                .to_owned()
        }
        _ if yama > 0 => format!(
            "the kernel's Yama (kernel.yama.ptrace_scope = {yama}) allows that to {}",
            match yama {
                1 => "its ancestors only, such as the goward that started it",
                2 => "processes with CAP_SYS_PTRACE only",
                _ => "nobody",
            }
        ),
        _ => "it may have capabilities or a user namespace that this process does not have, or a security module forbids it"
            .to_owned(),
    };
    format!("the memory of pid {pid} may not be read ({}): {why}", errno.desc())
}
