//! The grammar of what the runtime prints, as states and tokens: [`read`] tells where a text may be split.

use crate::goroutines::line::{REGISTERS, SIGNALS};

/// The states, and all of them in order: a set of them is a word with a bit for each.
macro_rules! states {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum State {
            $($(#[$doc])* $name,)*
        }

        const STATES: &[State] = &[$(State::$name,)*];
    };
}

// What the runtime may print: each state's tokens, and the state after each. From runtime/traceback.go (goroutineheader,
// traceback2, printArgs, printcreatedby1), signal_unix.go (fatalsignal) and signal_amd64.go (dumpregs).
states! {
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
        S::AfterNumber => &[(T::Text(" +"), S::Offset), (T::Text(" fp="), S::Fp), (T::Text("\n"), S::End)],
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

/// States of the grammar, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct States(pub(super) u64);

const _: () = assert!(STATES.len() <= 64, "the states are bits of a word");

impl States {
    pub(super) const fn of(state: State) -> States {
        States(1 << state as u32)
    }

    fn add(&mut self, state: State) {
        self.0 |= States::of(state).0;
    }

    fn has(self, state: State) -> bool {
        self.0 & States::of(state).0 != 0
    }

    fn iter(self) -> impl Iterator<Item = State> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let state = STATES.get(left.trailing_zeros() as usize).copied();
            left &= left.wrapping_sub(1);
            state
        })
    }
}

/// What a text can be, read as the runtime's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// It ends a line.
    pub(super) whole: bool,
    /// It ends within a token, or between two.
    pub(super) unfinished: bool,
}

/// Reads `text`, which begins in one of the `states`, with all tokens that are possible, and calls `found` with each place
/// before its end where tokens end, and the states there. `seen` is room that is used again. As no token can begin at two
/// places and have the same bytes in it, the time is that of the length.
pub(super) fn read(
    states: States,
    text: &[u8],
    seen: &mut Vec<States>,
    found: &mut dyn FnMut(usize, States),
) -> Reading {
    let mut reading = Reading::default();
    seen.clear();
    seen.push(states);
    let mut at = 0;
    while let Some(states) = seen.get(at).copied() {
        let rest = text.get(at..).unwrap_or_default();
        if rest.is_empty() {
            reading.whole = states.has(State::End);
            reading.unfinished |= states.0 & !States::of(State::End).0 != 0;
        } else if states.0 != 0 {
            found(at, states);
            for state in states.iter() {
                for (token, then) in next(state) {
                    reading.unfinished |= token.ends(rest, &mut |length| {
                        let end = at + length;
                        if seen.len() <= end {
                            seen.resize(end + 1, States::default());
                        }
                        if let Some(states) = seen.get_mut(end) {
                            states.add(*then);
                        }
                    });
                }
            }
        }
        at += 1;
    }
    reading
}

impl Token {
    /// Calls `found` with each length the token may have at the beginning of `text`. Returns whether the text ends within it.
    fn ends(self, text: &[u8], found: &mut dyn FnMut(usize)) -> bool {
        let Some(first) = text.first() else { return false };
        match self {
            Token::Text(token) => fixed(token.as_bytes(), text, found),
            Token::Signal => {
                *first == b'S' && SIGNALS.iter().fold(false, |short, token| short | fixed(token, text, found))
            }
            Token::Register => {
                let name = text.iter().take(8).take_while(|b| b.is_ascii_alphanumeric()).count();
                let padding = text.iter().skip(name).take(8).take_while(|b| **b == b' ').count();
                let width = name + padding;
                let Some(name) = text.get(..name) else { return false };
                let numbered = matches!(name, [b'r', b'0'..=b'9', ..]);
                if (numbered || REGISTERS.contains(&name)) && (7..=8).contains(&width) {
                    found(width);
                    return false;
                }
                (numbered || REGISTERS.iter().any(|known| known.starts_with(name))) && width == text.len()
            }
            Token::Decimal => runs(text, |_, b| b.is_ascii_digit(), |_, _| true, found),
            Token::Hex => runs(text, is_of_hex, |at, _| at >= 2, found),
            Token::Name => {
                // There is a dot in its last element, and something behind it.
                let mut dot = None;
                let complete = |at: usize, b: u8| {
                    match b {
                        b'.' => dot = Some(at),
                        b'/' => dot = None,
                        _ => {}
                    }
                    dot.is_some_and(|dot| dot < at)
                };
                runs(text, is_of_name, complete, found)
            }
            Token::NameEnd => {
                if is_of_name(1, *first) {
                    found(1);
                }
                false
            }
            Token::File => runs(text, |_, b| b >= b' ', |_, b| b != b'/', found),
            Token::Words => {
                let fits = |_, b: u8| b.is_ascii_alphabetic() || b" .()_?*:".contains(&b);
                runs(text, fits, |_, b| b != b' ', found)
            }
            Token::Free => {
                if *first >= b' ' {
                    found(1);
                }
                false
            }
        }
    }
}

/// A token that is always the same.
fn fixed(token: &[u8], text: &[u8], found: &mut dyn FnMut(usize)) -> bool {
    if token.first() != text.first() {
        return false;
    }
    if text.starts_with(token) {
        found(token.len());
        return false;
    }
    token.starts_with(text)
}

/// A token of any length: each end after bytes that fit, where it may be complete.
fn runs(
    text: &[u8],
    fits: impl Fn(usize, u8) -> bool,
    mut complete: impl FnMut(usize, u8) -> bool,
    found: &mut dyn FnMut(usize),
) -> bool {
    for (at, b) in text.iter().enumerate() {
        if !fits(at, *b) {
            return false;
        }
        if complete(at, *b) {
            found(at + 1);
        }
    }
    true
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
