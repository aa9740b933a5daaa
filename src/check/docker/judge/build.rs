//! How the program is built: cgo, flags, the order of copying, what the context sends.

use super::frame::text;
use super::{Case, has_toolchain};
use crate::check::docker::base::Libc;
use crate::check::docker::script::{Command, End};
use crate::check::docker::stage::{From, Stage, Stages, Step, Variables};
use crate::check::docker::words::{self, Value};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::table;

/// A `go build` or `go install` of the own module.
struct Build<'a> {
    line: u32,
    /// Its arguments, after `build`.
    arguments: Vec<&'a str>,
    /// What was set for this command alone, and exported before it in the same RUN.
    set: Vec<(String, String)>,
    /// Set before it, in the shell alone.
    lost: bool,
    variables: &'a Variables,
    stage: usize,
}

impl Build<'_> {
    /// A variable as this command sees it.
    fn value(&self, name: &str) -> Option<&str> {
        let set = self.set.iter().rev().find(|(set, _)| set == name).map(|(_, value)| value.as_str());
        set.or_else(|| text(self.variables, name))
    }

    /// The values of a flag, whichever way it is written, with what is known of their variables.
    fn flag(&self, name: &str) -> Option<words::Expanded> {
        let mut found = None;
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            let Some(bare) = word.strip_prefix('-').map(|word| word.strip_prefix('-').unwrap_or(word)) else {
                continue;
            };
            if bare == name {
                found = words.next().copied();
            } else if let Some(value) = bare.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
                found = Some(value);
            }
        }
        found.map(|value| self.expand(value))
    }

    /// The program's name, as far as it is written here.
    fn output(&self) -> String {
        let output = self.flag("o").map(|output| output.text);
        let output = output.as_deref().or(self.arguments.last().copied()).unwrap_or_default();
        output.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
    }

    fn expand(&self, value: &str) -> words::Expanded {
        let lookup = |name: &str| match self.value(name) {
            Some(value) => Value::Text(value.to_owned()),
            None => self.variables.get(name).cloned().unwrap_or(Value::Unknown),
        };
        let mut expanded = words::expand(value, '\\', &lookup);
        // What is unknown inside of a word (-X main.version=$VERSION) can be no flag of its own.
        let bare = |word: &str| word.trim_start_matches(['"', '\'']).starts_with(['$', '`']);
        let unknown = |word: &str| bare(word) && (word.starts_with("$(") || words::expand(word, '\\', &lookup).unknown);
        expanded.unknown = value.split_whitespace().any(unknown) || value.starts_with('`');
        expanded
    }
}

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
    for at in behind {
        let Some(stage) = stages.stages.get(at) else { continue };
        find(stage, at, &mut builds, &mut others);
        if begun.get(at) == Some(&false) {
            order(case, stage, &stages.chain(at));
        }
    }
    if let (true, Some((line, what))) = (builds.is_empty(), others.first()) {
        let evidence = format!("{what} builds the program, and what that does is not written here");
        let mend = "goward check in the image looks at the program itself: RUN [\"/goward\", \"check\", \"/server\"]";
        case.say(&table::CANNOT_TELL, *line, evidence, mend);
    }
    let several = builds.len() > 1;
    for build in builds.iter().filter(|build| !several || !is_aside(stages, build, shipped)) {
        cgo(case, build, shipped);
        flags(case, build);
        target(case, build);
    }
}

/// Whether a stage runs a program of that name.
fn ran(stage: &Stage<'_>, name: &str) -> bool {
    let named = !matches!(name, "" | "." | "...");
    named && stage.steps.iter().flat_map(|step| &step.commands).any(|command| command.name() == name)
}

/// One of several builds that is not for the image: a generator, or `go build ./...`, which only looks whether all compiles.
fn is_aside(stages: &Stages<'_>, build: &Build<'_>, shipped: &Stage<'_>) -> bool {
    let output = build.output();
    let mut sources = shipped.state.copies.iter().flat_map(|copied| &copied.sources);
    let copied = sources.any(|source| source.rsplit('/').next() == Some(&output));
    let runs = stages.stages.get(build.stage).is_some_and(|stage| ran(stage, &output));
    (runs && !copied) || matches!(output.as_str(), "..." | "std")
}

