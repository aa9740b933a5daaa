//! What `--health-…`, `--ready-…`, `goward probe` and `goward rehearse` have in common: how a target is asked (method, headers,
//! TLS), and what is the right answer.

use crate::config::{Probe, Tls};
use crate::target::Target;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What was said about HTTP.
#[derive(Debug, Default)]
pub struct HttpWords {
    /// The value of `--method`.
    pub method: Option<String>,
    /// The values of `--header`, in their order.
    pub headers: Vec<(String, String)>,
    /// The values of `--status`.
    pub status: Vec<RangeInclusive<u16>>,
    /// The value of `--body`.
    pub body: Option<String>,
    /// The value of `--user-agent`.
    pub user_agent: Option<String>,
    /// What was said about TLS.
    pub tls: TlsWords,
}

/// What was said about TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsWords {
    /// The value of `--tls-ca`.
    pub ca: Option<PathBuf>,
    /// The value of `--tls-cert`.
    pub cert: Option<PathBuf>,
    /// The value of `--tls-key`.
    pub key: Option<PathBuf>,
    /// The value of `--tls-server-name`.
    pub server_name: Option<String>,
}

impl TlsWords {
    /// Whether anything was said.
    pub fn is_given(&self) -> bool {
        self.ca.as_ref().or(self.cert.as_ref()).or(self.key.as_ref()).is_some() || self.server_name.is_some()
    }
}

impl HttpWords {
    /// Whether anything was said.
    pub fn is_given(&self) -> bool {
        self.is_of_http() || self.has_fields() || self.tls.is_given()
    }

    fn is_of_http(&self) -> bool {
        self.method.is_some() || !self.status.is_empty() || self.body.is_some()
    }

    fn has_fields(&self) -> bool {
        !self.headers.is_empty() || self.user_agent.is_some()
    }

    /// How the target is asked.
    ///
    /// # Errors
    /// A sentence: what belongs to HTTP stands beside another target, for example.
    pub fn probe(mut self, target: Target) -> Result<Probe, String> {
        let is_http = matches!(target, Target::Http(_));
        if self.is_of_http() && !is_http {
            return Err("a method, a status and a body are valid only with an http target".to_owned());
        }
        if self.has_fields() && !is_http && !matches!(target, Target::Grpc(_)) {
            return Err("header fields and a user agent are valid only with an http or grpc target".to_owned());
        }
        if self.tls.is_given() && !target.is_tls() {
            return Err("options for TLS are valid only with an https or grpcs target".to_owned());
        }
        if target.is_tls() && !cfg!(feature = "tls") {
            return Err(NO_TLS.to_owned());
        }
        let identity = match (self.tls.cert.take(), self.tls.key.take()) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("a client certificate and its key are needed together (tls-cert, tls-key)".to_owned()),
        };
        if let Some(agent) = self.user_agent {
            if self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(AGENT)) {
                return Err(format!("{AGENT} is given twice"));
            }
            self.headers.push((AGENT.to_owned(), agent));
        }
        let own = ["te", "content-type"];
        if !is_http && self.headers.iter().any(|(name, _)| own.iter().any(|own| name.eq_ignore_ascii_case(own))) {
            return Err("te and content-type of a gRPC call are always the same".to_owned());
        }
        let default = Probe::of(target);
        Ok(Probe {
            method: self.method.unwrap_or(default.method),
            headers: self.headers,
            // Whoever names the right status wants to see the first answer.
            follows_redirects: self.status.is_empty(),
            status: if self.status.is_empty() { default.status } else { self.status },
            body: self.body,
            tls: Tls { ca: self.tls.ca, identity, server_name: self.tls.server_name },
            awaits_settings: default.awaits_settings,
            target: default.target,
        })
    }
}

const AGENT: &str = "User-Agent";

/// Of a binary with less in it.
const NO_TLS: &str =
    "this goward was built without TLS (its feature tls): probe a port that does not need TLS, or probe with a command";

/// A host name, or an IP address.
///
/// # Errors
/// A sentence for the user.
pub fn server_name(text: &str) -> Result<String, String> {
    if text.is_empty()
        || text.len() > 253
        || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    {
        return Err(format!("'{text}' is neither a host name nor an IP address"));
    }
    Ok(text.to_owned())
}

/// The value of a header field.
///
/// # Errors
/// A sentence for the user.
pub fn field_value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.bytes().any(|byte| byte < 32 || byte == 127) {
        return Err("a text is needed, without control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// `GET`, `HEAD`.
///
/// # Errors
/// A sentence for the user, here and below.
pub fn method(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    // Tunnels are not for probes.
    if good && text != "CONNECT" {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is not a method: GET, HEAD, POST, …"))
    }
}

/// `Host: example.com`, as curl takes it.
///
/// # Errors
/// See above.
pub fn header(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("'{text}' is not a header field: NAME:VALUE, like 'Host: example.com'");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let good = !name.is_empty() && name.bytes().all(token) && !value.bytes().any(|byte| byte < 32 || byte == 127);
    let value = value.trim();
    // goward says these by itself.
    let own = ["connection", "content-length", "transfer-encoding"];
    if !good || own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(wrong());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// `200`, `200-299`.
///
/// # Errors
/// See above.
pub fn status(text: &str) -> Result<RangeInclusive<u16>, String> {
    let number = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && (100..=599).contains(number))
    };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        (Some(_), Some(_)) => Err(format!("'{text}' is a range from high to low")),
        _ => Err(format!("'{text}' is not a status: 200, or 200-299")),
    }
}

/// A text that is not empty.
///
/// # Errors
/// See above.
pub fn body(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a text is needed".to_owned()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(status("204"), Ok(204..=204));
        assert_eq!(status("200-599"), Ok(200..=599));
        for text in ["", "20", "2000", "299-200", "200-", "-200", "abc", "600", "+20"] {
            assert!(status(text).is_err(), "{text}");
        }
        assert_eq!(header("Host: a:b"), Ok(("Host".into(), "a:b".into())));
        for text in ["Host", ": x", "a b: c", "A: \r\nB: c", "Content-Length: 5"] {
            assert!(header(text).is_err(), "{text:?}");
        }
        assert!(method("get").is_err() && method("GET /").is_err() && method("HEAD").is_ok());
    }
}
