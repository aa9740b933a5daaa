//! Logs as people have them: what collectors, terminals, web pages and exports put around the lines of a dump is taken off, and
//! every process is read by itself. Only the command needs this; PID 1 reads what the server itself writes.
//!
//! Lines that were broken, and records of several lines, are put together first ([`mail`], [`journal`]). A line goes from
//! [`clean`] (colours, markup) to a [`context`] (a file, or a string in it), which knows by [`layout`], [`string_literals`] and
//! [`fields`] how lines are wrapped, and gives them to the [`stream`] of their process. That puts them into the runtime's own
//! format ([`normal`]), and into its order where the newest line is the first ([`reversed`]), and has a reader of its own.
//! [`lost`] recognizes what collectors write where lines are missing.

mod clean;
mod columns;
mod context;
mod fields;
mod foreign;
mod journal;
mod layout;
mod lost;
mod mail;
mod normal;
mod profile;
mod reversed;
mod stream;
mod string_literals;
#[cfg(test)]
mod tests;
mod unicode;

pub use foreign::Foreign;

use super::line::{self, Line, SIGNALS};
use super::{Program, Summary};
use context::Context;
use foreign::Sorter;
use journal::Journal;
use mail::Mail;
use normal::{Sort, find, is_source};
use unicode::Decoder;

/// A line that is longer is not looked at: a dump of ten thousand goroutines in one string is 10 MB.
const LONGEST: usize = 32 << 20;

/// A dump that was found.
#[derive(Debug)]
pub struct Dump {
    /// What is in it.
    pub summary: Summary,
    /// The stop signal that a line of goward's before it names.
    pub signal: Option<String>,
}

/// Reads a log.
pub struct LogReader {
    decoder: Decoder,
    mail: Mail,
    journal: Journal,
    context: Context,
    sorter: Sorter,
    /// The line in progress.
    line: Vec<u8>,
    /// It is too long.
    passing: bool,
}

impl LogReader {
    /// A reader at the beginning of a log.
    pub fn new(program: &Program) -> LogReader {
        LogReader {
            decoder: Decoder::default(),
            mail: Mail::default(),
            journal: Journal::default(),
            context: Context::new(program, 0),
            sorter: Sorter::default(),
            line: Vec::new(),
            passing: false,
        }
    }

    /// The next bytes. `out` gets each dump that is over.
    pub fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(Dump)) {
        match self.decoder.decode(bytes) {
            None => self.text(bytes, out),
            Some(text) => self.text(&text, out),
        }
    }

    fn text(&mut self, bytes: &[u8], out: &mut dyn FnMut(Dump)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.line.is_empty() && !self.passing {
                let length = self.plain_lines(rest);
                if length > 0 {
                    let (lines, after) = rest.split_at_checked(length).unwrap_or_default();
                    let is_blank = lines == b"\n" || lines.ends_with(b"\n\n");
                    let last = if is_blank { Sort::Blank } else { Sort::Stack };
                    self.context.plain.raw(lines, last, out);
                    rest = after;
                    continue;
                }
            }
            let Some((part, after)) = memchr::memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) else {
                self.line.extend_from_slice(rest);
                if self.line.len() > LONGEST {
                    self.passing = true;
                    self.line.clear();
                }
                return;
            };
            rest = after.get(1..).unwrap_or_default();
            let mut line = std::mem::take(&mut self.line);
            if std::mem::take(&mut self.passing) {
                continue;
            }
            if line.is_empty() {
                self.one(part, out);
            } else {
                line.extend_from_slice(part);
                self.one(&line, out);
            }
        }
    }

    /// How many of these bytes are lines of a stack as the runtime writes them, and need no look.
    fn plain_lines(&self, bytes: &[u8]) -> usize {
        let is_encoded = self.mail.is_encoded() || self.journal.in_record();
        let plain = &self.context.plain;
        if is_encoded || !self.context.is_plain() || !plain.is_in_order() || plain.is_interrupted() {
            return 0;
        }
        let mut last_blank = plain.last() == Sort::Blank;
        let (mut length, mut before_last) = (0, 0);
        let mut rest = bytes;
        while let Some((line, after)) = memchr::memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
            if !is_plain(line, last_blank) {
                break;
            }
            last_blank = line.is_empty();
            before_last = length;
            length += line.len() + 1;
            rest = after.get(1..).unwrap_or_default();
        }
        // The next line may be the rest of this one.
        if last_blank { length } else { before_last }
    }

    fn one(&mut self, line: &[u8], out: &mut dyn FnMut(Dump)) {
        let LogReader { mail, journal, context, sorter, .. } = self;
        mail.line(line, &mut |line| journal.line(line, &mut |line| unwrapped(line, context, sorter, out)));
    }

    /// The log ended.
    pub fn finish(&mut self, out: &mut dyn FnMut(Dump)) {
        let text = self.decoder.finish();
        self.text(&text, out);
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() && !self.passing {
            self.one(&line, out);
        }
        let LogReader { mail, journal, context, sorter, .. } = self;
        mail.end(&mut |line| journal.line(line, &mut |line| unwrapped(line, context, sorter, out)));
        journal.end(&mut |line| unwrapped(line, context, sorter, out));
        context.finish(out);
    }

    /// What it is that has no dump in it.
    pub fn foreign(&self) -> Option<Foreign> {
        self.sorter.verdict()
    }
}

