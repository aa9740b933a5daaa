//! Where goroutines are, and where in them is what: found in the memory, since it differs from version to version, and checked
//! on the goroutines that are there.

use super::functions::Functions;
use super::memory::{Reader, word};
use super::program::{Image, words};
use crate::goroutines::order;
use std::ops::Range;

/// Words of a `g` that have never moved: the stack, and the register set (gobuf) of one that does not run, which has the address
/// of the `g` itself in its third word.
pub(super) const STACK: usize = 0;
pub(super) const SP: usize = 7;
pub(super) const PC: usize = 8;
pub(super) const SELF: usize = 9;
/// So much of each is read.
pub(super) const WORDS: usize = 56;

/// More goroutines than this are not believed.
const MOST: u64 = 1 << 24;
/// So many are looked at to find out how they are made.
const SAMPLE: usize = 64;
const TRIES: u32 = 8;
/// No stack is larger (runtime.maxstackceiling on 64 bits), or smaller.
const LARGEST_STACK: u64 = 2 << 30;
const SMALLEST_STACK: u64 = 2 << 10;
/// Where goid may be.
const IDS: Range<usize> = 14..26;
/// Wait reasons: there are some fifty.
const MOST_REASONS: usize = 128;

/// What `g.atomicstatus` says.
pub(super) mod status {
    pub(in crate::live) const IDLE: u32 = 0;
    pub(in crate::live) const RUNNING: u32 = 2;
    pub(in crate::live) const SYSCALL: u32 = 3;
    pub(in crate::live) const WAITING: u32 = 4;
    pub(in crate::live) const DEAD: u32 = 6;
    pub(in crate::live) const COPYING: u32 = 8;
    /// Since Go 1.27.
    pub(in crate::live) const LEAKED: u32 = 10;
    pub(in crate::live) const DEAD_EXTRA: u32 = 11;
    /// The garbage collector looks at its stack.
    pub(in crate::live) const SCAN: u32 = 0x1000;
    pub(in crate::live) const NAMES: [&str; 10] = [
        "idle",
        "runnable",
        "running",
        "syscall",
        "waiting",
        "moribund_unused",
        "dead",
        "enqueue_unused",
        "copystack",
        "preempted",
    ];
}

/// What is where in a `g`, in words, and the names of reasons to wait.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// runtime.allgs: the address of the slice itself, which grows and may move. While the garbage collector marks there is
    /// a copy of it (`work.stackRoots`), which looks the same; so it may be any of these.
    pub(super) all: Vec<u64>,
    /// The word with the goid; the status is in the one before.
    pub(super) id: usize,
    /// The word with the link register, on arm64.
    pub(super) link: usize,
    /// The word with the pc of the go statement.
    pub(super) creator: usize,
    /// How often a goroutine has stopped running is counted (trackingSeq) in a word that is known.
    pub(super) counts_runs: bool,
    /// What is known of this version beside that.
    pub(super) extras: Option<Extras>,
    pub(super) reasons: Vec<String>,
}

/// Places that no check can find, known for the versions that were tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extras {
    /// lockedm, in words behind goid.
    pub(super) locked: usize,
    /// Since Go 1.24 labels are a list of pairs.
    pub(super) labels: bool,
}

/// Behind goid: waitsince and waitreason.
pub(super) const SINCE: usize = 2;
pub(super) const REASON: usize = 3;
/// Behind goid: trackingSeq, which counts how often the goroutine has stopped running, and flags that it sets itself.
pub(super) const RUNS: usize = 4;

/// Behind `gopc`: startpc, labels. Before it: parentGoid.
pub(super) const START: usize = 2;
pub(super) const LABELS: usize = 8;
/// What ties it to the channels that it waits on.
pub(super) const WAITING: usize = 4;

/// How often the list of goroutines is looked for.
const LOOKS: usize = 3;

impl Layout {
    pub(super) fn find(
        memory: &Reader<'_>,
        image: &Image,
        functions: &Functions,
        minor: Option<u32>,
    ) -> Result<Layout, String> {
        let reasons = reasons(memory, image).ok_or("the names of what goroutines wait for cannot be found in it")?;
        // The list may have grown, and moved, between two looks at the data.
        let all = (0..LOOKS).find_map(|_| all(memory, image)).ok_or(
            "its list of goroutines (runtime.allgs) cannot be found: an unknown version of Go, or only just started?",
        )?;
        // What is seen in the middle of a change is seen otherwise the next time.
        let found = (0..TRIES).find_map(|_| {
            let sample = sample(memory, list(memory, &all)?)?;
            let id = id(&sample, minor)?;
            Some((id, creator(&sample, id, functions)?))
        });
        let (id, creator) =
            found.ok_or("its goroutines are not made as those of a known Go, or it has only just started")?;
        // gobuf lost a word (ret) in Go 1.25.
        let link = if minor.is_some_and(|minor| minor < 25) { 12 } else { 11 };
        let counts_runs = minor.is_some_and(|minor| (18..=27).contains(&minor));
        Ok(Layout { all, id, link, creator, counts_runs, extras: extras(minor), reasons })
    }

