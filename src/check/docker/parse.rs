//! A Dockerfile's text to its instructions, as BuildKit's parser reads it: directives, continued lines with comments between,
//! flags, lists in JSON, heredocs. Pure, and never panics: the text is anybody's.

use super::words::{self, Word};
use crate::json::Value;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Dockerfile {
    pub(crate) instructions: Vec<Instruction>,
    /// What BuildKit would refuse, with its line.
    pub(crate) problems: Vec<(u32, String)>,
    /// What the author does not want to hear of.
    pub(crate) ignores: Vec<Ignore>,
    /// `\`, or what the directive says.
    pub(crate) escape: char,
}

/// `# goward: ignore=GW301,GW302 because`, which holds for the instruction that follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ignore {
    pub(crate) ids: Vec<String>,
    /// Of the comment.
    pub(crate) line: u32,
    /// Of the instruction that follows; 0 if none does.
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) reason: String,
}

/// One instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Where it begins and ends, heredocs and all.
    pub(crate) line: u32,
    pub(crate) last: u32,
    /// In capitals.
    pub(crate) keyword: String,
    /// `--from=build`: `("from", "build")`.
    pub(crate) flags: Vec<(String, String)>,
    /// What follows the flags, on one line.
    pub(crate) rest: String,
    /// The same, where it is a list in JSON.
    pub(crate) list: Option<Vec<String>>,
    pub(crate) heredocs: Vec<Heredoc>,
    /// What ONBUILD keeps for the stages that begin with this one.
    pub(crate) trigger: Option<Box<Instruction>>,
}

/// `<<EOF` and what follows until `EOF`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heredoc {
    pub(crate) name: String,
    /// Variables are not replaced in `<<"EOF"`.
    pub(crate) quoted: bool,
    /// Tabs at the beginning of its lines are not part of it (`<<-`).
    pub(crate) chomp: bool,
    pub(crate) content: String,
}

impl Instruction {
    /// The value of a flag; the last one counts.
    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }
}

const KNOWN: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Reads it.
pub(crate) fn parse(text: &str) -> Dockerfile {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut file = Dockerfile { escape: '\\', ..Dockerfile::default() };
    let mut lines = Lines { lines: text.split('\n').map(|line| line.trim_end_matches('\r')).collect(), at: 0 };
    directives(&lines, &mut file);
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start();
        if let Some(comment) = line.strip_prefix('#') {
            file.ignores.extend(ignore(comment, number));
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        let whole = continued(line, &mut lines, &mut file, number);
        let mut instruction = instruction(&whole, number, &mut file);
        if matches!(instruction.keyword.as_str(), "RUN" | "COPY" | "ADD" | "ONBUILD") && instruction.list.is_none() {
            for mut heredoc in heredocs(&instruction.rest, file.escape) {
                if !take_heredoc(&mut lines, &mut heredoc) {
                    file.problems.push((number, format!("the heredoc <<{} has no end", heredoc.name)));
                }
                instruction.heredocs.push(heredoc);
            }
        }
        instruction.last = lines.at as u32;
        if let Some(trigger) = &mut instruction.trigger {
            trigger.last = instruction.last;
            trigger.heredocs.clone_from(&instruction.heredocs);
        }
        for ignore in file.ignores.iter_mut().filter(|ignore| ignore.first == 0) {
            (ignore.first, ignore.last) = (number, instruction.last);
        }
        file.instructions.push(instruction);
    }
    if file.instructions.is_empty() {
        file.problems.push((0, "the file has no instructions".to_owned()));
    }
    file
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next one, with its number from 1.
    fn next(&mut self) -> Option<(u32, &'a str)> {
        let line = self.lines.get(self.at)?;
        self.at += 1;
        Some((self.at as u32, line))
    }
}

