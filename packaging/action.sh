#!/bin/sh
# The steps of the action (action.yml).
#   action.sh get     the release GOWARD_VERSION of GOWARD_RELEASES, verified by its checksum, into RUNNER_TEMP
#   action.sh check   GOWARD_FILES are checked, with annotations; with GOWARD_SARIF=true RUNNER_TEMP/goward.sarif is written, too
set -eu
goward=${GOWARD_BINARY:-$RUNNER_TEMP/goward}
case $1 in
get)
    case $GOWARD_VERSION in v[0-9]*) ;; *) echo "goward: '$GOWARD_VERSION' is no release; version: v0.1.0 names one" >&2; exit 1 ;; esac
    case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) echo "goward: no binary for $(uname -m)" >&2; exit 1 ;;
    esac
    name=goward-${GOWARD_VERSION#v}-linux-$architecture
    cd "$RUNNER_TEMP"
    for file in "$name" SHA256SUMS; do
        curl --fail --silent --show-error --location --retry 3 --output "$file" "$GOWARD_RELEASES/$GOWARD_VERSION/$file"
    done
    # Only the line of this file: the others were not fetched.
    awk -v name="$name" '$2 == name' SHA256SUMS | sha256sum --check --strict
    mv "$name" goward
    chmod 0755 goward
    ;;
check)
    # Words, as they were given: files and options have no spaces in them here.
    # shellcheck disable=SC2086
    check() { "$goward" check $GOWARD_ARGUMENTS "$@" $GOWARD_FILES; }
    [ "$GOWARD_SARIF" != true ] || check --format sarif --fail-on never >"$RUNNER_TEMP/goward.sarif"
    check --format github --fail-on "$GOWARD_FAIL_ON"
    ;;
*) sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
