//! Instructions to stages: what each begins with, what it adds, who it is and what it starts in the end. Pure.

use super::Context;
use super::base::{self, Base, Shell};
use super::effects::{self, absolute, installed};
use super::parse::{Dockerfile, Instruction};
use super::script::Command;
pub(crate) use super::variables::Variables;
use super::variables::{declare, environment, expand};
use super::words::{self, Expanded, Value};
use crate::check::launch::base_name;
use std::cell::Cell;
use std::rc::Rc;

/// From where a stage begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image; what its name is made of may be known only when it is built.
    Image(Expanded),
}

/// A stage.
#[derive(Clone, Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) line: u32,
    pub(crate) name: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) from: From,
    /// What follows FROM.
    pub(crate) steps: Vec<Step<'a>>,
    /// Stages that it copies or mounts from.
    pub(crate) uses: Vec<usize>,
    /// Images that it copies from, and where.
    pub(crate) images: Vec<(String, u32)>,
    /// What has become of it.
    pub(crate) state: State,
}

/// An instruction, and what was known when it came.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) instruction: &'a Instruction,
    pub(crate) variables: Variables,
    /// What RUN runs.
    pub(crate) commands: Vec<Command>,
    /// With their variables replaced: what COPY and ADD copy, the last one is where to.
    pub(crate) words: Vec<Expanded>,
}

/// What a stage is, with all that it has from the stage it begins with.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) base: Base,
    pub(crate) image: String,
    pub(crate) user: Option<(Expanded, u32)>,
    pub(crate) entrypoint: Option<Started>,
    pub(crate) cmd: Option<Started>,
    pub(crate) health: Option<Started>,
    pub(crate) stop: Option<(String, u32)>,
    pub(crate) ports: Vec<(u16, u32)>,
    pub(crate) workdir: Option<String>,
    /// Another shell for the shell form.
    pub(crate) shell: Option<Vec<String>>,
    pub(crate) variables: Variables,
    pub(crate) packages: Vec<Rc<str>>,
    /// Files came of which nothing is known: a directory onto /, an archive, what a script does. What seems missing may be there.
    pub(crate) opaque: bool,
    /// What was copied where to.
    pub(crate) copies: Vec<Rc<Copied>>,
}

/// A COPY or ADD.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    pub(crate) sources: Vec<String>,
    /// From the root; a slash at the end says that it is a directory.
    pub(crate) to: String,
    pub(crate) from_context: bool,
    /// What a heredoc writes there.
    pub(crate) written: Option<String>,
}

/// A command line in ENTRYPOINT, CMD or HEALTHCHECK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) line: u32,
    pub(crate) form: Form,
}

/// The two forms of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A list in JSON.
    Exec(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

/// The values that only the builder knows, there without a declaration for FROM and after one in a stage.
pub(crate) const PREDEFINED: [&str; 8] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];
/// All stages, and what was declared before the first of them.
#[derive(Debug)]
pub(crate) struct Stages<'a> {
    pub(crate) stages: Vec<Stage<'a>>,
    pub(crate) globals: Variables,
    /// What cannot be built.
    pub(crate) problems: Vec<(u32, String)>,
    /// The first stage of more than anybody has. Nothing is said of such a file, for its end is not known.
    pub(crate) too_many: Option<u32>,
    /// So many bytes all variables together may still add to what is written.
    room: Cell<usize>,
}

/// Each stage keeps all that it has from those before it.
const MOST: usize = 500;
/// What the variables of one file may add.
const ROOM: usize = 4 << 20;

/// Follows the instructions.
pub(crate) fn follow<'a>(file: &'a Dockerfile, context: Context<'_>) -> Stages<'a> {
    let (stages, problems) = (Vec::new(), Vec::new());
    let mut all = Stages { stages, globals: Variables::default(), problems, too_many: None, room: Cell::new(ROOM) };
    for name in PREDEFINED {
        all.globals.insert(name, Value::Unknown);
    }
    // What is copied is a file if it is one on the disk, or if it is started. The disk is asked so often, and not for ever.
    let mut started = Variables::default();
    for instruction in &file.instructions {
        if matches!(instruction.keyword.as_str(), "CMD" | "ENTRYPOINT") {
            instruction.list.iter().flatten().for_each(|word| started.insert(base_name(word), Value::Unset));
        }
    }
    let asked = Cell::new(0);
    let is_file = |source: &str| {
        asked.set(asked.get() + 1);
        started.has(base_name(source)) || asked.get() > 10_000 || context(source).is_some()
    };
    for instruction in &file.instructions {
        match (instruction.keyword.as_str(), all.stages.is_empty()) {
            ("FROM", _) if all.stages.len() == MOST => {
                all.too_many = Some(instruction.line);
                break;
            }
            ("FROM", _) => {
                let stage = begin(instruction, &mut all, file.escape);
                let triggers = triggers(&stage, &all);
                all.stages.push(stage);
                for instruction in triggers {
                    step(instruction, &mut all, file.escape, &is_file);
                }
            }
            ("ARG", true) => {
                declare(instruction, &mut all.globals.clone(), None, file.escape, &all.room, &mut all.globals);
            }
            (keyword, true) => {
                all.problems.push((instruction.line, format!("{keyword} before the first FROM")));
            }
            (_, false) => step(instruction, &mut all, file.escape, &is_file),
        }
    }
    if all.stages.is_empty() && !file.instructions.is_empty() {
        all.problems.push((0, "there is no FROM".to_owned()));
    }
    all
}

