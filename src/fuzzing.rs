//! Every parser of bytes that somebody else may have written, each as one function that takes bytes and asserts what must
//! hold of the answer. The fuzz targets in fuzz/ and the test of growth call these; the program has none of this.

// A failed assertion is what the fuzzer looks for.
#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, missing_docs)]

#[cfg(test)]
mod growth;

use crate::commands::Invocation;
use crate::config::Probe;
use crate::elf::Elf;
use crate::goroutines::logs::{Dump, LogReader};
use crate::goroutines::{Output, Program, Reader, Style, Summary};
use crate::http::Response;
use crate::probe::{self, Outcome};
use crate::target::Target;
use crate::{buildinfo, cli, commands, exec, goenv, init, privilege, signal, spawn, supervisor, sys};
use std::cell::Cell;
use std::ffi::CString;
use std::path::Path;

/// The first byte, by which a target chooses, and the rest.
fn chosen(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// The pieces in which the bytes come: sizes from 1, which the first byte chooses; 0 is all at once.
fn pieces(choice: u8, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut turn = 0usize;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        turn += 1;
        let size = match choice {
            0 => rest.len(),
            // Sizes that differ, so that every kind of cut comes up.
            _ => 1 + (usize::from(choice) * turn) % 61,
        };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        Some(piece)
    })
}

/// Texts with a NUL between them; what is missing is empty.
fn texts<const N: usize>(data: &[u8]) -> [String; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned())
}

/// What nobody's text may do to a terminal or a log.
fn is_clean(text: &str) -> bool {
    text.chars().all(|c| !c.is_control() || c == '\n')
}

// What PID 1 feeds.

/// What a reader of dumps gives away.
#[derive(Default)]
struct Seen {
    passed: Vec<u8>,
    dumped: Vec<u8>,
    shown: usize,
}

impl Output for Seen {
    fn pass(&mut self, bytes: &[u8]) {
        self.passed.extend_from_slice(bytes);
    }

    fn dump(&mut self, bytes: &[u8]) {
        self.dumped.extend_from_slice(bytes);
    }

    fn ended(&mut self, summary: Summary) {
        let findings = crate::goroutines::diagnose(&summary, &Program::default());
        self.shown += crate::goroutines::table(&summary, &findings, &Style::default()).len();
        let text = crate::goroutines::json(&summary, &findings, true);
        assert!(crate::json::Value::read(&text).is_some(), "no JSON: {text}");
    }
}

/// A server's stderr: no byte is lost, whatever comes and however it is cut.
pub fn dump(data: &[u8]) {
    let (choice, bytes) = chosen(data);
    let mut seen = Seen::default();
    let mut reader = Reader::new(Program::default());
    for (turn, piece) in pieces(choice & 0x7f, bytes).enumerate() {
        reader.feed(piece, &mut seen);
        if choice & 0x80 != 0 && turn % 7 == 6 {
            reader.quiet(&mut seen);
        }
    }
    reader.finish(&mut seen);
    assert!(crate::goroutines::is_split_of(&seen.passed, &seen.dumped, bytes), "bytes were lost, changed or moved");
}

/// The datagrams of sd_notify(3).
pub fn notify(data: &[u8]) {
    for said in init::notify::parse(data) {
        if let init::notify::Notification::Status(text) = said {
            assert!(is_clean(&text) && !text.contains('\n') && text.len() <= 4 * 200, "{text:?}");
        }
    }
}

/// An answer of HTTP/1: status, body, where it ends and what is wrong with it are the same, however it is cut.
pub fn http(data: &[u8]) {
    let (choice, bytes) = chosen(data);
    let method = if choice & 1 == 0 { "GET" } else { "HEAD" };
    let whole = answer(method, 0, bytes);
    assert_eq!(answer(method, choice >> 1, bytes), whole, "another answer in other pieces");
    assert!(whole.4 <= bytes.len());
}

