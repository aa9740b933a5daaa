//! What base images are known to have. Pure. What is not known is None, and nothing is said of it.

use crate::check::support;

/// Which C library, so which loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Libc {
    None,
    Glibc,
    Musl,
}

/// What /bin/sh is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    None,
    /// Starts every command as a child, even the last one of `sh -c`.
    Dash,
    /// Becomes the last command of `sh -c`: busybox' ash, and bash.
    Becoming,
}

/// An image, or a stage: what is in it as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) libc: Option<Libc>,
    pub(crate) shell: Option<Shell>,
    pub(crate) certificates: Option<bool>,
    /// Whether /etc/passwd is there, and names that are in it.
    pub(crate) accounts: Option<&'static [&'static str]>,
    /// Runs as this user without a USER. None: not known.
    pub(crate) user: Option<&'static str>,
    /// The Go toolchain is in it.
    pub(crate) toolchain: bool,
    /// And this is its version.
    pub(crate) go: Option<u32>,
    /// A C compiler is in it: cgo is on by default.
    pub(crate) compiler: Option<bool>,
    /// The version of its glibc: 41 is 2.41.
    pub(crate) glibc: Option<u32>,
    /// Of curl, wget, nc, bash and sh (in PATH, where there is no /bin/sh) those that are there. None: not known.
    pub(crate) tools: Option<&'static [&'static str]>,
}

impl Base {
    /// Whether more than its shell is known.
    pub(crate) fn is_known(&self) -> bool {
        self.toolchain || self.certificates.is_some()
    }
}

/// `registry/path/name:tag@digest`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    pub(crate) path: &'a str,
    pub(crate) name: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: bool,
}

impl<'a> Reference<'a> {
    pub(crate) fn of(image: &'a str) -> Reference<'a> {
        let (rest, digest) = image.split_once('@').map_or((image, false), |(rest, _)| (rest, true));
        // A colon in the first part is a port.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            Some(_) | None => (rest, None),
        };
        Reference { path, name: path.rsplit('/').next().unwrap_or_default(), tag, digest }
    }

    /// An image of Docker Hub's own, from there or from where it is mirrored. Others of the same name may be anything.
    pub(crate) fn is_hubs_own(&self) -> bool {
        let Some(above) = self.path.strip_suffix(self.name) else { return false };
        // docker.mirror.example.com/, example.com/dockerhub/library/
        let (host, rest) = above.split_once('/').unwrap_or((above, ""));
        let mirror = host.contains("mirror") && matches!(rest, "" | "library/");
        let proxy = above.ends_with("/library/")
            && ["docker", "hub", "proxy", "mirror"].iter().any(|word| above.contains(word));
        HUB.contains(&above) || mirror || proxy
    }

    /// Whether there is a capital where none may be: in the name of a registry there may.
    pub(crate) fn has_upper_case(&self) -> bool {
        let upper = |text: &str| text.contains(|c: char| c.is_ascii_uppercase());
        let host = |text: &&str| text.contains(['.', ':']) || *text == "localhost";
        let path = self.path.split_once('/').filter(|(first, _)| host(first)).map_or(self.path, |(_, path)| path);
        upper(path)
    }

    fn has(&self, word: &str) -> bool {
        self.tag.is_some_and(|tag| tag.split(['-', '.']).any(|part| part.starts_with(word)))
    }
}

/// Docker Hub has them for one architecture, too.
const HUB: [&str; 12] = [
    "",
    "amd64/",
    "arm32v7/",
    "arm64v8/",
    "library/",
    "docker.io/",
    "docker.io/library/",
    "index.docker.io/library/",
    "registry-1.docker.io/library/",
    "mirror.gcr.io/",
    "mirror.gcr.io/library/",
    "public.ecr.aws/docker/library/",
];
/// Where Red Hat and its kin have theirs.
const REDHAT: [&str; 10] = [
    "registry.access.redhat.com/",
    "registry.redhat.io/",
    "redhat/",
    "quay.io/centos/",
    "quay.io/fedora/",
    "registry.fedoraproject.org/",
    "rockylinux/",
    "quay.io/rockylinux/",
    "almalinux/",
    "public.ecr.aws/amazonlinux/",
];
/// Docker Hub's own images that programs are put into, and that are root.
const ROOTS: [&str; 8] =
    ["amazoncorretto", "buildpack-deps", "eclipse-temurin", "node", "openjdk", "php", "python", "ruby"];
