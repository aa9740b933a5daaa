//! The pages of docs/findings: each has an example with the finding and one without, which are checked; and what is shown of
//! the first is kept in tests/snapshots, so that a change of words is seen in review.
//!
//! An example is a Dockerfile, or an image by how it differs from one with nothing wrong ([`usual`]), a line each:
//!
//! ```text
//! USER, ENTRYPOINT, CMD, ENV, EXPOSE, STOPSIGNAL, HEALTHCHECK   as in a Dockerfile; ENTRYPOINT none, ARCHITECTURE arm64
//! /path (0644, owner 65532) = text\n      a file; mode and owner may be left out
//! /path = go build -ldflags="-s"          a program, as this makes it
//! /path = <a program>                     and other contents that are described
//! /path/ (0755)                           a directory
//! /path -> target                         a link
//! - /path                                 what is not there, with all below it
//! # the next layer                        what follows is in another layer; `cut off`: of which only the beginning is there
//! $ goward check OPTIONS --image …        how it is checked; `$ /goward check …` is in the container itself
//! ```

use super::dockerfiles::case_in;
use super::images::{CERTIFICATES, MAIN, Report, SMALL, build, config, go, has_go, older, server, valid_certificate};
use crate::support::reviewed::is_as_reviewed;
use crate::support::{Ending, GOWARD, LIMIT, Scratch, find, requires, requires_root, run, skipped};
use goward::check::table::{ALL, Rule};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The two examples of a page: the one with the finding, and the one without.
fn examples(rule: &Rule) -> [String; 2] {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings").join(format!("{}.md", rule.id));
    let page = fs::read_to_string(page).unwrap();
    let example = page.split("\n## Example\n").nth(1).unwrap_or_default().split("\n## Fix\n").next().unwrap();
    ["With the fault", "Without the fault"].map(|begins| {
        let told = example.split(begins).nth(1).unwrap_or_default();
        told.split("\nWith").next().unwrap().to_owned()
    })
}

fn block<'a>(told: &'a str, kind: &str) -> Option<&'a str> {
    told.split(&format!("```{kind}\n")).nth(1).and_then(|rest| rest.split("```").next())
}

fn is_for_dockerfiles(rule: &Rule) -> bool {
    rule.id.starts_with("GW3")
}

/// What goward says of an example, as JSON or as text. None: it cannot be made here.
fn said(rule: &Rule, told: &str, format: &str) -> Option<String> {
    if is_for_dockerfiles(rule) {
        let ignore = match block(told, "dockerignore") {
            Some(ignore) => format!("!.dockerignore={}\n", ignore.trim_end().replace('\n', "\\n")),
            None if told.contains("without a .dockerignore") => "!ignore\n".to_owned(),
            None => String::new(),
        };
        return Some(case_in(&format!("{ignore}{}", block(told, "dockerfile").unwrap_or("no example")), format));
    }
    Image::read(block(told, "image").unwrap_or_else(|| panic!("{} has no example", rule.id)))?.check(format)
}

fn judged(rules: impl Iterator<Item = &'static Rule> + Send) {
    // Most of it is waiting for compilers.
    let (rules, wrong) = (Mutex::new(rules), Mutex::new(Vec::new()));
    let next = || rules.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(rule) = next() {
                    wrong.lock().unwrap().extend(misjudged(rule));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn misjudged(rule: &Rule) -> Option<String> {
    for (told, wanted) in examples(rule).iter().zip([true, false]) {
        let Some(said) = said(rule, told, "json") else { continue };
        let report: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{told}{said}"));
        if Report(report).has(rule.id) != wanted {
            return Some(format!("{} should be found: {wanted}\n{told}{said}", rule.id));
        }
    }
    None
}

/// Without the versions of this machine's tools, and without commits.
fn steady(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let bare = word.trim_end();
        let (begin, digits) = bare.split_at(bare.find(|c: char| c.is_ascii_digit()).unwrap_or(bare.len()));
        let is_commit = bare.len() == 40 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let name = match begin {
            _ if is_commit => "COMMIT".to_owned(),
            "go" | "GLIBC_" => {
                format!("{begin}N{}", digits.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit()))
            }
            _ => bare.to_owned(),
        };
        name + &word[bare.len()..]
    });
    words.collect()
}

