//! Lines of others in the middle of the runtime's. The runtime writes each argument of its prints by itself; loggers write
//! whole lines. So between any two tokens of a dump whole lines of somebody else may stand:
//!
//! ```text
//! goroutine {"level":"INFO","msg":"tick"}
//! 7 gp=0x3f9bb8f8a1e0 m=nil [{"level":"INFO","msg":"tick"}
//! sleep]:
//! ```
//!
//! A line that is not the runtime's as it stands is split at some token's end: what is before continues the runtime's line,
//! what follows is somebody else's. Often there are several such ends. All that are likely are followed (a beam search) until
//! one of them makes a whole line; the others were wrong.

use super::line::{REGISTERS, SIGNALS};
use super::order;

/// What the runtime may print: each state's tokens, and the state after each. From runtime/traceback.go (goroutineheader,
/// traceback2, printArgs, printcreatedby1), signal_unix.go (fatalsignal) and signal_amd64.go (dumpregs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Any line but a place.
    Start,
    /// The first line of a dump.
    StartSignal,
    /// A place, after a frame.
    StartPlace,
    Newline,
    PcValue,
    PcThread,
    PcThreadNumber,
    PcCode,
    PcCodeNumber,
    PcAddress,
    PcAddressValue,
    Id,
    AfterId,
    Gp,
    AfterGp,
    Thread,
    AfterThread,
    Mp,
    BeforeStatus,
    Status,
    AfterStatus,
    Minutes,
    AfterMinutes,
    AfterLocked,
    Bubble,
    AfterBubble,
    AfterBracket,
    Labels,
    InLabels,
    HeaderEnd,
    Name,
    Arguments,
    AfterHex,
    AfterArgument,
    AfterComma,
    Creator,
    AfterCreator,
    CreatorId,
    Elided,
    AfterElided,
    Register,
    Ancestor,
    AfterAncestor,
    File,
    AfterFile,
    Number,
    AfterNumber,
    Offset,
    AfterOffset,
    Fp,
    AfterFp,
    Sp,
    AfterSp,
    Pc,
    End,
}

