//! What a user namespace says of ids, see user_namespaces(7). Read only after something was refused, or where an id is
//! shown that may stand for another one: never on the way of an ordinary start.

use crate::sys::file::read_small;
use std::path::Path;

/// What the kernel shows in place of an id that is not mapped: root of the host, or anybody else. The default of
/// /proc/sys/kernel/overflowuid and overflowgid.
pub(super) const OVERFLOW: u32 = 65534;

/// Which of the two maps of a user namespace is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The map of user ids, `/proc/self/uid_map`.
    User,
    /// The map of group ids, `/proc/self/gid_map`.
    Group,
}

impl Kind {
    /// As in `uid 7`.
    pub(super) fn id(self) -> &'static str {
        match self {
            Kind::User => "uid",
            Kind::Group => "gid",
        }
    }

    /// Where the map is.
    pub(super) fn path(self) -> &'static str {
        match self {
            Kind::User => "/proc/self/uid_map",
            Kind::Group => "/proc/self/gid_map",
        }
    }
}

/// The ids of a namespace that stand for ids outside: first and count.
pub(super) struct Map(Vec<(u64, u64)>);

impl Map {
    /// The map of this process; none where it cannot be read.
    pub(super) fn read(kind: Kind) -> Option<Map> {
        text(kind.path()).map(|text| Map::parse(&text))
    }

    /// Lines of three numbers: the first id inside, the first one outside, how many.
    fn parse(text: &str) -> Map {
        let range = |line: &str| {
            let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().ok());
            Some((numbers.next()??, numbers.nth(1)??))
        };
        Map(text.lines().filter_map(range).collect())
    }

    /// Whether this id has a meaning here.
    pub(super) fn has(&self, id: u32) -> bool {
        let id = u64::from(id);
        self.0.iter().any(|(first, count)| (*first..first.saturating_add(*count)).contains(&id))
    }

    /// Whether every id has one: then no id that is shown stands for another.
    pub(super) fn is_whole(&self) -> bool {
        // 4294967295 is no id. The ranges of a map do not overlap.
        self.0.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count)) >= u64::from(u32::MAX)
    }

    /// Whether it maps nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether one of the two that a file shows as its owner and its group may stand for an id that is not mapped in this user namespace:
/// there no capability counts for the file.
pub fn may_be_unmapped(uid: u32, gid: u32) -> bool {
    let hidden = |kind| Map::read(kind).is_some_and(|map| !map.is_whole());
    (uid == OVERFLOW && hidden(Kind::User)) || (gid == OVERFLOW && hidden(Kind::Group))
}

/// Whether each uid means the same as on the host, as far as that can be seen: there is no user namespace, or none that maps.
pub fn ids_are_the_hosts() -> bool {
    text(Kind::User.path()).is_some_and(|text| is_identity(&text))
}

fn is_identity(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether the namespace forbids setgroups for good: its maps were written without privileges.
pub(super) fn setgroups_denied() -> bool {
    text("/proc/self/setgroups").is_some_and(|text| text.trim() == "deny")
}

/// A map has at most 340 lines.
fn text(path: &str) -> Option<String> {
    read_small(Path::new(path), 64 * 1024).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps() {
        let host = Map::parse("         0          0 4294967295\n");
        assert!(host.is_whole() && host.has(0) && host.has(OVERFLOW) && !host.is_empty());
        // Two halves are a whole.
        assert!(Map::parse("0 0 65536\n65536 65536 4294901759\n").is_whole());
        // What docker's userns-remap and podman write: 65534 is mapped, and may stand for others all the same.
        let usual = Map::parse("0 100000 65536\n");
        assert!(!usual.is_whole() && usual.has(65535) && !usual.has(65536));
        let one = Map::parse("1000 0 1\n");
        assert!(one.has(1000) && !one.has(1001) && !one.has(999) && !one.has(0) && !one.is_whole());
        for text in ["", "nonsense\n", "1 2\n", "0 0 -1\n"] {
            let map = Map::parse(text);
            assert!(map.is_empty() && !map.is_whole() && !map.has(0), "{text:?}");
        }
        assert!(Map::parse("5 0 18446744073709551615\n").has(7));
        assert!(is_identity("         0          0 4294967295\n"));
        for map in ["0 100000 65536\n", "0 0 65536\n", "0 0 65536\n65536 65536 4294901759\n", ""] {
            assert!(!is_identity(map), "{map}");
        }
        assert!(!may_be_unmapped(0, 1000), "the owners are others");
    }
}
