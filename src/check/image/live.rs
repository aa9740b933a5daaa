//! A directory as an image's root: `/` inside a build, or `--rootfs`. Links are followed by `tree`, never by the kernel, so
//! that they stay inside.

use super::tree::{Content, Entry, Kind, Tree, join, parts};
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

    /// Where that is, if no link leads there. A path here has none in it; but a name that is no UTF-8 may look like that of
    /// a link beside it.
    fn at(&self, path: &str) -> Option<PathBuf> {
        let mut here = self.root.clone();
        // The root itself may be given as a link.
        let mut link = false;
        for part in parts(path) {
            if link {
                return None;
            }
            here.push(part);
            link = here.is_symlink();
        }
        Some(here)
    }
}

/// Where something is mounted; nothing where that cannot be told.
fn mounts() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect()
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
        let at = self.at(path)?;
        let meta = if path == "/" { fs::metadata(&at) } else { fs::symlink_metadata(&at) };
        meta.ok().map(|meta| entry(&at, &meta))
    }

    fn open(&self, path: &str) -> Option<Box<dyn Content + '_>> {
        let path = self.at(path).filter(|path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()))?;
        Some(Box::new(file::regular(&path).ok()?))
    }

    fn walk(&self, from: &str, each: &mut dyn FnMut(&str, &Entry)) -> Vec<String> {
        // What is mounted (/proc, /dev, what a build brings along) is not of the image. Of an overlay's files the device may
        // be another one than that of its directories.
        let root = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        let device = fs::metadata(&root).map(|meta| meta.dev()).unwrap_or_default();
        let mounts = mounts();
        let above = root.to_string_lossy().trim_end_matches('/').len();
        let shown = |path: &Path| join("/", path.to_string_lossy().get(above + 1..).unwrap_or_default());
        let start = root.join(from.trim_start_matches('/'));
        let is_ours = |meta: Metadata| meta.is_dir() && meta.dev() == device;
        if self.at(from).is_none() || !fs::symlink_metadata(&start).is_ok_and(is_ours) {
            return Vec::new();
        }
        let mut closed = Vec::new();
        let mut open = vec![start];
        let mut count = 0;
        while let Some(directory) = open.pop() {
            #[allow(clippy::disallowed_methods, reason = "this command ends with its findings; PID 1 never comes here")]
            let Ok(entries) = fs::read_dir(&directory) else {
                closed.push(shown(&directory));
                continue;
            };
            for found in entries.flatten() {
                let path = found.path();
                let Ok(meta) = found.metadata() else {
                    closed.push(shown(&path));
                    continue;
                };
                count += 1;
                if count > MOST
                    || meta.dev() != device
                        && (meta.is_dir() || mounts.iter().any(|mount| path.as_os_str() == mount.as_str()))
                {
                    continue;
                }
                let entry = entry(&path, &meta);
                each(&shown(&path), &entry);
                if entry.kind == Kind::Directory {
                    open.push(path);
                }
            }
        }
        closed
    }

    fn is_live(&self) -> bool {
        self.live
    }
}
