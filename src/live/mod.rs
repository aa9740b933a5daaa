//! The goroutines of a running Go program, read out of its memory from outside: no signal, no pause, no debug information.
//!
//! Memory, the program's file and its mappings in; goroutines out, in the groups that a dump has. Pure: memory is read through
//! [`Memory`], and it may be that of a program that is broken, or that changes while it is read. So every address, length and
//! count is checked, the steps of all loops together are bounded ([`memory::Reader::spend`]), and what does not fit is left out
//! or refused: a wrong stack is worse than none. docs/live.md has the whole way; the structures are those of runtime/runtime2.go,
//! runtime/symtab.go and runtime/traceback.go.

mod core;
mod functions;
mod goroutine;
mod layout;
mod maps;
mod memory;
mod objects;
mod program;
mod prove;
#[cfg(any(test, fuzzing))]
pub(crate) mod recording;
mod show;
mod stack;
#[cfg(test)]
mod tests;

pub use self::core::{Core, MappedFile, Piece};
pub use goroutine::Goroutine;
pub use maps::{Mapping, parse as parse_maps};
pub use memory::Memory;
pub use prove::Proof;
pub use show::{Collected, collect, print};

use crate::buildinfo::{self, BuildInfo};
use crate::elf::{Elf, ReadAt};
use functions::Functions;
use layout::Layout;
use memory::Reader;

/// Where a program is read from.
pub struct Source<'a> {
    /// Its memory.
    pub memory: &'a dyn Memory,
    /// What is mapped there.
    pub maps: &'a [Mapping],
    /// The time of its CLOCK_MONOTONIC in nanoseconds, where that is known: it says how long a goroutine has waited.
    pub now: Option<u64>,
}

/// A Go program that has been understood.
pub struct Program<'a> {
    memory: Reader<'a>,
    functions: Functions,
    layout: Layout,
    maps: &'a [Mapping],
    now: Option<u64>,
    /// How it was built.
    pub build: BuildInfo,
}

/// The newest Go whose structures are known. What is newer is tried, and has to pass the same checks.
const NEWEST: u32 = 27;
/// The oldest.
const OLDEST: u32 = 18;

impl<'a> Program<'a> {
    /// Finds in a program what its goroutines are read with. `file` reads the program's file.
    ///
    /// # Errors
    /// A sentence: it is no Go program, or not one that is understood.
    pub fn open(source: &Source<'a>, file: ReadAt<'_>) -> Result<Program<'a>, String> {
        let elf = Elf::read(file).ok_or("its file is no ELF program")?;
        let build = buildinfo::of(&elf, file).ok_or("it is not a Go program")?;
        let architecture = program::Architecture::of(&elf).ok_or_else(|| {
            "goroutines are read out of memory on amd64 and arm64 only, and this program is built for another"
                .to_owned()
        })?;
        let minor = minor(&build.go);
        if minor.is_some_and(|minor| minor < OLDEST) {
            return Err(format!("it is built by {}, and memory is understood from Go 1.{OLDEST} on", build.go));
        }
        let memory = Reader::new(source.memory);
        let image = program::Image::find(&memory, &elf, file, source.maps)?;
        let functions = Functions::new(&memory, &image, architecture, minor)?;
        let layout = Layout::find(&memory, &image, &functions, minor)?;
        Ok(Program { memory, functions, layout, maps: source.maps, now: source.now, build })
    }

    /// Whether the program is built by a Go that is newer than all that are known.
    pub fn is_newer_than_known(&self) -> bool {
        minor(&self.build.go).is_none_or(|minor| minor > NEWEST)
    }
}

/// 27 of `go1.27.3`, `go1.27rc1` and `go1.27.3 X:nodwarf5`; none of `devel go1.28-0a1b2c`, which is no released Go.
fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
