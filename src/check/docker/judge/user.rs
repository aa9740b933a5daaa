//! Who the server is, and what that user may not.

use super::{Case, command_line, has_toolchain, launch_of, packages, understand, wrapper};
use crate::check::docker::base::Base;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{From, Stage, State};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::launch::base_name;
use crate::check::table::{self, Rule};

/// Groups of Debian and Alpine that are no users, too.
const GROUPS: &str = " adm tty disk kmem dialout cdrom floppy tape sudo audio video operator shadow utmp staff users \
    nogroup wheel netdev ";

pub(super) fn judge(case: &mut Case<'_>, index: usize, stage: &Stage<'_>) {
    let state = &stage.state;
    // A stage that starts nothing is a base for others, who will say; one with a port and programs of its own is no base.
    if command_line(state).is_none() && !serves(stage) {
        return;
    }
    // Whoever comes in is told as whom by docker run.
    if command_line(state).is_some_and(|(argv, _)| packages::is_interactive(&argv)) {
        return;
    }
    if packages::is_for_work(case, stage) || wrapper::only_gives_away(case, stage) {
        return;
    }
    let changes = changes_user(case, stage);
    let user = match &state.user {
        Some((user, _)) if user.unknown => return,
        // Nothing is root; but an unknown base may set the variable.
        Some((user, _)) if user.text.trim().is_empty() && state.base.user.is_none() => return,
        Some((user, line)) => Some((user.text.trim().to_owned(), *line)),
        None => None,
    };
    let name = user.as_ref().map(|(user, _)| user.split(':').next().unwrap_or_default().to_owned());
    if let Some((user, line)) = &user {
        group(case, index, state, user, *line);
    }
    match (&user, name.as_deref()) {
        (Some((user, line)), Some(name)) if is_root(name) && !changes => {
            let evidence = match user.as_str() {
                "" => "USER is empty, and that is root".to_owned(),
                _ => format!("USER {user} is the last one"),
            };
            is_root_here(case, stage, &table::USER_ROOT, *line, evidence);
        }
        (Some((_, line)), Some(name)) if !is_root(name) && name.parse::<u32>().is_err() => {
            named(case, index, state, name, *line);
        }
        (Some(_), _) => {}
        (None, _) if changes || state.base.user.is_none_or(|user| !is_root(user)) => {}
        (None, _) => {
            let evidence = match command_line(state) {
                Some(_) => "there is no USER, and the base image's user is root",
                None => "there is no USER, and the base image's user is root; without a CMD its shell is started",
            };
            is_root_here(case, stage, &table::NO_USER, stage.line, evidence.to_owned());
        }
    }
    // A script may change the user for some of what it starts.
    let changed = launch_of(state).is_some_and(|launch| launch.user.is_some());
    let root = name.as_deref().map_or_else(|| state.base.user.is_none_or(is_root), is_root) && !changed;
    if !root {
        low_ports(case, index, state);
    }
}

/// Without a command of its own: whether it is a server's image all the same.
fn serves(stage: &Stage<'_>) -> bool {
    let state = &stage.state;
    let programs = state.copies.iter().any(|copied| copied.stage.is_some() || copied.to.contains("bin"));
    let own = !matches!(stage.from, From::Scratch) && !state.base.toolchain;
    own && programs && (!state.ports.is_empty() || state.health.is_some())
}

/// Packages and programs of what only root may do: to networks, to disks, to other processes, or as whoever logs in.
const OF_ROOT: [&str; 39] = [
    "iptables",
    "ip6tables",
    "nftables",
    "ipset",
    "ebtables",
    "conntrack",
    "conntrack-tools",
    "wireguard-tools",
    "openvpn",
    "strongswan",
    "keepalived",
    "libpcap",
    "libpcap0.8",
    "libpcap0.8t64",
    "tcpdump",
    "openssh-server",
    "nsenter",
    "linux-perf",
    "linux-tools-common",
    "linux-tools-generic",
    "bpftool",
    "bpftrace",
    "nfs-common",
    "nfs-utils",
    "e2fsprogs",
    "xfsprogs",
    "btrfs-progs",
    "cryptsetup",
    "lvm2",
    "open-iscsi",
    // What Go mounts with: a module for it alone (bazil.org/fuse) mounts nothing.
    "fuse",
    "fuse3",
    "fusermount",
    "fusermount3",
    "docker",
    "docker.io",
    "docker-ce",
    "docker-ce-cli",
    "docker-cli",
];

