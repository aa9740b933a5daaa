//! The builds that a stage runs, and what their shell has set before them.

use super::super::bases::text;
use super::super::has_toolchain;
use super::order;
use crate::check::docker::script::{Command, End};
use crate::check::docker::stage::{Stage, Step, Variables};
use crate::check::docker::words::{self, Expanded, Value};
use crate::check::finding::Place;
use crate::check::launch::base_name;

/// So many builds nobody has: each is compared with all that is copied.
const MOST: usize = 256;
/// Nor so many variables set for one: of more nothing is known.
const MOST_SET: usize = 100;

/// A variable and what it is set to.
type Set<'a> = (&'a str, &'a str);

/// A `go build` or `go install` of the own module.
pub(super) struct Build<'a> {
    pub(super) line: u32,
    /// Its arguments, after `build`, and whether each is the value of the flag before it.
    arguments: Vec<(&'a str, bool)>,
    pub(super) installs: bool,
    /// What was set for this command alone, and exported before it in the same RUN.
    set: Vec<Set<'a>>,
    /// CGO_ENABLED=0 was set before it, in the shell alone.
    pub(super) lost: bool,
    /// Its shell read a file before it: whatever is set there.
    pub(super) unclear: bool,
    pub(super) variables: &'a Variables,
    pub(super) stage: usize,
}

/// Flags of go build without a value in the next word.
const SWITCHES: [&str; 7] = ["-a", "-v", "-x", "-race", "-work", "-trimpath", "-modcacherw"];

/// The value of a flag in one word: `-o=x`, `--o=x`.
fn value_of<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    let bare = word.strip_prefix('-')?;
    bare.strip_prefix('-').unwrap_or(bare).strip_prefix(name)?.strip_prefix('=')
}

impl Build<'_> {
    /// Its words in its line.
    pub(super) fn place(&self) -> Place {
        Place::line(self.line).marked(if self.installs { "go install" } else { "go build" })
    }

    /// A variable as this command sees it.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let set = self.set.iter().rev().find(|(set, _)| *set == name).map(|(_, value)| *value);
        set.or_else(|| text(self.variables, name))
    }

    /// Set for it, or in the stage, whatever to.
    pub(super) fn has(&self, name: &str) -> bool {
        self.set.iter().any(|(set, _)| *set == name) || self.variables.has(name)
    }

    /// A flag as it stands in the arguments; the last one counts.
    pub(super) fn written(&self, name: &str) -> Option<&str> {
        let mut found = None;
        let mut before = "";
        for (word, valued) in self.arguments.iter().copied() {
            if valued && before.trim_start_matches('-') == name {
                found = Some(word);
            } else if !valued && let Some(value) = value_of(word, name) {
                found = Some(value);
            }
            before = word;
        }
        found
    }

    /// The value of a flag, in the arguments or in GOFLAGS, with what is known of its variables.
    pub(super) fn flag(&self, name: &str) -> Option<Expanded> {
        let in_goflags = || {
            let flags = words::split(self.value("GOFLAGS")?, '\\');
            let value =
                |word: &words::Word| value_of(&words::unquoted(&word.raw, '\\'), name).map(|value| self.expand(value));
            flags.iter().rev().find_map(value)
        };
        self.written(name).map(|value| self.expand(value)).or_else(in_goflags)
    }

    /// Flags may come from what is not known: `go build $FLAGS .`, GOFLAGS, a file that the shell read.
    pub(super) fn hides_flags(&self) -> bool {
        let goflags = match self.value("GOFLAGS") {
            Some(flags) => self.is_open(&self.expand(flags)),
            None => self.variables.has("GOFLAGS"),
        };
        // What stands last is a package.
        let before_last = self.arguments.split_last().map(|(_, before)| before).unwrap_or_default();
        self.unclear || goflags || before_last.iter().any(|(word, valued)| !valued && word.starts_with(['$', '`']))
    }

    /// The package's name, where it is written.
    pub(super) fn package(&self) -> Option<&str> {
        let (last, valued) = *self.arguments.last()?;
        let mut parts = last.split('/').rev().filter(|part| !part.is_empty());
        // The program of example.com/tool/v2 is tool.
        let version = |part: &&str| part.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        let name = parts.find(|part| !version(part))?;
        let plain = !valued && !last.starts_with('-') && !name.contains(['$', '`']) && !name.ends_with(".go");
        (plain && !matches!(name, "." | ".." | "..." | "std")).then_some(name)
    }

    /// All of its packages are of other modules, as far as their names tell: `go install golang.org/x/crypto/ssh` before the
    /// sources are there. `module` is the own one, where that is known.
    pub(super) fn is_of_others(&self, module: Option<&str>) -> bool {
        let packages = || self.arguments.iter().filter(|(word, valued)| !valued && !word.starts_with('-'));
        packages().next().is_some() && packages().all(|(word, _)| is_foreign(word, module))
    }

    /// `go build main.go`: no package of the module.
    pub(super) fn is_of_files(&self) -> bool {
        self.arguments.last().is_some_and(|(last, valued)| !valued && last.ends_with(".go"))
    }

    /// `./...` and std: only looks whether all compiles.
    pub(super) fn is_all(&self) -> bool {
        self.arguments.last().is_some_and(|(last, _)| last.ends_with("...") || *last == "std")
    }

    pub(super) fn lookup(&self, name: &str) -> Value {
        match self.value(name) {
            Some(value) => Value::Text(value.into()),
            None => self.variables.get(name).cloned().unwrap_or(Value::Unknown),
        }
    }

    fn expand(&self, value: &str) -> Expanded {
        let lookup = |name: &str| self.lookup(name);
        let mut expanded = words::expand(value, '\\', &lookup);
        // What is unknown inside of a word (-X main.version=$VERSION) can be no flag of its own.
        let bare = |word: &str| word.trim_start_matches(['"', '\'']).starts_with(['$', '`']);
        let unknown = |word: &str| bare(word) && (word.starts_with("$(") || words::expand(word, '\\', &lookup).unknown);
        expanded.unknown = value.split_whitespace().any(unknown) || value.starts_with('`');
        expanded
    }

    /// Whether any variable in it is not known, wherever it stands.
    pub(super) fn is_open(&self, expanded: &Expanded) -> bool {
        expanded.unknown || expanded.names.iter().any(|name| self.value(name).is_none())
    }
}

