//! Bytes as they are written to get through where only text does: base 64, and codes such as `%0A` and `=0A`; and text as it
//! may be shown. Pure.

/// Base 64 (RFC 4648), digit by digit.
#[derive(Default)]
pub struct Base64 {
    bits: u32,
    held: u32,
}

impl Base64 {
    /// The byte that this digit completes. Whatever is no digit is passed over: line ends, and the padding.
    pub fn digit(&mut self, digit: u8) -> Option<u8> {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        self.bits = self.bits << 6 | u32::from(six);
        self.held += 6;
        let whole = self.held >= 8;
        self.held -= if whole { 8 } else { 0 };
        whole.then_some((self.bits >> self.held) as u8)
    }
}

/// Takes codes of two hexadecimal digits behind a mark for what they stand for: `%E2%82%AC`. What is no such code stands for itself.
pub fn decoded(text: &[u8], mark: u8) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let code = digit(0).zip(digit(1)).filter(|_| *first == mark).map(|(high, low)| (high * 16 + low) as u8);
        decoded.push(code.unwrap_or(*first));
        rest = after.get(if code.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    decoded
}

/// What may stand for this character in one line of a terminal or a log, where others have written it: nothing that moves a cursor,
/// and nothing that makes a text look as if it were in another order.
pub fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}
