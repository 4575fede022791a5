//! What an interface says beside its addresses: how much it carries, of which VLANs it is, which routes lead over it; and links that lie on
//! one of the host's. The kernel is asked, not `lazaret`.

use tests::{Host, need_root, skip};

/// Whether the kernel can do what this line of a shell does, which leaves nothing behind.
fn can(host: &Host, line: &str) -> bool {
    host.inside("sh", &["-c", line]).status.success()
}

fn has_vlans(host: &Host) -> bool {
    can(
        host,
        "ip link add name try0 type veth peer name try1 && { ip link add link try0 name try2 type vlan id 7; s=$?; ip link del try0; exit $s; }",
    )
}

fn has_ipvlans(host: &Host) -> bool {
    can(
        host,
        "ip link add name try0 type veth peer name try1 && { ip link add link try0 name try2 type ipvlan; s=$?; ip link del try0; exit $s; }",
    )
}

fn filters(host: &Host) -> bool {
    can(
        host,
        "ip link add try0 type bridge vlan_filtering 1 && ip link del try0",
    )
}

fn polices(host: &Host) -> bool {
    let line = "ip link add name try0 type veth peer name try1 && tc qdisc add dev try0 ingress && { tc filter add dev try0 parent ffff: \
        protocol all u32 match u32 0 0 police rate 8mbit burst 10k drop flowid :1; s=$?; ip link del try0; exit $s; }";
    let can = can(host, line);
    host.inside("ip", &["link", "del", "try0"]);
    can
}

/// What the kernel says of a link of the container's, seen from inside.
fn within(host: &Host, name: &str, words: &[&str]) -> String {
    let pid = host.pid_1(name).expect("it runs").to_string();
    let all = [&["-t", pid.as_str(), "-n"], words].concat();
    host.inside("nsenter", &all).ok().stdout
}

fn shell(host: &Host, line: &str) -> String {
    host.inside("sh", &["-c", line]).ok().stdout
}

fn ethernet(more: &str) -> String {
    format!(
        "<interface type='ethernet'><source><ip address='10.77.0.1' family='ipv4' prefix='24'/>\
         <route family='ipv4' address='10.99.0.0' prefix='16' gateway='10.77.0.2'/></source>{more}\
         <ip address='10.77.0.2' family='ipv4' prefix='24'/><target dev='lztest0'/></interface>"
    )
}

#[test]
fn the_host_leads_a_route_over_a_link_with_the_hosts_consent() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, "exec sleep 1000", "", &ethernet(""));
    host.policy("address 10.77.0.0/24");
    host.run(&["create", &file])
        .refused(1, &["10.99.0.0/16", "`address 10.99.0.0/16`"]);
    host.policy("address 10.77.0.0/24\naddress 10.99.0.0/16");
    host.run(&["create", &file]).ok();
    let route = shell(&host, "ip route show 10.99.0.0/16");
    assert!(route.contains("via 10.77.0.2 dev lztest0"), "{route}");
    host.run(&["destroy", &name]).ok();
    assert_eq!(shell(&host, "ip route show 10.99.0.0/16"), "");
    host.nothing_is_left();
}

