//! What the final stage has that a server does not need, and what it needs and has not: certificates.

use super::{Case, build, command_line, has_toolchain};
use crate::check::docker::effects::installed;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{Copied, From, Stage, Step};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::table;
use std::rc::Rc;

/// Packages for building, by their names in Alpine, Debian and Red Hat.
const BUILD: [&str; 24] = [
    "go",
    "golang",
    "golang-go",
    "gcc",
    "g++",
    "make",
    "cmake",
    "build-base",
    "build-essential",
    "musl-dev",
    "libc-dev",
    "libc6-dev",
    "linux-headers",
    "binutils",
    "clang",
    "git",
    "subversion",
    "mercurial",
    "pkgconf",
    "pkg-config",
    "autoconf",
    "automake",
    "libtool",
    "gcc-c++",
];

pub(super) fn judge(case: &mut Case<'_>, index: usize, stage: &Stage<'_>) {
    let steps = case.stages.chain(index);
    // The last stage of some only tests, a single one may be a toolbox: nothing is started or built.
    let builds_alone = || steps.iter().any(|step| step.commands.iter().any(build::builds));
    let runs = command_line(&stage.state).is_some() || (case.stages.stages.len() == 1 && builds_alone());
    let mend = "a second stage: FROM scratch, COPY --from=build /server /server";
    if stage.state.base.toolchain && runs {
        let evidence = format!("the server is shipped in {}, with the toolchain and the sources", stage.state.image);
        case.say(&table::SINGLE_STAGE, stage.line, evidence, mend);
    } else if runs {
        let copied = |step: &&Step<'_>| {
            let sources = step.words.split_last().map(|(_, sources)| sources).unwrap_or_default();
            sources.iter().any(|source| source.text.trim_end_matches('/') == "/usr/local/go")
        };
        let builds = |step: &&Step<'_>| {
            let removed = ["apk del", "purge", "remove", "/usr/local/go"];
            step.commands.iter().any(build::builds) && !removed.iter().any(|word| step.instruction.rest.contains(word))
        };
        if let Some(step) = steps.iter().copied().find(copied) {
            case.say(&table::SINGLE_STAGE, step.instruction.line, "the toolchain is copied into it", mend);
        } else if let Some(step) = steps.iter().copied().find(builds) {
            case.say(&table::SINGLE_STAGE, step.instruction.line, "the server is built in what is shipped", mend);
        } else if let Some(line) = build::sources_come(case, &steps) {
            let evidence = "the whole directory is copied into what is shipped, and it holds a go.mod";
            case.say(&table::SOURCES_SHIPPED, line, evidence, "COPY what the server needs, from the build stage");
        }
    }
    for step in &steps {
        leftovers(case, step, has_toolchain(stage) && stage.state.base.toolchain);
    }
    certificates(case, stage, &steps);
}

fn leftovers(case: &mut Case<'_>, step: &Step<'_>, builds_here: bool) {
    let line = step.instruction.line;
    let commands = &step.commands;
    let removed = |word: &str| commands.iter().any(|command| removes(command, word));
    let uninstalled = commands.iter().any(|command| {
        let verb = |verb: &str| command.words.iter().any(|word| word == verb);
        (command.name() == "apk" && verb("del")) || verb("purge") || verb("remove") || verb("autoremove")
    });
    let mut names: Vec<&str> = commands.iter().flat_map(installed).filter(|name| BUILD.contains(name)).collect();
    names.dedup();
    // Where everything is in one stage that is the fault, and it is said already.
    if !names.is_empty() && !uninstalled && !builds_here {
        let evidence = format!("{} in the final stage", names.join(", "));
        let mend = "install them in the build stage, and copy only what it makes";
        let finding = Finding::new(&table::BUILD_PACKAGES, Place::line(line), evidence, mend);
        // Some servers do run git.
        case.findings.push(if names == ["git"] { finding.at(Severity::Note) } else { finding });
    }
    let mounted =
        |path: &str| step.instruction.flags.iter().any(|(name, value)| name == "mount" && value.contains(path));
    for command in commands.iter().filter(|command| installed(command).next().is_some()) {
        let has = |flag: &str| command.words.iter().any(|word| word == flag);
        let (left, mend) = match command.name() {
            "apk"
                if !has("--no-cache")
                    && !removed("/var/cache/apk")
                    && !mounted("/var/cache/apk")
                    && !mounted("/etc/apk/cache") =>
            {
                ("apk add keeps its index in /var/cache/apk", "apk add --no-cache …")
            }
            "apt-get" | "apt"
                if !removed("/var/lib/apt/lists") && !mounted("/var/lib/apt") && !mounted("/var/cache/apt") =>
            {
                ("apt-get leaves its lists in /var/lib/apt/lists", "… && rm -rf /var/lib/apt/lists/* in the same RUN")
            }
            "dnf" | "yum" | "microdnf"
                if !commands.iter().any(|other| other.words.iter().any(|word| word == "clean"))
                    && !removed("/var/cache/dnf")
                    && !removed("/var/cache/yum")
                    && !mounted("/var/cache") =>
            {
                ("the package manager leaves its cache", "… && dnf clean all in the same RUN")
            }
            _ => continue,
        };
        case.say(&table::PACKAGE_CACHE, line, left, mend);
        return;
    }
}

fn removes(command: &Command, path: &str) -> bool {
    matches!(command.name(), "rm" | "find")
        && command.words.iter().skip(1).any(|word| {
            // What is above it, too.
            let above = word.trim_end_matches(['*', '/']);
            let rest = path.strip_prefix(above).filter(|_| above.starts_with('/'));
            word.starts_with(path)
                || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                || word.contains(['{', '$'])
        })
}

/// Debian's curl, wget and git recommend the certificates, as do packages that those come with; these do not.
fn recommends(command: &Command) -> bool {
    let alone = ["tzdata", "netbase", "tini", "dumb-init", "gosu"];
    matches!(command.name(), "apt-get" | "apt")
        && !command.words.iter().any(|word| word == "--no-install-recommends" || word.contains("Install-Recommends="))
        && installed(command).any(|name| !alone.contains(&name))
}

fn certificates(case: &mut Case<'_>, stage: &Stage<'_>, steps: &[&Step<'_>]) {
    let state = &stage.state;
    let brings =
        |copied: &Rc<Copied>| {
            copied.sources.iter().chain([&copied.to]).any(|path| {
                ["cert", "/ssl", "ca-bundle", "/pki", ".crt", ".pem"].iter().any(|part| path.contains(part))
            }) || (!copied.from_context && copied.to.trim_end_matches('/') == "/etc")
        };
    let recommended = || steps.iter().any(|step| step.commands.iter().any(recommends));
    let installed =
        ["ca-certificates", "ca-certificates-bundle"].iter().any(|name| state.may_have(name)) || recommended();
    // What only hands files to `docker build --output` runs nowhere; who names another file brings it.
    let exported = stage.from == From::Scratch && command_line(state).is_none();
    if exported || ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| state.variables.has(name)) {
        return;
    }
    if state.base.certificates == Some(false) && !state.opaque && !installed && !state.copies.iter().any(brings) {
        let name = if state.image.is_empty() { "scratch" } else { &state.image };
        let evidence = format!("{name} has no CA certificates, and none are copied or installed");
        let mend = "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/";
        case.say(&table::NO_CERTIFICATES_COPIED, stage.line, evidence, mend);
    }
}
