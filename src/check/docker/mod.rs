//! A Dockerfile's faults: its text, and what lies beside it, to findings. Pure.

mod base;
mod effects;
mod ignorefile;
mod judge;
mod parse;
pub(crate) mod script;
mod stage;
mod tags;
mod variables;
pub(crate) mod words;

use super::finding::{Finding, Place, Severity};
use super::table;
pub(super) use judge::{is_secret, script_becomes};

/// So many comments that are wrong nobody reads of.
const MOST: usize = 1000;

/// The build context, as far as it is looked at.
pub(crate) trait Files {
    /// The beginning of a file; None where there is none.
    fn text(&self, path: &str) -> Option<String>;

    /// Whether there is a file or a directory.
    fn has(&self, path: &str) -> bool {
        self.text(path).is_some()
    }

    /// Whether it has the x bit, where the modes are those of the repository: None where that is not known.
    fn is_executable(&self, _path: &str) -> Option<bool> {
        None
    }

    /// The path of the Dockerfile itself, where it is here.
    fn own_path(&self) -> Option<&str> {
        None
    }

    /// The path of the Dockerfile in its repository, or from here.
    fn place(&self) -> Option<&str> {
        self.own_path()
    }

    /// The other directory that may be what is built from, where none is named and the Dockerfile does not tell.
    fn rival(&self) -> Option<&dyn Files> {
        None
    }

    /// Each Go file that may be built, by its path, with what it says.
    fn each_go_file(&self, _each: &mut dyn FnMut(&str, &str)) {}

    /// Whether a Go file has one of these in it; None where there is no Go file.
    fn go_files_have(&self, parts: &[&str]) -> Option<bool> {
        let mut have = None;
        self.each_go_file(&mut |_, text| {
            have = Some(have == Some(true) || parts.iter().any(|part| text.contains(part)))
        });
        have
    }
}

impl<F: Fn(&str) -> Option<String>> Files for F {
    fn text(&self, path: &str) -> Option<String> {
        self(path)
    }
}

pub(crate) type Context<'a> = &'a dyn Files;

/// What is asked of a Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The stage that is built; None for the last one.
    pub target: Option<String>,
    /// Arguments of the build and their values; None where only the builder knows it.
    pub arguments: Vec<(String, Option<String>)>,
    /// Names that the build gives other contexts: what is copied from them is no stage of the file.
    pub contexts: Vec<String>,
}

/// What a look at a Dockerfile gave.
pub(crate) struct Checked {
    pub(crate) findings: Vec<Finding>,
    /// So many its own comments ask not to be told of.
    pub(crate) ignored: usize,
    /// A word on the stage that is judged, where there are several.
    pub(crate) stage: Option<String>,
}

/// Everything that is wrong with it, and how many findings its own comments ask not to be told.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(text: &str, context: Context<'_>) -> (Vec<Finding>, usize) {
    check_with(text, context, &Wanted::default())
        .map_or_else(|_| Default::default(), |done| (done.findings, done.ignored))
}

/// Everything that is wrong with what is wanted of it.
///
/// # Errors
/// A sentence: it has no such stage.
pub(crate) fn check_with(text: &str, context: Context<'_>, wanted: &Wanted) -> Result<Checked, String> {
    let file = parse::parse(text);
    let mut stages = stage::follow(&file, context, wanted);
    for stage in &mut stages.stages {
        stage.images.retain(|(image, _)| !wanted.contexts.contains(image));
    }
    let target = match &wanted.target {
        None => None,
        Some(target) => match stage::stage_of(target, &stages.stages) {
            Some(Ok(at)) => Some(at),
            Some(Err(_)) | None => return Err(format!("--target {target}: the file has no such stage")),
        },
    };
    let mut findings = judge::judge(&file, &stages, context, target);
    let all = findings.len();
    let mut used = vec![Vec::new(); file.ignores.len()];
    findings.retain(|finding| {
        let line = finding.place.line;
        let mut told = true;
        for (ignore, used) in file.ignores.iter().zip(&mut used) {
            let here =
                (ignore.first..=ignore.last).contains(&line) && ignore.ids.iter().any(|id| id == finding.rule.id);
            if here {
                used.push(finding.rule.id);
            }
            told &= !here;
        }
        told
    });
    let ignored = all - findings.len();
    let comments = file.ignores.iter().zip(&used).filter(|(ignore, _)| !ignore.foreign);
    findings.extend(comments.filter_map(|(ignore, used)| doubtful(ignore, used)).take(MOST));
    Ok(Checked { findings, ignored, stage: stage_judged(&stages, target) })
}

