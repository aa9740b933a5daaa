//! Whether what is started, and what is copied from a stage, is there at all. Said only where everything that could have brought
//! it is known.

use super::{Case, command_line, has_toolchain, understand};
use crate::check::docker::base::Shell;
use crate::check::docker::effects::{self, BIN, absolute};
use crate::check::docker::stage::{Copied, Form, From, Stage, Started, State};
use crate::check::docker::words::Value;
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch::{base_name, is_shell};
use crate::check::table;

pub(super) fn judge(case: &mut Case<'_>, index: usize, stage: &Stage<'_>) {
    started(case, index, stage);
    health(case, index, stage);
    // Each is looked for in all that made the other stage.
    for copied in stage.state.copies.iter().filter(|copied| copied.line >= stage.line).take(MOST_COPIES) {
        written(case, copied);
    }
}

/// So many copies no image has.
const MOST_COPIES: usize = 64;

/// The program of a HEALTHCHECK in exec form.
fn health(case: &mut Case<'_>, index: usize, stage: &Stage<'_>) {
    let state = &stage.state;
    let Some(Started { line, form: Form::Exec(list) }) = &state.health else { return };
    let unknown = state.opaque || state.copies.is_empty() || state.copies.iter().any(|copied| copied.unknown);
    let Some(program) = list.first().filter(|program| program.starts_with('/') && !unknown) else { return };
    let skipped = is_shell(base_name(program)) || program.contains('$') || !state.base.is_known();
    if skipped || base_name(program) == "goward" {
        return;
    }
    if let Some((evidence, mend)) = lacking(case, index, state, program) {
        let place = Place::line(*line).marked(program);
        case.findings.push(Finding::new(&table::HEALTH_PROGRAM, place, evidence, mend));
    }
}

/// What is executed first, and the program behind an init.
fn started(case: &mut Case<'_>, index: usize, stage: &Stage<'_>) {
    let state = &stage.state;
    let Some((argv, started_by)) = command_line(state) else { return };
    if state.opaque
        || state.copies.is_empty()
        || !state.base.is_known()
        || state.copies.iter().any(|copied| copied.unknown)
    {
        return;
    }
    let launch = understand(&argv, state);
    let program = launch.argv.first().filter(|_| launch.script.is_none());
    let mut looked_at: Vec<&String> = Vec::new();
    for word in argv.first().into_iter().chain(program) {
        // Of a file that copies nothing nobody knows how its program comes, and goward is often left out of examples.
        let skipped = is_shell(base_name(word)) || base_name(word) == "goward";
        if word.is_empty() || word.contains(['$', '*']) || skipped || looked_at.contains(&word) {
            continue;
        }
        looked_at.push(word);
        if let Some((evidence, mend)) = lacking(case, index, state, word) {
            let place = Place::line(started_by.line).marked(word);
            let finding = Finding::new(&table::NOT_COPIED, place, evidence, mend);
            case.findings.push(if may_be_added(case, index, word) { finding.at(Severity::Warning) } else { finding });
            return;
        }
    }
}

/// Whether the program may be added to the image later: none of its name is copied to another place, and none is built here.
fn may_be_added(case: &Case<'_>, index: usize, word: &str) -> bool {
    let stages = || case.stages.behind(index).into_iter().filter_map(|at| case.stages.stages.get(at));
    let mut copies = stages().flat_map(|stage| &stage.state.copies);
    let named = copies.any(|copied| targets(copied).iter().any(|target| base_name(target) == base_name(word)));
    !named && !stages().any(has_toolchain)
}

/// What is known of a program that is not there, and what would mend it.
fn lacking(case: &Case<'_>, index: usize, state: &State, word: &str) -> Option<(String, String)> {
    let bare = state.base.shell == Some(Shell::None);
    let name = base_name(word);
    let others = others(case, index, state);
    if !word.contains('/') {
        return not_in_path(state, word, &others);
    }
    let path = absolute(state.workdir.as_deref(), word);
    let usual = BIN.iter().any(|directory| path.starts_with(directory)) || path.starts_with("/usr/");
    if state.copies.iter().any(|copied| may_bring(case, copied, &path)) || others.may_make(name) || (!bare && usual) {
        return None;
    }
    if !bare && !others.known {
        return None;
    }
    // Chainguard's and others' have more in /usr than is listed here.
    if state.base.user == Some("65532") && usual && !state.image.contains("distroless") {
        return None;
    }
    let programs = |target: &String| target.starts_with('/') && !base_name(target).contains('.');
    let nearest = state.copies.iter().rev().flat_map(|copied| targets(copied)).find(programs);
    let mend = match nearest {
        Some(target) => format!("start what is copied, {target}, or copy it to {path}"),
        None => format!("COPY --from=build … {path}"),
    };
    Some((format!("nothing copies {path}, and the base has no such file"), mend))
}

/// Copied to a directory that is not in PATH, and started by its name alone.
fn not_in_path(state: &State, word: &str, others: &Others) -> Option<(String, String)> {
    let path = match state.variables.get("PATH") {
        None => {
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin:/go/bin:/busybox".to_owned()
        }
        Some(Value::Text(path)) => path.to_string(),
        Some(Value::Unknown | Value::Unset) => return None,
    };
    let in_path = |file: &str| {
        let directory = file.strip_suffix(base_name(file)).unwrap_or_default().trim_end_matches('/');
        path.contains('$') || path.split(':').any(|one| one.trim_end_matches('/') == directory)
    };
    let copied: Vec<String> = state.copies.iter().flat_map(|copied| targets(copied)).collect();
    let own = copied.iter().find(|target| base_name(target) == word)?;
    if others.may_make(word)
        || !state.packages.is_empty()
        || copied
            .iter()
            .any(|target| (base_name(target) == word && in_path(target)) || (target.ends_with('/') && in_path(target)))
    {
        return None;
    }
    Some((format!("{word} is looked for in PATH, and it is copied to {own}"), format!("start {own}, with its path")))
}

