//! What is told of a container in figures: those that the kernel has, at the places where virsh has them.

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use tests::{Host, capture, kernel, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";
const NETWORK: &str = "<interface type='network'><source network='default'/></interface>";

/// The container's group where this file of either version is, and whether it is that of version 1.
fn group(name: &str, version1: &str, version2: &str) -> (PathBuf, bool) {
    let groups = kernel::groups_of(name);
    let with = |file: &str| groups.iter().find(|g| g.join(file).exists()).cloned();
    match with(version1) {
        Some(group) => (group, true),
        None => (
            with(version2).unwrap_or_else(|| panic!("{name} has no {version1} and no {version2}")),
            false,
        ),
    }
}

fn number(path: PathBuf) -> u64 {
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.trim().parse().unwrap()
}

fn named(path: PathBuf, name: &str) -> u64 {
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}: {text}"))
        .trim()
        .parse()
        .unwrap()
}

/// Nanoseconds of processor time: all, of programs, of the kernel.
fn cpu(name: &str) -> [u64; 3] {
    let (group, version1) = group(name, "cpuacct.usage", "cpu.stat");
    if version1 {
        let stat = |word| named(group.join("cpuacct.stat"), word) * 10_000_000;
        return [number(group.join("cpuacct.usage")), stat("user"), stat("system")];
    }
    ["usage_usec", "user_usec", "system_usec"].map(|word| named(group.join("cpu.stat"), word) * 1000)
}

fn memory(name: &str) -> u64 {
    let (group, version1) = group(name, "memory.usage_in_bytes", "memory.current");
    number(group.join(if version1 {
        "memory.usage_in_bytes"
    } else {
        "memory.current"
    }))
}

/// What the words behind a name in a text of virsh's say.
fn fact<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|l| l.trim_start().strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).trim()
}

fn figure(text: &str, name: &str) -> u64 {
    fact(text, &format!("{name} ")).parse().unwrap()
}

/// Seconds with nine digits as nanoseconds.
fn nanoseconds(text: &str) -> u64 {
    let (whole, rest) = text.trim_end_matches(" seconds").split_once('.').unwrap();
    assert_eq!(rest.len(), 9, "{text}");
    whole.trim().parse::<u64>().unwrap() * 1_000_000_000 + rest.parse::<u64>().unwrap()
}

/// What a verb tells, once the KiB used in it are the kernel's: what that has set aside for a group, even a frozen one, it takes back at any time.
fn agreed(host: &Host, verb: &str, name: &str, used: impl Fn(&str) -> u64) -> String {
    let mut text = String::new();
    let agrees = || {
        text = host.run(&[verb, name]).ok().stdout;
        used(&text) == memory(name) / 1024
    };
    assert!(capture::until(capture::DEADLINE, agrees), "{verb} of {name}");
    text
}

