//! An image's faults: its program, its files, its user, its configuration. Pure but for `live` and `archive`, which read.

mod archive;
mod files;
mod libraries;
mod live;
mod manifest;
pub(crate) mod pem;
mod program;
mod rights;
mod settings;
mod stream;
mod surroundings;
pub(crate) mod tar;
mod tree;
mod version;

use super::finding::{Finding, Place, Severity};
use super::launch::{self, Launch};
use super::show::Report;
use super::table::{self, Rule};
use crate::cli::values::boolean;
use crate::exec;
use archive::Archive;
pub(super) use files::{is_env, may_be_secret, secret};
use live::Live;
use manifest::{Config, Packing};
use program::{Program, Start};
pub(super) use rights::Subject;
use std::path::Path;
use surroundings::Needs;
use tree::{Kind, Tree, resolve};

/// What is asked of an image.
pub(crate) struct Question<'a> {
    pub(crate) program: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) writable: &'a [String],
    /// Seconds since 1970.
    pub(crate) now: u64,
}

/// A directory as the root, or what is here; `env` and `own` are those of whoever asks, for a program that is here.
///
/// # Errors
/// A sentence: a program that is to be here is not in PATH.
pub(super) fn directory(
    root: Option<&Path>,
    question: &Question<'_>,
    env: &[(String, String)],
    own: Subject,
) -> Result<Report, String> {
    let tree = Live::new(root);
    let mut findings = Vec::new();
    let subject = match question.user {
        Some(user) => user_of(user, false, &tree, &mut findings),
        None if root.is_none() => own,
        None => Subject::default(),
    };
    if question.user.is_none() && subject.is_root() && question.program.is_some() {
        let mend = "USER 65532:65532 before it, or goward check --user 65532:65532 if the server runs as that user";
        let evidence = match root {
            Some(_) => "no --user was given, so the check is for root",
            None => "goward check runs as root, and no --user was given",
        };
        findings.push(Finding::new(&table::RUNS_AS_ROOT, Place::path("/etc/passwd"), evidence, mend));
    }
    // Of a directory for another machine only the image's configuration would tell.
    let here = root.is_none().then(std::env::current_dir).and_then(Result::ok);
    let here = here.map_or_else(|| "/".to_owned(), |here| here.to_string_lossy().into_owned());
    // Not the whole image is read to say that there is no such program.
    if let Some(program) = question.program
        && root.is_none()
        && find(&tree, program, env, &here).is_none()
    {
        return Err(format!("{program}: not found in PATH; for a Dockerfile of that name: goward check -f {program}"));
    }
    let found = question.program.map(|program| path_of(&tree, program, env, &here));
    // Nobody says for which machine a directory is.
    let start = Start { machine: root.is_none().then_some(exec::MACHINE), env, go_env: asks_go_env(env) };
    let program = found.as_deref().map(|path| program::look_at(&tree, path, &subject, start));
    let subject_name = match root {
        Some(root) => root.display().to_string(),
        None => question.program.unwrap_or("/").to_owned(),
    };
    let mut report = Report { subject: subject_name, findings, ..Report::default() };
    gather(&mut report, &tree, question, &subject, program, env, None);
    Ok(report)
}

