//! The six measurements.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::container::{Launcher, Server};
use crate::report::{OF_PEER, Samples, Table, Verdict, micros, millis, plus_minus};
use crate::subjects::{self, Subject};
use crate::sys;

/// How much of everything.
pub(crate) struct Plan {
    /// Starts and stops of every init, and signals in each of its lives.
    pub(crate) runs: usize,
    pub(crate) storms: usize,
    pub(crate) idle: Duration,
    /// Processors may halt.
    pub(crate) halting: bool,
    /// In containers of docker's, not in namespaces of this program's own.
    pub(crate) containers: bool,
}

impl Plan {
    /// What every table says of where its figures are from.
    fn setting(&self) -> &'static str {
        match (self.containers, self.halting) {
            (false, false) => "no processor halts",
            (false, true) => "processors halt",
            (true, false) => "real containers, no processor halts",
            (true, true) => "real containers, processors halt",
        }
    }
}

/// One of the measurements.
pub(crate) struct Measurement {
    pub(crate) name: &'static str,
    pub(crate) take: fn(&Launcher, &[Subject], &Plan) -> io::Result<Measured>,
}

/// Its outcome.
pub(crate) struct Measured {
    pub(crate) table: Table,
    /// About goward; none if it is not there.
    pub(crate) verdicts: Vec<Verdict>,
}

pub(crate) const MEASUREMENTS: [Measurement; 6] = [
    Measurement { name: "start", take: start },
    Measurement { name: "signal", take: signal },
    Measurement { name: "storm", take: storm },
    Measurement { name: "stop", take: stop },
    Measurement { name: "idle", take: idle },
    Measurement { name: "size", take: size },
];

/// Until an init sleeps again after a signal.
const ASLEEP: Duration = Duration::from_micros(500);
/// How often the inits are started for the signals.
const LIVES: usize = 10;
const ORPHANS: usize = 5_000;

/// Everything the measurements rely on, once: a start, a signal, a stop.
pub(crate) fn trial(launcher: &Launcher, subject: &Subject) -> io::Result<()> {
    let mut container = launcher.start(subject, Server::Stamper)?;
    thread::sleep(launcher.settled());
    container.signal(Signal::SIGUSR1)?;
    container.stamp()?;
    container.stop().map(drop)
}

/// As fast as the fastest peer.
const PAR: f64 = 1.05;

/// From the exec of the init to the first instruction of the server.
fn start(launcher: &Launcher, subjects: &[Subject], plan: &Plan) -> io::Result<Measured> {
    let mut all = with_none(subjects);
    all.extend(subjects.iter().find(|s| s.is_goward()).and_then(Subject::unprivileged));
    // One peer is enough to show what the drop costs there: it is another exec.
    if subjects::on_path("setpriv").is_some() {
        all.extend(subjects.iter().find(|s| s.is_peer()).and_then(Subject::unprivileged));
    }
    let samples = by_turns(&all, plan.runs, |subject| {
        let container = launcher.start(subject, Server::Stamper)?;
        Ok(container.started_at.saturating_sub(container.exec_at))
    })?;
    let title = format!(
        "start ({}): exec of the init to the server's first instruction, {} runs each",
        plan.setting(),
        plan.runs
    );
    let mut measured = latency(title, "start", 0.5, &all, &samples);
    measured.verdicts.extend(against_peers("start, --user", 0.7, &all, &samples, Subject::is_goward_as_user));
    Ok(measured)
}

/// From a signal sent to the init to the server that waits for it. All inits run side by side, asleep; and all are
/// started anew several times, for where a process happens to lie in memory is worth some percent.
fn signal(launcher: &Launcher, subjects: &[Subject], plan: &Plan) -> io::Result<Measured> {
    let all = with_none(subjects);
    let mut samples = vec![Samples::default(); all.len()];
    for _ in 0..LIVES {
        let mut containers = Vec::new();
        for subject in &all {
            containers.push(launcher.start(subject, Server::Stamper)?);
        }
        thread::sleep(launcher.settled());
        let of_this_life = by_turns(&mut containers, plan.runs, |container| {
            thread::sleep(ASLEEP);
            let sent = sys::now();
            container.signal(Signal::SIGUSR1)?;
            Ok(container.stamp()?.saturating_sub(sent))
        })?;
        samples.iter_mut().zip(of_this_life).for_each(|(all, new)| all.extend(new));
    }
    let count = plan.runs * LIVES;
    let title = format!("signal ({}): SIGUSR1 to the init until the server has it, {count} each", plan.setting());
    Ok(latency(title, "signal, p50", PAR, &all, &samples))
}

