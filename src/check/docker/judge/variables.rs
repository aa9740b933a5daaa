//! Variables: names that nothing sets, and lists in exec form that no shell reads.

use super::bases::used_by_shell;
use super::{Case, command_line, understand};
use crate::check::docker::stage::{Copied, Form, Stage, State, Step};
use crate::check::docker::words::{self, Value};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch::{self, base_name};
use crate::check::table;

/// Names that are compared with each other are no more than this.
const MOST: usize = 200;

/// Names that a base, a shell or a builder sets, though nothing here does.
pub(super) const COMMON: [&str; 24] = [
    "PATH",
    "HOME",
    "USER",
    "PWD",
    "SHELL",
    "HOSTNAME",
    "TERM",
    "LANG",
    "GOPATH",
    "GOROOT",
    "GOOS",
    "GOARCH",
    "GOARM",
    "GOAMD64",
    "GOBIN",
    "GOFLAGS",
    "GOPROXY",
    "GOCACHE",
    "GOMODCACHE",
    "GOLANG_VERSION",
    "OLDPWD",
    "UID",
    "ARCH",
    "GOTOOLCHAIN",
];

/// So many letters of one file are compared with each other: a hostile one has long names by the thousand.
pub(super) const MOST_COMPARED: usize = 1_000_000;

/// A typo: nothing sets the name, and one that differs in a letter or two is set.
pub(super) fn misspelt(case: &mut Case<'_>, index: usize, left: &mut usize) {
    let stages = case.stages;
    let Some(stage) = stages.stages.get(index) else { return };
    let mut declared: Vec<String> = Vec::new();
    for step in stages.chain(index) {
        if matches!(step.instruction.keyword.as_str(), "ARG" | "ENV") {
            let names = names_set(step, case.file.escape).filter(|name| name.len() >= 4);
            declared.extend(names.take(MOST - declared.len()));
        }
    }
    if declared.is_empty() {
        return;
    }
    for step in &stage.steps {
        let names = used(case, step);
        let wrong = names.iter().take(MOST).find_map(|name| Some((name, near(case, step, name, &declared, left)?)));
        if let Some((name, meant)) = wrong {
            let evidence = format!("${name} is set nowhere, and {meant} is");
            let place = Place::line(step.instruction.line).marked(name);
            case.findings.push(Finding::new(&table::MISSPELT, place, evidence, format!("${{{meant}}}")));
        }
    }
}

/// The names in an ARG or ENV.
pub(super) fn names_set(step: &Step<'_>, escape: char) -> impl Iterator<Item = String> {
    let name = |word: words::Word| word.raw.split('=').next().unwrap_or_default().to_owned();
    words::split(&step.instruction.rest, escape).into_iter().map(name)
}

/// The variables that an instruction or its commands look up.
fn used(case: &Case<'_>, step: &Step<'_>) -> Vec<String> {
    match step.instruction.keyword.as_str() {
        "RUN" if step.instruction.list.is_none() => used_by_shell(&step.commands),
        _ if !step.instruction.rest.contains('$') => Vec::new(),
        "ADD" | "COPY" | "ENV" | "LABEL" | "WORKDIR" | "USER" | "EXPOSE" | "VOLUME" => {
            // One with a default of its own may be unset.
            let with_default = step.instruction.rest.contains(":-") || step.instruction.rest.contains(":+");
            let known = |name: &str| step.variables.get(name).cloned().unwrap_or(Value::Unset);
            let names = words::expand(&step.instruction.rest, case.file.escape, &known).names;
            if with_default { Vec::new() } else { names }
        }
        _ => Vec::new(),
    }
}

/// The declared name that was probably meant.
fn near<'a>(
    case: &Case<'_>,
    step: &Step<'_>,
    name: &str,
    declared: &'a [String],
    left: &mut usize,
) -> Option<&'a String> {
    let upper = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let set = step.variables.has(name)
        || case.stages.globals.has(name)
        || COMMON.contains(&name)
        || declared.iter().any(|one| one == name);
    if !upper || name.len() < 4 || set {
        return None;
    }
    // VERSION1 and VERSION2 are two.
    let bare = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let most = if name.len() >= 8 { 2 } else { 1 };
    for one in declared.iter().filter(|one| one.len().abs_diff(name.len()) <= most) {
        *left = left.checked_sub(one.len() * name.len())?;
        if distance(one, name, most + 1) <= most && bare(one) != bare(name) {
            return Some(one);
        }
    }
    None
}

