//! The documentation: what its commands do when they are typed as they stand there, whether its Dockerfiles are good, its links
//! lead somewhere, and its manifests are what the platforms read.
//!
//! A block of commands (`sh`) in README.md and docs/jobs is run, page by page, in an empty folder with goward and examples/ in it;
//! or it says above itself why not: `<!-- not run: WHY -->`. What was not run is counted. `<!-- file: NAME -->` writes a block to
//! a file of that folder. Other pages show what things look like; their blocks are counted too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Ending, GOWARD, LIMIT, Outcome, Scratch, requires, requires_root, run, skipped};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// A page builds a server or two, and rehearses them.
const PAGE: Duration = Duration::from_secs(300);

fn root(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

/// All pages, by their path in the repository.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/jobs", "docs/findings"] {
        for entry in fs::read_dir(root(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                pages.push(format!("{folder}/{name}"));
            }
        }
    }
    pages.sort();
    pages
}

/// Pages whose commands are run.
fn is_by_job(page: &str) -> bool {
    page == "README.md" || page.starts_with("docs/jobs/")
}

/// A fenced block, and the comment above it.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
    line: usize,
    comment: Option<String>,
}

impl Block {
    fn said(&self, what: &str) -> Option<&str> {
        self.comment.as_deref()?.strip_prefix(what).map(str::trim)
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(root(page)).unwrap();
    let (mut blocks, mut open, mut comment) = (Vec::new(), None::<Block>, None);
    for (line, number) in text.lines().zip(1..) {
        match (open.as_mut(), line.trim_start().strip_prefix("```")) {
            (Some(block), None) => block.text += &format!("{line}\n"),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(language)) => {
                let comment = comment.take();
                open = Some(Block { language: language.to_owned(), text: String::new(), line: number, comment });
            }
            (None, None) => {
                let inner = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
                comment = inner.map(str::to_owned);
            }
        }
    }
    assert!(open.is_none(), "{page}: a block has no end");
    blocks
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let (mut ran, mut not_run, mut shown) = (0, 0, 0);
    for page in pages() {
        for block in blocks(&page) {
            let place = format!("{page}:{}", block.line);
            match (is_by_job(&page), block.language == "sh", block.said("not run:")) {
                (true, _, Some(why)) => {
                    assert!(!why.is_empty(), "{place}");
                    not_run += 1;
                }
                (true, true, None) => ran += 1,
                (true, false, None) => {
                    let known = ["console", "dockerfile", "text", "yaml"];
                    assert!(known.contains(&block.language.as_str()), "{place}: a block without a language");
                    shown += 1;
                }
                // Pages that explain: what their commands do is held by the suites of those commands.
                (false, _, _) => shown += 1,
            }
        }
    }
    println!("blocks of commands: {ran} run, {not_run} not run (each says why); {shown} others are shown");
    assert!(ran >= 12, "{ran}");
}

/// A folder in which a page's commands are run: goward, examples and tests/dumps are there, and a network of its own.
struct Folder {
    scratch: Scratch,
    go: PathBuf,
}

impl Folder {
    fn new(go: &Path) -> Folder {
        let scratch = Scratch::new();
        fs::copy(GOWARD, scratch.path("goward")).unwrap();
        // Whoever tries a page does so in a clone, and a build there leaves out what this says.
        fs::copy(root(".dockerignore"), scratch.path(".dockerignore")).unwrap();
        // As in a release. With its symbols an image would be twenty times as large.
        if requires("strip") {
            assert!(Command::new("strip").arg(scratch.path("goward")).status().unwrap().success());
        }
        symlink(root("examples"), scratch.path("examples")).unwrap();
        symlink(root("tests"), scratch.path("tests")).unwrap();
        Folder { scratch, go: go.to_owned() }
    }

    fn run(&self, script: &str) -> Outcome {
        let path = format!("{}:{}", self.go.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up; exec sh -eux -c \"$PAGE\""]).env("PAGE", script);
        command.current_dir(self.scratch.path(".")).env_remove("PORT").stdin(Stdio::null());
        command.env("PATH", path).env("GOTOOLCHAIN", "local").env("GOFLAGS", "-buildvcs=false");
        run(&mut command, PAGE)
    }
}

