//! What a goroutine waits for, told from its state and from what its own code called; and the words for each: "waiting for a
//! mutex", and what to do about it.

use super::{Cause, Group};

/// What a goroutine waits for, by its state and by what its own code called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Lock,
    Once,
    Group,
    Cond,
    Receive,
    Send,
    NilChannel,
    /// `select {}`
    Never,
    Select,
    Sleep,
    Child,
    Pool,
    Database,
    Upstream,
    Body,
    Client,
    Hijacked,
    Network,
    Resolver,
    File,
    Syscall,
    PipeRead,
    PipeWrite,
    Output,
    Running,
    /// It prints the dump.
    Printer,
    Accept,
    Other,
}

/// What is called says more than the state; the first that is found counts.
const BY_FUNCTION: &[(&str, Wait)] = &[
    ("runtime/pprof.", Wait::Printer),
    ("runtime/debug.PrintStack", Wait::Printer),
    ("runtime/debug.Stack", Wait::Printer),
    ("os/exec.(*Cmd).awaitGoroutines", Wait::Output),
    ("io.(*pipe).read", Wait::PipeRead),
    ("io.(*pipe).write", Wait::PipeWrite),
    ("os/exec.(*Cmd).", Wait::Child),
    ("os.(*Process).", Wait::Child),
    ("syscall.Wait4", Wait::Child),
    ("golang.org/x/sys/unix.Wait", Wait::Child),
    ("database/sql.(*DB).conn", Wait::Pool),
    ("database/sql.", Wait::Database),
    ("net/http.(*Client).", Wait::Upstream),
    ("net/http.(*Transport).", Wait::Upstream),
    ("net/http.(*bodyEOFSignal).", Wait::Upstream),
    ("net/http.(*http2transportResponseBody).", Wait::Upstream),
    ("net/http/internal/http2.transportResponseBody.", Wait::Upstream),
    ("google.golang.org/grpc.(*ClientConn).", Wait::Upstream),
    ("google.golang.org/grpc.(*clientStream).", Wait::Upstream),
    ("google.golang.org/grpc.(*serverStream).RecvMsg", Wait::Body),
    ("google.golang.org/grpc.(*serverStream).SendMsg", Wait::Client),
    ("net/http.(*body).", Wait::Body),
    ("net/http.(*http2requestBody).", Wait::Body),
    ("net/http/internal/http2.(*requestBody).", Wait::Body),
    ("net/http.(*response).", Wait::Client),
    ("net/http.(*http2responseWriter).", Wait::Client),
    ("net/http/internal/http2.(*responseWriter).", Wait::Client),
    // Without a body between them, a handler gets at the reader of its connection by Hijack alone.
    ("net/http.(*connReader).Read", Wait::Hijacked),
    ("internal/poll.(*FD).Accept", Wait::Accept),
    ("net.(*TCPListener).Accept", Wait::Accept),
    ("net.(*UnixListener).Accept", Wait::Accept),
    ("crypto/tls.(*listener).Accept", Wait::Accept),
    ("time.Sleep", Wait::Sleep),
    ("net.(*Resolver).", Wait::Resolver),
    ("net.", Wait::Network),
    ("crypto/tls.", Wait::Network),
    ("os.(*File).", Wait::File),
    ("sync.(*WaitGroup).Wait", Wait::Group),
    ("sync.(*Mutex).", Wait::Lock),
    ("sync.(*RWMutex).", Wait::Lock),
    ("sync.(*Cond).", Wait::Cond),
];

const BY_STATE: &[(&str, Wait)] = &[
    ("chan receive", Wait::Receive),
    ("chan send", Wait::Send),
    ("select (no cases)", Wait::Never),
    ("select", Wait::Select),
    ("sleep", Wait::Sleep),
    ("sync.Mutex.Lock", Wait::Lock),
    ("sync.RWMutex.", Wait::Lock),
    ("sync.WaitGroup.Wait", Wait::Group),
    ("sync.Cond.Wait", Wait::Cond),
    ("IO wait", Wait::Network),
    ("syscall", Wait::Syscall),
    ("running", Wait::Running),
    ("runnable", Wait::Running),
    ("copystack", Wait::Running),
    ("preempted", Wait::Running),
];

