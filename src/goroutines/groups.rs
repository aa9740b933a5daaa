//! Goroutines with the same state, stack and creator, counted. Bounded: what is kept of a group is its lines, once.

use super::line::{self, Header};
use super::order;
use super::{Frame, Group, Program};
use std::collections::BTreeMap;

/// So many groups and bytes of them are kept. A server has tens; a dump made of nothing but different stacks must not
/// take more memory than the container has.
const MOST_GROUPS: usize = 4096;
const MOST_BYTES: usize = 4 << 20;
/// Numbers of goroutines, and objects, kept of each.
const MOST_IDS: usize = 5;
const MOST_OBJECTS: usize = 32;
const SHOWN_OBJECTS: usize = 4;
/// The runtime prints 100 frames; a stream that is no dump may have any number.
const MOST_FRAMES: usize = 128;

/// What ends one entry of a key, and what stands between its parts. Neither can be in a line that was understood.
const END: u8 = b'\n';
const BETWEEN: u8 = 0;
/// What a key's entries begin with, beside frames.
const CREATOR: u8 = 1;
const ELIDED: u8 = 2;

/// One goroutine while its lines come. Its key is all that makes it equal to others: the state, then the frames, one entry
/// each.
#[derive(Default)]
pub(super) struct Block {
    pub(super) id: u64,
    key: Vec<u8>,
    minutes: u32,
    locked: bool,
    leaked: bool,
    labels: Option<Vec<u8>>,
    frames: usize,
    /// Where the `go` statement is, and the number of the compiler's wrapper for it: goroutines that do the same are one
    /// group, from wherever they were started. One entry for each entry of the key that has something here.
    aside: Vec<u8>,
    open: bool,
    /// A frame or a creator whose place has not come yet.
    pub(super) placeless: bool,
    /// That place does not belong to the key.
    to_aside: bool,
    created: bool,
    /// The stack was not to be had: the goroutine ran on another thread.
    pub(super) unavailable: bool,
    /// What it waits on, and whether the runtime was sure.
    object: Option<(u64, bool)>,
}

impl Block {
    pub(super) fn begin(&mut self, header: &Header<'_>) {
        self.id = header.id;
        self.key.clear();
        self.key.extend_from_slice(header.state);
        self.key.push(END);
        self.minutes = header.minutes;
        self.locked = header.locked;
        self.leaked = header.leaked;
        self.labels = header.labels.map(<[u8]>::to_vec);
        self.frames = 0;
        self.aside.clear();
        self.open = true;
        self.placeless = false;
        self.created = false;
        self.unavailable = false;
        self.object = None;
    }

    /// Whether a frame may follow.
    pub(super) fn takes_frames(&self) -> bool {
        self.open && !self.created
    }

    /// Whether a goroutine was begun and not yet counted.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Forgets the goroutine.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    pub(super) fn frame(&mut self, function: &[u8], arguments: &[u8]) {
        self.no_place();
        self.frames += 1;
        if self.frames > MOST_FRAMES {
            return;
        }
        if !matches!(self.object, Some((_, true))) && waits_on_its_argument(function) {
            self.object = match line::first_argument(arguments) {
                Some((address, sure)) if address != 0 && (sure || self.object.is_none()) => Some((address, sure)),
                _ => self.object,
            };
        }
        let (name, number) = function.split_at(function.len() - wrapper_number(function));
        self.key.extend_from_slice(name);
        self.aside.extend_from_slice(number);
        self.to_aside = !number.is_empty();
        self.placeless = true;
    }

    pub(super) fn created_by(&mut self, function: &[u8]) {
        self.no_place();
        self.created = true;
        self.key.push(CREATOR);
        self.key.extend_from_slice(function);
        self.to_aside = true;
        self.placeless = true;
    }

    pub(super) fn elided(&mut self, count: u32) {
        self.no_place();
        self.key.push(ELIDED);
        self.key.extend_from_slice(count.to_string().as_bytes());
        self.key.push(END);
    }

    /// `/src/main.go:26`
    pub(super) fn place(&mut self, at: &[u8]) {
        if std::mem::take(&mut self.placeless) {
            let to = if self.to_aside { &mut self.aside } else { &mut self.key };
            to.push(BETWEEN);
            to.extend_from_slice(at);
            to.push(END);
            if self.to_aside {
                self.key.push(END);
            }
        }
    }

    fn no_place(&mut self) {
        self.place(b"");
    }
}

