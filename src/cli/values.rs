//! Values that options of several commands take.

use crate::config::parse_duration;
use std::path::PathBuf;
use std::time::Duration;

/// A time in which something can happen.
///
/// # Errors
/// A sentence for the user, here and below.
pub fn positive(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_millis(1) { Err(format!("'{text}' is too short: 1ms at least")) } else { Ok(time) }
}

/// A number from 1 on.
///
/// # Errors
/// See above.
pub fn count(text: &str, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n| (1..=most).contains(n) && text.bytes().all(|b| b.is_ascii_digit()));
    number.ok_or_else(|| format!("'{text}' is not a number from 1 to {most}"))
}

/// A path.
///
/// # Errors
/// See above.
pub fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("a path is needed".to_owned()) } else { Ok(PathBuf::from(text)) }
}

/// The name of a file that is opened when goward has long been in another directory.
///
/// # Errors
/// See above.
pub fn absolute_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("'{text}' is not an absolute path, and goward is in / when it reads the file"))
    }
}

/// An exit code.
///
/// # Errors
/// See above.
pub fn exit_code(text: &str) -> Result<u8, String> {
    text.parse()
        .ok()
        .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| format!("'{text}' is not an exit code: 0 to 255"))
}

/// One of several words.
///
/// # Errors
/// See above.
pub fn one_of<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, String> {
    known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        format!("'{text}' is not one of {}", words.join(", "))
    })
}

/// A switch in the environment.
///
/// # Errors
/// See above.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}
