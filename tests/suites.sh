#!/bin/sh
# make test: every suite in turn, whatever became of those before it. At the end it says what passed, failed and was skipped, by
# suite; the exit code is 1 if anything failed, or was skipped where CI is set. What each suite printed is in target/suites.
# A test that failed is run once more by itself, because these tests measure real processes on a machine that others use, too. One
# that passes then is counted as passed and named at the end: whoever sees a name there twice has found a fault.
# MAKE, TARGET and OUT come from the Makefile.
set -u
logs=$OUT/suites
rm -rf "$logs" && mkdir -p "$logs" || exit 1
SKIPPED_TESTS=$(cd "$logs" && pwd)/skipped # suite, test, reason: each test that is skipped appends a line
export SKIPPED_TESTS
: >"$SKIPPED_TESTS" >"$logs/counts" >"$logs/failed" >"$logs/unsteady"
[ ! -t 1 ] || export CARGO_TERM_COLOR=always

logged() { # NAME COMMAND...: runs it; its output is shown and kept. $code is its exit code
    name=$1
    shift
    { if "$@" 2>&1; then code=0; else code=$?; fi; echo "$code" >"$logs/$name.code"; } | tee "$logs/$name.log"
    code=$(cat "$logs/$name.code")
}

step() { # SUITE COMMAND...: a suite that passes or fails as a whole. A line "SKIPPED: reason" says that it could not run
    suite=$1 began=$(date +%s)
    logged "$@"
    passed=0 failed=0
    if [ "$code" != 0 ]; then
        failed=1
        printf '%s\tsee %s/%s.log\n' "$suite" "$logs" "$suite" >>"$logs/failed"
    elif reason=$(sed -n 's/^SKIPPED: //p; s/^tools.sh: MISSING:/missing:/p' "$logs/$suite.log" | head -n1) && [ -n "$reason" ]; then
        printf '%s\t%s\t%s\n' "$suite" "$suite" "$reason" >>"$SKIPPED_TESTS"
        passed=1 # As a test that is skipped passes; the verdict subtracts it.
    else
        passed=1
    fi
    printf '%s\t%s\t%s\t0\t%s\n' "$suite" "$passed" "$failed" $(($(date +%s) - began)) >>"$logs/counts"
}

