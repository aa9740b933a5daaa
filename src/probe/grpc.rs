//! One call of `grpc.health.v1.Health/Check`, over HTTP/2: bytes in, bytes out. Pure.
//!
//! RFC 9113 for the frames, and <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> for what is in them. A whole
//! HTTP/2 client would be forty times the code: this one has one stream, allows no dynamic header table, and needs no flow
//! control, because the answer is smaller than the window that every connection begins with.

use super::{Stage, USER_AGENT, hpack};
use crate::encoded::{decoded, printable};
use crate::http::begins_as_tls;

/// Header fields of HTTP/1 that HTTP/2 has a number for.
const HOST: &str = "host";
const AGENT: &str = "user-agent";

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a peer may send without being asked for more: SETTINGS_MAX_FRAME_SIZE.
const FRAME: usize = 16 * 1024;
/// Header fields of a health answer have some hundred bytes; to decode more takes time that is not the peer's.
const BLOCK: usize = 8 * 1024;
/// So many characters of a server's own words are told.
const WORDS: usize = 200;
/// A health answer has a handful of bytes.
const MESSAGE: usize = 4 * 1024;
/// No more is read in all.
const MOST: usize = 256 * 1024;

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const PRIORITY: u8 = 2;
    pub(super) const RESET: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PUSH: u8 = 5;
    pub(super) const PING: u8 = 6;
    pub(super) const GO_AWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}

mod flag {
    pub(super) const ACK: u8 = 1;
    pub(super) const END_STREAM: u8 = 1;
    pub(super) const END_HEADERS: u8 = 4;
    pub(super) const PADDED: u8 = 8;
    pub(super) const PRIORITY: u8 = 32;
}

/// The call, as far as it has come.
#[derive(Debug)]
pub(crate) struct Call {
    /// What is to be sent.
    pub(crate) out: Vec<u8>,
    unread: Vec<u8>,
    taken: usize,
    /// A header block that goes on in the next frame.
    block: Vec<u8>,
    in_block: bool,
    ends: bool,
    message: Vec<u8>,
    /// The server has sent its SETTINGS, as it must before anything else.
    begun: bool,
    /// It has said how the service is.
    answered: bool,
    tls: bool,
    /// Of the final response: `:status`. Informational ones (1xx) may come before it.
    http: Option<String>,
    content_type: Option<String>,
    status: Option<String>,
    why: String,
}

impl Call {
    /// The whole request; a service's name, or empty for the whole server. `fields` are metadata, the name of the host and that of
    /// the client, where they are to be others.
    pub(crate) fn new(authority: &str, service: &str, tls: bool, fields: &[(String, String)]) -> Call {
        let mut out = PREFACE.to_vec();
        // HEADER_TABLE_SIZE 0, ENABLE_PUSH 0.
        frame(&mut out, kind::SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        // :method POST and :scheme are in the static table.
        let mut block = vec![0x83, if tls { 0x87 } else { 0x86 }];
        let named = |wanted: &str| {
            fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
        };
        hpack::put(&mut block, 4, "", "/grpc.health.v1.Health/Check");
        hpack::put(&mut block, 1, "", named(HOST).unwrap_or(authority));
        hpack::put(&mut block, 31, "", "application/grpc");
        hpack::put(&mut block, 0, "te", "trailers");
        hpack::put(&mut block, 58, "", named(AGENT).unwrap_or(USER_AGENT));
        for (name, value) in fields {
            let name = name.to_ascii_lowercase();
            if name != HOST && name != AGENT {
                hpack::put(&mut block, 0, &name, value);
            }
        }
        frame(&mut out, kind::HEADERS, flag::END_HEADERS, 1, &block);
        // HealthCheckRequest { string service = 1; }
        let mut message = Vec::new();
        if let Ok(length @ 1..) = u8::try_from(service.len()) {
            message.push(0x0a);
            if length < 128 {
                message.push(length)
            } else {
                message.extend([length, 1])
            }
            message.extend_from_slice(service.as_bytes());
        }
        let data = [&[0], (message.len() as u32).to_be_bytes().as_slice(), &message].concat();
        frame(&mut out, kind::DATA, flag::END_STREAM, 1, &data);
        Call {
            out,
            unread: Vec::new(),
            taken: 0,
            block: Vec::new(),
            in_block: false,
            ends: false,
            message: Vec::new(),
            begun: false,
            answered: false,
            tls,
            http: None,
            content_type: None,
            status: None,
            why: String::new(),
        }
    }

    /// How far it has come.
    pub(crate) fn stage(&self) -> Stage {
        match (self.begun, self.answered) {
            (false, _) => Stage::Connection,
            (true, false) => Stage::Response,
            (true, true) => Stage::Verdict,
        }
    }

    /// Takes what came. An answer, once there is one: all is well, or why not.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<Result<(), String>> {
        let room = MOST.saturating_sub(self.taken).min(bytes.len());
        self.taken += bytes.len();
        let mut unread = std::mem::take(&mut self.unread);
        unread.extend_from_slice(bytes.get(..room).unwrap_or_default());
        let mut rest = unread.as_slice();
        let answer = self.frames(&mut rest);
        let used = unread.len() - rest.len();
        unread.drain(..used);
        self.unread = unread;
        let endless = (self.taken > MOST).then(|| Err("the response has no end".to_owned()));
        answer.or(endless)
    }

