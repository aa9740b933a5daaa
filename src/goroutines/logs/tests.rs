//! Whose lines are whose, and what is no dump. One dump in every form: tests/goroutines/forms.rs.

use super::*;
use crate::goroutines::{Group, Kind};
use proptest::prelude::*;

fn dumps(text: &str) -> Vec<Dump> {
    let mut dumps = Vec::new();
    let mut reader = LogReader::new(&Program::default());
    reader.feed(text.as_bytes(), &mut |dump| dumps.push(dump));
    reader.finish(&mut |dump| dumps.push(dump));
    dumps
}

/// The functions in a dump, by goroutine.
fn functions(dump: &Dump) -> Vec<&str> {
    dump.summary.groups.iter().flat_map(|group| &group.frames).map(|frame| &frame.function[..]).collect()
}

fn stack(id: u64, function: &str) -> String {
    format!("goroutine {id} [select]:\nmain.{function}(0x{id})\n\t/src/main.go:{id} +0x1\n")
}

#[test]
fn a_header_in_words_is_no_dump() {
    for text in [
        "it said goroutine 7 [running]: and then\nnothing\n",
        "goroutine 7 [running]\nmain.main()\n",
        "see \"goroutine 7 [select]:\" in the docs\n\n\nand on\n",
        "a: b goroutine 7 [select]: c\n",
    ] {
        assert!(dumps(text).is_empty(), "{text}");
    }
}

#[test]
fn stacks_in_records_are_dumps_of_their_own() {
    let record = |id| format!("{{\"level\":\"error\",\"stack\":{}}}\n", serde_json::json!(stack(id, "f")));
    let found = dumps(&[record(7), "{\"level\":\"info\"}\n".to_owned(), record(8)].concat());
    let lines: Vec<_> = found.iter().map(|dump| dump.summary.groups[0].frames[0].line).collect();
    assert_eq!(lines, [7, 8]);
}

#[test]
fn why_a_stack_was_printed() {
    let panicked = "goroutine 7 [running]:\nmain.f.func1()\n\t/m.go:1 +0x1\npanic({0x1, 0x2})\n\t/p.go:1 +0x1\nmain.f()\n\t/m.go:2 +0x1\n";
    let before = format!("2026/11/23 05:55:22 http: panic serving [::1]:1: boom\n{panicked}");
    assert_eq!(dumps(&before)[0].summary.reason, "http: panic serving [::1]:1: boom");
    let same_line = format!("2026/11/23 05:55:22 recovered: boom {panicked}");
    assert_eq!(dumps(&same_line)[0].summary.reason, "recovered: boom");
    let field = serde_json::json!({"msg": "recovered", "panic": "boom", "stack": panicked}).to_string();
    assert_eq!(dumps(&field)[0].summary.reason, "boom");
    // A near miss: a stack that nobody panicked for.
    assert_eq!(dumps(&format!("all is well\n{}", stack(7, "f")))[0].summary.reason, "");
}

#[test]
fn a_profile_with_counts() {
    let text = "goroutine profile: total 12\n10 @ 0x1 0x2\n# labels: {\"a\":\"b\"}\n#\t0x1\tmain.work+0x5d\t/src/a b/main.go:52\n\n2 @ 0x3\n#\t0x3\tmain.main+0x1\t/src/main.go:19\n\nan end\n";
    let found = dumps(text);
    let [dump] = &found[..] else { panic!("{found:?}") };
    assert_eq!((dump.summary.kind, dump.summary.user), (Kind::Profile, 12));
    let group = &dump.summary.groups[0];
    assert_eq!((group.count, group.frames[0].line, &group.frames[0].file[..]), (10, 52, "/src/a b/main.go"));
    assert_eq!(group.labels.as_deref(), Some("{\"a\":\"b\"}"));
    let leaked = dumps(&text.replace("goroutine profile", "goroutineleak profile"));
    assert!(leaked[0].summary.groups.iter().all(|group| group.leaked));
}

