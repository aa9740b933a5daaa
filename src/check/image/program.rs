//! The program itself: whether the kernel will start it, and what its bytes tell of how it was built. Pure.

use super::rights::{Subject, Want, look};
use super::tree::{Content, Entry, Kind, Lost, Resolved, Tree, join, resolve, text};
use crate::buildinfo::{self, BuildInfo};
use crate::check::finding::{Finding, Place};
use crate::check::{support, table};
use crate::elf::{self, Elf};
use crate::exec::{self, There, Trouble};
use crate::goenv;
use object::elf::Machine;

/// What is known of the program, for the rules that follow.
#[derive(Default)]
pub(crate) struct Program {
    /// What it was asked for as.
    pub(crate) path: String,
    pub(crate) way: Option<Resolved>,
    pub(crate) build: Option<BuildInfo>,
    /// It needs no loader.
    pub(crate) is_static: bool,
    /// What its functions use; None where that cannot be told.
    pub(crate) uses: Option<Uses>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) facts: Vec<String>,
}

/// Parts of Go's library that the linker left in: what is not used is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    pub(crate) certificates: bool,
    pub(crate) zones: bool,
    /// The zones are in the program itself.
    pub(crate) embedded_zones: bool,
    pub(crate) temporary: bool,
    pub(crate) home: bool,
    pub(crate) children: bool,
}

const WITHOUT_CGO: &str = "CGO_ENABLED=0 go build …, or a base image with that libc";

/// Names of functions, as they stand in the runtime's table; stripping leaves that in.
const NAMES: [&[u8]; 6] = [
    b"crypto/x509.loadSystemRoots",
    b"time.LoadLocation\0",
    b"time/tzdata.",
    b"os.CreateTemp\0",
    b"os.UserHomeDir\0",
    b"os/exec.(*Cmd).Start\0",
];

/// Looks at it, as this user, for this machine.
pub(crate) fn look_at(
    tree: &dyn Tree,
    path: &str,
    subject: &Subject,
    machine: Option<Machine>,
    env: &[(String, String)],
) -> Program {
    let mut program = Program { path: path.to_owned(), ..Program::default() };
    let way = match resolve(tree, path) {
        Ok(way) => way,
        Err(lost) => {
            program.missing(tree, path, lost);
            return program;
        }
    };
    program.way = Some(way.clone());
    let place = Place { file: path.to_owned(), line: 0, layer: way.entry.layer };
    let unfit = match way.entry.kind {
        Kind::File if way.entry.mode & 0o111 == 0 => Some(format!("no x bit (mode {:04o})", way.entry.mode)),
        Kind::File => None,
        Kind::Directory => Some("a directory, not a program".to_owned()),
        Kind::Link(_) | Kind::Other => Some("not a regular file".to_owned()),
    };
    if let Some(unfit) = unfit {
        let mend = if way.entry.kind == Kind::File {
            "COPY --chmod=0755, or chmod +x in the build stage"
        } else {
            "name the program itself"
        };
        program.say(&table::NOT_EXECUTABLE, &place, unfit, mend);
    } else if let Some((closed, entry)) = subject.stopped_at(&way) {
        let evidence = format!("{} may not look into {closed} ({})", subject.name(), look(entry));
        program.say(&table::USER_MAY_NOT_RUN, &place, evidence, "chmod 0755 that directory");
    } else if !subject.may(Want::Execute, &way.entry) {
        let evidence = format!("{} may not execute it ({})", subject.name(), look(&way.entry));
        program.say(&table::USER_MAY_NOT_RUN, &place, evidence, "COPY --chmod=0755");
    } else if !subject.is_root() && subject.may(Want::Write, &way.entry) {
        let evidence = format!("{} may write to it ({})", subject.name(), look(&way.entry));
        program.say(&table::SELF_WRITABLE, &place, evidence, "leave the program root's: no --chown for it, mode 0755");
    }
    if way.entry.kind != Kind::File {
        return program;
    }
    let Some(content) = tree.open(&way.path) else {
        program.facts.push(format!("{path}: it cannot be read here, and nothing can be told of it"));
        return program;
    };
    program.inside(tree, &place, &*content, &way.entry, machine, env);
    program
}

impl Program {
    fn say(&mut self, rule: &'static table::Rule, place: &Place, evidence: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding::new(rule, place.clone(), evidence, mend));
    }

