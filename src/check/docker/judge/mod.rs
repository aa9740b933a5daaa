//! The rules for a Dockerfile. Pure.
//!
//! What cannot be known from the recipe alone is not guessed: an image of another name, a variable that only the builder
//! knows, a directory copied onto / may hold anything, and nothing is said about what seems missing then.

mod build;
mod frame;
mod health;
mod packages;
mod start;
mod user;
mod wrapper;

pub(crate) use frame::is_secret;
pub(crate) use start::script_becomes;

use super::Context;
use super::base::Shell;
use super::parse::Dockerfile;
use super::stage::{Form, Stage, Stages, Started, State};
use crate::check::finding::{Finding, Place};
use crate::check::launch::{self, Launch};
use crate::check::table::{self, Rule};

/// So many findings nobody reads.
const MOST: usize = 1000;

/// What the rules look at.
struct Case<'a> {
    file: &'a Dockerfile,
    stages: &'a Stages<'a>,
    context: Context<'a>,
    findings: Vec<Finding>,
}

pub(super) fn judge(file: &Dockerfile, stages: &Stages<'_>, context: Context<'_>) -> Vec<Finding> {
    let mut case = Case { file, stages, context, findings: Vec::new() };
    // A file that is no Dockerfile at all has one in every line.
    let problems = file.problems.iter().chain(&stages.problems).take(20);
    for (line, problem) in problems {
        let mend = "compare the line with the Dockerfile reference";
        case.say(&table::NOT_A_DOCKERFILE, *line, problem.clone(), mend);
    }
    if let Some(line) = stages.too_many {
        let mend = "split the file";
        case.say(&table::CANNOT_TELL, line, "so many stages are not followed: nothing is said of any", mend);
        return case.findings;
    }
    let shipped = stages.shipped();
    frame::judge(&mut case, &shipped);
    for index in shipped {
        let Some(stage) = stages.stages.get(index) else { continue };
        build::judge(&mut case, index, stage);
        packages::judge(&mut case, index, stage);
        start::judge(&mut case, stage);
        user::judge(&mut case, index, stage);
        health::judge(&mut case, stage);
    }
    // A stage that several are made of is looked at for each.
    let mut findings: Vec<Finding> = Vec::new();
    for finding in case.findings {
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
    command_line(state).map(|(argv, _)| launch::understand(&argv))
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
