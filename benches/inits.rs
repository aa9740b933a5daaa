//! goward beside tini, tini-static, dumb-init, catatonit and tino, each as PID 1 of a PID namespace of its own.
//!
//! ```text
//! cargo bench                                  everything, about two minutes, as root
//! cargo bench -- --quick                       the same with few runs
//! cargo bench -- --only signal --runs 1000     one measurement, longer
//! GOWARD=./goward cargo bench                  this file instead of the release build
//! BESIDE=./old:./older cargo bench              other builds too, beside it
//! cargo bench -- --halting                     processors may halt, as they do in production
//! cargo bench -- --containers                  each in a container of docker's; also with --halting
//! ```
//!
//! All inits are measured in the same run and by turns, in an order shuffled for every round, so that what else the
//! machine does meets all of them alike. Its processors are kept from halting meanwhile, as latency is measured by
//! cyclictest too: how long a halted one takes to wake up, 30 µs in a virtual machine, is no init's doing. Every init has
//! default flags (`INIT -- SERVER`), a bare environment, no terminal, a `/proc` of its own, and `/dev/null` for its log. No
//! figure fails the run, only a measurement that could not be made: what a busy machine shows is no verdict on the code.
#![allow(clippy::disallowed_methods, reason = "it starts programs and lets them rest; the bans are for PID 1")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables")]

#[path = "inits/container.rs"]
mod container;
#[path = "inits/engine.rs"]
mod engine;
#[path = "inits/measure.rs"]
mod measure;
#[path = "inits/report.rs"]
mod report;
#[path = "inits/server.rs"]
mod server;
#[path = "inits/subjects.rs"]
mod subjects;
#[path = "inits/sys.rs"]
mod sys;

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use container::Launcher;
use measure::{MEASUREMENTS, Measurement, Plan};
use report::Verdict;
use subjects::Subject;

const USAGE: &str = "\
usage: cargo bench --bench inits -- [--quick] [--only start|signal|storm|stop|idle|size]... [--runs N] [SETTING]

settings, each named by the tables:
  (none)        each init in namespaces of its own; no processor halts
  --halting     processors may halt, as in production
  --containers  each init in a container of docker's, with a cgroup of its own and docker's log behind its stderr;
                also with --halting";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // The storm is this program again, inside the container.
    if let [mode, count] = arguments.as_slice()
        && mode == server::STORM
    {
        return finish(server::storm(count));
    }
    // And it is what executes the init there.
    if let [mode, socket, command @ ..] = arguments.as_slice()
        && mode == engine::ENTER
    {
        return finish(engine::enter(socket, command));
    }
    // `cargo test --all-targets` starts benches too, without this flag, and wants no minutes of measuring.
    if !arguments.iter().any(|a| a == "--bench") || arguments.iter().any(|a| a == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match wanted(&arguments) {
        Ok((mut plan, measurements)) => finish(compare(&mut plan, &measurements)),
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn finish(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
fn wanted(arguments: &[String]) -> Result<(Plan, Vec<&'static Measurement>), String> {
    let mut plan = Plan { runs: 300, storms: 9, idle: Duration::from_secs(5), halting: false, containers: false };
    let (mut runs, mut quick, mut only) = (None, false, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--bench" => {}
            "--halting" => plan.halting = true,
            "--containers" => plan.containers = true,
            "--quick" => (quick, plan) = (true, Plan { storms: 3, idle: Duration::from_secs(2), ..plan }),
            "--runs" => {
                let text = value()?;
                let count = text.parse().ok().filter(|n| *n > 0);
                runs = Some(count.ok_or_else(|| format!("--runs {text} is no count"))?);
            }
            "--only" => {
                let name = value()?;
                let known = MEASUREMENTS.iter().find(|m| m.name == name);
                only.push(known.ok_or_else(|| format!("there is no measurement '{name}'"))?);
            }
            _ => return Err(format!("unknown argument '{argument}'")),
        }
    }
    // docker takes half a second for each.
    plan.runs = runs.unwrap_or(match (plan.containers, quick) {
        (false, false) => 300,
        (false, true) => 40,
        (true, false) => 100,
        (true, true) => 10,
    });
    if only.is_empty() {
        only.extend(&MEASUREMENTS);
    }
    Ok((plan, only))
}

/// Measures, shows the tables, and says last how goward did.
fn compare(plan: &mut Plan, measurements: &[&Measurement]) -> io::Result<()> {
    let mut launcher = Launcher::new()?;
    let awake = if plan.halting {
        None
    } else {
        keep_awake()
            .inspect_err(|error| {
                eprintln!("{LATENCY}: {error}: processors halt, and what it takes to wake them is measured too");
            })
            .ok()
    };
    // What the tables say is what was.
    plan.halting = awake.is_none();
    let mut subjects = subjects::peers();
    let goward = subjects::goward();
    if let Ok(goward) = &goward {
        subjects.push(goward.clone());
    }
    subjects.extend(subjects::beside());
    let mut number = 0;
    subjects.retain_mut(|subject| {
        number += 1;
        said(launcher.install(number, subject))
    });
    if plan.containers {
        launcher.use_engine(&subjects)?;
    }
    // One trial before it counts: an init that cannot run here is said and left out, not met in the middle of a table.
    subjects.retain(|subject| said(measure::trial(&launcher, subject)));
    if !subjects.iter().any(Subject::is_peer) {
        return Err(io::Error::other("nothing to compare with: it takes root, and a peer that is installed"));
    }

    let mut verdicts = Vec::new();
    for measurement in measurements {
        let measured = (measurement.take)(&launcher, &subjects, plan)?;
        println!("\n{}", measured.table);
        verdicts.extend(measured.verdicts);
    }
    if !verdicts.is_empty() {
        println!("\n{}", Verdict::table(&verdicts));
    }
    // The peers' figures stand by themselves; but without goward this was not the comparison that was asked for.
    goward?;
    if subjects.iter().any(Subject::is_goward) { Ok(()) } else { Err(io::Error::other("goward was not measured")) }
}

/// While it is open, no processor goes into a state that it takes longer than this to come back from: 0 µs
/// (Documentation/power/pm_qos_interface.rst).
const LATENCY: &str = "/dev/cpu_dma_latency";

fn keep_awake() -> io::Result<File> {
    // Without one the idle loop halts, whatever is asked for here.
    let driver = fs::read_to_string("/sys/devices/system/cpu/cpuidle/current_driver").unwrap_or_default();
    if matches!(driver.trim(), "" | "none") {
        return Err(io::Error::other("no cpuidle driver"));
    }
    let mut file = File::options().write(true).open(LATENCY)?;
    file.write_all(&0_u32.to_ne_bytes())?;
    Ok(file)
}

/// Whether it went well. If not, that is said.
fn said(result: io::Result<()>) -> bool {
    result.inspect_err(|error| eprintln!("left out: {error}")).is_ok()
}
