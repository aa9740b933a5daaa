//! The lines of one process, without what collectors put around them.

use super::Dump;
use super::columns::Columns;
use super::normal::{Sort, find, normal};
use super::profile::Profile;
use super::reversed::{Part, Reversed, Step};
use crate::goroutines::line::SIGNALS;
use crate::goroutines::{Kind, Output, Program, Reader, Summary};

/// Of what stood before a stack so much is kept.
const REASON: usize = 4 << 10;

/// A reader, and what it does not need to know.
pub(super) struct Stream {
    reader: Reader,
    program: Program,
    profile: Option<Profile>,
    columns: Columns,
    reversed: Reversed,
    /// A dump without a goroutine. It is told of but where another process has written between its lines.
    empty: Option<Dump>,
    /// Something has changed the lines of this stream: they are not as the runtime wrote them.
    changed: bool,
    /// What the last line was.
    last: Sort,
    /// The last line that was no dump's: it may say why the next one was printed.
    words: Vec<u8>,
    /// That line, as it was when the dump in progress began.
    reason: Vec<u8>,
    /// A stop signal that was sent, as a line of goward's says.
    signal: Option<String>,
}

impl Stream {
    pub(super) fn new(program: &Program) -> Stream {
        Stream {
            reader: Reader::new(program.clone()),
            program: program.clone(),
            profile: None,
            columns: Columns::default(),
            reversed: Reversed::default(),
            empty: None,
            changed: false,
            last: Sort::Blank,
            words: Vec::new(),
            reason: Vec::new(),
            signal: None,
        }
    }

    /// Whether a dump is coming in.
    pub(super) fn in_dump(&self) -> bool {
        self.reader.in_dump() || self.profile.is_some() || self.reversed.in_dump()
    }

    /// Whether lines of a dump are read as they come.
    pub(super) fn is_in_order(&self) -> bool {
        self.reader.in_dump() && !self.reversed.holds()
    }

    /// Somebody says that lines are lost.
    pub(super) fn lines_were_lost(&mut self) {
        self.reader.lines_were_lost();
        self.reversed.holed |= self.reversed.holds();
    }

    /// Whether others have interrupted a line of a dump that is as the runtime wrote it: what comes now may be the rest of it,
    /// and must stay as it is.
    pub(super) fn is_interrupted(&self) -> bool {
        !self.changed && self.reader.is_interrupted()
    }

    /// Whether that is a profile with debug=1.
    pub(super) fn in_profile(&self) -> bool {
        self.profile.is_some()
    }

    /// Whole lines, with their ends, that are the runtime's as they are; the last of them is of this sort.
    pub(super) fn raw(&mut self, lines: &[u8], last: Sort, out: &mut dyn FnMut(Dump)) {
        self.feed(&[lines], out);
        self.last = last;
    }

    /// What the last line was.
    pub(super) fn last(&self) -> Sort {
        self.last
    }

    /// What stood before a header in its own line.
    pub(super) fn said_before(&mut self, words: &[u8]) {
        self.words = words.get(words.len().saturating_sub(REASON)..).unwrap_or_default().to_vec();
    }

    /// Whether a line waits for the next one, which may be the rest of it.
    pub(super) fn holds(&self) -> bool {
        self.columns.holds()
    }

    /// Whether this is the rest of the line that waits.
    pub(super) fn goes_on_with(&self, line: &[u8]) -> bool {
        self.columns.goes_on_with(line)
    }

    /// A line without its end.
    pub(super) fn line(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) {
        let mut columns = std::mem::take(&mut self.columns);
        let in_stack = self.reader.in_dump() || matches!(self.last, Sort::Header { .. } | Sort::Stack);
        columns.line(text, in_stack && !self.is_interrupted(), &mut |line| self.whole(line, out));
        self.columns = columns;
    }

    /// A line that none goes on.
    fn whole(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) {
        if self.of_profile(text, out) {
            return;
        }
        // The terminal's echo of Ctrl-\ stands before the first line.
        if let Some(signal) = SIGNALS.iter().find(|signal| text.len() > signal.len() && text.ends_with(signal)) {
            let (before, signal) = text.split_at_checked(text.len() - signal.len()).unwrap_or_default();
            self.whole(before, out);
            return self.whole(signal, out);
        }
        if self.is_in_order() || self.is_interrupted() && !self.reversed.holds() {
            return self.read(text, out);
        }
        let (line, sort) = normal(text);
        match self.reversed.add(text, Part::of(&line, sort)) {
            Step::Read => self.read_as(&line, sort, *line != *text, out),
            Step::Held => self.last = sort,
            Step::Release => self.release(out),
        }
    }

    /// Reads the lines that are held, in the order of time.
    fn release(&mut self, out: &mut dyn FnMut(Dump)) {
        let held = std::mem::take(&mut self.reversed);
        let mut each = |mut dump: Dump| {
            dump.summary.cut |= held.holed;
            out(dump);
        };
        held.each(&mut |line| self.read(line, &mut each));
        if held.is_backward() {
            // What comes now was before it.
            self.end(&mut each);
            self.last = Sort::Blank;
        } else if held.holed {
            self.reader.lines_were_lost();
        }
    }

