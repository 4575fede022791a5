//! One bad device for each rule, with the line that the refusal names.

use super::{document, parse, refuses_device};

#[test]
fn refuses_filesystems_without_what_they_need() {
    let fs = |kind: &str, inside: &str| format!("<filesystem type='{kind}'>{inside}</filesystem>");
    let target = "<target dir='/x'/>";
    refuses_device(
        &fs("ram", &format!("<source/>{target}")),
        "<source> has no attribute usage",
    );
    refuses_device(
        &fs("ram", &format!("<source usage='0'/>{target}")),
        "attribute usage of <source> is less than 1 KiB",
    );
    refuses_device(&fs("mount", target), "<filesystem> has no <source>");
    refuses_device(&fs("mount", "<source dir='/x'/>"), "<filesystem> has no <target>");
    refuses_device(
        &fs("bind", &format!("<source dir=''/>{target}")),
        "attribute dir of <source> is empty",
    );
    refuses_device(
        &fs("tape", &format!("<source dev='/dev/st0'/>{target}")),
        "attribute type of <filesystem> is \"tape\", not \"mount\", \"bind\", \"ram\", \"block\" or \"file\", which alone are supported",
    );
    for (kind, attribute) in [("block", "dev"), ("file", "file")] {
        refuses_device(
            &fs(kind, &format!("<source dir='/x'/>{target}")),
            &format!("<source> has no attribute {attribute}"),
        );
        refuses_device(
            &fs(kind, &format!("<source {attribute}=''/>{target}")),
            &format!("attribute {attribute} of <source> is empty"),
        );
    }
    refuses_device(
        &fs("file", &format!("<driver type='tape'/><source file='/x'/>{target}")),
        "attribute type of <driver> is \"tape\", not \"loop\", the only one that is supported",
    );
    refuses_device(
        "<filesystem accessmode='some'/>",
        "attribute accessmode of <filesystem> is \"some\", not \"passthrough\", the only one that is supported",
    );
    let same =
        fs("mount", "<source dir='/'/><target dir='/x'/>") + &fs("bind", "<source dir='/'/><target dir='//x/.'/>");
    refuses_device(&same, "a second <filesystem> with this target");
}

fn ethernet(inside: &str) -> String {
    format!("<interface type='ethernet'>{inside}</interface>")
}

#[test]
fn refuses_interfaces_that_end_nowhere() {
    refuses_device("<interface/>", "<interface> has no attribute type");
    refuses_device("<interface type='bridge'/>", "<interface> has no <source>");
    refuses_device(
        "<interface type='network'><source/></interface>",
        "<source> has no attribute network",
    );
    refuses_device(
        "<interface type='network'><source network=''/></interface>",
        "attribute network of <source> is \"\", not the name of a network",
    );
    refuses_device(
        "<interface type='tunnel'><source dev='eth0'/></interface>",
        "attribute type of <interface> is \"tunnel\", not \"network\", \"bridge\", \"ethernet\", \"direct\" or \"user\", which alone are supported",
    );
    refuses_device(
        "<interface type='bridge'><source bridge='a/b'/></interface>",
        "attribute bridge of <source> is \"a/b\": it contains '/'",
    );
    refuses_device(
        "<interface type='direct'><source mode='bridge'/></interface>",
        "<source> has no attribute dev",
    );
    refuses_device(
        "<interface type='direct'><source dev='e' mode='hub'/></interface>",
        "attribute mode of <source> is \"hub\", not \"vepa\", \"bridge\", \"private\", \"passthrough\", \"vlan\" or \"ipvlan-l2\" and the like",
    );
    refuses_device(
        &ethernet("<source><rout address='0.0.0.0' gateway='1.1.1.1'/></source>"),
        "<rout> in <source> is not known",
    );
    refuses_device(&ethernet("<skript path='/x'/>"), "<skript> in <interface> is not known");
    refuses_device(
        &(ethernet("<guest dev='eth0'/>") + &ethernet("")),
        "two interfaces have the same name inside",
    );
    refuses_device(
        &ethernet("<target dev='v0'/>").repeat(2),
        "two interfaces have the same target",
    );
}

