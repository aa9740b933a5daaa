//! Whether two goroutines are at the same mutex, or at the same object that has one: by addresses among the arguments of their
//! frames, and by types where none are known.

use super::is_address;
use super::node::{Node, is_written, outer, receiver};
use crate::goroutines::{Frame, UNSURE};

/// No object is larger, of those that have a mutex beside their first fields.
const OBJECT: u64 = 4096;

/// What one goroutine waits for.
#[derive(Clone, Copy)]
struct Wanted {
    /// The address of the mutex, or of the semaphore in it.
    lock: Option<u64>,
    /// The address of the object that it belongs to, as far as an argument of who called Lock is that.
    owner: Option<u64>,
}

/// How sure it is that a frame is of the same object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Same {
    /// It has another address.
    No,
    /// Its type alone tells.
    Type,
    /// It has the same address, of which the runtime is not sure: it may be of what was in that place before.
    Stale,
    /// It has the same address.
    Address,
}

/// The type of a method. A closure in one may lock anything.
pub(super) fn method(function: &str) -> Option<&str> {
    receiver(function).filter(|_| outer(function) == function)
}

/// Whether one that waits is itself in a function, and further on in it: what that locks at its beginning it would have locked too.
pub(super) fn has_passed(node: &Node<'_>, frame: &Frame) -> bool {
    let beyond = node.group.frames.iter().skip(node.taker.map_or(0, |taker| taker + 1));
    beyond.into_iter().any(|own| own.function == frame.function && own.line >= frame.line)
}

/// A method of the same type further up the stack, where arguments do not tell that it is of another object.
pub(super) fn above<'a>(node: &Node<'a>) -> Option<&'a Frame> {
    let (position, taker) = node.taker()?;
    let kind = method(&taker.function)?;
    let mut frames = node.group.frames.iter().enumerate().skip(position + 1);
    let is_of_type = |at: usize, frame: &Frame| {
        is_written(frame)
            && node.own.is_some_and(|own| own <= at)
            && receiver(&frame.function) == Some(kind)
            && same_object(node, Some(at), node, true) != Same::No
    };
    frames.find(|(at, frame)| is_of_type(*at, frame)).map(|(_, frame)| frame)
}

/// Whether what it waits for is an RWMutex; its writers wait for a Mutex in it.
fn is_of_rwmutex(node: &Node<'_>) -> bool {
    let calls = node.group.frames.get(..node.taker.unwrap_or(0)).unwrap_or_default();
    node.state.starts_with("sync.RWMutex") || calls.iter().any(|frame| frame.function.starts_with("sync.(*RWMutex)."))
}

/// How far the addresses that are told of one mutex are from each other at most: an RWMutex has its own and those of three
/// semaphores in the first 16 bytes of 24.
pub(super) fn apart(node: &Node<'_>) -> u64 {
    if is_of_rwmutex(node) { 12 } else { 4 }
}

/// Whether it waits to read what an RWMutex guards.
pub(super) fn is_reader(node: &Node<'_>) -> bool {
    node.state.starts_with("sync.RWMutex.R") || node.is_in("sync.(*RWMutex).RLock")
}

/// What the goroutines of a group wait for, of those that are known.
fn wanted(node: &Node<'_>) -> Vec<Wanted> {
    let Some((position, taker)) = node.taker() else { return Vec::new() };
    let is_lock = |frame: &&Frame| frame.function.starts_with("sync.") || frame.function.starts_with("internal/sync.");
    let calls: Vec<usize> = node
        .group
        .frames
        .iter()
        .enumerate()
        .take(position)
        .filter(|(_, frame)| is_lock(frame))
        .map(|(at, _)| at)
        .collect();
    let each = node.group.samples.iter().map(|sample| {
        let argument =
            |at: &usize| sample.arguments.get(*at).map(|[first, _]| *first).filter(|address| is_address(*address));
        let lock = calls.iter().rev().find_map(argument);
        let arguments = sample.arguments.get(position).copied().unwrap_or_default();
        let objects =
            || arguments.into_iter().map(|argument| argument & !UNSURE).filter(|address| is_address(*address));
        let owner = match lock {
            Some(lock) => {
                objects().filter(|object| lock >= *object && lock - object < OBJECT).min_by_key(|object| lock - object)
            }
            None => objects().next().filter(|first| receiver(&taker.function).is_some() && *first == arguments[0]),
        };
        Wanted { lock, owner }
    });
    each.collect()
}

/// Whether a frame has the object of the mutex that another waits for.
pub(super) fn same_object(other: &Node<'_>, frame: Option<usize>, node: &Node<'_>, of_type: bool) -> Same {
    let Some(frame) = frame else { return Same::No };
    let wanted = wanted(node);
    let arguments: Vec<[u64; 2]> = other.arguments(frame).collect();
    let is_wanted = |argument: u64| {
        let is = |address: u64| is_address(argument) && (argument == address || argument + 4 == address);
        wanted.iter().any(|wanted| wanted.owner.is_some_and(is) || wanted.lock.is_some_and(is))
    };
    let itself = other.index != node.index || other.group.samples.len() == 1;
    if itself && arguments.iter().flatten().any(|argument| is_wanted(*argument)) {
        return Same::Address;
    }
    // What a method of another type has left of its receiver is what the one that called it had there.
    let frames = [other.frames.get(frame), node.taker().map(|(_, taker)| taker)];
    let [its, wanted_one] = frames.map(|frame| frame.and_then(|frame| receiver(&frame.function)));
    let skipped = usize::from(its.is_some() && wanted_one.is_some() && its != wanted_one);
    let mut stale = arguments.iter().flat_map(|arguments| arguments.iter().skip(skipped));
    if itself && stale.any(|argument| is_wanted(argument & !UNSURE)) {
        return Same::Stale;
    }
    // Of a method the receiver tells that it is another object. What the runtime is not sure of may be something else.
    let known = arguments.iter().any(|[first, _]| *first != 0 && *first & UNSURE == 0)
        && wanted.iter().any(|wanted| wanted.owner.is_some());
    if of_type && !known { Same::Type } else { Same::No }
}

/// Whether the compiler left no arguments of one of the frames.
pub(super) fn inlined(node: &Node<'_>, one: usize, other: usize) -> bool {
    let unknown = |at| node.arguments(at).all(|[first, _]| first == 0);
    unknown(one) || unknown(other)
}

/// Whether they wait for the same mutex. What is told is the address of a semaphore: a Mutex has one, an RWMutex three, side
/// by side. Where none is told, the object decides, or else the type.
pub(super) fn share(one: &Node<'_>, other: &Node<'_>) -> bool {
    if is_of_rwmutex(one) != is_of_rwmutex(other) {
        return false;
    }
    if one.objects.is_empty() || other.objects.is_empty() {
        let kind = |node: &Node<'_>| node.taker().and_then(|(_, frame)| receiver(&frame.function)).map(str::to_owned);
        let owners = |node: &Node<'_>| wanted(node).iter().filter_map(|wanted| wanted.owner).collect::<Vec<_>>();
        let (mine, others) = (owners(one), owners(other));
        let same = mine.is_empty() || others.is_empty() || mine.iter().any(|owner| others.contains(owner));
        return same && kind(one).is_some() && kind(one) == kind(other);
    }
    let apart = apart(one).max(apart(other));
    one.objects.iter().any(|(a, _)| other.objects.iter().any(|(b, _)| a.abs_diff(*b) <= apart))
}
