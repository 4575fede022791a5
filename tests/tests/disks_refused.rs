//! File systems on disks that are refused for what stands in them, or that are but read. What is written is seen in their bytes; what is behind which loop
//! device is asked of `/sys/block`, what is mounted of mountinfo. File systems are made by e2fsprogs, in files of the test's.

use nix::errno::Errno;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::Command;
use tests::capture::{DEADLINE, until};
use tests::disk::{behind_device, debugfs, filesystem, has, image, lacking, mounted, none_behind, with_device};
use tests::{Host, need_root, skip};

const STAY: &str = "while :; do sleep 1000; done";

macro_rules! need_disks {
    () => {
        need_root!();
        if let Some(why) = lacking() {
            skip!("no loop device can be made here: {why}");
        }
    };
}

/// Runs a tool of e2fsprogs.
fn tool(tool: &str, arguments: &[&str]) {
    let said = Command::new(tool).args(arguments).output().unwrap();
    assert!(said.status.success(), "{tool}: {said:?}");
}

#[test]
fn a_file_system_that_names_another_device_is_refused_and_none_may_stop_the_host() {
    need_disks!();
    let host = Host::new();
    let name = host.name("named");
    let define = |file: &str| {
        let devices = filesystem("file", file, "/mnt", "");
        host.run(&["define", &host.domain_file(&name, STAY, "", &devices)]).ok();
        host.policy(&format!("filesystem {file} {name}\n"));
    };
    let at = |file: &str| host.directory().join("files").join(file).to_str().unwrap().to_owned();
    // What makes them so: tune2fs and debugfs, or a few bytes.
    let [journal, number, options] =
        ["journal.img", "number.img", "options.img"].map(|f| image(&host, f, "ext4", "8M", None));
    debugfs(&journal, "set_super_value journal_inum 0", true);
    debugfs(&number, "set_super_value journal_dev 0x801", true);
    tool("tune2fs", &["-E", "mount_opts=journal_dev=0x801", &options]);
    let marked = |file: &str, marks: &[(usize, &[u8])]| {
        let mut bytes = vec![0; 1 << 20];
        for (place, mark) in marks {
            bytes[*place..][..mark.len()].copy_from_slice(mark);
        }
        fs::write(at(file), bytes).unwrap();
        at(file)
    };
    let btrfs = marked("btrfs.img", &[(0x1_0040, b"_BHRfS_M")]);
    let f2fs = marked("f2fs.img", &[(1024, &[0x10, 0x20, 0xf5, 0xf2])]);
    let erofs = marked("erofs.img", &[(1024, &[0xe2, 0xe1, 0xf5, 0xe0]), (1024 + 86, &[1])]);
    let vfat = marked("vfat.img", &[(82, b"FAT32   "), (510, &[0x55, 0xaa])]);
    let iso9660 = marked("iso9660.img", &[(0x8001, b"CD001")]);
    for (file, why) in [
        (&journal, "the ext4 file system on it: its journal is on another device"),
        (&number, "the ext4 file system on it: its journal is on another device"),
        (&options, "the ext4 file system on it: it has mount options of its own"),
        (
            &btrfs,
            "the btrfs file system on it: its file system may name other devices of the host's",
        ),
        (
            &f2fs,
            "the f2fs file system on it: its file system may name other devices of the host's",
        ),
        (
            &erofs,
            "the erofs file system on it: it names other devices of the host's",
        ),
        (&vfat, "the vfat file system on it: its driver keeps no owners"),
        (&iso9660, "the iso9660 file system on it: its driver maps no ids"),
    ] {
        define(file);
        host.run(&["start", &name]).refused(1, &[&name, file, why]);
        none_behind(&host, file);
    }
    // Its superblock says that the kernel is to stop the host when it finds it damaged.
    let panic = image(&host, "panic.img", "ext4", "8M", None);
    tool("tune2fs", &["-e", "panic", &panic]);
    define(&panic);
    host.run(&["start", &name]).ok();
    let [_, _, own] = mounted(&host, &name, "/mnt").unwrap();
    assert!(has(&own, "errors=remount-ro") && !own.contains("panic"), "{own}");
    host.run(&["destroy", &name]).ok();
    none_behind(&host, "damaged");
    // An image that has another name as well.
    fs::hard_link(&panic, at("other.img")).unwrap();
    host.run(&["start", &name]).refused(1, &[&name, &panic, "hard links"]);
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

#[test]
fn a_block_device_that_is_read_is_not_written_even_by_the_kernel() {
    need_disks!();
    let host = Host::new();
    let name = host.name("read");
    let file = image(&host, "read.img", "ext4", "8M", None);
    // As after a loss of power: a journal to be replayed.
    debugfs(&file, "feature needs_recovery", true);
    let bytes = fs::read(&file).unwrap();
    with_device(&file, &[], |device| {
        let define = |device: &str, more: &str| {
            let devices = filesystem("block", device, "/mnt", more);
            host.run(&["define", &host.domain_file(&name, STAY, "", &devices)]).ok();
            host.policy(&format!(
                "filesystem {device} {name}\nfilesystem {device} {name} readonly\n"
            ));
        };
        define(device, "<readonly/>");
        host.run(&["start", &name])
            .refused(1, &[&name, "mount the ext4 file system of a disk"]);
        assert!(fs::read(device).unwrap() == bytes && fs::read(&file).unwrap() == bytes);
        // Written, the kernel replays it; then it can be read, without a write.
        define(device, "");
        host.run(&["start", &name]).ok();
        host.run(&["destroy", &name]).ok();
        let busy = || exclusive(device).is_err_and(|e| e.raw_os_error() == Some(Errno::EBUSY as i32));
        assert!(until(DEADLINE, || !busy()));
        let bytes = fs::read(device).unwrap();
        define(device, "<readonly/>");
        host.run(&["start", &name]).ok();
        let [flags, _, own] = mounted(&host, &name, "/mnt").unwrap();
        assert!(has(&flags, "ro") && has(&own, "ro"), "{flags} {own}");
        let above = behind_device(device);
        assert_eq!(above.len(), 1, "{above:?}");
        assert_eq!(
            fs::read_to_string(format!("/sys/block/{}/ro", above[0])).unwrap(),
            "1\n"
        );
        host.run(&["destroy", &name]).ok();
        assert!(until(DEADLINE, || behind_device(device).is_empty()));
        assert!(fs::read(device).unwrap() == bytes);
        // What the host has mounted is not read behind the kernel's back. Whoever opens it exclusively is as good as a mount.
        let held = exclusive(device).unwrap();
        host.run(&["start", &name]).refused(1, &[&name, device, "in use"]);
        drop(held);
        assert!(behind_device(device).is_empty());
    });
    // What the host's own root is on.
    let root = fs::metadata("/").unwrap().dev();
    let (major, minor) = (nix::sys::stat::major(root), nix::sys::stat::minor(root));
    let link = fs::read_link(format!("/sys/dev/block/{major}:{minor}"));
    let own = link.map(|l| format!("/dev/{}", l.file_name().unwrap().to_str().unwrap()));
    if let Ok(own) = own.as_ref().map(String::as_str)
        && fs::metadata(own).is_ok_and(|m| m.rdev() == root)
    {
        for (more, word) in [("", ""), ("<readonly/>", " readonly")] {
            let devices = filesystem("block", own, "/mnt", more);
            host.run(&["define", &host.domain_file(&name, STAY, "", &devices)]).ok();
            host.policy(&format!("filesystem {own} {name}{word}\n"));
            host.run(&["start", &name])
                .refused(1, &[&name, own, "the host's own root is on it"]);
        }
    } else {
        println!("the host's root is on no block device that could be refused");
    }
    host.run(&["undefine", &name]).ok();
    none_behind(&host, "read");
    host.nothing_is_left();
}

#[test]
fn a_container_has_no_device_that_overlaps_what_is_mounted_for_it() {
    need_disks!();
    let host = Host::new();
    let name = host.name("apart");
    let file = host.directory().join("files/parts.img").to_str().unwrap().to_owned();
    tool(
        "mke2fs",
        &["-q", "-F", "-t", "ext4", "-E", "offset=1048576", &file, "8M"],
    );
    // Two partitions (a PC's partition table): the file system, and what comes behind it.
    let parts = File::options().write(true).open(&file).unwrap();
    parts.set_len(16 << 20).unwrap();
    for (place, first, sectors) in [(446, 2048, 16384), (462, 18432, 8192)] {
        let numbers = [first, sectors].map(u32::to_le_bytes).concat();
        parts.write_all_at(&[0x83], place + 4).unwrap();
        parts.write_all_at(&numbers, place + 8).unwrap();
    }
    parts.write_all_at(&[0x55, 0xaa], 510).unwrap();
    with_device(&file, &["--partscan"], |device| {
        let (first, second) = (format!("{device}p1"), format!("{device}p2"));
        if !Path::new(&first).exists() || !Path::new(&second).exists() {
            skip!("the kernel makes no nodes for partitions of {device} here");
        }
        for (disk, refused) in [(device, true), (&first, true), (&second, false)] {
            host.policy(&format!("filesystem {first} {name}\ndevice {disk} {name}\n"));
            let devices = filesystem("block", &first, "/mnt", "")
                + &format!("<disk type='block'><source dev='{disk}'/><target dev='vda'/></disk>");
            host.run(&["define", &host.domain_file(&name, STAY, "", &devices)]).ok();
            let started = host.run(&["start", &name]);
            if refused {
                started.refused(1, &[&name, disk, "to be mounted for the same container"]);
            } else {
                started.ok();
                host.run(&["destroy", &name]).ok();
            }
        }
        // The device goes when the file system on it is gone.
        let free = || exclusive(&first).is_ok();
        assert!(until(DEADLINE, free));
    });
    let _ = host.run(&["undefine", &name]);
    host.nothing_is_left();
}

/// Opens a device for oneself alone, as a mount does.
fn exclusive(device: &str) -> std::io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_EXCL.bits())
        .open(device)
}
