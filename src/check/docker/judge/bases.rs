//! Base images (out of support, or with tags that move: `../tags.rs` knows which), ARGs that are empty in a stage, and what comes
//! from outside: ADD of a URL, COPY --from of another image.

use super::variables::{COMMON, names_set};
use super::{Case, Context, secrets};
use crate::check::docker::base::Reference;
use crate::check::docker::script::{Command, End};
use crate::check::docker::stage::{From, PREDEFINED, Stage, Step, Variables};
use crate::check::docker::tags;
use crate::check::docker::variables::is_proxy;
use crate::check::docker::words::{self, Value};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::{buildfile, support, table};
use std::collections::BTreeSet;

pub(super) fn judge(case: &mut Case<'_>, shipped: &[usize]) {
    let stages = case.stages;
    // Stages whose instructions are in the history of what is shipped, and those that others begin with.
    let (mut kept, mut begun) = (vec![false; stages.stages.len()], vec![false; stages.stages.len()]);
    let mark = |marks: &mut Vec<bool>, at: usize| marks.get_mut(at).is_some_and(|mark| !std::mem::replace(mark, true));
    for at in shipped.iter().copied() {
        let mut at = Some(at).filter(|at| mark(&mut kept, *at));
        while let Some(From::Stage(from)) = at.and_then(|at| stages.stages.get(at)).map(|stage| &stage.from) {
            at = Some(*from).filter(|from| mark(&mut kept, *from));
        }
    }
    for stage in &stages.stages {
        if let From::Stage(from) = stage.from {
            mark(&mut begun, from);
        }
    }
    let mut of_others = Variables::default();
    for (index, ((stage, kept), begun)) in stages.stages.iter().zip(kept).zip(begun).enumerate() {
        base(case, stage);
        for (image, line) in &stage.images {
            copied_image(case, image, *line);
        }
        let verified = stage.steps.iter().any(|step| verify(&step.commands));
        for step in &stage.steps {
            empty_arguments(case, step, stage, &of_others);
            match step.instruction.trigger.as_deref() {
                // Judged where it is carried out, if that is here.
                Some(trigger) if !begun => secrets::judge(case, step, trigger, index, false),
                Some(_) => {}
                None => secrets::judge(case, step, step.instruction, index, kept),
            }
            if !verified {
                add_url(case, step);
            }
        }
        for step in stage.steps.iter().filter(|step| step.instruction.keyword == "ARG") {
            // Of some the shell or the builder knows without any ARG.
            let own = |name: &String| !COMMON.contains(&name.as_str()) && !is_proxy(name);
            names_set(step, case.file.escape).filter(own).for_each(|name| of_others.insert(&name, Value::Unknown));
        }
    }
}

fn base(case: &mut Case<'_>, stage: &Stage<'_>) {
    let From::Image(image) = &stage.from else { return };
    if image.unknown {
        return;
    }
    // Of no registry are names that Docker Hub does not have: an image of this machine, or a context of the build.
    let local = !image.text.contains('/') && !tags::is_official(Reference::of(&image.text).name);
    if !local && !placeholder(case, stage, &image.text) {
        pinned(case, &image.text, stage.line);
    }
    let reference = Reference::of(&image.text);
    if let Some(minor) = stage.state.base.go.filter(|minor| !support::go_is_supported(*minor)) {
        let (old, new, date) = (support::GO_OLDEST, support::GO_NEWEST, support::AS_OF);
        let evidence = format!("{} has Go 1.{minor}; as of {date} Go 1.{old} and 1.{new} are supported", image.text);
        case.say(&table::GO_IMAGE_UNSUPPORTED, stage.line, evidence, format!("golang:1.{new}"));
    }
    if let Some((distribution, release)) = distributions(&reference)
        .find_map(|(distribution, tag)| Some((distribution, support::ended(distribution, tag)?)))
    {
        let evidence = format!("support for {distribution} {release}");
        case.say(&table::BASE_UNSUPPORTED, stage.line, evidence, format!("a newer {distribution}"));
    }
}

