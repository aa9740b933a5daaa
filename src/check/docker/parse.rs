//! A Dockerfile's text to its instructions, as BuildKit's parser reads it: directives, continued lines with comments between,
//! flags, lists in JSON, heredocs. Pure, and never panics: the text is anybody's.

use super::words::{self, Word};
use crate::json::Value;
use nix::sys::signal::Signal;

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
    /// `# syntax=` names a frontend that is not Docker's: it may have instructions of its own.
    pub(crate) foreign: bool,
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
    /// Written for hadolint or for docker build --check: some of its rules have a finding here.
    pub(crate) foreign: bool,
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
    /// How much there is of it.
    pub(crate) fn length(&self) -> usize {
        let flags = self.flags.iter().map(|(name, value)| name.len() + value.len());
        let heredocs = self.heredocs.iter().map(|heredoc| heredoc.content.len());
        self.rest.len() + flags.chain(heredocs).sum::<usize>()
    }

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
    // The ignores from here on wait for the instruction that follows.
    let mut waiting = 0;
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
            for mut heredoc in heredocs(&instruction.rest, file.escape, &lines) {
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
        for ignore in file.ignores.iter_mut().skip(waiting).filter(|ignore| ignore.first == 0) {
            (ignore.first, ignore.last) = (number, instruction.last);
        }
        waiting = file.ignores.len();
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

    /// Whether one of those to come is this, but for tabs before it.
    fn has(&self, wanted: &str) -> bool {
        self.lines.iter().skip(self.at).any(|line| line.trim_start_matches('\t') == wanted)
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
            ("syntax", frontend) => {
                file.foreign = !frontend.trim_start_matches("docker.io/").starts_with("docker/dockerfile");
            }
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
                if ignore.first == 0 {
                    (ignore.first, ignore.last) = (first, number);
                }
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
    if !known && !file.foreign {
        // A no-break space is to be seen.
        file.problems.push((number, format!("there is no instruction {}", keyword.replace('\u{a0}', "\\u{a0}"))));
    }
    let (flags, rest) = flags(&keyword, rest.trim_start(), number, file);
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

/// The flags of an instruction, and what follows them.
fn flags<'a>(keyword: &str, mut rest: &'a str, number: u32, file: &mut Dockerfile) -> (Vec<(String, String)>, &'a str) {
    let mut flags = Vec::new();
    if !matches!(keyword, "ADD" | "COPY" | "FROM" | "RUN" | "HEALTHCHECK") {
        return (flags, rest);
    }
    while let Some(after) = rest.strip_prefix("--") {
        let (flag, tail) = after.split_at(words::end_of_word(after, file.escape));
        rest = tail.trim_start();
        if flag.is_empty() {
            break;
        }
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let value = words::unquoted(value, file.escape);
        let problem = match flags_of(keyword).contains(&name) {
            false => Some(format!("{keyword} has no flag --{name}")),
            true => bad_flag(keyword, name, &value),
        };
        file.problems.extend(problem.map(|problem| (number, problem)));
        flags.push((name.to_owned(), value));
    }
    (flags, rest)
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
        "SHELL" => (!rest.is_empty() && !matches!(list(rest), List::Strings(_) | List::Other))
            .then(|| "SHELL takes a list in JSON: SHELL [\"/bin/bash\", \"-c\"]".to_owned()),
        "STOPSIGNAL" => {
            let signal = words::unquoted(rest.trim(), escape);
            (!signal.contains('$') && !signal.is_empty() && !is_signal(&signal))
                .then(|| format!("STOPSIGNAL {signal}: there is no such signal"))
        }
        _ => None,
    }
}

/// As Docker reads it: a number, or a name with or without SIG.
fn is_signal(text: &str) -> bool {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = || name.strip_prefix("RTMIN").or_else(|| name.strip_prefix("RTMAX"));
    text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number))
        || ["SIG", name].concat().parse::<Signal>().is_ok()
        || matches!(name, "IOT" | "CLD" | "POLL" | "STKFLT" | "PWR" | "IO" | "WINCH" | "UNUSED")
        || real_time().is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', '-']))
}

/// What is wrong with a flag of HEALTHCHECK: a duration has a unit.
fn bad_flag(keyword: &str, name: &str, value: &str) -> Option<String> {
    if keyword != "HEALTHCHECK" || value.contains('$') {
        return None;
    }
    let plain = value.trim_start_matches(['+', '-']);
    if name == "retries" {
        return value.parse::<i64>().is_err().then(|| format!("--retries={value}: that is not a number"));
    }
    let mut rest = plain;
    let mut good = plain == "0";
    while !rest.is_empty() && plain != "0" {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let after = rest.get(number..).unwrap_or_default();
        let unit =
            ["ns", "us", "\u{b5}s", "\u{3bc}s", "ms", "s", "m", "h"].iter().find(|unit| after.starts_with(**unit));
        let Some(unit) = unit.filter(|_| number > 0) else { return Some(missing_unit(name, value)) };
        rest = after.get(unit.len()..).unwrap_or_default();
        good = true;
    }
    (!good).then(|| missing_unit(name, value))
}

