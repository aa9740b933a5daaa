//! The order of copying: modules before the source, go.sum with go.mod, a .dockerignore for COPY.

use super::super::{Case, has_toolchain};
use super::found::bare;
use crate::check::docker::stage::{Stage, Step, Variables};
use crate::check::docker::words::{Expanded, Value};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::table;

/// Where the sources are copied with everything else, unless .dockerignore says what may come.
pub(in super::super) fn sources_come(case: &Case<'_>, steps: &[&Step<'_>]) -> Option<u32> {
    let step = steps.iter().find(|step| sources(step).iter().any(|source| is_everything(&source.text)))?;
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

/// What an instruction says, with its heredocs.
fn says(step: &Step<'_>, wanted: &[&str]) -> bool {
    let heredocs = step.instruction.heredocs.iter().map(|heredoc| &heredoc.content);
    let mut texts = std::iter::once(&step.instruction.rest).chain(heredocs);
    texts.any(|text| wanted.iter().any(|word| text.contains(word)))
}

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>, steps: &[&Step<'_>]) {
    let whole = steps.iter().copied().find(|step| sources(step).iter().any(|source| is_everything(&source.text)));
    if let Some(step) = whole {
        ignore_file(case, step.instruction.line);
    }
    let vendored = (case.context)("vendor/modules.txt").is_some()
        || steps.iter().any(|step| says(step, &["-mod=vendor", "-mod vendor"]));
    if vendored || !has_toolchain(stage) {
        return;
    }
    let line_of = |wanted: &[&[&str]]| {
        let is = |words: &[&str]| wanted.iter().any(|line| words.starts_with(line));
        let step = steps.iter().copied().find(|step| step.commands.iter().any(|command| is(&bare(command).1)));
        step.map(|step| step.instruction.line)
    };
    let download = line_of(&[&["go", "mod", "download"]]);
    let build = line_of(&[&["go", "build"], &["go", "install"]]);
    let Some(first) = download.or(build) else { return };
    let before = || steps.iter().copied().filter(|step| step.instruction.line < first);
    source_first(case, first, download.is_some(), steps);
    let own = (case.context)("go.mod");
    let requires = own.as_ref().map(|module| module.contains("require"));
    let copied = |file: &str| before().any(|step| names(step, file));
    let bound = stage
        .steps
        .iter()
        .any(|step| step.instruction.flags.iter().any(|(name, value)| name == "mount" && value.contains("type=bind")));
    let makes =
        |step: &&Step<'_>| step.instruction.keyword == "RUN" && says(step, &["go.sum", "go get", "go mod tidy"]);
    let made = steps.iter().filter(|step| step.instruction.line <= first).any(makes);
    if !copied("go.mod") || copied("go.sum") || bound || made || requires == Some(false) {
        return;
    }
    if download.is_some() {
        case.say(&table::NO_GO_SUM, first, "go.mod was copied, and go.sum was not", "COPY go.mod go.sum ./");
    } else if requires == Some(true)
        && (case.context)("go.sum").is_some()
        && !before().any(|step| step.instruction.flag("from").is_some())
        && !steps.iter().any(|step| says(step, &["-mod=mod", "-mod mod"]))
    {
        let evidence = "go.mod was copied, and go.sum was not: go build ends with missing go.sum entry";
        case.say(&table::NO_GO_SUM, first, evidence, "COPY go.mod go.sum ./");
    }
}

/// Modules are downloaded, at `first`, after everything was copied.
fn source_first(case: &mut Case<'_>, first: u32, is_download: bool, steps: &[&Step<'_>]) {
    let before = || steps.iter().copied().filter(|step| step.instruction.line < first);
    let cached = |step: &&Step<'_>| {
        let mut flags = step.instruction.flags.iter();
        flags.any(|(name, value)| {
            name == "mount" && value.contains("type=cache") && holds_modules(value, &step.variables)
        })
    };
    if steps.iter().any(cached) {
        return;
    }
    let whole = before().find(|step| sources(step).iter().any(|source| is_everything(&source.text)));
    let by_name = |source: &Expanded| is_named(source.text.rsplit('/').next().unwrap_or_default(), "go.mod");
    let (step, module) = match whole {
        Some(step) => (step, (case.context)("go.mod")),
        // Other modules are copied for a go.mod that comes by its own name.
        None if before().any(|step| sources(step).iter().any(|source| source.unknown || by_name(source))) => return,
        None => {
            // Each asks the disk.
            let mut modules = before().take(100).filter_map(|step| Some((step, Some(module(case, step)?))));
            let Some(found) = modules.next() else { return };
            found
        }
    };
    if module.is_some_and(|module| !module.contains("require")) {
        return;
    }
    let what = sources(step).first().map(|source| source.text.as_str()).unwrap_or(".");
    let evidence = if is_download {
        format!("COPY {what} stands before go mod download")
    } else {
        format!("the modules are downloaded by go build, after COPY {what} of everything")
    };
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
