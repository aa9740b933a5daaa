//! How the server is started: shell form and exec form, lists that are not valid JSON, wrappers, inits.

use super::{Case, command_line, launch_of, packages, shell_of, wrapper};
use crate::check::docker::base::Shell;
use crate::check::docker::effects::installed;
use crate::check::docker::script::{self, Command, End};
use crate::check::docker::stage::{Form, Stage, Started};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch;
use crate::check::table::{self, Rule};
use crate::json::{Json, Value};

/// Interpreters that a Go server may start; a server of another kind is one itself.
const INTERPRETERS: [&str; 2] = ["nodejs", "python3"];

/// What is installed to look around with.
const FOR_PEOPLE: [&str; 7] = ["curl", "jq", "less", "procps", "vim", "nano", "net-tools"];

/// Packages that a server starts as processes of their own.
const CHILDREN: [&str; 11] = [
    "ffmpeg",
    "imagemagick",
    "graphicsmagick",
    "chromium",
    "wkhtmltopdf",
    "libreoffice",
    "ghostscript",
    "poppler-utils",
    "texlive",
    "pandoc",
    "tesseract-ocr",
];

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>) {
    shadowed(case, stage);
    no_shell(case, stage);
    let state = &stage.state;
    if let Some(entrypoint) = &state.entrypoint {
        shell_form(case, stage, entrypoint, &table::SHELL_ENTRYPOINT);
        if let (Form::Shell(_), Some(cmd)) = (&entrypoint.form, &state.cmd) {
            let evidence = "ENTRYPOINT is in shell form, which takes no arguments: CMD is ignored";
            case.say(&table::IGNORED_CMD, cmd.line, evidence, "ENTRYPOINT [\"/server\"] in exec form");
        }
        if let (Form::Exec(list), Some(cmd)) = (&entrypoint.form, &state.cmd) {
            words_of_a_shell(case, stage, list, cmd);
        }
    } else if let Some(cmd) = &state.cmd {
        shell_form(case, stage, cmd, &table::SHELL_CMD);
    }
    wrapper::judge(case, stage);
    stop_signal(case, stage);
    init(case, stage);
}

/// STOPSIGNAL, against what a Go server does with it and what goward's own options make of it.
fn stop_signal(case: &mut Case<'_>, stage: &Stage<'_>) {
    let state = &stage.state;
    let Some(launch) = launch_of(state) else { return };
    let given =
        state.stop.as_ref().map(|(signal, line)| (signal.as_str(), *line)).filter(|(signal, _)| !signal.is_empty());
    if let Some((signal, line)) = given
        && let Some(why) = launch::unfit(signal).filter(|_| !launch.rewrites)
    {
        let evidence = format!("{signal} to a Go server {why}");
        return case.say(&table::STOPSIGNAL_UNFIT, line, evidence, "leave STOPSIGNAL out: SIGTERM is the default");
    }
    let line = given.map(|(_, line)| line).or_else(|| state.entrypoint.as_ref().map(|started| started.line));
    let signal = given.map_or("SIGTERM", |(signal, _)| signal);
    if let Some(line) = line.filter(|_| !launch.rewrites && launch.stops_not_on(signal)) {
        let evidence = format!(
            "docker stop sends {signal}, and goward begins a stop on {} only",
            launch.stop_on.as_deref().unwrap_or("TERM and INT")
        );
        case.say(&table::STOPSIGNAL_UNFIT, line, evidence, format!("goward --stop-on {signal}, or no STOPSIGNAL"));
    }
}

