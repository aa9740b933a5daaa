//! What holds up a shutdown or a test, or crashed, told from the groups of a dump.
//!
//! The groups are nodes of a graph, and what ties them is evidence: the same address on two stacks, who started whom, a
//! handler under the server whose Shutdown waits. It is followed from what the process cannot end without (goroutine 1,
//! whoever called Shutdown, a test that runs) to what that waits for; and wherever there is a knot (a mutex with many who wait
//! and one who may hold it, two that wait for each other, a leak) that is told too. Where one goroutine cannot be tied to
//! another for certain, the sentence says "may". docs/causes.md has the whole list.

mod chain;
mod child;
mod crash;
mod lock;
mod node;
mod same_mutex;
mod shutdown;
mod stuck;
#[cfg(test)]
mod tests;
mod words;

use super::wait::Wait;
use super::{Cause, Child, Finding, Frame, Group, Kept, Kind, Program, Summary, order};
pub use child::waits_for_child;
use node::{Indices, Node, is_handler, is_stopper, outer};
use words::list;

/// Signals that do nothing to a Go program which does not listen to them.
const WITHOUT_EFFECT: &[&str] = &[
    "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGCHLD", "SIGCONT", "SIGURG", "SIGXCPU", "SIGWINCH", "SIGIO",
    "SIGPWR",
];

/// What sends a signal.
const SENDERS: [&str; 3] = ["syscall.Kill", "os.(*Process).Signal", "syscall.Tgkill"];

/// Whether an argument can be an address of a program's: small numbers are counts and lengths, large ones less than zero.
fn is_address(argument: u64) -> bool {
    (0x1_0000..1 << 56).contains(&argument)
}

/// Names what holds up the shutdown, the most decisive first. Never empty: Unknown if there is no evidence.
pub fn diagnose(summary: &Summary, program: &Program) -> Vec<Finding> {
    let Program { kept, is_relayed, .. } = *program;
    let dump = Evidence { kept, is_relayed, children: &program.children, ..Evidence::new(summary) };
    let signal = program.signal.as_deref();
    let mut found = dump.crash().map_or_else(|| dump.all(signal), |crash| vec![crash]);
    if found.is_empty() {
        found.push(dump.unknown());
    }
    found.into_iter().map(|found| found.finding(summary)).collect()
}

/// The groups, and who matters among them.
struct Evidence<'a> {
    summary: &'a Summary,
    all: Vec<Node<'a>>,
    main: Option<Node<'a>>,
    /// Who is in Shutdown.
    stopper: Option<Node<'a>>,
    /// What keeps the stop signal from the program.
    kept: Option<Kept>,
    /// What it has started, and is still there.
    children: &'a [Child],
    /// Who has started it was sent the signal.
    is_relayed: bool,
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

impl<'a> Evidence<'a> {
    fn new(summary: &'a Summary) -> Evidence<'a> {
        let nodes = summary.groups.iter().enumerate().filter(|(_, group)| !group.system);
        let mut all: Vec<Node<'a>> = nodes.map(|(index, group)| Node::new(index, group)).collect();
        // In a dump that nobody asked for by a signal the one that runs is the one that prints it; otherwise whoever sent that signal
        // to its own process may be.
        let sends = |node: &Node<'a>| SENDERS.iter().any(|sender| node.is_in(sender));
        let prints = |node: &Node<'a>| match summary.kind {
            // Its own stack it can print.
            Kind::Unknown => node.state == "running" && !node.frames.is_empty(),
            Kind::Signal => matches!(node.state.as_str(), "running" | "runnable" | "syscall") && sends(node),
            Kind::Panic | Kind::Fatal | Kind::Profile | Kind::Live => false,
        };
        all.iter_mut().filter(|node| prints(node)).for_each(|node| node.wait = Wait::Printer);
        let time_out = |node: &Node<'a>| node.is_in("testing.(*M).startAlarm.func1");
        all.iter_mut().filter(|node| time_out(node)).for_each(|node| node.wait = Wait::Printer);
        let find = |test: fn(&Group) -> bool| all.iter().copied().find(|node| test(node));
        let main = find(|group| group.ids.contains(&1));
        let stopper = find(|group| group.frames.iter().any(is_stopper));
        Evidence { summary, main, stopper, all, kept: None, children: &[], is_relayed: false }
    }