#[derive(Clone, Copy)]
enum Token {
    Text(&'static str),
    /// One of these, and the runtime's padding after it.
    Register,
    Signal,
    Decimal,
    Hex,
    /// A function's name up to its type arguments, with a dot in it.
    Name,
    /// A byte of what may follow type arguments.
    NameEnd,
    /// A path.
    File,
    /// A goroutine's state.
    Words,
    /// A byte of what is in labels.
    Free,
}

use State as S;
use Token as T;

fn next(state: State) -> &'static [(Token, State)] {
    match state {
        S::Start => &[
            (T::Text("\n"), S::End),
            (T::Text("goroutine "), S::Id),
            (T::Name, S::Name),
            (T::Text("panic"), S::Name),
            (T::Text("created by "), S::Creator),
            (T::Register, S::Register),
            (T::Text("PC="), S::PcValue),
            (T::Text("..."), S::Elided),
            (T::Text("-----\n"), S::End),
            (T::Text("runtime stack:\n"), S::End),
            (T::Text("signal arrived during cgo execution\n"), S::End),
            (T::Text("[originating from goroutine "), S::Ancestor),
            (T::Signal, S::Newline),
        ],
        S::StartSignal => &[(T::Signal, S::Newline), (T::Text("PC="), S::PcValue)],
        S::StartPlace => {
            &[(T::Text("\t"), S::File), (T::Text("\tgoroutine running on other thread; stack unavailable\n"), S::End)]
        }
        S::Newline => &[(T::Text("\n"), S::End)],
        S::PcValue => &[(T::Hex, S::PcThread)],
        S::PcThread => &[(T::Text(" m="), S::PcThreadNumber)],
        S::PcThreadNumber => &[(T::Decimal, S::PcCode)],
        S::PcCode => &[(T::Text(" sigcode="), S::PcCodeNumber)],
        S::PcCodeNumber => &[(T::Decimal, S::PcAddress)],
        S::PcAddress => &[(T::Text("\n"), S::End), (T::Text(" addr="), S::PcAddressValue)],
        S::PcAddressValue => &[(T::Hex, S::Newline)],
        S::Id => &[(T::Decimal, S::AfterId)],
        S::AfterId => &[(T::Text(" gp="), S::Gp), (T::Text(" ["), S::Status)],
        S::Gp => &[(T::Hex, S::AfterGp)],
        S::AfterGp => &[(T::Text(" m="), S::Thread), (T::Text(" m=nil"), S::BeforeStatus)],
        S::Thread => &[(T::Decimal, S::AfterThread)],
        S::AfterThread => &[(T::Text(" mp="), S::Mp)],
        S::Mp => &[(T::Hex, S::BeforeStatus)],
        S::BeforeStatus => &[(T::Text(" ["), S::Status)],
        S::Status => &[(T::Words, S::AfterStatus)],
        S::AfterStatus => &[
            (T::Text("]"), S::AfterBracket),
            (T::Text(", "), S::Minutes),
            (T::Text(", locked to thread"), S::AfterLocked),
            (T::Text(", synctest bubble "), S::Bubble),
            (T::Text(" (leaked)"), S::AfterStatus),
            (T::Text(" (durable)"), S::AfterStatus),
            (T::Text(" (scan)"), S::AfterStatus),
        ],
        S::Minutes => &[(T::Decimal, S::AfterMinutes)],
        S::AfterMinutes => &[(T::Text(" minutes"), S::AfterStatus)],
        S::AfterLocked => &[(T::Text("]"), S::AfterBracket), (T::Text(", synctest bubble "), S::Bubble)],
        S::Bubble => &[(T::Decimal, S::AfterBubble)],
        S::AfterBubble => &[(T::Text("]"), S::AfterBracket)],
        S::AfterBracket => &[(T::Text(":\n"), S::End), (T::Text(" {"), S::Labels)],
        S::Labels => &[(T::Free, S::InLabels)],
        S::InLabels => &[(T::Free, S::InLabels), (T::Text("}"), S::HeaderEnd)],
        S::HeaderEnd => &[(T::Text(":\n"), S::End)],
        S::Name => &[(T::Text("("), S::Arguments), (T::Text("[...]"), S::Name), (T::NameEnd, S::Name)],
        S::Arguments => &[
            (T::Text(")\n"), S::End),
            (T::Hex, S::AfterHex),
            (T::Text("{"), S::Arguments),
            (T::Text("..."), S::AfterArgument),
            (T::Text("_"), S::AfterArgument),
            (T::Text("}"), S::AfterArgument),
        ],
        S::AfterHex => &[
            (T::Text("?"), S::AfterArgument),
            (T::Text(", "), S::AfterComma),
            (T::Text(")\n"), S::End),
            (T::Text("}"), S::AfterArgument),
        ],
        S::AfterArgument => {
            &[(T::Text(", "), S::AfterComma), (T::Text(")\n"), S::End), (T::Text("}"), S::AfterArgument)]
        }
        S::AfterComma => &[
            (T::Hex, S::AfterHex),
            (T::Text("{"), S::Arguments),
            (T::Text("..."), S::AfterArgument),
            (T::Text("_"), S::AfterArgument),
        ],
        S::Creator => &[(T::Name, S::AfterCreator)],
        S::AfterCreator => &[
            (T::Text(" in goroutine "), S::CreatorId),
            (T::Text("\n"), S::End),
            (T::Text("[...]"), S::AfterCreator),
            (T::NameEnd, S::AfterCreator),
        ],
        S::CreatorId => &[(T::Decimal, S::Newline)],
        S::Elided => &[(T::Decimal, S::AfterElided), (T::Text("additional frames elided...\n"), S::End)],
        S::AfterElided => &[(T::Text(" frames elided...\n"), S::End)],
        S::Register => &[(T::Hex, S::Newline)],
        S::Ancestor => &[(T::Decimal, S::AfterAncestor)],
        S::AfterAncestor => &[(T::Text("]:\n"), S::End)],
        S::File => &[(T::File, S::AfterFile)],
        S::AfterFile => &[(T::Text(":"), S::Number)],
        S::Number => &[(T::Decimal, S::AfterNumber)],
        S::AfterNumber => &[(T::Text(" +"), S::Offset), (T::Text("\n"), S::End)],
        S::Offset => &[(T::Hex, S::AfterOffset)],
        S::AfterOffset => &[(T::Text(" fp="), S::Fp), (T::Text("\n"), S::End)],
        S::Fp => &[(T::Hex, S::AfterFp)],
        S::AfterFp => &[(T::Text(" sp="), S::Sp)],
        S::Sp => &[(T::Hex, S::AfterSp)],
        S::AfterSp => &[(T::Text(" pc="), S::Pc)],
        S::Pc => &[(T::Hex, S::Newline)],
        S::End => &[],
    }
}

/// Longer than the runtime's lines are: so much of a text is searched for tokens.
const LONGEST: usize = 1024;
/// So many ways to split are followed.
const GUESSES: usize = 8;
/// So much is held until it is decided whose it is.
const MOST_HELD: usize = 64 << 10;