    /// Takes the frames that are whole.
    fn frames(&mut self, rest: &mut &[u8]) -> Option<Result<(), String>> {
        loop {
            if let Some(other) = other_protocol(rest).filter(|_| !self.begun) {
                return Some(Err(other.to_owned()));
            }
            let (head, after) = rest.split_first_chunk::<9>()?;
            let [a, b, c, kind, flags, d, e, f, g] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let stream = u32::from_be_bytes([d & 127, e, f, g]);
            if length > FRAME {
                return Some(Err(NO_HTTP2.to_owned()));
            }
            let (payload, after) = after.split_at_checked(length)?;
            *rest = after;
            match self.frame(kind, flags, stream, payload) {
                Ok(false) => {}
                Ok(true) => return Some(self.verdict()),
                Err(why) => return Some(Err(why)),
            }
        }
    }

    /// The connection ended before an answer.
    pub(crate) fn closed(&self) -> String {
        if self.taken == 0 {
            // Go's does that where it was to be spoken to by TLS.
            let hint = if self.tls { "" } else { ": does the server want TLS there (grpcs://)?" };
            format!("the connection was closed without a response{hint}")
        } else {
            "the connection was closed in the middle of the response".to_owned()
        }
    }

    /// True: the answer is complete.
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<bool, String> {
        if self.in_block != (kind == kind::CONTINUATION) || !is_sound(kind, flags, stream, payload) {
            return Err(NO_HTTP2.to_owned());
        }
        if !std::mem::replace(&mut self.begun, true) && (kind, flags & flag::ACK) != (kind::SETTINGS, 0) {
            return Err(NO_HTTP2.to_owned());
        }
        match (kind, stream) {
            (kind::SETTINGS, 0) if flags & flag::ACK == 0 => frame(&mut self.out, kind::SETTINGS, flag::ACK, 0, &[]),
            (kind::PING, 0) if flags & flag::ACK == 0 => frame(&mut self.out, kind::PING, flag::ACK, 0, payload),
            (kind::GO_AWAY, 0) => {
                let last = payload.first_chunk().map_or(0, |last| u32::from_be_bytes(*last));
                if last == 0 {
                    return Err("the server is going away (GOAWAY)".to_owned());
                }
            }
            (kind::RESET, 1) => {
                let code = payload.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
                return Err(format!("the call was reset (HTTP/2 error {code})"));
            }
            (kind::PUSH, _) => return Err(NO_HTTP2.to_owned()),
            (kind::HEADERS, 1) => {
                let body = unpadded(flags, payload).ok_or(NO_HTTP2)?;
                let skip = if flags & flag::PRIORITY != 0 { 5 } else { 0 };
                self.block = body.get(skip..).ok_or(NO_HTTP2)?.to_vec();
                self.ends = flags & flag::END_STREAM != 0;
                return self.block_goes_on(flags);
            }
            (kind::CONTINUATION, 1) => {
                self.block.extend_from_slice(payload);
                return self.block_goes_on(flags);
            }
            (kind::DATA, 1) if self.http.is_none() => return Err("data before the header fields".to_owned()),
            (kind::DATA, 1) => {
                self.message.extend_from_slice(unpadded(flags, payload).ok_or(NO_HTTP2)?);
                if self.message.len() > MESSAGE {
                    return Err("the response is too large for a health check".to_owned());
                }
                return Ok(flags & flag::END_STREAM != 0);
            }
            // Frames of other streams, window updates, priorities, and kinds that are yet to be invented.
            _ => {}
        }
        Ok(false)
    }

