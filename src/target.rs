//! Where a server can be reached, and how to ask it: `http://localhost:8080/healthz`, `tcp://[::1]:9000`,
//! `unix:/run/app.sock`, `grpc://127.0.0.1:50051/my.Service`, or a command. Pure: a host that is no IP address and not
//! `localhost` is a name, which is looked up where it is connected to.

use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// The target of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An answer to a request.
    Http(Url),
    /// A connection that is accepted is an answer.
    Connect(Endpoint),
    /// grpc.health.v1 over HTTP/2; the path is `/` and the service's name, or empty for the whole server.
    Grpc(Url),
    /// A command and its arguments; 0 is well.
    Command(Vec<CString>),
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// To be tried in turn: both address families of localhost.
    Tcp(Vec<SocketAddr>),
    /// A name that is to be looked up, and a port.
    Name(String, u16),
    /// A path, or `@name` for an abstract one.
    Unix(PathBuf),
}

/// What a request needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// For the Host header and gRPC's `:authority`, with the port as it was written.
    pub host: String,
    /// The endpoint that it connects to.
    pub at: Endpoint,
    /// The path of the request, with its query.
    pub path: String,
    /// By TLS: `https://`, `grpcs://`.
    pub tls: bool,
}

/// What is understood, for messages.
const TARGETS: &str =
    "http[s]://HOST:PORT/PATH, tcp://HOST:PORT, unix:/PATH, grpc[s]://HOST:PORT[/SERVICE] or exec:COMMAND";

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Target, String> {
        let wrong = |why: String| format!("'{text}': {why}");
        if text.starts_with("http://") || text.starts_with("https://") {
            return Url::parse(text).map(Target::Http);
        }
        if let Some(rest) = text.strip_prefix("tcp://") {
            return endpoint(rest, None).map(Target::Connect).map_err(wrong);
        }
        for (scheme, tls) in [("grpc://", false), ("grpcs://", true)] {
            let Some(rest) = text.strip_prefix(scheme) else { continue };
            let url = url(rest, None, tls).map_err(wrong)?;
            let service = url.path.strip_prefix('/').unwrap_or_default();
            if service.contains(['/', '?']) {
                return Err(wrong("a service's name has no / and no ?".into()));
            }
            if service.len() > 255 {
                return Err(wrong("a service's name has at most 255 bytes".into()));
            }
            return Ok(Target::Grpc(url));
        }
        if let Some(command) = text.strip_prefix("exec:") {
            return command_line(command).map(Target::Command).map_err(wrong);
        }
        match text.strip_prefix("unix:") {
            Some(path) => socket(path).map(|path| Target::Connect(Endpoint::Unix(path))).map_err(wrong),
            None => Err(format!("'{text}' is not a target: {TARGETS}")),
        }
    }

    /// What it connects to; none: a command.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Target::Http(url) | Target::Grpc(url) => Some(&url.at),
            Target::Connect(at) => Some(at),
            Target::Command(_) => None,
        }
    }

    /// The same, to be replaced.
    pub fn endpoint_mut(&mut self) -> Option<&mut Endpoint> {
        match self {
            Target::Http(url) | Target::Grpc(url) => Some(&mut url.at),
            Target::Connect(at) => Some(at),
            Target::Command(_) => None,
        }
    }

    /// Whether it is asked by a process of its own: a command, by TLS, or where a name has to be looked up.
    pub fn needs_process(&self) -> bool {
        matches!(self, Target::Command(_)) || self.is_tls() || self.name().is_some()
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        matches!(self, Target::Http(url) | Target::Grpc(url) if url.tls)
    }

    /// The name of the host, where it is one that has to be looked up.
    pub fn name(&self) -> Option<&str> {
        match self.endpoint() {
            Some(Endpoint::Name(name, _)) => Some(name),
            Some(Endpoint::Tcp(_) | Endpoint::Unix(_)) | None => None,
        }
    }
}

