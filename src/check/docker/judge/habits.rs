//! What works, and is better done otherwise: forms of instructions, recommended packages (the caches of package managers are in
//! `packages.rs`), downloads, modes.

use super::{Case, command_line, packages};
use crate::check::docker::effects::installed;
use crate::check::docker::script::{Command, End};
use crate::check::docker::stage::{From, Stage, Step};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch;
use crate::check::table;

/// What is looked at in every stage.
pub(super) fn judge(case: &mut Case<'_>, stage: &Stage<'_>) {
    for step in &stage.steps {
        old_env(case, step);
        plain_add(case, step);
        any_versions(case, stage, step);
        piped(case, step);
    }
}

/// And in what is shipped: all that made it.
pub(super) fn judge_shipped(case: &mut Case<'_>, index: usize) {
    let stages = case.stages;
    let mut told = false;
    // Where people and jobs build, under whatever user, as golang has its GOPATH.
    let state = stages.stages.get(index).map(|stage| &stage.state);
    let starts_nothing = state.is_some_and(|state| command_line(state).is_none());
    let go = state.is_some_and(|state| state.base.toolchain || state.variables.has("GOPATH"));
    let works = || stages.stages.get(index).is_some_and(|stage| packages::is_for_work(case, stage));
    let workplace = starts_nothing && go || works();
    for step in stages.chain(index) {
        let line = step.instruction.line;
        told |= configures_apt(step);
        if !told && step.commands.iter().any(installs_recommended) {
            let place = Place::line(line).marked("install");
            let evidence = "apt-get install without --no-install-recommends";
            case.findings.push(Finding::new(
                &table::RECOMMENDED,
                place,
                evidence,
                "apt-get install -y --no-install-recommends …",
            ));
        }
        let opened = step.commands.iter().find_map(opens).or_else(|| opens_copied(step));
        let of_go = || starts_nothing && step.instruction.rest.contains("GOPATH");
        if let Some(word) = opened.filter(|_| !workplace && !of_go()) {
            let place = Place::line(line).marked(word);
            let mend = "chmod 0755, and chown to the user that writes there; 1777 for a directory that all share";
            case.findings.push(Finding::new(
                &table::OPEN_MODE,
                place,
                format!("chmod {word}: everybody can write"),
                mend,
            ));
        }
    }
}

/// The mode that COPY gives.
fn opens_copied<'a>(step: &Step<'a>) -> Option<&'a str> {
    step.instruction.flag("chmod").filter(|mode| is_open(mode))
}

fn old_env(case: &mut Case<'_>, step: &Step<'_>) {
    let instruction = step.instruction;
    let (name, value) = instruction.rest.split_once(char::is_whitespace).unwrap_or((&instruction.rest, ""));
    if instruction.keyword == "ENV" && !name.contains('=') && !value.trim().is_empty() {
        let value = value.trim();
        // One word is one in the other form, too. Where quotes stand between, somebody has to say what was meant.
        let word = ['"', '\''].iter().any(|quote| {
            let inside = value.strip_prefix(*quote).and_then(|rest| rest.strip_suffix(*quote));
            inside.is_some_and(|inside| !inside.contains([*quote, '\\']))
        });
        let value = match () {
            () if word || !value.contains(char::is_whitespace) => value.to_owned(),
            () if value.contains(['"', '\'', '\\']) => "\"…\"".to_owned(),
            () => format!("\"{value}\""),
        };
        let evidence = format!("ENV {name} is followed by a space instead of =: the rest of the line is its value");
        let place = Place::line(instruction.line).marked(name);
        case.findings.push(Finding::new(&table::OLD_ENV, place, evidence, format!("ENV {name}={value}")));
    }
}

