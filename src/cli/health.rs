//! What `--health…` and `goward probe` have in common: how a target is asked, and what is right.

use crate::config::Probe;
use crate::supervisor::Schedule;
use crate::target::Target;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What the words said.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) target: Option<Target>,
    pub(super) interval: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) start_period: Option<Duration>,
    pub(super) start_interval: Option<Duration>,
    pub(super) retries: Option<u32>,
    pub(super) method: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) status: Option<RangeInclusive<u16>>,
    pub(super) body: Option<String>,
}

impl Raw {
    /// When it is probed, by Docker's defaults.
    pub(super) fn schedule(&self) -> Schedule {
        let default = Schedule::default();
        Schedule {
            interval: self.interval.unwrap_or(default.interval),
            timeout: self.timeout.unwrap_or(default.timeout),
            start_period: self.start_period.unwrap_or(default.start_period),
            start_interval: self.start_interval.unwrap_or(default.start_interval),
            retries: self.retries.unwrap_or(default.retries),
        }
    }

    /// Whether anything was said about the times.
    pub(super) fn has_times(&self) -> bool {
        let times = [self.interval, self.timeout, self.start_period, self.start_interval];
        times.iter().any(Option::is_some) || self.retries.is_some()
    }

    /// Whether anything was said about HTTP.
    pub(super) fn has_http(&self) -> bool {
        self.method.is_some() || !self.headers.is_empty() || self.status.is_some() || self.body.is_some()
    }

    /// How the target is asked.
    ///
    /// # Errors
    /// A sentence: what belongs to HTTP stands beside another target.
    pub(super) fn probe(self, target: Target) -> Result<Probe, String> {
        if self.has_http() && !matches!(target, Target::Http(_)) {
            return Err("method, header, status and body are of http targets only".to_owned());
        }
        let default = Probe::of(target);
        Ok(Probe {
            method: self.method.unwrap_or(default.method),
            headers: self.headers,
            status: self.status.unwrap_or(default.status),
            body: self.body,
            target: default.target,
        })
    }
}

pub(super) fn method(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    // Tunnels are not for probes.
    if good && text != "CONNECT" {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is no method: GET, HEAD, POST, …"))
    }
}

/// `Host: example.com`, as curl takes it.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("'{text}' is no header field: NAME:VALUE, like 'Host: example.com'");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let good = !name.is_empty() && name.bytes().all(token) && !value.bytes().any(|byte| byte < 32 || byte == 127);
    let value = value.trim();
    // goward says these by itself.
    let own = ["connection", "content-length", "transfer-encoding"];
    if !good || own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(wrong());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// `200`, `200-299`.
pub(super) fn status(text: &str) -> Result<RangeInclusive<u16>, String> {
    let number = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && (100..=599).contains(number))
    };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        _ => Err(format!("'{text}' is no status: 200, or 200-299")),
    }
}

pub(super) fn body(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a text is needed".to_owned()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(status("204"), Ok(204..=204));
        assert_eq!(status("200-599"), Ok(200..=599));
        for text in ["", "20", "2000", "299-200", "200-", "-200", "abc", "600", "+20"] {
            assert!(status(text).is_err(), "{text}");
        }
        assert_eq!(header("Host: a:b"), Ok(("Host".into(), "a:b".into())));
        for text in ["Host", ": x", "a b: c", "A: \r\nB: c", "Content-Length: 5"] {
            assert!(header(text).is_err(), "{text:?}");
        }
        assert!(method("get").is_err() && method("GET /").is_err() && method("HEAD").is_ok());
    }
}
