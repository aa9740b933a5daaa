//! A shutdown: who began it, whom it waits for, and why it did not begin.

use super::node::{Node, is_handler, is_stopper, outer, receiver};
use super::words::{at, count, describe, last, list, place_of, time};
use super::{Evidence, Found, WITHOUT_EFFECT};
use crate::goroutines::order;
use crate::goroutines::wait::Wait;
use crate::goroutines::{Cause, Frame, Kept, Kind};
use std::collections::BTreeSet;

const DEADLINE: &str = "Give Shutdown a context with a deadline, and call server.Close when it has passed.";
const DEADLINE_OF_GRPC: &str = "Call GracefulStop in a goroutine, and server.Stop when its time has passed.";

const STOP_OF_GRPC: &str = "google.golang.org/grpc.(*Server).GracefulStop";

impl<'a> Evidence<'a> {
    /// Nobody listens to signals at all, or those who do were not told of this one.
    pub(super) fn unhandled(&self, signal: &str) -> Option<Found<'a>> {
        let main = self.main.filter(|_| self.stopper.is_none() && self.is_asked())?;
        let harmless = WITHOUT_EFFECT.contains(&signal);
        let listens = !self.is_whole() || self.is_anyone_in("os/signal.signal_recv");
        // Who listened may have heard it, and ignore what comes after; then it no longer waits for it.
        let waits = matches!(main.wait, Wait::Receive | Wait::Select | Wait::Never | Wait::Accept);
        let mut effect = "had no effect";
        let why = if self.kept == Some(Kept::Blocked) {
            "it was sent and waits, for the program was started with it blocked"
        } else if self.kept == Some(Kept::Ignored) && (waits || !listens) {
            effect = if listens { "may have had no effect" } else { effect };
            match signal {
                "SIGHUP" | "SIGINT" => "the program ignores it, by signal.Ignore or because who started it did",
                _ => "the program ignores it, by signal.Ignore",
            }
        } else if !listens {
            match harmless {
                true => "the program has no handler for signals, and by default this one does nothing to a Go program",
                false => "the program has no handler for signals, so this one was ignored or never came",
            }
        } else if harmless && self.is_anyone_in("os/signal.NotifyContext.func1") {
            "signal.NotifyContext still waits, for another one"
        } else {
            return None;
        };
        Some(Found {
            cause: Cause::Unhandled,
            text: format!("{signal} {effect}: {why}. {main}."),
            place: main.place(),
            advice: "List the signal in signal.NotifyContext or signal.Notify, or choose one that is listed there with --stop-signal.",
            nodes: vec![main],
        })
    }

    /// Nothing is known to have begun. `stopping` may be the stop, or what waits for the signal.
    fn still_serving(
        &self,
        main: Node<'a>,
        signal: &str,
        serving: &[Node<'a>],
        stopping: Option<Node<'a>>,
    ) -> Found<'a> {
        let mut nodes = vec![main];
        nodes.extend(serving.iter().filter(|node| node.index != main.index));
        let server = nodes.get(1).and_then(|node| node.group.own().or(node.group.creator.as_ref()));
        let server = server.map_or(String::new(), |frame| format!(" ({})", place_of(frame)));
        let unread = match self.could_receive(main) {
            true => self.dropped(main, signal),
            false => " No goroutine is there that could receive the signal: either nobody reads the channel that signal.Notify was given, or who did has ended without telling the server.".to_owned(),
        };
        let stopping = stopping.filter(|node| node.index != main.index);
        let begun = stopping.map_or(String::new(), |node| format!(" The stop may have begun: {}.", describe(&node)));
        nodes.extend(stopping);
        Found {
            cause: Cause::StillServing,
            text: format!(
                "The program lives on after {signal} and still accepts connections{server}; nothing is in Shutdown. {main}.{unread}{begun}"
            ),
            place: main.place(),
            advice: "When the signal comes, call server.Shutdown with a deadline, and let main wait for Shutdown, not for Serve.",
            nodes,
        }
    }

    /// It goes on serving after the signal: the stop has begun and something holds that up, or nothing has begun.
    pub(super) fn goes_on(&self, main: Node<'a>, signal: &str, serving: &[Node<'a>]) -> Vec<Found<'a>> {
        let stopping = self.stopping().filter(|_| serving.iter().any(|node| node.own.is_some()));
        match stopping {
            Some((stopping, true)) => {
                let mut found = vec![self.not_closed(stopping, serving)];
                if let Some(held_up) = self.held_up(stopping) {
                    found.insert(0, held_up);
                }
                found
            }
            other => vec![self.still_serving(main, signal, serving, other.map(|(stopping, _)| stopping))],
        }
    }

    /// Who is in a function that stops something, by its name, and waits there; and whether that is for certain the program's stop.
    fn stopping(&self) -> Option<(Node<'a>, bool)> {
        let waits = |node: &Node<'a>| node.wait.is_on_others() || matches!(node.wait, Wait::Group | Wait::Sleep);
        let stopping = self.select(&|node| waits(node) && !is_handler(node) && node.own_frames().any(stops));
        let begun = stopping.iter().find(|node| self.has_begun(node)).map(|node| (*node, true));
        begun.or_else(|| Some((*stopping.first()?, false)))
    }

    /// Whether what stops there is the program, and it has begun to: `func shutdown(c chan os.Signal)` may first wait for the signal, and
    /// many a session has a Stop of its own.
    fn has_begun(&self, stopping: &Node<'a>) -> bool {
        let frames: Vec<&Frame> = stopping.own_frames().collect();
        let Some(at) = frames.iter().rposition(|frame| stops(frame)) else { return false };
        // A function that main is still in, or main itself, has started who receives the signal.
        let creator = outer(stopping.started_by());
        let is_in_creator = |main: Node<'a>| main.frames.iter().any(|frame| outer(&frame.function) == creator);
        let is_of_program =
            stopping.is_main() || stopping.parents().any(|parent| parent == 1) || self.main.is_some_and(is_in_creator);
        if !is_of_program || !matches!(stopping.wait, Wait::Receive | Wait::Select | Wait::Sleep) {
            return is_of_program;
        }
        // Then whoever calls a method that stops another object has received the signal before. A goroutine that was started in that
        // method, and a function that was given a channel, may wait for it there.
        let kind = frames.get(at).and_then(|frame| receiver(&frame.function));
        let calls = |frame: &&Frame| {
            let starts = frame.function.starts_with("sync.") || frame.function.contains("/errgroup.");
            !starts && (receiver(&frame.function) != kind || outer(&frame.function) == creator)
        };
        let waits_for_signal = self.is_anyone_in("os/signal.NotifyContext.func1");
        kind.is_some() && !waits_for_signal && frames.iter().skip(at + 1).any(calls)
    }

    /// What that one waits for, where it is more than a guess.
    fn held_up(&self, stopping: Node<'a>) -> Option<Found<'a>> {
        let found = self.follow(stopping);
        let is_told = found.nodes.len() > 1 || matches!(found.cause, Cause::Mutex | Cause::LockOrder | Cause::Once);
        let is_guess = matches!(found.cause, Cause::Receive | Cause::Loop);
        (is_told && !is_guess).then(|| found.after(&stopping.to_string()))
    }

    /// The stop has begun, and who accepts connections was not made to return.
    fn not_closed(&self, stopping: Node<'a>, serving: &[Node<'a>]) -> Found<'a> {
        let place = serving.iter().find_map(|node| node.group.own());
        let mut nodes = serving.to_vec();
        nodes.push(stopping);
        Found {
            cause: Cause::Loop,
            text: format!(
                "The stop has begun ({}), and connections are still accepted: {}. Who waits for that goroutine waits until its listener is closed.",
                describe(&stopping),
                list(serving)
            ),
            place,
            advice: "Close the listener when the stop begins (context.AfterFunc): Accept does not look at ctx.Done().",
            nodes,
        }
    }

    /// Whether any goroutine is there that may receive a signal, or may have.
    fn could_receive(&self, main: Node<'a>) -> bool {
        let serves = matches!(main.wait, Wait::Accept | Wait::Never);
        let mut others = self.all.iter().filter(|node| node.index != main.index);
        !serves || !self.is_whole() || self.is_anyone_in("os/signal.NotifyContext.func1") || others.any(may_receive)
    }

    /// What main does, if that is a select in which it may have waited for the signal.
    pub(super) fn of_main_after(&self, main: Node<'a>, signal: Option<&str>) -> Option<Found<'a>> {
        let found = self.of_main()?;
        let alone = main.wait == Wait::Select && found.nodes.len() == 1;
        let dropped = signal.filter(|_| alone).map_or(String::new(), |signal| self.dropped(main, signal));
        let advice = if dropped.is_empty() {
            found.advice
        } else {
            "Add a case for the stop that returns; the channel of signal.Notify needs room: make(chan os.Signal, 1)."
        };
        Some(Found { text: format!("{}{dropped}", found.text), advice, ..found })
    }

    /// What may have become of a signal that main still waits for: signal.Notify does not wait for who receives.
    fn dropped(&self, main: Node<'a>, signal: &str) -> String {
        let waits = matches!(main.wait, Wait::Receive | Wait::Select) && self.is_anyone_in("os/signal.signal_recv");
        match waits && !self.is_anyone_in("os/signal.NotifyContext.func1") {
            true => format!(
                " If it waits for {signal} there, that came while nobody received it: signal.Notify drops what the channel has no room for (make(chan os.Signal, 1))."
            ),
            false => String::new(),
        }
    }

    /// A signal that came after every goroutine had begun to wait was received by none of them.
    pub(super) fn not_received(&self, main: Node<'a>, signal: &str) -> Option<Found<'a>> {
        let could = self.all.iter().filter(|node| node.is_main() || may_receive(node));
        let minutes = could.map(|node| node.minutes.0).min()?;
        let listens = self.is_whole() && self.is_anyone_in("os/signal.signal_recv");
        (listens && minutes > 1 && self.could_receive(main)).then(|| Found {
            cause: Cause::Unhandled,
            text: format!(
                "{signal} may not have been received: the program listens to signals, but where it could be received nothing has moved for {minutes} minutes, unless it was sent before that. {main}."
            ),
            place: main.place(),
            advice: "Receive from the channel of signal.Notify in a goroutine of its own, and make it with room: make(chan os.Signal, 1).",
            nodes: vec![main],
        })
    }

    /// Only runtime.Goexit ends goroutine 1 and lets the process live. In a text its lines may have been lost as well.
    pub(super) fn main_gone(&self) -> Option<Found<'a>> {
        let left = self.select(&|node| node.own.is_some());
        let started = |by_main: bool| {
            let mut by = left.iter().filter(|node| (outer(node.started_by()) == "main.main") == by_main);
            by.next()?.group.creator.as_ref()
        };
        let (why, advice) = match self.summary.kind {
            Kind::Live => (
                "Goroutine 1 is gone (runtime.Goexit in main), so nothing ends the process",
                "Let main return, or call os.Exit: a process without goroutine 1 lives until its last goroutine ends.",
            ),
            _ => (
                "Goroutine 1 is not in the dump: it may have ended by runtime.Goexit in main, so that nothing ends the process, or its lines were lost",
                "If main calls runtime.Goexit: let it return, or call os.Exit. Otherwise take a dump with goroutine 1 in it.",
            ),
        };
        (!self.all.is_empty() && self.is_whole() && self.summary.kind != Kind::Unknown).then(|| Found {
            cause: Cause::MainGone,
            text: format!("{why}. Still there: {}.", list(&left)),
            place: started(true).or(started(false)),
            advice,
            nodes: left.clone(),
        })
    }

    /// A handler that calls Shutdown of its own server waits for itself.
    pub(super) fn stopped_by_a_handler(&self, stopper: Node<'a>) -> Found<'a> {
        let call = stopper.frames.iter().position(is_stopper).unwrap_or_default();
        let caller = stopper.group.frames.get(call + 1).or(stopper.place());
        let who = caller.map_or("A handler".to_owned(), at);
        let what = stopper.group.frames.get(call).map_or("Shutdown", |frame| last(&frame.function));
        Found {
            cause: Cause::Handlers,
            text: format!(
                "{who} is in a handler and calls {what}, which waits until no handler runs: if it is the same server, it waits for itself."
            ),
            place: caller,
            advice: "Call Shutdown in a goroutine of its own, or let the handler only tell main to do it.",
            nodes: vec![stopper],
        }
    }

    /// Whoever is in Shutdown waits for handlers, and they for something.
    pub(super) fn handlers(&self, stopper: Node<'a>, found: &mut Vec<Found<'a>>) {
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
        // Shutdown does not wait for what was hijacked, nor for what another server has started.
        let accepting = self.accepting();
        let waited_for = |node: &Node<'a>| {
            is_handler(node) && !self.is_hijacked(node) && of_other_servers(node, &accepting) != Share::All
        };
        let handlers = self.select(&waited_for);
        let mut handlers = order::by(handlers, |node| [order::most(node.count), 0, 0]);
        let all = count(&handlers);
        let Some(&first) = handlers.first() else {
            found.push(self.connections(&who, call, nodes));
            return;
        };
        let many = match all {
            1 => "a handler".to_owned(),
            all if handlers.iter().any(|node| of_other_servers(node, &accepting) == Share::Some) => {
                format!("up to {all} handlers")
            }
            all => format!("{all} handlers"),
        };
        let locked: Vec<Node<'a>> = handlers.iter().copied().filter(|node| node.wait == Wait::Lock).collect();
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
        let position = |node: &Node<'a>| handlers.iter().position(|handler| handler.index == node.index);
        if let Some(at) = lock.nodes.iter().find_map(position) {
            handlers.get_mut(..=at).unwrap_or_default().rotate_right(1);
        }
        nodes.extend(&handlers);
        let text = format!("{who} and waits for {many}: {}.", list(&handlers));
        found.push(Found { cause: Cause::Handlers, text, place: lock.place, advice: lock.advice, nodes });
        found.push(lock.after(&locked.to_string()));
    }

    /// Whether the connection of a handler was hijacked: it reads from that itself, or one that it has started does. net/http itself
    /// reads from a connection that was not hijacked while its handler runs.
    fn is_hijacked(&self, handler: &Node<'a>) -> bool {
        let is_known = |node: &Node<'a>| node.count <= node.samples.len() as u64;
        let is_child = |node: &Node<'a>| {
            let of_it = node.parents().any(|parent| handler.ids.contains(&parent));
            let creates = || handler.frames.iter().any(|frame| outer(&frame.function) == outer(node.started_by()));
            // Of many the numbers of a few are known.
            of_it || !(is_known(node) && is_known(handler)) && creates()
        };
        let mut readers = self.all.iter().filter(|node| node.wait == Wait::Hijacked && !is_handler(node));
        let watched = |node: &Node<'a>| node.is_in("net/http.(*connReader).backgroundRead") && is_child(node);
        handler.wait == Wait::Hijacked || readers.any(is_child) && !self.all.iter().any(watched)
    }

    /// Those who wait for connections, and those who serve one that such a goroutine has accepted: that is where HTTP/2 starts
    /// handlers.
    fn accepting(&self) -> BTreeSet<u64> {
        let waits = |node: &&Node<'a>| node.wait == Wait::Accept && node.state == "IO wait";
        let mut ids = BTreeSet::new();
        ids.extend(self.all.iter().filter(waits).flat_map(|node| node.ids.iter().copied()));
        let serving = self.all.iter().filter(|node| node.is_in("net/http.(*conn).serve"));
        let accepted =
            serving.flat_map(|node| &node.samples).filter(|sample| sample.parent.is_some_and(|id| ids.contains(&id)));
        let accepted: Vec<u64> = accepted.map(|sample| sample.id).collect();
        ids.extend(accepted);
        ids
    }

    /// Shutdown waits, but not for a handler.
    fn connections(&self, who: &str, call: Option<&'a Frame>, mut nodes: Vec<Node<'a>>) -> Found<'a> {
        let begun = ["net/http.(*conn).readRequest", "crypto/tls.(*Conn).HandshakeContext"];
        let silent =
            self.select(&|node| node.is_in("net/http.(*conn).serve") && begun.iter().any(|name| node.is_in(name)));
        let unread = self.select(&|node| node.is_in("net/http.(*response).finishRequest") && node.wait == Wait::Body);
        let handlers = self.select(&|node| is_handler(node)).into_iter();
        let (hijacked, of_others): (Vec<_>, Vec<_>) = handlers.partition(|node| self.is_hijacked(node));
        let deadline = match nodes.first().is_some_and(|node| node.is_in(STOP_OF_GRPC)) {
            true => DEADLINE_OF_GRPC,
            false => DEADLINE,
        };
        let (what, advice) = match (count(&silent), &hijacked[..]) {
            _ if !unread.is_empty() => (
                format!(
                    "waits for connections whose handler has returned and whose client has not sent the rest of the request's body ({})",
                    count(&unread)
                ),
                Wait::Body.advice(),
            ),
            (0, []) if of_others.is_empty() => {
                ("waits, but no goroutine in the dump is in a handler".to_owned(), deadline)
            }
            (0, []) => (
                format!(
                    "waits, though not for the handlers of a server that still accepts connections: {}",
                    list(&of_others)
                ),
                deadline,
            ),
            (0, _) => (format!("waits, though not for the hijacked connections: {}", list(&hijacked)), deadline),
            (many, _) => (
                format!("waits for connections that sent no whole request yet ({many}): net/http gives them 5 s"),
                "Set Server.ReadHeaderTimeout below the time to stop, and have the orchestrator wait longer than 6 s.",
            ),
        };
        nodes.extend(unread);
        nodes.extend(silent);
        nodes.extend(hijacked);
        nodes.extend(of_others);
        Found { cause: Cause::Handlers, text: format!("{who} and {what}."), place: call, advice, nodes }
    }
}

