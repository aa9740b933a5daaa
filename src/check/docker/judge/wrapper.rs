//! A script between PID 1 and the server: where it comes from, and whether the signals get through it.

use super::start::{becomes, execs, go_run, runs_go};
use super::{Case, command_line, launch_of, shell_of};
use crate::check::docker::base::Shell;
use crate::check::docker::effects;
use crate::check::docker::script::{self, Command, End};
use crate::check::docker::stage::{Form, Stage};
use crate::check::launch::{self, base_name};
use crate::check::table;

/// A script that is started.
pub(super) struct Script {
    /// The file of the context, or where a heredoc writes it.
    pub(super) source: String,
    pub(super) text: String,
    /// A shell is started with it: it needs no first line.
    by_shell: bool,
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
    // A shell looks for it here, everybody else in PATH.
    let place = match by_shell || path.contains('/') {
        true => effects::absolute(stage.state.workdir.as_deref(), path),
        false => path.clone(),
    };
    for copied in stage.state.copies.iter().rev() {
        if let Some(text) = copied.written.as_ref().filter(|_| copied.is(&place)) {
            return Some(Script { source: place, text: text.clone(), by_shell });
        }
        for source in copied.origins(&place) {
            if let Some(text) = (case.context)(&source) {
                return Some(Script { source, text, by_shell });
            }
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
    let launch = launch::understand(&argv);
    let written_as_list = matches!(started_by.form, Form::Exec(_));
    let inside = launch.script.as_ref().map(|(_, script)| script::commands(script)).unwrap_or_default();
    let runs = Command { words: launch.argv.clone(), ..Command::default() };
    if written_as_list && (runs_go(&inside) || runs_go(&[runs])) {
        go_run(case, started_by.line);
    }
    if launch.to_group {
        return;
    }
    if let Some((shell, _)) = launch.script {
        let becomes = shell_of(state, &shell) == Some(Shell::Becoming) && becomes(&inside);
        if written_as_list && !execs(&inside) && !inside.is_empty() && !becomes {
            let evidence = format!("{shell} -c stays between the signals and the server: its last command has no exec");
            let mend = "exec before the last command, or no shell at all";
            case.say(&table::NO_EXEC, started_by.line, evidence, mend);
        }
        return;
    }
    let Some(script) = started(case, stage).filter(|script| script.by_shell || script.names_a_shell().is_some()) else {
        return;
    };
    if !passes_on(&script::commands(&script.text)) {
        let evidence = format!("{} starts the server without exec, and stays in between", script.source);
        case.say(&table::NO_EXEC, started_by.line, evidence, "exec \"$@\" or exec /server as its last line");
    }
}

/// Whether a script becomes the server somewhere in it, or hands the signals to it. Of what it reads in, nobody knows.
fn passes_on(commands: &[Command]) -> bool {
    let becomes = |command: &Command| {
        // `exec 2>&1` only redirects.
        let execs = command.words.first().is_some_and(|word| word == "exec") && !command.own().is_empty();
        execs || matches!(command.name(), "." | "source" | "eval")
    };
    commands.iter().any(becomes) || forwards(commands)
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

/// Whether the script or the text for a shell that is started names one of these.
pub(super) fn names(case: &Case<'_>, stage: &Stage<'_>, tools: &[&str]) -> bool {
    let given = launch_of(&stage.state).and_then(|launch| launch.script);
    let text = given.map(|(_, text)| text).or_else(|| started(case, stage).map(|script| script.text));
    text.is_some_and(|text| tools.iter().any(|tool| text.contains(tool)))
}
