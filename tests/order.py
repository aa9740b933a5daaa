#!/usr/bin/env python3
"""Writes order.ld: the functions that a start runs, those that a signal and a stop run, and those that probes run again and
again, so that the linker puts them side by side.

Run by `make order`, as root. It runs goward under callgrind as PID 1 of a namespace, and names the
sections whose instructions were executed. Names have hashes in them, which are left open: they change with every compiler.
"""
import bisect
import http.server
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

TARGET = f"{os.uname().machine}-unknown-linux-musl"
SERVER = ["sh", "-c", 'trap "exit 0" TERM; trap : USR1; while :; do sleep 0.1; done']
# It ends by the signal itself.
PLAIN = ["sleep", "60"]
# The second drops privileges.
RUNS = [([], SERVER), (["--user", "65532:65532"], SERVER), ([], PLAIN)]
# Health over a socket and by a command: what runs for as long as the server does is no start's.
PROBES = [["--health", "http://127.0.0.1:{port}/"], ["--health", "exec:true"]]
EVERY = ["--health-interval", "300ms", "--health-timeout", "10s", "--health-retries", "1000"]
# The linker keeps one of several functions that are alike, and not always the same one: named are all that it ever kept.
ROUNDS = 5


class Healthy(http.server.BaseHTTPRequestHandler):
    """What is probed."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


# Where the start ends: see src/sys/code.rs.
LAST_OF_THE_START = ["*4code6forget*", "*code::forget*"]


def build(out):
    """The binary as it is released, but with its symbols, and its sections: address, size, file, name."""
    linked = f"{out}/map"
    command = ["cargo", "rustc", "--quiet", "--release", "--bin", "goward", "--target", TARGET, "--target-dir", f"{out}/target"]
    subprocess.run([*command, "--", "-C", f"link-arg=-Map={linked}", "-C", "strip=none"], check=True)
    line = re.compile(r"^ *([0-9a-f]+) +[0-9a-f]+ +([0-9a-f]+) +\d+ {9}(\S.*):\((\.text[^)]*)\)$")
    found = [match.groups() for match in map(line.match, open(linked)) if match]
    sections = sorted((int(address, 16), int(size, 16), file, name) for address, size, file, name in found)
    return f"{out}/target/{TARGET}/release/goward", sections


def executed(binary, options, server, out):
    """The addresses of all instructions that it executes: until its start is over, and from there to its end."""
    profile = f"{out}/profile"
    # It is opened again for the second part, by whoever goward has become.
    open(profile, "w").close()
    os.chmod(profile, 0o666)
    command = ["valgrind", "-q", "--tool=callgrind", "--dump-instr=yes", "--combine-dumps=yes"]
    command += [f"--callgrind-out-file={profile}", *(f"--dump-after={name}" for name in LAST_OF_THE_START)]
    command += [binary, *options, "--", *server]
    unshared = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", *command], stderr=subprocess.PIPE)
    time.sleep(4)
    try:
        init = int(open(f"/proc/{unshared.pid}/task/{unshared.pid}/children").read())
        for number in [signal.SIGTERM] if server == PLAIN else [signal.SIGUSR1, signal.SIGTERM]:
            os.kill(init, number)
            time.sleep(0.5)
        _, said = unshared.communicate(timeout=20)
    finally:
        unshared.kill()
    expected = 128 + signal.SIGTERM if server == PLAIN else 0
    assert unshared.returncode == expected, f"goward ended with {unshared.returncode}: {said.decode()}"
    _, *parts = re.split(r"^part: \d+$", open(profile).read(), flags=re.MULTILINE)
    os.remove(profile)
    assert len(parts) > 1, f"{len(parts)} parts of a profile: {' or '.join(LAST_OF_THE_START)} was not found in it"
    # A change of health calls it again.
    first, *later = [instructions(part) for part in parts]
    return [first, set().union(*later)]


def instructions(part):
    """The addresses in a part of a profile. Each is relative to the one before where it can be."""
    address, addresses = 0, set()
    for position in re.findall(r"^(0x[0-9a-f]+|[+-]\d+|\*) ", part, re.MULTILINE):
        if position.startswith("0x"):
            address = int(position, 16)
        elif position != "*":
            address += int(position)
        addresses.add(address)
    return addresses


def pattern(file, name):
    """As the linker's script names a section, whatever the hashes are."""
    member = re.search(r"libc\.a\((.*)\)$", file)
    if member:
        return f"*libc.a:{member[1]}(.text .text.*)"
    for varies, left_open in [(r"17h[0-9a-f]{16}E", "17h*"), (r"Cs[0-9A-Za-z]+_", "Cs*_"), (r"\.\d+$", "*")]:
        name = re.sub(varies, left_open, name)
    return f"*({name})"


def write(start, run, probe):
    with open("order.ld", "w") as script:
        script.write("/* Written by `make order`, see tests/order.py: what a start runs, what a signal and a stop run, and what probes run.\n")
        script.write("   src/sys/code.rs, forget, takes what lies between these two names for what is not needed any more. */\n")
        script.write("__executable_start = ADDR(.text);\n")
        # What fits both is put into the first that is named, and the second is put before it.
        for name, patterns, beginning in [(".text.run", run, "  etext = .;\n"), (".text.start", start, ""), (".text.probe", probe, "")]:
            script.write(f"SECTIONS {{ {name} : {{\n{beginning}")
            script.writelines(f"  {each}\n" for each in sorted(patterns))
            script.write("} } INSERT AFTER .text;\n")


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open("order.ld") as script:
        before = script.read()
    try:
        find()
    except BaseException:
        with open("order.ld", "w") as script:
            script.write(before)
        raise


def find():
    # The end of all is not in the profile, and what ends the start goes on when it has dropped the start's pages.
    ends_the_start = {"*libc.a:madvise.lo(.text .text.*)"}
    start, probe = set(), set()
    run = ends_the_start | {"*libc.a:_Exit.lo(.text .text.*)", "*(.text._ZN6goward3sys4code6forget17h*)"}
    write(start, run, probe)
    probed = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=probed.serve_forever, daemon=True).start()
    probes = [[word.format(port=probed.server_port) for word in options] + EVERY for options in PROBES]
    with tempfile.TemporaryDirectory() as out:
        # Also by who goward has become.
        os.chmod(out, 0o777)
        for _ in range(ROUNDS):
            binary, sections = build(out)
            parts = [executed(binary, options, server, out) for options, server in RUNS]
            first, later = (found(sections, set().union(*which)) for which in zip(*parts))
            again = found(sections, set().union(*(executed(binary, options, SERVER, out)[1] for options in probes))) - later
            for name, which in [("start", first - later - again), ("signal and stop", later), ("probes", again)]:
                print(f"{name}: {len(which)} sections, {sum(section[1] for section in which)} bytes", file=sys.stderr)
            before = (start, run, probe)
            run = run | patterns(later)
            probe = (probe | patterns(again)) - run
            start = (start | patterns(first)) - run - probe
            if (start, run, probe) == before:
                break
            write(start, run, probe)


def found(sections, addresses):
    """The sections in which these addresses are."""
    starts = [section[0] for section in sections]
    near = {(sections[bisect.bisect(starts, address) - 1], address) for address in addresses if address >= starts[0]}
    return {section for section, address in near if address < section[0] + section[1]}


def patterns(sections):
    # The first instructions of all are in a section without a name of its own.
    return {pattern(file, name) for _, _, file, name in sections if name != ".text" or "libc.a" in file}


main()
