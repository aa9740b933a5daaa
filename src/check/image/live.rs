//! A directory as an image's root: `/` inside a build, or `--rootfs`. Links are followed by `tree`, never by the kernel, so
//! that they stay inside.

use super::tree::{Content, Entry, Kind, Tree, join};
use crate::sys::file;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The directory.
pub(crate) struct Live {
    root: PathBuf,
    live: bool,
}

/// More files are no image's.
const MOST: u64 = 2_000_000;

impl Live {
    pub(crate) fn new(root: Option<&Path>) -> Live {
        Live { root: root.unwrap_or(Path::new("/")).to_owned(), live: root.is_none() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

fn entry(path: &Path, meta: &Metadata) -> Entry {
    let kind = match meta.file_type() {
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_file() => Kind::File,
        kind if kind.is_symlink() => Kind::Link(fs::read_link(path).unwrap_or_default().to_string_lossy().into_owned()),
        _ => Kind::Other,
    };
    Entry { kind, mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid(), size: meta.size(), layer: None }
}

impl Content for File {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool {
        self.read_exact_at(buffer, offset).is_ok()
    }
}

impl Tree for Live {
    fn entry(&self, path: &str) -> Option<Entry> {
        let path = self.at(path);
        // The root itself may be given as a link.
        let meta = if path == self.root { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
        meta.ok().map(|meta| entry(&path, &meta))
    }

    fn open(&self, path: &str) -> Option<Box<dyn Content + '_>> {
        let file = file::regular(&self.at(path)).ok()?;
        Some(Box::new(file))
    }

    fn walk(&self, each: &mut dyn FnMut(&str, &Entry)) {
        // What is mounted (/proc, /dev, what a build brings along) is not of the image.
        let device = fs::metadata(&self.root).map(|meta| meta.dev()).unwrap_or_default();
        let mut open = vec!["/".to_owned()];
        let mut count = 0;
        while let Some(directory) = open.pop() {
            let Ok(entries) = fs::read_dir(self.at(&directory)) else { continue };
            for found in entries.flatten() {
                let path = join(&directory, &found.file_name().to_string_lossy());
                let Ok(meta) = found.metadata() else { continue };
                count += 1;
                if meta.dev() != device || count > MOST {
                    continue;
                }
                let entry = entry(&found.path(), &meta);
                each(&path, &entry);
                if entry.kind == Kind::Directory {
                    open.push(path);
                }
            }
        }
    }

    fn is_live(&self) -> bool {
        self.live
    }
}
