//! The order of copying: modules before the source, go.sum with go.mod, a .dockerignore for COPY.

use super::super::{Case, Context, has_toolchain, inside, launch_of};
use super::found::{bare, builder, is_foreign, names_go};
use super::mounts;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{Stage, State, Step, Variables};
use crate::check::docker::words::{Expanded, Value};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::table;

/// Where the sources are copied with everything else, unless .dockerignore says what may come.
pub(in super::super) fn sources_come(case: &Case<'_>, steps: &[&Step<'_>]) -> Option<u32> {
    let step = steps.iter().find(|step| takes_all(step))?;
    case.context.text("go.mod").filter(|_| case.context.rival().is_none() && !case.purpose.is_picked)?;
    (!case.context.text(".dockerignore").is_some_and(|text| picks(&text))).then_some(step.instruction.line)
}

/// Whether .dockerignore says what may come, or leaves the sources out.
fn picks(text: &str) -> bool {
    text.lines().any(|line| matches!(line.trim().trim_matches('/'), "*" | "**" | "*.go" | "**/*.go"))
}

/// The files of the context that a COPY takes.
pub(super) fn sources<'a>(step: &'a Step<'_>) -> &'a [Expanded] {
    let from_context = step.instruction.keyword == "COPY" || step.instruction.keyword == "ADD";
    match step.words.split_last() {
        Some((_, sources)) if from_context && step.instruction.flag("from").is_none() => sources,
        Some(_) | None => &[],
    }
}

