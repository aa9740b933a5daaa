//! Groups goroutines that have the same state, stack and creator, counts them, and puts the groups in order (`rank`). Bounded:
//! what is kept of a group is its lines, once.

use super::line::{self, Header};
use super::order;
use super::{Frame, Group, Program, Sample};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How much is kept of a dump. A server has tens of groups; a dump made of nothing but different stacks must not take more
/// memory than there is.
const MOST_GROUPS: usize = 4096;
const MOST_FRAMES: usize = 128 << 10;
const MOST_BYTES: usize = 4 << 20;

/// Numbers of goroutines, and objects, kept of each.
pub(super) const MOST_IDS: usize = 5;
const MOST_OBJECTS: usize = 32;
const SHOWN_OBJECTS: usize = 4;
/// The runtime prints 100 frames; a stream that is no dump may have any number, of any length.
const DEEPEST: usize = 128;
const LONGEST: usize = 64 << 10;
/// More of a name, a state or labels is not kept.
const NAME: usize = 1 << 10;

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
    durable: bool,
    bubble: Option<u64>,
    labels: Option<Vec<u8>>,
    frames: usize,
    parent: Option<u64>,
    /// Of each frame that is kept.
    arguments: Vec<[u64; 2]>,
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
    pub(super) object: Option<(u64, bool)>,
}

impl Block {
    pub(super) fn begin(&mut self, header: &Header<'_>) {
        self.id = header.id;
        self.key.clear();
        self.key.extend_from_slice(head(header.state));
        if header.leaked {
            self.key.push(BETWEEN);
        }
        self.key.push(END);
        self.minutes = header.minutes;
        self.locked = header.locked;
        self.leaked = header.leaked;
        (self.durable, self.bubble) = (header.durable, header.bubble);
        self.parent = None;
        self.arguments.clear();
        self.labels = header.labels.map(|labels| head(labels).to_vec());
        self.frames = 0;
        self.aside.clear();
        self.open = true;
        self.placeless = false;
        self.created = false;
        self.unavailable = false;
        self.object = None;
    }

    /// The labels, where they do not come with the head.
    pub(super) fn set_labels(&mut self, labels: &[u8]) {
        self.labels = Some(head(labels).to_vec());
    }

    /// Whether a frame may follow.
    pub(super) fn takes_frames(&self) -> bool {
        self.open && !self.created
    }

    /// Whether a goroutine was begun and not yet counted.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it has a frame.
    pub(super) fn has_frames(&self) -> bool {
        self.frames > 0
    }

    /// Whether further frames are not kept.
    pub(super) fn is_full(&self) -> bool {
        self.frames >= DEEPEST || self.key.len() + self.aside.len() > LONGEST
    }

