//! Where a Go program has its tables: its load bias, pclntab, and the moduledata that points to everything else.

use super::maps::Mapping;
use super::memory::{Reader, half, word};
use crate::elf::{self, Elf, ReadAt};
use object::elf::{EM_AARCH64, EM_X86_64, PT_LOAD};
use std::ops::Range;

/// What unwinding depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    pub(super) fn of(elf: &Elf) -> Option<Architecture> {
        let machine = match elf.machine {
            EM_X86_64 => Architecture::Amd64,
            EM_AARCH64 => Architecture::Arm64,
            _ => return None,
        };
        (elf.wide && !elf.is_big()).then_some(machine)
    }
}

/// A slice of Go's in the tables: where, and how many bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Table {
    pub(super) address: u64,
    pub(super) length: u64,
}

impl Table {
    /// An address in the table.
    pub(super) fn at(&self, offset: u64) -> Option<u64> {
        (offset < self.length).then(|| self.address.checked_add(offset))?
    }
}

/// What moduledata says.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// Go 1.18 and 1.19: no line in `_func`, and another tree of inlined calls.
    pub(super) is_old: bool,
    /// The smallest instruction (pcHeader.minLC).
    pub(super) quantum: u64,
    pub(super) names: Table,
    pub(super) units: Table,
    pub(super) files: Table,
    pub(super) pc_values: Table,
    pub(super) functions: Table,
    /// Pairs of 32 bits: where a function begins in the text, and its description in `functions`.
    pub(super) index: Table,
    pub(super) text: Range<u64>,
    pub(super) data: Vec<Range<u64>>,
    pub(super) bss: Range<u64>,
    /// Without addresses in it (noptrbss).
    pub(super) plain_bss: Range<u64>,
    /// All words of moduledata that may hold the address of go:func.*, which has its place elsewhere in other versions.
    pub(super) rest: Vec<u64>,
}

/// pcHeader.magic, up to the zeros behind it: Go 1.20 and later, and 1.18 and 1.19.
const MAGIC: u32 = 0xffff_fff1;
const OLD_MAGIC: u32 = 0xffff_fff0;

/// Words of moduledata, by its fields.
const NAMES: usize = 1;
const UNITS: usize = 4;
const FILES: usize = 7;
const PC_VALUES: usize = 10;
const FUNCTIONS: usize = 13;
const INDEX: usize = 16;
const MIN_PC: usize = 20;
const MAX_PC: usize = 21;
const TEXT: usize = 22;
const NO_POINTERS: usize = 24;
const DATA: usize = 26;
const BSS: usize = 28;
const PLAIN_BSS: usize = 30;
/// Behind all that stay where they are.
const REST: usize = 32;
const WORDS: usize = 48;

/// Tables are never longer, nor is the memory that is searched.
const LONGEST: u64 = 1 << 30;
/// What is searched at once.
const PIECE: usize = 64 << 10;
const MOST_SEARCHED: u64 = 1 << 30;

impl Image {
    pub(super) fn find(memory: &Reader<'_>, elf: &Elf, file: ReadAt<'_>, maps: &[Mapping]) -> Result<Image, String> {
        let bias = bias(memory, elf, file, maps).ok_or("its file is not what is mapped in its memory")?;
        let data = data(elf, bias);
        let known = elf
            .section(".gopclntab")
            .or_else(|| elf.section(".data.rel.ro.gopclntab"))
            .and_then(|section| Some(section.address.checked_add(bias)?).filter(|at| *at != bias));
        let by_section = known.and_then(|table| module(memory, table, &data));
        by_section.or_else(|| searched(memory, maps, &data)).ok_or_else(|| {
            "the table of its functions (pclntab) cannot be found in its memory; is it packed, or built with an unknown version of Go?"
                .to_owned()
        })
    }
}

/// How far the program lies from where its file says. Any mapping of a file's beginning may be it: the one that holds the same
/// headers is.
fn bias(memory: &Reader<'_>, elf: &Elf, file: ReadAt<'_>, maps: &[Mapping]) -> Option<u64> {
    let lowest = elf.segments.iter().filter(|segment| segment.kind == PT_LOAD).map(|segment| segment.address).min()?;
    let head = elf::piece(file, 0, 64)?;
    // ET_EXEC: it lies where its file says.
    if elf.number(head.get(16..18)?) == 2 {
        return Some(0);
    }
    let starts = maps.iter().filter(|mapping| mapping.readable && mapping.offset == Some(0));
    let is_it = |start: u64| {
        let mut there = [0; 64];
        memory.fill(start, &mut there).is_some() && there[..] == head[..]
    };
    let start = starts.map(|mapping| mapping.start).find(|start| is_it(*start))?;
    Some(start.wrapping_sub(lowest / 4096 * 4096))
}