#[test]
fn dominfo_and_dommemstat_and_cpu_stats_have_the_figures_of_the_groups() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let work = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 1000";
    host.run(&["define", &host.domain_file(&name, work, "", "")]).ok();
    host.run(&["start", &name]).ok();
    assert!(capture::until(std::time::Duration::from_secs(30), || cpu(&name)[1] > 100_000_000));
    // Frozen, it changes nothing while it is looked at.
    host.run(&["suspend", &name]).ok();
    let [total, user, system] = cpu(&name);

    let info = agreed(&host, "dominfo", &name, |text| {
        fact(text, "Used memory:").trim_end_matches(" KiB").parse().unwrap()
    });
    let labels: Vec<&str> = info.lines().filter_map(|l| Some(l.split_once(':')?.0)).collect();
    let virsh = [
        "Id",
        "Name",
        "UUID",
        "OS Type",
        "State",
        "CPU(s)",
        "CPU time",
        "Max memory",
        "Used memory",
        "Persistent",
        "Autostart",
        "Managed save",
        "Security model",
        "Security DOI",
    ];
    assert_eq!(labels[..virsh.len()], virsh, "{info}");
    // The values begin in column 17, as scripts cut them.
    assert!(
        info.lines()
            .filter(|l| !l.is_empty())
            .all(|l| l.as_bytes()[15] == b' ' && l.as_bytes()[16] != b' '),
        "{info}"
    );
    assert_eq!(fact(&info, "State:"), "paused");
    assert_eq!(
        fact(&info, "CPU time:"),
        format!("{:.1}s", (total / 1_000_000) as f64 / 1000.0)
    );
    assert_eq!(fact(&info, "Max memory:"), "65536 KiB");
    assert!(fact(&info, "Used memory:").ends_with(" KiB"), "{info}");

    let memstat = agreed(&host, "dommemstat", &name, |text| figure(text, "rss"));
    let keys: Vec<&str> = memstat.lines().filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(keys[0], "actual", "{memstat}");
    assert_eq!(figure(&memstat, "actual"), 65536);
    let (group, version1) = group(&name, "memory.usage_in_bytes", "memory.current");
    let prefix = if version1 { "total_" } else { "" };
    let stat = |word: &str| named(group.join("memory.stat"), &format!("{prefix}{word}"));
    assert_eq!(
        figure(&memstat, "disk_caches"),
        stat(if version1 { "cache" } else { "file" }) / 1024
    );
    assert_eq!(figure(&memstat, "major_fault"), stat("pgmajfault"));
    assert_eq!(figure(&memstat, "minor_fault"), stat("pgfault") - stat("pgmajfault"));

    let stats = host.run(&["cpu-stats", &name, "--total"]).ok().stdout;
    assert!(stats.starts_with("Total:\n\tcpu_time     "), "{stats}");
    let told = ["cpu_time", "user_time", "system_time"].map(|word| nanoseconds(fact(&stats, word)));
    assert_eq!(told, [total, user, system]);
    if version1 {
        let each = fs::read_to_string(
            self::group(&name, "cpuacct.usage_percpu", "cpu.stat")
                .0
                .join("cpuacct.usage_percpu"),
        )
        .unwrap();
        let all = host.run(&["cpu-stats", &name]).ok().stdout;
        for (number, time) in each.split_whitespace().enumerate() {
            let below = all.split_once(&format!("CPU{number}:\n")).unwrap().1;
            assert_eq!(
                nanoseconds(fact(below, "cpu_time")),
                time.parse::<u64>().unwrap(),
                "{all}"
            );
        }
        let one = host
            .run(&["cpu-stats", &name, "--start", "0", "--count", "1"])
            .ok()
            .stdout;
        assert!(
            one.contains("CPU0:") && !one.contains("CPU1:") && !one.contains("Total"),
            "{one}"
        );
        host.run(&["cpu-stats", &name, "--start", "99999"])
            .refused(1, &["processor 99999"]);
    } else {
        host.run(&["cpu-stats", &name]).refused(1, &[&name, "--total"]);
    }
    let figures = agreed(&host, "domstats", &name, |text| {
        fact(text, "balloon.rss=").parse().unwrap()
    });
    assert!(
        figures.starts_with(&format!("Domain: '{name}'\n  state.state=3\n  state.reason=1\n")),
        "{figures}"
    );
    for line in [
        format!("cpu.time={total}"),
        format!("cpu.user={user}"),
        "vcpu.current=1".into(),
    ] {
        assert!(figures.contains(&format!("  {line}\n")), "{line}: {figures}");
    }
    assert_eq!(host.run(&["domstats", "--state", "--list-shutoff"]).ok().stdout, "");
    host.end_all();
    host.nothing_is_left();
}

fn ip(host: &Host, arguments: &[&str]) -> Value {
    host.inside("ip", &[&["-j"], arguments].concat()).ok().json()
}

