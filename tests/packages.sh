#!/bin/sh
# Installs the Debian packages that the tests need and this machine lacks, naming them. Needs root only if one is missing.
# usage: tests/packages.sh
set -eu

# What each is for: a root file system (busybox-static, mmdebstrap), what the kernel holds (iproute2, nftables, procps, libcap2-bin),
# servers to be reached (dnsmasq-base, netcat-openbsd, iputils-ping), and tools (util-linux, strace, jq, uidmap, bind9-dnsutils, python3 with its ctypes,
# binutils for line tables).
wanted="busybox-static mmdebstrap iproute2 nftables procps libcap2-bin dnsmasq-base netcat-openbsd iputils-ping util-linux strace jq uidmap bind9-dnsutils python3 binutils"

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "tests: installing the Debian packages$missing"
if [ "$(id -u)" -ne 0 ]; then
    echo "tests: not root: run  sudo apt-get install$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $missing >/dev/null
