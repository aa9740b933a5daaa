//! The direction in which data flows, held by reading who uses whom. See docs/design.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and what it may use of the others.
const MAY_USE: &[(&str, &[&str])] = &[
    ("exit", &[]),
    ("signal", &[]),
    ("target", &[]),
    // Pure: no system, no clock.
    ("supervisor", &["exit", "signal"]),
    ("elf", &[]),
    ("exec", &["elf"]),
    ("goenv", &["buildinfo"]),
    ("buildinfo", &["elf"]),
    // Pure: no system, no clock.
    ("json", &[]),
    ("http", &[]),
    ("goroutines", &["json"]),
    ("sys", &["signal", "supervisor"]),
    ("privilege", &["sys"]),
    ("config", &["privilege", "signal", "supervisor", "target"]),
    ("cli", &["config", "exit", "privilege", "signal", "supervisor", "sys", "target"]),
    ("log", &["config", "json", "sys"]),
    ("probe", &["config", "exit", "http", "signal", "spawn", "supervisor", "sys", "target"]),
    ("oneshot", &["config", "exit", "log", "probe", "signal", "spawn", "sys"]),
    ("status", &["config", "exit", "init", "log", "sys"]),
    ("spawn", &["buildinfo", "config", "exec", "exit", "signal", "sys"]),
    ("report", &["config", "exit", "goroutines", "log", "sys"]),
    // Of it only mod.rs and what reads images touches the system. Of cli it needs the tables, to read others' command lines.
    ("check", &["buildinfo", "cli", "config", "elf", "exec", "exit", "goenv", "json", "log", "privilege", "sys"]),
    (
        "init",
        &["config", "exit", "goenv", "goroutines", "json", "log", "probe", "signal", "spawn", "supervisor", "sys"],
    ),
    (
        "rehearse",
        &[
            "config",
            "exit",
            "goroutines",
            "http",
            "init",
            "json",
            "log",
            "probe",
            "signal",
            "spawn",
            "supervisor",
            "sys",
            "target",
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

fn files_of(module: &str) -> Vec<PathBuf> {
    let file = source().join(format!("{module}.rs"));
    if file.exists() { vec![file] } else { sources(&source().join(module)) }
}

#[test]
fn every_layer_uses_only_those_below_it() {
    for (module, allowed) in MAY_USE {
        for file in files_of(module) {
            let text = fs::read_to_string(&file).unwrap();
            for used in text.split("crate::").skip(1) {
                let name: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let known = MAY_USE.iter().any(|(known, _)| *known == name);
                assert!(
                    name == *module || !known || allowed.contains(&name.as_str()),
                    "{} uses {name}, and {module} must not",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn every_module_has_its_place() {
    let listed = |name: &str| MAY_USE.iter().any(|(known, _)| *known == name) || matches!(name, "lib" | "main");
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(listed(name), "{name} is not in the list of layers");
    }
}

#[test]
fn the_cores_are_pure() {
    const PURE: [&str; 7] = ["supervisor", "goroutines", "buildinfo", "elf", "exec", "http", "json"];
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
