//! One dump in every form in which people have it: what collectors, exports, editors and web pages make of it. Each must be
//! read as the dump itself: goroutines, states, places, and how many dumps.

use goward::goroutines::Program;
use goward::goroutines::logs::LogReader;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A dump of tests/forms/main.go by SIGQUIT, and its profile with debug=2.
const BY_SIGNAL: &str = include_str!("../dumps/forms/signal.stderr");
const BY_PROFILE: &str = include_str!("../dumps/forms/debug2.stderr");

/// What is read out of a text: dumps, goroutines, places, and how many are in each state.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    dumps: usize,
    goroutines: u64,
    places: u64,
    states: BTreeMap<String, u64>,
}

fn read(bytes: &[u8]) -> Found {
    let mut found = Found { dumps: 0, goroutines: 0, places: 0, states: BTreeMap::new() };
    let mut count = |dump: goward::goroutines::logs::Dump| {
        found.dumps += 1;
        found.goroutines += dump.summary.user + dump.summary.system;
        for group in &dump.summary.groups {
            let creator = group.creator.iter().filter(|frame| frame.line > 0).count() as u64;
            let frames = group.frames.iter().filter(|frame| frame.line > 0).count() as u64;
            found.places += group.count * (creator + frames);
            *found.states.entry(group.state.clone()).or_default() += group.count;
        }
    };
    let mut reader = LogReader::new(&Program::default());
    bytes.chunks(701).for_each(|piece| reader.feed(piece, &mut count));
    reader.finish(&mut count);
    found
}

/// Words of a prefix that differ from line to line.
fn filled(prefix: &str, at: usize) -> String {
    let seconds = at / 40;
    let clock = format!("05:55:{:02}", 22 + seconds % 30);
    let nanos = format!("{:09}", (at * 7_919_113) % 1_000_000_000);
    prefix
        .replace("{t}", &format!("2026-11-23T{clock}.{nanos}Z"))
        .replace("{t0}", &format!("2026-11-23T{clock}.{}Z", nanos.trim_end_matches('0')).replace(".Z", "Z"))
        .replace("{t3}", &format!("2026-11-23T{clock}.{}Z", &nanos[..3]))
        .replace("{t6}", &format!("2026-11-23T{clock}.{}+00:00", &nanos[..6]))
        .replace("{ts}", &format!("2026-11-23T{clock}+0000"))
        .replace("{go}", &format!("2026/11/23 {clock}"))
        .replace("{sp}", &format!("2026-11-23 {clock}"))
        .replace("{sys}", &format!("Nov 23 {clock}"))
        .replace("{c}", &clock)
        .replace("{ms}", &nanos[..3])
        .replace("{us}", &nanos[..6])
        .replace("{n}", &(at + 17).to_string())
        .replace("{n5}", &format!("{:5}", at + 17))
        .replace("{unix}", &format!("17639157{:02}", 22 + seconds % 30))
}

