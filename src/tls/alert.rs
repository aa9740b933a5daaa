//! What a server says when it does not go on (RFC 8446, section 6).

/// It has said all it had to say.
pub(super) const CLOSE_NOTIFY: u8 = 0;

/// A sentence about an alert, to a client that wanted to speak `protocol`; whether a certificate of its own was asked for, and
/// whether there was one.
pub(super) fn words(code: u8, protocol: &str, asked_for_certificate: bool, has_certificate: bool) -> String {
    let name = NAMES.iter().find(|(known, _)| *known == code).map_or("?", |(_, name)| *name);
    let not_spoken = not_spoken(protocol);
    let what = match code {
        70 | 86 => super::TOO_OLD,
        120 => &not_spoken,
        112 => "the server does not know this name (--tls-server-name)",
        40 | 71 => {
            "the server accepts nothing that goward offers: TLS 1.3 with AES-128-GCM and P-256 or X25519, with --tls-ca certificates by RSA, on P-256 or P-384, or Ed25519"
        }
        116 => NEEDS_CERTIFICATE,
        // Before certificate_required there was this for it.
        42 if asked_for_certificate && !has_certificate => NEEDS_CERTIFICATE,
        42..=49 | 51 if has_certificate => "the server refuses the client certificate (--tls-cert)",
        _ => "the server ended the TLS connection",
    };
    format!("{what} ({name}, alert {code})")
}

/// Of a server that speaks another protocol.
pub(super) fn not_spoken(protocol: &str) -> String {
    format!("the server does not speak {protocol} over TLS")
}

/// Of a server that asks who its clients are.
pub const NEEDS_CERTIFICATE: &str = "the server wants a client certificate (--tls-cert and --tls-key)";

const NAMES: [(u8, &str); 22] = [
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (22, "record_overflow"),
    (40, "handshake_failure"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (109, "missing_extension"),
    (112, "unrecognized_name"),
    (116, "certificate_required"),
    (120, "no_application_protocol"),
];
