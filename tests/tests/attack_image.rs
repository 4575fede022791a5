//! Images: nothing in one is believed, nothing in it is executed on the host's side, and no link in it leads out of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tests::{Ground, capture, need_root};

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

fn fifo(at: &Path) {
    let _ = fs::remove_file(at);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    nix::unistd::mkfifo(at, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
}

fn script(at: &Path, text: &str) {
    let _ = fs::remove_file(at);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(at, text).unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
}

/// CVE-2019-14271, CVE-2026-41567, CVE-2014-9357: a library or a program of the image was executed on the host's side.
#[test]
fn cve_2019_14271_nothing_of_the_image_is_loaded_or_executed_on_the_hosts_side() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    // Whoever opens one of these waits for ever; whoever executes one leaves a mark.
    for library in [
        "libnss_files.so.2",
        "libnss_compat.so.2",
        "libc.so.6",
        "ld-linux-x86-64.so.2",
        "gconv/gconv-modules",
    ] {
        for directory in ["lib", "lib64", "usr/lib", "lib/x86_64-linux-gnu"] {
            fifo(&image.join(directory).join(library));
        }
    }
    for file in [
        "etc/ld.so.preload",
        "etc/ld.so.cache",
        "etc/nsswitch.conf",
        "etc/localtime",
        "etc/host.conf",
        "etc/gai.conf",
    ] {
        fifo(&image.join(file));
    }
    let mark = format!(
        "#!/bin/sh\necho $0 $$ >> {}/PWN; echo $0 >> /PWN\n",
        ground.canary.directory().display()
    );
    for name in [
        "unpigz",
        "xz",
        "nft",
        "iptables",
        "modprobe",
        "newuidmap",
        "newgidmap",
        "fusermount3",
        "systemd-run",
        "lazaret",
        "nsenter",
        "init",
        "supervisor",
        "launcher",
    ] {
        for directory in [
            "bin",
            "sbin",
            "usr/bin",
            "usr/sbin",
            "usr/local/bin",
            "usr/local/libexec/lazaret",
        ] {
            script(&image.join(directory).join(name), &mark);
        }
    }
    ground
        .host
        .once(&["--network", "default", "--user", "user", "--tty"], &["true"])
        .ok();
    let name = ground.system();
    ground.host.run(&["enter", "--user", "user", &name, "--", "true"]).ok();
    ground.enter(&name, "cat /proc/meminfo").ok();
    ground.end(&name);
    assert!(
        !image.join("PWN").exists(),
        "{:?}",
        fs::read_to_string(image.join("PWN"))
    );
    ground.canary.lives("");
    // No program of ours loads anything: there is no interpreter in its program headers (elf(5): PT_INTERP is 3).
    for program in wire::Program::ALL {
        let bytes = fs::read(tests::programs::path(program)).unwrap();
        let at = usize::try_from(u64::from_le_bytes(bytes[32..40].try_into().unwrap())).unwrap();
        let (size, number) = (usize::from(bytes[54]), usize::from(bytes[56]));
        for header in 0..number {
            let kind = &bytes[at + header * size..][..4];
            assert_ne!(kind, 3_u32.to_le_bytes(), "{} is not static", program.name());
        }
        assert!(number > 0);
    }
}

