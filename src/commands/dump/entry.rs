//! `goward dump`: opens what is to be looked at, looks, and shows it.

use super::{Again, Form, Settings, Subject};
use crate::client;
use crate::evidence::{self, Access, Evidence};
use crate::exit;
use crate::goroutines::{Style, compare, json, table};
use crate::init::control::Socket;
use crate::live::{self, Program, Proof};
use crate::log;
use crate::sys::mask::Mask;
use crate::sys::{clock, rights};
use nix::errno::Errno;
use std::io::{self, Write};
use std::time::Duration;

/// An init that is stopped does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The command, to its exit code. `inherited` is the signal mask goward was started with: Ctrl-C ends it.
pub fn run(settings: &Settings, inherited: Mask) -> u8 {
    let _ = inherited.install();
    let shown = match &settings.subject {
        Subject::Process(pid) => Access::open(*pid).and_then(|access| look(&access, settings)),
        Subject::Server(init) => ask(*init).and_then(|access| look(&access, settings)),
        Subject::Core(core, of) => {
            evidence::look_at_core(core, of.as_deref(), |program| show(program, core.display().to_string(), settings))
        }
    };
    match shown {
        Ok(()) => 0,
        Err(why) => {
            log::say_raw(&format!("goward: {why}\n"));
            exit::NOTHING_FOUND
        }
    }
}

/// The memory of a goward's server, from that goward.
fn ask(init: Option<i32>) -> Result<Access, String> {
    let end = clock::now() + PATIENCE;
    let init = client::find(Socket::Memory, init, end)?;
    let pid = init.pid;
    let left = end.saturating_sub(clock::now()).max(Duration::from_millis(1));
    let _ = init.connection.set_read_timeout(Some(left));
    let mut buffer = [0; 4096];
    let (length, descriptors) = rights::receive(&init.connection, &mut buffer).map_err(|errno| match errno {
        Errno::EAGAIN => format!("goward (pid {pid}) did not answer in time; is it stopped?"),
        errno => format!("goward (pid {pid}) does not answer: {}", errno.desc()),
    })?;
    let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
    let said = |why: &str| format!("goward (pid {pid}) refuses access to the server's memory: {why}");
    match (text.split_at_checked(1), <[_; 3]>::try_from(descriptors)) {
        (Some(("+", server)), Ok([memory, maps, file])) => {
            let server = server.parse().map_err(|_| said("its answer is not understood"))?;
            Ok(Access::from_parts(server, memory, maps, file))
        }
        (Some(("-", why)), _) => Err(said(why)),
        (None, _) => Err(init.silence()),
        _ => Err(said("its answer is not understood")),
    }
}

fn look(access: &Access, settings: &Settings) -> Result<(), String> {
    let pid = access.pid;
    let looked = match settings.again {
        Again::Never => {
            access.deafness().iter().for_each(|note| log::say_raw(&format!("goward: {note}\n")));
            access.look(|program| show(program, format!("pid {pid}"), settings))
        }
        Again::After(time) => growth(access, time, settings),
        Again::Watch => watch(access, settings),
    };
    looked.map_err(|why| format!("the goroutines of pid {pid} cannot be read: {why}"))
}

fn show(program: &Program<'_>, whose: String, settings: &Settings) -> Result<(), String> {
    if settings.form == Form::Raw {
        return raw(program, settings);
    }
    let evidence = seen(program, whose, settings)?;
    for note in &evidence.notes {
        log::say_raw(&format!("goward: {note}\n"));
    }
    print(text(&evidence, settings).as_bytes())
}

/// What is wanted of what is there.
fn seen(program: &Program<'_>, whose: String, settings: &Settings) -> Result<Evidence, String> {
    let proof = proof(program, settings)?;
    let mut evidence = evidence::gather(program, whose, (None, None), proof.as_ref())?;
    if let Some(pattern) = &settings.pattern {
        evidence.only(pattern);
    }
    Ok(evidence)
}

fn proof(program: &Program<'_>, settings: &Settings) -> Result<Option<Proof>, String> {
    settings.prove.then(|| program.prove()).transpose()
}

/// Two looks, and what has grown between them: a leak, in production.
fn growth(access: &Access, time: Duration, settings: &Settings) -> Result<(), String> {
    let look = || access.look(|program| seen(program, String::new(), settings)).map(|seen| seen.summary);
    let before = look()?;
    clock::nap(time);
    let after = look()?;
    let mut changes = compare::compare(&before, &after);
    changes.retain(|change| change.after > change.before);
    let text = match settings.form {
        Form::Json => compare::json(&before, &after, &changes) + "\n",
        Form::Table | Form::Raw => compare::table(&before, &after, &changes, &style(settings)),
    };
    print(text.as_bytes())
}

/// Again and again, each time over the last. Ctrl-C ends it.
fn watch(access: &Access, settings: &Settings) -> Result<(), String> {
    const EVERY: Duration = Duration::from_secs(2);
    /// The cursor to the upper left corner; what is behind the text goes.
    const HOME: &str = "\x1b[H";
    const CLEAR: &str = "\x1b[J";
    if !settings.display.is_on_terminal() {
        return Err("--watch needs a terminal".to_owned());
    }
    print(format!("{HOME}{CLEAR}").as_bytes())?;
    loop {
        let pid = access.pid;
        let evidence = access.look(|program| seen(program, format!("pid {pid}"), settings))?;
        // Each line is cleared behind its end, so that nothing flickers.
        let text = text(&evidence, settings).replace('\n', "\x1b[K\n");
        print(format!("{HOME}{text}{CLEAR}").as_bytes())?;
        clock::nap(EVERY);
    }
}

/// As the command shows it.
fn text(evidence: &Evidence, settings: &Settings) -> String {
    let Evidence { summary, findings, .. } = evidence;
    match settings.form {
        Form::Json => json(summary, findings, settings.all) + "\n",
        Form::Table | Form::Raw => table(summary, findings, &style(settings)),
    }
}

fn style(settings: &Settings) -> Style {
    Style {
        width: settings.display.width().unwrap_or(Style::default().width).max(40),
        colour: settings.display.is_coloured(),
        all: settings.all,
    }
}

/// Goroutine by goroutine, as they are seen.
fn raw(program: &Program<'_>, settings: &Settings) -> Result<(), String> {
    let (proof, pattern) = (proof(program, settings)?, settings.pattern.as_deref());
    let mut out = io::BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let mut result = Ok(());
    live::print(program, proof.as_ref(), &mut |goroutine| {
        if result.is_ok() && pattern.is_none_or(|pattern| goroutine.contains(pattern)) {
            result = out.write_all(goroutine.as_bytes());
        }
    })?;
    written(result.and_then(|()| out.flush()))
}

fn print(bytes: &[u8]) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Whoever reads may have seen enough.
fn written(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}
