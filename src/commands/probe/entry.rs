//! `goward probe`: one attempt, or several until the target is well. It is waited for as the init waits: for signals, of which
//! one says that something has happened.

use super::{grpc_health_probe, tied};
use crate::config::{Manner, Probing};
use crate::exit;
use crate::log;
use crate::probe::{Attempt, Notice, Outcome, Progress, Stage};
use crate::signal::Signal;
use crate::spawn::SpawnSpec;
use crate::sys::inbox::{Inbox, Received, Sender};
use crate::sys::mask::Mask;
use crate::sys::wait::{self, Change};
use crate::sys::{clock, file, mask, process};
use nix::errno::Errno;
use std::io::Write;
use std::time::Duration;

/// How often to look where the kernel may not send SIGIO.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long what a command has left behind may take to end.
const REAPING_TIME: Duration = Duration::from_secs(1);

/// The pause between two attempts, which doubles up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// An attempt that has ended.
pub(super) struct Attempted {
    pub(super) outcome: Outcome,
    /// It took too long.
    pub(super) is_late: bool,
    /// How long it took until there was a connection.
    pub(super) connecting: Duration,
}

/// The command, to its exit code. `inherited` is the mask for a command that is the probe; all signals are blocked by now.
pub fn run(probing: &Probing, inherited: Mask) -> u8 {
    let work = || probe(probing, inherited);
    if probing.probe.is_command() { tied::run(&work) } else { work() }
}

fn probe(probing: &Probing, inherited: Mask) -> u8 {
    let began = clock::now();
    if let Manner::GrpcHealthProbe { verbose: true, .. } = probing.manner {
        log::say_raw(&grpc_health_probe::options(probing));
    }
    let attempted = attempts(probing, inherited);
    reap_what_remains();
    let attempted = match attempted {
        Ok(attempted) => attempted,
        Err(signal) => return exit::by_signal(signal.number() as u8),
    };
    let took = clock::now().saturating_sub(began);
    let target = &probing.probe.target;
    match (&probing.manner, attempted.outcome.well) {
        (Manner::GrpcHealthProbe { address, verbose }, _) => {
            let (text, code) = grpc_health_probe::said(probing, &attempted, address, *verbose, took);
            log::say_raw(&text);
            code
        }
        (Manner::Goward, true) => {
            if !probing.quiet {
                let text = attempted.outcome.text;
                let _ = writeln!(std::io::stdout(), "healthy: {target}: {text}, after {} ms", took.as_millis());
            }
            0
        }
        (Manner::Goward, false) => {
            if !probing.quiet {
                let still = probing.wait.map_or(String::new(), |wait| format!("still after {wait:?}: "));
                log::say_raw(&format!("unhealthy: {target}: {still}{}\n", attempted.outcome.text));
            }
            exit::UNHEALTHY
        }
    }
}

