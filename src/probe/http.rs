//! Probes by HTTP/1.1: a request, and what is said of the answer. Pure.

use super::redirect::{REDIRECTS, Redirect};
use super::{OUTPUT, Outcome, USER_AGENT, with_output};
use crate::config::Probe;
use crate::http::Response;
use crate::target::{Target, Url};

/// So much of an answer's body is read, and so much where something is looked for in it.
const BODY: usize = 64 * 1024;
const SEARCHED: usize = 1024 * 1024;

/// An exchange by HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Http {
    pub(super) out: Vec<u8>,
    pub(super) probe: Probe,
    pub(super) url: Url,
    /// How many redirects led here; and whether they led to another port, or out of TLS.
    redirects: u8,
    has_moved: bool,
    response: Response,
    found: bool,
    /// The beginning of the body, for the outcome; and the end of what was searched.
    pub(super) output: Vec<u8>,
    window: Vec<u8>,
    read: usize,
    /// With everything around the body.
    raw: usize,
}

impl Http {
    pub(crate) fn new(probe: &Probe, url: &Url) -> Http {
        let mut out = format!("{} {} HTTP/1.1\r\n", probe.method, url.path);
        let has = |name: &str| probe.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !has("host") {
            out.push_str(&format!("Host: {}\r\n", url.host));
        }
        if !has("user-agent") {
            out.push_str(&format!("User-Agent: {USER_AGENT}\r\n"));
        }
        for (name, value) in &probe.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        if matches!(probe.method.as_str(), "POST" | "PUT" | "PATCH") {
            out.push_str("Content-Length: 0\r\n");
        }
        out.push_str("Connection: close\r\n\r\n");
        Http {
            out: out.into_bytes(),
            probe: probe.clone(),
            url: url.clone(),
            redirects: 0,
            has_moved: false,
            response: Response::to(&probe.method),
            found: probe.body.is_none(),
            output: Vec::new(),
            window: Vec::new(),
            read: 0,
            raw: 0,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<Outcome> {
        self.raw += bytes.len();
        if self.raw > 2 * SEARCHED {
            return Some(Outcome::ill("the response has no end"));
        }
        let mut body = Vec::new();
        if let Err(why) = self.response.feed(bytes, &mut |part| body.extend_from_slice(part)) {
            return Some(Outcome::ill(why));
        }
        self.read += body.len();
        let room = OUTPUT.saturating_sub(self.output.len()).min(body.len());
        self.output.extend_from_slice(body.get(..room).unwrap_or_default());
        self.search(&body);
        let status = self.response.status()?;
        self.has_enough(status).then(|| self.verdict(status))
    }

    /// Whether nothing that may still come changes what is made of the answer.
    fn has_enough(&self, status: u16) -> bool {
        let most = match self.redirect() {
            // What it says beside its Location is read by nobody.
            Some(Redirect::Follow { .. }) => OUTPUT,
            // A wrong status is one whatever follows, but its first words tell why.
            _ if !self.probe.accepts(status) => OUTPUT,
            _ if self.probe.body.is_some() => SEARCHED,
            _ => BODY,
        };
        self.response.is_whole() || self.read >= most
    }

    /// Whether what is wanted is in the body, or across the end of what came before and this.
    fn search(&mut self, body: &[u8]) {
        let Some(wanted) = self.probe.body.as_ref().filter(|_| !self.found) else { return };
        self.window.extend_from_slice(body);
        self.found = self.window.windows(wanted.len()).any(|part| part == wanted.as_bytes());
        let done = self.window.len().saturating_sub(wanted.len());
        self.window.drain(..done);
    }

    /// The status, once it is known.
    pub(super) fn status(&self) -> Option<u16> {
        self.response.status()
    }

    pub(crate) fn closed(&mut self) -> Outcome {
        let whole = self.response.closed();
        match self.response.status() {
            Some(status) if whole => self.verdict(status),
            Some(status) => {
                Outcome::ill(format!("{status}, but the connection was closed in the middle of the response"))
            }
            None if self.raw > 0 => Outcome::ill("the connection was closed in the middle of the response"),
            None => Outcome::ill("the connection was closed without a response"),
        }
    }

    fn verdict(&self, status: u16) -> Outcome {
        let via = match self.redirects {
            0 => String::new(),
            _ if self.has_moved => format!(" (redirected to {})", Target::Http(self.url.clone())),
            _ => format!(" (redirected to {})", self.url.path),
        };
        if let Some(redirect) = self.redirect() {
            match redirect {
                // It has been, often enough.
                Redirect::Follow { .. } => {
                    return Outcome::ill(format!("{status}{via}: the tenth redirect, which is not followed"));
                }
                Redirect::Elsewhere(to) => {
                    let to: String = to.chars().take(200).collect();
                    return self.searched(format!("{status}{via}, which leads to {to}, and was not followed"));
                }
                Redirect::Wrong => return Outcome::ill(format!("{status}{via}, with a Location that is no URL")),
            }
        }
        if !self.probe.accepts(status) {
            let redirect = if (300..400).contains(&status) { " (redirects are not followed)" } else { "" };
            return Outcome::ill(with_output(&format!("{status}{via}{redirect}"), &self.output));
        }
        self.searched(format!("{status}{via}"))
    }

    /// The outcome of a status that is right.
    fn searched(&self, said: String) -> Outcome {
        match &self.probe.body {
            Some(wanted) if !self.found => {
                Outcome::ill(with_output(&format!("{said}, but without '{wanted}' in the body"), &self.output))
            }
            _ => Outcome::well(said),
        }
    }

    fn redirect(&self) -> Option<Redirect> {
        let is_one = matches!(self.response.status(), Some(301 | 302 | 303 | 307 | 308));
        let location = self.response.location().filter(|_| is_one && self.probe.follows_redirects)?;
        match Redirect::read(location, &self.url) {
            // Whoever wants to know who answers is not answered by anybody.
            Redirect::Follow { tls: false, .. } if self.url.tls && self.probe.tls.ca.is_some() => {
                Some(Redirect::Elsewhere(location.to_owned()))
            }
            redirect => Some(redirect),
        }
    }

    /// The request that follows this one, where it was redirected to the same host.
    pub(super) fn redirected(&self) -> Option<Http> {
        let has_enough = self.response.status().is_some_and(|status| self.has_enough(status));
        let is_followed = has_enough && self.redirects < REDIRECTS;
        let Some(Redirect::Follow { port, path, tls }) = self.redirect().filter(|_| is_followed) else { return None };
        let mut probe = self.probe.clone();
        // As Go's client: only 307 and 308 keep the method.
        if probe.method != "HEAD" && matches!(self.response.status(), Some(301..=303)) {
            probe.method = "GET".to_owned();
        }
        let mut url = Url { path, tls, ..self.url.clone() };
        if let Some(port) = port {
            url.set_port(port);
        }
        let has_moved = self.has_moved || (url.tls, &url.at) != (self.url.tls, &self.url.at);
        Some(Http { redirects: self.redirects + 1, has_moved, ..Http::new(&probe, &url) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;
    use proptest::prelude::*;

    fn http(target: &str, body: Option<&str>) -> Http {
        let url = Url::parse(target).unwrap();
        let probe = Probe { body: body.map(str::to_owned), ..Probe::of(Target::Http(url.clone())) };
        Http::new(&probe, &url)
    }

    fn answer(http: &mut Http, text: &[u8], piece: usize) -> Option<Outcome> {
        text.chunks(piece).find_map(|piece| http.feed(piece))
    }

    #[test]
    fn the_status_decides() {
        for (text, well, said) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true, "200"),
            ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", true, "302"),
            ("HTTP/1.1 503 No\r\nContent-Length: 8\r\n\r\ndb \x1bdown", false, "503: db \u{fffd}down"),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false, "404"),
            ("SSH-2.0\r\n", false, "not HTTP/1"),
        ] {
            for piece in 1..=text.len() {
                let outcome = answer(&mut http("http://localhost/", None), text.as_bytes(), piece);
                assert_eq!(
                    outcome.map(|outcome| (outcome.well, outcome.text)),
                    Some((well, said.to_owned())),
                    "{text:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn the_body_is_searched_across_pieces_and_chunks() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxre\r\n3\r\nady\r\n0\r\n\r\n";
        for piece in 1..=text.len() {
            let found = answer(&mut http("http://localhost/", Some("ready")), text.as_bytes(), piece).unwrap();
            let missed = answer(&mut http("http://localhost/", Some("steady")), text.as_bytes(), piece).unwrap();
            assert!(found.well && !missed.well && missed.text.contains("without 'steady'"), "{piece}");
        }
    }

    #[test]
    fn a_body_without_an_end_is_bounded() {
        let mut http = http("http://localhost/", Some("never"));
        assert_eq!(http.feed(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        let mut fed = 0;
        let outcome = loop {
            fed += 1000;
            if let Some(outcome) = http.feed(&[b'x'; 1000]) {
                break outcome;
            }
        };
        assert!(!outcome.well && (SEARCHED..SEARCHED + 2000).contains(&fed));
        assert!(http.window.len() + http.output.len() < 2 * OUTPUT);
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        let mut cut = http("http://localhost/", None);
        assert_eq!(cut.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), None);
        assert_eq!(cut.closed(), Outcome::ill("200, but the connection was closed in the middle of the response"));
        let none = "the connection was closed without a response";
        assert_eq!(http("http://localhost/", None).closed(), Outcome::ill(none));
        let mut half = http("http://localhost/", None);
        assert_eq!(half.feed(b"HTTP/1.1 200 OK\r\nConte"), None);
        assert_eq!(half.closed(), Outcome::ill("the connection was closed in the middle of the response"));
        let mut until_closed = http("http://localhost/", None);
        assert_eq!(until_closed.feed(b"HTTP/1.1 200 OK\r\n\r\nx"), None);
        assert!(until_closed.closed().well);
    }

    /// What comes of a request for http://localhost:8080/healthz that is answered so, and the request that follows.
    fn redirect(status: &str, location: &str) -> (Outcome, Option<String>) {
        let mut http = http("http://localhost:8080/healthz", None);
        let answer = format!("HTTP/1.1 {status} x\r\n{location}Content-Length: 0\r\n\r\n");
        let outcome = http.feed(answer.as_bytes()).unwrap();
        let next = http.redirected();
        (outcome, next.map(|next| String::from_utf8(next.out).unwrap().lines().take(2).collect::<Vec<_>>().join(" ")))
    }

    #[test]
    fn a_redirect_to_the_same_host_is_followed() {
        for status in ["301", "302", "303", "307", "308"] {
            let (_, next) = redirect(status, "Location: /healthz/\r\n");
            assert_eq!(next.as_deref(), Some("GET /healthz/ HTTP/1.1 Host: localhost:8080"), "{status}");
        }
        let (_, next) = redirect("302", "Location: http://localhost:9090/a?b\r\n");
        assert_eq!(next.as_deref(), Some("GET /a?b HTTP/1.1 Host: localhost:9090"));
        for (status, location, well, said) in [
            (
                "302",
                "Location: https://localhost/a\r\n",
                true,
                "302, which leads to https://localhost/a, and was not followed",
            ),
            (
                "302",
                "Location: http://example.com/\r\n",
                true,
                "302, which leads to http://example.com/, and was not followed",
            ),
            ("302", "Location: /a b\r\n", false, "302, with a Location that is no URL"),
            ("302", "", true, "302"),
            ("304", "Location: /a\r\n", true, "304"),
            ("300", "Location: /a\r\n", true, "300"),
            ("200", "Location: /a\r\n", true, "200"),
            ("404", "Location: /a\r\n", false, "404"),
        ] {
            assert_eq!(
                redirect(status, location),
                (if well { Outcome::well(said) } else { Outcome::ill(said) }, None),
                "{status} {location}"
            );
        }
    }

    #[test]
    fn the_body_is_searched_where_a_redirect_is_the_answer() {
        let of = |body: &str, head: bool| {
            let mut http = http("http://localhost/", Some("ready"));
            let location = "Location: http://login.example/";
            if head {
                http.response = Response::to("HEAD");
            }
            let answer = format!("HTTP/1.1 302 x\r\n{location}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            http.feed(answer.as_bytes()).map(|outcome| (outcome.well, outcome.text))
        };
        let said = "302, which leads to http://login.example/, and was not followed";
        assert_eq!(of("is ready", false), Some((true, said.to_owned())));
        assert_eq!(of("", false), Some((false, format!("{said}, but without 'ready' in the body"))));
        assert_eq!(of("no", false), Some((false, format!("{said}, but without 'ready' in the body: no"))));
        assert_eq!(of("", true), Some((false, format!("{said}, but without 'ready' in the body"))));
    }

    #[test]
    fn redirects_end() {
        let mut http = http("http://localhost:8080/a", None);
        let again = b"HTTP/1.1 302 x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
        for _ in 0..REDIRECTS {
            assert!(http.feed(again).is_some());
            http = http.redirected().unwrap();
        }
        let said = "302 (redirected to /b): the tenth redirect, which is not followed";
        assert_eq!(http.feed(again), Some(Outcome::ill(said)));
        assert!(http.redirected().is_none());
        let mut last = Http { redirects: 1, ..http };
        last.response = Response::to("GET");
        assert_eq!(
            last.feed(b"HTTP/1.1 503 x\r\nContent-Length: 2\r\n\r\ndb"),
            Some(Outcome::ill("503 (redirected to /b): db"))
        );
    }

    #[test]
    fn the_body_of_a_redirect_is_not_waited_for() {
        let of = |length: usize, sent: usize| {
            let mut http = http("http://localhost:8080/a", None);
            let answer =
                format!("HTTP/1.1 302 x\r\nLocation: /b\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(sent));
            let is_over = http.feed(answer.as_bytes()).is_some();
            (is_over, http.redirected().is_some())
        };
        for (length, sent) in [(0, 0), (200_000, 70_000), (200_000, OUTPUT), (9, 9)] {
            assert_eq!(of(length, sent), (true, true), "{length} {sent}");
        }
        // What is cut may be anything.
        assert_eq!(of(200_000, OUTPUT - 1), (false, false));
        assert_eq!(of(9, 8), (false, false));
        let mut last = Http { redirects: REDIRECTS, ..http("http://localhost:8080/a", None) };
        let answer = format!("HTTP/1.1 302 x\r\nLocation: /b\r\nContent-Length: 200000\r\n\r\n{}", "x".repeat(5000));
        let outcome = last.feed(answer.as_bytes()).unwrap();
        assert!(outcome.text.ends_with(": the tenth redirect, which is not followed"), "{}", outcome.text);
    }

    #[test]
    fn a_redirect_to_another_port_or_out_of_tls_is_named() {
        let of = |target: &str, location: &str, ca: bool| {
            let mut http = http(target, None);
            http.probe.tls.ca = ca.then(|| "ca.pem".into());
            let answer = format!("HTTP/1.1 302 x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            let outcome = http.feed(answer.as_bytes()).unwrap();
            let Some(mut next) = http.redirected() else { return outcome.text };
            next.feed(b"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n").unwrap().text
        };
        for (location, ca, said) in [
            ("/b", true, "200 (redirected to /b)"),
            ("https://localhost:8443/b", true, "200 (redirected to /b)"),
            ("https://localhost/b", true, "200 (redirected to https://localhost:443/b)"),
            ("http://localhost:80/b", false, "200 (redirected to http://localhost:80/b)"),
            ("http://localhost:80/b", true, "302, which leads to http://localhost:80/b, and was not followed"),
            ("http://localhost:8443/b", true, "302, which leads to http://localhost:8443/b, and was not followed"),
        ] {
            assert_eq!(of("https://localhost:8443/a", location, ca), said);
        }
        assert_eq!(of("http://localhost/a", "http://localhost:80/b", true), "200 (redirected to /b)");
        assert_eq!(
            of("http://localhost/a", "http://localhost:81/b", false),
            "200 (redirected to http://localhost:81/b)"
        );
    }

    #[test]
    fn whoever_names_the_status_sees_the_redirect() {
        let url = Url::parse("http://localhost/").unwrap();
        let probe = Probe { follows_redirects: false, status: vec![302..=302], ..Probe::of(Target::Http(url.clone())) };
        let mut http = Http::new(&probe, &url);
        let outcome = http.feed(b"HTTP/1.1 302 x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(outcome, Some(Outcome::well("302")));
        assert!(http.redirected().is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_are_well(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            let outcome = answer(&mut http("http://localhost/", None), &bytes, piece);
            prop_assert!(!outcome.is_some_and(|outcome| outcome.well) || bytes.starts_with(b"HTTP/1."));
        }
    }
}
