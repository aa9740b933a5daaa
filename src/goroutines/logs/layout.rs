//! What stands before and behind each line of a log, learned from one line: not its text, but its shape.
//!
//! A prefix is words, blanks and other characters: `web-1  | ` is a word, blanks, a bar, blanks, and the `> ` of a quoted mail
//! a character and a blank. On other lines words may be others. Those that are no times and count no lines tell whose line it
//! is: a container, a process.
//!
//! No collector is named here. For a new one add a case to tests/goroutines/forms.rs first: it may be read already. What begins
//! as JSON does is tried as JSON before (`fields.rs`).

use super::string_literals::{closing, unescaped};
use crate::goroutines::groups::hash;
use crate::goroutines::line::decimal;
use std::borrow::Cow;

/// Where the text begins in a line of Kubernetes' own log files, which is cut into parts where it is long; its stream, and
/// whether the next line of that goes on with it.
pub(super) fn part_of_line(line: &[u8]) -> Option<(usize, &[u8], bool)> {
    let at = memchr::memchr(b' ', line)?;
    let (time, rest) = line.split_at_checked(at + 1)?;
    let (stream, rest) = rest.split_at_checked(7)?;
    let partial = match rest {
        [b'P', b' ', ..] => true,
        [b'F', b' ', ..] => false,
        _ => return None,
    };
    (matches!(stream, b"stdout " | b"stderr ") && is_time(time.split(|b| *b == b':').next()?)).then_some((
        at + 10,
        stream,
        partial,
    ))
}

/// A part of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Word,
    Blanks,
    Byte(u8),
}

/// More of a line is no prefix.
const LONGEST: usize = 1024;

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-./@".contains(&b) || b >= 0x80
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// The shape of a text, with each word of it.
fn parts(text: &[u8]) -> Vec<(Part, &[u8])> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let run = |test: fn(u8) -> bool| rest.iter().take_while(|b| test(**b)).count();
        let (part, length) = match *first {
            b if is_word(b) => (Part::Word, run(is_word)),
            b if is_blank(b) => (Part::Blanks, run(is_blank)),
            b => (Part::Byte(b), 1),
        };
        let (text, after) = rest.split_at_checked(length).unwrap_or_default();
        parts.push((part, text));
        rest = after;
    }
    parts
}

/// How lines are wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Shape {
        before: Vec<Part>,
        after: Vec<Part>,
        /// The text may be in quotes, where it has to be: in CSV, logfmt, YAML.
        quotes: bool,
        /// For each word of the prefix whether it counts lines.
        counts: Vec<bool>,
    },
    /// `grep`: a file's name, a line's number, and `:` or, beside a line that was found, `-`.
    Grep { file: Vec<u8>, numbered: bool },
}

/// A line without its prefix.
#[derive(Debug)]
pub(super) struct Bare<'a> {
    pub(super) text: Cow<'a, [u8]>,
    /// Whose it is.
    pub(super) key: u64,
}

impl Layout {
    /// From what stands before and behind a text.
    pub(super) fn learned(before: &[u8], after: &[u8], quotes: bool) -> Option<Layout> {
        if let Some(grep) = Layout::grep(before).filter(|_| after.is_empty() && !quotes) {
            return Some(grep);
        }
        let shape = |text: &[u8]| -> Vec<Part> { parts(text).into_iter().map(|(part, _)| part).collect() };
        let (before, after) = (shape(before), shape(after));
        // Where a prefix ends in a word, nobody knows where the text begins.
        let open = before.last() == Some(&Part::Word) || after.first() == Some(&Part::Word);
        let words = before.iter().filter(|part| **part == Part::Word).count();
        (!open && before.len() <= LONGEST).then(|| Layout::Shape { before, after, quotes, counts: vec![false; words] })
    }

    fn grep(before: &[u8]) -> Option<Layout> {
        let name = before.strip_suffix(b":").or_else(|| before.strip_suffix(b"-"))?;
        let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let file = name.get(..name.len() - digits)?;
        let bare = |file: &[u8]| !file.iter().any(|b| is_blank(*b) || b":[](){}|\"".contains(b));
        if digits == 0 {
            // Without numbers a name must look like that of a file.
            return (bare(file) && file.contains(&b'.')).then(|| Layout::Grep { file: file.to_vec(), numbered: false });
        }
        let name = file.strip_suffix(b":").or_else(|| file.strip_suffix(b"-"));
        match (file, name) {
            ([], _) => Some(Layout::Grep { file: Vec::new(), numbered: true }),
            (_, Some(name)) => bare(name).then(|| Layout::Grep { file: name.to_vec(), numbered: true }),
            _ => None,
        }
    }

