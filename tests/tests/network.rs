//! The default network: containers reach each other, and what lies beyond the host, with the host's own rules as they were.

use tests::outside::{HOST_V4, HOST_V6, OUTSIDE_V4, OUTSIDE_V6, Outside};
use tests::{Host, capture, need_root, skip};

fn detached(host: &Host, word: &str, options: &[&str], shell: &str) -> String {
    let name = host.name(word);
    let arguments = host.once_arguments(
        &[&["-d", "--name", name.as_str(), "--network", "default"], options].concat(),
        &["sh", "-c", shell],
    );
    host.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    name
}

fn inside(host: &Host, name: &str, shell: &str) -> capture::Outcome {
    host.run(&["enter", name, "--", "sh", "-c", shell])
}

fn address(host: &Host, name: &str, family: &str) -> String {
    let said = inside(host, name, &format!("ip -{family} addr show scope global"))
        .ok()
        .stdout;
    let word = if family == "4" { "inet " } else { "inet6 " };
    let line = said
        .lines()
        .find(|l| l.trim_start().starts_with(word))
        .unwrap_or_else(|| panic!("no IPv{family} address: {said}"));
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn the_inside_is_configured_without_a_client() {
    need_root!();
    let host = Host::new();
    let name = detached(&host, "net", &[], "exec sleep 1000");
    assert!(address(&host, &name, "4").starts_with("10.209."));
    assert!(address(&host, &name, "6").starts_with("fd6c:7a72:"));
    let routes = inside(&host, &name, "ip route; ip -6 route").ok().stdout;
    assert!(
        routes.contains("default via 10.209.0.1") && routes.contains("default via fd6c:7a72::1"),
        "{routes}"
    );
    let links = inside(&host, &name, "ip link").ok().stdout;
    assert_eq!(
        links.lines().filter(|l| l.contains("mtu")).count(),
        2,
        "lo and one more: {links}"
    );
}

#[test]
fn two_containers_reach_each_other() {
    need_root!();
    let host = Host::new();
    let server = detached(&host, "server", &[], "while :; do echo answer | nc -l -p 7000; done");
    let client = detached(&host, "client", &[], "exec sleep 1000");
    for family in ["4", "6"] {
        let at = address(&host, &server, family);
        let said = inside(
            &host,
            &client,
            &format!("for i in $(seq 100); do nc -w 5 {at} 7000 < /dev/null && break; sleep 0.3; done"),
        );
        assert!(said.stdout.contains("answer"), "IPv{family}: {said}");
    }
}

#[test]
fn a_server_beyond_the_host_is_reached_through_nat() {
    need_root!();
    let host = Host::new();
    let mut outside = Outside::new(&host);
    outside.serve_peer_address(8000);
    let name = detached(&host, "net", &[], "exec sleep 1000");
    for (to, from) in [(OUTSIDE_V4, HOST_V4), (OUTSIDE_V6, HOST_V6)] {
        let said = inside(&host, &name, &format!("nc -w 5 {to} 8000 < /dev/null"));
        assert!(said.stdout.contains(from), "{to} sees the host's address: {said}");
    }
}

#[test]
fn names_are_resolved_through_the_resolv_conf_inside() {
    need_root!();
    if !tests::skip::have("dnsmasq") {
        skip!("needs dnsmasq");
    }
    let host = Host::new();
    let mut outside = Outside::new(&host);
    let record = format!("--address=/a-name.test/{OUTSIDE_V4}");
    outside.serve(
        "dnsmasq",
        &[
            "--no-daemon",
            "--no-resolv",
            "--no-hosts",
            "--conf-file=/dev/null",
            "--user=root",
            "--bind-interfaces",
            "--listen-address",
            OUTSIDE_V4,
            &record,
        ],
        ":53 ",
    );
    outside.serve_peer_address(8000);
    // The host's own name server is the one outside; /etc is the test's own.
    host.inside(
        "sh",
        &[
            "-c",
            &format!("rm -f /etc/resolv.conf; echo nameserver {OUTSIDE_V4} > /etc/resolv.conf"),
        ],
    )
    .ok();
    let name = detached(&host, "net", &[], "exec sleep 1000");
    let conf = inside(&host, &name, "cat /etc/resolv.conf").ok().stdout;
    assert!(conf.contains(OUTSIDE_V4), "{conf}");
    let said = inside(&host, &name, "nslookup a-name.test");
    assert!(said.stdout.contains(OUTSIDE_V4), "{said}");
    let said = inside(&host, &name, "nc -w 5 a-name.test 8000 < /dev/null");
    assert!(said.stdout.contains(HOST_V4), "{said}");
}

#[test]
fn a_published_port_answers_on_the_outside() {
    need_root!();
    let host = Host::new();
    let outside = Outside::new(&host);
    let _server = detached(
        &host,
        "web",
        &["--publish", "8080:80"],
        "while :; do echo tcp answer | nc -l -p 80; done",
    );
    for at in [HOST_V4, HOST_V6] {
        let said = capture::until(capture::DEADLINE / 6, || {
            outside
                .run("nc", &["-N", "-w", "2", at, "8080"])
                .stdout
                .contains("tcp answer")
        });
        assert!(said, "{at} port 8080: {}", host.inside("nft", &["list", "ruleset"]));
    }
    // busybox has no UDP server: python, of the host's own root, shows what it hears in its log.
    let heard = host.name("udp");
    let program = "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('',53))\nprint('ready',flush=True)\nprint(s.recv(99),flush=True)";
    host.run(&[
        "run",
        "-d",
        "--name",
        &heard,
        "--publish",
        "5353:53/udp",
        "--",
        "/usr/bin/python3",
        "-c",
        program,
    ])
    .ok();
    let says = |word: &str| {
        capture::until(capture::DEADLINE / 6, || {
            host.run(&["logs", &heard]).stdout.contains(word)
        })
    };
    assert!(says("ready"));
    outside.run("sh", &["-c", &format!("echo question | nc -u -w 1 {HOST_V4} 5353")]);
    assert!(says("question"), "UDP is led inside");
    // And only what was published.
    assert!(!outside.run("nc", &["-w", "1", HOST_V4, "81"]).status.success());
}

#[test]
fn the_hosts_own_rules_are_untouched_and_a_containers_vanish_with_it() {
    need_root!();
    let host = Host::new();
    let rules =
        "table inet mine { chain c { type filter hook input priority 0; policy accept; tcp dport 1234 drop; }; }";
    host.inside("nft", &[rules]).ok();
    let list = || host.inside("nft", &["list", "table", "inet", "mine"]).ok().stdout;
    let before = (list(), host.inside("nft", &["list", "ruleset"]).ok().stdout);
    let name = detached(&host, "net", &["--publish", "8080:80"], "exec sleep 1000");
    assert_eq!(list(), before.0);
    assert!(host.inside("nft", &["list", "ruleset"]).ok().stdout.contains(&name));
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]);
    assert_eq!(host.inside("nft", &["list", "ruleset"]).ok().stdout, before.1);
    host.inside("nft", &["delete", "table", "inet", "mine"]).ok();
}

