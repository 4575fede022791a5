//! What cannot be put on record is not done, unless the host's policy says so.

use tests::deeds::{deeds, is_whole};
use tests::{Host, need_root};

const STAY: &str = "while :; do sleep 1000; done";

/// Lays the log into a file system of its own that has little room, and takes what room there is.
fn on_a_full_disk(host: &Host, more: &str) {
    let place = host.directory().join("small");
    let script = "mkdir -p $1 && { mountpoint -q $1 || mount -t tmpfs -o size=256k,mode=700 tmpfs $1; } && dd if=/dev/zero of=$1/filler bs=1k 2>/dev/null; true";
    host.policy(&format!("audit {}/audit.log\n{more}", place.display()));
    host.inside("sh", &["-c", script, "sh", place.to_str().unwrap()]).ok();
}

/// Takes the file system away again.
fn put_away(host: &Host) {
    let place = host.directory().join("small");
    host.policy("");
    host.inside("umount", &[place.to_str().unwrap()]).ok();
}

fn make_room(host: &Host) {
    let place = host.directory().join("small/filler");
    host.inside("rm", &[place.to_str().unwrap()]).ok();
}

#[test]
fn what_cannot_be_put_on_record_is_not_done() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    on_a_full_disk(&host, "");
    make_room(&host);
    host.run(&["start", &name]).ok();
    on_a_full_disk(&host, "");
    // More than what is left of the log's last page.
    let long = format!("LONG={}", "x".repeat(8000));
    let said = host
        .once(&["--name", &host.name("full"), "--env", &long], &["touch", "/was-here"])
        .exits(125);
    assert!(
        said.stderr.contains("on record") && said.stderr.contains("space"),
        "{said}"
    );
    assert!(!host.image().join("was-here").exists());
    for verb in ["suspend", "destroy"] {
        let said = host.run(&[verb, &name]).exits(1);
        assert!(said.stderr.contains("on record"), "{said}");
        assert!(host.runs(&name));
    }
    host.run(&["enter", &name, "--", "touch", "/was-here"]).exits(125);
    assert!(!host.image().join("was-here").exists());
    make_room(&host);
    is_whole(&host);
    host.run(&["destroy", &name]).ok();
    is_whole(&host);
    host.run(&["undefine", &name]).ok();
    put_away(&host);
    host.nothing_is_left();
}

#[test]
fn what_cannot_be_put_on_record_is_done_where_the_policy_says_so() {
    need_root!();
    let host = Host::new();
    on_a_full_disk(&host, "audit-required no\naudit-sync no");
    assert_eq!(host.once(&[], &["echo", "hello"]).ok().stdout, "hello\n");
    make_room(&host);
    assert_eq!(host.once(&[], &["echo", "hello"]).ok().stdout, "hello\n");
    is_whole(&host);
    assert!(deeds(&host, &[]).iter().any(|d| d["outcome"] == "done"));
    put_away(&host);
}
