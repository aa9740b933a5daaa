//! Probes: one attempt at a target, and what came of it. Nothing here waits: an attempt is moved on whenever something may
//! have happened, and who owns it keeps the time. So the init probes beside its signals, in one thread.

mod apart;
mod command;
mod connection;
mod exchange;
pub(crate) mod grpc;
pub(crate) mod hpack;
pub(crate) mod http;
mod redirect;

use crate::config::Probe;
use crate::encoded::printable;
use crate::spawn::SpawnSpec;
use crate::supervisor::Status;
use crate::target::Target;
use apart::Apart;
use command::Command;
use exchange::Exchange;

/// Output of a probe that is kept, as Docker keeps 4 KiB of it.
pub const OUTPUT: usize = 4096;

/// How goward calls itself where it asks.
const USER_AGENT: &str = concat!("goward/", env!("CARGO_PKG_VERSION"));

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The target is well.
    pub well: bool,
    /// What it said, or why not: one line, and for a failure what it put out.
    pub text: String,
    /// How far it came.
    pub stage: Stage,
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There was no connection, or none on which the protocol was spoken.
    Connection,
    /// There was no answer that makes sense.
    Response,
    /// The target has said how it is.
    Verdict,
}

impl Outcome {
    fn well(text: impl Into<String>) -> Outcome {
        Outcome { well: true, text: text.into(), stage: Stage::Verdict }
    }

    /// It is not well, or has not said so.
    pub fn ill(text: impl Into<String>) -> Outcome {
        Outcome { well: false, text: text.into(), stage: Stage::Response }
    }

    fn unconnected(text: impl Into<String>) -> Outcome {
        Outcome { stage: Stage::Connection, ..Outcome::ill(text) }
    }
}

/// How far an attempt is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing can be done until the peer or the clock does something.
    Waiting,
    /// There is more to do at once; something else may go before.
    More,
    /// The probe has ended, with this outcome.
    Over(Outcome),
}

/// How an attempt hears that something has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The kernel tells by SIGIO ([`crate::sys::signal_io`]).
    Signal,
    /// Not: its owner looks from time to time.
    None,
}

/// An attempt under way.
#[derive(Debug)]
pub struct Attempt(Kind);

#[derive(Debug)]
enum Kind {
    Command(Command),
    Exchange(Box<Exchange>),
    /// An exchange that another process has.
    Apart(Apart),
}

impl Attempt {
    /// Begins. A command is started as `order` says, in a process group of its own; without one there are no commands.
    ///
    /// # Errors
    /// The outcome, where it is over before it began.
    pub fn start(probe: &Probe, order: Option<&SpawnSpec<'_>>, notice: Notice) -> Result<Attempt, Outcome> {
        let kind = match &probe.target {
            Target::Command(words) => {
                let order = order.ok_or_else(|| Outcome::ill("a command cannot be started here"))?;
                Kind::Command(Command::start(words, order)?)
            }
            target if target.needs_process() => Kind::Apart(Apart::start(probe)?),
            _ => Kind::Exchange(Box::new(Exchange::begin(probe, notice)?)),
        };
        Ok(Attempt(kind))
    }

    /// Does what can be done now.
    pub fn advance(&mut self) -> Progress {
        match &mut self.0 {
            Kind::Exchange(exchange) => exchange.advance(),
            Kind::Command(_) | Kind::Apart(_) => Progress::Waiting,
        }
    }

    /// The process that this attempt is, if it is one.
    pub fn child(&self) -> Option<i32> {
        match &self.0 {
            Kind::Command(command) => Some(command.pid()),
            Kind::Exchange(_) => None,
            Kind::Apart(apart) => Some(apart.pid()),
        }
    }

    /// Whether there is a connection, by TLS if that is wanted. A command needs none.
    pub fn is_connected(&mut self) -> bool {
        match &mut self.0 {
            Kind::Command(_) => true,
            Kind::Exchange(exchange) => exchange.is_connected(),
            Kind::Apart(apart) => apart.is_connected(),
        }
    }

    /// Whether the kernel tells when there is something to do. Otherwise its owner has to look from time to time.
    pub fn is_announced(&self) -> bool {
        match &self.0 {
            Kind::Command(_) | Kind::Apart(_) => true,
            Kind::Exchange(exchange) => exchange.is_announced(),
        }
    }

    /// Its process has ended and was reaped.
    pub fn ended(self, status: Status) -> Outcome {
        match self.0 {
            Kind::Command(command) => command.ended(status),
            Kind::Exchange(_) => Outcome::ill("not a process"),
            Kind::Apart(apart) => apart.ended(status),
        }
    }

    /// It took too long: `text` says so, and what it has put out stands behind. Its process group is killed; the process
    /// is still to be reaped.
    pub fn give_up(self, text: String) -> Outcome {
        match self.0 {
            Kind::Command(command) => command.give_up(text),
            Kind::Exchange(exchange) => exchange.give_up(text),
            Kind::Apart(apart) => apart.give_up(text),
        }
    }
}

/// A line, and what was put out behind it, if there is any: as one line, as in the log, so that nothing in it looks like a line of
/// goward's own.
fn with_output(line: &str, output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    if text.is_empty() {
        return line.to_owned();
    }
    let lines: Vec<String> = text.lines().map(|line| line.chars().map(printable).collect()).collect();
    format!("{line}: {}", lines.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_one_line_that_nobody_else_has_ordered() {
        for (output, said) in [
            (&b""[..], "503"),
            (b"\r\n", "503"),
            (b"db away\n", "503: db away"),
            (b"db\r\naway\r\n", "503: db | away"),
            (b"x\nhealthy; last, 1 ms ago: 200\n", "503: x | healthy; last, 1 ms ago: 200"),
            (b"a\tb\x1b[2J\x00", "503: a b\u{fffd}[2J\u{fffd}"),
            ("a\u{202e}b\u{2028}c\u{2066}d\u{200f}e".as_bytes(), "503: a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e"),
            ("nicht verf\u{fc}gbar \u{2014} \u{5e93}".as_bytes(), "503: nicht verf\u{fc}gbar \u{2014} \u{5e93}"),
        ] {
            assert_eq!(with_output("503", output), said);
        }
    }
}
