//! What ARG and ENV set, and what texts become by it. Pure.

use super::parse::Instruction;
use super::words::{self, Expanded, Value};
use std::cell::Cell;
use std::rc::Rc;

/// Names and what they are worth: a tree by the bits of the names' hashes. Each step keeps what was known when it came, and
/// shares with the others what did not change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(Option<Rc<Variable>>);

#[derive(Clone, Debug)]
struct Variable {
    name: Rc<str>,
    value: Value,
    even: Variables,
    odd: Variables,
}

/// FNV-1a.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Variables {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let (mut at, mut bits) = (self, hash(name));
        while let Some(variable) = &at.0 {
            if *variable.name == *name {
                return Some(&variable.value);
            }
            at = if bits & 1 == 0 { &variable.even } else { &variable.odd };
            bits >>= 1;
        }
        None
    }

    pub(crate) fn insert(&mut self, name: &str, value: Value) {
        let (mut at, mut bits) = (&mut self.0, hash(name));
        while let Some(shared) = at {
            let variable = Rc::make_mut(shared);
            if *variable.name == *name {
                variable.value = value;
                return;
            }
            at = if bits & 1 == 0 { &mut variable.even.0 } else { &mut variable.odd.0 };
            bits >>= 1;
        }
        let (even, odd) = Default::default();
        *at = Some(Rc::new(Variable { name: Rc::from(name), value, even, odd }));
    }
}

/// Those that need no declaration anywhere.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// Whether a variable needs no declaration.
pub(super) fn is_proxy(name: &str) -> bool {
    PROXIES.contains(&name.to_ascii_uppercase().as_str())
}

fn lookup(variables: &Variables, name: &str) -> Value {
    match variables.get(name) {
        Some(value) => value.clone(),
        None if is_proxy(name) => Value::Unknown,
        None => Value::Unset,
    }
}

/// With the values of variables, as long as there is room for them.
pub(super) fn expand(text: &str, escape: char, known: &Variables, room: &Cell<usize>) -> Expanded {
    let expanded = words::expand(text, escape, &|name| lookup(known, name));
    match room.get().checked_sub(expanded.text.len().saturating_sub(text.len())) {
        Some(left) => room.set(left),
        None => return Expanded { text: String::new(), unknown: true, ..expanded },
    }
    expanded
}

/// `ARG A B=1`: without a value it has that from before FROM, or one that only the builder knows.
pub(super) fn declare(
    instruction: &Instruction,
    known: &mut Variables,
    globals: Option<&Variables>,
    escape: char,
    room: &Cell<usize>,
    into: &mut Variables,
) {
    for word in words::split(&instruction.rest, escape) {
        let (name, value) = match word.raw.split_once('=') {
            Some((name, value)) => {
                let expanded = expand(value, escape, known, room);
                (name, if expanded.unknown { Value::Unknown } else { Value::Text(expanded.text.into()) })
            }
            None => {
                let global = globals.and_then(|globals| globals.get(&word.raw)).cloned();
                (word.raw.as_str(), global.unwrap_or(Value::Unknown))
            }
        };
        known.insert(name, value.clone());
        into.insert(name, value);
    }
}

/// What the build is given for an ARG goes before its default.
pub(super) fn given(
    instruction: &Instruction,
    escape: char,
    arguments: &[(String, Option<String>)],
    into: &mut Variables,
) {
    if arguments.is_empty() {
        return;
    }
    for word in words::split(&instruction.rest, escape) {
        let name = word.raw.split('=').next().unwrap_or_default();
        if let Some((_, value)) = arguments.iter().rfind(|(given, _)| given == name) {
            into.insert(name, argument(value));
        }
    }
}

/// The value of an argument; of one that has none only the builder knows it.
pub(super) fn argument(value: &Option<String>) -> Value {
    value.as_deref().map_or(Value::Unknown, |value| Value::Text(value.into()))
}

pub(super) fn environment(
    instruction: &Instruction,
    expand: &dyn Fn(&str) -> Expanded,
    escape: char,
    into: &mut Variables,
) {
    let mut set = |name: &str, value: &str| {
        let value = expand(value);
        into.insert(name, if value.unknown { Value::Unknown } else { Value::Text(value.text.into()) });
    };
    let words = words::split(&instruction.rest, escape);
    // `ENV NAME the whole rest`, the old form.
    if let Some(first) = words.first().filter(|first| !first.raw.contains('=')) {
        set(&first.raw, instruction.rest.get(first.raw.len()..).unwrap_or_default().trim());
        return;
    }
    for (name, value) in words.iter().filter_map(|word| word.raw.split_once('=')) {
        set(name, value);
    }
}