/// Status, body, whether it is whole, whether the connection is kept, how much was taken; and the error.
type Answer = (Option<u16>, Vec<u8>, bool, bool, usize, Option<&'static str>);

fn answer(method: &str, choice: u8, bytes: &[u8]) -> Answer {
    let mut response = Response::to(method);
    let (mut body, mut used) = (Vec::new(), 0);
    for piece in pieces(choice, bytes) {
        match response.feed(piece, &mut |part| body.extend_from_slice(part)) {
            Ok(count) => used += count,
            Err(why) => return (None, Vec::new(), false, false, 0, Some(why)),
        }
        if response.is_whole() {
            break;
        }
    }
    response.closed();
    (response.status(), body, response.is_whole(), response.keeps(), used, None)
}

/// The same as a probe sees it: one outcome, however it is cut; nothing in it that a terminal would obey.
pub fn probe_http(data: &[u8]) {
    let (choice, bytes) = chosen(data);
    let url = crate::target::Url::parse("http://localhost:80/").expect("a URL");
    let target = Target::Http(url.clone());
    let body = (choice & 1 != 0).then(|| "ready".to_owned());
    let probe = Probe { body, ..Probe::of(target) };
    let run = |choice: u8| -> Outcome {
        let mut http = probe::http::Http::new(&probe, &url);
        pieces(choice, bytes).find_map(|piece| http.feed(piece)).unwrap_or_else(|| http.closed())
    };
    let (whole, cut) = (run(0), run(choice >> 1));
    // How much of a long body is looked at depends on where it is cut; the verdict of a short one does not.
    assert!(bytes.len() > probe::OUTPUT || whole == cut, "{whole:?} or {cut:?}");
    assert!(!whole.well || bytes.starts_with(b"HTTP/1."));
    assert!(is_clean(&whole.text), "{:?}", whole.text);
}

/// A gRPC server's answer: frames of HTTP/2, header fields, the message.
pub fn probe_grpc(data: &[u8]) {
    let (choice, bytes) = chosen(data);
    let run = |choice: u8| {
        let mut call = probe::grpc::Call::new("localhost:1", "a.Service", false, &[]);
        let asked = call.out.len();
        let answer = pieces(choice, bytes).find_map(|piece| call.feed(piece)).unwrap_or_else(|| Err(call.closed()));
        assert!(call.out.len() - asked <= 2 * bytes.len(), "it answers with more than it was sent");
        answer
    };
    let (whole, cut) = (run(0), run(choice));
    assert_eq!(whole, cut, "another answer in other pieces");
    if let Err(why) = whole {
        assert!(is_clean(&why) && why.len() < 4096, "{why:?}");
    }
}

/// Header fields of HTTP/2.
pub fn hpack(data: &[u8]) {
    let expanded = |bytes: &[u8]| bytes.len() * 8 / 5 + 1;
    if let Some(fields) = probe::hpack::fields(data) {
        let length: usize = fields.iter().map(|(name, value)| name.len().max(7) - 7 + value.len()).sum();
        // A field of the static table is longer than the byte that names it.
        assert!(length <= expanded(data) + 5 * fields.len());
    }
    if let Some(text) = probe::hpack::huffman(data) {
        assert!(text.len() <= expanded(data));
    }
}

/// `/proc/PID/stat`: a process chooses its name itself.
pub fn proc_stat(data: &[u8]) {
    if let Some(process) = sys::process::parse_stat(data) {
        assert!(process.name.len() <= 3 * data.len());
    }
}

/// `--user`, /etc/passwd and /etc/group.
pub fn accounts(data: &[u8]) {
    use privilege::accounts::{Accounts, Groups, resolve};
    let [spec, passwd, group] = texts::<3>(data);
    let named = Groups::Named(spec.split(',').map(str::to_owned).collect());
    let accounts = Accounts { passwd: Ok(passwd), group: Ok(group), given: vec![4, 5] };
    for groups in [Groups::Usual, named] {
        let Ok((identity, _)) = resolve(&spec, &groups, &accounts) else { continue };
        // "No change" to the kernel.
        assert!(identity.uid != u32::MAX && identity.gid != u32::MAX && !identity.groups.contains(&u32::MAX));
        assert!(!identity.home.is_empty() && !identity.name.is_empty());
    }
}

fn read_at(bytes: &[u8], read: &Cell<usize>, offset: u64, buffer: &mut [u8]) -> bool {
    read.set(read.get() + buffer.len());
    let part = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)?.get(..buffer.len()));
    part.map(|part| buffer.copy_from_slice(part)).is_some()
}