    fn missing(&mut self, tree: &dyn Tree, path: &str, lost: Lost) {
        let place = Place { file: path.to_owned(), ..Place::default() };
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut elsewhere = None;
        tree.walk(&mut |found, entry| {
            if entry.kind == Kind::File
                && entry.mode & 0o111 != 0
                && found.ends_with(name)
                && found.rsplit('/').next() == Some(name)
            {
                elsewhere = Some(found.to_owned());
            }
        });
        let evidence = match lost {
            Lost::Missing(gone, Some(link)) => format!("{link} is a link to {gone}, which does not exist"),
            Lost::Missing(gone, None) => format!("{gone} does not exist"),
            Lost::NotDirectory(file) => format!("{file} is a file, not a directory"),
            Lost::Circle => "symbolic links that go round in a circle".to_owned(),
        };
        let mend = match elsewhere {
            Some(elsewhere) => format!("there is {elsewhere}: start that, or copy it to {path}"),
            None => format!("COPY --from=build … {path}"),
        };
        self.say(&table::PROGRAM_MISSING, &place, evidence, mend);
    }

    fn inside(
        &mut self,
        tree: &dyn Tree,
        place: &Place,
        content: &dyn Content,
        entry: &Entry,
        machine: Option<Machine>,
        env: &[(String, String)],
    ) {
        let mut head = vec![0; usize::try_from(entry.size.min(exec::HEAD)).unwrap_or_default()];
        if !content.fill(0, &mut head) {
            self.facts.push(format!("{}: it cannot be read here, and nothing can be told of it", self.path));
            return;
        }
        let there = |path: &str| match resolve(tree, path) {
            Err(_) => There::Nothing,
            Ok(found) if found.entry.mode & 0o111 == 0 => There::NotExecutable,
            Ok(_) => There::Something,
        };
        // Of a GOARCH that is not known nobody can say that it is another.
        let read_at = &mut |offset: u64, buffer: &mut [u8]| content.fill(offset, buffer);
        let machine = machine.or_else(|| Some(Elf::read(read_at)?.machine)).unwrap_or(exec::MACHINE);
        let trouble = exec::trouble(&head, entry.size, machine, &there);
        let own = exec::machine_name(machine);
        match &trouble {
            Some(Trouble::OtherMachine(other)) => {
                let other = exec::machine_name(*other);
                let evidence = format!("built for {other}, and the image is for {own}");
                self.say(
                    &table::OTHER_ARCHITECTURE,
                    place,
                    evidence,
                    format!("GOARCH={own} go build …, or docker build --platform linux/{other}"),
                );
            }
            Some(Trouble::LoaderMissing(loader)) => {
                let evidence = format!(
                    "it is linked dynamically against {}, and its loader {loader} is not in the image",
                    exec::libc_of(loader)
                );
                self.say(
                    &table::LOADER_MISSING,
                    place,
                    evidence,
                    "CGO_ENABLED=0 go build …, or a base image with that libc",
                );
            }
            Some(Trouble::Truncated { .. } | Trouble::Damaged(_)) => {
                let evidence = trouble.as_ref().map(ToString::to_string).unwrap_or_default();
                self.say(&table::DAMAGED, place, evidence, "build or copy it again; is a disk full?");
            }
            Some(Trouble::Other(text)) => {
                self.say(&table::NOT_EXECUTABLE, place, text.clone(), "name the program itself, built with GOOS=linux");
            }
            None => {}
        }
        let mut read_at = |offset: u64, buffer: &mut [u8]| content.fill(offset, buffer);
        let Some(elf) = Elf::read(&mut read_at) else { return };
        self.is_static = elf.interpreter(&mut read_at).is_none();
        if trouble.is_none() && !self.is_static {
            self.libraries(tree, place, &elf, content, env);
        }
        self.build = buildinfo::of(&elf, &mut read_at);
        let set = |key: &str, value: &str| self.build.as_ref().is_some_and(|build| build.setting(key) == Some(value));
        if set("CGO_ENABLED", "0") && set("-buildmode", "pie") {
            for finding in self.findings.iter_mut().filter(|finding| finding.mend == WITHOUT_CGO) {
                finding.mend = "go build without -buildmode=pie, which needs a loader even without cgo".to_owned();
            }
        }
        match self.build.clone() {
            Some(build) => {
                self.uses = Some(uses(content, loaded(&elf, entry.size)));
                self.built(place, &elf, &build, content);
            }
            None if matches!(trouble, None | Some(Trouble::OtherMachine(_) | Trouble::LoaderMissing(_))) => {
                self.say(
                    &table::NO_BUILD_INFO,
                    place,
                    "no .go.buildinfo in it, nor in its data",
                    "build it with go build",
                );
            }
            None => {}
        }
    }