impl Wait {
    pub(super) fn of(group: &Group) -> Wait {
        let above = group.frames.get(..group.own.unwrap_or(group.frames.len())).unwrap_or_default();
        let calls = |name: &str| above.iter().any(|frame| frame.function.starts_with(name));
        if group.state.ends_with("(nil chan)") {
            return Wait::NilChannel;
        }
        // gorilla, coder and golang.org/x/net all call it so, and read from what they hijacked.
        if group.frames.iter().any(|frame| frame.function.contains("/websocket.(*Conn).")) {
            return Wait::Hijacked;
        }
        let is_awake = ["running", "runnable", "syscall"].contains(&&*group.state);
        // Caught at its work it is as good as in Accept.
        const SERVES: [&str; 3] =
            ["net/http.(*Server).Serve", "google.golang.org/grpc.(*Server).Serve", "internal/poll.(*FD).Accept"];
        if (is_awake || group.state == "IO wait")
            && SERVES.iter().any(|name| group.frames.iter().any(|frame| frame.function == *name))
        {
            return Wait::Accept;
        }
        // Do waits for who is in Do already; who is in it is where the function is.
        if above.iter().any(|frame| frame.function == "sync.(*Once).doSlow") && calls("sync.(*Mutex)") && !is_awake {
            return Wait::Once;
        }
        let by_function =
            BY_FUNCTION.iter().find(|(name, wait)| calls(name) && !(is_awake && wait.has_a_state_of_its_own()));
        let by_state = || BY_STATE.iter().find(|(state, _)| group.state.starts_with(state));
        by_function.or_else(by_state).map_or(Wait::Other, |(_, wait)| *wait)
    }

    /// Whether the runtime has a state for those that wait so. Who is in such a call and runs does not wait: it moves bytes at the
    /// moment, or was woken to take the mutex.
    fn has_a_state_of_its_own(self) -> bool {
        let of_peer = matches!(self, Wait::Body | Wait::Client | Wait::Hijacked | Wait::Network);
        of_peer || matches!(self, Wait::Lock | Wait::Group | Wait::Cond | Wait::PipeRead | Wait::PipeWrite)
    }

    /// Which cause it is when a shutdown waits for it.
    pub(super) fn cause(self, group: &Group) -> Cause {
        match self {
            Wait::Lock => Cause::Mutex,
            Wait::Once => Cause::Once,
            Wait::Cond => Cause::Cond,
            Wait::PipeRead => Cause::Receive,
            Wait::PipeWrite => Cause::Send,
            Wait::Group => Cause::WaitGroup,
            Wait::NilChannel if group.state.starts_with("chan send") => Cause::Send,
            Wait::Receive | Wait::Never | Wait::NilChannel => Cause::Receive,
            Wait::Send => Cause::Send,
            Wait::Select | Wait::Sleep => Cause::Loop,
            Wait::Running => Cause::Busy,
            Wait::Accept => Cause::StillServing,
            Wait::Printer | Wait::Other => Cause::Unknown,
            Wait::Child
            | Wait::Output
            | Wait::Pool
            | Wait::Database
            | Wait::Upstream
            | Wait::Body
            | Wait::Client
            | Wait::Hijacked
            | Wait::Network
            | Wait::Resolver
            | Wait::File
            | Wait::Syscall => Cause::Blocked,
        }
    }

    pub(super) fn phrase(self, group: &Group) -> &str {
        match self {
            Wait::Lock if group.state == "sync.RWMutex.Lock" => "waiting for an RWMutex to write",
            Wait::Lock if group.state == "sync.RWMutex.RLock" => "waiting for an RWMutex to read",
            Wait::Lock => "waiting for a mutex",
            Wait::Once => "waiting for a sync.Once",
            Wait::PipeRead => "reading from an io.Pipe",
            Wait::PipeWrite => "writing to an io.Pipe",
            Wait::Output => "waiting for the output of a child process that has ended",
            Wait::Printer => "printing this dump",
            Wait::Group => "waiting for a WaitGroup",
            Wait::Cond => "waiting for a Cond",
            Wait::Receive => "receiving from a channel",
            Wait::Send => "sending to a channel",
            Wait::NilChannel => "blocked for ever by a nil channel",
            Wait::Never => "blocked for ever in select {}",
            Wait::Select => "in a select",
            Wait::Sleep => "sleeping",
            Wait::Child => "waiting for a child process",
            Wait::Pool => "waiting for a free connection of the database pool",
            Wait::Database => "waiting for the database",
            Wait::Upstream => "waiting for another server",
            Wait::Body => "reading what the client does not send",
            Wait::Client => "writing what the client does not read",
            Wait::Hijacked => "reading from a hijacked connection",
            Wait::Network => "waiting for the network",
            Wait::Resolver => "waiting for DNS",
            Wait::File => "reading or writing a file",
            Wait::Syscall => "in a system call",
            Wait::Running => "running",
            Wait::Accept => "accepting connections",
            Wait::Other => &group.state,
        }
    }

