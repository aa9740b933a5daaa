//! Makes of the goroutines in a memory the groups of a dump, or the text that the runtime would print.

use super::functions::Call;
use super::goroutine::Goroutine;
use super::stack::{Step, Words};
use super::{Program, Proof, goroutine};
use crate::goroutines::{self, Collector, Frame, Seen, Summary};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The runtime prints so many calls of a deep stack from each end.
const SHOWN: usize = 50;
/// Different stacks whose group is remembered.
const KNOWN: usize = 1 << 14;
/// The codes that describe arguments (abi.TraceArgs…).
const END_OF_ALL: u8 = 0xff;
const BEGIN: u8 = 0xfe;
const END: u8 = 0xfd;
const MORE: u8 = 0xfc;
const TOO_FAR: u8 = 0xfb;

/// Goroutines in groups, and what else is to be said of them.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The groups.
    pub summary: Summary,
    /// So many stacks could not be followed to their beginning.
    pub broken: u64,
}

/// A stack that has been seen, its group, and how often.
struct Known {
    key: Vec<u64>,
    group: Option<usize>,
    count: usize,
}

/// What is shown of a stack: calls and their steps, and how many are left out after the first ones.
type Shown<'a> = (Vec<(&'a Step, &'a Call)>, Option<(usize, u32)>);

/// Looks at all goroutines, and puts them in groups.
///
/// # Errors
/// A sentence, as [`Program::goroutines`].
pub fn collect(
    program: &Program<'_>,
    reason: String,
    about: &goroutines::Program,
    proof: Option<&Proof>,
) -> Result<Collected, String> {
    let mut collector = Collector::default();
    let (mut places, mut known): (BTreeMap<u64, usize>, Vec<Known>) = Default::default();
    let mut broken = 0;
    program.goroutines(&mut |goroutine| {
        broken += u64::from(goroutine.stack.broken);
        let seen = goroutine.seen(proof);
        let key = key(goroutine, seen.leaked, program);
        let bytes: Vec<u8> = key.iter().flat_map(|word| word.to_le_bytes()).collect();
        let hash = goroutines::hash(&bytes);
        let place = places.get(&hash).copied();
        let same = place.and_then(|place| known.get(place)).filter(|known| known.key == key);
        match same.map(|known| (known.group, known.count)) {
            Some((Some(group), count)) if count >= Collector::SAMPLES => return collector.add_to(group, &seen),
            _ => {}
        }
        let (calls, elided) = shown(goroutine);
        let arguments = all_arguments(program, goroutine, &calls);
        let frames: Vec<(&Frame, String)> = calls.iter().map(|(_, call)| &call.frame).zip(arguments).collect();
        let creator = program.creator(goroutine);
        let group = collector.add(&seen, &frames, elided, creator.as_ref().map(|(frame, _)| frame));
        if let Some(known) = place.and_then(|place| known.get_mut(place)) {
            known.count += 1;
        } else if known.len() < KNOWN {
            places.insert(hash, known.len());
            known.push(Known { key, group, count: 1 });
        }
    })?;
    let mut summary = collector.finish(reason, about);
    for group in &mut summary.groups {
        let known = |(address, _): &(u64, u64)| Some((*address, program.object_at(&group.state, *address)?));
        group.known = group.objects.iter().filter_map(known).collect();
    }
    Ok(Collected { summary, broken })
}

impl Goroutine {
    fn seen(&self, proof: Option<&Proof>) -> Seen<'_> {
        Seen {
            id: self.id,
            state: &self.state,
            minutes: self.minutes,
            locked: self.locked,
            leaked: self.is_leaked(proof),
            labels: self.labels.as_deref(),
            parent: Some(self.parent).filter(|parent| *parent != 0),
            objects: &self.objects,
            goes_on: self.stack.broken,
        }
    }

    /// The runtime has found out that nothing can wake it, or it is proven here.
    fn is_leaked(&self, proof: Option<&Proof>) -> bool {
        self.leaked || proof.is_some_and(|proof| proof.has(self.id))
    }
}

/// What makes a goroutine equal to another: its state, where it is and where it was started.
fn key(goroutine: &Goroutine, leaked: bool, program: &Program<'_>) -> Vec<u64> {
    let state = program.layout.reasons.iter().position(|reason| *reason == goroutine.state);
    let state = state.map_or_else(|| goroutines::hash(goroutine.state.as_bytes()), |at| at as u64);
    let flags = u64::from(goroutine.stack.broken) << 1 | u64::from(leaked);
    let mut key = vec![state, goroutine.creator, goroutine.stack.between, flags];
    key.extend(goroutine.stack.steps().map(|step| step.pc << 1 | u64::from(step.trapped)));
    key
}

