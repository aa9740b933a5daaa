//! A script between PID 1 and the server: where it comes from, and whether the signals get through it.

use super::start::{becomes, compiled_at_start, execs};
use super::{Case, command_line, launch_of, shell_of, understand};
use crate::check::docker::base::Shell;
use crate::check::docker::effects;
use crate::check::docker::script::{self, Command, End};
use crate::check::docker::stage::{Form, Stage};
use crate::check::launch::{self, base_name};
use crate::check::table;

/// So many files that may be the script are looked for.
const MOST_ASKED: u32 = 1000;

/// A script that is started.
pub(super) struct Script {
    /// The file of the context, or where a heredoc writes it.
    pub(super) source: String,
    pub(super) text: String,
    /// A shell is started with it: it needs no first line.
    pub(super) by_shell: bool,
    /// COPY gives it a mode.
    pub(super) has_mode: bool,
}

impl Script {
    /// Its first line, if that names a shell.
    pub(super) fn names_a_shell(&self) -> Option<&str> {
        self.text.lines().next().filter(|line| line.starts_with("#!") && line.contains("sh"))
    }
}

/// The script that a stage starts, if the Dockerfile copies or writes it.
pub(super) fn started(case: &Case<'_>, stage: &Stage<'_>) -> Option<Script> {
    let launch = launch_of(&stage.state).filter(|launch| launch.script.is_none())?;
    let (program, arguments) = launch.argv.split_first()?;
    let by_shell = launch::is_shell(base_name(program));
    let path = if by_shell { arguments.iter().find(|word| !word.starts_with('-'))? } else { program };
    file_of(case, stage, path, by_shell)
}

/// The script of this path, if the Dockerfile copies or writes it.
fn file_of(case: &Case<'_>, stage: &Stage<'_>, path: &str, by_shell: bool) -> Option<Script> {
    // A shell looks for it here, everybody else in PATH.
    let place = match by_shell || path.contains('/') {
        true => effects::absolute(stage.state.workdir.as_deref(), path),
        false => path.to_owned(),
    };
    let script = found(case, stage, place, &mut { MOST_ASKED })?;
    Some(Script { by_shell, ..script })
}

/// What a place of a stage was copied from, through other stages too: a file of the context, or what a heredoc writes.
fn found(case: &Case<'_>, stage: &Stage<'_>, place: String, left: &mut u32) -> Option<Script> {
    for copied in stage.state.copies.iter().rev() {
        let has_mode = copied.has_mode;
        if let Some(text) = copied.written.as_ref().filter(|_| copied.is(&place)) {
            return Some(Script { source: place, text: text.clone(), by_shell: false, has_mode });
        }
        for source in copied.origins(&place) {
            *left = left.checked_sub(1)?;
            if let Some(text) = case.context.text(&source) {
                return Some(Script { source, text, by_shell: false, has_mode });
            }
        }
        let (at, sources) = copied.origins_in_stage(&place).unwrap_or_default();
        for source in sources {
            *left = left.checked_sub(1)?;
            let script = case.stages.stages.get(at).and_then(|stage| found(case, stage, source.clone(), left));
            let Some(script) = script else { continue };
            // What the stage does with it there is not followed.
            let names_it = |command: &Command| {
                let only_mode = matches!(command.name(), "chmod" | "chown");
                !only_mode && command.words.iter().any(|word| word.contains(base_name(&source)))
            };
            let changed = case.stages.chain(at).iter().any(|step| step.commands.iter().any(names_it));
            return (!changed).then_some(Script { has_mode: script.has_mode || has_mode, ..script });
        }
        if copied.is(&place) {
            return None;
        }
    }
    None
}

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>) {
    let state = &stage.state;
    let Some((argv, started_by)) = command_line(state) else { return };
    let launch = understand(&argv, state);
    let written_as_list = matches!(started_by.form, Form::Exec(_));
    let inside = launch.script.as_ref().map(|(_, script)| script::commands(script)).unwrap_or_default();
    let runs = [Command { words: launch.argv.clone(), ..Command::default() }];
    if written_as_list {
        compiled_at_start(case, stage, started_by.line, if inside.is_empty() { &runs } else { &inside });
    }
    if launch.to_group {
        return;
    }
    if let Some(evidence) = left_behind(&inside).filter(|_| !has_init(&launch)) {
        return case.say(&table::NO_INIT, started_by.line, evidence, ONE_EACH);
    }
    if let Some((shell, _)) = launch.script {
        let becomes = shell_of(state, &shell) == Some(Shell::Becoming) && becomes(&inside);
        if written_as_list && !execs(&inside) && !inside.is_empty() && !becomes {
            let evidence = format!("{shell} -c gets the signals instead of the server: its last command has no exec");
            let mend = "exec before the last command, or no shell at all";
            case.say(&table::NO_EXEC, started_by.line, evidence, mend);
        }
        return;
    }
    let Some(script) = started(case, stage).filter(|script| script.by_shell || script.names_a_shell().is_some()) else {
        return;
    };
    let commands = script::commands(&script.text);
    if let Some(evidence) = left_behind(&commands).filter(|_| !has_init(&launch)) {
        return case.say(&table::NO_INIT, started_by.line, format!("{}: {evidence}", script.source), ONE_EACH);
    }
    if branch_without_exec(&script.text) {
        let evidence = format!("{} starts the server without exec in one branch of its last if", script.source);
        return case.say(&table::NO_EXEC, started_by.line, evidence, "exec in every branch");
    }
    if !passes_on(&commands) && starts_server(&commands, &script.text, stage) {
        let evidence = format!("{} starts the server without exec, and stays in between", script.source);
        case.say(&table::NO_EXEC, started_by.line, evidence, "exec \"$@\" or exec /server as its last line");
    }
}

