//! One goroutine after the other, as they are while the program runs.

use super::functions::{Functions, Kind};
use super::layout::{self, Layout, WORDS, status};
use super::memory::word;
use super::stack::{self, Registers, Stack, Words};
use super::{Program, program};
use crate::goroutines::Frame;

/// One that moves while it is looked at is tried so often; then it counts as running.
const TRIES: u32 = 8;
/// Addresses of goroutines that are read at once.
const BATCH: usize = 512;
/// Labels of a goroutine, and of each half of one how much.
const MOST_LABELS: u64 = 16;
const LONGEST_LABEL: usize = 256;
/// Steps that a goroutine may take, on average.
const STEPS: u64 = 4096;
const NANOSECONDS_A_MINUTE: u64 = 60_000_000_000;

/// A goroutine.
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// Its number.
    pub id: u64,
    /// As the runtime names it: `chan receive`.
    pub state: String,
    /// How long it has waited, where the runtime knows.
    pub minutes: u32,
    /// Locked to a thread.
    pub locked: bool,
    /// The leak profile found it unreachable.
    pub leaked: bool,
    /// pprof labels, as the runtime prints them.
    pub labels: Option<String>,
    /// Who started it; 0 where nobody knows.
    pub parent: u64,
    pub(super) creator: u64,
    pub(super) stack: Stack,
    /// What it waits on, and whether that is sure: one thing, but for a select.
    pub(super) objects: Vec<(u64, bool)>,
    /// Where it is, and what it was like: whether it has moved since can be asked.
    address: u64,
    words: [u64; WORDS],
}

/// What the stack of a goroutine tells.
#[derive(Default)]
pub(super) struct Look {
    stack: Stack,
    /// What it waits on, as the arguments of its calls tell, and whether that is sure.
    pub(super) object: Option<(u64, bool)>,
    /// The channels that it waits on, as the runtime keeps them, where no argument tells.
    channels: Vec<u64>,
}

impl Program<'_> {
    /// Looks at every goroutine that there is, one after the other.
    ///
    /// # Errors
    /// A sentence: the list of them can no longer be read.
    pub fn goroutines(&self, seen: &mut dyn FnMut(&Goroutine)) -> Result<(), String> {
        let gone = || "its memory can no longer be read: it has ended, or has started another program".to_owned();
        let (list, length) = self.layout.list(&self.memory).ok_or_else(gone)?;
        self.memory.allow(length.saturating_mul(STEPS));
        let mut start = 0;
        while start < length {
            let count = (length - start).min(BATCH as u64) as usize;
            let mut addresses = [0; BATCH];
            let addresses = addresses.get_mut(..count).unwrap_or_default();
            self.memory.fill_words(list + start * 8, addresses).ok_or_else(gone)?;
            for address in addresses.iter().filter(|address| **address != 0) {
                if let Some(goroutine) = self.goroutine(*address) {
                    seen(&goroutine);
                }
            }
            start += count as u64;
        }
        Ok(())
    }

    /// One of them; none: there is none (any more).
    ///
    /// It counts only as it was seen twice, before its stack was read and after. A stack that does not reach its beginning may have been
    /// read while it changed, so it is read again too.
    fn goroutine(&self, address: u64) -> Option<Goroutine> {
        let mut unfinished = None;
        for _ in 0..TRIES {
            let words = self.words(address)?;
            let status = self.layout.status(&words);
            match status {
                status::IDLE | status::DEAD | status::DEAD_EXTRA => return None,
                status if status > status::DEAD_EXTRA => return None,
                status::RUNNING => return Some(self.describe(address, words, status, Look::default())),
                // It has run into the end of its stack, gets a larger one, and runs on.
                status::COPYING => continue,
                _ => {}
            }
            let look = self.look(&words, status);
            if !self.is_settled(address, &words, status, &look) {
                continue;
            }
            let is_whole = !look.stack.broken;
            let goroutine = self.describe(address, words, status, look);
            if is_whole {
                return Some(goroutine);
            }
            unfinished = Some(goroutine);
        }
        if unfinished.is_some() {
            return unfinished;
        }
        let words = self.words(address)?;
        Some(self.describe(address, words, status::RUNNING, Look::default()))
    }

    /// A `g` as it is now; none where there is none.
    fn words(&self, address: u64) -> Option<[u64; WORDS]> {
        self.memory.words::<WORDS>(address).filter(|words| layout::has_stack(words) && words[self.layout.id] != 0)
    }

    pub(super) fn look(&self, words: &[u64; WORDS], status: u32) -> Look {
        let Some(start) = registers(words, status, &self.layout, &self.functions) else {
            return Look { stack: Stack { broken: true, ..Stack::default() }, ..Look::default() };
        };
        let mut on_stack = self.on_stack(words);
        let stack = stack::unwind(&self.memory, &self.functions, &mut on_stack, start);
        let object = object(&stack, &mut on_stack);
        // A select has no call whose argument would be one of its channels.
        let channels = if object.is_none() { self.channels(words) } else { Vec::new() };
        Look { stack, object, channels }
    }

    fn on_stack(&self, words: &[u64; WORDS]) -> Words<'_> {
        Words::new(&self.memory, words[layout::STACK]..words[layout::STACK + 1])
    }

    /// Whether the goroutine stood still while its stack was read.
    fn is_settled(&self, address: u64, words: &[u64; WORDS], status: u32, look: &Look) -> bool {
        let is_same = || self.words(address).is_some_and(|now| !self.layout.has_moved(words, &now));
        // It may have gone on and come back to the very same place. Where the runtime does not count that, the stack is
        // read once more: twice in the middle of a change it would not be the same.
        let is_counted = self.layout.counts_runs && status != status::SYSCALL;
        is_same() && (is_counted || self.look(words, status).stack.is_like(&look.stack) && is_same())
    }

    /// What is on the stack of a goroutine, as long as it has not moved since it was seen; none of it may be used before
    /// [`Program::still_is`] has been asked afterwards.
    pub(super) fn stack_of(&self, goroutine: &Goroutine) -> Words<'_> {
        self.on_stack(&goroutine.words)
    }

    /// Whether a goroutine has not moved since it was seen.
    pub(super) fn still_is(&self, goroutine: &Goroutine) -> bool {
        self.words(goroutine.address).is_some_and(|now| !self.layout.has_moved(&goroutine.words, &now))
    }

    fn describe(&self, address: u64, words: [u64; WORDS], status: u32, look: Look) -> Goroutine {
        let Layout { id, creator, extras, .. } = self.layout;
        // One that has moved in each look waits for nothing.
        let reason = self.layout.reason(&words).filter(|_| matches!(status, status::WAITING | status::LEAKED));
        let name = status::NAMES.get(status as usize).copied().unwrap_or("waiting");
        let since = words[id + layout::SINCE];
        let waits = matches!(status, status::WAITING | status::SYSCALL) && since != 0;
        let waited = self.now.filter(|_| waits).and_then(|now| now.checked_sub(since)).unwrap_or(0);
        let channels = look.channels.iter().map(|channel| (*channel, true));
        let objects = look.object.into_iter().chain(channels).collect();
        Goroutine {
            id: words[id],
            state: reason.unwrap_or(name).to_owned(),
            minutes: u32::try_from(waited / NANOSECONDS_A_MINUTE).unwrap_or(0),
            locked: extras.is_some_and(|extras| words[id + extras.locked] != 0),
            leaked: status == status::LEAKED,
            labels: extras.filter(|extras| extras.labels).and_then(|_| self.labels(words[creator + layout::LABELS])),
            parent: extras.map_or(0, |_| words[creator - 1]),
            creator: words[creator],
            stack: look.stack,
            objects,
            address,
            words,
        }
    }

    /// `{route: /api/v1, user: al}`: label.Set of internal/runtime/pprof/label.
    fn labels(&self, address: u64) -> Option<String> {
        (address != 0).then_some(())?;
        let [list, length, _] = self.memory.words::<3>(address)?;
        (1..=MOST_LABELS).contains(&length).then_some(())?;
        let mut bytes = vec![0; length as usize * 32];
        self.memory.fill(list, &mut bytes)?;
        let mut text = "{".to_owned();
        for pair in bytes.chunks_exact(32) {
            let half = |at: usize| self.memory.string(word(pair, at)?, word(pair, at + 8)?, LONGEST_LABEL);
            if text.len() > 1 {
                text.push_str(", ");
            }
            text.push_str(&quoted(&half(0)?));
            text.push_str(": ");
            text.push_str(&quoted(&half(16)?));
        }
        text.push('}');
        Some(text)
    }

    /// The function with the go statement, and where that is; none for the main goroutine.
    pub(super) fn creator(&self, goroutine: &Goroutine) -> Option<(Frame, u64)> {
        let pc = Some(goroutine.creator).filter(|_| goroutine.id != 1)?;
        self.functions.creator(&self.memory, pc)
    }
}

