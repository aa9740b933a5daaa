//! Where a text comes from: a file, or a string in it. A context has its own streams, and knows how its lines are wrapped.

use super::clean::clean;
use super::fields::{self, Depth, Field};
use super::layout::{Layout, part_of_line};
use super::normal::{Sort, find, header_in, normal};
use super::quoted::{around, closing, in_url, unescaped, without_quotes};
use super::stream::Stream;
use super::{Dump, LONGEST};
use crate::goroutines::Program;
use crate::goroutines::groups::hash;
use crate::json::Value;
use std::collections::VecDeque;

/// Strings in strings in strings: nobody wraps more often.
const DEEPEST: u8 = 4;
/// So many processes are followed at once, and so many ways to wrap lines are known.
const STREAMS: usize = 64;
const LAYOUTS: usize = 8;
/// So many lines are remembered until it is known how they are wrapped, and so many bytes.
const RECENT: usize = 32;
const RECENT_BYTES: usize = 64 << 10;
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
        lines: usize,
    },
}

pub(super) struct Context {
    depth: u8,
    program: Program,
    pub(super) plain: Stream,
    layouts: Vec<Layout>,
    /// Those of other processes, by whose they are; the last used is the last.
    streams: Vec<(u64, Stream)>,
    /// Fields of JSON that have text, and the contexts of that.
    paths: Vec<String>,
    inner: Vec<(u64, Context)>,
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
            paths: Vec::new(),
            inner: Vec::new(),
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
            Open::Document { text, depth, lines } => return self.go_on_with_document(text, depth, lines, line, out),
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
        if !surely && self.with_layout(line, out) {
            return;
        }
        // A terminal breaks lines behind the prefix alone.
        if let Some((_, stream)) = self.streams.last_mut().filter(|(_, stream)| stream.goes_on_with(line)) {
            return stream.line(line, out);
        }
        if self.depth < DEEPEST && self.json(line, out) {
            return;
        }
        match header_in(line).filter(|_| !matches!(own, Sort::Header { .. })) {
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
        if find(line, b"\\n").is_none() || !BEGINNINGS.iter().any(|part| find(line, part).is_some()) {
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
        text.split(|b| *b == b'\n').for_each(|line| inside.line(line.strip_suffix(b"\r").unwrap_or(line), out));
        inside.finish(out);
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Prefixes

    /// Gives a line to its stream, if it is known how it is wrapped.
    fn with_layout(&mut self, line: &[u8], out: &mut dyn FnMut(Dump)) -> bool {
        let found = self.layouts.iter().enumerate().find_map(|(at, layout)| Some((at, layout.strip(line)?)));
        let Some((at, bare)) = found else { return false };
        let key = bare.key ^ hash(&at.to_le_bytes());
        let text = bare.text.into_owned();
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
                (key, Stream::new(&self.program))
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
            let recent = self.forget();
            let key = layout.strip(&held.line).map(|bare| bare.key);
            if self.layouts.len() >= LAYOUTS {
                self.layouts.remove(0);
            }
            let before = recent.iter().filter(|line| layout.strip(line).is_some_and(|bare| Some(bare.key) == key));
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
    // JSON

    /// Takes a line that is JSON, or begins a document.
    fn json(&mut self, line: &[u8], out: &mut dyn FnMut(Dump)) -> bool {
        let line = line.strip_prefix(b"\x1e").unwrap_or(line);
        let line = line.strip_prefix(b"data: ").unwrap_or(line);
        if !fields::begins(line) {
            return false;
        }
        let depth = Depth::default().after(line);
        // Inside a dump it is a line that was interrupted.
        if depth.depth > 0 && !self.plain.in_dump() {
            self.open = Open::Document { text: [line, b"\n"].concat(), depth, lines: 1 };
            return true;
        }
        // A line of JSON without a dump costs nothing.
        if depth.depth > 0 || self.paths.is_empty() && header_in(line).is_none() && find(line, AS_BYTES).is_none() {
            return false;
        }
        self.document(line, out)
    }

    fn document(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) -> bool {
        let Some(value) = std::str::from_utf8(text).ok().and_then(Value::read) else { return false };
        let before = self.paths.len();
        fields::records(&value, &mut |fields| self.learn_paths(fields));
        let mut taken = false;
        if self.paths.len() > before {
            // Lines that came before had text in that field too.
            for line in self.forget() {
                if let Some(value) = std::str::from_utf8(&line).ok().and_then(Value::read) {
                    fields::records(&value, &mut |fields| _ = self.record(fields, out));
                }
            }
        }
        fields::records(&value, &mut |fields| taken |= self.record(fields, out));
        taken
    }

    fn learn_paths(&mut self, fields: &[Field<'_>]) {
        for field in fields {
            let one_line = !field.text.trim_end().contains('\n') && !field.text.contains("\\n");
            if one_line && header_in(&clean(field.text.as_bytes())).is_some() && !self.paths.contains(&field.path) {
                self.paths.push(field.path.clone());
            }
        }
    }

    /// Whether there was text in a record.
    fn record(&mut self, fields: &[Field<'_>], out: &mut dyn FnMut(Dump)) -> bool {
        let mut taken = false;
        for field in fields {
            let text = field.text.as_bytes();
            let whole = header_in(text).is_some();
            if whole && (field.text.trim_end().contains('\n') || field.text.contains("\\n")) {
                let reason = fields.iter().find(|field| says_why(&field.path)).map(|field| field.text.as_bytes());
                let lines = [reason.unwrap_or_default(), b"\n", text].concat();
                self.text(&lines, out);
                taken = true;
            } else if self.paths.contains(&field.path) {
                let key = field.key ^ hash(field.path.as_bytes());
                let Some(inside) = self.inside(key, out) else { continue };
                let lines = field.text.strip_suffix('\n').unwrap_or(&field.text);
                lines.split('\n').for_each(|line| inside.line(line.strip_suffix('\r').unwrap_or(line).as_bytes(), out));
                taken = true;
            }
        }
        taken
    }

    /// The context of a record's text.
    fn inside(&mut self, key: u64, out: &mut dyn FnMut(Dump)) -> Option<&mut Context> {
        let known = self.inner.iter().position(|(other, _)| *other == key);
        if known.is_none() {
            if self.inner.len() >= STREAMS {
                self.inner.remove(0).1.finish(out);
            }
            self.inner.push((key, Context::new(&self.program, self.depth + 1)));
        }
        let at = known.unwrap_or(self.inner.len() - 1);
        self.inner.get_mut(at).map(|(_, context)| context)
    }

    fn go_on_with_document(
        &mut self,
        mut text: Vec<u8>,
        depth: Depth,
        lines: usize,
        line: &[u8],
        out: &mut dyn FnMut(Dump),
    ) {
        let depth = depth.after(line);
        text.extend_from_slice(line);
        text.push(b'\n');
        // In JSON no string goes over a line's end.
        if depth.depth > 0 && !depth.in_string && text.len() < DOCUMENT {
            self.open = Open::Document { text, depth, lines: lines + 1 };
        } else if depth.in_string || !self.document(&text, out) {
            self.as_lines(&text, out);
        }
    }

    /// What looked like JSON, and was none.
    fn as_lines(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) {
        let depth = std::mem::replace(&mut self.depth, DEEPEST);
        text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n').for_each(|line| {
            self.one(&clean(line), out);
        });
        self.depth = depth;
    }

    /// YAML breaks a long string between words, and indents what follows.
    fn go_on_with_quote(&mut self, mut text: Vec<u8>, line: &[u8], out: &mut dyn FnMut(Dump)) {
        let line = line.trim_ascii();
        match text.strip_suffix(b"\\") {
            Some(whole) => text = whole.to_vec(),
            None if line.is_empty() => text.extend_from_slice(b"\\n"),
            None => text.push(b' '),
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
        if let Some(held) = self.held.take() {
            self.decide(held, None, out);
        }
        self.plain.finish(out);
        self.streams.iter_mut().for_each(|(_, stream)| stream.finish(out));
        self.inner.iter_mut().for_each(|(_, context)| context.finish(out));
    }
}

/// A field in which loggers say why they log a stack.
fn says_why(path: &str) -> bool {
    matches!(path.rsplit('.').next(), Some("panic" | "error" | "err" | "reason"))
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
