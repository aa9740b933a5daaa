//! SARIF 2.1.0, for code scanning. Only the rules that were found are listed, each once.

use super::Report;
use crate::check::finding::Finding;
use crate::check::table::{ALL, Rule};
use crate::json::Json;
use std::fmt::Write;

pub(super) fn show(report: &Report) -> String {
    let found = |rule: &&&Rule| report.findings.iter().any(|finding| finding.rule.id == rule.id);
    let rules: Vec<&Rule> = ALL.iter().filter(found).copied().collect();
    let mut json = Json::default();
    json.object(|json| {
        json.string("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
        json.string("version", "2.1.0");
        json.list("runs", [()], |json, ()| {
            json.object(|json| {
                json.key("tool");
                json.object(|json| {
                    json.key("driver");
                    json.object(|json| {
                        json.string("name", "goward check");
                        json.string("semanticVersion", env!("CARGO_PKG_VERSION"));
                        json.list("rules", &rules, |json, described| rule(json, described));
                    });
                });
                json.string("columnKind", "unicodeCodePoints");
                json.list("results", &report.findings, |json, finding| result(json, finding, &rules));
            });
        });
    });
    json.into_text() + "\n"
}

fn rule(json: &mut Json, rule: &Rule) {
    json.object(|json| {
        json.string("id", rule.id);
        text(json, "shortDescription", rule.title);
        text(json, "fullDescription", rule.help);
        json.key("defaultConfiguration");
        json.object(|json| json.string("level", rule.severity.name()));
    });
}

fn result(json: &mut Json, finding: &Finding, rules: &[&Rule]) {
    json.object(|json| {
        json.string("ruleId", finding.rule.id);
        let index = rules.iter().position(|rule| rule.id == finding.rule.id);
        json.numbers(&[("ruleIndex", index.map(|index| index as u64))]);
        json.string("level", finding.severity.name());
        text(json, "message", &format!("{}. Fix: {}", finding.evidence, finding.mend));
        json.list("locations", [()], |json, ()| {
            json.object(|json| {
                json.key("physicalLocation");
                json.object(|json| {
                    json.key("artifactLocation");
                    json.object(|json| json.string("uri", &uri(&finding.place.file)));
                    if finding.place.line > 0 {
                        json.key("region");
                        json.object(|json| json.number("startLine", finding.place.line.into()));
                    }
                });
            });
        });
    });
}

fn text(json: &mut Json, name: &str, text: &str) {
    json.key(name);
    json.object(|json| json.string("text", text));
}

/// RFC 3986: what may not stand in a path is percent-encoded. A path in the image begins without its slash: it is relative
/// to the image, not to the machine that reads this.
fn uri(path: &str) -> String {
    path.trim_start_matches('/').bytes().fold(String::new(), |mut uri, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
        uri
    })
}
