//! What is accepted, and how it is printed back.

use super::{FULL, document};
use crate::domain::{Attached, Source, format, parse, tree};
use std::net::IpAddr;

#[test]
fn the_whole_document_comes_back_as_it_was() {
    let domain = parse(FULL.as_bytes(), "full.xml").unwrap();
    assert_eq!(format(&domain), FULL);
    assert_eq!(domain.os.initenv[0].value.as_str(), "1 < 2");
    assert_eq!(domain.os.inituser.as_ref().unwrap().as_str(), "some&one");
    assert_eq!(
        domain.root().unwrap().source,
        Source::Mount(wire::Text::new("/srv/it's\nhere").unwrap())
    );
    let Attached::Ethernet(host, _) = &domain.interfaces[2].attached else {
        panic!("{:?}", domain.interfaces[2])
    };
    assert_eq!((host[0].address, host[0].prefix()), (IpAddr::from([10, 9, 0, 1]), 30));
    assert_eq!(
        domain.interfaces.iter().map(|i| i.is_up()).collect::<Vec<_>>(),
        [false, true, false]
    );
}

#[test]
fn a_running_document_has_its_number_and_can_be_defined_again() {
    let domain = parse(FULL.as_bytes(), "full.xml").unwrap();
    let live = tree(&domain, Some(71)).document();
    assert_eq!(live, FULL.replacen("type='lxc'", "type='lxc' id='71'", 1));
    let with_tty = live.replacen("<console type='pty'", "<console type='pty' tty='/dev/pts/3'", 1);
    assert_eq!(parse(with_tty.as_bytes(), "live.xml"), Ok(domain));
}

#[test]
fn what_may_be_left_out_has_its_default() {
    let ram = "<console/><filesystem type='ram'><source usage='2047' units='bytes'/><target dir='/x'/></filesystem>";
    let text = document("<init>/i</init>", "<features><capabilities/></features>", ram);
    let domain = parse(text.as_bytes(), "a.xml").unwrap();
    assert_eq!(
        (domain.current_memory, domain.vcpu.count, domain.consoles),
        (1024, 1, 1)
    );
    assert_eq!((domain.uuid, domain.os.arch), (None, None));
    assert_eq!(domain.filesystems[0].source, Source::Ram(1));
    let printed = format(&domain);
    assert!(
        printed.contains("<source usage='1' units='KiB'/>") && !printed.contains("features"),
        "{printed}"
    );
    assert_eq!(parse(printed.as_bytes(), "a.xml"), Ok(domain));
}

#[test]
fn order_and_units_become_canonical() {
    let text = "<?xml version=\"1.0\"?><!-- made by hand --><domain type=\"lxc\">
        <os><init>/i</init><type arch='x86_64'>exe</type></os>
        <idmap><gid start='5' target='9' count='2'/><uid start='0' target='1000' count='1'/>
        <gid start='0' target='1000' count='1'/></idmap>
        <memory unit='MiB'>64</memory><name>a</name><devices/></domain>";
    let printed = format(&parse(text.as_bytes(), "a.xml").unwrap());
    let gids = "<gid start='0' target='1000' count='1'/>\n    <gid start='5' target='9' count='2'/>";
    for part in ["<memory unit='KiB'>65536</memory>", gids, "  <devices/>\n"] {
        assert!(printed.contains(part), "{printed}");
    }
}

#[test]
fn a_label_is_an_apparmor_profile_that_is_named() {
    let text = |label: &str| document("<init>/i</init>", label, "");
    let label = "<seclabel type='static' model='apparmor'><label>lazaret-container</label></seclabel>";
    let domain = parse(text(label).as_bytes(), "a.xml").unwrap();
    assert!(domain.hindrance().is_none());
    assert_eq!(domain.seclabel.profile().unwrap().as_str(), "lazaret-container");
    let printed = format(&domain);
    let expected = "  <seclabel type='static' model='apparmor' relabel='no'>\n    <label>lazaret-container</label>\n  </seclabel>\n";
    assert!(printed.contains(expected), "{printed}");
    assert_eq!(format(&parse(printed.as_bytes(), "a.xml").unwrap()), printed);
    // Whose files would be relabelled, and other kinds of labels, are kept and start nothing.
    for other in [
        "<seclabel type='static' model='apparmor' relabel='yes'><label>a</label></seclabel>",
        "<seclabel type='static' model='selinux' relabel='yes'><label>a:b:c</label></seclabel>",
        "<seclabel type='static' model='dac'><label>+0:+0</label></seclabel>",
        "<seclabel type='dynamic' model='apparmor'/>",
        "<seclabel type='dynamic' model='selinux'><baselabel>a:b:c</baselabel></seclabel>",
    ] {
        let domain = parse(text(other).as_bytes(), "a.xml").unwrap();
        let hindrance = domain.hindrance().unwrap();
        assert!(hindrance.starts_with("<seclabel> in <domain>"), "{other}: {hindrance}");
    }
}

#[test]
fn what_an_interface_carries_and_of_which_vlans_it_is_comes_back_as_it_was() {
    let one = |inside: &str| {
        let device = format!("<interface type='bridge'>{inside}</interface>");
        parse(document("<init>/i</init>", "", &device).as_bytes(), "a.xml").unwrap()
    };
    for (given, printed) in [
        (
            "<source bridge='b'/><bandwidth><outbound burst='256' peak='256' average='128'/><inbound average='1000' peak='5000' \
             burst='1024'/></bandwidth>",
            "<bandwidth>\n        <inbound average='1000' peak='5000' burst='1024'/>\n        <outbound average='128' peak='256' \
             burst='256'/>\n      </bandwidth>",
        ),
        ("<source bridge='b'/><bandwidth/>", "<bandwidth/>"),
        (
            "<source bridge='b'/><vlan><tag id='42'/></vlan>",
            "<vlan>\n        <tag id='42'/>\n      </vlan>",
        ),
        (
            "<source bridge='b'/><vlan><tag id='42'/><tag id='47' nativeMode='untagged'/></vlan>",
            "<vlan trunk='yes'>\n        <tag id='42'/>\n        <tag id='47' nativeMode='untagged'/>\n      </vlan>",
        ),
    ] {
        let text = format(&one(given));
        assert!(text.contains(printed), "{text}");
        assert_eq!(format(&parse(text.as_bytes(), "a.xml").unwrap()), text);
    }
}

#[test]
fn a_label_is_an_selinux_context_that_is_named() {
    let label =
        "<seclabel type='static' model='selinux'><label>system_u:system_r:container_t:s0:c1,c2</label></seclabel>";
    let domain = parse(document("<init>/i</init>", label, "").as_bytes(), "a.xml").unwrap();
    assert!(domain.hindrance().is_none() && domain.seclabel.profile().is_none());
    let context = domain.seclabel.context().unwrap();
    assert_eq!(context.as_str(), "system_u:system_r:container_t:s0:c1,c2");
    let printed = format(&domain);
    let expected = format!(
        "  <seclabel type='static' model='selinux' relabel='no'>\n    <label>{context}</label>\n  </seclabel>\n"
    );
    assert!(printed.contains(&expected), "{printed}");
    assert_eq!(format(&parse(printed.as_bytes(), "a.xml").unwrap()), printed);
}

#[test]
fn a_network_gives_the_address_that_a_route_needs() {
    let device =
        "<interface type='network'><source network='n'/><route address='0.0.0.0' gateway='10.0.0.1'/></interface>";
    assert!(parse(document("<init>/i</init>", "", device).as_bytes(), "a.xml").is_ok());
}