/// CVE-2026-53488, CVE-2026-53492, CVE-2026-40226: what came with an image was taken for the host's own configuration.
#[test]
fn cve_2026_40226_configuration_in_an_image_is_not_read() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    let pwn = format!("touch {}/PWN", ground.canary.directory().display());
    let bind = ground.canary.directory().display().to_string();
    for (file, text) in [
        (
            "etc/lazaret.policy",
            "ids 0 65552\nroot /\nhost-root *\nforwarding no\n".to_owned(),
        ),
        ("etc/lazaret/x.xml", "<domain type='lxc'/>".to_owned()),
        (
            "config",
            format!("lxc.hook.pre-start = {pwn}\nlxc.mount.entry = {bind} mnt none bind,rw 0 0\n"),
        ),
        (
            "config.json",
            format!("{{\"hooks\":{{\"prestart\":[{{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"{pwn}\"]}}]}}}}"),
        ),
        (
            ".nspawn",
            format!("[Files]\nBind={bind}:/mnt\n[Exec]\nCapability=all\nPrivateUsers=no\n"),
        ),
        ("etc/lxc/default.conf", format!("lxc.hook.start-host = {pwn}\n")),
        ("etc/fstab", format!("{bind} /mnt none bind 0 0\n")),
        ("etc/subuid", "root:0:65536\n".to_owned()),
        (
            "manifest.json",
            "{\"Labels\":{\"io.logger\":\"binary:///bin/sh\"},\"Volumes\":{\"/root\":{}}}".to_owned(),
        ),
        (
            "checkpoint/config.dump",
            format!("{{\"rootfsImageRef\":\"{bind}\",\"cdi\":[\"/dev/vda\"]}}"),
        ),
        ("etc/environment", "LD_PRELOAD=/evil.so\n".to_owned()),
    ] {
        fs::create_dir_all(image.join(file).parent().unwrap()).unwrap();
        fs::write(image.join(file), text).unwrap();
    }
    let before = fs::read_to_string("/etc/lazaret.policy").ok();
    let ask = "ls -A /mnt; env; grep -c lazaret-canary /proc/self/mountinfo";
    for (way, said) in ground.everywhere(ask) {
        assert!(
            !said.stdout.contains("LD_PRELOAD") && !said.stdout.contains("secret"),
            "{way:?}: {said}"
        );
        assert!(said.stdout.ends_with("\n0\n"), "{way:?}: {said}");
    }
    assert_eq!(fs::read_to_string("/etc/lazaret.policy").ok(), before);
    // Its ids are those of the host's policy.
    let name = ground.app(&[]);
    let held = tests::process::holding(ground.host.pid_1(&name).unwrap()).unwrap();
    assert!(held.uid.iter().all(|id| ground.host.ids().contains(id)), "{held:?}");
    ground.end(&name);
}

/// CVE-2026-53489, CVE-2024-5154, CVE-2025-9566, CVE-2024-9676: files of the image that a runtime reads or writes are links, FIFOs, devices
/// without end, or 10 GiB of nothing.
#[test]
fn cve_2024_9676_files_of_the_image_that_are_traps_are_neither_followed_nor_waited_for() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    let kept = fs::read_to_string(image.join("etc/passwd")).unwrap();
    let files = [
        "passwd",
        "group",
        "hosts",
        "resolv.conf",
        "mtab",
        "hostname",
        "localtime",
        "machine-id",
    ];
    let system = ground.system();
    for trap in [
        "a link to a file of root's",
        "a link to a device without end",
        "a link into /proc",
        "a FIFO",
        "a device",
        "10 GiB of nothing",
        "a directory",
        "a link to itself",
    ] {
        for file in files {
            let at = image.join("etc").join(file);
            let _ = fs::remove_file(&at).or_else(|_| fs::remove_dir(&at));
            match trap {
                "a link to a file of root's" => symlink(ground.canary.file(), &at).unwrap(),
                "a link to a device without end" => symlink("/dev/zero", &at).unwrap(),
                "a link into /proc" => symlink("/proc/1/environ", &at).unwrap(),
                "a FIFO" => fifo(&at),
                "a device" => drop(capture::output("mknod", &[at.to_str().unwrap(), "c", "1", "5"])),
                "10 GiB of nothing" => fs::File::create(&at).unwrap().set_len(10 << 30).unwrap(),
                "a directory" => fs::create_dir(&at).unwrap(),
                _ => symlink(at.file_name().unwrap(), &at).unwrap(),
            }
        }
        // By name: the container's own passwd says who that is, or nobody does. Nothing waits: the deadline is a minute.
        for said in [
            ground.host.once(&["--user", "user"], &["/usr/bin/id"]),
            ground
                .host
                .once(&["--user", "root:extra", "--network", "default"], &["/usr/bin/id"]),
            ground
                .host
                .run(&["enter", "--user", "user", &system, "--", "/usr/bin/id"]),
        ] {
            ground.canary.lives(&format!("{}{}", said.stdout, said.stderr));
            assert_eq!(said.code(), 125, "{trap}: {said}");
            assert_eq!(said.stderr.lines().count(), 1, "{trap}: {said}");
        }
        // By number, nothing of it is needed. (The command reads none of them either.)
        let said = ground.host.once(&["--user", "7:8"], &["/bin/attack", "holding"]);
        ground.canary.lives(&said.stdout);
        assert!(
            said.code() == 125 || said.stdout.contains("Uid:\t7\t7"),
            "{trap}: {said}"
        );
    }
    fs::remove_file(image.join("etc/passwd")).unwrap();
    fs::write(image.join("etc/passwd"), kept).unwrap();
}

