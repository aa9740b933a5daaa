//! YAML, as far as compose files use it, read into the values of JSON: blocks, flows, quoted and literal texts, comments,
//! anchors, aliases and `<<`. Every scalar but null is a text. What is not read (directives, complex keys, several documents)
//! is an error with its line. Pure.

use crate::json::Value;

/// So deep nobody nests, and the stack is not endless.
const DEEPEST: usize = 64;
/// So many values no file has; aliases of aliases would make any number of them.
const MOST: usize = 100_000;

/// The text's one document.
///
/// # Errors
/// A sentence with the line: it is no YAML, or some that is not read here.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0, anchors: Vec::new(), values: 0 };
    reader.skip();
    if reader.rest().starts_with("---") {
        reader.at += 3;
    }
    let value = reader.node(0, 0)?;
    reader.skip();
    match reader.rest() {
        "" => Ok(value),
        rest if rest.starts_with("---") => reader.wrong("a second document begins; only one is read"),
        _ => reader.wrong("it is indented otherwise than what it belongs to, or no YAML that is read here"),
    }
}

/// A value that has a name, and how many values it is made of.
struct Anchor<'a> {
    name: &'a str,
    value: Value,
    size: usize,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    anchors: Vec<Anchor<'a>>,
    values: usize,
}

fn null() -> Value {
    Value::Other("null".to_owned())
}

