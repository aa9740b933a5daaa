//! From the command line of `goward probe` to its settings.

use super::COMMAND;
use super::options::{OPTIONS, ProbeWords};
use crate::cli::environment::Environment;
use crate::cli::{Answer, Env, parser};
use crate::config::{Manner, Probing};
use crate::target::{Target, expand};
use std::ffi::CString;
use std::time::Duration;

/// Below what those wait who ask for a probe: the kubelet a second, Docker thirty.
const TIMEOUT: Duration = Duration::from_millis(800);

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString], env: Env<'_>) -> Result<Probing, Answer> {
    let dashes = arguments.iter().position(|word| word.as_bytes() == b"--");
    let (ours, command) = arguments.split_at(dashes.unwrap_or(arguments.len()));
    let given = parser::read(&COMMAND, ours)?;
    let (mut words, mut errors) = (ProbeWords::default(), Vec::new());
    parser::apply(&OPTIONS, &given, &Environment::EMPTY, &mut words, &mut errors);
    if !errors.is_empty() {
        return Err(COMMAND.refuse(&errors));
    }
    let probe = target(&given.rest, command, env).and_then(|target| words.http.probe(target));
    let probe = probe.map_err(|error| COMMAND.refuse(&[error]))?;
    if words.connect_timeout.is_some() && probe.is_command() {
        return Err(COMMAND.refuse(&["--connect-timeout is not valid for a command".to_owned()]));
    }
    Ok(Probing {
        probe,
        timeout: words.timeout.unwrap_or(TIMEOUT),
        connect_timeout: words.connect_timeout,
        wait: words.wait,
        successes: words.successes.unwrap_or(1),
        quiet: words.quiet,
        manner: Manner::Goward,
    })
}

/// `command` is empty, or begins with `--`.
fn target(operands: &[CString], command: &[CString], env: Env<'_>) -> Result<Target, String> {
    match (operands, command) {
        ([], [_, program, ..]) if !program.is_empty() => {
            Ok(Target::Command(command.get(1..).unwrap_or_default().to_vec()))
        }
        ([one], []) => Target::parse(&expand(&one.to_string_lossy(), env)?),
        ([], _) => Err("a target is needed, like http://localhost:8080/healthz, or -- and a command".to_owned()),
        _ => Err("one target at a time; a command goes after --".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;

    fn parse_line(line: &str) -> Result<Probing, Answer> {
        parse(&testing::words(line), &|name| testing::variable(&[("PORT", "8080")], name))
    }

    fn good(line: &str) -> Probing {
        testing::accepted(line, parse_line(line))
    }

    #[test]
    fn targets_and_commands() {
        let probing = good("-q --timeout 2s -XHEAD -H a:b --status 204 --body ok http://localhost:8080/healthz");
        assert_eq!((probing.quiet, probing.timeout), (true, Duration::from_secs(2)));
        assert_eq!((probing.probe.method.as_str(), probing.probe.status), ("HEAD", vec![204..=204]));
        assert_eq!(probing.probe.body.as_deref(), Some("ok"));
        let words = vec![c"/check".to_owned(), c"-q".to_owned(), c"--".to_owned(), c"x".to_owned()];
        assert_eq!(good("-- /check -q -- x").probe.target, Target::Command(words));
        assert_eq!((good("tcp://localhost:1").timeout, good("tcp://localhost:1").successes), (TIMEOUT, 1));
        assert_eq!(good("--success-threshold 3 tcp://localhost:1").successes, 3);
        let probing = good("--status 200-299,401 --status 503 -A me --wait 1m --connect-timeout 1s http://:$PORT/");
        assert_eq!(probing.probe.status, [200..=299, 401..=401, 503..=503]);
        assert_eq!(probing.probe.headers, [("User-Agent".to_owned(), "me".to_owned())]);
        assert_eq!(
            (probing.wait, probing.connect_timeout),
            (Some(Duration::from_secs(60)), Some(Duration::from_secs(1)))
        );
        assert_eq!(probing.probe.target, Target::parse("http://localhost:8080/").unwrap());
        assert_eq!(good("-H Tenant:a grpc://:1").probe.headers.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("", "a target is needed"),
            ("--", "a target is needed"),
            ("localhost:80", "is not a target"),
            ("tcp://db:$PROT", "PROT is not set"),
            ("--tls-ca /a http://localhost/", "valid only with an https or grpcs target"),
            ("--tls-ca /a tcp://localhost:1", "valid only with an https or grpcs target"),
            ("-H a:b tcp://localhost:1", "valid only with an http or grpc target"),
            ("-H te:b grpc://localhost:1", "always the same"),
            ("-A me -H user-agent:you http://localhost/", "given twice"),
            ("--status 200-299,4 http://localhost/", "'4' is not a status"),
            ("--connect-timeout 1s exec:a", "is not valid"),
            ("--success-threshold 0 tcp://localhost:1", "--success-threshold"),
            ("--wait 0 tcp://localhost:1", "too short"),
            ("tcp://localhost:1 tcp://localhost:2", "one target"),
            ("tcp://localhost:1 -- x", "one target"),
            ("--timeout 0 tcp://localhost:1", "too short"),
            ("--status 999 http://localhost/", "not a status"),
            ("--body x tcp://localhost:1", "valid only with an http target"),
            ("--bdy x http://localhost/", "no option --bdy"),
        ] {
            match parse_line(line) {
                Err(Answer::Refused(stderr)) => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
