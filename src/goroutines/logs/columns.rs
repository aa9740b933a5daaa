//! Lines of a dump that a terminal, a mail program or a page has broken at a column, put together again.
//!
//! What is a line of the runtime's only together with the next one was broken between the two. It is held until that comes, and
//! nothing else is joined; so it does not matter at which column lines were broken, nor whether only at blanks.

use super::normal::{find, is_source};
use crate::goroutines::line::{self, Line};

/// No line is longer, and none has more parts.
const LONGEST: usize = 4 << 10;
const PARTS: usize = 16;
/// Nobody breaks lines that are shorter.
const NARROWEST: usize = 40;
/// A word that is as long is none of somebody else's.
const LONG_WORD: usize = 60;

/// What a line is by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// One of the runtime's.
    Whole,
    /// One of the runtime's whose end may be missing: a place without an offset, or a creator, with its number or without.
    Open(bool),
    /// None.
    Other,
}

/// A line that may go on in the next one.
#[derive(Default)]
pub(super) struct Columns {
    parts: Vec<Vec<u8>>,
    joined: Vec<u8>,
    /// Where the last line was broken.
    width: usize,
}

impl Columns {
    /// Whether a line waits for the next one.
    pub(super) fn holds(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether this is the rest of the line that waits.
    pub(super) fn goes_on_with(&self, line: &[u8]) -> bool {
        self.holds() && self.join(line).is_some()
    }

    /// A line, which stands in a stack or not. `each` gets those that are whole, and all others as they are.
    pub(super) fn line(&mut self, line: &[u8], in_stack: bool, each: &mut dyn FnMut(&[u8])) {
        match self.join(line) {
            Some((joined, alone)) => {
                self.width = self.parts.first().map_or(0, Vec::len);
                if alone != Alone::Other {
                    self.parts.clear();
                }
                match alone {
                    Alone::Whole => return each(&joined),
                    Alone::Open(_) => self.parts.push(joined.clone()),
                    Alone::Other => self.parts.push(line.to_vec()),
                }
                self.joined = joined;
            }
            None => {
                self.end(each);
                let begins = in_stack || line.starts_with(b"goroutine ");
                if begins && (NARROWEST..LONGEST).contains(&line.len()) && may_go_on(line) {
                    self.joined = line.to_vec();
                    self.parts.push(line.to_vec());
                } else {
                    each(line);
                }
            }
        }
    }

    /// What waits is no part of a longer line.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        std::mem::take(&mut self.parts).iter().for_each(|part| each(part));
    }

    /// The line that waits together with this one, if that is one of the runtime's or may become one.
    fn join(&self, line: &[u8]) -> Option<(Vec<u8>, Alone)> {
        if !self.holds() || self.parts.len() >= PARTS || self.joined.len() + line.len() > LONGEST {
            return None;
        }
        let (before, after) = (alone(&self.joined), alone(line));
        let (long, known) =
            (self.joined.len() >= LONG_WORD, self.joined.len() == self.width || line.len() >= LONG_WORD);
        joints(&self.joined, line).into_iter().find_map(|joined| {
            let made = alone(&joined);
            let fits = match (before, after, made) {
                // The rest of a name is a name too.
                (Alone::Other, _, Alone::Whole | Alone::Open(_)) => long || after == Alone::Other,
                (Alone::Open(_), Alone::Other, Alone::Whole) => true,
                (Alone::Open(before), Alone::Other, Alone::Open(parent)) => known || parent && !before,
                (Alone::Other, Alone::Other, Alone::Other) => line.len() >= NARROWEST && is_beginning(&joined),
                _ => false,
            };
            fits.then_some((joined, made))
        })
    }
}

/// The two as one line, with a blank between them and without, the likelier first.
fn joints(one: &[u8], other: &[u8]) -> [Vec<u8>; 2] {
    const BEHIND: [&[u8]; 4] = [b",", b":", b" in", b" "];
    const BEFORE: [&[u8]; 7] = [b"+0x", b"fp=0x", b"sp=0x", b"pc=0x", b"in goroutine ", b"minutes", b" "];
    let is_blank = BEHIND.iter().any(|end| one.ends_with(end)) || BEFORE.iter().any(|begin| other.starts_with(begin));
    let (one, other) = (one.trim_ascii_end(), other.trim_ascii());
    let (with, without) = ([one, b" ", other].concat(), [one, other].concat());
    if is_blank { [with, without] } else { [without, with] }
}

fn may_go_on(line: &[u8]) -> bool {
    match alone(line) {
        Alone::Whole => false,
        Alone::Open(_) => true,
        Alone::Other => is_beginning(line),
    }
}

/// Whether a line begins as one of the runtime's: as a header or a creator; as a place with an offset; as a function or a place,
/// which have blanks only behind a comma.
fn is_beginning(line: &[u8]) -> bool {
    let body = line.trim_ascii();
    if let Some(place) = find(body, b" +").and_then(|at| body.get(..at)) {
        return alone(place) == Alone::Open(false);
    }
    let apart = |pair: &[u8]| pair.last() == Some(&b' ') && pair.first() != Some(&b',');
    let first = body.first().is_some_and(|b| b.is_ascii_alphabetic() || b"/_".contains(b) || *b >= 0x80);
    body.starts_with(b"goroutine ") || body.starts_with(b"created by ") || first && !body.windows(2).any(apart)
}

fn alone(line: &[u8]) -> Alone {
    let body = line.trim_ascii();
    match line::parse(body) {
        Some(Line::Created { parent, .. }) => return Alone::Open(parent.is_some()),
        Some(_) => return Alone::Whole,
        None => {}
    }
    // Any text with a number behind a colon is a place: here a function or a creator before it is not.
    let is_path = !body.starts_with(b"created by ") && memchr::memchr(b'(', body).is_none();
    match line::parse(&[b"\t", body].concat()) {
        Some(Line::Unavailable | Line::Note) => Alone::Whole,
        Some(Line::Place { certain: true, .. }) if is_path => Alone::Whole,
        Some(Line::Place { at, .. }) if is_path && is_source(at) => Alone::Open(false),
        _ => Alone::Other,
    }
}
