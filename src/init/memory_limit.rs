//! `--go-env` has told Go's runtime of the memory limit as it was at the start, and Go never asks again. The limit may change
//! while the server runs (Kubernetes' in-place resize, `docker update`): then it is said, once.
//!
//! The kernel announces a write to the file of the limit (inotify), so that nothing is looked at while nothing happens. Where
//! it does not (a sandbox), it is looked at when goward is awake for somebody: a probe, a notification, `goward status`.

use super::Init;
use super::personality::Note;
use crate::goenv;
use crate::sys::{file, signal_io};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::{AsFd, AsRawFd};

/// More than any file of a control group has.
const FEW_LINES: usize = 64 * 1024;

/// What the server was told, and what would be right.
pub(super) struct MemoryLimit {
    /// The server's GOMEMLIMIT, in bytes.
    told: u64,
    /// What it should be now; none where there is no limit any more.
    right: Option<u64>,
    watch: Option<Inotify>,
}

impl MemoryLimit {
    /// `told`: the GOMEMLIMIT that goward has set.
    pub(super) fn new(told: u64) -> MemoryLimit {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        if let Some(watch) = &watch {
            for path in goenv::memory_files(&read) {
                let _ = watch.add_watch(path.as_str(), AddWatchFlags::IN_MODIFY);
            }
            let _ = signal_io::announce(&watch.as_fd().as_raw_fd());
        }
        MemoryLimit { told, right: Some(told), watch }
    }

    /// Looks at the limit. True: it has changed since it was last looked at.
    fn look(&mut self) -> bool {
        if let Some(watch) = &self.watch {
            let _ = watch.read_events();
        }
        let now = goenv::memory_limit(&read);
        std::mem::replace(&mut self.right, now) != now
    }

    /// What is to be said, where the server's GOMEMLIMIT is not what it should be.
    pub(super) fn stale(&self) -> Option<String> {
        let of_limit = match self.right {
            Some(right) if right == self.told => return None,
            Some(right) => format!("90 % of the new one is {} ({right})", size(right)),
            None => "there is no limit any more".to_owned(),
        };
        let told = self.told;
        Some(format!(
            "the memory limit has changed: the server's GOMEMLIMIT is {} ({told}), and {of_limit}; restart the server to apply it",
            size(told)
        ))
    }

    /// What the next server is told.
    pub(super) fn tell(&mut self) -> Option<u64> {
        self.look();
        self.told = self.right?;
        self.right
    }
}

fn read(path: &str) -> Option<String> {
    String::from_utf8(file::read(path, FEW_LINES).ok()?).ok()
}

/// `858 MiB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

impl Init {
    /// Where the limit has changed, says so.
    pub(super) fn look_at_memory_limit(&mut self) {
        let Some(limit) = self.memory_limit.as_mut() else { return };
        let text = if limit.look() { limit.stale() } else { None };
        if let Some(text) = text {
            self.say(Note::Warning(&text));
        }
    }
}
