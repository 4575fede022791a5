//! A domain is defined, started, listed, addressed, shown, ended and forgotten with the verbs that virsh has.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use tests::{Host, capture, need_root};

const STAY: &str = "while :; do sleep 1000; done";

#[test]
fn a_domain_lives_through_define_start_list_destroy_and_undefine() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let file = host.domain_file(&name, STAY, "", "");
    host.run(&["define", &file]).ok();
    assert_eq!(host.listed(&name)["state"], "shut off");
    assert!(!host.run(&["list"]).ok().stdout.contains(&name));
    assert!(host.run(&["list", "--inactive"]).ok().stdout.contains(&name));
    host.run(&["start", &name]).ok();
    assert!(host.runs(&name));
    assert!(host.run(&["list"]).ok().stdout.contains(&name));
    assert!(!host.run(&["list", "--inactive"]).ok().stdout.contains(&name));
    host.run(&["start", &name]).refused(1, &[&name, "running"]);
    host.run(&["destroy", &name]).ok();
    assert_eq!(host.listed(&name)["state"], "shut off");
    host.run(&["destroy", &name]).refused(1, &[&name]);
    host.run(&["undefine", &name]).ok();
    assert!(host.listed(&name).is_null());
    host.run(&["undefine", &name]).refused(1, &[&name]);
    host.nothing_is_left();
}

#[test]
fn names_uuids_and_ids_all_address_a_container() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let uuid = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
    host.run(&[
        "define",
        &host.domain_file(&name, STAY, &format!("<uuid>{uuid}</uuid>"), ""),
    ])
    .ok();
    host.run(&["start", uuid]).ok();
    let id = host.listed(&name)["id"].to_string();
    let id = id.trim_matches('"').to_owned();
    for handle in [name.as_str(), uuid, &id] {
        let facts = host.run(&["dominfo", handle, "--json"]).ok().json();
        assert_eq!(
            (facts["name"].as_str(), facts["uuid"].as_str()),
            (Some(name.as_str()), Some(uuid)),
            "{handle}"
        );
    }
    host.run(&["destroy", &id]).ok();
    host.run(&["dominfo", &id]).refused(1, &[&id]);
}

#[test]
fn dominfo_tells_what_is_so() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    let facts = host.run(&["dominfo", &name, "--json"]).ok().json();
    assert_eq!(facts["name"], name.as_str());
    assert_eq!(facts["state"], "running");
    let text = host.run(&["dominfo", &name]).ok().stdout;
    assert!(
        text.contains(&name) && text.contains("65536") && text.contains("running"),
        "{text}"
    );
}

#[test]
fn dumpxml_prints_what_defines_the_same_container_again() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&[
        "define",
        &host.domain_file(&name, STAY, "<on_reboot>destroy</on_reboot>", ""),
    ])
    .ok();
    let once = host.run(&["dumpxml", &name]).ok().stdout;
    assert!(
        once.contains(&format!("<name>{name}</name>"))
            && once.contains("<init>/bin/sh</init>")
            && once.contains("<uuid>"),
        "{once}"
    );
    host.run(&["undefine", &name]).ok();
    host.run(&["define", &host.file("again.xml", &once)]).ok();
    assert_eq!(host.run(&["dumpxml", &name]).ok().stdout, once);
}

#[test]
fn a_created_container_is_forgotten_when_it_ends() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    assert!(host.runs(&name));
    host.run(&["destroy", &name]).ok();
    assert!(host.listed(&name).is_null());
    host.nothing_is_left();
}

#[test]
fn an_undefined_container_that_runs_stays_until_it_ends() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["start", &name]).ok();
    host.run(&["undefine", &name]).ok();
    assert!(host.runs(&name));
    host.run(&["destroy", &name]).ok();
    assert!(host.listed(&name).is_null());
}

