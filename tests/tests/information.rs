//! The verbs that only tell something of containers and of the host: in virsh's columns and words, and as the kernel has it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use tests::virsh::virsh;
use tests::{Host, capture, need_root};

const STAY: &str = "while :; do sleep 1000; done";
const NETWORK: &str = "<interface type='network'><source network='default'/></interface>";
const UUID: &str = "c7a5fdbd-edaf-9455-926a-d65c16db1809";

/// What the words behind a name in a text of virsh's say.
fn fact<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|l| l.trim_start().strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).trim()
}

#[test]
fn list_has_virshs_columns_words_and_filters() {
    need_root!();
    let host = Host::new();
    let (runs, rests, once) = (host.name("runs"), host.name("rests"), host.name("once"));
    for (name, title) in [(&runs, "<title>a title</title>"), (&rests, "")] {
        host.run(&["define", &host.domain_file(name, STAY, title, "")]).ok();
    }
    host.run(&["start", &runs]).ok();
    host.run(&["create", &host.domain_file(&once, STAY, "", "")]).ok();
    host.run(&["suspend", &once]).ok();

    let table = host.run(&["list", "--all"]).ok().stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["Id", "Name", "State"]);
    assert!(
        lines[1].chars().all(|c| c == '-') && lines.len() == 6 && lines[5].is_empty(),
        "{table}"
    );
    let row = |name: &str| {
        let line = lines.iter().find(|l| l.contains(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row(&rests), ["-", &rests, "shut", "off"]);
    assert_eq!(row(&once)[1..], [once.as_str(), "paused"]);
    let id = row(&runs)[0].clone();
    assert!(id.parse::<u32>().is_ok() && row(&runs)[2] == "running", "{table}");
    // What runs comes first, by id, then the rest, by name.
    assert!(lines[4].contains(&rests), "{table}");
    let titles = host.run(&["list", "--all", "--title"]).ok().stdout;
    assert!(
        titles.lines().next().unwrap().ends_with("Title") && titles.contains("   a title\n"),
        "{titles}"
    );

    let names = |filters: &[&str]| {
        let said = host.run(&[&["list", "--name"], filters].concat()).ok().stdout;
        let mut names: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
        names.sort();
        names
    };
    let sorted = |names: &[&String]| {
        let mut names: Vec<String> = names.iter().map(|n| (*n).clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&[]), sorted(&[&runs, &once]));
    host.run(&["autostart", &rests]).ok();
    assert_eq!(names(&["--all", "--autostart"]), sorted(&[&rests]));
    assert_eq!(names(&["--all", "--no-autostart"]), sorted(&[&runs, &once]));
    assert_eq!(
        fact(&host.run(&["dominfo", &rests]).ok().stdout, "Autostart:"),
        "enable"
    );
    for (filters, expected) in [
        (&["--inactive"][..], &[&rests][..]),
        (&["--all", "--inactive"], &[&runs, &rests, &once]),
        (&["--persistent"], &[&runs]),
        (&["--transient"], &[&once]),
        (&["--all", "--persistent"], &[&runs, &rests]),
        (&["--all", "--persistent", "--transient"], &[&runs, &rests, &once]),
        (&["--state-running"], &[&runs]),
        (&["--state-paused"], &[&once]),
        (&["--state-shutoff"], &[&rests]),
        (&["--all", "--state-shutoff", "--state-paused"], &[&rests, &once]),
        (&["--all", "--state-other"], &[]),
        (&["--all", "--with-snapshot"], &[]),
        (&["--all", "--without-managed-save"], &[&runs, &rests, &once]),
    ] {
        assert_eq!(names(filters), sorted(expected), "{filters:?}");
    }
    let uuid = host.listed(&runs)["uuid"].as_str().unwrap().to_owned();
    let said = host
        .run(&["list", "--persistent", "--id", "--name", "--uuid"])
        .ok()
        .stdout;
    assert_eq!(said, format!("{uuid} {id} {runs}\n\n"));
    assert_eq!(
        host.run(&["list", "--persistent", "--id"]).ok().stdout,
        format!("{id}\n\n")
    );
    assert_eq!(host.run(&["list", "--inactive", "--id"]).ok().stdout, "\n");
    let wide = host.run(&["list", "--all", "--wide"]).ok().stdout;
    assert!(wide.contains(&format!("{}", host.pid_1(&runs).unwrap())), "{wide}");
    host.end_all();
    host.nothing_is_left();
}

#[test]
fn a_container_is_named_by_name_uuid_or_id_in_every_verb_that_tells_of_one() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, STAY, &format!("<uuid>{UUID}</uuid>"), NETWORK);
    host.run(&["define", &file]).ok();
    for verb in [
        "domstate",
        "domid",
        "domuuid",
        "domname",
        "dominfo",
        "domiflist",
        "domblklist",
        "domstats",
    ] {
        let by_uuid = host.run(&[verb, UUID]).ok().stdout;
        assert_eq!(host.run(&[verb, &name]).ok().stdout, by_uuid, "{verb}");
    }
    for verb in ["domhostname", "dommemstat", "domblkstat", "domifaddr", "cpu-stats"] {
        host.run(&[verb, &name]).refused(1, &[&name, "not running"]);
    }
    host.run(&["domifstat", &name, "lzv0"])
        .refused(1, &[&name, "not running"]);
    assert_eq!(host.run(&["domid", &name]).ok().stdout, "-\n\n");
    assert_eq!(
        host.run(&["domstate", &name, "--reason"]).ok().stdout,
        "shut off (unknown)\n\n"
    );

    host.run(&["start", &name]).ok();
    let id = host.run(&["domid", &name]).ok().stdout.trim().to_owned();
    let link = host.run(&["domiflist", &name, "--json"]).ok().json()[0]["interface"].clone();
    for verb in [
        "domstate",
        "domid",
        "domuuid",
        "domname",
        "domhostname",
        "dominfo",
        "domiflist",
        "domblklist",
        "domifaddr",
        "dumpxml",
        "dommemstat",
        "domblkstat",
        "cpu-stats",
        "domstats",
        "domifstat",
    ] {
        for address in [name.as_str(), UUID, &id] {
            let mut words = vec![verb, address];
            words.extend((verb == "domifstat").then(|| link.as_str().unwrap()));
            // Version 2 of control groups does not tell processors apart.
            words.extend((verb == "cpu-stats").then_some("--total"));
            host.run(&words).ok();
            if verb != "dumpxml" {
                words.push("--json");
                host.run(&words).ok().json();
            }
        }
        host.run(&[verb, "nobody", "x"][..if verb == "domifstat" { 3 } else { 2 }])
            .refused(1, &["nobody"]);
    }
    assert_eq!(host.run(&["domname", &id]).ok().stdout, format!("{name}\n\n"));
    assert_eq!(host.run(&["domuuid", &id]).ok().stdout, format!("{UUID}\n\n"));
    let inside = host.run(&["enter", &id, "--", "hostname"]).ok().stdout;
    assert_eq!(host.run(&["domhostname", UUID]).ok().stdout.trim(), inside.trim());
    for (verb, reason) in [("suspend", "paused (user)"), ("resume", "running (unpaused)")] {
        if verb == "suspend" {
            assert_eq!(
                host.run(&["domstate", &id, "--reason"]).ok().stdout,
                "running (booted)\n\n"
            );
        }
        host.run(&[verb, &id]).ok();
        assert_eq!(
            host.run(&["domstate", &id, "--reason"]).ok().stdout,
            format!("{reason}\n\n")
        );
    }
    for verb in ["logs", "privileges", "plan", "destroy"] {
        host.run(&[verb, UUID]).ok();
    }
    host.end_all();
    host.nothing_is_left();
}