    pub(super) fn advice(self) -> &'static str {
        match self {
            Wait::Lock => "Unlock on every return path (defer mu.Unlock()), and do not wait while holding a mutex.",
            Wait::Group => {
                "Tell every goroutine of the WaitGroup to stop before Wait: cancel its context or close its channel."
            }
            Wait::Cond => "Call Broadcast when stopping, and let the waiting loop look whether it is to stop.",
            Wait::Receive => {
                "Close the channel when stopping, or cancel the context it belongs to; a ticker needs ctx.Done() beside it in a select."
            }
            Wait::Once => "Do not call Do inside the function that the same Once runs, and let that function end.",
            Wait::PipeRead => "Close the writing end (CloseWithError) on every return path.",
            Wait::PipeWrite => "Close the reading end (CloseWithError) when nobody reads any more.",
            Wait::Output => "Set Cmd.WaitDelay: another process, which the child started, still has its output open.",
            Wait::Printer => "Look at the largest groups of the program's own code first.",
            Wait::Send => "Select on ctx.Done() beside the send, or keep receiving until the sender has gone.",
            Wait::NilChannel => {
                "Make the channel before it is used; Done() of context.Background, TODO and WithoutCancel is nil too."
            }
            Wait::Never => "Wait for the signal's context or for the end of Shutdown instead of select {}.",
            Wait::Select => "Add a case <-ctx.Done() that returns.",
            Wait::Sleep => "Wait for a timer and ctx.Done() in one select instead of sleeping.",
            Wait::Child => {
                "Start it with exec.CommandContext and set WaitDelay, so that it is killed when it does not stop."
            }
            Wait::Pool => {
                "Close every Rows and end every Tx, and pass a context with a deadline, so that waiting for the pool ends."
            }
            Wait::Database => {
                "Use the Context methods (QueryContext) with a deadline, so that the query ends with the stop."
            }
            Wait::Upstream => "Make the request with a context that the stop cancels, and give the client a Timeout.",
            Wait::Body => "Set Server.ReadTimeout, shorter than the time to stop.",
            Wait::Client => "Set Server.WriteTimeout, shorter than the time to stop.",
            Wait::Hijacked => {
                "Close hijacked connections yourself (Server.RegisterOnShutdown): Shutdown knows nothing of them."
            }
            Wait::Network => "Set a deadline on the connection, or close it when stopping.",
            Wait::Resolver => "Resolve with a context that the stop cancels.",
            Wait::File => {
                "Read in a goroutine that the stop does not wait for, or close the file when stopping (pipes, sockets)."
            }
            Wait::Syscall => "Use a form that does not block (LOCK_NB, a timeout), or do not let the stop wait for it.",
            Wait::Running => "Look at ctx.Err() inside the loop.",
            Wait::Other => "Look at what lets that call return.",
            Wait::Accept => "Give Shutdown a context with a deadline, and call server.Close when it has passed.",
        }
    }
    /// Shutdown does not cancel the contexts of requests; only Close does.
    pub(super) fn advice_in_handler(self) -> &'static str {
        match self {
            Wait::Receive | Wait::Send | Wait::Select | Wait::Sleep | Wait::Running => {
                "End with r.Context() too, give Shutdown a deadline, and call server.Close after it: that cancels r.Context()."
            }
            Wait::Database | Wait::Upstream | Wait::Resolver => {
                "Pass r.Context() on, give Shutdown a deadline, and call server.Close after it: that cancels r.Context()."
            }
            Wait::Other => "Give Shutdown a context with a deadline, and call server.Close when it has passed.",
            _ => self.advice(),
        }
    }
}
