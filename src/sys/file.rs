//! Files that somebody else names: a pipe or a device there must not hold anything up. And files as PID 1 reads and
//! writes them: without std, which tries a call that was interrupted again without end.

use super::uninterrupted;
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether this is a pipe or a socket whose other end has gone: what is written there is for nobody.
pub fn nobody_reads(fd: &impl AsFd) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    let gone =
        |fd: &PollFd<'_>| fd.revents().is_some_and(|seen| seen.intersects(PollFlags::POLLERR | PollFlags::POLLHUP));
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1)) && fds.first().is_some_and(gone)
}

/// Opens it for reading, if it is a regular file.
///
/// # Errors
/// Those of stat and open, and what is no regular file.
pub fn regular(path: &Path) -> io::Result<File> {
    open_regular(path).map(|(file, _)| file)
}

fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let other = || io::Error::other("not a regular file");
    // Opening some devices does something; and what is a file now may be a pipe when it is opened.
    if !fs::metadata(path)?.is_file() {
        return Err(other());
    }
    let file = File::from(open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?);
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(other()) }
}

/// Reads a regular file that has at most this many bytes.
///
/// # Errors
/// Those of [`regular`] and of read, and what is larger.
pub fn read_small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let larger = || io::Error::other(format!("larger than {most} bytes"));
    let (file, size) = open_regular(path)?;
    if size > most {
        return Err(larger());
    }
    // One more is the end, seen without growing. A file of /proc has no size, and any file may grow: what is read counts.
    let mut bytes = Vec::with_capacity(size as usize + 1);
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(larger()) } else { Ok(bytes) }
}

/// Opens it for writing at its end, if it is a regular file that has this one name; made if it is missing, for goward's user
/// alone. Where strangers can write to the directory they could have put a link in its place, or something that does not come
/// back from a write. Links on the way to it are followed: `/var/run` is one in most images.
///
/// # Errors
/// Why not, for the user.
pub fn append_or_create(path: &Path) -> Result<File, &'static str> {
    append(path, OFlag::O_CREAT)
}

/// The same for what is there already.
///
/// # Errors
/// Why not, for the user.
pub fn append_to_existing(path: &Path) -> Result<File, &'static str> {
    append(path, OFlag::empty())
}

fn append(path: &Path, create: OFlag) -> Result<File, &'static str> {
    // Opening some devices does something. What is a file now may be something else when it is opened, so both are looked at.
    match fs::symlink_metadata(path) {
        Ok(meta) => one_regular_file(&meta)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(reason(&error)),
    }
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let opened = uninterrupted(|| nix::fcntl::open(path, flags | OFlag::O_CLOEXEC | create, mode));
    let file = File::from(opened.map_err(|errno| reason(&errno.into()))?);
    one_regular_file(&file.metadata().map_err(|error| reason(&error))?)?;
    Ok(file)
}

fn one_regular_file(meta: &Metadata) -> Result<(), &'static str> {
    let kind = meta.file_type();
    if kind.is_symlink() {
        Err("it is a symbolic link, which is not followed")
    } else if kind.is_dir() {
        Err(Errno::EISDIR.desc())
    } else if !kind.is_file() {
        Err("it is not a regular file")
    } else if meta.nlink() > 1 {
        Err("it has other names (hard links), and may be somebody else's")
    } else {
        Ok(())
    }
}

/// What went wrong, in the words of the C library.
pub fn reason(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ELOOP) => "it is a symbolic link, which is not followed",
        Some(errno) => errno.desc(),
        None => "it cannot be used",
    }
}

/// An error in the words of the C library, without its number.
pub fn described(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |errno| Errno::from_raw(errno).desc().to_owned())
}

/// Opens a file, with O_CLOEXEC; none is made.
///
/// # Errors
/// As open(2).
pub fn open(path: &(impl NixPath + ?Sized), flags: OFlag) -> nix::Result<OwnedFd> {
    uninterrupted(|| nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, Mode::empty()))
}

