//! JSON as it is written, one value after the other, and as it is read: serde would be ten times the code. Pure.

/// A text in the making.
#[derive(Debug, Default)]
pub struct Json(String);

impl Json {
    /// Goes on with a text.
    pub fn behind(text: String) -> Json {
        Json(text)
    }

    /// Returns what was written so far.
    pub fn into_text(self) -> String {
        self.0
    }

    /// An object; what is inside writes its fields.
    pub fn object(&mut self, fields: impl FnOnce(&mut Json)) {
        self.comma();
        self.0.push('{');
        fields(self);
        self.0.push('}');
    }

    /// The name of a field, whose value comes next.
    pub fn key(&mut self, name: &str) {
        self.value(name);
        self.0.push(':');
    }

    /// Writes a field whose value is a string.
    pub fn string(&mut self, name: &str, value: &str) {
        self.key(name);
        self.value(value);
    }

    /// Writes a field whose value is a number.
    pub fn number(&mut self, name: &str, value: u64) {
        self.key(name);
        self.raw(&value.to_string());
    }

    /// Number fields; what is not known is not there.
    pub fn numbers(&mut self, fields: &[(&str, Option<u64>)]) {
        for (name, value) in fields {
            if let Some(value) = value {
                self.number(name, *value);
            }
        }
    }

    /// A field that is true or false.
    pub fn bool(&mut self, name: &str, value: bool) {
        self.key(name);
        self.raw(if value { "true" } else { "false" });
    }

    /// A field with a list; each item writes one value.
    pub fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Json, T)) {
        self.key(name);
        self.0.push('[');
        for item in items {
            each(self, item);
        }
        self.0.push(']');
    }

    /// What is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.comma();
        self.0.push_str(json);
    }

    /// A string. RFC 8259, section 7, and no control character of Unicode's, which could move a terminal's cursor.
    pub fn value(&mut self, text: &str) {
        self.comma();
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                c if c.is_control() => self.0.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    /// Between two values: not after what opens a list or an object, and not after a key.
    fn comma(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(['{', '[', ':']) {
            self.0.push(',');
        }
    }
}

/// JSON that was read. Numbers are kept as they stand, whatever their size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`, `true`, `false`, and numbers.
    Other(String),
    /// A string, without its quotes and escapes.
    Text(String),
    /// A list of values.
    List(Vec<Value>),
    /// An object; of fields of the same name the last counts.
    Object(Vec<(String, Value)>),
}

/// So deep nobody nests, and the stack is not endless.
const DEEPEST: u8 = 64;

