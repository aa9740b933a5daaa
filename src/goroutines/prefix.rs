//! Logs that were collected: what docker, Kubernetes, compose and journald put before each line is taken off again.
//!
//! Nobody says which of them a file is from: it is told from the first line that begins a dump once the prefix is off.

use super::reader::{begins, trim};
use super::{Wanted, line};
use memchr::memchr;

/// A line that is longer is not looked at: json-file's lines hold 16 KiB each.
const LONGEST: usize = 128 << 10;
/// So much of a line may be what names its container.
const LONGEST_TAG: usize = 80;

/// What stands before each line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    /// docker's json-file: `{"log":"SIGQUIT: quit\n","stream":"stderr","time":"…"}`
    Json,
    /// The name of a container or pod, then a time, or one of them.
    Text {
        /// `web-1  | ` by compose, `[pod/web-1/app] ` by kubectl.
        tag: Vec<u8>,
        rest: Mark,
    },
}

/// What stands after the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Nothing,
    /// `2026-11-23T05:55:22.297480536Z `
    Time,
    /// `2026-11-23T05:55:22.297480536Z stderr F `, in the files of Kubernetes' nodes.
    Cri,
    /// `Nov 23 05:55:22 host shop[71]: ` or, with short-iso, `2026-11-23T05:55:22+0000 host shop[71]: `
    Journal,
}

/// A line without its prefix.
struct Bare<'a> {
    layout: Layout,
    /// Without its end.
    text: std::borrow::Cow<'a, [u8]>,
    /// The line goes on in the next one.
    partial: bool,
}

/// Takes prefixes off a stream.
#[derive(Default)]
pub struct Stripper {
    layout: Option<Layout>,
    /// The line in progress.
    line: Vec<u8>,
    /// The line in progress is too long, and given away as it comes.
    passing: bool,
}

impl Stripper {
    /// The next bytes; `each` gets them without prefixes.
    pub fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some((part, after)) = memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1)) {
            rest = after;
            if std::mem::take(&mut self.passing) {
                each(part);
            } else if self.line.is_empty() {
                self.whole(part, each);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(part);
                self.whole(&line, each);
            }
        }
        self.line.extend_from_slice(rest);
        if self.passing || self.line.len() > LONGEST {
            self.passing = true;
            each(&std::mem::take(&mut self.line));
        }
    }

    /// The stream ended.
    pub fn finish(&mut self, each: &mut dyn FnMut(&[u8])) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.whole(&line, each);
        }
    }

    fn whole(&mut self, line: &[u8], each: &mut dyn FnMut(&[u8])) {
        let bare = match &self.layout {
            None => bare(line).filter(|bare| begins(&bare.text, Wanted::All).is_some()),
            // Two files in one.
            Some(_) if begins(line, Wanted::All).is_some() => {
                self.layout = None;
                None
            }
            Some(layout) => bare(line).filter(|bare| bare.layout == *layout),
        };
        let Some(bare) = bare else { return each(line) };
        each(&bare.text);
        if !bare.partial && line.ends_with(b"\n") {
            each(b"\n");
        }
        self.layout = Some(bare.layout);
    }
}

/// Takes off whatever looks like a prefix.
fn bare(line: &[u8]) -> Option<Bare<'_>> {
    let text = trim(line);
    if let Some(rest) = text.strip_prefix(b"{\"log\":\"") {
        let text = unescaped(rest)?;
        let partial = !text.ends_with(b"\n");
        return Some(Bare { layout: Layout::Json, text: trim(&text).to_vec().into(), partial });
    }
    let (tag, rest) = tag(text);
    let (rest, mark, partial) = match time(rest) {
        Some(rest) => match stream(rest) {
            Some((rest, partial)) => (rest, Mark::Cri, partial),
            None => match journal(rest) {
                Some(rest) => (rest, Mark::Journal, false),
                None => (rest, Mark::Time, false),
            },
        },
        None => match syslog_time(rest).and_then(journal) {
            Some(rest) => (rest, Mark::Journal, false),
            None => (rest, Mark::Nothing, false),
        },
    };
    let layout = Layout::Text { tag: tag.to_vec(), rest: mark };
    (rest.len() < text.len()).then(|| Bare { layout, text: rest.into(), partial })
}

