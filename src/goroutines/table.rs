//! What is shown of a dump: a table for people, one JSON object for machines.

use super::groups::is_idle;
use super::{Cause, Finding, Frame, Group, Kind, Object, Summary, order};
use crate::encoded::printable;
use crate::json::Json;
use std::fmt::Write;

/// How a table looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns; a file is shortened to fit, a function never.
    pub width: usize,
    /// With a terminal's colours.
    pub colour: bool,
    /// Every group with its whole stack, the runtime's own too.
    pub all: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style { width: 120, colour: false, all: false }
    }
}

/// So many groups are shown; a log is read at three in the morning.
const SHOWN: usize = 6;
/// So many states are counted under the heading.
const STATES: usize = 8;
/// In JSON without stacks. Docker and others cut lines at 16 KiB.
const SHOWN_IN_JSON: usize = 20;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// The table, every line with its end: what happened, what holds up the shutdown, the groups, and how much is left out.
pub fn table(summary: &Summary, findings: &[Finding], style: &Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.heading(summary);
    page.states(summary);
    for finding in findings {
        page.finding(finding);
    }
    page.groups(summary, findings);
    page.text
}

struct Page<'a> {
    text: String,
    style: &'a Style,
}

impl Page<'_> {
    fn line(&mut self, look: &str, line: &str) {
        let (look, plain) = if self.style.colour && !look.is_empty() { (look, PLAIN) } else { ("", "") };
        self.text.push_str(look);
        self.text.extend(line.chars().map(printable));
        self.text.push_str(plain);
        self.text.push('\n');
    }

    fn heading(&mut self, summary: &Summary) {
        let mut line = match (&*summary.reason, summary.kind) {
            ("", Kind::Signal) => "a signal".to_owned(),
            ("", _) => "goroutines".to_owned(),
            (reason, _) => reason.to_owned(),
        };
        let _ = write!(line, " — {}", plural(summary.user, "goroutine"));
        if summary.system > 0 {
            let _ = write!(line, " and {} of the runtime", summary.system);
        }
        if summary.ungrouped > 0 {
            let _ = write!(line, ", {} of them with too many different stacks to be grouped", summary.ungrouped);
        }
        if summary.is_mixed() {
            line.push_str("; LINES OF SEVERAL PROCESSES OR DUMPS ARE MIXED, a goroutine's number is there twice");
        } else if summary.cut {
            line.push_str("; THE DUMP WAS CUT, there were more");
        }
        self.line(BOLD, &line);
    }

    /// How many are in each state, the most first. The runtime's own are not counted.
    fn states(&mut self, summary: &Summary) {
        let mut states: Vec<(u64, &str)> = Vec::new();
        for group in summary.groups.iter().filter(|group| !group.system && !group.state.is_empty()) {
            match states.iter_mut().find(|(_, state)| *state == group.state) {
                Some((count, _)) => *count = count.saturating_add(group.count),
                None => states.push((group.count, &group.state)),
            }
        }
        let states = order::by(states, |(count, _)| [order::most(*count), 0, 0]);
        let list: Vec<String> = states.iter().take(STATES).map(|(count, state)| format!("{count} {state}")).collect();
        if states.len() > 1 {
            let more = states.len().saturating_sub(STATES);
            let rest = if more > 0 { format!(", {}", plural(more as u64, "other state")) } else { String::new() };
            self.wrapped(DIM, "   ", &format!("{}{rest}", list.join(", ")));
        }
    }

    fn finding(&mut self, finding: &Finding) {
        self.wrapped(RED, "=> ", &finding.evidence);
        if !finding.advice.is_empty() {
            self.wrapped("", "   ", &finding.advice);
        }
    }

    /// Words in lines that fit, all beginning in the same column.
    fn wrapped(&mut self, look: &str, mark: &str, words: &str) {
        let mut line = mark.to_owned();
        for word in words.split_whitespace() {
            let full = line.chars().count() + word.chars().count() > self.style.width;
            if full && line.len() > mark.len() {
                self.line(look, line.trim_end());
                line = "   ".to_owned();
            }
            line.push_str(word);
            line.push(' ');
        }
        self.line(look, line.trim_end());
    }

    fn groups(&mut self, summary: &Summary, findings: &[Finding]) {
        let mut named = vec![false; summary.groups.len()];
        for at in findings.iter().flat_map(|finding| &finding.groups) {
            if let Some(named) = named.get_mut(*at) {
                *named = true;
            }
        }
        let mut room = SHOWN;
        let mut left = Vec::new();
        let shows = |at: usize, group: &Group, room: usize| {
            self.style.all || named.get(at) == Some(&true) || (room > 0 && !is_idle(group))
        };
        // Those that were named come first.
        let of_findings = summary.groups.iter().enumerate().filter(|(at, _)| named.get(*at) == Some(&true));
        let others = summary.groups.iter().enumerate().filter(|(at, _)| named.get(*at) != Some(&true));
        let mut shown = Vec::new();
        for (at, group) in of_findings.chain(others) {
            if shows(at, group, room) {
                room = room.saturating_sub(1);
                shown.push(group);
            } else {
                left.push(group);
            }
        }
        let digits = |count: u64| count.to_string().len();
        let column = shown.iter().map(|group| digits(group.count)).max().unwrap_or(0);
        let states =
            shown.iter().map(|group| waiting(group).chars().count()).max().unwrap_or(0).min(self.style.width * 2 / 5);
        for group in shown {
            self.group(group, column, states);
        }
        self.left_out(&left);
    }

    /// One line that says where, one that says more.
    fn group(&mut self, group: &Group, column: usize, states: usize) {
        let lead = format!("{:>column$} × {:<states$}  ", group.count, waiting(group));
        let place = if self.style.all { group.frames.first() } else { group.place().or_else(|| outermost(group)) };
        let indent = lead.chars().count();
        match place {
            Some(frame) => {
                let line = self.with_file(lead, frame);
                self.line("", &line);
            }
            None => self.line("", &format!("{lead}(no stack)")),
        }
        if self.style.all {
            self.stack(group, indent);
        }
        let more = more(group, self.style.all);
        if !more.is_empty() {
            self.line(DIM, &format!("{:indent$}{more}", ""));
        }
    }

    /// The frames after the first. Those of a recursion are one line.
    fn stack(&mut self, group: &Group, indent: usize) {
        let mut at = 1;
        while let Some(frame) = group.frames.get(at) {
            if let Some((_, count)) = group.elided.filter(|(after, _)| *after == at) {
                self.line(DIM, &format!("{:indent$}({count} frames left out by the runtime)", ""));
            }
            let rest = group.frames.get(at..).unwrap_or_default();
            let same = rest.iter().take_while(|other| *other == frame).count();
            let most = group.elided.map_or(same, |(after, _)| if after > at { same.min(after - at) } else { same });
            let mut line = self.with_file(" ".repeat(indent), frame);
            if most > 1 {
                let _ = write!(line, "  ({most} times)");
            }
            self.line("", &line);
            at += most;
        }
        if group.goes_on {
            self.line(DIM, &format!("{:indent$}(the stack goes on; the rest is not known)", ""));
        }
    }

    /// A function and its place, whose beginning is left out where it is too long.
    fn with_file(&self, mut line: String, frame: &Frame) -> String {
        line.push_str(&frame.function);
        if !frame.file.is_empty() {
            let place = place(frame);
            let room = self.style.width.saturating_sub(line.chars().count() + 2);
            let length = place.chars().count();
            line.push_str("  ");
            if length > room.max(24) {
                line.push('…');
                line.extend(place.chars().skip(length - room.max(24) + 1));
            } else {
                line.push_str(&place);
            }
        }
        line
    }

    fn left_out(&mut self, left: &[&Group]) {
        let mut parts = Vec::new();
        let mut part = |what: &str, chosen: &dyn Fn(&Group) -> bool| {
            let groups = left.iter().filter(|group| chosen(group)).count() as u64;
            let count: u64 = left.iter().filter(|group| chosen(group)).map(|group| group.count).sum();
            if groups > 0 {
                let stacks = if groups == count { String::new() } else { format!(" in {}", plural(groups, "group")) };
                parts.push(format!("{count} {what}{stacks}"));
            }
        };
        part("others", &|group| !is_idle(group));
        part("idle", &|group| is_idle(group) && !group.system);
        part("of the runtime", &|group| group.system);
        if !parts.is_empty() {
            let words = format!("and {}", parts.join(", "));
            self.wrapped(DIM, "   ", &words);
        }
    }
}