/// What the stage that this one begins with keeps for it.
fn triggers<'a>(stage: &Stage<'a>, all: &Stages<'a>) -> Vec<&'a Instruction> {
    let From::Stage(at) = stage.from else { return Vec::new() };
    let steps = all.stages.get(at).map(|stage| stage.steps.as_slice()).unwrap_or_default();
    steps.iter().filter_map(|step| step.instruction.trigger.as_deref()).collect()
}

fn begin<'a>(instruction: &'a Instruction, all: &mut Stages<'a>, escape: char) -> Stage<'a> {
    let expand = |text: &str| expand(text, escape, &all.globals, &all.room);
    let parts: Vec<&str> = instruction.rest.split(words::is_blank).filter(|part| !part.is_empty()).collect();
    let image = expand(parts.first().copied().unwrap_or_default());
    let name = match parts.get(1..) {
        Some([]) | None => None,
        Some([word, name]) if word.eq_ignore_ascii_case("as") => Some(name.to_ascii_lowercase()),
        Some(_) => {
            all.problems.push((instruction.line, "FROM takes an image, and AS with a name".to_owned()));
            None
        }
    };
    let wanted = image.text.to_ascii_lowercase();
    let earlier = all.stages.iter().position(|stage| stage.name.as_deref() == Some(&wanted));
    let (from, state) = match earlier {
        Some(at) => (From::Stage(at), all.stages.get(at).map(|stage| stage.state.clone()).unwrap_or_default()),
        None if image.text == "scratch" => {
            (From::Scratch, State { base: base::scratch(), image: image.text, ..State::default() })
        }
        None if image.text.is_empty() && !image.unknown => {
            all.problems.push((instruction.line, "FROM names no image: its variables are empty".to_owned()));
            (From::Image(Expanded { unknown: true, ..image }), State::default())
        }
        None if !image.unknown && (image.text.ends_with([':', '@']) || image.text.contains(":@")) => {
            let problem = format!("FROM {} names no image: a variable in it is empty", image.text);
            all.problems.push((instruction.line, problem));
            (From::Image(Expanded { unknown: true, ..image }), State::default())
        }
        None => {
            let base = if image.unknown { Base::default() } else { base::known(&image.text) };
            (From::Image(image.clone()), State { base, image: image.text, ..State::default() })
        }
    };
    let inherited = match from {
        From::Stage(at) => all.stages.get(at).and_then(|stage| stage.platform.clone()),
        From::Scratch | From::Image(_) => None,
    };
    let platform = instruction.flag("platform").map(str::to_owned).or(inherited);
    let (uses, images) = (Vec::new(), Vec::new());
    Stage { line: instruction.line, name, platform, from, steps: Vec::new(), uses, images, state }
}

