//! gzip (RFC 1952) as it comes, one member after the other. Pure.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use std::io::{self, BufRead, Read};

/// What a stream in gzip's format holds.
pub struct Gzip<'a> {
    input: Box<dyn BufRead + 'a>,
    state: Box<InflateState>,
    /// A member was begun, and has not ended.
    inside: bool,
    /// The checksum of what the member has given so far, and how long that is.
    sum: u32,
    length: u32,
    tables: Box<Tables>,
}

/// The bits of a header's flags: what it has beside its ten bytes, and what no version of the format has.
const HEADER_SUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

impl<'a> Gzip<'a> {
    /// Reads from its beginning on.
    pub fn new(input: Box<dyn BufRead + 'a>) -> Gzip<'a> {
        Gzip {
            input,
            state: InflateState::new_boxed(DataFormat::Raw),
            inside: false,
            sum: 0,
            length: 0,
            tables: tables(),
        }
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a header. False: there is no more member.
    fn begin(&mut self) -> io::Result<bool> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let [0x1f, 0x8b, 8, flags, ..] = self.bytes::<10>()? else { return Err(wrong()) };
        if flags & RESERVED != 0 {
            return Err(wrong());
        }
        if flags & EXTRA != 0 {
            for _ in 0..u16::from_le_bytes(self.bytes()?) {
                self.bytes::<1>()?;
            }
        }
        for text in [NAME, COMMENT] {
            while flags & text != 0 && self.bytes()? != [0] {}
        }
        if flags & HEADER_SUM != 0 {
            self.bytes::<2>()?;
        }
        self.state.reset(DataFormat::Raw);
        (self.inside, self.sum, self.length) = (true, 0, 0);
        Ok(true)
    }

    fn end(&mut self) -> io::Result<()> {
        self.inside = false;
        let (sum, length) = (u32::from_le_bytes(self.bytes()?), u32::from_le_bytes(self.bytes()?));
        if (sum, length) == (self.sum, self.length) { Ok(()) } else { Err(wrong()) }
    }
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is damaged, or no gzip")
}

impl Read for Gzip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && (self.inside || self.begin()?) {
            let input = self.input.fill_buf()?;
            let is_end = input.is_empty();
            let result = inflate(&mut self.state, input, buffer, MZFlush::None);
            self.input.consume(result.bytes_consumed);
            let written = buffer.get(..result.bytes_written).unwrap_or_default();
            self.sum = checksum(&self.tables, self.sum, written);
            self.length = self.length.wrapping_add(written.len() as u32);
            let written = written.len();
            match result.status {
                Ok(MZStatus::StreamEnd) => self.end()?,
                // More input is wanted.
                Ok(_) | Err(MZError::Buf) if !is_end || written > 0 => {}
                Ok(_) | Err(MZError::Buf) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(_) => return Err(wrong()),
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// For CRC-32 of four bytes at a time: the first table is for the last of them, the others for those before it.
type Tables = [[u32; 256]; 4];

/// Made when they are needed: in the binary they would be 4 KB.
fn tables() -> Box<Tables> {
    let mut tables = Box::new([[0; 256]; 4]);
    for at in 0..1024 {
        let (table, byte) = (at / 256, at % 256);
        let mut sum = if table == 0 { byte as u32 } else { tables[table - 1][byte] };
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
        }
        tables[table][byte] = sum;
    }
    tables
}

fn checksum(tables: &Tables, sum: u32, bytes: &[u8]) -> u32 {
    let mut sum = !sum;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let [a, b, c, d] = (sum ^ u32::from_le_bytes(*word)).to_le_bytes().map(usize::from);
        sum = tables[3][a] ^ tables[2][b] ^ tables[1][c] ^ tables[0][d];
    }
    for byte in rest {
        sum = sum >> 8 ^ tables[0][usize::from(sum as u8 ^ byte)];
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use flate2::{Compression, GzBuilder};
    use std::io::Write;

    fn unpacked(packed: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        // A reader that gives a few bytes at a time.
        let mut gzip = Gzip::new(Box::new(io::BufReader::with_capacity(piece, packed)));
        let mut all = Vec::new();
        gzip.read_to_end(&mut all).map(|_| all)
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 21) as u8).collect()
    }

    #[test]
    fn what_was_packed_comes_out() {
        assert_eq!(checksum(&tables(), 0, b"123456789"), 0xcbf4_3926);
        for length in [0, 1, 3, 70_000, 300_000] {
            for level in [Compression::none(), Compression::fast(), Compression::best()] {
                let content = noise(length);
                let mut gzip = GzBuilder::new().filename("a").comment("b").extra(vec![1; 300]).write(Vec::new(), level);
                gzip.write_all(&content).unwrap();
                let packed = gzip.finish().unwrap();
                for piece in [1, 7, 65536] {
                    assert!(unpacked(&packed, piece).unwrap() == content, "{length} {piece}");
                }
                let twice = [packed.as_slice(), &packed].concat();
                assert!(unpacked(&twice, 100).unwrap() == [content.as_slice(), &content].concat());
            }
        }
    }

    #[test]
    fn what_is_damaged_is_said() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&noise(5000)).unwrap();
        let packed = gzip.finish().unwrap();
        for length in 1..packed.len() {
            let error = unpacked(&packed[..length], 64).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
        // Four of the ten bytes of the header are a time, a kind of compression and of system.
        for at in (0..4).chain(10..packed.len()) {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x41;
            assert!(unpacked(&damaged, 64).is_err(), "{at}");
        }
        assert!(unpacked(&[packed.as_slice(), b"x"].concat(), 64).is_err());
    }
}
