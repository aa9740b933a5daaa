//! goward on the stage: what is started, with which options, after which preparation inside the namespace; and what its
//! end was like, with the time it took.

use crate::support::{self, Ending, LIMIT, Running, Stage, happens_within};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Whether this runs as root. Without, there is little to see here: mounts, users and limits need it.
pub(crate) fn root() -> bool {
    support::requires_root()
}

/// goward, where every user can start it; GOWARD_BINARY is another build of it.
pub(crate) fn goward() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| reachable(&std::env::var("GOWARD_BINARY").unwrap_or(support::GOWARD.to_owned())))
}

/// Whether that build is linked with glibc, which has other words for some errors, and forks by clone(2).
pub(crate) fn is_of_glibc() -> bool {
    let file = std::fs::read(goward()).unwrap();
    let name = b"GLIBC_TUNABLES";
    file.windows(name.len()).any(|window| window == name)
}

/// Whether it may lie anywhere (ET_DYN of elf(5)), which the release does not.
pub(crate) fn is_position_independent() -> bool {
    std::fs::read(goward()).unwrap().get(16..18) == Some(&[3, 0])
}

/// The fixture, where every user can start it.
pub(crate) fn fixture() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| reachable(support::fixture()))
}

/// Where the source lies in somebody's closed home directory, a copy in the temporary one.
fn reachable(program: &str) -> String {
    let path = Path::new(program);
    let open = |dir: &Path| fs::metadata(dir).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0);
    if path.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()).all(open) {
        return program.to_owned();
    }
    let home = std::env::temp_dir().join(format!("goward-programs-{}", nix::unistd::getuid()));
    fs::create_dir_all(&home).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let (copy, new) = (home.join(name), home.join(format!("{name}-{}", std::process::id())));
    fs::copy(path, &new).unwrap();
    fs::rename(&new, &copy).unwrap();
    copy.to_str().unwrap().to_owned()
}

/// A directory that every user may write to.
pub(crate) fn scratch() -> support::Scratch {
    let scratch = support::Scratch::new();
    fs::set_permissions(scratch.path("."), fs::Permissions::from_mode(0o777)).unwrap();
    scratch
}

/// A path as a word.
pub(crate) fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A pipe that has no room, and that nobody reads though somebody could.
pub(crate) struct FullPipe {
    path: String,
    /// Both ends, open for as long as the test wants.
    _held: File,
}

impl FullPipe {
    pub(crate) fn new(scratch: &support::Scratch) -> FullPipe {
        let path = word(&scratch.path("pipe")).to_owned();
        mkfifo(path.as_str(), Mode::from_bits_truncate(0o666)).unwrap();
        let held = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        while (&held).write(&[0; 4096]).is_ok() {}
        FullPipe { path, _held: held }
    }

    /// For a shell.
    pub(crate) fn as_stderr(&self) -> String {
        format!("exec 2>{}", self.path)
    }
}

/// What is to be started, and how.
#[derive(Clone)]
pub(crate) struct Plan {
    stage: Vec<String>,
    setup: String,
    options: Vec<String>,
    env: Vec<(String, String)>,
    child: bool,
}

impl Plan {
    /// goward with these options (words with spaces between), as PID 1.
    pub(crate) fn new(options: &str) -> Plan {
        let options = options.split_whitespace().map(str::to_owned).collect();
        Plan { stage: Vec::new(), setup: String::new(), options, env: Vec::new(), child: false }
    }

    /// Not as PID 1 but as its child.
    pub(crate) fn child(mut self) -> Plan {
        self.child = true;
        self
    }

    pub(crate) fn is_child(&self) -> bool {
        self.child
    }

    /// Options of `fixture stage`.
    pub(crate) fn stage(mut self, words: &str) -> Plan {
        self.stage.extend(words.split_whitespace().map(str::to_owned));
        self
    }

    /// A shell does this first, inside, and then becomes goward.
    pub(crate) fn setup(mut self, shell: &str) -> Plan {
        self.setup.push_str(shell);
        self.setup.push('\n');
        self
    }

    /// More options, words with spaces between.
    pub(crate) fn options(mut self, words: &str) -> Plan {
        self.options.extend(words.split_whitespace().map(str::to_owned));
        self
    }

