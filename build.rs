//! Leaves the tables for unwinding out of the release binary: a tenth of it, and nothing reads them. Panics abort, there is
//! no unwinder (see src/main.rs), and no backtrace is printed. Tests and debug builds keep theirs.
//!
//! And puts the functions side by side that every start and stop runs (order.ld): fewer pages to map, and to keep.

use std::env::var;

fn main() {
    println!("cargo:rerun-if-changed=build.ld");
    println!("cargo:rerun-if-changed=order.ld");
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_ENV", "musl") {
        let directory = var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{directory}/build.ld");
        println!("cargo:rustc-link-arg-bins=-T{directory}/order.ld");
        println!("cargo:rustc-link-arg-bins=--no-eh-frame-hdr");
    }
}
