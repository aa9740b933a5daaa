//! UTF-16, as PowerShell and Notepad write it.

/// Makes UTF-8 of it.
#[derive(Default)]
pub(super) struct Decoder {
    encoding: Option<Encoding>,
    /// A byte, or the first half of a character, that the next bytes go on with.
    begun: Vec<u8>,
    high: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Bytes,
    Little,
    Big,
}

impl Decoder {
    /// The text of the next bytes; None if it is those.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None if self.begun.len() + bytes.len() < 4 => {
                self.begun.extend_from_slice(bytes);
                return Some(Vec::new());
            }
            None => {
                let begun = std::mem::take(&mut self.begun);
                let head: Vec<u8> = begun.iter().chain(bytes).copied().take(4).collect();
                let encoding = told_by(&head);
                self.encoding = Some(encoding);
                if !begun.is_empty() {
                    return self.decode(&[&begun, bytes].concat()).or(Some([&begun, bytes].concat()));
                }
                encoding
            }
        };
        if encoding == Encoding::Bytes {
            return None;
        }
        self.begun.extend_from_slice(bytes);
        let begun = std::mem::take(&mut self.begun);
        let (pairs, rest) = begun.as_chunks::<2>();
        self.begun = rest.to_vec();
        let unit = |pair: &[u8; 2]| match encoding {
            Encoding::Big => u16::from_be_bytes(*pair),
            Encoding::Little | Encoding::Bytes => u16::from_le_bytes(*pair),
        };
        let mut units: Vec<u16> = self.high.take().into_iter().chain(pairs.iter().map(unit)).collect();
        self.high = units.pop_if(|unit| (0xd800..0xdc00).contains(unit));
        Some(String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').as_bytes().to_vec())
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.begun)
    }
}

fn told_by(head: &[u8]) -> Encoding {
    match head {
        [0xff, 0xfe, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..] => Encoding::Little,
        [0xfe, 0xff, ..] | [0, 1..=0x7f, 0, 1..=0x7f, ..] => Encoding::Big,
        _ => Encoding::Bytes,
    }
}
