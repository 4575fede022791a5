//! System calls: by every number, through every door, with every number that the kernel takes for a denied one. What the filters of both
//! profiles let through is what their texts say.

use policies::verdict::{Verdict, X86_64, verdict};
use std::collections::BTreeMap;
use tests::ways::Way;
use tests::{Ground, need_root};
use wire::init::Profile;

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

fn filters(way: Way) -> &'static [&'static [sys::seccomp::Instruction]] {
    policies::payload(if way.is_system() { Profile::System } else { Profile::App }).filters
}

/// The calls that end, stop or jump, and those that the kernel answers before any filter (uretprobe, uprobe).
const NOT_TOLD: [u32; 4] = [15, 219, 335, 336];

/// CVE-2021-41133: a deny-list that did not know the newer mount calls. Each number from 0 to 600 meets what the filter's text says.
#[test]
fn cve_2021_41133_every_call_from_0_to_600_meets_what_the_policy_says() {
    need_root!();
    let ground = ground();
    for (way, said) in ground.everywhere("attack every-call") {
        let lines: Vec<&str> = said.stdout.lines().filter(|l| *l != "done").collect();
        assert_eq!(lines.len(), 600, "{way:?}: {said}");
        let mut reached = 0;
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let number: u32 = words[0].parse().unwrap();
            if NOT_TOLD.contains(&number) {
                continue;
            }
            for (value, found) in [(u64::MAX, words[1]), (0, words[2])] {
                match verdict(filters(way), X86_64, number, [value; 6]) {
                    Verdict::Allowed => {
                        assert_ne!(found, "Ended(31)", "{way:?} {line}");
                        reached += 1;
                    }
                    Verdict::Fails(errno) => {
                        let errno = nix::errno::Errno::from_raw(errno.cast_signed());
                        assert_eq!(found, format!("{errno:?}"), "{way:?}: {line}");
                    }
                    Verdict::Killed => assert_eq!(found, "Ended(31)", "{way:?}: {line}"),
                }
            }
        }
        assert!(reached > 400, "{way:?}: {reached}");
    }
}

/// CVE-2019-10063, CVE-2019-7303: a filter that compared 64 bits where the kernel takes 32. CVE-2023-28100:
/// TIOCLINUX. CVE-2017-5226: TIOCSTI.
#[test]
fn cve_2019_10063_no_number_that_the_kernel_takes_for_tiocsti_or_tioclinux_passes() {
    need_root!();
    let ground = ground();
    for (way, said) in ground.everywhere("attack push x") {
        assert_eq!(said.stdout, "refused\n", "{way:?}: {said}");
    }
}

/// CVE-2026-31431 and every filter that was passed through the 32-bit door: socketcall, clone into a user namespace, loading a module.
#[test]
fn cve_2026_31431_the_32_bit_and_the_x32_door_are_shut() {
    need_root!();
    let ground = ground();
    // 32-bit numbers: getpid, socketcall(SYS_SOCKET), socket(AF_ALG), clone(NEWUSER), unshare, mount, ioctl(TIOCSTI), finit_module.
    let script = "for c in '20' '102 1 0' '359 38 5 0' '120 0x10000011' '310 0x10000000' '21 0 0 0 0 0' '54 0 0x5412 x' '350 0 0 0'; do \
        attack int80 $c; done; for n in 0x40000027 0x40000029 0x40000038 0x40000110 0x400000a5 0x4000020a; do attack call $n 0 0 0; done";
    for (way, said) in ground.everywhere(script) {
        let lines: Vec<&str> = said.stdout.lines().collect();
        assert_eq!(lines.len(), 14, "{way:?}: {said}");
        for line in lines {
            assert_eq!(line, "signal 31", "{way:?}: {said}");
        }
    }
}

