#!/bin/sh
# Makes what the machine is made of, below target/vm, once for each state of this file and of the list of packages: QEMU and a kernel,
# unpacked from Debian's packages and never installed, an initramfs, and a Debian root with what the tests need. Needs root and a mirror.
# usage: tests/vm/image.sh OUT    (OUT/complete says that all of it is there)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tests=$(dirname "$here")
out=$1
release=bookworm newer=trixie

# Of the tests' own packages all but mmdebstrap, which needs a mirror; kmod loads the modules of the kernel, apparmor its profiles.
inside="kmod apparmor $(sed -n 's/^wanted="\(.*\)"$/\1/p' "$tests/packages.sh" | tr ' ' '\n' | grep -vx mmdebstrap | tr '\n' ' ')"

rm -rf "$out"
mkdir -p "$out"
cd "$out"

# In QEMU 7.2, which this release has, one machine of five stood still with both processors waiting for each other.
echo "vm: unpacking QEMU and tools of Debian $newer and the kernel of Debian $release (some 100 MB of packages, none installed)"
mmdebstrap --quiet --mode=root --variant=extract --include=qemu-system-x86,lz4,e2fsprogs,checkpolicy "$newer" tools
mmdebstrap --quiet --mode=root --variant=extract --include=linux-image-cloud-amd64 "$release" kernel
. "$here/tool.sh"

version=$(ls kernel/lib/modules)
# The boot file ends in the kernel itself, compressed in lz4's old format; what follows it there makes lz4 complain.
at=$(LC_ALL=C grep -abo "$(printf '\002\041\114\030')" "kernel/boot/vmlinuz-$version" | head -n 1 | cut -d : -f 1)
tail -c "+$((at + 1))" "kernel/boot/vmlinuz-$version" | $tool tools/usr/bin/lz4 -dcq > vmlinux 2>/dev/null || true
[ "$(head -c 4 vmlinux | tail -c 3)" = ELF ] || { echo "vm: no kernel was found in vmlinuz-$version" >&2; exit 1; }

echo "vm: making the initramfs and the root of Linux $version"
mkdir -p initramfs/bin initramfs/modules initramfs/dev initramfs/proc initramfs/root
cp /bin/busybox initramfs/bin/busybox
cp "$here/init" initramfs/init
for module in virtio/virtio_ring virtio/virtio virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev virtio/virtio_pci block/virtio_blk; do
    cp "kernel/lib/modules/$version/kernel/drivers/$module.ko" initramfs/modules/
done
(cd initramfs && find . | busybox cpio -o -H newc 2>/dev/null) > initramfs.cpio

mmdebstrap --quiet --mode=root --variant=minbase --include="$(echo $inside | tr ' ' ',')" "$release" root
mkdir -p root/lib/modules
cp -a "kernel/lib/modules/$version" root/lib/modules/
chroot root depmod "$version"
# Where the tests look for a Debian root that boots systemd, made as they make it; as the machine's host it has ordinary users, who need uidmap.
debian=root/var/cache/lazaret-test/debian-12
mkdir -p "$debian"
chmod 0700 "$debian"
mmdebstrap --quiet --mode=root --variant=minbase --include=systemd-sysv,dbus,login,iproute2,uidmap "$release" "$debian/root"
touch "$debian/complete"

truncate -s 4G root.ext4
MKE2FS_CONFIG=tools/etc/mke2fs.conf $tool tools/usr/sbin/mke2fs -q -t ext4 -E lazy_itable_init=0 -d root root.ext4
rm -rf root initramfs kernel
touch complete