    /// How much of the shape there is.
    pub(super) fn length(&self) -> usize {
        match self {
            Layout::Shape { before, .. } => before.len(),
            Layout::Grep { .. } => 1,
        }
    }

    /// Whether it is indentation alone, which needs no layout.
    pub(super) fn is_indentation(&self) -> bool {
        matches!(self, Layout::Shape { before, after, quotes: false, .. }
            if after.is_empty() && before.iter().all(|part| *part == Part::Blanks))
    }

    /// Whether it is quotes alone: then every line has them, or it was but the first one of a string.
    pub(super) fn is_quotes(&self) -> bool {
        matches!(self, Layout::Shape { before, quotes: true, .. } if before.iter().all(|part| *part == Part::Blanks))
    }

    /// Only the first so many parts of the prefix.
    pub(super) fn shorter(&self, length: usize) -> Option<Layout> {
        let Layout::Shape { before, .. } = self else { return None };
        let before = before.get(..length)?.to_vec();
        if before.is_empty() || before.last() == Some(&Part::Word) {
            return None;
        }
        let words = before.iter().filter(|part| **part == Part::Word).count();
        Some(Layout::Shape { before, after: Vec::new(), quotes: false, counts: vec![false; words] })
    }

    /// Takes prefix and suffix off.
    pub(super) fn strip<'a>(&self, line: &'a [u8]) -> Option<Bare<'a>> {
        let (before, after, quotes, counts) = match self {
            Layout::Grep { file, numbered } => return strip_grep(line, file, *numbered),
            Layout::Shape { before, after, quotes, counts } => (before, after, *quotes, counts),
        };
        let (words, rest) = fit(before, line)?;
        let mut key = hash(&before.len().to_le_bytes());
        for (word, counts) in identity(before, &words).into_iter().zip(counts) {
            if let Some(word) = word.filter(|_| !counts) {
                key = key.rotate_left(7) ^ hash(word);
            }
        }
        let text = if quotes {
            without_quotes(rest, after)
        } else {
            let (text, words) = without_suffix(rest, after)?;
            key = words.iter().fold(key, |key, word| key.rotate_left(7) ^ hash(word));
            Cow::Borrowed(text)
        };
        Some(Bare { text, key })
    }

    /// Whether something in it counts lines.
    pub(super) fn counts_lines(&self) -> bool {
        matches!(self, Layout::Shape { counts, .. } if counts.contains(&true))
    }

    /// What of a prefix changed from one line to the next as a count of lines does.
    pub(super) fn learn_counts(&mut self, lines: &[&[u8]]) {
        let Layout::Shape { before, counts, .. } = self else { return };
        let numbers: Vec<Vec<&[u8]>> =
            lines.iter().filter_map(|line| fit(before, line)).map(|(words, _)| words).collect();
        for (at, counts) in counts.iter_mut().enumerate() {
            let value = |words: &Vec<&[u8]>| match decimal(words.get(at)?)? {
                (number, b"") => Some(number),
                _ => None,
            };
            let rising = |pair: &[Vec<&[u8]>]| match pair {
                [one, other] => value(one).zip(value(other)).is_some_and(|(one, other)| other == one + 1),
                _ => false,
            };
            *counts = numbers.len() > 1 && numbers.windows(2).all(rising);
        }
    }
}

/// The words of the beginning of a line that has this shape, and what follows. Of a line without text the last blanks may be
/// missing.
fn fit<'a>(shape: &[Part], line: &'a [u8]) -> Option<(Vec<&'a [u8]>, &'a [u8])> {
    let mut words = Vec::new();
    let mut rest = line;
    for (at, part) in shape.iter().enumerate() {
        let length = match part {
            Part::Word => rest.iter().take_while(|b| is_word(**b)).count(),
            Part::Blanks => rest.iter().take_while(|b| is_blank(**b)).count(),
            Part::Byte(byte) => usize::from(rest.first() == Some(byte)),
        };
        if length == 0 {
            let lost = rest.is_empty() && *part == Part::Blanks && at + 1 == shape.len();
            return lost.then_some((words, rest));
        }
        let (text, after) = rest.split_at_checked(length)?;
        if *part == Part::Word {
            words.push(text);
        }
        // A tab before a place may be all that tells that it is one, but it need not be there.
        rest = after;
    }
    Some((words, rest))
}

