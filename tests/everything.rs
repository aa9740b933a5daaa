//! Everything at once, for as long as GOWARD_EVERYTHING_SECONDS says (20 s without it; `make soak`: an hour): PID 1 must not
//! grow, go deaf, lose a child or miss a deadline, whatever its server, the server's descendants and strangers do.
//!
//! Two inits live for the whole time, each PID 1 of a PID namespace of its own. One probes over a Unix socket and has a slow reader
//! of its stderr, the other probes by a command and has a quick one. Their server (`fixture server`) ends again and again in
//! every way there is, and writes logs, real dumps and poison, leaves orphans, and says what it has to say; around them are
//! floods of signals, connections and datagrams. Beside them short-lived inits with the same options are stopped by TERM, one after
//! the other, each at another kind of moment.
//!
//! **What is measured.** How long a signal takes is taken from the clock at two ends: here before kill(2), and in the server
//! when it has the signal; so what this test itself is late with does not count. Both are CLOCK_MONOTONIC, which is one for all.
//!
//! **What is goward's, and what is the machine's.** A signal passes two processes, goward and the server, and each must be given a
//! processor. On a busy machine that alone may take longer than the 50 ms that are allowed. So the floods are bounded (by rates,
//! with pauses, at nice 19), in order that this test does not saturate the machine by itself; and what the machine does is
//! measured beside it, in two ways. A control (`fixture forward`) is two processes that do with a signal what an init does with it,
//! and nothing else: they are sent theirs at the same moment as goward, and again every millisecond for as long as goward's
//! server has not answered, and the worst of them shows a machine that stalls. But the control sleeps nearly all the time, and
//! so comes first wherever others compute; an init that has a dump to read is one of those others. So goward and its server are
//! looked at every millisecond too: how long each was ready to run, less how long it has run by the kernel's count
//! (/proc/PID/schedstat), is how long it was given no processor. The larger of the two ways is taken off. What is left is what
//! goward did instead, or waited for: one that computes for 50 ms in one turn is late on any machine, and so is one that waits
//! until somebody else has been given a processor (a vfork that waits for the exec). A fault tells in which states both were seen.
//!
//! GOWARD_EVERYTHING_POISON=0 leaves the poison out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types, reason = "these are tests")]
#![allow(dead_code, reason = "a part of what the tests of the init have is enough here")]

#[path = "init/plan.rs"]
mod plan;
mod support;

use goward::sys::clock::now;
use plan::{Plan, Run, children, fixture, goward, root, scratch, word};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;
use support::{Ending, LIMIT, Scratch, requires, send};

/// How soon the server must have a signal, beyond what the control shows.
const SOON: Duration = Duration::from_millis(50);
/// From one look at what is late to the next.
const LOOK: Duration = Duration::from_millis(1);
/// The orchestrator's number.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much larger PID 1 may be at the end of an hour than at its beginning, in KiB.
const GROWTH: f64 = 64.0;
/// In a run that is shorter than this not all has been seen that PID 1 needs memory for, and it may still grow to `LARGEST`.
const LONG: Duration = Duration::from_secs(600);
/// PID 1 with all that waits for a slow reader, in KiB.
const LARGEST: f64 = 8192.0;
/// As many descriptors as PID 1 may ordinarily have, and as it may have at all, which is fewer than a datagram can carry.
const DESCRIPTORS: [f64; 2] = [24.0, 64.0];
/// How long a zombie may stay.
const ZOMBIE: Duration = Duration::from_secs(3);
/// The uid of strangers.
const STRANGER: &str = "4242";
/// No more faults than this are told.
const TOLD: usize = 20;

// ---------------------------------------------------------------------------------------------------------------------
// What was seen

/// All figures, by the name of what was measured; how often things happened; and what was wrong.
#[derive(Default)]
struct Seen {
    measures: BTreeMap<String, Vec<f64>>,
    counts: BTreeMap<String, u64>,
    faults: Vec<String>,
}

impl Seen {
    fn measure(&mut self, name: impl Into<String>, figure: f64) {
        self.measures.entry(name.into()).or_default().push(figure);
    }

    fn count(&mut self, name: &str, number: u64) {
        *self.counts.entry(name.to_owned()).or_default() += number;
    }

    fn fault(&mut self, what: String) {
        eprintln!("{:8.1} s  WRONG: {what}", now().as_secs_f64());
        self.faults.push(what);
    }

    fn add(&mut self, other: Seen) {
        for (name, figures) in other.measures {
            self.measures.entry(name).or_default().extend(figures);
        }
        for (name, number) in other.counts {
            self.count(&name, number);
        }
        self.faults.extend(other.faults);
    }

