#!/bin/sh
# Shows one container: what it sees of itself, what its processes hold, and that nothing is left when it has ended.
# usage: demo/run.sh DIRECTORY-OF-THE-PROGRAMS
set -u
lazaret="$1/lazaret"
name="demo-$$"

if [ "$(id -u)" -ne 0 ]; then
    echo "the demo starts a container, which needs root: run  sudo make demo" >&2
    exit 1
fi

title() {
    if [ -t 1 ]; then printf '\n\033[1m== %s\033[0m\n' "$1"; else printf '\n== %s\n' "$1"; fi
}

# What of ours there is: groups, links, firewall tables, processes, state.
left() {
    find /sys/fs/cgroup -path '*/lazaret/*' -type d ! -name .keep 2>/dev/null | sed 's/^/group /'
    ls /sys/class/net 2>/dev/null | grep -E '^lz' | sed 's/^/link /'
    for directory in /run/lazaret/*/; do [ -d "$directory" ] && echo "state $directory"; done
    # A process that has ended and that its new parent, the host's init, has not collected yet is none of ours any more.
    ps -eo pid=,uid=,stat=,args= | awk '$2 >= 65536 && $3 !~ /Z/ { print "process", $0 }'
    cat /proc/self/mountinfo | grep lazaret | sed 's/^/mount /'
    command -v nft >/dev/null && nft list tables 2>/dev/null | grep lazaret | sed 's/^/rules /'
}

before=$(left)

title "a container on the host's own root, read-only; 64 MiB; the default network"
echo "lazaret run -d --name $name -- sleep 600"
"$lazaret" run -d --name "$name" -- sleep 600 || exit 1
trap '"$lazaret" destroy "$name" >/dev/null 2>&1; "$lazaret" undefine "$name" >/dev/null 2>&1' EXIT

inside() {
    title "inside: $1"
    shift
    "$lazaret" enter "$name" -- sh -c "$1"
}
inside "host name" 'cat /proc/sys/kernel/hostname'
inside "processes (its init is 1)" 'for p in /proc/[0-9]*; do printf "%6s  %s\n" "${p#/proc/}" "$(tr "\0" " " < "$p/cmdline")"; done 2>/dev/null'
inside "memory" 'grep -E "^(MemTotal|MemFree|MemAvailable)" /proc/meminfo'
inside "id map of its user namespace, which lies in another one" 'cat /proc/self/uid_map'
title "outside: the same id map, as the host sees it"
ids=$("$lazaret" dominfo "$name" --json | sed -n 's/.*"host_ids": *\([0-9]*\).*/\1/p')
pid1=$("$lazaret" dominfo "$name" --json | sed -n 's/.*"pid1": *\([0-9]*\).*/\1/p')
cat "/proc/$pid1/uid_map"
inside "addresses" 'ip -brief address 2>/dev/null || { cat /proc/net/fib_trie | grep -B1 "host LOCAL" | grep -o "10\.[0-9.]*" | sort -u; cut -d" " -f1,6 /proc/net/if_inet6; }'
inside "default route" 'ip route show default 2>/dev/null || awk "\$2 == \"00000000\"" /proc/net/route'
inside "capability sets, filter, no-new-privileges" 'grep -E "^(Cap|Seccomp:|NoNewPrivs)" /proc/self/status'
inside "mounts" 'cut -d" " -f5- /proc/self/mountinfo'

title "outside: lazaret privileges $name"
"$lazaret" privileges "$name"

title "the end"
echo "lazaret destroy $name; lazaret undefine $name"
"$lazaret" destroy "$name"
"$lazaret" undefine "$name" 2>/dev/null
trap - EXIT
# What was there before is somebody else's, and so is what does not name the demo or the ids that its container had.
new=$(left | while IFS= read -r line; do printf '%s\n' "$before" | grep -qxF -- "$line" || printf '%s\n' "$line"; done |
    awk -v name="$name" -v first="$ids" 'index($0, name) { print; next }
        $1 == "process" && $3 >= first && $3 < first + 65552 { print; next }
        $1 == "link" || $1 == "mount" || $1 == "rules" { print }')
if [ -z "$new" ]; then
    echo "nothing is left: no mount, link, group, firewall rule, state file or process"
else
    echo "left behind:"
    printf '%s\n' "$new"
    exit 1
fi
