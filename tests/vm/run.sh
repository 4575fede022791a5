#!/bin/sh
# Runs system tests as root of a virtual machine: Debian's kernel 6.1 under QEMU's own emulation, with AppArmor and nothing but cgroup version 2.
# `units` among the files: once more, with systemd as the host and our unit as `make install` installs it. `selinux`: once more, with SELinux in
# the place of AppArmor and a policy of ours (selinux.te), for that file alone.
# Ends in one line that counts, as tests/run.sh does; the status is 3 if the machine cannot be made here, which counts as one skip.
# usage: tests/vm/run.sh [FILE[:SECONDS[:ARGUMENTS]] ...]    (without arguments: the files listed below)
# LAZARET_VM_MINUTES sets how long the machine may live (50), LAZARET_VM_CARGO the cargo that builds what runs in it (cargo).
# LAZARET_VM_SCRIPT names a shell script that runs there before the tests.
set -u
cd "$(dirname "$0")/../.." || exit 1
tree=$PWD
here=$tree/tests/vm
. tests/count.sh
. "$here/tool.sh"
cargo=${LAZARET_VM_CARGO:-cargo}
minutes=${LAZARET_VM_MINUTES:-50}

# A file of tests, and after how many seconds of the machine it is given up.
if [ "$#" -eq 0 ]; then
    set -- units selinux:200 facts:60 devices:200 clock:100 shutdown:200 share:200 user:400 user_limits:300 user_walls:300 user_network:400 user_host_network:100 broker:300 attack_broker:300 tuning:200 partition:200 event:100 information:150 statistics:100 version2:60 labels:200 run:300 define:300 enter:200 console:150 detached:100 network:200 interfaces:200 lent:200 live_links:200 live_networks:200 own_networks:200 privileges:60 table:300 confinement:400
    set -- "$@" taken_over:60 profiles:400 systemd:400 unit:60 attack_image:500 attack_races:500
    set -- "$@" audit:120 audit_chain:200 audit_full:60 audit_kernel:60 audit_virt:100 audit_replay:60 kill9:700 figures:400 nothing_is_left:400 hooks:500 disks:400 disks_refused:200
fi

# The machine is some five times slower than its host.
: "${LAZARET_TEST_ROUNDS:=10}" "${LAZARET_TEST_STARTS:=10}" "${LAZARET_TEST_SIDE_BY_SIDE:=4}"
export LAZARET_TEST_ROUNDS LAZARET_TEST_STARTS LAZARET_TEST_SIDE_BY_SIDE

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# skipped REASON: nothing could be run, which is counted.
skipped() {
    echo "Skipped:"
    echo "  the machine: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 3
}

# failed REASON: something of ours is wrong before a test ran.
failed() {
    echo "vm: $1"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

[ "$(id -u)" -eq 0 ] || skipped "making its root file system needs root: run  sudo make test-vm"
sh tests/packages.sh || skipped "the packages that the tests need cannot be installed"

key=$(cat "$here/image.sh" "$here/init" tests/packages.sh | sha256sum | cut -c 1-16)
image=$tree/target/vm/$key
if [ ! -e "$image/complete" ]; then
    rm -rf "$tree/target/vm"
    timeout -k 30 900 sh "$here/image.sh" "$image" 2> "$work/why"
    case $? in
        0) ;;
        124 | 137) skipped "it could not be made within 15 minutes: a Debian mirror does not answer, or slowly" ;;
        *)
            cat "$work/why"
            skipped "it could not be made: $(grep . "$work/why" | tail -n 1)"
            ;;
    esac
fi

"$cargo" build --release --workspace --exclude tests || failed "the programs cannot be built"
"$cargo" test -p tests --no-run --message-format=json > "$work/built" || failed "the tests cannot be built"