/// A target with its variables replaced: `$PORT`, `${PORT}`, and `${PORT:-8080}` for one that may be unset or empty. In a command
/// nothing is replaced, as it is no shell's.
///
/// # Errors
/// A sentence for the user.
pub fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    if text.starts_with("exec:") {
        return Ok(text.to_owned());
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, default, behind) = match after.strip_prefix('{') {
            Some(inner) => {
                let (inner, behind) = inner.split_once('}').ok_or_else(|| format!("'{text}': a ${{ is not closed"))?;
                let (name, default) = match inner.split_once(":-") {
                    Some((name, default)) => (name, Some(default)),
                    None => (inner, None),
                };
                (name, default, behind)
            }
            None => {
                let (name, behind) = after.split_at(after.find(|c| !is_of_name(c)).unwrap_or(after.len()));
                (name, None, behind)
            }
        };
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_of_name) {
            return Err(format!(
                "'{text}': a $ begins a variable: $PORT, ${{PORT}} or ${{PORT:-8080}}; a $ itself is %24"
            ));
        }
        let value = env(name).filter(|value| !value.is_empty()).or_else(|| default.map(str::to_owned));
        let value =
            value.ok_or_else(|| format!("'{text}': the variable {name} is not set; ${{{name}:-…}} has a default"))?;
        expanded.push_str(&value);
        rest = behind;
    }
    Ok(expanded + rest)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Http(url) => write!(f, "http{}://{}{}", url.s(), url.authority(), url.path),
            Target::Connect(Endpoint::Name(name, port)) => write!(f, "tcp://{name}:{port}"),
            Target::Connect(Endpoint::Tcp(addresses)) => match addresses.as_slice() {
                [one] => write!(f, "tcp://{one}"),
                several => write!(f, "tcp://localhost:{}", several.first().map_or(0, SocketAddr::port)),
            },
            Target::Connect(Endpoint::Unix(path)) => write!(f, "unix:{}", path.display()),
            Target::Grpc(url) => {
                let service = Some(url.path.as_str()).filter(|path| *path != "/").unwrap_or_default();
                write!(f, "grpc{}://{}{service}", url.s(), url.authority())
            }
            Target::Command(words) => {
                let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
                f.write_str(&words.join(" "))
            }
        }
    }
}

/// A command as a shell would take it apart, without anything else of a shell: quotes and backslashes. What would need a shell
/// is refused: as a word of the command it would be handed to the program, and nobody would notice.
///
/// # Errors
/// A sentence for the user.
pub fn command_line(text: &str) -> Result<Vec<CString>, String> {
    let words = shlex::split(text.trim()).ok_or("a quote is not closed")?;
    let is_shell = words.first().and_then(|word| word.rsplit('/').next()).is_some_and(is_shell);
    if let Some(operator) = shell_operator(text.trim(), is_shell) {
        return Err(format!(
            "{operator} would need a shell, and goward starts none; take a script, sh -c '…' where the image has a shell, or \
             quote it if it is meant as it stands"
        ));
    }
    let words: Result<Vec<_>, _> = words.into_iter().map(CString::new).collect();
    words.ok().filter(|words| !words.is_empty()).ok_or_else(|| "a command is needed".to_owned())
}

/// Whether a program of that name is a shell.
pub fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh" | "busybox")
}

/// The first thing in a command that a shell would obey, XCU 2.2 and 2.3: an operator or a comment that is not quoted, an
/// expansion that is not in single quotes. What a shell is given in double quotes (`in_shell`) it expands itself.
fn shell_operator(text: &str, in_shell: bool) -> Option<String> {
    let mut quote = None;
    let mut begins_word = true;
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        let after = text.get(at..).unwrap_or_default();
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => drop(rest.next()),
            (None, '\'' | '"') => quote = Some(c),
            (quote, '$' | '`') if quote.is_none() || !in_shell => {
                if let Some(expansion) = expansion(after) {
                    return Some(expansion);
                }
            }
            (Some(_), _) => {}
            (None, '\n') => return Some("a second line".to_owned()),
            (None, ';' | '|' | '&' | '<' | '>' | '(' | ')') => {
                let end = after.find(|other| other != c).unwrap_or(after.len());
                return Some(format!("'{}'", after.get(..end.min(3)).unwrap_or_default()));
            }
            (None, '#') if begins_word => return Some("'#', which begins a comment,".to_owned()),
            (None, _) => {}
        }
        begins_word = quote.is_none() && c.is_whitespace();
    }
    None
}

