//! How findings are put together from words: who, where, how many. What a goroutine waits for is worded in `wait.rs`.

use super::node::Node;
use crate::goroutines::groups::hash;
use crate::goroutines::{Frame, Group};
use std::collections::BTreeMap;

/// So many groups are named in one sentence.
const NAMED: usize = 3;

impl std::fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = if self.is_main() { "Goroutine 1: " } else { "" };
        write!(f, "{who}{}", describe(self))
    }
}

/// `12 in main.(*pool).work (pool.go:26), receiving from a channel for 3 minutes`
pub(super) fn describe(node: &Node<'_>) -> String {
    list(std::slice::from_ref(node))
}

/// Those that differ, with how many of each.
pub(super) fn list(nodes: &[Node<'_>]) -> String {
    let mut kinds: Vec<(u64, String)> = Vec::new();
    let mut known: BTreeMap<u64, usize> = BTreeMap::new();
    for node in nodes {
        let text = describe_one(node);
        let at = *known.entry(hash(text.as_bytes())).or_insert(kinds.len());
        match kinds.get_mut(at) {
            Some((count, _)) => *count += node.count,
            None => kinds.push((node.count, text)),
        }
    }
    let more: u64 = kinds.iter().skip(NAMED).map(|(count, _)| count).sum();
    let mut named: Vec<String> = kinds
        .into_iter()
        .take(NAMED)
        .map(|(count, text)| match count {
            1 => text,
            count => format!("{count} in {text}"),
        })
        .collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    named.join("; ")
}

pub(super) fn describe_one(node: &Node<'_>) -> String {
    let place = node.place().map_or("a goroutine".to_owned(), at);
    // What its own code called says it best: syscall.Flock, http.Get.
    let called = node.own.and_then(|own| node.frames.get(own.checked_sub(1)?));
    let telling = |frame: &&Frame| !["runtime.", "sync.", "time."].iter().any(|name| frame.function.starts_with(name));
    let called = called.filter(telling).map_or(String::new(), |frame| format!(" ({})", last(&frame.function)));
    format!("{place}, {}{called}{}", node.wait.phrase(node.group), time(node))
}

pub(super) fn time(group: &Group) -> String {
    match group.minutes.1 {
        0 => String::new(),
        1 => " for a minute".to_owned(),
        minutes => format!(" for {minutes} minutes"),
    }
}

/// `main.(*pool).work (pool.go:26)`
pub(super) fn at(frame: &Frame) -> String {
    format!("{} ({})", last(&frame.function), place_of(frame))
}

/// `pool.go:26`
pub(super) fn place_of(frame: &Frame) -> String {
    format!("{}:{}", last(&frame.file), frame.line)
}

/// Without the path before it.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub(super) fn count(nodes: &[Node<'_>]) -> u64 {
    nodes.iter().map(|node| node.count).sum()
}
