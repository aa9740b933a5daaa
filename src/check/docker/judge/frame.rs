//! Bases, arguments, and what comes from outside.

use super::Case;
use crate::check::docker::base::{Base, Reference};
use crate::check::docker::parse::Instruction;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{From, PREDEFINED, Stage, Step, Variables};
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
        let verified = stage.steps.iter().any(|step| step.commands.iter().any(verifies));
        for step in &stage.steps {
            empty_arguments(case, step, stage);
            let begun = || stages.stages.iter().any(|stage| stage.from == From::Stage(index));
            match step.instruction.trigger.as_deref() {
                // Judged where it is carried out, if that is here.
                Some(trigger) if !begun() => secrets(case, trigger, index, &own, &step.variables),
                Some(_) => {}
                None => secrets(case, step.instruction, index, &own, &step.variables),
            }
            if !verified {
                add_url(case, step);
            }
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
            Some(tag) if moves(&reference, tag) => {
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
fn moves(reference: &Reference<'_>, tag: &str) -> bool {
    let number = tag.split('-').next().unwrap_or_default();
    let version = number.starts_with(|c: char| c.is_ascii_digit());
    // 20250108 is a day.
    let day = number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_digit());
    match reference.name {
        _ if day => false,
        "golang" if reference.is_hubs_own() => !version || number == "1",
        "alpine" | "busybox" if reference.is_hubs_own() => !version || !number.contains('.'),
        // Debian's and Ubuntu's names are releases; distroless' are architectures and users.
        _ => matches!(tag, "latest" | "edge" | "stable" | "main" | "master" | "nightly" | "stable-slim"),
    }
}

fn empty_arguments(case: &mut Case<'_>, step: &Step<'_>, stage: &Stage<'_>) {
    let (instruction, globals) = (step.instruction, &case.stages.globals);
    let escape = case.file.escape;
    let names = match instruction.keyword.as_str() {
        "RUN" if instruction.list.is_some() => return,
        "RUN" => used_by_shell(&step.commands),
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
    // GOLANG_VERSION is set by golang; what an unknown base sets, nobody knows, but not what is the builder's.
    let version = format!("{}_VERSION", Reference::of(&stage.state.image).name.to_ascii_uppercase());
    let is_known = stage.state.base != Base::default();
    let mounted = |name: &str| {
        let mut mounts = instruction.flags.iter().filter(|(flag, _)| flag == "mount");
        mounts.any(|(_, mount)| mount.split(',').any(|part| part.strip_prefix("env=") == Some(name)))
    };
    let empty = |name: &&String| {
        globals.has(name)
            && !step.variables.has(name)
            && **name != version
            && (is_known || PREDEFINED.contains(&name.as_str()))
            && !mounted(name)
    };
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
        let whose = if PREDEFINED.contains(&name.as_str()) {
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

/// Whether a variable of that name holds a secret that is written there.
pub(crate) fn is_secret(name: &str, value: &str) -> bool {
    is_secrets_name(name) && is_secrets_value(value)
}

/// Names under which people keep secrets.
fn is_secrets_name(name: &str) -> bool {
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

/// Not the path of a file that holds it, and not a switch: USE_TOKEN=true.
fn is_secrets_value(value: &str) -> bool {
    let path = value.strip_prefix('/').is_some_and(|rest| rest.contains(['/', '.']));
    !path && boolean(value).is_err()
}

fn secrets(case: &mut Case<'_>, instruction: &Instruction, index: usize, shipped: &[&Step<'_>], known: &Variables) {
    if !matches!(instruction.keyword.as_str(), "ARG" | "ENV") {
        return;
    }
    let last = || shipped.iter().any(|own| std::ptr::eq(own.instruction, instruction));
    let lookup = |name: &str| known.get(name).cloned().unwrap_or(Value::Unset);
    for word in words::split(&instruction.rest, case.file.escape) {
        // `ENV NAME the whole rest`, the old form, has one name only.
        let old = instruction.keyword == "ENV" && !word.raw.contains('=');
        let rest = || instruction.rest.get(word.raw.len()..).unwrap_or_default().trim();
        let (name, value) = word.raw.split_once('=').unwrap_or_else(|| (&word.raw, if old { rest() } else { "" }));
        let value = words::expand(value, case.file.escape, &lookup);
        // An ARG without a value is given one by the builder; so may what is unknown.
        let given = value.text.is_empty() && (instruction.keyword == "ARG" || value.unknown);
        if is_secrets_name(name) && (given || is_secrets_value(&value.text)) {
            let evidence = format!(
                "{} {name}: its value stays in the image, or in the history of stage {index}",
                instruction.keyword
            );
            let mend = "RUN --mount=type=secret,id=… for the build; an environment variable or a file at run time";
            let finding = Finding::new(&table::SECRET_IN_ENV, Place::line(instruction.line), evidence, mend);
            case.findings.push(if last() { finding } else { finding.at(Severity::Note) });
        }
        if old {
            return;
        }
    }
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
