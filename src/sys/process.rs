//! Processes: sending signals, and who is there.
#![allow(unsafe_code)]

use crate::signal::Signal;
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Sends a signal as kill(2) does: to a pid, minus a group, or -1 for everybody but goward that it may reach.
///
/// # Errors
/// ESRCH nobody is there, EPERM not allowed; EAGAIN the queue for real-time signals is full.
pub fn send(to: i32, signal: Signal) -> nix::Result<()> {
    // SAFETY: no memory is touched.
    Errno::result(unsafe { libc::kill(to, signal.number()) }).map(drop)
}

/// Who else is in the PID namespace: for a true PID 1, whose waitpid does not tell of those who came in from outside
/// (docker exec).
#[derive(Debug, Default)]
pub struct Others {
    proc: Option<File>,
}

impl Others {
    /// Opens /proc, which takes longer than looking into it: done while there is time, it is not to be waited for later.
    pub fn prepare(&mut self) {
        if self.proc.is_none() && proc_is_ours() {
            let proc = File::open("/proc").ok();
            self.proc = proc.and_then(|proc| above_stdio(proc.into()).ok()).map(File::from);
        }
    }

    /// Whether kill(-1) would reach anybody.
    pub fn are_there(&mut self) -> bool {
        self.prepare();
        let none = self.proc.as_ref().is_some_and(nobody_lives_in);
        // kill(-1) walks all processes of the host, with the exit waiting for it; /proc has those of the container only.
        // SAFETY: no memory is touched, and signal 0 is none.
        !none && unsafe { libc::kill(-1, 0) == 0 }
    }
}

/// Whether this /proc shows nobody that lives but PID 1. False where it cannot be told.
fn nobody_lives_in(mut proc: &File) -> bool {
    /// Where PID 2 would be in the directory: below 256 is what is no process, two entries are "self" and "thread-self",
    /// then pids count from 0 (proc_pid_readdir of fs/proc/base.c). Passed over, an entry costs nothing; listed, it costs
    /// the kernel an inode, which it has to take back at the end.
    const PID_2: u64 = 256 + 2 + 2;
    /// linux_dirent64: inode, offset, length of the entry, type; then the name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    if proc.seek(SeekFrom::Start(PID_2)).is_err() {
        return false;
    }
    let mut entries = [0u8; 1024];
    // SAFETY: the kernel fills a buffer of that size.
    let filled = unsafe { libc::syscall(libc::SYS_getdents64, proc.as_raw_fd(), entries.as_mut_ptr(), entries.len()) };
    let Some(mut rest) = usize::try_from(filled).ok().and_then(|filled| entries.get(..filled)) else { return false };
    while let Some(&[low, high]) = rest.get(LENGTH..LENGTH + 2) {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        match rest.get(NAME..length) {
            // Another kernel may count otherwise.
            Some([b'1', 0, ..]) => {}
            // The zombie of somebody's outside (docker exec) is nobody who could be asked.
            Some(name @ [b'0'..=b'9', ..]) if !is_zombie(name) => return false,
            Some(_) => {}
            None => return false,
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    true
}

/// A copy of this process that does one thing and ends with the code that comes of it; its pid. The copy has this thread
/// only, so there must be no other: with locks held by threads that are not there it could wait for ever.
///
/// # Errors
/// EAGAIN, ENOMEM: there can be no more processes. EBUSY: there are other threads.
pub fn fork(child: impl FnOnce() -> u8) -> nix::Result<i32> {
    if fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(Errno::EBUSY);
    }
    // SAFETY: one thread, so everything in the child's memory is in order.
    match Errno::result(unsafe { libc::fork() })? {
        0 => {
            let code = child();
            // SAFETY: ends the child without running what the parent has registered for its own end.
            unsafe { libc::_exit(code.into()) }
        }
        pid => Ok(pid),
    }
}

/// Adopts orphans, as PID 1 does by nature.
///
/// # Errors
/// EINVAL before Linux 3.4, and under some emulators. Never a reason not to run.
pub fn become_subreaper() -> nix::Result<()> {
    // SAFETY: no memory is touched.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Whether this process adopts orphans.
pub fn is_subreaper() -> bool {
    let mut answer: libc::c_int = 0;
    // SAFETY: the kernel writes one int.
    let returned = unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &mut answer) };
    returned == 0 && answer != 0
}

/// The signal goward gets when its own parent dies.
///
/// # Errors
/// EINVAL for a number that is no signal.
pub fn set_parent_death_signal(signal: Signal) -> nix::Result<()> {
    // SAFETY: no memory is touched.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal.number(), 0, 0, 0) }).map(drop)
}

