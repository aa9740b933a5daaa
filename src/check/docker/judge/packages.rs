//! What the final stage has that a server does not need: packages for building, caches of package managers (`apk add` without
//! `--no-cache`), the toolchain, the sources. What lies in a finished image is found by `check/image/files.rs`.

use super::{Case, build, command_line, launch_of, wrapper};
use crate::check::docker::effects::installed;
use crate::check::docker::script::{self, Command, End};
use crate::check::docker::stage::{Copied, Stage, Step};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch::{base_name, is_shell};
use crate::check::table;
use std::rc::Rc;

/// Packages for building, by their names in Alpine, Debian and Red Hat.
const BUILD: [&str; 23] = [
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
    let builds = case.own_builds();
    let builds_alone = || steps.iter().any(|step| step.commands.iter().any(&builds));
    let (toolbox, works) = (is_toolbox(case, stage, &steps), runs_go(case, stage) || is_for_work(case, stage));
    let starts = !toolbox && command_line(&stage.state).is_some();
    let runs = !works && (starts || (case.stages.stages.len() == 1 && builds_alone()));
    let toolbox = toolbox || works;
    if runs {
        single_stage(case, stage, &steps, starts);
    }
    let uses_vcs = steps.iter().flat_map(|step| &step.commands).any(fetches_sources);
    let removed = steps.iter().rev().find(|step| step.commands.iter().any(uninstalls));
    let removed = removed.map_or(0, |step| step.instruction.line);
    for step in &steps {
        // Where everything is in one stage that is the fault, and it is said already.
        if !stage.state.base.toolchain && !toolbox && step.instruction.line > removed {
            for_building(case, step, uses_vcs);
        }
        // Nobody pulls what jobs are run in.
        if !(toolbox && command_line(&stage.state).is_none() && stage.state.base.toolchain) {
            caches(case, step);
        }
    }
}

/// The toolchain or the sources in what is shipped. `starts`: something is started there.
fn single_stage(case: &mut Case<'_>, stage: &Stage<'_>, steps: &[&Step<'_>], starts: bool) {
    let builds = case.own_builds();
    let builds_alone = || steps.iter().any(|step| step.commands.iter().any(&builds));
    let mend = "a second stage: FROM scratch, COPY --from=build /server /server";
    if stage.state.base.toolchain {
        let sources = if builds_alone() { " and the sources" } else { "" };
        let evidence = format!("the server is shipped in {}, with the toolchain{sources}", stage.state.image);
        let finding = Finding::new(&table::SINGLE_STAGE, Place::line(stage.line), evidence, mend);
        // Who has built it in another stage may want the toolchain here: for plugins, or for what runs go. And from what starts
        // nothing others may copy the program.
        let chosen = !starts || !builds_alone() && stage.state.copies.iter().any(|copied| copied.stage.is_some());
        case.findings.push(if chosen { finding.at(Severity::Note) } else { finding });
    } else {
        let copied = |step: &&Step<'_>| {
            let sources = step.words.split_last().map(|(_, sources)| sources).unwrap_or_default();
            sources.iter().any(|source| {
                let path = source.text.trim_end_matches('/');
                path == "/usr/local/go"
                    || path == "/usr/local/go/bin"
                    || path == "/usr/local/go/bin/go"
                    || path.starts_with("/usr/local/go/pkg")
            })
        };
        let builds = |step: &&Step<'_>| {
            let removed = ["apk del", "purge", "remove", "/usr/local/go"];
            step.commands.iter().any(&builds) && !removed.iter().any(|word| step.instruction.rest.contains(word))
        };
        if let Some(step) = steps.iter().copied().find(copied) {
            case.say(&table::SINGLE_STAGE, step.instruction.line, "the toolchain is copied into it", mend);
        } else if let Some(step) = steps.iter().copied().find(builds) {
            let place = Place::line(step.instruction.line);
            // What starts nothing may be where jobs are run, and the program one of their tools.
            case.findings.push(match starts {
                true => Finding::new(&table::SINGLE_STAGE, place, "the server is built in what is shipped", mend),
                false => Finding::new(&table::SINGLE_STAGE, place, "a program is built in what is shipped", mend)
                    .at(Severity::Note),
            });
        } else if let Some(line) = build::sources_come(case, steps) {
            let evidence = "the whole directory is copied into what is shipped, and it holds a go.mod";
            case.say(&table::SOURCES_SHIPPED, line, evidence, "COPY what the server needs, from the build stage");
        } else if let Some((line, source)) = build::sources_from_stage(case, &stage.state) {
            let evidence = format!("{source} of the build stage holds the sources, too");
            let finding = Finding::new(
                &table::SOURCES_SHIPPED,
                Place::line(line).marked(&source),
                evidence,
                "COPY --from=build the program, and the directories that it reads",
            );
            case.findings.push(finding);
        }
    }
}