/// Modules for the same, where go.mod asks for them directly.
const MODULES_OF_ROOT: [&str; 11] = [
    "github.com/docker/docker",
    "github.com/moby/moby",
    "github.com/containerd/containerd",
    "github.com/containernetworking/cni",
    "github.com/container-storage-interface/spec",
    "k8s.io/mount-utils",
    "github.com/vishvananda/netlink",
    "github.com/coreos/go-iptables",
    "github.com/cilium/ebpf",
    "github.com/google/gopacket",
    "golang.zx2c4.com/wireguard",
];

/// What of the image may need root: a package or a program, a module, or the machine's directories for a script.
fn of_root(case: &Case<'_>, stage: &Stage<'_>) -> Option<String> {
    let state = &stage.state;
    // Of the context a directory of that name is no program.
    let programs = || state.copies.iter().filter(|copied| !copied.from_context || copied.to.contains("bin"));
    let copied = |name: &str| programs().flat_map(|copied| &copied.sources).any(|path| base_name(path) == name);
    let begins = |text: &str, at: usize| {
        text.get(..at).is_some_and(|head| !head.ends_with(|c: char| c.is_alphanumeric() || "./-_".contains(c)))
    };
    let names_host = |text: &str| text.match_indices("/host/").any(|(at, _)| begins(text, at));
    let host = || wrapper::started(case, stage).is_some_and(|script| names_host(&script.text));
    let named = OF_ROOT.iter().find(|name| state.has_package(name) || copied(name));
    let module = || {
        let text = case.context.text("go.mod")?;
        let direct = |line: &&str| !line.contains("// indirect") && !line.contains("=>");
        let required =
            text.lines().filter(direct).map(|line| line.trim().trim_start_matches("require ")).find_map(|line| {
                let of_root =
                    |module: &&str| line.strip_prefix(*module).is_some_and(|rest| rest.starts_with([' ', '/']));
                MODULES_OF_ROOT.into_iter().find(|module| of_root(module))
            })?;
        Some(format!("go.mod requires {required}"))
    };
    let named = named.map(|name| format!("{name} is there")).or_else(module);
    named.or_else(|| host().then(|| "the script uses /host".to_owned()))
}

fn is_root_here(case: &mut Case<'_>, stage: &Stage<'_>, rule: &'static Rule, line: u32, evidence: String) {
    let place = Place::line(line);
    let mend = match uses_roots_home(case, stage) {
        Some(keyword) => format!("{MEND}; no other user may enter /root: {keyword} must name another directory"),
        None => MEND.to_owned(),
    };
    let seen = of_root(case, stage).map(|seen| format!("{seen}, and that may need root"));
    let finding = match seen.or_else(|| is_tool(case, stage)) {
        Some(seen) => {
            let evidence = format!("{evidence}; {seen}");
            let mend = format!("# goward: ignore={} and why, if it does; otherwise {mend}", rule.id);
            Finding::new(rule, place, evidence, mend).at(Severity::Note)
        }
        None => Finding::new(rule, place, evidence, mend),
    };
    case.findings.push(finding);
}