    fn block_goes_on(&mut self, flags: u8) -> Result<bool, String> {
        self.in_block = flags & flag::END_HEADERS == 0;
        if self.block.len() > BLOCK {
            return Err(format!("more than {} KiB of header fields in one block", BLOCK / 1024));
        }
        if self.in_block {
            return Ok(false);
        }
        let fields = hpack::fields(&self.block).ok_or("unreadable header fields")?;
        let found = Fields::of(&fields)?;
        if !self.ends && found.status.is_some() {
            return Err("grpc-status before the end of the response".to_owned());
        }
        match (&self.http, found.http) {
            (None, None) => return Err("no HTTP status".to_owned()),
            // RFC 9113, 8.6: there are no other protocols to switch to.
            (None, Some(status)) if status == "101" => return Err("HTTP status 101, which HTTP/2 forbids".to_owned()),
            // 100 Continue, 103 Early Hints.
            (None, Some(status)) if status.starts_with('1') && !self.ends => return Ok(false),
            (None, status) => (self.http, self.content_type) = (status, found.content_type),
            // RFC 9113, 8.1: trailers end the response, and have no :status.
            (Some(_), Some(_)) => return Err("a second :status".to_owned()),
            (Some(_), None) if !self.ends => return Err("header fields in the middle of the response".to_owned()),
            (Some(_), None) => {}
        }
        // Only what ends the call says how it went.
        if self.ends {
            (self.status, self.why) = (found.status, found.why.unwrap_or_default());
        }
        Ok(self.ends)
    }

    fn verdict(&mut self) -> Result<(), String> {
        match self.http.as_deref() {
            Some("200") => {}
            Some(status) => return Err(format!("HTTP status {status}, so this is not a gRPC server")),
            None => return Err("no HTTP status".to_owned()),
        }
        match self.content_type.as_deref() {
            Some(kind) if kind.to_ascii_lowercase().starts_with("application/grpc") => {}
            Some(kind) => return Err(format!("Content-Type {kind}, so this is not a gRPC server")),
            None => return Err("no Content-Type, so this is not a gRPC server".to_owned()),
        }
        match self.status.as_deref() {
            Some("0") => {}
            Some(status) => {
                let name = status.parse().ok().and_then(|code: usize| CODES.get(code)).unwrap_or(&"?");
                let why = if self.why.is_empty() { String::new() } else { format!(": {}", self.why) };
                return Err(format!("grpc-status {status} ({name}){why}"));
            }
            None => return Err("no grpc-status at the end".to_owned()),
        }
        // Not compressed, one message.
        let (head, message) = self.message.split_first_chunk::<5>().ok_or("an empty response")?;
        if head != &[[0].as_slice(), &(message.len() as u32).to_be_bytes()].concat()[..] {
            return Err("an unreadable response".to_owned());
        }
        let status = serving(message).ok_or("an unreadable response")?;
        self.answered = true;
        match status {
            1 => Ok(()),
            0 => Err("UNKNOWN".to_owned()),
            2 => Err("NOT_SERVING".to_owned()),
            3 => Err("SERVICE_UNKNOWN".to_owned()),
            other => Err(format!("health status {other}")),
        }
    }
}

/// The header fields of a response that count here, each once.
#[derive(Default)]
struct Fields {
    http: Option<String>,
    content_type: Option<String>,
    status: Option<String>,
    why: Option<String>,
}

impl Fields {
    /// Those of a whole block. RFC 9113, 8.2.1 and 8.3: names in small letters, and `:status` first, the only one of its kind.
    fn of(fields: &[hpack::Field]) -> Result<Fields, String> {
        let (mut found, mut is_regular) = (Fields::default(), false);
        for (name, value) in fields {
            if name.starts_with(b":") && (is_regular || name != b":status") {
                return Err("a field whose name begins with a colon, in a wrong place".to_owned());
            }
            if name.iter().any(u8::is_ascii_uppercase) {
                return Err("the name of a field in capitals, which HTTP/2 forbids".to_owned());
            }
            is_regular = !name.starts_with(b":");
            found.take(name, value)?;
        }
        Ok(found)
    }

    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        let (field, value) = match name {
            b":status" => (&mut self.http, words(value)),
            b"content-type" => (&mut self.content_type, words(value)),
            b"grpc-status" => (&mut self.status, words(value)),
            b"grpc-message" => (&mut self.why, words(&decoded(value, b'%'))),
            _ => return Ok(()),
        };
        match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(format!("{} twice in the response", String::from_utf8_lossy(name))),
        }
    }
}

