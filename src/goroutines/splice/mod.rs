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
//! what follows is somebody else's. Often there are several such ends. The likeliest are followed (a beam search) until one of
//! them makes a whole line; the others were wrong.
//!
//! Whoever can write a line to the server's log can write it here, so the work for a line is bounded by its own length: no
//! token reaches over the end of a write, and all that a guess needs to know of the text before is in which states of the
//! grammar that text can end. Guesses that agree in this are read as one.

mod grammar;
mod shapes;

pub(super) use shapes::Shapes;

use grammar::{State, States, read};
use shapes::likelihood;

/// Longer than the runtime's lines are: so much of a line is searched for tokens, and so long is a line put together.
const LONGEST: usize = 1024;
/// So many ways to split are followed.
const GUESSES: usize = 8;
/// So much, and so many lines, are held until it is decided whose they are.
const MOST_HELD: usize = 16 << 10;
const MOST_LINES: usize = 512;
/// So many bytes may be put together in vain until a line comes that stands for itself: it is the only work that is more
/// than the line that brought it.
const MOST_VAIN: usize = 16 << 10;

/// One way to split the lines that are held.
#[derive(Clone, Copy, Debug)]
struct Guess {
    /// In which states the runtime's text ends.
    states: States,
    likelihood: u32,
    /// How long that text is.
    length: u16,
    /// How the last line was split.
    way: Way,
}

impl Guess {
    fn order(&self) -> u64 {
        u64::from(u32::MAX - self.likelihood) << 32 | u64::from(self.way.of) << 16 | u64::from(self.way.added)
    }
}

/// The guesses that are followed, the likeliest first. Of equals the earlier guess is before the later one, and the shorter
/// text before the longer one.
#[derive(Clone, Copy, Debug)]
struct Likeliest {
    guesses: [Guess; GUESSES],
    count: usize,
}

impl Default for Likeliest {
    fn default() -> Likeliest {
        const NONE: Guess = Guess { states: States(0), likelihood: 0, length: 0, way: Way { of: 0, added: 0 } };
        Likeliest { guesses: [NONE; GUESSES], count: 0 }
    }
}

impl Likeliest {
    fn iter(&self) -> impl Iterator<Item = &Guess> {
        self.guesses.iter().take(self.count)
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes a guess, if it is one of the likeliest.
    fn offer(&mut self, guess: Guess) -> bool {
        let order = guess.order();
        if self.count == GUESSES {
            if self.guesses.last().is_some_and(|last| last.order() < order) {
                return false;
            }
        } else {
            self.count += 1;
        }
        let mut rest = self.guesses.get_mut(..self.count).unwrap_or_default();
        while let [.., before, last] = rest {
            if before.order() < order {
                break;
            }
            *last = *before;
            rest = rest.split_last_mut().map(|(_, rest)| rest).unwrap_or_default();
        }
        if let [.., last] = rest {
            *last = guess;
        }
        true
    }

    /// Makes this the last one, and drops another if there are too many.
    fn end_with(&mut self, guess: Guess) {
        self.count = (self.count + 1).min(GUESSES);
        if let Some(last) = self.guesses.get_mut(self.count - 1) {
            *last = guess;
        }
    }
}

/// One way to split a line.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// From which of the guesses about the lines before it goes on.
    of: u8,
    /// How much of the line is the runtime's.
    added: u16,
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
    /// It is held, and with it more than should be: the caller lets it go.
    Full,
    /// With what is held it makes a whole line of the runtime's: `text`, by this guess about what is held.
    Whole { text: Vec<u8>, guess: usize },
}

/// What is held of a line that others interrupted.
#[derive(Default)]
pub(super) struct Splice {
    raw: Vec<u8>,
    /// Where each line that is held ends.
    ends: Vec<usize>,
    /// For each of them the ways it may be split.
    ways: Vec<[Way; GUESSES]>,
    /// About the line that was held last; the likeliest first.
    guesses: Likeliest,
    /// The beginning of the runtime's line, which was given away already: the first guess goes on from it.
    begun: Vec<u8>,
    start: Option<State>,
    /// How much was put together in vain.
    vain: usize,
    /// Room for reading, that is used again.
    seen: Vec<States>,
}

