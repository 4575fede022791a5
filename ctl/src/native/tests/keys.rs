//! What each key becomes, but for those of the network.

use super::{START, converted, refusal, says, try_convert, warnings};
use crate::native::{IdmapOrder, convert};

#[test]
fn a_whole_configuration_becomes_a_whole_document() {
    let more = "lxc.arch = amd64\nlxc.init.cmd = /sbin/start --name 'two words'\nlxc.init.cwd = /srv\nlxc.init.uid = 7\n\
        lxc.environment = COLOUR=red & blue\nlxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 200000 65536\n\
        lxc.cap.drop = sys_time\nlxc.cap.drop = mknod sys_boot\nlxc.net.0.type = empty\nlxc.tty.max = 1\n\
        lxc.cgroup2.memory.max = 64M\nlxc.cgroup2.memory.swap.max = 32M\nlxc.cgroup2.cpu.max = 50000 100000\n\
        lxc.mount.entry = tmpfs tmp tmpfs size=1m,nosuid,nodev 0 0\n\
        lxc.mount.entry = /srv/it\\040s mnt/x none bind,create=dir,ro 0 0\n";
    let made = converted(more);
    assert_eq!(made.warnings, Vec::<String>::new());
    let expected = "<domain type='lxc'>
  <name>harbour</name>
  <uuid>11111111-1111-1111-1111-111111111111</uuid>
  <memory unit='KiB'>65536</memory>
  <currentMemory unit='KiB'>65536</currentMemory>
  <memtune>
    <hard_limit unit='KiB'>65536</hard_limit>
    <swap_hard_limit unit='KiB'>98304</swap_hard_limit>
  </memtune>
  <vcpu placement='static'>1</vcpu>
  <cputune>
    <period>100000</period>
    <quota>50000</quota>
  </cputune>
  <os>
    <type arch='x86_64'>exe</type>
    <init>/sbin/start</init>
    <initarg>--name</initarg>
    <initarg>two words</initarg>
    <initenv name='COLOUR'>red &amp; blue</initenv>
    <initdir>/srv</initdir>
    <inituser>+7</inituser>
  </os>
  <idmap>
    <uid start='0' target='100000' count='65536'/>
    <gid start='0' target='200000' count='65536'/>
  </idmap>
  <features>
    <privnet/>
    <capabilities policy='allow'>
      <mknod state='off'/>
      <sys_boot state='off'/>
      <sys_time state='off'/>
    </capabilities>
  </features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/libexec/libvirt_lxc</emulator>
    <filesystem type='mount' accessmode='passthrough'>
      <source dir='/srv/harbour/root'/>
      <target dir='/'/>
    </filesystem>
    <filesystem type='ram' accessmode='passthrough'>
      <source usage='1024' units='KiB'/>
      <target dir='/tmp'/>
    </filesystem>
    <filesystem type='mount' accessmode='passthrough'>
      <source dir='/srv/it s'/>
      <target dir='/mnt/x'/>
      <readonly/>
    </filesystem>
    <console type='pty'>
      <target type='lxc' port='0'/>
    </console>
  </devices>
</domain>
";
    assert_eq!(made.text, expected);
    let read = crate::domain::parse(made.text.as_bytes(), "c.xml").unwrap();
    assert_eq!(crate::domain::format(&read), expected);
}

#[test]
fn a_name_and_a_root_are_needed() {
    let of = |text: &str| try_convert(text, IdmapOrder::Lxc).unwrap_err();
    assert_eq!(
        of("lxc.rootfs = /x\n"),
        "c:1: there is no lxc.uts.name, which names the domain"
    );
    assert_eq!(of("lxc.utsname = a\n"), "c:1: there is no lxc.rootfs.path");
    assert_eq!(
        of("\nlxc.utsname = a/b\n"),
        "c:2: lxc.utsname cannot name a domain: it contains '/'"
    );
    assert_eq!(
        refusal("lxc.rootfs.path = x"),
        "c:3: lxc.rootfs.path is \"x\", not a path that begins with '/'"
    );
    assert!(refusal("lxc.rootfs.path = overlay:/a:/b").contains("not a directory, a block device or loop:FILE"));
    assert!(refusal("lxc.mount.fstab = /x").contains("lxc.mount.entry"));
}

#[test]
fn a_root_is_a_directory_a_device_or_a_file() {
    says(
        "lxc.rootfs.path = dir:/srv/x\n",
        "<source dir='/srv/x'/><target dir='/'/></filesystem>",
    );
    says(
        "lxc.rootfs.path = /dev/vg/x\nlxc.rootfs.options = ro",
        "<source dev='/dev/vg/x'/><target dir='/'/><readonly/>",
    );
    says(
        "lxc.rootfs.path = loop:/srv/x.img\n",
        "<driver type='loop' format='raw'/><source file='/srv/x.img'/><target dir='/'/>",
    );
}

