//! One self-contained page to send to a colleague: no script, nothing loaded, light and dark, on paper, readable on a phone.

use super::timeline;
use super::{program, verdict};
use crate::config::{Load, LoadBody, Rehearsal};
use crate::goroutines::{Frame, Group};
use crate::rehearse::outcome::{self, Counts, GoroutineDump, Run, histogram, spread, time, worst};

/// So many places in the server's code are listed.
const PLACES: usize = 8;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#59636e;--paper:#fff;--line:#d1d9e0;--bar:#2f6fb0;--good:#1a7f37;--bad:#cf222e;--soft:#eef2f6}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9aa5b1;--paper:#0d1117;--line:#333b45;--bar:#4c9be8;--good:#3fb950;--bad:#ff7b72;--soft:#1a212b}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main{max-width:60rem;margin:auto;padding:1.5rem 1rem 4rem}\
h1{font-size:1.35rem;line-height:1.3;margin:0 0 .5rem;overflow-wrap:anywhere}\
h2{font-size:1.05rem;margin:2rem 0 .6rem}\
b{display:inline-block;padding:0 .55rem;border-radius:.35rem;color:var(--paper);background:var(--good)}\
b.bad{background:var(--bad)}\
p{margin:.4rem 0;overflow-wrap:anywhere}\
.why{font-size:1.1rem}\
.dim,th,dt,small{color:var(--dim)}\
small{display:block;font-size:.8rem;line-height:1.25}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:1rem 0}\
dd{margin:0;overflow-wrap:anywhere}\
.lane{display:grid;grid-template-columns:12rem 1fr;align-items:center;gap:.6rem;margin:.35rem 0;overflow-wrap:anywhere;break-inside:avoid}\
svg{display:block;width:100%;height:1.1rem;background:var(--soft);border-radius:.2rem}\
rect{fill:var(--bar)}\
line{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:3 2;vector-effect:non-scaling-stroke}\
line.lost,.tick line{stroke:var(--bad);stroke-width:3;stroke-dasharray:none}\
.tick line{stroke:var(--bar)}\
.axis{position:relative;height:2.6rem;font-size:.8rem;color:var(--dim)}\
.axis span{position:absolute;transform:translateX(-100%);white-space:nowrap;padding-right:.2rem;border-right:1.5px dashed}\
.axis span.low{top:1.25rem}\
.axis span.right{transform:none;padding:0 0 0 .2rem;border:0;border-left:1.5px dashed}\
.scale{height:1.3rem}.axis.scale span{border-right-style:solid}.axis.scale span.right{border-left-style:solid;border-right:0}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
td,th{padding:.15rem 1.1rem .15rem 0;text-align:left;font-weight:400;vertical-align:top}\
td.n,th.n{text-align:right;white-space:nowrap}\
ul{padding-left:1.2rem;margin:.4rem 0}\
details{border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0;padding:.35rem .7rem}\
summary{cursor:pointer;overflow-wrap:anywhere}\
summary:focus-visible{outline:2px solid var(--bar);outline-offset:2px}\
code,pre{font:.87rem/1.45 ui-monospace,monospace;overflow-wrap:anywhere}\
pre{margin:.5rem 0;padding:.5rem .7rem;background:var(--soft);border-radius:.3rem;white-space:pre-wrap}\
.finding{border-left:3px solid var(--bad);padding-left:.8rem;margin:.8rem 0;break-inside:avoid}\
@media(max-width:34rem){.lane{grid-template-columns:1fr;gap:.1rem}td,th{padding-right:.7rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}}\
@media print{:root{color-scheme:light;--ink:#000;--dim:#444;--paper:#fff;--line:#999;--bar:#2f6fb0;--good:#1a7f37;--bad:#cf222e;--soft:#eef2f6}*{print-color-adjust:exact}body{font-size:11pt}details::details-content{content-visibility:visible;block-size:auto}}";

/// The page in the making.
pub(super) struct Page(String);

impl Page {
    /// Appends markup that needs no escaping.
    pub(super) fn raw(&mut self, html: &str) -> &mut Page {
        self.0.push_str(html);
        self
    }

    /// What others wrote, also what no browser must take for markup.
    pub(super) fn text(&mut self, text: &str) -> &mut Page {
        super::escape(&mut self.0, text);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Page {
        self.raw(&number.to_string())
    }

    /// Appends `<tag>text</tag>`, with the text escaped.
    pub(super) fn element(&mut self, tag: &str, text: &str) -> &mut Page {
        self.raw("<").raw(tag).raw(">").text(text).raw("</").raw(tag).raw(">")
    }

    fn cell(&mut self, number: u64) {
        self.raw("<td class=\"n\">").number(number).raw("</td>");
    }

    fn badge(&mut self, good: bool) -> &mut Page {
        self.raw(if good { "<b>PASS</b> " } else { "<b class=\"bad\">FAIL</b> " })
    }

    /// What is wrong and what to do about it: this is what the page is read for.
    fn diagnosis(&mut self, run: &Run, plan: &Rehearsal) {
        for advice in run.advice(plan) {
            self.raw("<div class=\"finding\">").element("p", &advice).raw("</div>");
        }
        let dumps = run.dumps.iter().flat_map(|dump| dump.findings.iter().zip(&dump.lines));
        for (finding, line) in dumps {
            self.raw("<div class=\"finding\">").element("p", &finding.evidence).element("p", &finding.advice);
            if let Some(place) = &finding.place {
                self.raw("<p class=\"dim\">").place(place).raw("</p>");
            }
            if let Some(line) = line {
                self.element("pre", line);
            }
            self.raw("</div>");
        }
    }

    /// What was rehearsed, where and when.
    fn facts(&mut self, run: &Run, plan: &Rehearsal, about: &About) {
        let policy = &plan.settings.policy;
        let mut facts = vec![("server", run.beginning())];
        let loads = plan.load.iter().map(|load| match load {
            Load::Path(path) => format!("{} {path}", plan.request.method),
            Load::Url(url) => format!("{} http://{}{}", plan.request.method, url.host, url.path),
            Load::Command(words) => words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
        });
        let loads: Vec<String> = loads.collect();
        if !loads.is_empty() {
            let body = if plan.request.body == LoadBody::None { "" } else { ", with a body" };
            facts.push(("load", format!("{}, {} in flight{body}", loads.join("; "), plan.in_flight)));
        }
        facts.push(("signal", outcome::signal(plan).to_string()));
        if let Some(ladder) = policy.ladder {
            let drain = run.drain_ms().map_or(String::new(), |ms| format!(", --drain {}", time(ms)));
            facts.push(("stop timeout", format!("{:?}{drain}", ladder.timeout())));
        }
        facts.push(("host", about.host.clone()));
        facts.push(("date", about.date.clone()));
        self.raw("<dl>");
        for (name, value) in &facts {
            self.element("dt", name).element("dd", value);
        }
        self.raw("</dl>");
    }

    fn moments(&mut self, run: &Run, plan: &Rehearsal) {
        self.raw("<table><tr><th class=\"n\" scope=\"col\">time</th><th scope=\"col\">what happened</th></tr>");
        for moment in run.moments(plan) {
            let at = outcome::moment_time(moment.ms);
            self.raw("<tr><td class=\"n dim\">").text(&at).raw("</td>").element("td", &moment.what).raw("</tr>");
        }
        self.raw("</table>");
    }

    /// What the lanes of the server's own code are, and what the load has left behind.
    fn looks(&mut self, run: &Run) {
        let waited = run.waited();
        for (named, heading) in [(true, "What the stop waited for"), (false, "Its own code that was there meanwhile")] {
            let these = waited.iter().filter(|one| one.held_up == named);
            let these: Vec<String> = these.take(PLACES).map(|one| one.sentence.clone()).collect();
            if !these.is_empty() {
                self.element("h2", heading);
                self.list(&these);
            }
        }
        if let Some(why) = &run.waits.failed {
            self.element("p", &format!("What the stop waited for was not seen: {why}"));
        }
        let Some(leaks) = run.leaks.as_ref().filter(|leaks| leaks.failed.is_none()) else { return };
        self.element("h2", "Leaks").element("p", &leaks.heading());
        for leak in &leaks.found {
            self.raw("<div class=\"finding\"><p>+").number(leak.grown()).raw(" × ").text(&leak.group.state);
            if let Some(place) = leak.place() {
                self.raw(" in <code>").text(&place.function).raw("</code>, ").place(place);
            }
            self.raw("</p>").list(&leak.more());
            self.raw("</div>");
        }
    }

    fn requests(&mut self, run: &Run, plan: &Rehearsal) {
        if !plan.load.is_empty() {
            self.element("h2", "Requests");
            self.raw("<table><tr><td></td><th class=\"n\" scope=\"col\">completed</th><th class=\"n\" scope=\"col\">failed</th><th class=\"n\" scope=\"col\">cut off</th></tr>");
            for (when, counts) in [("before the signal", run.before), ("after it", run.after)] {
                let Counts { completed, failed, cut, rejected: _ } = counts;
                self.raw("<tr><th scope=\"row\">").text(when).raw("</th>");
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

    pub(super) fn list(&mut self, items: &[String]) {
        if !items.is_empty() {
            self.raw("<ul>");
            for item in items {
                self.element("li", item);
            }
            self.raw("</ul>");
        }
    }

    fn goroutines(&mut self, dump: &GoroutineDump) {
        let summary = &dump.summary;
        self.raw("<h2>")
            .number(summary.user)
            .raw(" goroutines</h2><p class=\"dim\">")
            .text(&summary.reason)
            .raw("</p>");
        // Those in the program's own code first.
        for own in [true, false] {
            let is_wanted = |group: &&Group| !group.system && group.own().is_some() == own;
            for group in summary.groups.iter().filter(is_wanted) {
                self.group(group);
            }
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
            // What is not the program's is short: who looks for a line does not look there.
            if is_library(&frame.function) {
                let file = frame.file.rsplit('/').next().unwrap_or_default();
                self.raw("<p class=\"dim\"><code>").text(&frame.function).raw(" ").text(file).raw(":");
                self.number(frame.line.into()).raw("</code></p>");
            } else {
                self.raw("<p><code>").text(&frame.function).raw("</code><br>").place(frame).raw("</p>");
            }
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
            let told = format!("stop time: min {}, median {}, max {}", time(least), time(middle), time(most));
            self.element("p", &told);
            let bars = histogram(runs);
            let tallest = bars.iter().map(|bar| bar.count).max().unwrap_or(1);
            for bar in &bars {
                let label = format!("from {}: {} of {}", time(bar.from), bar.count, runs.len());
                self.raw("<div class=\"lane\">").element("span", &label);
                timeline::bar(self, &label, bar.count, tallest);
                self.raw("</div>");
            }
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

/// Where and when it was.
pub(in crate::rehearse) struct About {
    pub(in crate::rehearse) host: String,
    pub(in crate::rehearse) date: String,
}

/// Whether a function is not of the program: the first element of an import path of Go's own library has no dot, and that of
/// others is a host.
fn is_library(function: &str) -> bool {
    let (first, rest) = function.split_once('/').unwrap_or((function, ""));
    let package = if rest.is_empty() { first.split('.').next().unwrap_or_default() } else { first };
    package != "main" && !package.contains('.')
}

/// Writes the whole page.
pub(in crate::rehearse) fn all(runs: &[Run], plan: &Rehearsal, about: &About) -> String {
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
    page.raw("<p class=\"why\">").text(&why).raw("</p>");
    page.diagnosis(shown, plan);
    page.facts(shown, plan, about);
    timeline::draw(&mut page, shown, plan);
    page.moments(shown, plan);
    page.looks(shown);
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

    #[test]
    fn what_is_the_programs_own() {
        for own in ["main.run", "main.(*server).stop.func1", "example.com/shop/cart.Add", "github.com/x/y.(*Z).F"] {
            assert!(!is_library(own), "{own}");
        }
        for library in
            ["net/http.(*conn).serve", "runtime.gopark", "sync.(*WaitGroup).Wait", "internal/poll.(*FD).Accept"]
        {
            assert!(is_library(library), "{library}");
        }
    }

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
