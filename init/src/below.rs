//! What of the host's is mounted below a container's `/sys`, where that is the host's own with all of it: an ordinary user's container that shares the
//! host's network can have no other. May touch: `/proc/self/mountinfo`, to read.

use crate::place;
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Where the container's own control groups are, or nothing at all: not the host's, which lie below that.
const GROUPS: &str = "/sys/fs/cgroup";

/// The places below `/sys` where something is mounted on it.
pub fn mounted(root: BorrowedFd<'_>) -> nix::Result<Vec<String>> {
    let sysfs = sys::mount::mount_id(place::find(root, "/sys")?.as_fd())?;
    let table = std::fs::read("/proc/self/mountinfo");
    let table = table.map_err(|e| e.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw))?;
    let table = String::from_utf8_lossy(&table);
    let below = below(&table, sysfs).ok_or(Errno::ENOENT)?;
    Ok(below
        .into_iter()
        .map(|path| format!("/sys{path}"))
        .filter(|path| path != GROUPS)
        .collect())
}

/// The places of the mounts on this one, as they are called from its root (proc_pid_mountinfo(5)); `None` if it is not in the table, or if the name of
/// one is no text. That of another mount may be none: any user of the host may have chosen it.
fn below(table: &str, mount: u64) -> Option<Vec<String>> {
    let row = |line: &str| {
        let mut words = line.split(' ');
        let (id, parent) = (words.next()?.parse::<u64>().ok()?, words.next()?.parse::<u64>().ok()?);
        Some((id, parent, unescaped(words.nth(2)?)?))
    };
    let rows = table.lines().map(row).collect::<Option<Vec<_>>>()?;
    let (_, _, own) = rows.iter().find(|(id, ..)| *id == mount)?;
    let on = rows.iter().filter(|(_, parent, _)| *parent == mount);
    let text = |place: &&str| !place.contains(char::REPLACEMENT_CHARACTER);
    on.map(|(_, _, place)| place.strip_prefix(own.as_str()).filter(text).map(str::to_owned))
        .collect()
}

/// A path of the table, in which a blank, a tab, a line feed and a backslash stand as octal numbers.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('\\');
    let mut path = parts.next()?.to_owned();
    for part in parts {
        let (number, rest) = part.split_at_checked(3)?;
        path.push(char::from(u8::from_str_radix(number, 8).ok()?));
        path.push_str(rest);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "20 1 8:1 / / rw - ext4 /dev/root rw\n\
        30 20 0:5 / /sys rw - tmpfs tmpfs rw\n\
        40 30 8:2 / /sys/root rw - ext4 /dev/root rw\n\
        50 40 0:6 / /sys/root/sys ro - sysfs sysfs rw\n\
        51 50 0:7 / /sys/root/sys/kernel/debug ro - debugfs debugfs rw\n\
        52 51 0:8 / /sys/root/sys/kernel/debug/tracing ro - tracefs tracefs rw\n\
        53 50 0:9 / /sys/root/sys/fs/a\\040b\\134 ro - pstore pstore rw\n";

    #[test]
    fn just_what_is_mounted_on_it_is_told_by_its_place_there() {
        assert_eq!(below(TABLE, 50).unwrap(), ["/kernel/debug", "/fs/a b\\"]);
        assert_eq!(below(TABLE, 52).unwrap(), Vec::<String>::new());
        assert_eq!(below(TABLE, 99), None);
        let odd = |parent: u32| format!("{TABLE}54 {parent} 0:5 / /sys/root/sys/\u{fffd} rw - tmpfs tmpfs rw\n");
        assert_eq!(below(&odd(50), 50), None);
        assert_eq!(below(&odd(40), 50), below(TABLE, 50));
        assert_eq!(below("20 1\n", 20), None);
        assert_eq!(unescaped("a\\04"), None);
    }
}
