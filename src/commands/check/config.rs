//! The file `.goward` of a repository: what is ignored there and why, severities, and bases that are trusted. One entry a line:
//!
//! ```text
//! # a comment
//! ignore GW318 the symbols are for our profiler
//! severity GW321 error
//! trust registry.example.com/
//! ```
//!
//! Pure.

use crate::check::{Finding, Severity, table};

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    ignored: Vec<String>,
    severities: Vec<(String, Severity)>,
    trusted: Vec<String>,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence about the first line that is wrong.
    pub(super) fn read(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            config.line(line).map_err(|error| format!("line {number}: {error}"))?;
        }
        Ok(config)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (first, more) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
        let known = |id: &str| match table::find(id) {
            Some(rule) => Ok(rule.id.to_owned()),
            None => Err(format!("there is no finding {id}; goward check --list has them all")),
        };
        match word {
            "ignore" if more.trim().is_empty() => Err(format!("ignore {first} needs a reason")),
            "ignore" => {
                for id in first.split(',') {
                    self.ignored.push(known(id)?);
                }
                Ok(())
            }
            "severity" => {
                let all = [Severity::Note, Severity::Warning, Severity::Error];
                let named = all.into_iter().find(|severity| severity.name() == more.trim());
                let severity =
                    named.ok_or_else(|| format!("severity {first} is error, warning or note, not {more}"))?;
                self.severities.push((known(first)?, severity));
                Ok(())
            }
            "trust" if !first.is_empty() && more.is_empty() => {
                self.trusted.push(first.to_owned());
                Ok(())
            }
            "trust" => Err("trust takes the beginning of an image's name".to_owned()),
            _ => Err(format!("'{word}' is not one of ignore, severity, trust")),
        }
    }

    /// Whether a finding is not to be told.
    pub(super) fn leaves_out(&self, finding: &Finding) -> bool {
        let image = &*finding.place.mark;
        let trusted = self.trusted.iter().any(|base| image.starts_with(base.as_str()));
        self.ignored.iter().any(|id| id == finding.rule.id) || (finding.rule.id == "GW321" && trusted)
    }

    /// How bad the repository finds it.
    pub(super) fn severity(&self, finding: &Finding) -> Severity {
        let own = self.severities.iter().rfind(|(id, _)| id == finding.rule.id);
        own.map_or(finding.severity, |(_, severity)| *severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let config =
            Config::read("# c\n\nignore gw318,GW319 why not\nseverity GW321 error\ntrust example.com/\n").unwrap();
        assert_eq!((config.ignored.len(), config.severities.len(), config.trusted.len()), (2, 1, 1));
        for (text, said) in [
            ("ignore GW318", "reason"),
            ("ignore GW999 x", "no finding GW999"),
            ("severity GW321 bad", "error, warning or note"),
            ("\nfoo", "line 2: 'foo'"),
            ("trust", "beginning"),
        ] {
            let error = Config::read(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
