//! Instructions to stages: what each begins with, what it adds, who it is and what it starts in the end. Pure.

use super::base::{self, Base, Reference, Shell};
use super::effects::{self, absolute, installed};
use super::parse::{Dockerfile, Instruction};
use super::script::Command;
pub(crate) use super::variables::Variables;
use super::variables::{argument, declare, environment, expand, given};
use super::words::{self, Expanded, Value};
use super::{Context, Wanted};
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
    /// Where its builds write their programs.
    pub(crate) outputs: Vec<Rc<str>>,
    /// It has a CMD of its own.
    has_cmd: bool,
    /// How long the instructions are that made it, with those of the stages that it begins with.
    pub(crate) length: usize,
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
    /// From the root on, where COPY and ADD copy it to.
    pub(crate) place: Option<String>,
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
    /// Its --timeout, if it has one.
    pub(crate) health_timeout: Option<String>,
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
    pub(crate) line: u32,
    pub(crate) sources: Vec<String>,
    /// Something of it is known only when it is built.
    pub(crate) unknown: bool,
    /// From the root; a slash at the end says that it is a directory.
    pub(crate) to: String,
    pub(crate) from_context: bool,
    /// The stage that it is copied from.
    pub(crate) stage: Option<usize>,
    /// It is given a mode.
    pub(crate) has_mode: bool,
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
    /// What some builders refuse.
    pub(crate) doubtful: Vec<(u32, String)>,
    /// Where there is more than anybody has. Nothing is said of such a file, for its end is not known.
    pub(crate) too_much: Option<u32>,
    /// So many bytes may still be looked at again.
    work: Cell<usize>,
    /// So many bytes all variables together may still add to what is written.
    room: Cell<usize>,
}

/// Each stage keeps all that it has from those before it.
const MOST: usize = 500;
/// A stage builds no more programs.
const MOST_OUTPUTS: usize = 500;
/// What the variables of one file may add.
const ROOM: usize = 4 << 20;
/// What a stage has from the one it begins with is looked at for each of them, and directories are joined with each other: in
/// all so many bytes.
const WORK: usize = 32 << 20;

