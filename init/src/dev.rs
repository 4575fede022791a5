//! `/dev`: a tmpfs of the container's own with the nodes that the factory delivered, terminals of its own, and shared memory. Nothing of the
//! image's /dev is looked at. May touch: that place of the tree.

use crate::place::{self, Kind, Laid};
use crate::undo::Places;
use crate::views;
use payload::Step;
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, Superblock, clone_tree, name_beneath, open_beneath};
use wire::failure::Failure;
use wire::mountd::Device;

/// What `/dev/shm` may hold, in bytes; the container's memory limit counts it too.
const SHARED_MEMORY: &std::ffi::CStr = c"64m";
/// The group `tty` of nearly every distribution, which owns terminals.
const TTY: u32 = 5;

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// A console: both ends of a terminal of the container's devpts.
#[derive(Debug)]
pub struct Console {
    /// For whoever shows it.
    pub master: OwnedFd,
    /// Held open, so that the master does not hang up while nobody inside has it open.
    #[expect(dead_code, reason = "it is open, which is all that it is for")]
    pub slave: OwnedFd,
}

/// Lays `/dev` out. `devices` are the nodes with their mounts, `terminals` the devpts in which the consoles are; `queues`:
/// whether message queues are the container's own, for nobody else may have them mounted.
pub fn lay(
    root: BorrowedFd<'_>,
    devices: &[(Device, OwnedFd)],
    terminals: BorrowedFd<'_>,
    consoles: u8,
    queues: bool,
    places: &mut Places,
) -> Result<Vec<Laid>, Failure> {
    let dev = tmpfs(c"64k", c"0755", Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC).to("make /dev")?;
    let mut laid = vec![places.lay(root, "/dev", dev.as_fd())?];
    for (device, mount) in devices {
        node(*device, mount.as_fd())?;
        laid.push(on(dev.as_fd(), device.name(), Kind::File, mount.as_fd())?);
    }
    let shared = tmpfs(SHARED_MEMORY, c"1777", Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV).to("make /dev/shm")?;
    laid.push(on(dev.as_fd(), "shm", Kind::Directory, shared.as_fd())?);
    if let Some(queues) = if queues { views::mqueue()? } else { None } {
        laid.push(on(dev.as_fd(), "mqueue", Kind::Directory, queues.as_fd())?);
    }
    laid.push(on(dev.as_fd(), "pts", Kind::Directory, terminals)?);
    for number in 0..consoles {
        laid.extend(show(dev.as_fd(), terminals, number)?);
    }
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, &dev, name).to(&format!("make /dev/{name}"))?;
    }
    Ok(laid)
}

/// A devpts of the container's own, detached, with so many consoles in it.
pub fn terminals(consoles: u8, tty_mapped: bool) -> Result<(OwnedFd, Vec<Console>), Failure> {
    let terminals = devpts(tty_mapped).to("make /dev/pts")?;
    let made: nix::Result<_> = (0..consoles).map(|_| console(terminals.as_fd())).collect();
    Ok((terminals, made.to("make a console")?))
}

/// The factory's word is not enough: a node that is not what it is called would be a device of the host's.
fn node(device: Device, mount: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = format!("use the node for /dev/{}", device.name());
    let stat = rustix::fs::fstat(mount).to(&what)?;
    let number = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let character = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::CharacterDevice;
    if character && number == device.number() {
        return Ok(());
    }
    Err(Failure::protocol(&format!("{what}: it is another file")))
}

fn on(dev: BorrowedFd<'_>, name: &str, kind: Kind, mount: BorrowedFd<'_>) -> Result<Laid, Failure> {
    let path = format!("/dev/{name}");
    let made = match kind {
        Kind::Directory => place::directory(dev, name),
        Kind::File | Kind::Placeholder => place::file(dev, name).map(drop),
    };
    made.to(&format!("make {path}"))?;
    let name = CString::new(name).map_err(|_| Failure::bug("name a device"))?;
    let target = name_beneath(dev, &name).to(&format!("find {path}"))?;
    place::over(&path, target.as_fd(), mount)
}

/// A tmpfs of the container's own.
pub fn tmpfs(size: &std::ffi::CStr, mode: &std::ffi::CStr, flags: Attr) -> nix::Result<OwnedFd> {
    let tmpfs = Superblock::open(c"tmpfs")?;
    tmpfs.string(c"source", c"tmpfs")?;
    tmpfs.string(c"size", size)?;
    tmpfs.string(c"mode", mode)?;
    tmpfs.create()?;
    tmpfs.mount(flags)
}

/// The most terminals at once. The kernel has so many for all containers together (`kernel.pty.max` less `kernel.pty.reserve`, 3072) that this is one of twelve.
const TERMINALS: &std::ffi::CStr = c"256";

fn devpts(tty_mapped: bool) -> nix::Result<OwnedFd> {
    let devpts = Superblock::open(c"devpts")?;
    devpts.string(c"source", c"devpts")?;
    devpts.flag(c"newinstance")?;
    devpts.string(c"ptmxmode", c"0666")?;
    devpts.string(c"max", TERMINALS)?;
    devpts.string(c"mode", c"0620")?;
    if tty_mapped {
        devpts.string(c"gid", c"5")?;
    }
    devpts.create()?;
    devpts.mount(Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC)
}

/// Whether the group of terminals exists in the container.
pub fn tty_mapped(map: &[wire::ids::IdRange]) -> bool {
    wire::ids::outside(map, TTY).is_some()
}

/// A new terminal of this devpts.
fn console(terminals: BorrowedFd<'_>) -> nix::Result<Console> {
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let master = open_beneath(
        terminals,
        c"ptmx",
        flags,
        Mode::empty(),
        rustix::fs::ResolveFlags::BENEATH,
    )?;
    rustix::pty::unlockpt(&master).map_err(sys::process::errno)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).map_err(sys::process::errno)?;
    Ok(Console { master, slave })
}

/// Shows console `number` as `/dev/tty(number + 1)`, and the first one as `/dev/console` too.
fn show(dev: BorrowedFd<'_>, terminals: BorrowedFd<'_>, number: u8) -> Result<Vec<Laid>, Failure> {
    let name = CString::new(number.to_string()).map_err(|_| Failure::bug("name a console"))?;
    let slave = name_beneath(terminals, &name).to("find a console")?;
    let mut names = vec![format!("tty{}", u16::from(number).saturating_add(1))];
    if number == 0 {
        names.push("console".to_owned());
    }
    let mut laid = Vec::new();
    for name in names {
        let mount = clone_tree(slave.as_fd(), false).to(&format!("make the mount for /dev/{name}"))?;
        laid.push(on(dev, &name, Kind::File, mount.as_fd())?);
    }
    Ok(laid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_another_device_is_refused() {
        let zero = std::fs::File::open("/dev/zero").unwrap();
        assert_eq!(node(Device::Zero, zero.as_fd()), Ok(()));
        assert!(node(Device::Null, zero.as_fd()).is_err());
    }

    #[test]
    fn the_terminal_group_is_used_only_where_it_exists() {
        let r = |inside, count| wire::ids::IdRange {
            inside,
            outside: 100_000,
            count,
        };
        assert!(tty_mapped(&[r(0, 65536)]));
        assert!(!tty_mapped(&[r(0, 1), r(1000, 1)]));
    }
}
