//! Interfaces that come to a container while it runs, as they would at its start, and go from it. The kernel is asked, not `lazaret`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::capture::{DEADLINE, until};
use tests::skip::have;
use tests::{Host, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";
const MAC: &str = "52:54:00:00:00:71";

fn sh(host: &Host, line: &str) -> String {
    host.inside("sh", &["-c", line]).ok().stdout
}

/// What a command sees in the container's network.
fn within(host: &Host, name: &str, line: &str) -> tests::Outcome {
    let pid = host.pid_1(name).expect("it runs").to_string();
    host.inside("nsenter", &["-t", &pid, "-n", "sh", "-c", line])
}

/// The names of all links, of the host and of the container.
fn links(host: &Host, name: &str) -> [String; 2] {
    const NAMES: &str = "ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort | tr '\\n' ' '";
    [sh(host, NAMES), within(host, name, NAMES).ok().stdout]
}

fn started(host: &Host, devices: &str) -> String {
    let name = host.name("live");
    host.run(&["define", &host.domain_file(&name, STAY, "", devices)]).ok();
    host.run(&["start", &name]).ok();
    name
}

#[test]
fn an_interface_comes_configured_and_goes_without_a_trace() {
    need_root!();
    let host = Host::new();
    host.policy("bridge br0");
    sh(&host, "ip link add br0 type bridge && ip link set br0 up");
    let name = started(&host, "");
    let (before, kept) = (
        links(&host, &name),
        host.run(&["dumpxml", &name, "--inactive"]).ok().stdout,
    );
    let text = host.run(&["dumpxml", &name]).ok().stdout;
    let file = host.file(
        "lan.xml",
        format!(
            "<interface type='bridge'><mac address='{MAC}'/><source bridge='br0'/><target dev='mine0'/><guest dev='lan7'/><mtu size='1400'/>\
             <port isolated='yes'/><bandwidth><inbound average='1000' burst='100'/></bandwidth>\
             <ip address='10.91.0.2' family='ipv4' prefix='24'/><route family='ipv4' address='0.0.0.0' gateway='10.91.0.1'/></interface>"
        ),
    );
    host.run(&["attach-device", &name, &file, "--live"]).ok();
    let inside = within(&host, &name, "ip -o link show lan7").ok().stdout;
    assert!(
        inside.contains(MAC) && inside.contains("mtu 1400") && inside.contains(",UP"),
        "{inside}"
    );
    let inside = within(&host, &name, "ip -o -4 addr show lan7; ip route").ok().stdout;
    assert!(
        inside.contains("10.91.0.2/24") && inside.contains("default via 10.91.0.1 dev lan7"),
        "{inside}"
    );
    let outside = sh(&host, "ip -d -o link show mine0; tc class show dev mine0");
    for word in ["master br0", "isolated on", "mtu 1400", ",UP", "rate 8Mbit"] {
        assert!(outside.contains(word), "{word}: {outside}");
    }
    let listed = host.run(&["domiflist", &name]).ok().stdout;
    assert!(
        listed.contains("mine0") && listed.contains(MAC) && listed.contains("br0"),
        "{listed}"
    );
    assert!(host.run(&["domifaddr", &name]).ok().stdout.contains("10.91.0.2/24"));
    assert!(
        host.run(&["dumpxml", &name])
            .ok()
            .stdout
            .contains("<guest dev='lan7'/>")
    );
    assert_eq!(host.run(&["dumpxml", &name, "--inactive"]).ok().stdout, kept);
    host.run(&["attach-device", &name, &file, "--live"])
        .refused(1, &["there is a interface whose mac address is"]);

    // What its root makes of it keeps it from nobody.
    within(
        &host,
        &name,
        "ip link set lan7 down && ip link set lan7 name other && ip link set other address 52:54:00:00:00:99",
    )
    .ok();
    host.run(&["detach-device", &name, &file, "--live"]).ok();
    assert_eq!(
        (links(&host, &name), host.run(&["dumpxml", &name]).ok().stdout),
        (before.clone(), text.clone())
    );
    assert!(!host.run(&["domiflist", &name]).ok().stdout.contains(MAC));

    // Options make one too, and of two the one that is meant goes.
    for (mac, guest) in [("52:54:00:00:00:72", "eth0"), ("52:54:00:00:00:73", "eth1")] {
        host.run(&[
            "attach-interface",
            &name,
            "bridge",
            "br0",
            "--mac",
            mac,
            "--live",
            "--config",
        ])
        .ok();
        assert!(
            within(&host, &name, &format!("ip -o link show {guest}"))
                .ok()
                .stdout
                .contains(mac)
        );
    }
    host.run(&[
        "detach-interface",
        &name,
        "bridge",
        "--mac",
        "52:54:00:00:00:72",
        "--live",
    ])
    .ok();
    let [_, inside] = links(&host, &name);
    assert_eq!(inside.trim(), "eth1 lo");
    host.run(&["attach-interface", &name, "bridge", "br0", "--live"]).ok();
    let [outside, inside] = links(&host, &name);
    assert_eq!((inside.trim(), outside.matches("lzv").count()), ("eth0 eth1 lo", 2));
    assert!(
        host.run(&["dumpxml", &name, "--inactive"])
            .ok()
            .stdout
            .contains("52:54:00:00:00:72")
    );
    let log = host.run(&["audit", "log", "--container", &name]).ok().stdout;
    assert!(
        log.matches("attach").count() >= 4 && log.matches("detach").count() >= 2,
        "{log}"
    );
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    sh(&host, "ip link del br0");
    host.nothing_is_left();
}

#[test]
fn such_that_stand_alone_come_and_go_and_those_that_lie_on_one_of_the_hosts_stay_as_they_are() {
    need_root!();
    if !have("ping") {
        skip!("needs ping");
    }
    let host = Host::new();
    host.policy("direct wan0\naddress 10.77.0.0/24\naddress 10.99.0.0/16");
    sh(
        &host,
        "ip link add name wan0 type veth peer name far0 && ip link set wan0 up && ip link set far0 up",
    );
    let name = started(
        &host,
        "<interface type='direct'><mac address='52:54:00:00:00:80'/><source dev='wan0' mode='bridge'/></interface>",
    );
    let before = links(&host, &name);
    let direct = host.file(
        "direct.xml",
        format!(
            "<interface type='direct'><mac address='{MAC}'/><source dev='wan0' mode='bridge'/><link state='up'/>\
             <ip address='10.92.0.2' family='ipv4' prefix='24'/></interface>"
        ),
    );
    let alone = host.file(
        "alone.xml",
        "<interface type='ethernet'><mac address='52:54:00:00:00:82'/><source><ip address='10.77.0.1' family='ipv4' prefix='24'/>\
         <route family='ipv4' address='10.99.0.0' prefix='16' gateway='10.77.0.2'/></source><ip address='10.77.0.2' family='ipv4' prefix='24'/></interface>",
    );
    // One cannot be told from those that the container's root lays on the same link by it.
    host.run(&["attach-device", &name, &direct, "--live"])
        .refused(1, &["the host's link wan0", "while a container runs"]);
    host.run(&[
        "detach-interface",
        &name,
        "direct",
        "--mac",
        "52:54:00:00:00:80",
        "--live",
    ])
    .refused(1, &["the host's link wan0", "it goes with the container"]);
    assert_eq!(links(&host, &name), before);
    assert!(
        host.run(&["domiflist", &name])
            .ok()
            .stdout
            .contains("52:54:00:00:00:80")
    );
    host.run(&["attach-device", &name, &alone, "--live"]).ok();
    let inside = within(&host, &name, "ip -o -4 addr").ok().stdout;
    assert!(inside.contains("10.77.0.2/24"), "{inside}");
    assert!(sh(&host, "ip route show 10.99.0.0/16").contains("via 10.77.0.2 dev lzv"));
    host.inside("ping", &["-c", "1", "-W", "5", "10.77.0.2"]).ok();
    host.run(&["detach-device", &name, &alone, "--live"]).ok();
    assert_eq!(
        (links(&host, &name), sh(&host, "ip route show 10.99.0.0/16")),
        (before, String::new())
    );

    // What came lately goes with the container as all else does.
    host.run(&["attach-device", &name, &alone, "--live"]).ok();
    let processes = host.run(&["privileges", &name, "--json"]).ok().json();
    let pids = processes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|p| p["pid"].as_i64()?.try_into().ok());
    for pid in pids {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let gone = || !sh(&host, "ip -o link").contains("lzv");
    assert!(until(DEADLINE, gone));
    host.run(&["list"]).ok();
    host.run(&["undefine", &name]).ok();
    sh(&host, "ip link del far0");
    host.nothing_is_left();
}

#[test]
fn what_cannot_come_or_go_is_refused_and_nothing_is_left_of_it() {
    need_root!();
    let host = Host::new();
    host.policy("bridge br0\nbridge br9");
    sh(&host, "ip link add br0 type bridge");
    let name = started(
        &host,
        "<interface type='network'><source network='default'/></interface>",
    );
    let look = || {
        let asked = ["dumpxml", "domiflist"].map(|verb| host.run(&[verb, &name]).ok().stdout);
        (links(&host, &name), asked)
    };
    within(&host, &name, "ip link add name lan0 type veth peer name lan1").ok();
    let before = look();
    let bridge =
        |name: &str, more: &str| format!("<interface type='bridge'><source bridge='{name}'/>{more}</interface>");
    for (number, (device, said)) in [
        (bridge("br1", ""), "`bridge br1`"),
        (bridge("br9", ""), "there is none of that name"),
        (bridge("br0", "<guest dev='lan0'/>"), "lzv"),
        (bridge("br0", "<guest dev='eth0'/>"), "same name inside"),
        (bridge("br0", "<guest dev='lo'/>"), "reserved"),
        (
            bridge("br0", "<ip address='10.1.0.2' family='ipv4' prefix='24'/><route family='ipv4' address='0.0.0.0' gateway='10.2.0.1'/>"),
            "through 10.2.0.1",
        ),
        (bridge("br0", "<filterref filter='x'/>"), "no effect yet"),
        (
            "<interface type='network'><source network='default'/></interface>".to_owned(),
            "two interfaces are on networks of Lazaret's",
        ),
        ("<interface type='network'><source network='none'/></interface>".to_owned(), "none"),
        ("<interface type='direct'><source dev='br0'/></interface>".to_owned(), "the host's link br0"),
        ("<interface type='bridge'/>".to_owned(), "source"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = host.file(&format!("{number}.xml"), &device);
        host.run(&["attach-device", &name, &file, "--live"]).refused(1, &[&name, said]);
        assert_eq!(look(), before, "{device}");
    }
    let mac = "52:54:00:00:00:01";
    host.run(&["detach-interface", &name, "bridge", "--mac", mac, "--live"])
        .refused(1, &["no interface whose mac"]);
    host.run(&["suspend", &name]).ok();
    host.run(&["attach-interface", &name, "bridge", "br0", "--live"])
        .refused(1, &["suspended"]);
    host.run(&["resume", &name]).ok();
    assert_eq!(look(), before);
    host.run(&["destroy", &name]).ok();
    host.run(&["attach-interface", &name, "bridge", "br0", "--live"])
        .refused(1, &[&name]);
    host.run(&["undefine", &name]).ok();
    sh(&host, "ip link del br0");
    host.nothing_is_left();
}