#[test]
fn the_last_word_counts_and_an_empty_one_takes_back() {
    says("lxc.uts.name = first\nlxc.uts.name = last\n", "<name>last</name>");
    says(
        "lxc.cap.drop = chown\nlxc.cap.drop =\n",
        "<capabilities policy='allow'/>",
    );
    says("lxc.init.cmd = /x\nlxc.init.cmd =\n", "<init>/sbin/init</init></os>");
    says(
        "lxc.mount.entry = /a b none bind\nlxc.mount.entry =\n",
        "<target dir='/'/></filesystem></devices>",
    );
}

#[test]
fn kept_capabilities_are_all_that_there_are() {
    says(
        "lxc.cap.keep = kill 27",
        "<capabilities policy='deny'><kill state='on'/><mknod state='on'/></capabilities>",
    );
    says("lxc.cap.keep = none", "<capabilities policy='deny'/>");
    assert!(refusal("lxc.cap.keep = kill\nlxc.cap.drop = chown").starts_with("c:4: lxc.cap.drop and lxc.cap.keep"));
    assert_eq!(
        refusal("lxc.cap.drop = fly"),
        "c:3: lxc.cap.drop names fly, which is no capability"
    );
}

#[test]
fn an_id_map_is_read_as_lxc_means_it_unless_it_is_asked_for_otherwise() {
    let text = format!("{START}lxc.idmap = u 100000 0 10\nlxc.idmap = g 100000 0 10\n");
    let turned = try_convert(&text, IdmapOrder::Libvirt).unwrap();
    assert!(
        turned.text.contains("<uid start='0' target='100000' count='10'/>"),
        "{}",
        turned.text
    );
    assert_eq!(super::warnings(&turned), Vec::<&str>::new());
    let straight = try_convert(&text, IdmapOrder::Lxc).unwrap();
    assert!(
        straight.text.contains("<uid start='100000' target='0' count='10'/>"),
        "{}",
        straight.text
    );
    let warned = super::warnings(&straight);
    assert!(
        warned[0].starts_with("c:4: lxc.idmap")
            && warned[0].ends_with("--libvirt-idmap reads the two ids the other way round"),
        "{warned:?}"
    );
    for bad in ["u 0 1", "x 0 1 2", "u 0 1 2 3", "u -1 0 1", "u 0 0 4294967296"] {
        assert!(refusal(&format!("lxc.idmap = {bad}")).contains("not u or g"), "{bad}");
    }
}

#[test]
fn what_every_domain_has_is_not_mounted_again() {
    let more = "lxc.mount.entry = proc proc proc nodev 0 0\nlxc.mount.entry = sysfs /srv/harbour/root/sys sysfs defaults 0 0\n\
        lxc.mount.auto = proc cgroup:mixed\nlxc.autodev = 1\nlxc.cgroup.devices.deny = a\nlxc.cgroup.devices.allow = c 1:3 rwm\n";
    let made = converted(more);
    assert_eq!(warnings(&made), Vec::<&str>::new());
    assert_eq!(made.text.matches("<filesystem").count(), 1);
}

#[test]
fn mounts_keep_their_kind() {
    says(
        "lxc.mount.entry = /dev/sdz1 data ext4 ro 0 0",
        "<filesystem type='block' accessmode='passthrough'><source dev='/dev/sdz1'/>",
    );
    says(
        "lxc.mount.entry = /dev/fuse dev/fuse none bind,create=file",
        "<source dir='/dev/fuse'/><target dir='/dev/fuse'/>",
    );
    says(
        "lxc.mount.entry = etc/a etc/b none bind,relative",
        "<filesystem type='bind' accessmode='passthrough'><source dir='/etc/a'/>",
    );
    says(
        "lxc.mount.entry = tmpfs /srv/harbour/root/run tmpfs size=1025",
        "<source usage='2' units='KiB'/><target dir='/run'/>",
    );
    for (bad, what) in [
        ("a b", "fewer than the four fields"),
        ("tmpfs t tmpfs defaults", "without size="),
        ("tmpfs t tmpfs size=10%", "no number of bytes"),
        ("tmpfs t tmpfs size=0", "no number of bytes"),
        ("etc/a etc/b none bind", "not a path that begins with '/'"),
    ] {
        let refusal = refusal(&format!("lxc.mount.entry = {bad}"));
        assert!(
            refusal.starts_with("c:3: lxc.mount.entry") && refusal.contains(what),
            "{refusal}"
        );
    }
}

