//! The program itself: whether the kernel will start it, and what its bytes tell of how it was built. Pure.

use super::libraries::{self, Troubles};
use super::rights::{Subject, Want, look};
use super::tree::{Content, Kind, Lost, Resolved, Tree, resolve};
use super::version;
use crate::buildinfo::{self, BuildInfo};
use crate::check::finding::{Finding, Place};
use crate::check::{support, table};
use crate::elf::Elf;
use crate::exec::{self, There, Trouble};
use crate::goenv;
use object::elf::{self, Machine};

/// How it will be started.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    /// None where it is not known, or of a GOARCH that is not.
    pub(crate) machine: Option<Machine>,
    pub(crate) env: &'a [(String, String)],
    /// By `goward --go-env`.
    pub(crate) go_env: bool,
}

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
    /// Of every server of net/http too, though it verifies nobody.
    pub(crate) certificates: bool,
    /// What makes TLS connections of its own: net/http's client, tls.Dial, or somebody who asks for the system's certificates.
    pub(crate) tls_client: bool,
    /// Certificates in the program itself, for where the system has none.
    pub(crate) embedded_certificates: bool,
    pub(crate) zones: bool,
    /// The zones are in the program itself.
    pub(crate) embedded_zones: bool,
    pub(crate) temporary: bool,
    pub(crate) home: bool,
    pub(crate) children: bool,
}

const WITHOUT_CGO: &str = "CGO_ENABLED=0 go build …, or a base image with that libc";

/// What a processor must have for these; v1 is any of amd64.
const LEVELS: [(&str, &str); 3] = [("v2", "SSE4.2"), ("v3", "AVX2"), ("v4", "AVX-512")];

/// Names of functions, as they stand in the runtime's table; stripping leaves that in.
const NAMES: [&[u8]; 10] = [
    b"crypto/x509.loadSystemRoots\0",
    b"net/http.(*Transport).dialConn\0",
    b"crypto/tls.dial\0",
    b"crypto/x509.SystemCertPool\0",
    b"crypto/x509.SetFallbackRoots\0",
    b"time.LoadLocation\0",
    b"time/tzdata.",
    b"os.CreateTemp\0",
    b"os.UserHomeDir\0",
    b"os/exec.(*Cmd).Start\0",
];

