//! How the program is built: cgo, flags, the order of copying, what the context sends.

mod cgo;
mod facts;
mod found;
mod order;
mod shipped;

pub(super) use order::{sources_come, sources_from_stage};

use super::packages::{idles, is_for_work, is_interactive, is_toolbox};
use super::{Case, command_line, inside};
use crate::check::docker::ignorefile::Patterns;
use crate::check::docker::parse::Instruction;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{From, Stage, Stages, Step};
use crate::check::docker::words::Expanded;
use crate::check::finding::{Finding, Severity};
use crate::check::table;
use found::{Build, Other, bare, builder, names_go};
use std::cell::LazyCell;

pub(super) fn judge(case: &mut Case<'_>, index: usize, shipped: &Stage<'_>) {
    let stages = case.stages;
    let mut builds = Vec::new();
    let mut others = Vec::new();
    let behind = stages.behind(index);
    // What a stage begins with is looked at with that stage.
    let mut begun = vec![false; stages.stages.len()];
    for stage in behind.iter().filter_map(|at| stages.stages.get(*at)) {
        if let From::Stage(from) = stage.from
            && let Some(begun) = begun.get_mut(from)
        {
            *begun = true;
        }
    }
    for at in behind.iter().copied() {
        let Some(stage) = stages.stages.get(at) else { continue };
        found::find(stage, at, &mut builds, &mut others);
        if begun.get(at) == Some(&false) {
            order::judge(case, stage, &stages.chain(at));
        }
    }
    let is_stamped = builds.iter().any(|build| !has_version(build) && is_stamped(case, build));
    for at in behind.iter().copied().filter(|at| begun.get(*at) == Some(&false)) {
        let Some(stage) = stages.stages.get(at).filter(|stage| !is_parcel(stage)) else { continue };
        if !case.purpose.is_picked {
            order::ignore_file(case, &stage.state, &stages.chain(at), is_stamped);
        }
    }
    let facts = facts::All::of(stages, builds.iter().map(|build| build.stage));
    let module = case.module();
    shipped::keep(stages, &facts, index, &behind, module.as_deref(), &mut builds);
    // Of a stage to work in, that starts nothing, no program is shipped.
    let starts = command_line(&shipped.state).is_some_and(|(argv, _)| !idles(&argv));
    others.retain(|other| starts || !shipped::begins_with(stages, index, other.stage));
    if builds.is_empty() {
        cannot_tell(case, &others);
    }
    vendor(case, &builds);
    embedded(case, &builds);
    base_of_builder(case, shipped);
    // Tools that a job needs are not what a user runs.
    let toolbox = shipped.state.base.toolchain && !starts && is_toolbox(case, shipped, &stages.chain(index));
    let brings_loader = LazyCell::new(|| cgo::brings_loader(shipped, &stages.chain(index)));
    for build in &builds {
        let Some(of_stage) = facts.get(build.stage) else { continue };
        cgo::judge(case, build, of_stage, shipped, &|| *brings_loader);
        if !toolbox {
            flags(case, build, &facts);
        }
        target(case, build, &facts, shipped);
    }
}

/// Whether a stage only hands on what is copied into it: all of its context is there for that.
fn is_parcel(stage: &Stage<'_>) -> bool {
    let runs = stage.steps.iter().any(|step| step.instruction.keyword == "RUN");
    matches!(stage.from, From::Scratch) && !runs && command_line(&stage.state).is_none()
}

/// `-mod=vendor`, and .dockerignore leaves the directory out.
fn vendor(case: &mut Case<'_>, builds: &[Build<'_>]) {
    let build = builds.iter().find(|build| build.flag("mod").is_some_and(|flag| flag.text == "vendor"));
    let patterns = case.context.text(".dockerignore").map(|text| Patterns::read(&text));
    let Some(build) = build.filter(|_| patterns.is_some_and(|patterns| patterns.leave_out("vendor/modules.txt")))
    else {
        return;
    };
    let evidence = "go build -mod=vendor, and a pattern of .dockerignore leaves vendor out";
    case.findings.push(Finding::new(&table::COPY_IGNORED, build.place(), evidence, "!vendor in .dockerignore"));
}

