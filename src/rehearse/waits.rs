//! What was seen of the server's goroutines while it stopped: which places of its own code they were in, from when to when.
//! Pure. Times are milliseconds after the stop signal.

use super::looker::Seen;
use crate::goroutines::{Cause, Frame, Group, is_idle, order, says};

/// Places that are kept, and states of each.
const MOST: usize = 128;
const MOST_STATES: usize = 8;

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    /// How many looks there were, and when the last one was.
    pub(super) looks: u32,
    last_ms: u64,
    /// In the order in which they were first seen.
    places: Vec<Wait>,
    /// Why a look has failed, the first time.
    pub(super) failed: Option<String>,
}

/// A place in the server's own code where goroutines were.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    /// The function, file and line.
    pub(super) place: Frame,
    /// What they were in there: `net/http.(*Server).Shutdown`.
    pub(super) called: Option<String>,
    /// When they were seen there first and last.
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    /// In how many looks, and how many of them at most.
    pub(super) looks: u32,
    pub(super) most: u64,
    /// Goroutine 1 is among them.
    pub(super) is_main: bool,
    /// They answer requests.
    is_handler: bool,
    /// In how many looks the diagnosis named them.
    named: u32,
    states: Vec<(String, u32)>,
}

impl Waits {
    /// What a look has shown: the server, and what it has started and waits for.
    pub(super) fn add(&mut self, ms: u64, programs: &[Seen]) {
        (self.looks, self.last_ms) = (self.looks + 1, ms);
        // Groups with one place are one: they differ in what was called there, or in their states.
        let mut counts: Vec<u64> = vec![0; self.places.len()];
        let mut marked = vec![false; self.places.len()];
        let all = programs.iter().flat_map(|(summary, findings)| {
            // What is said first is what decides.
            let first = findings.first().filter(|finding| finding.cause != Cause::Unknown);
            let named = first.map(|finding| finding.groups.as_slice()).unwrap_or_default();
            summary.groups.iter().enumerate().map(move |(index, group)| (named.contains(&index), group))
        });
        // To accept connections is idle, unless that is what the stop waits for.
        for (is_named, group) in all.filter(|(is_named, group)| *is_named || !is_idle(group)) {
            let Some(place) = group.own() else { continue };
            let at = match self.places.iter().position(|known| known.place == *place) {
                Some(at) => at,
                None if self.places.len() < MOST => {
                    self.places.push(Wait::new(ms, place, group));
                    counts.push(0);
                    marked.push(false);
                    self.places.len() - 1
                }
                None => continue,
            };
            if let (Some(wait), Some(count), Some(marked)) =
                (self.places.get_mut(at), counts.get_mut(at), marked.get_mut(at))
            {
                wait.looks += u32::from(*count == 0);
                *count += group.count;
                wait.named += u32::from(!*marked && is_named);
                *marked |= is_named;
                wait.to_ms = ms;
                wait.most = wait.most.max(*count);
                wait.is_main |= group.ids.contains(&1);
                wait.add_state(&group.state);
            }
        }
    }

    /// All places, and whether the stop was held up there: those come first, main's after the others, and what was there longest
    /// before the rest.
    pub(super) fn ordered(&self) -> Vec<(&Wait, bool)> {
        let all: Vec<(&Wait, bool)> = self.places.iter().map(|wait| (wait, self.held_up(wait))).collect();
        order::by(all, |(wait, held_up)| {
            let class = if *held_up { u64::from(wait.is_main) } else { 2 };
            [class, order::most(wait.lasted_ms()), wait.from_ms]
        })
    }

    /// Whether the diagnosis says in most looks that the stop was held up there. What never moved, and was there at the last look,
    /// nobody may have waited for, if something else that was named has come since and lasted as long.
    fn held_up(&self, wait: &Wait) -> bool {
        let lasts = |wait: &Wait| wait.to_ms == self.last_ms;
        let came = |other: &Wait| other.is_named() && !other.is_main && other.from_ms > wait.from_ms && lasts(other);
        let stays = !wait.is_main && !wait.is_handler && wait.looks == self.looks && lasts(wait);
        wait.is_named() && !(stays && self.places.iter().any(came))
    }
}

impl Wait {
    fn new(ms: u64, place: &Frame, group: &Group) -> Wait {
        let called = group.own.and_then(|own| group.frames.get(own.checked_sub(1)?));
        let called = called.filter(|frame| !frame.function.starts_with("runtime.")).map(|frame| frame.function.clone());
        let called = called.filter(|called| !says(&group.state, called));
        let is_handler = group.frames.iter().any(|frame| frame.function == "net/http.(*conn).serve");
        Wait {
            place: place.clone(),
            called,
            from_ms: ms,
            to_ms: ms,
            looks: 0,
            most: 0,
            is_main: false,
            is_handler,
            named: 0,
            states: Vec::new(),
        }
    }

    fn add_state(&mut self, state: &str) {
        if let Some((_, looks)) = self.states.iter_mut().find(|(known, _)| known == state) {
            *looks += 1;
        } else if self.states.len() < MOST_STATES {
            self.states.push((state.to_owned(), 1));
        }
    }

    /// The state that they were in most of the time.
    pub(super) fn state(&self) -> &str {
        let most = self.states.iter().max_by_key(|(_, looks)| *looks);
        most.map(|(state, _)| state.as_str()).unwrap_or_default()
    }

