//! What is handed over to the server's user: `--own DIR`, a directory that is made if it is missing, and `--own-stdio`. Only
//! what is surely the container's own is handed over. Symbolic links are not followed, anywhere in a path: whoever can write
//! to a volume must not be able to choose what root hands over.

use crate::sys::terminal;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat, mkdirat};
use nix::unistd::{Gid, Uid, fchown, fchownat, geteuid};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path};

/// The directory itself is handed over, not what is in it: a large volume would hold up the start for minutes.
pub(super) fn own_directory(path: &Path, uid: u32, gid: u32) -> Result<(), String> {
    let fail = |errno: Errno| match errno {
        Errno::ELOOP | Errno::ENOTDIR => {
            format!(
                "--own {}: part of the path is not a directory, or is a symbolic link (never followed)",
                path.display()
            )
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
                return Err(format!("--own {}: remove '..' from the path", path.display()));
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
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    fchownat(&directory, "", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH).map_err(fail)
}

/// O_PATH: to hand a directory over takes no right to read it. Root in a container may be without CAP_DAC_OVERRIDE, and the
/// directory another's with mode 0700.
fn enter(at: Option<&OwnedFd>, name: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
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

/// What becomes of one of the standard descriptors.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is the container's own, and goes to the user.
    HandedOver,
    /// It is the user's already, or nothing that could be opened by its name: a socket. Or a file, or /dev/null, which belong to
    /// others and are opened by the rights that they have.
    LeftAlone,
    /// It is somebody else's, and the user should hear that.
    Stays(String),
}

/// `--own-stdio`: the pipes and terminals on 0 to 2 that were made for this container go to the user, so that it can open
/// /dev/stdout. Their group stays, as with `docker run --user`. Returns what was not handed over, and why.
pub(super) fn own_stdio(uid: u32) -> Result<Vec<String>, String> {
    let own = geteuid().as_raw();
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut notes: Vec<(Vec<&str>, String)> = Vec::new();
    for (name, fd) in [("stdin", stdin.as_fd()), ("stdout", stdout.as_fd()), ("stderr", stderr.as_fd())] {
        // A closed one is nobody's.
        let Ok(stat) = fstat(fd) else { continue };
        let number = fd.as_raw_fd();
        match fate(&stat, own, uid, &|| has_a_name(number), &|| terminal::is_terminal(number)) {
            Fate::HandedOver => fchown(fd, Some(Uid::from_raw(uid)), None)
                .map_err(|errno| format!("--own-stdio: cannot hand over {name}: {}", errno.desc()))?,
            Fate::LeftAlone => {}
            Fate::Stays(why) => match notes.iter_mut().find(|(_, other)| *other == why) {
                Some((names, _)) => names.push(name),
                None => notes.push((vec![name], why)),
            },
        }
    }
    let say = |(names, why): (Vec<&str>, String)| format!("--own-stdio: {} not handed over: {why}", names.join(", "));
    Ok(notes.into_iter().map(say).collect())
}

/// `own` is goward's uid, `user` the server's.
fn fate(stat: &FileStat, own: u32, user: u32, has_a_name: &dyn Fn() -> bool, is_terminal: &dyn Fn() -> bool) -> Fate {
    let stays = |why: &str| Fate::Stays(why.to_owned());
    let owner = stat.st_uid;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFIFO | libc::S_IFCHR if owner == user => Fate::LeftAlone,
        libc::S_IFIFO if owner == own && has_a_name() => stays("a named pipe, which others may use too"),
        libc::S_IFCHR if !is_own_terminal(stat.st_rdev) => {
            if is_terminal() {
                stays("a terminal of the machine, not one made for this container")
            } else {
                Fate::LeftAlone
            }
        }
        libc::S_IFIFO | libc::S_IFCHR if owner == own => Fate::HandedOver,
        libc::S_IFIFO | libc::S_IFCHR => Fate::Stays(format!("it belongs to uid {owner}")),
        _ => Fate::LeftAlone,
    }
}

/// Unix98 terminals have the majors 136 to 143, and /dev/console is 5:1, see devices.txt of the kernel. Its neighbours are
/// everybody's: 5:0 /dev/tty, 5:2 /dev/ptmx.
fn is_own_terminal(device: libc::dev_t) -> bool {
    matches!((libc::major(device), libc::minor(device)), (136..=143, _) | (5, 1))
}

/// Whether this pipe was opened from a file system: a FIFO, perhaps on a volume. Without /proc it cannot be told; there is no
/// way to open /dev/stdout then either. (Not by fstatfs(2): gVisor has none for pipes from outside.)
fn has_a_name(fd: i32) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{fd}")).map_or(true, |name| name.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Somebody who can write to the volume puts a link in the place of the directory, over and over.
    #[test]
    fn a_race_hands_over_nothing_else() {
        if !geteuid().is_root() {
            return;
        }
        let base = std::env::temp_dir().join(format!("goward-own-race-{}", std::process::id()));
        let (victim, place, link) = (base.join("victim"), base.join("place"), base.join("link"));
        std::fs::create_dir_all(&victim).unwrap();
        let end = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    let _ = symlink(&victim, &link);
                    let _ = std::fs::remove_dir(&place);
                    let _ = std::fs::rename(&link, &place);
                    let _ = std::fs::remove_file(&place);
                }
            });
            let (mut handed_over, mut refused) = (0, 0);
            // On a busy machine the other thread may hardly run.
            for _ in 0..1_000_000 {
                if handed_over + refused >= 4000 && handed_over > 0 && refused > 0 {
                    break;
                }
                match own_directory(&place, 65532, 65532) {
                    Ok(()) => handed_over += 1,
                    Err(_) => refused += 1,
                }
            }
            end.store(true, Ordering::Relaxed);
            assert!(handed_over > 0 && refused > 0, "there was no race: {handed_over} and {refused}");
        });
        assert_eq!(std::fs::metadata(&victim).unwrap().uid(), 0);
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn only_the_containers_own_stdio_is_handed_over() {
        let of = |mode: u32, owner: u32, device: (u32, u32)| {
            let mut stat = fstat(std::fs::File::open("/").unwrap()).unwrap();
            (stat.st_mode, stat.st_uid, stat.st_rdev) = (mode, owner, libc::makedev(device.0, device.1));
            stat
        };
        let fate = |stat: FileStat, name: bool, terminal: bool| fate(&stat, 0, 65532, &|| name, &|| terminal);
        let pipe = |owner, name| fate(of(libc::S_IFIFO | 0o600, owner, (0, 0)), name, false);
        let device = |owner, device| fate(of(libc::S_IFCHR | 0o620, owner, device), true, device != (1, 3));
        assert_eq!(pipe(0, false), Fate::HandedOver);
        assert_eq!((pipe(65532, false), pipe(65532, true)), (Fate::LeftAlone, Fate::LeftAlone));
        assert_eq!(pipe(1000, false), Fate::Stays("it belongs to uid 1000".to_owned()));
        assert_eq!(pipe(1000, true), Fate::Stays("it belongs to uid 1000".to_owned()));
        assert!(matches!(pipe(0, true), Fate::Stays(_)));
        for own in [(136, 0), (143, 255), (5, 1)] {
            assert_eq!(device(0, own), Fate::HandedOver, "{own:?}");
            assert_eq!(device(65532, own), Fate::LeftAlone, "{own:?}");
            assert!(matches!(device(1000, own), Fate::Stays(_)), "{own:?}");
        }
        // tty1, ttyS0, /dev/tty, /dev/ptmx, /dev/ttyprintk, a master's side.
        for other in [(4, 1), (4, 64), (5, 0), (5, 2), (5, 3), (128, 0), (144, 0)] {
            assert!(matches!(device(0, other), Fate::Stays(_)), "{other:?}");
        }
        assert_eq!(device(0, (1, 3)), Fate::LeftAlone, "/dev/null");
        for kind in [libc::S_IFREG, libc::S_IFSOCK, libc::S_IFDIR, libc::S_IFBLK] {
            assert_eq!(fate(of(kind | 0o644, 0, (136, 0)), false, false), Fate::LeftAlone, "{kind:o}");
        }
    }
}