/// How many digits end `main.main.gowrap12`; none where the name is another.
fn wrapper_number(function: &[u8]) -> usize {
    let digits = function.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let name = function.get(..function.len() - digits).unwrap_or_default();
    if name.ends_with(WRAPPER) { digits } else { 0 }
}

const WRAPPER: &[u8] = b".gowrap";

/// Functions whose first argument is what their goroutine waits on.
fn waits_on_its_argument(function: &[u8]) -> bool {
    match function {
        [b'r', b'u', b'n', b't', b'i', b'm', b'e', b'.', b'c', b'h', b'a', b'n', name @ ..] => {
            matches!(name, b"recv" | b"recv1" | b"recv2" | b"send" | b"send1")
        }
        // What all of sync waits with: the semaphore inside the mutex or wait group. The runtime is always sure of it.
        b"runtime.semacquire1" => true,
        [b's', b'y', b'n', b'c', b'.', b'(', b'*', ..] | [b'i', b'n', b't', b'e', b'r', b'n', b'a', b'l', b'/', ..] => {
            WAITING.contains(&function)
        }
        _ => false,
    }
}

const WAITING: [&[u8]; 10] = [
    b"internal/sync.(*Mutex).lockSlow",
    b"internal/sync.(*Mutex).Lock",
    b"sync.(*Mutex).lockSlow",
    b"sync.(*Mutex).Lock",
    b"sync.(*RWMutex).RLock",
    b"sync.(*RWMutex).rLockSlow",
    b"sync.(*RWMutex).Lock",
    b"sync.(*WaitGroup).Wait",
    b"sync.(*Cond).Wait",
    b"sync.(*Once).doSlow",
];

/// A group as it is kept while the dump comes.
struct Kept {
    key: Vec<u8>,
    aside: Vec<u8>,
    count: u64,
    ids: Vec<u64>,
    minutes: (u32, u32),
    locked: bool,
    leaked: bool,
    system: bool,
    labels: Option<Vec<u8>>,
    objects: Vec<(u64, u64)>,
}

/// All groups of a dump.
#[derive(Default)]
pub(super) struct Groups {
    kept: Vec<Kept>,
    /// Not a HashMap: where getrandom fails, its hasher panics.
    by_hash: BTreeMap<u64, usize>,
    bytes: usize,
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) ungrouped: u64,
}

impl Groups {
    /// Counts the goroutine, if one was begun. Returns its group.
    pub(super) fn count(&mut self, block: &mut Block) -> Option<usize> {
        if !std::mem::take(&mut block.open) {
            return None;
        }
        block.no_place();
        let hash = hash(&block.key);
        let known = self.by_hash.get(&hash).copied();
        let at = match known.filter(|at| self.kept.get(*at).is_some_and(|kept| kept.key == block.key)) {
            Some(at) => at,
            None => {
                let system = is_system(&block.key);
                if known.is_some() || self.kept.len() >= MOST_GROUPS || self.bytes > MOST_BYTES {
                    self.ungrouped += 1;
                    *(if system { &mut self.system } else { &mut self.user }) += 1;
                    return None;
                }
                self.bytes += block.key.len() + block.aside.len();
                self.kept.push(Kept {
                    key: block.key.clone(),
                    aside: block.aside.clone(),
                    count: 0,
                    ids: Vec::new(),
                    minutes: (u32::MAX, 0),
                    locked: false,
                    leaked: false,
                    system,
                    labels: block.labels.take(),
                    objects: Vec::new(),
                });
                self.by_hash.insert(hash, self.kept.len() - 1);
                self.kept.len() - 1
            }
        };
        let kept = self.kept.get_mut(at)?;
        *(if kept.system { &mut self.system } else { &mut self.user }) += 1;
        kept.count += 1;
        if kept.ids.len() < MOST_IDS {
            kept.ids.push(block.id);
        }
        kept.minutes = (kept.minutes.0.min(block.minutes), kept.minutes.1.max(block.minutes));
        kept.locked |= block.locked;
        kept.leaked |= block.leaked;
        if let Some((address, _)) = block.object {
            if let Some((_, waiting)) = kept.objects.iter_mut().find(|(known, _)| *known == address) {
                *waiting += 1;
            } else if kept.objects.len() < MOST_OBJECTS {
                kept.objects.push((address, 1));
            }
        }
        Some(at)
    }

