//! Unwinding: from a goroutine's stack to the places on it, as runtime/traceback.go does.

use super::functions::{Ends, Functions, Kind, Place};
use super::memory::{Reader, word};
use super::program::Architecture;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

/// So much of a stack is read at once. Most are shorter.
const PIECE: usize = 2 << 10;
/// So many places are kept from each end: in Go's dumps there are 50 and 50 calls.
const KEPT: usize = 64;
/// A recursion without end has a gigabyte of stack and some ten million frames.
const DEEPEST: u64 = 1 << 24;

/// One place on a stack.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) pc: u64,
    pub(super) trapped: bool,
    /// Where its arguments are.
    pub(super) arguments: u64,
    pub(super) place: Rc<Place>,
}

/// A stack, from the innermost place.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    pub(super) first: Vec<Step>,
    pub(super) last: VecDeque<Step>,
    /// Calls between the two.
    pub(super) between: u64,
    /// It goes on, and nobody knows where.
    pub(super) broken: bool,
}

impl Stack {
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.first.iter().chain(&self.last)
    }

    /// Whether both go through the same places.
    pub(super) fn is_like(&self, other: &Stack) -> bool {
        let places = |stack: &Stack| stack.steps().map(|step| (step.pc, step.arguments)).collect::<Vec<_>>();
        (self.broken, self.between) == (other.broken, other.between) && places(self) == places(other)
    }

    fn push(&mut self, step: Step) {
        if self.first.len() < KEPT {
            return self.first.push(step);
        }
        if self.last.len() == KEPT {
            let left_out = self.last.pop_front().map_or(0, |step| step.place.calls.len());
            self.between += left_out as u64;
        }
        self.last.push_back(step);
    }
}

/// Where to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    pub(super) pc: u64,
    pub(super) sp: u64,
    /// The link register, or 0.
    pub(super) link: u64,
    /// They are those of a system call, saved before it.
    pub(super) in_call: bool,
}

/// The words of a stack.
pub(super) struct Words<'a> {
    memory: &'a Reader<'a>,
    bounds: Range<u64>,
    from: u64,
    bytes: Vec<u8>,
}

impl<'a> Words<'a> {
    pub(super) fn new(memory: &'a Reader<'a>, bounds: Range<u64>) -> Words<'a> {
        Words { memory, bounds, from: 0, bytes: Vec::with_capacity(PIECE) }
    }

    /// Whether an address is one of the stack's.
    fn holds(&self, address: u64) -> bool {
        address.is_multiple_of(8) && self.bounds.contains(&address)
    }

    pub(super) fn word(&mut self, address: u64) -> Option<u64> {
        self.holds(address).then_some(())?;
        let known = |from: u64, bytes: &[u8]| word(bytes, usize::try_from(address.checked_sub(from)?).ok()?);
        if let Some(word) = known(self.from, &self.bytes) {
            return Some(word);
        }
        let size = usize::try_from(self.bounds.end - address).unwrap_or(usize::MAX).min(PIECE);
        self.bytes.resize(size, 0);
        let read = self.memory.some(address, &mut self.bytes);
        self.bytes.truncate(read);
        self.from = address;
        known(self.from, &self.bytes)
    }
}

/// Unwinds a stack, as far as it makes sense.
pub(super) fn unwind(memory: &Reader<'_>, functions: &Functions, words: &mut Words<'_>, start: Registers) -> Stack {
    let mut stack = Stack::default();
    stack.broken = climb(memory, functions, words, start, &mut stack).is_none();
    stack
}

/// None: the caller of the last place cannot be found.
fn climb(
    memory: &Reader<'_>,
    functions: &Functions,
    words: &mut Words<'_>,
    start: Registers,
    stack: &mut Stack,
) -> Option<()> {
    let Registers { mut pc, mut sp, mut link, .. } = start;
    let has_link = functions.architecture == Architecture::Arm64;
    let mut trapped = false;
    if pc == 0 {
        // A call of a nil function: its caller is where it began.
        pc = words.word(sp)?;
        sp += if has_link { 0 } else { 8 };
        link = 0;
    }
    for depth in 0..DEEPEST {
        memory.spend(1)?;
        let place = functions.place(memory, pc, trapped)?;
        let innermost = depth == 0;
        // What has no table has no frame that is known.
        let Some(size) = place.depth else {
            stack.push(Step { pc, trapped, arguments: 0, place: place.clone() });
            return (place.ends == Ends::Yes).then_some(());
        };
        let frame = sp.checked_add(size)?.checked_add(if has_link { 0 } else { 8 })?;
        let arguments = frame + if has_link { 8 } else { 0 };
        stack.push(Step { pc, trapped, arguments, place: place.clone() });
        match place.ends {
            Ends::Yes => return Some(()),
            Ends::Unknown if !(innermost && start.in_call) => return None,
            Ends::Unknown | Ends::No => {}
        }
        let caller = match has_link {
            true if innermost && sp < frame || link == 0 => words.word(sp)?,
            true => link,
            false => words.word(frame.checked_sub(8)?)?,
        };
        (caller != 0).then_some(())?;
        trapped = place.kind == Kind::Injected;
        link = 0;
        sp = frame;
        pc = caller;
        if has_link && trapped {
            (pc, sp, link) = beyond_signal(memory, functions, words, pc, sp)?;
        }
    }
    None
}

/// On arm64 the handler of a signal keeps the link register on the stack before it pretends that there was a call.
fn beyond_signal(
    memory: &Reader<'_>,
    functions: &Functions,
    words: &mut Words<'_>,
    pc: u64,
    sp: u64,
) -> Option<(u64, u64, u64)> {
    let saved = words.word(sp)?;
    let sp = sp.checked_add(16)?;
    match functions.place(memory, pc, true) {
        None => Some((saved, sp, 0)),
        Some(place) if place.depth == Some(0) => Some((pc, sp, saved)),
        Some(_) => Some((pc, sp, 0)),
    }
}