    /// A line in the order of time.
    fn read(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) {
        if self.is_interrupted() {
            return self.feed(&[text, b"\n"], out);
        }
        let (line, sort) = normal(text);
        self.read_as(&line, sort, *line != *text, out);
    }

    /// The same as [`normal`] makes it.
    fn read_as(&mut self, line: &[u8], sort: Sort, changed: bool, out: &mut dyn FnMut(Dump)) {
        self.changed |= sort == Sort::Stack && changed;
        self.heard(line, sort);
        if let Sort::Header { running } = sort {
            if !self.reader.in_dump() {
                self.reason = std::mem::take(&mut self.words);
            } else if self.last == Sort::Stack && !running {
                // Collectors drop empty lines. Two stacks that the program logged are two dumps.
                self.feed(&[b"\n"], out);
            }
        }
        self.feed(&[line, b"\n"], out);
        self.last = sort;
    }

    /// Words may say why a stack is printed, or what goward did to the server.
    fn heard(&mut self, line: &[u8], sort: Sort) {
        if sort != Sort::Other {
            return;
        }
        if !self.reader.in_dump() || !line.starts_with(b"\t") {
            // A fence of Markdown says nothing.
            let says = line.iter().any(u8::is_ascii_alphanumeric);
            self.said_before(if says { line } else { b"" });
        }
        if let Some(signal) = signal_of_goward(line) {
            self.signal = Some(signal);
        }
    }

    fn of_profile(&mut self, text: &[u8], out: &mut dyn FnMut(Dump)) -> bool {
        if let Some(profile) = &mut self.profile {
            if profile.line(text) {
                return true;
            }
            self.end_profile(out);
        }
        self.profile = Profile::begin(text);
        if self.profile.is_some() && self.reversed.holds() {
            self.release(out);
        }
        self.profile.is_some()
    }

    fn end_profile(&mut self, out: &mut dyn FnMut(Dump)) {
        if let Some(profile) = self.profile.take() {
            out(Dump { summary: profile.end(&self.program), signal: self.signal.clone() });
        }
    }

    fn feed(&mut self, parts: &[&[u8]], out: &mut dyn FnMut(Dump)) {
        let mut sink = Sink { reason: &self.reason, signal: self.signal.as_ref(), empty: &mut self.empty, out };
        parts.iter().for_each(|part| self.reader.feed(part, &mut sink));
    }

    /// There is nothing more.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Dump)) {
        let mut columns = std::mem::take(&mut self.columns);
        columns.end(&mut |line| self.whole(line, out));
        self.end_profile(out);
        if self.reversed.holds() {
            self.release(out);
        }
        self.end(out);
        self.empty.take().into_iter().for_each(out);
    }

    /// Nothing follows what was read.
    fn end(&mut self, out: &mut dyn FnMut(Dump)) {
        let mut sink = Sink { reason: &self.reason, signal: self.signal.as_ref(), empty: &mut self.empty, out };
        self.reader.finish(&mut sink);
    }
}

struct Sink<'a> {
    reason: &'a [u8],
    signal: Option<&'a String>,
    empty: &'a mut Option<Dump>,
    out: &'a mut dyn FnMut(Dump),
}

impl Output for Sink<'_> {
    fn pass(&mut self, _: &[u8]) {}

    fn dump(&mut self, _: &[u8]) {}

    fn ended(&mut self, mut summary: Summary) {
        if summary.kind == Kind::Unknown && summary.reason.is_empty() && has_panicked(&summary) {
            summary.reason = without_time(&String::from_utf8_lossy(self.reason)).to_owned();
        }
        let is_empty = summary.groups.is_empty() && summary.ungrouped == 0;
        let is_mixed = summary.is_mixed();
        let dump = Dump { summary, signal: self.signal.cloned() };
        if is_empty {
            self.empty.replace(dump).into_iter().for_each(&mut *self.out);
        } else {
            self.empty.take().filter(|_| !is_mixed).into_iter().for_each(&mut *self.out);
            (self.out)(dump);
        }
    }
}

/// Whether a stack was printed by who recovered a panic.
fn has_panicked(summary: &Summary) -> bool {
    let running = summary.groups.iter().filter(|group| group.state == "running");
    running.flat_map(|group| &group.frames).any(|frame| frame.function == "panic")
}

/// A log line without the date before it.
fn without_time(line: &str) -> &str {
    let of_time = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || "-/.:TZ+,".contains(c))
    };
    let mut rest = line.trim();
    while let Some((word, after)) = rest.split_once(' ').filter(|(word, _)| of_time(word)) {
        rest = after.trim_start();
        _ = word;
    }
    rest
}

/// The signal that goward says it passed on or sent to make the server stop.
fn signal_of_goward(line: &[u8]) -> Option<String> {
    let after = line.get(find(line, b"goward")?..)?;
    let at = find(after, b"SIG")?;
    let name: Vec<u8> =
        after.get(at..)?.iter().copied().take_while(|b| b.is_ascii_alphanumeric() || b"+-".contains(b)).collect();
    let name = String::from_utf8(name).ok()?;
    let stops = !matches!(name.as_str(), "SIGQUIT" | "SIGABRT" | "SIGKILL" | "SIG") && name.len() <= 12;
    stops.then_some(name)
}