/// What an image is made of, by its name and tag: debian:11, distroless' base-debian11, node:20-bullseye, python:3.9-alpine3.17. Of golang
/// the version of Go is what counts.
fn distributions<'a>(reference: &Reference<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let tag = reference.tag.unwrap_or_default();
    let distroless = reference.name.rsplit_once("-debian").filter(|_| reference.path.contains("distroless/"));
    let others = reference.is_hubs_own() && reference.name != "golang";
    let parts =
        tag.split('-').skip(1).filter(move |part| others && part.starts_with(|c: char| c.is_ascii_alphabetic()));
    let named = parts.flat_map(|part| [("alpine", part.strip_prefix("alpine").unwrap_or_default()), ("debian", part)]);
    let own = std::iter::once((reference.name, tag));
    own.chain(distroless.map(|(_, release)| ("debian", release))).chain(named)
}

/// A name or a tag that stands for one which the builder is to give: `ARG BASE=non-existing`, and `FROM $BASE`.
fn placeholder(case: &Case<'_>, stage: &Stage<'_>, image: &str) -> bool {
    let instruction = case.file.instructions.iter().find(|instruction| instruction.line == stage.line);
    let written = instruction.and_then(|instruction| instruction.rest.split_whitespace().next()).unwrap_or_default();
    let reference = Reference::of(image);
    let (name, tag) = (reference.name.to_ascii_lowercase(), reference.tag.unwrap_or_default().to_ascii_lowercase());
    // Of a tag these are too short to mean only that.
    let short = ["must", "none"];
    let says = ["exist", "placeholder", "override", "overrid", "unset", "required", "invalid", "undefined", "dummy"];
    let alone = !image.contains(['/', ':', '@']) && !tags::is_official(image);
    // What no name of an image may have, in a file that is made into a Dockerfile first: postgres:{{VERSION}}.
    if image.contains(|c: char| !c.is_ascii_alphanumeric() && !"._-/:@$".contains(c)) {
        return true;
    }
    let is_one = |text: &str| says.iter().any(|word| text.contains(word));
    let of_name = alone || is_one(&name) || short.iter().any(|word| name.contains(word));
    written.starts_with('$') && of_name || written.contains('$') && is_one(&tag)
}

fn pinned(case: &mut Case<'_>, image: &str, line: u32) {
    let reference = Reference::of(image);
    let exact =
        if reference.name == "golang" { golang(reference.tag) } else { "a version, or better a digest".to_owned() };
    let Some(moving) = tags::moving(&reference).filter(|_| !reference.digest) else { return };
    if is_built_here(case.context, image) {
        return;
    }
    let place = Place::line(line).marked(image);
    let finding = Finding::new(&table::UNPINNED, place, format!("{image} {moving}"), format!("name {exact}"));
    // They go from one Debian to the next, years apart; and OSS-Fuzz asks for what is newest of its own.
    let rarely = tags::is_distroless(&reference) && reference.tag.is_some_and(|tag| tag != "latest")
        || image.contains("oss-fuzz-base/");
    case.findings.push(if rarely { finding.at(Severity::Note) } else { finding });
}

/// Files that say how the images of a repository are built.
const BUILT_BY: [&str; 12] = [
    "Makefile",
    "build.sh",
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
    "hack/build.sh",
    "scripts/build.sh",
    "docker/build.sh",
    ".github/workflows/build.yml",
    ".github/workflows/docker.yml",
    ".github/workflows/release.yml",
];

/// Whether a file of the repository builds an image of just this name: it is of this machine, and has no version. Whoever
/// copies an example has no such file.
fn is_built_here(context: Context<'_>, image: &str) -> bool {
    let is_example = |path: &str| path.split('/').any(|part| part.trim_start_matches('.').starts_with("example"));
    if context.place().is_some_and(is_example) {
        return false;
    }
    let top = (0..8).find(|up| context.has(&("../".repeat(*up) + ".git"))).unwrap_or_default();
    let mut paths = (0..=top).flat_map(|up| BUILT_BY.iter().map(move |file| "../".repeat(up) + file));
    let image = image.strip_suffix(":latest").unwrap_or(image);
    let is_it = |word: &str| {
        let rest = word.trim_matches(['"', '\'']).strip_prefix(image);
        rest.is_some_and(|rest| matches!(rest, "" | ":latest"))
    };
    let tags = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "build");
        let mut is_tag = false;
        words.any(|word| {
            let after = std::mem::replace(&mut is_tag, matches!(word, "-t" | "--tag"));
            after && is_it(word) || word.strip_prefix("--tag=").is_some_and(is_it)
        })
    };
    paths.any(|path| {
        let text = context.text(&path).filter(|text| text.len() < LARGEST && text.contains(image));
        let text = text.unwrap_or_default();
        text.replace("\\\n", " ").lines().any(tags) || path.ends_with("ml") && buildfile::builds_image(&text, &is_it)
    })
}

