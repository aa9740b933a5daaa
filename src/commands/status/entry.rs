//! `goward status`: asks the init of this container, over its socket. It costs the server nothing.

use super::{Form, Settings, Wanted, metrics};
use crate::client::{self, Report};
use crate::exit;
use crate::log;
use crate::sys::clock;
use crate::sys::mask::Mask;
use std::io::Write;
use std::time::Duration;

/// How often somebody who waits asks again.
const AGAIN: Duration = Duration::from_millis(100);
/// Each question has at least so long.
const LEAST: Duration = Duration::from_millis(200);
/// The command, to its exit code.
pub fn run(settings: &Settings, inherited: Mask) -> u8 {
    let _ = inherited.install();
    let end = clock::now() + settings.patience;
    let mut last = None;
    loop {
        // The last question is asked when there is hardly any time left for the answer.
        let least = if settings.waits { LEAST } else { Duration::ZERO };
        let report = client::ask(settings.pid, end.max(clock::now() + least));
        let well = report.as_ref().is_ok_and(|report| match settings.wanted {
            // Who reads them sees how it is.
            _ if settings.form == Form::Metrics && !settings.waits => true,
            Wanted::Ready => report.ready,
            Wanted::Healthy => report.healthy,
        });
        if well || !settings.waits || clock::now() >= end {
            show(&report.or_else(|why| last.ok_or(why)), settings);
            return if well { 0 } else { exit::UNHEALTHY };
        }
        last = report.ok().or(last);
        clock::nap(AGAIN);
    }
}

fn show(report: &Result<Report, String>, settings: &Settings) {
    match report {
        _ if settings.quiet => {}
        Ok(report) => {
            let text = match settings.form {
                Form::Text => report.text.clone(),
                Form::Json => report.json.clone(),
                Form::Metrics => metrics::text(report),
            };
            // Nobody may be listening; the code tells too.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
        Err(why) => log::say_raw(&format!("goward: {why}\n")),
    }
}
