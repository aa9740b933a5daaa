//! A client of TLS 1.3 (RFC 8446) for one exchange: bytes in, bytes out. Pure: files, the time and random numbers come from
//! outside. It has what every implementation must have (section 9.1) and little more: AES-128-GCM, SHA-256, P-256 and X25519.
//! No session is taken up again, and nothing is said before the server has answered.
//!
//! It is goward's own because of what the libraries cost, measured in a static release binary: rustls on RustCrypto's
//! primitives 398 KB where certificates are on P-256 alone, 527 KB with RSA and Ed25519; this 210. embedded-tls is 105 KB
//! without verification, but panics at what a server may send (an empty record), does not say which protocol was agreed on, and
//! takes any certificate of a chain for that of a CA. The primitives are RustCrypto's, and chains, names and times are verified
//! by rustls-webpki.

mod alert;
mod certificate;
mod hello;
mod identity;
mod keys;
mod reader;
mod signature;

pub use alert::NEEDS_CERTIFICATE;
pub use certificate::Trust;
pub use identity::Identity;

use crate::pem;
use ed25519_compact::x25519;
use hello::{ClientHello, message, with_length};
use keys::{HEAD, Protection, Schedule};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use reader::Reader;
use sha2::{Digest, Sha256};

/// The kinds of messages of the handshake.
mod kind {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const NEW_SESSION_TICKET: u8 = 4;
    pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const CERTIFICATE_VERIFY: u8 = 15;
    pub(super) const FINISHED: u8 = 20;
    pub(super) const KEY_UPDATE: u8 = 24;
}

/// The kinds of records.
mod record {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const DATA: u8 = 23;
}

/// A record holds so much, and what protects it.
const RECORD: usize = 16 * 1024;
const OVERHEAD: usize = 256;
/// The longest message of a handshake: a chain of certificates has a few KiB.
const MESSAGE: usize = 128 * 1024;

/// So much may come that is no data: hellos, certificates, alerts, keys and tickets. A server that sends more keeps the client
/// busy with nothing.
const BESIDE_DATA: usize = 512 * 1024;

const TOO_OLD: &str = "the server speaks TLS 1.2 at most, and goward TLS 1.3 alone";
const BROKEN: &str = "the TLS handshake is broken";
const BAD_RECORD: &str = "a TLS record that was not made with the keys of this connection";

/// What a connection is begun with.
#[derive(Debug)]
pub struct Settings {
    /// For the server's choice of a certificate; none: the host is an address.
    pub server_name: Option<String>,
    /// What is to be spoken (ALPN): `h2`, `http/1.1`.
    pub protocol: &'static str,
    /// Whether the protocol must be confirmed, as HTTP/2 has it.
    pub needs_protocol: bool,
    /// None: any certificate will do.
    pub trust: Option<Trust>,
    /// Shown to a server that asks for it.
    pub identity: Option<Identity>,
    /// Random bytes, for the hello and the keys.
    pub random: [u8; 96],
}

/// What the server has to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Hello,
    Extensions,
    /// A request for a certificate may come before the server's own.
    Certificate,
    CertificateVerify,
    Finished,
    /// The handshake is over.
    Data,
}

/// One connection, as far as it has come.
pub struct Client {
    /// What is to be sent.
    pub out: Vec<u8>,
    settings: Settings,
    secret: SecretKey,
    secret_25519: x25519::SecretKey,
    next: Next,
    unread: Vec<u8>,
    /// Bytes of messages that are not whole.
    messages: Vec<u8>,
    transcript: Sha256,
    schedule: Option<Schedule>,
    receiving: Option<Protection>,
    sending: Option<Protection>,
    /// The context of the server's request for a certificate.
    request: Option<Vec<u8>>,
    chain: Vec<Vec<u8>>,
    /// What may still come that is no data.
    patience: usize,
    closed: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?})", self.next)
    }
}

