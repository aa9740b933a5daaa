//! `goward goroutines [OPTIONS] [FILE]`. Its options have no variables: somebody types it.

use super::options::{Opt, Take};
use super::{Env, Invocation, help, words};
use crate::config::{Reading, Shown};
use crate::exit;
use std::ffi::CString;
use std::path::PathBuf;

/// What the words said.
#[derive(Debug, Default)]
pub struct Raw {
    json: bool,
    all: bool,
    colour: Colour,
}

#[derive(Clone, Copy, Debug, Default)]
enum Colour {
    #[default]
    Auto,
    Always,
    Never,
}

const GROUP: &str = "Options";

/// Every option.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "all",
        short: Some('a'),
        take: Take::Switch(|raw| raw.goroutines.all = true),
        help: "every group with its whole stack, the runtime's own too",
        group: GROUP,
    },
    Opt {
        name: "json",
        short: None,
        take: Take::Switch(|raw| raw.goroutines.json = true),
        help: "one JSON object for each dump, in one line",
        group: GROUP,
    },
    Opt {
        name: "color",
        short: None,
        take: Take::Value("auto|always|never", |raw, text| {
            raw.goroutines.colour = match text {
                "auto" => Colour::Auto,
                "always" => Colour::Always,
                "never" => Colour::Never,
                _ => return Err(format!("'{text}' is none of auto, always, never")),
            };
            Ok(())
        }),
        help: "colours [on a terminal, unless NO_COLOR is set]",
        group: GROUP,
    },
];

pub(super) fn parse(arguments: &[CString], env: Env<'_>) -> Invocation {
    match read(arguments, env) {
        Ok(Some(reading)) => Invocation::Goroutines(reading),
        Ok(None) => Invocation::out(help::goroutines()),
        Err(error) => {
            Invocation::err(format!("goward: {error} (goward goroutines --help tells more)\n"), exit::GOWARD_FAILED)
        }
    }
}

/// None: help was asked for.
fn read(arguments: &[CString], env: Env<'_>) -> Result<Option<Reading>, String> {
    let Some((raw, others)) = words::read(OPTIONS, arguments)? else { return Ok(None) };
    let mut others = others.into_iter().map(PathBuf::from);
    let file = others.next();
    if others.next().is_some() {
        return Err("one file at a time".to_owned());
    }
    let set = |name| env(name).is_some_and(|value| !value.is_empty());
    let raw = raw.goroutines;
    Ok(Some(Reading {
        file: file.filter(|file| file.as_os_str() != "-"),
        shown: if raw.json { Shown::Json } else { Shown::Table },
        all: raw.all,
        colour: match raw.colour {
            Colour::Always => Some(true),
            Colour::Never => Some(false),
            Colour::Auto if set("NO_COLOR") || env("TERM").is_some_and(|term| term == "dumb") => Some(false),
            Colour::Auto => None,
        },
        columns: env("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str, env: &[(&str, &str)]) -> Invocation {
        let words: Vec<_> = line.split_whitespace().map(|word| CString::new(word).unwrap()).collect();
        let env: Vec<(String, String)> = env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        parse(&words, &move |name| env.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
    }

    fn good(line: &str, env: &[(&str, &str)]) -> Reading {
        match parse_line(line, env) {
            Invocation::Goroutines(reading) => reading,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn words_and_environment() {
        assert_eq!(good("", &[]), Reading { file: None, shown: Shown::Table, all: false, colour: None, columns: None });
        let reading = good("--json -a dump.txt", &[("COLUMNS", "72"), ("NO_COLOR", "1")]);
        assert_eq!(reading.file, Some(PathBuf::from("dump.txt")));
        assert_eq!(
            (reading.shown, reading.all, reading.colour, reading.columns),
            (Shown::Json, true, Some(false), Some(72))
        );
        assert_eq!(good("- --color=always", &[("NO_COLOR", "1"), ("COLUMNS", "wide")]).colour, Some(true));
        assert_eq!(good("-", &[("TERM", "dumb")]).colour, Some(false));
        assert_eq!(good("--color never -- --json", &[]).file, Some(PathBuf::from("--json")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("--jsn", "no option --jsn"),
            ("-x", "no option -x"),
            ("a b", "one file at a time"),
            ("--color", "--color needs a value"),
            ("--color blue", "'blue' is none of auto"),
            ("--json=yes", "--json"),
        ] {
            match parse_line(line, &[]) {
                Invocation::Say { stderr, code: exit::GOWARD_FAILED, .. } => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn help_names_every_option() {
        let Invocation::Say { stdout, code: 0, .. } = parse_line("--json --help", &[]) else { panic!("no help") };
        assert!(OPTIONS.iter().all(|option| stdout.contains(&format!("--{}", option.name))));
    }
}
