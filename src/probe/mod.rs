//! Probes: one attempt at a target, and what came of it. Nothing here waits: an attempt is moved on whenever something may
//! have happened, and who owns it keeps the time. So the init probes beside its signals, in one thread.

mod command;
mod connection;
mod grpc;
mod hpack;

use crate::config::Probe;
use crate::http::Response;
use crate::spawn::Order;
use crate::supervisor::Status;
use crate::target::{Endpoint, Target};
use command::Command;
use connection::{Connection, Heard};
use grpc::Call;

/// Output of a probe that is kept, as Docker keeps 4 KiB of it.
pub const OUTPUT: usize = 4096;
/// So much of an answer's body is read, and so much where something is looked for in it.
const BODY: usize = 64 * 1024;
const SEARCHED: usize = 1024 * 1024;

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The target is well.
    pub well: bool,
    /// What it said, or why not: one line, and for a failure what it put out.
    pub text: String,
}

impl Outcome {
    fn well(text: impl Into<String>) -> Outcome {
        Outcome { well: true, text: text.into() }
    }

    fn ill(text: impl Into<String>) -> Outcome {
        Outcome { well: false, text: text.into() }
    }
}

/// How far an attempt is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Until something happens.
    Waiting,
    /// There is more to do at once; something else may go before.
    More,
    /// It is over.
    Over(Outcome),
}

/// How an attempt hears that something has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// By SIGIO ([`crate::sys::signal_io`]).
    Signal,
    /// Not: its owner looks from time to time.
    None,
}

/// An attempt under way.
#[derive(Debug)]
pub struct Attempt(Kind);

#[derive(Debug)]
enum Kind {
    Command(Command),
    Connection(Box<(Connection, Dialogue)>),
}

impl Attempt {
    /// Begins. A command is started as `order` says, in a process group of its own; without one there are no commands.
    ///
    /// # Errors
    /// The outcome, where it is over before it began.
    pub fn start(probe: &Probe, order: Option<&Order<'_>>, notice: Notice) -> Result<Attempt, Outcome> {
        let kind = match &probe.target {
            Target::Command(words) => {
                let order = order.ok_or_else(|| Outcome::ill("no command can be started here"))?;
                Kind::Command(Command::start(words, order, notice)?)
            }
            Target::Connect(at) => Kind::connect(at, Dialogue::None, notice),
            Target::Http(url) => Kind::connect(&url.at, Dialogue::Http(Http::new(probe, &url.host, &url.path)), notice),
            Target::Grpc(url) => {
                let service = url.path.strip_prefix('/').unwrap_or_default();
                Kind::connect(&url.at, Dialogue::Grpc(Call::new(&url.host, service)), notice)
            }
        };
        Ok(Attempt(kind))
    }

    /// Does what can be done now.
    pub fn advance(&mut self) -> Progress {
        match &mut self.0 {
            Kind::Command(command) => {
                command.read();
                Progress::Waiting
            }
            Kind::Connection(talking) => talk(&mut talking.0, &mut talking.1),
        }
    }

    /// The process that this attempt is, if it is one.
    pub fn child(&self) -> Option<i32> {
        match &self.0 {
            Kind::Command(command) => Some(command.pid()),
            Kind::Connection(_) => None,
        }
    }

    /// Its process has ended and was reaped.
    pub fn ended(self, status: Status) -> Outcome {
        match self.0 {
            Kind::Command(command) => command.ended(status),
            Kind::Connection(_) => Outcome::ill("no process"),
        }
    }

    /// It took too long: `text` says so, and what it has put out stands behind. Its process group is killed; the process
    /// is still to be reaped.
    pub fn give_up(self, text: String) -> Outcome {
        match self.0 {
            Kind::Command(command) => command.give_up(text),
            Kind::Connection(talking) => {
                if let Dialogue::Http(http) = &talking.1
                    && let Some(status) = http.response.status()
                {
                    return Outcome::ill(with_output(
                        &format!("{status}, and no end of the answer ({text})"),
                        &http.output,
                    ));
                }
                let text = if talking.0.is_connected() { text } else { format!("{text}, without a connection") };
                Outcome::ill(text)
            }
        }
    }
}

