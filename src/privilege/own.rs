//! `--own DIR`: a directory that belongs to the server's user, made if it is missing. Symbolic links are not followed,
//! anywhere in the path: whoever can write to a volume must not be able to choose what root hands over.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{Gid, Uid, fchown};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

/// The directory itself is handed over, not what is in it: a large volume would hold up the start for minutes.
pub(super) fn own_directory(path: &Path, uid: u32, gid: u32) -> Result<(), String> {
    let fail = |errno: Errno| match errno {
        Errno::ELOOP | Errno::ENOTDIR => {
            format!("--own {}: a part of it is no directory, or a symbolic link, which is not followed", path.display())
        }
        errno => format!("--own {}: {}", path.display(), errno.desc()),
    };
    let mut at: Option<OwnedFd> = None;
    for part in path.components() {
        let name: &Path = match &part {
            Component::RootDir => Path::new("/"),
            Component::CurDir => continue,
            Component::Normal(name) => Path::new(name),
            Component::ParentDir | Component::Prefix(_) => {
                return Err(format!("--own {}: give it without '..'", path.display()));
            }
        };
        at = Some(enter(at.as_ref(), name).map_err(fail)?);
    }
    let directory = at.ok_or_else(|| format!("--own {}: it names no directory", path.display()))?;
    let stat = fstat(&directory).map_err(fail)?;
    // Already so, perhaps on a read-only file system, perhaps without the right to change it: nothing to do.
    if (stat.st_uid, stat.st_gid) == (uid, gid) {
        return Ok(());
    }
    fchown(&directory, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(fail)
}

fn enter(at: Option<&OwnedFd>, name: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = || match at {
        Some(directory) => openat(directory, name, flags, Mode::empty()),
        None => openat(AT_FDCWD, name, flags, Mode::empty()),
    };
    match open() {
        Err(Errno::ENOENT) => {
            let mode = Mode::from_bits_truncate(0o755);
            let made = match at {
                Some(directory) => mkdirat(directory, name, mode),
                None => mkdirat(AT_FDCWD, name, mode),
            };
            match made {
                // Another container on the same volume was faster.
                Ok(()) | Err(Errno::EEXIST) => open(),
                Err(errno) => Err(errno),
            }
        }
        result => result,
    }
}

/// `--own-stdio`: pipes and terminals on 0 to 2 go to the user, so that it can open /dev/stdout. /dev/null and files
/// belong to others; a closed one is nobody's.
pub(super) fn own_stdio(uid: u32, gid: u32) -> Result<(), String> {
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for (name, fd) in [("stdin", stdin.as_fd()), ("stdout", stdout.as_fd()), ("stderr", stderr.as_fd())] {
        let Ok(stat) = fstat(fd) else { continue };
        let kind = stat.st_mode & libc::S_IFMT;
        // Unix98 terminals have the majors 136 to 143, /dev/console is 5:1.
        let major = libc::major(stat.st_rdev);
        let terminal = kind == libc::S_IFCHR && ((136..=143).contains(&major) || major == 5);
        if kind == libc::S_IFIFO || terminal {
            fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                .map_err(|errno| format!("--own-stdio: cannot hand over {name}: {}", errno.desc()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn directories_are_made_and_links_are_not_followed() {
        let base = std::env::temp_dir().join(format!("goward-own-{}", std::process::id()));
        std::fs::create_dir_all(base.join("elsewhere")).unwrap();
        symlink(base.join("elsewhere"), base.join("link")).unwrap();
        let me = std::fs::metadata(&base).unwrap();
        let own = |path: &Path| own_directory(path, me.uid(), me.gid());
        assert_eq!(own(&base.join("a/b/c")), Ok(()));
        assert!(base.join("a/b/c").is_dir());
        assert!(own(&base.join("link")).unwrap_err().contains("symbolic link"));
        assert!(own(&base.join("link/inner")).unwrap_err().contains("symbolic link"));
        assert!(own(&base.join("a/../b")).unwrap_err().contains("'..'"));
        assert!(!base.join("elsewhere/inner").exists());
        std::fs::remove_dir_all(&base).unwrap();
    }
}
