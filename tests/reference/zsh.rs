//! The completion for zsh, for a directory in its fpath.

use super::markdown::summary;
use super::{Offer, with_options};
use std::fmt::Write;

/// For a specification of _arguments in single quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

pub(crate) fn script() -> String {
    let mut script = String::from(
        "#compdef goward\n# Completion of goward's command line for zsh. Generated from the tables in src/commands/*/options.rs by make reference.\n",
    );
    for command in with_options() {
        let _ = write!(script, "\n_goward_{}() {{\n    _arguments -s -S \\\n", command.name);
        for option in command.useful_options() {
            let action = Offer::of(&option).map_or(String::new(), |offer| {
                let action = match offer {
                    Offer::Words(words) => format!("({})", words.join(" ")),
                    Offer::Files => "_files".to_owned(),
                    Offer::Directories => "_files -/".to_owned(),
                    Offer::Programs => "_command_names".to_owned(),
                    Offer::Nothing => " ".to_owned(),
                };
                format!(":{}:{action}", escaped(option.placeholder.unwrap_or_default()))
            });
            let (long, short) = if action.is_empty() { ("", "") } else { ("=", "+") };
            let help = escaped(option.help);
            let _ = writeln!(script, "        '*--{}{long}[{help}]{action}' \\", option.name);
            if let Some(letter) = option.short {
                let _ = writeln!(script, "        '*-{letter}{short}[{help}]{action}' \\");
            }
        }
        script.push_str("        '(- *)'{-h,--help}'[show the help page]' \\\n");
        script.push_str(match command.name {
            name if command.starts_program && name == "run" => {
                "        '(-)1:program:_goward_first' \\\n        '*::arguments:_normal'\n"
            }
            _ if command.starts_program => {
                "        '(-)1:program:_command_names -e' \\\n        '*::arguments:_normal'\n"
            }
            "check" => "        '1:program:_files'\n",
            "goroutines" => "        '1:file:_files'\n",
            "probe" => "        '1:target:(http\\:// tcp\\:// unix\\:/ grpc\\:// exec\\:)'\n",
            _ => "        '*: :'\n",
        });
        script.push_str("}\n");
    }
    script.push_str("\n_goward_first() {\n    local -a commands=(\n");
    for command in goward::commands::all() {
        let _ = writeln!(script, "        '{}:{}'", command.name, summary(command.summary).replace('\'', "'\\''"));
    }
    let names = |wanted: &dyn Fn(&str) -> bool| {
        let names = goward::commands::all().map(|command| command.name).filter(|name| wanted(name));
        names.collect::<Vec<_>>()
    };
    let _ = write!(
        script,
        "    )\n    _describe -t commands command commands\n    _command_names -e\n}}\n\n_goward() {{\n    if (( CURRENT > 2 )); then\n        \
         case ${{words[2]}} in\n        {0})\n            local command=${{words[2]}}\n            shift words\n            \
         (( CURRENT-- ))\n            _goward_$command\n            return\n            ;;\n        help)\n            \
         compadd {1}\n            return\n            ;;\n        version) return ;;\n        esac\n    fi\n    \
         _goward_run\n}}\n\n_goward \"$@\"\n",
        names(&|name| !matches!(name, "help" | "version")).join(" | "),
        names(&|_| true).join(" "),
    );
    script
}