impl Kind {
    fn connect(at: &Endpoint, dialogue: Dialogue, notice: Notice) -> Kind {
        Kind::Connection(Box::new((Connection::new(at, notice), dialogue)))
    }
}

/// What is said on a connection.
#[derive(Debug)]
enum Dialogue {
    /// That there is one is enough.
    None,
    Http(Http),
    Grpc(Call),
}

fn talk(connection: &mut Connection, dialogue: &mut Dialogue) -> Progress {
    let out = match dialogue {
        Dialogue::None => &mut Vec::new(),
        Dialogue::Http(http) => &mut http.out,
        Dialogue::Grpc(call) => &mut call.out,
    };
    // Where it cannot be sent there may be an answer all the same.
    match connection.send(out) {
        Ok(true) => {}
        Ok(false) => return Progress::Waiting,
        Err(why) => return Progress::Over(Outcome::ill(why)),
    }
    if let Dialogue::None = dialogue {
        return Progress::Over(Outcome::well("connected"));
    }
    let outcome = match (connection.receive(), &mut *dialogue) {
        (Ok(Heard::Nothing), _) => return Progress::Waiting,
        (Err(why), _) => Some(Outcome::ill(why)),
        (Ok(Heard::End), Dialogue::Http(http)) => Some(http.closed()),
        (Ok(Heard::End), Dialogue::Grpc(call)) => Some(Outcome::ill(call.closed())),
        (Ok(Heard::Bytes(bytes)), Dialogue::Http(http)) => http.feed(bytes),
        (Ok(Heard::Bytes(bytes)), Dialogue::Grpc(call)) => call.feed(bytes).map(|answer| match answer {
            Ok(()) => Outcome::well("SERVING"),
            Err(why) => Outcome::ill(why),
        }),
        (Ok(Heard::End | Heard::Bytes(_)), Dialogue::None) => None,
    };
    outcome.map_or(Progress::More, Progress::Over)
}

/// An exchange by HTTP/1.1.
#[derive(Debug)]
struct Http {
    out: Vec<u8>,
    response: Response,
    right: std::ops::RangeInclusive<u16>,
    /// What must be in the body.
    wanted: Option<String>,
    found: bool,
    /// The beginning of the body, for the outcome; and the end of what was searched.
    output: Vec<u8>,
    window: Vec<u8>,
    read: usize,
    /// With everything around the body.
    raw: usize,
}