/// Why the image may be for a command-line tool, which writes the files of whoever runs it: it is built here with a library
/// for that, and nothing of it listens, waits for signals or works by a clock.
fn is_tool(case: &Case<'_>, stage: &Stage<'_>) -> Option<String> {
    const LIBRARIES: [&str; 4] = [
        "github.com/spf13/cobra ",
        "github.com/urfave/cli",
        "github.com/alecthomas/k",
        "github.com/jessevdk/go-flags ",
    ];
    const WORKS: [&str; 8] =
        ["ListenAnd", "Listen(", "Serve(", "signal.Notify", "SignalHandler", "NewManager(", "NewTicker", "time.Tick("];
    let at = case.stages.number(stage)?;
    let serves = !stage.state.ports.is_empty()
        || stage.state.health.is_some()
        || case.stages.chain(at).iter().any(|step| step.instruction.keyword == "VOLUME");
    let behind = case.stages.behind(at);
    let is_built = behind.iter().filter_map(|at| case.stages.stages.get(*at)).any(has_toolchain);
    let module = case.context.text("go.mod").filter(|_| is_built && !serves)?;
    let library = LIBRARIES
        .iter()
        .find(|library| module.lines().any(|line| line.contains(**library) && !line.contains("// indirect")))?;
    let works = case.context.go_files_have(&WORKS)?;
    let library = library.trim();
    (!works).then(|| {
        format!("go.mod requires {library} and nothing listens, so it may be a tool that writes its user's files")
    })
}

/// The instruction that uses a directory which only root may enter.
fn uses_roots_home<'a>(case: &'a Case<'_>, stage: &Stage<'_>) -> Option<&'a str> {
    let at = case.stages.number(stage)?;
    let names = |text: &str| {
        let mut words = text.split(|c: char| c.is_whitespace() || "=:,\"'[]".contains(c));
        words.any(|word| word == "/root" || word.starts_with("/root/"))
    };
    case.stages.chain(at).into_iter().find_map(|step| {
        let keyword = step.instruction.keyword.as_str();
        let is_named = match keyword {
            "WORKDIR" | "VOLUME" | "ENV" => names(&step.instruction.rest),
            "COPY" | "ADD" => step.place.as_deref().is_some_and(names),
            _ => false,
        };
        is_named.then_some(keyword)
    })
}

const MEND: &str = "USER 65532:65532, or goward --user 65532:65532 where the start needs root";

fn is_root(name: &str) -> bool {
    name.is_empty() || name == "root" || name.parse() == Ok(0u32)
}

/// Whether what is started changes to another user by itself.
fn changes_user(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    let state = &stage.state;
    let launch = launch_of(state).unwrap_or_default();
    let program = launch.argv.first().map(String::as_str).unwrap_or_default();
    // A script that is not at hand is taken to use what is there for it.
    let copied = |tool: &str| state.copies.iter().any(|copied| base_name(&copied.to) == tool);
    let unseen = (program.ends_with(".sh")
        || wrapper::started(case, stage).is_none() && is_copied_script(case, state, program))
        && ["gosu", "su-exec"].iter().any(|tool| state.has_package(tool) || copied(tool));
    // s6-overlay, whose services name their users in files of their own, and daemons that change the user of what they start.
    // A script that ends with exec "$@" becomes what it is given.
    let passes_on = || {
        wrapper::ends_with(
            case,
            stage,
            &|command| matches!(command.words.as_slice(), [exec, all] if exec == "exec" && all == "$@"),
        )
    };
    let given = launch.argv.get(1).filter(|_| passes_on()).map_or(program, String::as_str);
    let daemon = matches!(base_name(given), "nginx" | "httpd" | "apache2" | "sshd" | "cron" | "crond");
    let overlay = program == "/init" && !state.copies.iter().any(|copied| copied.is(program));
    let unseen = unseen || daemon || overlay;
    let by_variable = state.variables.has("GOWARD_USER");
    let changes = |command: &Command| {
        let own = command.own();
        let changed = understand(own, state);
        changed.user.is_some()
            || (by_variable && changed.init.is_some_and(|init| init == "goward"))
            || matches!(
                command.name(),
                "runuser" | "chroot" | "s6-setuidgid" | "chpst" | "su" | "sudo" | "setpriv" | "gosu" | "su-exec"
            )
            || own.first().is_some_and(|first| {
                matches!(base_name(first), "gosu" | "su-exec" | "setpriv" | "runuser" | "su" | "chpst" | "s6-setuidgid")
            })
    };
    launch.user.is_some() || wrapper::runs(case, stage, &changes) || unseen
}

