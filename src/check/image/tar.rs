//! tar, as layers and archives of images have it: ustar, with the long names of PAX and of GNU. Pure: it reads from a
//! [`Source`], and never keeps more than a header.

use std::io::{self, Read};

/// Bytes in order, of which some can be passed over.
pub(crate) trait Source: Read {
    /// Passes over so many.
    fn skip(&mut self, count: u64) -> io::Result<()>;
}

/// An entry's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// As it stands there, without `./` before and `/` behind.
    pub(crate) path: String,
    pub(crate) link: String,
    /// `0` a file, `1` a hard link, `2` a symbolic one, `5` a directory, `S` a sparse file, in whichever way it is written:
    /// `size` is its own then, and what stands at `at` has no holes.
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// Where its content begins.
    pub(crate) at: u64,
}

/// A reader of entries.
pub(crate) struct Tar<S> {
    pub(crate) source: S,
    at: u64,
    /// Of the entry before: content that was not read, and what fills its last block.
    rest: u64,
}

const BLOCK: u64 = 512;
/// No name is longer, no PAX header has more.
const LONGEST: u64 = 1 << 20;
/// PATH_MAX: nobody can unpack a longer one.
const LONGEST_NAME: usize = 4096;

impl<S: Source> Tar<S> {
    pub(crate) fn new(source: S) -> Tar<S> {
        Tar { source, at: 0, rest: 0 }
    }

    /// The next entry; None at the end.
    ///
    /// # Errors
    /// The source's own, and what is no tar.
    pub(crate) fn next(&mut self) -> io::Result<Option<Header>> {
        let (mut path, mut link, mut size) = (None, None, None);
        let (mut uid, mut gid, mut name, mut real) = (None, None, None, None);
        loop {
            let rest = std::mem::take(&mut self.rest);
            self.source.skip(rest)?;
            self.at += rest;
            let mut block = [0; BLOCK as usize];
            if !self.fill(&mut block)? {
                return Ok(None);
            }
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let mut header = parse(&block).ok_or_else(|| io::Error::other("not a tar archive, or a damaged one"))?;
            header.size = size.unwrap_or(header.size);
            if header.kind == b'S' {
                self.sparse(&block)?;
                real = number(&block[483..495]);
            }
            header.at = self.at;
            self.rest = header.size.saturating_add(BLOCK - 1) / BLOCK * BLOCK;
            match header.kind {
                b'x' => {
                    let records = self.content(LONGEST)?;
                    for (key, value) in pax(&records) {
                        match key {
                            "path" => path = Some(value.to_owned()),
                            "linkpath" => link = Some(value.to_owned()),
                            "size" => size = value.parse().ok(),
                            "uid" => uid = value.parse().ok(),
                            "gid" => gid = value.parse().ok(),
                            "GNU.sparse.name" => name = Some(value.to_owned()),
                            "GNU.sparse.size" | "GNU.sparse.realsize" => real = value.parse().ok(),
                            _ => {}
                        }
                    }
                }
                b'L' => path = Some(crate::elf::text(&self.content(LONGEST)?, 0)),
                b'K' => link = Some(crate::elf::text(&self.content(LONGEST)?, 0)),
                b'g' => {}
                _ => {
                    let name = name.or(path).unwrap_or(header.path);
                    let name = name.trim_start_matches("./").trim_matches('/');
                    header.path = if name == "." { String::new() } else { name.to_owned() };
                    header.link = link.unwrap_or(header.link);
                    (header.uid, header.gid) = (uid.unwrap_or(header.uid), gid.unwrap_or(header.gid));
                    if header.path.len().max(header.link.len()) > LONGEST_NAME {
                        return Err(io::Error::other("a damaged tar archive: a name in it is longer than 4096 bytes"));
                    }
                    if matches!(header.kind, b'1'..=b'6') {
                        (header.size, self.rest) = (0, 0);
                    } else if let Some(real) = real {
                        (header.kind, header.size) = (b'S', real);
                    }
                    return Ok(Some(header));
                }
            }
        }
    }

    /// The content of the entry whose header came last; once, and at most so much of it.
    pub(crate) fn content(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let length = self.rest.min(most);
        let mut bytes = Vec::new();
        let read = (&mut self.source as &mut dyn Read).take(length).read_to_end(&mut bytes)? as u64;
        self.at += read;
        self.rest -= read;
        if read < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    /// An old sparse file has more of its map in blocks that follow.
    fn sparse(&mut self, block: &[u8; BLOCK as usize]) -> io::Result<()> {
        let mut more = block[482] != 0;
        while more {
            let mut map = [0; BLOCK as usize];
            if !self.fill(&mut map)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            more = map[504] != 0;
        }
        Ok(())
    }

    /// False at the very end.
    fn fill(&mut self, block: &mut [u8; BLOCK as usize]) -> io::Result<bool> {
        let mut length = 0;
        while length < block.len() {
            match self.source.read(&mut block[length..]) {
                Ok(0) if length == 0 => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += BLOCK;
        Ok(true)
    }
}

fn parse(block: &[u8; BLOCK as usize]) -> Option<Header> {
    let sum: u32 =
        block.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) }).sum();
    // A fuzzer would never get past it.
    if number(&block[148..156])? != u64::from(sum) && !cfg!(fuzzing) {
        return None;
    }
    let text = |range: std::ops::Range<usize>| crate::elf::text(&block[range], 0);
    let prefix = if &block[257..263] == b"ustar\0" { text(345..500) } else { String::new() };
    let name = text(0..100);
    Some(Header {
        path: if prefix.is_empty() { name } else { [prefix.as_str(), "/", &name].concat() },
        link: text(157..257),
        kind: if block[156] == 0 { b'0' } else { block[156] },
        mode: number(&block[100..108])? as u32 & 0o7777,
        uid: number(&block[108..116])? as u32,
        gid: number(&block[116..124])? as u32,
        size: number(&block[124..136])?,
        at: 0,
    })
}

