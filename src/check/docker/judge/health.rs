//! HEALTHCHECK: whether what it needs is there.

use super::Case;
use super::start::{is_broken_list, not_json};
use crate::check::docker::base::Shell;
use crate::check::docker::script;
use crate::check::docker::stage::{Form, Stage};
use crate::check::launch;
use crate::check::table;

/// Programs that a base may lack. Of others nothing is known.
const LOOKED_AT: [&str; 4] = ["curl", "wget", "nc", "bash"];

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>) {
    let state = &stage.state;
    let Some(health) = &state.health else { return };
    if let Form::Shell(text) = &health.form
        && is_broken_list(text)
    {
        return not_json(case, health.line, "HEALTHCHECK CMD", text);
    }
    if state.opaque {
        return;
    }
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
    let names: Vec<String> = match &health.form {
        Form::Exec(list) => {
            let inner = launch::understand(list).script.map(|(_, script)| script);
            let first = list.first().map(|program| launch::base_name(program).to_owned());
            let inside =
                inner.iter().flat_map(|script| script::commands(script)).map(|command| command.name().to_owned());
            first.into_iter().chain(inside).collect()
        }
        Form::Shell(script) => script::commands(script).iter().map(|command| command.name().to_owned()).collect(),
    };
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