/// Every FROM asks for these files, and none that a person writes is larger.
const LARGEST: usize = 64 << 10;

/// The newest golang of the same kind.
fn golang(tag: Option<&str>) -> String {
    let kind =
        tag.unwrap_or_default().split('-').filter(|word| !matches!(*word, "" | "1") && !tags::MOVING.contains(word));
    // Of releases without support there is no image with a new Go.
    let kept = kind.filter_map(|word| match word.strip_prefix("alpine") {
        Some(release) if support::ended("alpine", release).is_some() => Some("alpine"),
        _ => support::ended("debian", word).is_none().then_some(word),
    });
    kept.fold(format!("golang:1.{}", support::GO_NEWEST), |name, word| name + "-" + word)
}

/// `COPY --from=NAME` where no stage has the name: an image of Docker Hub, or a context that the build is given.
fn copied_image(case: &mut Case<'_>, image: &str, line: u32) {
    if image.contains(['/', ':', '@']) || tags::is_official(image) {
        return pinned(case, image, line);
    }
    if image.is_empty() {
        return;
    }
    let evidence = format!(
        "{image} is not a stage of this file: docker pulls {image}:latest, unless the build defines a context of that name"
    );
    let mend = format!("FROM … AS {image}, or docker build --build-context {image}=…");
    case.findings.push(Finding::new(&table::UNKNOWN_STAGE, Place::line(line).marked(image), evidence, mend));
}

/// `of_others`: the ARGs of the stages before it.
fn empty_arguments(case: &mut Case<'_>, step: &Step<'_>, stage: &Stage<'_>, of_others: &Variables) {
    let (instruction, globals) = (step.instruction, &case.stages.globals);
    let escape = case.file.escape;
    let names = match instruction.keyword.as_str() {
        "RUN" if instruction.list.is_some() => return,
        "RUN" => used_by_shell(&step.commands),
        _ if !instruction.rest.contains('$') && instruction.heredocs.is_empty() => return,
        "ADD" | "COPY" | "ENV" | "LABEL" | "WORKDIR" | "USER" | "EXPOSE" | "STOPSIGNAL" | "VOLUME" | "ARG" => {
            let known = |name: &str| step.variables.get(name).cloned().unwrap_or(Value::Unset);
            let mut names = words::expand(&instruction.rest, escape, &known).names;
            for heredoc in instruction.heredocs.iter().filter(|heredoc| !heredoc.quoted) {
                names.extend(words::expand(&heredoc.content, escape, &known).names);
            }
            names
        }
        _ => return,
    };
    let undeclared = |name: &&String| (globals.has(name) || of_others.has(name)) && !step.variables.has(name);
    always_defaults(case, step);
    if !names.iter().any(|name| undeclared(&name)) {
        return;
    }
    // GOLANG_VERSION is set by golang; what an unknown base sets, nobody knows, but not what is the builder's.
    let version = format!("{}_VERSION", Reference::of(&stage.state.image).name.to_ascii_uppercase());
    let is_known = stage.state.base.is_known();
    let mounts = instruction.flags.iter().filter(|(flag, _)| flag == "mount");
    let mut mounted = BTreeSet::new();
    mounted.extend(mounts.flat_map(|(_, mount)| mount.split(',')).filter_map(|part| part.strip_prefix("env=")));
    let empty = |name: &&String| {
        undeclared(name)
            && **name != version
            && (is_known || PREDEFINED.contains(&name.as_str()))
            && !mounted.contains(name.as_str())
    };
    // The default of `${NAME:-x}` may be just for that.
    let mut defaulted = BTreeSet::new();
    defaulted.extend(defaults(&instruction.rest).map(|(name, _)| name));
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for name in names.iter().filter(empty) {
        if !told.insert(name) || defaulted.contains(name.as_str()) {
            continue;
        }
        let whose = match PREDEFINED.contains(&name.as_str()) {
            true => "the builder sets it",
            false if globals.has(name) => "it is declared before the first FROM",
            false => "it is declared in another stage",
        };
        let evidence = format!("${name} is empty in this stage: {whose}, and the stage has no ARG {name}");
        case.say(&table::EMPTY_ARG, instruction.line, evidence, format!("ARG {name} in this stage, before this line"));
    }
}

