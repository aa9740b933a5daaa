//! The server's stderr: passed on as it comes, but for goroutine dumps, which are kept to be told of.

use super::outcome::{self, GoroutineDump};
use crate::config::Rehearsal;
use crate::goroutines::{Finding, Kind, Output, Program, Reader, Summary, diagnose};
use crate::spawn::{explain, module_of};
use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::timeout;

/// How long to wait for what is still in the pipe, once everybody has gone.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(300);
/// What was held back in case it should be the beginning of a dump is let go after this.
const A_MOMENT: Duration = Duration::from_millis(50);
/// A program can print many panics; the first few tell.
const DUMPS: usize = 4;
/// What is kept of one that was not asked for: handlers that panic log their stacks, which belong to the server's log.
const STACKS: usize = 256 * 1024;
/// A file that is longer is no source.
const SOURCE_ROOM: u64 = 4 << 20;
const LINE_ROOM: usize = 200;

/// The dumps, and whether there is nothing more to come.
#[derive(Debug, Default)]
pub(super) struct StderrCapture {
    summaries: Vec<Summary>,
    /// The dump in hand, as it came.
    raw: Vec<u8>,
    pub(super) ended: bool,
}

impl Output for StderrCapture {
    fn pass(&mut self, bytes: &[u8]) {
        // Nobody may be there to read it; the rehearsal goes on.
        let _ = std::io::stderr().write_all(bytes);
    }

    fn dump(&mut self, bytes: &[u8]) {
        let room = STACKS.saturating_sub(self.raw.len());
        self.raw.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    fn ended(&mut self, summary: Summary) {
        let raw = std::mem::take(&mut self.raw);
        if summary.kind != Kind::Signal {
            self.pass(&raw);
        }
        // The dump that was asked for counts more than the last panic that a handler logged.
        if summary.kind == Kind::Signal && self.summaries.len() >= DUMPS {
            self.summaries.pop();
        }
        if self.summaries.len() < DUMPS {
            self.summaries.push(summary);
        }
    }
}

/// Reads until nobody has it open any more.
pub(super) async fn listen(stderr: OwnedFd, capture: Rc<RefCell<StderrCapture>>, program: Program) {
    let mut reader = Reader::new(program);
    let mut bytes = vec![0; 64 * 1024];
    if let Ok(mut stderr) = pipe::Receiver::from_owned_fd(stderr) {
        loop {
            match timeout(A_MOMENT, stderr.read(&mut bytes)).await {
                Err(_) => reader.quiet(&mut *capture.borrow_mut()),
                Ok(Ok(count @ 1..)) => {
                    reader.feed(bytes.get(..count).unwrap_or_default(), &mut *capture.borrow_mut());
                }
                Ok(Ok(0) | Err(_)) => break,
            }
        }
    }
    let mut capture = capture.borrow_mut();
    reader.finish(&mut *capture);
    capture.ended = true;
}

impl StderrCapture {
    /// What was heard, with what it means.
    pub(super) fn dumps(&mut self, program: &Program) -> Vec<GoroutineDump> {
        let summaries = std::mem::take(&mut self.summaries);
        let explained = summaries.into_iter().map(|summary| {
            let findings = diagnose(&summary, program);
            let lines = findings.iter().map(source).collect();
            GoroutineDump { summary, findings, lines }
        });
        explained.collect()
    }
}

/// The line that a finding names, if its file is where it was compiled.
fn source(finding: &Finding) -> Option<String> {
    let place = finding.place.as_ref()?;
    let path = Path::new(&place.file);
    let meta = fs::metadata(path).ok()?;
    if !path.is_absolute() || !meta.is_file() || meta.len() > SOURCE_ROOM {
        return None;
    }
    let lines = BufReader::new(fs::File::open(path).ok()?).split(b'\n');
    let line = lines.flatten().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    let line: String = String::from_utf8_lossy(&line).replace('\t', "    ").chars().take(LINE_ROOM).collect();
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// What is known of the program beside its dump.
pub(super) fn program(plan: &Rehearsal) -> Program {
    let name = plan.settings.argv.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    let module = explain::find(&name).and_then(|path| module_of(&path));
    Program { module, signal: Some(outcome::signal(plan).to_string()), ..Program::default() }
}