/// `$NAME`, `${`, `$(`, `$?` or a backquote, as it stands at the beginning of a text; a `$` alone is an ordinary character.
fn expansion(text: &str) -> Option<String> {
    if text.starts_with('`') {
        return Some("'`'".to_owned());
    }
    let name = text.strip_prefix('$')?;
    let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    match name.chars().next()? {
        '{' | '(' | '?' | '$' | '!' | '@' | '*' | '#' => Some(format!("'{}'", text.get(..2)?)),
        first if first.is_ascii_alphanumeric() || first == '_' => Some(format!("'{}'", text.get(..=length)?)),
        _ => None,
    }
}

impl Url {
    /// Reads `http://HOST[:PORT][/PATH]`, or `http://unix:/SOCKET:/PATH` as nginx writes it; `https://` too.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Url, String> {
        let url = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => url(rest, Some(80), false),
            (None, Some(rest)) => url(rest, Some(443), true),
            (None, None) => Err("a URL begins with http:// or https://".to_owned()),
        };
        url.map_err(|why| format!("'{text}': {why}"))
    }

    /// Where it goes, if that is TCP.
    pub fn addresses(&self) -> &[SocketAddr] {
        match &self.at {
            Endpoint::Tcp(addresses) => addresses,
            Endpoint::Name(..) | Endpoint::Unix(_) => &[],
        }
    }

    /// The same host, on another port. A Unix socket has none.
    pub fn set_port(&mut self, port: u16) {
        match &mut self.at {
            Endpoint::Tcp(addresses) => addresses.iter_mut().for_each(|address| address.set_port(port)),
            Endpoint::Name(_, of_name) => *of_name = port,
            Endpoint::Unix(_) => return,
        }
        self.host = format!("{}:{port}", self.host_alone());
    }

    /// The host without its port, as a certificate may name it: without brackets too.
    pub fn server_name(&self) -> &str {
        self.host_alone().trim_start_matches('[').trim_end_matches(']')
    }

    fn host_alone(&self) -> &str {
        let end = self.host.rfind(':').filter(|colon| self.host.rfind(']').is_none_or(|bracket| bracket < *colon));
        self.host.get(..end.unwrap_or(self.host.len())).unwrap_or_default()
    }

    fn s(&self) -> &'static str {
        if self.tls { "s" } else { "" }
    }

    fn authority(&self) -> String {
        match &self.at {
            Endpoint::Tcp(_) | Endpoint::Name(..) => self.host.clone(),
            Endpoint::Unix(path) => format!("unix:{}:", path.display()),
        }
    }
}

fn url(text: &str, port: Option<u16>, tls: bool) -> Result<Url, String> {
    if let Some(rest) = text.strip_prefix("unix:") {
        let (path, rest) = rest.split_once(':').unwrap_or((rest, "/"));
        let path_of_url = if rest.is_empty() { "/" } else { rest };
        check_path(path_of_url)?;
        if !path_of_url.starts_with('/') {
            return Err("expected unix:/SOCKET:/PATH".to_owned());
        }
        return Ok(Url { host: "localhost".into(), at: Endpoint::Unix(socket(path)?), path: path_of_url.into(), tls });
    }
    let (host, path) = text.split_at(text.find(['/', '?']).unwrap_or(text.len()));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    check_path(&path)?;
    let named = if host.starts_with(':') { "localhost" } else { "" };
    Ok(Url { at: endpoint(host, port)?, host: format!("{named}{host}"), path, tls })
}

