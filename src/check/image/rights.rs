//! What a user may do, by owner, group and mode. Pure. Capabilities and access lists are not looked at: images have none.

use super::tree::{Entry, Kind, Lost, Resolved, Tree, resolve, text};
use crate::privilege::accounts::{self, Accounts, Groups, Refusal};

/// Somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// From /etc/passwd.
    pub(crate) home: Option<String>,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Read = 4,
    Write = 2,
    Execute = 1,
}

impl Subject {
    /// From `USER` or `--user`, with the image's own passwd and group. Strictly: as goward's own `--user` has it.
    ///
    /// # Errors
    /// A sentence: the name does not exist.
    pub(crate) fn of(spec: &str, strict: bool, tree: &dyn Tree) -> Result<Subject, String> {
        let (passwd, group) = (text(tree, "/etc/passwd"), text(tree, "/etc/group"));
        // Docker takes 7: for 7, and puts a number without an entry into the group of root.
        let spec = if strict { spec } else { spec.strip_suffix(':').unwrap_or(spec) };
        let known = |uid: &str| passwd.lines().any(|line| line.split(':').nth(2) == Some(uid));
        let number = !spec.is_empty() && spec.bytes().all(|byte| byte.is_ascii_digit());
        let group_of_root = if number && !strict && !known(spec) { ":0" } else { "" };
        let spec = [spec, group_of_root].concat();
        let accounts = Accounts { passwd: Ok(passwd.clone()), group: Ok(group.clone()), given: Vec::new() };
        let resolved = accounts::resolve(&spec, &Groups::Usual, &accounts);
        let (whole, _) = resolved.map_err(Refusal::why)?;
        let entry = known(&whole.uid.to_string());
        let home = entry.then_some(whole.home);
        Ok(Subject { uid: whole.uid, gid: whole.gid, groups: whole.groups, home })
    }

    pub(crate) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the mode allows it.
    pub(crate) fn may(&self, want: Want, entry: &Entry) -> bool {
        if self.is_root() {
            return want != Want::Execute || entry.kind == Kind::Directory || entry.mode & 0o111 != 0;
        }
        let bits = if entry.uid == self.uid {
            entry.mode >> 6
        } else if entry.gid == self.gid || self.groups.contains(&entry.gid) {
            entry.mode >> 3
        } else {
            entry.mode
        };
        bits & want as u32 != 0
    }

    /// The first directory on the way that is closed to it.
    pub(crate) fn stopped_at<'a>(&self, way: &'a Resolved) -> Option<&'a (String, Entry)> {
        way.passed.iter().find(|(_, entry)| !self.may(Want::Execute, entry))
    }

    /// How it is called in a sentence.
    pub(crate) fn name(&self) -> String {
        format!("uid {}, gid {}", self.uid, self.gid)
    }
}

/// Why somebody cannot write into a directory.
pub(crate) fn cannot_write(subject: &Subject, directory: &str, tree: &dyn Tree) -> Option<String> {
    let way = match resolve(tree, directory) {
        Ok(way) => way,
        Err(Lost::Missing(path, _)) => return Some(format!("{path} does not exist")),
        Err(Lost::NotDirectory(path)) => return Some(format!("{path} is not a directory")),
        Err(Lost::Circle) => return Some("its links go round in a circle".to_owned()),
    };
    if let Some((closed, entry)) = subject.stopped_at(&way) {
        return Some(format!("{} may not enter {closed} ({})", subject.name(), look(entry)));
    }
    if way.entry.kind != Kind::Directory {
        return Some("it is not a directory".to_owned());
    }
    let writes = subject.may(Want::Write, &way.entry) && subject.may(Want::Execute, &way.entry);
    (!writes).then(|| format!("{} may not write there ({})", subject.name(), look(&way.entry)))
}

/// Owner and mode, for a sentence.
pub(crate) fn look(entry: &Entry) -> String {
    format!("owner {}:{}, mode {:04o}", entry.uid, entry.gid, entry.mode)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::Toy;
    use super::*;

    #[test]
    fn owner_group_and_others() {
        let mut toy = Toy::new(&["/etc", "/data"]);
        toy.put("/etc/passwd", Kind::File, 0o644, 0, b"app:x:10:20::/home/app:\n");
        toy.put("/etc/group", Kind::File, 0o644, 0, b"logs:x:7:app\n");
        toy.put("/closed", Kind::Directory, 0o700, 0, b"");
        toy.put("/closed/data", Kind::Directory, 0o777, 0, b"");
        toy.put("/own", Kind::Directory, 0o700, 10, b"");
        toy.put("/group", Kind::Directory, 0o070, 7, b"");
        let app = Subject::of("app", true, &toy).unwrap();
        assert_eq!(
            (app.uid, app.gid, app.groups.as_slice(), app.home.as_deref()),
            (10, 20, [7].as_slice(), Some("/home/app"))
        );
        for spec in ["65532", "65532:"] {
            let docker = Subject::of(spec, false, &toy).unwrap();
            assert_eq!(docker, Subject { uid: 65532, ..Subject::default() });
            assert!(Subject::of(spec, true, &toy).is_err(), "{spec}");
        }
        assert_eq!(Subject::of("app:", false, &toy).unwrap().groups, [7]);
        assert!(Subject::of("nobody", false, &toy).is_err() && Subject::of(":", false, &toy).is_err());
        for (path, said) in [
            ("/data", "may not write"),
            ("/closed/data", "may not enter /closed"),
            ("/none", "/none does not exist"),
            ("/etc/passwd", "not a directory"),
        ] {
            assert!(cannot_write(&app, path, &toy).unwrap().contains(said), "{path}");
        }
        assert_eq!(cannot_write(&app, "/own", &toy), None);
        assert_eq!(cannot_write(&app, "/group", &toy), None);
        // Of the owner only the owner's bits count.
        let seven = Subject { uid: 7, gid: 7, ..Subject::default() };
        assert!(cannot_write(&seven, "/group", &toy).is_some());
        assert_eq!(cannot_write(&Subject::default(), "/closed/data", &toy), None);
    }
}
