//! A rehearsal told: for people, for machines, and as a page for a colleague. Pure, but for the notes.

pub(super) mod json;
pub(super) mod page;
pub(super) mod text;

use super::outcome::Run;
use crate::config::Rehearsal;

/// Something to know, on stderr.
pub(super) fn note(text: &str) {
    crate::log::say_raw(&format!("goward: {text}\n"));
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
    let took = run.stop_ms().map_or(String::new(), |ms| format!("it stopped in {}", time(ms)));
    let answered = run.before.completed + run.after.completed;
    (true, if answered > 0 { format!("{took}, with all {answered} requests answered") } else { took })
}

/// `12 ms`, `9.5 s`
fn time(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}