/// An archive of docker save or OCI.
///
/// # Errors
/// A sentence: it cannot be read.
pub(crate) fn archive(
    path: &Path,
    question: &Question<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Report, String> {
    let wanted = |path: &str, config: &Config| {
        let secret = if files::may_be_secret(path) { files::SECRET_HEAD } else { 0 };
        surroundings::wanted(path, &config.env).max(secret)
    };
    let image = Archive::read(path, &wanted, progress)?;
    let config = image.config.clone();
    let mut report = Report { subject: path.display().to_string(), ..Report::default() };
    facts(&image, &mut report);
    let started = Started::of(&image, question);
    let subject = subject(&image, question, &started, &mut report.findings);
    let program = started.program(&image, &subject, &mut report.findings);
    if config.entrypoint.is_empty() && config.cmd.is_empty() && question.program.is_none() {
        let mend = "ENTRYPOINT [\"/server\"], or name the program: goward check --image FILE.tar /server";
        report.findings.push(Finding::new(&table::NO_PROGRAM, Place::config(), "neither ENTRYPOINT nor CMD", mend));
    }
    settings::judge(&image, &started.launch, &subject, started.start(&config), &mut report);
    hidden(&image, &mut report);
    gather(&mut report, &image, question, &subject, program, &config.env, Some(&started.launch));
    // What a layer that cannot be read holds is not known: nothing is missing for sure.
    if image.layers.iter().any(|layer| layer.trouble.is_some()) {
        report.findings.retain(|finding| !ABSENT.iter().any(|rule| std::ptr::eq(*rule, finding.rule)));
    }
    Ok(report)
}

/// What says that something is not in the image.
const ABSENT: [&Rule; 9] = [
    &table::PROGRAM_MISSING,
    &table::LOADER_MISSING,
    &table::LIBRARY_MISSING,
    &table::NO_CERTIFICATES,
    &table::NO_ZONES,
    &table::BAD_TMP,
    &table::NOT_WRITABLE,
    &table::NO_SUCH_USER,
    &table::IMAGE_HEALTHCHECK,
];

/// What an image starts.
struct Started {
    launch: Launch,
    /// Where the program is that is executed first, or that is asked for.
    found: Option<String>,
    /// What a script in between starts, where it says so plainly.
    behind: Option<Launch>,
    /// And where that is.
    server: Option<String>,
}

impl Started {
    fn of(image: &Archive, question: &Question<'_>) -> Started {
        let config = &image.config;
        let argv: Vec<String> = [config.entrypoint.as_slice(), &config.cmd].concat();
        let variable = |name: &str| config.variable(name);
        let launch = launch::understand_with(&argv, &variable);
        let find = |name: &str| path_of(image, name, &config.env, &config.directory);
        let first = question.program.or(launch.argv.first().filter(|_| launch.script.is_none()).map(String::as_str));
        let found = first.filter(|name| !name.is_empty()).map(find);
        let behind = match &launch.script {
            _ if question.program.is_some() => None,
            Some((_, script)) => launch::in_script(script, true, &variable),
            None => found.as_deref().and_then(|path| behind(image, path, &launch.argv)),
        };
        let server = behind.as_ref().and_then(|behind| behind.argv.first()).map(|name| find(name));
        Started { launch, found, behind, server }
    }

    /// How a program of the image is started.
    fn start<'a>(&self, config: &'a Config) -> Start<'a> {
        let go_env = self.launch.go_env || self.behind.as_ref().is_some_and(|behind| behind.go_env);
        let go_env = go_env || asks_go_env(&config.env);
        Start { machine: exec::machine_of(&config.architecture), env: &config.env, go_env }
    }

    /// What is known of the server; what is wrong with a script before it is noted.
    fn program(&self, image: &Archive, subject: &Subject, findings: &mut Vec<Finding>) -> Option<Program> {
        let look_at = |path: &String| program::look_at(image, path, subject, self.start(&image.config));
        let mut program = self.found.as_ref().map(look_at);
        if let Some(server) = self.server.as_ref().map(look_at) {
            let script = program.replace(server).unwrap_or_default();
            findings.extend(script.findings);
        }
        program
    }
}

/// Who the server will be: whom the question names, whom the command line changes to, or the image's own user.
fn subject(image: &Archive, question: &Question<'_>, started: &Started, findings: &mut Vec<Finding>) -> Subject {
    let config = &image.config;
    let inside = |launch: &Launch| Some((launch.user.clone()?, launch.strict));
    let user = question
        .user
        .map(|user| (user.to_owned(), false))
        .or_else(|| inside(&started.launch))
        .or_else(|| started.behind.as_ref().and_then(inside))
        .or_else(|| Some((config.user.clone(), false)).filter(|(user, _)| !user.is_empty()));
    let subject = match &user {
        Some((user, strict)) => user_of(user, *strict, image, findings),
        None => Subject::default(),
    };
    if subject.is_root() && !findings.iter().any(|finding| std::ptr::eq(finding.rule, &table::NO_SUCH_USER)) {
        let evidence = if config.user.is_empty() { "the image has no USER" } else { "the image's USER is root" };
        let mend = "USER 65532:65532, or goward --user 65532:65532 in ENTRYPOINT";
        findings.push(Finding::new(&table::RUNS_AS_ROOT, Place::config(), evidence, mend));
    }
    subject
}

/// The variable of `goward --go-env`.
fn asks_go_env(env: &[(String, String)]) -> bool {
    env.iter().any(|(name, value)| name == "GOWARD_GO_ENV" && boolean(value) == Ok(true))
}

fn user_of(user: &str, strict: bool, tree: &dyn Tree, findings: &mut Vec<Finding>) -> Subject {
    match Subject::of(user, strict, tree) {
        Ok(subject) => subject,
        Err(error) => {
            let mend = "numbers need no entry: 65532:65532; or COPY an /etc/passwd that has it";
            findings.push(Finding::new(&table::NO_SUCH_USER, Place::path("/etc/passwd"), error, mend));
            Subject::default()
        }
    }
}

