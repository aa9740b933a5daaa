//! PEM (RFC 7468): what is between two lines, in base 64; and when a certificate in it is valid, with just enough of DER for that.
//! Pure.

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

/// Tag, content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first) = (*der.first()?, *der.get(1)?);
    let (length, start) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        let bytes = der.get(2..2 + count).filter(|_| (1..=4).contains(&count))?;
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + count)
    };
    let end = start.checked_add(length)?;
    Some((tag, der.get(start..end)?, der.get(end..)?))
}

/// From when and until when a certificate is valid, each as YYYYMMDDhhmmss: Certificate, TBSCertificate, then version, serial,
/// algorithm, issuer, validity.
pub fn validity(der: &[u8]) -> Option<(u64, u64)> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    if *rest.first()? == 0xa0 {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (from, from_text, after) = element(validity)?;
    let (until, until_text, _) = element(after)?;
    Some((time(from, from_text)?, time(until, until_text)?))
}

/// UTCTime or GeneralizedTime as YYYYMMDDhhmmss.
fn time(tag: u8, text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = text.iter().take(digits.min(14)).fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    match (tag, digits) {
        // UTCTime has two digits for the year, from 1950.
        (0x17, 12) => Some(number + if number / 10_000_000_000 < 50 { 20_000_000_000_000 } else { 19_000_000_000_000 }),
        (0x18, 14) => Some(number),
        _ => None,
    }
}

/// Seconds since 1970 as YYYYMMDDhhmmss. The calendar is that of Howard Hinnant's civil_from_days.
pub fn moment(seconds: u64) -> u64 {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    (year * 10_000 + month * 100 + day) * 1_000_000 + second / 3600 * 10_000 + second / 60 % 60 * 100 + second % 60
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments() {
        assert_eq!(moment(0), 19_700_101_000_000);
        assert_eq!(moment(951_782_400 + 3_661), 20_000_229_010_101);
        assert_eq!(moment(1_795_564_800), 20_261_125_000_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(der in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = validity(&der);
        }
    }
}