impl Splice {
    pub(super) fn is_empty(&self) -> bool {
        self.guesses.is_empty()
    }

    /// Forgets all, but not the room it took.
    fn clear(&mut self) {
        self.raw.clear();
        self.ends.clear();
        self.ways.clear();
        self.guesses = Likeliest::default();
        self.begun.clear();
        self.start = None;
        self.vain = 0;
    }

    /// Nothing of the runtime's was there so far.
    fn none(start: State) -> Guess {
        Guess { states: States::of(start), length: 0, likelihood: 0, way: Way::default() }
    }

    /// Adds a line with its end, which is none of the runtime's by itself where nothing is held yet, and which the caller
    /// settles if it makes another one whole. `whole` says whether a text is one of the runtime's lines that can come now.
    pub(super) fn add(
        &mut self,
        line: &[u8],
        expected: Expected,
        shapes: &Shapes,
        whole: impl Fn(&[u8]) -> bool,
    ) -> Outcome {
        let start = *self.start.get_or_insert(state(expected));
        if self.guesses.is_empty() {
            self.guesses.offer(Splice::none(start));
        }
        let head = line.get(..LONGEST).unwrap_or(line);
        let (mut next, wholes) = self.follow(head, shapes);
        if let Some((text, guess)) = self.completed(line, &wholes, whole) {
            return Outcome::Whole { text, guess };
        }
        // That all was somebody else's must stay possible.
        if !next.iter().any(|guess| guess.length == 0)
            && let Some((of, none)) = self.guesses.iter().enumerate().find(|(_, guess)| guess.length == 0)
        {
            let likelihood = none.likelihood + likelihood(head, 0, shapes);
            next.end_with(Guess { likelihood, way: Way { of: of as u8, added: 0 }, ..*none });
        }
        if self.raw.is_empty() && next.iter().all(|guess| guess.length == 0) {
            self.clear();
            return Outcome::Foreign;
        }
        let mut ways = [Way::default(); GUESSES];
        ways.iter_mut().zip(next.iter()).for_each(|(way, guess)| *way = guess.way);
        self.ways.push(ways);
        self.guesses = next;
        self.raw.extend_from_slice(line);
        self.ends.push(self.raw.len());
        if self.raw.len() > MOST_HELD || self.ends.len() >= MOST_LINES {
            return Outcome::Full;
        }
        Outcome::Held
    }

    /// The likeliest ways to go on with the beginning of a line, and by which guesses that is the end of one.
    fn follow(&mut self, head: &[u8], shapes: &Shapes) -> (Likeliest, [bool; GUESSES]) {
        let mut next = Likeliest::default();
        let mut wholes = [false; GUESSES];
        for (first, guess) in self.guesses.iter().enumerate() {
            let alike = || self.guesses.iter().enumerate().filter(|(_, other)| other.states.0 == guess.states.0);
            if alike().next().is_some_and(|(at, _)| at < first) {
                continue;
            }
            // The likeliest places for one are those for all that are alike.
            let mut places = Likeliest::default();
            let reading = read(guess.states, head, &mut self.seen, &mut |at, states| {
                let (likelihood, at) = (likelihood(head, at, shapes), at as u16);
                places.offer(Guess { states, likelihood, length: at, way: Way { of: 0, added: at } });
            });
            for (of, other) in alike() {
                if let Some(whole) = wholes.get_mut(of) {
                    *whole = reading.whole;
                }
                for place in places.iter().filter(|place| usize::from(other.length + place.length) < LONGEST) {
                    let (likelihood, length) = (other.likelihood + place.likelihood, other.length + place.length);
                    let way = Way { of: of as u8, ..place.way };
                    if !next.offer(Guess { states: place.states, likelihood, length, way }) {
                        break;
                    }
                }
            }
        }
        (next, wholes)
    }

