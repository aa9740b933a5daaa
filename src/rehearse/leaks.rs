//! Goroutines that a load has started and that stay. Pure: what was seen before it, between its rounds and after it.
//!
//! A server may keep what it has started once: workers, pools, idle connections, caches. What it keeps of every request is a
//! leak. So the load comes in rounds of equally many requests, and a leak is what grows with each of them, by more than a pool
//! can: that is bounded by how many requests are in flight.

use crate::goroutines::{Frame, Group, Summary, hash, order};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Goroutines whose code was seen while requests were in flight.
const MOST_SEEN: usize = 1 << 14;
/// Places from which other servers are asked.
const MOST_CALLERS: usize = 64;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaks {
    /// How many goroutines there were before the load, without the runtime's own.
    pub(super) before: u64,
    pub(super) rounds: Vec<Round>,
    /// The largest first.
    pub(super) found: Vec<Leak>,
    /// Why nobody knows.
    pub(super) failed: Option<String>,
}

/// A round of the load.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// How many requests were made.
    pub(super) requests: u32,
    /// How many goroutines there were when it was over, without the runtime's own.
    pub(super) goroutines: u64,
}

/// Goroutines that are one more, or several, with each request.
#[derive(Clone, Debug)]
pub(super) struct Leak {
    /// Most of them.
    pub(super) group: Group,
    /// How many there were before the load, and after each round.
    pub(super) counts: Vec<u64>,
    /// The program's own code that they come from, where it is neither on their stack nor what started them.
    pub(super) origin: Option<Frame>,
}

impl Leaks {
    /// How many requests were made.
    pub(super) fn requests(&self) -> u32 {
        self.rounds.iter().map(|round| round.requests).sum()
    }
}

impl Leak {
    /// How many have come.
    pub(super) fn grown(&self) -> u64 {
        let (first, last) = (self.counts.first(), self.counts.last());
        last.copied().unwrap_or(0).saturating_sub(first.copied().unwrap_or(0))
    }

    /// Where to look.
    pub(super) fn place(&self) -> Option<&Frame> {
        self.group.place().or(self.origin.as_ref()).or(self.group.top())
    }

    /// What is known of goroutines in the libraries that are left in this way.
    pub(super) fn explanation(&self) -> Option<&'static str> {
        match (connection(&self.group)?, self.group.state == "IO wait") {
            ("readLoop", false) => Some("the body of an answer was neither read to its end nor closed"),
            _ => Some("connections to another server that nobody uses again: is a Transport made for each request?"),
        }
    }
}

/// What has grown in both of the last two rounds. `looks`: before the load, after each round, and once more after the last.
pub(super) fn find(looks: &[Summary], rounds: &[Round], in_flight: u32, seen: &Sightings) -> Vec<Leak> {
    let [earlier @ .., last, again] = looks else { return Vec::new() };
    let totals: Vec<Totals> = looks.iter().map(Totals::of).collect();
    let mut found: Vec<Leak> = Vec::new();
    let mut known: Vec<u64> = Vec::new();
    for group in last.groups.iter().filter(|group| !group.system) {
        let key = key(group);
        if known.contains(&key) {
            continue;
        }
        let mut counts: Vec<u64> = totals.iter().map(|totals| totals.count(key)).collect();
        // What was there in both of the last two looks has stayed.
        let latest = counts.pop().unwrap_or(0);
        if let Some(count) = counts.last_mut() {
            *count = latest.min(*count);
        }
        if grows(&counts, rounds, in_flight) {
            known.push(key);
            let mine = |summary: &Summary| {
                let same = summary.groups.iter().filter(|group| !group.system && self::key(group) == key);
                same.max_by_key(|group| group.count).cloned()
            };
            let group = mine(again).unwrap_or_else(|| group.clone());
            let origin = seen.origin(&group);
            found.push(Leak { group, counts, origin });
        }
    }
    debug_assert_eq!(earlier.len(), rounds.len());
    // A connection has two goroutines.
    let has = |half: &str| found.iter().any(|leak| connection(&leak.group) == Some(half));
    if has("readLoop") {
        found.retain(|leak| connection(&leak.group) != Some("writeLoop"));
    }
    order::by(found, |leak| [order::most(leak.grown()), 0, 0])
}

/// Whether something has grown in the last two rounds so that no third one is needed to see that it is no leak.
pub(super) fn may_leak(looks: &[Summary], in_flight: u32) -> bool {
    let [.., before, after] = looks else { return false };
    let (before, after) = (Totals::of(before), Totals::of(after));
    after.0.iter().any(|(key, count)| *count as u64 >= before.count(*key) + least(in_flight))
}

