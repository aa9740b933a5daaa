//! What the Go linker wrote into a program about how it was built: debug/buildinfo's knowledge, for ELF files.
//! Pure: the file is read through a function, a piece at a time, and nothing in it is trusted.

use crate::elf::{self, Elf};
use object::elf::PT_LOAD;

/// What is known of a Go program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// The version of the toolchain, like `go1.27.3`.
    pub go: String,
    /// The main package's path: `github.com/acme/shop/cmd/server`, or `command-line-arguments`.
    pub path: Option<String>,
    /// The main module's path: `github.com/acme/shop`. None for `go build main.go`.
    pub module: Option<String>,
    /// Its version: `v1.2.3`, or `(devel)`.
    pub version: Option<String>,
    /// How it was built: `-trimpath`, `CGO_ENABLED`, `vcs.revision` and so on, in the linker's own words.
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    /// One of the settings.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// What `-X` of -ldflags sets: `main.version` and its value.
    pub fn stamps(&self) -> Vec<(&str, &str)> {
        let words = split(self.setting("-ldflags").unwrap_or_default());
        let mut stamps = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let pair = match word.strip_prefix("-X").or_else(|| word.strip_prefix("--X")) {
                Some("") => words.next(),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            stamps.extend(pair.and_then(|pair| pair.split_once('=')));
        }
        stamps
    }
}

/// Words with quotes around them or not, as cmd/go splits -ldflags.
fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let quoted = matches!(first, '"' | '\'');
        let (start, end) = if quoted {
            (1, rest.get(1..).and_then(|rest| rest.find(first)).map_or(rest.len(), |end| end + 1))
        } else {
            (0, rest.find(char::is_whitespace).unwrap_or(rest.len()))
        };
        words.extend(rest.get(start..end));
        rest = rest.get(end + usize::from(quoted)..).unwrap_or_default().trim_start();
    }
    words
}

/// Fills the buffer from this offset of the file, whole; false if that cannot be.
pub use crate::elf::ReadAt;

/// debug/buildinfo: `buildInfoMagic`, at an offset that is a multiple of 16.
const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGN: usize = 16;
const HEADER: usize = 32;
/// Flags, in byte 15: the strings follow the header (Go 1.18 and later). Earlier: pointers to Go strings.
const INLINE: u8 = 2;
const BIG: u8 = 1;
/// The information of a program with a thousand dependencies has some 100 KiB; how it was built comes last.
const ENOUGH: usize = 1024 * 1024;
/// Where the section headers are gone it is looked for in the beginning of the data, as debug/buildinfo does: in so much of all
/// segments together.
const SEARCHED: usize = 1024 * 1024;

/// Reads it. None: no Go program, or a damaged one.
pub fn read(read_at: ReadAt<'_>) -> Option<BuildInfo> {
    let elf = Elf::read(read_at)?;
    of(&elf, read_at)
}

/// Reads it from a file whose headers are known.
pub fn of(elf: &Elf, read_at: ReadAt<'_>) -> Option<BuildInfo> {
    let data = by_section(elf, read_at).or_else(|| by_segment(elf, read_at))?;
    if data.get(15)? & INLINE != 0 {
        return understand(&data);
    }
    // Two pointers: to the string of the version, and to that of the modules.
    let size = usize::from(*data.get(14)?);
    if !matches!(size, 4 | 8) || size != elf.pointer() || (data.get(15)? & BIG != 0) != elf.is_big() {
        return None;
    }
    let mut string = |at: usize| -> Option<Vec<u8>> {
        let header = elf.offset_of(elf.number(data.get(at..at + size)?))?;
        let header = elf::piece(read_at, header, 2 * size)?;
        let text = elf.offset_of(elf.number(header.get(..size)?))?;
        elf::beginning(read_at, text, elf.number(header.get(size..)?), ENOUGH)
    };
    let go = string(ALIGN)?;
    let text = string(ALIGN + size).unwrap_or_default();
    Some(interpret(&go, &text))
}

fn by_section(elf: &Elf, read_at: ReadAt<'_>) -> Option<Vec<u8>> {
    let section = elf.section(".go.buildinfo")?;
    let data = elf::beginning(read_at, section.offset, section.size, ENOUGH)?;
    data.starts_with(MAGIC).then_some(data)
}

fn by_segment(elf: &Elf, read_at: ReadAt<'_>) -> Option<Vec<u8>> {
    let writable = elf.segments.iter().filter(|segment| segment.kind == PT_LOAD && segment.writable);
    let mut left = SEARCHED;
    for segment in writable {
        let Some(data) = elf::beginning(read_at, segment.offset, segment.size, left) else { continue };
        left -= data.len();
        let at = (0..data.len()).step_by(ALIGN).find(|at| data.get(*at..).is_some_and(|d| d.starts_with(MAGIC)));
        if let Some(at) = at {
            return data.get(at..).map(<[u8]>::to_vec);
        }
    }
    None
}

fn understand(data: &[u8]) -> Option<BuildInfo> {
    if !data.starts_with(MAGIC) || data.get(15)? & INLINE == 0 {
        return None;
    }
    let (go, rest) = string(data.get(HEADER..)?)?;
    let (text, _) = string(rest).unwrap_or_default();
    Some(interpret(go, text))
}

