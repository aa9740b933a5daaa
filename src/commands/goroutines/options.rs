//! The options of `goward goroutines`. None has a GOWARD_… variable, because this command is typed by hand.

use crate::cli::display::{self, Colour};
use crate::cli::table::{Opt, Options, Take, set};
use crate::signal::Signal;

/// What the command line said.
#[derive(Debug, Default)]
pub struct GoroutinesWords {
    pub(super) json: bool,
    pub(super) all: bool,
    pub(super) pattern: Option<String>,
    pub(super) minutes: u32,
    pub(super) state: Option<String>,
    pub(super) signal: Option<String>,
    pub(super) colour: Option<Colour>,
}

const GROUP: &str = "Options";

/// The table of all options of `goward goroutines`.
pub const OPTIONS: Options<GoroutinesWords> = Options {
    variables: false,
    all: &[
        Opt {
            name: "all",
            short: Some('a'),
            take: Take::Switch(|words| words.all = true),
            default: None,
            help: "every group with its whole stack, the runtime's own too",
            group: GROUP,
        },
        Opt {
            name: "json",
            short: None,
            take: Take::Switch(|words| words.json = true),
            default: None,
            help: "one JSON object for each dump, each on one line",
            group: GROUP,
        },
        Opt {
            name: "match",
            short: Some('m'),
            take: Take::Value("TEXT", |words, text| {
                words.pattern = Some(text.to_owned());
                Ok(())
            }),
            default: None,
            help: "only groups with this text in a function or file of the stack, or in what started them",
            group: GROUP,
        },
        Opt {
            name: "min-minutes",
            short: None,
            take: Take::Value("N", |words, text| {
                words.minutes = text.parse().map_err(|_| format!("'{text}' is not a number of minutes"))?;
                Ok(())
            }),
            default: None,
            help: "only groups with a goroutine that has waited this long, as far as the runtime says",
            group: GROUP,
        },
        Opt {
            name: "state",
            short: None,
            take: Take::Value("STATE", |words, text| {
                words.state = Some(text.to_owned());
                Ok(())
            }),
            default: None,
            help: "only groups in this state: 'chan receive', select, 'IO wait'",
            group: GROUP,
        },
        Opt {
            name: "signal",
            short: None,
            take: Take::Value("SIGNAL", |words, text| {
                words.signal = Some(Signal::parse(text)?.to_string());
                Ok(())
            }),
            default: Some("what goward's own lines in the log say"),
            help: "the signal that asked the server to stop: findings name what kept running after it",
            group: GROUP,
        },
        display::option(set!(colour, Colour::parse), GROUP),
    ],
};
