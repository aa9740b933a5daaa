//! goward's own lines on stderr, by tracing. Never in the way: a pipe that nobody reads, a closed one and a stopped
//! terminal cost a line, not a signal.

mod json;
mod outbox;
mod text;

pub use crate::sys::pipe_writer::{ended as writer_ended, pids as writers};
pub use outbox::{
    Sink, flush, hold, linger, newline, nobody_else_writes, pending, say_formatted, say_raw, settle, until_written,
};

use crate::config::LogFormat;
use crate::sys::clock;
use std::sync::Mutex;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Writes a line for every event. tracing-subscriber's own subscriber has a registry of spans as well: 48 KB of memory at
/// every start, for what goward has none of.
struct Lines {
    format: LogFormat,
    level: LevelFilter,
    to: fn(&[u8]),
    /// Kept from line to line: musl's allocator would get a page from the kernel for each, and give it back.
    room: Mutex<String>,
}

/// Enough for nearly every line; what a longer one took is given back after it.
const ROOM: usize = 1900;

impl Lines {
    fn new(format: LogFormat, level: LevelFilter, to: fn(&[u8])) -> Self {
        Self { format, level, to, room: Mutex::new(String::with_capacity(ROOM)) }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        // It is taken where a value logs while it is formatted.
        let mut kept = self.room.try_lock().ok();
        let mut line = kept.as_deref_mut().map(std::mem::take).unwrap_or_default();
        match self.format {
            LogFormat::Text => text::line(event, &mut line),
            LogFormat::Json => json::line(event, &mut line),
        }
        (self.to)(line.as_bytes());
        if let Some(kept) = &mut kept {
            line.clear();
            line.shrink_to(ROOM);
            **kept = line;
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The time of day, behind what there is.
fn write_time(line: &mut String) {
    // std's clock, which is behind the other, panics where the kernel does not tell the time: asked first.
    if clock::of_day().is_none() {
        return line.push_str("1970-01-01T00:00:00.000000Z");
    }
    // A text takes all that is written to it.
    let _ = SystemTime.format_time(&mut Writer::new(line));
}

/// The time of day, as in every line.
pub fn time_of_day() -> String {
    let mut time = String::new();
    write_time(&mut time);
    time
}

/// Opens the log. Until then, and without it, nothing is written.
pub fn open(sink: Sink, format: LogFormat, verbosity: i8) {
    outbox::open(sink);
    let level = match verbosity {
        ..0 => LevelFilter::WARN,
        0 => LevelFilter::INFO,
        1.. => LevelFilter::DEBUG,
    };
    // A second one would be a fault of ours; the first goes on.
    let _ = tracing::subscriber::set_global_default(Lines::new(format, level, outbox::push));
}

/// Opens stderr for the messages of a personality, without tracing.
pub fn open_plain(sink: Sink) {
    outbox::open(sink);
}

/// An event with a field that is JSON already, in the shape of the JSON log, for a process that writes it itself: tracing has
/// no nested values.
pub fn event_line(message: &str, name: &str, value: &str) -> String {
    let time = time_of_day();
    let head = format!(r#"{{"timestamp":"{time}","level":"WARN","message":"{message}","target":"goward","#);
    format!("{head}\"{name}\":{value}}}\n")
}

/// A line of a personality.
pub fn plain(line: &str) {
    outbox::push(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static WRITTEN: RefCell<String> = const { RefCell::new(String::new()) };
    }

    /// What is written of one event with every kind of field.
    fn written(format: LogFormat) -> String {
        let to = |line: &[u8]| WRITTEN.with_borrow_mut(|all| all.push_str(std::str::from_utf8(line).unwrap()));
        tracing::subscriber::with_default(Lines::new(format, LevelFilter::INFO, to), || {
            let none: Option<u64> = None;
            tracing::debug!(target: "goward", "not this");
            tracing::warn!(target: "goward", code = 137u8, below = -1i32, good = true, name = "a\"b\n", pid = %7, none, "it {}", "ended\x1b");
        });
        WRITTEN.take()
    }

    #[test]
    fn every_kind_of_field_as_json() {
        let text = written(LogFormat::Json);
        let value: serde_json::Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        let timestamp = value["timestamp"].as_str().unwrap().to_owned();
        assert!(timestamp.starts_with("20") && timestamp.ends_with('Z'), "{timestamp}");
        let wanted = serde_json::json!({
            "timestamp": timestamp, "level": "WARN", "target": "goward", "message": "it ended\u{1b}",
            "code": 137, "below": -1, "good": true, "name": "a\"b\n", "pid": "7",
        });
        assert_eq!(value, wanted);
    }

    #[test]
    fn every_kind_of_field_as_text() {
        let text = written(LogFormat::Text);
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        let fields = r#"code=137 below=-1 good=true name="a\"b\n" pid=7"#;
        assert_eq!(rest, format!(" WARN goward: it ended\\u{{1b}} {fields}\n"));
    }
}