cargo_test() { # What libtest counts, by test binary. One that ends without having counted has failed
    # Most tests wait for most of their time: one more than there are processors leaves room for those that compute.
    threads=${RUST_TEST_THREADS:-$(($(nproc) + 1))}
    logged tests env RUST_TEST_THREADS="$threads" cargo test --no-fail-fast --target "$TARGET"
    awk -v code="$code" -v counts="$logs/counts" -v failures="$logs/failed" '
        function ends() {
            if (suite != "") { print suite "\t0\t1\t0\t0" >>counts; print suite "\tit ended early" >>failures; failed++ }
            suite = ""
        }
        { gsub(/\033\[[0-9;]*m/, "") }
        /^ +Running / { ends(); suite = $2 == "unittests" ? "unit" : $2; sub(/^.*\//, "", suite); sub(/\.rs$/, "", suite) }
        /^ +Doc-tests / { ends(); suite = "doc" }
        suite == "" { next }
        /^failures:$/ { listed = 1 }
        listed && /^    / { print suite "\t" substr($0, 5) >>failures }
        /^---- / { listed = 0 }
        /^test result: / {
            sub(/s$/, "", $NF)
            print suite "\t" $4 "\t" $6 "\t" $8 "\t" $NF >>counts
            failed += $6; suite = ""; listed = 0
        }
        END {
            ends()
            if (code != 0 && !failed) { print "tests\t0\t1\t0\t0" >>counts; print "tests\tnot compiled" >>failures }
        }' "$logs/tests.log"
}

once_more() { # The tests that failed, each by itself: a slow machine is late with many. More than these are no accident
    [ -s "$logs/failed" ] && [ "$(wc -l <"$logs/failed")" -le 20 ] || return 0
    mv "$logs/failed" "$logs/first"
    : >"$logs/failed"
    while IFS="$(printf '\t')" read -r suite test; do
        case $suite in unit) where=--lib ;; *) where="--test $suite" ;; esac
        # shellcheck disable=SC2086 # two words, or one
        logged again cargo test --target "$TARGET" $where -- --exact "$test" </dev/null
        if [ "$code" = 0 ] && grep -q '^test result: ok. 1 passed' "$logs/again.log"; then list=unsteady; else list=failed; fi
        printf '%s\t%s\n' "$suite" "$test" >>"$logs/$list"
    done <"$logs/first"
    awk -F '\t' -v OFS='\t' 'FILENAME == ARGV[1] { later[$1]++; next } { $2 += later[$1]; $3 -= later[$1]; print }' \
        "$logs/unsteady" "$logs/counts" >"$logs/counts.new" && mv "$logs/counts.new" "$logs/counts"
}

verdict() {
    awk -F '\t' -v ci="${CI:-}" '
        FILENAME == ARGV[1] {
            if (!(($1, $2) in seen)) { seen[$1, $2] = 1; skipped[$1]++; all_skipped++ }
            if (!(($1, $2, $3) in why)) { why[$1, $2, $3] = 1; reasons[$3]++ }
            next
        }
        FILENAME == ARGV[2] { suites[++n] = $1; passed[n] = $2; failed[n] = $3; ignored += $4; took[n] = $5; next }
        FILENAME == ARGV[3] { failures[++f] = $1 ": " $2; next }
        { unsteady[++u] = $1 ": " $2 }
        END {
            printf "\n%-12s %8s %8s %8s %8s\n", "suite", "passed", "failed", "skipped", "seconds"
            for (i = 1; i <= n; i++) {
                s = suites[i]; p = passed[i] - skipped[s]; if (p < 0) p = 0
                printf "%-12s %8d %8d %8d %8d\n", s, p, failed[i], skipped[s], took[i]
                all_passed += p; all_failed += failed[i]
            }
            if (all_skipped) print "\nSkipped, because"
            for (r in reasons) printf "%6d  %s\n", reasons[r], r
            if (f) print "\nFailed"
            for (i = 1; i <= f; i++) print "        " failures[i]
            if (u) print "\nPassed only when run again, by itself"
            for (i = 1; i <= u; i++) print "        " unsteady[i]
            printf "\n%d passed, %d failed, %d skipped", all_passed, all_failed, all_skipped
            if (ignored) printf " (and %d that only make soak and make matrix run)", ignored
            print "."
            if (all_skipped && ci != "") print "CI is set, and there nothing may be skipped."
            exit all_failed > 0 || (all_skipped && ci != "")
        }' "$SKIPPED_TESTS" "$logs/counts" "$logs/failed" "$logs/unsteady"
}

tests/tools.sh test || exit 1
# What could not be had is in the verdict. It is no reason not to test the rest. In CI, where it fails, it is tried twice.
tools() { tests/tools.sh fetch || { [ -z "${CI:-}" ] || tests/tools.sh all; }; }
step tools tools
target() { # SUITE TARGET COMMAND...: a target of the Makefile, if these commands work
    suite=$1 target=$2
    shift 2
    for needed; do
        $needed --version >/dev/null 2>&1 || { step "$suite" echo "SKIPPED: $needed is missing"; return; }
    done
    step "$suite" "$MAKE" --no-print-directory "$target"
}
target lint lint 'cargo fmt' 'cargo clippy'
cargo_test
once_more
# The linker's optimization of each of these takes one processor, for a minute: they are built side by side, and shown one by one.
target fuzz fuzz-smoke c++ >/dev/null &
target size size >/dev/null &
target bare bare >/dev/null &
target arm64 arm64 >/dev/null &
wait
for suite in fuzz size bare arm64; do cat "$logs/$suite.log"; done
verdict