/// By so many at least a leak grows in a round: two rounds of that are more than all that can be in flight.
fn least(in_flight: u32) -> u64 {
    u64::from(in_flight / 2 + 1)
}

/// Whether these counts grow with each of the last two rounds, and with the second of them nearly as much as with the first. A pool
/// that fills up grows less and less.
fn grows(counts: &[u64], rounds: &[Round], in_flight: u32) -> bool {
    let ([.., first, second, third], [.., one, other]) = (counts, rounds) else { return false };
    let (Some(before), Some(after)) = (second.checked_sub(*first), third.checked_sub(*second)) else { return false };
    let steady = 2 * after * u64::from(one.requests) >= before * u64::from(other.requests);
    before >= least(in_flight) && after >= least(in_flight) && steady
}

/// How many goroutines there are of each kind.
struct Totals(BTreeMap<u64, usize>);

impl Totals {
    fn of(summary: &Summary) -> Totals {
        let mut totals = BTreeMap::new();
        for group in summary.groups.iter().filter(|group| !group.system) {
            *totals.entry(key(group)).or_insert(0) += group.count as usize;
        }
        Totals(totals)
    }

    fn count(&self, key: u64) -> u64 {
        self.0.get(&key).map_or(0, |count| *count as u64)
    }
}

/// What makes goroutines the same kind: what started them, where they began, and the function of the program's own that they are in.
/// In which line of it they are differs from moment to moment.
fn key(group: &Group) -> u64 {
    let name = |frame: Option<&Frame>| frame.map(|frame| frame.function.clone()).unwrap_or_default();
    let began = group.frames.iter().rev().find(|frame| !frame.function.starts_with("runtime."));
    let mut text = String::new();
    for part in [name(group.creator.as_ref()), name(began), name(group.own())] {
        let _ = writeln!(text, "{part}");
    }
    // A connection that is idle may be used again; one whose answer nobody reads may not.
    if connection(group) == Some("readLoop") {
        text.push_str(if group.state == "IO wait" { "idle" } else { "held" });
    }
    hash(text.as_bytes())
}

/// Which goroutine of a client's connection this is.
fn connection(group: &Group) -> Option<&str> {
    let frame = group.frames.iter().find(|frame| frame.function.starts_with(CONNECTION))?;
    frame.function.strip_prefix(CONNECTION)
}

const CONNECTION: &str = "net/http.(*persistConn).";

/// Where goroutines were while requests were in flight: what they leave behind may not tell.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// By the number of a goroutine, where it was in the program's own code.
    by_id: BTreeMap<u64, usize>,
    places: Vec<Frame>,
    /// Places that ask other servers, and how often they were seen.
    callers: Vec<(Frame, u64)>,
}

impl Sightings {
    /// What a look has shown.
    pub(super) fn add(&mut self, summary: &Summary) {
        for group in &summary.groups {
            let Some(own) = group.own() else { continue };
            let at = match self.places.iter().position(|known| known == own) {
                Some(at) => at,
                None => {
                    self.places.push(own.clone());
                    self.places.len() - 1
                }
            };
            for id in &group.ids {
                if self.by_id.len() < MOST_SEEN {
                    self.by_id.insert(*id, at);
                }
            }
            let above = group.frames.get(..group.own.unwrap_or(0)).unwrap_or_default();
            let asks = |frame: &Frame| {
                ["net/http.(*Client).", "net/http.(*Transport)."].iter().any(|name| frame.function.starts_with(name))
            };
            if !above.iter().any(asks) {
                continue;
            }
            if let Some((_, times)) = self.callers.iter_mut().find(|(known, _)| known == own) {
                *times += group.count;
            } else if self.callers.len() < MOST_CALLERS {
                self.callers.push((own.clone(), group.count));
            }
        }
    }