/// By a terminal, which has made blanks of the tabs, or by a mail program, which has not.
#[test]
fn a_profile_whose_lines_were_broken_at_a_column() {
    let text = "goroutine profile: total 12\n10 @ 0x43a1b6 0x40a1c5 0x40a0f0 0x6d2a5c 0x46d3e1 0x46d3e2 0x46d3e3\n\
        # labels: {\"handler\":\"/orders/{id}\", \"tenant\":\"a-rather-long-name\"}\n\
        #\t0x6d2a5b\texample.com/shop/orders.(*Worker).run+0x3b\t\t/home/build/src/shop/orders/worker.go:1707\n\
        #\t0x6d2a5c\texample.com/shop/orders.(*Server).Start.func1+0x1f4\t/home/build/src/shop/orders/server.go:52\n\n\
        2 @ 0x43a1b6 0x6d2a5c\n#\t0x6d2a5c\tmain.main+0x1\t/src/main.go:19\n";
    let told = |text: &str| {
        let found = dumps(text);
        let [dump] = &found[..] else { panic!("{} dumps in\n{text}", found.len()) };
        let frames =
            |group: &Group| group.frames.iter().map(|f| format!("{}:{}", f.function, f.line)).collect::<Vec<_>>();
        let groups = dump.summary.groups.iter();
        groups.map(|group| (group.count, frames(group), group.frames[0].file.clone())).collect::<Vec<_>>()
    };
    let whole = told(text);
    assert_eq!((whole.len(), whole[0].1.len(), &whole[0].2[..]), (2, 2, "/home/build/src/shop/orders/worker.go"));
    for text in [text, &text.replace('\t', "    ")] {
        for column in 40..120 {
            let broken =
                |line: &str| line.as_bytes().chunks(column).map(<[u8]>::to_vec).collect::<Vec<_>>().join(&b'\n');
            let lines: Vec<_> = text.lines().map(broken).collect();
            let broken = String::from_utf8(lines.join(&b'\n')).unwrap();
            assert_eq!(told(&broken), whole, "{column}\n{broken}");
        }
    }
    // A near miss: what follows is another's.
    let followed = text.replace(":19\n", ":19\nINFO ready\n") + "\n" + &stack(7, "f");
    assert_eq!(dumps(&followed).len(), 2);
}

#[test]
fn what_goward_said_is_evidence() {
    let text = format!("2026-11-23T05:55:22Z INFO goward: SIGTERM from outside the container\n{}", stack(1, "main"));
    assert_eq!(dumps(&text)[0].signal.as_deref(), Some("SIGTERM"));
    let quit =
        format!("WARN goward: the server still runs: sending SIGQUIT for a goroutine dump\n{}", stack(1, "main"));
    assert_eq!(dumps(&quit)[0].signal, None);
}

#[test]
fn prefixes_of_others_do_not_matter() {
    let text = "web-1  | goroutine 1 [select]:\nweb-1  | main.main()\ndb-1   | main.other()\nweb-1  | \t/m.go:3 +0x1\n";
    let found = dumps(text);
    assert_eq!(found.iter().map(functions).collect::<Vec<_>>(), [["main.main"]]);
}

/// A dump by a signal, of these goroutines.
fn signalled(goroutines: &str) -> String {
    format!("SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\n{goroutines}\nrax    0x0\ngs     0x0\n")
}

/// Whether what is found is one dump that is whole, or not.
fn is_whole(text: &str) -> bool {
    let found = dumps(text);
    let [dump] = &found[..] else { panic!("{} dumps in\n{text}", found.len()) };
    !dump.summary.cut
}