    /// Forgets the goroutine.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    pub(super) fn frame(&mut self, function: &[u8], arguments: &[u8]) {
        self.no_place();
        if !self.has_room() {
            return;
        }
        let function = &*as_compiled(function);
        if !matches!(self.object, Some((_, true))) && waits_on_its_argument(function) {
            self.object = match line::first_argument(arguments) {
                Some((address, sure)) if address != 0 && (sure || self.object.is_none()) => Some((address, sure)),
                _ => self.object,
            };
        }
        // What the runtime is not sure of is old contents of a register there.
        let semaphore =
            [&b"sync."[..], b"internal/sync.", b"runtime."].iter().any(|package| function.starts_with(package));
        let unsure = semaphore && !matches!(line::first_argument(arguments), Some((_, true)));
        self.arguments.push(if unsure { [0, 0] } else { line::first_arguments(arguments) });
        let (name, number) = function.split_at(function.len() - wrapper_number(function));
        self.key.extend_from_slice(head(name));
        self.aside.extend_from_slice(number);
        self.to_aside = !number.is_empty();
        self.placeless = true;
    }

    /// Whether one entry more is kept, which is counted.
    fn has_room(&mut self) -> bool {
        let has_room = !self.is_full();
        self.frames += 1;
        has_room
    }

    pub(super) fn created_by(&mut self, function: &[u8], parent: Option<u64>) {
        self.no_place();
        self.parent = parent;
        self.created = true;
        self.key.push(CREATOR);
        self.key.extend_from_slice(head(&as_compiled(function)));
        self.to_aside = true;
        self.placeless = true;
    }

    pub(super) fn elided(&mut self, count: u32) {
        self.no_place();
        if !self.has_room() {
            return;
        }
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

/// Markdown that takes asterisks for emphasis turns `sync.(*Mutex).Lock` into `sync.(_Mutex).Lock`, which no compiler writes.
fn as_compiled(name: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(b'(', name) {
        Some(at) if name.get(at + 1) == Some(&b'_') => {
            let mut name = name.to_vec();
            name.get_mut(at + 1).into_iter().for_each(|mark| *mark = b'*');
            Cow::Owned(name)
        }
        _ => Cow::Borrowed(name),
    }
}

fn head(name: &[u8]) -> &[u8] {
    name.get(..NAME).unwrap_or(name)
}

/// How many digits end `main.main.gowrap12`; none where the name is another.
fn wrapper_number(function: &[u8]) -> usize {
    let digits = function.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let name = function.get(..function.len() - digits).unwrap_or_default();
    if name.ends_with(WRAPPER) { digits } else { 0 }
}

const WRAPPER: &[u8] = b".gowrap";

/// Functions whose first argument is what their goroutine waits on.
pub(crate) fn waits_on_its_argument(function: &[u8]) -> bool {
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
    durable: bool,
    bubble: Option<u64>,
    system: bool,
    samples: Vec<Sample>,
    labels: Option<Vec<u8>>,
    objects: Vec<(u64, u64)>,
}

/// All groups of a dump.
#[derive(Default)]
pub(super) struct Groups {
    kept: Vec<Kept>,
    /// Not a HashMap: where getrandom fails, its hasher panics.
    by_hash: BTreeMap<u64, usize>,
    frames: usize,
    bytes: usize,
    /// Bytes of the arguments that are kept.
    arguments: usize,
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) ungrouped: u64,
}

impl Groups {
    /// Counts the goroutine, if one was begun. Returns its group.
    pub(super) fn count(&mut self, block: &mut Block) -> Option<usize> {
        self.count_as(block, 1)
    }

    /// Counts so many of them.
    pub(super) fn count_as(&mut self, block: &mut Block, count: u64) -> Option<usize> {
        if !std::mem::take(&mut block.open) {
            return None;
        }
        block.no_place();
        let hash = hash(&block.key);
        let known = self.by_hash.get(&hash).copied();
        let at = match known.filter(|at| self.kept.get(*at).is_some_and(|kept| kept.key == block.key)) {
            Some(at) => at,
            None => {
                // The first is main's, wherever it is.
                let system = block.id != 1 && is_system(&block.key);
                let full = self.kept.len() >= MOST_GROUPS || self.frames > MOST_FRAMES || self.bytes > MOST_BYTES;
                if known.is_some() || full {
                    self.ungrouped += count;
                    *(if system { &mut self.system } else { &mut self.user }) += count;
                    return None;
                }
                self.keep(block, hash, system)
            }
        };
        let kept = self.kept.get_mut(at)?;
        if kept.ids.len() < MOST_IDS {
            kept.ids.push(block.id);
            // What is too much is not known then; the groups themselves have a bound of their own.
            let size = block.arguments.len() * size_of::<[u64; 2]>();
            let room = self.arguments + size <= MOST_BYTES;
            self.arguments += if room { size } else { 0 };
            let arguments = if room { block.arguments.clone() } else { Vec::new() };
            kept.samples.push(Sample { id: block.id, parent: block.parent, arguments });
        }
        kept.durable |= block.durable;
        self.count_again(at, count, block.minutes, (block.locked, block.leaked));
        self.wait_on(at, block.object.as_slice());
        Some(at)
    }

    /// Counts so many more of a group; `flags` say whether they are locked to a thread, and leaked.
    pub(super) fn count_again(&mut self, at: usize, count: u64, minutes: u32, (locked, leaked): (bool, bool)) {
        let Some(kept) = self.kept.get_mut(at) else { return };
        *(if kept.system { &mut self.system } else { &mut self.user }) += count;
        kept.count += count;
        kept.minutes = (kept.minutes.0.min(minutes), kept.minutes.1.max(minutes));
        kept.locked |= locked;
        kept.leaked |= leaked;
    }

