//! Lines in fields of JSON: which of a record's strings are text, what tells whose it is, and whether a line begins a
//! JSON document at all.

use crate::goroutines::groups::hash;
use crate::json::Value;
use std::collections::BTreeSet;

/// One string of a record.
pub(super) struct Field<'a> {
    /// Where it is: `jsonPayload.message`, `values[].1`.
    pub(super) path: String,
    pub(super) text: std::borrow::Cow<'a, str>,
    /// Whose record it is: container, pod, process.
    pub(super) key: u64,
}

impl Field<'_> {
    /// Whether it is more than a line.
    pub(super) fn has_lines(&self) -> bool {
        self.text.trim_end().contains('\n') || self.text.contains("\\n")
    }
}

/// What names the process, as parts of field names in small letters.
const NAMES: [&str; 15] = [
    "pod",
    "container",
    "pid",
    "host",
    "service",
    "package",
    "instance",
    "task",
    "node",
    "program",
    "process",
    "identifier",
    "unit",
    "stream",
    "job",
];
/// And what has such a name and does not.
const NOT_NAMES: [&str; 6] = ["time", "cursor", "offset", "seq", "index", "timestamp"];

/// Calls `each` with the strings of every record in a document, in the order of time.
pub(super) fn records(document: &Value, each: &mut dyn FnMut(&[Field<'_>])) {
    record(document, 0, "", each);
}

fn record(value: &Value, inherited: u64, path: &str, each: &mut dyn FnMut(&[Field<'_>])) {
    match value {
        Value::Object(_) => {
            let key = inherited ^ names(value, 0);
            let mut fields = Vec::new();
            let mut lists = Vec::new();
            collect(value, path, key, &mut fields, &mut lists);
            without_copies(&fields, &mut lists);
            if !fields.is_empty() {
                each(&fields);
            }
            lists.iter().for_each(|(path, list)| items(list, key, path, each));
        }
        Value::List(list) => items(list, inherited, path, each),
        Value::Text(_) | Value::Other(_) => {}
    }
}

/// The strings of a record, and its lists: what is in them are records of their own.
fn collect<'a>(
    value: &'a Value,
    path: &str,
    key: u64,
    fields: &mut Vec<Field<'a>>,
    lists: &mut Vec<(String, &'a [Value])>,
) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Text(text) => fields.push(Field { path, text: text.into(), key }),
            Value::Object(_) => collect(value, &path, key, fields, lists),
            Value::List(list) => match (bytes(list), &list[..]) {
                (Some(text), _) => fields.push(Field { path, text: text.into(), key }),
                // Elasticsearch gives each field once more, as a list of its one value.
                (None, [Value::Text(text)]) => fields.push(Field { path: path + "[]", text: text.into(), key }),
                _ => lists.push((path, list)),
            },
            Value::Other(_) => {}
        }
    }
}

/// Leaves out the lists that have the lines of a text beside them, as Ansible has them.
fn without_copies(fields: &[Field<'_>], lists: &mut Vec<(String, &[Value])>) {
    let whole = fields.iter().map(|field| field.text.trim_end()).filter(|text| text.contains('\n'));
    let texts: BTreeSet<u64> = whole.map(|text| hash(text.as_bytes())).collect();
    if texts.is_empty() {
        return;
    }
    lists.retain(|(_, list)| {
        let lines: Vec<&str> = list.iter().map_while(Value::text).collect();
        lines.len() < 2 || !texts.contains(&hash(lines.join("\n").trim_end().as_bytes()))
    });
}

/// A list of names and their values as a record: CloudWatch Logs Insights has those.
fn pairs(list: &[Value]) -> Option<Value> {
    let pair = |value: &Value| match value {
        Value::Object(members) => match &members[..] {
            [(_, Value::Text(name)), (second, value)] if second == "value" => Some((name.clone(), value.clone())),
            _ => None,
        },
        _ => None,
    };
    let members: Vec<(String, Value)> = list.iter().map_while(pair).collect();
    (!members.is_empty() && members.len() == list.len()).then_some(Value::Object(members))
}

/// What is in a list. A time and a line (Loki's) are a record too. Exports put the newest first.
fn items(list: &[Value], key: u64, path: &str, each: &mut dyn FnMut(&[Field<'_>])) {
    let path = format!("{path}[]");
    let mut item = |value: &Value| match value {
        Value::List(pair) if pair.iter().all(|value| value.text().is_some()) && !pair.is_empty() => {
            let texts = pair.iter().filter_map(Value::text).enumerate();
            let fields: Vec<_> =
                texts.map(|(at, text)| Field { path: format!("{path}.{at}"), text: text.into(), key }).collect();
            each(&fields);
        }
        Value::Text(text) => each(&[Field { path: path.clone(), text: text.into(), key }]),
        Value::List(list) => match pairs(list) {
            Some(named) => record(&named, key, &path, each),
            None => record(value, key, &path, each),
        },
        other => record(other, key, &path, each),
    };
    let time = |value: Option<&Value>| value.and_then(time).unwrap_or_default();
    if time(list.first()) > time(list.last()) {
        list.iter().rev().for_each(&mut item);
    } else {
        list.iter().for_each(&mut item);
    }
}

/// When a record was written, for comparing.
fn time(value: &Value) -> Option<String> {
    match value {
        Value::List(list) => match pairs(list) {
            Some(named) => time(&named),
            None => list.first().and_then(Value::text).map(str::to_owned),
        },
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let named = name.ends_with("time") || name.ends_with("timestamp") || name == "ts" || name == "date";
            match value {
                Value::Text(text) if named => Some(text.clone()),
                Value::Other(number) if named => Some(number.clone()),
                Value::Object(_) if name == "_source" => time(value),
                _ => None,
            }
        }),
        Value::Text(_) | Value::Other(_) => None,
    }
}

/// What of a record, without the records in it, names a process.
pub(super) fn names(value: &Value, depth: u8) -> u64 {
    let Value::Object(members) = value else { return 0 };
    let mut key = 0u64;
    for (name, value) in members {
        let lower = name.to_ascii_lowercase();
        let is_name =
            NAMES.iter().any(|part| lower.contains(part)) || matches!(lower.as_str(), "app" | "name" | "namespace");
        match value {
            Value::Object(_) if depth < 8 => key ^= names(value, depth + 1).rotate_left(1),
            Value::Text(text) | Value::Other(text) if is_name && !NOT_NAMES.iter().any(|part| lower.contains(part)) => {
                key ^= hash(format!("{lower}\0{text}").as_bytes());
            }
            _ => {}
        }
    }
    key
}

/// journald writes a message that is no plain text as a list of its bytes.
fn bytes(list: &[Value]) -> Option<String> {
    let byte = |value: &Value| match value {
        Value::Other(number) => number.parse::<u8>().ok(),
        Value::Text(_) | Value::List(_) | Value::Object(_) => None,
    };
    let bytes: Vec<u8> = list.iter().map_while(byte).collect();
    (bytes.len() == list.len() && bytes.len() > 3).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a line may begin a JSON document: `{"a":1}`, but not `[info] main`.
pub(super) fn begins(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    match text {
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [] | [b'"' | b'}', ..]),
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [] | [b'{' | b'[' | b'"', ..]),
        _ => false,
    }
}

/// How deep in lists and objects a text ends, which begins so deep, and whether it ends in a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) depth: usize,
    pub(super) in_string: bool,
}

