#!/bin/sh
# Runs fuzz targets that have been built, as many at a time as there are processors, and says at the end which found something.
#   fuzz/run.sh DIRECTORY TRIPLE OPTIONS TARGET...   DIRECTORY has build/, seeds/, and what was found before; OPTIONS are libFuzzer's
set -u
fuzz=$1 triple=$2 options=$3
shift 3
rm -f "$fuzz"/*.failed

one() { # TARGET
    mkdir -p "$fuzz/corpus/$1" "$fuzz/artifacts/$1"
    log=$fuzz/$1.log
    # shellcheck disable=SC2086 # words
    "$fuzz/build/$triple/release/$1" $options -timeout=5 -rss_limit_mb=512 -print_final_stats=1 -artifact_prefix="$fuzz/artifacts/$1/" \
        "$fuzz/corpus/$1" "$fuzz/seeds/$1" >"$log" 2>&1 || { tail -n 40 "$log"; : >"$fuzz/$1.failed"; }
    echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions"
}

lanes=$(nproc)
lane=0
while [ "$lane" -lt "$lanes" ]; do
    (
        at=0
        for target; do
            [ $((at % lanes)) != "$lane" ] || one "$target"
            at=$((at + 1))
        done
    ) &
    lane=$((lane + 1))
done
wait
bad=$(cd "$fuzz" && for failed in *.failed; do [ ! -e "$failed" ] || echo "${failed%.failed}"; done)
# shellcheck disable=SC2086 # on one line
[ -z "$bad" ] || { echo "found something:" $bad "(target/fuzz/artifacts)"; exit 1; }
