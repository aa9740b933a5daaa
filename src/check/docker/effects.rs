//! What COPY, ADD and RUN do to a stage: the files that come, the commands that run, and whether anybody can tell what that
//! leaves behind. Pure.

use super::parse::Instruction;
use super::script::{self, Command, End};
use super::stage::{Copied, From, Stage, State, Step, stage_of};
use super::words::Expanded;
use crate::check::launch::{self, base_name};
use std::rc::Rc;

/// A path of the image from the root on; `.` becomes the working directory with a slash.
pub(crate) fn absolute(workdir: Option<&str>, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = if path == "." { "" } else { path };
    format!("{}/{path}", workdir.unwrap_or_default().trim_end_matches('/'))
}

/// The stage that `--from` names; an image is noted.
fn copied_from(
    stage: &mut Stage<'_>,
    from: &Expanded,
    earlier: &[Stage<'_>],
    problems: &mut Vec<(u32, String)>,
    line: u32,
) -> Option<usize> {
    match stage_of(&from.text, earlier) {
        Some(Ok(at)) => {
            stage.uses.push(at);
            return Some(at);
        }
        Some(Err(problem)) => problems.push((line, problem)),
        None if !from.unknown => stage.images.push((from.text.clone(), line)),
        None => {}
    }
    None
}

pub(crate) fn copy(
    stage: &mut Stage<'_>,
    step: &Step<'_>,
    earlier: &[Stage<'_>],
    problems: &mut Vec<(u32, String)>,
    expand: &dyn Fn(&str) -> Expanded,
    is_file: &dyn Fn(&str) -> bool,
) {
    let line = step.instruction.line;
    let from = step.instruction.flag("from").map(expand);
    let made = from.as_ref().and_then(|from| copied_from(stage, from, earlier, problems, line));
    let Some((to, sources)) = step.words.split_last() else { return };
    if sources.is_empty() && step.instruction.heredocs.is_empty() {
        problems.push((line, format!("{} needs a source and a destination", step.instruction.keyword)));
        return;
    }
    let adds_archive = step.instruction.keyword == "ADD"
        && sources.iter().any(|source| {
            [".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2"].iter().any(|end| source.text.ends_with(end))
        });
    // A directory's content onto the root may be anything. A file keeps its name, and is no /etc/passwd.
    let place = absolute(stage.state.workdir.as_deref(), &to.text);
    let directory = |source: &Expanded| {
        let last = source.text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let comes_alone = source.text.starts_with("<<") || (source.text.contains("://") && !last.contains(".git"));
        let is_file = match &from {
            Some(_) => was_written(&source.text, made, earlier),
            None => comes_alone || is_file(&source.text),
        };
        source.unknown
            || source.text.ends_with('/')
            || last.is_empty()
            || last == "."
            || last.contains('*')
            || matches!(last, "rootfs" | "dist" | "out")
            || !is_file
    };
    let onto_root = matches!(place.as_str(), "/" | "/.");
    if adds_archive || to.unknown || (onto_root && sources.iter().any(directory)) {
        stage.state.opaque = true;
    }
    stage.state.copies.push(Rc::new(Copied {
        line,
        unknown: to.unknown || sources.iter().any(|source| source.unknown),
        stage: made,
        has_mode: step.instruction.flag("chmod").is_some(),
        sources: sources.iter().map(|source| source.text.clone()).collect(),
        to: place,
        from_context: from.is_none(),
        written: step.instruction.heredocs.first().map(|heredoc| heredoc.content.clone()),
    }));
}

/// Several sources need a directory, which ends with a slash.
pub(crate) fn into_a_file(state: &State, step: &Step<'_>) -> Option<(u32, String)> {
    let (to, _) = step.words.split_last().filter(|(to, sources)| sources.len() > 1 && !to.unknown)?;
    let last = to.text.rsplit('/').next().unwrap_or_default();
    let place = absolute(state.workdir.as_deref(), &to.text);
    // What is a directory already takes them.
    let known = state.workdir.as_deref().is_some_and(|directory| directory.trim_end_matches('/') == place)
        || state
            .copies
            .iter()
            .any(|copied| copied.line < step.instruction.line && copied.to.trim_end_matches('/') == place)
        || BIN.iter().any(|directory| directory.trim_end_matches('/') == place)
        || matches!(place.as_str(), "/etc" | "/tmp" | "/usr" | "/opt" | "/var" | "/home" | "/srv" | "/lib");
    let file = !matches!(last, "" | "." | "..") && !known;
    file.then(|| (step.instruction.line, format!("several files are copied to {}, which does not end with /", to.text)))
}

impl Copied {
    /// Whether this is what was copied there; a name alone is looked for in every directory of programs.
    pub(crate) fn is(&self, path: &str) -> bool {
        self.to == path || base_name(&self.to) == path
    }

    /// The files of the context that may have become this path.
    pub(crate) fn origins(&self, path: &str) -> Vec<String> {
        if self.from_context { self.sources_of(path) } else { Vec::new() }
    }

    /// The stage that it is copied from, and the files there that may have become this path, from its root on.
    pub(crate) fn origins_in_stage(&self, path: &str) -> Option<(usize, Vec<String>)> {
        let sources = || self.sources_of(path).into_iter().map(|source| format!("/{source}")).collect();
        self.stage.map(|stage| (stage, sources()))
    }

    fn sources_of(&self, path: &str) -> Vec<String> {
        let directory = self.to.trim_end_matches('/');
        let below = match path.contains('/') {
            true => path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')),
            false => directory.ends_with("bin").then_some(path),
        };
        let mut origins = Vec::new();
        // The context is the root of its paths, and there is nothing above it.
        let from_root = |path: &str| path.trim_start_matches("./").trim_start_matches('/').to_owned();
        for source in self.sources.iter().filter(|source| !source.contains("..")) {
            if self.is(path) || below == Some(base_name(source)) {
                origins.push(from_root(source));
            }
            if let Some(below) = below {
                // What a pattern takes lies beside it.
                let (above, last) = source.rsplit_once('/').unwrap_or((".", source));
                let above = if last.contains('*') { above } else { source.trim_end_matches('/') };
                origins.push(from_root(&format!("{above}/{below}")));
            }
        }
        origins
    }
}

/// Where a system has its programs.
pub(crate) const BIN: [&str; 9] = [
    "/usr/local/sbin/",
    "/usr/local/bin/",
    "/usr/sbin/",
    "/usr/bin/",
    "/sbin/",
    "/bin/",
    "/usr/local/go/bin/",
    "/go/bin/",
    "/busybox/",
];

/// Where a command writes what it builds: a path from the root, the name alone where that is not known, or a directory with a
/// slash.
pub(crate) fn outputs(command: &Command) -> impl Iterator<Item = &str> {
    let next = command.words.iter().zip(command.words.iter().skip(1));
    let next = next.filter(|(flag, _)| *flag == "-o").map(|(_, output)| output.as_str());
    let outputs = next.chain(command.words.iter().filter_map(|word| word.strip_prefix("-o=")));
    outputs.map(|output| if output.starts_with('/') || output.ends_with('/') { output } else { base_name(output) })
}

/// Whether a path of another stage is known to be a file: its name has an ending, or a build wrote it.
pub(crate) fn was_written(path: &str, mut stage: Option<usize>, earlier: &[Stage<'_>]) -> bool {
    let name = base_name(path);
    if name.contains('.') || name == "goward" {
        return true;
    }
    let above = path.strip_suffix(name).map(|above| format!("{}/", above.trim_end_matches('/')));
    while let Some(from) = stage.and_then(|at| earlier.get(at)) {
        let wrote = |output: &str| from.outputs.iter().any(|known| **known == *output);
        if wrote(name) || (path.starts_with('/') && wrote(path)) || above.as_deref().is_some_and(wrote) {
            // `go build -o dist` writes into a directory of that name, if there is one.
            return !from.steps.iter().flat_map(|step| &step.commands).any(|command| may_make_directory(command, name));
        }
        stage = match from.from {
            From::Stage(at) => Some(at),
            From::Scratch | From::Image(_) => None,
        };
    }
    false
}

/// Whether a command may have made a directory of this name: it names it, or runs what the sources or a tool say.
fn may_make_directory(command: &Command, name: &str) -> bool {
    const TOOLS: [&str; 10] = ["make", "npm", "npx", "yarn", "pnpm", "bun", "vite", "task", "mage", "just"];
    let words = command.own();
    let program = words.first().map(|word| base_name(word)).unwrap_or_default();
    let verb = words.get(1).map(String::as_str).unwrap_or_default();
    match program {
        "go" => matches!(verb, "run" | "generate" | "tool"),
        "mkdir" | "cp" | "mv" | "ln" | "git" | "install" => {
            words.iter().any(|word| base_name(word.trim_end_matches('/')) == name)
        }
        _ => TOOLS.contains(&program) || program.ends_with(".sh"),
    }
}

/// What a RUN runs: the list, the line, or the heredoc where that is the script.
pub(crate) fn run(instruction: &Instruction) -> Vec<Command> {
    let mut commands = match &instruction.list {
        Some(list) => vec![Command { words: list.clone(), ..Command::default() }],
        None => script::commands(&instruction.rest),
    };
    let fed = commands.is_empty() || commands.iter().any(|command| launch::is_shell(command.name()));
    for heredoc in instruction.heredocs.iter().filter(|_| fed) {
        commands.extend(script::commands(&heredoc.content));
    }
    let mut unfolded = Vec::new();
    commands.into_iter().for_each(|command| unfold(command, &mut unfolded));
    unfolded
}

const MOST_SET: usize = 64;

/// A command; of `sh -c SCRIPT` those of the script, with what was set for the shell.
fn unfold(command: Command, into: &mut Vec<Command>) {
    let script = launch::script_of(&command.words).unwrap_or_default();
    let mut inside = script::commands(&script);
    if inside.is_empty() {
        return into.push(command);
    }
    // Nobody sets more for a shell, and each of its commands has them.
    let assigned = command.assigned.get(..MOST_SET).unwrap_or(&command.assigned);
    for inner in &mut inside {
        inner.uses.retain(|name| !assigned.iter().any(|(set, _)| set == name));
        let own = std::mem::replace(&mut inner.assigned, assigned.to_vec());
        inner.assigned.extend(own);
    }
    if let Some(last) = inside.last_mut() {
        last.end = command.end;
        last.uses.extend(command.uses);
    }
    into.extend(inside);
}

/// Whether one of them does what is not written here: nobody can tell what is there afterwards.
pub(crate) fn hide(commands: &[Command], state: &State, is_file: &dyn Fn(&str) -> bool) -> bool {
    let mut fed = false;
    // So many files nobody follows.
    state.copies.len() > 64
        || state.copies.iter().map(|copied| copied.sources.len()).sum::<usize>() > 256
        || commands.iter().any(|command| {
            let fed = std::mem::replace(&mut fed, command.end == End::Pipe);
            hides(command, fed, state, is_file)
        })
}

fn hides(command: &Command, fed: bool, state: &State, is_file: &dyn Fn(&str) -> bool) -> bool {
    let Some((program, arguments)) = launch::words_behind(command.own()).split_first() else { return false };
    let any = |wanted: &dyn Fn(&str) -> bool| arguments.iter().any(|word| wanted(word));
    let name = base_name(program);
    match name {
        "make" => true,
        // What the system says of itself sets variables only.
        "." | "source" => any(&|file| !file.starts_with("/etc/")),
        "apk" | "apt-get" | "apt" | "dnf" | "yum" | "microdnf" | "dpkg" | "rpm" => any(&|package| {
            package.starts_with(['/', '.']) || [".apk", ".deb", ".rpm"].iter().any(|end| package.ends_with(end))
        }),
        "tar" | "unzip" => any(&|directory| directory == "/"),
        "xargs" => any(&|program| matches!(program, "apk" | "apt-get" | "dnf" | "yum" | "sh" | "bash")),
        "sh" | "bash" | "ash" | "dash" => fed || any(&|script| !script.starts_with('-')),
        _ => {
            // By its name alone a program is found where programs are.
            let anywhere = program.contains('/') || state.variables.has("PATH");
            let in_path = |copied: &Copied| anywhere || copied.to.trim_end_matches('/').ends_with("bin");
            let brings = |copied: &Copied, source: &String| {
                (source.ends_with(name) && base_name(source) == name)
                    || (copied.from_context && in_path(copied) && is_file(&format!("{source}/{name}")))
            };
            let copied = state.copies.iter().find(|copied| copied.sources.iter().any(|source| brings(copied, source)));
            let elsewhere = program.contains('/') && !BIN.iter().any(|directory| program.starts_with(directory));
            // What a stage made is a program.
            program.starts_with('$') || copied.map_or(elsewhere, |copied| copied.from_context)
        }
    }
}

pub(crate) fn mounts(stage: &mut Stage<'_>, instruction: &Instruction, earlier: &[Stage<'_>]) {
    for (_, mount) in instruction.flags.iter().filter(|(name, _)| name == "mount") {
        let from = mount.split(',').find_map(|part| part.strip_prefix("from="));
        if let Some(Ok(at)) = from.and_then(|from| stage_of(from, earlier)) {
            stage.uses.push(at);
        }
    }
}

/// The packages that a command installs.
pub(crate) fn installed(command: &Command) -> impl Iterator<Item = &str> {
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    let verb = match command.name() {
        "apk" => "add",
        "apt-get" | "apt" | "dnf" | "yum" | "microdnf" | "zypper" => "install",
        _ => "",
    };
    let from = words.iter().position(|word| !verb.is_empty() && *word == verb).unwrap_or(words.len());
    let mut skip = false;
    let named = words.into_iter().skip(from + 1).filter(move |word| {
        let value = std::mem::replace(&mut skip, matches!(*word, "--virtual" | "-t" | "--repository" | "-X" | "-o"));
        !value && !word.starts_with('-')
    });
    // curl=8.1-r0, curl~8, curl>8
    named.map(|word| word.split(['=', '~', '<', '>']).next().unwrap_or(word)).collect::<Vec<_>>().into_iter()
}
