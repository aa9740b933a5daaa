//! A dump that has begun and not yet ended: decides of each line whether it belongs to it, by the order in which the runtime
//! prints.

use super::groups::{Block, Groups};
use super::line::{self, Header, Line};
use super::reader::{LONGEST, trim};
use super::splice::{Expected, Outcome, Shapes, Splice, Whose};
use super::{Kind, MIXED, Output, Program, Summary, was_asked_for};
use std::collections::{BTreeMap, BTreeSet};

/// What looks like a dump's beginning and is not borne out within so many lines was none.
const UNCONFIRMED: u32 = 32;
/// After so many lines of others a dump is over: one that was whole, and one that was not.
const SILENT: u32 = 256;
const SILENT_UNFINISHED: u32 = 1 << 16;
/// Goroutines that ran when the others were printed, and may follow with GOTRACEBACK=crash.
const MOST_UNAVAILABLE: usize = 1024;
/// amd64 prints 21.
const REGISTERS: u32 = 21;
/// So many numbers of goroutines are remembered: where processes are mixed, the first ones come twice too.
const MOST_NUMBERS: usize = 4096;

/// So many lines between the reason and the goroutines are kept, and so much of each.
const NOTES: usize = 32;
const LONGEST_NOTE: usize = 256;

/// What comes after a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The line is taken.
    Go,
    /// The dump ended before this line.
    Over,
}

/// How far a dump has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
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
pub(super) struct OpenDump {
    pub(super) kind: Kind,
    reason: Vec<u8>,
    notes: Vec<String>,
    stage: Position,
    /// It is one: until then it only looks like it, and everything is kept in `held`.
    pub(super) confirmed: bool,
    pub(super) held: Vec<u8>,
    /// Whose the bytes in `held` are, and up to where.
    whose: Vec<(Whose, usize)>,
    splice: Splice,
    block: Block,
    groups: Groups,
    /// The block that is open counts: not goroutine 0, no ancestor, no repetition.
    counts: bool,
    /// Another thread's part, where goroutines are repeated.
    repeating: bool,
    /// Their numbers and groups.
    unavailable: BTreeMap<u64, usize>,
    /// The numbers of the goroutines.
    numbers: BTreeSet<u64>,
    /// The first of them, and whether it runs.
    first: Option<(u64, bool)>,
    /// One of them came twice: there is more than one process, or dump.
    mixed: bool,
    /// Parts of several threads follow each other.
    threads: bool,
    /// Every other line is empty.
    spaced: bool,
    /// The frames that come have no header before them.
    headless: bool,
    /// Lines of it are lost.
    pub(super) holed: bool,
    blank: bool,
    registers: u32,
    pub(super) complete: bool,
    /// It ended within a line.
    pub(super) torn: bool,
    confirmed_by_pc: bool,
    /// Lines of others since the last of its own.
    others: u32,
    bytes: u64,
}

impl OpenDump {
    pub(super) fn new(kind: Kind) -> OpenDump {
        OpenDump {
            kind,
            reason: Vec::new(),
            notes: Vec::new(),
            stage: if kind == Kind::Unknown { Position::Prelude } else { Position::Reason },
            confirmed: false,
            held: Vec::new(),
            whose: Vec::new(),
            splice: Splice::default(),
            block: Block::default(),
            groups: Groups::default(),
            counts: false,
            repeating: false,
            unavailable: BTreeMap::new(),
            numbers: BTreeSet::new(),
            first: None,
            mixed: false,
            threads: false,
            spaced: false,
            headless: false,
            holed: false,
            blank: false,
            registers: 0,
            complete: false,
            torn: false,
            confirmed_by_pc: false,
            others: 0,
            bytes: 0,
        }
    }

    pub(super) fn give(&mut self, whose: Whose, bytes: &[u8], out: &mut dyn Output) {
        if bytes.is_empty() {
            return;
        }
        if !self.confirmed {
            self.held.extend_from_slice(bytes);
            match self.whose.last_mut() {
                Some((last, end)) if *last == whose => *end = self.held.len(),
                _ => self.whose.push((whose, self.held.len())),
            }
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
            Position::Reason | Position::NextThread if self.kind == Kind::Signal => Expected::Signal,
            Position::Registers if self.complete => Expected::Signal,
            _ if self.block.placeless => Expected::Place,
            _ => Expected::Any,
        }
    }

