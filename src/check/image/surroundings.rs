//! What a Go server wants to find around it: certificates, zones, /tmp, names, a home. Pure.

use super::pem;
use super::program::Uses;
use super::rights::{Subject, Want, look};
use super::tree::{Kind, Tree, join, resolve, text};
use crate::check::finding::{Finding, Place};
use crate::check::show::Report;
use crate::check::table::{self, Rule};
use std::net::IpAddr;

/// What is known of the program's needs.
pub(super) struct Needs {
    /// A Go program is looked at, or none: then for any.
    pub(super) is_program: bool,
    pub(super) uses: Option<Uses>,
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
    let (findings, facts) = (&mut report.findings, &mut report.facts);
    let mut say = |rule: &'static Rule, place: &str, evidence: String, mend: &str| {
        findings.push(Finding::new(rule, Place::path(place), evidence, mend));
    };
    if !needs.is_program {
        return;
    }
    if needs.uses.is_none_or(|uses| uses.certificates) {
        facts.extend(certificates(tree, subject, &variable, needs.now, &mut say));
    }
    zones(tree, &variable, needs, &mut say);
    temporary(tree, needs, &mut say);
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
        let evidence = "here and now no line of it names localhost".to_owned();
        say(&table::NO_LOCALHOST, "/etc/hosts", evidence, "127.0.0.1 localhost in /etc/hosts");
    }
}

type Say<'a> = &'a mut dyn FnMut(&'static Rule, &str, String, &str);

fn certificates<'a>(
    tree: &dyn Tree,
    subject: &Subject,
    variable: &dyn Fn(&str) -> Option<&'a str>,
    now: u64,
    say: Say<'_>,
) -> Option<String> {
    let mend = "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/";
    let own = variable("SSL_CERT_FILE");
    let files: Vec<&str> = match own {
        Some(file) => vec![file],
        None => FILES.to_vec(),
    };
    let directories: Vec<&str> = match variable("SSL_CERT_DIR") {
        Some(list) => list.split(':').collect(),
        None => DIRECTORIES.to_vec(),
    };
    let now = pem::moment(now);
    let mut sum = pem::Bundle::default();
    let mut read: Option<String> = None;
    let mut closed = None;
    for file in files {
        let Ok(way) = resolve(tree, file) else { continue };
        if subject.stopped_at(&way).is_some() || !subject.may(Want::Read, &way.entry) {
            closed = Some(format!("{file} is there, and {} may not read it ({})", subject.name(), look(&way.entry)));
            continue;
        }
        sum = pem::read(&text(tree, file), now);
        read = Some(file.to_owned());
        break;
    }
    // The directories only where the files had none: reading all of Debian's takes longer than it tells.
    let mut inside: Vec<String> = Vec::new();
    if sum.count == sum.expired {
        // /etc/ssl may be a link, and what is walked has none.
        let real = |directory: &&str| resolve(tree, directory).ok().map(|way| way.path);
        let directories: Vec<String> = directories.iter().filter_map(real).collect();
        tree.walk(&mut |path, entry| {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            let here = directories.iter().any(|directory| directory == parent);
            if here && entry.kind != Kind::Directory && inside.len() < 1000 {
                inside.push(path.to_owned());
            }
        });
    }
    let first = read.clone();
    let readable = |file: &&String| {
        resolve(tree, file).is_ok_and(|way| subject.stopped_at(&way).is_none() && subject.may(Want::Read, &way.entry))
    };
    for file in inside.iter().filter(|file| first.as_ref() != Some(*file)).filter(readable) {
        let more = pem::read(&text(tree, file), now);
        if more.count > 0 {
            read.get_or_insert_with(|| file.clone());
        }
        sum.count += more.count;
        sum.expired += more.expired;
    }
    match (read, closed) {
        (Some(file), _) if sum.count > sum.expired => {
            let over = if sum.expired > 0 { format!(", {} of them expired", sum.expired) } else { String::new() };
            let s = if sum.count == 1 { "" } else { "s" };
            return Some(format!("{file}: {} certificate{s}{over}", sum.count));
        }
        (Some(file), _) if sum.count > 0 => {
            let evidence = format!("{file}: all {} certificates are expired", sum.count);
            say(&table::BAD_CERTIFICATES, &file, evidence, "build with a newer base or ca-certificates package");
        }
        (Some(file), _) => {
            say(&table::BAD_CERTIFICATES, &file, format!("{file}: no certificate in it"), mend);
        }
        (None, Some(closed)) => {
            say(&table::NO_CERTIFICATES, own.unwrap_or(FILES[0]), closed, "chmod 0644");
        }
        (None, None) => {
            let evidence = match own {
                Some(file) => format!("SSL_CERT_FILE names {file}, which does not exist"),
                None => format!("none of the {} files that Go tries, nor in /etc/ssl/certs", FILES.len()),
            };
            say(&table::NO_CERTIFICATES, own.unwrap_or(FILES[0]), evidence, mend);
        }
    }
    None
}

fn zones<'a>(tree: &dyn Tree, variable: &dyn Fn(&str) -> Option<&'a str>, needs: &Needs, say: Say<'_>) {
    let embedded = needs.uses.is_some_and(|uses| uses.embedded_zones);
    let places: Vec<&str> = variable("ZONEINFO").into_iter().chain(ZONES).collect();
    let there = places.iter().any(|place| resolve(tree, place).is_ok());
    let mend = "import _ \"time/tzdata\", or COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo";
    if let Some(zone) = variable("TZ").filter(|_| !embedded) {
        let name = zone.trim_start_matches(':');
        let known = matches!(name, "UTC" | "")
            || if name.starts_with('/') {
                resolve(tree, name).is_ok()
            } else {
                places.iter().any(|place| resolve(tree, &join(place, name)).is_ok())
            };
        if !known {
            say(&table::UNKNOWN_ZONE, "TZ", format!("TZ={zone}, and none of Go's places has it"), mend);
        }
    }
    if needs.uses.is_some_and(|uses| uses.zones) && !embedded && !there {
        let evidence = "the program has time.LoadLocation, neither it nor the image has the zones".to_owned();
        say(&table::NO_ZONES, ZONES[0], evidence, mend);
    }
}

fn temporary(tree: &dyn Tree, needs: &Needs, say: Say<'_>) {
    if needs.uses.is_some_and(|uses| !uses.temporary) {
        return;
    }
    let mend = "mkdir -m 1777 in the build stage, and COPY it; or ENV TMPDIR, or --tmpfs /tmp at run time";
    match resolve(tree, "/tmp") {
        Err(_) => say(&table::BAD_TMP, "/tmp", "there is no /tmp".to_owned(), mend),
        Ok(way) if way.entry.kind != Kind::Directory => {
            say(&table::BAD_TMP, "/tmp", "/tmp is no directory".to_owned(), mend)
        }
        Ok(way) if way.entry.mode & 0o1777 != 0o1777 => {
            say(&table::BAD_TMP, "/tmp", format!("its mode is {:04o}, and should be 1777", way.entry.mode), mend);
        }
        Ok(_) => {}
    }
}