    fn only(&self, node: Node<'a>) -> Indices {
        let mut indices = Indices::new(self.summary);
        indices.add(node.index);
        indices
    }

    fn select(&self, test: &dyn Fn(&Node<'a>) -> bool) -> Vec<Node<'a>> {
        self.all.iter().copied().filter(test).collect()
    }

    fn is_anyone_in(&self, function: &str) -> bool {
        self.all.iter().any(|node| node.is_in(function))
    }

    /// What is not in a dump that is cut may be there all the same.
    fn is_whole(&self) -> bool {
        !self.summary.cut && self.summary.ungrouped == 0 && !self.is_excerpt()
    }

    /// Whether somebody has left out of the dump what did not matter to them: every program has a goroutine 1, and what is
    /// printed without a reason comes from one that goes on.
    fn is_excerpt(&self) -> bool {
        self.summary.kind == Kind::Unknown && self.main.is_none()
    }

    /// Whether the dump is of a program that was to show where it is, and not of one that ended by itself.
    fn is_asked(&self) -> bool {
        !matches!(self.summary.kind, Kind::Panic | Kind::Fatal | Kind::Unknown | Kind::Profile)
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Where it begins

    /// Everything that is known to hang, the most decisive first.
    fn all(&self, signal: Option<&str>) -> Vec<Found<'a>> {
        if self.summary.kind == Kind::Profile {
            return Vec::new();
        }
        let mut found = self.leaked();
        let tests = self.main_waits_for_tests();
        found.extend(match () {
            () if self.is_time_out() => self.tests(),
            () if !tests.is_empty() => tests,
            () if signal.is_none() && self.is_initializing() => Vec::new(),
            () => self.hang(signal),
        });
        found.retain(|found| signal.is_some() || !self.is_passing(found));
        let small = self.is_small();
        let mut told = Indices::new(self.summary);
        found.iter().flat_map(|found| &found.nodes).for_each(|node| told.add(node.index));
        let knots = self.contended(&told);
        knots.iter().flat_map(|found| &found.nodes).for_each(|node| told.add(node.index));
        found.extend(knots);
        if small {
            found.extend(self.stuck(&told));
            // Who only looks again and again whether others have ended, or lets them run with select {}, is not at fault.
            let stays = |found: &Found<'a>| match found.nodes[..] {
                [first, ..] if first.wait == Wait::Sleep => true,
                [main] => main.is_main() && main.wait == Wait::Never,
                _ => false,
            };
            found = order::by(found, |found| [u64::from(stays(found)), 0, 0]);
        }
        found.iter_mut().for_each(|found| self.tell_of_processes(found, signal));
        let mut known: Vec<(Option<&Frame>, Cause)> = Vec::new();
        found.retain(|found| {
            let new = !known.contains(&(found.place, found.cause));
            known.push((found.place, found.cause));
            new
        });
        found
    }

    /// Whether somebody only looked at a program that goes on. Text that does not say why it was printed may come from a test, which is to
    /// end.
    fn is_looked_at(&self) -> bool {
        match self.summary.kind {
            Kind::Live => true,
            Kind::Unknown => !self.is_small(),
            Kind::Signal | Kind::Panic | Kind::Fatal | Kind::Profile => false,
        }
    }

    /// Whether it rests on one moment in which somebody was at work, in a program that was looked at and not asked to stop. As text
    /// that does not say where it comes from.
    fn is_passing(&self, found: &Found<'a>) -> bool {
        let looked = self.is_looked_at();
        let brief = |node: &Node<'a>| node.minutes.1 == 0 && !node.leaked;
        let works =
            |node: &Node<'a>| looked && node.is_at_work() || self.summary.kind == Kind::Unknown && node.is_unseen();
        if matches!(found.cause, Cause::Busy | Cause::Blocked)
            && found.nodes.last().is_some_and(|node| brief(node) && works(node))
        {
            return true;
        }
        // Nothing ends a wait for a nil channel. Who has called Shutdown, or a test, is to end.
        if found.nodes.last().is_some_and(|node| node.wait == Wait::NilChannel) {
            return false;
        }
        if !looked || self.is_small() || self.stopper.is_some() || !found.nodes.iter().all(brief) {
            return false;
        }
        match found.cause {
            Cause::Mutex => {
                let waits = found.nodes.iter().find(|node| node.wait == Wait::Lock);
                waits.is_some_and(|node| self.may_pass(node, &self.lock(*node)))
            }
            Cause::WaitGroup | Cause::Receive | Cause::Send | Cause::Loop | Cause::Busy | Cause::Blocked => {
                let moves = |node: &Node<'a>| node.is_at_work() || node.wait == Wait::Sleep;
                let started =
                    |node: &Node<'a>| found.nodes.iter().any(|one| node.parents().any(|id| one.ids.contains(&id)));
                found.nodes.iter().any(moves) || self.all.iter().any(|node| node.is_at_work() && started(node))
            }
            _ => false,
        }
    }

    /// Whether the packages' variables and init functions are at work at the moment: main.main has not begun.
    fn is_initializing(&self) -> bool {
        let inits = |frame: &Frame| {
            let name = outer(&frame.function).rsplit('.').next().unwrap_or_default();
            let is_init =
                name == "init" || frame.function.contains(".init.") && name.bytes().all(|byte| byte.is_ascii_digit());
            is_init || frame.function == "runtime.main"
        };
        let is_main = |frame: &Frame| frame.function == "main.main";
        let begins =
            |main: Node<'a>| main.minutes.1 == 0 && main.frames.iter().any(inits) && !main.frames.iter().any(is_main);
        matches!(self.summary.kind, Kind::Live | Kind::Unknown) && self.main.is_some_and(begins)
    }

    fn hang(&self, signal: Option<&str>) -> Vec<Found<'a>> {
        if let Some(unhandled) = signal.and_then(|signal| self.unhandled(signal)) {
            return vec![unhandled];
        }
        match (self.stopper, self.main) {
            (Some(stopper), _) => self.shutdown(stopper),
            (None, Some(main)) => self.without_shutdown(main, signal),
            (None, None) => self.main_gone().into_iter().collect(),
        }
    }