/// Prefixes: each before every line.
const PREFIXES: &[(&str, &str)] = &[
    ("docker logs -t", "{t} "),
    ("docker logs -t, fractions of any length", "{t0} "),
    ("compose", "web-1  | "),
    ("compose, one blank", "web-1 | "),
    ("compose -t", "web-1  | {t} "),
    ("compose, coloured", "\u{1b}[36mweb-1  | \u{1b}[0m"),
    ("compose of old", "\u{1b}[33mweb_1      |\u{1b}[0m "),
    ("swarm", "web.1.k3x9q2v0m1n8@node-7    | "),
    ("swarm -t", "{t} web.1.k3x9q2v0m1n8@node-7    | "),
    ("podman --names", "web "),
    ("podman -t", "{t6} "),
    ("podman --color", "\u{1b}[34m1f2e3d4c5b6a \u{1b}[0m"),
    ("kubectl --prefix", "[pod/web-7d4b9-x2k/app] "),
    ("kubectl --prefix --timestamps", "[pod/web-7d4b9-x2k/app] {t} "),
    ("CRI", "{t} stderr F "),
    ("stern", "web-7d4b9-x2k app "),
    ("stern, coloured", "\u{1b}[36mweb-7d4b9-x2k\u{1b}[0m \u{1b}[36mapp\u{1b}[0m "),
    ("stern, namespaces", "default web-7d4b9-x2k › app "),
    ("kubetail", "[web-7d4b9-x2k] "),
    ("kubetail, coloured", "\u{1b}[1;32m[web-7d4b9-x2k app]\u{1b}[0m "),
    ("journald short", "{sys} host web[71]: "),
    ("journald short-precise", "{sys}.{us} host web[71]: "),
    ("journald short-iso", "{ts} host web[71]: "),
    ("journald short-iso-precise", "2026-11-23T{c}.{us}+00:00 host web[71]: "),
    ("journald short-full", "Mon 2026-11-23 {c} UTC host web[71]: "),
    ("journald short-monotonic", "[  812.{us}] host web[71]: "),
    ("journald short-delta", "[  812.{us} <    0.{us} >] host web[71]: "),
    ("journald short-unix", "{unix}.{us} host web[71]: "),
    ("journald with-unit", "Mon 2026-11-23 {c} UTC host web.service[71]: "),
    ("journald without a pid", "{sys} host web: "),
    ("multilog", "@4000000067450b1c2d{us} "),
    ("RFC 3164", "<30>{sys} host web[71]: "),
    ("RFC 5424", "<30>1 {t3} host web 71 - - "),
    ("RFC 5424 with data", "<30>1 {t6} host web 71 ID47 [meta@1 sequenceId=\"{n}\" x=\"y\"] "),
    ("syslog-ng", "{sys} host web: "),
    ("/var/log/messages", "{sys} host web[71]: "),
    ("docker's syslog driver", "{sys} host 1f2e3d4c5b6a[812]: "),
    ("Go's log", "{go} "),
    ("Go's log with microseconds", "{go}.{us} "),
    ("Go's log with a file", "{go} main.go:42: "),
    ("Go's log with a prefix", "{go} [web] "),
    ("Go's log, prefix before", "web: {go} "),
    ("klog", "E1123 {c}.{us}      71 main.go:42] "),
    ("hclog", "{t3} [ERROR] web: "),
    ("terraform", "{t3} [DEBUG] plugin.terraform-provider-web_v3.1.0: "),
    ("terraform, crash.log", "{go} [ERROR] web: "),
    ("zap console", "{t3}\tERROR\tweb\tmain.go:42\t"),
    ("zerolog console", "\u{1b}[90m5:55AM\u{1b}[0m \u{1b}[31mERR\u{1b}[0m "),
    ("logrus text", "ERRO[0012] "),
    ("log4j's look", "{sp},{ms} ERROR [main] web - "),
    ("GitHub Actions", "{t} "),
    ("gh run view --log", "build\tRun tests\t{t} "),
    ("GitLab CI", "{t6} 01E "),
    ("GitLab CI, plain", "\u{1b}[0;m"),
    ("Jenkins", "[{t3}] "),
    ("Jenkins, a branch", "[{t3}] [linux] "),
    ("Jenkins, clock", "{c}  "),
    ("CircleCI", "[{c}] "),
    ("Buildkite", "\u{1b}_bk;t=17639157220{n}\u{7}"),
    ("TeamCity", "[{c}] :\t [Step 1/1] "),
    ("Azure Pipelines", "{t} "),
    ("Drone", "[web:{n}] "),
    ("Tekton", "[build : test] "),
    ("Argo", "web-7d4b9: {t} "),
    ("Concourse", "{c} "),
    ("Heroku", "{t6} app[web.1]: "),
    ("Fly", "{t} app[148e29] lhr [info]"),
    ("Fly, a blank", "{t} app[148e29] lhr [info] "),
    ("Render", "{t3} [web-x2k] "),
    ("Cloud Foundry", "   {t6} [APP/PROC/WEB/0] ERR "),
    ("aws logs tail", "{t6} web/app/1f2e3d4c "),
    ("aws logs tail --format short", "2026-11-23T{c} "),
    ("ecs-cli", "1f2e3d4c-aaaa-bbbb-cccc-1234567890ab/web\t"),
    ("logcli", "{t} {app=\"web\", pod=\"web-7d4b9\"} "),
    ("Grafana's text", "{sp}.{ms}\t"),
    ("gcloud's text", "{t}  ERROR  web  "),
    ("Papertrail", "{sys} host web/app: "),
    ("grep -n", "{n}:"),
    ("grep -H", "web.log:"),
    ("grep -nH", "logs/web.log:{n}:"),
    ("cat -n", "{n5}\t"),
    ("less -N", "{n5} "),
    ("nl", "  {n}  "),
    ("a quote", "> "),
    ("a quote of a quote", ">> "),
    ("a quote, apart", "> > "),
    ("indented code", "    "),
    ("a list in Markdown", "      "),
    ("a tab before it", "\t"),
    ("diff", "+"),
    ("a comment", "// "),
    ("another comment", "# "),
    ("srun -l", "3: "),
    ("parallel --tag", "web-7\t"),
    ("foreman", "{c} web.1  | "),
    ("supervisord", "{sp},{ms} DEBG 'web' stderr output: "),
    ("pm2", "0|web      | "),
    ("Tilt", "     web │ "),
    ("Skaffold", "[web] "),
    ("Bazel's remote", "(05:55:22) [web] "),
    ("systemd on a console", "[  812.{us}] web[71]: "),
    ("Nomad", "{t3} [stderr] web: "),
    ("Vector", "{t}\tstderr\tweb\t"),
    ("minikube", "* "),
    ("a table in Markdown", "| "),
];

