//! The certificates that a server needs for outgoing TLS connections, and has not.

use super::packages::is_for_work;
use super::{Case, command_line, has_toolchain};
use crate::check::docker::effects::installed;
use crate::check::docker::script::Command;
use crate::check::docker::stage::{Copied, Stage, State};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::table;

/// Packages that are known to come without certificates, if nothing is installed that is only recommended.
const WITHOUT: [&str; 40] = [
    "tzdata",
    "netbase",
    "tini",
    "dumb-init",
    "gosu",
    "curl",
    "wget",
    "git",
    "bash",
    "openssl",
    "gnupg",
    "procps",
    "iproute2",
    "iputils-ping",
    "dnsutils",
    "net-tools",
    "vim",
    "nano",
    "less",
    "jq",
    "tar",
    "gzip",
    "unzip",
    "zip",
    "xz-utils",
    "bzip2",
    "sqlite3",
    "zlib1g",
    "file",
    "gcc",
    "g++",
    "make",
    "build-essential",
    "busybox",
    "locales",
    "netcat-openbsd",
    "socat",
    "openssh-client",
    "rsync",
    "redis-tools",
];

/// Whether a command may install certificates with what it names: Debian's curl, wget and git recommend them, and whatever
/// is not known here may depend on them.
fn may_bring_certificates(command: &Command) -> bool {
    let alone = ["tzdata", "netbase", "tini", "dumb-init", "gosu"];
    let recommended =
        !command.words.iter().any(|word| word == "--no-install-recommends" || word.contains("Install-Recommends="));
    let known = |name: &str| WITHOUT.contains(&name) || (name.starts_with("lib") && !name.contains("perl"));
    let brings = |name: &str| !known(name) || (recommended && !alone.contains(&name));
    matches!(command.name(), "apt-get" | "apt") && installed(command).any(brings)
}

/// Modules that bring the certificates into the program.
const ROOTS: [&str; 3] =
    ["github.com/breml/rootcerts", "github.com/certifi/gocertifi", "golang.org/x/crypto/x509roots"];

/// Parts of Go code and of modules that are there to connect by TLS.
const CONNECT: [&str; 9] = [
    "\"https://",
    "`https://",
    "\"wss://",
    "tls.Dial",
    "tls.Client(",
    "NewClientTLSFrom",
    "credentials.NewTLS",
    "SystemCertPool",
    "smtp.",
];
const CLIENTS: [&str; 28] = [
    "aws-sdk-go",
    "cloud.google.com/go",
    "google.golang.org/api",
    "azure-sdk-for-go",
    "golang.org/x/oauth2",
    "go-oidc",
    "telegram",
    "telebot",
    "slack",
    "discord",
    "disgo",
    "stripe-go",
    "sentry-go",
    "go-github",
    "gitlab",
    "openai",
    "anthropic",
    "firebase",
    "sendgrid",
    "mailgun",
    "twilio",
    "minio-go",
    "vault/api",
    "/lego",
    "go-ethereum",
    "resty",
    "retryablehttp",
    "gomail",
];

pub(super) fn judge(case: &mut Case<'_>, index: usize, stage: &Stage<'_>) {
    if !starts_program(case, stage) || !lacks(case, index, stage) {
        return;
    }
    let base = if stage.state.image.is_empty() { "scratch" } else { &stage.state.image };
    let evidence = format!("{base} has no CA certificates, and none are copied or installed");
    let mend = format!("COPY --from={} /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/", source(case, index));
    let finding = |evidence| Finding::new(&table::NO_CERTIFICATES_COPIED, Place::line(stage.line), evidence, mend);
    let finding = match doubt(case, index) {
        Some(why) => finding(format!("{evidence}; {why}")).at(Severity::Note),
        None => finding(evidence),
    };
    case.findings.push(finding);
}

