//! `goward check`: the faults of Go images, found before they ship; in a Dockerfile, or in the image itself.
//!
//! Here is what touches the system: files are read, findings printed. The rest is pure and takes bytes.

mod docker;
mod finding;
mod image;
mod launch;
mod show;
mod support;
pub mod table;

pub use finding::{Finding, Severity};
pub use show::{Format, Report, Style, show};

use crate::config::{Checking, FailOn, Form, Subject};
use crate::exit;
use crate::log;
use crate::sys::file;
use crate::sys::mask::Mask;
use crate::sys::terminal;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// No Dockerfile has a megabyte.
const LARGEST: usize = 1 << 20;

/// The command, to its exit code. `inherited` is the signal mask goward was started with: Ctrl-C ends this one.
pub fn run(plan: &Checking, inherited: Mask) -> u8 {
    let _ = inherited.install();
    if let Some(unknown) = plan.ignore.iter().find(|id| table::find(id).is_none()) {
        return refuse(&format!("--ignore: there is no finding {unknown}; goward check --list has them all"));
    }
    let found = match &plan.subject {
        Subject::List => return print(&show::list(), 0),
        Subject::Explain(id) => {
            return match table::find(id) {
                Some(rule) => print(&show::explain(rule), 0),
                None => refuse(&format!("there is no finding {id}; goward check --list has them all")),
            };
        }
        Subject::Dockerfile(path) => dockerfile(path),
        Subject::Image { archive, program } => {
            let question = question(plan, program.as_deref());
            let mut progress = Progress::new(plan);
            let report = image::archive(archive, &question, &mut |layer, of| progress.tell(layer, of));
            progress.end();
            report.map_err(|error| format!("--image {}: {error}", archive.display()))
        }
        Subject::Root { directory, program } => root(directory.as_deref(), &question(plan, program.as_deref())),
    };
    match found {
        Ok(report) => tell(report, plan),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &str) -> u8 {
    log::say_raw(&format!("goward: {}\n", show::one_line(error)));
    exit::GOWARD_FAILED
}

fn print(text: &str, code: u8) -> u8 {
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever read has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => refuse(&format!("standard output: {error}")),
        Ok(()) | Err(_) => code,
    }
}

fn tell(mut report: Report, plan: &Checking) -> u8 {
    let all = report.findings.len();
    report.findings.retain(|finding| !plan.ignore.iter().any(|id| id == finding.rule.id));
    report.ignored += all - report.findings.len();
    arrange(&mut report.findings);
    let stdout = std::io::stdout();
    let terminal = terminal::is_terminal(stdout.as_raw_fd());
    let width = plan.columns.or_else(|| terminal::width(stdout.as_raw_fd())).unwrap_or(100).max(40);
    let style = Style { width, colour: plan.colour.unwrap_or(terminal) };
    let format = match plan.form {
        Form::Text => Format::Text,
        Form::Json => Format::Json,
        Form::Sarif => Format::Sarif,
        Form::Github => Format::Github,
    };
    let limit = match plan.fail_on {
        FailOn::Error => Some(Severity::Error),
        FailOn::Warning => Some(Severity::Warning),
        FailOn::Note => Some(Severity::Note),
        FailOn::Never => None,
    };
    let fails = report.findings.iter().any(|finding| limit.is_some_and(|limit| finding.severity >= limit));
    print(&show(report, format, style), if fails { exit::FAULTS_FOUND } else { 0 })
}

/// The worst first, then from top to bottom. By insertion: std's sort would be 7 KB more.
fn arrange(findings: &mut [Finding]) {
    for at in 1..findings.len() {
        let mut to = at;
        while to > 0 && before(&findings[to], &findings[to - 1]) {
            findings.swap(to, to - 1);
            to -= 1;
        }
    }
}

fn before(a: &Finding, b: &Finding) -> bool {
    let key = |finding: &Finding| (std::cmp::Reverse(finding.severity), finding.place.line);
    match key(a).cmp(&key(b)) {
        std::cmp::Ordering::Equal => (&a.place.file, a.rule.id) < (&b.place.file, b.rule.id),
        other => other.is_lt(),
    }
}

fn question<'a>(plan: &'a Checking, program: Option<&'a str>) -> image::Question<'a> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    image::Question { program, user: plan.user.as_deref(), writable: &plan.writable, now }
}

fn root(directory: Option<&Path>, question: &image::Question<'_>) -> Result<Report, String> {
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return Err(format!("--rootfs {}: no directory", directory.display()));
    }
    let groups = nix::unistd::getgroups().unwrap_or_default();
    let own = image::Subject {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
        home: None,
    };
    // What is set here holds for what runs here.
    let env: Vec<(String, String)> = match directory {
        None => std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect(),
        Some(_) => Vec::new(),
    };
    Ok(image::directory(directory, question, &env, own))
}

/// How far the reading of an archive is, on a terminal.
struct Progress {
    shown: bool,
    wanted: bool,
}

impl Progress {
    fn new(plan: &Checking) -> Progress {
        let terminal = terminal::is_terminal(std::io::stderr().as_raw_fd());
        Progress { shown: false, wanted: terminal && plan.form == Form::Text }
    }

    fn tell(&mut self, layer: usize, of: usize) {
        if self.wanted {
            self.shown = true;
            log::say_raw(&format!("\rreading layer {layer} of {of}\x1b[K"));
        }
    }

    fn end(&self) {
        if self.shown {
            log::say_raw("\r\x1b[K");
        }
    }
}

/// A text, and not much more of it than there may be: a device has no end. A pipe is read (`-f <(make-dockerfile)`), one
/// that nobody writes to is not waited for.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let is_file = file.metadata()?.is_file();
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.is_empty() && !is_file { Err(io::Error::other("no file, and nothing comes out of it")) } else { Ok(bytes) }
}

fn dockerfile(path: &Path) -> Result<Report, String> {
    let name = path.display().to_string();
    let wrong = |error: &dyn std::fmt::Display| format!("--dockerfile {name}: {error}");
    if path.is_dir() {
        return Err(wrong(&format!("a directory; is it {}?", path.join("Dockerfile").display())));
    }
    let bytes = read(path).map_err(|error| wrong(&error))?;
    if bytes.len() > LARGEST || bytes.contains(&0) {
        return Err(wrong(&"too large, or not a text: no Dockerfile"));
    }
    let text = String::from_utf8_lossy(&bytes);
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A Dockerfile in a directory of its own is built with `-f build/Dockerfile .`: then the context is here.
    let own = path.file_name().map(|name| format!("{}.dockerignore", name.to_string_lossy())).unwrap_or_default();
    let here = Some(Path::new(".")).filter(|here| within(path, here));
    let beside_it = |name: &str| -> Option<String> {
        let own = (name == ".dockerignore").then(|| beside.join(&own));
        let mut files = own.into_iter().chain([beside.join(name)]).chain(here.map(|here| here.join(name)));
        let beginning = |file: PathBuf| {
            let mut bytes = Vec::new();
            file::regular(&file).ok()?.take(LARGEST as u64).read_to_end(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        files.find_map(beginning)
    };
    let (mut findings, ignored) = docker::check(&text, &beside_it);
    for finding in &mut findings {
        finding.place.file.clone_from(&name);
    }
    Ok(Report { subject: name, facts: Vec::new(), findings, ignored })
}

/// Whether a file is somewhere below a directory.
fn within(file: &Path, directory: &Path) -> bool {
    match (fs::canonicalize(file), fs::canonicalize(directory)) {
        (Ok(file), Ok(directory)) => file.starts_with(directory),
        (Err(_), _) | (_, Err(_)) => false,
    }
}
