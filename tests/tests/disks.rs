//! Disks of a container: file systems on block devices and in files, mounted for it. What is behind which loop device is asked of `/sys/block`,
//! what is mounted of mountinfo; file systems are made by mke2fs, in files of the test's.

use nix::errno::Errno;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;
use tests::capture::{DEADLINE, until};
use tests::disk::{behind, debugfs, filesystem, has, image, lacking, mounted, none_behind, with_device};
use tests::inject::{Fault, Injection, When, follow};
use tests::{Host, need_root, skip};
use wire::Program;

const STAY: &str = "while :; do sleep 1000; done";

macro_rules! need_disks {
    () => {
        need_root!();
        if let Some(why) = lacking() {
            skip!("no loop device can be made here: {why}");
        }
    };
}

fn sh(host: &Host, name: &str, script: &str) -> tests::Outcome {
    host.run(&["enter", name, "--", "sh", "-c", script])
}

#[test]
fn a_file_system_in_a_file_is_mounted_with_the_containers_ids_and_goes_with_it() {
    need_disks!();
    let host = Host::new();
    let name = host.name("files");
    // What is on it belongs to root and to somebody, as the container sees them.
    let content = host.directory().join("content");
    fs::create_dir(&content).unwrap();
    for (file, owner) in [("roots", 0), ("users", 1000)] {
        fs::write(content.join(file), file).unwrap();
        std::os::unix::fs::chown(content.join(file), Some(owner), Some(owner)).unwrap();
    }
    fs::copy("/bin/busybox", content.join("su")).unwrap();
    fs::set_permissions(content.join("su"), fs::Permissions::from_mode(0o4755)).unwrap();
    let (data, kept) = (
        image(&host, "data.img", "ext4", "32M", Some(&content)),
        image(&host, "kept.img", "ext2", "8M", Some(&content)),
    );
    host.policy(&format!(
        "filesystem {data} {name}\nfilesystem {kept} {name} readonly\n"
    ));
    let devices = [
        "<filesystem type='file'><driver type='loop' format='raw'/><source file='".to_owned()
            + &data
            + "'/><target dir='/srv/data'/></filesystem>",
        filesystem("file", &kept, "/mnt", "<readonly/>"),
    ]
    .concat();
    host.run(&["define", &host.domain_file(&name, STAY, "", &devices)]).ok();
    let planned = host.run(&["plan", &name]).ok().stdout;
    let told = format!("the file system in the file {data}, behind a loop device of loopd's, nosuid,nodev,id-mapped");
    assert!(planned.contains(&told), "{planned}");
    host.run(&["start", &name]).ok();
    let files: Vec<PathBuf> = behind(&host).into_values().collect();
    assert_eq!(files.len(), 2);
    assert!(files.contains(&PathBuf::from(&data)) && files.contains(&PathBuf::from(&kept)));
    for device in behind(&host).keys() {
        let says = |what: &str| {
            let text = fs::read_to_string(format!("/sys/block/{device}/{what}")).unwrap();
            text.trim().to_owned()
        };
        assert_eq!(says("loop/autoclear"), "1");
        let read_only = says("loop/backing_file") == kept;
        assert_eq!(says("ro"), if read_only { "1" } else { "0" });
    }
    let [flags, kind, own] = mounted(&host, &name, "/srv/data").unwrap();
    assert_eq!(kind, "ext4");
    assert!(
        has(&flags, "rw") && has(&flags, "nosuid") && has(&flags, "nodev") && has(&flags, "idmapped"),
        "{flags}"
    );
    assert!(has(&own, "rw"), "{own}");
    let [flags, kind, own] = mounted(&host, &name, "/mnt").unwrap();
    // The driver of ext4 maps ids in an ext2 too, which ext2's own does not.
    assert_eq!(kind, "ext4");
    assert!(
        has(&flags, "ro") && has(&own, "ro") && has(&flags, "nosuid"),
        "{flags} {own}"
    );

    let owners = sh(&host, &name, "cd /srv/data; stat -c '%n %u %g' roots users")
        .ok()
        .stdout;
    assert_eq!(owners, "roots 0 0\nusers 1000 1000\n");
    sh(
        &host,
        &name,
        "echo written > /srv/data/new && sync && ! echo x > /mnt/new 2>/dev/null",
    )
    .ok();
    // On the host they are the container's own, as all of its files are.
    let pid = host.pid_1(&name).unwrap();
    let stat = fs::metadata(format!("/proc/{pid}/root/srv/data/new")).unwrap();
    assert!(host.ids().contains(&stat.uid()), "{}", stat.uid());
    // What was put around it stays: its root makes none of it writable, set-id, or a place of devices, and takes none of it off.
    let places = ["/srv/data", "/mnt"];
    let before = places.map(|at| mounted(&host, &name, at).unwrap());
    for tried in [
        "remount,bind,rw /mnt",
        "remount,rw /mnt",
        "remount,bind,suid /srv/data",
        "remount,bind,dev /srv/data",
    ] {
        let said = sh(&host, &name, &format!("mount -o {tried} 2>/dev/null"));
        assert!(said.code() != 0, "{tried}: {said}");
    }
    assert!(sh(&host, &name, "umount /mnt 2>/dev/null").code() != 0);
    assert_eq!(places.map(|at| mounted(&host, &name, at).unwrap()), before);
    host.run(&["destroy", &name]).ok();
    none_behind(&host, "destroyed");
    // It is in the image, as root's of the image's own.
    let said = debugfs(&data, "stat /new", false);
    assert!(said.contains("User:     0"), "{said}");
    // A second start finds it.
    host.run(&["start", &name]).ok();
    assert_eq!(sh(&host, &name, "cat /srv/data/new").ok().stdout, "written\n");
    host.run(&["destroy", &name]).ok();
    host.run(&["undefine", &name]).ok();
    none_behind(&host, "destroyed again");
    host.nothing_is_left();
}

