//! Which of the builds are for the image: those whose programs are copied into it, if that can be told.

use super::found::Build;
use super::mounts;
use crate::check::docker::stage::{From, Stages};
use crate::check::docker::words::{self, Expanded};
use crate::check::launch::base_name;

/// Where a build writes its program; None is not known.
struct Output {
    /// From the root, without the name where that is not known.
    path: Option<String>,
    name: Option<String>,
}

impl Output {
    fn of(build: &Build<'_>) -> Output {
        let package = build.package().map(str::to_owned);
        let (directory, name) = match build.written("o") {
            Some(written) => {
                let expanded = words::expand(written, '\\', &|name| build.lookup(name));
                let known = !expanded.unknown && !expanded.text.contains(['$', '`']);
                let text = if known { expanded.text } else { written.to_owned() };
                let (directory, last) = text.rsplit_once('/').unwrap_or(("", &text));
                let name = if last.is_empty() { package } else { Some(last.to_owned()) };
                // Otherwise relative to wherever it is built.
                let absolute = known && text.starts_with('/');
                (absolute.then(|| directory.to_owned()), name.filter(|name| !name.contains(['$', '`'])))
            }
            None => {
                let elsewhere = !build.installs || build.has("GOBIN") || build.has("GOPATH") || build.unclear;
                ((!elsewhere).then(|| "/go/bin".to_owned()), package)
            }
        };
        let whole = |directory: String| path(&(directory + "/" + name.as_deref().unwrap_or_default()));
        Output { path: directory.map(whole), name }
    }

    /// Whether a source of a COPY is or holds it; None if that cannot be told.
    fn is_in(&self, source: &Expanded) -> Option<bool> {
        let from = path(&source.text);
        let last = base_name(&from);
        let named = self.name.as_deref() == Some(last);
        let Some(own) = self.path.as_deref().filter(|_| !source.unknown) else {
            // server.conf is none of it; anything else may be a directory.
            return if named { Some(true) } else { last.contains('.').then_some(false) };
        };
        let within = |above: &str, path: &str| {
            path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let matches = from.split_once('*').is_some_and(|(begin, _)| own.starts_with(begin));
        // `-o /out` may mean a directory.
        if matches || within(&from, own) || within(own, &from) {
            return Some(true);
        }
        // It may have been moved, or the name is not known.
        (!named && self.name.is_some()).then_some(false)
    }
}

/// A path from the root, without what changes nothing.
fn path(text: &str) -> String {
    let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |path, part| path + "/" + part)
}

/// Whether one of these sources of COPY is or holds the program; None if that cannot be told.
fn is_copied(build: &Build<'_>, sources: &[&Expanded]) -> Option<bool> {
    let output = Output::of(build);
    let mut all = Some(false);
    for source in sources {
        match output.is_in(source) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => all = None,
        }
    }
    all
}

/// Only those that are for the image stay.
pub(super) fn keep(stages: &Stages<'_>, index: usize, behind: &[usize], builds: &mut Vec<Build<'_>>) {
    let mut sources: Vec<&Expanded> = Vec::new();
    let mut mounted = false;
    for step in behind.iter().filter_map(|at| stages.stages.get(*at)).flat_map(|stage| &stage.steps) {
        mounted |= mounts(step, "from=");
        if let (Some(_), Some((_, copied))) = (step.instruction.flag("from"), step.words.split_last()) {
            sources.extend(copied);
        }
    }
    let fates: Vec<Option<bool>> = builds.iter().map(|build| is_copied(build, &sources)).collect();
    let certain = fates.contains(&Some(true));
    let mut fates = fates.into_iter();
    let several = builds.len() > 1;
    builds.retain(|build| {
        let fate = fates.next().flatten();
        if certain {
            return fate == Some(true);
        }
        // What is in the stage stays there, and what is mounted or moved may come in other ways.
        let moved = || ["cp", "mv", "ln", "install", "upx", "tar"].iter().any(|name| ran(stages, build, name));
        let elsewhere = fate == Some(false) && !mounted && !begins_with(stages, index, build.stage) && !moved();
        // A generator, or `go build ./...`.
        let aside = several && (is_run(stages, build) || build.is_all());
        !elsewhere && !aside
    });
}

/// Whether a stage is another one, or begins with it.
fn begins_with(stages: &Stages<'_>, mut index: usize, wanted: usize) -> bool {
    while index != wanted {
        match stages.stages.get(index).map(|stage| &stage.from) {
            Some(From::Stage(from)) => index = *from,
            Some(From::Scratch | From::Image(_)) | None => return false,
        }
    }
    true
}

/// Whether the build's stage runs a program of that name.
fn ran(stages: &Stages<'_>, build: &Build<'_>, name: &str) -> bool {
    let stage = stages.stages.get(build.stage);
    let mut commands = stage.iter().flat_map(|stage| &stage.steps).flat_map(|step| &step.commands);
    commands.any(|command| command.name() == name)
}

/// A generator runs where it is built.
pub(super) fn is_run(stages: &Stages<'_>, build: &Build<'_>) -> bool {
    Output::of(build).name.is_some_and(|name| ran(stages, build, &name))
}
