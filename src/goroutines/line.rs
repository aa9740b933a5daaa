//! One whole line of a dump, as the runtime prints it. Strict: a line that is taken for one of the runtime's is not shown to
//! the reader of the log any more.

use super::UNSURE;
use memchr::{memchr, memrchr};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Blank,
    /// `SIGQUIT: quit`
    Signal,
    /// `PC=0x48a921 m=0 sigcode=0`
    Pc,
    /// `goroutine 7 [chan receive, 3 minutes]:`
    Header(Header<'a>),
    /// `runtime stack:`, what a fatal error on a system stack has in place of a goroutine.
    RuntimeStack,
    /// `net/http.(*Server).Serve(0xc000, {0x1, 0x2})`
    Frame {
        function: &'a [u8],
        arguments: &'a [u8],
    },
    /// `<tab>/src/main.go:26 +0x45`, and whether the offset is there, which no log line has.
    Place {
        at: &'a [u8],
        certain: bool,
    },
    /// `created by main.main in goroutine 1`
    Created {
        function: &'a [u8],
        parent: Option<u64>,
    },
    /// `...406 frames elided...`, or 0 for `...additional frames elided...`, which is where the runtime stopped.
    Elided(u32),
    /// `<tab>goroutine running on other thread; stack unavailable`
    Unavailable,
    /// `[originating from goroutine 1]:`
    Ancestor,
    /// `rip    0x40e20c`, and whether it is the last.
    Register {
        last: bool,
    },
    /// `-----`, between the threads' dumps of GOTRACEBACK=crash.
    Separator,
    /// Surely the runtime's, and of no use here.
    Note,
}

/// The head of a goroutine's block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) id: u64,
    pub(super) state: &'a [u8],
    pub(super) minutes: u32,
    pub(super) locked: bool,
    pub(super) leaked: bool,
    pub(super) durable: bool,
    pub(super) bubble: Option<u64>,
    pub(super) labels: Option<&'a [u8]>,
}

/// What stands before a stack that is no goroutine's: the scheduler's, an ancestor's.
pub(super) const NOBODY: Header<'static> = Header {
    id: 0,
    state: b"idle",
    minutes: 0,
    locked: false,
    leaked: false,
    durable: false,
    bubble: None,
    labels: None,
};

/// Understands a line, which comes without its end.
pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    match line {
        [] => Some(Line::Blank),
        [b'\t', rest @ ..] => place(rest),
        [b'g', b'o', b'r', b'o', ..] if line.starts_with(b"goroutine ") => header(line).map(Line::Header),
        [b'c', b'r', ..] if line.starts_with(b"created by ") => created(line),
        [.., b')'] => frame(line),
        [b'.', b'.', b'.', ..] => elided(line),
        [b'S', b'I', b'G', ..] => is_signal(line).then_some(Line::Signal),
        [b'P', b'C', b'=', ..] => is_pc(line).then_some(Line::Pc),
        b"runtime stack:" => Some(Line::RuntimeStack),
        b"-----" => Some(Line::Separator),
        b"signal arrived during cgo execution" | b"[signal arrived during cgo execution]" => Some(Line::Note),
        [b'[', ..] => bracketed(line),
        [b'n', ..] => line.strip_prefix(b"non-Go function at pc=").filter(|pc| is_hex(pc)).map(|_| Line::Note),
        [b'i', ..] => {
            let mut bytes = line.strip_prefix(b"instruction bytes: ")?.split(|b| *b == b' ');
            bytes.all(is_hex).then_some(Line::Note)
        }
        _ => register(line),
    }
}

/// The tokens that begin a dump: what the runtime calls the signals that it dies of.
pub(super) const SIGNALS: [&[u8]; 10] = [
    b"SIGQUIT: quit",
    b"SIGABRT: abort",
    b"SIGSEGV: segmentation violation",
    b"SIGBUS: bus error",
    b"SIGILL: illegal instruction",
    b"SIGFPE: floating-point exception",
    b"SIGTRAP: trace trap",
    b"SIGSYS: bad system call",
    b"SIGSTKFLT: stack fault",
    b"SIGEMT: emulate instruction executed",
];

fn is_signal(line: &[u8]) -> bool {
    SIGNALS.contains(&line)
}

fn is_pc(line: &[u8]) -> bool {
    let numbers = || {
        let rest = hex(line.strip_prefix(b"PC=")?)?;
        let rest = decimal(rest.strip_prefix(b" m=")?)?.1;
        let rest = rest.strip_prefix(b" sigcode=")?;
        let rest = decimal(rest.strip_prefix(b"-").unwrap_or(rest))?.1;
        rest.strip_prefix(b" addr=").map_or(Some(rest), hex)
    };
    numbers() == Some(b"")
}

