//! From the command line of `goward dump` to its settings.

use super::COMMAND;
use super::options::{DumpWords, OPTIONS};
use crate::cli::display::Display;
use crate::cli::environment::Environment;
use crate::cli::{Answer, Env, parser};
use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

/// What `goward dump` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose goroutines.
    pub subject: Subject,
    /// How.
    pub form: Form,
    /// Every group, with its whole stack.
    pub all: bool,
    /// Only goroutines with this in them.
    pub pattern: Option<String>,
    /// Colours and width.
    pub display: Display,
    /// Once, or how again.
    pub again: Again,
    /// Whether it is searched who is leaked.
    pub prove: bool,
}

/// How often one looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// Once.
    #[default]
    Never,
    /// Once more after this, to see what has grown.
    After(Duration),
    /// Until Ctrl-C.
    Watch,
}

/// Whose goroutines are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Those of the server of a goward: this one, or that of the container.
    Server(Option<i32>),
    /// Those of a process.
    Process(i32),
    /// Those in a core dump, and of which program it is.
    Core(PathBuf, Option<PathBuf>),
}

/// How they are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A table of groups.
    #[default]
    Table,
    /// The same as JSON.
    Json,
    /// As Go prints them.
    Raw,
}

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString], env: Env<'_>) -> Result<Settings, Answer> {
    let given = parser::read(&COMMAND, arguments)?;
    let (mut words, mut errors) = (DumpWords::default(), Vec::new());
    parser::apply(&OPTIONS, &given, &Environment::EMPTY, &mut words, &mut errors);
    if !given.rest.is_empty() {
        errors.push("dump takes no arguments; choose a program with --pid or --core".to_owned());
    }
    if [words.pid.is_some(), words.init.is_some(), words.core.is_some()].iter().filter(|given| **given).count() > 1 {
        errors.push("--pid, --init and --core exclude each other".to_owned());
    }
    if words.program.is_some() && words.core.is_none() {
        errors.push("--program is valid only with --core".to_owned());
    }
    words.forms.dedup();
    if words.forms.len() > 1 {
        errors.push("--json and --raw exclude each other".to_owned());
    }
    let again = match (words.growth, words.watch) {
        (None, false) => Again::Never,
        (Some(time), false) => Again::After(time),
        (None, true) => Again::Watch,
        (Some(_), true) => {
            errors.push("--growth and --watch exclude each other".to_owned());
            Again::Never
        }
    };
    let form = words.forms.first().copied().unwrap_or_default();
    if again != Again::Never && (words.core.is_some() || form == Form::Raw) {
        errors.push("--growth and --watch read twice: they cannot be used with a core dump or with --raw".to_owned());
    }
    if again != Again::Never && words.prove {
        errors.push("--prove reads all of the memory, once: it cannot be used with --growth or --watch".to_owned());
    }
    if again == Again::Watch && form == Form::Json {
        errors.push("--watch is for a terminal, --json is not".to_owned());
    }
    if !errors.is_empty() {
        return Err(COMMAND.refuse(&errors));
    }
    let number = |pid: u32| i32::try_from(pid).ok();
    let subject = match (words.pid.and_then(number), words.core) {
        (Some(pid), _) => Subject::Process(pid),
        (None, Some(core)) => Subject::Core(core, words.program),
        (None, None) => Subject::Server(words.init.and_then(number)),
    };
    Ok(Settings {
        subject,
        form,
        again,
        prove: words.prove,
        all: words.all,
        pattern: words.pattern,
        display: Display::new(words.colour.unwrap_or_default(), env),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;

    fn parse_line(line: &str) -> Result<Settings, Answer> {
        parse(&testing::words(line), &|name| testing::variable(&[], name))
    }

    #[test]
    fn words() {
        let good = |line: &str| testing::accepted(line, parse_line(line));
        let plain = Settings {
            subject: Subject::Server(None),
            form: Form::Table,
            all: false,
            pattern: None,
            display: Display::default(),
            again: Again::Never,
            prove: false,
        };
        assert_eq!(good(""), plain);
        assert!(good("--prove --raw").prove);
        assert_eq!(good("--pid 7 --raw").subject, Subject::Process(7));
        assert_eq!(good("--init 7").subject, Subject::Server(Some(7)));
        assert_eq!(good("--core c --program p").subject, Subject::Core("c".into(), Some("p".into())));
        assert_eq!((good("--json --json -a").form, good("--raw").form), (Form::Json, Form::Raw));
        assert_eq!(good("--growth 30s --json").again, Again::After(Duration::from_secs(30)));
        assert_eq!(good("-w").again, Again::Watch);
        assert_eq!(good("-m main.serve").pattern.as_deref(), Some("main.serve"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("7", "--pid"),
            ("--pid 7 --core c", "exclude each other"),
            ("--init 7 --core c", "exclude each other"),
            ("--program p", "only with --core"),
            ("--json --raw", "exclude each other"),
            ("--pid 0", "not a number"),
            ("--growth 1s --watch", "exclude each other"),
            ("--prove --watch", "cannot be used with --growth or --watch"),
            ("--prove --growth 1s", "cannot be used with --growth or --watch"),
            ("--growth 1s --core c", "cannot be used with a core dump"),
            ("--watch --raw", "or with --raw"),
            ("--watch --json", "for a terminal"),
        ] {
            match parse_line(line) {
                Err(Answer::Refused(stderr)) => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
