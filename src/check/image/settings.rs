//! What an image's configuration says: shells, signals, HEALTHCHECK, ports, secrets. Pure.

use super::archive::Archive;
use super::manifest::Config;
use super::path_of;
use super::program::{self, Start};
use super::rights::Subject;
use super::tree::resolve;
use crate::check::docker::{is_secret, script_becomes};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch::{self, Launch};
use crate::check::show::Report;
use crate::check::table::{self, Rule};

pub(super) fn judge(image: &Archive, started: &Launch, subject: &Subject, start: Start<'_>, report: &mut Report) {
    let config = &image.config;
    let mut say = |rule: &'static Rule, evidence: String, mend: &str| {
        report.findings.push(Finding::new(rule, Place::config(), evidence, mend));
    };
    if let Some(evidence) = stays_in_between(image, started) {
        say(&table::IMAGE_SHELL_ENTRYPOINT, evidence, "ENTRYPOINT [\"/server\"] in exec form");
    }
    if let Some((signal, why)) = config.stop.as_deref().and_then(|signal| Some((signal, launch::unfit(signal)?)))
        && !started.rewrites
    {
        let mend = "leave STOPSIGNAL out: SIGTERM is the default";
        say(&table::IMAGE_STOPSIGNAL, format!("{signal} to a Go server {why}"), mend);
    }
    if let Some(evidence) = unhealthy(image, start) {
        let mend = "a program of the image in exec form: HEALTHCHECK CMD [\"/goward\", \"probe\", \"http://localhost:8080/healthz\"]";
        say(&table::IMAGE_HEALTHCHECK, evidence, mend);
    }
    if let Some(port) = config.ports.iter().find(|port| **port < 1024 && !subject.is_root() && !started.binds_low) {
        let evidence = format!("EXPOSE {port}, and the server is not root");
        say(&table::IMAGE_LOW_PORT, evidence, "listen on 8080, or goward --keep-cap net_bind_service");
    }
    for (name, value) in &config.env {
        if is_secret(name, value) {
            let mend = "give it at run time: an environment variable, or a file";
            say(&table::IMAGE_SECRET_IN_ENV, format!("ENV {name} has a value"), mend);
        }
    }
}

/// Why a shell that starts the server stays between the signals and the server, if it does.
fn stays_in_between(image: &Archive, started: &Launch) -> Option<String> {
    let Config { env, directory, .. } = &image.config;
    let (shell, script) = started.script.as_ref().filter(|_| !started.to_group)?;
    // busybox and bash become the last command themselves, and that it is one of them can be seen.
    let shell_path = started.argv.first().map_or("", String::as_str);
    let real = resolve(image, &path_of(image, shell_path, env, directory));
    let real = real.map(|way| launch::base_name(&way.path).to_owned()).unwrap_or_default();
    let becomes = matches!(real.as_str(), "bash" | "busybox") || shell == "bash";
    let evidence = script_becomes(script, becomes)?;
    Some(format!("{shell} -c {script}: {evidence}"))
}

/// Why the HEALTHCHECK cannot be executed, if it cannot.
fn unhealthy(image: &Archive, start: Start<'_>) -> Option<String> {
    let config = &image.config;
    let (kind, rest) = config.health.split_first()?;
    let checker = match kind.as_str() {
        "CMD" => rest.first()?.as_str(),
        "CMD-SHELL" => "/bin/sh",
        _ => return None,
    };
    // As the image's own user: goward's --user holds for the server alone.
    let user = Subject::of(&config.user, false, image).unwrap_or_default();
    let path = path_of(image, checker, &config.env, &config.directory);
    // All that is an error of a program keeps it from starting.
    let findings = program::look_at(image, &path, &user, start).findings;
    let why = findings.iter().find(|finding| finding.severity == Severity::Error)?;
    Some(format!("HEALTHCHECK is run by {checker}: {}", why.evidence))
}
