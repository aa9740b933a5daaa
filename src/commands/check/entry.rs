//! What `goward check` does: files are read, findings are printed.

use super::config::Config;
use super::settings::Fix;
use super::{Settings, Subject};
use crate::check::recipe::{Recipe, Recipes};
use crate::check::{self, Finding, Format, Report, Style, fix, image, show, table};
use crate::cli::display::written;
use crate::exit;
use crate::log;
use crate::sys::file::described;
use crate::sys::mask::Mask;
use crate::sys::{clock, terminal};
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The command, to its exit code. `inherited` is the signal mask goward was started with: Ctrl-C ends this one.
pub fn run(settings: &Settings, inherited: Mask) -> u8 {
    let _ = inherited.install();
    if let Some(unknown) = settings.ignore.iter().find(|id| table::find(id).is_none()) {
        return refuse(&format!("--ignore: there is no finding {unknown}; goward check --list has them all"));
    }
    let config = match config(settings) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let found = match &settings.subject {
        Subject::List => return print(&check::list(), 0),
        Subject::Explain(id) => {
            return match table::find(id) {
                Some(rule) => print(&check::explain(rule), 0),
                None => refuse(&format!("there is no finding {id}; goward check --list has them all")),
            };
        }
        Subject::Dockerfiles { files, context, wanted, fix } => {
            let read = |file: &PathBuf| Recipe::read(file, context.as_deref(), wanted);
            let read: Result<Vec<Recipes>, String> = files.iter().map(read).collect();
            match (read, fix) {
                (Ok(read), Some(fix)) => {
                    return mend(read.into_iter().flat_map(|(recipes, _)| recipes).collect(), *fix, settings, &config);
                }
                (Ok(read), None) => together(read, files),
                (Err(error), _) => Err(error),
            }
        }
        Subject::Image { archive, program } => image(settings, archive, program.as_deref()),
        Subject::Root { directory: None, program } if is_host() => {
            let program = program.as_deref().unwrap_or_default();
            Err(format!(
                "{program}: its name is not that of a Dockerfile, and this is not a container; goward check -f {program} reads \
                 it as a Dockerfile, --rootfs / {program} checks this machine"
            ))
        }
        Subject::Root { directory, program } => {
            check::root(directory.as_deref(), &question(settings, program.as_deref()))
        }
    };
    match found {
        Ok(report) => tell(report, settings, &config),
        Err(error) => refuse(&error),
    }
}

/// All of them in one report.
fn together(read: Vec<Recipes>, files: &[PathBuf]) -> Result<Report, String> {
    let mut all = Report::default();
    for ((recipes, notes), file) in read.into_iter().zip(files) {
        for recipe in &recipes {
            all.add(recipe.check()?);
        }
        if recipes.is_empty() {
            all.add(Report { subject: file.display().to_string(), ..Report::default() });
        }
        all.facts.extend(notes);
    }
    Ok(all)
}