/// What 5,000 orphans cost the init. How long they take is for the most part the storm's own forks.
fn storm(launcher: &Launcher, subjects: &[Subject], plan: &Plan) -> io::Result<Measured> {
    let mut walls = vec![Samples::default(); subjects.len()];
    let mut indexed: Vec<_> = subjects.iter().zip(&mut walls).collect();
    let cpu = by_turns(&mut indexed, plan.storms, |(subject, wall)| {
        let mut container = launcher.start(subject, Server::Storm(ORPHANS))?;
        thread::sleep(launcher.settled());
        let before = sys::cpu_time(container.init())?;
        container.go()?;
        let began = container.stamp()?;
        wall.push(container.stamp()?.saturating_sub(began));
        // The last orphan is out of /proc a moment before the init sleeps again.
        thread::sleep(launcher.settled());
        Ok(sys::cpu_time(container.init())?.saturating_sub(before))
    })?;

    let title = format!("storm ({}): {ORPHANS} orphans, {} times each", plan.setting(), plan.storms);
    let mut table = Table::new(title, &["init", "init's CPU", "", "per orphan", "× fastest peer", "until all reaped"]);
    let fastest = fastest_peer(subjects, &cpu).median();
    for i in ranked(&cpu) {
        let used = cpu[i].median();
        table.row(vec![
            subjects[i].name.clone(),
            millis(used),
            plus_minus(cpu[i].error()),
            micros(used / ORPHANS as f64),
            format!("{:.2}", used / fastest),
            millis(walls[i].median()),
        ]);
    }
    Ok(Measured { table, verdicts: against_peers("CPU per orphan", PAR, subjects, &cpu, Subject::is_goward) })
}

/// From SIGTERM to the init until the init is gone, with a server that exits at once.
fn stop(launcher: &Launcher, subjects: &[Subject], plan: &Plan) -> io::Result<Measured> {
    let all = with_none(subjects);
    let samples = by_turns(&all, plan.runs, |subject| {
        let container = launcher.start(subject, Server::Stamper)?;
        thread::sleep(launcher.settled());
        let sent = sys::now();
        Ok(container.stop()?.saturating_sub(sent))
    })?;
    let title = format!("stop ({}): SIGTERM to the init until it is gone, {} runs each", plan.setting(), plan.runs);
    Ok(latency(title, "stop", PAR, &all, &samples))
}

/// What an init holds and does while nothing happens. All of them at the same time.
fn idle(launcher: &Launcher, subjects: &[Subject], plan: &Plan) -> io::Result<Measured> {
    let mut containers = Vec::new();
    for subject in subjects {
        containers.push(launcher.start(subject, Server::Stamper)?);
    }
    thread::sleep(Duration::from_secs(1));
    let tasks = |pid: Pid| -> io::Result<Vec<u64>> {
        fs::read_dir(format!("/proc/{pid}/task"))?
            .map(|task| Ok(sum(&fs::read_to_string(task?.path().join("status"))?, "voluntary_ctxt_switches:")))
            .collect()
    };
    let before = containers.iter().map(|c| tasks(c.init())).collect::<io::Result<Vec<_>>>()?;
    thread::sleep(plan.idle);

    let title = format!("idle ({}): {:?}, all at the same time", plan.setting(), plan.idle);
    let mut table = Table::new(title, &["init", "RSS", "anonymous", "threads", "wake-ups"]);
    let mut verdicts = Vec::new();
    for ((subject, container), before) in subjects.iter().zip(&containers).zip(before) {
        let now = tasks(container.init())?;
        let wakeups = now.iter().sum::<u64>().saturating_sub(before.iter().sum());
        // VmRSS of /proc/PID/status is an estimate in many kernels, off by some hundred KiB. This one is counted.
        let memory = fs::read_to_string(format!("/proc/{}/smaps_rollup", container.init()))?;
        let (rss, anonymous) = (sum(&memory, "Rss:"), sum(&memory, "Anonymous:"));
        let threads = now.len();
        table.row(vec![
            subject.name.clone(),
            format!("{rss} KiB"),
            format!("{anonymous} KiB"),
            threads.to_string(),
            wakeups.to_string(),
        ]);
        if subject.is_goward() {
            verdicts.extend([
                Verdict::counted("wake-ups, idle", wakeups as f64, 0.0, ""),
                Verdict::counted("threads", threads as f64, 1.0, ""),
                Verdict::counted("RSS", rss as f64, 512.0, "KiB"),
            ]);
        }
    }
    Ok(Measured { table, verdicts })
}

