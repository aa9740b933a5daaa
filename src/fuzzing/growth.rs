//! How long each parser takes that PID 1 feeds, and the checker of Dockerfiles, at 1, 2, 4 and 8 times the size of inputs that
//! are chosen to be bad for it. What grows clearly faster than its input fails.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Twice the size is twice the time, and a little more for caches. A square is 64 at eight times the size.
const MOST: u32 = 20;
/// What takes no longer at eight times the size is quick enough, however it grows.
const FLOOR: Duration = Duration::from_millis(50);
/// So often is measured what seems to grow too fast; the best counts.
const RUNS: usize = 3;

/// An input, and who reads it.
struct Case {
    name: &'static str,
    reader: fn(&[u8]),
    /// The smallest size, in repetitions.
    least: usize,
    /// The input of so many repetitions.
    input: fn(usize) -> Vec<u8>,
}

/// The CPU time of this thread: on a busy machine the clock tells of others.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

impl Case {
    fn took(&self, size: usize) -> Duration {
        let input = (self.input)(size);
        let before = spent();
        (self.reader)(&input);
        spent() - before
    }

    /// What it took at each size, if that grows too fast.
    fn grows(&self) -> Option<String> {
        let mut times = [Duration::MAX; 4];
        for _ in 0..RUNS {
            for (time, factor) in times.iter_mut().zip([1, 2, 4, 8]) {
                *time = self.took(factor * self.least).min(*time);
            }
            let [first, .., last] = times;
            if last < FLOOR || last < MOST * first {
                println!("{}: {times:.1?}", self.name);
                return None;
            }
        }
        Some(format!("{}: {times:.1?} at {} repetitions and 2, 4, 8 times as many", self.name, self.least))
    }
}

