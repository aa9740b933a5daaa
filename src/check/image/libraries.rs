//! The shared libraries of a program, looked for as its loader does. Pure.

use super::rights::{Subject, Want, look};
use super::tree::{Content, Kind, Resolved, Tree, join, resolve, text};
use crate::elf::{Elf, Libraries};
use crate::exec;
use object::elf::Machine;

/// What is wrong with the libraries of a program.
#[derive(Default)]
pub(super) struct Troubles {
    /// A library that is not there, or of no use.
    pub(super) missing: Vec<String>,
    /// The program, or a library of its, wants a newer glibc than is there.
    pub(super) glibc: Option<String>,
}

/// The library that the loader takes, of these paths, and what it needs itself; none: of what it takes nothing can be read here.
///
/// # Errors
/// A sentence: it takes none of them.
fn loaded(
    tree: &dyn Tree,
    subject: &Subject,
    machine: Machine,
    name: &str,
    candidates: Vec<String>,
) -> Result<Option<(String, Libraries)>, String> {
    let mut trouble = format!("{name} is in none of the loader's directories");
    for path in candidates {
        let Ok(way) = resolve(tree, &path) else { continue };
        // What it cannot open or use the loader passes over.
        if subject.stopped_at(&way).is_some() || !subject.may(Want::Read, &way.entry) {
            trouble = format!("{path} is there, and {} may not read it ({})", subject.name(), look(&way.entry));
            continue;
        }
        let Some(library) = tree.open(&way.path).filter(|_| way.entry.kind == Kind::File) else { return Ok(None) };
        let mut read_at = |offset: u64, buffer: &mut [u8]| library.fill(offset, buffer);
        let Some(other) = Elf::read(&mut read_at) else { return Ok(None) };
        if other.machine == machine {
            return Ok(Some((path, other.libraries(&mut read_at))));
        }
        trouble = format!("{path} is built for {}", exec::machine_name(other.machine));
    }
    Err(trouble)
}

/// What is wrong with the libraries of the program, and with those of its libraries.
pub(super) fn troubles(
    tree: &dyn Tree,
    subject: &Subject,
    program: &Resolved,
    elf: &Elf,
    content: &dyn Content,
    env: &[(String, String)],
) -> Troubles {
    let mut read_at = |offset: u64, buffer: &mut [u8]| content.fill(offset, buffer);
    let loader = elf.interpreter(&mut read_at).flatten().unwrap_or_default();
    // It is a library itself; musl's is the libc.
    let is_loader = |name: &str| {
        loader.rsplit('/').next() == Some(name) || (exec::libc_of(&loader) == "musl" && name.starts_with("libc."))
    };
    let own = elf.libraries(&mut read_at);
    // Who wants the newest glibc, and which one there is.
    let (mut wants, mut has) = ((own.glibc, program.path.clone()), None);
    // As RPATH; RUNPATH would hold for the program alone.
    let mut everywhere = places(&own.paths, &program.path);
    let variable = env.iter().find(|(name, _)| name == "LD_LIBRARY_PATH");
    everywhere.extend(variable.iter().flat_map(|(_, value)| value.split(':').map(str::to_owned)));
    everywhere.extend(configured(tree));
    let (mut open, mut seen, mut missing) = (vec![(own.needed, Vec::new())], Vec::new(), Vec::new());
    while let Some((names, own)) = open.pop() {
        for name in names {
            if seen.contains(&name) || seen.len() > 100 || is_loader(&name) {
                continue;
            }
            let candidates: Vec<String> = match name.contains('/') {
                true => vec![name.clone()],
                false => own.iter().chain(&everywhere).map(|place: &String| join(place, &name)).collect(),
            };
            match loaded(tree, subject, elf.machine, &name, candidates) {
                Err(trouble) => missing.push(trouble),
                Ok(None) => {}
                Ok(Some((path, own))) => {
                    if name == "libc.so.6" {
                        has = Some((own.glibc, path.clone()));
                    } else if own.glibc > wants.0 {
                        wants = (own.glibc, path.clone());
                    }
                    open.push((own.needed, places(&own.paths, &path)));
                }
            }
            seen.push(name);
        }
    }
    // What only looks like glibc has no versions.
    let older = has.filter(|(has, _)| (1..wants.0).contains(has));
    let glibc = older.map(|(has, libc)| {
        format!("{} wants GLIBC_2.{}, and {libc} has nothing newer than GLIBC_2.{has}", wants.1, wants.0)
    });
    Troubles { missing, glibc }
}

/// The places that a file's own headers name, seen from where it is.
fn places(own: &[String], file: &str) -> Vec<String> {
    let origin = file.rsplit_once('/').map_or("", |(directory, _)| directory);
    own.iter().map(|path| path.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)).collect()
}

/// Where the loader looks: ld.so.conf and its like, then its own directories.
fn configured(tree: &dyn Tree) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    let mut files = vec!["/etc/ld.so.conf".to_owned()];
    tree.walk("/etc", &mut |path, _| {
        if path.starts_with("/etc/ld.so.conf.d/") || path.starts_with("/etc/ld-musl-") {
            files.push(path.to_owned());
        }
    });
    for file in files {
        let text = text(tree, &file);
        places.extend(text.split(['\n', ':']).map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned));
    }
    let machine = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    for directory in ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"] {
        places.push(directory.to_owned());
        places.extend(machine.iter().map(|machine| join(directory, machine)));
    }
    places
}