/// `${TARGETARCH:-amd64}` where the stage has no ARG for it: the default hides that nothing else is ever taken. Containers are of
/// linux, whatever TARGETOS says.
fn always_defaults(case: &mut Case<'_>, step: &Step<'_>) {
    let instruction = step.instruction;
    for (name, default) in defaults(&instruction.rest) {
        let sets = |command: &Command| {
            let mut words = command.assigned.iter().map(|(set, _)| set).chain(&command.words);
            words.any(|word| word.split('=').next() == Some(name))
        };
        if !PREDEFINED.contains(&name) || step.variables.has(name) || step.commands.iter().any(sets) {
            continue;
        }
        let is_plain = !default.is_empty() && default.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_plain && default != "linux" {
            let evidence =
                format!("${name} is empty in this stage, which has no ARG {name}: it is always its default, {default}");
            let mend = format!("ARG {name} in this stage, before this line");
            return case.say(&table::EMPTY_ARG, instruction.line, evidence, mend);
        }
    }
}

/// The names in `${NAME:-x}` and `${NAME-x}`, with what is taken where they are not set.
fn defaults(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("${").skip(1).filter_map(|inside| {
        let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let (name, rest) = inside.split_at_checked(end)?;
        let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'))?;
        Some((name, default.split('}').next().unwrap_or_default()))
    })
}

/// The variables that a shell would look up, without those that the script sets itself.
pub(super) fn used_by_shell(commands: &[Command]) -> Vec<String> {
    let mut names = Vec::new();
    let mut own: BTreeSet<&str> = BTreeSet::new();
    for command in commands {
        for used in &command.uses {
            match used.strip_suffix('=') {
                Some(name) => {
                    own.insert(name);
                }
                None if own.contains(used.as_str()) => {}
                None => names.push(used.clone()),
            }
        }
        // What these set, nobody knows.
        if matches!(command.name(), "." | "source" | "eval") {
            break;
        }
        own.extend(command.assigned.iter().map(|(name, _)| name.as_str()));
        if matches!(command.name(), "export" | "read" | "for" | "local" | "declare" | "readonly") {
            own.extend(command.words.iter().filter_map(|word| word.split('=').next()));
        }
    }
    names
}

/// Whether they compare something: by a command that does, or `sha256sum FILE | grep …`.
fn verify(commands: &[Command]) -> bool {
    let compared = |pair: &[Command]| matches!(pair, [sum, grep] if sum.name().contains("sum") && sum.end == End::Pipe && grep.name().contains("grep"));
    commands.iter().any(verifies) || commands.windows(2).any(compared)
}

/// Whether a command compares with a checksum or a signature.
fn verifies(command: &Command) -> bool {
    let any = |wanted: fn(&String) -> bool| command.words.iter().skip(1).any(wanted);
    match command.name() {
        "gpgv" => true,
        "gpg" | "cosign" | "minisign" => any(|word| word.contains("verify") || word == "-V"),
        name => {
            name.contains("sum")
                && any(|word| word.starts_with("--check") || word.starts_with('-') && word.ends_with('c'))
        }
    }
}

fn add_url(case: &mut Case<'_>, step: &Step<'_>) {
    let instruction = step.instruction.trigger.as_deref().unwrap_or(step.instruction);
    if instruction.keyword != "ADD" || instruction.flag("checksum").is_some() {
        return;
    }
    let Some((_, sources)) = step.words.split_last() else { return };
    for source in sources {
        let url = &source.text;
        // A repository at a commit is its own checksum.
        let git = url.ends_with(".git") || url.contains(".git#") || url.contains(".git?");
        let commit = url.split('/').any(|part| part.len() == 40 && part.bytes().all(|b| b.is_ascii_hexdigit()));
        // Where only the builder knows which file it is, no checksum fits all of them.
        if (url.starts_with("http://") || url.starts_with("https://")) && !git && !commit && !source.unknown {
            let mend = "ADD --checksum=sha256:… URL, or download and verify in the build stage";
            case.say(
                &table::ADD_URL,
                instruction.line,
                format!("{url} is downloaded as it is on the day of the build"),
                mend,
            );
        }
    }
}

/// What a variable is, if that is known.
pub(super) fn text<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
    match variables.get(name) {
        Some(Value::Text(text)) => Some(text),
        Some(Value::Unknown | Value::Unset) | None => None,
    }
}
