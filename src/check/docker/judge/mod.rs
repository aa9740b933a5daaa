//! The rules for a Dockerfile. Pure.
//!
//! What cannot be known from the recipe alone is not guessed: an image of another name, a variable that only the builder
//! knows, a directory copied onto / may hold anything, and nothing is said about what seems missing then.

mod bases;
mod build;
mod certificates;
mod context;
mod habits;
mod health;
mod packages;
mod present;
mod purpose;
mod script;
mod secrets;
mod start;
mod user;
mod variables;
mod wrapper;

pub(crate) use context::inside;
pub(crate) use secrets::is_secret;
pub(crate) use start::script_becomes;

use super::Context;
use super::base::Shell;
use super::parse::Dockerfile;
use super::script::Command;
use super::stage::{Form, From, Stage, Stages, Started, State};
use super::words::Value;
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch::{self, Launch};
use crate::check::table::{self, Rule};
use purpose::Purpose;
use std::cell::OnceCell;

/// Parts of the names of images that are made to work in.
const WORKPLACES: [&str; 4] = ["devcontainer", "oss-fuzz-base/", "gitpod/workspace", "cimg/"];

/// So many findings nobody reads.
const MOST: usize = 1000;

/// What the rules look at.
struct Case<'a> {
    file: &'a Dockerfile,
    stages: &'a Stages<'a>,
    context: Context<'a>,
    purpose: Purpose,
    findings: Vec<Finding>,
    /// Whether the sources say which version they are, once that was asked.
    versioned: OnceCell<bool>,
}

/// `target` is the stage that is built, where that is not all that may be shipped.
pub(super) fn judge(
    file: &Dockerfile,
    stages: &Stages<'_>,
    context: Context<'_>,
    target: Option<usize>,
) -> Vec<Finding> {
    let purpose = Purpose::read(context, stages);
    let mut case = Case { file, stages, context, purpose, findings: Vec::new(), versioned: OnceCell::new() };
    refused(&mut case);
    let shipped = target.map_or_else(|| stages.shipped(), |target| vec![target]);
    let line = stages.too_much.or_else(|| (!stages.can_be_judged(&shipped)).then_some(0));
    if let Some(line) = line {
        let mend = "split the file";
        case.say(
            &table::CANNOT_TELL,
            line,
            "more than is followed of one file stands here: nothing is said of any of it",
            mend,
        );
        return case.findings;
    }
    bases::judge(&mut case, &shipped);
    context::judge(&mut case);
    let mut names_left = variables::MOST_COMPARED;
    for (index, stage) in stages.stages.iter().enumerate() {
        habits::judge(&mut case, stage);
        variables::misspelt(&mut case, index, &mut names_left);
    }
    for index in shipped {
        let Some(stage) = stages.stages.get(index) else { continue };
        // What an editor or a fuzzer works in is no image of a server.
        if WORKPLACES.iter().any(|part| stage.state.image.contains(part)) {
            continue;
        }
        build::judge(&mut case, index, stage);
        packages::judge(&mut case, index, stage);
        certificates::judge(&mut case, index, stage);
        start::judge(&mut case, stage);
        user::judge(&mut case, index, stage);
        health::judge(&mut case, stage);
        present::judge(&mut case, index, stage);
        script::judge(&mut case, stage);
        variables::in_exec_form(&mut case, stage);
        habits::judge_shipped(&mut case, index);
    }
    if let Some(target) = target {
        let behind = stages.behind(target);
        let begins = |line: u32| stages.stages.iter().rposition(|stage| stage.line <= line);
        case.findings.retain(|finding| begins(finding.place.line).is_none_or(|at| behind.contains(&at)));
    }
    let Case { findings, purpose, .. } = case;
    once_each(findings.into_iter().filter_map(|finding| purpose.weigh(finding)))
}

/// What the builder refuses.
fn refused(case: &mut Case<'_>) {
    // A file that is no Dockerfile at all has one in every line.
    let (file, stages) = (case.file, case.stages);
    let template = stages.stages.iter().find_map(filled_in);
    for (line, problem) in file.problems.iter().chain(&stages.problems).take(20) {
        let mend = match line {
            0 => "begin with FROM IMAGE",
            _ => "compare the line with the Dockerfile reference",
        };
        let finding = |evidence| Finding::new(&table::NOT_A_DOCKERFILE, Place::line(*line), evidence, mend);
        case.findings.push(match template {
            None => finding(problem.clone()),
            Some(image) => finding(format!("{problem}, unless a script fills it in as it must do with FROM {image}"))
                .at(Severity::Note),
        });
    }
    for (line, doubtful) in stages.doubtful.iter().take(20) {
        let mend = "another name, or a / at the end";
        let finding = Finding::new(&table::NOT_A_DOCKERFILE, Place::line(*line), doubtful.clone(), mend);
        case.findings.push(finding.at(Severity::Warning));
    }
}

/// An image in capitals, which no image has in its name: the file is a template that something else fills in before the build.
fn filled_in<'a>(stage: &'a Stage<'_>) -> Option<&'a str> {
    let From::Image(image) = &stage.from else { return None };
    let is_placeholder = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let begins = image.text.starts_with(|c: char| c.is_ascii_uppercase());
    (begins && image.names.is_empty() && image.text.chars().all(is_placeholder)).then_some(&image.text)
}

/// A stage that several are made of is looked at for each.
fn once_each(all: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for finding in all {
        let same = |known: &Finding| {
            known.place.line == finding.place.line
                && known.rule.id == finding.rule.id
                && known.evidence == finding.evidence
        };
        if findings.len() < MOST && !findings.iter().any(same) {
            findings.push(finding);
        }
    }
    findings
}

