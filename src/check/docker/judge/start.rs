//! How the server is started: forms, shells, wrappers, inits.

use super::{Case, command_line, launch_of, shell_of};
use crate::check::docker::base::Shell;
use crate::check::docker::script::{self, Command, End};
use crate::check::docker::stage::{Form, Stage, Started};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch;
use crate::check::table::{self, Rule};

/// Packages that a server starts as processes of their own.
const CHILDREN: [&str; 14] = [
    "ffmpeg",
    "imagemagick",
    "graphicsmagick",
    "chromium",
    "wkhtmltopdf",
    "libreoffice",
    "ghostscript",
    "poppler-utils",
    "openssh-client",
    "texlive",
    "pandoc",
    "tesseract-ocr",
    "nodejs",
    "python3",
];

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>) {
    shadowed(case, stage);
    no_shell(case, stage);
    let state = &stage.state;
    if let Some(entrypoint) = &state.entrypoint {
        shell_form(case, stage, entrypoint, &table::SHELL_ENTRYPOINT);
        if let (Form::Shell(_), Some(cmd)) = (&entrypoint.form, &state.cmd) {
            let evidence = "ENTRYPOINT is in shell form, which takes no arguments: CMD is not read";
            case.say(&table::IGNORED_CMD, cmd.line, evidence, "ENTRYPOINT [\"/server\"] in exec form");
        }
    } else if let Some(cmd) = &state.cmd {
        shell_form(case, stage, cmd, &table::SHELL_CMD);
    }
    wrapper(case, stage);
    if let (Some((signal, line)), Some(launch)) = (&state.stop, launch_of(state))
        && let Some(why) = launch::unfit(signal).filter(|_| !launch.rewrites && !signal.is_empty())
    {
        let evidence = format!("{signal} to a Go server {why}");
        case.say(&table::STOPSIGNAL_UNFIT, *line, evidence, "leave STOPSIGNAL out: SIGTERM is the default");
    }
    init(case, stage);
}

/// Of several only the last counts.
fn shadowed(case: &mut Case<'_>, stage: &Stage<'_>) {
    for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
        let lines: Vec<u32> = stage
            .steps
            .iter()
            .filter(|step| step.instruction.keyword == keyword)
            .map(|step| step.instruction.line)
            .collect();
        if let Some((last, earlier)) = lines.split_last() {
            for line in earlier {
                let evidence = format!("the {keyword} in line {last} replaces this one");
                case.say(&table::IGNORED_CMD, *line, evidence, "keep one of them");
            }
        }
    }
}

/// Looks like a list, and is the shell form: single quotes, a comma too many.
fn is_broken_list(text: &str) -> bool {
    let text = text.trim_start();
    text.strip_prefix('[').is_some_and(|rest| {
        let rest = rest.trim_start();
        rest.starts_with(['"', '\'', ']', '/'])
            || text.trim_end().ends_with(']') && !text.starts_with("[[") && !rest.starts_with('-')
    })
}

fn shell_form(case: &mut Case<'_>, stage: &Stage<'_>, started: &Started, rule: &'static Rule) {
    let Form::Shell(script) = &started.form else { return };
    let name = if std::ptr::eq(rule, &table::SHELL_ENTRYPOINT) { "ENTRYPOINT" } else { "CMD" };
    let commands = script::commands(script);
    if is_broken_list(script) {
        let evidence = format!("{script} is no JSON, so a shell is given it as it stands");
        case.say(&table::NOT_JSON, started.line, evidence, format!("{name} [\"/server\"], with double quotes"));
        return;
    }
    if commands.iter().any(|command| command.name() == "go" && command.words.get(1).is_some_and(|word| word == "run")) {
        go_run(case, started.line);
    }
    let state = &stage.state;
    let shell = match &state.shell {
        Some(shell) => shell_of(state, launch::base_name(shell.first().map(String::as_str).unwrap_or_default())),
        None => state.base.shell,
    };
    if shell == Some(Shell::None) && !state.opaque {
        return; // Said by no_shell, and worse.
    }
    if execs(&commands) {
        return;
    }
    let words = commands.first().map(|command| command.words.as_slice()).unwrap_or_default();
    let plain = commands.len() == 1
        && !script.contains(['$', '`', '~', '*'])
        && commands.iter().all(|command| command.assigned.is_empty());
    let mend = if plain {
        format!("{name} {}", quoted(words))
    } else {
        format!("{name} [\"/server\"] where no shell is needed, otherwise {name} exec …")
    };
    let (evidence, severity) = match shell {
        Some(Shell::Becoming) if becomes(&commands) => (
            "the shell of this base becomes the last command itself, another base's (Debian's dash) would not",
            Severity::Note,
        ),
        Some(Shell::Becoming | Shell::None) => ("the shell stays PID 1 and passes no signal on", rule.severity),
        Some(Shell::Dash) => ("dash, the /bin/sh of this base, stays PID 1 and passes no signal on", rule.severity),
        None => ("unless /bin/sh is bash or busybox, it stays PID 1 and passes no signal on", rule.severity),
    };
    case.findings.push(Finding::new(rule, Place::line(started.line), evidence, mend).at(severity));
}