    /// A line for each measure.
    fn report(&self) -> String {
        let mut text = format!("{:52} {:>8} {:>9} {:>9} {:>9}\n", "measure", "number", "minimum", "median", "maximum");
        for (name, figures) in &self.measures {
            let mut sorted = figures.clone();
            sorted.sort_by(f64::total_cmp);
            let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
            _ = writeln!(text, "{name:52} {:8} {first:9.2} {:9.2} {last:9.2}", sorted.len(), median(figures));
        }
        let counts: Vec<_> = self.counts.iter().map(|(name, number)| format!("{name}: {number}")).collect();
        text + &counts.join("\n") + "\n"
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Numbers that are different each time, for moments.
struct Chance(u64);

impl Chance {
    fn new() -> Chance {
        Chance(now().as_nanos() as u64 | 1)
    }

    fn within(&mut self, range: &Range<u64>) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(range.start + self.0 % (range.end - range.start))
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// How soon a signal is heard

/// Two processes that show how soon anybody can hear a signal on this machine now.
struct Control {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Control {
    fn new() -> Control {
        let mut command = Command::new(fixture());
        let mut process = command.arg("forward").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        let mut control = Control { process, lines };
        assert_eq!(control.line(), "ready\n");
        control
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    fn hit(&mut self) -> Duration {
        let from = now();
        send(self.process.id() as i32, libc::SIGUSR1);
        let line = self.line();
        let at = line.split_whitespace().nth(1).and_then(nanos).expect("the control answers");
        at.saturating_sub(from)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn nanos(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_nanos)
}

/// What became of a signal.
enum Answer {
    /// It was heard then.
    At(Duration),
    /// There was nobody to hear it.
    Nobody,
}

/// A process that is looked at again and again: whether it was given a processor when it wanted one, and what it waited for.
struct Witness {
    pid: i32,
    from: Duration,
    /// When it was last looked at.
    at: Duration,
    /// How long it was ready to run, running or not.
    ready: Duration,
    /// How long it had run before, and has run now.
    ran: [Duration; 2],
    /// In which states it was seen once it was late, with what it waited for in the kernel, and how often.
    states: BTreeMap<String, u32>,
}

impl Witness {
    fn new(pid: i32) -> Witness {
        let ran = ran(pid).unwrap_or_default();
        Witness { pid, from: now(), at: now(), ready: Duration::ZERO, ran: [ran; 2], states: BTreeMap::new() }
    }

    fn look(&mut self) {
        let now = now();
        let since = now.saturating_sub(std::mem::replace(&mut self.at, now));
        let Some((state, ran)) = plan::state(self.pid).zip(ran(self.pid)) else { return };
        self.ran[1] = ran;
        if state == 'R' {
            self.ready += since;
        }
        if now > self.from + SOON {
            let place = fs::read_to_string(format!("/proc/{}/wchan", self.pid)).unwrap_or_default();
            *self.states.entry(format!("{state} {place}")).or_default() += 1;
        }
    }

    /// How long it was ready to run, and was not given a processor.
    fn waited(&self) -> Duration {
        self.ready.saturating_sub(self.ran[1].saturating_sub(self.ran[0]))
    }

    fn describe(&self) -> String {
        let ran = self.ran[1].saturating_sub(self.ran[0]);
        format!("ran for {ran:.1?}, waited {:.1?} for a processor, and was {:?}", self.waited(), self.states)
    }
}

/// goward and its server on the way of a signal.
struct Way<'a> {
    init: &'a Init,
    goward: Witness,
    /// From the first look on, if there is one then.
    server: Option<Witness>,
}

impl Way<'_> {
    fn new(init: &Init) -> Way<'_> {
        Way { init, goward: Witness::new(init.run.pid()), server: None }
    }

    fn look(&mut self) {
        self.goward.look();
        match &mut self.server {
            Some(server) => server.look(),
            None => self.server = self.init.server().map(Witness::new),
        }
    }

    /// One after the other must be given a processor.
    fn waited(&self) -> Duration {
        self.goward.waited() + self.server.as_ref().map_or(Duration::ZERO, Witness::waited)
    }

    fn describe(&self) -> String {
        let server = self.server.as_ref().map_or("there was none".to_owned(), Witness::describe);
        format!("goward {}; the server {server}", self.goward.describe())
    }
}

/// How long a process has run in its life, as the kernel says.
fn ran(pid: i32) -> Option<Duration> {
    nanos(fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?.split(' ').next()?)
}

/// How long a signal took until it was heard, and the worst of the control's meanwhile, or of this thread's own.
#[derive(Clone, Copy)]
struct Heard {
    took: Duration,
    control: Duration,
}

/// Sends this goward a signal, and sees how long that takes. None: there was nobody to hear it.
fn heard(
    control: &mut Control,
    way: &mut Way<'_>,
    signal: i32,
    mut answer: impl FnMut(Duration) -> Option<Answer>,
) -> Option<Heard> {
    let from = now();
    way.init.run.signal(signal);
    let mut worst = control.hit();
    loop {
        match answer(from) {
            Some(Answer::At(at)) => return Some(Heard { took: at.saturating_sub(from), control: worst }),
            Some(Answer::Nobody) => return None,
            None if now() > from + LIMIT => return Some(Heard { took: LIMIT, control: worst }),
            None => {}
        }
        let before = now();
        sleep(LOOK);
        way.look();
        let hit = control.hit();
        // This thread sleeps as the control does: a machine that does not wake it stalls.
        worst = worst.max(hit).max(now().saturating_sub(before + 2 * LOOK));
    }
}

impl Seen {
    fn heard(&mut self, name: &str, heard: Heard, way: &Way<'_>, when: &str) {
        let Heard { took, control } = heard;
        let waited = way.waited();
        let own = took.saturating_sub(control.max(waited));
        self.measure(format!("{name} heard after, ms"), millis(took));
        self.measure(format!("{name}: the control's at that moment, ms"), millis(control));
        self.measure(format!("{name}: the wait for a processor, ms"), millis(waited));
        self.measure(format!("{name} heard after, less the machine's, ms"), millis(own));
        if own > SOON {
            let way = way.describe();
            self.fault(format!("{name} was heard after {took:.1?}, the control's after {control:.1?}; {way}: {when}"));
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// What an init and its server write

/// A pipe with a name, and a thread that reads it.
struct Pipe {
    path: PathBuf,
    file: Arc<File>,
    over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

/// What a reader does next.
enum Pace {
    Read(usize),
    Pause(Duration),
}

impl Pipe {
    /// Reads so much at a time, and hands each piece on.
    fn new(
        scratch: &Scratch,
        name: &str,
        mut pace: impl FnMut() -> Pace + Send + 'static,
        mut take: impl FnMut(&[u8]) + Send + 'static,
    ) -> Pipe {
        let path = scratch.path(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        // Both ends: it is opened without somebody at the other end, and does not end.
        let file = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let (file, over) = (Arc::new(file), Arc::new(AtomicBool::new(false)));
        let (read, is_over) = (Arc::clone(&file), Arc::clone(&over));
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            loop {
                match pace() {
                    Pace::Pause(time) if !is_over.load(Ordering::Relaxed) => sleep(time),
                    Pace::Pause(_) => return,
                    Pace::Read(most) => match (&*read).read(&mut buffer[..most.min(65536)]) {
                        Ok(length) => take(&buffer[..length]),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            if is_over.load(Ordering::Relaxed) {
                                return;
                            }
                            let mut poll = [nix::poll::PollFd::new(read.as_fd(), nix::poll::PollFlags::POLLIN)];
                            _ = nix::poll::poll(&mut poll, 50_u8);
                        }
                        Err(_) => return,
                    },
                }
            }
        });
        Pipe { path, file, over, reader: Some(reader) }
    }

    /// Makes room, so that nobody has to wait until this reader is given a processor.
    fn enlarge(&self) {
        nix::fcntl::fcntl(&*self.file, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
    }
}

/// What is still in it is read first.
impl Drop for Pipe {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            _ = reader.join();
        }
    }
}

/// What the server says on stdout: `fixture server`.
#[derive(Default)]
struct Story {
    /// The life that has begun, the server's pid as it sees it, and whether it is ready for everything.
    life: usize,
    pid: String,
    ready: bool,
    /// The life that ends or has ended, since when.
    ending: Option<(usize, Duration)>,
    /// When it had the last USR1.
    usr1: Duration,
    /// When it had the first TERM.
    term: Option<Duration>,
    counts: BTreeMap<String, u64>,
    /// The last line as far as it has come.
    rest: Vec<u8>,
}

impl Story {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned();
                self.line(&line);
            } else {
                self.rest.push(*byte);
            }
        }
    }

    fn line(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let number = |place: usize| words.get(place).and_then(|word| word.parse().ok());
        let (life, at) = (number(1), words.get(2).and_then(|word| nanos(word)));
        match (words[0], life, at) {
            ("life", Some(life), Some(_)) => {
                (self.life, self.ready) = (life, false);
                self.pid = words.get(3).copied().unwrap_or_default().to_owned();
                *self.counts.entry("lives".to_owned()).or_default() += 1;
            }
            ("ready", Some(_), _) => self.ready = true,
            ("ending", Some(life), Some(at)) => self.ending = Some((life, at)),
            ("usr1", Some(_), Some(at)) => self.usr1 = at,
            ("term", Some(_), Some(at)) => self.term = self.term.or(Some(at)),
            (name @ ("signals" | "orphans" | "datagrams" | "probe" | "said" | "lost"), count, _) => {
                *self.counts.entry(name.to_owned()).or_default() += count.unwrap_or(1) as u64;
            }
            _ => {}
        }
    }

    /// When this life began to end.
    fn end_of(&self, life: usize) -> Option<Duration> {
        self.ending.filter(|(ending, _)| *ending == life).map(|(_, at)| at)
    }
}

/// What goward writes to stderr, of which only the end is kept.
#[derive(Default)]
struct Log {
    bytes: u64,
    line: Vec<u8>,
    tail: String,
    records: usize,
    restarts: usize,
    /// When the stop was logged.
    stop: Option<Duration>,
    panicked: bool,
}

impl Log {
    const LINE: usize = 8192;
    const TAIL: usize = 3000;

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") || self.line.len() > Log::LINE {
                // Of a line without an end the end may have goward's own line.
                let line =
                    String::from_utf8_lossy(&self.line[self.line.len().saturating_sub(Log::LINE)..]).into_owned();
                self.line.clear();
                self.whole(&line);
            }
        }
    }

    /// `WARN goward: exited by itself: exit 3, ran 1.0s`, and not `health probe failed: exit code 3`.
    fn is_record(&self, line: &str) -> bool {
        let code = line.split_once(" goward: ").and_then(|(_, message)| message.split_once(": exit "));
        code.is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
    }

    /// A line. The server's own are none of this test's business.
    fn whole(&mut self, line: &str) {
        if !line.contains("goward") {
            return;
        }
        // As text, and as JSON; the findings of a dump have causes too, but no code.
        let text = line.contains(" cause=\"") || self.is_record(line);
        self.records += usize::from(text || line.contains("\"cause\":\"") && line.contains("\",\"code\":"));
        self.restarts += usize::from(line.contains("restarting it in"));
        self.panicked |= line.contains("fault in goward");
        if line.contains("stop requested: ") {
            self.stop = self.stop.or_else(|| Some(now()));
        }
        self.tail.extend(line.trim_end().chars().take(300));
        self.tail.push('\n');
        if self.tail.len() > 2 * Log::TAIL {
            let from = (self.tail.len() - Log::TAIL..).find(|at| self.tail.is_char_boundary(*at)).unwrap_or(0);
            self.tail.drain(..from);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// An init

/// How the server is probed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Probe {
    Http,
    Command,
}

/// How goward's stderr is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    Quick,
    Slow,
}

