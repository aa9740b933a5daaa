//! Bases, arguments, and what comes from outside.

use super::Case;
use crate::check::docker::base::Reference;
use crate::check::docker::parse::Instruction;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{From, Stage, Step, Variables};
use crate::check::docker::words::{self, Value};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::{support, table};
use crate::cli::options::boolean;

pub(super) fn judge(case: &mut Case<'_>, shipped: &[usize]) {
    let stages = case.stages;
    let own: Vec<&Step<'_>> = shipped.iter().flat_map(|at| stages.chain(*at)).collect();
    for (index, stage) in stages.stages.iter().enumerate() {
        base(case, stage);
        for (image, line) in &stage.images {
            // A name alone may be a context that the build names.
            if image.contains(['/', ':']) || matches!(image.as_str(), "golang" | "alpine" | "busybox" | "debian") {
                pinned(case, image, *line);
            }
        }
        for step in &stage.steps {
            empty_arguments(case, step, &stage.state.image);
            let begun = || stages.stages.iter().any(|stage| stage.from == From::Stage(index));
            match step.instruction.trigger.as_deref() {
                // Judged where it is carried out, if that is here.
                Some(trigger) if !begun() => secrets(case, trigger, index, &own),
                Some(_) => {}
                None => secrets(case, step.instruction, index, &own),
            }
            add_url(case, step);
        }
    }
}

fn base(case: &mut Case<'_>, stage: &Stage<'_>) {
    let From::Image(image) = &stage.from else { return };
    if image.unknown {
        return;
    }
    pinned(case, &image.text, stage.line);
    let reference = Reference::of(&image.text);
    if let Some(minor) = stage.state.base.go.filter(|minor| !support::go_is_supported(*minor)) {
        let (old, new, date) = (support::GO_OLDEST, support::GO_NEWEST, support::AS_OF);
        let evidence = format!("{} has Go 1.{minor}; as of {date} Go 1.{old} and 1.{new} are supported", image.text);
        case.say(&table::GO_IMAGE_UNSUPPORTED, stage.line, evidence, format!("golang:1.{new}"));
    }
    if let Some(release) = support::ended(reference.name, reference.tag.unwrap_or_default()) {
        let evidence = format!("the support of {} {release}", reference.name);
        case.say(&table::BASE_UNSUPPORTED, stage.line, evidence, format!("a newer {}", reference.name));
    }
}

fn pinned(case: &mut Case<'_>, image: &str, line: u32) {
    let reference = Reference::of(image);
    let exact = if reference.name == "golang" { "golang:1.27-alpine" } else { "a version, or better a digest" };
    if !reference.digest {
        let moving = match reference.tag {
            None => Some("has no tag, so it is latest".to_owned()),
            Some(tag) if moves(reference.name, tag) => {
                Some(format!("has the tag {tag}, which moves from version to version"))
            }
            Some(_) => None,
        };
        if let Some(moving) = moving {
            case.say(&table::UNPINNED, line, format!("{} {moving}", image), format!("name {exact}"));
        }
    }
}

/// A tag that names no version, or of golang only the first number.
fn moves(name: &str, tag: &str) -> bool {
    let number = tag.split('-').next().unwrap_or_default();
    let version = number.starts_with(|c: char| c.is_ascii_digit());
    match name {
        "golang" => !version || number == "1",
        "alpine" | "busybox" => !version || !number.contains('.'),
        // Debian's and Ubuntu's names are releases; distroless' are architectures and users.
        _ => matches!(tag, "latest" | "edge" | "stable" | "main" | "master" | "nightly" | "stable-slim"),
    }
}