/// CMD in shell form behind a program that is no wrapper: it is given /bin/sh, -c and the text as its arguments.
fn words_of_a_shell(case: &mut Case<'_>, stage: &Stage<'_>, entrypoint: &[String], cmd: &Started) {
    let Form::Shell(text) = &cmd.form else { return };
    if is_broken_list(text) {
        return not_json(case, cmd.line, "CMD", text);
    }
    let launch = super::understand(entrypoint, &stage.state);
    let Some(program) = launch.argv.first().filter(|program| !program.is_empty() && launch.script.is_none()) else {
        return;
    };
    let name = launch::base_name(program);
    // These start the words that they are given, whatever they are.
    let wrapper = ["entry", "start", "run", "init", "wrap", "exec"].iter().any(|word| name.contains(word))
        || name.ends_with(".sh")
        || launch::is_shell(name)
        || matches!(
            name,
            "gosu" | "su-exec" | "dlv" | "strace" | "sudo" | "nice" | "chamber" | "envconsul" | "doppler" | "time"
        );
    let script = wrapper::started(case, stage).is_some_and(|script| script.names_a_shell().is_some());
    let flags = text.starts_with('-');
    if (wrapper || script) && !flags {
        return;
    }
    let evidence = format!("{program} is not given these words, but /bin/sh, -c and the whole text as one");
    let mend = in_exec_form(text).unwrap_or_else(|| "[\"--port\", \"8080\"]".to_owned());
    let place = Place::line(cmd.line).marked(text);
    case.findings.push(Finding::new(&table::SHELL_CMD, place, evidence, format!("CMD {mend}")));
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

/// Looks like a list, and is the shell form: single quotes, a comma too many. `[ "$A" = 1 ] && …` is a test.
pub(super) fn is_broken_list(text: &str) -> bool {
    let text = text.trim();
    let Some(rest) = text.strip_prefix('[').filter(|rest| !rest.starts_with('[')) else { return false };
    let lists = ["\",", "',"].iter().any(|part| rest.contains(part));
    if rest.starts_with(char::is_whitespace) && !lists {
        let tests = rest.contains(['$', '=', '!']) || rest.contains(" -");
        return text.ends_with(']') && !tests;
    }
    text.ends_with(']') || rest.trim_start().starts_with(['"', '\'', ']', '/'])
}

/// Said of a list that a shell is given; nothing where it is JSON that the build refuses anyway.
pub(super) fn not_json(case: &mut Case<'_>, line: u32, name: &str, text: &str) {
    if Value::read(text).is_none() {
        let evidence = format!("{text} is not valid JSON, so it is passed to a shell as it is");
        case.say(&table::NOT_JSON, line, evidence, format!("{name} [\"/server\"], with double quotes"));
    }
}

fn shell_form(case: &mut Case<'_>, stage: &Stage<'_>, started: &Started, rule: &'static Rule) {
    let Form::Shell(script) = &started.form else { return };
    let name = if std::ptr::eq(rule, &table::SHELL_ENTRYPOINT) { "ENTRYPOINT" } else { "CMD" };
    let commands = script::commands(script);
    if is_broken_list(script) {
        return not_json(case, started.line, name, script);
    }
    compiled_at_start(case, stage, started.line, &commands);
    // Whoever types exit ends it.
    if launch::is_shell(launch::base_name(script.trim())) {
        return;
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
    let mend = match in_exec_form(script) {
        Some(list) => format!("{name} {list}"),
        None => format!("{name} [\"/server\"] where no shell is needed, otherwise {name} exec …"),
    };
    let (evidence, severity) = match shell {
        Some(Shell::Becoming) if becomes(&commands) => (
            "the shell of this base becomes the last command itself, another base's (Debian's dash) would not",
            Severity::Note,
        ),
        Some(Shell::Becoming) => ("the shell stays PID 1 and forwards no signals", rule.severity),
        Some(Shell::Dash) => ("dash, the /bin/sh of this base, stays PID 1 and forwards no signals", rule.severity),
        // Of a directory that was copied onto / nobody knows which it has.
        Some(Shell::None) | None => {
            ("unless /bin/sh is bash or busybox, it stays PID 1 and forwards no signals", rule.severity)
        }
    };
    case.findings.push(Finding::new(rule, Place::line(started.line), evidence, mend).at(severity));
}

/// What is wrong with `sh -c SCRIPT` as PID 1; nothing if its last command is exec'd, or the shell becomes it by itself.
pub(crate) fn script_becomes(script: &str, shell_becomes: bool) -> Option<&'static str> {
    let commands = script::commands(script);
    let fine = execs(&commands) || (shell_becomes && becomes(&commands));
    (!fine).then_some("the shell stays PID 1 and forwards no signals")
}

/// Whether the shell execs the last command, or one after which only a failed exec is told of; or hands the signals on.
pub(super) fn execs(commands: &[Command]) -> bool {
    let mut main = commands.iter().rev().skip_while(|command| tells(command));
    let execs = main.next().is_some_and(|last| {
        last.words.first().is_some_and(|word| word == "exec") && !matches!(last.end, End::Background | End::Pipe)
    });
    (execs && main.next().is_none_or(|before| before.end != End::Pipe)) || wrapper::forwards(commands)
}

/// Whether a command does no more than to say how it went.
fn tells(command: &Command) -> bool {
    matches!(command.name(), "exit" | "echo" | "printf" | "false" | "return")
}

/// Whether bash or ash would become the last command, and that is the server.
pub(super) fn becomes(commands: &[Command]) -> bool {
    let piped = commands.iter().rev().nth(1).is_some_and(|before| before.end == End::Pipe);
    // With something in the background it is a shell that waits.
    let waits = commands.iter().any(|command| command.end == End::Background);
    let last = commands.last().is_some_and(|last| last.end != End::Pipe && (commands.len() == 1 || !tells(last)));
    last && !waits && !piped && !commands.iter().any(|command| command.name() == "trap")
}

/// The list that does the same; None where a shell does more than to split words.
fn in_exec_form(script: &str) -> Option<String> {
    let commands = script::commands(script);
    let [command] = commands.as_slice() else { return None };
    let plain =
        command.assigned.is_empty() && !script.contains(['$', '`', '~', '*', '?', '[', '{', '<', '>', '&', '#']);
    let quoted = |word: &String| {
        let mut json = Json::default();
        json.value(word);
        json.into_text()
    };
    let words: Vec<String> = command.words.iter().map(quoted).collect();
    plain.then(|| format!("[{}]", words.join(", ")))
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
        // distroless' :debug has one, elsewhere.
        let lacks =
            |path: &str| path.contains("/bin/sh") || state.base.tools.is_some_and(|tools| !tools.contains(&"sh"));
        let what = if launch::is_shell(launch::base_name(&program)) {
            lacks(&program).then(|| format!("{program} is started"))
        } else {
            let script = wrapper::started(case, stage).filter(|script| script.names_a_shell().is_some_and(lacks));
            script.map(|script| format!("{} is a script for a shell", script.source))
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
            && !packages::is_placeholder(script)
        {
            let list =
                in_exec_form(script).unwrap_or_else(|| "[\"/server\"], and nothing that only a shell does".to_owned());
            say(started.line, &format!("{name} {script}"), &format!("{name} {list}"));
        }
    }
    for step in stage.steps.iter().filter(|step| step.instruction.keyword == "RUN" && step.instruction.list.is_none()) {
        say(step.instruction.line, "RUN in shell form", "do it in the build stage and COPY the result");
    }
}

/// What compiles the server at each start: `go run`, or a `go build` before what it makes.
fn compiles(commands: &[Command]) -> Option<&'static str> {
    commands.iter().enumerate().find_map(|(at, command)| match command.words.get(1)?.as_str() {
        _ if command.name() != "go" => None,
        "run" => Some("go run"),
        "build" | "install" if at + 1 < commands.len() => Some("go build"),
        _ => None,
    })
}

