//! The two ways to start a program, and what runs in the child before its exec: only async-signal-safe calls, everything they
//! need is looked up and allocated before.
//!
//! [`spawn`] shares the memory with the child until the exec (CLONE_VM, CLONE_VFORK) and sleeps meanwhile: for what is
//! started first, when there is nothing else to do. [`begin`] is for PID 1 with a life to keep: a plain fork, so that it need
//! not wait for an exec that may hang (NFS, FUSE, fanotify, a lease), and the child itself says why it could not exec.
#![allow(unsafe_code)]

use super::Failure;
use super::explain::explain;
use crate::config::Place;
use crate::privilege::Limit;
use crate::signal::Signal;
use crate::sys::helper::{Answer, Helper, Inside, Refused};
use crate::sys::mask::{self, Mask};
use crate::sys::process;
use nix::errno::Errno;
use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;

/// What to start, and how.
#[derive(Clone, Copy, Debug)]
pub struct SpawnSpec<'a> {
    /// The program, looked up in PATH if it has no slash, and its arguments.
    pub argv: &'a [CString],
    /// The environment; none: goward's own, untouched.
    pub env: Option<&'a [CString]>,
    /// The process group, session and terminal that it gets.
    pub place: Place,
    /// The mask it starts with.
    pub mask: Mask,
    /// Every disposition back to its default.
    pub reset: bool,
    /// Signals it must find ignored, whatever goward has done to them since it started.
    pub ignored: &'a [Signal],
    /// The environment gets LISTEN_PID with the child's own pid. Only with an environment of its own.
    pub listen_pid: bool,
    /// goward is in the foreground of a terminal on standard input.
    pub on_terminal: bool,
    /// What it finds as standard input, output and error, each above 2; none: goward's own.
    pub stdio: [Option<RawFd>; 3],
    /// Its standard input is /dev/null. A scratch image may have none; then it finds goward's own.
    pub no_input: bool,
    /// The working directory that it gets; none: goward's own.
    pub directory: Option<&'a CStr>,
    /// The resource limits that it gets.
    pub limits: &'a [Limit],
    /// It is killed when goward dies.
    pub dies_with_parent: bool,
    /// Only [`spawn`]: goward is in `/` before the program runs, which may look. The program is where goward was.
    pub leaves_directory: bool,
}

impl<'a> SpawnSpec<'a> {
    /// A program in a process group of its own that finds this mask, and everything else as goward did.
    pub fn new(argv: &'a [CString], mask: Mask) -> SpawnSpec<'a> {
        SpawnSpec {
            argv,
            env: None,
            place: Place::Group,
            mask,
            reset: false,
            ignored: &[],
            listen_pid: false,
            on_terminal: false,
            stdio: [None; 3],
            no_input: false,
            directory: None,
            limits: &[],
            dies_with_parent: false,
            leaves_directory: false,
        }
    }

    /// The same for a command that runs beside the server, and has nothing to do with its terminal and its sockets.
    pub fn beside(self) -> SpawnSpec<'a> {
        // Not on a terminal that the server is kept from.
        let place = if self.place == Place::Detached { Place::Detached } else { Place::Group };
        SpawnSpec { place, on_terminal: false, listen_pid: false, no_input: true, ..self }
    }
}

/// All that the child needs, where it finds it without allocating.
struct Child<'a> {
    spec: &'a SpawnSpec<'a>,
    /// The program's path; several where it is to be looked for in PATH.
    paths: &'a [*const c_char],
    argv: &'a [*const c_char],
    env: *const *const c_char,
    /// The pid of goward itself, its parent.
    parent: i32,
    /// Whom it tells that the exec is all that is left.
    inside: Option<Inside>,
}

/// What the child of [`spawn`] is given.
struct Shared<'a> {
    child: &'a Child<'a>,
    /// Where it says why it could not exec. Not the shared memory: qemu-user makes a plain fork of this clone.
    answer: RawFd,
    /// Where goward was.
    directory: Option<RawFd>,
}