/// `# escape=` at the very top: anything that is no directive ends them.
fn directives(lines: &Lines<'_>, file: &mut Dockerfile) {
    let mut seen: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(&lines.lines) {
        let comment = line.trim_start().strip_prefix('#');
        let Some((name, value)) = comment.and_then(|comment| comment.split_once('=')) else { return };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if value.is_empty() || !matches!(name.as_str(), "escape" | "syntax" | "check") {
            return;
        }
        match (name.as_str(), value) {
            _ if seen.contains(&name) => file.problems.push((number, format!("# {name}= is there twice"))),
            ("escape", "`") => file.escape = '`',
            ("escape", "\\") => file.escape = '\\',
            ("escape", _) => file.problems.push((number, format!("# escape= takes \\ or `, not {value}"))),
            _ => {}
        }
        seen.push(name);
    }
}

/// The rest of a line that is continued. Comments and empty lines between are none of it.
fn continued(line: &str, lines: &mut Lines<'_>, file: &mut Dockerfile, first: u32) -> String {
    let (mut whole, mut ends) = uncontinued(line, file.escape);
    while !ends {
        let Some((number, next)) = lines.next() else { break };
        let bare = next.trim_start();
        if let Some(comment) = bare.strip_prefix('#') {
            if let Some(mut ignore) = ignore(comment, number) {
                // Inside an instruction it can only mean this one.
                (ignore.first, ignore.last) = (first, number);
                file.ignores.push(ignore);
            }
            continue;
        }
        if bare.is_empty() {
            continue;
        }
        let (part, end) = uncontinued(next, file.escape);
        whole.push_str(&part);
        ends = end;
    }
    whole
}

/// The line without its continuation character, and whether the instruction ends with it. Two of them are one that means
/// itself.
fn uncontinued(line: &str, escape: char) -> (String, bool) {
    let bare = line.trim_end_matches([' ', '\t']);
    match bare.strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before.to_owned(), false),
        Some(_) | None => (line.to_owned(), true),
    }
}

fn instruction(line: &str, number: u32, file: &mut Dockerfile) -> Instruction {
    let line = line.trim();
    let (keyword, rest) = line.split_once(words::is_blank).unwrap_or((line, ""));
    let keyword = keyword.to_ascii_uppercase();
    let known = KNOWN.contains(&keyword.as_str());
    if !known {
        // A no-break space is to be seen.
        file.problems.push((number, format!("there is no instruction {}", keyword.replace('\u{a0}', "\\u{a0}"))));
    }
    let mut rest = rest.trim_start();
    let mut flags = Vec::new();
    if matches!(keyword.as_str(), "ADD" | "COPY" | "FROM" | "RUN" | "HEALTHCHECK") {
        while let Some(after) = rest.strip_prefix("--") {
            let end = words::end_of_word(after, file.escape);
            let (flag, tail) = after.split_at(end);
            rest = tail.trim_start();
            if flag.is_empty() {
                break;
            }
            let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
            if !flags_of(&keyword).contains(&name) {
                file.problems.push((number, format!("{keyword} has no flag --{name}")));
            }
            flags.push((name.to_owned(), words::unquoted(value, file.escape)));
        }
    }
    let in_json = match keyword.as_str() {
        "HEALTHCHECK" => rest.split_once(char::is_whitespace).map(|(_, command)| command),
        "ADD" | "CMD" | "COPY" | "ENTRYPOINT" | "RUN" | "SHELL" | "VOLUME" => Some(rest),
        _ => None,
    };
    let list = match in_json.map(str::trim_start).filter(|text| text.starts_with('[')).map(list) {
        None => None,
        Some(List::Strings(list)) => Some(list),
        Some(List::NoJson) => None,
        Some(List::Other) => {
            file.problems.push((number, format!("the list of {keyword} may hold strings only")));
            None
        }
    };
    if known && rest.is_empty() && list.is_none() {
        file.problems.push((number, format!("{keyword} needs something after it")));
    }
    if let Some(problem) = malformed(&keyword, rest, file.escape) {
        file.problems.push((number, problem));
    }
    let trigger = (keyword == "ONBUILD").then(|| trigger(rest, number, file)).flatten();
    Instruction {
        line: number,
        last: number,
        keyword,
        flags,
        rest: rest.to_owned(),
        list,
        heredocs: Vec::new(),
        trigger,
    }
}

