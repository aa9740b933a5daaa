//! Why a program could not be started, in one sentence. For the exec the kernel says ENOENT for a missing program, a missing
//! loader and a missing interpreter alike; the file's own header tells them apart: the sentences about what is in the file are
//! in `exec.rs`.
//!
//! Files are opened for that, and whatever made the exec hang may hang here too: once the server runs, only a helper process
//! may ask why an exec has failed.

use super::child::{directories, search_path};
use super::{Failure, SpawnSpec};
use crate::exec::{self, ReadAt, There, Trouble};
use crate::exit;
use crate::privilege;
use crate::sys::capability::{self, Capability};
use crate::sys::file;
use nix::errno::Errno;
use nix::libc::RLIM_INFINITY;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{AccessFlags, Gid, Uid, access, getuid};
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The exit code and the sentence for a program that could not be started. Opens files of the image only to explain an exec.
pub fn explain(spec: &SpawnSpec<'_>, failure: Failure) -> (u8, String) {
    match failure {
        Failure::Pipe(errno) | Failure::Clone(errno) => (exit::GOWARD_FAILED, no_process(errno)),
        Failure::Stdio(errno) => {
            let why = format!("cannot start a process: cannot set its standard input or output: {}", errno.desc());
            (exit::GOWARD_FAILED, why)
        }
        Failure::Limit(number, errno) => {
            let why = spec.limits.get(number).map_or_else(|| no_process(errno), |limit| limit.refusal(errno));
            (exit::GOWARD_FAILED, why)
        }
        Failure::Directory(errno) => {
            let directory = spec.directory.unwrap_or_default().to_string_lossy();
            (exit::GOWARD_FAILED, format!("{directory}, where goward was started, cannot be entered: {}", errno.desc()))
        }
        Failure::Exec(errno) => {
            let program = spec.argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            of_exec(&program, errno)
        }
    }
}

/// The kernel, or whoever filters its calls, refuses another process: that is nobody's fault but a limit's.
fn no_process(errno: Errno) -> String {
    // fork(2)'s EAGAIN, in the words that people search for.
    let words = if errno == Errno::EAGAIN { "Resource temporarily unavailable" } else { errno.desc() };
    let cause = match (errno, user_limit()) {
        (Errno::EAGAIN, Some((limit, uid))) => &of_user(limit, uid, privilege::ids_are_the_hosts()),
        (Errno::EAGAIN | Errno::ENOMEM, _) => " (a pids or memory limit?)",
        (Errno::EMFILE | Errno::ENFILE, _) => " (a nofile limit?)",
        (Errno::EPERM | Errno::EACCES | Errno::ENOSYS, _) => " (a seccomp profile?)",
        _ => "",
    };
    format!("cannot start a process: {words}{cause}")
}

/// Since Linux 5.14 a user namespace has a count of its own.
fn of_user(limit: u64, uid: Uid, of_host: bool) -> String {
    let others = if of_host { ", whose processes in all containers of this host count" } else { "" };
    format!(" (a pids limit, or RLIMIT_NPROC? It is {limit} for uid {uid}{others})")
}

/// How many processes this user may have, and who that is, if somebody has set that: the host's root has no such limit, the root of a
/// user namespace has, and the kernel gives everybody but the former half of all threads.
fn user_limit() -> Option<(u64, Uid)> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NPROC).ok()?;
    let uid = getuid();
    if limit == RLIM_INFINITY || uid.is_root() && privilege::ids_are_the_hosts() {
        return None;
    }
    let threads = file::read("/proc/sys/kernel/threads-max", 64).ok();
    let threads = threads.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse::<u64>().ok());
    threads.is_none_or(|most| limit < most / 2).then_some((limit, uid))
}

/// What execve said of this program.
fn of_exec(program: &str, errno: Errno) -> (u8, String) {
    match errno {
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => {
            return (exit::GOWARD_FAILED, no_process(errno));
        }
        Errno::E2BIG => {
            return (exit::CANNOT_EXECUTE, format!("{program}: the arguments and the environment are too large"));
        }
        _ => {}
    }
    if program.is_empty() {
        return (exit::NOT_FOUND, "the program's name is empty".to_owned());
    }
    let found = find(program);
    // Whoever is used to `go run`. A name without a slash is looked for in PATH, where no source is.
    if program.ends_with(".go") && found.as_deref().unwrap_or(Path::new(program)).is_file() {
        let why = format!("{program}: Go source, not a program: go build -o server {program}, and name server");
        return (exit::CANNOT_EXECUTE, why);
    }
    let Some(path) = found else {
        return not_in_path(program, errno, &search_path(), std::env::var_os("PATH").is_some());
    };
    let code = if errno == Errno::ENOENT { exit::NOT_FOUND } else { exit::CANNOT_EXECUTE };
    (code, format!("{}: {}", path.display(), reason(&path, errno)))
}

