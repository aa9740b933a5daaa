//! `goward dump`: opens what is to be looked at, looks, and shows it.

use super::{Again, Form, Settings, Subject};
use crate::cli::display::written;
use crate::client;
use crate::evidence::{self, Access, Evidence, ProcessTree};
use crate::exit;
use crate::goroutines::{self, Style, compare, json, table};
use crate::init::control::Socket;
use crate::json::Value;
use crate::live::{self, Program, Proof};
use crate::log;
use crate::sys::mask::Mask;
use crate::sys::{clock, process, rights};
use nix::errno::Errno;
use std::io::{self, Write};
use std::time::Duration;

/// An init that is stopped does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The command, to its exit code. `inherited` is the signal mask goward was started with: Ctrl-C ends it.
pub fn run(settings: &Settings, inherited: Mask) -> u8 {
    let _ = inherited.install();
    let shown = match &settings.subject {
        Subject::Process(pid) => {
            Access::open(*pid).and_then(|access| look(&access, ProcessTree::of(*pid), None, settings))
        }
        Subject::Server(init) => ask(*init).and_then(|(access, tree, asked)| look(&access, tree, asked, settings)),
        Subject::Core(core, of) => evidence::look_at_core(core, of.as_deref(), |program| {
            show_core(program, core.display().to_string(), settings)
        }),
    };
    match shown {
        Ok(()) => 0,
        Err(why) => {
            log::say_raw(&format!("goward: {why}\n"));
            exit::NOTHING_FOUND
        }
    }
}

/// What a goward says of the stop of its server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    /// The server; it may be a script that has started the program that is shown.
    pid: i32,
    /// The signal that it was asked to stop by.
    signal: String,
    /// How long ago.
    ago: Duration,
    /// The signal went to its whole process group.
    group: bool,
}

impl Asked {
    /// In a sentence, where this process is shown.
    fn told(&self, shown: i32) -> String {
        let Asked { pid, signal, ago, group } = self;
        let whose = if *group { "the process group of " } else { "" };
        let started = if *pid == shown { String::new() } else { format!("; pid {shown} was started by it") };
        format!("{whose}pid {pid} was asked to stop by {signal}, {} ms ago{started}", ago.as_millis())
    }

    /// Whether this process was not sent the signal, unless another one has passed it on.
    fn is_relayed_to(&self, shown: i32) -> bool {
        let group = |pid: i32| process::look_at(pid).map(|process| process.group);
        shown != self.pid && !(self.group && group(shown).is_some_and(|shown| group(self.pid) == Some(shown)))
    }
}

/// The memory of a goward's server, from that goward; also that of the Go programs that this has started, and whether it stops.
fn ask(init: Option<i32>) -> Result<(Access, ProcessTree, Option<Asked>), String> {
    let end = clock::now() + PATIENCE;
    let init = client::find(Socket::Memory, init, end)?;
    let first = receive(&init, end)?;
    let mut tree = ProcessTree::of(first.pid);
    // An older goward sends no more.
    while let Ok(access) = receive(&init, end) {
        tree.give(access);
    }
    let asked = client::ask(Some(init.pid), end).ok().and_then(|report| asked(&report.json));
    Ok((first, tree, asked))
}

