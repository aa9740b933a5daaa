//! goward: a process supervisor and minimal init for Go servers in containers.
//!
//! Data flows one way: argv and environment → [`config::Settings`] → [`spawn`] → events → [`supervisor`] → actions →
//! exit code. Each layer uses only those below it; docs/design.md has the map.

pub mod buildinfo;
#[cfg(feature = "check")]
pub mod check;
pub mod cli;
pub mod config;
pub mod elf;
pub mod exec;
pub mod exit;
pub mod goenv;
pub mod goroutines;
pub mod http;
pub mod init;
pub mod json;
pub mod log;
pub mod oneshot;
pub mod privilege;
pub mod probe;
#[cfg(feature = "rehearse")]
pub mod rehearse;
pub mod report;
pub mod signal;
pub mod spawn;
pub mod status;
pub mod supervisor;
pub mod sys;
pub mod target;

use cli::Invocation;
use std::ffi::CString;
use std::io::Write;
use sys::mask::Mask;

/// The program, from argv to the exit code. The caller has blocked all signals; `inherited` is the mask before that.
pub fn run(argv: &[CString], inherited: Mask) -> u8 {
    let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let ours: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(cli::PREFIX))
        .collect();
    match cli::parse(argv, &env, &ours) {
        Invocation::Run(settings) => init::run(*settings, inherited, None),
        #[cfg(feature = "rehearse")]
        Invocation::Rehearse(rehearsal) => rehearse::run(*rehearsal, inherited),
        Invocation::Probe(probing) => oneshot::run(&probing, inherited),
        Invocation::Status(asking) => status::run(&asking, inherited),
        #[cfg(feature = "check")]
        Invocation::Check(checking) => check::run(&checking, inherited),
        // What was left out is never asked for: cli refuses it.
        #[cfg(not(feature = "rehearse"))]
        Invocation::Rehearse(_) => exit::GOWARD_FAILED,
        #[cfg(not(feature = "check"))]
        Invocation::Check(_) => exit::GOWARD_FAILED,
        Invocation::Goroutines(reading) => report::run(&reading, inherited),
        Invocation::Pause => init::pause(),
        Invocation::Say { stdout, stderr, code } => {
            // Nobody may be listening, and a full stderr must not hold up the end; the code says it too.
            let _ = std::io::stdout().write_all(stdout.as_bytes());
            log::say_raw(&stderr);
            code
        }
    }
}