#[test]
fn what_runs_is_ended_and_what_is_kept_forgotten_whatever_its_document_says() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let document = host.domain(&name, STAY, "", "");
    host.run(&["define", &host.file("vm.xml", &document)]).ok();
    host.run(&["start", &name]).ok();
    // What an earlier version kept, and this one refuses: of what is defined, and of what runs.
    let twice = "<controller type='usb' index='0'/><controller type='usb' index='0'/></devices>";
    let refused = document.replace("</devices>", twice);
    let kept = host.config_directory().join(format!("{name}.xml"));
    let live = host.run_directory().join(&name).join("domain.xml");
    for place in [&kept, &live] {
        assert!(place.exists(), "{place:?}");
        fs::write(place, &refused).unwrap();
    }
    let why = "two controllers of type usb have one index";
    let file = host.file("refused.xml", &refused);
    host.run(&["define", &file]).refused(1, &["refused.xml:", why]);
    assert!(host.runs(&name));
    let state = host.run(&["domstate", &name]).ok();
    assert_eq!(state.stdout.trim(), "running");
    assert!(state.stderr.contains(why), "{}", state.stderr);
    let facts = host.run(&["dominfo", &name, "--json"]).ok().json();
    assert_eq!(
        (&facts["state"], &facts["persistent"]),
        (&"running".into(), &true.into())
    );
    // A line says why it is refused, and the last what that hinders.
    let hindered = |verb: &str, last: &str| {
        let said = host.run(&[verb, &name]);
        assert_eq!(said.code(), 1, "{said}");
        let line = said.stderr.lines().last().unwrap_or_default();
        assert!(said.stderr.contains(why) && line.contains(last), "{said}");
    };
    hindered("dumpxml", why);
    hindered("shutdown", "waits for no signal");
    host.run(&["destroy", &name]).ok();
    assert_eq!(host.listed(&name)["state"], "shut off");
    assert_eq!(host.run(&["domstate", &name]).ok().stdout.trim(), "shut off");
    for verb in ["start", "dumpxml"] {
        hindered(verb, &format!("the kept definition of {name} is refused"));
    }
    // It is replaced as if there were none, and forgotten as any other.
    host.run(&["define", &host.file("vm.xml", &document)]).ok();
    host.run(&["start", &name]).ok();
    fs::write(&kept, &refused).unwrap();
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    assert!(!kept.exists() && host.listed(&name).is_null());
    host.run(&["undefine", &name]).refused(1, &[&name]);
    host.nothing_is_left();
}

#[test]
fn the_domains_own_init_is_pid_1() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    let said = host
        .run(&[
            "enter",
            &name,
            "--",
            "sh",
            "-c",
            "cat /proc/1/comm; tr '\\0' ' ' < /proc/1/cmdline",
        ])
        .ok();
    assert!(said.stdout.starts_with("sh\n/bin/sh -c while"), "{said}");
}

#[test]
fn init_has_the_arguments_environment_directory_and_user_of_its_definition() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let xml = host.domain(&name, "id -u; id -g; pwd; echo $KEY; exec sleep 1000", "", "").replace(
        "  </os>",
        "    <initenv name='KEY'>a value</initenv>\n    <initdir>/var/tmp</initdir>\n    <inituser>user</inituser>\n    <initgroup>extra</initgroup>\n  </os>",
    );
    host.run(&["create", &host.file("vm.xml", xml)]).ok();
    let shown = tests::capture::until(tests::capture::DEADLINE, || {
        host.run(&["logs", &name]).stdout.contains("a value")
    });
    let said = host.run(&["logs", &name]).ok().stdout.replace('\r', "");
    assert!(shown && said.contains("1000\n2000\n/var/tmp\na value\n"), "{said}");
}

#[test]
fn a_domain_shows_64_mib_as_its_memory() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    let said = host.run(&["enter", &name, "--", "cat", "/proc/meminfo"]).ok().stdout;
    let figure = |key: &str| -> u64 {
        let line = said
            .lines()
            .find(|l| l.starts_with(key))
            .unwrap_or_else(|| panic!("no {key} in {said}"));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(figure("MemTotal:"), 65536);
    assert!(
        figure("MemFree:") <= 65536 && figure("MemAvailable:") <= 65536 && figure("Buffers:") == 0,
        "{said}"
    );
    // Not one figure of the host's: the host has far more memory than the container.
    for line in said.lines().filter(|l| l.ends_with("kB")) {
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(kib <= 65536, "a value of the host's: {line}");
    }
    // It can be read from any place in it.
    let script = "dd if=/proc/meminfo bs=1 skip=10 count=20 2>/dev/null | od -c | head -n 1; tail -c 5 /proc/meminfo >/dev/null && echo ok";
    let part = host.run(&["enter", &name, "--", "sh", "-c", script]).ok();
    assert!(part.stdout.contains("ok"), "{part}");
}

