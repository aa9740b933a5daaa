//! How wide a text on standard output may be, whether it may be coloured, and what it means that it could not be written:
//! decided in the same way for every command.

use super::Env;
use super::table::{Opt, Set, Take};
use super::values::one_of;
use crate::sys::file::described;
use crate::sys::terminal;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;

/// What `--color` and the environment say about colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Colours where standard output is a terminal.
    #[default]
    Auto,
    /// Colours wherever the output goes.
    Always,
    /// No colours.
    Never,
}

/// The row of `--color`, for the table of a command.
pub const fn option<W>(set: Set<W>, group: &'static str) -> Opt<W> {
    Opt {
        name: "color",
        short: None,
        take: Take::Value("auto|always|never", set),
        default: Some("on a terminal, unless NO_COLOR is set"),
        help: "colours",
        group,
    }
}

impl Colour {
    /// The value of `--color`.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Colour, String> {
        one_of(text, &[("auto", Colour::Auto), ("always", Colour::Always), ("never", Colour::Never)])
    }
}

/// What a user wants of a text on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// Whether it is coloured.
    pub colour: Colour,
    /// The width of COLUMNS.
    pub columns: Option<usize>,
}

impl Display {
    /// What `--color` says; what it leaves open, NO_COLOR and TERM say.
    pub fn new(colour: Colour, env: Env<'_>) -> Display {
        let set = |name| env(name).is_some_and(|value| !value.is_empty());
        let plain = set("NO_COLOR") || env("TERM").is_some_and(|term| term == "dumb");
        let colour = if plain && colour == Colour::Auto { Colour::Never } else { colour };
        let columns = env("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
        Display { colour, columns }
    }

    /// The width: that of COLUMNS, or of the terminal on standard output, if there is one.
    pub fn width(&self) -> Option<usize> {
        self.columns.or_else(|| terminal::width(std::io::stdout().as_raw_fd()))
    }

    /// Whether somebody looks at it.
    pub fn is_on_terminal(&self) -> bool {
        terminal::is_terminal(std::io::stdout().as_raw_fd())
    }

    /// Whether there are colours.
    pub fn is_coloured(&self) -> bool {
        match self.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal::is_terminal(std::io::stdout().as_raw_fd()),
        }
    }
}

/// The width of a help page: lines of more than 120 columns are hard to read, and with less than 80 a table is none.
pub fn help_width(env: Env<'_>) -> usize {
    Display::new(Colour::Never, env).width().map_or(100, |width| width.clamp(80, 120))
}

/// What has become of a text that was written to standard output. A broken pipe is no fault: whoever read has seen enough.
///
/// # Errors
/// A sentence for the user.
pub fn written(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {}", described(&error))),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_seen_enough_is_no_fault() {
        assert_eq!(written(Ok(())), Ok(()));
        assert_eq!(written(Err(ErrorKind::BrokenPipe.into())), Ok(()));
        // Near miss: what could not be written is one, without the number of the error.
        let full = io::Error::from_raw_os_error(nix::errno::Errno::ENOSPC as i32);
        assert_eq!(written(Err(full)), Err("standard output: No space left on device".to_owned()));
    }
}
