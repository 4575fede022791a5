#!/bin/sh
# Runs system tests as on a host whose control groups are of version 1 alone: the hierarchy of version 2 is unmounted where these tests alone
# see it. Names of tests are told with `version 1 alone` before them, so that they are counted beside those of the host as it is.
# usage: tests/version1.sh [FILE ...]    (without arguments: the files listed below)
set -u
cd "$(dirname "$0")/.." || exit 1
[ "$#" -gt 0 ] || set -- run define enter console tuning devices attach_live statistics

# skipped REASON: as cargo tells of a test that is not run.
skipped() {
    echo "test version 1 alone ... ignored, $1"
    echo "test result: ok. 0 passed; 0 failed; 1 ignored"
    exit 0
}

[ "$(id -u)" -eq 0 ] || skipped "needs root: run  sudo make test"
unified=$(awk '$3 == "cgroup2" { print $2 }' /proc/mounts)
[ -n "$unified" ] || skipped "this host has no version 2: its own tests were that"
grep -qE '^[^ ]+ [^ ]+ cgroup [^ ]*\bmemory\b' /proc/mounts || skipped "this host has no control groups of version 1"

for file in "$@"; do
    set -- "$@" --test "$file"
    shift
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/skips"
{
    # shellcheck disable=SC2016
    LAZARET_TEST_SKIPS=$work/skips unshare --mount --propagation private sh -c 'for at in $1; do umount "$at" || exit 1; done; shift; exec "$@"' sh "$unified" \
        cargo test -p tests --no-fail-fast "$@" -- --test-threads=1 2>&1
    echo $? > "$work/status"
} | sed -u 's/^test \(.* \.\.\. \)/test version 1 alone: \1/'
[ -z "${LAZARET_TEST_SKIPS:-}" ] || sed 's/^/version 1 alone: /' "$work/skips" >> "$LAZARET_TEST_SKIPS"
exit "$(cat "$work/status")"