    /// Where goroutines without code of the program's own come from: what their parents did, or for connections who asks.
    fn origin(&self, group: &Group) -> Option<Frame> {
        if group.own.is_some() {
            return None;
        }
        if connection(group).is_some() {
            return self.callers.iter().max_by_key(|(_, times)| *times).map(|(place, _)| place.clone());
        }
        let parents = group.samples.iter().filter_map(|sample| sample.parent);
        let mut places = parents.filter_map(|parent| self.by_id.get(&parent));
        places.next().and_then(|at| self.places.get(*at)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goroutines::{Kind, Sample};

    const ROUNDS: [Round; 3] = [Round { requests: 100, goroutines: 0 }; 3];

    fn frame(function: &str, line: u32) -> Frame {
        Frame { function: function.to_owned(), file: "/src/main.go".to_owned(), line }
    }

    fn group(function: &str, count: u64) -> Group {
        let creator = Some(frame("main.handle", 3));
        let frames = vec![frame("runtime.gopark", 1), frame(function, 7)];
        let own = function.starts_with("main.").then_some(1);
        Group { state: "chan send".to_owned(), frames, creator, count, own, top: 1, ..Group::default() }
    }

    fn summary(groups: Vec<Group>) -> Summary {
        let user = groups.iter().map(|group| group.count).sum();
        let (kind, reason, notes) = (Kind::Live, String::new(), vec![]);
        Summary { kind, reason, notes, user, system: 0, groups, ungrouped: 0, cut: false, bytes: 0 }
    }

    /// One kind, with these numbers in the looks.
    fn found(counts: [u64; 5]) -> Vec<Leak> {
        let looks = counts.map(|count| summary(vec![group("main.a", count), group("main.idle", 4)]));
        find(&looks, &ROUNDS, 10, &Sightings::default())
    }

    #[test]
    fn a_leak_grows_with_each_round_and_stays() {
        let leaks = found([0, 100, 200, 300, 300]);
        assert_eq!((leaks.len(), leaks[0].grown()), (1, 300));
        assert_eq!((leaks[0].counts.as_slice(), leaks[0].place().unwrap().line), (&[0, 100, 200, 300][..], 7));
        // One request in ten.
        assert_eq!(found([3, 13, 23, 33, 33]).len(), 1);
        for (counts, why) in [
            ([0, 10, 10, 10, 10], "it was started once"),
            ([0, 4, 8, 10, 10], "a pool that fills up"),
            ([0, 40, 70, 80, 80], "a larger pool that fills up"),
            ([0, 100, 200, 300, 200], "the last ones take their time"),
            ([0, 100, 100, 200, 200], "it has not grown in the second round"),
            ([300, 200, 100, 0, 0], "it shrinks"),
        ] {
            assert!(found(counts).is_empty(), "{why}");
        }
    }

    #[test]
    fn a_third_round_is_needed_only_where_something_has_grown() {
        let looks = |counts: [u64; 3]| counts.map(|count| summary(vec![group("main.a", count)]));
        assert!(may_leak(&looks([0, 10, 20]), 10));
        assert!(!may_leak(&looks([0, 10, 15]), 10));
        assert!(!may_leak(&looks([0, 90, 10]), 10));
    }

    #[test]
    fn rounds_need_not_be_equally_long() {
        assert!(grows(
            &[0, 40, 60],
            &[Round { requests: 100, goroutines: 0 }, Round { requests: 50, goroutines: 0 }],
            10
        ));
        assert!(!grows(&[0, 40, 50], &ROUNDS[..2], 10));
    }

    #[test]
    fn where_it_comes_from_is_seen_while_requests_are_in_flight() {
        let reads = |count, state: &str| Group {
            state: state.to_owned(),
            creator: None,
            ..group("net/http.(*persistConn).readLoop", count)
        };
        let writes = |count| group("net/http.(*persistConn).writeLoop", count);
        let mut asks = group("main.fetch", 1);
        asks.frames.insert(0, frame("net/http.(*Client).Get", 2));
        (asks.own, asks.ids) = (Some(2), vec![77]);
        let mut seen = Sightings::default();
        seen.add(&summary(vec![asks, group("main.other", 9)]));
        let looks = [0, 50, 100, 150, 150]
            .map(|count| summary(vec![reads(count, "select"), writes(count), reads(2, "IO wait")]));
        let leaks = find(&looks, &ROUNDS, 10, &seen);
        assert_eq!(leaks.len(), 1, "a connection has two goroutines, and is one leak: {leaks:?}");
        assert_eq!(leaks[0].place().unwrap().function, "main.fetch");
        assert!(leaks[0].explanation().unwrap().contains("nor closed"));
        let idle = [0, 50, 100, 150, 150].map(|count| summary(vec![reads(count, "IO wait")]));
        assert!(find(&idle, &ROUNDS, 10, &seen)[0].explanation().unwrap().contains("Transport"));

        // What the program's own code has started by way of a library: its parent was seen.
        let sample = Sample { id: 900, parent: Some(77), arguments: vec![] };
        let waits = |count| Group { samples: vec![sample.clone()], ..group("database/sql.(*Rows).awaitDone", count) };
        let looks = [0, 50, 100, 150, 150].map(|count| summary(vec![waits(count)]));
        assert_eq!(find(&looks, &ROUNDS, 10, &seen)[0].place().unwrap().function, "main.fetch");
        assert_eq!(
            find(&looks, &ROUNDS, 10, &Sightings::default())[0].place().unwrap().function,
            "database/sql.(*Rows).awaitDone"
        );
    }
}
