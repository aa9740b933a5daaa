//! For people.

use super::{Report, excerpt};
use crate::check::finding::{Finding, Severity};
use crate::check::fix;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How it looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// With a terminal's colours.
    pub colour: bool,
}

/// Nobody reads more of the same.
const MOST: usize = 5;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const GREEN: &str = "\x1b[32m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

pub(super) fn show(report: &Report, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.wrapped(BOLD, &report.subject, 2);
    for fact in &report.facts {
        page.wrapped(DIM, &format!("  {fact}"), 4);
    }
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    report.findings.iter().for_each(|finding| *all.entry(finding.rule.id).or_default() += 1);
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    // Split once for all findings of a file: together they would be as many as the square of its length.
    let (mut split, mut lines) = ("", Vec::new());
    for finding in &report.findings {
        let source = report.source(finding).unwrap_or_default();
        if !std::ptr::eq(source, split) {
            (split, lines) = (source, source.split('\n').collect());
        }
        let id = finding.rule.id;
        let number = shown.entry(id).or_default();
        *number += 1;
        if *number <= MOST {
            page.finding(finding, &lines);
        }
        let more = all.get(id).map_or(0, |all| all - MOST.min(*all));
        if *number == MOST && more > 0 {
            page.text.push('\n');
            page.wrapped("", &format!("and {more} more of {id} (--format json has all)"), 2);
        }
    }
    page.text.push('\n');
    page.wrapped(BOLD, &sum(report), 0);
    page.text
}

/// `2 errors, 1 warning`
fn sum(report: &Report) -> String {
    let kinds = [Severity::Error, Severity::Warning, Severity::Note];
    let mut parts: Vec<String> = kinds
        .into_iter()
        .map(|severity| (report.count(severity), severity.name()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() {
        parts.push("nothing found".to_owned());
    }
    if report.ignored > 0 {
        parts.push(format!("{} ignored as asked", report.ignored));
    }
    parts.join(", ")
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    /// `lines` are those of the file in which it is, if that can be shown.
    fn finding(&mut self, finding: &Finding, lines: &[&str]) {
        self.text.push('\n');
        let mut place = finding.place.file.clone();
        if finding.place.line > 0 {
            let _ = write!(place, ":{}", finding.place.line);
        }
        if let Some(layer) = finding.place.layer {
            let _ = write!(place, " (layer {layer})");
        }
        let look = match finding.severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
            Severity::Note => CYAN,
        };
        let head = format!("{} {}: {}", finding.severity.name(), finding.rule.id, finding.rule.title);
        self.wrapped(look, &head, 2);
        self.wrapped(DIM, &format!("  at {place}"), 5);
        if let Some((line, under)) = excerpt::lines(lines, &finding.place, self.style.width) {
            self.plain(DIM, &line);
            self.plain(look, &under);
        }
        self.wrapped("", &format!("  {}", finding.evidence), 2);
        self.wrapped("", &format!("  fix: {}", finding.mend), 7);
        for line in fix::of(finding, lines).map(|edit| excerpt::right(&edit, lines)).unwrap_or_default() {
            self.plain(GREEN, &line);
        }
    }

    /// A line as it stands.
    fn plain(&mut self, look: &str, line: &str) {
        let (look, plain) = if self.style.colour { (look, PLAIN) } else { ("", "") };
        let line: String = line.chars().take(self.style.width).collect();
        self.line(look, &line, plain);
    }

    /// Words in lines that fit; all but the first begin in this column.
    fn wrapped(&mut self, look: &str, words: &str, indent: usize) {
        let (look, plain) = if self.style.colour && !look.is_empty() { (look, PLAIN) } else { ("", "") };
        let start = words.len() - words.trim_start().len();
        let mut line = " ".repeat(start);
        let mut empty = true;
        for word in words.split_whitespace() {
            if !empty && line.chars().count() + word.chars().count() > self.style.width {
                self.line(look, line.trim_end(), plain);
                line = " ".repeat(indent);
            }
            line.push_str(word);
            line.push(' ');
            empty = false;
        }
        self.line(look, line.trim_end(), plain);
    }

    fn line(&mut self, look: &str, line: &str, plain: &str) {
        for part in [look, line, plain, "\n"] {
            self.text.push_str(part);
        }
    }
}
