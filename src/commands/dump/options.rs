//! The options of `goward dump`. None has a GOWARD_… variable, because this command is typed by hand.

use super::settings::Form;
use crate::cli::display::{self, Colour};
use crate::cli::table::{Opt, Options, Take, set};
use crate::cli::values::{count, path, positive};
use std::path::PathBuf;
use std::time::Duration;

/// What the command line said.
#[derive(Debug, Default)]
pub struct DumpWords {
    pub(super) all: bool,
    pub(super) forms: Vec<Form>,
    pub(super) pattern: Option<String>,
    pub(super) pid: Option<u32>,
    pub(super) init: Option<u32>,
    pub(super) core: Option<PathBuf>,
    pub(super) program: Option<PathBuf>,
    pub(super) colour: Option<Colour>,
    pub(super) growth: Option<Duration>,
    pub(super) watch: bool,
    pub(super) prove: bool,
}

const WHAT: &str = "What is shown";
const WHOSE: &str = "Whose goroutines";

/// Every option.
pub const OPTIONS: Options<DumpWords> = Options {
    variables: false,
    all: &[
        Opt {
            name: "all",
            short: Some('a'),
            take: Take::Switch(|words| words.all = true),
            default: None,
            help: "every group with its whole stack, the runtime's own too",
            group: WHAT,
        },
        Opt {
            name: "json",
            short: None,
            take: Take::Switch(|words| words.forms.push(Form::Json)),
            default: None,
            help: "one JSON object for each program, each on one line",
            group: WHAT,
        },
        Opt {
            name: "raw",
            short: None,
            take: Take::Switch(|words| words.forms.push(Form::Raw)),
            default: None,
            help: "every goroutine as Go itself prints it, for other tools",
            group: WHAT,
        },
        Opt {
            name: "match",
            short: Some('m'),
            take: Take::Value("TEXT", |words, text| {
                words.pattern = Some(text.to_owned());
                Ok(())
            }),
            default: None,
            help: "only goroutines with this text in their state, a function or a file",
            group: WHAT,
        },
        Opt {
            name: "prove",
            short: None,
            take: Take::Switch(|words| words.prove = true),
            default: None,
            help: "search the memory for references to what the goroutines wait on; those that nothing can wake are shown as leaked",
            group: WHAT,
        },
        Opt {
            name: "growth",
            short: None,
            take: Take::Value("TIME", set!(growth, positive)),
            default: None,
            help: "read twice, this long apart, and show the groups that grew, largest first, with their place and who started them",
            group: WHAT,
        },
        Opt {
            name: "watch",
            short: Some('w'),
            take: Take::Switch(|words| words.watch = true),
            default: None,
            help: "on a terminal: read again every two seconds, until Ctrl-C",
            group: WHAT,
        },
        display::option(set!(colour, Colour::parse), WHAT),
        Opt {
            name: "pid",
            short: Some('p'),
            take: Take::Value("PID", set!(pid, |text| count(text, i32::MAX as u32))),
            default: None,
            help: "any Go program that this user may read, instead of the server",
            group: WHOSE,
        },
        Opt {
            name: "init",
            short: None,
            take: Take::Value("PID", set!(init, |text| count(text, i32::MAX as u32))),
            default: Some("the one of this container"),
            help: "the server of the goward with this pid",
            group: WHOSE,
        },
        Opt {
            name: "core",
            short: None,
            take: Take::Value("FILE", set!(core, path)),
            default: None,
            help: "a core dump instead of a running program",
            group: WHOSE,
        },
        Opt {
            name: "program",
            short: None,
            take: Take::Value("FILE", set!(program, path)),
            default: Some("the path in the core dump"),
            help: "with --core: the program that dumped it",
            group: WHOSE,
        },
    ],
};
