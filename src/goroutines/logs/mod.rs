//! Logs as people have them: what collectors, terminals, web pages and exports put around the lines of a dump is taken off,
//! and every process is read by itself. Only the command needs this; PID 1 reads what the server itself writes.
//!
//! Lines that were broken, and records of several lines, are put together first ([`mail`], [`journal`]). A line goes from [`clean`] (colours, markup) to a [`context`] (a file, or a string in it), which knows by [`layout`],
//! [`quoted`] and [`fields`] how lines are wrapped, and gives them to the [`stream`] of their process. That puts them into the
//! runtime's own format ([`normal`]) and has a reader of its own.

mod clean;
mod columns;
mod context;
mod fields;
mod foreign;
mod journal;
mod layout;
mod mail;
mod normal;
mod profile;
mod quoted;
mod stream;
#[cfg(test)]
mod tests;
mod unicode;

pub use foreign::Foreign;

use super::line::SIGNALS;
use super::{Program, Summary};
use context::Context;
use foreign::Sorter;
use journal::Journal;
use mail::Mail;
use normal::{Sort, find};
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
                    let last = if lines.ends_with(b"\n\n") { Sort::Blank } else { Sort::Stack };
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
        if is_encoded || !self.context.is_plain() || !self.context.plain.in_dump() {
            return 0;
        }
        let mut last_blank = self.context.plain.last() == Sort::Blank;
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

/// Whether a line of a stack is as the runtime writes it, so that nothing is to be taken off, undone or put together.
fn is_plain(line: &[u8], after_blank: bool) -> bool {
    // Markup, colours, escapes and blanks of other kinds are taken off elsewhere; and a goroutine's header may be anywhere in a line.
    let printable = line.iter().all(|b| matches!(b, b' '..=b'~' | b'\t'));
    let escaped = memchr::memchr2(b'<', b'&', line).is_some() || memchr::memchr2(b'\\', b'%', line).is_some();
    let header = [&b"]:"[..], b"}:"].iter().filter_map(|end| find(line, end)).min();
    match line {
        [] => true,
        _ if escaped || !printable => false,
        [b'g', .., b']' | b'}', b':'] => {
            after_blank && line.starts_with(b"goroutine ") && header.is_some_and(|at| at + 2 == line.len())
        }
        _ if header.is_some() => false,
        [b'\t', b' '..=b'~', .., last] => last.is_ascii_hexdigit() && memchr::memchr(b':', line).is_some(),
        // The terminal's echo of Ctrl-\ may have met it.
        [b'c', .., last] if line.starts_with(b"created by ") => {
            last.is_ascii_alphanumeric() && !SIGNALS.iter().any(|signal| line.ends_with(signal))
        }
        [first, .., b' '..=b'~', b')'] if first.is_ascii_alphabetic() => {
            memchr::memchr3(b' ', b'(', b'<', line).is_some_and(|at| line.get(at) == Some(&b'('))
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