/// `chan receive, 3 min, locked` (to its thread)
fn waiting(group: &Group) -> String {
    let mut text = group.state.clone();
    match group.minutes {
        (_, 0) => {}
        (least, most) if least == most => _ = write!(text, ", {most} min"),
        (least, most) => _ = write!(text, ", {least}–{most} min"),
    }
    if group.leaked {
        text.push_str(", leaked");
    }
    if group.locked {
        text.push_str(", locked");
    }
    if let Some(bubble) = group.bubble {
        let durable = if group.durable { " (durable)" } else { "" };
        let _ = write!(text, ", synctest bubble {bubble}{durable}");
    }
    text
}

/// What else is known: what the user's code called, on what it waits, and who started it.
fn more(group: &Group, all: bool) -> String {
    let mut parts = Vec::new();
    if let Some(called) = called(group).filter(|called| !all && !says(&group.state, &called.function)) {
        parts.push(format!("in {}", called.function));
    }
    let known = !group.known.is_empty();
    let about = |address: u64| match group.known.iter().find(|(known, _)| *known == address) {
        Some((_, object)) => format!("{address:#x} ({})", object.described()),
        None => format!("{address:#x}"),
    };
    match group.objects.as_slice() {
        // Of a select each is one of several.
        [_, _, ..] if group.state == "select" && known => {
            let all: Vec<String> = group.objects.iter().map(|(address, _)| about(*address)).collect();
            parts.push(format!("on {}", all.join(", ")));
        }
        [(address, waiting), ..] if *waiting > 1 && *waiting < group.count => {
            parts.push(format!("{waiting} of them on {}", about(*address)));
        }
        [(address, waiting), ..] if *waiting > 1 => parts.push(format!("all on {}", about(*address))),
        [(address, _), ..] if known => parts.push(format!("on {}", about(*address))),
        _ => {}
    }
    if let Some(frame) = &group.creator {
        let place = place(frame);
        parts.push(format!("started by {} {}", frame.function, place.rsplit('/').next().unwrap_or_default()));
    }
    if let Some(labels) = &group.labels {
        parts.push(labels.clone());
    }
    if group.goes_on && !all {
        parts.push("the stack goes on; the rest is not known".to_owned());
    }
    parts.join("; ")
}

