//! The time line of the page: a bar for each thing that lasted, on the scale of the whole stop timeout, and once more on a scale
//! of its own where the stop took a small part of that. The colours are in `page.rs`.

use super::page::Page;
use crate::config::Rehearsal;
use crate::rehearse::outcome::{self, Run, time};
use crate::rehearse::waits::Wait;
use crate::supervisor::{Ladder, Rung};

/// Bars are drawn on a line of this length, whatever the width of the page.
const LENGTH: u64 = 1000;
/// So many places in the server's code have a lane.
const LANES: usize = 8;
/// A stop that takes less than this part of its timeout is drawn on a scale of its own too.
const SMALL: u64 = 3;
/// A scale is never shorter, in milliseconds: a server that ends at once has a picture all the same.
const SHORTEST: u64 = 10;

/// A moment with a name.
struct Mark {
    at: u64,
    name: &'static str,
}

/// From when to when a scale goes, in milliseconds since the stop began: with --drain that is before the signal.
struct Scale {
    whole: u64,
    drain: u64,
    marks: Vec<Mark>,
}

impl Scale {
    fn at(&self, ms: u64) -> u64 {
        ms.min(self.whole) * LENGTH / self.whole.max(1)
    }

    /// The same for a time that is counted from the signal.
    fn since_signal(&self, ms: u64) -> u64 {
        self.at(ms + self.drain)
    }
}

/// A bar, as long as `count` of `most`.
pub(super) fn bar(page: &mut Page, label: &str, count: u64, most: u64) {
    svg(page, label);
    page.raw("<rect height=\"10\" width=\"").number(count * LENGTH / most.max(1)).raw("\"/></svg>");
}

fn svg(page: &mut Page, label: &str) {
    page.raw("<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"").text(label);
    page.raw("\">");
}

/// One thing that lasted.
struct Lane {
    label: String,
    more: String,
    from: u64,
    to: u64,
}

impl Lane {
    fn new(label: impl Into<String>, from: u64, to: u64) -> Lane {
        Lane { label: label.into(), more: String::new(), from, to }
    }

    fn draw(&self, page: &mut Page, scale: &Scale) {
        page.raw("<div class=\"lane\"><span>").text(&self.label);
        if !self.more.is_empty() {
            page.element("small", &self.more);
        }
        page.raw("</span>");
        let (from, to) = (scale.since_signal(self.from), scale.since_signal(self.to));
        svg(page, &format!("{}: from {} to {}", self.label, time(self.from), time(self.to)));
        // Never so short that it cannot be seen.
        page.raw("<rect height=\"10\" x=\"").number(from.min(LENGTH - 4)).raw("\" width=\"");
        page.number((to - from).max(4)).raw("\"/>");
        scale.marks.iter().for_each(|mark| line(page, scale.at(mark.at), ""));
        page.raw("</svg></div>");
    }
}

fn line(page: &mut Page, at: u64, class: &str) {
    page.raw("<line y1=\"0\" y2=\"10\" x1=\"").number(at).raw("\" x2=\"").number(at);
    page.raw(class).raw("\"/>");
}

/// Lost requests, each kind at the moment of its first.
fn lost(page: &mut Page, run: &Run, scale: &Scale) {
    let lost = run.after.cut + run.after.failed;
    if lost == 0 {
        return;
    }
    page.raw("<div class=\"lane\">").element("span", &format!("{lost} lost request{}", outcome::plural(lost)));
    let first: Vec<u64> = run.examples.iter().filter_map(|example| example.ms).collect();
    let told: Vec<String> = first.iter().map(|ms| time(*ms)).collect();
    svg(page, &format!("lost requests, the first of each kind at {}", told.join(", ")));
    first.iter().for_each(|ms| line(page, scale.since_signal(*ms).clamp(2, LENGTH - 2), "\" class=\"lost"));
    page.raw("</svg></div>");
}

/// What is written above the lanes: the rungs of the ladder, by name. Those that are near each other stand in two rows.
fn rungs(page: &mut Page, scale: &Scale) {
    page.raw("<div class=\"lane\"><span></span><div class=\"axis\">");
    for (index, mark) in scale.marks.iter().enumerate() {
        let label = format!("{} {}", mark.name, outcome::moment_time(mark.at as i64 - scale.drain as i64));
        position(page, scale, mark.at, if index % 2 == 1 { "low" } else { "" }, &label);
    }
    page.raw("</div></div>");
}

/// Round times under the lanes.
fn axis(page: &mut Page, scale: &Scale) {
    page.raw("<div class=\"lane\"><span></span><div class=\"axis scale\">");
    let step = step(scale.whole);
    // Round ones as they are counted from the signal.
    for at in (scale.drain % step..=scale.whole).step_by(step as usize) {
        position(page, scale, at, "", &outcome::moment_time(at as i64 - scale.drain as i64));
    }
    page.raw("</div></div>");
}

fn position(page: &mut Page, scale: &Scale, at: u64, row: &str, label: &str) {
    let side = if scale.at(at) < LENGTH / 5 { "right " } else { "" };
    page.raw("<span class=\"").raw(side).raw(row).raw("\" style=\"left:").number(scale.at(at) / 10).raw("%\">");
    page.text(label).raw("</span>");
}

/// A round step that divides a scale into three to seven.
fn step(whole: u64) -> u64 {
    let steps = (0..).map(|power| 10_u64.pow(power)).flat_map(|ten| [ten, 2 * ten, 5 * ten]);
    steps.take(48).find(|step| whole / step <= 5).unwrap_or(whole).max(1)
}

fn lanes(run: &Run, stop: u64) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for listener in &run.listeners {
        lanes.push(Lane::new(format!("listens on {}", listener.address.port()), 0, listener.closed_ms.unwrap_or(stop)));
    }
    if let Some(last) = run.trials.last_served_ms {
        lanes.push(Lane::new("takes new connections", 0, last));
    }
    if let Some(last) = run.last_response_ms {
        lanes.push(Lane::new("answers requests", 0, last));
    }
    lanes.push(Lane::new("the server runs", 0, stop));
    if let Some(end) = run.end.as_ref().filter(|end| end.leftovers.is_some()) {
        lanes.push(Lane::new("its leftovers", stop, stop + end.leftovers_ms.unwrap_or(0)));
    }
    for waited in run.waited().iter().take(LANES) {
        let Wait { place, from_ms, to_ms, .. } = waited.wait;
        let name = place.function.rsplit('/').next().unwrap_or_default();
        let called = waited.wait.called.as_ref().map_or(String::new(), |called| format!(" in {called}"));
        let more = format!("{}{called}", waited.wait.state());
        lanes.push(Lane { more, ..Lane::new(format!("{name}:{}", place.line), *from_ms, *to_ms) });
    }
    lanes
}

