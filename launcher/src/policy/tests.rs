//! What a policy file may say, what is refused, and what comes of it.

use super::*;

fn ids(text: &str) -> Vec<Subordinate> {
    subordinates("/etc/subuid", text).unwrap()
}

#[test]
fn gives_out_roots_own_range_if_there_is_one() {
    let have = ids("user:100000:65536\nroot:1000000:1000000000\n");
    let policy = parse("", &have, &have).unwrap();
    assert_eq!((policy.first, policy.blocks), (1_000_000, 15255));
    assert!(policy.gives(IdBlock::new(1_000_000 + BLOCK).unwrap()));
    assert!(!policy.gives(IdBlock::new(1_000_001).unwrap()));
    assert!(!policy.gives(IdBlock::new(1000).unwrap()));
    assert!(!policy.gives(IdBlock::new(1_000_000 + 15255 * BLOCK).unwrap()));
}

#[test]
fn gives_out_ids_of_our_own_that_nobody_has() {
    let policy = parse("", &[], &[]).unwrap();
    assert_eq!(policy.first, OWN_FIRST);
    let taken = ids(&format!("somebody:{}:{}\n", OWN_FIRST, BLOCK));
    let policy = parse("", &taken, &[]).unwrap();
    assert_eq!(policy.first, OWN_FIRST + BLOCK);
}

#[test]
fn a_map_may_name_what_was_given_out_what_is_roots_and_what_a_line_says() {
    let (users, groups) = (
        ids("root:200000:1000\nroot:201000:1000\nme:300000:65536"),
        ids("0:400000:10"),
    );
    let policy = parse("map 500000 10", &users, &groups).unwrap();
    for (kind, first, last) in [
        (0, policy.first, policy.first + BLOCK * policy.blocks - 1),
        (0, 200_000, 201_999),
        (1, 400_000, 400_009),
        (0, 500_000, 500_009),
        (1, 500_000, 500_000),
    ] {
        assert_eq!(policy.not_mapped(kind, first, last), None, "{kind} {first} {last}");
    }
    for (kind, first, last, wrong) in [
        (0, 300_000, 300_000, 300_000),
        (0, 201_000, 202_000, 202_000),
        (1, 200_000, 200_000, 200_000),
        (0, 400_000, 400_000, 400_000),
        (0, 1000, 1000, 1000),
        (0, 500_005, 500_010, 500_010),
    ] {
        assert_eq!(
            policy.not_mapped(kind, first, last),
            Some(wrong),
            "{kind} {first} {last}"
        );
    }
    for bad in ["map 0 70000", "map 65535 10", "map 70000 0", "map 70000", "map x y"] {
        assert!(parse(bad, &[], &[]).is_err(), "{bad}");
    }
}

#[test]
fn refuses_ids_that_somebody_has() {
    let have = ids("user:2000000:65536\n");
    assert!(parse("ids 2000000 70000", &have, &[]).is_err());
    assert!(parse("ids 70000 1000", &[], &[]).is_err());
    assert!(parse("ids 0 70000", &[], &[]).is_err());
    assert!(parse("", &ids("user:1879048192:1\n"), &[]).is_err());
}

#[test]
fn refuses_what_it_does_not_know_with_the_line() {
    assert_eq!(parse("# comment\nfoo bar", &[], &[]).unwrap_err().line, 2);
    assert_eq!(parse("forwarding maybe", &[], &[]).unwrap_err().line, 1);
    assert_eq!(parse("root relative", &[], &[]).unwrap_err().line, 1);
    for bad in [
        "audit log",
        "audit /var/log/",
        "audit-required",
        "audit-required perhaps",
        "audit-sync 1",
        "capability NET_RAW",
        "capability NET_RAV a",
        "capability NET_RAW ../a",
        "seccomp .a",
        "unmask proc/keys a",
        "unmask /proc/keys",
    ] {
        assert_eq!(parse(bad, &[], &[]).unwrap_err().line, 1, "{bad}");
    }
    assert_eq!(parse("root /a/../etc", &[], &[]).unwrap_err().line, 1);
    assert!(subordinates("/etc/subuid", "a:b").is_err());
}

/// Every statement that the document shows, with words for values, is one, and no other.
#[test]
fn the_statements_are_those_of_the_document() {
    let document = include_str!("../../../SECURITY.md");
    let (_, after) = document.split_once("```text\n").unwrap();
    let (table, _) = after.split_once("```").unwrap();
    let values = [
        ("FIRST", "200000"),
        ("COUNT", "70000"),
        ("DIRECTORY", "/d"),
        ("NAME", "a"),
        ("NETWORK", "192.0.2.0/24"),
        ("PORT", "80"),
        ("FILE", "/f"),
        ("CAP", "NET_RAW"),
        ("PATH", "/proc/keys"),
        ("ID", "7"),
        ("SPACE", "net"),
        ("WHOSE", "host"),
    ];
    for line in table.lines() {
        let (mut statement, _) = line.split_once("  ").map(|(s, d)| (s.to_owned(), d)).unwrap();
        for (word, value) in values {
            statement = statement.replace(word, value);
        }
        assert!(parse(&statement, &[], &[]).is_ok(), "{statement}");
    }
    assert!(table.lines().count() > 4);
}

