//! From a stream to dumps: what is none goes on as it is, at once; what is one is counted.

use super::groups::{Block, Groups};
use super::line::{self, Line, SIGNALS};
use super::splice::{Expected, Outcome, Shapes, Splice, Whose};
use super::{Kind, Output, Program, Summary, Wanted};
use memchr::{memchr, memchr2_iter, memrchr};

/// A line in a dump that is longer than this is not the runtime's.
const LONGEST: usize = 64 << 10;
/// What looks like a dump's beginning and is not borne out within so many lines was none.
const UNCONFIRMED: u32 = 32;
/// After so many lines of others a dump is over: one that was whole, and one that was not.
const SILENT: u32 = 256;
const SILENT_UNFINISHED: u32 = 1 << 16;
/// Goroutines that ran when the others were printed, and may follow with GOTRACEBACK=crash.
const MOST_UNAVAILABLE: usize = 1024;
/// amd64 prints 21.
const REGISTERS: u32 = 21;

/// Reads a stream.
pub struct Reader {
    wanted: Wanted,
    program: Program,
    /// Bytes of the line in progress that were not given away yet.
    line: Vec<u8>,
    /// The beginning of this line was given away: it is somebody else's.
    passing: bool,
    shapes: Shapes,
    dump: Option<Box<Dump>>,
}

impl Reader {
    /// A reader at the beginning of a stream.
    pub fn new(wanted: Wanted, program: Program) -> Reader {
        Reader { wanted, program, line: Vec::new(), passing: false, shapes: Shapes::default(), dump: None }
    }

    /// Whether a dump is coming in.
    pub fn in_dump(&self) -> bool {
        self.dump.as_ref().is_some_and(|dump| dump.confirmed)
    }

    #[cfg(test)]
    pub(super) fn line_length(&self) -> usize {
        self.line.capacity()
    }

    /// The next bytes.
    pub fn feed(&mut self, bytes: &[u8], out: &mut dyn Output) {
        let mut rest = bytes;
        let mut looked = false;
        while !rest.is_empty() {
            if self.dump.is_none() && self.line.is_empty() && !std::mem::replace(&mut looked, true) {
                rest = self.many(rest, out);
                continue;
            }
            let (part, ended) = match memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1)) {
                Some((part, after)) => {
                    rest = after;
                    (part, true)
                }
                None => (std::mem::take(&mut rest), false),
            };
            if self.line.is_empty() {
                self.part(part, ended, out);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(part);
                self.part(&line, ended, out);
                // Its room is used again.
                if self.line.is_empty() {
                    line.clear();
                    self.line = line;
                }
            }
        }
    }

    /// Whole lines of which none can be a dump's beginning go on together: a server that logs much must not notice.
    /// Returns what is left to be looked at line by line.
    fn many<'a>(&mut self, bytes: &'a [u8], out: &mut dyn Output) -> &'a [u8] {
        let end = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let (lines, rest) = bytes.split_at(end);
        let begins =
            |at: usize| lines.get(at..).is_some_and(|rest| rest.starts_with(b"SIG") || rest.starts_with(b"PC="));
        if self.wanted != Wanted::Signals || lines.is_empty() || memchr2_iter(b'S', b'P', lines).any(begins) {
            return bytes;
        }
        // The last one stands for all.
        let last = lines.strip_suffix(b"\n").and_then(|lines| lines.get(memrchr(b'\n', lines)? + 1..));
        if let Some(line) = last {
            self.shapes.learn(line);
        }
        self.passing = false;
        out.pass(lines);
        rest
    }

    /// A line, or the part of one that is there so far.
    fn part(&mut self, line: &[u8], ended: bool, out: &mut dyn Output) {
        let passing = self.passing;
        self.passing &= !ended;
        match (passing, ended) {
            (false, true) => self.line(line, out),
            (false, false) => {
                let held = match &self.dump {
                    Some(_) => line.len() <= LONGEST,
                    None => line.len() <= LONGEST && may_begin(line, self.wanted),
                };
                if held {
                    self.line.extend_from_slice(line);
                } else {
                    self.pass_start(line, out);
                }
            }
            (true, true) if self.dump.is_none() => self.end_of_line(line, out),
            (true, false) if self.dump.is_none() => self.pass_start(line, out),
            (true, _) => self.other(line, out),
        }
    }

    /// Gives away a line without an end, but for what may be a dump's beginning.
    fn pass_start(&mut self, line: &[u8], out: &mut dyn Output) {
        self.passing = true;
        let kept = if self.dump.is_some() { 0 } else { begins_within(line) };
        let (before, after) = line.split_at(line.len() - kept);
        self.other(before, out);
        self.line.extend_from_slice(after);
    }

    fn other(&mut self, bytes: &[u8], out: &mut dyn Output) {
        match &mut self.dump {
            Some(dump) => dump.give(Whose::Other, bytes, out),
            None if bytes.is_empty() => {}
            None => out.pass(bytes),
        }
    }

    /// A whole line.
    fn line(&mut self, line: &[u8], out: &mut dyn Output) {
        if let Some(dump) = &mut self.dump {
            match dump.line(line, &mut self.shapes, out) {
                Next::Go => return,
                Next::Over => self.end(out),
            }
        }
        match begins(line, self.wanted) {
            Some(kind) => {
                let mut dump = Box::new(Dump::new(kind));
                let next = dump.line(line, &mut self.shapes, out);
                self.dump = Some(dump);
                if next == Next::Over {
                    self.end(out);
                    out.pass(line);
                }
            }
            None => {
                self.shapes.learn(line);
                self.end_of_line(line, out);
            }
        }
    }

    /// A line that begins no dump; but one may begin in the middle, after something without an end.
    fn end_of_line(&mut self, line: &[u8], out: &mut dyn Output) {
        match begins_at_end(line) {
            Some((before, signal)) => {
                out.pass(before);
                self.line(signal, out);
            }
            None => out.pass(line),
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
            out.pass(&line);
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
            None => out.pass(&line),
        }
        self.passing = false;
    }

    fn end(&mut self, out: &mut dyn Output) {
        if let Some(dump) = self.dump.take() {
            dump.end(&self.program, out);
        }
    }
}

