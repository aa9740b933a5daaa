//! Goroutine dumps: what the Go runtime prints for SIGQUIT, a panic or a fatal error. Bytes in; what is no dump out again,
//! unchanged; goroutines, groups and a diagnosis kept.
//!
//! Pure: no file, no clock, no system call. It must never panic, whatever the bytes are, and its memory is bounded.
//! How Go prints: runtime/traceback.go, runtime/panic.go, runtime/signal_unix.go.

mod collect;
pub mod compare;
mod diagnose;
mod filter;
mod groups;
mod line;
pub mod logs;
mod open_dump;
pub(crate) mod order;
mod reader;
mod splice;
mod table;
#[cfg(test)]
mod tests;
mod wait;

pub use collect::{Collector, Seen};
pub use diagnose::{diagnose, waits_for_child};
pub use filter::Filter;
pub(crate) use groups::{hash, is_idle, waits_on_its_argument};
pub use reader::Reader;
pub(crate) use table::says;
pub use table::{Style, json, json_pieces, table};

/// Where the reader's output goes. Each kind of bytes comes in the order of the input, and together they are the input.
pub trait Output {
    /// What is no dump.
    fn pass(&mut self, bytes: &[u8]);
    /// What is: without the lines of others inside it.
    fn dump(&mut self, bytes: &[u8]);
    /// A dump is over: here its table belongs.
    fn ended(&mut self, summary: Summary);
}

/// What made the runtime print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signal: `SIGQUIT: quit`.
    Signal,
    /// `panic: …`
    Panic,
    /// `fatal error: …`
    Fatal,
    /// Goroutines without a reason before them: a cut beginning, `debug.PrintStack`, a profile with debug=2.
    Unknown,
    /// A profile with debug=1: stacks and how many have them, without states.
    Profile,
    /// Nothing: they were read out of the memory of a program that runs.
    Live,
}

/// A frame of a stack, without arguments and addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// `net/http.(*Server).Shutdown`
    pub function: String,
    /// As compiled in: `/src/main.go`, or `net/http/server.go` with -trimpath. Empty where it was cut.
    pub file: String,
    /// 0 where it was cut.
    pub line: u32,
}

/// Marks an argument of which the runtime was not sure (`?`): it may be what was in that place before. No address has this bit.
pub const UNSURE: u64 = 1 << 63;

/// One goroutine of a group, as far as it differs from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Its number.
    pub id: u64,
    /// The number of the goroutine that started it. None for goroutine 1, before Go 1.21, and where that was cut.
    pub parent: Option<u64>,
    /// The first two arguments of each frame, 0 where they are not known, with [`UNSURE`] where the runtime was not sure. A
    /// method's first one is its receiver.
    pub arguments: Vec<[u64; 2]>,
}

/// Goroutines in the same state with the same stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// As the runtime names it, without its suffixes: `chan receive`, `sync.Mutex.Lock`, `IO wait`.
    pub state: String,
    /// The stack, from the innermost frame. Never longer than the runtime prints (100).
    pub frames: Vec<Frame>,
    /// Frames the runtime left out (`...406 frames elided...`), and after which frame.
    pub elided: Option<(usize, u32)>,
    /// The stack goes on behind the last frame: the runtime left the rest out (`...additional frames elided...`), or it could not be
    /// read.
    pub goes_on: bool,
    /// The function with the `go` statement that started them, and where that is. None for the main goroutine.
    pub creator: Option<Frame>,
    /// How many.
    pub count: u64,
    /// The first few of their numbers, in the order of the dump.
    pub ids: Vec<u64>,
    /// What tells these apart, in the same order. Empty where nothing of it is known.
    pub samples: Vec<Sample>,
    /// The shortest and longest wait the runtime told of, in minutes. Set by the garbage collector: 0 in a process that
    /// never collected.
    pub minutes: (u32, u32),
    /// Locked to a thread.
    pub locked: bool,
    /// `(leaked)`: the leak profile was taken before, and found it unreachable.
    pub leaked: bool,
    /// `(durable)`: inside a bubble of testing/synctest, and only others of that bubble can wake it.
    pub durable: bool,
    /// The number of their bubble of testing/synctest.
    pub bubble: Option<u64>,
    /// The runtime's own: garbage collector, finalizer and the like.
    pub system: bool,
    /// Index of the first frame outside `runtime.` and `internal/runtime/`; 0 if there is none.
    pub top: usize,
    /// Index of the first frame of the user's own code.
    pub own: Option<usize>,
    /// Index of the frame that panicked, in the user's own code if there is any.
    pub panicked: Option<usize>,
    /// What they wait on: the address of the mutex, wait group or channel, as far as the stack tells it, and how many wait
    /// on it. At most a few, the most wanted first.
    pub objects: Vec<(u64, u64)>,
    /// What is known of these, by address, where memory could be looked into.
    pub known: Vec<(u64, Object)>,
    /// pprof labels, as printed, of the first of them: `{route: /api/v1}`.
    pub labels: Option<String>,
}

/// What goroutines wait on, as it was found in memory: more than a dump has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A channel.
    Channel {
        /// How many elements are in it.
        length: u64,
        /// For how many it has room.
        capacity: u64,
        /// Whether it is closed.
        closed: bool,
    },
    /// A sync.Mutex.
    Mutex {
        /// Whether somebody holds it.
        locked: bool,
        /// How many wait for it.
        waiters: u32,
    },
    /// A sync.WaitGroup.
    WaitGroup {
        /// How many Done it waits for.
        counter: u32,
    },
}

