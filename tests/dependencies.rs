//! What is depended on, held to deny.toml with nothing but cargo: licences, duplicates, sources. `make deny` asks more (known
//! faults), of cargo-deny.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start programs")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Every package of the build and of the tests for this platform, as cargo knows it.
fn packages() -> Vec<Value> {
    let arch = std::env::consts::ARCH;
    let platform = format!("{arch}-unknown-linux-musl");
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--all-features", "--filter-platform"])
        .arg(platform)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let mut metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let ids: Vec<String> = nodes.iter().map(|node| text(node, "id")).collect();
    let Value::Array(packages) = metadata["packages"].take() else { panic!("no packages") };
    let others = packages.into_iter().filter(|package| package["source"].is_string());
    others.filter(|package| ids.contains(&text(package, "id"))).collect()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Whether a licence expression (SPDX, and the `/` of old) can be met with the licences that are allowed.
fn is_met(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, allowed) && rest.is_empty()
}

/// Alternatives, up to a closing parenthesis or the end.
fn any(rest: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = all(rest, allowed);
    while let ["OR", others @ ..] = rest {
        *rest = others;
        met |= all(rest, allowed);
    }
    met
}

/// What has to be met together.
fn all(rest: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(rest, allowed);
    while let ["AND", others @ ..] = rest {
        *rest = others;
        met &= one(rest, allowed);
    }
    met
}

fn one(rest: &mut &[&str], allowed: &[&str]) -> bool {
    match rest {
        ["(", inner @ ..] => {
            *rest = inner;
            let met = any(rest, allowed);
            let [")", after @ ..] = rest else { return false };
            *rest = after;
            met
        }
        // An exception is another licence.
        [_, "WITH", _, after @ ..] => {
            *rest = after;
            false
        }
        [licence, after @ ..] => {
            *rest = after;
            allowed.contains(licence)
        }
        [] => false,
    }
}

#[test]
fn licences_are_those_of_deny_toml() {
    let deny = include_str!("../deny.toml");
    let list = deny.lines().find_map(|line| line.strip_prefix("allow = [")).unwrap().trim_end_matches(']');
    let allowed: Vec<&str> = list.split(',').map(|licence| licence.trim().trim_matches('"')).collect();
    let packages = packages();
    assert!(packages.len() > 20, "{}", packages.len());
    for package in packages {
        let licence = text(&package, "license");
        assert!(is_met(&licence, &allowed), "{} {}: {licence:?}", package["name"], package["version"]);
    }
}

#[test]
fn no_crate_is_there_twice() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        versions.entry(text(&package, "name")).or_default().push(text(&package, "version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "{versions:?}");
}

#[test]
fn all_crates_come_from_the_registry() {
    for package in packages() {
        let source = text(&package, "source");
        assert!(source.starts_with("registry+"), "{}: {source}", package["name"]);
    }
}

#[test]
fn licence_expressions() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
    for met in [
        "MIT",
        "MIT/GPL-3.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for not in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "Apache-2.0 WITH x", "MIT)"] {
        assert!(!is_met(not, &allowed), "{not}");
    }
}
