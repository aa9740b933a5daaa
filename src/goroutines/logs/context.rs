//! Where a text comes from: a file, or a string in it. A context has its own streams, and knows how its lines are wrapped.

mod records;

use super::clean::clean;
use super::fields::{self, Depth, Field};
use super::layout::{Bare, Layout, part_of_line};
use super::lost::says_lost;
use super::normal::{Sort, find, header_in, normal};
use super::stream::Stream;
use super::string_literals::{around, closing, in_url, unescaped, without_quotes};
use super::{Dump, LONGEST};
use crate::goroutines::Program;
use crate::goroutines::groups::hash;
use crate::goroutines::line::decimal;
use crate::json::Value;
use std::collections::VecDeque;

/// Strings in strings in strings: nobody wraps more often.
const DEEPEST: u8 = 4;
/// So many processes are followed at once, and so many ways to wrap lines are known.
const STREAMS: usize = 64;
const LAYOUTS: usize = 8;
/// So many lines are remembered until it is known how they are wrapped, and so many bytes: in reverse order a whole stack, and the
/// registers, come before the first header.
const RECENT: usize = 512;
const RECENT_BYTES: usize = 256 << 10;
/// After so many lines a header alone is no dump.
const WAITING: usize = 8;
/// A document of JSON is read as a whole.
const DOCUMENT: usize = 64 << 20;

/// With what a dump in a string begins.
const BEGINNINGS: [&[u8]; 4] = [b"goroutine", b"SIGQUIT", b"panic: ", b"fatal error: "];

/// `goroutine` as journald writes it where a line has colours.
const AS_BYTES: &[u8] = b"103,111,114,111,117,116,105,110,101";

/// A header with something around it: how the lines of its stack are wrapped tells the next one.
struct Held {
    line: Vec<u8>,
    /// Where it stands in that line.
    at: usize,
    end: usize,
    /// What came since.
    after: Vec<Vec<u8>>,
}

/// A string or a document that goes on in the next line.
enum Open {
    Nothing,
    /// From its opening quote on.
    Quote(Vec<u8>),
    Document {
        text: Vec<u8>,
        depth: Depth,
    },
}

pub(super) struct Context {
    depth: u8,
    program: Program,
    pub(super) plain: Stream,
    layouts: Vec<Layout>,
    /// Those of other processes, by whose they are; the last used is the last.
    streams: Vec<(u64, Box<Stream>)>,
    /// What stands before lines of JSON.
    json_prefixes: Vec<Layout>,
    /// Fields of JSON that have text, and the contexts of that.
    paths: Vec<String>,
    inner: Vec<(u64, Box<Context>)>,
    /// Lines that go on in the next record.
    pieces: Vec<(u64, String)>,
    recent: VecDeque<Vec<u8>>,
    recent_bytes: usize,
    held: Option<Held>,
    open: Open,
    /// Parts of lines that go on, of both streams.
    parts: [Vec<u8>; 2],
}

impl Context {
    pub(super) fn new(program: &Program, depth: u8) -> Context {
        Context {
            depth,
            program: program.clone(),
            plain: Stream::new(program),
            layouts: Vec::new(),
            streams: Vec::new(),
            json_prefixes: Vec::new(),
            paths: Vec::new(),
            inner: Vec::new(),
            pieces: Vec::new(),
            recent: VecDeque::new(),
            recent_bytes: 0,
            held: None,
            open: Open::Nothing,
            parts: [Vec::new(), Vec::new()],
        }
    }

    /// Whether a line that is the runtime's as it is can go to the plain stream unseen.
    pub(super) fn is_plain(&self) -> bool {
        let waits = self.held.is_some() || !matches!(self.open, Open::Nothing) || self.plain.holds();
        self.layouts.is_empty() && !waits && !self.plain.in_profile()
    }

