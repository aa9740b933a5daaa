#!/usr/bin/env python3
"""Writes the seed corpora: small inputs for each target, made of what is in the repository already.

    fuzz/seeds.py DIRECTORY     into DIRECTORY/TARGET/
"""

import base64
import gzip
import hashlib
import io
import json
import os
import struct
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(sys.argv[1])
# The fuzzer makes inputs longer by itself; a long seed makes it slow.
LONGEST = 16 << 10


def seed(target, data, choice=None):
    """One input; `choice` is the first byte, where a target chooses by it."""
    data = data.encode() if isinstance(data, str) else data
    data = (b"" if choice is None else bytes([choice])) + data[:LONGEST]
    directory = OUT / target
    directory.mkdir(parents=True, exist_ok=True)
    (directory / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def dumps():
    for path in sorted((ROOT / "tests/dumps").rglob("*.stderr")):
        dump = path.read_bytes()
        if len(dump) > 4 * LONGEST:
            continue
        seed("dump", dump, 0)
        seed("dump", dump, 2 * 17 + 1)
        seed("goroutines", dump, 0)
        lines = dump.decode(errors="replace").splitlines()[:60]
        prefixes = ["web-1  | ", "[pod/web-1/app] ", "2026-11-23T05:55:22.297480536Z stderr F ", "Nov 23 05:55:22 host shop[71]: ",
                    "E1123 05:55:22.123456      71 main.go:42] ", "web.log:12:", "\x1b[36mweb-1  | \x1b[0m", "    ", "> "]
        for prefix, other in zip(prefixes, prefixes[1:] + prefixes[:1]):
            seed("goroutines", "".join(f"{prefix}{line}\n" for line in lines), 7)
            # Two streams by turns.
            seed("goroutines", "".join(f"{prefix}{line}\n{other}{line}\n" for line in lines), 9)
        for whole in [json.dumps(dump.decode(errors="replace")[:LONGEST // 2])]:
            seed("goroutines", f"time=1 msg={whole}\n", 5)
            seed("goroutines", f"{{\"level\":\"error\",\"stack\":{whole}}}\n", 5)
        seed("goroutines", "".join(json.dumps({"log": line + "\n", "stream": "stderr"}) + "\n" for line in lines), 3)


def http():
    answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready",
        "HTTP/1.0 200 OK\r\n\r\nready",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n2;x=y\r\ndy\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\nConnection: close\nContent-Length: 2\n\nno",
        "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    ]
    for answer in answers:
        for choice in [0, 1, 2, 7]:
            seed("http", answer, choice)
            seed("probe_http", answer, choice)


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def grpc():
    for message, status in [(b"\x08\x01", "0"), (b"\x08\x02", "0"), (b"", "5"), (b"\x08\x01\x12\x01x", "0")]:
        data = b"\0" + struct.pack(">I", len(message)) + message
        trailers = field("grpc-status", status) + field("grpc-message", "unknown")
        answer = (
            frame(4, 0, 0, b"") + frame(4, 1, 0, b"") + frame(6, 0, 0, b"12345678") + frame(8, 0, 0, b"\0\0\1\0")
            + frame(1, 4, 1, b"\x88") + frame(0, 8, 1, b"\2" + data + b"\0\0")
            + frame(1, 1, 1, trailers[:9]) + frame(9, 4, 1, trailers[9:])
        )
        for choice in [0, 1, 9]:
            seed("probe_grpc", answer, choice)
        seed("hpack", b"\x88" + trailers)
    seed("probe_grpc", frame(7, 0, 0, bytes(8)), 0)
    seed("probe_grpc", frame(3, 0, 1, b"\0\0\0\7"), 0)
    seed("probe_grpc", "HTTP/1.1 400 Bad Request\r\n\r\n", 0)
    # RFC 7541, C.4.1 and C.6.1.
    for coded in ["f1e3c2e5f23a6ba0ab90f4ff", "6402", "aec3771a4b", "d07abe941054d444a8200595040b8166e082a62d1bff"]:
        coded = bytes.fromhex(coded)
        seed("hpack", coded)
        seed("hpack", b"\x58" + bytes([0x80 | len(coded)]) + coded)


def tls():
    def record(kind, body):
        return bytes([kind, 3, 3]) + struct.pack(">H", len(body)) + body

    def message(kind, body):
        return bytes([kind]) + struct.pack(">I", len(body))[1:] + body

    def inner(kind, body):
        body += bytes(-len(body) % 8)
        return bytes([kind, len(body) // 8]) + body

    share = struct.pack(">HHHH", 51, 69, 23, 65) + b"\4" + bytes(64)
    extensions = struct.pack(">HHH", 43, 2, 0x304) + share
    hello = b"\3\3" + bytes(32) + b"\0" + b"\x13\1\0" + struct.pack(">H", len(extensions)) + extensions
    for body in [record(22, message(2, hello)), record(20, b"\1") + record(22, message(2, hello)[:40]), record(21, b"\2\x28"),
                 b"HTTP/1.1 400 Bad Request\r\n\r\n"]:
        seed("tls", body, 4)
        seed("tls", body, 4 + 8 * 3)
    chosen = message(8, b"\0\x09\0\x10\0\5\0\3\2h2")
    path = ROOT / "tests/check/valid.pem"
    der = base64.b64decode("".join(line for line in path.read_text().splitlines() if not line.startswith("-")))
    entry = struct.pack(">I", len(der))[1:] + der + b"\0\0"
    certificate = message(11, b"\0" + struct.pack(">I", len(entry))[1:] + entry)
    verify = message(15, struct.pack(">HH", 0x403, 8) + bytes(8))
    for stage, body in [(0, chosen), (1, certificate), (1, message(13, b"\0\0\0") + certificate), (2, verify),
                        (3, message(20, bytes(32))), (4, message(4, bytes(9))), (4, message(24, b"\1"))]:
        for choice in range(4):
            seed("tls", inner(22, body), choice + 8 * stage)
    seed("tls", inner(23, b"PRI * HT"), 8 * 4)
    seed("tls_identity", path.read_bytes() + b"\0-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
         b"\n-----END PRIVATE KEY-----\n")


def texts():
    for text in ["READY=1\nSTATUS=up \x1b[31m\nMAINPID=7\nWATCHDOG=1\nEXTEND_TIMEOUT_USEC=1500000\n",
                 "RELOADING=1\nMONOTONIC_USEC=1\n", "STOPPING=1", "WATCHDOG=trigger"]:
        seed("notify", text)
    stat = "42 (a) R 1 (b) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3"
    seed("proc_stat", stat)
    seed("proc_stat", stat.replace("S 7", "Z 1"))
    passwd = "root:x:0:0:root:/root:/bin/sh\n\n# a comment\n+::::::\napp:x:1000:2000:App:/home/app:/bin/false\nx:x:1:1:::\n"
    group = "root:x:0:\nstaff:x:50:app,other\nlogs:x:51:other, app\napp:x:2000:\n"
    for spec in ["app", "1000", "app:staff", "app:7", "65532:65532", "nobody", "x"]:
        seed("accounts", f"{spec}\0{passwd}\0{group}")
    mounts = ("22 1 0:20 / / rw,relatime - overlay overlay rw\n23 22 0:21 / /data rw,noexec,nosuid shared:1 - tmpfs t rw\n"
              "24 22 0:22 / /a\\040b ro - ext4 /dev/vda ro\n")
    seed("mountinfo", f"/data/server\0{mounts}")
    seed("mountinfo", f"/a b/server\0{mounts}")
    for groups, file in [("0::/kubepods/pod1\n", "low 0\noom_kill 1\n"), ("0::/\n", "150000 100000\n"),
                         ("5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n", "209715200\n"), ("0::/a/b\n", "max 100000\n")]:
        seed("cgroup", f"{groups}\0{file}\0Cpus_allowed:\t00000000,000000ff\n")
    for text in ["http://127.0.0.1:8080/a?b=c", "http://[::1]:80", "http://localhost", "tcp://localhost:9", "unix:/run/a b",
                 "unix:@name", "grpc://127.0.0.1:9/my.Service", "http://unix:/a.sock:/health?x", "grpc://unix:/a.sock:/s",
                 "exec:/check 'a b' ''", "1m30s", "1.5s", "500ms", "SIGRTMIN+3", "TERM", "15", "on-failure:3", "always",
                 "net_bind_service", "CAP_CHOWN"]:
        seed("target", text)
    seed("status_answer", "10\0running, ready; pid 7, up 3.2s\n\0{\"phase\":\"running\",\"ready\":true}\n")
    seed("json", '{"timestamp":"2026-01-01T00:00:00Z","level":"WARN","code":137,"leftovers":"a \\"b\\" \\u0007","x":-1,"y":null}\n')
    seed("sockets", "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0\n")
    seed("sockets", "   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C350 01 00000000:0000001A 00:00000000 00000000 0 0 0 1 0 20\n")
    seed("sockets", "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a.sock\n")
    seed("sockets", bytes([2, 10, 0, 0]) + struct.pack(">HH", 8080, 0) + bytes(48 - 4) + bytes(20))
    for text in [r' {"a": [1, -2.5e3, true, null, "x\n\u00e9\ud83d\ude00\/"], "b": {}, "a2": [], "b": {"c": "d"}} ']:
        seed("json", text)
    for path in sorted((ROOT / "tests/dumps").glob("*.json"))[:8]:
        seed("json", path.read_bytes())
    for path in sorted((ROOT / "tests/check").glob("*.pem")):
        seed("pem", path.read_bytes())


def options():
    lines = [
        "goward --stop-timeout 10s --user 65532:65532 -g -- /server -x",
        "goward run --rewrite TERM:INT --rewrite HUP:0 --drain 2s --dump summary --dump-file /d /server",
        "goward --health http://localhost:8080/healthz --health-interval 5s --on-unhealthy restart --restart on-failure:3 /server",
        "goward --before 'sh -c x' --after=/bye --notify --watchdog 10s --rlimit nofile=1024:2048 --own /data /server",
        "goward probe --timeout 3s http://localhost/", "goward status --json --wait 5s", "goward check --dockerfile Dockerfile",
        "goward rehearse --load http://localhost:8080/ -- /server", "goward goroutines --json a.log", "goward --help",
        "tini -s -g -v -w -p SIGKILL -e 143 -- /server", "tini --version", "dumb-init --rewrite 15:3 -c -- /server",
        "/usr/bin/dumb-init -r 1:2 -v /server", "catatonit -g -- /server", "catatonit -P",
    ]
    for line in lines:
        seed("options", line.replace(" ", "\0"))
        seed("options", line.replace(" ", "\0") + "\0\x01GOWARD_STOP_TIMEOUT=5s\0\x01GOWARD_USER=app\0\x01TINI_VERBOSITY=3\0\x01KUBERNETES_SERVICE_HOST=x")


def dockerfiles():
    ignore, module, script = ".git\n*.md\n!go.mod\n", "module x\n\ngo 1.27\n\nrequire y v1.0.0\n", "#!/bin/sh\nset -e\nexec \"$@\"\n"
    for path in sorted(ROOT.glob("examples/**/*ockerfile*")) + [ROOT / "Dockerfile.example"]:
        if path.is_file():
            seed("dockerfile", path.read_bytes() + f"\0{ignore}\0{module}\0{script}".encode())
            seed("dockerfile", path.read_bytes())
    packed = gzip.compress(b"goroutine 1 [running]:\nmain.main()\n" * 50, mtime=0)
    seed("gzip", b"\xff" + packed)
    seed("gzip", b"\3" + packed[:3] + b"\x1e" + packed[4:10] + b"\2\0xxname\0comment\0ss" + packed[10:] + packed)
    compose = (ROOT / "examples/compose.yaml").read_text()
    seed("buildfile", compose + "\0VERSION=1\n")
    seed("buildfile", "x: &x {A: '1', B: [c, \"d\\n\"]}\nservices:\n  a:\n    build:\n      args:\n        <<: [*x]\n        C: |-\n          e\n      target: >\n        f\n        g\n")
    seed("buildfile", '{"target": {"a": {"context": ".", "args": {"A": "1", "B": null}, "contexts": {"b": "target:c"}}}}')
    # The recipes of the tests are texts in Rust.
    for path in sorted((ROOT / "tests/check").glob("*.rs")):
        for part in path.read_text().split('"FROM ')[1:]:
            text = part.split('",')[0].split('"\n')[0].replace("\\n\\\n", "\n").replace("\\n", "\n").replace('\\"', '"')
            seed("dockerfile", "FROM " + text[:2000])
    for text in ["set -e; if [ -f x ]; then (a 'b c'); fi >x 2>&1", "echo \"a; $(git describe --tags) \\\"b\\\" # c",
                 "CGO_ENABLED=0 GOOS=linux go build -ldflags='-s -w' && A=1; B=\"2 3\" && x y=1", "exec /goward --user 1:1 -- /server",
                 "cat <<EOF > out && b\nx ${A:-b c} ${B:=1} `date`\nEOF\n", "#!/bin/sh\ntrap 'kill $!' TERM\n/server &\nwait\n"]:
        seed("script", text)


def elf(interpreter=b"/lib/ld-none.so.1\0", wide=True, info=True):
    """A small program: an interpreter, a writable segment with what Go's linker writes, and sections for it."""
    header, entry, section = (64, 56, 64) if wide else (52, 32, 40)
    string = lambda text: bytes([len(text) & 127 | 128, len(text) >> 7]) + text if len(text) > 127 else bytes([len(text)]) + text
    module = b"0w\xaf\f\x92t\b\x02A\xe1\xc1\a\xe6\xd6\x18\xe6path\tx/cmd\nmod\tx\tv1.2.3\th1:\nbuild\t-ldflags=\"-s -X main.v=1\"\nbuild\tCGO_ENABLED=0\n\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
    data = b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16) + string(b"go1.27.3") + string(module) if info else b""
    names = b"\0.go.buildinfo\0.shstrtab\0"
    at_interpreter = header + 2 * entry
    at_data = (at_interpreter + len(interpreter) + 15) // 16 * 16
    at_names = at_data + len(data)
    at_sections = (at_names + len(names) + 7) // 8 * 8
    word = "Q" if wide else "I"
    head = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    head += struct.pack("<HHI" + 3 * word + "IHHHHHH", 2, 62 if wide else 3, 1, 0, header, at_sections, 0, header, entry, 2, section, 3, 2)

    def segment(kind, flags, at, size):
        if wide:
            return struct.pack("<IIQQQQQQ", kind, flags, at, 0x400000 + at, 0, size, size, 16)
        return struct.pack("<IIIIIIII", kind, at, 0x400000 + at, 0, size, size, flags, 16)

    def part(name, at, size):
        return struct.pack("<II" + 4 * word + "II" + 2 * word, name, 1, 0, 0, at, size, 0, 0, 0, 0)

    file = head + segment(3, 4, at_interpreter, len(interpreter)) + segment(1, 6, at_data, len(data))
    file += interpreter
    file = file.ljust(at_data, b"\0") + data + names
    file = file.ljust(at_sections, b"\0") + part(0, 0, 0) + part(1, at_data, len(data)) + part(15, at_names, len(names))
    return file


def programs():
    for program in [elf(), elf(wide=False), elf(info=False), elf(interpreter=b"")]:
        seed("elf", program)
        for choice in [0, 1, 2]:
            seed("exec_head", program, choice)
    for script in ["#!/bin/sh\nexec \"$@\"\n", "#!/bin/sh\r\n", "#!\n", "#!/usr/bin/env bash\n", "\ufeff#!/bin/sh\n", "MZ..", "echo\n"]:
        seed("exec_head", script, 0)
        seed("exec_head", script, 2)


def tarball(files, layout=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as tar:
        for name, content, mode in files:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if content is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue().rstrip(b"\0") + bytes(1024)


def images():
    layer = [("etc", None, 0o755), ("etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:\n", 0o644),
             ("server", elf(), 0o755), ("lib", "usr/lib", 0o777), ("etc/ssl/key.pem", b"-----BEGIN PRIVATE KEY-----\n", 0o644),
             ("run.sh", b"#!/bin/sh\nexec /server\n", 0o755)]
    second = [(".wh.run.sh", b"", 0o644), ("etc/.wh..wh..opq", b"", 0o644), ("server", elf(wide=False), 0o4755)]
    long = [("a/" * 90 + "name", b"x", 0o644)]
    config = json.dumps({"architecture": "amd64", "config": {"User": "app", "Env": ["PATH=/bin", "TOKEN=x"], "Entrypoint": ["/server"],
                         "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT", "WorkingDir": "/data"}}).encode()
    layers = [tarball(layer), gzip.compress(tarball(second), mtime=0), tarball(long, tarfile.PAX_FORMAT)]
    manifest = json.dumps([{"Config": "config.json", "Layers": [f"{n}.tar" for n in range(3)]}]).encode()
    files = [("manifest.json", manifest, 0o644), ("config.json", config, 0o644)]
    seed("image", tarball(files + [(f"{n}.tar", layer, 0o644) for n, layer in enumerate(layers)]))
    seed("image", tarball(files + [("0.tar", layers[1], 0o644)]))
    digest = lambda blob: "sha256:" + hashlib.sha256(blob).hexdigest()
    blob = lambda content: ("blobs/" + digest(content).replace(":", "/"), content, 0o644)
    inner = json.dumps({"config": {"digest": digest(config)}, "layers": [{"digest": digest(layers[0])}]}).encode()
    index = json.dumps({"manifests": [{"digest": digest(inner), "platform": {"os": "linux"}}]}).encode()
    seed("image", tarball([("index.json", index, 0o644), blob(inner), blob(config), blob(layers[0])]))
    for archive in [tarball(layer), tarball(long, tarfile.PAX_FORMAT), tarball(long, tarfile.GNU_FORMAT)]:
        seed("tar", archive)


def memory():
    # Places in tests/live/recorded, and what is written there.
    for at in range(0, 1 << 18, 4099):
        seed("live", struct.pack(">I", at)[1:] + bytes([at % 251]))
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    names = b"/srv\0"
    content = struct.pack("<QQQQQ", 1, 4096, 0x400000, 0x401000, 0) + names
    note = struct.pack("<III", 5, len(content), 0x46494C45) + b"CORE\0\0\0\0" + content
    load = struct.pack("<IIQQQQQQ", 1, 6, 64 + 112 + len(note), 0x500000, 0, 64, 64, 4096)
    notes = struct.pack("<IIQQQQQQ", 4, 4, 64 + 112, 0, 0, len(note), 0, 1)
    seed("core", header + notes + load + note + bytes(64))
    seed("core", "00400000-00401000 r-xp 00000000 fd:01 17 /srv\n7f00000-7f01000 rw-p 00000000 00:00 0 [heap]\n")


for make in [memory, dumps, http, grpc, texts, options, dockerfiles, programs, images, tls]:
    make()
print(f"{sum(len(files) for _, _, files in os.walk(OUT))} seeds in {OUT}")
