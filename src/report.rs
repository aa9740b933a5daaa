//! `goward goroutines`: reads a file or standard input, shows every dump in it.

use crate::config::{Reading, Shown};
use crate::exit;
use crate::goroutines::{Kind, Output, Program, Reader, Stripper, Style, Summary, Wanted, diagnose, json, table};
use crate::log;
use crate::sys::mask::Mask;
use crate::sys::terminal;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

/// The command, to its exit code. `inherited` is the signal mask goward was started with: this one is a filter as any other,
/// and Ctrl-C ends it.
pub fn run(reading: &Reading, inherited: Mask) -> u8 {
    let _ = inherited.install();
    let stdout = io::stdout();
    let terminal = terminal::is_terminal(stdout.as_raw_fd());
    let width = reading.columns.or_else(|| terminal::width(stdout.as_raw_fd()));
    let mut shower = Shower {
        shown: reading.shown,
        style: Style {
            // A log is as wide as it is.
            width: width.unwrap_or(Style::default().width).max(40),
            colour: reading.colour.unwrap_or(terminal),
            all: reading.all,
        },
        program: Program::default(),
        dumps: 0,
        failed: None,
    };
    let read = match &reading.file {
        Some(path) => match File::open(path) {
            Ok(mut file) => show(&mut file, &mut shower),
            Err(error) => Err(error),
        },
        None => show(&mut io::stdin().lock(), &mut shower),
    };
    let name = reading.file.as_ref().map_or("standard input".to_owned(), |path| path.display().to_string());
    match (read, shower.failed, shower.dumps) {
        (Err(error), ..) => {
            log::say_raw(&format!("goward: {name}: {error}\n"));
            exit::GOWARD_FAILED
        }
        // Whoever read has seen enough.
        (Ok(()), Some(error), _) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        (Ok(()), Some(error), _) => {
            log::say_raw(&format!("goward: standard output: {error}\n"));
            exit::GOWARD_FAILED
        }
        (Ok(()), None, 0) => {
            log::say_raw(&format!("goward: {name}: no goroutine dump in it\n"));
            exit::NOTHING_FOUND
        }
        (Ok(()), None, _) => 0,
    }
}

fn show(from: &mut dyn Read, shower: &mut Shower) -> io::Result<()> {
    let mut reader = Reader::new(Wanted::All, shower.program.clone());
    let mut stripper = Stripper::default();
    let mut bytes = vec![0; 256 << 10];
    loop {
        let read = match from.read(&mut bytes) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 || shower.failed.is_some() {
            break;
        }
        let bytes = bytes.get(..read).unwrap_or_default();
        stripper.feed(bytes, &mut |bare| reader.feed(bare, shower));
    }
    stripper.finish(&mut |bare| reader.feed(bare, shower));
    reader.finish(shower);
    Ok(())
}

/// Shows each dump when it is over.
struct Shower {
    shown: Shown,
    style: Style,
    program: Program,
    dumps: u64,
    failed: Option<io::Error>,
}

impl Output for Shower {
    fn pass(&mut self, _: &[u8]) {}

    fn dump(&mut self, _: &[u8]) {}

    fn ended(&mut self, summary: Summary) {
        // One goroutine that says why it died, or that logged where it was, holds up nothing.
        let findings = match summary.kind {
            Kind::Signal => diagnose(&summary, &self.program),
            Kind::Fatal if summary.reason.ends_with("deadlock!") => diagnose(&summary, &self.program),
            Kind::Fatal | Kind::Unknown if summary.user > 1 => diagnose(&summary, &self.program),
            Kind::Fatal | Kind::Unknown | Kind::Panic => Vec::new(),
        };
        let mut text = match self.shown {
            Shown::Table if self.dumps > 0 => "\n".to_owned(),
            Shown::Table | Shown::Json => String::new(),
        };
        match self.shown {
            Shown::Table => text.push_str(&table(&summary, &findings, &self.style)),
            Shown::Json => {
                text.push_str(&json(&summary, &findings, self.style.all));
                text.push('\n');
            }
        }
        self.dumps += 1;
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            self.failed = Some(error);
        }
    }
}