/// The builds of a stage, and the tools that may build there.
fn find<'a>(stage: &'a Stage<'_>, at: usize, builds: &mut Vec<Build<'a>>, others: &mut Vec<(u32, String)>) {
    // `go env -w` is kept for the RUNs that follow; `export` is not.
    let mut kept: Vec<(String, String)> = Vec::new();
    for step in &stage.steps {
        let mut exported = kept.clone();
        let mut lost = false;
        let mut alone: Vec<(String, String)> = Vec::new();
        for command in &step.commands {
            let (set, words) = bare(command);
            match words.as_slice() {
                [] => {
                    alone.extend(set.iter().cloned());
                    // Assigning to what is exported already does reach the build.
                    let (known, new): (Vec<_>, Vec<_>) = set.into_iter().partition(|(name, _)| {
                        step.variables.has(name) || exported.iter().any(|(exported, _)| exported == name)
                    });
                    exported.extend(known);
                    lost |= new.iter().any(|(name, value)| name == "CGO_ENABLED" && value == "0")
                        && command.end != End::Background;
                }
                ["export", rest @ ..] => {
                    for word in rest {
                        match word.split_once('=') {
                            Some((name, value)) => exported.push((name.to_owned(), value.to_owned())),
                            None => exported.extend(alone.iter().filter(|(name, _)| name == word).cloned()),
                        }
                    }
                }
                ["go", "env", "-w", rest @ ..] => {
                    let pairs = rest.iter().filter_map(|word| word.split_once('='));
                    kept.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
                    exported.extend(kept.clone());
                }
                [go, verb @ ("build" | "install"), rest @ ..] if is_go(go) => {
                    // `go install tool@version` is a tool for the build, not the program.
                    let tool = *verb == "install" && rest.iter().any(|word| word.contains('@'));
                    let archive = rest.iter().any(|word| {
                        word.starts_with("-buildmode=") && !word.ends_with("pie") && !word.ends_with("exe")
                    });
                    if !tool && !archive {
                        let set = exported.iter().cloned().chain(set).collect();
                        let line = step.instruction.line;
                        builds.push(Build {
                            line,
                            arguments: rest.to_vec(),
                            set,
                            lost,
                            variables: &step.variables,
                            stage: at,
                        });
                    }
                }
                [program, rest @ ..] => {
                    if let Some(what) = builder(program, rest).filter(|_| has_toolchain(stage)) {
                        others.push((step.instruction.line, what));
                    }
                }
            }
        }
    }
}

/// xx-go of tonistiigi/xx is go with the target's GOARCH.
fn is_go(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("go" | "xx-go"))
}

/// A command without env, time and the like before it.
fn bare(command: &Command) -> (Vec<(String, String)>, Vec<&str>) {
    let mut set = command.assigned.clone();
    let mut words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    while let Some(first) = words.first().copied() {
        match first {
            "env" | "time" | "nice" | "exec" | "command" | "sudo" => {
                words.remove(0);
            }
            word if word.contains('=') && !word.starts_with('-') && !set.is_empty() | !command.words.is_empty() => {
                let Some((name, value)) = word.split_once('=') else { break };
                set.push((name.to_owned(), value.to_owned()));
                words.remove(0);
            }
            _ => break,
        }
    }
    // Wherever it is, and whatever directory it goes to first.
    if words.first().is_some_and(|first| is_go(first) && first.ends_with("/go")) {
        words.splice(..1, ["go"]);
    }
    if words.first().is_some_and(|first| is_go(first)) {
        match words.get(1).copied() {
            Some("-C") => drop(words.drain(1..3.min(words.len()))),
            Some(word) if word.starts_with("-C=") => drop(words.remove(1)),
            Some(_) | None => {}
        }
    }
    (set, words)
}