/// Which stage is judged, and a word where the last one is not what is started.
fn stage_judged(stages: &stage::Stages<'_>, target: Option<usize>) -> Option<String> {
    let name = |at: usize| {
        let stage = stages.stages.get(at);
        stage.and_then(|stage| stage.name.clone()).unwrap_or_else(|| format!("number {at}"))
    };
    let last = stages.stages.len().checked_sub(1).filter(|last| *last > 0)?;
    if let Some(at) = target {
        return Some(format!("stage: {} (--target)", name(at)));
    }
    let others: Vec<usize> = stages.shipped().into_iter().filter(|at| *at != last).collect();
    if others.is_empty() {
        return Some(format!("stage: {} (the last)", name(last)));
    }
    let names: Vec<String> = others.iter().map(|at| name(*at)).collect();
    let names = names.join(", ");
    Some(format!(
        "stage: {} (the last), and {names}, which start something too; --target takes one of them",
        name(last)
    ))
}

/// The paths of the context that are copied, as far as they are written plainly.
pub(crate) fn copied(text: &str) -> Vec<String> {
    let file = parse::parse(text);
    let copies = file.instructions.iter().filter(|instruction| {
        matches!(instruction.keyword.as_str(), "COPY" | "ADD") && instruction.flag("from").is_none()
    });
    let words = copies.flat_map(|instruction| {
        let split = || words::split(&instruction.rest, file.escape).into_iter().map(|word| word.raw).collect();
        let mut words: Vec<String> = instruction.list.clone().unwrap_or_else(split);
        words.pop();
        words
    });
    let plain = |word: &String| !word.contains(['$', '*', '?', '[', ':', '<']);
    let relative = words.filter(plain).map(|word| judge::inside(&word).0);
    relative.filter(|word| !word.is_empty()).take(1000).collect()
}

/// Whether .dockerignore sends none of these to the builder.
pub(crate) fn sends_none(ignore: &str, paths: &[String]) -> bool {
    let patterns = ignorefile::Patterns::read(ignore);
    paths.iter().all(|path| patterns.leave_out(path) && !patterns.may_take_back_below(path))
}