fn prefixed(dump: &str, prefix: &str) -> Vec<u8> {
    dump.lines().enumerate().flat_map(|(at, line)| format!("{}{line}\n", filled(prefix, at)).into_bytes()).collect()
}

fn each(dump: &str, mut line: impl FnMut(usize, &str) -> String) -> Vec<u8> {
    dump.lines().enumerate().flat_map(|(at, text)| (line(at, text) + "\n").into_bytes()).collect()
}

fn escaped(dump: &str) -> String {
    json!(dump).to_string()
}

fn csv(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// As YAML libraries write strings.
fn yaml(text: &str) -> String {
    if text.is_empty() {
        "''".to_owned()
    } else if text.contains(['\t', '"']) {
        json!(text).to_string()
    } else if text.ends_with(':') || text.contains(": ") || text.contains('#') || text.starts_with(['-', '{', '[', '.'])
    {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.to_owned()
    }
}

fn utf16(dump: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(dump.replace('\n', "\r\n").encode_utf16()).flat_map(bytes).collect()
}

/// As mail programs send it: no line is longer than 76.
fn quoted_printable(text: &str) -> String {
    let line = |line: &str| {
        let (mut encoded, mut length) = (String::new(), 0);
        for byte in line.bytes() {
            let one = if (b' '..=b'~').contains(&byte) && byte != b'=' || byte == b'\t' {
                char::from(byte).to_string()
            } else {
                format!("={byte:02X}")
            };
            if length + one.len() > 75 {
                encoded.push_str("=\n");
                length = 0;
            }
            length += one.len();
            encoded.push_str(&one);
        }
        encoded + "\n"
    };
    let lines: String = text.lines().map(line).collect();
    format!(
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nIt hangs =3D again:\n\n{lines}"
    )
}

/// As mail programs send it, in lines of 76.
fn base64(text: &str) -> String {
    base64_in_lines(text, 76)
}

fn base64_in_lines(text: &str, width: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for bytes in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(*bytes.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
            encoded.push(if at > bytes.len() { '=' } else { digit });
            if encoded.len() % (width + 1) == width {
                encoded.push('\n');
            }
        }
    }
    encoded.trim_end().to_owned() + "\n"
}

/// Mail of two parts, the first in base64.
fn mail_in_base64(text: &str) -> String {
    format!(
        "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Transfer-Encoding: base64\nContent-Type: text/plain\n\n{}\n--x\nContent-Type: text/html\n\n<p>It hangs.</p>\n--x--\n",
        base64(text)
    )
}

/// The lines from the last to the first.
fn from_the_end(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|b| *b == b'\n').rev();
    lines.flat_map(|line| [line, b"\n"].concat()).collect()
}

/// As docker's json-file has a line that is longer than 16 KiB.
fn in_pieces(line: &str) -> String {
    let pieces: Vec<&[u8]> = line.as_bytes().chunks(16 << 10).collect();
    let text = |at: usize, piece: &[u8]| {
        String::from_utf8_lossy(piece).into_owned() + if at + 1 == pieces.len() { "\n" } else { "" }
    };
    let record = |(at, piece): (usize, &&[u8])| json!({"log": text(at, piece), "stream": "stderr"}).to_string() + "\n";
    pieces.iter().enumerate().map(record).collect()
}

/// In a URL but for what is left as it is.
fn percent(text: &str, left: &str) -> String {
    let code = |byte: u8| match char::from(byte) {
        c if c.is_ascii_alphanumeric() || left.contains(c) => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(code).collect()
}

/// Every line broken at a column.
fn broken(text: &str, column: usize) -> String {
    let line = |line: &str| {
        line.as_bytes().chunks(column).map(|part| String::from_utf8_lossy(part) + "\n").collect::<String>()
    };
    text.lines().map(|text| if text.is_empty() { "\n".to_owned() } else { line(text) }).collect()
}

/// Every line broken at blanks, which go: a word that is longer than the column stays whole.
fn broken_at_blanks(text: &str, column: usize) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let mut width = 0;
        for (at, word) in line.split(' ').enumerate() {
            let apart = if at == 0 {
                ""
            } else if width + 1 + word.len() > column {
                "\n"
            } else {
                " "
            };
            width = if apart == "\n" { word.len() } else { width + apart.len() + word.len() };
            lines.push_str(apart);
            lines.push_str(word);
        }
        lines.push('\n');
    }
    lines
}