/// What was called from where the goroutine hangs: from the user's own frame, or in a library.
fn called(group: &Group) -> Option<&Frame> {
    match group.panicked.or(group.own) {
        Some(_) if group.panicked.is_some() => None,
        Some(own) if own > group.top => group.frames.get(own - 1),
        Some(_) => None,
        None => group.top().filter(|top| Some(*top) != outermost(group)),
    }
}

/// Where a goroutine that is all a library's began.
fn outermost(group: &Group) -> Option<&Frame> {
    let is_library = |frame: &&Frame| !frame.function.starts_with("runtime.");
    group.frames.iter().rev().find(is_library).or(group.frames.first())
}

/// Whether the state names the function: `sync.Mutex.Lock` and `sync.(*Mutex).Lock`.
pub(crate) fn says(state: &str, function: &str) -> bool {
    let plain = |c: &char| !matches!(c, '(' | '*' | ')');
    function.chars().filter(plain).eq(state.chars()) || (state, function) == ("sleep", "time.Sleep")
}

fn place(frame: &Frame) -> String {
    if frame.line == 0 { frame.file.clone() } else { format!("{}:{}", frame.file, frame.line) }
}

fn plural(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl Cause {
    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Handlers => "handlers",
            Cause::Mutex => "mutex",
            Cause::LockOrder => "lock_order",
            Cause::Once => "once",
            Cause::Cond => "cond",
            Cause::WaitGroup => "wait_group",
            Cause::Receive => "receive",
            Cause::Send => "send",
            Cause::Loop => "loop",
            Cause::Blocked => "blocked",
            Cause::Unhandled => "unhandled",
            Cause::StillServing => "still_serving",
            Cause::MainGone => "main_gone",
            Cause::Busy => "busy",
            Cause::Crash => "crash",
            Cause::Unknown => "unknown",
        }
    }
}

