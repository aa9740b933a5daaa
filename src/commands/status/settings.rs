//! From the command line of `goward status` to its settings.

use super::COMMAND;
use super::options::{OPTIONS, StatusWords};
use crate::cli::environment::Environment;
use crate::cli::{Answer, parser};
use std::ffi::CString;
use std::time::Duration;

/// What `goward status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is shown.
    pub form: Form,
    /// Nothing is said, the code tells.
    pub quiet: bool,
    /// Which init; none: the one of this container.
    pub pid: Option<i32>,
    /// What makes the exit code 0.
    pub wanted: Wanted,
    /// It is asked again until it is so.
    pub waits: bool,
    /// How long that is waited for, or for the one answer.
    pub patience: Duration,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for machines.
    Json,
    /// Prometheus' text format.
    Metrics,
}

/// An init that is stopped does not answer. The kubelet waits a second for a probe, and would kill it then.
const ANSWER_TIME: Duration = Duration::from_millis(800);
/// Who waits gives up after this.
const WAITING_TIME: Duration = Duration::from_secs(60);

/// What is wanted of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It runs, and nothing speaks against its health.
    Healthy,
    /// Wait until the server takes requests.
    Ready,
}

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString]) -> Result<Settings, Answer> {
    let given = parser::read(&COMMAND, arguments)?;
    let (mut words, mut errors) = (StatusWords::default(), Vec::new());
    parser::apply(&OPTIONS, &given, &Environment::EMPTY, &mut words, &mut errors);
    if !given.rest.is_empty() {
        errors.push("status takes options only".to_owned());
    }
    words.forms.dedup();
    if words.forms.len() > 1 {
        errors.push("--json and --metrics exclude each other".to_owned());
    }
    if !errors.is_empty() {
        return Err(COMMAND.refuse(&errors));
    }
    Ok(Settings {
        form: words.forms.first().copied().unwrap_or_default(),
        quiet: words.quiet,
        pid: words.pid.and_then(|pid| i32::try_from(pid).ok()),
        wanted: words.wait.unwrap_or(Wanted::Healthy),
        waits: words.waits,
        patience: words.timeout.unwrap_or(if words.waits { WAITING_TIME } else { ANSWER_TIME }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;

    fn parse_line(line: &str) -> Result<Settings, Answer> {
        parse(&testing::words(line))
    }

    fn good(line: &str) -> Settings {
        testing::accepted(line, parse_line(line))
    }

    #[test]
    fn words() {
        let (wanted, patience) = (Wanted::Healthy, ANSWER_TIME);
        assert_eq!(good(""), Settings { form: Form::Text, quiet: false, pid: None, wanted, waits: false, patience });
        let asking = good("--json -q --pid 7 --wait ready --timeout 3s");
        assert_eq!((asking.form, asking.pid, asking.patience), (Form::Json, Some(7), Duration::from_secs(3)));
        assert_eq!(good("--timeout 3s --wait healthy").patience, Duration::from_secs(3));
        assert_eq!((good("--wait ready").patience, good("--ready").wanted), (Duration::from_secs(60), Wanted::Ready));
        assert!(!good("-r").waits && good("--metrics").form == Form::Metrics);
        assert_eq!(good("-t 3s").patience, Duration::from_secs(3));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("x", "options only"),
            ("--wait soon", "neither ready nor healthy"),
            ("--json --metrics", "exclude each other"),
            ("--pid 0", "not a number"),
            ("--jsn", "no option --jsn"),
        ] {
            match parse_line(line) {
                Err(Answer::Refused(stderr)) => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
