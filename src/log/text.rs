//! Events as text, in the shape of tracing-subscriber's own without colours. Its visitor looks at every character through a
//! formatter within a formatter, nearly a third of the instructions of a line that the exit waits for.

use std::fmt::{Debug, Write};
use tracing::Event;
use tracing::field::{Field, Visit};

/// A line behind what there is.
pub(super) fn line(event: &Event<'_>, line: &mut String) {
    let metadata = event.metadata();
    super::write_time(line);
    let _ = write!(line, " {:>5} {}:", metadata.level().as_str(), metadata.target());
    event.record(&mut Fields(line));
    line.push('\n');
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    /// No field is one; the trait's own would bring the formatting of floating-point numbers along, 13 KB.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record_i64(field, value as i64);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let Fields(line) = self;
        line.push(' ');
        if field.name() != "message" {
            line.push_str(field.name());
            line.push('=');
        }
        let begin = line.len();
        // Only a value's own formatting can fail; then it ends there.
        let _ = write!(line, "{value:?}");
        let written = line.as_bytes().get(begin..).unwrap_or_default();
        if written.iter().any(|byte| !matches!(byte, b' '..=b'~')) {
            for c in line.split_off(begin).chars() {
                if is_dangerous(c) { line.extend(c.escape_debug()) } else { line.push(c) }
            }
        }
    }
}

/// Whether it could move a terminal's cursor or change its colours.
fn is_dangerous(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}