/// The first bytes of a small file (of /proc, say), `most` at most.
///
/// # Errors
/// As open(2) and read(2).
pub fn read(path: &str, most: usize) -> nix::Result<Vec<u8>> {
    let fd = open(path, OFlag::O_RDONLY)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while bytes.len() < most {
        match uninterrupted(|| nix::unistd::read(&fd, &mut buffer))? {
            0 => break,
            length => bytes.extend_from_slice(buffer.get(..length.min(most - bytes.len())).unwrap_or_default()),
        }
    }
    Ok(bytes)
}

/// A file as std's buffered readers take it. These read again when a read was interrupted, without end; here that is an
/// error after a few times.
#[derive(Debug)]
pub struct Reader(OwnedFd);

impl Reader {
    /// Opens it for reading.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(path: &(impl NixPath + ?Sized)) -> nix::Result<Reader> {
        open(path, OFlag::O_RDONLY).map(Reader)
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| nix::unistd::read(&self.0, buffer)).map_err(|errno| match errno {
            Errno::EINTR => io::Error::other(errno.desc()),
            errno => errno.into(),
        })
    }
}

/// Fills the buffer from this place in the file.
///
/// # Errors
/// As pread(2); EIO where the file ends before.
pub fn read_exact_at(fd: impl AsFd, buffer: &mut [u8], offset: u64) -> nix::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.checked_add(filled as u64).and_then(|at| i64::try_from(at).ok()).ok_or(Errno::EINVAL)?;
        match uninterrupted(|| nix::sys::uio::pread(&fd, rest, at))? {
            0 => return Err(Errno::EIO),
            length => filled += length,
        }
    }
    Ok(())
}

/// What one read gives at this place in the file.
///
/// # Errors
/// As pread(2).
pub fn read_some_at(fd: impl AsFd, buffer: &mut [u8], offset: u64) -> nix::Result<usize> {
    // The highest addresses are no offsets of a file, and nothing that a program has.
    let offset = i64::try_from(offset).map_err(|_| Errno::EINVAL)?;
    uninterrupted(|| nix::sys::uio::pread(&fd, buffer, offset))
}

/// All of a file from its beginning, up to `most` bytes, however often it is read.
///
/// # Errors
/// As pread(2).
pub fn read_all(fd: impl AsFd, most: usize) -> nix::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while bytes.len() < most {
        match read_some_at(&fd, &mut buffer, bytes.len() as u64)? {
            0 => break,
            length => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
        }
    }
    Ok(bytes)
}

/// Makes a file this long.
///
/// # Errors
/// As ftruncate(2).
pub fn truncate(fd: impl AsFd, length: i64) -> nix::Result<()> {
    uninterrupted(|| nix::unistd::ftruncate(&fd, length))
}