/// What the shell of a RUN has set so far.
#[derive(Default)]
struct Shell<'a> {
    exported: Vec<Set<'a>>,
    alone: Vec<Set<'a>>,
    /// `set -a`: what is assigned is exported.
    exports: bool,
    lost: bool,
    unclear: bool,
}

impl<'a> Shell<'a> {
    fn assign(&mut self, set: Vec<Set<'a>>, variables: &Variables, end: End) {
        for (name, value) in set {
            // Assigning to what is exported already does reach the build.
            let known = variables.has(name) || self.exported.iter().any(|(exported, _)| *exported == name);
            if self.exports || known {
                self.set((name, value));
                continue;
            }
            self.lost |= name == "CGO_ENABLED" && value == "0" && end != End::Background;
            self.unclear |= self.alone.len() >= MOST_SET;
            if !self.unclear {
                self.alone.push((name, value));
            }
        }
    }

    fn export(&mut self, words: &[&'a str]) {
        for word in words {
            match word.split_once('=') {
                Some(set) => self.set(set),
                // export $(cat .env)
                None if word.starts_with(['$', '`']) => self.unclear = true,
                None => {
                    if let Some(set) = self.alone.iter().rfind(|(name, _)| name == word) {
                        self.set(*set);
                    }
                }
            }
        }
    }

    fn set(&mut self, set: Set<'a>) {
        self.unclear |= self.exported.len() >= MOST_SET;
        if !self.unclear {
            self.exported.push(set);
        }
    }
}

/// Whether a package is of another module: golang.org/x/tools/cmd/goimports.
pub(super) fn is_foreign(package: &str, module: Option<&str>) -> bool {
    let host = package.split('/').next().unwrap_or_default();
    let own = module.is_some_and(|module| {
        package.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    host.contains('.') && !host.starts_with('.') && package.contains('/') && !own
}

/// A tool or a script that may build the program.
pub(super) struct Other {
    pub(super) line: u32,
    pub(super) what: String,
    /// Of a script only its name is known.
    pub(super) is_script: bool,
    /// Where the context was copied last before it; u32::MAX where all of it was.
    pub(super) copied: u32,
    /// It is asked for a program.
    pub(super) makes: bool,
    pub(super) stage: usize,
}

/// The builds of a stage, and the tools that may build there.
pub(super) fn find<'a>(stage: &'a Stage<'_>, at: usize, builds: &mut Vec<Build<'a>>, others: &mut Vec<Other>) {
    // `go env -w` is kept for the RUNs that follow; `export` is not.
    let mut kept: Vec<Set<'_>> = Vec::new();
    let mut copied = 0;
    for step in &stage.steps {
        if step.place.is_some() && step.instruction.flag("from").is_none() {
            copied = if copied == u32::MAX || order::takes_all(step) { u32::MAX } else { step.instruction.line };
        }
        let mut shell = Shell { exported: kept.clone(), unclear: kept.len() >= MOST_SET, ..Shell::default() };
        for command in &step.commands {
            let (set, words) = bare(command);
            match words.as_slice() {
                [] => shell.assign(set, &step.variables, command.end),
                ["set", rest @ ..] => {
                    let all = |word: &&str| *word == "allexport" || (word.starts_with('-') && word.contains('a'));
                    shell.exports |= rest.iter().any(all);
                }
                ["export" | "declare" | "typeset", rest @ ..] => shell.export(rest),
                // What these set, nobody knows.
                ["." | "source" | "eval", ..] => shell.unclear = true,
                ["go", "env", "-w", rest @ ..] => {
                    for set in rest.iter().filter_map(|word| word.split_once('=')) {
                        if kept.len() < MOST_SET {
                            kept.push(set);
                        }
                        shell.set(set);
                    }
                }
                [go, verb @ ("build" | "install"), rest @ ..] if is_go(go) => {
                    if builds.len() < MOST && is_program(verb, rest) {
                        builds.push(build(step, at, &shell, set, verb, rest));
                    }
                }
                [program, rest @ ..] => {
                    let made = |program: &str| stage.outputs.iter().any(|made| base_name(made) == base_name(program));
                    let other = builder(program, rest).filter(|_| has_toolchain(stage) && !made(program));
                    others.extend(other.map(|(what, is_script)| Other {
                        line: step.instruction.line,
                        what,
                        is_script,
                        copied,
                        makes: makes(rest),
                        stage: at,
                    }));
                }
            }
        }
    }
}

fn build<'a>(
    step: &'a Step<'_>,
    stage: usize,
    shell: &Shell<'a>,
    set: Vec<Set<'a>>,
    verb: &str,
    words: &[&'a str],
) -> Build<'a> {
    let mut arguments = Vec::new();
    let mut valued = false;
    for word in words {
        arguments.push((*word, valued));
        valued = !valued && word.starts_with('-') && !word.contains('=') && !SWITCHES.contains(word);
    }
    Build {
        line: step.instruction.line,
        arguments,
        installs: verb == "install",
        set: [shell.exported.as_slice(), &set].concat(),
        lost: shell.lost,
        unclear: shell.unclear,
        variables: &step.variables,
        stage,
    }
}

/// `go install tool@version` is a tool for the build, -buildmode=c-archive makes no program.
fn is_program(verb: &str, arguments: &[&str]) -> bool {
    let tool = verb == "install" && (arguments.iter().any(|word| word.contains('@')) || arguments.contains(&"tool"));
    let archive = |word: &&str| word.starts_with("-buildmode=") && !word.ends_with("pie") && !word.ends_with("exe");
    !tool && !arguments.iter().any(archive)
}

/// Whether a command can be one of go's, whatever stands before it.
pub(super) fn names_go(command: &Command) -> bool {
    command.words.iter().any(|word| is_go(word))
}

/// xx-go of tonistiigi/xx is go with the target's GOARCH.
fn is_go(word: &str) -> bool {
    word.ends_with("go") && matches!(base_name(word), "go" | "xx-go")
}

/// A command without env, time and the like before it.
pub(super) fn bare(command: &Command) -> (Vec<Set<'_>>, Vec<&str>) {
    let mut set: Vec<Set<'_>> = Vec::new();
    set.extend(command.assigned.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut rest = command.words.as_slice();
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "env" | "time" | "nice" | "exec" | "command" | "sudo" => {}
            word if word.contains('=') && !word.starts_with('-') => set.extend(word.split_once('=')),
            _ => break,
        }
        rest = after;
    }
    let mut words: Vec<&str> = rest.iter().map(String::as_str).collect();
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

/// Whether what a tool is asked for sounds like a program: `make`, `make build`, not `make generate` or `make test`.
fn makes(arguments: &[&str]) -> bool {
    const ASIDE: [&str; 7] = ["clean", "test", "lint", "check", "build-front", "build-web", "build-ui"];
    let mut goals = arguments.iter().filter(|word| !word.starts_with('-') && !word.contains('=')).peekable();
    let aside = |goal: &&str| ASIDE.iter().any(|word| goal.starts_with(word));
    let builds = |goal: &&str| ["build", "release", "binar", "linux", "server"].iter().any(|word| goal.contains(word));
    goals.peek().is_none() || goals.any(|goal| *goal == "all" || builds(goal) && !aside(goal))
}

/// `make clean`
fn only_cleans(arguments: &[&str]) -> bool {
    let mut goals = arguments.iter().filter(|word| !word.starts_with('-') && !word.contains('=')).peekable();
    goals.peek().is_some() && goals.all(|goal| goal.ends_with("clean"))
}

/// A tool or a script that may build the program, and whether it is a script.
pub(super) fn builder(program: &str, arguments: &[&str]) -> Option<(String, bool)> {
    let name = program.rsplit('/').next().unwrap_or_default();
    match name {
        "make" | "gmake" if only_cleans(arguments) => None,
        "make" | "gmake" | "mage" | "task" | "just" | "goreleaser" | "bazel" | "bazelisk" | "ninja" | "cmake"
        | "earthly" => Some((name.to_owned(), false)),
        "sh" | "bash" | "ash" => {
            let script = arguments.iter().find(|word| !word.starts_with('-') && word.ends_with(".sh"));
            script.map(|script| ((*script).to_owned(), true))
        }
        _ if program.contains('/') && (name.ends_with(".sh") || name.contains("build")) => {
            Some((program.to_owned(), true))
        }
        _ => None,
    }
}
