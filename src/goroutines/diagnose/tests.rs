//! What real programs show badly. What they show well is in tests/causes.rs.

use super::*;
use crate::goroutines::{Object, Sample};
use proptest::prelude::*;

/// `main.work:12 main.main:40`: what is in main is the program's own.
fn frames(text: &str) -> Vec<Frame> {
    let frame = |text: &str| {
        let (function, line) = text.rsplit_once(':').unwrap_or((text, "1"));
        let file = if function.starts_with("main.") { "/src/main.go" } else { "/usr/local/go/src/x.go" };
        Frame { function: function.to_owned(), file: file.to_owned(), line: line.parse().unwrap() }
    };
    text.split_whitespace().map(frame).collect()
}

fn group(id: u64, state: &str, stack: &str, creator: &str) -> Group {
    let frames_of = frames(stack);
    let outside = |frame: &Frame| !frame.function.starts_with("runtime.");
    Group {
        state: state.to_owned(),
        creator: frames(creator).pop(),
        count: 1,
        ids: vec![id],
        top: frames_of.iter().position(outside).unwrap_or(0),
        own: frames_of.iter().position(|frame| frame.function.starts_with("main.")),
        frames: frames_of,
        ..Group::default()
    }
}

fn summary(groups: Vec<Group>) -> Summary {
    let user = groups.iter().map(|group| group.count).sum();
    let reason = "SIGQUIT: quit".to_owned();
    Summary { kind: Kind::Signal, reason, notes: vec![], user, system: 0, groups, ungrouped: 0, cut: false, bytes: 0 }
}

fn listener() -> Group {
    group(3, "syscall", "os/signal.signal_recv os/signal.loop", "os/signal.Notify.func2.1:164")
}

fn handler(id: u64, state: &str, stack: &str) -> Group {
    let stack = format!("{stack} net/http.serverHandler.ServeHTTP net/http.(*conn).serve");
    group(id, state, &stack, "net/http.(*Server).Serve:3604")
}

fn after(signal: &str) -> Program {
    Program { signal: Some(signal.to_owned()), ..Program::default() }
}

fn first(groups: Vec<Group>) -> Finding {
    diagnose(&summary(groups), &after("SIGTERM")).remove(0)
}

/// Where nobody sent a signal.
fn asked(groups: Vec<Group>) -> Finding {
    diagnose(&summary(groups), &Program::default()).remove(0)
}

fn line(finding: &Finding) -> Option<u32> {
    finding.place.as_ref().map(|place| place.line)
}

const SHUTDOWN: &str = "net/http.(*Server).Shutdown:3304 main.main:30 runtime.main:302";
const WAIT: &str = "sync.(*WaitGroup).Wait:206 main.main:30 runtime.main:302";
const LOCK: &str = "internal/sync.(*Mutex).lockSlow:149 sync.(*Mutex).Lock:46";

/// Of several that may be waited for, a knot among them says why none goes on.
#[test]
fn a_knot_among_those_that_main_waits_for() {
    let main = |state: &str, wait: &str| group(1, state, &format!("{wait} main.main:9 runtime.main:302"), "");
    let locks = |id, stack: &str| group(id, "sync.Mutex.Lock", &format!("sync.(*Mutex).Lock {stack}"), "main.main:5");
    let receives = || main("chan receive", "");
    let (one, other) = ("main.(*b).drop:20 main.(*a).remove:21", "main.(*a).name:30 main.(*b).list:31");
    let order = asked(vec![receives(), locks(2, one), locks(3, other)]);
    assert_eq!((order.cause, line(&order)), (Cause::LockOrder, Some(20)), "{}", order.evidence);
    // The sender holds what the receiver wants.
    let sends = |stack: &str| group(2, "chan send", stack, "main.main:5");
    let waits = || main("sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait:206");
    let held = asked(vec![waits(), sends("main.(*q).put:40"), locks(3, "main.(*q).get:50")]);
    assert_eq!((held.cause, line(&held)), (Cause::Mutex, Some(40)), "{}", held.evidence);
    // Nothing ties the mutex to the one that sends.
    let apart = asked(vec![receives(), sends("main.send:40"), locks(3, "main.(*q).get:50")]);
    assert_eq!((apart.cause, line(&apart)), (Cause::Receive, Some(9)), "{}", apart.evidence);
}