/// What is wrong with `sh -c SCRIPT` as PID 1; nothing if its last command is exec'd, or the shell becomes it by itself.
pub(crate) fn script_becomes(script: &str, shell_becomes: bool) -> Option<&'static str> {
    let commands = script::commands(script);
    let fine = execs(&commands) || (shell_becomes && becomes(&commands));
    (!fine).then_some("the shell stays PID 1 and passes no signal on")
}

/// Whether the shell execs the last command, or one after which only a failed exec is told of.
fn execs(commands: &[Command]) -> bool {
    let told = |command: &&Command| matches!(command.name(), "exit" | "echo" | "printf" | "false" | "return");
    let mut main = commands.iter().rev().skip_while(told);
    let execs = main.next().is_some_and(|last| {
        last.words.first().is_some_and(|word| word == "exec") && !matches!(last.end, End::Background | End::Pipe)
    });
    execs && main.next().is_none_or(|before| before.end != End::Pipe)
}

/// Whether bash or ash would become the last command.
fn becomes(commands: &[Command]) -> bool {
    let piped = commands.iter().rev().nth(1).is_some_and(|before| before.end == End::Pipe);
    // With something in the background it is a shell that waits.
    let waits = commands.iter().any(|command| command.end == End::Background);
    let last = commands.last().is_some_and(|last| last.end != End::Pipe);
    last && !waits && !piped && !commands.iter().any(|command| command.name() == "trap")
}

fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", words.join(", "))
}

/// The shell form where there is no shell.
fn no_shell(case: &mut Case<'_>, stage: &Stage<'_>) {
    let state = &stage.state;
    if state.base.shell != Some(Shell::None) || state.opaque || state.shell.is_some() {
        return;
    }
    let brought = state.copies.iter().any(|copied| {
        copied.sources.iter().chain([&copied.to]).any(|path| {
            matches!(
                launch::base_name(path.trim_end_matches('/')),
                "usr" | "sh" | "busybox" | "bash" | "bin" | "toybox"
            ) || path.contains("busybox")
        })
    });
    if brought {
        return;
    }
    let base = if state.image.is_empty() { "scratch" } else { &state.image };
    if let Some((argv, started)) = command_line(state).filter(|(_, started)| matches!(started.form, Form::Exec(_))) {
        let program = launch::understand(&argv).argv.into_iter().next().unwrap_or_default();
        let script = || source_of(stage, &program).filter(|source| is_script(case, source));
        let what = if launch::is_shell(launch::base_name(&program)) {
            Some(format!("{program} is started"))
        } else {
            script().map(|source| format!("{source} is a script for a shell"))
        };
        if let Some(what) = what {
            let mend = "start the program itself: ENTRYPOINT [\"/server\"]";
            case.say(&table::NO_SHELL, started.line, format!("{what}, and {base} has none"), mend);
        }
    }
    let mut say = |line: u32, what: &str, mend: &str| {
        let evidence = format!("{what} is run by /bin/sh, and {base} has none");
        case.say(&table::NO_SHELL, line, evidence, mend);
    };
    let started = state.entrypoint.as_ref().map(|started| ("ENTRYPOINT", started));
    for (name, started) in started
        .into_iter()
        .chain(state.cmd.as_ref().filter(|_| state.entrypoint.is_none()).map(|started| ("CMD", started)))
    {
        if let Form::Shell(script) = &started.form
            && !is_broken_list(script)
        {
            let words = script::commands(script).into_iter().next().unwrap_or_default().words;
            say(started.line, &format!("{name} {script}"), &format!("{name} {}", quoted(&words)));
        }
    }
    for step in stage.steps.iter().filter(|step| step.instruction.keyword == "RUN" && step.instruction.list.is_none()) {
        say(step.instruction.line, "RUN in shell form", "do it in the build stage and COPY the result");
    }
}