/// Follows the instructions.
pub(crate) fn follow<'a>(file: &'a Dockerfile, context: Context<'_>, wanted: &Wanted) -> Stages<'a> {
    let arguments = wanted.arguments.as_slice();
    let (stages, problems) = (Vec::new(), Vec::new());
    let (room, work) = (Cell::new(ROOM), Cell::new(WORK));
    let mut all =
        Stages { stages, globals: Variables::default(), problems, doubtful: Vec::new(), too_much: None, work, room };
    for name in PREDEFINED {
        all.globals.insert(name, Value::Unknown);
    }
    for (name, value) in arguments.iter().filter(|(name, _)| PREDEFINED.contains(&name.as_str())) {
        all.globals.insert(name, argument(value));
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
        started.has(base_name(source)) || asked.get() > 10_000 || context.text(source).is_some()
    };
    for instruction in &file.instructions {
        match (instruction.keyword.as_str(), all.stages.is_empty()) {
            ("FROM", _) if all.stages.len() == MOST => all.too_much = Some(instruction.line),
            ("FROM", _) => {
                let stage = begin(instruction, &mut all, file.escape, wanted);
                let triggers = triggers(&stage, &all);
                all.stages.push(stage);
                for trigger in triggers {
                    if !all.looks_again(size_of::<Step<'_>>() + trigger.length()) {
                        all.too_much = Some(instruction.line);
                        break;
                    }
                    step(trigger, &mut all, file.escape, arguments, &is_file);
                }
            }
            ("ARG", true) => {
                declare(instruction, &mut all.globals.clone(), None, file.escape, &all.room, &mut all.globals);
                given(instruction, file.escape, arguments, &mut all.globals);
            }
            (keyword, true) => {
                all.problems.push((instruction.line, format!("{keyword} before the first FROM")));
            }
            (_, false) => step(instruction, &mut all, file.escape, arguments, &is_file),
        }
        if all.too_much.is_some() {
            break;
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

/// What `FROM ${NAME:-image}` is where NAME is declared without a value, and nobody gives it one.
fn otherwise<'a>(image: &'a str, globals: &Variables, wanted: &Wanted) -> Option<&'a str> {
    let (name, image) = image.strip_prefix("${")?.strip_suffix('}')?.split_once('-')?;
    let name = name.strip_suffix(':').unwrap_or(name);
    let given = PREDEFINED.contains(&name) || wanted.arguments.iter().any(|(given, _)| given == name);
    (!given && globals.get(name) == Some(&Value::Unknown) && !image.contains('$')).then_some(image)
}

fn begin<'a>(instruction: &'a Instruction, all: &mut Stages<'a>, escape: char, wanted: &Wanted) -> Stage<'a> {
    let contexts = &wanted.contexts;
    let expand = |text: &str| expand(text, escape, &all.globals, &all.room);
    let parts: Vec<&str> = instruction.rest.split(words::is_blank).filter(|part| !part.is_empty()).collect();
    let written = parts.first().copied().unwrap_or_default();
    let image = expand(otherwise(written, &all.globals, wanted).unwrap_or(written));
    let name = match parts.get(1..) {
        Some([]) | None => None,
        Some([word, name]) if word.eq_ignore_ascii_case("as") => {
            let name = name.to_ascii_lowercase();
            name_of_stage(&name, instruction.line, all);
            Some(name)
        }
        Some(_) => {
            all.problems.push((instruction.line, "FROM takes an image, and AS with a name".to_owned()));
            None
        }
    };
    let wanted = image.text.to_ascii_lowercase();
    let mut length = instruction.length();
    let earlier = all.stages.iter().rposition(|stage| stage.name.as_deref() == Some(&wanted));
    let (from, state) = match earlier {
        Some(at) => {
            let state = all.stages.get(at).map(|stage| {
                length += stage.length;
                if all.looks_again(stage.state.size()) { stage.state.clone() } else { State::default() }
            });
            (From::Stage(at), state.unwrap_or_default())
        }
        // Whatever the build gives that name.
        None if contexts.contains(&image.text) => {
            (From::Image(Expanded { unknown: true, ..image.clone() }), State { image: image.text, ..State::default() })
        }
        None if image.text == "scratch" => {
            (From::Scratch, State { base: base::scratch(), image: image.text, ..State::default() })
        }
        None => match names_none(&image, &all.globals) {
            Some(why) => {
                all.problems.push((instruction.line, why));
                (From::Image(Expanded { unknown: true, ..image }), State::default())
            }
            None => {
                let family = family(written).filter(|_| image.unknown);
                let base = match (&family, image.unknown) {
                    (Some(name), _) => base::known(&format!("{name}@")),
                    (None, true) => Base::default(),
                    (None, false) => base::known(&image.text),
                };
                let name = family.map_or_else(|| image.text.clone(), str::to_owned);
                (From::Image(image), State { base, image: name, ..State::default() })
            }
        },
    };
    let inherited = match from {
        From::Stage(at) => all.stages.get(at).and_then(|stage| stage.platform.clone()),
        From::Scratch | From::Image(_) => None,
    };
    let platform = instruction.flag("platform").map(str::to_owned).or(inherited);
    let (uses, images) = (Vec::new(), Vec::new());
    let (steps, outputs) = (Vec::new(), Vec::new());
    let line = instruction.line;
    Stage { line, name, platform, from, steps, uses, images, state, outputs, has_cmd: false, length }
}

/// The name of an image whose tag only the builder knows: `ubuntu:${RELEASE}`. As much is known of it as with a digest alone.
fn family(written: &str) -> Option<&str> {
    let (known, unknown) = written.split_once('$')?;
    let name = Reference::of(known).path;
    (name.len() < known.len() && !unknown.contains('/')).then_some(name)
}

/// Why what follows FROM names no image.
fn names_none(image: &Expanded, globals: &Variables) -> Option<String> {
    let text = &image.text;
    let lower_case = text.contains(|c: char| c.is_ascii_lowercase());
    // What a variable has may only ask for a value: you-must-set-BASE. In capitals alone it is what a template is filled in
    // with, unless it is a variable of this file.
    let is_upper =
        image.names.is_empty() && base::Reference::of(text).has_upper_case() && (lower_case || globals.has(text));
    if is_upper {
        Some(format!("FROM {text} names no image: its name must be lower case"))
    } else if image.unknown || (text.len() > 2 && text.starts_with('@') && text.ends_with('@')) {
        None
    } else if text.is_empty() {
        Some("FROM names no image: its variables are empty".to_owned())
    } else if text.ends_with([':', '@']) || text.contains(":@") {
        Some(format!("FROM {text} names no image: a variable in it is empty"))
    } else {
        None
    }
}

/// What is wrong with the name of a stage.
fn name_of_stage(name: &str, line: u32, all: &mut Stages<'_>) {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if !begins || !plain {
        let rule = "it begins with a letter, and has letters, digits, - _ and . only";
        all.problems.push((line, format!("{name} is not a name for a stage: {rule}")));
    }
    if all.stages.iter().any(|stage| stage.name.as_deref() == Some(name)) {
        all.doubtful
            .push((line, format!("there is a stage {name} already: what names it from here on means this one")));
    }
}