/// How many of a group.
#[derive(PartialEq, Eq)]
enum Share {
    None,
    Some,
    All,
}

/// How many of these handlers were started by a server that still accepts connections. Shutdown begins with closing the
/// listeners, so that is another server.
fn of_other_servers(handlers: &Node<'_>, accepting: &BTreeSet<u64>) -> Share {
    let known = handlers.samples.iter().filter(|sample| sample.parent.is_some()).count();
    match handlers.parents().filter(|parent| accepting.contains(parent)).count() {
        0 => Share::None,
        others if others == known => Share::All,
        _ => Share::Some,
    }
}

/// Whether one other than main may receive a signal, or may have. A library's goroutine that waits for the network does not.
fn may_receive(node: &Node<'_>) -> bool {
    let is_own = node.own.is_some() && !matches!(node.wait, Wait::Accept | Wait::Printer);
    let relays = node.is_of_library() && matches!(node.wait, Wait::Receive | Wait::Select | Wait::Running);
    !is_handler(node) && (is_own || relays)
}

/// Whether a function stops something, by its name.
fn stops(frame: &Frame) -> bool {
    let name = outer(&frame.function);
    ["Stop", "stop", "Shutdown", "shutdown"].contains(&name.rsplit('.').next().unwrap_or(name))
}
