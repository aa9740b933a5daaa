//! Where a server of this machine can be reached, and how to ask it: `http://localhost:8080/healthz`, `tcp://[::1]:9000`,
//! `unix:/run/app.sock`, `grpc://127.0.0.1:50051/my.Service`, or a command. Pure: names are not looked up, so a host is an IP
//! address or `localhost`.

use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An answer to a request.
    Http(Url),
    /// A connection.
    Connect(Endpoint),
    /// grpc.health.v1 over HTTP/2 without TLS; the path is `/` and the service's name, or empty for the whole server.
    Grpc(Url),
    /// A command and its arguments; 0 is well.
    Command(Vec<CString>),
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// To be tried in turn: both address families of localhost.
    Tcp(Vec<SocketAddr>),
    /// A path, or `@name` for an abstract one.
    Unix(PathBuf),
}

/// What a request needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// For the Host header.
    pub host: String,
    /// Where it goes.
    pub at: Endpoint,
    /// With the query.
    pub path: String,
}

/// What is understood, for messages.
const TARGETS: &str = "http://HOST:PORT/PATH, tcp://HOST:PORT, unix:/PATH, grpc://HOST:PORT[/SERVICE] or exec:COMMAND";

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Target, String> {
        let wrong = |why: String| format!("'{text}': {why}");
        if text.starts_with("http://") {
            return Url::parse(text).map(Target::Http);
        }
        if text.starts_with("https://") || text.starts_with("grpcs://") {
            return Err(wrong(
                "goward speaks no TLS; probe a port without it, or take tcp://HOST:PORT, or a command".into(),
            ));
        }
        if let Some(rest) = text.strip_prefix("tcp://") {
            return addresses(rest, None).map(|tcp| Target::Connect(Endpoint::Tcp(tcp))).map_err(wrong);
        }
        if let Some(rest) = text.strip_prefix("grpc://") {
            let url = url(rest, None).map_err(wrong)?;
            let service = url.path.strip_prefix('/').unwrap_or_default();
            if service.contains(['/', '?']) || service.len() > 255 {
                return Err(wrong("a service's name has no / and no ?".into()));
            }
            return Ok(Target::Grpc(url));
        }
        if let Some(command) = text.strip_prefix("exec:") {
            return command_line(command).map(Target::Command).map_err(wrong);
        }
        match text.strip_prefix("unix:") {
            Some(path) => socket(path).map(|path| Target::Connect(Endpoint::Unix(path))).map_err(wrong),
            None => Err(format!("'{text}' is no target: {TARGETS}")),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Http(url) => write!(f, "http://{}{}", url.authority(), url.path),
            Target::Connect(Endpoint::Tcp(addresses)) => match addresses.as_slice() {
                [one] => write!(f, "tcp://{one}"),
                several => write!(f, "tcp://localhost:{}", several.first().map_or(0, SocketAddr::port)),
            },
            Target::Connect(Endpoint::Unix(path)) => write!(f, "unix:{}", path.display()),
            Target::Grpc(url) if url.path == "/" => write!(f, "grpc://{}", url.authority()),
            Target::Grpc(url) => write!(f, "grpc://{}{}", url.authority(), url.path),
            Target::Command(words) => {
                let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
                f.write_str(&words.join(" "))
            }
        }
    }
}

/// A command as a shell would take it apart, without anything else of a shell: quotes and backslashes.
///
/// # Errors
/// A sentence for the user.
pub fn command_line(text: &str) -> Result<Vec<CString>, String> {
    let words = shlex::split(text).ok_or("a quote is not closed")?;
    let words: Result<Vec<_>, _> = words.into_iter().map(CString::new).collect();
    words.ok().filter(|words| !words.is_empty()).ok_or_else(|| "a command is needed".to_owned())
}

impl Url {
    /// Reads `http://HOST[:PORT][/PATH]`, or `http://unix:/SOCKET:/PATH` as nginx writes it.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Url, String> {
        let rest = text.strip_prefix("http://").ok_or_else(|| format!("'{text}': a URL begins with http://"))?;
        url(rest, Some(80)).map_err(|why| format!("'{text}': {why}"))
    }

    /// Where it goes, if that is TCP.
    pub fn addresses(&self) -> &[SocketAddr] {
        match &self.at {
            Endpoint::Tcp(addresses) => addresses,
            Endpoint::Unix(_) => &[],
        }
    }

    fn authority(&self) -> String {
        match &self.at {
            Endpoint::Tcp(_) => self.host.clone(),
            Endpoint::Unix(path) => format!("unix:{}:", path.display()),
        }
    }
}

fn url(text: &str, port: Option<u16>) -> Result<Url, String> {
    if let Some(rest) = text.strip_prefix("unix:") {
        let (path, rest) = rest.split_once(':').unwrap_or((rest, "/"));
        let path_of_url = if rest.is_empty() { "/" } else { rest };
        check_path(path_of_url)?;
        if !path_of_url.starts_with('/') {
            return Err("wanted is unix:/SOCKET:/PATH".to_owned());
        }
        return Ok(Url { host: "localhost".into(), at: Endpoint::Unix(socket(path)?), path: path_of_url.into() });
    }
    let (host, path) = text.split_at(text.find(['/', '?']).unwrap_or(text.len()));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    check_path(&path)?;
    Ok(Url { at: Endpoint::Tcp(addresses(host, port)?), host: host.to_owned(), path })
}

/// A socket in the file system, or an abstract one: unix(7).
fn socket(path: &str) -> Result<PathBuf, String> {
    match path.as_bytes() {
        [b'/' | b'@', _, ..] if path.len() <= 107 && !path.contains('\0') => Ok(PathBuf::from(path)),
        [b'/' | b'@', _, ..] => Err("a socket's path has at most 107 bytes".to_owned()),
        _ => Err("wanted is unix:/PATH, or unix:@NAME for an abstract socket".to_owned()),
    }
}

