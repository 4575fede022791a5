#!/bin/sh
# Runs every test and ends in one line that counts: N passed, N failed, N skipped. Skips are named above it, with their reasons.
# usage: tests/run.sh [system-test-file ...]    (without arguments: everything)
# LAZARET_TEST_FAULTS sets how many faults strike (200; with everything else 120).
# LAZARET_TEST_STARTS and LAZARET_TEST_SIDE_BY_SIDE set how many starts in a row and at once are made (100 and 10), LAZARET_TEST_ROUNDS how
# many rounds a race has (500, as in `.ci/run`; with everything else 300, and 5000 by `make attacks`), LAZARET_FUZZ_MILLISECONDS how long each target of `fuzz` is tried with inputs that are made (1000).
set -u
export RUST_BACKTRACE=0
cd "$(dirname "$0")/.." || exit 1
. tests/count.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LAZARET_TEST_SKIPS=$work/skips
export LAZARET_TEST_SKIPS
: > "$LAZARET_TEST_SKIPS"
: > "$work/log"
failed_steps=0

# step NAME COMMAND...: runs it, shows and keeps its output; a step that fails without a test having failed counts as one failure.
step() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    : > "$work/step"
    { "$@" 2>&1; echo $? > "$work/status"; } | tee "$work/step"
    cat "$work/step" >> "$work/log"
    if [ "$(cat "$work/status")" -ne 0 ] && ! grep -q '^test result: FAILED' "$work/step"; then
        echo "== $name failed outside of a test"
        failed_steps=$((failed_steps + 1))
    fi
}

step "packages" sh tests/packages.sh
step "pasta" sh tests/pasta.sh
step "release build" cargo build --release --workspace --exclude tests
if [ "$#" -eq 0 ]; then
    # So that everything together takes less than twenty minutes on two processors.
    LAZARET_TEST_ROUNDS=${LAZARET_TEST_ROUNDS:-300} LAZARET_TEST_FAULTS=${LAZARET_TEST_FAULTS:-120}
    export LAZARET_TEST_ROUNDS LAZARET_TEST_FAULTS
    step "unit and piece tests" cargo test --workspace --exclude tests --features sys/attempt,sys/counted --no-fail-fast -- --test-threads=2
    step "fuzzing: corpora, and inputs made of them" \
        cargo test --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --no-fail-fast -- --test-threads=1
    # One after the other: the host is one, and what the tests compare is the whole of it.
    step "system tests" cargo test -p tests --no-fail-fast -- --test-threads=1
    step "system tests, version 1 of control groups alone" sh tests/version1.sh
else
    for file in "$@"; do
        step "system test $file" cargo test -p tests --no-fail-fast --test "$file" -- --test-threads=1
    done
fi

counts "$work/log" "$LAZARET_TEST_SKIPS" "$failed_steps"
