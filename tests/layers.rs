//! The direction in which data flows, held by reading who uses whom. See docs/design.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "these are tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and what it may use of the others. A command is a module by itself: two do not know of each other, unless it is
/// said here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("exit", &[]),
    ("signal", &[]),
    // Pure.
    ("platform", &[]),
    ("target", &[]),
    // Pure: no system, no clock.
    ("supervisor", &["exit", "signal"]),
    ("elf", &[]),
    ("exec", &["elf"]),
    ("goenv", &["buildinfo"]),
    ("buildinfo", &["elf"]),
    // Pure: no system, no clock.
    ("json", &[]),
    // Pure.
    ("gzip", &[]),
    ("http", &[]),
    ("encoded", &[]),
    ("pem", &["encoded"]),
    ("x509", &[]),
    // Pure: files, the time and random numbers come from outside.
    ("tls", &["pem", "x509"]),
    ("goroutines", &["encoded", "json"]),
    // Pure: memory is read through a trait.
    ("live", &["buildinfo", "elf", "goroutines"]),
    ("evidence", &["buildinfo", "goroutines", "live", "signal", "sys"]),
    // Of the supervisor it needs the type of times.
    ("sys", &["signal", "supervisor"]),
    ("privilege", &["sys"]),
    ("config", &["platform", "privilege", "signal", "supervisor", "target"]),
    ("cli", &["config", "sys", "target"]),
    ("personality", &["cli", "config", "exit", "platform", "privilege", "signal", "supervisor", "target"]),
    ("log", &["config", "json", "sys"]),
    ("probe", &["config", "encoded", "exit", "http", "pem", "signal", "spawn", "supervisor", "sys", "target", "tls"]),
    ("spawn", &["buildinfo", "config", "exec", "exit", "privilege", "signal", "sys"]),
    // Of it only mod.rs and what reads images touches the system. Of the command lines of goward and of other inits it needs
    // to know which options have a value, to read them in a Dockerfile.
    (
        "check",
        &[
            "buildinfo",
            "cli",
            "commands/run",
            "elf",
            "encoded",
            "exec",
            "goenv",
            "gzip",
            "json",
            "pem",
            "personality",
            "privilege",
            "sys",
            "target",
            "x509",
        ],
    ),
    (
        "init",
        &[
            "config",
            "encoded",
            "evidence",
            "exit",
            "goenv",
            "goroutines",
            "json",
            "live",
            "log",
            "platform",
            "privilege",
            "probe",
            "signal",
            "spawn",
            "supervisor",
            "sys",
        ],
    ),
    (
        "rehearse",
        &[
            "config",
            "evidence",
            "exit",
            "goroutines",
            "http",
            "init",
            "json",
            "live",
            "log",
            "probe",
            "signal",
            "spawn",
            "supervisor",
            "sys",
            "target",
        ],
    ),
    ("commands/run", &["cli", "config", "init", "platform", "privilege", "signal", "supervisor", "sys", "target"]),
    ("commands/probe", &["cli", "config", "exit", "log", "probe", "signal", "spawn", "sys", "target"]),
    ("client", &["init", "json", "sys"]),
    ("commands/status", &["cli", "client", "exit", "json", "log", "sys"]),
    ("commands/order", &["cli", "client", "exit", "init", "log", "signal", "supervisor", "sys"]),
    ("commands/stop", &["cli", "commands/order", "supervisor"]),
    ("commands/restart", &["cli", "commands/order", "supervisor"]),
    ("commands/reload", &["cli", "commands/order", "supervisor"]),
    ("commands/signal", &["cli", "commands/order"]),
    ("commands/dump", &["cli", "client", "evidence", "exit", "goroutines", "init", "json", "live", "log", "sys"]),
    ("commands/goroutines", &["cli", "exit", "goroutines", "gzip", "log", "signal", "sys"]),
    ("commands/check", &["check", "cli", "exit", "log", "sys"]),
    // It has the options of run too.
    ("commands/rehearse", &["cli", "commands/run", "config", "rehearse", "supervisor", "target"]),
    (
        "commands",
        &[
            "cli",
            "commands/check",
            "commands/dump",
            "commands/goroutines",
            "commands/order",
            "commands/probe",
            "commands/rehearse",
            "commands/reload",
            "commands/restart",
            "commands/run",
            "commands/signal",
            "commands/status",
            "commands/stop",
            "config",
            "exit",
            "init",
            "log",
            "personality",
            "spawn",
            "sys",
        ],
    ),
    // Not in the program: it feeds every parser there is.
    (
        "fuzzing",
        &[
            "buildinfo",
            "check",
            "cli",
            "client",
            "commands",
            "config",
            "elf",
            "exec",
            "goenv",
            "goroutines",
            "gzip",
            "http",
            "init",
            "json",
            "live",
            "privilege",
            "probe",
            "signal",
            "spawn",
            "supervisor",
            "sys",
            "target",
            "tls",
        ],
    ),
];