#[test]
fn links_and_addresses_are_those_that_the_kernel_has() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let given = "<interface type='ethernet'><mac address='52:54:00:11:22:34'/><target dev='given0'/><guest dev='inner'/><ip address='192.0.2.9' \
        family='ipv4' prefix='28'/></interface>";
    host.run(&[
        "define",
        &host.domain_file(&name, STAY, "", &format!("{NETWORK}{given}")),
    ])
    .ok();
    let before = host.run(&["domiflist", &name]).ok().stdout;
    let rows: Vec<Vec<&str>> = before.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["Interface", "Type", "Source", "Model", "MAC"]);
    assert_eq!(rows[2][..4], ["-", "network", "default", "-"]);
    assert_eq!(rows[3], ["given0", "ethernet", "-", "-", "52:54:00:11:22:34"]);
    host.run(&["start", &name]).ok();
    let pid = host.pid_1(&name).unwrap().to_string();
    let inside = |arguments: &[&str]| -> Value {
        let words = ["--target", &pid, "--net", "ip", "-j"];
        serde_json::from_str(&capture::output("nsenter", &[&words[..], arguments].concat())).unwrap()
    };
    // Traffic, more of it one way than the other.
    let send = "for i in 1 2 3; do head -c 1000 /dev/zero > /dev/udp/10.209.0.2/9; done";
    host.inside("bash", &["-c", send]).ok();

    let listed = host.run(&["domiflist", &name, "--json"]).ok().json();
    for (number, guest) in [(0, "eth0"), (1, "inner")] {
        let link = listed[number]["interface"].as_str().unwrap();
        let seen = &inside(&["link", "show", guest])[0];
        assert_eq!(listed[number]["mac"], seen["address"]);
        assert_eq!(
            ip(&host, &["link", "show", link])[0]["ifindex"],
            seen["link_index"],
            "{link}"
        );
    }
    let link = listed[0]["interface"].as_str().unwrap();
    let mac = listed[0]["mac"].as_str().unwrap();
    let statistics = || inside(&["-s", "link", "show", "eth0"])[0]["stats64"].clone();
    // A packet may come between two looks: they are taken again until nothing did.
    let (mut told, mut seen) = (String::new(), Value::Null);
    assert!(capture::until(std::time::Duration::from_secs(20), || {
        seen = statistics();
        told = host.run(&["domifstat", &name, link]).ok().stdout;
        statistics() == seen
    }));
    let bytes = |way: &str| seen[way]["bytes"].as_u64().unwrap();
    assert!(bytes("rx") > 3000 && bytes("tx") != bytes("rx"), "{seen}");
    let expected: String = ["rx", "tx"]
        .iter()
        .flat_map(|way| {
            [
                ("bytes", "bytes"),
                ("packets", "packets"),
                ("errs", "errors"),
                ("drop", "dropped"),
            ]
            .map(|(k, v)| (*way, k, v))
        })
        .map(|(way, key, word)| format!("{link} {way}_{key} {}\n", seen[way][word]))
        .collect();
    assert_eq!(told, expected + "\n");
    let by_mac = host.run(&["domifstat", &name, mac]).ok().stdout;
    assert!(by_mac.starts_with(&format!("{mac} rx_bytes ")), "{by_mac}");
    host.run(&["domifstat", &name, "nothing0"]).refused(1, &["nothing0"]);

    let addresses = |arguments: &[&str]| -> Vec<(String, String)> {
        let said = host
            .run(&[&["domifaddr", name.as_str()], arguments].concat())
            .ok()
            .stdout;
        assert!(
            said.starts_with(" Name       MAC address          Protocol     Address\n---"),
            "{said}"
        );
        let rows = said.lines().skip(2).filter(|l| !l.is_empty());
        let row = |l: &str| {
            let words: Vec<&str> = l.split_whitespace().collect();
            (words[0].to_owned(), words[3].to_owned())
        };
        rows.map(row).collect()
    };
    let kernels = |all: bool| {
        let mut found = Vec::new();
        for link in inside(&["addr"]).as_array().unwrap() {
            for address in link["addr_info"].as_array().unwrap() {
                let text = format!("{}/{}", address["local"].as_str().unwrap(), address["prefixlen"]);
                let local = address["scope"] != "global";
                if all && link["ifname"] != "lo" || !local {
                    found.push((link["ifname"].as_str().unwrap().to_owned(), text));
                }
            }
        }
        found.sort();
        found
    };
    // One that the container gives itself is told too.
    capture::output(
        "nsenter",
        &[
            "--target",
            &pid,
            "--net",
            "ip",
            "addr",
            "add",
            "198.51.100.7/24",
            "dev",
            "inner",
        ],
    );
    let sorted = |mut rows: Vec<(String, String)>| {
        rows.sort();
        rows
    };
    let as_inside = |rows: Vec<(String, String)>| {
        let rename = |host_side: String| {
            if host_side == link {
                "eth0".to_owned()
            } else {
                "inner".to_owned()
            }
        };
        sorted(rows.into_iter().map(|(l, a)| (rename(l), a)).collect())
    };
    assert_eq!(as_inside(addresses(&["--full"])), kernels(false));
    let agent = addresses(&["--full", "--source", "agent"]);
    assert_eq!(
        sorted(agent.into_iter().filter(|(l, _)| l != "lo").collect()),
        kernels(true)
    );
    assert!(addresses(&[link]).len() == 2 && addresses(&["--interface", link]).len() == 2);
    assert!(
        addresses(&["--source", "arp"])
            .iter()
            .any(|(l, a)| l == link && a.starts_with("10.209.0.2/"))
    );
    host.run(&["domifaddr", &name, "nothing0"]).refused(1, &["nothing0"]);
    host.end_all();
    host.nothing_is_left();
}

