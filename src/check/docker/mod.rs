//! A Dockerfile's faults: its text, and what lies beside it, to findings. Pure.

mod base;
mod effects;
mod judge;
mod parse;
mod script;
mod stage;
mod variables;
mod words;

use super::finding::{Finding, Place, Severity};
use super::table;
pub(super) use judge::{is_secret, script_becomes};

/// Reads a file of the build context; None where there is none.
pub(crate) type Context<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything that is wrong with it, and how many findings its own comments ask not to be told.
pub(crate) fn check(text: &str, context: Context<'_>) -> (Vec<Finding>, usize) {
    let file = parse::parse(text);
    let stages = stage::follow(&file, context);
    let mut findings = judge::judge(&file, &stages, context);
    let all = findings.len();
    findings.retain(|finding| {
        let line = finding.place.line;
        !file.ignores.iter().any(|ignore| {
            (ignore.first..=ignore.last).contains(&line) && ignore.ids.iter().any(|id| id == finding.rule.id)
        })
    });
    let ignored = all - findings.len();
    findings.extend(file.ignores.iter().filter_map(doubtful));
    (findings, ignored)
}

/// A comment that ignores without a reason, or what does not exist.
fn doubtful(ignore: &parse::Ignore) -> Option<Finding> {
    let place = Place::line(ignore.line);
    let mend = "# goward: ignore=GW301 and why; goward check --list has all ids";
    match ignore.ids.iter().find(|id| table::find(id).is_none()) {
        Some(id) => Some(Finding::new(&table::BAD_IGNORE, place, format!("there is no finding {id}"), mend)),
        None if ignore.ids.is_empty() => Some(Finding::new(&table::BAD_IGNORE, place, "it names no finding", mend)),
        None if ignore.reason.is_empty() => {
            let evidence = format!("{} is ignored without a reason", ignore.ids.join(","));
            Some(Finding::new(&table::BAD_IGNORE, place, evidence, mend).at(Severity::Note))
        }
        None => None,
    }
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
            let (findings, _) = check(text, &|_| None);
            let finding = findings.iter().find(|finding| finding.rule.id == id).unwrap();
            assert!(finding.mend.contains(said) || finding.evidence.contains(said), "{finding:?}");
        }
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
