#!/bin/sh
# Whatever the linker: goward builds, without a warning, starts a server, forwards a signal, and is PID 1.
#   tests/links.sh [NAME...]   those named only. What is not installed is skipped, and said; with CI set that fails.
# Built in the temporary directory, away from .cargo/config.toml and from this user's cargo configuration.
set -u
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
triple=$(uname -m)-unknown-linux
failed=0 skipped=0

# What a user gets who downloads the source: a package, unpacked, without this repository's configuration.
cargo package --quiet --allow-dirty --no-verify --target-dir "$work/package" || exit 1
mkdir "$work/source" && tar -xf "$work"/package/package/goward-*.crate -C "$work/source" --strip-components=1 || exit 1
mkdir "$work/home" && for kept in registry git; do
    from=${CARGO_HOME:-$HOME/.cargo}/$kept
    [ -d "$from" ] && ln -s "$from" "$work/home/$kept"
done
# cargo install looks for it where it is called, not in the source.
mv "$work/source/.cargo" "$work/configuration" || exit 1

# Where the linker is what is tested, the code need not be fast: the build is.
quick="CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0"

works() { # BINARY
    g=$1
    "$g" -q -- true 2>/dev/null || { echo "    true: $?"; return 1; }
    "$g" -q -- sh -c 'exit 1' 2>/dev/null; [ $? = 1 ] || { echo '    exit 1'; return 1; }
    timeout --foreground --preserve-status -s TERM 1 "$g" -q -- sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done' 2>/dev/null
    code=$?; [ $code = 9 ] || { echo "    TERM: $code"; return 1; }
    if unshare --pid --fork --mount-proc true 2>/dev/null; then
        unshare --pid --fork --mount-proc "$g" -q -- sh -c '(sleep 0.1 &); sleep 0.4; ! grep -q sleep /proc/[0-9]*/comm; exit $((7 + $?))' 2>/dev/null
        code=$?; [ $code = 7 ] || { echo "    PID 1: $code"; return 1; }
    fi
}

wanted() { # NAME
    [ -z "$only" ] && return 0
    for name in $only; do [ "$name" = "$1" ] && return 0; done
    return 1
}

link() { # NAME TOOL LIBC PROFILE [VARIABLE=VALUE...]
    name=$1 tool=$2 target=$triple-$3 profile=$4
    shift 4
    wanted "$name" || return 0
    if [ -n "$tool" ] && ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: $name ($tool)"; skipped=1; return 0
    fi
    [ "$profile" = debug ] && release= || release=--release
    # shellcheck disable=SC2086
    if ! (cd "$work/source" && env $quick "$@" CARGO_HOME="$work/home" CARGO_TARGET_DIR="$work/target" \
        cargo build --no-default-features --bin goward --target "$target" $release) >"$work/log" 2>&1; then
        echo "FAILED: $name does not build"; tail -n 25 "$work/log"; failed=1; return 0
    fi
    # rustc says this of every program, and counts it.
    if grep -i warning "$work/log" | grep -qv 'gold linker is deprecated\|generated 1 warning'; then
        echo "FAILED: $name builds with warnings"; grep -i -A12 warning "$work/log"; failed=1; return 0
    fi
    g=$work/target/$target/$profile/goward
    works "$g" || { echo "FAILED: $name does not work"; failed=1; return 0; }
    echo "$name: $(stat -c %s "$g") bytes, $(readelf -h "$g" | sed -n 's/^ *Type: *\([A-Z]*\).*/\1/p')"
}

only=$*
link default '' musl release
link default-debug '' musl debug
link pie '' musl release RUSTFLAGS='-C relocation-model=pie'
link fixed-address '' musl release RUSTFLAGS='-C relocation-model=static'
link gcc gcc musl release RUSTFLAGS='-C linker=gcc'
link clang clang musl release RUSTFLAGS='-C linker=clang'
# Debian's musl-gcc makes nothing position-independent of rustc's that runs, not even an empty program.
link musl-gcc musl-gcc musl release RUSTFLAGS='-C linker=musl-gcc -C relocation-model=static'
# As Alpine's own target links: to the shared musl, and to libgcc_s, of which goward needs nothing.
if command -v musl-gcc >/dev/null; then
    mkdir "$work/lib" && musl-gcc -shared -nostdlib -Wl,-soname,libgcc_s.so.1 -o "$work/lib/libgcc_s.so.1" -x c /dev/null
fi
link musl-shared musl-gcc musl release \
    RUSTFLAGS="-C linker=musl-gcc -C target-feature=-crt-static -L native=$work/lib -C link-arg=-Wl,-rpath,$work/lib"
link lld-flavor lld musl release RUSTFLAGS='-C linker-flavor=ld.lld'
link rust-lld '' musl release RUSTFLAGS='-C linker=rust-lld'
link rust-lld-by-variable '' musl release "CARGO_TARGET_$(echo "$triple" | tr a-z- A-Z_)_MUSL_LINKER=rust-lld"
link ld.lld ld.lld musl release RUSTFLAGS='-C linker=ld.lld'
link gcc-with-lld ld.lld musl release RUSTFLAGS='-C linker=gcc -C link-arg=-fuse-ld=lld'
link gold ld.gold musl release RUSTFLAGS='-C link-arg=-fuse-ld=gold'
link mold mold musl release RUSTFLAGS='-C linker=clang -C link-arg=-fuse-ld=mold'
link glibc '' gnu release
link glibc-static '' gnu release RUSTFLAGS='-C target-feature=+crt-static'
link glibc-debug '' gnu debug

# With the repository's configuration, as it is built here, and with another linker in spite of it.
cp -r "$work/configuration" "$work/source/.cargo"
link configured '' musl release
link configured-debug '' musl debug
link configured-glibc '' gnu release
link configured-with-flags '' musl release RUSTFLAGS='-C debuginfo=0'
link configured-with-gcc gcc musl release "CARGO_TARGET_$(echo "$triple" | tr a-z- A-Z_)_MUSL_LINKER=gcc"
rm -r "$work/source/.cargo"

# As users do, from somewhere else, and as it is released.
if wanted install; then
    if (cd / && CARGO_HOME=$work/home CARGO_TARGET_DIR=$work/target cargo install --quiet --locked --path "$work/source" \
        --target "$triple-musl" --root "$work/installed") >"$work/log" 2>&1 && ! grep -qi warning "$work/log" && works "$work/installed/bin/goward"; then
        echo "install: $(stat -c %s "$work/installed/bin/goward") bytes"
    else
        echo 'FAILED: install'; tail -n 25 "$work/log"; failed=1
    fi
fi

[ $failed = 0 ] && { [ $skipped = 0 ] || [ -z "${CI:-}" ]; }