/// A goward as PID 1, and what it and its server have said so far.
struct Init {
    run: Run,
    story: Arc<Mutex<Story>>,
    log: Arc<Mutex<Log>>,
    /// A slow reader reads quickly from now on.
    hurry: Arc<AtomicBool>,
    /// Of the server's stdout, and of goward's stderr.
    pipes: [Pipe; 2],
    scratch: Scratch,
}

impl Init {
    fn start(probe: Probe, reader: Reader, json: bool, end: &str, noise: &str) -> Init {
        let scratch = scratch();
        share_dumps(&scratch);
        let (story, log) = (Arc::<Mutex<Story>>::default(), Arc::<Mutex<Log>>::default());
        let hurry = Arc::new(AtomicBool::new(false));
        let (told, logged, hurried) = (Arc::clone(&story), Arc::clone(&log), Arc::clone(&hurry));
        let whole = || Pace::Read(65536);
        let pipes = [
            Pipe::new(&scratch, "stdout", whole, move |bytes| told.lock().unwrap().take(bytes)),
            Pipe::new(
                &scratch,
                "stderr",
                move || if reader == Reader::Slow && !hurried.load(Ordering::Relaxed) { slowly() } else { whole() },
                move |bytes| logged.lock().unwrap().take(bytes),
            ),
        ];
        if reader == Reader::Quick {
            pipes[1].enlarge();
        }
        let dir = word(&scratch.path("")).to_owned();
        let target = match probe {
            Probe::Http => format!("http://unix:{}:/", word(&scratch.path("socket"))),
            Probe::Command => format!("exec:{} probed {dir}", fixture()),
        };
        let plan = Plan::new("--user 65532:65532 --notify --watchdog 2s --restart always --on-unhealthy restart")
            // The server is no Go program: that it prints a dump, it has to be asked for.
            .option("--dump=raw")
            .option(&format!("--stop-timeout={}ms", TIMEOUT.as_millis()))
            .option(&format!("--health={target}"))
            .env("GOWARD_HEALTH_INTERVAL", "100ms")
            .env("GOWARD_HEALTH_TIMEOUT", "500ms")
            .env("GOWARD_HEALTH_RETRIES", "4")
            .env("GOWARD_RLIMIT", "core=0")
            .env("GOWARD_LOG_FORMAT", if json { "json" } else { "text" })
            .setup("mount -t tmpfs -o mode=1777 none /dev/shm")
            .setup(&format!("ulimit -n {}", DESCRIPTORS[1]))
            .setup(&format!("exec >{} 2>{}", word(&pipes[0].path), word(&pipes[1].path)));
        let run = plan.fixture(&format!("server {dir} {end} {noise}"));
        Init { run, story, log, hurry, pipes, scratch }
    }

