//! Whether anything can ever wake a goroutine that waits, by a search of the memory, as the runtime's leak profile does it from
//! inside.
//!
//! What a goroutine waits on has to be reached from somewhere: from data, from memory of C, or from the stack of a goroutine
//! that can go on. Whatever looks like an address counts as one, so that a stray word may hide a leak, and none is invented.
//! The goroutines that wait are no beginning: each becomes one when what it waits on is reached. Those that are left at the end
//! wait for what only they know. Objects are those of runtime.mheap_.allspans; free memory and what the collector keeps for
//! itself refer to nothing.

use super::Program;
use super::layout::{self, WORDS, status};
use super::maps;
use super::memory::{Reader, word};
use super::program::words;
use crate::goroutines::order;
use std::collections::VecDeque;
use std::ops::Range;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// The goroutines that nothing can wake, by their numbers, in order.
    leaked: Vec<u64>,
    /// How many others ran while the memory was searched.
    pub ran: u64,
    /// How much was searched, in bytes.
    pub searched: u64,
}

impl Proof {
    /// Whether nothing can wake this one.
    pub fn has(&self, id: u64) -> bool {
        self.leaked.binary_search(&id).is_ok()
    }
}

/// What runs meanwhile may carry an address from where the search has not been to where it has. A leak is there each time.
const ROUNDS: usize = 2;

/// The runtime's pages, and its arenas, which hold nothing else.
const PAGE: u64 = 8192;
const ARENA: u64 = 64 << 20;
/// Words of an `mspan`: its first address, its pages, and where the end of its last object may be, which has moved. Before that end
/// is the size of its objects, and before that, byte by byte, whether they have pointers, and whether it is in use.
const START: usize = 3;
const PAGES: usize = 4;
const ENDS: Range<usize> = 12..19;
const SPAN_WORDS: usize = 24;
/// Behind that end: a lock, and the list of what is special about its objects.
const SPECIALS: usize = 2;
const IN_USE: u64 = 1;
/// The first word of `m` is its g0, and this one of `g` is the `m`.
const THREAD: usize = 6;
/// A sudog is one of these sizes, and its first word is the goroutine.
const SUDOGS: [u64; 2] = [96, 112];
/// So much is read at once.
const PIECE: u64 = 64 << 10;
const MOST_SPANS: u64 = 1 << 24;

/// Objects of one size, one after the other.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
    size: u64,
    /// They may have addresses in them.
    refers: bool,
    /// The number of the first, among all.
    first: u64,
}

/// A goroutine that waits for others.
struct Waiter {
    id: u64,
    address: u64,
    words: [u64; WORDS],
    /// What it waits on. If it is nothing, nobody can wake it.
    on: Vec<u64>,
    is_reached: bool,
}

/// A search that is under way.
struct Search<'a> {
    memory: &'a Reader<'a>,
    spans: &'a [Span],
    /// A bit for each object: it was reached; it was looked into, or is not to be.
    reached: Vec<u64>,
    done: Vec<u64>,
    /// Spans with objects that were reached and not looked into, each once.
    queue: VecDeque<usize>,
    queued: Vec<u64>,
    /// The span that is being looked into, and those of its objects that are still to be: a list often goes from neighbour to neighbour.
    current: usize,
    due: Vec<u64>,
    /// By their addresses.
    waiters: Vec<Waiter>,
    /// What ties a waiter to what it waits on (sudog): which, and where.
    ties: Vec<(usize, Range<u64>)>,
    searched: u64,
    /// There was more than is ever read.
    is_cut: bool,
}

