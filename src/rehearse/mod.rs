//! `goward rehearse`: starts a server under the very init, keeps requests in flight, sends the stop signal, and tells what
//! became of them and what took the time.
//!
//! The init runs in a process of its own, forked before there is a runtime; the rehearsal is its parent, and an ordinary
//! program: sockets by tokio on one thread, everything else looked at every few milliseconds.

mod heard;
mod http;
mod knock;
mod line;
mod load;
mod outcome;
mod show;
mod stage;

use crate::config::{Load, Ready, Rehearsal};
use crate::exit;
use crate::supervisor::Time;
use crate::sys::clock;
use crate::sys::mask::Mask;
use crate::sys::sockets::{Sockets, State, Tcp};
use crate::sys::terminal;
use crate::target::{Endpoint, Target, Url};
use heard::Heard;
use load::{Aim, Shared};
use outcome::{Door, Run};
use stage::Stage;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often everything is looked at. What is told has this grain.
const TICK: Duration = Duration::from_millis(5);
/// Looking at all sockets or processes of a busy machine takes its time: at most this part of it is spent so.
const SHARE: u32 = 4;
/// How often the server is asked whether it is ready, and after the signal whether it still lets people in.
const KNOCK: Duration = Duration::from_millis(50);
/// So many may be out at once: each costs the server a connection.
const KNOCKING: u32 = 20;
/// A server that listens may still be about to install its signal handler.
const SETTLE: Duration = Duration::from_millis(250);
/// At most this long for the first answers, and for a program that does not show when it is ready.
const SECOND: Duration = Duration::from_secs(1);
/// In milliseconds: before that a server has not had the time to close its connections.
const MEANWHILE: u64 = 20;
/// The init leaves inside --stop-timeout; one that does not, however long after, is ended.
const GRACE: Duration = Duration::from_secs(3);

/// Why there was no rehearsal.
struct NotRun {
    code: u8,
    why: String,
}