#[test]
fn a_profile_by_its_name_is_a_label_and_none_is_none() {
    let label =
        "<seclabel type='static' model='apparmor' relabel='no'><label>lxc-container-default-cgns</label></seclabel>";
    for key in ["lxc.apparmor.profile", "lxc.aa_profile"] {
        says(&format!("{key} = lxc-container-default-cgns\n"), label);
        for none in ["unconfined", "unchanged", ""] {
            let back = converted(&format!("{key} = x\n{key} = {none}\n"));
            assert!(!back.text.contains("seclabel"), "{none}: {}", back.text);
        }
    }
    for (value, why) in [
        ("generated", "no profile is made for a container"),
        (":ns:a", "it contains ':'"),
    ] {
        let lost = converted(&format!("lxc.apparmor.profile = {value}\n"));
        assert!(!lost.text.contains("seclabel"), "{}", lost.text);
        assert!(warnings(&lost).iter().any(|w| w.contains(why)), "{:?}", warnings(&lost));
    }
}

#[test]
fn a_context_is_a_label_of_which_a_domain_has_one() {
    let context = "system_u:system_r:lxc_t:s0:c62,c86";
    let label = format!("<seclabel type='static' model='selinux' relabel='no'><label>{context}</label></seclabel>");
    for key in ["lxc.selinux.context", "lxc.se_context"] {
        says(&format!("{key} = {context}\n"), &label);
        let back = converted(&format!("{key} = {context}\n{key} =\n"));
        assert!(!back.text.contains("seclabel"), "{}", back.text);
    }
    for (settings, why) in [
        ("lxc.selinux.context = lxc_t", "it is neither USER:ROLE:TYPE nor"),
        (
            "lxc.apparmor.profile = a\nlxc.selinux.context = u:r:t",
            "an AppArmor profile is named too",
        ),
    ] {
        let lost = converted(&format!("{settings}\n"));
        assert!(!lost.text.contains("model='selinux'"), "{}", lost.text);
        assert!(warnings(&lost).iter().any(|w| w.contains(why)), "{:?}", warnings(&lost));
    }
}

#[test]
fn what_cannot_be_said_is_told_with_its_key_and_line() {
    for (setting, words) in [
        ("lxc.seccomp.profile = /x", "= /x cannot be said in XML"),
        ("lxc.nonsense = 1", "= 1 cannot be said in XML"),
        ("lxc.arch = vax", "neither x86_64 nor i686"),
        ("lxc.autodev = 0", "= 0 cannot be said in XML"),
        ("lxc.mount.auto = sys:rw", "= sys:rw cannot be said in XML"),
        (
            "lxc.mount.entry = mqueue dev/mqueue mqueue rw 0 0",
            "no such type of file system",
        ),
        (
            "lxc.mount.entry = /a b none rbind,noexec 0 0",
            "on /b: of its options rbind,noexec cannot be said",
        ),
        ("lxc.environment = TERM", "a variable of whoever starts"),
        ("lxc.cgroup2.pids.max = 10", "= 10 cannot be said in XML"),
        ("lxc.cgroup2.io.weight = default 5000", "from 10 to 1000"),
        ("lxc.cgroup2.io.weight = 8:0 1", "from 10 to 1000"),
        ("lxc.cgroup2.memory.low = 1M", "= 1M cannot be said in XML"),
        ("lxc.environment.runtime = A=1", "cannot be said in XML"),
        ("lxc.cgroup2.memory.swap.max = 1M", "on memory and swap together"),
        ("lxc.cgroup.devices.allow = c 4:0 rwm", "cannot be said in XML"),
        ("lxc.namespace.share.pid = x", "only net, ipc and uts"),
        (
            "lxc.net.0.type = veth\nlxc.net.0.l2proxy = 1",
            "= 1 cannot be said in XML",
        ),
    ] {
        let made = converted(setting);
        let told = warnings(&made);
        let key = setting.rsplit('\n').next().unwrap().split(' ').next().unwrap();
        let line = 2 + setting.lines().count();
        assert!(
            told.iter()
                .any(|w| w.starts_with(&format!("c:{line}: {key} ")) && w.contains(words)),
            "{setting}: {told:?}"
        );
    }
    let memory = converted("").warnings;
    assert_eq!(
        memory,
        ["c:1: no limit on memory is set, and a domain always has one: it is 65536 KiB"]
    );
}

#[test]
fn capabilities_of_all_lines_are_dropped_and_an_empty_line_takes_them_back() {
    let drops = "lxc.cap.drop = sys_module\nlxc.cap.drop = sys_time mac_admin\n";
    says(
        drops,
        "<capabilities policy='allow'><mac_admin state='off'/><sys_module state='off'/><sys_time state='off'/></capabilities>",
    );
    says(
        &format!("{drops}lxc.cap.drop =\nlxc.cap.drop = chown"),
        "<capabilities policy='allow'><chown state='off'/></capabilities>",
    );
}