impl Http {
    fn new(probe: &Probe, host: &str, path: &str) -> Http {
        let mut out = format!("{} {path} HTTP/1.1\r\n", probe.method);
        let has = |name: &str| probe.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !has("host") {
            out.push_str(&format!("Host: {host}\r\n"));
        }
        if !has("user-agent") {
            out.push_str(concat!("User-Agent: goward/", env!("CARGO_PKG_VERSION"), "\r\n"));
        }
        for (name, value) in &probe.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        if matches!(probe.method.as_str(), "POST" | "PUT" | "PATCH") {
            out.push_str("Content-Length: 0\r\n");
        }
        out.push_str("Connection: close\r\n\r\n");
        Http {
            out: out.into_bytes(),
            response: Response::to(&probe.method),
            right: probe.status.clone(),
            found: probe.body.is_none(),
            wanted: probe.body.clone(),
            output: Vec::new(),
            window: Vec::new(),
            read: 0,
            raw: 0,
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> Option<Outcome> {
        self.raw += bytes.len();
        if self.raw > 2 * SEARCHED {
            return Some(Outcome::ill("an answer without an end"));
        }
        let mut body = Vec::new();
        if let Err(why) = self.response.feed(bytes, &mut |part| body.extend_from_slice(part)) {
            return Some(Outcome::ill(why));
        }
        self.read += body.len();
        let room = OUTPUT.saturating_sub(self.output.len()).min(body.len());
        self.output.extend_from_slice(body.get(..room).unwrap_or_default());
        self.search(&body);
        let status = self.response.status()?;
        let most = if self.wanted.is_some() { SEARCHED } else { BODY };
        // A wrong status is one whatever follows, but its first words tell why.
        let enough = self.response.is_whole() || self.read >= if self.right.contains(&status) { most } else { OUTPUT };
        enough.then(|| self.verdict(status))
    }

    /// Whether what is wanted is in the body, or across the end of what came before and this.
    fn search(&mut self, body: &[u8]) {
        let Some(wanted) = self.wanted.as_ref().filter(|_| !self.found) else { return };
        self.window.extend_from_slice(body);
        self.found = self.window.windows(wanted.len()).any(|part| part == wanted.as_bytes());
        let done = self.window.len().saturating_sub(wanted.len());
        self.window.drain(..done);
    }

    fn closed(&mut self) -> Outcome {
        let whole = self.response.closed();
        match self.response.status() {
            Some(status) if whole => self.verdict(status),
            Some(status) => Outcome::ill(format!("{status}, and closed in the middle of the answer")),
            None => Outcome::ill("closed without an answer"),
        }
    }

    fn verdict(&self, status: u16) -> Outcome {
        if !self.right.contains(&status) {
            let redirect = if (300..400).contains(&status) { " (redirects are not followed)" } else { "" };
            return Outcome::ill(with_output(&format!("{status}{redirect}"), &self.output));
        }
        match &self.wanted {
            Some(wanted) if !self.found => {
                Outcome::ill(with_output(&format!("{status}, but without '{wanted}' in the body"), &self.output))
            }
            _ => Outcome::well(status.to_string()),
        }
    }
}

/// A line, and what was put out behind it, if there is any: text without control characters that a terminal would obey.
fn with_output(line: &str, output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    if text.is_empty() {
        return line.to_owned();
    }
    let clean = text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c });
    format!("{line}: {}", clean.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn http(target: &str, body: Option<&str>) -> Http {
        let probe = Probe { body: body.map(str::to_owned), ..Probe::of(Target::parse(target).unwrap()) };
        Http::new(&probe, "localhost", "/")
    }

    fn answer(http: &mut Http, text: &[u8], piece: usize) -> Option<Outcome> {
        text.chunks(piece).find_map(|piece| http.feed(piece))
    }

    #[test]
    fn the_status_decides() {
        for (text, well, said) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true, "200"),
            ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", true, "302"),
            ("HTTP/1.1 503 No\r\nContent-Length: 8\r\n\r\ndb \x1bdown", false, "503: db \u{fffd}down"),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false, "404"),
            ("SSH-2.0\r\n", false, "no HTTP/1"),
        ] {
            for piece in 1..=text.len() {
                let outcome = answer(&mut http("http://localhost/", None), text.as_bytes(), piece);
                assert_eq!(outcome, Some(Outcome { well, text: said.to_owned() }), "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn the_body_is_searched_across_pieces_and_chunks() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxre\r\n3\r\nady\r\n0\r\n\r\n";
        for piece in 1..=text.len() {
            let found = answer(&mut http("http://localhost/", Some("ready")), text.as_bytes(), piece).unwrap();
            let missed = answer(&mut http("http://localhost/", Some("steady")), text.as_bytes(), piece).unwrap();
            assert!(found.well && !missed.well && missed.text.contains("without 'steady'"), "{piece}");
        }
    }

    #[test]
    fn a_body_without_an_end_is_bounded() {
        let mut http = http("http://localhost/", Some("never"));
        assert_eq!(http.feed(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        let mut fed = 0;
        let outcome = loop {
            fed += 1000;
            if let Some(outcome) = http.feed(&[b'x'; 1000]) {
                break outcome;
            }
        };
        assert!(!outcome.well && (SEARCHED..SEARCHED + 2000).contains(&fed));
        assert!(http.window.len() + http.output.len() < 2 * OUTPUT);
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        let mut cut = http("http://localhost/", None);
        assert_eq!(cut.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), None);
        assert_eq!(cut.closed(), Outcome::ill("200, and closed in the middle of the answer"));
        assert!(!http("http://localhost/", None).closed().well);
        let mut until_closed = http("http://localhost/", None);
        assert_eq!(until_closed.feed(b"HTTP/1.1 200 OK\r\n\r\nx"), None);
        assert!(until_closed.closed().well);
    }

    proptest! {
        #[test]
        fn no_bytes_are_well(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            let outcome = answer(&mut http("http://localhost/", None), &bytes, piece);
            prop_assert!(!outcome.is_some_and(|outcome| outcome.well) || bytes.starts_with(b"HTTP/1."));
        }
    }
}
