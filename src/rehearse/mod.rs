//! `goward rehearse`: starts a server under the very init, keeps requests in flight, sends the stop signal, and tells what
//! became of them and what took the time.
//!
//! The init runs in a process of its own, forked before there is a runtime; the rehearsal is its parent, and an ordinary
//! program: sockets by tokio on one thread, everything else looked at every few milliseconds.

mod aim;
mod connection_trial;
mod http;
mod init_process;
mod leaks;
mod load;
mod load_command;
mod looker;
mod outcome;
mod phase;
mod port;
mod rounds;
mod show;
mod stderr_capture;
mod waits;
mod watch;

use crate::config::{LoadBody, Ready, Rehearsal};
use crate::exit;
use crate::signal::Signal;
use crate::supervisor::Time;
use crate::sys::clock;
use crate::sys::file::described;
use crate::sys::mask::Mask;
use crate::sys::sockets::{Sockets, State, Tcp};
use crate::sys::terminal;
use crate::target::Target;
use init_process::InitProcess;
use load::TICK;
use outcome::{Listener, Run};
use show::page::About;
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use stderr_capture::StderrCapture;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::sleep;
use watch::Watch;

/// Looking at all sockets or processes of a busy machine takes its time: at most this part of it is spent so.
const SHARE: u32 = 4;
/// How often the server is asked whether it is ready, and after the signal whether it still lets people in.
const TRIAL_INTERVAL: Duration = Duration::from_millis(50);
/// A server that listens may still be about to install its signal handler.
const SETTLE: Duration = Duration::from_millis(250);
/// At most this long for the first answers, and for a program that does not show when it is ready.
const SECOND: Duration = Duration::from_secs(1);
/// So many times a rehearsal is made again that may have seen too little.
const AGAIN: u32 = 2;
/// In milliseconds: before that a server has not had the time to close its connections.
const MEANWHILE: u64 = 20;

/// Why there was no rehearsal.
struct NotRun {
    code: u8,
    why: String,
}

impl NotRun {
    fn interrupted(by: Signal, when: &str) -> NotRun {
        NotRun { code: exit::by_signal(by.number() as u8), why: format!("interrupted{when}") }
    }
}

/// A file that is written at the end. It is opened before anything is started: one that cannot be written is found at once.
struct Output<'a> {
    option: &'static str,
    path: &'a Path,
    file: File,
}

impl<'a> Output<'a> {
    fn open(option: &'static str, path: Option<&'a Path>) -> Result<Option<Output<'a>>, String> {
        let open = |path| match File::create(path) {
            Ok(file) => Ok(Output { option, path, file }),
            Err(error) => Err(cannot(option, path, &error)),
        };
        path.map(open).transpose()
    }

    fn write(&mut self, text: &str) -> Result<(), String> {
        self.file.write_all(text.as_bytes()).map_err(|error| cannot(self.option, self.path, &error))?;
        show::note(&format!("{} was written to {}", self.option, self.path.display()));
        Ok(())
    }
}

fn cannot(option: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{option} {}: {}", path.display(), described(error))
}

/// The command. `inherited` is the mask for the server; all signals are blocked by now.
pub fn run(plan: Rehearsal, inherited: Mask) -> u8 {
    for note in &plan.settings.notes {
        show::note(note);
    }
    run_all(&plan, inherited).unwrap_or_else(|NotRun { code, why }| {
        if !why.is_empty() {
            show::note(&why);
        }
        code
    })
}

fn run_all(plan: &Rehearsal, inherited: Mask) -> Result<u8, NotRun> {
    let failed = |why| NotRun { code: exit::GOWARD_FAILED, why };
    let mut page = Output::open("--report", plan.report.as_deref()).map_err(failed)?;
    let mut junit = Output::open("--junit", plan.junit.as_deref()).map_err(failed)?;
    let body = match &plan.request.body {
        LoadBody::None => Vec::new(),
        LoadBody::Text(text) => text.clone().into_bytes(),
        LoadBody::File(path) => fs::read(path).map_err(|error| failed(cannot("--data", path, &error)))?,
    };
    let at_terminal = terminal::foreground();
    let mut runs = Vec::new();
    for number in 1..=plan.repeat {
        let run = rehearse_until_seen(plan, inherited, &body)?;
        // The server may have had the terminal, and its group is gone.
        if let (Some(group), true) = (at_terminal, at_terminal != terminal::foreground()) {
            let _ = terminal::set_foreground(group);
        }
        // Half a rehearsal has no verdict.
        if let Some(signal) = run.interrupted {
            return Err(NotRun::interrupted(signal, ""));
        }
        if plan.repeat > 1 && !plan.json {
            print(&show::text::line(&run, plan, number));
        }
        runs.push(run);
    }
    print(&if plan.json { show::json::all(&runs, plan) } else { show::text::all(&runs, plan) });
    if let Some(page) = &mut page {
        let host = nix::sys::utsname::uname().map_or(String::new(), |host| {
            let part = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
            format!("{}, Linux {}, {}", part(host.nodename()), part(host.release()), part(host.machine()))
        });
        page.write(&show::page::all(&runs, plan, &About { host, date: crate::log::time_of_day() })).map_err(failed)?;
    }
    if let Some(junit) = &mut junit {
        junit.write(&show::junit::all(&runs, plan)).map_err(failed)?;
    }
    Ok(u8::from(runs.iter().any(|run| !run.faults(plan).is_empty())))
}

