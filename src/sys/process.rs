//! Processes: sending signals, who is there, and what this one is worth to the kernel (`be_expendable`).
#![allow(unsafe_code)]

use super::directory::{self, Directory};
use super::file;
use super::mask::{self, Mask};
use crate::signal::Signal;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// How many processors goward may run on; 1 where the kernel does not tell.
pub fn processors() -> usize {
    // SAFETY: a set of bits, of which all may be zero.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into the set, which is as large as it is told.
    let count = unsafe {
        match libc::sched_getaffinity(0, size_of_val(&set), &mut set) {
            0 => libc::CPU_COUNT(&set),
            _ => 1,
        }
    };
    usize::try_from(count).unwrap_or(1)
}

/// Sends a signal as kill(2) does: to a pid, minus a group, or -1 for everybody but goward that it may reach.
///
/// # Errors
/// ESRCH nobody is there, EPERM not allowed; EAGAIN the queue for real-time signals is full.
pub fn send(to: i32, signal: Signal) -> nix::Result<()> {
    // SAFETY: no memory is touched.
    match Errno::result(unsafe { libc::kill(to, signal.number()) }) {
        Ok(_) => Ok(()),
        Err(Errno::ESRCH) => Err(Errno::ESRCH),
        Err(errno) => send_otherwise(to, signal).map_err(|_| errno),
    }
}

/// Where kill(2) is refused a process can be reached by a pidfd, and of a group the leader, which is better than nobody.
#[cold]
fn send_otherwise(to: i32, signal: Signal) -> nix::Result<()> {
    match to {
        0 | -1 => Err(Errno::EPERM),
        _ => send_by_pidfd(&pidfd(to.saturating_abs())?, signal.number()),
    }
}

/// Whether a process could be sent a signal: not one of another user, for a goward that is not root.
pub fn may_signal(pid: i32) -> bool {
    // SAFETY: no memory is touched, and signal 0 is none.
    match Errno::result(unsafe { libc::kill(pid, 0) }) {
        Err(Errno::EPERM) => pidfd(pid).is_ok_and(|fd| send_by_pidfd(&fd, 0).is_ok()),
        Ok(_) | Err(_) => true,
    }
}

/// Who else is in the PID namespace: for a true PID 1, whose waitpid does not tell of those who came in from outside
/// (docker exec).
#[derive(Debug, Default)]
pub struct Others {
    proc: Option<Directory>,
}

