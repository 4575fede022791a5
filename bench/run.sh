#!/bin/sh
# Times one start and end of a container on a busybox root, in turn with what else is installed here.
# usage: bench/run.sh DIRECTORY-OF-THE-PROGRAMS [ROUNDS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" -ne 0 ]; then
    echo "the measurement starts containers, which needs root: run  sudo make bench" >&2
    exit 1
fi
exec python3 "$here/start.py" "$1" "${2:-40}"