/// A socket in the file system, or an abstract one: unix(7).
fn socket(path: &str) -> Result<PathBuf, String> {
    match path.as_bytes() {
        [b'/' | b'@', _, ..] if path.len() <= 107 && !path.contains('\0') => Ok(PathBuf::from(path)),
        [b'/' | b'@', _, ..] => Err("a socket's path has at most 107 bytes".to_owned()),
        _ => Err("expected unix:/PATH, or unix:@NAME for an abstract socket".to_owned()),
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

/// `HOST:PORT`; an empty host is localhost.
fn endpoint(text: &str, default: Option<u16>) -> Result<Endpoint, String> {
    const WANTED: &str =
        "expected HOST:PORT, where HOST is a name, an IPv4 address, [an IPv6 address], or empty for localhost";
    let bracket = text.rfind(']').unwrap_or(0);
    let (host, port) = match (text.rfind(':').filter(|colon| *colon > bracket || *colon == 0), default) {
        (Some(colon), _) => (&text[..colon], text[colon + 1..].parse().ok().filter(|port| *port > 0).ok_or(WANTED)?),
        (None, Some(port)) if !text.is_empty() => (text, port),
        (None, _) => return Err(WANTED.to_owned()),
    };
    let ips = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => vec![IpAddr::V6(v6.parse().map_err(|_| WANTED)?)],
        None if host.is_empty() || host == "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        None => match host.parse() {
            Ok(v4) => vec![IpAddr::V4(v4)],
            Err(_) if is_host_name(host) => return Ok(Endpoint::Name(host.to_owned(), port)),
            Err(_) => return Err(WANTED.to_owned()),
        },
    };
    Ok(Endpoint::Tcp(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()))
}

