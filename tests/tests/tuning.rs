//! Limits are shown and changed, of what runs and of what is kept; the kernel's own files are asked each time, and the next start.

use std::fs;
use tests::{Host, kernel, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";

/// What the kernel says in the first of these files that a container's groups have: version 1's, then version 2's.
fn kernel_says(name: &str, files: [&str; 2]) -> String {
    let groups = kernel::groups_of(name);
    let tops = groups.iter().filter(|g| g.ends_with(name));
    let read = tops
        .flat_map(|g| files.map(|f| g.join(f)))
        .find_map(|f| fs::read_to_string(f).ok());
    read.unwrap_or_else(|| panic!("{name} has none of {files:?} in {groups:?}"))
        .trim_end()
        .to_owned()
}

fn memory(name: &str) -> u64 {
    kernel_says(name, ["memory.limit_in_bytes", "memory.max"])
        .parse()
        .expect("a number")
}

fn defined(host: &Host, name: &str, more: &str) {
    host.run(&["define", &host.domain_file(name, STAY, more, "")]).ok();
}

#[test]
fn memory_is_set_while_it_runs_and_for_the_next_start() {
    need_root!();
    let host = Host::new();
    let name = &host.name("vm");
    defined(&host, name, "");
    host.run(&["start", name]).ok();
    assert_eq!(memory(name), 64 << 20);
    host.run(&["setmem", name, "32M"]).ok();
    assert_eq!(memory(name), 32 << 20);
    // What runs and what is kept are told apart.
    assert!(
        host.run(&["dumpxml", name])
            .ok()
            .stdout
            .contains("<currentMemory unit='KiB'>32768<")
    );
    assert!(
        host.run(&["dumpxml", name, "--inactive"])
            .ok()
            .stdout
            .contains("<currentMemory unit='KiB'>65536<")
    );
    let inside = host
        .run(&["enter", name, "--", "grep", "MemTotal", "/proc/meminfo"])
        .ok()
        .stdout;
    assert!(inside.contains(" 32768 kB"), "{inside}");
    host.run(&["setmem", name, "128M", "--live"])
        .refused(1, &["65536", "setmaxmem"]);
    host.run(&["setmaxmem", name, "128M", "--live"])
        .refused(1, &["--config"]);
    assert_eq!(memory(name), 32 << 20);
    host.run(&["setmaxmem", name, "128M", "--config"]).ok();
    host.run(&["destroy", name]).ok();
    host.run(&["start", name]).ok();
    assert_eq!(memory(name), 128 << 20);
    for bad in ["0", "-1", "x", "1Q", "99999999999999999999"] {
        host.run(&["setmem", name, bad]).exits(2);
    }
    host.run(&["setmem", name, "4"]).refused(1, &["memory"]);
    assert_eq!(memory(name), 128 << 20, "what is refused changes nothing");
}

#[test]
fn memtune_shows_and_sets_each_limit() {
    need_root!();
    let host = Host::new();
    let name = &host.name("vm");
    defined(&host, name, "");
    let shown = |host: &Host| host.run(&["memtune", name]).ok().stdout;
    let unlimited = "hard_limit     : unlimited\nsoft_limit     : unlimited\nswap_hard_limit: unlimited\n";
    assert_eq!(shown(&host), unlimited);
    host.run(&[
        "memtune",
        name,
        "--hard-limit",
        "48M",
        "--soft-limit",
        "16384",
        "--swap-hard-limit",
        "96M",
    ])
    .ok();
    let set = "hard_limit     : 49152\nsoft_limit     : 16384\nswap_hard_limit: 98304\n";
    assert_eq!(shown(&host), set);
    host.run(&["start", name]).ok();
    assert_eq!((shown(&host).as_str(), memory(name)), (set, 48 << 20));
    assert_eq!(
        kernel_says(name, ["memory.soft_limit_in_bytes", "memory.high"]),
        (16 << 20).to_string()
    );
    // Up and down again: the kernel never lets memory have more than memory and swap.
    for (hard, swap) in [("128M", "256M"), ("32M", "40M")] {
        host.run(&[
            "memtune",
            name,
            "--hard-limit",
            hard,
            "--swap-hard-limit",
            swap,
            "--live",
        ])
        .ok();
    }
    assert_eq!(memory(name), 32 << 20);
    let both = kernel_says(name, ["memory.memsw.limit_in_bytes", "memory.swap.max"])
        .parse::<u64>()
        .expect("a number");
    assert!([40 << 20, 8 << 20].contains(&both), "{both}");
    host.run(&["memtune", name, "--soft-limit", "-1"]).ok();
    assert!(shown(&host).contains("soft_limit     : unlimited"));
    host.run(&["memtune", name, "--swap-hard-limit", "1M"])
        .refused(1, &["1024 KiB", "32768 KiB"]);
    assert_eq!(
        host.run(&["memtune", name, "--json", "--config"]).ok().json()["hard_limit_kib"],
        49152
    );
    // Without a hard limit the memory is the limit.
    host.run(&[
        "memtune",
        name,
        "--hard-limit",
        "-1",
        "--swap-hard-limit",
        "-1",
        "--live",
        "--config",
    ])
    .ok();
    assert_eq!(memory(name), 64 << 20);
    assert!(
        !host
            .run(&["dumpxml", name, "--inactive"])
            .ok()
            .stdout
            .contains("hard_limit")
    );
}

#[test]
fn schedinfo_shows_and_sets_what_a_container_gets_of_the_processors() {
    need_root!();
    let host = Host::new();
    let name = &host.name("vm");
    defined(&host, name, "");
    let shares = || kernel_says(name, ["cpu.shares", "cpu.weight"]);
    let lines = "Scheduler      : posix\ncpu_shares     : 0\nvcpu_period    : 0\nvcpu_quota     : 0\n";
    assert_eq!(host.run(&["schedinfo", name]).ok().stdout, lines);
    host.run(&["schedinfo", name, "--set", "cpu_shares=512", "--live"])
        .refused(1, &[name, "not running"]);
    host.run(&["schedinfo", name, "--set", "cpu_shares=512", "--config"])
        .ok();
    host.run(&["start", name]).ok();
    assert!(["512", "20"].contains(&shares().as_str()), "{}", shares());
    let said = host
        .run(&["schedinfo", name, "vcpu_period=50000", "vcpu_quota=25000"])
        .ok()
        .stdout;
    assert!(
        said.contains("vcpu_period    : 50000\nvcpu_quota     : 25000\n"),
        "{said}"
    );
    let quota = kernel_says(name, ["cpu.cfs_quota_us", "cpu.max"]);
    assert!(["25000", "25000 50000"].contains(&quota.as_str()), "{quota}");
    assert!(
        host.run(&["schedinfo", name, "--config"])
            .ok()
            .stdout
            .contains("vcpu_quota     : 0\n")
    );
    for bad in [
        "cpu_shares=1",
        "vcpu_period=5",
        "vcpu_quota=0",
        "emulator_quota=1",
        "cpu_shares",
    ] {
        host.run(&["schedinfo", name, bad]).exits(2);
    }
}

#[test]
fn a_container_without_a_definition_is_tuned_while_it_runs_and_every_change_is_on_record() {
    need_root!();
    let host = Host::new();
    let name = &host.name("once");
    host.once(&["--name", name, "--memory", "64M", "-d"], &["sleep", "1000"])
        .ok();
    host.run(&["setmem", name, "16M"]).ok();
    assert_eq!(memory(name), 16 << 20);
    host.run(&["setmem", name, "16M", "--config"])
        .refused(1, &[name, "definition"]);
    host.run(&["memtune", name, "--hard-limit", "32M", "--config", "--live"])
        .refused(1, &[name, "definition"]);
    assert_eq!(memory(name), 16 << 20);
    let deeds = host.run(&["audit", "log", "--json", "--verb", "limit"]).ok().stdout;
    assert!(deeds.contains(name), "{deeds}");
    host.run(&["destroy", name]).ok();
    for stopped in [&["setmem", name, "16M"][..], &["memtune", name], &["schedinfo", name]] {
        host.run(stopped).refused(1, &[name, "definition"]);
    }
}

#[test]
fn input_and_output_are_limited_by_device_while_it_runs_and_for_the_next_start() {
    need_root!();
    let host = Host::new();
    let name = &host.name("vm");
    defined(&host, name, "");
    let partitions = fs::read_to_string("/proc/partitions").expect("the kernel has a list of block devices");
    let disk = partitions
        .lines()
        .filter_map(|l| l.split_whitespace().nth(3))
        .find(|d| fs::metadata(format!("/sys/block/{d}")).is_ok() && fs::metadata(format!("/dev/{d}")).is_ok());
    let Some(disk) = disk else {
        skip!("this machine has no disk whose input could be limited");
    };
    let number = fs::read_to_string(format!("/sys/block/{disk}/dev")).expect("a device has a number");
    let (number, disk) = (number.trim(), format!("/dev/{disk}"));
    let shown = |arguments: &[&str]| host.run(&[&["blkiotune", name], arguments].concat()).ok().stdout;
    let none = "weight         : 0\ndevice_weight  : \ndevice_read_iops_sec: \ndevice_write_iops_sec: \ndevice_read_bytes_sec: \ndevice_write_bytes_sec: \n\n";
    assert_eq!(shown(&[]), none);
    shown(&["--device-read-bytes-sec", &format!("{disk},1048576")]);
    shown(&["--device-write-iops-sec", &format!("{disk},77"), "--config"]);
    assert!(shown(&[]).contains(&format!("device_read_bytes_sec: {disk},1048576\n")));
    host.run(&["start", name]).ok();
    let says = |word: &str, files: [&str; 2]| {
        let text = kernel_says(name, files);
        text.lines().any(|l| {
            l.starts_with(&format!("{number} ")) && l.split(' ').any(|w| w == word || w.ends_with(&format!("={word}")))
        })
    };
    let (read, written) = (
        ["blkio.throttle.read_bps_device", "io.max"],
        ["blkio.throttle.write_iops_device", "io.max"],
    );
    assert!(says("1048576", read) && says("77", written));
    shown(&[
        "--device-read-bytes-sec",
        &format!("{disk},2097152"),
        "--device-write-iops-sec",
        &format!("{disk},0"),
        "--live",
    ]);
    assert!(says("2097152", read) && !says("77", written));
    assert!(
        shown(&["--config"]).contains(&format!("device_write_iops_sec: {disk},77\n")),
        "what is kept is another"
    );
    assert!(shown(&[]).contains(&format!("device_read_bytes_sec: {disk},2097152\n")));
    // All of it or nothing, and what cannot be said changes nothing.
    host.run(&[
        "blkiotune",
        name,
        "--device-read-bytes-sec",
        &format!("{disk},5,/dev/null,7"),
        "--live",
    ])
    .refused(1, &["/dev/null"]);
    host.run(&[
        "blkiotune",
        name,
        "--device-write-iops-sec",
        &format!("{disk},4294967296"),
    ])
    .refused(1, &["4294967295"]);
    assert!(says("2097152", read) && !says("5", read));
    for bad in ["9", "1001", "x", "-1"] {
        host.run(&["blkiotune", name, "--weight", bad]).exits(2);
    }
    for bad in ["sda,5", "/dev/x", "/dev/x,y", "/dev/x,-1", "/dev/x,1,/dev/x,2"] {
        host.run(&["blkiotune", name, "--device-weights", bad]).exits(2);
    }
    assert_eq!(
        host.run(&["blkiotune", name, "--json"]).ok().json()["device_read_bytes_sec"][&disk],
        2_097_152
    );
    host.run(&["destroy", name]).ok();
    host.run(&["blkiotune", name, "--weight", "500", "--live"])
        .refused(1, &["running"]);
    host.run(&["blkiotune", &host.name("nobody")]).refused(1, &["nobody"]);
}

#[test]
fn memory_nodes_are_held_by_the_group_in_both_modes_that_say_so() {
    need_root!();
    let host = Host::new();
    let name = &host.name("nodes");
    for mode in ["strict", "restrictive"] {
        let numa = |nodes: &str| format!("<numatune><memory mode='{mode}' nodeset='{nodes}'/></numatune>");
        defined(&host, name, &numa("0"));
        let shown = host.run(&["dumpxml", name]).ok().stdout;
        assert!(
            shown.contains(&format!("    <memory mode='{mode}' nodeset='0'/>\n")),
            "{shown}"
        );
        let said = host.run(&["start", name]);
        if said.code() != 0 && said.stderr.to_lowercase().contains("controller cpuset limits") {
            host.run(&["undefine", name]).ok();
            skip!("the cpuset controller cannot be used here: {}", said.stderr.trim());
        }
        said.ok();
        assert_eq!(kernel_says(name, ["cpuset.mems", "cpuset.mems"]), "0", "{mode}");
        host.run(&["destroy", name]).ok();
        defined(&host, name, &numa("900"));
        host.run(&["start", name]).refused(1, &[name, "900"]);
        let file = host.domain_file(name, STAY, &numa("x"), "");
        host.run(&["define", &file]).refused(1, &["a list of memory nodes"]);
        host.run(&["undefine", name]).ok();
    }
    host.nothing_is_left();
}

#[test]
fn memory_comes_from_the_nodes_that_are_named_and_so_does_that_of_who_enters() {
    need_root!();
    if fs::metadata("/proc/self/numa_maps").is_err() {
        skip!("this kernel has no memory nodes");
    }
    let host = Host::new();
    let name = &host.name("nodes");
    for (mode, seen) in [("interleave", "interleave:0"), ("preferred", "prefer:0")] {
        let numa = |nodes: &str| format!("<numatune><memory mode='{mode}' nodeset='{nodes}'/></numatune>");
        defined(&host, name, &numa("0"));
        let shown = host.run(&["dumpxml", name]).ok().stdout;
        assert!(
            shown.contains(&format!("    <memory mode='{mode}' nodeset='0'/>\n")),
            "{shown}"
        );
        assert!(host.run(&["plan", name]).ok().stdout.contains("node"), "{mode}");
        host.run(&["start", name]).ok();
        let first = host.pid_1(name).expect("it runs");
        let map = fs::read_to_string(format!("/proc/{first}/numa_maps")).expect("its first process");
        assert!(map.lines().all(|l| l.contains(seen)), "{mode}: {map}");
        let inside = host
            .run(&["enter", name, "--", "cat", "/proc/self/numa_maps"])
            .ok()
            .stdout;
        assert!(
            inside.contains(seen) && !inside.contains(" default "),
            "{mode}: {inside}"
        );
        host.run(&["destroy", name]).ok();
        // A node that is not there.
        defined(&host, name, &numa("900"));
        host.run(&["start", name]).refused(1, &[name, "900"]);
        assert!(kernel::groups_of(name).is_empty());
        host.run(&["undefine", name]).ok();
    }
    defined(
        &host,
        name,
        "<numatune><memory mode='preferred' nodeset='0-1'/></numatune>",
    );
    host.run(&["start", name]).refused(1, &["single node"]);
    let file = host.domain_file(
        name,
        STAY,
        "<numatune><memory mode='first' nodeset='0'/></numatune>",
        "",
    );
    host.run(&["define", &file])
        .refused(1, &["strict, preferred, interleave"]);
    host.run(&["undefine", name]).ok();
    host.nothing_is_left();
}
