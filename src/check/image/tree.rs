//! An image's files, wherever they are: in a directory, or in the layers of an archive. Pure but for what implements [`Tree`].

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// A symbolic link, and where to.
    Link(String),
    /// A device, a pipe, a socket.
    Other,
}

/// What is known of it without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Permissions, with set-uid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// The layer that brought it, from 1.
    pub(crate) layer: Option<u32>,
}

/// A file's bytes, wherever they come from.
pub(crate) trait Content {
    /// Fills the buffer from this offset, whole; false if that cannot be.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool;
}

impl Content for Vec<u8> {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let part = usize::try_from(offset).ok().and_then(|start| self.get(start..)?.get(..buffer.len()));
        part.is_some_and(|part| {
            buffer.copy_from_slice(part);
            true
        })
    }
}

/// The files of an image. Paths are absolute, without `.`, `..`, doubled slashes or links in them.
pub(crate) trait Tree {
    /// What is there, not following a link.
    fn entry(&self, path: &str) -> Option<Entry>;
    /// Its bytes.
    fn open(&self, path: &str) -> Option<Box<dyn Content + '_>>;
    /// Its beginning: what was kept of it, or read now.
    fn head(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        bytes_of(self.open(path)?, self.entry(path)?.size.min(most))
    }
    /// Every path below a directory, with what is there. What comes back are directories that whoever asks may not enter.
    fn walk(&self, from: &str, each: &mut dyn FnMut(&str, &Entry)) -> Vec<String>;
    /// The image runs here and now: the runtime has put its own files in already.
    fn is_live(&self) -> bool;
}

/// A path, followed to its end.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// Without links.
    pub(crate) path: String,
    pub(crate) entry: Entry,
    /// The directories on the way, links of the way included.
    pub(crate) passed: Vec<(String, Entry)>,
}

/// Why it leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// This is not there; where a link led there, the link.
    Missing(String, Option<String>),
    /// A file where a directory should be.
    NotDirectory(String),
    /// Links that go round in a circle.
    Circle,
}

/// Follows a path inside the tree, as the kernel would with it as its root.
pub(crate) fn resolve(tree: &dyn Tree, path: &str) -> Result<Resolved, Lost> {
    let mut rest: Vec<String> = parts(path).rev().collect();
    let mut here = "/".to_owned();
    let mut passed = Vec::new();
    let mut entry = tree.entry("/").ok_or_else(|| Lost::Missing("/".to_owned(), None))?;
    let mut links = 0;
    let mut last_link = None;
    while let Some(part) = rest.pop() {
        if entry.kind != Kind::Directory {
            return Err(Lost::NotDirectory(here));
        }
        passed.push((here.clone(), entry.clone()));
        if part == ".." {
            here.truncate(here.rfind('/').unwrap_or(0));
            if here.is_empty() {
                here.push('/');
            }
            entry = tree.entry(&here).ok_or_else(|| Lost::Missing(here.clone(), None))?;
            continue;
        }
        let next = join(&here, &part);
        let found = tree.entry(&next).ok_or_else(|| Lost::Missing(next.clone(), last_link.clone()))?;
        let Kind::Link(target) = &found.kind else {
            (here, entry) = (next, found);
            continue;
        };
        links += 1;
        if links > 40 {
            return Err(Lost::Circle);
        }
        last_link = Some(next);
        if target.starts_with('/') {
            here = "/".to_owned();
            entry = tree.entry("/").ok_or(Lost::Circle)?;
        }
        rest.extend(parts(target).rev());
    }
    Ok(Resolved { path: here, entry, passed })
}

/// Its names, in order.
pub(super) fn parts(path: &str) -> std::iter::Map<impl DoubleEndedIterator<Item = &str>, fn(&str) -> String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned)
}

/// A name in a directory.
pub(crate) fn join(directory: &str, name: &str) -> String {
    [directory.trim_end_matches('/'), "/", name].concat()
}

/// A small file's text; empty where there is none.
pub(crate) fn text(tree: &dyn Tree, path: &str) -> String {
    bytes(tree, path, 1 << 20).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A file's bytes, at most so many.
fn bytes(tree: &dyn Tree, path: &str, most: u64) -> Option<Vec<u8>> {
    let found = resolve(tree, path).ok()?;
    (found.entry.kind == Kind::File).then(|| tree.head(&found.path, most))?
}

fn bytes_of(content: Box<dyn Content + '_>, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    content.fill(0, &mut bytes).then_some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A tree in memory.
    #[derive(Default)]
    pub(crate) struct Toy(pub(crate) BTreeMap<String, (Entry, Vec<u8>)>);

    impl Toy {
        pub(crate) fn put(&mut self, path: &str, kind: Kind, mode: u32, owner: u32, content: &[u8]) {
            let entry = Entry { kind, mode, uid: owner, gid: owner, size: content.len() as u64, layer: None };
            self.0.insert(path.to_owned(), (entry, content.to_vec()));
        }

        pub(crate) fn new(directories: &[&str]) -> Toy {
            let mut toy = Toy::default();
            for path in [&["/"], directories].concat() {
                toy.put(path, Kind::Directory, 0o755, 0, b"");
            }
            toy
        }
    }

    impl Tree for Toy {
        fn entry(&self, path: &str) -> Option<Entry> {
            self.0.get(path).map(|(entry, _)| entry.clone())
        }

        fn open(&self, path: &str) -> Option<Box<dyn Content + '_>> {
            self.0.get(path).map(|(_, content)| Box::new(content.clone()) as Box<dyn Content>)
        }

        fn walk(&self, from: &str, each: &mut dyn FnMut(&str, &Entry)) -> Vec<String> {
            let first = join(from, "");
            let below = self.0.iter().filter(|(path, _)| path.starts_with(&first));
            below.for_each(|(path, (entry, _))| each(path, entry));
            Vec::new()
        }

        fn is_live(&self) -> bool {
            false
        }
    }

    #[test]
    fn links_stay_inside() {
        let mut toy = Toy::new(&["/usr", "/usr/bin", "/etc"]);
        toy.put("/bin", Kind::Link("usr/bin".into()), 0o777, 0, b"");
        toy.put("/usr/bin/sh", Kind::File, 0o755, 0, b"#!");
        toy.put("/etc/up", Kind::Link("../../../../usr/bin/sh".into()), 0o777, 0, b"");
        toy.put("/etc/loop", Kind::Link("/etc/loop".into()), 0o777, 0, b"");
        toy.put("/etc/gone", Kind::Link("/nowhere".into()), 0o777, 0, b"");
        for path in ["/bin/sh", "/etc/up", "//usr/./bin/../bin/sh", "/../bin/sh"] {
            assert_eq!(resolve(&toy, path).unwrap().path, "/usr/bin/sh", "{path}");
        }
        assert_eq!(resolve(&toy, "/etc/loop").unwrap_err(), Lost::Circle);
        assert_eq!(resolve(&toy, "/etc/gone").unwrap_err(), Lost::Missing("/nowhere".into(), Some("/etc/gone".into())));
        assert_eq!(resolve(&toy, "/usr/bin/sh/x").unwrap_err(), Lost::NotDirectory("/usr/bin/sh".into()));
        assert_eq!(text(&toy, "/bin/sh"), "#!");
        assert_eq!(text(&toy, "/bin"), "");
    }
}
