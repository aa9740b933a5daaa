//! Finds dumps in a stream of bytes. Text that is no dump is passed on unchanged, at once; the goroutines of a dump are counted
//! in groups.

use super::line::{self, Line, SIGNALS};
use super::open_dump::{Next, OpenDump};
use super::splice::{Shapes, Whose};
use super::{Kind, Output, Program};
use memchr::memchr;

/// A line in a dump that is longer than this is not the runtime's.
pub(super) const LONGEST: usize = 64 << 10;
/// The room for a line that is kept for the next one.
const KEPT: usize = 4 << 10;

/// Reads a stream.
pub struct Reader {
    program: Program,
    /// Bytes of the line in progress that were not given away yet.
    line: Vec<u8>,
    /// The beginning of this line was given away: it is somebody else's.
    passing: bool,
    shapes: Shapes,
    dump: Option<OpenDump>,
}

impl Reader {
    /// A reader at the beginning of a stream.
    pub fn new(program: Program) -> Reader {
        Reader { program, line: Vec::new(), passing: false, shapes: Shapes::default(), dump: None }
    }

    /// Whether a dump is coming in.
    pub fn in_dump(&self) -> bool {
        self.dump.as_ref().is_some_and(|dump| dump.confirmed)
    }

    /// Whether a line of a dump is held that others interrupted.
    pub(super) fn is_interrupted(&self) -> bool {
        self.dump.as_ref().is_some_and(OpenDump::is_interrupted)
    }

    /// Lines of the dump that is coming in are lost, as somebody says.
    pub(super) fn lines_were_lost(&mut self) {
        self.dump.iter_mut().for_each(|dump| dump.holed = true);
    }

    #[cfg(test)]
    pub(super) fn line_length(&self) -> usize {
        self.line.capacity()
    }

    /// The next bytes.
    pub fn feed(&mut self, bytes: &[u8], out: &mut dyn Output) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (part, ended) = match memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1)) {
                Some((part, after)) => {
                    rest = after;
                    (part, true)
                }
                None => (std::mem::take(&mut rest), false),
            };
            if self.line.is_empty() {
                if !ended && self.is_held(part) {
                    self.line.extend_from_slice(part);
                } else {
                    self.part(part, ended, out);
                }
                continue;
            }
            self.line.extend_from_slice(part);
            if ended || !self.is_held(&self.line) {
                let mut line = std::mem::take(&mut self.line);
                self.part(&line, ended, out);
                if self.line.is_empty() && line.capacity() <= KEPT {
                    line.clear();
                    self.line = line;
                }
            }
        }
    }

    /// Whether the part of a line that is there so far is kept until it is whole.
    fn is_held(&self, line: &[u8]) -> bool {
        !self.passing && line.len() <= LONGEST && (self.dump.is_some() || may_begin(line))
    }

    /// A whole line, or the part of one that is not to be kept.
    fn part(&mut self, line: &[u8], ended: bool, out: &mut dyn Output) {
        // However it came: what is too long is not looked at.
        let passing = self.passing || line.len() > LONGEST;
        self.passing = !ended;
        match (passing, ended, self.dump.is_some()) {
            (false, true, _) => self.line(line, out),
            (_, false, _) => self.pass_start(line, out),
            (true, true, false) => self.end_of_line(line, out),
            (true, true, true) => self.other(line, out),
        }
    }

    /// Gives away a line without an end, but for what may be a dump's beginning.
    fn pass_start(&mut self, line: &[u8], out: &mut dyn Output) {
        let kept = if self.dump.is_some() { 0 } else { begins_within(line) };
        let (before, after) = line.split_at(line.len() - kept);
        self.other(before, out);
        self.line.extend_from_slice(after);
    }

    fn other(&mut self, bytes: &[u8], out: &mut dyn Output) {
        match &mut self.dump {
            Some(dump) => dump.give(Whose::Other, bytes, out),
            None if bytes.is_empty() => {}
            None => self.pass(bytes, out),
        }
    }

    /// What is outside dumps.
    fn pass(&mut self, bytes: &[u8], out: &mut dyn Output) {
        self.shapes.pass(bytes);
        out.pass(bytes);
    }

    /// A whole line.
    fn line(&mut self, line: &[u8], out: &mut dyn Output) {
        if let Some(dump) = &mut self.dump {
            match dump.line(line, &mut self.shapes, out) {
                Next::Go => return,
                Next::Over => self.end(out),
            }
        }
        match begins(line) {
            Some(kind) => {
                self.shapes.learn_passed();
                let mut dump = OpenDump::new(kind);
                let next = dump.line(line, &mut self.shapes, out);
                self.dump = Some(dump);
                if next == Next::Over {
                    self.end(out);
                    self.pass(line, out);
                }
            }
            None => self.end_of_line(line, out),
        }
    }

    /// A line that begins no dump; but one may begin in the middle, after something without an end.
    fn end_of_line(&mut self, line: &[u8], out: &mut dyn Output) {
        match begins_at_end(line) {
            Some((before, signal)) => {
                self.pass(before, out);
                self.line(signal, out);
            }
            None => self.pass(line, out),
        }
    }

    /// Nothing came for a moment: the beginning of a line that could be a dump's is let go, and a dump that is whole ends.
    pub fn quiet(&mut self, out: &mut dyn Output) {
        match &mut self.dump {
            Some(dump) if dump.kind == Kind::Signal && dump.confirmed && !dump.complete => {
                dump.let_go(out);
                if !self.line.is_empty() && !dump.may_continue(&self.line) {
                    let line = std::mem::take(&mut self.line);
                    dump.give(Whose::Other, &line, out);
                    self.passing = true;
                }
                return;
            }
            Some(_) => self.end(out),
            None => {}
        }
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.pass(&line, out);
            self.passing = true;
        }
    }

    /// The stream ended.
    pub fn finish(&mut self, out: &mut dyn Output) {
        let line = std::mem::take(&mut self.line);
        match &mut self.dump {
            Some(dump) => {
                if !line.is_empty() {
                    let mine = !self.passing && dump.may_continue(&line);
                    dump.let_go(out);
                    // A last line without its end may be whole nevertheless: tools cut the end of a file.
                    if !mine || !dump.take_last(&line, out) {
                        dump.give(if mine { Whose::Runtime } else { Whose::Other }, &line, out);
                        dump.torn |= mine;
                    }
                }
                self.end(out);
            }
            None if line.is_empty() => {}
            None => self.pass(&line, out),
        }
        self.passing = false;
    }

    fn end(&mut self, out: &mut dyn Output) {
        if let Some(mut dump) = self.dump.take() {
            dump.let_go(out);
            if dump.confirmed {
                dump.end(&self.program, out);
            } else {
                out.pass(&dump.held);
            }
        }
    }
}