/// Whether a program is started: not what only hands files on, or is there to look around or for tests, and no script alone.
fn starts_program(case: &Case<'_>, stage: &Stage<'_>) -> bool {
    let started = command_line(&stage.state).is_some() && !is_for_work(case, stage);
    started && !stage.state.copies.iter().all(|copied| is_text(case, copied))
}

/// Whether the base has no certificates, and nothing here may bring any.
fn lacks(case: &Case<'_>, index: usize, stage: &Stage<'_>) -> bool {
    let state = &stage.state;
    let in_program = || {
        let module = case.context.text("go.mod");
        module.is_some_and(|module| ROOTS.iter().any(|roots| module.contains(roots)))
    };
    state.base.certificates == Some(false)
        && !state.opaque
        // Who names another file brings it.
        && !["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| state.variables.has(name))
        && !state.copies.iter().any(|copied| copies_certificates(copied))
        && !installs_certificates(case, index, state)
        && !in_program()
}

/// Whether a COPY may bring them: by the names of its files, or with all of /etc.
fn copies_certificates(copied: &Copied) -> bool {
    const NAMES: [&str; 6] = ["cert", "/ssl", "ca-bundle", "/pki", ".crt", ".pem"];
    let mut paths = copied.sources.iter().chain([&copied.to]);
    paths.any(|path| NAMES.iter().any(|name| path.contains(name)))
        || !copied.from_context && copied.to.trim_end_matches('/') == "/etc"
}

/// Whether the package of certificates may be installed, or what brings it.
fn installs_certificates(case: &Case<'_>, index: usize, state: &State) -> bool {
    let mut commands = case.stages.chain(index).into_iter().flat_map(|step| &step.commands);
    ["ca-certificates", "ca-certificates-bundle"].iter().any(|name| state.may_have(name))
        || commands.any(may_bring_certificates)
}

/// Why it is not known that the program needs them; None where its sources connect by TLS.
fn doubt(case: &Case<'_>, index: usize) -> Option<&'static str> {
    let mut stages = case.stages.behind(index).into_iter().filter_map(|at| case.stages.stages.get(at));
    match stages.any(has_toolchain) {
        true if connects(case) => None,
        true => Some("nothing here tells whether the program connects by TLS"),
        false => Some("the program is not built here, so whether it connects by TLS is not known"),
    }
}

/// A stage before this one that has certificates, by its name or number.
fn source(case: &Case<'_>, index: usize) -> String {
    let before = case.stages.stages.get(..index).unwrap_or_default();
    let found = before.iter().enumerate().rev().find(|(_, stage)| stage.state.base.certificates == Some(true));
    found.map_or("IMAGE".to_owned(), |(at, stage)| stage.name.clone().unwrap_or_else(|| at.to_string()))
}

/// Whether nothing but scripts of the context and settings is copied.
fn is_text(case: &Case<'_>, copied: &Copied) -> bool {
    let text = |source: &String| case.context.text(source).is_some_and(|text| text.starts_with("#!"));
    let settings =
        |source: &String| [".yaml", ".yml", ".json", ".conf", ".toml"].iter().any(|end| source.ends_with(end));
    copied.written.is_some()
        || copied.from_context && copied.sources.iter().all(|source| text(source) || settings(source))
}

/// Whether the sources connect by TLS, as far as they tell; where there are none, they may.
fn connects(case: &Case<'_>) -> bool {
    let (mut sources, mut connects) = (false, false);
    case.context.each_go_file(&mut |path, text| {
        let aside =
            ["tools/", "hack/", "scripts/", "examples/", "test/", "e2e/"].iter().any(|top| path.starts_with(top));
        sources = true;
        connects |= !aside && CONNECT.iter().any(|part| text.contains(part));
    });
    let direct = |line: &str| !line.contains("// indirect") && CLIENTS.iter().any(|part| line.contains(part));
    !sources || connects || case.context.text("go.mod").is_some_and(|module| module.lines().any(direct))
}