# The disk of programs: what was built at the paths it was built for, and each file of tests under its name.
disk=$work/disk
release=target/x86_64-unknown-linux-gnu/release
mkdir -p "$disk/tree/$release" "$disk/tests"
for program in "$release"/*; do
    [ -f "$program" ] && [ -x "$program" ] && cp "$program" "$disk/tree/$release/"
done
# By this file `lazaret` knows that it was built here, and looks for the other programs beside itself.
touch "$disk/tree/$release/.cargo-lock"
cp "$here/inside.sh" "$here/host.sh" "$here/units.sh" "$disk/"
make -s -o build install DESTDIR="$disk/installed" > "$work/installed" 2>&1 || {
    cat "$work/installed"
    failed "what was built cannot be installed"
}
[ -z "${LAZARET_VM_SCRIPT:-}" ] || cp "$LAZARET_VM_SCRIPT" "$disk/script"
for file in Cargo.toml policies units; do
    mkdir -p "$disk/tree/$(dirname "$file")"
    cp -a "$file" "$disk/tree/$(dirname "$file")/"
done
# The machine's root has no pasta; this one's goes with the programs, where it has one.
for file in /usr/bin/passt /usr/bin/passt.avx2; do
    [ ! -x "$file" ] || cp "$file" "$disk/"
done
# Sources are read by what counts in them.
find . -name target -prune -o -name '*.rs' -print | tar -cT - | tar -xC "$disk/tree" || failed "the sources cannot be copied"
executables() {
    jq -r "select(.reason == \"compiler-artifact\" and .executable != null and (.target.kind | index(\"$1\"))$2) | [.target.name, .executable] | @tsv" "$work/built"
}
executables bin ' and (.profile.test | not)' | while read -r _ executable; do
    at=$disk/tree/${executable#"$tree"/}
    mkdir -p "$(dirname "$at")"
    strip -g -o "$at" "$executable"
done
executables test '' > "$work/executables"
(cd "$image" && $tool tools/usr/bin/checkpolicy -M -U allow -c 33 -o "$disk/selinux.policy" "$here/selinux.te") ||
    failed "the policy selinux.te cannot be compiled"
: > "$disk/files"
: > "$disk/files.selinux"
units=no
for wanted in "$@"; do
    if [ "$wanted" = units ]; then
        units=yes
        continue
    fi
    name=${wanted%%:*} rest=${wanted#*:}
    [ "$rest" != "$wanted" ] || rest=600
    executable=$(awk -v name="$name" '$1 == name { print $2 }' "$work/executables")
    [ -n "$executable" ] || failed "there is no file of tests called $name"
    strip -g -o "$disk/tests/$name" "$executable"
    files=$disk/files
    [ "$name" != selinux ] || files=$disk/files.selinux
    echo "$name $(echo "$rest" | tr ':' ' ')" >> "$files"
done
{
    echo "export TREE='$tree'"
    env | sed -n "s/^\(LAZARET_TEST_[A-Z_]*\)=\([0-9]*\)$/export \1=\2/p"
} > "$disk/environment"
cd "$image" || exit 1
truncate -s "$(($(du -sm "$disk" | cut -f 1) * 5 / 4 + 64))M" "$work/programs.ext4"
MKE2FS_CONFIG=tools/etc/mke2fs.conf $tool tools/usr/sbin/mke2fs -q -t ext4 -d "$disk" "$work/programs.ext4" || failed "no disk of programs can be made"

steps=0
machine=
trap 'kill -KILL "$machine" 2>/dev/null; rm -rf "$work"' EXIT

# machine RESULTS MINUTES WORDS: turns it on with these words for the kernel, and waits until it is off, or ends it after so many minutes. What it
# prints on its second serial line goes to RESULTS, and what is wrong outside of a test is counted in `steps`.
machine() {
    results=$1 most=$(($2 * 60)) from=$(date +%s)
    : > "$results"
    # PVH: the kernel itself is started, with no firmware and no boot loader. The disks stay as they are.
    QEMU_MODULE_DIR=$PWD/tools/usr/lib/x86_64-linux-gnu/qemu $tool tools/usr/bin/qemu-system-x86_64 -L tools/usr/share/qemu -L tools/usr/share/seabios \
        -M q35 -nodefaults -no-user-config -no-reboot -display none -accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
        -kernel vmlinux -initrd initramfs.cpio -append "console=ttyS0 panic=-1 oops=panic $3" \
        -serial "file:$work/console" -serial "file:$results" \
        -drive file=root.ext4,format=raw,if=virtio,snapshot=on -drive "file=$work/programs.ext4,format=raw,if=virtio,snapshot=on" &
    machine=$!
    tail -n +1 -f --pid="$machine" "$results" &
    reader=$!
    while kill -0 "$machine" 2>/dev/null && [ $(($(date +%s) - from)) -lt $most ]; do
        sleep 1
    done
    kill -KILL "$machine" 2>/dev/null
    wait "$machine"
    machine=
    wait "$reader"
    echo "== the machine was on for $(($(date +%s) - from)) s"

    steps=$((steps + $(grep -c ' failed outside of a test' "$results")))
    if ! grep -qx '== done' "$results"; then
        echo "== the machine ended, or was ended, before its tests were through; the last of its console:"
        tail -n 40 "$work/console"
        steps=$((steps + 1))
    elif complaints=$(sed '1,/^== kernel$/d; /^== done$/,$d' "$results") && [ -n "$complaints" ]; then
        echo "== the kernel complained:"
        echo "$complaints"
        steps=$((steps + 1))
    fi
    sed '1,/^== skipped$/d; /^== kernel$/,$d' "$results" >> "$work/skips"
    cat "$results" >> "$work/log"
}

: > "$work/skips"
apparmor="security=apparmor apparmor=1 ${LAZARET_VM_APPEND:-}"
[ ! -s "$disk/files" ] || machine "$work/results" "$minutes" "$apparmor"
if [ -s "$disk/files.selinux" ]; then
    printf '\n== with SELinux\n'
    machine "$work/selinux" 10 "security=selinux selinux=1 enforcing=1 lazaret.files=selinux ${LAZARET_VM_APPEND:-}"
fi
if [ "$units" = yes ]; then
    printf '\n== systemd as the host, with our units\n'
    machine "$work/units" 5 "lazaret.host=systemd systemd.getty_auto=no $apparmor"
fi
counts "$work/log" "$work/skips" "$steps"