/// In octal, or in 256s where the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        return Some(field.iter().skip(1).fold(0, |number: u64, byte| number << 8 | u64::from(*byte)));
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| !matches!(byte, b' ' | 0));
    digits.into_iter().try_fold(0u64, |number, byte| {
        (b'0'..=b'7').contains(byte).then(|| number.wrapping_mul(8).wrapping_add(u64::from(byte - b'0')))
    })
}

/// `27 path=a/long/name\n`
fn pax(records: &[u8]) -> Vec<(&str, &str)> {
    let mut rest = records;
    let mut pairs = Vec::new();
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let Some(record) = length.and_then(|length| rest.get(space + 1..length.checked_sub(1)?)) else { break };
        pairs.extend(std::str::from_utf8(record).ok().and_then(|record| record.split_once('=')));
        rest = rest.get(length.unwrap_or_default()..).unwrap_or_default();
    }
    pairs
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Source for &[u8] {
        fn skip(&mut self, count: u64) -> io::Result<()> {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            *self = self.get(count..).ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(())
        }
    }

    pub(crate) fn block(name: &str, kind: u8, size: usize, link: &str) -> Vec<u8> {
        let mut block = vec![0u8; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0004755");
        block[108..115].copy_from_slice(b"0000012");
        block[116..123].copy_from_slice(b"0000013");
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = kind;
        block[157..157 + link.len()].copy_from_slice(link.as_bytes());
        block[257..263].copy_from_slice(b"ustar\0");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    pub(crate) fn padded(content: &[u8]) -> Vec<u8> {
        let mut bytes = content.to_vec();
        bytes.resize(content.len().div_ceil(512) * 512, 0);
        bytes
    }

    fn archive() -> Vec<u8> {
        let long = "a/".repeat(80) + "name";
        let record = format!("path={long}\n");
        let length = record.len() + 4;
        let record = format!("{length} {record}");
        [
            block("./file", b'0', 5, ""),
            padded(b"hello"),
            block("pax", b'x', record.len(), ""),
            padded(record.as_bytes()),
            block("short", b'0', 0, ""),
            block("././@LongLink", b'L', long.len() + 1, ""),
            padded(format!("{long}\0").as_bytes()),
            block("cut", b'5', 0, ""),
            vec![0; 1024],
        ]
        .concat()
    }

    #[test]
    fn names_and_content() {
        let bytes = archive();
        let mut tar = Tar::new(bytes.as_slice());
        let file = tar.next().unwrap().unwrap();
        assert_eq!(
            (file.path.as_str(), file.mode, file.uid, file.gid, file.size, file.at),
            ("file", 0o4755, 10, 11, 5, 512)
        );
        assert_eq!(tar.content(3).unwrap(), b"hel");
        let long = tar.next().unwrap().unwrap();
        assert!(long.path.len() == 164 && long.path.ends_with("/name"), "{}", long.path);
        let directory = tar.next().unwrap().unwrap();
        assert_eq!((directory.path.len(), directory.kind), (164, b'5'));
        assert_eq!(tar.next().unwrap(), None);
    }

    #[test]
    fn what_pax_says_comes_first() {
        let record = |text: &str| format!("{} {text}\n", text.len() + 4);
        let records = ["uid=1000650000", "gid=3000000000", "GNU.sparse.realsize=70000", "GNU.sparse.name=a/server"];
        let records = records.map(record).concat();
        let bytes = [
            block("pax", b'x', records.len(), ""),
            padded(records.as_bytes()),
            block("GNUSparseFile.7/server", b'0', 5, ""),
            padded(b"holes"),
            block("next", b'0', 0, ""),
        ]
        .concat();
        let mut tar = Tar::new(bytes.as_slice());
        let file = tar.next().unwrap().unwrap();
        assert_eq!((file.path.as_str(), file.uid, file.gid), ("a/server", 1_000_650_000, 3_000_000_000));
        assert_eq!((file.kind, file.size), (b'S', 70_000));
        let next = tar.next().unwrap().unwrap();
        assert_eq!((next.path.as_str(), next.kind, next.uid), ("next", b'0', 10));
    }

    #[test]
    fn what_is_no_tar_is_said() {
        let text = [b'x'; 600];
        assert!(Tar::new(text.as_slice()).next().is_err());
        assert!(Tar::new(&archive()[..700]).next().is_ok());
        assert_eq!(Tar::new(&[][..]).next().unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_damage_is_a_panic(at in 0usize..3000, value: u8, cut in 0usize..4000) {
            let mut bytes = archive();
            let length = bytes.len();
            bytes[at % length] = value;
            let mut tar = Tar::new(&bytes[..cut.min(length)]);
            for _ in 0..10 {
                if !matches!(tar.next(), Ok(Some(_))) { break; }
                let _ = tar.content(10);
            }
        }
    }
}
