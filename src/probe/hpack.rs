//! Header fields of HTTP/2 (HPACK, RFC 7541), as far as a client needs that allows no dynamic table. Pure.

/// A header field: its name and its value. The names of the static table that nobody here asks for are left out, but for the colon
/// of those that only a request has.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// The fields of the static table whose values matter: `:status`, numbers 8 to 14.
const STATUS: [&[u8]; 7] = [b"200", b"204", b"206", b"304", b"400", b"404", b"500"];
/// The number of `content-type` in the static table.
const CONTENT_TYPE: usize = 31;
/// The static table ends here; what is above is the dynamic one, which was forbidden by SETTINGS_HEADER_TABLE_SIZE.
const STATIC: usize = 61;

/// How long the code of each byte is (RFC 7541, appendix B). The code is canonical: ordered by length, then by value.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// A field without indexing, whose name is `name` of the static table, or 0 and `text`.
pub(crate) fn put(block: &mut Vec<u8>, name: u8, text: &str, value: &str) {
    match name {
        0..15 => block.push(name),
        _ => block.extend([0x0f, name - 15]),
    }
    if name == 0 {
        put_string(block, text);
    }
    put_string(block, value);
}

fn put_string(block: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length @ 0..127) => block.push(length),
        // An integer of RFC 7541, section 5.1: 7 bits full, the rest in groups of 7.
        _ => {
            block.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                block.push(rest as u8 | 128);
                rest >>= 7;
            }
            block.push(rest as u8);
        }
    }
    block.extend_from_slice(text.as_bytes());
}

/// The fields of a whole header block; none if it is broken.
pub(crate) fn fields(block: &[u8]) -> Option<Vec<Field>> {
    let mut rest = block;
    let mut fields = Vec::new();
    while let Some(first) = rest.first().copied() {
        match first {
            0x80.. => match integer(&mut rest, 7)? {
                index @ 8..=14 => fields.push((b":status".to_vec(), STATUS.get(index - 8)?.to_vec())),
                index @ 1..=STATIC => fields.push((of_static(index), Vec::new())),
                _ => return None,
            },
            // The size of the dynamic table, which stays 0.
            0x20..0x40 => drop(integer(&mut rest, 5)?),
            // A literal, with indexing (which then has no effect) or without.
            _ => {
                let name = match integer(&mut rest, if first >= 0x40 { 6 } else { 4 })? {
                    0 => string(&mut rest)?,
                    8..=14 => b":status".to_vec(),
                    CONTENT_TYPE => b"content-type".to_vec(),
                    index @ 1..=STATIC => of_static(index),
                    _ => return None,
                };
                fields.push((name, string(&mut rest)?));
            }
        }
    }
    Some(fields)
}

/// What is left of a name of the static table.
fn of_static(index: usize) -> Vec<u8> {
    if index < 8 { b":".to_vec() } else { Vec::new() }
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(*first)
}

/// RFC 7541, section 5.1.
fn integer(rest: &mut &[u8], bits: u32) -> Option<usize> {
    let most = (1usize << bits) - 1;
    let mut value = usize::from(take(rest)?) & most;
    if value < most {
        return Some(value);
    }
    for shift in [0, 7, 14] {
        let byte = take(rest)?;
        value += usize::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

fn string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let coded = *rest.first()? >= 128;
    let length = integer(rest, 7)?;
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    if coded { huffman(text) } else { Some(text.to_vec()) }
}

/// The bytes in the order of their codes, and for each length of a code: the first code, and the place of its byte.
struct Codes {
    ordered: [u8; 256],
    first: [(u32, usize); 32],
}

/// Made when goward is built: a block may hold thousands of texts.
static CODES: Codes = Codes::new();

impl Codes {
    // While goward is built an index out of range is an error.
    const fn new() -> Codes {
        let mut codes = Codes { ordered: [0; 256], first: [(0, 0); 32] };
        let (mut code, mut place, mut length) = (0u32, 0, 0);
        while length < codes.first.len() {
            codes.first[length] = (code, place);
            let mut byte = 0;
            while byte < LENGTHS.len() {
                if LENGTHS[byte] as usize == length {
                    codes.ordered[place] = byte as u8;
                    place += 1;
                }
                byte += 1;
            }
            code = (code + (place - codes.first[length].1) as u32) << 1;
            length += 1;
        }
        codes
    }

    /// The byte of this code, if it is one.
    fn symbol(&self, code: u32, length: usize) -> Option<u8> {
        let (first, place) = *self.first.get(length)?;
        let end = self.first.get(length + 1).map_or(self.ordered.len(), |(_, end)| *end);
        let at = place + code.checked_sub(first)? as usize;
        self.ordered.get(at).copied().filter(|_| at < end)
    }
}

/// RFC 7541, section 5.2. The padding is the beginning of a code of ones only.
pub(crate) fn huffman(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut code, mut length) = (0u32, 0);
    for bit in text.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        (code, length) = (code << 1 | u32::from(bit), length + 1);
        if let Some(byte) = CODES.symbol(code, length) {
            out.push(byte);
            (code, length) = (0, 0);
        } else if length >= 30 {
            return None;
        }
    }
    (length < 8 && code + 1 == 1 << length).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standard() {
        // RFC 7541, C.4.1 and C.6.1.
        assert_eq!(huffman(b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff").unwrap(), b"www.example.com");
        assert_eq!(huffman(b"\x64\x02").unwrap(), b"302");
        assert_eq!(huffman(b"\xae\xc3\x77\x1a\x4b").unwrap(), b"private");
        let date = b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff";
        assert_eq!(huffman(date).unwrap(), b"Mon, 21 Oct 2013 20:13:21 GMT");
        assert_eq!(integer(&mut [0x1f, 0x9a, 0x0a].as_slice(), 5), Some(1337));
        assert_eq!(huffman(b"\xff\xff"), None, "more than seven bits of padding");
    }

    #[test]
    fn what_is_put_is_read() {
        let mut block = vec![0x88];
        let long = "x".repeat(300);
        for value in ["", "application/grpc", long.as_str()] {
            put(&mut block, 0, "grpc-message", value);
            put(&mut block, 31, "", value);
        }
        let read = fields(&block).unwrap();
        assert_eq!(read[0], (b":status".to_vec(), b"200".to_vec()));
        assert_eq!(read[1], (b"grpc-message".to_vec(), Vec::new()));
        assert_eq!(read[5], (b"grpc-message".to_vec(), long.clone().into_bytes()));
        assert_eq!(read[6].1, long.into_bytes());
    }

    #[test]
    fn the_dynamic_table_is_forbidden() {
        assert_eq!(fields(&[0xbe]), None);
        assert_eq!(fields(&[0x7e, 0]), None);
        assert_eq!(fields(&[0x20, 0x88]).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_block_is_a_panic(block in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = fields(&block);
            let _ = huffman(&block);
        }
    }
}
