//! What is copied from the build context: whether it is sent, and whether it is of the context at all; and the go.mod there.

use super::{Case, build};
use crate::check::docker::ignorefile::Patterns;
use crate::check::docker::stage::{From, Stage, Step};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::table;

/// Where a machine has its own files; nobody has these directories in a repository.
const MACHINE: [&str; 9] = ["/etc/", "/usr/", "/home/", "/root/", "/var/", "/tmp/", "/opt/", "/proc/", "/Users/"];

pub(super) fn judge(case: &mut Case<'_>) {
    let patterns = case.context.text(".dockerignore").filter(|_| !case.purpose.is_picked);
    let patterns = patterns.map(|text| Patterns::read(&text));
    let stages = case.stages;
    for stage in &stages.stages {
        for step in &stage.steps {
            if !matches!(step.instruction.keyword.as_str(), "COPY" | "ADD") || step.instruction.flag("from").is_some() {
                continue;
            }
            let Some((_, sources)) = step.words.split_last() else { continue };
            for source in sources.iter().filter(|source| !source.unknown && !source.text.is_empty()) {
                let remote =
                    source.text.contains("://") || source.text.starts_with("<<") || source.text.starts_with("git@");
                if !remote {
                    outside(case, step, &source.text);
                    if let Some(patterns) = patterns.as_ref().filter(|_| case.context.rival().is_none()) {
                        left_out(case, step, &source.text, patterns);
                    }
                }
            }
        }
        go_version(case, stage);
    }
}

/// A path of the context as the builder sees it, and whether it would lead out of it.
pub(crate) fn inside(source: &str) -> (String, bool) {
    let (mut parts, mut leaves): (Vec<&str>, bool) = (Vec::new(), false);
    for part in source.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            leaves |= parts.pop().is_none();
        } else {
            parts.push(part);
        }
    }
    (parts.join("/"), leaves)
}

fn outside(case: &mut Case<'_>, step: &Step<'_>, source: &str) {
    let (path, leaves) = inside(source);
    // Only where it matters: the disk is asked. Of a pattern, for the directory in which it matches.
    let there = || match path.find(['*', '?', '[']) {
        Some(at) => {
            let directory = path.get(..at).and_then(|head| head.rsplit_once('/'));
            directory.is_none_or(|(directory, _)| case.context.has(directory))
        }
        None => case.context.has(&path),
    };
    let finding = |evidence: String, mend: String| {
        Finding::new(&table::OUTSIDE_CONTEXT, Place::line(step.instruction.line).marked(source), evidence, mend)
    };
    if leaves {
        let there = there();
        let evidence = match there {
            true if path.is_empty() => {
                format!("nothing above the context can be copied: {source} is the context itself")
            }
            true => format!("nothing above the context can be copied: {source} is {path} of the context itself"),
            false => format!("nothing above the context can be copied, and {path} is not in the context"),
        };
        let mend = "docker build -f DIR/Dockerfile with the directory above as the context, and the path from there";
        let finding = finding(evidence, mend.to_owned());
        case.findings.push(if there { finding.at(Severity::Warning) } else { finding });
    } else if MACHINE.iter().any(|directory| source.starts_with(directory)) && !there() {
        let evidence = format!("{source} is not the machine's, but {path} of the context");
        let mend = "COPY --from=a stage that has the file, or bring it into the context";
        case.findings.push(finding(evidence, mend.to_owned()).at(Severity::Warning));
    }
}

fn left_out(case: &mut Case<'_>, step: &Step<'_>, source: &str, patterns: &Patterns) {
    let (path, _) = inside(source);
    let plain = !path.is_empty() && !path.contains(['*', '?', '[', '\\']);
    let is_file = || case.context.text(&path).is_some();
    let left_out = plain && patterns.leave_out(&path) && case.context.has(&path);
    if left_out && (!patterns.may_take_back_below(&path) || is_file()) {
        let evidence = format!("a pattern of .dockerignore leaves {path} out, so the builder does not find it");
        let place = Place::line(step.instruction.line).marked(source);
        let mend = format!("!{path} in .dockerignore, after the pattern that matches it");
        case.findings.push(Finding::new(&table::COPY_IGNORED, place, evidence, mend));
    }
}