    fn story<T>(&self, ask: impl FnOnce(&Story) -> T) -> T {
        ask(&self.story.lock().unwrap())
    }

    fn log<T>(&self, ask: impl FnOnce(&Log) -> T) -> T {
        ask(&self.log.lock().unwrap())
    }

    /// The pid of the server as seen from here.
    fn server(&self) -> Option<i32> {
        let inner = self.story(|story| story.pid.clone());
        let is_it = |pid: &i32| plan::status(*pid, "NSpid").split_whitespace().last() == Some(&inner);
        children(self.run.pid()).into_iter().map(|(pid, _)| pid).find(is_it)
    }

    fn ended(&self) -> bool {
        self.run.running.ending().is_some()
    }

    /// How the names of its abstract sockets begin, in /proc/net/unix. Its own alone: other tests have theirs.
    fn prefix(&self) -> String {
        let namespace = fs::read_link(format!("/proc/{}/ns/pid", self.run.pid())).unwrap_or_default();
        let number: String = word(&namespace).chars().filter(char::is_ascii_digit).collect();
        format!("@goward/{number}/")
    }

    /// A command inside, as `docker exec` runs it.
    fn inside(&self, user: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.run.pid().to_string(), "--pid", "--mount"]).args(user);
        command
    }

    /// Asks goward to stop, and says what was wrong with that. `codes`: how it may end.
    fn stop(&self, control: &mut Control, what: &str, codes: &[i32], seen: &mut Seen) {
        let mut way = Way::new(self);
        let mut gone = None;
        let took = heard(control, &mut way, libc::SIGTERM, |_| {
            if let Some(at) = self.story(|story| story.term) {
                return Some(Answer::At(at));
            }
            // There may be no server to have it. Then goward's own word counts.
            gone = gone.or_else(|| self.ended().then(now));
            gone.map(|gone| Answer::At(self.log(|log| log.stop).map_or(gone, |logged| logged.min(gone))))
        });
        let describe = || format!("{what}\n{}", self.log(|log| log.tail.clone()));
        if let Some(took) = took {
            seen.heard("TERM", took, &way, &describe());
        }
        let ended = support::happens_within(2 * TIMEOUT, || {
            way.look();
            self.ended()
        });
        let took = gone.unwrap_or_else(now).saturating_sub(way.goward.from);
        seen.count("stops", 1);
        seen.measure(format!("stop, {what}: TERM to exit, ms"), millis(took));
        if !ended || took.saturating_sub(way.waited()) >= TIMEOUT {
            seen.fault(format!("a stop took {took:.1?} of {TIMEOUT:?}; {}: {}", way.describe(), describe()));
        }
        let code = self.run.running.ending();
        if !codes.iter().any(|expected| code == Some(Ending::Exited(*expected))) {
            seen.fault(format!("ended with {code:?} instead of {codes:?}: {}", describe()));
        }
        _ = support::happens_within(Duration::from_secs(1), || self.log(|log| log.records > 0));
        let (records, panicked) = self.log(|log| (log.records, log.panicked));
        if records != 1 || panicked {
            seen.fault(format!("{records} records, panicked: {panicked}: {}", describe()));
        }
    }

    /// What its server has counted.
    fn count(&self, seen: &mut Seen) {
        let names = [
            ("lives", "lives of servers"),
            ("signals", "signals that reached a server"),
            ("orphans", "orphans"),
            ("datagrams", "datagrams that were not the server's"),
            ("probe", "probes over a socket"),
            ("said", "datagrams of the server"),
            ("lost", "datagrams of the server that found no room"),
        ];
        for (name, shown) in names {
            seen.count(shown, self.story(|story| story.counts.get(name).copied().unwrap_or(0)));
        }
        let probes = fs::metadata(self.scratch.path("probes")).map_or(0, |meta| meta.len());
        seen.count("probes by a command", probes);
        seen.count("bytes on goward's stderr", self.log(|log| log.bytes));
        if self.story(|story| story.counts.contains_key("lost")) {
            seen.fault("a word of the server found no room".to_owned());
        }
    }
}