impl Case<'_> {
    fn say(&mut self, rule: &'static Rule, line: u32, evidence: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding::new(rule, Place::line(line), evidence, mend));
    }

    /// Whether a command builds a program of the own module.
    fn own_builds(&self) -> impl Fn(&Command) -> bool + use<> {
        let module = self.module();
        move |command| build::builds(command, module.as_deref())
    }

    /// The name of the own module.
    fn module(&self) -> Option<String> {
        let text = self.context.text("go.mod")?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("module "))?;
        Some(line.split("//").next().unwrap_or_default().trim().trim_matches(['"', '`']).to_owned())
    }

    /// Whether the sources say which version they are: `const Version = "1.2.3"`, or a file that is embedded.
    fn states_version(&self) -> bool {
        *self.versioned.get_or_init(|| {
            let mut states = false;
            for context in [Some(self.context), self.context.rival()].into_iter().flatten() {
                context.each_go_file(&mut |file, text| {
                    let own_file = launch::base_name(file) == "version.go";
                    states |= text.lines().any(|line| states_version(line, own_file));
                });
            }
            states
        })
    }
}

/// Whether a line of Go sets a version. In a file of its own every name may be for that.
fn states_version(line: &str, own_file: bool) -> bool {
    if line.starts_with("//go:embed ") || line.contains("ReadFile(") {
        return line.to_ascii_lowercase().contains("version");
    }
    let Some((name, value)) = line.split_once('=') else { return false };
    if is_part_of_version(name, value) {
        return true;
    }
    let name = name.trim_end_matches(':').trim().trim_end_matches(" string").trim_end();
    let name = name.rsplit(char::is_whitespace).next().unwrap_or_default();
    let Some(value) = value.trim().strip_prefix('"') else { return false };
    let value = value.strip_prefix('v').unwrap_or(value);
    let numbers = value.starts_with(|c: char| c.is_ascii_digit()) && value.contains('.');
    numbers && (own_file || is_version(name))
}

/// Version, appVersion, SYSTEM_VERSION; of what else it may be the version, as in minVersion, nobody asks.
fn is_version(name: &str) -> bool {
    const OWN: [&str; 9] = ["", "app", "system", "software", "program", "server", "build", "release", "current"];
    let name = name.to_ascii_lowercase();
    name.strip_suffix("version").is_some_and(|rest| OWN.contains(&rest.trim_end_matches('_')))
}

/// `VersionMajor = 1`, `Version_x byte = 26`, `appMajor uint = 0`: a version in parts.
fn is_part_of_version(name: &str, value: &str) -> bool {
    let mut words = name.split_whitespace().filter(|word| !matches!(*word, "const" | "var"));
    let name = words.next().unwrap_or_default().to_ascii_lowercase();
    let value = value.split("//").next().unwrap_or_default().trim();
    let number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    number && (matches!(name.as_str(), "version_x" | "versionx") || name == "major" || is_major(&name))
}

/// `appmajor`, `version_major`, `majorversion`
fn is_major(name: &str) -> bool {
    let rest = name.strip_suffix("major").or_else(|| name.strip_prefix("major")).unwrap_or_default();
    matches!(rest.trim_matches('_'), "app" | "version" | "ver" | "v")
}

/// What a stage starts, as one command line; None where nothing is.
fn command_line(state: &State) -> Option<(Vec<String>, &Started)> {
    let started = state.entrypoint.as_ref().or(state.cmd.as_ref())?;
    let mut argv = argv(started, state);
    if let (Some(entrypoint), Some(cmd)) = (&state.entrypoint, &state.cmd)
        && matches!(entrypoint.form, Form::Exec(_))
    {
        argv.extend(self::argv(cmd, state));
    }
    Some((argv, started))
}

/// The words that are executed: those of a shell for the shell form.
fn argv(started: &Started, state: &State) -> Vec<String> {
    match &started.form {
        Form::Exec(list) => list.clone(),
        Form::Shell(script) => {
            let shell = state.shell.clone().unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            shell.into_iter().chain([script.clone()]).collect()
        }
    }
}

fn launch_of(state: &State) -> Option<Launch> {
    command_line(state).map(|(argv, _)| understand(&argv, state))
}

/// What a command line of this stage starts, with what the stage sets for it.
fn understand(argv: &[String], state: &State) -> Launch {
    launch::understand_with(argv, &|name| match state.variables.get(name)? {
        Value::Text(text) => Some(text.to_string()).filter(|text| !text.is_empty()),
        Value::Unknown => Some(String::new()),
        Value::Unset => None,
    })
}

/// Which shell runs the shell form, or a script that names it.
fn shell_of(state: &State, named: &str) -> Option<Shell> {
    match named {
        "bash" | "zsh" | "ash" | "busybox" => Some(Shell::Becoming),
        "dash" => Some(Shell::Dash),
        _ => state.base.shell,
    }
}

/// Whether this stage has the Go toolchain, by its base or a package.
fn has_toolchain(stage: &Stage<'_>) -> bool {
    stage.state.base.toolchain || ["go", "golang", "golang-go"].iter().any(|package| stage.state.has_package(package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_state_a_version() {
        for line in [
            "const Version = \"1.2.3\"",
            "\tVersion_x byte = 26",
            "\tappMajor uint = 0",
            "VersionMajor = 1 // major",
            "\tSYSTEM_VERSION = \"3.2.5\"",
            "var appVersion string = \"v1.0\"",
            "//go:embed VERSION",
        ] {
            assert!(states_version(line, false), "{line}");
        }
        for line in [
            "const minVersion = \"1.2\"",
            "var version = \"dev\"",
            "schemaVersion = 3",
            "major = n",
            "if major == 1 {",
            "const apiVersion = \"1.0\"",
        ] {
            assert!(!states_version(line, false), "{line}");
        }
    }
}
