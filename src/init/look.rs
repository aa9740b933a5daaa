//! The process that reads the server's goroutines, or hands its memory over: a program with goroutines is chosen, and opened.

use super::evidence::{FAILED, NO_GOROUTINES};
use crate::config::LogFormat;
use crate::evidence::{self, Access, Evidence as Goroutines, ProcessTree, Unreadable};
use crate::goroutines::{self, Style, json_pieces, table};
use crate::live::{self, Program};
use crate::log;
use crate::sys::helper::Inside;
use crate::sys::rights::{self, Stream};
use crate::sys::{clock, file, process};
use nix::errno::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The memory that a look may have: a server with 100,000 goroutines takes a few megabytes.
const MEMORY: u64 = 64 << 20;
/// Beside a server that computes it gets a tenth of a processor. With 19 it would be a seventieth, and take seconds. In a stop it has
/// only a moment, on a machine that may be busy, and the server is killed next: there it is as important as PID 1.
const NICE: i32 = 10;
/// Longer lines of a log are torn by other writers.
const LONGEST_LINE: usize = 4096;
/// How long to wait until stderr takes something again, where it does not wait itself.
const AGAIN: Duration = Duration::from_millis(5);

/// What only PID 1 can open: under Yama (ptrace_scope 1) an ancestor may, and a sister process may not. Elsewhere nothing: who
/// opens a process's memory waits for an exec of it.
pub(super) fn opened_by_ancestor(server: i32) -> Option<ProcessTree> {
    let scope = file::read("/proc/sys/kernel/yama/ptrace_scope", 8);
    scope.is_ok_and(|scope| !scope.starts_with(b"0")).then(|| ProcessTree::of(server).open())
}

/// In a process of its own: opens the rest, chooses, sends: the server, and then the Go programs that it has started, each in a message
/// of its own.
pub(super) fn give(connection: &Stream, server: i32, opened: Option<ProcessTree>) -> Vec<u8> {
    let mut tree = opened.unwrap_or_else(|| ProcessTree::of(server));
    // Who does not read has lost it.
    let send = |access: &Access| {
        let head = format!("+{}", access.pid);
        let _ = rights::send_with(connection, head.as_bytes(), &access.parts().map(AsRawFd::as_raw_fd));
    };
    match tree.choose() {
        Ok(access) => tree.follow(&access, &mut |access, _, _| {
            send(access);
            true
        }),
        Err(Unreadable::Refused(why) | Unreadable::NotGo(why)) => {
            let _ = rights::send_with(connection, format!("-{why}").as_bytes(), &[]);
        }
    }
    Vec::new()
}

/// How goroutines are to be shown, and where they are kept.
pub(super) struct Wanted<'a> {
    pub(super) format: LogFormat,
    /// The signal that the server was asked to stop by.
    pub(super) signal: Option<String>,
    pub(super) file: Option<&'a File>,
    /// The process group that every signal goes to, where it does not go to the server alone.
    pub(super) group: Option<i32>,
    /// The server prints them itself.
    pub(super) only_file: bool,
}