/// Starts it, and sleeps until the exec has succeeded or failed; its pid. A signal that comes while the exec hangs waits in
/// the kernel, so this is for what is started first.
///
/// # Errors
/// Why nothing was started.
pub fn spawn(spec: &SpawnSpec<'_>) -> Result<i32, Failure> {
    let directory = if spec.leaves_directory { leave_directory() } else { None };
    let result = prepared(spec, own_pid(), None, |child| {
        let pipe = || {
            let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
            // The child puts its standard input, output and error in the place of what has these numbers.
            Ok((read, process::above_stdio(write)?))
        };
        let (read, write) = pipe().map_err(Failure::Pipe)?;
        let directory = directory.as_ref().map(AsRawFd::as_raw_fd);
        let pid = clone(&Shared { child, answer: write.as_raw_fd(), directory }).map_err(Failure::Clone)?;
        answer(pid, &read, write)
    });
    if let (Some(directory), Err(_)) = (&directory, &result) {
        // Whoever explains it, or tries something else, begins where it was.
        let _ = nix::unistd::fchdir(directory);
    }
    result
}

/// Moves to `/`; where that was from. None: it stays.
fn leave_directory() -> Option<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let here = nix::fcntl::open(c".", nix::fcntl::OFlag::from_bits_retain(flags), nix::sys::stat::Mode::empty());
    let here = process::above_stdio(here.ok()?).ok()?;
    nix::unistd::chdir("/").ok().map(|()| here)
}

/// A program that is being started: its exec may not be over yet.
#[derive(Debug)]
pub struct Starting(Helper);

/// Why a program does not run: the exit code for it, and the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstarted {
    /// 125, 126 or 127; a child that could not exec ends with it.
    pub code: u8,
    /// What went wrong, in one sentence.
    pub why: String,
}

/// Starts it without waiting for the exec.
///
/// # Errors
/// There is no process. Everything else is told by [`Starting::outcome`].
pub fn begin(spec: &SpawnSpec<'_>) -> Result<Starting, Unstarted> {
    let parent = own_pid();
    let helper = Helper::start(|inside| {
        let (code, why) = explain(spec, prepared(spec, parent, Some(inside), exec));
        (code, why.into_bytes())
    });
    let helper = helper.map_err(|refused| {
        let (code, why) = explain(spec, refused.into());
        Unstarted { code, why }
    })?;
    if matches!(spec.place, Place::Group | Place::Foreground) {
        // The child does the same: whoever comes first, its group is there for whoever knows its pid. EACCES: it did so, and has
        // exec'ed.
        let _ = process::lead_group(helper.pid());
    }
    Ok(Starting(helper))
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        match refused {
            Refused::Pipe(errno) => Failure::Pipe(errno),
            Refused::Fork(errno) => Failure::Clone(errno),
        }
    }
}

impl Starting {
    /// The child's pid.
    pub fn pid(&self) -> i32 {
        self.0.pid()
    }

    /// Whether it has become the program: the kernel lets nobody move a child to another process group that has, see EACCES
    /// in setpgid(2). A pipe that is closed may also mean that the child is about to end. Not to be asked once it was reaped.
    pub fn has_execed(&self) -> bool {
        // SAFETY: no memory is touched. It is moved to the group it is in.
        let moved = Errno::result(unsafe { libc::setpgid(self.pid(), libc::getpgid(self.pid())) });
        match moved {
            Err(Errno::EACCES) => true,
            // A session of its own comes before that.
            Err(Errno::EPERM) => process::look_at(self.pid()).is_some_and(|process| !process.forked_only),
            Ok(_) | Err(_) => false,
        }
    }

    /// Whether it came as far as its exec, as far as [`Starting::outcome`] has read.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun()
    }

    /// None as long as its exec is not over. Then: it has succeeded (or something ended the child before), or this is why not,
    /// and the child ends with the code for it.
    pub fn outcome(&mut self) -> Option<Result<(), String>> {
        self.0.answer().map(|answer| match answer {
            Answer::Silence => Ok(()),
            Answer::Bytes(why) => Err(String::from_utf8_lossy(why).into_owned()),
        })
    }
}

/// Looks up what the child needs.
fn prepared<T>(spec: &SpawnSpec<'_>, parent: i32, inside: Option<Inside>, start: impl FnOnce(&Child<'_>) -> T) -> T {
    let paths = paths(spec.argv);
    let paths: Vec<_> = paths.iter().map(|path| path.as_ptr()).collect();
    let argv = pointers(spec.argv);
    let mut own = spec.env.map(pointers);
    if let Some(list) = own.as_mut().filter(|_| spec.listen_pid) {
        list.insert(0, LISTEN_PID.entry());
    }
    // SAFETY: environ is the C library's; nothing changes it in this process.
    let env = own.as_ref().map_or(unsafe { environ }, |list| list.as_ptr());
    start(&Child { spec, paths: &paths, argv: &argv, env, parent, inside })
}

