//! What was found, as text for people, JSON, SARIF, or GitHub's annotations. Pure.

mod github;
mod json;
mod sarif;
mod text;

pub use text::Style;

use super::finding::{Finding, Severity};
use super::table::{ALL, Rule};
use std::fmt::Write;

/// All there is to show.
#[derive(Debug, Default)]
pub struct Report {
    /// What was looked at: a Dockerfile, an image, a program.
    pub subject: String,
    /// What is known of it, a line each: nothing is wrong with these.
    pub facts: Vec<String>,
    /// The worst first, and from top to bottom.
    pub findings: Vec<Finding>,
    /// How many were not shown, because that was asked for.
    pub ignored: usize,
}

impl Report {
    /// Whatever comes from a file or an image goes through here, for people and machines alike.
    fn clean(&mut self) {
        let found = self.findings.iter_mut();
        let found = found.flat_map(|finding| [&mut finding.place.file, &mut finding.evidence, &mut finding.mend]);
        for text in found.chain(&mut self.facts).chain([&mut self.subject]) {
            *text = one_line(text);
        }
    }

    /// How many there are of a severity.
    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For code scanning: SARIF 2.1.0.
    Sarif,
    /// Annotations in a log of GitHub Actions.
    Github,
}

/// The report in that form.
pub fn show(mut report: Report, format: Format, style: Style) -> String {
    report.clean();
    match format {
        Format::Text => text::show(&report, style),
        Format::Json => json::show(&report),
        Format::Sarif => sarif::show(&report),
        Format::Github => github::show(&report),
    }
}

/// `--list`
pub(super) fn list() -> String {
    ALL.iter().fold(String::new(), |mut text, rule| {
        let _ = writeln!(text, "{}  {:<7}  {}", rule.id, rule.severity.name(), rule.title);
        text
    })
}

/// `--explain`
pub(super) fn explain(rule: &Rule) -> String {
    let (id, severity, title, help) = (rule.id, rule.severity.name(), rule.title, rule.help);
    format!("{id} ({severity}): {title}\n\n{help}\n\nMore: docs/findings/{id}.md\n")
}

/// What may stand in one line of a terminal or a log: a file's name may hold anything. Nothing that moves a cursor, and
/// nothing that makes a text look as if it were in another order.
pub(super) fn one_line(text: &str) -> String {
    let turns =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c }).collect()
}
