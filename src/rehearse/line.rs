//! A line of the init's log: one JSON object (RFC 8259) of texts and whole numbers. Other values are skipped; an object
//! inside it is not understood.

/// Its fields.
pub(super) struct Line(Vec<(String, Value)>);

enum Value {
    Text(String),
    Number(u64),
    Other,
}

impl Line {
    /// None where it is no such object.
    pub(super) fn parse(line: &[u8]) -> Option<Line> {
        let mut rest = std::str::from_utf8(line).ok()?.trim().strip_prefix('{')?.strip_suffix('}')?.trim_start();
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (name, after) = text(rest)?;
            let (value, after) = value(after.trim_start().strip_prefix(':')?.trim_start())?;
            fields.push((name, value));
            rest = match after.trim_start() {
                "" => "",
                after => after.strip_prefix(',')?.trim_start(),
            };
        }
        Some(Line(fields))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            Value::Number(_) | Value::Other => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Value::Number(number) => Some(*number),
            Value::Text(_) | Value::Other => None,
        }
    }
}

/// A value, and what comes after it.
fn value(from: &str) -> Option<(Value, &str)> {
    if from.starts_with('"') {
        return text(from).map(|(text, rest)| (Value::Text(text), rest));
    }
    let (word, rest) = from.split_at(from.find([',', ' ', '\t']).unwrap_or(from.len()));
    if word.is_empty() || word.contains(['{', '[', '"']) {
        return None;
    }
    Some((word.parse().map_or(Value::Other, Value::Number), rest))
}

/// A string with its quotes and escapes, and what comes after it.
fn text(from: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = from.strip_prefix('"')?.chars();
    loop {
        match rest.next()? {
            '"' => return Some((text, rest.as_str())),
            '\\' => text.push(match rest.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let code = u32::from_str_radix(rest.as_str().get(..4)?, 16).ok()?;
                    rest.nth(3);
                    // Half of a pair: no log writes such a thing.
                    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
                same @ ('"' | '\\' | '/') => same,
                _ => return None,
            }),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_of_the_log() {
        let line = br#"{"timestamp":"2026-01-01T00:00:00Z","level":"WARN","code":137,"leftovers":"a \"b\" \u0007 (7)","x":-1,"y":null}
"#;
        let line = Line::parse(line).unwrap();
        assert_eq!((line.number("code"), line.text("level")), (Some(137), Some("WARN")));
        assert_eq!(line.text("leftovers"), Some("a \"b\" \u{7} (7)"));
        assert_eq!((line.number("x"), line.text("y"), line.number("level"), line.text("z")), (None, None, None, None));
    }

    #[test]
    fn what_is_no_such_object() {
        for bad in ["", "{", "}", "[]", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1 "b":2}"#, r#"{"a":{"b":1}}"#, r#"{"a":"b}"#]
        {
            assert!(Line::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Line::parse(b"{}").is_some());
    }

    proptest! {
        #[test]
        fn it_reads_what_a_real_writer_writes(text in ".*", number in any::<u64>()) {
            let line = serde_json::json!({ "text": text, "number": number }).to_string();
            let line = Line::parse(line.as_bytes()).unwrap();
            prop_assert_eq!(line.text("text"), Some(text.as_str()));
            prop_assert_eq!(line.number("number"), Some(number));
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in r#"\{["\\u,:a0-9é]{0,20}\}"#) {
            let _ = Line::parse(&bytes);
            let _ = Line::parse(text.as_bytes());
        }
    }
}
