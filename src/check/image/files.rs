//! What lies in a finished image that should not: secrets, sources, tools, caches, permissions. What a Dockerfile leaves there
//! is found in `check/docker/judge/packages.rs`. Pure.

use super::tree::{Entry, Kind, Tree};
use crate::check::finding::{Finding, Place};
use crate::check::show::Report;
use crate::check::table::{self, Rule};

/// What files of one kind there are: the first, how many, how large.
struct Heap {
    rule: &'static Rule,
    mend: &'static str,
    first: Vec<String>,
    layer: Option<u32>,
    count: u64,
    size: u64,
}

impl Heap {
    fn new(rule: &'static Rule, mend: &'static str) -> Heap {
        Heap { rule, mend, first: Vec::new(), layer: None, count: 0, size: 0 }
    }

    fn add(&mut self, path: &str, entry: &Entry) {
        if self.count == 0 {
            self.layer = entry.layer;
        }
        if self.first.len() < 4 {
            self.first.push(path.to_owned());
        }
        self.count += 1;
        self.size = self.size.saturating_add(if entry.kind == Kind::File { entry.size } else { 0 });
    }

    fn finding(self) -> Option<Finding> {
        let place = Place { file: self.first.first()?.clone(), layer: self.layer, ..Place::default() };
        let mut evidence = first_of(&self.first, self.count);
        if self.size >= 1 << 20 {
            evidence.push_str(&format!(", {} in total", size(self.size)));
        }
        Some(Finding::new(self.rule, place, evidence, self.mend))
    }
}