fn plain_add(case: &mut Case<'_>, step: &Step<'_>) {
    let Some((_, sources)) = step.words.split_last().filter(|_| step.instruction.keyword == "ADD") else { return };
    let plain = |text: &str| {
        let packed =
            [".tar", ".gz", ".tgz", ".xz", ".bz2", ".zst", ".txz", ".tbz"].iter().any(|end| text.contains(end));
        !packed && !text.contains("://") && !text.starts_with("git@") && !text.contains('*') && !text.ends_with(".git")
    };
    if !sources.is_empty() && sources.iter().all(|source| !source.unknown && plain(&source.text)) {
        let line = step.instruction.line;
        let evidence = "no archive and no URL: ADD copies it";
        let rest = step.instruction.rest.trim();
        let flags: String = step.instruction.flags.iter().map(|(name, value)| format!("--{name}={value} ")).collect();
        let place = Place::line(line).marked("ADD");
        case.findings.push(Finding::new(&table::PLAIN_ADD, place, evidence, format!("COPY {flags}{rest}")));
    }
}

/// `go install tool@latest`, `go run tool@main`, `go get module@upgrade`; and `go get module` where that installs what is newest.
/// One instruction may install a dozen tools: that is one finding, for the first of them.
fn any_versions(case: &mut Case<'_>, stage: &Stage<'_>, step: &Step<'_>) {
    let mut found = step.commands.iter().filter_map(|command| any_version(stage, command));
    let Some((word, mut evidence, mend)) = found.next() else { return };
    match found.count() {
        0 => {}
        1 => evidence.push_str(", and so does one more here"),
        others => evidence.push_str(&format!(", and so do {others} more here")),
    }
    case.findings.push(Finding::new(
        &table::ANY_VERSION,
        Place::line(step.instruction.line).marked(word),
        evidence,
        mend,
    ));
}

/// What is installed, what is said of it, and what to write instead.
fn any_version<'a>(stage: &Stage<'_>, command: &'a Command) -> Option<(&'a str, String, String)> {
    let verb = command.words.get(1).map(String::as_str).unwrap_or_default();
    if command.name() != "go" || !matches!(verb, "install" | "run" | "get") {
        return None;
    }
    let moving = |word: &str| {
        word.rsplit_once('@').is_some_and(|(path, version)| {
            // golang.org/dl/go1.26.1 names the version, whatever the version of what fetches it.
            !path.starts_with("golang.org/dl/")
                && matches!(version, "latest" | "upgrade" | "main" | "master" | "HEAD" | "head" | "dev" | "develop")
        })
    };
    let mut words = command.words.iter().skip(2).map(String::as_str);
    if let Some(word) = words.clone().find(|word| verb == "get" && ends_without_module(stage, word)) {
        let evidence =
            format!("go get {word} ends the build: since Go 1.18 it only changes a go.mod, and none is here");
        let path = word.split('@').next().unwrap_or_default();
        return Some((word, evidence, format!("go install {path}@v1.2.3")));
    }
    let word = words.find(|word| moving(word) || verb == "get" && gets_newest(stage, word))?;
    let evidence = format!("go {verb} {word} takes what is newest on the day of the build");
    let mend = match word.rsplit_once('@') {
        Some((path, _)) => format!("go {verb} {path}@v1.2.3"),
        None => format!("a newer Go, and go install {word}@v1.2.3"),
    };
    Some((word, evidence, mend))
}

/// A package of another module, by its path.
fn is_foreign(word: &str) -> bool {
    let host = word.split('/').next().unwrap_or_default();
    word.contains('/') && host.contains('.') && !host.starts_with(['.', '-']) && !word.contains('$')
}

/// `go get PACKAGE` where there is no go.mod for certain: in an image of a Go that needs one, before anything else comes into it.
fn ends_without_module(stage: &Stage<'_>, word: &str) -> bool {
    let state = &stage.state;
    let is_plain = |step: &Step<'_>| {
        let known = |command: &Command| match command.name() {
            "go" => command.words.get(1).is_some_and(|verb| matches!(verb.as_str(), "get" | "install" | "version")),
            name => matches!(name, "apk" | "apt-get" | "apt" | "yum" | "dnf" | "rm" | "mkdir" | "echo" | "set"),
        };
        let named = step.commands.iter().flat_map(|command| &command.assigned).any(|(name, _)| name == "GO111MODULE");
        step.instruction.flag("mount").is_none() && step.commands.iter().all(known) && !named
    };
    is_foreign(word)
        && state.base.go.is_some_and(|go| go >= 18)
        && matches!(stage.from, From::Image(_))
        && state.copies.is_empty()
        && !state.variables.has("GO111MODULE")
        && stage.steps.iter().all(is_plain)
}

