//! A rehearsal told: for people, for machines, and as a page for a colleague. Pure, but for the notes.

pub(super) mod json;
pub(super) mod junit;
pub(super) mod page;
pub(super) mod text;
mod timeline;

use super::outcome::{Run, time};
use crate::config::Rehearsal;

/// Something to know, on stderr.
pub(super) fn note(text: &str) {
    crate::log::say_raw(&format!("goward: {text}\n"));
}

/// Appends a text so that neither a browser nor a reader of XML takes anything in it for markup.
fn escape(to: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            '\n' | '\t' => to.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => to.push('\u{fffd}'),
            c => to.push(c),
        }
    }
}

/// The command as it was given.
fn program(plan: &Rehearsal) -> String {
    let words: Vec<_> = plan.settings.argv.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// One line: whether it was good, and why not.
fn verdict(run: &Run, plan: &Rehearsal) -> (bool, String) {
    let faults = run.faults(plan);
    if !faults.is_empty() {
        return (false, faults.join("; "));
    }
    let leaks = run.leaks.as_ref().map(|leaks| format!("no goroutine leaked in {} requests", leaks.requests()));
    if let Some(leaks) = leaks.as_ref().filter(|_| !plan.judges_stop()) {
        return (true, leaks.clone());
    }
    let mut told = run.stop_ms().map_or(String::new(), |ms| format!("it stopped in {}", time(ms)));
    if let Some(held) = run.drain_ms() {
        told.push_str(&format!(" after {} of --drain", time(held)));
    }
    let answered = run.before.completed + run.after.completed;
    if answered > 0 {
        told.push_str(&format!(", with all {answered} requests answered"));
    }
    if let Some(leaks) = leaks {
        told.push_str(&format!("; {leaks}"));
    }
    (true, told)
}