    pub(super) fn may_continue(&mut self, line: &[u8]) -> bool {
        let expected = self.expected();
        self.splice.may_continue(line, expected)
    }

    /// Whether a line is held that others interrupted.
    pub(super) fn is_interrupted(&self) -> bool {
        !self.splice.is_empty()
    }

    /// A whole line, with its end.
    pub(super) fn line(&mut self, line: &[u8], shapes: &mut Shapes, out: &mut dyn Output) -> Next {
        let text = trim(line);
        if self.held.len() > LONGEST {
            return Next::Over;
        }
        if self.splice.is_empty() {
            let parsed = line::parse(text);
            if let Some(parsed) = parsed.filter(|parsed| self.fits(parsed)) {
                self.take(text, parsed, line, out);
                return Next::Go;
            }
            if self.is_prose(text) {
                self.give(Whose::Runtime, line, out);
                return Next::Go;
            }
            if self.begins_another(text, parsed) {
                return Next::Over;
            }
            // Whole, but out of place: no part of it is the runtime's.
            if let Some(parsed) = parsed {
                self.threads |= parsed == Line::Separator;
                self.others += 1;
                self.give(Whose::Other, line, out);
                return Next::Go;
            }
        }
        if self.is_abandoned() {
            return Next::Over;
        }
        let mut splice = std::mem::take(&mut self.splice);
        let whole = |text: &[u8]| line::parse(trim(text)).is_some_and(|parsed| self.fits(&parsed));
        let outcome = splice.add(line, self.expected(), shapes, whole);
        match &outcome {
            Outcome::Whole { guess, .. } => {
                splice.settle(*guess, &mut |whose, bytes| self.give(whose, bytes, out));
                self.give(Whose::Runtime, line, out);
            }
            Outcome::Full => splice.let_go(&mut |whose, bytes| self.give(whose, bytes, out)),
            Outcome::Foreign | Outcome::Held => {}
        }
        self.splice = splice;
        match outcome {
            Outcome::Whole { text, .. } => {
                if let Some(parsed) = line::parse(trim(&text)) {
                    self.take(trim(&text), parsed, b"", out);
                }
            }
            Outcome::Held | Outcome::Full => self.others += 1,
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
        self.others > most
    }

    /// Whether a line of the runtime's can come now.
    fn fits(&self, line: &Line<'_>) -> bool {
        let signal = self.kind == Kind::Signal;
        let begun = !matches!(self.stage, Position::Reason);
        let goroutines = self.stage == Position::Goroutines;
        match line {
            Line::Signal => signal && matches!(self.stage, Position::Reason | Position::NextThread),
            Line::Pc => signal && !goroutines && self.stage != Position::Registers,
            Line::Blank => begun && !self.blank && !self.block.placeless,
            Line::Header(header) => match self.kind {
                // People leave out the line with the PC; the runtime does not.
                Kind::Signal => (self.confirmed || begun && self.blank) && self.stage != Position::Registers,
                Kind::Panic | Kind::Fatal => begun,
                // Stacks that a program logs itself have nothing between them but log lines.
                Kind::Unknown | Kind::Profile | Kind::Live => {
                    begun && (!self.confirmed || self.blank && !self.begins_again(header))
                }
            },
            Line::RuntimeStack => begun && matches!(self.kind, Kind::Fatal | Kind::Panic),
            Line::Frame { .. } | Line::Created { .. } | Line::Elided(_) => goroutines && self.block.takes_frames(),
            Line::Unavailable => goroutines && self.block.takes_frames(),
            Line::Ancestor => goroutines,
            Line::Place { certain, .. } => goroutines && (self.block.placeless || *certain),
            Line::Register { .. } => signal && (goroutines || self.stage == Position::Registers),
            Line::Separator => signal && self.stage == Position::Registers,
            Line::Note => begun,
        }
    }

    /// Whether a goroutine is the first of another dump, where no reason is between the two: only whoever prints a dump runs.
    fn begins_again(&self, header: &Header<'_>) -> bool {
        let runs = header.state == b"running";
        let (is_first, first_runs) = self.first.map_or((false, false), |(id, runs)| (id == header.id, runs));
        header.id == self.block.id || is_first || runs && (first_runs || self.numbers.contains(&header.id))
    }

    /// Lines between a dump's reason and its goroutines, which are words.
    fn is_prose(&mut self, text: &[u8]) -> bool {
        let kind_of_reason = |text: &[u8]| {
            [&b"panic: "[..], b"fatal error: ", b"runtime: goroutine stack exceeds "]
                .iter()
                .any(|p| text.starts_with(p))
        };
        match (self.kind, self.stage) {
            (Kind::Panic | Kind::Fatal, Position::Reason) => {
                self.reason = text.to_vec();
                self.stage = Position::Prelude;
                true
            }
            (Kind::Panic | Kind::Fatal, Position::Prelude) => {
                // A stack overflow's own line comes after the numbers.
                if text.starts_with(b"fatal error: ") && self.reason.starts_with(b"runtime: ") {
                    self.reason = text.to_vec();
                }
                // The further lines of a value are indented (printindented in runtime/error.go).
                let prose = text.starts_with(b"\t")
                    || text.starts_with(b"[signal ")
                    || text.starts_with(b"runtime: ")
                    || kind_of_reason(text);
                if prose && self.notes.len() < NOTES {
                    let note = text.trim_ascii().get(..LONGEST_NOTE).unwrap_or(text.trim_ascii());
                    self.notes.push(String::from_utf8_lossy(note).into_owned());
                }
                prose
            }
            _ => false,
        }
    }

    /// Whether a line that does not fit is of the next dump.
    fn begins_another(&self, text: &[u8], parsed: Option<Line<'_>>) -> bool {
        match parsed {
            Some(Line::Signal) => self.stage != Position::Reason,
            Some(Line::Pc) => self.stage == Position::Registers,
            Some(Line::Header(_)) => true,
            _ => {
                self.kind != Kind::Signal
                    && self.stage == Position::Goroutines
                    && (text.starts_with(b"panic: ") || text.starts_with(b"fatal error: "))
            }
        }
    }

    /// A line of the runtime's that can come now. `bytes` are its own, if they were not given away yet.
    fn take(&mut self, text: &[u8], line: Line<'_>, bytes: &[u8], out: &mut dyn Output) {
        self.others = 0;
        let is_behind_blank = std::mem::replace(&mut self.blank, matches!(line, Line::Blank));
        self.give(Whose::Runtime, bytes, out);
        match line {
            Line::Blank | Line::Note => {}
            Line::Signal => {
                if self.stage == Position::Reason {
                    self.reason = text.to_vec();
                }
                self.stage = if self.stage == Position::Reason { Position::Prelude } else { Position::NextThread };
            }
            Line::Pc => {
                self.keep_code(text);
                self.confirmed_by_pc = true;
                self.stage = Position::Prelude;
                self.confirm(out);
            }
            Line::Header(header) => {
                self.confirm(out);
                self.begin(&header);
            }
            Line::RuntimeStack => {
                self.confirm(out);
                self.count();
                self.stage = Position::Goroutines;
                self.counts = false;
                self.block.begin(&line::NOBODY);
            }
            Line::Frame { function, arguments } => {
                self.headless |= is_behind_blank && self.begin_headless();
                self.block.frame(function, arguments);
            }
            Line::Created { function, parent } => self.block.created_by(function, parent),
            Line::Place { at, .. } => {
                self.holed |= self.headless || self.is_alone(text);
                self.block.place(at);
            }
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
                self.stage = Position::Registers;
                self.registers += 1;
                self.complete |= last || self.registers >= REGISTERS;
            }
            Line::Separator => {
                self.stage = Position::NextThread;
                self.repeating = true;
            }
        }
    }