/// RFC 1123, section 2.1, and the underscore that Compose puts into names. What ends in a number is a mistyped address.
fn is_host_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_need_a_shell_is_refused() {
        for (text, what) in [
            ("migrate && seed", "'&&'"),
            ("migrate&&seed", "'&&'"),
            ("migrate || true", "'||'"),
            ("migrate; seed", "';'"),
            ("cat a | wc", "'|'"),
            ("worker &", "'&'"),
            ("migrate > /dev/null", "'>'"),
            ("migrate 2>&1", "'>'"),
            ("migrate <<E", "'<<'"),
            ("(migrate)", "'('"),
            ("migrate $DATABASE_URL now", "'$DATABASE_URL'"),
            ("migrate \"$DATABASE_URL\"", "'$DATABASE_URL'"),
            ("migrate ${A:-b}", "'${'"),
            ("migrate $(cat /a)", "'$('"),
            ("migrate `cat /a`", "'`'"),
            ("migrate $1", "'$1'"),
            ("migrate\nseed", "a second line"),
            ("migrate # the database", "'#'"),
            ("sh -c 'a' && b", "'&&'"),
            ("sh -c $A", "'$A'"),
        ] {
            let error = command_line(text).expect_err(text);
            assert!(error.starts_with(what) && error.contains("shell"), "{text}: {error}");
        }
        let words = |text: &str| -> Vec<String> {
            command_line(text).unwrap().into_iter().map(|word| word.into_string().unwrap()).collect()
        };
        assert_eq!(words("sh -c 'a && b; $C | d'"), ["sh", "-c", "a && b; $C | d"]);
        assert_eq!(words("/bin/sh -c \"a && $B `c`\""), ["/bin/sh", "-c", "a && $B `c`"]);
        assert_eq!(
            words("migrate 'a;b' \\&\\& \"|\" a#b '#' cost=5$ '$X' \\$X"),
            ["migrate", "a;b", "&&", "|", "a#b", "#", "cost=5$", "$X", "$X"]
        );
        assert_eq!(words(" migrate up\n"), ["migrate", "up"], "a manifest's block ends with a line end");
        assert_eq!(words("curl http://localhost/a?b=c"), ["curl", "http://localhost/a?b=c"]);
    }

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
        let grpc = |path: &str| {
            Target::Grpc(Url { host: "127.0.0.1:9".into(), at: tcp.clone(), path: path.into(), tls: false })
        };
        assert_eq!(Target::parse("grpc://127.0.0.1:9"), Ok(grpc("/")));
        assert_eq!(Target::parse("grpc://127.0.0.1:9/my.Service"), Ok(grpc("/my.Service")));
        let unix = |path: &str| Url {
            host: "localhost".into(),
            at: Endpoint::Unix("/a.sock".into()),
            path: path.into(),
            tls: false,
        };
        assert_eq!(Target::parse("http://unix:/a.sock:/health?x"), Ok(Target::Http(unix("/health?x"))));
        assert_eq!(Target::parse("http://unix:/a.sock"), Ok(Target::Http(unix("/"))));
        assert_eq!(Target::parse("grpc://unix:/a.sock:/s"), Ok(Target::Grpc(unix("/s"))));
        let words = vec![c"/check".to_owned(), c"a b".to_owned(), c"".to_owned()];
        assert_eq!(Target::parse("exec:/check 'a b' ''"), Ok(Target::Command(words)));
    }

    #[test]
    fn hosts() {
        let both = |port| {
            let ips: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            Endpoint::Tcp(ips.map(|ip| SocketAddr::new(ip, port)).to_vec())
        };
        let of = |text| Target::parse(text).unwrap().endpoint().unwrap().clone();
        assert_eq!((of("tcp://:8080"), of("http://:8080/x")), (both(8080), both(8080)));
        assert_eq!((of("https://localhost"), of("grpcs://:1")), (both(443), both(1)));
        assert_eq!(of("tcp://[::1]:80"), Endpoint::Tcp(vec!["[::1]:80".parse().unwrap()]));
        for (text, name, port) in [
            ("tcp://db:5432", "db", 5432),
            ("http://my-db.prod.svc.cluster.local./x", "my-db.prod.svc.cluster.local.", 80),
            ("grpc://shop_orders_1:9/s", "shop_orders_1", 9),
            ("https://10.example", "10.example", 443),
            ("http://localhost.example:1", "localhost.example", 1),
        ] {
            assert_eq!(of(text), Endpoint::Name(name.to_owned(), port), "{text}");
            assert_eq!(Target::parse(text).unwrap().name(), Some(name));
        }
        let url = |text| Url::parse(text).unwrap();
        assert_eq!((url("http://:80/").host.as_str(), url("https://[::1]:4/").server_name()), ("localhost:80", "::1"));
        let mut moved = url("http://db:80/");
        moved.set_port(81);
        assert_eq!((moved.at, moved.host.as_str()), (Endpoint::Name("db".to_owned(), 81), "db:81"));
    }

    #[test]
    fn variables_are_replaced() {
        let env = |name: &str| match name {
            "PORT" => Some("8080".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, wanted) in [
            ("http://:$PORT/x", "http://:8080/x"),
            ("tcp://db:${PORT}", "tcp://db:8080"),
            ("tcp://${HOST:-db}:${PORT:-9}", "tcp://db:8080"),
            ("tcp://:${EMPTY:-9}", "tcp://:9"),
            ("http://:$PORT/$PORT?${A:-}b", "http://:8080/8080?b"),
            ("exec:check $PORT", "exec:check $PORT"),
            ("tcp://:80", "tcp://:80"),
        ] {
            assert_eq!(expand(text, &env).as_deref(), Ok(wanted), "{text}");
        }
        for (text, said) in [
            ("tcp://:$PROT", "PROT is not set"),
            ("tcp://:$EMPTY", "EMPTY is not set"),
            ("tcp://:${PORT", "not closed"),
            ("http://:80/a$", "%24"),
            ("http://:80/$1", "%24"),
            ("http://:80/${A-b}", "%24"),
            ("http://:80/$(id)", "%24"),
        ] {
            assert!(expand(text, &env).unwrap_err().contains(said), "{text}");
        }
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
            "grpcs://db:5/s.T",
            "https://db.example:8443/a",
            "https://unix:/a.sock:/x",
            "tcp://db:5432",
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
            "tcp://1.2.3:80",
            "tcp://1.2.3.400:80",
            "tcp://example.com",
            "tcp://ex ample:80",
            "tcp://a..b:80",
            "tcp://:",
            "tcp://[]:80",
            "http://",
            "http:///healthz",
            "grpc://db",
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
        let service = |length| Target::parse(&format!("grpc://localhost:1/{}", "x".repeat(length)));
        assert!(service(256).unwrap_err().contains("at most 255 bytes") && service(255).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(https?://|tcp://|unix:|grpcs?://|exec:|http://unix:)?.{0,30}") {
            let _ = Target::parse(&text);
        }
    }
}