    /// Somebody is in Shutdown.
    fn shutdown(&self, stopper: Node<'a>) -> Vec<Found<'a>> {
        if stopper.wait == Wait::Lock {
            // It is held up before it waits for anybody.
            return vec![self.lock(stopper).after(&stopper.to_string())];
        }
        if is_handler(stopper.group) {
            return vec![self.stopped_by_a_handler(stopper)];
        }
        // If main waits for something that the end of Shutdown cannot give it, that comes first.
        let other = self.main.filter(|main| main.index != stopper.index && !may_wait_for_server(main.wait));
        let mut found: Vec<Found<'a>> = other.and_then(|_| self.of_main()).into_iter().collect();
        self.handlers(stopper, &mut found);
        found
    }

    /// Nobody is in Shutdown: what main waits for, and whether it serves.
    fn without_shutdown(&self, main: Node<'a>, signal: Option<&str>) -> Vec<Found<'a>> {
        let accepting = self.select(&|node| node.wait == Wait::Accept);
        let is_fatal = self.summary.kind == Kind::Fatal;
        if signal.is_none() && may_wait_for_server(main.wait) && !accepting.is_empty() && !is_fatal {
            return self.unasked(main);
        }
        // The program's own call of Serve tells more than a library's.
        let own: Vec<Node<'a>> = accepting.iter().copied().filter(|node| node.own.is_some()).collect();
        let serving = if own.is_empty() && joins(main.wait) { accepting } else { own };
        let mut found = match is_fatal {
            true => self.of_main().into_iter().collect(),
            false => self.of_main_and_server(main, signal, &serving),
        };
        found.extend(signal.and_then(|signal| self.not_received(main, signal)));
        found
    }

    /// It serves, and nobody has asked it to stop. Who sends and is not received is held up all the same.
    fn unasked(&self, main: Node<'a>) -> Vec<Found<'a>> {
        let stuck = |found: &Found<'a>| {
            matches!(found.cause, Cause::Send | Cause::Mutex | Cause::LockOrder | Cause::Once | Cause::Cond)
        };
        self.of_main().filter(|found| main.wait == Wait::Group && stuck(found)).into_iter().collect()
    }

    /// What holds up main, or the server that main waits for.
    fn of_main_and_server(&self, main: Node<'a>, signal: Option<&str>, serving: &[Node<'a>]) -> Vec<Found<'a>> {
        let still_serving = signal.filter(|_| !serving.is_empty()).map(|signal| self.goes_on(main, signal, serving));
        let still_serving = still_serving.unwrap_or_default();
        let mut found = Vec::new();
        if main.wait == Wait::Accept || joins(main.wait) && !serving.is_empty() {
            let unknown = signal.is_some() && still_serving.iter().all(|found| found.cause == Cause::StillServing);
            found.extend(still_serving);
            found.extend(self.of_main().filter(|found| unknown && found.nodes.len() > 1));
        } else if main.wait == Wait::Group && !serving.is_empty() {
            // It waits for the server too if that was started by WaitGroup.Go, or if there is nothing else.
            let members = self.members(main);
            let waits_for_it = members.is_empty() || serving.iter().any(|node| node.is_member_of(main));
            found.extend(self.of_main().filter(|_| !members.is_empty()));
            if waits_for_it {
                found.extend(still_serving);
            }
        } else if signal.is_none() && joins(main.wait) && self.is_anyone_in("os/signal.signal_recv") {
            // To wait for the signal is what main is there for, as long as nobody sent one.
        } else {
            found.extend(self.of_main_after(main, signal));
        }
        found
    }

