//! The answer to `goward status`: the phase, restarts, orphans that were reaped, probes; as text and as JSON. The metrics are
//! made of the JSON, in `commands/status/metrics.rs`.

use super::Init;
use super::memory_limit::MemoryLimit;
use super::personality::{complaint, time};
use crate::json::Json;
use crate::signal::Signal;
use crate::supervisor::{Phase, Purpose, Rung, StopSignal, Time};
use crate::sys::clock;

impl Init {
    /// What `goward status` is told: whether the server is ready and healthy (`1` or `0` each), and, each behind a NUL, the
    /// same for people and as JSON.
    pub(super) fn report(&self) -> String {
        let supervisor = &self.supervisor;
        let now = clock::now();
        let bit = |yes: bool| if yes { '1' } else { '0' };
        // Until its exec is over nothing runs that could be ready.
        let starting = self.launching.starting.is_some() && supervisor.phase() == Phase::Running;
        let stop = supervisor.milestones.stop.filter(|_| supervisor.rung().is_some());
        let view = View {
            phase: if starting { "starting" } else { supervisor.phase().name() },
            ready: supervisor.is_ready() && !starting,
            why_unready: supervisor.why_unready().filter(|_| supervisor.phase() == Phase::Running && !starting),
            healthy: supervisor.is_healthy() && !starting,
            now,
            pid: supervisor.is_running().then_some(self.server.pid),
            uptime: now.saturating_sub(self.started),
            stop: stop.zip(supervisor.end()).map(|(stop, end)| (now.saturating_sub(stop), end.saturating_sub(now))),
            stale: self.memory_limit.as_ref().and_then(MemoryLimit::stale),
        };
        let (text, json) = (self.as_text(&view), self.as_json(&view));
        format!("{}{}\0{text}\0{json}\n", bit(view.ready), bit(view.healthy))
    }

    /// What the server was asked to stop with, and when. Where goward asks with nothing (`--stop-signal none`), the platform has told the
    /// server what it told goward.
    pub(super) fn asked_to_stop(&self) -> Option<(Signal, Time)> {
        let supervisor = &self.supervisor;
        let by_platform = supervisor.policy().stop_signal == StopSignal::Nothing
            && supervisor.rung().is_some_and(|rung| rung > Rung::Drain);
        let told = self.forwarding.stop_from.as_ref().filter(|_| by_platform).map(|(signal, _)| *signal);
        supervisor.asked().or(told.zip(supervisor.milestones.stop))
    }

    fn as_text(&self, view: &View) -> String {
        let supervisor = &self.supervisor;
        let mut text = format!("{}, {}", view.phase, if view.ready { "ready" } else { "not ready" });
        if let Some(why) = view.why_unready {
            text.push_str(&format!(" ({why})"));
        }
        if let Some(pid) = view.pid {
            text.push_str(&format!("; pid {pid}, up {}", time(view.uptime)));
        }
        if let Some((_, left)) = view.stop {
            text.push_str(&format!("; a stop has begun, {} left", time(left)));
        }
        if supervisor.restarts() > 0 {
            text.push_str(&format!("; restarts: {}", supervisor.restarts()));
        }
        text.push('\n');
        for purpose in Purpose::ALL {
            let Some(verdict) = supervisor.verdict_for(purpose) else { continue };
            let kind = if purpose == Purpose::Ready { "readiness: " } else { "" };
            text.push_str(&format!("{kind}{}", verdict.name()));
            match supervisor.failures(purpose) {
                0 => {}
                failures => text.push_str(&format!(", {failures} failed in a row")),
            }
            if let Some((at, last)) = self.health.last(purpose) {
                text.push_str(&format!("; last, {} ago: {}", time(view.now.saturating_sub(*at)), last.text));
            }
            text.push('\n');
        }
        if let Some(missed) = supervisor.missed() {
            text.push_str(&format!("{}\n", complaint(missed)));
        }
        if let Some(stale) = &view.stale {
            text.push_str(&format!("{stale}\n"));
        }
        if !self.health.status_text.is_empty() {
            text.push_str(&format!("the server says: {}\n", self.health.status_text));
        }
        text
    }

    fn as_json(&self, view: &View) -> String {
        let supervisor = &self.supervisor;
        let mut json = Json::default();
        json.object(|json| {
            json.string("phase", view.phase);
            json.bool("ready", view.ready);
            if let Some(why) = view.why_unready {
                json.string("not_ready_because", why);
            }
            json.bool("healthy", view.healthy);
            json.numbers(&[("pid", view.pid.map(|pid| pid as u64))]);
            json.number("init", self.pid as u64);
            json.number("uptime_s", view.uptime.as_secs());
            json.number("restarts", u64::from(supervisor.restarts()));
            json.numbers(&[("reloads", supervisor.reloads().map(u64::from))]);
            json.number("orphans_reaped", self.reaping.orphans);
            for (name, purpose) in [("health", Purpose::Health), ("readiness", Purpose::Ready)] {
                let Some(verdict) = supervisor.verdict_for(purpose) else { continue };
                json.key(name);
                json.object(|json| {
                    json.string("status", verdict.name());
                    json.number("failing_streak", u64::from(supervisor.failures(purpose)));
                    if let Some((at, last)) = self.health.last(purpose) {
                        json.bool("last_well", last.well);
                        json.string("last", &last.text);
                        json.number("last_age_ms", view.now.saturating_sub(*at).as_millis() as u64);
                    }
                });
            }
            json.list("changes", &self.changes.last, |json, (time, state)| {
                json.object(|json| {
                    json.string("time", time);
                    json.string("state", state.name());
                });
            });
            if let Some(stale) = &view.stale {
                json.string("gomemlimit", stale);
            }
            if !self.health.status_text.is_empty() {
                json.string("status", &self.health.status_text);
            }
            if let Some((since, left)) = view.stop {
                json.key("stop");
                json.object(|json| {
                    json.number("since_ms", since.as_millis() as u64);
                    json.number("left_ms", left.as_millis() as u64);
                    if let Some((signal, from)) = &self.forwarding.stop_from {
                        json.string("signal", &signal.to_string());
                        json.string("from", from);
                    }
                    if let Some((signal, at)) = self.asked_to_stop() {
                        json.string("asked_with", &signal.to_string());
                        json.bool("asked_group", self.settings.to_group && self.server.group.is_some());
                        json.number("asked_ms", view.now.saturating_sub(at).as_millis() as u64);
                    }
                });
            }
        });
        json.into_text()
    }
}

/// What text and JSON both say.
struct View {
    phase: &'static str,
    ready: bool,
    /// Where the server runs, and is not ready.
    why_unready: Option<&'static str>,
    healthy: bool,
    now: Time,
    pid: Option<i32>,
    uptime: Time,
    /// Since when a stop is under way, and how much of its time is left.
    stop: Option<(Time, Time)>,
    /// What is to be said of a memory limit that has changed.
    stale: Option<String>,
}
