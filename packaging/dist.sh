#!/bin/sh
# What a release consists of, written into a directory: for each platform a tarball, the bare binary, and a Debian package; the
# list of components, the licences of others, and SHA256SUMS. The same commit and toolchain give the same bytes, in whatever folder.
#   packaging/dist.sh [TARGET...]   those only; all that can be built here, if none is named. What cannot is said; with CI set it fails
# DIST=DIR       where to (target/dist)
# DIST_FROM=DIR  nothing is built: DIR/TARGET/goward and DIR/TARGET/goward-init are packed
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
out=${CARGO_TARGET_DIR:-target}
dist=${DIST:-$out/dist}
rm -rf "$dist" && mkdir -p "$dist" "$out"
dist=$(cd "$dist" && pwd) work=$(cd "$out" && pwd)/dist-work
rm -rf "$work" && mkdir -p "$work"
# .cargo/config.toml has the flags of each target, and these would take their place.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
export LC_ALL=C TZ=UTC
umask 022

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n1)
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH
if [ -z "${GOWARD_COMMIT:-}" ] && git diff --quiet HEAD 2>/dev/null; then GOWARD_COMMIT=$(git rev-parse --short=12 HEAD); fi
export GOWARD_COMMIT="${GOWARD_COMMIT:-}"
skipped=

# Rust's name, Go's and Docker's, Debian's, and the linker and the emulator that it needs.
platforms="x86_64-unknown-linux-musl amd64 amd64 - -
aarch64-unknown-linux-musl arm64 arm64 - qemu-aarch64-static
i686-unknown-linux-musl 386 i386 - qemu-i386-static
powerpc64le-unknown-linux-gnu ppc64le ppc64el powerpc64le-linux-gnu-gcc qemu-ppc64le-static
s390x-unknown-linux-gnu s390x s390x s390x-linux-gnu-gcc qemu-s390x-static
riscv64gc-unknown-linux-gnu riscv64 riscv64 riscv64-linux-gnu-gcc qemu-riscv64-static"

skip() { # TARGET REASON
    echo "SKIPPED: $1: $2"
    skipped="$skipped $1"
}

compile() { # TARGET NAME FLAG...: $work/TARGET/NAME
    target=$1 name=$2
    shift 2
    # Where cargo keeps its sources is no part of the program.
    home=${CARGO_HOME:-$HOME/.cargo}
    cargo build --locked --release --bin goward --target "$target" --target-dir "$work/build-$name" "$@" \
        --config "target.$target.rustflags=['--remap-path-prefix=$home/registry/src=registry', '--remap-path-prefix=$root=goward']"
    mkdir -p "$work/$target"
    cp "$work/build-$name/$target/release/goward" "$work/$target/$name"
}

runs() { # EMULATOR BINARY: it says its version, and passes on an exit code
    [ "$1" = - ] && set -- '' "$2"
    if [ -n "$1" ] && ! command -v "$1" >/dev/null; then echo "not run: $2 (no $1)"; return 0; fi
    # shellcheck disable=SC2086 # none, or one word
    $1 "$2" version | grep -q "$version"
    code=0
    # shellcheck disable=SC2086
    env -u GOWARD_COMMIT $1 "$2" -q -- sh -c 'exit 7' 2>"$work/said" || code=$?
    [ "$code" = 7 ] || { cat "$work/said" >&2; echo "$2: exit code $code, not 7" >&2; return 1; }
}

archive() { # DIRECTORY FILE: a tarball that does not tell when, where, or by whom
    tar --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$(dirname "$1")" \
        -cf - "$(basename "$1")" | gzip -9n >"$2"
}

components() { # TARGET: what is in the binary besides goward, as an SBOM and as a text
    packaging/components.py sbom "$1" "$version" >"$work/$1/goward.cdx.json"
    packaging/components.py licences "$1" "$version" >"$work/$1/THIRD-PARTY.md"
}