impl Others {
    /// Opens /proc, which takes longer than looking into it: done while there is time, it is not to be waited for later.
    pub fn prepare(&mut self) {
        if self.proc.is_none() && proc_is_ours() {
            self.proc = Directory::open("/proc").ok();
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
fn nobody_lives_in(proc: &Directory) -> bool {
    /// Where PID 2 would be in the directory: below 256 is what is no process, two entries are "self" and "thread-self",
    /// then pids count from 0 (proc_pid_readdir of fs/proc/base.c). Passed over, an entry costs nothing; listed, it costs
    /// the kernel an inode, which it has to take back at the end.
    const PID_2: i64 = 256 + 2 + 2;
    if proc.seek(PID_2).is_err() {
        return false;
    }
    let mut buffer = [0; 1024];
    let Ok(mut names) = proc.read(&mut buffer) else { return false };
    // Another kernel may count otherwise, so PID 1 may be among them. The zombie of somebody's outside (docker exec) is
    // nobody who could be asked.
    names.all(|name| pid_of(name).is_none_or(|pid| pid == 1 || look_at(pid).is_some_and(|process| process.zombie)))
}

/// The process whose entry of /proc this is.
fn pid_of(name: &CStr) -> Option<i32> {
    name.to_str().ok()?.parse().ok()
}

/// A copy of this process that does one thing and ends with the code that comes of it; its pid. The copy has this thread
/// only, so there must be no other: with locks held by threads that are not there it could wait for ever.
///
/// # Errors
/// EAGAIN, ENOMEM: there can be no more processes. EBUSY: there are other threads.
pub fn fork(child: impl FnOnce() -> u8) -> nix::Result<i32> {
    let mut threads = 0;
    let _ = directory::each_name("/proc/self/task", |name| threads += u32::from(pid_of(name).is_some()));
    if threads > 1 {
        return Err(Errno::EBUSY);
    }
    // SAFETY: one thread, so everything in the child's memory is in order.
    match Errno::result(unsafe { libc::fork() })? {
        0 => leave(child()),
        pid => Ok(pid),
    }
}

/// The end, at once: nothing is run that was registered for it, by a parent or by std, and nothing is freed.
pub fn leave(code: u8) -> ! {
    // SAFETY: always.
    unsafe { libc::_exit(code.into()) }
}

/// The end by a signal, so that whoever waits for this process sees what it has seen. Without a core dump: nothing is wrong here.
pub fn end_by(signal: Signal) -> ! {
    close_to_own_user();
    let _ = mask::dispose(signal, false);
    let _ = Mask::empty().install();
    // SAFETY: no memory is touched.
    let _ = send(unsafe { libc::getpid() }, signal);
    // A signal whose default is to do nothing ends nobody; nor has it ended anybody before.
    leave(1)
}

/// Makes a process the leader of a group of its own; 0: this one.
///
/// # Errors
/// EACCES: a child that has exec'ed. EPERM: it leads a session.
pub fn lead_group(pid: i32) -> nix::Result<()> {
    // SAFETY: no memory is touched.
    Errno::result(unsafe { libc::setpgid(pid, pid) }).map(drop)
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

/// The environment of this process as it was given: also what is no assignment.
pub fn environment() -> Vec<&'static CStr> {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: it is the C library's, ends with a null pointer, and nothing changes it in this process.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            entries.push(CStr::from_ptr(*entry));
            entry = entry.add(1);
        }
    }
    entries
}

/// Keeps other processes of this user from looking into this one. A change of the user does that unless fs.suid_dumpable is 1.
pub fn close_to_own_user() {
    // SAFETY: no memory is touched. It cannot fail with this number.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

/// Lets other processes of this user look into this one: /proc/PID/fd, and as a debugger would. After a change of the user
/// the kernel allows that to root alone (PR_SET_DUMPABLE).
pub fn open_to_own_user() {
    // SAFETY: no memory is touched. It cannot fail with this number.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
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

fn send_by_pidfd(fd: &OwnedFd, signal: libc::c_int) -> nix::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: no siginfo is passed; the descriptor is open.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, none, 0) };
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

fn close_range(first: libc::c_uint, last: libc::c_uint) {
    // SAFETY: nothing in goward owns a descriptor in this range: the caller keeps its own out of it.
    if super::check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).is_ok() {
        return;
    }
    // Before Linux 5.9, or forbidden by an old seccomp profile: those that are open.
    let mut open: Vec<libc::c_uint> = Vec::new();
    let number = |name: &CStr| name.to_str().ok()?.parse::<libc::c_uint>().ok();
    if directory::each_name("/proc/self/fd", |name| open.extend(number(name))).is_ok() {
        for fd in open.into_iter().filter(|fd| (first..=last).contains(fd)) {
            // SAFETY: as above; the one by which the directory was read is no longer open.
            unsafe { libc::close(fd as RawFd) };
        }
        return;
    }
    // Without /proc: all, as far as descriptors can go.
    let (limit, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    for fd in first..=last.min(limit.min(65_536) as libc::c_uint) {
        // SAFETY: as above.
        unsafe { libc::close(fd as RawFd) };
    }
}

/// A process as /proc shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process id.
    pub pid: i32,
    /// The process id of its parent.
    pub parent: i32,
    /// The process group that it is in.
    pub group: i32,
    /// What ps shows: the command's name, at most 15 bytes.
    pub name: String,
    /// When it started, in clock ticks since boot: with the pid, this names it for good.
    started: u64,
    /// Ended, and not yet reaped by its parent; with all of its threads.
    pub zombie: bool,
    /// It has not exec'ed since it was forked (PF_FORKNOEXEC in include/linux/sched.h).
    pub forked_only: bool,
}

/// Whether /proc shows this PID namespace. A container may have been given another one's, where the same numbers are
/// strangers; then it is as if there were none. Asked early, a stop need not ask.
pub fn proc_is_ours() -> bool {
    // Once it is, it stays: who mounts another one over it later is nobody to guard against. No is asked again.
    static OURS: AtomicBool = AtomicBool::new(false);
    if !OURS.load(Relaxed) {
        let own = std::fs::read_link("/proc/self");
        let ours = own.is_ok_and(|own| own.to_str() == Some(&nix::unistd::getpid().to_string()));
        OURS.store(ours, Relaxed);
    }
    OURS.load(Relaxed)
}