/// `.`, `./.`, `/`, `./*`, and `../.`, as there is nothing above the context.
fn is_everything(source: &str) -> bool {
    !source.is_empty() && matches!(inside(source).0.as_str(), "" | "*")
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
    let directory = directory.trim_start_matches("./");
    // A path with a go.mod below it is a directory, with a slash at its end or without.
    let plain = !source.unknown && !matches!(directory, "" | ".") && !directory.split('/').any(|part| part == "..");
    if plain { case.context.text(&format!("{directory}/go.mod")) } else { None }
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
pub(super) fn takes_all(step: &Step<'_>) -> bool {
    sources(step).iter().any(|source| !source.unknown && is_everything(&source.text))
}

/// A COPY of a directory of the build stage that the sources are in.
pub(in super::super) fn sources_from_stage(case: &Case<'_>, state: &State) -> Option<(u32, String)> {
    let stages = case.stages;
    let picks = case.context.text(".dockerignore").is_some_and(|text| picks(&text));
    let from_stages = state.copies.iter().filter(|copied| copied.stage.is_some() && !copied.unknown && !picks);
    // Of each stage it is asked once.
    let mut known: Vec<(usize, Vec<&str>)> = Vec::new();
    from_stages.take(MOST_COPIES).find_map(|copied| {
        let at = copied.stage?;
        if known.last().is_none_or(|(last, _)| *last != at) {
            known.push((at, places_of_sources(&stages.chain(at))));
        }
        let places = &known.last()?.1;
        let source = copied.sources.iter().find(|source| {
            let path = source.trim_end_matches(['*', '/', '.']);
            places.iter().any(|place| {
                let place = place.trim_end_matches(['/', '.']);
                place.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    && !path.is_empty()
            })
        })?;
        Some((copied.line, source.clone()))
    })
}

/// Where a stage that builds has the sources; nowhere if it removes any.
fn places_of_sources<'a>(chain: &[&'a Step<'_>]) -> Vec<&'a str> {
    let commands = || chain.iter().flat_map(|step| &step.commands);
    if commands().any(|command| command.name() == "rm") || !commands().any(|command| super::builds(command, None)) {
        return Vec::new();
    }
    let takes = |step: &&&Step<'_>| sources(step).iter().any(|source| !source.unknown && holds_sources(&source.text));
    chain.iter().filter(takes).filter_map(|step| step.place.as_deref()).collect()
}

/// So many copies from a stage no image has.
const MOST_COPIES: usize = 64;

/// Everything, or what has Go sources by its name.
fn holds_sources(source: &str) -> bool {
    let first = source.trim_start_matches("./").split('/').next().unwrap_or_default();
    is_everything(source) || source.ends_with(".go") || matches!(first, "cmd" | "internal" | "pkg")
}

/// Where this command of go's is run first.
fn line_of(steps: &[&Step<'_>], wanted: &[&str]) -> Option<u32> {
    let is = |command: &Command| names_go(command) && bare(command).1.starts_with(wanted);
    steps.iter().find(|step| step.commands.iter().any(is)).map(|step| step.instruction.line)
}

/// A cache that holds the modules is mounted.
fn is_cached(step: &Step<'_>) -> bool {
    step.instruction
        .flags
        .iter()
        .any(|(name, value)| name == "mount" && value.contains("type=cache") && holds_modules(value, &step.variables))
}

/// The module cache comes from another stage.
fn brings_modules(step: &Step<'_>) -> bool {
    let modules = |source: &Expanded| {
        let path = source.text.trim_end_matches('/');
        let gopath = matches!(path, "/go" | "/go/pkg" | "/root/go" | "/root/go/pkg");
        gopath || path.contains("/pkg/mod") || path.contains("GOMODCACHE")
    };
    let copied = step.words.split_last().map(|(_, sources)| sources).unwrap_or_default();
    step.instruction.flag("from").is_some() && copied.iter().any(modules)
}

pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>, steps: &[&Step<'_>]) {
    let says = |wanted: &[&str]| steps.iter().any(|step| super::says(step, wanted));
    // Without a go.mod, too, as before there were modules.
    let vendored = case.context.text("vendor/modules.txt").is_some()
        || says(&["-mod=vendor", "-mod vendor", "GO111MODULE=off", "GO111MODULE off"])
        || case.context.text("go.mod").is_none() && case.context.has("vendor");
    // Modules came with Go 1.11.
    if vendored || !has_toolchain(stage) || stage.state.base.go.is_some_and(|go| go < 11) {
        return;
    }
    let fetches: [&[&str]; 3] = [&["go", "mod", "download"], &["go", "mod", "tidy"], &["go", "mod", "vendor"]];
    let (download, which) = fetches.iter().find_map(|words| Some((line_of(steps, words)?, words.join(" ")))).unzip();
    // A tool of others needs none of them; and a module that is made here has no go.mod to copy.
    let builds = || steps.iter().find(|step| step.commands.iter().any(|command| super::builds(command, None)));
    let Some(first) = download.or_else(|| builds().map(|step| step.instruction.line)) else { return };
    if line_of(steps, &["go", "mod", "init"]).is_some() {
        return;
    }
    let before: Vec<&Step<'_>> = steps.iter().copied().filter(|step| step.instruction.line < first).collect();
    if !steps.iter().any(|step| is_cached(step)) && !before.iter().any(|step| brings_modules(step)) {
        source_first(case, which.as_deref(), &before);
    }
    let requires = case.context.text("go.mod").map(|module| module.contains("require"));
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
            || case.context.text("go.sum").is_none()
            || !imports_modules(case.context, case.module().as_deref())
            || before.iter().any(|step| step.instruction.flag("from").is_some())
            || says(&["-mod=mod", "-mod mod"]) =>
        {
            return;
        }
        None => "go.mod was copied, and go.sum was not: go build ends with missing go.sum entry",
    };
    let copy = before.iter().rev().find(|step| sources(step).iter().any(|source| source.text.ends_with("go.mod")));
    let line = copy.map_or(first, |step| step.instruction.line);
    let finding =
        Finding::new(&table::NO_GO_SUM, Place::line(line).marked("go.mod"), evidence, "COPY go.mod go.sum ./");
    case.findings.push(finding);
}

/// Whether what is built needs other modules: go.sum may be for the tests alone, and go build asks for it only where it loads one.
fn imports_modules(context: Context<'_>, module: Option<&str>) -> bool {
    let foreign = |path: &str| is_foreign(path, module);
    let mut imports = false;
    context.each_go_file(&mut |_, text| {
        let head = text.lines().map(str::trim).take_while(|line| !line.starts_with("func "));
        imports |= head.filter_map(|line| line.split('"').nth(1)).any(foreign);
    });
    imports
}

/// Whether the Makefile brings the modules into the context before an image is built of it: `go mod vendor`, and `docker build`.
fn may_vendor(context: Context<'_>) -> bool {
    let text = context.text("Makefile").unwrap_or_default();
    let mut vendors = text.match_indices("go mod vendor");
    // Of a target of its own nobody knows when it is made.
    vendors.any(|(at, _)| {
        let rest = text.get(at..).unwrap_or_default();
        let recipe = rest.lines().enumerate().take_while(|(line, text)| *line == 0 || text.starts_with('\t'));
        recipe.into_iter().any(|(_, line)| line.contains("docker build"))
    })
}

/// Modules are downloaded after everything was copied, and no cache holds them.
fn source_first(case: &mut Case<'_>, download: Option<&str>, before: &[&Step<'_>]) {
    let by_name =
        |source: &Expanded| source.unknown || is_named(source.text.rsplit('/').next().unwrap_or_default(), "go.mod");
    let (step, module) = match before.iter().find(|step| takes_all(step)) {
        Some(step) => (step, case.context.text("go.mod")),
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
    let than = download.unwrap_or("go build");
    let evidence = format!("COPY {what} stands before {than}: every edit downloads all modules again");
    let mend = "COPY go.mod go.sum ./ and RUN go mod download first, then COPY . .";
    let place = Place::line(step.instruction.line);
    case.findings.push(match may_vendor(case.context) {
        true => {
            let evidence = format!("{evidence}, unless make has run go mod vendor before");
            Finding::new(&table::SOURCE_FIRST, place, evidence, mend).at(Severity::Note)
        }
        false => Finding::new(&table::SOURCE_FIRST, place, evidence, mend),
    });
}

/// Whether a stage needs .git: it is copied by its name, or git is asked what is built, by a command, a Makefile or a script.
fn reads_git(case: &Case<'_>) -> bool {
    let mut steps = case.stages.stages.iter().flat_map(|stage| &stage.steps);
    steps.any(|step| {
        let named = |source: &Expanded| source.text.split('/').any(|part| part == ".git");
        sources(step).iter().any(named) || step.commands.iter().any(|command| asks_git(case.context, command))
    })
}

fn asks_git(context: Context<'_>, command: &Command) -> bool {
    const QUESTIONS: [&str; 9] =
        ["describe", "rev-parse", "rev-list", "log", "show", "status", "tag", "branch", "diff"];
    let words = bare(command).1;
    let Some((program, rest)) = words.split_first() else { return false };
    if *program == "git" {
        return rest.iter().any(|word| QUESTIONS.contains(word));
    }
    // What the sources run may ask, too; of tests only those that can read a repository.
    match (*program, rest) {
        ("go", ["run" | "generate", rest @ ..]) => return !rest.iter().any(|word| word.contains('@')),
        ("go", ["test", ..]) => return context.text("go.mod").is_some_and(|text| text.contains("/go-git/")),
        _ => {}
    }
    let Some((tool, is_script)) = builder(program, rest) else { return false };
    match (is_script, tool.as_str()) {
        (true, script) => context.text(script.trim_start_matches("./")).is_none_or(|text| text_asks_git(&text)),
        (false, "make" | "gmake") => {
            let directory = words.iter().skip_while(|word| **word != "-C").nth(1);
            makefile_asks_git(context, directory.copied().unwrap_or_default(), &mut { MOST_MAKEFILES })
        }
        (false, _) => true,
    }
}

/// What another file of theirs does is not told.
fn text_asks_git(text: &str) -> bool {
    ["git ", "git-", "include ", "source ", "dirname"].iter().any(|word| text.contains(word))
}

/// So many Makefiles are followed.
const MOST_MAKEFILES: u32 = 20;

/// Whether the Makefile of a directory asks, or one that it has made: `$(MAKE) -C cmd/server install`. One that is not here may.
fn makefile_asks_git(context: Context<'_>, directory: &str, left: &mut u32) -> bool {
    let names = ["Makefile", "makefile", "GNUmakefile"].into_iter();
    let text = names.map(|name| inside(&format!("{directory}/{name}")).0).find_map(|path| context.text(&path));
    let (Some(text), Some(fewer)) = (text, left.checked_sub(1)) else { return true };
    *left = fewer;
    let made = text.lines().filter(|line| line.contains("make") || line.contains("$(MAKE)"));
    let below = made.filter_map(|line| line.split_once(" -C ")?.1.split_whitespace().next());
    text_asks_git(&text)
        || below.into_iter().any(|below| makefile_asks_git(context, &format!("{directory}/{below}"), left))
}

/// Whether no line of .dockerignore leaves .git out.
pub(super) fn lets_git_through(context: Context<'_>) -> bool {
    let git = |line: &str| {
        let line = line.trim().trim_start_matches("./").trim_matches('/');
        let line = line.strip_suffix("/**").or_else(|| line.strip_suffix("/*")).unwrap_or(line);
        matches!(line, "*" | "**" | ".git" | "**/.git" | ".*" | ".git*" | "**/.*")
    };
    !context.text(".dockerignore").is_some_and(|text| text.lines().any(git))
}

/// The program of a stage that comes with everything, and whose directory is not here: what is built may be a directory that
/// was prepared for it.
fn not_here(case: &Case<'_>, state: &State, steps: &[&Step<'_>]) -> Option<String> {
    if steps.iter().any(|step| step.instruction.keyword == "RUN") {
        return None;
    }
    let program = launch_of(state)?.argv.into_iter().next()?;
    let has = |path: &str| case.context.has(path) || case.context.rival().is_some_and(|rival| rival.has(path));
    state.copies.iter().filter(|copied| copied.from_context).find_map(|copied| {
        let whole = copied.sources.iter().any(|source| is_everything(source));
        let below = program.strip_prefix(copied.to.trim_end_matches('/')).filter(|_| whole)?.strip_prefix('/')?;
        let (directory, _) = below.split_once('/')?;
        (!has(directory)).then(|| below.to_owned())
    })
}

