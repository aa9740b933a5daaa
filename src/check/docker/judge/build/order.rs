//! The order of copying: modules before the source, go.sum with go.mod, a .dockerignore for COPY.

use super::super::{Case, has_toolchain};
use super::found::bare;
use super::mounts;
use crate::check::docker::stage::{Stage, Step, Variables};
use crate::check::docker::words::{Expanded, Value};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::table;

/// Where the sources are copied with everything else, unless .dockerignore says what may come.
pub(in super::super) fn sources_come(case: &Case<'_>, steps: &[&Step<'_>]) -> Option<u32> {
    let step = steps.iter().find(|step| takes_all(step))?;
    let picks =
        |text: &str| text.lines().any(|line| matches!(line.trim().trim_matches('/'), "*" | "**" | "*.go" | "**/*.go"));
    (case.context)("go.mod")?;
    (!(case.context)(".dockerignore").is_some_and(|text| picks(&text))).then_some(step.instruction.line)
}

/// The files of the context that a COPY takes.
fn sources<'a>(step: &'a Step<'_>) -> &'a [Expanded] {
    let from_context = step.instruction.keyword == "COPY" || step.instruction.keyword == "ADD";
    match step.words.split_last() {
        Some((_, sources)) if from_context && step.instruction.flag("from").is_none() => sources,
        Some(_) | None => &[],
    }
}

/// `.`, `./.`, `/`, `./*`
fn is_everything(source: &str) -> bool {
    let mut parts = source.split('/').filter(|part| !matches!(*part, "" | "."));
    !source.is_empty() && matches!((parts.next(), parts.next()), (None, _) | (Some("*"), None))
}

/// A file that a COPY takes, by its name or with more.
fn names(step: &Step<'_>, file: &str) -> bool {
    sources(step).iter().any(|source| {
        let last = source.text.rsplit('/').next().unwrap_or_default();
        source.unknown
            || is_everything(&source.text)
            || is_named(last, file)
            || (last.is_empty() && source.text.len() > 1)
    })
}

/// A name, or a pattern that may mean it: go.*, go.su[m]
fn is_named(pattern: &str, file: &str) -> bool {
    pattern == file || pattern.split_once(['*', '?', '[']).is_some_and(|(begin, _)| file.starts_with(begin))
}

/// The go.mod that the sources of a step hold, if they are all that is needed of it: `COPY . .`, `COPY backend/ ./`.
fn module(case: &Case<'_>, step: &Step<'_>) -> Option<String> {
    let [source] = sources(step) else { return None };
    let directory = source.text.trim_matches('/');
    let plain = !source.unknown && source.text.ends_with('/') && !directory.split('/').any(|part| part == "..");
    if plain { (case.context)(&format!("{directory}/go.mod")) } else { None }
}

/// A cache of the module cache, or of a directory above it.
fn holds_modules(mount: &str, variables: &Variables) -> bool {
    let target = mount.split(',').find_map(|part| match part.split_once('=')? {
        ("target" | "dst" | "destination", path) => Some(path.trim_end_matches('/')),
        _ => None,
    });
    let Some(target) = target else { return false };
    let holds = |name: &str, below: &str| match variables.get(name) {
        Some(Value::Text(path)) => {
            let path = format!("{path}{below}/");
            path.strip_prefix(target).is_some_and(|rest| rest.starts_with('/'))
        }
        Some(Value::Unknown) => true,
        Some(Value::Unset) | None => false,
    };
    target.contains("mod")
        || ["/go", "/go/pkg", "/gopath", "GOPATH", "GOPATH}", "/pkg"].iter().any(|end| target.ends_with(end))
        || holds("GOMODCACHE", "")
        || holds("GOPATH", "/pkg/mod")
}

/// Whether it copies all of the context.
fn takes_all(step: &Step<'_>) -> bool {
    sources(step).iter().any(|source| is_everything(&source.text))
}