    fn unknown(&self) -> Found<'a> {
        let other = |node: &Node<'a>| {
            node.own.is_some() && !matches!(node.wait, Wait::Accept | Wait::Printer) && !node.is_main()
        };
        let own = self.select(&other);
        let own = order::by(own, |node| [order::most(node.count), 0, 0]);
        let main = self.main.map_or("Goroutine 1 is not in the dump".to_owned(), |main| main.to_string());
        let main =
            if self.main.is_some_and(|main| main.wait == Wait::Printer) { String::new() } else { format!(" {main}.") };
        let rest = if own.is_empty() { String::new() } else { format!(" The program's own: {}.", list(&own)) };
        let mut nodes: Vec<Node<'a>> = self.main.into_iter().collect();
        nodes.extend(own);
        Found {
            cause: Cause::Unknown,
            text: format!("Nothing in the dump is known to hold up a shutdown.{main}{rest}"),
            place: nodes.first().and_then(|node| node.place()),
            advice: "Look at the largest groups of the program's own code first.",
            nodes,
        }
    }
}

/// Whether one that waits so may wait for a channel that a stop closes, or for the signal itself.
fn joins(wait: Wait) -> bool {
    matches!(wait, Wait::Receive | Wait::Select | Wait::Never)
}

/// Whether one that waits so may go on when its server ends.
fn may_wait_for_server(wait: Wait) -> bool {
    joins(wait) || matches!(wait, Wait::Accept | Wait::Group)
}

impl Found<'_> {
    /// With what is found beyond it, of what the first in this chain waits for in this way.
    fn and_beyond(mut self, wait: Wait, beyond: Self) -> Self {
        self.cause = match (wait, beyond.cause) {
            // Workers of a WaitGroup that wait for work are not at fault: nobody told them that there is no more.
            (Wait::Group, Cause::Receive) | (_, Cause::Unknown) => self.cause,
            (_, other) => other,
        };
        self.place = beyond.place.or(self.place);
        self.advice = beyond.advice;
        if !beyond.text.is_empty() {
            self.text = format!("{} {}", self.text, beyond.text);
        }
        self.nodes.extend(beyond.nodes);
        self
    }

    /// With a sentence before it.
    fn after(mut self, first: &str) -> Self {
        let between = if self.text.is_empty() { "." } else { ". " };
        self.text = format!("{first}{between}{}", self.text);
        self
    }

    fn finding(self, summary: &Summary) -> Finding {
        let mut known = Indices::new(summary);
        let mut groups = Vec::new();
        for node in &self.nodes {
            if !known.has(node.index) {
                known.add(node.index);
                groups.push(node.index);
            }
        }
        let (advice, place) = (self.advice.to_owned(), self.place.cloned());
        Finding { cause: self.cause, evidence: self.text, advice, place, groups }
    }
}