    /// The libraries of the program, and of its libraries.
    fn libraries(
        &mut self,
        tree: &dyn Tree,
        place: &Place,
        elf: &Elf,
        content: &dyn Content,
        env: &[(String, String)],
    ) {
        let mut read_at = |offset: u64, buffer: &mut [u8]| content.fill(offset, buffer);
        let (mut open, own) = elf.libraries(&mut read_at);
        let directory = self.path.rsplit_once('/').map(|(directory, _)| directory.to_owned()).unwrap_or_default();
        let mut places: Vec<String> =
            own.iter().map(|path| path.replace("$ORIGIN", &directory).replace("${ORIGIN}", &directory)).collect();
        let preload = env.iter().find(|(name, _)| name == "LD_LIBRARY_PATH");
        places.extend(preload.iter().flat_map(|(_, value)| value.split(':').map(str::to_owned)));
        places.extend(configured(tree));
        let mut seen: Vec<String> = Vec::new();
        while let Some(name) = open.pop() {
            if seen.contains(&name) || seen.len() > 100 {
                continue;
            }
            seen.push(name.clone());
            let candidates = places.iter().map(|place| join(place, &name));
            let found = if name.contains('/') {
                resolve(tree, &name).ok()
            } else {
                candidates.filter_map(|path| resolve(tree, &path).ok()).next()
            };
            let Some(found) = found else {
                let evidence = format!("{name} is in none of the loader's directories");
                self.say(
                    &table::LIBRARY_MISSING,
                    place,
                    evidence,
                    "CGO_ENABLED=0 go build …, or install that library in the image",
                );
                continue;
            };
            if let Some(library) = tree.open(&found.path).filter(|_| found.entry.kind == Kind::File) {
                let mut read_at = |offset: u64, buffer: &mut [u8]| library.fill(offset, buffer);
                if let Some(elf) = Elf::read(&mut read_at) {
                    let (more, _) = elf.libraries(&mut read_at);
                    open.extend(more);
                }
            }
        }
    }

    fn built(&mut self, place: &Place, elf: &Elf, build: &BuildInfo, content: &dyn Content) {
        let stripped = elf.section(".symtab").is_none();
        let setting = |key: &str| build.setting(key);
        let trimmed = setting("-trimpath") == Some("true");
        let minor = support::go_minor(&build.go);
        if let Some(minor) = minor.filter(|minor| !support::go_is_supported(*minor)) {
            let (old, new, date) = (support::GO_OLDEST, support::GO_NEWEST, support::AS_OF);
            let evidence = format!("{}; as of {date} Go 1.{old} and 1.{new} are supported", build.go);
            let mend = format!("build it with Go 1.{new}, 1.{minor} gets no fixes");
            self.say(&table::GO_UNSUPPORTED, place, evidence, mend);
        }
        if !stripped {
            self.say(&table::NOT_STRIPPED, place, "it has .symtab", "go build -ldflags=\"-s -w\"");
        }
        let stamp = version(build, elf, content, stripped);
        if stamp == Some(None) {
            let evidence = "no -X in its -ldflags, and its module has no version";
            self.say(&table::NO_VERSION, place, evidence, "go build -ldflags=\"-X main.version=1.2.3\"");
        }
        // Before 1.18 nothing was said of how it was built.
        if !trimmed && !build.settings.is_empty() {
            self.say(&table::BUILD_PATHS, place, "it was built without -trimpath", "go build -trimpath");
        }
        if setting("vcs.modified") == Some("true") {
            let revision = setting("vcs.revision").unwrap_or("a commit");
            let evidence = format!("vcs.modified=true, after {revision}");
            self.say(
                &table::MODIFIED_SOURCE,
                place,
                evidence,
                "commit before the build, or leave .git out of the context and stamp the version",
            );
        }
        let unoptimized = setting("-gcflags").is_some_and(|flags| flags.contains("-N"));
        if setting("-race") == Some("true") || unoptimized {
            let evidence = if unoptimized { "-gcflags has -N: the optimizer is off" } else { "-race=true" };
            self.say(&table::DEBUG_BUILD, place, evidence, "go build without -race and without -gcflags=-N");
        }
        if goenv::needs_gomaxprocs(build) {
            let evidence = format!("{} takes the machine's CPUs for the container's", build.go);
            let mend = "Go 1.25 and a go line of 1.25 in go.mod; or goward --go-env, which sets GOMAXPROCS";
            self.say(&table::NEEDS_GOMAXPROCS, place, evidence, mend);
        }
        let mut fact = format!("{}: {}", self.path, build.go);
        let mut add = |text: &str| {
            fact.push_str(", ");
            fact.push_str(text);
        };
        if let Some(name) = build.module.as_deref().or(build.path.as_deref()) {
            add(name);
        }
        match stamp {
            Some(Some(version)) => add(&["version ", &version].concat()),
            Some(None) => add("no version"),
            None => add("whether it has a version cannot be told (-trimpath leaves no -ldflags)"),
        }
        add(if self.is_static { "static" } else { "dynamic" });
        add(if stripped { "stripped" } else { "not stripped" });
        for key in ["CGO_ENABLED", "-tags", "vcs.revision"] {
            if let Some(value) = setting(key) {
                add(&[key, "=", value].concat());
            }
        }
        if trimmed {
            add("-trimpath");
        }
        add(&exec::machine_name(elf.machine));
        self.facts.push(fact);
        let procs = if goenv::needs_gomaxprocs(build) { "GOMAXPROCS from the CPU quota, " } else { "" };
        self.facts
            .push(format!("goward --go-env would set {procs}GOMEMLIMIT to 90 % of the memory limit, GOTRACEBACK=all"));
    }
}

