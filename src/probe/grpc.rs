//! One call of `grpc.health.v1.Health/Check`, over HTTP/2 without TLS: bytes in, bytes out. Pure.
//!
//! RFC 9113 for the frames, and <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> for what is in them. A whole
//! HTTP/2 client would be forty times the code: this one has one stream, allows no dynamic header table, and needs no flow
//! control, because the answer is smaller than the window that every connection begins with.

use super::hpack;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a peer may send without being asked for more: SETTINGS_MAX_FRAME_SIZE.
const FRAME: usize = 16 * 1024;
/// Header fields of a health answer have some hundred bytes; to decode more takes time that is not the peer's.
const BLOCK: usize = 8 * 1024;
/// A health answer has a handful of bytes.
const MESSAGE: usize = 4 * 1024;
/// No more is read in all.
const MOST: usize = 256 * 1024;

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RESET: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PUSH: u8 = 5;
    pub(super) const PING: u8 = 6;
    pub(super) const GO_AWAY: u8 = 7;
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
pub(super) struct Call {
    /// What is to be sent.
    pub(super) out: Vec<u8>,
    unread: Vec<u8>,
    taken: usize,
    /// A header block that goes on in the next frame.
    block: Vec<u8>,
    in_block: bool,
    ends: bool,
    message: Vec<u8>,
    http: Option<String>,
    status: Option<String>,
    why: String,
}

impl Call {
    /// The whole request; a service's name, or empty for the whole server.
    pub(super) fn new(authority: &str, service: &str) -> Call {
        let mut out = PREFACE.to_vec();
        // HEADER_TABLE_SIZE 0, ENABLE_PUSH 0.
        frame(&mut out, kind::SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        // :method POST and :scheme http are in the static table.
        let mut block = vec![0x83, 0x86];
        hpack::put(&mut block, 4, "", "/grpc.health.v1.Health/Check");
        hpack::put(&mut block, 1, "", authority);
        hpack::put(&mut block, 31, "", "application/grpc");
        hpack::put(&mut block, 0, "te", "trailers");
        hpack::put(&mut block, 58, "", "goward");
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
            http: None,
            status: None,
            why: String::new(),
        }
    }

    /// Takes what came. An answer, once there is one: all is well, or why not.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<Result<(), String>> {
        self.taken += bytes.len();
        if self.taken > MOST {
            return Some(Err("an answer without an end".to_owned()));
        }
        self.unread.extend_from_slice(bytes);
        loop {
            let Some((head, rest)) = self.unread.split_first_chunk::<9>() else { return self.looks_wrong() };
            let [a, b, c, kind, flags, d, e, f, g] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let stream = u32::from_be_bytes([d & 127, e, f, g]);
            if length > FRAME {
                return Some(Err(NO_HTTP2.to_owned()));
            }
            let payload = rest.get(..length)?.to_vec();
            self.unread.drain(..9 + length);
            match self.frame(kind, flags, stream, &payload) {
                Ok(false) => {}
                Ok(true) => return Some(self.verdict()),
                Err(why) => return Some(Err(why)),
            }
        }
    }

    /// The connection ended before an answer.
    pub(super) fn closed(&self) -> String {
        if self.taken == 0 {
            "closed without an answer".to_owned()
        } else {
            "closed in the middle of the answer".to_owned()
        }
    }

    /// An HTTP/1 server answers too, and waits.
    fn looks_wrong(&self) -> Option<Result<(), String>> {
        let http1 = !self.unread.is_empty() && b"HTTP/1".iter().zip(&self.unread).all(|(a, b)| a == b);
        (http1 && self.unread.len() >= 6).then(|| Err(NO_HTTP2.to_owned()))
    }

    /// True: the answer is complete.
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<bool, String> {
        if self.in_block != (kind == kind::CONTINUATION) {
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
            (kind::DATA, 1) => {
                self.message.extend_from_slice(unpadded(flags, payload).ok_or(NO_HTTP2)?);
                if self.message.len() > MESSAGE {
                    return Err("the answer is too large for a health check".to_owned());
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
            return Err("headers without an end".to_owned());
        }
        if self.in_block {
            return Ok(false);
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        for (name, value) in hpack::fields(&self.block).ok_or("header fields that cannot be read")? {
            match name.as_slice() {
                b":status" => self.http = Some(text(value)),
                b"grpc-status" => self.status = Some(text(value)),
                b"grpc-message" => self.why = text(value),
                _ => {}
            }
        }
        Ok(self.ends)
    }

    fn verdict(&self) -> Result<(), String> {
        match self.http.as_deref() {
            Some("200") => {}
            Some(status) => return Err(format!("HTTP status {status}, so this is no gRPC server")),
            None => return Err("no HTTP status".to_owned()),
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
        let (head, message) = self.message.split_first_chunk::<5>().ok_or("an empty answer")?;
        if head != &[[0].as_slice(), &(message.len() as u32).to_be_bytes()].concat()[..] {
            return Err("an answer that cannot be read".to_owned());
        }
        match serving(message).ok_or("an answer that cannot be read")? {
            1 => Ok(()),
            0 => Err("UNKNOWN".to_owned()),
            2 => Err("NOT_SERVING".to_owned()),
            3 => Err("SERVICE_UNKNOWN".to_owned()),
            other => Err(format!("health status {other}")),
        }
    }
}

const NO_HTTP2: &str = "no HTTP/2: is this the gRPC port?";

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

    /// A server's whole answer.
    fn answer(message: &[u8], trailers: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        frame(&mut out, kind::SETTINGS, 0, 0, &[]);
        frame(&mut out, kind::SETTINGS, flag::ACK, 0, &[]);
        frame(&mut out, kind::PING, 0, 0, b"12345678");
        frame(&mut out, kind::HEADERS, flag::END_HEADERS, 1, &[0x88]);
        let data = [&[0], (message.len() as u32).to_be_bytes().as_slice(), message].concat();
        frame(&mut out, kind::DATA, flag::PADDED, 1, &[&[2], data.as_slice(), &[0, 0]].concat());
        let mut block = Vec::new();
        for (name, value) in trailers {
            hpack::put(&mut block, 0, name, value);
        }
        let (first, second) = block.split_at(block.len() / 2);
        frame(&mut out, kind::HEADERS, flag::END_STREAM, 1, first);
        frame(&mut out, kind::CONTINUATION, flag::END_HEADERS, 1, second);
        out
    }

    fn call(bytes: &[u8], piece: usize) -> Option<Result<(), String>> {
        let mut call = Call::new("localhost:1", "my.Service");
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
            (b"\x08", &ok, Err("cannot be read")),
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

    #[test]
    fn settings_and_pings_are_acknowledged() {
        let mut call = Call::new("localhost:1", "");
        call.out.clear();
        let _ = call.feed(&answer(b"\x08\x01", &[("grpc-status", "0")]));
        assert_eq!(call.out, b"\0\0\0\x04\x01\0\0\0\0\0\0\x08\x06\x01\0\0\0\x0012345678");
    }

    #[test]
    fn what_is_no_grpc_is_found() {
        for (bytes, wanted) in [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), "no HTTP/2"),
            (b"SSH-2.0-OpenSSH_9.2p1\r\n", "no HTTP/2"),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0", "going away"),
            (b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07", "HTTP/2 error 7"),
            (b"\0\0\x01\x01\x05\0\0\0\x01\x8d", "HTTP status 404"),
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
