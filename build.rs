//! Leaves the tables for unwinding out of the release binary: a tenth of it, and nothing reads them. Panics abort, there is
//! no unwinder (see src/main.rs), and no backtrace is printed. Tests and debug builds keep theirs.

use std::env::var;

fn main() {
    println!("cargo:rerun-if-changed=build.ld");
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_ENV", "musl") {
        let script = format!("{}/build.ld", var("CARGO_MANIFEST_DIR").unwrap_or_default());
        println!("cargo:rustc-link-arg-bins=-T{script}");
        println!("cargo:rustc-link-arg-bins=--no-eh-frame-hdr");
    }
}
