//! Files that somebody else names: a pipe or a device there must not hold anything up.

use nix::fcntl::OFlag;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens it for reading, if it is a regular file.
///
/// # Errors
/// Those of stat and open, and what is no regular file.
pub fn regular(path: &Path) -> io::Result<File> {
    let other = || io::Error::other("no regular file");
    // Opening some devices does something; and what is a file now may be a pipe when it is opened.
    if !fs::metadata(path)?.is_file() {
        return Err(other());
    }
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(other()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_and_devices_are_refused() {
        assert!(regular(Path::new("/proc/self/exe")).is_ok());
        for path in ["/dev/zero", "/", "/none"] {
            assert!(regular(Path::new(path)).is_err(), "{path}");
        }
    }
}