#[test]
fn suspend_freezes_and_resume_lets_go_on() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&[
        "create",
        &host.domain_file(
            &name,
            "while :; do echo tick >> /var/tmp/ticks; sleep 0.05; done",
            "",
            "",
        ),
    ])
    .ok();
    // A file, in which a tick is as soon as it is made; what goes through the log may be on its way for a while.
    let ticks = host.image().join("var/tmp/ticks");
    let count = || fs::read_to_string(&ticks).unwrap_or_default().matches("tick").count();
    assert!(tests::capture::until(tests::capture::DEADLINE, || count() > 0));
    host.run(&["suspend", &name]).ok();
    assert_eq!(host.listed(&name)["state"], "paused");
    let before = count();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(count(), before);
    host.run(&["resume", &name]).ok();
    assert!(host.runs(&name));
    assert!(tests::capture::until(tests::capture::DEADLINE, || count() > before));
    host.run(&["suspend", &name]).ok();
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn on_poweroff_on_reboot_and_on_crash_are_honoured() {
    need_root!();
    let host = Host::new();
    // Its first process counts its own starts in a file of the image, and ends as asked the first time.
    for (verb, first_end, other) in [
        ("on_poweroff", "exit 0", "destroy"),
        ("on_crash", "exit 3", "restart"),
        ("on_crash", "exit 3", "destroy"),
    ] {
        let name = host.name(&format!("{verb}-{other}"));
        let counter = host.image().join("var/tmp").join(&name);
        let shell =
            format!("echo x >> /var/tmp/{name}; [ $(wc -l < /var/tmp/{name}) = 1 ] && {first_end}; exec sleep 1000");
        host.run(&[
            "create",
            &host.domain_file(&name, &shell, &format!("<{verb}>{other}</{verb}>"), ""),
        ])
        .ok();
        let starts = || fs::read_to_string(&counter).unwrap_or_default().lines().count();
        if other == "restart" {
            assert!(
                tests::capture::until(tests::capture::DEADLINE, || starts() == 2),
                "{verb} {other}"
            );
            assert!(host.runs(&name), "{verb} {other}");
        } else {
            assert!(
                tests::capture::until(tests::capture::DEADLINE, || host.listed(&name).is_null()),
                "{verb} {other}"
            );
            assert_eq!(starts(), 1);
        }
    }
}

#[test]
fn what_ends_at_once_is_started_a_few_times_and_is_said_to_have_been() {
    need_root!();
    let host = Host::new();
    for (verb, end) in [("on_crash", "exit 3"), ("on_reboot", "reboot -f")] {
        let name = host.name(verb);
        let file = |word: &str| host.image().join("var/tmp").join(format!("{name}{word}"));
        // It ends once somebody reads its log.
        let shell = format!(
            "echo x >> /var/tmp/{name}; echo ready; while ! [ -e /var/tmp/{name}.go ]; do sleep 0.1; done; {end}"
        );
        let definition = host.domain_file(&name, &shell, &format!("<{verb}>restart</{verb}>"), "");
        host.run(&["define", &definition]).ok();
        host.run(&["start", &name]).ok();
        let mut reader = host.lazaret(&["logs", "-f", &name]);
        let reader = reader
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut reader = reader.spawn().unwrap();
        let mut log = BufReader::new(reader.stdout.take().unwrap());
        let mut said = String::new();
        log.read_line(&mut said).unwrap();
        fs::write(file(".go"), "").unwrap();
        log.read_to_string(&mut said).unwrap();
        assert!(reader.wait().unwrap().success());
        // On a machine that is slow enough some starts are too long ago to count.
        let starts = fs::read_to_string(file("")).unwrap();
        assert!(starts.lines().count() >= 5, "{verb}: {starts}");
        let why = format!("lazaret: {name} is not started again: it was started 5 times within 10 s");
        assert!(said.trim_end().ends_with(&why), "{said}");
        // Nothing is kept of a defined container: whoever comes next is told.
        let mut told = String::new();
        assert!(capture::until(capture::DEADLINE, || {
            let list = host.run(&["list", "--all", "--json"]).ok();
            told.push_str(&list.stderr);
            list.json()[0]["state"] == "shut off"
        }));
        let why = format!("{name} has ended: it was started 5 times within 10 s, and so is not started again");
        assert!(told.contains(&why), "{told}");
        host.run(&["undefine", &name]).ok();
    }
    host.nothing_is_left();
}