    /// What a goroutine does.
    pub(super) fn status(&self, words: &[u64; WORDS]) -> u32 {
        words[self.id - 1] as u32 & !status::SCAN
    }

    /// What one that waits waits for, as the runtime names it.
    pub(super) fn reason(&self, words: &[u64; WORDS]) -> Option<&str> {
        let waits = matches!(self.status(words), status::WAITING | status::LEAKED);
        let reason =
            self.reasons.get(words[self.id + REASON] as usize & 0xff).filter(|reason| waits && !reason.is_empty());
        reason.map(String::as_str)
    }

    /// Whether a goroutine has run between two looks, or has another stack.
    pub(super) fn has_moved(&self, before: &[u64; WORDS], after: &[u64; WORDS]) -> bool {
        let same = |at: usize| before[at] == after[at];
        let saved = SP..=16.min(self.id - 2);
        // Behind the word with the reason: flags, and how often it has stopped running. The collector does not write there.
        let stays =
            same(STACK) && same(STACK + 1) && same(self.id) && same(self.id + RUNS) && saved.into_iter().all(same);
        !stays || self.status(before) != self.status(after)
    }

    /// The goroutines that there are now: where their addresses are, and how many.
    pub(super) fn list(&self, memory: &Reader<'_>) -> Option<(u64, u64)> {
        list(memory, &self.all)
    }
}

fn extras(minor: Option<u32>) -> Option<Extras> {
    minor.filter(|minor| (21..=27).contains(minor)).map(|minor| Extras { locked: 7, labels: minor >= 24 })
}

/// The longest is the list itself: it only grows, and a copy is cut at the length that it had.
fn list(memory: &Reader<'_>, all: &[u64]) -> Option<(u64, u64)> {
    all.iter().filter_map(|at| slice(memory, *at)).max_by_key(|(_, length)| *length)
}

fn slice(memory: &Reader<'_>, at: u64) -> Option<(u64, u64)> {
    let [address, length, capacity] = memory.words::<3>(at)?;
    let fits = length <= capacity && capacity <= MOST && address.is_multiple_of(8) && address != 0;
    fits.then_some((address, length))
}

/// runtime.allgs: a slice whose address stands in the bss once more (allgptr), and that is full of goroutines. The same list may
/// be there twice.
fn all(memory: &Reader<'_>, image: &Image) -> Option<Vec<u64>> {
    const MOST_CANDIDATES: usize = 1 << 16;
    let mut candidates: Vec<(u64, u64)> = Vec::new();
    words(memory, image.bss.clone(), &mut |address, pointer, rest| {
        let (length, capacity) = (word(rest, 8).unwrap_or(0), word(rest, 16).unwrap_or(0));
        if pointer != 0 && pointer % 8 == 0 && (2..=capacity).contains(&length) && capacity <= MOST {
            candidates.push((pointer, address));
        }
        candidates.len() < MOST_CANDIDATES
    });
    let candidates = order::by(candidates, |(pointer, address)| [*pointer, *address, 0]);
    let mut again: Vec<bool> = vec![false; candidates.len()];
    words(memory, image.bss.clone(), &mut |address, pointer, _| {
        let at = candidates.partition_point(|(known, _)| *known < pointer);
        for (candidate, again) in
            candidates.iter().zip(&mut again).skip(at).take_while(|((known, _), _)| *known == pointer)
        {
            *again |= candidate.1 != address;
        }
        true
    });
    let twice = candidates.iter().zip(&again).filter(|(_, again)| **again).map(|(candidate, _)| *candidate);
    let is_list = |at: u64| slice(memory, at).is_some_and(|list| sample(memory, list).is_some());
    let found: Vec<(u64, u64)> = twice.filter(|(_, at)| is_list(*at)).collect();
    let (pointer, _) = found.first()?;
    // Two that differ would be one too many to be sure.
    found.iter().all(|(other, _)| other == pointer).then(|| found.iter().map(|(_, at)| *at).collect())
}

