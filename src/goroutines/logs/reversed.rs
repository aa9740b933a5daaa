//! Lines of which the newest is the first, as `journalctl -r` and most log services give them.
//!
//! In such a list a place stands before its function, and a goroutine's header behind its frames. Lines that may be the
//! beginning of one are held until a header tells; those of a list in reverse order are held until its end, and are read from
//! there.

use super::normal::Sort;
use crate::goroutines::line::{self, Line};

/// So many lines, and so many bytes, are held until a header comes, and so many lines of others after another.
const UNDECIDED: usize = 1024;
const UNDECIDED_BYTES: usize = 128 << 10;
const UNDECIDED_OTHERS: usize = 64;
/// So many bytes of a dump in reverse order are held, and so many lines of others end it.
const MOST: usize = 32 << 20;
const OTHERS: usize = 256;

/// What a line is, as far as it tells the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    #[default]
    Blank,
    Header,
    /// A function, or what stands in its place.
    Frame,
    Created,
    Place,
    Register,
    /// The first line of a dump.
    Reason,
    Other,
}

impl Part {
    /// Of a line as [`normal`](super::normal::normal) makes it.
    pub(super) fn of(line: &[u8], sort: Sort) -> Part {
        match sort {
            Sort::Blank => return Part::Blank,
            Sort::Header { .. } => return Part::Header,
            Sort::Stack | Sort::Runtime | Sort::Other => {}
        }
        // Most lines of a log are of no dump: nothing more is asked of them.
        let parsed = if sort == Sort::Other { None } else { line::parse(line) };
        match parsed {
            Some(Line::Frame { .. } | Line::Elided(_) | Line::Unavailable) => Part::Frame,
            Some(Line::Created { .. }) => Part::Created,
            Some(Line::Place { .. }) => Part::Place,
            Some(Line::Register { .. }) => Part::Register,
            Some(Line::Signal | Line::Pc) => Part::Reason,
            None if line.starts_with(b"panic: ") || line.starts_with(b"fatal error: ") => Part::Reason,
            _ => Part::Other,
        }
    }
}

/// What is to be done with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is read now; nothing is held.
    Read,
    /// It is held.
    Held,
    /// All that is held is read now, and this line is the last of it.
    Release,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Nothing,
    /// There was no header yet.
    Undecided,
    /// There was one behind a function: what follows it tells.
    Behind,
    /// The newest is the first.
    Backward,
}

/// The lines that are held.
#[derive(Default)]
pub(super) struct Reversed {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    state: State,
    /// The last line that is no other's, and the last that is not empty.
    last: Part,
    text: Part,
    others: usize,
    /// How many headers stand behind a function, and how many before one.
    behind: usize,
    before: usize,
    /// Somebody says that lines are lost.
    pub(super) holed: bool,
}

impl Reversed {
    /// Whether lines are held.
    pub(super) fn holds(&self) -> bool {
        self.state != State::Nothing
    }

    /// Whether they are known to be those of a dump in reverse order.
    pub(super) fn in_dump(&self) -> bool {
        self.state == State::Backward
    }

    /// A line, while no dump is being read in order.
    pub(super) fn add(&mut self, line: &[u8], part: Part) -> Step {
        let begins = matches!(part, Part::Frame | Part::Created | Part::Place | Part::Register);
        if self.state == State::Nothing && !begins {
            return Step::Read;
        }
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
        self.others = if part == Part::Other { self.others + 1 } else { 0 };
        let last = self.last;
        let text = if part == Part::Blank { self.text } else { std::mem::replace(&mut self.text, part) };
        if part != Part::Other {
            self.last = part;
        }
        self.behind += usize::from(part == Part::Header && matches!(last, Part::Frame | Part::Created));
        self.before += usize::from(last == Part::Header && matches!(part, Part::Frame | Part::Created));
        self.state = match (self.state, part) {
            (State::Nothing, _) => State::Undecided,
            (State::Undecided, Part::Reason) => return Step::Release,
            (State::Undecided, Part::Header) if matches!(last, Part::Frame | Part::Created) => State::Behind,
            (State::Undecided, Part::Header) => {
                // The stack before it has lost its own header.
                self.holed |= text == Part::Place;
                return Step::Release;
            }
            (State::Behind, Part::Frame | Part::Created) => return Step::Release,
            (State::Behind, Part::Place | Part::Register | Part::Reason) => State::Backward,
            (state, _) => state,
        };
        let (lines, bytes, others) = match self.state {
            State::Backward => (usize::MAX, MOST, OTHERS),
            State::Nothing | State::Undecided | State::Behind => (UNDECIDED, UNDECIDED_BYTES, UNDECIDED_OTHERS),
        };
        let size = self.bytes.len() + self.ends.len() * size_of::<usize>();
        let is_full = self.ends.len() > lines || size > bytes || self.others > others;
        if is_full { Step::Release } else { Step::Held }
    }

    /// Whether the newest of the lines that are held is the first.
    pub(super) fn is_backward(&self) -> bool {
        matches!(self.state, State::Behind | State::Backward) && self.behind > self.before
    }

    /// Gives the lines that are held, in the order of time.
    pub(super) fn each(&self, line: &mut dyn FnMut(&[u8])) {
        let begin = |at: usize| at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let text = |at: usize| self.ends.get(at).and_then(|end| self.bytes.get(begin(at)..*end)).unwrap_or_default();
        if self.is_backward() {
            (0..self.ends.len()).rev().for_each(|at| line(text(at)));
        } else {
            (0..self.ends.len()).for_each(|at| line(text(at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::normal::normal;
    use super::*;

    /// Adds lines; what came out, and whether in reverse order.
    fn added(lines: &[&str]) -> (Vec<Step>, Vec<String>, bool) {
        let mut reversed = Reversed::default();
        let mut steps = Vec::new();
        for line in lines {
            let (text, sort) = normal(line.as_bytes());
            steps.push(reversed.add(line.as_bytes(), Part::of(&text, sort)));
        }
        let mut taken = Vec::new();
        reversed.each(&mut |line| taken.push(String::from_utf8_lossy(line).into_owned()));
        (steps, taken, reversed.is_backward())
    }

    #[test]
    fn a_header_behind_its_frames_tells() {
        let lines = ["\t/a.go:1 +0x1", "main.f()", "goroutine 7 [select]:", "", "\t/a.go:2 +0x1", "main.g()"];
        let (steps, taken, backward) = added(&lines);
        assert!(steps.iter().all(|step| *step == Step::Held) && backward);
        assert_eq!(taken, lines.iter().rev().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        assert!(added(&lines[..3]).2, "the oldest is the last");
    }

    #[test]
    fn what_is_in_order_is_let_go() {
        // The beginning of a dump was cut off; a header was lost, with all that was around it; words.
        for lines in [
            &["\t/a.go:1 +0x1", "main.f()", "\t/a.go:2 +0x1", "", "goroutine 7 [select]:"][..],
            &["\t/a.go:1 +0x1", "main.f()", "goroutine 7 [select]:", "main.g()"],
            &["main.f()", "panic: boom"],
        ] {
            let (steps, taken, backward) = added(lines);
            assert_eq!((steps.last(), backward), (Some(&Step::Release), false), "{lines:?}");
            assert_eq!(taken, lines);
        }
        assert_eq!(added(&["all is well", "", "goroutine 7 [select]:"]).0, [Step::Read, Step::Read, Step::Read]);
        let words = [&["main.f()"][..], &["all is well"; UNDECIDED_OTHERS + 1]].concat();
        assert_eq!(added(&words).0.last(), Some(&Step::Release));
    }
}