impl Program<'_> {
    /// Searches the memory for whoever could wake the goroutines that wait.
    ///
    /// # Errors
    /// A sentence: the memory is not understood, or can no longer be read.
    pub fn prove(&self) -> Result<Proof, String> {
        let mut proof = self.round()?;
        for _ in 1..ROUNDS {
            if proof.ran == 0 || proof.leaked.is_empty() {
                break;
            }
            let again = self.round()?;
            proof.leaked.retain(|id| again.has(*id));
            proof.ran = proof.ran.max(again.ran);
            proof.searched += again.searched;
        }
        Ok(proof)
    }

    fn round(&self) -> Result<Proof, String> {
        if self.maps.len() >= maps::MOST {
            return Err("it has more mappings than are ever read".to_owned());
        }
        let mapped =
            self.maps.iter().filter(|mapping| mapping.readable).map(|mapping| mapping.end - mapping.start).sum();
        // Each round reads it once, and looks at it a second time.
        self.memory.allow(mapped / 16);
        let heap = self.heap(mapped).ok_or(
            "the list of its heap's spans (runtime.mheap_.allspans) cannot be found: an unknown version of Go?",
        )?;
        let all = self.all_words().ok_or("its list of goroutines can no longer be read")?;
        let mut waiters = Vec::new();
        for (address, words) in &all {
            let on = self.waits_on(words).filter(|on| words[self.layout.id] != 1 || !on.is_empty());
            let Some(on) = on.filter(|on| on.iter().all(|at| heap.holding(*at).is_some())) else { continue };
            waiters.push(Waiter { id: words[self.layout.id], address: *address, words: *words, on, is_reached: false });
        }
        let waiters = order::by(waiters, |waiter| [waiter.address, 0, 0]);
        let mut search = Search::new(&self.memory, &heap, waiters);
        heap.finalized.iter().for_each(|object| search.reach(*object));
        for range in self.roots(&heap, &all, &search.waiters) {
            search.scan(range);
        }
        search.follow();
        if search.is_cut {
            return Err("its memory is too large to be searched".to_owned());
        }
        let ran = all.iter().filter(|(address, words)| self.ran(*address, words)).count() as u64;
        let is_leaked = |waiter: &&Waiter| !waiter.is_reached && !self.ran(waiter.address, &waiter.words);
        let leaked = search.waiters.iter().filter(is_leaked).map(|waiter| waiter.id).collect();
        Ok(Proof { leaked: order::by(leaked, |id| [*id, 0, 0]), ran, searched: search.searched })
    }

    /// Every goroutine that there is.
    fn all_words(&self) -> Option<Vec<(u64, [u64; WORDS])>> {
        let (list, length) = self.layout.list(&self.memory)?;
        self.memory.allow(length.saturating_mul(64));
        let mut all = Vec::new();
        for at in 0..length {
            self.memory.spend(1)?;
            let [address] = self.memory.words::<1>(list.checked_add(at * 8)?)?;
            let words = self.memory.words::<WORDS>(address).filter(layout::has_stack);
            all.extend(words.filter(|words| self.is_alive(words)).map(|words| (address, words)));
        }
        Some(all)
    }

    fn is_alive(&self, words: &[u64; WORDS]) -> bool {
        words[self.layout.id] != 0
            && !matches!(self.layout.status(words), status::IDLE | status::DEAD | status::DEAD_EXTRA)
    }

    /// Whether it runs, or has moved.
    fn ran(&self, address: u64, words: &[u64; WORDS]) -> bool {
        let now = self.memory.words::<WORDS>(address);
        let runs = matches!(self.layout.status(words), status::RUNNING | status::COPYING);
        runs || now.is_none_or(|now| self.layout.has_moved(words, &now))
    }

    /// What a goroutine waits on that only another one can change; none where something else may wake it.
    fn waits_on(&self, words: &[u64; WORDS]) -> Option<Vec<u64>> {
        match self.layout.reason(words)? {
            "chan receive (nil chan)" | "chan send (nil chan)" | "select (no cases)" => Some(Vec::new()),
            "chan receive" | "chan send" | "select" => {
                Some(self.channels(words)).filter(|channels| !channels.is_empty())
            }
            "sync.Mutex.Lock"
            | "sync.RWMutex.Lock"
            | "sync.RWMutex.RLock"
            | "sync.WaitGroup.Wait"
            | "sync.Cond.Wait"
            | "semacquire" => {
                let status = self.layout.status(words);
                self.look(words, status).object.and_then(|(object, is_sure)| is_sure.then(|| vec![object]))
            }
            _ => None,
        }
    }

    /// Where the search begins: what can be written and is no heap, and the stacks of whoever can go on.
    fn roots(&self, heap: &Heap, all: &[(u64, [u64; WORDS])], waiters: &[Waiter]) -> Vec<Range<u64>> {
        let mut roots = Vec::new();
        for mapping in self.maps.iter().filter(|mapping| mapping.readable) {
            if mapping.writable || mapping.offset.is_none() {
                heap.without(mapping.start..mapping.end, &mut roots);
            }
        }
        for (address, words) in all {
            if waiters.binary_search_by_key(address, |waiter| waiter.address).is_err() {
                roots.push(stack_of(words, self.layout.status(words)));
            }
            // A thread that runs may have something on the stack of its scheduler.
            let of_thread = Some(words[THREAD]).filter(|thread| *thread != 0);
            let scheduler = of_thread.and_then(|thread| self.memory.words::<1>(thread));
            let words = scheduler.and_then(|[g0]| self.memory.words::<WORDS>(g0)).filter(layout::has_stack);
            roots.extend(words.map(|words| words[layout::STACK]..words[layout::STACK + 1]));
        }
        roots
    }

    /// All objects that there may be.
    fn heap(&self, mapped: u64) -> Option<Heap> {
        let (list, length, end) = self.list_of_spans()?;
        self.memory.allow(length.saturating_mul(8));
        let (mut spans, mut own, mut objects) = (Vec::new(), Vec::new(), 0u64);
        let (mut arenas, mut finalized) = (Vec::new(), Vec::new());
        for at in 0..length {
            self.memory.spend(1)?;
            let [address] = self.memory.words::<1>(list.checked_add(at * 8)?)?;
            let Some(words) = self.memory.words::<SPAN_WORDS>(address) else { continue };
            own.push(address..address.saturating_add(SPAN_WORDS as u64 * 8));
            let Some(extent) = extent(&words) else { continue };
            arenas.extend((extent.start / ARENA)..=((extent.end - 1) / ARENA));
            if is_in_use(&words, end) {
                let whole = extent.end - extent.start;
                let (size, last) = objects_of(&words, end).unwrap_or((whole, extent.end));
                let refers = words[end - 2] >> 16 & 1 == 0;
                self.finalized(words[end + SPECIALS], &extent, &mut finalized)?;
                spans.push(Span { start: extent.start, end: last, size, refers, first: 0 });
            }
        }
        let mut spans = order::by(spans, |span| [span.start, 0, 0]);
        let mut free = 0;
        spans.retain(|span| {
            let fits = span.start >= free;
            free = free.max(span.end);
            fits
        });
        // There cannot be more than there is memory.
        (spans.iter().map(|span| span.end - span.start).sum::<u64>() <= mapped).then_some(())?;
        for span in &mut spans {
            span.first = objects;
            objects += (span.end - span.start) / span.size;
        }
        arenas = order::by(arenas, |arena| [*arena, 0, 0]);
        arenas.dedup();
        Some(Heap { spans, objects, arenas, finalized, own: order::by(own, |range| [range.start, 0, 0]) })
    }

    /// Objects of a span that something is to happen to when nobody refers to them: it may wake others. An entry of that list has the
    /// next one, and the object's offset in a whole word or in a quarter of one.
    fn finalized(&self, list: u64, extent: &Range<u64>, found: &mut Vec<u64>) -> Option<()> {
        let mut entry = list;
        while let Some([next, offset]) = Some(entry).filter(|at| *at != 0).and_then(|at| self.memory.words::<2>(at)) {
            self.memory.spend(1)?;
            let places = [offset, offset & 0xffff].map(|offset| extent.start.saturating_add(offset));
            found.extend(places.into_iter().filter(|place| extent.contains(place)));
            entry = next;
        }
        Some(())
    }

    /// runtime.mheap_.allspans: the longest slice that is full of spans. Where it is, how long, and which word of a span is the end of
    /// its objects.
    fn list_of_spans(&self) -> Option<(u64, u64, usize)> {
        let mut found: Option<(u64, u64, usize)> = None;
        for range in self.functions.bss() {
            words(&self.memory, range, &mut |_, pointer, rest| {
                let (length, capacity) = (word(rest, 8).unwrap_or(0), word(rest, 16).unwrap_or(0));
                let fits =
                    pointer != 0 && pointer % 8 == 0 && (4..=capacity).contains(&length) && capacity <= MOST_SPANS;
                if fits && found.is_none_or(|(_, known, _)| length > known) {
                    found = self.end_of_spans(pointer, length).map(|end| (pointer, length, end)).or(found);
                }
                true
            });
        }
        found
    }

    /// The word with the end, if this is a list of spans.
    fn end_of_spans(&self, list: u64, length: u64) -> Option<usize> {
        let sample: Option<Vec<[u64; SPAN_WORDS]>> = (0..length.min(32))
            .map(|at| {
                let [address] = self.memory.words::<1>(list.checked_add(at * 8)?)?;
                self.memory.words::<SPAN_WORDS>(address).filter(|_| address % 8 == 0)
            })
            .collect();
        let sample = sample?;
        // Some are kept for later, and are empty.
        let with_extent: Vec<_> = sample.iter().filter(|words| words[START] != 0).collect();
        with_extent.iter().all(|words| extent(words).is_some()).then_some(())?;
        ENDS.clone().find(|end| {
            let in_use: Vec<_> = with_extent.iter().filter(|words| is_in_use(words, *end)).collect();
            in_use.len() >= 3 && in_use.iter().all(|words| objects_of(words, *end).is_some())
        })
    }
}

