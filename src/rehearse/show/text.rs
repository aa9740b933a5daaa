//! For people, on a terminal or in a log of CI.

use super::{program, verdict};
use crate::config::Rehearsal;
use crate::goroutines::{Style, table};
use crate::rehearse::outcome::{Column, Counts, GoroutineDump, Run, histogram, moment_time, spread, time, worst};
use std::fmt::Write;

/// So many places of a kind are told of.
const SHOWN: usize = 6;
/// The longest bar of a distribution.
const BAR: u64 = 40;

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
        let _ = writeln!(text, "\nstop time: min {least}, median {middle}, max {most}");
    }
    let columns = histogram(runs);
    let tallest = columns.iter().map(|column| column.count).max().unwrap_or(1);
    for Column { from, to, count } in columns {
        let bar = "#".repeat((count * BAR).div_ceil(tallest) as usize);
        let line = format!("{:>9} to {:>7}  {count:>4}  {bar}", time(from), time(to));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if failed == 0 {
        let _ = writeln!(text, "PASS  {} rehearsals", runs.len());
        return;
    }
    let _ = writeln!(text, "FAIL  {failed} of {} rehearsals", runs.len());
}

/// One in detail.
pub(super) fn details_of(run: &Run, plan: &Rehearsal) -> String {
    let mut text = String::new();
    details(&mut text, run, plan);
    text
}

fn details(text: &mut String, run: &Run, plan: &Rehearsal) {
    let _ = writeln!(text, "\n{}: {}\n", program(plan), run.beginning());
    for moment in run.moments(plan) {
        let _ = writeln!(text, "{:>9}  {}", moment_time(moment.ms), moment.what);
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
    waits(text, run);
    leaks(text, run);
    text.push('\n');
    for dump in &run.dumps {
        goroutines(text, dump);
    }
    for advice in run.advice(plan) {
        let _ = writeln!(text, "=> {advice}\n");
    }
}

/// Where the server's own code was during the stop: what held it up, and what was there beside.
fn waits(text: &mut String, run: &Run) {
    let waited = run.waited();
    for (named, heading) in [(true, "what the stop waited for"), (false, "its own code that was there meanwhile")] {
        let mut these = waited.iter().filter(|one| one.held_up == named).peekable();
        if these.peek().is_some() {
            let _ = writeln!(text, "\n{heading} ({} samples)", run.waits.looks);
        }
        for one in these.by_ref().take(SHOWN) {
            let _ = writeln!(text, "    {}", one.sentence);
        }
        match these.count() {
            0 => {}
            more => _ = writeln!(text, "    and {more} more"),
        }
    }
    if let Some(why) = &run.waits.failed {
        let _ = writeln!(text, "\nwhat the stop waited for was not seen: {why}");
    }
}

fn leaks(text: &mut String, run: &Run) {
    let Some(leaks) = run.leaks.as_ref().filter(|leaks| leaks.failed.is_none()) else { return };
    let _ = writeln!(text, "\n{}", leaks.heading());
    for leak in &leaks.found {
        let place = leak
            .place()
            .map_or("(no stack)".to_owned(), |place| format!("{}  {}:{}", place.function, place.file, place.line));
        let _ = writeln!(text, "+{} × {}  {place}", leak.grown(), leak.group.state);
        for more in leak.more() {
            let _ = writeln!(text, "    {more}");
        }
    }
}

fn goroutines(text: &mut String, dump: &GoroutineDump) {
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