/// Who waits for a WaitGroup for which nobody else is left waits for one of those beside it.
#[test]
fn a_wait_group_beside_others() {
    let main = group(1, "sync.WaitGroup.Wait", WAIT, "");
    let waits = group(2, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait:206 main.(*flights).Do:31", "main.main:5");
    let runs = |stack: &str| group(3, "chan receive", stack, "main.main:6");
    let found = asked(vec![main.clone(), waits.clone(), runs("main.load:90 main.(*flights).Do:37")]);
    assert_eq!((found.cause, line(&found)), (Cause::WaitGroup, Some(90)), "{}", found.evidence);
    assert!(!found.evidence.contains("Done was missed"), "{}", found.evidence);
    let alone = asked(vec![main, waits]);
    assert!(alone.evidence.contains("Done was missed"), "{}", alone.evidence);
}

/// Who sends waits for those that it started to receive, if these are held up too.
#[test]
fn a_sender_and_those_that_were_to_receive() {
    let main = || group(1, "chan send", "main.main:9 runtime.main:302", "");
    let worker = |state: &str| group(2, state, "main.work:20", "main.main:5");
    let stuck = asked(vec![main(), worker("chan send")]);
    assert_eq!((stuck.cause, line(&stuck)), (Cause::Send, Some(20)), "{}", stuck.evidence);
    let idle = asked(vec![main(), worker("chan receive")]);
    assert_eq!((idle.cause, line(&idle)), (Cause::Send, Some(9)), "{}", idle.evidence);
}

/// Where no argument tells whose mutex it is, a method of the same type further up the stack may hold it.
#[test]
fn a_mutex_that_is_wanted_again_further_down() {
    let main = || group(1, "chan receive", "main.main:9 runtime.main:302", "");
    let taken = |stack: &str| {
        let stack = format!("sync.(*Mutex).Lock {stack}");
        asked(vec![main(), group(7, "sync.Mutex.Lock", &stack, "main.main:5")])
    };
    let through = taken("main.(*o).changed:30 main.(*i).run:20 main.(*o).apply:10");
    assert_eq!((through.cause, line(&through)), (Cause::Mutex, Some(10)), "{}", through.evidence);
    assert!(through.evidence.contains("if that holds the mutex"), "{}", through.evidence);
    let other = taken("main.(*o).changed:30 main.(*i).run:20 main.(*p).apply:10");
    assert_eq!(line(&other), Some(30), "{}", other.evidence);
    let writes = group(1, "sync.RWMutex.Lock", "sync.(*RWMutex).Lock main.(*r).upgrade:30 main.main:5", "");
    assert!(asked(vec![writes]).evidence.contains("the writer itself reads already"));
}

/// Who waits for a mutex in what a function has called further on is no waiter for that function: it would have locked it too.
#[test]
fn a_function_that_the_waiter_has_passed_holds_nothing() {
    let locks =
        |line: u32| format!("sync.(*Mutex).Lock main.(*b).take.func1:50 main.(*b).maybe:{line} main.(*b).take:49");
    let evidence = |line: u32| {
        let waits = group(7, "sync.Mutex.Lock", &locks(line), "main.(*b).take:47");
        let sends = group(8, "chan send", "main.(*b).maybe:30 main.(*b).take:49", "main.(*b).take:47");
        let main = group(1, "chan receive", "main.main:9 runtime.main:302", "");
        let reason = "fatal error: all goroutines are asleep - deadlock!".to_owned();
        let dump = Summary { kind: Kind::Fatal, reason, ..summary(vec![main, waits, sends]) };
        diagnose(&dump, &Program::default()).into_iter().map(|finding| finding.evidence).collect::<String>()
    };
    let passed = evidence(34);
    assert!(passed.contains("Nobody in the dump is seen to hold it"), "{passed}");
    // It has not come as far.
    let before = evidence(28);
    assert!(before.contains("It may be held by main.(*b).maybe (main.go:30)"), "{before}");
}

/// A mutex that memory shows to be taken by one of those that still wait for it is nobody's fault.
#[test]
fn a_mutex_that_is_being_handed_over() {
    let blamed = |locked: bool, waiters: u32| {
        let main = group(1, "chan receive", "main.main:9 runtime.main:302", "");
        let waits = Group {
            count: 8,
            objects: vec![(0xc000_0010, 8)],
            known: vec![(0xc000_0010, Object::Mutex { locked, waiters })],
            ..group(7, "sync.Mutex.Lock", "sync.(*Mutex).Lock main.(*m).count:20", "main.(*m).start:5")
        };
        let dump = Summary { kind: Kind::Live, ..summary(vec![main, waits]) };
        diagnose(&dump, &Program::default()).iter().any(|finding| finding.cause == Cause::Mutex)
    };
    assert!(!blamed(true, 7) && !blamed(false, 8));
    assert!(blamed(true, 8));
}

/// Who waits in a small program for what it started in a function that has returned: its number tells.
#[test]
fn what_was_started_in_a_function_that_has_returned() {
    let found = |parent: u64, reason: &str| {
        let main = group(1, "chan receive", "main.main:9 runtime.main:302", "");
        let mut child = group(7, "chan receive", "main.(*c).loop:30", "main.(*c).Start:20");
        child.samples = vec![Sample { id: 7, parent: Some(parent), arguments: vec![] }];
        let kind = if reason.is_empty() { Kind::Signal } else { Kind::Fatal };
        let dump = Summary { kind, reason: reason.to_owned(), ..summary(vec![main, child]) };
        diagnose(&dump, &Program::default()).remove(0)
    };
    let deadlock = "fatal error: all goroutines are asleep - deadlock!";
    let small = found(1, deadlock);
    assert_eq!((small.cause, line(&small)), (Cause::Receive, Some(30)), "{}", small.evidence);
    assert!(small.evidence.contains("It may wait for main.(*c).loop"), "{}", small.evidence);
    assert_eq!(line(&found(5, deadlock)), Some(9));
    // In a server there are many, and most of them wait for work.
    assert_eq!(line(&found(1, "")), Some(9));
}

/// A WaitGroup in what has been left behind, for which nobody is there.
#[test]
fn a_wait_group_that_was_left_behind() {
    let said = |more: Vec<Group>| {
        let test = group(1, "chan receive", "testing.(*T).Run testing.(*M).Run main.main:9", "");
        let polls = group(6, "sleep", "time.Sleep main.wait:36 testing.tRunner:1", "testing.(*T).Run:1");
        let left = group(7, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait:206 main.(*m).init:33", "main.TestInit:42");
        let groups = [vec![test, polls, left], more].concat();
        diagnose(&summary(groups), &Program::default()).remove(0)
    };
    let missed = said(vec![]);
    assert_eq!((missed.cause, line(&missed)), (Cause::WaitGroup, Some(33)), "{}", missed.evidence);
    assert!(missed.evidence.contains("a Done was missed") && missed.advice.contains("wg.Done"), "{}", missed.evidence);
    let selects = said(vec![group(8, "select", "main.work:50", "main.start:30")]);
    assert!(selects.advice.starts_with("End it when what started it returns"), "{}", selects.advice);
    let runs = said(vec![group(8, "IO wait", "net.Dial main.work:50", "main.(*m).init:30")]);
    assert!(!runs.evidence.contains("a Done was missed"), "{}", runs.evidence);
}

/// A signal is told to have been received by nobody only if nobody has moved since.
#[test]
fn a_signal_that_came_after_all_had_begun_to_wait() {
    let groups = |minutes: u32, more: Vec<Group>| {
        let waiting = |group: Group| Group { minutes: (minutes, minutes), ..group };
        let main = waiting(group(1, "sync.WaitGroup.Wait", WAIT, ""));
        let worker = waiting(group(7, "chan receive", "main.work:20", "main.main:5"));
        [vec![main, worker, listener()], more].concat()
    };
    let said = |groups: Vec<Group>, signal: &Program| {
        let found = diagnose(&summary(groups), signal);
        assert!(matches!(found[0].cause, Cause::WaitGroup | Cause::Loop), "{}", found[0].evidence);
        found.into_iter().find(|finding| finding.cause == Cause::Unhandled).map(|finding| finding.evidence)
    };
    let late = said(groups(12, vec![]), &after("SIGTERM")).unwrap();
    assert!(late.starts_with("SIGTERM may not have been received: "), "{late}");
    assert!(late.contains("nothing has moved for 12 minutes, unless it was sent before that"), "{late}");
    // It has just come to where it waits; nobody sent one; somebody else works.
    let busy = group(8, "sleep", "time.Sleep main.flush:40", "main.main:6");
    for (groups, signal) in [
        (groups(0, vec![]), after("SIGTERM")),
        (groups(12, vec![]), Program::default()),
        (groups(12, vec![busy]), after("SIGTERM")),
    ] {
        assert_eq!(said(groups, &signal), None);
    }
}

/// What somebody pasted without goroutine 1 is not all that was there: nobody has returned, and what is there matters.
#[test]
fn an_excerpt_of_a_dump() {
    let said = |groups: Vec<Group>| diagnose(&Summary { kind: Kind::Unknown, ..summary(groups) }, &Program::default());
    let sends = || group(7, "chan send", "main.(*agent).runWait:71", "main.(*agent).Restart:67");
    let excerpt = said(vec![sends()]).remove(0);
    assert_eq!((excerpt.cause, line(&excerpt)), (Cause::Send, Some(71)), "{}", excerpt.evidence);
    assert!(!excerpt.evidence.contains("has returned"), "{}", excerpt.evidence);
    // With a goroutine 1 it is whole, and a server's workers are left alone.
    let main = group(1, "sleep", "time.Sleep main.main:9 runtime.main:302", "");
    assert_eq!(said(vec![sends(), main]).remove(0).cause, Cause::Unknown);
    // A test whose server accepts connections: what the test waits for.
    let serves = group(8, "IO wait", "internal/poll.(*FD).Accept net/http.(*Server).Serve", "net/http/httptest.x:1");
    let test =
        group(9, "chan receive", "main.(*Client).Close:117 main.TestClose:300 testing.tRunner", "testing.(*T).Run:824");
    let found = said(vec![serves, test]).remove(0);
    assert_eq!((found.cause, line(&found)), (Cause::Receive, Some(117)), "{}", found.evidence);
    // What a package starts in init is there in every program.
    let daemon = group(5, "chan receive", "main.flush:5", "main.init.0:3");
    assert_eq!(said(vec![daemon]).remove(0).cause, Cause::Unknown);
}

/// A stack with a panic in it was logged only where somebody is seen to have asked for it.
#[test]
fn a_panic_that_was_recovered() {
    let said = |stack: &str, reason: &str| {
        let panicking = Group { panicked: Some(1), ..group(7, "running", &format!("{stack} main.load:12"), "") };
        let dump = Summary { kind: Kind::Unknown, reason: reason.to_owned(), ..summary(vec![panicking]) };
        diagnose(&dump, &Program::default()).remove(0).evidence
    };
    let logged = "A panic was recovered and its stack logged. It happened in main.load (main.go:12)";
    assert_eq!(said("runtime/debug.Stack", "boom."), format!("{logged}: boom."));
    assert_eq!(said("panic", "recovered: boom"), format!("{logged}: recovered: boom."));
    assert_eq!(said("panic", ""), "It panicked in main.load (main.go:12).");
}

/// A function that only hands the object on does not hold its mutex, if another goroutine may.
#[test]
fn an_object_that_is_handed_on() {
    let of = |id, state: &str, stack: &str, object: u64| {
        let made = group(id, state, stack, "main.TestA:5");
        let arguments = vec![[object, 0]; made.frames.len()];
        Group { samples: vec![Sample { id, parent: None, arguments }], ..made }
    };
    let closes = |caller: &str| {
        of(2, "sync.Mutex.Lock", &format!("sync.(*Mutex).Lock main.(*balancer).Close:172 {caller}"), 0xc000_1000)
    };
    let sends = of(3, "chan send", "main.(*balancer).Up.func2:162", 0xc000_1000);
    let main = group(1, "sync.WaitGroup.Wait", WAIT, "");
    let found = asked(vec![main.clone(), closes("main.TestA.func1:211"), sends.clone()]);
    assert_eq!(line(&found), Some(162), "{}", found.evidence);
    let twice = asked(vec![main.clone(), closes("main.(*balancer).stop:90"), sends]);
    assert_eq!(line(&twice), Some(90), "{}", twice.evidence);
    let alone = asked(vec![main, closes("main.stop:90")]);
    assert_eq!(line(&alone), Some(90), "{}", alone.evidence);
}

/// A test in a bubble of testing/synctest: what its function waits for, not that it is in a bubble.
#[test]
fn a_test_in_a_bubble() {
    let runner = "testing.(*T).Run:2260";
    let of = |bubble, group: Group| Group { bubble: Some(bubble), ..group };
    let printer = group(9, "running", "testing.(*M).startAlarm.func1:2961", "time.goFunc:182");
    let outside = "internal/synctest.Run testing/synctest.Test main.TestA:12 testing.tRunner";
    let outside = of(1, group(5, "synctest.Run", outside, runner));
    let helper = group(6, "chan receive", "testing/synctest.testingSynctestTest", "testing/synctest.Test:291");
    let inside = |bubble, state: &str, stack: &str| {
        let stack = format!("{stack} main.TestA.func1:21 testing.tRunner");
        of(bubble, group(7, state, &stack, "testing/synctest.testingSynctestTest:2309"))
    };
    let said = |groups: Vec<Group>| {
        let reason = "panic: test timed out after 2s".to_owned();
        let notes = vec!["TestA (2s)".to_owned()];
        let dump = Summary { kind: Kind::Panic, reason, notes, ..summary(groups) };
        diagnose(&dump, &Program::default()).remove(0)
    };
    let shared = || vec![printer.clone(), outside.clone(), of(1, helper.clone())];
    let waits = said([shared(), vec![inside(1, "chan receive", "")]].concat());
    assert_eq!((waits.cause, line(&waits)), (Cause::Receive, Some(21)), "{}", waits.evidence);
    assert!(waits.evidence.starts_with("TestA has run for 2s: main.TestA.func1"), "{}", waits.evidence);
    // One that never waits holds up synctest.Wait.
    let busy = of(1, group(8, "runnable", "main.spin:33", "main.TestA.func1:19"));
    let found = said([shared(), vec![inside(1, "synctest.Wait", "testing/synctest.Wait"), busy]].concat());
    assert_eq!((found.cause, line(&found)), (Cause::Busy, Some(33)), "{}", found.evidence);
    // Who prints the dump is not what the test waits for.
    let prints = Group { state: "running".to_owned(), ..inside(1, "running", "runtime/pprof.writeGoroutine") };
    let sends = of(1, group(8, "chan send", "main.send:33", "main.TestA.func1:19"));
    let main = group(1, "chan receive", "testing.(*T).Run testing.(*M).Run main.main:9", "");
    let dump = Summary { kind: Kind::Unknown, ..summary(vec![prints, main, outside.clone(), helper.clone(), sends]) };
    let found = diagnose(&dump, &Program::default()).remove(0);
    assert_eq!((found.cause, line(&found)), (Cause::Send, Some(33)), "{}", found.evidence);
    assert!(found.evidence.starts_with("main.TestA (main.go:12)"), "{}", found.evidence);
    // The function of another bubble is another test's.
    let other = said([shared(), vec![inside(2, "chan receive", "")]].concat());
    assert_eq!(line(&other), Some(12), "{}", other.evidence);
}

/// What the kernel keeps from a program is told as far as that is certain: who listened may have heard the first one.
#[test]
fn a_signal_that_the_kernel_keeps_back() {
    let main = |state: &str, stack: &str| group(1, state, &format!("{stack} main.main:9 runtime.main:302"), "");
    let said = |groups: Vec<Group>, signal: &str, kept: Option<Kept>| {
        let found = diagnose(&summary(groups), &Program { kept, ..after(signal) }).remove(0);
        (found.cause, found.evidence.split(". ").next().unwrap().to_owned())
    };
    let ignored = Some(Kept::Ignored);
    let sleeps = || main("sleep", "time.Sleep");
    let never = "SIGTERM had no effect: the program ignores it, by signal.Ignore";
    assert_eq!(said(vec![sleeps()], "SIGTERM", ignored), (Cause::Unhandled, never.to_owned()));
    let (_, inherited) = said(vec![sleeps()], "SIGINT", ignored);
    assert_eq!(
        inherited,
        "SIGINT had no effect: the program ignores it, by signal.Ignore or because who started it did"
    );
    let (cause, may) = said(vec![main("chan receive", ""), listener()], "SIGTERM", ignored);
    assert_eq!(
        (cause, &*may),
        (Cause::Unhandled, "SIGTERM may have had no effect: the program ignores it, by signal.Ignore")
    );
    // It is past waiting for a signal: it heard the first, and ignores the rest.
    assert_eq!(said(vec![sleeps(), listener()], "SIGTERM", ignored).0, Cause::Loop);
    let blocked = "SIGTERM had no effect: it was sent and waits, for the program was started with it blocked";
    assert_eq!(said(vec![sleeps()], "SIGTERM", Some(Kept::Blocked)), (Cause::Unhandled, blocked.to_owned()));
    // One that is in Shutdown heard something.
    let stops = main("select", "net/http.(*Server).Shutdown");
    assert_eq!(said(vec![stops], "SIGTERM", ignored).0, Cause::Handlers);
    assert_eq!(said(vec![main("chan receive", ""), listener()], "SIGTERM", None).0, Cause::Receive);
}

#[test]
fn what_is_missing_in_a_cut_dump_says_nothing() {
    let waiting = || group(1, "sync.WaitGroup.Wait", WAIT, "");
    let whole = summary(vec![waiting(), listener()]);
    assert!(diagnose(&whole, &after("SIGTERM"))[0].evidence.contains("Done was missed"));
    for (cut, ungrouped) in [(true, 0), (false, 7)] {
        let dump = Summary { cut, ungrouped, ..summary(vec![waiting()]) };
        let findings = diagnose(&dump, &after("SIGTERM"));
        assert_eq!(findings[0].cause, Cause::WaitGroup, "not unhandled: the listener may be in what is missing");
        assert!(!findings[0].evidence.contains("Done was missed"));
        let gone = Summary { cut, ungrouped, ..summary(vec![group(7, "select", "main.work:5", "main.main:9")]) };
        assert_eq!(diagnose(&gone, &after("SIGTERM"))[0].cause, Cause::Unknown);
    }
}

#[test]
fn one_whose_stack_was_not_to_be_had_is_known_by_who_started_it() {
    let busy = group(7, "running", "", "main.main:28");
    let finding = first(vec![group(1, "sync.WaitGroup.Wait", WAIT, ""), busy, listener()]);
    assert_eq!((finding.cause, line(&finding)), (Cause::Busy, Some(28)));
}

#[test]
fn of_two_that_main_may_wait_for_none_is_chosen() {
    let main = || group(1, "chan receive", "main.main:30 runtime.main:302", "");
    let work = || group(7, "select", "main.work:5 main.main.gowrap1:10", "main.main:10");
    let send = || group(8, "chan send", "main.send:6 main.main.gowrap2:11", "main.main:11");
    let one = first(vec![main(), work(), listener()]);
    assert_eq!((one.cause, line(&one)), (Cause::Loop, Some(5)));
    let two = first(vec![main(), work(), send(), listener()]);
    assert_eq!((two.cause, line(&two)), (Cause::Receive, Some(30)));
    assert!(two.evidence.contains("main.work") && two.evidence.contains("main.send"), "{}", two.evidence);
}

#[test]
fn of_two_that_may_hold_the_mutex_none_is_chosen() {
    let main = || group(1, "sync.Mutex.Lock", &format!("{LOCK} main.(*store).flush:20 main.main:30"), "");
    let read = || group(7, "IO wait", "net.(*conn).Read:196 main.(*store).read:5", "main.main:9");
    let load = || group(8, "chan receive", "main.(*store).load:6", "main.main:9");
    let one = first(vec![main(), read(), listener()]);
    assert_eq!((one.cause, line(&one)), (Cause::Mutex, Some(5)));
    let two = first(vec![main(), read(), load(), listener()]);
    assert_eq!((two.cause, line(&two)), (Cause::Mutex, Some(20)));
}

#[test]
fn who_has_not_come_to_the_lock_yet_does_not_hold_it() {
    let main = || group(1, "sync.Mutex.Lock", &format!("{LOCK} main.save:20 main.main:30"), "");
    let before = first(vec![main(), group(7, "sleep", "time.Sleep:368 main.save:18", "main.main:9"), listener()]);
    assert_eq!(line(&before), Some(20));
    let beyond = first(vec![main(), group(7, "sleep", "time.Sleep:368 main.save:22", "main.main:9"), listener()]);
    assert_eq!(line(&beyond), Some(22));
}

#[test]
fn mutexes_side_by_side_are_two_and_the_semaphores_of_an_rwmutex_one() {
    let at = |address: u64, state: &str, id: u64| {
        let stack = format!("{LOCK} main.take:20 main.main.func{id}:30");
        let waiting = group(id, state, &stack, "main.main:9");
        Group { objects: vec![(address, 1)], ..waiting }
    };
    let shares = |state: &str| {
        let groups = [at(0xc000_1000, state, 5), at(0xc000_1008, state, 6)];
        let [one, other] = groups.each_ref().map(|group| Node::new(0, group));
        same_mutex::share(&one, &other)
    };
    assert!(!shares("sync.Mutex.Lock"));
    assert!(shares("sync.RWMutex.Lock"));
}

#[test]
fn a_handler_in_library_code_is_a_handler() {
    let stack = "net/http.(*persistConn).roundTrip:3092 net/http.(*Transport).RoundTrip:33 net/http/httputil.(*ReverseProxy).ServeHTTP:500";
    let finding = first(vec![group(1, "select", SHUTDOWN, ""), handler(7, "select", stack), listener()]);
    assert_eq!(finding.cause, Cause::Handlers);
    assert!(
        finding.evidence.contains("waits for a handler") && finding.evidence.contains("another server"),
        "{}",
        finding.evidence
    );
}

#[test]
fn a_handler_has_returned_and_the_request_is_not_read_to_its_end() {
    let rest = "net/http.(*connReader).Read:786 net/http.(*body).Read:831 net/http.(*response).finishRequest:1650 net/http.(*conn).serve:1997";
    let connection = |state: &str| group(7, state, rest, "net/http.(*Server).Serve:3102");
    let finding = first(vec![group(1, "select", SHUTDOWN, ""), connection("IO wait"), listener()]);
    assert_eq!((finding.cause, line(&finding)), (Cause::Handlers, Some(30)));
    let said = "waits for connections whose handler has returned and whose client has not sent the rest of the request's body (1)";
    assert!(finding.evidence.contains(said) && finding.advice.contains("ReadTimeout"), "{finding:?}");
    // What reads at the moment is not held up by its client.
    let reading = first(vec![group(1, "select", SHUTDOWN, ""), connection("runnable"), listener()]);
    assert!(reading.evidence.contains("no goroutine in the dump is in a handler"), "{reading:?}");
}

#[test]
fn who_moves_bytes_does_not_wait_for_the_peer() {
    let stack = "net.(*conn).Read:196 net/http.(*body).Read:831 main.upload:9";
    let said =
        |state: &str| first(vec![group(1, "select", SHUTDOWN, ""), handler(7, state, stack), listener()]).evidence;
    assert!(said("IO wait").contains("reading what the client does not send"));
    for state in ["runnable", "running", "syscall"] {
        assert!(!said(state).contains("does not send"), "{}", said(state));
    }
}

/// A write-ahead log under load: some wait for the mutex, and one of those that may hold it is in fsync.
#[test]
fn a_mutex_whose_possible_holder_is_at_work_may_pass() {
    let dump = |state: &str, minutes: u32| {
        let lock = format!("{LOCK} main.(*wal).write:417 main.(*engine).put:30");
        let waits = Group { minutes: (minutes, minutes), ..group(7, "sync.Mutex.Lock", &lock, "main.main:9") };
        let syncs = group(8, state, "syscall.Fsync os.(*File).Sync main.(*wal).sync:87", "main.main:9");
        let main = group(1, "chan receive", "main.main:40 runtime.main:302", "");
        let server = group(5, "IO wait", "internal/poll.(*FD).Accept net/http.(*Server).Serve:9", "main.main:8");
        let queued = group(9, "chan receive", "main.(*wal).write:460", "main.main:9");
        asked(vec![Group { count: 2, ..waits }, syncs, main, server, queued, listener()])
    };
    assert_eq!(dump("syscall", 0).cause, Cause::Unknown);
    assert_eq!(dump("runnable", 0).cause, Cause::Unknown);
    // Near misses: for minutes, or nobody works.
    assert_eq!(dump("syscall", 3).cause, Cause::Mutex, "{:?}", dump("syscall", 3));
    assert_eq!(dump("chan receive", 0).cause, Cause::Mutex);
}

/// A cache under load: who holds the mutex runs, and has no stack in memory, or was just woken to take it.
#[test]
fn a_mutex_whose_holder_runs_may_pass() {
    let dump = |holder: Group, minutes: u32| {
        let lock = format!("{LOCK} main.(*cache).get:41 main.serve:30");
        let waits =
            Group { count: 9, minutes: (minutes, minutes), ..group(7, "sync.Mutex.Lock", &lock, "main.main:9") };
        let main = group(1, "chan receive", "main.main:40 runtime.main:302", "");
        let server = group(5, "IO wait", "internal/poll.(*FD).Accept net/http.(*Server).Serve:9", "main.main:8");
        asked(vec![waits, holder, main, server, listener()])
    };
    let runs = || group(8, "running", "", "main.main:9");
    let woken = || group(8, "runnable", &format!("{LOCK} main.(*cache).put:48 main.serve:30"), "main.main:9");
    assert_eq!(dump(runs(), 0).cause, Cause::Unknown);
    assert_eq!(dump(woken(), 0).cause, Cause::Unknown, "{:?}", dump(woken(), 0));
    // What runs may be goroutine 1, or have just left the program's own code.
    let sent = "net/http.(*response).finishRequest:1650 net/http.(*conn).serve:1997";
    assert_eq!(dump(group(8, "runnable", sent, "net/http.(*Server).Serve:3102"), 0).cause, Cause::Unknown);
    // Near misses: for minutes; who may hold it waits too; nobody runs.
    let long = dump(runs(), 3);
    assert_eq!(long.cause, Cause::Mutex);
    assert!(long.evidence.contains("a goroutine that runs and has no stack in the dump may"), "{}", long.evidence);
    assert_eq!(dump(group(8, "chan send", "main.(*cache).put:50", "main.main:9"), 0).cause, Cause::Mutex);
    let missing = dump(group(8, "chan receive", "main.work:50", "main.main:9"), 0);
    assert!(missing.evidence.contains("Nobody in the dump is seen to hold it: a return path"), "{}", missing.evidence);
}

/// `select {}` lets the others run: where none of them can, it is they that matter.
#[test]
fn a_main_that_has_nothing_to_do() {
    let asleep = |groups: Vec<Group>| {
        let reason = "fatal error: all goroutines are asleep - deadlock!".to_owned();
        causes(&diagnose(&Summary { kind: Kind::Fatal, reason, ..summary(groups) }, &Program::default()))
    };
    let main = || group(1, "select (no cases)", "main.main:9 runtime.main:302", "");
    let sends = || group(7, "chan send", "main.work:20", "main.start:5");
    assert_eq!(asleep(vec![main(), sends()]), [(Cause::Send, Some(20)), (Cause::Receive, Some(9))]);
    assert_eq!(asleep(vec![main()]), [(Cause::Receive, Some(9))]);
    // Near miss: a channel is waited for.
    let receives = group(1, "chan receive", "main.main:9 runtime.main:302", "");
    assert_eq!(asleep(vec![receives, sends()])[0], (Cause::Receive, Some(9)));
}

/// Goroutine 1 is no exception, and a library does not take its own mutex twice.
#[test]
fn a_logger_that_all_write_to() {
    let log = |own: &str| {
        let stack = format!("{LOCK} {own}.(*Logger).output:244 {own}.(*Logger).Println:275 main.work:20");
        Group { count: 9, ..group(7, "sync.Mutex.Lock", &stack, "main.main:9") }
    };
    let main = |state: &str, stack: &str| group(1, state, &format!("{stack} main.main:40"), "");
    let small = |groups: Vec<Group>| {
        let reason = "fatal error: all goroutines are asleep - deadlock!".to_owned();
        diagnose(&Summary { kind: Kind::Fatal, reason, ..summary(groups) }, &Program::default()).remove(0).evidence
    };
    let idle = || main("select (no cases)", "");
    assert!(!small(vec![idle(), log("log")]).contains("waits for itself"), "{}", small(vec![idle(), log("log")]));
    assert!(small(vec![idle(), log("main")]).contains("waits for itself"));
    let evidence = |main: Group| {
        let server = group(5, "IO wait", "internal/poll.(*FD).Accept net/http.(*Server).Serve:9", "main.main:8");
        let waits = group(7, "sync.Mutex.Lock", &format!("{LOCK} main.(*cache).put:48 main.work:20"), "main.main:9");
        let groups = vec![Group { count: 9, ..waits }, main, server, listener()];
        diagnose(&Summary { kind: Kind::Live, ..summary(groups) }, &Program::default()).remove(0)
    };
    assert_eq!(evidence(main("runnable", "main.(*cache).slow:63")).cause, Cause::Unknown);
    assert_eq!(evidence(main("syscall", "os.(*File).Sync main.(*cache).log:57")).cause, Cause::Unknown);
    let waits = evidence(main("chan receive", "main.(*cache).slow:63"));
    assert!(waits.evidence.contains("It may be held by main.(*cache).slow (main.go:63) while it waits"), "{waits:?}");
}

/// Who waits for an RWMutex waits for one of three semaphores in it, and for no different mutexes.
#[test]
fn one_rwmutex_at_one_line_is_not_two_mutexes() {
    let evidence = |inner: u64, outer: u64, state: &str| {
        let inside = "internal/sync.(*Mutex).lockSlow:149 sync.(*Mutex).Lock:46 sync.(*RWMutex).Lock:150";
        let stack = |lock: &str| format!("{lock} main.(*rates).set:97 main.serve:30");
        let waits = group(7, "sync.Mutex.Lock", &stack(if outer > 0 { inside } else { LOCK }), "main.main:9");
        let waits = Group { objects: vec![(inner, 1)], ..waits };
        let writes = group(8, state, &stack("sync.(*RWMutex).Lock:155"), "main.main:9");
        let writes = Group { objects: vec![(inner + outer, 1)], ..writes };
        let main = group(1, "chan receive", "main.main:40 runtime.main:302", "");
        diagnose(&summary(vec![waits, writes, main]), &Program::default()).remove(0)
    };
    let one = evidence(0xc000_1004, 4, "sync.RWMutex.Lock");
    assert!(!one.evidence.contains("different mutexes"), "{}", one.evidence);
    // Near miss: the next one in an array of them.
    let two = evidence(0xc000_1004, 24, "sync.RWMutex.Lock");
    assert_eq!(two.cause, Cause::LockOrder, "{}", two.evidence);
}

/// What is looked at without a reason, and was not asked to stop, as `goward dump --raw` or a profile with debug=2 prints it.
#[test]
fn text_of_one_moment_blames_nobody_who_is_at_work() {
    let look = |main: Group, rest: Vec<Group>, kind: Kind| {
        let groups = [vec![main], rest].concat();
        diagnose(&Summary { kind, reason: String::new(), ..summary(groups) }, &Program::default()).remove(0).cause
    };
    let main = |state: &str, call: &str| group(1, state, &format!("{call} main.main:30 runtime.main:302"), "");
    let reads = || main("syscall", "syscall.read os.(*File).Read bufio.(*Scanner).Scan");
    let cases = [
        (reads(), vec![], Cause::Blocked),
        (main("runnable", "main.work:9"), vec![], Cause::Busy),
        (main("sleep", "time.Sleep"), vec![], Cause::Loop),
        // It waits for those that work.
        (
            main("sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait"),
            vec![
                group(7, "chan send", "main.main.func1:22", "main.main:20"),
                group(8, "sleep", "time.Sleep main.main.func2:26", "main.main:25"),
            ],
            Cause::Send,
        ),
        (main("chan send", ""), vec![sampled(group(8, "running", "", "sync.(*WaitGroup).Go:2"), 1, &[])], Cause::Send),
        (
            main("sync.Mutex.Lock", &format!("{LOCK} main.(*cache).put:48")),
            vec![group(8, "syscall", "os.(*File).Sync main.(*cache).log:57 main.(*cache).put:52", "main.main:20")],
            Cause::Mutex,
        ),
    ];
    for (main, rest, cause) in cases {
        for kind in [Kind::Unknown, Kind::Live] {
            assert_eq!(look(main.clone(), rest.clone(), kind), Cause::Unknown, "{main:?}");
            let long = Group { minutes: (2, 2), ..main.clone() };
            let rest = rest.iter().map(|group| Group { minutes: (2, 2), ..group.clone() }).collect();
            assert_eq!(look(long, rest, kind), cause, "{main:?} for minutes");
        }
        // SIGQUIT is sent to what hangs.
        assert_eq!(look(main.clone(), rest.clone(), Kind::Signal), cause, "{main:?} after SIGQUIT");
    }
    // Near misses: nobody works, or it is a test, which is to end.
    let waits = || main("sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait");
    let sends = || group(7, "chan send", "main.main.func1:22", "main.main:20");
    assert_eq!(look(waits(), vec![sends()], Kind::Unknown), Cause::Send);
    let test = group(9, "syscall", "syscall.Flock main.TestFlock:7 testing.tRunner", "testing.(*T).Run:2260");
    let main = group(1, "chan receive", "testing.(*T).Run testing.(*M).Run main.main:48", "");
    assert_eq!(look(main, vec![test], Kind::Unknown), Cause::Blocked);
}

/// A register may still have what another call left in it.
#[test]
fn an_address_that_the_runtime_is_sure_of_counts_more() {
    const STORE: u64 = 0xc000_2000;
    const UNSURE: u64 = crate::goroutines::UNSURE;
    const STALE: u64 = STORE | UNSURE;
    let locks = |id: u64, stack: &str, arguments: &[[u64; 2]]| {
        let waiting = group(id, "sync.Mutex.Lock", &format!("{LOCK} {stack}"), "main.main:9");
        let all = [&[[0, 0], [0, 0]], arguments].concat();
        sampled(waiting, 1, &all)
    };
    // The inner one is a method of another type, and has no argument of its own any more.
    let replaces = || locks(7, "main.(*store).replace:30 main.(*feed).start:20", &[[STORE, 0], [0, 0]]);
    let handles = locks(8, "main.(*feed).handle:40 main.(*store).handle:50", &[[STALE, 0], [STORE, 0]]);
    let main = || group(1, "chan receive", "main.main:9 runtime.main:302", "");
    let found = asked(vec![main(), replaces(), handles]);
    assert_eq!(found.cause, Cause::LockOrder, "{}", found.evidence);
    assert!(found.evidence.contains("since main.(*store).handle (main.go:50)"), "{}", found.evidence);
    // Not even where the right one has nothing left of it.
    let handles = locks(8, "main.(*feed).handle:40 main.(*store).handle:50", &[[STALE, 0], [0x1234 | UNSURE, 0]]);
    let found = asked(vec![main(), replaces(), handles]);
    assert!(found.evidence.contains("since main.(*store).handle (main.go:50)"), "{}", found.evidence);
    // What it is not sure of is not said.
    let twice = |object: u64| {
        let stack = format!("{LOCK} main.(*store).log:9 main.(*store).put:8 main.main:5");
        let arguments = [[STORE, 0], [STORE, 0], [STORE, 0], [object, 0], [0, 0]];
        first(vec![sampled(group(1, "sync.Mutex.Lock", &stack, ""), 0, &arguments), listener()]).evidence
    };
    assert!(twice(STORE).contains("both have the same object"), "{}", twice(STORE));
    assert!(!twice(STALE).contains("the same object"), "{}", twice(STALE));
    assert!(twice(STALE).contains("if it has the mutex already"), "{}", twice(STALE));
}

/// What `goward dump` sees a moment after the start.
#[test]
fn a_program_that_has_only_begun_is_not_at_fault() {
    let look = |main: Group| {
        let dump = Summary { kind: Kind::Live, ..summary(vec![main, listener()]) };
        (diagnose(&dump, &Program::default()).remove(0).cause, diagnose(&dump, &after("SIGTERM")).remove(0).cause)
    };
    let init = "main.(*registry).register:29 main.init.0:57 runtime.doInit:6329 runtime.main:233";
    assert_eq!(look(group(1, "chan receive", init, "")).0, Cause::Unknown);
    assert_eq!(look(group(1, "chan receive", "runtime.gcenable:180 runtime.main:190", "")).0, Cause::Unknown);
    let sync =
        |state: &str, call: &str| group(1, state, &format!("{call} main.open:9 main.main:30 runtime.main:302"), "");
    for (state, call) in
        [("runnable", "regexp.MustCompile"), ("syscall", "syscall.Fdatasync"), ("syscall", "os.(*File).Sync")]
    {
        assert_eq!(look(sync(state, call)).0, Cause::Unknown, "{state} {call}");
    }
    // The same as text (--raw), with no stack of one that runs.
    let text = |main: Group| {
        let dump = Summary { kind: Kind::Unknown, ..summary(vec![main, listener()]) };
        diagnose(&dump, &Program::default()).remove(0).cause
    };
    assert_eq!(text(group(1, "running", "", "")), Cause::Unknown);
    assert_eq!(text(group(1, "chan receive", init, "")), Cause::Unknown);
    // Near misses: after a signal, and after minutes, it is.
    assert_eq!(look(sync("syscall", "os.(*File).Sync")).1, Cause::Blocked);
    let long = Group { minutes: (2, 2), ..sync("syscall", "syscall.Fdatasync") };
    assert_eq!(look(long).0, Cause::Blocked);
    assert_eq!(look(group(1, "chan receive", "main.initialize:5 main.main:30 runtime.main:302", "")).0, Cause::Unknown);
    assert_eq!(look(group(1, "chan send", "main.initialize:5 main.main:30 runtime.main:302", "")).0, Cause::Send);
}

#[test]
fn who_was_started_by_one_without_a_stack_may_be_waited_for() {
    let test = |running: Option<Group>| {
        let worker = group(7, "chan receive", "main.loop:5", "main.open:9");
        let worker = sampled(worker, 3, &[]);
        let findings = of_a_test(running.into_iter().chain([worker]).collect());
        findings.iter().map(|finding| finding.evidence.as_str()).collect::<Vec<_>>().join("\n")
    };
    assert!(test(None).contains("What started it has returned"), "{}", test(None));
    let running = || group(3, "running", "", "main.main:4");
    assert!(!test(Some(running())).contains("What started it has returned"), "{}", test(Some(running())));
}

#[test]
fn hijacked_connections_alone_are_not_what_shutdown_waits_for() {
    let stack = "net.(*conn).Read:196 github.com/gorilla/websocket.(*Conn).ReadMessage:1 main.socket:9";
    let finding = first(vec![group(1, "select", SHUTDOWN, ""), handler(7, "IO wait", stack), listener()]);
    assert_eq!((finding.cause, line(&finding)), (Cause::Handlers, Some(30)));
    assert!(finding.evidence.contains("not for the hijacked"), "{}", finding.evidence);
}

#[test]
fn what_main_itself_is_stuck_in_comes_before_a_shutdown_elsewhere() {
    let close = "syscall.Syscall:74 syscall.Fsync:1 os.(*File).Sync:1 main.main:40";
    let groups = vec![
        group(1, "syscall", close, ""),
        group(6, "select", "net/http.(*Server).Shutdown:3304 main.main.func1:20", "main.main:19"),
        handler(7, "chan receive", "main.slow:9"),
        listener(),
    ];
    let findings = diagnose(&summary(groups), &after("SIGTERM"));
    let causes: Vec<_> = findings.iter().map(|finding| (finding.cause, line(finding))).collect();
    assert_eq!(causes, [(Cause::Blocked, Some(40)), (Cause::Handlers, Some(9))]);
}

#[test]
fn a_signal_nobody_listens_to_is_named_only_if_one_was_sent() {
    let main = || group(1, "IO wait", "internal/poll.(*FD).Accept:618 net/http.Serve:1 main.main:16", "");
    assert_eq!(first(vec![main()]).cause, Cause::Unhandled);
    assert_eq!(first(vec![main(), listener()]).cause, Cause::StillServing);
    let asked = diagnose(&summary(vec![main(), listener()]), &Program::default());
    assert_eq!(asked[0].cause, Cause::Unknown);
}

#[test]
fn nothing_is_said_of_nothing() {
    let findings = diagnose(&summary(Vec::new()), &Program::default());
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].cause, Cause::Unknown);
}

