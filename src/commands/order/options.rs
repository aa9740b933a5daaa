//! The options of the commands that tell an init to do something. They have no variables.

use crate::cli::table::{Opt, Options, Take, set};
use crate::cli::values::{count, positive};
use std::time::Duration;

/// What the command line said.
#[derive(Debug, Default)]
pub struct OrderWords {
    pub(super) wait: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) pid: Option<u32>,
    pub(super) quiet: bool,
}

const GROUP: &str = "Options";

/// Those of `goward stop`.
pub const STOP: Options<OrderWords> = Options {
    variables: false,
    all: &[wait("wait until goward has ended (a docker exec ends with it, with code 129)"), TIMEOUT, PID, QUIET],
};

/// Those of `goward restart`.
pub const RESTART: Options<OrderWords> = Options {
    variables: false,
    all: &[wait("wait until the server has been started again and is ready"), TIMEOUT, PID, QUIET],
};

/// Those of `goward reload`.
pub const RELOAD: Options<OrderWords> = Options {
    variables: false,
    all: &[wait("wait until the server says that it has reloaded (with --notify)"), TIMEOUT, PID, QUIET],
};

const fn wait(help: &'static str) -> Opt<OrderWords> {
    Opt {
        name: "wait",
        short: Some('w'),
        take: Take::Switch(|words| words.wait = true),
        default: None,
        help,
        group: GROUP,
    }
}

const TIMEOUT: Opt<OrderWords> = Opt {
    name: "timeout",
    short: Some('t'),
    take: Take::Value("TIME", set!(timeout, positive)),
    default: Some("60s"),
    help: "how long --wait waits",
    group: GROUP,
};

/// Of those that are done at once.
pub const AT_ONCE: Options<OrderWords> = Options { variables: false, all: &[PID, QUIET] };

const PID: Opt<OrderWords> = Opt {
    name: "pid",
    short: None,
    take: Take::Value("PID", set!(pid, |text| count(text, i32::MAX as u32))),
    default: Some("the one of this container"),
    help: "the goward to talk to",
    group: GROUP,
};

const QUIET: Opt<OrderWords> = Opt {
    name: "quiet",
    short: Some('q'),
    take: Take::Switch(|words| words.quiet = true),
    default: None,
    help: "print nothing, only set the exit code",
    group: GROUP,
};
