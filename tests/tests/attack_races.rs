//! Races: while containers start and are entered, a container's root exchanges what they are built on, or lies in wait for what comes
//! in. Each has 500 rounds (`LAZARET_TEST_ROUNDS`), with an attacker on each processor.

use std::fs;
use std::path::Path;
use tests::ways::rounds;
use tests::{Ground, capture, need_root};

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

fn processors() -> u32 {
    u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap()
}

/// A domain whose root exchanges two names in a directory that it shares, once on each processor, until it is ended. The shared directory
/// is `/shared` inside.
fn exchanger(ground: &Ground, shared: &Path, pairs: &[(&str, &str)]) -> String {
    let name = ground.host.name("racer");
    let loops: String = (0..processors())
        .flat_map(|cpu| pairs.iter().map(move |p| (cpu, p)))
        .map(|(cpu, (one, other))| {
            format!("taskset -c {cpu} attack exchange /shared/{one} /shared/{other} 2>/dev/null & ")
        })
        .collect();
    let bind = format!(
        "<filesystem type='mount'><source dir='{}'/><target dir='/shared'/></filesystem>",
        shared.display()
    );
    let file = ground
        .host
        .domain_file(&name, &format!("{loops} while :; do sleep 1000; done"), "", &bind);
    ground.host.run(&["create", &file]).ok();
    name
}

/// Whether it is really under way: both outcomes of looking at a name are seen.
fn both_are_seen(at: &Path) -> bool {
    let (mut links, mut others) = (0, 0);
    capture::until(capture::DEADLINE, || {
        for _ in 0..1000 {
            match at.symlink_metadata() {
                Ok(meta) if meta.is_symlink() => links += 1,
                _ => others += 1,
            }
        }
        links > 0 && others > 0
    })
}

/// CVE-2021-30465: the target of a mount is exchanged for a link between check and mount. CVE-2024-45310: so that missing places are made
/// on the host. CVE-2015-1335, CVE-2019-18837: a link is in the image from the beginning.
#[test]
fn cve_2021_30465_a_mount_target_that_is_exchanged_for_a_link() {
    need_root!();
    let ground = ground();
    let shared = ground.host.directory().join("files/shared");
    fs::create_dir_all(shared.join("target/below")).unwrap();
    fs::create_dir_all(shared.join("parent")).unwrap();
    std::os::unix::fs::symlink(ground.canary.directory(), shared.join("link")).unwrap();
    std::os::unix::fs::symlink("/", shared.join("root")).unwrap();
    for name in ["target", "parent", "link", "root"] {
        std::os::unix::fs::lchown(shared.join(name), Some(0), Some(0)).unwrap();
    }
    let racer = exchanger(&ground, &shared, &[("target", "root"), ("parent", "link")]);
    assert!(both_are_seen(&shared.join("target")) && both_are_seen(&shared.join("parent")));
    let (bind, other) = (format!("{}:/vol", shared.display()), shared.to_str().unwrap());
    let over = format!("{other}/target:/vol/target");
    let (mut started, mut refused) = (0, 0);
    for round in 0..rounds() {
        let fresh = format!("/vol/parent/made-{round}/deep");
        let options = match round % 3 {
            0 => ["--bind", &bind, "--tmpfs", "/vol/target/below"],
            1 => ["--bind", &bind, "--tmpfs", &fresh],
            _ => ["--bind", &bind, "--bind", &over],
        };
        let script = format!(
            "cat /vol/target{0} /vol/target/below{0} /vol/parent{1}/secret /vol/parent/secret; ls /vol/target/",
            ground.canary.file().display(),
            ground.canary.directory().display()
        );
        let said = ground.host.once(&options, &["sh", "-c", &script]);
        ground.canary.lives(&said.stdout);
        match said.code() {
            125 => refused += 1,
            _ => started += 1,
        }
    }
    ground.end(&racer);
    println!("{started} started, {refused} refused");
    // The race was run in both directions.
    assert!(started > 0 && refused > 0, "{started} started, {refused} refused");
    let made = fs::read_dir(shared.join("parent"))
        .unwrap()
        .chain(fs::read_dir(shared.join("link")).into_iter().flatten());
    for entry in made.flatten() {
        // Whoever made it, it is the container's root's, that is root's beyond the id map of the volume.
        assert!(entry.path().symlink_metadata().is_ok());
    }
    ground.host.end_all();
    ground.host.nothing_is_left();
}