/// What a text can be, read as the beginning of one of the runtime's lines.
#[derive(Default)]
struct Reading {
    /// It is a whole line.
    whole: bool,
    /// It ends within a token, or between two.
    unfinished: bool,
    /// Where tokens end.
    ends: Vec<usize>,
}

/// Reads `text` with all tokens that are possible. No token reaches over a cut: there a write ended.
fn read(text: &[u8], cuts: &[usize], start: State) -> Reading {
    let mut reading = Reading::default();
    let mut seen = vec![0u64; text.len() + 1];
    let mut open = vec![(0usize, start)];
    while let Some((at, state)) = open.pop() {
        let bit = 1u64 << state as u32;
        match seen.get_mut(at) {
            Some(states) if *states & bit == 0 => *states |= bit,
            _ => continue,
        }
        reading.whole |= state == State::End && at == text.len();
        reading.unfinished |= state != State::End && at == text.len();
        let limit = cuts.iter().copied().find(|cut| *cut > at).unwrap_or(text.len());
        let Some(rest) = text.get(at..limit) else { continue };
        for (token, then) in next(state) {
            let last = limit == text.len();
            token.ends(rest, |end| open.push((at + end, *then)), || reading.unfinished |= last);
        }
    }
    reading.ends = (0..text.len()).filter(|at| seen.get(*at).is_some_and(|states| *states != 0)).collect();
    reading
}

const _: () = assert!((State::End as u32) < 64, "the states seen are bits of a word");

impl Token {
    /// Calls `found` with each end the token may have in `text`, and `short` if the text ends within it.
    fn ends(self, text: &[u8], mut found: impl FnMut(usize), mut short: impl FnMut()) {
        let mut one_of = |tokens: &[&[u8]]| {
            for token in tokens {
                if text.starts_with(token) {
                    found(token.len());
                } else if token.starts_with(text) {
                    short();
                }
            }
        };
        let one = text.get(..1).unwrap_or_default();
        match self {
            Token::Text(token) => one_of(&[token.as_bytes()]),
            Token::Signal => one_of(&SIGNALS),
            Token::Register => {
                let name = text.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
                let padding = text.iter().skip(name).take_while(|b| **b == b' ').count();
                let width = name + padding;
                let Some(name) = text.get(..name) else { return };
                let numbered = matches!(name, [b'r', b'0'..=b'9', ..]);
                if (numbered || REGISTERS.contains(&name)) && (7..=8).contains(&width) {
                    found(width);
                } else if (numbered || REGISTERS.iter().any(|known| known.starts_with(name))) && width == text.len() {
                    short();
                }
            }
            Token::Decimal => runs(text, |_, b| b.is_ascii_digit(), |_| true, found, short),
            Token::Hex => runs(text, is_of_hex, |hex| hex.len() > 2, found, short),
            Token::Name => runs(text, is_of_name, is_name, found, short),
            Token::NameEnd => runs(one, |_, b| is_of_name(1, b), |_| true, found, short),
            Token::File => runs(text, |_, b| b >= b' ', |file| !file.ends_with(b"/"), found, short),
            Token::Words => {
                let fits = |_, b: u8| b.is_ascii_alphabetic() || b" .()_?*:".contains(&b);
                runs(text, fits, |words| !words.ends_with(b" "), found, short);
            }
            Token::Free => runs(one, |_, b| b >= b' ', |_| true, found, short),
        }
    }
}

fn is_of_hex(at: usize, b: u8) -> bool {
    match at {
        0 => b == b'0',
        1 => b == b'x',
        _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
    }
}

fn is_of_name(at: usize, b: u8) -> bool {
    let later = matches!(b, b'!' | b'#'..=b'Z' | b'^'..=b'z' | b'~');
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80 || at > 0 && later
}

/// With a dot in its last element.
fn is_name(name: &[u8]) -> bool {
    let nearest = memchr::memrchr2(b'.', b'/', name).and_then(|at| name.get(at..));
    nearest.is_some_and(|rest| rest.len() > 1 && rest.starts_with(b"."))
}

/// A token of any length: each end after bytes that fit, where it may be complete.
fn runs(
    text: &[u8],
    fits: fn(usize, u8) -> bool,
    complete: fn(&[u8]) -> bool,
    mut found: impl FnMut(usize),
    mut short: impl FnMut(),
) {
    let length = text.iter().enumerate().take_while(|(at, b)| fits(*at, **b)).count();
    for end in 1..=length {
        if text.get(..end).is_some_and(complete) {
            found(end);
        }
    }
    if length == text.len() {
        short();
    }
}