fn all_grow_as_they_should(cases: &[Case]) {
    let bad: Vec<String> = cases.iter().filter_map(Case::grows).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// A head, and a line or word again and again, which may hold its number.
fn repeated<B: AsRef<[u8]>>(head: &str, each: impl Fn(usize) -> B, tail: &str, count: usize) -> Vec<u8> {
    let mut bytes = head.as_bytes().to_vec();
    (0..count).for_each(|at| bytes.extend_from_slice(each(at).as_ref()));
    bytes.extend_from_slice(tail.as_bytes());
    bytes
}

macro_rules! cases {
    ($reader:path, $least:expr; $($name:literal => $head:expr, $each:expr, $tail:expr;)*) => {
        [$(Case { name: $name, reader: $reader, least: $least, input: |count| repeated($head, $each, $tail, count) }),*]
    };
}

#[cfg(feature = "check")]
#[test]
fn build_files() {
    let cases = cases! { super::buildfile, 3_000;
        "services" => "services:\n", |at| format!("  s{at}:\n    build: ./{at}\n"), "";
        "arguments" => "services:\n  s:\n    build:\n      args:\n", |at| format!("        - A{at}=${{A{at}:-x}}\n"), "";
        "lines of a text" => "services: a\n", |_| "  b\n", "";
        "a flow" => "services: [", |_| "a, ", "]\n";
        "quotes" => "services: '", |_| "''", "'\n";
        "anchors" => "services: &a\n", |at| format!("  s{at}: &a{at} *a{at}\n"), "";
        "comments" => "", |_| "# c\n", "services:\n";
    };
    all_grow_as_they_should(&cases);
}

#[cfg(feature = "check")]
#[test]
fn dockerfiles() {
    let cases = cases! { super::dockerfile, 1_500;
        "WORKDIR below" => "FROM alpine:3.22\n", |_| "WORKDIR a\n", "";
        "WORKDIR" => "FROM alpine:3.22\n", |at| format!("WORKDIR /{at}\n"), "";
        "ENV" => "FROM alpine:3.22\n", |at| format!("ENV A{at}=$A\n"), "";
        "ENV secrets" => "FROM alpine:3.22\n", |at| format!("ENV A{at}_TOKEN=x\n"), "";
        "ENV in one line" => "FROM alpine:3.22\nENV", |at| format!(" A{at}=$A{at}"), "\n";
        "ENV that doubles" => "FROM alpine:3.22\nENV A=aaaaaaaaaaaaaaaa\n", |_| "ENV A=$A$A\n", "";
        "ENV of a long value" => "FROM alpine:3.22\n", |_| "ENV A=a$A\n", "";
        "ARG" => "FROM alpine:3.22\n", |at| format!("ARG A{at}=$A\n"), "";
        "ARG before FROM, used" => "ARG A\nFROM alpine:3.22\nRUN echo", |_| " $A", "\n";
        "LABEL" => "FROM alpine:3.22\n", |at| format!("LABEL a{at}=$b\n"), "";
        "COPY" => "FROM alpine:3.22\n", |at| format!("COPY f{at} /f\n"), "CMD [\"/server\"]\n";
        "COPY to the root" => "FROM alpine:3.22\n", |at| format!("COPY f{at}.c /\n"), "CMD [\"/server\"]\n";
        "COPY many" => "FROM alpine:3.22\nCOPY", |at| format!(" f{at}"), " /a/\nCMD [\"/server\"]\n";
        "RUN" => "FROM alpine:3.22\n", |at| format!("RUN a{at}\n"), "";
        "RUN of one" => "FROM alpine:3.22\nRUN", |at| format!(" a{at} &&"), " b\n";
        "RUN apk" => "FROM alpine:3.22\n", |at| format!("RUN apk add a{at}\n"), "CMD [\"/server\"]\n";
        "RUN apk of many" => "FROM alpine:3.22\nRUN apk add", |at| format!(" a{at}"), "\nCMD [\"/server\"]\n";
        "RUN apt" => "FROM debian\nRUN", |_| " apt install a;", " rm -r /var/lib/apt/lists\n";
        "RUN flags" => "FROM alpine:3.22\nRUN", |_| " --mount=env=a", " b\n";
        "RUN assigns" => "FROM golang\nRUN", |at| format!(" A{at}=1;"), " go build\n";
        "RUN exports" => "FROM golang\nRUN", |at| format!(" A{at}=1; export A{at};"), " go build\n";
        "RUN uses" => "FROM golang\nRUN", |at| format!(" A{at}=1; $A{at};"), " go build\n";
        "RUN env" => "FROM golang\nRUN", |_| " env", " go build\n";
        "RUN go env -w" => "FROM golang\nRUN", |_| " go env -w A=1;", " go build\n";
        "RUN go env -w, each" => "FROM golang\n", |_| "RUN go env -w A=1\n", "RUN go build\n";
        "RUN go build" => "FROM golang\n", |at| format!("RUN go build ./a{at}\n"), "CMD [\"/server\"]\n";
        "RUN sh -c" => "FROM alpine:3.22\nRUN", |_| " A=1", " sh -c 'a;b;c;d'\n";
        "USER" => "FROM alpine:3.22\n", |at| format!("USER u{at}\n"), "CMD [\"/server\"]\n";
        "EXPOSE" => "FROM alpine:3.22\n", |at| format!("EXPOSE {}\n", at % 65_536), "USER 1:1\nCMD [\"/server\"]\n";
        "EXPOSE many" => "FROM alpine:3.22\nEXPOSE", |at| format!(" {}", at % 65_536), "\nUSER 1:1\nCMD [\"/server\"]\n";
        "CMD" => "FROM alpine:3.22\n", |_| "CMD [\"a\"]\n", "";
        "ENTRYPOINT" => "FROM alpine:3.22\n", |_| "ENTRYPOINT a\n", "";
        "HEALTHCHECK" => "FROM alpine:3.22\n", |_| "HEALTHCHECK CMD a\n", "";
        "VOLUME" => "FROM alpine:3.22\n", |_| "VOLUME [\"/a\"]\n", "";
        "SHELL" => "FROM alpine:3.22\n", |_| "SHELL [\"a\"]\n", "RUN a\n";
        "STOPSIGNAL" => "FROM alpine:3.22\n", |_| "STOPSIGNAL 9\n", "CMD [\"/a\"]\n";
        "ONBUILD" => "FROM alpine:3.22\n", |_| "ONBUILD RUN a\n", "";
        "FROM" => "", |at| format!("FROM alpine AS a{at}\n"), "";
        "ADD" => "FROM alpine:3.22\n", |at| format!("ADD http://a/{at} /\n"), "";
        "no instruction" => "FROM alpine:3.22\n", |at| format!("A{at} b\n"), "";
        "heredocs" => "FROM alpine:3.22\n", |_| "RUN <<E\na\nE\n", "";
        "heredocs without an end" => "FROM alpine:3.22\nRUN", |_| " <<E", "\na\n";
        "a long heredoc" => "FROM alpine:3.22\nCOPY <<E /a.sh\n", |_| "exec a\n", "E\nCMD [\"/a.sh\"]\n";
        "ignores" => "FROM alpine:3.22\n", |_| "# goward: ignore=GW301\nRUN a\n", "";
        "ignores that wait" => "FROM alpine:3.22\n", |_| "# goward: ignore=GW301\n", "RUN a\n";
        "bad and good ignores" => "FROM alpine:3.22\n", |at| format!("# goward: ignore=GW{}\n", 301 + at % 2 * 600), "RUN a\n";
        "ids" => "FROM alpine:3.22\n# goward: ignore=GW301", |_| ",GW302", " why\nCMD a\n";
        "continued" => "FROM alpine:3.22\nRUN a", |_| " \\\n b", "\n";
        "comments" => "FROM alpine:3.22\nRUN a \\\n", |_| "# b\n", "\n";
        "a long word" => "FROM alpine:3.22\nENV A=", |_| "a${B:-c}", "\n";
        "braces" => "FROM alpine:3.22\nENV A=", |_| "${B:-", "\n";
        "substitutions" => "FROM alpine:3.22\nRUN ", |_| "$(a ", "\n";
        "quotes" => "FROM alpine:3.22\nRUN ", |_| "'\" ", "\n";
        "a list" => "FROM alpine:3.22\nCMD [\"a\"", |at| format!(", \"a{at}\""), "]\n";
        "a list of lists" => "FROM alpine:3.22\nCMD ", |_| "[", "\n";
        "options of an init" => "FROM alpine:3.22\nCMD [\"tini\"", |_| ", \"-g\"", "]\n";
        "env of a command" => "FROM alpine:3.22\nCMD [\"env\"", |_| ", \"A=1\"", ", \"sh\", \"-c\", \"a\"]\n";
    };
    all_grow_as_they_should(&cases);
}

/// 8.5 s once: each was joined with all before it.
#[cfg(feature = "check")]
#[test]
fn sixty_thousand_lines() {
    let input = |line: &str| repeated("FROM alpine:3.22\n", |_| line, "CMD [\"/server\"]\n", 60_000);
    for line in ["WORKDIR a\n", "ENTRYPOINT a\n", "COPY a b\n"] {
        let before = spent();
        super::dockerfile(&input(line));
        let took = spent() - before;
        assert!(took < Duration::from_secs(10), "{line}: {took:?}, and that without optimization is a second with it");
    }
}

#[test]
fn answers_of_probed_servers() {
    const CHUNKED: &str = "\x02HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    // In all two megabytes are read, of gRPC a quarter of one.
    for reader in [super::http as fn(&[u8]), super::probe_http] {
        let mut cases = cases! { super::http, 10_000;
            "heads of 1xx" => "\x02", |_| "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n";
            "header fields" => "\x02HTTP/1.1 200 OK\r\n", |_| "A: b\r\n", "\r\n";
            "a long field" => "\x02HTTP/1.1 200 OK\r\nA: ", |_| "aaaaaaaa", "\r\n\r\n";
            "a long status" => "\x02HTTP/1.1 200 ", |_| "aaaaaaaa", "\r\n\r\n";
            "small chunks" => CHUNKED, |_| "1\r\na\r\n", "0\r\n\r\n";
            "chunks with extensions" => CHUNKED, |_| "1;aaaaaaaaa\r\na\r\n", "0\r\n\r\n";
            "a long extension" => CHUNKED, |_| "1;aaaaaa", "\r\n";
            "trailers" => "\x02HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", |_| "A: b\r\n", "\r\n";
            "a body" => "\x02HTTP/1.1 200 OK\r\n\r\n", |_| "aaaaaaaa", "";
            "a body that is searched" => "\x03HTTP/1.1 200 OK\r\n\r\n", |_| "readreadread", "";
            "no answer" => "\x02", |_| "a", "";
        };
        cases.iter_mut().for_each(|case| case.reader = reader);
        all_grow_as_they_should(&cases);
    }
    all_grow_as_they_should(&cases! { super::probe_grpc, 3_000;
        "SETTINGS" => "\x02", |_| b"\0\0\0\x04\0\0\0\0\0", "";
        "PING" => "\x02", |_| b"\0\0\x08\x06\0\0\0\0\0aaaaaaaa", "";
        "CONTINUATION" => "\x02\0\0\0\x01\0\0\0\0\x01", |_| b"\0\0\x01\x09\0\0\0\0\x01a", "";
        "empty CONTINUATION" => "\x02\0\0\0\x01\0\0\0\0\x01", |_| b"\0\0\0\x09\0\0\0\0\x01", "";
        "HEADERS" => "\x02", |_| b"\0\0\x05\x01\x04\0\0\0\x01\0\x01a\x01b", "";
        "HEADERS with codes" => "\x02", |_| b"\0\0\x06\x01\x04\0\0\0\x01\0\x81\x1f\x81\x1f\x88", "";
        "empty DATA" => "\x02", |_| b"\0\0\0\0\0\0\0\0\x01", "";
        "DATA" => "\x02", |_| b"\0\0\x01\0\0\0\0\0\x01a", "";
        "WINDOW_UPDATE" => "\x02", |_| b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01", "";
        "a frame without an end" => "\x02\0\x40\0\0\0\0\0\0\x01", |_| b"a", "";
    });
    all_grow_as_they_should(&cases! { super::hpack, 4_000;
        "fields of the table" => "", |_| b"\x88", "";
        "literal fields" => "", |_| b"\0\x01a\x01b", "";
        "short codes" => "", |_| b"\0\x81\x1f\x81\x1f", "";
        "sizes of the table" => "", |_| b"\x20", "";
    });
}

#[test]
fn logs_of_dumps() {
    const BASE64: &str = "\0Content-Transfer-Encoding: base64\n\n";
    const STACK: &str = "\0goroutine 1 [select]:\nmain.main()\n\t/src/main.go:7 +0x1\n";
    all_grow_as_they_should(&cases! { super::goroutines, 200;
        "lines in base64" => BASE64, |_| "Z29yb3V0aW5lIDEgW3NlbGVjdF06Cm1haW4uZigp\n", "";
        "one line in base64" => "\0", |_| "Z29yb3V0aW5lIDEgW3NlbGVjdF06Cm1haW4uZigp", "\n";
        "a long line in base64" => BASE64, |_| "YWFh", "\n";
        "a URL" => "\0GET /?a=", |_| "goroutine%201%20[select]:%0Amain.f()%0A%09/a.go:1%0A", " HTTP/1.1\n";
        "no dump in a URL" => "\0GET /?a=", |_| "goroutine%20goroutine+", " HTTP/1.1\n";
        "a string of YAML" => "\0k: \"goroutine 1 [select]:\\n\\\n", |_| "  main.f()\\n\\\n", "\"\n";
        "parts of a line" => STACK, |_| "github.com/acme/shop/internal/inventory.follow\n", "";
        "parts of a creator" => STACK, |_| "created by github.com/acme/shop/internal/inventory\n", "";
        "parts of lines" => STACK, |_| "github.com/acme/shop/internal/inventory.(*Queue).foll\now(0x1)\n", "";
    });
}

#[test]
fn what_the_server_and_others_say() {
    all_grow_as_they_should(&cases! { super::notify, 5_000;
        "READY" => "", |_| "READY=1\n", "";
        "empty lines" => "", |_| "\n", "";
        "a long STATUS" => "STATUS=", |_| "\x1b[31m", "";
        "names" => "", |_| "=", "";
        "a long number" => "EXTEND_TIMEOUT_USEC=", |_| "9", "";
    });
    all_grow_as_they_should(&cases! { super::proc_stat, 20_000;
        "a name of brackets" => "7 (", |_| ")", ") S 1 2 3";
        "a name of blanks" => "7 (", |_| " ", ") S 1 2 3";
        "fields" => "7 (a) S", |_| " 1", "";
        "blanks before" => "", |_| " ", "7 (a) S 1";
    });
}

#[test]
fn files_of_the_image_and_of_the_kernel() {
    all_grow_as_they_should(&cases! { super::accounts, 8_000;
        "users" => "last\0", |at| format!("u{at}:x:{at}:{at}::/:\n"), "last:x:1:1::/:/x\n\0";
        "colons" => "app\0", |_| ":", "\0";
        "groups" => "app\0app:x:1:1::/:\n\0", |at| format!("g{at}:x:{at}:app\n"), "";
        "members" => "app\0app:x:1:1::/:\n\0g:x:7:", |_| "app,", "\n";
        "groups, none of them the one" => "1:last\0\0", |at| format!("g{at}:x:{at}:\n"), "last:x:7:\n";
        "a long number" => "app\0app:x:", |_| "0", "1:1::/:\n\0";
        "a long name" => "", |_| "a", ":1\0\0";
    });
    all_grow_as_they_should(&cases! { super::mountinfo, 8_000;
        "mounts" => "/data/x\0", |at| format!("{at} 1 0:20 / /data{at} rw - t t rw\n"), "";
        "one mount again and again" => "/data/x\0", |at| format!("{at} 1 0:20 / /data rw,noexec - t t rw\n"), "";
        "options" => "/data/x\0 1 1 0:20 / /data rw", |_| ",a", " - t t rw\n";
        "a deep path" => "/", |_| "a/", "\x001 1 0:20 / / rw - t t rw\n";
    });
    all_grow_as_they_should(&cases! { super::cgroup, 8_000;
        "groups" => "", |at| format!("{at}:cpu:/a\n"), "\0";
        "controllers" => "4:", |_| "a,", ":/a\n\0";
        "a deep group" => "0::", |_| "/a", "\n\0";
        "slashes" => "0::", |_| "/", "\n\0";
        "counters" => "0::/\n\0", |at| format!("a{at} 1\n"), "";
        "CPUs" => "0::/\n\0max\0Cpus_allowed:\t", |_| "f,", "\n";
    });
    all_grow_as_they_should(&cases! { super::exec_head, 20_000;
        "a long first line" => "\0#!", |_| "a", "\n";
        "blanks" => "\0#!", |_| " ", "/bin/sh\n";
    });
    // Of more than 4096 entries nothing is read.
    all_grow_as_they_should(&[
        Case { name: "sections of one long name", reader: super::elf, least: 500, input: sections },
        Case { name: "segments of data", reader: super::elf, least: 500, input: segments },
    ]);
}

/// An ELF file's header: where its segments and sections are, and how many.
fn elf(segments: (usize, usize), sections: (usize, usize)) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(64, 0);
    let mut put = |at: usize, bytes: &[u8]| file.splice(at..at + bytes.len(), bytes.iter().copied()).for_each(drop);
    put(32, &(segments.0 as u64).to_le_bytes());
    put(40, &(sections.0 as u64).to_le_bytes());
    put(54, &56u16.to_le_bytes());
    put(56, &(segments.1 as u16).to_le_bytes());
    put(58, &64u16.to_le_bytes());
    put(60, &(sections.1 as u16).to_le_bytes());
    file
}

