//! For people, on a terminal or in a log of CI.

use super::{program, time, verdict};
use crate::config::Rehearsal;
use crate::goroutines::{Style, table};
use crate::rehearse::outcome::{Counts, Dump, Run, spread, worst};
use std::fmt::Write;

/// One rehearsal of several.
pub(in crate::rehearse) fn line(run: &Run, plan: &Rehearsal, number: u32) -> String {
    let (good, why) = verdict(run, plan);
    format!("{number:>4} of {}  {}  {why}\n", plan.repeat, word(good))
}

/// All of them; of several the worst in detail.
pub(in crate::rehearse) fn all(runs: &[Run], plan: &Rehearsal) -> String {
    let Some(shown) = worst(runs, plan) else { return String::new() };
    let mut text = String::new();
    let failed = runs.iter().filter(|run| !run.faults(plan).is_empty()).count();
    if !plan.quiet && (runs.len() == 1 || failed > 0) {
        if runs.len() > 1 {
            text.push_str("\nThe worst of them:\n");
        }
        details(&mut text, shown, plan);
    }
    if runs.len() == 1 {
        let (good, why) = verdict(shown, plan);
        let _ = writeln!(text, "{}  {why}", word(good));
    } else {
        several(&mut text, runs, failed);
    }
    text
}

fn several(text: &mut String, runs: &[Run], failed: usize) {
    if let Some([least, middle, most]) = spread(runs) {
        let (least, middle, most) = (time(least), time(middle), time(most));
        let _ = writeln!(text, "\nstop time: {least} at least, {middle} in the middle, {most} at most");
    }
    if failed == 0 {
        let _ = writeln!(text, "PASS  {} rehearsals", runs.len());
        return;
    }
    let _ = writeln!(text, "FAIL  {failed} of {} rehearsals", runs.len());
}

fn details(text: &mut String, run: &Run, plan: &Rehearsal) {
    let _ = writeln!(text, "\n{}: {}\n", program(plan), run.beginning());
    for moment in run.moments(plan) {
        let _ = writeln!(text, "{:>9}  {}", time(moment.ms), moment.what);
    }
    if !plan.load.is_empty() {
        text.push_str("\nrequests           completed  failed     cut\n");
        for (when, counts) in [("before the signal", run.before), ("after it", run.after)] {
            let Counts { completed, failed, cut, rejected: _ } = counts;
            let _ = writeln!(text, "{when:<17}  {completed:>9}  {failed:>6}  {cut:>6}");
        }
        for example in &run.examples {
            let _ = writeln!(text, "    {}", example.sentence());
        }
    }
    let told = run.told(plan);
    if !told.is_empty() {
        text.push('\n');
    }
    for line in told {
        let _ = writeln!(text, "{line}");
    }
    text.push('\n');
    for dump in &run.dumps {
        goroutines(text, dump);
    }
}

fn goroutines(text: &mut String, dump: &Dump) {
    text.push_str(&table(&dump.summary, &dump.findings, &Style::default()));
    for (place, line) in dump
        .findings
        .iter()
        .zip(&dump.lines)
        .filter_map(|(finding, line)| Some((finding.place.as_ref()?, line.as_ref()?)))
    {
        let _ = writeln!(text, "\n{}:{}\n    {line}", place.file, place.line);
    }
    text.push('\n');
}

fn word(good: bool) -> &'static str {
    if good { "PASS" } else { "FAIL" }
}