/// How lines of others begin: programs have few loggers, and a logger's lines look the same at the beginning.
#[derive(Default)]
pub(super) struct Shapes {
    known: [[u8; Shapes::LENGTH]; 4],
    oldest: usize,
}

impl Shapes {
    const LENGTH: usize = 10;

    /// Digits, small and capital letters are each the same.
    fn of(line: &[u8]) -> [u8; Shapes::LENGTH] {
        let mut shape = [b'\n'; Shapes::LENGTH];
        for (class, b) in shape.iter_mut().zip(line) {
            *class = match b {
                b'0'..=b'9' => b'0',
                b'a'..=b'z' => b'a',
                b'A'..=b'Z' => b'A',
                _ => *b,
            };
        }
        shape
    }

    /// A line that is surely somebody else's.
    pub(super) fn learn(&mut self, line: &[u8]) {
        let shape = Shapes::of(line);
        if !self.known.contains(&shape) {
            if let Some(place) = self.known.get_mut(self.oldest) {
                *place = shape;
            }
            self.oldest = (self.oldest + 1) % self.known.len();
        }
    }

    /// How much a text looks like the beginning of a line.
    fn likeness(&self, text: &[u8]) -> u32 {
        let shape = Shapes::of(text);
        let common = |known: &[u8; Shapes::LENGTH]| known.iter().zip(&shape).take_while(|(a, b)| a == b).count();
        let learnt = self.known.iter().map(common).max().filter(|common| *common > 3).unwrap_or(0) as u32;
        let usual = match text {
            [b'{', b'"', ..] => 8,
            [b'1' | b'2', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'/' | b'-', b'0'..=b'9', ..] => 8,
            _ if text.starts_with(b"time=") || text.starts_with(b"level=") => 8,
            _ => 0,
        };
        learnt.max(usual)
    }
}

/// One way to split the lines that are held.
#[derive(Clone, Default)]
struct Guess {
    /// The runtime's line, as far as it has come.
    text: Vec<u8>,
    /// Where in it writes ended.
    cuts: Vec<usize>,
    /// How much of each line that is held belongs to it.
    splits: Vec<usize>,
    likelihood: u32,
}

/// Where the runtime's line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The beginning of a dump.
    Signal,
    /// What follows a frame.
    Place,
    /// Anything else.
    Any,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Somebody else's, and nothing else is held: the caller has it.
    Foreign,
    /// It is held until more is known.
    Held,
    /// What is held makes a whole line of the runtime's: this one.
    Whole(Vec<u8>),
}

/// What is held of a line that others interrupted.
#[derive(Default)]
pub(super) struct Splice {
    raw: Vec<u8>,
    ends: Vec<usize>,
    guesses: Vec<Guess>,
    start: Option<State>,
}

impl Splice {
    pub(super) fn is_empty(&self) -> bool {
        self.guesses.is_empty()
    }

    /// Adds a line with its end. `whole` says whether a text is one of the runtime's lines that can come now.
    pub(super) fn add(
        &mut self,
        line: &[u8],
        expected: Expected,
        shapes: &Shapes,
        whole: impl Fn(&[u8]) -> bool,
        give: &mut dyn FnMut(Whose, &[u8]),
    ) -> Outcome {
        let start = *self.start.get_or_insert(state(expected));
        if self.guesses.is_empty() {
            self.guesses.push(Guess::default());
        }
        let mut best: Option<(u32, usize, Vec<u8>)> = None;
        // Which guess, how much of the line, and how likely that is.
        let mut ways: Vec<(usize, usize, u32)> = Vec::new();
        for (index, guess) in self.guesses.iter().enumerate() {
            let before = guess.text.len();
            let head = line.get(..LONGEST.saturating_sub(before)).unwrap_or(line);
            let text = [&guess.text, head].concat();
            let reading = read(&text, &[&guess.cuts[..], &[before]].concat(), start);
            // A line that stands for itself may be any: what was begun before will not go on then.
            let stands =
                if before == 0 { whole(line) } else { reading.whole && head.len() == line.len() && whole(&text) };
            if stands && best.as_ref().is_none_or(|(likelihood, ..)| *likelihood < guess.likelihood) {
                let text = if before == 0 { line.to_vec() } else { text.clone() };
                best = Some((guess.likelihood, index, text));
            }
            for at in reading.ends.into_iter().filter(|at| *at >= before) {
                let (mine, theirs) = text.split_at(at);
                ways.push((index, at - before, guess.likelihood + likelihood(mine, theirs, at - before, shapes)));
            }
        }
        if let Some((_, index, text)) = best {
            self.settle(self.guesses.get(index), give);
            give(Whose::Runtime, line);
            *self = Splice::default();
            return Outcome::Whole(text);
        }
        self.guesses = self.likeliest(ways, line);
        if let ([only], true) = (self.guesses.as_slice(), self.raw.is_empty())
            && only.text.is_empty()
        {
            *self = Splice::default();
            return Outcome::Foreign;
        }
        self.raw.extend_from_slice(line);
        self.ends.push(self.raw.len());
        if self.raw.len() > MOST_HELD {
            self.let_go(give);
        }
        Outcome::Held
    }