/// Writes all of it.
///
/// # Errors
/// As write(2); EIO where it takes nothing.
pub fn write_all(fd: impl AsFd, bytes: &[u8]) -> nix::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match uninterrupted(|| nix::unistd::write(&fd, rest))? {
            0 => return Err(Errno::EIO),
            written => rest = rest.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_file_that_is_not_small_is_refused() {
        let path = std::env::temp_dir().join(format!("goward-small-{}", std::process::id()));
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read_small(&path, 5).unwrap(), b"12345");
        assert_eq!(read_small(&path, 4).unwrap_err().to_string(), "larger than 4 bytes");
        // Sparse: it takes no room, and must not be read.
        File::options().write(true).open(&path).unwrap().set_len(10 << 30).unwrap();
        assert!(read_small(&path, 1 << 20).is_err());
        fs::remove_file(&path).unwrap();
        // Of unknown size.
        assert!(!read_small(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
        assert!(read_small(Path::new("/proc/self/status"), 10).is_err());
    }

    #[test]
    fn pipes_and_devices_are_refused() {
        assert!(regular(Path::new("/proc/self/exe")).is_ok());
        for path in ["/dev/zero", "/", "/none"] {
            assert!(regular(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn only_one_regular_file_is_written_to() {
        let base = std::env::temp_dir().join(format!("goward-append-{}", std::process::id()));
        fs::create_dir_all(&base).unwrap();
        let at = |name: &str| base.join(name);
        let why = |name: &str| append_or_create(&at(name)).map(drop).unwrap_err();
        let mut made = append_or_create(&at("made")).unwrap();
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        made.write_all(b"one").unwrap();
        append_or_create(&at("made")).unwrap().write_all(b"two").unwrap();
        append_to_existing(&at("made")).unwrap().write_all(b"three").unwrap();
        assert_eq!(fs::read_to_string(at("made")).unwrap(), "onetwothree");
        assert!(append_to_existing(&at("missing")).is_err() && !at("missing").exists());
        // Links, whole or broken; in the middle of the way they are followed.
        symlink(at("made"), at("link")).unwrap();
        symlink(at("nowhere"), at("broken")).unwrap();
        assert!(why("link").contains("symbolic link") && why("broken").contains("symbolic link"));
        assert!(!at("nowhere").exists());
        symlink(&base, at("way")).unwrap();
        assert!(append_or_create(&at("way/made")).is_ok());
        fs::hard_link(at("made"), at("second")).unwrap();
        assert!(why("made").contains("hard links") && why("second").contains("hard links"));
        fs::remove_file(at("second")).unwrap();
        assert!(append_or_create(&at("made")).is_ok());
        // With a reader and without.
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(why("fifo").contains("not a regular file"));
        let _reader = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(at("fifo")).unwrap();
        assert!(why("fifo").contains("not a regular file"));
        let _listener = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert!(why("socket").contains("not a regular file"));
        assert_eq!(why("."), "Is a directory");
        for device in ["/dev/null", "/dev/zero", "/dev/tty"] {
            assert_eq!(append_or_create(Path::new(device)).map(drop), Err("it is not a regular file"), "{device}");
        }
        for link in ["/dev/stderr", "/dev/stdout", "/proc/self/fd/2"] {
            assert!(append_or_create(Path::new(link)).is_err_and(|why| why.contains("symbolic link")), "{link}");
        }
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn no_more_is_read_than_was_asked_for() {
        assert_eq!(read("/dev/zero", 3000), Ok(vec![0; 3000]));
        let own = fs::read("/proc/self/exe").unwrap();
        assert!(read("/proc/self/exe", usize::MAX).unwrap() == own);
        assert_eq!(read("/none", 1), Err(Errno::ENOENT));
        assert_eq!(read("/", 1), Err(Errno::EISDIR));
    }

    #[test]
    fn a_piece_is_read_whole_or_it_is_an_error() {
        let own = fs::read("/proc/self/exe").unwrap();
        let file = open("/proc/self/exe", OFlag::O_RDONLY).unwrap();
        let mut buffer = [0; 100];
        read_exact_at(&file, &mut buffer, 1000).unwrap();
        assert_eq!(buffer, own[1000..1100]);
        assert_eq!(read_exact_at(&file, &mut buffer, own.len() as u64 - 50), Err(Errno::EIO));
        assert_eq!(read_exact_at(&file, &mut buffer, u64::MAX - 1), Err(Errno::EINVAL));
        assert_eq!(read_exact_at(&file, &mut [], u64::MAX), Ok(()));
    }

    #[test]
    fn all_is_written_or_it_is_an_error() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        write_all(&writer, b"all of it").unwrap();
        let mut buffer = [0; 20];
        assert_eq!(nix::unistd::read(&reader, &mut buffer), Ok(9));
        assert_eq!(write_all(open("/dev/full", OFlag::O_WRONLY).unwrap(), b"x"), Err(Errno::ENOSPC));
    }
}