fn trigger(rest: &str, number: u32, file: &mut Dockerfile) -> Option<Box<Instruction>> {
    let keyword = rest.split_whitespace().next()?.to_ascii_uppercase();
    if matches!(keyword.as_str(), "FROM" | "MAINTAINER" | "ONBUILD") {
        file.problems.push((number, format!("ONBUILD {keyword} is not allowed")));
        return None;
    }
    Some(Box::new(instruction(rest, number, file)))
}

fn flags_of(keyword: &str) -> &'static [&'static str] {
    match keyword {
        "ADD" => &["keep-git-dir", "checksum", "chown", "chmod", "link", "exclude", "unpack", "from", "parents"],
        "COPY" => &["from", "chown", "chmod", "link", "parents", "exclude"],
        "FROM" => &["platform"],
        "RUN" => &["mount", "network", "security", "device"],
        _ => &["interval", "timeout", "start-period", "start-interval", "retries"],
    }
}

/// What BuildKit says of a line that is none.
fn malformed(keyword: &str, rest: &str, escape: char) -> Option<String> {
    match keyword {
        "ENV" => {
            let words = words::split(rest, escape);
            let (first, others) = words.split_first()?;
            if !first.raw.contains('=') {
                return others.is_empty().then(|| format!("ENV {rest} has no value"));
            }
            let without = others.iter().find(|word| !word.raw.contains('='))?;
            Some(format!("ENV has no = in {}", without.raw))
        }
        "HEALTHCHECK" => {
            let kind = rest.split_whitespace().next()?;
            let known = ["CMD", "NONE"].iter().any(|known| kind.eq_ignore_ascii_case(known));
            (!known).then(|| format!("HEALTHCHECK takes CMD or NONE, not {kind}"))
        }
        _ => None,
    }
}

enum List {
    Strings(Vec<String>),
    /// JSON, but not of strings: BuildKit refuses it.
    Other,
    /// No JSON: BuildKit takes it for the shell form.
    NoJson,
}

fn list(text: &str) -> List {
    match Value::read(text) {
        None => List::NoJson,
        Some(value) => {
            let strings = value.items().iter().map(|value| value.text().map(str::to_owned)).collect();
            Option::map_or(strings, List::Other, List::Strings)
        }
    }
}

/// The heredocs that a line announces.
fn heredocs(line: &str, escape: char) -> Vec<Heredoc> {
    words::split(line, escape).iter().filter_map(|word| heredoc(word, escape)).collect()
}

fn heredoc(word: &Word, escape: char) -> Option<Heredoc> {
    let after = word.raw.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (chomp, name) = after.strip_prefix('-').map_or((false, after), |name| (true, name));
    if name.is_empty() || name.contains('<') {
        return None;
    }
    Some(Heredoc {
        name: words::unquoted(name, escape),
        quoted: name.contains(['"', '\'']),
        chomp,
        ..Heredoc::default()
    })
}

fn take_heredoc(lines: &mut Lines<'_>, heredoc: &mut Heredoc) -> bool {
    while let Some((_, line)) = lines.next() {
        let line = if heredoc.chomp { line.trim_start_matches('\t') } else { line };
        if line == heredoc.name {
            return true;
        }
        heredoc.content.push_str(line);
        heredoc.content.push('\n');
    }
    false
}

