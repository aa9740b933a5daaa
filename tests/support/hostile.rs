//! What somebody may write to a server's log to keep its reader busy: each input about as long as it is told to be, and each in
//! the place where something was, or could be, read again and again. Beside them what looks the same and is harmless.

/// The beginning of a dump, as far as its first goroutine.
const HEAD: &str = "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\ngoroutine 1 [select]:\n";

/// An input of a size in bytes.
pub(crate) type Make = fn(usize) -> Vec<u8>;

/// All of them, by name.
pub(crate) const ALL: &[(&str, Make)] = &[
    ("frames without end", |n| lines(HEAD, n, |_| "a.b.c.d(".into())),
    ("frames without end, of a log", |n| lines("", n, |_| "a.b.c.d(".into())),
    ("names without dots", |n| lines(HEAD, n, |_| "a".repeat(1000))),
    ("a long name, then its end", |n| {
        lines(HEAD, n, |i| if i == 0 { format!("{}.", "a".repeat(500)) } else { "b.c.".into() })
    }),
    ("names of dots", |n| lines(HEAD, n, |_| "a.".repeat(500))),
    ("labels without end", |n| {
        lines(HEAD, n, |i| if i == 0 { "goroutine 1 [a] {".into() } else { "}{a} ".repeat(180) })
    }),
    ("labels without end, by two bytes", |n| {
        lines(HEAD, n, |i| if i == 0 { "goroutine 1 [a] {".into() } else { "}}".into() })
    }),
    ("states without end", |n| lines(HEAD, n, |_| format!("goroutine 1 [{}", "a ".repeat(450)))),
    ("states and what follows", |n| lines(HEAD, n, |_| format!("goroutine 1 [a{}", " (leaked)".repeat(100)))),
    ("headers without end", |n| lines(HEAD, n, |_| "goroutine 1 [a a a a".into())),
    ("creators", |n| lines(HEAD, n, |_| format!("created by {}", "a.b".repeat(300)))),
    ("creators without end", |n| lines(HEAD, n, |_| "created by a.b c".into())),
    ("places", |n| lines(HEAD, n, |i| if i % 2 == 0 { "a.b()".into() } else { "\t/a:/a:/a:1".into() })),
    ("places without end", |n| lines(HEAD, n, |i| if i == 0 { "a.b()".into() } else { "\t/a:/a:/a:1 ".into() })),
    ("places, long", |n| {
        lines(HEAD, n, |i| if i == 0 { "a.b()".into() } else { format!("\t{} ", "/a:1".repeat(250)) })
    }),
    ("registers", |n| lines(HEAD, n, |_| "rax    0x0".into())),
    ("registers, torn", |n| lines(HEAD, n, |i| if i % 2 == 0 { "rax    ".into() } else { "0x0 ".into() })),
    ("arguments", |n| lines(HEAD, n, |_| format!("a.b({})", "0x1, ".repeat(200)))),
    ("arguments without end", |n| lines(HEAD, n, |_| format!("a.b({}", "0x1, ".repeat(200)))),
    ("arguments of 60 KB", |n| lines(HEAD, n, |_| format!("a.b({}", "0x1, ".repeat(12_000)))),
    ("brackets that do not match", |n| {
        lines(HEAD, n, |i| if i == 0 { format!("a.b({}", "{".repeat(900)) } else { ")".into() })
    }),
    ("brackets again", |n| {
        lines(HEAD, n, |i| if i % 60 == 0 { format!("a.b({}", "{".repeat(900)) } else { ")".into() })
    }),
    ("empty lines", |n| lines(HEAD, n, |_| String::new())),
    ("lines of a byte", |n| lines(HEAD, n, |_| "x".into())),
    ("a name by the byte", |n| lines(HEAD, n, |i| if i == 0 { "a.b".into() } else { "a".into() })),
    ("different stacks", |n| lines(HEAD, n, |i| format!("goroutine {i} [select]:\nmain.f{i}()\n\t/m.go:1 +0x1"))),
    ("different states", |n| lines(HEAD, n, |i| format!("goroutine {i} [{}]:", word(i)))),
    ("headers", |n| lines(HEAD, n, |_| "goroutine 1 [a]:".into())),
    ("frames", |n| lines(HEAD, n, |_| "a.b()".into())),
    ("left out frames", |n| lines(HEAD, n, |_| "...1 frames elided...".into())),
    ("deep stacks", |n| {
        lines(HEAD, n, |i| if i % 120 == 0 { format!("goroutine {i} [a]:") } else { format!("a.b{i}()\n\t/m:1") })
    }),
    ("long labels", |n| lines(HEAD, n, |i| format!("goroutine {i} [{}] {{{}}}:", word(i), "l".repeat(3000)))),
    ("long functions", |n| lines(HEAD, n, |i| format!("goroutine {i} [a]:\na.b{i}{}()\n\t/m.go:1", "c".repeat(3000)))),
    ("dumps of nothing", |n| lines("", n, |_| "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0".into())),
    ("dumps of one goroutine", |n| lines("", n, |_| HEAD.trim_end().into())),
    ("first lines", |n| lines("", n, |_| "SIGQUIT: quit".into())),
    ("a first line and notes", |n| lines("SIGQUIT: quit\n", n, |_| "instruction bytes: 0x1".into())),
    ("first lines and frames", |n| {
        lines("", n, |i| if i % 30 == 0 { "SIGQUIT: quit".into() } else { "a.b.c.d(".into() })
    }),
    ("almost a first line", |n| lines("", n, |i| if i % 2 == 0 { "PC=".into() } else { "SIG".into() })),
    ("almost a first line, then one without end", |n| [b"PC=\n".repeat(n / 8), vec![b'x'; n / 2]].concat()),
    ("no line at all", |n| vec![b'S'; n]),
    ("no line at all in a dump", |n| [HEAD.as_bytes(), &vec![b'a'; n]].concat()),
    ("stacks that are not to be had", |n| {
        let unavailable =
            |i| format!("goroutine {i} [running]:\n\tgoroutine running on other thread; stack unavailable");
        let mut text = lines(HEAD, n / 2, unavailable);
        text.extend(b"\nrax    0x0\ngs     0x0\n-----\nSIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\n");
        text.extend(lines("", n / 2, |i| format!("goroutine {} [a]:", i + 1_000_000)));
        text
    }),
    ("mutexes", |n| {
        lines(HEAD, n, |i| {
            let (kind, line) = (i % 3, i % 2000);
            format!(
                "goroutine {i} [sync.Mutex.Lock]:\nsync.(*Mutex).Lock(0x{i:x})\n\t/s.go:1 +0x1\nmain.(*t{kind}).f()\n\
                 \t/m.go:{line} +0x1\ncreated by main.main in goroutine 1\n\t/m.go:1 +0x1\n"
            )
        })
    }),
    ("a chain of who waits for whom", |n| {
        lines(HEAD, n, |i| {
            let before = i.checked_sub(1).map_or("main".to_owned(), |i| format!("f{i}"));
            format!(
                "goroutine {} [sync.WaitGroup.Wait]:\nsync.(*WaitGroup).Wait(0x1)\n\t/s.go:1 +0x1\nmain.f{i}()\n\t/m.go:{i} \
                 +0x1\ncreated by main.{before} in goroutine 1\n\t/m.go:1 +0x1\n",
                i + 1
            )
        })
    }),
    ("handlers", |n| {
        lines(&HEAD.replace(":\n", ":\nnet/http.(*Server).Shutdown(0x1)\n\t/s.go:1 +0x1\n"), n, |i| {
            format!(
                "goroutine {} [sync.Mutex.Lock]:\nsync.(*Mutex).Lock(0x{i:x})\n\t/s.go:1 +0x1\nmain.f{i}()\n\t/m.go:{i} +0x1\n\
                 net/http.serverHandler.ServeHTTP()\n\t/h.go:1 +0x1\ncreated by net/http.(*Server).Serve in goroutine 1\n\
                 \t/m.go:1 +0x1\n",
                i + 2
            )
        })
    }),
    ("a log in a dump", |n| {
        lines(HEAD, n, |i| format!("2026/11/23 05:55:22 request {i} took 12ms, answered with 200"))
    }),
    ("a log in JSON in a header", |n| {
        lines(HEAD, n, |i| format!("goroutine {{\"time\":\"2026-11-23T22:00:00Z\",\"status\":{i}}}"))
    }),
    ("a log", |n| lines("", n, |i| format!("2026/11/23 05:55:22 request {i} took 12ms, answered with 200"))),
];

/// A text of that many bytes or a line more.
fn lines(head: &str, n: usize, line: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = head.to_owned();
    for i in 0.. {
        if text.len() >= n {
            break;
        }
        text.push_str(&line(i));
        text.push('\n');
    }
    text.into_bytes()
}

/// A word for a number.
fn word(mut i: usize) -> String {
    let mut word = String::from("a");
    while i > 0 {
        word.push(char::from(b'a' + (i % 26) as u8));
        i /= 26;
    }
    word
}
