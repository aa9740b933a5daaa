//! What was found, as text for people, JSON, SARIF, GitHub's annotations, GitLab's code quality, or Checkstyle. Pure.

mod checkstyle;
mod excerpt;
mod github;
mod gitlab;
mod json;
mod sarif;
mod text;

pub use text::Style;

use super::finding::{Finding, Severity};
use super::table::{ALL, Rule};
use crate::encoded::printable;
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
    /// The texts of the files that findings are in, by their names.
    pub sources: Vec<(String, String)>,
}

impl Report {
    /// Several in one.
    pub fn add(&mut self, other: Report) {
        let apart = if self.subject.is_empty() { "" } else { ", " };
        self.subject = [&self.subject, apart, &other.subject].concat();
        let of = |fact: String| if apart.is_empty() { fact } else { format!("{}: {fact}", other.subject) };
        self.facts.extend(other.facts.into_iter().map(of));
        // One file may be looked at for several builds.
        for finding in other.findings {
            let same = |known: &Finding| {
                std::ptr::eq(known.rule, finding.rule)
                    && known.place == finding.place
                    && known.evidence == finding.evidence
            };
            if !self.findings.iter().any(same) {
                self.findings.push(finding);
            }
        }
        self.ignored += other.ignored;
        self.sources.extend(other.sources);
    }

    /// The text of the file that a finding is in.
    fn source(&self, finding: &Finding) -> Option<&str> {
        let found = self.sources.iter().find(|(name, _)| *name == finding.place.file);
        found.map(|(_, text)| text.as_str())
    }

    /// Whatever comes from a file or an image goes through here, for people and machines alike.
    fn clean(&mut self) {
        let found = self.findings.iter_mut();
        let found = found.flat_map(|finding| [&mut finding.place.file, &mut finding.evidence, &mut finding.mend]);
        let names = self.sources.iter_mut().map(|(name, _)| name);
        for text in found.chain(&mut self.facts).chain([&mut self.subject]).chain(names) {
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
    /// GitLab's code quality report.
    Gitlab,
    /// Checkstyle's XML.
    Checkstyle,
}

/// The report in that form.
pub fn show(mut report: Report, format: Format, style: Style) -> String {
    report.clean();
    match format {
        Format::Text => text::show(&report, style),
        Format::Json => json::show(&report),
        Format::Sarif => sarif::show(&report),
        Format::Github => github::show(&report),
        Format::Gitlab => gitlab::show(&report),
        Format::Checkstyle => checkstyle::show(&report),
    }
}

/// `--list`
pub fn list() -> String {
    ALL.iter().fold(String::new(), |mut text, rule| {
        let _ = writeln!(text, "{}  {:<7}  {}", rule.id, rule.severity.name(), rule.title);
        text
    })
}

/// `--explain`
pub fn explain(rule: &Rule) -> String {
    let (id, severity, title, help) = (rule.id, rule.severity.name(), rule.title, rule.help);
    format!("{id} ({severity}): {title}\n\n{help}\n\nMore: docs/findings/{id}.md\n")
}

/// What may stand in one line of a terminal or a log: a file's name may hold anything.
pub fn one_line(text: &str) -> String {
    text.chars().map(printable).collect()
}
