#!/bin/sh
# The first program of the machine's Debian root: makes it a host of pure cgroup version 2, runs the system tests that /vm/files names, or, where
# the kernel's command line has them run with SELinux, those of /vm/files.selinux, and turns
# the machine off. What they print goes to the second serial line, the kernel's console to the first.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t securityfs securityfs /sys/kernel/security
files=/vm/files
if busybox grep -q lazaret.files=selinux /proc/cmdline; then
    files=/vm/files.selinux
    mount -t selinuxfs selinuxfs /sys/fs/selinux
    # One write: so many bytes are the whole policy.
    cat /vm/selinux.policy > /sys/fs/selinux/load
fi
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
mount --make-rshared /
ln -sf /proc/self/fd /dev/fd
# A service manager makes the device files of modules that are loaded by opening them, and lets everybody open this one.
modprobe fuse
chmod 666 /dev/fuse
ip link set lo up
hostname vm
# What was built for a newer system than this root's does not run here, and is not there then.
if [ -x /vm/passt ] && [ ! -e /usr/bin/pasta ]; then
    mkdir -p /usr/local/bin
    cp /vm/passt* /usr/local/bin/
    ln -s passt /usr/local/bin/pasta
    /usr/local/bin/pasta --version > /tmp/pasta 2>&1 || rm -f /usr/local/bin/pasta
fi
. /vm/environment

# Whoever logs in to a host works in a group of their own, and no group of the host's has processes and children.
mkdir /sys/fs/cgroup/init /sys/fs/cgroup/session
echo $$ > /sys/fs/cgroup/init/cgroup.procs

mkdir -p "$TREE"
mount --bind /vm/tree "$TREE"
cd "$TREE/tests" || busybox poweroff -f
export CARGO_MANIFEST_DIR="$TREE/tests" LAZARET_TEST_SKIPS=/tmp/skips LAZARET_TEST_INSTALLED=/vm/installed RUST_BACKTRACE=0
: > "$LAZARET_TEST_SKIPS"
stty -F /dev/ttyS1 raw
exec > /dev/ttyS1 2>&1 < /dev/null
echo "== $(uname -sr), $(grep -c ^processor /proc/cpuinfo) processors, $(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB, $(awk '$3 ~ /^cgroup/ { print $3 " at " $2 }' /proc/mounts)"
[ ! -e /vm/script ] || sh -c 'echo $$ > /sys/fs/cgroup/session/cgroup.procs; exec sh /vm/script'
while read -r file limit only; do
    printf '\n== system test %s\n' "$file"
    # What is only asked for by who looks whether there is one.
    case $file in disks*) modprobe loop ;; esac
    from=$(cut -d . -f 1 /proc/uptime)
    # shellcheck disable=SC2086
    {
        sh -c 'echo $$ > /sys/fs/cgroup/session/cgroup.procs; exec timeout -k 10 "$@"' sh "$limit" /vm/tests/"$file" --test-threads=1 $only 2>&1
        echo $? > /tmp/status
    } | tee /tmp/step
    status=$(cat /tmp/status)
    if [ $status -ne 0 ] && ! grep -q '^test result: FAILED' /tmp/step; then
        echo "== $file failed outside of a test: status $status (124: not done after $limit seconds)"
    fi
    echo "== $file took $(($(cut -d . -f 1 /proc/uptime) - from)) s"
done < "$files"
echo "== skipped"
cat "$LAZARET_TEST_SKIPS"
# What the kernel complained of meanwhile is a finding whatever the tests say.
echo "== kernel"
dmesg | grep -E 'BUG:|Oops|WARNING:|general protection|hung_task' || true
echo "== done"
sleep 0.2
busybox poweroff -f
