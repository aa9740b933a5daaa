//! The server's certificate: whether it leads to a CA that is trusted, and whether the server has its key.

use super::reader::Reader;
use super::{hello, signature};
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
    let anchors: Vec<_> = roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
    let certificates: Vec<_> = chain.iter().map(|one| CertificateDer::from(one.as_slice())).collect();
    let (own, others) = certificates.split_first().ok_or(UNREADABLE)?;
    let certificate = EndEntityCert::try_from(own).map_err(|error| words(&error, trust))?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(trust.now));
    let path = certificate.verify_for_usage(signature::ALL, &anchors, others, now, KeyUsage::server_auth(), None, None);
    match path {
        // One that was made for a server alone often says that it is a CA's (openssl req -x509). Its time has been looked at before.
        Err(Error::CaUsedAsEndEntity) if roots.contains(own) => {}
        path => drop(path.map_err(|error| words(&error, trust))?),
    }
    let name = ServerName::try_from(trust.name.as_str()).map_err(|_| format!("'{}' is not a name", trust.name))?;
    certificate.verify_is_valid_for_subject_name(&name).map_err(|error| words(&error, trust))
}

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
    let message = signed(b"TLS 1.3, server CertificateVerify", transcript);
    let verified = certificate.verify_signature(algorithm, &message, signature);
    verified.map_err(|_| "the server does not have the key of its certificate".to_owned())
}

/// What is signed.
pub(super) fn signed(context: &[u8], transcript: &[u8]) -> Vec<u8> {
    [&[b' '; 64][..], context, &[0], transcript].concat()
}

const UNREADABLE: &str = "the server's certificate cannot be read";

fn words(error: &Error, trust: &Trust) -> String {
    let why = match error {
        Error::CertExpired { .. } => "it has expired",
        Error::CertNotValidYet { .. } => "it is not valid yet",
        Error::UnknownIssuer => "it leads to no CA of --tls-ca",
        Error::CertNotValidForName(_) => {
            return format!("the server's certificate is not made out to '{}' (--tls-server-name)", trust.name);
        }
        Error::CaUsedAsEndEntity => "it is that of a CA, which is none of --tls-ca",
        Error::InvalidSignatureForPublicKey => "its signature is wrong",
        Error::RequiredEkuNotFoundContext(_) => "it is not for servers",
        Error::UnsupportedCertVersion => "it is older than X.509 version 3",
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "it is signed in a way that goward cannot verify"
        }
        _ => "it cannot be read, or does not hold together",
    };
    format!("the server's certificate is not trusted: {why}")
}