/// All that is kept of a dump.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What made the runtime print.
    pub kind: Kind,
    /// Its first line: `SIGQUIT: quit`, `panic: assignment to entry in nil map`. Empty when it was not seen.
    pub reason: String,
    /// The user's goroutines, and the runtime's own. Goroutine 0 and repeated blocks are not counted.
    pub user: u64,
    /// The runtime's own.
    pub system: u64,
    /// What matters for a hang first.
    pub groups: Vec<Group>,
    /// What stands between the reason and the goroutines: further panics, the tests that ran. The first lines of it. Of a signal
    /// that may stand for a fault, the line with its sigcode. And that it is mixed with another one ([`Summary::is_mixed`]).
    pub notes: Vec<String>,
    /// Goroutines in groups that were not kept, for there is a bound on how many are.
    pub ungrouped: u64,
    /// It is not whole: it ended in its middle, lines of it are lost, or it is mixed with another one.
    pub cut: bool,
    /// Bytes of the dump itself.
    pub bytes: u64,
}

/// What [`Summary::notes`] say of a dump in which the number of a goroutine came twice.
pub(crate) const MIXED: &str = "the lines of several processes or dumps are mixed: a goroutine's number is there twice";

/// Whether the first line of a dump says that somebody asked for it, or is not there.
pub(crate) fn was_asked_for(reason: &[u8]) -> bool {
    matches!(reason, b"" | b"SIGQUIT: quit" | b"SIGABRT: abort")
}

impl Summary {
    /// Whether its goroutines are of several processes, so that nothing can be told from how many there are, or which.
    pub fn is_mixed(&self) -> bool {
        self.notes.iter().any(|note| note == MIXED)
    }
}

impl Group {
    /// The first frame outside the runtime.
    pub fn top(&self) -> Option<&Frame> {
        self.frames.get(self.top)
    }

    /// The first frame of the user's own code.
    pub fn own(&self) -> Option<&Frame> {
        self.frames.get(self.own?)
    }

    /// Where to look: where it panicked, or else the first frame of the user's own code.
    pub fn place(&self) -> Option<&Frame> {
        self.panicked.and_then(|at| self.frames.get(at)).or(self.own())
    }
}

/// What is known to hold up a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// http.Server.Shutdown waits for handlers.
    Handlers,
    /// A mutex or RWMutex that is not unlocked.
    Mutex,
    /// Mutexes that were taken in different order.
    LockOrder,
    /// A sync.Once whose function does not end.
    Once,
    /// A sync.Cond that nobody signals.
    Cond,
    /// sync.WaitGroup.Wait.
    WaitGroup,
    /// A channel on which nobody sends, or that nobody closes.
    Receive,
    /// A channel from which nobody receives.
    Send,
    /// A loop over a ticker, or a select, that does not look at a context's Done.
    Loop,
    /// A system call, or a file or connection that does not answer.
    Blocked,
    /// The stop signal was never listened to.
    Unhandled,
    /// The signal was listened to, and the server goes on serving: nothing began to shut down.
    StillServing,
    /// Goroutine 1 is not there: it called runtime.Goexit, or its lines were lost.
    MainGone,
    /// It computes: a goroutine runs.
    Busy,
    /// It did not hang: a panic, a fatal error, a fault.
    Crash,
    /// No evidence for any of these.
    Unknown,
}

/// One thing that holds up the shutdown, the most decisive first.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is.
    pub cause: Cause,
    /// One sentence, with the function, file and line: what waits, where, how many, for how long.
    pub evidence: String,
    /// One line: what to do.
    pub advice: String,
    /// Where to look.
    pub place: Option<Frame>,
    /// Indices into [`Summary::groups`].
    pub groups: Vec<usize>,
}

/// What is known of the program beside its dump.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The main module's path, from the binary's build information: `github.com/acme/shop`.
    pub module: Option<String>,
    /// The name of the stop signal that was sent: `SIGTERM`. None where nobody knows.
    pub signal: Option<String>,
    /// What keeps that signal from it, where the kernel told.
    pub kept: Option<Kept>,
    /// That signal was sent to the process that has started it, which may have passed it on.
    pub is_relayed: bool,
    /// Processes that it has started and that are still there, where the kernel told.
    pub children: Vec<Child>,
}

/// A process that the program has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// `syncthing (pid 23)`
    pub name: String,
    /// What it writes to stdout or stderr comes to the program, through a pipe.
    pub is_read: bool,
}

/// What keeps a signal from a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is ignored, by signal.Ignore; HUP and INT also if whoever started the program ignored them.
    Ignored,
    /// It was sent and waits, for the program was started with it blocked and has not asked for it since.
    Blocked,
}

/// Whether the two kinds of bytes, each in its order, are the input together. Greedy choices can fail where both fit, so
/// all reachable positions are kept.
#[cfg(any(test, fuzzing))]
pub(crate) fn is_split_of(passed: &[u8], dumped: &[u8], all: &[u8]) -> bool {
    let mut reachable = vec![0usize];
    for (at, byte) in all.iter().enumerate() {
        let mut next = Vec::new();
        for count in reachable {
            if passed.get(count) == Some(byte) {
                next.push(count + 1);
            }
            if dumped.get(at - count) == Some(byte) {
                next.push(count);
            }
        }
        next.sort_unstable();
        next.dedup();
        reachable = next;
    }
    passed.len() + dumped.len() == all.len() && reachable.contains(&passed.len())
}
