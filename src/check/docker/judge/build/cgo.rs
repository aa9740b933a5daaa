//! cgo: whether it is on, whether what turns it off reaches the build, and whether the image has the libc for it.

use super::super::Case;
use super::facts::Facts;
use super::found::Build;
use super::says;
use crate::check::docker::base::Libc;
use crate::check::docker::effects::installed;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{Stage, Step};
use crate::check::finding::{Finding, Severity};
use crate::check::table;

pub(super) fn judge(
    case: &mut Case<'_>,
    build: &Build<'_>,
    facts: &Facts<'_>,
    shipped: &Stage<'_>,
    brings_loader: &dyn Fn() -> bool,
) {
    let stages = case.stages;
    let Some(stage) = stages.stages.get(build.stage).filter(|_| !build.unclear) else { return };
    let lost = if build.lost && build.value("CGO_ENABLED") != Some("0") {
        Some("CGO_ENABLED=0 is set before && or ; and not exported: go build does not see it")
    } else if build.value("CGO_ENABLED").is_none() && facts.exports_elsewhere(build.line) {
        Some("CGO_ENABLED=0 is exported in another RUN, and ends with that")
    } else {
        None
    };
    if let Some(evidence) = lost {
        let mend = "CGO_ENABLED=0 go build …, in one command, or ENV CGO_ENABLED=0";
        case.say(&table::CGO_NOT_SET, build.line, evidence, mend);
    }
    let Some((how, severity)) = is_on(build, stage, facts) else { return };
    let (Some(here), Some(there)) = (stage.state.base.libc, shipped.state.base.libc) else { return };
    if here == there {
        return newer(case, build, stage, shipped, how);
    }
    if is_static(build) || brings_loader() {
        return;
    }
    let tags = build.flag("tags").unwrap_or_default();
    let has = |wanted: &str| tags.text.split([',', ' ']).any(|tag| tag == wanted);
    // With both tags Go's own packages leave C alone.
    if build.is_open(&tags) || (has("netgo") && has("osusergo")) {
        return;
    }
    let name = |libc: Libc| match libc {
        Libc::None => "no libc",
        Libc::Glibc => "glibc",
        Libc::Musl => "musl",
    };
    let (how, severity) = match has("netgo") {
        true => ("cgo is on, and os/user and others may use C", Severity::Note),
        false => (how, severity),
    };
    let evidence =
        format!("{how}: the program needs the loader of {}, and the final stage has {}", name(here), name(there));
    let finding = Finding::new(&table::CGO_WITHOUT_LIBC, build.place(), evidence, "CGO_ENABLED=0 go build …");
    case.findings.push(finding.at(severity));
}

/// The loader of glibc refuses what asks for a newer version of a function than it has. Since 2.34 every program does.
fn newer(case: &mut Case<'_>, build: &Build<'_>, stage: &Stage<'_>, shipped: &Stage<'_>, how: &str) {
    let (Some(here), Some(there)) = (stage.state.base.glibc, shipped.state.base.glibc) else { return };
    // Not of the machine's own: the image of the build is another one.
    if here < 34 || there >= 34 || is_static(build) || shipped.state.opaque {
        return;
    }
    let evidence = format!("{how}: the build has glibc 2.{here}, and the final stage 2.{there}");
    let mend = "CGO_ENABLED=0 go build …, or build and ship on the same release";
    case.findings.push(Finding::new(&table::GLIBC_NEWER, build.place(), evidence, mend));
}

/// How cgo comes to be on, if it is known to be, and how bad that is.
fn is_on(build: &Build<'_>, stage: &Stage<'_>, facts: &Facts<'_>) -> Option<(&'static str, Severity)> {
    let default = Some(("cgo is on by default, as there is a C compiler", Severity::Error));
    let known = |name: &str| build.value(name).filter(|value| !value.contains('$'));
    let arch = known("GOARCH");
    if known("GOOS").is_some_and(|os| os != "linux") || arch == Some("wasm") {
        return None;
    }
    match build.value("CGO_ENABLED") {
        Some(value) if value == "0" || value.contains('$') => return None,
        Some(_) => return Some(("cgo is on", Severity::Error)),
        None if build.variables.has("CGO_ENABLED") || !facts.compiler => return None,
        None => {}
    }
    // Building for another architecture turns it off.
    let platform = stage.platform.as_deref().filter(|platform| !platform.contains('$'));
    match (arch, platform.and_then(|platform| platform.split('/').nth(1))) {
        (None, _) => default,
        (Some(arch), Some(own)) if arch == own => default,
        (Some("amd64" | "arm64"), None) => {
            Some(("cgo is on by default where GOARCH is the machine's own", Severity::Warning))
        }
        (Some(_), _) => None,
    }
}

pub(super) fn has_compiler(stage: &Stage<'_>, steps: &[&Step<'_>]) -> bool {
    const COMPILERS: [&str; 6] = ["gcc", "build-base", "alpine-sdk", "build-essential", "clang", "g++"];
    match stage.state.base.compiler {
        None => false,
        Some(true) => true,
        Some(false) => {
            COMPILERS.iter().any(|name| stage.state.has_package(name)) || steps.iter().any(|step| recommends(step))
        }
    }
}

/// Debian's Go recommends gcc, and apt installs what is recommended.
fn recommends(step: &Step<'_>) -> bool {
    let go = |name: &str| matches!(name, "golang" | "golang-go") || name.starts_with("golang-1.");
    let apt = |command: &Command| matches!(command.name(), "apt-get" | "apt") && installed(command).any(go);
    !step.instruction.rest.to_ascii_lowercase().contains("install-recommends") && step.commands.iter().any(apt)
}

/// Static, or linked by flags and compilers of which nothing is known.
fn is_static(build: &Build<'_>) -> bool {
    let ldflags = build.flag("ldflags").unwrap_or_default();
    let external = ldflags.text.contains("-extldflags") && build.is_open(&ldflags);
    // zig cc and musl-gcc link what they please.
    let plain = match build.value("CC") {
        Some(cc) => {
            let program = cc.split_whitespace().next().unwrap_or_default();
            !program.contains("musl") && ["gcc", "clang", "cc"].iter().any(|name| program.ends_with(name))
        }
        None => !build.variables.has("CC"),
    };
    let asked = build.value("CGO_LDFLAGS").is_some_and(|flags| flags.contains("-static") || flags.contains('$'));
    ldflags.text.contains("-static") || ldflags.unknown || external || asked || !plain || build.hides_flags()
}

/// Whether a loader comes into the image by other ways than its base.
pub(super) fn brings_loader(shipped: &Stage<'_>, steps: &[&Step<'_>]) -> bool {
    let state = &shipped.state;
    let mut sources = state.copies.iter().flat_map(|copied| &copied.sources);
    let copied = sources.any(|source| source.contains("/lib") || source.contains("ld-"));
    let compat = ["gcompat", "libc6-compat"].iter().any(|name| state.may_have(name));
    // apk add glibc-2.35-r1.apk, ln -s … /lib64/ld-linux-x86-64.so.2
    let makes = ["glibc", "ld-linux", "ld-musl", "/lib64"];
    let made = |step: &&Step<'_>| step.instruction.keyword == "RUN" && says(step, &makes);
    copied || compat || state.opaque || steps.iter().any(made)
}

/// `export CGO_ENABLED=0`
pub(super) fn exports(command: &Command) -> bool {
    command.name() == "export" && command.words.iter().any(|word| word == "CGO_ENABLED=0")
}