/// Whether a stage is there for people or jobs to work in: it starts nothing, or a shell that reads what is typed, and has no
/// program of another stage but the toolchain; or other images are built from it; or no
/// program comes into it and none is built, but for tools that go install brings.
pub(super) fn is_toolbox(case: &Case<'_>, stage: &Stage<'_>, steps: &[&Step<'_>]) -> bool {
    let started = command_line(&stage.state).map(|(argv, _)| argv).unwrap_or_default();
    let shell = is_interactive(&started);
    let builds = case.own_builds();
    let tools = |source: &String| source.starts_with("/usr/local/go") || source.starts_with("/go/");
    // A stage that only installs tools of others makes no product.
    let makes = |at: usize| {
        let steps = case.stages.chain(at);
        let commands = || steps.iter().flat_map(|step| &step.commands);
        commands().next().is_some()
            && (commands().any(&builds) || !commands().any(|command| build::installs(command).next().is_some()))
    };
    let product = |copied: &Rc<Copied>| copied.stage.is_some_and(makes) && !copied.sources.iter().all(tools);
    let is_base = stage.steps.iter().any(|step| step.instruction.keyword == "ONBUILD");
    let commands = || steps.iter().flat_map(|step| &step.commands);
    let no_product = !stage.state.copies.iter().any(product) && !commands().any(&builds);
    // What is started may be one of them.
    let program = launch_of(&stage.state).and_then(|launch| launch.argv.into_iter().next()).unwrap_or_default();
    let is_started = |name: &str| {
        started.iter().flat_map(|word| word.split_whitespace()).any(|word| base_name(word) == name)
            || base_name(&program) == name
    };
    let installs = |command: &Command| build::installs(command).any(|name| !is_started(name));
    let serves = || commands().any(|command| build::installs(command).any(is_started));
    let only_tools = || !serves() && stage.state.copies.iter().all(|copied| copied.sources.iter().all(tools));
    is_base
        || (started.is_empty() && commands().any(|command| build::installs(command).next().is_some()))
        || (no_product && (idles(&started) || only_tools() || commands().any(installs)))
        || ((started.is_empty() || shell) && !stage.state.copies.iter().any(product))
}

/// What builds again and starts again at each change of the sources.
const RELOADERS: [&str; 9] = ["air", "CompileDaemon", "reflex", "wgo", "gow", "modd", "realize", "fresh", "nodemon"];

/// Whether no server is started, but a build, a check, tests, or what never ends.
pub(super) fn is_for_work(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    const TOOLS: [&str; 10] = [
        "make",
        "protoc",
        "buf",
        "golangci-lint",
        "goreleaser",
        "codespell",
        "shellcheck",
        "hadolint",
        "pytest",
        "tox",
    ];
    let launch = launch_of(&stage.state).unwrap_or_default();
    // Of a text for a shell what comes last, if that is what the rest is for: `wait-for db && make test`, and not `/server || true`.
    let last = launch.script.and_then(|(_, text)| {
        let mut commands = script::commands(&text);
        let last = commands.pop()?;
        let leads_there = commands.iter().all(|command| command.end == End::And);
        (leads_there && !is_placeholder(last.name())).then_some(last)
    });
    let argv = last.map_or(launch.argv, |last| last.own().to_vec());
    let word = |at: usize| argv.get(at).map(String::as_str).unwrap_or_default();
    // And the script that a shell is given.
    let path = if is_shell(base_name(word(0))) && word(1).ends_with(".sh") { word(1) } else { word(0) };
    let (program, verb) = (base_name(path), word(1));
    let script = without_ending(program);
    let words = |name: &str| name.split(['-', '_', '.']).map(str::to_ascii_lowercase).collect::<Vec<String>>();
    let makes = |word: &String| {
        matches!(word.as_str(), "build" | "lint" | "generate" | "gen" | "gencert" | "gencerts" | "genkeys")
    };
    let generates = |name: &str| matches!(words(name).first().map(String::as_str), Some("gen" | "generate"));
    let builds =
        script.is_some_and(|name| words(name).iter().any(makes)) || program.contains('-') && generates(program);
    // /orm-tests/entrypoint.sh, e2e-test, client-tests-entrypoint.sh, or a script that is given to one; test-server is a server.
    let tests = |word: &String| matches!(word.as_str(), "test" | "tests" | "e2e" | "fuzz");
    let of_tests = path.split('/').any(|part| words(part.trim_end_matches(".sh")).last().is_some_and(tests))
        || argv
            .iter()
            .take(3)
            .filter_map(|word| without_ending(base_name(word)))
            .any(|name| words(name).iter().any(tests));
    idles(&argv)
        || builds
        || of_tests
        || TOOLS.contains(&program)
        || RELOADERS.contains(&program)
        || (program == "go" && (verb != "run" || mounts_sources(case, stage)))
        || argv.iter().any(|word| matches!(word.as_str(), "unittest" | "pytest"))
        || wrapper::ends_with(case, stage, &|command| is_test(command) || RELOADERS.contains(&command.name()))
}

/// The name of a script; None of anything else.
fn without_ending(name: &str) -> Option<&str> {
    name.strip_suffix(".sh").or_else(|| name.strip_suffix(".bash"))
}

/// `go test`, or the program that `go test -c` made.
fn is_test(command: &Command) -> bool {
    let own = command.own();
    let word = |at: usize| own.get(at).map(|word| base_name(word)).unwrap_or_default();
    word(0).ends_with(".test") || word(0) == "go" && word(1) == "test"
}

/// Whether the sources are mounted when it starts: it has the toolchain, and nothing brings any.
pub(super) fn mounts_sources(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    let at = case.stages.number(stage);
    let chain = at.map(|at| case.stages.chain(at)).unwrap_or_default();
    let brings = |command: &Command| matches!(command.name(), "git" | "curl" | "wget" | "tar" | "unzip");
    stage.state.base.toolchain
        && stage.state.copies.is_empty()
        && !chain.iter().flat_map(|step| &step.commands).any(brings)
}

/// Whether a shell is started that reads what is typed: `/bin/bash -l`, and `CMD /bin/bash`.
pub(super) fn is_interactive(started: &[String]) -> bool {
    let is_one = |program: &String| is_shell(base_name(program));
    match started {
        [shell, flag, script] if is_one(shell) && flag == "-c" => is_shell(base_name(script.trim())),
        // Whoever comes says what.
        [shell, flag] if is_one(shell) && flag == "-c" => true,
        [shell, flags @ ..] => {
            is_one(shell) && flags.iter().all(|flag| matches!(flag.as_str(), "-l" | "-i" | "--login"))
        }
        [] => false,
    }
}

/// A program that stands in an image of files because docker create asks for one; nobody starts it.
pub(super) fn is_placeholder(program: &str) -> bool {
    matches!(base_name(program.trim()), "cat" | "true" | "noop" | ":")
}

/// Whether nothing is started but what never ends: the image is for whoever comes in.
pub(super) fn idles(started: &[String]) -> bool {
    let placeholder = match started {
        [program] => is_placeholder(program),
        [shell, flag, program] => is_shell(base_name(shell)) && flag == "-c" && is_placeholder(program),
        _ => false,
    };
    placeholder
        || matches!(started, [.., sleep, how] if sleep.ends_with("sleep") && how == "infinity")
        || started.iter().any(|word| word == "sleep infinity")
        || started.iter().any(|word| word == "/dev/null")
}

/// Whether a command fetches sources, which it needs version control for.
fn fetches_sources(command: &Command) -> bool {
    let verb = command.words.get(1).map(String::as_str).unwrap_or_default();
    match command.name() {
        "git" => matches!(verb, "clone" | "fetch" | "pull" | "checkout" | "submodule"),
        "svn" | "hg" => true,
        "go" => matches!(verb, "get" | "install" | "mod" | "build"),
        // From a registry they come without it.
        "pip" | "pip3" | "npm" => verb == "install" && command.words.iter().any(|word| word.contains("git")),
        _ => false,
    }
}

/// Whether a command removes packages.
fn uninstalls(command: &Command) -> bool {
    let verb = |verb: &str| command.words.iter().any(|word| word == verb);
    (command.name() == "apk" && verb("del")) || verb("purge") || verb("remove") || verb("autoremove")
}

/// Packages for building that stay.
fn for_building(case: &mut Case<'_>, step: &Step<'_>, uses_vcs: bool) {
    // Some servers run git: it is for the build where a RUN of this stage fetches with it, or something that does.
    let for_building =
        |name: &&str| BUILD.contains(name) && (uses_vcs || !["git", "subversion", "mercurial"].contains(name));
    let mut names: Vec<&str> = step.commands.iter().flat_map(installed).filter(for_building).collect();
    names.dedup();
    if !names.is_empty() {
        let evidence = format!("{} in the final stage", names.join(", "));
        let mend = "install them in the build stage, and copy only what it makes";
        let place = Place::line(step.instruction.line).marked(names.first().copied().unwrap_or_default());
        case.findings.push(Finding::new(&table::BUILD_PACKAGES, place, evidence, mend));
    }
}

/// What the package managers of a RUN leave behind.
fn caches(case: &mut Case<'_>, step: &Step<'_>) {
    let line = step.instruction.line;
    let commands = &step.commands;
    let removed = |word: &str| commands.iter().any(|command| removes(command, word));
    let mounted =
        |path: &str| step.instruction.flags.iter().any(|(name, value)| name == "mount" && value.contains(path));
    // A script that is not at hand may clean up after them.
    let scripts = commands.iter().any(|command| cleans_by_script(case, command));
    // A RUN may have thousands of commands: each manager is looked at once.
    let mut managers: Vec<&str> = Vec::new();
    for command in commands {
        let Some((manager, left)) = leaves(command) else { continue };
        if managers.contains(&manager) || scripts {
            continue;
        }
        managers.push(manager);
        let (is_clean, mend) = match manager {
            "apk" => (
                removed("/var/cache/apk") || mounted("/var/cache/apk") || mounted("/etc/apk/cache"),
                "apk add --no-cache …, without apk update",
            ),
            "apt" => (
                removed("/var/lib/apt/lists")
                    || mounted("/var/lib/apt")
                    || commands.iter().any(|other| {
                        let cleans = |word: &String| matches!(word.as_str(), "dist-clean" | "distclean");
                        matches!(other.name(), "apt-get" | "apt") && other.words.iter().any(cleans)
                    }),
                "… && rm -rf /var/lib/apt/lists/* in the same RUN",
            ),
            _ => (
                commands.iter().any(|other| other.words.iter().any(|word| word == "clean"))
                    || removed("/var/cache/dnf")
                    || removed("/var/cache/yum")
                    || mounted("/var/cache")
                    || command
                        .words
                        .iter()
                        .filter_map(|word| word.split_once("cachedir="))
                        .any(|(_, path)| mounted(path)),
                "… && dnf clean all in the same RUN",
            ),
        };
        if !is_clean {
            let place = Place::line(line).marked(&command.words.iter().take(2).cloned().collect::<Vec<_>>().join(" "));
            case.findings.push(Finding::new(&table::PACKAGE_CACHE, place, left, mend));
            return;
        }
    }
}

/// The package manager that leaves something behind after this command, and what.
fn leaves(command: &Command) -> Option<(&'static str, &'static str)> {
    let verb = |verb: &str| command.words.iter().any(|word| word == verb);
    let installs = installed(command).next().is_some();
    match command.name() {
        "apk" if verb("--no-cache") => None,
        // Whatever changes packages fetches the index, if there is none.
        "apk" if verb("update") || verb("upgrade") || verb("-U") || verb("--update-cache") => {
            Some(("apk", "apk leaves its index in /var/cache/apk"))
        }
        "apk" if installs => Some(("apk", "apk add keeps its index in /var/cache/apk")),
        // What only installs takes the lists of another RUN.
        "apt-get" | "apt" if verb("update") => Some(("apt", "apt-get leaves its lists in /var/lib/apt/lists")),
        "dnf" | "yum" | "microdnf" if installs => Some(("dnf", "the package manager leaves its cache")),
        _ => None,
    }
}

/// A script that is copied or downloaded: by what it does, where it is at hand, otherwise it may do anything.
fn cleans_by_script(case: &Case<'_>, command: &Command) -> bool {
    let own = command.own();
    let Some(first) = own.first() else { return false };
    // debian-base's clean-install.
    if base_name(first).contains("clean") {
        return true;
    }
    let word =
        if is_shell(base_name(first)) { own.iter().skip(1).find(|word| !word.starts_with('-')) } else { Some(first) };
    let Some(script) = word.filter(|word| word.contains('/') || word.ends_with(".sh")) else { return false };
    if ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"].iter().any(|directory| script.starts_with(directory)) {
        return false;
    }
    let name = base_name(script);
    match case.context.text(name).or_else(|| case.context.text(script.trim_start_matches('/'))) {
        Some(text) => ["lists", "clean", "/var/cache"].iter().any(|word| text.contains(word)),
        None => true,
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

/// Whether what is started runs the go command itself, or is there to build with.
fn runs_go(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    const NAMES: [&str; 11] = [
        "hugo",
        "goproxy",
        "athens-proxy",
        "gopls",
        "golangci-lint",
        "ocb",
        "xcaddy",
        "goreleaser",
        "ko",
        "make",
        "dlv",
    ];
    let is_one = |name: &str| NAMES.contains(&name) || RELOADERS.contains(&name) || name.contains("build");
    let started = command_line(&stage.state).map(|(argv, _)| argv).unwrap_or_default();
    let verb = |words: &[String]| words.get(1).is_some_and(|verb| verb != "run");
    let behind = |word: &String| !word.starts_with('-') && is_one(base_name(word));
    let inside = |command: &Command| {
        let own = command.own();
        own.iter().take(8).any(behind) || own.first().is_some_and(|program| base_name(program) == "go" && verb(own))
    };
    let program = launch_of(&stage.state).and_then(|launch| launch.argv.into_iter().next()).unwrap_or_default();
    let go = started.iter().position(|word| base_name(word) == "go").and_then(|at| started.get(at + 1));
    if go.is_some_and(|verb| verb != "run") {
        return true;
    }
    is_one(base_name(&program)) || started.iter().take(8).any(behind) || wrapper::runs(case, stage, &inside)
}
