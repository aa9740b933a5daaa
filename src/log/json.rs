//! Events as JSON, in the shape of tracing-subscriber's own with flattened fields: that formatter brings serde and its
//! JSON along, a twentieth of the binary for a line of seven fields.

use crate::json::Json;
use std::fmt::{self, Debug};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// An object a line.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut json = Json::default();
        json.object(|json| {
            json.string("timestamp", &now());
            json.string("level", event.metadata().level().as_str());
            event.record(&mut Fields(json));
            json.string("target", event.metadata().target());
        });
        writeln!(to, "{}", json.into_text())
    }
}

/// The time of day, as in every line.
pub(super) fn now() -> String {
    let mut time = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

struct Fields<'a>(&'a mut Json);

impl Visit for Fields<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.bool(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.key(field.name());
        self.0.raw(&value.to_string());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.string(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.string(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_kind_of_field() {
        let sink = Sink::default();
        let writer = sink.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(Lines).finish();
        tracing::subscriber::with_default(lines, || {
            let none: Option<u64> = None;
            tracing::warn!(target: "goward", code = 137u8, below = -1i32, good = true, name = "a\"b\n", pid = %7, none, "it {}", "ended");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let value: serde_json::Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        let timestamp = value["timestamp"].as_str().unwrap().to_owned();
        assert!(timestamp.starts_with("20") && timestamp.ends_with('Z'), "{timestamp}");
        let wanted = serde_json::json!({
            "timestamp": timestamp, "level": "WARN", "target": "goward", "message": "it ended",
            "code": 137, "below": -1, "good": true, "name": "a\"b\n", "pid": "7",
        });
        assert_eq!(value, wanted);
    }
}