/// `web-1  | ` or `[pod/web-1/app] `, or nothing.
fn tag(text: &[u8]) -> (&[u8], &[u8]) {
    let head = text.get(..LONGEST_TAG).unwrap_or(text);
    let end = if text.starts_with(b"[pod/") {
        memchr(b']', head)
    } else {
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"-_. ".contains(b);
        memchr(b'|', head)
            .filter(|at| head.get(..*at).is_some_and(|name| name.ends_with(b" ") && name.iter().all(is_name)))
    };
    // An empty line may have lost the blank at its end.
    let end = end.map(|at| at + if text.get(at + 1) == Some(&b' ') { 2 } else { 1 });
    end.and_then(|end| text.split_at_checked(end)).unwrap_or((b"", text))
}

/// What follows a time as in RFC 3339, and the blank after it.
fn time(text: &[u8]) -> Option<&[u8]> {
    let rest = shaped(text, b"0000-00-00T00:00:00")?;
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    let (fraction, rest) = rest.split_at_checked(end)?;
    let known = |b: &u8| b.is_ascii_digit() || b".,:+-Z".contains(b);
    (fraction.len() < 20 && fraction.iter().all(known)).then(|| rest.strip_prefix(b" ").unwrap_or(rest))
}

/// What follows `Nov 23 05:55:22 `.
fn syslog_time(text: &[u8]) -> Option<&[u8]> {
    let month = text.get(..3)?;
    let months: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let rest = text.get(3..).filter(|_| months.contains(&month))?;
    let rest = shaped(rest, b" 00 00:00:00").or_else(|| shaped(rest, b"  0 00:00:00"))?;
    let fraction = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    rest.get(fraction..)?.strip_prefix(b" ")
}

/// What follows `stderr F `, and whether the line goes on.
fn stream(text: &[u8]) -> Option<(&[u8], bool)> {
    let rest = text.strip_prefix(b"stderr ").or_else(|| text.strip_prefix(b"stdout "))?;
    let (flag, rest) = rest.split_at_checked(memchr(b' ', rest).unwrap_or(rest.len()))?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    match flag {
        [b'F', ..] => Some((rest, false)),
        [b'P', ..] => Some((rest, true)),
        _ => None,
    }
}

/// What follows `host shop[71]: `.
fn journal(text: &[u8]) -> Option<&[u8]> {
    let (_, rest) = text.split_at_checked(memchr(b' ', text)? + 1)?;
    let (name, rest) = rest.split_at_checked(memchr(b' ', rest).unwrap_or(rest.len()))?;
    let number = name.strip_suffix(b"]:")?;
    let open = memchr(b'[', number)?;
    let is_number = matches!(line::decimal(number.get(open + 1..)?), Some((_, b"")));
    is_number.then(|| rest.strip_prefix(b" ").unwrap_or(rest))
}

/// What follows a text with digits where `shape` has 0, and the same bytes elsewhere.
fn shaped<'a>(text: &'a [u8], shape: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(shape.len())?;
    let same = |(b, s): (&u8, &u8)| if *s == b'0' { b.is_ascii_digit() } else { b == s };
    head.iter().zip(shape).all(same).then_some(rest)
}