/// A test binary whose goroutine 1 waits for the tests.
fn of_a_test(mut groups: Vec<Group>) -> Vec<Finding> {
    let stack = "testing.(*T).Run:2268 testing.tRunner:2195 testing.(*M).Run:2602 main.main:48 runtime.main:302";
    groups.push(group(1, "chan receive", stack, ""));
    diagnose(&Summary { kind: Kind::Live, ..summary(groups) }, &Program::default())
}

/// The first goroutine of a group, with who started it and what its frames were called with.
fn sampled(group: Group, parent: u64, arguments: &[[u64; 2]]) -> Group {
    let samples = vec![Sample { id: group.ids[0], parent: Some(parent), arguments: arguments.to_vec() }];
    Group { samples, ..group }
}

fn causes(findings: &[Finding]) -> Vec<(Cause, Option<u32>)> {
    findings.iter().map(|finding| (finding.cause, line(finding))).collect()
}

const TEST: &str = "testing.tRunner:2195";

#[test]
fn a_test_that_runs_is_looked_at_and_not_main_which_waits_for_it() {
    let test = group(7, "chan send", &format!("main.TestSend:5 {TEST}"), "testing.(*T).Run:2260");
    let findings = of_a_test(vec![test]);
    assert_eq!(causes(&findings), [(Cause::Send, Some(5))]);
    assert!(!findings[0].evidence.contains("Goroutine 1"), "{}", findings[0].evidence);
    // Of what cannot be told apart from a library nothing is said that was not seen.
    let foreign = group(7, "chan send", &format!("lib.TestSend:5 {TEST}"), "testing.(*T).Run:2260");
    let findings = of_a_test(vec![sampled(foreign, 1, &[])]);
    assert!(!findings[0].evidence.contains("Nothing"), "{}", findings[0].evidence);
}

