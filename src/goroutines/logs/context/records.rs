//! Lines that are JSON, or have it behind a prefix, and documents of it: which of a record's strings are lines of a dump.

use super::{AS_BYTES, Context, DEEPEST, DOCUMENT, Dump, Field, Open, STREAMS};
use super::{Bare, Depth, LONGEST, Layout, Value, clean, fields, find, hash, header_in};
use crate::goroutines::Group;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Docker's json-file has lines that are longer in several records: so long is each but the last.
const PIECE: std::ops::RangeInclusive<usize> = 16_000..=16 << 10;
/// Nobody has more prefixes before JSON.
const PREFIXES: usize = 8;

impl Context {
    /// Takes a line that is JSON, or begins a document.
    pub(super) fn json(&mut self, line: &[u8], out: &mut dyn FnMut(Dump)) -> bool {
        let line = line.strip_prefix(b"\x1e").unwrap_or(line);
        let line = line.strip_prefix(b"data: ").unwrap_or(line);
        if !fields::begins(line) {
            return false;
        }
        let depth = Depth::default().after(line);
        // Inside a dump it is a line that was interrupted. In JSON no string goes over a line's end: it was cut then.
        if depth.depth > 0 && !depth.in_string && !self.plain.in_dump() {
            self.open = Open::Document { text: [line, b"\n"].concat(), depth };
            return true;
        }
        if depth.depth > 0 || !self.is_worth(line) {
            return false;
        }
        self.document(line, 0, out)
    }

    /// A line of JSON without a dump costs nothing.
    fn is_worth(&self, line: &[u8]) -> bool {
        let goes_on = !self.pieces.is_empty() || line.len() > *PIECE.start();
        goes_on || !self.paths.is_empty() || header_in(line).is_some() || find(line, AS_BYTES).is_some()
    }

    /// Takes a line with JSON behind a prefix that has been seen before such a one.
    pub(super) fn json_with_known_prefix(&mut self, line: &[u8], out: &mut dyn FnMut(Dump)) -> bool {
        if self.json_prefixes.is_empty() {
            return false;
        }
        let Some((whose, rest)) = self.json_of(line).filter(|(whose, _)| *whose != 0) else { return false };
        self.is_worth(rest) && self.document(rest, whose, out)
    }

    /// Takes a line with a header in JSON behind a prefix.
    pub(super) fn json_with_new_prefix(&mut self, line: &[u8], header: usize, out: &mut dyn FnMut(Dump)) -> bool {
        let Some(open) = find(line, b"{\"").filter(|open| (1..header).contains(open)) else { return false };
        let (before, rest) = line.split_at_checked(open).unwrap_or_default();
        if Depth::default().after(rest) != Depth::default() {
            return false;
        }
        let Some(layout) = Layout::learned(before, b"", false) else { return false };
        if self.json_prefixes.contains(&layout) {
            return false;
        }
        self.json_prefixes.push(layout);
        let taken = self.json_with_known_prefix(line, out);
        if !taken {
            self.json_prefixes.pop();
        } else if self.json_prefixes.len() > PREFIXES {
            self.json_prefixes.remove(0);
        }
        taken
    }