/// A name without a slash that no file in PATH has, as far as this user can see. `path` is where was looked, which is a default
/// where PATH is not set.
fn not_in_path(program: &str, errno: Errno, path: &[u8], is_set: bool) -> (u8, String) {
    let (code, why) = match errno {
        Errno::EACCES => (exit::CANNOT_EXECUTE, "no file in PATH that may be executed"),
        _ => (exit::NOT_FOUND, "not found in PATH"),
    };
    let uid = nix::unistd::geteuid();
    let mut closed: Vec<String> = Vec::new();
    for dir in directories(path).filter(|dir| access(*dir, AccessFlags::X_OK) == Err(Errno::EACCES)) {
        let dir = closed_directory(&Path::new(OsStr::from_bytes(dir)).join(program)).display().to_string();
        if !closed.contains(&dir) {
            closed.push(dir);
        }
    }
    let closed =
        if closed.is_empty() { String::new() } else { format!("; uid {uid} may not enter {}", closed.join(", ")) };
    let path = match String::from_utf8_lossy(path) {
        path if !is_set => format!("PATH is not set: {path}"),
        path if path.is_empty() => "PATH is empty".to_owned(),
        path => path.into_owned(),
    };
    let several = if is_command_line(program) { ": a program and its arguments are separate words" } else { "" };
    (code, format!("{program}: {why} ({path}){closed}{several}"))
}

/// Whether the first word of a name is a program by itself.
fn is_command_line(program: &str) -> bool {
    program.split_once(' ').and_then(|(first, _)| find(first)).is_some_and(|file| file.is_file())
}

/// As execvp looks: a name with a slash is a path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program));
    }
    let path = search_path();
    let files = || directories(&path).map(|dir| Path::new(OsStr::from_bytes(dir)).join(program));
    let executable = |file: &PathBuf| file.is_file() && access(file, AccessFlags::X_OK).is_ok();
    files().find(executable).or_else(|| files().find(|file| file.is_file()))
}

fn reason(path: &Path, errno: Errno) -> String {
    let link = match fs::symlink_metadata(path) {
        Ok(meta) => meta.file_type().is_symlink(),
        Err(error) => return unreachable(path, errno, &error),
    };
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if link && error.kind() == std::io::ErrorKind::NotFound => {
            let target = fs::read_link(path).unwrap_or_default();
            return format!("a symbolic link to {}, which does not exist", target.display());
        }
        Err(error) => return unreachable(path, errno, &error),
    };
    if meta.is_dir() {
        return "a directory, not a program".to_owned();
    }
    let kind = meta.file_type();
    if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
        return "not a regular file".to_owned();
    }
    match errno {
        Errno::EACCES | Errno::EPERM => no_permission(path, &meta, errno),
        Errno::ETXTBSY => "still open for writing (Text file busy)".to_owned(),
        Errno::ELOOP => "too many symbolic links".to_owned(),
        _ => match fs::File::open(path) {
            Ok(file) => content(meta.len(), &mut reader(&file), errno).unwrap_or_else(|| errno.desc().to_owned()),
            Err(error) => format!("{} (and it cannot be read: {})", errno.desc(), file::described(&error)),
        },
    }
}

fn unreachable(path: &Path, errno: Errno, error: &std::io::Error) -> String {
    match Errno::from_raw(error.raw_os_error().unwrap_or(errno as i32)) {
        Errno::ENOENT if is_command_line(&path.to_string_lossy()) => {
            "no such file: a program and its arguments are separate words".to_owned()
        }
        Errno::ENOENT => "no such file".to_owned(),
        Errno::ENOTDIR => "part of the path is a file, not a directory".to_owned(),
        Errno::ELOOP => "a loop of symbolic links".to_owned(),
        Errno::EACCES => {
            let uid = nix::unistd::geteuid();
            format!("uid {uid} may not enter {}", closed_directory(path).display())
        }
        other => other.desc().to_owned(),
    }
}

/// The directory on the way to a file that this user may not enter: the deepest that can be seen.
fn closed_directory(path: &Path) -> PathBuf {
    // Of a path that begins where goward was started, that directory may be the one.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().skip(1).find(|dir| fs::symlink_metadata(dir).is_ok()).unwrap_or(&path).to_owned()
}