    /// Keeps the line with the PC of a signal that may stand for a fault: its sigcode says whether somebody sent it.
    fn keep_code(&mut self, text: &[u8]) {
        if !was_asked_for(&self.reason) && self.stage == Position::Prelude && self.notes.is_empty() {
            self.notes.push(String::from_utf8_lossy(text).into_owned());
        }
    }

    /// No process has two goroutines of a number; only another thread's part repeats them.
    fn number(&mut self, header: &Header<'_>) {
        if header.id == 0 || self.repeating {
            return;
        }
        self.first.get_or_insert((header.id, header.state == b"running"));
        if self.numbers.contains(&header.id) {
            self.mixed |= !self.threads;
        } else if self.numbers.len() < MOST_NUMBERS {
            self.numbers.insert(header.id);
        }
    }

    /// A goroutine's block.
    fn begin(&mut self, header: &Header<'_>) {
        self.count();
        self.stage = Position::Goroutines;
        self.complete = false;
        self.registers = 0;
        self.counts = header.id != 0;
        self.headless = false;
        self.number(header);
        self.block.begin(header);
    }

    /// Begins another goroutine with a frame behind an empty line: its header is lost. False where every other line is empty, and
    /// that shows nothing.
    fn begin_headless(&mut self) -> bool {
        self.spaced |= !self.block.has_frames();
        if !self.spaced {
            self.count();
            self.counts = false;
            self.block.begin(&line::NOBODY);
        }
        !self.spaced
    }

