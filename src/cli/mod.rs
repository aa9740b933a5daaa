//! What the command lines of all commands have in common: the type of a table of options, the parser, the layout of a help
//! page, colours and the width of a terminal. What a command understands is in its own folder under `commands/`.

pub mod display;
pub mod environment;
pub mod help;
pub mod http;
pub mod parser;
pub mod table;
pub mod values;

use help::Command;
use std::ffi::OsString;

/// What every variable of goward begins with.
pub const PREFIX: &str = "GOWARD_";

/// A variable's value. One that is not UTF-8 ends with NUL, which no variable can have: whoever needs its exact words refuses it.
pub fn text_of(value: OsString) -> String {
    value.into_string().unwrap_or_else(|odd| odd.to_string_lossy().into_owned() + "\0")
}

/// The environment, as a function ([`text_of`]): tests bring their own.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A command line that leads to no settings: something is printed, and goward leaves.
#[derive(Debug)]
pub enum Answer {
    /// The help page of a command.
    Help(&'static Command),
    /// `--version` was given.
    Version,
    /// `--license` was given.
    License,
    /// What is wrong with the command line, for standard error.
    Refused(String),
}

/// Command lines for the tests of each command.
#[cfg(test)]
pub(crate) mod testing {
    use super::Answer;
    use std::ffi::CString;

    /// The words of a line, with blanks between them.
    pub(crate) fn words(line: &str) -> Vec<CString> {
        line.split_whitespace().map(|word| CString::new(word).unwrap()).collect()
    }

    /// A variable of this environment.
    pub(crate) fn variable(environment: &[(&str, &str)], name: &str) -> Option<String> {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    /// What a line leads to, which must be settings.
    pub(crate) fn accepted<T: std::fmt::Debug>(line: &str, parsed: Result<T, Answer>) -> T {
        match parsed {
            Ok(settings) => settings,
            other => panic!("{line}: {other:?}"),
        }
    }
}