/// One attempt, or as many as there is time for. Or the signal that ended this.
fn attempts(probing: &Probing, inherited: Mask) -> Result<Attempted, Signal> {
    // Whoever started this may have ignored SIGCHLD; the status would then be nobody's.
    let _ = mask::dispose(Signal::CHLD, false);
    let mut inbox = Inbox::new(Signal::all().filter(|signal| signal.is_takeable()).chain([Signal::CHLD]));
    // Whatever the command starts is goward's to end: above it may be a server that reaps nobody.
    let _ = process::become_subreaper();
    let is_grpc_health_probe = probing.manner != Manner::Goward;
    // grpc_health_probe tries again until there is a connection.
    let patience = if is_grpc_health_probe { probing.connect_timeout } else { probing.wait };
    let end = patience.map(|patience| clock::now() + patience);
    let (mut pause, mut is_told) = (PAUSES.0, is_grpc_health_probe || probing.quiet);
    let (mut before, mut successes) = (None, 0);
    loop {
        let attempted = attempt(probing, &mut inbox, inherited, end)?;
        successes = if attempted.outcome.well { successes + 1 } else { 0 };
        let left = end.map(|end| end.saturating_sub(clock::now())).unwrap_or_default();
        if successes >= probing.successes || (is_grpc_health_probe && attempted.outcome.stage != Stage::Connection) {
            return Ok(attempted);
        }
        if successes > 0 {
            let too_few = format!("{successes} successes in a row instead of {}", probing.successes);
            before = Some(Attempted { outcome: Outcome::ill(too_few), ..attempted });
            if end.is_none() || !left.is_zero() {
                pause = PAUSES.0;
                sleep(&mut inbox, if end.is_none() { pause } else { pause.min(left) })?;
                continue;
            }
        }
        if left.is_zero() {
            // The last one had no time: why the one before it failed says more.
            return Ok(before.filter(|_| attempted.is_late || successes > 0).unwrap_or(attempted));
        }
        if !std::mem::replace(&mut is_told, true) {
            let why = attempted.outcome.text.lines().next().unwrap_or_default();
            let wait = probing.wait.unwrap_or_default();
            log::say_raw(&format!("waiting up to {wait:?} for {}: {why}\n", probing.probe.target));
        }
        before = Some(attempted);
        sleep(&mut inbox, pause.min(left))?;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Between two attempts.
fn sleep(inbox: &mut Inbox, time: Duration) -> Result<(), Signal> {
    let end = clock::now() + time;
    loop {
        let left = end.saturating_sub(clock::now());
        if left.is_zero() {
            return Ok(());
        }
        match inbox.wait(Some(left), true, None) {
            Ok(Some(received)) if is_end(&received) => return Err(received.signal),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => clock::nap(Duration::from_millis(1)),
        }
    }
}

/// An attempt, to its end, or to that of the time for all of them.
fn attempt(probing: &Probing, inbox: &mut Inbox, inherited: Mask, end: Option<Duration>) -> Result<Attempted, Signal> {
    let order = SpawnSpec { dies_with_parent: true, ..SpawnSpec::new(&[], inherited) };
    let began = clock::now();
    let mut limits = Limits::new(probing, began, end);
    let over = |outcome, limits: &Limits| {
        Ok(Attempted {
            outcome,
            is_late: false,
            connecting: limits.connected.unwrap_or(clock::now()).saturating_sub(began),
        })
    };
    let mut attempt = match Attempt::start(&probing.probe, Some(&order), Notice::Signal) {
        Ok(attempt) => attempt,
        Err(outcome) => return over(outcome, &limits),
    };
    loop {
        let now = clock::now();
        if limits.connected.is_none() && attempt.is_connected() {
            limits.connect(now);
        }
        let (until, limit) = limits.next();
        if now >= until {
            // What is left of the time for all attempts is no round number.
            let limit = Duration::from_millis((limit.as_micros() as u64).div_ceil(1000));
            let outcome = attempt.give_up(format!("no answer within {limit:?}"));
            return over(outcome, &limits).map(|attempted| Attempted { is_late: true, ..attempted });
        }
        // An agent that gives up may leave the probe to itself.
        if file::nobody_reads(&std::io::stdout()) {
            let _ = attempt.give_up(String::new());
            return Err(Signal::PIPE);
        }
        match attempt.advance() {
            Progress::Over(outcome) => return over(outcome, &limits),
            Progress::More => continue,
            Progress::Waiting => {}
        }
        match inbox.wait(Some((until - now).min(POLL_INTERVAL)), true, None) {
            Ok(Some(received)) if received.signal == Signal::CHLD => {
                while let Ok(Some((pid, change, _))) = wait::any_child() {
                    if let (Change::Ended(status), true) = (change, attempt.child() == Some(pid)) {
                        if attempt.is_connected() && limits.connected.is_none() {
                            limits.connect(clock::now());
                        }
                        return over(attempt.ended(status), &limits);
                    }
                }
            }
            Ok(Some(received)) if is_end(&received) => {
                let _ = attempt.give_up(String::new());
                return Err(received.signal);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => clock::nap(Duration::from_millis(1)),
        }
    }
}

/// Until when an attempt may take what it takes.
struct Limits {
    began: Duration,
    /// For all of it; for grpc_health_probe only for what comes after the connection.
    timeout: Duration,
    is_from_connection: bool,
    /// For the connection.
    connect: Option<Duration>,
    connected: Option<Duration>,
    /// The end of all attempts.
    end: Option<Duration>,
}

impl Limits {
    fn new(probing: &Probing, began: Duration, end: Option<Duration>) -> Limits {
        let is_from_connection = probing.manner != Manner::Goward;
        Limits {
            began,
            timeout: probing.timeout,
            is_from_connection,
            connect: probing.connect_timeout,
            connected: None,
            end,
        }
    }

    fn connect(&mut self, now: Duration) {
        self.connected = Some(now);
    }

    /// The next limit: when it is reached, and how long that is.
    fn next(&self) -> (Duration, Duration) {
        let whole = match (self.is_from_connection, self.connected) {
            (true, Some(connected)) => return (connected + self.timeout, self.timeout),
            (true, None) => None,
            (false, _) => Some(self.timeout),
        };
        let connect = self.connect.filter(|_| self.connected.is_none());
        let left = self.end.map(|end| end.saturating_sub(self.began));
        let limit = [whole, connect, left].into_iter().flatten().min().unwrap_or(self.timeout);
        (self.began + limit, limit)
    }
}

/// Ends and reaps whatever the command has left behind, for a moment at most.
fn reap_what_remains() {
    let end = clock::now() + REAPING_TIME;
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
pub(super) fn ends(signal: Signal) -> bool {
    !matches!(signal, Signal::CONT | Signal::TSTP | Signal::TTIN | Signal::TTOU | Signal::URG | Signal::WINCH)
}

/// The same of what comes from somebody.
fn is_end(received: &Received) -> bool {
    ends(received.signal) && received.signal != Signal::CHLD && received.sender != Sender::Descriptor
}
