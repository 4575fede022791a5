//! Links of the host's that a container has instead of the host: they go there as they are asked for, and come back. Only links that the test has
//! made itself, in a network namespace of its own that plays the host. The kernel is asked, not `lazaret`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::capture::{DEADLINE, until};
use tests::{Host, need_root};

const STAY: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";
const MAC: &str = "02:fc:00:00:00:31";

fn sh(host: &Host, line: &str) -> String {
    host.inside("sh", &["-c", line]).ok().stdout
}

/// A host with a cable: one end, `wan0`, is to be lent, the other stays, and has an address.
fn cabled(host: &Host) {
    sh(
        host,
        &format!(
            "ip link add name wan0 address {MAC} mtu 1480 type veth peer name far0 && ip link property add dev wan0 altname uplink && \
             ip addr add 10.88.0.9/24 dev wan0 && \
             ip link set wan0 up && ip addr add 10.88.0.1/24 dev far0 && ip link set far0 up"
        ),
    );
}

fn uncabled(host: &Host) {
    sh(host, "ip link del far0");
    host.nothing_is_left();
}

fn lent(link: &str, more: &str) -> String {
    format!("<hostdev mode='capabilities' type='net'><source><interface>{link}</interface></source>{more}</hostdev>")
}

const INSIDE: &str = "<ip address='10.88.0.2' family='ipv4' prefix='24'/>\
    <route family='ipv4' address='0.0.0.0' gateway='10.88.0.1'/><guest dev='lan0'/>";

/// What the kernel says of links, addresses or routes inside.
fn within(host: &Host, name: &str, words: &[&str]) -> String {
    let pid = host.pid_1(name).expect("it runs").to_string();
    let all = [&["-t", pid.as_str(), "-n", "ip"], words].concat();
    host.inside("nsenter", &all).ok().stdout
}

fn links(host: &Host) -> String {
    let names = sh(
        host,
        "ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | sort | tr '\\n' ' '",
    );
    names.trim().to_owned()
}

/// That the host has its link as it was, but down and without its address.
#[track_caller]
fn is_back(host: &Host) {
    let link = sh(host, "ip -o link show wan0");
    for word in [
        MAC,
        "mtu 1480",
        "state DOWN",
        "group default",
        "qlen 1000",
        "altname uplink",
    ] {
        assert!(link.contains(word), "{word}: {link}");
    }
    for word in ["alias", "altname lzv1", "altname far0", "PROMISC", "NOARP"] {
        assert!(!link.contains(word), "{word}: {link}");
    }
    assert_eq!(sh(host, "ip -o addr show wan0"), "", "its old address is gone");
    assert_eq!(links(host), "far0 lo wan0");
}