/// Before Go 1.17 `go get` was what installs programs. What is copied to a place of this name is there already.
fn gets_newest(stage: &Stage<'_>, word: &str) -> bool {
    let path = word.trim_end_matches("/...");
    let is_here = |place: &str| place.contains(path);
    is_foreign(path)
        && !path.contains('@')
        && stage.state.base.go.is_some_and(|go| go < 17)
        && !stage.state.workdir.as_deref().is_some_and(is_here)
        && !stage.steps.iter().filter_map(|step| step.place.as_deref()).any(is_here)
}

/// `curl … | sh`, `curl … | tar`, and `curl -o install.sh … && sh install.sh`.
fn piped(case: &mut Case<'_>, step: &Step<'_>) {
    let verified = || {
        step.commands.iter().any(|command| {
            let of_php = command.words.iter().any(|word| word.contains("hash_file("));
            command.name().ends_with("sum")
                || matches!(command.name(), "gpg" | "gpgv" | "cosign" | "minisign")
                || of_php
        })
    };
    let mend = "ADD --checksum=sha256:… URL, or download to a file, sha256sum -c, and then use it";
    let finding = |evidence: String, mark: &str| {
        Finding::new(&table::PIPED_DOWNLOAD, Place::line(step.instruction.line).marked(mark), evidence, mend)
    };
    let found = match piped_to(&step.commands) {
        Some((name, true)) => {
            finding(format!("{name} runs what comes from the network, whatever it is that day"), &format!("| {name}"))
        }
        _ if verified() => return,
        Some((name, false)) => {
            let evidence =
                format!("{name} unpacks what comes from the network, and nothing compares it with a checksum");
            finding(evidence, &format!("| {name}")).at(Severity::Note)
        }
        None => {
            let Some((file, how)) = downloaded_and_used(&step.commands) else { return };
            let evidence =
                format!("{file} comes from the network and is {how}, and nothing compares it with a checksum");
            let found = finding(evidence, file);
            if how == RUN { found } else { found.at(Severity::Note) }
        }
    };
    case.findings.push(found);
}

/// What a download is piped to, and whether that runs it.
fn piped_to(commands: &[Command]) -> Option<(String, bool)> {
    commands.iter().enumerate().filter(|(_, from)| from.end == End::Pipe && fetches(from)).find_map(|(at, from)| {
        // What stands in `$(…)` among the words of the next command comes before it.
        let to = commands.iter().skip(at + 1).find(|to| from.inner || !to.inner)?;
        let passed = |word: &&String| matches!(word.as_str(), "sudo" | "env") || word.contains('=');
        let mut words = to.own().iter().skip_while(passed);
        let name = launch::base_name(words.next()?);
        // With a program of its own it only reads what comes: php -r, python3 -c, node print.js.
        let own_program = words.next().is_some_and(|word| !matches!(word.as_str(), "-" | "--" | "-u"));
        let runs = runs_its_input(name) && (launch::is_shell(name) || !own_program);
        (runs || matches!(name, "tar" | "bsdtar" | "gunzip" | "dpkg")).then(|| (name.to_owned(), runs))
    })
}

fn runs_its_input(name: &str) -> bool {
    launch::is_shell(name) || matches!(name, "python" | "python3" | "perl" | "node" | "php" | "ruby" | "lua")
}

/// The file of a download, and what a later command does with it: rather that it is run than anything else.
fn downloaded_and_used(commands: &[Command]) -> Option<(&str, &'static str)> {
    commands.iter().enumerate().filter(|(_, from)| fetches(from)).find_map(|(at, from)| {
        let file = download(from)?;
        let uses = || commands.iter().skip(at + 1).filter_map(|command| use_of(command, file));
        uses().find(|how| *how == RUN).or_else(|| uses().next()).map(|how| (file, how))
    })
}

