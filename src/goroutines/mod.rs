//! Goroutine dumps: what the Go runtime prints for SIGQUIT, a panic or a fatal error. Bytes in; what is no dump out again,
//! unchanged; goroutines, groups and a diagnosis kept.
//!
//! Pure: no file, no clock, no system call. It must never panic, whatever the bytes are, and its memory is bounded.
//! How Go prints: runtime/traceback.go, runtime/panic.go, runtime/signal_unix.go.

mod diagnose;
mod groups;
mod line;
mod order;
mod prefix;
mod reader;
mod splice;
mod table;
#[cfg(test)]
mod tests;
mod wait;

pub use diagnose::diagnose;
pub use prefix::Stripper;
pub use reader::Reader;
pub use table::{Style, json, table};

/// Where the reader's output goes. Each kind of bytes comes in the order of the input, and together they are the input.
pub trait Output {
    /// What is no dump.
    fn pass(&mut self, bytes: &[u8]);
    /// What is: without the lines of others inside it.
    fn dump(&mut self, bytes: &[u8]);
    /// A dump is over: here its table belongs.
    fn ended(&mut self, summary: Summary);
}

/// Which dumps are wanted. The others pass through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those a signal asked for. Panics and fatal errors pass.
    Signals,
    /// Panics, fatal errors and logged stacks too.
    All,
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

/// Goroutines in the same state with the same stack.
#[derive(Clone, Debug)]
pub struct Group {
    /// As the runtime names it, without its suffixes: `chan receive`, `sync.Mutex.Lock`, `IO wait`.
    pub state: String,
    /// The stack, from the innermost frame. Never longer than the runtime prints (100).
    pub frames: Vec<Frame>,
    /// Frames the runtime left out (`...406 frames elided...`), and after which frame.
    pub elided: Option<(usize, u32)>,
    /// The function with the `go` statement that started them, and where that is. None for the main goroutine.
    pub creator: Option<Frame>,
    /// How many.
    pub count: u64,
    /// The first few of their numbers, in the order of the dump.
    pub ids: Vec<u64>,
    /// The shortest and longest wait the runtime told of, in minutes. Set by the garbage collector: 0 in a process that
    /// never collected.
    pub minutes: (u32, u32),
    /// Locked to a thread.
    pub locked: bool,
    /// `(leaked)`: the leak profile was taken before, and found it unreachable.
    pub leaked: bool,
    /// The runtime's own: garbage collector, finalizer and the like.
    pub system: bool,
    /// Index of the first frame outside `runtime.` and `internal/runtime/`; 0 if there is none.
    pub top: usize,
    /// Index of the first frame of the user's own code.
    pub own: Option<usize>,
    /// What they wait on: the address of the mutex, wait group or channel, as far as the stack tells it, and how many wait
    /// on it. At most a few, the most wanted first.
    pub objects: Vec<(u64, u64)>,
    /// pprof labels, as printed, of the first of them: `{route: /api/v1}`.
    pub labels: Option<String>,
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
    /// Goroutines in groups that were not kept, for there is a bound on how many are.
    pub ungrouped: u64,
    /// The dump ended in its middle.
    pub cut: bool,
    /// Bytes of the dump itself.
    pub bytes: u64,
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
}

/// What is known to hold up a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// http.Server.Shutdown waits for handlers.
    Handlers,
    /// A mutex or RWMutex that is not unlocked.
    Mutex,
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
    Deaf,
    /// The signal was listened to, and the server goes on serving: nothing began to shut down.
    Unheeded,
    /// main was done before Shutdown returned.
    MainGone,
    /// It computes: a goroutine runs.
    Busy,
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
}
