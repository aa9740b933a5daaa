//! What client and server say first (RFC 8446, sections 4.1 and 4.2), before there are keys.

use super::reader::Reader;

/// TLS_AES_128_GCM_SHA256.
const CIPHER: u16 = 0x1301;
/// Of TLS 1.2, by RSA and ECDSA. A server that knows no newer version chooses one of them, and thereby says what it is; without
/// one that it knows it would say no more than that it did not like the hello.
const OLD_CIPHERS: [u16; 2] = [0xc02f, 0xc02b];
const TLS_1_3: u16 = 0x0304;
/// The groups in which keys are agreed upon.
pub(super) const SECP256R1: u16 = 23;
pub(super) const X25519: u16 = 29;
/// Signatures that can be verified: on P-256 and P-384, Ed25519, by RSA with PSS, and of certificates also by RSA without.
const VERIFIABLE: [u16; 9] = [0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];
/// Those that cannot: on P-521, by RSA keys that are for PSS alone. Where any certificate will do it does not matter.
const OTHERS: [u16; 4] = [0x0603, 0x0809, 0x080a, 0x080b];

/// Whether a signature of this kind was asked for although it cannot be verified.
pub(super) fn is_unverifiable(scheme: u32) -> bool {
    OTHERS.iter().any(|other| u32::from(*other) == scheme)
}

mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const GROUPS: u16 = 10;
    pub(super) const SIGNATURES: u16 = 13;
    pub(super) const ALPN: u16 = 16;
    pub(super) const VERSIONS: u16 = 43;
    pub(super) const KEY_SHARE: u16 = 51;
}

/// What a hello is made of.
pub(super) struct ClientHello<'a> {
    pub(super) random: [u8; 32],
    /// A public key in each group: an uncompressed point, or its one coordinate.
    pub(super) shares: [(u16, &'a [u8]); 2],
    pub(super) server_name: Option<&'a str>,
    pub(super) protocol: &'a str,
    /// Whether the server's certificate is verified.
    pub(super) verifies: bool,
}

impl ClientHello<'_> {
    /// The message, with its head.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let ciphers: Vec<u8> = [CIPHER].iter().chain(&OLD_CIPHERS).flat_map(|cipher| cipher.to_be_bytes()).collect();
        let mut extensions = Vec::new();
        if let Some(name) = self.server_name {
            let name = [&[0][..], &with_length::<2>(name.as_bytes())].concat();
            extend(&mut extensions, extension::SERVER_NAME, &with_length::<2>(&name));
        }
        extend(&mut extensions, extension::VERSIONS, &with_length::<1>(&TLS_1_3.to_be_bytes()));
        let groups: Vec<u8> = self.shares.iter().flat_map(|(group, _)| group.to_be_bytes()).collect();
        extend(&mut extensions, extension::GROUPS, &with_length::<2>(&groups));
        let others: &[u16] = if self.verifies { &[] } else { &OTHERS };
        let signatures: Vec<u8> = VERIFIABLE.iter().chain(others).flat_map(|scheme| scheme.to_be_bytes()).collect();
        extend(&mut extensions, extension::SIGNATURES, &with_length::<2>(&signatures));
        let share = |(group, key): (u16, &[u8])| [&group.to_be_bytes()[..], &with_length::<2>(key)].concat();
        let shares = self.shares.map(share).concat();
        extend(&mut extensions, extension::KEY_SHARE, &with_length::<2>(&shares));
        extend(&mut extensions, extension::ALPN, &with_length::<2>(&with_length::<1>(self.protocol.as_bytes())));
        let body = [
            &[3, 3][..],
            &self.random,
            // No session, and no compression.
            &[0],
            &with_length::<2>(&ciphers),
            &[1, 0],
            &with_length::<2>(&extensions),
        ];
        message(super::kind::CLIENT_HELLO, &body.concat())
    }
}

fn extend(extensions: &mut Vec<u8>, kind: u16, body: &[u8]) {
    extensions.extend(kind.to_be_bytes());
    extensions.extend(with_length::<2>(body));
}

/// A vector as the standard writes it: its length in so many bytes, then what is in it.
pub(super) fn with_length<const N: usize>(body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [length.get(4 - N..).unwrap_or_default(), body].concat()
}

/// A message of the handshake.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &with_length::<3>(body)].concat()
}

/// SHA-256 of "HelloRetryRequest": the random number of a server that wants another hello.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The server's public key and its group, out of its hello.
pub(super) fn server_key(body: &[u8]) -> Result<(u16, Vec<u8>), &'static str> {
    let mut reader = Reader(body);
    let fixed = (|| {
        let version = reader.number::<2>()?;
        let random = reader.take(32)?;
        let session = reader.vector::<1>()?;
        Some((version, random, session, reader.number::<2>()? as u16, reader.number::<1>()?))
    })();
    let (version, random, session, cipher, compression) = fixed.ok_or(BROKEN)?;
    if version != 0x0303 {
        return Err(super::TOO_OLD);
    }
    if random == RETRY {
        return Err("the server wants another hello (HelloRetryRequest), which goward does not send");
    }
    let (mut is_1_3, mut key) = (false, None);
    if !reader.0.is_empty() {
        let mut extensions = Reader(reader.vector::<2>().ok_or(BROKEN)?);
        while !extensions.0.is_empty() {
            let kind = extensions.number::<2>().ok_or(BROKEN)? as u16;
            let mut body = Reader(extensions.vector::<2>().ok_or(BROKEN)?);
            match kind {
                extension::VERSIONS if is_1_3 => return Err(BROKEN),
                extension::VERSIONS => is_1_3 = body.number::<2>() == Some(TLS_1_3.into()),
                extension::KEY_SHARE if key.is_some() => return Err(BROKEN),
                extension::KEY_SHARE => {
                    let group = body.number::<2>().ok_or(BROKEN)? as u16;
                    let share = body.vector::<2>().ok_or(BROKEN)?;
                    key = Some((group, share.to_vec()));
                }
                // Section 4.1.3: no others belong there, but those of TLS 1.2.
                _ if is_1_3 => return Err(BROKEN),
                _ => {}
            }
        }
    }
    if !is_1_3 {
        return Err(super::TOO_OLD);
    }
    // No session was named, so none comes back.
    if !session.is_empty() || cipher != CIPHER || compression != 0 || !reader.0.is_empty() {
        return Err(BROKEN);
    }
    key.ok_or(BROKEN)
}

const BROKEN: &str = "an unreadable ServerHello";

/// The protocol that the server has chosen, out of its EncryptedExtensions. None: it has not.
pub(super) fn chosen_protocol(body: &[u8]) -> Option<Option<Vec<u8>>> {
    let mut reader = Reader(body);
    let mut extensions = Reader(reader.vector::<2>()?);
    let mut chosen = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number::<2>()? as u16;
        let body = extensions.vector::<2>()?;
        if kind == extension::ALPN {
            let mut names = Reader(Reader(body).vector::<2>()?);
            chosen = Some(names.vector::<1>()?.to_vec());
        }
    }
    reader.0.is_empty().then_some(chosen)
}
