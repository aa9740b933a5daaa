//! The completion for bash. It needs nothing but bash itself.

use super::{Offer, with_options};
use std::fmt::Write;

pub(crate) fn script() -> String {
    let names = |wanted: &dyn Fn(&str) -> bool| {
        let names = goward::commands::all().map(|command| command.name).filter(|name| wanted(name));
        names.collect::<Vec<_>>()
    };
    let (mut options, mut values) = (String::new(), String::new());
    for command in with_options() {
        let mut all = vec!["--help".to_owned()];
        let mut with_value = Vec::new();
        for option in command.useful_options() {
            let names: Vec<String> = option
                .short
                .map(|letter| format!("-{letter}"))
                .into_iter()
                .chain([format!("--{}", option.name)])
                .collect();
            let Some(offer) = Offer::of(&option) else {
                all.extend(names);
                continue;
            };
            let patterns: Vec<String> = names.iter().map(|name| format!("'{} {name}'", command.name)).collect();
            let offered = match offer {
                Offer::Words(words) => format!("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", words.join(" ")),
                Offer::Files => "_goward_names -f".to_owned(),
                Offer::Directories => "_goward_names -d".to_owned(),
                Offer::Programs => "COMPREPLY=($(compgen -c -- \"$cur\"))".to_owned(),
                Offer::Nothing => ":".to_owned(),
            };
            let _ = writeln!(values, "        {}) {offered}; return ;;", patterns.join(" | "));
            with_value.extend(names.clone());
            all.extend(names);
        }
        let _ = writeln!(
            options,
            "        {}) options='{}' with_value=' {} ' ;;",
            command.name,
            all.join(" "),
            with_value.join(" ")
        );
    }
    let starts: Vec<&str> =
        with_options().filter(|command| command.starts_program).map(|command| command.name).collect();
    format!(
        r#"# Completion of goward's command line for bash. Generated from the tables in src/commands/*/options.rs by make reference.

# The names of files, or of directories (-d).
_goward_names() {{
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "$1" -- "$cur"))
}}

_goward() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command=run at=1 options with_value
    COMPREPLY=()
    # bash takes --option=value for three words.
    if [ "$cur" = = ]; then
        cur=
    elif [ "$prev" = = ]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    if [ "$COMP_CWORD" -gt 1 ]; then
        case ${{COMP_WORDS[1]}} in
        {commands}) command=${{COMP_WORDS[1]}} at=2 ;;
        esac
    fi
    case $command in
{options}        esac
    # Behind the program everything is the program's.
    case $command in
    {starts})
        while [ "$at" -lt "$COMP_CWORD" ]; do
            case ${{COMP_WORDS[at]}} in
            =) at=$((at + 1)) ;;
            -?*)
                [ "${{COMP_WORDS[at]}}" != -- ] || at=$((at + 1))
                case $with_value in
                *" ${{COMP_WORDS[at]}} "*) [ "${{COMP_WORDS[at + 1]}}" = = ] || at=$((at + 1)) ;;
                esac
                if [ "${{COMP_WORDS[at - 1]}}" = -- ] && [ "$at" -lt "$COMP_CWORD" ]; then
                    _goward_names -f
                    return
                fi
                ;;
            *)
                _goward_names -f
                return
                ;;
            esac
            at=$((at + 1))
        done
        ;;
    esac
    case "$command ${{prev/#=/}}" in
{values}    esac
    case $cur in
    -*) COMPREPLY=($(compgen -W "$options" -- "$cur")) ;;
    *)
        case $command in
        help) COMPREPLY=($(compgen -W '{all}' -- "$cur")) ;;
        probe)
            compopt -o nospace 2>/dev/null
            COMPREPLY=($(compgen -W 'http:// tcp:// unix:/ grpc:// exec:' -- "$cur"))
            ;;
        check | goroutines) _goward_names -f ;;
        {starts})
            [ "$COMP_CWORD" -gt 1 ] || COMPREPLY=($(compgen -W '{all}' -- "$cur"))
            [ "${{#COMPREPLY[@]}}" -gt 0 ] || COMPREPLY=($(compgen -c -- "$cur"))
            [ "${{#COMPREPLY[@]}}" -gt 0 ] || _goward_names -f
            ;;
        esac
        ;;
    esac
}}

complete -F _goward goward
"#,
        commands = names(&|_| true).join(" | "),
        all = names(&|_| true).join(" "),
        starts = starts.join(" | "),
    )
}
