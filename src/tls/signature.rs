//! Signatures of certificates and of a handshake: what can be verified. Those on elliptic curves are RustCrypto's; RSA is a
//! power and a padding, both of public numbers, so that nothing here has to take the same time always.

use crate::x509::Der;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// What certificates may be signed with.
pub(super) static ALL: &[&dyn SignatureVerificationAlgorithm] =
    &[&ECDSA[0], &ECDSA[1], &ECDSA[2], &ECDSA[3], &ED25519, &PKCS1[0], &PKCS1[1], &PKCS1[2], &PSS[0], &PSS[1], &PSS[2]];

/// What a handshake is signed with, by the number that TLS has for it (section 4.2.3).
pub(super) fn of_scheme(scheme: u32) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    match scheme {
        0x0403 => Some(&ECDSA[0]),
        0x0503 => Some(&ECDSA[1]),
        0x0807 => Some(&ED25519),
        0x0804 => Some(&PSS[0]),
        0x0805 => Some(&PSS[1]),
        0x0806 => Some(&PSS[2]),
        _ => None,
    }
}

/// ECDSA: the curve and the hash. A handshake has one hash for each curve; a certificate may have either.
#[derive(Debug)]
struct Ecdsa {
    curve: Curve,
    hash: Hash,
}

#[derive(Clone, Copy, Debug)]
enum Curve {
    P256,
    P384,
}

static ECDSA: [Ecdsa; 4] = [
    Ecdsa { curve: Curve::P256, hash: Hash::Sha256 },
    Ecdsa { curve: Curve::P384, hash: Hash::Sha384 },
    Ecdsa { curve: Curve::P256, hash: Hash::Sha384 },
    Ecdsa { curve: Curve::P384, hash: Hash::Sha256 },
];

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let hash = self.hash.of(&[message]);
        let verified = match self.curve {
            Curve::P256 => {
                use p256::ecdsa::{Signature, VerifyingKey};
                VerifyingKey::from_sec1_bytes(key)
                    .and_then(|key| key.verify_prehash(&hash, &Signature::from_der(signature)?))
            }
            Curve::P384 => {
                use p384::ecdsa::{Signature, VerifyingKey};
                VerifyingKey::from_sec1_bytes(key)
                    .and_then(|key| key.verify_prehash(&hash, &Signature::from_der(signature)?))
            }
        };
        verified.map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.curve {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}

#[derive(Debug)]
struct Ed25519;
static ED25519: Ed25519 = Ed25519;

impl SignatureVerificationAlgorithm for Ed25519 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        use ed25519_compact::{PublicKey, Signature};
        let key = PublicKey::from_slice(key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_slice(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

/// RSA: the padding, and how certificates call it.
#[derive(Debug)]
struct Rsa {
    hash: Hash,
    is_pss: bool,
    name: AlgorithmIdentifier,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

static PKCS1: [Rsa; 3] = [
    Rsa { hash: Hash::Sha256, is_pss: false, name: alg_id::RSA_PKCS1_SHA256 },
    Rsa { hash: Hash::Sha384, is_pss: false, name: alg_id::RSA_PKCS1_SHA384 },
    Rsa { hash: Hash::Sha512, is_pss: false, name: alg_id::RSA_PKCS1_SHA512 },
];
static PSS: [Rsa; 3] = [
    Rsa { hash: Hash::Sha256, is_pss: true, name: alg_id::RSA_PSS_SHA256 },
    Rsa { hash: Hash::Sha384, is_pss: true, name: alg_id::RSA_PSS_SHA384 },
    Rsa { hash: Hash::Sha512, is_pss: true, name: alg_id::RSA_PSS_SHA512 },
];

impl Hash {
    fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            digest.finalize().to_vec()
        }
        match self {
            Hash::Sha256 => digest::<Sha256>(parts),
            Hash::Sha384 => digest::<Sha384>(parts),
            Hash::Sha512 => digest::<Sha512>(parts),
        }
    }

    /// The last byte of its object identifier, and how long it is.
    fn described(self) -> (u8, u8) {
        match self {
            Hash::Sha256 => (1, 32),
            Hash::Sha384 => (2, 48),
            Hash::Sha512 => (3, 64),
        }
    }
}

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let (padded, bits) = power(key, signature).ok_or(InvalidSignature)?;
        let hash = self.hash.of(&[message]);
        let is_right = if self.is_pss {
            is_pss(self.hash, &padded, bits, &hash)
        } else {
            padded.len() >= hash.len() + 30 && padded == pkcs1(self.hash, &hash, padded.len())
        };
        if is_right { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.name
    }
}

