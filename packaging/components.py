#!/usr/bin/env python3
"""What is in a binary besides goward: the crates that are linked in, Rust's standard library, and the libc.

    components.py sbom TARGET VERSION        a bill of materials, CycloneDX 1.6 in JSON
    components.py licences TARGET VERSION    the licences of all of them, in Markdown

Nothing but cargo and what it has downloaded is asked, so the same Cargo.lock gives the same text.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent

MUSL = """\
musl as a whole is licensed under the MIT License.

Copyright © 2005-2020 Rich Felker, et al.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files
(the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge,
publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do
so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE
FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

GLIBC = """\
The GNU C Library is licensed under the LGPL 2.1 or later. It is linked statically into this binary; goward's sources and build
instructions, with which it can be linked against another version, are at {repository}.
"""


def out_of(*words):
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked(target):
    """The crates that are linked into the binary, by name."""
    metadata = json.loads(
        out_of("cargo", "metadata", "--format-version=1", "--locked", "--all-features", "--filter-platform", target)
    )
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, open_ids = set(), [metadata["resolve"]["root"]]
    while open_ids:
        current = open_ids.pop()
        if current in seen:
            continue
        seen.add(current)
        for dependency in nodes[current]["deps"]:
            package = packages[dependency["pkg"]]
            # Macros and build scripts leave nothing of theirs behind.
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if normal and not any("proc-macro" in one["kind"] for one in package["targets"]):
                open_ids.append(dependency["pkg"])
    seen.discard(metadata["resolve"]["root"])
    return sorted((packages[one] for one in seen), key=lambda package: (package["name"], package["version"]))


def checksums():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(one["name"], one["version"]): one.get("checksum") for one in lock["package"]}


def others(target):
    """What does not come from cargo: name, version, licence, group."""
    rust = out_of("rustc", "--version").split()[1]
    yield "rust-std", rust, "MIT OR Apache-2.0"
    if target.endswith("musl"):
        yield "musl", None, "MIT"
    else:
        yield "glibc", None, "LGPL-2.1-or-later"


def sbom(target, version):
    own = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    sums = checksums()
    components = []
    for package in linked(target):
        name, number = package["name"], package["version"]
        components.append(
            {
                "type": "library",
                "bom-ref": f"pkg:cargo/{name}@{number}",
                "name": name,
                "version": number,
                "scope": "required",
                "licenses": [{"expression": package["license"].replace("/", " OR ")}],
                "purl": f"pkg:cargo/{name}@{number}",
                "hashes": [{"alg": "SHA-256", "content": sums[name, number]}],
                "externalReferences": [{"type": "vcs", "url": package["repository"]}] if package["repository"] else [],
            }
        )
    for name, number, licence in others(target):
        component = {"type": "library", "bom-ref": name, "name": name, "licenses": [{"expression": licence}]}
        if number:
            component["version"] = number
        components.append(component)
    when = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), datetime.timezone.utc)
    content = json.dumps(components, sort_keys=True)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'goward {version} {target} {content}')}",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": f"pkg:cargo/goward@{version}",
                "name": "goward",
                "version": version,
                "description": own["description"],
                "licenses": [{"expression": own["license"]}],
                "purl": f"pkg:cargo/goward@{version}",
                "properties": [{"name": "target", "value": target}],
            },
        },
        "components": components,
        "dependencies": [
            {"ref": f"pkg:cargo/goward@{version}", "dependsOn": [component["bom-ref"] for component in components]}
        ],
    }
    print(json.dumps(bom, indent=1, ensure_ascii=False))


def licence_files(package):
    directory = pathlib.Path(package["manifest_path"]).parent
    names = ("license", "licence", "copying", "unlicense", "notice", "copyright")
    found = [file for file in directory.iterdir() if file.is_file() and file.name.lower().startswith(names)]
    # Of several to choose from this one is chosen.
    mit = [file for file in found if "mit" in file.name.lower()]
    return sorted(mit or found)


def licences(target, version):
    own = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    print(f"# What is in goward {version} for {target} besides goward\n")
    texts = {}
    for package in linked(target):
        print(f"- {package['name']} {package['version']}: {package['license']}, {package['repository']}")
        for file in licence_files(package):
            text = file.read_text(errors="replace").strip()
            texts.setdefault(text, []).append(package["name"])
        if not licence_files(package):
            texts.setdefault(f"Its package has no text of its licence, {package['license']}; see {package['repository']}.", []).append(package["name"])
    for name, number, licence in others(target):
        print(f"- {name}{' ' + number if number else ''}: {licence}")
    documents = pathlib.Path(out_of("rustc", "--print", "sysroot").strip()) / "share/doc/rust"
    rust = [documents / name for name in ("LICENSE-MIT", "licenses/MIT.txt") if (documents / name).is_file()]
    text = rust[0].read_text().strip() if rust else "Copyright (c) The Rust Project Contributors. MIT OR Apache-2.0; see https://github.com/rust-lang/rust."
    texts.setdefault(text, []).append("rust-std")
    if target.endswith("musl"):
        texts.setdefault(MUSL.strip(), []).append("musl")
    else:
        texts.setdefault(GLIBC.format(repository=own["repository"]).strip(), []).append("glibc")
    for text, names in sorted(texts.items(), key=lambda item: item[1]):
        print(f"\n## {', '.join(names)}\n\n```text\n{text}\n```")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("sbom", "licences"):
        sys.exit(__doc__)
    {"sbom": sbom, "licences": licences}[sys.argv[1]](*sys.argv[2:])