fn no_permission(path: &Path, meta: &fs::Metadata, errno: Errno) -> String {
    let mode = mode(meta);
    let uid = nix::unistd::geteuid();
    if mode & 0o111 == 0 {
        return format!("not executable (mode {mode:04o}): chmod +x, or COPY --chmod=0755");
    }
    if let Some(why) = closed_interpreter(path, meta) {
        return why;
    }
    if on_noexec_mount(path) {
        return "on a file system that is mounted noexec".to_owned();
    }
    let lacking = if errno == Errno::EPERM { missing_capabilities(path) } else { 0 };
    if lacking != 0 {
        let names = capability::names(lacking);
        return format!(
            "it has file capabilities that this container does not have, or --user has dropped: {names}; keep them (docker: \
             --cap-add, goward: --keep-cap), or remove them from the file (setcap -r)"
        );
    }
    match allowance(meta) {
        Allowance::Yes => {
            let why = "a security module (AppArmor, SELinux), an access list or a seccomp profile?";
            format!("{}, though its mode {mode:04o} allows it to uid {uid} ({why})", errno.desc())
        }
        Allowance::Perhaps => format!("{}: {} ({})", errno.desc(), UNMAPPED, owner_and_mode(meta)),
        Allowance::No => {
            let (gid, without) = (nix::unistd::getegid(), without_capability(meta));
            format!("uid {uid}, gid {gid}{without} may not execute it ({})", owner_and_mode(meta))
        }
    }
}

const UNMAPPED: &str =
    "its owner or group may not be mapped in this user namespace, and CAP_DAC_OVERRIDE would then not reach it";

/// Why the interpreter of a script, or the loader of a program, cannot be executed, where it is that.
fn closed_interpreter(path: &Path, meta: &fs::Metadata) -> Option<String> {
    let file = fs::File::open(path).ok()?;
    let head = exec::head(meta.len(), &mut reader(&file))?;
    let (which, interpreter) = match exec::script_interpreter(&head) {
        Some(interpreter) => ("a script whose interpreter", interpreter),
        None => ("a program whose loader", exec::loader(&mut reader(&file))?),
    };
    match fs::metadata(&interpreter) {
        Ok(meta) => match allowance(&meta) {
            Allowance::Yes => None,
            Allowance::Perhaps => {
                Some(format!("{which} {interpreter} may not be executable: {UNMAPPED} ({})", owner_and_mode(&meta)))
            }
            Allowance::No => {
                let without = match without_capability(&meta) {
                    "" => String::new(),
                    without => format!(" for uid {}{without}", nix::unistd::geteuid()),
                };
                Some(format!("{which} {interpreter} is not executable{without} ({})", owner_and_mode(&meta)))
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let (uid, closed) = (nix::unistd::geteuid(), closed_directory(Path::new(&interpreter)));
            Some(format!("{which} {interpreter} is in {}, which uid {uid} may not enter", closed.display()))
        }
        Err(_) => None,
    }
}

fn mode(meta: &fs::Metadata) -> u32 {
    meta.permissions().mode() & 0o7777
}

fn owner_and_mode(meta: &fs::Metadata) -> String {
    format!("owner {}:{}, mode {:04o}", meta.uid(), meta.gid(), mode(meta))
}

/// What a file must be given when it is executed, and cannot be: the kernel then refuses it.
fn missing_capabilities(path: &Path) -> u64 {
    let needed = CString::new(path.as_os_str().as_bytes()).ok().and_then(|path| capability::needed_by_file(&path));
    needed.zip(capability::bounding().ok()).map_or(0, |(needed, bounding)| needed & !bounding)
}

/// Whether a file's mode allows somebody to execute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowance {
    No,
    /// Only CAP_DAC_OVERRIDE does, and it cannot be seen whether the kernel lets that count.
    Perhaps,
    Yes,
}

/// Whether its mode allows this process to execute the file. The child that becomes the server has the same credentials.
fn allowance(meta: &fs::Metadata) -> Allowance {
    let groups = nix::unistd::getgroups().unwrap_or_default().into_iter().chain([nix::unistd::getegid()]);
    let owner = nix::unistd::geteuid().as_raw() == meta.uid();
    let group = groups.map(Gid::as_raw).any(|gid| gid == meta.gid());
    let overrides = match (overrides_modes(), privilege::may_be_unmapped(meta.uid(), meta.gid())) {
        (false, _) => Allowance::No,
        (true, true) => Allowance::Perhaps,
        (true, false) => Allowance::Yes,
    };
    allows(mode(meta), overrides, owner, group)
}