/// Whether a program comes from a stage by the path of a script of the context: `bin/container_daemon`, as start_ipfs.
fn is_copied_script(case: &Case<'_>, state: &State, program: &str) -> bool {
    let from_stage = state.copies.iter().filter(|copied| copied.stage.is_some() && copied.is(program));
    from_stage.flat_map(|copied| &copied.sources).any(|source| {
        // Wherever the context was copied to.
        let mut tails = source.match_indices('/').filter_map(|(at, _)| source.get(at + 1..));
        tails.any(|path| case.context.text(path).is_some_and(|text| text.starts_with("#!")))
    })
}

/// The group of `USER user:group`, where it is a name that nothing adds.
fn group(case: &mut Case<'_>, index: usize, state: &State, user: &str, line: u32) {
    let Some((_, group)) = user.split_once(':') else { return };
    let is_name = !group.is_empty() && group.parse::<u32>().is_err();
    if is_name && !GROUPS.contains(&format!(" {group} ")) && unknown(case, index, state, group) {
        let evidence = format!("there is no group {group} in the image: nothing adds one");
        case.say(&table::USER_UNKNOWN, line, evidence, "USER 65532:65532, or copy an /etc/group that has it");
    }
}

/// Ports that only root may listen on, unless it is given the capability.
fn low_ports(case: &mut Case<'_>, index: usize, state: &State) {
    let keeps = launch_of(state).is_some_and(|launch| launch.binds_low);
    let stages = case.stages.behind(index).into_iter().filter_map(|at| case.stages.stages.get(at));
    let mut commands = stages.flat_map(|stage| &stage.steps).flat_map(|step| &step.commands);
    if keeps || commands.any(|command| command.name() == "setcap") {
        return;
    }
    for (port, line) in state.ports.iter().filter(|(port, _)| *port < 1024 && *port > 0) {
        let evidence = format!("EXPOSE {port}, and the server is not root");
        case.say(&table::LOW_PORT, *line, evidence, "listen on 8080, or goward --keep-cap net_bind_service");
    }
}

fn named(case: &mut Case<'_>, index: usize, state: &State, name: &str, line: u32) {
    // Of Windows, where users have no numbers.
    if matches!(name, "ContainerAdministrator" | "ContainerUser") {
        return;
    }
    if unknown(case, index, state, name) {
        let evidence = format!("there is no user {name} in the image: nothing adds one");
        case.say(&table::USER_UNKNOWN, line, evidence, "USER 65532:65532, or copy an /etc/passwd that has it");
    } else {
        let evidence = format!("USER {name}: Kubernetes cannot tell that this is not root");
        case.say(&table::USER_BY_NAME, line, evidence, "its numbers, like USER 65532:65532");
    }
}

/// Nothing in the recipe can have made that user.
fn unknown(case: &Case<'_>, index: usize, state: &State, name: &str) -> bool {
    let Base { accounts: Some(names), .. } = &state.base else { return false };
    let copied = state.copies.iter().any(|copied| {
        let paths = copied.sources.iter().chain([&copied.to]);
        paths.into_iter().any(|path| {
            path.contains("passwd") || path.contains("/group") || path.trim_end_matches('/').ends_with("/etc")
        })
    });
    let made = case.stages.chain(index).iter().any(|step| {
        step.commands.iter().any(|command| {
            // Whoever gives files to a user knows that there is one: `app` and `app:app` name it, the path `/app` does not.
            let tells = |word: &String| {
                word.split(':').any(|part| part == name) || word.contains("passwd") || word.contains("adduser")
            };
            let adds = matches!(command.name(), "useradd" | "usermod" | "addgroup" | "groupadd" | "systemd-sysusers");
            adds || command.words.iter().any(tells)
        })
    });
    let by_package = state.packages.iter().any(|package| package.contains(name) || package.contains(['$', '`']));
    !names.contains(&name) && !state.opaque && !copied && !made && !by_package
}
