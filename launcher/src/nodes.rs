//! Device nodes of the host's that a container is given. They are opened where the host's policy consents to, for what they are; their
//! likes are made, the container's root's own, in a file system of the factory's that is attached nowhere. May touch: what the nodes name, as
//! `O_PATH`; that file system; `/sys/dev/block`, to be read.

use crate::open;
use rustix::fs::{AtFlags, FileType, Mode, Stat};
use std::os::fd::OwnedFd;
use sys::process::errno;
use wire::devd::Rule;
use wire::{Failure, Node};

/// A node of the host's, opened.
#[derive(Debug)]
pub struct Found {
    kind: FileType,
    number: u64,
    /// What allows its use.
    pub rule: Rule,
}

/// Opens one, and looks at what it is.
pub fn find(node: &Node) -> Result<Found, Failure> {
    let path = node.from.as_str();
    found(node, &open::device(path)?)
}

/// What an opened device is, for this node.
fn found(node: &Node, stat: &Stat) -> Result<Found, Failure> {
    let path = node.from.as_str();
    let kind = FileType::from_raw_mode(stat.st_mode);
    let block = kind == FileType::BlockDevice;
    if !(block || kind == FileType::CharacterDevice) || !node.kind.may_be(block) {
        let wanted = match (node.kind.may_be(true), node.kind.may_be(false)) {
            (true, true) => "a device",
            (true, false) => "a block device",
            _ => "a character device",
        };
        return Err(Failure::caller(&format!("give {path}: it is not {wanted}")));
    }
    let rule = Rule {
        block,
        major: Some(rustix::fs::major(stat.st_rdev)),
        minor: Some(rustix::fs::minor(stat.st_rdev)),
        read: true,
        write: node.writable,
        make: true,
    };
    Ok(Found {
        kind,
        number: stat.st_rdev,
        rule,
    })
}

/// Refuses a device whose file system is mounted for the same container: the kernel believes what stands there, and it would write that.
pub fn apart(nodes: &[Node], found: &[Found], mounted: &[u64]) -> Result<(), Failure> {
    let both = |f: &Found| f.rule.block && mounted.iter().any(|m| overlap(DEVICES, f.number, *m));
    match nodes.iter().zip(found).find(|(_, f)| both(f)) {
        None => Ok(()),
        Some((node, _)) => Err(Failure::caller(&format!(
            "give {}: the file system on it is to be mounted for the same container",
            node.from
        ))),
    }
}

/// Where the kernel has block devices by their numbers.
const DEVICES: &str = "/sys/dev/block";

/// Whether one is the other, or the whole disk of that.
fn overlap(devices: &str, one: u64, other: u64) -> bool {
    one == other || whole(devices, one) == Some(other) || whole(devices, other) == Some(one)
}

/// The whole disk of a partition.
fn whole(devices: &str, number: u64) -> Option<u64> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let device = format!("{devices}/{major}:{minor}");
    // Partitions alone have this file; what is above them is their disk.
    std::fs::metadata(format!("{device}/partition")).ok()?;
    let disk = std::fs::read_to_string(format!("{device}/../dev")).ok()?;
    let (major, minor) = disk.trim().split_once(':')?;
    Some(rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// Makes each under its number, for this owner on the host alone. A container's root has no power over a node that is another's, whatever
/// the rules allow.
pub fn make(found: &[Found], within: &OwnedFd, owner: [u32; 2]) -> Result<(), Failure> {
    let [uid, gid] = owner;
    let made = |(place, node): (usize, &Found)| {
        let mode = Mode::RUSR | Mode::WUSR | Mode::XUSR;
        rustix::fs::mknodat(within, place.to_string(), node.kind, mode, node.number)
    };
    open::with_ids(uid, gid, || found.iter().enumerate().try_for_each(made))
        .map_err(|e| Failure::kernel("make a device node for the container", errno(e) as i32))?;
    // What they are is asked of the kernel once more: a number that it could not keep would be another device.
    for (place, node) in found.iter().enumerate() {
        let stat = rustix::fs::statat(within, place.to_string(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| Failure::kernel("look at the device node that was made", errno(e) as i32))?;
        let right = FileType::from_raw_mode(stat.st_mode) == node.kind
            && (stat.st_rdev, stat.st_uid, stat.st_gid) == (node.number, uid, gid);
        if !right {
            return Err(Failure::bug("make the device node that was asked for"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_disk_overlaps_its_partitions_and_those_not_each_other() {
        let directory = std::env::temp_dir().join(format!("lazaret-test-nodes-{}", std::process::id()));
        let devices = directory.join("dev/block");
        fs::create_dir_all(&devices).unwrap();
        for (number, place) in [
            ("8:0", "sda"),
            ("8:1", "sda/sda1"),
            ("8:2", "sda/sda2"),
            ("8:16", "sdb"),
        ] {
            let device = directory.join("devices").join(place);
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("dev"), format!("{number}\n")).unwrap();
            if place.contains('/') {
                fs::write(device.join("partition"), "1\n").unwrap();
            }
            symlink(format!("../../devices/{place}"), devices.join(number)).unwrap();
        }
        let is = |one: u32, other: u32| {
            let number = |minor| rustix::fs::makedev(8, minor);
            overlap(devices.to_str().unwrap(), number(one), number(other))
        };
        for (one, other) in [(0, 0), (1, 1), (0, 1), (1, 0), (2, 0), (99, 99)] {
            assert!(is(one, other), "{one} {other}");
        }
        for (one, other) in [(1, 2), (0, 16), (16, 1), (0, 99)] {
            assert!(!is(one, other), "{one} {other}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
