//! What `--fix` does: the findings whose mend is certain, as new lines in place of old ones. Pure.

use super::finding::Finding;
use super::table;
use crate::json::Value;

/// The lines from `first` to `last`, counted from 1, become these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The first line that goes.
    pub first: usize,
    /// And the last.
    pub last: usize,
    /// What stands there then.
    pub lines: Vec<String>,
}

/// A text while it is mended: each line with its number in the original, if it was there.
#[derive(Clone)]
struct Mended {
    lines: Vec<(Option<usize>, String)>,
}

/// So often a text is looked at again: a mend may show another fault, and one line may have several.
const PASSES: usize = 12;

/// The text without what can be mended for certain, and the ids of what was. `check` finds the faults of a text.
pub fn mend(text: &str, check: &dyn Fn(&str) -> Vec<Finding>) -> (String, Vec<&'static str>, String) {
    let mut mended = Mended { lines: (1..).map(Some).zip(text.split('\n').map(str::to_owned)).collect() };
    let mut ids = Vec::new();
    for _ in 0..PASSES {
        let now = mended.text();
        let lines: Vec<&str> = now.split('\n').collect();
        let mut edits: Vec<(Edit, &'static str)> = Vec::new();
        let before = check(&now);
        for finding in &before {
            let Some(edit) = of(finding, &lines) else { continue };
            if edits.iter().all(|(other, _)| other.last < edit.first || edit.last < other.first) {
                // From the end on, so that the numbers before stay right. By insertion: std's sort would be 7 KB more.
                let at = edits.iter().position(|(other, _)| other.first < edit.first).unwrap_or(edits.len());
                edits.insert(at, (edit, finding.rule.id));
            }
        }
        let all: Vec<&'static str> = edits.iter().map(|(_, id)| *id).collect();
        let together = mended.with(edits.iter().map(|(edit, _)| edit));
        if helps(&before, &check(&together.text()), &all) {
            mended = together;
            ids.extend(all);
            continue;
        }
        // One of them does not help, or breaks something: each by itself, and only what does.
        let mut done = false;
        for (edit, id) in &edits {
            let one = mended.with(std::iter::once(edit));
            if helps(&check(&mended.text()), &check(&one.text()), &[*id]) {
                mended = one;
                ids.push(*id);
                done = true;
            }
        }
        if !done {
            break;
        }
    }
    (mended.text(), ids, mended.diff(text))
}

/// Whether of each id that was mended there is less, and the file can be built as before. Others may only come to light now.
fn helps(before: &[Finding], after: &[Finding], ids: &[&'static str]) -> bool {
    let count = |findings: &[Finding], id: &str| findings.iter().filter(|finding| finding.rule.id == id).count();
    !ids.is_empty()
        && ids.iter().all(|id| count(after, id) < count(before, id))
        && count(after, table::NOT_A_DOCKERFILE.id) <= count(before, table::NOT_A_DOCKERFILE.id)
}

impl Mended {
    fn text(&self) -> String {
        self.lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// With these edits, the last lines first.
    fn with<'a>(&self, edits: impl Iterator<Item = &'a Edit>) -> Mended {
        let mut mended = self.clone();
        edits.for_each(|edit| mended.replace(edit));
        mended
    }

    fn replace(&mut self, edit: &Edit) {
        let range = edit.first.saturating_sub(1)..edit.last.min(self.lines.len());
        let old: Vec<(Option<usize>, String)> = self.lines.get(range.clone()).unwrap_or_default().to_vec();
        // A line that stays as it was is no new one.
        let same = |line: &String| old.iter().find(|(_, known)| known == line).and_then(|(number, _)| *number);
        // As the lines around it end.
        let end = if old.first().is_some_and(|(_, line)| line.ends_with('\r')) { "\r" } else { "" };
        let ended = |line: &String| [line.trim_end_matches('\r'), end].concat();
        let new: Vec<_> = edit.lines.iter().map(ended).map(|line| (same(&line), line)).collect();
        self.lines.splice(range, new);
    }

    /// The hunks of a unified diff, with three lines around each.
    fn diff(&self, original: &str) -> String {
        let old: Vec<&str> = original.split('\n').collect();
        // `-` and `+` lines, and those between, in the order in which they are printed.
        let mut rows: Vec<(char, &str)> = Vec::new();
        let mut at = 1;
        for (number, line) in &self.lines {
            if let Some(number) = number.filter(|number| *number >= at) {
                remove(&mut rows, old.get(at - 1..number - 1).unwrap_or_default());
                rows.push((' ', line));
                at = number + 1;
            } else {
                rows.push(('+', line));
            }
        }
        remove(&mut rows, old.get(at - 1..).unwrap_or_default());
        // What stands behind the last line feed is no line.
        let ends = rows.pop_if(|row| *row == (' ', "")).is_some();
        hunks(&rows, ends)
    }
}

/// The lines that go stand before those that come in their place.
fn remove<'a>(rows: &mut Vec<(char, &'a str)>, lines: &[&'a str]) {
    let before = rows.iter().rposition(|(kind, _)| *kind != '+').map_or(0, |at| at + 1);
    rows.splice(before..before, lines.iter().map(|line| ('-', *line)));
}

/// Of the lines that stay, go and come those around what changes. `ends`: the last line has a line feed.
fn hunks(rows: &[(char, &str)], ends: bool) -> String {
    const AROUND: usize = 3;
    // As patch(1) wants it said, of the old and the new last line.
    let last = |other: char| rows.iter().rposition(|(kind, _)| *kind != other).filter(|_| !ends);
    let bare = [last('+'), last('-')];
    let changed: Vec<usize> =
        rows.iter().enumerate().filter(|(_, (kind, _))| *kind != ' ').map(|(index, _)| index).collect();
    let mut text = String::new();
    let mut done = 0;
    for first in changed.iter().copied() {
        if first < done {
            continue;
        }
        let start = first.saturating_sub(AROUND).max(done);
        let mut end = first;
        while let Some(further) = changed.iter().find(|index| **index > end && **index <= end + 2 * AROUND) {
            end = *further;
        }
        let stop = (end + AROUND + 1).min(rows.len());
        let count = |from: usize, to: usize, kinds: [char; 2]| {
            rows.get(from..to).unwrap_or_default().iter().filter(|(kind, _)| kinds.contains(kind)).count()
        };
        text.push_str(&format!(
            "@@ -{},{} +{},{} @@\n",
            count(0, start, [' ', '-']) + 1,
            count(start, stop, [' ', '-']),
            count(0, start, [' ', '+']) + 1,
            count(start, stop, [' ', '+']),
        ));
        for (at, (kind, line)) in rows.iter().enumerate().take(stop).skip(start) {
            text.push(*kind);
            text.push_str(line);
            text.push('\n');
            if bare.contains(&Some(at)) {
                text.push_str("\\ No newline at end of file\n");
            }
        }
        done = stop;
    }
    text
}

/// The lines that would be right in place of those of a finding; None where that is not certain.
pub fn of(finding: &Finding, lines: &[&str]) -> Option<Edit> {
    let first = usize::try_from(finding.place.line).ok().filter(|line| *line > 0)?;
    let last = end_of(lines, first);
    let whole = lines.get(first - 1..last)?;
    let heredoc = whole.iter().any(|line| line.contains("<<"));
    let edit = |lines: Vec<String>| Some(Edit { first, last, lines });
    let replaced = |from: &str, to: &str| {
        let at = whole.iter().position(|line| line.contains(from) && !line.trim_start().starts_with('#'))?;
        let mut lines: Vec<String> = whole.iter().map(|line| (*line).to_owned()).collect();
        let line = lines.get_mut(at)?;
        *line = line.replacen(from, to, 1);
        edit(lines)
    };
    let without_cgo =
        || replaced("CGO_ENABLED=0 && ", "CGO_ENABLED=0 ").or_else(|| replaced("CGO_ENABLED=0; ", "CGO_ENABLED=0 "));
    match finding.rule.id {
        "GW301" | "GW302" | "GW303" => exec_form(finding, whole).and_then(edit),
        "GW304" => quotes(whole).and_then(edit),
        "GW313" if heredoc => None,
        "GW313" if finding.evidence.starts_with("apt-get") => apt_lists(whole).and_then(edit),
        "GW313" if finding.evidence.starts_with("apk add") => replaced("apk add ", "apk add --no-cache "),
        "GW314" => modules_first(lines, first),
        "GW316" => without_cgo().or_else(|| replaced("go build", "CGO_ENABLED=0 go build")),
        "GW317" => without_cgo(),
        "GW318" => ["-ldflags=\"", "-ldflags='", "-ldflags \"", "-ldflags '"]
            .iter()
            .find_map(|begin| replaced(begin, &[begin, "-s -w "].concat()))
            .or_else(|| {
                let plain = !whole.iter().any(|line| line.contains("-ldflags"));
                plain.then(|| edit(everywhere(whole, "go build", "go build -ldflags=\"-s -w\""))).flatten()
            }),
        "GW341" => replaced("ADD ", "COPY ").filter(|_| whole.len() == 1),
        "GW353" if whole.len() == 1 && !finding.mend.contains('…') => edit(vec![finding.mend.clone()]),
        _ => None,
    }
}

/// Each place of the lines that are no comments.
fn everywhere(whole: &[&str], from: &str, to: &str) -> Vec<String> {
    let each =
        |line: &&str| if line.trim_start().starts_with('#') { (*line).to_owned() } else { line.replace(from, to) };
    whole.iter().map(each).collect()
}

/// The last line of the instruction that begins there.
fn end_of(lines: &[&str], first: usize) -> usize {
    let mut last = first;
    while let Some(line) = lines.get(last - 1) {
        let between = last > first && (line.trim().is_empty() || line.trim_start().starts_with('#'));
        if last < lines.len() && (line.trim_end().ends_with('\\') || between) {
            last += 1;
        } else {
            break;
        }
    }
    last
}

/// The mend of a shell form that a list can replace, where it stands alone in its line.
fn exec_form(finding: &Finding, whole: &[&str]) -> Option<Vec<String>> {
    let [line] = whole else { return None };
    let (keyword, list) = finding.mend.split_once(' ')?;
    let own = line.split_whitespace().next()?;
    let right = own.eq_ignore_ascii_case(keyword) && Value::read(list).is_some() && list != "[\"/server\"]";
    right.then(|| vec![finding.mend.clone()])
}

/// A list with single quotes.
fn quotes(whole: &[&str]) -> Option<Vec<String>> {
    let [line] = whole else { return None };
    let (before, list) = line.split_at(line.find('[')?);
    let list = list.replace('\'', "\"").replace(", ]", "]").replace(",]", "]");
    Value::read(&list).map(|_| vec![[before, &list].concat()])
}

/// The lists go in the RUN that fetched them.
fn apt_lists(whole: &[&str]) -> Option<Vec<String>> {
    let (last, before) = whole.split_last()?;
    let open = last.trim_end().ends_with(['\\', ';', '&', '|']) || whole.first()?.contains('[');
    let mut lines: Vec<String> = before.iter().map(|line| (*line).to_owned()).collect();
    lines.push(format!("{} && rm -rf /var/lib/apt/lists/*", last.trim_end()));
    (!open).then_some(lines)
}

/// `COPY . .` and a `RUN go mod download` of its own right behind it change places.
fn modules_first(lines: &[&str], first: usize) -> Option<Edit> {
    let copy = lines.get(first - 1)?.trim();
    let plain = matches!(copy.split_whitespace().collect::<Vec<_>>().as_slice(), ["COPY", ".", "." | "./"]);
    let after = lines.get(first..)?.iter().position(|line| !line.trim().is_empty())?;
    let download = lines.get(first + after)?.trim();
    (plain && download == "RUN go mod download").then(|| Edit {
        first,
        last: first + after + 1,
        lines: ["COPY go.mod go.sum ./", download, copy].map(str::to_owned).to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::docker;

    fn mended(text: &str) -> String {
        let check = |text: &str| docker::check(text, &|_: &str| None).0;
        let (new, _, diff) = mend(text, &check);
        // The diff is of these two.
        let minus: Vec<&str> = diff.lines().filter_map(|line| line.strip_prefix('-')).collect();
        let plus: Vec<&str> = diff.lines().filter_map(|line| line.strip_prefix('+')).collect();
        assert!(minus.iter().all(|line| text.lines().any(|known| known == *line)), "{diff}");
        assert!(plus.iter().all(|line| new.lines().any(|known| known == *line)), "{diff}");
        new
    }

    #[test]
    fn what_is_certain() {
        for (text, wanted) in [
            ("FROM debian\nCMD /server -x\n", "CMD [\"/server\", \"-x\"]"),
            ("FROM debian\nENTRYPOINT ['/server', '-x']\n", "ENTRYPOINT [\"/server\", \"-x\"]"),
            (
                "FROM debian\nRUN apt-get update \\\n  && apt-get install -y curl\n",
                "  && apt-get install -y curl && rm -rf /var/lib/apt/lists/*",
            ),
            ("FROM alpine\nRUN apk add curl\n", "RUN apk add --no-cache curl"),
            ("FROM alpine\nADD a /a\n", "COPY a /a"),
            ("FROM alpine\nENV A b c\n", "ENV A=\"b c\""),
            ("FROM alpine\nENV A \"b $C\"\n", "ENV A=\"b $C\"\n"),
            ("FROM alpine\nENV A 'b c'\n", "ENV A='b c'\n"),
            ("FROM alpine\r\nRUN apk add curl\r\nENV A b\r\n", "\r\nRUN apk add --no-cache curl\r\nENV A=b\r\n"),
            (
                "FROM golang:1.27 AS b\nRUN CGO_ENABLED=0 go build -o /a ./a \\\n  && CGO_ENABLED=0 go build -o /b ./b\nFROM scratch\nCOPY --from=b /a /b /\n",
                "go build -ldflags=\"-s -w\" -o /a ./a \\\n  && CGO_ENABLED=0 go build -ldflags=\"-s -w\" -o /b ./b",
            ),
            (
                "FROM golang:1.27 AS b\nCOPY . .\nRUN go mod download\nRUN go build -o /s .\nFROM scratch\nCOPY --from=b /s /s\n",
                "COPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN CGO_ENABLED=0 go build -ldflags=\"-s -w\" -o /s .",
            ),
            (
                "FROM golang:1.27 AS b\nRUN CGO_ENABLED=0 && go build -ldflags=\"-X a=b\" -o /s .\nFROM scratch\nCOPY --from=b /s /s\n",
                "RUN CGO_ENABLED=0 go build -ldflags=\"-s -w -X a=b\" -o /s .",
            ),
        ] {
            let new = mended(text);
            assert!(new.contains(wanted), "{text}\n{new}");
            // And that is all: once mended it stays as it is.
            assert_eq!(mended(&new), new);
        }
    }

    #[test]
    fn without_a_line_feed_at_the_end() {
        let diff = |text: &str| mend(text, &|text: &str| docker::check(text, &|_: &str| None).0).2;
        const BARE: &str = "\\ No newline at end of file\n";
        let changed = diff("FROM debian\nUSER 1\nCMD /s -x");
        assert!(changed.ends_with(&format!("-CMD /s -x\n{BARE}+CMD [\"/s\", \"-x\"]\n{BARE}")), "{changed}");
        let near = diff("FROM debian\nCMD /s -x\nUSER 1");
        assert!(
            near.ends_with(&format!("+CMD [\"/s\", \"-x\"]\n USER 1\n{BARE}")) && near.matches(BARE).count() == 1,
            "{near}"
        );
        assert!(!diff("FROM debian\nCMD /s -x\n").contains(BARE));
    }

    #[test]
    fn what_is_not() {
        for text in [
            "FROM alpine\nENV A \"b\" c 'd\n",
            "FROM debian\nCMD /server | cat\n",
            "FROM debian\nCMD /server $PORT\n",
            "FROM alpine:3.22\nUSER 1\n",
        ] {
            assert_eq!(mended(text), text);
        }
    }
}