fn missing_unit(name: &str, value: &str) -> String {
    format!("--{name}={value} is not a duration: it has no unit, as {value}s has")
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
fn heredocs(line: &str, escape: char, lines: &Lines<'_>) -> Vec<Heredoc> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let words = words::split(line, escape);
    let next = words.iter().skip(1).map(Some).chain([None]);
    words.iter().zip(next).filter_map(|(word, next)| heredoc(word, next, escape, lines)).collect()
}

/// `<<EOF`; or `<< EOF` where that ends somewhere: in `1 << 2` nothing does.
fn heredoc(word: &Word, next: Option<&Word>, escape: char, lines: &Lines<'_>) -> Option<Heredoc> {
    let after = word.raw.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (chomp, written) = after.strip_prefix('-').map_or((false, after), |name| (true, name));
    let is_apart = written.is_empty();
    let written = if is_apart { next?.raw.as_str() } else { written };
    let name = words::unquoted(written, escape);
    if written.contains('<') || is_apart && !lines.has(&name) {
        return None;
    }
    Some(Heredoc { name, quoted: written.contains(['"', '\'']), chomp, ..Heredoc::default() })
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
    let comment = comment.trim();
    if let Some(options) = comment.strip_prefix("check=") {
        let skipped = options.split(';').find_map(|option| option.trim().strip_prefix("skip="))?;
        let ids = foreign_ids(skipped);
        return Some(Ignore { ids, line, first: 1, last: u32::MAX, reason: String::new(), foreign: true });
    }
    let (rest, foreign) = match (comment.strip_prefix("goward:"), comment.strip_prefix("hadolint ")) {
        (Some(rest), _) => (rest.trim_start(), false),
        (None, Some(rest)) => (rest.trim_start(), true),
        (None, None) => return None,
    };
    let (rest, global) = rest.strip_prefix("global ").map_or((rest, false), |rest| (rest.trim_start(), true));
    let rest = rest.strip_prefix("ignore=")?;
    let (ids, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let ids = match foreign {
        true => foreign_ids(ids),
        false => ids.split(',').filter(|id| !id.is_empty()).map(str::to_ascii_uppercase).collect(),
    };
    let (first, last) = if global { (1, u32::MAX) } else { (0, 0) };
    Some(Ignore { ids, line, first, last, reason: reason.trim().to_owned(), foreign })
}

/// The findings that other checkers' rules correspond to.
const FOREIGN: [(&str, &[&str]); 32] = [
    ("DL1000", &["GW300"]),
    ("DL3002", &["GW307", "GW308"]),
    ("DL3006", &["GW321"]),
    ("DL3007", &["GW321"]),
    ("DL3009", &["GW313"]),
    ("DL3012", &["GW306"]),
    ("DL3015", &["GW340"]),
    ("DL3019", &["GW313"]),
    ("DL3020", &["GW341"]),
    ("DL3021", &["GW300"]),
    ("DL3022", &["GW355"]),
    ("DL3024", &["GW300"]),
    ("DL3025", &["GW301", "GW302", "GW304"]),
    ("DL3032", &["GW313"]),
    ("DL3040", &["GW313"]),
    ("DL3043", &["GW300"]),
    ("DL3061", &["GW300"]),
    ("DL3062", &["GW343"]),
    ("DL4003", &["GW306"]),
    ("DL4004", &["GW306"]),
    ("DL4006", &["GW350"]),
    ("COPYIGNOREDFILE", &["GW344"]),
    ("DUPLICATESTAGENAME", &["GW300"]),
    ("EXPOSEINVALIDFORMAT", &["GW300"]),
    ("INVALIDDEFAULTARGINFROM", &["GW300"]),
    ("JSONARGSRECOMMENDED", &["GW301", "GW302"]),
    ("LEGACYKEYVALUEFORMAT", &["GW353"]),
    ("MULTIPLEINSTRUCTIONSDISALLOWED", &["GW306"]),
    ("RESERVEDSTAGENAME", &["GW300"]),
    ("SECRETSUSEDINARGORENV", &["GW334"]),
    ("UNDEFINEDARGINFROM", &["GW300"]),
    ("UNDEFINEDVAR", &["GW332", "GW345"]),
];

fn foreign_ids(list: &str) -> Vec<String> {
    let rules: Vec<String> = list.split(',').map(|rule| rule.trim().to_ascii_uppercase()).collect();
    let all = rules.iter().any(|rule| rule == "ALL");
    // `skip=all` means all that docker build --check has, not what only this program knows.
    let meant =
        FOREIGN.iter().filter(|(name, _)| rules.iter().any(|rule| rule == name) || (all && !name.starts_with("DL")));
    meant.flat_map(|(_, ids)| ids.iter().map(|id| (*id).to_owned())).collect()
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