#[test]
fn the_commands_of_the_pages_do_what_they_say() {
    if !(requires_root() && requires("unshare") && requires("ip") && requires("docker")) {
        return;
    }
    let found = run(Command::new(root("tests/tools.sh")).arg("go"), PAGE);
    if found.ending != Ending::Exited(0) {
        skipped("no Go toolchain: tests/tools.sh go");
        return;
    }
    for page in pages().iter().filter(|page| is_by_job(page)) {
        let folder = Folder::new(Path::new(found.stdout.trim()));
        let mut script = String::new();
        for block in blocks(page).iter().filter(|block| block.said("not run:").is_none()) {
            if let Some(name) = block.said("file:") {
                fs::write(folder.scratch.path(name), &block.text).unwrap();
            }
            if block.language == "sh" {
                script.push_str(&block.text);
            }
        }
        if script.is_empty() {
            continue;
        }
        let outcome = folder.run(&script);
        let names = script.split("--name ").skip(1).filter_map(|rest| rest.split_whitespace().next());
        for name in names {
            run(Command::new("docker").args(["rm", "-f", name]), LIMIT);
        }
        assert_eq!(outcome.ending, Ending::Exited(0), "{page}\n{}\n{}", outcome.stdout, outcome.stderr);
    }
}

#[test]
fn the_dockerfiles_of_the_pages_have_no_faults() {
    let mut checked = 0;
    for page in pages().iter().filter(|page| is_by_job(page)) {
        for block in blocks(page).iter().filter(|block| block.language == "dockerfile" && block.text.contains("FROM "))
        {
            let scratch = Scratch::new();
            fs::write(scratch.path("Dockerfile"), &block.text).unwrap();
            let outcome = run(Command::new(GOWARD).arg("check").arg(scratch.path("Dockerfile")), LIMIT);
            assert_eq!(outcome.ending, Ending::Exited(0), "{page}:{}\n{}", block.line, outcome.stdout);
            checked += 1;
        }
    }
    assert!(checked >= 4, "{checked}");
}

/// The targets of Markdown's links, without those of code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        in_block ^= line.trim_start().starts_with("```");
        // What is between backquotes is no link.
        for part in line.split('`').step_by(2).filter(|_| !in_block) {
            for rest in part.split("](").skip(1) {
                links.extend(rest.split(')').next().map(str::to_owned));
            }
        }
        // A link whose words are code.
        if !in_block {
            links.extend(line.split("`](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned));
        }
    }
    links
}

/// As GitHub and mdbook make it of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for page in pages() {
        let here = root(&page);
        for link in links(&fs::read_to_string(&here).unwrap()).iter().filter(|link| !link.contains("://")) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { here.clone() } else { here.parent().unwrap().join(file) };
            assert!(target.exists(), "{page}: {link} leads nowhere");
            if !place.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let found = text.lines().any(|line| line.starts_with('#') && anchor(line) == place);
                assert!(found, "{page}: {link}: there is no such heading");
            }
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn the_book_has_every_page_once() {
    let listed = links(&fs::read_to_string(root("docs/SUMMARY.md")).unwrap());
    for page in pages().iter().filter_map(|page| page.strip_prefix("docs/")).filter(|page| *page != "SUMMARY.md") {
        let count = listed.iter().filter(|link| *link == page).count();
        assert_eq!(count, 1, "docs/SUMMARY.md: {page}");
    }
}

/// README is what a stranger reads first; its picture is made of what goward has printed.
#[test]
fn the_readme_is_short_and_its_picture_is_current() {
    let readme = fs::read_to_string(root("README.md")).unwrap();
    assert!(readme.lines().count() < 120, "{} lines", readme.lines().count());
    if !requires("python3") {
        return;
    }
    let made = run(Command::new("python3").arg("docs/picture.py").current_dir(ROOT), LIMIT);
    assert_eq!(made.ending, Ending::Exited(0), "{made:?}");
    assert!(made.stdout == fs::read_to_string(root("docs/picture.svg")).unwrap(), "docs/picture.py > docs/picture.svg");
}

