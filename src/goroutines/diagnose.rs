//! What holds up a shutdown, told from the groups of a dump.
//!
//! It begins at what the process cannot end without, goroutine 1 or whoever called Shutdown, and goes on to what that
//! waits for, as long as the dump has evidence of it. Where one goroutine cannot be tied to another for certain, the
//! sentence says "may". docs/causes.md has the whole list.

use super::order;
use super::wait::Wait;
use super::{Cause, Finding, Frame, Group, Kind, Program, Summary};
use std::ops::Deref;

/// Those that stop a server in good order, and wait for its handlers.
const STOPPERS: &[&str] = &["net/http.(*Server).Shutdown", "google.golang.org/grpc.(*Server).GracefulStop"];

/// What all handlers of a server have in their stack: net/http's, and gRPC's.
const HANDLERS: &[&str] = &["net/http.serverHandler.ServeHTTP", "google.golang.org/grpc.(*Server).handleStream"];

/// Signals that do nothing to a Go program which does not listen to them.
const WITHOUT_EFFECT: &[&str] = &[
    "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGCHLD", "SIGCONT", "SIGURG", "SIGXCPU", "SIGWINCH", "SIGIO",
    "SIGPWR",
];

/// So many groups are named in one sentence.
const NAMED: usize = 3;

/// So many groups are compared with all others.
const LARGEST: usize = 16;

const DEADLINE: &str = "Give Shutdown a context with a deadline, and call server.Close when it has passed.";

/// Names what holds up the shutdown, the most decisive first. Never empty: Unknown if there is no evidence.
pub fn diagnose(summary: &Summary, program: &Program) -> Vec<Finding> {
    let dump = Dump::new(summary);
    let mut found = dump.crash().map_or_else(|| dump.hang(program.signal.as_deref()), |crash| vec![crash]);
    if found.is_empty() {
        found.push(dump.unknown());
    }
    found.into_iter().map(Found::finding).collect()
}

/// A group, and where it is in the summary.
#[derive(Clone, Copy)]
struct Node<'a> {
    index: usize,
    group: &'a Group,
    wait: Wait,
}

/// The groups, and who matters among them.
struct Dump<'a> {
    summary: &'a Summary,
    all: Vec<Node<'a>>,
    main: Option<Node<'a>>,
    /// Who is in Shutdown.
    stopper: Option<Node<'a>>,
}

/// What was found. Where goroutines wait for each other, it is about the end of that chain.
struct Found<'a> {
    cause: Cause,
    text: String,
    place: Option<&'a Frame>,
    advice: &'static str,
    /// Whom it is about, the most telling first.
    nodes: Vec<Node<'a>>,
}

/// What ties goroutines to the one that waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tie {
    /// WaitGroup.Go started them: it waits for all of them.
    Member,
    /// Who waits started them, or its kin.
    Started,
    None,
}

