//! What the host's policy allows, and what is allowed where it says nothing: what is refused is refused with the line that would allow it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tests::{Host, image, need_root};

const STAY: &str = "while :; do sleep 1000; done";

#[test]
fn a_root_that_a_definition_names_lies_where_roots_usually_do_or_where_the_policy_says() {
    need_root!();
    let host = Host::new();
    host.bare_policy("");
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let before = host.look();
    let line = format!("root {}", host.image().display());
    host.run(&["start", &name])
        .refused(1, &[&name, &format!("`{line}` in /etc/lazaret.policy")]);
    assert_eq!(host.look().added_since(&before), Vec::<String>::new());
    host.bare_policy(&line);
    host.run(&["start", &name]).ok();
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_usual_place_for_roots_needs_no_policy() {
    need_root!();
    let host = Host::new();
    host.bare_policy("");
    let above = format!("/srv/{}", host.name("usual"));
    fs::create_dir_all(&above).unwrap();
    fs::set_permissions(&above, fs::Permissions::from_mode(0o700)).unwrap();
    let root = format!("{above}/root");
    image::busybox(root.as_ref());
    // A link that leads out of there is none of them.
    symlink(host.image(), format!("{above}/out")).unwrap();
    let name = host.name("vm");
    let domain = |root: &str| {
        let xml = host.domain(&name, STAY, "", "");
        host.file("usual.xml", xml.replace(&host.image().display().to_string(), root))
    };
    let started = host.run(&["create", &domain(&root)]);
    host.run(&["destroy", &name]);
    let out = host.run(&["create", &domain(&format!("{above}/out"))]);
    fs::remove_dir_all(&above).unwrap();
    started.ok();
    out.refused(1, &["leads out of /srv"]);
}

#[test]
fn what_the_command_line_names_is_allowed_but_no_directory_of_the_systems_to_be_written() {
    need_root!();
    let host = Host::new();
    host.bare_policy("");
    host.once(&[], &["true"]).ok();
    let read = host
        .once(&["--bind", "/usr/lib:/mnt:ro"], &["cat", "/mnt/os-release"])
        .ok();
    assert!(!read.stdout.is_empty(), "{read}");
    for (bind, led) in [
        ("/etc:/mnt", "/etc"),
        ("/usr/local:/mnt", "/usr/local"),
        ("/root:/mnt:rw", "/root"),
    ] {
        let line = format!("`root {led}` in /etc/lazaret.policy");
        host.once(&["--bind", bind], &["true"]).refused(125, &[&line]);
    }
    // It is where a path leads that counts.
    let link = host.directory().join("files/link");
    symlink("/etc", &link).unwrap();
    host.once(&["--bind", &format!("{}:/mnt", link.display())], &["true"])
        .refused(125, &["`root /etc` in /etc/lazaret.policy"]);
    let down = host.directory().join("files/../../../../usr");
    host.once(&["--bind", &format!("{}:/mnt", down.display())], &["true"])
        .refused(125, &["`root /usr` in /etc/lazaret.policy"]);
}

#[test]
fn a_policy_that_says_where_roots_lie_is_not_widened_by_the_command_line() {
    need_root!();
    let host = Host::new();
    host.bare_policy("root /srv");
    host.once(&[], &["true"]).refused(125, &["root", "/etc/lazaret.policy"]);
    host.bare_policy(&format!("root {}", host.directory().display()));
    host.once(&[], &["true"]).ok();
}
