//! Mutexes: who waits for the same one, who may hold it, and circles of them.
//!
//! A dump does not tell who holds a mutex. But whoever locked it did so in a method of the object that it belongs to, or
//! further up in the same function, and that frame is still on its stack. Arguments tell which object it was.

use super::node::{Indices, Node, is_written, receiver};
use super::same_mutex::{Same, above, apart, has_passed, inlined, is_reader, method, same_object, share};
use super::words::{at, count, describe, last, list};
use super::{Evidence, Found};
use crate::goroutines::wait::Wait;
use crate::goroutines::{Cause, Frame, Object, order};

/// So many groups are compared with all others.
const LARGEST: usize = 16;
const TWICE: &str =
    "A Go mutex cannot be taken twice, not even for reading: let the inner function expect that it is held.";
const HELD_WHILE_WAITING: &str = "Do not wait while holding a mutex: copy what is needed, unlock, then wait.";

/// A frame that may have locked what another waits for.
#[derive(Clone, Copy)]
struct Holder<'a> {
    node: Node<'a>,
    frame: &'a Frame,
    same: Same,
}

impl<'a> Evidence<'a> {
    /// All who wait for the same mutex.
    fn sharing(&self, node: &Node<'a>) -> Vec<Node<'a>> {
        self.select(&|other| other.index == node.index || other.wait == Wait::Lock && share(node, other))
    }

    /// Locks for which others wait too, or whose holder is seen, that are not among those that were told; the most wanted
    /// first.
    pub(super) fn contended(&self, told: &Indices) -> Vec<Found<'a>> {
        let waiting = self.select(&|node| matches!(node.wait, Wait::Lock | Wait::Once) && node.own.is_some());
        let mut told = told.clone();
        let mut found = Vec::new();
        // The largest groups come first.
        let numbered = waiting.iter().take(LARGEST).map(|node| (count(&self.sharing(node)), *node)).collect();
        let by_number: Vec<_> =
            order::by(numbered, |(number, node): &(_, Node<'_>)| [order::most(*number), node.index as u64, 0]);
        for (number, node) in by_number {
            if told.has(node.index) {
                continue;
            }
            let knot = self.lock(node);
            let passes = self.may_pass(&node, &knot) || number == 1 && self.may_be_brief(&knot);
            if !self.is_small() && passes {
                continue;
            }
            if number > 1
                || knot.cause != Cause::Mutex
                || knot.nodes.first().is_some_and(|first| first.index != node.index)
            {
                knot.nodes.iter().for_each(|node| told.add(node.index));
                found.push(knot.after(&node.to_string()));
            }
        }
        found
    }

    /// Whether memory tells that one after another holds the mutex: nobody holds it now, or one of those that still wait was woken
    /// to take it, and is not counted any more.
    fn is_handed_over(&self, node: &Node<'a>) -> bool {
        let waiting = |address: u64| -> u64 {
            let objects = self.all.iter().flat_map(|other| &other.group.objects);
            objects.filter(|(known, _)| *known == address).map(|(_, waiting)| waiting).sum()
        };
        let passes = |(address, object): &(u64, Object)| match object {
            Object::Mutex { locked, waiters } => !locked || u64::from(*waiters) < waiting(*address),
            Object::Channel { .. } | Object::WaitGroup { .. } => false,
        };
        !node.known.is_empty() && node.known.iter().all(passes)
    }

    /// A mutex that is much in demand has always somebody who waits and somebody who works.
    pub(super) fn may_pass(&self, node: &Node<'a>, knot: &Found<'a>) -> bool {
        if self.is_handed_over(node) {
            return true;
        }
        let works = |node: &Node<'a>| Self::works(node);
        let brief = knot.cause == Cause::Mutex && knot.nodes.iter().all(|node| node.minutes.1 == 0);
        let held = knot.nodes.iter().any(|node| node.wait != Wait::Lock);
        let of_itself = !held && knot.place != node.place();
        let mut holders = knot.nodes.iter().filter(|node| node.wait != Wait::Lock);
        let working = if held && knot.place == node.place() {
            // Which of several it is, is not known.
            holders.any(works)
        } else if held {
            holders.all(works)
        } else {
            self.all.iter().any(works)
        };
        brief && !of_itself && working
    }

    /// Whether one goroutine waits, for a mutex that goroutine 1 or who is in Shutdown may hold, while another one works: that need not
    /// be the one that holds it.
    fn may_be_brief(&self, knot: &Found<'a>) -> bool {
        let stopper = self.stopper.or(self.main).map(|node| node.index);
        let of_stopper = knot.nodes.first().map(|node| node.index) == stopper;
        let brief = knot.nodes.iter().all(|node| node.minutes.1 == 0);
        of_stopper && brief && self.all.iter().any(Self::works)
    }

    /// Whether one that may hold a mutex goes on by itself, as far as it is seen: what runs may just have left the program's own code.
    fn works(node: &Node<'a>) -> bool {
        node.wait == Wait::Running || node.own.is_some() && (node.wait == Wait::Sleep || node.is_at_work())
    }

    /// Who may hold the mutex for which `node` waits.
    pub(super) fn lock(&self, node: Node<'a>) -> Found<'a> {
        let mut found = node.alone();
        if node.wait == Wait::Once {
            return self.once(node);
        }
        let Some((_, taker)) = node.taker() else { return found };
        let waiting = self.sharing(&node);
        let many = match count(&waiting) {
            many if many == node.count => String::new(),
            many => format!("{many} goroutines wait for this mutex. "),
        };
        found.nodes.extend(waiting.iter().filter(|other| other.index != node.index));
        let by_address = |methods: bool| waiting.iter().find_map(|waiter| self.twice(waiter, Same::Stale, methods));
        // A function that only hands the object on is less likely to have locked it than another goroutine.
        if let Some(twice) = by_address(true) {
            let mut found = self.taken_twice(found, &many, twice, &waiting);
            if let Some(holder) = self.holding_stop(node, Same::Address) {
                found.text = format!("{} Or it may be held by {} while it waits.", found.text, at(holder.frame));
                found.nodes.insert(0, holder.node);
            }
            return found;
        }
        if let Some(circle) = self.circle(node) {
            return circle;
        }
        let others = waiting.iter().filter(|other| other.index != node.index).take(LARGEST);
        if let Some((other, circle)) = others.into_iter().find_map(|other| Some((other, self.circle(*other)?))) {
            return circle.after(&format!("{many}One of them is {}", describe(other)));
        }
        if self.held(&mut found, &many, node, &waiting) {
            return found;
        }
        if let Some(twice) = by_address(false) {
            return self.taken_twice(found, &many, twice, &waiting);
        }
        // An address says more than a type.
        if self.held_by_the_stop(&mut found, &many, node, Same::Stale) {
            return found;
        }
        if let Some(twice) = waiting.iter().find_map(|waiter| self.twice(waiter, Same::Type, true)) {
            return self.taken_twice(found, &many, twice, &waiting);
        }
        if self.held_by_the_only_one(&mut found, &many, &waiting) {
            return found;
        }
        self.without_holder(&mut found, &many, node, taker, &waiting);
        found
    }

    /// Nobody is seen to hold the mutex: who may, or what may be missing.
    fn without_holder(
        &self,
        found: &mut Found<'a>,
        many: &str,
        node: Node<'a>,
        taker: &'a Frame,
        waiting: &[Node<'a>],
    ) {
        if let Some(others) = self.crossed(taker) {
            found.cause = Cause::LockOrder;
            found.text = format!(
                "{others} goroutines wait at this line for different mutexes: if one holds the other's, none goes on."
            );
            found.advice = "Always take several mutexes in the same order, for example by an id.";
        } else if self.held_by_the_stop(found, many, node, Same::Type) {
            // It says so.
        } else if let Some((waiter, frame)) = waiting.iter().find_map(|waiter| Some((waiter, above(waiter)?))) {
            let who = format!("{many}Further up the same stack is {}", at(frame));
            let writer = waiting.iter().find(|other| is_reader(waiter) && !is_reader(other));
            found.text = match writer {
                Some(writer) => {
                    format!(
                        "{who}: if that reads already, it waits for the writer that waits for it: {}.",
                        describe(writer)
                    )
                }
                None => format!("{who}: if that holds the mutex, it waits for itself."),
            };
            found.place = Some(frame);
            found.advice = TWICE;
        } else if waiting.iter().any(|other| other.state == "sync.RWMutex.Lock") {
            found.text = format!(
                "{many}Nobody else in the dump is seen to hold it: a return path may lack its Unlock or RUnlock, or the writer itself reads already."
            );
        } else if self.all.iter().any(Node::is_unseen) {
            found.text = format!(
                "{many}Nobody in the dump is seen to hold it: a goroutine that runs and has no stack in the dump may, or a return path may lack its Unlock."
            );
        } else {
            found.text = format!("{many}Nobody in the dump is seen to hold it: a return path may lack its Unlock.");
        }
    }

    /// The frame of goroutine 1, or of who is in Shutdown, that may have locked what another waits for.
    fn holding_stop(&self, node: Node<'a>, least: Same) -> Option<Holder<'a>> {
        let stopper = self.stopper.or(self.main).filter(|stopper| !self.is_same_lock(&node, stopper))?;
        self.holding(stopper, &node, least)
    }

    /// Goroutine 1, or who is in Shutdown, may hold the mutex while it waits for something else.
    fn held_by_the_stop(&self, found: &mut Found<'a>, many: &str, node: Node<'a>, least: Same) -> bool {
        let Some(holder) = self.holding_stop(node, least) else { return false };
        found.text = format!("{many}It may be held by {} while it waits.", at(holder.frame));
        found.place = Some(holder.frame);
        found.advice = "Hold no mutex during Shutdown or Wait that a handler or worker needs.";
        if holder.same > Same::Type {
            found.nodes.insert(0, holder.node);
        }
        true
    }

    /// What is known of the mutex that one waits for, if that is more than that it waits.
    pub(super) fn knot(&self, node: Node<'a>) -> Option<Found<'a>> {
        let found = matches!(node.wait, Wait::Lock | Wait::Once).then(|| self.lock(node))?;
        let known = !matches!(found.cause, Cause::Mutex | Cause::Once) || found.place != node.place();
        known.then_some(found)
    }

    /// Names those that may hold it, if there are any.
    fn held(&self, found: &mut Found<'a>, many: &str, node: Node<'a>, waiting: &[Node<'a>]) -> bool {
        let mut indices = Indices::new(self.summary);
        waiting.iter().for_each(|node| indices.add(node.index));
        let stopper = self.stopper.or(self.main).map(|node| node.index);
        let others = self.select(&|other| {
            !matches!(other.wait, Wait::Accept | Wait::Printer)
                && !indices.has(other.index)
                && (Some(other.index) != stopper || other.is_at_work())
        });
        let mut holders: Vec<Holder<'a>> =
            others.into_iter().filter_map(|other| self.holding(other, &node, Same::Type)).collect();
        let best = holders.iter().map(|holder| holder.same).max().unwrap_or(Same::No);
        holders.retain(|holder| holder.same == best);
        // Who waits for anything else holds it longer than who runs.
        if holders.iter().any(|holder| holder.node.wait != Wait::Running) {
            holders.retain(|holder| holder.node.wait != Wait::Running);
        }
        let nodes: Vec<Node<'a>> = holders.iter().map(|holder| holder.node).collect();
        let Some(&first) = nodes.first() else { return false };
        if nodes.iter().all(|other| other.place() == first.place() && other.wait == first.wait) {
            let readers = waiting.iter().any(is_reader);
            let writer = waiting.iter().find(|other| readers && !is_reader(other));
            let writer = writer.map_or(String::new(), |writer| {
                format!(" A writer waits too, which holds up new readers: {}.", describe(writer))
            });
            found.text = format!("{many}It may be held by {}.{writer}", list(&nodes));
            found.place = first.place().or(found.place);
            found.advice = HELD_WHILE_WAITING;
            nodes.iter().rev().for_each(|node| found.nodes.insert(0, *node));
            if first.wait == Wait::Lock {
                self.beyond(found, first);
            } else if first.wait == Wait::Once && node.is_in("sync.(*Once).doSlow") {
                found.cause = Cause::LockOrder;
                found.text +=
                    " The sync.Once may be the one whose function waits for the mutex: each waits for the other.";
                found.advice =
                    "Call nobody who locks while Once.Do runs, or nobody who calls Do while holding the mutex.";
            }
        } else {
            found.text = format!("{many}It may be held by one of these: {}.", list(&nodes));
            found.nodes.extend(nodes);
        }
        true
    }

    /// In something small the only other one that waits for a channel, and has not started them, may hold it.
    fn held_by_the_only_one(&self, found: &mut Found<'a>, many: &str, waiting: &[Node<'a>]) -> bool {
        let on_channel = |node: &Node<'a>| {
            let channel = matches!(node.wait, Wait::Send | Wait::Receive | Wait::Select | Wait::Cond | Wait::PipeWrite);
            channel && node.own.is_some() && node.group.creator.is_some() && !node.is_in("testing.(*M).Run")
        };
        let started = |node: &Node<'a>| waiting.iter().any(|waiter| self.has_started(node, waiter));
        let test = |node: &Node<'a>| node.group.frames.iter().any(|frame| frame.function == "testing.tRunner");
        let passed =
            |node: &Node<'a>| node.place().is_some_and(|place| waiting.iter().any(|waiter| has_passed(waiter, place)));
        match self.select(&|node| on_channel(node) && !started(node) && !test(node) && !passed(node))[..] {
            [only] if self.is_small() => {
                found.text = format!(
                    "{many}No goroutine is seen to hold it. The only other one that waits, and so may hold it, is {}.",
                    describe(&only)
                );
                found.place = only.place().or(found.place);
                found.advice = HELD_WHILE_WAITING;
                found.nodes.insert(0, only);
                true
            }
            _ => false,
        }
    }

    /// The holder waits for another mutex, which somebody may hold.
    fn beyond(&self, found: &mut Found<'a>, holder: Node<'a>) {
        let waiting = self.sharing(&holder);
        let mut next = holder.alone();
        let mut indices = Indices::new(self.summary);
        found.nodes.iter().for_each(|node| indices.add(node.index));
        if waiting.iter().all(|node| indices.has(node.index)) {
            let others =
                self.select(&|other| !indices.has(other.index) && !matches!(other.wait, Wait::Accept | Wait::Lock));
            let holders: Vec<_> = others
                .into_iter()
                .filter_map(|other| self.holding(other, &holder, Same::Stale))
                .map(|holder| holder.node)
                .collect();
            if let Some(first) = holders.first() {
                next.place = first.place();
                found.text = format!("{} What that waits for may be held by {}.", found.text, list(&holders));
                found.place = next.place.or(found.place);
                found.nodes.extend(holders);
            }
        }
    }

    /// Somebody locks what a frame further up its own stack has locked.
    fn taken_twice(&self, mut found: Found<'a>, many: &str, twice: Holder<'a>, waiting: &[Node<'a>]) -> Found<'a> {
        let inner = twice.node.taker().map_or("Lock", |(_, taker)| last(&taker.function));
        let reader = is_reader(&twice.node);
        let writer = waiting.iter().find(|node| reader && !is_reader(node));
        let same = match (twice.same, Self::outermost(&twice)) {
            (Same::Address, None) => "both have the same object, so ".to_owned(),
            (Same::Address, Some(caller)) => format!("both have the same object, as has {}, so ", at(caller)),
            (Same::Stale, Some(caller)) => format!("{} has the same object, so ", at(caller)),
            (Same::Stale | Same::Type | Same::No, _) => String::new(),
        };
        let text = match writer {
            Some(writer) => format!(
                "{} calls {inner}, which reads it again: {same}if it reads already, it waits for the writer that waits for it: {}.",
                at(twice.frame),
                describe(writer)
            ),
            None => {
                format!("{} calls {inner}: {same}if it has the mutex already, it waits for itself.", at(twice.frame))
            }
        };
        found.text = format!("{many}{text}");
        found.place = Some(twice.frame);
        found.advice = TWICE;
        if !found.nodes.is_empty() && twice.node.index != found.nodes.first().map_or(usize::MAX, |node| node.index) {
            found.nodes.insert(0, twice.node);
        }
        found
    }

    /// A frame further up the stack of one that waits, which may have locked the same.
    fn twice(&self, node: &Node<'a>, least: Same, methods: bool) -> Option<Holder<'a>> {
        let (position, taker) = node.taker()?;
        let frames = node.group.frames.iter().enumerate().skip(position + 1);
        for (at, frame) in frames.filter(|(_, frame)| is_written(frame)) {
            if methods && receiver(&frame.function).is_none() {
                continue;
            }
            let of_type = method(&taker.function).is_some() && receiver(&frame.function) == method(&taker.function);
            let same = same_object(node, Some(at), node, of_type);
            // By its type alone only who calls it itself: anything else may be another object. A library has been used by others too.
            let is_own = node.own.is_some_and(|own| own <= at);
            let near = at == position + 1 && of_type && same == Same::Type && is_own && inlined(node, at, position);
            if same >= Same::Stale && at > position || least == Same::Type && near {
                return Some(Holder { node: *node, frame, same });
            }
        }
        None
    }

    /// The outermost frame beyond that which has the same object too: any of them may have locked it.
    fn outermost(twice: &Holder<'a>) -> Option<&'a Frame> {
        let node = twice.node;
        let from = node.group.frames.iter().position(|frame| std::ptr::eq(frame, twice.frame))?;
        let frames = node.group.frames.iter().enumerate().skip(from + 1);
        let mut outer = frames
            .filter(|(at, frame)| is_written(frame) && same_object(&node, Some(*at), &node, false) == Same::Address);
        outer.next_back().map(|(_, frame)| frame)
    }

    /// Two who wait for different mutexes, and each may hold the other's.
    fn circle(&self, node: Node<'a>) -> Option<Found<'a>> {
        let waiting = self.select(&|other| other.wait == Wait::Lock && !self.is_same_lock(&node, other));
        let pair = |other: &Node<'a>| {
            let (here, there) = (self.holding(node, other, Same::Type)?, self.holding(*other, &node, Same::Type)?);
            Some((here.same.min(there.same), here, there, *other))
        };
        let pairs = waiting.iter().take(LARGEST).filter_map(pair);
        let (_, here, there, other) = pairs.max_by_key(|(same, ..)| *same)?;
        let mut found = node.alone();
        found.cause = Cause::LockOrder;
        found.text = format!(
            "Another one is {}. Each may hold the mutex for which the other waits, since {} and since {}: two mutexes that are taken in different order.",
            describe(&other),
            at(here.frame),
            at(there.frame)
        );
        found.advice = "Always take several mutexes in the same order, and call nobody who locks while holding one.";
        found.nodes = vec![node, other];
        Some(found)
    }

    fn is_same_lock(&self, one: &Node<'a>, other: &Node<'a>) -> bool {
        one.index == other.index || other.wait == Wait::Lock && share(one, other)
    }

    /// The frame of `other` that may have locked what `node` waits for.
    fn holding(&self, other: Node<'a>, node: &Node<'a>, least: Same) -> Option<Holder<'a>> {
        let (_, taker) = node.taker()?;
        let kind = receiver(&taker.function);
        // Of one that waits for a mutex itself, what is above its Lock; of itself not that call.
        let first = other.taker.unwrap_or(0);
        let frames = other.group.frames.iter().enumerate().skip(first);
        let mut best: Option<Holder<'a>> = None;
        for (at, frame) in frames.filter(|(_, frame)| is_written(frame)) {
            let beyond = frame.function == taker.function && frame.line > taker.line;
            let of_type =
                beyond || frame.function != taker.function && kind.is_some() && receiver(&frame.function) == kind;
            let same = same_object(&other, Some(at), node, of_type);
            let by_address = same >= Same::Stale;
            let possible = of_type && (by_address || !has_passed(node, frame))
                || by_address && frame.function != taker.function
                || by_address && other.index != node.index && frame.line != taker.line;
            if possible && same >= least && best.is_none_or(|best| same > best.same) {
                best = Some(Holder { node: other, frame, same });
            }
        }
        best.filter(|holder| holder.same != Same::No)
    }

    /// How many wait at one line for different mutexes. Where many objects have a mutex each, that is nothing unusual as long as
    /// somebody works, in a program that was only looked at.
    fn crossed(&self, taker: &Frame) -> Option<u64> {
        let same = self.select(&|node| node.taker().is_some_and(|(_, other)| other == taker));
        let apart = same.iter().map(apart).max()?;
        let mut mutexes = same.iter().flat_map(|node| node.group.objects.iter().map(|(address, _)| *address));
        let first = mutexes.next()?;
        let brief = same.iter().all(|node| node.minutes.1 == 0) && self.all.iter().any(Self::works);
        let passes = brief && self.is_looked_at();
        (mutexes.any(|other| other.abs_diff(first) > apart) && !passes).then(|| count(&same))
    }

    /// sync.Once holds a mutex while the function runs that it was given.
    fn once(&self, node: Node<'a>) -> Found<'a> {
        let mut found = node.alone();
        let calls = node.group.frames.iter().filter(|frame| frame.function == "sync.(*Once).doSlow").count();
        let inside = |other: &Node<'a>| {
            let call = other.group.frames.iter().rposition(|frame| frame.function == "sync.(*Once).doSlow");
            call.is_some_and(|call| call > 0 && other.group.own.is_some_and(|own| own < call))
        };
        let others = self.select(&|other| other.index != node.index && other.wait != Wait::Once && inside(other));
        if calls > 1 {
            found.text =
                "The function that was given to Once.Do calls Do again: if it is the same Once, it waits for itself."
                    .to_owned();
        } else if let Some(first) = others.first().filter(|first| first.wait == Wait::Lock) {
            let lock = self.lock(*first);
            found.text =
                format!("The function that was given to Once.Do may be this one: {}. {}", describe(first), lock.text);
            (found.cause, found.place, found.advice) = (lock.cause, lock.place, lock.advice);
            found.nodes.extend(lock.nodes);
        } else if let Some(first) = others.first() {
            found.text = format!("The function that was given to Once.Do may be this one: {}.", list(&others));
            found.place = first.place().or(found.place);
            found.nodes.extend(others);
        }
        found
    }
}