#[test]
fn domblkstat_has_the_figures_of_the_group() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let work = "dd if=/dev/zero of=/written bs=65536 count=8 conv=fsync; sleep 1000";
    host.run(&["define", &host.domain_file(&name, work, "", "")]).ok();
    host.run(&["start", &name]).ok();
    let (group, version1) = group(&name, "blkio.throttle.io_service_bytes_recursive", "io.stat");
    let written = || -> u64 {
        if version1 {
            let text = fs::read_to_string(group.join("blkio.throttle.io_service_bytes_recursive")).unwrap();
            let lines = text
                .lines()
                .filter_map(|l| l.split_once(" Write ")?.1.parse::<u64>().ok());
            return lines.sum();
        }
        let text = fs::read_to_string(group.join("io.stat")).unwrap();
        let words = text
            .split_whitespace()
            .filter_map(|w| w.strip_prefix("wbytes=")?.parse::<u64>().ok());
        words.sum()
    };
    let root = host.image().join("written");
    assert!(capture::until(std::time::Duration::from_secs(20), || fs::metadata(
        &root
    )
    .is_ok_and(|m| m.len() == 8 * 65536)));
    // Until nothing is written any more.
    let (mut told, mut seen) = (String::new(), 0);
    assert!(capture::until(std::time::Duration::from_secs(20), || {
        seen = written();
        told = host.run(&["domblkstat", &name]).ok().stdout;
        written() == seen
    }));
    assert_eq!(fact(&told, "wr_bytes "), seen.to_string());
    // virsh begins each line with the device, which is none here.
    let keys: Vec<&str> = told
        .lines()
        .filter(|l| !l.is_empty())
        .map(|l| l.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(keys, ["rd_req", "rd_bytes", "wr_req", "wr_bytes"]);
    assert!(told.starts_with(" rd_req "), "{told}");
    let words = host.run(&["domblkstat", &name, "--human"]).ok().stdout;
    assert_eq!(fact(&words, "number of bytes written:"), seen.to_string());
    host.run(&["domblkstat", &name, "nodisk"]).refused(1, &["nodisk"]);
    host.end_all();
    host.nothing_is_left();
    if seen == 0 {
        skip!("the kernel accounts no writes to this group, so that only zeros were compared");
    }
}

#[test]
fn a_link_without_an_end_on_the_host_is_called_and_counted_as_inside() {
    need_root!();
    let host = Host::new();
    let wire = "ip link add wire0 type veth peer name wire1; ip link set wire0 up; ip link set wire1 up; ip addr add 10.79.0.1/24 dev wire1";
    host.inside("sh", &["-c", wire]).ok();
    host.policy("direct wire0");
    let name = host.name("vm");
    let interface = "<interface type='direct'><mac address='00:16:3e:0f:ef:8b'/><source dev='wire0' mode='bridge'/>\
        <ip address='10.79.0.2' family='ipv4' prefix='24'/><guest dev='lan0'/></interface>";
    host.run(&["create", &host.domain_file(&name, STAY, "", interface)])
        .ok();
    let send = "for i in 1 2 3; do head -c 1000 /dev/zero > /dev/udp/10.79.0.2/9; done";
    host.inside("bash", &["-c", send]).ok();
    let listed = host.run(&["domiflist", &name]).ok().stdout;
    let row: Vec<&str> = listed.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(row, ["-", "direct", "wire0", "-", "00:16:3e:0f:ef:8b"]);
    let addresses = host.run(&["domifaddr", &name]).ok().stdout;
    assert!(
        addresses.contains("\n lan0       00:16:3e:0f:ef:8b    ipv4         10.79.0.2/24\n"),
        "{addresses}"
    );
    let pid = host.pid_1(&name).unwrap().to_string();
    let received = || {
        let said = capture::output(
            "nsenter",
            &["--target", &pid, "--net", "ip", "-j", "-s", "link", "show", "lan0"],
        );
        serde_json::from_str::<Value>(&said).unwrap()[0]["stats64"]["rx"]["bytes"].clone()
    };
    let (mut told, mut seen) = (String::new(), Value::Null);
    assert!(capture::until(std::time::Duration::from_secs(20), || {
        seen = received();
        told = host.run(&["domifstat", &name, "lan0"]).ok().stdout;
        received() == seen
    }));
    assert!(seen.as_u64().unwrap() > 3000, "{seen}");
    assert_eq!(fact(&told, "lan0 rx_bytes "), seen.to_string());
    host.end_all();
    host.inside("ip", &["link", "del", "wire0"]).ok();
    host.nothing_is_left();
}
