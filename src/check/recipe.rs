//! A Dockerfile on the disk, or from standard input, with the directory that it is built from; and those that a compose file or
//! bake builds.

use super::buildfile::{self, Build};
use super::docker::{self, Checked, Files, Wanted};
use super::show::Report;
use crate::sys::directory::each_name;
use crate::sys::file;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// No Dockerfile has a megabyte.
const LARGEST: usize = 1 << 20;
/// So many files of a context are looked at for what they embed.
const MOST_NAMES: u32 = 20_000;

/// A Dockerfile, read.
pub struct Recipe {
    /// As it was named.
    pub name: String,
    /// What it says.
    pub text: String,
    /// What of it is built.
    wanted: Wanted,
    /// Who builds it, where another file says that.
    by: Option<String>,
    /// It is written inside the file that builds it.
    pub inline: bool,
    context: Directory,
}

/// What one file gives: Dockerfiles, and what else there is to say of it.
pub type Recipes = (Vec<Recipe>, Vec<String>);

/// A build context on the disk.
struct Directory {
    root: PathBuf,
    /// How it came to be this one.
    why: &'static str,
    /// The other one that it may be, where nothing tells.
    rival: Option<Box<Directory>>,
    /// The .dockerignore of the Dockerfile itself, which goes before the context's.
    own_ignore: Option<PathBuf>,
    /// The path of the Dockerfile from here, if it is here.
    own_path: Option<String>,
    /// The same from the root of its repository.
    in_repository: Option<String>,
    /// Modes are those of the repository.
    keeps_modes: bool,
    /// What stands in its root has been read before: each stage asks for it again.
    read: RefCell<Vec<(String, Option<String>)>>,
}

impl Files for Directory {
    fn text(&self, path: &str) -> Option<String> {
        if let Some((_, text)) = self.read.borrow().iter().find(|(name, _)| name == path) {
            return text.clone();
        }
        let own = self.own_ignore.as_ref().filter(|_| path == ".dockerignore");
        let beginning = |file: &Path| {
            let mut bytes = Vec::new();
            file::regular(file).ok()?.take(LARGEST as u64).read_to_end(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        // Podman's name for it.
        let other = || (path == ".dockerignore").then(|| beginning(&self.root.join(".containerignore")))?;
        let text = own.and_then(|own| beginning(own)).or_else(|| beginning(&self.root.join(path))).or_else(other);
        if ["go.mod", "go.sum", ".dockerignore", "vendor/modules.txt"].contains(&path) {
            self.read.borrow_mut().push((path.to_owned(), text.clone()));
        }
        text
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok() || path == ".dockerignore" && self.text(path).is_some()
    }

    fn own_path(&self) -> Option<&str> {
        self.own_path.as_deref()
    }

    fn place(&self) -> Option<&str> {
        self.in_repository.as_deref().or(self.own_path())
    }

    fn is_executable(&self, path: &str) -> Option<bool> {
        let mode = fs::metadata(self.root.join(path)).ok()?.permissions().mode();
        self.keeps_modes.then_some(mode & 0o111 != 0)
    }

    fn rival(&self) -> Option<&dyn Files> {
        self.rival.as_deref().map(|rival| rival as &dyn Files)
    }

    fn each_go_file(&self, each: &mut dyn FnMut(&str, &str)) {
        let mut open = vec![String::new()];
        let mut left = MOST_NAMES;
        while let Some(directory) = open.pop() {
            let mut names = Vec::new();
            let _ = each_name(&self.root.join(&directory).to_string_lossy(), |name| {
                names.push(name.to_string_lossy().into_owned());
            });
            for name in names {
                let path = if directory.is_empty() { name.clone() } else { [&directory, "/", &name].concat() };
                left = left.saturating_sub(1);
                if left == 0 {
                    return;
                }
                // As go build passes over them.
                let skipped =
                    name.starts_with(['.', '_']) || matches!(name.as_str(), "testdata" | "vendor" | "node_modules");
                let is_directory = || self.root.join(&path).symlink_metadata().is_ok_and(|meta| meta.is_dir());
                if name.ends_with(".go") && !name.ends_with("_test.go") {
                    self.text(&path).inspect(|text| each(&path, text));
                } else if !skipped && is_directory() {
                    open.push(path);
                }
            }
        }
    }
}

/// A text, and not much more of it than there may be: a device has no end. A pipe is read (`-f <(make-dockerfile)`), one
/// that nobody writes to is not waited for.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let is_file = file.metadata()?.is_file();
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.is_empty() && !is_file { Err(io::Error::other("no file, and nothing comes out of it")) } else { Ok(bytes) }
}

impl Recipe {
    /// Reads it, or those that a file builds; with what else there is to say of that. `context` and `wanted` are what the build
    /// would be given.
    ///
    /// # Errors
    /// A sentence: it cannot be read, or is none.
    pub fn read(path: &Path, context: Option<&Path>, wanted: &Wanted) -> Result<Recipes, String> {
        let name = path.display().to_string();
        let text = text_of(path, &name)?;
        if is_build_file(path) || (name == "-" && buildfile::is_one(&text)) {
            if context.is_some() || *wanted != Wanted::default() {
                return Err(format!("{name} says itself what is built: no --target, --context or --build-arg"));
            }
            return built_by(path, &text).map_err(|error| format!("{name}: {error}"));
        }
        Recipe::new(path, name, text, context, wanted.clone()).map(|recipe| (vec![recipe], Vec::new()))
    }

