//! How the values of the options of `run` are read: limits, signals, sizes, actions.

use super::options::DumpMode;
use crate::privilege::Limit;
use crate::signal::Signal;
use crate::supervisor::StopSignal;
use nix::sys::resource::Resource;

/// A server can be asked with anything but SIGSTOP, even with SIGKILL; or with nothing.
pub(super) fn stop_signal(text: &str) -> Result<StopSignal, String> {
    if text == "none" {
        return Ok(StopSignal::Nothing);
    }
    match Signal::parse(text)? {
        Signal::STOP => Err("SIGSTOP does not end a server: use TERM, INT, QUIT, or KILL".into()),
        signal => Ok(StopSignal::This(signal)),
    }
}

/// A signal that a server can be sent.
pub(super) fn server_signal(text: &str) -> Result<Signal, String> {
    let signal = Signal::parse(text)?;
    let sent = !signal.is_reserved() && !signal.is_uncatchable() && signal != Signal::CHLD;
    sent.then_some(signal).ok_or_else(|| format!("{signal} does not make a server reload: use HUP, USR1, …"))
}

pub(super) fn dump(text: &str) -> Result<DumpMode, String> {
    match text {
        "live" | "summary" if cfg!(not(feature = "goroutines")) => {
            Err(format!("'{text}' is not in this binary, which cannot read goroutines: raw or off"))
        }
        "live" | "summary" => Ok(DumpMode::Live),
        "raw" => Ok(DumpMode::Raw),
        "off" => Ok(DumpMode::Off),
        _ => Err(format!(
            "'{text}' is not a kind of dump: live (read out of the server's memory, in groups), raw (printed by the server) or off"
        )),
    }
}

/// Reads a value of `--rewrite`: `TERM:INT`, or `HUP:0` to drop it.
pub(super) fn rewrite(text: &str) -> Result<(Signal, Option<Signal>), String> {
    let (from, to) =
        text.split_once(':').ok_or_else(|| format!("'{text}' has no colon: FROM:TO, like TERM:INT, or HUP:0"))?;
    let from = Signal::parse(from)?;
    if !from.is_forwardable() {
        return Err(format!("{from} cannot be rewritten: it never reaches the server through goward"));
    }
    Ok((from, if to == "0" { None } else { Some(Signal::parse(to)?) }))
}

const LIMITS: [(&str, Resource); 15] = [
    ("as", Resource::RLIMIT_AS),
    ("core", Resource::RLIMIT_CORE),
    ("cpu", Resource::RLIMIT_CPU),
    ("data", Resource::RLIMIT_DATA),
    ("fsize", Resource::RLIMIT_FSIZE),
    ("locks", Resource::RLIMIT_LOCKS),
    ("memlock", Resource::RLIMIT_MEMLOCK),
    ("msgqueue", Resource::RLIMIT_MSGQUEUE),
    ("nice", Resource::RLIMIT_NICE),
    ("nofile", Resource::RLIMIT_NOFILE),
    ("nproc", Resource::RLIMIT_NPROC),
    ("rss", Resource::RLIMIT_RSS),
    ("rtprio", Resource::RLIMIT_RTPRIO),
    ("sigpending", Resource::RLIMIT_SIGPENDING),
    ("stack", Resource::RLIMIT_STACK),
];

/// `nofile=1024`, `nofile=1024:4096`, `core=unlimited`, `nofile=max` (as much as the hard limit allows).
pub(super) fn limit(text: &str) -> Result<Limit, String> {
    let wrong = || format!("'{text}' is not a limit: NAME=SOFT[:HARD], like nofile=65536 or core=0:unlimited");
    let (name, values) = text.split_once('=').ok_or_else(wrong)?;
    let (name, resource) = LIMITS.iter().find(|(known, _)| *known == name).copied().ok_or_else(|| {
        let names: Vec<_> = LIMITS.iter().map(|(name, _)| *name).collect();
        format!("'{name}' is not a limit's name: one of {}", names.join(", "))
    })?;
    let value = |text: &str| match text {
        "unlimited" | "infinity" | "-1" => Ok(libc::RLIM_INFINITY),
        _ if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let (soft, hard) = match values.split_once(':') {
        _ if values == "max" => (None, None),
        // As with docker: one number sets both.
        None => (Some(value(values)?), Some(value(values)?)),
        Some((soft, hard)) => (Some(value(soft)?), Some(value(hard)?)),
    };
    if let (Some(soft), Some(hard)) = (soft, hard)
        && soft > hard
    {
        return Err(format!("'{text}': the soft limit must not be above the hard one"));
    }
    Ok(Limit { resource, name, soft, hard })
}

pub(super) fn oom_score(text: &str) -> Result<i32, String> {
    text.parse()
        .ok()
        .filter(|score| (-1000..=1000).contains(score) && !text.starts_with('+'))
        .ok_or_else(|| format!("'{text}' is not an OOM score: a number from -1000 to 1000"))
}