#[test]
fn what_goes_to_a_container_is_held_to_its_rate_on_the_host() {
    need_root!();
    let host = Host::new();
    host.policy("address 10.77.0.0/24\naddress 10.99.0.0/16");
    let name = host.name("vm");
    let held = ethernet("<bandwidth><inbound average='1000' peak='2000' burst='100'/></bandwidth>");
    host.run(&["create", &host.domain_file(&name, "exec sleep 1000", "", &held)])
        .ok();
    let class = shell(&host, "tc class show dev lztest0");
    assert!(
        class.contains("rate 8Mbit ceil 16Mbit burst 100Kb"),
        "1000 kilobytes a second, 2000 at most: {class}"
    );
    // Root inside, with all that the profile grants, sees no class and can change none.
    let inside = host
        .run(&["enter", &name, "--", "sh", "-c", "ip link show eth0"])
        .ok()
        .stdout;
    assert!(!inside.contains("htb"), "{inside}");
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn what_comes_from_a_container_is_held_to_its_rate_or_the_start_is_refused() {
    need_root!();
    let host = Host::new();
    host.policy("address 10.77.0.0/24\naddress 10.99.0.0/16");
    let name = host.name("vm");
    let held = ethernet("<bandwidth><outbound average='128' peak='256' burst='256'/></bandwidth>");
    let file = host.domain_file(&name, "exec sleep 1000", "", &held);
    if !polices(&host) {
        host.run(&["create", &file])
            .refused(1, &["from the container", "this kernel cannot"]);
        assert_eq!(shell(&host, "ip -o link").lines().count(), 1, "nothing is left");
        skip!("the kernel has no act_police: it was seen that the start is refused");
    }
    host.run(&["create", &file]).ok();
    let filter = shell(&host, "tc filter show dev lztest0 parent ffff:");
    for word in [
        "police",
        "rate 1024Kbit",
        "peakrate 2048Kbit",
        "burst 256Kb",
        "action drop",
    ] {
        assert!(filter.contains(word), "{word}: {filter}");
    }
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn what_cannot_be_held_is_refused_by_name() {
    need_root!();
    let host = Host::new();
    host.policy("direct wire0\nbridge br0");
    shell(
        &host,
        "ip link add name wire0 type veth peer name wire1; ip link add br0 type bridge; ip link set br0 up; ip link set wire0 up",
    );
    let name = host.name("vm");
    let on = |source: &str, more: &str| format!("<interface {source}{more}</interface>");
    let bridge = "type='bridge'><source bridge='br0'/>";
    let direct = "type='direct'><source dev='wire0' mode='bridge'/>";
    for (source, more, words) in [
        (
            bridge,
            "<bandwidth><inbound average='10' floor='5'/></bandwidth>",
            "floor",
        ),
        (
            bridge,
            "<bandwidth><inbound average='10' peak='5'/></bandwidth>",
            "peak below",
        ),
        (
            bridge,
            "<bandwidth><inbound average='4294968'/></bandwidth>",
            "more than the 4294967",
        ),
        (direct, "<bandwidth><inbound average='10'/></bandwidth>", "<bandwidth>"),
        (direct, "<vlan><tag id='7'/></vlan>", "<vlan>"),
        (bridge, "<vlan><tag id='0'/></vlan>", "VLAN 1 to 4094"),
        (bridge, "<vlan><tag id='7'/></vlan>", "`bridge br0 vlan 7`"),
        (bridge, "<virtualport type='openvswitch'/>", "<virtualport>"),
        (bridge, "<filterref filter='clean-traffic'/>", "<filterref>"),
        (bridge, "<script path='/x'/>", "<script>"),
        (
            "type='network'><source network='default' portgroup='a'/>",
            "",
            "portgroup",
        ),
        ("type='direct'><source dev='wire0' mode='vlan'/>", "", "<vlan>"),
    ] {
        let file = host.domain_file(&name, "exec sleep 1000", "", &on(source, more));
        host.run(&["create", &file]).refused(1, &[words]);
    }
    assert_eq!(shell(&host, "ip -o link").lines().count(), 4, "nothing is left");
    shell(&host, "ip link del br0; ip link del wire0");
    host.nothing_is_left();
}

#[test]
fn a_port_is_a_member_of_its_vlans_and_of_no_other() {
    need_root!();
    let host = Host::new();
    host.policy("bridge br0 vlan 7-9");
    let name = host.name("vm");
    let port = |vlan: &str| {
        let devices = format!(
            "<interface type='bridge'><source bridge='br0'/>{vlan}<ip address='10.77.0.2' family='ipv4' prefix='24'/><target dev='lztest0'/></interface>"
        );
        host.domain_file(&name, "exec sleep 1000", "", &devices)
    };
    shell(
        &host,
        "ip link add br0 address 02:00:00:00:00:01 type bridge; ip link set br0 up",
    );
    host.run(&["create", &port("<vlan><tag id='7'/></vlan>")])
        .refused(1, &["br0", "vlan_filtering"]);
    if !filters(&host) {
        shell(&host, "ip link del br0");
        skip!("the kernel's bridges do not keep VLANs apart: it was seen that the start is refused");
    }
    shell(
        &host,
        "ip link set br0 type bridge vlan_filtering 1; bridge vlan add dev br0 vid 7 self; ip link add link br0 name br0.7 type vlan id 7; \
         ip addr add 10.77.0.1/24 dev br0.7; ip link set br0.7 up",
    );
    let member = || {
        shell(
            &host,
            "bridge -compressvlans vlan show dev lztest0 | tail -n +2 | tr -s ' ' | sed 's/lztest0//'",
        )
    };
    host.run(&["create", &port("<vlan><tag id='7'/></vlan>")]).ok();
    let said = member();
    assert!(
        said.contains("7 PVID Egress Untagged") && said.trim().lines().count() == 1,
        "{said}"
    );
    host.inside("ping", &["-c", "1", "-W", "10", "10.77.0.2"]).ok();
    host.run(&["destroy", &name]).ok();
    let trunk = "<vlan trunk='yes'><tag id='8' nativeMode='untagged'/><tag id='7'/></vlan>";
    host.run(&["create", &port(trunk)]).ok();
    let said = member();
    assert!(
        said.contains("8 PVID Egress Untagged") && said.contains(" 7\n"),
        "{said}"
    );
    assert!(
        !host
            .inside("ping", &["-c", "1", "-W", "1", "10.77.0.2"])
            .status
            .success()
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["create", &port("<vlan><tag id='10'/></vlan>")])
        .refused(1, &["`bridge br0 vlan 10`"]);
    shell(&host, "ip link del br0.7; ip link del br0");
    host.nothing_is_left();
}

/// A wire of the host's with its other end, which has an address.
fn wire(host: &Host, address: &str) {
    shell(
        host,
        &format!(
            "ip link add name wire0 type veth peer name wire1; ip link set wire0 up; ip link set wire1 up; {address}"
        ),
    );
}

#[test]
fn a_vlan_of_a_link_is_made_inside_with_consent_and_goes_with_the_container() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    wire(&host, "true");
    let devices = "<interface type='direct'><mac address='00:16:3e:0f:ef:8b'/><source dev='wire0' mode='vlan'/><vlan><tag id='7'/></vlan>\
        <ip address='10.79.0.2' family='ipv4' prefix='24'/><guest dev='lan0'/></interface>";
    let file = host.domain_file(&name, "exec sleep 1000", "", devices);
    host.run(&["create", &file]).refused(1, &["wire0", "`direct wire0`"]);
    host.policy("direct wire0");
    if !has_vlans(&host) {
        host.run(&["create", &file]).refused(1, &["no links of the kind"]);
        shell(&host, "ip link del wire0");
        host.nothing_is_left();
        skip!("the kernel has no VLAN links: it was seen that the start is refused");
    }
    shell(
        &host,
        "ip link add link wire1 name far0 type vlan id 7; ip addr add 10.79.0.1/24 dev far0; ip link set far0 up",
    );
    host.run(&["create", &file]).ok();
    let said = within(&host, &name, &["ip", "-d", "link", "show", "lan0"]);
    for word in ["vlan protocol 802.1Q id 7", "00:16:3e:0f:ef:8b", "UP"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    host.inside("ping", &["-c", "1", "-W", "10", "10.79.0.2"]).ok();
    // Somebody else's it is not at the same time, and nothing of it is on the host.
    let other = host.name("other");
    host.run(&["create", &host.domain_file(&other, "exec sleep 1000", "", devices)])
        .refused(1, &["somebody has this VLAN"]);
    let links = shell(&host, "ip -o link");
    assert!(!links.contains("lzv") && !links.contains("lan0"), "{links}");
    host.run(&["destroy", &name]).ok();
    shell(&host, "ip link show wire0");
    let ran = host
        .once(
            &[
                "--network",
                "vlan:wire0:7",
                "--ip",
                "10.79.0.3/24",
                "--gateway",
                "10.79.0.1",
            ],
            &["sh", "-c", "ip -o addr show eth0; ip route"],
        )
        .ok()
        .stdout;
    assert!(
        ran.contains("10.79.0.3/24") && ran.contains("default via 10.79.0.1"),
        "{ran}"
    );
    shell(&host, "ip link del wire0");
    host.nothing_is_left();
}

#[test]
fn an_ipvlan_has_its_links_address_and_mode_and_goes_with_the_container() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    wire(&host, "ip addr add 10.79.0.1/24 dev wire1");
    let devices = |mode: &str| {
        format!(
            "<interface type='direct'><source dev='wire0' mode='{mode}'/><ip address='10.79.0.2' family='ipv4' prefix='24'/>\
             <guest dev='lan0'/></interface>"
        )
    };
    let file = |mode: &str| host.domain_file(&name, "exec sleep 1000", "", &devices(mode));
    host.run(&["create", &file("ipvlan-l2")])
        .refused(1, &["wire0", "`direct wire0`"]);
    host.policy("direct wire0");
    if !has_ipvlans(&host) {
        host.run(&["create", &file("ipvlan-l2")])
            .refused(1, &["no links of the kind"]);
        shell(&host, "ip link del wire0");
        host.nothing_is_left();
        skip!("the kernel has no ipvlan links: it was seen that the start is refused");
    }
    let address = shell(&host, "ip -o link show wire0 | sed 's/.*ether //; s/ .*//'");
    for (mode, kernels) in [
        ("ipvlan-l2", "mode l2 bridge"),
        ("ipvlan-l3s-private", "mode l3s private"),
        ("ipvlan-l3-vepa", "mode l3 vepa"),
    ] {
        host.run(&["create", &file(mode)]).ok();
        let said = within(&host, &name, &["ip", "-d", "link", "show", "lan0"]);
        assert!(
            said.contains(kernels) && said.contains(address.trim()),
            "{kernels}: {said}"
        );
        if mode == "ipvlan-l2" {
            host.inside("ping", &["-c", "1", "-W", "10", "10.79.0.2"]).ok();
        }
        host.run(&["destroy", &name]).ok();
        assert!(!shell(&host, "ip -o link").contains("lan0"));
    }
    let ran = host
        .once(
            &["--network", "ipvlan:wire0:l2", "--ip", "10.79.0.3/24"],
            &["ip", "-o", "addr", "show", "eth0"],
        )
        .ok()
        .stdout;
    assert!(ran.contains("10.79.0.3/24"), "{ran}");
    shell(&host, "ip link del wire0");
    host.nothing_is_left();
}

#[test]
fn a_one_off_container_lies_on_a_bridge_or_a_link_that_its_command_line_names() {
    need_root!();
    let host = Host::new();
    wire(
        &host,
        "ip link add br0 type bridge; ip addr add 10.77.0.1/24 dev br0; ip link set br0 up",
    );
    let run = |network: &str, more: &[&str]| {
        let options = [&["--network", network, "--ip", "10.77.0.2/24"], more].concat();
        host.once(&options, &["sh", "-c", "ip -o addr show eth0; ip route"])
    };
    let said = run("bridge:br0", &["--gateway", "10.77.0.1"]).ok().stdout;
    for word in ["10.77.0.2/24", "default via 10.77.0.1"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    run("macvlan:wire0", &[]).refused(125, &["`direct wire0`"]);
    host.policy("direct wire0");
    let said = run("macvlan:wire0", &[]).ok().stdout;
    assert!(said.contains("10.77.0.2/24"), "{said}");
    for (network, words) in [
        ("vlan:wire0:4095", "4094"),
        ("bridge:", "names no link"),
        ("ipvlan:wire0:l9", "a network is"),
        ("none", "--ip and --gateway"),
    ] {
        let said = run(network, &[]);
        assert!(said.code() == 2 && said.stderr.contains(words), "{network}: {said}");
    }
    run("bridge:br9", &[]).refused(125, &["br9"]);
    shell(&host, "ip link del br0; ip link del wire0");
    host.nothing_is_left();
}
