//! The memory in a core dump, elf(5) and core(5). Pure: the file is read through a function.

use super::Mapping;
use super::memory::word;
use crate::elf::{self, Elf, ReadAt};
use crate::goroutines::order;
use object::elf::{PT_LOAD, PT_NOTE};

/// A file that was mapped (NT_FILE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// From here.
    pub start: u64,
    /// Up to here.
    pub end: u64,
    /// In bytes of the file.
    pub offset: u64,
    /// Where the file was.
    pub path: String,
}

/// A piece of memory that is in the dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its address.
    pub address: u64,
    /// How much of it is in the dump.
    pub size: u64,
    /// Where that is.
    pub offset: u64,
}

/// What a core dump has.
#[derive(Clone, Debug, Default)]
pub struct Core {
    /// By address.
    pub pieces: Vec<Piece>,
    /// As the kernel lists them; empty where it did not.
    pub files: Vec<MappedFile>,
    /// The same as mappings.
    pub maps: Vec<Mapping>,
}

/// Notes are never longer.
const LONGEST: usize = 4 << 20;
/// `FILE`, by a name that is `CORE`.
const FILES: u32 = 0x4649_4c45;

impl Core {
    /// Reads the headers and notes.
    ///
    /// # Errors
    /// A sentence: it is no core dump.
    pub fn read(file: ReadAt<'_>) -> Result<Core, String> {
        let elf = Elf::read(file).ok_or("it is not an ELF file, or its headers are truncated")?;
        let is_core = elf::piece(file, 16, 2).is_some_and(|kind| elf.number(&kind) == 4);
        (is_core && elf.wide && !elf.is_big()).then_some(()).ok_or("it is not a core dump of a 64-bit program")?;
        let mut core = Core::default();
        for segment in elf.segments.iter().filter(|segment| segment.kind == PT_LOAD && segment.size > 0) {
            let piece = Piece { address: segment.address, size: segment.size, offset: segment.offset };
            core.pieces.push(piece);
        }
        core.pieces = order::by(core.pieces, |piece| [piece.address, 0, 0]);
        for segment in elf.segments.iter().filter(|segment| segment.kind == PT_NOTE) {
            let notes = elf::beginning(file, segment.offset, segment.size, LONGEST).unwrap_or_default();
            core.files.extend(notes_of_files(&notes).unwrap_or_default());
        }
        core.maps = core.mappings(file);
        Ok(core)
    }

    /// Where no files are listed, what begins as a program does may be one.
    fn mappings(&self, file: ReadAt<'_>) -> Vec<Mapping> {
        let mapping = |start: u64, size: u64, offset| {
            let end = start.checked_add(size).filter(|end| *end > start)?;
            Some(Mapping { start, end, readable: true, writable: false, offset })
        };
        let mut maps: Vec<Mapping> = self
            .files
            .iter()
            .filter_map(|file| mapping(file.start, file.end.checked_sub(file.start)?, Some(file.offset)))
            .collect();
        for piece in &self.pieces {
            let is_program =
                self.files.is_empty() && elf::piece(file, piece.offset, 4).is_some_and(|head| head == b"\x7fELF");
            maps.extend(mapping(piece.address, piece.size, is_program.then_some(0)));
        }
        maps
    }

    /// Where an address is in the dump, and how many bytes follow it there.
    pub fn place(&self, address: u64) -> Option<(u64, u64)> {
        let after = self.pieces.partition_point(|piece| piece.address <= address);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        let within = address - piece.address;
        (within < piece.size).then(|| Some((piece.offset.checked_add(within)?, piece.size - within)))?
    }

    /// The same in the file that was mapped there, which is not in the dump.
    pub fn place_in_file(&self, address: u64, path: &str) -> Option<(u64, u64)> {
        let is_there = |file: &&MappedFile| file.path == path && (file.start..file.end).contains(&address);
        let file = self.files.iter().find(is_there)?;
        Some((file.offset.checked_add(address - file.start)?, file.end - address))
    }
}

/// The files in NT_FILE: how many, the size of a page, then start, end and offset in pages of each, then their names.
fn notes_of_files(notes: &[u8]) -> Option<Vec<MappedFile>> {
    let mut rest = notes;
    loop {
        let (name, size) = (super::memory::half(rest, 0)? as usize, super::memory::half(rest, 4)? as usize);
        let start = 12 + name.next_multiple_of(4);
        let content = rest.get(start..start.checked_add(size)?)?;
        if super::memory::half(rest, 8)? == FILES {
            return files(content);
        }
        rest = rest.get(start.checked_add(size)?.next_multiple_of(4)..)?;
    }
}

fn files(content: &[u8]) -> Option<Vec<MappedFile>> {
    let count = usize::try_from(word(content, 0)?).ok().filter(|count| *count <= content.len() / 24)?;
    let page = word(content, 8)?;
    let mut names = content.get(16 + count * 24..)?.split(|b| *b == 0);
    let one = |at: usize| {
        let [start, end, offset] = [0, 8, 16].map(|field| word(content, 16 + at * 24 + field));
        let path = String::from_utf8_lossy(names.next()?).into_owned();
        Some(MappedFile { start: start?, end: end?, offset: offset?.checked_mul(page)?, path })
    };
    (0..count).map(one).collect()
}
