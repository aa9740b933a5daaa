//! What `goward status --metrics` prints: Prometheus' text format, out of the JSON that an init gives. Pure.

use crate::client::Report;
use crate::json::Value;

/// A name, its type, what it is, and its value; none: it is not known.
type Metric = (&'static str, &'static str, &'static str, Option<u64>);

/// The metrics of a goward and its server.
pub(super) fn text(report: &Report) -> String {
    let json = Value::read(report.json.trim());
    let of = |json: Option<&Value>, name: &str| json?.get(name)?.number();
    let number = |name: &str| of(json.as_ref(), name);
    let streak = |kind: &str| of(json.as_ref().and_then(|json| json.get(kind)), "failing_streak");
    let metrics: [Metric; 8] = [
        ("ready", "gauge", "Whether requests may be sent to the server.", Some(report.ready.into())),
        ("healthy", "gauge", "1 if the server is running and healthy.", Some(report.healthy.into())),
        ("up", "gauge", "1 if a process of the server is running.", Some(number("pid").is_some().into())),
        ("uptime_seconds", "gauge", "For how long the server has run since it was last started.", number("uptime_s")),
        ("restarts_total", "counter", "Number of restarts of the server.", number("restarts")),
        ("orphans_reaped_total", "counter", "Number of orphans reaped.", number("orphans_reaped")),
        ("health_probes_failing", "gauge", "Number of health probes that have failed in a row.", streak("health")),
        ("ready_probes_failing", "gauge", "Number of readiness probes that have failed in a row.", streak("readiness")),
    ];
    let mut text = String::new();
    for (name, kind, help, value) in metrics {
        let Some(value) = value else { continue };
        text.push_str(&format!("# HELP goward_{name} {help}\n# TYPE goward_{name} {kind}\ngoward_{name} {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told() {
        let json = "{\"pid\":7,\"uptime_s\":61,\"restarts\":2,\"health\":{\"failing_streak\":3}}\n".to_owned();
        let report = Report { ready: false, healthy: true, text: String::new(), json };
        let text = text(&report);
        let values: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let wanted = [
            "goward_ready 0",
            "goward_healthy 1",
            "goward_up 1",
            "goward_uptime_seconds 61",
            "goward_restarts_total 2",
            "goward_health_probes_failing 3",
        ];
        assert_eq!(values, wanted);
        assert_eq!(text.matches("# TYPE ").count(), values.len());
        assert!(text.ends_with('\n'));
    }
}
