//! What ended by itself: panics, fatal errors, signals that stand for faults; and tests that took too long, which hung.

use super::node::{Node, outer};
use super::words::{at, list};
use super::{Evidence, Found};
use crate::goroutines::wait::Wait;
use crate::goroutines::{Cause, Frame, Kind, was_asked_for};

impl<'a> Evidence<'a> {
    /// Whether it is the dump of a test that took too long: a panic, but nobody's fault.
    pub(super) fn is_time_out(&self) -> bool {
        self.summary.kind == Kind::Panic && self.summary.reason.starts_with("panic: test timed out after ")
    }

    /// Whether somebody sent the signal that the dump begins with, as with `kill -SEGV`: then it stands for no fault. The kernel
    /// marks its own with a sigcode above 0.
    fn is_sent(&self) -> bool {
        let code = |note: &String| note.strip_prefix("PC=")?.split_once(" sigcode=").map(|(_, code)| code.to_owned());
        let code = self.summary.notes.iter().find_map(code).unwrap_or_default();
        code.starts_with('-') || code.split(' ').next() == Some("0")
    }

    /// A panic or a fatal error is its own reason; only a deadlock is a hang.
    pub(super) fn crash(&self) -> Option<Found<'a>> {
        let reason = &self.summary.reason;
        let crashed = match self.summary.kind {
            Kind::Panic => !self.is_time_out(),
            Kind::Fatal => !reason.contains("deadlock"),
            Kind::Signal => !was_asked_for(reason.as_bytes()) && !self.is_sent(),
            Kind::Unknown => self.all.iter().any(|node| node.state == "running" && node.panicked.is_some()),
            _ => false,
        };
        if !crashed {
            return None;
        }
        let in_c = |node: &&Node<'a>| self.summary.kind == Kind::Signal && node.is_in("runtime.cgocall");
        let running = |node: &&Node<'a>| node.state == "running";
        let first = |test: &dyn Fn(&&Node<'a>) -> bool| self.all.iter().find(test).copied();
        let node = first(&in_c).or(first(&|node| running(node) && node.panicked.is_some())).or(first(&running));
        let place = node.and_then(Node::place);
        let text = place.map_or(String::new(), |frame| format!(" in {}", at(frame)));
        let what = if reason.is_empty() { String::new() } else { format!(": {}", reason.trim_end_matches('.')) };
        let again = self.summary.notes.iter().filter(|note| is_message(note) && note != &reason);
        let again: String = again.map(|note| format!("; {}", note.trim_end_matches('.'))).collect();
        let called = if node.as_ref().is_some_and(|node| in_c(&node)) { ", in C code that it called" } else { "" };
        // Only who recovered it can have asked for the stack, or could go on to say so.
        let logged = ["runtime/debug.Stack", "runtime/debug.PrintStack", "net/http.(*conn).serve.func1"];
        let recovered = node.is_some_and(|node| logged.iter().any(|name| node.is_in(name)))
            || ["recover", "panic serving"].iter().any(|word| reason.contains(word));
        let text = match self.summary.kind {
            Kind::Unknown if recovered => {
                format!("A panic was recovered and its stack logged. It happened{text}{what}{again}.")
            }
            Kind::Unknown => format!("It panicked{text}{what}{again}."),
            _ => format!("It did not hang, it crashed{text}{called}{what}{again}."),
        };
        let advice = advice(reason, called.is_empty());
        Some(Found { cause: Cause::Crash, text, place, advice, nodes: node.into_iter().collect() })
    }