/// Whether a command builds a program of the own module.
pub(super) fn builds(command: &Command) -> bool {
    let (_, words) = bare(command);
    matches!(words.as_slice(), ["go" | "xx-go", "build" | "install", rest @ ..] if !rest.iter().any(|word| word.contains('@')))
}

/// Where the sources are copied with everything else, unless .dockerignore says what may come.
pub(super) fn sources_come(case: &Case<'_>, steps: &[&Step<'_>]) -> Option<u32> {
    let step = steps.iter().find(|step| sources(step).iter().any(|source| is_everything(&source.text)))?;
    let picks =
        |text: &str| text.lines().any(|line| matches!(line.trim().trim_matches('/'), "*" | "**" | "*.go" | "**/*.go"));
    (case.context)("go.mod")?;
    (!(case.context)(".dockerignore").is_some_and(|text| picks(&text))).then_some(step.instruction.line)
}

/// A tool or a script that may build the program.
fn builder(program: &str, arguments: &[&str]) -> Option<String> {
    let name = program.rsplit('/').next().unwrap_or_default();
    match name {
        "make" | "gmake" | "mage" | "task" | "just" | "goreleaser" | "bazel" | "bazelisk" | "ninja" | "cmake"
        | "earthly" => Some(name.to_owned()),
        "sh" | "bash" | "ash" => {
            arguments.iter().find(|word| !word.starts_with('-') && word.ends_with(".sh")).map(|word| (*word).to_owned())
        }
        _ if program.contains('/') && (name.ends_with(".sh") || name.contains("build")) => Some(program.to_owned()),
        _ => None,
    }
}

fn cgo(case: &mut Case<'_>, build: &Build<'_>, shipped: &Stage<'_>) {
    let stages = case.stages;
    let Some(stage) = stages.stages.get(build.stage) else { return };
    let base = &stage.state.base;
    let set = build.value("CGO_ENABLED");
    if build.lost && set != Some("0") {
        let evidence = "CGO_ENABLED=0 is set before && or ; and not exported: go build does not see it";
        case.say(
            &table::CGO_NOT_SET,
            build.line,
            evidence,
            "CGO_ENABLED=0 go build …, in one command, or ENV CGO_ENABLED=0",
        );
    } else if set.is_none() && exported_elsewhere(stage, build.line) {
        let evidence = "CGO_ENABLED=0 is exported in another RUN, and ends with that";
        case.say(
            &table::CGO_NOT_SET,
            build.line,
            evidence,
            "CGO_ENABLED=0 go build …, in one command, or ENV CGO_ENABLED=0",
        );
    }
    let compilers = ["gcc", "build-base", "build-essential", "clang", "g++"];
    let compiler = base.compiler.map(|there| there || compilers.iter().any(|name| stage.state.has_package(name)));
    let on = match (set, compiler) {
        (Some(value), _) => !matches!(value, "0") && !value.contains('$'),
        (None, _) if matches!(build.variables.get("CGO_ENABLED"), Some(Value::Unknown)) => false,
        (None, Some(compiler)) => compiler,
        (None, None) => false,
    };
    let ldflags = build.flag("ldflags").unwrap_or_default();
    let is_static = ldflags.text.contains("-static") || ldflags.unknown && ldflags.text.contains("-extldflags");
    // zig cc and musl-gcc link what they please.
    let plain = match build.value("CC") {
        Some(cc) => {
            let program = cc.split_whitespace().next().unwrap_or_default();
            !program.contains("musl") && ["gcc", "clang", "cc"].iter().any(|name| program.ends_with(name))
        }
        None => !build.variables.has("CC"),
    };
    let asked = build.value("CGO_LDFLAGS").is_some_and(|flags| flags.contains("-static") || flags.contains('$'));
    if !on || is_static || asked || !plain {
        return;
    }
    let brought = shipped
        .state
        .copies
        .iter()
        .flat_map(|copied| &copied.sources)
        .any(|source| source.contains("/lib") || source.contains("ld-"));
    let compat = ["gcompat", "libc6-compat"].iter().any(|name| shipped.state.may_have(name));
    if brought || compat || shipped.state.opaque {
        return;
    }
    let name = |libc: Libc| match libc {
        Libc::None => "no libc",
        Libc::Glibc => "glibc",
        Libc::Musl => "musl",
    };
    if let (Some(here), Some(there)) = (base.libc, shipped.state.base.libc)
        && here != there
    {
        let how = if set.is_some() { "cgo is on" } else { "cgo is on by default, as there is a C compiler" };
        let evidence =
            format!("{how}: the program needs the loader of {}, and the final stage has {}", name(here), name(there));
        let finding =
            Finding::new(&table::CGO_WITHOUT_LIBC, Place::line(build.line), evidence, "CGO_ENABLED=0 go build …");
        // With these tags Go's own packages leave C alone, others may not.
        let tags = build.flag("tags").unwrap_or_default();
        let pure = ["netgo", "osusergo"].iter().all(|tag| tags.text.contains(tag));
        case.findings.push(if pure { finding.at(Severity::Warning) } else { finding });
    }
}

