//! The man page goward(1), in the macros of man(7).

use super::markdown::summary;
use super::{groups, with_options};
use std::fmt::Write;

/// A text, so that no character of it is a request.
fn text(words: &str) -> String {
    let words = words.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    assert!(words.is_ascii(), "{words}");
    if words.starts_with(['.', '\'']) { format!("\\&{words}") } else { words }
}

/// A text that stands by itself: it begins with a capital letter and ends with a full stop.
fn sentence(words: &str) -> String {
    let (first, rest) = words.split_at(1);
    format!("{}{}.", text(&first.to_uppercase()), text(rest))
}

/// For the argument of a macro.
fn quoted(words: &str) -> String {
    format!("\"{}\"", text(words).replace('"', "\\(dq"))
}

/// What the note about the exit codes begins with.
const EXIT: &str = "Exit code: ";

pub(crate) fn page() -> String {
    let mut page = format!(
        ".\\\" Generated from the tables in src/commands/*/options.rs by make reference.\n\
         .TH GOWARD 1 \"\" \"goward {}\" \"User Commands\"\n\
         .nh\n.ad l\n.SH NAME\ngoward \\- a process supervisor and minimal init for Go servers in containers\n.SH SYNOPSIS\n.nf\n",
        env!("CARGO_PKG_VERSION")
    );
    for command in goward::commands::all() {
        match command.usage {
            [] => page
                .push_str(&format!("{}\n", text(format!("goward {} {}", command.name, command.operands).trim_end()))),
            lines => {
                lines.iter().for_each(|(line, _)| page.push_str(&format!("{}\n", text(&format!("goward {line}")))))
            }
        }
    }
    page.push_str(".fi\n.SH DESCRIPTION\n");
    for (at, command) in with_options().enumerate() {
        if at > 0 {
            let _ = writeln!(page, ".SH {}", quoted(&format!("GOWARD {}", command.name.to_uppercase())));
        }
        command.about.iter().for_each(|about| page.push_str(&format!("{}\n", text(about))));
        if let Some((sentence, kinds)) = command.operand_kinds {
            let _ = writeln!(page, ".PP\n{}", text(sentence));
            kinds
                .iter()
                .for_each(|(kind, meaning)| page.push_str(&format!(".TP\n.B {}\n{}\n", quoted(kind), text(meaning))));
        }
        command.before_options.iter().for_each(|about| page.push_str(&format!(".PP\n{}\n", text(about))));
        for (group, options) in groups(command) {
            let _ = writeln!(page, ".SS {}", quoted(group));
            for option in options {
                let short = option.short.map_or(String::new(), |letter| format!("\\fB\\-{letter}\\fR, "));
                let value = option.placeholder.map_or(String::new(), |value| format!(" \\fI{}\\fR", text(value)));
                let _ =
                    writeln!(page, ".TP\n{short}\\fB\\-\\-{}\\fR{value}\n{}", text(option.name), sentence(option.help));
                if let Some(default) = option.default {
                    let _ = writeln!(page, "Default: {}.", text(default));
                }
                if let Some(variable) = option.variable() {
                    let _ = writeln!(page, "Variable: {variable}.");
                }
            }
        }
        let notes = command.notes.iter().filter(|note| !note.starts_with(EXIT));
        notes.for_each(|note| page.push_str(&format!(".PP\n{}\n", text(note))));
    }
    page.push_str(".SH \"EXIT STATUS\"\n");
    for command in with_options() {
        for codes in command.notes.iter().filter_map(|note| note.strip_prefix(EXIT)) {
            let _ = writeln!(page, ".TP\n.B {}\n{}", quoted(&format!("goward {}", command.name)), text(codes));
        }
    }
    page.push_str(".SH ENVIRONMENT\nThe variable of an option stands below it. A flag replaces its variable.\n");
    page.push_str(".SH \"OTHER COMMANDS\"\n");
    for command in goward::commands::all().filter(|command| command.usage.is_empty()) {
        let words = format!("goward {} {}", command.name, command.operands);
        let _ = writeln!(page, ".TP\n.B {}\n{}", quoted(words.trim_end()), sentence(summary(command.summary)));
    }
    page.push_str(".SH \"SEE ALSO\"\n.BR signal (7),\n.BR capabilities (7),\n.BR sd_notify (3),\n.BR tini (1)\n");
    page
}