#[test]
fn in_a_test_the_only_one_that_does_not_wait_for_work_is_chosen() {
    let test = || group(7, "chan receive", &format!("main.TestStop:5 {TEST}"), "testing.(*T).Run:2260");
    let stop = || group(8, "sync.WaitGroup.Wait", "sync.(*WaitGroup).Wait:206 main.stop:8", "main.TestStop:4");
    let work = || group(9, "chan receive", "main.work:9", "main.TestStop:3");
    let send = || group(10, "chan send", "main.send:10", "main.TestStop:2");
    let one = of_a_test(vec![test(), stop(), work()]);
    assert_eq!(causes(&one)[0], (Cause::WaitGroup, Some(9)));
    assert!(one[0].evidence.contains("It may wait for main.stop"), "{}", one[0].evidence);
    assert!(!one[0].evidence.contains("Done was missed"), "{}", one[0].evidence);
    let alone = of_a_test(vec![test(), stop()]);
    assert_eq!(causes(&alone)[0], (Cause::WaitGroup, Some(8)));
    assert!(alone[0].evidence.contains("Done was missed"), "{}", alone[0].evidence);
    let two = of_a_test(vec![test(), stop(), work(), send()]);
    assert_eq!(causes(&two)[0], (Cause::Receive, Some(5)));
}