/// `RUN export CGO_ENABLED=0` as an instruction of its own.
fn exported_elsewhere(stage: &Stage<'_>, line: u32) -> bool {
    let exports =
        |command: &Command| command.name() == "export" && command.words.iter().any(|word| word == "CGO_ENABLED=0");
    stage.steps.iter().any(|step| step.instruction.line != line && step.commands.iter().any(exports))
}

fn flags(case: &mut Case<'_>, build: &Build<'_>) {
    let goflags = build.value("GOFLAGS").map(|flags| build.expand(flags)).unwrap_or_default();
    let ldflags = build.flag("ldflags").unwrap_or_default();
    let unknown = ldflags.unknown || goflags.unknown || matches!(build.variables.get("GOFLAGS"), Some(Value::Unknown));
    let has = |flag: &str| {
        ldflags.text.split_whitespace().any(|word| word.trim_matches(['"', '\'']) == flag)
            || goflags.text.contains(&format!("={flag}"))
    };
    let stripped_later = case.stages.stages.get(build.stage).is_some_and(|stage| {
        let strips = |command: &Command| matches!(command.name(), "strip" | "upx" | "llvm-strip");
        stage.steps.iter().any(|step| step.commands.iter().any(strips))
    });
    if !has("-s") && !unknown && !stripped_later {
        case.say(
            &table::NOT_STRIPPED_BUILD,
            build.line,
            "no -s in -ldflags",
            "go build -trimpath -ldflags=\"-s -w\" …",
        );
    }
    let stamped = ldflags.text.contains("-X") || goflags.text.contains("-X");
    if !stamped && !unknown {
        let mend = "ARG VERSION, and -ldflags=\"-X main.version=${VERSION}\"";
        case.say(&table::NO_VERSION_BUILD, build.line, "no -X in -ldflags", mend);
    }
}

/// A toolchain of the build machine builds for it, unless told otherwise.
fn target(case: &mut Case<'_>, build: &Build<'_>) {
    let Some(stage) = case.stages.stages.get(build.stage) else { return };
    let foreign = stage.platform.as_deref().is_some_and(|platform| platform.contains("BUILDPLATFORM"));
    let told = build.set.iter().any(|(name, _)| name == "GOARCH") || build.variables.has("GOARCH");
    // A generator runs where it is built.
    let tool = ran(stage, build.output().as_str()) || (build.arguments.is_empty() && build.set.is_empty());
    let xx = stage.steps.iter().flat_map(|step| &step.commands).any(|command| command.name().starts_with("xx-"));
    if foreign && !told && !tool && !xx {
        let evidence = "the stage runs on the build machine's platform, and GOARCH is not set";
        let mend = "ARG TARGETOS TARGETARCH, and GOOS=$TARGETOS GOARCH=$TARGETARCH go build …";
        case.say(&table::WRONG_ARCHITECTURE_BUILD, build.line, evidence, mend);
    }
}

/// The files of the context that a COPY takes.
fn sources<'a>(step: &'a Step<'_>) -> &'a [words::Expanded] {
    let from_context = step.instruction.keyword == "COPY" || step.instruction.keyword == "ADD";
    match step.words.split_last() {
        Some((_, sources)) if from_context && step.instruction.flag("from").is_none() => sources,
        Some(_) | None => &[],
    }
}