/// CVE-2026-41579, CVE-2026-47766: /dev of the image is a link, by which devices were made on the host. CVE-2019-19921: /proc
/// or /sys is one.
#[test]
fn cve_2026_41579_links_for_dev_and_its_likes_make_nothing_on_the_host() {
    need_root!();
    let ground = ground();
    let canary = ground.canary.directory().display().to_string();
    let root = ground.host.image_called("linked");
    let name = ground.host.name("linked");
    // A machine that has time for few rounds only is given each place with one target, in turn.
    let all = tests::ways::rounds() >= 100;
    for (turn, place) in [
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "etc",
        "dev/pts",
        "dev/shm",
        "dev/mqueue",
        "sys/fs",
        "mnt",
    ]
    .into_iter()
    .enumerate()
    {
        let targets = [
            canary.clone(),
            format!("../../../../../../../..{canary}"),
            format!("/proc/self/root{canary}"),
        ];
        for (_, target) in targets.iter().enumerate().filter(|(n, _)| all || turn % 3 == *n) {
            let at = root.join(place);
            let aside = root.join("aside");
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            let had = fs::rename(&at, &aside).is_ok();
            symlink(target, &at).unwrap();
            let said = ground.host.run(&[
                "run", "--rootfs", root.to_str().unwrap(), "--network", "none", "--tmpfs", "/mnt/below", "--", "sh", "-c",
                &format!("cat {canary}/secret /{place}/secret; ls /dev /dev/pts; echo x > /etc/x; echo x > /dev/x; echo x > /mnt/x; mkdir /tmp/x"),
            ]);
            ground.canary.lives(&said.stdout);
            let xml = ground
                .host
                .domain(&name, "sleep 1000", "", "")
                .replace(ground.host.image().to_str().unwrap(), root.to_str().unwrap());
            let said = ground.host.run(&["create", &ground.host.file("linked.xml", xml)]);
            ground.canary.lives(&said.stderr);
            if said.code() == 0 {
                let said = ground.enter(&name, &format!("cat {canary}/secret; echo x > /{place}/x; ls /dev/pts"));
                ground.canary.lives(&said.stdout);
                ground.end(&name);
            }
            fs::remove_file(&at).unwrap();
            if had {
                fs::rename(&aside, &at).unwrap();
            }
        }
    }
    ground.host.nothing_is_left();
}

/// CVE-2015-3629: a link that the container left behind is followed when it is started again. CVE-2013-6456: and when it is shut down.
#[test]
fn cve_2015_3629_links_that_a_container_left_are_not_followed_when_it_starts_again() {
    need_root!();
    let ground = ground();
    let canary = ground.canary.directory().display().to_string();
    let name = ground.host.name("again");
    let file = ground.host.domain_file(
        &name,
        "trap 'exit 0' TERM PWR INT; while :; do sleep 1 & wait; done",
        "",
        "",
    );
    ground.host.run(&["define", &file]).ok();
    ground.host.run(&["start", &name]).ok();
    let script = format!(
        "for f in /etc/hostname /etc/hosts /etc/resolv.conf /etc/mtab /dev/console /dev/initctl /dev/log /dev/pts /proc /sys /dev /run/initctl /run /tmp; do \
         mv $f $f.was; ln -s {canary}/x $f; ln -s {canary} $f; done 2>/dev/null; mount --move /dev /mnt; umount -l /dev; mkdir /var/tmp/d; mount --bind /var/tmp/d /dev; \
         ln -s {canary}/initctl /dev/initctl; ls /etc; echo end"
    );
    let said = ground.enter(&name, &script);
    assert!(said.stdout.ends_with("end\n"), "{said}");
    // What goes through the container's own places now: a shutdown, a reboot, a console, a log.
    for verb in ["reboot", "shutdown"] {
        ground.host.run(&[verb, &name]);
        ground.canary.lives("");
    }
    ground.host.run(&["destroy", &name]);
    for _ in 0..2 {
        let said = ground.host.run(&["start", &name]);
        ground.canary.lives(&said.stderr);
        if said.code() == 0 {
            let said = ground.enter(
                &name,
                &format!("cat {canary}/secret; echo x > {canary}/x; cat /etc/hostname /etc/hosts"),
            );
            ground.canary.lives(&said.stdout);
            ground.host.run(&["destroy", &name]).ok();
        }
    }
    ground.host.run(&["undefine", &name]).ok();
}