const ONE_EACH: &str = "a container for each; or an init: ENTRYPOINT [\"/goward\", \"--\", …]";

fn has_init(launch: &launch::Launch) -> bool {
    launch.init.is_some()
}

/// `a & exec b`: b is PID 1 then, with a child that it knows nothing of.
fn left_behind(commands: &[Command]) -> Option<String> {
    let (last, before) = commands.split_last()?;
    let execs = last.words.first().is_some_and(|word| word == "exec") && !last.own().is_empty();
    let background = before.iter().find(|command| command.end == End::Background && !command.words.is_empty())?;
    let (behind, server) = (background.words.first()?, last.own().first()?);
    execs.then(|| {
        format!("{behind} runs in the background of {server}, which is PID 1, and neither stops it nor waits for it")
    })
}

/// Whether a script becomes the server somewhere in it, or hands the signals to it. Of what it reads in, nobody knows.
fn passes_on(commands: &[Command]) -> bool {
    let becomes = |command: &Command| {
        // `exec 2>&1` only redirects.
        let execs = command.words.first().is_some_and(|word| word == "exec") && !command.own().is_empty();
        execs || matches!(command.name(), "." | "source") || command.name() == "eval" && !only_sets(command)
    };
    commands.iter().filter(|command| !command.inner).any(becomes) || forwards(commands)
}

/// Whether a script ends with an `if` that execs what it was given in one branch, and starts the same without exec in another.
/// Where it asks what it was given, that may be no server.
fn branch_without_exec(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).rev();
    if lines.next() != Some("fi") {
        return false;
    }
    // From the end on.
    let (mut depth, mut branches, mut branch) = (0u32, Vec::new(), Vec::new());
    for line in lines {
        let opens = line.starts_with("if ") && !line.ends_with("fi");
        if depth > 0 || !(opens || line == "else" || line.starts_with("elif ")) {
            depth = if opens { depth.saturating_sub(1) } else { depth + u32::from(line == "fi") };
            branch.push(line);
            continue;
        }
        if ["$1", "${1", "$@", "$#", "$*"].iter().any(|word| line.contains(word)) {
            return false;
        }
        branches.push(std::mem::take(&mut branch));
        if opens {
            break;
        }
    }
    let last = |branch: &Vec<&str>| {
        let text: Vec<&str> = branch.iter().rev().copied().collect();
        script::commands(&text.join("\n")).pop().filter(|last| last.end == End::Line)
    };
    let ends: Vec<Command> = branches.iter().filter_map(last).collect();
    let program = |command: &Command| launch::words_behind(command.own()).first().cloned();
    let execs = |command: &Command| command.words.first().is_some_and(|word| word == "exec");
    let given = |command: &Command| program(command).is_some_and(|word| word == "$@");
    ends.iter().any(|end| execs(end) && given(end)) && ends.iter().any(|end| !execs(end) && given(end))
}