#[test]
fn domblklist_has_the_disks_of_the_definition() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let disk = "<disk type='block' device='disk'><source dev='/dev/nothing'/><target dev='sda'/></disk>";
    host.run(&["define", &host.domain_file(&name, STAY, "", disk)]).ok();
    let said = host.run(&["domblklist", &name]).ok().stdout;
    assert_eq!(
        said,
        " Target   Source\n------------------------\n sda      /dev/nothing\n\n"
    );
    let said = host.run(&["domblklist", &name, "--details"]).ok().stdout;
    assert!(said.starts_with(" Type    Device   Target   Source\n"), "{said}");
    assert!(said.contains("\n block   disk     sda      /dev/nothing\n"), "{said}");
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn the_host_is_told_as_proc_tells_it() {
    need_root!();
    let host = Host::new();
    let text = |verb: &[&str]| host.run(verb).ok().stdout;
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let total = fact(&meminfo, "MemTotal:").trim_end_matches(" kB").to_owned();
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap();
    let processors = cpuinfo.lines().filter(|l| l.starts_with("processor")).count();

    let info = text(&["nodeinfo"]);
    let labels: Vec<&str> = info.lines().filter_map(|l| Some(l.split_once(':')?.0)).collect();
    assert_eq!(
        labels,
        [
            "CPU model",
            "CPU(s)",
            "CPU frequency",
            "CPU socket(s)",
            "Core(s) per socket",
            "Thread(s) per core",
            "NUMA cell(s)",
            "Memory size"
        ]
    );
    assert_eq!(fact(&info, "CPU(s):"), processors.to_string());
    assert_eq!(fact(&info, "Memory size:"), format!("{total} KiB"));
    assert_eq!(fact(&info, "CPU model:"), capture::output("uname", &["-m"]).trim());
    let product: usize = [
        "NUMA cell(s):",
        "CPU socket(s):",
        "Core(s) per socket:",
        "Thread(s) per core:",
    ]
    .map(|label| fact(&info, label).parse::<usize>().unwrap())
    .iter()
    .product();
    assert_eq!(product, processors, "{info}");

    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let map = text(&["nodecpumap", "--pretty"]);
    assert_eq!(fact(&map, "CPU map:"), online.trim(), "{map}");
    assert_eq!(fact(&map, "CPUs online:"), processors.to_string(), "{map}");

    let memory = text(&["nodememstats"]);
    assert_eq!(fact(&memory, "total  :"), format!("{total} KiB"));
    assert_eq!(memory.lines().filter(|l| l.len() == 33).count(), 4, "{memory}");
    host.run(&["nodememstats", "9999"]).refused(1, &["9999"]);
    let free = text(&["freecell", "--all"]);
    assert!(
        free.starts_with("    0: ") && free.contains("\n--------------------\nTotal: "),
        "{free}"
    );
    assert!(text(&["freecell"]).starts_with("Total: ") && text(&["freecell", "0"]).starts_with("0: "));

    let free = text(&["freepages", "--all"]);
    let sizes = fs::read_dir("/sys/devices/system/node/node0/hugepages").map_or(0, Iterator::count);
    let first = free.split("\n\n").next().unwrap();
    assert!(
        first.starts_with("Node 0:\n4KiB: ") && first.matches("KiB: ").count() == 1 + sizes,
        "{free}"
    );
    assert!(text(&["freepages", "0", "4"]).starts_with("4KiB: "));
    for (words, why) in [
        (&["freepages", "0", "3"][..], "page size 3 is not available on node 0"),
        (&["freepages", "9999", "4"], "node 9999"),
        (&["freepages"], "missing cellno"),
        (&["freepages", "0"], "missing pagesize"),
        (&["freepages", "0", "x"], "malformed"),
    ] {
        let said = host.run(words);
        assert!(said.code() != 0 && said.stderr.contains(why), "{said}");
    }

    let ticks = || -> u64 {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let words: Vec<u64> = stat
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|w| w.parse().unwrap())
            .collect();
        (words[0] + words[1]) * 10_000_000
    };
    let before = ticks();
    let told = text(&["nodecpustats"]);
    let user: u64 = fact(&told, "user:").parse().unwrap();
    assert!((before..=ticks()).contains(&user), "{told}");
    assert!(told.lines().filter(|l| !l.is_empty()).all(|l| l.len() == 36), "{told}");
    host.run(&["nodecpustats", "--cpu", "9999"])
        .refused(1, &["processor 9999"]);
    let percent = text(&["nodecpustats", "--percent"]);
    let share = |name: &str| fact(&percent, name).trim_end_matches('%').parse::<f64>().unwrap();
    let sum = share("user:") + share("system:") + share("idle:") + share("iowait:");
    assert!((sum - 100.0).abs() < 0.5, "{percent}");

    assert_eq!(text(&["hostname"]).trim(), capture::output("uname", &["-n"]).trim());
    assert_eq!(text(&["uri"]), "lxc:///\n\n");
    let version = text(&["version"]);
    let release = capture::output("uname", &["-r"]);
    let kernel = fact(&version, "Running hypervisor: LXC");
    assert!(
        release.starts_with(kernel) && kernel.split('.').count() >= 2,
        "{version}"
    );
    assert!(
        version.starts_with("lazaret ") && version.contains("\nUsing API: LXC "),
        "{version}"
    );

    let capabilities = text(&["capabilities"]);
    for element in ["<arch>x86_64</arch>", "<os_type>exe</os_type>", "<domain type='lxc'/>"] {
        assert!(capabilities.contains(element), "{element}: {capabilities}");
    }
    assert_eq!(capabilities.matches("<cpu id='").count(), processors, "{capabilities}");
    for verb in [
        "nodeinfo",
        "nodecpustats",
        "nodecpumap",
        "nodememstats",
        "freecell",
        "hostname",
        "uri",
        "version",
        "capabilities",
    ] {
        host.run(&[verb, "--json"]).ok().json();
    }
    host.nothing_is_left();
}