fn step<'a>(
    instruction: &'a Instruction,
    all: &mut Stages<'a>,
    escape: char,
    arguments: &[(String, Option<String>)],
    is_file: &dyn Fn(&str) -> bool,
) {
    let Some((stage, earlier)) = all.stages.split_last_mut() else { return };
    let before = stage.state.variables.clone();
    let expand = |text: &str| expand(text, escape, &before, &all.room);
    let mut done =
        Step { instruction, variables: before.clone(), commands: Vec::new(), words: Vec::new(), place: None };
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
            given(instruction, escape, arguments, into);
        }
        "ENV" => environment(instruction, &expand, escape, &mut stage.state.variables),
        "COPY" | "ADD" => {
            done.words = expanded_words(instruction);
            let (problems, doubtful) = (&mut all.problems, &mut all.doubtful);
            effects::copy(stage, &done, earlier, problems, &expand, is_file);
            doubtful.extend(effects::into_a_file(&stage.state, &done));
            done.place = done.words.last().map(|to| absolute(stage.state.workdir.as_deref(), &to.text));
            let to = stage.state.copies.last().map_or(0, |copied| copied.to.len());
            all.work.set(all.work.get().saturating_sub(to));
        }
        "RUN" => {
            done.commands = effects::run(instruction);
            effects::mounts(stage, instruction, earlier);
            stage.runs(&done.commands, instruction, is_file);
        }
        "WORKDIR" => {
            let path = stage.state.directory(instruction, &expand);
            all.work.set(all.work.get().saturating_sub(path.len()));
            stage.state.workdir = Some(path);
        }
        "EXPOSE" => stage.state.expose(instruction, &expand, &mut all.problems),
        _ => stage.configure(instruction, &expand),
    }
    stage.length += instruction.length();
    stage.steps.push(done);
    if all.work.get() == 0 {
        all.too_much = Some(instruction.line);
    }
}

type Expand<'a> = &'a dyn Fn(&str) -> Expanded;

impl Stage<'_> {
    /// What the container is started with, and as whom.
    fn configure(&mut self, instruction: &Instruction, expand: Expand<'_>) {
        let line = instruction.line;
        let state = &mut self.state;
        match instruction.keyword.as_str() {
            "USER" => state.user = Some((expand(&instruction.rest), line)),
            "STOPSIGNAL" => {
                let signal = expand(&instruction.rest);
                state.stop = (!signal.unknown).then_some((signal.text, line));
            }
            "SHELL" => state.shell.clone_from(&instruction.list),
            "ENTRYPOINT" => {
                state.entrypoint = Some(Started::by(instruction, &instruction.rest));
                // As Docker does it: the base's CMD was meant for the base's ENTRYPOINT.
                state.cmd = state.cmd.take().filter(|_| self.has_cmd);
            }
            "CMD" => {
                state.cmd = Some(Started::by(instruction, &instruction.rest));
                self.has_cmd = true;
            }
            "HEALTHCHECK" => {
                let (kind, command) =
                    instruction.rest.split_once(char::is_whitespace).unwrap_or((&instruction.rest, ""));
                let health = Started::by(instruction, command.trim());
                state.health = (!kind.eq_ignore_ascii_case("none")).then_some(health);
                state.health_timeout = instruction.flag("timeout").map(str::to_owned);
            }
            _ => {}
        }
    }

    /// What the commands of a RUN leave behind.
    fn runs(&mut self, commands: &[Command], instruction: &Instruction, is_file: &dyn Fn(&str) -> bool) {
        // Whatever the image is called, its package manager tells what it is made of.
        if self.state.base.shell.is_none() && commands.iter().any(|command| command.name() == "apk") {
            self.state.base.shell = Some(Shell::Becoming);
        }
        for command in commands {
            self.state.packages.extend(installed(command).map(Rc::from));
            for output in effects::outputs(command) {
                if self.outputs.iter().all(|known| **known != *output) {
                    self.outputs.push(Rc::from(output));
                }
            }
            // Of more nothing is known.
            if self.outputs.len() > MOST_OUTPUTS {
                self.outputs.truncate(MOST_OUTPUTS);
                self.state.opaque = true;
            }
        }
        // Without a shell no script runs, unless it brings its own.
        let runs = self.state.base.shell != Some(Shell::None) || instruction.list.is_some();
        self.state.opaque |= runs && effects::hide(commands, &self.state, is_file);
    }
}

impl Started {
    fn by(instruction: &Instruction, text: &str) -> Started {
        let form = instruction.list.clone().map_or_else(|| Form::Shell(text.to_owned()), Form::Exec);
        Started { line: instruction.line, form }
    }
}

