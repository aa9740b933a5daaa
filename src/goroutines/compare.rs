//! Two dumps of one program: what came, what went, what grew.

use super::groups::hash;
use super::{Frame, Group, Style, Summary, order};
use crate::encoded::printable;
use crate::json::Json;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Goroutines with the same stack, whatever their states, in both dumps.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// How many there were.
    pub before: u64,
    /// How many there are.
    pub after: u64,
    /// What they are, in the newer dump if they are there.
    pub group: &'a Group,
}

/// So many changes are shown where not all are asked for.
const SHOWN: usize = 12;

/// What differs between two dumps, without the runtime's own goroutines: what grew most comes first, what went last.
pub fn compare<'a>(old: &'a Summary, new: &'a Summary) -> Vec<Change<'a>> {
    let mut known: BTreeMap<u64, usize> = BTreeMap::new();
    let mut changes: Vec<Change<'a>> = Vec::new();
    // The newer one first, so that what is shown is how it is now.
    for (is_new, summary) in [(true, new), (false, old)] {
        for group in summary.groups.iter().filter(|group| !group.system) {
            let at = *known.entry(key(group)).or_insert(changes.len());
            if at == changes.len() {
                changes.push(Change { before: 0, after: 0, group });
            }
            if let Some(change) = changes.get_mut(at) {
                *(if is_new { &mut change.after } else { &mut change.before }) += group.count;
            }
        }
    }
    changes.retain(|change| change.before != change.after);
    order::by(changes, |change| match change.after.checked_sub(change.before) {
        Some(more) => [0, order::most(more), 0],
        None => [1, order::most(change.before - change.after), 0],
    })
}

/// The stack and what started it. Of one that moves on the state says nothing.
fn key(group: &Group) -> u64 {
    let mut text = String::new();
    for frame in group.frames.iter().chain(&group.creator) {
        let _ = writeln!(text, "{}\0{}\0{}", frame.function, frame.file, frame.line);
    }
    hash(text.as_bytes())
}

/// One line for each change, below one that tells how many there are in all.
pub fn table(old: &Summary, new: &Summary, changes: &[Change<'_>], style: &Style) -> String {
    let all = |summary: &Summary| summary.user;
    let mut text = format!("{} goroutines, {} before", all(new), all(old));
    for (what, count) in [
        ("new", changes.iter().filter(|change| change.before == 0).count()),
        ("gone", changes.iter().filter(|change| change.after == 0).count()),
    ] {
        if count > 0 {
            let _ = write!(text, "; {count} {what} {}", if count == 1 { "stack" } else { "stacks" });
        }
    }
    text.push('\n');
    let shown = if style.all { changes.len() } else { SHOWN };
    let width = |number: fn(&Change<'_>) -> String| changes.iter().take(shown).map(number).map(|text| text.len()).max();
    let (columns, counts) = (width(difference).unwrap_or(0), width(counts).unwrap_or(0));
    for change in changes.iter().take(shown) {
        let place = change.group.place().or(change.group.top());
        let place = place.map_or("(no stack)".to_owned(), described);
        let line = format!(
            "{:>columns$}  {:>counts$} × {}  {place}",
            difference(change),
            self::counts(change),
            change.group.state
        );
        text.extend(line.chars().map(printable));
        text.push('\n');
        if let Some(creator) = &change.group.creator {
            let line = format!("{:1$}started by {2}", "", columns + counts + 5, described(creator));
            text.extend(line.chars().map(printable));
            text.push('\n');
        }
    }
    if changes.is_empty() {
        text.push_str("   nothing came, went or grew\n");
    }
    if changes.len() > shown {
        let _ = writeln!(text, "   and {} other changes", changes.len() - shown);
    }
    text
}

fn difference(change: &Change<'_>) -> String {
    match change.after.checked_sub(change.before) {
        Some(more) => format!("+{more}"),
        None => format!("-{}", change.before - change.after),
    }
}

fn counts(change: &Change<'_>) -> String {
    match (change.before, change.after) {
        (0, after) => format!("new: {after}"),
        (before, 0) => format!("gone: {before}"),
        (before, after) => format!("{before} → {after}"),
    }
}

fn described(frame: &Frame) -> String {
    if frame.file.is_empty() {
        frame.function.clone()
    } else {
        format!("{}  {}:{}", frame.function, frame.file, frame.line)
    }
}

/// One JSON object in one line, without its end.
pub fn json(old: &Summary, new: &Summary, changes: &[Change<'_>]) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.number("before", old.user);
        json.number("after", new.user);
        json.list("changes", changes, |json, change| {
            json.object(|json| {
                json.number("before", change.before);
                json.number("after", change.after);
                json.key("group");
                json.object(|json| super::table::inside(json, change.group, true));
            });
        });
    });
    json.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goroutines::Kind;

    fn group(state: &str, function: &str, count: u64) -> Group {
        let frame = Frame { function: function.to_owned(), file: "/src/main.go".to_owned(), line: 7 };
        Group { state: state.to_owned(), frames: vec![frame], count, own: Some(0), ..Group::default() }
    }

    fn summary(groups: Vec<Group>) -> Summary {
        let user = groups.iter().map(|group| group.count).sum();
        let (kind, reason, notes) = (Kind::Signal, String::new(), vec![]);
        Summary { kind, reason, notes, user, system: 0, groups, ungrouped: 0, cut: false, bytes: 0 }
    }

    #[test]
    fn what_came_went_and_grew() {
        let old = summary(vec![
            group("select", "main.same", 3),
            group("sleep", "main.leak", 2),
            group("select", "main.gone", 1),
        ]);
        let moved = [group("select", "main.same", 1), group("running", "main.same", 2)];
        let new =
            summary([&moved[..], &[group("chan receive", "main.leak", 9), group("select", "main.came", 1)]].concat());
        let changes = compare(&old, &new);
        let seen: Vec<_> =
            changes.iter().map(|change| (&change.group.frames[0].function[..], change.before, change.after)).collect();
        assert_eq!(seen, [("main.leak", 2, 9), ("main.came", 0, 1), ("main.gone", 1, 0)]);
        let text = table(&old, &new, &changes, &Style::default());
        assert!(text.starts_with("13 goroutines, 6 before; 1 new stack; 1 gone stack\n"), "{text}");
        assert!(text.contains("+7    2 → 9 × chan receive  main.leak  /src/main.go:7\n"), "{text}");
        let value: serde_json::Value = serde_json::from_str(&json(&old, &new, &changes)).unwrap();
        assert_eq!((&value["changes"][0]["after"], &value["before"]), (&9.into(), &6.into()));
        assert!(compare(&old, &old).is_empty());
    }
}