/// The same by the mode alone. Root is nobody special here: what it may do is done by CAP_DAC_OVERRIDE, and the kernel lets that count
/// if anybody at all may execute the file; see capabilities(7).
fn allows(mode: u32, overrides: Allowance, owner: bool, group: bool) -> Allowance {
    let bits = match (owner, group) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    match mode & 0o111 {
        0 => Allowance::No,
        any if any & bits != 0 => Allowance::Yes,
        _ => overrides,
    }
}

fn overrides_modes() -> bool {
    let needed = Capability::parse("dac_override").map_or(0, Capability::bit);
    capability::get().is_ok_and(|sets| sets.effective & needed != 0)
}

/// What root lacks to execute a file that its mode does not allow it: everybody expects that it may.
fn without_capability(meta: &fs::Metadata) -> &'static str {
    let helps = mode(meta) & 0o111 != 0 && nix::unistd::geteuid().is_root() && !overrides_modes();
    if helps { " without CAP_DAC_OVERRIDE" } else { "" }
}

/// Whether the mount that holds the path is noexec.
fn on_noexec_mount(path: &Path) -> bool {
    let (Ok(path), Ok(mounts)) = (fs::canonicalize(path), fs::read_to_string("/proc/self/mountinfo")) else {
        return false;
    };
    is_noexec(&path, &mounts)
}

/// The options of the mount that holds the path, from mountinfo; see proc(5).
pub(crate) fn is_noexec(path: &Path, mounts: &str) -> bool {
    let holding = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (point, options) = (fields.nth(4)?, fields.next()?);
        path.starts_with(point).then_some((point.len(), options))
    });
    // The last of equals is the one on top.
    holding.max_by_key(|(length, _)| *length).is_some_and(|(_, options)| options.split(',').any(|o| o == "noexec"))
}

fn reader(file: &fs::File) -> impl FnMut(u64, &mut [u8]) -> bool {
    |offset, buffer| file.read_exact_at(buffer, offset).is_ok()
}

/// What `exec` knows of this file, with the sentence for a kernel that refused it all the same.
fn content(size: u64, read_at: ReadAt<'_>, errno: Errno) -> Option<String> {
    let head = exec::head(size, read_at)?;
    // What the kernel found missing it looked for: it runs programs of that machine, as amd64's does those of 386.
    let machine = exec::machine_in(&head).filter(|_| errno == Errno::ENOENT).unwrap_or(exec::MACHINE);
    let trouble = exec::trouble(&head, size, read_at, machine, &there);
    if let Some(Trouble::OtherMachine(machine)) = trouble {
        let (own, other) = (exec::machine_name(exec::MACHINE), exec::machine_name(machine));
        return Some(format!("built for {other}, but this machine is {own}: build it with GOARCH={own}"));
    }
    if let Some(trouble) = trouble {
        return Some(trouble.to_string());
    }
    if let Some(interpreter) = exec::script_interpreter(&head) {
        return Some(format!("a script whose interpreter {interpreter} cannot be started"));
    }
    let damaged = matches!(errno, Errno::ELIBBAD | Errno::EIO);
    damaged.then(|| "its loader is damaged or built for another architecture".to_owned())
}

fn there(path: &str) -> There {
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => There::Nothing,
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => There::NotExecutable,
        Ok(_) | Err(_) => There::Something,
    }
}

#[cfg(test)]
mod tests {
    use super::super::child::DEFAULT_PATH;
    use super::*;
    use exec::MACHINE;
    use object::elf;
    use proptest::prelude::*;

