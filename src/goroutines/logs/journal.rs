//! Records of the journal as `journalctl -o export` and `-o verbose` write them, and of Cloud Logging as `gcloud logging read`
//! does: a field a line, in any order. Out of each one comes its message, after what tells whose it is, as in `-o short`.

use super::string_literals::unescaped;

/// A field in bytes is never longer, nor is a record.
const LONGEST: usize = 32 << 20;

/// A record in progress.
#[derive(Default)]
pub(super) struct Journal {
    form: Option<Form>,
    identifier: Vec<u8>,
    pid: Vec<u8>,
    message: Vec<u8>,
    /// The last field was the message, and may go on.
    in_message: bool,
    /// A field whose name stands alone: eight bytes with its length, and that many bytes.
    bytes: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Until an empty line.
    Export,
    /// Until a line that is not indented.
    Verbose,
    /// YAML, until the line between two.
    Yaml,
}

impl Journal {
    /// Whether it is in a record: lines belong to that.
    pub(super) fn in_record(&self) -> bool {
        self.form.is_some()
    }

    /// A line of the log; `each` gets it, or those of a record that has ended.
    pub(super) fn line(&mut self, line: &[u8], each: &mut dyn FnMut(&[u8])) {
        if let Some((name, mut bytes)) = self.bytes.take() {
            bytes.extend_from_slice(line);
            let length = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
            match length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= LONGEST) {
                Some(length) if bytes.len() >= 8 + length => {
                    self.field(&name, bytes.get(8..8 + length).unwrap_or_default());
                }
                None if bytes.len() >= 8 => {}
                _ => {
                    bytes.push(b'\n');
                    self.bytes = Some((name, bytes));
                }
            }
            return;
        }
        let is_its = match self.form {
            Some(Form::Export) => !line.is_empty() && self.export(line),
            Some(Form::Verbose) => line.first() == Some(&b' ') && self.verbose(line),
            Some(Form::Yaml) => line != b"---" && self.yaml(line),
            None => false,
        };
        if is_its {
            return;
        }
        let was = self.form;
        self.end(each);
        // The empty line belongs to the record.
        if !(was == Some(Form::Export) && line.is_empty()) {
            self.begin(line, each);
        }
    }

    /// The log ended.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        let record = std::mem::take(self);
        // An empty line of the dump is a record of its own in YAML.
        if record.form.is_none() || record.message.is_empty() && record.form != Some(Form::Yaml) {
            return;
        }
        let whose: &[&[u8]] = match (record.identifier.as_slice(), record.pid.as_slice()) {
            (b"", b"") => &[],
            (name, b"") => &[name, b": "],
            (b"", pid) => &[b"process[", pid, b"]: "],
            (name, pid) => &[name, b"[", pid, b"]: "],
        };
        let whose = whose.concat();
        record.message.split(|b| *b == b'\n').for_each(|line| each(&[&whose, line].concat()));
    }

    fn begin(&mut self, line: &[u8], each: &mut dyn FnMut(&[u8])) {
        let is_verbose = || line.ends_with(b"]") && super::normal::find(line, b" [s=").is_some();
        match () {
            () if line.starts_with(b"__CURSOR=") => self.form = Some(Form::Export),
            () if is_verbose() => self.form = Some(Form::Verbose),
            () if line.starts_with(b"insertId: ") => self.form = Some(Form::Yaml),
            () => each(line),
        }
    }

    /// Whether a line is one of a record.
    fn export(&mut self, line: &[u8]) -> bool {
        let is_name = |name: &[u8]| {
            !name.is_empty() && name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
        };
        match memchr::memchr(b'=', line).and_then(|at| line.split_at_checked(at)) {
            Some((name, value)) if is_name(name) => self.field(name, value.get(1..).unwrap_or_default()),
            None if is_name(line) => self.bytes = Some((line.to_vec(), Vec::new())),
            _ => return false,
        }
        true
    }

    /// A field, or the next line of the message.
    fn verbose(&mut self, line: &[u8]) -> bool {
        if !self.export(line.trim_ascii_start()) && self.in_message && self.message.len() + line.len() <= LONGEST {
            self.message.push(b'\n');
            self.message.extend_from_slice(line);
        }
        self.bytes = None;
        true
    }

    /// A field of any depth, or a line of a message that has several.
    fn yaml(&mut self, line: &[u8]) -> bool {
        if self.in_message && (line.starts_with(b"  ") || line.is_empty()) {
            if self.message.len() + line.len() <= LONGEST {
                self.message.push(b'\n');
                self.message.extend_from_slice(line.get(2..).unwrap_or_default());
            }
            return true;
        }
        let Some((name, value)) = memchr::memchr(b':', line).and_then(|at| line.split_at_checked(at)) else {
            return false;
        };
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        self.in_message = value.starts_with(b"|");
        match name.trim_ascii() {
            b"textPayload" | b"message" if self.in_message => self.message.clear(),
            b"textPayload" | b"message" => self.message = plain(value),
            b"pod_name" | b"instance_id" | b"revision_name" => self.identifier = plain(value),
            _ => {}
        }
        true
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.in_message = name == b"MESSAGE";
        match name {
            b"MESSAGE" => self.message = value.to_vec(),
            b"SYSLOG_IDENTIFIER" => self.identifier = value.to_vec(),
            b"_COMM" if self.identifier.is_empty() => self.identifier = value.to_vec(),
            b"_PID" => self.pid = value.to_vec(),
            _ => {}
        }
    }
}

