//! Takes a command line apart by the tables of its command, and gives every option its value: from the command line, or
//! from the environment where the command line does not name it.

use super::Answer;
use super::environment::Environment;
use super::help::Command;
use super::table::{Description, Options, Table, described};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A command line, taken apart but not understood.
#[derive(Debug, Default)]
pub struct Given {
    /// The names of options, each with the value that stood behind it.
    flags: Vec<(&'static str, Option<String>)>,
    /// The words that are no options. Where the command starts a program: that, and all that stands behind it.
    pub rest: Vec<CString>,
}

impl Given {
    /// Whether an option was named.
    pub fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| *flag == name)
    }

    /// The same for another table, where this one has been seen to: an option of the same name is this one's.
    pub fn without(mut self, table: &dyn Table) -> Given {
        self.flags.retain(|(flag, _)| table.find(flag, None).is_none());
        self
    }

    /// Where an option's values come from, and what they are. Those of the command line replace the variable.
    fn values(
        &self,
        option: &Description,
        environment: &Environment<'_>,
        errors: &mut Vec<String>,
    ) -> Option<(String, Vec<String>)> {
        let mut flags = self.flags.iter().filter(|(name, _)| *name == option.name).peekable();
        if flags.peek().is_none() {
            return environment.values(option, errors);
        }
        let values: Vec<String> =
            flags.flat_map(|(_, value)| split(option, value.as_deref().unwrap_or_default())).collect();
        if option.is_single && values.len() > 1 {
            errors.push(format!("--{} takes one value, but was given '{}'", option.name, values.join("' and '")));
            return None;
        }
        Some((format!("--{}", option.name), values))
    }
}

/// The values in one word.
pub(super) fn split(option: &Description, word: &str) -> Vec<String> {
    if option.is_list { word.split(',').map(|item| item.trim().to_owned()).collect() } else { vec![word.to_owned()] }
}

/// Understands every value, and collects all that is wrong.
pub fn apply<W>(
    options: &Options<W>,
    given: &Given,
    environment: &Environment<'_>,
    words: &mut W,
    errors: &mut Vec<String>,
) {
    for (at, option) in options.all.iter().enumerate() {
        // The server waits for this: what nobody names costs nothing.
        if environment.ours.is_empty() && !given.has(option.name) {
            continue;
        }
        let found = options.get(at).and_then(|description| given.values(&description, environment, errors));
        let Some((source, values)) = found else { continue };
        let wrong = values.iter().filter_map(|value| option.set(words, value, environment.env).err());
        errors.extend(wrong.map(|error| format!("{source}: {error}")));
    }
}

/// Takes a command line apart.
///
/// # Errors
/// What there is to say instead: help, the version, or what is wrong.
pub fn read(command: &'static Command, arguments: &[CString]) -> Result<Given, Answer> {
    take_apart(command, arguments).unwrap_or_else(|error| Err(command.refuse(&[error])))
}

fn take_apart(command: &'static Command, arguments: &[CString]) -> Result<Result<Given, Answer>, String> {
    use lexopt::Arg;
    let mut parser = lexopt::Parser::from_args(arguments.iter().map(|word| OsStr::from_bytes(word.as_bytes())));
    let mut given = Given::default();
    while let Some(argument) = parser.next().map_err(|error| needless(&error))? {
        let found = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Err(Answer::Help(command))),
            Arg::Short('V') | Arg::Long("version") if command.starts_program => return Ok(Err(Answer::Version)),
            Arg::Short('l') | Arg::Long("license") if command.starts_program => return Ok(Err(Answer::License)),
            Arg::Short(letter) => command.find("", Some(letter)).ok_or_else(|| {
                unknown(command, &single_dashed(command, arguments, letter).unwrap_or_else(|| format!("-{letter}")))
            }),
            Arg::Long(name) => command.find(name, None).ok_or_else(|| unknown(command, &format!("--{name}"))),
            Arg::Value(word) => {
                given.rest.extend(CString::new(word.into_vec()).ok());
                if command.starts_program {
                    let rest = parser.raw_args().map_err(|error| error.to_string())?;
                    given.rest.extend(rest.filter_map(|word| CString::new(word.into_vec()).ok()));
                    break;
                }
                continue;
            }
        };
        let option = found?;
        let value = match option.placeholder {
            None => None,
            Some(placeholder) => {
                let value = parser.value().map_err(|_| format!("--{} needs a value: {placeholder}", option.name))?;
                Some(value.into_string().map_err(|_| format!("--{}: the value is not UTF-8", option.name))?)
            }
        };
        given.flags.push((option.name, value));
    }
    Ok(Ok(given))
}

/// `-stop-timeout`: a long option with one dash, as Go's flag package takes it. To us these are many letters, and `letter` is
/// the first of them that is unknown. Words without it are not what is wrong, and may be the program's own.
fn single_dashed(command: &Command, arguments: &[CString], letter: char) -> Option<String> {
    arguments.iter().filter_map(|word| word.to_str().ok()).take_while(|word| *word != "--").find_map(|word| {
        let word = word.split('=').next().unwrap_or(word);
        let is_meant = |name: &&str| name.len() > 2 && !name.starts_with('-') && name.contains(letter);
        let name = word.strip_prefix('-').filter(is_meant)?;
        command.options().any(|option| is_near(name, option.name)).then(|| word.to_owned())
    })
}

/// The parser's error, in our words: `--quiet=yes`.
fn needless(error: &lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => {
            format!("{option} takes no value, but was given '{}'", value.display())
        }
        other => other.to_string(),
    }
}

/// What a user may have meant is the nearest name, if it is near.
fn unknown(command: &Command, word: &str) -> String {
    let wanted = word.trim_start_matches('-');
    let words: &[&str] = if command.starts_program { &["help", "version", "license"] } else { &["help"] };
    let names = command.options().map(|option| option.name).chain(words.iter().copied());
    let nearest = names.map(|name| (distance(wanted, name), name)).min();
    let hint = match nearest {
        Some((near, name)) if near <= 2 && wanted.len() > 2 => format!("; did you mean --{name}?"),
        _ => String::new(),
    };
    // Those of run are listed by goward --help.
    let of = if command.described_elsewhere.is_empty() { String::new() } else { format!("{} ", command.name) };
    match (command.starts_program, hint.is_empty()) {
        (false, _) => format!("there is no option {word}{hint}"),
        (true, false) => format!("there is no option {word}{hint} (goward {of}--help lists them all)"),
        (true, true) => {
            format!("there is no option {word} (goward {of}--help lists them all; a program's own options go after --)")
        }
    }
}

/// Two typing errors at most.
pub fn is_near(a: &str, b: &str) -> bool {
    a.len().abs_diff(b.len()) <= 2 && distance(a, b) <= 2
}

/// The Levenshtein distance: how many letters differ.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// All options of several tables.
pub(super) fn options_of(tables: &'static [&'static dyn Table]) -> impl Iterator<Item = Description> {
    tables.iter().flat_map(|table| described(*table))
}