#[test]
fn a_link_of_the_hosts_is_named_and_addressed_inside_and_comes_back() {
    need_root!();
    let host = Host::new();
    cabled(&host);
    let name = host.name("wan");
    let file = host.domain_file(&name, STAY, "", &lent("wan0", INSIDE));
    let before = links(&host);
    for policy in ["", "lend wan0 another", "direct wan0 passthrough"] {
        host.policy(policy);
        let line = format!("`lend wan0 {name}`");
        host.run(&["create", &file]).refused(1, &[&name, &line]);
        assert_eq!(links(&host), before);
    }
    host.policy(&format!("lend wan0 {name}"));
    host.run(&["create", &file]).ok();
    assert_eq!(links(&host), "far0 lo", "the host has it no longer");
    let link = within(&host, &name, &["-o", "link", "show", "lan0"]);
    assert!(
        link.contains(MAC) && link.contains(",UP") && link.contains("mtu 1480"),
        "{link}"
    );
    let addresses = within(&host, &name, &["-o", "-4", "addr", "show", "lan0"]);
    assert!(
        addresses.contains("10.88.0.2/24") && !addresses.contains("10.88.0.9"),
        "{addresses}"
    );
    let routes = within(&host, &name, &["route"]);
    assert!(routes.contains("default via 10.88.0.1 dev lan0"), "{routes}");
    // It is one's own there, and what its root makes of it does not come back with it.
    let change = "ip link set lan0 down && ip link set lan0 address 02:fc:00:00:00:99 mtu 1400 && ip link set lan0 alias mine && \
                  ip link set lan0 promisc on arp off group 9 txqueuelen 5 && ip link property add dev lan0 altname lzv1 && \
                  ip link property add dev lan0 altname far0 && ip link set lan0 up";
    let pid = host.pid_1(&name).unwrap().to_string();
    host.inside("nsenter", &["-t", &pid, "-n", "sh", "-c", change]).ok();
    let text = host.run(&["dumpxml", &name]).ok().stdout;
    assert!(
        text.contains("<interface>wan0</interface>") && text.contains("<guest dev='lan0'/>"),
        "{text}"
    );
    host.run(&["destroy", &name]).ok();
    is_back(&host);
    // A second time, and by asking it to end.
    host.run(&["create", &file]).ok();
    assert_eq!(links(&host), "far0 lo");
    host.run(&["shutdown", &name]).ok();
    host.run(&["list"]).ok();
    is_back(&host);
    host.run(&["create", &file]).ok();
    host.run(&["destroy", "--graceful", &name]).ok();
    is_back(&host);
    uncabled(&host);
}

#[test]
fn a_start_that_fails_leaves_the_host_its_links() {
    need_root!();
    let host = Host::new();
    cabled(&host);
    let name = host.name("wan");
    host.policy(&format!(
        "lend wan0 {name}\nlend far0 {name}\nlend no0 {name}\nlend lo {name}\nlend port0 {name}\nlend also0 {name}"
    ));
    sh(
        &host,
        "ip link add br0 type bridge && ip link add name port0 type veth peer name port1 && ip link set port0 master br0 && \
         ip link property add dev far0 altname also0",
    );
    let before = links(&host);
    let wrong = "<ip address='10.88.0.2' family='ipv4' prefix='24'/><route family='ipv4' address='0.0.0.0' gateway='203.0.113.1'/>";
    let both = lent("wan0", "") + &lent("far0", wrong);
    let twice = lent("wan0", "") + &lent("wan0", "<guest dev='lan0'/>");
    let named = lent("wan0", "<guest dev='eth0'/>") + "<interface type='ethernet'/>";
    for (devices, said) in [
        (lent("no0", ""), "no link of that name"),
        (lent("also0", ""), "no link of that name"),
        (lent("lo", ""), "reserved"),
        (lent("port0", ""), "a port of another link"),
        (lent("a b", ""), "no link of the host's can be called a b"),
        (lent("wan0", "<guest dev='lo'/>"), "lo: it is reserved"),
        (
            lent("wan0", "<ip address='10.88.0.2' family='ipv6'/>"),
            "the link wan0: attribute family",
        ),
        (twice, "asked for twice"),
        (named, "two links are called eth0 inside"),
        // What could be done is undone.
        (both, "through 203.0.113.1"),
    ] {
        let file = host.domain_file(&name, STAY, "", &devices);
        host.run(&["create", &file]).refused(1, &[said]);
        assert_eq!(links(&host), before, "{devices}");
    }
    let file = host.domain_file(&name, STAY, "", &lent("wan0", INSIDE));
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("/bin/sh", "/bin/no-such-program");
    let file = host.file("late.xml", text);
    host.run(&["create", &file]).refused(1, &["no-such-program"]);
    assert_eq!(links(&host), before, "what came late too");
    let shared = host.domain_file(&name, STAY, "", &lent("wan0", "")).clone();
    let text = std::fs::read_to_string(&shared)
        .unwrap()
        .replace("<privnet/>", "")
        .replace(
            "</devices>",
            "</devices><lxc:namespace><lxc:sharenet type='pid' value='1'/></lxc:namespace>",
        );
    let text = text.replace(
        "<domain type='lxc'>",
        "<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>",
    );
    host.run(&["create", &host.file("shared.xml", text)])
        .refused(1, &["inherit net namespace"]);
    sh(&host, "ip link del br0; ip link del port1");
    uncabled(&host);
}

