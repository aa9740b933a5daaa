//! Mail that is encoded (RFC 2045): as quoted-printable, where long lines are broken with `=` at their end and `=3D` is one
//! byte, or in base64. Text in base64 may stand by itself too, in lines of any length. The `> ` of a quoted mail is a prefix
//! like any other: `layout.rs`.

use super::normal::find;
use crate::encoded::{Base64, decoded};

/// A line is never longer.
const LONGEST: usize = 1 << 20;

/// How dumps begin in base64, and what of theirs is in a line: `goroutine `, `SIGQUIT: `, `panic: `, `fatal error: `.
const IN_BASE64: [&[u8]; 4] = [b"Z29yb3V0aW5lI", b"U0lHUVVJVDog", b"cGFuaWM6I", b"ZmF0YWwgZXJyb3I6I"];

#[derive(Default)]
enum Encoding {
    #[default]
    Nothing,
    QuotedPrintable,
    /// The head of a part names base64; an empty line ends that.
    Announced,
    Base64(Base64),
}

/// A word that is as long is none.
const LONG: usize = 60;
/// So much of one shows whether it is text in base64.
const SAMPLE: usize = 80;

/// A part of a mail in progress.
#[derive(Default)]
pub(super) struct Mail {
    encoding: Encoding,
    /// The last line was long and may be base64, but is not the beginning of a text.
    in_digits: bool,
    /// A line that goes on.
    line: Vec<u8>,
}

impl Mail {
    /// Whether lines are encoded.
    pub(super) fn is_encoded(&self) -> bool {
        !matches!(self.encoding, Encoding::Nothing)
    }

    /// A line of the log; `each` gets it as it was written.
    pub(super) fn line(&mut self, line: &[u8], each: &mut dyn FnMut(&[u8])) {
        const ENCODING: &[u8] = b"content-transfer-encoding:";
        if line.get(..ENCODING.len()).is_some_and(|name| name.eq_ignore_ascii_case(ENCODING)) {
            self.end(each);
            let value = line.to_ascii_lowercase();
            self.encoding = match () {
                () if find(&value, b"quoted-printable").is_some() => Encoding::QuotedPrintable,
                () if find(&value, b"base64").is_some() => Encoding::Announced,
                () => Encoding::Nothing,
            };
            return each(line);
        }
        // The next part, or the next mail.
        if line.starts_with(b"--") || line.starts_with(b"From ") {
            self.end(each);
        } else if !self.is_encoded() {
            self.encoding = without_head(line, self.in_digits);
            self.in_digits = !self.is_encoded() && is_long_base64(line.trim_ascii());
        }
        let text = line.trim_ascii();
        match &mut self.encoding {
            Encoding::Nothing => each(line),
            Encoding::QuotedPrintable => self.quoted_printable(line.trim_ascii_end(), each),
            Encoding::Announced => {
                if text.is_empty() {
                    self.encoding = Encoding::Base64(Base64::default());
                }
                each(line);
            }
            Encoding::Base64(_) if text.is_empty() || !is_base64(text) => {
                self.end(each);
                each(line);
            }
            Encoding::Base64(digits) => {
                let bytes: Vec<u8> = text.iter().filter_map(|digit| digits.digit(*digit)).collect();
                self.put(&bytes, each);
                // Padding ends it.
                if text.ends_with(b"=") {
                    self.end(each);
                }
            }
        }
    }

    fn quoted_printable(&mut self, line: &[u8], each: &mut dyn FnMut(&[u8])) {
        match line.strip_suffix(b"=") {
            Some(part) => self.put(&decoded(part, b'='), each),
            None => {
                self.put(&decoded(line, b'='), each);
                each(&std::mem::take(&mut self.line));
            }
        }
    }

    /// Bytes of the text, which may have line ends in them.
    fn put(&mut self, bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
        for (at, part) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if at > 0 || self.line.len() + part.len() > LONGEST {
                each(&std::mem::take(&mut self.line));
            }
            self.line.extend_from_slice(part);
        }
    }

    /// The part ended, or the log.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        self.encoding = Encoding::Nothing;
        if !self.line.is_empty() {
            each(&std::mem::take(&mut self.line));
        }
    }
}

/// What the runtime's own lines tell, where the head of the mail is not there.
fn without_head(line: &[u8], in_digits: bool) -> Encoding {
    let text = line.trim_ascii();
    let begins = || IN_BASE64.iter().any(|begin| line.starts_with(begin)) && is_base64(text);
    if line.starts_with(b"PC=3D0x") {
        Encoding::QuotedPrintable
    } else if !in_digits && (begins() || is_long_base64(text) && is_text(text)) {
        Encoding::Base64(Base64::default())
    } else {
        Encoding::Nothing
    }
}

