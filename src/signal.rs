//! Signals as Linux numbers them, with the names people write. Pure: nothing is sent from here.
//!
//! nix's `Signal` ends at 31; users rewrite real-time signals too (systemd's `SIGRTMIN+3` stops a container).

use std::fmt;

/// A signal, 1 to 64. Real-time signals count from 34, as glibc, bash and `kill -l` do, whatever libc goward is built on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// The first real-time signal that users can have: 32 and 33 are the C library's own.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

/// Name and number of the standard signals. They are the same on every architecture goward is built for
/// (x86_64, aarch64, riscv64), see signal(7); MIPS and SPARC differ and are not built.
const NAMES: [(&str, u8); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// Other names that `kill` takes.
const ALIASES: [(&str, u8); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

macro_rules! named {
    ($($name:ident = $number:literal),* $(,)?) => {
        $(#[doc = concat!("SIG", stringify!($name))] pub const $name: Signal = Signal($number);)*
    };
}

impl Signal {
    named! {
        HUP = 1, INT = 2, QUIT = 3, ILL = 4, TRAP = 5, ABRT = 6, BUS = 7, FPE = 8, KILL = 9, USR1 = 10, SEGV = 11,
        PIPE = 13, ALRM = 14, TERM = 15, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20, TTIN = 21, TTOU = 22, URG = 23,
        XCPU = 24, XFSZ = 25, WINCH = 28, IO = 29, SYS = 31,
    }

    /// Every signal of Linux, in order.
    pub fn all() -> impl Iterator<Item = Signal> {
        (1..=RTMAX).map(Signal)
    }

    /// The signal of this number, if Linux has it.
    pub const fn new(number: i32) -> Option<Signal> {
        if number >= 1 && number <= RTMAX as i32 { Some(Signal(number as u8)) } else { None }
    }

    /// The number as the kernel takes it.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// Neither caught, blocked nor ignored by anybody.
    pub const fn is_uncatchable(self) -> bool {
        matches!(self, Signal::KILL | Signal::STOP)
    }

    /// 32 to 34: the C library's own (timers, cancellation), and Go's (setuid across threads).
    pub const fn is_reserved(self) -> bool {
        self.0 >= 32 && self.0 <= RTMIN
    }

    /// What the kernel raises in a process for its own fault.
    pub const fn is_fault(self) -> bool {
        matches!(self, Signal::SEGV | Signal::BUS | Signal::ILL | Signal::FPE | Signal::TRAP | Signal::SYS)
    }

    /// Whether an init can take it: all that can be blocked, except the reserved ones and CHLD, its own bell.
    pub const fn is_takeable(self) -> bool {
        !self.is_uncatchable() && !self.is_reserved() && !matches!(self, Signal::CHLD)
    }

    /// Whether goward hands it on: all that it can take, except URG (the Go runtime's preemption, sent by the
    /// thousand).
    pub const fn is_forwardable(self) -> bool {
        self.is_takeable() && !matches!(self, Signal::URG)
    }

    /// Reads `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+3`, `RTMAX-1`.
    ///
    /// # Errors
    /// A sentence for the user, where the text is no signal of Linux.
    pub fn parse(text: &str) -> Result<Signal, String> {
        let wrong =
            || format!("'{text}' is not a signal: a name like TERM or SIGTERM, RTMIN+3, or a number from 1 to 64");
        if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
            return text.parse::<i32>().ok().and_then(Signal::new).ok_or_else(wrong);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let known = NAMES.iter().chain(&ALIASES).find(|(known, _)| *known == name);
        if let Some((_, number)) = known {
            return Ok(Signal(*number));
        }
        let (base, offset) = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
            (Some(rest), _) => (RTMIN, rest),
            (_, Some(rest)) => (RTMAX, rest),
            _ => return Err(wrong()),
        };
        let distance = match (base, offset.split_at_checked(1)) {
            (_, None) => 0,
            (RTMIN, Some(("+", n))) | (RTMAX, Some(("-", n))) if n.bytes().all(|b| b.is_ascii_digit()) => {
                n.parse::<u8>().ok().filter(|n| *n <= RTMAX - RTMIN).ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        };
        Ok(Signal(if base == RTMIN { base + distance } else { base - distance }))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None if self.0 == RTMIN => f.write_str("SIGRTMIN"),
            None if self.0 > RTMIN => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_reads_back_from_what_it_shows() {
        for signal in Signal::all().filter(|s| !matches!(s.0, 32 | 33)) {
            assert_eq!(Signal::parse(&signal.to_string()), Ok(signal));
            assert_eq!(Signal::parse(&signal.number().to_string()), Ok(signal));
        }
    }

    #[test]
    fn names_are_those_of_kill() {
        for (text, number) in [
            ("term", 15),
            ("SIGTERM", 15),
            ("IOT", 6),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX", 64),
            ("rtmax-1", 63),
        ] {
            assert_eq!(Signal::parse(text).map(Signal::number), Ok(number), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_would_be_right() {
        for text in [
            "", "0", "65", "-1", "+15", "TERMM", "SIG", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMIN+", "RTMIN+é", "é",
            "1é",
        ] {
            let error = Signal::parse(text).unwrap_err();
            assert!(error.contains("TERM or SIGTERM"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_forwarded() {
        let kept: Vec<_> = Signal::all().filter(|s| !s.is_forwardable()).map(Signal::number).collect();
        assert_eq!(kept, [9, 17, 19, 23, 32, 33, 34]);
    }
}