fn header(line: &[u8]) -> Option<Header<'_>> {
    let (id, rest) = decimal(line.strip_prefix(b"goroutine ")?)?;
    let rest = match rest.strip_prefix(b" gp=") {
        None => rest,
        Some(rest) => {
            let rest = hex(rest)?.strip_prefix(b" m=")?;
            match rest.strip_prefix(b"nil") {
                Some(rest) => rest,
                None => hex(decimal(rest)?.1.strip_prefix(b" mp=")?)?,
            }
        }
    };
    let rest = rest.strip_prefix(b" [")?;
    let (status, rest) = rest.split_at_checked(memchr(b']', rest)?)?;
    let labels = match rest.strip_prefix(b"]")?.strip_suffix(b":")? {
        b"" => None,
        labels => Some(labels.strip_prefix(b" ").filter(|l| l.starts_with(b"{") && l.ends_with(b"}"))?),
    };
    let mut header = Header { id, labels, ..NOBODY };
    let (mut state, mut rest) = comma(status);
    // In the order of goroutineheader, but a later Go may add some.
    loop {
        if let Some(before) = state.strip_suffix(b" (leaked)") {
            (state, header.leaked) = (before, true);
        } else if let Some(before) = state.strip_suffix(b" (durable)") {
            (state, header.durable) = (before, true);
        } else if let Some(before) = state.strip_suffix(b" (scan)") {
            state = before;
        } else {
            break;
        }
    }
    while let Some(more) = rest {
        let (word, next) = comma(more);
        if word == b"locked to thread" {
            header.locked = true;
        } else if let Some((minutes, b" minutes")) = decimal(word) {
            header.minutes = minutes.try_into().unwrap_or(u32::MAX);
        } else if let Some(bubble) = word.strip_prefix(b"synctest bubble ") {
            header.bubble = decimal(bubble).map(|(bubble, _)| bubble);
        }
        rest = next;
    }
    header.state = state;
    let printable = |b: &u8| matches!(b, b' '..=b'~');
    (!state.is_empty() && status.iter().all(printable)).then_some(header)
}

/// Up to the next comma, and what follows it.
fn comma(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b',', text).and_then(|at| text.split_at_checked(at)) {
        Some((word, rest)) => (word, rest.strip_prefix(b", ")),
        None => (text, None),
    }
}

fn created(line: &[u8]) -> Option<Line<'_>> {
    let rest = line.strip_prefix(b"created by ")?;
    // Since Go 1.21 with the creator's number.
    let (function, parent) = match memchr(b' ', rest).and_then(|at| rest.split_at_checked(at)) {
        None => (rest, None),
        Some((function, rest)) => match decimal(rest.strip_prefix(b" in goroutine ")?)? {
            (parent, b"") => (function, Some(parent)),
            _ => return None,
        },
    };
    is_function(function).then_some(Line::Created { function, parent })
}

fn frame(line: &[u8]) -> Option<Line<'_>> {
    let (function, arguments) = line.split_at_checked(memrchr(b'(', line)?)?;
    let arguments = arguments.strip_prefix(b"(")?.strip_suffix(b")")?;
    (is_function(function) && are_arguments(arguments)).then_some(Line::Frame { function, arguments })
}

/// The bytes of a function's name: a table, as most bytes of a dump are looked up here.
const OF_FUNCTION: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < table.len() {
        table[b] = matches!(b as u8, b'!' | b'#'..=b'z' | b'|' | b'~' | 0x80..);
        b += 1;
    }
    table
};

/// `main.(*Cart).Add`, `github.com/acme/shop.generic[...]`, `panic`, and C's.
fn is_function(name: &[u8]) -> bool {
    let is_plain = |text: &[u8]| text.iter().all(|b| OF_FUNCTION.get(usize::from(*b)) == Some(&true));
    match name {
        [] => false,
        // The compiler's own, like type:.eq.struct { A int }.
        [b't', b'y', b'p', b'e', b':', b'.', rest @ ..] => rest.split(|b| b" {}\"".contains(b)).all(is_plain),
        [first, ..] => (first.is_ascii_alphabetic() || *first == b'_' || *first >= 0x80) && is_plain(name),
    }
}

/// Words in hexadecimal, `{`, `}`, `...`, `_` and `?`, and nothing else.
fn are_arguments(text: &[u8]) -> bool {
    let mut depth = 0i32;
    for b in text {
        match b {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b'0'..=b'9' | b'a'..=b'f' | b'x' | b',' | b' ' | b'?' | b'.' | b'_' => {}
            _ => return false,
        }
    }
    depth == 0 && matches!(text, [] | [b'0' | b'{' | b'.' | b'_', ..])
}

