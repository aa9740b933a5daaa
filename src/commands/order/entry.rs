//! Tells the init of this container to do something, and waits for it where that was said.

use super::Settings;
use crate::client::{self, Init, Report};
use crate::exit;
use crate::init::control::Socket;
use crate::init::orders::Instruction;
use crate::log;
use crate::supervisor::Order;
use crate::sys::mask::Mask;
use crate::sys::{clock, process};
use std::io::Write;
use std::time::Duration;

/// An init that is stopped does not answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Each question has at least so long.
const LEAST: Duration = Duration::from_millis(200);
/// How often somebody who waits looks again.
const AGAIN: Duration = Duration::from_millis(100);

/// The command, to its exit code.
pub fn run(settings: &Settings, inherited: Mask) -> u8 {
    let _ = inherited.install();
    match tell(settings) {
        Ok(said) => {
            if !settings.quiet {
                // Nobody may be listening; the code tells too.
                let _ = writeln!(std::io::stdout(), "{said}");
            }
            0
        }
        Err(why) => {
            if !settings.quiet {
                log::say_raw(&format!("goward: {why}\n"));
            }
            exit::UNHEALTHY
        }
    }
}

fn tell(settings: &Settings) -> Result<String, String> {
    let end = settings.wait.map(|patience| clock::now() + patience);
    let init = client::find(Socket::Status, settings.pid, answered_by(end))?;
    let counted = match settings.instruction {
        Instruction::Order(Order::Restart) => Some("restarts"),
        Instruction::Order(Order::Reload) => Some("reloads"),
        Instruction::Order(Order::Stop) | Instruction::Signal(_) => None,
    };
    let before = counted.filter(|_| settings.wait.is_some()).map(|_| ask(&init, end)).transpose()?;
    if before.as_ref().zip(counted).is_some_and(|(report, name)| report.number(name).is_none()) {
        return Err(NO_RELOADS.to_owned());
    }
    let said = init.tell(settings.instruction, answered_by(end))?;
    let Some(end) = end else { return Ok(said) };
    match counted.zip(before) {
        Some((name, before)) => wait_for_more(&init, name, &before, end),
        None => wait_for_end(&init, end),
    }
}

const NO_RELOADS: &str = "--wait needs goward --notify, and a server that sends RELOADING=1 and then READY=1: nothing else reports the \
    end of a reload";

/// When an answer must be there: before the time of who waits is up, but for a moment that each question has.
fn answered_by(end: Option<Duration>) -> Duration {
    let now = clock::now();
    let patience = now + ANSWER_TIME;
    end.map_or(patience, |end| patience.min(end.max(now + LEAST)))
}

fn ask(init: &Init, end: Option<Duration>) -> Result<Report, String> {
    client::ask(Some(init.pid), answered_by(end))
}

/// Until the server has been started once more, or has reloaded once more, and is ready.
fn wait_for_more(init: &Init, counted: &str, before: &Report, end: Duration) -> Result<String, String> {
    let is_restart = counted == "restarts";
    let is_same_server = |report: &Report| report.number("restarts") == before.number("restarts");
    loop {
        let report = ask(init, Some(end))?;
        let state = report.text.lines().next().unwrap_or_default();
        if report.ready && report.number(counted) > before.number(counted) {
            let what = if is_restart { "was restarted" } else { "has reloaded" };
            return Ok(format!("the server {what} and is ready"));
        }
        if !is_restart && (report.number("pid").is_none() || !is_same_server(&report)) {
            return Err(format!("the server ended instead of reloading: {state}"));
        }
        if clock::now() >= end {
            let what = if is_restart { "was not ready again" } else { "did not send RELOADING=1 and then READY=1" };
            return Err(format!("the server {what} in time: {state}"));
        }
        clock::nap(AGAIN);
    }
}

/// Until the init has ended. Who is in its container ends with it, and sees no more of that.
fn wait_for_end(init: &Init, end: Duration) -> Result<String, String> {
    let pid = init.pid;
    let first = process::look_at(pid);
    let is_there = || match (&first, process::look_at(pid)) {
        (Some(first), Some(now)) => now.identity() == first.identity() && !now.zombie,
        (_, found) => found.is_some(),
    };
    while is_there() {
        if clock::now() >= end {
            return Err(format!("goward (pid {pid}) has not ended in time"));
        }
        clock::nap(AGAIN);
    }
    Ok(format!("goward (pid {pid}) has ended"))
}