fn print(text: &str) {
    // Nobody may be there to read it; the exit code says it too.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// On a machine that is busy with something else a rehearsal may see nothing of what a stop loses: it is made again then.
fn rehearse_until_seen(plan: &Rehearsal, inherited: Mask, body: &[u8]) -> Result<Run, NotRun> {
    let mut run = rehearse(plan, inherited, body)?;
    for _ in 0..AGAIN {
        let good = run.interrupted.is_none() && plan.leaks.is_none() && run.faults(plan).is_empty();
        if !(good && run.stood_still()) {
            break;
        }
        let stalled = run.stalled_ms;
        show::note(&format!(
            "nothing was lost, but the clients waited {stalled} ms for CPU time: repeating the rehearsal"
        ));
        run = rehearse(plan, inherited, body)?;
    }
    Ok(run)
}

/// One rehearsal. The runtime lives no longer than it: the next one forks again.
fn rehearse(plan: &Rehearsal, inherited: Mask, body: &[u8]) -> Result<Run, NotRun> {
    let failed = |what: &str, error: &dyn std::fmt::Display| NotRun {
        code: exit::GOWARD_FAILED,
        why: format!("the rehearsal cannot begin: {what}: {error}"),
    };
    let sockets = Sockets::open();
    let others: Vec<u64> = sockets.all(State::Listening).iter().map(|socket| socket.inode).collect();
    let (mut init, stderr) = InitProcess::start(plan, inherited).map_err(|error| failed("fork", &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match &runtime {
        Ok(runtime) => LocalSet::new()
            .block_on(runtime, conduct(&mut init, stderr, plan, &World { sockets, others, body: body.to_vec() })),
        Err(error) => {
            init.kill();
            while init.code.is_none() {
                init.attend();
                clock::nap(TICK);
            }
            Err(failed("epoll", error))
        }
    };
    let remained = init.sweep();
    result.map(|run| Run { remained, interrupted: init.interrupted, ..run })
}

/// Does this beside everything else. In a box, so that the runtime knows one kind of task and not five: 20 KB.
fn begin(task: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(task);
    tokio::task::spawn_local(task)
}

/// What is there beside the server.
struct World {
    sockets: Sockets,
    /// The listening sockets of others, from before the start.
    others: Vec<u64>,
    /// What each request brings.
    body: Vec<u8>,
}

async fn conduct(init: &mut InitProcess, stderr: OwnedFd, plan: &Rehearsal, world: &World) -> Result<Run, NotRun> {
    let program = stderr_capture::program(plan);
    let capture = Rc::new(RefCell::new(StderrCapture::default()));
    begin(stderr_capture::listen(stderr, Rc::clone(&capture), program.clone()));
    let started = clock::now();
    let listeners = match until_ready(init, plan, world).await {
        Ok(listeners) => listeners.iter().map(Listener::of).collect(),
        Err(mut not) => {
            not = finish_early(init, not).await;
            last_words(&capture).await;
            return Err(not);
        }
    };
    let mut watch = Watch::new((init, plan, world), listeners, (started, clock::now())).await;
    let ends_here = watch.look_for_leaks(init, plan).await;
    if ends_here {
        end_at_once(init).await;
    } else {
        watch.begin_load();
        watch.until_the_end(init, plan, world).await;
    }
    watch.settle(init).await;
    last_words(&capture).await;
    let mut run = watch.run(init);
    run.dumps = capture.borrow_mut().dumps(&program);
    Ok(run)
}

/// It was never ready: the server is stopped properly, but there is nothing to report.
async fn finish_early(init: &mut InitProcess, not: NotRun) -> NotRun {
    // Somebody who interrupts has asked already; a second time would be the dump.
    if init.code.is_none() && init.interrupted.is_none() {
        init.stop();
    }
    while init.code.is_none() {
        init.attend();
        sleep(TICK).await;
    }
    not
}

/// Its stop is not rehearsed: it is asked to, and killed when it takes its time.
async fn end_at_once(init: &mut InitProcess) {
    let asked = clock::now();
    if init.interrupted.is_none() {
        init.stop();
    }
    while init.code.is_none() {
        init.attend();
        if clock::now() > asked + SECOND {
            init.kill();
        }
        sleep(TICK).await;
    }
}

/// What is still in the pipe. Somebody may hold it open.
async fn last_words(capture: &RefCell<StderrCapture>) {
    let until = clock::now() + stderr_capture::LAST_WORDS;
    while !capture.borrow().ended && clock::now() < until {
        sleep(TICK).await;
    }
}

/// When, to whoever does not wait until the server is ready.
const UNREADY: &str = " before the server was ready";

/// Where the server listens, once it is ready.
async fn until_ready(init: &mut InitProcess, plan: &Rehearsal, world: &World) -> Result<Vec<Tcp>, NotRun> {
    let began = clock::now();
    let deadline = began + plan.ready_timeout;
    // Whoever sits before it wonders, after a while.
    let mut tells = terminal::is_terminal(2);
    let answered = Rc::new(Cell::new(false));
    let mut asking = false;
    let mut look_at = Time::ZERO;
    loop {
        init.attend();
        if let Some(code) = init.code {
            return Err(ended_early(init, code));
        }
        let now = clock::now();
        if let Some(signal) = init.interrupted {
            return Err(NotRun::interrupted(signal, UNREADY));
        }
        // Until the program runs there is nothing to look for: what listens may be somebody else's.
        if init.server.is_some() && now >= look_at {
            let listeners = init.listeners(&world.sockets, &|inode| world.others.contains(&inode));
            let ready = match &plan.ready {
                Ready::AtOnce => true,
                Ready::Port => !listeners.is_empty(),
                Ready::Target(target) => {
                    if !std::mem::replace(&mut asking, true) {
                        begin(ask(target.clone(), Rc::clone(&answered)));
                    }
                    answered.get()
                }
            };
            if ready {
                return Ok(listeners);
            }
            look_at = now + 2 * TICK + SHARE * clock::now().saturating_sub(now);
        }
        if now > deadline {
            return Err(never_ready(plan));
        }
        if tells && now > began + SECOND {
            tells = false;
            let what =
                if plan.ready == Ready::Port { "the server to listen on a TCP port" } else { "--ready to answer" };
            show::note(&format!("waiting for {what}, {:?} at most (--ready-timeout)", plan.ready_timeout));
        }
        sleep(TICK).await;
    }
}

fn never_ready(plan: &Rehearsal) -> NotRun {
    let what = match &plan.ready {
        Ready::Port => "none of its processes listens on a TCP port; a program that is not a server needs --ready none",
        Ready::Target(_) | Ready::AtOnce => "--ready had no answer",
    };
    let why = format!("the server was not ready within {:?}: {what}", plan.ready_timeout);
    NotRun { code: exit::GOWARD_FAILED, why }
}

async fn ask(target: Target, answered: Rc<Cell<bool>>) {
    while !connection_trial::answers(&target).await {
        sleep(TRIAL_INTERVAL).await;
    }
    answered.set(true);
}

fn ended_early(init: &InitProcess, code: u8) -> NotRun {
    match (&init.end, init.interrupted) {
        (_, Some(signal)) => NotRun::interrupted(signal, UNREADY),
        (Some(end), None) => {
            NotRun { code: exit::GOWARD_FAILED, why: format!("the server {} before it was ready", end.server) }
        }
        // It has never run, and the init has said why.
        (None, None) => NotRun { code, why: String::new() },
    }
}

impl Listener {
    pub(super) fn of(socket: &Tcp) -> Listener {
        Listener { address: socket.local, inode: socket.inode, closed_ms: None }
    }
}

/// Where a listener on this address can be reached from here. One on [::] mostly is for both families.
fn reachable(address: SocketAddr) -> Vec<SocketAddr> {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let ips = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![v4],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![v4, v6],
        ip => vec![ip],
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, address.port())).collect()
}
