//! The type of a table of options. The parser, the environment, the help pages, docs/options.md, the man page, the
//! completions and the tests all read these tables.

use super::{Env, PREFIX};
use crate::target::expand;

/// Puts the value of an option into the words `W` of its command.
pub type Set<W> = fn(&mut W, &str) -> Result<(), String>;

/// How an option takes its value, and where it puts it.
pub enum Take<W: 'static> {
    /// No value: a switch.
    Switch(fn(&mut W)),
    /// One value. Given twice it is refused: one of the two would count for nothing.
    Value(&'static str, Set<W>),
    /// One value, in which variables of the environment are replaced: `$PORT`.
    Expanded(&'static str, Set<W>),
    /// A value each time that the option is given.
    Repeated(&'static str, Set<W>),
    /// Values that add up; one word may hold several, with commas between.
    List(&'static str, Set<W>),
}

/// One option of a command that keeps its words in `W`.
pub struct Opt<W: 'static> {
    /// `stop-timeout` for `--stop-timeout` and `GOWARD_STOP_TIMEOUT`.
    pub name: &'static str,
    /// Its letter, if it has one.
    pub short: Option<char>,
    /// What becomes of its value.
    pub take: Take<W>,
    /// What holds where the option is not given.
    pub default: Option<&'static str>,
    /// For the help page.
    pub help: &'static str,
    /// The heading it stands under.
    pub group: &'static str,
}

impl<W> Opt<W> {
    /// What stands for the value in a help page.
    pub fn placeholder(&self) -> Option<&'static str> {
        match self.take {
            Take::Switch(_) => None,
            Take::Value(name, _) | Take::Expanded(name, _) | Take::Repeated(name, _) | Take::List(name, _) => {
                Some(name)
            }
        }
    }

    /// # Errors
    /// A sentence about the value.
    pub(super) fn set(&self, words: &mut W, value: &str, env: Env<'_>) -> Result<(), String> {
        match self.take {
            Take::Switch(set) => {
                set(words);
                Ok(())
            }
            Take::Expanded(_, set) => set(words, &expand(value, env)?),
            Take::Value(_, set) | Take::Repeated(_, set) | Take::List(_, set) => set(words, value),
        }
    }
}

/// The options of a command.
pub struct Options<W: 'static> {
    /// All of them, by their headings.
    pub all: &'static [Opt<W>],
    /// Whether the environment can set them.
    pub variables: bool,
}

/// What is known of an option, whatever command it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The option's name, without the dashes.
    pub name: &'static str,
    /// The letter of its short form.
    pub short: Option<char>,
    /// What stands for its value; none for a switch.
    pub placeholder: Option<&'static str>,
    /// Whether one word may hold several values, with commas between.
    pub is_list: bool,
    /// Whether only one value counts.
    pub is_single: bool,
    /// What holds where it is not given.
    pub default: Option<&'static str>,
    /// What the help page says about it.
    pub help: &'static str,
    /// The heading it stands under.
    pub group: &'static str,
    has_variable: bool,
}

impl Description {
    /// The name of its variable, like `GOWARD_STOP_TIMEOUT`.
    pub fn variable(&self) -> Option<String> {
        self.has_variable.then(|| format!("{PREFIX}{}", self.name.to_ascii_uppercase().replace('-', "_")))
    }

    /// Whether a variable is this option's. Asked for every option at every start: nothing is allocated for it.
    pub fn is_variable(&self, name: &str) -> bool {
        let alike =
            |(ours, theirs): (u8, u8)| if ours == b'-' { theirs == b'_' } else { ours.to_ascii_uppercase() == theirs };
        self.has_variable
            && name
                .strip_prefix(PREFIX)
                .is_some_and(|rest| rest.len() == self.name.len() && self.name.bytes().zip(rest.bytes()).all(alike))
    }
}

/// One option has no variable: the one that says whether variables count. It is for an image that does not trust who sets
/// them.
pub const NO_ENVIRONMENT: &str = "no-environment";

/// A table of options, whatever command it belongs to.
pub trait Table: Sync {
    /// One of its options; none behind the last.
    fn get(&self, at: usize) -> Option<Description>;

    /// The option of this name, or of this letter.
    fn find(&self, name: &str, letter: Option<char>) -> Option<Description>;
}

impl<W> Table for Options<W> {
    fn get(&self, at: usize) -> Option<Description> {
        let option = self.all.get(at)?;
        Some(Description {
            name: option.name,
            short: option.short,
            placeholder: option.placeholder(),
            is_list: matches!(option.take, Take::List(..)),
            is_single: matches!(option.take, Take::Value(..) | Take::Expanded(..)),
            default: option.default,
            help: option.help,
            group: option.group,
            has_variable: self.variables && option.name != NO_ENVIRONMENT,
        })
    }

    fn find(&self, name: &str, letter: Option<char>) -> Option<Description> {
        let is_it = |option: &Opt<W>| option.name == name || (letter.is_some() && option.short == letter);
        self.get(self.all.iter().position(is_it)?)
    }
}

/// All options of a table.
pub fn described(table: &dyn Table) -> impl Iterator<Item = Description> {
    (0..).map_while(|at| table.get(at))
}

/// An option whose value is kept in a field, which is None without it.
macro_rules! set {
    ($($field:ident).+, $parse:expr) => {
        |words, text| {
            words.$($field).+ = Some($parse(text)?);
            Ok(())
        }
    };
}

/// An option whose values are added to a list.
macro_rules! add {
    ($($field:ident).+, $parse:expr) => {
        |words, text| {
            words.$($field).+.push($parse(text)?);
            Ok(())
        }
    };
}

pub(crate) use {add, set};