/// How many letters have to be changed, added, removed or swapped.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) >= limit || a.len() > 64 || b.len() > 64 {
        return limit;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |rows: &[Vec<usize>], i: usize, j: usize| {
                rows.get(i).and_then(|row| row.get(j)).copied().unwrap_or(limit)
            };
            let mut least = (get(&rows, i, j) + usize::from(x != y)).min(get(&rows, i, j + 1) + 1);
            least = least.min(row.last().copied().unwrap_or(limit) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                least = least.min(get(&rows, i - 1, j - 1) + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(limit)
}

/// `ENTRYPOINT ["/server", "--port", "$PORT"]`, and `"&&"` in a list.
pub(super) fn in_exec_form(case: &mut Case<'_>, stage: &Stage<'_>) {
    let state = &stage.state;
    let Some((argv, _)) = command_line(state) else { return };
    let launch = understand(&argv, state);
    // On Windows a list becomes one line again, and cmd reads it.
    let windows = |program: &String| [".cmd", ".bat", ".exe"].iter().any(|end| program.ends_with(end));
    if launch.argv.first().is_some_and(windows) {
        return;
    }
    // A shell reads its text itself; of what a script or another program does with its words nothing is known but for $NAME.
    if launch.script.is_some()
        || launch.argv.first().is_some_and(|program| launch::is_shell(launch::base_name(program)))
    {
        return;
    }
    let starts_another = names_a_program(&launch.argv, state);
    for started in state.entrypoint.iter().chain(&state.cmd) {
        let Form::Exec(list) = &started.form else { continue };
        // goward and its probes expand $PORT in what they look at.
        let own = list.first().is_some_and(|program| launch::base_name(program) == "goward");
        let program = launch.argv.first();
        let whole_line = list.first().filter(|word| Some(*word) == program && is_command_line(word, stage));
        if let Some(line) = whole_line {
            let words: Vec<String> = line.split_whitespace().map(|word| format!("\"{word}\"")).collect();
            let why = format!("a program whose name is '{line}', with the blanks, is looked for");
            let place = Place::line(started.line).marked(line);
            let mend = format!("[{}]", words.join(", "));
            case.findings.push(Finding::new(&table::NOT_EXPANDED, place, why, mend).at(Severity::Error));
            continue;
        }
        let wrong = list.iter().enumerate().find_map(|(at, word)| {
            let after_own = own && program.is_some_and(|program| !list.iter().take(at + 1).any(|word| word == program));
            // Behind an ENTRYPOINT the first word of CMD is an argument, unless an init starts it.
            (!after_own).then(|| unread(word, state, Some(word) == program)).flatten().map(|why| (word, why))
        });
        if let Some((word, (why, severity))) = wrong {
            let place = Place::line(started.line).marked(word);
            let (why, severity) = match program.filter(|_| starts_another && severity < Severity::Error) {
                Some(program) => (format!("{why}, unless {program} does"), Severity::Note),
                None => (why, severity),
            };
            let mend = "the value itself; or a program that reads the variable; or [\"sh\", \"-c\", \"exec …\"] where there is a shell";
            case.findings.push(Finding::new(&table::NOT_EXPANDED, place, why, mend).at(severity));
        }
    }
}

/// Whether the first argument is another program of the image: what starts it is a wrapper that is not known here, and may
/// replace variables in what it is given.
fn names_a_program(argv: &[String], state: &State) -> bool {
    let [wrapper, program, ..] = argv else { return false };
    let is_program = |copied: &Copied| {
        let named =
            copied.is(program) || copied.sources.iter().chain([&copied.to]).any(|path| base_name(path) == program);
        named && (copied.stage.is_some() || copied.to.contains("bin/"))
    };
    base_name(wrapper) != base_name(program) && state.copies.iter().any(|copied| is_program(copied))
}

/// `["sleep infinity"]`, `["/server --port 80"]`: words for a shell in one. A file may have blanks in its name, too: `/opt/my server`.
fn is_command_line(word: &str, stage: &Stage<'_>) -> bool {
    let mut words = word.split_whitespace();
    let (Some(program), Some(second)) = (words.next(), words.next()) else { return false };
    (!program.contains('/') || second.starts_with(['-', '/', '$']))
        && !stage.steps.iter().any(|step| {
            step.words.iter().any(|named| named.text.ends_with(word))
                || step.commands.iter().any(|command| command.words.iter().any(|named| named.ends_with(word)))
        })
}

/// What only a shell would have done with a word.
fn unread(word: &str, state: &State, is_program: bool) -> Option<(String, Severity)> {
    if matches!(word, "&&" | "||" | "|" | ";" | "&" | ">" | "2>&1" | ">>") || word.starts_with("2>") {
        return Some((format!("{word} is an argument here, as no shell reads the list"), Severity::Warning));
    }
    let at = word.find('$')?;
    let rest = word.get(at + 1..)?;
    let rest = rest.strip_prefix('{').unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let name = rest.get(..end).filter(|name| name.len() > 1 && name.starts_with(|c: char| c.is_ascii_uppercase()))?;
    let upper = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let known = state.variables.has(name);
    if is_program {
        return Some((format!("{word} is looked for as it stands: no shell replaces ${name}"), Severity::Error));
    }
    (known || upper)
        .then(|| (format!("the program is given {word} as it stands: no shell replaces ${name}"), Severity::Warning))
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn letters() {
        for (a, b, far) in
            [("VERSION", "VERSON", 1), ("VERSION", "VERISON", 1), ("VERSION", "VERSION", 0), ("ABCD", "WXYZ", 4)]
        {
            assert_eq!(distance(a, b, 3), far, "{a} {b}");
        }
    }
}