/// What the script at that path starts: a program that it names, or the words that it is given.
fn behind(image: &Archive, path: &str, words: &[String]) -> Option<Launch> {
    let way = resolve(image, path).ok().filter(|way| way.entry.size < 64 << 10)?;
    let script = tree::text(image, &way.path);
    if !script.starts_with("#!") {
        return None;
    }
    if launch::passes_on(&script) {
        let given = launch::understand_with(words.get(1..)?, &|name| image.config.variable(name));
        return (given.script.is_none() && !given.argv.is_empty()).then_some(given);
    }
    launch::in_script(&script, false, &|name| image.config.variable(name))
}

/// As execvp looks: a name without a slash is searched for in PATH, where a directory of that name is no program. A path is
/// returned whether or not anything is there.
fn find(tree: &dyn Tree, program: &str, env: &[(String, String)], here: &str) -> Option<String> {
    let from_here = |path: &str| match path.strip_prefix('/') {
        Some(_) => path.to_owned(),
        None => tree::join(&["/", here.trim_matches('/')].concat(), path.trim_start_matches("./")),
    };
    if program.contains('/') {
        return Some(from_here(program));
    }
    let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str());
    let path = path.unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let mut candidates = path.split(':').map(|directory| tree::join(&from_here(directory), program));
    candidates.find(|path| resolve(tree, path).is_ok_and(|way| way.entry.kind != Kind::Directory))
}

/// Where a program is; one that is nowhere is named as if it were in /, so that what is missing has a path.
fn path_of(tree: &dyn Tree, program: &str, env: &[(String, String)], here: &str) -> String {
    find(tree, program, env, here).unwrap_or_else(|| ["/", program].concat())
}

/// What every image is asked.
fn gather(
    report: &mut Report,
    tree: &dyn Tree,
    question: &Question<'_>,
    subject: &Subject,
    program: Option<Program>,
    env: &[(String, String)],
    started: Option<&Launch>,
) {
    let program = program.unwrap_or_default();
    let is_static = program.is_static && program.build.is_some();
    let server = program.way.as_ref().map(|way| way.path.clone());
    let needs = Needs {
        is_program: program.build.is_some() || program.path.is_empty(),
        uses: program.uses,
        trimmed: program.build.as_ref().is_none_or(|build| build.setting("-trimpath") == Some("true")),
        now: question.now,
    };
    let children = program.uses.is_some_and(|uses| uses.children);
    if started.is_some_and(|started| children && started.init.is_none() && started.script.is_none()) {
        let mend = "ENTRYPOINT [\"/goward\", \"--\", \"/server\"], or docker run --init";
        let evidence = "os/exec is in the program, and it is PID 1 itself";
        report.findings.push(Finding::new(&table::STARTS_CHILDREN, Place::config(), evidence, mend));
    }
    report.facts.extend(program.facts);
    report.findings.extend(program.findings);
    surroundings::judge(tree, subject, env, &needs, report);
    for directory in question.writable {
        if let Some(why) = rights::cannot_write(subject, directory, tree) {
            let mend = format!(
                "COPY --chown={}:{} a directory to {directory}, or goward --own {directory}",
                subject.uid, subject.gid
            );
            report.findings.push(Finding::new(&table::NOT_WRITABLE, Place::path(directory.clone()), why, mend));
        }
    }
    files::judge(tree, server.as_deref(), is_static, report);
}