/// The repository's own file, where there is one.
fn config(settings: &Settings) -> Result<Config, String> {
    let default = Path::new(".goward");
    let path = match &settings.config {
        Some(path) => path.as_path(),
        None if default.is_file() => default,
        None => return Ok(Config::default()),
    };
    let wrong = |error: String| format!("--config {}: {error}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(described(&error)))?;
    file.take(1 << 20).read_to_string(&mut text).map_err(|error| wrong(described(&error)))?;
    Config::read(&text).map_err(wrong)
}

/// Prints or writes what is certain to be right.
fn mend(mut recipes: Vec<Recipe>, to: Fix, settings: &Settings, config: &Config) -> u8 {
    let mut out = String::new();
    for at in 0..recipes.len() {
        let Some((recipe, later)) = recipes.get_mut(at..).and_then(<[Recipe]>::split_first_mut) else { break };
        let found = |text: &str| {
            let mut findings = recipe.judge(text).map(|checked| checked.findings).unwrap_or_default();
            findings.retain(|finding| !is_left_out(finding, settings, config));
            findings
        };
        let (text, ids, diff) = fix::mend(&recipe.text, &found);
        let name = check::one_line(&recipe.name);
        if ids.is_empty() {
            log::say_raw(&format!("goward check: {name}: nothing that --fix can fix\n"));
        }
        match to {
            Fix::Write if recipe.name == "-" => out.push_str(&text),
            _ if ids.is_empty() => {}
            Fix::Show => out.push_str(&format!("--- {name}\n+++ {name}\n{diff}")),
            Fix::Write if recipe.inline => {
                out.push_str(&format!("{name}: {} not written there; --fix shows how\n", ids.join(", ")))
            }
            Fix::Write => {
                if let Err(error) = std::fs::write(&recipe.name, &text) {
                    return refuse(&format!("{}: {}", recipe.name, described(&error)));
                }
                out.push_str(&format!("{name}: {} fixed\n", ids.join(", ")));
            }
        }
        // Several may be built from one file.
        for other in later.iter_mut().filter(|other| other.name == recipe.name) {
            other.text.clone_from(&text);
        }
    }
    print(&out, 0)
}

fn is_left_out(finding: &Finding, settings: &Settings, config: &Config) -> bool {
    settings.ignore.iter().any(|id| id == finding.rule.id) || config.leaves_out(finding)
}

fn image(settings: &Settings, archive: &Path, program: Option<&str>) -> Result<Report, String> {
    let question = question(settings, program);
    let mut progress = Progress::new(settings);
    let name = archive.display().to_string();
    // Layers are read where they are: what comes through a pipe needs a file first, without a name.
    let spooled =
        (name == "-").then(spooled).transpose().map_err(|error| format!("--image -: {}", described(&error)))?;
    let path = spooled
        .as_ref()
        .map_or_else(|| archive.to_owned(), |file| format!("/proc/self/fd/{}", file.as_raw_fd()).into());
    let mut report = image::archive(&path, &question, &mut |layer, of| progress.tell(layer, of));
    progress.end();
    if let Ok(report) = &mut report {
        report.subject.clone_from(&name);
    }
    let no_file = !name.contains('/') && !name.ends_with(".tar") && archive.symlink_metadata().is_err();
    let error = |error: String| match no_file && name != "-" {
        true => format!("--image {name}: no such file; of an image: docker save {name} | goward check --image -"),
        false => format!("--image {name}: {error}"),
    };
    report.map_err(error)
}

/// Standard input in a file that ends with this process.
fn spooled() -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlag::O_TMPFILE.bits());
    let mut file = options.open(std::env::temp_dir())?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
    Ok(file)
}

/// Whether this is a machine with a system of its own, and no container. In doubt it is none: in a RUN of a build nothing
/// tells.
fn is_host() -> bool {
    let container = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists())
        || std::env::var_os("container").is_some()
        || std::process::id() == 1;
    !container && Path::new("/run/systemd/system").is_dir()
}

fn refuse(error: &str) -> u8 {
    log::say_raw(&format!("goward: {}\n", check::one_line(error)));
    exit::GOWARD_FAILED
}

fn print(text: &str, code: u8) -> u8 {
    match written(std::io::stdout().write_all(text.as_bytes())) {
        Ok(()) => code,
        Err(why) => refuse(&why),
    }
}

fn tell(mut report: Report, settings: &Settings, config: &Config) -> u8 {
    let all = report.findings.len();
    report.findings.retain(|finding| !is_left_out(finding, settings, config));
    for finding in &mut report.findings {
        finding.severity = config.severity(finding);
    }
    report.ignored += all - report.findings.len();
    check::arrange(&mut report.findings);
    let width = settings.display.width().unwrap_or(100).max(40);
    let style = Style { width, colour: settings.display.is_coloured() };
    let fails = report.findings.iter().any(|finding| settings.fail_on.is_some_and(|limit| finding.severity >= limit));
    print(&show(report, settings.format, style), if fails { exit::FAULTS_FOUND } else { 0 })
}

fn question<'a>(settings: &'a Settings, program: Option<&'a str>) -> image::Question<'a> {
    let now = clock::of_day().unwrap_or_default().as_secs();
    image::Question { program, user: settings.user.as_deref(), writable: &settings.writable, now }
}

/// How far the reading of an archive is, on a terminal.
struct Progress {
    shown: bool,
    wanted: bool,
}

impl Progress {
    fn new(settings: &Settings) -> Progress {
        let terminal = terminal::is_terminal(std::io::stderr().as_raw_fd());
        Progress { shown: false, wanted: terminal && settings.format == Format::Text }
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
