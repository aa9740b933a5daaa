//! The server's certificate: whether it leads to a CA that is trusted, and whether the server has its key.

use super::reader::Reader;
use super::{hello, signature};
use crate::x509::{Der, extension, fields, moment, validity};
use pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

/// The CAs that are trusted, and the name that the certificate must be made out to.
#[derive(Debug)]
pub struct Trust {
    /// Certificates as DER.
    pub roots: Vec<Vec<u8>>,
    /// A DNS name or an IP address.
    pub name: String,
    /// Seconds since 1970.
    pub now: u64,
}

/// The certificates of a Certificate message, the server's own first.
pub(super) fn read(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader(body);
    // The context is that of a request, and there was none.
    let context = reader.vector::<1>()?;
    let mut list = Reader(reader.vector::<3>()?);
    let mut certificates = Vec::new();
    while !list.0.is_empty() {
        certificates.push(list.vector::<3>()?.to_vec());
        list.vector::<2>()?;
    }
    (context.is_empty() && reader.0.is_empty() && !certificates.is_empty()).then_some(certificates)
}

/// Whether the chain leads to a CA that is trusted, and is made out to the name.
pub(super) fn verify(chain: &[Vec<u8>], trust: &Trust) -> Result<(), String> {
    let roots: Vec<_> = trust.roots.iter().map(|root| CertificateDer::from(root.as_slice())).collect();
    let certificates: Vec<_> = chain.iter().map(|one| CertificateDer::from(one.as_slice())).collect();
    let (own, others) = certificates.split_first().ok_or(UNREADABLE)?;
    // A server's own certificate may be the one that is trusted, whether it is that of a CA or not.
    let flaw = |root: &CertificateDer<'_>| if root == own { None } else { flaw(root, trust.now) };
    let (flawed, good): (Vec<_>, Vec<_>) = roots.iter().partition(|root| flaw(root).is_some());
    let certificate = EndEntityCert::try_from(own).map_err(|error| words(&error, trust))?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(trust.now));
    let leads_to = |roots: &[&CertificateDer<'_>]| {
        let anchors: Vec<_> = roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
        let usage = KeyUsage::server_auth();
        certificate.verify_for_usage(signature::ALL, &anchors, others, now, usage, None, None).map(|_| ())
    };
    match leads_to(&good) {
        Ok(()) => {}
        // One that was made for a server alone often says that it is a CA's (openssl req -x509). Its time has been looked at before,
        // and its usage has not.
        Err(Error::CaUsedAsEndEntity) if roots.contains(own) => {
            if !is_for_servers(own) {
                return Err(untrusted(NOT_FOR_SERVERS));
            }
        }
        Err(error) => {
            let why = match error {
                Error::InvalidSignatureForPublicKey => {
                    others.iter().chain(good).find_map(refused_length).map(|why| format!("it is signed by {why}"))
                }
                Error::UnknownIssuer => {
                    let by = flawed.into_iter().find(|root| leads_to(&[*root]).is_ok());
                    by.and_then(flaw).map(|why| format!("the certificate of --tls-ca {why}"))
                }
                _ => None,
            };
            return Err(why.map_or_else(|| words(&error, trust), |why| untrusted(&why)));
        }
    }
    let name = ServerName::try_from(trust.name.as_str()).map_err(|_| format!("'{}' is not a name", trust.name))?;
    certificate.verify_is_valid_for_subject_name(&name).map_err(|error| words(&error, trust))
}

/// Why nothing that this certificate has signed is trusted; None: it is that of a CA, valid now. The library looks at nothing but the
/// names and the keys of those that it is told to trust.
fn flaw(root: &[u8], now: u64) -> Option<&'static str> {
    let Some((from, until)) = validity(root) else { return Some("cannot be read") };
    let now = moment(now);
    // Version 1 has no extensions.
    let is_ca = || match extension(root, BASIC_CONSTRAINTS) {
        Some(constraints) => {
            Der(constraints).content(0x30).and_then(|inner| Der(inner).content(1)).is_some_and(|is_ca| is_ca == [0xff])
        }
        None => fields(root).is_some_and(|(version, _)| version.is_none()),
    };
    // The number of bits that are not used comes first; keyCertSign is the sixth bit.
    let signs = || {
        let bits = extension(root, USAGE).map(|bits| Der(bits).content(3).and_then(|bits| bits.get(1).copied()));
        bits.is_none_or(|bits| bits.is_some_and(|bits| bits & 4 != 0))
    };
    match () {
        () if until < now => Some("has expired"),
        () if from > now => Some("is not valid yet"),
        () if !is_ca() => Some("is not that of a CA"),
        () if !signs() => Some("may not sign certificates (keyUsage)"),
        () if !is_for_servers(root) => Some("is not for servers (extendedKeyUsage)"),
        () => None,
    }
}

