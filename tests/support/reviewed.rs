//! Words that were reviewed: tests/snapshots.

use insta::{Settings, assert_snapshot};

/// Compares the text with that of the last review. What differs from run to run is left open.
pub(crate) fn is_as_reviewed(name: &str, text: &str) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (varies, left_open) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "[now]"),
        (r"\b(pid|child)=\d+", "$1=[pid]"),
        (r"\b(\d+ ms|\d+\.\d+ ?s)\b", "[time]"),
        (r"(_ms)=\d+", "$1=[n]"),
        (r" \(\d+\)", " ([pid])"),
        (r"\b\d+\.\d [KMG]B\b", "[size]"),
        // The version, and the commit where it is known.
        (r"goward \d+\.\d+\.\d+( \([0-9a-f]+\))?", "goward [version]"),
    ] {
        settings.add_filter(varies, left_open);
    }
    settings.bind(|| assert_snapshot!(name, text));
}
