//! Records what is read of a program, in the form that src/live/recording.rs plays.

use goward::live::{Memory, Program, Source, parse_maps, print};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// What was read, in blocks of this size.
const BLOCK: u64 = 64;

/// A recording of a process, and how its goroutines are printed.
pub(crate) fn record(pid: u32) -> (Vec<u8>, String) {
    let open = |name: &str| File::open(format!("/proc/{pid}/{name}")).unwrap();
    let (memory, file) = (Recorder::of(open("mem")), Recorder::of(open("exe")));
    // Without the names of files: they are nobody's business.
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let fields = |line: &str| line.split_whitespace().take(5).collect::<Vec<_>>().join(" ") + "\n";
    let maps = maps.lines().map(fields).collect::<String>().into_bytes();
    let parsed = parse_maps(&maps);
    let read = |address: u64, buffer: &mut [u8]| memory.read(address, buffer);
    let source = Source { memory: &read as &dyn Memory, maps: &parsed, now: None };
    let program = Program::open(&source, &mut |offset, buffer| file.read(offset, buffer) == buffer.len()).unwrap();
    let mut printed = String::new();
    print(&program, None, &mut |goroutine| printed.push_str(goroutine)).unwrap();
    let mut recording = Vec::new();
    let mut add = |kind: u8, first: u64, second: u64, bytes: &[u8]| {
        recording.push(kind);
        recording.extend_from_slice(&first.to_le_bytes());
        recording.extend_from_slice(&second.to_le_bytes());
        recording.extend_from_slice(bytes);
    };
    add(b'M', 0, maps.len() as u64, &maps);
    for (kind, pieces) in [(b'f', file.pieces()), (b'm', memory.pieces())] {
        for (address, bytes) in pieces {
            let zeros = kind == b'm' && bytes.iter().all(|byte| *byte == 0);
            add(if zeros { b'z' } else { kind }, address, bytes.len() as u64, if zeros { &[] } else { &bytes });
        }
    }
    (recording, printed)
}

/// A file, and what was read of it.
struct Recorder {
    file: File,
    blocks: RefCell<BTreeMap<u64, Vec<u8>>>,
}

impl Recorder {
    fn of(file: File) -> Recorder {
        Recorder { file, blocks: RefCell::default() }
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let Ok(read) = self.file.read_at(buffer, address) else { return 0 };
        let mut blocks = self.blocks.borrow_mut();
        for block in address / BLOCK..(address + read as u64).div_ceil(BLOCK) {
            let mut bytes = vec![0; BLOCK as usize];
            // The last one of a file may be shorter.
            let there = self.file.read_at(&mut bytes, block * BLOCK).unwrap_or(0);
            bytes.truncate(there);
            blocks.entry(block).or_insert(bytes);
        }
        read
    }

    /// What was read, neighbours together: zeros with zeros, others with others.
    fn pieces(&self) -> Vec<(u64, Vec<u8>)> {
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let mut pieces: Vec<(u64, Vec<u8>)> = Vec::new();
        for (block, bytes) in self.blocks.borrow().iter() {
            let address = block * BLOCK;
            match pieces.last_mut() {
                Some((at, known))
                    if *at + known.len() as u64 == address
                        && is_zero(known) == is_zero(bytes)
                        && known.len() < 1 << 19 =>
                {
                    known.extend_from_slice(bytes);
                }
                _ => pieces.push((address, bytes.clone())),
            }
        }
        pieces
    }
}