/// Some 4 KiB a second, then all that has come, then nothing.
fn slowly() -> Pace {
    match now().as_millis() % 10_000 {
        ..6_000 => {
            sleep(Duration::from_millis(500));
            Pace::Read(2048)
        }
        6_000..8_000 => Pace::Read(65536),
        _ => Pace::Pause(Duration::from_millis(100)),
    }
}

/// Dumps of real programs, where the server's user can read them.
fn share_dumps(scratch: &Scratch) {
    let names =
        ["crash_repeats", "fatal_overflow", "hung_http_shutdown", "mutex_deadlock", "pprof_labels", "waitgroup_wait"];
    fs::create_dir(scratch.path("dumps")).unwrap();
    for name in names {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/dumps/{name}.stderr"));
        scratch.file(&format!("dumps/{name}"), &fs::read_to_string(from).unwrap(), 0o644);
    }
    fs::set_permissions(scratch.path("dumps"), fs::Permissions::from_mode(0o755)).unwrap();
}

fn noise() -> &'static str {
    let poison = std::env::var("GOWARD_EVERYTHING_POISON").is_ok_and(|value| value == "0");
    if poison { "dump,orphans,datagrams" } else { "poison,orphans,datagrams" }
}

// ---------------------------------------------------------------------------------------------------------------------
// The long-lived ones