    /// Whether the function of a place is lost. Frames of C have places of their own, without an offset.
    fn is_alone(&self, text: &[u8]) -> bool {
        !self.block.placeless && !self.block.is_full() && text.windows(4).any(|part| part == b" +0x")
    }

    /// Counts the block that is open.
    fn count(&mut self) {
        if !self.block.is_open() {
            return;
        }
        let id = self.block.id;
        let repeated = if self.counts && self.repeating { self.unavailable.remove(&id) } else { None };
        if let Some(group) = repeated {
            self.groups.uncount(group, id);
        }
        if !self.counts || self.repeating && repeated.is_none() {
            return self.block.close();
        }
        let counted = self.groups.count(&mut self.block);
        if let Some(group) = counted.filter(|_| self.block.unavailable && self.unavailable.len() < MOST_UNAVAILABLE) {
            self.unavailable.entry(id).or_insert(group);
        }
    }

    /// The stream's last line, if it is whole but for its end.
    pub(super) fn take_last(&mut self, line: &[u8], out: &mut dyn Output) -> bool {
        match line::parse(trim(line)).filter(|parsed| self.splice.is_empty() && self.fits(parsed)) {
            Some(parsed) => {
                self.take(trim(line), parsed, line, out);
                true
            }
            None => false,
        }
    }

    pub(super) fn let_go(&mut self, out: &mut dyn Output) {
        let mut splice = std::mem::take(&mut self.splice);
        splice.let_go(&mut |whose, bytes| self.give(whose, bytes, out));
        self.splice = splice;
    }

    /// Of one that was confirmed.
    pub(super) fn end(mut self, program: &Program, out: &mut dyn Output) {
        let cut = match self.kind {
            Kind::Signal if self.confirmed_by_pc => !self.complete,
            Kind::Signal | Kind::Panic | Kind::Fatal | Kind::Unknown | Kind::Profile | Kind::Live => {
                self.torn || !self.splice.is_empty() || self.block.placeless || self.stage != Position::Goroutines
            }
        };
        self.count();
        if self.mixed {
            self.notes.push(MIXED.to_owned());
        }
        let (user, system, ungrouped) = (self.groups.user, self.groups.system, self.groups.ungrouped);
        out.ended(Summary {
            kind: self.kind,
            reason: String::from_utf8_lossy(&self.reason).into_owned(),
            user,
            system,
            notes: self.notes,
            groups: self.groups.finish(program),
            ungrouped,
            cut: cut || self.holed || self.mixed,
            bytes: self.bytes,
        });
    }
}
