//! A test that cannot run on this machine says so, and is counted; where CI is set it fails instead.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

/// Says that this test, or a part of it, is skipped, and why. The answer is always false, so that it can stand in a condition:
/// `is_there || skipped("…")`.
///
/// `make test` counts what was skipped: it names a file in SKIPPED_TESTS, and each test appends a line to it, with the suite,
/// the test, and the reason.
pub(crate) fn skipped(why: &str) -> bool {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!ci, "{why}, and in CI nothing is skipped");
    let thread = std::thread::current();
    // The test harness names the thread of a test after it.
    let (suite, test) = (env!("CARGO_CRATE_NAME"), thread.name().unwrap_or("(a thread of some test)"));
    let line = format!("{suite}\t{test}\t{}\n", why.trim().replace(['\n', '\t'], " "));
    if !SAID.lock().unwrap_or_else(|e| e.into_inner()).insert(line.clone()) {
        return false; // A test of many cases says it once.
    }
    // Not with eprintln: what a test prints that passes is kept by the test harness.
    _ = write!(std::io::stderr(), "SKIPPED {}", line.replace('\t', ": "));
    if let Some(path) = std::env::var_os("SKIPPED_TESTS") {
        let mut file = File::options().create(true).append(true).open(path).expect("the file of SKIPPED_TESTS");
        file.write_all(line.as_bytes()).expect("room in it"); // One write: other suites append too.
    }
    false
}

/// Where a tool is, as a shell would find it.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|directory| directory.join(tool)).find(|path| path.is_file())
}

/// Whether the tool is there. If not the test is skipped, or fails where CI is set.
pub(crate) fn requires(tool: &str) -> bool {
    find(tool).is_some() || skipped(&format!("{tool} is missing"))
}