/// A comment that ignores without a reason, what does not exist, or what is not there. `used` are the ids that it kept out.
fn doubtful(ignore: &parse::Ignore, used: &[&str]) -> Option<Finding> {
    let place = Place::line(ignore.line);
    let mend = "# goward: ignore=GW301 and why; goward check --list has all ids";
    if let Some(id) = ignore.ids.iter().find(|id| table::find(id).is_none()) {
        return Some(Finding::new(&table::BAD_IGNORE, place, format!("there is no finding {id}"), mend));
    }
    if ignore.ids.is_empty() {
        return Some(Finding::new(&table::BAD_IGNORE, place, "it names no finding", mend));
    }
    if ignore.reason.is_empty() {
        let evidence = format!("{} is ignored without a reason", ignore.ids.join(","));
        return Some(Finding::new(&table::BAD_IGNORE, place, evidence, mend).at(Severity::Note));
    }
    let idle: Vec<&str> = ignore.ids.iter().map(String::as_str).filter(|id| !used.contains(id)).collect();
    let where_to =
        if ignore.first == 0 { "no instruction follows it" } else { "the instruction that follows has none" };
    let evidence = format!("there is nothing to ignore for {}: {where_to}", idle.join(","));
    let mend =
        "remove it, or put it before the line of the finding; # goward: global ignore=… holds for the whole file";
    (!idle.is_empty()).then(|| Finding::new(&table::BAD_IGNORE, place, evidence, mend).at(Severity::Note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_said_holds() {
        for (id, text, said) in [
            ("GW301", "FROM debian\nENTRYPOINT /s -n \"a \\\"b\\\" c\"\n", r#"ENTRYPOINT ["/s", "-n", "a \"b\" c"]"#),
            ("GW302", "FROM debian\nCMD /server 2>&1 > /log\n", "CMD exec …"),
            ("GW303", "FROM scratch\nCMD /server -x\n", r#"CMD ["/server", "-x"]"#),
            ("GW303", "FROM scratch\nCMD /server --port $PORT\n", "nothing that only a shell does"),
            ("GW332", "ARG TARGET_GOOS=a\nFROM debian\nRUN echo $TARGET_GOOS\n", "before the first FROM"),
            ("GW323", "FROM alpine:3.12\n", "alpine 3.12 ended in May 2022"),
        ] {
            let (findings, _) = check(text, &|_: &str| None);
            let finding = findings.iter().find(|finding| finding.rule.id == id).unwrap();
            assert!(finding.mend.contains(said) || finding.evidence.contains(said), "{finding:?}");
        }
    }

    /// Each stage that is shipped is judged by all that made it.
    #[test]
    fn many_stages_of_a_long_one_are_not_judged() {
        let file = |stages: usize| {
            let base = "FROM debian AS a\n".to_owned() + &"RUN a b c d e f g h\n".repeat(5000);
            base + &"FROM a\nENTRYPOINT /x\n".repeat(stages)
        };
        let found = |stages| {
            let (findings, _) = check(&file(stages), &|_: &str| None);
            (findings.len(), findings.iter().any(|finding| finding.rule.id == table::CANNOT_TELL.id))
        };
        assert_eq!(found(490), (1, true));
        let (count, cannot_tell) = found(5);
        assert!(count > 5 && !cannot_tell);
    }

    /// Pieces of Dockerfiles, in any order and number.
    const PIECES: &[&str] = &[
        "FROM golang:1.27 AS a\n",
        "FROM scratch\n",
        "FROM a AS b\n",
        "FROM $X\n",
        "ARG X=${Y:-z}\n",
        "ARG X\n",
        "ENV A=$X B=\"c d\"\n",
        "RUN ",
        "RUN --mount=type=bind,from=a ",
        "CGO_ENABLED=0 ",
        "go build -ldflags=\"-s $X\" .",
        "&& ",
        "; ",
        "\n",
        "\\\n",
        "# c\n",
        "COPY --from=a /x /\n",
        "COPY . .\n",
        "COPY <<EOF /f\nx\nEOF\n",
        "CMD [\"a\"]\n",
        "CMD ['a']\n",
        "ENTRYPOINT /x | y\n",
        "USER app\n",
        "HEALTHCHECK CMD curl x\n",
        "HEALTHCHECK NONE\n",
        "EXPOSE 80 ${X}/tcp 1-2\n",
        "STOPSIGNAL 9\n",
        "SHELL [\"bash\"]\n",
        "ONBUILD RUN x\n",
        "ADD https://x /y\n",
        "WORKDIR /w\n",
        "apk add git ",
        "<<EOF ",
        "EOF\n",
        "'",
        "\"",
        "$(",
        ")",
        "é",
        "--from=9 ",
        "[",
        "# escape=`\n",
    ];

    proptest! {
        #[test]
        fn no_dockerfile_is_a_panic(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..24)) {
            let text = pieces.concat();
            let context = |name: &str| (name == "go.mod").then(|| "module x\nrequire y\n".to_owned());
            let (findings, _) = check(&text, &context);
            let lines = text.split('\n').count() as u32;
            prop_assert!(findings.iter().all(|finding| finding.place.line <= lines && !finding.evidence.is_empty()));
        }
    }
}
