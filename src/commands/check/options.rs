//! The options of `goward check`. They have no variables: what an image is checked for must not depend on it.

use crate::check::{Format, Severity};
use crate::cli::display::{self, Colour};
use crate::cli::table::{Opt, Options, Take, set};
use crate::cli::values::one_of;
use std::path::PathBuf;

/// What the command line said.
#[derive(Debug, Default)]
pub struct CheckWords {
    pub(super) dockerfile: Vec<PathBuf>,
    pub(super) target: Option<String>,
    pub(super) context: Option<PathBuf>,
    pub(super) build_arg: Vec<(String, Option<String>)>,
    pub(super) config: Option<PathBuf>,
    pub(super) fix: bool,
    pub(super) write: bool,
    pub(super) rootfs: Option<PathBuf>,
    pub(super) image: Option<PathBuf>,
    pub(super) user: Option<String>,
    pub(super) writable: Vec<String>,
    /// Inside, None is never.
    pub(super) fail_on: Option<Option<Severity>>,
    pub(super) format: Option<Format>,
    pub(super) ignore: Vec<String>,
    pub(super) colour: Option<Colour>,
    pub(super) list: bool,
    pub(super) explain: Option<String>,
}

const WHAT: &str = "What is checked";
const HOW: &str = "How it is reported";

const FAIL_ON: [(&str, Option<Severity>); 4] = [
    ("error", Some(Severity::Error)),
    ("warning", Some(Severity::Warning)),
    ("note", Some(Severity::Note)),
    ("never", None),
];

const FORMATS: [(&str, Format); 6] = [
    ("text", Format::Text),
    ("json", Format::Json),
    ("sarif", Format::Sarif),
    ("github", Format::Github),
    ("gitlab", Format::Gitlab),
    ("checkstyle", Format::Checkstyle),
];

fn not_empty<'a, T: From<&'a str>>(text: &'a str) -> Result<T, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.into()) }
}

/// The table of all options of `goward check`.
pub const OPTIONS: Options<CheckWords> = Options {
    variables: false,
    all: &[
        Opt {
            name: "dockerfile",
            short: Some('f'),
            take: Take::List("FILE", |words, text| {
                words.dockerfile.push(not_empty(text)?);
                Ok(())
            }),
            default: None,
            help: "a Dockerfile, whatever its name; - for standard input; .yaml and .json are compose or bake files",
            group: WHAT,
        },
        Opt {
            name: "target",
            short: None,
            take: Take::Value("STAGE", set!(target, not_empty)),
            default: Some("the last, and others that start a server"),
            help: "the stage to check",
            group: WHAT,
        },
        Opt {
            name: "context",
            short: None,
            take: Take::Value("DIR", set!(context, not_empty)),
            default: Some("the current directory, or the Dockerfile's where what it copies is there"),
            help: "the build context: .dockerignore, go.mod and scripts are read there",
            group: WHAT,
        },
        Opt {
            name: "build-arg",
            short: None,
            take: Take::List("NAME=VALUE", |words, text| {
                let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' has no ="))?;
                words.build_arg.push((name.to_owned(), Some(value.to_owned())));
                Ok(())
            }),
            default: None,
            help: "the value of an ARG in the build",
            group: WHAT,
        },
        Opt {
            name: "image",
            short: None,
            take: Take::Value("FILE.tar", set!(image, not_empty)),
            default: None,
            help: "an archive by docker save or an OCI builder, - for standard input; PROGRAM and user are the image's unless given",
            group: WHAT,
        },
        Opt {
            name: "rootfs",
            short: None,
            take: Take::Value("DIR", set!(rootfs, not_empty)),
            default: Some("/"),
            help: "a directory that will be the root of an image",
            group: WHAT,
        },
        Opt {
            name: "user",
            short: None,
            take: Take::Value("USER[:GROUP]", set!(user, not_empty)),
            default: Some("the user running this, or the image's USER"),
            help: "the user that the server will run as",
            group: WHAT,
        },
        Opt {
            name: "writable",
            short: None,
            take: Take::List("DIR", |words, text| {
                if !text.starts_with('/') {
                    return Err(format!("'{text}' is not an absolute path"));
                }
                words.writable.push(text.to_owned());
                Ok(())
            }),
            default: None,
            help: "a directory that this user must be able to write to",
            group: WHAT,
        },
        Opt {
            name: "fail-on",
            short: None,
            take: Take::Value("error|warning|note|never", set!(fail_on, |text| one_of(text, &FAIL_ON))),
            default: Some("error"),
            help: "exit with 1 for a finding of this severity or above",
            group: HOW,
        },
        Opt {
            name: "format",
            short: None,
            take: Take::Value("text|json|sarif|github|gitlab|checkstyle", set!(format, |text| one_of(text, &FORMATS))),
            default: Some("text"),
            help: "for people, machines, code scanning (SARIF 2.1.0), GitHub's annotations, GitLab's code quality, or Checkstyle",
            group: HOW,
        },
        Opt {
            name: "ignore",
            short: None,
            take: Take::List("ID", |words, text| {
                words.ignore.push(text.to_ascii_uppercase());
                Ok(())
            }),
            default: None,
            help: "a finding to ignore, like GW109",
            group: HOW,
        },
        Opt {
            name: "config",
            short: None,
            take: Take::Value("FILE", set!(config, not_empty)),
            default: Some(".goward in the current directory, if it is there"),
            help: "ignored findings with their reasons, severities, trusted bases",
            group: HOW,
        },
        Opt {
            name: "fix",
            short: None,
            take: Take::Switch(|words| words.fix = true),
            default: None,
            help: "print a diff that fixes what is certain, instead of the findings",
            group: HOW,
        },
        Opt {
            name: "write",
            short: None,
            take: Take::Switch(|words| words.write = true),
            default: None,
            help: "with --fix: apply the diff to the Dockerfiles",
            group: HOW,
        },
        display::option(set!(colour, Colour::parse), HOW),
        Opt {
            name: "list",
            short: None,
            take: Take::Switch(|words| words.list = true),
            default: None,
            help: "list all findings",
            group: HOW,
        },
        Opt {
            name: "explain",
            short: None,
            take: Take::Value("ID", set!(explain, not_empty)),
            default: None,
            help: "explain why a finding matters",
            group: HOW,
        },
    ],
};