/// What kind of dump a line begins.
pub(super) fn begins(line: &[u8], wanted: Wanted) -> Option<Kind> {
    match line {
        [b'S', b'I', b'G', ..] if SIGNALS.iter().any(|token| line.starts_with(token)) => Some(Kind::Signal),
        // Its first line was let go, or is not there.
        [b'P', b'C', ..] => matches!(line::parse(trim(line)), Some(Line::Pc)).then_some(Kind::Signal),
        _ if wanted == Wanted::Signals => None,
        [b'p', ..] if line.starts_with(b"panic: ") => Some(Kind::Panic),
        [b'f', ..] if line.starts_with(b"fatal error: ") => Some(Kind::Fatal),
        [b'r', ..] if line.starts_with(b"runtime: goroutine stack exceeds ") => Some(Kind::Fatal),
        [b'g', ..] => matches!(line::parse(trim(line)), Some(Line::Header(_))).then_some(Kind::Unknown),
        _ => None,
    }
}

/// Whether a line that has no end yet may become one that [`begins`] a dump.
fn may_begin(line: &[u8], wanted: Wanted) -> bool {
    const OTHERS: [&[u8]; 4] = [b"panic: ", b"fatal error: ", b"runtime: goroutine stack exceeds ", b"goroutine "];
    let fits = |token: &&[u8]| line.starts_with(token) || token.starts_with(line);
    SIGNALS.iter().any(fits) || fits(&&b"PC=0x"[..]) || wanted == Wanted::All && OTHERS.iter().any(fits)
}

/// The dump's first line at the end of another line. Only those that goward itself asks for: others are too rare.
fn begins_at_end(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = trim(line).len();
    let token = SIGNALS.iter().take(2).find(|token| line.get(..length).is_some_and(|line| line.ends_with(token)))?;
    line.split_at_checked(length - token.len())
}

/// How many bytes at the end of a line without an end may become [`begins_at_end`].
fn begins_within(line: &[u8]) -> usize {
    let tail = line.get(line.len().saturating_sub(15)..).unwrap_or_default();
    let starts = |rest: &[u8]| {
        SIGNALS.iter().take(2).any(|token| token.starts_with(rest) || rest.strip_prefix(*token) == Some(b"\r"))
    };
    (0..tail.len()).filter_map(|at| tail.get(at..)).find(|rest| starts(rest)).map_or(0, <[u8]>::len)
}