    /// The guesses that are followed.
    fn likeliest(&self, ways: Vec<(usize, usize, u32)>, line: &[u8]) -> Vec<Guess> {
        // The order of equals is kept: the earlier guess, the shorter text.
        let mut ways = order::by(ways, |(.., likelihood)| [order::most((*likelihood).into()), 0, 0]);
        // That all was somebody else's must stay possible.
        let is_none = |(index, added, _): &(usize, usize, u32)| {
            *added == 0 && self.guesses.get(*index).is_some_and(|guess| guess.text.is_empty())
        };
        if let Some(none) = ways.iter().position(is_none).filter(|at| *at >= GUESSES) {
            ways.swap(GUESSES - 1, none);
        }
        ways.truncate(GUESSES);
        let guess = |(index, added, likelihood): (usize, usize, u32)| {
            let mut guess = self.guesses.get(index)?.clone();
            guess.likelihood = likelihood;
            guess.splits.push(added);
            if added > 0 {
                guess.text.extend_from_slice(line.get(..added)?);
                guess.cuts.push(guess.text.len());
            }
            Some(guess)
        };
        ways.into_iter().filter_map(guess).collect()
    }

    /// Decides for what is likely now, and gives away what is held. The runtime's line may go on.
    pub(super) fn let_go(&mut self, give: &mut dyn FnMut(Whose, &[u8])) {
        // In doubt it is somebody else's.
        const SURE: u32 = 6;
        let Some(likely) = self.guesses.iter().max_by_key(|guess| guess.likelihood).cloned() else { return };
        let none = self.guesses.iter().find(|guess| guess.text.is_empty());
        let chosen = match none {
            Some(none) if none.likelihood + SURE > likely.likelihood => none.clone(),
            _ => likely,
        };
        self.settle(Some(&chosen), give);
        self.raw.clear();
        self.ends.clear();
        if chosen.text.is_empty() {
            *self = Splice::default();
        } else {
            // It stays the likelier one, until a line comes that stands for itself.
            self.guesses = vec![Guess { splits: Vec::new(), likelihood: SURE, ..chosen }, Guess::default()];
        }
    }

    /// Whether `line`, which has no end, may be the beginning of what comes now.
    pub(super) fn may_continue(&self, line: &[u8], expected: Expected) -> bool {
        let start = self.start.unwrap_or(state(expected));
        let none = [Guess::default()];
        let guesses = if self.guesses.is_empty() { &none[..] } else { &self.guesses };
        let line = line.get(..LONGEST).unwrap_or(line);
        guesses.iter().any(|guess| {
            let mut cuts = guess.cuts.clone();
            cuts.push(guess.text.len());
            read(&[&guess.text, line].concat(), &cuts, start).unfinished
        })
    }

    /// Gives every line that is held to whom it belongs.
    fn settle(&self, guess: Option<&Guess>, give: &mut dyn FnMut(Whose, &[u8])) {
        let mut from = 0;
        for (index, end) in self.ends.iter().enumerate() {
            let line = self.raw.get(from..*end).unwrap_or_default();
            let split = guess.and_then(|guess| guess.splits.get(index).copied()).unwrap_or(0).min(line.len());
            let (mine, theirs) = line.split_at(split);
            give(Whose::Runtime, mine);
            give(Whose::Other, theirs);
            from = *end;
        }
    }
}

/// To whom bytes belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Runtime,
    Other,
}

fn state(expected: Expected) -> State {
    match expected {
        Expected::Signal => State::StartSignal,
        Expected::Place => State::StartPlace,
        Expected::Any => State::Start,
    }
}

/// How likely it is that a line was split here.
fn likelihood(mine: &[u8], theirs: &[u8], added: usize, shapes: &Shapes) -> u32 {
    let mut sum = shapes.likeness(theirs);
    if added > 0 {
        let [before, after] = [mine.last(), theirs.first()].map(|b| b.is_some_and(u8::is_ascii_alphanumeric));
        let whole_path = mine.ends_with(b".go") || mine.ends_with(b".s");
        sum += 1 + if before && after { 0 } else { 2 } + if whole_path { 4 } else { 0 };
    }
    sum
}