    /// Counts one more that waits on these.
    pub(super) fn wait_on(&mut self, at: usize, objects: &[(u64, bool)]) {
        let Some(kept) = self.kept.get_mut(at) else { return };
        for (address, _) in objects {
            if let Some((_, waiting)) = kept.objects.iter_mut().find(|(known, _)| known == address) {
                *waiting += 1;
            } else if kept.objects.len() < MOST_OBJECTS {
                kept.objects.push((*address, 1));
            }
        }
    }

    /// Keeps a new group. Returns where it is.
    fn keep(&mut self, block: &mut Block, hash: u64, system: bool) -> usize {
        self.frames += block.frames.min(DEEPEST);
        self.bytes += block.key.len() + block.aside.len() + block.labels.as_ref().map_or(0, Vec::len);
        self.kept.push(Kept {
            key: block.key.clone(),
            aside: block.aside.clone(),
            count: 0,
            ids: Vec::new(),
            minutes: (u32::MAX, 0),
            locked: false,
            leaked: false,
            durable: false,
            bubble: block.bubble,
            system,
            samples: Vec::new(),
            labels: block.labels.take(),
            objects: Vec::new(),
        });
        self.by_hash.insert(hash, self.kept.len() - 1);
        self.kept.len() - 1
    }

    /// Takes a goroutine out again: its stack came after all.
    pub(super) fn uncount(&mut self, at: usize, id: u64) {
        if let Some(kept) = self.kept.get_mut(at) {
            kept.count = kept.count.saturating_sub(1);
            kept.ids.retain(|known| *known != id);
            kept.samples.retain(|known| known.id != id);
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
            // The last one printed is the first panic; those above it are of deferred calls.
            let is_panic = |frame: &Frame| matches!(&*frame.function, "panic" | "runtime.gopanic" | "runtime.sigpanic");
            let panic = group.frames.iter().rposition(is_panic).filter(|_| group.state == "running");
            group.panicked = panic.and_then(|panic| {
                let below = || group.frames.iter().enumerate().skip(panic + 1);
                let own = below().find(|(_, frame)| is_own(frame, program, root.as_deref()));
                own.or(below().find(|(_, frame)| !is_runtime(frame.function.as_bytes()))).map(|(at, _)| at)
            });
        }
        // Equals stay in the order of the dump.
        order::by(groups, |group| [rank(group), order::most(group.count), order::most(group.minutes.1.into())])
    }
}

/// Fast, and good enough for keys that are compared afterwards, or where nothing hangs on a rare error.
pub(crate) fn hash(key: &[u8]) -> u64 {
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
        state: text(halves(kept.key.split(|b| *b == END).next().unwrap_or_default()).0),
        frames: Vec::new(),
        elided: None,
        goes_on: false,
        creator: None,
        count: kept.count,
        ids: kept.ids,
        samples: kept.samples,
        minutes: (kept.minutes.0.min(kept.minutes.1), kept.minutes.1),
        locked: kept.locked,
        leaked: kept.leaked,
        durable: kept.durable,
        bubble: kept.bubble,
        system: kept.system,
        top: 0,
        own: None,
        panicked: None,
        objects: kept.objects,
        known: Vec::new(),
        labels: kept.labels.as_deref().map(text),
    };
    let mut aside = kept.aside.split(|b| *b == END);
    for entry in entries(&kept.key) {
        if let [ELIDED, count @ ..] = entry {
            let count = line::decimal(count).map_or(0, |(count, _)| count.try_into().unwrap_or(u32::MAX));
            match count {
                0 => group.goes_on = true,
                count => group.elided = Some((group.frames.len(), count)),
            }
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
    // The compiler's own wrappers, and cgo's, tell no place.
    if frame.file == "<autogenerated>" || frame.file.ends_with("_cgo_gotypes.go") {
        return false;
    }
    if package == "main" {
        return true;
    }
    if let Some(module) = &program.module {
        // The runtime writes the dots of a path's last element as %2e.
        let package = package.replace("%2e", ".");
        // Tests may be in a package of their own beside that which they test.
        let below = |rest: &str| rest.is_empty() || rest == "_test" || rest.starts_with('/');
        return package.strip_prefix(module.as_str()).is_some_and(below);
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
pub(crate) fn is_idle(group: &Group) -> bool {
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