    /// A line without its end.
    pub(super) fn line(&mut self, line: &[u8], out: &mut dyn FnMut(Dump)) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Quote(text) => return self.go_on_with_quote(text, line, out),
            Open::Document { text, depth } => return self.go_on_with_document(text, depth, line, out),
        }
        let line = clean(line);
        if let Some((text, stream, partial)) = part_of_line(&line) {
            let Some(parts) = self.parts.get_mut(usize::from(stream == b"stderr ")) else { return };
            if partial {
                if parts.len() < LONGEST {
                    parts.extend_from_slice(line.get(text..).unwrap_or_default());
                }
                return;
            }
            let parts = std::mem::take(parts);
            if !parts.is_empty() {
                let (before, text) = line.split_at_checked(text).unwrap_or_default();
                return self.one(&[before, &parts, text].concat(), out);
            }
        }
        // Markup ends lines too.
        for line in line.split(|b| *b == b'\n') {
            self.one(line, out);
        }
    }

    fn one(&mut self, line: &[u8], out: &mut dyn FnMut(Dump)) {
        let line = without_length(line);
        if let Some(held) = self.held.take() {
            return self.decide(held, Some(line), out);
        }
        if self.layouts.is_empty() && self.plain.in_dump() && self.plain.is_interrupted() {
            return self.plain.line(line, out);
        }
        if let Some(text) = in_url(line).filter(|_| self.depth < DEEPEST) {
            return self.text(&text, out);
        }
        let own = normal(line).1;
        // These begin as no prefix does.
        let begins = line.starts_with(b"created by ") || line.starts_with(b"\t");
        let surely = matches!(own, Sort::Header { .. }) || own == Sort::Stack && begins;
        if !surely && (self.depth < DEEPEST && self.json_with_known_prefix(line, out) || self.with_layout(line, out)) {
            return;
        }
        if own == Sort::Other && says_lost(line) {
            self.lines_were_lost();
        }
        // A terminal breaks lines behind the prefix alone.
        if let Some((_, stream)) = self.streams.last_mut().filter(|(_, stream)| stream.goes_on_with(line)) {
            return stream.line(line, out);
        }
        if self.depth < DEEPEST && self.json(line, out) {
            return;
        }
        match header_in(line).filter(|_| !matches!(own, Sort::Header { .. })) {
            Some((at, _)) if self.depth < DEEPEST && self.json_with_new_prefix(line, at, out) => {}
            Some((at, end)) => self.wrapped(line, at, end, out),
            None if self.depth < DEEPEST && self.opens_string(line) => {}
            None => {
                self.remember(line);
                self.plain.line(line, out);
            }
        }
    }

    /// Whether a line begins a string of YAML that goes on in the next ones, with a dump in it whose first header may be
    /// broken.
    fn opens_string(&mut self, line: &[u8]) -> bool {
        if find(line, b"\\n").is_none()
            || fields::begins(line)
            || !BEGINNINGS.iter().any(|part| find(line, part).is_some())
        {
            return false;
        }
        let Some(quoted) = around(line, line.len()).filter(|quoted| quoted.close.is_none()) else { return false };
        self.open = Open::Quote(line.get(quoted.open + 1..).unwrap_or_default().to_vec());
        true
    }

    fn remember(&mut self, line: &[u8]) {
        if self.plain.in_dump() || line.len() > RECENT_BYTES / 2 {
            return;
        }
        self.recent_bytes += line.len();
        self.recent.push_back(line.to_vec());
        while self.recent.len() > RECENT || self.recent_bytes > RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else { break };
            self.recent_bytes -= oldest.len();
        }
    }

    fn forget(&mut self) -> Vec<Vec<u8>> {
        self.recent_bytes = 0;
        std::mem::take(&mut self.recent).into()
    }

    /// A text of several lines: a stack in one string. It is all that is known of that process.
    fn text(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) {
        let mut inside = Context::new(&self.program, self.depth + 1);
        inside.lines(text, out);
        inside.finish(out);
    }

    /// A text that was cut: its last line may be a part of one.
    fn part_of_text(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) {
        let mut inside = Context::new(&self.program, self.depth + 1);
        inside.lines(text.get(..memchr::memrchr(b'\n', text).unwrap_or(0)).unwrap_or_default(), out);
        inside.lines_were_lost();
        inside.finish(out);
    }

    fn lines(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) {
        text.split(|b| *b == b'\n').for_each(|line| self.line(line.strip_suffix(b"\r").unwrap_or(line), out));
    }

    /// Somebody says that lines are lost where the log is now.
    fn lines_were_lost(&mut self) {
        self.plain.lines_were_lost();
        self.streams.iter_mut().for_each(|(_, stream)| stream.lines_were_lost());
        self.inner.iter_mut().for_each(|(_, context)| context.lines_were_lost());
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Prefixes

    /// Gives a line to its stream, if it is known how it is wrapped.
    fn with_layout(&mut self, line: &[u8], out: &mut dyn FnMut(Dump)) -> bool {
        let found = self.layouts.iter().enumerate().find_map(|(at, layout)| Some((at, layout.strip(line)?)));
        let Some((at, bare)) = found else { return false };
        let key = bare.key ^ hash(&at.to_le_bytes());
        let text = bare.text.into_owned();
        if says_lost(&text) && normal(&text).1 == Sort::Other {
            self.lines_were_lost();
        }
        let stream = self.stream(key, out);
        // The text may be wrapped once more, in the line of the header alone.
        match header_in(&text).filter(|(start, _)| *start > 0 && !matches!(normal(&text).1, Sort::Header { .. })) {
            Some((start, end)) => {
                let (before, rest) = text.split_at_checked(start).unwrap_or_default();
                stream.said_before(before);
                stream.line(rest.get(..end - start).unwrap_or(rest), out);
            }
            None => text.split(|b| *b == b'\n').for_each(|line| stream.line(line, out)),
        }
        true
    }

    fn stream(&mut self, key: u64, out: &mut dyn FnMut(Dump)) -> &mut Stream {
        let known = self.streams.iter().position(|(other, _)| *other == key);
        let entry = match known {
            Some(at) => self.streams.remove(at),
            None => {
                if self.streams.len() >= STREAMS {
                    self.streams.remove(0).1.finish(out);
                }
                (key, Box::new(Stream::new(&self.program)))
            }
        };
        self.streams.push(entry);
        let last = self.streams.len() - 1;
        // It was pushed just now.
        self.streams.get_mut(last).map_or(&mut self.plain, |(_, stream)| stream)
    }

    /// A header with something before or behind it.
    fn wrapped(&mut self, line: &[u8], at: usize, end: usize, out: &mut dyn FnMut(Dump)) {
        if let Some(quoted) = around(line, at).filter(|_| self.depth < DEEPEST) {
            let inside = line.get(quoted.open + 1..quoted.close.unwrap_or(line.len())).unwrap_or_default();
            let text = unescaped(inside);
            match quoted.close {
                _ if text.trim_ascii_end().contains(&b'\n') && quoted.close.is_some() => return self.text(&text, out),
                // In JSON no string goes over a line's end.
                None if text.trim_ascii_end().contains(&b'\n') && fields::begins(line) => {
                    return self.part_of_text(&text, out);
                }
                None if text.trim_ascii_end().contains(&b'\n') => {
                    self.open = Open::Quote(inside.to_vec());
                    return;
                }
                _ => {}
            }
        }
        if let Some(text) = without_quotes(line, end).filter(|_| self.depth < DEEPEST) {
            return self.text(&text, out);
        }
        self.held = Some(Held { line: line.to_vec(), at, end, after: Vec::new() });
    }

    /// The line after a header tells what of that one's prefix all lines have.
    fn decide(&mut self, mut held: Held, next: Option<&[u8]>, out: &mut dyn FnMut(Dump)) {
        held.after.extend(next.map(<[u8]>::to_vec));
        let layout = held.layout().and_then(|whole| held.fitting(whole));
        let is_known = |line: &[u8]| self.layouts.iter().any(|layout| layout.strip(line).is_some());
        let is_bare = || held.after.last().is_some_and(|line| normal(line).1 == Sort::Stack && !is_known(line));
        if let Some(mut layout) = layout {
            let before: Vec<&[u8]> = self.recent.iter().map(Vec::as_slice).rev().take(3).collect();
            let lines = before.into_iter().rev().chain([&held.line[..]]).chain(held.after.iter().map(Vec::as_slice));
            layout.learn_counts(&lines.collect::<Vec<_>>());
            // Numbers of two processes by turns look the same for two lines.
            if layout.counts_lines() && next.is_some() && held.after.len() < 2 {
                self.held = Some(held);
                return;
            }
            // Those of other processes too: in reverse order a stack comes before its header.
            let recent = self.forget();
            if self.layouts.len() >= LAYOUTS {
                self.layouts.remove(0);
            }
            let before = recent.iter().filter(|line| layout.strip(line).is_some());
            self.layouts.push(layout.clone());
            for line in before.chain([&held.line]) {
                self.with_layout(line, out);
            }
        } else if is_bare() {
            self.plain.said_before(held.line.get(..held.at).unwrap_or_default());
            self.plain.line(held.line.get(held.at..held.end).unwrap_or_default(), out);
        } else if next.is_some() && held.after.len() < WAITING {
            self.held = Some(held);
            return;
        } else {
            self.plain.line(&held.line, out);
        }
        for line in &held.after {
            self.one(line, out);
        }
    }

    // -----------------------------------------------------------------------------------------------------------------

    /// YAML breaks a long string between words, and indents what follows.
    fn go_on_with_quote(&mut self, mut text: Vec<u8>, line: &[u8], out: &mut dyn FnMut(Dump)) {
        let line = line.trim_ascii();
        if text.ends_with(b"\\") {
            text.pop();
        } else if line.is_empty() {
            text.extend_from_slice(b"\\n");
        } else {
            text.push(b' ');
        }
        let line = line.strip_prefix(b"\\ ").map_or(line, |_| line.get(1..).unwrap_or_default());
        match closing(line, 0) {
            Some(end) => {
                text.extend_from_slice(line.get(..end).unwrap_or_default());
                self.text(&unescaped(&text), out);
            }
            None if text.len() > LONGEST => self.text(&unescaped(&text), out),
            None => {
                text.extend_from_slice(line);
                self.open = Open::Quote(text);
            }
        }
    }

    // -----------------------------------------------------------------------------------------------------------------

    /// There is nothing more.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Dump)) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Quote(text) => self.text(&unescaped(&text), out),
            Open::Document { text, .. } => self.as_lines(&text, out),
        }
        self.end_pieces(out);
        if let Some(held) = self.held.take() {
            self.decide(held, None, out);
        }
        self.plain.finish(out);
        self.streams.iter_mut().for_each(|(_, stream)| stream.finish(out));
        self.inner.iter_mut().for_each(|(_, context)| context.finish(out));
    }
}

