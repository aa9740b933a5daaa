//! One self-contained page to send to a colleague: no script, nothing loaded, light and dark, readable on a phone.

use super::{program, time, verdict};
use crate::config::Rehearsal;
use crate::goroutines::{Frame, Group};
use crate::rehearse::outcome::{self, Counts, Dump, Run, spread, worst};

/// Bars are drawn on a line of this length, whatever the width of the page.
const LENGTH: u64 = 1000;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#59636e;--paper:#fff;--line:#d1d9e0;--bar:#3b82c4;--good:#1a7f37;--bad:#cf222e;--soft:#f2f5f8}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9aa5b1;--paper:#0d1117;--line:#333b45;--bar:#4c9be8;--good:#3fb950;--bad:#ff7b72;--soft:#161c24}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main{max-width:60rem;margin:auto;padding:1.5rem 1rem 4rem}\
h1{font-size:1.35rem;line-height:1.3;margin:0 0 .5rem;overflow-wrap:anywhere}\
h2{font-size:1.05rem;margin:2rem 0 .6rem}\
b{display:inline-block;padding:0 .55rem;border-radius:.35rem;color:var(--paper);background:var(--good)}\
b.bad{background:var(--bad)}\
p{margin:.4rem 0;overflow-wrap:anywhere}\
.dim,th,dt{color:var(--dim)}\
.lane{display:grid;grid-template-columns:9rem 1fr;align-items:center;gap:.6rem;margin:.35rem 0}\
svg{display:block;width:100%;height:1rem;background:var(--soft);border-radius:.2rem}\
rect{fill:var(--bar)}\
line{stroke:var(--bad);stroke-width:2;vector-effect:non-scaling-stroke}\
.tick line{stroke:var(--bar)}\
.axis{display:flex;justify-content:space-between;font-size:.85rem}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
td,th{padding:.15rem 1.1rem .15rem 0;text-align:left;font-weight:400;vertical-align:top}\
td.n,th.n{text-align:right;white-space:nowrap}\
ul{padding-left:1.2rem;margin:.4rem 0}\
details{border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0;padding:.35rem .7rem}\
summary{cursor:pointer;overflow-wrap:anywhere}\
code,pre{font:.87rem/1.45 ui-monospace,monospace;overflow-wrap:anywhere}\
pre{margin:.5rem 0;padding:.5rem .7rem;background:var(--soft);border-radius:.3rem;white-space:pre-wrap}\
.finding{border-left:3px solid var(--bad);padding-left:.8rem;margin:.8rem 0}\
@media(max-width:34rem){.lane{grid-template-columns:1fr;gap:.1rem}td,th{padding-right:.7rem}}";

/// The page in the making.
struct Page(String);

impl Page {
    /// Markup of ours.
    fn raw(&mut self, html: &str) -> &mut Page {
        self.0.push_str(html);
        self
    }