impl<'a> Dump<'a> {
    fn new(summary: &'a Summary) -> Dump<'a> {
        let nodes = summary.groups.iter().enumerate().filter(|(_, group)| !group.system);
        let all: Vec<Node<'a>> = nodes.map(|(index, group)| Node { index, group, wait: Wait::of(group) }).collect();
        let find = |test: fn(&Group) -> bool| all.iter().copied().find(|node| test(node));
        let main = find(|group| group.creator.is_none() && group.ids.contains(&1));
        let stopper = find(|group| group.frames.iter().any(is_stopper));
        Dump { summary, main, stopper, all }
    }

    fn select(&self, test: &dyn Fn(&Node<'a>) -> bool) -> Vec<Node<'a>> {
        self.all.iter().copied().filter(test).collect()
    }

    fn is_anyone_in(&self, function: &str) -> bool {
        self.all.iter().any(|node| node.is_in(function))
    }

    /// What is not in a dump that is cut may be there all the same.
    fn is_whole(&self) -> bool {
        !self.summary.cut && self.summary.ungrouped == 0
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Where it begins

    /// A panic or a fatal error is its own reason; only a deadlock is a hang.
    fn crash(&self) -> Option<Found<'a>> {
        let reason = &self.summary.reason;
        let crashed = match self.summary.kind {
            Kind::Panic => true,
            Kind::Fatal => !reason.contains("deadlock"),
            Kind::Signal | Kind::Unknown => false,
        };
        let running = self.all.iter().copied().find(|node| node.wait == Wait::Running && node.own.is_some());
        let place = running.and_then(Node::place);
        let text = place.map_or(String::new(), |frame| format!(" in {}", at(frame)));
        crashed.then(|| Found {
            cause: Cause::Unknown,
            text: format!("It did not hang, it crashed{text}: {reason}."),
            place,
            advice: "Mend the crash; the other goroutines only happened to be there.",
            nodes: running.into_iter().collect(),
        })
    }

    fn hang(&self, signal: Option<&str>) -> Vec<Found<'a>> {
        if let Some(deaf) = signal.and_then(|signal| self.deaf(signal)) {
            return vec![deaf];
        }
        let wait = self.main.map(|main| main.wait);
        let joins = matches!(wait, Some(Wait::Receive | Wait::Select | Wait::Never));
        let mut found = Vec::new();
        if let Some(stopper) = self.stopper {
            // If main waits for something that the end of Shutdown cannot give it, that comes first.
            let waits_for_it = joins || matches!(wait, None | Some(Wait::Accept | Wait::Group));
            if !waits_for_it && self.main.is_some_and(|main| main.index != stopper.index) {
                found.extend(self.of_main());
            }
            self.handlers(stopper, &mut found);
            return found;
        }
        let Some(main) = self.main else {
            found.extend(self.main_gone());
            return found;
        };
        let serving = self.select(&|node| node.wait == Wait::Accept && node.own.is_some());
        let unheeded = signal.filter(|_| !serving.is_empty()).map(|signal| self.unheeded(main, signal, &serving));
        if self.summary.kind == Kind::Fatal {
            found.extend(self.of_main());
        } else if main.wait == Wait::Accept || joins && !serving.is_empty() {
            found.extend(unheeded);
            found.extend(self.of_main().filter(|found| signal.is_some() && found.nodes.len() > 1));
            found.extend(self.contended());
        } else if main.wait == Wait::Group && !serving.is_empty() {
            // It waits for the server too if that was started by WaitGroup.Go, or if there is nothing else.
            let (members, _) = self.members(main, &[main.index]);
            let waits_for_it = members.is_empty() || serving.iter().any(|node| node.is_member_of(main));
            found.extend(self.of_main().filter(|_| !members.is_empty()));
            found.extend(unheeded.filter(|_| waits_for_it));
        } else if signal.is_none() && joins && self.is_anyone_in("os/signal.signal_recv") {
            // To wait for the signal is what main is there for, as long as nobody sent one.
            found.extend(self.contended());
        } else {
            found.extend(self.of_main());
        }
        found
    }

    /// Nobody listens to signals at all, or those who do were not told of this one.
    fn deaf(&self, signal: &str) -> Option<Found<'a>> {
        let main = self.main.filter(|_| self.stopper.is_none() && self.summary.kind == Kind::Signal)?;
        let harmless = WITHOUT_EFFECT.contains(&signal);
        let why = if self.is_whole() && !self.is_anyone_in("os/signal.signal_recv") {
            match harmless {
                true => "the program listens to no signal, and by default this one does nothing to a Go program",
                false => "the program listens to no signal, so this one was ignored or never came",
            }
        } else if harmless && self.is_anyone_in("os/signal.NotifyContext.func1") {
            "signal.NotifyContext still waits, for another one"
        } else {
            return None;
        };
        Some(Found {
            cause: Cause::Deaf,
            text: format!("{signal} was not heard: {why}. {main}."),
            place: main.place(),
            advice: "List the signal in signal.NotifyContext or signal.Notify, or have goward send one that is (--stop-signal).",
            nodes: vec![main],
        })
    }

    fn unheeded(&self, main: Node<'a>, signal: &str, serving: &[Node<'a>]) -> Found<'a> {
        let mut nodes = vec![main];
        nodes.extend(serving.iter().filter(|node| node.index != main.index));
        let server = nodes.get(1).and_then(|node| node.place());
        let server = server.map_or(String::new(), |frame| format!(" ({})", place_of(frame)));
        Found {
            cause: Cause::Unheeded,
            text: format!(
                "The program lives on after {signal} and still accepts connections{server}; nothing is in Shutdown. {main}."
            ),
            place: main.place(),
            advice: "When the signal comes, call server.Shutdown with a deadline, and let main wait for Shutdown, not for Serve.",
            nodes,
        }
    }

    /// Only runtime.Goexit ends goroutine 1 and lets the process live.
    fn main_gone(&self) -> Option<Found<'a>> {
        let left = self.select(&|node| node.own.is_some());
        let started = |by_main: bool| {
            let mut by = left.iter().filter(|node| (outer(node.started_by()) == "main.main") == by_main);
            by.next()?.group.creator.as_ref()
        };
        (!self.all.is_empty() && self.is_whole() && self.summary.kind != Kind::Unknown).then(|| Found {
            cause: Cause::MainGone,
            text: format!(
                "Goroutine 1 is gone (runtime.Goexit in main), so nothing ends the process. Still there: {}.",
                list(&left)
            ),
            place: started(true).or(started(false)),
            advice: "Let main return, or call os.Exit: a process without goroutine 1 lives until its last goroutine ends.",
            nodes: left.clone(),
        })
    }

    fn of_main(&self) -> Option<Found<'a>> {
        let main = self.main.filter(|main| main.wait != Wait::Other)?;
        Some(self.follow(main).after(&main.to_string()))
    }

    /// Whoever is in Shutdown waits for handlers, and they for something.
    fn handlers(&self, stopper: Node<'a>, found: &mut Vec<Found<'a>>) {
        let call = stopper.frames.iter().position(is_stopper).unwrap_or_default();
        let name = stopper.group.frames.get(call).map_or("Shutdown", |frame| last(&frame.function));
        let call = stopper.group.frames.get(call + 1).or(stopper.place());
        let id = stopper.ids.first().copied().unwrap_or_default();
        let who = format!(
            "Goroutine {id} is in {name}{}{}",
            call.map_or(String::new(), |frame| format!(" ({})", place_of(frame))),
            time(stopper.group)
        );

        let mut nodes = vec![stopper];
        // Shutdown does not wait for what was hijacked.
        let handlers = self.select(&|node| is_handler(node) && node.wait != Wait::Hijacked);
        let mut handlers = order::by(handlers, |node| [order::most(node.count), 0, 0]);
        let all = count(&handlers);
        let Some(&first) = handlers.first() else {
            found.push(self.connections(&who, call, nodes));
            return;
        };
        let many = if all == 1 { "a handler".to_owned() } else { format!("{all} handlers") };
        let locked = self.select(&|node| is_handler(node) && node.wait == Wait::Lock);
        let Some(&locked) = locked.first().filter(|_| count(&locked) * 2 >= all) else {
            let end = self.follow(first);
            nodes.extend(&handlers);
            let advice = if end.nodes.len() > 1 { end.advice } else { first.wait.advice_in_handler() };
            let end = Found { cause: Cause::Handlers, nodes, advice, ..end };
            found.push(end.after(&format!("{who} and waits for {many}: {}", list(&handlers))));
            return;
        };
        // The mutex is a matter of its own. First comes the handler that may hold it.
        let lock = self.lock(locked);
        if let Some(at) = handlers.iter().position(|node| Some(node.index) == lock.nodes.first().map(|node| node.index))
        {
            handlers.get_mut(..=at).unwrap_or_default().rotate_right(1);
        }
        nodes.extend(&handlers);
        let text = format!("{who} and waits for {many}: {}.", list(&handlers));
        found.push(Found { cause: Cause::Handlers, text, place: lock.place, advice: lock.advice, nodes });
        found.push(lock.after(&locked.to_string()));
    }

    /// Shutdown waits, but not for a handler.
    fn connections(&self, who: &str, call: Option<&'a Frame>, mut nodes: Vec<Node<'a>>) -> Found<'a> {
        let begun = ["net/http.(*conn).readRequest", "crypto/tls.(*Conn).HandshakeContext"];
        let silent =
            self.select(&|node| node.is_in("net/http.(*conn).serve") && begun.iter().any(|name| node.is_in(name)));
        let hijacked = self.select(&|node| is_handler(node) && node.wait == Wait::Hijacked);
        let (what, advice) = match (count(&silent), &hijacked[..]) {
            (0, []) => ("waits, but no goroutine in the dump is in a handler".to_owned(), DEADLINE),
            (0, _) => (format!("waits, though not for the hijacked connections: {}", list(&hijacked)), DEADLINE),
            (many, _) => (
                format!("waits for connections that sent no whole request yet ({many}): net/http gives them 5 s"),
                "Set Server.ReadHeaderTimeout below the time to stop, and have the orchestrator wait longer than 6 s.",
            ),
        };
        nodes.extend(silent);
        nodes.extend(hijacked);
        Found { cause: Cause::Handlers, text: format!("{who} and {what}."), place: call, advice, nodes }
    }

    /// The mutex that most wait for, where nothing else is known.
    fn contended(&self) -> Option<Found<'a>> {
        let waiting = self.select(&|node| node.wait == Wait::Lock && node.own.is_some());
        // The largest groups come first.
        let most = waiting.iter().take(LARGEST).max_by_key(|node| count(&self.sharing(node))).copied()?;
        (count(&self.sharing(&most)) > 1).then(|| self.lock(most).after(&most.to_string()))
    }

    fn unknown(&self) -> Found<'a> {
        let own = self.select(&|node| node.own.is_some() && node.wait != Wait::Accept && node.creator.is_some());
        let own = order::by(own, |node| [order::most(node.count), 0, 0]);
        let main = self.main.map_or("Goroutine 1 is not in the dump".to_owned(), |main| main.to_string());
        let rest = if own.is_empty() { String::new() } else { format!(" The program's own: {}.", list(&own)) };
        let mut nodes: Vec<Node<'a>> = self.main.into_iter().collect();
        nodes.extend(own);
        Found {
            cause: Cause::Unknown,
            text: format!("Nothing in the dump is known to hold up a shutdown. {main}.{rest}"),
            place: nodes.first().and_then(|node| node.place()),
            advice: "Look at the largest groups of the program's own code first.",
            nodes,
        }
    }

    // -----------------------------------------------------------------------------------------------------------------
    // From one to the next

    fn follow(&self, node: Node<'a>) -> Found<'a> {
        self.follow_on(node, &mut vec![node.index])
    }

    fn follow_on(&self, node: Node<'a>, seen: &mut Vec<usize>) -> Found<'a> {
        let mut found = node.alone();
        let (next, tie) = match node.wait {
            Wait::Lock => return self.lock(node),
            Wait::Group => self.members(node, seen),
            Wait::Receive | Wait::Select | Wait::Never | Wait::Accept => (self.children(node, seen), Tie::Started),
            _ => return found,
        };
        let Some(&first) = next.first() else {
            if node.wait == Wait::Group && self.is_whole() {
                found.text =
                    "Nothing is left that it could wait for: a Done was missed, or Add counted too many.".to_owned();
                found.advice =
                    "Defer wg.Done() first in the goroutine, or start it with wg.Go, so that every way out counts.";
            } else if node.wait == Wait::Receive && node.creator.is_none() && self.is_whole() {
                found.text = "Nothing that it started is left to send to it.".to_owned();
            }
            return found;
        };
        let whose = match tie {
            Tie::Member => "It waits for",
            Tie::Started => "Started by the same code, and still there:",
            Tie::None => "Of the program's own, still there:",
        };
        found.text = format!("{whose} {}.", list(&next));
        found.nodes.extend(&next);
        // Which of several kinds it waits for is certain only if it waits for all.
        let one = next.iter().all(|node| node.place() == first.place());
        if !one && tie != Tie::Member && (tie, node.wait) != (Tie::Started, Wait::Group) {
            return found;
        }
        seen.extend(next.iter().map(|node| node.index));
        let beyond = self.follow_on(first, seen);
        found.cause = match (node.wait, beyond.cause) {
            // Workers of a WaitGroup that wait for work are not at fault: nobody told them that there is no more.
            (Wait::Group, Cause::Receive) | (_, Cause::Unknown) => found.cause,
            (_, other) => other,
        };
        found.place = beyond.place.or(found.place);
        found.advice = beyond.advice;
        if !beyond.text.is_empty() {
            found.text = format!("{} {}", found.text, beyond.text);
        }
        found.nodes.extend(beyond.nodes);
        found
    }

    /// The program's goroutines that should have ended: neither handlers nor listeners, nor in `seen`.
    fn workers(&self, seen: &[usize]) -> Vec<Node<'a>> {
        let mut workers = self.select(&|node| {
            let ends = node.creator.is_some() && node.wait != Wait::Accept && !is_handler(node);
            ends && (node.own.is_some() || node.frames.is_empty()) && !seen.contains(&node.index)
        });
        workers.retain(|node| self.stopper.is_none_or(|stopper| stopper.index != node.index));
        // Those that wait for work or a signal come last.
        order::by(workers, |node| [(node.wait == Wait::Receive).into(), order::most(node.count), 0])
    }

    /// Whom a WaitGroup waits for, and how sure that is. The nearest kinship counts: started by `WaitGroup.Go`, by the
    /// function that waits, by a method of its type, by the same of its caller, and so on.
    fn members(&self, waiter: Node<'a>, seen: &[usize]) -> (Vec<Node<'a>>, Tie) {
        let workers = self.workers(seen);
        let started = |by: &dyn Fn(&str) -> bool| -> Vec<Node<'a>> {
            workers.iter().copied().filter(|node| by(node.started_by())).collect()
        };
        let members: Vec<_> = workers.iter().copied().filter(|node| node.is_member_of(waiter)).collect();
        if !members.is_empty() {
            return (members, Tie::Member);
        }
        for frame in waiter.own_frames() {
            let kind = receiver(&frame.function);
            let same = started(&|by| outer(by) == outer(&frame.function));
            let kin = started(&|by| kind.is_some() && receiver(by) == kind);
            if let Some(found) = [same, kin].into_iter().find(|found| !found.is_empty()) {
                return (found, Tie::Started);
            }
        }
        (workers, Tie::None)
    }

    /// What the waiting function started and is still there. Beside a server that still serves, those that wait for work or
    /// time are nothing unusual.
    fn children(&self, waiter: Node<'a>, seen: &[usize]) -> Vec<Node<'a>> {
        let functions: Vec<&str> = waiter.group.frames.iter().map(|frame| outer(&frame.function)).collect();
        let mut children = self.workers(seen);
        children.retain(|node| {
            let idle = waiter.wait == Wait::Accept && matches!(node.wait, Wait::Receive | Wait::Select | Wait::Sleep);
            !idle && functions.contains(&outer(node.started_by()))
        });
        children
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Mutexes

    /// All who wait for the same mutex.
    fn sharing(&self, node: &Node<'a>) -> Vec<Node<'a>> {
        self.select(&|other| other.index == node.index || other.wait == Wait::Lock && share(node, other))
    }

    /// Who may hold the mutex for which `node` waits. A dump does not tell who holds one; but who locked it did so in a
    /// method of the type that it belongs to, or further up in the same function.
    fn lock(&self, node: Node<'a>) -> Found<'a> {
        let mut found = node.alone();
        let Some((_, taker)) = node.taker() else { return found };
        let waiting = self.sharing(&node);
        let many = match count(&waiting) {
            many if many == node.count => String::new(),
            many => format!("{many} goroutines wait for this mutex. "),
        };
        let is_waiting = |node: &Node<'a>| waiting.iter().any(|other| other.index == node.index);
        let inside = self.select(&|other| other.wait != Wait::Accept && other.is_inside(taker) && !is_waiting(other));
        let stopper = self.stopper.or(self.main).map(|node| node.index);
        let waits_itself = inside.iter().find(|node| Some(node.index) == stopper);
        let mut holders = inside.clone();
        holders.retain(|node| Some(node.index) != stopper);
        found.nodes.extend(waiting.iter().filter(|other| other.index != node.index));
        if let [holder] = holders[..] {
            found.text = format!("{many}It may be held by {}.", describe(&holder));
            found.place = holder.place().or(found.place);
            found.advice = "Wait for nothing while holding a mutex: take what is needed, unlock, then wait.";
            found.nodes.insert(0, holder);
        } else if !holders.is_empty() {
            found.text = format!("{many}It may be held by one of these: {}.", list(&holders));
            found.nodes.extend(holders);
        } else if let Some((caller, taker)) = waiting.iter().find_map(Node::takes_twice) {
            let inner = last(&taker.function);
            found.text =
                format!("{many}{} calls {inner}: if it has the mutex already, it waits for itself.", at(caller));
            found.place = Some(caller);
            found.advice = "A Go mutex cannot be taken twice, not even for reading: let the inner function expect that it is held.";
        } else if let Some(others) = self.crossed(taker) {
            found.text = format!(
                "{others} goroutines wait at this line for different mutexes: if one holds the other's, none goes on."
            );
            found.advice = "Take several mutexes always in the same order, for example by an id.";
        } else if let Some(frame) = waits_itself.and_then(|node| node.frame_inside(taker)) {
            found.text = format!("{many}It may be held by {} while it waits.", at(frame));
            found.place = Some(frame);
            found.advice = "Hold no mutex during Shutdown or Wait that a handler or worker needs.";
        } else {
            found.text = format!("{many}Nobody in the dump is seen to hold it: a way out may lack its Unlock.");
        }
        found
    }

    /// How many wait at one line for different mutexes.
    fn crossed(&self, taker: &Frame) -> Option<u64> {
        let same = self.select(&|node| node.taker().is_some_and(|(_, other)| other == taker));
        let mut mutexes = same.iter().flat_map(|node| node.group.objects.iter().map(|(address, _)| *address));
        let first = mutexes.next()?;
        mutexes.any(|other| other != first).then(|| count(&same))
    }
}

impl Found<'_> {
    /// With a sentence before it.
    fn after(mut self, first: &str) -> Self {
        let between = if self.text.is_empty() { "." } else { ". " };
        self.text = format!("{first}{between}{}", self.text);
        self
    }

    fn finding(self) -> Finding {
        let mut groups: Vec<usize> = Vec::new();
        for node in &self.nodes {
            if !groups.contains(&node.index) {
                groups.push(node.index);
            }
        }
        let (advice, place) = (self.advice.to_owned(), self.place.cloned());
        Finding { cause: self.cause, evidence: self.text, advice, place, groups }
    }
}

impl Deref for Node<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl<'a> Node<'a> {
    /// It waits, and who for is not known.
    fn alone(self) -> Found<'a> {
        let (cause, advice) = (self.wait.cause(self.group), self.wait.advice());
        Found { cause, text: String::new(), place: self.place(), advice, nodes: vec![self] }
    }

    fn is_in(&self, function: &str) -> bool {
        self.frames.iter().any(|frame| frame.function == function)
    }

    /// Where to look: its own code; what a handler without own code is in; where it was started, if its stack is unknown.
    fn place(self) -> Option<&'a Frame> {
        let creator = self.group.creator.as_ref();
        self.group.own().or(if self.frames.is_empty() { creator } else { self.group.top() })
    }

    fn own_frames(&self) -> impl Iterator<Item = &'a Frame> {
        self.group.frames.iter().skip(self.own.unwrap_or(usize::MAX))
    }

    fn started_by(&self) -> &'a str {
        self.group.creator.as_ref().map_or("", |creator| &creator.function)
    }

    /// Whether WaitGroup.Go, or that of errgroup, started it. Which group it was the dump does not tell.
    fn is_member_of(&self, waiter: Node<'_>) -> bool {
        let errgroup = waiter.frames.iter().any(|frame| frame.function.contains("errgroup.(*Group).Wait"));
        self.started_by().contains(if errgroup { "errgroup.(*Group).Go" } else { "sync.(*WaitGroup).Go" })
    }

    /// Who called Lock, and where that is in the stack.
    fn taker(&self) -> Option<(usize, &'a Frame)> {
        let sync = ["runtime.", "sync.", "internal/sync.", "internal/runtime/"];
        let outside = |frame: &Frame| !sync.iter().any(|package| frame.function.starts_with(package));
        let position = self.frames.iter().position(outside).filter(|_| self.wait == Wait::Lock)?;
        Some((position, self.group.frames.get(position)?))
    }

    /// The caller of who called Lock, if it is of the same type.
    fn takes_twice(&self) -> Option<(&'a Frame, &'a Frame)> {
        let (position, taker) = self.taker()?;
        let caller = self.group.frames.get(position + 1)?;
        let same = receiver(&caller.function)? == receiver(&taker.function)? && is_written(caller);
        same.then_some((caller, taker))
    }

    fn frame_inside(&self, taker: &Frame) -> Option<&'a Frame> {
        let kind = receiver(&taker.function);
        self.group.frames.iter().filter(|frame| is_written(frame)).find(|frame| {
            let beyond = frame.function == taker.function && frame.line > taker.line;
            beyond || frame.function != taker.function && kind.is_some() && receiver(&frame.function) == kind
        })
    }

    fn is_inside(&self, taker: &Frame) -> bool {
        self.frame_inside(taker).is_some()
    }
}