#[test]
fn a_container_boots_from_a_file_or_from_a_block_device_and_from_what_lxc_says() {
    need_disks!();
    let host = Host::new();
    let name = host.name("boots");
    let root = image(&host, "root.img", "ext4", "64M", Some(&host.image()));
    let define = |filesystem: &str| {
        let text = host.domain(&name, STAY, "", "");
        let (before, rest) = text.split_once("<filesystem").unwrap();
        let (_, after) = rest.split_once("</filesystem>").unwrap();
        host.run(&["define", &host.file("d.xml", [before, filesystem, after].concat())])
            .ok();
    };
    host.policy(&format!("filesystem {root} {name}\n"));
    define(&filesystem("file", &root, "/", ""));
    host.run(&["start", &name]).ok();
    let [flags, kind, _] = mounted(&host, &name, "/").unwrap();
    assert!(
        kind == "ext4" && has(&flags, "rw") && has(&flags, "nodev"),
        "{flags} {kind}"
    );
    // Set-id programs of a root work, as in every domain.
    assert!(!has(&flags, "nosuid"), "{flags}");
    sh(&host, &name, "echo here > /here && [ $(stat -c %u /bin/busybox) = 0 ]").ok();
    host.run(&["destroy", &name]).ok();
    none_behind(&host, "a root in a file");

    // LXC's own words for the same.
    let config = host.file(
        "config",
        format!("lxc.uts.name = {name}\nlxc.rootfs.path = loop:{root}\nlxc.rootfs.options = ro\nlxc.init.cmd = /bin/sh -c 'while :; do sleep 1000; done'\nlxc.net.0.type = empty\n"),
    );
    let xml = host.run(&["domxml-from-native", "lxc-tools", &config]).ok().stdout;
    assert!(xml.contains("<driver type='loop' format='raw'/>"), "{xml}");
    let xml = host.file("native.xml", xml);
    let back = host.run(&["domxml-to-native", "lxc-tools", "--xml", &xml]).ok().stdout;
    assert!(back.contains(&format!("lxc.rootfs.path = loop:{root}\n")), "{back}");
    // LXC's containers keep what its lines do not drop.
    host.policy(&format!("filesystem {root} {name} readonly\ncapability all {name}\n"));
    host.run(&["undefine", &name]).ok();
    host.run(&["define", &xml]).ok();
    host.run(&["start", &name]).ok();
    let [flags, _, own] = mounted(&host, &name, "/").unwrap();
    assert!(has(&flags, "ro") && has(&own, "ro"), "{flags} {own}");
    assert_eq!(sh(&host, &name, "cat /here").ok().stdout, "here\n");
    host.run(&["destroy", &name]).ok();
    none_behind(&host, "a root that is read");

    // A block device: here a loop device of the test's.
    with_device(&root, &[], |device| {
        host.policy(&format!("filesystem {device} {name}\ndevice {device} {name}\n"));
        define(&filesystem("block", device, "/", ""));
        host.run(&["start", &name]).ok();
        let [_, kind, _] = mounted(&host, &name, "/").unwrap();
        assert_eq!(kind, "ext4");
        assert_eq!(sh(&host, &name, "cat /here").ok().stdout, "here\n");
        host.run(&["destroy", &name]).ok();
        // A container does not write beneath a file system that the kernel has mounted for it.
        let disk = format!("<disk type='block'><source dev='{device}'/><target dev='vda'/></disk>");
        define(&(filesystem("block", device, "/", "") + &disk));
        host.run(&["start", &name]).refused(1, &[&name, device, "mounted"]);
        // It is the test's own, and still there.
        assert_eq!(behind(&host).len(), 1);
    });
    host.run(&["undefine", &name]).ok();
    none_behind(&host, "a root on a block device");
    host.nothing_is_left();
}

