//! Who the client is, where a server asks for a certificate: the key, and the certificates that go with it.

use super::pem;
use crate::x509::Der;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};

/// A key on P-256, and its certificate with those between it and its CA.
pub struct Identity {
    pub(super) chain: Vec<Vec<u8>>,
    key: SigningKey,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// The object identifiers id-ecPublicKey and prime256v1.
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

impl Identity {
    /// Reads both as PEM.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(certificates: &str, key: &str) -> Result<Identity, String> {
        let chain: Vec<_> = pem::blocks(certificates, "CERTIFICATE").collect();
        if chain.is_empty() {
            return Err("--tls-cert: there is no certificate in it".to_owned());
        }
        let pkcs8 = pem::blocks(key, "PRIVATE KEY").next();
        let sec1 = pem::blocks(key, "EC PRIVATE KEY").next();
        let scalar = match (&pkcs8, &sec1) {
            (Some(der), _) => of_pkcs8(der).and_then(of_sec1),
            (None, Some(der)) => of_sec1(der),
            (None, None) => None,
        };
        let key = scalar.and_then(|scalar| SigningKey::from_slice(scalar).ok());
        match key {
            Some(key) => Ok(Identity { chain, key }),
            None => Err("--tls-key: only a key on P-256 that is not encrypted can be used (openssl genpkey -algorithm EC -pkeyopt \
                ec_paramgen_curve:P-256)"
                .to_owned()),
        }
    }

    /// ecdsa_secp256r1_sha256.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

/// RFC 5958.
fn of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let mut key = Der(Der(der).content(0x30)?);
    key.content(2)?;
    let mut algorithm = Der(key.content(0x30)?);
    let is_p256 = algorithm.content(6)? == EC_KEY && algorithm.content(6)? == P256;
    key.content(4).filter(|_| is_p256)
}

/// RFC 5915.
fn of_sec1(der: &[u8]) -> Option<&[u8]> {
    let mut key = Der(Der(der).content(0x30)?);
    key.content(2)?;
    let scalar = key.content(4).filter(|scalar| scalar.len() == 32)?;
    // Where the curve is named it is this one.
    let is_p256 = key.0.is_empty() || key.content(0xa0).is_none_or(|curve| Der(curve).content(6) == Some(P256));
    is_p256.then_some(scalar)
}
