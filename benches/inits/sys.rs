//! The system calls that std and nix do not have, each behind a safe function. No policy.
//!
//! The bench has one thread, always: that is what makes a bare `clone` safe, and everything allowed in its child.
#![allow(unsafe_code)]

use std::ffi::{CString, c_int};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::unistd::Pid;

/// Nanoseconds of CLOCK_MONOTONIC. `Instant` is the same clock but keeps the number to itself, and the servers write
/// theirs in other processes.
pub(crate) fn now() -> u64 {
    clock(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// Nanoseconds of CPU that a process has used, with all its threads. Exact even while it runs, and in every kernel,
/// which /proc/PID/schedstat is not.
pub(crate) fn cpu_time(pid: Pid) -> io::Result<u64> {
    let mut id = 0;
    // SAFETY: the pointer is to a clockid_t that outlives the call.
    match unsafe { libc::clock_getcpuclockid(pid.as_raw(), &raw mut id) } {
        0 => clock(id),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn clock(id: libc::clockid_t) -> io::Result<u64> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the kernel fills the timespec it is given.
    check(unsafe { libc::clock_gettime(id, time.as_mut_ptr()) })?;
    // SAFETY: filled, since the call succeeded.
    let time = unsafe { time.assume_init() };
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// A number that children of this process share with it, for its whole life.
pub(crate) fn shared_number() -> io::Result<&'static AtomicU64> {
    let (size, rights) = (size_of::<AtomicU64>(), libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: a new mapping, at an address the kernel chooses.
    let page = unsafe { libc::mmap(ptr::null_mut(), size, rights, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: page-aligned, zeroed, never unmapped, and used as nothing else.
    Ok(unsafe { &*page.cast::<AtomicU64>() })
}

/// What `launch` starts.
pub(crate) struct Launch<'a> {
    /// The program, by its path, and its arguments. It gets no environment but PATH.
    pub(crate) command: &'a [CString],
    /// What stdin and stdout are.
    pub(crate) channel: BorrowedFd<'a>,
    /// What stderr is.
    pub(crate) log: BorrowedFd<'a>,
    /// Receives the time of the exec.
    pub(crate) exec_at: &'a AtomicU64,
}

/// chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot, mknod,
/// audit_write, setfcap.
const DOCKER_CAPABILITIES: u64 = 0xa804_25fb;

/// Starts a program as PID 1 of a new PID namespace with its own /proc, as a container engine would: leader of a
/// session without a terminal, no signal ignored. It dies with this process.
pub(crate) fn launch(launch: &Launch<'_>) -> io::Result<Pid> {
    let terminated =
        |strings: &[CString]| -> Vec<_> { strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect() };
    let command = terminated(launch.command);
    let path = [c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
    let environment = terminated(&path);

    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with no stack of its own this is a fork, of a process with one thread.
    match check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } as c_int)? {
        0 => {
            if become_container(launch).is_ok() {
                launch.exec_at.store(now(), Ordering::Release);
                // SAFETY: both arrays end with a null and point to strings that are alive.
                unsafe { libc::execve(command[0], command.as_ptr(), environment.as_ptr()) };
            }
            exit_now(127)
        }
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Becomes a program, with the channel as stdin and stdout, on which the time of the exec comes first. Returns only why not.
pub(crate) fn become_stamped(channel: BorrowedFd<'_>, command: &[CString]) -> io::Error {
    let argv: Vec<_> = command.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect();
    let stamped = || -> io::Result<()> {
        // SAFETY: plain calls; the descriptor is open, and the buffer outlives the call that reads it.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            check(libc::dup2(channel.as_raw_fd(), libc::STDIN_FILENO))?;
            check(libc::dup2(channel.as_raw_fd(), libc::STDOUT_FILENO))?;
            let time = now();
            let timespec = [time / 1_000_000_000, time % 1_000_000_000].map(u64::to_ne_bytes);
            let bytes = timespec.as_flattened();
            check(libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) as c_int)?;
            check(libc::execv(argv[0], argv.as_ptr())).map(drop)
        }
    };
    stamped().err().unwrap_or_else(|| io::Error::other("nothing to execute"))
}

fn become_container(launch: &Launch<'_>) -> io::Result<()> {
    let (none, proc) = (ptr::null(), c"proc".as_ptr());
    // SAFETY: plain calls; every pointer is null where the kernel wants none, or a constant string.
    unsafe {
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        check(libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, ptr::null()))?;
        check(libc::mount(proc, c"/proc".as_ptr(), proc, 0, ptr::null()))?;
        check(libc::setsid())?;
        // std ignores it, and exec would keep it so.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        check(libc::dup2(launch.channel.as_raw_fd(), libc::STDIN_FILENO))?;
        check(libc::dup2(launch.channel.as_raw_fd(), libc::STDOUT_FILENO))?;
        check(libc::dup2(launch.log.as_raw_fd(), libc::STDERR_FILENO))?;
        // With what docker leaves to root in a container, not with everything: how much there is to drop decides what a
        // privilege drop costs. Numbers that the kernel does not know are no loss.
        for capability in (0..64).filter(|number| DOCKER_CAPABILITIES & 1 << number == 0) {
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
    }
    Ok(())
}

/// A descriptor that becomes readable when the process ends: nix's waitpid has no timeout.
pub(crate) fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the kernel opens it close-on-exec.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) } as c_int)?;
    // SAFETY: new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Drops a file from the page cache, as far as it has been written to the disk.
pub(crate) fn forget_pages(file: &File) -> io::Result<()> {
    // SAFETY: no memory is touched.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Leaves an orphan that exits at once, for PID 1 to reap.
pub(crate) fn orphan() -> io::Result<()> {
    let fork = || {
        // SAFETY: the process has one thread.
        check(unsafe { libc::fork() })
    };
    match fork()? {
        0 => {
            // Parent and orphan both go here and now: nothing of this program is run twice.
            exit_now(fork().is_err().into())
        }
        parent => {
            let mut status = 0;
            // SAFETY: the pointer is to an int that outlives the call.
            check(unsafe { libc::waitpid(parent, &raw mut status, 0) })?;
            if status == 0 { Ok(()) } else { Err(io::Error::other("could not fork the orphan")) }
        }
    }
}

fn exit_now(code: c_int) -> ! {
    // SAFETY: runs nothing of this process; it is the right end for a child that shares its parent's buffers.
    unsafe { libc::_exit(code) }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