impl Depth {
    /// Goes on with a line.
    pub(super) fn after(mut self, line: &[u8]) -> Depth {
        let mut escaped = false;
        for b in line {
            match (self.in_string, *b) {
                (true, _) if escaped => escaped = false,
                (true, b'\\') => escaped = true,
                (_, b'"') => self.in_string = !self.in_string,
                (false, b'{' | b'[') => self.depth += 1,
                (false, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        records(&Value::read(text).unwrap(), &mut |fields| {
            found.extend(fields.iter().map(|field| (field.path.clone(), field.text.to_string())));
        });
        found
    }

    fn keys(text: &str, path: &str) -> Vec<u64> {
        let mut keys = Vec::new();
        records(&Value::read(text).unwrap(), &mut |fields| {
            keys.extend(fields.iter().filter(|field| field.path == path).map(|field| field.key));
        });
        keys
    }

    #[test]
    fn strings_of_records() {
        let found = strings(r#"{"a":{"b":"x"},"n":1,"l":[["1","y"],["2","z"]],"m":[104,105,106,107]}"#);
        let found: Vec<_> = found.iter().map(|(path, text)| (&path[..], &text[..])).collect();
        assert_eq!(
            found,
            [("a.b", "x"), ("m", "hijk"), ("l[].0", "1"), ("l[].1", "y"), ("l[].0", "2"), ("l[].1", "z")]
        );
        assert_eq!(
            strings(r#"[{"ts":"2","m":"b"},{"ts":"1","m":"a"}]"#).last().unwrap().1,
            "b",
            "the newest was first"
        );
    }

    #[test]
    fn what_is_said_twice_or_in_pairs() {
        let told = |text: &str| strings(text).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(told(r#"{"err":"a\nb\n","err_lines":["a","b"],"m":["c"]}"#), ["a\nb\n", "c"]);
        assert_eq!(told(r#"{"err":"a\nb","more":["a","c"]}"#), ["a\nb", "a", "c"], "a near miss");
        let results = r#"[[{"field":"@timestamp","value":"2"},{"field":"@message","value":"b"}],
            [{"field":"@timestamp","value":"1"},{"field":"@message","value":"a"}]]"#;
        let found = strings(results);
        let messages: Vec<_> =
            found.iter().filter(|(path, _)| path == "[].@message").map(|(_, text)| &text[..]).collect();
        assert_eq!(messages, ["a", "b"]);
    }

    #[test]
    fn whose_record() {
        let keys = keys(
            r#"[{"m":"a","_PID":"1","time":"1"},{"m":"b","_PID":"2","time":"2"},{"m":"c","_PID":"1","time":"3"}]"#,
            "[].m",
        );
        assert!(keys[0] == keys[2] && keys[0] != keys[1]);
    }

    #[test]
    fn documents() {
        assert!(begins(b"{") && begins(b" {\"a\":1}") && begins(b"[") && begins(b"[{\"a\""));
        assert!(begins(b"[\"a\", \"b\"]"));
        assert!(!begins(b"[info] main") && !begins(b"{a b}") && !begins(b"main {"));
        let depth = Depth::default().after(b"{\"a\": [\"}\\\"\",");
        assert_eq!(depth, Depth { depth: 2, in_string: false });
        assert_eq!(depth.after(b"]}").depth, 0);
    }
}
