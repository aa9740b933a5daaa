//! `goward check [OPTIONS] [PROGRAM]`. Its options have no variables: what an image is checked for must not depend on it.

use super::options::{Opt, Take};
use super::{Env, Invocation, help, words};
use crate::config::{Checking, FailOn, Form, Subject};
use crate::exit;
use std::ffi::CString;
use std::path::PathBuf;

/// What the words said.
#[derive(Debug, Default)]
pub struct Raw {
    dockerfile: Option<PathBuf>,
    rootfs: Option<PathBuf>,
    image: Option<PathBuf>,
    user: Option<String>,
    writable: Vec<String>,
    fail_on: Option<FailOn>,
    form: Option<Form>,
    ignore: Vec<String>,
    colour: Option<Option<bool>>,
    list: bool,
    explain: Option<String>,
}

const WHAT: &str = "What is checked";
const HOW: &str = "How it is told";

/// A text that must not be empty.
macro_rules! some {
    ($field:ident) => {
        |raw, text| {
            if text.is_empty() {
                return Err("it is empty".to_owned());
            }
            raw.check.$field = Some(text.into());
            Ok(())
        }
    };
}

/// Every option.
pub const OPTIONS: &[Opt] = &[
    Opt {
        name: "dockerfile",
        short: Some('f'),
        take: Take::Value("FILE", some!(dockerfile)),
        help: "a Dockerfile, with .dockerignore, go.mod and scripts beside it",
        group: WHAT,
    },
    Opt {
        name: "image",
        short: None,
        take: Take::Value("FILE.tar", some!(image)),
        help: "what docker save or an OCI builder wrote; PROGRAM and user are those of the image unless given",
        group: WHAT,
    },
    Opt {
        name: "rootfs",
        short: None,
        take: Take::Value("DIR", some!(rootfs)),
        help: "a directory that will be the root [/]",
        group: WHAT,
    },
    Opt {
        name: "user",
        short: None,
        take: Take::Value("USER[:GROUP]", some!(user)),
        help: "who the server will be [who runs this, or the image's USER]",
        group: WHAT,
    },
    Opt {
        name: "writable",
        short: None,
        take: Take::List("DIR", |raw, text| {
            if !text.starts_with('/') {
                return Err(format!("'{text}' is no absolute path"));
            }
            raw.check.writable.push(text.to_owned());
            Ok(())
        }),
        help: "where that user must be able to write",
        group: WHAT,
    },
    Opt {
        name: "fail-on",
        short: None,
        take: Take::Value("error|warning|note|never", |raw, text| {
            raw.check.fail_on = Some(match text {
                "error" => FailOn::Error,
                "warning" => FailOn::Warning,
                "note" => FailOn::Note,
                "never" => FailOn::Never,
                _ => return Err(format!("'{text}' is none of error, warning, note, never")),
            });
            Ok(())
        }),
        help: "exit with 1 from this severity on [error]",
        group: HOW,
    },
    Opt {
        name: "format",
        short: None,
        take: Take::Value("text|json|sarif|github", |raw, text| {
            raw.check.form = Some(match text {
                "text" => Form::Text,
                "json" => Form::Json,
                "sarif" => Form::Sarif,
                "github" => Form::Github,
                _ => return Err(format!("'{text}' is none of text, json, sarif, github")),
            });
            Ok(())
        }),
        help: "for people, machines, code scanning (SARIF 2.1.0), or as annotations of GitHub Actions [text]",
        group: HOW,
    },
    Opt {
        name: "ignore",
        short: None,
        take: Take::List("ID", |raw, text| {
            raw.check.ignore.push(text.to_ascii_uppercase());
            Ok(())
        }),
        help: "a finding that is not to be told, like GW109",
        group: HOW,
    },
    Opt {
        name: "color",
        short: None,
        take: Take::Value("auto|always|never", |raw, text| {
            raw.check.colour = Some(match text {
                "auto" => None,
                "always" => Some(true),
                "never" => Some(false),
                _ => return Err(format!("'{text}' is none of auto, always, never")),
            });
            Ok(())
        }),
        help: "colours [on a terminal, unless NO_COLOR is set]",
        group: HOW,
    },
    Opt {
        name: "list",
        short: None,
        take: Take::Switch(|raw| raw.check.list = true),
        help: "all findings there are",
        group: HOW,
    },
    Opt {
        name: "explain",
        short: None,
        take: Take::Value("ID", some!(explain)),
        help: "why one of them matters",
        group: HOW,
    },
];

pub(super) fn parse(arguments: &[CString], env: Env<'_>) -> Invocation {
    match read(arguments, env) {
        Ok(Some(checking)) => Invocation::Check(Box::new(checking)),
        Ok(None) => Invocation::out(help::check()),
        Err(error) => {
            Invocation::err(format!("goward: {error} (goward check --help tells more)\n"), exit::GOWARD_FAILED)
        }
    }
}