    /// Takes a goroutine out again: its stack came after all.
    pub(super) fn uncount(&mut self, at: usize, id: u64) {
        if let Some(kept) = self.kept.get_mut(at) {
            kept.count = kept.count.saturating_sub(1);
            kept.ids.retain(|known| *known != id);
            let total = if kept.system { &mut self.system } else { &mut self.user };
            *total = total.saturating_sub(1);
        }
    }

    /// The groups, in the order that helps: see [`rank`].
    pub(super) fn finish(self, program: &Program) -> Vec<Group> {
        let decoded = self.kept.into_iter().filter(|kept| kept.count > 0);
        let mut groups: Vec<Group> = decoded.map(decode).collect();
        let root = groups.iter().flat_map(|group| &group.frames).find_map(root).map(str::to_owned);
        for group in &mut groups {
            group.own = group.frames.iter().position(|frame| is_own(frame, program, root.as_deref()));
        }
        // Equals stay in the order of the dump.
        order::by(groups, |group| [rank(group), order::most(group.count), order::most(group.minutes.1.into())])
    }
}

/// Fast, and good enough for keys that are compared afterwards.
fn hash(key: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum.rotate_left(29) ^ word).wrapping_mul(ODD);
    let (words, rest) = key.as_chunks::<8>();
    let sum = words.iter().fold(0, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let sum = rest.iter().fold(sum, |sum, b| mix(sum, (*b).into()));
    sum ^ sum >> 32
}

/// As isSystemGoroutine in runtime/traceback.go, which looks at the function a goroutine began in: the runtime's own, but
/// not main's, nor those that are in the user's code (a finalizer that runs).
fn is_system(key: &[u8]) -> bool {
    let mut creator = None;
    let mut first = None;
    let mut all = true;
    for entry in entries(key) {
        let function = function(entry);
        match entry {
            [CREATOR, ..] => creator = Some(function),
            [ELIDED, ..] => {}
            _ if function == b"runtime.goexit" => {}
            _ => {
                first = Some(function);
                all &= is_runtime(function);
            }
        }
    }
    match first {
        Some(first) => all && !matches!(first, b"runtime.main" | b"runtime.corostart" | b"runtime.handleAsyncEvent"),
        None => creator.is_some_and(is_runtime),
    }
}

fn is_runtime(function: &[u8]) -> bool {
    function.starts_with(b"runtime.") || function.starts_with(b"internal/runtime/")
}

/// The entries after the state.
fn entries(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    key.split(|b| *b == END).skip(1).filter(|entry| !entry.is_empty())
}

fn function(entry: &[u8]) -> &[u8] {
    halves(entry.strip_prefix(&[CREATOR]).unwrap_or(entry)).0
}

/// A name and its place.
fn halves(entry: &[u8]) -> (&[u8], &[u8]) {
    let between = memchr::memchr(BETWEEN, entry).unwrap_or(entry.len());
    (entry.get(..between).unwrap_or_default(), entry.get(between + 1..).unwrap_or_default())
}