/// Reads `/proc/PID/stat`; none if there is no such process, or no /proc of this PID namespace.
pub fn look_at(pid: i32) -> Option<Process> {
    if proc_is_ours() { look_into_proc(pid) } else { None }
}

/// Makes this process the one that is given up first: the kernel's choice when memory is short, with no more bytes of memory of its own
/// than this, and with this nice value where there is one. As far as the kernel lets it.
pub fn be_expendable(memory: u64, nice: Option<i32>) {
    if let Ok(fd) = file::open("/proc/self/oom_score_adj", nix::fcntl::OFlag::O_WRONLY) {
        let _ = file::write_all(&fd, b"1000");
    }
    if let Some(nice) = nice {
        // SAFETY: numbers only. Of this process alone.
        unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) };
    }
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_AS, memory, memory);
}

/// The effective uid of a process; none if there is no such process, or no /proc of this PID namespace.
pub fn uid_of(pid: i32) -> Option<u32> {
    if !proc_is_ours() {
        return None;
    }
    let status = file::read(&format!("/proc/{pid}/status"), STATUS).ok()?;
    let line = status.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line).ok()?.split_whitespace().nth(1)?.parse().ok()
}

/// Signals that do not reach a process, a bit for each, the lowest for signal 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptSignals {
    /// It ignores them.
    pub ignored: u64,
    /// They were sent, and wait: it blocks them.
    pub blocked: u64,
}

/// As the kernel tells of a process. Nothing where it does not.
pub fn kept_signals(pid: i32) -> KeptSignals {
    parse_kept(&file::read(&format!("/proc/{pid}/status"), STATUS).unwrap_or_default())
}

fn parse_kept(status: &[u8]) -> KeptSignals {
    let of = |key: &[u8]| {
        let line = status.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(key))?;
        u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()
    };
    let mask = |key| of(key).unwrap_or(0);
    // What waits in a process that is stopped would be heard otherwise.
    KeptSignals { ignored: mask(b"SigIgn:"), blocked: mask(b"ShdPnd:") & mask(b"SigBlk:") }
}

/// Whether a process, by its pid as seen from here, is of this PID namespace: not above or beside it (pid 0), and not of one
/// below it, where it has another pid as well (NSpid in proc(5)). Where /proc does not tell, a pid is enough.
pub fn is_of_this_namespace(pid: i32) -> bool {
    if pid == 0 || !proc_is_ours() {
        return pid != 0;
    }
    // With hidepid=2 a process of another user cannot be seen in /proc, but by a descriptor of it.
    let shown = file::read(&format!("/proc/{pid}/status"), STATUS).or_else(|_| {
        let fd = pidfd(pid)?;
        file::read(&format!("/proc/self/fdinfo/{}", fd.as_raw_fd()), STATUS)
    });
    shown.is_ok_and(|shown| has_one_pid(&shown))
}

/// Whether a file of `Key: value` lines tells of one pid only. A kernel before Linux 4.1, or a sandbox, tells of none.
fn has_one_pid(shown: &[u8]) -> bool {
    let line = shown.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"));
    line.is_none_or(|pids| pids.split(u8::is_ascii_whitespace).filter(|pid| !pid.is_empty()).count() == 1)
}

fn look_into_proc(pid: i32) -> Option<Process> {
    parse_stat(&file::read(&format!("/proc/{pid}/stat"), STAT).ok()?)
}

/// A pid, and since when it is this process's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pid: i32,
    started: u64,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.pid, self.started)
    }
}

impl std::str::FromStr for Identity {
    type Err = ();

    fn from_str(text: &str) -> Result<Identity, ()> {
        let (pid, started) = text.split_once(':').ok_or(())?;
        Ok(Identity { pid: pid.parse().map_err(drop)?, started: started.parse().map_err(drop)? })
    }
}

/// More than the kernel writes into a stat file; of a status file enough for NSpid, which a list of groups comes before; and enough of
/// a command line.
const STAT: usize = 4096;
const STATUS: usize = 1 << 20;
const COMMAND_LINE: usize = 8192;

