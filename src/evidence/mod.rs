//! A process's goroutines as they are now: its memory opened, or the reason why it cannot be; read, grouped and diagnosed.
//! Never in PID 1 itself: a parser, and a file that may hang, belong into a process that can be ended.

mod access;
mod process_tree;

use access::refusal;
pub use access::{Access, Unreadable};
pub use process_tree::ProcessTree;

use crate::goroutines::{self, Finding, Frame, Group, Summary, diagnose, waits_for_child};
use crate::live::{self, Core, Program, Proof, Source};
use crate::sys::{clock, file};
use std::path::{Path, PathBuf};

/// The goroutines of a process, and what is to be said of them.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// In groups.
    pub summary: Summary,
    /// What holds up a shutdown.
    pub findings: Vec<Finding>,
    /// What does not fit, in a sentence.
    pub notes: Vec<String>,
    /// The program waits for what it has started.
    pub waits: bool,
}

impl Evidence {
    /// Leaves only the groups that have this text in their state, a function or a file. Of the others nothing is said.
    pub fn only(&mut self, text: &str) {
        let has = |frame: &Frame| frame.function.contains(text) || frame.file.contains(text);
        let is_wanted =
            |group: &Group| group.state.contains(text) || group.frames.iter().chain(&group.creator).any(has);
        self.summary.groups.retain(is_wanted);
        let count = |system: bool| -> u64 {
            self.summary.groups.iter().filter(|group| group.system == system).map(|group| group.count).sum()
        };
        (self.summary.user, self.summary.system, self.summary.ungrouped) = (count(false), count(true), 0);
        self.findings.clear();
    }
}