/// Looks at it, as this user.
pub(crate) fn look_at(tree: &dyn Tree, path: &str, subject: &Subject, start: Start<'_>) -> Program {
    let mut program = Program { path: path.to_owned(), ..Program::default() };
    let way = match resolve(tree, path) {
        Ok(way) => way,
        Err(lost) => {
            program.missing(tree, path, lost);
            return program;
        }
    };
    program.way = Some(way.clone());
    let place = Place { file: path.to_owned(), layer: way.entry.layer, ..Place::default() };
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
        let evidence = format!("{} may not enter {closed} ({})", subject.name(), look(entry));
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
    program.inside(tree, &place, &*content, &way, subject, start);
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
        tree.walk("/", &mut |found, entry| {
            if entry.kind == Kind::File
                && entry.mode & 0o111 != 0
                && found.ends_with(name)
                && found.rsplit('/').next() == Some(name)
            {
                elsewhere = Some(found.to_owned());
            }
        });
        let evidence = match lost {
            Lost::Missing(gone, Some(link)) => match tree.entry(&link).map(|entry| entry.kind) {
                Some(Kind::Link(target)) if target != gone => {
                    format!("{link} is a link to {target}, and {gone} does not exist")
                }
                Some(_) | None => format!("{link} is a link to {gone}, which does not exist"),
            },
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
        way: &Resolved,
        subject: &Subject,
        start: Start<'_>,
    ) {
        let entry = &way.entry;
        let mut read_at = |offset: u64, buffer: &mut [u8]| content.fill(offset, buffer);
        let Some(head) = exec::head(entry.size, &mut read_at) else {
            self.facts.push(format!("{}: it cannot be read here, and nothing can be told of it", self.path));
            return;
        };
        let there = |path: &str| match resolve(tree, path) {
            Err(_) => There::Nothing,
            Ok(found) if subject.stopped_at(&found).is_some() || !subject.may(Want::Execute, &found.entry) => {
                There::NotExecutable
            }
            Ok(_) => There::Something,
        };
        let machine = match (start.machine, exec::machine_in(&head)) {
            // Kernels of amd64 run these too.
            (Some(elf::EM_X86_64), Some(elf::EM_386)) => elf::EM_386,
            // Where it is not known for which it should be, nobody can say that it is for another.
            (known, own) => known.or(own).unwrap_or(exec::MACHINE),
        };
        let trouble = exec::trouble(&head, entry.size, &mut read_at, machine, &there);
        if let Some(trouble) = &trouble {
            self.refused(place, trouble, machine);
        } else if let Some(name) = exec::asked_of_env(&head)
            && resolve(tree, &super::path_of(tree, &name, start.env, "/")).is_err()
        {
            let evidence = format!("a script for {name}, which is in no directory of the image's PATH");
            self.say(&table::NOT_EXECUTABLE, place, evidence, "start the server itself, or use a base image with it");
        }
        let Some(elf) = Elf::read(&mut read_at) else { return };
        let loader = elf.interpreter(&mut read_at);
        self.is_static = loader.is_none();
        if let Some(loader) = loader.flatten().filter(|_| trouble.is_none()) {
            if let Some(other) = machine_of(tree, &loader).filter(|other| *other != elf.machine) {
                let evidence = format!("its loader {loader} is built for {}", exec::machine_name(other));
                self.say(&table::LOADER_MISSING, place, evidence, WITHOUT_CGO);
            }
            self.linked(place, &libraries::troubles(tree, subject, way, &elf, content, start.env));
        }
        self.build = buildinfo::of(&elf, &mut read_at);
        match self.build.clone() {
            Some(build) => {
                self.uses = Some(uses(content, loaded(&elf, entry.size)));
                self.built(place, &elf, &build, content, start);
            }
            None if matches!(trouble, None | Some(Trouble::OtherMachine(_) | Trouble::LoaderMissing(_))) => {
                let evidence = "no .go.buildinfo in it, nor in its data";
                self.say(&table::NO_BUILD_INFO, place, evidence, "build it with go build");
            }
            None => {}
        }
    }

    /// What its loader would not find.
    fn linked(&mut self, place: &Place, troubles: &Troubles) {
        for evidence in &troubles.missing {
            let mend = "CGO_ENABLED=0 go build …, or install that library in the image";
            self.say(&table::LIBRARY_MISSING, place, evidence.clone(), mend);
        }
        if let Some(evidence) = &troubles.glibc {
            let mend = "CGO_ENABLED=0 go build …, or build it on the distribution of the final stage";
            self.say(&table::LIBC_TOO_OLD, place, evidence.clone(), mend);
        }
    }

    /// Why the kernel would not start it.
    fn refused(&mut self, place: &Place, trouble: &Trouble, machine: Machine) {
        match trouble {
            Trouble::OtherMachine(other) => {
                let (other, own) = (exec::machine_name(*other), exec::machine_name(machine));
                let evidence = format!("built for {other}, and the image is for {own}");
                let mend = format!("GOARCH={own} go build …, or docker build --platform linux/{other}");
                self.say(&table::OTHER_ARCHITECTURE, place, evidence, mend);
            }
            Trouble::LoaderMissing(loader) => {
                let libc = exec::libc_of(loader);
                let evidence =
                    format!("it is linked dynamically against {libc}, and its loader {loader} is not in the image");
                self.say(&table::LOADER_MISSING, place, evidence, WITHOUT_CGO);
            }
            Trouble::Truncated { .. } | Trouble::Damaged(_) => {
                self.say(&table::DAMAGED, place, trouble.to_string(), "build or copy it again; is a disk full?");
            }
            Trouble::Other(text, mend) => self.say(&table::NOT_EXECUTABLE, place, text.clone(), *mend),
        }
    }

    /// What its build information tells.
    fn built(&mut self, place: &Place, elf: &Elf, build: &BuildInfo, content: &dyn Content, start: Start<'_>) {
        if build.setting("CGO_ENABLED") == Some("0") && build.setting("-buildmode") == Some("pie") {
            for finding in self.findings.iter_mut().filter(|finding| finding.mend == WITHOUT_CGO) {
                finding.mend = "go build without -buildmode=pie, which needs a loader even without cgo".to_owned();
            }
        }
        let stripped = elf.section(".symtab").is_none();
        if !stripped {
            self.say(&table::NOT_STRIPPED, place, "it has .symtab", "go build -ldflags=\"-s -w\"");
        }
        let stamp = version::stamped(build, elf, content, stripped);
        if stamp == Some(None) {
            let evidence = "no -X of a version or commit in its -ldflags, and its module has no version";
            self.say(&table::NO_VERSION, place, evidence, "go build -ldflags=\"-X main.version=1.2.3\"");
        }
        self.settings(place, build);
        let is_set = |name: &str| start.env.iter().any(|(known, value)| known == name && !value.is_empty());
        let procs = goenv::needs_gomaxprocs(build) && !is_set("GOMAXPROCS");
        if procs && !start.go_env {
            let evidence = format!("{} takes the machine's CPUs for the container's", build.go);
            let mend = "Go 1.25 and a go line of 1.25 in go.mod; or goward --go-env, which sets GOMAXPROCS";
            self.say(&table::NEEDS_GOMAXPROCS, place, evidence, mend);
        }
        self.facts.push(self.described(elf, build, stamp, stripped));
        let sets: Vec<&str> = [
            (procs, "GOMAXPROCS from the CPU quota"),
            (!is_set("GOMEMLIMIT"), "GOMEMLIMIT to 90 % of the memory limit"),
            (!is_set("GOTRACEBACK"), "GOTRACEBACK=all"),
        ]
        .into_iter()
        .filter_map(|(needed, what)| needed.then_some(what))
        .collect();
        if !sets.is_empty() {
            let would = if start.go_env { "sets" } else { "would set" };
            self.facts.push(format!("goward --go-env {would} {}", sets.join(", ")));
        }
    }

    /// What is wrong with the version of Go and the flags that it was built with.
    fn settings(&mut self, place: &Place, build: &BuildInfo) {
        let setting = |key: &str| build.setting(key);
        let minor = support::go_minor(&build.go);
        if let Some(minor) = minor.filter(|minor| !support::go_is_supported(*minor)) {
            let (old, new, date) = (support::GO_OLDEST, support::GO_NEWEST, support::AS_OF);
            let evidence = format!("{}; as of {date} Go 1.{old} and 1.{new} are supported", build.go);
            let mend = format!("build it with Go 1.{new}, 1.{minor} gets no fixes");
            self.say(&table::GO_UNSUPPORTED, place, evidence, mend);
        }
        // Before 1.18 nothing was said of how it was built.
        if setting("-trimpath") != Some("true") && !build.settings.is_empty() {
            self.say(&table::BUILD_PATHS, place, "it was built without -trimpath", "go build -trimpath");
        }
        if setting("vcs.modified") == Some("true") {
            let evidence = format!("vcs.modified=true, after {}", setting("vcs.revision").unwrap_or("a commit"));
            let mend = "commit before the build, or leave .git out of the context and stamp the version";
            self.say(&table::MODIFIED_SOURCE, place, evidence, mend);
        }
        let level = setting("GOAMD64").and_then(|level| LEVELS.iter().find(|(known, _)| *known == level));
        if let Some((level, needs)) = level {
            let evidence = format!("GOAMD64={level}: it ends at once where the processor has no {needs}");
            let mend = "GOAMD64=v1, unless all machines are known to be newer";
            self.say(&table::NEWER_PROCESSOR, place, evidence, mend);
        }
        let unoptimized = setting("-gcflags").is_some_and(|flags| flags.contains("-N"));
        if setting("-race") == Some("true") || unoptimized {
            let evidence = if unoptimized { "-gcflags has -N: the optimizer is off" } else { "-race=true" };
            self.say(&table::DEBUG_BUILD, place, evidence, "go build without -race and without -gcflags=-N");
        }
    }

    /// What it is, in one line.
    fn described(&self, elf: &Elf, build: &BuildInfo, stamp: Option<Option<String>>, stripped: bool) -> String {
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
            if let Some(value) = build.setting(key) {
                add(&[key, "=", value].concat());
            }
        }
        if build.setting("-trimpath") == Some("true") {
            add("-trimpath");
        }
        add(&exec::machine_name(elf.machine));
        fact
    }
}

/// For which machine a file of the image is built.
fn machine_of(tree: &dyn Tree, path: &str) -> Option<Machine> {
    let way = resolve(tree, path).ok().filter(|way| way.entry.kind == Kind::File)?;
    let content = tree.open(&way.path)?;
    Some(Elf::read(&mut |offset, buffer| content.fill(offset, buffer))?.machine)
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
    let [certificates, transport, dial, pool, embedded_certificates, zones, embedded_zones, temporary, home, children] =
        found;
    let tls_client = transport || dial || pool;
    Uses { certificates, tls_client, embedded_certificates, zones, embedded_zones, temporary, home, children }
}