const RUN: &str = "run";

/// What a command does with a file.
fn use_of(command: &Command, file: &str) -> Option<&'static str> {
    let plain = |word: &str| word.strip_prefix("./").unwrap_or(word) == file.strip_prefix("./").unwrap_or(file);
    let mut words = command.own().iter().map(String::as_str).skip_while(|word| matches!(*word, "sudo" | "env"));
    let first = words.next()?;
    let name = launch::base_name(first);
    let by_another = runs_its_input(name) || matches!(first, "." | "source");
    if first.contains('/') && plain(first)
        || by_another && words.clone().find(|word| !word.starts_with('-')).is_some_and(plain)
    {
        return Some(RUN);
    }
    let how = match name {
        "tar" | "bsdtar" | "unzip" | "gunzip" => "unpacked",
        "dpkg" | "rpm" | "apk" | "apt" | "apt-get" | "dnf" | "yum" => "installed",
        "chmod" if words.next().is_some_and(|mode| mode.contains('x') || mode.ends_with(['1', '5', '7'])) => {
            "made executable"
        }
        _ => return None,
    };
    words.any(plain).then_some(how)
}

/// Where curl or wget is told to put what it fetches.
fn download(command: &Command) -> Option<&str> {
    let words = || command.words.iter().map(String::as_str);
    let curl = command.name() == "curl";
    let letter = if curl { 'o' } else { 'O' };
    // -o FILE, -fsSLo FILE, -oFILE; --output FILE, --output=FILE.
    let named = words().zip(words().skip(1)).find_map(|(word, next)| {
        let long = if curl { "--output" } else { "--output-document" };
        if word == long {
            return Some(next);
        }
        if let Some(value) = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value);
        }
        let letters = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'))?;
        match letters.split_once(letter)? {
            (_, "") => Some(next),
            ("", value) => Some(value),
            _ => None,
        }
    });
    let remote_name = !curl || words().any(|word| matches!(word, "-O" | "--remote-name") || is_flags_with_name(word));
    let last = || words().find(|word| word.contains("://")).and_then(|url| url.rsplit('/').next());
    named.or_else(|| last().filter(|_| remote_name)).filter(|file| !file.is_empty() && *file != "-")
}

/// `-fsSLO`
fn is_flags_with_name(word: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|letters| letters.ends_with('O') && letters.chars().all(|c| c.is_ascii_alphabetic()))
}

fn fetches(command: &Command) -> bool {
    let remote = command
        .words
        .iter()
        .any(|word| word.starts_with("http://") || word.starts_with("https://") || word.contains('$'));
    matches!(command.name(), "curl" | "wget") && remote
}

/// Whether apt may be told for all that follows: in a file that is written or copied.
fn configures_apt(step: &Step<'_>) -> bool {
    let says = |text: &String| text.contains("Install-Recommends");
    let heredocs = || step.instruction.heredocs.iter().map(|heredoc| &heredoc.content);
    let writes = step.commands.iter().any(|command| command.name() != "apt-get" && command.words.iter().any(says));
    writes || heredocs().any(says) || step.place.as_deref().is_some_and(|place| place.starts_with("/etc/apt/apt.conf"))
}

fn installs_recommended(command: &Command) -> bool {
    // Whoever asks for them has thought of it.
    let told = |word: &String| word.ends_with("install-recommends") || word.contains("Install-Recommends");
    matches!(command.name(), "apt-get" | "apt")
        && installed(command).next().is_some()
        && !command.words.iter().any(told)
}

/// The mode that lets everybody write.
fn opens(command: &Command) -> Option<&str> {
    let mode = command.words.iter().skip(1).find(|word| !word.starts_with('-'))?;
    (command.name() == "chmod" && is_open(mode)).then_some(mode.as_str())
}

fn is_open(mode: &str) -> bool {
    matches!(mode, "777" | "0777" | "666" | "0666" | "a+rwx" | "ugo+rwx" | "o+w" | "a+w")
}