/// A line without its end.
pub(super) fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What comes after a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The line is taken.
    Go,
    /// The dump ended before this line.
    Over,
}

/// How far a dump has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing of it was read.
    Reason,
    /// Its reason was.
    Prelude,
    /// Goroutines.
    Goroutines,
    /// Registers: nothing follows but, with GOTRACEBACK=crash, the next thread.
    Registers,
    /// After `-----`.
    NextThread,
}

/// A dump that is coming in.
struct Dump {
    kind: Kind,
    reason: Vec<u8>,
    stage: Stage,
    /// It is one: until then it only looks like it, and everything is kept in `held`.
    confirmed: bool,
    held: Vec<u8>,
    /// Whose the bytes in `held` are, and up to where.
    whose: Vec<(Whose, usize)>,
    splice: Splice,
    block: Block,
    groups: Groups,
    /// The block that is open counts: not goroutine 0, no ancestor, no repetition.
    counts: bool,
    /// Another thread's part, where goroutines are repeated.
    repeating: bool,
    unavailable: Vec<(u64, usize)>,
    blank: bool,
    registers: u32,
    complete: bool,
    /// It ended within a line.
    torn: bool,
    /// Lines of others since the last of its own.
    others: u32,
    bytes: u64,
}

impl Dump {
    fn new(kind: Kind) -> Dump {
        Dump {
            kind,
            reason: Vec::new(),
            stage: if kind == Kind::Unknown { Stage::Prelude } else { Stage::Reason },
            confirmed: false,
            held: Vec::new(),
            whose: Vec::new(),
            splice: Splice::default(),
            block: Block::default(),
            groups: Groups::default(),
            counts: false,
            repeating: false,
            unavailable: Vec::new(),
            blank: false,
            registers: 0,
            complete: false,
            torn: false,
            others: 0,
            bytes: 0,
        }
    }

    fn give(&mut self, whose: Whose, bytes: &[u8], out: &mut dyn Output) {
        if bytes.is_empty() {
            return;
        }
        if !self.confirmed {
            self.held.extend_from_slice(bytes);
            self.whose.push((whose, self.held.len()));
            return;
        }
        match whose {
            Whose::Runtime => {
                self.bytes += bytes.len() as u64;
                out.dump(bytes);
            }
            Whose::Other => out.pass(bytes),
        }
    }

    fn confirm(&mut self, out: &mut dyn Output) {
        if std::mem::replace(&mut self.confirmed, true) {
            return;
        }
        let held = std::mem::take(&mut self.held);
        let mut from = 0;
        for (whose, to) in std::mem::take(&mut self.whose) {
            self.give(whose, held.get(from..to).unwrap_or_default(), out);
            from = to;
        }
    }

    fn expected(&self) -> Expected {
        match self.stage {
            Stage::Reason | Stage::NextThread if self.kind == Kind::Signal => Expected::Signal,
            Stage::Registers if self.complete => Expected::Signal,
            _ if self.block.placeless => Expected::Place,
            _ => Expected::Any,
        }
    }

    fn may_continue(&self, line: &[u8]) -> bool {
        self.splice.may_continue(line, self.expected())
    }

    /// A whole line, with its end.
    fn line(&mut self, line: &[u8], shapes: &mut Shapes, out: &mut dyn Output) -> Next {
        let text = trim(line);
        if self.splice.is_empty() {
            if let Some(parsed) = line::parse(text).filter(|parsed| self.fits(parsed)) {
                self.take(text, parsed, line, out);
                return Next::Go;
            }
            if self.is_prose(text) {
                self.give(Whose::Runtime, line, out);
                return Next::Go;
            }
            if self.begins_another(text) {
                return Next::Over;
            }
            // Whole, but out of place: no part of it is the runtime's.
            if line::parse(text).is_some() {
                self.others += 1;
                self.give(Whose::Other, line, out);
                return Next::Go;
            }
        }
        if self.is_abandoned() {
            return Next::Over;
        }
        let mut splice = std::mem::take(&mut self.splice);
        let mut given = Vec::new();
        let mut give = |whose, bytes: &[u8]| given.push((whose, bytes.to_vec()));
        let whole = |text: &[u8]| line::parse(trim(text)).is_some_and(|parsed| self.fits(&parsed));
        let outcome = splice.add(line, self.expected(), shapes, whole, &mut give);
        self.splice = splice;
        for (whose, bytes) in given {
            self.give(whose, &bytes, out);
        }
        match outcome {
            Outcome::Whole(text) => {
                if let Some(parsed) = line::parse(trim(&text)) {
                    self.take(trim(&text), parsed, b"", out);
                }
            }
            Outcome::Held => self.others += 1,
            Outcome::Foreign => {
                shapes.learn(line);
                self.others += 1;
                self.give(Whose::Other, line, out);
            }
        }
        Next::Go
    }