    fn case(name: &str, bytes: &[u8], mode: u32, errno: Errno) -> (u8, String) {
        let path = std::env::temp_dir().join(format!("goward-exec-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let answer = of_exec(path.to_str().unwrap(), errno);
        fs::remove_file(&path).unwrap();
        answer
    }

    /// A minimal x86-64 ELF with one program header: an interpreter at `offset`.
    fn elf(machine: elf::Machine, interpreter: &[u8]) -> Vec<u8> {
        let mut file = vec![0u8; 120];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[16..18].copy_from_slice(&2u16.to_le_bytes());
        file[18..20].copy_from_slice(&machine.0.to_le_bytes());
        file[20..24].copy_from_slice(&1u32.to_le_bytes());
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        file[52..54].copy_from_slice(&64u16.to_le_bytes());
        file[54..56].copy_from_slice(&56u16.to_le_bytes());
        file[56..58].copy_from_slice(&1u16.to_le_bytes());
        file[64..68].copy_from_slice(&elf::PT_INTERP.0.to_le_bytes());
        file[72..80].copy_from_slice(&120u64.to_le_bytes());
        file[96..104].copy_from_slice(&(interpreter.len() as u64).to_le_bytes());
        file.extend_from_slice(interpreter);
        file
    }

    fn content_of(bytes: &[u8], errno: Errno) -> Option<String> {
        let mut read_at = |offset: u64, buffer: &mut [u8]| {
            let part = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)?.get(..buffer.len()));
            part.is_some_and(|part| {
                buffer.copy_from_slice(part);
                true
            })
        };
        content(bytes.len() as u64, &mut read_at, errno)
    }

    /// As patchelf puts them: at the end.
    #[test]
    fn headers_and_names_may_be_anywhere() {
        let mut file = elf(MACHINE, b"");
        file.resize(100_000, 0);
        let header = file[64..120].to_vec();
        file.extend(header);
        file.extend(b"/lib/ld-none.so.1\0");
        file[32..40].copy_from_slice(&100_000u64.to_le_bytes());
        file[100_008..100_016].copy_from_slice(&100_056u64.to_le_bytes());
        file[100_032..100_040].copy_from_slice(&18u64.to_le_bytes());
        let sentence = content_of(&file, Errno::ENOENT).unwrap();
        assert!(sentence.contains("its loader /lib/ld-none.so.1 is not"), "{sentence}");
    }

    #[test]
    fn each_cause_has_its_sentence() {
        let other = if MACHINE == elf::EM_X86_64 { elf::EM_AARCH64 } else { elf::EM_X86_64 };
        let long = [b"#!".as_slice(), &[b'a'; 300], b"\n"].concat();
        type Case<'a> = (&'a str, Vec<u8>, u32, Errno, u8, &'a str);
        let cases: &[Case<'_>] = &[
            (
                "loader",
                elf(MACHINE, b"/lib/ld-none.so.1\0"),
                0o755,
                Errno::ENOENT,
                127,
                "its loader /lib/ld-none.so.1 is not",
            ),
            ("machine", elf(other, b"/x\0"), 0o755, Errno::ENOEXEC, 126, "GOARCH="),
            // The kernel took it, so its machine is none the matter.
            (
                "32",
                elf(other, b"/lib/ld-none.so.1\0"),
                0o755,
                Errno::ENOENT,
                127,
                "its loader /lib/ld-none.so.1 is not",
            ),
            ("cut", elf(MACHINE, b"/x\0")[..121].to_vec(), 0o755, Errno::ENOEXEC, 126, "truncated"),
            ("short", b"\x7fELF\x02\x01".to_vec(), 0o755, Errno::ENOEXEC, 126, "truncated"),
            (
                "script",
                b"#!/no/such/sh\n".to_vec(),
                0o755,
                Errno::ENOENT,
                127,
                "interpreter /no/such/sh does not exist",
            ),
            ("crlf", b"#!/bin/sh\r\necho\r\n".to_vec(), 0o755, Errno::ENOENT, 127, "Windows line ends"),
            ("bare", b"#!\n".to_vec(), 0o755, Errno::ENOEXEC, 126, "names no interpreter"),
            ("long", long, 0o755, Errno::ENOEXEC, 126, "longer than the kernel reads"),
            ("empty", b"".to_vec(), 0o755, Errno::ENOEXEC, 126, "empty"),
            ("text", b"echo hello\n".to_vec(), 0o755, Errno::ENOEXEC, 126, "neither an ELF program"),
            ("main.go", b"package main\n".to_vec(), 0o644, Errno::EACCES, 126, "Go source, not a program: go build"),
            ("bom", b"\xef\xbb\xbf#!/bin/sh\n".to_vec(), 0o755, Errno::ENOEXEC, 126, "byte order mark"),
            ("mac", b"\xcf\xfa\xed\xfe....".to_vec(), 0o755, Errno::ENOEXEC, 126, "macOS"),
            ("windows", b"MZ......".to_vec(), 0o755, Errno::ENOEXEC, 126, "GOOS=linux"),
            ("mode", b"#!/bin/sh\n".to_vec(), 0o644, Errno::EACCES, 126, "chmod +x"),
            (
                "allowed",
                b"#!/bin/sh\n".to_vec(),
                0o755,
                Errno::EACCES,
                126,
                "Permission denied, though its mode 0755 allows it",
            ),
            (
                "forbidden",
                b"\x7fELF".to_vec(),
                0o755,
                Errno::EPERM,
                126,
                "not permitted, though its mode 0755 allows it",
            ),
            (
                "by-another",
                b"#!/etc/passwd\n".to_vec(),
                0o755,
                Errno::EACCES,
                126,
                "interpreter /etc/passwd is not executable",
            ),
            ("busy", b"#!/bin/sh\n".to_vec(), 0o755, Errno::ETXTBSY, 126, "open for writing"),
        ];
        for (name, bytes, mode, errno, code, wanted) in cases {
            let (got, sentence) = case(name, bytes, *mode, *errno);
            assert_eq!(got, *code, "{name}: {sentence}");
            assert!(sentence.contains(wanted), "{name}: {sentence}");
        }
    }