/// RFC 5280, section 4.2.1.12: whoever lists what a certificate is for leaves out what it is not for.
fn is_for_servers(certificate: &[u8]) -> bool {
    const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
    let Some(list) = extension(certificate, EXTENDED_USAGE) else { return true };
    let mut purposes = Der(Der(list).content(0x30).unwrap_or_default());
    std::iter::from_fn(|| purposes.content(6)).any(|purpose| purpose == SERVER_AUTH)
}

/// The last byte of an extension's object identifier, 2.5.29.n.
const USAGE: u8 = 15;
const BASIC_CONSTRAINTS: u8 = 19;
const EXTENDED_USAGE: u8 = 37;

/// Whether a CertificateVerify (section 4.4.3) was made with the key of the certificate. Where any certificate will do, so does one
/// of a kind that cannot be verified.
pub(super) fn verify_signature(
    chain: &[Vec<u8>],
    body: &[u8],
    transcript: &[u8],
    is_strict: bool,
) -> Result<(), String> {
    let mut reader = Reader(body);
    let (scheme, signature) =
        reader.number::<2>().zip(reader.vector::<2>()).ok_or("an unreadable CertificateVerify")?;
    let own = CertificateDer::from(chain.first().ok_or(UNREADABLE)?.as_slice());
    let (certificate, algorithm) = match (EndEntityCert::try_from(&own), signature::of_scheme(scheme)) {
        (Ok(certificate), Some(algorithm)) => (certificate, algorithm),
        (Err(_), _) if !is_strict => return Ok(()),
        (Ok(_), None) if !is_strict && hello::is_unverifiable(scheme) => return Ok(()),
        (Err(_), _) => return Err(UNREADABLE.to_owned()),
        (Ok(_), None) => return Err("the server signs in a way that it was not asked for".to_owned()),
    };
    if let Some(why) = refused_length(&own) {
        return if is_strict { Err(untrusted(&format!("it has {why}"))) } else { Ok(()) };
    }
    let message = signed(b"TLS 1.3, server CertificateVerify", transcript);
    let verified = certificate.verify_signature(algorithm, &message, signature);
    verified.map_err(|_| "the server does not have the key of its certificate".to_owned())
}

/// That an RSA key is too short or too long to be verified.
fn refused_length(certificate: &CertificateDer<'_>) -> Option<String> {
    let bits = signature::refused_length(&anchor_from_trusted_cert(certificate).ok()?.subject_public_key_info)?;
    Some(format!("an RSA key of {bits} bits, where goward verifies by 2048 to 8192"))
}

/// What is signed.
pub(super) fn signed(context: &[u8], transcript: &[u8]) -> Vec<u8> {
    [&[b' '; 64][..], context, &[0], transcript].concat()
}

const UNREADABLE: &str = "the server's certificate cannot be read";
const NOT_FOR_SERVERS: &str = "it is not for servers";

fn words(error: &Error, trust: &Trust) -> String {
    let why = match error {
        Error::CertExpired { .. } => "it has expired",
        Error::CertNotValidYet { .. } => "it is not valid yet",
        Error::UnknownIssuer => "it leads to no CA of --tls-ca",
        Error::CertNotValidForName(_) => {
            return format!("the server's certificate is not made out to '{}' (--tls-server-name)", trust.name);
        }
        Error::CaUsedAsEndEntity => "it is that of a CA, which is none of --tls-ca",
        Error::EndEntityUsedAsCa => "it is signed by one that is not that of a CA",
        Error::InvalidSignatureForPublicKey => "its signature is wrong",
        Error::RequiredEkuNotFoundContext(_) => NOT_FOR_SERVERS,
        Error::UnsupportedCertVersion => "it is older than X.509 version 3",
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "it is signed in a way that goward cannot verify"
        }
        _ => "it cannot be read, or does not hold together",
    };
    untrusted(why)
}

fn untrusted(why: &str) -> String {
    format!("the server's certificate is not trusted: {why}")
}
