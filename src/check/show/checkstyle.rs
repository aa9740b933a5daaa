//! Checkstyle's XML, which Jenkins, reviewdog and editors read.

use super::{Report, Severity};
use std::collections::BTreeSet;
use std::fmt::Write;

pub(super) fn show(report: &Report) -> String {
    let mut files = BTreeSet::new();
    files.extend(report.findings.iter().map(|finding| finding.place.file.as_str()));
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"4.3\">\n".to_owned();
    for file in files {
        let _ = writeln!(text, "  <file name=\"{}\">", escape(file));
        for finding in report.findings.iter().filter(|finding| finding.place.file == file) {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "info",
            };
            let message = escape(&format!("{}. Fix: {}", finding.evidence, finding.mend));
            let (line, id) = (finding.place.line, finding.rule.id);
            let _ = writeln!(
                text,
                "    <error line=\"{line}\" severity=\"{severity}\" message=\"{message}\" source=\"goward.{id}\"/>"
            );
        }
        text.push_str("  </file>\n");
    }
    text + "</checkstyle>\n"
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
        escaped
    })
}
