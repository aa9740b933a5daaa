//! Goroutines that hang wherever they are: those that the runtime found to be leaked, and, where nothing else is in the dump
//! (a test, a small program, a deadlock), those that wait for each other.

use super::node::{Indices, Node, is_handler, outer};
use super::words::{describe, describe_one, list};
use super::{Evidence, Found};
use crate::goroutines::wait::Wait;
use crate::goroutines::{Frame, Kind};

/// So many findings of this kind are told.
const MOST: usize = 4;

impl<'a> Evidence<'a> {
    /// `(leaked)`: the garbage collector found that nothing can wake them, or a search of the memory did.
    pub(super) fn leaked(&self) -> Vec<Found<'a>> {
        let leaked = self.select(&|node| node.leaked);
        let mut leaked = self.culprits(leaked);
        leaked.truncate(MOST);
        let each = leaked.into_iter().map(|node| {
            let (many, them, wait) = match node.count {
                1 => ("A goroutine is".to_owned(), "it", "it waits"),
                count => (format!("{count} goroutines are"), "them", "they wait"),
            };
            let why = match (self.summary.kind, node.wait) {
                (_, Wait::NilChannel | Wait::Never) => format!("nothing can wake {them}"),
                (Kind::Live, _) => {
                    format!("nothing that can go on refers to what {wait} on, so nothing can wake {them}")
                }
                _ => format!("the runtime found that nothing can wake {them}"),
            };
            let found = match node.wait {
                Wait::Lock | Wait::Once => self.lock(node),
                _ => node.alone(),
            };
            let place = describe_one(&node);
            found.after(&format!("{many} leaked: {why}: {place}"))
        });
        each.collect()
    }

    /// Whether all that is in the dump belongs to something small that should have ended: a test, or a program without a
    /// server in it.
    pub(super) fn is_small(&self) -> bool {
        let serves = |node: &Node<'a>| node.wait == Wait::Accept || is_handler(node);
        let printed = self.all.iter().any(|node| node.wait == Wait::Printer);
        let tested = self.is_anyone_in("testing.tRunner") || self.is_anyone_in("testing.(*M).Run");
        !self.all.iter().any(serves)
            && (self.summary.kind == Kind::Fatal || tested || self.is_excerpt() || printed && !self.listens())
    }

    fn listens(&self) -> bool {
        self.is_anyone_in("os/signal.signal_recv")
    }

    /// Those of the program's own that wait for others of it, and were not told yet. Who started them has returned, so
    /// that it can be as well.
    pub(super) fn stuck(&self, told: &Indices) -> Vec<Found<'a>> {
        let waits = |node: &Node<'a>| {
            // Who waits for a bubble waits for those in it.
            let helper =
                ["testing.(*T).Run", "testing.(*M).Run", "testing/synctest.Test"].iter().any(|name| node.is_in(name));
            // What a package starts before main is there until the end.
            let daemon =
                ["init", "init.0", "init.1"].iter().any(|name| outer(node.started_by()).ends_with(&format!(".{name}")));
            let runs = node.wait == Wait::Running && self.is_orphan(node);
            let stays = node.wait.is_on_others() || runs;
            node.own.is_some() && stays && !node.leaked && !helper && !daemon && !told.has(node.index)
        };
        let mut told = told.clone();
        let mut found = Vec::new();
        for node in self.culprits(self.select(&waits)) {
            if told.has(node.index) || found.len() >= MOST {
                continue;
            }
            let one = match node.wait {
                Wait::Lock | Wait::Once => self.lock(node),
                // That nobody is left tells why; those that are left are told by themselves.
                Wait::Group => Some(self.follow(node)).filter(|found| found.nodes.len() == 1).unwrap_or(node.alone()),
                _ => node.alone(),
            };
            one.nodes.iter().for_each(|node| told.add(node.index));
            let advice = match (self.is_orphan(&node), node.wait) {
                // It may well have a case for the end.
                (true, Wait::Select) => {
                    "End it when what started it returns: close or cancel one of its cases, or add <-ctx.Done()."
                }
                _ => one.advice,
            };
            let one = Found { advice, ..one };
            let who = if node.is_main() { node.to_string() } else { described(&node) };
            let first = match (self.is_orphan(&node), node.wait) {
                (true, Wait::Receive) => format!(
                    "{who}. What started it has returned, so it may wait for ever: for a send, for the channel's close, or, if that is ctx.Done(), for the context's cancel"
                ),
                (true, Wait::Running) => format!("{who}. What started it has returned, so it may run for ever"),
                (true, _) => format!("{who}. What started it has returned, so it may wait for ever"),
                (false, _) => who,
            };
            found.push(one.after(&first));
        }
        found
    }

    /// Those whose creator has returned come first, then those that send, then the rest.
    fn culprits(&self, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
        crate::goroutines::order::by(nodes, |node| {
            let wait = match node.wait {
                Wait::NilChannel | Wait::Never => 0,
                Wait::Send | Wait::Lock | Wait::Once | Wait::PipeWrite => 1,
                Wait::Receive | Wait::Cond | Wait::PipeRead => 2,
                Wait::Select => 3,
                _ => 4,
            };
            // Who started others that wait is where they are waited for.
            let starter = self.all.iter().any(|other| other.wait.is_on_others() && self.has_started(node, other));
            [u64::from(!self.is_orphan(node)), 8 * u64::from(starter) + wait, node.index as u64]
        })
    }

    /// Whether one has started the other, and is still in that function.
    pub(super) fn has_started(&self, node: &Node<'a>, other: &Node<'a>) -> bool {
        let Some(creator) = &other.group.creator else { return false };
        let parents: Vec<u64> = other.parents().collect();
        let of_parent = parents.is_empty() || node.ids.iter().any(|id| parents.contains(id));
        // What a function has started with `go` is its closure, and not the function.
        let entry = node.group.creator.as_ref().and_then(|_| node.group.frames.last());
        let is_closure = |frame: &Frame| {
            frame.function != creator.function
                && outer(&frame.function) == creator.function
                && entry.is_some_and(|entry| std::ptr::eq(entry, frame))
        };
        let is_in = |frame: &Frame| outer(&frame.function) == outer(&creator.function) && !is_closure(frame);
        let in_it = node.group.frames.iter().any(is_in);
        node.index != other.index && of_parent && in_it
    }

    /// Whether one may have started the other, in a function that it may have left: where a number tells, that decides.
    pub(super) fn may_have_started(&self, node: &Node<'a>, other: &Node<'a>) -> bool {
        let mut parents = other.parents().peekable();
        let by_it = parents.peek().is_none() || parents.any(|parent| node.ids.contains(&parent));
        node.index != other.index && other.group.creator.is_some() && by_it
    }

    /// Whether the function that started it is on no stack any more, or the goroutine that did has gone.
    fn is_orphan(&self, node: &Node<'a>) -> bool {
        let parents: Vec<u64> = node.parents().collect();
        // One that runs may have no stack in the dump.
        let may_have = |other: &Node<'a>| {
            other.frames.is_empty() && (parents.is_empty() || other.ids.iter().any(|id| parents.contains(id)))
        };
        let is_there = |other: &Node<'a>| self.has_started(other, node) || may_have(other);
        self.is_whole() && node.group.creator.is_some() && !self.all.iter().any(is_there)
    }
}

fn described(node: &Node<'_>) -> String {
    if node.count == 1 { describe(node) } else { list(std::slice::from_ref(node)) }
}
