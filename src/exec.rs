//! Why the kernel would not start a program, by the bytes at its beginning (another machine, a missing loader, a damaged file),
//! and the sentences that say so: the one knowledge of `goward run`, which explains a failure, and of `goward check`, which
//! foresees it. Pure: what else there is in the file system it is told.

use crate::elf::{Elf, beginning};
use object::elf::{self, Machine};

/// Fills the buffer from this offset of the file, whole; false if that cannot be.
pub use crate::elf::ReadAt;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// There is no such file.
    Nothing,
    /// A file that nobody may execute.
    NotExecutable,
    /// There is something that may be executed.
    Something,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// For another machine than this.
    OtherMachine(Machine),
    /// The header promises more than there is.
    Truncated {
        /// So long the file is.
        size: u64,
        /// So long it should be.
        promised: u64,
    },
    /// An ELF file with a broken header.
    Damaged(&'static str),
    /// Dynamically linked, and the loader is not there.
    LoaderMissing(String),
    /// What else there is, in words, and what would mend it.
    Other(String, &'static str),
}

const NO_PROGRAM: &str = "name the program itself, built with GOOS=linux";

/// The loader that an ELF program asks for; none for a static one.
pub fn loader(read_at: ReadAt<'_>) -> Option<String> {
    Elf::read(read_at)?.interpreter(read_at)?
}

/// The machine that this binary is built for.
pub const MACHINE: Machine = if cfg!(target_arch = "aarch64") { elf::EM_AARCH64 } else { elf::EM_X86_64 };

/// Enough of a file of this size for its first line, and the beginning of a header.
pub fn head(size: u64, read_at: ReadAt<'_>) -> Option<Vec<u8>> {
    beginning(read_at, 0, size, 4096)
}

/// Looks at the beginning of a file of this size, and where an ELF file's header points. None: nothing is wrong with it.
pub fn trouble(
    head: &[u8],
    size: u64,
    read_at: ReadAt<'_>,
    machine: Machine,
    at: &dyn Fn(&str) -> There,
) -> Option<Trouble> {
    let other = |text: &str| Some(Trouble::Other(text.to_owned(), NO_PROGRAM));
    if head.is_empty() {
        return Some(Trouble::Other("the file is empty".to_owned(), "build or copy it again; is a disk full?"));
    }
    if head.starts_with(b"\x7fELF") {
        return elf_trouble(head, size, read_at, machine, at);
    }
    if head.starts_with(b"#!") {
        return script_trouble(head, at).map(|(text, mend)| Trouble::Other(text, mend));
    }
    if head.starts_with(b"MZ") {
        return other("a Windows program: build it with GOOS=linux");
    }
    let magic = head.get(..4);
    if matches!(magic, Some([0xcf, 0xfa, 0xed, 0xfe] | [0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe])) {
        return other("a macOS program: build it with GOOS=linux");
    }
    if head.starts_with(b"\xef\xbb\xbf#!") {
        let text = "a script that begins with a byte order mark: save it as UTF-8 without BOM";
        return Some(Trouble::Other(text.to_owned(), "UTF-8 without BOM"));
    }
    other("neither an ELF program nor a script with #! in its first line")
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::OtherMachine(machine) => write!(f, "built for {}", machine_name(*machine)),
            Trouble::Truncated { size, promised } => {
                write!(f, "a truncated ELF file: {size} of {promised} bytes")
            }
            Trouble::Damaged(how) => f.write_str(how),
            Trouble::LoaderMissing(loader) => write!(
                f,
                "the program is there, but its loader {loader} is not: it is linked dynamically against {}; build it with CGO_ENABLED=0, or use a base image with that libc",
                libc_of(loader)
            ),
            Trouble::Other(text, _) => f.write_str(text),
        }
    }
}

/// The libc whose loader that is.
pub fn libc_of(loader: &str) -> &'static str {
    if loader.contains("musl") { "musl" } else { "glibc" }
}

/// The machine that a file is built for, by the beginning of an ELF header.
pub fn machine_in(head: &[u8]) -> Option<Machine> {
    let two = head.get(18..20).filter(|_| head.starts_with(b"\x7fELF"))?.try_into().ok()?;
    let big_endian = head.get(5) == Some(&elf::ELFDATA2MSB.0);
    Some(Machine(if big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }))
}