impl Object {
    /// In a few words.
    fn described(&self) -> String {
        match self {
            Object::Channel { closed: true, .. } => "a closed channel".to_owned(),
            Object::Channel { capacity: 0, .. } => "an unbuffered channel".to_owned(),
            Object::Channel { length, capacity, .. } => format!("a channel with {length} of {capacity}"),
            Object::Mutex { locked: true, waiters } => format!("locked, {waiters} waiting"),
            Object::Mutex { locked: false, waiters } => format!("not locked now, {waiters} waiting"),
            Object::WaitGroup { counter } => format!("counter {counter}"),
        }
    }

    fn json(&self, json: &mut Json) {
        match self {
            Object::Channel { length, capacity, closed } => {
                json.numbers(&[("length", Some(*length)), ("capacity", Some(*capacity))]);
                json.bool("closed", *closed);
            }
            Object::Mutex { locked, waiters } => {
                json.bool("locked", *locked);
                json.number("waiters", (*waiters).into());
            }
            Object::WaitGroup { counter } => json.number("counter", (*counter).into()),
        }
    }
}

impl Kind {
    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Signal => "signal",
            Kind::Panic => "panic",
            Kind::Fatal => "fatal",
            Kind::Unknown => "unknown",
            Kind::Profile => "profile",
            Kind::Live => "live",
        }
    }
}

/// One JSON object in one line, without its end. With `all` every group has its stack, otherwise only the first ones are
/// there, and where they are.
pub fn json(summary: &Summary, findings: &[Finding], all: bool) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.string("kind", summary.kind.name());
        json.string("reason", &summary.reason);
        json.list("notes", &summary.notes, |json, note| json.value(note));
        json.number("goroutines", summary.user + summary.system);
        json.number("user", summary.user);
        json.number("system", summary.system);
        json.number("ungrouped", summary.ungrouped);
        json.bool("cut", summary.cut);
        json.number("bytes", summary.bytes);
        json.list("findings", findings, |json, found| json.object(|json| finding(json, found)));
        let shown = if all { usize::MAX } else { SHOWN_IN_JSON };
        let groups = summary.groups.get(..shown).unwrap_or(&summary.groups);
        json.number("groups_left_out", (summary.groups.len() - groups.len()) as u64);
        json.list("groups", groups, |json, group| json.object(|json| inside(json, group, all)));
    });
    json.into_text()
}

/// The same in pieces, for a log whose lines must be short: what there is, then each finding, then each group without its stack.
/// The name of a piece, and its JSON.
pub fn json_pieces(summary: &Summary, findings: &[Finding]) -> Vec<(&'static str, String)> {
    let mut pieces = Vec::new();
    let mut add = |name: &'static str, fill: &dyn Fn(&mut Json)| {
        let mut json = Json::default();
        json.object(|json| fill(json));
        pieces.push((name, json.into_text()));
    };
    let groups = summary.groups.get(..SHOWN_IN_JSON).unwrap_or(&summary.groups);
    add("goroutines", &|json| {
        json.string("kind", summary.kind.name());
        json.string("reason", &summary.reason);
        json.number("goroutines", summary.user + summary.system);
        json.number("user", summary.user);
        json.number("system", summary.system);
        json.number("groups_left_out", (summary.groups.len() - groups.len()) as u64);
    });
    for found in findings {
        add("finding", &|json| finding(json, found));
    }
    for group in groups {
        add("group", &|json| inside(json, group, false));
    }
    pieces
}

fn finding(json: &mut Json, finding: &Finding) {
    json.string("cause", finding.cause.name());
    json.string("evidence", &finding.evidence);
    json.string("advice", &finding.advice);
    field(json, "place", finding.place.as_ref());
    numbers(json, "groups", finding.groups.iter().map(|at| *at as u64));
}