fn ignore(comment: &str, line: u32) -> Option<Ignore> {
    let rest = comment.trim_start().strip_prefix("goward:")?.trim_start().strip_prefix("ignore=")?;
    let (ids, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let ids = ids.split(',').filter(|id| !id.is_empty()).map(str::to_ascii_uppercase).collect();
    Some(Ignore { ids, line, first: 0, last: 0, reason: reason.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Instruction {
        let file = parse(text);
        assert!(file.problems.is_empty(), "{:?}", file.problems);
        assert_eq!(file.instructions.len(), 1, "{:?}", file.instructions);
        file.instructions[0].clone()
    }

    #[test]
    fn continued_lines() {
        let run = one("run a \\\n  # a comment\n\n  && b \\  \n&& c\n");
        assert_eq!((run.keyword.as_str(), run.rest.as_str(), run.last), ("RUN", "a   && b && c", 5));
        assert_eq!(one("RUN echo a\\\\\n").rest, "echo a\\\\");
        assert_eq!(one("# escape=`\nRUN dir C:\\ `\n  && x").rest, "dir C:\\   && x");
        // A directive is one only at the very top, and nothing after = is none.
        assert_eq!(one("# escape=\nRUN a \\\n  b").rest, "a   b");
        assert_eq!(parse("# a comment\n# escape=`\nRUN a `\nRUN b").instructions.len(), 2);
        assert_eq!(parse("\u{feff}# syntax=docker/dockerfile:1\n# escape=`\nRUN a `\nb").instructions.len(), 1);
        assert_eq!(parse("FROM a\r\nRUN b \\\r\n  c\r\n").instructions[1].rest, "b   c");
        assert_eq!(one("RUN a \\").rest, "a");
    }

    #[test]
    fn lists() {
        assert_eq!(one("CMD [ \"a\", \"b c\" ]").list, Some(vec!["a".to_owned(), "b c".to_owned()]));
        assert_eq!(one("CMD ['a']").list, None);
        assert_eq!(one("CMD [\"a\"] b").list, None);
        assert_eq!(one("HEALTHCHECK --interval=3s CMD [\"/x\"]").list, Some(vec!["/x".to_owned()]));
        assert_eq!(parse("CMD [1]").problems.len(), 1);
        assert_eq!(one("EXPOSE 80").list, None);
    }

    #[test]
    fn flags() {
        let copy = one("COPY --from=build --chown=1:\"2 3\" --link a b");
        assert_eq!(
            (copy.flag("from"), copy.flag("chown"), copy.flag("link")),
            (Some("build"), Some("1:2 3"), Some(""))
        );
        assert_eq!(copy.rest, "a b");
        let run = one("RUN --mount=type=cache,target=/x --network=none go build --x");
        assert_eq!((run.flags.len(), run.rest.as_str()), (2, "go build --x"));
    }

    #[test]
    fn heredocs_are_taken() {
        let file =
            parse("RUN <<EOF cat > x <<-'END'\n a\n# no comment \\\nEOF\n\tb $X\n\tEND\nRUN [\"<<EOF\"]\nUSER 1\n");
        assert!(file.problems.is_empty(), "{:?}", file.problems);
        assert_eq!(file.instructions.len(), 3);
        let docs = &file.instructions[0].heredocs;
        assert_eq!((docs[0].content.as_str(), docs[0].quoted), (" a\n# no comment \\\n", false));
        assert_eq!((docs[1].content.as_str(), docs[1].quoted, docs[1].chomp), ("b $X\n", true, true));
        assert_eq!(file.instructions[0].last, 6);
        assert_eq!(parse("RUN cat <<EOF\nx").problems.len(), 1);
        assert!(one("RUN a <<< b").heredocs.is_empty());
    }

    #[test]
    fn what_is_not_to_be_heard_of() {
        let file = parse("# goward: ignore=GW301,gw302 it is so\nCMD a\nRUN b \\\n# goward: ignore=GW303\n  c\n");
        assert_eq!(file.ignores[0].ids, ["GW301", "GW302"]);
        assert_eq!((file.ignores[0].first, file.ignores[0].last, file.ignores[0].reason.as_str()), (2, 2, "it is so"));
        assert_eq!((file.ignores[1].first, file.ignores[1].last), (3, 4));
    }

    #[test]
    fn what_is_refused() {
        for (text, said) in [
            ("", "no instructions"),
            ("# only\n", "no instructions"),
            ("FROMM x", "FROMM"),
            ("RUN", "RUN needs"),
            ("FROM\u{a0}x", "FROM\\u{a0}X"),
            ("# escape=x\nFROM x", "not x"),
            ("# escape=`\n# Escape=`\nFROM x", "twice"),
        ] {
            let problems = parse(text).problems;
            assert!(problems.iter().any(|(_, problem)| problem.contains(said)), "{text:?}: {problems:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in r#"([A-Za-z0-9 \\`"'$<>{}\[\],=#-]|FROM |RUN |<<EOF|\n|\t|é){0,200}"#) {
            let file = parse(&text);
            prop_assert!(file.instructions.iter().all(|i| i.line >= 1 && i.last >= i.line));
        }
    }
}