/// The server's file: headers, libraries, and what Go's linker wrote.
pub fn elf(data: &[u8]) {
    let read = Cell::new(0);
    let mut read_at = |offset: u64, buffer: &mut [u8]| read_at(data, &read, offset, buffer);
    let Some(elf) = Elf::read(&mut read_at) else { return };
    let _ = (elf.interpreter(&mut read_at), elf.end(), elf.offset_of(elf.end()));
    let crate::elf::Libraries { needed, paths, .. } = elf.libraries(&mut read_at);
    assert!(needed.iter().chain(&paths).map(String::len).sum::<usize>() <= 64 << 20);
    if let Some(build) = buildinfo::of(&elf, &mut read_at) {
        let _ = (build.stamps(), goenv::needs_gomaxprocs(&build));
    }
    // Nothing is read again and again.
    assert!(read.get() <= 64 << 20, "{} bytes were read of {}", read.get(), data.len());
}

/// Why the kernel would not start a file: its beginning, a script's first line.
pub fn exec_head(data: &[u8]) {
    let (choice, data) = chosen(data);
    let at = |_: &str| match choice & 3 {
        0 => exec::There::Nothing,
        1 => exec::There::NotExecutable,
        _ => exec::There::Something,
    };
    let read = Cell::new(0);
    let mut read_at = |offset: u64, buffer: &mut [u8]| read_at(data, &read, offset, buffer);
    let Some(head) = exec::head(data.len() as u64, &mut read_at) else { return };
    let machine = exec::machine_in(&head).unwrap_or(exec::MACHINE);
    for machine in [machine, exec::MACHINE] {
        let trouble = exec::trouble(&head, data.len() as u64, &mut read_at, machine, &at);
        assert!(trouble.is_none_or(|trouble| !trouble.to_string().is_empty()));
    }
    let _ = exec::script_interpreter(&head);
}

/// `/proc/self/mountinfo`, as proc_pid_mountinfo(5) has it.
pub fn mountinfo(data: &[u8]) {
    let [path, mounts] = texts::<2>(data);
    let _ = spawn::explain::is_noexec(Path::new(&path), &mounts);
}

/// `/proc/self/cgroup`, and the limits and counters of control groups.
pub fn cgroup(data: &[u8]) {
    let [groups, file, status] = texts::<3>(data);
    let _ = init::oom::parse(&file);
    for path in init::oom::candidates(&groups) {
        assert!(path.starts_with("/sys/fs/cgroup"));
    }
    let asked = Cell::new(0);
    let read = |path: &str| {
        asked.set(asked.get() + 1);
        Some(match path {
            "/proc/self/cgroup" => groups.clone(),
            "/proc/self/status" => status.clone(),
            _ => file.clone(),
        })
    };
    let build = buildinfo::BuildInfo { go: "go1.24".to_owned(), ..buildinfo::BuildInfo::default() };
    let variables = goenv::variables(Some(&build), &|_| false, &read);
    assert!(asked.get() < 1000 && variables.iter().any(|(name, _)| *name == "GOTRACEBACK"));
    let _ = crate::client::encloses(&groups, &file);
}

