//! Who the server is, and what that user may not.

use super::frame::text;
use super::start::script_changes_user;
use super::{Case, command_line, launch_of};
use crate::check::docker::base::Base;
use crate::check::docker::script;
use crate::check::docker::stage::{Stage, State};
use crate::check::{launch, table};

pub(super) fn judge(case: &mut Case<'_>, index: usize, stage: &Stage<'_>) {
    let state = &stage.state;
    // A stage that starts nothing is a base for others, who will say.
    let Some((_, started)) = command_line(state) else { return };
    let changes = launch_of(state)
        .and_then(|launch| {
            let inside = launch.script.iter().flat_map(|(_, script)| script::commands(script));
            launch.user.or_else(|| inside.into_iter().find_map(|command| launch::understand(command.own()).user))
        })
        .or_else(|| text(&state.variables, "GOWARD_USER").map(str::to_owned))
        .or_else(|| script_changes_user(case, stage).then(String::new));
    let user = match &state.user {
        Some((user, _)) if user.unknown => return,
        // Nothing is root; but an unknown base may set the variable.
        Some((user, _)) if user.text.trim().is_empty() && state.base.user.is_none() => return,
        Some((user, line)) => Some((user.text.trim().to_owned(), *line)),
        None => None,
    };
    let name = user.as_ref().map(|(user, _)| user.split(':').next().unwrap_or_default().to_owned());
    let is_root = |name: &str| name.is_empty() || name == "root" || name.parse() == Ok(0u32);
    match (&user, name.as_deref()) {
        (Some((user, line)), Some(name)) if is_root(name) && changes.is_none() => {
            let evidence = match user.as_str() {
                "" => "USER is empty, and that is root".to_owned(),
                _ => format!("USER {user} is the last one"),
            };
            case.say(
                &table::USER_ROOT,
                *line,
                evidence,
                "USER 65532:65532, or goward --user 65532:65532 where the start needs root",
            );
        }
        (Some((_, line)), Some(name)) if !is_root(name) && name.parse::<u32>().is_err() => {
            named(case, index, state, name, *line);
        }
        (Some(_), _) => {}
        (None, _) if changes.is_some() || state.base.user.is_none_or(|user| !is_root(user)) => {}
        (None, _) => {
            let evidence = "no USER, and the base's user is root";
            let mend = "USER 65532:65532, or goward --user 65532:65532 where the start needs root";
            case.say(&table::NO_USER, started.line, evidence, mend);
        }
    }
    let root = name.as_deref().map_or_else(|| state.base.user.is_none_or(is_root), is_root) && changes.is_none();
    let keeps = state
        .entrypoint
        .as_ref()
        .is_some_and(|entrypoint| format!("{:?}", entrypoint.form).contains("net_bind_service"));
    let granted = case.stages.behind(index).into_iter().filter_map(|at| case.stages.stages.get(at));
    let granted = granted
        .flat_map(|stage| &stage.steps)
        .flat_map(|step| &step.commands)
        .any(|command| command.name() == "setcap");
    for (port, line) in state.ports.iter().filter(|(port, _)| *port < 1024 && *port > 0 && !root && !keeps && !granted)
    {
        let evidence = format!("EXPOSE {port}, and the server is not root");
        case.say(&table::LOW_PORT, *line, evidence, "listen on 8080, or goward --keep-cap net_bind_service");
    }
}

fn named(case: &mut Case<'_>, index: usize, state: &State, name: &str, line: u32) {
    if unknown(case, index, state, name) {
        let evidence = format!("there is no user {name} in the image: nothing adds one");
        case.say(&table::USER_UNKNOWN, line, evidence, "USER 65532:65532, or copy an /etc/passwd that has it");
    } else {
        let evidence = format!("USER {name}: Kubernetes cannot tell that this is not root");
        case.say(&table::USER_BY_NAME, line, evidence, "its numbers, like USER 65532:65532");
    }
}

/// Nothing in the recipe can have made that user.
fn unknown(case: &Case<'_>, index: usize, state: &State, name: &str) -> bool {
    let Base { accounts: Some(names), .. } = &state.base else { return false };
    let copied = state.copies.iter().any(|copied| {
        let paths = copied.sources.iter().chain([&copied.to]);
        paths.into_iter().any(|path| path.contains("passwd") || path.trim_end_matches('/').ends_with("/etc"))
    });
    let made = case.stages.chain(index).iter().any(|step| {
        step.commands.iter().any(|command| {
            let text = command.words.join(" ");
            matches!(command.name(), "adduser" | "useradd" | "usermod")
                || text.contains("passwd")
                || text.contains(name)
        })
    });
    !names.contains(&name) && !state.opaque && !copied && !made
}