#[test]
fn what_is_no_file_system_that_may_be_mounted_is_refused_in_a_line_and_nothing_is_left() {
    need_disks!();
    let host = Host::new();
    let name = host.name("refused");
    let directory = host.directory().join("files");
    let at = |file: &str| directory.join(file).to_str().unwrap().to_owned();
    let good = image(&host, "good.img", "ext4", "8M", None);
    let cut = image(&host, "cut.img", "ext4", "8M", None);
    File::options()
        .write(true)
        .open(&cut)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let sparse = File::create(at("sparse.img")).unwrap();
    sparse.set_len(10 << 30).unwrap();
    fs::write(at("empty.img"), "").unwrap();
    let mut both = fs::read(&good).unwrap();
    both[..4].copy_from_slice(b"XFSB");
    fs::write(at("both.img"), both).unwrap();
    symlink(&good, at("link.img")).unwrap();
    symlink(&directory, host.directory().join("way")).unwrap();
    let way = host.directory().join("way/good.img").to_str().unwrap().to_owned();
    nix::unistd::mkfifo(at("fifo.img").as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let define = |devices: &str| {
        host.run(&["define", &host.domain_file(&name, STAY, "", devices)]).ok();
    };
    let start = || host.run(&["start", &name]);
    // Consent is by path, name, and whether it is written; that a container may have the device is another one.
    let lines = [
        String::new(),
        format!("filesystem {good} other"),
        format!("filesystem {good} {name} readonly"),
        format!(
            "filesystem {directory}/./good.img {name}",
            directory = directory.display()
        ),
        format!("device {good} {name}"),
    ];
    define(&filesystem("file", &good, "/mnt", ""));
    let wanted = format!("a line `filesystem {good} {name}` in /etc/lazaret.policy would allow it");
    for line in lines {
        host.policy(&line);
        start().refused(1, &[&name, "mount the file system on", &wanted]);
    }
    define(&filesystem("file", &good, "/mnt", "<readonly/>"));
    host.policy("");
    start().refused(
        1,
        &["to be read", &format!("a line `filesystem {good} {name} readonly`")],
    );
    for bad in ["filesystem", "filesystem /a", "filesystem a b", "filesystem /a b/c"] {
        host.policy(bad);
        start().refused(1, &["/etc/lazaret.policy:", "filesystem"]);
    }

    for (file, why) in [
        (at("none.img"), "open "),
        (at("link.img"), "a symbolic link"),
        (way, "a symbolic link"),
        (at("fifo.img"), "it is not a regular file"),
        ("/dev/null".to_owned(), "it is not a regular file"),
        (directory.to_str().unwrap().to_owned(), "it is not a regular file"),
        (at("empty.img"), "there is none of ext4, xfs"),
        (at("sparse.img"), "there is none of ext4, xfs"),
        (at("both.img"), "the marks of ext4, xfs"),
        (cut, "mount the ext4 file system of a disk"),
    ] {
        host.policy(&format!("filesystem {file} {name}\n"));
        define(&filesystem("file", &file, "/mnt", ""));
        start().refused(1, &[&name, why]);
        none_behind(&host, &file);
    }
    for (device, why) in [
        ("/dev/null", "it is not a block device"),
        (&good, "it is not a block device"),
    ] {
        host.policy(&format!("filesystem {device} {name}\n"));
        define(&filesystem("block", device, "/mnt", ""));
        start().refused(1, &[&name, why]);
    }
    // A file that somebody else has is nobody else's: not even this container's a second time, unless both only read.
    let twice = |more: &str| filesystem("file", &good, "/mnt", more) + &filesystem("file", &good, "/srv", more);
    host.policy(&format!("filesystem {good} {name}\n"));
    define(&twice(""));
    start().refused(1, &[&name, &good, "it is locked"]);
    none_behind(&host, "twice");
    define(&twice("<readonly/>"));
    start().ok();
    host.run(&["destroy", &name]).ok();
    none_behind(&host, "read twice");
    // What libvirt refuses, and what takes another program.
    for (filesystem, why) in [
        (
            "<filesystem type='template'><source name='a'/><target dir='/mnt'/></filesystem>",
            "type='template'",
        ),
        (
            "<filesystem type='volume'><source pool='a' volume='b'/><target dir='/mnt'/></filesystem>",
            "type='volume'",
        ),
        (
            "<filesystem type='file'><driver type='nbd' format='qcow2'/><source file='/a'/><target dir='/mnt'/></filesystem>",
            "<driver> in <filesystem>",
        ),
        (
            "<filesystem type='file'><driver type='loop' format='qcow2'/><source file='/a'/><target dir='/mnt'/></filesystem>",
            "<driver> in <filesystem>",
        ),
    ] {
        define(filesystem);
        start().refused(1, &[&name, why]);
    }
    let bad = |device: &str| host.run(&["define", &host.domain_file(&name, STAY, "", device)]);
    bad("<filesystem type='file'><source dev='/a'/><target dir='/mnt'/></filesystem>")
        .refused(1, &["<source> has no attribute file"]);
    define("<filesystem type='block'><source dev='a'/><target dir='/mnt'/></filesystem>");
    start().refused(1, &[&name, "\"a\", not a path that begins with '/'"]);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

/// How many faults of one kind are tried.
const MOST: usize = 3;

#[test]
fn whoever_is_killed_or_fails_in_the_midst_of_a_start_leaves_no_loop_device() {
    need_disks!();
    let host = Host::new();
    let name = host.name("struck");
    let data = image(&host, "data.img", "ext4", "8M", None);
    host.policy(&format!("filesystem {data} {name}\n"));
    host.run(&[
        "define",
        &host.domain_file(&name, STAY, "", &filesystem("file", &data, "/mnt", "")),
    ])
    .ok();
    let start = |fault: Option<Fault>| {
        let said = host.directory().join("files/followed");
        let command = host.lazaret(&["start", &name]);
        let account = follow(
            &command,
            File::create(&said).unwrap(),
            &[],
            fault,
            Duration::from_secs(120),
        );
        assert!(account.hung.is_none(), "{fault:?} {:?}", account.hung);
        (account, fs::read_to_string(said).unwrap())
    };
    let (calm, said) = start(None);
    assert_eq!(calm.status, 0, "{said}");
    host.run(&["destroy", &name]).ok();
    none_behind(&host, "a calm start");
    // ioctl(2), sendmsg(2), pread64(2); fsconfig(2), fsmount(2), mount_setattr(2); move_mount(2).
    let (kill, fail) = (Injection::Kill, Injection::Fail(Errno::EIO));
    let (mut tried, mut reached) = (0, 0);
    for (program, number, injection) in [
        (Program::Loopd, 16, kill),
        (Program::Loopd, 16, fail),
        (Program::Loopd, 46, kill),
        (Program::Loopd, 17, fail),
        (Program::Mountd, 431, kill),
        (Program::Mountd, 432, kill),
        (Program::Mountd, 442, fail),
        (Program::Launcher, 46, kill),
    ] {
        let made = &calm.calls[&(program, 0)];
        let places = (1..).zip(made).filter(|(_, n)| **n == number).map(|(call, _)| call);
        let places: Vec<_> = places.collect();
        assert!(!places.is_empty(), "{program:?} makes no call {number}");
        // Of many, MOST that are spread over all of them, the first and the last among them.
        let most = places.len().min(MOST);
        let spread = (0..most).map(|n| places[n * (places.len() - 1) / (most - 1).max(1)]);
        for call in spread {
            tried += 1;
            let fault = Fault {
                instance: (program, 0),
                when: When::Call(call),
                injection,
            };
            let (account, said) = start(Some(fault));
            reached += usize::from(account.struck.is_some());
            let what = format!("{fault:?}: {} {said}", account.status);
            // The launcher may have been killed when the container was there already.
            if program == Program::Launcher {
                host.run(&["list"]).ok();
                let _ = host.run(&["destroy", &name]);
            } else {
                assert_eq!(account.status, 1, "{what}");
            }
            none_behind(&host, &what);
        }
    }
    println!("{reached} of {tried} faults struck");
    assert!(reached * 4 > tried * 3, "{reached} of {tried}");
    // And when all of a container that runs is killed at once.
    host.run(&["start", &name]).ok();
    assert_eq!(behind(&host).len(), 1);
    for pid in tests::kernel::processes(host.ids(), host.holder()) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    none_behind(&host, "all killed");
    // The loop device may go before the last of them has.
    let gone = || tests::kernel::processes(host.ids(), host.holder()).is_empty();
    assert!(until(DEADLINE, gone), "killed, and still there");
    host.run(&["list"]).ok();
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}
