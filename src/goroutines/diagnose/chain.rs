//! Follows a chain of goroutines, from one that waits to the one that it waits for.

use super::node::{Indices, Names, Node, is_handler, outer, receiver};
use super::words::{count, describe, list};
use super::{Evidence, Found, is_address};
use crate::goroutines::order;
use crate::goroutines::wait::Wait;

/// From one that waits to the next, so often: a longer chain explains nothing, and its evidence would be told again at every
/// link.
const LINKS: usize = 8;

/// What ties goroutines to the one that waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tie {
    /// WaitGroup.Go started them: it waits for all of them, if it is the same WaitGroup.
    Member,
    /// Who waits started them, or its kin.
    Started,
    /// They run methods of the type whose method waits, perhaps of the same object.
    Kin,
    None,
}

impl Tie {
    /// Only the counter tells that all of these are of this WaitGroup, and not of another one.
    fn words(self, is_all: bool) -> &'static str {
        match self {
            Tie::Member if is_all => "It waits for",
            Tie::Started => "Started by the same code, and still there:",
            Tie::Member | Tie::Kin => "It may wait for",
            Tie::None => "Of the program's own, still there:",
        }
    }
}

impl<'a> Evidence<'a> {
    pub(super) fn of_main(&self) -> Option<Found<'a>> {
        let main = self.main.filter(|main| !matches!(main.wait, Wait::Other | Wait::Printer))?;
        Some(self.follow(main).after(&main.to_string()))
    }

    pub(super) fn follow(&self, node: Node<'a>) -> Found<'a> {
        self.follow_on(node, self.only(node), &mut self.only(node), LINKS)
    }

    /// `path` are those that wait for this one, `seen` those beside them too.
    fn follow_on(&self, node: Node<'a>, path: Indices, seen: &mut Indices, links: usize) -> Found<'a> {
        let mut found = node.alone();
        let (next, tie) = match node.wait {
            Wait::Lock | Wait::Once => return self.lock(node),
            Wait::Group => match self.members_of(node, seen) {
                // Those beside it may be the ones that it waits for.
                (members, _) if members.is_empty() => self.members_of(node, &path),
                members => members,
            },
            Wait::Send => (self.stuck_receivers(node, seen), Tie::Started),
            Wait::Receive | Wait::Select | Wait::Never | Wait::Accept => match self.children(node, seen) {
                children if children.is_empty() && node.wait == Wait::Receive => {
                    (self.likely_senders(node, seen), Tie::Kin)
                }
                children => (children, Tie::Started),
            },
            Wait::Other => return self.busy_in_bubble(node).unwrap_or(found),
            _ => return found,
        };
        let number = node.counter().filter(|_| node.wait == Wait::Group);
        let counter = number.map_or(String::new(), |counter| format!("Its counter is {counter}. "));
        let Some(&first) = next.first() else {
            self.nobody_left(node, &counter, &mut found);
            return found;
        };
        let is_all = number.map(u64::from) == Some(count(&next));
        found.text = format!("{counter}{} {}.", tie.words(is_all), list(&next));
        found.nodes.extend(&next);
        // Which of several kinds it waits for is certain only if it waits for all.
        let one = next.iter().all(|node| node.place() == first.place());
        if !one && let Some((waits, knot)) = next.iter().find_map(|node| Some((node, self.knot(*node)?))) {
            // Whose knot it is goes without saying where only one waits for a mutex.
            let locked = |node: &&Node<'a>| matches!(node.wait, Wait::Lock | Wait::Once);
            let whose =
                if next.iter().filter(locked).count() > 1 { format!(" {}.", describe(waits)) } else { String::new() };
            let before = format!("{}{whose} ", found.text);
            return Found { text: before + &knot.text, nodes: [found.nodes, knot.nodes].concat(), ..knot };
        }
        let first = if one { first } else { self.nearest_to_an_end(&next, seen).unwrap_or(first) };
        let chosen = if one || tie == Tie::Member || (tie, node.wait) == (Tie::Started, Wait::Group) {
            Some(first)
        } else {
            let likely = self.only_one_held_up(&next);
            if let Some(likely) = likely {
                found.text = format!("{} It may wait for {}.", found.text, describe(&likely));
            }
            likely
        };
        // What to change in a library is not for the program to say.
        let is_own = |node: &Node<'a>| node.own.is_some() || node.frames.is_empty();
        let Some(chosen) = chosen.filter(|chosen| links > 0 && is_own(chosen)) else { return found };
        next.iter().for_each(|node| seen.add(node.index));
        let mut path = path;
        path.add(chosen.index);
        let beyond = self.follow_on(chosen, path, seen, links - 1);
        found.and_beyond(node.wait, beyond)
    }

    /// Of several, the first that does not wait for a WaitGroup for which nobody else is left.
    fn nearest_to_an_end(&self, next: &[Node<'a>], seen: &Indices) -> Option<Node<'a>> {
        let mut seen = seen.clone();
        next.iter().for_each(|node| seen.add(node.index));
        let ends = |node: &&Node<'a>| node.wait != Wait::Group || self.members_of(**node, &seen).1 != Tie::None;
        next.iter().find(ends).copied()
    }

    /// Whom it could wait for is not in the dump.
    fn nobody_left(&self, node: Node<'a>, counter: &str, found: &mut Found<'a>) {
        let others = if node.wait == Wait::Group { self.foreign(node) } else { Vec::new() };
        if !others.is_empty() {
            found.text = format!(
                "{counter}Nothing of the program's own is left that it could wait for. It may wait for {}.",
                list(&others)
            );
            found.nodes.extend(others);
        } else if node.wait == Wait::Group && self.is_whole() {
            found.text =
                format!("{counter}Nothing is left that it could wait for: a Done was missed, or Add counted too many.");
            found.advice =
                "Defer wg.Done() first in the goroutine, or start it with wg.Go, so that every way out counts.";
        } else if node.wait == Wait::Receive
            && node.creator.is_none()
            && self.is_whole()
            && !self.has_started_any(&node)
        {
            found.text = "Nothing that it started is left to send to it.".to_owned();
        }
    }

    /// Whether anything is left that it has started, or may have: what the standard library starts for itself does not count.
    fn has_started_any(&self, node: &Node<'a>) -> bool {
        let is_of_program = |other: &Node<'a>| {
            let by_own = other.started_by().starts_with("main.");
            by_own || other.own.is_some() || other.frames.is_empty() || other.is_of_library()
        };
        let mut others = self.all.iter().filter(|other| other.wait != Wait::Printer);
        others.any(|other| self.has_started(node, other) || is_of_program(other) && self.may_have_started(node, other))
    }

    /// Those that have no frame of the program's own, and for which a WaitGroup may wait: WaitGroup.Go started them, or the one
    /// that waits did, in a library or by `go server.Serve(l)`.
    fn foreign(&self, waiter: Node<'a>) -> Vec<Node<'a>> {
        self.select(&|node| {
            let by_own = node.started_by().starts_with("main.") || self.has_started(&waiter, node);
            let is_left = node.own.is_none()
                && !node.frames.is_empty()
                && node.creator.is_some()
                && node.wait != Wait::Printer
                && !is_handler(node);
            let started = self.may_have_started(&waiter, node) && (by_own || node.is_of_library());
            is_left && (node.is_member_of(waiter) || started)
        })
    }

    /// In a test or a small program, the only kind that does not just wait for work: those that receive, or are in a select,
    /// go on when the others do.
    fn only_one_held_up(&self, next: &[Node<'a>]) -> Option<Node<'a>> {
        let idle = |node: &Node<'a>| matches!(node.wait, Wait::Receive | Wait::Select | Wait::Sleep);
        let mut held_up = next.iter().filter(|node| !idle(node));
        let first = *held_up.next().filter(|_| self.is_small())?;
        held_up.all(|node| node.place() == first.place()).then_some(first)
    }

    /// The program's goroutines that should have ended: neither handlers nor listeners, nor in `seen`.
    fn workers(&self, seen: &Indices) -> Vec<Node<'a>> {
        let mut workers = self.select(&|node| {
            let ends = node.creator.is_some()
                && !matches!(node.wait, Wait::Accept | Wait::Printer)
                && !is_handler(node)
                && !node.is_in("testing.tRunner");
            ends && (node.own.is_some() || node.frames.is_empty()) && !seen.has(node.index)
        });
        workers.retain(|node| self.stopper.is_none_or(|stopper| stopper.index != node.index));
        // Those that wait for work or a signal come last.
        order::by(workers, |node| [(node.wait == Wait::Receive).into(), order::most(node.count), 0])
    }

    /// Whom a WaitGroup waits for, and how sure that is. The nearest kinship counts: started by `WaitGroup.Go`, by the
    /// function that waits, by a method of its type, by the same of its caller, and so on.
    fn members_of(&self, waiter: Node<'a>, seen: &Indices) -> (Vec<Node<'a>>, Tie) {
        let workers = self.workers(seen);
        let mut all = workers.clone();
        all.extend(self.foreign(waiter).into_iter().filter(|node| node.wait != Wait::Accept && !seen.has(node.index)));
        let members: Vec<_> = all.iter().copied().filter(|node| node.is_member_of(waiter)).collect();
        if !members.is_empty() {
            return (members, Tie::Member);
        }
        let functions = Names::of(all.iter().map(|node| outer(node.started_by())));
        let types = Names::of(all.iter().filter_map(|node| receiver(node.started_by())));
        for frame in waiter.own_frames() {
            let (function, kind) = (outer(&frame.function), receiver(&frame.function));
            let started = |by: &dyn Fn(&str) -> bool| -> (Vec<Node<'a>>, Tie) {
                let same: Vec<Node<'a>> = all.iter().copied().filter(|node| by(node.started_by())).collect();
                // Where the counter is known to be more, it waits for what it started elsewhere, too.
                let is_short = waiter.counter().is_some_and(|counter| u64::from(counter) > count(&same));
                let by_it = |node: &Node<'a>| is_short && node.parents().any(|parent| waiter.ids.contains(&parent));
                (all.iter().copied().filter(|node| by(node.started_by()) || by_it(node)).collect(), Tie::Started)
            };
            if functions.have(function) {
                return started(&|by| outer(by) == function);
            }
            if kind.is_some_and(|kind| types.have(kind)) {
                return started(&|by| receiver(by) == kind);
            }
        }
        match self.kin(waiter, seen) {
            kin if kin.is_empty() => (workers, Tie::None),
            kin => (kin, Tie::Kin),
        }
    }

    /// What the waiting function started and is still there. Beside a server that still serves, those that wait for work or
    /// time are nothing unusual.
    fn children(&self, waiter: Node<'a>, seen: &Indices) -> Vec<Node<'a>> {
        let functions = Names::of(waiter.group.frames.iter().map(|frame| outer(&frame.function)));
        let mut children = self.workers(seen);
        children.retain(|node| {
            let idle = waiter.wait == Wait::Accept && matches!(node.wait, Wait::Receive | Wait::Select | Wait::Sleep);
            !idle && functions.have(outer(node.started_by()))
        });
        children
    }

    /// Who was started to receive what it sends, and is held up itself: those that send, or want a mutex. Whoever waits to
    /// receive something else is not told, for it may just have nothing to do.
    fn stuck_receivers(&self, sender: Node<'a>, seen: &Indices) -> Vec<Node<'a>> {
        let mut started = self.children(sender, seen);
        let same = |node: &Node<'a>| node.place() == sender.place();
        started
            .retain(|node| matches!(node.wait, Wait::Send | Wait::Lock | Wait::Once | Wait::PipeWrite) && !same(node));
        started
    }

    /// Whom a WaitGroup waits for.
    pub(super) fn members(&self, waiter: Node<'a>) -> Vec<Node<'a>> {
        self.members_of(waiter, &self.only(waiter)).0
    }

    /// Who may send to one that has started nobody in the functions it is in: its kin; in something small those that it started in
    /// functions that have returned, and that are held up themselves.
    fn likely_senders(&self, waiter: Node<'a>, seen: &Indices) -> Vec<Node<'a>> {
        let kin = self.kin(waiter, seen);
        if !kin.is_empty() || !self.is_small() {
            return kin;
        }
        let mut started = self.workers(seen);
        let held_up = |node: &Node<'a>| node.wait.is_on_others() && node.wait != Wait::Select;
        started.retain(|node| held_up(node) && node.parents().any(|parent| waiter.ids.contains(&parent)));
        started
    }

    /// Who runs a method of the type whose method waits: what `newT` started for `T.stop`. Not of another object, where
    /// addresses tell.
    fn kin(&self, waiter: Node<'a>, seen: &Indices) -> Vec<Node<'a>> {
        let Some(at) = waiter.own else { return Vec::new() };
        let Some(kind) = waiter.group.frames.get(at).and_then(|frame| receiver(&frame.function)) else {
            return Vec::new();
        };
        let objects: Vec<u64> =
            waiter.arguments(at).map(|[object, _]| object).filter(|object| is_address(*object)).collect();
        let mut kin = self.workers(seen);
        kin.retain(|node| {
            let frames = node.group.frames.iter().enumerate();
            let mut methods = frames.filter(|(_, frame)| receiver(&frame.function) == Some(kind)).map(|(at, _)| at);
            methods.any(|at| {
                let mut others =
                    node.arguments(at).map(|[object, _]| object).filter(|object| is_address(*object)).peekable();
                objects.is_empty() || others.peek().is_none() || others.any(|object| objects.contains(&object))
            })
        });
        kin
    }
}
