//! Where a redirect leads: the Location of an answer, RFC 9110, section 10.2.2. Pure.
//!
//! As the kubelet does it: a redirect to the same host is followed, whatever its port; one to another host, or from http to
//! https, is not, and counts as an answer. At most `REDIRECTS` are followed; `http.rs` counts them, and has the message.

use crate::target::Url;

/// So many redirects are followed. Go's client and the kubelet, which say "10 redirects", refuse the tenth.
pub(super) const REDIRECTS: u8 = 9;

/// What is to be done about a redirect.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// Ask the same host for this path; on another port, if one is named.
    Follow { port: Option<u16>, path: String, tls: bool },
    /// It leads to another host, or from the clear to TLS: to this URL.
    Elsewhere(String),
    /// It is no URL.
    Wrong,
}

impl Redirect {
    /// Reads a Location that came for a request to `url`.
    pub(super) fn read(location: &str, url: &Url) -> Redirect {
        let location = location.split('#').next().unwrap_or_default();
        if location.is_empty() || location.len() > LONGEST || !location.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Redirect::Wrong;
        }
        let after = |scheme: &str| {
            let (beginning, rest) = location.split_at_checked(scheme.len())?;
            beginning.eq_ignore_ascii_case(scheme).then_some(rest)
        };
        let https = after("https://").filter(|_| url.tls).map(|rest| (rest, true));
        let absolute = after("http://").map(|rest| (rest, false)).or(https);
        if let Some((rest, tls)) = absolute.or(location.strip_prefix("//").map(|rest| (rest, url.tls))) {
            let (other, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let (host, port) = host_and_port(other);
            if !host.eq_ignore_ascii_case(host_and_port(&url.host).0) {
                return Redirect::Elsewhere(location.to_owned());
            }
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            return match port {
                None => Redirect::Follow { port: Some(if tls { 443 } else { 80 }), path, tls },
                Some(port) => match port.parse() {
                    Ok(port @ 1..) => Redirect::Follow { port: Some(port), path, tls },
                    Ok(0) | Err(_) => Redirect::Wrong,
                },
            };
        }
        let scheme =
            location.find(':').is_some_and(|colon| !location.get(..colon).is_some_and(|s| s.contains(['/', '?'])));
        if scheme {
            return Redirect::Elsewhere(location.to_owned());
        }
        let here = url.path.split('?').next().unwrap_or_default();
        let path = match location.as_bytes().first() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{here}{location}"),
            _ => format!("{}/{location}", here.rsplit_once('/').map_or("", |(directory, _)| directory)),
        };
        Redirect::Follow { port: None, path: without_dots(&path), tls: url.tls }
    }
}

/// No server of health checks sends a longer one.
const LONGEST: usize = 2048;

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    let bracket = authority.rfind(']').unwrap_or(0);
    match authority.rfind(':').filter(|colon| *colon > bracket || bracket == 0) {
        Some(colon) => (&authority[..colon], authority.get(colon + 1..)),
        None => (authority, None),
    }
}

/// RFC 3986, section 5.2.4: `.` and `..` are steps, not names.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    let closed = if path.ends_with("/.") || path.ends_with("/..") { "/" } else { "" };
    format!("/{}{closed}{query}", kept.join("/")).replacen("//", "/", usize::from(kept.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_host_is_followed() {
        let at = |url: &str, location: &str| Redirect::read(location, &Url::parse(url).unwrap());
        let of = |location| at("http://localhost:8080/a/b?c=d", location);
        let follow = |port, path: &str| Redirect::Follow { port, path: path.to_owned(), tls: false };
        for (location, wanted) in [
            ("/healthz/", follow(None, "/healthz/")),
            ("/healthz/?a=b#c", follow(None, "/healthz/?a=b")),
            ("c", follow(None, "/a/c")),
            ("./c/", follow(None, "/a/c/")),
            ("../c", follow(None, "/c")),
            ("../../../c", follow(None, "/c")),
            ("?e=f", follow(None, "/a/b?e=f")),
            ("/", follow(None, "/")),
            ("..", follow(None, "/")),
            ("c:d/e", Redirect::Elsewhere("c:d/e".to_owned())),
            ("c/d:e", follow(None, "/a/c/d:e")),
            ("http://localhost:8080/c", follow(Some(8080), "/c")),
            ("HTTP://LOCALHOST:8081", follow(Some(8081), "/")),
            ("http://localhost?c", follow(Some(80), "/?c")),
            ("//localhost:9/c", follow(Some(9), "/c")),
            ("http://localhost:0/c", Redirect::Wrong),
            ("http://localhost:http/c", Redirect::Wrong),
            ("", Redirect::Wrong),
            ("#a", Redirect::Wrong),
            ("/a b", Redirect::Wrong),
            ("/ü", Redirect::Wrong),
        ] {
            assert_eq!(of(location), wanted, "{location}");
        }
        for other in ["https://localhost:8080/c", "http://localhost.example/c", "//example.com/c", "ftp://localhost/"] {
            assert_eq!(of(other), Redirect::Elsewhere(other.to_owned()));
        }
        assert_eq!(at("http://[::1]:8080", "http://[::1]:9/c"), follow(Some(9), "/c"));
        assert_eq!(at("http://[::1]", "http://[::1]/c"), follow(Some(80), "/c"));
        assert_eq!(at("http://[::1]", "http://[::2]/c"), Redirect::Elsewhere("http://[::2]/c".to_owned()));
        assert_eq!(at("http://localhost", &"/a".repeat(2000)), Redirect::Wrong);
        // From TLS to TLS, and out of it, as the kubelet does.
        let follow_tls = |port, path: &str| Redirect::Follow { port, path: path.to_owned(), tls: true };
        for (location, wanted) in [
            ("https://localhost/c", follow_tls(Some(443), "/c")),
            ("HTTPS://localhost:9/c", follow_tls(Some(9), "/c")),
            ("//localhost/c", follow_tls(Some(443), "/c")),
            ("/c", follow_tls(None, "/c")),
            ("http://localhost/c", follow(Some(80), "/c")),
        ] {
            assert_eq!(at("https://localhost:8443/a", location), wanted, "{location}");
        }
    }
}
