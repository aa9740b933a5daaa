//! An exchange in a process of its own: to look a name up takes as long as the name servers like, and TLS takes time and memory
//! and reads what strangers send. Neither is for PID 1.

use super::exchange::Exchange;
use super::{Notice, Outcome, Progress, Stage};
use crate::config::Probe;
use crate::signal::Signal;
use crate::supervisor::Status;
use crate::sys::helper::{Helper, Inside};
use crate::sys::{names, process};
use crate::target::Endpoint;

/// The exit codes of such a process.
const WELL: u8 = 0;
const UNCONNECTED: u8 = 1;
const NO_RESPONSE: u8 = 2;
const NOT_WELL: u8 = 3;

/// What such a process says before its outcome, which begins with neither: the name has been looked up; there is a connection.
const LOOKED_UP: u8 = 2;
const CONNECTED: u8 = 3;

#[derive(Debug)]
pub(super) struct Apart {
    helper: Helper,
    is_tls: bool,
    name: Option<String>,
}

impl Apart {
    pub(super) fn start(probe: &Probe) -> Result<Apart, Outcome> {
        let helper = Helper::tied(NO_RESPONSE, |inside| {
            let outcome = run(probe, inside);
            let code = match (outcome.well, outcome.stage) {
                (true, _) => WELL,
                (false, Stage::Connection) => UNCONNECTED,
                (false, Stage::Response) => NO_RESPONSE,
                (false, Stage::Verdict) => NOT_WELL,
            };
            (code, outcome.text.into_bytes())
        });
        let (is_tls, name) = (probe.target.is_tls(), probe.target.name().map(str::to_owned));
        helper.map(|helper| Apart { helper, is_tls, name }).map_err(|refused| Outcome::ill(refused.to_string()))
    }

    pub(super) fn pid(&self) -> i32 {
        self.helper.pid()
    }

    /// The other process says so.
    pub(super) fn is_connected(&mut self) -> bool {
        self.has_said(CONNECTED)
    }

    fn has_said(&mut self, what: u8) -> bool {
        self.helper.said().iter().take_while(|byte| is_mark(**byte)).any(|byte| *byte == what)
    }

    pub(super) fn ended(mut self, status: Status) -> Outcome {
        let said: Vec<u8> = self.helper.said().iter().copied().skip_while(|byte| is_mark(*byte)).collect();
        let text = String::from_utf8_lossy(&said).into_owned();
        match status {
            Status::Code(WELL) => Outcome::well(text),
            Status::Code(UNCONNECTED) => Outcome::unconnected(text),
            Status::Code(NOT_WELL) => Outcome { stage: Stage::Verdict, ..Outcome::ill(text) },
            Status::Code(NO_RESPONSE) if !text.is_empty() => Outcome::ill(text),
            Status::Code(_) | Status::Unstarted(_) => Outcome::ill("the process of the probe has failed"),
            Status::Signal(signal) => Outcome::ill(format!("the process of the probe was ended by {signal}")),
        }
    }

    pub(super) fn give_up(mut self, text: String) -> Outcome {
        let is_connected = self.is_connected();
        let _ = process::send(self.pid(), Signal::KILL);
        if is_connected {
            return Outcome::ill(text);
        }
        let is_looked_up = self.has_said(LOOKED_UP);
        // It does not say whether there was one before TLS.
        Outcome::unconnected(match &self.name {
            Some(name) if !is_looked_up => format!("{text}: no name server has answered for '{name}' yet"),
            _ if self.is_tls => format!("{text}, without a connection by TLS"),
            _ => format!("{text}, without a connection"),
        })
    }
}

fn is_mark(byte: u8) -> bool {
    matches!(byte, LOOKED_UP | CONNECTED)
}

/// In the process: to the end. Whoever has started it ends it when it takes too long.
fn run(probe: &Probe, inside: Inside) -> Outcome {
    let mut probe = probe.clone();
    if let Some(at) = probe.target.endpoint_mut()
        && let Endpoint::Name(name, port) = at
    {
        match names::addresses(name, *port) {
            Ok(addresses) => *at = Endpoint::Tcp(addresses),
            Err(why) => return Outcome::unconnected(why),
        }
        inside.says(&[LOOKED_UP]);
    }
    let mut exchange = match Exchange::begin(&probe, Notice::None) {
        Ok(exchange) => exchange,
        Err(outcome) => return outcome,
    };
    let mut is_connected = false;
    loop {
        let progress = exchange.advance();
        // Before it waits for the answer: the time for the connection is over.
        if !is_connected && exchange.is_connected() {
            is_connected = true;
            inside.says(&[CONNECTED]);
        }
        match progress {
            Progress::Over(outcome) => return outcome,
            Progress::More => {}
            Progress::Waiting => exchange.wait(),
        }
    }
}