    /// From the first look that saw them to the last.
    pub(super) fn lasted_ms(&self) -> u64 {
        self.to_ms - self.from_ms
    }

    fn is_named(&self) -> bool {
        2 * self.named >= self.looks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goroutines::{Finding, Kind, Summary};

    fn group(state: &str, line: u32, count: u64) -> Group {
        let frame = Frame { function: "main.flush".to_owned(), file: "/src/main.go".to_owned(), line };
        let wait = Frame { function: "sync.(*WaitGroup).Wait".to_owned(), ..frame.clone() };
        let frames = vec![wait, frame];
        Group { state: state.to_owned(), frames, count, own: Some(1), ..Group::default() }
    }

    fn summary(groups: Vec<Group>) -> Summary {
        let (kind, reason, notes) = (Kind::Live, String::new(), vec![]);
        Summary { kind, reason, notes, user: 0, system: 0, groups, ungrouped: 0, cut: false, bytes: 0 }
    }

    fn finding(cause: Cause, groups: Vec<usize>) -> Finding {
        Finding { cause, evidence: String::new(), advice: String::new(), place: None, groups }
    }

    #[test]
    fn a_place_is_told_once_from_its_first_to_its_last_look() {
        let mut waits = Waits::default();
        let named = [finding(Cause::Send, vec![1])];
        let first = summary(vec![group("select", 7, 1), group("chan send", 88, 2), group("runnable", 88, 1)]);
        waits.add(0, &[(first, named.to_vec())]);
        waits.add(50, &[(summary(vec![group("select", 7, 1), group("chan send", 88, 5)]), named.to_vec())]);
        waits.add(100, &[(summary(vec![group("select", 7, 1)]), vec![finding(Cause::Unknown, vec![0])])]);
        let told = waits.ordered();
        assert_eq!(
            told.iter().map(|(wait, held_up)| (wait.place.line, *held_up)).collect::<Vec<_>>(),
            [(88, true), (7, false)]
        );
        let [(send, _), (select, _)] = told[..] else { panic!("{told:?}") };
        assert_eq!((send.from_ms, send.to_ms, send.most, send.looks, send.state()), (0, 50, 5, 2, "chan send"));
        assert_eq!((select.lasted_ms(), select.looks), (100, 3));
        assert_eq!(send.called.as_deref(), Some("sync.(*WaitGroup).Wait"));
    }

    #[test]
    fn what_never_moved_is_not_blamed_beside_what_has_come_since() {
        let main = Group { ids: vec![1], ..group("sync.WaitGroup.Wait", 40, 1) };
        let all = vec![main, group("sleep", 10, 1), group("chan send", 88, 1)];
        let named = [finding(Cause::WaitGroup, vec![0, 1, 2])];
        let told = |first: &[Group]| -> Vec<(u32, bool)> {
            let mut waits = Waits::default();
            waits.add(0, &[(summary(first.to_vec()), named.to_vec())]);
            waits.add(50, &[(summary(all.clone()), named.to_vec())]);
            waits.add(100, &[(summary(all.clone()), named.to_vec())]);
            waits.ordered().iter().map(|(wait, held_up)| (wait.place.line, *held_up)).collect()
        };
        assert_eq!(told(&all[..2]), [(88, true), (40, true), (10, false)]);
        // Where all have been there from the beginning it may be any of them.
        assert_eq!(told(&all), [(10, true), (88, true), (40, true)]);
    }

    #[test]
    fn neither_libraries_nor_endless_places_are_kept() {
        let mut waits = Waits::default();
        let library = Group { own: None, ..group("select", 1, 1) };
        let idle = Frame { function: "internal/poll.(*FD).Accept".to_owned(), file: String::new(), line: 1 };
        let accepting = Group { frames: vec![idle, group("IO wait", 5, 1).frames.remove(1)], ..group("IO wait", 5, 1) };
        let summary_of = summary(vec![library, accepting]);
        waits.add(0, &[(summary_of.clone(), vec![])]);
        assert!(waits.ordered().is_empty());
        // Unless it is what the stop waits for.
        waits.add(10, &[(summary_of, vec![finding(Cause::Loop, vec![0, 1])])]);
        assert_eq!(
            waits.ordered().iter().map(|(wait, held_up)| (wait.place.line, *held_up)).collect::<Vec<_>>(),
            [(5, true)]
        );
        waits.add(50, &[(summary((0..1000).map(|line| group("select", line, 1)).collect()), vec![])]);
        assert_eq!(waits.ordered().len(), MOST);
    }

    #[test]
    fn what_a_child_waits_for_is_told_before_who_waits_for_the_child() {
        let main = |line| Group { ids: vec![1], ..group("chan receive", line, 1) };
        let parent = (summary(vec![main(158), group("IO wait", 218, 1)]), vec![finding(Cause::Blocked, vec![0])]);
        let child = (summary(vec![main(375), group("chan send", 88, 1)]), vec![finding(Cause::Send, vec![1])]);
        let mut waits = Waits::default();
        for ms in [0, 50, 100] {
            waits.add(ms, &[parent.clone(), child.clone()]);
        }
        let told: Vec<_> = waits.ordered().iter().map(|(wait, held_up)| (wait.place.line, *held_up)).collect();
        assert_eq!(told, [(88, true), (158, true), (218, false), (375, false)]);
    }
}