fn own_pid() -> i32 {
    // SAFETY: no memory is touched.
    unsafe { libc::getpid() }
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// Where the program may be: execvp(3), but never a shell for what is no program, as glibc's own would have it.
fn paths(argv: &[CString]) -> Vec<CString> {
    let Some(program) = argv.first() else { return Vec::new() };
    let name = program.as_bytes();
    if name.is_empty() || name.contains(&b'/') {
        return vec![program.clone()];
    }
    let join = |dir: &[u8]| CString::new([dir, b"/", name].concat());
    directories(&search_path()).filter_map(|dir| join(dir).ok()).collect()
}

/// Where programs are looked for: in PATH, and without one where musl's execvp(3) looks.
pub(super) fn search_path() -> Vec<u8> {
    std::env::var_os("PATH").map_or_else(|| DEFAULT_PATH.to_vec(), OsString::into_vec)
}

/// The directories of a search path. An empty one is that in which goward was started.
pub(super) fn directories(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b':').map(|dir| if dir.is_empty() { b".".as_slice() } else { dir })
}

pub(super) const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/bin:/usr/bin";

fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Not posix_spawn: musl's leaves signals 32 to 34 unblocked in goward, where one that came would end it; and it cannot
/// take a terminal, open a session or know the child's pid.
fn clone(shared: &Shared<'_>) -> nix::Result<i32> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is the child's alone, because goward has one thread and sleeps until the child has exec'ed or
    // ended; `shared` outlives that. `run` makes no other use of the shared memory than LISTEN_PID and errno.
    Errno::result(unsafe { libc::clone(run, STACK.top(), flags, std::ptr::from_ref(shared).cast_mut().cast()) })
}