/// For each word itself, if it can tell whose line it is: times cannot.
fn identity<'a>(shape: &[Part], words: &[&'a [u8]]) -> Vec<Option<&'a [u8]>> {
    // A comma stands before a fraction in some logs.
    let mut colons = Vec::new();
    for (at, part) in shape.iter().enumerate() {
        if *part == Part::Word {
            let beside = |at: Option<usize>| matches!(at.and_then(|at| shape.get(at)), Some(Part::Byte(b':' | b',')));
            colons.push((beside(at.checked_sub(1)), beside(Some(at + 1))));
        }
    }
    let number = |at: Option<usize>| at.and_then(|at| words.get(at)).is_some_and(|word| ends_in_digits(word));
    let mut kept = Vec::new();
    for (at, (word, (before, after))) in words.iter().zip(colons).enumerate() {
        let clock = number(Some(at)) && (before && number(at.checked_sub(1)) || after && number(Some(at + 1)));
        let day = at.checked_sub(1).and_then(|at| words.get(at)).is_some_and(|month| is_month(month));
        let time =
            clock && starts_with_digit(word) || day && starts_with_digit(word) || is_time(word) || is_month(word);
        kept.push(Some(*word).filter(|_| !time));
    }
    kept
}

fn starts_with_digit(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_digit)
}

/// `55`, `22.297`, `22.297Z`, `2026-11-23T05`
fn ends_in_digits(word: &[u8]) -> bool {
    let word = word.strip_suffix(b"Z").unwrap_or(word);
    word.last().is_some_and(u8::is_ascii_digit)
}

fn is_month(word: &[u8]) -> bool {
    const NAMES: [&[u8]; 19] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Mon", b"Tue",
        b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
    ];
    NAMES.contains(&word)
}

/// Dates, seconds with a fraction or since 1970, and how klog writes month and day.
fn is_time(word: &[u8]) -> bool {
    let digits = word.iter().filter(|b| b.is_ascii_digit()).count();
    let of = |others: &[u8]| word.iter().all(|b| b.is_ascii_digit() || others.contains(b));
    let date = digits >= 6 && of(b"-/.TZ_") && word.iter().any(|b| b"-/".contains(b));
    let dots = word.iter().filter(|b| **b == b'.').count();
    let seconds = digits >= 3 && dots == 1 && of(b".Z") && starts_with_digit(word);
    let klog = matches!(word, [b'I' | b'W' | b'E' | b'F', rest @ ..] if rest.len() == 4 && rest.iter().all(u8::is_ascii_digit));
    // Of multilog and s6-log: TAI64N.
    let tai = word.strip_prefix(b"@4000").is_some_and(|hex| hex.len() == 20 && hex.iter().all(u8::is_ascii_hexdigit));
    date || seconds || klog || tai || digits >= 10 && of(b"")
}

fn strip_grep<'a>(line: &'a [u8], file: &[u8], numbered: bool) -> Option<Bare<'a>> {
    let separator = |rest: &'a [u8]| rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"-"));
    let mut rest = line.strip_prefix(file)?;
    if numbered {
        if !file.is_empty() {
            rest = separator(rest)?;
        }
        rest = decimal(rest)?.1;
    }
    Some(Bare { text: Cow::Borrowed(separator(rest)?), key: hash(file) })
}

/// The text before what has the shape of the suffix, and the suffix' words that are no times.
fn without_suffix<'a>(line: &'a [u8], suffix: &[Part]) -> Option<(&'a [u8], Vec<&'a [u8]>)> {
    let mut rest = line;
    let mut words = Vec::new();
    for part in suffix.iter().rev() {
        let run = |test: fn(u8) -> bool| rest.iter().rev().take_while(|b| test(**b)).count();
        let length = match part {
            Part::Word => run(is_word),
            Part::Blanks => run(is_blank),
            Part::Byte(byte) => usize::from(rest.last() == Some(byte)),
        };
        if length == 0 {
            return None;
        }
        let (before, text) = rest.split_at_checked(rest.len() - length)?;
        if *part == Part::Word && !is_time(text) && !text.iter().all(u8::is_ascii_digit) {
            words.push(text);
        }
        rest = before;
    }
    Some((rest, words))
}