/// The calls of a stack as the runtime shows them: wrappers only where they are what runs, or where a panic called them.
fn shown(goroutine: &Goroutine) -> Shown<'_> {
    let stack = &goroutine.stack;
    let all: Vec<(&Step, &Call)> = stack.steps().flat_map(calls_of).collect();
    let first = stack.first.iter().map(|step| step.place.calls.len()).sum::<usize>();
    let visible = |at: &usize| {
        let before = at.checked_sub(1).and_then(|at| all.get(at));
        all.get(*at).is_some_and(|(_, call)| !call.wrapper || before.is_none_or(|(_, callee)| panics(callee)))
    };
    let kept: Vec<usize> = (0..all.len()).filter(visible).collect();
    let total = kept.len() as u64 + stack.between;
    if total <= 2 * SHOWN as u64 {
        return (kept.iter().filter_map(|at| all.get(*at).copied()).collect(), None);
    }
    let from_end = kept.len().saturating_sub(SHOWN);
    let from_start = kept.iter().filter(|at| **at < first || stack.between == 0).count().min(SHOWN);
    let from_end = from_end.max(from_start);
    let chosen = kept.iter().take(from_start).chain(kept.iter().skip(from_end));
    let left_out = total - from_start as u64 - (kept.len() - from_end) as u64;
    let left_out = (left_out > 0).then(|| (from_start, u32::try_from(left_out).unwrap_or(u32::MAX)));
    (chosen.filter_map(|at| all.get(*at).copied()).collect(), left_out)
}

fn calls_of(step: &Step) -> impl Iterator<Item = (&Step, &Call)> {
    step.place.calls.iter().map(move |call| (step, call))
}

/// elideWrapperCalling in runtime/traceback.go
fn panics(call: &Call) -> bool {
    matches!(call.frame.function.as_str(), "panic" | "runtime.sigpanic" | "runtime.panicwrap")
}

/// Prints all goroutines as the runtime would, each in one piece.
///
/// # Errors
/// A sentence, as [`Program::goroutines`].
pub fn print(program: &Program<'_>, proof: Option<&Proof>, write: &mut dyn FnMut(&str)) -> Result<(), String> {
    program.goroutines(&mut |goroutine| write(&text(program, goroutine, goroutine.is_leaked(proof))))
}

/// `goroutine 7 [chan receive, 3 minutes]:` and what follows, with the empty line behind it.
fn text(program: &Program<'_>, goroutine: &Goroutine, leaked: bool) -> String {
    let mut text = format!("goroutine {} [{}", goroutine.id, goroutine.state);
    let minutes = (goroutine.minutes > 0).then(|| format!(", {} minutes", goroutine.minutes));
    text.push_str(if leaked { " (leaked)" } else { "" });
    text.push_str(&minutes.unwrap_or_default());
    text.push_str(if goroutine.locked { ", locked to thread" } else { "" });
    text.push(']');
    for labels in goroutine.labels.iter() {
        let _ = write!(text, " {labels}");
    }
    text.push_str(":\n");
    let (calls, elided) = shown(goroutine);
    let arguments = all_arguments(program, goroutine, &calls);
    for (at, ((step, call), arguments)) in calls.iter().zip(arguments).enumerate() {
        if let Some((_, count)) = elided.filter(|(after, _)| *after == at) {
            let _ = writeln!(text, "...{count} frames elided...");
        }
        let frame = &call.frame;
        let _ = write!(text, "{}({arguments})\n\t{}:{}", frame.function, frame.file, frame.line);
        if !call.inlined && step.place.offset > 0 {
            let _ = write!(text, " +{:#x}", step.place.offset);
        }
        text.push('\n');
    }
    // Both are words of the runtime's own, which other tools know.
    match (calls.is_empty(), goroutine.stack.broken) {
        (_, true) => text.push_str("...additional frames elided...\n"),
        (true, false) => text.push_str("\tgoroutine running on other thread; stack unavailable\n"),
        (false, false) => {}
    }
    if let Some((frame, offset)) = program.creator(goroutine) {
        let _ = write!(text, "created by {}", frame.function);
        if goroutine.parent != 0 {
            let _ = write!(text, " in goroutine {}", goroutine.parent);
        }
        let _ = writeln!(text, "\n\t{}:{} +{offset:#x}", frame.file, frame.line);
    }
    text.push('\n');
    text
}

/// The arguments of all calls. They are read when they are wanted, and so they may be those of another moment: then they are
/// left out.
fn all_arguments(program: &Program<'_>, goroutine: &Goroutine, calls: &[(&Step, &Call)]) -> Vec<String> {
    let mut words = program.stack_of(goroutine);
    let mut texts: Vec<String> = calls.iter().map(|(step, call)| arguments(step, call, &mut words)).collect();
    if !program.still_is(goroutine) {
        texts.fill(UNKNOWN.to_owned());
    }
    texts
}

/// As the runtime writes it for calls that were inlined.
const UNKNOWN: &str = "...";

/// The arguments of a call, as printArgs in runtime/traceback.go has them.
fn arguments(step: &Step, call: &Call, words: &mut Words<'_>) -> String {
    if call.inlined {
        return UNKNOWN.to_owned();
    }
    let (place, mut text) = (&step.place, String::new());
    let mut codes = place.arguments.iter().copied();
    let (mut slot, mut first) = (0, true);
    while let Some(code) = codes.next().filter(|code| *code != END_OF_ALL) {
        if code == END {
            text.push('}');
            first = false;
            continue;
        }
        text.push_str(if first { "" } else { ", " });
        first = code == BEGIN;
        match code {
            BEGIN => text.push('{'),
            MORE => text.push_str("..."),
            TOO_FAR => text.push('_'),
            offset => {
                let unused = 64 - 8 * u32::from(codes.next().unwrap_or(8).clamp(1, 8));
                let value = goroutine::unaligned(words, step.arguments, offset);
                let _ = write!(text, "{:#x}", value.unwrap_or(0) << unused >> unused);
                text.push_str(if value.is_some() && place.is_live(offset, slot) { "" } else { "?" });
                slot += usize::from(offset >= place.first_in_registers());
            }
        }
    }
    text
}
