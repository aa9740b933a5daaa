//! What a Go server wants to find around it: certificates, zones, /tmp, names, a home. Pure.

use super::pem;
use super::program::Uses;
use super::rights::{Subject, Want, cannot_write, look};
use super::tree::{Entry, Kind, Tree, join, resolve, text};
use crate::check::finding::{Finding, Place, Severity};
use crate::check::show::Report;
use crate::check::table::{self, Rule};
use std::net::IpAddr;

/// What is known of the program's needs.
pub(super) struct Needs {
    /// A Go program is looked at, or none: then for any.
    pub(super) is_program: bool,
    pub(super) uses: Option<Uses>,
    /// By -trimpath it does not know the GOROOT that it was built with.
    pub(super) trimmed: bool,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// crypto/x509: root_linux.go. The first that can be read is taken, and all files of the directories.
const FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
/// time: zoneinfo_unix.go
const ZONES: [&str; 4] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"];

/// And below GOROOT.
const ZIP: &str = "lib/time/zoneinfo.zip";

/// How many bytes of a file are worth keeping while its layer passes by.
pub(super) fn wanted(path: &str, env: &[(String, String)]) -> u64 {
    let named = env.iter().any(|(name, value)| name == "SSL_CERT_FILE" && value == path);
    let certificates = FILES.contains(&path) || named;
    let small =
        ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/ld.so.conf"].contains(&path);
    let bundle = path.starts_with("/usr/share/ca-certificates/") || path.starts_with("/etc/pki/ca-trust/extracted/");
    if certificates || bundle || small || path.starts_with("/etc/ld.so.conf.d/") || path.starts_with("/etc/ld-musl-") {
        return 1 << 20;
    }
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let listed = env.iter().any(|(name, value)| name == "SSL_CERT_DIR" && value.split(':').any(|one| one == parent));
    if listed || DIRECTORIES.contains(&parent) { 64 << 10 } else { 0 }
}

pub(super) fn judge(tree: &dyn Tree, subject: &Subject, env: &[(String, String)], needs: &Needs, report: &mut Report) {
    let variable = |name: &str| {
        env.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    };
    let nobody = report.findings.iter().any(|finding| std::ptr::eq(finding.rule, &table::NO_SUCH_USER));
    if !needs.is_program {
        return;
    }
    if needs.uses.is_none_or(|uses| uses.certificates) {
        // Of a server that makes no connections itself all of crypto/tls is in the program too, and none is needed.
        let needed = needs.uses.is_some_and(|uses| uses.tls_client);
        let severity = if needed { Severity::Error } else { Severity::Warning };
        let embedded = needs.uses.is_some_and(|uses| uses.embedded_certificates);
        match certificates(tree, subject, &variable, embedded, needs.now) {
            Ok(fact) => report.facts.push(fact),
            Err(finding) => report.findings.push(finding.at(severity)),
        }
    }
    let findings = &mut report.findings;
    let mut say = |rule: &'static Rule, place: &str, evidence: String, mend: &str| {
        findings.push(Finding::new(rule, Place::path(place), evidence, mend));
    };
    zones(tree, &variable, needs, &mut say);
    temporary(tree, subject, variable("TMPDIR").unwrap_or("/tmp"), needs, &mut say);
    let named = subject.home.is_some() || variable("HOME").is_some();
    // Of somebody who does not exist there is no more to say.
    if !named && !nobody && needs.uses.is_some_and(|uses| uses.home) {
        let evidence = format!("uid {} has no entry, and HOME is not set", subject.uid);
        say(&table::NO_HOME, "/etc/passwd", evidence, "ENV HOME=/, or an entry in /etc/passwd");
    }
    let names = text(tree, "/etc/nsswitch.conf");
    let hosts = names.lines().find_map(|line| line.trim().strip_prefix("hosts:"));
    if let Some(hosts) = hosts.filter(|hosts| !hosts.split_whitespace().any(|word| word == "files")) {
        let evidence = format!("hosts:{hosts} in nsswitch.conf");
        say(&table::HOSTS_NOT_FIRST, "/etc/nsswitch.conf", evidence, "hosts: files dns, or no nsswitch.conf at all");
    }
    // Mostly it is the runtime's, and in an image empty or not there. Go takes nothing but addresses.
    let resolver = text(tree, "/etc/resolv.conf");
    let mut lines = resolver.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let named = words.next() == Some("nameserver");
        let address = words.next().filter(|_| named).and_then(|word| word.split('%').next());
        address.is_some_and(|address| address.parse::<IpAddr>().is_ok())
    };
    if let Some(first) = lines.clone().next().filter(|_| !lines.any(address)) {
        let evidence = format!("it begins with \"{first}\", and no line is nameserver with an address");
        let mend = "leave it out, the runtime brings its own; or a line such as nameserver 10.0.0.2";
        say(&table::NO_NAMESERVER, "/etc/resolv.conf", evidence, mend);
    }
    // In an archive it is not there yet: the runtime writes it.
    let known = text(tree, "/etc/hosts");
    if tree.is_live() && !known.lines().any(|line| line.split_whitespace().skip(1).any(|name| name == "localhost")) {
        let evidence = "at the moment no line of it names localhost".to_owned();
        say(&table::NO_LOCALHOST, "/etc/hosts", evidence, "127.0.0.1 localhost in /etc/hosts");
    }
}

