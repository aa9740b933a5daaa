//! Events as JSON, in the shape of tracing-subscriber's own with flattened fields: that formatter brings serde and its
//! JSON along, a twentieth of the binary for a line of seven fields.

use crate::json::Json;
use std::fmt::Debug;
use tracing::Event;
use tracing::field::{Field, Visit};

/// An object, and the end of its line, behind what there is.
pub(super) fn line(event: &Event<'_>, line: &mut String) {
    let mut json = Json::behind(std::mem::take(line));
    json.object(|json| {
        json.string("timestamp", &super::time_of_day());
        json.string("level", event.metadata().level().as_str());
        event.record(&mut Fields(json));
        json.string("target", event.metadata().target());
    });
    *line = json.into_text();
    line.push('\n');
}

struct Fields<'a>(&'a mut Json);

impl Visit for Fields<'_> {
    /// As in text.rs: no field is one.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record_i64(field, value as i64);
    }

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