/// `//go:embed`, and .dockerignore leaves out what it names.
fn embedded(case: &mut Case<'_>, builds: &[Build<'_>]) {
    let Some(patterns) = case.context.text(".dockerignore").map(|text| Patterns::read(&text)) else { return };
    // What another stage or a tool makes may be what is missing.
    let plain = |build: &&Build<'_>| {
        let from_elsewhere = |stage: &Stage<'_>| stage.state.copies.iter().any(|copied| !copied.from_context);
        let chain = case.stages.chain(build.stage);
        let mut commands = chain.iter().flat_map(|step| &step.commands);
        let known = |command: &Command| {
            let generates = command.words.iter().any(|word| word == "generate");
            matches!(bare(command).1.first(), Some(&("go" | "apk" | "apt-get" | "cd" | "mkdir" | "git"))) && !generates
        };
        case.stages.stages.get(build.stage).is_some_and(|stage| !from_elsewhere(stage)) && commands.all(known)
    };
    let Some(build) = builds.iter().find(plain) else { return };
    let mut left_out: Option<(String, String)> = None;
    let context = case.context;
    context.each_go_file(&mut |file, text| {
        let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
        for name in text.lines().filter_map(|line| line.strip_prefix("//go:embed ")).flat_map(str::split_whitespace) {
            let name = name.trim_matches(['"', '`']).trim_start_matches("all:");
            // Of a pattern the directories before it.
            let fixed = name.split('/').take_while(|part| !part.contains(['*', '?', '[', '\\']));
            let parts = directory.split('/').chain(fixed).filter(|part| !matches!(*part, "" | "."));
            let path =
                parts.fold(String::new(), |path, part| if path.is_empty() { path + part } else { path + "/" + part });
            if path != directory
                && context.has(&path)
                && patterns.leave_out(&path)
                && !patterns.may_take_back_below(&path)
                && !patterns.leave_out(file)
            {
                left_out.get_or_insert_with(|| (file.to_owned(), path));
            }
        }
    });
    if let Some((file, path)) = left_out {
        let evidence = format!("{file} embeds {path}, and a pattern of .dockerignore leaves that out");
        let finding = Finding::new(&table::COPY_IGNORED, build.place(), evidence, format!("!{path} in .dockerignore"));
        case.findings.push(finding.at(Severity::Warning));
    }
}

/// What an instruction says, with its heredocs.
fn says(step: &Step<'_>, wanted: &[&str]) -> bool {
    let heredocs = step.instruction.heredocs.iter().map(|heredoc| &heredoc.content);
    let mut texts = std::iter::once(&step.instruction.rest).chain(heredocs);
    texts.any(|text| wanted.iter().any(|word| text.contains(word)))
}

/// Whether it mounts something of this kind.
fn mounts(step: &Step<'_>, kind: &str) -> bool {
    step.instruction.flags.iter().any(|(name, value)| name == "mount" && value.contains(kind))
}

/// Without a build of the program another tool makes it: rather make than a script, which may install something only, and
/// rather when all sources are there than before, when make builds what was downloaded.
fn cannot_tell(case: &mut Case<'_>, others: &[Other]) {
    // Of several that are as good the first.
    // A make before any source is there makes a library.
    let scripts_later = others.iter().any(|other| other.is_script && other.copied > 0);
    let tools = others.iter().rev().filter(|other| !other.is_script && (other.copied > 0 || !scripts_later));
    let Some(other) = tools.max_by_key(|other| (other.copied, other.makes)).or(others.last()) else { return };
    let evidence = format!("{} may build the program, and this file does not say how", other.what);
    let mend = "goward check in the image looks at the program itself: RUN [\"/goward\", \"check\", \"/server\"]";
    case.say(&table::CANNOT_TELL, other.line, evidence, mend);
}

/// Whether a command builds a program of the own module, as far as that is known.
pub(super) fn builds(command: &Command, module: Option<&str>) -> bool {
    let words = if names_go(command) { bare(command).1 } else { Vec::new() };
    let ["go" | "xx-go", "build" | "install", rest @ ..] = words.as_slice() else { return false };
    let follows_output = |at: usize| at > 0 && rest.get(at - 1) == Some(&"-o");
    let packages = rest.iter().enumerate().filter(|(at, word)| !word.starts_with('-') && !follows_output(*at));
    let others = |word: &str| word.contains('@') || module.is_some() && found::is_foreign(word, module);
    let mut packages = packages.map(|(_, word)| *word).peekable();
    packages.peek().is_none() || !packages.all(others)
}