/// What `head` does once it has its lines, and here before anything is written: no command ever writes to somebody who reads.
#[test]
fn what_nobody_reads_any_more_ends_as_sigpipe_would_end_it_and_nothing_is_said() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, STAY, "", "");
    host.run(&["define", &file]).ok();
    let unread = |mut command: Command, input: &[u8]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have ended without reading it.
        let _ = child.stdin.take().unwrap().write_all(input);
        let said = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!((said.status.code(), told.as_str()), (Some(141), ""), "{shown}");
    };
    for words in [
        &["list"] as &[&str],
        &["list", "--json"],
        &["dumpxml", &name],
        &["version"],
        &["check"],
        &["generate", "completions", "bash"],
        &["audit", "log"],
        &["list", "--help"],
        &["event", "--all", "--timeout", "1"],
        // It is done, whoever reads that.
        &["autostart", &name],
    ] {
        unread(host.lazaret(words), b"");
    }
    for words in [
        &["list"] as &[&str],
        &["list; echo a"],
        &["help"],
        &["--help"],
        &["--version"],
    ] {
        unread(virsh(&host, words), b"");
    }
    unread(virsh(&host, &[]), b"list\n");
    assert!(host.run(&["list", "--all", "--autostart"]).ok().stdout.contains(&name));
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
