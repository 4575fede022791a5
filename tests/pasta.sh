#!/bin/sh
# Installs pasta (Debian's passt) where this machine lacks it, which needs root: an ordinary user's network is tested by it. It does not stand in
# packages.sh, from which the virtual machine's root is made, which has none. Without it those tests are skipped.
# usage: tests/pasta.sh
set -u
command -v pasta > /dev/null && exit 0
echo "tests: installing the Debian package passt"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q > /dev/null && apt-get install -q -y --no-install-recommends passt > /dev/null ||
    echo "tests: it cannot be installed; what needs it is skipped"
