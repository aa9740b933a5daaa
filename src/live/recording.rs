//! Memory that was recorded, for tests and for the fuzzer: what was read of a program once, and no more. tests/live.rs records
//! it.
//!
//! Records of one byte, two numbers of 64 bits, and bytes: `m` memory at an address, `f` the program's file at an offset (the
//! second number is how many bytes follow), `z` zeros in memory, `M` the text of /proc/PID/maps, `t` the time.

use super::{Mapping, Memory, Program, Source, parse_maps};

/// A program as it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    memory: Vec<(u64, Vec<u8>)>,
    file: Vec<(u64, Vec<u8>)>,
    maps: Vec<Mapping>,
    now: u64,
}

/// Zeros are never longer than what is searched at once.
const MOST_ZEROS: u64 = 1 << 20;

impl Recording {
    /// Reads a recording, as far as it makes sense: the fuzzer's do not.
    pub(crate) fn parse(bytes: &[u8]) -> Recording {
        let mut recording = Recording::default();
        let mut rest = bytes;
        while let Some((head, after)) = rest.split_first_chunk::<17>() {
            let [first, second] = [1, 9].map(|at| super::memory::word(head, at).unwrap_or(0));
            let count = if matches!(head[0], b'z' | b't') { 0 } else { usize::try_from(second).unwrap_or(usize::MAX) };
            let (piece, after) = after.split_at(count.min(after.len()));
            match head[0] {
                b'm' => recording.memory.push((first, piece.to_vec())),
                b'z' => recording.memory.push((first, vec![0; second.min(MOST_ZEROS) as usize])),
                b'f' => recording.file.push((first, piece.to_vec())),
                b'M' => recording.maps = parse_maps(piece),
                b't' => recording.now = first,
                _ => {}
            }
            rest = after;
        }
        recording.memory.sort_by_key(|(at, _)| *at);
        recording.file.sort_by_key(|(at, _)| *at);
        recording
    }

    /// Opens the program, and does with it what is to be done.
    pub(crate) fn look<T>(&self, work: impl FnOnce(&Program<'_>) -> Result<T, String>) -> Result<T, String> {
        self.look_at(self, work)
    }

    /// The same with other memory, which may change while it is read.
    pub(crate) fn look_at<T>(
        &self,
        memory: &dyn Memory,
        work: impl FnOnce(&Program<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        let source = Source { memory, maps: &self.maps, now: Some(self.now) };
        let program = Program::open(&source, &mut |offset, buffer| read(&self.file, offset, buffer) == buffer.len())?;
        work(&program)
    }

    /// Changes words of the memory that was recorded.
    #[cfg(test)]
    pub(crate) fn write(&mut self, address: u64, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let place = self.memory.iter_mut().rev().find(|(at, _)| *at <= address);
        let (at, piece) = place.expect("it was recorded");
        piece[(address - *at) as usize..][..bytes.len()].copy_from_slice(&bytes);
    }

    /// Changes a text wherever it is in the memory that was recorded.
    #[cfg(test)]
    pub(crate) fn replace(&mut self, from: &[u8], to: &[u8]) {
        assert_eq!(from.len(), to.len());
        for (_, piece) in &mut self.memory {
            for at in memchr::memmem::find_iter(&piece.clone(), from) {
                piece[at..at + to.len()].copy_from_slice(to);
            }
        }
    }

    /// Changes a byte of the memory that was recorded.
    pub(crate) fn corrupt(&mut self, at: usize, to: u8) {
        let total: usize = self.memory.iter().map(|(_, bytes)| bytes.len()).sum();
        let mut at = at % total;
        for (_, bytes) in &mut self.memory {
            match bytes.get_mut(at) {
                Some(byte) => return *byte = to,
                None => at -= bytes.len(),
            }
        }
    }
}

impl Memory for Recording {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        read(&self.memory, address, buffer)
    }
}

fn read(pieces: &[(u64, Vec<u8>)], from: u64, buffer: &mut [u8]) -> usize {
    let mut done = 0;
    while done < buffer.len() {
        let Some(address) = from.checked_add(done as u64) else { break };
        let after = pieces.partition_point(|(at, _)| *at <= address);
        let Some((at, bytes)) = after.checked_sub(1).and_then(|at| pieces.get(at)) else { break };
        let there = bytes.get((address - at) as usize..).unwrap_or_default();
        let count = there.len().min(buffer.len() - done);
        if count == 0 {
            break;
        }
        buffer[done..done + count].copy_from_slice(&there[..count]);
        done += count;
    }
    done
}