/// The first of so many.
fn first_of(first: &[String], count: u64) -> String {
    let names = first.join(", ");
    let more = count.saturating_sub(first.len() as u64);
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// `12.3 MB`
pub(crate) fn size(bytes: u64) -> String {
    let (unit, name) = if bytes >= 1_000_000 { (1_000_000, "MB") } else { (1_000, "KB") };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// Whether a file may be a secret, by its name; its beginning decides.
pub(crate) fn may_be_secret(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ends = |end: &str| {
        let start = name.len().checked_sub(end.len());
        start.and_then(|start| name.get(start..)).is_some_and(|own| own.eq_ignore_ascii_case(end))
    };
    let key = [".pem", ".key", ".crt", ".asc"].into_iter().any(ends);
    let ssh = path.contains("/.ssh/") || name.starts_with("ssh_host_") && name.ends_with("_key");
    let named = matches!(
        name,
        "id_rsa"
            | "id_ed25519"
            | "id_ecdsa"
            | "id_dsa"
            | ".netrc"
            | ".git-credentials"
            | ".pgpass"
            | ".npmrc"
            | ".pypirc"
    );
    let inside = ["/.aws/credentials", "/.docker/config.json", "/.kube/config"].iter().any(|end| path.ends_with(end));
    (key || ssh || named || inside) && !is_others(path)
}

/// By its beginning: a key, other credentials, or nothing of the kind.
pub(crate) fn secret(path: &str, head: &[u8]) -> Option<&'static Rule> {
    let has = |needle: &str| memchr::memmem::find(head, needle.as_bytes()).is_some();
    if has("PRIVATE KEY-----") || has("PGP PRIVATE KEY BLOCK-----") {
        return Some(&table::PRIVATE_KEY);
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let found = match name {
        ".netrc" => has("password"),
        ".git-credentials" | ".pgpass" => !head.is_empty(),
        ".npmrc" => sets(head, &["_authToken", "_auth", "_password"]),
        ".pypirc" => sets(head, &["password"]),
        "credentials" => has("aws_secret_access_key"),
        "config.json" => has("\"auth\""),
        "config" if path.ends_with("/.kube/config") => has("client-key-data") || has("token:"),
        _ => false,
    };
    found.then_some(&table::CREDENTIALS)
}

/// Whether a line gives one of these a value of its own: not one that an environment variable holds.
fn sets(head: &[u8], keys: &[&str]) -> bool {
    String::from_utf8_lossy(head).lines().any(|line| {
        let Some((key, value)) = line.split_once('=').or_else(|| line.split_once(':')) else { return false };
        // `//registry.npmjs.org/:_authToken`
        let key = key.rsplit(':').next().unwrap_or_default().trim();
        keys.contains(&key) && !value.trim().is_empty() && !value.contains("${")
    })
}

/// So much of it is enough to tell: a chain of certificates may stand before the key.
pub(crate) const SECRET_HEAD: u64 = 16 << 10;

/// Of Go's toolchain, of its modules, of Python's tests: others' files, with keys to test with.
pub(crate) fn is_others(path: &str) -> bool {
    path.contains("/pkg/mod/")
        || path.contains("/lib/python") && path.contains("/test/")
        || in_toolchain(path).is_some()
}

/// Where in a Go toolchain it is: in /usr/local/go, or where distributions put it, /usr/lib/go-1.19.
fn in_toolchain(path: &str) -> Option<&str> {
    path.match_indices("/go").find_map(|(at, _)| {
        let (name, rest) = path.get(at + 1..)?.split_once('/')?;
        let version = name.strip_prefix("go")?.trim_start_matches('-');
        let above = path.get(..at)?;
        let usual = matches!(above, "/usr/local" | "/usr/lib" | "/usr/share") && matches!(version, "" | "lang");
        (usual || version.starts_with("1.")).then_some(rest)
    })
}

/// The repository that a file is part of.
pub(crate) fn repository(path: &str) -> Option<&str> {
    let at = path.find("/.git/").filter(|_| !is_others(path))?;
    path.get(..at + 5)
}

/// Variables for a server, and not an example of them.
pub(crate) fn is_env(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let sample = ["example", "sample", "template", "dist"].iter().any(|word| name.contains(word));
    (name == ".env" || name.starts_with(".env.")) && !sample && !is_others(path)
}

/// Everything that lies about. `program` is the server, `is_static` says that it needs nothing else.
pub(crate) fn judge(tree: &dyn Tree, program: Option<&str>, is_static: bool, report: &mut Report) {
    let mut heaps = Heaps::new();
    let mut closed = tree.walk("/", &mut |path, entry| {
        let system = ["/proc/", "/sys/", "/dev/"].iter().any(|directory| path.starts_with(directory));
        if system {
            return;
        }
        heaps.by_mode(path, entry);
        if entry.kind == Kind::File {
            heaps.by_name(path, entry, program);
        }
    });
    let candidates = std::mem::take(&mut heaps.candidates);
    heaps.findings(is_static, &mut report.findings);
    let mut keys = Heap::new(&table::PRIVATE_KEY, GONE);
    let mut credentials = Heap::new(&table::CREDENTIALS, GONE);
    for path in candidates {
        let Some(head) = tree.head(&path, SECRET_HEAD) else {
            closed.push(path);
            continue;
        };
        let Some((rule, entry)) = secret(&path, &head).zip(tree.entry(&path)) else { continue };
        let heap = if std::ptr::eq(rule, &table::PRIVATE_KEY) { &mut keys } else { &mut credentials };
        heap.add(&path, &entry);
    }
    report.findings.extend([keys, credentials].into_iter().filter_map(Heap::finding));
    if !closed.is_empty() {
        let names = first_of(&closed[..closed.len().min(4)], closed.len() as u64);
        report.facts.push(format!("{names} cannot be read here, and nothing is said of what is in there"));
    }
}

const GONE: &str = "leave it out of the build context (.dockerignore), and give it at run time";

/// Directories of a build's or a package manager's cache.
const CACHED: [&str; 7] = [
    "/var/cache/apk/",
    "/var/lib/apt/lists/",
    "/var/cache/apt/archives/",
    "/var/cache/dnf/",
    "/var/cache/yum/",
    "/root/.cache/",
    "/go/pkg/mod/",
];

/// The files of each kind that should not be there.
struct Heaps {
    set_uid: Heap,
    writable: Heap,
    env: Heap,
    git: Heap,
    sources: Heap,
    toolchain: Heap,
    caches: Heap,
    /// What a static program does not need.
    rest: Heap,
    /// May be secrets, by their names.
    candidates: Vec<String>,
}

impl Heaps {
    fn new() -> Heaps {
        let alone = "copy only the program into the final stage";
        Heaps {
            set_uid: Heap::new(&table::SET_UID, "chmod a-s in the build stage, or a base without them"),
            writable: Heap::new(&table::WORLD_WRITABLE, "chmod o-w; a directory for everybody needs mode 1777"),
            env: Heap::new(&table::DOT_ENV, GONE),
            git: Heap::new(
                &table::DOT_GIT,
                "add .git to .dockerignore, and copy only the program into the final stage",
            ),
            sources: Heap::new(&table::SOURCES, alone),
            toolchain: Heap::new(&table::TOOLCHAIN, "build in one stage, and copy the program into another"),
            caches: Heap::new(
                &table::CACHES,
                "remove them in the RUN that makes them, or copy only the program into the final stage",
            ),
            rest: Heap::new(
                &table::MORE_THAN_NEEDED,
                "FROM scratch or distroless static, with the program, certificates and zones",
            ),
            candidates: Vec::new(),
        }
    }

    fn by_mode(&mut self, path: &str, entry: &Entry) {
        if entry.kind == Kind::File && entry.mode & 0o6000 != 0 && entry.mode & 0o111 != 0 {
            self.set_uid.add(path, entry);
        }
        let temporary = path == "/tmp" || path.starts_with("/tmp/") || path.starts_with("/var/tmp/");
        let sticky = entry.kind == Kind::Directory && entry.mode & 0o1000 != 0;
        if entry.mode & 0o002 != 0 && matches!(entry.kind, Kind::File | Kind::Directory) && !sticky && !temporary {
            self.writable.add(path, entry);
        }
        if path.rsplit('/').next() == Some(".git") && !is_others(path) {
            self.git.add(path, entry);
        }
    }

    fn by_name(&mut self, path: &str, entry: &Entry, program: Option<&str>) {
        let name = path.rsplit('/').next().unwrap_or_default();
        if may_be_secret(path) {
            self.candidates.push(path.to_owned());
        }
        if is_env(path) {
            self.env.add(path, entry);
        }
        if (name == "go.mod" || name == "go.sum" || name.ends_with(".go")) && !is_others(path) {
            self.sources.add(path, entry);
        }
        let tool = in_toolchain(path).is_some_and(|rest| rest == "bin/go" || rest.starts_with("pkg/tool/"));
        if tool || path.ends_with("/go/bin/go") || path == "/usr/bin/go" || path.contains("/go/pkg/tool/") {
            self.toolchain.add(path, entry);
        }
        if CACHED.iter().any(|start| path.starts_with(start)) && entry.size > 0 && name != "lock" {
            self.caches.add(path, entry);
        }
        let needed = ["/etc/", "/usr/share/zoneinfo/", "/usr/share/ca-certificates/", "/.dockerenv"];
        if Some(path) != program && name != "goward" && !needed.iter().any(|start| path.starts_with(start)) {
            self.rest.add(path, entry);
        }
    }

    fn findings(self, is_static: bool, findings: &mut Vec<Finding>) {
        let heaps = [self.set_uid, self.writable, self.env, self.git, self.sources, self.toolchain, self.caches];
        findings.extend(heaps.into_iter().filter_map(Heap::finding));
        // Of a program that needs a libc it cannot be told what else it needs.
        if is_static && self.rest.size >= 1 << 20 {
            findings.extend(self.rest.finding());
        }
    }
}
