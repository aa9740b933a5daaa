//! A script that is started: whether the kernel can start it.

use super::{Case, command_line, launch_of, wrapper};
use crate::check::docker::base::Shell;
use crate::check::docker::stage::{Stage, State};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch::{self, base_name};
use crate::check::table;

/// Interpreters that a base may lack. Of others nothing is known.
const INTERPRETERS: [&str; 8] = ["bash", "zsh", "python", "python3", "node", "ruby", "perl", "php"];

/// Packages that are known to come without an interpreter; of all others nobody knows what they depend on.
const WITHOUT: [&str; 24] = [
    "ca-certificates",
    "ca-certificates-bundle",
    "curl",
    "dumb-init",
    "file",
    "gosu",
    "iproute2",
    "iptables",
    "iputils",
    "jq",
    "libc6-compat",
    "libcap",
    "mailcap",
    "netcat-openbsd",
    "openssl",
    "procps",
    "shadow",
    "sqlite",
    "su-exec",
    "tar",
    "tini",
    "tzdata",
    "unzip",
    "wget",
];

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>) {
    let Some((_, started_by)) = command_line(&stage.state) else { return };
    let launch = launch_of(&stage.state).unwrap_or_default();
    let program = launch.argv.first().map(String::as_str).unwrap_or_default();
    if let Some((severity, evidence, mend)) = trouble(case, stage, program) {
        let place = Place::line(started_by.line).marked(program);
        case.findings.push(Finding::new(&table::SCRIPT_UNFIT, place, evidence, mend).at(severity));
    }
}

/// How an interpreter could come that is not in the base, and how much it matters.
fn nothing_installs(state: &State) -> (Severity, &'static str) {
    match state.packages.iter().all(|package| WITHOUT.contains(&&**package)) {
        true => (Severity::Error, "nothing installs it"),
        false => (Severity::Warning, "nothing installs it, unless another package needs it"),
    }
}

/// Why the kernel would not start it, how much that matters, and what mends it.
fn trouble(case: &Case<'_>, stage: &Stage<'_>, program: &str) -> Option<(Severity, String, &'static str)> {
    let state = &stage.state;
    if let Some(base) = lacks(state, base_name(program)) {
        let (severity, nothing_installs) = nothing_installs(state);
        return Some((severity, format!("{program} is not in {base}, and {nothing_installs}"), "sh, or install it"));
    }
    let script = wrapper::started(case, stage).filter(|script| !script.by_shell)?;
    let source = &script.source;
    let first = script.text.split('\n').next().unwrap_or_default();
    let Some(line) = first.strip_prefix("#!") else {
        let text = source.ends_with(".sh") && !script.text.trim().is_empty() && !script.text.contains('\0');
        let evidence = || format!("{source} has no #! line: exec format error");
        return text.then(|| (Severity::Error, evidence(), "#!/bin/sh as its very first line"));
    };
    if line.ends_with('\r') {
        let evidence = format!("the first line of {source} ends with CR LF: the kernel looks for {}\\r", line.trim());
        return Some((Severity::Error, evidence, "save it with LF alone; in .gitattributes: *.sh text eol=lf"));
    }
    let mut words = line.split_whitespace();
    let interpreter = match base_name(words.next().unwrap_or_default()) {
        "env" => words.find(|word| !word.starts_with('-') && !word.contains('=')).unwrap_or_default(),
        name => name,
    };
    if let Some(base) = lacks(state, interpreter) {
        let (severity, nothing_installs) = nothing_installs(state);
        let evidence = format!("{source} is for {interpreter}, which is not in {base}, and {nothing_installs}");
        return Some((severity, evidence, "#!/bin/sh, and nothing that only that interpreter knows; or install it"));
    }
    let closed = !script.has_mode && case.context.is_executable(source) == Some(false);
    let evidence = || format!("{source} has no x bit: permission denied");
    (closed && !changes_mode(case, stage, [base_name(source), base_name(program)]))
        .then(|| (Severity::Error, evidence(), "COPY --chmod=0755, or git update-index --chmod=+x"))
}

/// The base, where it is known to lack this interpreter and nothing can have brought it.
fn lacks<'a>(state: &'a State, name: &str) -> Option<&'a str> {
    let tools = state.base.tools?;
    let bare = state.base.shell == Some(Shell::None);
    // Debian has perl-base.
    let has = tools.contains(&name) || (name == "perl" && state.base.shell == Some(Shell::Dash));
    let copied = state.copies.iter().any(|copied| {
        let mut paths = copied.sources.iter().chain([&copied.to]);
        paths.any(|path| base_name(path.trim_end_matches('/')).contains(name) || path.contains("/bin"))
    });
    // Alpine's wg-quick is a script for bash.
    let of_bash = |package: &str| name == "bash" && package.starts_with("wireguard-tools");
    let brings = |package: &str| package.contains(name) || package.contains(['$', '`']) || of_bash(package);
    let installed = state.packages.iter().any(|package| brings(package))
        || (matches!(name, "python" | "python3" | "node") && !state.packages.is_empty());
    let known = INTERPRETERS.contains(&name) && !bare && !has && !state.opaque;
    (known && !copied && !installed && !state.base.toolchain).then_some(state.image.as_str())
}

/// Whether a RUN makes it executable, or whatever is in its directory.
fn changes_mode(case: &Case<'_>, stage: &Stage<'_>, names: [&str; 2]) -> bool {
    let stages = case.stages.stages.iter().filter(|other| other.line <= stage.line);
    let mut commands = stages.flat_map(|stage| &stage.steps).flat_map(|step| &step.commands);
    commands.any(|command| match command.name() {
        "chmod" => command.words.iter().any(|word| {
            names.iter().any(|name| word.contains(name)) || word.contains(['*', '$', 'R']) || word.ends_with('/')
        }),
        "install" | "sed" | "dos2unix" | "find" | "xargs" => true,
        name => launch::is_shell(name),
    })
}