fn empty_arguments(case: &mut Case<'_>, step: &Step<'_>, image: &str) {
    let (instruction, globals) = (step.instruction, &case.stages.globals);
    let escape = case.file.escape;
    let names = match instruction.keyword.as_str() {
        "RUN" if instruction.list.is_some() => return,
        "RUN" => used_by_shell(&step.commands),
        "ADD" | "COPY" | "ENV" | "LABEL" | "WORKDIR" | "USER" | "EXPOSE" | "STOPSIGNAL" | "VOLUME" | "ARG" => {
            let known = |name: &str| step.variables.get(name).cloned().unwrap_or(Value::Unset);
            words::expand(&instruction.rest, escape, &known).names
        }
        _ => return,
    };
    // GOLANG_VERSION is set by golang, NODE_VERSION by node.
    let version = format!("{}_VERSION", Reference::of(image).name.to_ascii_uppercase());
    let empty = |name: &&String| globals.has(name) && !step.variables.has(name) && **name != version;
    let mut told: Vec<&String> = Vec::new();
    for name in names.iter().filter(empty) {
        if told.contains(&name) {
            continue;
        }
        told.push(name);
        // The default of `${NAME:-x}` may be just for that.
        if instruction.rest.contains(&format!("${{{name}:-")) || instruction.rest.contains(&format!("${{{name}-")) {
            continue;
        }
        let whose = if name.starts_with("TARGET") || name.starts_with("BUILD") {
            "the builder sets it"
        } else {
            "it is declared before the first FROM"
        };
        let evidence = format!("${name} is empty in this stage: {whose}, and the stage has no ARG {name}");
        case.say(&table::EMPTY_ARG, instruction.line, evidence, format!("ARG {name} in this stage, before this line"));
    }
}

/// The variables that a shell would look up, without those that the script sets itself.
fn used_by_shell(commands: &[Command]) -> Vec<String> {
    let mut names = Vec::new();
    let mut own: Vec<&str> = Vec::new();
    for command in commands {
        for used in &command.uses {
            match used.strip_suffix('=') {
                Some(name) => own.push(name),
                None if own.contains(&used.as_str()) => {}
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

/// Names under which people keep secrets; USE_TOKEN=true holds none.
pub(crate) fn is_secret(name: &str, value: &str) -> bool {
    if !value.is_empty() && boolean(value).is_ok() {
        return false;
    }
    let name = name.to_ascii_uppercase();
    let parts: Vec<&str> = name.split('_').collect();
    if parts.contains(&"PUBLIC") {
        return false;
    }
    let word = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "CREDENTIALS", "PASSPHRASE"];
    // TOKEN_HEADER is not a token.
    parts.last().is_some_and(|last| word.contains(last))
        || ["API_KEY", "PRIVATE_KEY", "ACCESS_KEY", "SECRET_KEY"].iter().any(|pair| name.ends_with(pair))
}

fn secrets(case: &mut Case<'_>, instruction: &Instruction, index: usize, shipped: &[&Step<'_>]) {
    if !matches!(instruction.keyword.as_str(), "ARG" | "ENV") {
        return;
    }
    let last = || shipped.iter().any(|own| std::ptr::eq(own.instruction, instruction));
    for word in words::split(&instruction.rest, case.file.escape) {
        let (name, value) = word.raw.split_once('=').unwrap_or((&word.raw, ""));
        let value = words::unquoted(value, case.file.escape);
        if !is_secret(name, &value) || (instruction.keyword == "ENV" && value.is_empty()) {
            continue;
        }
        let evidence =
            format!("{} {name}: its value stays in the image, or in the history of stage {index}", instruction.keyword);
        let mend = "RUN --mount=type=secret,id=… for the build; an environment variable or a file at run time";
        let finding = Finding::new(&table::SECRET_IN_ENV, Place::line(instruction.line), evidence, mend);
        case.findings.push(if last() { finding } else { finding.at(Severity::Note) });
        // The old form has one name only.
        if !word.raw.contains('=') && instruction.keyword == "ENV" {
            return;
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
        if (url.starts_with("http://") || url.starts_with("https://")) && !git {
            let mend = "ADD --checksum=sha256:… URL, or download and verify in the build stage";
            case.say(&table::ADD_URL, instruction.line, format!("{url} is taken as it is that day"), mend);
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
