//! Answers that are none, or not quite: what curl, grpcio and openssl s_client refuse is never healthy. Each table has its near
//! misses, which are healthy to both.

use super::support::{LIMIT, requires, run};
use super::{grpc, probe};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// What a server sends, and whether a probe may call that healthy.
struct Kind {
    name: &'static str,
    bytes: Vec<u8>,
    is_well: bool,
}

/// Serves each of them on a port of its own, to everybody who connects, and closes.
fn serve(kinds: &[Kind], waits_for: usize) -> Vec<u16> {
    let start = |kind: &Kind| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, bytes) = (listener.local_addr().unwrap().port(), kind.bytes.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), bytes) = (stream, bytes.clone()) else { return };
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                    let mut asked = vec![0; waits_for];
                    let _ = stream.read_exact(&mut asked);
                    // Nobody may answer a call before it is made, and gRPC's client makes it when it has seen SETTINGS.
                    let is_http2 = waits_for == PREFACE && bytes.starts_with(SETTINGS_FRAME);
                    let (first, bytes) = bytes.split_at(if is_http2 { SETTINGS_FRAME.len() } else { 0 });
                    let _ = stream.write_all(first);
                    if !first.is_empty() {
                        wait_for_call(&mut stream);
                    }
                    let _ = stream.write_all(bytes);
                    let _ = stream.shutdown(Shutdown::Write);
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                });
            }
        });
        port
    };
    kinds.iter().map(start).collect()
}

/// The preface of HTTP/2, and an empty frame of SETTINGS.
const PREFACE: usize = 24;
const SETTINGS_FRAME: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// Until data has come that ends a stream.
fn wait_for_call(stream: &mut impl Read) {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).is_err() || (head[3] == DATA && head[4] & END_STREAM != 0) {
            return;
        }
    }
}

/// What goward says of each, four at a time, none longer than its time and a little.
fn probed(targets: &[String]) -> Vec<bool> {
    let one = |target: &String| {
        let began = std::time::Instant::now();
        let output = probe(&["--timeout=2s", target]);
        assert!(began.elapsed() < Duration::from_secs(12), "{target} took {:?}", began.elapsed());
        assert!(matches!(output.code, Some(0 | 1)), "{target}: {output:?}");
        assert!(!output.all().trim_end().contains(|c: char| c.is_control()), "{target}: {output:?}");
        output.code == Some(0)
    };
    in_parallel(targets, one)
}

fn in_parallel<T: Sync, R: Send>(all: &[T], one: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let quarters = all.chunks(all.len().div_ceil(4).max(1));
    let one = &one;
    thread::scope(|scope| {
        let running: Vec<_> =
            quarters.map(|quarter| scope.spawn(move || quarter.iter().map(one).collect::<Vec<R>>())).collect();
        running.into_iter().flat_map(|quarter| quarter.join().unwrap()).collect()
    })
}

/// None is healthy that should not be, or that the other client refuses.
#[track_caller]
fn compare(kinds: &[Kind], ours: &[bool], theirs: Option<&[bool]>) {
    let wrong: Vec<_> =
        (kinds.iter().zip(ours)).filter(|(kind, well)| kind.is_well != **well).map(|(kind, _)| kind.name).collect();
    assert!(wrong.is_empty(), "not as the table says: {wrong:?}");
    let refused = |((kind, ours), theirs): ((&Kind, &bool), &bool)| {
        // grpcio knows no padded DATA. RFC 9113, section 6.1, has it, and Go's client reads it.
        (*ours && !*theirs && kind.name != "padding").then_some(kind.name)
    };
    let refused: Vec<_> = kinds.iter().zip(ours).zip(theirs.unwrap_or(ours)).filter_map(refused).collect();
    assert!(refused.is_empty(), "healthy, and the other client refuses it: {refused:?}");
}