/// None: help was asked for.
fn read(arguments: &[CString], env: Env<'_>) -> Result<Option<Checking>, String> {
    let Some((raw, others)) = words::read(OPTIONS, arguments)? else { return Ok(None) };
    let mut others = others.iter().map(|word| word.to_string_lossy().into_owned()).skip_while(String::is_empty);
    let program = others.next();
    if others.next().is_some() {
        return Err("one program at a time, without its arguments".to_owned());
    }
    let raw = raw.check;
    let columns = env("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let set = |name| env(name).is_some_and(|value| !value.is_empty());
    let colour = match raw.colour.unwrap_or_default() {
        Some(asked) => Some(asked),
        None if set("NO_COLOR") || env("TERM").is_some_and(|term| term == "dumb") => Some(false),
        None => None,
    };
    Ok(Some(Checking {
        user: raw.user.clone(),
        writable: raw.writable.clone(),
        fail_on: raw.fail_on.unwrap_or(FailOn::Error),
        form: raw.form.unwrap_or(Form::Text),
        ignore: raw.ignore.clone(),
        colour,
        columns,
        subject: subject(raw, program)?,
    }))
}

/// One thing at a time.
fn subject(raw: Raw, program: Option<String>) -> Result<Subject, String> {
    let for_images = raw.user.is_some() || !raw.writable.is_empty();
    match (raw.dockerfile, raw.image, raw.rootfs) {
        _ if raw.list => Ok(Subject::List),
        (None, None, None) if raw.explain.is_some() => Ok(Subject::Explain(raw.explain.unwrap_or_default())),
        (Some(_), None, None) if program.is_some() => {
            Err("--dockerfile or a program of an image: one at a time".to_owned())
        }
        (Some(_), None, None) if for_images => {
            Err("--user and --writable are for an image; a Dockerfile says itself who the server is".to_owned())
        }
        (Some(file), None, None) => Ok(Subject::Dockerfile(file)),
        (None, Some(archive), None) => Ok(Subject::Image { archive, program }),
        (None, None, Some(directory)) => Ok(Subject::Root { directory: Some(directory), program }),
        (None, None, None) if program.is_some() => Ok(Subject::Root { directory: None, program }),
        (None, None, None) => Err("what is to be checked? --dockerfile Dockerfile, --image FILE.tar, --rootfs DIR, \
                                   or a program of the image this runs in"
            .to_owned()),
        _ => Err("--dockerfile, --image and --rootfs: one at a time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str, env: &[(&str, &str)]) -> Invocation {
        let words: Vec<_> = line.split_whitespace().map(|word| CString::new(word).unwrap()).collect();
        let env: Vec<(String, String)> = env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        parse(&words, &move |name| env.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
    }

    fn good(line: &str, env: &[(&str, &str)]) -> Checking {
        match parse_line(line, env) {
            Invocation::Check(checking) => *checking,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn words() {
        let here = good(
            "--user 65532 --writable /tmp,/data --ignore gw109,GW110 --fail-on=note /server",
            &[("NO_COLOR", "1")],
        );
        assert_eq!(here.subject, Subject::Root { directory: None, program: Some("/server".into()) });
        assert_eq!(
            (here.writable.len(), here.ignore, here.fail_on),
            (2, vec!["GW109".into(), "GW110".into()], FailOn::Note)
        );
        assert_eq!((here.user.as_deref(), here.colour), (Some("65532"), Some(false)));
        assert_eq!(good("-f Dockerfile --format sarif", &[]).form, Form::Sarif);
        assert_eq!(good("--rootfs /x", &[]).subject, Subject::Root { directory: Some("/x".into()), program: None });
        assert_eq!(good("--image x.tar /p", &[("COLUMNS", "70")]).columns, Some(70));
        assert_eq!(good("--explain gw101", &[]).subject, Subject::Explain("gw101".into()));
        assert_eq!(good("--list", &[]).subject, Subject::List);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("", "what is to be checked"),
            ("--dockerfle x", "no option --dockerfle"),
            ("-x", "no option -x"),
            ("/a /b", "one program at a time"),
            ("--dockerfile", "--dockerfile needs a value: FILE"),
            ("--dockerfile x --image y", "one at a time"),
            ("--dockerfile x /server", "one at a time"),
            ("--dockerfile x --user 1", "for an image"),
            ("--writable data /server", "no absolute path"),
            ("--fail-on bad /server", "none of error"),
            ("--format xml /server", "none of text"),
            ("--list=yes", "--list"),
        ] {
            match parse_line(line, &[]) {
                Invocation::Say { stderr, code: exit::GOWARD_FAILED, .. } => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn help_names_every_option() {
        let Invocation::Say { stdout, code: 0, .. } = parse_line("--help", &[]) else { panic!("no help") };
        assert!(OPTIONS.iter().all(|option| stdout.contains(&format!("--{}", option.name))));
    }
}
