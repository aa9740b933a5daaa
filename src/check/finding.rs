//! What a check finds: which rule, where, what was seen, and what would mend it. Pure.

use super::table::Rule;

/// How bad it is. The order counts: `--fail-on` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Better known than not.
    Note,
    /// It works, until the day it does not.
    Warning,
    /// It will not work, or it gives something away.
    Error,
}

impl Severity {
    /// As `--fail-on` and SARIF write it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The Dockerfile, or the path inside the image.
    pub file: String,
    /// The line, in a text; 0 where there are no lines.
    pub line: u32,
    /// The layer of an archive that brought the file, counted from 1.
    pub layer: Option<u32>,
    /// The words of the line that are meant; empty for all of it.
    pub mark: Box<str>,
}

impl Place {
    /// A line of a Dockerfile. The file's name is filled in later, by whoever knows it.
    pub(crate) fn line(line: u32) -> Place {
        Place { line, ..Place::default() }
    }

    /// The same line, with the words that are meant.
    pub(crate) fn marked(self, mark: &str) -> Place {
        Place { mark: mark.into(), ..self }
    }
}

impl Place {
    /// A path in the image.
    pub(crate) fn path(path: impl Into<String>) -> Place {
        Place { file: path.into(), ..Place::default() }
    }

    /// The image's own configuration.
    pub(crate) fn config() -> Place {
        Place::path("(image config)")
    }
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its entry in the table.
    pub rule: &'static Rule,
    /// The rule's own, or less where it matters less.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What was seen, in one sentence without a full stop.
    pub evidence: String,
    /// What would be right, in one line.
    pub mend: String,
}

impl Finding {
    pub(crate) fn new(
        rule: &'static Rule,
        place: Place,
        evidence: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding { rule, severity: rule.severity, place, evidence: evidence.into(), mend: mend.into() }
    }

    /// The same, but it matters only so much here.
    pub(crate) fn at(self, severity: Severity) -> Finding {
        Finding { severity, ..self }
    }
}
