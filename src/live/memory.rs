//! Memory that is not trusted: what is read of it, how much, and what is kept.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// The memory of a program.
pub trait Memory {
    /// Fills the buffer from this address; returns how many bytes of its beginning it has filled, 0 where nothing can be read.
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize;
}

impl<F: Fn(u64, &mut [u8]) -> usize> Memory for F {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        self(address, buffer)
    }
}

const PAGE: usize = 4096;
/// So many pages of what never changes (tables of functions, names) are kept: 4 MiB.
const KEPT: usize = 1024;
/// So many steps may be taken in all, of whatever loop. A program with 100,000 goroutines takes some ten million.
const STEPS: u64 = 1 << 30;
/// So many are taken for each goroutine on average, beside those that are taken once.
const STEPS_AT_FIRST: u64 = 1 << 26;

/// Pages by their numbers. Each kind of map is some kilobytes of code; all of them here are one.
#[derive(Default)]
struct Pages {
    places: BTreeMap<u64, usize>,
    all: Vec<Box<[u8]>>,
}

/// Reads memory, and remembers pages that do not change.
pub(super) struct Reader<'a> {
    memory: &'a dyn Memory,
    pages: RefCell<Pages>,
    steps: Cell<u64>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(memory: &'a dyn Memory) -> Reader<'a> {
        Reader { memory, pages: RefCell::default(), steps: Cell::new(STEPS_AT_FIRST) }
    }

    /// Takes steps; none when there have been too many, which only memory that makes no sense can need.
    pub(super) fn spend(&self, steps: u64) -> Option<()> {
        self.steps.set(self.steps.get().checked_sub(steps)?);
        Some(())
    }

    /// Allows for more steps, as there is more to be read.
    pub(super) fn allow(&self, steps: u64) {
        self.steps.set(self.steps.get().saturating_add(steps).min(STEPS));
    }

    /// As much as there is, from the beginning. A source may give it piece by piece.
    pub(super) fn some(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(at) = address.checked_add(done as u64) else { break };
            match self.memory.read(at, rest).min(rest.len()) {
                0 => break,
                read => done += read,
            }
        }
        done
    }

    /// All of it, as it is now.
    pub(super) fn fill(&self, address: u64, buffer: &mut [u8]) -> Option<()> {
        (self.some(address, buffer) == buffer.len()).then_some(())
    }

    /// Words, as they are now.
    pub(super) fn words<const N: usize>(&self, address: u64) -> Option<[u64; N]> {
        let mut words = [0u64; N];
        self.fill_words(address, &mut words)?;
        Some(words)
    }

    /// The same, of any number.
    pub(super) fn fill_words(&self, address: u64, words: &mut [u64]) -> Option<()> {
        let mut bytes = [0; 512];
        for (at, part) in words.chunks_mut(bytes.len() / 8).enumerate() {
            let here = bytes.get_mut(..part.len() * 8)?;
            self.fill(address.checked_add((at * 512) as u64)?, here)?;
            for (word, bytes) in part.iter_mut().zip(here.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
        Some(())
    }

    /// A string of Go's, from its two words, if it is no longer than that.
    pub(super) fn string(&self, address: u64, length: u64, most: usize) -> Option<String> {
        let length = usize::try_from(length).ok().filter(|length| *length <= most)?;
        let mut bytes = vec![0; length];
        self.fill(address, &mut bytes)?;
        String::from_utf8(bytes).ok()
    }

    /// What never changes: it may come from a page that has been read before.
    pub(super) fn fixed(&self, address: u64, buffer: &mut [u8]) -> Option<()> {
        let mut done = 0;
        while done < buffer.len() {
            let at = address.checked_add(done as u64)?;
            let (page, within) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let count = (PAGE - within).min(buffer.len() - done);
            self.spend(1)?;
            let mut pages = self.pages.borrow_mut();
            if !pages.places.contains_key(&page) {
                if pages.all.len() >= KEPT {
                    *pages = Pages::default();
                }
                let mut fresh = vec![0; PAGE];
                let read = self.some(page.checked_mul(PAGE as u64)?, &mut fresh);
                // Where nothing could be read there may be something the next time.
                (read > 0).then_some(())?;
                fresh.truncate(read);
                let place = pages.all.len();
                pages.places.insert(page, place);
                pages.all.push(fresh.into_boxed_slice());
            }
            let place = *pages.places.get(&page)?;
            let bytes = pages.all.get(place)?.get(within..within + count)?;
            buffer.get_mut(done..done + count)?.copy_from_slice(bytes);
            done += count;
        }
        Some(())
    }

    pub(super) fn fixed_array<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fixed(address, &mut bytes)?;
        Some(bytes)
    }

    /// A text that ends with a zero byte, of what never changes.
    pub(super) fn fixed_text(&self, address: u64, most: usize) -> Option<String> {
        let mut text = Vec::new();
        while text.len() < most {
            let at = address.checked_add(text.len() as u64)?;
            // Up to the end of the page at once: what follows may not be mapped.
            let count = (PAGE - (at % PAGE as u64) as usize).min(64).min(most - text.len());
            let mut piece = [0; 64];
            let piece = piece.get_mut(..count)?;
            self.fixed(at, piece)?;
            match memchr::memchr(0, piece) {
                Some(end) => {
                    text.extend_from_slice(piece.get(..end)?);
                    return Some(String::from_utf8_lossy(&text).into_owned());
                }
                None => text.extend_from_slice(piece),
            }
        }
        None
    }
}

/// A word in bytes.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Half of one.
pub(super) fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
