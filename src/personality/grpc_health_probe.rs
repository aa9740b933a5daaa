//! grpc_health_probe 0.4: its flags, which are those of Go's package flag, its error messages and exit codes. What it says of
//! an answer is said by `goward probe`.

use super::{Answered, Personified, err, out, words};
use crate::cli::http;
use crate::config::{Manner, Probe, Probing, Tls, parse_duration};
use crate::exit;
use crate::target::Target;
use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const NAME: &str = "grpc_health_probe";

/// Where Go looks for the CAs of the system; the first that is there.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

/// A flag: its name, what it takes (nothing: a switch), and what it is for.
const FLAGS: [(&str, &str, &str); 18] = [
    ("addr", "string", "(required) tcp host:port to connect"),
    ("alts", "", "not in goward: use ALTS"),
    ("connect-timeout", "duration", "timeout for establishing connection (default 1s)"),
    ("gzip", "", "not in goward: use GZIPCompressor for requests and GZIPDecompressor for response"),
    ("rpc-header", "value", "additional RPC headers in 'name: value' format; may be repeated"),
    ("rpc-timeout", "duration", "timeout for health check rpc (default 1s)"),
    ("service", "string", "service name to check (default: \"\")"),
    ("spiffe", "", "not in goward: use SPIFFE to obtain mTLS credentials"),
    ("tls", "", "use TLS (default: false, INSECURE plaintext transport)"),
    ("tls-ca-cert", "string", "(with -tls, optional) file containing trusted certificates for verifying server"),
    (
        "tls-client-cert",
        "string",
        "(with -tls, optional) client certificate for authenticating to the server (requires -tls-client-key)",
    ),
    (
        "tls-client-key",
        "string",
        "(with -tls) client private key for authenticating to the server (requires -tls-client-cert)",
    ),
    (
        "tls-no-verify",
        "",
        "(with -tls) don't verify the certificate (INSECURE) presented by the server (default: false)",
    ),
    ("tls-server-name", "string", "(with -tls) override the hostname used to verify the server certificate"),
    ("user-agent", "string", "user-agent header value of health check requests (default \"grpc_health_probe\")"),
    ("v", "", "verbose logs"),
    ("version", "", "print version information and exit"),
    ("help", "", "this text"),
];

/// What was given, by the places in the table.
struct Given(Vec<(&'static str, String)>);

impl Given {
    /// The last value of a flag, as Go has it.
    fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// One that is not empty.
    fn text(&self, name: &str) -> Option<&str> {
        self.last(name).filter(|text| !text.is_empty())
    }

    fn is_on(&self, name: &str) -> bool {
        self.last(name) == Some("true")
    }
}

pub(super) fn parse(arguments: &[CString]) -> Answered {
    let given = match flags(&words(arguments)) {
        Ok(given) => given,
        Err(said) => return err(said, exit::GRPC_USAGE),
    };
    if given.is_on("version") {
        return out(concat!("goward ", env!("CARGO_PKG_VERSION"), ", as grpc_health_probe\n"));
    }
    match probing(&given) {
        Ok(probing) => Ok(Personified::Probe(Box::new(probing))),
        Err(why) => err(format!("error: {why}\n"), exit::GRPC_USAGE),
    }
}

/// As Go's package flag reads them: one dash or two, up to the first word that is no flag.
fn flags(words: &[String]) -> Result<Given, String> {
    let mut given = Given(Vec::new());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let name = match word.strip_prefix("--").or_else(|| word.strip_prefix('-')) {
            Some("") | None => break,
            Some(name) => name,
        };
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
        let known = FLAGS.iter().find(|(known, ..)| *known == name);
        let (name, takes) = match known {
            Some(("help", ..)) => return Err(usage()),
            None if name == "h" => return Err(usage()),
            Some((name, takes, _)) => (*name, *takes),
            None => return Err(format!("flag provided but not defined: -{name}\n{}", usage())),
        };
        let value = match (takes, value) {
            ("", None) => "true".to_owned(),
            ("", Some(value)) => boolean(&value)
                .ok_or_else(|| format!("invalid boolean value \"{value}\" for -{name}: parse error\n{}", usage()))?,
            (_, Some(value)) => value,
            (_, None) => rest.next().cloned().ok_or_else(|| format!("flag needs an argument: -{name}\n{}", usage()))?,
        };
        given.0.push((name, value));
    }
    Ok(given)
}

/// strconv.ParseBool.
fn boolean(text: &str) -> Option<String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some("true".to_owned()),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some("false".to_owned()),
        _ => None,
    }
}

