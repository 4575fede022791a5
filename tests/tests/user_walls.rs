//! What stands between an ordinary user's container and the user, and between one user and another: attacks that are tried.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use tests::ordinary::Users;
use tests::{capture, need_root, process};

const STAY: &str = "while :; do sleep 1000; done";

#[test]
fn a_containers_root_is_not_the_user_and_reaches_no_file_of_the_users() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let secret = user.file("secret", "secret\n");
    // Bound inside, so that only the file's own mode stands between.
    let bind = format!("{}:/mnt:ro", user.home().display());
    fs::set_permissions(user.home(), fs::Permissions::from_mode(0o755)).unwrap();
    let reads = "cat /mnt/secret; chmod 644 /mnt/secret; chown 0 /mnt/secret; cp /mnt/secret /tmp/x; cat /proc/1/root/mnt/secret; stat -c %u /mnt/secret";
    user.once(&["--bind", &bind, "--cap-add", "all"], &["sh", "-c", reads])
        .refused(125, &["nobody's consent"]);
    let said = user.once(&["--bind", &bind], &["sh", "-c", reads]);
    assert_eq!(said.stdout, "65534\n", "{said}");
    let writes = format!("{}:/mnt", user.home().display());
    user.once(&["--bind", &writes], &["true"]).refused(125, &["writable"]);
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret\n");
    fs::set_permissions(user.home(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_domains_root_with_all_it_may_have_does_not_become_the_user() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    user.file("secret", "secret\n");
    let tree = user.tree(0);
    fs::copy(env!("CARGO_BIN_EXE_attack"), format!("{tree}/bin/attack")).unwrap();
    user.run(&["create", &user.domain("vm", &tree, STAY, "")]).ok();
    let inside = |shell: &str| user.run(&["enter", "vm", "--", "sh", "-c", shell]);
    // The user's processes cannot be seen, and signalling everybody reaches nobody outside.
    let mut others = user.command("sleep").arg("1234").spawn().unwrap();
    let seen = inside("cat /proc/[0-9]*/cmdline").stdout;
    assert!(seen.contains("sleep") && !seen.contains("1234"), "{seen}");
    // Whoever says so may be reached itself.
    let _ = inside("kill -9 -1");
    assert!(others.try_wait().unwrap().is_none());
    assert_eq!(user.listed("vm")["state"], "running");
    let core = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let said = inside("echo b > /proc/sys/kernel/core_pattern");
    assert!(
        !said.status.success() && said.stderr.contains("Read-only file system"),
        "{said}"
    );
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), core);
    let said = inside("unshare -U true");
    assert!(!said.status.success() && said.stderr.contains("unshare"), "{said}");
    inside("unshare --help").ok();
    let said = inside("mknod /x b 254 0");
    assert!(
        !said.status.success() && said.stderr.contains("not permitted"),
        "{said}"
    );
    assert!(!std::path::Path::new(&format!("{tree}/x")).exists());
    let _ = others.kill();
    let _ = others.wait();
    for attack in ["unmount", "detach", "clear-read-only"] {
        for place in ["/proc/sys", "/proc/kcore", "/sys"] {
            assert_ne!(
                inside(&format!("attack {attack} {place}")).ok().stdout,
                "done\n",
                "{attack} {place}"
            );
        }
    }
    // A set-user-ID file of the container's is the container's outside as well: nobody else's.
    inside("cp /bin/busybox /suid; chmod 4755 /suid").ok();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(format!("{tree}/suid")).unwrap().uid(), user.root_of(0));
    user.run(&["destroy", "vm"]).ok();
}

#[test]
fn another_user_neither_sees_nor_enters_nor_ends_a_users_containers() {
    need_root!();
    let users = Users::new();
    let (one, two) = (users.first(), users.second());
    one.once(&["-d", "--name", "mine"], &["sleep", "1000"]).ok();
    assert!(two.listed("mine").is_null());
    for verb in [
        &["destroy", "mine"][..],
        &["enter", "mine", "--", "true"],
        &["console", "mine"],
        &["logs", "mine"],
        &["privileges", "mine"],
    ] {
        let said = two.run(verb);
        assert!(!said.status.success() && said.stdout.is_empty(), "{said}");
    }
    // Nor by way of the first one's directories, whatever their modes above.
    fs::set_permissions(one.home(), fs::Permissions::from_mode(0o755)).unwrap();
    for below in [".local", ".local/state", ".local/state/lazaret", ".config"] {
        fs::set_permissions(one.home().join(below), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = one.home().join(".local/state/lazaret/run");
    let run = run.to_str().unwrap();
    for verb in [
        &["list", "--all"][..],
        &["destroy", "mine"],
        &["enter", "mine", "--", "true"],
    ] {
        let mut words = vec!["--run-dir", run];
        words.extend(verb);
        two.run(&words)
            .refused(if verb[0] == "enter" { 125 } else { 1 }, &[run]);
    }
    // The kernel keeps the second one's processes out of the first one's.
    let pids = one.run(&["privileges", "mine", "--json"]).ok().json();
    for row in pids.as_array().unwrap() {
        let pid = row["pid"].to_string();
        for attack in [
            vec!["kill", "-9", &pid],
            vec!["nsenter", "--user", "--target", &pid, "true"],
            vec!["cat", &*format!("/proc/{pid}/environ")],
        ] {
            let said = capture::run(two.command(attack[0]).args(&attack[1..]), b"");
            assert!(!said.status.success() && said.stdout.is_empty(), "{said}");
        }
    }
    assert_eq!(one.listed("mine")["state"], "running");
    // The same name is another container of the second one's.
    two.once(&["-d", "--name", "mine"], &["sleep", "1000"]).ok();
    two.run(&["destroy", "mine"]).ok();
    assert_eq!(one.listed("mine")["state"], "running");
    one.run(&["destroy", "mine"]).ok();
    for user in [one, two] {
        user.run(&["undefine", "mine"]).ok();
    }
}

#[test]
fn two_users_containers_are_on_two_hosts() {
    need_root!();
    let users = Users::new();
    let (one, two) = (users.first(), users.second());
    one.once(&["-d", "--name", "mine"], &["sleep", "1000"]).ok();
    two.once(&["-d", "--name", "other"], &["sleep", "1000"]).ok();
    let host = |pid: &i32| process::namespace(*pid, "user");
    let of = |user: tests::ordinary::User<'_>| {
        let its = |pid: &i32| process::holding(*pid).is_some_and(|h| user.ids().contains(&h.uid[0]));
        users
            .processes()
            .iter()
            .filter(|p| its(p))
            .filter_map(host)
            .collect::<Vec<_>>()
    };
    let (first, second) = (of(one), of(two));
    // The host of each, and in it what its container has: none of the one is the other's.
    assert!(first.len() >= 2 && second.len() >= 2, "{first:?} {second:?}");
    assert!(!first.iter().any(|n| second.contains(n)), "{first:?} {second:?}");
    one.run(&["destroy", "mine"]).ok();
    two.run(&["destroy", "other"]).ok();
    one.run(&["undefine", "mine"]).ok();
    two.run(&["undefine", "other"]).ok();
}
