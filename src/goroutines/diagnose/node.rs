//! A group of goroutines as a node of the graph: what it waits for, who called Lock, whose methods are on its stack.

use super::Found;
use crate::goroutines::groups::hash;
use crate::goroutines::wait::Wait;
use crate::goroutines::{Frame, Group, Object, Sample, Summary};
use std::collections::BTreeMap;
use std::ops::Deref;

/// All that handlers of a server have in their stack: net/http's, and gRPC's.
const HANDLERS: &[&str] = &["net/http.serverHandler.ServeHTTP", "google.golang.org/grpc.(*Server).handleStream"];

/// Those that stop a server in good order, and wait for its handlers.
const STOPPERS: &[&str] = &["net/http.(*Server).Shutdown", "google.golang.org/grpc.(*Server).GracefulStop"];

/// A group, and where it is in the summary.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) index: usize,
    pub(super) group: &'a Group,
    pub(super) wait: Wait,
    /// Which frame called Lock, where that is what it waits for.
    pub(super) taker: Option<usize>,
}

/// A set of groups.
#[derive(Clone)]
pub(super) struct Indices(Vec<bool>);

impl Indices {
    pub(super) fn new(summary: &Summary) -> Indices {
        Indices(vec![false; summary.groups.len()])
    }

    pub(super) fn add(&mut self, index: usize) {
        if let Some(there) = self.0.get_mut(index) {
            *there = true;
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.0.get(index) == Some(&true)
    }
}

/// A set of names, by their hashes: the one map that there is already.
pub(super) struct Names(BTreeMap<u64, usize>);

impl Names {
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Names {
        // One after the other: collect() sorts, which is code for each type.
        let mut known = BTreeMap::new();
        known.extend(names.map(|name| (hash(name.as_bytes()), 0)));
        Names(known)
    }

    pub(super) fn have(&self, name: &str) -> bool {
        self.0.contains_key(&hash(name.as_bytes()))
    }
}

impl Deref for Node<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl<'a> Node<'a> {
    pub(super) fn new(index: usize, group: &'a Group) -> Node<'a> {
        let wait = Wait::of(group);
        let sync = ["runtime.", "sync.", "internal/sync.", "internal/runtime/"];
        let outside = |frame: &Frame| !sync.iter().any(|package| frame.function.starts_with(package));
        let taker = if wait == Wait::Lock || wait == Wait::Once { group.frames.iter().position(outside) } else { None };
        Node { index, group, wait, taker }
    }

    /// It waits, and who for is not known.
    pub(super) fn alone(self) -> Found<'a> {
        let (cause, advice) = (self.wait.cause(self.group), self.wait.advice());
        Found { cause, text: String::new(), place: self.place(), advice, nodes: vec![self] }
    }

    pub(super) fn is_in(&self, function: &str) -> bool {
        self.frames.iter().any(|frame| frame.function == function)
    }

    /// Where to look: its own code; else a library's, or what it is in; where it was started, if its stack is unknown.
    pub(super) fn place(self) -> Option<&'a Frame> {
        let creator = self.group.creator.as_ref();
        let library = self.group.frames.iter().find(|frame| is_of_module(&frame.function));
        self.group.place().or(library).or(if self.frames.is_empty() { creator } else { self.group.top() })
    }

    /// Whether a module that has an address (`example.com/…`) runs it, or has started it, and nothing of the program's own is in it.
    /// What the standard library starts for itself is none.
    pub(super) fn is_of_library(&self) -> bool {
        let runs = self.frames.iter().any(|frame| is_of_module(&frame.function));
        self.own.is_none() && !self.frames.is_empty() && (runs || is_of_module(self.started_by()))
    }

    pub(super) fn own_frames(&self) -> impl Iterator<Item = &'a Frame> {
        self.group.frames.iter().skip(self.own.unwrap_or(usize::MAX))
    }

    pub(super) fn started_by(&self) -> &'a str {
        self.group.creator.as_ref().map_or("", |creator| &creator.function)
    }

    /// Whether WaitGroup.Go, or that of errgroup, started it. Which group it was the dump does not tell.
    pub(super) fn is_member_of(&self, waiter: Node<'_>) -> bool {
        let errgroup = waiter.frames.iter().any(|frame| frame.function.contains("errgroup.(*Group).Wait"));
        self.started_by().contains(if errgroup { "errgroup.(*Group).Go" } else { "sync.(*WaitGroup).Go" })
    }

    /// Who called Lock, and where that is in the stack.
    pub(super) fn taker(&self) -> Option<(usize, &'a Frame)> {
        Some((self.taker?, self.group.frames.get(self.taker?)?))
    }

    /// What a frame was called with, in each goroutine of which that is known.
    pub(super) fn arguments(&self, frame: usize) -> impl Iterator<Item = [u64; 2]> + use<'a> {
        self.group.samples.iter().filter_map(move |sample| sample.arguments.get(frame).copied())
    }

    /// The goroutines that started these.
    pub(super) fn parents(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.group.samples.iter().filter_map(|sample: &Sample| sample.parent)
    }

    /// Of a WaitGroup, how many Done it waits for, where memory told.
    pub(super) fn counter(&self) -> Option<u32> {
        self.known.iter().find_map(|(_, object)| match object {
            Object::WaitGroup { counter } => Some(*counter),
            Object::Channel { .. } | Object::Mutex { .. } => None,
        })
    }

    /// It is doing something, or the kernel does that for it, as a disk is written to. A pipe or a terminal may never answer.
    pub(super) fn is_at_work(&self) -> bool {
        match self.wait {
            Wait::Running | Wait::Syscall => true,
            Wait::File => ["syscall", "running", "runnable"].contains(&&*self.state),
            _ => false,
        }
    }

    /// It runs, and where is not known: on another thread, or as the runtime has it in memory.
    pub(super) fn is_unseen(&self) -> bool {
        self.wait == Wait::Running && self.frames.is_empty()
    }

    /// Goroutine 1 runs main.main.
    pub(super) fn is_main(&self) -> bool {
        self.ids.contains(&1)
    }
}

pub(super) fn is_stopper(frame: &Frame) -> bool {
    STOPPERS.contains(&frame.function.as_str())
}

pub(super) fn is_handler(group: &Group) -> bool {
    let marks = |frame: &Frame| {
        HANDLERS.contains(&frame.function.as_str()) || frame.function.ends_with("erverConn).runHandler")
    };
    group.frames.iter().any(marks)
}

/// Whether somebody wrote it, and not the compiler for a method value or an interface.
pub(super) fn is_written(frame: &Frame) -> bool {
    frame.file != "<autogenerated>"
}

/// Whether a function is of a module, which has a host at its beginning, and not of the standard library. errgroup only runs what it
/// is given.
fn is_of_module(function: &str) -> bool {
    let host = function.split_once('/').is_some_and(|(host, _)| host.contains('.'));
    host && !function.starts_with("golang.org/x/sync/errgroup.")
}

/// The type of a method that can lock: `main.(*cache)` of `main.(*cache).get`.
pub(super) fn receiver(function: &str) -> Option<&str> {
    let star = function.find(".(*")?;
    let end = star + function.get(star..)?.find(").")?;
    function.get(..=end)
}

/// The function as it is written, without the marks of closures and wrappers.
pub(super) fn outer(function: &str) -> &str {
    let marks = [".func", ".gowrap", ".deferwrap", "-range", "-fm"];
    let end = marks.iter().filter_map(|mark| function.find(mark)).min();
    end.and_then(|end| function.get(..end)).unwrap_or(function)
}
