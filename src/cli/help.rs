//! What a command says about itself, and the layout of its help page. The text is laid out here and nowhere else.

use super::Answer;
use super::parser::options_of;
use super::table::{Description, Table};
use std::fmt::Write;

/// A command, for the parser and for everything that is written about it.
pub struct Command {
    /// The first word on its command line.
    pub name: &'static str,
    /// What follows that word in the list of commands.
    pub operands: &'static str,
    /// What it does, in the list of commands.
    pub summary: &'static str,
    /// Paragraphs above the usage.
    pub about: &'static [&'static str],
    /// Command lines, each with what it is for, if that needs saying.
    pub usage: &'static [(&'static str, &'static str)],
    /// What its operands may be: a sentence, and each of them with its meaning.
    pub operand_kinds: Option<(&'static str, &'static [(&'static str, &'static str)])>,
    /// Paragraphs above the options.
    pub before_options: &'static [&'static str],
    /// The tables of options that the page lists.
    pub tables: &'static [&'static dyn Table],
    /// Those of the tables that are described on the page of another command.
    pub described_elsewhere: &'static [&'static dyn Table],
    /// Those of their options that it understands only to say that it has no use for them.
    pub refused: &'static [&'static str],
    /// Paragraphs below the options.
    pub notes: &'static [&'static str],
    /// Whether it starts a program, whose words are not goward's.
    pub starts_program: bool,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Command {
    /// A command that says nothing of itself: for what another one leaves out.
    pub const EMPTY: Command = Command {
        name: "",
        operands: "",
        summary: "",
        about: &[],
        usage: &[],
        operand_kinds: None,
        before_options: &[],
        tables: &[],
        described_elsewhere: &[],
        refused: &[],
        notes: &[],
        starts_program: false,
    };

    /// Every option that it understands.
    pub fn options(&self) -> impl Iterator<Item = Description> + use<> {
        options_of(self.tables).chain(options_of(self.described_elsewhere))
    }

    /// Every option that it has a use for: those that are worth completing.
    pub fn useful_options(&self) -> impl Iterator<Item = Description> + use<> {
        let refused = self.refused;
        self.options().filter(move |option| !refused.contains(&option.name))
    }

    /// The option of this name, or of this letter.
    pub(super) fn find(&self, name: &str, letter: Option<char>) -> Option<Description> {
        self.tables.iter().chain(self.described_elsewhere).find_map(|table| table.find(name, letter))
    }

    /// Says what is wrong with a command line.
    pub fn refuse(&self, errors: &[String]) -> Answer {
        let more = if self.starts_program { String::new() } else { format!(" (see goward {} --help)", self.name) };
        Answer::Refused(errors.iter().map(|error| format!("goward: {error}{more}\n")).collect())
    }
}

/// `--version`. dockerd reads the commit of the init that it is given by `--init-path` from behind " - git.".
pub fn version() -> String {
    let commit = option_env!("GOWARD_COMMIT").unwrap_or_default();
    let commit = if commit.is_empty() { String::new() } else { format!(" - git.{commit}") };
    format!("goward {}{commit}\n", env!("CARGO_PKG_VERSION"))
}

/// The text that `--license` prints.
pub fn license() -> String {
    "goward is free software under the MIT licence or the Apache License 2.0, at your choice.\n".to_owned()
}

/// The column where explanations begin.
const COLUMN: usize = 30;

/// The help page of a command. `others` are the commands that it lists.
pub fn page(command: &Command, others: &[&Command], width: usize) -> String {
    let mut text = String::new();
    command.about.iter().for_each(|about| paragraph(&mut text, about, width));
    for (at, (line, meaning)) in command.usage.iter().enumerate() {
        let label = if at == 0 { "Usage: " } else { "       " };
        entry(&mut text, 47, &format!("{label}goward {line}"), meaning.split(' '), width);
    }
    if let Some((sentence, kinds)) = command.operand_kinds {
        let _ = write!(text, "\n{sentence}\n");
        kinds.iter().for_each(|(kind, meaning)| item(&mut text, kind, meaning, width));
    }
    for about in command.before_options {
        text.push('\n');
        wrap(&mut text, about, width);
    }
    let mut group = "";
    for option in options_of(command.tables) {
        if option.group != group {
            group = option.group;
            let _ = write!(text, "\n{group}:\n");
        }
        let short = option.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        let value = option.placeholder.map_or(String::new(), |value| format!(" {value}"));
        let default = option.default.map(|default| format!("[{default}]")).unwrap_or_default();
        // The name of a variable is not torn from what introduces it.
        let variable = option.variable().map(|name| format!("[env: {name}]")).unwrap_or_default();
        let words = option.help.split(' ').chain(default.split(' ')).chain([variable.as_str()]);
        entry(&mut text, COLUMN, &format!("  {short}--{}{value}", option.name), words, width);
    }
    if !others.is_empty() {
        text.push_str("\nAlso:\n");
        for other in others {
            let space = if other.operands.is_empty() { "" } else { " " };
            item(&mut text, &format!("{}{space}{}", other.name, other.operands), other.summary, width);
        }
    }
    if !command.starts_program || !others.is_empty() {
        item(&mut text, "-h, --help", "this text", width);
    }
    if !others.is_empty() {
        item(&mut text, "-V, --version", "the version", width);
        item(&mut text, "-l, --license", "the licence", width);
    }
    for note in command.notes {
        text.push('\n');
        wrap(&mut text, note, width);
    }
    text
}

fn paragraph(text: &mut String, words: &str, width: usize) {
    wrap(text, words, width);
    text.push('\n');
}

fn item(text: &mut String, left: &str, meaning: &str, width: usize) {
    entry(text, COLUMN, &format!("  {left}"), meaning.split(' '), width);
}

fn wrap(text: &mut String, words: &str, width: usize) {
    entry(text, 0, "", words.split(' '), width);
}

/// Something on the left, and words to the right of a column.
fn entry<'a>(text: &mut String, column: usize, left: &str, words: impl Iterator<Item = &'a str>, width: usize) {
    let mut line = left.to_owned();
    let mut words = words.filter(|word| !word.is_empty()).peekable();
    if line.chars().count() >= column && column > 0 && words.peek().is_some() {
        let _ = writeln!(text, "{line}");
        line.clear();
    }
    for word in words {
        let used = line.chars().count();
        let padding = if used < column { column - used } else { usize::from(used > column && used > 0) };
        if used > column && used + padding + word.chars().count() > width {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(column);
        } else {
            line.extend(std::iter::repeat_n(' ', padding));
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
