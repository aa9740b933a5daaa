//! Certificates in a PEM file: how many, and how many of them are over. Pure.

use crate::pem::blocks;
use crate::x509::validity;

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
        if let Some((_, until)) = validity(&der) {
            bundle.count += 1;
            bundle.expired += usize::from(until < now);
        }
    }
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