/// A value of YAML without its quotes.
fn plain(value: &[u8]) -> Vec<u8> {
    let inside = |quote: &[u8]| value.strip_prefix(quote)?.strip_suffix(quote);
    match (inside(b"\""), inside(b"'")) {
        (Some(text), _) => unescaped(text).into_owned(),
        (_, Some(text)) => text.split(|b| *b == b'\'').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'\''),
        _ => value.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<String> {
        let (mut journal, mut lines) = (Journal::default(), Vec::new());
        let mut each = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
        text.split(|b| *b == b'\n').for_each(|line| journal.line(line, &mut each));
        journal.end(&mut each);
        lines
    }

    #[test]
    fn messages_have_their_process_before_them() {
        let export = b"a\n__CURSOR=s=1\n_PID=3\nMESSAGE=one=1\nSYSLOG_IDENTIFIER=web\n\n__CURSOR=s=2\n_COMM=db\nMESSAGE=two\n\nb";
        assert_eq!(read(export), ["a", "web[3]: one=1", "db: two", "b"]);
        let verbose = b"Fri 2026-11-28 10:12:13.1 UTC [s=6a;i=1;x=2]\n    MESSAGE=one\n            more\n    _PID=3\n\
            Fri 2026-11-28 10:12:13.1 UTC [s=6a;i=2;x=2]\n    _PID=4\n    MESSAGE=two\n-- end --";
        let wanted = ["process[3]: one", "process[3]:             more", "process[4]: two", "-- end --"];
        assert_eq!(read(verbose), wanted);
    }

    /// A message with a tab is written with its length, which may look like the end of a line.
    #[test]
    fn messages_in_bytes_are_as_long_as_they_say() {
        let record = |message: &[u8]| {
            let length = (message.len() as u64).to_le_bytes();
            read(&[b"__CURSOR=s\n_PID=7\nMESSAGE\n", &length[..], message, b"\n_COMM=x\n"].concat())
        };
        assert_eq!(record(b"\t/a.go:1 +0x1"), ["x[7]: \t/a.go:1 +0x1"]);
        assert_eq!(record(b"0123456789"), ["x[7]: 0123456789"]);
        assert_eq!(record(b"a\n\nb"), ["x[7]: a", "x[7]: ", "x[7]: b"]);
        // One that is cut, or says that it is longer than anything can be, is no message.
        assert!(read(b"__CURSOR=s\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffabc\n").is_empty());
    }

    /// What only looks like a field is not one.
    #[test]
    fn other_lines_stay_as_they_are() {
        let text = b"    MESSAGE=x\nPATH=/bin\n[s=1]\n\nmain.main()";
        assert_eq!(read(text), ["    MESSAGE=x", "PATH=/bin", "[s=1]", "", "main.main()"]);
    }
}