fn place(rest: &[u8]) -> Option<Line<'_>> {
    // After the last colon there are only numbers.
    let Some((file, tail)) = memrchr(b':', rest).and_then(|at| rest.split_at_checked(at)) else {
        return match rest.strip_prefix(b"pc=") {
            Some(pc) => is_hex(pc).then_some(Line::Note),
            None => (rest == b"goroutine running on other thread; stack unavailable").then_some(Line::Unavailable),
        };
    };
    let (_, tail) = decimal(tail.strip_prefix(b":")?)?;
    let at = rest.get(..rest.len() - tail.len())?;
    let offset = match tail {
        b"" => Some(tail),
        _ => match tail.strip_prefix(b" pc=") {
            Some(pc) => hex(pc),
            // A goroutine that has not begun has a frame, and no offset in it (Go 1.27).
            None if tail.starts_with(b" fp=") => Some(tail),
            None => hex(tail.strip_prefix(b" +")?),
        },
    }?;
    let pointers = || hex(hex(hex(offset.strip_prefix(b" fp=")?)?.strip_prefix(b" sp=")?)?.strip_prefix(b" pc=")?);
    let whole = offset.is_empty() || pointers() == Some(b"");
    let sane = !file.is_empty() && file.iter().all(|b| *b >= b' ' && *b != 0x7f);
    (whole && sane).then_some(Line::Place { at, certain: !tail.is_empty() })
}

fn elided(line: &[u8]) -> Option<Line<'_>> {
    match decimal(line.strip_prefix(b"...")?) {
        Some((count, b" frames elided...")) => Some(Line::Elided(count.try_into().unwrap_or(u32::MAX))),
        Some(_) => None,
        None => (line == b"...additional frames elided...").then_some(Line::Elided(0)),
    }
}

fn bracketed(line: &[u8]) -> Option<Line<'_>> {
    match decimal(line.strip_prefix(b"[originating from goroutine ")?)? {
        (_, b"]:") => Some(Line::Ancestor),
        _ => None,
    }
}

fn register(line: &[u8]) -> Option<Line<'_>> {
    let (name, value) = line.split_at_checked(line.iter().take_while(|b| b.is_ascii_alphanumeric()).count())?;
    let padded = line.len() - value.trim_ascii_start().len();
    let known = REGISTERS.contains(&name) || is_numbered(name);
    (known && (7..=8).contains(&padded) && is_hex(value.trim_ascii_start()))
        .then_some(Line::Register { last: matches!(name, b"gs" | b"fault") })
}

/// Of amd64 and arm64, beside those with numbers.
pub(super) const REGISTERS: [&[u8]; 17] = [
    b"rax", b"rbx", b"rcx", b"rdx", b"rdi", b"rsi", b"rbp", b"rsp", b"rip", b"rflags", b"cs", b"fs", b"gs", b"lr",
    b"sp", b"pc", b"fault",
];

/// `r0` to `r29`.
fn is_numbered(name: &[u8]) -> bool {
    matches!(name, [b'r', b'0'..=b'9'] | [b'r', b'1'..=b'2', b'0'..=b'9'])
}

/// A number and what follows it.
pub(super) fn decimal(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits)?;
    let value = number.iter().try_fold(0u64, |sum, b| sum.checked_mul(10)?.checked_add((b - b'0').into()))?;
    (digits > 0).then_some((value, rest))
}

/// What follows `0x` and its digits.
pub(super) fn hex(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"0x")?;
    let digits = rest.iter().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).count();
    rest.get(digits..).filter(|_| digits > 0)
}

fn is_hex(text: &[u8]) -> bool {
    hex(text) == Some(b"")
}

/// The first argument, and whether the runtime is sure of it (`?` says that it is not).
pub(super) fn first_argument(arguments: &[u8]) -> Option<(u64, bool)> {
    let (value, rest) = number(arguments)?;
    Some((value, !rest.starts_with(b"?")))
}

/// The first two arguments, 0 for what is none or no number.
pub(super) fn first_arguments(arguments: &[u8]) -> [u64; 2] {
    let Some((first, rest)) = number(arguments) else { return [0, 0] };
    let after = rest.strip_prefix(b"?").unwrap_or(rest);
    let second = after.strip_prefix(b", ").and_then(number);
    let marked = |value: u64, rest: &[u8]| if value != 0 && rest.starts_with(b"?") { value | UNSURE } else { value };
    [marked(first, rest), second.map_or(0, |(second, rest)| marked(second, rest))]
}

/// A number in hexadecimal and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let rest = hex(text)?;
    let digits = text.get(2..text.len() - rest.len())?;
    let value = digits.iter().try_fold(0u64, |sum, b| {
        let digit = char::from(*b).to_digit(16)?;
        sum.checked_mul(16)?.checked_add(digit.into())
    })?;
    Some((value, rest))
}