/// From beginning to end, with everything around it.
fn live(probe: Probe, reader: Reader, end: Duration) -> Seen {
    let init = Init::start(probe, reader, probe == Probe::Command, "lives", noise());
    let init = &init;
    let mut seen = thread::scope(|scope| {
        let threads = [
            scope.spawn(move || hear(init, end)),
            scope.spawn(move || look(init, probe, end)),
            scope.spawn(move || ask(init, end)),
            scope.spawn(move || attack(init, "flood-signals", end)),
            scope.spawn(move || attack(init, "strangers inside", end)),
            scope.spawn(move || attack(init, "strangers outside", end)),
        ];
        let mut seen = Seen::default();
        for thread in threads {
            seen.add(thread.join().unwrap());
        }
        seen
    });
    // The reader catches up, so that the record can be asked for.
    init.hurry.store(true, Ordering::Relaxed);
    init.pipes[1].enlarge();
    sleep(Duration::from_secs(1));
    // It may be in any of its lives, and end by any of the signals, which also come before it can take them.
    let codes: Vec<i32> = [0, 1, 2, 3, 7].into_iter().chain(129..=192).collect();
    init.stop(&mut Control::new(), "at the end", &codes, &mut seen);
    init.count(&mut seen);
    if init.story(|story| story.counts.get("lives").copied()) < Some(3) {
        seen.fault(format!("{probe:?}: the server was not started again and again"));
    }
    seen
}

/// USR1, again and again.
fn hear(init: &Init, end: Duration) -> Seen {
    let (mut seen, mut control, mut chance) = (Seen::default(), Control::new(), Chance::new());
    while now() < end && !init.ended() {
        sleep(chance.within(&(50..150)));
        let life = init.story(|story| (story.ready && story.end_of(story.life).is_none()).then_some(story.life));
        let Some(life) = life else { continue };
        let mut way = Way::new(init);
        let took = heard(&mut control, &mut way, libc::SIGUSR1, |from| {
            init.story(|story| match story.end_of(life) {
                _ if story.usr1 >= from => Some(Answer::At(story.usr1)),
                // It has had the time, and has not heard.
                Some(at) if at > from + SOON => Some(Answer::At(at)),
                Some(_) => Some(Answer::Nobody),
                // It was killed.
                None => (story.life != life).then_some(Answer::Nobody),
            })
            // And has not been started again yet; one that is not reaped is still there.
            .or_else(|| (now() > from + SOON && init.server().is_none()).then_some(Answer::Nobody))
        });
        match took {
            Some(took) => seen.heard("USR1", took, &way, &format!("in life {life}")),
            None => seen.count("USR1 without a server", 1),
        }
    }
    seen
}

/// The size of PID 1, its descriptors, its zombies, what it costs.
fn look(init: &Init, probe: Probe, end: Duration) -> Seen {
    let pid = init.run.pid();
    let mut seen = Seen::default();
    let mut series: [Vec<f64>; 3] = Default::default();
    let mut zombies: BTreeMap<i32, Duration> = BTreeMap::new();
    let (start, before) = (now(), cost(pid));
    let mut told = start;
    while now() < end && !init.ended() {
        sleep(Duration::from_millis(250));
        let Some([all, anonymous]) = memory(pid) else { continue };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) as f64;
        for (series, figure) in series.iter_mut().zip([all, anonymous, descriptors]) {
            series.push(figure);
        }
        let dead: Vec<i32> = children(pid).iter().filter(|(_, state)| *state == 'Z').map(|(pid, _)| *pid).collect();
        seen.measure(format!("{probe:?}: zombies"), dead.len() as f64);
        zombies.retain(|pid, _| dead.contains(pid));
        for pid in dead {
            zombies.entry(pid).or_insert_with(now);
        }
        let old = zombies.values().filter(|since| now() > **since + ZOMBIE).count();
        if old > 0 {
            seen.fault(format!("{probe:?}: {old} zombies have stayed for {ZOMBIE:?}"));
            zombies.clear();
        }
        if now() > told + Duration::from_secs(60) {
            told = now();
            let restarts = init.log(|log| log.restarts);
            eprintln!(
                "{:8.1} s  {probe:?}: RSS {all} KiB, {anonymous} anonymous, {descriptors} descriptors, {restarts} restarts",
                (told - start).as_secs_f64()
            );
        }
    }
    if init.ended() {
        seen.fault(format!("goward has ended: {:?} {}", init.run.running.ending(), init.log(|log| log.tail.clone())));
    }
    let after = cost(pid);
    let seconds = (now() - start).as_secs_f64();
    seen.measure(format!("{probe:?}: CPU, ms a second"), (after[0] - before[0]) / seconds);
    seen.measure(format!("{probe:?}: voluntary context switches a second"), (after[1] - before[1]) / seconds);
    judge(probe, &series, Duration::from_secs_f64(seconds), &mut seen);
    for (series, name) in series.into_iter().zip(["RSS, KiB", "anonymous RSS, KiB", "descriptors"]) {
        seen.measures.insert(format!("{probe:?}: {name}"), series);
    }
    seen
}

