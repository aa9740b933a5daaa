//! What platforms are known to give a container between the stop signal and the kill, told by what they set in its environment.
//! docs/platforms.md has a row for each. Pure.

use std::time::Duration;

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// As its users call it.
    pub name: &'static str,
    /// What it sets in every container.
    variable: &'static str,
    seconds: u64,
}

/// The first one that is found counts. Kubernetes comes first: others run in it and set their own as well (Knative K_SERVICE).
pub const ALL: [Platform; 7] = [
    Platform { name: "Kubernetes", variable: "KUBERNETES_SERVICE_HOST", seconds: 30 },
    Platform { name: "Amazon ECS", variable: "ECS_CONTAINER_METADATA_URI_V4", seconds: 30 },
    Platform { name: "Heroku", variable: "DYNO", seconds: 30 },
    Platform { name: "Cloud Run", variable: "K_SERVICE", seconds: 10 },
    Platform { name: "Cloud Run", variable: "CLOUD_RUN_JOB", seconds: 10 },
    Platform { name: "Fly.io", variable: "FLY_APP_NAME", seconds: 5 },
    Platform { name: "Nomad", variable: "NOMAD_ALLOC_ID", seconds: 5 },
];

/// What Docker gives, and where nothing is known.
const DOCKER: Duration = Duration::from_secs(10);

/// Where the time of a stop comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// `--stop-timeout`
    #[default]
    Option,
    /// A platform's default.
    Platform(Platform),
    /// Docker's, because no platform was found.
    Docker,
}

impl Source {
    /// Why it is this time; none where the user said so.
    pub fn reason(self) -> Option<String> {
        match self {
            Source::Option => None,
            Source::Platform(Platform { name, variable, .. }) => {
                Some(format!("the default of {name} ({variable} is set)"))
            }
            Source::Docker => Some("Docker's default".to_owned()),
        }
    }
}

/// The time of a stop where nobody has set one, and where it comes from. A variable that is empty counts as none.
pub fn default_timeout(env: &dyn Fn(&str) -> Option<String>) -> (Duration, Source) {
    let found = ALL.into_iter().find(|platform| env(platform.variable).is_some_and(|value| !value.is_empty()));
    match found {
        Some(platform) => (Duration::from_secs(platform.seconds), Source::Platform(platform)),
        None => (DOCKER, Source::Docker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../docs/platforms.md");

    fn seconds(variables: &[(&str, &str)]) -> (u64, Option<String>) {
        let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let (time, source) = default_timeout(&env);
        (time.as_secs(), source.reason())
    }

    #[test]
    fn each_platform_by_its_variable() {
        for (variable, wanted, name) in [
            ("KUBERNETES_SERVICE_HOST", 30, "Kubernetes"),
            ("ECS_CONTAINER_METADATA_URI_V4", 30, "Amazon ECS"),
            ("DYNO", 30, "Heroku"),
            ("K_SERVICE", 10, "Cloud Run"),
            ("CLOUD_RUN_JOB", 10, "Cloud Run"),
            ("FLY_APP_NAME", 5, "Fly.io"),
            ("NOMAD_ALLOC_ID", 5, "Nomad"),
        ] {
            let (time, reason) = seconds(&[(variable, "x")]);
            assert_eq!((time, reason), (wanted, Some(format!("the default of {name} ({variable} is set)"))));
            assert_eq!(seconds(&[(variable, "")]).0, 10, "an empty {variable} is none");
        }
        assert_eq!(seconds(&[("DYNOS", "1"), ("K_SERVICES", "1")]), (10, Some("Docker's default".to_owned())));
    }

    #[test]
    fn kubernetes_comes_first() {
        let inside = [("K_SERVICE", "x"), ("NOMAD_ALLOC_ID", "x"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1")];
        assert_eq!(seconds(&inside).0, 30);
        assert_eq!(seconds(&[("NOMAD_ALLOC_ID", "x"), ("ECS_CONTAINER_METADATA_URI_V4", "http://x")]).0, 30);
    }

    #[test]
    fn the_page_has_a_row_for_each() {
        for platform in ALL {
            let row =
                PAGE.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{}`", platform.variable)));
            let row = row.unwrap_or_else(|| panic!("docs/platforms.md has no row for {platform:?}"));
            assert!(row.contains(platform.name) && row.contains(&format!("| {} s |", platform.seconds)), "{row}");
        }
    }
}