/// A value that is in quotes where it has to be.
fn without_quotes<'a>(rest: &'a [u8], suffix: &[Part]) -> Cow<'a, [u8]> {
    if let Some(inside) = rest.strip_prefix(b"\"") {
        let end = closing(rest, 1).map_or(inside.len(), |close| close - 1);
        return unescaped(inside.get(..end).unwrap_or_default());
    }
    if let Some(inside) = rest.strip_prefix(b"'") {
        let end = memchr::memrchr(b'\'', inside).unwrap_or(inside.len());
        return Cow::Borrowed(inside.get(..end).unwrap_or_default());
    }
    let comma = suffix.first() == Some(&Part::Byte(b','));
    match without_suffix(rest, suffix) {
        Some((text, _)) => Cow::Borrowed(text),
        None if comma => Cow::Borrowed(rest.split(|b| *b == b',').next().unwrap_or_default()),
        None => Cow::Borrowed(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(header: &str, lines: &[&str]) -> Vec<(String, bool)> {
        let at = header.find("goroutine").unwrap();
        let layout = Layout::learned(&header.as_bytes()[..at], b"", false).unwrap();
        let first = layout.strip(header.as_bytes()).unwrap().key;
        let strip = |line: &&str| {
            let bare = layout.strip(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
            (String::from_utf8_lossy(&bare.text).into_owned(), bare.key == first)
        };
        lines.iter().map(strip).collect()
    }

    #[test]
    fn whose_line_it_is() {
        for (header, same, other) in [
            ("web-1  | goroutine", "web-1  | x y", "worker-1 | x y"),
            ("2026-11-23T05:55:22.29Z goroutine", "2026-11-24T05:55:22Z x y", ""),
            (
                "Nov 23 05:55:22 host a[71]: goroutine",
                "Dec  1 05:55:23 host a[71]: x y",
                "Nov 23 05:55:22 host a[72]: x y",
            ),
            (
                "E1123 05:55:22.123456      71 m.go:4] goroutine",
                "E1124 05:55:23.1      71 m.go:4] x y",
                "E1123 05:55:22.1 9 m.go:4] x y",
            ),
            (
                "<30>1 2026-11-23T05:55:22Z h a 71 - - goroutine",
                "<30>1 2026-11-23T05:55:23Z h a 71 - - x y",
                "<30>1 2026-11-23T05:55:22Z h a 72 - - x y",
            ),
            (
                "2026/11/23 05:55:22 [shop] goroutine",
                "2026/11/23 05:56:00 [shop] x y",
                "2026/11/23 05:56:00 [cart] x y",
            ),
            (
                "2026-11-23T05:55:22Z stderr F goroutine",
                "2026-11-23T05:55:22Z stderr F x y",
                "2026-11-23T05:55:22Z stdout F x y",
            ),
            ("[pod/web-1/app] goroutine", "[pod/web-1/app] x y", "[pod/web-2/app] x y"),
            ("a.log:12:goroutine", "a.log-13-x y", ""),
            ("12:goroutine", "13-x y", ""),
            ("[  123.456789] host a[7]: goroutine", "[  124.1] host a[7]: x y", "[  123.456789] host a[8]: x y"),
            ("1764000000.123 a[7]: goroutine", "1764000001.5 a[7]: x y", "1764000000.123 a[8]: x y"),
            (
                "2026-11-23T05:55:22Z app[148e29] lhr [info]goroutine",
                "2026-11-23T05:55:23Z app[148e29] lhr [info]x y",
                "2026-11-23T05:55:22Z app[9f] lhr [info]x y",
            ),
        ] {
            assert_eq!(texts(header, &[same]), [("x y".to_owned(), true)], "{header}");
            if !other.is_empty() {
                assert_eq!(texts(header, &[other]), [("x y".to_owned(), false)], "{header}");
            }
        }
        assert_eq!(texts("> goroutine", &[">", "> x"]), [(String::new(), true), ("x".to_owned(), true)]);
    }

    #[test]
    fn lines_that_are_counted() {
        let lines = ["  1 goroutine 1", "  2 main.main()"].map(str::as_bytes);
        let mut layout = Layout::learned(b"  1 ", b"", false).unwrap();
        layout.learn_counts(&lines);
        assert_eq!(layout.strip(lines[0]).unwrap().key, layout.strip(lines[1]).unwrap().key);
    }

    #[test]
    fn what_stands_behind() {
        let csv = Layout::learned(b"2026-11-23T05:55:22Z,", b",stderr", true).unwrap();
        for (line, text) in [
            ("2026-11-23T05:55:22Z,\"main.f(0x1, 0x2)\",stderr", "main.f(0x1, 0x2)"),
            ("2026-11-23T05:55:22Z,main.main(),stderr", "main.main()"),
            ("2026-11-23T05:55:22Z,,stderr", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&csv.strip(line.as_bytes()).unwrap().text), text);
        }
        let events = Layout::learned(b"EVENTS\t1764000000000\t", b"\t1764000000001", false).unwrap();
        let bare = events.strip(b"EVENTS\t1764000000002\tmain.main()\t1764000000003").unwrap();
        assert_eq!(bare.text.as_ref(), b"main.main()");
    }
}