/// A descriptor that names a process for good and is readable once it has ended (Linux 5.3).
///
/// # Errors
/// ENOSYS, or EPERM under an old seccomp profile: do without.
pub fn pidfd(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: no memory is touched; a descriptor that is returned is ours alone.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // SAFETY: as above.
    super::check(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Whether this entry of /proc, a C string, is of a process that has ended.
fn is_zombie(entry: &[u8]) -> bool {
    let name = std::ffi::CStr::from_bytes_until_nul(entry).ok().and_then(|name| name.to_str().ok());
    name.and_then(|name| look_at(name.parse().ok()?)).is_some_and(|process| process.zombie)
}

fn send_by_pidfd(fd: &OwnedFd, signal: Signal) -> nix::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: no siginfo is passed; the descriptor is open.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal.number(), none, 0) };
    super::check(returned).map(drop)
}

/// Closes every descriptor from 3 up but these.
pub fn close_inherited(keep: &[RawFd]) {
    let mut keep: Vec<libc::c_uint> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    keep.sort_unstable();
    let mut from: libc::c_uint = 3;
    for fd in keep.into_iter().chain([libc::c_uint::MAX]) {
        if fd > from {
            close_range(from, if fd == libc::c_uint::MAX { fd } else { fd - 1 });
        }
        from = from.max(fd.saturating_add(1));
    }
}

/// A copy of a descriptor, with this number or a higher one.
///
/// # Errors
/// As fcntl(2), F_DUPFD_CLOEXEC.
pub fn duplicate_from(fd: &OwnedFd, lowest: RawFd) -> nix::Result<OwnedFd> {
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: it has just been made, and is ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// The same descriptor, with a number above 2. Where goward was started with one of 0, 1 and 2 closed, it would take its place.
///
/// # Errors
/// As fcntl(2), F_DUPFD_CLOEXEC.
pub fn above_stdio(fd: OwnedFd) -> nix::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { duplicate_from(&fd, 3) }
}

