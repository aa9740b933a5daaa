//! Recognizes files that have no goroutine dump in them, and says what they are and what to fetch instead.

use super::normal::find;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Nothing at all.
    Empty,
    /// pprof's own format, with debug=0.
    Profile,
    /// debug=1 of another profile.
    OtherProfile,
    /// The race detector's.
    Race,
    /// strace, ltrace.
    Strace,
    /// An ELF file of type core.
    Core,
    /// Any other ELF file.
    Program,
    /// A thread dump of a JVM.
    Java,
    /// A traceback of Python.
    Python,
    /// Delve's list of goroutines.
    Delve,
    /// gdb's backtrace.
    Gdb,
    /// An execution trace.
    Trace,
    /// A compressed file, but for what the command unpacks.
    Compressed,
    /// A stack that a logger wrote, without a goroutine's header.
    LoggedStack,
}

impl Foreign {
    /// One sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Foreign::Empty => "it is empty",
            Foreign::Profile => {
                "it is a pprof profile in its binary form (debug=0), without states; fetch /debug/pprof/goroutine?debug=2 instead, or use goward dump"
            }
            Foreign::OtherProfile => {
                "it is a pprof profile, but not of goroutines; fetch /debug/pprof/goroutine?debug=2 instead, or use goward dump"
            }
            Foreign::Race => {
                "it is a report of the race detector: two stacks that use the same memory at once, no goroutine dump; what hangs is shown by goward dump or SIGQUIT"
            }
            Foreign::Strace => {
                "it is a trace of system calls (strace), which shows threads and not goroutines; use goward dump or SIGQUIT instead"
            }
            Foreign::Core => "it is a core dump: goward dump --core FILE reads it",
            Foreign::Program => "it is a program; goward dump shows the goroutines of one that runs",
            Foreign::Java => "it is a thread dump of Java, not of Go",
            Foreign::Python => "it is a traceback of Python, not of Go",
            Foreign::Delve => {
                "it is a list by the debugger Delve, without the runtime's states; use goward dump or SIGQUIT instead"
            }
            Foreign::Gdb => "it is a backtrace of threads by gdb; use goward dump or SIGQUIT to see goroutines",
            Foreign::Trace => {
                "it is an execution trace: go tool trace reads it; for stacks fetch /debug/pprof/goroutine?debug=2"
            }
            Foreign::Compressed => "it is compressed: unpack it first",
            Foreign::LoggedStack => {
                "it has the stack of a log line, without the state of a goroutine; use goward dump or SIGQUIT for all goroutines"
            }
        }
    }
}

/// Looks at what passes.
#[derive(Default)]
pub(super) struct Sorter {
    first: Option<Option<Foreign>>,
    counts: [u32; 8],
    lines: u32,
}

/// What it is shows early, or not at all.
const LINES: u32 = 20_000;

/// Each with what its lines have, and how many must have it.
const SIGNS: [(Foreign, u32); 8] = [
    (Foreign::Race, 1),
    (Foreign::Java, 1),
    (Foreign::Python, 1),
    (Foreign::Delve, 1),
    (Foreign::OtherProfile, 1),
    (Foreign::Gdb, 2),
    (Foreign::Strace, 3),
    (Foreign::LoggedStack, 1),
];

impl Sorter {
    pub(super) fn line(&mut self, line: &[u8]) {
        if self.first.is_none() && !line.is_empty() {
            // A message of protocol buffers begins with its first field, the types of its samples: its tag is a line feed.
            let profile = self.lines == 1 && line.first().is_some_and(|length| *length < b'\t');
            self.first = Some(if profile { Some(Foreign::Profile) } else { by_head(line) });
        }
        if self.lines >= LINES {
            return;
        }
        self.lines += 1;
        let head = line.get(..512).unwrap_or(line);
        for ((kind, _), count) in SIGNS.iter().zip(&mut self.counts) {
            *count = count.saturating_add(u32::from(is_of(*kind, head)));
        }
    }

    pub(super) fn verdict(&self) -> Option<Foreign> {
        let Some(first) = self.first else { return Some(Foreign::Empty) };
        let by_lines =
            SIGNS.iter().zip(self.counts).find(|((_, least), count)| count >= least).map(|((kind, _), _)| *kind);
        first.or(by_lines)
    }
}

/// By how a file begins.
fn by_head(line: &[u8]) -> Option<Foreign> {
    match line {
        // e_type of a core is 4, in either order of bytes.
        [0x7f, b'E', b'L', b'F', ..] => match line.get(16..18) {
            Some([4, 0] | [0, 4]) => Some(Foreign::Core),
            _ => Some(Foreign::Program),
        },
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'B', b'Z', b'h', b'1'..=b'9', ..] | [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            Some(Foreign::Compressed)
        }
        [b'P', b'K', 3, 4, ..] | [0x1f, 0x8b, ..] => Some(Foreign::Compressed),
        [b'g', b'o', b' ', b'1', b'.', ..] if find(line, b" trace").is_some() => Some(Foreign::Trace),
        _ => None,
    }
}

fn is_of(kind: Foreign, line: &[u8]) -> bool {
    let has = |part: &[u8]| find(line, part).is_some();
    match kind {
        Foreign::Race => has(b"WARNING: DATA RACE"),
        Foreign::Java => {
            has(b"Full thread dump ") || has(b"java.lang.Thread.State: ") || has(b" nid=0x") && has(b" prio=")
        }
        Foreign::Python => has(b"Traceback (most recent call last)") || has(b"(most recent call first):"),
        Foreign::Delve => has(b"Goroutine ") && has(b" - User: "),
        Foreign::OtherProfile => {
            has(b"heap profile: ") || has(b"threadcreate profile: ") || has(b"--- contention:") || has(b"--- mutex:")
        }
        Foreign::Gdb => line.trim_ascii_start().starts_with(b"#") && has(b" 0x") && has(b" in ") && has(b"("),
        Foreign::Strace => {
            let text = line.trim_ascii_end();
            let result = has(b") = ") || text.ends_with(b"<unfinished ...>") || has(b" resumed>");
            let calls = [
                &b"futex("[..],
                b"epoll_",
                b"read(",
                b"write(",
                b"mmap(",
                b"nanosleep(",
                b"openat(",
                b"close(",
                b"accept4(",
            ];
            result && calls.iter().any(|call| has(call)) || has(b" resumed>")
        }
        Foreign::LoggedStack => {
            let place =
                |end: &[u8]| find(line, end).and_then(|at| line.get(at + end.len())).is_some_and(u8::is_ascii_digit);
            has(b"\\n\\t/") && (has(b".go:")) || line.starts_with(b"\t/") && place(b".go:")
        }
        Foreign::Empty | Foreign::Profile | Foreign::Core | Foreign::Program | Foreign::Trace | Foreign::Compressed => {
            false
        }
    }
}