/// From where to where an `mspan` is.
fn extent(words: &[u64; SPAN_WORDS]) -> Option<Range<u64>> {
    let (start, size) = (words[START], words[PAGES].checked_mul(PAGE)?);
    (start != 0 && start.is_multiple_of(PAGE) && (1..1 << 48).contains(&size)).then_some(())?;
    Some(start..start.checked_add(size).filter(|end| *end < 1 << 56)?)
}

fn is_in_use(words: &[u64; SPAN_WORDS], end: usize) -> bool {
    words[end - 2] >> 24 & 0xff == IN_USE
}

/// The size of an `mspan`'s objects, and where the last one ends; a large one has the span for itself.
fn objects_of(words: &[u64; SPAN_WORDS], end: usize) -> Option<(u64, u64)> {
    let (extent, size, end) = (extent(words)?, words[end - 1], words[end]);
    let (whole, used) = (extent.end - extent.start, end.wrapping_sub(extent.start));
    ((8..=whole).contains(&size) && (1..=whole).contains(&used)).then_some(())?;
    match size == whole {
        true => Some((size, extent.end)),
        false => used.is_multiple_of(size).then_some((size, end)),
    }
}

/// What of a stack is in use. What runs, or is in a system call, may be anywhere.
fn stack_of(words: &[u64; WORDS], status: u32) -> Range<u64> {
    let (low, high, sp) = (words[layout::STACK], words[layout::STACK + 1], words[layout::SP]);
    let is_still = !matches!(status, status::RUNNING | status::SYSCALL | status::COPYING);
    if is_still && (low..high).contains(&sp) { sp..high } else { low..high }
}