fn step<'a>(instruction: &'a Instruction, all: &mut Stages<'a>, escape: char, is_file: &dyn Fn(&str) -> bool) {
    let Some((stage, earlier)) = all.stages.split_last_mut() else { return };
    let before = stage.state.variables.clone();
    let expand = |text: &str| expand(text, escape, &before, &all.room);
    let mut done = Step { instruction, variables: before.clone(), commands: Vec::new(), words: Vec::new() };
    let started = || Started {
        line: instruction.line,
        form: match &instruction.list {
            Some(list) => Form::Exec(list.clone()),
            None => Form::Shell(instruction.rest.clone()),
        },
    };
    let expanded_words = |instruction: &Instruction| -> Vec<Expanded> {
        let split = || words::split(&instruction.rest, escape).into_iter().map(|word| word.raw).collect();
        instruction.list.clone().unwrap_or_else(split).iter().map(|word| expand(word)).collect()
    };
    match instruction.keyword.as_str() {
        "ONBUILD" => {
            let adds = instruction.trigger.as_deref().filter(|trigger| trigger.keyword == "ADD");
            done.words = adds.map(expanded_words).unwrap_or_default();
        }
        "ARG" => {
            let into = &mut stage.state.variables;
            declare(instruction, &mut before.clone(), Some(&all.globals), escape, &all.room, into);
        }
        "ENV" => environment(instruction, &expand, escape, &mut stage.state.variables),
        "USER" => stage.state.user = Some((expand(&instruction.rest), instruction.line)),
        "STOPSIGNAL" => {
            let signal = expand(&instruction.rest);
            stage.state.stop = (!signal.unknown).then_some((signal.text, instruction.line));
        }
        "WORKDIR" => {
            let expanded = expand(&instruction.rest);
            let path = if expanded.unknown { &instruction.rest } else { &expanded.text };
            stage.state.workdir = Some(absolute(stage.state.workdir.as_deref(), path));
        }
        "SHELL" => stage.state.shell = instruction.list.clone(),
        "EXPOSE" => {
            let expanded = expand(&instruction.rest);
            for word in expanded.text.split_whitespace() {
                let number = word.split('/').next().and_then(|ports| ports.rsplit(':').next()).unwrap_or_default();
                let digits = number.starts_with(|c: char| c.is_ascii_digit());
                if !digits && !expanded.unknown && expanded.names.is_empty() {
                    all.problems.push((instruction.line, format!("EXPOSE {word}: that is no port")));
                }
                let port = word.split('/').next().and_then(|port| port.split('-').next()?.parse().ok());
                stage.state.ports.extend(port.filter(|_| !word.ends_with("udp")).map(|port| (port, instruction.line)));
            }
        }
        "ENTRYPOINT" => {
            stage.state.entrypoint = Some(started());
            // As Docker does it: the base's CMD was meant for the base's ENTRYPOINT.
            let own = stage.steps.iter().any(|step| step.instruction.keyword == "CMD");
            stage.state.cmd = stage.state.cmd.take().filter(|_| own);
        }
        "CMD" => stage.state.cmd = Some(started()),
        "HEALTHCHECK" => {
            let (kind, command) = instruction.rest.split_once(char::is_whitespace).unwrap_or((&instruction.rest, ""));
            let form = instruction.list.clone().map_or_else(|| Form::Shell(command.trim().to_owned()), Form::Exec);
            let health = Started { line: instruction.line, form };
            stage.state.health = (!kind.eq_ignore_ascii_case("none")).then_some(health);
        }
        "COPY" | "ADD" => {
            done.words = expanded_words(instruction);
            effects::copy(stage, &done, earlier, &mut all.problems, &expand, is_file);
        }
        "RUN" => {
            done.commands = effects::run(instruction);
            effects::mounts(stage, instruction, earlier);
            for command in &done.commands {
                stage.state.packages.extend(installed(command).map(Rc::from));
            }
            // Without a shell no script runs, unless it brings its own.
            let runs = stage.state.base.shell != Some(Shell::None) || instruction.list.is_some();
            stage.state.opaque |= runs && effects::hide(&done.commands, &stage.state, is_file);
        }
        _ => {}
    }
    stage.steps.push(done);
}

/// Which stage a name or a number is; names win.
pub(crate) fn stage_of(from: &str, earlier: &[Stage<'_>]) -> Option<Result<usize, String>> {
    let wanted = from.to_ascii_lowercase();
    if let Some(at) = earlier.iter().position(|stage| stage.name.as_deref() == Some(&wanted)) {
        return Some(Ok(at));
    }
    let number: usize = from.parse().ok()?;
    Some(if number < earlier.len() {
        Ok(number)
    } else {
        Err(format!("--from={from}: there is no stage {number} before this one"))
    })
}

impl State {
    /// It is installed, or something of which only the build knows what.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        self.packages.iter().any(|package| **package == *name || package.contains(['$', '`']))
    }

    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.packages.iter().any(|package| **package == *name)
    }
}

impl Stages<'_> {
    /// Every stage that has a part in this one, itself too.
    pub(crate) fn behind(&self, index: usize) -> Vec<usize> {
        let mut seen = vec![false; self.stages.len()];
        let mut found = Vec::new();
        let mut open = vec![index];
        while let Some(at) = open.pop() {
            let (Some(stage), Some(seen)) = (self.stages.get(at), seen.get_mut(at)) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            found.push(at);
            open.extend(&stage.uses);
            if let From::Stage(from) = stage.from {
                open.push(from);
            }
        }
        found
    }

    /// The instructions that made this stage what it is: its own, and those of the stages it begins with.
    pub(crate) fn chain(&self, index: usize) -> Vec<&Step<'_>> {
        let mut parts = Vec::new();
        let mut at = Some(index);
        while let Some(stage) = at.and_then(|at| self.stages.get(at)) {
            parts.push(&stage.steps);
            at = match stage.from {
                From::Stage(from) => Some(from),
                From::Scratch | From::Image(_) => None,
            };
        }
        parts.into_iter().rev().flatten().collect()
    }

    /// What is shipped: the last stage, and those of the others that nobody uses and that start something themselves.
    pub(crate) fn shipped(&self) -> Vec<usize> {
        let is_used =
            |at: usize| self.stages.iter().any(|stage| stage.uses.contains(&at) || stage.from == From::Stage(at));
        let ships = |at: &usize| {
            let Some(stage) = self.stages.get(*at) else { return false };
            // A CMD may be there for tests only, unless there is nothing else.
            let bare = stage.state.base.shell == Some(Shell::None);
            let starts = stage.steps.iter().any(|step| match step.instruction.keyword.as_str() {
                "ENTRYPOINT" => true,
                "CMD" => bare,
                _ => false,
            });
            *at + 1 == self.stages.len() || (starts && !is_used(*at) && !stage.state.base.toolchain)
        };
        (0..self.stages.len()).filter(ships).collect()
    }
}
