//! Tags of images: which of them move from version to version. Pure.

use super::base::Reference;

/// Tags, or their first words, that name whatever is newest of a kind.
pub(crate) const MOVING: [&str; 32] = [
    "latest",
    "edge",
    "stable",
    "oldstable",
    "oldoldstable",
    "unstable",
    "testing",
    "sid",
    "experimental",
    "rawhide",
    "rolling",
    "devel",
    "develop",
    "development",
    "dev",
    "lts",
    "current",
    "mainline",
    "tip",
    "rc",
    "main",
    "master",
    "trunk",
    "head",
    "nightly",
    "daily",
    "weekly",
    "canary",
    "next",
    "beta",
    "alpha",
    "snapshot",
];

/// Docker Hub's own images whose tags begin with a version of what they are named after.
const VERSIONED: [&str; 48] = [
    "bash",
    "buildpack-deps",
    "caddy",
    "cassandra",
    "clojure",
    "composer",
    "consul",
    "couchdb",
    "docker",
    "eclipse-temurin",
    "elasticsearch",
    "elixir",
    "erlang",
    "gcc",
    "golang",
    "gradle",
    "haproxy",
    "haskell",
    "httpd",
    "influxdb",
    "julia",
    "mariadb",
    "maven",
    "memcached",
    "mongo",
    "mysql",
    "nats",
    "neo4j",
    "nginx",
    "node",
    "openjdk",
    "perl",
    "php",
    "postgres",
    "python",
    "rabbitmq",
    "redis",
    "registry",
    "ruby",
    "rust",
    "swift",
    "telegraf",
    "tomcat",
    "traefik",
    "vault",
    "wordpress",
    "zookeeper",
    "amazoncorretto",
];
/// And those that are distributions.
const DISTRIBUTIONS: [&str; 12] = [
    "almalinux",
    "alpine",
    "amazonlinux",
    "archlinux",
    "busybox",
    "centos",
    "debian",
    "fedora",
    "oraclelinux",
    "photon",
    "rockylinux",
    "ubuntu",
];
/// Names of node's versions.
const NODE: [&str; 11] =
    ["argon", "boron", "carbon", "dubnium", "erbium", "fermium", "gallium", "hydrogen", "iron", "jod", "krypton"];

/// Whether Docker Hub has an image of its own by this name.
pub(crate) fn is_official(name: &str) -> bool {
    VERSIONED.contains(&name) || DISTRIBUTIONS.contains(&name) || matches!(name, "scratch" | "hello-world")
}

/// Why a reference without a digest gives another image tomorrow.
pub(crate) fn moving(reference: &Reference<'_>) -> Option<String> {
    let Some(tag) = reference.tag else {
        // static-debian13 is named by its release.
        return (!is_distroless_release(reference)).then(|| "has no tag, so it is latest".to_owned());
    };
    if is_distroless_release(reference) {
        return None;
    }
    moves(reference, tag).then(|| format!("has the tag {tag}, which moves from version to version"))
}

/// An image of distroless whose name has the release of Debian in it, wherever it is mirrored.
fn is_distroless_release(reference: &Reference<'_>) -> bool {
    let release = reference.name.rsplit_once("-debian").map(|(_, release)| release);
    let numbered = release.is_some_and(|release| !release.is_empty() && release.bytes().all(|b| b.is_ascii_digit()));
    numbered && reference.path.contains("distroless")
}

/// Of distroless without a release the tags are users and kinds of it, and go from one Debian to the next.
pub(crate) fn is_distroless(reference: &Reference<'_>) -> bool {
    reference.path.starts_with("gcr.io/distroless/")
}

fn moves(reference: &Reference<'_>, tag: &str) -> bool {
    let first = tag.split(['-', '_']).next().unwrap_or_default();
    let version = first.strip_prefix('v').unwrap_or(first).starts_with(|c: char| c.is_ascii_digit());
    // Of golang 1 is no version: each half year has another.
    if reference.name == "golang" && reference.is_hubs_own() && first == "1" {
        return true;
    }
    // What is built on the machine itself comes from no registry.
    let local = || tag.split(['-', '_']).any(|word| matches!(word, "local" | "localhost"));
    if version || local() {
        return false;
    }
    if MOVING.contains(&first.to_ascii_lowercase().as_str()) || is_distroless(reference) {
        return true;
    }
    let hubs = reference.is_hubs_own();
    match reference.name {
        "busybox" if hubs => !tag.contains(|c: char| c.is_ascii_digit()),
        // Its versions are those of the distribution.
        "buildpack-deps" => false,
        "node" if NODE.contains(&first) => false,
        // Debian's and Ubuntu's names are releases; of others a word may be anything.
        name => hubs && VERSIONED.contains(&name) && !is_digest_like(tag),
    }
}

/// A commit is as good as a version.
fn is_digest_like(tag: &str) -> bool {
    let hex = tag.rsplit(['-', '_']).next().unwrap_or_default();
    hex.len() >= 7 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) && hex.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_move() {
        for image in [
            "debian:sid-slim",
            "debian:unstable",
            "ubuntu:rolling",
            "ubuntu:devel",
            "node:lts-alpine",
            "node:current",
            "golang:tip",
            "golang:1-alpine",
            "golang:bookworm",
            "golang:rc",
            "debian:oldstable-slim",
            "nginx:alpine",
            "docker.mirror.hashicorp.services/golang:alpine",
            "mirror.gcr.io/library/golang:alpine",
            "python:slim",
            "alpine",
            "gcr.io/distroless/static:nonroot",
            "gcr.io/distroless/static",
            "postgres:bookworm",
            "busybox:musl",
            "ghcr.io/x/y:nightly",
            "ghcr.io/x/y:dev",
            "node:alpine3.20",
            "registry.example.com/dockerhub/library/node:slim",
            "alpine:edge",
            "eclipse-temurin:jre",
            "docker:dind",
            "fedora:rawhide",
            "x/y:latest-locale",
        ] {
            assert!(moving(&Reference::of(image)).is_some(), "{image}");
        }
        for image in [
            "alpine:3",
            "alpine:3.22",
            "alpine:20250108",
            "busybox:1.37-musl",
            "busybox:ubuntu-14.04",
            "debian:trixie-slim",
            "ubuntu:noble",
            "golang:1.27",
            "gcr.io/distroless/static-debian13",
            "gcr.io/distroless/base-debian12:nonroot",
            "node:iron-slim",
            "mirror.example.com/distroless/cc-debian12",
            "ghcr.io/x/y:v1",
            "ghcr.io/x/y:sha-0a1b2c3",
            "x/y:1.2-dev",
            "buildpack-deps:bookworm",
            "eclipse-temurin:21-jre",
            "team/golang:custom",
            "spire-agent:latest-local",
            "server:local",
            "postgres:16-bookworm",
            "node:hydrogen",
        ] {
            assert!(moving(&Reference::of(image)).is_none(), "{image}");
        }
    }
}