fn elf_trouble(
    head: &[u8],
    size: u64,
    read_at: ReadAt<'_>,
    wanted: Machine,
    at: &dyn Fn(&str) -> There,
) -> Option<Trouble> {
    match machine_in(head) {
        Some(machine) if machine != wanted => return Some(Trouble::OtherMachine(machine)),
        None if size < 20 => return Some(Trouble::Truncated { size, promised: 64 }),
        Some(_) | None => {}
    }
    let Some(elf) = Elf::read(read_at) else {
        return Some(Trouble::Damaged("a damaged ELF file: its headers are truncated or invalid"));
    };
    let runs = match wanted {
        elf::EM_MIPS | elf::EM_PPC64 => true,
        elf::EM_386 | elf::EM_ARM => !elf.wide && !elf.is_big(),
        elf::EM_S390 => elf.is_big(),
        _ => elf.wide && !elf.is_big(),
    };
    if !runs {
        let text = "an ELF program that this machine does not run (32 bits, or big-endian)";
        return Some(Trouble::Other(text.to_owned(), NO_PROGRAM));
    }
    if elf.end() > size {
        return Some(Trouble::Truncated { size, promised: elf.end() });
    }
    let loader = elf.interpreter(read_at)??;
    match at(&loader) {
        There::Nothing => Some(Trouble::LoaderMissing(loader)),
        There::NotExecutable => {
            Some(Trouble::Other(format!("its loader {loader} is not executable"), "chmod 0755 that loader"))
        }
        There::Something => None,
    }
}

/// As GOARCH has it.
pub fn machine_name(machine: Machine) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == machine);
    known.map_or_else(|| format!("ELF machine {}", machine.0), |(_, name)| (*name).to_owned())
}

/// The machine of a GOARCH.
pub fn machine_of(name: &str) -> Option<Machine> {
    NAMES.iter().find(|(_, known)| *known == name).map(|(machine, _)| *machine)
}

const NAMES: [(Machine, &str); 9] = [
    (elf::EM_X86_64, "amd64"),
    (elf::EM_AARCH64, "arm64"),
    (elf::EM_386, "386"),
    (elf::EM_ARM, "arm"),
    (elf::EM_S390, "s390x"),
    (elf::EM_PPC64, "ppc64le"),
    (elf::EM_RISCV, "riscv64"),
    (elf::EM_MIPS, "mips"),
    (elf::EM_LOONGARCH, "loong64"),
];

fn first_line(head: &[u8]) -> &[u8] {
    head.split(|b| *b == b'\n').next().unwrap_or_default()
}

/// What stands after `#!`.
pub fn script_interpreter(head: &[u8]) -> Option<String> {
    let line = first_line(head.get(..256.min(head.len()))?).strip_prefix(b"#!")?;
    let line = String::from_utf8_lossy(line);
    line.split_ascii_whitespace().next().map(str::to_owned)
}

/// What a script has env(1) look for: bash of `#!/usr/bin/env bash`.
pub fn asked_of_env(head: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(first_line(head));
    let mut words = line.strip_prefix("#!")?.split_ascii_whitespace();
    let env = words.next()?.rsplit('/').next() == Some("env");
    words.find(|word| !word.starts_with('-') && !word.contains('=')).filter(|_| env).map(str::to_owned)
}

fn script_trouble(head: &[u8], at: &dyn Fn(&str) -> There) -> Option<(String, &'static str)> {
    let line = first_line(head);
    if line.len() > 255 {
        let text = "a script whose first line is longer than the kernel reads (255 bytes)";
        return Some((text.to_owned(), "a shorter first line"));
    }
    let Some(interpreter) = script_interpreter(head) else {
        let text = "a script whose first line names no interpreter after #!";
        return Some((text.to_owned(), "#!/bin/sh in its first line, or start the server itself"));
    };
    if line.ends_with(b"\r") {
        let text =
            format!("a script with Windows line ends: the kernel looks for {interpreter}\\r; convert it (dos2unix)");
        return Some((text, "dos2unix, or eol=lf for it in .gitattributes"));
    }
    match at(&interpreter) {
        There::Nothing => Some((
            format!("a script, and its interpreter {interpreter} does not exist in this image"),
            "start the server itself, or use a base image with that interpreter",
        )),
        There::NotExecutable => {
            Some((format!("a script whose interpreter {interpreter} is not executable"), "chmod 0755 that interpreter"))
        }
        There::Something => None,
    }
}
