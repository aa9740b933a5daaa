//! Words of a Dockerfile: where they end, what quotes mean, what variables become; the text of a RUN is
//! split in `script.rs`. Pure.

use std::rc::Rc;

/// One word, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// With its quotes.
    pub(crate) raw: String,
}

/// A text with its variables replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// Something in it is known only when it is built.
    pub(crate) unknown: bool,
    /// The variables that it names.
    pub(crate) names: Vec<String>,
}

/// What a variable is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// This.
    Text(Rc<str>),
    /// Known only when it is built.
    Unknown,
    /// Not set.
    Unset,
}

/// A text may become so much longer by its variables: `ENV A=$A$A` doubles what there was.
const GROWTH: usize = 16 << 10;

/// The blanks that BuildKit knows between words of its own; a no-break space is none.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\x0b' | '\x0c' | '\r' | ' ')
}

/// Where the first word of a text ends: at a blank outside of quotes.
pub(crate) fn end_of_word(text: &str, escape: char) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        let c = match byte {
            0..0x80 => char::from(byte),
            // Of a letter of several bytes the first one stands for it.
            0xc0.. => text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default(),
            _ => continue,
        };
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, c) if c == escape => escaped = true,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c.is_whitespace() => return at,
            (None, _) => {}
        }
    }
    text.len()
}

/// All words, quotes and all.
pub(crate) fn split(text: &str, escape: char) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, tail) = rest.split_at(end_of_word(rest, escape));
        words.push(Word { raw: word.to_owned() });
        rest = tail.trim_start();
    }
    words
}

/// Without its quotes; variables stay as they are.
pub(crate) fn unquoted(text: &str, escape: char) -> String {
    walk(text, escape, &mut |_| None).text
}

/// Without quotes and with the variables' values, as BuildKit's shell.Lex does it.
pub(crate) fn expand(text: &str, escape: char, lookup: &dyn Fn(&str) -> Value) -> Expanded {
    walk(text, escape, &mut |name| Some(lookup(name)))
}

/// As compose does it: quotes are part of the text, and `$$` is a `$`.
pub(crate) fn interpolated(text: &str, lookup: &dyn Fn(&str) -> Value) -> Expanded {
    let mut out = Expanded::default();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match (c, chars.get(at)) {
            ('$', Some('$')) => {
                out.text.push('$');
                at += 1;
            }
            ('$', _) => at = dollar(&chars, at, '\\', &mut |name| Some(lookup(name)), &mut out),
            (c, _) => out.text.push(c),
        }
    }
    out
}

type Lookup<'a> = &'a mut dyn FnMut(&str) -> Option<Value>;

fn walk(text: &str, escape: char, lookup: Lookup<'_>) -> Expanded {
    let mut out = Expanded::default();
    let special = |byte| matches!(byte, b'\'' | b'"' | b'$') || char::from(byte) == escape;
    if !text.bytes().any(special) {
        out.text.push_str(text);
        return out;
    }
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut double = false;
    while let Some(&c) = chars.get(at) {
        if out.text.len() > text.len() + GROWTH {
            return Expanded { text: String::new(), unknown: true, ..out };
        }
        at += 1;
        match c {
            '\'' if !double => {
                while let Some(&c) = chars.get(at) {
                    at += 1;
                    if c == '\'' {
                        break;
                    }
                    out.text.push(c);
                }
            }
            '"' => double = !double,
            c if c == escape => match chars.get(at) {
                Some(&next) if !double || matches!(next, '"' | '$') || next == escape => {
                    out.text.push(next);
                    at += 1;
                }
                Some(_) | None => out.text.push(c),
            },
            '$' => at = dollar(&chars, at, escape, lookup, &mut out),
            c => out.text.push(c),
        }
    }
    out
}

/// What follows a `$`; the place behind it.
fn dollar(chars: &[char], at: usize, escape: char, lookup: Lookup<'_>, out: &mut Expanded) -> usize {
    let braced = chars.get(at) == Some(&'{');
    let start = if braced { at + 1 } else { at };
    let length = chars.iter().skip(start).take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count();
    let name: String = chars.iter().skip(start).take(length).collect();
    let after = start + length;
    if name.is_empty() || (!braced && name.starts_with(|c: char| c.is_ascii_digit())) {
        out.text.push('$');
        return at;
    }
    let (operator, end) = if braced {
        let Some(length) = closing(chars.get(after..).unwrap_or_default()) else {
            out.unknown = true;
            return chars.len();
        };
        let operator: String = chars.iter().skip(after).take(length).collect();
        (operator, after + length + 1)
    } else {
        (String::new(), after)
    };
    let Some(value) = lookup(&name) else {
        out.text.extend(chars.get(at - 1..end.min(chars.len())).unwrap_or_default());
        return end;
    };
    out.names.push(name);
    apply(&operator, value, escape, lookup, out);
    end
}