/// CVE-2020-14386, CVE-2026-31431: socket families that a container has no need of are refused by policy, whatever the kernel has.
#[test]
fn cve_2020_14386_only_the_socket_families_that_are_listed_can_be_made() {
    need_root!();
    let ground = ground();
    let allowed = |way: Way, family: u64, kind: u64, protocol: u64| {
        verdict(filters(way), X86_64, 41, [family, kind, protocol, 0, 0, 0]) == Verdict::Allowed
    };
    for way in Way::ALL {
        // What the text must say: local, internet and two kinds of netlink, and of the rest none.
        for (family, protocol) in (0..50).flat_map(|f| (0..25).map(move |p| (f, p))) {
            let expected = match family {
                1 | 2 | 10 => true,
                16 => protocol == 0 || protocol == 15,
                _ => false,
            };
            assert_eq!(
                allowed(way, family, 3, protocol),
                expected,
                "{way:?}: family {family} protocol {protocol}"
            );
        }
    }
    // And what the kernel then says: packet, AF_ALG, vsock, key, xdp, netfilter, audit.
    for (way, said) in ground.everywhere(
        "for s in '17 3 0x0300' '17 2 0' '38 5 0' '40 1 0' '15 3 2' '44 3 0' '16 3 12' '16 3 9' '16 3 6' '29 3 1'; do attack call 41 $s; done",
    ) {
        let lines: Vec<&str> = said.stdout.lines().collect();
        assert_eq!(lines.len(), 10, "{way:?}: {said}");
        assert!(
            lines.iter().all(|l| ["EPERM", "EAFNOSUPPORT", "ENOSYS"].contains(l)),
            "{way:?}: {said}"
        );
    }
}

/// CVE-2022-0185, CVE-2024-1086, CVE-2023-0386: the kernel's larger surfaces, most of them reached through a user namespace of one's own.
#[test]
fn cve_2022_0185_no_user_namespace_and_none_of_the_larger_surfaces() {
    need_root!();
    let ground = ground();
    // Name, call and arguments; then whether the system profile has it, bounded by the container's own namespaces.
    let attempts: BTreeMap<&str, (&str, bool)> = BTreeMap::from([
        ("unshare-user", ("272 0x10000000", false)),
        ("clone-user", ("56 0x10000011 0 0 0 0", false)),
        ("clone3", ("435 -1 88", false)),
        ("fsopen-ext4", ("430 ext4 0", false)),
        ("io_uring_setup", ("425 8 -1", false)),
        ("userfaultfd", ("323 0", false)),
        ("userfaultfd-user", ("323 1", false)),
        ("bpf", ("321 0 -1 144", false)),
        ("perf_event_open", ("298 -1 0 -1 -1 0", false)),
        ("add_key", ("248 user canary x 1 0xfffffffd", false)),
        ("request_key", ("249 user canary 0 0", false)),
        ("keyctl", ("250 0 0xfffffffd 0", false)),
        ("open_by_handle_at", ("304 3 -1 0", false)),
        ("init_module", ("175 -1 0 0", false)),
        ("finit_module", ("313 -1 0 0", false)),
        ("kexec_load", ("246 0 0 0 0", false)),
        ("fanotify_init", ("300 0 0", false)),
        ("quotactl", ("179 -1 0 0 0", false)),
        ("syslog", ("103 3 0 0", false)),
    ]);
    let script: Vec<String> = attempts
        .iter()
        .map(|(name, (call, _))| format!("echo {name} $(attack call {call})"))
        .collect();
    for (way, said) in ground.everywhere(&script.join("\n")) {
        let lines: Vec<&str> = said.stdout.lines().collect();
        assert_eq!(lines.len(), attempts.len(), "{way:?}: {said}");
        for line in lines {
            let (name, answer) = line.split_once(' ').unwrap();
            // In a domain fsopen is allowed, and the kernel itself refuses a file system of a device; a nested user namespace is over the limit.
            let refused: &[&str] = match (name, way.is_system()) {
                ("fsopen-ext4", true) => &["EPERM", "ENODEV", "done"],
                ("unshare-user" | "clone-user", true) => &["EPERM", "ENOSPC"],
                _ => &["EPERM", "ENOSYS"],
            };
            assert!(refused.contains(&answer), "{way:?}: {name}: {answer}");
        }
    }
    let script = "mkdir -p /tmp/m; for t in ext4 xfs btrfs erofs squashfs; do attack fresh /tmp/m $t; done; nft list tables 2>&1; echo end";
    ground.refused_everywhere(script);
}

/// The host's keys: neither those of the session in which `lazaret` was called, nor a sight of them.
#[test]
fn no_key_of_the_hosts_is_found_inside() {
    need_root!();
    let ground = ground();
    // The number of the session keyring is asked for, and a key searched in it, in the caller's, and by its description.
    let script = "attack call 250 0 0xfffffffd 1; attack call 250 10 0xfffffffd user canary 0; attack call 250 10 0xfffffffc user canary 0; \
        attack call 249 user canary 0 0; echo keys $(cat /proc/keys | wc -l)";
    for (way, said) in ground.everywhere(script) {
        assert_eq!(said.stdout, "EPERM\nEPERM\nEPERM\nEPERM\nkeys 0\n", "{way:?}: {said}");
    }
}