#[test]
fn forwarding_is_turned_on_only_for_nat_and_can_be_forbidden() {
    need_root!();
    let host = Host::new();
    let forward = || {
        host.inside("cat", &["/proc/sys/net/ipv4/ip_forward"])
            .ok()
            .stdout
            .trim()
            .to_owned()
    };
    assert_eq!(forward(), "0");
    host.once(&["--network", "none"], &["true"]).ok();
    assert_eq!(forward(), "0");
    host.policy("forwarding no");
    let said = host.once(&["--network", "default"], &["true"]);
    assert!(said.code() == 125 && said.stderr.contains("forward"), "{said}");
    assert_eq!(forward(), "0");
    host.policy("");
    let said = host.once(&["--network", "default"], &["true"]).ok();
    assert!(said.stderr.contains("forward"), "it is said: {said}");
    assert_eq!(forward(), "1");
}

#[test]
fn a_container_cannot_speak_with_anothers_address() {
    need_root!();
    let host = Host::new();
    let mut outside = Outside::new(&host);
    outside.serve_peer_address(8000);
    host.policy(&format!("capability net_admin {}", host.name("liar")));
    let name = detached(&host, "liar", &["--cap-add", "net_admin"], "exec sleep 1000");
    let script = format!(
        "ip addr add 10.209.77.77/16 dev eth0; ip route replace {OUTSIDE_V4} via 10.209.0.1 src 10.209.77.77; nc -w 2 {OUTSIDE_V4} 8000 < /dev/null"
    );
    let said = inside(&host, &name, &script);
    assert!(!said.stdout.contains(HOST_V4), "{said}");
}

