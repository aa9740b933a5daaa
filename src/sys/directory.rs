//! The names in a directory, by getdents64(2). Not by std's ReadDir: it asserts that closedir(3) succeeds, so that a
//! close(2) that fails (a seccomp profile, a disk that cannot write back) would be a panic of PID 1.
#![allow(unsafe_code)]

use super::file;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

/// An open directory, whose entries are read with getdents64(2).
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl Directory {
    /// Opens it, with a descriptor above 2.
    ///
    /// # Errors
    /// As open(2); ENOTDIR for what is no directory.
    pub fn open(path: &str) -> nix::Result<Directory> {
        let fd = file::open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        super::process::above_stdio(fd).map(Directory)
    }

    /// Where [`Directory::read`] goes on; the file system says what the number means.
    ///
    /// # Errors
    /// As lseek(2).
    pub fn seek(&self, to: i64) -> nix::Result<()> {
        // SAFETY: no memory is touched.
        Errno::result(unsafe { libc::lseek64(self.0.as_raw_fd(), to, libc::SEEK_SET) }).map(drop)
    }

    /// The next names, as many as fit; none at the end. `buffer` must have room for one entry: 280 bytes are enough.
    ///
    /// # Errors
    /// As getdents64(2); EIO for an answer that is none.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> nix::Result<Names<'a>> {
        let filled = super::uninterrupted(|| {
            // SAFETY: the kernel fills a buffer of that size.
            let filled =
                unsafe { libc::syscall(libc::SYS_getdents64, self.0.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
            super::check(filled)
        })?;
        usize::try_from(filled).ok().and_then(|filled| Names::of(buffer.get(..filled)?)).ok_or(Errno::EIO)
    }
}

/// Every name in a directory, `.` and `..` too.
///
/// # Errors
/// As [`Directory::open`] and [`Directory::read`]; what was read before has been passed on.
pub fn each_name(path: &str, mut name: impl FnMut(&CStr)) -> nix::Result<()> {
    let directory = Directory::open(path)?;
    let mut buffer = [0; 4096];
    loop {
        let mut names = directory.read(&mut buffer)?.peekable();
        if names.peek().is_none() {
            return Ok(());
        }
        names.for_each(&mut name);
    }
}

/// The names in a piece of a directory.
#[derive(Clone, Debug)]
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// In what getdents64(2) has filled; none if that is not whole entries.
    fn of(filled: &'a [u8]) -> Option<Names<'a>> {
        let mut rest = filled;
        while !rest.is_empty() {
            (_, rest) = split(rest)?;
        }
        Some(Names(filled))
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a CStr;

    fn next(&mut self) -> Option<&'a CStr> {
        let (name, rest) = split(self.0)?;
        self.0 = rest;
        Some(name)
    }
}

/// The name of the first entry, and what comes after that. struct linux_dirent64: inode (8 bytes), offset (8), length of
/// the entry (2), type (1); then the name, which ends with a NUL.
fn split(entries: &[u8]) -> Option<(&CStr, &[u8])> {
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let length = usize::from(u16::from_ne_bytes(entries.get(LENGTH..LENGTH + 2)?.try_into().ok()?));
    let name = CStr::from_bytes_until_nul(entries.get(NAME..length)?).ok()?;
    Some((name, entries.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::CString;

    /// As the kernel writes it.
    fn entry(name: &CStr) -> Vec<u8> {
        let length = (19 + name.to_bytes_with_nul().len()).next_multiple_of(8);
        let mut entry = [[1u8; 16].as_slice(), &(length as u16).to_ne_bytes(), &[8], name.to_bytes_with_nul()].concat();
        entry.resize(length, 0xaa);
        entry
    }

    #[test]
    fn the_same_names_as_std_finds() {
        let base = std::env::temp_dir().join(format!("goward-directory-{}", std::process::id()));
        std::fs::create_dir_all(&base).unwrap();
        // More than one buffer holds.
        for number in 0..300 {
            std::fs::write(base.join(format!("{number}-{}", "x".repeat(number % 200))), "").unwrap();
        }
        let mut found = Vec::new();
        each_name(base.to_str().unwrap(), |name| found.push(name.to_str().unwrap().to_owned())).unwrap();
        found.retain(|name| name != "." && name != "..");
        #[allow(clippy::disallowed_methods, reason = "the other one")]
        let entries = std::fs::read_dir(&base).unwrap();
        let mut wanted: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted);
        std::fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn what_is_no_directory_is_an_error() {
        assert_eq!(Directory::open("/proc/self/exe").unwrap_err(), Errno::ENOTDIR);
        assert_eq!(each_name("/none", |_| ()), Err(Errno::ENOENT));
        let proc = Directory::open("/proc").unwrap();
        assert_eq!(proc.read(&mut [0; 8]).unwrap_err(), Errno::EINVAL);
    }

    #[test]
    fn what_is_not_whole_is_none() {
        let whole = [entry(c"a"), entry(c".."), entry(c"")].concat();
        assert_eq!(Names::of(&whole).unwrap().collect::<Vec<_>>(), [c"a", c"..", c""]);
        assert!(Names::of(&[]).unwrap().next().is_none());
        for cut in (1..whole.len()).filter(|cut| cut % 24 != 0) {
            assert!(Names::of(&whole[..cut]).is_none(), "{cut}");
        }
        // An entry without an end would be read for ever.
        let mut endless = entry(c"a");
        endless[16..18].copy_from_slice(&[0, 0]);
        assert!(Names::of(&endless).is_none());
    }

    proptest! {
        #[test]
        fn names_come_back(names in proptest::collection::vec(proptest::collection::vec(1u8.., 0..256), 0..20)) {
            let names: Vec<_> = names.into_iter().map(|name| CString::new(name).unwrap()).collect();
            let filled: Vec<u8> = names.iter().flat_map(|name| entry(name)).collect();
            let found: Vec<_> = Names::of(&filled).unwrap().map(CStr::to_owned).collect();
            prop_assert_eq!(found, names);
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let whole = Names::of(&bytes).map(Iterator::count);
            prop_assert_eq!(whole.is_some(), Names::of(&bytes).is_some());
            let _ = Names(&bytes).count();
        }
    }
}
