//! What the keys of the network become.

use super::{converted, refusal, says, warnings};

#[test]
fn links_of_both_spellings_become_interfaces() {
    let v3 = "lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.flags = up\nlxc.net.0.hwaddr = 02:00:00:0a:0b:0c\n\
        lxc.net.0.name = lan0\nlxc.net.0.veth.pair = host0\nlxc.net.0.mtu = 1400\nlxc.net.0.ipv4.address = 10.1.0.2/16\n\
        lxc.net.0.ipv6.address = fd00::2/64\nlxc.net.0.ipv4.gateway = 10.1.0.1\n";
    let legacy = v3
        .replace("lxc.net.0.", "lxc.network.")
        .replace("ipv4.address", "ipv4")
        .replace("ipv6.address", "ipv6");
    let text = "<interface type='bridge'><mac address='02:00:00:0a:0b:0c'/><source bridge='br0'/>\
        <ip address='10.1.0.2' family='ipv4' prefix='16'/><ip address='fd00::2' family='ipv6' prefix='64'/>\
        <route family='ipv4' address='0.0.0.0' gateway='10.1.0.1'/><target dev='host0'/><guest dev='lan0'/>\
        <link state='up'/><mtu size='1400'/></interface>";
    for spelling in [v3, &legacy] {
        says(spelling, text);
        assert!(!converted(spelling).text.contains("privnet"));
    }
    says(
        "lxc.net.3.type = veth\nlxc.net.3.flags = up",
        "<interface type='ethernet'><link state='up'/></interface>",
    );
    says(
        "lxc.net.0.type = macvlan\nlxc.net.0.link = lan\n",
        "<interface type='direct'><source dev='lan' mode='private'/><link state='down'/></interface>",
    );
    says(
        "lxc.net.0.type = ipvlan\nlxc.net.0.link = lan\nlxc.net.0.ipvlan.mode = l3s\nlxc.net.0.ipvlan.isolation = private\n",
        "<interface type='direct'><source dev='lan' mode='ipvlan-l3s-private'/><link state='down'/></interface>",
    );
    says(
        "lxc.net.0.type = ipvlan\nlxc.net.0.link = lan\n",
        "<source dev='lan' mode='ipvlan-l3'/>",
    );
    says(
        "lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.veth.vlan.id = 7\nlxc.net.0.veth.vlan.tagged.id = 8\n",
        "<source bridge='br0'/><vlan trunk='yes'><tag id='7' nativeMode='untagged'/><tag id='8'/></vlan>",
    );
    says(
        "lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.veth.vlan.id = 7\n",
        "<source bridge='br0'/><vlan><tag id='7'/></vlan>",
    );
}

#[test]
fn links_of_the_hosts_become_devices_behind_the_consoles() {
    says(
        "lxc.net.0.type = vlan\nlxc.net.0.link = lan\nlxc.net.0.vlan.id = 7\nlxc.net.1.type = phys\nlxc.net.1.link = wan\nlxc.tty.max = 1",
        "</console><hostdev mode='capabilities' type='net'><source><interface>lan.7</interface></source></hostdev>\
         <hostdev mode='capabilities' type='net'><source><interface>wan</interface></source></hostdev></devices>",
    );
}

#[test]
fn only_an_empty_network_and_no_word_of_one_are_private() {
    for (more, private) in [
        ("", true),
        ("lxc.net.0.type = empty", true),
        ("lxc.network.type = empty", true),
        ("lxc.net.0.type = none", false),
        ("lxc.net.0.type = none\nlxc.net =", true),
        ("lxc.net.0.type = veth", false),
        ("lxc.namespace.share.net = web", false),
    ] {
        assert_eq!(converted(more).text.contains("<privnet/>"), private, "{more}");
    }
}

#[test]
fn shared_namespaces_are_named() {
    says(
        "lxc.namespace.share.net = web\nlxc.namespace.share.uts = 71",
        "<lxc:namespace><lxc:sharenet type='name' value='web'/><lxc:shareuts type='pid' value='71'/></lxc:namespace></domain>",
    );
    says(
        "lxc.namespace.share.ipc = web",
        "<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>",
    );
}

#[test]
fn a_link_that_no_domain_can_have_is_refused() {
    for (more, what) in [
        (
            "lxc.network.link = br0",
            "c:3: lxc.network.link comes before the lxc.network.type that it belongs to",
        ),
        (
            "lxc.net.0.type = vxlan",
            "c:3: lxc.net.0.type is \"vxlan\", not veth, macvlan,",
        ),
        (
            "lxc.net.0.type = phys",
            "c:3: lxc.net.0.type begins a link of type phys without link",
        ),
        (
            "lxc.net.0.type = macvlan",
            "c:3: lxc.net.0.type begins a link of type macvlan without link",
        ),
        ("lxc.net.0.colour = red", "c:3: lxc.net.0.colour is not known"),
        ("lxc.netx = red", "c:3: lxc.netx is not known"),
        (
            "lxc.net.0.ipv4.address = 10.0.0.1/33",
            "c:3: lxc.net.0.ipv4.address is \"10.0.0.1/33\", not an IPv4 address",
        ),
        (
            "lxc.net.0.ipv4.gateway = auto",
            "c:3: lxc.net.0.ipv4.gateway is \"auto\", not an address",
        ),
        ("lxc.net.0.type = veth\nlxc.net.0.hwaddr = x", ""),
        (
            "lxc.net.0.type = veth\nlxc.net.0.hwaddr = 1",
            "c:4: lxc.net.0.hwaddr is \"1\", not the hardware address",
        ),
        (
            "lxc.net.0.type = veth\nlxc.net.0.link = a/b",
            "c:4: lxc.net.0.link names no link",
        ),
    ] {
        if what.is_empty() {
            assert!(warnings(&converted(more))[0].contains("define makes up a whole address"));
        } else {
            assert!(refusal(more).starts_with(what), "{}", refusal(more));
        }
    }
}
