//! Starting the server: as soon as goward can, with as little as possible before.
//!
//! The child shares goward's memory until the exec (CLONE_VFORK), so it costs no copy of page tables.

mod child;
pub mod explain;

pub use child::{Order, spawn};

use crate::buildinfo::{self, BuildInfo};
use crate::sys::file;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The main module of a Go program, by what its linker wrote into it.
pub fn module_of(program: &Path) -> Option<String> {
    build_of(program)?.module
}

/// How a Go program was built.
pub fn build_of(program: &Path) -> Option<BuildInfo> {
    // It may be anything: whatever is named as the server comes here.
    let program = file::regular(program).ok()?;
    buildinfo::read(&mut |offset, bytes| program.read_exact_at(bytes, offset).is_ok())
}
