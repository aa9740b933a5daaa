//! How bytes go over a connection, in the clear or by TLS. What is asked is in `http.rs` and `grpc.rs`.

use super::connection::{Connection, Received};
use super::grpc::Call;
use super::http::Http;
use super::{Notice, Outcome, Progress, Stage, with_output};
use crate::config::Probe;
use crate::target::{Endpoint, Target, Url};

/// A connection, what protects it, and what is said on it.
#[derive(Debug)]
pub(super) struct Exchange {
    connection: Connection,
    secure: Secure,
    dialogue: Dialogue,
    awaits_settings: bool,
}

#[derive(Debug)]
enum Dialogue {
    /// That there is a connection is enough.
    None,
    Http(Box<Http>),
    Grpc(Box<Call>),
}

impl Exchange {
    /// Begins.
    ///
    /// # Errors
    /// The outcome, where TLS cannot be begun.
    pub(super) fn begin(probe: &Probe, notice: Notice) -> Result<Exchange, Outcome> {
        let (dialogue, secure) = match &probe.target {
            Target::Http(url) => {
                (Dialogue::Http(Box::new(Http::new(probe, url))), Secure::begin(probe, url, "http/1.1")?)
            }
            Target::Grpc(url) => {
                let service = url.path.strip_prefix('/').unwrap_or_default();
                let call = Call::new(&url.host, service, url.tls, &probe.headers);
                (Dialogue::Grpc(Box::new(call)), Secure::begin(probe, url, "h2")?)
            }
            Target::Connect(_) | Target::Command(_) => (Dialogue::None, Secure::NONE),
        };
        let nowhere = Endpoint::Tcp(Vec::new());
        let at = probe.target.endpoint().unwrap_or(&nowhere);
        let awaits_settings = probe.awaits_settings;
        Ok(Exchange { connection: Connection::new(at, notice), secure, dialogue, awaits_settings })
    }

    /// Does what can be done now.
    pub(super) fn advance(&mut self) -> Progress {
        let progress = self.talk();
        let (Progress::Over(_), Dialogue::Http(http)) = (&progress, &mut self.dialogue) else { return progress };
        let Some(next) = http.redirected() else { return progress };
        self.connection.restart(&next.url.at);
        self.secure = match Secure::begin(&next.probe, &next.url, "http/1.1") {
            Ok(secure) => secure,
            Err(outcome) => return Progress::Over(outcome),
        };
        **http = next;
        Progress::More
    }

    fn talk(&mut self) -> Progress {
        let out = match &mut self.dialogue {
            Dialogue::None => &mut Vec::new(),
            Dialogue::Http(http) => &mut http.out,
            Dialogue::Grpc(call) => &mut call.out,
        };
        // Where it cannot be sent there may be an answer all the same; and what has come is read, or nobody could wait for more.
        match self.connection.send(self.secure.sealed(out)) {
            Ok(is_sent) if is_sent || self.connection.is_connected() => {}
            Ok(_) => return Progress::Waiting,
            Err(why) => return Progress::Over(Outcome::unconnected(why)),
        }
        if let Dialogue::None = self.dialogue {
            return Progress::Over(Outcome::well("connected"));
        }
        let received = match self.connection.receive() {
            Ok(Received::Nothing) => return Progress::Waiting,
            Ok(received) => received,
            Err(why) if !self.secure.is_open() => {
                return Progress::Over(Outcome::unconnected(format!("{why}, in the TLS handshake")));
            }
            Err(why) => {
                let unmet = self.secure.unmet().filter(|_| !self.dialogue.has_begun());
                return Progress::Over(unmet.map_or_else(|| self.dialogue.broken(why), Outcome::unconnected));
            }
        };
        let is_end = matches!(received, Received::End);
        let outcome = match self.secure.opened(received) {
            Ok(Opened::Bytes(bytes)) => self.dialogue.feed(&bytes),
            Ok(Opened::Last(bytes)) => self.dialogue.feed(&bytes).or_else(|| Some(self.dialogue.closed())),
            #[cfg(feature = "tls")]
            Ok(Opened::Cut) => Some(self.dialogue.cut()),
            Err(why) => Some(Outcome::unconnected(why)),
        };
        // Some servers say no more than that they want one.
        if let (true, Some(why)) = (is_end && !self.dialogue.has_begun(), self.secure.unmet()) {
            return Progress::Over(Outcome::unconnected(why));
        }
        outcome.map_or(Progress::More, Progress::Over)
    }

