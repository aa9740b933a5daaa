//! PEM (RFC 7468): what is between two lines, in base 64. Pure.

use crate::encoded::Base64;

/// The blocks of this label, decoded.
pub fn blocks<'a>(text: &'a str, label: &str) -> impl Iterator<Item = Vec<u8>> + 'a {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(&begin)? + begin.len();
        let length = rest.get(start..)?.find(&end)?;
        let body = rest.get(start..start + length)?;
        rest = rest.get(start + length..)?;
        let mut digits = Base64::default();
        Some(body.bytes().filter_map(|byte| digits.digit(byte)).collect())
    })
}