#[test]
fn there_are_enough_kinds() {
    let bad = |kinds: &[Kind]| kinds.iter().filter(|kind| !kind.is_well).count();
    let counts = [bad(&http()), bad(&http2()), bad(&tls())];
    // Those behind the keys of a connection are in src/tls.
    assert!(counts.iter().sum::<usize>() >= 130, "{counts:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// HTTP/1

fn http() -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut add = |is_well, name, bytes: &[u8]| kinds.push(Kind { name, bytes: bytes.to_vec(), is_well });
    for (name, text) in [
        ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("HTTP/1.0 until it is closed", "HTTP/1.0 200 OK\r\n\r\nok"),
        ("no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
        ("an empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
        ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("a chunk with an extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n"),
        ("trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n"),
        ("the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        ("early hints", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("continue", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        ("399", "HTTP/1.1 399 Odd\r\nContent-Length: 0\r\n\r\n"),
    ] {
        add(true, name, text.as_bytes());
    }
    for (name, text) in [
        ("nothing", ""),
        ("a line end", "\r\n"),
        ("half a word", "HTT"),
        ("half a status line", "HTTP/1.1 20"),
        ("a status line alone", "HTTP/1.1 200 OK\r\n"),
        ("a head without an end", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"),
        ("HTTP/0.9", "ok\n"),
        ("HTML", "<html>ok</html>"),
        ("SSH", "SSH-2.0-OpenSSH_9.2p1\r\n"),
        ("SMTP", "220 mail ESMTP\r\n"),
        ("Redis", "-ERR unknown command\r\n"),
        ("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("HTTP/3", "HTTP/3 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("HTTP/1", "HTTP/1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("HTTP/11", "HTTP/11 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("small letters", "http/1.1 200 ok\r\nContent-Length: 0\r\n\r\n"),
        ("ICY", "ICY 200 OK\r\n\r\n"),
        ("a blank first", " HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("no status", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"),
        ("two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
        ("four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
        ("a negative status", "HTTP/1.1 -200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("000", "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n"),
        ("600", "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n"),
        ("404", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ("500", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
        ("a status alone in a line of two", "HTTP/1.1\r\n200 OK\r\n\r\n"),
        ("switching protocols", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        ("continue, and no more", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("early hints, and no more", "HTTP/1.1 103 Early Hints\r\n\r\n"),
        ("a body that is cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
        ("a body that is missing", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
        ("two lengths in a line", "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok"),
        ("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        ("a length in words", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
        ("an empty length", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok"),
        ("a hexadecimal length", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok"),
        ("a length beyond 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok"),
        ("a chunk of no size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n"),
        ("a chunk's size in words", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzwei\r\nok\r\n0\r\n\r\n"),
        (
            "a chunk's size that is negative",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
        ),
        (
            "a chunk's size beyond 64 bits",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok",
        ),
        ("a chunk that is too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n"),
        ("a chunk that is too short", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\r\n0\r\n\r\n"),
        ("chunks that are cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok"),
        ("chunks without the last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
        ("chunks without the last line", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"),
        ("chunks that are none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nok"),
        (
            "chunked twice",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("chunked before gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ("a field without a colon", "HTTP/1.1 200 OK\r\nContent-Length 0\r\n\r\n"),
        ("a field without a name", "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n"),
        ("a blank before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
        ("a blank within a name", "HTTP/1.1 200 OK\r\nA b: c\r\nContent-Length: 0\r\n\r\n"),
        ("a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\nContent-Length: 0\r\n\r\n"),
        ("NUL in a name", "HTTP/1.1 200 OK\r\nA\0: b\r\nContent-Length: 0\r\n\r\n"),
        ("NUL in a value", "HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n"),
        ("NUL in the reason", "HTTP/1.1 200 \0\r\nContent-Length: 0\r\n\r\n"),
        ("carriage returns alone", "HTTP/1.1 200 OK\rContent-Length: 0\r\r"),
        ("an escape in the body of a failure", "HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\n\x1b[2J\x07"),
    ] {
        add(false, name, text.as_bytes());
    }
    add(
        false,
        "a thousand and one fields",
        &[&b"HTTP/1.1 200 OK\r\n"[..], &b"A: b\r\n".repeat(1001), b"Content-Length: 0\r\n\r\n"].concat(),
    );
    add(false, "a field of a megabyte", &[&b"HTTP/1.1 200 OK\r\nA: "[..], &vec![b'a'; 1 << 20], b"\r\n\r\n"].concat());
    add(false, "UTF-16", &"HTTP/1.1 200 OK\r\n\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    add(false, "zeros", &[0; 4096]);
    add(false, "ones", &[0xff; 4096]);
    add(false, "a TLS alert", b"\x15\x03\x01\0\x02\x02\x46");
    add(false, "the SETTINGS of HTTP/2", b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64");
    kinds
}

#[test]
fn over_http_none_is_healthy_that_curl_refuses() {
    let kinds = http();
    // Whatever is asked has a GET, a Host and an Accept or a User-Agent.
    let urls: Vec<String> = serve(&kinds, 40).iter().map(|port| format!("http://127.0.0.1:{port}/")).collect();
    let ours = probed(&urls);
    let curl = |url: &String| {
        let options = ["-s", "-f", "-o", "/dev/null", "--max-time", "5", "--http1.1"];
        run(Command::new("curl").args(options).arg(url), LIMIT).code == Some(0)
    };
    let theirs = requires("curl").then(|| in_parallel(&urls, curl));
    compare(&kinds, &ours, theirs.as_deref());
}

// ---------------------------------------------------------------------------------------------------------------------
// HTTP/2 and gRPC

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const LAST: u8 = END_STREAM | END_HEADERS;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Header fields, as they are.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

fn http2() -> Vec<Kind> {
    let settings = frame(SETTINGS, 0, 0, &[]);
    let head = block(&[(":status", "200"), ("content-type", "application/grpc")]);
    let message = b"\0\0\0\0\x02\x08\x01".as_slice();
    let zero = block(&[("grpc-status", "0")]);
    let headers = |fields: &[(&str, &str)]| frame(HEADERS, END_HEADERS, 1, &block(fields));
    let trailers = |fields: &[(&str, &str)]| frame(HEADERS, LAST, 1, &block(fields));
    let (good, data, end) =
        (frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, 0, 1, message), frame(HEADERS, LAST, 1, &zero));
    let data_of = |bytes: &[u8]| frame(DATA, 0, 1, bytes);
    let mut kinds = Vec::new();
    let mut add = |is_well, name, frames: &[&[u8]]| {
        let bytes = [settings.as_slice(), &frames.concat()].concat();
        kinds.push(Kind { name, bytes, is_well });
    };
    add(true, "an answer", &[&good, &data, &end]);
    add(true, "a message in two pieces", &[&good, &data_of(&message[..3]), &data_of(&message[3..]), &end]);
    add(true, "padding", &[&good, &frame(DATA, 8, 1, &[&[2], message, &[0, 0]].concat()), &end]);
    add(
        true,
        "a header block in two frames",
        &[&frame(HEADERS, 0, 1, &head[..9]), &frame(CONTINUATION, END_HEADERS, 1, &head[9..]), &data, &end],
    );
    add(true, "a frame of tomorrow", &[&good, &frame(0x42, 7, 0, b"new"), &data, &end]);
    add(true, "a ping between", &[&good, &frame(PING, 0, 0, b"12345678"), &data, &end]);
    add(true, "more room", &[&good, &frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]), &data, &end]);
    add(
        true,
        "application/grpc+proto",
        &[&headers(&[(":status", "200"), ("content-type", "application/grpc+proto")]), &data, &end],
    );
    add(
        true,
        "a type in capitals",
        &[&headers(&[(":status", "200"), ("content-type", "Application/GRPC")]), &data, &end],
    );
    add(true, "a priority", &[&good, &frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), &data, &end]);
    add(true, "the largest window", &[&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]), &good, &data, &end]);
    add(true, "a field of the message that is new", &[&good, &data_of(b"\0\0\0\0\x05\x08\x01\x12\x01x"), &end]);

    add(false, "settings, and no more", &[]);
    add(false, "no message", &[&good, &end]);
    add(false, "no end", &[&good, &data]);
    add(false, "no header fields", &[&data, &end]);
    add(
        false,
        "trailers alone that say 0",
        &[&trailers(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")])],
    );
    add(
        false,
        "trailers alone that say 12",
        &[&trailers(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "12")])],
    );
    for (name, status) in [
        ("grpc-status 1", "1"),
        ("grpc-status 14", "14"),
        ("grpc-status 16", "16"),
        ("grpc-status 99", "99"),
        ("grpc-status in words", "OK"),
        ("an empty grpc-status", ""),
        ("a negative grpc-status", "-0"),
    ] {
        add(false, name, &[&good, &data, &trailers(&[("grpc-status", status)])]);
    }
    add(
        false,
        "a message full of controls",
        &[&good, &data, &trailers(&[("grpc-status", "2"), ("grpc-message", "%1b%5b2J%00%07")])],
    );
    add(false, "no grpc-status", &[&good, &data, &trailers(&[("a", "b")])]);
    add(false, "no trailers", &[&good, &frame(DATA, END_STREAM, 1, message)]);
    add(
        false,
        "grpc-status in the first block",
        &[
            &headers(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")]),
            &frame(DATA, END_STREAM, 1, message),
        ],
    );
    add(
        false,
        "grpc-status twice, and different",
        &[&good, &data, &trailers(&[("grpc-status", "0"), ("grpc-status", "5")])],
    );
    add(false, "a second :status", &[&good, &data, &trailers(&[(":status", "200"), ("grpc-status", "0")])]);
    add(false, "two blocks before the data", &[&good, &good, &data, &end]);
    for (name, status) in
        [("HTTP 503", "503"), ("HTTP 404", "404"), ("HTTP 302", "302"), ("HTTP 0", "0"), ("HTTP in words", "fine")]
    {
        add(false, name, &[&headers(&[(":status", status), ("content-type", "application/grpc")]), &data, &end]);
    }
    for (name, fields) in [
        ("a name in capitals", &[(":status", "200"), ("content-type", "application/grpc"), ("X-Up", "a")][..]),
        (":status behind others", &[("content-type", "application/grpc"), (":status", "200")]),
        (":path in a response", &[(":status", "200"), (":path", "/"), ("content-type", "application/grpc")]),
        (
            "grpc-status 5, and then 0",
            &[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5")],
        ),
    ] {
        add(false, name, &[&headers(fields), &data, &end]);
    }
    add(false, "switching protocols", &[&headers(&[(":status", "101")]), &good, &data, &end]);
    add(false, "no :status", &[&headers(&[("content-type", "application/grpc")]), &data, &end]);
    add(false, "text/html", &[&headers(&[(":status", "200"), ("content-type", "text/html")]), &data, &end]);
    for (name, message) in [
        ("a message without a head", b"\x08\x01".as_slice()),
        ("an empty message: UNKNOWN", b"\0\0\0\0\0"),
        ("NOT_SERVING", b"\0\0\0\0\x02\x08\x02"),
        ("SERVICE_UNKNOWN", b"\0\0\0\0\x02\x08\x03"),
        ("a status of tomorrow", b"\0\0\0\0\x02\x08\x09"),
        ("a message that is longer than it says", b"\0\0\0\0\x02\x08\x01\x08\x01"),
        ("a message that is shorter than it says", b"\0\0\0\0\x03\x08\x01"),
        ("two messages", b"\0\0\0\0\x02\x08\x01\0\0\0\0\x02\x08\x01"),
        ("a message that is compressed", b"\x01\0\0\0\x02\x08\x01"),
        ("a flag of tomorrow", b"\x02\0\0\0\x02\x08\x01"),
        ("a tag without a value", b"\0\0\0\0\x01\x08"),
        ("field number 0", b"\0\0\0\0\x04\0\0\x08\x01"),
        ("a number without an end", b"\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("a text without an end", b"\0\0\0\0\x04\x08\x01\x12\x7f"),
        ("a message of gigabytes", b"\0\xff\xff\xff\xff\x08\x01"),
    ] {
        add(false, name, &[&good, &data_of(message), &end]);
    }
    for (name, bad) in [
        ("a ping of seven bytes", frame(PING, 0, 0, b"1234567")),
        ("a ping on a stream", frame(PING, 0, 1, b"12345678")),
        ("SETTINGS of five bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[])),
        ("an acknowledgement with something in it", frame(SETTINGS, 1, 0, &[0; 6])),
        ("a window of no bytes", frame(WINDOW_UPDATE, 0, 0, &[])),
        ("a window that becomes no larger", frame(WINDOW_UPDATE, 0, 1, &[0; 4])),
        ("a window of 32 bits", frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])),
        ("a priority of four bytes", frame(PRIORITY, 0, 1, &[0; 4])),
        ("a push", frame(PUSH, END_HEADERS, 1, &[0, 0, 0, 2, 0x88])),
        ("a reset", frame(RESET, 0, 1, &[0, 0, 0, 7])),
        ("a reset of three bytes", frame(RESET, 0, 1, &[0; 3])),
        ("GOAWAY before this call", frame(GO_AWAY, 0, 0, &[0; 8])),
        ("GOAWAY of four bytes", frame(GO_AWAY, 0, 0, &[0; 4])),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &zero)),
        ("data on stream 0", frame(DATA, 0, 0, message)),
        ("header fields on stream 0", frame(HEADERS, END_HEADERS, 0, &head)),
        ("padding that is all of it", frame(DATA, 8, 1, &[9, 0, 0])),
        ("a header block that ends in a number", frame(HEADERS, END_HEADERS, 1, &[0x7f])),
        ("a field of the dynamic table", frame(HEADERS, END_HEADERS, 1, &[0xbe])),
        ("a field of no table", frame(HEADERS, END_HEADERS, 1, &[0x80])),
        ("a frame of 32 KiB", frame(DATA, 0, 1, &vec![0; 32 * 1024])),
    ] {
        add(false, name, &[&good, &bad, &data, &end]);
    }
    add(false, "another frame within a header block", &[&frame(HEADERS, 0, 1, &head), &data, &end]);
    add(
        false,
        "an answer on another stream",
        &[&frame(HEADERS, END_HEADERS, 3, &head), &frame(DATA, 0, 3, message), &frame(HEADERS, LAST, 3, &zero)],
    );
    for (name, bytes) in [
        ("HTTP/1 instead", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("nothing instead", Vec::new()),
        ("an alert of TLS instead", b"\x15\x03\x01\0\x02\x02\x46".to_vec()),
        ("zeros instead", vec![0; 512]),
        ("no SETTINGS first", [good.as_slice(), &data, &end].concat()),
        ("an acknowledgement first", [frame(SETTINGS, 1, 0, &[]).as_slice(), &good, &data, &end].concat()),
    ] {
        kinds.push(Kind { name, bytes, is_well: false });
    }
    kinds
}

#[test]
fn over_grpc_none_is_healthy_that_grpcio_refuses() {
    let kinds = http2();
    let ports = serve(&kinds, PREFACE);
    let targets: Vec<String> = ports.iter().map(|port| format!("grpc://127.0.0.1:{port}")).collect();
    let ours = probed(&targets);
    let theirs = grpc::library().map(|library| {
        let ports = ports.iter().map(u16::to_string);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probes/grpc_client.py");
        let said = run(Command::new("python3").arg(script).args(ports).env("PYTHONPATH", library), LIMIT * 2);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.stdout.lines().map(|line| line == "well").collect::<Vec<bool>>()
    });
    if let Some(theirs) = &theirs {
        assert_eq!(theirs.len(), kinds.len());
        assert!(theirs.first() == Some(&true), "the first is an answer");
    }
    compare(&kinds, &ours, theirs.as_deref());
}

// ---------------------------------------------------------------------------------------------------------------------
// TLS, before there are keys; what comes behind them is tested in src/tls

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], (body.len() as u16).to_be_bytes().as_slice(), body].concat()
}

fn hello(version: u16, cipher: u16, extensions: &[u8]) -> Vec<u8> {
    let length = (extensions.len() as u16).to_be_bytes();
    let body = [&version.to_be_bytes()[..], &[7; 32], &[0], &cipher.to_be_bytes(), &[0], &length, extensions].concat();
    [&[2, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat()
}

fn tls() -> Vec<Kind> {
    const NEWEST: &[u8] = &[0, 43, 0, 2, 3, 4];
    let share = |group: u16, key: &[u8]| {
        let (inner, outer) = ((key.len() as u16).to_be_bytes(), (key.len() as u16 + 4).to_be_bytes());
        [&[0, 51][..], &outer, &group.to_be_bytes(), &inner, key].concat()
    };
    let with = |extensions: &[&[u8]]| record(22, &hello(0x0303, 0x1301, &extensions.concat()));
    let key = |first: u8| [&[first][..], &[1; 64]].concat();
    let all: [(&'static str, Vec<u8>); 30] = [
        ("nothing", Vec::new()),
        ("HTTP/1", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        ("HTTP/2", b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec()),
        ("SSH", b"SSH-2.0-x\r\n".to_vec()),
        ("zeros", vec![0; 1024]),
        ("half a head", vec![22, 3, 3]),
        ("half a record", vec![22, 3, 3, 0, 9, 2]),
        ("a version of SSL 2", vec![22, 2, 0, 0, 0]),
        ("a kind that there is not", record(99, b"ab")),
        ("data first", record(23, &[0; 32])),
        ("a record that is too long", [&[22, 3, 3, 0xff, 0xff][..], &[0; 65535]].concat()),
        ("an empty message", record(22, &[])),
        ("an alert: handshake_failure", record(21, &[2, 40])),
        ("an alert: protocol_version", record(21, &[2, 70])),
        ("an alert: close_notify", record(21, &[1, 0])),
        ("an alert of one byte", record(21, &[2])),
        ("a change of ciphers that says nothing", record(20, &[2])),
        ("a hello of a client", record(22, &[1, 0, 0, 0])),
        ("a hello of no bytes", record(22, &[2, 0, 0, 0])),
        ("a hello of TLS 1.2", record(22, &hello(0x0303, 0xc02f, &[]))),
        ("a hello of TLS 1.1", record(22, &hello(0x0302, 0xc013, &[]))),
        ("a cipher that was not offered", record(22, &hello(0x0303, 0x1302, &[NEWEST, &share(23, &key(4))].concat()))),
        ("no key", with(&[NEWEST])),
        ("a key on another curve", with(&[NEWEST, &share(29, &[1; 32])])),
        ("a key that is no point", with(&[NEWEST, &share(23, &key(4))])),
        ("a key that is cut", with(&[NEWEST, &share(23, &[4, 1, 2])])),
        ("a version twice", with(&[NEWEST, NEWEST, &share(23, &key(4))])),
        ("an extension that is longer than all", with(&[NEWEST, &[0, 51, 0xff, 0xff]])),
        ("a finish first", record(22, &[20, 0, 0, 0])),
        ("a message of megabytes", record(22, &[2, 0xff, 0xff, 0xff, 0])),
    ];
    all.into_iter().map(|(name, bytes)| Kind { name, bytes, is_well: false }).collect()
}

#[cfg(feature = "tls")]
#[test]
fn over_tls_none_is_healthy_that_openssl_refuses() {
    let kinds = tls();
    let ports = serve(&kinds, 16);
    let urls: Vec<String> = ports.iter().map(|port| format!("https://127.0.0.1:{port}/")).collect();
    let ours = probed(&urls);
    let openssl = |port: &u16| {
        let address = format!("127.0.0.1:{port}");
        run(Command::new("timeout").args(["5", "openssl", "s_client", "-connect", &address]), LIMIT).code == Some(0)
    };
    let theirs = if requires("openssl") { Some(in_parallel(&ports, openssl)) } else { None };
    compare(&kinds, &ours, theirs.as_deref());
}
