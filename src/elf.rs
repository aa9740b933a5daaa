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
    /// Whether it is a 64-bit file (ELFCLASS64).
    pub wide: bool,
    endian: Endianness,
    /// `EM_X86_64` and so on.
    pub machine: elf::Machine,
    /// The program headers: what is mapped into memory.
    pub segments: Vec<Segment>,
    /// Pieces of the file; none where they were removed.
    pub sections: Vec<Section>,
}

/// A program header, Elf64_Phdr in elf(5).
#[derive(Clone, Debug)]
pub struct Segment {
    /// `PT_LOAD` and so on.
    pub kind: elf::ProgramType,
    /// Whether it is mapped writable (PF_W).
    pub writable: bool,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// The virtual address it is mapped at.
    pub address: u64,
    /// How much of it is in the file.
    pub size: u64,
}

/// A section header, Elf64_Shdr in elf(5).
#[derive(Clone, Debug)]
pub struct Section {
    /// The section's name, like `.go.buildinfo`.
    pub name: String,
    /// Where it is in memory; 0 for what is not loaded.
    pub address: u64,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub size: u64,
    /// Of a symbol table: the section of its names.
    pub link: usize,
}

/// What the dynamic section says of libraries.
#[derive(Clone, Debug, Default)]
pub struct Libraries {
    /// DT_NEEDED.
    pub needed: Vec<String>,
    /// DT_RUNPATH and DT_RPATH.
    pub paths: Vec<String>,
    /// The newest version of glibc's symbols that it names: 34 is GLIBC_2.34, 0 none.
    pub glibc: u32,
}

/// Tables are never longer; a header that promises more is damaged.
const MOST: usize = 4096;
/// Names of sections: together, and one that is looked for.
const NAMES: usize = 64 * 1024;
const NAME: usize = 64;
/// PATH_MAX, for names of libraries and where they are looked for.
const PATH: usize = 4096;

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

    /// The libraries that it wants, and where its own headers say to look.
    pub fn libraries(&self, read_at: ReadAt<'_>) -> Libraries {
        let mut found = Libraries::default();
        let Some(segment) = self.segments.iter().find(|segment| segment.kind == elf::PT_DYNAMIC) else {
            return found;
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
            let name = || beginning_of_text(&names, usize::try_from(value).unwrap_or(usize::MAX), PATH);
            match tag {
                1 => found.needed.push(name()),
                15 | 29 if found.paths.len() < MOST => found.paths.extend(name().split(':').map(str::to_owned)),
                _ => {}
            }
        }
        found.glibc = glibc(&names);
        found
    }
}

/// The newest version of glibc's symbols among these names: 34 is GLIBC_2.34. They stand there for those that are wanted, and
/// in glibc itself for those that there are.
fn glibc(names: &[u8]) -> u32 {
    const VERSION: &[u8] = b"GLIBC_2.";
    let mut newest = 0;
    for at in memchr::memmem::find_iter(names, VERSION) {
        let digits = names.iter().skip(at + VERSION.len()).take(4).take_while(|byte| byte.is_ascii_digit());
        newest = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0')).max(newest);
    }
    newest
}

/// What is there until a zero byte.
pub fn text(bytes: &[u8], from: usize) -> String {
    beginning_of_text(bytes, from, usize::MAX)
}

/// At most so much of it: thousands of headers may point into the same long text.
fn beginning_of_text(bytes: &[u8], from: usize, most: usize) -> String {
    let rest = bytes.get(from..).unwrap_or_default();
    let rest = rest.get(..most).unwrap_or(rest);
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
        name: beginning_of_text(&names, section.sh_name(endian) as usize, NAME),
        address: section.sh_addr(endian).into(),
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
