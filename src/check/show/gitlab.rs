//! GitLab's code quality report: what a merge request shows beside its lines.

use super::{Finding, Report, Severity};
use crate::json::Json;

pub(super) fn show(report: &Report) -> String {
    let each = report.findings.iter().map(|found| {
        let mut json = Json::default();
        finding(&mut json, found);
        json.into_text()
    });
    format!("[{}]\n", each.collect::<Vec<_>>().join(","))
}

fn finding(json: &mut Json, finding: &Finding) {
    json.object(|json| {
        json.string("description", &format!("{}. Fix: {}", finding.evidence, finding.mend));
        json.string("check_name", finding.rule.id);
        json.string("fingerprint", &fingerprint(finding));
        let severity = match finding.severity {
            Severity::Error => "critical",
            Severity::Warning => "minor",
            Severity::Note => "info",
        };
        json.string("severity", severity);
        json.key("location");
        json.object(|json| {
            json.string("path", &finding.place.file);
            json.key("lines");
            json.object(|json| json.number("begin", finding.place.line.max(1).into()));
        });
    });
}

/// The same finding has the same one when lines before it come or go: FNV-1a of what it is, not of where.
fn fingerprint(finding: &Finding) -> String {
    let texts = [finding.rule.id, &finding.place.file, &finding.evidence];
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
