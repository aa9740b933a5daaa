#!/usr/bin/env python3
"""Writes order.ld: the functions that a start, a signal and a stop run, so that the linker puts them side by side.

Run by `make order`, as root. It runs goward under callgrind as PID 1 of a namespace, and names the
sections whose instructions were executed. Names have hashes in them, which are left open: they change with every compiler.
"""
import bisect
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

TARGET = f"{os.uname().machine}-unknown-linux-musl"
SERVER = ["sh", "-c", 'trap "exit 0" TERM; trap : USR1; while :; do sleep 0.1; done']
# The second drops privileges; as another user callgrind could not write its file.
RUNS = [[], ["--user", "0:0"]]
# The linker keeps one of several functions that are alike, and not always the same one: named are all that it ever kept.
ROUNDS = 5


def build(out):
    """The binary as it is released, and its sections: address, size, file, name."""
    linked = f"{out}/map"
    command = ["cargo", "rustc", "--quiet", "--release", "--bin", "goward", "--target", TARGET, "--target-dir", f"{out}/target"]
    subprocess.run([*command, "--", "-C", f"link-arg=-Map={linked}"], check=True)
    line = re.compile(r"^ *([0-9a-f]+) +[0-9a-f]+ +([0-9a-f]+) +\d+ {9}(\S.*):\((\.text[^)]*)\)$")
    found = [match.groups() for match in map(line.match, open(linked)) if match]
    sections = sorted((int(address, 16), int(size, 16), file, name) for address, size, file, name in found)
    return f"{out}/target/{TARGET}/release/goward", sections


def executed(binary, options, out):
    """The addresses of all instructions that it executes from its start to its end."""
    profile = f"{out}/profile{''.join(options)}"
    command = ["valgrind", "-q", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={profile}"]
    command += [binary, *options, "--", *SERVER]
    unshared = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", *command], stderr=subprocess.PIPE)
    time.sleep(4)
    try:
        init = int(open(f"/proc/{unshared.pid}/task/{unshared.pid}/children").read())
        for number in [signal.SIGUSR1, signal.SIGTERM]:
            os.kill(init, number)
            time.sleep(0.5)
        _, said = unshared.communicate(timeout=20)
    finally:
        unshared.kill()
    assert unshared.returncode == 0, f"goward ended with {unshared.returncode}: {said.decode()}"
    address, addresses = 0, set()
    for position in re.findall(r"^(0x[0-9a-f]+|[+-]\d+|\*) ", open(profile).read(), re.MULTILINE):
        if position.startswith("0x"):
            address = int(position, 16)
        elif position != "*":
            address += int(position)
        addresses.add(address)
    os.remove(profile)
    return addresses


def pattern(file, name):
    """As the linker's script names a section, whatever the hashes are."""
    member = re.search(r"libc\.a\((.*)\)$", file)
    if member:
        return f"*libc.a:{member[1]}(.text .text.*)"
    for varies, left_open in [(r"17h[0-9a-f]{16}E", "17h*"), (r"Cs[0-9A-Za-z]+_", "Cs*_"), (r"\.\d+$", "*")]:
        name = re.sub(varies, left_open, name)
    return f"*({name})"


def write(patterns):
    with open("order.ld", "w") as script:
        script.write("/* Written by `make order`, see tests/order.py: what a start, a signal and a stop run. src/sys/process.rs,\n")
        script.write("   forget_code, takes what lies between these two names for what is not needed any more. */\n")
        script.write("__executable_start = ADDR(.text);\nSECTIONS { .text.run : {\n  etext = .;\n")
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
    # The end of all is not in the profile.
    patterns = {"*libc.a:_Exit.lo(.text .text.*)"}
    write(patterns)
    with tempfile.TemporaryDirectory() as out:
        for _ in range(ROUNDS):
            binary, sections = build(out)
            starts = [section[0] for section in sections]
            addresses = set().union(*(executed(binary, options, out) for options in RUNS))
            near = {(sections[bisect.bisect(starts, address) - 1], address) for address in addresses if address >= starts[0]}
            run = {section for section, address in near if address < section[0] + section[1]}
            # The first instructions of all are in a section without a name of its own.
            new = {pattern(file, name) for _, _, file, name in run if name != ".text" or "libc.a" in file}
            print(f"{len(run)} sections, {sum(section[1] for section in run)} bytes, {len(new - patterns)} new", file=sys.stderr)
            if new <= patterns:
                break
            patterns |= new
            write(patterns)


main()
