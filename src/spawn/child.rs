//! The clone, and what runs between it and exec: only async-signal-safe calls, everything they need is looked up and
//! allocated before.
#![allow(unsafe_code)]

use crate::config::Place;
use crate::signal::Signal;
use crate::sys::mask::{self, Mask};
use nix::errno::Errno;
use std::cell::UnsafeCell;
use std::ffi::{CString, OsString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;

/// What to start, and how.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The program, looked up in PATH if it has no slash, and its arguments.
    pub argv: &'a [CString],
    /// The environment; none: goward's own, untouched.
    pub env: Option<&'a [CString]>,
    /// Where it lives.
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
    /// It is killed when goward dies.
    pub dies_with_parent: bool,
}

impl<'a> Order<'a> {
    /// A program in a process group of its own that finds this mask, and everything else as goward did.
    pub fn new(argv: &'a [CString], mask: Mask) -> Order<'a> {
        Order {
            argv,
            env: None,
            place: Place::Group,
            mask,
            reset: false,
            ignored: &[],
            listen_pid: false,
            on_terminal: false,
            stdio: [None; 3],
            dies_with_parent: false,
        }
    }
}

/// All that the child needs, where it finds it without allocating.
struct Child<'a> {
    order: &'a Order<'a>,
    /// The program's path; several where it is to be looked for in PATH.
    paths: &'a [*const c_char],
    argv: &'a [*const c_char],
    env: *const *const c_char,
    /// Where it says why it could not exec. Not the shared memory: qemu-user makes a plain fork of this clone.
    answer: RawFd,
}

/// Starts it. Returns when the exec has succeeded, with the pid, or failed, with its errno.
///
/// # Errors
/// What exec or clone said.
pub fn spawn(order: &Order<'_>) -> nix::Result<i32> {
    if order.argv.is_empty() {
        return Err(Errno::EINVAL);
    }
    let paths = paths(order.argv);
    let paths: Vec<_> = paths.iter().map(|path| path.as_ptr()).collect();
    let argv = pointers(order.argv);
    let mut own = order.env.map(pointers);
    if let Some(list) = own.as_mut().filter(|_| order.listen_pid) {
        list.insert(0, LISTEN_PID.entry());
    }
    // SAFETY: environ is the C library's; nothing changes it in this process.
    let env = own.as_ref().map_or(unsafe { environ }, |list| list.as_ptr());
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let child = Child { order, paths: &paths, argv: &argv, env, answer: write.as_raw_fd() };
    let pid = clone(&child)?;
    answer(pid, &read, write)
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
    let path = std::env::var_os("PATH").map_or(DEFAULT_PATH.to_vec(), OsString::into_vec);
    let join = |dir: &[u8]| CString::new([if dir.is_empty() { b"." } else { dir }, b"/", name].concat());
    path.split(|byte| *byte == b':').filter_map(|dir| join(dir).ok()).collect()
}

/// Where programs are looked for without a PATH.
pub(super) const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/bin:/usr/bin";

fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Not posix_spawn: musl's leaves signals 32 to 34 unblocked in goward, where one that came would end it; and it cannot
/// take a terminal, open a session or know the child's pid.
fn clone(child: &Child<'_>) -> nix::Result<i32> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is the child's alone, because goward has one thread and sleeps until the child has exec'ed or
    // ended; `child` outlives that. `begin` makes no other use of the shared memory than LISTEN_PID and errno.
    Errno::result(unsafe { libc::clone(begin, STACK.top(), flags, std::ptr::from_ref(child).cast_mut().cast()) })
}

/// The child's whole life.
extern "C" fn begin(child: *mut c_void) -> c_int {
    // SAFETY: it is the Child that `clone` was given.
    let child = unsafe { &*child.cast::<Child<'_>>() };
    let code = (exec(child) as i32).to_ne_bytes();
    // SAFETY: writes four bytes to an open pipe, then ends the child without running anything of the parent's.
    unsafe {
        libc::write(child.answer, code.as_ptr().cast(), code.len());
        libc::_exit(127)
    }
}

/// Up to the exec; returns why that failed.
fn exec(child: &Child<'_>) -> Errno {
    let order = child.order;
    // SAFETY: every call is async-signal-safe or a plain system call, and what it changes is the child's own.
    unsafe {
        match order.place {
            Place::Shared => {}
            Place::Group => {
                libc::setpgid(0, 0);
            }
            Place::Foreground => {
                libc::setpgid(0, 0);
                if order.on_terminal {
                    // Not being able to take it is no error. SIGTTOU is blocked here, like everything.
                    libc::tcsetpgrp(0, libc::getpid());
                }
            }
            Place::Session => {
                libc::setsid();
                if order.on_terminal {
                    libc::ioctl(0, libc::TIOCSCTTY, 0);
                }
            }
        }
        if order.listen_pid {
            LISTEN_PID.set(libc::getpid());
        }
        if order.reset {
            for signal in Signal::all() {
                let _ = mask::dispose(signal, false);
            }
        }
        for signal in order.ignored {
            let _ = mask::dispose(*signal, true);
        }
        for (number, fd) in (0..).zip(order.stdio) {
            if let Some(fd) = fd
                && libc::dup2(fd, number) == -1
            {
                return Errno::last();
            }
        }
        if order.dies_with_parent {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        }
        let _ = order.mask.install();
        let mut refused = Errno::ENOENT;
        for path in child.paths {
            libc::execve(*path, child.argv.as_ptr().cast(), child.env.cast());
            match Errno::last() {
                // Perhaps in the next directory.
                Errno::ENOENT | Errno::ENOTDIR if child.paths.len() > 1 => {}
                Errno::EACCES if child.paths.len() > 1 => refused = Errno::EACCES,
                errno => return errno,
            }
        }
        refused
    }
}

/// Whether the exec succeeded: then the pipe is closed without a word.
fn answer(pid: i32, read: &OwnedFd, write: OwnedFd) -> nix::Result<i32> {
    drop(write);
    let mut code = [0u8; 4];
    // A signal cannot interrupt, all are blocked.
    match nix::unistd::read(read, &mut code) {
        Ok(4) => {
            // SAFETY: waits for the very child that has just said that it ends.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            Err(Errno::from_raw(i32::from_ne_bytes(code)))
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

    /// It grows downwards.
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
        let order = Order { place: Place::Shared, ..Order::new(&argv, inherited) };
        let pid = spawn(&order).unwrap();
        let after = inherited.install().unwrap();
        // SAFETY: the child that was just started.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        let open: Vec<Signal> = Signal::all().filter(|signal| !after.contains(*signal)).collect();
        assert_eq!(open, [Signal::KILL, Signal::STOP]);
    }
}