fn usage() -> String {
    let lines = FLAGS.iter().map(|(name, takes, help)| format!("  -{name} {takes}\n    \t{help}\n"));
    format!("Usage:\n{}", lines.collect::<String>())
}

/// What does not fit together is refused as the original does it.
/// Flags that do not go together, or that goward does not have.
fn refuse_flags(given: &Given) -> Result<(), String> {
    for (name, what) in [("alts", "ALTS"), ("spiffe", "SPIFFE"), ("gzip", "compression")] {
        if given.is_on(name) {
            return Err(format!(
                "-{name} is not in goward's grpc_health_probe, which speaks no {what}; take the original"
            ));
        }
    }
    let (tls, no_verify) = (given.is_on("tls"), given.is_on("tls-no-verify"));
    for (name, given) in [
        ("tls-no-verify", no_verify),
        ("tls-ca-cert", given.text("tls-ca-cert").is_some()),
        ("tls-client-cert", given.text("tls-client-cert").is_some()),
        ("tls-server-name", given.text("tls-server-name").is_some()),
    ] {
        if given && !tls {
            return Err(format!("specified -{name} without specifying -tls"));
        }
    }
    if no_verify && given.text("tls-ca-cert").is_some() {
        return Err("cannot specify -tls-ca-cert with -tls-no-verify (CA cert would not be used)".to_owned());
    }
    if no_verify && given.text("tls-server-name").is_some() {
        return Err("cannot specify -tls-server-name with -tls-no-verify (server name would not be used)".to_owned());
    }
    if tls && !cfg!(feature = "tls") {
        return Err("-tls: this goward was built without TLS".to_owned());
    }
    Ok(())
}

fn probing(given: &Given) -> Result<Probing, String> {
    let address = given.text("addr").ok_or("-addr not specified")?;
    let (connect_timeout, rpc_timeout) = (timeout(given, "connect-timeout")?, timeout(given, "rpc-timeout")?);
    refuse_flags(given)?;
    let (tls, no_verify) = (given.is_on("tls"), given.is_on("tls-no-verify"));
    let identity = match (given.text("tls-client-cert"), given.text("tls-client-key")) {
        (Some(certificate), Some(key)) => Some((PathBuf::from(certificate), PathBuf::from(key))),
        (Some(_), None) => return Err("specified -tls-client-cert without specifying -tls-client-key".to_owned()),
        (None, Some(_)) => return Err("specified -tls-client-key without specifying -tls-client-cert".to_owned()),
        (None, None) => None,
    };
    // Without a CA of its own the original trusts those of the system.
    let system = || {
        SYSTEM_ROOTS
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .unwrap_or_else(|| PathBuf::from(SYSTEM_ROOTS[0]))
    };
    let ca = given.text("tls-ca-cert").map(PathBuf::from).or_else(|| tls.then(system)).filter(|_| !no_verify);
    let mut headers = vec![("User-Agent".to_owned(), given.text("user-agent").unwrap_or(NAME).to_owned())];
    for (_, text) in given.0.iter().filter(|(name, _)| *name == "rpc-header") {
        headers.push(http::header(text)?);
    }
    let scheme = if tls { "grpcs" } else { "grpc" };
    let target = Target::parse(&target(scheme, address, given.text("service").unwrap_or_default()))?;
    Ok(Probing {
        probe: Probe {
            headers,
            tls: Tls { ca, identity, server_name: given.text("tls-server-name").map(str::to_owned) },
            awaits_settings: true,
            ..Probe::of(target)
        },
        timeout: rpc_timeout,
        connect_timeout: Some(connect_timeout),
        wait: None,
        successes: 1,
        quiet: false,
        manner: Manner::GrpcHealthProbe { address: address.to_owned(), verbose: given.is_on("v") },
    })
}