impl Client {
    /// Begins: its hello is to be sent.
    ///
    /// # Errors
    /// The random numbers make no key.
    pub fn new(settings: Settings) -> Result<Client, String> {
        let ([random, scalar, scalar_25519], []) = settings.random.as_chunks::<32>() else {
            return Err(BROKEN.to_owned());
        };
        let secret = SecretKey::from_slice(scalar).map_err(|_| BROKEN)?;
        let point = secret.public_key().to_sec1_point(false);
        let secret_25519 = x25519::SecretKey::new(*scalar_25519);
        let point_25519 = secret_25519.recover_public_key().map_err(|_| BROKEN)?;
        let hello = ClientHello {
            random: *random,
            shares: [(hello::SECP256R1, point.as_bytes()), (hello::X25519, point_25519.as_slice())],
            server_name: settings.server_name.as_deref(),
            protocol: settings.protocol,
            verifies: settings.trust.is_some(),
        };
        let hello = hello.bytes();
        let mut out = keys::head(record::HANDSHAKE, hello.len()).to_vec();
        out.extend_from_slice(&hello);
        Ok(Client {
            out,
            settings,
            secret,
            secret_25519,
            next: Next::Hello,
            unread: Vec::new(),
            messages: Vec::new(),
            transcript: Sha256::new_with_prefix(&hello),
            schedule: None,
            receiving: None,
            sending: None,
            request: None,
            chain: Vec::new(),
            patience: BESIDE_DATA,
            closed: false,
        })
    }

    /// Whether the handshake is over.
    pub fn is_open(&self) -> bool {
        self.next == Next::Data
    }

    /// Whether the server has said that it will say no more: an end without that may be anybody's doing.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the server has asked for a certificate, and there was none.
    pub fn lacks_certificate(&self) -> bool {
        self.request.is_some() && self.settings.identity.is_none()
    }

    /// Takes what is to be said, once the handshake is over.
    pub fn send(&mut self, plain: &mut Vec<u8>) {
        let (true, Some(keys)) = (self.next == Next::Data, &mut self.sending) else { return };
        for piece in plain.chunks(RECORD) {
            keys.seal(record::DATA, piece, &mut self.out);
        }
        plain.clear();
    }

    /// Takes what came; what the server has said goes behind `plain`.
    ///
    /// # Errors
    /// A sentence: there is no TLS, or none that can be used.
    pub fn feed(&mut self, bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
        let mut unread = std::mem::take(&mut self.unread);
        unread.extend_from_slice(bytes);
        let mut rest = unread.as_slice();
        while !self.closed {
            if let Some(other) = other_protocol(rest).filter(|_| self.next == Next::Hello) {
                return Err(other.to_owned());
            }
            let Some((head, after)) = rest.split_first_chunk::<HEAD>() else { break };
            let [_, _, _, a, b] = *head;
            let length = usize::from(u16::from_be_bytes([a, b]));
            if length > RECORD + OVERHEAD {
                return Err("a TLS record that is too long".to_owned());
            }
            let Some((body, after)) = after.split_at_checked(length) else { break };
            rest = after;
            self.record(head, body, plain)?;
        }
        let read = unread.len() - rest.len();
        unread.drain(..read);
        self.unread = unread;
        Ok(())
    }

    fn record(&mut self, head: &[u8; HEAD], body: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
        let [kind, version, ..] = *head;
        if version != 3 {
            return Err(BROKEN.to_owned());
        }
        match (kind, &mut self.receiving) {
            // Section 5: it means nothing, and may come while the handshake lasts.
            (record::CHANGE_CIPHER_SPEC, _) if body == [1] && self.next != Next::Data => self.endure(HEAD),
            (record::ALERT | record::HANDSHAKE, None) => self.content(kind, body, plain),
            (record::DATA, Some(keys)) => {
                let (kind, inner) = keys.open(head, body).ok_or(BAD_RECORD)?;
                if inner.len() > RECORD {
                    return Err("a TLS record that is too long".to_owned());
                }
                self.content(kind, &inner, plain)
            }
            _ => Err(BROKEN.to_owned()),
        }
    }

    /// What is in a record.
    fn content(&mut self, kind: u8, inner: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
        match kind {
            record::ALERT => self.alert(inner),
            record::HANDSHAKE => {
                self.endure(HEAD + inner.len())?;
                self.handshake(inner)
            }
            record::DATA if self.next == Next::Data && self.messages.is_empty() => {
                plain.extend_from_slice(inner);
                // An empty record is allowed, and no data.
                if inner.is_empty() { self.endure(HEAD) } else { Ok(()) }
            }
            _ => Err(BROKEN.to_owned()),
        }
    }

    fn endure(&mut self, bytes: usize) -> Result<(), String> {
        self.patience = self.patience.checked_sub(bytes).ok_or("the server sends too much TLS that is no data")?;
        Ok(())
    }