/// Whether go runs in a stage, or in one that begins with it; or a tool or a script that may run it.
pub(super) fn may_build(stages: &Stages<'_>, stage: &Stage<'_>) -> bool {
    let Some(own) = stages.number(stage) else { return false };
    let runs = |command: &Command| match bare(command).1.split_first() {
        Some((program, rest)) => names_go(command) || builder(program, rest).is_some(),
        None => false,
    };
    let mut at = (0..stages.stages.len()).filter(|at| shipped::begins_with(stages, *at, own));
    at.any(|at| stages.stages.get(at).is_some_and(|stage| stage.steps.iter().flat_map(|step| &step.commands).any(runs)))
}

/// The programs of others that a command installs: `go install example.com/cmd/tool@v1`.
pub(super) fn installs(command: &Command) -> impl Iterator<Item = &str> {
    let words = if names_go(command) { bare(command).1 } else { Vec::new() };
    let is_install = matches!(words.as_slice(), ["go" | "xx-go", "install" | "get", ..]);
    let packages = words.into_iter().filter(move |_| is_install).filter_map(|word| word.split_once('@'));
    packages.map(|(package, _)| package.rsplit('/').next().unwrap_or_default())
}

fn flags(case: &mut Case<'_>, build: &Build<'_>, facts: &facts::All<'_>) {
    let ldflags = build.flag("ldflags").unwrap_or_default();
    if ldflags.unknown || build.hides_flags() {
        return;
    }
    let stripped = ldflags.text.split_whitespace().any(|word| word.trim_matches(['"', '\'']) == "-s");
    let stripped_later = facts.runs(build.stage, &["strip", "upx", "llvm-strip"]);
    // What is built for a debugger must not be stripped.
    let debugged = build.flag("gcflags").is_some_and(|flags| flags.text.contains("-N"));
    if !stripped && !stripped_later && !debugged {
        let mend = "go build -trimpath -ldflags=\"-s -w\" …";
        case.findings.push(Finding::new(&table::NOT_STRIPPED_BUILD, build.place(), "no -s in -ldflags", mend));
    }
    if !has_version(build) && !is_stamped(case, build) && !sources_missing(case, build) && !case.states_version() {
        let mend = "ARG VERSION, and -ldflags=\"-X main.version=${VERSION}\"";
        case.findings.push(Finding::new(&table::NO_VERSION_BUILD, build.place(), "no -X in -ldflags", mend));
    }
}

/// Whether what its stage copies is not in the context, which is a repository all the same: the sources are elsewhere, and nobody
/// knows what they say.
fn sources_missing(case: &Case<'_>, build: &Build<'_>) -> bool {
    let has = |path: &str| case.context.has(path) || case.context.rival().is_some_and(|rival| rival.has(path));
    let missing = |source: &Expanded| {
        let (path, _) = inside(&source.text);
        !source.unknown && !path.is_empty() && !path.contains(['*', '?', '[', ':', '<']) && !has(&path)
    };
    let mut steps = case.stages.chain(build.stage).into_iter().filter(|step| step.instruction.line < build.line);
    has(".git") && !has("go.mod") && steps.any(|step| order::sources(step).iter().any(missing))
}

/// -ldflags=-X sets it.
fn has_version(build: &Build<'_>) -> bool {
    build.flag("ldflags").is_some_and(|flags| flags.text.contains("-X"))
}

/// Whether go build itself finds the version in the repository: since 1.24, where git is there and .git is.
fn is_stamped(case: &Case<'_>, build: &Build<'_>) -> bool {
    let Some(state) = case.stages.stages.get(build.stage).map(|stage| &stage.state) else { return false };
    let knows_git = state.may_have("git") || (state.base.toolchain && state.base.compiler == Some(true));
    let asked = build.flag("buildvcs").is_none_or(|flag| !matches!(flag.text.as_str(), "false" | "0"));
    if !knows_git || !asked || state.base.go.is_some_and(|go| go < 24) || build.is_of_files() {
        return false;
    }
    let chain = case.stages.chain(build.stage);
    let before = || chain.iter().filter(|step| step.instruction.line <= build.line);
    let clones =
        |command: &Command| command.name() == "git" && command.words.get(1).is_some_and(|word| word == "clone");
    before().any(|step| step.commands.iter().any(clones))
        || (case.context.has(".git")
            && order::lets_git_through(case.context)
            && before().any(|step| order::takes_all(step) || binds_all(step) || says(step, &["/.git"])))
}