/// gRPC's names for addresses: `unix:PATH`, `unix:///PATH`, `dns:///HOST:PORT`, `HOST:PORT`.
fn target(scheme: &str, address: &str, service: &str) -> String {
    if let Some(path) = address.strip_prefix("unix://").or_else(|| address.strip_prefix("unix:")) {
        return format!("{scheme}://unix:{path}:/{service}");
    }
    let address =
        address.strip_prefix("dns:///").or_else(|| address.strip_prefix("passthrough:///")).unwrap_or(address);
    format!("{scheme}://{address}/{service}")
}

fn timeout(given: &Given, name: &str) -> Result<Duration, String> {
    match given.last(name) {
        None => Ok(Duration::from_secs(1)),
        Some(text) => parse_duration(text)
            .ok()
            .filter(|time| !time.is_zero())
            .ok_or_else(|| format!("-{name} must be greater than zero (specified: {text})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Answered {
        let words: Vec<CString> = line.split_whitespace().map(|word| CString::new(word).unwrap()).collect();
        parse(&words)
    }

    fn good(line: &str) -> Probing {
        match of(line) {
            Ok(Personified::Probe(probing)) => *probing,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn flags_are_read_as_go_reads_them() {
        let probing = good("-addr=:5000 --service a.B -connect-timeout 250ms -rpc-timeout=2s -v=true -rpc-header=a:b");
        assert_eq!(probing.probe.target, Target::parse("grpc://:5000/a.B").unwrap());
        assert_eq!(
            (probing.timeout, probing.connect_timeout),
            (Duration::from_secs(2), Some(Duration::from_millis(250)))
        );
        assert_eq!(probing.probe.headers.last().unwrap(), &("a".to_owned(), "b".to_owned()));
        assert_eq!(probing.manner, Manner::GrpcHealthProbe { address: ":5000".to_owned(), verbose: true });
        assert_eq!(good("-addr unix:///run/a.sock").probe.target, Target::parse("grpc://unix:/run/a.sock:/").unwrap());
        assert_eq!(good("-addr unix:/run/a.sock").probe.target, Target::parse("grpc://unix:/run/a.sock:/").unwrap());
        assert_eq!(good("-addr dns:///db:1 -addr db:2").probe.target, Target::parse("grpc://db:2/").unwrap());
        assert_eq!(good("-v=false -addr :1 rest -addr :2").probe.target, Target::parse("grpc://:1/").unwrap());
    }

    #[test]
    fn what_is_wrong_is_refused_in_its_words() {
        for (line, said) in [
            ("", "error: -addr not specified\n"),
            ("-addr", "flag needs an argument: -addr\n"),
            ("-adr :1", "flag provided but not defined: -adr\n"),
            ("-v=maybe -addr :1", "invalid boolean value \"maybe\" for -v: parse error\n"),
            ("-addr :1 -connect-timeout 0s", "error: -connect-timeout must be greater than zero (specified: 0s)\n"),
            ("-addr :1 -tls-no-verify", "error: specified -tls-no-verify without specifying -tls\n"),
            ("-addr :1 -tls-client-key x", "error: specified -tls-client-key without specifying -tls-client-cert\n"),
            (
                "-addr :1 -tls -tls-client-cert x",
                "error: specified -tls-client-cert without specifying -tls-client-key\n",
            ),
            ("-addr :1 -tls -tls-no-verify -tls-ca-cert x", "cannot specify -tls-ca-cert with -tls-no-verify"),
            ("-addr :1 -alts", "-alts is not in goward's grpc_health_probe"),
            ("-addr :1 -spiffe", "-spiffe is not in goward's grpc_health_probe"),
            ("-h", "Usage:\n"),
        ] {
            match of(line) {
                Err(printed) => assert!(printed.stderr.contains(said) && printed.code == 1, "{line}: {printed:?}"),
                Ok(other) => panic!("{line}: {other:?}"),
            }
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn without_a_ca_of_its_own_it_trusts_those_of_the_system() {
        assert_eq!(good("-addr :1 -tls -tls-no-verify").probe.tls, Tls::default());
        assert_eq!(good("-addr :1 -tls -tls-ca-cert /ca").probe.tls.ca, Some(PathBuf::from("/ca")));
        assert!(
            good("-addr :1 -tls")
                .probe
                .tls
                .ca
                .is_some_and(|ca| SYSTEM_ROOTS.iter().any(|known| ca == PathBuf::from(known)))
        );
    }
}
