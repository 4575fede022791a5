#!/bin/sh
# The first program of a Debian root that becomes the machine's host: puts there what `make install` installs, defines a container, enables its
# unit, and becomes systemd, which starts the container and what looks at it (units.sh).
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
for module in fuse bridge veth overlay; do busybox modprobe "$module"; done
busybox stty -F /dev/ttyS1 raw
cp -a /vm/installed/. /

# A container that says when it was told to end.
mkdir -m 0700 /srv/closed
mkdir -p /srv/closed/box/bin /etc/systemd/system
cp /usr/local/bin/busybox /srv/closed/box/bin/busybox
for program in sh sleep cat; do ln -s busybox "/srv/closed/box/bin/$program"; done
for name in box unwanted; do
    cat > "/run/$name.xml" << XML
<domain type='lxc'>
  <name>$name</name>
  <memory unit='MiB'>64</memory>
  <os>
    <type>exe</type>
    <init>/bin/sh</init>
    <initarg>-c</initarg>
    <initarg>echo begun &gt;&gt; /told; trap 'echo ended &gt;&gt; /told; exit 0' TERM PWR; while :; do sleep 1000 &amp; wait \$!; done</initarg>
  </os>
  <features>
    <privnet/>
  </features>
  <devices>
    <filesystem type='mount'>
      <source dir='/srv/closed/box'/>
      <target dir='/'/>
    </filesystem>
    <console type='pty'/>
  </devices>
</domain>
XML
    lazaret define "/run/$name.xml" > /dev/ttyS1 2>&1
done
# One that a socket starts: what serves in it is the host's own perl, on the host's root, which it only reads.
cat > /run/web.pl << 'PERL'
use Socket;
open(my $listener, "+<&=", 3) or die "descriptor 3: $!";
my @told = map { "$_=$ENV{$_} " } qw(LISTEN_FDS LISTEN_FDNAMES LISTEN_PID);
$SIG{TERM} = sub { exit 0 };
while (accept(my $client, $listener)) {
    my $asked = <$client>;
    syswrite($client, join("", @told, "pid=$$\n"));
    close($client);
    exit 0 if $asked eq "end\n";
}
PERL
echo 'root /' > /etc/lazaret.policy
cat > /run/web.xml << XML
<domain type='lxc'>
  <name>web</name>
  <memory unit='MiB'>64</memory>
  <os>
    <type>exe</type>
    <init>/usr/bin/perl</init>
    <initarg>-e</initarg>
    <initarg>$(sed 's/&/\&amp;/g; s/</\&lt;/g' /run/web.pl)</initarg>
  </os>
  <features>
    <privnet/>
  </features>
  <devices>
    <console type='pty'/>
  </devices>
</domain>
XML
lazaret define /run/web.xml > /dev/ttyS1 2>&1
cat > /etc/systemd/system/web.socket << UNIT
[Socket]
ListenStream=127.0.0.1:4080
FileDescriptorName=web
Service=lazaret-socket@web.service
[Install]
WantedBy=sockets.target
UNIT
# An ordinary user, to whom the host gives one link on a bridge of its own.
echo 'alice:x:1000:1000::/home/alice:/bin/sh' >> /etc/passwd
echo 'alice:x:1000:' >> /etc/group
echo 'alice:700000:262144' | tee -a /etc/subuid >> /etc/subgid
mkdir -p /home/alice /srv/open/bin /srv/open/dev /srv/open/proc /srv/open/sys /srv/open/tmp /srv/open/run /srv/open/etc /srv/open/root
chmod 0700 /home/alice
chown 1000:1000 /home/alice
cp /usr/local/bin/busybox /srv/open/bin/busybox
for program in sh sleep cat ls; do ln -s busybox "/srv/open/bin/$program"; done
echo 'alice veth br0 1' > /etc/lazaret.usernet
ip link add br0 type bridge > /dev/ttyS1 2>&1
ip addr add 192.0.2.1/24 dev br0
ip link set br0 up
cat > /etc/systemd/system/look.service << UNIT
[Unit]
After=lazaret@box.service
[Service]
Type=exec
ExecStart=/bin/sh /vm/units.sh running
[Install]
WantedBy=multi-user.target
UNIT
# What is started before the container is stopped after it.
cat > /etc/systemd/system/last.service << UNIT
[Unit]
Before=lazaret@box.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh /vm/units.sh ended
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable lazaret@box web.socket lazaret-broker.socket look last > /dev/ttyS1 2>&1
umount /sys/fs/cgroup /sys /run /proc
exec /sbin/init