/// Where the loader looks: ld.so.conf and its like, then its own directories.
fn configured(tree: &dyn Tree) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    let mut files = vec!["/etc/ld.so.conf".to_owned()];
    tree.walk(&mut |path, _| {
        if path.starts_with("/etc/ld.so.conf.d/") || path.starts_with("/etc/ld-musl-") {
            files.push(path.to_owned());
        }
    });
    for file in files {
        let text = text(tree, &file);
        places.extend(text.split(['\n', ':']).map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned));
    }
    let machine = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    for directory in ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"] {
        places.push(directory.to_owned());
        places.extend(machine.iter().map(|machine| join(directory, machine)));
    }
    places
}

/// The version that was stamped: Some(None) where surely none was, None where that cannot be told.
fn version(build: &BuildInfo, elf: &Elf, content: &dyn Content, stripped: bool) -> Option<Option<String>> {
    let is_version = |name: &str| name.to_ascii_lowercase().contains("version");
    let stamps = build.stamps();
    if let Some((_, value)) = stamps.iter().find(|(name, _)| is_version(name)).or(stamps.first()) {
        return Some(Some((*value).to_owned()));
    }
    if let Some(version) = build.version.as_deref().filter(|version| *version != "(devel)") {
        return Some(Some(version.to_owned()));
    }
    if !stripped {
        return Some(symbol(elf, content));
    }
    // -trimpath leaves -ldflags out of the build information; before 1.18 there was none.
    let told = build.setting("-trimpath") != Some("true") && !build.settings.is_empty();
    told.then_some(None)
}

/// `main.version.str`, which the linker makes for -X.
fn symbol(elf: &Elf, content: &dyn Content) -> Option<String> {
    let mut read_at = |offset: u64, buffer: &mut [u8]| content.fill(offset, buffer);
    let table = elf.section(".symtab")?;
    let names = elf.sections.get(table.link)?;
    let names = elf::beginning(&mut read_at, names.offset, names.size, 64 << 20)?;
    let width = if elf.wide { 24 } else { 16 };
    let entries = elf::beginning(&mut read_at, table.offset, table.size, 64 << 20)?;
    for entry in entries.chunks_exact(width) {
        let start = usize::try_from(elf.number(entry.get(..4)?)).ok()?;
        let rest = names.get(start..).unwrap_or_default();
        if !rest.starts_with(b"main.") {
            continue;
        }
        let name = elf::text(rest, 0);
        if !name.ends_with(".str") || !name.to_ascii_lowercase().contains("version") {
            continue;
        }
        let (value, size) = if elf.wide { (8..16, 16..24) } else { (4..8, 8..12) };
        let offset = elf.offset_of(elf.number(entry.get(value)?))?;
        let text = elf::beginning(&mut read_at, offset, elf.number(entry.get(size)?), 256)?;
        return Some(elf::text(&text, 0));
    }
    None
}

/// Where what is loaded ends: a sparse file may go on for a terabyte.
fn loaded(elf: &Elf, size: u64) -> u64 {
    let ends = elf.segments.iter().map(|segment| segment.offset.saturating_add(segment.size));
    ends.max().unwrap_or_default().min(size).min(1 << 30)
}

/// Looks for the names of functions, a piece at a time.
fn uses(content: &dyn Content, size: u64) -> Uses {
    const PIECE: u64 = 1 << 20;
    const OVERLAP: u64 = 64;
    let mut found = [false; NAMES.len()];
    let mut at = 0;
    while at < size {
        let length = usize::try_from(PIECE.min(size - at)).unwrap_or_default();
        let mut piece = vec![0; length];
        if !content.fill(at, &mut piece) {
            break;
        }
        for (name, found) in NAMES.iter().zip(&mut found) {
            *found = *found || memchr::memmem::find(&piece, name).is_some();
        }
        at += if at + PIECE < size { PIECE - OVERLAP } else { PIECE };
    }
    let [certificates, zones, embedded_zones, temporary, home, children] = found;
    Uses { certificates, zones, embedded_zones, temporary, home, children }
}
