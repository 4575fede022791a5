//! The host's network stays as it was: what drops is told of, and nothing is laid over routes, ports and addresses that it has.

use std::process::{Child, Stdio};
use tests::outside::{HOST_V4, HOST_V6, OUTSIDE_V4, OUTSIDE_V6, Outside};
use tests::{Host, capture, need_root};

/// A start on the network `default`, which does what the shell says.
fn start(host: &Host, shell: &str) -> capture::Outcome {
    host.once(&["--network", "default"], &["sh", "-c", shell])
}

fn publishes(host: &Host, port: &str) -> capture::Outcome {
    host.once(&["--network", "default", "--publish", port], &["true"])
}

/// The chain of a table of that family which drops what is forwarded, and the family of addresses that it is shown with.
fn a_chain_that_drops(family: &str, table: &str, chain: &str, outside: &str) {
    let host = Host::new();
    let mut server = Outside::new(&host);
    server.serve_peer_address(8000);
    let reach = format!("nc -w 2 {outside} 8000 < /dev/null");
    let nft = |rules: &str| host.inside("nft", &[rules]).ok();
    nft(&format!(
        "table {family} {table} {{ chain {chain} {{ type filter hook forward priority 0; policy drop; }}; \
         chain other {{ type filter hook input priority 0; policy accept; }}; }}"
    ));
    let said = start(&host, &reach);
    assert!(said.stdout.is_empty(), "it drops: {said}");
    let line = said.stderr.lines().find(|l| l.contains("drops what is forwarded"));
    let line = line.unwrap_or_else(|| panic!("it is told: {said}"));
    assert!(
        line.contains(&format!("chain {chain} of the firewall table {family} {table} ")),
        "{line}"
    );
    let mend = line
        .split('`')
        .nth(1)
        .unwrap_or_else(|| panic!("with its mend: {line}"));
    // Half of the mend is none.
    let (half, rest) = mend.split_once(" && ").unwrap();
    host.inside("sh", &["-c", half]).ok();
    assert!(start(&host, "true").ok().stderr.contains("drops what is forwarded"));
    host.inside("sh", &["-c", rest]).ok();
    let said = start(&host, &reach).ok();
    assert!(!said.stdout.is_empty(), "what it says mends it: {said}");
    assert_eq!(said.stderr, "", "and then nothing is said");
    nft(&format!("delete table {family} {table}"));
}

#[test]
fn a_chain_that_drops_ipv4_is_told_of_with_what_mends_it() {
    need_root!();
    a_chain_that_drops("ip", "filter", "FORWARD", OUTSIDE_V4);
}

#[test]
fn a_chain_that_drops_ipv6_is_told_of_with_what_mends_it() {
    need_root!();
    a_chain_that_drops("ip6", "filter", "FORWARD", OUTSIDE_V6);
}

#[test]
fn a_chain_that_drops_both_is_told_of_with_what_mends_it() {
    need_root!();
    a_chain_that_drops("inet", "other", "through", OUTSIDE_V4);
}

#[test]
fn chains_that_drop_nothing_of_a_containers_are_not_told_of() {
    need_root!();
    let host = Host::new();
    host.inside(
        "sysctl",
        &["-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"],
    )
    .ok();
    let rules = "table ip filter { chain FORWARD { type filter hook forward priority 0; policy accept; }; \
        chain INPUT { type filter hook input priority 0; policy drop; iifname lzr0 accept; }; }; \
        table bridge b { chain FORWARD { type filter hook forward priority 0; policy accept; }; }";
    host.inside("nft", &[rules]).ok();
    assert_eq!(start(&host, "true").ok().stderr, "");
    // Without a network of ours nobody asks.
    host.inside("nft", &["table ip filter { chain FORWARD { policy drop; }; }"])
        .ok();
    assert_eq!(host.once(&["--network", "none"], &["true"]).ok().stderr, "");
    assert!(start(&host, "true").ok().stderr.contains("drops what is forwarded"));
    host.inside("nft", &["flush ruleset"]).ok();
}

fn link(host: &Host, address: &str) {
    host.inside("ip", &["link", "add", "other0", "type", "bridge"]).ok();
    host.inside("ip", &["link", "set", "other0", "up"]).ok();
    host.inside("ip", &["address", "add", address, "dev", "other0"]).ok();
}