    fn alert(&mut self, body: &[u8]) -> Result<(), String> {
        match *body {
            [_, alert::CLOSE_NOTIFY] if self.next == Next::Data => {
                self.closed = true;
                Ok(())
            }
            [_, code] => {
                let Settings { protocol, identity, .. } = &self.settings;
                Err(alert::words(code, protocol, self.request.is_some(), identity.is_some()))
            }
            _ => Err(BROKEN.to_owned()),
        }
    }

    /// A piece of the messages. They may be cut anywhere, but not where the keys change.
    fn handshake(&mut self, piece: &[u8]) -> Result<(), String> {
        if piece.is_empty() {
            return Err(BROKEN.to_owned());
        }
        self.messages.extend_from_slice(piece);
        while let Some((head, after)) = self.messages.split_first_chunk::<4>() {
            let [kind, a, b, c] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > MESSAGE {
                return Err("a TLS message that is too long".to_owned());
            }
            if after.len() < length {
                break;
            }
            let whole: Vec<u8> = self.messages.drain(..4 + length).collect();
            let changes_keys = matches!(kind, kind::SERVER_HELLO | kind::FINISHED | kind::KEY_UPDATE);
            if changes_keys && !self.messages.is_empty() {
                return Err(BROKEN.to_owned());
            }
            self.message(kind, whole.get(4..).unwrap_or_default(), &whole)?;
        }
        Ok(())
    }

    fn message(&mut self, kind: u8, body: &[u8], whole: &[u8]) -> Result<(), String> {
        let before = self.transcript_hash();
        self.transcript.update(whole);
        self.next = match (self.next, kind) {
            (Next::Hello, kind::SERVER_HELLO) => {
                let (group, key) = hello::server_key(body)?;
                let shared = self
                    .shared_secret(group, &key)
                    .ok_or("the server's key is none of the groups that it was offered")?;
                self.agree(&shared);
                Next::Extensions
            }
            (Next::Extensions, kind::ENCRYPTED_EXTENSIONS) => {
                let chosen = hello::chosen_protocol(body).ok_or(BROKEN)?;
                let is_right = chosen.as_deref().map(|chosen| chosen == self.settings.protocol.as_bytes());
                if !is_right.unwrap_or(!self.settings.needs_protocol) {
                    return Err(alert::not_spoken(self.settings.protocol));
                }
                Next::Certificate
            }
            (Next::Certificate, kind::CERTIFICATE_REQUEST) if self.request.is_none() => {
                self.request = Some(Reader(body).vector::<1>().ok_or(BROKEN)?.to_vec());
                Next::Certificate
            }
            (Next::Certificate, kind::CERTIFICATE) => {
                self.chain = certificate::read(body).ok_or(BROKEN)?;
                if let Some(trust) = &self.settings.trust {
                    certificate::verify(&self.chain, trust)?;
                }
                Next::CertificateVerify
            }
            (Next::CertificateVerify, kind::CERTIFICATE_VERIFY) => {
                certificate::verify_signature(&self.chain, body, &before, self.settings.trust.is_some())?;
                Next::Finished
            }
            (Next::Finished, kind::FINISHED) => {
                self.finish(body, &before)?;
                Next::Data
            }
            // No session is taken up again.
            (Next::Data, kind::NEW_SESSION_TICKET) => Next::Data,
            (Next::Data, kind::KEY_UPDATE) => {
                self.update_keys(body)?;
                Next::Data
            }
            _ => return Err(BROKEN.to_owned()),
        };
        Ok(())
    }

    fn transcript_hash(&self) -> keys::Hash {
        self.transcript.clone().finalize().into()
    }

    /// From here on both sides have keys.
    fn agree(&mut self, shared: &[u8]) {
        let schedule = Schedule::of_handshake(shared, &self.transcript_hash());
        self.receiving = Some(Protection::new(&schedule.server));
        self.sending = Some(Protection::new(&schedule.client));
        self.schedule = Some(schedule);
    }

    /// What the server's key and the one here make together. None: it is no key of such a group, or one that makes nothing secret.
    fn shared_secret(&self, group: u16, key: &[u8]) -> Option<Vec<u8>> {
        match group {
            hello::SECP256R1 => {
                let public = PublicKey::from_sec1_bytes(key).ok()?;
                Some(self.secret.diffie_hellman(&public).raw_secret_bytes().to_vec())
            }
            hello::X25519 => {
                let public = x25519::PublicKey::from_slice(key).ok()?;
                Some(public.dh(&self.secret_25519).ok()?.to_vec())
            }
            _ => None,
        }
    }