#[test]
fn limits_of_both_versions_are_read() {
    says(
        "lxc.cgroup.memory.limit_in_bytes = 1025k\nlxc.cgroup.memory.soft_limit_in_bytes = 524289\n",
        "<memory unit='KiB'>1025</memory><currentMemory unit='KiB'>1025</currentMemory><memtune><hard_limit unit='KiB'>1025</hard_limit><soft_limit unit='KiB'>512</soft_limit></memtune>",
    );
    says(
        "lxc.cgroup.cpu.shares = 512\nlxc.cgroup.cpu.cfs_quota_us = -1",
        "<cputune><shares>512</shares><quota>-1</quota></cputune>",
    );
    says("lxc.cgroup2.cpu.weight = 39", "<shares>999</shares>");
    says("lxc.cgroup2.cpu.max = max", "<cputune><quota>-1</quota></cputune>");
    says(
        "lxc.cgroup2.cpuset.cpus = 3,0-1",
        "<vcpu placement='static' cpuset='0-1,3'>1</vcpu>",
    );
    says(
        "lxc.cgroup.cpuset.mems = 0",
        "<numatune><memory mode='strict' nodeset='0'/></numatune>",
    );
    says(
        "lxc.cgroup.blkio.weight = 300\nlxc.cgroup.blkio.throttle.write_bps_device = 8:16 5\nlxc.cgroup.blkio.device_weight = 8:16 20\n\
         lxc.cgroup2.io.max = 8:0 riops=7 wbps=max\n",
        "<blkiotune><weight>300</weight><device><path>/dev/block/8:16</path><weight>20</weight><write_bytes_sec>5</write_bytes_sec></device>\
         <device><path>/dev/block/8:0</path><read_iops_sec>7</read_iops_sec></device></blkiotune><vcpu",
    );
    says(
        "lxc.cgroup2.io.weight = default 200\nlxc.cgroup2.io.weight = 8:0 30\n",
        "<blkiotune><weight>200</weight><device><path>/dev/block/8:0</path><weight>30</weight></device></blkiotune>",
    );
    says(
        "lxc.cgroup2.io.weight = 1000",
        "<blkiotune><weight>1000</weight></blkiotune>",
    );
    for bad in ["0", "10001", "x", "default x", "sda 70"] {
        let said = refusal(&format!("lxc.cgroup2.io.weight = {bad}"));
        assert!(said.starts_with("c:3: lxc.cgroup2.io.weight is "), "{said}");
    }
    for bad in [
        "memory.limit_in_bytes = 1x",
        "memory.limit_in_bytes = 0",
        "cpu.shares = 1",
        "cpuset.cpus = a",
        "blkio.weight = 5",
        "blkio.device_weight = 8:0",
        "blkio.device_weight = sda 7",
        "cpu.cfs_period_us = 1",
    ] {
        assert!(
            refusal(&format!("lxc.cgroup.{bad}")).starts_with("c:3: lxc.cgroup."),
            "{bad}"
        );
    }
    let many = |line: fn(usize) -> String| (0..300).map(line).collect::<String>();
    assert!(
        refusal(&many(|n| format!("lxc.cgroup.blkio.device_weight = 8:{n} 7\n"))).ends_with("more than 256 devices")
    );
    assert!(refusal(&many(|n| format!("lxc.net.{n}.type = none\n"))).ends_with("more than 256 links"));
    assert!(refusal("lxc.cgroup2.cpu.max = 1000 2000 3").contains("a quota in microseconds"));
}

#[test]
fn commands_are_words_with_quotes() {
    says(
        "lxc.init.cmd = /x  \"a b\"'c' d",
        "<init>/x</init><initarg>a bc</initarg><initarg>d</initarg>",
    );
    for bad in ["init", "/x 'a", "/x ''"] {
        assert!(
            refusal(&format!("lxc.init.cmd = {bad}")).starts_with("c:3: lxc.init.cmd"),
            "{bad}"
        );
    }
}

#[test]
fn an_error_names_the_file_that_it_is_in() {
    let mut include = |name: &str| Ok(vec![(format!("{name}/a.conf"), b"\nlxc.cap.drop = fly\n".to_vec())]);
    let text = format!("{START}lxc.include = /inc\n");
    let uuid = crate::domain::Uuid([0; 16]);
    let refusal = convert("c", text.as_bytes(), &mut include, IdmapOrder::Lxc, uuid).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "/inc/a.conf:2: lxc.cap.drop names fly, which is no capability"
    );
}