fn is_script(case: &Case<'_>, source: &str) -> bool {
    let text = (case.context)(source).unwrap_or_default();
    text.starts_with("#!") && text.lines().next().is_some_and(|line| line.contains("sh"))
}

/// A script between PID 1 and the server.
fn wrapper(case: &mut Case<'_>, stage: &Stage<'_>) {
    let state = &stage.state;
    let Some((argv, started)) = command_line(state) else { return };
    let launch = launch::understand(&argv);
    let written_as_list = matches!(started.form, Form::Exec(_));
    if launch.argv.first().is_some_and(|program| launch::base_name(program) == "go")
        && launch.argv.get(1).is_some_and(|word| word == "run")
        && written_as_list
    {
        go_run(case, started.line);
    }
    if launch.to_group {
        return;
    }
    if let Some((shell, script)) = launch.script.filter(|_| written_as_list) {
        let commands = script::commands(&script);
        let becomes = shell_of(state, &shell) == Some(Shell::Becoming) && becomes(&commands);
        if !execs(&commands) && !commands.is_empty() && !becomes {
            let evidence = format!("{shell} -c stays between the signals and the server: its last command has no exec");
            case.say(&table::NO_EXEC, started.line, evidence, "exec before the last command, or no shell at all");
        }
        return;
    }
    let Some(program) = launch.argv.first() else { return };
    let Some(source) = source_of(stage, program) else { return };
    let Some(text) = (case.context)(&source).filter(|text| text.starts_with("#!")) else { return };
    let shell = text.lines().next().is_some_and(|line| line.contains("sh"));
    let commands = script::commands(&text);
    let execs = commands.iter().any(|command| {
        matches!(command.name(), "exec" | "gosu" | "su-exec")
            || command.words.first().is_some_and(|word| word == "exec")
    });
    if shell && !execs {
        let evidence = format!("{source} starts the server without exec, and stays in between");
        case.say(&table::NO_EXEC, started.line, evidence, "exec \"$@\" or exec /server as its last line");
    }
}

/// Whether the script that is started changes the user: by what is written in it, or by the tools that are there for that.
pub(super) fn script_changes_user(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    let tools = ["gosu", "su-exec"];
    let Some(program) = launch_of(&stage.state).and_then(|launch| launch.argv.first().cloned()) else { return false };
    match source_of(stage, &program).and_then(|source| (case.context)(&source)) {
        Some(text) => tools.iter().chain(&["setpriv", "--user"]).any(|tool| text.contains(tool)),
        None => program.ends_with(".sh") && tools.iter().any(|tool| stage.state.has_package(tool)),
    }
}

/// The file of the context that became this one.
fn source_of(stage: &Stage<'_>, path: &str) -> Option<String> {
    let name = launch::base_name(path);
    let copies = stage.state.copies.iter().rev().filter(|copied| copied.from_context);
    copies.into_iter().find_map(|copied| {
        let directory = copied.to.ends_with('/') || copied.to == ".";
        let whole = path == copied.to || copied.to.trim_start_matches("./") == path.trim_start_matches('/');
        copied
            .sources
            .iter()
            .find(|source| (directory && launch::base_name(source) == name) || (whole && copied.sources.len() == 1))
            .cloned()
    })
}

fn go_run(case: &mut Case<'_>, line: u32) {
    case.say(
        &table::GO_RUN,
        line,
        "go run compiles the server when the container starts",
        "go build in the build stage, and start the program",
    );
}

fn init(case: &mut Case<'_>, stage: &Stage<'_>) {
    let Some((_, started)) = command_line(&stage.state) else { return };
    let has_init = launch_of(&stage.state).is_some_and(|launch| launch.init.is_some());
    let children: Vec<&str> = CHILDREN.iter().filter(|name| stage.state.has_package(name)).copied().collect();
    if !has_init && !children.is_empty() {
        let evidence = format!("{} is there to be started by the server, which is PID 1 itself", children.join(", "));
        case.say(&table::NO_INIT, started.line, evidence, "ENTRYPOINT [\"/goward\", \"--\", \"/server\"]");
    }
}