    /// Whether it came to nothing, or has been over for long.
    fn is_abandoned(&self) -> bool {
        let most = match (self.confirmed, self.complete || self.kind != Kind::Signal) {
            (false, _) => UNCONFIRMED,
            (true, true) => SILENT,
            (true, false) => SILENT_UNFINISHED,
        };
        self.others > most || self.held.len() > LONGEST
    }

    /// Whether a line of the runtime's can come now.
    fn fits(&self, line: &Line<'_>) -> bool {
        let signal = self.kind == Kind::Signal;
        let begun = !matches!(self.stage, Stage::Reason);
        let goroutines = self.stage == Stage::Goroutines;
        match line {
            Line::Signal => signal && matches!(self.stage, Stage::Reason | Stage::NextThread),
            Line::Pc => signal && !goroutines && self.stage != Stage::Registers,
            Line::Blank => begun && !self.blank && !self.block.placeless,
            Line::Header(header) => match self.kind {
                Kind::Signal => self.confirmed && self.stage != Stage::Registers,
                Kind::Panic | Kind::Fatal => begun,
                // Stacks that a program logs itself have nothing between them but log lines.
                Kind::Unknown => begun && (!self.confirmed || self.blank && header.id != self.block.id),
            },
            Line::RuntimeStack => begun && matches!(self.kind, Kind::Fatal | Kind::Panic),
            Line::Frame { .. } | Line::Created(_) | Line::Elided(_) => goroutines && self.block.takes_frames(),
            Line::Unavailable => goroutines && self.block.takes_frames(),
            Line::Ancestor => goroutines,
            Line::Place { certain, .. } => goroutines && (self.block.placeless || *certain),
            Line::Register { .. } => signal && (goroutines || self.stage == Stage::Registers),
            Line::Separator => signal && self.stage == Stage::Registers,
            Line::Note => begun,
        }
    }

    /// Lines between a dump's reason and its goroutines, which are words.
    fn is_prose(&mut self, text: &[u8]) -> bool {
        let kind_of_reason = |text: &[u8]| {
            [&b"panic: "[..], b"fatal error: ", b"runtime: goroutine stack exceeds "]
                .iter()
                .any(|p| text.starts_with(p))
        };
        match (self.kind, self.stage) {
            (Kind::Panic | Kind::Fatal, Stage::Reason) => {
                self.reason = text.to_vec();
                self.stage = Stage::Prelude;
                true
            }
            (Kind::Panic | Kind::Fatal, Stage::Prelude) => {
                // A stack overflow's own line comes after the numbers.
                if text.starts_with(b"fatal error: ") && self.reason.starts_with(b"runtime: ") {
                    self.reason = text.to_vec();
                }
                // The further lines of a value are indented (printindented in runtime/error.go).
                text.starts_with(b"\t")
                    || text.starts_with(b"[signal ")
                    || text.starts_with(b"runtime: ")
                    || kind_of_reason(text)
            }
            _ => false,
        }
    }

    /// Whether a line that does not fit is of the next dump.
    fn begins_another(&self, text: &[u8]) -> bool {
        match line::parse(text) {
            Some(Line::Signal) => self.stage != Stage::Reason,
            Some(Line::Pc) => self.stage == Stage::Registers,
            Some(Line::Header(_)) => true,
            _ => {
                self.kind != Kind::Signal
                    && self.stage == Stage::Goroutines
                    && (text.starts_with(b"panic: ") || text.starts_with(b"fatal error: "))
            }
        }
    }