/// Whether they wait for the same mutex. What is told is the address of a semaphore: a Mutex has one, an RWMutex three, side
/// by side. Where none is told, the type decides.
fn share<'a>(one: &Node<'a>, other: &Node<'a>) -> bool {
    let kind = |node: &Node<'a>| node.taker().and_then(|(_, frame)| receiver(&frame.function));
    if one.objects.is_empty() || other.objects.is_empty() {
        return kind(one).is_some() && kind(one) == kind(other);
    }
    let apart = if [one, other].iter().any(|node| node.state.starts_with("sync.RWMutex")) { 8 } else { 0 };
    one.objects.iter().any(|(a, _)| other.objects.iter().any(|(b, _)| a.abs_diff(*b) <= apart))
}

fn is_stopper(frame: &Frame) -> bool {
    STOPPERS.contains(&frame.function.as_str())
}

fn is_handler(group: &Group) -> bool {
    let marks = |frame: &Frame| {
        HANDLERS.contains(&frame.function.as_str()) || frame.function.ends_with("erverConn).runHandler")
    };
    group.frames.iter().any(marks)
}

/// Whether somebody wrote it, and not the compiler for a method value or an interface.
fn is_written(frame: &Frame) -> bool {
    frame.file != "<autogenerated>"
}

/// The type of a method that can lock: `main.(*cache)` of `main.(*cache).get`.
fn receiver(function: &str) -> Option<&str> {
    let star = function.find(".(*")?;
    let end = star + function.get(star..)?.find(").")?;
    function.get(..=end)
}