/// `pid (name) state ppid …`, where the name may hold anything, also `) `: the last `)` ends it. See proc(5).
pub(crate) fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let mut rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let dead = matches!(rest.next()?, "Z" | "X");
    let parent = rest.next()?.parse().ok()?;
    let group = rest.next()?.parse().ok()?;
    // Fields 9, 20 and 22 of the file; state, ppid and pgrp were 3, 4 and 5.
    let flags: u64 = rest.nth(3)?.parse().ok()?;
    let threads: i64 = rest.nth(10)?.parse().ok()?;
    let started = rest.nth(1)?.parse().ok()?;
    // Where the first thread has ended and others run, its state is that of a zombie, and it is none.
    let zombie = dead && threads <= 1;
    Some(Process { pid, parent, group, name, started, zombie, forked_only: flags & 0x40 != 0 })
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
    let mut pids = Vec::new();
    // As far as it can be read.
    let _ = directory::each_name("/proc", |name| pids.extend(pid_of(name)));
    pids
}

/// The children of `root`, their children, and so on, out of `processes`. Each is looked at once: there may be thousands, one
/// the parent of the next.
pub fn descendants(root: i32, processes: Vec<Process>) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in processes.into_iter().filter(|process| process.pid != root) {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut looked_at = 0;
    while let Some(process) = found.get(looked_at) {
        let more = children.remove(&process.pid);
        found.extend(more.into_iter().flatten());
        looked_at += 1;
    }
    found
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
    /// The command line, cut if it is long; the name where it has none. It may lie in a file that hangs: never in PID 1.
    pub fn command(&self) -> String {
        let line = file::read(&format!("/proc/{}/cmdline", self.pid), COMMAND_LINE).unwrap_or_default();
        let words: Vec<_> =
            line.split(|b| *b == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
        if words.is_empty() {
            return self.name.clone();
        }
        recognizable(&words)
    }

    /// What tells it from every other process, whatever becomes of it.
    pub fn identity(&self) -> Identity {
        Identity { pid: self.pid, started: self.started }
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
        match fd.and_then(|fd| send_by_pidfd(&fd, signal.number())) {
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
    fn signals_that_are_kept_from_a_process() {
        let status = b"Name:\tx\nSigPnd:\t0000000000000002\nShdPnd:\t0000000000004001\nSigBlk:\t0000000000000201\n\
            SigIgn:\t0000000000000006\nSigCgt:\tfffffffd7fc1fef8\n";
        assert_eq!(parse_kept(status), KeptSignals { ignored: 6, blocked: 1 });
        assert_eq!(parse_kept(b"Name:\tx\nSigIgn:\tnone\n"), KeptSignals::default());
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = b"42 (a) R 1 (b) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";
        let process = parse_stat(stat).unwrap();
        assert_eq!((process.pid, process.parent, process.started), (42, 7, 98765));
        assert_eq!(process.name, "a) R 1 (b");
    }

    #[test]
    fn a_process_of_a_namespace_below_has_two_pids() {
        assert!(is_of_this_namespace(std::process::id() as i32));
        assert!(!is_of_this_namespace(0));
        for (shown, one) in [
            ("Name:\tx\nNSpid:\t71\nNSpgid:\t71\n", true),
            ("Name:\tx\nNSpid:\t71\t1\n", false),
            ("NSpid:\t71\t9\t1\n", false),
            ("pos:\t0\nPid:\t71\nNSpid:\t71\n", true),
            ("Name:\tNSpid:\nPid:\t71\n", true),
            ("NSpid:\t\n", false),
        ] {
            assert_eq!(has_one_pid(shown.as_bytes()), one, "{shown:?}");
        }
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

    /// It took a look at each for each before.
    #[test]
    fn a_long_line_of_parents() {
        let processes = (2..=30_000).rev().map(|pid| Process {
            pid,
            group: 0,
            parent: pid - 1,
            name: String::new(),
            started: 0,
            zombie: false,
            forked_only: false,
        });
        let began = crate::sys::clock::now();
        let found = descendants(1, processes.collect());
        assert!(found.len() == 29_999 && found[0].pid == 2 && found[29_998].pid == 30_000);
        assert!(crate::sys::clock::now() - began < std::time::Duration::from_secs(3));
    }

    proptest! {
        #[test]
        fn no_stat_file_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_stat(&bytes);
        }

        #[test]
        fn a_loop_of_parents_ends(parents in proptest::collection::vec(0i32..20, 0..20)) {
            let processes: Vec<_> = parents.iter().enumerate().map(|(pid, parent)| Process {
                pid: pid as i32,
                group: 0, parent: *parent, name: String::new(), started: 0, zombie: false, forked_only: false,
            }).collect();
            let found = descendants(1, processes);
            prop_assert!(found.len() <= parents.len());
        }
    }
}