#[test]
fn an_interface_of_type_user_is_built_with_a_hardware_address_and_a_name_inside_alone() {
    let own = "<mac address='52:54:00:00:00:07'/>";
    let of_user = |more: &str| {
        let interface = format!("<interface type='user'>{own}{more}</interface>");
        parse(document("<init>/i</init>", "", &interface).as_bytes(), "a.xml").unwrap()
    };
    let built = of_user("<guest dev='lan0'/>");
    assert_eq!((built.interfaces.len(), built.kept.len()), (1, 0));
    for more in [
        "<ip address='192.0.2.7' prefix='24'/>",
        "<route address='0.0.0.0' prefix='0' gateway='192.0.2.1'/>",
        "<target dev='v0'/>",
        "<mtu size='1500'/>",
        "<bandwidth/>",
        "<vlan><tag id='7'/></vlan>",
        "<link state='down'/>",
        "<source dev='eth0'/>",
    ] {
        let kept = of_user(more);
        assert_eq!((kept.interfaces.len(), kept.kept.len()), (0, 1), "{more}");
    }
}

#[test]
fn refuses_addresses_that_contradict_themselves() {
    for (inside, what) in [
        (
            "<mac address='01:00:5e:00:00:01'/>",
            "attribute address of <mac> is \"01:00:5e:00:00:01\", not the hardware address of one station",
        ),
        (
            "<ip address='10.0.0.300'/>",
            "attribute address of <ip> is \"10.0.0.300\", not an IP address",
        ),
        (
            "<ip address='10.0.0.3' prefix='33'/>",
            "attribute prefix of <ip> is \"33\", not a number from 0 to 32",
        ),
        (
            "<ip address='10.0.0.3' family='ipv6'/>",
            "attribute family of <ip> is \"ipv6\", not \"ipv4\", the address's own",
        ),
        (
            "<ip address='10.0.0.3' peer='::1'/>",
            "attribute peer of <ip> is of another family",
        ),
        (
            "<ip address='10.0.0.3'/><link state='down'/>",
            "an interface that is down inside has neither <ip> nor <route>",
        ),
        (
            "<mtu size='67'/>",
            "attribute size of <mtu> is \"67\", not a number from 68 to 65535",
        ),
        (
            "<port isolated='maybe'/>",
            "attribute isolated of <port> is \"maybe\", not \"yes\" or \"no\"",
        ),
        ("<port isolated='yes'/>", "only a port of a bridge can be isolated"),
        ("<bandwidth><inbound peak='9'/></bandwidth>", "a rate has an average"),
        (
            "<bandwidth><outbound average='0'/></bandwidth>",
            "attribute average of <outbound> is \"0\", not a number above 0",
        ),
        ("<vlan/>", "<vlan> has no <tag>"),
        (
            "<vlan><tag id='4096'/></vlan>",
            "attribute id of <tag> is \"4096\", not a number from 0 to 4095",
        ),
        (
            "<vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>",
            "a <vlan> with several tags or a native one has trunk='yes'",
        ),
        (
            "<vlan><tag id='1' nativeMode='tagged'/><tag id='2' nativeMode='untagged'/></vlan>",
            "only one <tag> of a <vlan> is its native one",
        ),
        (
            "<link state='sideways'/>",
            "attribute state of <link> is \"sideways\", not \"up\" or \"down\"",
        ),
    ] {
        refuses_device(&ethernet(inside), what);
    }
}

#[test]
fn refuses_routes_that_lead_nowhere() {
    for (route, what) in [
        ("<route address='10.0.0.0'/>", "<route> has no attribute gateway"),
        (
            "<route address='::' gateway='::1'/>",
            "an ipv6 address here needs family='ipv6'",
        ),
        (
            "<route address='0.0.0.0' gateway='::1'/>",
            "attribute gateway of <route> is of another family",
        ),
        (
            "<route address='0.0.0.0' gateway='10.0.0.1' metric='0'/>",
            "attribute metric of <route> is \"0\", not a number above 0",
        ),
        (
            "<route address='10.1.2.3' prefix='24' gateway='10.0.0.1'/>",
            "attribute address of <route> is no network: it has bits beyond its prefix of 24",
        ),
    ] {
        refuses_device(&ethernet(&format!("<ip address='10.0.0.2'/>{route}")), what);
    }
    refuses_device(
        &ethernet("<route address='0.0.0.0' gateway='10.0.0.1'/>"),
        "an interface with a <route> needs an <ip> or <link state='up'/>",
    );
}

#[test]
fn refuses_consoles_of_another_kind_or_without_a_number() {
    refuses_device(
        "<console type='tape'/>",
        "attribute type of <console> is \"tape\", not \"pty\", the only one that is supported",
    );
    refuses_device(
        "<console><target type='some'/></console>",
        "attribute type of <target> is \"some\", not \"lxc\", the only one that is supported",
    );
    refuses_device(
        "<console/><console><target port='x'/></console>",
        "attribute port of <target> is \"x\", not a number",
    );
    refuses_device(&"<console/>".repeat(65), "there are more than 64 consoles");
}