/// The function as it is written, without the marks of closures and wrappers.
fn outer(function: &str) -> &str {
    let marks = [".func", ".gowrap", ".deferwrap", "-range", "-fm"];
    let end = marks.iter().filter_map(|mark| function.find(mark)).min();
    end.and_then(|end| function.get(..end)).unwrap_or(function)
}

// ---------------------------------------------------------------------------------------------------------------------
// Words

impl std::fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = if self.creator.is_none() { "Goroutine 1: " } else { "" };
        write!(f, "{who}{}", describe(self))
    }
}

/// `12 in main.(*pool).work (pool.go:26), receiving from a channel for 3 minutes`
fn describe(node: &Node<'_>) -> String {
    list(std::slice::from_ref(node))
}

/// Those that differ, with how many of each.
fn list(nodes: &[Node<'_>]) -> String {
    let mut kinds: Vec<(u64, String)> = Vec::new();
    for node in nodes {
        let text = describe_one(node);
        match kinds.iter_mut().find(|(_, known)| *known == text) {
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

fn describe_one(node: &Node<'_>) -> String {
    let place = node.place().map_or("a goroutine".to_owned(), at);
    // What its own code called says it best: syscall.Flock, http.Get.
    let called = node.own.and_then(|own| node.frames.get(own.checked_sub(1)?));
    let telling = |frame: &&Frame| !["runtime.", "sync.", "time."].iter().any(|name| frame.function.starts_with(name));
    let called = called.filter(telling).map_or(String::new(), |frame| format!(" ({})", last(&frame.function)));
    format!("{place}, {}{called}{}", node.wait.phrase(node.group), time(node))
}

fn time(group: &Group) -> String {
    match group.minutes.1 {
        0 => String::new(),
        1 => " for a minute".to_owned(),
        minutes => format!(" for {minutes} minutes"),
    }
}

/// `main.(*pool).work (pool.go:26)`
fn at(frame: &Frame) -> String {
    format!("{} ({})", last(&frame.function), place_of(frame))
}

/// `pool.go:26`
fn place_of(frame: &Frame) -> String {
    format!("{}:{}", last(&frame.file), frame.line)
}

/// Without the path before it.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn count(nodes: &[Node<'_>]) -> u64 {
    nodes.iter().map(|node| node.count).sum()
}

#[cfg(test)]
mod tests;
