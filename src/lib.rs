//! goward: a process supervisor and minimal init for Go servers in containers.
//!
//! Data flows one way: argv and environment → [`config::Settings`] → [`spawn`] → events → [`supervisor`] → actions →
//! exit code. Each layer uses only those below it; docs/design.md has the map.

pub mod buildinfo;
#[cfg(feature = "check")]
pub mod check;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod elf;
pub mod encoded;
#[cfg(feature = "goroutines")]
pub mod evidence;
pub mod exec;
pub mod exit;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod goenv;
#[cfg(feature = "goroutines")]
pub mod goroutines;
#[cfg(feature = "check")]
pub mod gzip;
pub mod http;
pub mod init;
pub mod json;
#[cfg(feature = "goroutines")]
pub mod live;
pub mod log;
pub mod pem;
pub mod personality;
pub mod platform;
pub mod privilege;
pub mod probe;
#[cfg(feature = "rehearse")]
pub mod rehearse;
pub mod signal;
pub mod spawn;
pub mod supervisor;
pub mod sys;
pub mod target;
#[cfg(feature = "tls")]
pub mod tls;
pub mod x509;

use std::ffi::CString;
use sys::mask::Mask;

/// It cannot run at all: one sentence, and the exit code.
pub fn refuse(why: &str) -> u8 {
    log::say_raw(&format!("goward: {why}; does a seccomp profile forbid it?\n"));
    exit::GOWARD_FAILED
}

/// The program, from argv to the exit code. The caller has blocked all signals; `inherited` is the mask before that.
pub fn run(argv: &[CString], inherited: Mask) -> u8 {
    let env = |name: &str| std::env::var_os(name).map(cli::text_of);
    let ours: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(cli::PREFIX))
        .collect();
    commands::perform(commands::parse(argv, &env, &ours), inherited)
}
