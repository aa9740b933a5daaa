//! The completion for fish.

use super::markdown::summary;
use super::{Offer, with_options};
use std::fmt::Write;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

pub(crate) fn script() -> String {
    let names: Vec<&str> = goward::commands::all().map(|command| command.name).collect();
    let names = names.join(" ");
    let mut script = format!(
        "# Completion of goward's command line for fish. Generated from the tables in src/commands/*/options.rs by make reference.\n\n\
         # Whether the command of this line is one of those named.\n\
         function __goward_is\n    set -l words (commandline -opc)\n    set -l command run\n    \
         if set -q words[2]; and contains -- $words[2] {names}\n        set command $words[2]\n    end\n    \
         contains -- $command $argv\nend\n\n\
         # Whether nothing but options stands on this line yet.\n\
         function __goward_is_first\n    test (count (commandline -opc)) -eq 1\nend\n\n"
    );
    for command in goward::commands::all() {
        let _ = writeln!(
            script,
            "complete -c goward -n __goward_is_first -a {} -d {}",
            command.name,
            quoted(summary(command.summary))
        );
    }
    let _ = writeln!(script, "complete -c goward -n '__goward_is help' -f -a '{names}'");
    script.push_str("complete -c goward -n '__goward_is probe' -f -a 'http:// tcp:// unix:/ grpc:// exec:'\n");
    script.push_str("complete -c goward -n '__goward_is status version' -f\n");
    for command in with_options() {
        script.push('\n');
        let _ = writeln!(
            script,
            "complete -c goward -n '__goward_is {}' -s h -l help -d 'show the help page'",
            command.name
        );
        for option in command.useful_options() {
            let short = option.short.map_or(String::new(), |letter| format!(" -s {letter}"));
            let value = match Offer::of(&option) {
                None => String::new(),
                Some(Offer::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
                Some(Offer::Files) => " -r -F".to_owned(),
                Some(Offer::Directories) => " -x -a '(__fish_complete_directories)'".to_owned(),
                Some(Offer::Programs) => " -x -a '(__fish_complete_command)'".to_owned(),
                Some(Offer::Nothing) => " -x".to_owned(),
            };
            let _ = writeln!(
                script,
                "complete -c goward -n '__goward_is {}'{short} -l {}{value} -d {}",
                command.name,
                option.name,
                quoted(option.help)
            );
        }
    }
    script
}