/// A target of a probe, and a duration, a signal, a restart policy: the small languages of options.
pub fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(target) = Target::parse(&text)
        && !matches!(target, Target::Command(_))
    {
        let shown = target.to_string();
        assert_eq!(Target::parse(&shown).map(|again| again.to_string()), Ok(shown), "{text:?}");
    }
    let _ = crate::config::parse_duration(&text);
    let _ = supervisor::Restart::parse(&text);
    let _ = sys::capability::Capability::parse(&text);
    if let Ok(signal) = signal::Signal::parse(&text) {
        assert!((1..=64).contains(&signal.number()));
    }
}

/// The command line and the environment, by whatever name: words with a NUL between them; what begins with 0x01 is a
/// variable.
pub fn options(data: &[u8]) {
    let (variables, words): (Vec<&[u8]>, Vec<&[u8]>) =
        data.split(|byte| *byte == 0).partition(|word| word.starts_with(&[1]));
    let argv: Vec<CString> = words.into_iter().filter_map(|word| CString::new(word).ok()).collect();
    let variables: Vec<(String, String)> = variables
        .into_iter()
        .filter_map(|variable| {
            let text = String::from_utf8_lossy(variable.get(1..)?).into_owned();
            text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        })
        .collect();
    let env = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let ours: Vec<String> =
        variables.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with(cli::PREFIX)).collect();
    match commands::parse(&argv, &env, &ours) {
        Invocation::Run(settings) => assert!(!settings.argv.is_empty()),
        Invocation::Say { stdout, stderr, code, .. } => {
            assert!(code == 0 || !stderr.is_empty() || !stdout.is_empty(), "it fails without a word: {argv:?}");
        }
        #[cfg(feature = "rehearse")]
        Invocation::Rehearse(_) => {}
        #[cfg(feature = "check")]
        Invocation::Check(_) => {}
        Invocation::Probe(_)
        | Invocation::Status(_)
        | Invocation::Dump(_)
        | Invocation::Goroutines(_)
        | Invocation::Order(_)
        | Invocation::Pause => {}
    }
}

// What commands feed.

/// `goward goroutines`: prefixes of logs, dumps in them, tables and JSON of what was found.
pub fn goroutines(data: &[u8]) {
    let (choice, bytes) = chosen(data);
    let read = |choice: u8| {
        let mut shown = String::new();
        let mut show = |dump: Dump| {
            let findings = crate::goroutines::diagnose(&dump.summary, &Program::default());
            shown.push_str(&crate::goroutines::json(&dump.summary, &findings, true));
        };
        let mut reader = LogReader::new(&Program::default());
        pieces(choice, bytes).for_each(|piece| reader.feed(piece, &mut show));
        reader.finish(&mut show);
        shown
    };
    assert!(read(choice) == read(0), "other dumps in other pieces");
}

/// `goward check`: a Dockerfile, with files of its context behind NULs: .dockerignore, go.mod, and a script.
#[cfg(feature = "check")]
pub fn dockerfile(data: &[u8]) {
    let [text, ignore, module, script] = texts::<4>(data);
    let context = |name: &str| match name {
        ".dockerignore" => Some(ignore.clone()).filter(|text| !text.is_empty()),
        "go.mod" => Some(module.clone()).filter(|text| !text.is_empty()),
        name if name.ends_with(".sh") => Some(script.clone()).filter(|text| !text.is_empty()),
        _ => None,
    };
    let (findings, _) = crate::check::docker::check(&text, &context);
    let lines = text.split('\n').count() as u32;
    for finding in &findings {
        assert!(finding.place.line <= lines && !finding.evidence.is_empty() && !finding.mend.is_empty(), "{finding:?}");
    }
}

/// gzip, in pieces of a size that the first byte chooses.
#[cfg(feature = "check")]
pub fn gzip(data: &[u8]) {
    use std::io::Read;
    let (choice, bytes) = chosen(data);
    let input = std::io::BufReader::with_capacity(1 + usize::from(choice), bytes);
    let mut gzip = crate::gzip::Gzip::new(Box::new(input));
    let mut buffer = [0; 4096];
    // A little of it may become a gigabyte.
    for _ in 0..256 {
        match gzip.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => assert!(read <= buffer.len()),
        }
    }
}

