//! How the program is built: cgo, flags, the order of copying, what the context sends.

mod cgo;
mod found;
mod order;
mod shipped;

pub(super) use order::sources_come;

use super::Case;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{From, Stage, Step};
use crate::check::table;
use found::{Build, Other, bare};

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
    shipped::keep(stages, index, &behind, &mut builds);
    if builds.is_empty() {
        cannot_tell(case, &others);
    }
    for build in &builds {
        cgo::judge(case, build, index, shipped);
        flags(case, build);
        target(case, build);
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

/// Without a build of the program another tool makes it: rather make than a script, which may install something only.
fn cannot_tell(case: &mut Case<'_>, others: &[Other]) {
    let Some(other) = others.iter().find(|other| !other.is_script).or(others.last()) else { return };
    let evidence = format!("{} may build the program, and what that does is not written here", other.what);
    let mend = "goward check in the image looks at the program itself: RUN [\"/goward\", \"check\", \"/server\"]";
    case.say(&table::CANNOT_TELL, other.line, evidence, mend);
}

/// Whether a command builds a program of the own module.
pub(super) fn builds(command: &Command) -> bool {
    let (_, words) = bare(command);
    matches!(words.as_slice(), ["go" | "xx-go", "build" | "install", rest @ ..] if !rest.iter().any(|word| word.contains('@')))
}

fn flags(case: &mut Case<'_>, build: &Build<'_>) {
    let ldflags = build.flag("ldflags").unwrap_or_default();
    if ldflags.unknown || build.hides_flags() {
        return;
    }
    let stripped = ldflags.text.split_whitespace().any(|word| word.trim_matches(['"', '\'']) == "-s");
    let stripped_later = case.stages.stages.get(build.stage).is_some_and(|stage| {
        let strips = |command: &Command| matches!(command.name(), "strip" | "upx" | "llvm-strip");
        stage.steps.iter().any(|step| step.commands.iter().any(strips))
    });
    if !stripped && !stripped_later {
        let mend = "go build -trimpath -ldflags=\"-s -w\" …";
        case.say(&table::NOT_STRIPPED_BUILD, build.line, "no -s in -ldflags", mend);
    }
    if !ldflags.text.contains("-X") {
        let mend = "ARG VERSION, and -ldflags=\"-X main.version=${VERSION}\"";
        case.say(&table::NO_VERSION_BUILD, build.line, "no -X in -ldflags", mend);
    }
}

/// A toolchain of the build machine builds for it, unless told otherwise.
fn target(case: &mut Case<'_>, build: &Build<'_>) {
    let Some(stage) = case.stages.stages.get(build.stage) else { return };
    let foreign = stage.platform.as_deref().is_some_and(|platform| platform.contains("BUILDPLATFORM"));
    let told = build.has("GOARCH") || build.unclear;
    let xx = stage.steps.iter().flat_map(|step| &step.commands).any(|command| command.name().starts_with("xx-"));
    if foreign && !told && !xx && !shipped::is_run(case.stages, build) {
        let evidence = "the stage runs on the build machine's platform, and GOARCH is not set";
        let mend = "ARG TARGETOS TARGETARCH, and GOOS=$TARGETOS GOARCH=$TARGETARCH go build …";
        case.say(&table::WRONG_ARCHITECTURE_BUILD, build.line, evidence, mend);
    }
}
