//! What is known of a stage that builds, found out once for all its builds: there may be hundreds, and thousands of commands.

use super::cgo;
use crate::check::docker::stage::Stages;
use std::collections::BTreeSet;

/// Of one stage.
#[derive(Default)]
pub(super) struct Facts<'a> {
    /// The programs that it runs, without their paths.
    programs: BTreeSet<&'a str>,
    /// Lines that export CGO_ENABLED=0.
    exports: Vec<u32>,
    /// There is a C compiler.
    pub(super) compiler: bool,
}

/// Of each stage that builds, by its number; None of others.
pub(super) struct All<'a>(Vec<Option<Facts<'a>>>);

impl<'a> All<'a> {
    pub(super) fn of(stages: &'a Stages<'_>, building: impl Iterator<Item = usize>) -> All<'a> {
        let mut all: Vec<Option<Facts<'a>>> = stages.stages.iter().map(|_| None).collect();
        for at in building {
            if let Some(facts) = all.get_mut(at) {
                facts.get_or_insert_with(|| Facts::of(stages, at));
            }
        }
        All(all)
    }

    pub(super) fn get(&self, at: usize) -> Option<&Facts<'a>> {
        self.0.get(at)?.as_ref()
    }

    /// Whether a stage runs one of these programs.
    pub(super) fn runs(&self, at: usize, names: &[&str]) -> bool {
        self.get(at).is_some_and(|facts| names.iter().any(|name| facts.programs.contains(name)))
    }
}

impl<'a> Facts<'a> {
    fn of(stages: &'a Stages<'_>, at: usize) -> Facts<'a> {
        let Some(stage) = stages.stages.get(at) else { return Facts::default() };
        let commands = || stage.steps.iter().flat_map(|step| step.commands.iter().map(move |command| (step, command)));
        let exports =
            commands().filter(|(_, command)| cgo::exports(command)).map(|(step, _)| step.instruction.line).collect();
        // One after the other: collect() sorts, which is code for each type.
        let mut programs = BTreeSet::new();
        programs.extend(commands().map(|(_, command)| command.name()));
        Facts { programs, exports, compiler: cgo::has_compiler(stage, &stages.chain(at)) }
    }

    /// Whether it runs a tool of tonistiigi/xx.
    pub(super) fn runs_xx(&self) -> bool {
        self.programs.range("xx-"..).next().is_some_and(|name| name.starts_with("xx-"))
    }

    /// Whether CGO_ENABLED=0 is exported in another instruction than this one.
    pub(super) fn exports_elsewhere(&self, line: u32) -> bool {
        self.exports.first().is_some_and(|first| *first != line)
            || self.exports.last().is_some_and(|last| *last != line)
    }
}