/// A string of YAML, broken between words and indented.
fn folded(dump: &str) -> String {
    let text = escaped(dump);
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width > 70 && !word.is_empty() {
            lines.push_str("\n          ");
            width = 0;
        } else if !lines.is_empty() {
            lines.push(' ');
        }
        lines.push_str(word);
        width += word.len() + 1;
    }
    lines
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;")
}

/// The forms that are more than a prefix.
fn others(dump: &str) -> Vec<(&'static str, Vec<u8>)> {
    let time = |at: usize| filled("{t}", at);
    let records = |record: &dyn Fn(usize, &str) -> Value| each(dump, |at, line| record(at, line).to_string());
    let list = |record: &dyn Fn(usize, &str) -> Value| -> Vec<Value> {
        dump.lines().enumerate().map(|(at, line)| record(at, line)).collect()
    };
    let text = |text: String| text.into_bytes();
    vec![
        ("as it is", text(dump.to_owned())),
        ("CRLF", text(dump.replace('\n', "\r\n"))),
        ("tabs are 8 blanks", text(dump.replace('\t', "        "))),
        ("tabs are 4 blanks", text(dump.replace('\t', "    "))),
        ("tabs are 2 blanks", text(dump.replace('\t', "  "))),
        ("tabs are gone", text(dump.replace('\t', ""))),
        ("#011", prefixed(&dump.replace('\t', "#011"), "{sys} host web[71]: ")),
        ("^I and $, cat -A", each(dump, |_, line| format!("{}$", line.replace('\t', "^I")))),
        ("no empty lines", text(dump.replace("\n\n", "\n"))),
        ("empty lines and tabs are gone, syslog", prefixed(&dump.replace("\n\n", "\n").replace('\t', ""), "{sys} host web: ")),
        ("blanks at the ends", each(dump, |_, line| format!("{line}  "))),
        ("a fence in Markdown", text(format!("It hangs:\n\n```text\n{dump}```\n\nWhy?\n"))),
        ("a fence in a list", each(&format!("```\n{dump}```"), |_, line| format!("   {line}"))),
        ("a quote without blanks", each(dump, |_, line| if line.is_empty() { ">".to_owned() } else { format!("> {line}") })),
        ("HTML", text(format!("<html><body><pre>{}</pre></body></html>\n", html(dump)))),
        ("HTML of one line", text(format!("<p>{}</p>\n", html(dump).replace('\n', "<br/>").replace('\t', "&nbsp;&nbsp;")))),
        ("HTML, a line in a tag", each(dump, |at, line| format!("<span id=\"L{at}\">{}</span>", html(line)))),
        ("colours", each(dump, |_, line| format!("\u{1b}[31m{line}\u{1b}[0m"))),
        ("non-breaking blanks", text(dump.replace('\t', "\u{a0}\u{a0}\u{a0}\u{a0}").replace("...", "\u{2026}"))),
        ("UTF-8 with a mark", text(format!("\u{feff}{dump}"))),
        ("UTF-16, little", utf16(dump, u16::to_le_bytes)),
        ("UTF-16, big", utf16(dump, u16::to_be_bytes)),
        ("CRI in parts", each(dump, |at, line| {
            let middle = line.len() / 2;
            let (one, two) = (line.get(..middle).unwrap_or(""), line.get(middle..).unwrap_or(line));
            format!("{} stderr P {one}\n{} stderr F {two}", time(at), time(at))
        })),
        ("docker's json-file", records(&|at, line| json!({"log": format!("{line}\n"), "stream": "stderr", "time": time(at)}))),
        ("fluent-bit", records(&|at, line| json!({"time": time(at), "log": line, "kubernetes": {"pod_name": "web-7"}}))),
        ("ELK", records(&|at, line| json!({"@timestamp": time(at), "message": line, "agent": {"id": "x"}, "host": {"name": "h"}}))),
        ("journalctl -o json", records(&|at, line| {
            json!({"__CURSOR": format!("s=1;i={at:x}"), "_PID": "71", "MESSAGE": line, "__REALTIME_TIMESTAMP": at.to_string()})
        })),
        ("journalctl -o json, bytes", records(&|at, line| {
            json!({"_PID": "71", "MESSAGE": format!("\u{1b}[31m{line}\u{1b}[0m").into_bytes(), "__MONOTONIC_TIMESTAMP": at.to_string()})
        })),
        ("journalctl -o json-pretty", each(dump, |at, line| {
            serde_json::to_string_pretty(&json!({"MESSAGE": line, "_PID": "71", "__REALTIME_TIMESTAMP": at.to_string()})).unwrap()
        })),
        ("journalctl -o json-seq", each(dump, |_, line| format!("\u{1e}{}", json!({"_PID": "71", "MESSAGE": line})))),
        ("journalctl -o json-sse", each(dump, |_, line| format!("data: {}\n", json!({"_PID": "71", "MESSAGE": line})))),
        ("journalctl -o verbose", each(dump, |at, line| {
            format!("Mon 2026-11-23 05:55:22.{at:06} UTC [s=1;i={at:x}]\n    _PID=71\n    PRIORITY=6\n    MESSAGE={line}\n    _UID=0")
        })),
        ("journalctl -o export", each(dump, |at, line| format!("__CURSOR=s=1;i={at:x}\nMESSAGE={line}\n_PID=71\n"))),
        ("journalctl -o export, bytes", dump.lines().flat_map(|line| exported("_PID=71\n", line)).collect()),
        ("mail in quoted-printable", text(quoted_printable(dump))),
        ("quoted mail in quoted-printable", text(quoted_printable(&String::from_utf8(prefixed(dump, "> ")).unwrap()))),
        ("mail in base64", text(mail_in_base64(dump))),
        ("mail in base64 with CRLF", text(mail_in_base64(&dump.replace('\n', "\r\n")).replace('\n', "\r\n"))),
        ("base64 without a head", text(format!("It hangs:\n\n{}\nWhy?\n", base64(dump)))),
        ("base64 in one line", text(base64(dump).replace('\n', "") + "\n")),
        ("base64 in lines of 64", text(base64_in_lines(&format!("2026/11/23 05:55:22 the server is told to stop\n{dump}"), 64))),
        ("a URL", text(format!("10.0.0.7 - - \"GET /report?id=7&stack={}&n=1 HTTP/1.1\" 200 -\n", percent(dump, "-_.~")))),
        ("a URL by encodeURI", text(format!("https://example.com/?q={}\n", percent(dump, ";,/?:@&=+$#-_.!~*'()").replace('&', "%26")))),
        ("a form's data", text(format!("id=7&stack={}&n=1\n", percent(dump, "-_. ").replace(' ', "+")))),
        ("a URL in JSON", text(json!({"status": 200, "uri": format!("/report?stack={}", percent(dump, "-_.~/"))}).to_string() + "\n")),
        ("80 columns", text(broken(dump, 80))),
        ("72 columns", text(broken(dump, 72))),
        ("80 columns, CRLF", text(broken(dump, 80).replace('\n', "\r\n"))),
        ("80 columns and tabs of 8 blanks", text(broken(&dump.replace('\t', "        "), 80))),
        ("80 columns, tabs are gone", text(broken(&dump.replace('\t', ""), 80))),
        ("78 columns, at blanks", text(broken_at_blanks(dump, 78))),
        ("a quote of 80 columns", prefixed(&broken(dump, 78), "> ")),
        ("docker logs -t in a terminal", text(broken(&String::from_utf8(prefixed(dump, "{t} ")).unwrap(), 100))),
        ("compose in a terminal", text(broken(&String::from_utf8(prefixed(dump, "web-1  | ")).unwrap(), 80))),
        ("go test -json", records(&|at, line| {
            json!({"Time": time(at), "Action": "output", "Package": "shop", "Test": "TestA", "Output": format!("{line}\n")})
        })),
        ("GCP, a list", text(serde_json::to_string_pretty(&list(&|at, line| {
            json!({"insertId": format!("i{at}"), "resource": {"labels": {"pod_name": "web-7"}}, "textPayload": line, "timestamp": time(at)})
        })).unwrap())),
        ("GCP, the newest first", text(serde_json::to_string_pretty(&list(&|at, line| {
            json!({"jsonPayload": {"message": line}, "timestamp": time(at)})
        }).into_iter().rev().collect::<Vec<_>>()).unwrap())),
        ("gcloud's YAML", each(dump, |at, line| {
            format!("---\ninsertId: i{at}\nlogName: projects/p/logs/stderr\ntextPayload: {}\ntimestamp: '{}'", yaml(line), time(at))
        })),
        ("gcloud's YAML with a resource", each(dump, |at, line| {
            format!(
                "---\ninsertId: i{at}\nlogName: projects/p/logs/stderr\nreceiveTimestamp: '{}'\nresource:\n  labels:\n    pod_name: web-7\n  type: k8s_container\nseverity: ERROR\ntextPayload: {}\ntimestamp: '{}'",
                time(at), yaml(line), time(at)
            )
        })),
        ("gcloud's YAML, one entry", text(format!(
            "---\ninsertId: i1\njsonPayload:\n  message: |-\n{}resource:\n  labels:\n    pod_name: web-7\n---\ninsertId: i2\ntextPayload: bye\n",
            String::from_utf8_lossy(&each(dump, |_, line| format!("    {line}")))
        ))),
        ("HTML, a table with numbers", each(dump, |at, line| {
            format!("<tr><td class=\"n\">{}</td><td><span>{}</span></td></tr>", at + 1, html(line))
        })),
        ("the newest first", from_the_end(dump.as_bytes())),
        ("journalctl -r", from_the_end(&prefixed(dump, "{sys} host web[71]: "))),
        ("compose, the newest first", from_the_end(&prefixed(dump, "web-1  | {t} "))),
        ("no empty lines, the newest first", from_the_end(dump.replace("\n\n", "\n").as_bytes())),
        ("docker's json-file, the newest first", from_the_end(&records(&|at, line| {
            json!({"log": format!("{line}\n"), "stream": "stderr", "time": time(at)})
        }))),
        ("logcli -o jsonl, the newest first", from_the_end(&records(&|at, line| {
            json!({"labels": {"pod": "web-7"}, "line": line, "timestamp": time(at)})
        }))),
        ("Logs Insights, the newest first", text(serde_json::to_string_pretty(&json!({"status": "Complete", "results":
            list(&|at, line| json!([{"field": "@timestamp", "value": time(at)}, {"field": "@message", "value": line},
                {"field": "@ptr", "value": format!("Cm{at}")}])).into_iter().rev().collect::<Vec<_>>()})).unwrap())),
        ("Logs Insights", text(json!({"results": list(&|at, line| json!([{"field": "@ptr", "value": format!("Cm{at}")},
            {"field": "@message", "value": line}]))}).to_string() + "\n")),
        ("Logstash with the original", records(&|at, line| {
            json!({"@timestamp": time(at), "message": line, "event": {"original": format!("{} {line}", time(at))}})
        })),
        ("Kibana's _source and fields", text(json!({"hits": list(&|at, line| {
            json!({"_id": format!("x{at}"), "_source": {"message": line}, "fields": {"message": [line]}})
        })}).to_string() + "\n")),
        ("Ansible's stderr and its lines", text(json!({"stderr": dump.trim_end(), "stderr_lines": dump.lines().collect::<Vec<_>>()})
            .to_string() + "\n")),
        ("a stack in two fields", text(json!({"error": {"stack": dump}, "message": format!("hung:\n{dump}")}).to_string() + "\n")),
        ("syslog over TCP, with lengths", each(dump, |at, line| {
            let message = format!("<40>1 {} host app web.3 - {line}", time(at));
            format!("{} {message}", message.len())
        })),
        ("go test -json behind a time", each(dump, |at, line| {
            format!("{} {}", time(at), json!({"Action": "output", "Package": "p", "Output": format!("{line}\n")}))
        })),
        ("docker's json-file behind a prefix", each(dump, |_, line| format!("web-1  | {}", json!({"log": format!("{line}\n")})))),
        ("a list of strings in one line", text(json!(dump.lines().collect::<Vec<_>>()).to_string() + "\n")),
        ("docker's json-file, a line in pieces", text(in_pieces(&json!({"msg": "hung", "stack": dump}).to_string()))),
        ("CSV of one column", each(&format!("text_payload\n{dump}"), |_, line| csv(line))),
        ("CSV of one column, all in quotes", each(dump, |_, line| format!("\"{}\"", line.replace('"', "\"\"")))),
        ("AWS events", text(json!({"events": list(&|at, line| json!({"timestamp": 1_763_915_722_000u64 + at as u64, "message": line})),
            "nextForwardToken": "f/1"}).to_string())),
        ("AWS events as text", each(dump, |at, line| format!("EVENTS\t{}\t{line}\t{}", 1_763_915_722_000u64 + at as u64, 1_763_915_723_000u64))),
        ("Loki's answer, the newest first", text(json!({"status": "success", "data": {"resultType": "streams", "result": [{
            "stream": {"app": "web"}, "values": list(&|at, line| json!([format!("17639157220000{at:05}"), line])).into_iter().rev().collect::<Vec<_>>()}]}}).to_string())),
        ("logcli -o jsonl", records(&|at, line| json!({"labels": {"pod": "web-7"}, "line": line, "timestamp": time(at)}))),
        ("Grafana's JSON", text(serde_json::to_string_pretty(&list(&|at, line| json!({"line": line, "timestamp": time(at), "fields": {"pod": "web-7"}}))).unwrap())),
        ("an answer of Elasticsearch", text(json!({"hits": {"hits": list(&|at, line| json!({"_id": format!("x{at}"), "_source": {"@timestamp": time(at), "message": line}}))}}).to_string())),
        ("CSV, a row for each line", each(&format!("Time,Line\n{dump}"), |at, line| format!("{},{}", time(at), csv(line)))),
        ("CSV, all in quotes", each(dump, |at, line| format!("\"{}\",\"{}\",\"stderr\"", time(at), line.replace('"', "\"\"")))),
        ("CSV, one field", text(format!("time,message\n2026-11-23T05:55:22Z,{}\n", csv(dump)))),
        ("logfmt, a line in a field", each(dump, |at, line| {
            let quoted = line.is_empty() || line.contains([' ', '\t', '"', '=']);
            format!("time={} level=error msg={}", time(at), if quoted { json!(line).to_string() } else { line.to_owned() })
        })),
        ("logrus, one field", text(format!("time=\"2026-11-23T05:55:22Z\" level=error msg={}\n", escaped(dump)))),
        ("logrus, words before it", text(format!("time=\"2026-11-23T05:55:22Z\" level=info msg={}\n", escaped(&format!("=== BEGIN ===\n{dump}"))))),
        ("zap, one field", text(json!({"level": "error", "ts": 1.5, "msg": "hung", "stack": dump}).to_string() + "\n")),
        ("slog's text", text(format!("time=2026-11-23T05:55:22.1Z level=ERROR msg=hung stack={}\n", escaped(dump)))),
        ("JSON in JSON", text(json!({"log": json!({"msg": "hung", "stack": dump}).to_string() + "\n", "stream": "stderr"}).to_string() + "\n")),
        ("JSON behind a prefix", text(format!("web-1  | {}\n", json!({"msg": "hung", "stack": dump})))),
        ("a line in JSON behind a prefix", each(dump, |at, line| format!("{} {}", time(at), json!({"level": "error", "msg": line})))),
        ("pod status, JSON", text(serde_json::to_string_pretty(&json!({"status": {"containerStatuses": [{"name": "web",
            "lastState": {"terminated": {"exitCode": 2, "message": dump}}}]}})).unwrap())),
        ("pod status, YAML", text(format!("status:\n  containerStatuses:\n  - lastState:\n      terminated:\n        message: {}\n        reason: Error\n", escaped(dump)))),
        ("pod status, YAML, folded", text(format!("status:\n  - lastState:\n      terminated:\n        message: {}\n        reason: Error\n", folded(dump)))),
        ("YAML, a block", text(format!("message: |\n{}reason: Error\n", String::from_utf8_lossy(&each(dump, |_, line| format!("    {line}")))))),
        ("kubectl describe", text(format!("    Last State:     Terminated\n      Reason:       Error\n      Message:      {dump}\n      Exit Code:    2\n"))),
        ("escaped, no quotes", text(format!("stack: {}\n", escaped(dump).trim_matches('"').replace("\\\"", "\"")))),
        ("escaped twice", text(format!("stack={}\n", json!(escaped(dump))))),
        ("bytes of Python", text(format!("b'{}'\n", escaped(dump).trim_matches('"').replace("\\\"", "\"")))),
        ("#012, one line of syslog", text(format!("Nov 23 05:55:22 host web[71]: {}\n", dump.replace('\n', "#012").replace('\t', "#011")))),
        ("%0A, an annotation of GitHub", text(format!("::error::{}\n", dump.replace('\n', "%0A")))),
        ("klog, only the first line", text(format!("E1123 05:55:22.123456      71 main.go:42] {dump}"))),
        ("Go's log, only the first line", text(format!("2026/11/23 05:55:22 recovered: {dump}"))),
        ("compose and klog", prefixed(&format!("E1123 05:55:22.123456      71 main.go:42] {dump}"), "web-1  | ")),
        ("t.Log", each(dump, |at, line| if at == 0 { format!("    main_test.go:12: {line}") } else { format!("        {line}") })),
        ("grep -n -A", each(dump, |at, line| if line.starts_with("goroutine ") { format!("{}:{line}", at + 9) } else { format!("{}-{line}", at + 9) })),
        ("grep -A of a file", each(dump, |_, line| if line.starts_with("goroutine ") { format!("web.log:{line}") } else { format!("web.log-{line}") })),
        ("two log lines between", each(dump, |at, line| if at % 9 == 4 { format!("{line}\n{} GET / 200\n{{\"msg\":\"tick\"}}", filled("{go}", at)) } else { line.to_owned() })),
        ("another service between", each(dump, |at, line| format!("web-1  | {line}\ndb-1   | query {at} took 3 ms"))),
    ]
}

