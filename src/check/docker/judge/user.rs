//! Who the server is, and what that user may not.

use super::frame::text;
use super::{Case, command_line, launch_of, wrapper};
use crate::check::docker::base::Base;
use crate::check::docker::stage::{Stage, State};
use crate::check::table;

/// Groups of Debian and Alpine that are no users, too.
const GROUPS: &str = " adm tty disk kmem dialout cdrom floppy tape sudo audio video operator shadow utmp staff users \
    nogroup wheel netdev ";

pub(super) fn judge(case: &mut Case<'_>, index: usize, stage: &Stage<'_>) {
    let state = &stage.state;
    // A stage that starts nothing is a base for others, who will say.
    let Some((_, started)) = command_line(state) else { return };
    let launch = launch_of(state).unwrap_or_default();
    let program = launch.argv.first().map(String::as_str).unwrap_or_default();
    let tools = ["gosu", "su-exec", "setpriv", "runuser", "--user"];
    // A script that is not at hand is taken to use what is there for it.
    let unseen = program.ends_with(".sh") && tools.iter().take(2).any(|tool| state.has_package(tool));
    let changes = launch.user.is_some()
        || text(&state.variables, "GOWARD_USER").is_some()
        || wrapper::names(case, stage, &tools)
        || unseen;
    let user = match &state.user {
        Some((user, _)) if user.unknown => return,
        // Nothing is root; but an unknown base may set the variable.
        Some((user, _)) if user.text.trim().is_empty() && state.base.user.is_none() => return,
        Some((user, line)) => Some((user.text.trim().to_owned(), *line)),
        None => None,
    };
    let name = user.as_ref().map(|(user, _)| user.split(':').next().unwrap_or_default().to_owned());
    let is_root = |name: &str| name.is_empty() || name == "root" || name.parse() == Ok(0u32);
    let group = user.as_ref().and_then(|(user, line)| Some((user.split_once(':')?.1.to_owned(), *line)));
    if let Some((group, line)) = group.filter(|(group, _)| !group.is_empty() && group.parse::<u32>().is_err())
        && !GROUPS.contains(&format!(" {group} "))
        && unknown(case, index, state, &group)
    {
        let evidence = format!("there is no group {group} in the image: nothing adds one");
        case.say(&table::USER_UNKNOWN, line, evidence, "USER 65532:65532, or copy an /etc/group that has it");
    }
    match (&user, name.as_deref()) {
        (Some((user, line)), Some(name)) if is_root(name) && !changes => {
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
        (None, _) if changes || state.base.user.is_none_or(|user| !is_root(user)) => {}
        (None, _) => {
            let evidence = "no USER, and the base's user is root";
            let mend = "USER 65532:65532, or goward --user 65532:65532 where the start needs root";
            case.say(&table::NO_USER, started.line, evidence, mend);
        }
    }
    let root = name.as_deref().map_or_else(|| state.base.user.is_none_or(is_root), is_root) && !changes;
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
        paths.into_iter().any(|path| {
            path.contains("passwd") || path.contains("/group") || path.trim_end_matches('/').ends_with("/etc")
        })
    });
    let made = case.stages.chain(index).iter().any(|step| {
        step.commands.iter().any(|command| {
            // Whoever gives files to a user knows that there is one: `app` and `app:app` name it, the path `/app` does not.
            let tells = |word: &String| {
                word.split(':').any(|part| part == name) || word.contains("passwd") || word.contains("adduser")
            };
            let adds = matches!(command.name(), "useradd" | "usermod" | "addgroup" | "groupadd" | "systemd-sysusers");
            adds || command.words.iter().any(tells)
        })
    });
    let by_package = state.packages.iter().any(|package| package.contains(name) || package.contains(['$', '`']));
    !names.contains(&name) && !state.opaque && !copied && !made && !by_package
}