fn sections(count: usize) -> Vec<u8> {
    let mut file = elf((0, 0), (64, count));
    let names = (64 + 64 * count) as u64;
    for _ in 0..count {
        let mut section = [0; 64];
        section[24..32].copy_from_slice(&names.to_le_bytes());
        section[32..40].copy_from_slice(&(1u64 << 16).to_le_bytes());
        file.extend(section);
    }
    file.resize(names as usize + (1 << 16), b'a');
    file
}

fn segments(count: usize) -> Vec<u8> {
    let mut file = elf((64, count), (0, 0));
    let data = (64 + 56 * count) as u64;
    for _ in 0..count {
        let mut segment = [0; 56];
        // PT_LOAD, PF_R and PF_W
        (segment[0], segment[4]) = (1, 6);
        segment[8..16].copy_from_slice(&data.to_le_bytes());
        segment[32..40].copy_from_slice(&(1u64 << 20).to_le_bytes());
        file.extend(segment);
    }
    file.resize(data as usize + (1 << 20), 0xff);
    file
}

#[test]
fn command_lines() {
    all_grow_as_they_should(&cases! { super::options, 4_000;
        "switches" => "goward\0", |_| "-v\0", "/server";
        "letters" => "goward\0-", |_| "v", "\0/server";
        "arguments" => "goward\0/server", |_| "\0a", "";
        "values" => "goward", |at| format!("\0--rewrite\0{}:TERM", 35 + at % 30), "\0/server";
        "a list" => "goward\0--rewrite=TERM:INT", |at| format!(",{}:TERM", 35 + at % 30), "\0/server";
        "codes" => "goward\0--success-exit=1", |at| format!(",{}", at % 256), "\0/server";
        "directories" => "goward\0--user=1:1", |at| format!("\0--own=/{at}"), "\0/server";
        "limits" => "goward", |_| "\0--rlimit=nofile=1:2", "\0/server";
        "header fields" => "goward\0--health=http://localhost:1/", |_| "\0--health-header=A:b", "\0/server";
        "hooks" => "goward", |_| "\0--before=a b c", "\0/server";
        "a long hook" => "goward\0--before=a", |_| " 'b'", "\0/server";
        "unknown options" => "goward\0--", |_| "a", "\0/server";
        "variables" => "goward\0/server", |at| format!("\0\x01GOWARD_X{at}=1"), "";
        "a long variable" => "goward\0/server\0\x01GOWARD_", |_| "A", "=1";
        "tini" => "tini", |_| "\0-e1", "\0/server";
        "dumb-init" => "dumb-init", |_| "\0-r1:2", "\0/server";
        "catatonit" => "catatonit", |_| "\0-g", "\0/server";
    });
    all_grow_as_they_should(&cases! { super::target, 20_000;
        "a path" => "http://localhost/", |_| "a", "";
        "colons" => "http://", |_| ":", "";
        "brackets" => "tcp://", |_| "[", "]:1";
        "words" => "exec:", |_| "a ", "";
        "quotes" => "exec:", |_| "'", "";
        "a duration" => "", |_| "1h", "";
        "a long number" => "", |_| "1", "";
    });
}