pub(super) fn compiled_at_start(case: &mut Case<'_>, stage: &Stage<'_>, line: u32, commands: &[Command]) {
    let Some(how) = compiles(commands) else { return };
    // Whoever works on the sources mounts them; a module of others is downloaded.
    let is_foreign = commands.iter().flat_map(|command| &command.words).any(|word| word.contains('@'));
    if !is_foreign && packages::mounts_sources(case, stage) {
        return;
    }
    let evidence = format!("{how} compiles the server when the container starts");
    case.say(&table::GO_RUN, line, evidence, "go build in the build stage, and start the program");
}

/// Whether what is started comes from a stage with the Go toolchain.
fn built_by_go(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    let program = launch_of(&stage.state).and_then(|launch| launch.argv.into_iter().next()).unwrap_or_default();
    let built = |at: usize| case.stages.stages.get(at).is_some_and(|stage| stage.state.base.toolchain);
    stage.state.copies.iter().any(|copied| {
        let name = launch::base_name(&program);
        let here = copied.is(&program) || copied.sources.iter().any(|source| launch::base_name(source) == name);
        here && copied.stage.is_some_and(built)
    })
}

/// Whether a package is installed, and not only where a test says so: `[ "$WITH_FFMPEG" = true ] && apk add ffmpeg`.
fn is_installed(case: &Case<'_>, stage: &Stage<'_>, name: &str) -> bool {
    let at = case.stages.number(stage);
    let steps = at.map(|at| case.stages.chain(at)).unwrap_or_default();
    stage.state.has_package(name)
        && steps.iter().any(|step| {
            let before = std::iter::once(None).chain(step.commands.iter().map(Some));
            before.zip(&step.commands).any(|(before, command)| {
                let asked = before.is_some_and(|before| matches!(before.name(), "[" | "[[" | "test"));
                !asked && installed(command).any(|package| package == name)
            })
        })
}

