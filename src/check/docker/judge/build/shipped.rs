//! Which of the builds are for the image: those whose programs are copied into it, if that can be told.

use super::facts::All;
use super::found::Build;
use super::mounts;
use crate::check::docker::stage::{From, Stages};
use crate::check::docker::words;
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

    /// Whether a source of a COPY is or holds it; None if that cannot be told. `from`: where the source is, from the root.
    fn is_in(&self, from: &str, unknown: bool) -> Option<bool> {
        let last = base_name(from);
        let named = self.name.as_deref() == Some(last);
        let Some(own) = self.path.as_deref().filter(|_| !unknown) else {
            // server.conf is none of it; anything else may be a directory.
            return if named { Some(true) } else { last.contains('.').then_some(false) };
        };
        let within = |above: &str, path: &str| {
            path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let matches = from.split_once('*').is_some_and(|(begin, _)| own.starts_with(begin));
        // `-o /out` may mean a directory.
        if matches || within(from, own) || within(own, from) {
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
fn is_copied(build: &Build<'_>, sources: &[(String, bool)]) -> Option<bool> {
    let output = Output::of(build);
    let mut all = Some(false);
    for (from, unknown) in sources {
        match output.is_in(from, *unknown) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => all = None,
        }
    }
    all
}

/// Only those that are for the image stay.
pub(super) fn keep(
    stages: &Stages<'_>,
    facts: &All<'_>,
    index: usize,
    behind: &[usize],
    module: Option<&str>,
    builds: &mut Vec<Build<'_>>,
) {
    let mut sources: Vec<(String, bool)> = Vec::new();
    let mut mounted = false;
    for step in behind.iter().filter_map(|at| stages.stages.get(*at)).flat_map(|stage| &stage.steps) {
        mounted |= mounts(step, "from=");
        if let (Some(_), Some((_, copied))) = (step.instruction.flag("from"), step.words.split_last()) {
            sources.extend(copied.iter().map(|source| (path(&source.text), source.unknown)));
        }
    }
    // A build that another one writes over, and one of libraries that only fills the cache.
    let mut written: Vec<(usize, String)> = Vec::new();
    let local = builds.iter().any(|build| !build.is_of_others(module));
    let mut kept: Vec<bool> = Vec::new();
    for build in builds.iter().rev() {
        let output = build.written("o").map(|output| (build.stage, output.to_owned()));
        // Into a directory each writes its own.
        let again = output.as_ref().is_some_and(|output| !output.1.ends_with('/') && written.contains(output));
        written.extend(output.filter(|_| written.len() < 64));
        let filler = local && build.is_of_others(module);
        kept.push(!(again || filler));
    }
    builds.retain(|_| kept.pop().unwrap_or(true));
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
        let moved = || facts.runs(build.stage, &["cp", "mv", "ln", "install", "upx", "tar"]);
        let elsewhere = fate == Some(false) && !mounted && !begins_with(stages, index, build.stage) && !moved();
        // A generator, or `go build ./...`.
        let aside = several && (is_run(facts, build) || build.is_all());
        !elsewhere && !aside
    });
}

/// Whether a stage is another one, or begins with it.
pub(super) fn begins_with(stages: &Stages<'_>, mut index: usize, wanted: usize) -> bool {
    while index != wanted {
        match stages.stages.get(index).map(|stage| &stage.from) {
            Some(From::Stage(from)) => index = *from,
            Some(From::Scratch | From::Image(_)) | None => return false,
        }
    }
    true
}

/// A generator runs where it is built.
pub(super) fn is_run(facts: &All<'_>, build: &Build<'_>) -> bool {
    Output::of(build).name.is_some_and(|name| facts.runs(build.stage, &[&name]))
}