/// The findings as people read them, each by the first example of its page.
fn shown(name: &str, rules: impl Iterator<Item = &'static Rule>) {
    let mut all = String::new();
    for rule in rules {
        let Some(said) = said(rule, &examples(rule)[0], "text") else { return };
        let own = said.split("\n\n").find(|part| part.lines().next().is_some_and(|line| line.contains(rule.id)));
        all.push_str(&steady(own.unwrap_or_else(|| panic!("{}: {said}", rule.id))));
        all.push_str("\n\n");
    }
    is_as_reviewed(name, &all);
}

#[test]
fn the_dockerfiles_of_the_pages() {
    judged(ALL.iter().copied().filter(|rule| is_for_dockerfiles(rule)));
    shown("findings-dockerfile", ALL.iter().copied().filter(|rule| is_for_dockerfiles(rule)));
}

#[test]
fn the_images_of_the_pages() {
    if !has_go() || !requires("gcc") || !requires("git") {
        return;
    }
    judged(ALL.iter().copied().filter(|rule| !is_for_dockerfiles(rule)));
    // All of them, so that none is missing for want of something.
    if requires_root() && find("chroot").is_some() {
        shown("findings-image", ALL.iter().copied().filter(|rule| !is_for_dockerfiles(rule)));
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Images

#[derive(Clone)]
struct Entry {
    path: String,
    /// As tar has it: 0 a file, 2 a link, 5 a directory.
    kind: u8,
    mode: u32,
    owner: u32,
    link: String,
    content: Vec<u8>,
}

struct Image {
    layers: Vec<Vec<Entry>>,
    /// Of the last layer only the beginning is there.
    is_cut: bool,
    user: String,
    architecture: String,
    entrypoint: Option<String>,
    /// Other fields of the configuration.
    fields: Vec<String>,
    options: Vec<String>,
    /// In the container itself.
    live: bool,
}

fn file(path: &str, mode: u32, content: &[u8]) -> Entry {
    Entry { path: path.to_owned(), kind: b'0', mode, owner: 0, link: String::new(), content: content.to_vec() }
}

/// One with nothing wrong but that its program takes the machine's processors for its own (GW113).
fn usual() -> Image {
    let mut files = vec![
        file("/server", 0o755, &fs::read(server()).unwrap()),
        file(CERTIFICATES, 0o644, &valid_certificate()),
        file("/etc/passwd", 0o644, b"root:x:0:0::/:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n"),
        file("/usr/share/zoneinfo/UTC", 0o644, b"TZif2"),
    ];
    files.push(Entry { kind: b'5', ..file("/tmp", 0o1777, b"") });
    Image {
        layers: vec![files],
        is_cut: false,
        user: "65532:65532".to_owned(),
        architecture: "amd64".to_owned(),
        entrypoint: Some("[\"/server\"]".to_owned()),
        fields: Vec::new(),
        options: Vec::new(),
        live: false,
    }
}

impl Image {
    fn read(text: &str) -> Option<Image> {
        let mut image = usual();
        for line in text.lines() {
            image.line(line)?;
        }
        Some(image)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut field = |name: &str, value: String| self.fields.push(format!("\"{name}\":{value}"));
        match word {
            "USER" => rest.clone_into(&mut self.user),
            "ARCHITECTURE" => rest.clone_into(&mut self.architecture),
            "ENTRYPOINT" => self.entrypoint = Some(rest.to_owned()).filter(|list| list != "none"),
            "CMD" => field("Cmd", rest.to_owned()),
            "ENV" => field("Env", format!("[\"{rest}\"]")),
            "EXPOSE" => field("ExposedPorts", format!("{{\"{rest}/tcp\":{{}}}}")),
            "STOPSIGNAL" => field("StopSignal", format!("\"{rest}\"")),
            "HEALTHCHECK" => {
                let (form, command) = rest.split_once(' ').unwrap();
                let test = match command.strip_prefix('[') {
                    Some(list) => format!("[\"{form}\", {list}"),
                    None => format!("[\"{form}\", \"{command}\"]"),
                };
                field("Healthcheck", format!("{{\"Test\":{test}}}"));
            }
            "#" => {
                self.layers.push(Vec::new());
                self.is_cut = rest.ends_with("cut off");
            }
            "$" => {
                self.live = rest.starts_with("/goward");
                let words = rest.split(' ').skip(2).filter(|word| !matches!(*word, "--image" | "server.tar"));
                self.options = words.map(str::to_owned).collect();
            }
            "-" => self.layers[0].retain(|entry| !format!("{}/", entry.path).starts_with(&format!("{rest}/"))),
            _ => {
                assert!(word.starts_with('/'), "{line}");
                let entry = Entry::read(line)?;
                let layer = self.layers.last_mut().unwrap();
                layer.retain(|other| other.path != entry.path);
                layer.push(entry);
            }
        }
        Some(())
    }

    fn config(&self) -> String {
        let mut fields = vec![format!("\"User\":\"{}\"", self.user)];
        fields.extend(self.entrypoint.iter().map(|list| format!("\"Entrypoint\":{list}")));
        fields.extend(self.fields.iter().cloned());
        config(&fields.join(",")).replace("\"amd64\"", &format!("\"{}\"", self.architecture))
    }

    /// What goward says of it. None: it cannot be made here.
    fn check(&self, format: &str) -> Option<String> {
        let scratch = Scratch::new();
        let arguments = ["check", "--fail-on=never", "--format", format];
        let mut command = if self.live {
            if !requires_root() {
                return None;
            }
            let root = scratch.path("root");
            self.layers.iter().flatten().for_each(|entry| entry.put(&root));
            fs::copy(GOWARD, root.join("goward")).unwrap();
            let mut command = Command::new(find("chroot").or_else(|| {
                skipped("no chroot");
                None
            })?);
            command.arg(root).arg("/goward").args(arguments).args(&self.options);
            command
        } else {
            let mut command = Command::new(GOWARD);
            command.args(arguments).args(&self.options).args(["--image", "server.tar"]);
            command
        };
        fs::write(scratch.path("server.tar"), self.archive()).unwrap();
        command.current_dir(scratch.path("")).env("COLUMNS", "100").env("NO_COLOR", "1");
        let outcome = run(&mut command, LIMIT);
        assert_eq!(outcome.ending, Ending::Exited(0), "{}{}", outcome.stdout, outcome.stderr);
        Some(outcome.stdout)
    }

    fn archive(&self) -> Vec<u8> {
        let names: Vec<String> = (0..self.layers.len()).map(|at| format!("\"{at}.tar\"")).collect();
        let manifest = format!("[{{\"Config\":\"c.json\",\"Layers\":[{}]}}]", names.join(","));
        let mut parts =
            vec![file("manifest.json", 0o644, manifest.as_bytes()), file("c.json", 0o644, self.config().as_bytes())];
        for (at, layer) in self.layers.iter().enumerate() {
            let mut bytes: Vec<u8> = layer.iter().flat_map(Entry::tar).collect();
            if self.is_cut && at + 1 == self.layers.len() {
                bytes.truncate(1000);
            }
            parts.push(file(&format!("{at}.tar"), 0o644, &bytes));
        }
        parts.iter().flat_map(Entry::tar).collect()
    }
}

impl Entry {
    /// `/path (MODE, owner UID) = content`, `/path/ (MODE)`, `/path -> target`
    fn read(line: &str) -> Option<Entry> {
        if let Some((path, target)) = line.split_once(" -> ") {
            return Some(Entry { kind: b'2', link: target.to_owned(), ..file(path, 0o777, b"") });
        }
        let (head, content) =
            line.split_once(" =").map_or((line, None), |(head, content)| (head, Some(content.trim())));
        let (path, rights) = head.split_once(" (").unwrap_or((head, ""));
        let is_program = content.is_some_and(|content| content.contains("build") || content.starts_with('<'));
        let mode = rights
            .get(..4)
            .map_or(if is_program { 0o755 } else { 0o644 }, |mode| u32::from_str_radix(mode, 8).unwrap());
        let owner = rights.split_once("owner ").map_or(0, |(_, owner)| owner.trim_end_matches(')').parse().unwrap());
        let content = match content {
            Some(content) => contents(path, content)?,
            None => Vec::new(),
        };
        let kind = if path.ends_with('/') { b'5' } else { b'0' };
        Some(Entry { kind, owner, ..file(path.trim_end_matches('/'), mode, &content) })
    }

    /// Its header and content in an archive.
    fn tar(&self) -> Vec<u8> {
        let mut block = vec![0u8; 512];
        let name = self.path.trim_start_matches('/').as_bytes();
        block[..name.len()].copy_from_slice(name);
        for (at, number) in [(100, self.mode), (108, self.owner), (116, self.owner)] {
            block[at..at + 8].copy_from_slice(format!("{number:07o}\0").as_bytes());
        }
        block[124..136].copy_from_slice(format!("{:011o}\0", self.content.len()).as_bytes());
        block[148..156].fill(b' ');
        block[156] = self.kind;
        block[157..157 + self.link.len()].copy_from_slice(self.link.as_bytes());
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block.extend_from_slice(&self.content);
        block.resize(block.len().div_ceil(512) * 512, 0);
        block
    }

    /// Into a directory that will be the root.
    fn put(&self, root: &Path) {
        let path = root.join(self.path.trim_start_matches('/'));
        if self.kind == b'5' {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &self.content).unwrap();
        }
        fs::set_permissions(path, fs::Permissions::from_mode(self.mode)).unwrap();
    }
}

/// What is described behind the `=`.
fn contents(path: &str, content: &str) -> Option<Vec<u8>> {
    let size = |content: &str, unit: &str| content.strip_prefix('<')?.strip_suffix(unit)?.trim().parse::<usize>().ok();
    Some(match content {
        "<a program>" => fs::read(GOWARD).unwrap(),
        "<a certificate>" => valid_certificate(),
        "<the first 1000000 bytes of it>" => fs::read(server()).unwrap()[..1_000_000].to_vec(),
        _ if content.starts_with("<the build machine's") => {
            let mut bytes = fs::read(path).ok()?;
            if content.contains("glibc 2.9") {
                older(&mut bytes);
            }
            bytes
        }
        _ if content.ends_with("MB>") => vec![0; size(content, "MB>")? << 20],
        _ if content.ends_with("KB>") => vec![0; size(content, "KB>")? << 10],
        _ if content.contains(" build") => fs::read(built(content)?).unwrap(),
        text => text.replace("\\n", "\n").into_bytes(),
    })
}

/// The program that a command line makes.
fn built(line: &str) -> Option<PathBuf> {
    if let Some((_, change)) = line.split_once("-buildvcs=true") {
        return of_a_repository(!change.is_empty());
    }
    let (line, note) = line.split_once(", ").unwrap_or((line, ""));
    let words = shlex::split(line).unwrap();
    let at = words.iter().position(|word| word.starts_with("go")).unwrap();
    let env: Vec<(&str, &str)> = words[..at].iter().map(|word| word.split_once('=').unwrap()).collect();
    let version = words[at].strip_prefix("go").filter(|version| !version.is_empty());
    let flags: Vec<&str> = words[at + 2..].iter().map(String::as_str).collect();
    let with_c = SMALL.replace("package main\n", "package main\n\nimport \"C\"\n");
    let source = match note {
        "with os/exec" => {
            "package main\n\nimport \"os/exec\"\n\nfunc main() { println(exec.Command(\"true\").Run() != nil) }\n"
        }
        _ if env.contains(&("CGO_ENABLED", "1")) => &with_c,
        _ if flags.iter().any(|flag| flag.contains("-X main.version")) => MAIN,
        _ => SMALL,
    };
    build(version, source, &env, &flags)
}

/// Built in a repository, as it was committed or after a change.
fn of_a_repository(changed: bool) -> Option<PathBuf> {
    let go = go(None)?;
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check").join(format!("repository-{changed}"));
    let scratch = Scratch::new();
    scratch.file("go.mod", "module example.com/vcs\n\ngo 1.25\n", 0o644);
    let main = "package main\n\nfunc main() {}\n";
    scratch.file("main.go", main, 0o644);
    for words in ["init -q", "add .", "commit -qm x"] {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]);
        let outcome = run(git.args(words.split(' ')).current_dir(scratch.path("")), LIMIT);
        assert_eq!(outcome.ending, Ending::Exited(0), "git {words}: {}", outcome.stderr);
    }
    if changed {
        scratch.file("main.go", &main.replace("{}", "{ println(1) }"), 0o644);
    }
    let mut command = Command::new(go);
    command.current_dir(scratch.path("")).env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
    let outcome = run(command.args(["build", "-buildvcs=true", "-o"]).arg(&kept), LIMIT * 3);
    assert_eq!(outcome.ending, Ending::Exited(0), "{}", outcome.stderr);
    Some(kept)
}
