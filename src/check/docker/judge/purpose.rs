//! What other files of the repository say of the image: it is for a GitHub action, or goreleaser makes it.

use super::context::inside;
use super::{Context, has_toolchain};
use crate::check::docker::stage::Stages;
use crate::check::finding::{Finding, Severity};
use crate::check::table::{self, Rule};

/// What they say.
#[derive(Default)]
pub(super) struct Purpose {
    action: Option<Action>,
    /// The context is not this directory: goreleaser sends what it has built, and the files that its configuration names, without a
    /// .dockerignore.
    pub(super) is_picked: bool,
    /// What the path of the Dockerfile says that it is for, where that is no server.
    aside: Option<&'static str>,
}

/// How a GitHub action comes to its image.
enum Action {
    /// Each run builds it, from a copy of the repository without .git.
    Built,
    Pulled,
}

/// What matters only where an image is pulled, or the build's cache is kept.
static OF_SIZE_AND_CACHE: [&Rule; 10] = [
    &table::SINGLE_STAGE,
    &table::SOURCES_SHIPPED,
    &table::BUILD_PACKAGES,
    &table::PACKAGE_CACHE,
    &table::RECOMMENDED,
    &table::SOURCE_FIRST,
    &table::NO_DOCKERIGNORE,
    &table::DOCKERIGNORE_GAPS,
    &table::NOT_STRIPPED_BUILD,
    &table::NO_VERSION_BUILD,
];

/// What matters less where tests are run, or others build: nobody gets in from outside, and nobody ships it.
static OF_SERVERS: [&Rule; 7] = [
    &table::NO_USER,
    &table::USER_ROOT,
    &table::SINGLE_STAGE,
    &table::SOURCES_SHIPPED,
    &table::BUILD_PACKAGES,
    &table::NO_CERTIFICATES_COPIED,
    &table::OPEN_MODE,
];

/// What a path says: test/e2e/Dockerfile, Dockerfile.e2e, client-tests/Dockerfile; docker/builder/Dockerfile. Of a name with
/// several words the last one counts: a test-server is a server. Debian's next release is called testing.
fn aside(path: &str) -> Option<&'static str> {
    const TESTS: [&str; 7] = ["test", "tests", "testing", "e2e", "fuzz", "fuzzing", "conformance"];
    const BUILDS: [&str; 6] = ["builder", "buildenv", "build-env", "build-image", "devcontainer", ".devcontainer"];
    let path = path.to_ascii_lowercase().replace("debian/testing", "debian").replace("debian-testing", "debian");
    let (directories, file) = path.rsplit_once('/').unwrap_or(("", &path));
    let last = |name: &str, with: &[&str]| name.rsplit(['-', '_', '.']).next().is_some_and(|last| with.contains(&last));
    let name_of_file = file.replace("dockerfile", "").replace("containerfile", "");
    let of_file = |with: &[&str]| last(name_of_file.trim_matches(['-', '_', '.']), with);
    let beside = directories.rsplit('/').next().unwrap_or_default();
    if directories.split('/').any(|name| last(name, &TESTS)) || of_file(&TESTS) {
        Some("tests")
    } else if BUILDS.contains(&beside) || of_file(&BUILDS) {
        Some("builds")
    } else {
        None
    }
}

impl Purpose {
    pub(super) fn read(context: Context<'_>, stages: &Stages<'_>) -> Purpose {
        let Some(own) = context.own_path() else { return Purpose::default() };
        let names = [".goreleaser.yml", ".goreleaser.yaml", "goreleaser.yml", "goreleaser.yaml"];
        let picks = |text: String| values(&text, "dockerfile").any(|path| inside(path).0 == own);
        let beside = own.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
        let actions = [beside.as_str(), ""].map(|directory| ["yml", "yaml"].map(|end| (directory, end)));
        let mut actions = actions.into_iter().flatten();
        Purpose {
            action: actions.find_map(|(directory, end)| {
                let text = context.text(&format!("{directory}action.{end}"))?;
                values(&text, "image").find_map(|image| match image.starts_with("docker://") {
                    // Whose image that is, is not known: only of the Dockerfile beside it.
                    true => (directory == beside).then_some(Action::Pulled),
                    false => (inside(&format!("{directory}{image}")).0 == own).then_some(Action::Built),
                })
            }),
            // What builds from source is built from the repository, too.
            aside: context.place().and_then(aside),
            is_picked: !stages.stages.iter().any(has_toolchain)
                && names.iter().any(|name| context.text(name).is_some_and(picks)),
        }
    }

    /// As much of a finding as matters there.
    pub(super) fn weigh(&self, finding: Finding) -> Option<Finding> {
        let of = |rules: &[&Rule]| rules.iter().any(|rule| rule.id == finding.rule.id);
        match self.aside.filter(|_| finding.severity > Severity::Note && of(&OF_SERVERS)) {
            _ if !self.concerns(&finding) => None,
            Some(what) => {
                let evidence = format!("{}; its path says that the image is for {what}", finding.evidence);
                Some(Finding { evidence, ..finding.at(Severity::Note) })
            }
            None => Some(finding),
        }
    }

    /// Whether a finding matters there. GitHub asks that an action runs as root: it writes to the runner's files.
    fn concerns(&self, finding: &Finding) -> bool {
        let of = |rules: &[&Rule]| rules.iter().any(|rule| rule.id == finding.rule.id);
        let needs_root = of(&[&table::NO_USER, &table::USER_ROOT]);
        match self.action {
            Some(Action::Built) => !needs_root && !of(&OF_SIZE_AND_CACHE),
            Some(Action::Pulled) => !needs_root,
            None => true,
        }
    }
}

/// The values of a key in YAML, wherever it stands.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let value = move |line: &'a str| line.trim_start_matches([' ', '-']).strip_prefix(key)?.strip_prefix(':');
    text.lines().filter_map(value).map(|value| {
        let value = value.split(" #").next().unwrap_or_default();
        value.trim().trim_matches(['"', '\''])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paths_say() {
        for path in [
            "test/e2e/Dockerfile",
            "Dockerfile.e2e",
            "docker/client-tests/Dockerfile",
            "Dockerfile-test",
            "fuzz.Dockerfile",
            "tests/images/server/Dockerfile",
        ] {
            assert_eq!(aside(path), Some("tests"), "{path}");
        }
        for path in ["docker/builder/Dockerfile", "Dockerfile.builder", ".devcontainer/Dockerfile"] {
            assert_eq!(aside(path), Some("builds"), "{path}");
        }
        for path in [
            "Dockerfile",
            "cmd/test-server/Dockerfile",
            "builder/cmd/Dockerfile",
            "Dockerfile.test-server",
            "test-server.Dockerfile",
            "debian/testing/Dockerfile",
            "Dockerfile.debian-testing",
            "latest/Dockerfile",
            "build/Dockerfile",
        ] {
            assert_eq!(aside(path), None, "{path}");
        }
    }
}