/// Without its numbers and folders: pids, addresses, versions and the place of the source differ.
fn without_numbers(text: &str) -> String {
    let mut shape = String::new();
    for word in text.split_whitespace() {
        let digits = word.starts_with("0x") || word.starts_with("go1.");
        let file = word.rsplit('/').next().unwrap_or(word);
        shape.push_str(if digits { "#" } else { file });
        shape.push(' ');
    }
    shape.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[test]
fn the_picture_shows_what_goward_prints() {
    let found = run(Command::new(root("tests/tools.sh")).arg("go"), PAGE);
    if !requires_root() || !requires("ip") || found.ending != Ending::Exited(0) {
        skipped("no Go toolchain, or no root");
        return;
    }
    let script = "CGO_ENABLED=0 go build -C examples/servers -o \"$PWD/leak\" ./leak
        LEAK=1000 ./goward -q -- ./leak >/dev/null 2>&1 & sleep 2
        kill $!; sleep 0.5; ./goward dump --init $!; wait $! || true";
    let outcome = Folder::new(Path::new(found.stdout.trim())).run(script);
    let shown = fs::read_to_string(root("docs/picture.txt")).unwrap();
    let shown = shown.strip_prefix("$ docker exec server /goward dump\n").unwrap();
    assert_eq!(without_numbers(&outcome.stdout), without_numbers(shown), "{outcome:?}");
}

/// As far as schemas go: a field that Kubernetes does not know is refused here, and would be dropped in silence there.
#[test]
fn the_manifests_are_what_kubernetes_reads() {
    let found = run(Command::new(root("tests/tools.sh")).arg("kubernetes"), LIMIT * 6);
    if found.ending != Ending::Exited(0) {
        skipped("no kubernetes-validate");
        return;
    }
    let validate = |file: &Path| {
        let program = "import sys, yaml, kubernetes_validate as k\n\
                       for d in yaml.safe_load_all(open(sys.argv[1])): k.validate(d, '1.34', strict=True)";
        let mut python = Command::new("python3");
        run(python.args(["-c", program]).arg(file).env("PYTHONPATH", found.stdout.trim()), LIMIT)
    };
    let scratch = Scratch::new();
    let applied = scratch.path("applied.yaml");
    fs::write(&applied, kustomized()).unwrap();
    let rendered = scratch.path("rendered.yaml");
    fs::write(&rendered, rendered_by_helm()).unwrap();
    let examples = [root("examples/kubernetes.yaml"), root("examples/kustomize/deployment.yaml")];
    for file in examples.into_iter().chain([applied, rendered]) {
        let outcome = validate(&file);
        assert_eq!(outcome.ending, Ending::Exited(0), "{}: {outcome:?}", file.display());
    }
    let wrong = scratch.path("wrong.yaml");
    let manifest = fs::read_to_string(root("examples/kubernetes.yaml")).unwrap();
    fs::write(&wrong, manifest.replace("terminationGracePeriodSeconds", "terminationGraceSeconds")).unwrap();
    assert_eq!(validate(&wrong).ending, Ending::Exited(1), "an unknown field");
}

/// The template of docs/jobs/kubernetes.md, with values, in a deployment.
fn rendered_by_helm() -> String {
    let page = blocks("docs/jobs/kubernetes.md");
    let template = page.iter().rfind(|block| block.language == "yaml").unwrap();
    let values = [
        ("{{ .Values.gracePeriod | default 30 }}", "30"),
        ("{{ .Values.gracePeriod | default 30 | quote }}", "\"30\""),
        ("{{ .Values.goward.image | quote }}", "\"registry.example/goward:1\""),
        ("spec:\n  template:", "spec:\n  selector: {matchLabels: {app: server}}\n  template:"),
    ];
    let text = values.iter().fold(template.text.clone(), |text, (name, value)| text.replace(name, value));
    assert!(!text.contains("{{") && text.contains("selector"), "{text}");
    format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: server}}\n{text}")
}

/// The deployment of examples/kustomize with the component's patch in it, merged as kustomize does: maps by key, lists by name.
fn kustomized() -> String {
    let outcome =
        run(Command::new("python3").arg(root("tests/docs/kustomize.py")).arg(root("examples/kustomize")), LIMIT);
    assert_eq!(outcome.ending, Ending::Exited(0), "{outcome:?}");
    outcome.stdout
}