/// CVE-2025-31133, CVE-2025-52565, CVE-2025-52881, CVE-2026-41579: /dev, /proc and /sys of an image that is shared are exchanged for links
/// while a container starts from it.
#[test]
fn cve_2025_31133_places_of_the_image_that_are_exchanged_for_links() {
    need_root!();
    let ground = ground();
    // Not the root of the racer, which could not move what is mounted on.
    let image = ground.host.image_called("shared");
    for (place, target) in [
        ("dev", ground.canary.directory()),
        ("proc", Path::new("/tmp")),
        ("sys", Path::new("/proc")),
        ("etc", ground.canary.directory()),
    ] {
        std::os::unix::fs::symlink(target, image.join(format!("{place}.link"))).unwrap();
    }
    let script = "cat /proc/keys /proc/kallsyms /proc/timer_list 2>/dev/null | head -c 64; { echo x >/proc/sys/kernel/core_pattern; } 2>/dev/null; \
        { echo x > /dev/null; } 2>/dev/null; stat -c %t:%T /dev/null; [ -d /proc/1 ] && echo proc; cut -d' ' -f4-5 /proc/self/mountinfo | grep -c lazaret-canary";
    let (mut started, mut refused) = (0, 0);
    for place in ["dev", "proc", "sys", "etc"] {
        let racer = exchanger(&ground, &image, &[(place, &format!("{place}.link"))]);
        assert!(both_are_seen(&image.join(place)), "{place} is not exchanged");
        for _ in 0..rounds().div_ceil(4) {
            let said = ground.host.run(&[
                "run",
                "--rootfs",
                image.to_str().unwrap(),
                "--network",
                "none",
                "--tty",
                "--",
                "sh",
                "-c",
                script,
            ]);
            ground.canary.lives(&said.stdout);
            match said.code() {
                125 => refused += 1,
                _ => {
                    started += 1;
                    // What is exchanged under it is gone for it; what is there must be its own.
                    let harmless = |l: &str| {
                        ["1:3", "proc", "0"].contains(&l)
                            || ["sh: ", "stat: ", "cut: ", "grep: "].iter().any(|p| l.starts_with(p))
                    };
                    assert!(said.stdout.lines().all(harmless), "{place}: {said}");
                }
            }
        }
        ground.end(&racer);
        // Whichever it was when the exchange ended: each again under its own name.
        let (own, link, aside) = (
            image.join(place),
            image.join(format!("{place}.link")),
            image.join("aside"),
        );
        if own.is_symlink() {
            for (from, to) in [(&own, &aside), (&link, &own), (&aside, &link)] {
                std::fs::rename(from, to).unwrap();
            }
        }
    }
    println!("{started} started, {refused} refused");
    assert!(refused > 0, "{started} started, {refused} refused");
    // How many of them start is up to the race. One that nobody disturbs does, and has what the others were asked for.
    let undisturbed = [
        "run",
        "--rootfs",
        image.to_str().unwrap(),
        "--network",
        "none",
        "--",
        "sh",
        "-c",
        script,
    ];
    let said = ground.host.run(&undisturbed);
    assert!(said.stdout.contains("1:3\nproc\n0\n"), "{said}");
    ground.host.end_all();
    ground.host.nothing_is_left();
}

/// A file that a container wrote, once it is no longer written.
fn found(ground: &Ground, name: &str) -> String {
    fs::read_to_string(ground.host.image().join("var/tmp").join(name)).unwrap_or_default()
}

/// Whether the attack that overwrites has had the program in hand that enters.
fn held(overwritten: &str) -> bool {
    overwritten.lines().any(|l| l.starts_with("held /nsenter: "))
}