/// What kind of dump a line begins.
pub(super) fn begins(line: &[u8]) -> Option<Kind> {
    match line {
        [b'S', b'I', b'G', ..] if SIGNALS.iter().any(|token| line.starts_with(token)) => Some(Kind::Signal),
        // Its first line was let go, or is not there.
        [b'P', b'C', ..] => matches!(line::parse(trim(line)), Some(Line::Pc)).then_some(Kind::Signal),
        [b'p', ..] if line.starts_with(b"panic: ") => Some(Kind::Panic),
        [b'f', ..] if line.starts_with(b"fatal error: ") => Some(Kind::Fatal),
        [b'r', ..] if line.starts_with(b"runtime: goroutine stack exceeds ") => Some(Kind::Fatal),
        [b'g', ..] => matches!(line::parse(trim(line)), Some(Line::Header(_))).then_some(Kind::Unknown),
        _ => None,
    }
}

/// Whether a line that has no end yet may become one that [`begins`] a dump.
fn may_begin(line: &[u8]) -> bool {
    const OTHERS: [&[u8]; 5] =
        [b"PC=0x", b"panic: ", b"fatal error: ", b"runtime: goroutine stack exceeds ", b"goroutine "];
    let fits = |token: &&[u8]| line.starts_with(token) || token.starts_with(line);
    SIGNALS.iter().any(fits) || OTHERS.iter().any(fits)
}

/// What may begin a dump at the end of another line: what goward itself asks for, and what follows a prompt without an end. Others
/// are too rare, or may be quoted by a log.
const AT_END: [&[u8]; 3] = [SIGNALS[0], SIGNALS[1], b"fatal error: all goroutines are asleep - deadlock!"];

/// The dump's first line at the end of another line.
fn begins_at_end(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = trim(line).len();
    let token = AT_END.iter().find(|token| line.get(..length).is_some_and(|line| line.ends_with(token)))?;
    line.split_at_checked(length - token.len())
}

/// How many bytes at the end of a line without an end may become [`begins_at_end`].
fn begins_within(line: &[u8]) -> usize {
    let longest = AT_END[2].len() + 1;
    let tail = line.get(line.len().saturating_sub(longest)..).unwrap_or_default();
    let starts =
        |rest: &[u8]| AT_END.iter().any(|token| token.starts_with(rest) || rest.strip_prefix(*token) == Some(b"\r"));
    (0..tail.len()).filter_map(|at| tail.get(at..)).find(|rest| starts(rest)).map_or(0, <[u8]>::len)
}

/// A line without its end.
pub(super) fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