/// No process has two goroutines of a number.
#[test]
fn lines_of_processes_that_nothing_tells_apart() {
    let (one, two) = (stack(1, "main") + "\n", stack(2, "f") + "\n");
    let mixed = signalled(&[&one[..], &one, &two, &two].concat());
    for text in [&mixed, &format!("SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\n{mixed}")] {
        let found = dumps(text);
        let [dump] = &found[..] else { panic!("{} dumps in\n{text}", found.len()) };
        assert!(dump.summary.is_mixed() && dump.summary.cut, "{text}");
    }
    // Near misses: one dump behind the other, with a reason and without one; stacks that one process has logged by and by.
    let logged = |id: u64| stack(id, "f").replace("[select]", "[running]") + "\n";
    for text in [
        signalled(&[&one[..], &two].concat()).repeat(2),
        [&one[..], &two, &one, &two].concat(),
        [logged(7), one.clone(), two.clone(), logged(8), one.clone(), two.clone()].concat(),
    ] {
        let found = dumps(&text);
        assert_eq!(found.iter().filter(|dump| dump.summary.is_mixed()).count(), 0, "{text}");
        assert_eq!(found.len(), 2, "{text}");
    }
    let log = [logged(7), logged(8), logged(7), logged(8)].concat();
    assert!(dumps(&log).iter().all(|dump| !dump.summary.is_mixed() && dump.summary.user == 1), "{log}");
}

/// Of what is not there nothing is known.
#[test]
fn lines_that_are_lost_inside_a_dump() {
    let (one, two) = (stack(1, "main"), stack(2, "f"));
    let created = "created by main.main in goroutine 1\n\t/src/main.go:9 +0x1\n";
    let between = |words: &str| signalled(&format!("{one}{words}\n{two}{created}"));
    for words in [
        "\n-- suppressed 14 messages --\n",
        "[... truncated ...]\n",
        "\nNov 23 05:55:22 host systemd-journald[3]: Suppressed 14 messages from web\n",
    ] {
        assert!(!is_whole(&between(words)), "{words}");
        let prefixed = |text: &str| text.lines().map(|line| format!("web-1  | {line}\n")).collect::<String>();
        assert!(!is_whole(&prefixed(&between(words))), "{words}");
    }
    assert!(is_whole(&between("")) && is_whole(&between("\n2026/11/23 05:55:22 the queue has dropped 14 messages\n")));
    // The frames of a goroutine whose header is lost are none of another one's.
    for lost in [
        signalled(&format!("{one}\n{two}").replace("goroutine 2 [select]:\n", "")),
        signalled(&format!("{one}{created}\n{two}").replace("goroutine 2 [select]:\n", "")),
    ] {
        let found = dumps(&lost);
        assert!(found.len() == 1 && found[0].summary.cut, "{lost}");
        assert_eq!(functions(&found[0]), ["main.main"], "{lost}");
    }
    let tail = format!("main.g(0x1)\n\t/src/main.go:3 +0x1\n\n{one}");
    assert!(!is_whole(&tail) && is_whole(&tail.replace("\n\n", "\nready\n")));
    // Near misses: every other line is empty; a function's name alone in the log.
    assert!(is_whole(&signalled(&format!("{one}\n{two}{created}")).replace('\n', "\n\n")));
    assert!(is_whole(&between("\nmain.work()\n")));
}

/// A record that was cut shows what is there, and that it was cut; of its last line nobody knows whether it is whole.
#[test]
fn a_record_that_was_cut() {
    let stacks = [stack(1, "main"), stack(2, "f")].join("\n");
    let text = serde_json::json!({"msg": "hung", "stack": stacks}).to_string();
    let whole = dumps(&(text.clone() + "\n"));
    assert!(whole.len() == 1 && !whole[0].summary.cut);
    for end in [text.len() - 8, text.len() - 30] {
        for after in ["", "\n{\"msg\":\"bye\"}\n"] {
            let found = dumps(&format!("{}{after}", &text[..end]));
            assert_eq!(found.len(), 1, "{end}");
            assert!(found[0].summary.cut && found[0].summary.user == 2, "{end}");
        }
    }
}