    /// A line of the runtime's that can come now. `bytes` are its own, if they were not given away yet.
    fn take(&mut self, text: &[u8], line: Line<'_>, bytes: &[u8], out: &mut dyn Output) {
        self.others = 0;
        self.blank = matches!(line, Line::Blank);
        self.give(Whose::Runtime, bytes, out);
        match line {
            Line::Blank | Line::Note => {}
            Line::Signal => {
                if self.stage == Stage::Reason {
                    self.reason = text.to_vec();
                }
                self.stage = if self.stage == Stage::Reason { Stage::Prelude } else { Stage::NextThread };
            }
            Line::Pc => {
                self.stage = Stage::Prelude;
                self.confirm(out);
            }
            Line::Header(header) => {
                self.confirm(out);
                self.count();
                self.stage = Stage::Goroutines;
                self.complete = false;
                self.registers = 0;
                self.counts = header.id != 0;
                self.block.begin(&header);
            }
            Line::RuntimeStack => {
                self.confirm(out);
                self.count();
                self.stage = Stage::Goroutines;
                self.counts = false;
                self.block.begin(&line::NOBODY);
            }
            Line::Frame { function, arguments } => self.block.frame(function, arguments),
            Line::Created(function) => self.block.created_by(function),
            Line::Place { at, .. } => self.block.place(at),
            Line::Elided(count) => self.block.elided(count),
            Line::Unavailable => self.block.unavailable = true,
            // Its creator's stack, with GODEBUG=tracebackancestors. The goroutine's own is whole.
            Line::Ancestor => {
                self.count();
                self.counts = false;
                self.block.begin(&line::NOBODY);
            }
            Line::Register { last } => {
                self.count();
                self.stage = Stage::Registers;
                self.registers += 1;
                self.complete |= last || self.registers >= REGISTERS;
            }
            Line::Separator => {
                self.stage = Stage::NextThread;
                self.repeating = true;
            }
        }
    }

    /// Counts the block that is open.
    fn count(&mut self) {
        if !self.block.is_open() {
            return;
        }
        let repeated = self.unavailable.iter().position(|(id, _)| *id == self.block.id);
        let counted = match (self.counts, self.repeating, repeated) {
            (true, false, _) => self.groups.count(&mut self.block),
            (true, true, Some(at)) => {
                let (id, group) = self.unavailable.swap_remove(at);
                self.groups.uncount(group, id);
                self.groups.count(&mut self.block)
            }
            (false, ..) | (true, true, None) => {
                self.block.close();
                None
            }
        };
        if let Some(group) = counted.filter(|_| self.block.unavailable && self.unavailable.len() < MOST_UNAVAILABLE) {
            self.unavailable.push((self.block.id, group));
        }
    }

    /// The stream's last line, if it is whole but for its end.
    fn take_last(&mut self, line: &[u8], out: &mut dyn Output) -> bool {
        match line::parse(trim(line)).filter(|parsed| self.splice.is_empty() && self.fits(parsed)) {
            Some(parsed) => {
                self.take(trim(line), parsed, line, out);
                true
            }
            None => false,
        }
    }

    fn let_go(&mut self, out: &mut dyn Output) {
        let mut splice = std::mem::take(&mut self.splice);
        splice.let_go(&mut |whose, bytes| self.give(whose, bytes, out));
        self.splice = splice;
    }

    fn end(mut self, program: &Program, out: &mut dyn Output) {
        self.let_go(out);
        if !self.confirmed {
            if !self.held.is_empty() {
                out.pass(&self.held);
            }
            return;
        }
        let cut = match self.kind {
            Kind::Signal => !self.complete,
            Kind::Panic | Kind::Fatal | Kind::Unknown => {
                self.torn || !self.splice.is_empty() || self.block.placeless || self.stage != Stage::Goroutines
            }
        };
        self.count();
        let (user, system, ungrouped) = (self.groups.user, self.groups.system, self.groups.ungrouped);
        out.ended(Summary {
            kind: self.kind,
            reason: String::from_utf8_lossy(&self.reason).into_owned(),
            user,
            system,
            groups: self.groups.finish(program),
            ungrouped,
            cut,
            bytes: self.bytes,
        });
    }
}