/// Whether an eval starts nothing: `eval value=\$NAME`, `eval "echo $LINE"`.
fn only_sets(command: &Command) -> bool {
    let text = command.words.get(1..).unwrap_or_default().join(" ");
    let commands = script::commands(&text);
    let sets = |command: &Command| match command.words.as_slice() {
        [] => true,
        // eval "$name=1"
        [word] if word.starts_with('$') => word.split_once('=').is_some_and(|(name, _)| !name.contains(['(', ' '])),
        [..] => matches!(command.name(), "echo" | "printf" | "export" | "unset" | "local"),
    };
    !commands.is_empty() && commands.iter().all(|command| !command.inner && sets(command))
}

/// With a trap for TERM, and the server in the background: only then is a trap carried out at once.
pub(super) fn forwards(commands: &[Command]) -> bool {
    let traps = |command: &Command| {
        let handled = command.words.get(1).is_some_and(|handler| !matches!(handler.as_str(), "" | "-"));
        let term = |signal: &String| matches!(signal.as_str(), "TERM" | "SIGTERM" | "15");
        command.name() == "trap" && handled && command.words.iter().any(term)
    };
    commands.iter().any(traps) && commands.iter().any(|command| command.end == End::Background)
}

/// The commands of the script that is started, or of the text for a shell: `CMD ./start.sh` is a script, too.
fn commands_of(case: &Case<'_>, stage: &Stage<'_>) -> Vec<Command> {
    let given = launch_of(&stage.state).and_then(|launch| launch.script);
    let Some((_, text)) = given else {
        return started(case, stage).map(|script| script::commands(&script.text)).unwrap_or_default();
    };
    let commands = script::commands(&text);
    let alone = if let [command] = commands.as_slice() { command.own().first() } else { None };
    let script = alone.and_then(|path| file_of(case, stage, path, false));
    script.map_or(commands, |script| script::commands(&script.text))
}

/// Whether one of these programs is run there. A comment runs nothing.
pub(super) fn runs(case: &Case<'_>, stage: &Stage<'_>, is_one: &dyn Fn(&Command) -> bool) -> bool {
    commands_of(case, stage).iter().any(is_one)
}

/// Whether it ends with one of these programs.
pub(super) fn ends_with(case: &Case<'_>, stage: &Stage<'_>, is_one: &dyn Fn(&Command) -> bool) -> bool {
    commands_of(case, stage).iter().rev().find(|command| command.name() != "exit").is_some_and(is_one)
}

/// Whether a script that is started changes owners, and starts no server: a job that needs root, and ends.
pub(super) fn only_gives_away(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    started(case, stage).is_some_and(|script| {
        let commands = script::commands(&script.text);
        let gives = commands.iter().any(|command| base_name(command.name()) == "chown");
        gives && !passes_on(&commands) && !starts_server(&commands, &script.text, stage)
    })
}

/// Whether a script starts a server in its end: what it was given, or a program of the image. A script that goes on after its
/// last program, and only tells of it, is a batch, and so is one that runs it for one thing after the other. What a function of
/// its own does in the end is not told.
fn starts_server(commands: &[Command], text: &str, stage: &Stage<'_>) -> bool {
    let state = &stage.state;
    let ended = |command: &&Command| matches!(command.name(), "exit" | "return" | "wait" | "fi" | "done");
    let Some(last) = commands.iter().rev().find(|command| !ended(command) && !command.words.is_empty()) else {
        return false;
    };
    let defines = |line: &str| {
        let rest = line.trim_start_matches("function ").strip_prefix(last.name());
        rest.is_some_and(|rest| rest.trim_start().starts_with("()") || line.starts_with("function "))
    };
    if last.repeated || text.lines().map(str::trim).any(defines) {
        return false;
    }
    let words: Vec<&str> = last.own().iter().map(String::as_str).collect();
    let given = words.iter().any(|word| matches!(*word, "$@" | "$*" | "$1"));
    let program = words.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
    let own = program.contains('/')
        || state
            .copies
            .iter()
            .any(|copied| copied.is(program) || copied.sources.iter().any(|source| base_name(source) == program));
    if matches!(base_name(program), "tail" | "sleep") {
        return false;
    }
    let serves = !state.ports.is_empty() || state.health.is_some();
    // Words of programs that do one thing and end.
    let once = words
        .iter()
        .skip(1)
        .any(|word| matches!(*word, "migrate" | "up" | "down" | "dump" | "backup" | "restore" | "seed" | "version"));
    let tells = matches!(program, "echo" | "printf" | "cat" | "sleep" | "rm" | "date");
    given || (own && (serves || !once)) || (serves && !tells)
}