/// CVE-2013-6441: a file of the host's that the container needs was bound writable.
#[test]
fn cve_2013_6441_nothing_of_the_hosts_is_mounted_inside_but_what_was_asked_for() {
    need_root!();
    let ground = ground();
    let image = ground.host.image().display().to_string();
    // Id, parent, device, root, point, options; after the dash: type, source, options of the superblock.
    for (way, said) in ground.everywhere("cat /proc/self/mountinfo") {
        assert!(said.stdout.lines().count() > 10, "{said}");
        for line in said.stdout.lines() {
            let (head, tail) = line.split_once(" - ").unwrap();
            let head: Vec<&str> = head.split(' ').collect();
            let (root, point, options) = (head[3], head[4], head[5]);
            let kind = tail.split(' ').next().unwrap();
            let fits = match kind {
                // Its root file system, and nothing else of that file system.
                "ext4" | "xfs" | "btrfs" | "overlay" => root == image && point == "/",
                // Single harmless devices, which the masks are too.
                "devtmpfs" => {
                    let device = ["/null", "/zero", "/full", "/random", "/urandom", "/tty"].contains(&root);
                    device
                        && (point == format!("/dev{root}")
                            || (root == "/null" && options.starts_with("ro,") && point.starts_with("/proc/")))
                }
                "devpts" => root == "/" || (root.len() > 1 && ["/dev/console", "/dev/tty1"].contains(&point)),
                "proc" | "sysfs" | "mqueue" | "cgroup" | "cgroup2" | "fuse.meminfo" => true,
                // Made for it. What lies in /etc is read-only.
                "tmpfs" => !point.starts_with("/etc/") || options.starts_with("ro,"),
                _ => false,
            };
            assert!(fits, "{way:?}: {line}");
        }
    }
}

/// CVE-2022-23648, CVE-2024-1753, CVE-2024-23651: the source of a mount, given below a root file system, was led out by a link or `..`.
#[test]
fn cve_2022_23648_a_source_that_a_container_has_exchanged_for_a_link_leads_nowhere() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    ground
        .host
        .policy(&format!("root {}", image.parent().unwrap().display()));
    let canary = ground.canary.directory().display().to_string();
    symlink(&canary, image.join("volume")).unwrap();
    symlink("/", image.join("top")).unwrap();
    symlink("volume", image.join("chain")).unwrap();
    let at = image.display().to_string();
    for source in [
        format!("{at}/volume"),
        format!("{at}/chain"),
        format!("{at}/top{canary}"),
        format!("{at}/../../../../..{canary}"),
        format!("{at}/tmp/../volume"),
        format!("{at}/volume/secret"),
    ] {
        let said = ground.host.once(
            &["--bind", &format!("{source}:/mnt")],
            &["sh", "-c", "cat /mnt/* /mnt; echo x > /mnt/x"],
        );
        ground.canary.lives(&format!("{}{}", said.stdout, said.stderr));
        assert_eq!(said.code(), 125, "{source}: {said}");
        let name = ground.host.name("sourced");
        let xml = format!("<filesystem type='mount'><source dir='{source}'/><target dir='/mnt'/></filesystem>");
        let said = ground
            .host
            .run(&["create", &ground.host.domain_file(&name, "sleep 1000", "", &xml)]);
        assert_eq!(said.code(), 1, "{source}: {said}");
    }
    ground.host.nothing_is_left();
}

