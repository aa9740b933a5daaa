//! Strings inside lines: where one begins and ends, and what it says without its escapes.

use super::normal::{find, header_in};
use crate::encoded::decoded;
use std::borrow::Cow;

/// The string around a place in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quoted {
    /// Where its opening quote is.
    pub(super) open: usize,
    /// Where its closing one is; None if it is not in this line.
    pub(super) close: Option<usize>,
}

/// The string in which a place is, if it is in one.
pub(super) fn around(line: &[u8], at: usize) -> Option<Quoted> {
    let mut from = 0;
    loop {
        let open = from + line.get(from..at)?.iter().position(|b| *b == b'"')?;
        let close = closing(line, open + 1);
        match close {
            Some(close) if close < at => from = close + 1,
            _ => return Some(Quoted { open, close }),
        }
    }
}

/// Where the string that begins here ends: a quote behind a backslash is inside, and two of them are one inside (CSV).
pub(super) fn closing(line: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        let escaped = line.get(at) == Some(&b'\\') || at > from && line.get(at + 1) == Some(&b'"');
        if !escaped {
            return Some(at);
        }
        at += 2;
    }
}

/// What a string says. Where backslashes were written twice, and twice again, nothing is escaped any more in the end.
pub(super) fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..4 {
        let quotes = find(&text, b"\"\"").is_some();
        let lines = |text: &[u8]| find(text, b":\\n").is_some() || find(text, b")\\n").is_some();
        if !quotes && memchr::memchr(b'\\', &text).is_none() {
            break;
        }
        let once = unescaped_once(&text);
        let again = lines(&once) || find(&once, b"\\\\n").is_some();
        text = Cow::Owned(once);
        if !again {
            break;
        }
    }
    text
}

fn unescaped_once(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(special) = memchr::memchr2(b'"', b'\\', rest) {
        let (plain, after) = rest.split_at_checked(special).unwrap_or_default();
        bytes.extend_from_slice(plain);
        let used = match after {
            [b'"', b'"', ..] => {
                bytes.push(b'"');
                2
            }
            [b'\\', b'u', ..] => unicode(after, &mut bytes),
            [b'\\', b'x', ..] => number(after, 2..4, 16, &mut bytes),
            [b'\\', b'0'..=b'3', ..] => number(after, 1..4, 8, &mut bytes),
            [b'\\', b, ..] => {
                bytes.push(match b {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'e' => 0x1b,
                    other => *other,
                });
                2
            }
            _ => 0,
        };
        if used == 0 {
            bytes.extend(after.first());
        }
        rest = after.get(used.max(1)..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// `\x09`, `\011`. Returns how long it is; 0 if it is none.
fn number(after: &[u8], digits: std::ops::Range<usize>, radix: u32, bytes: &mut Vec<u8>) -> usize {
    let end = digits.end;
    let text = after.get(digits).and_then(|digits| std::str::from_utf8(digits).ok());
    match text.and_then(|text| u8::from_str_radix(text, radix).ok()) {
        Some(byte) => {
            bytes.push(byte);
            end
        }
        None => 0,
    }
}

/// `\u00e9`, or two of them for what is beyond U+FFFF.
fn unicode(after: &[u8], bytes: &mut Vec<u8>) -> usize {
    let unit = |at: usize| {
        let digits = after.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(first) = unit(0) else { return 0 };
    let second = unit(6).filter(|second| (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(second));
    let units: Vec<u16> = std::iter::once(first).chain(second).collect();
    bytes.extend_from_slice(String::from_utf16_lossy(&units).as_bytes());
    6 * units.len()
}

/// A line whose line ends are written as escapes, though it is in no quotes: what follows a header tells which.
pub(super) fn without_quotes(line: &[u8], end_of_header: usize) -> Option<Cow<'_, [u8]>> {
    let after = line.get(end_of_header..)?;
    let backslashes = after.iter().take_while(|b| **b == b'\\').count();
    if backslashes > 0 && after.get(backslashes..)?.starts_with(b"n") {
        return Some(unescaped(line));
    }
    let pairs: [(&[u8], u8); 2] = match after {
        [b'#', b'0', b'1', b'2', ..] => [(b"#012", b'\n'), (b"#011", b'\t')],
        [b'%', b'0', b'A' | b'a' | b'D' | b'd', ..] => return Some(Cow::Owned(decoded(line, b'%'))),
        [b'^', b'J', ..] => [(b"^J", b'\n'), (b"^I", b'\t')],
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.first() {
        let escape = pairs.iter().find(|(text, _)| rest.starts_with(text));
        bytes.push(escape.map_or(*first, |(_, byte)| *byte));
        rest = rest.get(escape.map_or(1, |(text, _)| text.len())..).unwrap_or_default();
    }
    Some(Cow::Owned(bytes))
}

/// A dump in a URL or in the data of a form, as far as its value goes: `goroutine%201%20%5Brunning%5D%3A%0A`, or with `+` for a blank.
pub(super) fn in_url(line: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', line)?;
    let (at, plus) = match find(line, b"goroutine%20") {
        Some(at) => (at, false),
        None => (find(line, b"goroutine+")?, true),
    };
    let (before, after) = line.split_at_checked(at)?;
    let ends = |b: &u8| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'&' | b'<' | b'>');
    let start = before.iter().rposition(|b| ends(b) || matches!(b, b'=' | b'?')).map_or(0, |at| at + 1);
    let end = at + after.iter().position(ends).unwrap_or(after.len());
    let mut value = line.get(start..end)?.to_vec();
    if plus {
        value.iter_mut().filter(|b| **b == b'+').for_each(|b| *b = b' ');
    }
    let text = decoded(&value, b'%');
    (memchr::memchr(b'\n', &text).is_some() && header_in(&text).is_some()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        String::from_utf8(unescaped(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn the_string_around_a_place() {
        let line = br#"a="b\"c" m="x goroutine" d=e"#;
        assert_eq!(around(line, 15), Some(Quoted { open: 11, close: Some(23) }));
        assert_eq!(around(br#""t","a ""b"" goroutine""#, 15), Some(Quoted { open: 4, close: Some(22) }));
        assert_eq!(around(br#"{"a":"","m":"goroutine"#, 13), Some(Quoted { open: 12, close: None }));
        assert_eq!(around(b"plain goroutine", 6), None);
    }

    #[test]
    fn escapes() {
        assert_eq!(said(r#"a\n\tb \"c\" \\ \u00e9\ud83d\ude00\x09\011d"#), "a\n\tb \"c\" \\ é😀\t\td");
        assert_eq!(said(r"]:\\nmain.main()\\n\\t/src"), "]:\nmain.main()\n\t/src");
        assert_eq!(said(r#"{a: ""b""}"#), "{a: \"b\"}");
        assert_eq!(said(r"\uZZ \x"), r"\uZZ \x");
        let line = b"m goroutine 1 [select]:#012main.main()#012#011/src";
        assert_eq!(without_quotes(line, 23).unwrap().as_ref(), b"m goroutine 1 [select]:\nmain.main()\n\t/src");
    }
}