/// How long what stands before the closing brace is; others may be inside.
fn closing(chars: &[char]) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in chars.iter().enumerate() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `:-y`, `:+y`, `-y`, `+y`; what else there is (`#pattern`, `/a/b`, `:?`) is not computed.
fn apply(operator: &str, value: Value, escape: char, lookup: Lookup<'_>, out: &mut Expanded) {
    let (colon, rest) = operator.strip_prefix(':').map_or((false, operator), |rest| (true, rest));
    let set = match &value {
        Value::Text(text) => Some(!(colon && text.is_empty())),
        Value::Unset => Some(false),
        Value::Unknown => None,
    };
    let (mark, word) = match rest.chars().next() {
        Some(mark) => (Some(mark), rest.get(mark.len_utf8()..).unwrap_or_default()),
        None => (None, ""),
    };
    let mut other = |out: &mut Expanded| {
        // `${A:-${A:-…}}` is not followed for ever.
        let inner = if word.len() < 4096 && word.matches('{').count() < 16 {
            walk(word, escape, lookup)
        } else {
            Expanded { unknown: true, ..Expanded::default() }
        };
        out.text.push_str(&inner.text);
        out.unknown |= inner.unknown;
        out.names.extend(inner.names);
    };
    match (mark, set, value) {
        (None, _, Value::Text(text)) => out.text.push_str(&text),
        (None, _, Value::Unset) => {}
        (Some('-'), Some(true), Value::Text(text)) => out.text.push_str(&text),
        (Some('-'), Some(false), _) | (Some('+'), Some(true), _) => other(out),
        (Some('+'), Some(false), _) => {}
        (Some('?'), Some(true), Value::Text(text)) => out.text.push_str(&text),
        (_, _, _) => out.unknown = true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(name: &str) -> Value {
        match name {
            "A" => Value::Text("a".into()),
            "EMPTY" => Value::Text("".into()),
            "BUILT" => Value::Unknown,
            _ => Value::Unset,
        }
    }

    #[test]
    fn variables() {
        for (text, wanted, unknown) in [
            ("x$A-y", "xa-y", false),
            ("${A}b", "ab", false),
            ("$NONE.", ".", false),
            ("${NONE:-y}", "y", false),
            ("${EMPTY:-y}${EMPTY-z}", "y", false),
            ("${A:+y}${NONE:+z}${EMPTY:+z}", "y", false),
            ("${NONE:-${A}b}", "ab", false),
            ("'$A' \"$A\" \\$A", "$A a $A", false),
            ("$BUILT", "", true),
            ("${A#x}", "", true),
            ("${A", "", true),
            ("$1 $$ $", "$1 $$ $", false),
        ] {
            let expanded = expand(text, '\\', &lookup);
            assert_eq!((expanded.text.as_str(), expanded.unknown), (wanted, unknown), "{text}");
        }
        assert_eq!(expand("$A ${B:-$C}", '\\', &lookup).names, ["A", "B", "C"]);
    }

    #[test]
    fn what_grows_too_long_is_unknown() {
        let long = |_: &str| Value::Text("a".repeat(GROWTH).into());
        assert!(!expand("$A", '\\', &long).unknown);
        let expanded = expand(&"$A".repeat(50), '\\', &long);
        assert!(expanded.unknown && expanded.text.is_empty());
        let literal = "a".repeat(4 * GROWTH);
        assert_eq!(expand(&literal, '\\', &long).text, literal);
    }

    #[test]
    fn words_and_quotes() {
        let words = |text| split(text, '\\').into_iter().map(|word| word.raw).collect::<Vec<_>>();
        assert_eq!(words(" a 'b c' d\\ e \"f \\\" g\" "), ["a", "'b c'", "d\\ e", "\"f \\\" g\""]);
        assert_eq!(unquoted("'b $c' \"${d}\"", '\\'), "b $c ${d}");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in r#"[A-Za-z{}$:+'"\\ -]{0,80}"#) {
            let _ = expand(&text, '\\', &lookup);
            let _ = split(&text, '`');
        }
    }
}