#[test]
fn who_prints_the_dump_is_nobody_that_a_wait_group_waits_for() {
    let test = group(7, "sync.WaitGroup.Wait", &format!("{WAIT_IN_TEST} {TEST}"), "testing.(*T).Run:2260");
    let print = group(8, "running", "runtime/pprof.(*Profile).WriteTo:1 main.show:9", "main.watch:3");
    let findings = of_a_test(vec![test, print]);
    assert!(findings.iter().all(|finding| !finding.evidence.contains("main.show")), "{findings:#?}");
}

const WAIT_IN_TEST: &str = "sync.(*WaitGroup).Wait:206 main.TestWait:5";

#[test]
fn what_runs_in_a_test_after_its_creator_has_returned_is_told() {
    let poll = || group(7, "sleep", &format!("time.Sleep:368 main.TestRest:5 {TEST}"), "testing.(*T).Run:2260");
    let runs = |creator| sampled(group(8, "runnable", "main.redial:9", creator), 7, &[]);
    let left = of_a_test(vec![poll(), runs("main.dial:3")]);
    assert!(causes(&left).contains(&(Cause::Busy, Some(9))), "{left:#?}");
    let used = of_a_test(vec![poll(), runs("main.TestRest:4")]);
    assert!(!causes(&used).contains(&(Cause::Busy, Some(9))), "{used:#?}");
    // The closure that a function has started is not that function.
    let loops = |entry: &str, creator: &str| {
        let sends = sampled(group(8, "chan send", entry, "main.(*worker).start:20"), 7, &[]);
        let receives = sampled(group(9, "chan receive", "main.(*timer).loop:57", creator), 8, &[]);
        let found = of_a_test(vec![poll(), sends, receives]);
        found.into_iter().find(|found| found.evidence.contains("main.(*timer).loop")).unwrap().evidence
    };
    let entry = "main.(*strategy).change:42 main.(*worker).start.func1:21";
    assert!(loops(entry, "main.(*worker).start:20").contains("has returned"));
    // Near misses: it started the other itself, or is in that function further down.
    assert!(!loops(entry, "main.(*worker).start.func1:22").contains("has returned"));
    assert!(!loops("main.(*worker).start:20 main.run:1", "main.(*worker).start:20").contains("has returned"));
}

#[test]
fn an_argument_that_the_runtime_was_not_sure_of_is_no_other_object() {
    const STORE: u64 = 0xc000_2000;
    const ENTRY: u64 = 0xc000_3000;
    let taking = |id: u64, stack: &str, lock: u64, arguments: &[[u64; 2]]| {
        let waiting = group(id, "sync.Mutex.Lock", &format!("{LOCK} {stack}"), "main.main:9");
        let mut all = vec![[lock, 0], [lock, 0]];
        all.extend(arguments);
        Group { objects: vec![(lock, 1)], ..sampled(waiting, 1, &all) }
    };
    // One has the store and wants the entry, the other has the entry and wants the store.
    let groups = |receiver: u64| {
        let main = group(1, "sync.WaitGroup.Wait", WAIT, "");
        let get = taking(7, "main.(*store).get:20", ENTRY, &[[receiver, 0]]);
        let remove = taking(8, "main.(*store).remove:30", STORE, &[[STORE, ENTRY]]);
        vec![main, get, remove, listener()]
    };
    let stale = diagnose(&summary(groups(0xc000_9000 | crate::goroutines::UNSURE)), &Program::default());
    assert_eq!(stale[0].cause, Cause::LockOrder, "{stale:#?}");
    let other = diagnose(&summary(groups(0xc000_9000)), &Program::default());
    assert!(other.iter().all(|finding| finding.cause != Cause::LockOrder), "{other:#?}");
}

#[test]
fn a_mutex_taken_twice_names_the_outermost_with_the_same_object_too() {
    let stack = format!("{LOCK} main.(*set).do:9 main.(*set).endpoints:8 main.(*set).sync:7 main.main:5");
    let objects = [[0xc000_2000, 0], [0xc000_2000, 0], [0xc000_2000, 0], [0xc000_2000, 0], [0xc000_2000, 0], [0, 0]];
    let twice = sampled(group(1, "sync.Mutex.Lock", &stack, ""), 0, &objects);
    let finding = first(vec![twice, listener()]);
    assert_eq!((finding.cause, line(&finding)), (Cause::Mutex, Some(8)));
    assert!(finding.evidence.contains("as has main.(*set).sync (main.go:7)"), "{}", finding.evidence);
}

#[test]
fn a_once_and_a_mutex_can_wait_for_each_other() {
    let main = || group(1, "sync.WaitGroup.Wait", WAIT, "");
    let once = "sync.(*Once).doSlow:78 sync.(*Once).Do:69";
    let inside = format!("{LOCK} main.(*page).plain.func1:20 {once} main.(*page).plain:19");
    let inside = || group(7, "sync.Mutex.Lock", &inside, "main.main:9");
    let waits = format!("{LOCK} {once} main.(*page).plain:19 main.(*page).render:30");
    let waits = || group(8, "sync.Mutex.Lock", &waits, "main.main:10");
    let both = diagnose(&summary(vec![main(), inside(), waits(), listener()]), &Program::default());
    let told = both.iter().find(|finding| finding.cause == Cause::LockOrder).unwrap();
    assert!(told.evidence.contains("each waits for the other"), "{}", told.evidence);
    // Nobody is in Do there.
    let outside = group(7, "sync.Mutex.Lock", &format!("{LOCK} main.(*page).lock:20"), "main.main:9");
    let one = diagnose(&summary(vec![main(), outside, waits(), listener()]), &Program::default());
    assert!(one.iter().all(|finding| finding.cause != Cause::LockOrder), "{one:#?}");
}