/// What must never be seen in the core.
const NOT_PURE: &[&str] = &["nix::", "libc::", "std::time::Instant", "SystemTime", "std::fs", "std::process", "unsafe"];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn listed(module: &str) -> bool {
    MAY_USE.iter().any(|(known, _)| *known == module)
}

/// A path in src/, or one that follows `crate::`, to the module in the list: the longest name that fits.
fn module_of(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split(['/', '.', ':']).filter(|part| !part.is_empty()).take(2).collect();
    (1..=parts.len()).rev().map(|count| parts[..count].join("/")).find(|name| listed(name))
}

fn files_of(module: &str) -> Vec<PathBuf> {
    let root = source();
    let is_of =
        |file: &PathBuf| module_of(file.strip_prefix(&root).unwrap().to_str().unwrap()).as_deref() == Some(module);
    let files: Vec<PathBuf> = sources(&root).into_iter().filter(is_of).collect();
    assert!(!files.is_empty(), "there is no {module}");
    files
}

/// What is used by a text: `crate::a::b`, and each of `crate::{a, b::{c, d}}`.
fn used(text: &str) -> Vec<String> {
    let path = |text: &str| {
        text.chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(*c))
            .collect::<String>()
    };
    let several = |text: &str| -> Vec<String> {
        let (mut depth, mut parts) = (0, vec![String::new()]);
        for c in text.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => parts.push(String::new()),
                _ => {}
            }
            parts.last_mut().unwrap().push(c);
        }
        parts.iter().map(|part| path(part.trim_start_matches([',', ' ', '\n']))).collect()
    };
    let after = text.split("crate::").skip(1);
    after.flat_map(|text| text.strip_prefix('{').map_or_else(|| vec![path(text)], several)).collect()
}

#[test]
fn every_layer_uses_only_those_below_it() {
    for (module, allowed) in MAY_USE {
        for file in files_of(module) {
            let text = fs::read_to_string(&file).unwrap();
            // Tests may bring together what they like.
            if file.ends_with("tests.rs") {
                continue;
            }
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for name in used(text).iter().filter_map(|path| module_of(path)) {
                assert!(
                    name == *module || allowed.contains(&name.as_str()),
                    "{} uses {name}, and {module} must not",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn nobody_is_allowed_what_he_does_not_use() {
    let mut idle = Vec::new();
    for (module, allowed) in MAY_USE {
        let texts: String = files_of(module).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        let used: Vec<String> = used(&texts).iter().filter_map(|path| module_of(path)).collect();
        for name in *allowed {
            let below = format!("super::{}", name.rsplit('/').next().unwrap());
            let here = *module == "commands" && name.starts_with("commands/");
            if !here && !used.iter().any(|used| used == name) && !texts.contains(&below) {
                idle.push(format!("{module} does not use {name}"));
            }
        }
    }
    assert_eq!(idle, [] as [String; 0]);
}

#[test]
fn the_list_has_no_circle() {
    fn reaches(from: &str, to: &str, depth: usize) -> bool {
        let (_, next) = MAY_USE.iter().find(|(name, _)| *name == from).unwrap();
        depth > 0 && next.iter().any(|next| *next == to || reaches(next, to, depth - 1))
    }
    for (module, _) in MAY_USE {
        assert!(!reaches(module, module, 8), "{module} is below itself");
    }
}

/// The modules that src/ has, as the map in docs/design.md writes them: `init/`, `exit.rs`.
fn modules() -> Vec<String> {
    let name = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() { format!("{name}/") } else { name }
    };
    let mut all: Vec<String> = fs::read_dir(source()).unwrap().map(|entry| name(entry.unwrap().path())).collect();
    // A file and the folder beside it are one module.
    let has_file = |name: &str| source().join(format!("{}.rs", name.trim_end_matches('/'))).exists();
    all.retain(|name| !name.ends_with('/') || !has_file(name));
    all.sort();
    all
}

#[test]
fn every_module_has_its_place() {
    for name in modules() {
        let name = name.trim_end_matches('/').trim_end_matches(".rs");
        assert!(listed(name) || matches!(name, "lib" | "main"), "{name} is not in the list of layers");
    }
}

/// The first column of the map in docs/design.md names each module once, and nothing else.
#[test]
fn the_map_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design.md");
    let text = fs::read_to_string(page).unwrap();
    let map = text.split("\n## ").find(|section| section.starts_with("The map\n")).unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let mut named: Vec<String> = rows.flat_map(|row| row.split('`').step_by(2)).map(str::to_owned).collect();
    named.retain(|name| !name.trim_matches([',', ' ']).is_empty());
    named.sort();
    assert_eq!(named, modules());
}

#[test]
fn the_cores_are_pure() {
    const PURE: [&str; 8] = ["supervisor", "goroutines", "live", "buildinfo", "elf", "exec", "http", "json"];
    for file in PURE.into_iter().flat_map(files_of) {
        if file.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod").next().unwrap();
        for word in NOT_PURE {
            assert!(!text.contains(word), "{}: {word}", file.display());
        }
    }
}