/// Nothing grows between the first tenth and the last.
fn judge(probe: Probe, series: &[Vec<f64>; 3], time: Duration, seen: &mut Seen) {
    for (series, name) in series.iter().zip(["RSS", "anonymous RSS", "descriptors"]) {
        // What every life of a server needs has been needed by then.
        let warm = &series[series.len() / 10..];
        if warm.is_empty() {
            continue;
        }
        let [first, last] = match name {
            // A probe, a question or a datagram with descriptors holds some in passing; a leak holds them for good, so it
            // raises the fewest that are ever open.
            "descriptors" => {
                let quarter = warm.len().div_ceil(4);
                let fewest = |part: &[f64]| part.iter().copied().fold(f64::INFINITY, f64::min);
                [fewest(&warm[..quarter]), fewest(&warm[warm.len() - quarter..])]
            }
            _ => {
                let tenth = warm.len().div_ceil(10);
                [median(&warm[..tenth]), median(&warm[warm.len() - tenth..])]
            }
        };
        let largest = warm.iter().copied().fold(0.0, f64::max);
        seen.measure(format!("{probe:?}: growth of {name}"), last - first);
        let (growth, largest_allowed, largest) = match name {
            "descriptors" => (1.0, DESCRIPTORS[0], median(warm)),
            _ if time < LONG => (LARGEST, LARGEST, largest),
            _ => (GROWTH, LARGEST, largest),
        };
        if last - first > growth || largest > largest_allowed {
            seen.fault(format!("{probe:?}: {name} grew from {first} to {last}; {largest} of {largest_allowed}"));
        }
    }
}

/// KiB in memory: all, and those that are no file's. Counted page by page: /proc/PID/status may be off by some 100 KiB, since each
/// processor counts for itself.
fn memory(pid: i32) -> Option<[f64; 2]> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some([field("Rss:")?, field("Anonymous:")?])
}

/// Milliseconds of CPU, voluntary context switches.
fn cost(pid: i32) -> [f64; 2] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<f64> =
        stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|f| f.parse().unwrap_or(0.0)).collect();
    let switches = plan::status(pid, "voluntary_ctxt_switches").parse().unwrap_or(0.0);
    // utime and stime, in hundredths of a second.
    [fields.get(11..13).map_or(0.0, |times| times.iter().sum::<f64>() * 10.0), switches]
}

/// `goward status`, by turns as root and as the server's user.
fn ask(init: &Init, end: Duration) -> Seen {
    let mut seen = Seen::default();
    // The server comes first, this socket a moment later.
    let there = || fs::read("/proc/net/unix").is_ok_and(|list| String::from_utf8_lossy(&list).contains(&init.prefix()));
    if !support::happens_within(LIMIT, there) {
        seen.fault("there is no socket for goward status".to_owned());
    }
    for uid in ["0", "65532"].into_iter().cycle() {
        if now() >= end || init.ended() {
            break;
        }
        let from = now();
        let user = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", goward(), "status", "--json"];
        let outcome = support::run(init.inside(&user).stdin(Stdio::null()), LIMIT);
        seen.measure("goward status, ms", millis(now().saturating_sub(from)));
        if !outcome.stdout.contains("\"phase\":") || !matches!(outcome.ending, Ending::Exited(0 | 1)) {
            seen.fault(format!("uid {uid} was not answered: {outcome:?}"));
        }
        sleep(Duration::from_millis(500));
    }
    seen
}

/// One kind of attack, a few seconds at a time.
fn attack(init: &Init, kind: &str, end: Duration) -> Seen {
    const ROUND: Duration = Duration::from_secs(5);
    let mut seen = Seen::default();
    while now() < end && !init.ended() {
        let time = end.saturating_sub(now()).min(ROUND).as_millis().to_string();
        seen.attack(init, kind, &time);
    }
    seen
}