/// A server's own words, as they may stand in a log and on a terminal.
fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(WORDS).map(printable).collect()
}

/// What RFC 9113 says of the sizes and streams of frames that a server sends. There is one stream, and no other was begun.
fn is_sound(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
    let length = payload.len();
    match kind {
        kind::DATA | kind::HEADERS | kind::CONTINUATION => stream == 1,
        kind::RESET => stream == 1 && length == 4,
        kind::SETTINGS if flags & flag::ACK != 0 => stream == 0 && length == 0,
        kind::SETTINGS => stream == 0 && length.is_multiple_of(6) && payload.chunks(6).all(is_setting),
        kind::PRIORITY => stream != 0 && length == 5,
        kind::PING => stream == 0 && length == 8,
        kind::GO_AWAY => stream == 0 && length >= 8,
        kind::WINDOW_UPDATE => stream <= 1 && payload.try_into().is_ok_and(|by| u32::from_be_bytes(by) << 1 != 0),
        // PUSH_PROMISE is refused, and what is yet to be invented is ignored.
        _ => true,
    }
}

/// Section 6.5.2: a window has 31 bits, and a frame from 2^14 to 2^24 - 1 bytes.
fn is_setting(setting: &[u8]) -> bool {
    match *setting {
        [0, 4, first, ..] => first < 0x80,
        [0, 5, a, b, c, d] => (1 << 14..1 << 24).contains(&u32::from_be_bytes([a, b, c, d])),
        _ => true,
    }
}

/// Of a server that speaks something else: what can be told by its first bytes.
fn other_protocol(unread: &[u8]) -> Option<&'static str> {
    if unread.starts_with(b"HTTP/1") {
        return Some("not HTTP/2 but HTTP/1: is this the gRPC port?");
    }
    (unread.len() >= 2 && begins_as_tls(unread)).then_some("not HTTP/2 but TLS: use grpcs://")
}

const NO_HTTP2: &str = "not HTTP/2: is this the gRPC port?";