    pub(super) fn is_connected(&self) -> bool {
        let has_settings = self.dialogue.has_begun() || !self.awaits_settings;
        self.connection.is_connected() && self.secure.is_open() && has_settings
    }

    pub(super) fn is_announced(&self) -> bool {
        self.connection.is_announced()
    }

    /// Waits until something may have happened. Not in PID 1, which hears of it by a signal.
    pub(super) fn wait(&self) {
        let out = match &self.dialogue {
            Dialogue::None => &Vec::new(),
            Dialogue::Http(http) => &http.out,
            Dialogue::Grpc(call) => &call.out,
        };
        self.connection.wait(self.secure.has_more(out));
    }

    pub(super) fn give_up(self, text: String) -> Outcome {
        match self.dialogue {
            Dialogue::Http(http) if http.status().is_some() => {
                let status = http.status().unwrap_or_default();
                Outcome::ill(with_output(&format!("{status}, but the response did not end ({text})"), &http.output))
            }
            Dialogue::Grpc(call) if self.secure.is_open() && self.connection.is_connected() => {
                Outcome { stage: call.stage(), ..Outcome::ill(text) }
            }
            _ if self.connection.is_connected() && self.secure.is_open() => Outcome::ill(text),
            _ if self.connection.is_connected() => Outcome::unconnected(format!("{text}, in the TLS handshake")),
            _ => Outcome::unconnected(format!("{text}, without a connection")),
        }
    }
}

impl Dialogue {
    /// Whether the server has said anything.
    fn has_begun(&self) -> bool {
        match self {
            Dialogue::None => false,
            Dialogue::Http(http) => http.status().is_some(),
            Dialogue::Grpc(call) => call.stage() != Stage::Connection,
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> Option<Outcome> {
        match self {
            Dialogue::None => None,
            Dialogue::Http(http) => http.feed(bytes),
            Dialogue::Grpc(call) => match call.feed(bytes)? {
                Ok(()) => Some(Outcome::well("SERVING")),
                Err(why) => Some(Outcome { stage: call.stage(), ..Outcome::ill(why) }),
            },
        }
    }

    /// The connection is no more, and the other side has not ended it as it should. Go's server of HTTP/2 alone does so where it is
    /// asked by HTTP/1.
    fn broken(&self, why: String) -> Outcome {
        match self {
            Dialogue::Http(http) if http.status().is_none() => {
                Outcome::ill(format!("{why} without a response: does the server want HTTP/2 there (grpc://)?"))
            }
            Dialogue::None | Dialogue::Http(_) | Dialogue::Grpc(_) => Outcome::ill(why),
        }
    }

    /// The other side will say no more.
    fn closed(&mut self) -> Outcome {
        match self {
            Dialogue::None => Outcome::ill("closed"),
            Dialogue::Http(http) => http.closed(),
            Dialogue::Grpc(call) => Outcome { stage: call.stage(), ..Outcome::ill(call.closed()) },
        }
    }

    /// The connection has ended, and TLS has not: whatever ends with it may have been cut by anybody.
    #[cfg(feature = "tls")]
    fn cut(&mut self) -> Outcome {
        match self {
            Dialogue::Http(http) if http.status().is_some() => {
                Outcome::ill("the connection was closed without TLS's close_notify: the response may be cut")
            }
            dialogue => dialogue.closed(),
        }
    }
}

/// What has come, in the clear.
enum Opened<'a> {
    Bytes(std::borrow::Cow<'a, [u8]>),
    /// These, and then the end.
    Last(Vec<u8>),
    /// An end that the other side has not announced.
    #[cfg(feature = "tls")]
    Cut,
}

#[cfg(feature = "tls")]
use with_tls::Secure;
#[cfg(not(feature = "tls"))]
use without_tls::Secure;

#[cfg(not(feature = "tls"))]
mod without_tls {
    use super::*;

    /// Nothing protects a connection.
    #[derive(Debug)]
    pub(super) struct Secure;

    impl Secure {
        pub(super) const NONE: Secure = Secure;

        pub(super) fn begin(_: &Probe, url: &Url, _: &'static str) -> Result<Secure, Outcome> {
            if url.tls { Err(Outcome::ill("there is no TLS in this binary")) } else { Ok(Secure) }
        }

        pub(super) fn sealed<'a>(&'a mut self, out: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
            out
        }

        pub(super) fn opened<'a>(&mut self, received: Received<'a>) -> Result<Opened<'a>, String> {
            Ok(match received {
                Received::Bytes(bytes) => Opened::Bytes(bytes.into()),
                Received::Nothing | Received::End => Opened::Last(Vec::new()),
            })
        }

