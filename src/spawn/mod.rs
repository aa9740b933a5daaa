//! Starting the server, as soon as goward can and with as little as possible before, and whatever is started later.

mod child;
pub mod explain;

pub use child::{SpawnSpec, Starting, Unstarted, begin, spawn};

use crate::buildinfo::{self, BuildInfo};
use crate::sys::file;
use nix::errno::Errno;
use std::path::Path;

/// Why nothing was started: which call was refused, and how. Only the exec says something about the program's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// pipe2(2): by the pipe the child says how it goes.
    Pipe(Errno),
    /// clone(2) or fork(2) failed with this error.
    Clone(Errno),
    /// dup2(2): its standard input, output or error.
    Stdio(Errno),
    /// setrlimit(2), for the limit with this number in the order.
    Limit(usize, Errno),
    /// chdir(2): the directory that goward was started in.
    Directory(Errno),
    /// execve(2) failed with this error.
    Exec(Errno),
}

impl Failure {
    /// As the child of a clone that shares the memory says it: a kind, a number and an errno.
    const SIZE: usize = 6;

    fn to_bytes(self) -> [u8; Failure::SIZE] {
        let (kind, number, errno) = match self {
            Failure::Pipe(errno) => (0, 0, errno),
            Failure::Clone(errno) => (1, 0, errno),
            Failure::Stdio(errno) => (2, 0, errno),
            Failure::Limit(number, errno) => (3, number as u8, errno),
            Failure::Exec(errno) => (4, 0, errno),
            Failure::Directory(errno) => (5, 0, errno),
        };
        let [a, b, c, d] = (errno as i32).to_ne_bytes();
        [kind, number, a, b, c, d]
    }

    fn from_bytes([kind, number, a, b, c, d]: [u8; Failure::SIZE]) -> Failure {
        let errno = Errno::from_raw(i32::from_ne_bytes([a, b, c, d]));
        match kind {
            0 => Failure::Pipe(errno),
            1 => Failure::Clone(errno),
            2 => Failure::Stdio(errno),
            3 => Failure::Limit(number.into(), errno),
            5 => Failure::Directory(errno),
            _ => Failure::Exec(errno),
        }
    }
}

/// The main module of a Go program, by what its linker wrote into it.
pub fn module_of(program: &Path) -> Option<String> {
    build_of(program)?.module
}

/// How a Go program was built.
pub fn build_of(program: &Path) -> Option<BuildInfo> {
    // It may be anything: whatever is named as the server comes here.
    let program = file::regular(program).ok()?;
    buildinfo::read(&mut |offset, bytes| file::read_exact_at(&program, bytes, offset).is_ok())
}
