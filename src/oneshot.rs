//! `goward probe`: one attempt, waited for as the init waits: for signals, of which one says that something has happened.

use crate::config::Probing;
use crate::exit;
use crate::log;
use crate::probe::{Attempt, Notice, Outcome, Progress};
use crate::signal::Signal;
use crate::spawn::Order;
use crate::sys::inbox::{Inbox, Sender};
use crate::sys::mask::Mask;
use crate::sys::wait::{self, Change};
use crate::sys::{clock, mask, process};
use nix::errno::Errno;
use std::io::Write;
use std::time::Duration;

/// For what is not announced.
const NET: Duration = Duration::from_millis(100);

/// How long what a command has left behind may take to end.
const SEEING_OFF: Duration = Duration::from_secs(1);

/// The command, to its exit code. `inherited` is the mask for a command that is the probe; all signals are blocked by now.
pub fn run(probing: &Probing, inherited: Mask) -> u8 {
    let began = clock::now();
    let outcome = attempt(probing, inherited);
    see_off();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(signal) => return exit::by_signal(signal.number() as u8),
    };
    let took = clock::now().saturating_sub(began).as_millis();
    let target = &probing.probe.target;
    match (outcome.well, probing.quiet) {
        (_, true) => {}
        (true, false) => {
            let _ = writeln!(std::io::stdout(), "healthy: {target}: {}, after {took} ms", outcome.text);
        }
        (false, false) => log::say_raw(&format!("unhealthy: {target}: {}\n", outcome.text)),
    }
    if outcome.well { 0 } else { exit::UNHEALTHY }
}

/// The outcome, or the signal that ended the attempt.
fn attempt(probing: &Probing, inherited: Mask) -> Result<Outcome, Signal> {
    // Whoever started this may have ignored SIGCHLD; the status would then be nobody's.
    let _ = mask::dispose(Signal::CHLD, false);
    let inbox = Inbox::new(Signal::all().filter(|signal| signal.is_takeable()).chain([Signal::CHLD]));
    // Whatever the command starts is goward's to end: above it may be a server that reaps nobody.
    let _ = process::become_subreaper();
    let order = Order { dies_with_parent: true, ..Order::new(&[], inherited) };
    let end = clock::now() + probing.timeout;
    let mut attempt = match Attempt::start(&probing.probe, Some(&order), Notice::Signal) {
        Ok(attempt) => attempt,
        Err(outcome) => return Ok(outcome),
    };
    loop {
        let left = end.saturating_sub(clock::now());
        if left.is_zero() {
            return Ok(attempt.give_up(format!("no answer within {:?}", probing.timeout)));
        }
        match attempt.advance() {
            Progress::Over(outcome) => return Ok(outcome),
            Progress::More => continue,
            Progress::Waiting => {}
        }
        match inbox.wait(Some(left.min(NET)), true, None) {
            Ok(Some(received)) if received.signal == Signal::CHLD => {
                while let Ok(Some((pid, change))) = wait::any_child() {
                    if let (Change::Ended(status), true) = (change, attempt.child() == Some(pid)) {
                        return Ok(attempt.ended(status));
                    }
                }
            }
            Ok(Some(received)) if received.sender == Sender::Descriptor => {}
            Ok(Some(received)) if ends(received.signal) => {
                let _ = attempt.give_up(String::new());
                return Err(received.signal);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => clock::nap(Duration::from_millis(1)),
        }
    }
}

/// Ends and reaps whatever the command has left behind, for a moment at most.
fn see_off() {
    let end = clock::now() + SEEING_OFF;
    let own = nix::unistd::getpid().as_raw();
    loop {
        match wait::any_child() {
            Ok(Some(_)) => continue,
            Ok(None) if clock::now() < end => {}
            Ok(None) | Err(_) => return,
        }
        for process in process::descendants(own, process::all()) {
            let _ = process.send(Signal::KILL);
        }
        clock::nap(Duration::from_millis(1));
    }
}

/// What ends a program that handles no signals.
fn ends(signal: Signal) -> bool {
    !matches!(signal, Signal::CONT | Signal::TSTP | Signal::TTIN | Signal::TTOU | Signal::URG | Signal::WINCH)
}
