//! Interfaces on networks of Lazaret's that come to a container while it runs, and go: with the address, the rules and the bridge that they would have
//! had at its start. The kernel is asked, not `lazaret`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::capture::{DEADLINE, until};
use tests::skip::have;
use tests::{Host, Outcome, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";
const MAC: &str = "52:54:00:00:00:71";

fn sh(host: &Host, line: &str) -> String {
    host.inside("sh", &["-c", line]).ok().stdout
}

/// What a command sees in the container's network.
fn within(host: &Host, name: &str, line: &str) -> Outcome {
    let pid = host.pid_1(name).expect("it runs").to_string();
    host.inside("nsenter", &["-t", &pid, "-n", "sh", "-c", line])
}

/// The links of the host and of the container, and the host's firewall tables.
fn look(host: &Host, name: &str) -> [String; 3] {
    const NAMES: &str = "ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort | tr '\\n' ' '";
    [
        sh(host, NAMES),
        within(host, name, NAMES).ok().stdout,
        sh(host, "nft list tables"),
    ]
}

fn started(host: &Host, word: &str, devices: &str) -> String {
    let name = host.name(word);
    host.run(&["define", &host.domain_file(&name, STAY, "", devices)]).ok();
    host.run(&["start", &name]).ok();
    name
}

fn kill_all_of(host: &Host, name: &str) {
    let processes = host.run(&["privileges", name, "--json"]).ok().json();
    let pids = processes.as_array().unwrap().iter();
    for pid in pids.filter_map(|p| p["pid"].as_i64()?.try_into().ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

#[test]
fn an_interface_on_the_default_network_comes_with_address_and_rules_and_goes_with_them() {
    need_root!();
    if !(have("ping") && have("nft")) {
        skip!("needs ping and nft");
    }
    let host = Host::new();
    let name = started(&host, "live", "");
    let before = look(&host, &name);
    let kept = host.run(&["dumpxml", &name, "--inactive"]).ok().stdout;
    let attach = |more: &[&str]| {
        let words = ["attach-interface", &name, "network", "default", "--live", "--mac", MAC];
        host.run(&[&words, more].concat())
    };
    assert_eq!(attach(&[]).ok().stdout, "Interface attached successfully\n\n");
    let inside = within(&host, &name, "ip -o link show eth0; ip -o addr show eth0; ip route")
        .ok()
        .stdout;
    for word in [MAC, ",UP", "inet 10.209.", "default via 10.209.0.1 dev eth0"] {
        assert!(inside.contains(word), "{word}: {inside}");
    }
    let outside = sh(&host, "ip -o link show type veth; ip -o addr show lzr0");
    assert!(
        outside.contains("master lzr0") && outside.contains(",UP") && outside.contains("10.209.0.1/16"),
        "{outside}"
    );
    within(&host, &name, "ping -c 1 -W 5 10.209.0.1").ok();
    // Nobody of ours but its supervisor is there any more, and the rules are: it reaches nobody under another address.
    let tables = sh(&host, "nft list tables");
    assert_eq!(tables.matches(&format!("lazaret-{name}")).count(), 2, "{tables}");
    within(&host, &name, "ip addr add 10.209.77.77/16 dev eth0").ok();
    let forged = within(&host, &name, "ping -c 1 -W 1 -I 10.209.77.77 10.209.0.1");
    assert!(!forged.status.success(), "{forged}");
    let listed = host.run(&["domiflist", &name]).ok().stdout;
    assert!(listed.contains("network   default") && listed.contains(MAC), "{listed}");
    let lease = host.run(&["net-dhcp-leases", "default"]).ok().stdout;
    assert!(lease.contains(MAC) && lease.contains("10.209."), "{lease}");
    assert_eq!(host.run(&["dumpxml", &name, "--inactive"]).ok().stdout, kept);
    assert!(host.run(&["dumpxml", &name]).ok().stdout.contains("network='default'"));

    let during = look(&host, &name);
    host.run(&["attach-interface", &name, "network", "default", "--live"])
        .refused(1, &[&name, "a container has at most one there"]);
    assert_eq!(look(&host, &name), during);

    // What its root makes of it keeps it from nobody; then another can come, under the same address.
    within(&host, &name, "ip link set eth0 down && ip link set eth0 name other").ok();
    let detach = || host.run(&["detach-interface", &name, "network", "--mac", MAC, "--live"]);
    assert_eq!(detach().ok().stdout, "Interface detached successfully\n\n");
    assert_eq!(look(&host, &name), before);
    detach().refused(1, &["mac"]);
    attach(&["--config"]).ok();
    within(&host, &name, "ping -c 1 -W 5 10.209.0.1").ok();
    assert!(host.run(&["dumpxml", &name, "--inactive"]).ok().stdout.contains(MAC));
    let told = host.run(&["audit", "log", "--virt"]).ok().stdout;
    for record in [
        format!("old-net=? new-net=\"{MAC}\""),
        format!("old-net=\"{MAC}\" new-net=?"),
    ] {
        assert!(told.contains(&record), "{record}: {told}");
    }

    // What came lately ends with the container, whoever is killed.
    kill_all_of(&host, &name);
    let gone = || !sh(&host, "ip -o link; nft list tables").contains("lazaret-");
    assert!(until(DEADLINE, gone));
    host.run(&["list"]).ok();
    let [outside, ..] = &before;
    assert_eq!(
        sh(
            &host,
            "ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort | tr '\\n' ' '"
        ),
        *outside
    );
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn one_that_came_with_the_start_goes_and_comes_again_under_the_address_that_its_network_keeps_for_it() {
    need_root!();
    if !have("nft") {
        skip!("needs nft");
    }
    let host = Host::new();
    let network = "<network><name>quay</name><forward mode='nat'/><bridge stp='off'/><ip address='192.168.150.1' netmask='255.255.255.0'><dhcp>\
        <range start='192.168.150.100' end='192.168.150.200'/><host mac='52:54:00:00:00:71' ip='192.168.150.9'/></dhcp></ip></network>";
    host.run(&["net-define", &host.file("quay.xml", network)]).ok();
    let on = |more: &str| format!("<interface type='network'><source network='quay'/>{more}</interface>");
    let with_mac = on(&format!("<mac address='{MAC}'/>"));
    let name = started(&host, "first", &with_mac);
    let address = || {
        within(&host, &name, "ip -o -4 addr show eth0 2>/dev/null || true")
            .ok()
            .stdout
    };
    assert!(address().contains("192.168.150.9/24"));
    host.run(&["detach-interface", &name, "network", "--live"]).ok();
    let [outside, inside, tables] = look(&host, &name);
    assert_eq!((inside.trim(), tables.contains("lazaret-")), ("lo", false));
    assert!(!outside.contains("lzr") && !outside.contains("lzv"), "{outside}");
    assert!(
        !host
            .run(&["net-dhcp-leases", "quay"])
            .ok()
            .stdout
            .contains("192.168.150.9")
    );

    // Its address is somebody else's meanwhile, who keeps it from coming back; and nothing is left of the try.
    let taking = on("<mac address='52:54:00:00:00:99'/><ip address='192.168.150.9' family='ipv4' prefix='24'/>");
    let other = started(&host, "other", &taking);
    let before = look(&host, &name);
    let file = host.file("back.xml", &with_mac);
    let attach = || host.run(&["attach-device", &name, &file, "--live"]);
    let why = attach();
    why.refused(1, &[&name, "192.168.150.9", "another container has it"]);
    assert_eq!(look(&host, &name), before);
    assert!(!host.run(&["dumpxml", &name]).ok().stdout.contains(MAC));
    host.run(&["destroy", &other]).ok();
    attach().ok();
    assert!(address().contains("192.168.150.9/24"), "{}", address());

    // What it has now is its own: nobody else can have it.
    host.run(&["start", &other]).refused(1, &[&other, "192.168.150.9"]);
    for name in [&name, &other] {
        host.run(&["destroy", name]);
        host.run(&["undefine", name]).ok();
    }
    host.run(&["net-undefine", "quay"]).ok();
    host.nothing_is_left();
}

#[test]
fn an_interface_that_its_network_or_the_policy_forbids_does_not_come() {
    need_root!();
    let host = Host::new();
    host.policy("network 192.168.150.0/24\nforwarding no");
    let define = |name: &str, inside: &str| {
        let text = format!("<network><name>{name}</name>{inside}</network>");
        host.run(&["net-define", &host.file(&format!("{name}.xml"), text)]).ok();
    };
    define(
        "quay",
        "<bridge stp='off'/><ip address='192.168.150.1' prefix='24'><dhcp><range start='192.168.150.100' end='192.168.150.200'/></dhcp></ip>",
    );
    define("far", "<bridge stp='off'/><ip address='192.168.151.1' prefix='24'/>");
    define(
        "zoned",
        "<bridge zone='public' stp='off'/><ip address='192.168.150.1' prefix='24'/>",
    );
    let name = started(&host, "live", "");
    let on = |network: &str, more: &str| {
        let text = format!("<interface type='network'><source network='{network}'/>{more}</interface>");
        host.file(&format!("{network}-{}.xml", more.len()), text)
    };
    let plain = || {
        let links = sh(&host, "ip -o link | wc -l");
        (links, within(&host, &name, "ip -o link").ok().stdout)
    };
    let before = plain();
    for (file, said) in [
        (on("far", ""), "192.168.151.1/24"),
        (on("default", ""), "forward"),
        (on("zoned", ""), "zone"),
        (on("nowhere", ""), "there is no network nowhere"),
        (
            on("quay", "<ip address='192.168.160.7' family='ipv4' prefix='24'/>"),
            "does not lie in the network quay",
        ),
        (
            on("quay", "<ip address='192.168.150.1' family='ipv4' prefix='24' />"),
            "192.168.150.1",
        ),
    ] {
        host.run(&["attach-device", &name, &file, "--live"])
            .refused(1, &[&name, said]);
        assert_eq!(plain(), before, "{said}");
        assert!(!host.run(&["dumpxml", &name]).ok().stdout.contains("<interface"));
    }
    host.run(&["attach-device", &name, &on("quay", ""), "--live"]).ok();
    assert!(
        within(&host, &name, "ip -o -4 addr show eth0")
            .ok()
            .stdout
            .contains("192.168.150.")
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["attach-device", &name, &on("quay", ""), "--live"])
        .refused(1, &[&name]);
    host.run(&["undefine", &name]).ok();
    for network in ["quay", "far", "zoned"] {
        host.run(&["net-undefine", network]).ok();
    }
    host.nothing_is_left();
}