#[test]
fn a_reboot_from_inside_starts_it_again_and_poweroff_ends_it() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let shell = format!(
        "echo x >> /var/tmp/{name}; [ $(wc -l < /var/tmp/{name}) = 1 ] && reboot -f; [ $(wc -l < /var/tmp/{name}) = 2 ] && poweroff -f; exec sleep 1000"
    );
    host.run(&["define", &host.domain_file(&name, &shell, "", "")]).ok();
    host.run(&["start", &name]).ok();
    assert!(
        tests::capture::until(tests::capture::DEADLINE, || host.listed(&name)["state"] == "shut off"),
        "{}",
        host.run(&["logs", &name])
    );
    let starts = fs::read_to_string(host.image().join("var/tmp").join(&name)).unwrap();
    assert_eq!(starts.lines().count(), 2);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_poweroff_from_inside_is_status_0_and_a_crash_is_its_own() {
    need_root!();
    let host = Host::new();
    for (end, reboot, status) in [
        ("poweroff -f", "restart", 0),
        ("halt -f", "restart", 0),
        ("reboot -f", "destroy", 0),
        ("exit 7", "restart", 7),
    ] {
        let name = host.name(&format!("{}-{reboot}", end.replace(' ', "")));
        // It ends once somebody waits for it.
        let shell = format!("while ! [ -e /var/tmp/{name} ]; do sleep 0.1; done; {end}; exec sleep 1000");
        let file = host.domain_file(&name, &shell, &format!("<on_reboot>{reboot}</on_reboot>"), "");
        host.run(&["define", &file]).ok();
        host.run(&["start", &name]).ok();
        let supervisor = host.run(&["dominfo", &name, "--json"]).ok().json()["pids"]["supervisor"].clone();
        // By their inodes, which no two share: the conversation of `dominfo` may still be closing.
        let connections = || {
            fs::read_dir(format!("/proc/{supervisor}/fd"))
                .unwrap()
                .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
                .filter(|what| what.to_string_lossy().starts_with("socket:"))
                .collect::<BTreeSet<_>>()
        };
        let before = connections();
        let mut waiting = host.lazaret(&["wait", &name]);
        let waiting = waiting
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let waiting = waiting.spawn().unwrap();
        assert!(capture::until(capture::DEADLINE, || !connections().is_subset(&before)));
        fs::write(host.image().join("var/tmp").join(&name), "").unwrap();
        let said = capture::collect(waiting, format!("lazaret wait, {end}"), Vec::new(), capture::DEADLINE);
        assert_eq!(said.ok().stdout, format!("{status}\n"), "{end}");
        // Whoever waits is told first; what has ended is cleared away by the next command that finds nobody there.
        let gone = || !std::path::Path::new(&format!("/proc/{supervisor}")).exists();
        assert!(capture::until(capture::DEADLINE, gone));
        host.run(&["undefine", &name]).ok();
    }
    host.nothing_is_left();
}

#[test]
fn an_id_map_of_the_definition_is_honoured() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let first = host.ids().start + 16;
    let map = format!(
        "<idmap><uid start='0' target='{first}' count='2000'/><gid start='0' target='{first}' count='3000'/></idmap>"
    );
    host.run(&["create", &host.domain_file(&name, STAY, &map, "")]).ok();
    let pid = host.pid_1(&name).unwrap();
    let words = |file: &str| {
        fs::read_to_string(format!("/proc/{pid}/{file}"))
            .unwrap()
            .split_whitespace()
            .map(|w| w.parse().unwrap())
            .collect::<Vec<u32>>()
    };
    assert_eq!(words("uid_map"), [0, first, 2000]);
    assert_eq!(words("gid_map"), [0, first, 3000]);
}

#[test]
fn filesystems_of_type_mount_bind_and_ram_are_there() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let source = host.directory().join("files/source");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("file"), "of the host\n").unwrap();
    let devices = format!(
        "<filesystem type='mount'><source dir='{}'/><target dir='/mnt'/><readonly/></filesystem>\
         <filesystem type='bind'><source dir='/mnt'/><target dir='/srv'/></filesystem>\
         <filesystem type='ram'><source usage='1024' units='KiB'/><target dir='/home'/></filesystem>",
        source.display()
    );
    host.run(&["create", &host.domain_file(&name, STAY, "", &devices)]).ok();
    let script = "cat /mnt/file /srv/file; touch /mnt/no; df -k /home | tail -n 1; touch /home/yes && echo writable";
    let said = host.run(&["enter", &name, "--", "sh", "-c", script]);
    assert!(
        said.stdout.starts_with("of the host\nof the host\n")
            && said.stdout.contains(" 1024 ")
            && said.stdout.contains("writable"),
        "{said}"
    );
    assert!(!source.join("no").exists());
}

