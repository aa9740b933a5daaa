//! From the command line of `goward check` to its settings.

use super::COMMAND;
use super::options::{CheckWords, OPTIONS};
use crate::check::{Format, Severity, Wanted, recipe};
use crate::cli::display::Display;
use crate::cli::environment::Environment;
use crate::cli::{Answer, Env, parser};
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// What `goward check` looks at, and how it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is looked at: a Dockerfile, an image or a directory.
    pub subject: Subject,
    /// Who the server will be.
    pub user: Option<String>,
    /// Where it must be able to write.
    pub writable: Vec<String>,
    /// From which severity on the exit code is 1; none: it never is.
    pub fail_on: Option<Severity>,
    /// The format of the report.
    pub format: Format,
    /// Ids that are not to be told.
    pub ignore: Vec<String>,
    /// The repository's own file; None: `.goward`, if it is there.
    pub config: Option<PathBuf>,
    /// Colours and width of a report in text.
    pub display: Display,
}

/// What becomes of a mended Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fix {
    /// The difference is printed.
    Show,
    /// It is written.
    Write,
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Dockerfiles.
    Dockerfiles {
        /// Where they are; `-` is standard input.
        files: Vec<PathBuf>,
        /// What they are built from, where that is said.
        context: Option<PathBuf>,
        /// The stage and the arguments of the build.
        wanted: Wanted,
        /// A diff is printed, not the findings.
        fix: Option<Fix>,
    },
    /// An archive of docker save, or of OCI.
    Image {
        /// The path of the archive.
        archive: PathBuf,
        /// None: what the image says.
        program: Option<String>,
    },
    /// A directory as the root, or what is here.
    Root {
        /// The root directory of the image; none for `/`.
        directory: Option<PathBuf>,
        /// None: the files alone.
        program: Option<String>,
    },
    /// Nothing: the table of findings is printed.
    List,
    /// Nothing: one finding is explained.
    Explain(String),
}

/// Reads the command line.
///
/// # Errors
/// What there is to say instead.
pub fn parse(arguments: &[CString], env: Env<'_>) -> Result<Settings, Answer> {
    let given = parser::read(&COMMAND, arguments)?;
    let (mut words, mut errors) = (CheckWords::default(), Vec::new());
    parser::apply(&OPTIONS, &given, &Environment::EMPTY, &mut words, &mut errors);
    let operands = given.rest.iter().map(|word| word.to_string_lossy().into_owned());
    let operands: Vec<String> = operands.skip_while(String::is_empty).collect();
    if !errors.is_empty() {
        return Err(COMMAND.refuse(&errors));
    }
    Ok(Settings {
        user: words.user.clone(),
        writable: words.writable.clone(),
        fail_on: words.fail_on.unwrap_or(Some(Severity::Error)),
        format: words.format.unwrap_or(Format::Text),
        ignore: std::mem::take(&mut words.ignore),
        display: Display::new(words.colour.unwrap_or_default(), env),
        config: words.config.clone(),
        subject: subject(words, operands).map_err(|error| COMMAND.refuse(&[error]))?,
    })
}

/// One thing at a time.
fn subject(words: CheckWords, operands: Vec<String>) -> Result<Subject, String> {
    if words.list {
        return Ok(Subject::List);
    }
    let other = words.image.is_some() || words.rootfs.is_some();
    let named: Vec<PathBuf> = operands.iter().map(PathBuf::from).filter(|path| is_recipe(path)).collect();
    if !words.dockerfile.is_empty() || (!named.is_empty() && !other) {
        if named.len() < operands.len() {
            return Err("--dockerfile or a program of an image: one at a time".to_owned());
        }
        return dockerfiles(words, named, other);
    }
    if words.target.is_some() || words.context.is_some() || !words.build_arg.is_empty() || words.fix || words.write {
        return Err("--target, --context, --build-arg, --fix and --write are for a Dockerfile".to_owned());
    }
    if operands.len() > 1 {
        return Err("one program at a time, without its arguments".to_owned());
    }
    let program = operands.into_iter().next();
    match (words.image, words.rootfs) {
        (None, None) if words.explain.is_some() => Ok(Subject::Explain(words.explain.unwrap_or_default())),
        (Some(archive), None) => Ok(Subject::Image { archive, program }),
        (None, Some(directory)) => Ok(Subject::Root { directory: Some(directory), program }),
        (None, None) if program.is_some() => Ok(Subject::Root { directory: None, program }),
        (None, None) => {
            Err("no file, image or directory was given: goward check Dockerfile, --image FILE.tar, --rootfs DIR, \
                             or a program of the image this runs in"
                .to_owned())
        }
        (Some(_), Some(_)) => Err("--dockerfile, --image and --rootfs: one at a time".to_owned()),
    }
}