fn interpret(go: &[u8], text: &[u8]) -> BuildInfo {
    // The text stands between two marks of 16 bytes, by which the runtime finds it.
    let text = match text.len() {
        33.. if text[text.len() - 17] == b'\n' => &text[16..text.len() - 16],
        _ => text,
    };
    let text = String::from_utf8_lossy(text);
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
    let module = value("mod").map(|module| module.split('\t'));
    let settings = text.lines().filter_map(|line| {
        let (key, value) = line.strip_prefix("build\t")?.split_once('=')?;
        Some((key.to_owned(), unquote(value)))
    });
    BuildInfo {
        go: String::from_utf8_lossy(go).into_owned(),
        path: value("path").map(str::to_owned),
        module: module.clone().and_then(|mut module| module.next()).map(str::to_owned),
        version: module.and_then(|mut module| module.nth(1)).filter(|version| !version.is_empty()).map(str::to_owned),
        settings: settings.collect(),
    }
}

/// strconv.Quote, as far as flags need it; a backquoted string is as it stands.
fn unquote(value: &str) -> String {
    if let Some(raw) = value.strip_prefix('`').and_then(|value| value.strip_suffix('`')) {
        return raw.to_owned();
    }
    let Some(inside) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(c) => c,
                None => break,
            },
            c => c,
        });
    }
    out
}

/// A string with its length before it, in LEB128; and what follows. One that is cut is what there is of it.
fn string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0usize;
    for (at, byte) in data.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let rest = data.get(at + 1..)?;
            return Some(rest.split_at(length.min(rest.len())));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header, the version, and a text between its marks.
    fn section() -> Vec<u8> {
        let text = "path\texample.com/shop/cmd/server\nmod\texample.com/shop\tv1.2.3\t\ndep\tx\ty\nbuild\tCGO_ENABLED=0\nbuild\t-ldflags=\"-s -X main.version=1.2 -X 'main.by=a b'\"\n";
        let text = [[b'<'; 16].as_slice(), text.as_bytes(), &[b'>'; 16]].concat();
        let mut data = [MAGIC, &[8, INLINE], &[0; 16]].concat();
        data.push(8);
        data.extend(b"go1.27.3");
        data.push(text.len() as u8 & 0x7f | 0x80);
        data.push((text.len() >> 7) as u8);
        data.extend(text);
        data
    }

    /// Go before 1.18: pointers to strings, and no section headers. 32 bits, most significant byte first.
    fn old() -> Vec<u8> {
        let mut file = vec![0u8; 0x200];
        file[..7].copy_from_slice(b"\x7fELF\x01\x02\x01");
        let mut put = |at: usize, value: u32| file[at..at + 4].copy_from_slice(&value.to_be_bytes());
        put(16, 2 << 16 | 8); // ET_EXEC, EM_MIPS
        put(20, 1);
        put(28, 52); // e_phoff
        put(40, 52 << 16 | 32); // e_ehsize, e_phentsize
        put(44, 1 << 16); // e_phnum
        // PT_LOAD: offset 0x80 at 0x10080, writable.
        for (at, value) in [(52, 1), (56, 0x80), (60, 0x10080), (68, 0x180), (72, 0x180), (76, 6)] {
            put(at, value);
        }
        put(0x90 + 16, 0x10100);
        put(0x90 + 20, 0x10108);
        for (at, value) in [(0x100, 0x10120), (0x104, 6), (0x108, 0x10130), (0x10c, 36)] {
            put(at, value);
        }
        file[0x90..0x90 + 14].copy_from_slice(MAGIC);
        (file[0x9e], file[0x9f]) = (4, BIG);
        file[0x120..0x126].copy_from_slice(b"go1.15");
        let text = [b"<".repeat(16).as_slice(), b"a\tb\n", &b">".repeat(16)].concat();
        file[0x130..0x130 + text.len()].copy_from_slice(&text);
        file
    }

    fn read_bytes(bytes: &[u8]) -> Option<BuildInfo> {
        read(&mut |offset, buffer| {
            let part = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)?.get(..buffer.len()));
            part.is_some_and(|part| {
                buffer.copy_from_slice(part);
                true
            })
        })
    }

    #[test]
    fn pointers_are_followed() {
        assert_eq!(read_bytes(&old()).unwrap().go, "go1.15");
    }

    #[test]
    fn the_section_is_understood() {
        let info = understand(&section()).unwrap();
        assert_eq!(info.go, "go1.27.3");
        assert_eq!(info.path.as_deref(), Some("example.com/shop/cmd/server"));
        assert_eq!(info.module.as_deref(), Some("example.com/shop"));
        assert_eq!(info.version.as_deref(), Some("v1.2.3"));
        assert_eq!(info.setting("CGO_ENABLED"), Some("0"));
        assert_eq!(info.stamps(), [("main.version", "1.2"), ("main.by", "a b")]);
    }

    #[test]
    fn what_is_cut_is_no_panic() {
        let whole = section();
        for length in 0..whole.len() {
            let info = understand(&whole[..length]);
            assert_eq!(info.is_some(), length > HEADER, "{length}");
        }
    }

    #[test]
    fn a_program_that_is_not_gos_has_none() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(read_bytes(&own), None);
    }

    proptest! {
        #[test]
        fn no_file_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048), elf: bool) {
            let mut bytes = bytes;
            if elf && bytes.len() > 64 {
                bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            }
            let _ = understand(&[MAGIC, &[8, INLINE], &bytes].concat());
            let _ = read_bytes(&bytes);
        }

        #[test]
        fn a_damaged_file_is_no_panic(at in 0usize..0x200, value: u8, at2 in 0usize..0x200, value2: u8) {
            let mut bytes = old();
            (bytes[at], bytes[at2]) = (value, value2);
            let _ = read_bytes(&bytes);
            let _ = read_bytes(&bytes[..at]);
        }
    }
}