#[test]
fn a_network_that_the_host_reaches_otherwise_is_not_laid_over() {
    need_root!();
    for (address, network, family) in [
        ("10.209.5.5/16", "10.209.0.0/16", "-4"),
        ("10.209.7.1/24", "10.209.7.0/24", "-4"),
        ("fd6c:7a72::5/64", "fd6c:7a72::/64", "-6"),
    ] {
        let host = Host::new();
        link(&host, address);
        let routes = || host.inside("ip", &[family, "route"]).ok().stdout;
        let before = routes();
        start(&host, "true").refused(125, &[network, "other0"]);
        assert_eq!(routes(), before);
        let links = host.inside("ip", &["link"]).ok().stdout;
        assert!(!links.contains("lzr0"), "{links}");
        let forwards = host.inside("cat", &["/proc/sys/net/ipv4/ip_forward"]).ok().stdout;
        assert_eq!(forwards, "0\n", "nothing was made");
        // A definition is judged as well, and so is what is only planned.
        let name = host.name("vm");
        let device = "<interface type='network'><source network='default'/></interface>";
        host.run(&["define", &host.domain_file(&name, "exec sleep 1000", "", device)])
            .ok();
        host.run(&["start", &name]).refused(1, &[network, "other0"]);
        host.run(&["plan", &name]).refused(1, &[network, "other0"]);
        start(&host, "true").refused(125, &["other0"]);
        host.once(&["--network", "none"], &["true"]).ok();
        host.inside("ip", &["link", "del", "other0"]).ok();
        host.run(&["plan", &name]).ok();
        host.run(&["start", &name]).ok();
        // The bridge's own route is no other's.
        start(&host, "true").ok();
    }
}

#[test]
fn a_network_beside_the_default_one_is_in_nobodys_way() {
    need_root!();
    let host = Host::new();
    link(&host, "10.210.0.1/16");
    host.inside("ip", &["route", "add", "default", "via", "10.210.0.2"])
        .ok();
    start(&host, "true").ok();
    host.inside("ip", &["link", "del", "other0"]).ok();
}

/// A program of the host's that serves a port.
struct Server(Child);

impl Server {
    fn new(host: &Host, kind: &str, address: &str, port: u16) -> Self {
        let program = "import socket,sys\nkind,address,port=sys.argv[1:]\nfamily=socket.AF_INET6 if ':' in address else socket.AF_INET\n\
            s=socket.socket(family,socket.SOCK_STREAM if kind=='tcp' else socket.SOCK_DGRAM)\ns.bind((address,int(port)))\n\
            if kind=='tcp': s.listen()\nsys.stdin.read()\n";
        let mut command = host.command("python3");
        command.args(["-c", program, kind, address, &port.to_string()]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let up = capture::until(capture::DEADLINE, || {
            host.inside("ss", &["-lntuH"]).stdout.contains(&format!(":{port} "))
        });
        assert!(up, "the server is up");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_that_the_host_serves_is_not_taken() {
    need_root!();
    let host = Host::new();
    let _outside = Outside::new(&host);
    let everywhere = ["8090:80".to_owned(), format!("{HOST_V4}:8090:80")];
    for (kind, address, port) in [
        ("tcp", "0.0.0.0", &everywhere[0]),
        ("tcp", "0.0.0.0", &everywhere[1]),
        ("tcp", "::", &everywhere[0]),
        ("tcp", "::", &format!("[{HOST_V6}]:8090:80")),
        ("tcp", HOST_V4, &everywhere[1]),
        ("tcp", HOST_V6, &everywhere[0]),
        ("udp", "0.0.0.0", &"8090:80/udp".to_owned()),
        ("udp", HOST_V6, &format!("[{HOST_V6}]:8090:80/udp")),
    ] {
        let server = Server::new(&host, kind, address, 8090);
        publishes(&host, port).refused(125, &["port 8090", "serves it already"]);
        host.once(&["--network", "default", "--publish", port, "--plan"], &["true"])
            .refused(125, &["port 8090"]);
        drop(server);
        publishes(&host, port).ok();
    }
}

#[test]
fn a_port_that_the_host_serves_elsewhere_is_free() {
    need_root!();
    let host = Host::new();
    let _outside = Outside::new(&host);
    for (kind, address, port) in [
        ("tcp", "127.0.0.1", "8090:80"),
        ("tcp", "::1", "8090:80"),
        ("tcp", "0.0.0.0", "8090:80/udp"),
        ("udp", "0.0.0.0", "8090:80"),
        ("tcp", "0.0.0.0", "8091:80"),
        ("tcp", HOST_V6, &format!("{HOST_V4}:8090:80")),
    ] {
        let _server = Server::new(&host, kind, address, 8090);
        publishes(&host, port).ok();
    }
}

#[test]
fn a_port_is_published_on_addresses_that_the_host_has() {
    need_root!();
    let host = Host::new();
    let _outside = Outside::new(&host);
    for (bad, address) in [
        ("192.0.2.77:8090:80", "192.0.2.77"),
        ("[2001:db8::77]:8090:80", "2001:db8::77"),
    ] {
        publishes(&host, bad).refused(125, &["port 8090", address, "no address of this host"]);
    }
    for good in [format!("{HOST_V4}:8090:80"), format!("[{HOST_V6}]:8090:80")] {
        publishes(&host, &good).ok();
    }
}

#[test]
fn a_plan_needs_the_bridge_that_it_names() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let device = "<interface type='bridge'><source bridge='other0'/></interface>";
    host.run(&["define", &host.domain_file(&name, "exec sleep 1000", "", device)])
        .ok();
    host.run(&["plan", &name]).refused(1, &["no bridge other0"]);
    link(&host, "10.77.0.1/24");
    host.run(&["plan", &name]).ok();
    host.run(&["start", &name]).ok();
    host.run(&["destroy", &name]).ok();
    host.inside("ip", &["link", "del", "other0"]).ok();
}
