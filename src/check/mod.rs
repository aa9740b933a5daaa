//! `goward check`: the faults of Go images, found before they ship; in a Dockerfile, or in the image itself.
//!
//! Here is what reads a Dockerfile and what lies beside it. The rest takes bytes, but for what reads images. The command line
//! and what is printed are in `commands/check/`.

pub(crate) mod buildfile;
pub(crate) mod docker;
mod finding;
pub mod fix;
pub(crate) mod image;
pub(crate) mod launch;
pub mod recipe;
mod show;
mod support;
pub mod table;

pub use docker::Wanted;
pub use finding::{Finding, Severity};
pub use show::{Format, Report, Style, explain, list, one_line, show};

use std::path::Path;

/// The worst first, then from top to bottom. By insertion: std's sort would be 7 KB more.
pub fn arrange(findings: &mut [Finding]) {
    for at in 1..findings.len() {
        let mut to = at;
        while to > 0 && before(&findings[to], &findings[to - 1]) {
            findings.swap(to, to - 1);
            to -= 1;
        }
    }
}

fn before(a: &Finding, b: &Finding) -> bool {
    let key = |finding: &Finding| (std::cmp::Reverse(finding.severity), finding.place.line);
    match key(a).cmp(&key(b)) {
        std::cmp::Ordering::Equal => (&a.place.file, a.rule.id) < (&b.place.file, b.rule.id),
        other => other.is_lt(),
    }
}

/// What is found in a directory that will be the root, or here where none is named.
///
/// # Errors
/// A sentence: there is no such directory, or no such program here.
pub(crate) fn root(directory: Option<&Path>, question: &image::Question<'_>) -> Result<Report, String> {
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return Err(format!("--rootfs {}: no such directory", directory.display()));
    }
    let groups = nix::unistd::getgroups().unwrap_or_default();
    let own = image::Subject {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
        home: None,
    };
    // What is set here holds for what runs here.
    let env: Vec<(String, String)> = match directory {
        None => std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect(),
        Some(_) => Vec::new(),
    };
    image::directory(directory, question, &env, own)
}
