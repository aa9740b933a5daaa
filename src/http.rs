//! An answer of HTTP/1, read as it comes: bytes in, in any pieces; the status, the body, and where it ends. Pure.
//! RFC 9112, sections 6.3 (how a body ends), 7.1 (chunks) and 9.3 (whether the connection is kept).

/// Heads that are longer are none: all of an answer together, those of 100 Continue and 103 Early Hints too, and its trailers.
const HEAD_ROOM: usize = 64 * 1024;
/// A line between chunks, or after them, that is longer is none.
const LINE_ROOM: usize = 8 * 1024;
/// Of header fields as many as most servers allow have room on the stack; with more than the second number it is no head.
const HEADERS: usize = 100;
const MOST_HEADERS: usize = 1000;

/// Section 5.1 and 5.2: no blank before the colon, no line that goes on, no control characters.
const BROKEN_FIELD: &str = "HTTP/1 with a broken header field";

/// One answer, as far as it has come.
#[derive(Debug)]
pub struct Response {
    at: At,
    /// The head, or the line in hand, until it is whole.
    kept: Vec<u8>,
    /// Bytes of heads and trailers so far.
    heads: usize,
    status: u16,
    /// The Location of a redirect.
    location: Option<String>,
    keep: bool,
    /// To a HEAD: the length is that of a body that does not come.
    bodyless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Head,
    Length(u64),
    UntilClosed,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    End,
}

impl Response {
    /// To a request by this method.
    pub fn to(method: &str) -> Response {
        Response {
            at: At::Head,
            kept: Vec::new(),
            heads: 0,
            status: 0,
            location: None,
            keep: false,
            bodyless: method == "HEAD",
        }
    }

    /// Takes what came, up to the end of this answer; how much of it that was. `body` is given the body, without chunks.
    ///
    /// # Errors
    /// What came is no HTTP, and why.
    pub fn feed(&mut self, bytes: &[u8], body: &mut dyn FnMut(&[u8])) -> Result<usize, &'static str> {
        let mut rest = bytes;
        while !rest.is_empty() && self.at != At::End {
            let used = match self.at {
                At::Head => self.head(rest)?,
                At::Length(left) | At::Chunk(left) => {
                    let part = first(rest, left);
                    body(part);
                    self.at = match (matches!(self.at, At::Chunk(_)), left - part.len() as u64) {
                        (false, 0) => At::End,
                        (false, left) => At::Length(left),
                        (true, 0) => At::ChunkEnd,
                        (true, left) => At::Chunk(left),
                    };
                    part.len()
                }
                At::UntilClosed => {
                    body(rest);
                    rest.len()
                }
                At::ChunkSize | At::ChunkEnd | At::Trailers => self.line(rest)?,
                At::End => 0,
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(bytes.len() - rest.len())
    }

    /// The other side has closed: whether the answer is whole.
    pub fn closed(&mut self) -> bool {
        if self.at == At::UntilClosed {
            self.at = At::End;
        }
        self.at == At::End
    }

    /// Whether the answer is whole.
    pub fn is_whole(&self) -> bool {
        self.at == At::End
    }

    /// The status, once the head of the final answer has come.
    pub fn status(&self) -> Option<u16> {
        (self.at != At::Head).then_some(self.status)
    }

    /// Where a redirect leads: the Location field of a status from 300 to 399.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// Whether the connection can be used again, after a whole answer.
    pub fn keeps(&self) -> bool {
        self.keep && self.is_whole()
    }

    /// A line of the head of the final answer, or of 100 Continue and 103 Early Hints before it. Only a whole head is parsed,
    /// once: it may come byte by byte.
    fn head(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let used = line_end(bytes).unwrap_or(bytes.len());
        self.kept.extend_from_slice(bytes.get(..used).unwrap_or_default());
        if !b"HTTP/1.".iter().zip(&self.kept).all(|(wanted, byte)| wanted == byte) {
            return other_protocol(&self.kept).map(|()| used);
        }
        self.count(used)?;
        if !self.kept.ends_with(b"\n\n") && !self.kept.ends_with(b"\n\r\n") {
            return Ok(used);
        }
        let head = match parse(&self.kept, &mut [httparse::EMPTY_HEADER; HEADERS]) {
            Err(httparse::Error::TooManyHeaders) => parse(&self.kept, &mut vec![httparse::EMPTY_HEADER; MOST_HEADERS]),
            parsed => parsed,
        };
        let head = match head {
            Ok(head) => head?,
            Err(httparse::Error::TooManyHeaders) => return Err("more than 1000 header fields"),
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine) => {
                return Err(BROKEN_FIELD);
            }
            Err(_) => return Err("not HTTP/1"),
        };
        self.kept.clear();
        match head.status {
            101 => return Err("another protocol, which nobody asked for"),
            100..=199 => {}
            _ => {
                (self.status, self.location, self.keep) = (head.status, head.location, head.keep);
                self.at = if self.bodyless { At::End } else { head.body };
            }
        }
        Ok(used)
    }