    /// The server has finished; so does the client.
    fn finish(&mut self, body: &[u8], before: &keys::Hash) -> Result<(), String> {
        let schedule = self.schedule.take().ok_or(BROKEN)?;
        if body != keys::finished(&schedule.server, before) {
            return Err(BROKEN.to_owned());
        }
        let traffic = schedule.of_traffic(&self.transcript_hash());
        if let Some(context) = self.request.clone() {
            let chain = self.settings.identity.as_ref().map(|identity| identity.chain.as_slice()).unwrap_or_default();
            let entries: Vec<u8> = chain.iter().flat_map(|der| [with_length::<3>(der), vec![0, 0]].concat()).collect();
            self.say(kind::CERTIFICATE, &[with_length::<1>(&context), with_length::<3>(&entries)].concat());
            if let Some(identity) = &self.settings.identity {
                let message = certificate::signed(b"TLS 1.3, client CertificateVerify", &self.transcript_hash());
                let signature = identity.sign(&message);
                self.say(kind::CERTIFICATE_VERIFY, &[&[4, 3], with_length::<2>(&signature).as_slice()].concat());
            }
        }
        self.say(kind::FINISHED, &keys::finished(&schedule.client, &self.transcript_hash()));
        self.receiving = Some(Protection::new(&traffic.server));
        self.sending = Some(Protection::new(&traffic.client));
        Ok(())
    }

    /// Sends a message of the handshake.
    fn say(&mut self, kind: u8, body: &[u8]) {
        let message = message(kind, body);
        self.transcript.update(&message);
        if let Some(keys) = &mut self.sending {
            message.chunks(RECORD).for_each(|piece| keys.seal(record::HANDSHAKE, piece, &mut self.out));
        }
    }

    /// Section 4.6.3.
    fn update_keys(&mut self, body: &[u8]) -> Result<(), String> {
        let (Some(receiving), Some(sending)) = (&mut self.receiving, &mut self.sending) else {
            return Err(BROKEN.to_owned());
        };
        match body {
            [0] => {}
            [1] => {
                sending.seal(record::HANDSHAKE, &message(kind::KEY_UPDATE, &[0]), &mut self.out);
                sending.update();
            }
            _ => return Err(BROKEN.to_owned()),
        }
        receiving.update();
        Ok(())
    }
}

/// Of a server that speaks something else: what can be told by its first bytes.
fn other_protocol(unread: &[u8]) -> Option<&'static str> {
    match unread {
        [b'H', b'T', b'T', b'P', ..] => Some("not TLS but HTTP/1: use http, not https"),
        [0, 0, _, 4, _, 0, 0, 0, 0, ..] => Some("not TLS but HTTP/2: use grpc, not grpcs"),
        [record::CHANGE_CIPHER_SPEC..=record::DATA, 3, ..] | [record::CHANGE_CIPHER_SPEC..=record::DATA] | [] => None,
        [0] | [0, 0] | [0, 0, _] | [0, 0, _, 4] | [0, 0, _, 4, _, ..] if unread.len() < 9 => None,
        [b'H'] | [b'H', b'T'] | [b'H', b'T', b'T'] => None,
        _ => Some("not TLS"),
    }
}

/// For the fuzzer: a client that has come as far as `stage` says, and the contents of records as if they had come behind the
/// keys, each with its kind and its length before it.
#[cfg(any(test, fuzzing))]
pub(crate) fn behind_the_keys(settings: Settings, stage: u8, mut bytes: &[u8]) -> Vec<u8> {
    let (mut plain, hash) = (Vec::new(), [7; 32]);
    let Ok(mut client) = Client::new(settings) else { return plain };
    let schedule = Schedule::of_handshake(&hash, &hash);
    client.receiving = Some(Protection::new(&schedule.server));
    client.sending = Some(Protection::new(&schedule.client));
    client.schedule = Some(schedule);
    let stages = [Next::Extensions, Next::Certificate, Next::CertificateVerify, Next::Finished, Next::Data];
    client.next = stages.get(usize::from(stage) % stages.len()).copied().unwrap_or(Next::Extensions);
    while let [kind, length, rest @ ..] = bytes {
        let (inner, after) = rest.split_at(rest.len().min(usize::from(*length) * 8));
        bytes = after;
        if client.content(*kind, inner, &mut plain).is_err() {
            break;
        }
    }
    plain
}

#[cfg(test)]
mod tests;