/// Whether this can stand in the first line of a request as it is.
///
/// # Errors
/// A sentence for the user.
pub fn check_path(path: &str) -> Result<(), &'static str> {
    if path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        Ok(())
    } else {
        Err("blanks, # and what is not ASCII must be percent-encoded")
    }
}

fn addresses(text: &str, default: Option<u16>) -> Result<Vec<SocketAddr>, String> {
    const WANTED: &str = "wanted is HOST:PORT, where HOST is an IP address or localhost (goward looks no names up)";
    let bracket = text.rfind(']').unwrap_or(0);
    let (host, port) = match (text.rfind(':').filter(|colon| *colon > bracket), default) {
        (Some(colon), _) => (&text[..colon], text[colon + 1..].parse().ok().filter(|port| *port > 0).ok_or(WANTED)?),
        (None, Some(port)) => (text, port),
        (None, None) => return Err(WANTED.to_owned()),
    };
    let ips = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => vec![IpAddr::V6(v6.parse().map_err(|_| WANTED)?)],
        None if host == "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        None => vec![IpAddr::V4(host.parse().map_err(|_| WANTED)?)],
    };
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls() {
        let url = |text| Url::parse(text).map(|url| (url.host.clone(), url.addresses().to_vec(), url.path));
        let one = |address: &str| vec![address.parse::<SocketAddr>().unwrap()];
        assert_eq!(
            url("http://127.0.0.1:8080/a?b=c"),
            Ok(("127.0.0.1:8080".into(), one("127.0.0.1:8080"), "/a?b=c".into()))
        );
        assert_eq!(url("http://[::1]:80"), Ok(("[::1]:80".into(), one("[::1]:80"), "/".into())));
        assert_eq!(url("http://10.0.0.1?x"), Ok(("10.0.0.1".into(), one("10.0.0.1:80"), "/?x".into())));
        let both = vec!["127.0.0.1:9".parse().unwrap(), "[::1]:9".parse().unwrap()];
        assert_eq!(url("http://localhost:9/"), Ok(("localhost:9".into(), both, "/".into())));
    }

    #[test]
    fn targets() {
        let tcp = Endpoint::Tcp(vec!["127.0.0.1:9".parse().unwrap()]);
        assert_eq!(Target::parse("tcp://127.0.0.1:9"), Ok(Target::Connect(tcp.clone())));
        assert_eq!(Target::parse("unix:/run/a b"), Ok(Target::Connect(Endpoint::Unix("/run/a b".into()))));
        assert_eq!(Target::parse("unix:@name"), Ok(Target::Connect(Endpoint::Unix("@name".into()))));
        assert!(matches!(Target::parse("http://localhost"), Ok(Target::Http(_))));
        let grpc = |path: &str| Target::Grpc(Url { host: "127.0.0.1:9".into(), at: tcp.clone(), path: path.into() });
        assert_eq!(Target::parse("grpc://127.0.0.1:9"), Ok(grpc("/")));
        assert_eq!(Target::parse("grpc://127.0.0.1:9/my.Service"), Ok(grpc("/my.Service")));
        let unix =
            |path: &str| Url { host: "localhost".into(), at: Endpoint::Unix("/a.sock".into()), path: path.into() };
        assert_eq!(Target::parse("http://unix:/a.sock:/health?x"), Ok(Target::Http(unix("/health?x"))));
        assert_eq!(Target::parse("http://unix:/a.sock"), Ok(Target::Http(unix("/"))));
        assert_eq!(Target::parse("grpc://unix:/a.sock:/s"), Ok(Target::Grpc(unix("/s"))));
        let words = vec![c"/check".to_owned(), c"a b".to_owned(), c"".to_owned()];
        assert_eq!(Target::parse("exec:/check 'a b' ''"), Ok(Target::Command(words)));
    }

    #[test]
    fn what_is_shown_is_what_was_written() {
        for text in [
            "http://localhost:80/a?b",
            "http://unix:/a.sock:/x",
            "tcp://127.0.0.1:9",
            "tcp://localhost:9",
            "unix:@a",
            "grpc://[::1]:5",
            "grpc://[::1]:5/s.T",
        ] {
            assert_eq!(Target::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_would_be_right() {
        for text in [
            "",
            "8080",
            "tcp://1.2.3.4",
            "tcp://example.com:80",
            "http://",
            "http://:80",
            "http://1.2.3.4:0/",
            "http://1.2.3.4:99999/",
            "http://[::1/",
            "http://::1/",
            "http://é/",
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains("HOST:PORT"), "{text}: {error}");
        }
        for text in ["http://localhost/a b", "http://localhost/é", "http://localhost/\r\nX: y", "http://localhost/#a"]
        {
            assert!(Target::parse(text).unwrap_err().contains("percent-encoded"), "{text}");
        }
        for (text, said) in [
            ("https://localhost/", "no TLS"),
            ("unix:x", "unix:/PATH"),
            ("unix:", "unix:/PATH"),
            ("grpc://localhost:1/a/b", "no /"),
            ("http://unix:/a:b", "unix:/SOCKET:/PATH"),
            ("exec:", "a command is needed"),
            ("exec:'a", "not closed"),
        ] {
            assert!(Target::parse(text).unwrap_err().contains(said), "{text}");
        }
        assert!(Target::parse(&format!("unix:/{}", "x".repeat(107))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(http://|tcp://|unix:|grpc://|exec:|http://unix:)?.{0,30}") {
            let _ = Target::parse(&text);
        }
    }
}