impl Seen {
    /// An attack for so many milliseconds.
    fn attack(&mut self, init: &Init, kind: &str, time: &str) {
        let mut command = if kind == "strangers inside" { init.inside(&[fixture()]) } else { Command::new(fixture()) };
        match kind {
            "flood-signals" => command.args(["flood-signals", &init.run.pid().to_string(), time]),
            _ => command.args(["as", STRANGER, "strangers", &init.prefix(), time]),
        };
        let outcome = support::run(command.stdin(Stdio::null()).process_group(0), LIMIT);
        for line in outcome.stdout.lines() {
            let Some((name, number)) = line.split_once(' ') else { continue };
            let name = match name {
                "flooded" => "signals sent",
                "connections" => "connections of strangers",
                _ => "datagrams of strangers",
            };
            self.count(name, number.parse().unwrap_or(0));
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The short-lived ones

/// A kind of moment for TERM.
struct Moment {
    name: &'static str,
    /// How the server ends, and what it does until then; see `fixture server`.
    server: &'static str,
    noise: &'static str,
    after: After,
    /// So much later, in milliseconds.
    delay: Range<u64>,
    /// How goward may end.
    codes: &'static [i32],
}

/// What is waited for first.
#[derive(Clone, Copy, PartialEq)]
enum After {
    /// goward has blocked the signals.
    Blocked,
    /// The server is ready.
    Ready,
    /// The server has begun to end.
    Ending,
    /// goward has said that it will be started again.
    Restart,
    /// The server is ready, and there are floods from outside.
    Flood,
}

/// The server obeys with 7; 137 if it had to be killed, or shows its goroutines first; 143 if TERM comes before it can take it.
const MOMENTS: [Moment; 12] = [
    Moment {
        name: "at the start",
        server: "stays",
        noise: "log",
        after: After::Blocked,
        delay: 0..30,
        codes: &[7, 143],
    },
    Moment { name: "serving", server: "stays", noise: "log,orphans", after: After::Ready, delay: 0..500, codes: &[7] },
    Moment { name: "at its end", server: "fails", noise: "log", after: After::Ending, delay: 0..10, codes: &[3] },
    Moment {
        name: "before a restart",
        server: "fails",
        noise: "none",
        after: After::Restart,
        delay: 0..90,
        codes: &[3],
    },
    Moment {
        name: "at a restart",
        server: "fails",
        noise: "log",
        after: After::Restart,
        delay: 90..130,
        codes: &[3, 143],
    },
    Moment { name: "in a probe", server: "unwell", noise: "log", after: After::Ready, delay: 100..350, codes: &[7] },
    Moment {
        name: "in poison",
        server: "stays",
        noise: "only-poison",
        after: After::Ready,
        delay: 0..500,
        codes: &[7],
    },
    Moment { name: "in a dump", server: "silent", noise: "dump", after: After::Ending, delay: 0..60, codes: &[137] },
    Moment {
        name: "in a storm of orphans",
        server: "stays",
        noise: "storm",
        after: After::Ready,
        delay: 0..500,
        codes: &[7],
    },
    Moment {
        name: "in floods",
        server: "stays",
        noise: "poison,orphans,datagrams",
        after: After::Flood,
        delay: 100..600,
        codes: &[7],
    },
    Moment {
        name: "to a server that is late",
        server: "late",
        noise: "orphans",
        after: After::Ready,
        delay: 0..300,
        codes: &[137],
    },
    Moment {
        name: "to a server that ignores it",
        server: "ignores",
        noise: "poison,orphans",
        after: After::Ready,
        delay: 0..300,
        codes: &[137],
    },
];

/// One after the other, each kind of moment in its turn.
fn stop_again_and_again(end: Duration) -> Seen {
    let (mut seen, mut control, mut chance) = (Seen::default(), Control::new(), Chance::new());
    let poison = noise().contains("poison");
    for (round, moment) in MOMENTS.iter().cycle().enumerate() {
        if now() >= end {
            break;
        }
        let probe = if round % 2 == round / MOMENTS.len() % 2 { Probe::Http } else { Probe::Command };
        let noise =
            if poison { moment.noise } else { &moment.noise.replace("only-poison", "dump").replace("poison", "dump") };
        let init = Init::start(probe, Reader::Quick, round / MOMENTS.len() % 2 == 1, moment.server, noise);
        let flood = ["flood-signals", "strangers inside"].into_iter().filter(|_| moment.after == After::Flood);
        thread::scope(|scope| {
            if !is_at(&init, moment.after) {
                return seen.fault(format!("{} never came: {}", moment.name, init.log(|log| log.tail.clone())));
            }
            let floods: Vec<_> = flood
                .map(|kind| {
                    let init = &init;
                    scope.spawn(move || {
                        let mut seen = Seen::default();
                        seen.attack(init, kind, "1000");
                        seen
                    })
                })
                .collect();
            sleep(chance.within(&moment.delay));
            init.stop(&mut control, moment.name, moment.codes, &mut seen);
            for flood in floods {
                seen.add(flood.join().unwrap());
            }
        });
        init.count(&mut seen);
    }
    seen
}

/// Waits for that.
fn is_at(init: &Init, after: After) -> bool {
    support::happens_within(LIMIT, || match after {
        After::Blocked => {
            let blocked = plan::status(init.run.pid(), "SigBlk");
            plan::status(init.run.pid(), "Name") == "goward" && blocked.chars().any(|digit| digit != '0')
        }
        After::Ready | After::Flood => init.story(|story| story.ready),
        After::Ending => init.story(|story| story.ending.is_some()),
        After::Restart => init.log(|log| log.restarts > 0),
    })
}

// ---------------------------------------------------------------------------------------------------------------------

#[test]
fn everything_at_once() {
    if !root() || !requires("nsenter") || !requires("setpriv") {
        return;
    }
    let seconds = std::env::var("GOWARD_EVERYTHING_SECONDS").ok().map_or(20, |text| text.parse().unwrap());
    let end = now() + Duration::from_secs(seconds);
    let seen = thread::scope(|scope| {
        let threads = [
            scope.spawn(move || live(Probe::Http, Reader::Slow, end)),
            scope.spawn(move || live(Probe::Command, Reader::Quick, end)),
            scope.spawn(move || stop_again_and_again(end)),
        ];
        let mut seen = Seen::default();
        for thread in threads {
            seen.add(thread.join().unwrap());
        }
        seen
    });
    println!("{}", seen.report());
    let told: Vec<_> = seen.faults.iter().take(TOLD).map(String::as_str).collect();
    assert!(told.is_empty(), "{} faults:\n{}", seen.faults.len(), told.join("\n\n"));
}
