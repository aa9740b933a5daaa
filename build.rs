//! What only LLVM's linker is asked for; with any other goward is larger and starts later, and is the same otherwise. Nobody
//! tells a build script which linker there will be behind a C compiler (gcc, clang, and rustc's own choice without
//! .cargo/config.toml, as in `cargo install`), and many would not understand all of this.
//!
//! The tables for unwinding are left out of the release binary: a tenth of it, and nothing reads them. Panics abort, there is
//! no unwinder (see src/main.rs), and no backtrace is printed. Tests and debug builds keep theirs.
//!
//! The functions that every start and stop runs are put side by side (order.ld): fewer pages to map, and to keep. Functions
//! that are alike are kept once: 6 KB.

use std::env::var;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.ld");
    println!("cargo:rerun-if-changed=order.ld");
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo does not run this again for another linker by itself; for other flags it does.
    let target = var("TARGET").unwrap_or_default().to_uppercase().replace('-', "_");
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    // Named where it is not, it would run for every build.
    if Path::new(".cargo/config.toml").exists() {
        println!("cargo:rerun-if-changed=.cargo/config.toml");
    }
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_ENV", "musl") && links_with_lld() {
        let directory = var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{directory}/build.ld");
        println!("cargo:rustc-link-arg-bins=-T{directory}/order.ld");
        println!("cargo:rustc-link-arg-bins=--no-eh-frame-hdr");
        println!("cargo:rustc-link-arg-bins=--icf=all");
    }
}

/// Whether rustc starts LLVM's linker itself: then it is called by its name, or named as the flavor. Flags win over what is
/// configured as the linker of the target, and the last of them over the others.
fn links_with_lld() -> bool {
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let option = |name: &str| {
        let value = |flag: &str| {
            let option = flag.strip_prefix("-C").or_else(|| flag.strip_prefix("--codegen=")).unwrap_or(flag);
            option.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
        };
        flags.split('\x1f').filter_map(value).next_back()
    };
    match option("linker-flavor") {
        Some(flavor) => matches!(flavor.as_str(), "ld.lld" | "gnu-lld"),
        None => option("linker")
            .or(var("RUSTC_LINKER").ok())
            .is_some_and(|linker| matches!(linker.rsplit('/').next(), Some("rust-lld" | "ld.lld"))),
    }
}
