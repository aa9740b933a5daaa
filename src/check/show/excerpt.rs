//! The source line of a finding with the place underlined, as compilers show it. Pure.

use crate::check::finding::Place;
use crate::check::fix::Edit;

/// An instruction goes on for no more lines than are looked at.
const MOST: usize = 64;

/// The line that is meant, its number, and where in it, as columns from 0.
fn place_in<'a>(lines: &[&'a str], place: &Place) -> Option<(usize, &'a str, usize, usize)> {
    let first = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let marked = || {
        let lines = lines.iter().enumerate().skip(first).take(MOST);
        let mut open = true;
        // Up to the end of the instruction; comments between belong to it.
        let mut own = lines.take_while(|(_, line)| {
            let here = open;
            open = line.trim_end().ends_with('\\') || line.trim_start().starts_with('#');
            here
        });
        let mark = Some(&*place.mark).filter(|mark| !mark.is_empty())?;
        own.find_map(|(number, line)| Some((number, *line, line.find(mark)?, mark.chars().count())))
    };
    if let Some((number, line, byte, length)) = marked() {
        let column = line.get(..byte)?.chars().count();
        return Some((number + 1, line, column, length));
    }
    let line = lines.get(first)?;
    let trimmed = line.trim().trim_end_matches('\\').trim_end();
    let column = line.chars().take_while(|c| c.is_whitespace()).count();
    Some((first + 1, line, column, trimmed.chars().count()))
}

/// The line with its number, and a line below that underlines the place. None where there is no such line.
pub(super) fn lines(all: &[&str], place: &Place, width: usize) -> Option<(String, String)> {
    let (number, line, column, length) = place_in(all, place)?;
    let line = line.trim_end_matches('\r');
    if line.trim().is_empty() {
        return None;
    }
    let head = format!("  {number} | ");
    let room = width.saturating_sub(head.chars().count()).max(10);
    // A long line is shown from where the place is.
    let begin = if column + length.min(room) > room { column.saturating_sub(4) } else { 0 };
    let clean: String = super::one_line(&line.replace('\t', " "));
    let mut shown: String = clean.chars().skip(begin).take(room).collect();
    if clean.chars().count() > begin + room {
        shown.pop();
        shown.push('…');
    }
    let below = " ".repeat(head.chars().count().saturating_sub(2));
    let under = length.clamp(1, room.saturating_sub(column - begin).max(1));
    Some((
        format!("{head}{}", shown.trim_end()),
        format!("{below}| {}{}", " ".repeat(column - begin), "^".repeat(under)),
    ))
}

/// The lines that would be right, each with a plus.
pub(super) fn right(edit: &Edit, old: &[&str]) -> Vec<String> {
    let known = old.get(edit.first.saturating_sub(1)..edit.last).unwrap_or_default();
    let pad = " ".repeat(edit.first.to_string().len());
    let new = edit.lines.iter().filter(|line| !known.contains(&line.as_str()));
    new.map(|line| format!("  {pad} + {}", super::one_line(line.trim_end()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let source = "FROM alpine\nRUN a \\\n  && apk add git\nCMD /server\n";
        let all: Vec<&str> = source.split('\n').collect();
        let show = |line: u32, mark: &str| lines(&all, &Place::line(line).marked(mark), 80).unwrap();
        assert_eq!(show(4, ""), ("  4 | CMD /server".to_owned(), "    | ^^^^^^^^^^^".to_owned()));
        assert_eq!(show(2, "git"), ("  3 |   && apk add git".to_owned(), "    |              ^^^".to_owned()));
        // Not beyond the instruction.
        assert_eq!(show(2, "server").0, "  2 | RUN a \\");
        assert_eq!(lines(&all, &Place::line(9), 80), None);
        let (long, under) = lines(&[&format!("RUN {} x y", "a".repeat(200))], &Place::line(1).marked("x"), 40).unwrap();
        assert!(long.chars().count() <= 40 && under.chars().count() <= 40, "{long}\n{under}");
    }
}
