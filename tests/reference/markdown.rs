//! docs/options.md.

use super::{groups, with_options};
use std::fmt::Write;

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Options\n\nEvery command and every option. This page is generated from the tables in `src/commands/*/options.rs`; \
         `make reference` rewrites it, together with the man page [goward.1](goward.1) and the completions for bash, zsh and \
         fish in [completions/](completions).\n\n\
         A flag replaces its variable, even if it may be repeated. TIME is seconds (`10`) or `500ms`, `1.5s`, `1m30s`.\n\n\
         | command | for |\n|---|---|\n",
    );
    for command in goward::commands::all() {
        let words = format!("goward {} {}", command.name, command.operands);
        let _ = writeln!(page, "| `{}` | {} |", words.trim_end(), cell(summary(command.summary)));
    }
    for command in with_options() {
        let _ = write!(page, "\n## goward {}\n\n", command.name);
        command.about.iter().for_each(|about| page.push_str(&format!("{about}\n\n")));
        page.push_str("```\n");
        for (line, meaning) in command.usage {
            let line = format!("goward {line}");
            let _ = writeln!(page, "{}", if meaning.is_empty() { line } else { format!("{line:<60}# {meaning}") });
        }
        page.push_str("```\n");
        if let Some((sentence, kinds)) = command.operand_kinds {
            let _ = write!(page, "\n{sentence}\n\n");
            kinds.iter().for_each(|(kind, meaning)| page.push_str(&format!("- `{kind}`: {meaning}\n")));
        }
        command.before_options.iter().for_each(|about| page.push_str(&format!("\n{about}\n")));
        for (group, options) in groups(command) {
            let variables = options.iter().any(|option| option.variable().is_some());
            let (title, line) = if variables { (" variable |", "---|") } else { ("", "") };
            let _ = write!(page, "\n### {group}\n\n| option |{title} default | what it does |\n|---|{line}---|---|\n");
            for option in options {
                let value = option.placeholder.map_or(String::new(), |value| format!(" {value}"));
                let short = option.short.map_or(String::new(), |letter| format!("`-{letter}`, "));
                let variable = option.variable().map_or(String::new(), |variable| format!("`{variable}`"));
                let variable = if variables { format!(" {variable} |") } else { String::new() };
                let default = cell(option.default.unwrap_or_default());
                let help = cell(option.help);
                let _ = writeln!(page, "| {short}`--{}{}` |{variable} {default} | {help} |", option.name, cell(&value));
            }
        }
        command.notes.iter().for_each(|note| page.push_str(&format!("\n{}\n", note.replace("# goward", "`# goward`"))));
    }
    page
}

/// Without the hint at its help page, which is here.
pub(crate) fn summary(text: &str) -> &str {
    text.split(": goward ").next().unwrap_or_default()
}