/// Where one of these commands is run first.
fn line_of(steps: &[&Step<'_>], wanted: &[&[&str]]) -> Option<u32> {
    let is = |words: &[&str]| wanted.iter().any(|line| words.starts_with(line));
    let step = steps.iter().find(|step| step.commands.iter().any(|command| is(&bare(command).1)));
    step.map(|step| step.instruction.line)
}

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>, steps: &[&Step<'_>]) {
    let whole = steps.iter().copied().find(|step| takes_all(step));
    if let Some(step) = whole {
        ignore_file(case, step.instruction.line);
    }
    let says = |wanted: &[&str]| steps.iter().any(|step| super::says(step, wanted));
    let vendored = (case.context)("vendor/modules.txt").is_some() || says(&["-mod=vendor", "-mod vendor"]);
    if vendored || !has_toolchain(stage) {
        return;
    }
    let download = line_of(steps, &[&["go", "mod", "download"]]);
    let Some(first) = download.or_else(|| line_of(steps, &[&["go", "build"], &["go", "install"]])) else { return };
    let before: Vec<&Step<'_>> = steps.iter().copied().filter(|step| step.instruction.line < first).collect();
    let cached = |step: &&Step<'_>| {
        let holds = |(name, value): &(String, String)| {
            name == "mount" && value.contains("type=cache") && holds_modules(value, &step.variables)
        };
        step.instruction.flags.iter().any(holds)
    };
    if !steps.iter().any(cached) {
        source_first(case, download.is_some(), &before);
    }
    let requires = (case.context)("go.mod").map(|module| module.contains("require"));
    let copied = |file: &str| before.iter().any(|step| names(step, file));
    let bound = stage.steps.iter().any(|step| mounts(step, "type=bind"));
    let makes = |step: &&Step<'_>| {
        let known = step.instruction.line <= first && step.instruction.keyword == "RUN";
        known && super::says(step, &["go.sum", "go get", "go mod tidy"])
    };
    if bound || requires == Some(false) || !copied("go.mod") || copied("go.sum") || steps.iter().any(makes) {
        return;
    }
    let evidence = match download {
        Some(_) => "go.mod was copied, and go.sum was not",
        // Nothing else may bring it, and there is one.
        None if requires.is_none()
            || (case.context)("go.sum").is_none()
            || before.iter().any(|step| step.instruction.flag("from").is_some())
            || says(&["-mod=mod", "-mod mod"]) =>
        {
            return;
        }
        None => "go.mod was copied, and go.sum was not: go build ends with missing go.sum entry",
    };
    case.say(&table::NO_GO_SUM, first, evidence, "COPY go.mod go.sum ./");
}

/// Modules are downloaded after everything was copied, and no cache holds them.
fn source_first(case: &mut Case<'_>, is_download: bool, before: &[&Step<'_>]) {
    let by_name =
        |source: &Expanded| source.unknown || is_named(source.text.rsplit('/').next().unwrap_or_default(), "go.mod");
    let (step, module) = match before.iter().find(|step| takes_all(step)) {
        Some(step) => (step, (case.context)("go.mod")),
        // Other modules are copied for a go.mod that comes by its own name.
        None if before.iter().any(|step| sources(step).iter().any(by_name)) => return,
        None => {
            // Each asks the disk.
            let mut modules = before.iter().take(100).filter_map(|step| Some((step, Some(module(case, step)?))));
            let Some(found) = modules.next() else { return };
            found
        }
    };
    if module.is_some_and(|module| !module.contains("require")) {
        return;
    }
    let what = sources(step).last().map(|source| source.text.as_str()).unwrap_or_default();
    let than = if is_download { "go mod download" } else { "go build, which downloads the modules" };
    let evidence = format!("COPY {what} stands before {than}");
    let mend = "COPY go.mod go.sum ./ and RUN go mod download first, then COPY . .";
    case.say(&table::SOURCE_FIRST, step.instruction.line, evidence, mend);
}

fn ignore_file(case: &mut Case<'_>, line: u32) {
    match (case.context)(".dockerignore") {
        None => {
            let evidence = "the whole directory is copied, and there is no .dockerignore beside the Dockerfile";
            let mend = ".dockerignore: * and then !go.mod !go.sum !cmd !internal, or at least .git and .env";
            case.say(&table::NO_DOCKERIGNORE, line, evidence, mend);
        }
        Some(text) => {
            let lines = || text.lines().map(str::trim);
            let git = |line: &str| {
                let line = line.trim_start_matches("./").trim_matches('/');
                let line = line.strip_suffix("/**").or_else(|| line.strip_suffix("/*")).unwrap_or(line);
                matches!(line, "*" | "**" | ".git" | "**/.git" | ".*" | ".git*" | "**/.*")
            };
            if !lines().any(git) {
                let finding = Finding::new(
                    &table::DOCKERIGNORE_GAPS,
                    Place::line(line),
                    "no line of .dockerignore leaves .git out",
                    "add .git to it",
                );
                case.findings.push(finding.at(Severity::Note));
            }
        }
    }
}