#[test]
fn a_mutex_is_not_the_rwmutex_of_the_same_object() {
    let mutex = group(7, "sync.Mutex.Lock", &format!("{LOCK} main.(*locks).take:24"), "main.main:9");
    let inner = "internal/sync.(*Mutex).lockSlow:149 sync.(*Mutex).Lock:46 sync.(*RWMutex).Lock:150";
    let writer = group(8, "sync.Mutex.Lock", &format!("{inner} main.(*locks).take:20"), "main.main:9");
    let reader = group(9, "sync.RWMutex.RLock", "sync.(*RWMutex).RLock:70 main.(*locks).give:29", "main.main:9");
    let [mutex, writer, reader] = [&mutex, &writer, &reader].map(|group| Node::new(0, group));
    assert!(same_mutex::share(&writer, &reader));
    assert!(!same_mutex::share(&mutex, &reader) && !same_mutex::share(&mutex, &writer));
}

/// From a text lines may have been lost; who read the memory has all of it.
#[test]
fn goroutine_1_may_be_gone_or_lost() {
    let said = |kind: Kind| {
        let dump = Summary { kind, ..summary(vec![group(7, "select", "main.work:5", "main.main:9"), listener()]) };
        let found = diagnose(&dump, &Program::default()).remove(0);
        assert_eq!((found.cause, line(&found)), (Cause::MainGone, Some(9)), "{}", found.evidence);
        found.evidence
    };
    let text = said(Kind::Signal);
    assert!(text.contains("it may have ended by runtime.Goexit in main") && text.contains("or its lines were lost"));
    assert!(!text.contains("is gone"), "{text}");
    assert!(said(Kind::Live).starts_with("Goroutine 1 is gone (runtime.Goexit in main)"));
}

/// `kill -SEGV` of a server that hangs is no crash: the kernel marks its own faults with a sigcode above 0.
#[test]
fn a_fault_that_somebody_sent() {
    let said = |note: &str| {
        let main = group(1, "select", SHUTDOWN, "");
        let reason = "SIGSEGV: segmentation violation".to_owned();
        let notes = vec![note.to_owned()];
        let dump = Summary { reason, notes, ..summary(vec![main, handler(7, "chan receive", "main.slow:9")]) };
        diagnose(&dump, &Program::default()).remove(0).cause
    };
    for code in ["0 addr=0x79a2", "0", "-6", "-1"] {
        assert_eq!(said(&format!("PC=0x48bf01 m=0 sigcode={code}")), Cause::Handlers, "{code}");
    }
    for code in ["1 addr=0x0", "2 addr=0x7", "128"] {
        assert_eq!(said(&format!("PC=0x48bf01 m=0 sigcode={code}")), Cause::Crash, "{code}");
    }
    assert_eq!(said(""), Cause::Crash);
}

fn started_by(parent: u64, group: Group) -> Group {
    sampled(group, parent, &[])
}

const CONSUMER: &str = "github.com/acme/kafka.(*Consumer).Run:88";

/// A library's goroutine may be what a WaitGroup waits for.
#[test]
fn a_wait_group_and_the_goroutines_of_libraries() {
    let said = |other: Group| asked(vec![group(1, "sync.WaitGroup.Wait", WAIT, ""), other, listener()]);
    let run = format!("{CONSUMER} sync.(*WaitGroup).Go.func1:239");
    let member = said(started_by(1, group(7, "select", &run, "sync.(*WaitGroup).Go:237")));
    let expected = "It may wait for kafka.(*Consumer).Run (x.go:88), in a select.";
    assert!(member.evidence.contains(expected), "{}", member.evidence);
    // What the program can change is where it waits.
    assert_eq!((member.cause, line(&member)), (Cause::WaitGroup, Some(30)));
    let started = said(started_by(1, group(7, "select", CONSUMER, "main.main:20")));
    assert!(started.evidence.contains("Started by the same code, and still there: kafka."), "{}", started.evidence);
    let elsewhere = |parent: u64| {
        let creator = "github.com/acme/kafka.(*Consumer).Start:60";
        said(started_by(parent, group(7, "select", CONSUMER, creator))).evidence
    };
    assert!(
        elsewhere(1).contains("Nothing of the program's own is left that it could wait for. It may wait for kafka.")
    );
    let serves = "internal/poll.(*FD).Accept net/http.(*Server).Serve:9";
    let serves = said(started_by(1, group(7, "IO wait", serves, "golang.org/x/sync/errgroup.(*Group).Go:75")));
    assert!(!serves.evidence.contains("Done was missed"), "{}", serves.evidence);
    // Near misses: another goroutine has started it; the standard library did.
    assert!(elsewhere(5).contains("a Done was missed"), "{}", elsewhere(5));
    let pool = group(7, "select", "database/sql.(*DB).connectionOpener:1261", "database/sql.OpenDB:833");
    assert!(said(started_by(1, pool)).evidence.contains("a Done was missed"));
}

/// Whatever goroutine 1 has started may send to it, wherever it did that.
#[test]
fn nothing_is_left_to_send_only_if_nothing_is_there() {
    let said = |other: Option<Group>| {
        let main = group(1, "chan receive", "main.main:50 runtime.main:302", "");
        let groups = [main, listener()].into_iter().chain(other).collect();
        first(groups).evidence
    };
    let nothing = "Nothing that it started is left to send to it.";
    assert!(said(None).contains(nothing));
    let library = || group(7, "IO wait", CONSUMER, "github.com/acme/kafka.(*Consumer).Start:60");
    let own = || group(7, "sync.Mutex.Lock", &format!("{LOCK} main.flush:9"), "main.startFlusher:30");
    assert!(!said(Some(started_by(1, library()))).contains(nothing));
    assert!(!said(Some(started_by(1, own()))).contains(nothing));
    // Who started it was not printed before Go 1.21.
    assert!(!said(Some(own())).contains(nothing));
    // Near misses: somebody else did.
    assert!(said(Some(started_by(5, library()))).contains(nothing));
    assert!(said(Some(started_by(5, own()))).contains(nothing));
}

/// WaitGroup.Go does not say of which WaitGroup; its counter may.
#[test]
fn members_may_be_of_another_wait_group() {
    let said = |kind: Kind, counter: Option<u32>| {
        let known = counter.map(|counter| (0xc000_4018, Object::WaitGroup { counter })).into_iter().collect();
        let main = Group { known, ..group(1, "sync.WaitGroup.Wait", WAIT, "") };
        let polls = Group { count: 2, ..group(7, "chan receive", "main.poll:33", "sync.(*WaitGroup).Go:237") };
        let dump = Summary { kind, ..summary(vec![main, polls, listener()]) };
        diagnose(&dump, &after("SIGTERM")).remove(0).evidence
    };
    assert!(said(Kind::Signal, None).contains("It may wait for 2 in main.poll"));
    assert!(said(Kind::Live, Some(1)).contains("Its counter is 1. It may wait for 2 in main.poll"));
    assert!(said(Kind::Live, Some(2)).contains("Its counter is 2. It waits for 2 in main.poll"));
}

/// The counter tells that more is waited for than what the same function has started.
#[test]
fn a_counter_that_is_more_than_the_nearest() {
    let said = |counter: u32| {
        let known = vec![(0xc000_4018, Object::WaitGroup { counter })];
        let main = Group { known, ..group(1, "sync.WaitGroup.Wait", WAIT, "") };
        let source = started_by(1, group(7, "chan send", "main.main.func1:52", "main.main:48"));
        let stage = Group { count: 2, ..started_by(1, group(8, "chan send", "main.stage.func1:37", "main.stage:33")) };
        let dump = Summary { kind: Kind::Live, ..summary(vec![main, source, stage, listener()]) };
        diagnose(&dump, &after("SIGTERM")).remove(0).evidence
    };
    assert!(said(3).contains("still there: 2 in main.stage.func1 (main.go:37)"), "{}", said(3));
    assert!(said(3).contains("main.main.func1 (main.go:52)"), "{}", said(3));
    // Near miss: the nearest are enough.
    assert!(!said(1).contains("main.stage"), "{}", said(1));
}

/// A library may receive the signal for the program.
#[test]
fn a_library_that_relays_signals() {
    let said = |other: Group| {
        let main = group(1, "IO wait", "internal/poll.(*FD).Accept:618 net/http.Serve:1 main.main:16", "");
        let found = first(vec![main, listener(), other]);
        assert_eq!(found.cause, Cause::StillServing, "{}", found.evidence);
        found.evidence.contains("No goroutine is there that could receive the signal")
    };
    let creator = "go.uber.org/fx.(*signalReceivers).Start:120";
    assert!(!said(group(7, "select", "go.uber.org/fx.(*signalReceivers).relayer:81", creator)));
    assert!(!said(group(7, "chan receive", "go.uber.org/fx.(*signalReceivers).relayer:81", creator)));
    // Near misses: it waits for the network; it is the standard library's.
    assert!(said(group(7, "IO wait", "net.(*conn).Read:1 go.uber.org/fx.(*x).read:81", creator)));
    assert!(said(group(7, "select", "database/sql.(*DB).connectionOpener:1261", "database/sql.OpenDB:833")));
}

/// Shutdown closes the listeners first: who still accepts is of another server, and so are its handlers.
#[test]
fn handlers_of_another_server() {
    let said = |parents: &[u64], accepts: &str| {
        let main = group(1, "select", SHUTDOWN, "");
        let stack = "internal/poll.(*FD).Accept net/http.(*Server).Serve:9";
        let serves = group(19, accepts, if accepts == "IO wait" { stack } else { "main.serve:5" }, "main.main:22");
        let loads = started_by(18, handler(30, "chan receive", "main.load:12"));
        let mut watches = handler(31, "select", "main.watch:21");
        let sample = |parent: &u64| Sample { id: 31, parent: Some(*parent), arguments: vec![] };
        watches.samples = parents.iter().map(sample).collect();
        watches.count = parents.len() as u64;
        first(vec![main, serves, loads, watches, listener()]).evidence
    };
    let other = said(&[19, 19], "IO wait");
    assert!(other.contains("waits for a handler: main.load (main.go:12)") && !other.contains("main.watch"), "{other}");
    // The same function may serve both.
    let mixed = said(&[18, 19], "IO wait");
    assert!(mixed.contains("waits for up to 3 handlers: 2 in main.watch"), "{mixed}");
    // Near misses: that server does not accept any more; it has gone.
    assert!(said(&[19, 19], "chan receive").contains("waits for 3 handlers"));
    assert!(said(&[17, 17], "IO wait").contains("waits for 3 handlers"));
    // Nothing else is there.
    let serves = group(19, "IO wait", "internal/poll.(*FD).Accept net/http.(*Server).Serve:9", "main.main:22");
    let alone = started_by(19, handler(31, "select", "main.watch:21"));
    let alone = first(vec![group(1, "select", SHUTDOWN, ""), serves, alone, listener()]).evidence;
    assert!(alone.contains("not for the handlers of a server that still accepts connections: main.watch"), "{alone}");
}