/// What the innermost call that waits for its argument was given.
fn object(stack: &Stack, words: &mut Words<'_>) -> Option<(u64, bool)> {
    let step = stack.first.iter().take(8).find(|step| step.place.kind == Kind::Waits)?;
    let argument = step.place.arguments.first().filter(|offset| **offset < 0xf0)?;
    let object = words.word(step.arguments.checked_add(u64::from(*argument))?)?;
    (object != 0).then(|| (object, step.place.is_live(*argument, 0)))
}

/// A word that may lie across two.
pub(super) fn unaligned(words: &mut Words<'_>, base: u64, offset: u8) -> Option<u64> {
    let address = base.checked_add(offset.into())?;
    let (start, shift) = (address / 8 * 8, address % 8 * 8);
    let low = words.word(start)? >> shift;
    // What lies behind the stack's end is not needed by an argument that fits in it.
    let high = if shift > 0 { words.word(start + 8).unwrap_or(0) << (64 - shift) } else { 0 };
    Some(low | high)
}

/// Where its stack begins: what the scheduler saved, or the system call.
fn registers(words: &[u64; WORDS], status: u32, layout: &Layout, functions: &Functions) -> Option<Registers> {
    let on_stack = |sp: u64| (words[layout::STACK]..words[layout::STACK + 1]).contains(&sp);
    if status == status::SYSCALL {
        // syscallsp and syscallpc follow the gobuf, which is a word longer in some versions.
        let call = (13..16).find(|at| on_stack(words[*at]) && functions.is_text(words[*at + 1]));
        if let Some(at) = call {
            return Some(Registers { sp: words[at], pc: words[at + 1], link: 0, in_call: true });
        }
    }
    let (sp, pc) = (words[layout::SP], words[layout::PC]);
    let has_link = functions.architecture == program::Architecture::Arm64;
    let link = if has_link { words[layout.link] } else { 0 };
    on_stack(sp).then_some(Registers { sp, pc, link, in_call: false })
}

/// As the runtime quotes a label that is not plain (tracebackStringNeedsQuoting, printquoted).
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_');
    if text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            '\0'..'\u{7f}' => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            '\u{7f}'..='\u{ffff}' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}