    /// One option more, as it is.
    pub(crate) fn option(mut self, word: &str) -> Plan {
        self.options.push(word.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Plan {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the fixture as the server.
    pub(crate) fn fixture(&self, words: &str) -> Run {
        let words: Vec<_> = [fixture()].into_iter().chain(words.split_whitespace()).collect();
        self.run(&words)
    }

    /// With a shell script as the server; `$FIXTURE` is the fixture.
    pub(crate) fn shell(&self, script: &str) -> Run {
        self.run(&["/bin/sh", "-c", script])
    }

    /// With this program as the server; none: goward's options alone.
    pub(crate) fn run(&self, program: &[&str]) -> Run {
        let mut words = vec![goward()];
        words.extend(self.options.iter().map(String::as_str));
        if !program.is_empty() {
            words.push("--");
            words.extend(program);
        }
        self.start(&words)
    }

    /// Another program in goward's place.
    pub(crate) fn start(&self, words: &[&str]) -> Run {
        let script = format!("{}exec \"$0\" \"$@\"", self.setup);
        let shell = ["/bin/sh", "-c", &script];
        let words: Vec<_> = if self.setup.is_empty() { words.to_vec() } else { [&shell, words].concat() };
        let options: Vec<_> = self.stage.iter().map(String::as_str).collect();
        let mut stage = Stage::new(words[0]).args(&words[1..]).option(&options).env("FIXTURE", fixture());
        for (name, value) in &self.env {
            stage = stage.env(name, value);
        }
        let running = if self.child { stage.child() } else { stage }.start();
        Run { running }
    }
}

/// A running goward, and everything it has started. All of it is killed when this is dropped.
pub(crate) struct Run {
    pub(crate) running: Running,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    /// When it was heard of.
    pub(crate) at: Instant,
}

impl End {
    /// From a moment to the end.
    pub(crate) fn since(&self, from: Instant) -> Duration {
        self.at.duration_since(from)
    }

    /// The exit code is this, and standard error has this in it.
    pub(crate) fn must(&self, code: i32, sentence: &str) {
        assert!(self.code == code && self.err.contains(sentence), "wanted {code} and {sentence:?}, but {self:?}");
    }
}

impl Run {
    /// goward's pid as seen from here.
    pub(crate) fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// From outside the namespace, as `docker kill` does.
    pub(crate) fn signal(&self, number: i32) {
        support::send(self.pid(), number);
    }

    /// A stop; returns when it was asked for.
    pub(crate) fn stop(&self) -> Instant {
        let now = Instant::now();
        self.signal(libc::SIGTERM);
        now
    }

    /// Waits for a line of standard output that contains this, and returns it.
    pub(crate) fn line(&self, needle: &str) -> String {
        self.until(needle, || self.running.stdout())
    }

    /// The same on standard error.
    pub(crate) fn log(&self, needle: &str) -> String {
        self.until(needle, || self.running.stderr())
    }

    fn until(&self, needle: &str, read: impl Fn() -> String) -> String {
        wait_until(&format!("a line with {needle:?}"), || {
            let ended = self.running.ending().is_some();
            let text = read();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let line = whole.lines().find(|line| line.contains(needle)).map(str::to_owned);
            let (out, err) = (self.running.stdout(), self.running.stderr());
            assert!(
                line.is_some() || !ended || happens_within(Duration::from_millis(200), || read() != text),
                "it ended without {needle:?}\n{out}\n{err}"
            );
            line
        })
    }

    /// Waits until it has ended by itself.
    pub(crate) fn end(self) -> End {
        _ = self.running.ends_within(LIMIT); // If it does not, wait says so, with all that it wrote.
        let at = Instant::now();
        let outcome = self.running.wait();
        let (out, err) = (outcome.stdout, outcome.stderr);
        match outcome.ending {
            Ending::Exited(code) => End { code, out, err, at },
            Ending::Killed(signal) => panic!("goward was killed by signal {signal}\n{out}\n{err}"),
        }
    }

    /// goward's children, as seen from here: pid and state.
    pub(crate) fn children(&self) -> Vec<(i32, char)> {
        children(self.pid())
    }

    /// Those that have ended and were not reaped yet.
    pub(crate) fn zombies(&self) -> usize {
        self.children().iter().filter(|(_, state)| *state == 'Z').count()
    }

    /// The server's pid as seen from here. It must be the only child.
    pub(crate) fn server(&self) -> i32 {
        wait_until("a server", || self.children().first().map(|(pid, _)| *pid))
    }
}

/// Asks until there is an answer.
pub(crate) fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let mut answer = None;
    support::wait_until(what, LIMIT, || {
        answer = ask();
        answer.is_some()
    });
    answer.unwrap()
}

/// The children of a process, with their states (`Z` for a zombie).
pub(crate) fn children(pid: i32) -> Vec<(i32, char)> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|child| child.parse().ok()).filter_map(|c| Some((c, state(c)?))).collect()
}

/// The whole number that stands behind `NAME=` in a record.
pub(crate) fn number(record: &str, name: &str) -> Option<u64> {
    let fields = record.split([' ', '\n', '{', '}']);
    fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name)?.1.parse().ok()
}

/// The state letter of a process; none when it has gone.
pub(crate) fn state(pid: i32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// A line of `/proc/PID/status`.
pub(crate) fn status(pid: i32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}
