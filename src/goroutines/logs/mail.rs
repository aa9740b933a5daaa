//! Mail that is encoded as quoted-printable (RFC 2045): long lines are broken with `=` at their end, and `=3D` is one byte.

use super::normal::find;

/// A line is never longer.
const LONGEST: usize = 1 << 20;

/// A part of a mail in progress.
#[derive(Default)]
pub(super) struct Mail {
    is_encoded: bool,
    /// A line that goes on.
    line: Vec<u8>,
}

impl Mail {
    /// Whether lines are encoded.
    pub(super) fn is_encoded(&self) -> bool {
        self.is_encoded
    }

    /// A line of the log; `each` gets it as it was written.
    pub(super) fn line(&mut self, line: &[u8], each: &mut dyn FnMut(&[u8])) {
        const ENCODING: &[u8] = b"content-transfer-encoding:";
        // Without its head, the runtime's own line tells.
        let told = line.get(..ENCODING.len()).is_some_and(|name| name.eq_ignore_ascii_case(ENCODING));
        if told {
            self.end(each);
            self.is_encoded = find(&line.to_ascii_lowercase(), b"quoted-printable").is_some();
            return each(line);
        }
        self.is_encoded |= line.starts_with(b"PC=3D0x");
        // The next part, or the next mail.
        if line.starts_with(b"--") || line.starts_with(b"From ") {
            self.end(each);
            self.is_encoded = false;
        }
        if !self.is_encoded {
            return each(line);
        }
        let line = line.trim_ascii_end();
        match line.strip_suffix(b"=") {
            Some(part) if self.line.len() + part.len() <= LONGEST => decode(part, &mut self.line),
            _ => {
                decode(line, &mut self.line);
                each(&std::mem::take(&mut self.line));
            }
        }
    }

    /// The log ended.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        if !self.line.is_empty() {
            each(&std::mem::take(&mut self.line));
        }
    }
}

fn decode(encoded: &[u8], line: &mut Vec<u8>) {
    let mut rest = encoded;
    while let Some((first, after)) = rest.split_first() {
        let byte = || {
            let digits = after.get(..2).filter(|_| *first == b'=')?;
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|byte| *byte != b'\n')
        };
        let (byte, taken) = byte().map_or((*first, 0), |byte| (byte, 2));
        line.push(byte);
        rest = after.get(taken..).unwrap_or_default();
    }
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
}
