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
    // It is where a path leads that counts: by a link of root's, and by none that a container may have laid.
    host.inside("ln", &["-s", "/usr/local", "/etc/led"]).ok();
    host.once(&["--bind", "/etc/led:/mnt"], &["true"])
        .refused(125, &["`root /usr/local` in /etc/lazaret.policy"]);
    let link = host.directory().join("files/link");
    symlink("/etc", &link).unwrap();
    let said = format!(
        "{} is a symbolic link where a container may have laid it",
        link.display()
    );
    host.once(&["--bind", &format!("{}:/mnt", link.display())], &["true"])
        .refused(125, &[&said, "name the place that it leads to"]);
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

#[test]
fn an_id_map_names_no_ids_that_the_host_gave_to_others() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    // Of no test's pool, and not where an installed Lazaret begins.
    let foreign = 0x7100_0000 + (std::process::id() % 10_000) * 1000;
    let first = host.ids().start + 16;
    let map = |uid: u32, gid: u32| {
        format!(
            "<idmap><uid start='0' target='{uid}' count='1000'/><gid start='0' target='{gid}' count='1000'/></idmap>"
        )
    };
    let line = format!("map {foreign} 1000");
    let refused = [format!("`{line}` in /etc/lazaret.policy")];
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    host.run(&["create", &host.domain_file(&name, STAY, &map(foreign, first), "")])
        .refused(1, &[&refused[..], &["uid"]].concat());
    let file = host.domain_file(&name, STAY, &map(first, foreign), "");
    host.run(&["create", &file])
        .refused(1, &[&refused[..], &["gid"]].concat());
    host.nothing_is_left();
    host.policy(&line);
    host.run(&["create", &file]).ok();
    let pid = host.pid_1(&name).unwrap();
    let map = fs::read_to_string(format!("/proc/{pid}/gid_map")).unwrap();
    assert_eq!(
        map.split_whitespace().collect::<Vec<_>>(),
        ["0", &foreign.to_string(), "1000"]
    );
    host.run(&["destroy", &name]).ok();
    // What is root's own in /etc/subgid needs no line.
    host.policy("");
    let own = format!("printf 'root:{foreign}:1000\\n' > /etc/subgid");
    host.inside("sh", &["-c", &own]).ok();
    host.run(&["create", &file]).ok();
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_host_end_has_an_address_only_where_the_policy_gives_a_network_for_it() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let device = "<interface type='ethernet'><source><ip address='10.78.0.1' family='ipv4' prefix='24'/></source>\
        <ip address='10.78.0.2' family='ipv4' prefix='24'/><target dev='lzalone0'/></interface>";
    let file = host.domain_file(&name, STAY, "", device);
    host.run(&["create", &file])
        .refused(1, &["`address 10.78.0.1/24` in /etc/lazaret.policy"]);
    host.nothing_is_left();
    host.policy("address 10.78.0.0/16");
    host.run(&["create", &file]).ok();
    let shown = host.inside("ip", &["addr", "show", "lzalone0"]).ok().stdout;
    assert!(shown.contains("10.78.0.1/24"), "{shown}");
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_bridge_is_any_but_lazarets_own_until_the_policy_says_which() {
    need_root!();
    let host = Host::new();
    for bridge in ["hostbr0", "hostbr1"] {
        host.inside("ip", &["link", "add", bridge, "type", "bridge"]).ok();
    }
    let create = |bridge: &str| {
        let name = host.name("vm");
        let device = format!("<interface type='bridge'><source bridge='{bridge}'/></interface>");
        let said = host.run(&["create", &host.domain_file(&name, STAY, "", &device)]);
        host.run(&["destroy", &name]);
        said
    };
    create("hostbr0").ok();
    create("lzr0").refused(1, &["Lazaret's own"]);
    host.policy("bridge hostbr0");
    create("hostbr0").ok();
    create("hostbr1").refused(1, &["`bridge hostbr1` in /etc/lazaret.policy"]);
    host.policy("bridge none");
    create("hostbr0").refused(1, &["`bridge hostbr0` in /etc/lazaret.policy"]);
    for bridge in ["hostbr0", "hostbr1"] {
        host.inside("ip", &["link", "del", bridge]).ok();
    }
}

#[test]
fn the_hosts_network_is_not_shared_where_the_policy_says_no() {
    need_root!();
    let host = Host::new();
    host.once(&["--network", "host"], &["true"]).ok();
    host.policy("host-network no");
    host.once(&["--network", "host"], &["true"])
        .refused(125, &["`host-network no`"]);
}