/// The child's whole life.
extern "C" fn run(shared: *mut c_void) -> c_int {
    // SAFETY: it is what `clone` was given.
    let shared = unsafe { &*shared.cast::<Shared<'_>>() };
    if let Some(directory) = shared.directory {
        // SAFETY: no memory is touched, and the directory is the child's own.
        unsafe { libc::fchdir(directory) };
    }
    let failure = exec(shared.child).to_bytes();
    // SAFETY: writes a few bytes to an open pipe, then ends the child without running anything of the parent's.
    unsafe {
        libc::write(shared.answer, failure.as_ptr().cast(), failure.len());
        libc::_exit(127)
    }
}

/// The process group, session and terminal that it gets.
///
/// # Safety
/// Only in a cloned child.
unsafe fn take_place(spec: &SpawnSpec<'_>) -> Option<Failure> {
    // SAFETY: system calls about the child itself.
    unsafe {
        match spec.place {
            Place::Shared => {}
            Place::Group => {
                libc::setpgid(0, 0);
            }
            Place::Foreground => {
                libc::setpgid(0, 0);
                if spec.on_terminal {
                    // Not being able to take it is no error. SIGTTOU is blocked here, like everything.
                    libc::tcsetpgrp(0, libc::getpid());
                }
            }
            Place::Detached => {
                // It must not run where it could reach the terminal.
                if libc::setsid() == -1 {
                    return Some(Failure::Clone(Errno::last()));
                }
            }
            Place::Session => {
                libc::setsid();
                if spec.on_terminal {
                    libc::ioctl(0, libc::TIOCSCTTY, 0);
                }
            }
        }
    }
    None
}

/// What its signals do.
fn dispose(spec: &SpawnSpec<'_>) {
    if spec.reset {
        for signal in Signal::all() {
            let _ = mask::dispose(signal, false);
        }
    }
    for signal in spec.ignored {
        let _ = mask::dispose(*signal, true);
    }
}

/// Up to the exec; returns why that failed.
fn exec(child: &Child<'_>) -> Failure {
    let spec = child.spec;
    // SAFETY: every call is async-signal-safe or a plain system call, and what it changes is the child's own.
    unsafe {
        if let Some(failure) = take_place(spec) {
            return failure;
        }
        if spec.listen_pid {
            LISTEN_PID.set(libc::getpid());
        }
        if let Some(directory) = spec.directory
            && libc::chdir(directory.as_ptr()) == -1
        {
            return Failure::Directory(Errno::last());
        }
        dispose(spec);
        for (number, fd) in (0..).zip(spec.stdio) {
            if let Some(fd) = fd
                && libc::dup2(fd, number) == -1
            {
                return Failure::Stdio(Errno::last());
            }
        }
        if spec.no_input {
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            if null > 0 {
                libc::dup2(null, 0);
                libc::close(null);
            }
        }
        if spec.dies_with_parent {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
            // It may have died before that.
            if libc::getppid() != child.parent {
                libc::_exit(127);
            }
        }
        // Last: they may leave no descriptor and no memory for anything but the exec.
        for (number, limit) in spec.limits.iter().enumerate() {
            if let Err(errno) = limit.impose() {
                return Failure::Limit(number, errno);
            }
        }
        let _ = spec.mask.install();
        if let Some(inside) = child.inside {
            inside.begins();
        }
        let mut refused = Errno::ENOENT;
        for path in child.paths {
            libc::execve(*path, child.argv.as_ptr().cast(), child.env.cast());
            match Errno::last() {
                // Perhaps in the next directory.
                Errno::ENOENT | Errno::ENOTDIR if child.paths.len() > 1 => {}
                Errno::EACCES if child.paths.len() > 1 => refused = Errno::EACCES,
                errno => return Failure::Exec(errno),
            }
        }
        Failure::Exec(refused)
    }
}

/// Whether the exec succeeded: then the pipe is closed without a word.
fn answer(pid: i32, read: &OwnedFd, write: OwnedFd) -> Result<i32, Failure> {
    drop(write);
    let mut bytes = [0; Failure::SIZE];
    // A signal cannot interrupt, all are blocked.
    match nix::unistd::read(read, &mut bytes) {
        Ok(Failure::SIZE) => {
            // SAFETY: waits for the very child that has just said that it ends.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            Err(Failure::from_bytes(bytes))
        }
        _ => Ok(pid),
    }
}

/// The child's stack until the exec.
#[repr(align(16))]
struct Stack(UnsafeCell<[u8; Stack::SIZE]>);

// SAFETY: only a cloned child uses it, one at a time.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(UnsafeCell::new([0; Stack::SIZE]));

impl Stack {
    const SIZE: usize = 32 * 1024;

    /// The highest address: a stack grows downwards.
    fn top(&self) -> *mut c_void {
        self.0.get().cast::<u8>().wrapping_add(Stack::SIZE).cast()
    }
}

/// `LISTEN_PID=` and room for the largest pid: the entry that the child fills, see sd_listen_fds(3).
struct ListenPid(UnsafeCell<[u8; ListenPid::PREFIX.len() + 11]>);

// SAFETY: only a cloned child writes to it, while goward sleeps.
unsafe impl Sync for ListenPid {}

static LISTEN_PID: ListenPid = ListenPid(UnsafeCell::new(*b"LISTEN_PID=0000000000\0"));

impl ListenPid {
    const PREFIX: &'static [u8] = b"LISTEN_PID=";

    fn entry(&self) -> *const c_char {
        self.0.get().cast()
    }

    /// # Safety
    /// Only in a cloned child.
    unsafe fn set(&self, pid: i32) {
        // SAFETY: goward sleeps, nobody else looks.
        let room = unsafe { &mut (&mut *self.0.get())[Self::PREFIX.len()..] };
        let digits = std::iter::successors(Some(pid.unsigned_abs()), |rest| (*rest >= 10).then_some(rest / 10));
        let count = digits.clone().count();
        for (place, rest) in room[..count].iter_mut().rev().zip(digits) {
            *place = b'0' + (rest % 10) as u8;
        }
        room[count] = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test's thread has its own mask. Signals 32 to 34 are the C library's, and musl's posix_spawn unblocks them.
    #[test]
    fn not_one_signal_is_unblocked() {
        let inherited = Mask::full().install().unwrap();
        let argv = [c"true".to_owned()];
        let spec = SpawnSpec { place: Place::Shared, ..SpawnSpec::new(&argv, inherited) };
        let pid = spawn(&spec).unwrap();
        let after = inherited.install().unwrap();
        // SAFETY: the child that was just started.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        let open: Vec<Signal> = Signal::all().filter(|signal| !after.contains(*signal)).collect();
        assert_eq!(open, [Signal::KILL, Signal::STOP]);
    }
}