impl Access {
    /// Reads what is needed to see goroutines, and does with it what is to be done.
    ///
    /// # Errors
    /// A sentence: it is no Go program, it is not understood, or its memory can no longer be read.
    pub fn look<T>(&self, work: impl FnOnce(&Program<'_>) -> Result<T, String>) -> Result<T, String> {
        let (mut work, mut done) = (Some(work), None);
        self.look_with(&mut |program| {
            if let Some(work) = work.take() {
                done = Some(work(program));
            }
        })?;
        // What does not fit is no fault of a program that has ended meanwhile.
        done.unwrap_or_else(|| Err(GONE.to_owned())).map_err(|why| self.told(why))
    }

    fn told(&self, why: String) -> String {
        if self.is_there() { why } else { GONE.to_owned() }
    }

    /// Whether the process still runs the program that it ran when it was opened.
    fn is_there(&self) -> bool {
        file::read_some_at(&self.maps, &mut [0], 0).is_ok_and(|read| read > 0)
    }

    /// The same once for all kinds of work.
    fn look_with(&self, work: &mut dyn FnMut(&Program<'_>)) -> Result<(), String> {
        let maps = file::read_all(&self.maps, MOST_MAPS)
            .map_err(|errno| format!("its maps cannot be read: {}", errno.desc()))?;
        let maps = live::parse_maps(&maps);
        if maps.is_empty() {
            return Err(GONE.to_owned());
        }
        let memory = |address: u64, buffer: &mut [u8]| file::read_some_at(&self.memory, buffer, address).unwrap_or(0);
        let source = Source { memory: &memory, maps: &maps, now: Some(clock::now().as_nanos() as u64) };
        let mut read_file = |offset: u64, buffer: &mut [u8]| file::read_exact_at(&self.file, buffer, offset).is_ok();
        Program::open(&source, &mut read_file).map(|program| work(&program)).map_err(|why| self.told(why))
    }

    /// Its goroutines in groups, with a diagnosis. `signal` is the one it was asked to stop by.
    ///
    /// # Errors
    /// As [`Access::look`].
    pub fn evidence(&self, signal: Option<String>) -> Result<Evidence, String> {
        self.look(|program| gather(program, format!("pid {}", self.pid), self.about(signal), None))
    }

    /// What the kernel tells of the process that was asked to stop by this signal.
    pub fn about(&self, signal: Option<String>) -> goroutines::Program {
        let kept = self.keeps(signal.as_deref());
        goroutines::Program { signal, kept, ..goroutines::Program::default() }
    }
}

/// Groups, findings and what is to be said beside them. `about` is what is known of the program from elsewhere.
///
/// # Errors
/// A sentence: the memory can no longer be read.
pub fn gather(
    program: &Program<'_>,
    whose: String,
    about: goroutines::Program,
    proof: Option<&Proof>,
) -> Result<Evidence, String> {
    let about = goroutines::Program { module: program.build.module.clone(), ..about };
    let collected = live::collect(program, format!("{whose}, {}", program.build.go), &about, proof)?;
    let findings = diagnose(&collected.summary, &about);
    let mut notes = Vec::new();
    if program.is_newer_than_known() {
        notes.push(format!(
            "{} is none of the versions that are known; it was read as they are, and passed the same checks",
            program.build.go
        ));
    }
    if collected.broken > 0 {
        notes.push(format!("{} of the stacks could not be followed to their beginning", collected.broken));
    }
    if let Some(proof) = proof {
        let leaked = collected.summary.groups.iter().filter(|group| group.leaked).map(|group| group.count).sum();
        notes.push(told(proof, leaked));
    }
    let waits = waits_for_child(&collected.summary, &about.children);
    Ok(Evidence { summary: collected.summary, findings, notes, waits })
}

/// How a proof was found.
fn told(proof: &Proof, leaked: u64) -> String {
    let meanwhile = match (proof.ran, leaked) {
        (0, _) => "nothing ran meanwhile",
        (_, 0) => "others ran meanwhile",
        (_, _) => "others ran meanwhile, and it came out the same twice",
    };
    let searched = proof.searched.div_ceil(1 << 20);
    format!(
        "{leaked} goroutines are leaked, by a search of {searched} MiB that may refer to what they wait on; {meanwhile}"
    )
}

/// A core dump, and the program that it is of: what is not in the one is in the other.
///
/// # Errors
/// A sentence: a file cannot be read, is none of these, or the two do not belong together.
pub fn look_at_core<T>(
    core: &Path,
    program: Option<&Path>,
    work: impl FnOnce(&Program<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let open =
        |path: &Path| file::regular(path).map_err(|error| format!("{}: {}", path.display(), file::reason(&error)));
    let dump = open(core)?;
    let core_of = |offset: u64, buffer: &mut [u8]| file::read_exact_at(&dump, buffer, offset).is_ok();
    let known = Core::read(&mut { core_of }).map_err(|why| format!("{}: {why}", core.display()))?;
    let path = known.files.first().map(|first| first.path.clone()).unwrap_or_default();
    let program = program.map(Path::to_owned).or_else(|| Some(PathBuf::from(&path)).filter(|_| !path.is_empty()));
    let program = program.ok_or("the core dump does not say which program it is of: --program")?;
    let binary = open(&program)?;
    let memory = |address: u64, buffer: &mut [u8]| {
        let (from, (offset, left)) = match (known.place(address), known.place_in_file(address, &path)) {
            (Some(place), _) => (&dump, place),
            (None, Some(place)) => (&binary, place),
            (None, None) => return 0,
        };
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        file::read_some_at(from, buffer.get_mut(..count).unwrap_or_default(), offset).unwrap_or(0)
    };
    let source = Source { memory: &memory, maps: &known.maps, now: None };
    let mut read_file = |offset: u64, buffer: &mut [u8]| file::read_exact_at(&binary, buffer, offset).is_ok();
    work(&Program::open(&source, &mut read_file).map_err(|why| format!("{}: {why}", core.display()))?)
}

const GONE: &str = "its memory can no longer be read: it has ended, or has started another program";
/// A process with 65,536 mappings, and long names.
const MOST_MAPS: usize = 16 << 20;
