//! What is said and not done: kept, printed where libvirt prints it, and told.

use super::{document, refuses_device, refuses_general};
use crate::domain::{Share, complete, format, parse, parse_telling};

/// What libvirt's LXC driver acts on, in its canonical form.
const UNBUILT: &str = "<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>
  <name>harbour</name>
  <uuid>3b1c9e54-6f0a-4d27-8c55-0e9a7d41b2f6</uuid>
  <metadata>
    <p:port xmlns:p=\"urn:port\" lit=\"yes &amp; no\">
      <p:berth>7 &lt; 8</p:berth>
    </p:port>
  </metadata>
  <memory unit='KiB'>262144</memory>
  <currentMemory unit='KiB'>262144</currentMemory>
  <blkiotune>
    <weight>300</weight>
    <device>
      <path>/dev/block/8:0</path>
      <weight>200</weight>
      <read_bytes_sec>1000</read_bytes_sec>
    </device>
  </blkiotune>
  <vcpu placement='auto'>2</vcpu>
  <numatune>
    <memory mode='strict' nodeset='0-1'/>
  </numatune>
  <resource>
    <partition>/machine/quay</partition>
  </resource>
  <os>
    <type arch='x86_64'>exe</type>
    <init>/sbin/init</init>
  </os>
  <clock offset='localtime'>
    <timer name='rtc' present='yes'/>
  </clock>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>preserve</on_crash>
  <devices>
    <disk type='block' device='disk'>
      <source dev='/dev/sdz1'/>
      <target dev='vdz1' bus='virtio'/>
    </disk>
    <filesystem type='mount' accessmode='passthrough'>
      <source dir='/srv/harbour'/>
      <target dir='/'/>
    </filesystem>
    <filesystem type='file' accessmode='passthrough'>
      <driver type='loop' format='raw'/>
      <source file='/srv/data.img'/>
      <target dir='/data'/>
      <readonly/>
    </filesystem>
    <filesystem type='file' accessmode='passthrough'>
      <driver type='nbd' format='qcow2'/>
      <source file='/srv/other.img'/>
      <target dir='/other'/>
    </filesystem>
    <filesystem type='block' accessmode='passthrough'>
      <source dev='/dev/sdz2'/>
      <target dir='/disk'/>
    </filesystem>
    <filesystem type='volume' accessmode='passthrough'>
      <source pool='a' volume='b'/>
      <target dir='/volume'/>
    </filesystem>
    <filesystem type='ram' accessmode='passthrough'>
      <source usage='64' units='KiB'/>
      <target dir='/tmp'/>
      <space_hard_limit unit='bytes'>4096</space_hard_limit>
    </filesystem>
    <interface type='direct'>
      <mac address='52:54:00:0a:0b:0c'/>
      <source dev='lan' mode='vepa'/>
    </interface>
    <interface type='network'>
      <mac address='52:54:00:0a:0b:0d'/>
      <source network='default' portgroup='quay'/>
      <bandwidth>
        <inbound average='1000'/>
      </bandwidth>
      <target dev='v0'/>
      <link state='up'/>
      <mtu size='1400'/>
    </interface>
    <interface type='ethernet'>
      <mac address='52:54:00:0a:0b:0e'/>
      <source>
        <ip address='10.9.0.1' family='ipv4' prefix='30' peer='10.9.0.2'/>
        <route family='ipv4' address='0.0.0.0' gateway='10.9.0.2'/>
      </source>
    </interface>
    <console type='pty'>
      <target type='lxc' port='0'/>
    </console>
    <hostdev mode='capabilities' type='net'>
      <source>
        <interface>wan</interface>
      </source>
      <ip address='10.8.0.2' family='ipv4' prefix='24'/>
      <route family='ipv4' address='0.0.0.0' gateway='10.8.0.1'/>
    </hostdev>
    <hostdev mode='subsystem' type='usb' managed='no'>
      <source>
        <vendor id='0x1234'/>
        <product id='0x5678'/>
      </source>
    </hostdev>
  </devices>
  <seclabel type='dynamic' model='apparmor' relabel='yes'/>
  <lxc:namespace>
    <lxc:sharenet type='netns' value='red'/>
    <lxc:shareuts type='pid' value='7'/>
  </lxc:namespace>
</domain>
";

#[test]
fn what_is_not_done_yet_comes_back_as_it_was() {
    let (domain, told) = parse_telling(UNBUILT.as_bytes(), "a.xml").unwrap();
    assert_eq!(format(&domain), UNBUILT);
    assert!(told.is_empty());
    let names: Vec<String> = domain.kept.iter().map(|k| k.name()).collect();
    for name in [
        "<vcpu> in <domain>",
        "<disk type='block'> in <devices>",
        "<filesystem type='volume'> in <devices>",
        "<driver> in <filesystem>",
        "<space_hard_limit> in <filesystem>",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
    }
    assert!(domain.hindrance().is_some());
    // What is said of namespaces is done, and printed as it was said.
    let [net, ipc, uts] = &domain.shares;
    assert!(matches!(net, Some(Share::Netns(name)) if name.as_str() == "red") && ipc.is_none());
    assert_eq!(uts, &Some(Share::Process(7)));
}

