//! Which versions still get fixes, by the date this table was made. Pure. What is newer than the table is taken for supported.

/// When the tables below were true.
pub(crate) const AS_OF: &str = "November 2026";

/// The oldest minor version of Go that is supported: two are at a time.
pub(crate) const GO_OLDEST: u32 = 26;
/// And the newest.
pub(crate) const GO_NEWEST: u32 = 27;

/// Distributions out of support: name, release, and when that ended.
const ENDED: &[(&str, &str, &str)] = &[
    ("alpine", "3.16", "May 2024"),
    ("alpine", "3.17", "November 2024"),
    ("alpine", "3.18", "May 2025"),
    ("alpine", "3.19", "November 2025"),
    ("alpine", "3.20", "April 2026"),
    ("alpine", "3.21", "November 2026"),
    ("debian", "8", "June 2020"),
    ("debian", "9", "July 2022"),
    ("debian", "10", "June 2024"),
    ("debian", "11", "August 2026"),
    ("ubuntu", "14.04", "April 2019"),
    ("ubuntu", "16.04", "April 2021"),
    ("ubuntu", "18.04", "May 2023"),
    ("ubuntu", "20.04", "May 2025"),
    ("ubuntu", "21.10", "July 2022"),
    ("ubuntu", "22.10", "July 2023"),
    ("ubuntu", "23.04", "January 2024"),
    ("ubuntu", "23.10", "July 2024"),
    ("ubuntu", "24.10", "July 2025"),
    ("ubuntu", "25.04", "January 2026"),
    ("fedora", "31", "November 2020"),
    ("fedora", "32", "May 2021"),
    ("fedora", "33", "November 2021"),
    ("fedora", "34", "June 2022"),
    ("fedora", "35", "December 2022"),
    ("fedora", "36", "May 2023"),
    ("fedora", "37", "December 2023"),
    ("fedora", "38", "May 2024"),
    ("fedora", "39", "November 2024"),
    ("fedora", "40", "May 2025"),
    ("fedora", "41", "December 2025"),
    ("centos", "7", "June 2024"),
    ("centos", "8", "December 2021"),
];

/// Debian's releases by name; tags use both.
const DEBIAN: [(&str, &str); 6] =
    [("jessie", "8"), ("stretch", "9"), ("buster", "10"), ("bullseye", "11"), ("bookworm", "12"), ("trixie", "13")];
const UBUNTU: [(&str, &str); 10] = [
    ("trusty", "14.04"),
    ("xenial", "16.04"),
    ("bionic", "18.04"),
    ("focal", "20.04"),
    ("impish", "21.10"),
    ("kinetic", "22.10"),
    ("lunar", "23.04"),
    ("mantic", "23.10"),
    ("oracular", "24.10"),
    ("plucky", "25.04"),
];

/// The minor version of `go1.22.3`, `1.22-alpine` or `1.27rc1`.
pub(crate) fn go_minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go").unwrap_or(version).strip_prefix("1.")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..digits)?.parse().ok()
}

/// Whether that Go still gets fixes.
pub(crate) fn go_is_supported(minor: u32) -> bool {
    minor >= GO_OLDEST
}

/// Of a distribution's image the release, and when its support ended.
pub(crate) fn ended(name: &str, tag: &str) -> Option<String> {
    let release = tag.split('-').next().unwrap_or_default();
    let names = DEBIAN.iter().chain(&UBUNTU);
    let release = names.filter(|(code, _)| *code == release).map(|(_, number)| *number).next().unwrap_or(release);
    let is = |known: &str| release == known || release.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'));
    // Of those before the table: Alpine has a release each half year, and keeps it for two years.
    let minor = release.strip_prefix("3.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    if let Some(minor) = minor.filter(|minor| name == "alpine" && *minor < 16) {
        let month = if minor % 2 == 0 { "May" } else { "November" };
        return Some(format!("3.{minor} ended in {month} {}", 2016 + minor / 2));
    }
    let (_, version, date) = ENDED.iter().find(|(known, version, _)| *known == name && is(version))?;
    Some(format!("{version} ended in {date}"))
}

/// The version of glibc in a release of Debian or Ubuntu, by its tag: 36 is 2.36.
pub(crate) fn glibc(name: &str, tag: &str) -> Option<u32> {
    const DEBIAN_HAS: [(&str, &str, u32); 4] =
        [("buster", "10", 28), ("bullseye", "11", 31), ("bookworm", "12", 36), ("trixie", "13", 41)];
    const UBUNTU_HAS: [(&str, &str, u32); 5] = [
        ("xenial", "16.04", 23),
        ("bionic", "18.04", 27),
        ("focal", "20.04", 31),
        ("jammy", "22.04", 35),
        ("noble", "24.04", 39),
    ];
    let release = tag.split('-').next().unwrap_or_default();
    let named = |known: &&(&str, &str, u32)| {
        let (code, number, _) = **known;
        let dated = release.strip_prefix(number).is_some_and(|rest| rest.starts_with('.'));
        release == code || release == number || (name == "debian" && dated)
    };
    let known: &[(&str, &str, u32)] = if name == "debian" { &DEBIAN_HAS } else { &UBUNTU_HAS };
    known.iter().find(named).map(|(_, _, glibc)| *glibc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(go_minor("go1.22.10"), Some(22));
        assert_eq!(go_minor("1.27rc1-alpine3.22"), Some(27));
        assert_eq!(go_minor("alpine"), None);
        assert_eq!(go_minor("devel go1.28"), None);
        assert!(go_is_supported(26) && go_is_supported(28) && !go_is_supported(25));
        assert_eq!(ended("alpine", "3.19.1").as_deref(), Some("3.19 ended in November 2025"));
        assert_eq!(ended("alpine", "3.3").as_deref(), Some("3.3 ended in November 2017"));
        assert_eq!(ended("alpine", "3.12.1").as_deref(), Some("3.12 ended in May 2022"));
        assert_eq!(ended("alpine", "3.15").as_deref(), Some("3.15 ended in November 2023"));
        assert_eq!(ended("alpine", "3.22"), None);
        assert_eq!(ended("debian", "buster-slim").as_deref(), Some("10 ended in June 2024"));
        assert_eq!(ended("debian", "12"), None);
        assert_eq!(ended("debian", "1"), None);
        assert_eq!(ended("ubuntu", "trusty").as_deref(), Some("14.04 ended in April 2019"));
        assert_eq!(ended("ubuntu", "noble"), None);
        assert_eq!(ended("fedora", "31").as_deref(), Some("31 ended in November 2020"));
        assert_eq!(ended("fedora", "43"), None);
        assert_eq!(ended("alpine", "latest"), None);
    }
}
