//! From the command line of `goward goroutines` to its settings.

use super::COMMAND;
use super::options::{GoroutinesWords, OPTIONS};
use crate::cli::display::Display;
use crate::cli::environment::Environment;
use crate::cli::{Answer, Env, parser};
use crate::goroutines::Filter;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What `goward goroutines` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// None for standard input. Two are compared.
    pub files: Vec<Option<PathBuf>>,
    /// One JSON object for each dump, for machines.
    pub json: bool,
    /// Every group, with its whole stack.
    pub all: bool,
    /// Which groups are shown.
    pub filter: Filter,
    /// The signal that was to stop the server.
    pub signal: Option<String>,
    /// Colours and width of the table.
    pub display: Display,
}

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString], env: Env<'_>) -> Result<Settings, Answer> {
    let given = parser::read(&COMMAND, arguments)?;
    let (mut words, mut errors) = (GoroutinesWords::default(), Vec::new());
    parser::apply(&OPTIONS, &given, &Environment::EMPTY, &mut words, &mut errors);
    let is_stdin = |file: &&CString| file.as_bytes() == b"-";
    if given.rest.iter().filter(is_stdin).count() > 1 {
        errors.push("- is standard input, which can be read once".to_owned());
    }
    if !errors.is_empty() {
        return Err(COMMAND.refuse(&errors));
    }
    let path = |file: &CString| (file.as_bytes() != b"-").then(|| PathBuf::from(OsStr::from_bytes(file.as_bytes())));
    let files: Vec<Option<PathBuf>> = given.rest.iter().map(path).collect();
    Ok(Settings {
        files: if files.is_empty() { vec![None] } else { files },
        json: words.json,
        all: words.all,
        filter: Filter { text: words.pattern, minutes: words.minutes, state: words.state },
        signal: words.signal,
        display: Display::new(words.colour.unwrap_or_default(), env),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::display::Colour;
    use crate::cli::testing;

    fn parse_line(line: &str, env: &[(&str, &str)]) -> Result<Settings, Answer> {
        parse(&testing::words(line), &|name| testing::variable(env, name))
    }

    fn good(line: &str, env: &[(&str, &str)]) -> Settings {
        testing::accepted(line, parse_line(line, env))
    }

    #[test]
    fn words_and_environment() {
        let plain = Settings {
            files: vec![None],
            json: false,
            all: false,
            filter: Filter::default(),
            signal: None,
            display: Display::default(),
        };
        assert_eq!(good("", &[]), plain);
        let reading = good("--json -a dump.txt", &[("COLUMNS", "72"), ("NO_COLOR", "1")]);
        assert_eq!(reading.files, [Some(PathBuf::from("dump.txt"))]);
        assert!(reading.json && reading.all);
        assert_eq!(reading.display, Display { colour: Colour::Never, columns: Some(72) });
        let reading = good("- --color=always", &[("NO_COLOR", "1"), ("COLUMNS", "wide")]);
        assert_eq!(reading.display, Display { colour: Colour::Always, columns: None });
        assert_eq!(good("-", &[("TERM", "dumb")]).display.colour, Colour::Never);
        assert_eq!(good("--color never -- --json", &[]).files, [Some(PathBuf::from("--json"))]);
        assert_eq!(good("a - b", &[]).files, [Some(PathBuf::from("a")), None, Some(PathBuf::from("b"))]);
        let filter = good("-m cache --min-minutes 5 --state select --signal term", &[]);
        let wanted = Filter { text: Some("cache".to_owned()), minutes: 5, state: Some("select".to_owned()) };
        assert_eq!((filter.filter, filter.signal.as_deref()), (wanted, Some("SIGTERM")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("--jsn", "no option --jsn"),
            ("-x", "no option -x"),
            ("- -", "can be read once"),
            ("--min-minutes x", "not a number of minutes"),
            ("--signal NOPE", "NOPE"),
            ("--color", "--color needs a value"),
            ("--color blue", "'blue' is not one of auto"),
            ("--json=yes", "--json"),
        ] {
            match parse_line(line, &[]) {
                Err(Answer::Refused(stderr)) => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