tarball() { # TARGET
    name=goward-$version-$1
    tree=$work/trees/$name
    mkdir -p "$tree/completions"
    install -m 0755 "$work/$1/goward" "$work/$1/goward-init" "$tree"
    install -m 0644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$work/$1/THIRD-PARTY.md" "$work/$1/goward.cdx.json" \
        docs/goward.1 "$tree"
    install -m 0644 docs/completions/* "$tree/completions"
    archive "$tree" "$dist/$name.tar.gz"
}

debian() { # TARGET ARCHITECTURE
    tree=$work/debian/$2
    doc=$tree/usr/share/doc/goward
    mkdir -p "$tree/DEBIAN" "$doc" "$tree/usr/bin" "$tree/usr/share/man/man1" "$tree/usr/share/bash-completion/completions" \
        "$tree/usr/share/zsh/vendor-completions" "$tree/usr/share/fish/vendor_completions.d"
    install -m 0755 "$work/$1/goward" "$work/$1/goward-init" "$tree/usr/bin"
    gzip -9nc docs/goward.1 >"$tree/usr/share/man/man1/goward.1.gz"
    install -m 0644 docs/completions/goward.bash "$tree/usr/share/bash-completion/completions/goward"
    install -m 0644 docs/completions/_goward "$tree/usr/share/zsh/vendor-completions"
    install -m 0644 docs/completions/goward.fish "$tree/usr/share/fish/vendor_completions.d"
    gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
    { echo 'goward is distributed under the MIT License or the Apache License 2.0, as you choose.'; echo; cat LICENSE-MIT; echo; cat "$work/$1/THIRD-PARTY.md"; } >"$doc/copyright"
    cat >"$tree/DEBIAN/control" <<CONTROL
Package: goward
Version: $version
Architecture: $2
Maintainer: $(sed -n 's/^maintainer = "\(.*\)"$/\1/p' Cargo.toml)
Section: admin
Priority: optional
Homepage: $(sed -n 's/^repository = "\(.*\)"$/\1/p' Cargo.toml)
Installed-Size: $(find "$tree/usr" -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }')
Description: process supervisor and minimal init for Go servers in containers
 goward is PID 1 of a container: it starts a Go server as a non-root user, forwards
 signals, reaps orphans, and shows what the goroutines wait for before a
 deadline kills. It probes, checks images, and rehearses shutdowns.
 .
 goward-init is the init alone, without check and rehearse.
CONTROL
    (cd "$tree" && find usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
    find "$tree" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zgzip -z9 --build "$tree" "$dist/goward_${version}_$2.deb" >/dev/null
}

one() { # TARGET GO-ARCHITECTURE DEBIAN-ARCHITECTURE LINKER EMULATOR
    if [ -n "${DIST_FROM:-}" ]; then
        [ -e "$DIST_FROM/$1/goward" ] || { skip "$1" "not in $DIST_FROM"; return 0; }
        mkdir -p "$work/$1"
        cp "$DIST_FROM/$1/goward" "$DIST_FROM/$1/goward-init" "$work/$1"
    else
        if [ "$4" != - ] && ! command -v "$4" >/dev/null; then skip "$1" "no $4"; return 0; fi
        if command -v rustup >/dev/null; then rustup -q target add "$1" >/dev/null 2>&1 || true; fi
        [ -d "$(rustc --print sysroot)/lib/rustlib/$1" ] || { skip "$1" "this toolchain has no such target"; return 0; }
        compile "$1" goward
        compile "$1" goward-init --no-default-features
    fi
    emulator=$5
    [ "$(uname -m)" = "${1%%-*}" ] && emulator=-
    runs "$emulator" "$work/$1/goward"
    runs "$emulator" "$work/$1/goward-init"
    components "$1"
    tarball "$1"
    install -m 0755 "$work/$1/goward" "$dist/goward-$version-linux-$2"
    # What packaging/Dockerfile copies.
    mkdir -p "$dist/image/$2"
    install -m 0755 "$work/$1/goward" "$work/$1/goward-init" "$dist/image/$2"
    install -m 0644 LICENSE-MIT LICENSE-APACHE "$work/$1/THIRD-PARTY.md" "$dist/image/$2"
    if command -v dpkg-deb >/dev/null; then debian "$1" "$3"; else skip "$1.deb" "no dpkg-deb"; fi
}

named() { # TARGET NAME...
    [ $# -gt 1 ] || return 0
    target=$1
    shift
    for name; do [ "$name" = "$target" ] && return 0; done
    return 1
}

echo "$platforms" >"$work/platforms"
while read -r target go debian linker emulator; do
    if named "$target" "$@"; then one "$target" "$go" "$debian" "$linker" "$emulator" </dev/null; fi
done <"$work/platforms"
cd "$dist"
ls goward* >/dev/null
sha256sum -- goward* >SHA256SUMS
rm -rf "$work/trees" "$work/debian"
cat SHA256SUMS
[ -z "$skipped" ] || [ -z "${CI:-}" ]