fn decode(kept: Kept) -> Group {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut group = Group {
        state: text(kept.key.split(|b| *b == END).next().unwrap_or_default()),
        frames: Vec::new(),
        elided: None,
        creator: None,
        count: kept.count,
        ids: kept.ids,
        minutes: (kept.minutes.0.min(kept.minutes.1), kept.minutes.1),
        locked: kept.locked,
        leaked: kept.leaked,
        system: kept.system,
        top: 0,
        own: None,
        objects: kept.objects,
        labels: kept.labels.as_deref().map(text),
    };
    let mut aside = kept.aside.split(|b| *b == END);
    for entry in entries(&kept.key) {
        if let [ELIDED, count @ ..] = entry {
            let count = line::decimal(count).map_or(0, |(count, _)| count.try_into().unwrap_or(u32::MAX));
            group.elided = Some((group.frames.len(), count));
            continue;
        }
        let mut name = text(function(entry));
        let elsewhere = entry.starts_with(&[CREATOR]) || entry.ends_with(WRAPPER);
        let entry_of_place = if elsewhere { aside.next().unwrap_or_default() } else { entry };
        let (before, at) = halves(entry_of_place);
        if elsewhere {
            name.push_str(&text(before));
        }
        let colon = memchr::memrchr(b':', at).unwrap_or(at.len());
        let number = at.get(colon + 1..).and_then(line::decimal);
        let frame = Frame {
            function: name,
            file: text(at.get(..colon).unwrap_or_default()),
            line: number.map_or(0, |(line, _)| line.try_into().unwrap_or(u32::MAX)),
        };
        match entry {
            [CREATOR, ..] => group.creator = Some(frame),
            _ => group.frames.push(frame),
        }
    }
    group.top = group.frames.iter().position(|frame| !is_runtime(frame.function.as_bytes())).unwrap_or(0);
    group.objects = order::by(group.objects, |(_, waiting)| [order::most(*waiting), 0, 0]);
    group.objects.truncate(SHOWN_OBJECTS);
    group
}

/// Where the standard library was compiled, as far as a frame of it tells: `/usr/local/go/src/`, or nothing with -trimpath.
fn root(frame: &Frame) -> Option<&str> {
    let package = package(&frame.function);
    if package == "main" || package.split('/').next()?.contains('.') {
        return None;
    }
    // Some functions of other packages are in the runtime's files (go:linkname).
    [package, "runtime"].into_iter().find_map(|package| {
        let (directory, _) = frame.file.rsplit_once('/')?;
        let root = directory.strip_suffix(package)?;
        (root.is_empty() || root.ends_with("/src/")).then_some(root)
    })
}

/// `net/http` of `net/http.(*Server).Serve`
fn package(function: &str) -> &str {
    let last = function.rfind('/').map_or(0, |slash| slash + 1);
    let dot = function.get(last..).and_then(|name| name.find('.'));
    dot.and_then(|dot| function.get(..last + dot)).unwrap_or_default()
}

/// Whether a frame is the user's own code: main, and what is below the program's module. Where nobody knows the module it is
/// what neither came with Go nor was downloaded.
fn is_own(frame: &Frame, program: &Program, root: Option<&str>) -> bool {
    let package = package(&frame.function);
    // The compiler's own wrappers tell no place.
    if frame.file == "<autogenerated>" {
        return false;
    }
    if package == "main" {
        return true;
    }
    if let Some(module) = &program.module {
        // The runtime writes the dots of a path's last element as %2e.
        let package = package.replace("%2e", ".");
        return package.strip_prefix(module.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    }
    let downloaded = frame.file.contains("@v") || frame.file.contains("/vendor/");
    let with_go = match root {
        Some("") | None => !package.split('/').next().unwrap_or_default().contains('.'),
        Some(root) => frame.file.starts_with(root),
    };
    // Methods that the compiler wrote are nobody's code.
    let written = !frame.file.is_empty() && frame.file != "<autogenerated>";
    written && !downloaded && !with_go
}

/// What matters for a hang first: goroutines in the user's code; then those of libraries; then those that wait for work and
/// hold up nothing; the runtime's own last. Within each the most, then the longest.
fn rank(group: &Group) -> u64 {
    match group {
        Group { system: true, .. } => 3,
        _ if is_idle(group) => 2,
        Group { own: None, .. } => 1,
        _ => 0,
    }
}

/// Whether the goroutines only wait for work: a listener, a connection kept alive, a pool's worker.
pub(super) fn is_idle(group: &Group) -> bool {
    const IDLE: [&str; 7] = [
        "internal/poll.(*FD).Accept",
        "os/signal.signal_recv",
        "os/signal.loop",
        "net/http.(*connReader).backgroundRead",
        "net/http.(*persistConn).readLoop",
        "net/http.(*persistConn).writeLoop",
        "database/sql.(*DB).connectionOpener",
    ];
    // Between two requests of a client.
    let kept_alive = |function| group.own.is_none() && group.state == "IO wait" && function == "net/http.(*conn).serve";
    let functions = || group.frames.iter().map(|frame| frame.function.as_str());
    group.system || functions().any(|function| IDLE.contains(&function) || kept_alive(function))
}
