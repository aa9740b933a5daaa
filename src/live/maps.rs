//! What is mapped in a process: /proc/PID/maps. Pure.

/// A piece of address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// It can be read.
    pub readable: bool,
    /// It can be written.
    pub writable: bool,
    /// Where in its file it begins; none for memory without a file.
    pub offset: Option<u64>,
}

/// A process with more mappings than this is not read to its end.
pub(super) const MOST: usize = 1 << 16;

/// The lines that are understood, in the order of addresses.
pub fn parse(text: &[u8]) -> Vec<Mapping> {
    text.split(|b| *b == b'\n').filter_map(line).take(MOST).collect()
}

/// `7f2c1a000000-7f2c1a021000 rw-p 00000000 00:00 0    [heap]`. The name may hold any bytes, and is not looked at.
fn line(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.split(|b| *b == b' ').filter(|field| !field.is_empty());
    let mut text = || std::str::from_utf8(fields.next()?).ok();
    let (addresses, rights, offset, _device, inode) = (text()?, text()?, text()?, text()?, text()?);
    let (start, end) = addresses.split_once('-')?;
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let (start, end) = (hex(start)?, hex(end)?);
    let mapping = Mapping {
        start,
        end,
        readable: rights.starts_with('r'),
        writable: rights.as_bytes().get(1) == Some(&b'w'),
        offset: hex(offset).filter(|_| inode != "0"),
    };
    (start < end).then_some(mapping)
}