#[test]
fn what_is_no_dump_is_named() {
    let mut core = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    let cases: &[(&[u8], Option<Foreign>)] = &[
        (b"", Some(Foreign::Empty)),
        (b"all is well\n", None),
        (b"==================\nWARNING: DATA RACE\nRead at 0x00c000 by goroutine 7:\n  main.f()\n      /m.go:1 +0x1\n", Some(Foreign::Race)),
        (b"Full thread dump OpenJDK 64-Bit Server VM\n\n\"main\" #1 prio=5 tid=0x1 nid=0x2 waiting\n", Some(Foreign::Java)),
        (b"Traceback (most recent call last):\n  File \"a.py\", line 1\n", Some(Foreign::Python)),
        (b"Thread 0x00007f (most recent call first):\n", Some(Foreign::Python)),
        (b"* Goroutine 1 - User: ./main.go:12 main.main (0x49)\n  Goroutine 2 - User: ./p.go:1 runtime.gopark (0x43)\n", Some(Foreign::Delve)),
        (b"heap profile: 1: 2 [3: 4] @ heap/1048576\n", Some(Foreign::OtherProfile)),
        (b"[pid 7] futex(0xc000, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>\n[pid 8] read(3, \"\", 1) = 0\nclose(3) = 0\n", Some(Foreign::Strace)),
        (b"#0  0x0000000000403ce3 in runtime.futex () at sys_linux_amd64.s:557\n#1  0x000000000040 in runtime.futexsleep (a=1)\n", Some(Foreign::Gdb)),
        (b"\x0a\x04\x08\x01\x10\x02\x12\x80goroutine\n", Some(Foreign::Profile)),
        (b"go 1.27 trace\0\0\0", Some(Foreign::Trace)),
        (b"\x28\xb5\x2f\xfd\x24", Some(Foreign::Compressed)),
        (b"{\"level\":\"error\",\"stacktrace\":\"main.f\\n\\t/src/main.go:7\"}\n", Some(Foreign::LoggedStack)),
        (&core.clone(), Some(Foreign::Core)),
    ];
    let told = |bytes: &[u8]| {
        let mut reader = LogReader::new(&Program::default());
        reader.feed(bytes, &mut |dump| panic!("{dump:?}"));
        reader.finish(&mut |dump| panic!("{dump:?}"));
        reader.foreign()
    };
    for (bytes, foreign) in cases {
        assert_eq!(told(bytes), *foreign, "{}", String::from_utf8_lossy(bytes));
    }
    core[16] = 2;
    assert_eq!(told(&core), Some(Foreign::Program));
}

/// Text that is encoded, and no dump.
#[test]
fn what_is_encoded_and_no_dump() {
    let mail = "Content-Transfer-Encoding: base64\n\n";
    for text in [
        // "all is well\n", and digits that say nothing.
        &format!("{mail}YWxsIGlzIHdlbGwK\n"),
        "Z29yb3V0aW5lIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
        "GET /?a=1%0Ab=2%0Agoroutine HTTP/1.1\n",
        "GET /search?q=goroutine%201%20%5Bselect%5D%3A HTTP/1.1\n",
        "GET /?q=goroutine+1%0A+%5Bselect%5D%3A%0Amain HTTP/1.1\n",
        "GET /?q=%67oroutine&r=%0A%zz%\n",
    ] {
        assert!(dumps(text).is_empty(), "{text}");
    }
}

/// What is beside a value is none of it, and what stands for itself in it stays.
#[test]
fn a_dump_in_a_url() {
    let stack = "goroutine%207%20%5Bselect%5D%3A%0Amain.f(0x1%3F)%0A%09%2Fsrc%2Fa+b%2Fmain.go%3A7%20%2B0x1%0A";
    let found = dumps(&format!("GET /x?a=%0Agoroutine&stack={stack}&b=c HTTP/1.1\n"));
    let [dump] = &found[..] else { panic!("{found:?}") };
    assert_eq!((functions(dump), &dump.summary.groups[0].frames[0].file[..]), (vec!["main.f"], "/src/a+b/main.go"));
    let form = stack.replace("%20", "+").replace("a+b", "a%20b");
    assert_eq!(dumps(&form)[0].summary.groups[0].frames[0].file, "/src/a b/main.go");
}