pub(super) fn inside(json: &mut Json, group: &Group, all: bool) {
    json.string("state", &group.state);
    json.number("count", group.count);
    numbers(json, "ids", group.ids.iter().copied());
    numbers(json, "minutes", [group.minutes.0.into(), group.minutes.1.into()].into_iter());
    json.bool("locked", group.locked);
    json.bool("leaked", group.leaked);
    json.bool("durable", group.durable);
    if let Some(bubble) = group.bubble {
        json.number("bubble", bubble);
    }
    json.bool("system", group.system);
    json.bool("idle", is_idle(group));
    field(json, "top", group.top());
    field(json, "own", group.own());
    field(json, "creator", group.creator.as_ref());
    json.list("objects", &group.objects, |json, (address, waiting)| {
        json.object(|json| {
            json.string("address", &format!("{address:#x}"));
            json.number("waiting", *waiting);
            if let Some((_, object)) = group.known.iter().find(|(known, _)| known == address) {
                object.json(json);
            }
        });
    });
    if let Some(labels) = &group.labels {
        json.string("labels", labels);
    }
    if all {
        json.list("frames", &group.frames, frame);
        if let Some((after, count)) = group.elided {
            json.number("elided_after", after as u64);
            json.number("elided", count.into());
        }
        json.bool("goes_on", group.goes_on);
    }
}

fn frame(json: &mut Json, frame: &Frame) {
    json.object(|json| {
        json.string("function", &frame.function);
        json.string("file", &frame.file);
        json.number("line", frame.line.into());
    });
}

fn field(json: &mut Json, name: &str, known: Option<&Frame>) {
    json.key(name);
    match known {
        Some(known) => frame(json, known),
        None => json.raw("null"),
    }
}