/// Syslog over TCP may have each line's length before it (RFC 6587): `82 <40>1 …`. It is another one in every line.
fn without_length(line: &[u8]) -> &[u8] {
    let message = || {
        let rest = decimal(line)?.1.strip_prefix(b" ")?;
        let (priority, after) = decimal(rest.strip_prefix(b"<")?)?;
        (priority < 192 && after.starts_with(b">")).then_some(rest)
    };
    message().unwrap_or(line)
}

impl Held {
    /// All that stands around the header.
    fn layout(&self) -> Option<Layout> {
        let (before, after) = (self.line.get(..self.at)?, self.line.get(self.end..)?);
        let quoted = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'"));
        let layout = match quoted {
            Some(before) => Layout::learned(before, after.get(1..).unwrap_or_default(), true),
            // Values that need no quotes have none: those of CSV with a comma in them do.
            None => Layout::learned(before, after, before.ends_with(b",") || before.ends_with(b"=")),
        };
        layout.filter(|layout| !layout.is_indentation())
    }

    /// As much of it as a line of its stack has too.
    fn fitting(&self, whole: Layout) -> Option<Layout> {
        let key = whole.strip(&self.line)?.key;
        let next = self.after.last()?;
        if whole.is_quotes() && !matches!(next.trim_ascii_start().first(), Some(b'"' | b'\'')) {
            return None;
        }
        let same = whole.strip(next).is_some_and(|bare| bare.key == key || matches!(normal(&bare.text).1, Sort::Stack));
        if same || self.counted(&whole) {
            return Some(whole);
        }
        let shorter = (1..whole.length()).rev().filter_map(|length| whole.shorter(length));
        let mut shorter = shorter.filter(|layout| !layout.is_indentation());
        shorter.find(|layout| layout.strip(next).is_some_and(|bare| matches!(normal(&bare.text).1, Sort::Stack)))
    }

    /// Whether the next line is of the same stream but for its number.
    fn counted(&self, whole: &Layout) -> bool {
        let Some(next) = self.after.first() else { return false };
        let mut counting = whole.clone();
        counting.learn_counts(&[&self.line, next]);
        let keys = [&self.line, next].map(|line| counting.strip(line).map(|bare| bare.key));
        counting != *whole && keys[0] == keys[1]
    }
}