/// Which stage a name or a number is; names win.
pub(crate) fn stage_of(from: &str, earlier: &[Stage<'_>]) -> Option<Result<usize, String>> {
    let wanted = from.to_ascii_lowercase();
    if let Some(at) = earlier.iter().rposition(|stage| stage.name.as_deref() == Some(&wanted)) {
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
    /// Where a WORKDIR leads.
    fn directory(&self, instruction: &Instruction, expand: Expand<'_>) -> String {
        let expanded = expand(&instruction.rest);
        let path = if expanded.unknown { &instruction.rest } else { &expanded.text };
        absolute(self.workdir.as_deref(), path)
    }

    fn expose(&mut self, instruction: &Instruction, expand: Expand<'_>, problems: &mut Vec<(u32, String)>) {
        let line = instruction.line;
        let expanded = expand(&instruction.rest);
        for word in expanded.text.split_whitespace() {
            let number = word.split('/').next().and_then(|ports| ports.rsplit(':').next()).unwrap_or_default();
            let digits = number.starts_with(|c: char| c.is_ascii_digit());
            if !digits && !expanded.unknown && expanded.names.is_empty() {
                problems.push((line, format!("EXPOSE {word}: that is not a port")));
            }
            let port = word.split('/').next().and_then(|port| port.split('-').next()?.parse().ok());
            self.ports.extend(port.filter(|_| !word.ends_with("udp")).map(|port| (port, line)));
        }
    }

    /// About so many bytes it has.
    fn size(&self) -> usize {
        let started = [&self.entrypoint, &self.cmd, &self.health].into_iter().flatten();
        let started = started.map(|started| match &started.form {
            Form::Exec(list) => list.iter().map(|word| size_of::<String>() + word.len()).sum(),
            Form::Shell(text) => text.len(),
        });
        let user = self.user.as_ref().map_or(0, |(user, _)| user.text.len() + user.names.len() * size_of::<String>());
        let lists = self.packages.len() * size_of::<Rc<str>>()
            + self.ports.len() * size_of::<(u16, u32)>()
            + self.copies.len() * size_of::<Rc<Copied>>();
        let texts = [&self.workdir, &self.stop.as_ref().map(|(signal, _)| signal.clone())];
        started.sum::<usize>() + user + lists + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }

    /// It is installed, or something of which only the build knows what.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        self.packages.iter().any(|package| **package == *name || package.contains(['$', '`']))
    }

    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.packages.iter().any(|package| **package == *name)
    }
}

impl Stages<'_> {
    /// Takes so many bytes from what may be looked at again. False: there are not so many left, and nothing is to be said.
    fn looks_again(&self, bytes: usize) -> bool {
        let left = self.work.get().saturating_sub(bytes);
        self.work.set(left);
        left > 0
    }

    /// The number of one of them.
    pub(crate) fn number(&self, stage: &Stage<'_>) -> Option<usize> {
        self.stages.iter().position(|other| other.line == stage.line)
    }

    /// Whether what is shipped can be judged: of each stage all that made it is looked at.
    pub(crate) fn can_be_judged(&self, shipped: &[usize]) -> bool {
        let length = |at: &usize| self.stages.get(*at).map_or(0, |stage| stage.length);
        let behind = shipped.iter().flat_map(|at| self.behind(*at));
        self.looks_again(behind.map(|at| length(&at)).sum())
    }

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

    /// What is shipped: the last stage, and others that start something themselves and that nobody uses, or that only what
    /// starts something else begins with.
    pub(crate) fn shipped(&self) -> Vec<usize> {
        (0..self.stages.len()).filter(|at| *at + 1 == self.stages.len() || self.ships(*at)).collect()
    }

    fn ships(&self, at: usize) -> bool {
        let Some(stage) = self.stages.get(at) else { return false };
        let starts = |stage: &Stage<'_>, cmd: bool| {
            stage.steps.iter().any(|step| match step.instruction.keyword.as_str() {
                "ENTRYPOINT" => true,
                // What asks for help stands there for docker create, in a stage whose files are taken out.
                "CMD" => cmd && !asks_for_help(&step.instruction.rest),
                _ => false,
            })
        };
        // A CMD may be there for tests only, unless there is nothing else, or what Go built is brought here.
        let built = |from: usize| self.stages.get(from).is_some_and(|stage| stage.state.base.toolchain);
        let product = stage.state.copies.iter().filter_map(|copied| copied.stage).any(built);
        let cmd = product || stage.state.base.shell == Some(Shell::None);
        let copied_from = self.stages.iter().any(|other| other.uses.contains(&at));
        let mut derived = self.stages.iter().filter(|other| other.from == From::Stage(at)).peekable();
        let used = copied_from || derived.peek().is_some() && !(product && derived.all(|other| starts(other, true)));
        starts(stage, cmd) && !used && !stage.state.base.toolchain
    }
}

/// Whether a command line has the word --help.
fn asks_for_help(line: &str) -> bool {
    line.split(|c: char| c.is_whitespace() || "[],\"'".contains(c)).any(|word| word == "--help")
}
