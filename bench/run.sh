#!/bin/sh
# Measures Lazaret beside what else is installed here, in a network namespace of its own. See bench.py for the options; with BENCH=where.py that
# one instead, which shows where the time goes.
# usage: bench/run.sh DIRECTORY-OF-THE-PROGRAMS [OPTION ...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" -ne 0 ]; then
    echo "the measurement starts containers, which needs root: run  sudo make bench" >&2
    exit 1
fi
exec unshare -n sh -c 'ip link set lo up; exec python3 "$@"' sh "$here/${BENCH:-bench.py}" "$@"
