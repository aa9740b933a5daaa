//! Certificates in a PEM file: how many, and until when they are valid. Just enough of DER for that. Pure.

use crate::pem::blocks;

/// What a bundle holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// Certificates, as Go counts them: CERTIFICATE blocks that can be decoded.
    pub(crate) count: usize,
    /// Of them those that are over.
    pub(crate) expired: usize,
}

/// Reads a bundle. `now` is YYYYMMDDhhmmss, as a number.
pub(crate) fn read(text: &str, now: u64) -> Bundle {
    let mut bundle = Bundle::default();
    for der in blocks(text, "CERTIFICATE") {
        if let Some(until) = valid_until(&der) {
            bundle.count += 1;
            bundle.expired += usize::from(until < now);
        }
    }
    bundle
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

/// notAfter: Certificate, TBSCertificate, then version, serial, algorithm, issuer, validity.
fn valid_until(der: &[u8]) -> Option<u64> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    if *rest.first()? == 0xa0 {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, after) = element(validity)?;
    let (tag, text, _) = element(after)?;
    let digits: Vec<u8> = text.iter().copied().take_while(u8::is_ascii_digit).collect();
    let number = digits.iter().take(14).fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    match (tag, digits.len()) {
        // UTCTime has two digits for the year, from 1950.
        (0x17, 12) => Some(number + if number / 10_000_000_000 < 50 { 20_000_000_000_000 } else { 19_000_000_000_000 }),
        (0x18, 14) => Some(number),
        _ => None,
    }
}

/// Seconds since 1970 as YYYYMMDDhhmmss. The calendar is that of Howard Hinnant's civil_from_days.
pub(crate) fn moment(seconds: u64) -> u64 {
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

    fn certificate(until: &[u8], tag: u8) -> String {
        let wrap = |tag: u8, inside: &[u8]| [&[tag, inside.len() as u8], inside].concat();
        let validity = wrap(0x30, &[wrap(0x17, b"200101000000Z"), wrap(tag, until)].concat());
        let empty = [wrap(0xa0, &[2, 1, 2]), wrap(2, &[1]), wrap(0x30, &[]), wrap(0x30, &[])].concat();
        let der = wrap(0x30, &wrap(0x30, &[empty, validity].concat()));
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in der.chunks(3) {
            let bits = three.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - three.len()));
            (0..=three.len()).for_each(|i| text.push(letters[(bits >> (18 - 6 * i) & 63) as usize].into()));
        }
        format!("# a name\n-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn valid_and_expired() {
        let text = certificate(b"301231235959Z", 0x17)
            + &certificate(b"210101000000Z", 0x17)
            + &certificate(b"20510101000000Z", 0x18);
        assert_eq!(read(&text, 20_261_125_000_000), Bundle { count: 3, expired: 1 });
        assert_eq!(read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", 0).count, 0);
        assert_eq!(read("# none on this machine\n", 0), Bundle::default());
    }

    #[test]
    fn moments() {
        assert_eq!(moment(0), 19_700_101_000_000);
        assert_eq!(moment(951_782_400 + 3_661), 20_000_229_010_101);
        assert_eq!(moment(1_795_564_800), 20_261_125_000_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(der in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = valid_until(&der);
        }
    }
}
