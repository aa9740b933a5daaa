//! Kubernetes' termination log: the container's last message, as `kubectl describe pod` shows it.
//!
//! It gets a sentence only where goward knows more than the end of the log would show. A server that crashed by itself is left
//! alone: with `terminationMessagePolicy: FallbackToLogsOnError` Kubernetes shows its panic, but only if nothing is written here.

use crate::sys::file;
use std::path::Path;

/// Where Kubernetes has it, unless `terminationMessagePath` says otherwise.
pub const DEFAULT: &str = "/dev/termination-log";

/// Writes a line, if there is such a file. The server may have written words of its own: this comes after them.
pub fn tell(path: Option<&Path>, text: &str) {
    let Some(Ok(log)) = path.map(file::append_to_existing) else { return };
    // Not glued to the server's last words.
    let gap = if nix::sys::stat::fstat(&log).is_ok_and(|stat| stat.st_size > 0) { "\n" } else { "" };
    // At once: others may write too.
    let _ = file::write_all(&log, format!("{gap}{}\n", text.trim_end()).as_bytes());
}
