//! Where `goward status` asks: an abstract socket, named after the PID namespace and the init's pid, so that two containers
//! of a pod never meet. Nothing is read from it: whoever connects, and is root or the same user, is told all at once, and that
//! is all.

use super::Init;
use super::voice::complaint;
use crate::json::Json;
use crate::supervisor::{Sickness, Time};
use crate::sys::{clock, signal_io, unix};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use std::os::fd::{AsRawFd, OwnedFd};

/// So many at once; then signals come first.
const BATCH: usize = 16;

/// The socket's name, without the NUL before it.
pub fn name(pid: i32) -> String {
    format!("goward/{}/{pid}", unix::pid_namespace())
}

/// The socket.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Control {
    pub(super) fn new(pid: i32) -> nix::Result<Control> {
        let fd = unix::listener(&name(pid))?;
        signal_io::announce(&fd)?;
        Ok(Control(fd))
    }

    /// Answers who waits. True: there may be more.
    fn answer(&self, text: &dyn Fn() -> String) -> bool {
        let own = nix::unistd::geteuid().as_raw();
        for _ in 0..BATCH {
            match unix::accept(&self.0) {
                Ok((connection, peer)) if peer.uid == own || peer.uid == 0 => {
                    // It fits into the socket's buffer; who does not read it has lost it.
                    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                    let _ = send(connection.as_raw_fd(), text().as_bytes(), flags);
                }
                Ok(_) | Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

impl Init {
    /// Answers whoever asks. True: there may be more who do.
    pub(super) fn answer(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.answer(&|| self.report()))
    }

    /// What `goward status` is told: whether the server is ready and healthy (`1` or `0` each), and, each behind a NUL, the
    /// same for people and as JSON.
    fn report(&self) -> String {
        let supervisor = &self.supervisor;
        let now = clock::now();
        let bit = |yes: bool| if yes { '1' } else { '0' };
        let stop = supervisor.milestones.stop.filter(|_| supervisor.rung().is_some());
        let left = supervisor.end().filter(|_| stop.is_some()).map(|end| end.saturating_sub(now));
        let phase = supervisor.phase().name();
        let verdict = supervisor.verdict().map(|verdict| verdict.name());
        let pid = supervisor.is_running().then_some(self.server.pid);
        let seconds = |time: Time| time.as_secs();
        let mut text = format!("{phase}, {}", if supervisor.is_ready() { "ready" } else { "not ready" });
        if let Some(pid) = pid {
            text.push_str(&format!("; pid {pid}, up {}", duration(now.saturating_sub(self.started))));
        }
        if let Some(left) = left {
            text.push_str(&format!("; a stop has begun, {} of it left", duration(left)));
        }
        if supervisor.restarts() > 0 {
            text.push_str(&format!("; restarts: {}", supervisor.restarts()));
        }
        text.push('\n');
        if let Some(verdict) = verdict {
            let failures = supervisor.failures();
            let many = if failures > 0 { format!(", {failures} failed in a row") } else { String::new() };
            let last = self.health.last.as_ref().map_or(String::new(), |last| format!("; last: {}", last.text));
            text.push_str(&format!("{verdict}{many}{last}\n"));
        }
        if supervisor.is_silent() {
            text.push_str(&format!("{}\n", complaint(Sickness::Watchdog)));
        }
        if !self.said.is_empty() {
            text.push_str(&format!("the server says: {}\n", self.said));
        }
        let mut json = Json::default();
        json.object(|json| {
            json.string("phase", phase);
            json.bool("ready", supervisor.is_ready());
            json.bool("healthy", supervisor.is_healthy());
            json.numbers(&[("pid", pid.map(|pid| pid as u64))]);
            json.number("init", self.pid as u64);
            json.number("uptime_s", seconds(now.saturating_sub(self.started)));
            json.number("restarts", u64::from(supervisor.restarts()));
            if let Some(verdict) = verdict {
                json.key("health");
                json.object(|json| {
                    json.string("status", verdict);
                    json.number("failing_streak", u64::from(supervisor.failures()));
                    if let Some(last) = &self.health.last {
                        json.bool("last_well", last.well);
                        json.string("last", &last.text);
                    }
                });
            }
            if !self.said.is_empty() {
                json.string("status", &self.said);
            }
            if let (Some(stop), Some(left)) = (stop, left) {
                json.key("stop");
                json.object(|json| {
                    json.number("since_ms", now.saturating_sub(stop).as_millis() as u64);
                    json.number("left_ms", left.as_millis() as u64);
                    if let Some((signal, from)) = &self.asked_by {
                        json.string("signal", &signal.to_string());
                        json.string("from", from);
                    }
                });
            }
        });
        format!("{}{}\0{text}\0{}\n", bit(supervisor.is_ready()), bit(supervisor.is_healthy()), json.into_text())
    }
}

/// `3.2s`, `4m10s`, `26h3m`.
fn duration(time: Time) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}.{}s", time.subsec_millis() / 100),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
    }
}