/// The rungs of the ladder; when the server was asked, that is known.
fn marks(ladder: Option<Ladder>, asked: u64) -> Vec<Mark> {
    let Some(ladder) = ladder else { return Vec::new() };
    let at = |rung| ladder.at(rung).as_millis() as u64;
    let rungs = [(asked, "ask"), (at(Rung::Dump), "dump"), (at(Rung::Kill), "kill")];
    let mut marks: Vec<Mark> = rungs.into_iter().map(|(at, name)| Mark { at, name }).collect();
    marks.push(Mark { at: ladder.timeout().as_millis() as u64, name: "end" });
    marks
}

/// All of it. A server that ended before the signal has none, and that is said.
pub(super) fn draw(page: &mut Page, run: &Run, plan: &Rehearsal) {
    let Some(end) = run.end.as_ref().filter(|_| run.signal_after_ms.is_some()) else {
        if plan.judges_stop() {
            page.element("p", "There is no timeline: the stop signal was never sent.");
        }
        return;
    };
    let moments = run.moments(plan);
    let last = moments.iter().map(|moment| moment.ms.max(0).unsigned_abs()).max().unwrap_or(0);
    let stop = end.stop_ms.unwrap_or(last);
    let drain = run.drain_ms().unwrap_or(0);
    let timeout = plan.settings.policy.ladder.map(|ladder| ladder.timeout().as_millis() as u64).unwrap_or(0);
    let lanes = lanes(run, stop);
    let all = Scale {
        whole: timeout.max(last + drain).max(SHORTEST),
        drain,
        marks: marks(plan.settings.policy.ladder, drain),
    };
    page.element("h2", "After the signal");
    rungs(page, &all);
    let is_small = last < all.whole / SMALL;
    let shown = if is_small {
        lanes.iter().filter(|lane| lane.label == "the server runs").collect()
    } else {
        lanes.iter().collect::<Vec<_>>()
    };
    shown.iter().for_each(|lane| lane.draw(page, &all));
    if !is_small {
        lost(page, run, &all);
    }
    axis(page, &all);
    legend(page, &all);
    if is_small {
        let last_lost = run.examples.iter().filter_map(|example| example.ms).max().unwrap_or(0);
        let part = Scale { whole: (last.max(last_lost) + last / 20).max(SHORTEST), drain: 0, marks: Vec::new() };
        page.element("h2", "The same, on a scale of its own");
        lanes.iter().for_each(|lane| lane.draw(page, &part));
        lost(page, run, &part);
        axis(page, &part);
    }
}

fn legend(page: &mut Page, scale: &Scale) {
    if !scale.marks.is_empty() {
        let drain = if scale.drain > 0 { " Before 0 the signal is held back (--drain)." } else { "" };
        page.raw("<p class=\"dim\">").text("ask: the server gets the stop signal. dump: its goroutines are asked for. kill: SIGKILL. end: the stop timeout, by which goward has left.").text(drain).raw("</p>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for whole in [1, 9, 10, 11, 99, 318, 4_000, 10_000, 30_000, 3_600_000] {
            let steps = whole / step(whole);
            assert!((1..=5).contains(&steps), "{whole}: {}", step(whole));
        }
        assert_eq!((step(10_000), step(30_000), step(318)), (2_000, 10_000, 100));
    }
}