    /// A server may send heads and trailers without end, and no body.
    fn count(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.heads += bytes;
        if self.heads < HEAD_ROOM { Ok(()) } else { Err("more than 64 KiB of header fields") }
    }

    /// A line between chunks, or a trailer.
    fn line(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let end = line_end(bytes);
        let used = end.unwrap_or(bytes.len());
        if self.at == At::Trailers {
            self.count(used)?;
        }
        self.kept.extend_from_slice(bytes.get(..used).unwrap_or_default());
        if self.kept.len() > LINE_ROOM {
            return Err("a line without an end, between chunks");
        }
        if end.is_none() {
            return Ok(used);
        }
        let empty = matches!(self.kept.as_slice(), b"\r\n" | b"\n");
        self.at = match self.at {
            // httparse takes a line without digits for 0.
            At::ChunkSize if !self.kept.first().is_some_and(u8::is_ascii_hexdigit) => return Err("a broken chunk"),
            At::ChunkSize => match httparse::parse_chunk_size(&self.kept) {
                Ok(httparse::Status::Complete((_, 0))) => At::Trailers,
                Ok(httparse::Status::Complete((_, size))) => At::Chunk(size),
                Ok(httparse::Status::Partial) | Err(_) => return Err("a broken chunk"),
            },
            // Where a size is wrong by one, a line feed alone would hide it.
            At::ChunkEnd if self.kept != b"\r\n" => return Err("a broken chunk"),
            At::ChunkEnd => At::ChunkSize,
            At::Trailers if empty => At::End,
            at => at,
        };
        self.kept.clear();
        Ok(used)
    }
}

/// Behind the first line.
fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes).map(|at| at + 1)
}

/// As many bytes as wanted, or all.
fn first(bytes: &[u8], wanted: u64) -> &[u8] {
    let length = usize::try_from(wanted).map_or(bytes.len(), |wanted| wanted.min(bytes.len()));
    bytes.get(..length).unwrap_or_default()
}

/// Whether this begins, as far as it goes, as a record of TLS with an alert (RFC 8446, 5.1): what a server of TLS says to who speaks
/// to it in the clear.
pub fn begins_as_tls(bytes: &[u8]) -> bool {
    bytes.iter().zip([0x15, 3]).all(|(byte, wanted)| *byte == wanted)
}

/// What does not begin as an answer of HTTP/1. Ok: it may become one of those that are known by their first bytes.
fn other_protocol(bytes: &[u8]) -> Result<(), &'static str> {
    // The SETTINGS that every HTTP/2 server sends first (RFC 9113, 3.4).
    let http2 = |at: usize, byte: u8| match at {
        2 => byte.is_multiple_of(6),
        0 | 1 | 4..=8 => byte == 0,
        3 => byte == 4,
        _ => true,
    };
    let all = |fits: &dyn Fn(usize, u8) -> bool| bytes.iter().enumerate().all(|(at, byte)| fits(at, *byte));
    match (begins_as_tls(bytes), all(&http2), bytes.len()) {
        (true, _, 2..) => Err("not HTTP/1 but TLS: use https://"),
        (_, true, 9..) => Err(
            "not HTTP/1 but HTTP/2 alone: for a gRPC server use grpc://; otherwise the server must allow HTTP/1 as well",
        ),
        (true, ..) | (_, true, _) => Ok(()),
        (false, false, _) => Err("not HTTP/1"),
    }
}

