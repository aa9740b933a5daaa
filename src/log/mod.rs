//! goward's own lines on stderr, by tracing. Never in the way: a pipe that nobody reads, a closed one and a stopped
//! terminal cost a line, not a signal.

mod json;
mod outbox;

pub use outbox::{Sink, backlog, flush, linger, newline, pending, relay, say_raw, say_raw_bytes};

use crate::config::LogFormat;
use std::io;
use tracing::level_filters::LevelFilter;

/// Where tracing writes to.
struct Pen;

impl io::Write for Pen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        outbox::push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens the log. Until then, and without it, nothing is written.
pub fn open(sink: Sink, format: LogFormat, verbosity: i8) {
    outbox::open(sink);
    let level = match verbosity {
        ..0 => LevelFilter::WARN,
        0 => LevelFilter::INFO,
        1.. => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt().with_writer(|| Pen).with_ansi(false).with_max_level(level);
    let lines = lines.log_internal_errors(false);
    // A second one would be a fault of ours; the first goes on.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(lines.finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(lines.event_format(json::Lines).finish()),
    };
}

/// Opens stderr for the messages of a personality, without tracing.
pub fn open_plain(sink: Sink) {
    outbox::open(sink);
}

/// An event with a field that is JSON already, in the shape of the JSON log: tracing has no nested values.
pub fn event(message: &str, name: &str, value: &str) {
    let time = json::now();
    let head = format!(r#"{{"timestamp":"{time}","level":"WARN","message":"{message}","target":"goward","#);
    outbox::relay(format!("{head}\"{name}\":{value}}}\n").as_bytes());
}

/// A line of a personality.
pub fn plain(line: &str) {
    outbox::push(line.as_bytes());
}