/// Some goroutines, the first and the last, if this is a list of such.
fn sample(memory: &Reader<'_>, (address, length): (u64, u64)) -> Option<Vec<[u64; WORDS]>> {
    let first = length.min(SAMPLE as u64 / 2);
    let places = (0..first).chain(length.saturating_sub(SAMPLE as u64 / 2).max(first)..length);
    let (mut sample, mut known, mut odd) = (Vec::new(), 0, 0);
    for at in places {
        let [g] = memory.words::<1>(address.checked_add(at * 8)?)?;
        // The list is one longer before the last one is in it.
        if g == 0 && at > 0 && at + 1 == length {
            continue;
        }
        // One that runs may be seen in the middle of a change, as when it gets a larger stack.
        match memory.words::<WORDS>(g).filter(|_| g % 8 == 0)? {
            words if has_stack(&words) => {
                known += usize::from(words[SELF] == g);
                sample.push(words);
            }
            _ => odd += 1,
        }
    }
    // The g of a thread that C made may never have been scheduled. The runtime has a few of its own in every program.
    (known > 1 && known > sample.len() / 2 && odd <= sample.len() / 8).then_some(sample)
}

/// A stack, or none.
pub(super) fn has_stack(words: &[u64; WORDS]) -> bool {
    let (low, high) = (words[STACK], words[STACK + 1]);
    let size = high.wrapping_sub(low);
    (low, high) == (0, 0) || low < high && (SMALLEST_STACK..=LARGEST_STACK).contains(&size) && size.is_power_of_two()
}

fn is_status(status: u64) -> bool {
    status as u32 & !status::SCAN <= status::DEAD_EXTRA
}

/// The word that is another small number in each goroutine, and has a status before it. One of them is 1, unless main has ended;
/// then it is where it is in the versions that are known.
fn id(sample: &[[u64; WORDS]], minor: Option<u32>) -> Option<usize> {
    let ids = |at: usize| -> Option<Vec<u64>> {
        let all_fit = sample.iter().all(|words| is_status(words[at - 1]) && words[at] < 1 << 48);
        let alive = sample.iter().filter(|words| is_alive(words, at));
        let ids = order::by(alive.map(|words| words[at]).collect(), |id| [*id, 0, 0]);
        let differ = ids.windows(2).all(|pair| pair[0] != pair[1]);
        (all_fit && differ && ids.len() > 1).then_some(ids)
    };
    let known = if matches!(minor, Some(23 | 24)) { 20 } else { 19 };
    let has_main = |at: &usize| ids(*at).is_some_and(|ids| ids.first() == Some(&1));
    IDS.clone().find(has_main).or_else(|| Some(known).filter(|at| ids(*at).is_some()))
}

fn is_alive(words: &[u64; WORDS], id: usize) -> bool {
    words[id] != 0 && !matches!(words[id - 1] as u32, status::IDLE | status::DEAD | status::DEAD_EXTRA)
}

/// The first word behind goid that is code in all goroutines, with the function they began in two words on. Those of a thread of
/// C that calls Go have neither.
fn creator(sample: &[[u64; WORDS]], id: usize, functions: &Functions) -> Option<usize> {
    let alive: Vec<_> = sample.iter().filter(|words| is_alive(words, id)).collect();
    (id + 8..WORDS - LABELS).find(|at| {
        let began = |words: &[u64; WORDS]| [words[*at], words[*at + START]];
        let started = alive.iter().filter(|words| began(words).iter().all(|pc| functions.is_text(*pc))).count();
        let by_c = alive.iter().filter(|words| began(words) == [0, 0]).count();
        started > by_c && started + by_c == alive.len()
    })
}

/// runtime.waitReasonStrings: an array of strings, the first one empty, the second one known.
fn reasons(memory: &Reader<'_>, image: &Image) -> Option<Vec<String>> {
    const SECOND: &str = "GC assist marking";
    let mut found = None;
    for range in &image.data {
        words(memory, range.clone(), &mut |address, first, rest| {
            let second = word(rest, 16).zip(word(rest, 24));
            if first == 0 && word(rest, 8) == Some(0) && second.is_some_and(|(_, length)| length == SECOND.len() as u64)
            {
                let text = second.and_then(|(text, length)| memory.string(text, length, SECOND.len()));
                found = text.filter(|text| text == SECOND).map(|_| address);
            }
            found.is_none()
        });
    }
    let address = found?;
    let mut reasons = vec![String::new()];
    for at in 1..MOST_REASONS as u64 {
        let Some([text, length]) = memory.words::<2>(address.checked_add(at * 16)?) else { break };
        match memory.string(text, length, 64).filter(|text| is_reason(text)) {
            Some(text) => reasons.push(text),
            None => break,
        }
    }
    Some(reasons)
}

/// Words, as the runtime has them: what follows the array in memory is something else.
fn is_reason(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}