    /// The tests that ran when the time was over, and what they wait for.
    pub(super) fn tests(&self) -> Vec<Found<'a>> {
        if !self.is_time_out() {
            return Vec::new();
        }
        let names = self.summary.notes.iter().filter(|note| note.starts_with("Test") || note.starts_with("Fuzz"));
        let mut found: Vec<Found<'a>> = names.filter_map(|name| self.test(name)).collect();
        if found.is_empty() {
            // Before Go 1.20 no names are told.
            found = self.running_tests();
        }
        found
    }

    /// In a test binary goroutine 1 waits for the tests that are running: what these wait for.
    pub(super) fn main_waits_for_tests(&self) -> Vec<Found<'a>> {
        let waits =
            self.stopper.is_none() && self.main.map_or(self.is_excerpt(), |main| main.is_in("testing.(*M).Run"));
        if waits { self.running_tests() } else { Vec::new() }
    }

    /// What the tests wait for that are running, where their names are not told.
    fn running_tests(&self) -> Vec<Found<'a>> {
        let waits = ["testing.(*T).Run", "testing.(*T).Parallel"];
        let runs = |node: &Node<'a>| {
            let helps = waits.iter().any(|name| node.is_in(name)) || node.started_by().starts_with("testing/synctest.");
            node.is_in("testing.tRunner") && node.own.is_some() && node.wait != Wait::Printer && !helps
        };
        self.select(&runs).into_iter().take(3).map(|node| self.running_test(node)).collect()
    }

    /// A test that prints the dump from inside a bubble of testing/synctest may wait for any of the others in it.
    fn running_test(&self, node: Node<'a>) -> Found<'a> {
        let inside = self.in_bubble(node);
        let others = self.select(&|other| {
            let tests = [node.index, inside.index].contains(&other.index);
            other.bubble == node.bubble && other.own.is_some() && !tests
        });
        match others.first().filter(|_| inside.wait == Wait::Printer) {
            Some(first) => {
                let text = format!("{node}. In its bubble: {}.", list(&others));
                Found { text, nodes: [vec![node], others.clone()].concat(), ..first.alone() }
            }
            None => self.follow(inside).after(&inside.to_string()),
        }
    }

    /// What a test waits for that runs in a bubble of testing/synctest: the function that it has given to that.
    fn in_bubble(&self, node: Node<'a>) -> Node<'a> {
        let packages = ["testing/synctest.", "internal/synctest."];
        let is_function = |other: &Node<'a>| {
            other.bubble == node.bubble
                && other.own.is_some()
                && packages.iter().any(|package| other.started_by().starts_with(package))
        };
        let waits = node.state == "synctest.Run" && node.bubble.is_some();
        self.select(&is_function).first().copied().filter(|_| waits).unwrap_or(node)
    }

    /// In a bubble, who waits until all others wait for each other: those that do not.
    pub(super) fn busy_in_bubble(&self, node: Node<'a>) -> Option<Found<'a>> {
        let busy = self.select(&|other| {
            let waits =
                other.index == node.index || other.durable || other.state == "synctest.Run" || other.own.is_none();
            node.bubble.is_some() && other.bubble == node.bubble && !waits
        });
        let first = busy.first().filter(|_| node.state == "synctest.Wait")?;
        let text =
            format!("It waits until all others of its bubble wait for each other. This does not: {}.", list(&busy));
        let mut found = first.alone();
        found.text = text;
        found.nodes.insert(0, node);
        found.nodes.extend(busy.iter().skip(1));
        Some(found)
    }

    /// `TestForward (9m53s)`, `TestForward/a_case (2s)`
    fn test(&self, note: &str) -> Option<Found<'a>> {
        let (name, time) = note.split_once(" (").unwrap_or((note, ""));
        let function = name.split('/').next().unwrap_or(name);
        let is_of = |frame: &Frame| outer(&frame.function).rsplit('.').next() == Some(function);
        let of = self.select(&|node| node.is_in("testing.tRunner") && node.group.frames.iter().any(is_of));
        // One that waits for its subtests is not where it hangs.
        let node = *of.iter().find(|node| !node.is_in("testing.(*T).Run")).or(of.first())?;
        let time = time.strip_suffix(')').map_or(String::new(), |time| format!(" has run for {time}"));
        let node = self.in_bubble(node);
        let text = format!("{name}{time}: {node}");
        Some(self.follow(node).after(&text))
    }
}

/// Whether a line between reason and goroutines is another panic's message.
fn is_message(note: &str) -> bool {
    note.starts_with("panic: ") || note.starts_with("fatal error: ") || note.starts_with("[signal ")
}

fn advice(reason: &str, in_go: bool) -> &'static str {
    let has = |part: &str| reason.contains(part);
    if !in_go {
        "Look at the C code with gdb and a core dump (GOTRACEBACK=crash); Go's stack ends at the call."
    } else if has("concurrent map") {
        "Guard the map with a mutex; go test -race shows who else uses it."
    } else if has("out of memory") || has("cannot allocate memory") {
        "Look at what grows (pprof heap), and set GOMEMLIMIT below the limit."
    } else if has("stack overflow") || has("stack exceeds") {
        "End the recursion: the frames that repeat name it."
    } else if has("nil pointer") || has("SIGSEGV") || has("nil map") {
        "Look at what is nil at that line; the other goroutines only happened to be there."
    } else {
        "Fix the crash; the other goroutines only happened to be there."
    }
}

impl Wait {
    /// Whether who waits in this way cannot go on without somebody else of the program.
    pub(super) fn is_on_others(self) -> bool {
        matches!(
            self,
            Wait::Receive
                | Wait::Send
                | Wait::Select
                | Wait::Group
                | Wait::Cond
                | Wait::Lock
                | Wait::Once
                | Wait::NilChannel
                | Wait::Never
                | Wait::PipeRead
                | Wait::PipeWrite
        )
    }
}