/// A JSON string's bytes, up to its closing quote.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    // Two of these make one character beyond U+FFFF.
    let mut units: Vec<u16> = Vec::new();
    loop {
        let special = memchr::memchr2(b'"', b'\\', rest)?;
        let (plain, after) = rest.split_at_checked(special)?;
        let unit =
            after.strip_prefix(b"\\u").and_then(|hex| hex.get(..4)).and_then(|hex| std::str::from_utf8(hex).ok());
        let unit = unit.and_then(|hex| u16::from_str_radix(hex, 16).ok());
        if !units.is_empty() && (!plain.is_empty() || unit.is_none()) {
            bytes.extend_from_slice(String::from_utf16_lossy(&units).as_bytes());
            units.clear();
        }
        bytes.extend_from_slice(plain);
        if let Some(unit) = unit {
            units.push(unit);
            rest = after.get(6..)?;
            continue;
        }
        let byte = match after {
            [b'"', ..] => return Some(bytes),
            [_, b'n', ..] => b'\n',
            [_, b't', ..] => b'\t',
            [_, b'r', ..] => b'\r',
            [_, b'b', ..] => 8,
            [_, b'f', ..] => 12,
            [_, other @ (b'"' | b'\\' | b'/'), ..] => *other,
            _ => return None,
        };
        bytes.push(byte);
        rest = after.get(2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(lines: &[&str]) -> String {
        let mut stripper = Stripper::default();
        let mut out = Vec::new();
        // Cut anywhere, the same comes out.
        for chunk in lines.concat().as_bytes().chunks(7) {
            stripper.feed(chunk, &mut |bytes| out.extend_from_slice(bytes));
        }
        stripper.finish(&mut |bytes| out.extend_from_slice(bytes));
        String::from_utf8(out).unwrap()
    }

    const DUMP: &str =
        "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\ngoroutine 1 [select]:\nmain.main()\n\t/src/ä.go:1 +0x1\n";

    fn each_line(prefix: &str) -> String {
        DUMP.lines().map(|line| format!("{prefix}{line}\n")).collect()
    }

    #[test]
    fn every_collector() {
        for prefix in [
            "2026-11-23T05:55:22.297480536Z ",
            "[pod/web-1/app] ",
            "[pod/web-1/app] 2026-11-23T05:55:22.297480536+01:00 ",
            "2026-11-23T05:55:22.297480536Z stderr F ",
            "web-1  | ",
            "web-1  | 2026-11-23T05:55:22Z ",
            "Nov 23 05:55:22 host shop[71]: ",
            "Nov  3 05:55:22.123456 host shop[71]: ",
            "2026-11-23T05:55:22+0000 host shop[71]: ",
        ] {
            assert_eq!(stripped(&[&each_line(prefix)]), DUMP, "{prefix}");
        }
        assert_eq!(stripped(&[DUMP]), DUMP);
    }

    #[test]
    fn lines_of_others_stay_as_they_are() {
        let other = "db-1   | ready\n";
        assert_eq!(stripped(&[other, &each_line("web-1  | "), other]), format!("{other}{DUMP}{other}"));
        assert_eq!(stripped(&["2026-11-23T05:55:22Z ready\n"]), "2026-11-23T05:55:22Z ready\n");
        assert_eq!(stripped(&[&each_line("web-1  | "), DUMP]), format!("{DUMP}{DUMP}"));
    }

    #[test]
    fn an_empty_line_may_have_lost_its_blank() {
        let text = each_line("2026-11-23T05:55:22Z ").replace("Z \n", "Z\n");
        assert_eq!(stripped(&[&text]), DUMP);
        let text = each_line("2026-11-23T05:55:22Z stderr F ").replace("F \n", "F\n");
        assert_eq!(stripped(&[&text]), DUMP);
    }

    #[test]
    fn lines_in_parts() {
        let time = "2026-11-23T05:55:22.1Z stderr";
        let text = format!("{time} F SIGQUIT: quit\n{time} P PC=0x1\n{time} F  m=0 sigcode=0\n");
        assert_eq!(stripped(&[&text]), "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n");
    }

    #[test]
    fn json_files() {
        let quoted = |line: &str| serde_json::to_string(line).unwrap();
        let entry = |line: String| format!("{{\"log\":{},\"stream\":\"stderr\",\"time\":\"t\"}}\n", quoted(&line));
        let text: String = DUMP.split_inclusive('\n').map(|line| entry(line.to_owned())).collect();
        assert_eq!(stripped(&[&text]), DUMP);
        let parts = [entry("SIGQUIT: quit".into()), entry("\n".into()), entry("a \"\\\u{1}\n".into())].concat();
        assert_eq!(stripped(&[&parts]), "SIGQUIT: quit\na \"\\\u{1}\n");
        let escaped = "{\"log\":\"SIGQUIT: quit\\n\"}\n{\"log\":\"\\u003c\\ud83d\\ude00\\u00e9\\n\"}\n";
        assert_eq!(stripped(&[escaped]), "SIGQUIT: quit\n<😀é\n");
    }
}
