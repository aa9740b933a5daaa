//! From the command line of `goward stop`, `restart`, `reload` and `signal` to the settings that they have in common.

use super::options::{AT_ONCE, OrderWords};
use crate::cli::Answer;
use crate::cli::environment::Environment;
use crate::cli::help::Command;
use crate::cli::parser::{self, Given};
use crate::cli::table::Options;
use crate::init::orders::Instruction;
use crate::signal::Signal;
use crate::supervisor::Order;
use std::ffi::CString;
use std::time::Duration;

/// What an init is told, and by whom it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What it is to do.
    pub instruction: Instruction,
    /// How long is waited until it is done; none: not at all.
    pub wait: Option<Duration>,
    /// Which init; none: the one of this container.
    pub pid: Option<i32>,
    /// Nothing is said, the code tells.
    pub quiet: bool,
}

/// Who waits gives up after this.
const WAITING_TIME: Duration = Duration::from_secs(60);

/// Reads the command line of one that takes options only.
///
/// # Errors
/// What there is to say instead, here and below.
pub fn parse(
    command: &'static Command,
    options: &Options<OrderWords>,
    order: Order,
    arguments: &[CString],
) -> Result<Settings, Answer> {
    let given = parser::read(command, arguments)?;
    let instruction = match given.rest.as_slice() {
        [] => Ok(Instruction::Order(order)),
        [_, ..] => Err(format!("{} takes options only", command.name)),
    };
    understand(command, options, &given, instruction)
}

/// Reads that of one that takes a signal.
///
/// # Errors
/// See above.
pub fn parse_signal(command: &'static Command, arguments: &[CString]) -> Result<Settings, Answer> {
    let given = parser::read(command, arguments)?;
    let instruction = match given.rest.as_slice() {
        [word] => Signal::parse(&word.to_string_lossy()).and_then(|signal| {
            let sent = !signal.is_reserved() && signal != Signal::CHLD;
            sent.then_some(Instruction::Signal(signal)).ok_or_else(|| format!("{signal} is not sent to servers"))
        }),
        [] => Err("a signal is needed, like HUP".to_owned()),
        [_, _, ..] => Err("one signal at a time".to_owned()),
    };
    understand(command, &AT_ONCE, &given, instruction)
}

fn understand(
    command: &'static Command,
    options: &Options<OrderWords>,
    given: &Given,
    instruction: Result<Instruction, String>,
) -> Result<Settings, Answer> {
    let (mut words, mut errors) = (OrderWords::default(), Vec::new());
    parser::apply(options, given, &Environment::EMPTY, &mut words, &mut errors);
    if words.timeout.is_some() && !words.wait {
        errors.push("--timeout is valid only with --wait".to_owned());
    }
    match instruction {
        Ok(instruction) if errors.is_empty() => Ok(Settings {
            instruction,
            wait: words.wait.then(|| words.timeout.unwrap_or(WAITING_TIME)),
            pid: words.pid.and_then(|pid| i32::try_from(pid).ok()),
            quiet: words.quiet,
        }),
        instruction => {
            errors.extend(instruction.err());
            Err(command.refuse(&errors))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;
    use crate::commands::{restart, signal, stop};

    #[test]
    fn words() {
        let good = |line: &str| testing::accepted(line, stop::parse(&testing::words(line)));
        let plain = Settings { instruction: Instruction::Order(Order::Stop), wait: None, pid: None, quiet: false };
        assert_eq!(good(""), plain);
        assert_eq!(good("--wait -q --pid 7").wait, Some(WAITING_TIME));
        assert_eq!(good("-w -t 3s").wait, Some(Duration::from_secs(3)));
        let signal = testing::accepted("hup", signal::parse(&testing::words("hup --pid 7")));
        assert_eq!((signal.instruction, signal.pid), (Instruction::Signal(Signal::HUP), Some(7)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refused = |parsed: Result<Settings, Answer>, said: &str| match parsed {
            Err(Answer::Refused(stderr)) => assert!(stderr.contains(said), "{stderr}"),
            other => panic!("{said}: {other:?}"),
        };
        refused(restart::parse(&testing::words("now")), "restart takes options only");
        refused(restart::parse(&testing::words("-t 3s")), "only with --wait");
        for (line, said) in [
            ("", "a signal is needed"),
            ("HUP TERM", "one signal"),
            ("HOP", "not a signal"),
            ("CHLD", "not sent"),
            ("33", "not sent"),
            ("HUP --wait", "no option --wait"),
        ] {
            refused(signal::parse(&testing::words(line)), said);
        }
    }
}
