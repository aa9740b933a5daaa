#!/bin/sh
# Builds the last commit twice, from clones in two folders of different names, and compares every file of the release.
#   packaging/reproducible.sh TARGET...
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR DIST DIST_FROM GOWARD_COMMIT SOURCE_DATE_EPOCH
for folder in one "another/folder with a longer name"; do
    mkdir -p "$work/$folder"
    git clone --quiet --no-hardlinks "$root" "$work/$folder/goward"
    (cd "$work/$folder/goward" && packaging/dist.sh "$@" >"$work/log" 2>&1) || { cat "$work/log"; exit 1; }
done
for file in "$work"/one/goward/target/dist/goward*; do
    cmp "$file" "$work/another/folder with a longer name/goward/target/dist/$(basename "$file")"
done
cat "$work/one/goward/target/dist/SHA256SUMS"
echo 'the same bytes, from two folders'
