//! HEALTHCHECK: whether what it needs is there.

use super::start::{is_broken_list, not_json};
use super::{Case, launch_of, present, wrapper};
use crate::check::docker::base::Shell;
use crate::check::docker::script;
use crate::check::docker::stage::{Form, Stage, Started};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch::{self, base_name};
use crate::check::table;
use crate::cli::values::positive;
use std::time::Duration;

/// Programs that a base may lack. Of others nothing is known.
const LOOKED_AT: [&str; 4] = ["curl", "wget", "nc", "bash"];

/// The programs that a command starts, and those of the script in it.
fn programs(form: &Form) -> Vec<String> {
    let in_script = |script: &str| script::commands(script).into_iter().map(|command| command.name().to_owned());
    match form {
        Form::Exec(list) => {
            let inner = launch::understand(list).script.map(|(_, script)| script);
            let first = list.first().map(|program| launch::base_name(program).to_owned());
            first.into_iter().chain(inner.iter().flat_map(|script| in_script(script))).collect()
        }
        Form::Shell(script) => in_script(script).collect(),
    }
}

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>) {
    let state = &stage.state;
    let Some(health) = &state.health else { return };
    if let Form::Shell(text) = &health.form
        && is_broken_list(text)
    {
        return not_json(case, health.line, "HEALTHCHECK CMD", text);
    }
    judge_timeout(case, stage);
    if state.opaque {
        return;
    }
    by_goward(case, stage, health);
    let base = if state.image.is_empty() { "scratch" } else { &state.image };
    let brought = |name: &str| {
        state.copies.iter().any(|copied| {
            copied
                .sources
                .iter()
                .chain([&copied.to])
                .any(|path| launch::base_name(path) == name || path.contains("busybox"))
        })
    };
    let mend = "a program of the image in exec form: HEALTHCHECK CMD [\"/goward\", \"probe\", \"http://localhost:8080/healthz\"]";
    let names = programs(&health.form);
    // distroless' :debug has one in PATH, not where the shell form looks for it.
    let has_own = state.base.tools.is_none_or(|tools| tools.contains(&"sh"));
    let needs_shell = match &health.form {
        Form::Shell(_) => true,
        Form::Exec(_) => names.first().is_some_and(|name| launch::is_shell(name)) && !has_own,
    };
    if needs_shell && state.base.shell == Some(Shell::None) && state.shell.is_none() && !brought("sh") {
        let evidence = format!("HEALTHCHECK CMD in shell form is run by /bin/sh, and {base} has none");
        case.say(&table::HEALTH_SHELL, health.line, evidence, mend);
        return;
    }
    let Some(tools) = state.base.tools else { return };
    let lacking = |name: &&String| {
        LOOKED_AT.contains(&name.as_str())
            && !tools.contains(&name.as_str())
            && !state.may_have(name)
            && !brought(name)
            && (*name != "nc" || state.packages.iter().all(|package| !package.contains("netcat")))
    };
    if let Some(name) = names.iter().find(lacking) {
        case.say(
            &table::HEALTH_PROGRAM,
            health.line,
            format!("{name} is not in {base}, and nothing installs it"),
            mend,
        );
    }
}

/// goward's own commands: `status` asks the init, and `probe` a port.
fn by_goward(case: &mut Case<'_>, stage: &Stage<'_>, health: &Started) {
    let state = &stage.state;
    let words = match &health.form {
        Form::Exec(list) => list.clone(),
        Form::Shell(script) => script::commands(script).into_iter().next().map(|first| first.words).unwrap_or_default(),
    };
    let is_goward = words.first().is_some_and(|word| base_name(word) == "goward");
    let command = words.get(1).map(String::as_str).filter(|_| is_goward);
    let place = || Place::line(health.line).marked(&words.join("\", \""));
    if command == Some("status")
        && let Some(server) = started_alone(case, stage)
    {
        let evidence = format!("goward status asks the init of the container, and {server} is started without goward");
        let mend =
            format!("ENTRYPOINT [\"/goward\", \"--\", \"{server}\"]; or goward probe, which asks the server itself");
        case.findings.push(Finding::new(&table::HEALTH_UNFIT, place(), evidence, mend));
    }
    let port = words.iter().filter(|_| command == Some("probe")).find_map(|word| port_here(word));
    if let (Some(port), Some((exposed, _))) = (port, state.ports.first())
        && state.ports.iter().all(|(exposed, _)| *exposed != port)
    {
        let evidence = format!("goward probe asks port {port}, and EXPOSE names {exposed}");
        let mend = "the port that the server listens on, in both";
        case.findings.push(Finding::new(&table::HEALTH_UNFIT, place(), evidence, mend).at(Severity::Note));
    }
}