#[test]
fn order_and_what_is_left_out_become_canonical() {
    let device = "<hostdev type='usb' mode='subsystem'><source/></hostdev><interface type='direct'><source dev='l'/></interface>\
        <filesystem type='block'><target dir='/x'/><source dev='/dev/x'/></filesystem><disk type='block'><target dev='a'/><source dev='/dev/a'/></disk>\
        <filesystem><source dir='/y'/><target dir='/'/></filesystem>";
    let general = "<numatune><memory nodeset='0' mode='strict'/></numatune><blkiotune><device><weight>70</weight><path>/p</path></device><weight>90</weight></blkiotune>";
    let parsed = parse(document("<init>/i</init>", general, device).as_bytes(), "a.xml").unwrap();
    let fill = |bytes: &mut [u8]| -> Result<(), ()> {
        bytes.fill(7);
        Ok(())
    };
    let text = format(&complete(parsed, fill).unwrap());
    let lines: String = text.split('\n').map(str::trim).collect();
    for part in [
        "<blkiotune><weight>90</weight><device><path>/p</path><weight>70</weight></device></blkiotune><vcpu",
        "<numatune><memory mode='strict' nodeset='0'/></numatune><os>",
        "<devices><disk type='block' device='disk'><source dev='/dev/a'/><target dev='a'/></disk><filesystem type='block' accessmode='passthrough'>\
         <source dev='/dev/x'/><target dir='/x'/></filesystem><filesystem type='mount'",
        "<interface type='direct'><mac address='52:54:00:07:07:07'/><source dev='l' mode='vepa'/></interface>\
         <hostdev mode='subsystem' type='usb' managed='no'><source/></hostdev></devices>",
    ] {
        assert!(lines.contains(part), "{part} is not in {text}");
    }
    assert_eq!(format(&parse(text.as_bytes(), "a.xml").unwrap()), text);
}

#[test]
fn what_no_lxc_driver_reads_is_told_with_its_line() {
    let general = "<cpu mode='host-model'/><features><acpi/></features><cputune><vcpupin vcpu='0' cpuset='1'/></cputune>\n<genid/>";
    let device = "<graphics type='vnc'/><interface type='ethernet'><model type='virtio'/></interface>";
    let text = document("<init>/i</init><boot dev='hd'/>", general, device);
    let (domain, told) = parse_telling(text.as_bytes(), "a.xml").unwrap();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    for (line, name) in [
        (4, "<boot> in <os>"),
        (5, "<cpu> in <domain>"),
        (5, "<acpi> in <features>"),
        (5, "<vcpupin> in <cputune>"),
        (6, "<genid> in <domain>"),
        (9, "<graphics type='vnc'> in <devices>"),
        (9, "<model> in <interface>"),
    ] {
        let expected = format!("a.xml:{line}: {name} is kept, but no LXC driver reads it: it has no effect");
        assert!(told.contains(&expected), "{expected} is not in {told:?}");
    }
    assert_eq!(told.len(), 7);
    // Nothing of it stands in the way of a start.
    assert!(domain.hindrance().is_none());
    let printed = format(&domain);
    assert!(
        printed.contains("  <features>\n    <acpi/>\n  </features>\n  <cpu mode='host-model'/>\n  <clock"),
        "{printed}"
    );
    assert_eq!(parse(printed.as_bytes(), "a.xml"), Ok(domain));
}

#[test]
fn what_is_wrong_is_refused_within_what_is_kept_too() {
    for (device, what) in [
        ("<disk/>", "<disk> has no <target>"),
        ("<hostdev/>", "<hostdev> has no <source>"),
        (
            "<filesystem type='block'><target/></filesystem>",
            "<filesystem> has no <source>",
        ),
        ("<interface type='direct'/>", "<interface> has no <source>"),
    ] {
        refuses_device(device, what);
    }
    refuses_device("<disk><target/><nonsense/></disk>", "<nonsense> in <disk> is not known");
    refuses_device(
        "<graphics colour='red'/>",
        "attribute colour of <graphics> is not known",
    );
    refuses_device(
        "<filesystem type='volume'><source/><target/><sauce/></filesystem>",
        "<sauce> in <filesystem> is not known",
    );
    refuses_general(
        "<metadata>text<x/></metadata>",
        "the text \"text\" in <metadata> stands beside elements",
    );
    refuses_general("<blkiotune/><blkiotune/>", "<blkiotune> comes twice in <domain>");
    let io = |inside: &str| format!("<blkiotune>{inside}</blkiotune>");
    refuses_general(
        &io("<weight>9</weight>"),
        "<weight> is \"9\", not a number from 10 to 1000",
    );
    refuses_general(&io("<device/>"), "<device> has no <path>");
    refuses_general(
        &io(&"<device><path>/dev/sda</path></device>".repeat(2)),
        "a second <device> with this path",
    );
    refuses_general(
        "<numatune><memory mode='strict' nodeset='x'/></numatune>",
        "attribute nodeset of <memory> is \"x\", not a list of memory nodes from 0 to 1023",
    );
    refuses_general(
        "<vcpu>1</vcpu><vcpu placement='auto'>1</vcpu>",
        "<vcpu> comes twice in <domain>",
    );
}