    /// What others wrote, also what no browser must take for markup.
    fn text(&mut self, text: &str) -> &mut Page {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                c if c.is_control() => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    fn number(&mut self, number: u64) -> &mut Page {
        self.raw(&number.to_string())
    }

    /// `<tag>text</tag>`
    fn element(&mut self, tag: &str, text: &str) -> &mut Page {
        self.raw("<").raw(tag).raw(">").text(text).raw("</").raw(tag).raw(">")
    }

    fn cell(&mut self, number: u64) {
        self.raw("<td class=\"n\">").number(number).raw("</td>");
    }

    fn badge(&mut self, good: bool) -> &mut Page {
        self.raw(if good { "<b>PASS</b> " } else { "<b class=\"bad\">FAIL</b> " })
    }

    /// A bar from one time to another on a line that is `whole` long, with marks.
    fn lane(&mut self, label: &str, (from, to): (u64, u64), marks: &[u64], whole: u64) {
        let at = |ms: u64| ms.min(whole) * LENGTH / whole.max(1);
        self.raw("<div class=\"lane\">").element("span", label);
        self.raw("<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\"><rect height=\"10\" x=\"");
        // Never so short that it cannot be seen.
        self.number(at(from)).raw("\" width=\"").number((at(to) - at(from)).max(3)).raw("\"/>");
        for mark in marks {
            self.mark(at(*mark));
        }
        self.raw("</svg></div>");
    }

    fn mark(&mut self, at: u64) {
        self.raw("<line y1=\"0\" y2=\"10\" x1=\"").number(at).raw("\" x2=\"").number(at).raw("\"/>");
    }

    fn axis(&mut self, whole: u64) {
        self.raw("<div class=\"lane dim\"><span></span><div class=\"axis\"><span>0</span><span>");
        self.text(&time(whole / 2)).raw("</span><span>").text(&time(whole)).raw("</span></div></div>");
    }

    fn time_line(&mut self, run: &Run, plan: &Rehearsal) {
        let moments = run.moments(plan);
        let (Some(end), Some(whole)) = (&run.end, moments.iter().map(|moment| moment.ms).max()) else { return };
        let stop = end.stop_ms.unwrap_or(whole);
        let marks: Vec<u64> = [end.dump_ms, end.abort_ms, end.kill_ms].into_iter().flatten().collect();
        self.element("h2", "After the signal");
        for door in &run.doors {
            let closed = door.closed_ms.unwrap_or(stop);
            self.lane(&format!("listens on {}", door.address.port()), (0, closed), &marks, whole);
        }
        if let Some(last) = run.knocks.last_served_ms {
            self.lane("lets people in", (0, last), &marks, whole);
        }
        if let Some(last) = run.last_response_ms {
            self.lane("answers requests", (0, last), &marks, whole);
        }
        self.lane("the server runs", (0, stop), &marks, whole);
        if end.leftovers.is_some() {
            self.lane("its leftovers", (stop, stop + end.leftovers_ms.unwrap_or(0)), &marks, whole);
        }
        self.axis(whole);
        self.raw("<table>");
        for moment in &moments {
            self.raw("<tr><td class=\"n dim\">").text(&time(moment.ms)).raw("</td>").element("td", &moment.what);
            self.raw("</tr>");
        }
        self.raw("</table>");
    }

    fn requests(&mut self, run: &Run, plan: &Rehearsal) {
        if !plan.load.is_empty() {
            self.element("h2", "Requests");
            self.raw("<table><tr><th></th><th class=\"n\">completed</th><th class=\"n\">failed</th><th class=\"n\">cut off</th></tr>");
            for (when, counts) in [("before the signal", run.before), ("after it", run.after)] {
                let Counts { completed, failed, cut, rejected: _ } = counts;
                self.raw("<tr>").element("th", when);
                for count in [completed, failed, cut] {
                    self.cell(count.into());
                }
                self.raw("</tr>");
            }
            self.raw("</table>");
            self.list(&run.examples.iter().map(outcome::Example::sentence).collect::<Vec<_>>());
        }
        let told: Vec<String> = run.told(plan);
        if !told.is_empty() {
            self.element("h2", "Connections");
            self.list(&told);
        }
    }

    fn list(&mut self, items: &[String]) {
        if !items.is_empty() {
            self.raw("<ul>");
            for item in items {
                self.element("li", item);
            }
            self.raw("</ul>");
        }
    }

    fn goroutines(&mut self, dump: &Dump) {
        let summary = &dump.summary;
        self.raw("<h2>")
            .number(summary.user)
            .raw(" goroutines</h2><p class=\"dim\">")
            .text(&summary.reason)
            .raw("</p>");
        for (finding, line) in dump.findings.iter().zip(&dump.lines) {
            self.raw("<div class=\"finding\">").element("p", &finding.evidence).element("p", &finding.advice);
            if let Some(place) = &finding.place {
                self.raw("<p class=\"dim\">").place(place).raw("</p>");
            }
            if let Some(line) = line {
                self.element("pre", line);
            }
            self.raw("</div>");
        }
        for group in summary.groups.iter().filter(|group| !group.system) {
            self.group(group);
        }
        if summary.system > 0 {
            self.raw("<details><summary class=\"dim\">").number(summary.system).raw(" of the runtime</summary>");
            for group in summary.groups.iter().filter(|group| group.system) {
                self.group(group);
            }
            self.raw("</details>");
        }
        if summary.ungrouped > 0 {
            self.raw("<p class=\"dim\">").number(summary.ungrouped).raw(" more in other groups</p>");
        }
    }

    fn group(&mut self, group: &Group) {
        self.raw("<details><summary>").number(group.count).raw(" × ").text(&group.state);
        if group.minutes.1 > 0 {
            self.raw(", ").number(group.minutes.1.into()).raw(" min");
        }
        if let Some(frame) = group.own().or(group.top()).filter(|_| !group.system) {
            self.raw(" in <code>").text(&frame.function).raw("</code>");
        }
        self.raw("</summary>");
        for frame in &group.frames {
            self.raw("<p><code>")
                .text(&frame.function)
                .raw("</code><br><span class=\"dim\">")
                .place(frame)
                .raw("</span></p>");
        }
        if let Some(creator) = &group.creator {
            self.raw("<p class=\"dim\">created by <code>").text(&creator.function).raw("</code><br>");
            self.place(creator).raw("</p>");
        }
        self.raw("</details>");
    }

    fn place(&mut self, frame: &Frame) -> &mut Page {
        self.raw("<code>").text(&frame.file).raw(":").number(frame.line.into()).raw("</code>")
    }

    fn several(&mut self, runs: &[Run], plan: &Rehearsal) {
        self.element("h2", &format!("{} rehearsals", runs.len()));
        if let Some([least, middle, most]) = spread(runs) {
            self.raw("<div class=\"lane\"><span>stop time</span><svg class=\"tick\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\">");
            for ms in runs.iter().filter_map(Run::stop_ms) {
                self.mark(ms * LENGTH / most.max(1));
            }
            self.raw("</svg></div>").axis(most);
            self.element(
                "p",
                &format!("{} at least, {} in the middle, {} at most", time(least), time(middle), time(most)),
            );
        }
        self.raw("<table>");
        for (run, number) in runs.iter().zip(1..) {
            let (good, why) = verdict(run, plan);
            self.raw("<tr>");
            self.cell(number);
            self.raw("<td>").badge(good).raw("</td>").element("td", &why).raw("</tr>");
        }
        self.raw("</table>").element("h2", "The worst of them");
    }
}

/// The whole page.
pub(in crate::rehearse) fn all(runs: &[Run], plan: &Rehearsal) -> String {
    let mut page = Page(String::new());
    let Some(shown) = worst(runs, plan) else { return page.0 };
    let (good, why) = verdict(shown, plan);
    let program = program(plan);
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>")
        .text(if good { "PASS " } else { "FAIL " })
        .text(&program)
        .raw("</title><style>")
        .raw(STYLE)
        .raw("</style></head><body><main><h1>")
        .badge(good)
        .text(&program)
        .raw("</h1>");
    if runs.len() > 1 {
        page.several(runs, plan);
    }
    page.element("p", &why);
    page.raw("<p class=\"dim\">").text(&shown.beginning()).raw("</p>");
    page.time_line(shown, plan);
    page.requests(shown, plan);
    for dump in &shown.dumps {
        page.goroutines(dump);
    }
    page.raw("<p class=\"dim\">goward ").raw(env!("CARGO_PKG_VERSION")).raw(" rehearse</p></main></body></html>\n");
    page.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_becomes_markup(text in ".*") {
            let mut page = Page(String::new());
            page.text(&text);
            prop_assert!(!page.0.contains(['<', '>', '"', '\'']));
            let back = ["&lt;<", "&gt;>", "&quot;\"", "&#39;'", "&amp;&"].iter().fold(page.0, |text, pair| {
                let (escape, c) = pair.split_at(pair.len() - 1);
                text.replace(escape, c)
            });
            let printable = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
            prop_assert_eq!(back, text.chars().map(printable).collect::<String>());
        }
    }
}