/// The next process whose memory it hands over.
fn receive(init: &client::Init, end: Duration) -> Result<Access, String> {
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

/// By what the server was asked to stop, from what the init says of itself. An older one does not say it.
fn asked(json: &str) -> Option<Asked> {
    let report = Value::read(json.trim())?;
    let stop = report.get("stop")?;
    let pid = report.get("pid")?.number()?.try_into().ok()?;
    let ago = Duration::from_millis(stop.get("asked_ms")?.number()?);
    let group = stop.get("asked_group").is_some_and(|group| *group == Value::Other("true".to_owned()));
    Some(Asked { pid, signal: stop.get("asked_with")?.text()?.to_owned(), ago, group })
}

fn look(access: &Access, mut tree: ProcessTree, asked: Option<Asked>, settings: &Settings) -> Result<(), String> {
    let whose = format!("pid {}", access.pid);
    match &asked {
        _ if settings.again != Again::Never => {}
        Some(asked) => say(&asked.told(access.pid)),
        None => access.kept_signals().iter().for_each(|note| say(note)),
    }
    match settings.again {
        Again::Never if settings.form == Form::Raw => access.look(|program| raw(program, settings)),
        Again::Never => {
            return each(access, &mut tree, asked.as_ref(), settings, &mut |evidence| show(&evidence, settings));
        }
        Again::After(time) => growth(access, time, settings),
        Again::Watch => return watch(access, &mut tree, asked.as_ref(), settings),
    }
    .map_err(|why| cannot(&whose, &why))?;
    // Goroutines of two programs in one text would be taken for those of one, and so would what has grown.
    for program in tree.started_by(access.pid) {
        let pid = program.pid;
        say(&format!("it has started another Go program: goward dump --pid {pid}"));
    }
    Ok(())
}

fn cannot(whose: &str, why: &str) -> String {
    format!("the goroutines of {whose} cannot be read: {why}")
}

/// Shows a program, and the Go programs that it has started and waits for.
fn each(
    access: &Access,
    tree: &mut ProcessTree,
    asked: Option<&Asked>,
    settings: &Settings,
    show: &mut dyn FnMut(Evidence) -> Result<(), String>,
) -> Result<(), String> {
    let mut result = None;
    tree.follow(access, &mut |access, whose, children| {
        let is_relayed = asked.is_some_and(|asked| asked.is_relayed_to(access.pid));
        let signal = asked.map(|asked| asked.signal.clone());
        let about = goroutines::Program { children, is_relayed, ..access.about(signal) };
        let shown = access.look(|program| {
            let evidence = seen(program, whose.clone(), about, settings)?;
            let waits = evidence.waits;
            show(evidence).map(|()| waits)
        });
        let (waits, shown) = (shown == Ok(true), shown.map(drop).map_err(|why| cannot(&whose, &why)));
        match (&result, &shown) {
            (None, _) => result = Some(shown),
            (Some(_), Err(why)) if settings.again == Again::Never => say(why),
            (Some(_), _) => {}
        }
        waits
    });
    result.unwrap_or(Ok(()))
}

fn show_core(program: &Program<'_>, whose: String, settings: &Settings) -> Result<(), String> {
    if settings.form == Form::Raw {
        return raw(program, settings);
    }
    let evidence = seen(program, whose, goroutines::Program::default(), settings)?;
    show(&evidence, settings)
}

fn show(evidence: &Evidence, settings: &Settings) -> Result<(), String> {
    evidence.notes.iter().for_each(|note| say(note));
    print(text(evidence, settings).as_bytes())
}

fn say(what: &str) {
    log::say_raw(&format!("goward: {what}\n"));
}

/// What is wanted of what is there.
fn seen(
    program: &Program<'_>,
    whose: String,
    about: goroutines::Program,
    settings: &Settings,
) -> Result<Evidence, String> {
    let proof = proof(program, settings)?;
    let mut evidence = evidence::gather(program, whose, about, proof.as_ref())?;
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
    let about = goroutines::Program::default;
    let look = || access.look(|program| seen(program, String::new(), about(), settings)).map(|seen| seen.summary);
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
fn watch(access: &Access, tree: &mut ProcessTree, asked: Option<&Asked>, settings: &Settings) -> Result<(), String> {
    const EVERY: Duration = Duration::from_secs(2);
    /// The cursor to the upper left corner; what is behind the text goes.
    const HOME: &str = "\x1b[H";
    const CLEAR: &str = "\x1b[J";
    if !settings.display.is_on_terminal() {
        return Err("--watch needs a terminal".to_owned());
    }
    print(format!("{HOME}{CLEAR}").as_bytes())?;
    loop {
        let mut all = String::new();
        // A supervisor may start another server while it is watched.
        tree.renew();
        each(access, tree, asked, settings, &mut |evidence| {
            all.push_str(&text(&evidence, settings));
            Ok(())
        })?;
        // Each line is cleared behind its end, so that nothing flickers.
        print(format!("{HOME}{}{CLEAR}", all.replace('\n', "\x1b[K\n")).as_bytes())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_init_says_of_a_stop() {
        let of = |stop: &str| asked(&format!(r#"{{"phase":"stopping","pid":7{stop}}}"#));
        let told = of(r#","stop":{"since_ms":9,"left_ms":1,"signal":"SIGTERM","asked_with":"SIGINT","asked_ms":3200}"#);
        let told = told.unwrap();
        assert_eq!(told, Asked { pid: 7, signal: "SIGINT".to_owned(), ago: Duration::from_millis(3200), group: false });
        assert!(told.is_relayed_to(8) && !told.is_relayed_to(7));
        assert_eq!(told.told(7), "pid 7 was asked to stop by SIGINT, 3200 ms ago");
        // The signal went to the script.
        assert_eq!(told.told(8), "pid 7 was asked to stop by SIGINT, 3200 ms ago; pid 8 was started by it");
        let of_group = of(r#","stop":{"asked_with":"SIGINT","asked_group":true,"asked_ms":3200}"#).unwrap();
        assert!(of_group.told(7).starts_with("the process group of pid 7 was asked to stop by SIGINT, "));
        // None is in progress, the server has not been asked yet, an older goward, and what is none.
        for stop in [
            "",
            r#","stop":{"since_ms":9,"left_ms":1}"#,
            r#","stop":{"since_ms":9,"signal":"SIGTERM"}"#,
            r#","stop":7"#,
        ] {
            assert_eq!(of(stop), None, "{stop}");
        }
        assert_eq!(asked("no JSON"), None);
    }
}