#[test]
fn ports_are_published_where_the_policy_says_if_it_says_so() {
    need_root!();
    let host = Host::new();
    let publish = |port: &str| host.once(&["--network", "default", "--publish", port], &["true"]);
    publish("8080:80").ok();
    host.policy("publish 8000-8079");
    publish("8079:80").ok();
    publish("8080:80").refused(125, &["`publish 8080` in /etc/lazaret.policy"]);
    publish("8079:80/udp").refused(125, &["`publish 8079/udp` in /etc/lazaret.policy"]);
    host.policy("publish none");
    publish("8079:80").refused(125, &["`publish 8079` in /etc/lazaret.policy"]);
}

#[test]
fn one_port_of_the_hosts_leads_to_one_container() {
    need_root!();
    let host = Host::new();
    host.inside("ip", &["address", "add", "192.0.2.1/32", "dev", "lo"]).ok();
    let start = |word: &str, publish: &str| {
        let name = host.name(word);
        let options = [
            "-d",
            "--rm",
            "--name",
            &name,
            "--network",
            "default",
            "--publish",
            publish,
        ];
        let arguments = host.once_arguments(&options, &["sleep", "1000"]);
        host.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    start("first", "8080:80").ok();
    for taken in ["8080:81", "192.0.2.1:8080:80"] {
        start("second", taken).refused(125, &["TCP port 8080", "another container"]);
    }
    assert!(host.listed(&host.name("second")).is_null() && host.runs(&host.name("first")));
    start("third", "8080:80/udp").ok();
    host.run(&["destroy", &host.name("first")]).ok();
    start("second", "8080:80").ok();
}

#[test]
fn a_name_is_one_containers_across_state_directories() {
    need_root!();
    let host = Host::new();
    let name = host.name("same");
    let file = host.domain_file(&name, STAY, "", "");
    host.run(&["create", &file]).ok();
    let pid = host.pid_1(&name).unwrap();
    host.run(&["suspend", &name]).ok();
    let other = host.directory().join("other");
    let other = other.to_str().unwrap();
    let elsewhere = |arguments: &[&str]| host.run(&[&["--run-dir", other], arguments].concat());
    elsewhere(&["create", &file]).refused(1, &[&name, "another state directory"]);
    // The first is as it was: there, and frozen still.
    assert_eq!(
        (host.pid_1(&name), &host.listed(&name)["state"]),
        (Some(pid), &serde_json::json!("paused"))
    );
    let freezer = tests::kernel::groups_of(&name)
        .iter()
        .map(|g| g.join("payload"))
        .find_map(|group| {
            let v1 = || {
                fs::read_to_string(group.join("freezer.state"))
                    .ok()
                    .map(|t| t.trim() == "FROZEN")
            };
            let v2 = || {
                fs::read_to_string(group.join("cgroup.freeze"))
                    .ok()
                    .map(|t| t.trim() == "1")
            };
            v1().or_else(v2).filter(|frozen| *frozen)
        });
    assert_eq!(freezer, Some(true));
    host.run(&["destroy", &name]).ok();
    elsewhere(&["create", &file]).ok();
    host.run(&["create", &file])
        .refused(1, &[&name, "another state directory"]);
    elsewhere(&["destroy", &name]).ok();
    fs::remove_dir_all(other).unwrap();
    host.nothing_is_left();
}

#[test]
fn host_root_is_mapped_with_the_policys_consent_and_shows_in_every_listing() {
    need_root!();
    let host = Host::new();
    let name = host.name("consented");
    let map = "<idmap><uid start='0' target='0' count='1000'/><gid start='0' target='0' count='1000'/></idmap>";
    let file = host.domain_file(&name, STAY, map, "");
    host.run(&["define", &file]).ok();
    let before = host.look();
    host.run(&["start", &name])
        .refused(1, &[&name, "host id 0", "/etc/lazaret.policy"]);
    assert_eq!(host.look().added_since(&before), Vec::<String>::new());
    host.policy(&format!("host-root {name}"));
    host.run(&["start", &name]).ok();
    let pid = host.pid_1(&name).unwrap();
    for file in ["uid_map", "gid_map"] {
        let map = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "0", "1000"], "{file}");
    }
    let uid = tests::process::holding(pid).unwrap().uid;
    assert_eq!(uid, [0; 4]);
    for listing in [&["list"][..], &["list", "--all"], &["dominfo", &name]] {
        let said = host.run(listing).ok();
        assert!(said.stdout.to_lowercase().contains("host root"), "{said}");
    }
    // It is a container all the same: with namespaces, a filter, and without power over the host's own.
    let held = tests::process::holding(pid).unwrap();
    assert!(!held.initial_user_namespace && held.seccomp == 2, "{held:?}");
    host.run(&["enter", &name, "--", "true"]).ok();
    host.run(&["destroy", &name]).ok();
    // Another of that map is refused still.
    let another = host.name("another");
    host.run(&["create", &host.domain_file(&another, STAY, map, "")])
        .refused(1, &[&another, "host id 0"]);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