/// Compose files, with the .env beside them; and whatever else is read as one.
#[cfg(feature = "check")]
pub fn buildfile(data: &[u8]) {
    let [file, env] = texts::<2>(data);
    let _ = crate::check::buildfile::is_one(&file);
    if let Ok(found) = crate::check::buildfile::read(&file, &env) {
        for build in found.builds {
            assert!(!build.name.is_empty() && build.wanted.target.as_deref() != Some(""));
        }
    }
}

/// A shell script, as RUN and an entrypoint have it; and words of a Dockerfile.
#[cfg(feature = "check")]
pub fn script(data: &[u8]) {
    use crate::check::docker::words::{self, Value};
    let text = String::from_utf8_lossy(data);
    for command in crate::check::docker::script::commands(&text) {
        let _ = (command.name(), command.own(), crate::check::launch::understand(&command.words));
    }
    let _ = crate::check::launch::in_script(&text, true, &|_| None);
    for escape in ['\\', '`'] {
        let split = words::split(&text, escape);
        let length: usize = split.iter().map(|word| word.raw.len()).sum();
        assert!(length <= text.len());
        let known =
            |name: &str| if name.len().is_multiple_of(2) { Value::Unset } else { Value::Text(text.as_ref().into()) };
        let _ = words::expand(&text, escape, &known);
        let _ = words::unquoted(&text, escape);
    }
}

/// An image in an archive: tar, manifests, compressed layers, and all that is looked at in them.
#[cfg(feature = "check")]
pub fn image(data: &[u8]) {
    thread_local! {
        static PATH: std::path::PathBuf =
            std::env::temp_dir().join(format!("goward-fuzz-image-{}", std::process::id()));
    }
    PATH.with(|path| {
        std::fs::write(path, data).expect("a file in the directory for temporary ones");
        let writable = ["/data".to_owned()];
        let question =
            crate::check::image::Question { program: None, user: None, writable: &writable, now: 1_795_564_800 };
        let report = crate::check::image::archive(path, &question, &mut |_, _| {});
        if let Ok(report) = report {
            let text = crate::check::show(
                report,
                crate::check::Format::Sarif,
                crate::check::Style { width: 100, colour: false },
            );
            assert!(crate::json::Value::read(&text).is_some(), "no JSON: {text}");
        }
    });
}

/// The headers of a tar archive alone.
#[cfg(feature = "check")]
pub fn tar(data: &[u8]) {
    struct Bytes<'a>(&'a [u8]);
    impl std::io::Read for Bytes<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl crate::check::image::tar::Source for Bytes<'_> {
        fn skip(&mut self, count: u64) -> std::io::Result<()> {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            self.0 = self.0.get(count..).ok_or(std::io::ErrorKind::UnexpectedEof)?;
            Ok(())
        }
    }
    let mut tar = crate::check::image::tar::Tar::new(Bytes(data));
    while let Ok(Some(header)) = tar.next() {
        assert!(header.at <= data.len() as u64 && header.path.len().max(header.link.len()) <= 4096);
        if header.size.is_multiple_of(2) && tar.content(header.size.min(1000)).is_err() {
            break;
        }
    }
}

/// Certificates in PEM.
#[cfg(feature = "check")]
pub fn pem(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let bundle = crate::check::image::pem::read(&text, 20_261_125_000_000);
    assert!(bundle.expired <= bundle.count && bundle.count <= text.matches("-----BEGIN CERTIFICATE-----").count());
}

