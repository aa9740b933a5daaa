//! Annotations in a log of GitHub Actions: `::error file=Dockerfile,line=3,title=…::…`.

use super::{Report, Severity};
use std::fmt::Write;

pub(super) fn show(report: &Report) -> String {
    report.findings.iter().fold(String::new(), |mut text, finding| {
        let kind = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let place = &finding.place;
        let _ = write!(text, "::{kind} file={}", escape(&place.file, true));
        if place.line > 0 {
            let _ = write!(text, ",line={}", place.line);
        }
        let title = format!("{}: {}", finding.rule.id, finding.rule.title);
        let message = format!("{}. Fix: {}", finding.evidence, finding.mend);
        let _ = writeln!(text, ",title={}::{}", escape(&title, true), escape(&message, false));
        text
    })
}

/// As the runner reads it: properties end at commas and colons, a message does not.
fn escape(text: &str, property: bool) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            ':' if property => escaped.push_str("%3A"),
            ',' if property => escaped.push_str("%2C"),
            c => escaped.push(c),
        }
        escaped
    })
}