/// What the bytes of a line are, as bits.
const FOREIGN: u8 = 1;
const CLOSING: u8 = 2;

/// For each byte whether it is one that the runtime does not print in a stack, or that markup, colours and escapes are made of,
/// and whether it may be near the end of a header.
const KINDS: [u8; 256] = {
    let mut kinds = [FOREIGN; 256];
    let mut b = 0;
    while b < kinds.len() {
        match b as u8 {
            b'<' | b'&' | b'\\' | b'%' => {}
            b']' | b'}' => kinds[b] = CLOSING,
            b'\t' | b' '..=b'~' => kinds[b] = 0,
            _ => {}
        }
        b += 1;
    }
    kinds
};

/// Whether a line of a stack is as the runtime writes it, so that nothing is to be taken off, undone or put together.
fn is_plain(line: &[u8], after_blank: bool) -> bool {
    let kinds = line.iter().fold(0, |kinds, b| kinds | KINDS.get(usize::from(*b)).copied().unwrap_or(FOREIGN));
    // A goroutine's header may be anywhere in a line.
    let header = || [&b"]:"[..], b"}:"].iter().filter_map(|end| find(line, end)).min();
    let header = if kinds & CLOSING == 0 { None } else { header() };
    match line {
        [] => true,
        _ if kinds & FOREIGN != 0 => false,
        [b'g', .., b']' | b'}', b':'] if after_blank => header.is_some_and(|at| at + 2 == line.len()) && is_whole(line),
        _ if header.is_some() => false,
        // The terminal's echo of Ctrl-\ may have met it.
        [b'c', .., last] if line.starts_with(b"created by ") => {
            last.is_ascii_alphanumeric() && !SIGNALS.iter().any(|signal| line.ends_with(signal)) && is_whole(line)
        }
        [b'\t', ..] | [.., b')'] => is_whole(line),
        _ => false,
    }
}

/// Whether it is a line of a stack without anything before or after it, which [`normal`] leaves as it is. Of another one a part may
/// be the runtime's.
fn is_whole(line: &[u8]) -> bool {
    match line::parse(line) {
        Some(Line::Header(_) | Line::Frame { .. } | Line::Created { .. }) => true,
        Some(Line::Place { at, certain }) => {
            // What else stands for a tab is one too, and any line may have been indented.
            let body = line.get(1..).unwrap_or_default();
            let begins = body.first().is_some_and(|first| first.is_ascii_alphanumeric() || b"/._".contains(first));
            begins && (certain || is_source(at)) && line::parse(body).is_none()
        }
        _ => false,
    }
}

/// A line as it was before mail and a journal wrapped it.
fn unwrapped(line: &[u8], context: &mut Context, sorter: &mut Sorter, out: &mut dyn FnMut(Dump)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    sorter.line(line);
    context.line(line, out);
}