/// Whether the whole context is mounted: `--mount=target=.`
fn binds_all(step: &Step<'_>) -> bool {
    step.instruction.flags.iter().filter(|(name, _)| name == "mount").any(|(_, mount)| {
        mount.split(',').all(|part| match part.split_once('=') {
            Some(("type", kind)) => kind == "bind",
            Some(("source" | "src", source)) => matches!(source, "." | "/" | "./"),
            Some((name, _)) => name != "from",
            None => true,
        })
    })
}

/// Whether only stages of the build machine's platform copy from a stage, and what is shipped does not: what it builds is run there.
fn is_for_builder(case: &Case<'_>, stage: usize, shipped: &Stage<'_>) -> bool {
    let copies = |other: &&Stage<'_>| other.state.copies.iter().any(|copied| copied.stage == Some(stage));
    let mut users = case.stages.stages.iter().filter(copies).peekable();
    let is_of_builder = |user: &Stage<'_>| {
        let platform = user.platform.as_deref();
        user.line != shipped.line && platform.is_some_and(|platform| platform.contains("BUILDPLATFORM"))
    };
    users.peek().is_some() && users.all(is_of_builder)
}

/// A server's stage whose base is the build machine's, whatever is asked for.
fn base_of_builder(case: &mut Case<'_>, shipped: &Stage<'_>) {
    let of_builder = shipped.platform.as_deref().is_some_and(|platform| platform.contains("BUILDPLATFORM"));
    let state = &shipped.state;
    let starts = command_line(state).is_some_and(|(argv, _)| !idles(&argv) && !is_interactive(&argv));
    let brings = state.copies.iter().any(|copied| copied.stage.is_some());
    let serves = starts || command_line(state).is_none() && brings && !state.ports.is_empty();
    if of_builder && serves && state.image != "scratch" && !is_for_work(case, shipped) {
        let evidence = "the final stage is of the build machine's platform, whatever the target is";
        let mend = "FROM without --platform=$BUILDPLATFORM in the final stage";
        case.say(&table::WRONG_ARCHITECTURE_BUILD, shipped.line, evidence, mend);
    }
}

/// A toolchain of the build machine builds for it, unless told otherwise.
fn target(case: &mut Case<'_>, build: &Build<'_>, facts: &facts::All<'_>, shipped: &Stage<'_>) {
    let Some(stage) = case.stages.stages.get(build.stage) else { return };
    let foreign = stage.platform.as_deref().is_some_and(|platform| platform.contains("BUILDPLATFORM"));
    // GOARCH=amd64 in an image for arm64, or for whatever the build is asked for.
    let linux = build.value("GOOS").is_none_or(|os| os == "linux" || os.contains('$'));
    let fixed = build.value("GOARCH").filter(|arch| linux && !arch.contains('$') && !build.unclear);
    let platform = shipped.platform.as_deref();
    let own = platform.filter(|platform| !platform.contains('$')).and_then(|platform| platform.split('/').nth(1));
    if let Some((fixed, own)) = fixed.zip(own).filter(|(fixed, own)| fixed != own) {
        let evidence = format!("GOARCH={fixed}, and the final stage is for {own}");
        let mend = format!("GOARCH={own} go build …");
        case.findings.push(Finding::new(&table::WRONG_ARCHITECTURE_BUILD, build.place(), evidence, mend));
        return;
    }
    // An ARG is what it is by default only.
    let asked = |instruction: &Instruction| {
        instruction.keyword == "ARG" && instruction.rest.split_whitespace().any(|word| word.starts_with("GOARCH"))
    };
    let given = case.file.instructions.iter().any(asked);
    if let Some(fixed) = fixed.filter(|_| foreign && own.is_none() && !given) {
        let evidence = format!("GOARCH={fixed} whatever the target is, in a stage that is there to build for several");
        let mend = "ARG TARGETOS TARGETARCH, and GOOS=$TARGETOS GOARCH=$TARGETARCH go build …";
        case.findings.push(Finding::new(&table::WRONG_ARCHITECTURE_BUILD, build.place(), evidence, mend));
        return;
    }
    let told = build.has("GOARCH") || build.unclear;
    let xx = facts.get(build.stage).is_some_and(facts::Facts::runs_xx);
    if foreign && !told && !xx && !shipped::is_run(facts, build) && !is_for_builder(case, build.stage, shipped) {
        let evidence = "the stage runs on the build machine's platform, and GOARCH is not set";
        let mend = "ARG TARGETOS TARGETARCH, and GOOS=$TARGETOS GOARCH=$TARGETARCH go build …";
        case.findings.push(Finding::new(&table::WRONG_ARCHITECTURE_BUILD, build.place(), evidence, mend));
    }
}