const DEBIAN_USERS: &[&str] = &[
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data",
    "backup", "list", "irc", "gnats", "nobody", "_apt", "ubuntu",
];
const ALPINE_USERS: &[&str] = &[
    "root", "bin", "daemon", "lp", "sync", "shutdown", "halt", "mail", "news", "uucp", "cron", "ftp", "sshd", "games",
    "ntp", "guest", "nobody",
];
const DISTROLESS_USERS: &[&str] = &["root", "nobody", "nonroot"];

pub(crate) fn scratch() -> Base {
    Base {
        libc: Some(Libc::None),
        shell: Some(Shell::None),
        certificates: Some(false),
        accounts: Some(&[]),
        user: Some("root"),
        toolchain: false,
        go: None,
        compiler: Some(false),
        glibc: None,
        tools: Some(&[]),
    }
}

fn alpine() -> Base {
    Base {
        libc: Some(Libc::Musl),
        shell: Some(Shell::Becoming),
        certificates: Some(true),
        accounts: Some(ALPINE_USERS),
        tools: Some(&["wget", "nc"]),
        ..scratch()
    }
}

fn debian() -> Base {
    Base {
        libc: Some(Libc::Glibc),
        shell: Some(Shell::Dash),
        accounts: Some(DEBIAN_USERS),
        tools: Some(&["bash"]),
        ..scratch()
    }
}

fn redhat() -> Base {
    Base { shell: Some(Shell::Becoming), certificates: Some(true), accounts: None, tools: None, ..debian() }
}

/// distroless/static: the others are made of it.
fn distroless(reference: &Reference<'_>) -> Base {
    // A digest alone may be that of any tag.
    let named = reference.tag.is_some() || !reference.digest;
    Base {
        certificates: Some(true),
        accounts: Some(DISTROLESS_USERS),
        user: named.then_some(if reference.has("nonroot") { "65532" } else { "root" }),
        // The shell of :debug is /busybox/sh; there is no /bin/sh.
        tools: named.then_some(if reference.has("debug") { &["sh", "wget", "nc"] } else { &[] }),
        ..scratch()
    }
}

fn busybox(reference: &Reference<'_>) -> Base {
    Base {
        libc: match (reference.has("glibc"), reference.has("musl")) {
            (true, _) => Some(Libc::Glibc),
            (_, true) => Some(Libc::Musl),
            _ => None,
        },
        shell: Some(Shell::Becoming),
        accounts: Some(&["root", "daemon", "bin", "sys", "sync", "mail", "www-data", "operator", "nobody"]),
        tools: Some(&["wget", "nc"]),
        ..scratch()
    }
}

fn golang(reference: &Reference<'_>) -> Base {
    let go = reference.tag.and_then(support::go_minor);
    // A digest alone may be that of any tag.
    if !reference.is_hubs_own() || (reference.tag.is_none() && reference.digest) {
        return Base { toolchain: true, go, ..Base::default() };
    }
    if reference.has("alpine") {
        return Base { toolchain: true, go, compiler: Some(false), ..alpine() };
    }
    let tools: &[&str] = &["bash", "curl", "wget"];
    let glibc = reference.tag.and_then(|tag| tag.split('-').find_map(|part| support::glibc("debian", part)));
    // What golang without a name of Debian's is made of.
    let glibc = glibc.or_else(|| go.map(|go| if go >= 25 { 41 } else { 36 }).filter(|_| go.is_some_and(|go| go > 20)));
    Base { glibc, toolchain: true, go, compiler: Some(true), certificates: Some(true), tools: Some(tools), ..debian() }
}