/// Where everything is copied: whether there is a .dockerignore, and whether it leaves .git out. `is_stamped`: go build takes the
/// version from .git.
pub(super) fn ignore_file(case: &mut Case<'_>, state: &State, steps: &[&Step<'_>], is_stamped: bool) {
    let Some(line) = steps.iter().find(|step| takes_all(step)).map(|step| step.instruction.line) else { return };
    let elsewhere = case.context.rival().is_some_and(|rival| rival.has(".dockerignore"));
    match case.context.text(".dockerignore") {
        None if elsewhere => {}
        None => {
            let evidence = "the whole directory is copied, and there is no .dockerignore in the build context";
            let mend = match is_stamped || reads_git(case) {
                true => {
                    ".dockerignore: at least .env and what is built on the machine, and .git unless the build reads it"
                }
                false => ".dockerignore: * and then !go.mod !go.sum !cmd !internal, or at least .git and .env",
            };
            let place = Place::line(line);
            case.findings.push(match not_here(case, state, steps) {
                Some(program) => {
                    let evidence = format!("{evidence}; but {program} is not here, so another directory may be it");
                    Finding::new(&table::NO_DOCKERIGNORE, place, evidence, mend).at(Severity::Note)
                }
                None => Finding::new(&table::NO_DOCKERIGNORE, place, evidence, mend),
            });
        }
        // A directory of a repository has none, nor the other one that may be the context.
        Some(_) if case.context.rival().is_some_and(|rival| !rival.has(".git") && case.context.has(".git")) => {}
        Some(_) if !case.context.has(".git") && (1..8).any(|up| case.context.has(&("../".repeat(up) + ".git"))) => {}
        Some(_) => {
            if lets_git_through(case.context) && !is_stamped && !reads_git(case) {
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