/// Major is always 1: the minor version, and the patch where it is named.
fn version(text: &str) -> Option<(u32, Option<u32>)> {
    let mut parts = text.split(['-', '@']).next()?.split('.');
    if parts.next()? != "1" {
        return None;
    }
    let minor = parts.next()?;
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    Some((minor.get(..digits)?.parse().ok()?, parts.next().and_then(|patch| patch.parse().ok())))
}

/// Since Go 1.21 go.mod says which Go it needs, `1.21.0`, and which toolchain is best. What is older refuses both, and builds what only
/// asks for a newer version, `1.21`.
const TOOLCHAINS: u32 = 21;

/// The Go that a go.mod asks for, and its line that one of this version (minor and patch) refuses; none: it takes it.
fn too_new(text: &str, own: (u32, Option<u32>)) -> Option<(String, String)> {
    let lines = || text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    let asked = lines().find_map(|line| line.strip_prefix("go ").map(str::trim))?;
    let said = format!("go {asked}");
    if own.0 < TOOLCHAINS {
        let is_plain = asked.split('.').count() == 2 && asked.chars().all(|c| c.is_ascii_digit() || c == '.');
        let refused =
            if is_plain { lines().find(|line| line.starts_with("toolchain ")).map(str::to_owned) } else { Some(said) };
        return refused.map(|said| (asked.to_owned(), said));
    }
    let is_newer = match (own, version(asked)?) {
        ((own, _), (wanted, _)) if wanted != own => wanted > own,
        ((_, Some(own)), (_, Some(wanted))) => wanted > own,
        _ => false,
    };
    is_newer.then(|| (asked.to_owned(), said))
}

/// go.mod of a stage that begins with Docker's golang, which never fetches a newer toolchain.
fn go_version(case: &mut Case<'_>, stage: &Stage<'_>) {
    let From::Image(image) = &stage.from else { return };
    let reference = super::super::base::Reference::of(&image.text);
    let Some(own) = reference.tag.and_then(version).filter(|_| reference.name == "golang" && reference.is_hubs_own())
    else {
        return;
    };
    // Modules came with 1.11.
    if own.0 < 11 {
        return;
    }
    let changed = stage.state.variables.has("GOTOOLCHAIN")
        || stage.steps.iter().flat_map(|step| &step.commands).any(|command| {
            let words = || command.words.iter().chain(command.assigned.iter().map(|(name, _)| name));
            words().any(|word| word.starts_with("GOTOOLCHAIN"))
        });
    if !build::may_build(case.stages, stage) {
        return;
    }
    let module = stage.steps.iter().find_map(|step| module_of(step));
    let Some(module) = module.filter(|_| !changed) else { return };
    let newer = |text: &str| too_new(text, own);
    let Some((asked, said)) = case.context.text(&module).and_then(|text| newer(&text)) else { return };
    let elsewhere = case.context.rival().and_then(|rival| rival.text(&module));
    if elsewhere.is_none_or(|text| newer(&text).is_some()) {
        let evidence = match own.0 < TOOLCHAINS {
            true => format!("{module} says {said}, which the go command of {} does not understand", image.text),
            false => format!("{module} says {said}, {} has an older one and GOTOOLCHAIN=local", image.text),
        };
        let place = Place::line(stage.line).marked(&image.text);
        case.findings.push(Finding::new(&table::GO_TOO_OLD, place, evidence, format!("FROM golang:{asked}")));
    }
}

/// The go.mod that a step copies, by its name or with everything.
fn module_of(step: &Step<'_>) -> Option<String> {
    let copies = matches!(step.instruction.keyword.as_str(), "COPY" | "ADD") && step.instruction.flag("from").is_none();
    let (_, sources) = step.words.split_last().filter(|_| copies)?;
    sources.iter().filter(|source| !source.unknown).find_map(|source| {
        let (path, _) = inside(&source.text);
        let last = path.rsplit('/').next().unwrap_or_default();
        match last {
            "" => Some("go.mod".to_owned()),
            "go.mod" => Some(path),
            _ if last.starts_with("go.") && last.contains('*') => {
                Some([path.strip_suffix(last).unwrap_or_default(), "go.mod"].concat())
            }
            _ => None,
        }
    })
}