/// RFC 8017, section 9.2: what a signature by PKCS #1 v1.5 holds.
fn pkcs1(hash: Hash, digest: &[u8], length: usize) -> Vec<u8> {
    let (number, size) = hash.described();
    let info = [&[0x30, size + 17, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, number, 5, 0, 4, size], digest]
        .concat();
    let filling = vec![0xff; length.saturating_sub(info.len() + 3)];
    [&[0, 1][..], &filling, &[0], &info].concat()
}

/// Section 9.1.2: whether this is what a signature by PSS holds, with a salt as long as the hash, by a key of so many bits. What is
/// signed has one bit less: the others of its first byte are 0, and that may be a byte of its own.
fn is_pss(hash: Hash, padded: &[u8], bits: usize, digest: &[u8]) -> bool {
    let length = digest.len();
    let (padded, first_byte) = match (bits % 8, padded) {
        (1, [0, rest @ ..]) => (rest, 0xff),
        (1, _) => return false,
        (0, padded) => (padded, 0x7f),
        (over, padded) => (padded, 0xff >> (9 - over)),
    };
    let parts = padded.split_last().and_then(|(end, rest)| {
        let (masked, hashed) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
        Some((*end, masked, hashed))
    });
    let Some((0xbc, masked, hashed)) = parts else { return false };
    let mask = (0u32..).flat_map(|count| hash.of(&[hashed, &count.to_be_bytes()]));
    let mut unmasked: Vec<u8> = masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let Some(first) = unmasked.first_mut().filter(|_| masked.first().is_some_and(|byte| *byte <= first_byte)) else {
        return false;
    };
    *first &= first_byte;
    let Some((zeros, salt)) = unmasked.len().checked_sub(length).and_then(|at| unmasked.split_at_checked(at)) else {
        return false;
    };
    let is_filled = zeros.split_last().is_some_and(|(one, zeros)| *one == 1 && zeros.iter().all(|byte| *byte == 0));
    is_filled && hash.of(&[&[0; 8], digest, salt]) == hashed
}

/// A key has 2048 bits at least, as OpenSSL wants it; more than this takes too long.
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// How many bits an RSA key has that is refused for its length; a key as it is in a SubjectPublicKeyInfo.
pub(super) fn refused_length(spki: &[u8]) -> Option<usize> {
    let mut info = Der(spki);
    let is_rsa = info.content(0x30)? == alg_id::RSA_ENCRYPTION.as_ref();
    let key = info.content(3)?.strip_prefix(&[0])?;
    let bits = bits(modulus(&mut Der(Der(key).content(0x30)?))?);
    (is_rsa && !BITS.contains(&bits)).then_some(bits)
}

/// The signature to the power of the public exponent, by the modulus: what was signed, and how many bits the key has. RFC 8017,
/// section 5.2.2.
fn power(key: &[u8], signature: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut whole = Der(key);
    let mut key = Der(whole.content(0x30)?);
    let modulus = modulus(&mut key)?;
    let bits = bits(modulus);
    let exponent =
        key.content(2)?.iter().try_fold(0u64, |number, byte| Some(number.checked_mul(256)? | u64::from(*byte)))?;
    let good = key.0.is_empty()
        && whole.0.is_empty()
        && BITS.contains(&bits)
        && modulus.last().is_some_and(|byte| byte % 2 == 1)
        && (3..1 << 33).contains(&exponent)
        && exponent % 2 == 1
        && signature.len() == modulus.len()
        && signature < modulus;
    good.then(|| (modular::power(signature, exponent, modulus), bits))
}

/// The first number of an RSA key.
fn modulus<'a>(key: &mut Der<'a>) -> Option<&'a [u8]> {
    let modulus = key.content(2)?;
    Some(modulus.strip_prefix(&[0]).unwrap_or(modulus))
}

/// Those of a number whose first byte is not 0; where it is, none.
fn bits(number: &[u8]) -> usize {
    let first = number.first().filter(|byte| **byte > 0);
    first.map_or(0, |byte| number.len() * 8 - byte.leading_zeros() as usize)
}

/// Numbers of the length of an odd modulus, the least limb first, multiplied as Montgomery has it.
mod modular {
    struct Modulus {
        limbs: Vec<u32>,
        /// Minus one divided by the modulus, modulo 2³².
        inverse: u32,
    }