/// A handler that writes to a connection from which a goroutine of its own reads has hijacked it.
#[test]
fn a_handler_whose_child_reads_from_the_connection() {
    let said = |parent: u64, more: Option<Group>| {
        let reads = "net.(*conn).Read github.com/gorilla/websocket.(*Conn).ReadMessage main.(*Client).readPump:50";
        let reads = started_by(parent, group(40, "IO wait", reads, "main.serveWs:100"));
        let writes = handler(31, "select", "main.(*Client).writePump:77 main.serveWs:101");
        let groups = vec![group(1, "select", SHUTDOWN, ""), handler(30, "chan receive", "main.load:12"), writes, reads];
        first(groups.into_iter().chain(more).collect()).evidence
    };
    let hijacked = said(31, None);
    assert!(hijacked.contains("waits for a handler: main.load (main.go:12)"), "{hijacked}");
    assert!(!hijacked.contains("writePump"), "{hijacked}");
    // Near misses: somebody else has started the reader; net/http still reads from that connection, so that the reader has another one.
    assert!(said(30, None).contains("main.(*Client).writePump"), "{}", said(30, None));
    let background = "net/http.(*connReader).backgroundRead:679";
    let background = started_by(31, group(41, "IO wait", background, "net/http.(*connReader).startBackgroundRead:670"));
    assert!(said(31, Some(background)).contains("waits for 2 handlers"));
}

/// A read lock that is taken again waits for the writer that waits for it, also where only the type tells whose it is.
#[test]
fn a_read_lock_that_is_taken_twice() {
    let said = |state: &str, call: &str| {
        let stack = format!("{call} main.(*conf).get:124 main.main.func2:145 main.(*conf).each:132 main.main:5");
        let writes = group(7, "sync.RWMutex.Lock", "sync.(*RWMutex).Lock main.(*conf).set:136", "main.main:9");
        first(vec![group(1, state, &stack, ""), writes, listener()])
    };
    let reads = said("sync.RWMutex.RLock", "sync.(*RWMutex).RLock");
    let writer = "if that reads already, it waits for the writer that waits for it: main.(*conf).set (main.go:136)";
    assert!(reads.evidence.contains(writer), "{}", reads.evidence);
    assert_eq!(line(&reads), Some(132));
    let writes = said("sync.RWMutex.Lock", "sync.(*RWMutex).Lock");
    assert!(writes.evidence.contains("if that holds the mutex, it waits for itself"), "{}", writes.evidence);
}

/// Of several that wait to write, one waits for those that read: nobody need have forgotten to unlock.
#[test]
fn a_writer_that_waits_for_readers_is_seen_beside_another_one() {
    let said = |state: &str, calls: &str| {
        let first_writer = format!("{LOCK} sync.(*RWMutex).Lock main.(*tbl).upgrade:12 main.main:5");
        let second = group(7, state, &format!("{calls} main.(*tbl).upgrade:12"), "main.main:9");
        first(vec![group(1, "sync.Mutex.Lock", &first_writer, ""), second, listener()]).evidence
    };
    let upgrade = said("sync.RWMutex.Lock", "sync.(*RWMutex).Lock");
    assert!(upgrade.contains("or the writer itself reads already"), "{upgrade}");
    let both = said("sync.Mutex.Lock", &format!("{LOCK} sync.(*RWMutex).Lock"));
    assert!(!both.contains("reads already"), "{both}");
}

/// A nil channel is waited for in vain, whoever works meanwhile.
#[test]
fn a_nil_channel_is_no_matter_of_a_moment() {
    let look = |state: &str| {
        let main = group(1, state, "main.(*svc).Close:553 main.main:30 runtime.main:302", "");
        let server = group(5, "IO wait", "internal/poll.(*FD).Accept main.serve:9", "main.main:8");
        let works = started_by(1, group(6, "syscall", "os.(*File).Sync main.work:3", "main.main:7"));
        let dump = Summary { kind: Kind::Live, ..summary(vec![main, server, works, listener()]) };
        diagnose(&dump, &Program::default()).remove(0)
    };
    let found = look("chan receive (nil chan)");
    assert_eq!((found.cause, line(&found)), (Cause::Receive, Some(553)), "{}", found.evidence);
    assert_eq!(look("chan send").cause, Cause::Unknown);
}

/// Who waits for goroutines, and has the object whose mutex they want, may hold it.
#[test]
fn a_stop_that_holds_what_its_workers_want() {
    const MANAGER: u64 = 0xc000_2000;
    let said = |object: u64| {
        let stop = "sync.(*WaitGroup).Wait:206 main.(*mgr).Stop:586 main.main:30";
        let stop = sampled(group(1, "sync.WaitGroup.Wait", stop, ""), 0, &[[0, 0], [object, 0], [0, 0]]);
        let loops = format!("{LOCK} main.(*mgr).flush:578 main.(*mgr).loop:575");
        let arguments = [[MANAGER + 4, 0], [0, 0], [MANAGER, 0], [0, 0]];
        let loops = sampled(group(7, "sync.Mutex.Lock", &loops, "main.main:20"), 1, &arguments);
        first(vec![stop, loops, listener()])
    };
    let held = said(MANAGER);
    assert!(held.evidence.contains("It may be held by main.(*mgr).Stop (main.go:586) while it waits."), "{held:?}");
    assert_eq!((held.cause, line(&held)), (Cause::Mutex, Some(586)));
    // Near miss: another object.
    let other = said(0xc000_9000);
    assert!(other.evidence.contains("main.(*mgr).loop (main.go:575) calls"), "{other:?}");
}

/// In a program that serves, goroutine 1 may hold what a single one waits for.
#[test]
fn a_mutex_that_goroutine_1_may_hold() {
    const REGISTRY: u64 = 0xc000_2000;
    let said = |object: u64, more: Option<Group>| {
        let main = sampled(group(1, "chan receive", "main.(*registry).count:480 main.main:30", ""), 0, &[[object, 0]]);
        let arguments = [[REGISTRY + 4, 0], [0, 0], [0, 0]];
        let locks = group(7, "sync.Mutex.Lock", &format!("{LOCK} main.(*registry).worker.func1:467"), "main.main:9");
        let server = group(5, "IO wait", "internal/poll.(*FD).Accept main.serve:9", "main.main:8");
        let groups = [main, sampled(locks, 1, &arguments), server, listener()].into_iter().chain(more).collect();
        asked(groups)
    };
    let held = said(REGISTRY, None);
    assert_eq!((held.cause, line(&held)), (Cause::Mutex, Some(480)), "{held:?}");
    assert!(held.evidence.contains("It may be held by main.(*registry).count (main.go:480) while it waits."));
    // The method that called the one that waits has the same object too.
    let main = sampled(group(1, "chan receive", "main.(*registry).count:480 main.main:30", ""), 0, &[[REGISTRY, 0]]);
    let stack = format!("{LOCK} main.(*registry).worker.func1:467 main.(*registry).worker:466");
    let locks = group(7, "sync.Mutex.Lock", &stack, "main.main:9");
    let locks = sampled(locks, 1, &[[REGISTRY + 4, 0], [0, 0], [0, 0], [REGISTRY, 0]]);
    let server = group(5, "IO wait", "internal/poll.(*FD).Accept main.serve:9", "main.main:8");
    let either = asked(vec![main, locks, server, listener()]).evidence;
    assert!(
        either
            .contains("if it has the mutex already, it waits for itself. Or it may be held by main.(*registry).count")
    );
    // Near misses: another object; somebody works, and may hold it for a moment.
    assert_eq!(said(0xc000_9000, None).cause, Cause::Unknown);
    assert_eq!(said(REGISTRY, Some(group(8, "runnable", "main.work:3", "main.main:7"))).cause, Cause::Unknown);
}

/// Whether somebody reads from an io.Pipe is not known.
#[test]
fn of_a_pipe_only_its_own_end_is_known() {
    let main = group(1, "select", "io.(*pipe).write:84 io.(*PipeWriter).Write:161 main.produce:14 main.main:5", "");
    let found = first(vec![main, listener()]);
    assert_eq!((found.cause, line(&found)), (Cause::Send, Some(14)), "{}", found.evidence);
    assert!(found.evidence.contains("writing to an io.Pipe (io.(*PipeWriter).Write)"), "{}", found.evidence);
    assert!(!found.evidence.contains("nobody"), "{}", found.evidence);
}

/// All that a stack may be made of, as far as this module cares.
fn any_group() -> impl Strategy<Value = Group> {
    const STATES: &[&str] = &[
        "select",
        "select (no cases)",
        "chan receive",
        "chan send (nil chan)",
        "sync.Mutex.Lock",
        "sync.RWMutex.RLock",
        "semacquire",
        "sync.WaitGroup.Wait",
        "IO wait",
        "running",
        "sleep",
        "",
        "\u{fffd}",
    ];
    const FUNCTIONS: &[&str] = &[
        "main.main",
        "main.(*t).a",
        "main.(*t).b",
        "main.main.func1",
        "main.(*",
        ").",
        ".(*).",
        "main.(*t).a-fm",
        "",
        "sync.(*Mutex).Lock",
        "sync.(*RWMutex).RLock",
        "sync.(*Once).doSlow",
        "sync.(*WaitGroup).Wait",
        "panic",
        "runtime.cgocall",
        "testing.tRunner",
        "testing.(*T).Run",
        "net/http.(*Server).Shutdown",
        "net/http.serverHandler.ServeHTTP",
        "net/http.(*conn).serve",
        "net/http.(*conn).readRequest",
        "internal/poll.(*FD).Accept",
        "os/signal.signal_recv",
        "os/signal.NotifyContext.func1",
        "golang.org/x/sync/errgroup.(*Group).Wait",
        "\u{fffd}.\u{fffd}",
    ];
    let stack = prop::collection::vec((prop::sample::select(FUNCTIONS), 0..5_u32), 0..8);
    let creator = prop::option::of(prop::sample::select(FUNCTIONS));
    (prop::sample::select(STATES), stack, creator, 0..4_u64, prop::option::of(0..4_usize), 0..3_u64).prop_map(
        |(state, stack, creator, id, own, object)| {
            let text: Vec<String> = stack.iter().map(|(function, line)| format!("{function}:{line}")).collect();
            let made = group(id, state, &text.join(" "), "");
            let frame = |function: &str| Frame { function: function.to_owned(), file: String::new(), line: 0 };
            let creator = creator.map(frame);
            let objects = (0..object).map(|address| (address, u64::MAX / 64)).collect();
            // Addresses of any kind, the same for some.
            let argument = |at: usize| {
                [0, 1, 0xc000_1000, 0xc000_1004, u64::MAX, u64::MAX - 3][(at + id as usize * 3 + own.unwrap_or(0)) % 6]
            };
            let arguments = (0..made.frames.len()).map(|at| [argument(at), argument(at + 2)]).collect();
            let samples = vec![Sample { id, parent: Some(id / 2), arguments }];
            let leaked = object == 2;
            Group { creator, own, objects, samples, leaked, count: u64::MAX / 64, ..made }
        },
    )
}