/// The program of an ENTRYPOINT that is started as it is: built in another stage, by no init and no script.
fn started_alone(case: &Case<'_>, stage: &Stage<'_>) -> Option<String> {
    let state = &stage.state;
    let by_list = matches!(state.entrypoint.as_ref()?.form, Form::Exec(_));
    let launch = launch_of(state).filter(|launch| by_list && launch.init.is_none() && launch.script.is_none())?;
    let program = launch.argv.into_iter().next()?;
    let copied = state.copies.iter().rfind(|copied| present::targets(copied).contains(&program))?;
    let is_goward = copied.sources.iter().any(|source| base_name(source) == "goward");
    let known = copied.stage.is_some() && !is_goward && wrapper::started(case, stage).is_none();
    known.then_some(program)
}

/// The port of a target on this machine.
fn port_here(target: &str) -> Option<u16> {
    let (_, rest) = target.split_once("://")?;
    let (host, port) = rest.split(['/', '?']).next()?.rsplit_once(':')?;
    matches!(host, "" | "localhost" | "127.0.0.1" | "[::1]").then(|| port.parse().ok())?
}

/// Docker's own patience, where a HEALTHCHECK names none.
const DOCKERS: Duration = Duration::from_secs(30);
/// goward's, for one answer and with `status --wait`.
const ANSWER: Duration = Duration::from_millis(800);
const WAITING: Duration = Duration::from_secs(60);

/// A probe of goward's that waits for longer than Docker does is killed, and says nothing.
fn judge_timeout(case: &mut Case<'_>, stage: &Stage<'_>) {
    let Some(health) = &stage.state.health else { return };
    let set = match &stage.state.health_timeout {
        // To Docker 0 is its default.
        Some(text) if text.trim_matches(['0', 's', 'm', 'h', 'n', 'u']).is_empty() => None,
        Some(text) => match positive(text) {
            Ok(time) => Some(time),
            Err(_) => return,
        },
        None => None,
    };
    let docker = set.unwrap_or(DOCKERS);
    let waits = match &health.form {
        Form::Exec(list) => patience(list),
        Form::Shell(text) => script::commands(text).iter().find_map(|command| patience(&command.words)),
    };
    let Some(waits) = waits.filter(|waits| *waits >= docker) else { return };
    let of_docker = if set.is_some() { "--timeout is" } else { "Docker's own timeout is" };
    let evidence = format!("the probe waits for {waits:?}, and {of_docker} {docker:?}");
    case.say(
        &table::HEALTH_TIMEOUT,
        health.line,
        evidence,
        "HEALTHCHECK --timeout above the probe's own, or a shorter one for the probe",
    );
}

/// For how long such a command waits by itself; none: it is none of goward's, or nobody can tell.
fn patience(words: &[String]) -> Option<Duration> {
    let at = words.iter().position(|word| launch::base_name(word) == "goward")?;
    let mut rest = words.get(at + 1..)?.iter();
    let command = rest.next()?;
    if command != "probe" && command != "status" {
        return None;
    }
    let (mut own, mut waits) = (None, false);
    while let Some(word) = rest.next().filter(|word| *word != "--") {
        match word.strip_prefix("--timeout=").or_else(|| word.strip_prefix("-t").filter(|rest| !rest.is_empty())) {
            Some(value) => own = Some(positive(value).ok()?),
            None if word == "--timeout" || word == "-t" => own = Some(positive(rest.next()?).ok()?),
            None => waits |= word == "--wait" || word.starts_with("--wait="),
        }
    }
    Some(own.unwrap_or(if waits { WAITING } else { ANSWER }))
}
