//! How fast dumps are read: a clean one, one with log lines inside its tokens, and a log without any.
//! `cargo bench --bench goroutines`
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "this is a measurement")]

use goward::goroutines::{Output, Program, Reader, Summary};
use std::time::{Duration, Instant};

/// Each is measured so often; the median is told.
const ROUNDS: usize = 15;
/// As much as a pipe holds.
const READ: usize = 64 << 10;

#[derive(Default)]
struct Counted {
    bytes: usize,
    goroutines: u64,
}

impl Output for Counted {
    fn pass(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
    }
    fn dump(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
    }
    fn ended(&mut self, summary: Summary) {
        self.goroutines += summary.user + summary.system;
    }
}

fn read(text: &[u8]) -> (Duration, Counted) {
    let start = Instant::now();
    let mut counted = Counted::default();
    let mut reader = Reader::new(Program::default());
    text.chunks(READ).for_each(|chunk| reader.feed(chunk, &mut counted));
    reader.finish(&mut counted);
    (start.elapsed(), counted)
}

fn measure(name: &str, text: &[u8]) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (time, counted) = read(text);
        assert_eq!(counted.bytes, text.len());
        times.push((time, counted.goroutines));
    }
    times.sort();
    let (median, goroutines) = times[ROUNDS / 2];
    let rate = text.len() as f64 / 1e6 / median.as_secs_f64();
    println!(
        "{name:<44} {:>7.1} MB {goroutines:>7} goroutines {median:>10.1?} {rate:>7.0} MB/s",
        text.len() as f64 / 1e6
    );
}

fn dump(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/dumps/{name}.stderr", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A dump with its goroutines repeated, numbered anew.
fn larger(dump: &[u8], times: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(dump);
    let (head, rest) = text.split_at(text.find("goroutine ").unwrap());
    let (blocks, registers) = rest.split_at(rest.rfind("\n\n").unwrap() + 2);
    let mut larger = head.to_owned();
    for _ in 0..times {
        larger.push_str(blocks);
    }
    larger.push_str(registers);
    larger.into_bytes()
}

fn main() {
    let leak = dump("leak_chan_recv_1000");
    measure("10,000 goroutines", &larger(&leak, 10));
    measure("100,000 goroutines", &larger(&leak, 100));
    measure("log lines in every other token", &dump("json_interleaved"));
    measure(
        "a log without a dump",
        "2026/11/23 05:55:22 request 7 took 12ms and was answered with 200\n".repeat(1_000_000).as_bytes(),
    );
}