/// Whether a Go file names python, or a program for it is copied; otherwise another package needs it. Without sources, they may.
fn may_run_python(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    let names = case.context.go_files_have(&["python"]).unwrap_or(true);
    let mut paths = stage.state.copies.iter().flat_map(|copied| copied.sources.iter().chain([&copied.to]));
    names || paths.any(|path| path.ends_with(".py") || path.contains("python"))
}

fn init(case: &mut Case<'_>, stage: &Stage<'_>) {
    let Some((_, started)) = command_line(&stage.state) else { return };
    let launch = launch_of(&stage.state).unwrap_or_default();
    // The base's own script may start one.
    let of_base = launch.argv.first().is_some_and(|program| program.ends_with(".sh")) && !stage.state.base.is_known();
    if of_base && wrapper::started(case, stage).is_none() || packages::is_for_work(case, stage) {
        return;
    }
    let begins = launch.init.is_some();
    let inits = |command: &Command| {
        let first = command.own().first().map(|word| launch::base_name(word)).unwrap_or_default();
        matches!(first, "goward" | "catatonit" | "dumb-init" | "docker-init") || first.starts_with("tini")
    };
    let has_init = begins || wrapper::runs(case, stage, &inits);
    // Among tools for people an interpreter is one more of them.
    let go = built_by_go(case, stage) && !FOR_PEOPLE.iter().any(|name| stage.state.has_package(name));
    let names = CHILDREN
        .iter()
        .chain(INTERPRETERS.iter().filter(|name| go && (**name != "python3" || may_run_python(case, stage))));
    let children: Vec<&str> = names.filter(|name| is_installed(case, stage, name)).copied().collect();
    // A shell that stays in between collects what is left behind.
    let is_behind_shell =
        case.findings.iter().any(|finding| finding.rule.id == table::NO_EXEC.id && finding.place.line == started.line);
    if !has_init && !is_behind_shell && !children.is_empty() {
        let evidence =
            format!("{} is installed for the server to start, and the server itself is PID 1", children.join(", "));
        case.say(&table::NO_INIT, started.line, evidence, "ENTRYPOINT [\"/goward\", \"--\", \"/server\"]");
    }
}