/// Segments that the file wants to be writable: some are no longer, after relocation.
fn data(elf: &Elf, bias: u64) -> Vec<Range<u64>> {
    let writable = elf.segments.iter().filter(|segment| segment.kind == PT_LOAD && segment.writable);
    let range = |segment: &elf::Segment| {
        let start = segment.address.wrapping_add(bias);
        Some(start..start.checked_add(segment.size.min(LONGEST))?)
    };
    writable.filter_map(range).collect()
}

/// Where there are no sections, every place where a pclntab may begin is looked at.
fn searched(memory: &Reader<'_>, maps: &[Mapping], data: &[Range<u64>]) -> Option<Image> {
    let mut left = MOST_SEARCHED;
    for mapping in maps.iter().filter(|mapping| mapping.readable && mapping.offset.is_some()) {
        let size = (mapping.end - mapping.start).min(left);
        left -= size;
        let wanted = |word: u64| matches!(word as u32, MAGIC | OLD_MAGIC) && word >> 32 & 0xffff == 0;
        let mut found = None;
        words(memory, mapping.start..mapping.start + size, &mut |address, word, _| {
            if wanted(word) {
                found = module(memory, address, data);
            }
            found.is_none()
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The moduledata whose first word is the address of this pclntab, if the two are what they should be.
fn module(memory: &Reader<'_>, table: u64, data: &[Range<u64>]) -> Option<Image> {
    let head = memory.words::<1>(table)?[0].to_le_bytes();
    let is_old = match half(&head, 0)? {
        MAGIC => false,
        OLD_MAGIC => true,
        _ => return None,
    };
    let [_, _, _, _, 0, 0, quantum @ (1 | 4), 8] = head else { return None };
    let mut found = None;
    for range in data {
        words(memory, range.clone(), &mut |address, word, _| {
            if word == table {
                found = understand(memory, address, is_old, quantum.into());
            }
            found.is_none()
        });
    }
    found
}

/// Goes over the aligned words of a piece of memory, each with the bytes from it on, as long as `more` wants it.
pub(super) fn words(memory: &Reader<'_>, range: Range<u64>, more: &mut dyn FnMut(u64, u64, &[u8]) -> bool) {
    /// What `more` may look at behind the word, unless the memory ends.
    const BEYOND: usize = 80;
    let mut buffer = vec![0; PIECE + BEYOND];
    let mut start = range.start.next_multiple_of(8);
    while start < range.end {
        let wanted = usize::try_from(range.end - start).unwrap_or(usize::MAX).min(buffer.len());
        let Some(piece) = buffer.get_mut(..wanted) else { return };
        let read = memory.some(start, piece);
        let piece = piece.get(..read).unwrap_or_default();
        if memory.spend(read as u64 / 64 + 1).is_none() {
            return;
        }
        for at in (0..piece.len().min(PIECE)).step_by(8) {
            let rest = piece.get(at..).unwrap_or_default();
            let Some(word) = word(rest, 0) else { break };
            if !more(start + at as u64, word, rest) {
                return;
            }
        }
        start += PIECE as u64;
    }
}

fn understand(memory: &Reader<'_>, address: u64, is_old: bool, quantum: u64) -> Option<Image> {
    let words = memory.words::<WORDS>(address)?;
    let word = |at: usize| words.get(at).copied();
    let table = |at: usize, size: u64| {
        let (address, length, capacity) = (word(at)?, word(at + 1)?, word(at + 2)?);
        let bytes = length.checked_mul(size)?;
        (length > 0 && length <= capacity && bytes <= LONGEST).then_some(Table { address, length: bytes })
    };
    let range = |at: usize| {
        let (start, end) = (word(at)?, word(at + 1)?);
        (start <= end && end - start <= LONGEST).then_some(start..end)
    };
    let text = range(TEXT)?;
    let (first, last) = (word(MIN_PC)?, word(MAX_PC)?);
    (text.start <= first && first < last && last <= text.end.saturating_add(16)).then_some(())?;
    Some(Image {
        is_old,
        quantum,
        names: table(NAMES, 1)?,
        units: table(UNITS, 4)?,
        files: table(FILES, 1)?,
        pc_values: table(PC_VALUES, 1)?,
        functions: table(FUNCTIONS, 1)?,
        index: table(INDEX, 8)?,
        text,
        data: vec![range(NO_POINTERS)?, range(DATA)?],
        bss: range(BSS)?,
        plain_bss: range(PLAIN_BSS)?,
        rest: words.get(REST..)?.to_vec(),
    })
}