impl Value {
    /// The text's one value; None if it is no JSON.
    pub fn read(text: &str) -> Option<Value> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.blanks();
        (reader.at == text.len()).then_some(value)
    }

    /// A field of an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(fields) => fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| value),
            Value::Other(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// The items of a list; none if it is no list.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            Value::Other(_) | Value::Text(_) | Value::Object(_) => &[],
        }
    }

    /// A whole number that is not negative and fits.
    pub fn number(&self) -> Option<u64> {
        match self {
            Value::Other(word) => word.parse().ok(),
            Value::Text(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Other(_) | Value::List(_) | Value::Object(_) => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Takes this byte, after blanks, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        if self.take(b'{') {
            let mut fields = Vec::new();
            if self.take(b'}') {
                return Some(Value::Object(fields));
            }
            loop {
                self.blanks();
                let name = self.string()?;
                if !self.take(b':') {
                    return None;
                }
                fields.push((name, self.value(depth + 1)?));
                if !self.take(b',') {
                    return self.take(b'}').then_some(Value::Object(fields));
                }
            }
        }
        if self.take(b'[') {
            let mut items = Vec::new();
            if self.take(b']') {
                return Some(Value::List(items));
            }
            loop {
                items.push(self.value(depth + 1)?);
                if !self.take(b',') {
                    return self.take(b']').then_some(Value::List(items));
                }
            }
        }
        if self.peek() == Some(b'"') {
            return self.string().map(Value::Text);
        }
        self.other()
    }

    fn other(&mut self) -> Option<Value> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')) {
            self.at += 1;
        }
        let word = self.text.get(start..self.at)?;
        let number = word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
        (number || matches!(word, "null" | "true" | "false")).then(|| Value::Other(word.to_owned()))
    }

    fn string(&mut self) -> Option<String> {
        if self.peek() != Some(b'"') {
            return None;
        }
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.text.get(self.at..)?.chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                c if c < ' ' => return None,
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(match c {
            b'"' | b'\\' | b'/' => char::from(c),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex()?;
                if (0xd800..0xdc00).contains(&high) && self.text.get(self.at..)?.starts_with("\\u") {
                    let alone = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xdc00..0xe000).contains(&low) {
                        return char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                    }
                    self.at = alone;
                }
                char::from_u32(high).unwrap_or('\u{fffd}')
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        // It would take a sign, too.
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_read() {
        let text = r#" {"a": [1, -2.5e3, true, null, "x\n\u00e9\ud83d\ude00\/"], "b": {}, "a2": [], "b": {"c": "d"}} "#;
        let value = Value::read(text).unwrap();
        assert_eq!(value.get("a").unwrap().items()[4].text(), Some("x\n\u{e9}\u{1f600}/"));
        assert_eq!(value.get("b").unwrap().get("c").unwrap().text(), Some("d"));
        for (text, number) in [("7", Some(7)), ("18446744073709551615", Some(u64::MAX)), ("-1", None), ("1.5", None)] {
            assert_eq!(Value::read(text).unwrap().number(), number, "{text}");
        }
        for (text, number) in [("18446744073709551616", None), ("null", None), ("\"7\"", None), ("[7]", None)] {
            assert_eq!(Value::read(text).unwrap().number(), number, "{text}");
        }
        for wrong in [
            "",
            "[1,]",
            "{\"a\"}",
            "[\"a]",
            "['a']",
            "[1] 2",
            "nul",
            "[a]",
            "{a:1}",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+041\"",
        ] {
            assert_eq!(Value::read(wrong), None, "{wrong}");
        }
        for (text, read) in
            [("\\ud83d", "\u{fffd}"), ("\\ud83d\\u0041", "\u{fffd}A"), ("\\ud83d\\ud83d\\ude00", "\u{fffd}\u{1f600}")]
        {
            assert_eq!(Value::read(&format!("\"{text}\"")), Some(Value::Text(read.to_owned())), "{text}");
        }
        assert_eq!(Value::read(&"[".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn it_agrees_with_serde(text in r#"[\[\]{}:,"a1 ntrue\\]{0,24}"#) {
            let ours = Value::read(&text).is_some();
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            // A number may be one only nearly: `1a` is not worth its own code.
            prop_assert!(ours || !theirs, "{text}");
        }

        #[test]
        fn it_reads_what_serde_writes(text in ".*", number in any::<u64>()) {
            let value = Value::read(&serde_json::json!({ "text": text, "number": number }).to_string()).unwrap();
            prop_assert_eq!(value.get("text").unwrap().text(), Some(text.as_str()));
            prop_assert_eq!(value.get("number").unwrap().number(), Some(number));
        }
    }

    #[test]
    fn it_is_json() {
        let mut json = Json::default();
        json.object(|json| {
            json.string("a:{[", "b:{[");
            json.list("none", [], |json, item: &str| json.value(item));
            json.list("texts", ["\"\\\n\u{7f}é", "{"], Json::value);
            json.list("objects", [1, 2], |json, n| json.object(|json| json.number("n", n)));
            json.numbers(&[("one", Some(1)), ("unknown", None)]);
            json.bool("true", true);
            json.key("raw");
            json.raw("[null]");
            json.key("empty");
            json.object(|_| {});
        });
        let value: serde_json::Value = serde_json::from_str(&json.into_text()).unwrap();
        let wanted = serde_json::json!({
            "a:{[": "b:{[", "none": [], "texts": ["\"\\\n\u{7f}é", "{"], "objects": [{"n": 1}, {"n": 2}], "one": 1,
            "true": true, "raw": [null], "empty": {},
        });
        assert_eq!(value, wanted);
    }
}