/// Of gRPC, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND, there is no such service",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED, the server has no health service",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice((payload.len() as u32).to_be_bytes().get(1..).unwrap_or_default());
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn unpadded(flags: u8, payload: &[u8]) -> Option<&[u8]> {
    if flags & flag::PADDED == 0 {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}

/// `HealthCheckResponse { ServingStatus status = 1; }` as protobuf writes it; what is not there is 0.
fn serving(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        match varint(&mut message)? {
            0x08 => status = varint(&mut message)?,
            // There is no field number 0.
            0..8 => return None,
            // Fields of later versions.
            tag => {
                let skip = match tag & 7 {
                    0 => varint(&mut message).map(|_| 0)?,
                    1 => 8,
                    2 => varint(&mut message)?,
                    5 => 4,
                    _ => return None,
                };
                message = message.get(usize::try_from(skip).ok()?..)?;
            }
        }
    }
    Some(status)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(first & 127) << shift;
        if *first < 128 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            hpack::put(&mut block, 0, name, value);
        }
        block
    }

    const HEAD: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];

    /// A server's whole answer.
    fn answer(message: &[u8], trailers: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        frame(&mut out, kind::SETTINGS, 0, 0, &[]);
        frame(&mut out, kind::SETTINGS, flag::ACK, 0, &[]);
        frame(&mut out, kind::PING, 0, 0, b"12345678");
        frame(&mut out, kind::HEADERS, flag::END_HEADERS, 1, &block(&HEAD));
        let data = [&[0], (message.len() as u32).to_be_bytes().as_slice(), message].concat();
        frame(&mut out, kind::DATA, flag::PADDED, 1, &[&[2], data.as_slice(), &[0, 0]].concat());
        let block = block(trailers);
        let (first, second) = block.split_at(block.len() / 2);
        frame(&mut out, kind::HEADERS, flag::END_STREAM, 1, first);
        frame(&mut out, kind::CONTINUATION, flag::END_HEADERS, 1, second);
        out
    }

    fn call(bytes: &[u8], piece: usize) -> Option<Result<(), String>> {
        let mut call = Call::new("localhost:1", "my.Service", false, &[]);
        call.out.clear();
        bytes.chunks(piece.max(1)).find_map(|piece| call.feed(piece))
    }

    #[test]
    fn every_answer_has_its_words() {
        let ok = [("grpc-status", "0")];
        for (message, trailers, wanted) in [
            (b"\x08\x01".as_slice(), ok.as_slice(), Ok(())),
            (b"\x08\x01\x12\x01x", &ok, Ok(())),
            (b"\x08\x02", &ok, Err("NOT_SERVING")),
            (b"", &ok, Err("UNKNOWN")),
            (b"\x08\x03", &ok, Err("SERVICE_UNKNOWN")),
            (b"\x08", &ok, Err("unreadable")),
            (b"\0\0\x08\x01", &ok, Err("unreadable")),
            (b"\x08\x01\x10\0", &ok, Ok(())),
            (b"\x08\x01", &[("grpc-status", "13")], Err("grpc-status 13 (INTERNAL)")),
            (
                b"",
                &[("grpc-status", "5"), ("grpc-message", "unknown service")],
                Err("no such service): unknown service"),
            ),
            (b"\x08\x01", &[], Err("no grpc-status")),
        ] {
            let bytes = answer(message, trailers);
            for piece in [1, 2, 3, 7, 100, bytes.len()] {
                match (call(&bytes, piece).expect("an answer"), &wanted) {
                    (Ok(()), Ok(())) => {}
                    (Err(why), Err(wanted)) => assert!(why.contains(wanted), "{why}"),
                    (got, wanted) => panic!("{got:?} instead of {wanted:?}"),
                }
            }
            // A part of it is no answer.
            assert_eq!(call(&bytes[..bytes.len() - 1], 100), None);
        }
    }

    /// An answer of these frames, behind the server's SETTINGS: what is said of it.
    fn said(frames: &[(u8, u8, &[u8])]) -> Result<(), String> {
        let mut bytes = Vec::new();
        frame(&mut bytes, kind::SETTINGS, 0, 0, &[]);
        for (kind, flags, payload) in frames {
            let of_stream = [kind::DATA, kind::HEADERS, kind::PRIORITY, kind::CONTINUATION, kind::RESET];
            let stream = u32::from(of_stream.contains(kind));
            frame(&mut bytes, *kind, *flags, stream, payload);
        }
        let mut other = Call::new("localhost:1", "", false, &[]);
        let whole = other.feed(&bytes).unwrap_or_else(|| Err(other.closed()));
        let mut pieces = Call::new("localhost:1", "", false, &[]);
        let cut = bytes.chunks(1).find_map(|piece| pieces.feed(piece)).unwrap_or_else(|| Err(pieces.closed()));
        assert_eq!(whole, cut);
        whole
    }

    #[test]
    fn only_what_ends_the_call_says_how_it_went() {
        use flag::{ACK, END_HEADERS, END_STREAM};
        use kind::{CONTINUATION, DATA, GO_AWAY, HEADERS, PING, PRIORITY, PUSH, RESET, SETTINGS, WINDOW_UPDATE};
        const LAST: u8 = END_HEADERS | END_STREAM;
        let serving = b"\0\0\0\0\x02\x08\x01".as_slice();
        let (head, zero) = (block(&HEAD), block(&[("grpc-status", "0")]));
        let both = [head.clone(), zero.clone()].concat();
        let early = block(&[(":status", "103"), ("link", "</a>")]);
        let good: (u8, u8, &[u8]) = (HEADERS, END_HEADERS, &head);
        let data: (u8, u8, &[u8]) = (DATA, 0, serving);
        let end: (u8, u8, &[u8]) = (HEADERS, LAST, &zero);
        assert_eq!(said(&[good, data, end]), Ok(()));
        assert_eq!(said(&[(HEADERS, END_HEADERS, &early), good, data, end]), Ok(()), "1xx before it");
        assert_eq!(said(&[good, (WINDOW_UPDATE, 0, &[0, 0, 0, 1]), (0x42, 7, b"new"), data, end]), Ok(()));
        let of = |fields: &[(&str, &str)]| block(fields);
        let html = of(&[(":status", "200"), ("content-type", "text/html")]);
        let no_type = of(&[(":status", "200")]);
        let more = of(&[("a", "b")]);
        let proto = of(&[(":status", "200"), ("content-type", "application/grpc+proto")]);
        let (twice, upper) = (of(&[("grpc-status", "0"), ("grpc-status", "0")]), of(&[("Grpc-Status", "0")]));
        let (status_again, unavailable) = (of(&[(":status", "200"), ("grpc-status", "0")]), of(&[(":status", "503")]));
        assert_eq!(said(&[(HEADERS, END_HEADERS, &proto), data, end]), Ok(()));
        let capitals = of(&[(":status", "200"), ("content-type", "Application/GRPC")]);
        assert_eq!(said(&[(HEADERS, END_HEADERS, &capitals), data, end]), Ok(()), "a type in capitals is the same");
        let priority: (u8, u8, &[u8]) = (PRIORITY, 0, &[0, 0, 0, 0, 1]);
        let largest: (u8, u8, &[u8]) = (SETTINGS, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 5, 0, 0xff, 0xff, 0xff]);
        assert_eq!(said(&[good, priority, largest, data, end]), Ok(()));
        let switching = of(&[(":status", "101")]);
        let late = of(&[("content-type", "application/grpc"), (":status", "200")]);
        // content-length of the static table, and then :status of it; :method, which is a request's.
        let (late_static, of_request) = ([0x9c, 0x88].as_slice(), [0x88, 0x82].as_slice());
        let long = of(&[("x", "a".repeat(100).as_str()); 90]);
        for (frames, wanted) in [
            (vec![(HEADERS, END_HEADERS, both.as_slice()), (DATA, END_STREAM, serving)], "grpc-status before the end"),
            (vec![(HEADERS, END_HEADERS, both.as_slice()), data, end], "grpc-status before the end"),
            (vec![good, (DATA, END_STREAM, serving)], "no grpc-status at the end"),
            (vec![good, data, (HEADERS, LAST, &[])], "no grpc-status at the end"),
            (vec![good, data, (HEADERS, LAST, upper.as_slice())], "in capitals"),
            (
                vec![(HEADERS, END_HEADERS, switching.as_slice()), good, data, end],
                "HTTP status 101, which HTTP/2 forbids",
            ),
            (vec![(HEADERS, END_HEADERS, late.as_slice()), data, end], "begins with a colon"),
            (vec![(HEADERS, END_HEADERS, late_static), data, end], "begins with a colon"),
            (vec![(HEADERS, END_HEADERS, of_request), data, end], "begins with a colon"),
            (vec![(HEADERS, END_HEADERS, long.as_slice()), data, end], "more than 8 KiB of header fields"),
            (vec![good, (WINDOW_UPDATE, 0, &[0, 0, 0, 0]), data, end], "not HTTP/2"),
            (vec![good, (WINDOW_UPDATE, 0, &[0x80, 0, 0, 0]), data, end], "not HTTP/2"),
            (vec![good, (PRIORITY, 0, &[0, 0, 0, 0]), data, end], "not HTTP/2"),
            (vec![good, (SETTINGS, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]), data, end], "not HTTP/2"),
            (vec![good, (SETTINGS, 0, &[0, 5, 0, 0, 0, 1]), data, end], "not HTTP/2"),
            (
                vec![(HEADERS, END_HEADERS, unavailable.as_slice()), data, (HEADERS, LAST, status_again.as_slice())],
                "a second :status",
            ),
            (vec![good, data, (HEADERS, END_HEADERS, zero.as_slice()), end], "grpc-status before the end"),
            (vec![good, data, (HEADERS, END_HEADERS, more.as_slice()), end], "in the middle"),
            (vec![good, data, (HEADERS, LAST, twice.as_slice())], "grpc-status twice"),
            (vec![(HEADERS, LAST, both.as_slice())], "an empty response"),
            (vec![(HEADERS, END_HEADERS, html.as_slice()), data, end], "Content-Type text/html"),
            (vec![(HEADERS, END_HEADERS, no_type.as_slice()), data, end], "no Content-Type"),
            (vec![(HEADERS, LAST, early.as_slice())], "HTTP status 103"),
            (vec![data, end], "data before"),
            (vec![end], "no HTTP status"),
            (vec![good, data, (CONTINUATION, LAST, zero.as_slice())], "not HTTP/2"),
            (vec![good, (PUSH, END_HEADERS, &[0, 0, 0, 2])], "not HTTP/2"),
            (vec![good, (SETTINGS, 0, &[0, 1, 0, 0, 0])], "not HTTP/2"),
            (vec![good, (SETTINGS, ACK, &[0, 1, 0, 0, 0, 0])], "not HTTP/2"),
            (vec![good, (PING, 0, b"1234567")], "not HTTP/2"),
            (vec![good, (GO_AWAY, 0, &[0, 0, 0, 1])], "not HTTP/2"),
            (vec![good, (RESET, 0, &[0, 0, 0])], "not HTTP/2"),
            (vec![good, (WINDOW_UPDATE, 0, &[0, 0, 1])], "not HTTP/2"),
        ] {
            let why = said(&frames).unwrap_err();
            assert!(why.contains(wanted), "{wanted}: {why}");
        }
        // Another stream than the one that was begun.
        let mut bytes = Vec::new();
        frame(&mut bytes, SETTINGS, 0, 0, &[]);
        frame(&mut bytes, HEADERS, LAST, 3, &both);
        assert!(call(&bytes, 100).unwrap().is_err());
    }

    #[test]
    fn a_message_is_percent_decoded() {
        for (text, decoded) in [
            ("no%20database", "no database"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%E2%82%AC", "€"),
            ("a%00%1b[2Jb", "a\u{fffd}\u{fffd}[2Jb"),
        ] {
            let answer = answer(b"", &[("grpc-status", "14"), ("grpc-message", text)]);
            let why = call(&answer, 5).unwrap().unwrap_err();
            assert_eq!(why, format!("grpc-status 14 (UNAVAILABLE): {decoded}"));
        }
    }

    #[test]
    fn settings_and_pings_are_acknowledged() {
        let mut call = Call::new("localhost:1", "", false, &[]);
        call.out.clear();
        let _ = call.feed(&answer(b"\x08\x01", &[("grpc-status", "0")]));
        assert_eq!(call.out, b"\0\0\0\x04\x01\0\0\0\0\0\0\x08\x06\x01\0\0\0\x0012345678");
    }

    #[test]
    fn the_servers_words_do_nothing_to_a_terminal() {
        let long = "\x1b[2J\n".repeat(100);
        let why = |text: &str| {
            let answer = answer(b"", &[("grpc-status", "5"), ("grpc-message", text)]);
            call(&answer, answer.len()).expect("an answer").unwrap_err()
        };
        let said = why(&long);
        assert!(!said.contains(char::is_control) && said.chars().count() < 300, "{said:?}");
        assert!(why("nicht verfügbar").ends_with(": nicht verfügbar"));
    }

    #[test]
    fn what_is_no_grpc_is_found() {
        for (bytes, wanted) in [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), "not HTTP/2"),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n", "not HTTP/2"),
            (b"\x15\x03\x01\0\x02\x02\x46", "not HTTP/2 but TLS"),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0", "not HTTP/2"),
            (b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0", "going away"),
            (b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07", "HTTP/2 error 7"),
            (b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x8d", "HTTP status 404"),
        ] {
            let why = call(bytes, 100).expect("an answer").unwrap_err();
            assert!(why.contains(wanted), "{why}");
        }
        assert!(call(&vec![0; MOST + 1], 4096).expect("an end").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic_or_well(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..50) {
            prop_assert!(!matches!(call(&bytes, piece), Some(Ok(()))));
        }

        #[test]
        fn flipped_bits(at in 0usize..120, bit in 0u8..8, piece in 1usize..50) {
            let mut bytes = answer(b"\x08\x02", &[("grpc-status", "0")]);
            if let Some(byte) = bytes.get_mut(at) { *byte ^= 1 << bit; }
            // NOT_SERVING has two bits set that SERVING has not; one flip does not make it well.
            prop_assert!(!matches!(call(&bytes, piece), Some(Ok(()))));
        }
    }
}