    fn new(path: &Path, name: String, text: String, context: Option<&Path>, wanted: Wanted) -> Result<Recipe, String> {
        let (root, why, rival) = match context {
            Some(context) if !context.is_dir() => {
                return Err(format!("--context {}: no such directory", context.display()));
            }
            Some(context) => (context.to_owned(), "--context", None),
            None => context_of(path, &text),
        };
        let ignore = path.file_name().map(|name| format!("{}.dockerignore", name.to_string_lossy()));
        let own_ignore = ignore.map(|name| path.with_file_name(name));
        let of = |root: PathBuf, why, rival| {
            let keeps_modes = root.join(".git").exists();
            let own_path = below(path, &root);
            let (own_ignore, in_repository) = (own_ignore.clone(), in_repository(path));
            Directory { root, why, rival, own_ignore, own_path, in_repository, keeps_modes, read: RefCell::default() }
        };
        let rival = rival.map(|root| Box::new(of(root, "", None)));
        let context = of(root, why, rival);
        Ok(Recipe { name, text, wanted, by: None, inline: false, context })
    }

    /// What is found in a text in its place: its own, or one that was mended.
    ///
    /// # Errors
    /// A sentence: there is no such stage.
    pub(crate) fn judge(&self, text: &str) -> Result<Checked, String> {
        let mut checked = docker::check_with(text, &self.context, &self.wanted)?;
        for finding in &mut checked.findings {
            finding.place.file.clone_from(&self.name);
        }
        Ok(checked)
    }