#[test]
fn deeds_are_on_record_unless_the_file_says_otherwise() {
    let log = |text: &str| {
        let audit = parse(text, &[], &[]).unwrap().audit;
        (audit.file, audit.required, audit.sync)
    };
    assert_eq!(log(""), (LOG.to_owned(), true, false));
    assert_eq!(
        log("audit /srv/log\naudit-required no\naudit-sync yes"),
        ("/srv/log".to_owned(), false, true)
    );
}

#[test]
fn consents_are_for_one_container_by_name() {
    let text = "capability net_raw my guest\ncapability CAP_CHOWN my guest\ncapability all b\nseccomp my guest\nunmask /proc/keys b";
    let policy = parse(text, &[], &[]).unwrap();
    let name = |n: &str| ContainerName::new(n).unwrap();
    assert_eq!(policy.capabilities_of(&name("my guest")), 1 << 13 | 1);
    assert_eq!(policy.capabilities_of(&name("b")), (1 << 41) - 1);
    assert_eq!(policy.capabilities_of(&name("c")), 0);
    assert_eq!(policy.own_filter, [name("my guest")]);
    assert_eq!(policy.unmasked, [("/proc/keys".to_owned(), name("b"))]);
}

#[test]
fn a_root_allows_what_lies_below_it_and_no_namesake() {
    let policy = parse("root /srv/\nroot /opt", &[], &[]).unwrap();
    assert_eq!(policy.root_of("/srv"), Some(("/srv/", "")));
    assert_eq!(policy.root_of("/srv/a"), Some(("/srv/", "/a")));
    assert_eq!(policy.root_of("/opt/x"), Some(("/opt", "/x")));
    assert!(policy.root_of("/srvx").is_none() && policy.root_of("/").is_none());
    assert!(!policy.named && parse("root named", &[], &[]).unwrap().named);
    assert!(parse("root /", &[], &[]).unwrap().root_of("/etc").is_some());
}

#[test]
fn without_a_root_line_only_the_usual_places_and_what_is_named_are_allowed() {
    let policy = parse("", &[], &[]).unwrap();
    assert!(policy.named);
    assert_eq!(policy.root_of("/srv/box"), Some(("/srv", "/box")));
    for path in [
        "/etc",
        "/root",
        "/srvx",
        "srv",
        "/",
        "/var/lib/lxc/a/rootfs",
        "/home/me/box",
    ] {
        assert!(policy.root_of(path).is_none(), "{path}");
    }
    let named = parse("root named", &[], &[]).unwrap();
    assert!(named.roots.is_empty() && named.root_of("/srv").is_none());
}

#[test]
fn no_usual_root_is_a_directory_of_the_systems() {
    for path in USUAL_ROOTS {
        assert_eq!(system_directory(path), None, "{path}");
        assert_eq!(system_directory(&format!("{path}/box")), None, "{path}");
    }
    assert_eq!(system_directory("/etc/ssl"), Some("/etc"));
    assert_eq!(system_directory("/var"), Some("/var"));
    for path in ["/etcx", "/var/lib/other", "/home/me/box", "/opt"] {
        assert_eq!(system_directory(path), None, "{path}");
    }
}

#[test]
fn a_device_is_given_by_its_path_to_one_container_and_to_be_written_or_not() {
    let policy = parse(
        "device /dev/sda a\ndevice /dev/sr0 b readonly\ndevice /dev/x readonly",
        &[],
        &[],
    )
    .unwrap();
    let name = |n: &str| ContainerName::new(n).unwrap();
    let gives = |of: &str, path: &str, writable| policy.gives_device(&name(of), path, writable);
    assert!(gives("a", "/dev/sda", true) && gives("a", "/dev/sda", false));
    assert!(!gives("b", "/dev/sda", false) && !gives("a", "/dev/sda1", false) && !gives("a", "/dev//sda", false));
    assert!(gives("b", "/dev/sr0", false) && !gives("b", "/dev/sr0", true));
    // A container may be called so.
    assert!(gives("readonly", "/dev/x", true));
    for bad in ["device sda a", "device /dev/sda", "device /dev/sda a/b"] {
        assert!(parse(bad, &[], &[]).is_err(), "{bad}");
    }
}

#[test]
fn a_link_is_lent_to_one_container() {
    let name = |n: &str| ContainerName::new(n).unwrap();
    let link = |n: &str| LinkName::new(n).unwrap();
    let policy = parse("lend eth1 my web\nlend eth2 b", &[], &[]).unwrap();
    assert!(policy.lends(&name("my web"), &link("eth1")) && policy.lends(&name("b"), &link("eth2")));
    assert!(!policy.lends(&name("b"), &link("eth1")) && !policy.lends(&name("web"), &link("eth1")));
    for bad in ["lend eth1", "lend eth%d web", "lend ../x web", "lend eth1 a/b"] {
        assert!(parse(bad, &[], &[]).is_err(), "{bad}");
    }
}

#[test]
fn a_comment_is_cut_off_and_no_word_is() {
    let policy = parse(
        "#root /a\nroot /srv/#box # where they lie\n  # root /b\nroot /c#\t#d\nseccomp web#1",
        &[],
        &[],
    )
    .unwrap();
    assert_eq!(policy.roots, ["/srv/#box", "/c#"]);
    assert_eq!(policy.root_of("/srv/other"), None);
    assert_eq!(policy.own_filter, [ContainerName::new("web#1").unwrap()]);
}
