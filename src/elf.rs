//! An ELF file's headers, of both widths and both byte orders. Pure: the file is read through a function, a piece at a time,
//! and nothing in it is trusted.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

/// Fills the buffer from this offset of the file, whole; false if that cannot be.
pub type ReadAt<'a> = &'a mut dyn FnMut(u64, &mut [u8]) -> bool;

/// What the headers say.
#[derive(Clone, Debug)]
pub struct Elf {
    /// 64 bits.
    pub wide: bool,
    endian: Endianness,
    /// `EM_X86_64` and so on.
    pub machine: elf::Machine,
    /// Pieces of memory.
    pub segments: Vec<Segment>,
    /// Pieces of the file; none where they were removed.
    pub sections: Vec<Section>,
}

/// A program header.
#[derive(Clone, Debug)]
pub struct Segment {
    /// `PT_LOAD` and so on.
    pub kind: elf::ProgramType,
    /// Mapped writable.
    pub writable: bool,
    /// In the file.
    pub offset: u64,
    /// In memory.
    pub address: u64,
    /// How much of it is in the file.
    pub size: u64,
}

/// A section header.
#[derive(Clone, Debug)]
pub struct Section {
    /// `.go.buildinfo`
    pub name: String,
    /// In the file.
    pub offset: u64,
    /// How long.
    pub size: u64,
    /// Of a symbol table: the section of its names.
    pub link: usize,
}

/// Tables are never longer; a header that promises more is damaged.
const MOST: usize = 4096;
/// Names of sections.
const NAMES: usize = 64 * 1024;

/// A piece of the file.
pub fn piece(read_at: ReadAt<'_>, offset: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    read_at(offset, &mut bytes).then_some(bytes)
}

/// As much of a piece as there is, up to `most`.
pub fn beginning(read_at: ReadAt<'_>, offset: u64, length: u64, most: usize) -> Option<Vec<u8>> {
    piece(read_at, offset, usize::try_from(length).unwrap_or(most).min(most))
}

impl Elf {
    /// Reads the headers. None: no ELF file, or one whose headers are cut off.
    pub fn read(read_at: ReadAt<'_>) -> Option<Elf> {
        let ident = piece(read_at, 0, 16)?;
        match ident.get(4)? {
            1 => read::<elf::FileHeader32<Endianness>>(read_at),
            2 => read::<elf::FileHeader64<Endianness>>(read_at),
            _ => None,
        }
    }

    /// Most significant byte first.
    pub fn is_big(&self) -> bool {
        self.endian == Endianness::Big
    }

    /// The loader that the kernel starts, by PT_INTERP. Some(None): the header names one that cannot be read.
    pub fn interpreter(&self, read_at: ReadAt<'_>) -> Option<Option<String>> {
        let segment = self.segments.iter().find(|segment| segment.kind == elf::PT_INTERP)?;
        let path = beginning(read_at, segment.offset, segment.size, 4096);
        Some(path.map(|path| text(&path, 0)))
    }

    /// Where the file ends, by what its segments promise.
    pub fn end(&self) -> u64 {
        self.segments.iter().map(|segment| segment.offset.saturating_add(segment.size)).max().unwrap_or(0)
    }