    /// The same, to be shown.
    ///
    /// # Errors
    /// As above.
    pub fn check(&self) -> Result<Report, String> {
        let of = |error: String| self.by.as_ref().map_or(error.clone(), |by| format!("{by}: {error}"));
        let checked = self.judge(&self.text).map_err(of)?;
        let mut context = format!("context: {} ({})", self.context.root.display(), self.context.why);
        if let Some(rival) = &self.context.rival {
            context.push_str(&format!(", perhaps {}: --context says which", rival.root.display()));
        }
        Ok(Report {
            subject: match &self.by {
                Some(by) if !self.inline => format!("{} ({by})", self.name),
                Some(_) | None => self.name.clone(),
            },
            facts: [Some(context), checked.stage].into_iter().flatten().collect(),
            findings: checked.findings,
            ignored: checked.ignored,
            sources: vec![(self.name.clone(), self.text.clone())],
        })
    }
}

/// A text on the disk or from standard input.
fn text_of(path: &Path, name: &str) -> Result<String, String> {
    let wrong = |error: &str| format!("--dockerfile {name}: {error}");
    let bytes = read(path).map_err(|error| wrong(&file::described(&error)))?;
    if bytes.len() > LARGEST {
        return Err(wrong(&format!("it is larger than {} MiB, and no Dockerfile", LARGEST >> 20)));
    }
    if bytes.contains(&0) {
        return Err(wrong("it is not a text file, and no Dockerfile"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a compose file or bake builds, and what else there is to say of it.
fn built_by(path: &Path, text: &str) -> Result<Recipes, String> {
    let beside = path.parent().filter(|_| path != Path::new("-")).unwrap_or(Path::new(""));
    let env = fs::read_to_string(beside.join(".env")).unwrap_or_default();
    let found = buildfile::read(text, &env)?;
    let mut recipes = Vec::new();
    for Build { name: by, context, dockerfile, inline, wanted } in found.builds {
        let context = plain(&beside.join(context));
        let file = if inline.is_some() { path.to_owned() } else { plain(&context.join(dockerfile)) };
        let is_inline = inline.is_some();
        let name = if is_inline { format!("{} in {}", by, path.display()) } else { file.display().to_string() };
        let text = inline.map_or_else(|| text_of(&file, &name), Ok).map_err(|error| format!("{by}: {error}"))?;
        let mut recipe = Recipe::new(&file, name, text, Some(&context), wanted)?;
        recipe.inline = is_inline;
        recipe.context.why = "as the build file has it";
        recipe.by = Some(by);
        recipes.push(recipe);
    }
    Ok((recipes, found.notes))
}

/// A path without what leads nowhere, seen from the current directory where it is below it.
fn plain(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let mut plain = PathBuf::new();
    for part in path.strip_prefix(&here).unwrap_or(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    if plain.as_os_str().is_empty() { ".".into() } else { plain }
}

/// The context where none is named: the current directory, if the Dockerfile is below it and what it copies is there;
/// otherwise the Dockerfile's own directory, or one between them. The third is the other one that it may be, where what is
/// copied is not all in this one alone.
fn context_of(path: &Path, text: &str) -> (PathBuf, &'static str, Option<PathBuf>) {
    let here = (PathBuf::from("."), "the current directory", None);
    if path == Path::new("-") {
        return here;
    }
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let same = fs::canonicalize(&beside).ok() == fs::canonicalize(".").ok();
    if same {
        return here_or_above(&docker::copied(text)).unwrap_or(here);
    }
    if !within(path, Path::new(".")) {
        return (beside, "the Dockerfile's directory", None);
    }
    let copied = docker::copied(text);
    let there = |root: &Path| {
        let there = |source: &&String| root.join(source).symlink_metadata().is_ok();
        copied.iter().filter(there).cloned().collect::<Vec<String>>()
    };
    // What belongs to a context. A module of its own is built where it is.
    let has = |root: &Path, name: &str| root.join(name).is_file();
    let marks = |root: &Path| (there(root).len(), has(root, "go.mod"), has(root, ".dockerignore"));
    // Directories between them may be it, too.
    let mut own = (beside.clone(), "the Dockerfile's directory");
    let between = |above: &&Path| within(above, Path::new(".")) && !within(Path::new("."), above);
    for above in beside.ancestors().skip(1).take_while(between) {
        if marks(above) > marks(&own.0) {
            own = (above.to_owned(), "a directory above the Dockerfile");
        }
    }
    let (of_own, of_here) = (marks(&own.0), marks(&here.0));
    let is_own = of_own > of_here || (of_own.0 == of_here.0 && of_own.1);
    let (chosen, other) = if is_own { (of_own.0, of_here.0) } else { (of_here.0, of_own.0) };
    let (root, why, other_root) = if is_own { (own.0, own.1, here.0) } else { (here.0, here.1, own.0) };
    // Who leaves all of it out builds it from elsewhere.
    let ignore = fs::read_to_string(root.join(".dockerignore")).unwrap_or_default();
    let doubtful = chosen < copied.len() || other == chosen || docker::sends_none(&ignore, &there(&root));
    (root, why, doubtful.then_some(other_root))
}

/// So many directories above another one are looked at.
const MOST_ABOVE: usize = 8;

/// From the Dockerfile's own directory inside of a repository: a directory above it that has more of what is copied, or the
/// go.mod that is not here; the other one is the second that it may be. None where nothing speaks for one above.
fn here_or_above(copied: &[String]) -> Option<(PathBuf, &'static str, Option<PathBuf>)> {
    let is_repository = |root: &Path| root.join(".git").symlink_metadata().is_ok();
    let here = PathBuf::from(".");
    let above = || (1..=MOST_ABOVE).map(|up| PathBuf::from(vec![".."; up].join("/")));
    if is_repository(&here) || !above().any(|root| is_repository(&root)) {
        return None;
    }
    let marks = |root: &Path| {
        let there = copied.iter().filter(|source| root.join(source).symlink_metadata().is_ok());
        (there.count(), root.join("go.mod").is_file())
    };
    let own = marks(&here);
    let (mut best, mut best_marks, mut top) = (here.clone(), own, here.clone());
    for root in above() {
        let marks = marks(&root);
        if marks > best_marks {
            (best, best_marks) = (root.clone(), marks);
        }
        top = root;
        if is_repository(&top) {
            break;
        }
    }
    let why = "a directory above the Dockerfile, which has what is copied";
    match best_marks.0 > own.0 && best_marks.0 == copied.len() {
        true => Some((best, why, None)),
        false if best != here => Some((best, "a directory above the Dockerfile", Some(here))),
        // A module, or all that is copied, is built where it is.
        false if own.1 || own.0 > 0 && own.0 == copied.len() => None,
        false => Some((here, "the current directory", Some(top))),
    }
}

/// Whether a file is somewhere below a directory.
fn within(file: &Path, directory: &Path) -> bool {
    below(file, directory).is_some()
}

/// The path of a file from the root of its repository.
fn in_repository(file: &Path) -> Option<String> {
    let file = fs::canonicalize(file).ok()?;
    let root = file.ancestors().skip(1).find(|above| above.join(".git").symlink_metadata().is_ok())?;
    below(&file, root)
}

/// The path of a file from a directory that it is below.
fn below(file: &Path, directory: &Path) -> Option<String> {
    let (file, directory) = (fs::canonicalize(file).ok()?, fs::canonicalize(directory).ok()?);
    file.strip_prefix(directory).ok().map(|path| path.to_string_lossy().into_owned())
}

/// Whether a file of that name is a Dockerfile.
pub fn is_dockerfile(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let ends = [".dockerignore", ".tmpl", ".md", ".bak", ".orig"].iter().any(|end| lower.ends_with(end));
    let begins = ["dockerfile", "containerfile"].iter().any(|begin| {
        lower.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
    });
    !ends && (begins || lower.ends_with(".dockerfile") || lower.ends_with(".containerfile"))
}

/// Whether a file of another name is one all the same: its first instruction is FROM or ARG.
pub fn begins_as_dockerfile(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = file::regular(path).and_then(|file| file.take(16 * 1024).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let first = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    let word = first.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
    read.is_ok() && ["FROM", "ARG"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Whether a file of that name says what is built: compose's, or what bake prints.
pub fn is_build_file(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
}

/// The Dockerfiles of a directory, by their names.
pub fn in_directory(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    let _ = each_name(&directory.to_string_lossy(), |name| {
        let path = directory.join(name.to_string_lossy().as_ref());
        if is_dockerfile(&path) && path.is_file() {
            let at = files.iter().position(|other| *other > path).unwrap_or(files.len());
            files.insert(at, path);
        }
    });
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in
            ["Dockerfile", "Dockerfile.prod", "a/api.Dockerfile", "Containerfile", "dockerfile", "Dockerfile-alpine"]
        {
            assert!(is_dockerfile(Path::new(name)), "{name}");
        }
        for name in ["server", "Dockerfile.dockerignore", "Dockerfile.tmpl", "Dockerfiles", "docker", "README.md"] {
            assert!(!is_dockerfile(Path::new(name)), "{name}");
        }
    }
}
