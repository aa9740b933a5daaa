//! What it costs that the server's stderr passes through goward (`--dump summary`): a server that writes 100 MB, read at
//! the end of a pipe; beside nothing in between, `| cat`, and goward with `--dump raw`.
//!
//! ```text
//! cargo bench --bench relay
//! GOWARD=./goward cargo bench --bench relay    this file instead of the release build
//! ```
//!
//! By turns, medians. No figure fails the run.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it starts programs; the bans are for PID 1")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables")]

use std::env;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const BYTES: usize = 100_000_000;
const ROUNDS: usize = 9;
/// What one write has: a line of a log, and what a buffered logger or a dump to a file has.
const BLOCKS: [usize; 3] = [120, 4096, 65_536];
const LINE: &[u8] = b"{\"time\":\"2026-11-23T22:00:00Z\",\"level\":\"INFO\",\"msg\":\"request handled\",\"path\":\"/api/v1/items\",\"status\":200,\"ms\":12}\n";

/// What is between the server and the reader.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Cat,
    Raw,
    Summary,
}

const ALL: [(Between, &str); 4] = [
    (Between::Nothing, "nothing"),
    (Between::Cat, "| cat"),
    (Between::Raw, "goward --dump raw"),
    (Between::Summary, "goward --dump summary"),
];

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [mode, block] = arguments.as_slice()
        && mode == "write"
    {
        return write(block.parse().unwrap_or(LINE.len()));
    }
    // `cargo test --all-targets` starts benches too, without this flag.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("cargo bench --bench relay");
        return Ok(());
    }
    let goward = goward()?;
    println!("{} MB to stderr, {ROUNDS} runs each, by turns", BYTES / 1_000_000);
    for block in BLOCKS {
        let mut rates = ALL.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for ((between, _), rates) in ALL.iter().zip(&mut rates) {
                rates.push(rate(*between, block, &goward)?);
            }
        }
        let medians = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        });
        println!("\nwrites of {block} bytes");
        println!("  {:<22} {:>10}  {:>9}", "in between", "MB/s", "× nothing");
        for ((_, name), median) in ALL.iter().zip(medians) {
            println!("  {name:<22} {median:>10.0}  {:>9.2}", median / medians[0]);
        }
    }
    Ok(())
}

/// The server: so many bytes on stderr, that many a write.
fn write(block: usize) -> io::Result<()> {
    let bytes: Vec<u8> = LINE.iter().copied().cycle().take(block).collect();
    let mut left = BYTES;
    let mut stderr = io::stderr();
    while left > 0 {
        let count = bytes.len().min(left);
        stderr.write_all(&bytes[..count])?;
        left -= count;
    }
    Ok(())
}

/// From the first byte to the last, as the reader sees it; MB/s.
fn rate(between: Between, block: usize, goward: &Path) -> io::Result<f64> {
    let this = env::current_exe()?;
    let block = block.to_string();
    let server: Vec<&std::ffi::OsStr> = vec![this.as_os_str(), "write".as_ref(), block.as_ref()];
    let (mut first, mut rest) = match between {
        Between::Nothing => (start(&server, Stdio::piped())?, None),
        Between::Cat => {
            let mut server = start(&server, Stdio::piped())?;
            let pipe = server.stderr.take().map(Stdio::from).unwrap_or(Stdio::null());
            let cat = Command::new("sh").args(["-c", "exec cat >&2"]).stdin(pipe).stderr(Stdio::piped()).spawn()?;
            (cat, Some(server))
        }
        Between::Raw | Between::Summary => {
            let dump = if matches!(between, Between::Raw) { "--dump=raw" } else { "--dump=summary" };
            let words =
                [&[goward.as_os_str(), "-q".as_ref(), dump.as_ref(), "--".as_ref()], server.as_slice()].concat();
            (start(&words, Stdio::piped())?, None)
        }
    };
    let mut reader = first.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut buffer = vec![0; 1 << 16];
    let mut total = reader.read(&mut buffer)?;
    let since = Instant::now();
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            count => total += count,
        }
    }
    let seconds = since.elapsed().as_secs_f64();
    first.wait()?;
    if let Some(server) = rest.as_mut() {
        server.wait()?;
    }
    // goward may have said that the server runs as root.
    if !(BYTES..=BYTES + 1024).contains(&total) {
        return Err(io::Error::other(format!("{total} bytes arrived with {between:?} in between")));
    }
    Ok(total as f64 / 1e6 / seconds)
}

fn start(words: &[&std::ffi::OsStr], stderr: Stdio) -> io::Result<Child> {
    Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).stderr(stderr).spawn()
}

/// The release build, made now.
fn goward() -> io::Result<PathBuf> {
    if let Some(path) = env::var_os("GOWARD") {
        return PathBuf::from(path).canonicalize();
    }
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target");
    let out = env::var_os("CARGO_TARGET_DIR").map_or(PathBuf::from(target), PathBuf::from);
    let triple = if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-musl" } else { "x86_64-unknown-linux-musl" };
    let made =
        Command::new(env!("CARGO")).args(["build", "--release", "--bin", "goward", "--target", triple]).status()?;
    if !made.success() {
        return Err(io::Error::other("goward could not be built"));
    }
    Ok(out.join(triple).join("release/goward"))
}