/// The command. `inherited` is the mask for the server; all signals are blocked by now.
pub fn run(plan: Rehearsal, inherited: Mask) -> u8 {
    for note in &plan.settings.notes {
        show::note(note);
    }
    // Before anything is started: a report that cannot be written is found at once.
    let mut page =
        match plan.report.as_deref().map(|path| File::create(path).map_err(|error| (path, error))).transpose() {
            Ok(page) => page,
            Err((path, error)) => return cannot_write(path, &error),
        };
    let at_terminal = terminal::foreground();
    let mut runs = Vec::new();
    for number in 1..=plan.repeat {
        let run = match rehearse(&plan, inherited) {
            Ok(run) => run,
            Err(NotRun { code, why }) => {
                if !why.is_empty() {
                    show::note(&why);
                }
                return code;
            }
        };
        // The server may have had the terminal, and its group is gone.
        if let (Some(group), true) = (at_terminal, at_terminal != terminal::foreground()) {
            let _ = terminal::set_foreground(group);
        }
        let interrupted = run.interrupted;
        if plan.repeat > 1 && !plan.json {
            print(&show::text::line(&run, &plan, number));
        }
        runs.push(run);
        if let Some(signal) = interrupted {
            show::note("interrupted");
            return exit::by_signal(signal.number() as u8);
        }
    }
    print(&if plan.json { show::json::all(&runs, &plan) } else { show::text::all(&runs, &plan) });
    if let (Some(page), Some(path)) = (&mut page, plan.report.as_deref())
        && let Err(error) = page.write_all(show::page::all(&runs, &plan).as_bytes())
    {
        return cannot_write(path, &error);
    }
    u8::from(runs.iter().any(|run| !run.faults(&plan).is_empty()))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> u8 {
    show::note(&format!("--report {}: {error}", path.display()));
    exit::GOWARD_FAILED
}

fn print(text: &str) {
    // Nobody may be there to read it; the exit code says it too.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// One rehearsal. The runtime lives no longer than it: the next one forks again.
fn rehearse(plan: &Rehearsal, inherited: Mask) -> Result<Run, NotRun> {
    let failed = |what: &str, error: &dyn std::fmt::Display| NotRun {
        code: exit::GOWARD_FAILED,
        why: format!("the rehearsal cannot begin: {what}: {error}"),
    };
    let sockets = Sockets::open();
    let others: Vec<u64> = sockets.all(State::Listening).iter().map(|socket| socket.inode).collect();
    let (mut stage, stderr) = Stage::set(plan, inherited).map_err(|error| failed("fork", &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match &runtime {
        Ok(runtime) => LocalSet::new().block_on(runtime, conduct(&mut stage, stderr, plan, &World { sockets, others })),
        Err(error) => {
            stage.kill();
            while stage.code.is_none() {
                stage.attend();
                clock::nap(TICK);
            }
            Err(failed("epoll", error))
        }
    };
    let remained = stage.sweep();
    result.map(|run| Run { remained, interrupted: stage.interrupted, ..run })
}

/// Does this beside everything else. In a box, so that the runtime knows one kind of task and not five: 20 KB.
fn begin(task: impl Future<Output = ()> + 'static) {
    let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(task);
    tokio::task::spawn_local(task);
}

/// What is there beside the server.
struct World {
    sockets: Sockets,
    /// The listening sockets of others, from before the start.
    others: Vec<u64>,
}

async fn conduct(stage: &mut Stage, stderr: OwnedFd, plan: &Rehearsal, world: &World) -> Result<Run, NotRun> {
    let program = heard::program(plan);
    let heard = Rc::new(RefCell::new(Heard::default()));
    begin(heard::listen(stderr, Rc::clone(&heard), program.clone()));
    let started = clock::now();
    let ready = until_ready(stage, plan, world).await;
    let mut watch = match ready {
        Ok(doors) => Watch::new(plan, doors, started, clock::now()),
        Err(mut not) => {
            not = finish_early(stage, not).await;
            last_words(&heard).await;
            return Err(not);
        }
    };
    watch.until_the_end(stage, plan, world).await;
    watch.settle().await;
    last_words(&heard).await;
    let mut run = watch.run(stage);
    run.dumps = heard.borrow_mut().dumps(&program);
    Ok(run)
}

/// It was never ready: the server is stopped properly, but there is nothing to report.
async fn finish_early(stage: &mut Stage, not: NotRun) -> NotRun {
    // Somebody who interrupts has asked already; a second time would be the dump.
    if stage.code.is_none() && stage.interrupted.is_none() {
        stage.stop();
    }
    while stage.code.is_none() {
        stage.attend();
        sleep(TICK).await;
    }
    not
}

/// What is still in the pipe. Somebody may hold it open.
async fn last_words(heard: &RefCell<Heard>) {
    let until = clock::now() + heard::LAST_WORDS;
    while !heard.borrow().ended && clock::now() < until {
        sleep(TICK).await;
    }
}

/// Where the server listens, once it is ready.
async fn until_ready(stage: &mut Stage, plan: &Rehearsal, world: &World) -> Result<Vec<Tcp>, NotRun> {
    let deadline = clock::now() + plan.ready_timeout;
    let answered = Rc::new(Cell::new(false));
    let mut asking = false;
    let mut look_at = Time::ZERO;
    loop {
        stage.attend();
        if let Some(code) = stage.code {
            return Err(ended_early(stage, code));
        }
        let now = clock::now();
        if let Some(signal) = stage.interrupted {
            return Err(NotRun { code: exit::by_signal(signal.number() as u8), why: "interrupted".to_owned() });
        }
        // Until the program runs there is nothing to look for: what listens may be somebody else's.
        if stage.server.is_some() && now >= look_at {
            let doors = stage.listeners(&world.sockets, &|inode| world.others.contains(&inode));
            let ready = match &plan.ready {
                Ready::AtOnce => true,
                Ready::Port => !doors.is_empty(),
                Ready::Target(target) => {
                    if !std::mem::replace(&mut asking, true) {
                        begin(ask(target.clone(), Rc::clone(&answered)));
                    }
                    answered.get()
                }
            };
            if ready {
                return Ok(doors);
            }
            look_at = now + 2 * TICK + SHARE * clock::now().saturating_sub(now);
        }
        if now > deadline {
            let timeout = plan.ready_timeout;
            let what = match &plan.ready {
                Ready::Port => "no process of it listens on a TCP port; a program that is no server needs --ready none",
                Ready::Target(_) | Ready::AtOnce => "--ready had no answer",
            };
            return Err(NotRun {
                code: exit::GOWARD_FAILED,
                why: format!("the server was not ready within {timeout:?}: {what}"),
            });
        }
        sleep(TICK).await;
    }
}

async fn ask(target: Target, answered: Rc<Cell<bool>>) {
    while !knock::answers(&target).await {
        sleep(KNOCK).await;
    }
    answered.set(true);
}

fn ended_early(stage: &Stage, code: u8) -> NotRun {
    match (&stage.end, stage.interrupted) {
        (_, Some(signal)) => NotRun { code: exit::by_signal(signal.number() as u8), why: "interrupted".to_owned() },
        (Some(end), None) => {
            NotRun { code: exit::GOWARD_FAILED, why: format!("the server {} before it was ready", end.server) }
        }
        // It has never run, and the init has said why.
        (None, None) => NotRun { code, why: String::new() },
    }
}

/// From ready to the end.
struct Watch {
    started: Time,
    ready: Time,
    doors: Vec<Door>,
    /// Where new connections are tried.
    addresses: Vec<SocketAddr>,
    http: bool,
    aims: Vec<Rc<Aim>>,
    shared: Rc<Shared>,
    /// Since when the signal is due.
    due: Option<Time>,
    /// Connections that the server had accepted and not closed, as last seen.
    open: Option<u32>,
}

impl Watch {
    fn new(plan: &Rehearsal, doors: Vec<Tcp>, started: Time, ready: Time) -> Watch {
        let doors: Vec<Door> = doors.iter().map(Door::of).collect();
        // The first that was made is the one.
        let first = doors.iter().min_by_key(|door| door.inode);
        let addresses = match &plan.ready {
            Ready::Target(Target::Http(Url { at: Endpoint::Tcp(addresses), .. }))
            | Ready::Target(Target::Grpc(Url { at: Endpoint::Tcp(addresses), .. }))
            | Ready::Target(Target::Connect(Endpoint::Tcp(addresses))) => addresses.clone(),
            Ready::Target(_) | Ready::Port | Ready::AtOnce => {
                first.map(|door| reachable(door.address)).unwrap_or_default()
            }
        };
        let host = match (&plan.ready, addresses.first()) {
            (Ready::Target(Target::Http(url)), _) => url.host.clone(),
            (_, Some(address)) if address.ip().is_loopback() => format!("localhost:{}", address.port()),
            (_, Some(address)) => address.to_string(),
            (_, None) => String::new(),
        };
        let aim = |load: &Load| match load.clone() {
            Load::Path(path) => Aim { addresses: addresses.clone(), host: host.clone(), path },
            Load::Url(url) => Aim { addresses: url.addresses().to_vec(), host: url.host, path: url.path },
        };
        let aims: Vec<Rc<Aim>> = plan.load.iter().map(|load| Rc::new(aim(load))).collect();
        let shared = Rc::new(Shared::new(if aims.is_empty() { 0 } else { plan.in_flight }));
        for (at, aim) in aims.iter().cycle().take(shared.clients.len()).enumerate() {
            begin(load::client(Rc::clone(&shared), at, Rc::clone(aim)));
        }
        let http = matches!(plan.ready, Ready::Target(Target::Http(_)))
            || aims.iter().any(|aim| aim.addresses.iter().any(|address| addresses.contains(address)));
        Watch { started, ready, doors, addresses, http, aims, shared, due: None, open: None }
    }

    /// Waits, and does what is due, until the init has ended.
    async fn until_the_end(&mut self, stage: &mut Stage, plan: &Rehearsal, world: &World) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_at = Time::ZERO;
        let mut knock_at = Time::ZERO;
        let timeout = plan.settings.policy.ladder.map(|ladder| ladder.timeout()).unwrap_or_default();
        loop {
            ticks.tick().await;
            stage.attend();
            if stage.code.is_some() {
                return;
            }
            let now = clock::now();
            if now >= look_at {
                self.look(stage, world);
                look_at = now + SHARE * clock::now().saturating_sub(now);
            }
            match self.shared.signal.get() {
                None if stage.interrupted.is_none() && self.is_time(plan, now) => {
                    self.find_doors(stage, world);
                    self.shared.look(&world.sockets);
                    self.shared.signal.set(Some(clock::now()));
                    stage.stop();
                    knock_at = clock::now() + TICK;
                }
                None => {}
                Some(signal) if now > signal + timeout + GRACE => stage.kill(),
                Some(_) if now >= knock_at && self.shared.knocking.get() < KNOCKING && !self.addresses.is_empty() => {
                    knock_at = now + KNOCK;
                    begin(knock::knock(Rc::clone(&self.shared), self.addresses.clone(), self.http));
                }
                Some(_) => {}
            }
        }
    }

    /// Whether the signal is due. Where there are clients, they are given a moment to have requests in flight.
    fn is_time(&mut self, plan: &Rehearsal, now: Time) -> bool {
        let passed = now.saturating_sub(self.ready);
        let due = match plan.after {
            Some(after) => passed >= after,
            None if plan.ready == Ready::AtOnce || passed < SETTLE => passed >= SECOND,
            None => passed >= SECOND || self.shared.clients.iter().all(|client| client.began.get()),
        };
        if !due {
            return false;
        }
        let since = *self.due.get_or_insert(now);
        self.shared.is_busy() || now > since + 2 * KNOCK
    }

    /// A server opens its doors one by one: those that came since it was ready.
    fn find_doors(&mut self, stage: &Stage, world: &World) {
        let known = |inode| world.others.contains(&inode) || self.doors.iter().any(|door| door.inode == inode);
        let more = stage.listeners(&world.sockets, &known);
        self.doors.extend(more.iter().map(Door::of));
    }

    /// What the requests in flight have come to; after the signal, which doors are closed and who is still inside.
    fn look(&mut self, stage: &Stage, world: &World) {
        self.shared.look(&world.sockets);
        let since = self.shared.since_signal();
        if self.shared.signal.get().is_none() || self.doors.is_empty() {
            return;
        }
        let listening = world.sockets.all(State::Listening);
        let inside = |socket: &&Tcp| {
            socket.inode != 0 && self.doors.iter().any(|door| door.address.port() == socket.local.port())
        };
        let open = world.sockets.all(State::Established).iter().filter(inside).count() as u32;
        // What has ended with the server it did not close.
        if stage.server_lives() {
            if since >= MEANWHILE {
                self.open = Some(open);
            }
            let closed = |door: &&mut Door| listening.iter().all(|socket| socket.inode != door.inode);
            for door in self.doors.iter_mut().filter(closed) {
                door.closed_ms.get_or_insert(since);
            }
        }
    }

    /// Everybody has gone; the clients need a moment to see it.
    async fn settle(&self) {
        let until = clock::now() + 4 * KNOCK;
        while clock::now() < until
            && (self.shared.knocking.get() > 0 || self.shared.clients.iter().any(|client| !client.done.get()))
        {
            sleep(TICK).await;
        }
        self.shared.close(&self.aims);
    }

    fn run(self, stage: &mut Stage) -> Run {
        let shared = &self.shared;
        let signal = shared.signal.get();
        let since = |from: Time, to: Time| to.saturating_sub(from).as_millis() as u64;
        Run {
            ready_ms: since(self.started, self.ready),
            signal_after_ms: signal.map(|signal| since(self.ready, signal)),
            doors: self.doors,
            before: shared.before.get(),
            after: shared.after.get(),
            turned_away: shared.turned_away.get(),
            examples: shared.examples.take(),
            last_response_ms: signal
                .zip(shared.last_response.get())
                .filter(|(signal, last)| last >= signal)
                .map(|(signal, last)| since(signal, last)),
            knocks: shared.knocks.get(),
            open: self.open,
            end: stage.end.take(),
            ..Run::default()
        }
    }
}

impl Door {
    fn of(socket: &Tcp) -> Door {
        Door { address: socket.local, inode: socket.inode, closed_ms: None }
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
