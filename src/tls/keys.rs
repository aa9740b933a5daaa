//! The keys of TLS 1.3 and what they protect: HKDF with SHA-256 (RFC 5869; RFC 8446, section 7.1) and records by AES-128-GCM
//! (section 5.2).

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Key, Nonce};
use sha2::{Digest, Sha256};

pub(super) type Hash = [u8; 32];

/// A record's head: its kind, a version that no longer means anything, its length.
pub(super) const HEAD: usize = 5;
/// What a record of application data is called; what is in it is inside.
const PROTECTED: u8 = 23;

/// RFC 2104. The key is no longer than a block.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Hash {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new_with_prefix(padded(0x36));
    parts.iter().for_each(|part| inner.update(part));
    Sha256::new_with_prefix(padded(0x5c)).chain_update(inner.finalize()).finalize().into()
}

/// HKDF-Expand-Label: one block of it is enough for everything here.
pub(super) fn expand<const N: usize>(secret: &Hash, label: &str, context: &[u8]) -> [u8; N] {
    let (length, prefix) = ((N as u16).to_be_bytes(), [6 + label.len() as u8]);
    let info = [&length[..], &prefix, b"tls13 ", label.as_bytes(), &[context.len() as u8], context, &[1]];
    let block = hmac(secret, &info);
    std::array::from_fn(|at| block.get(at).copied().unwrap_or_default())
}

/// The secrets of a connection, one from the other.
pub(super) struct Schedule {
    pub(super) client: Hash,
    pub(super) server: Hash,
    /// What the next ones are made from.
    next: Hash,
}

impl Schedule {
    /// For the handshake, from the shared secret; no key was shared before.
    pub(super) fn of_handshake(shared: &[u8], transcript: &Hash) -> Schedule {
        let early = hmac(&[0; 32], &[&[0; 32]]);
        Schedule::derive(hmac(&derived(&early), &[shared]), "c hs traffic", "s hs traffic", transcript)
    }

    /// For what is said when the handshake is over.
    pub(super) fn of_traffic(&self, transcript: &Hash) -> Schedule {
        Schedule::derive(hmac(&derived(&self.next), &[&[0; 32]]), "c ap traffic", "s ap traffic", transcript)
    }

    fn derive(secret: Hash, client: &str, server: &str, transcript: &Hash) -> Schedule {
        Schedule {
            client: expand(&secret, client, transcript),
            server: expand(&secret, server, transcript),
            next: secret,
        }
    }
}

fn derived(secret: &Hash) -> Hash {
    expand(secret, "derived", &Sha256::digest([]))
}

/// The content of a Finished: that whoever has this secret has seen the same handshake.
pub(super) fn finished(secret: &Hash, transcript: &Hash) -> Hash {
    hmac(&expand::<32>(secret, "finished", &[]), &[transcript])
}

/// One direction of a connection.
pub(super) struct Protection {
    secret: Hash,
    cipher: Aes128Gcm,
    iv: [u8; 12],
    /// Records so far.
    count: u64,
}

impl Protection {
    pub(super) fn new(secret: &Hash) -> Protection {
        let key = Key::<Aes128Gcm>::from(expand::<16>(secret, "key", &[]));
        Protection { secret: *secret, cipher: Aes128Gcm::new(&key), iv: expand(secret, "iv", &[]), count: 0 }
    }

    /// Section 4.6.3: from here on with the keys that come next.
    pub(super) fn update(&mut self) {
        *self = Protection::new(&expand(&self.secret, "traffic upd", &[]));
    }

    fn nonce(&mut self) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = self.iv;
        nonce.iter_mut().skip(4).zip(self.count.to_be_bytes()).for_each(|(byte, count)| *byte ^= count);
        self.count += 1;
        nonce.into()
    }

    /// Puts a record of this kind behind `out`.
    pub(super) fn seal(&mut self, kind: u8, plain: &[u8], out: &mut Vec<u8>) {
        let mut sealed = [plain, &[kind]].concat();
        let head = head(PROTECTED, sealed.len() + 16);
        let nonce = self.nonce();
        // It fails for texts of gigabytes.
        if self.cipher.encrypt_in_place(&nonce, &head, &mut sealed).is_ok() {
            out.extend_from_slice(&head);
            out.append(&mut sealed);
        }
    }

    /// What is in a record, and of which kind it is; none: it was not made with these keys.
    pub(super) fn open(&mut self, head: &[u8], sealed: &[u8]) -> Option<(u8, Vec<u8>)> {
        let mut plain = sealed.to_vec();
        let nonce = self.nonce();
        self.cipher.decrypt_in_place(&nonce, head, &mut plain).ok()?;
        // The kind is the last byte that is not 0: zeros may follow it, to hide the length.
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        let kind = *plain.get(end)?;
        plain.truncate(end);
        Some((kind, plain))
    }
}

pub(super) fn head(kind: u8, length: usize) -> [u8; HEAD] {
    let [a, b] = (length as u16).to_be_bytes();
    [kind, 3, 3, a, b]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.bytes().filter_map(|byte| char::from(byte).to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn hash(text: &str) -> Hash {
        hex(text).try_into().unwrap()
    }

    /// RFC 8448, section 3: a simple handshake.
    #[test]
    fn the_secrets_of_the_standards_example() {
        let shared = hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
        let hello = hash("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
        let schedule = Schedule::of_handshake(&shared, &hello);
        assert_eq!(schedule.next, hash("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"));
        assert_eq!(schedule.client, hash("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21"));
        assert_eq!(schedule.server, hash("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38"));
        assert_eq!(expand::<16>(&schedule.server, "key", &[]).to_vec(), hex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(expand::<12>(&schedule.server, "iv", &[]).to_vec(), hex("5d313eb2671276ee13000b30"));
        let to_finished = hash("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13");
        let traffic = schedule.of_traffic(&to_finished);
        assert_eq!(traffic.next, hash("18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"));
        assert_eq!(traffic.client, hash("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"));
        assert_eq!(traffic.server, hash("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"));
        // The client's Finished, and the record that it goes in.
        let verified = finished(&schedule.client, &to_finished);
        assert_eq!(verified, hash("a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61"));
        let mut record = Vec::new();
        Protection::new(&schedule.client).seal(22, &[&[20, 0, 0, 32], &verified[..]].concat(), &mut record);
        let sealed = "170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44\
            d87f38f80338ac98fc46deb384bd1caeacab6867d726c40546";
        assert_eq!(record, hex(sealed));
    }

    #[test]
    fn what_is_sealed_is_opened_once_and_in_order() {
        let (mut one, mut other) = (Protection::new(&[7; 32]), Protection::new(&[7; 32]));
        let mut out = Vec::new();
        one.seal(23, b"first", &mut out);
        let first = out.split_off(0);
        one.seal(22, b"", &mut out);
        let opened = |other: &mut Protection, record: &[u8]| other.open(&record[..HEAD], &record[HEAD..]);
        assert_eq!(opened(&mut other, &first), Some((23, b"first".to_vec())));
        assert_eq!(opened(&mut other, &out), Some((22, Vec::new())));
        assert_eq!(opened(&mut other, &out), None, "the same again");
        let mut cut = Protection::new(&[7; 32]);
        assert_eq!(opened(&mut cut, &first[..first.len() - 1]), None);
        one.update();
        assert_ne!(one.iv, cut.iv);
    }
}