/// A dump with lines that are longer than any terminal's.
const LONG: &str = "SIGQUIT: quit
PC=0x4774a1 m=0 sigcode=0

goroutine 1 gp=0xc000002380 m=nil [sync.WaitGroup.Wait, 12 minutes, locked to thread] {\"route\": \"/api/v1/carts\"}:
github.com/acme/shop/internal/inventory/warehouse.(*ReservationQueue[...]).waitForReservations(0xc0001a2000, {0xc0003c4018, 0x2a}, 0x1?)
\t/home/runner/go/pkg/mod/github.com/acme/shop@v1.24.3/internal/inventory/warehouse/reservations.go:1287 +0x1b8
main.main()
\t/src/main.go:41 +0x1b8

goroutine 7 gp=0xc000003500 m=nil [chan receive]:
github.com/acme/shop/internal/inventory/warehouse.(*ReservationQueue[...]).follow(...)
\t/home/runner/go/pkg/mod/github.com/acme/shop@v1.24.3/internal/inventory/warehouse/reservations.go:1312
created by github.com/acme/shop/internal/inventory/warehouse.(*ReservationQueue[...]).waitForReservations.func1 in goroutine 12
\t/home/runner/go/pkg/mod/github.com/acme/shop@v1.24.3/internal/inventory/warehouse/reservations.go:1290 +0x5d

rax    0x0
gs     0x0
";

/// All that is told of goroutines.
fn told(found: &[Dump]) -> String {
    let group = |group: &crate::goroutines::Group| format!("{group:#?}\n");
    found.iter().flat_map(|dump| &dump.summary.groups).map(group).collect()
}

#[test]
fn lines_that_were_broken_at_a_column() {
    let whole = dumps(LONG);
    assert_eq!(whole[0].summary.user, 2);
    let broken = |column: usize| -> String {
        let parts = |line: &str| {
            line.as_bytes().chunks(column).map(|part| String::from_utf8_lossy(part) + "\n").collect::<String>()
        };
        LONG.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { parts(line) }).collect()
    };
    let wrong: Vec<usize> = (64..160).filter(|column| told(&dumps(&broken(*column))) != told(&whole)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // What stands before a line is told from it, and a terminal breaks the two as one.
    let quoted: String = broken(72).lines().map(|line| format!("> {line}\n")).collect();
    assert_eq!(told(&dumps(&quoted)), told(&whole));
}

/// Lines of others inside a dump are no part of it, however they look.
#[test]
fn lines_of_others_are_not_joined() {
    let frame = "github.com/acme/shop/internal/inventory/warehouse.(*Queue).follow";
    let place = "/home/runner/go/pkg/mod/github.com/acme/shop@v1.24.3/internal/inventory/queue.go:12";
    let dump = |between: &str| {
        let text = format!(
            "goroutine 7 [select]:\n{frame}(...)\n\t{place}\n{between}created by {frame} in goroutine 1\n\t{place} +0x1\n\ngoroutine 1 [select]:\nmain.main()\n\t/src/main.go:3 +0x1\n"
        );
        told(&dumps(&text))
    };
    for between in [
        "34\n",
        "+0x5 is free\n",
        "done\n",
        "a\n/b/c/main.go\n",
        &format!("{}\n", "x".repeat(200)),
        "goroutine 3 is well\n",
    ] {
        assert_eq!(dump(between), dump(""), "{between:?}");
    }
}

/// What lines are made of, good and bad.
const FRAGMENTS: &[&str] = &[
    "goroutine 1 [running]:",
    "goroutine 7 [select, 3 minutes]:",
    "main.main()",
    "\t/src/main.go:7 +0x1",
    "created by main.f in goroutine 1",
    "SIGQUIT: quit",
    "PC=0x1 m=0 sigcode=0",
    "panic: boom",
    "\n",
    "\n",
    "\n",
    "\n\n",
    "web-1  | ",
    "cart-1 | ",
    "2026-11-23T05:55:22.1Z ",
    "stderr P ",
    "stderr F ",
    "{\"log\":\"",
    "\"}",
    "\\n",
    "\\t",
    "\"",
    "\"\"",
    "[",
    "{",
    "]",
    "}",
    ":",
    ",",
    "    ",
    "<br>",
    "&lt;",
    "\u{1b}[31m",
    "\u{1b}[",
    "#012",
    "goroutine profile: total 3",
    "3 @ 0x1 0x2",
    "#\t0x1\tmain.f+0x1\t/a.go:1",
    "12:",
    "13-",
    "> ",
    "MESSAGE=",
    "[103,111,114,111,117,116,105,110,101]",
    "Content-Transfer-Encoding: base64\n\n",
    "Z29yb3V0aW5lIDEgW3NlbGVjdF06Cm1haW4uZigp\n",
    "goroutine%201%20%5Bselect%5D%3A%0A",
    "goroutine+7+[select]:%0A",
    "main.f()%0A%09/a.go:1",
    "github.com/acme/shop/internal/inventory.(*Queue).follow",
    "\t/home/runner/go/pkg/mod/github.com/acme/shop/queue.go:12",
    "created by github.com/acme/shop/internal/inventory.New",
    "\t115:55:c\n",
    "i()\n",
    " i()\n",
    "  lg:1=0\n",
    "\n\ngoroutine 9 [t]:\n",
    "34 +0x5d",
    "\\ud83d",
    "\\x",
    "\\0",
    "goroutine ",
    "\n\t/src/main.go:7 +0x1\nmain.main()\ngoroutine 7 [select]:\n",
    "gs     0x0\n",
    "-- suppressed 14 messages --\n",
    "82 <40>1 ",
    "web-1  | {\"log\":\"goroutine 1 [running]:\\n\"}\n",
    "[\"goroutine 1 [running]:\", \"",
    "MjAyNi8xMS8yMyAwNTo1NToyMiBzaHV0dGluZyBkb3duIGFuZCB3YWl0aW5n\n",
    "é",
    "\u{a0}",
    "...",
    "\r\n",
    "\0",
];

/// All that is said of a log that comes in pieces of a size.
fn said(bytes: &[u8], size: usize) -> String {
    let mut text = String::new();
    let mut reader = LogReader::new(&Program::default());
    bytes.chunks(size).for_each(|piece| reader.feed(piece, &mut |dump| text.push_str(&format!("{dump:?}\n"))));
    reader.finish(&mut |dump| text.push_str(&format!("{dump:?}\n")));
    // Of one with a dump nobody asks what it is.
    if text.is_empty() { format!("{:?}", reader.foreign()) } else { text }
}

/// Lines that look like the runtime's own, but for what is in the middle or at the end.
#[test]
fn lines_that_are_nearly_plain_are_read_alike_in_any_size() {
    for line in [
        "created by main.f in goroutine 1SIGQUIT: quit",
        "\n\ngoroutine 1 [running]:<br>goroutine 1 [running]:",
        "\n\ngoroutine 1 [running]:#012:",
        "main.f(0x1)<br>main.g(0x2)",
        "\t/a.go:1<br>\t/b.go:1f",
        "main.f(0x1)\u{1b}[31mmain.g(0x2)",
        "main.f(0x1)\\nmain.g(0x2)",
        "main.f(0x1&gt;)",
    ] {
        let log = format!("goroutine 1 [running]:\r\n\n{line}\n");
        assert_eq!(said(log.as_bytes(), 1), said(log.as_bytes(), usize::MAX), "{line:?}");
    }
}

/// Lines of a stack that nearly are the runtime's, or are and come where a line of it was interrupted. In pieces they are read
/// line by line.
#[test]
fn lines_that_the_runtime_nearly_prints_are_read_alike_in_any_size() {
    for line in [
        "\t115:55:c",
        "  lg:1=0",
        "\t /:38 pc=0x45",
        "\t^I/a.go:1 +0x1",
        "\tcreated by main.f:1",
        "\tx:1",
        "\t/a.go:1 0xc",
        "\t/a.go:1 +0x",
        "\t/a.go:1 +0x1",
        "main.f(0x1",
        "main.f(maybe)",
        "main.f(0x1, )",
        "main.f(0x1)",
        "created by main.f in goroutine x1",
        "created by main.f in goroutines",
        "created by main.f in goroutine 1",
        "created by main.f",
        "goroutine \nmain.g(0x1)\n\t/a.go:2 +0x1\n7 [select]:",
        "main.g({0x1, \nmain.h(0x1)\n\t/a.go:3 +0x1",
    ] {
        for head in ["\\\n", ""] {
            for tail in ["\n", "\n\ngoroutine 9 [t]:\n", "\n\t/b.go:2 +0x1\n\ngoroutine 9 [t]:\nmain.i()\n"] {
                for frame in ["i()", " i()"] {
                    let log = format!("{head}goroutine 1 [i]:\n{frame}\n{line}{tail}");
                    for size in [1, 7, 29, 31] {
                        assert_eq!(said(log.as_bytes(), size), said(log.as_bytes(), usize::MAX), "{size}: {log:?}");
                    }
                }
            }
        }
    }
}

/// Lines of a stack, for damage.
const LINES: &[&str] = &[
    "goroutine 7 [chan receive, 3 minutes]:",
    "goroutine 7 [select] {a: \"b\"}:",
    "main.(*worker).run(0xc000123, {0x1, 0x2?})",
    "main.generic[...](...)",
    "created by main.main in goroutine 1",
    "created by main.main",
    "\t/src/main.go:26 +0x45",
    "\tmain.go:26",
    "\t/src/main.go:26 fp=0x1 sp=0x2 pc=0x3",
    "\tgithub.com/acme/shop/queue.go:12 pc=0x45",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20000))]

    /// What is taken without a look is what looking would have made of it.
    #[test]
    fn plain_lines_are_normal(
        line in 0..LINES.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..3u8, proptest::sample::select(b" \t#01^I=9:()[]{}+x.,/ag?".to_vec())), 0..4),
    ) {
        let mut line = LINES[line].as_bytes().to_vec();
        for (at, kind, byte) in edits {
            let at = at.index(line.len().max(1));
            match kind {
                0 => line.insert(at.min(line.len()), byte),
                1 if at < line.len() => line[at] = byte,
                _ if at < line.len() => _ = line.remove(at),
                _ => {}
            }
        }
        if is_plain(&line, true) && !line.is_empty() {
            let (text, sort) = normal::normal(&line);
            prop_assert_eq!(&*text, &line[..]);
            prop_assert!(matches!(sort, Sort::Header { .. } | Sort::Stack), "{:?}", sort);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Whatever comes, it comes to an end, and how it is cut into reads changes nothing.
    #[test]
    fn reads_of_any_size_say_the_same(parts in proptest::collection::vec(0..FRAGMENTS.len(), 0..60), size in 1..40usize) {
        let text: String = parts.iter().map(|at| FRAGMENTS[*at]).collect();
        prop_assert_eq!(said(text.as_bytes(), size), said(text.as_bytes(), usize::MAX));
    }

    #[test]
    fn any_bytes_say_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1..20usize) {
        prop_assert_eq!(said(&bytes, size), said(&bytes, usize::MAX));
    }
}