fn is_long_base64(text: &[u8]) -> bool {
    text.len() >= LONG && is_base64(text)
}

/// Whether digits of base64 are text: no other ones are, where there are so many.
fn is_text(digits: &[u8]) -> bool {
    let mut base64 = Base64::default();
    let sample = digits.get(..SAMPLE).unwrap_or(digits);
    let mut bytes = sample.iter().filter_map(|digit| base64.digit(*digit)).peekable();
    // A line of `=` is no text.
    bytes.peek().is_some() && bytes.all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
}

fn is_base64(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let (mut mail, mut lines) = (Mail::default(), Vec::new());
        let mut each = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
        text.lines().for_each(|line| mail.line(line.as_bytes(), &mut each));
        mail.end(&mut each);
        lines
    }

    #[test]
    fn lines_are_joined_and_bytes_decoded() {
        let mail = "Content-Transfer-Encoding: Quoted-Printable\n\na=3Db\n\t/src/very/lo=\nng/main.go:7=20\n=C3=A9=\n\n--x--\na=3Db=\nc";
        let wanted = [
            "Content-Transfer-Encoding: Quoted-Printable",
            "",
            "a=b",
            "\t/src/very/long/main.go:7 ",
            "é",
            "--x--",
            "a=3Db=",
            "c",
        ];
        assert_eq!(read(mail), wanted);
        assert_eq!(read("PC=3D0x40e20c m=3D0\na=\nb"), ["PC=0x40e20c m=0", "ab"]);
    }

    #[test]
    fn what_is_not_encoded_stays_as_it_is() {
        let text = "PC=0x1\na=\n=3D\nContent-Transfer-Encoding: 8bit\nb=\nc";
        assert_eq!(read(text), text.lines().collect::<Vec<_>>());
        // Half a code is none.
        assert_eq!(read("PC=3D0x1\na=3\n=zz=3d").last().unwrap(), "=zz=");
    }

    /// Two texts, one after the other: padding ends the first, or a line of another kind. A line of `=` is no text.
    #[test]
    fn one_text_may_follow_another() {
        let one = "Z29yb3V0aW5lIDEgW3NlbGVjdF06Cm1haW4uZigpCgkvYXBwL21haW4uZ286NyArMHgxCg==";
        assert!(one.len() >= LONG && one.ends_with('='));
        let lines = ["goroutine 1 [select]:", "main.f()", "\t/app/main.go:7 +0x1"];
        assert_eq!(read(&format!("{one}\n{one}\n")), [lines, lines].concat());
        let open = one.trim_end_matches('=');
        assert_eq!(read(&format!("{open}\n\n{open}\n")), [&lines[..], &[""], &lines[..]].concat());
        let rule = "=".repeat(LONG + 4);
        assert_eq!(read(&format!("{rule}\na b\n")), [rule.as_str(), "a b"]);
    }

    #[test]
    fn base64_is_decoded_up_to_its_end() {
        // "goroutine 1 [select]:\nmain.f()\n", and words that could be base64 too.
        let head = "Content-Transfer-Encoding: BASE64\nContent-Type: text/plain\n\n";
        let body = "Z29yb3V0aW5lIDEgW3NlbGVj\r\ndF06Cm1haW4uZigpCg==\nwords\n";
        let lines = read(&format!("{head}{body}"));
        assert_eq!(lines[2..], ["", "goroutine 1 [select]:", "main.f()", "words"]);
        assert_eq!(read(body), ["goroutine 1 [select]:", "main.f()", "words"]);
        for end in ["", "--x", "From a", "no base64"] {
            let lines = read(&format!("{head}YWJj\n{end}\nwords"));
            assert_eq!(lines[3..], ["abc", end, "words"], "{end}");
        }
        // Text in lines of 64: nothing of it is left out, and a key is none.
        let text = "2026/11/23 05:55:22 shutting down and waiting";
        let digits = "MjAyNi8xMS8yMyAwNTo1NToyMiBzaHV0dGluZyBkb3duIGFuZCB3YWl0aW5n";
        assert_eq!(read(&format!("{digits}\nCg==\nwords\n")), [text, "words"]);
        let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nZ29yb3V0aW5lIDEgW3NlbGVj\n\nwords";
        assert_eq!(read(key), key.lines().collect::<Vec<_>>());
        // Nothing says that these are more than words.
        let near = "Content-Type: image/png;base64\n\nYWJj\ncGFuaWM6I-\nZ29yb3V0aW5l";
        assert_eq!(read(near), near.lines().collect::<Vec<_>>());
    }
}