/// Whether an operand means Dockerfiles: by its name or its beginning, or a directory, or standard input.
fn is_recipe(path: &Path) -> bool {
    path == Path::new("-")
        || recipe::is_dockerfile(path)
        || recipe::is_build_file(path)
        || path.is_dir()
        || recipe::begins_as_dockerfile(path)
}

fn dockerfiles(words: CheckWords, named: Vec<PathBuf>, other: bool) -> Result<Subject, String> {
    if other {
        return Err("--dockerfile, --image and --rootfs: one at a time".to_owned());
    }
    if words.user.is_some() || !words.writable.is_empty() {
        return Err("--user and --writable are for an image; a Dockerfile says itself who the server is".to_owned());
    }
    if words.write && !words.fix {
        return Err("--write is valid only with --fix".to_owned());
    }
    let mut files = words.dockerfile;
    for path in named {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let inside = recipe::in_directory(&path);
        if inside.is_empty() {
            return Err(format!("{}: there is no Dockerfile in this directory", path.display()));
        }
        files.extend(inside);
    }
    if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        return Err("standard input is read once".to_owned());
    }
    let fix = words.fix.then_some(if words.write { Fix::Write } else { Fix::Show });
    let wanted = Wanted { target: words.target, arguments: words.build_arg, contexts: Vec::new() };
    Ok(Subject::Dockerfiles { files, context: words.context, wanted, fix })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::display::Colour;
    use crate::cli::testing;

    fn parse_line(line: &str, env: &[(&str, &str)]) -> Result<Settings, Answer> {
        parse(&testing::words(line), &|name| testing::variable(env, name))
    }

    fn good(line: &str, env: &[(&str, &str)]) -> Settings {
        testing::accepted(line, parse_line(line, env))
    }

    #[test]
    fn words() {
        let here = good(
            "--user 65532 --writable /tmp,/data --ignore gw109,GW110 --fail-on=note /server",
            &[("NO_COLOR", "1")],
        );
        assert_eq!(here.subject, Subject::Root { directory: None, program: Some("/server".into()) });
        assert_eq!(
            (here.writable.len(), here.ignore, here.fail_on),
            (2, vec!["GW109".into(), "GW110".into()], Some(Severity::Note))
        );
        assert_eq!((here.user.as_deref(), here.display.colour), (Some("65532"), Colour::Never));
        assert_eq!(good("-f Dockerfile --format sarif", &[]).format, Format::Sarif);
        let Subject::Dockerfiles { files, wanted, fix, .. } =
            good("Dockerfile.a -f b,c --target t --build-arg A=b=c --fix", &[]).subject
        else {
            panic!("no Dockerfiles")
        };
        assert_eq!((files.len(), wanted.target.as_deref(), fix), (3, Some("t"), Some(Fix::Show)));
        assert_eq!(wanted.arguments, [("A".to_owned(), Some("b=c".to_owned()))]);
        assert_eq!(good("--rootfs /x", &[]).subject, Subject::Root { directory: Some("/x".into()), program: None });
        assert_eq!(good("--image x.tar /p", &[("COLUMNS", "70")]).display.columns, Some(70));
        assert_eq!(good("--explain gw101", &[]).subject, Subject::Explain("gw101".into()));
        assert_eq!(good("--list", &[]).subject, Subject::List);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("", "no file, image or directory was given"),
            ("--dockerfle x", "no option --dockerfle"),
            ("-x", "no option -x"),
            ("/a /b", "one program at a time"),
            ("--dockerfile", "--dockerfile needs a value: FILE"),
            ("--dockerfile x --image y", "one at a time"),
            ("--dockerfile x /server", "one at a time"),
            ("--dockerfile x --user 1", "for an image"),
            ("Dockerfile /server", "one at a time"),
            ("Dockerfile --image x.tar --rootfs /", "one at a time"),
            ("--target a /server", "for a Dockerfile"),
            ("Dockerfile --write", "valid only with --fix"),
            ("Dockerfile --build-arg X", "has no ="),
            ("- -", "read once"),
            ("--writable data /server", "not an absolute path"),
            ("--fail-on bad /server", "not one of error"),
            ("--format xml /server", "not one of text"),
            ("--list=yes", "--list"),
        ] {
            match parse_line(line, &[]) {
                Err(Answer::Refused(stderr)) => assert!(stderr.contains(said), "{stderr}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