/// The memory that Go's collector looks after.
struct Heap {
    spans: Vec<Span>,
    objects: u64,
    /// By their numbers.
    arenas: Vec<u64>,
    /// The spans' own descriptions: they refer to the first object of each.
    own: Vec<Range<u64>>,
    /// Objects that something is to happen to in the end: finalizers and the like.
    finalized: Vec<u64>,
}

impl Heap {
    fn holding(&self, address: u64) -> Option<usize> {
        holding(&self.spans, address)
    }

    /// The pieces of a mapping that are neither in an arena nor a span's description.
    fn without(&self, range: Range<u64>, pieces: &mut Vec<Range<u64>>) {
        let mut start = range.start;
        while start < range.end {
            let end = (start / ARENA + 1).saturating_mul(ARENA).min(range.end);
            if self.arenas.binary_search(&(start / ARENA)).is_err() {
                let first = self.own.partition_point(|own| own.end <= start);
                for own in self.own.iter().skip(first).take_while(|own| own.start < end) {
                    pieces.push(start..own.start.max(start));
                    start = own.end.min(end);
                }
                pieces.push(start..end);
            }
            start = end;
        }
    }
}

fn holding(spans: &[Span], address: u64) -> Option<usize> {
    let at = spans.partition_point(|span| span.start <= address).checked_sub(1)?;
    spans.get(at).filter(|span| address < span.end).map(|_| at)
}

