//! `--user` and `--groups` in this container: reads what [`accounts::resolve`] decides on.

use super::accounts::{self, Accounts, Groups, Identity, Refusal};
use super::id_map::{Kind, Map, OVERFLOW};
use crate::sys::file::{described, read_small};
use nix::unistd::{Gid, getegid, getgroups};
use std::io::ErrorKind;
use std::path::Path;

/// As much of passwd(5) and group(5) is read: some 15,000 users.
const MOST: u64 = 1 << 20;

/// Who the server will be, and what should be logged of that.
///
/// # Errors
/// A sentence for the user, and which of the two options it is about.
pub fn lookup(spec: &str, groups: &Groups) -> Result<(Identity, Option<String>), Refusal> {
    let given = if *groups == Groups::Usual { given() } else { Vec::new() };
    // One file less to read before the server starts.
    let needed = accounts::needs_group_file(spec, groups, &given);
    let group = if needed { read("/etc/group") } else { Ok(String::new()) };
    accounts::resolve(spec, groups, &Accounts { passwd: read("/etc/passwd"), group, given })
}

/// The groups that goward was started with, less 0 and its own primary group: docker and containerd put that among them.
fn given() -> Vec<u32> {
    // What cannot be read is not known to be the container's; whether it could be dropped is seen later.
    let mut given: Vec<u32> = getgroups().unwrap_or_default().into_iter().map(Gid::as_raw).collect();
    given.retain(|gid| *gid != 0);
    if !given.is_empty() {
        let primary = getegid().as_raw();
        given.retain(|gid| *gid != primary);
    }
    // It may stand for a group of the host that has no number here, and cannot be asked for.
    if given.contains(&OVERFLOW) && !Map::read(Kind::Group).is_some_and(|map| map.is_whole()) {
        given.retain(|gid| *gid != OVERFLOW);
    }
    given
}

/// Files that are missing are empty: a scratch image has neither. A pipe or a device in their place holds nothing up.
fn read(path: &str) -> Result<String, String> {
    match read_small(Path::new(path), MOST) {
        Ok(bytes) => {
            Ok(String::from_utf8(bytes).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("{path}: {}", described(&error))),
    }
}
