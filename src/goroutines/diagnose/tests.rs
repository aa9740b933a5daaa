//! What real programs show badly. What they show well is in tests/causes.rs.

use super::*;
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
        elided: None,
        creator: frames(creator).pop(),
        count: 1,
        ids: vec![id],
        minutes: (0, 0),
        locked: false,
        leaked: false,
        system: false,
        top: frames_of.iter().position(outside).unwrap_or(0),
        own: frames_of.iter().position(|frame| frame.function.starts_with("main.")),
        objects: Vec::new(),
        labels: None,
        frames: frames_of,
    }
}

fn summary(groups: Vec<Group>) -> Summary {
    let user = groups.iter().map(|group| group.count).sum();
    let reason = "SIGQUIT: quit".to_owned();
    Summary { kind: Kind::Signal, reason, user, system: 0, groups, ungrouped: 0, cut: false, bytes: 0 }
}

fn listener() -> Group {
    group(3, "syscall", "os/signal.signal_recv os/signal.loop", "os/signal.Notify.func2.1:164")
}

fn handler(id: u64, state: &str, stack: &str) -> Group {
    let stack = format!("{stack} net/http.serverHandler.ServeHTTP net/http.(*conn).serve");
    group(id, state, &stack, "net/http.(*Server).Serve:3604")
}

fn after(signal: &str) -> Program {
    Program { module: None, signal: Some(signal.to_owned()) }
}

fn first(groups: Vec<Group>) -> Finding {
    diagnose(&summary(groups), &after("SIGTERM")).remove(0)
}

fn line(finding: &Finding) -> Option<u32> {
    finding.place.as_ref().map(|place| place.line)
}

const SHUTDOWN: &str = "net/http.(*Server).Shutdown:3304 main.main:30 runtime.main:302";
const WAIT: &str = "sync.(*WaitGroup).Wait:206 main.main:30 runtime.main:302";
const LOCK: &str = "internal/sync.(*Mutex).lockSlow:149 sync.(*Mutex).Lock:46";

#[test]
fn what_is_missing_in_a_cut_dump_says_nothing() {
    let waiting = || group(1, "sync.WaitGroup.Wait", WAIT, "");
    let whole = summary(vec![waiting(), listener()]);
    assert!(diagnose(&whole, &after("SIGTERM"))[0].evidence.contains("Done was missed"));
    for (cut, ungrouped) in [(true, 0), (false, 7)] {
        let dump = Summary { cut, ungrouped, ..summary(vec![waiting()]) };
        let findings = diagnose(&dump, &after("SIGTERM"));
        assert_eq!(findings[0].cause, Cause::WaitGroup, "not deaf: the listener may be in what is missing");
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
        let [one, other] = groups.each_ref().map(|group| Node { index: 0, group, wait: Wait::Lock });
        share(&one, &other)
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
    assert_eq!(first(vec![main()]).cause, Cause::Deaf);
    assert_eq!(first(vec![main(), listener()]).cause, Cause::Unheeded);
    let asked = diagnose(&summary(vec![main(), listener()]), &Program::default());
    assert_eq!(asked[0].cause, Cause::Unknown);
}

#[test]
fn nothing_is_said_of_nothing() {
    let findings = diagnose(&summary(Vec::new()), &Program::default());
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].cause, Cause::Unknown);
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
        "sync.(*WaitGroup).Wait",
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
            Group { creator, own, objects, count: u64::MAX / 64, ..made }
        },
    )
}

proptest! {
    #[test]
    fn whatever_the_groups_are_something_is_found_in_them(
        groups in prop::collection::vec(any_group(), 0..12),
        kind in prop::sample::select(&[Kind::Signal, Kind::Panic, Kind::Fatal, Kind::Unknown]),
        signal in prop::option::of(prop::sample::select(&["SIGTERM", "SIGUSR1", ""])),
    ) {
        let dump = Summary { kind, ..summary(groups) };
        let program = Program { module: None, signal: signal.map(str::to_owned) };
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