/// CVE-2024-1753: what root names to be bound lies in a tree that a container writes, and its root has laid a link there: to a directory of the
/// host's, to a file, and to another container's tree below the same root of the policy.
#[test]
fn cve_2024_1753_a_link_that_a_container_laid_in_its_own_tree_is_not_followed_for_who_names_the_place() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    let other = ground.host.image_called("other");
    fs::write(other.join("home/user/theirs"), ground.canary.secret()).unwrap();
    let before = tests::image::fingerprint(&other);
    for policy in ["", "root /"] {
        ground.host.policy(policy);
        let script = format!(
            "rm -rf /srv/*; mkdir /srv/deep; ln -s {} /srv/away; ln -s {} /srv/file; ln -s ../../other/home/user /srv/beside; ln -s ../beside /srv/deep/chain; ls /srv",
            ground.canary.directory().display(),
            ground.canary.directory().join("secret").display(),
        );
        let laid = ground.host.once(&[], &["sh", "-c", &script]).ok();
        assert_eq!(laid.stdout, "away\nbeside\ndeep\nfile\n", "{laid}");
        for (link, inside) in [
            ("away", "/mnt"),
            ("file", "/etc/passwd"),
            ("beside", "/mnt"),
            ("deep/chain", "/mnt"),
            ("beside/theirs", "/etc/passwd"),
        ] {
            let source = format!("{}/srv/{link}", image.display());
            for how in ["", ":ro"] {
                let script = "cat /mnt/* /etc/passwd; echo x > /mnt/x; echo x > /etc/passwd";
                let bind = format!("{source}:{inside}{how}");
                let said = ground.host.once(&["--bind", &bind], &["sh", "-c", script]);
                ground.canary.lives(&format!("{}{}", said.stdout, said.stderr));
                said.refused(125, &["symbolic link where a container may have laid it"]);
            }
            // Nor for who defines it.
            let name = ground.host.name("beside");
            let xml = format!("<filesystem type='mount'><source dir='{source}'/><target dir='/mnt'/></filesystem>");
            let file = ground.host.domain_file(&name, "sleep 1000", "", &xml);
            assert_eq!(ground.host.run(&["create", &file]).code(), 1, "{source}");
        }
        assert!(
            tests::image::fingerprint(&other) == before,
            "another container's tree was changed"
        );
    }
    ground.host.nothing_is_left();
}

/// CVE-2025-64507: a container makes a setuid file in a volume that users of the host can reach.
#[test]
fn cve_2025_64507_a_setuid_file_made_in_a_volume_is_nobodys_root() {
    need_root!();
    let ground = ground();
    // A volume that others reach, on a mount that is nosuid: that one may be given.
    let open = ground.host.name("/run/lazaret-volume");
    fs::create_dir(&open).unwrap();
    let roots = format!("root {open}\nroot {}", ground.host.directory().display());
    ground.host.policy(&roots);
    // Of a file system that any kernel can map the ids of: tmpfs can be mapped from Linux 6.3 on.
    let closed = ground.host.directory().join("closed");
    let volume = closed.join("volume");
    fs::create_dir_all(&volume).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o755)).unwrap();
    ground
        .host
        .inside("mount", &["--bind", volume.to_str().unwrap(), &open])
        .ok();
    ground.host.inside("mount", &["-o", "remount,bind,nosuid", &open]).ok();
    let script = "cp /bin/busybox /mnt/id; chown 0:0 /mnt/id; chmod 6755 /mnt/id; ls -l /mnt/id";
    let said = ground
        .host
        .once(&["--bind", &format!("{open}:/mnt")], &["sh", "-c", script]);
    let made = format!("{open}/id");
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--", &made, "-u"];
    let outside = ground.host.inside("setpriv", &user);
    ground.host.inside("umount", &[&open]).ok();
    fs::remove_dir(&open).unwrap();
    assert!(said.stdout.contains("-rwsr-sr-x"), "it was not made: {said}");
    assert_eq!(outside.stdout, "65534\n", "{outside}");
}

/// CVE-2025-23266, CVE-2024-0132: the environment of the container reached a program on the host's side.
#[test]
fn cve_2025_23266_the_containers_environment_reaches_no_program_of_ours() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let name = host.name("loaded");
    host.once(
        &[
            "-d",
            "--name",
            &name,
            "-e",
            "LD_PRELOAD=/evil.so",
            "-e",
            "PATH=/evil",
            "-e",
            "LAZARET_CHANNEL=0",
            "-e",
            "GLIBC_TUNABLES=x",
        ],
        &["/bin/sh", "-c", "while :; do /bin/sleep 1000; done"],
    )
    .ok();
    let mut seen = 0;
    for pid in tests::kernel::processes(host.ids(), host.holder()) {
        let Some(program) = tests::process::executable(pid).and_then(|e| tests::programs::of_file(&e)) else {
            continue;
        };
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert!(
            environment.is_empty(),
            "{}: {:?}",
            program.name(),
            String::from_utf8_lossy(&environment)
        );
        let at = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
        assert_eq!(at, Path::new("/"), "{}", program.name());
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
    host.run(&[
        "enter",
        "-e",
        "LD_PRELOAD=/evil.so",
        "-e",
        "LAZARET_CHANNEL=3",
        &name,
        "--",
        "/bin/true",
    ])
    .ok();
    ground.end(&name);
}
