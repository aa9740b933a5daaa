//! Which groups somebody wants to see.

use super::{Finding, Frame, Group, Summary};

/// What a group must have to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A text in a function or file of the stack, or of what started them.
    pub text: Option<String>,
    /// One of them has waited so many minutes.
    pub minutes: u32,
    /// The state, or the words it begins with.
    pub state: Option<String>,
}

impl Filter {
    /// Whether everything is wanted.
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether a group is wanted.
    pub fn fits(&self, group: &Group) -> bool {
        let has = |text: &String, frame: &Frame| frame.function.contains(text) || frame.file.contains(text);
        let text = self
            .text
            .as_ref()
            .is_none_or(|text| group.frames.iter().chain(&group.creator).any(|frame| has(text, frame)));
        let state = self.state.as_ref().is_none_or(|state| {
            let rest = group.state.strip_prefix(state.as_str());
            rest.is_some_and(|rest| rest.is_empty() || !rest.starts_with(char::is_alphanumeric))
        });
        text && state && group.minutes.1 >= self.minutes
    }

    /// Leaves what is wanted, and what was found of that. Returns how many goroutines are left.
    pub fn apply(&self, summary: &mut Summary, findings: &mut Vec<Finding>) -> u64 {
        let fits: Vec<bool> = summary.groups.iter().map(|group| self.fits(group)).collect();
        let mut left = 0..;
        let places: Vec<Option<usize>> = fits.iter().map(|fits| if *fits { left.next() } else { None }).collect();
        for finding in findings.iter_mut() {
            finding.groups = finding.groups.iter().filter_map(|at| *places.get(*at)?).collect();
        }
        findings.retain(|finding| !finding.groups.is_empty());
        let mut fits = fits.into_iter();
        summary.groups.retain(|_| fits.next() == Some(true));
        summary.groups.iter().map(|group| group.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goroutines::{Cause, Kind};

    fn group(state: &str, function: &str, minutes: u32, count: u64) -> Group {
        let frame = Frame { function: function.to_owned(), file: format!("/src/{function}.go"), line: 1 };
        Group { state: state.to_owned(), frames: vec![frame], minutes: (0, minutes), count, ..Group::default() }
    }

    fn filter(text: Option<&str>, minutes: u32, state: Option<&str>) -> Filter {
        Filter { text: text.map(str::to_owned), minutes, state: state.map(str::to_owned) }
    }

    #[test]
    fn by_text_time_and_state() {
        let select = group("select", "main.work", 5, 1);
        let never = group("select (no cases)", "main.wait", 0, 1);
        for (filter, fits) in [
            (filter(None, 0, None), (true, true)),
            (filter(Some("work"), 0, None), (true, false)),
            (filter(Some("/src/main.wait.go"), 0, None), (false, true)),
            (filter(None, 5, None), (true, false)),
            (filter(None, 6, None), (false, false)),
            (filter(None, 0, Some("select")), (true, true)),
            (filter(None, 0, Some("select (no cases)")), (false, true)),
            (filter(None, 0, Some("sel")), (false, false)),
        ] {
            assert_eq!((filter.fits(&select), filter.fits(&never)), fits, "{filter:?}");
        }
    }

    #[test]
    fn findings_follow_their_groups() {
        let groups = vec![group("select", "main.a", 0, 2), group("sleep", "main.b", 0, 3)];
        let mut summary = Summary {
            kind: Kind::Signal,
            reason: String::new(),
            notes: vec![],
            user: 5,
            system: 0,
            groups,
            ungrouped: 0,
            cut: false,
            bytes: 0,
        };
        let finding = |groups| Finding {
            cause: Cause::Loop,
            evidence: String::new(),
            advice: String::new(),
            place: None,
            groups,
        };
        let mut findings = vec![finding(vec![0]), finding(vec![0, 1])];
        assert_eq!(filter(Some("main.b"), 0, None).apply(&mut summary, &mut findings), 3);
        assert_eq!(findings.iter().map(|finding| finding.groups.clone()).collect::<Vec<_>>(), [vec![0]]);
        assert_eq!(summary.groups.len(), 1);
    }
}