/// What a server says by TLS, before there are keys and behind them.
#[cfg(feature = "tls")]
pub fn tls(data: &[u8]) {
    use crate::tls::{Client, Settings, Trust};
    let (choice, data) = chosen(data);
    let trust = (choice & 1 == 1).then(|| Trust { roots: vec![data.to_vec()], name: "localhost".to_owned(), now: 1 });
    let settings = Settings {
        server_name: Some("localhost".to_owned()),
        protocol: "h2",
        needs_protocol: choice & 2 == 2,
        trust,
        identity: None,
        random: [7; 96],
    };
    if choice & 4 == 0 {
        let plain = crate::tls::behind_the_keys(settings, choice >> 3, data);
        assert!(plain.len() <= data.len());
        return;
    }
    let mut client = Client::new(settings).expect("these numbers make a key");
    let mut plain = Vec::new();
    let result = pieces(choice >> 3, data).try_for_each(|piece| client.feed(piece, &mut plain));
    // Nobody has the keys.
    assert!(!client.is_open() && plain.is_empty());
    assert!(result.err().is_none_or(|why| is_clean(&why)));
}

/// The client's certificate and its key.
#[cfg(feature = "tls")]
pub fn tls_identity(data: &[u8]) {
    let [certificates, key] = texts(data);
    if let Err(why) = crate::tls::Identity::read(&certificates, &key) {
        assert!(is_clean(&why));
    }
}

/// JSON: what is read and written again is the same.
pub fn json(data: &[u8]) {
    let Some(value) = crate::json::Value::read(&String::from_utf8_lossy(data)) else { return };
    let mut again = crate::json::Json::default();
    write(&value, &mut again);
    assert_eq!(crate::json::Value::read(&again.into_text()), Some(value));
}

fn write(value: &crate::json::Value, to: &mut crate::json::Json) {
    match value {
        crate::json::Value::Other(word) => to.raw(word),
        crate::json::Value::Text(text) => to.value(text),
        crate::json::Value::List(items) => {
            let mut inside = crate::json::Json::default();
            inside.list("", items, |json, item| write(item, json));
            to.raw(inside.into_text().strip_prefix("\"\":").unwrap_or_default());
        }
        crate::json::Value::Object(fields) => to.object(|json| {
            for (name, value) in fields {
                json.key(name);
                write(value, json);
            }
        }),
    }
}

/// The memory of a running program: a recording with some of its bytes changed, three for the place and one for the value.
pub fn live(data: &[u8]) {
    static RECORDED: &[u8] = include_bytes!("../tests/live/recorded/amd64.recording");
    let mut recording = crate::live::recording::Recording::parse(RECORDED);
    for change in data.chunks_exact(4) {
        let at = usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        recording.corrupt(at, change[3]);
    }
    let mut printed = String::new();
    let print = |program: &crate::live::Program<'_>| {
        crate::live::print(program, None, &mut |goroutine| printed.push_str(goroutine))?;
        let _ = program.prove();
        crate::live::collect(program, String::new(), &Program::default(), None)
    };
    if let Ok(collected) = recording.look(print) {
        let _ = crate::goroutines::diagnose(&collected.summary, &Program::default());
    }
    assert!(is_clean(&printed.replace('\t', " ")), "{printed:?}");
}

/// A core dump's headers and notes.
pub fn core(data: &[u8]) {
    let mut read = |offset: u64, buffer: &mut [u8]| {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let there = data.get(from..).and_then(|rest| rest.get(..buffer.len()));
        there.map(|bytes| buffer.copy_from_slice(bytes)).is_some()
    };
    if let Ok(core) = crate::live::Core::read(&mut read) {
        for piece in &core.pieces {
            assert_eq!(core.place(piece.address).map(|(_, left)| left > 0), Some(true));
        }
    }
    let _ = crate::live::parse_maps(data);
}

/// What an init answers to `goward status`.
pub fn status_answer(data: &[u8]) {
    let _ = crate::client::Report::read(data);
}

/// /proc/net/tcp, /proc/net/unix, and sock_diag.
pub fn sockets(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines() {
        let _ = (sys::sockets::parse_tcp(line), sys::sockets::parse_unix(line, "/run/a.sock"));
    }
    let _ = sys::sockets::parse_diag(data);
}