        pub(super) fn is_open(&self) -> bool {
            true
        }

        pub(super) fn has_more(&self, out: &[u8]) -> bool {
            !out.is_empty()
        }

        pub(super) fn unmet(&self) -> Option<&'static str> {
            None
        }
    }
}

#[cfg(feature = "tls")]
mod with_tls {
    use super::*;
    use crate::config::Tls;
    use crate::pem;
    use crate::sys::{clock, file, unix};
    use crate::tls::{Client, Identity, Settings, Trust};
    use std::net::IpAddr;
    use std::path::Path;

    /// TLS, where it is spoken.
    #[derive(Debug)]
    pub(super) struct Secure(Option<Box<Client>>);

    impl Secure {
        pub(super) const NONE: Secure = Secure(None);

        pub(super) fn begin(probe: &Probe, url: &Url, protocol: &'static str) -> Result<Secure, Outcome> {
            if !url.tls {
                return Ok(Secure::NONE);
            }
            let client = settings(&probe.tls, url, protocol).and_then(Client::new);
            client.map(|client| Secure(Some(Box::new(client)))).map_err(Outcome::unconnected)
        }

        /// What is to be sent instead of `out`.
        pub(super) fn sealed<'a>(&'a mut self, out: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
            match &mut self.0 {
                Some(client) => {
                    client.send(out);
                    &mut client.out
                }
                None => out,
            }
        }

        pub(super) fn opened<'a>(&mut self, received: Received<'a>) -> Result<Opened<'a>, String> {
            Ok(match (&mut self.0, received) {
                (None, Received::Bytes(bytes)) => Opened::Bytes(bytes.into()),
                (None, Received::Nothing | Received::End) => Opened::Last(Vec::new()),
                (Some(client), Received::Bytes(bytes)) => {
                    let mut plain = Vec::new();
                    client.feed(bytes, &mut plain)?;
                    if client.is_closed() { Opened::Last(plain) } else { Opened::Bytes(plain.into()) }
                }
                (Some(client), Received::Nothing | Received::End) if client.is_open() => Opened::Cut,
                (Some(_), Received::Nothing | Received::End) => {
                    return Err("the connection was closed in the TLS handshake".to_owned());
                }
            })
        }

        pub(super) fn is_open(&self) -> bool {
            self.0.as_ref().is_none_or(|client| client.is_open())
        }

        /// What the server has asked for in vain.
        pub(super) fn unmet(&self) -> Option<&'static str> {
            self.0.as_ref().filter(|client| client.lacks_certificate()).map(|_| crate::tls::NEEDS_CERTIFICATE)
        }

        /// Whether something is still to be sent. Before the end of the handshake `out` is not yet.
        pub(super) fn has_more(&self, out: &[u8]) -> bool {
            self.0.as_ref().map_or(!out.is_empty(), |client| !client.out.is_empty())
        }
    }

    /// Reads the files, each time: certificates are renewed.
    fn settings(tls: &Tls, url: &Url, protocol: &'static str) -> Result<Settings, String> {
        let name = tls.server_name.clone().unwrap_or_else(|| url.server_name().to_owned());
        let trust = tls.ca.as_deref().map(|path| {
            let roots: Vec<_> = pem::blocks(&read("--tls-ca", path)?, "CERTIFICATE").collect();
            if roots.is_empty() {
                return Err(format!("--tls-ca {}: there is no certificate in it", path.display()));
            }
            let now = clock::of_day().unwrap_or_default().as_secs();
            Ok(Trust { roots, name: name.clone(), now })
        });
        let identity = tls
            .identity
            .as_ref()
            .map(|(certificate, key)| Identity::read(&read("--tls-cert", certificate)?, &read("--tls-key", key)?));
        let mut random = [0; 96];
        if !unix::fill_unpredictably(&mut random) {
            return Err("the kernel gives no random numbers".to_owned());
        }
        Ok(Settings {
            server_name: Some(name).filter(|name| name.parse::<IpAddr>().is_err()),
            protocol,
            needs_protocol: protocol == "h2",
            trust: trust.transpose()?,
            identity: identity.transpose()?,
            random,
        })
    }

    fn read(option: &str, path: &Path) -> Result<String, String> {
        let bytes = file::read_small(path, 1 << 20)
            .map_err(|error| format!("{option} {}: {}", path.display(), file::described(&error)))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