/// Gives pages of goward's own code back to the page cache: what only the start needed is not needed again, and what is comes
/// back when it is touched. RSS falls by a third, and the exit has less to take down. Where order.ld was used, what a signal and a
/// stop run is not among them.
pub fn forget_code() {
    // The linker's names for the beginning of the program and the end of its code, end(3); and order.ld's for the rest of it.
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    const PAGE: usize = 4096;
    let (start, end) = (&raw const __executable_start as usize, &raw const etext as usize);
    // madvise takes a page that is begun for a whole one.
    let (start, end) = (start.next_multiple_of(PAGE), end - end % PAGE);
    if let Some(length) = end.checked_sub(start) {
        // SAFETY: these pages are mapped from the file and are never written: dropped, they are read from there again.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

/// Hands on what can be read from a non-blocking descriptor, without allocating; not for ever. Nothing if there is none.
pub fn copy(from: RawFd, to: fn(&[u8])) {
    let mut buffer = [0u8; 4096];
    for _ in 0..64 {
        // SAFETY: writes at most the buffer's length; a descriptor that is not open is an error.
        let length = unsafe { libc::read(from, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(length).ok().and_then(|length| buffer.get(..length)) {
            Some(bytes) if !bytes.is_empty() => to(bytes),
            _ => return,
        }
    }
}

fn close_range(first: libc::c_uint, last: libc::c_uint) {
    // SAFETY: nothing in goward owns a descriptor in this range: the caller keeps its own out of it.
    if super::check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).is_ok() {
        return;
    }
    // Before Linux 5.9, or forbidden by an old seccomp profile: one by one, as far as descriptors can go.
    let (limit, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    for fd in first..=last.min(limit.min(65_536) as libc::c_uint) {
        // SAFETY: as above.
        unsafe { libc::close(fd as RawFd) };
    }
}

/// A process as /proc shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// What ps shows: the command's name, at most 15 bytes.
    pub name: String,
    /// When it started, in clock ticks since boot: with the pid, this names it for good.
    started: u64,
    /// Ended, and not yet reaped by its parent.
    pub zombie: bool,
}

/// Whether /proc shows this PID namespace. A container may have been given another one's, where the same numbers are
/// strangers; then it is as if there were none. Asked early, a stop need not ask.
pub fn proc_is_ours() -> bool {
    // Once it is, it stays: who mounts another one over it later is nobody to guard against. No is asked again.
    static OURS: AtomicBool = AtomicBool::new(false);
    if !OURS.load(Relaxed) {
        let own = fs::read_link("/proc/self");
        let ours = own.is_ok_and(|own| own.to_str() == Some(&nix::unistd::getpid().to_string()));
        OURS.store(ours, Relaxed);
    }
    OURS.load(Relaxed)
}

/// Reads `/proc/PID/stat`; none if there is no such process, or no /proc of this PID namespace.
pub fn look_at(pid: i32) -> Option<Process> {
    if proc_is_ours() { look_into_proc(pid) } else { None }
}

fn look_into_proc(pid: i32) -> Option<Process> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// `pid (name) state ppid …`, where the name may hold anything, also `) `: the last `)` ends it. See proc(5).
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let mut rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let zombie = matches!(rest.next()?, "Z" | "X");
    let parent = rest.next()?.parse().ok()?;
    // Field 22 of the file; state and ppid were 3 and 4.
    let started = rest.nth(17)?.parse().ok()?;
    Some(Process { pid, parent, name, started, zombie })
}

/// Every process of this PID namespace that /proc shows and that has not ended; empty without /proc.
pub fn all() -> Vec<Process> {
    pids().into_iter().filter_map(look_into_proc).filter(|process| !process.zombie).collect()
}

/// Every pid of this PID namespace that /proc shows; none without /proc.
pub fn pids() -> Vec<i32> {
    if !proc_is_ours() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The children of `root`, their children, and so on, out of `processes`.
pub fn descendants(root: i32, processes: Vec<Process>) -> Vec<Process> {
    let mut family = BTreeSet::from([root]);
    let mut rest = processes;
    let mut found = Vec::new();
    loop {
        let (children, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|p| p.pid != root && family.contains(&p.parent));
        if children.is_empty() {
            return found;
        }
        family = children.iter().map(|p| p.pid).collect();
        found.extend(children);
        rest = others;
    }
}

/// Enough of a command line to know it again, in characters.
const COMMAND_ROOM: usize = 80;

/// A command line of that length at most. The directories of the program go first: what it was told to do says more.
fn recognizable<W: AsRef<str>>(words: &[W]) -> String {
    let mut line = words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    if line.chars().count() <= COMMAND_ROOM {
        return line;
    }
    let program = line.split(' ').next().unwrap_or_default();
    if let Some((directories, _)) = program.rsplit_once('/') {
        line.replace_range(..directories.len(), "…");
    }
    if let Some((end, _)) = line.char_indices().nth(COMMAND_ROOM) {
        line.replace_range(end.., "…");
    }
    line
}

impl Process {
    /// The command line, cut if it is long; the name where it has none.
    pub fn command(&self) -> String {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let words: Vec<_> =
            line.split(|b| *b == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
        if words.is_empty() {
            return self.name.clone();
        }
        recognizable(&words)
    }

    /// Sends a signal to this very process, and to no other that has got its pid since.
    ///
    /// # Errors
    /// ESRCH where it has gone.
    pub fn send(&self, signal: Signal) -> nix::Result<()> {
        let fd = pidfd(self.pid);
        // Looked at after the descriptor was opened: if it is still the same, the descriptor is its.
        if look_into_proc(self.pid).is_none_or(|now| now.started != self.started) {
            return Err(Errno::ESRCH);
        }
        match fd.and_then(|fd| send_by_pidfd(&fd, signal)) {
            Err(Errno::ENOSYS | Errno::EPERM) => send(self.pid, signal),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = b"42 (a) R 1 (b) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";
        let process = parse_stat(stat).unwrap();
        assert_eq!((process.pid, process.parent, process.started), (42, 7, 98765));
        assert_eq!(process.name, "a) R 1 (b");
    }

    #[test]
    fn a_long_command_line_loses_its_directories_first() {
        assert_eq!(recognizable(&["/srv/api", "-v\n"]), "/srv/api -v");
        let deep = format!("/{}/server", "deep/".repeat(30));
        assert_eq!(recognizable(&[deep.as_str(), "migrate"]), "…/server migrate");
        let long = recognizable(&[deep.as_str(), &"é".repeat(200)]);
        assert!(long.starts_with("…/server éé") && long.ends_with("é…"), "{long}");
        assert_eq!(long.chars().count(), COMMAND_ROOM + 1);
    }

    #[test]
    fn this_process_is_there_and_has_a_parent() {
        let me = look_at(std::process::id() as i32).unwrap();
        assert!(all().contains(&me));
        assert!(descendants(me.parent, all()).contains(&me));
        assert!(!descendants(me.pid, all()).contains(&me));
    }

    #[test]
    fn a_pid_that_went_to_another_is_left_alone() {
        let mut me = look_at(std::process::id() as i32).unwrap();
        me.started += 1;
        assert_eq!(me.send(Signal::KILL), Err(Errno::ESRCH));
    }

    proptest! {
        #[test]
        fn no_stat_file_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_stat(&bytes);
        }

        #[test]
        fn a_loop_of_parents_ends(parents in proptest::collection::vec(0i32..20, 0..20)) {
            let processes: Vec<_> = parents.iter().enumerate().map(|(pid, parent)| Process {
                pid: pid as i32, parent: *parent, name: String::new(), started: 0, zombie: false,
            }).collect();
            let found = descendants(1, processes);
            prop_assert!(found.len() <= parents.len());
        }
    }
}