/// In a process of its own: reads the goroutines, and writes them to stderr; then those of the Go programs that the server has started
/// and waits for. Returns the exit code, and why.
pub(super) fn show(inside: Inside, server: i32, opened: Option<ProcessTree>, wanted: &Wanted<'_>) -> (u8, Vec<u8>) {
    process::be_expendable(MEMORY, wanted.signal.is_none().then_some(NICE));
    let mut tree = opened.unwrap_or_else(|| ProcessTree::of(server));
    let access = match tree.choose() {
        Ok(access) => access,
        Err(Unreadable::NotGo(why)) => return (NO_GOROUTINES, why.into_bytes()),
        Err(Unreadable::Refused(why)) => return (FAILED, why.into_bytes()),
    };
    let mut first = None;
    tree.follow(&access, &mut |access, whose, children| {
        // What a script, or a program in Go, has started was not sent the signal by goward.
        let is_relayed = access.pid != server
            && wanted
                .group
                .is_none_or(|group| process::look_at(access.pid).map(|process| process.group) != Some(group));
        let about = goroutines::Program { children, is_relayed, ..access.about(wanted.signal.clone()) };
        let wanted_file = wanted.file.filter(|_| first.is_none());
        let shown = access.look(|program| show_one(program, whose.clone(), about, wanted_file, wanted));
        match (&first, &shown) {
            (None, Ok(true)) => {
                // From here on nothing that fails, or takes too long, is a reason to ask the server itself.
                inside.begins();
            }
            (Some(_), Err(why)) => {
                let _ = write(vec![note(&format!("the goroutines of {whose} cannot be read: {why}"), wanted.format)]);
            }
            _ => {}
        }
        let waits = shown == Ok(true);
        first.get_or_insert(shown);
        waits
    });
    first.unwrap_or(Ok(false)).map_or_else(|why| (FAILED, why.into_bytes()), |_| (0, Vec::new()))
}

/// Shows one program, and keeps all of its goroutines in the file. Whether it waits for what it has started.
fn show_one(
    program: &Program<'_>,
    whose: String,
    about: goroutines::Program,
    file: Option<&File>,
    wanted: &Wanted<'_>,
) -> Result<bool, String> {
    // First: where stderr is a full pipe, this is what remains. Goroutines of two programs would be taken for those of one.
    let kept = file.map_or(Ok(()), |file| keep(program, file));
    if wanted.only_file {
        return kept.map(|()| false);
    }
    let mut goroutines = evidence::gather(program, whose, about, None)?;
    goroutines.notes.extend(kept.err());
    write(lines(&goroutines, wanted.format)).map(|()| goroutines.waits)
}

/// All goroutines, as Go prints them, instead of those of the last time.
fn keep(program: &Program<'_>, file: &File) -> Result<(), String> {
    let cannot = |why: String| format!("cannot write the dump file: {why}");
    file::truncate(file, 0).map_err(|errno| cannot(errno.desc().to_owned()))?;
    let mut out = io::BufWriter::with_capacity(64 << 10, file);
    let mut result = Ok(());
    live::print(program, None, &mut |goroutine| {
        if result.is_ok() {
            result = out.write_all(goroutine.as_bytes());
        }
    })?;
    result.and_then(|()| out.flush()).map_err(|error| cannot(error.to_string()))
}

/// What the log gets: each piece is written at once.
fn lines(goroutines: &Goroutines, format: LogFormat) -> Vec<String> {
    let Goroutines { summary, findings, notes, .. } = goroutines;
    let mut lines = match format {
        LogFormat::Text => vec![table(summary, findings, &Style::default())],
        LogFormat::Json => {
            let pieces = json_pieces(summary, findings).into_iter();
            let line = |(name, value): (&str, String)| {
                let line = |value: &str| log::event_line("the server's goroutines", name, value);
                let whole = line(&value);
                // Names can be made as long as one likes.
                if whole.len() > LONGEST_LINE {
                    line(&format!(r#"{{"bytes_left_out":{}}}"#, value.len()))
                } else {
                    whole
                }
            };
            pieces.map(line).collect()
        }
    };
    for note in notes {
        lines.push(self::note(note, format));
    }
    lines
}

fn note(note: &str, format: LogFormat) -> String {
    match format {
        LogFormat::Text => format!("{note}\n"),
        LogFormat::Json => log::event_line(note, "goroutines", "{}"),
    }
}

/// To stderr, however long that takes: whoever has started this process ends it when it takes too long.
fn write(lines: Vec<String>) -> Result<(), String> {
    let stderr = io::stderr();
    for line in lines {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match nix::unistd::write(&stderr, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::EAGAIN | Errno::EINTR) => clock::nap(AGAIN),
                Err(errno) => return Err(format!("they cannot be written to stderr: {}", errno.desc())),
            }
        }
    }
    Ok(())
}
