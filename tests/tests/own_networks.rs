//! Networks of one's own: what is defined is what the kernel has, containers are given what it says, and nothing is left of what was ended.

use std::process::Stdio;
use tests::outside::{HOST_V4, OUTSIDE_V4, Outside};
use tests::{Host, capture, need_root};

fn shell(host: &Host, line: &str) -> String {
    host.inside("sh", &["-c", line]).ok().stdout
}

/// A document of a network, in a file of the test's.
fn document(host: &Host, name: &str, inside: &str) -> String {
    host.file(
        &format!("{name}.xml"),
        format!("<network><name>{name}</name>{inside}</network>"),
    )
}

const SUBNET: &str = "<ip address='192.168.150.1' netmask='255.255.255.0'><dhcp><range start='192.168.150.100' end='192.168.150.200'/>\
    <host mac='52:54:00:aa:bb:cc' ip='192.168.150.9'/></dhcp></ip>";

fn on(network: &str, mac: &str) -> String {
    format!("<interface type='network'>{mac}<source network='{network}'/></interface>")
}

fn begin(host: &Host, word: &str, devices: &str) -> String {
    let name = host.name(word);
    host.run(&["create", &host.domain_file(&name, "exec sleep 1000", "", devices)])
        .ok();
    name
}

fn inside(host: &Host, name: &str, line: &str) -> capture::Outcome {
    host.run(&["enter", name, "--", "sh", "-c", line])
}

/// The bridge that a network says it has.
fn bridge(host: &Host, network: &str) -> String {
    let info = host.run(&["net-info", network, "--json"]).ok().json();
    info["bridge"].as_str().unwrap().to_owned()
}