/// What an image grows by, where the init needs no libc beside it.
fn size(_: &Launcher, subjects: &[Subject], _: &Plan) -> io::Result<Measured> {
    let mut table = Table::new("size: tini and dumb-init of Debian need a libc too", &["init", "bytes", "KiB"]);
    let mut verdicts = Vec::new();
    for subject in subjects {
        let bytes = subject.size()?;
        let kib = bytes as f64 / 1024.0;
        table.row(vec![subject.name.clone(), bytes.to_string(), format!("{kib:.0}")]);
        if subject.is_goward() {
            verdicts.push(Verdict::counted("size", kib, 1433.0, "KiB"));
        }
    }
    Ok(Measured { table, verdicts })
}

fn with_none(subjects: &[Subject]) -> Vec<Subject> {
    let mut all = subjects.to_vec();
    all.push(Subject::none());
    all
}

/// Samples everything `rounds` times, one after the other in an order that changes with every round, so that neither a
/// slow minute of the machine nor what ran just before favours anyone. The first round warms the caches and is not counted.
fn by_turns<I, S>(items: I, rounds: usize, mut sample: S) -> io::Result<Vec<Samples>>
where
    I: IntoIterator,
    S: FnMut(&mut I::Item) -> io::Result<u64>,
{
    let mut items: Vec<_> = items.into_iter().collect();
    let mut samples = vec![Samples::default(); items.len()];
    let mut order: Vec<_> = (0..items.len()).collect();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for round in 0..=rounds {
        random.shuffle(&mut order);
        for &i in &order {
            let taken = sample(&mut items[i])?;
            if round > 0 {
                samples[i].push(taken);
            }
        }
    }
    Ok(samples)
}

/// xorshift64: enough for an order, and the same in every run.
struct Random(u64);

impl Random {
    fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// The table and the verdict of a measurement whose samples are times.
fn latency(title: String, what: &'static str, limit: f64, subjects: &[Subject], samples: &[Samples]) -> Measured {
    let mut table = Table::new(title, &["init", "median", "", "p99", "× fastest peer"]);
    let fastest = fastest_peer(subjects, samples).median();
    for i in ranked(samples) {
        let (median, own) = (samples[i].median(), &samples[i]);
        table.row(vec![
            subjects[i].name.clone(),
            micros(median),
            plus_minus(own.error()),
            micros(own.p99()),
            format!("{:.2}", median / fastest),
        ]);
    }
    Measured { table, verdicts: against_peers(what, limit, subjects, samples, Subject::is_goward) }
}

fn against_peers(
    what: &'static str,
    limit: f64,
    subjects: &[Subject],
    samples: &[Samples],
    is_judged: fn(&Subject) -> bool,
) -> Vec<Verdict> {
    let fastest = fastest_peer(subjects, samples);
    let goward = subjects.iter().zip(samples).filter(|(subject, _)| is_judged(subject));
    let verdict = |own: &Samples| {
        let figure = own.median() / fastest.median();
        Verdict { what, figure, error: figure * own.error().hypot(fastest.error()), limit, unit: OF_PEER }
    };
    goward.map(|(_, own)| verdict(own)).collect()
}

/// The samples of the peer with the smallest median.
fn fastest_peer(subjects: &[Subject], samples: &[Samples]) -> Samples {
    let peers = subjects.iter().zip(samples).filter(|(subject, _)| subject.is_peer());
    let fastest = peers.map(|(_, samples)| samples).min_by(|a, b| a.median().total_cmp(&b.median()));
    fastest.cloned().unwrap_or_default()
}

/// The subjects' places in the list, fastest first.
fn ranked(samples: &[Samples]) -> Vec<usize> {
    let mut places: Vec<_> = (0..samples.len()).collect();
    places.sort_by(|a, b| samples[*a].median().total_cmp(&samples[*b].median()));
    places
}

/// The sum of the numbers on all lines of a /proc file whose key ends so.
fn sum(text: &str, key: &str) -> u64 {
    let numbers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|first| first.ends_with(key))?;
        words.next()?.parse::<u64>().ok()
    });
    numbers.sum()
}