/// What a whole head says.
struct Head {
    status: u16,
    location: Option<String>,
    keep: bool,
    body: At,
}

/// The outer error: httparse does not take it for a head. The inner one: it is one that cannot be obeyed.
fn parse<'a>(
    bytes: &'a [u8],
    room: &mut [httparse::Header<'a>],
) -> Result<Result<Head, &'static str>, httparse::Error> {
    let mut response = httparse::Response::new(room);
    match response.parse(bytes)? {
        httparse::Status::Complete(_) => Ok(understand(&response)),
        httparse::Status::Partial => Err(httparse::Error::Status),
    }
}

/// RFC 9112, section 6.3: how the body ends.
fn understand(response: &httparse::Response<'_, '_>) -> Result<Head, &'static str> {
    let status = response.code.unwrap_or_default();
    let mut keep = response.version == Some(1);
    let (mut length, mut location) = (None, None);
    let mut codings: Vec<&str> = Vec::new();
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        let parts = || value.split(',').map(str::trim);
        if header.name.eq_ignore_ascii_case("connection") {
            keep &= !parts().any(|part| part.eq_ignore_ascii_case("close"));
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            codings.extend(parts().filter(|part| !part.is_empty()));
        } else if header.name.eq_ignore_ascii_case("content-length") {
            for part in parts() {
                if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err("a Content-Length that is no number");
                }
                let number = part.parse::<u64>().map_err(|_| "a Content-Length that is too large")?;
                if length.replace(number).is_some_and(|before| before != number) {
                    return Err("two values of Content-Length");
                }
            }
        } else if header.name.eq_ignore_ascii_case("location") && (300..400).contains(&status) {
            location.get_or_insert_with(|| value.to_owned());
        }
    }
    let chunked = codings.iter().filter(|coding| coding.eq_ignore_ascii_case("chunked")).count();
    let chunked_last = codings.last().is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let body = match (status, codings.is_empty(), length) {
        (100..=199 | 204 | 304, ..) => At::End,
        (_, false, _) if chunked > 1 || (chunked == 1 && !chunked_last) => {
            return Err("a Transfer-Encoding in which chunked is not the last");
        }
        (_, false, _) if chunked_last => At::ChunkSize,
        (_, false, _) => At::UntilClosed,
        (_, true, Some(0)) => At::End,
        (_, true, Some(length)) => At::Length(length),
        (_, true, None) => At::UntilClosed,
    };
    // A body that only a close ends, ends the connection too.
    Ok(Head { status, location, keep: keep && body != At::UntilClosed, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Status, body, and what came after the answer; fed in pieces of this size.
    fn read(text: &[u8], piece: usize) -> Result<(Response, Vec<u8>, usize), &'static str> {
        let mut response = Response::to("GET");
        let (mut body, mut used) = (Vec::new(), 0);
        for part in text.chunks(piece) {
            used += response.feed(part, &mut |bytes| body.extend_from_slice(bytes))?;
            if response.is_whole() {
                break;
            }
        }
        Ok((response, body, used))
    }

    #[test]
    fn every_kind_of_body_in_pieces_of_every_size() {
        let cases: [(&str, u16, &str, bool, bool); 7] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true, true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true, false),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", 200, "hello", false, false),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n",
                200,
                "hello",
                true,
                true,
            ),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, "", true, true),
            ("HTTP/1.1 503 Service Unavailable\nContent-Length: 2\n\nno", 503, "no", true, true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true, true),
        ];
        for (text, status, body, whole, keep) in cases {
            for piece in 1..=text.len() {
                let (mut response, read, used) = read(text.as_bytes(), piece).unwrap();
                assert_eq!(response.status(), Some(status), "{text}");
                assert_eq!((read.as_slice(), used), (body.as_bytes(), text.len()), "{text} in pieces of {piece}");
                assert_eq!((response.is_whole(), response.keeps()), (whole, keep), "{text}");
                assert!(response.closed());
            }
        }
    }

    #[test]
    fn heads_and_trailers_without_an_end_are_refused() {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let end = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n";
        for piece in [1, 1000, 1 << 20] {
            let of = |text: String| read(text.as_bytes(), piece).map(|(_, body, _)| body);
            assert_eq!(of(hints.repeat(1000) + end), Ok(b"ok".to_vec()), "in pieces of {piece}");
            assert_eq!(of(hints.repeat(2000) + end), Err("more than 64 KiB of header fields"));
            assert_eq!(of(chunked.to_owned() + &"A: b\r\n".repeat(5000) + "\r\n"), Ok(b"ok".to_vec()));
            assert_eq!(
                of(chunked.to_owned() + &"A: b\r\n".repeat(20_000) + "\r\n"),
                Err("more than 64 KiB of header fields")
            );
        }
    }

    #[test]
    fn the_framing_is_held_to_its_rules() {
        let of = |head: &str, rest: &str| {
            let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{rest}");
            let [whole, pieces] = [text.len(), 1].map(|piece| read(text.as_bytes(), piece));
            assert_eq!(whole.as_ref().err(), pieces.as_ref().err(), "{text}");
            whole.map(|(response, body, _)| (response.is_whole(), String::from_utf8(body).unwrap()))
        };
        let good = |body: &str| Ok((true, body.to_owned()));
        const CHUNKED: &str = "Transfer-Encoding: chunked";
        // Section 7.1: a size has a digit at least; nothing stands before it.
        for size in ["", " ", ";", ";a=b", "\t0", " 0", "-1", "+1", "0x0", "g"] {
            assert_eq!(of(CHUNKED, &format!("{size}\r\n\r\n")), Err("a broken chunk"), "{size:?}");
        }
        for size in ["0", "000", "0;a=b", "0 ;a"] {
            assert_eq!(of(CHUNKED, &format!("2\r\nok\r\n{size}\r\n\r\n")), good("ok"), "{size:?}");
        }
        assert_eq!(of(CHUNKED, "A\r\n0123456789\r\n0\r\n\r\n"), good("0123456789"));
        // Section 6.3: lengths that differ, or are no numbers; the same twice is one.
        let large = of("Content-Length: 99999999999999999999", "ok");
        assert_eq!(large, Err("a Content-Length that is too large"));
        for wrong in ["+2", "-2", "2a", "", "0x2", "2 2", "99999999999999999999a"] {
            assert_eq!(
                of(&format!("Content-Length: {wrong}"), "ok"),
                Err("a Content-Length that is no number"),
                "{wrong}"
            );
        }
        assert_eq!(of("Content-Length: 2\r\nContent-Length: 3", "ok"), Err("two values of Content-Length"));
        assert_eq!(of("Content-Length: 2, 3", "ok"), Err("two values of Content-Length"));
        assert_eq!(of("Content-Length: 2\r\ncontent-length: 2", "ok"), good("ok"));
        // Transfer-Encoding wins over Content-Length; only chunked at the end says where a body ends.
        assert_eq!(of("Content-Length: 1\r\nTransfer-Encoding: gzip, chunked", "2\r\nok\r\n0\r\n\r\n"), good("ok"));
        assert_eq!(
            of("Transfer-Encoding: chunked, gzip", ""),
            Err("a Transfer-Encoding in which chunked is not the last")
        );
        let twice = of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "");
        assert_eq!(twice, Err("a Transfer-Encoding in which chunked is not the last"));
        assert_eq!(of("Content-Length: 1\r\nTransfer-Encoding: gzip", "ok"), Ok((false, "ok".to_owned())));
        // Section 5.1 and 5.2: no blank before the colon, no line that goes on.
        for wrong in ["A : b", "A: b\r\n c: d", ": b", "A b", "A: \0", "A: b\rc", "A\0: b"] {
            assert_eq!(of(wrong, ""), Err(BROKEN_FIELD), "{wrong:?}");
        }
        assert_eq!(of("A:b\r\nB:\r\nContent-Length: 2", "ok"), good("ok"));
    }

    #[test]
    fn many_header_fields_are_a_head() {
        let of = |count: usize| {
            let text = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "A: b\r\n".repeat(count));
            read(text.as_bytes(), 4096).map(|(response, ..)| response.is_whole())
        };
        for count in [0, 98, 99, 100, 101, 998, 999] {
            assert_eq!(of(count), Ok(true), "{count}");
        }
        assert_eq!(of(1000), Err("more than 1000 header fields"));
    }

    #[test]
    fn other_protocols_are_named() {
        let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64";
        for (bytes, wanted) in [
            (b"\x15\x03\x01\0\x02\x02\x46".as_slice(), "not HTTP/1 but TLS"),
            (settings, "not HTTP/1 but HTTP/2 alone"),
            (b"\0\0\0\x04\0\0\0\0\0", "not HTTP/1 but HTTP/2 alone"),
            (b"\x15\x04", "not HTTP/1"),
            (b"\0\0\x07\x04\0\0\0\0\0", "not HTTP/1"),
            (b"\0\0\x06\x05\0\0\0\0\0", "not HTTP/1"),
            (b"\0\0\x06\x04\0\0\0\0\x01", "not HTTP/1"),
        ] {
            for piece in 1..=bytes.len() {
                let error = read(bytes, piece).err().unwrap();
                assert!(error.starts_with(wanted) && (wanted.len() > 9 || error == wanted), "{bytes:?}: {error}");
            }
        }
    }

    #[test]
    fn a_redirect_says_where_it_leads() {
        let of = |status: u16| {
            let text =
                format!("HTTP/1.1 {status} x\r\nLocation: /healthz/\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
            read(text.as_bytes(), 7).unwrap().0.location().map(str::to_owned)
        };
        assert_eq!((of(301), of(399), of(200)), (Some("/healthz/".to_owned()), Some("/healthz/".to_owned()), None));
    }

    #[test]
    fn what_follows_is_left_alone() {
        let (_, _, used) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1", 100).unwrap();
        assert_eq!(used, 39);
    }

    #[test]
    fn a_head_has_no_body() {
        let mut response = Response::to("HEAD");
        assert!(response.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &mut |_| {}).is_ok());
        assert!(response.is_whole());
    }

    #[test]
    fn what_is_no_http_is_found_at_once() {
        for text in ["SSH-2.0-x\r\n", "\0\0\0\x05", "HTTP/2.0 200 OK", "HTTP/1.1 abc\r\n\r\n"] {
            assert!(read(text.as_bytes(), 100).is_err(), "{text}");
        }
        for body in ["x\r\n", "3\r\nhello\r\n", "ffffffffffffffffffff\r\n"] {
            let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            assert!(read(text.as_bytes(), 100).is_err(), "{text}");
        }
        assert!(read(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 100).is_err());
        assert!(read(&[b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &[b'a'; HEAD_ROOM]].concat(), 100).is_err());
        let cut = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 100).unwrap();
        assert!(!cut.0.is_whole());
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            let _ = read(&bytes, piece);
            let _ = read(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), &bytes].concat(), piece);
        }

        #[test]
        fn pieces_make_no_difference(flip in 0usize..90, with: u8, piece in 1usize..90) {
            let mut text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n".to_vec();
            if let Some(byte) = text.get_mut(flip) { *byte = with; }
            let (whole, pieces) = (read(&text, text.len()), read(&text, piece));
            prop_assert_eq!(whole.is_ok(), pieces.is_ok());
            if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
                prop_assert_eq!((whole.1, whole.2), (pieces.1, pieces.2));
            }
        }
    }
}