    /// The JSON in a line, and whose it is by what stands before it: 0 where nothing does.
    fn json_of<'a>(&self, line: &'a [u8]) -> Option<(u64, &'a [u8])> {
        if fields::begins(line) {
            return Some((0, line));
        }
        // A short prefix may be the beginning of a long one.
        self.json_prefixes.iter().enumerate().find_map(|(at, layout)| {
            let Bare { text: Cow::Borrowed(text), key } = layout.strip(line)? else { return None };
            text.starts_with(b"{").then_some(((key ^ hash(&at.to_le_bytes())) | 1, text))
        })
    }

    /// Reads JSON; `whose` it is tells what stands before it.
    fn document(&mut self, text: &[u8], whose: u64, out: &mut dyn FnMut(Dump)) -> bool {
        let Some(mut value) = std::str::from_utf8(text).ok().and_then(Value::read) else { return false };
        if self.goes_on(&mut value, whose) {
            return true;
        }
        let before = self.paths.len();
        fields::records(&value, &mut |fields| self.learn_paths(fields));
        let mut taken = false;
        if self.paths.len() > before {
            // Lines that came before had text in that field too.
            for line in self.forget() {
                let Some((whose, text)) = self.json_of(&line) else { continue };
                if let Some(value) = std::str::from_utf8(text).ok().and_then(Value::read) {
                    fields::records(&value, &mut |fields| _ = self.record(fields, whose, out));
                }
            }
        }
        fields::records(&value, &mut |fields| taken |= self.record(fields, whose, out));
        taken
    }

    /// Whether the line in a record goes on in the next one. The last part gets those before it.
    fn goes_on(&mut self, value: &mut Value, whose: u64) -> bool {
        let Some(text) = log_of(value) else { return false };
        let goes_on = PIECE.contains(&text.len()) && !text.contains('\n');
        if self.pieces.is_empty() && !goes_on {
            return false;
        }
        let whose = whose ^ fields::names(value, 0);
        let Some(text) = log_of(value) else { return false };
        if let Some(at) = self.pieces.iter().position(|(key, _)| *key == whose) {
            text.insert_str(0, &self.pieces.remove(at).1);
        }
        if goes_on && text.len() <= LONGEST && self.pieces.len() < STREAMS {
            self.pieces.push((whose, std::mem::take(text)));
            return true;
        }
        false
    }

    /// Of lines that were to go on and did not, what is there.
    pub(super) fn end_pieces(&mut self, out: &mut dyn FnMut(Dump)) {
        for (key, text) in std::mem::take(&mut self.pieces) {
            _ = self.record(&[Field { path: "log".to_owned(), text: text.into(), key }], 0, out);
        }
    }

    /// Of several fields with the same header one is enough: the one with the least around it.
    fn learn_paths(&mut self, fields: &[Field<'_>]) {
        let mut headers: BTreeMap<u64, usize> = BTreeMap::new();
        let order = |known: &[String], at: usize| {
            fields.get(at).map(|field: &Field<'_>| (!known.contains(&field.path), field.text.len(), at))
        };
        for (at, field) in fields.iter().enumerate().filter(|(_, field)| !field.has_lines()) {
            let text = clean(field.text.as_bytes());
            let Some(header) = header_in(&text).and_then(|(from, to)| text.get(from..to)) else { continue };
            let best = headers.entry(hash(header)).or_insert(at);
            if order(&self.paths, at) < order(&self.paths, *best) {
                *best = at;
            }
        }
        for field in headers.values().filter_map(|at| fields.get(*at)) {
            if !self.paths.contains(&field.path) {
                self.paths.push(field.path.clone());
            }
        }
    }

    /// Whether there was text in a record.
    fn record(&mut self, fields: &[Field<'_>], whose: u64, out: &mut dyn FnMut(Dump)) -> bool {
        let mut taken = false;
        let is_dump = |field: &Field<'_>| field.has_lines() && header_in(field.text.as_bytes()).is_some();
        let dumps: Vec<bool> = fields.iter().map(is_dump).collect();
        let several = dumps.iter().filter(|is_dump| **is_dump).count() > 1;
        let mut told: Vec<(usize, Vec<Group>)> = Vec::new();
        for (at, (field, is_dump)) in fields.iter().zip(&dumps).enumerate() {
            if *is_dump {
                let reason = fields.iter().find(|field| says_why(&field.path)).map(|field| field.text.as_bytes());
                let lines = [reason.unwrap_or_default(), b"\n", field.text.as_bytes()].concat();
                self.text(&lines, &mut |dump| {
                    // Of a dump that is in two fields of a record there is one.
                    let groups = &dump.summary.groups;
                    if told.iter().any(|(other, known)| *other != at && known == groups) {
                        return;
                    }
                    if several {
                        told.push((at, groups.clone()));
                    }
                    out(dump);
                });
                taken = true;
            } else if self.paths.contains(&field.path) {
                let key = field.key ^ hash(field.path.as_bytes()) ^ whose;
                let Some(inside) = self.inside(key, out) else { continue };
                inside.lines(field.text.strip_suffix('\n').unwrap_or(&field.text).as_bytes(), out);
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
            self.inner.push((key, Box::new(Context::new(&self.program, self.depth + 1))));
        }
        let at = known.unwrap_or(self.inner.len() - 1);
        self.inner.get_mut(at).map(|(_, context)| &mut **context)
    }

    pub(super) fn go_on_with_document(
        &mut self,
        mut text: Vec<u8>,
        depth: Depth,
        line: &[u8],
        out: &mut dyn FnMut(Dump),
    ) {
        let depth = depth.after(line);
        text.extend_from_slice(line);
        text.push(b'\n');
        // In JSON no string goes over a line's end.
        if depth.depth > 0 && !depth.in_string && text.len() < DOCUMENT {
            self.open = Open::Document { text, depth };
        } else if depth.in_string || !self.document(&text, 0, out) {
            self.as_lines(&text, out);
        }
    }

    /// What looked like JSON, and was none.
    pub(super) fn as_lines(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) {
        let depth = std::mem::replace(&mut self.depth, DEEPEST);
        text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n').for_each(|line| {
            self.one(&clean(line), out);
        });
        self.depth = depth;
    }
}

/// The field in which Docker's json-file has the line.
fn log_of(value: &mut Value) -> Option<&mut String> {
    let Value::Object(members) = value else { return None };
    members.iter_mut().find_map(|(name, value)| match value {
        Value::Text(text) if name == "log" => Some(text),
        _ => None,
    })
}

/// A field in which loggers say why they log a stack.
fn says_why(path: &str) -> bool {
    matches!(path.rsplit('.').next(), Some("panic" | "error" | "err" | "reason"))
}