type Say<'a> = &'a mut dyn FnMut(&'static Rule, &str, String, &str);

/// What there is of them, or what is wrong. `embedded` are those of x509.SetFallbackRoots, for where the system has none.
fn certificates<'a>(
    tree: &dyn Tree,
    subject: &Subject,
    variable: &dyn Fn(&str) -> Option<&'a str>,
    embedded: bool,
    now: u64,
) -> Result<String, Finding> {
    let own = variable("SSL_CERT_FILE");
    let files = own.map_or_else(|| FILES.to_vec(), |file| vec![file]);
    let directories = variable("SSL_CERT_DIR").map_or_else(|| DIRECTORIES.to_vec(), |list| list.split(':').collect());
    let now = crate::x509::moment(now);
    let mut search = Search { tree, subject, now, sum: pem::Bundle::default(), read: None, closed: None };
    search.in_files(&files);
    // The directories only where the files had none: reading all of Debian's takes longer than it tells.
    if search.sum.count == search.sum.expired {
        search.in_directories(&directories);
    }
    if embedded && search.sum.count == 0 {
        return Ok("certificates: the program's own (x509.SetFallbackRoots)".to_owned());
    }
    search.verdict(own)
}

/// A search for certificates, as crypto/x509 does it.
struct Search<'a> {
    tree: &'a dyn Tree,
    subject: &'a Subject,
    /// As `crate::x509::moment` writes it.
    now: u64,
    /// Of all files that were read.
    sum: pem::Bundle,
    /// The first that was read.
    read: Option<String>,
    /// Why one that is there could not be read, and what mends that.
    closed: Option<(String, &'static str)>,
}

impl Search<'_> {
    /// The first of these that can be read is taken.
    fn in_files(&mut self, files: &[&str]) {
        for file in files {
            let Ok(way) = resolve(self.tree, file) else { continue };
            if let Some((directory, entry)) = self.subject.stopped_at(&way) {
                let why = format!("{} may not enter {directory} ({})", self.subject.name(), look(entry));
                self.closed = Some((format!("{file} is there, and {why}"), "chmod 0755 that directory"));
                continue;
            }
            if !self.subject.may(Want::Read, &way.entry) {
                let why = format!("{} may not read it ({})", self.subject.name(), look(&way.entry));
                self.closed = Some((format!("{file} is there, and {why}"), "chmod 0644"));
                continue;
            }
            self.sum = pem::read(&text(self.tree, file), self.now);
            self.read = Some((*file).to_owned());
            return;
        }
    }

    /// Whatever these directories hold is read.
    fn in_directories(&mut self, directories: &[&str]) {
        // /etc/ssl may be a link, and what is walked has none.
        let real = |directory: &&str| resolve(self.tree, directory).ok().map(|way| way.path);
        let mut each: Vec<String> = Vec::new();
        for directory in directories.iter().take(100).filter_map(real) {
            if !each.contains(&directory) {
                each.push(directory);
            }
        }
        let mut inside: Vec<String> = Vec::new();
        for directory in &each {
            self.tree.walk(directory, &mut |path, entry| {
                let here = path.rsplit_once('/').is_some_and(|(parent, _)| parent == directory);
                if here && entry.kind != Kind::Directory && inside.len() < 1000 {
                    inside.push(path.to_owned());
                }
            });
        }
        let first = self.read.clone();
        for file in inside.iter().filter(|file| first.as_ref() != Some(*file)) {
            let readable = resolve(self.tree, file)
                .is_ok_and(|way| self.subject.stopped_at(&way).is_none() && self.subject.may(Want::Read, &way.entry));
            if !readable {
                continue;
            }
            let more = pem::read(&text(self.tree, file), self.now);
            if more.count > 0 {
                self.read.get_or_insert_with(|| file.clone());
            }
            self.sum.count += more.count;
            self.sum.expired += more.expired;
        }
    }

    /// `own` is the file that SSL_CERT_FILE names.
    fn verdict(self, own: Option<&str>) -> Result<String, Finding> {
        let wrong = |rule: &'static Rule, place: &str, evidence: String, mend: &str| {
            Err(Finding::new(rule, Place::path(place), evidence, mend))
        };
        let mend = "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/";
        let sum = self.sum;
        match (self.read, self.closed) {
            (Some(file), _) if sum.count > sum.expired => {
                let over = if sum.expired > 0 { format!(", {} of them expired", sum.expired) } else { String::new() };
                let s = if sum.count == 1 { "" } else { "s" };
                Ok(format!("{file}: {} certificate{s}{over}", sum.count))
            }
            (Some(file), _) if sum.count > 0 => {
                let evidence = format!("{file}: all {} certificates are expired", sum.count);
                wrong(&table::BAD_CERTIFICATES, &file, evidence, "build with a newer base or ca-certificates package")
            }
            (Some(file), _) => wrong(&table::BAD_CERTIFICATES, &file, format!("{file}: no certificate in it"), mend),
            (None, Some((closed, mend))) => wrong(&table::NO_CERTIFICATES, own.unwrap_or(FILES[0]), closed, mend),
            (None, None) => {
                let evidence = match own {
                    Some(file) => format!("SSL_CERT_FILE names {file}, which does not exist"),
                    None => format!("none of the {} files that Go tries, nor in /etc/ssl/certs", FILES.len()),
                };
                wrong(&table::NO_CERTIFICATES, own.unwrap_or(FILES[0]), evidence, mend)
            }
        }
    }
}

