//! An answer of HTTP/1, read as it comes: bytes in, in any pieces; the status, the body, and where it ends. Pure.
//! RFC 9112, sections 6.3 (how a body ends), 7.1 (chunks) and 9.3 (whether the connection is kept).

/// A head that is longer is none.
const HEAD_ROOM: usize = 64 * 1024;
/// A line between chunks, or after them, that is longer is none.
const LINE_ROOM: usize = 8 * 1024;
const HEADERS: usize = 100;

/// One answer, as far as it has come.
#[derive(Debug)]
pub struct Response {
    at: At,
    /// The head, or the line in hand, until it is whole.
    kept: Vec<u8>,
    status: u16,
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
        Response { at: At::Head, kept: Vec::new(), status: 0, keep: false, bodyless: method == "HEAD" }
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
                At::Length(left) => {
                    let part = first(rest, left);
                    body(part);
                    let left = left - part.len() as u64;
                    self.at = if left == 0 { At::End } else { At::Length(left) };
                    part.len()
                }
                At::Chunk(left) => {
                    let part = first(rest, left);
                    body(part);
                    let left = left - part.len() as u64;
                    self.at = if left == 0 { At::ChunkEnd } else { At::Chunk(left) };
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

    /// Whether the connection can be used again, after a whole answer.
    pub fn keeps(&self) -> bool {
        self.keep && self.is_whole()
    }

    /// The head of the final answer; 100 Continue and 103 Early Hints go before it.
    fn head(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let before = self.kept.len();
        self.kept.extend_from_slice(bytes);
        let begins = b"HTTP/1.".iter().zip(&self.kept).all(|(wanted, byte)| wanted == byte);
        if !begins {
            return Err("no HTTP/1");
        }
        // Only a head with an end is parsed, once: it may come byte by byte.
        let new = self.kept.get(before.saturating_sub(2)..).unwrap_or_default();
        let ends = new.windows(2).any(|two| two == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n");
        if !ends {
            return if self.kept.len() < HEAD_ROOM { Ok(bytes.len()) } else { Err("a head without an end") };
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&self.kept) {
            Ok(httparse::Status::Complete(length)) => {
                let (status, keep, body) = understand(&response)?;
                self.kept.clear();
                match status {
                    101 => return Err("another protocol, which nobody asked for"),
                    100..=199 => {}
                    _ => {
                        (self.status, self.keep) = (status, keep);
                        self.at = if self.bodyless { At::End } else { body };
                    }
                }
                Ok(length.saturating_sub(before))
            }
            Ok(httparse::Status::Partial) | Err(_) => Err("no HTTP/1"),
        }
    }

    /// A line between chunks, or a trailer.
    fn line(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(bytes.len(), |end| end + 1);
        self.kept.extend_from_slice(bytes.get(..used).unwrap_or_default());
        if self.kept.len() > LINE_ROOM {
            return Err("a line without an end, between chunks");
        }
        if end.is_none() {
            return Ok(used);
        }
        let empty = matches!(self.kept.as_slice(), b"\r\n" | b"\n");
        self.at = match self.at {
            At::ChunkSize => match httparse::parse_chunk_size(&self.kept) {
                Ok(httparse::Status::Complete((_, 0))) => At::Trailers,
                Ok(httparse::Status::Complete((_, size))) => At::Chunk(size),
                Ok(httparse::Status::Partial) | Err(_) => return Err("a broken chunk"),
            },
            At::ChunkEnd if !empty => return Err("a broken chunk"),
            At::ChunkEnd => At::ChunkSize,
            At::Trailers if empty => At::End,
            at => at,
        };
        self.kept.clear();
        Ok(used)
    }
}

/// As many bytes as wanted, or all.
fn first(bytes: &[u8], wanted: u64) -> &[u8] {
    let length = usize::try_from(wanted).map_or(bytes.len(), |wanted| wanted.min(bytes.len()));
    bytes.get(..length).unwrap_or_default()
}

/// Status, whether the connection is kept, and how the body ends.
fn understand(response: &httparse::Response<'_, '_>) -> Result<(u16, bool, At), &'static str> {
    let status = response.code.unwrap_or_default();
    let mut keep = response.version == Some(1);
    let mut length = None;
    let mut chunked = false;
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        let has = |word: &str| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
        if header.name.eq_ignore_ascii_case("connection") {
            keep &= !has("close");
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked |= has("chunked");
        } else if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<u64>().map_err(|_| "a Content-Length that is no number")?);
        }
    }
    let body = match (status, chunked, length) {
        (100..=199 | 204 | 304, ..) | (_, false, Some(0)) => At::End,
        (_, true, _) => At::ChunkSize,
        (_, false, Some(length)) => At::Length(length),
        (_, false, None) => At::UntilClosed,
    };
    // A body that only a close ends, ends the connection too.
    Ok((status, keep && body != At::UntilClosed, body))
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
        for text in ["SSH-2.0-x\r\n", "\0\0\0\x04", "HTTP/2.0 200 OK", "HTTP/1.1 abc\r\n\r\n"] {
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
