//! What lies in an image that should not: secrets, sources, tools, caches, permissions. Pure.

use super::tree::{Entry, Kind, Tree};
use crate::check::finding::{Finding, Place};
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
        let place = Place { file: self.first.first()?.clone(), line: 0, layer: self.layer };
        let mut evidence = self.first.join(", ");
        let more = self.count - self.first.len() as u64;
        if more > 0 {
            evidence.push_str(&format!(" and {more} more"));
        }
        if self.size >= 1 << 20 {
            evidence.push_str(&format!(", {} together", size(self.size)));
        }
        Some(Finding::new(self.rule, place, evidence, self.mend))
    }
}

/// `12.3 MB`
pub(crate) fn size(bytes: u64) -> String {
    let (unit, name) = if bytes >= 1_000_000 { (1_000_000, "MB") } else { (1_000, "KB") };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// Whether a file may be a secret, by its name; its beginning decides.
pub(crate) fn may_be_secret(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let key = [".pem", ".key"].iter().any(|end| name.ends_with(end));
    key || matches!(
        name,
        "id_rsa" | "id_ed25519" | "id_ecdsa" | "id_dsa" | ".netrc" | ".git-credentials" | ".pgpass" | ".npmrc"
    ) || path.ends_with("/.aws/credentials")
        || path.ends_with("/.docker/config.json")
        || path.ends_with("/.kube/config")
}

/// By its beginning: a key, other credentials, or nothing of the kind.
pub(crate) fn secret(path: &str, head: &[u8]) -> Option<&'static Rule> {
    let has = |needle: &str| memchr::memmem::find(head, needle.as_bytes()).is_some();
    if has("PRIVATE KEY-----") {
        return Some(&table::PRIVATE_KEY);
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let found = match name {
        ".netrc" => has("password"),
        ".git-credentials" | ".pgpass" => !head.is_empty(),
        // ${NPM_TOKEN} is only a name.
        ".npmrc" => head.split(|byte| *byte == b'\n').any(|line| {
            let has = |needle: &str| memchr::memmem::find(line, needle.as_bytes()).is_some();
            (has("_authToken") || has("_password")) && !has("${")
        }),
        "credentials" => has("aws_secret_access_key"),
        "config.json" => has("\"auth\""),
        "config" => has("client-key-data") || has("token:"),
        _ => false,
    };
    found.then_some(&table::CREDENTIALS)
}

/// So much of it is enough to tell.
pub(crate) const SECRET_HEAD: u64 = 4096;

/// Everything that lies about. `program` is the server, `is_static` says that it needs nothing else.
pub(crate) fn judge(tree: &dyn Tree, program: Option<&str>, is_static: bool) -> Vec<Finding> {
    let gone = "leave it out of the build context (.dockerignore), and give it at run time";
    let mut set_uid = Heap::new(&table::SET_UID, "chmod a-s in the build stage, or a base without them");
    let mut writable = Heap::new(&table::WORLD_WRITABLE, "chmod o-w; a directory for everybody needs mode 1777");
    let mut env = Heap::new(&table::DOT_ENV, gone);
    let mut git =
        Heap::new(&table::DOT_GIT, "add .git to .dockerignore, and copy only the program into the final stage");
    let mut sources = Heap::new(&table::SOURCES, "copy only the program into the final stage");
    let mut toolchain = Heap::new(&table::TOOLCHAIN, "build in one stage, and copy the program into another");
    let mut caches = Heap::new(
        &table::CACHES,
        "remove them in the RUN that makes them, or copy only the program into the final stage",
    );
    let mut rest = Heap::new(
        &table::MORE_THAN_NEEDED,
        "FROM scratch or distroless static, with the program, certificates and zones",
    );
    let mut candidates: Vec<String> = Vec::new();
    tree.walk(&mut |path, entry| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let file = entry.kind == Kind::File;
        if path.starts_with("/proc/") || path.starts_with("/sys/") || path.starts_with("/dev/") {
            return;
        }
        if file && entry.mode & 0o6000 != 0 && entry.mode & 0o111 != 0 {
            set_uid.add(path, entry);
        }
        let temporary = path == "/tmp" || path.starts_with("/tmp/") || path.starts_with("/var/tmp/");
        let sticky = entry.kind == Kind::Directory && entry.mode & 0o1000 != 0;
        if entry.mode & 0o002 != 0 && matches!(entry.kind, Kind::File | Kind::Directory) && !sticky && !temporary {
            writable.add(path, entry);
        }
        let go_root = path.contains("/go/src/") || path.contains("/pkg/mod/") || path.contains("/lib/go");
        if name == ".git" && !go_root {
            git.add(path, entry);
        }
        if !file {
            return;
        }
        // Python tests its TLS with keys of its own.
        let tests = path.contains("/lib/python") && path.contains("/test/");
        if may_be_secret(path) && !go_root && !tests {
            candidates.push(path.to_owned());
        }
        let sample = ["example", "sample", "template", "dist"].iter().any(|word| name.contains(word));
        if (name == ".env" || name.starts_with(".env.")) && !sample && !go_root {
            env.add(path, entry);
        }
        if (name == "go.mod" || name == "go.sum" || name.ends_with(".go")) && !go_root {
            sources.add(path, entry);
        }
        if path.ends_with("/go/bin/go") || path == "/usr/bin/go" || path.contains("/go/pkg/tool/") {
            toolchain.add(path, entry);
        }
        let cached = [
            "/var/cache/apk/",
            "/var/lib/apt/lists/",
            "/var/cache/apt/archives/",
            "/var/cache/dnf/",
            "/var/cache/yum/",
            "/root/.cache/",
            "/go/pkg/mod/",
        ];
        if cached.iter().any(|start| path.starts_with(start)) && entry.size > 0 && name != "lock" {
            caches.add(path, entry);
        }
        let needed = ["/etc/", "/usr/share/zoneinfo/", "/usr/share/ca-certificates/", "/.dockerenv"];
        if Some(path) != program && name != "goward" && !needed.iter().any(|start| path.starts_with(start)) {
            rest.add(path, entry);
        }
    });
    let heaps = [set_uid, writable, env, git, sources, toolchain, caches];
    let mut findings: Vec<Finding> = heaps.into_iter().filter_map(Heap::finding).collect();
    // Of a program that needs a libc it cannot be told what else it needs.
    if is_static && rest.size >= 1 << 20 {
        findings.extend(rest.finding());
    }
    let mut keys = Heap::new(&table::PRIVATE_KEY, gone);
    let mut credentials = Heap::new(&table::CREDENTIALS, gone);
    for path in candidates {
        let head = tree.head(&path, SECRET_HEAD).unwrap_or_default();
        let Some((rule, entry)) = secret(&path, &head).zip(tree.entry(&path)) else { continue };
        let heap = if std::ptr::eq(rule, &table::PRIVATE_KEY) { &mut keys } else { &mut credentials };
        heap.add(&path, &entry);
    }
    findings.extend([keys, credentials].into_iter().filter_map(Heap::finding));
    findings
}