/// A server whose main waits until `stopped` is closed, and what accepts connections.
fn stopping(stop: &str) -> Vec<Group> {
    vec![
        group(1, "chan receive", "main.main:40", ""),
        listener(),
        group(
            7,
            "IO wait",
            "internal/poll.(*FD).Accept net.(*TCPListener).Accept main.(*app).accept:104",
            "main.main:30",
        ),
        group(8, "chan receive", stop, "main.main:32"),
        group(9, "sleep", "time.Sleep main.(*app).tidy:77", "main.main:31"),
    ]
}

#[test]
fn a_listener_that_the_stop_has_not_closed() {
    let finding = first(stopping("main.(*app).Stop:50 main.main.func1:33"));
    assert_eq!((finding.cause, line(&finding), &finding.groups[..]), (Cause::Loop, Some(104), &[2, 3][..]));
    assert!(finding.evidence.starts_with("The stop has begun (main.(*app).Stop (main.go:50)"), "{}", finding.evidence);
    // A function that waits for the signal, or for what somebody else stops, has not begun anything.
    for waits in ["main.stopOnSignal:50 main.main.func1:33", "main.(*stopper).wait:50", "main.(*app).Stopped:50"] {
        let finding = first(stopping(waits));
        assert_eq!((finding.cause, line(&finding)), (Cause::StillServing, Some(40)), "{waits}");
    }
    // Nor has who stops a library's timer, or whoever handles a request.
    let mut groups = stopping("time.(*Timer).Stop main.(*app).work:50");
    assert_eq!(first(groups.clone()).cause, Cause::StillServing);
    groups[3] = handler(8, "chan receive", "main.(*app).Stop:50 main.(*app).restart:51");
    assert_eq!(first(groups).cause, Cause::StillServing);
    // Nobody sent a signal: it serves, and may be stopping by itself.
    assert_ne!(asked(stopping("main.(*app).Stop:50 main.main.func1:33")).cause, Cause::Loop);
    // What the stop itself is held up by comes first.
    let mut groups = stopping("main.(*app).Stop:50 main.main.func1:33");
    groups.truncate(4);
    groups[3].state = "sync.Mutex.Lock".to_owned();
    groups[3].frames.insert(0, frames("sync.(*Mutex).Lock").remove(0));
    groups[3].own = Some(1);
    let findings = diagnose(&summary(groups), &after("SIGTERM"));
    let told: Vec<_> = findings.iter().map(|finding| (finding.cause, line(finding))).collect();
    assert_eq!(told[..2], [(Cause::Mutex, Some(50)), (Cause::Loop, Some(104))], "{findings:#?}");
}

#[test]
fn a_function_that_is_called_shutdown_may_wait_for_the_signal() {
    let may = |groups: Vec<Group>| {
        let told = diagnose(&summary(groups), &Program { is_relayed: true, ..after("SIGTERM") });
        let finding = &told[0];
        assert_eq!((finding.cause, line(finding)), (Cause::StillServing, Some(40)), "{told:#?}");
        assert!(finding.evidence.contains(" The stop may have begun: main."), "{}", finding.evidence);
        assert!(finding.evidence.ends_with(" Its parent may not have passed SIGTERM on."), "{}", finding.evidence);
        assert!(told.iter().all(|finding| !finding.evidence.contains("The stop has begun")), "{told:#?}");
    };
    let waits = |state: &str, stack: &str, creator: &str| {
        let mut groups = stopping("main.work:5");
        groups[3] = group(8, state, stack, creator);
        groups
    };
    // go shutdown(c, server), go func() { shutdown(c, server) }(), and a method that was given the channel when it was made.
    for state in ["chan receive", "select", "sleep"] {
        for stack in ["main.shutdown:50", "main.shutdown:50 main.main.func1:33", "main.(*app).Shutdown:50"] {
            may(waits(state, stack, "main.main:32"));
        }
    }
    may(waits("select", "main.(*app).Shutdown:50 golang.org/x/sync/errgroup.(*Group).Go.func1:78", "main.main:32"));
    // Of one session, not of the program.
    for state in ["sleep", "chan receive", "sync.WaitGroup.Wait"] {
        may(waits(state, "main.(*session).Stop:50 main.(*session).run:33", "main.(*server).serve:32"));
        may(waits(state, "main.(*session).Stop:50 main.(*server).drop:33", "main.(*server).serve:32"));
    }
    may(waits("sleep", "main.(*session).Stop:50 main.(*session).run:33", "main.main:32"));
    // signal.NotifyContext has not heard it yet.
    let mut groups = stopping("main.(*app).Stop:50 main.main.func1:33");
    groups.push(group(10, "select", "os/signal.NotifyContext.func1:288", "os/signal.NotifyContext:287"));
    assert!(!first(groups).evidence.contains("The stop has begun"));
    // What waits for something else has begun; so has what an object that main runs has started to stop itself.
    for (state, stack, creator) in [
        ("sync.WaitGroup.Wait", "main.shutdown:50", "main.main:32"),
        ("chan receive", "main.(*app).Stop:50 main.handleSignals:33", "main.main:32"),
    ] {
        let finding = first(waits(state, stack, creator));
        assert!(finding.evidence.contains("The stop has begun (main."), "{finding:#?}");
    }
    let mut groups = waits("chan receive", "main.(*app).Stop:50 main.(*app).Run.func1:33", "main.(*app).Run:32");
    groups[0].frames.insert(0, frames("main.(*app).Run:35").remove(0));
    let finding = first(groups.clone());
    assert!(finding.evidence.contains("The stop has begun (main."), "{finding:#?}");
    groups[0].frames.remove(0);
    assert!(!first(groups).evidence.contains("The stop has begun"));
}

/// One that has started another program, and waits for it in one of these ways.
fn parent(state: &str, stack: &str) -> Vec<Group> {
    let exit = group(7, state, stack, "main.main:30");
    vec![group(1, "chan receive", "main.main:40", ""), listener(), exit]
}

fn with_child(groups: Vec<Group>, is_read: bool) -> (Finding, bool) {
    let children = vec![Child { name: "shop (pid 23)".to_owned(), is_read }];
    let summary = Summary { kind: Kind::Live, ..summary(groups) };
    let waits = waits_for_child(&summary, &children);
    (diagnose(&summary, &Program { children, ..after("SIGTERM") }).remove(0), waits)
}

#[test]
fn a_child_that_is_waited_for_is_named() {
    let wait =
        "syscall.Syscall6 os.(*Process).blockUntilWaitable os.(*Process).Wait os/exec.(*Cmd).Wait main.main.func1:31";
    let wait4 = "syscall.Syscall6 syscall.wait4 syscall.Wait4 main.main.func1:31";
    for stack in [wait, wait4] {
        let (finding, waits) = with_child(parent("syscall", stack), false);
        assert!(waits && finding.evidence.ends_with(" Its child still runs: shop (pid 23)."), "{}", finding.evidence);
        assert_eq!((finding.cause, line(&finding), &finding.groups[..]), (Cause::Blocked, Some(31), &[0, 2][..]));
    }
    // Who reads what it writes is not at fault, and waits for it only where that comes from it.
    let read = "internal/poll.(*FD).Read os.(*File).Read bufio.(*Reader).ReadString main.copy:218";
    let (finding, waits) = with_child(parent("IO wait", read), true);
    assert!(waits && finding.evidence.contains("Its child still runs: shop (pid 23)."), "{}", finding.evidence);
    assert_eq!((finding.cause, line(&finding), &finding.groups[..]), (Cause::Blocked, Some(40), &[0][..]));
    let (finding, waits) = with_child(parent("IO wait", read), false);
    assert!(!waits && !finding.evidence.contains("child"), "{}", finding.evidence);
    // A file on a disk, a channel, and a mutex, which is what holds it up.
    for (state, stack) in
        [("syscall", read), ("chan receive", "main.work:5"), ("sync.Mutex.Lock", "sync.(*Mutex).Lock main.work:5")]
    {
        let (finding, waits) = with_child(parent(state, stack), true);
        assert!(!waits && !finding.evidence.contains("child"), "{}", finding.evidence);
    }
    // Nothing that it has started is there any more.
    let groups = summary(parent("syscall", wait));
    assert!(!waits_for_child(&groups, &[]) && !diagnose(&groups, &after("SIGTERM"))[0].evidence.contains("Its child"));
}

#[test]
fn whether_a_child_was_told_of_the_signal_is_not_known() {
    let doubt = "Its parent may not have passed SIGTERM on.";
    let told = |groups: Vec<Group>, is_relayed: bool| {
        diagnose(&summary(groups), &Program { is_relayed, ..after("SIGTERM") }).remove(0).evidence
    };
    assert!(told(stopping("main.work:5"), true).ends_with(doubt));
    assert!(!told(stopping("main.work:5"), false).contains(doubt));
    // It has heard it.
    assert!(!told(stopping("main.(*app).Stop:50 main.main.func1:33"), true).contains(doubt));
}

proptest! {
    #[test]
    fn whatever_the_groups_are_something_is_found_in_them(
        groups in prop::collection::vec(any_group(), 0..12),
        kind in prop::sample::select(&[Kind::Signal, Kind::Panic, Kind::Fatal, Kind::Unknown]),
        signal in prop::option::of(prop::sample::select(&["SIGTERM", "SIGUSR1", ""])),
    ) {
        let notes = vec!["running tests:".to_owned(), "Testmain (2s)".to_owned(), "panic: again".to_owned()];
        let reason = if kind == Kind::Panic { "panic: test timed out after 2s" } else { "SIGSEGV: x" }.to_owned();
        let dump = Summary { kind, notes, reason, ..summary(groups) };
        let program = Program { signal: signal.map(str::to_owned), ..Program::default() };
        let findings = diagnose(&dump, &program);
        prop_assert!(!findings.is_empty());
        for finding in findings {
            prop_assert!(!finding.evidence.is_empty() && !finding.advice.is_empty());
            prop_assert!(finding.groups.iter().all(|&index| index < dump.groups.len()));
            let mut once = finding.groups.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), finding.groups.len());
        }
    }
}