    /// The runtime's line that this one ends, and by which guess about what is held.
    fn completed(
        &mut self,
        line: &[u8],
        wholes: &[bool; GUESSES],
        whole: impl Fn(&[u8]) -> bool,
    ) -> Option<(Vec<u8>, usize)> {
        let fresh = self.ends.is_empty() && self.begun.is_empty();
        // A line that stands for itself may be any: what was begun before will not go on then.
        for (at, ends) in wholes.iter().enumerate() {
            let Some(guess) = self.guesses.iter().nth(at).copied() else { break };
            let text = if guess.length == 0 {
                (!fresh && whole(line)).then(|| line.to_vec())
            } else if *ends && usize::from(guess.length) + line.len() <= LONGEST && self.vain < MOST_VAIN {
                let text = [&self.text(at), line].concat();
                let stands = whole(&text);
                self.vain += if stands { 0 } else { text.len() + self.ways.len() };
                stands.then_some(text)
            } else {
                None
            };
            if let Some(text) = text {
                return Some((text, at));
            }
        }
        None
    }

    /// Decides for what is likely now, and gives away what is held. The runtime's line may go on.
    pub(super) fn let_go(&mut self, give: &mut dyn FnMut(Whose, &[u8])) {
        // In doubt it is somebody else's.
        const SURE: u32 = 6;
        let guesses = || self.guesses.iter().copied().enumerate();
        let Some((mut at, mut chosen)) = guesses().max_by_key(|(_, guess)| guess.likelihood) else { return };
        if let Some((none, guess)) = guesses().find(|(_, guess)| guess.length == 0)
            && guess.likelihood + SURE > chosen.likelihood
        {
            (at, chosen) = (none, guess);
        }
        let (begun, start, vain) = (self.text(at), self.start, self.vain);
        self.settle(at, give);
        if let Some(start) = start.filter(|_| chosen.length > 0) {
            // It stays the likelier one, until a line comes that stands for itself.
            self.guesses.offer(Guess { likelihood: SURE, way: Way::default(), ..chosen });
            self.guesses.offer(Splice::none(start));
            (self.begun, self.start, self.vain) = (begun, Some(start), vain);
        }
    }

    /// Whether `line`, which has no end, may be the beginning of what comes now.
    pub(super) fn may_continue(&mut self, line: &[u8], expected: Expected) -> bool {
        let line = line.get(..LONGEST).unwrap_or(line);
        let seen = &mut self.seen;
        let mut goes_on = |states| read(states, line, seen, &mut |_, _| {}).unfinished;
        if self.guesses.is_empty() {
            return goes_on(States::of(state(expected)));
        }
        self.guesses.iter().any(|guess| goes_on(guess.states))
    }

    /// How each line that is held is split by a guess.
    fn splits(&self, guess: usize) -> (Vec<usize>, usize) {
        let mut of = guess;
        let mut splits: Vec<usize> = Vec::with_capacity(self.ways.len());
        for ways in self.ways.iter().rev() {
            let way = ways.get(of).copied().unwrap_or_default();
            splits.push(way.added.into());
            of = way.of.into();
        }
        splits.reverse();
        (splits, of)
    }

    /// The lines that are held.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins.zip(&self.ends).map(|(from, to)| self.raw.get(*from..*to).unwrap_or_default())
    }

    /// The runtime's text by a guess.
    fn text(&self, guess: usize) -> Vec<u8> {
        let (splits, root) = self.splits(guess);
        let mut text = if root == 0 { self.begun.clone() } else { Vec::new() };
        for (line, split) in self.lines().zip(splits) {
            text.extend_from_slice(line.get(..split).unwrap_or_default());
        }
        text
    }

    /// Gives every line that is held to whom it belongs by a guess, and forgets them.
    pub(super) fn settle(&mut self, guess: usize, give: &mut dyn FnMut(Whose, &[u8])) {
        for (line, split) in self.lines().zip(self.splits(guess).0) {
            let (mine, theirs) = line.split_at(split.min(line.len()));
            give(Whose::Runtime, mine);
            give(Whose::Other, theirs);
        }
        self.clear();
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