#[test]
fn every_form_is_read_as_the_dump_itself() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, dump) in [("signal", BY_SIGNAL), ("profile", BY_PROFILE)] {
        let plain = read(dump.as_bytes());
        assert!(plain.dumps == 1 && plain.goroutines > 10 && plain.places > 40, "{plain:?}");
        let prefixes = PREFIXES.iter().map(|(form, prefix)| (*form, prefixed(dump, prefix)));
        for (form, text) in prefixes.chain(others(dump)) {
            count += 1;
            let found = read(&text);
            // What was told by its first line loses that in some forms, but never a goroutine.
            if found != plain {
                wrong.push(format!(
                    "{name}, {form}: {} dumps, {} goroutines, {} places",
                    found.dumps, found.goroutines, found.places
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Two processes, their lines by turns: what tells them apart is the container, the pod or the process in the prefix.
#[test]
fn two_processes_are_never_mixed() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let one = read(BY_PROFILE.as_bytes());
    for (form, prefix) in PREFIXES {
        let names = [
            ("web", "cart"),
            ("[71]", "[72]"),
            (" 71 ", " 72 "),
            ("    71 ", "    72 "),
            ("148e29", "9f01ab"),
            ("1f2e3d4c", "aa01bb02"),
            ("3: ", "4: "),
        ];
        let Some((name, other)) = names.iter().find(|(name, _)| prefix.contains(name)) else { continue };
        count += 1;
        let second = prefix.replace(name, other);
        let lines = BY_PROFILE.lines().enumerate();
        let text: String = lines
            .map(|(at, line)| format!("{}{line}\n{}{line}\n", filled(prefix, 2 * at), filled(&second, 2 * at + 1)))
            .collect();
        let found = read(text.as_bytes());
        if found.dumps != 2 || found.goroutines != 2 * one.goroutines || found.places != 2 * one.places {
            wrong.push(format!(
                "{form}: {} dumps, {} goroutines, {} places",
                found.dumps, found.goroutines, found.places
            ));
        }
    }
    assert!(count > 50 && wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The same from the end, and lines of both.
#[test]
fn two_processes_are_never_mixed_in_reverse_order() {
    let one = read(BY_PROFILE.as_bytes());
    for (web, cart) in [("{sys} host web[71]: ", "{sys} host web[72]: "), ("web-1  | ", "cart-1 | ")] {
        let lines = BY_PROFILE.lines().enumerate();
        let text: String =
            lines.map(|(at, line)| format!("{}{line}\n{}{line}\n", filled(web, at), filled(cart, at))).collect();
        let found = read(&from_the_end(text.as_bytes()));
        assert_eq!((found.dumps, found.goroutines, found.places), (2, 2 * one.goroutines, 2 * one.places), "{web}");
    }
}

/// A record of the journal's export, whose message is written with its length.
fn exported(fields: &str, line: &str) -> Vec<u8> {
    let length = (line.len() as u64).to_le_bytes();
    [b"__CURSOR=s=1\nMESSAGE\n", &length[..], line.as_bytes(), b"\n", fields.as_bytes(), b"\n"].concat()
}

/// The same in the journal's own records of several lines, where the process comes before the message or after it.
#[test]
fn two_processes_in_records_are_never_mixed() {
    let one = read(BY_PROFILE.as_bytes());
    type Record = fn(&str, u32) -> Vec<u8>;
    let records: &[Record] = &[
        |line, pid| {
            format!("Mon 2026-11-23 05:55:22.1 UTC [s=1;i=2]\n    _PID={pid}\n    MESSAGE={line}\n    _UID=0\n").into()
        },
        |line, pid| format!("__CURSOR=s=1;i=2\nMESSAGE={line}\n_PID={pid}\nSYSLOG_IDENTIFIER=web\n\n").into(),
        |line, pid| exported(&format!("_PID={pid}\n"), line),
    ];
    for record in records {
        let text: Vec<u8> = BY_PROFILE.lines().flat_map(|line| [record(line, 71), record(line, 72)].concat()).collect();
        let found = read(&text);
        let shown = String::from_utf8_lossy(&record("", 71)).into_owned();
        assert_eq!((found.dumps, found.goroutines, found.places), (2, 2 * one.goroutines, 2 * one.places), "{shown}");
    }
}

/// The same in records of JSON, whose other fields tell.
#[test]
fn two_processes_in_json_are_never_mixed() {
    let one = read(BY_PROFILE.as_bytes());
    type Record = fn(&str, u32) -> Value;
    let records: &[Record] = &[
        |line, of| json!({"log": line, "kubernetes": {"pod_name": format!("web-{of}")}}),
        |line, of| json!({"MESSAGE": line, "_PID": format!("7{of}"), "__CURSOR": line.len().to_string()}),
        |line, of| json!({"Action": "output", "Package": format!("shop/{of}"), "Output": format!("{line}\n")}),
        |line, of| json!({"textPayload": line, "resource": {"labels": {"container_name": format!("c{of}")}}}),
        |line, of| json!({"line": line, "labels": {"app": format!("a{of}")}}),
    ];
    for record in records {
        let text: String =
            BY_PROFILE.lines().map(|line| format!("{}\n{}\n", record(line, 1), record(line, 2))).collect();
        let found = read(text.as_bytes());
        assert_eq!(
            (found.dumps, found.goroutines, found.places),
            (2, 2 * one.goroutines, 2 * one.places),
            "{}",
            record("", 1)
        );
    }
}
