//! Reading the words of a command that somebody types, with options of its own and no variables.

use super::options::{Opt, Raw, Take};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What the words said, and those that are no options; none: help was asked for.
///
/// # Errors
/// A sentence for the user.
pub(super) fn read(options: &'static [Opt], arguments: &[CString]) -> Result<Option<(Raw, Vec<OsString>)>, String> {
    use lexopt::Arg;
    let mut raw = Raw::default();
    let mut others = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments.iter().map(|word| OsStr::from_bytes(word.as_bytes())));
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let option = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Short(letter) => {
                let found = options.iter().find(|option| option.short == Some(letter));
                found.ok_or_else(|| format!("there is no option -{letter}"))?
            }
            Arg::Long(name) => {
                let found = options.iter().find(|option| option.name == name);
                found.ok_or_else(|| format!("there is no option --{name}"))?
            }
            Arg::Value(word) => {
                others.push(word);
                continue;
            }
        };
        match option.take {
            Take::Switch(set) => set(&mut raw),
            Take::Value(placeholder, set) | Take::List(placeholder, set) => {
                let value = parser.value().map_err(|_| format!("--{} needs a value: {placeholder}", option.name))?;
                let value = value.to_string_lossy();
                let list = matches!(option.take, Take::List(..));
                let items = if list { value.split(',').map(str::trim).collect() } else { vec![value.as_ref()] };
                for item in items {
                    set(&mut raw, item).map_err(|error| format!("--{}: {error}", option.name))?;
                }
            }
        }
    }
    Ok(Some((raw, others)))
}