#[test]
fn of_one_that_was_killed_the_link_is_named_again_or_is_said_to_be_gone() {
    need_root!();
    let host = Host::new();
    cabled(&host);
    let name = host.name("wan");
    host.policy(&format!("lend wan0 {name}"));
    let file = host.domain_file(&name, STAY, "", &lent("wan0", INSIDE));
    host.run(&["define", &file]).ok();
    host.run(&["start", &name]).ok();
    // What the kernel does with hardware, of which a test has none: it comes back under another name.
    let (pid, holder) = (host.pid_1(&name).unwrap().to_string(), host.holder().to_string());
    host.inside(
        "nsenter",
        &[
            "-t", &pid, "-n", "ip", "link", "set", "lan0", "netns", &holder, "name", "dev7",
        ],
    )
    .ok();
    assert_eq!(links(&host), "dev7 far0 lo");
    end(&host, &name);
    host.run(&["list"]).ok();
    is_back(&host);

    host.run(&["start", &name]).ok();
    assert_eq!(links(&host), "far0 lo");
    end(&host, &name);
    let ended = || host.inside("ip", &["link", "show", "far0"]).code() != 0;
    assert!(
        until(DEADLINE, ended),
        "the kernel ends a veth with one of its namespaces"
    );
    let said = host.run(&["list"]).ok().stderr;
    assert!(said.contains("wan0 has not come back"), "{said}");
    host.run(&["start", &name]).refused(1, &["no link of that name"]);
    cabled(&host);
    host.run(&["start", &name]).ok();
    host.run(&["destroy", &name]).ok();
    is_back(&host);
    host.run(&["undefine", &name]).ok();
    uncabled(&host);
}

#[test]
fn one_whose_line_is_taken_out_is_in_nobodys_way_and_neither_is_a_supervisor_that_is_stopped() {
    need_root!();
    let host = Host::new();
    let name = host.name("wan");
    let file = host.domain_file(&name, STAY, "", &lent("wan0", INSIDE));
    let ended = || host.inside("ip", &["link", "show", "far0"]).code() != 0;
    let line = format!("lend wan0 {name}");

    cabled(&host);
    host.policy(&line);
    host.run(&["create", &file]).ok();
    host.policy("");
    let said = host.run(&["destroy", &name]).ok().stderr;
    assert!(said.contains("wan0 has not come back"), "{said}");
    assert!(until(DEADLINE, ended), "a veth ends with the container's network");
    host.nothing_is_left();

    cabled(&host);
    host.policy(&line);
    host.run(&["create", &file]).ok();
    let supervisor = supervisor(&host, &name);
    kill(supervisor, Signal::SIGSTOP).unwrap();
    let said = host.run(&["destroy", &name]).ok().stderr;
    assert!(
        said.contains("are not held") && said.contains("wan0 has not come back"),
        "{said}"
    );
    assert!(until(DEADLINE, ended));
    host.nothing_is_left();
}

fn supervisor(host: &Host, name: &str) -> Pid {
    let processes = host.run(&["privileges", name, "--json"]).ok().json();
    let all = processes.as_array().unwrap();
    let found = all.iter().find(|p| p["program"] == "supervisor").unwrap();
    Pid::from_raw(found["pid"].as_i64().unwrap().try_into().unwrap())
}

/// Kills all that keeps a container, and waits until it has ended.
fn end(host: &Host, name: &str) {
    let processes = host.run(&["privileges", name, "--json"]).ok().json();
    let pids: Vec<i32> = processes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|p| p["pid"].as_i64()?.try_into().ok())
        .collect();
    assert!(pids.len() > 2, "{processes}");
    for pid in &pids {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    let gone = || {
        pids.iter()
            .all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
    };
    assert!(until(DEADLINE, gone));
}