impl<'a> Search<'a> {
    fn new(memory: &'a Reader<'a>, heap: &'a Heap, waiters: Vec<Waiter>) -> Search<'a> {
        let bits = vec![0; (heap.objects / 64 + 1) as usize];
        let mut search = Search {
            memory,
            spans: &heap.spans,
            reached: bits.clone(),
            done: bits,
            queue: VecDeque::new(),
            queued: vec![0; heap.spans.len() / 64 + 1],
            current: usize::MAX,
            due: Vec::new(),
            waiters,
            ties: Vec::new(),
            searched: 0,
            is_cut: false,
        };
        // What a waiter's own description refers to is no reference of anybody else.
        let own: Vec<_> = search.waiters.iter().filter_map(|waiter| search.object(waiter.address)).collect();
        own.into_iter().for_each(|(_, bit)| put(&mut search.done, bit, true));
        search
    }

    /// The span and the number of the object that holds an address.
    fn object(&self, address: u64) -> Option<(usize, u64)> {
        let at = holding(self.spans, address)?;
        let span = self.spans.get(at)?;
        Some((at, span.first + (address - span.start) / span.size))
    }

    /// Goes on until nothing new is reached.
    fn follow(&mut self) {
        loop {
            while let Some(span) = self.queue.pop_front() {
                put(&mut self.queued, span as u64, false);
                self.look_into(span);
            }
            let is_reached = |waiter: &Waiter| {
                !waiter.is_reached
                    && waiter.on.iter().any(|at| self.object(*at).is_some_and(|(_, bit)| has(&self.reached, bit)))
            };
            let woken: Vec<usize> =
                (0..self.waiters.len()).filter(|at| self.waiters.get(*at).is_some_and(is_reached)).collect();
            if woken.is_empty() {
                return;
            }
            woken.into_iter().for_each(|at| self.wake(at));
        }
    }

    /// One that can go on: its stack counts, and all that belongs to it.
    fn wake(&mut self, at: usize) {
        let Some(waiter) = self.waiters.get_mut(at) else { return };
        waiter.is_reached = true;
        let (address, stack) = (waiter.address, stack_of(&waiter.words, status::WAITING));
        if let Some((span, bit)) = self.object(address) {
            put(&mut self.done, bit, false);
            put(&mut self.reached, bit, true);
            self.is_due(span);
        }
        let ties: Vec<Range<u64>> =
            self.ties.iter().filter(|(of, _)| *of == at).map(|(_, range)| range.clone()).collect();
        self.scan(stack);
        ties.into_iter().for_each(|tie| self.scan(tie));
    }

    /// The objects of a span that were reached since the last time, and those of it that are reached from them. A span of small
    /// objects is read once.
    fn look_into(&mut self, at: usize) {
        let Some(span) = self.spans.get(at).copied() else { return };
        let count = (span.end - span.start) / span.size;
        self.due.extend((0..count).filter(|object| has(&self.reached, span.first + object)));
        let mut bytes = Vec::new();
        if span.end - span.start <= PIECE && span.size < PIECE {
            bytes.resize((span.end - span.start) as usize, 0);
            let read = self.memory.some(span.start, &mut bytes);
            bytes.truncate(read);
            self.searched(read);
        }
        self.current = at;
        while let Some(object) = self.due.pop() {
            let bit = span.first + object;
            if has(&self.done, bit) {
                continue;
            }
            put(&mut self.done, bit, true);
            let offset = object * span.size;
            let range = span.start + offset..span.start + offset + span.size;
            if SUDOGS.contains(&span.size) && self.is_tie(range.clone()) {
                continue;
            }
            match bytes.get(offset as usize..(offset + span.size) as usize) {
                Some(words) => self.reach_all(words),
                None => self.scan(range),
            }
        }
        self.current = usize::MAX;
    }

    /// Whether this ties a waiter that cannot go on to what it waits on. It is kept for when it can.
    fn is_tie(&mut self, range: Range<u64>) -> bool {
        let Some(words) = self.memory.words::<12>(range.start) else { return false };
        let Ok(at) = self.waiters.binary_search_by_key(&words[0], |waiter| waiter.address) else { return false };
        let is_tie = self
            .waiters
            .get(at)
            .is_some_and(|waiter| !waiter.is_reached && waiter.on.iter().any(|on| words.contains(on)));
        if is_tie {
            self.ties.push((at, range));
        }
        is_tie
    }

    /// Everything that looks like an address is one.
    fn scan(&mut self, range: Range<u64>) {
        let mut bytes = Vec::new();
        let mut start = range.start.next_multiple_of(8);
        while start < range.end {
            bytes.resize((range.end - start).min(PIECE) as usize, 0);
            let read = self.memory.some(start, &mut bytes);
            self.searched(read);
            if self.is_cut {
                return;
            }
            self.reach_all(bytes.get(..read).unwrap_or_default());
            // A page that cannot be read is passed over.
            start = (start + read as u64).max(start / 4096 * 4096 + 4096 * u64::from(read == 0)).next_multiple_of(8);
        }
    }

    fn searched(&mut self, bytes: usize) {
        self.searched += bytes as u64;
        self.is_cut |= self.memory.spend(bytes as u64 / 64 + 1).is_none();
    }

    fn reach_all(&mut self, bytes: &[u8]) {
        for word in bytes.as_chunks().0 {
            self.reach(u64::from_le_bytes(*word));
        }
    }

    fn reach(&mut self, address: u64) {
        let bounds = self.spans.first().zip(self.spans.last());
        if bounds.is_none_or(|(first, last)| address < first.start || address >= last.end) {
            return;
        }
        let Some((at, bit)) = self.object(address) else { return };
        if !has(&self.reached, bit) {
            put(&mut self.reached, bit, true);
            match self.spans.get(at) {
                Some(span) if !span.refers => {}
                Some(span) if at == self.current => self.due.push(bit - span.first),
                _ => self.is_due(at),
            }
        }
    }

    /// A span has an object that is to be looked into.
    fn is_due(&mut self, span: usize) {
        if !has(&self.queued, span as u64) {
            put(&mut self.queued, span as u64, true);
            self.queue.push_back(span);
        }
    }
}

fn has(bits: &[u64], bit: u64) -> bool {
    bits.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 != 0)
}

fn put(bits: &mut [u64], bit: u64, to: bool) {
    if let Some(word) = bits.get_mut((bit / 64) as usize) {
        *word = *word & !(1 << (bit % 64)) | u64::from(to) << (bit % 64);
    }
}
