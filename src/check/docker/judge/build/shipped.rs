//! Which of the builds are for the image: those whose programs are copied into it, if that can be told.

use super::found::Build;
use crate::check::docker::stage::{From, Stages};
use crate::check::docker::words::{self, Expanded};

/// Where a build writes its program; None is not known.
struct Output {
    directory: Option<String>,
    name: Option<String>,
}

impl Output {
    fn of(build: &Build<'_>) -> Output {
        let name = build.package().map(str::to_owned);
        let Some(written) = build.written("o") else {
            let elsewhere = ["GOBIN", "GOPATH"].iter().any(|name| build.has(name)) || build.unclear;
            let directory = (build.installs && !elsewhere).then(|| "/go/bin".to_owned());
            return Output { directory, name };
        };
        let expanded = words::expand(written, '\\', &|name| build.lookup(name));
        let known = !expanded.unknown && !expanded.text.contains(['$', '`']);
        let text = if known { &expanded.text } else { written };
        let (directory, last) = text.rsplit_once('/').unwrap_or(("", text));
        // Relative to wherever it is built.
        let directory = (known && text.starts_with('/')).then(|| path(directory));
        let plain = !last.contains(['$', '`']);
        Output { directory, name: if last.is_empty() { name } else { plain.then(|| last.to_owned()) } }
    }

    /// Whether a source of a COPY is or holds it; None if that cannot be told.
    fn is_in(&self, source: &Expanded) -> Option<bool> {
        let source_path = path(&source.text);
        let (above, last) = source_path.rsplit_once('/').unwrap_or_default();
        let named = self.name.as_deref() == Some(last) && !last.is_empty();
        let Some(directory) = self.directory.as_deref().filter(|_| !source.unknown) else {
            // server.conf is none of it; anything else may be a directory.
            return if named { Some(true) } else { last.contains('.').then_some(false) };
        };
        let whole = format!("{directory}/{}", self.name.as_deref().unwrap_or_default());
        let below = |path: &str, above: &str| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
        let matches = last.split_once('*').is_some_and(|(begin, _)| whole.starts_with(&format!("{above}/{begin}")));
        // `-o /out` may mean a directory.
        if whole == source_path || below(&whole, &source_path) || below(&source_path, &whole) || matches {
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

/// Those that are for the image.
pub(super) fn shipped<'a, 'b>(
    stages: &Stages<'_>,
    index: usize,
    behind: &[usize],
    builds: &'b [Build<'a>],
) -> Vec<&'b Build<'a>> {
    let steps = || behind.iter().filter_map(|at| stages.stages.get(*at)).flat_map(|stage| &stage.steps);
    let copies = steps().filter(|step| step.instruction.flag("from").is_some());
    let sources: Vec<&Expanded> =
        copies.filter_map(|step| step.words.split_last()).flat_map(|(_, sources)| sources).collect();
    let fates: Vec<Option<bool>> = builds
        .iter()
        .map(|build| {
            let output = Output::of(build);
            let mut fate = Some(false);
            for source in &sources {
                match output.is_in(source) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => fate = None,
                }
            }
            fate
        })
        .collect();
    let with = |wanted: Option<bool>| builds.iter().zip(&fates).filter(move |(_, fate)| **fate == wanted);
    if with(Some(true)).next().is_some() {
        return with(Some(true)).map(|(build, _)| build).collect();
    }
    // What is in the stage stays there, and what is mounted or moved may come in other ways.
    let inherited = lineage(stages, index);
    let mounted = steps().flat_map(|step| &step.instruction.flags).any(|(_, value)| value.contains("from="));
    let several = builds.len() > 1;
    let is_for_it = |(build, fate): &(&'b Build<'a>, &Option<bool>)| {
        let moved = || ["cp", "mv", "ln", "install", "upx", "tar"].iter().any(|name| ran(stages, build, name));
        let elsewhere = **fate == Some(false) && !inherited.contains(&build.stage) && !mounted && !moved();
        // A generator, or `go build ./...`.
        let aside = several && (is_run(stages, build) || build.is_all());
        !elsewhere && !aside
    };
    builds.iter().zip(&fates).filter(is_for_it).map(|(build, _)| build).collect()
}

/// A stage and those it begins with.
fn lineage(stages: &Stages<'_>, index: usize) -> Vec<usize> {
    let mut found = vec![index];
    while let Some(From::Stage(from)) = found.last().and_then(|at| stages.stages.get(*at)).map(|stage| &stage.from) {
        found.push(*from);
    }
    found
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