#[test]
fn a_network_is_defined_started_ended_and_forgotten() {
    need_root!();
    let host = Host::new();
    let file = document(&host, "quay", &format!("<forward mode='nat'/>{SUBNET}"));
    let said = host.run(&["net-define", &file]).ok();
    assert_eq!(said.stdout, format!("Network quay defined from {file}\n\n"));
    let bridge = bridge(&host, "quay");
    assert!(bridge.starts_with("lzr") && bridge != "lzr0", "{bridge}");
    assert_eq!(shell(&host, "ip -o link").lines().count(), 1, "nothing is there yet");
    let row = |options: &[&str]| {
        let list = host.run(&[&["net-list"], options].concat()).ok().stdout;
        let row = list.lines().find(|l| l.contains("quay")).map(str::to_owned);
        row.map(|r| r.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(row(&["--all"]), Some("quay inactive no yes".into()));
    assert_eq!(row(&[]), None);
    assert_eq!(row(&["--inactive"]), Some("quay inactive no yes".into()));

    assert_eq!(host.run(&["net-start", "quay"]).ok().stdout, "Network quay started\n\n");
    let address = shell(&host, &format!("ip -o -4 addr show dev {bridge}"));
    assert!(address.contains("192.168.150.1/24"), "{address}");
    assert!(shell(&host, &format!("ip link show {bridge}")).contains("UP"));
    assert_eq!(row(&[]), Some("quay active no yes".into()));
    host.run(&["net-start", "quay"]).refused(1, &["already active"]);
    // It stays without anybody on it, whatever runs and ends.
    host.once(&["--network", "quay"], &["true"]).ok();
    host.run(&["list"]).ok();
    shell(&host, &format!("ip link show {bridge}"));

    let xml = host.run(&["net-dumpxml", "quay"]).ok().stdout;
    for part in [
        "<forward mode='nat'/>",
        "<ip address='192.168.150.1' netmask='255.255.255.0'>",
        "<range start='192.168.150.100' end='192.168.150.200'/>",
        "<host mac='52:54:00:aa:bb:cc' ip='192.168.150.9'/>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    let uuid = host.run(&["net-uuid", "quay"]).ok().stdout.trim().to_owned();
    assert_eq!(host.run(&["net-name", &uuid]).ok().stdout.trim(), "quay");
    // What is shown defines the same again.
    let again = host.file("again.xml", &xml);
    host.run(&["net-define", &again]).ok();
    assert_eq!(host.run(&["net-dumpxml", "quay"]).ok().stdout, xml);

    assert_eq!(
        host.run(&["net-destroy", "quay"]).ok().stdout,
        "Network quay destroyed\n\n"
    );
    assert_eq!(shell(&host, "ip -o link").lines().count(), 1, "nothing is left");
    host.run(&["net-destroy", "quay"]).refused(1, &["not active"]);
    host.run(&["net-undefine", "quay"]).ok();
    assert_eq!(row(&["--all"]), None);
    host.run(&["net-start", "quay"]).refused(1, &["no network quay"]);
    host.nothing_is_left();
}

#[test]
fn containers_are_given_addresses_and_leave_with_the_hosts() {
    need_root!();
    let host = Host::new();
    let mut outside = Outside::new(&host);
    outside.serve_peer_address(8000);
    host.run(&[
        "net-define",
        &document(
            &host,
            "quay",
            &format!("<forward mode='nat'/><bridge stp='off'/><mtu size='1400'/>{SUBNET}"),
        ),
    ])
    .ok();
    // Nobody has to start it: it is there as long as it is used.
    let first = begin(&host, "first", &on("quay", ""));
    let own = begin(&host, "own", &on("quay", "<mac address='52:54:00:aa:bb:cc'/>"));
    let addresses = |name: &str| {
        inside(&host, name, "ip -o -4 addr show eth0; ip route; ip link show eth0")
            .ok()
            .stdout
    };
    let said = addresses(&first);
    assert!(
        said.contains("inet 192.168.150.1") && said.contains("mtu 1400"),
        "{said}"
    );
    let last: u8 = said
        .split("inet 192.168.150.")
        .nth(1)
        .and_then(|s| s.split('/').next())
        .unwrap()
        .parse()
        .unwrap();
    assert!((100..=200).contains(&last), "{said}");
    assert!(said.contains("default via 192.168.150.1"), "{said}");
    assert!(addresses(&own).contains("192.168.150.9/24"));
    let leases = host.run(&["net-dhcp-leases", "quay"]).ok().stdout;
    assert!(
        leases.contains("192.168.150.9/24") && leases.contains(&format!("192.168.150.{last}/24")),
        "{leases}"
    );
    let said = inside(&host, &first, &format!("nc -w 5 {OUTSIDE_V4} 8000 < /dev/null"));
    assert!(said.stdout.contains(HOST_V4), "the host's address: {said}");
    let links = host.run(&["domiflist", &first]).ok().stdout;
    assert!(links.contains("quay"), "{links}");
    // It is not ended under them, nor changed.
    host.run(&["net-destroy", "quay"]).refused(1, &[&first, &own]);
    let other = document(
        &host,
        "quay",
        "<forward mode='nat'/><ip address='192.168.151.1' prefix='24'/>",
    );
    host.run(&["net-define", &other]).refused(1, &[&first]);
    for name in [&first, &own] {
        host.run(&["destroy", name]).ok();
    }
    assert!(
        !shell(&host, "ip -o link").contains("lzr"),
        "it goes with the last that used it"
    );
    host.run(&["net-undefine", "quay"]).ok();
    drop(outside);
    host.nothing_is_left();
}

#[test]
fn an_isolated_network_leads_nowhere_and_a_routed_one_with_its_own_addresses() {
    need_root!();
    let host = Host::new();
    let mut outside = Outside::new(&host);
    outside.serve_peer_address(8000);
    outside
        .run("ip", &["route", "add", "192.168.0.0/16", "via", HOST_V4])
        .ok();
    shell(&host, "sysctl -qw net.ipv4.ip_forward=1");
    host.run(&["net-create", &document(&host, "shut", SUBNET)]).ok();
    let routed = "<forward mode='route'/><bridge stp='off'/><ip address='192.168.160.1' prefix='24'><dhcp><range start='192.168.160.2' end='192.168.160.99'/></dhcp></ip>";
    host.run(&["net-create", &document(&host, "led", routed)]).ok();
    let shut = begin(&host, "shut", &on("shut", ""));
    let said = inside(&host, &shut, "ip route").ok().stdout;
    assert!(!said.contains("default"), "{said}");
    let try_it = format!("ip route add {OUTSIDE_V4} via 192.168.150.1; nc -w 2 {OUTSIDE_V4} 8000 < /dev/null");
    let said = inside(&host, &shut, &try_it);
    assert!(
        !said.stdout.contains("192."),
        "forwarding is on, and nothing goes through: {said}"
    );
    let led = begin(&host, "led", &on("led", ""));
    let said = inside(&host, &led, &format!("nc -w 5 {OUTSIDE_V4} 8000 < /dev/null"));
    assert!(said.stdout.contains("192.168.160."), "its own address: {said}");
    for name in [&shut, &led] {
        host.run(&["destroy", name]).ok();
    }
    // What was created and is not kept is gone with its end.
    for network in ["shut", "led"] {
        host.run(&["net-destroy", network]).ok();
        host.run(&["net-info", network]).refused(1, &[network]);
    }
    assert!(!shell(&host, "ip -o link").contains("lzr"));
    drop(outside);
    host.nothing_is_left();
}

#[test]
fn a_network_without_forwarding_asks_for_none() {
    need_root!();
    let host = Host::new();
    host.policy("forwarding no");
    host.run(&["net-define", &document(&host, "shut", SUBNET)]).ok();
    let said = host.once(&["--network", "shut"], &["true"]).ok();
    assert_eq!(said.stderr, "");
    assert_eq!(shell(&host, "cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    host.run(&[
        "net-define",
        &document(
            &host,
            "open",
            "<forward mode='open'/><ip address='192.168.170.1' prefix='24'/>",
        ),
    ])
    .ok();
    host.once(&["--network", "open"], &["true"]).refused(125, &["forward"]);
    for network in ["open", "shut"] {
        host.run(&["net-undefine", network]).ok();
    }
    host.nothing_is_left();
}

#[test]
fn what_is_killed_leaves_a_network_that_can_be_ended() {
    need_root!();
    let host = Host::new();
    host.run(&["net-create", &document(&host, "quay", SUBNET)]).ok();
    let bridge = bridge(&host, "quay");
    let name = begin(&host, "victim", &on("quay", ""));
    let pids = host.run(&["privileges", &name, "--json"]).ok().json().to_string();
    assert!(pids.contains("supervisor"), "{pids}");
    let supervisor = host.pid_1(&name).expect("it runs");
    shell(&host, &format!("kill -9 {supervisor}"));
    assert!(capture::until(capture::DEADLINE, || !host.runs(&name)));
    host.run(&["list"]).ok();
    shell(&host, &format!("ip link show {bridge}"));
    assert!(!shell(&host, "ip -o link").contains("lzv"));
    host.run(&["net-destroy", "quay"]).ok();
    assert!(!shell(&host, "ip -o link").contains("lzr"));
    host.nothing_is_left();
}

#[test]
fn what_is_marked_is_started_with_the_host() {
    need_root!();
    let host = Host::new();
    host.run(&["net-define", &document(&host, "quay", SUBNET)]).ok();
    let bridge = bridge(&host, "quay");
    assert_eq!(
        host.run(&["net-autostart", "quay"]).ok().stdout,
        "Network quay marked as autostarted\n\n"
    );
    assert!(
        host.run(&["net-list", "--all", "--autostart", "--name"])
            .ok()
            .stdout
            .contains("quay\n")
    );
    host.run(&["autostart", "--boot"]).ok();
    shell(&host, &format!("ip link show {bridge}"));
    // Again, and nothing happens.
    host.run(&["autostart", "--boot"]).ok();
    host.run(&["net-destroy", "quay"]).ok();
    host.run(&["net-autostart", "quay", "--disable"]).ok();
    assert!(
        !host
            .run(&["net-list", "--all", "--autostart", "--name"])
            .ok()
            .stdout
            .contains("quay\n")
    );
    host.run(&["net-create", &document(&host, "passing", "")]).ok();
    host.run(&["net-autostart", "passing"]).refused(1, &["transient"]);
    host.run(&["net-destroy", "passing"]).ok();
    host.run(&["net-undefine", "quay"]).ok();
    host.nothing_is_left();
}

#[test]
fn the_default_network_can_be_another_one() {
    need_root!();
    let host = Host::new();
    let shown = host.run(&["net-dumpxml", "default"]).ok().stdout;
    host.run(&["net-undefine", "default"]).refused(1, &["built in"]);
    let changed = shown
        .replace("10.209.0.1", "192.168.180.1")
        .replace("255.255.0.0", "255.255.255.0")
        .replace("10.209.0.2", "192.168.180.2")
        .replace("10.209.255.254", "192.168.180.99");
    host.run(&["net-define", &host.file("default.xml", changed)]).ok();
    let said = host
        .once(&["--network", "default"], &["ip", "-o", "-4", "addr", "show", "eth0"])
        .ok();
    assert!(said.stdout.contains("192.168.180."), "{said}");
    host.run(&["net-undefine", "default"]).ok();
    assert_eq!(host.run(&["net-dumpxml", "default"]).ok().stdout, shown);
    let said = host
        .once(&["--network", "default"], &["ip", "-o", "-4", "addr", "show", "eth0"])
        .ok();
    assert!(said.stdout.contains("10.209."), "{said}");
    host.nothing_is_left();
}

#[test]
fn a_bridge_of_the_hosts_is_a_network_of_mode_bridge() {
    need_root!();
    let host = Host::new();
    host.run(&[
        "net-define",
        &document(&host, "wire", "<forward mode='bridge'/><bridge name='br0'/>"),
    ])
    .ok();
    host.run(&["net-start", "wire"]).refused(1, &["no bridge br0"]);
    shell(&host, "ip link add br0 type bridge; ip link set br0 up");
    host.run(&["net-start", "wire"]).ok();
    assert!(host.run(&["net-list", "--name"]).ok().stdout.contains("wire\n"));
    let devices = "<interface type='network'><source network='wire'/><ip address='10.77.0.2' family='ipv4' prefix='24'/>\
        <target dev='lztest0'/></interface>";
    let name = begin(&host, "member", devices);
    assert!(shell(&host, "ip link show lztest0").contains("master br0"));
    host.run(&["destroy", &name]).ok();
    host.run(&["net-destroy", "wire"]).ok();
    shell(&host, "ip link show br0 && ip link del br0");
    // The host's policy has the last word.
    host.policy("bridge none");
    shell(&host, "ip link add br0 type bridge");
    let file = host.domain_file(&host.name("member"), "exec sleep 1000", "", devices);
    host.run(&["create", &file]).refused(1, &["`bridge br0`"]);
    shell(&host, "ip link del br0");
    host.run(&["net-undefine", "wire"]).ok();
    host.nothing_is_left();
}

#[test]
fn what_is_wrong_is_refused_in_one_line_and_leaves_nothing() {
    need_root!();
    let host = Host::new();
    for (inside, words) in [
        ("<domain/>", "name"),
        ("<dns><forwarder/></dns>", "<forwarder>"),
        ("<forward mode='nat'/>", "<ip>"),
        ("<bridge stp='maybe'/>", "stp"),
        ("<bandwidth><inbound average='x'/></bandwidth>", "average"),
        ("<ip address='192.168.150.1' prefix='33'/>", "prefix"),
        ("<unheard-of/>", "<unheard-of>"),
    ] {
        host.run(&["net-define", &document(&host, "bad", inside)])
            .refused(1, &[words]);
        host.run(&["net-create", &document(&host, "bad", inside)])
            .refused(1, &[words]);
    }
    host.run(&["net-define", "/nowhere.xml"]).refused(1, &["/nowhere.xml"]);
    assert!(!host.run(&["net-list", "--all"]).ok().stdout.contains("bad"));
    // Addresses are judged by the host's policy where they would be made.
    let public = document(&host, "public", "<ip address='203.0.113.1' prefix='24'/>");
    host.run(&["net-create", &public])
        .refused(1, &["`network 203.0.113.1/24`"]);
    host.run(&["net-define", &public]).ok();
    host.once(&["--network", "public"], &["true"])
        .refused(125, &["`network 203.0.113.1/24`"]);
    host.policy("network none");
    host.run(&["net-create", &document(&host, "private", SUBNET)])
        .refused(1, &["`network 192.168.150.1/24`"]);
    host.policy("network 203.0.113.0/24");
    host.run(&["net-start", "public"]).ok();
    host.run(&["net-destroy", "public"]).ok();
    host.policy("");
    // Nothing is laid over what the host reaches otherwise, and no two have one name, uuid or bridge.
    shell(
        &host,
        "ip link add other0 type bridge; ip link set other0 up; ip addr add 192.168.150.77/24 dev other0",
    );
    host.run(&["net-create", &document(&host, "private", SUBNET)])
        .refused(1, &["192.168.150.0/24", "other0"]);
    shell(&host, "ip link del other0");
    host.run(&["net-define", &document(&host, "one", "<bridge name='lzr7'/>")])
        .ok();
    host.run(&["net-define", &document(&host, "two", "<bridge name='lzr7'/>")])
        .refused(1, &["lzr7"]);
    let uuid = host.run(&["net-uuid", "one"]).ok().stdout.trim().to_owned();
    host.run(&["net-define", &document(&host, "two", &format!("<uuid>{uuid}</uuid>"))])
        .refused(1, &["one"]);
    host.run(&["net-create", &document(&host, "one", "")])
        .refused(1, &["already exists"]);
    for verb in [
        "net-start",
        "net-destroy",
        "net-undefine",
        "net-autostart",
        "net-info",
        "net-dumpxml",
    ] {
        host.run(&[verb, "nowhere"]).refused(1, &["nowhere"]);
    }
    let name = host.name("vm");
    host.run(&[
        "create",
        &host.domain_file(&name, "exec sleep 1000", "", &on("nowhere", "")),
    ])
    .refused(1, &["nowhere"]);
    for network in ["one", "public"] {
        host.run(&["net-undefine", network]).ok();
    }
    host.nothing_is_left();
}

#[test]
fn two_that_are_created_at_once_have_a_bridge_each_and_a_note_that_outlived_its_bridge_says_nothing() {
    need_root!();
    let host = Host::new();
    let files: Vec<String> = (0..6u8)
        .map(|n| {
            let inside = format!("<ip address='192.168.{}.1' prefix='24'/>", 150u8.saturating_add(n));
            document(&host, &format!("net{n}"), &inside)
        })
        .collect();
    let started: Vec<_> = files
        .iter()
        .map(|file| {
            host.lazaret(&["net-create", file])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut one in started {
        assert!(one.wait().unwrap().success());
    }
    let links = shell(&host, "ip -o link");
    assert_eq!(links.matches(": lzr").count(), 6, "{links}");
    for n in 0..6u8 {
        host.run(&["net-destroy", &format!("net{n}")]).ok();
    }

    host.run(&["net-define", &document(&host, "quay", SUBNET)]).ok();
    host.run(&["net-start", "quay"]).ok();
    let bridge = bridge(&host, "quay");
    // A container may be called as anything of a network's.
    host.once(&["--name", "quay.network"], &["true"]).ok();
    shell(&host, &format!("ip link del {bridge}"));
    let other = SUBNET.replace("192.168.150", "192.168.151");
    host.run(&["net-define", &document(&host, "quay", &other)]).ok();
    host.run(&["net-start", "quay"]).ok();
    let address = shell(&host, &format!("ip -o -4 addr show dev {bridge}"));
    assert!(address.contains("192.168.151.1/24"), "{address}");
    host.run(&["net-destroy", "quay"]).ok();
    host.run(&["net-undefine", "quay"]).ok();
    host.nothing_is_left();
}

#[test]
fn a_bridge_of_others_is_left_alone_and_an_address_is_one_containers() {
    need_root!();
    let host = Host::new();
    host.run(&[
        "net-define",
        &document(&host, "quay", &format!("<bridge name='lzr7'/>{SUBNET}")),
    ])
    .ok();
    shell(&host, "ip link add lzr7 type bridge; ip addr add 192.0.2.1/24 dev lzr7");
    host.run(&["net-start", "quay"])
        .refused(1, &["lzr7", "somebody else made it"]);
    host.once(&["--network", "quay"], &["true"])
        .refused(125, &["lzr7", "somebody else made it"]);
    let left = shell(&host, "ip -o -4 addr show dev lzr7");
    assert!(left.contains("192.0.2.1/24") && !left.contains("192.168.150"), "{left}");
    shell(&host, "ip link del lzr7");
    // Nothing is noted of the start that was refused.
    assert!(!host.run(&["net-list", "--name"]).ok().stdout.contains("quay"));
    host.run(&["net-start", "quay"]).ok();
    let own = begin(&host, "own", &on("quay", "<mac address='52:54:00:aa:bb:cc'/>"));
    let taken = "<interface type='network'><source network='quay'/><ip address='192.168.150.9' family='ipv4' prefix='24'/></interface>";
    for devices in [taken, &on("quay", "<mac address='52:54:00:aa:bb:cc'/>")] {
        let file = host.domain_file(&host.name("other"), "exec sleep 1000", "", devices);
        host.run(&["create", &file])
            .refused(1, &["192.168.150.9", "another container has it"]);
    }
    host.run(&["destroy", &own]).ok();
    let next = begin(&host, "next", taken);
    host.run(&["destroy", &next]).ok();
    host.run(&["net-destroy", "quay"]).ok();
    host.run(&["net-undefine", "quay"]).ok();
    host.nothing_is_left();
}

#[test]
fn a_definition_is_edited() {
    need_root!();
    let host = Host::new();
    host.run(&["net-define", &document(&host, "quay", SUBNET)]).ok();
    let script = host.file("editor.sh", "sed -i s/192.168.150/192.168.151/g \"$1\"\n");
    let editor = format!("/bin/sh {script}");
    let said = capture::run(host.lazaret(&["net-edit", "quay"]).env("VISUAL", editor), b"").ok();
    assert_eq!(said.stdout, "Network quay XML configuration edited.\n\n");
    assert!(host.run(&["net-dumpxml", "quay"]).ok().stdout.contains("192.168.151.1"));
    host.run(&["net-undefine", "quay"]).ok();
    host.nothing_is_left();
}

#[test]
fn a_port_has_what_its_port_group_says_and_a_group_that_is_not_there_is_refused() {
    need_root!();
    let host = Host::new();
    let said = "<title>The quay</title><metadata><p:port xmlns:p='urn:port'/></metadata>";
    let groups = "<portgroup name='slow' default='yes'><bandwidth><inbound average='1000'/></bandwidth></portgroup>\
        <portgroup name='fast'><bandwidth><inbound average='2000'/></bandwidth></portgroup><portgroup name='free'/>";
    let file = document(&host, "quay", &format!("{said}{SUBNET}{groups}"));
    host.run(&["net-define", &file]).ok();
    let shown = host.run(&["net-dumpxml", "quay"]).ok().stdout;
    for part in [
        "  <title>The quay</title>\n  <metadata>\n    <p:port",
        "  <portgroup name='slow' default='yes'>\n    <bandwidth>\n      <inbound average='1000'/>\n",
        "  <portgroup name='free'>\n  </portgroup>\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    host.run(&["net-define", &host.file("again.xml", &shown)]).ok();
    assert_eq!(host.run(&["net-dumpxml", "quay"]).ok().stdout, shown);
    let on = |source: &str, more: &str| {
        format!("<interface type='network'><source network='quay'{source}/><target dev='lztest0'/>{more}</interface>")
    };
    let own = "<bandwidth><inbound average='500'/></bandwidth>";
    for (source, more, rate) in [
        ("", "", Some("rate 8Mbit")),
        (" portgroup='fast'", "", Some("rate 16Mbit")),
        (" portgroup='fast'", own, Some("rate 4Mbit")),
        (" portgroup='free'", "", None),
    ] {
        let name = begin(&host, "port", &on(source, more));
        let class = shell(&host, "tc class show dev lztest0");
        match rate {
            Some(rate) => assert!(class.contains(rate), "{source} {more}: {class}"),
            None => assert_eq!(class, "", "{source}"),
        }
        host.run(&["destroy", &name]).ok();
    }
    let name = host.name("none");
    let file = host.domain_file(&name, "exec sleep 1000", "", &on(" portgroup='none'", ""));
    host.run(&["create", &file])
        .refused(1, &["the network quay has no <portgroup> called none"]);
    for (inside, why) in [
        ("<portgroup/>", "has no attribute name"),
        (
            "<portgroup name='a'/><portgroup name='a'/>",
            "a second <portgroup> is called",
        ),
        (
            "<portgroup name='a'><virtualport/></portgroup>",
            "has no attribute type",
        ),
    ] {
        let file = document(&host, "bad", &format!("{SUBNET}{inside}"));
        host.run(&["net-define", &file]).refused(1, &["bad.xml:", why]);
    }
    host.run(&["net-undefine", "quay"]).ok();
    host.nothing_is_left();
}

#[test]
fn what_is_kept_without_effect_is_shown_and_told_and_what_it_would_be_another_network_without_stops_its_start() {
    need_root!();
    let host = Host::new();
    for (inside, shown, words) in [
        (
            "<domain name='a' localOnly='yes'/>",
            "  <domain name='a' localOnly='yes'/>\n",
            "localOnly",
        ),
        (
            "<dns><txt name='a' value='b'/></dns>",
            "    <txt name='a' value='b'/>\n",
            "<txt>",
        ),
        (
            "<bandwidth><inbound average='1'/></bandwidth>",
            "    <inbound average='1'/>\n",
            "<bandwidth>",
        ),
        (
            "<bridge name='virbr7'/>",
            "  <bridge name='virbr7' stp='on' delay='0'/>\n",
            "virbr7",
        ),
        ("<bridge zone='public'/>", " zone='public' ", "zone"),
        (
            "<forward mode='hostdev'><pf dev='eth9'/></forward>",
            "  <forward mode='hostdev' managed='no'>\n    <pf dev='eth9'/>\n",
            "functions",
        ),
        (
            "<virtualport type='openvswitch'/>",
            "  <virtualport type='openvswitch'/>\n",
            "<virtualport>",
        ),
    ] {
        let file = document(&host, "quay", inside);
        let said = host.run(&["net-define", &file]).ok();
        assert!(
            said.stderr.contains("does not start") && said.stderr.contains(words),
            "{inside}: {said}"
        );
        let text = host.run(&["net-dumpxml", "quay"]).ok().stdout;
        assert!(text.contains(shown), "{inside}: {text}");
        host.run(&["net-start", "quay"]).refused(1, &[words]);
        host.once(&["--network", "quay"], &["true"]).refused(125, &[words]);
        host.run(&["net-undefine", "quay"]).ok();
        host.run(&["net-create", &file]).refused(1, &[words]);
    }
    assert_eq!(shell(&host, "ip -o link").lines().count(), 1, "nothing was made");
    let idle = "<bridge stp='off'/><ip address='192.168.150.1' prefix='24'><tftp root='/t'/></ip>";
    let said = host.run(&["net-define", &document(&host, "quay", idle)]).ok();
    assert_eq!(said.stderr.lines().count(), 1, "{said}");
    assert!(said.stderr.contains("<tftp>"), "{said}");
    host.run(&["net-start", "quay"]).ok();
    host.run(&["net-destroy", "quay"]).ok();
    host.run(&["net-undefine", "quay"]).ok();
    host.nothing_is_left();
}

#[test]
fn a_network_has_several_addresses_of_a_family_a_domain_and_names_for_others_and_its_bridge_is_as_said() {
    need_root!();
    let host = Host::new();
    let inside = "<bridge stp='on' delay='3'/><mac address='52:54:00:0a:0b:0c'/><domain name='quay.example'/>\
        <dns><host ip='192.168.150.77'><hostname>db</hostname><hostname>db.quay</hostname></host></dns>\
        <ip address='192.168.160.1' prefix='24'/><ip address='192.168.150.1' prefix='24'><dhcp><range start='192.168.150.2' end='192.168.150.99'/></dhcp></ip>\
        <ip family='ipv6' address='fd00:5::1' prefix='64'/><ip family='ipv6' address='fd00:6::1' prefix='64'/>";
    host.run(&[
        "net-create",
        &document(&host, "quay", &format!("<forward mode='open'/>{inside}")),
    ])
    .ok();
    let bridge = bridge(&host, "quay");
    let addresses = shell(&host, &format!("ip -o addr show dev {bridge}"));
    for address in ["192.168.160.1/24", "192.168.150.1/24", "fd00:5::1/64", "fd00:6::1/64"] {
        assert!(addresses.contains(address), "{address}: {addresses}");
    }
    let link = shell(&host, &format!("ip -d link show {bridge}"));
    for part in ["52:54:00:0a:0b:0c", "stp_state 1", "forward_delay 300"] {
        assert!(link.contains(part), "{part}: {link}");
    }
    let script = "cat /etc/hosts /etc/resolv.conf; ip -o -4 addr show eth0; ip route";
    let said = host
        .once(&["--network", "quay", "--name", "web"], &["sh", "-c", script])
        .ok()
        .stdout;
    for part in [
        "192.168.150.77\tdb db.quay\n",
        "\tweb.quay.example web\n",
        "inet 192.168.150.",
        "default via 192.168.150.1 ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    host.run(&["net-destroy", "quay"]).ok();
    // What says nothing of it has a hardware address that stays, and a bridge that looks for loops, as libvirt has it.
    host.run(&["net-define", &document(&host, "quay", SUBNET)]).ok();
    let text = host.run(&["net-dumpxml", "quay"]).ok().stdout;
    let mac = text
        .split("<mac address='")
        .nth(1)
        .and_then(|m| m.split('\'').next())
        .unwrap();
    host.run(&["net-start", "quay"]).ok();
    let link = shell(&host, &format!("ip -d link show {bridge}"));
    assert!(
        link.contains(mac) && link.contains("stp_state 1") && link.contains("forward_delay 200"),
        "{link}"
    );
    host.run(&["net-define", &document(&host, "quay", SUBNET)]).ok();
    assert!(
        host.run(&["net-dumpxml", "quay", "--inactive"])
            .ok()
            .stdout
            .contains(mac)
    );
    let name = begin(&host, "one", &on("quay", ""));
    assert!(
        host.run(&["net-dumpxml", "quay"])
            .ok()
            .stdout
            .starts_with("<network connections='1'>\n")
    );
    assert!(
        host.run(&["net-dumpxml", "quay", "--inactive"])
            .ok()
            .stdout
            .starts_with("<network>\n")
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["net-destroy", "quay"]).ok();
    host.run(&["net-undefine", "quay"]).ok();
    host.nothing_is_left();
}

#[test]
fn a_kept_network_that_is_refused_stops_no_other_and_can_be_removed() {
    need_root!();
    let host = Host::new();
    host.run(&["net-define", &document(&host, "quay", SUBNET)]).ok();
    let networks = host.config_directory().join("networks");
    for name in ["old", "default"] {
        let text =
            format!("<network><name>{name}</name><bandwidth><inbound average='1' floor='1'/></bandwidth></network>");
        std::fs::write(networks.join(format!("{name}.xml")), text).unwrap();
    }
    let said = host.once(&["--network", "quay"], &["true"]).ok();
    assert!(
        said.stderr.contains("the network old") && said.stderr.contains("floor"),
        "{said}"
    );
    let list = host.run(&["net-list", "--all", "--name"]).ok().stdout;
    assert!(list.contains("quay\n") && !list.contains("old"), "{list}");
    // What is built in does not stand in for another one that was to be in its place.
    let refused = host.once(&["--network", "default"], &["true"]);
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.stderr.contains("there is no network default"), "{refused}");
    for name in ["old", "default"] {
        host.run(&["net-undefine", name]).ok();
    }
    for name in ["old", "default"] {
        host.run(&["net-undefine", name]).refused(1, &[name]);
    }
    assert_eq!(host.run(&["net-list", "--all"]).ok().stderr, "");
    // One that was kept without stp is not changed by what says nothing of it, whoever is on it.
    let text = host.run(&["net-dumpxml", "quay"]).ok().stdout;
    assert!(text.contains("stp='on'"), "{text}");
    std::fs::write(networks.join("quay.xml"), text.replace("stp='on'", "stp='off'")).unwrap();
    let name = begin(&host, "one", &on("quay", ""));
    host.run(&["net-define", &document(&host, "quay", SUBNET)]).ok();
    host.run(&["destroy", &name]).ok();
    host.run(&["net-undefine", "quay"]).ok();
    // Whoever starts one that is not kept is told what has no effect.
    let idle = "<bridge stp='off'/><ip address='192.168.150.1' prefix='24'><tftp root='/t'/></ip>";
    let said = host.run(&["net-create", &document(&host, "passing", idle)]).ok();
    assert!(said.stderr.contains("warning: <tftp>"), "{said}");
    host.run(&["net-destroy", "passing"]).ok();
    host.nothing_is_left();
}

#[test]
fn a_network_on_a_link_of_the_hosts_gives_each_container_a_macvlan_there() {
    need_root!();
    let host = Host::new();
    host.policy("direct out0");
    let file = document(&host, "wire", "<forward mode='private' dev='out0'/>");
    host.run(&["net-define", &file]).ok();
    host.run(&["net-start", "wire"]).refused(1, &["no link out0"]);
    shell(&host, "ip link add out0 type veth peer name out1; ip link set out0 up");
    host.run(&["net-start", "wire"]).ok();
    let info = host.run(&["net-info", "wire"]).ok().stdout;
    assert!(!info.contains("Bridge:"), "{info}");
    let name = begin(&host, "member", &on("wire", "<mac address='52:54:00:aa:bb:cc'/>"));
    let net = format!("--net=/proc/{}/ns/net", host.pid_1(&name).expect("it runs"));
    let link = host
        .inside("nsenter", &[&net, "--", "ip", "-d", "link", "show", "eth0"])
        .ok()
        .stdout;
    assert!(
        link.contains("macvlan mode private") && link.contains("52:54:00:aa:bb:cc"),
        "{link}"
    );
    // Who is on it is told, and of a bridge there is none.
    let list = host.run(&["net-list", "--json"]).ok().json();
    let wire = list.as_array().unwrap().iter().find(|n| n["name"] == "wire").unwrap();
    assert_eq!(
        (&wire["bridge"], &wire["containers"]),
        (&serde_json::Value::Null, &serde_json::json!([name])),
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["net-destroy", "wire"]).ok();
    // The host's policy has the last word.
    host.policy("");
    let file = host.domain_file(&host.name("member"), "exec sleep 1000", "", &on("wire", ""));
    host.run(&["create", &file]).refused(1, &["out0"]);
    shell(&host, "ip link del out0");
    host.run(&["net-undefine", "wire"]).ok();
    host.nothing_is_left();
}