fn is_everything(source: &str) -> bool {
    matches!(source, "." | "./" | "/" | "*" | "./*")
}

/// A cache of the module cache, or of a directory above it.
fn holds_modules(mount: &str) -> bool {
    let target = mount.split(',').find_map(|part| match part.split_once('=')? {
        ("target" | "dst" | "destination", path) => Some(path.trim_end_matches('/')),
        _ => None,
    });
    target.is_some_and(|target| {
        target.contains("mod")
            || ["/go", "/go/pkg", "/gopath", "GOPATH", "GOPATH}", "/pkg"].iter().any(|end| target.ends_with(end))
    })
}

/// Modules before the source, go.sum with go.mod, a .dockerignore for COPY.
fn order(case: &mut Case<'_>, stage: &Stage<'_>, steps: &[&Step<'_>]) {
    let whole = steps.iter().copied().find(|step| sources(step).iter().any(|source| is_everything(&source.text)));
    if let Some(step) = whole {
        ignore_file(case, step.instruction.line);
    }
    let module = (case.context)("go.mod");
    let no_modules = module.is_some_and(|module| !module.contains("require"));
    let says = |step: &&Step<'_>| {
        let heredocs = step.instruction.heredocs.iter().map(|heredoc| &heredoc.content);
        let mut texts = std::iter::once(&step.instruction.rest).chain(heredocs);
        texts.any(|text| text.contains("-mod=vendor") || text.contains("-mod vendor"))
    };
    let vendored = (case.context)("vendor/modules.txt").is_some() || steps.iter().any(says);
    if no_modules || vendored || !has_toolchain(stage) {
        return;
    }
    let line_of = |wanted: &dyn Fn(&[&str]) -> bool| {
        let step = steps.iter().copied().find(|step| step.commands.iter().any(|command| wanted(&bare(command).1)));
        step.map(|step| step.instruction.line)
    };
    let is = |words: &[&str], line: &[&str]| {
        words.len() >= line.len() && words.iter().zip(line).all(|(word, wanted)| word == wanted)
    };
    let download = line_of(&|words| is(words, &["go", "mod", "download"]));
    let cached = steps.iter().copied().any(|step| {
        step.instruction
            .flags
            .iter()
            .any(|(name, value)| name == "mount" && value.contains("type=cache") && holds_modules(value))
    });
    let build = line_of(&|words| is(words, &["go", "build"]) || is(words, &["go", "install"]));
    let first = download.or(build);
    if let (Some(step), Some(first)) = (whole, first)
        && step.instruction.line < first
        && !cached
    {
        let evidence = match download {
            Some(_) => "COPY . stands before go mod download",
            None => "the modules are downloaded by go build, after COPY . of everything",
        };
        let mend = "COPY go.mod go.sum ./ and RUN go mod download first, then COPY . .";
        case.say(&table::SOURCE_FIRST, step.instruction.line, evidence, mend);
    }
    let names = |step: &Step<'_>, file: &str| {
        sources(step).iter().any(|source| {
            let last = source.text.rsplit('/').next().unwrap_or_default();
            // go.*, go.sum*, *
            source.unknown
                || is_everything(&source.text)
                || last == file
                || last.strip_suffix('*').is_some_and(|start| file.starts_with(start))
                || (last.is_empty() && source.text.len() > 1)
        })
    };
    let before = |step: &&Step<'_>| download.is_some_and(|line| step.instruction.line < line);
    let copied = |file: &str| steps.iter().copied().filter(before).any(|step| names(step, file));
    let bound = stage
        .steps
        .iter()
        .any(|step| step.instruction.flags.iter().any(|(name, value)| name == "mount" && value.contains("type=bind")));
    if let Some(line) = download.filter(|_| copied("go.mod") && !copied("go.sum") && !bound) {
        case.say(&table::NO_GO_SUM, line, "go.mod was copied, and go.sum was not", "COPY go.mod go.sum ./");
    }
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