    /// A section by its name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Where an address of memory is in the file.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let holds = |segment: &&Segment| {
            segment.kind == elf::PT_LOAD
                && address.checked_sub(segment.address).is_some_and(|distance| distance < segment.size)
        };
        let segment = self.segments.iter().find(holds)?;
        segment.offset.checked_add(address - segment.address)
    }

    /// A number of this many bytes, in the file's own order.
    pub fn number(&self, bytes: &[u8]) -> u64 {
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.is_big() { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
    }

    /// How long a pointer is.
    pub fn pointer(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// The libraries that it wants, and where its own headers say to look: DT_NEEDED, DT_RUNPATH and DT_RPATH.
    pub fn libraries(&self, read_at: ReadAt<'_>) -> (Vec<String>, Vec<String>) {
        let (mut needed, mut paths) = (Vec::new(), Vec::new());
        let Some(segment) = self.segments.iter().find(|segment| segment.kind == elf::PT_DYNAMIC) else {
            return (needed, paths);
        };
        let word = self.pointer();
        let entries = beginning(read_at, segment.offset, segment.size, 64 * 1024).unwrap_or_default();
        let pairs = || {
            let numbers = |entry: &[u8]| (self.number(&entry[..word]), self.number(&entry[word..]));
            entries.chunks_exact(2 * word).map(numbers).take_while(|(tag, _)| *tag != 0)
        };
        // DT_STRTAB and DT_STRSZ
        let find = |wanted: u64| pairs().find(|(tag, _)| *tag == wanted).map(|(_, value)| value);
        let names = find(5).and_then(|address| self.offset_of(address)).zip(find(10));
        let names = names.and_then(|(offset, size)| beginning(read_at, offset, size, 1 << 20)).unwrap_or_default();
        for (tag, value) in pairs() {
            let name = || text(&names, usize::try_from(value).unwrap_or(usize::MAX));
            match tag {
                1 => needed.push(name()),
                15 | 29 => paths.extend(name().split(':').map(str::to_owned)),
                _ => {}
            }
        }
        (needed, paths)
    }
}

/// What is there until a zero byte.
pub fn text(bytes: &[u8], from: usize) -> String {
    let rest = bytes.get(from..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    String::from_utf8_lossy(&rest[..end]).into_owned()
}

fn read<F: FileHeader<Endian = Endianness>>(read_at: ReadAt<'_>) -> Option<Elf> {
    let head = piece(read_at, 0, size_of::<F>())?;
    let (header, _) = object::pod::from_bytes::<F>(&head).ok()?;
    let endian = header.is_supported().then(|| header.endian().ok()).flatten()?;
    let number = |word: F::Word| -> u64 { word.into() };
    let segments = table::<F::ProgramHeader>(
        read_at,
        number(header.e_phoff(endian)),
        header.e_phnum(endian).into(),
        header.e_phentsize(endian).into(),
    )?;
    let segments = entries::<F::ProgramHeader>(&segments).iter().map(|segment| Segment {
        kind: segment.p_type(endian),
        writable: segment.p_flags(endian).contains(elf::PF_W),
        offset: segment.p_offset(endian).into(),
        address: segment.p_vaddr(endian).into(),
        size: segment.p_filesz(endian).into(),
    });
    let raw = table::<F::SectionHeader>(
        read_at,
        number(header.e_shoff(endian)),
        header.e_shnum(endian).into(),
        header.e_shentsize(endian).into(),
    )
    .unwrap_or_default();
    let raw = entries::<F::SectionHeader>(&raw);
    let names = raw
        .get(usize::from(header.e_shstrndx(endian).0))
        .and_then(|names| beginning(read_at, names.sh_offset(endian).into(), names.sh_size(endian).into(), NAMES));
    let names = names.unwrap_or_default();
    let sections = raw.iter().map(|section| Section {
        name: text(&names, section.sh_name(endian) as usize),
        offset: section.sh_offset(endian).into(),
        size: section.sh_size(endian).into(),
        link: section.sh_link(endian) as usize,
    });
    Some(Elf {
        wide: header.is_class_64(),
        endian,
        machine: header.e_machine(endian),
        segments: segments.collect(),
        sections: sections.collect(),
    })
}

/// The bytes of a table; None if it is cut off, or of another shape than it should be.
fn table<T>(read_at: ReadAt<'_>, offset: u64, count: usize, size: usize) -> Option<Vec<u8>> {
    if count == 0 {
        return Some(Vec::new());
    }
    (size == size_of::<T>() && count <= MOST).then_some(())?;
    piece(read_at, offset, count * size)
}

fn entries<T: object::pod::Pod>(bytes: &[u8]) -> &[T] {
    object::pod::slice_from_all_bytes(bytes).unwrap_or_default()
}
