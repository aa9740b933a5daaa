//! `goward goroutines`: reads files or standard input, shows every dump in them, or what differs between two.

use super::Settings;
use crate::cli::display::written;
use crate::exit;
use crate::goroutines::logs::{Dump, Foreign, LogReader};
use crate::goroutines::{Cause, Kind, Program, Style, Summary, compare, diagnose, json, table};
use crate::log;
use crate::sys::file::described;
use crate::sys::mask::Mask;
use crate::sys::reserve;
use crate::sys::terminal::is_terminal;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// The command, to its exit code. `inherited` is the signal mask goward was started with: this one is a filter as any other,
/// and Ctrl-C ends it.
pub fn run(settings: &Settings, inherited: Mask) -> u8 {
    let _ = inherited.install();
    // Many dumps are many allocations.
    reserve::end_first();
    let mut shower = Shower {
        settings,
        style: Style {
            // A log is as wide as it is.
            width: settings.display.width().unwrap_or(Style::default().width).max(40),
            colour: settings.display.is_coloured(),
            all: settings.all,
        },
        compared: (settings.files.len() == 2).then(Vec::new),
        last: None,
        name: None,
        shown: 0,
        failed: None,
    };
    let mut code = 0;
    for file in &settings.files {
        code = code.max(one(file, &mut shower));
    }
    if let Some(error) = shower.compare().err().or(shower.failed) {
        let Err(why) = written(Err(error)) else { return 0 };
        log::say_raw(&format!("goward: {why}\n"));
        return exit::GOWARD_FAILED;
    }
    code
}

/// One file, to its exit code.
fn one(file: &Option<PathBuf>, shower: &mut Shower<'_>) -> u8 {
    let name = file.as_ref().map_or("standard input".to_owned(), |path| path.display().to_string());
    shower.name = (shower.settings.files.len() > 2).then(|| name.clone());
    let before = shower.shown;
    let read = match file {
        Some(path) => File::open(path).map_err(|error| (error, None)).and_then(|mut file| show(&mut file, shower)),
        None => {
            if is_terminal(io::stdin().as_raw_fd()) {
                log::say_raw("goward: reading from the terminal: paste a dump, then Ctrl-D\n");
            }
            show(&mut io::stdin().lock(), shower)
        }
    };
    shower.end_of_file();
    match read {
        Err((error, _)) => {
            log::say_raw(&format!("goward: {name}: {}\n", described(&error)));
            exit::GOWARD_FAILED
        }
        Ok(_) if shower.shown > before || shower.failed.is_some() => 0,
        Ok(foreign) => {
            let what = foreign.map_or(String::new(), |foreign| format!(": {}", foreign.sentence()));
            log::say_raw(&format!("goward: {name}: no goroutine dump in it{what}\n"));
            exit::NOTHING_FOUND
        }
    }
}

/// Looks at the first bytes, and unpacks what gzip has packed.
fn unpacked<'a>(from: &'a mut dyn Read) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = Vec::new();
    from.take(2).read_to_end(&mut head)?;
    let packed = head == [0x1f, 0x8b];
    let whole = io::Cursor::new(head).chain(from);
    #[cfg(feature = "check")]
    if packed {
        return Ok(Box::new(crate::gzip::Gzip::new(Box::new(io::BufReader::new(whole)))));
    }
    _ = packed;
    Ok(Box::new(whole))
}

/// Shows the dumps. Those before an error are shown too.
fn show(from: &mut dyn Read, shower: &mut Shower<'_>) -> Result<Option<Foreign>, (io::Error, Option<Foreign>)> {
    let mut from = unpacked(from).map_err(|error| (error, None))?;
    let program = Program { signal: shower.settings.signal.clone(), ..Program::default() };
    let mut reader = LogReader::new(&program);
    let mut bytes = vec![0; 256 << 10];
    let ended = loop {
        let read = match from.read(&mut bytes) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => break Err(error),
        };
        if read == 0 || shower.failed.is_some() {
            break Ok(());
        }
        reader.feed(bytes.get(..read).unwrap_or_default(), &mut |dump| shower.ended(dump));
    };
    reader.finish(&mut |dump| shower.ended(dump));
    match ended {
        Ok(()) => Ok(reader.foreign()),
        Err(error) => Err((error, reader.foreign())),
    }
}

/// Shows each dump when it is over, or keeps the last one of each file to compare them.
struct Shower<'a> {
    settings: &'a Settings,
    style: Style,
    compared: Option<Vec<Summary>>,
    last: Option<Summary>,
    /// The file, where there are several.
    name: Option<String>,
    shown: u64,
    failed: Option<io::Error>,
}

impl Shower<'_> {
    fn ended(&mut self, dump: Dump) {
        let Dump { mut summary, signal } = dump;
        if self.compared.is_some() {
            self.shown += 1;
            self.last = Some(summary);
            return;
        }
        // What somebody says by hand counts more than the log.
        let signal = self.settings.signal.clone().or(signal);
        let mut findings = diagnose(&summary, &Program { signal, ..Program::default() });
        if summary.user <= 1 && summary.kind == Kind::Unknown {
            // One goroutine that logged where it was holds up nothing.
            findings.retain(|finding| finding.cause != Cause::Unknown);
        }
        // Who waits for whom cannot be told where each may be of another process.
        if summary.kind == Kind::Profile || summary.is_mixed() {
            findings.clear();
        }
        let left = (!self.settings.filter.is_empty()).then(|| self.settings.filter.apply(&mut summary, &mut findings));
        let mut text = String::new();
        if self.settings.json {
            text.push_str(&json(&summary, &findings, self.style.all));
            text.push('\n');
        } else {
            text.push_str(if self.shown > 0 { "\n" } else { "" });
            text.push_str(&self.name.as_ref().map_or(String::new(), |name| format!("{name}:\n")));
            text.push_str(&table(&summary, &findings, &self.style));
            text.push_str(&left.map_or(String::new(), |left| {
                if left == 0 { "   none of them fits\n".to_owned() } else { format!("   {left} of them fit\n") }
            }));
        }
        self.shown += 1;
        self.write(&text);
    }

    fn end_of_file(&mut self) {
        if let Some(compared) = &mut self.compared {
            compared.extend(self.last.take());
        }
    }

    /// What differs between the last dumps of two files.
    fn compare(&mut self) -> io::Result<()> {
        let Some([old, new]) = self.compared.as_deref() else { return Ok(()) };
        let mut changes = compare::compare(old, new);
        changes.retain(|change| self.settings.filter.fits(change.group));
        let text = match self.settings.json {
            true => compare::json(old, new, &changes) + "\n",
            false => compare::table(old, new, &changes, &self.style),
        };
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    }

    fn write(&mut self, text: &str) {
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            self.failed = Some(error);
        }
    }
}