/// Lies in wait, on each processor, for what comes in, while commands enter, until what the attackers have written tells that they were
/// `at_work`: what that which overwrites has, and that which seizes.
fn enter_while_attacked(ground: &Ground, name: &str, at_work: impl Fn(&str, &str) -> bool) -> (String, String) {
    let attackers =
        "for a in overwrite seize; do taskset -c $((n % 2)) attack $a >/var/tmp/$a 2>&1 & n=$((n + 1)); done; wait";
    let mut child = ground
        .host
        .lazaret(&["enter", name, "--", "sh", "-c", &format!("n=0; {attackers}")])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let at = ground.host.image().join("var/tmp");
    assert!(capture::until(capture::DEADLINE, || at.join("seize").exists()
        && at.join("overwrite").exists()));
    fs::write(ground.host.image().join("bin/evil"), "#!/proc/self/exe\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(ground.host.image().join("bin/evil"), fs::Permissions::from_mode(0o755)).unwrap();
    for round in 0..rounds() {
        let said = match round % 4 {
            0 => ground.host.run(&["enter", name, "--", "/bin/evil"]),
            1 => ground.host.run(&["enter", name, "--", "/proc/self/exe", "--version"]),
            _ => ground.host.run(&["enter", name, "--", "true"]),
        };
        // What executes itself is the program that entered; it has nothing to do, and says so.
        assert!(
            round % 4 < 2 || said.code() == 0,
            "round {round}: {said}{}",
            ground.host.run(&["list", "--all", "--json"])
        );
        ground.canary.lives(&said.stdout);
    }
    // On a slow machine few rounds may pass without a catch. So that it is seen that they could: what stays for a while.
    capture::until(capture::DEADLINE, || {
        at_work(&found(ground, "overwrite"), &found(ground, "seize")) || {
            ground.host.run(&["enter", name, "--", "sleep", "1"]).ok();
            false
        }
    });
    // The attackers were there until the end.
    assert!(child.try_wait().unwrap().is_none());
    ground.host.run(&["destroy", name]).ok();
    capture::wait(&mut child, capture::DEADLINE);
    (found(ground, "overwrite"), found(ground, "seize"))
}

/// What a process that let itself be looked into may have shown: a program of the image, no descriptor but the three and those of the image,
/// and a filter.
fn is_harmless(line: &str, bounding: &str) -> bool {
    let field = |name: &str| {
        let from = line.split_once(&format!(" {name}=")).map_or("", |(_, rest)| rest);
        from.split(' ').next().unwrap_or_default().to_owned()
    };
    let own_file = |target: &str| {
        [
            "/dev/null",
            "pipe:",
            "/bin/",
            "/var/tmp/",
            "/proc/",
            "/etc/",
            "/lib",
            "/usr/",
        ]
        .iter()
        .any(|p| target.starts_with(p))
    };
    let descriptors = field("fd");
    let only = descriptors
        .split(',')
        .filter(|d| !d.is_empty())
        .all(|d| d.split_once('=').is_some_and(|(_, target)| own_file(target)));
    // A process that is ending shows no program and no root any more, and in the end nothing.
    let gone = field("seccomp").is_empty();
    let at_root = ["", "/"].contains(&field("root").as_str());
    // The command was also to execute the program that entered: it is a command then, and holds nothing else.
    let command = field("exe").starts_with("/bin/") || ["", "/nsenter"].contains(&field("exe").as_str());
    gone || (command && at_root && only && field("seccomp") == "2" && field("bounding") == bounding)
}

/// CVE-2019-5736: the program that enters is overwritten through /proc/PID/exe. CVE-2016-9962, CVE-2016-8649: it is traced before it
/// executes the command, and its descriptors taken.
#[test]
fn cve_2019_5736_who_enters_a_domain_is_not_overwritten_traced_or_looked_into() {
    need_root!();
    let ground = ground();
    let name = ground.system();
    let bounding = ground.enter(&name, "grep CapBnd: /proc/1/status").ok().stdout;
    let bounding = bounding.trim_start_matches("CapBnd:").trim().to_owned();
    let (overwritten, seized) = enter_while_attacked(&ground, &name, |overwritten, seized| {
        held(overwritten) && seized.contains("seized")
    });
    assert!(!overwritten.contains("OVERWRITTEN"), "{overwritten}");
    assert!(held(&overwritten), "nothing was ever held: {overwritten}");
    // It did catch what it could: the attack was at work.
    assert!(seized.contains("seized"), "nothing was ever seized: {seized}");
    for line in seized.lines() {
        assert!(is_harmless(line, &bounding), "{line}");
    }
    ground.canary.lives(&seized);
}

/// The same in a container of the profile `app`, whose filter denies tracing.
#[test]
fn cve_2016_9962_who_enters_an_app_is_not_overwritten_traced_or_looked_into() {
    need_root!();
    let ground = ground();
    let name = ground.app(&[]);
    let (overwritten, seized) = enter_while_attacked(&ground, &name, |overwritten, _| held(overwritten));
    assert!(!overwritten.contains("OVERWRITTEN"), "{overwritten}");
    assert!(held(&overwritten), "nothing was ever held: {overwritten}");
    assert!(!seized.contains("seized"), "{seized}");
    let bounding = "00000000000004eb";
    for line in seized.lines() {
        assert!(is_harmless(line, bounding), "{line}");
    }
    ground.host.run(&["undefine", &name]).ok();
    ground.canary.lives(&seized);
}

/// CVE-2019-5736, where it hurt: a container whose root is the host's, by consent. What executes inside lies on a read-only mount.
#[test]
fn cve_2019_5736_not_even_a_root_that_is_the_hosts_overwrites_what_enters() {
    need_root!();
    let ground = ground();
    let name = ground.host.name("consented");
    ground.host.policy(&format!("host-root {name}"));
    let map = "<idmap><uid start='0' target='0' count='1000'/><gid start='0' target='0' count='1000'/></idmap>";
    // As its init, for a command that stays entered keeps the file busy, and then nobody could write it anyway.
    let file = ground
        .host
        .domain_file(&name, "exec attack overwrite >/var/tmp/overwrite 2>&1", map, "");
    ground.host.run(&["create", &file]).ok();
    let mut overwritten = String::new();
    capture::until(capture::DEADLINE, || {
        ground.host.run(&["enter", &name, "--", "/proc/self/exe", "--help"]);
        overwritten = found(&ground, "overwrite");
        overwritten.contains("code: 30") || overwritten.contains("OVERWRITTEN")
    });
    assert!(!overwritten.contains("OVERWRITTEN"), "{overwritten}");
    assert!(overwritten.contains("code: 30"), "{overwritten}");
}

/// CVE-2018-15664, CVE-2026-42306: a path is exchanged while files are copied out. CVE-2019-18466: and in, from an archive. There is no verb that copies: files go through `enter`, and
/// are opened by the container's own programs, inside.
#[test]
fn cve_2018_15664_files_copied_through_enter_are_never_the_hosts() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    fs::create_dir_all(image.join("loop/x/run")).unwrap();
    fs::write(image.join("root/secret"), "inside").unwrap();
    std::os::unix::fs::symlink("/", image.join("loop/y")).unwrap();
    let name = ground.system();
    let mut child = ground
        .host
        .lazaret(&["enter", &name, "--", "attack", "exchange", "/loop/x", "/loop/y"])
        .spawn()
        .unwrap();
    assert!(both_are_seen(&image.join("loop/x")));
    let path = format!("/loop/x{}", ground.canary.file().display());
    let again = format!(
        "i=0; while [ $i -lt 100 ]; do cat {path} /loop/x{}/secret; tar -c -f - -C /loop x/run; i=$((i+1)); done 2>/dev/null",
        ground.canary.directory().display()
    );
    for round in 0..rounds() / 20 {
        let said = match round % 2 {
            0 => ground.enter(&name, &again),
            _ => ground.host.run(&[
                "enter",
                "--workdir",
                "/loop/x/run",
                &name,
                "--",
                "sh",
                "-c",
                "pwd; ls; cat ../../../../../run/*/secret",
            ]),
        };
        ground.canary.lives(&said.stdout);
    }
    ground.end(&name);
    capture::wait(&mut child, capture::DEADLINE);
    // And in: an archive whose entry follows a link of its own.
    let tar = ground.host.directory().join("files/in.tar");
    let made = format!(
        "mkdir -p /tmp/t$$ && cd /tmp/t$$ && ln -s {0} a && tar -cf {1} a && rm a && mkdir a && echo x > a/x && tar -rf {1} a/x; rm -rf /tmp/t$$",
        ground.canary.directory().display(),
        tar.display()
    );
    ground.host.inside("sh", &["-c", &made]).ok();
    let name = ground.system();
    ground.host.run_with(
        &["enter", &name, "--", "tar", "-x", "-C", "/tmp"],
        &fs::read(&tar).unwrap(),
    );
    ground.end(&name);
    ground.canary.lives("");
}