#[test]
fn a_plan_is_printed_and_changes_nothing() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["define", &host.domain_file(&name, STAY, "", "")]).ok();
    let before = host.look();
    let plan = host.run(&["plan", &name, "--json"]).ok().json();
    let text = host.run(&["plan", &name]).ok().stdout;
    for program in ["cgroupd", "mountd", "init", "idmapd", "fused", "supervisor"] {
        assert!(text.contains(program), "{program} is not in the plan:\n{text}");
    }
    assert!(plan.to_string().contains(&name));
    assert_eq!(host.look(), before);
}

#[test]
fn a_container_that_froze_itself_is_destroyed_all_the_same() {
    need_root!();
    let host = Host::new();
    let name = host.name("frozen");
    let freeze = "mkdir /tmp/f && mount -t cgroup2 f /tmp/f && mkdir /tmp/f/a && echo 1 > /tmp/f/a/cgroup.procs && \
                  echo 1 > /tmp/f/a/cgroup.freeze; while :; do sleep 1000; done";
    host.run(&["create", &host.domain_file(&name, freeze, "", "")]).ok();
    let groups = tests::kernel::groups_of(&name);
    let Some(group) = groups.iter().find(|g| g.join("cgroup.freeze").exists()) else {
        tests::skip!("this host has no hierarchy of version 2");
    };
    let events = group.join("payload/a/cgroup.events");
    let frozen = || std::fs::read_to_string(&events).is_ok_and(|text| text.contains("frozen 1"));
    assert!(tests::capture::until(tests::capture::DEADLINE, frozen));
    host.run(&["destroy", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_suspended_container_is_not_entered() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, STAY, "", "")]).ok();
    host.run(&["suspend", &name]).ok();
    let refused = host.run(&["enter", &name, "--", "true"]);
    assert!(refused.stderr.contains("suspended"), "{refused}");
    host.run(&["destroy", &name]).ok();
}

#[test]
fn a_domain_of_architecture_i686_sees_one_and_so_does_who_enters_it() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let machine = format!("uname -m > /var/tmp/{name}; {STAY}");
    let domain = host
        .domain(&name, &machine, "", "")
        .replace("<type", "<type arch='i686'");
    host.run(&["create", &host.file("i686.xml", domain)]).ok();
    let told = host.image().join("var/tmp").join(&name);
    let read = || std::fs::read_to_string(&told).unwrap_or_default();
    assert!(
        tests::capture::until(tests::capture::DEADLINE, || read() == "i686\n"),
        "{}",
        read()
    );
    assert_eq!(
        host.run(&["enter", &name, "--", "/bin/uname", "-m"]).ok().stdout,
        "i686\n"
    );
    host.run(&["destroy", &name]).ok();
}

#[test]
fn undefine_takes_virshs_options_and_removes_no_file() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let image = host.file("disk", "what is on it");
    let disk = format!("<disk type='file'><source file='{image}'/><target dev='vda'/></disk>");
    let file = host.domain_file(&name, "true", "", &disk);
    host.run(&["define", &file]).ok();
    for (options, words) in [
        (&["--nvram"][..], "unsupported flags"),
        (&["--nvram", "--keep-nvram"], "mutually exclusive"),
        (&["--tpm", "--keep-tpm"], "mutually exclusive"),
        (&["--storage", "vdz"], "Volume 'vdz' was not found"),
        (&["--wipe-storage"], "requires '--storage"),
        (
            &["--delete-storage-volume-snapshots"],
            "--remove-all-storage is required",
        ),
    ] {
        let said = host.run(&[&["undefine", &name], options].concat());
        assert!(said.code() != 0 && said.stderr.contains(words), "{said}");
        assert_eq!(said.stderr.lines().count(), 1, "{said}");
        assert_eq!(host.listed(&name)["state"], "shut off");
    }
    for options in [
        &["--storage", "vda"][..],
        &["--remove-all-storage", "--wipe-storage"],
        &["--tpm", "--keep-nvram"],
    ] {
        let said = host.run(&[&["undefine", &name], options].concat()).ok();
        let stays = format!("Storage volume 'vda'({image})");
        assert_eq!(said.stderr.contains(&stays), !options.contains(&"--tpm"), "{said}");
        assert!(host.listed(&name).is_null());
        host.run(&["define", &file]).ok();
    }
    assert_eq!(std::fs::read_to_string(&image).expect("it stays"), "what is on it");
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