#[test]
fn without_a_network_there_is_a_loopback_only() {
    need_root!();
    let host = Host::new();
    let said = host.once(&["--network", "none"], &["ip", "addr"]).ok().stdout;
    assert_eq!(said.lines().filter(|l| l.contains("mtu")).count(), 1, "{said}");
    assert!(said.contains("LOOPBACK,UP") && said.contains("127.0.0.1"), "{said}");
}

#[test]
fn the_hosts_network_is_the_hosts() {
    need_root!();
    let host = Host::new();
    host.inside("ip", &["link", "add", "marker0", "type", "bridge"]).ok();
    let said = host.once(&["--network", "host"], &["ls", "/sys/class/net"]);
    host.inside("ip", &["link", "del", "marker0"]).ok();
    assert!(said.stdout.contains("marker0"), "{said}");
}

#[test]
fn a_bridge_of_the_hosts_and_a_link_that_stands_alone_work() {
    need_root!();
    let host = Host::new();
    host.inside("ip", &["link", "add", "hostbr0", "type", "bridge"]).ok();
    host.inside("ip", &["addr", "add", "10.77.0.1/24", "dev", "hostbr0"])
        .ok();
    host.inside("ip", &["link", "set", "hostbr0", "up"]).ok();
    let name = host.name("vm");
    let devices = "<interface type='bridge'><mac address='00:16:3e:0f:ef:8a'/><source bridge='hostbr0'/><ip address='10.77.0.2' family='ipv4' prefix='24'/>\
        <route family='ipv4' address='0.0.0.0' gateway='10.77.0.1'/><target dev='lztest0'/><guest dev='wan0'/></interface>\
        <interface type='ethernet'><ip address='10.78.0.2' family='ipv4' prefix='24'/><guest dev='alone0'/></interface>";
    host.run(&["create", &host.domain_file(&name, "exec sleep 1000", "", devices)])
        .ok();
    let said = inside(&host, &name, "ip addr; ip route").ok().stdout;
    for word in [
        "wan0",
        "00:16:3e:0f:ef:8a",
        "10.77.0.2/24",
        "default via 10.77.0.1",
        "alone0",
        "10.78.0.2/24",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(
        host.inside("ip", &["link", "show", "lztest0"])
            .ok()
            .stdout
            .contains("master hostbr0")
    );
    host.inside("ping", &["-c", "1", "-W", "5", "10.77.0.2"]).ok();
    host.run(&["destroy", &name]).ok();
    assert!(
        host.inside("ip", &["link", "show", "hostbr0"]).status.success(),
        "a bridge of the host's stays"
    );
    host.inside("ip", &["link", "del", "hostbr0"]).ok();
    host.nothing_is_left();
}

#[test]
fn net_list_tells_of_the_default_network() {
    need_root!();
    let host = Host::new();
    // The bridge is there as long as somebody is on it.
    assert!(!host.run(&["net-list"]).ok().stdout.contains("default"));
    assert!(host.run(&["net-list", "--all"]).ok().stdout.contains(" default  "));
    let facts = host.run(&["net-list", "--json"]).ok().json();
    assert!(
        facts.to_string().contains("default") && facts.to_string().contains("10.209.0.1"),
        "{facts}"
    );
    let name = detached(&host, "member", &[], "exec sleep 1000");
    assert!(host.run(&["net-list"]).ok().stdout.contains("active"));
    let facts = host.run(&["net-list", "--json"]).ok().json();
    assert_eq!(facts[0]["containers"], serde_json::json!([name]));
    let info = host.run(&["net-info", "default"]).ok().stdout;
    for line in [
        "Name:           default\n",
        "Active:         yes\n",
        "Bridge:         lzr0\n",
    ] {
        assert!(info.contains(line), "{info}");
    }
    let uuid = host.run(&["net-uuid", "default"]).ok().stdout.trim().to_owned();
    assert_eq!(host.run(&["net-name", &uuid]).ok().stdout.trim(), "default");
    // What it says of itself is what the kernel has.
    let bridge = host.inside("ip", &["addr", "show", "lzr0"]).ok().stdout;
    assert!(
        bridge.contains("10.209.0.1/16") && bridge.contains("fd6c:7a72::1/64"),
        "{bridge}"
    );
    let xml = host.run(&["net-dumpxml", "default"]).ok().stdout;
    assert!(
        xml.contains("<ip address='10.209.0.1' netmask='255.255.0.0'>") && xml.contains(&uuid),
        "{xml}"
    );
    let leases = host.run(&["net-dhcp-leases", "default"]).ok().stdout;
    let link = inside(&host, &name, "cat /sys/class/net/eth0/address").ok().stdout;
    for word in [link.trim(), &address(&host, &name, "4"), &address(&host, &name, "6")] {
        assert!(leases.contains(word), "{word} is not in {leases}");
    }
    let none = host
        .run(&["net-dhcp-leases", "default", "02:00:00:00:00:01"])
        .ok()
        .stdout;
    assert!(!none.contains("ipv4"), "{none}");
    host.run(&["net-info", "other"]).refused(1, &["other", "default"]);
    host.run(&["net-dhcp-leases", "default", "xx"]).refused(1, &["xx"]);
}

/// Starts a container on a link that one before it may have to itself still: the kernel takes that away some time after its end.
fn once_alone(host: &Host, name: &str, interface: &str) {
    let file = host.domain_file(name, "exec sleep 1000", "", interface);
    let started = capture::until(std::time::Duration::from_secs(20), || {
        let said = host.run(&["create", &file]);
        // One that has it to itself, or a hardware address on it.
        let still_there = ["to itself", "address already in use"];
        assert!(
            said.code() == 0 || still_there.iter().any(|why| said.stderr.contains(why)),
            "{said}"
        );
        said.code() == 0
    });
    assert!(started, "what has ended long since is there still");
}

#[test]
fn a_link_on_one_of_the_hosts_is_made_with_the_hosts_consent_and_goes_with_the_container() {
    need_root!();
    let host = Host::new();
    host.inside(
        "ip",
        &["link", "add", "name", "wire0", "type", "veth", "peer", "name", "wire1"],
    )
    .ok();
    host.inside(
        "sh",
        &[
            "-c",
            "ip link set wire0 up; ip link set wire1 up; ip addr add 10.79.0.1/24 dev wire1",
        ],
    )
    .ok();
    let name = host.name("vm");
    let interface = |mode: &str| {
        format!(
            "<interface type='direct'><mac address='00:16:3e:0f:ef:8b'/><source dev='wire0' mode='{mode}'/>\
             <ip address='10.79.0.2' family='ipv4' prefix='24'/><guest dev='lan0'/><mtu size='1400'/></interface>"
        )
    };
    let file = host.domain_file(&name, "exec sleep 1000", "", &interface("bridge"));
    host.run(&["create", &file]).refused(1, &["wire0", "direct wire0"]);
    host.policy("direct wire0");
    host.run(&["create", &file]).ok();
    let said = inside(&host, &name, "ip link show lan0; ip addr show lan0").ok().stdout;
    for word in ["mtu 1400", "00:16:3e:0f:ef:8b", "10.79.0.2/24", "UP"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    // The wire's other end is beyond the host as the container sees it.
    host.inside("ping", &["-c", "1", "-W", "5", "10.79.0.2"]).ok();
    let links = host.inside("ip", &["-d", "link"]).ok().stdout;
    assert!(!links.contains("macvlan"), "{links}");
    host.run(&["destroy", &name]).ok();
    host.inside("ip", &["link", "show", "wire0"]).ok();
    for mode in ["vepa", "private", "passthrough"] {
        if mode == "passthrough" {
            let file = host.domain_file(&name, "exec sleep 1000", "", &interface(mode));
            host.run(&["create", &file])
                .refused(1, &["to itself", "direct wire0 passthrough"]);
            host.policy("direct wire0 passthrough");
        }
        once_alone(&host, &name, &interface(mode));
        let pid = host.pid_1(&name).expect("it runs").to_string();
        let said = host
            .inside("nsenter", &["-t", &pid, "-n", "ip", "-d", "link", "show", "lan0"])
            .ok()
            .stdout;
        let kernels = if mode == "passthrough" { "passthru" } else { mode };
        assert!(said.contains(&format!("mode {kernels}")), "{said}");
        if mode == "passthrough" {
            // Nobody else is let onto it.
            let other = host.name("other");
            let file = host.domain_file(
                &other,
                "exec sleep 1000",
                "",
                &interface("bridge").replace("0f:ef:8b", "0f:ef:8c"),
            );
            host.run(&["create", &file]).refused(1, &["to itself"]);
        }
        host.run(&["destroy", &name]).ok();
    }
    // A link of the host's that is called as one inside is to be stays what it is.
    host.policy("direct wire0");
    host.inside(
        "ip",
        &[
            "link",
            "add",
            "link",
            "wire1",
            "name",
            "lan0",
            "address",
            "00:16:3e:0f:ef:8b",
            "type",
            "macvlan",
        ],
    )
    .ok();
    once_alone(&host, &name, &interface("bridge"));
    host.inside("ip", &["link", "show", "lan0"]).ok();
    host.run(&["destroy", &name]).ok();
    host.inside("ip", &["link", "del", "lan0"]).ok();
    let missing = interface("bridge").replace("wire0", "wire9");
    host.policy("direct wire9");
    host.run(&["create", &host.domain_file(&name, "exec sleep 1000", "", &missing)])
        .refused(1, &["no link wire9"]);
    // One of Lazaret's own is nobody's to lie on, whatever the policy says.
    host.policy("direct lzr0");
    let own = interface("bridge").replace("wire0", "lzr0");
    host.run(&["create", &host.domain_file(&name, "exec sleep 1000", "", &own)])
        .refused(1, &["lzr0"]);
    host.inside("ip", &["link", "del", "wire0"]).ok();
}

#[test]
fn isolated_ports_do_not_reach_each_other_and_both_ends_have_the_mtu() {
    need_root!();
    let host = Host::new();
    host.inside(
        "sh",
        &[
            "-c",
            "ip link add hostbr0 type bridge; ip addr add 10.77.0.1/24 dev hostbr0; ip link set hostbr0 up",
        ],
    )
    .ok();
    let serve = "while :; do echo answer | nc -l -p 7000; done";
    let begin = |word: &str, number: u8, isolated: &str| {
        let name = host.name(word);
        let devices = format!(
            "<interface type='bridge'><source bridge='hostbr0'/>{isolated}<ip address='10.77.0.{number}' family='ipv4' prefix='24'/>\
             <target dev='lztest{number}'/><mtu size='1300'/></interface>"
        );
        host.run(&["create", &host.domain_file(&name, serve, "", &devices)])
            .ok();
        name
    };
    let alone = begin("alone", 2, "<port isolated='yes'/>");
    let apart = begin("apart", 3, "<port isolated='yes'/>");
    let open = begin("open", 4, "<port isolated='no'/>");
    // Whoever is reached answers; several tries, since its server may be between two answers.
    let asked = |from: &str, to: u8, tries: u8| {
        let ask =
            format!("for i in $(seq {tries}); do nc -w 2 10.77.0.{to} 7000 < /dev/null && break; sleep 0.2; done");
        inside(&host, from, &ask).stdout.contains("answer")
    };
    assert!(asked(&open, 2, 50) && asked(&open, 3, 50) && asked(&alone, 4, 50));
    assert!(!asked(&alone, 3, 3) && !asked(&apart, 2, 3));
    for number in ["2", "3", "4"] {
        host.inside("ping", &["-c", "1", "-W", "5", &format!("10.77.0.{number}")])
            .ok();
    }
    for said in [
        host.inside("ip", &["link", "show", "lztest2"]).ok().stdout,
        inside(&host, &alone, "ip link show eth0").ok().stdout,
    ] {
        assert!(said.contains("mtu 1300"), "{said}");
    }
    for name in [alone, apart, open] {
        host.run(&["destroy", &name]).ok();
    }
    host.inside("ip", &["link", "del", "hostbr0"]).ok();
}