fn is_end(byte: u8) -> bool {
    matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n')
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The byte so many places on; 0 behind the end.
    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        let before = self.text.get(..self.at).unwrap_or_default();
        Err(format!("line {}: {what}", before.split('\n').count()))
    }

    /// How far from the beginning of its line.
    fn column(&self) -> usize {
        let before = self.text.get(..self.at).unwrap_or_default();
        self.at - before.rfind('\n').map_or(0, |end| end + 1)
    }

    /// Over blanks of this line.
    fn blanks(&mut self) {
        while matches!(self.byte(0), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// Over blanks, comments and ends of lines.
    fn skip(&mut self) {
        while is_end(self.byte(0)) || self.byte(0) == b'#' {
            match self.byte(0) {
                0 => return,
                b'#' => self.at += self.line().len(),
                _ => self.at += 1,
            }
        }
    }

    /// The rest of this line.
    fn line(&self) -> &'a str {
        self.rest().split('\n').next().unwrap_or_default()
    }

    /// Whether there is an item of a list.
    fn is_item(&self) -> bool {
        self.byte(0) == b'-' && is_end(self.byte(1))
    }

    /// Whether something is there that is at least in this column, and no mark of a document.
    fn is_inside(&self, least: usize) -> bool {
        let column = self.column();
        self.byte(0) != 0 && column >= least && !(column == 0 && self.rest().starts_with("---"))
    }

    /// One value more.
    fn count(&mut self, values: usize, depth: usize) -> Result<(), String> {
        self.values += values;
        if depth > DEEPEST || self.values > MOST {
            self.wrong("there is more than is read of one file")
        } else {
            Ok(())
        }
    }

    /// What comes next, if it is at least in this column.
    fn node(&mut self, least: usize, depth: usize) -> Result<Value, String> {
        self.count(1, depth)?;
        self.skip();
        if !self.is_inside(least) {
            return Ok(null());
        }
        let column = self.column();
        match self.byte(0) {
            b'&' => {
                let (name, before) = (self.word(), self.values);
                let value = self.node(least, depth + 1)?;
                self.anchors.push(Anchor { name, value: value.clone(), size: self.values - before });
                Ok(value)
            }
            b'!' => {
                self.word();
                self.node(least, depth + 1)
            }
            b'|' | b'>' => Ok(self.literal(least)),
            _ if self.text.get(self.at - column..self.at).is_some_and(|before| before.contains('\t')) => {
                self.wrong("a tab, where YAML has only spaces")
            }
            _ if self.is_item() => {
                let mut items = Vec::new();
                while self.is_inside(column) && self.column() == column && self.is_item() {
                    self.at += 1;
                    items.push(self.node(column + 1, depth + 1)?);
                    self.skip();
                }
                Ok(Value::List(items))
            }
            first => {
                let value = self.scalar("", depth)?;
                self.blanks();
                match value {
                    key if self.byte(0) == b':' => self.map(key, column, depth),
                    Value::Text(text) if !matches!(first, b'"' | b'\'' | b'*') => Ok(self.folded(text, least)),
                    whole => Ok(whole),
                }
            }
        }
    }

    /// A name behind `&`, `*` or `!`.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find([' ', '\n', '\r', ',', ']', '}']).unwrap_or(rest.len());
        self.at += end;
        rest.get(1..end).unwrap_or_default()
    }

    /// The fields of a map whose first key was read.
    fn map(&mut self, mut key: Value, column: usize, depth: usize) -> Result<Value, String> {
        let mut fields = Vec::new();
        loop {
            self.blanks();
            let (Value::Text(name), b':') = (key, self.byte(0)) else {
                return self.wrong("neither a key with its colon nor what belongs to one");
            };
            self.at += 1;
            self.skip();
            // A list may stand right below its key.
            let below = self.column() == column && self.is_item();
            let value = self.node(column + usize::from(!below), depth + 1)?;
            add(&mut fields, name, value);
            self.skip();
            if !self.is_inside(column) || self.column() != column || self.is_item() {
                return Ok(Value::Object(fields));
            }
            key = self.scalar("", depth)?;
        }
    }

    /// A scalar, an alias, or a flow; a plain one ends before one of `ends`.
    fn scalar(&mut self, ends: &str, depth: usize) -> Result<Value, String> {
        match self.byte(0) {
            b'"' | b'\'' => self.quoted(),
            b'[' | b'{' => self.flow(depth),
            b'*' => {
                let name = self.word();
                let found = self.anchors.iter().rfind(|anchor| anchor.name == name);
                let Some((value, size)) = found.map(|anchor| (anchor.value.clone(), anchor.size)) else {
                    return self.wrong("an alias of nothing that is before it");
                };
                self.count(size, 0)?;
                Ok(value)
            }
            b'@' | b'`' | b'%' | b']' | b'}' | b',' => self.wrong("no value begins like this"),
            b'?' if is_end(self.byte(1)) => self.wrong("a key behind a ? is not read here"),
            _ => Ok(match self.plain(ends) {
                "" | "~" | "null" => null(),
                text => Value::Text(text.to_owned()),
            }),
        }
    }

    /// Up to `: `, ` #`, or the end of the line.
    fn plain(&mut self, ends: &str) -> &'a str {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let ends = |byte: u8| ends.as_bytes().contains(&byte);
        let mut end = 0;
        while let Some(byte) = bytes.get(end).copied() {
            let next = bytes.get(end + 1).copied().unwrap_or(0);
            let comment = byte == b'#' && end > 0 && bytes.get(end - 1).is_some_and(|before| is_end(*before));
            if comment || byte == b'\n' || ends(byte) || (byte == b':' && (is_end(next) || ends(next))) {
                break;
            }
            end += 1;
        }
        let text = rest.get(..end).unwrap_or_default().trim_end();
        self.at += text.len();
        text
    }

    /// A plain scalar goes on in the lines below it that are further in.
    fn folded(&mut self, mut text: String, least: usize) -> Value {
        loop {
            self.skip();
            let more = if self.is_inside(least.max(1)) { self.plain("") } else { "" };
            if more.is_empty() {
                return Value::Text(text);
            }
            text.push(' ');
            text.push_str(more);
        }
    }

    fn quoted(&mut self) -> Result<Value, String> {
        let quote = char::from(self.byte(0));
        let (mut text, mut before) = (String::new(), ' ');
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if before == '\\' {
                before = ' ';
                text.push(match c {
                    'n' => '\n',
                    't' => '\t',
                    '"' | '\\' | '/' | ' ' => c,
                    _ => return self.wrong("an escape that is not read here"),
                });
            } else if c == quote && quote == '\'' && chars.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else if c == quote {
                self.at += at + 1;
                return Ok(Value::Text(text));
            } else if c == '\\' && quote == '"' {
                before = c;
            } else {
                text.push(c);
            }
        }
        self.wrong("the quote is not closed")
    }

    fn flow(&mut self, depth: usize) -> Result<Value, String> {
        let is_map = self.byte(0) == b'{';
        let close = if is_map { b'}' } else { b']' };
        let (mut items, mut fields) = (Vec::new(), Vec::new());
        loop {
            // Behind the bracket, or a comma.
            self.at += 1;
            self.skip();
            if self.byte(0) == close {
                break;
            }
            self.count(1, depth)?;
            let mut value = self.scalar(",[]{}", depth + 1)?;
            self.skip();
            if is_map {
                let Value::Text(name) = value else { return self.wrong("a key that is no text") };
                value = null();
                if self.byte(0) == b':' {
                    self.at += 1;
                    self.skip();
                    value = self.scalar(",[]{}", depth + 1)?;
                    self.skip();
                }
                add(&mut fields, name, value);
            } else {
                items.push(value);
            }
            match self.byte(0) {
                b',' => {}
                byte if byte == close => break,
                _ => return self.wrong("the bracket is not closed, or a comma is missing"),
            }
        }
        self.at += 1;
        Ok(if is_map { Value::Object(fields) } else { Value::List(items) })
    }

    /// `|` and `>`: the lines that are further in than what they belong to.
    fn literal(&mut self, least: usize) -> Value {
        let head = self.line();
        let folds = head.starts_with('>');
        self.at += head.len() + 1;
        let (mut text, mut indent) = (String::new(), None);
        while self.at < self.text.len() {
            let line = self.line();
            let own = line.len() - line.trim_start_matches(' ').len();
            let blank = line.trim().is_empty();
            if !blank && own < indent.unwrap_or(least.max(1)) {
                break;
            }
            if !blank {
                indent.get_or_insert(own);
            }
            self.at += line.len() + 1;
            text.push_str(line.get(indent.unwrap_or(0)..).unwrap_or_default().trim_end_matches('\r'));
            text.push(if folds && !blank { ' ' } else { '\n' });
        }
        self.at = self.at.min(self.text.len());
        text.truncate(text.trim_end().len());
        if !head.contains('-') {
            text.push('\n');
        }
        Value::Text(text)
    }
}