/// The files that a COPY makes, as far as their names tell.
pub(super) fn targets(copied: &Copied) -> Vec<String> {
    if copied.to.ends_with('/') {
        copied
            .sources
            .iter()
            .map(|source| format!("{}{}", copied.to, base_name(source.trim_end_matches('/'))))
            .collect()
    } else {
        vec![copied.to.clone()]
    }
}

/// Whether a COPY may have brought a path: it is that file, or a directory that may hold it.
fn may_bring(case: &Case<'_>, copied: &Copied, path: &str) -> bool {
    let to = copied.to.trim_end_matches('/');
    if to == path || targets(copied).iter().any(|target| target == path) {
        return true;
    }
    let Some(below) = path.strip_prefix(to).filter(|below| below.starts_with('/')) else { return false };
    let below = below.trim_start_matches('/');
    copied.sources.iter().any(|source| {
        let last = base_name(source.trim_end_matches('/'));
        let pattern = last.contains(['*', '?', '[']);
        let file = !pattern
            && !source.ends_with('/')
            && match copied.stage {
                // A directory of that name may come from the context.
                Some(_) => effects::was_written(source, copied.stage, &case.stages.stages) && !is_directory(case, last),
                None => case.context.text(source).is_some() || last.contains('.') && !last.starts_with('.'),
            };
        let own_name = copied.written.is_some() && last == base_name(below);
        // A file of another name; what nobody knows may be a directory.
        !file || own_name || (!below.contains('/') && last == below)
    })
}

fn is_directory(case: &Case<'_>, name: &str) -> bool {
    !name.contains('.') && case.context.has(name) && case.context.text(name).is_none()
}

/// What the RUNs of a stage may have made.
struct Others {
    words: Vec<String>,
    /// All of their commands are of a kind that makes no programs where it was not asked to.
    known: bool,
}

impl Others {
    fn may_make(&self, name: &str) -> bool {
        self.words.iter().any(|word| word.contains(name) || word.contains('$') && word.contains('/'))
    }
}

fn others(case: &Case<'_>, index: usize, state: &State) -> Others {
    const HARMLESS: [&str; 24] = [
        "apk",
        "apt-get",
        "apt",
        "rm",
        "mkdir",
        "chmod",
        "chown",
        "adduser",
        "addgroup",
        "useradd",
        "groupadd",
        "usermod",
        "echo",
        "set",
        "true",
        "update-ca-certificates",
        "sed",
        "touch",
        "find",
        "cd",
        "export",
        "test",
        "[",
        "setcap",
    ];
    let chain = case.stages.chain(index);
    let commands = || chain.iter().flat_map(|step| &step.commands);
    Others {
        words: commands().flat_map(|command| command.words.iter().cloned()).collect(),
        known: state.packages.iter().all(|package| !package.contains(['$', '`', '/']))
            && commands().all(|command| HARMLESS.contains(&command.name())),
    }
}

/// A program that is copied from where the build of that stage does not write it.
fn written(case: &mut Case<'_>, copied: &Copied) {
    let Some(at) = copied.stage.filter(|_| !copied.unknown) else { return };
    for source in copied.sources.iter().filter(|source| source.starts_with('/') && !source.contains(['*', '?', '['])) {
        if let Some(output) = elsewhere(case, at, source) {
            let evidence = format!("the build writes {output}, and nothing makes {source}");
            let place = Place::line(copied.line).marked(source);
            case.findings.push(Finding::new(&table::NOT_WRITTEN, place, evidence, format!("COPY --from=… {output}")));
        }
    }
}

/// Where a build of that stage writes a program of this name, if it is another path and nothing else makes this one.
fn elsewhere(case: &Case<'_>, at: usize, source: &str) -> Option<String> {
    let stages = &case.stages.stages;
    let name = base_name(source);
    let mut found: Option<String> = None;
    let mut next = Some(at);
    while let Some(stage) = next.and_then(|at| stages.get(at)) {
        if stage.state.opaque {
            return None;
        }
        for output in &stage.outputs {
            let whole = output.starts_with('/') && !output.contains(['$', '`']);
            let here = **output == *source || source.strip_prefix(&**output).is_some() || output.starts_with(source);
            if !whole || here || output.ends_with('/') {
                return None;
            }
            if base_name(output) == name {
                found = Some(output.to_string());
            }
        }
        next = match stage.from {
            From::Stage(from) => Some(from),
            From::Scratch | From::Image(_) => None,
        };
    }
    let output = found?;
    let copies = &stages.get(at)?.state.copies;
    let brought = copies.iter().any(|copied| {
        let to = copied.to.trim_end_matches('/');
        copied.unknown || to == source || base_name(to) == name || (copied.stage.is_some() && source.starts_with(to))
    });
    let words = || case.stages.chain(at).into_iter().flat_map(|step| &step.commands).flat_map(|command| &command.words);
    let mentioned = words().any(|word| {
        let word = word.trim_start_matches("-o=");
        word != output && (word.contains(source) || base_name(word) == name) && !word.starts_with("./")
    });
    (!brought && !mentioned).then_some(output)
}