    /// By squaring and multiplying. Base and modulus have the same length.
    pub(super) fn power(base: &[u8], exponent: u64, modulus: &[u8]) -> Vec<u8> {
        let limbs = |bytes: &[u8]| -> Vec<u32> {
            bytes.rchunks(4).map(|limb| limb.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))).collect()
        };
        let length = modulus.len();
        let modulus = Modulus::new(limbs(modulus));
        let base = modulus.multiply(&limbs(base), &modulus.square_of_radix());
        let mut result = base.clone();
        for bit in (0..63 - exponent.leading_zeros()).rev() {
            result = modulus.multiply(&result, &result);
            if exponent >> bit & 1 == 1 {
                result = modulus.multiply(&result, &base);
            }
        }
        let mut one = vec![0; modulus.limbs.len()];
        one[0] = 1;
        let limbs = modulus.multiply(&result, &one);
        let above = 4 * limbs.len() - length;
        limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).skip(above).collect()
    }

    impl Modulus {
        fn new(limbs: Vec<u32>) -> Modulus {
            // Newton: the digits that are right double each time, from the three of an odd number by itself.
            let inverse = (0..4).fold(limbs[0], |x, _| x.wrapping_mul(2u32.wrapping_sub(limbs[0].wrapping_mul(x))));
            Modulus { limbs, inverse: inverse.wrapping_neg() }
        }

        /// R², where R is the power of two above all limbs: 1, doubled.
        fn square_of_radix(&self) -> Vec<u32> {
            let mut number = vec![0; self.limbs.len()];
            number[0] = 1;
            for _ in 0..64 * number.len() {
                let carry = number.iter_mut().fold(0, |carry, limb| {
                    let next = *limb >> 31;
                    *limb = *limb << 1 | carry;
                    next
                });
                self.reduce(&mut number, carry);
            }
            number
        }

        /// a·b divided by R.
        fn multiply(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
            let length = self.limbs.len();
            let (mut sum, mut top) = (vec![0u32; length], 0u32);
            for limb in a {
                let high = add(&mut sum, b, *limb);
                let (low, over) = top.overflowing_add(high);
                // Makes the lowest limb 0, so that all move down by one.
                let times = sum[0].wrapping_mul(self.inverse);
                let high = add(&mut sum, &self.limbs, times);
                let (low, again) = low.overflowing_add(high);
                sum.rotate_left(1);
                sum[length - 1] = low;
                top = u32::from(over) + u32::from(again);
            }
            self.reduce(&mut sum, top);
            sum
        }

        /// Below the modulus again, of a number and a carry that are less than twice as much.
        fn reduce(&self, number: &mut [u32], carry: u32) {
            if carry == 0 && number.iter().rev().lt(self.limbs.iter().rev()) {
                return;
            }
            number.iter_mut().zip(&self.limbs).fold(false, |borrow, (limb, other)| {
                let (less, first) = limb.overflowing_sub(*other);
                let (less, second) = less.overflowing_sub(borrow.into());
                *limb = less;
                first || second
            });
        }
    }

    /// Adds a multiple, and returns the carry.
    fn add(sum: &mut [u32], number: &[u32], times: u32) -> u32 {
        sum.iter_mut().zip(number).fold(0, |carry, (limb, other)| {
            let wide = u64::from(*limb) + u64::from(*other) * u64::from(times) + u64::from(carry);
            *limb = wide as u32;
            (wide >> 32) as u32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_small_numbers() {
        let of = |base: u64, exponent: u64, modulus: u64| {
            let bytes = modular::power(&base.to_be_bytes(), exponent, &modulus.to_be_bytes());
            u64::from_be_bytes(bytes.try_into().unwrap())
        };
        let slow = |base: u64, exponent: u64, modulus: u64| {
            (0..exponent).fold(1u128, |product, _| product * u128::from(base) % u128::from(modulus)) as u64
        };
        for modulus in [u64::MAX, u64::MAX - 58, 1 << 63 | 1, 0xdead_beef_1234_5679, 0x0012_3456_789a_bcdf, 1 << 32 | 1]
        {
            for base in [0, 1, 2, 0x8000_0000, 0xffff_ffff, modulus - 1, modulus / 3] {
                for exponent in [1, 2, 3, 17, 257] {
                    assert_eq!(
                        of(base, exponent, modulus),
                        slow(base, exponent, modulus),
                        "{base}^{exponent} mod {modulus}"
                    );
                }
            }
        }
    }

    /// Of numbers whose length is no multiple of a limb's.
    #[test]
    fn a_power_is_as_long_as_its_modulus() {
        assert_eq!(modular::power(&[0, 0, 0, 0, 2], 5, &[1, 0, 0, 0, 1]), [0, 0, 0, 0, 32]);
        assert_eq!(modular::power(&[1, 0, 0, 0, 0], 2, &[1, 0, 0, 0, 1]), [0, 0, 0, 0, 1]);
        assert_eq!((bits(&[1, 0]), bits(&[0x80, 0]), bits(&[0, 9]), bits(&[])), (9, 16, 0, 0));
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_signature(key in proptest::collection::vec(any::<u8>(), 0..80), signature in proptest::collection::vec(any::<u8>(), 0..80)) {
            for algorithm in ALL {
                prop_assert!(algorithm.verify_signature(&key, b"", &signature).is_err());
            }
            for bits in 2048..2056 {
                prop_assert!(!is_pss(Hash::Sha256, &signature, bits, &[0; 32]));
            }
        }
    }
}