/// A field more, or those that `<<` brings: they stand before the others, of which the last counts.
fn add(fields: &mut Vec<(String, Value)>, name: String, value: Value) {
    match value {
        Value::Object(mut others) if name == "<<" => {
            others.append(fields);
            *fields = others;
        }
        Value::List(maps) if name == "<<" => maps.into_iter().for_each(|map| add(fields, name.clone(), map)),
        value => fields.push((name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> Value {
        Value::read(text).unwrap()
    }

    #[test]
    fn what_compose_files_have() {
        for (text, wanted) in [
            ("", "null"),
            ("a: 1 # c\nb: 'it''s'\nc: \"x\\n\\\"y\\\"\"\n", r#"{"a": "1", "b": "it's", "c": "x\n\"y\""}"#),
            (
                "---\na:\n  b:\n    - x\n    - y: 1\n      z: 2\n  c:\n",
                r#"{"a": {"b": ["x", {"y": "1", "z": "2"}], "c": null}}"#,
            ),
            ("a:\n- x\n-   y\n- - z\nb: c\n", r#"{"a": ["x", "y", ["z"]], "b": "c"}"#),
            ("a: [x, 'y, z', {b: c, d}, []]\ne: {}\n", r#"{"a": ["x", "y, z", {"b": "c", "d": null}, []], "e": {}}"#),
            ("a: [\n  x, # one\n  y,\n]\n", r#"{"a": ["x", "y"]}"#),
            (
                "a: http://x:8080/#y\nb: ${V:-a:b}\n\"c d\": x\n",
                r#"{"a": "http://x:8080/#y", "b": "${V:-a:b}", "c d": "x"}"#,
            ),
            ("a: |\n  x\n    y\n\n  z\nb: >-\n  c\n  d\n", "{\"a\": \"x\\n  y\\n\\nz\\n\", \"b\": \"c d\"}"),
            ("a: one\n  two\n  three\nb: c\n", r#"{"a": "one two three", "b": "c"}"#),
            (
                "a: &x {b: c, d: e}\nf: *x\ng:\n  <<: *x\n  d: h\n",
                r#"{"a": {"b": "c", "d": "e"}, "f": {"b": "c", "d": "e"}, "g": {"b": "c", "d": "e", "d": "h"}}"#,
            ),
            (
                "x: &x\n  a: 1\ny: &y\n  a: 2\n  b: 3\nz:\n  <<: [*x, *y]\n",
                r#"{"x": {"a": "1"}, "y": {"a": "2", "b": "3"}, "z": {"a": "2", "b": "3", "a": "1"}}"#,
            ),
            ("a: !reset null\nb: ~\nc: null\r\nd: é\n", r#"{"a": null, "b": null, "c": null, "d": "é"}"#),
            ("{\"a\": [1, \"x\"], \"b\": {}}", r#"{"a": ["1", "x"], "b": {}}"#),
            ("- a\n- b\n", r#"["a", "b"]"#),
        ] {
            let wanted = json(wanted);
            assert_eq!(read(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_not_read_is_said() {
        for (text, said) in [
            ("a: 1\n---\nb: 2\n", "line 2: a second document"),
            ("a:\n\tb: 1\n", "line 2: a tab"),
            ("a: 1\n  b: 2\n", "line 2: it is indented"),
            ("a:\n    b: 1\n  c: 2\n", "line 3: it is indented"),
            ("? a\n: b\n", "line 1: a key behind"),
            ("a: *x\n", "an alias of nothing"),
            ("a: [1, 2\n", "bracket"),
            ("a: 'x\n", "quote"),
            ("a: \"\\q\"\n", "an escape"),
            ("a: @x\n", "no value"),
            ("a\nb: 1\n", "line 2: it is indented"),
            (&"[".repeat(1000), "more than"),
            (&"- ".repeat(1000), "more than"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        // Each twice the one before.
        let mut laughs = "a0: &a0 [x, x, x, x]\n".to_owned();
        (1..40).for_each(|at| laughs.push_str(&format!("a{at}: &a{at} [*a{0}, *a{0}]\n", at - 1)));
        assert!(read(&laughs).unwrap_err().contains("more than is read"));
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in r#"[-a:&*!|>'"{}\[\],# \n\t?<é\\]{0,60}"#) {
            let _ = read(&text);
        }
    }
}