fn zones<'a>(tree: &dyn Tree, variable: &dyn Fn(&str) -> Option<&'a str>, needs: &Needs, say: Say<'_>) {
    let loads = needs.uses.is_some_and(|uses| uses.zones);
    let zone = variable("TZ");
    if needs.uses.is_some_and(|uses| uses.embedded_zones) || (!loads && zone.is_none()) {
        return;
    }
    let places = variable("ZONEINFO").into_iter().chain(ZONES);
    let mut there = false;
    for way in places.filter_map(|place| resolve(tree, place).ok()) {
        there |= way.entry.kind != Kind::Directory;
        tree.walk(&way.path, &mut |_, entry| there |= entry.kind != Kind::Directory);
    }
    let zip = variable("GOROOT").map(|root| join(root, ZIP));
    let mut in_go = zip.is_some_and(|zip| resolve(tree, &zip).is_ok());
    // The toolchain in the image may be the one that it was built with.
    if !needs.trimmed && !in_go {
        tree.walk("/", &mut |path, _| in_go |= path.strip_suffix(ZIP).is_some_and(|root| root.ends_with('/')));
    }
    let mend = "import _ \"time/tzdata\", or COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo";
    if let Some(zone) = zone.filter(|_| !in_go) {
        let name = zone.trim_start_matches(':');
        // For TZ Go does not look at ZONEINFO. Etc/UTC is what it takes without.
        let known = matches!(name, "UTC" | "Etc/UTC" | "")
            || if name.starts_with('/') {
                resolve(tree, name).is_ok()
            } else {
                ZONES.iter().any(|place| resolve(tree, &join(place, name)).is_ok())
            };
        if !known {
            say(&table::UNKNOWN_ZONE, "TZ", format!("TZ={zone}, and none of Go's places has it"), mend);
        }
    }
    if loads && !there && !in_go {
        let evidence = "the program has time.LoadLocation, neither it nor the image has the zones".to_owned();
        say(&table::NO_ZONES, ZONES[0], evidence, mend);
    }
}

/// What os.CreateTemp needs; `place` is TMPDIR or /tmp.
fn temporary(tree: &dyn Tree, subject: &Subject, place: &str, needs: &Needs, say: Say<'_>) {
    if needs.uses.is_some_and(|uses| !uses.temporary) {
        return;
    }
    let open = |entry: &Entry| entry.mode & 0o1002 == 0o0002;
    let trouble = cannot_write(subject, place, tree).or_else(|| {
        let entry = resolve(tree, place).ok().map(|way| way.entry).filter(open)?;
        Some(format!("everybody may remove there what others made (mode {:04o})", entry.mode))
    });
    if let Some(trouble) = trouble {
        let mend =
            "mkdir -m 1777 root/tmp in the build stage, and COPY root /; or ENV TMPDIR, or --tmpfs /tmp at run time";
        say(&table::BAD_TMP, place, trouble, mend);
    }
}
