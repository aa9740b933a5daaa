//! For a CI server: each rehearsal a test case, as Jenkins, GitLab and GitHub's reporters read it.

use super::{program, verdict};
use crate::config::Rehearsal;
use crate::rehearse::outcome::Run;

/// The whole document.
pub(in crate::rehearse) fn all(runs: &[Run], plan: &Rehearsal) -> String {
    let failed = runs.iter().filter(|run| !run.faults(plan).is_empty()).count();
    let counts = format!("tests=\"{}\" failures=\"{failed}\"", runs.len());
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n");
    xml.push_str(&format!("<testsuite name=\"goward rehearse\" {counts}>\n"));
    let program = escaped(&program(plan));
    for (run, number) in runs.iter().zip(1..) {
        let (good, why) = verdict(run, plan);
        let time = run.ready_ms + run.signal_after_ms.unwrap_or(0) + run.stop_ms().unwrap_or(0);
        let seconds = format!("{}.{:03}", time / 1000, time % 1000);
        xml.push_str(&format!("<testcase classname=\"{program}\" name=\"rehearsal {number}\" time=\"{seconds}\">"));
        let details = escaped(&super::text::details_of(run, plan));
        xml.push_str(&if good {
            format!("<system-out>{details}</system-out>")
        } else {
            format!("<failure message=\"{}\">{details}</failure>", escaped(&why))
        });
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// As text or the value of an attribute. Control characters have no place in XML, not even escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    super::escape(&mut escaped, text);
    escaped
}
