//! One object, for machines.

use super::Report;
use crate::check::finding::{Finding, Severity};
use crate::json::Json;

pub(super) fn show(report: &Report) -> String {
    let mut json = Json::default();
    json.object(|json| {
        json.string("subject", &report.subject);
        json.list("facts", &report.facts, |json, fact| json.value(fact));
        for severity in [Severity::Error, Severity::Warning, Severity::Note] {
            json.number(plural(severity), report.count(severity) as u64);
        }
        json.number("ignored", report.ignored as u64);
        json.list("findings", &report.findings, finding);
    });
    json.into_text() + "\n"
}

fn plural(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "errors",
        Severity::Warning => "warnings",
        Severity::Note => "notes",
    }
}

fn finding(json: &mut Json, finding: &Finding) {
    json.object(|json| {
        json.string("id", finding.rule.id);
        json.string("severity", finding.severity.name());
        json.string("title", finding.rule.title);
        json.string("file", &finding.place.file);
        let line = (finding.place.line > 0).then_some(finding.place.line.into());
        json.numbers(&[("line", line), ("layer", finding.place.layer.map(u64::from))]);
        json.string("evidence", &finding.evidence);
        json.string("mend", &finding.mend);
    });
}