fn numbers(json: &mut Json, name: &str, values: impl Iterator<Item = u64>) {
    json.list(name, values, |json, value| json.raw(&value.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str, line: u32) -> Frame {
        Frame { function: function.to_owned(), file: file.to_owned(), line }
    }

    fn group(state: &str, count: u64, frames: Vec<Frame>, own: Option<usize>) -> Group {
        Group { state: state.to_owned(), frames, count, ids: vec![7], own, ..Group::default() }
    }

    fn example() -> (Summary, Vec<Finding>) {
        let serve = frame("net/http.(*Server).Serve", "/go/src/net/http/server.go", 3604);
        let mut handlers = group(
            "sync.Mutex.Lock",
            1000,
            vec![
                frame("sync.(*Mutex).Lock", "/go/src/sync/mutex.go", 46),
                frame("main.\"get", "/src/a\tb/cart.go", 21),
            ],
            Some(1),
        );
        handlers.creator = Some(serve.clone());
        handlers.minutes = (3, 12);
        handlers.locked = true;
        handlers.objects = vec![(0xc000, 998), (0xd000, 2)];
        handlers.labels = Some("{route: /api}".to_owned());
        let shutdown = frame("net/http.(*Server).Shutdown", "/go/src/net/http/server.go", 3304);
        let main = group("select", 1, vec![shutdown, frame("main.main", "/src/main.go", 43)], Some(1));
        let mut deep = group("chan receive", 1, vec![frame("runtime.gopark", "/go/src/runtime/proc.go", 474)], None);
        deep.frames.extend(std::iter::repeat_n(frame("lib.deep", "/mod/lib@v1/deep.go", 5), 6));
        deep.top = 1;
        deep.elided = Some((3, 406));
        let accept = frame("internal/poll.(*FD).Accept", "/go/src/internal/poll/fd_unix.go", 613);
        let idle = group("IO wait", 4, vec![accept, serve], None);
        let mut system = group("GC sweep wait", 2, vec![frame("runtime.gopark", "", 0)], None);
        system.system = true;
        let summary = Summary {
            kind: Kind::Signal,
            reason: "SIGQUIT: quit".to_owned(),
            notes: Vec::new(),
            user: 1006,
            system: 2,
            groups: vec![handlers, main, deep, idle, system],
            ungrouped: 0,
            cut: true,
            bytes: 12345,
        };
        let finding = Finding {
            cause: Cause::Mutex,
            evidence: "1000 handlers wait for a mutex in main.get.".to_owned(),
            advice: "Unlock it.".to_owned(),
            place: Some(frame("main.get", "/src/cart.go", 21)),
            groups: vec![0],
        };
        (summary, vec![finding])
    }

    fn shown(style: &Style) -> String {
        let (summary, findings) = example();
        table(&summary, &findings, style)
    }

    #[test]
    fn a_table() {
        let expected = "\
SIGQUIT: quit — 1006 goroutines and 2 of the runtime; THE DUMP WAS CUT, there were more
   1000 sync.Mutex.Lock, 4 IO wait, 1 select, 1 chan receive
=> 1000 handlers wait for a mutex in main.get.
   Unlock it.
1000 × sync.Mutex.Lock, 3–12 min, locked  main.\"get  /src/a b/cart.go:21
                                          998 of them on 0xc000; started by net/http.(*Server).Serve server.go:3604; {route: /api}
   1 × select                             main.main  /src/main.go:43
                                          in net/http.(*Server).Shutdown
   1 × chan receive                       lib.deep  /mod/lib@v1/deep.go:5
   and 4 idle in 1 group, 2 of the runtime in 1 group
";
        assert_eq!(shown(&Style::default()), expected);
    }

    #[test]
    fn what_is_too_wide() {
        let (mut summary, _) = example();
        summary.groups[1].frames[1].file = format!("/{}/main.go", "very-long".repeat(12));
        let text = table(&summary, &[], &Style { width: 80, ..Style::default() });
        let line = text.lines().find(|line| line.contains("main.main")).unwrap();
        assert!(line.ends_with("/main.go:43") && line.contains("main.main  …"), "{line}");
        assert_eq!(line.chars().count(), 80);
        let finding = Finding { evidence: "word ".repeat(40), ..example().1.remove(0) };
        let text = table(&summary, &[finding], &Style { width: 60, ..Style::default() });
        assert!(text.lines().skip(1).take(4).all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn whole_stacks() {
        let text = shown(&Style { all: true, ..Style::default() });
        assert!(text.contains("(406 frames left out by the runtime)\n"), "{text}");
        assert!(text.contains("lib.deep  /mod/lib@v1/deep.go:5  (2 times)\n"), "{text}");
        assert!(text.contains("lib.deep  /mod/lib@v1/deep.go:5  (4 times)\n"), "{text}");
        assert!(text.contains("GC sweep wait") && text.contains("(*FD).Accept") && !text.contains("   and "), "{text}");
    }

    #[test]
    fn colours_are_closed() {
        let text = shown(&Style { colour: true, ..Style::default() });
        assert_eq!(text.matches(PLAIN).count(), text.matches('\x1b').count() / 2);
        assert!(text.lines().filter(|line| line.starts_with('\x1b')).all(|line| line.ends_with(PLAIN)));
        assert!(!shown(&Style::default()).contains('\x1b'));
    }

    #[test]
    fn as_json() {
        let (summary, findings) = example();
        let text = json(&summary, &findings, false);
        assert!(!text.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["goroutines"], 1008);
        assert_eq!(value["cut"], true);
        assert_eq!(value["findings"][0]["cause"], "mutex");
        assert_eq!(value["findings"][0]["groups"][0], 0);
        assert_eq!(value["groups"][0]["own"]["function"], "main.\"get");
        assert_eq!(value["groups"][0]["own"]["file"], "/src/a\tb/cart.go");
        assert_eq!(value["groups"][0]["minutes"], serde_json::json!([3, 12]));
        assert_eq!(value["groups"][0]["objects"][0], serde_json::json!({"address": "0xc000", "waiting": 998}));
        assert_eq!(value["groups"][3]["idle"], true);
        assert_eq!(value["groups"][0].get("frames"), None);
        assert_eq!(value["groups"].as_array().unwrap().len(), 5);
        let value: serde_json::Value = serde_json::from_str(&json(&summary, &findings, true)).unwrap();
        assert_eq!(value["groups"][2]["frames"].as_array().unwrap().len(), 7);
        assert_eq!((&value["groups"][2]["elided"], &value["groups"][2]["elided_after"]), (&406.into(), &3.into()));
        let mut many = summary;
        many.groups = vec![many.groups[1].clone(); 30];
        let value: serde_json::Value = serde_json::from_str(&json(&many, &[], false)).unwrap();
        assert_eq!((value["groups"].as_array().unwrap().len(), &value["groups_left_out"]), (20, &10.into()));
    }
}