fn hidden(image: &Archive, report: &mut Report) {
    let (mut count, mut size, mut largest) = (0, 0, None::<&archive::Hidden>);
    let mut last = None;
    for hidden in &image.hidden {
        count += 1;
        size = u64::saturating_add(size, hidden.entry.size);
        if largest.is_none_or(|largest| largest.entry.size < hidden.entry.size) {
            largest = Some(hidden);
        }
        // As it would be told of one that is still there.
        let likely = files::may_be_secret(&hidden.path);
        let head = image.head_of(hidden).filter(|_| likely);
        let secret = head.and_then(|head| files::secret(&hidden.path, &head));
        // Of a repository one file is enough, and of one that is still there none.
        let git = files::repository(&hidden.path).filter(|path| image.entry(path).is_none());
        let git = git.filter(|path| last.replace(*path) != Some(*path));
        if secret.is_some() || git.is_some() || files::is_env(&hidden.path) {
            let path = git.unwrap_or(&hidden.path);
            let place = Place { file: path.to_owned(), layer: hidden.entry.layer, ..Place::default() };
            let evidence = format!("{path} was removed or replaced later, and is still in its layer");
            let mend =
                "never copy it: RUN --mount=type=secret, or a build stage that is not shipped; and change the secret";
            let severity = if secret.is_some() { Severity::Error } else { Severity::Warning };
            report.findings.push(Finding::new(&table::HIDDEN_SECRET, place, evidence, mend).at(severity));
        }
    }
    if let Some(largest) = largest.filter(|_| size >= 1 << 20) {
        let place = Place { file: largest.path.clone(), layer: largest.entry.layer, ..Place::default() };
        let evidence = format!(
            "{} in {count} files that later layers remove or replace, the largest {}",
            files::size(size),
            largest.path
        );
        let mend = "make and remove them in one RUN, or copy only what is needed from another stage";
        report.findings.push(Finding::new(&table::HIDDEN_SIZE, place, evidence, mend));
    }
    for (at, layer) in image.layers.iter().enumerate() {
        if let Some(trouble) = &layer.trouble {
            let place = Place { file: "(layer)".to_owned(), layer: Some(at as u32 + 1), ..Place::default() };
            let mend = match trouble.contains("zstd") {
                true => {
                    "docker buildx build --output type=oci,dest=image.tar,compression=gzip,force-compression=true; \
                         nothing is said here of what may be in this one"
                }
                false => "docker save writes layers that can be read; nothing is said here of what may be in this one",
            };
            report.findings.push(Finding::new(&table::UNREADABLE_LAYER, place, trouble.clone(), mend));
        }
    }
}

fn facts(image: &Archive, report: &mut Report) {
    let config = &image.config;
    let user = if config.user.is_empty() { "root" } else { &config.user };
    let start = [config.entrypoint.as_slice(), &config.cmd].concat().join(" ");
    report.facts.push(format!("linux/{}, user {user}, starts {start}", config.architecture));
    for (at, layer) in image.layers.iter().enumerate() {
        let packed = if layer.packed == Packing::Plain { "" } else { ", compressed" };
        report.facts.push(format!("layer {}: {} in files{packed}", at + 1, files::size(layer.content)));
    }
    if image.others > 0 {
        report
            .facts
            .push(format!("the archive has {} more images or platforms, which are not looked at", image.others));
    }
}

#[cfg(test)]
mod tests {
    use super::tree::tests::Toy;
    use super::*;

    #[test]
    fn programs_without_a_slash() {
        let mut toy = Toy::new(&["/usr", "/usr/local", "/usr/local/sbin", "/usr/bin", "/usr/bin/server", "/srv"]);
        for path in ["/usr/local/sbin/here", "/usr/bin/here", "/srv/server", "/srv/own"] {
            toy.put(path, Kind::File, 0o755, 0, b"");
        }
        let path = |value: &str| vec![("PATH".to_owned(), value.to_owned())];
        let found = |name, env: &[(String, String)]| find(&toy, name, env, "/srv");
        // Without a PATH where shells and container runtimes look.
        assert_eq!(found("here", &[]).as_deref(), Some("/usr/local/sbin/here"));
        assert_eq!(found("here", &path("/usr/bin")).as_deref(), Some("/usr/bin/here"));
        assert_eq!(found("server", &path("/usr/bin:")).as_deref(), Some("/srv/server"));
        // Near misses: a directory of that name, another directory, and a PATH that is empty.
        assert_eq!(found("server", &[]), None);
        assert_eq!(found("own", &[]), None);
        assert_eq!(found("here", &path("")), None);
        assert_eq!(found("own", &path("")).as_deref(), Some("/srv/own"));
        // A path needs nothing to be there.
        assert_eq!(found("./gone", &[]).as_deref(), Some("/srv/gone"));
    }

    #[test]
    fn a_program_that_is_not_here_is_refused_at_once() {
        let question = Question { program: Some("no-such-program"), user: None, writable: &[], now: 0 };
        let here = directory(None, &question, &[], Subject::default());
        let why = "no-such-program: not found in PATH; for a Dockerfile of that name: goward check -f no-such-program";
        assert_eq!(here.map(|report| report.subject), Err(why.to_owned()));
        // Near miss: a root for another machine, of which that is a finding.
        let root = std::env::temp_dir().join(format!("goward-root-{}", std::process::id()));
        std::fs::create_dir(&root).unwrap();
        let there = directory(Some(&root), &question, &[], Subject::default());
        std::fs::remove_dir(&root).unwrap();
        let missing = |finding: &Finding| std::ptr::eq(finding.rule, &table::PROGRAM_MISSING);
        assert!(there.unwrap().findings.iter().any(missing));
    }
}