    #[test]
    fn whose_processes_count() {
        let of = |of_host| of_user(64, Uid::from_raw(65532), of_host);
        let question = " (a pids limit, or RLIMIT_NPROC? It is 64 for uid 65532";
        assert_eq!(of(true), format!("{question}, whose processes in all containers of this host count)"));
        assert_eq!(of(false), format!("{question})"));
    }

    #[test]
    fn whom_a_mode_allows() {
        use Allowance::{No, Perhaps, Yes};
        let us = [(true, false), (true, true), (false, true), (false, false)];
        for (mode, allowed) in [
            (0o755, [Yes; 4]),
            (0o744, [Yes, Yes, No, No]),
            (0o701, [Yes, Yes, No, Yes]),
            (0o070, [No, No, Yes, No]),
            (0o644, [No; 4]),
        ] {
            // Root without the capability is anybody; with it, one bit of the three is enough.
            assert_eq!(us.map(|(owner, group)| allows(mode, No, owner, group)), allowed, "{mode:o}");
            for overrides in [Yes, Perhaps] {
                let instead = |by_mode| if by_mode == No && mode != 0o644 { overrides } else { by_mode };
                let got = us.map(|(owner, group)| allows(mode, overrides, owner, group));
                assert_eq!(got, allowed.map(instead), "{mode:o} {overrides:?}");
            }
        }
    }

    #[test]
    fn paths() {
        assert_eq!(of_exec("/no/such/program", Errno::ENOENT), (127, "/no/such/program: no such file".into()));
        assert!(of_exec("no-such-program", Errno::ENOENT).1.contains("not found in PATH"));
        let nowhere = |path: &[u8], is_set| not_in_path("no-such-program", Errno::ENOENT, path, is_set).1;
        let unset = "no-such-program: not found in PATH (PATH is not set: /usr/local/bin:/bin:/usr/bin)";
        assert_eq!(nowhere(DEFAULT_PATH, false), unset);
        // Near misses: the same path where somebody has set it, a PATH that is set to nothing, and one that is no UTF-8.
        let set = "no-such-program: not found in PATH (/usr/local/bin:/bin:/usr/bin)";
        assert_eq!(nowhere(DEFAULT_PATH, true), set);
        assert_eq!(nowhere(b"", true), "no-such-program: not found in PATH (PATH is empty)");
        assert_eq!(nowhere(b"/\xff:/bin", true), "no-such-program: not found in PATH (/\u{fffd}:/bin)");
        assert_eq!(of_exec("/tmp", Errno::EACCES), (126, "/tmp: a directory, not a program".into()));
        assert!(of_exec("/etc/passwd/x", Errno::ENOTDIR).1.contains("not a directory"));
        assert_eq!(of_exec("", Errno::ENOENT).0, 127);
        assert_eq!(of_exec("/bin/sh", Errno::EAGAIN).0, 125);
    }

    proptest! {
        #[test]
        fn no_file_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), elf: bool) {
            let bytes = if elf { [b"\x7fELF\x02\x01\x01".as_slice(), &bytes].concat() } else { bytes };
            for errno in [Errno::ENOENT, Errno::ENOEXEC, Errno::EIO] {
                let _ = content_of(&bytes, errno);
            }
        }

        #[test]
        fn a_damaged_header_is_no_panic(at in 0usize..140, value: u8, at2 in 0usize..140, value2: u8) {
            let mut bytes = elf(MACHINE, b"/lib/ld-none.so.1\0");
            let length = bytes.len();
            bytes[at % length] = value;
            bytes[at2 % length] = value2;
            let _ = content_of(&bytes, Errno::ENOENT);
        }
    }
}