/// What is known of an image by its name.
pub(crate) fn known(image: &str) -> Base {
    let reference = Reference::of(image);
    // Mirrors keep the name with its Debian.
    if reference.path.starts_with("gcr.io/distroless/")
        || (reference.path.contains("distroless/") && reference.name.contains("-debian"))
    {
        return match reference.name.split('-').next() {
            Some("static") => distroless(&reference),
            Some("base" | "cc") => {
                let release = reference.name.rsplit_once("-debian").map(|(_, release)| release);
                let glibc = release.and_then(|release| support::glibc("debian", release));
                Base { libc: Some(Libc::Glibc), glibc, ..distroless(&reference) }
            }
            _ => Base::default(),
        };
    }
    let chainguard = reference.path.starts_with("cgr.dev/") || reference.path.starts_with("chainguard/");
    let hubs = reference.is_hubs_own();
    match reference.name {
        "static" if chainguard => Base { user: Some("65532"), ..distroless(&reference) },
        "glibc-dynamic" if chainguard => {
            Base { user: Some("65532"), libc: Some(Libc::Glibc), ..distroless(&reference) }
        }
        "go" if chainguard => Base { toolchain: true, ..Base::default() },
        "golang" => golang(&reference),
        "alpine" if hubs => alpine(),
        "busybox" if hubs => busybox(&reference),
        "debian" | "ubuntu" if hubs => {
            Base { glibc: reference.tag.and_then(|tag| support::glibc(reference.name, tag)), ..debian() }
        }
        "fedora" | "centos" | "rockylinux" | "almalinux" | "amazonlinux" | "ubi" | "ubi-minimal" | "ubi8" | "ubi9"
            if hubs || REDHAT.iter().any(|above| reference.path.starts_with(above)) =>
        {
            redhat()
        }
        // Whatever they are, the tag says what they are made of.
        name => Base {
            user: ROOTS.contains(&name).then_some("root").filter(|_| hubs),
            shell: reference.has("alpine").then_some(Shell::Becoming),
            ..Base::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let reference = Reference::of("localhost:5000/a/golang");
        assert_eq!((reference.name, reference.tag, reference.digest), ("golang", None, false));
        let reference = Reference::of("golang:1.22-alpine@sha256:ab");
        assert_eq!((reference.name, reference.tag, reference.digest), ("golang", Some("1.22-alpine"), true));
    }

    #[test]
    fn capitals() {
        for (image, upper) in [
            ("BASE_IMAGE", true),
            ("team/Server:1", true),
            ("ghcr.io/Team/server", true),
            ("Registry.example.com/team/server:V1", false),
            ("alpine:3.22@sha256:AB", false),
            ("localhost:5000/a", false),
        ] {
            assert_eq!(Reference::of(image).has_upper_case(), upper, "{image}");
        }
    }

    #[test]
    fn bases() {
        let builder = known("golang:1.22-alpine3.19");
        assert_eq!((builder.libc, builder.go, builder.compiler), (Some(Libc::Musl), Some(22), Some(false)));
        assert_eq!((known("golang").compiler, known("golang@sha256:ab").compiler), (Some(true), None));
        let nonroot = known("gcr.io/distroless/static-debian12:nonroot");
        assert_eq!((nonroot.user, nonroot.libc, nonroot.shell), (Some("65532"), Some(Libc::None), Some(Shell::None)));
        let debug = known("gcr.io/distroless/base-debian12:debug-nonroot");
        assert_eq!((debug.shell, debug.tools), (Some(Shell::None), Some(["sh", "wget", "nc"].as_slice())));
        assert_eq!(known("docker.io/library/alpine:3.22"), known("alpine:3.22"));
        assert_eq!(known("public.ecr.aws/docker/library/golang:1.27"), known("golang:1.27"));
        assert_eq!(known("mirror.example.com/distroless/static-debian12:nonroot"), nonroot);
    }

    #[test]
    fn of_another_registry_nothing_is_known() {
        for image in [
            "example.com/team/thing:1",
            "registry.example.com/base/alpine:3.22.1-hardened",
            "cgr.dev/chainguard/busybox@sha256:ab",
            "quay.io/prometheus/busybox:latest",
            "localhost:5000/debian:12",
            "mcr.microsoft.com/azurelinux/distroless/base:3.0",
        ] {
            assert_eq!(known(image), Base::default(), "{image}");
        }
        let node = Base { shell: Some(Shell::Becoming), user: Some("root"), ..Base::default() };
        assert_eq!(known("node:22-alpine"), node);
        assert_eq!(known("example.com/node:22-alpine"), Base { user: None, ..node });
        let golang = known("registry.example.com/golang:1.20-alpine");
        assert_eq!((golang.toolchain, golang.go, golang.libc), (true, Some(20), None));
    }
}
